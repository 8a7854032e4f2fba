// Members of one job that compute together, numbered from 0, each with a thread of control of its
// own (a process, or a thread in tests). All of them call the same operations in the same order. A
// transport implements four functions; the rest is made of them.
#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <string>

namespace ponder::comm {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

// Every operation throws Error once a member has aborted, on all members, whether they were waiting
// for it or come later.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // 0 … size() - 1
  virtual int size() const = 0;

  // to[r] (size() of them) goes to member r, whose from[rank()] has the same size, maybe 0. What a
  // member has for itself, to[rank()], stays with it: from[rank()] is left alone. Returns when both
  // sides are free to be used again.
  virtual void exchange(std::span<const ConstBytes> to, std::span<const Bytes> from) = 0;
  // Ends the job for all members; the first reason given is the one they all report. Whoever is
  // about to leave with an error calls it, for the others would wait for ever.
  virtual void abort(const std::string& reason) noexcept = 0;

  // Returns when every member has called it.
  void barrier();
  // Everyone's `data` becomes the root's.
  void broadcast(Bytes data, int root);
  void broadcast(std::string& text, int root);  // of any length
  // `all` becomes every member's `mine`, by rank; all of one size.
  void gather(ConstBytes mine, Bytes all);
  // The same answer for everyone.
  bool any(bool mine);
  bool all(bool mine);
};

// Does `body`; if it throws, the others are stopped before the exception goes on.
template <class Body>
auto abort_on_error(Communicator& members, const Body& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    members.abort(error.what());
    throw;
  }
}

// The one member of a job that is not shared out. It has nobody to wait for; abort does nothing.
Communicator& single_member();

}  // namespace ponder::comm
