#include "comm/communicator.h"

#include <algorithm>
#include <vector>

namespace ponder::comm {
namespace {

class SingleMember : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void exchange(std::span<const ConstBytes>, std::span<const Bytes>) override {}
  void abort(const std::string&) noexcept override {}
};

}  // namespace

Communicator& single_member() {
  static SingleMember member;  // has no state, so sharing it shares nothing
  return member;
}

void Communicator::barrier() { any(false); }

void Communicator::broadcast(Bytes data, int root) {
  std::vector<ConstBytes> to(static_cast<size_t>(size()));
  std::vector<Bytes> from(to.size());
  if (rank() == root) {
    std::fill(to.begin(), to.end(), ConstBytes(data));
  } else {
    from[static_cast<size_t>(root)] = data;
  }
  exchange(to, from);
}

void Communicator::broadcast(std::string& text, int root) {
  size_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  text.resize(length);
  broadcast(std::as_writable_bytes(std::span(text)), root);
}

void Communicator::gather(ConstBytes mine, Bytes all) {
  const std::vector<ConstBytes> to(static_cast<size_t>(size()), mine);
  std::vector<Bytes> from;
  for (size_t r = 0; r < to.size(); ++r) from.push_back(all.subspan(r * mine.size(), mine.size()));
  std::copy(mine.begin(), mine.end(), from[static_cast<size_t>(rank())].begin());
  exchange(to, from);
}

bool Communicator::any(bool mine) {
  std::vector<std::byte> everyone(static_cast<size_t>(size()));
  const std::byte own{mine};
  gather({&own, 1}, everyone);
  return std::find(everyone.begin(), everyone.end(), std::byte{1}) != everyone.end();
}

bool Communicator::all(bool mine) { return !any(!mine); }

}  // namespace ponder::comm
