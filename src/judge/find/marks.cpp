#include "judge/find/marks.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "judge/find/phrase.h"
#include "judge/text.h"

namespace ponder::judge {

using std::string_view;

namespace {

constexpr size_t kLongestTagged = 2000;  // bytes between <answer> and </answer>

}  // namespace

std::optional<Marked> marked_answer(string_view text) {
  static constexpr std::array<string_view, 7> kMarks = {
      "#### ",   "####", "\na: ", "\"answer\":", "\"final_answer\":", "[[ ## answer ## ]]",
      "[answer]"};
  text = last_bytes(text, kMarkSearch);
  const std::string lower = lower_ascii(text);
  size_t best = kNone, length = 0;
  const auto look_for = [&](string_view mark) {
    const size_t at = lower.rfind(mark);
    if (at == kNone || (best != kNone && at + mark.size() <= best + length)) return;
    best = at;
    length = mark.size();
  };
  for (string_view mark : kMarks) look_for(mark);
  for (string_view mark : kMarksOfLanguages) look_for(mark);
  if (best == kNone) return std::nullopt;
  const bool quoted = lower[best] == '"';
  string_view rest = text.substr(best + length);
  const bool own_line = lower.substr(best, 4) == "####";
  if (own_line) rest = rest.substr(0, rest.find('\n'));
  if (quoted) {
    rest = trimmed(rest);
    if (rest.starts_with("\"")) {
      const size_t close = rest.find('"', 1);
      if (close == kNone) return std::nullopt;
      return Marked{std::string(trimmed(rest.substr(1, close - 1))), best + length};
    }
    rest = rest.substr(0, rest.find_first_of("}\n"));
  }
  if (own_line) {
    // A heading is no answer.
    const string_view line = trimmed(rest);
    const size_t digits = line.find_first_not_of("0123456789");
    const bool numbered = digits != kNone && digits > 0 && line.substr(digits, 2) == ". ";
    if (line.size() > 100 || line.ends_with(":") || numbered || line.empty()) return std::nullopt;
  }
  auto answer = leading_answer(rest, !own_line);
  if (own_line && !answer && std::count(trimmed(rest).begin(), trimmed(rest).end(), ' ') == 0 &&
      trimmed(rest).size() <= 30)
    answer = std::string(trimmed(rest));
  if (!answer) return std::nullopt;
  return Marked{std::move(*answer), best + length};
}

string_view tagged_part(string_view text, bool& several) {
  const string_view tail = last_bytes(text, kMarkSearch);
  const std::string lower = lower_ascii(tail);
  for (const auto& [open, close] : {std::pair<string_view, string_view>{"<answer>", "</answer>"},
                                    {"<final_answer>", "</final_answer>"},
                                    {"[answer]", "[/answer]"}}) {
    std::vector<string_view> different;
    string_view last;
    for (size_t begin = lower.find(open); begin != kNone; begin = lower.find(open, begin + 1)) {
      const size_t inside = begin + open.size();
      const size_t end = lower.find(close, inside);
      const string_view content = trimmed(tail.substr(inside, end == kNone ? kNone : end - inside));
      if (content.size() <= kLongestTagged && !content.empty()) {
        last = content;
        if (std::find(different.begin(), different.end(), content) == different.end())
          different.push_back(content);
      }
      several |= different.size() > kMostDifferentTags;
      if (end == kNone || several) break;
    }
    if (!last.empty()) return last;
  }
  return {};
}

}  // namespace ponder::judge
