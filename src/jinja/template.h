// A chat template's Jinja text, parsed and rendered: the part of Jinja 3.1 that published templates
// use, set up as transformers sets it up (trim_blocks, lstrip_blocks, loop controls, {% generation %},
// tojson, raise_exception, strftime_now). A text from a file may be anybody's, so it reaches nothing
// but the values it is given, and a rendering has a budget of steps, text made and depth. What is not
// supported is refused by name and line, never guessed.
//
// Two things differ from transformers on purpose: strftime_now gives the day 26 Jul 2024 always, and
// upper and lower case of letters beyond ASCII are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/json.h"

namespace ponder::jinja {

struct Limits {
  int64_t steps = 2'000'000;           // expressions and statements evaluated
  int64_t bytes = int64_t{256} << 20;  // of texts and lists made on the way, the result included
};

// Immutable, and cheap to copy; rendered from any thread.
class Template {
 public:
  // Throws Error "where:line" for what cannot be parsed, and for a text above 1 MiB.
  explicit Template(std::string text, std::string where = "chat template");

  // `variables` is an object. Throws Error "where:line" for what a template asks for and cannot
  // have, for what raise_exception says, and for a budget that is used up.
  std::string render(const Json& variables, const Limits& limits = {}) const;

  const std::string& text() const { return *text_; }

 private:
  struct Program;
  std::shared_ptr<const std::string> text_;
  std::shared_ptr<const Program> program_;
};

}  // namespace ponder::jinja
