#include "jinja/template.h"

#include <fmt/format.h>

#include "base/error.h"
#include "jinja/interpreter.h"

namespace ponder::jinja {

struct Template::Program {
  std::string where;
  Block block;
};

Template::Template(std::string text, std::string where)
    : text_(std::make_shared<const std::string>(std::move(text))) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  if (text_->size() > kMaxBytes) {
    throw Error(where,
                fmt::format("{} bytes; a chat template has at most {}", text_->size(), kMaxBytes));
  }
  Block block = parse(*text_, where);
  program_ = std::make_shared<const Program>(Program{std::move(where), std::move(block)});
}

std::string Template::render(const Json& variables, const Limits& limits) const {
  Budget budget(limits.steps, limits.bytes);
  return run(program_->block, Value::from_json(variables).as_dict(), budget, program_->where);
}

}  // namespace ponder::jinja
