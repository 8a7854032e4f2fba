#include "report/teacher_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "report/sections.h"

namespace ponder::report {
namespace {

int64_t count_of(const Json& standing, const char* key) {
  const auto field = standing.find(key);
  return field != standing.end() && field->is_number_integer() ? field->get<int64_t>() : 0;
}
std::string words_of(const Json& standing, const char* key) {
  const auto field = standing.find(key);
  return field != standing.end() && field->is_string() ? field->get<std::string>() : "";
}
std::string number(int64_t n) { return counted(static_cast<double>(n)); }

std::string rejected_words(const Json& standing) {
  std::vector<std::string> reasons;
  int64_t all = 0;
  if (const auto rejected = standing.find("rejected");
      rejected != standing.end() && rejected->is_object()) {
    for (const auto& [reason, count] : rejected->items()) {
      if (!count.is_number_integer()) continue;
      all += count.get<int64_t>();
      reasons.push_back(fmt::format("{} {}", number(count.get<int64_t>()), reason));
    }
  }
  return fmt::format("{} rejected{}", number(all),
                     reasons.empty() ? "" : fmt::format(" ({})", fmt::join(reasons, ", ")));
}

}  // namespace

std::vector<std::string> teacher_lines(const Json& standing) {
  if (!standing.is_object() || !standing.contains("problems")) return {};
  std::string rows =
      fmt::format("{}: {} of {} problems solved; asked {} times, {} answers: {} kept, {}",
                  words_of(standing, "model"), number(count_of(standing, "solved")),
                  number(count_of(standing, "problems")), number(count_of(standing, "attempts")),
                  number(count_of(standing, "answers")), number(count_of(standing, "kept")),
                  rejected_words(standing));
  for (const auto& [key, words] :
       {std::pair("failed", "requests failed"), std::pair("in_flight", "on their way"),
        std::pair("written", "in batch files"), std::pair("unasked", "to be asked next")}) {
    if (const int64_t count = count_of(standing, key); count > 0)
      rows += fmt::format("; {} {}", number(count), words);
  }
  std::vector<std::string> lines = {rows};
  const std::string currency = words_of(standing, "currency");
  if (currency.empty()) return lines;
  const std::string budget = words_of(standing, "budget"),
                    possible = words_of(standing, "possible");
  std::string money = fmt::format("{} {}{} spent", currency, words_of(standing, "spent"),
                                  budget.empty() ? "" : " of " + budget);
  if (!possible.empty() && possible != "0.00")
    money += fmt::format(", {} more possible (attempts without a bill)", possible);
  if (const std::string batches = words_of(standing, "in_batch_files"); !batches.empty())
    money += fmt::format(", up to {} in batch files", batches);
  lines.push_back(money);
  return lines;
}

std::string teacher_state(const Json& standing) {
  return standing.is_object() ? words_of(standing, "state") : "";
}

int64_t teacher_rows(const Json& standing) {
  return standing.is_object() ? count_of(standing, "kept") : 0;
}

Markup teacher_section(const Json& standing) {
  Markup lines;
  for (const std::string& line : teacher_lines(standing)) lines += element("p", text(line));
  return lines.empty() ? Markup{} : section("Teacher", lines);
}

Json kept_teacher(const std::filesystem::path& run) {
  const std::filesystem::path file = run / kTeacherFile;
  try {
    return std::filesystem::exists(file) ? read_json_file(file) : Json();
  } catch (const std::exception&) {  // of whoever looks on
    return {};
  }
}

}  // namespace ponder::report
