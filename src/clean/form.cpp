#include "clean/form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace ponder::clean {
namespace {

constexpr std::array<std::string_view, 24> kTags = {"<think>",
                                                    "</think>",
                                                    "<|begin_of_thought|>",
                                                    "<|end_of_thought|>",
                                                    "<|begin_of_solution|>",
                                                    "<|end_of_solution|>",
                                                    "<thought>",
                                                    "</thought>",
                                                    "<output>",
                                                    "</output>",
                                                    "<answer>",
                                                    "</answer>",
                                                    "<|im_start|>",
                                                    "<|im_end|>",
                                                    "<|endoftext|>",
                                                    "<|eot_id|>",
                                                    "<|start_header_id|>",
                                                    "<|begin_of_text|>",
                                                    "[inst]",
                                                    "[/inst]",
                                                    "<<sys>>",
                                                    "<|assistant|>",
                                                    "<|user|>",
                                                    "<\xef\xbd\x9c"
                                                    "assistant\xef\xbd\x9c>"};

constexpr std::array<std::string_view, 4> kMarkup = {"<br>", "<p>", "<div", "<span"};
constexpr std::array<std::string_view, 6> kEntities = {"&lt;",   "&gt;",  "&amp;",
                                                       "&quot;", "&#39;", "&nbsp;"};

// Words that want another one behind them.
constexpr std::array<std::string_view, 41> kOpenWords = {
    "the",  "a",    "an",   "of",   "and",   "or",  "to",      "in",    "with", "for", "from",
    "by",   "at",   "on",   "that", "which", "is",  "are",     "be",    "as",   "if",  "but",
    "so",   "than", "then", "its",  "their", "our", "because", "where", "into", "not", "has",
    "have", "was",  "were", "will", "would", "can", "let",     "i'm"};

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size()))
    ++count;
  return count;
}

// The text without what stands in fences or spans of code.
std::string without_code(std::string_view text) {
  std::string rest;
  for (size_t at = 0; at < text.size();) {
    const size_t tick = std::min(text.find('`', at), text.size());
    rest += text.substr(at, tick - at);
    size_t ticks = 0;
    while (tick + ticks < text.size() && text[tick + ticks] == '`') ++ticks;
    if (ticks == 0) break;
    const size_t end = text.find(text.substr(tick, ticks), tick + ticks);
    at = end == std::string_view::npos ? tick + ticks : end + ticks;
  }
  return rest;
}

// Lines that begin with three backticks or tildes.
size_t fences_in(std::string_view text) {
  size_t fences = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(text.substr(at, end - at));
    fences += line.starts_with("```") &&
              line.find("```", 3) == std::string_view::npos;  // not a span of code
    at = end + 1;
  }
  return fences;
}

std::string unclosed_box(std::string_view text) {
  for (size_t at = text.find("\\boxed{"); at != std::string_view::npos;
       at = text.find("\\boxed{", at + 1)) {
    int depth = 0;
    size_t end = at + 6;
    for (; end < text.size(); ++end) {
      if (text[end] == '\\') {
        ++end;
        continue;
      }
      depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
      if (depth == 0) break;
    }
    if (end >= text.size()) return "a \\boxed{ is not closed";
  }
  return "";
}

std::string unpaired(std::string_view text, std::string_view begin, std::string_view end) {
  const size_t begins = count_of(text, begin), ends = count_of(text, end);
  if (begins == ends) return "";
  return fmt::format("{} {} and {} {}", begins, begin, ends, end);
}

}  // namespace

std::string broken_form(std::string_view text) {
  const std::string lower = lower_ascii(text);
  for (const std::string_view tag : kTags) {
    if (lower.find(tag) != std::string::npos) return fmt::format("{} within it", tag);
  }
  if (fences_in(text) % 2 != 0) return "a fence of code (```) without its end";
  if (std::string box = unclosed_box(text); !box.empty()) return box;
  if (std::string environment = unpaired(text, "\\begin{", "\\end{"); !environment.empty())
    return environment;
  if (std::string display = unpaired(text, "\\[", "\\]"); !display.empty()) return display;
  if (count_of(text, "\\n\\n") >= 2 && text.find('\n') == std::string_view::npos)
    return "line breaks written as \\n";
  const std::string prose = without_code(lower);
  if (prose.find("<html") != std::string::npos || prose.find("<style") != std::string::npos)
    return "";  // it is about HTML
  for (const std::string_view tag : kMarkup) {
    if (prose.find(tag) != std::string::npos) return fmt::format("HTML: {}", tag);
  }
  size_t entities = 0;
  for (const std::string_view entity : kEntities) entities += count_of(prose, entity);
  if (entities >= 3) return fmt::format("HTML: {} entities", entities);
  return "";
}

std::string cut_off(std::string_view text) {
  const std::string_view whole = trimmed(text);
  if (whole.empty()) return "";
  const char last = whole.back();
  const bool open = std::string_view(",([{+*/=<\\").find(last) != std::string_view::npos ||
                    (last == '-' && !whole.ends_with("--"));
  const bool dress = whole.ends_with("**") || whole.ends_with("\\\\");
  if (open && !dress) return fmt::format("ends with \"{}\"", last);
  size_t begin = whole.size();
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'';
  };
  while (begin > 0 && is_letter(whole[begin - 1])) --begin;
  const std::string word(whole.substr(begin));
  // In capitals it is a name or a letter of an answer: "vitamin A", "option A".
  if (std::find(kOpenWords.begin(), kOpenWords.end(), word) == kOpenWords.end()) return "";
  // One word alone is an answer.
  if (begin == 0) return "";
  const char before = whole[begin - 1];
  return before == ' ' || before == '\n' ? fmt::format("ends with \"{}\"", word) : "";
}

}  // namespace ponder::clean
