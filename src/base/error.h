// The one exception type of ponder. An Error ends a command or a stage; it is caught in cli/main,
// at the edge of a worker thread and (later) in the HTTP handler. What is merely expected (no
// answer found, end of data) is a std::optional or a small enum instead.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace ponder {

class Error : public std::runtime_error {
 public:
  // where:    file, line, key or tensor: the place a person looks at first
  // problem:  what was expected and what was found, e.g. "expected a number, found \"abc\""
  // advice:   what to try; may be empty
  Error(std::string where, std::string problem, std::string advice = "");

  const std::string& where() const { return where_; }
  const std::string& problem() const { return problem_; }
  const std::string& advice() const { return advice_; }

 private:
  std::string where_, problem_, advice_;
};

// At most `max_bytes` of `text`, one line, control and broken bytes escaped, for use inside a
// message.
std::string excerpt(std::string_view text, size_t max_bytes = 60);

// The candidate nearest to `word` by edit distance, or "" when none is near; for "did you mean".
std::string nearest(std::string_view word, const std::string_view* candidates,
                    size_t num_candidates);

}  // namespace ponder
