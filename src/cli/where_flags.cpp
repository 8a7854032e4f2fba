#include "cli/where_flags.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.h"

namespace ponder::cli {
namespace {

std::optional<double> limit_of(const std::string& flag, std::string_view text) {
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(ErrorKind::kUsage, flag, "expected a number, found \"" + excerpt(text) + "\"");
  return value;
}

data::RowCondition condition_of(const char* name, const std::string& text, bool wanted) {
  const std::string flag = std::string(name) + " " + excerpt(text);
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorKind::kUsage, flag, "expected FIELD=VALUE",
                "e.g. level=4,5 or level=3..5 or domain=math");
  }
  data::RowCondition condition;
  condition.field = text.substr(0, equals);
  condition.wanted = wanted;
  const std::string value = text.substr(equals + 1);
  if (const size_t dots = value.find(".."); dots != std::string::npos) {
    condition.min = limit_of(flag, std::string_view(value).substr(0, dots));
    condition.max = limit_of(flag, std::string_view(value).substr(dots + 2));
    return condition;
  }
  for (size_t begin = 0; begin <= value.size();) {
    const size_t end = std::min(value.find(',', begin), value.size());
    if (end > begin) condition.values.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return condition;
}

}  // namespace

void add_where_options(CLI::App& command, WhereFlags& flags) {
  const auto add = [&](const char* name, std::vector<std::string>& conditions, const char* text) {
    command.add_option(name, conditions, text)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  add("--where", flags.where,
      "rows to take, by a field: level=4,5 or level=3..5 or domain=math; may be given several "
      "times");
  add("--except", flags.except, "rows not to take, likewise");
}

data::RowConditions conditions_of(const WhereFlags& flags) {
  data::RowConditions conditions;
  for (const std::string& text : flags.where) conditions.add(condition_of("--where", text, true));
  for (const std::string& text : flags.except)
    conditions.add(condition_of("--except", text, false));
  return conditions;
}

std::string own_flags(const WhereFlags& flags) {
  std::string text;
  for (const std::string& one : flags.where) text += " --where '" + one + "'";
  for (const std::string& one : flags.except) text += " --except '" + one + "'";
  return text;
}

}  // namespace ponder::cli
