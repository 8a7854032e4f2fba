#include "data/first_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace ponder::data {
namespace {

constexpr size_t kBlock = 256;        // entries between two keys of a run's index
constexpr uint64_t kFilterBits = 10;  // an entry: a wrong "perhaps" in a hundred, with kProbes
constexpr uint64_t kProbes = 5;

}  // namespace

// Sorted entries in the file.
struct FirstLines::Run {
  uint64_t begin = 0, count = 0;  // entries of the file
  std::vector<uint64_t> keys;     // the high half of every kBlock-th
  std::vector<uint64_t> filter;   // Bloom's

  template <class Visit>
  void for_each_bit(const Entry& entry, const Visit& visit) const {
    const uint64_t bits = filter.size() * 64;
    for (uint64_t i = 0; i < kProbes; ++i) visit((entry.high + i * (entry.low | 1)) % bits);
  }
  bool may_hold(const Entry& entry) const {
    bool all = true;
    for_each_bit(entry,
                 [&](uint64_t bit) { all = all && (filter[bit / 64] >> (bit % 64) & 1) != 0; });
    return all;
  }
};

FirstLines::FirstLines(size_t in_memory) : in_memory_(in_memory) {}

FirstLines::~FirstLines() {
  if (file_ >= 0) ::close(file_);
}

// Two chains of multiplications over the bytes, mixed at the end.
FirstLines::Entry FirstLines::entry_of(char kind, std::string_view text, uint64_t line) {
  uint64_t a = 0xCBF29CE484222325, b = 0x9E3779B97F4A7C15;
  const auto take = [&](uint64_t word) {
    a = (a ^ word) * 0x100000001B3;
    a ^= a >> 32;
    b = (b + word) * 0xD6E8FEB86659FD93;
    b ^= b >> 29;
  };
  take(static_cast<unsigned char>(kind));
  take(text.size());
  // Eight bytes at a time: texts are whole responses.
  for (; text.size() >= sizeof(uint64_t); text.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof(word));
    take(word);
  }
  for (const char c : text) take(static_cast<unsigned char>(c));
  const auto mixed = [](uint64_t x) {
    x = (x ^ (x >> 31)) * 0x7FB5D329728EA185;
    x = (x ^ (x >> 27)) * 0x81DADEF4BC2DD44D;
    return x ^ (x >> 33);
  };
  return {mixed(a ^ (b << 1)), mixed(b), line};
}

std::optional<uint64_t> FirstLines::find(char kind, std::string_view text) const {
  const Entry wanted = entry_of(kind, text, 0);
  const auto same = [&](const Entry& entry) {
    return entry.high == wanted.high && entry.low == wanted.low;
  };
  for (size_t i = wanted.high; !slots_.empty(); ++i) {
    const Entry& slot = slots_[i % slots_.size()];
    if (slot.line == 0) break;
    if (same(slot)) return slot.line;
  }
  std::vector<Entry> block(runs_.empty() ? 0 : 2 * kBlock);
  for (const Run& run : runs_) {
    if (!run.may_hold(wanted)) continue;
    // From the last key below it on: an equal high half may begin a block earlier.
    const auto key = std::lower_bound(run.keys.begin(), run.keys.end(), wanted.high);
    const auto index = static_cast<uint64_t>(std::max<int64_t>(0, key - run.keys.begin() - 1));
    const uint64_t first = index * kBlock, count = std::min(run.count - first, 2 * kBlock);
    const size_t num_bytes = count * sizeof(Entry);
    if (::pread(file_, block.data(), num_bytes,
                static_cast<off_t>((run.begin + first) * sizeof(Entry))) !=
        static_cast<ssize_t>(num_bytes)) {
      throw Error("temporary file", std::string("cannot be read: ") + std::strerror(errno));
    }
    const auto found =
        std::find_if(block.begin(), block.begin() + static_cast<int64_t>(count), same);
    if (found != block.begin() + static_cast<int64_t>(count)) return found->line;
  }
  return std::nullopt;
}

void FirstLines::add(char kind, std::string_view text, uint64_t line) {
  if (size_ == in_memory_) spill();
  if (2 * (size_ + 1) > slots_.size()) {  // at most half full
    std::vector<Entry> old = std::move(slots_);
    slots_.assign(std::max<size_t>(64, 2 * old.size()), Entry());
    for (const Entry& entry : old) {
      if (entry.line != 0) put(entry);
    }
  }
  put(entry_of(kind, text, std::max<uint64_t>(line, 1)));
  ++size_;
}

void FirstLines::put(const Entry& entry) {
  size_t i = entry.high % slots_.size();
  while (slots_[i].line != 0) i = (i + 1) % slots_.size();
  slots_[i] = entry;
}

void FirstLines::spill() {
  const std::filesystem::path folder = std::filesystem::temp_directory_path();
  if (file_ < 0) {
    std::string name = folder / "ponder-XXXXXX";
    file_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) throw_errno(folder, "make a temporary file");
    ::unlink(name.c_str());
  }
  std::vector<Entry> entries;
  entries.reserve(size_);
  for (const Entry& slot : slots_) {
    if (slot.line != 0) entries.push_back(slot);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& x, const Entry& y) {
    return x.high != y.high ? x.high < y.high : x.low < y.low;
  });
  Run run;
  run.begin = file_entries_;
  run.count = entries.size();
  run.filter.assign(entries.size() * kFilterBits / 64 + 1, 0);
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i % kBlock == 0) run.keys.push_back(entries[i].high);
    run.for_each_bit(entries[i],
                     [&](uint64_t bit) { run.filter[bit / 64] |= uint64_t{1} << (bit % 64); });
  }
  write_all(file_, entries.data(), entries.size() * sizeof(Entry), folder);
  file_entries_ += run.count;
  runs_.push_back(std::move(run));
  slots_.assign(slots_.size(), Entry());
  size_ = 0;
}

}  // namespace ponder::data
