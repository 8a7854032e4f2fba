#include "judge/extract.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/boxes.h"
#include "judge/statement.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kNone = string_view::npos;
constexpr size_t kPhraseSearch = 50000;    // bytes at the end in which phrases are looked for
constexpr size_t kMostDifferentBoxes = 8;  // a response with more commits itself to none

string_view last_bytes(string_view text, size_t count) {
  return text.size() > count ? text.substr(text.size() - count) : text;
}

// The last place where one of `phrases` ends in `lower`, or npos.
template <size_t N>
size_t end_of_last_phrase(string_view lower, const std::array<string_view, N>& phrases) {
  size_t best = kNone;
  for (string_view phrase : phrases) {
    const size_t end = after_last(lower, phrase);
    if (end != kNone && (best == kNone || end > best)) best = end;
  }
  return best;
}

constexpr std::array<string_view, 9> kStrongPhrases = {
    "final answer is", "final answer:", "final answer**", "### final answer", "#### ", "\nanswer:",
    "\n**answer:",     "\n**answer**",  "\na: "};
constexpr std::array<string_view, 10> kPhrases = {
    "answer is", "answers are", "answer:",     "answer to the problem is",
    "answer**:", "answer ",     "réponse est", "答案是",
    "答案为",    "respuesta es"};

std::optional<std::string> choice_in(string_view text) {
  text = last_bytes(text, kPhraseSearch);
  const std::string lower = to_lower(text);
  // "The answer is C. ... Answer: A": the last one counts.
  int tried = 0;
  for (size_t limit = lower.size(); limit > 0;) {
    const size_t end = end_of_last_phrase(string_view(lower).substr(0, limit), kPhrases);
    if (end == kNone) break;
    if (const auto letter = choice_letter(text.substr(end, 80), true))
      return std::string(1, *letter);
    limit = end - 1;
    if (++tried == 20) break;
  }
  const string_view first_line = trim(text).substr(0, trim(text).find('\n'));
  if (first_line.size() <= 200) {
    if (const auto letter = choice_letter(first_line, true)) return std::string(1, *letter);
  }
  const size_t last = trim(text).rfind('\n');
  if (last != kNone) {
    if (const auto letter = choice_letter(trim(text).substr(last).substr(0, 200), false))
      return std::string(1, *letter);
  }
  return std::nullopt;
}

std::optional<Extraction> from_boxes(string_view text, const std::vector<Box>& boxes,
                                     std::string& problem) {
  std::vector<std::string> different;
  for (const Box& box : boxes) {
    std::string form = normal_form(box.content.substr(0, 400));
    if (std::find(different.begin(), different.end(), form) == different.end())
      different.push_back(std::move(form));
    if (different.size() > kMostDifferentBoxes) {
      problem = "more than " + std::to_string(kMostDifferentBoxes) + " different boxes";
      return std::nullopt;
    }
  }
  const size_t first = first_of_last_run(text, boxes);
  std::string joined;
  std::vector<std::string> seen;
  for (size_t i = first; i < boxes.size(); ++i) {
    std::string form = normal_form(boxes[i].content.substr(0, 400));
    if (std::find(seen.begin(), seen.end(), form) != seen.end()) continue;
    seen.push_back(std::move(form));
    if (!joined.empty()) joined += ", ";
    joined += trim(boxes[i].content);
  }
  if (joined.empty()) {
    problem = "an empty box";
    return std::nullopt;
  }
  return Extraction{std::move(joined), seen.size() > 1 ? "joined boxes" : "last box"};
}

std::optional<Extraction> extract_from(string_view text, AnswerType type, std::string& problem) {
  bool unclosed = false;
  const std::vector<Box> boxes = find_boxes(text, unclosed);
  const size_t box_end = boxes.empty() ? 0 : boxes.back().end;
  const string_view rest = last_bytes(text.substr(box_end), kPhraseSearch);
  const std::string lower = to_lower(rest);
  if (type == AnswerType::kChoice && boxes.empty()) {
    if (auto letter = choice_in(text)) return Extraction{*letter, "choice letter"};
    problem = "no choice letter found";
    return std::nullopt;
  }
  const size_t strong = end_of_last_phrase(lower, kStrongPhrases);
  if (strong != kNone) {
    auto answer = after_phrase(rest.substr(strong));
    // "Our final answer is accurate" takes no box away.
    if (answer && (boxes.empty() || looks_like_answer(*answer)))
      return Extraction{*answer, "final-answer phrase"};
  }
  if (!boxes.empty()) return from_boxes(text, boxes, problem);
  if (unclosed) {
    problem = "the text breaks off inside a box";
    return std::nullopt;
  }
  const size_t phrase = end_of_last_phrase(lower, kPhrases);
  if (phrase != kNone) {
    if (trim(rest.substr(phrase)).empty()) {
      problem = "the text ends where its answer should be";
      return std::nullopt;
    }
    if (auto answer = after_phrase(rest.substr(phrase)))
      return Extraction{*answer, "answer phrase"};
  }
  if (auto answer = at_the_end(text)) return Extraction{*answer, "last statement"};
  const string_view whole = trim(text);
  const bool short_text = std::count_if(whole.begin(), whole.end(), is_space) <= 1;
  if (!whole.empty() && whole.size() <= 100 && (short_text || looks_like_answer(whole))) {
    return Extraction{std::string(whole), "whole text"};
  }
  problem = "no final answer found";
  return std::nullopt;
}

}  // namespace

string_view solution_part(string_view response) {
  // One pass over the '<' of the response, whatever their number.
  size_t solution = kNone, output = kNone, closed = kNone, end = kNone;
  bool opened = false;
  for (size_t i = response.find('<'); i != kNone && end == kNone; i = response.find('<', i + 1)) {
    const string_view here = response.substr(i, 24);
    if (here.size() < 7 || string_view("|/tTO").find(here[1]) == string_view::npos) continue;
    const auto after = [&](string_view tag) { return here.starts_with(tag) ? i + tag.size() : 0; };
    for (string_view tag : {"<|im_end|>", "<|endoftext|>", "<|im_start|>"}) {
      if (after(tag) && i > 0) end = i;
    }
    for (string_view tag : {"<think>", "<|begin_of_thought|>", "<Thought>"})
      opened |= after(tag) > 0;
    for (string_view tag : {"</think>", "<|end_of_thought|>", "</Thought>"}) {
      if (after(tag)) closed = after(tag);
    }
    if (after("<|begin_of_solution|>")) solution = after("<|begin_of_solution|>");
    if (after("<Output>")) output = after("<Output>");
  }
  response = response.substr(0, end);
  if (solution != kNone) {
    const string_view part = response.substr(solution);
    return part.substr(0, part.find("<|end_of_solution|>"));
  }
  if (output != kNone) {
    const string_view part = response.substr(output);
    return part.substr(0, part.find("</Output>"));
  }
  if (closed != kNone) return response.substr(closed);
  return opened ? string_view() : response;
}

std::optional<std::string> boxed_answer(string_view text) {
  bool unclosed = false;
  const std::vector<Box> boxes = find_boxes(text, unclosed);
  std::string problem;
  if (boxes.empty()) return std::nullopt;
  const auto extraction = from_boxes(text, boxes, problem);
  return extraction ? std::optional(extraction->answer) : std::nullopt;
}

std::optional<Extraction> extract(string_view response, AnswerType type, std::string& problem) {
  const string_view solution = solution_part(response);
  if (trim(solution).empty()) {
    problem = "there is no solution part";
    return std::nullopt;
  }
  return extract_from(solution, type, problem);
}

}  // namespace ponder::judge
