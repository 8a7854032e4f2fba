// The one exception type of ponder. An Error ends a command or a stage; it is caught in cli/main,
// at the edge of a worker thread and (later) in the HTTP handler. What is merely expected (no
// answer found, end of data) is a std::optional or a small enum instead.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace ponder {

// What kind of failure it is, for those who answer it by kind: cli by an exit code, a server by a
// status, a client by trying again.
enum class ErrorKind {
  kUsage,     // a flag or key that is wrong in itself, whatever the files hold
  kInput,     // a file or value that cannot be used; the default
  kNotFound,  // a file, row or name that does not exist
  kBusy,      // held by another process, or the machine fails now: may work later
  kInternal,  // our own mistake
};

class Error : public std::runtime_error {
 public:
  // where:    file, line, key or tensor: the place a person looks at first
  // problem:  what was expected and what was found, e.g. "expected a number, found \"abc\""
  // advice:   what to try; may be empty
  Error(std::string where, std::string problem, std::string advice = "");
  Error(ErrorKind kind, std::string where, std::string problem, std::string advice = "");

  ErrorKind kind() const { return kind_; }
  const std::string& where() const { return where_; }
  const std::string& problem() const { return problem_; }
  const std::string& advice() const { return advice_; }

 private:
  ErrorKind kind_;
  std::string where_, problem_, advice_;
};

// Of a failed system call: kNotFound for a name that does not exist, kBusy for what another process
// holds, a disk that fails and too many open files, else kInput.
ErrorKind kind_of_errno(int code);

// At most `max_bytes` of `text`, one line, control and broken bytes escaped, for use inside a
// message.
std::string excerpt(std::string_view text, size_t max_bytes = 60);

// The candidate nearest to `word` by edit distance, or "" when none is near; for "did you mean".
std::string nearest(std::string_view word, const std::string_view* candidates,
                    size_t num_candidates);

}  // namespace ponder
