#include "judge/boxes.h"

#include <string>

#include "judge/text.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostJoined = 32;
constexpr size_t kLongestJoin = 60;  // bytes between two boxes of one answer

// Length of the box command at `i`, or 0.
size_t box_command(std::string_view text, size_t i) {
  for (std::string_view name : {std::string_view("\\boxed"), std::string_view("\\fbox")}) {
    if (text.substr(i, name.size()) != name) continue;
    const size_t end = i + name.size();
    return end < text.size() && is_letter(text[end]) ? 0 : name.size();
  }
  return 0;
}

// "and", ",", spacing, dollar signs and a name with an equals sign: nothing that starts a new
// thought.
bool only_joins(std::string_view between) {
  if (between.size() > kLongestJoin) return false;
  bool joined = false;
  size_t i = 0;
  while (i < between.size()) {
    const char c = between[i];
    if (is_letter(c)) {
      size_t end = i;
      while (end < between.size() && is_letter(between[end])) ++end;
      const std::string word = to_lower(between.substr(i, end - i));
      if (word == "and" || word == "or") {
        joined = true;
      } else if (word == "for" || word == "part" ||
                 (word.size() == 1 && i > 0 && between[i - 1] == '(')) {
        // "for part (a) and"
      } else {
        size_t after = end;
        while (after < between.size() &&
               (is_space(between[after]) || between[after] == '_' || is_digit(between[after])))
          ++after;
        if (word.size() > 1 || after >= between.size() || between[after] != '=') return false;
      }
      i = end;
    } else if (c == '\\') {
      size_t end = i + 1;
      while (end < between.size() && is_letter(between[end])) ++end;
      const std::string_view name = between.substr(i + 1, end - i - 1);
      if (!name.empty() && name != "quad" && name != "qquad" && name != "text" && name != "mbox")
        return false;
      i = name.empty() ? i + 2 : end;
    } else if (c == '\n' && between.substr(i, 2) == "\n\n") {
      return false;
    } else if (is_space(c) || std::string_view("$,;{}_=()").find(c) != std::string_view::npos ||
               is_digit(c)) {
      joined |= c == ',' || c == ';';
      ++i;
    } else {
      return false;
    }
  }
  return joined || trim(between).empty();
}

}  // namespace

std::vector<Box> find_boxes(std::string_view text, bool& unclosed) {
  struct Open {
    size_t begin, content;  // content is 0 for a plain brace
  };
  std::vector<Open> open;
  std::vector<Box> boxes;
  size_t boxes_open = 0;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '\\') {
      if (text.substr(i, 2) == "\\\\" && box_command(text, i + 1) > 0) ++i;  // escaped twice
      const size_t length = box_command(text, i);
      if (length == 0) {
        i += 2;
        continue;
      }
      size_t next = i + length;
      while (next < text.size() && text[next] == ' ') ++next;
      if (next < text.size() && text[next] == '{') {
        open.push_back({i, next + 1});
        ++boxes_open;
        i = next + 1;
      } else {
        size_t end = next;
        while (end < text.size() && !is_space(text[end]) && text[end] != '$' && text[end] != '}' &&
               text[end] != '\\')
          ++end;
        if (end > next && boxes_open == 0) boxes.push_back({i, end, text.substr(next, end - next)});
        i = end > next ? end : next;
      }
      continue;
    }
    if (c == '{') {
      open.push_back({i, 0});
    } else if (c == '}' && !open.empty()) {
      const Open last = open.back();
      open.pop_back();
      if (last.content != 0) {
        --boxes_open;
        while (!boxes.empty() && boxes.back().begin > last.begin) boxes.pop_back();  // inner ones
        boxes.push_back({last.begin, i + 1, text.substr(last.content, i - last.content)});
      }
    }
    ++i;
  }
  unclosed = boxes_open > 0;
  return boxes;
}

size_t first_of_last_run(std::string_view text, const std::vector<Box>& boxes) {
  size_t first = boxes.size() - 1;
  while (first > 0 && boxes.size() - first < kMostJoined &&
         only_joins(text.substr(boxes[first - 1].end, boxes[first].begin - boxes[first - 1].end))) {
    --first;
  }
  return first;
}

}  // namespace ponder::judge
