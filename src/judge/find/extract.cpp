#include "judge/find/extract.h"

#include <algorithm>
#include <array>
#include <vector>

#include "judge/equal/written.h"
#include "judge/find/boxes.h"
#include "judge/find/chosen_letter.h"
#include "judge/find/dress.h"
#include "judge/find/marks.h"
#include "judge/find/phrase.h"
#include "judge/find/result.h"
#include "judge/find/sentence.h"
#include "judge/find/solution.h"
#include "judge/find/statement.h"
#include "judge/find/written_value.h"
#include "judge/read/choice_letter.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostDifferentBoxes = 8;  // a response with more commits itself to none
constexpr size_t kLongestBare = 400;       // bytes of a text that is read as one answer
constexpr size_t kLongestCompared = 200;   // boxes joined by "or" are compared up to this length

// "1/2 or 0.5" is one answer written twice.
bool is_same_value(string_view a, string_view b) {
  if (a.size() > kLongestCompared || b.size() > kLongestCompared) return false;
  for (string_view text : {a, b}) {
    if (text.find("\\boxed") != kNone || text.find("\\fbox") != kNone) return false;
  }
  return compare_written(a, b, {}).match == Match::kEqual &&
         compare_written(b, a, {}).match == Match::kEqual;
}

// What a box says in a sentence: "\text{There are }12\text{ ways}". Nothing where it holds none.
// `none`: its sentence stands by no value ("\text{not }7").
std::optional<std::string> said_in_box(string_view content, bool& none) {
  content = undressed(content);
  if (content.size() > 200 || std::none_of(content.begin(), content.end(), is_digit))
    return std::nullopt;
  const std::string plain = with_plain_words(content);
  string_view bare = undressed(plain);
  const bool labelled = bare.size() < trimmed(plain).size() && length_of_label(plain) > 0;
  if (labelled) return std::string(bare);
  size_t word = 0;
  while (word < bare.size() && is_letter(bare[word])) ++word;
  if (word < 2 || bare.find('=') != kNone || bare.find('^') != kNone) return std::nullopt;
  static constexpr std::array<string_view, 10> kSaying = {"the", "there", "not", "it",   "so",
                                                          "at",  "less",  "we",  "more", "about"};
  const std::string first = lower_ascii(bare.substr(0, word));
  if (std::find(kSaying.begin(), kSaying.end(), first) == kSaying.end()) return std::nullopt;
  string_view how;
  if (auto phrase = phrase_answer(bare); phrase && phrase->is_value) return phrase->answer;
  auto stated = stated_answer(bare, how);
  none = !stated;
  return stated;
}

std::optional<Extraction> from_boxes(string_view text, const std::vector<Box>& boxes,
                                     std::string& problem) {
  std::vector<std::string> different;
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (i > 0 && boxes[i].content == boxes[i - 1].content) continue;
    std::string form = normal_form(boxes[i].content.substr(0, 400));
    if (std::find(different.begin(), different.end(), form) == different.end())
      different.push_back(std::move(form));
    if (different.size() > kMostDifferentBoxes) {
      problem = "more than " + std::to_string(kMostDifferentBoxes) + " different boxes";
      return std::nullopt;
    }
  }
  const size_t first = first_of_last_run(text, boxes);
  const Standing standing = box_standing(text, boxes[first], boxes.back());
  if (standing == Standing::kSpoilt) {
    problem = "the text does not stand by its last box";
    return std::nullopt;
  }
  std::string joined;
  std::vector<string_view> kept;
  std::vector<std::string> seen;
  for (size_t i = first; i < boxes.size(); ++i) {
    const string_view content = trimmed(boxes[i].content);
    std::string form = normal_form(content.substr(0, 400));
    if (std::find(seen.begin(), seen.end(), form) != seen.end()) continue;
    if (std::any_of(kept.begin(), kept.end(),
                    [&](string_view other) { return is_same_value(other, content); }))
      continue;
    seen.push_back(std::move(form));
    kept.push_back(content);
    if (!joined.empty()) joined += ", ";
    joined += content;
  }
  if (trimmed(joined).empty()) {
    problem = "an empty box";
    return std::nullopt;
  }
  if (kept.size() == 1) {
    bool none = false;
    if (auto said = said_in_box(joined, none)) joined = std::move(*said);
    if (none) {
      problem = "the last box states no value";
      return std::nullopt;
    }
    joined = std::string(undressed(joined));
  }
  if (standing == Standing::kNegative) joined = "-(" + joined + ")";
  const string_view how = kept.size() > 1         ? "joined boxes"
                          : boxes.back().repaired ? "last box (never closed)"
                                                  : "last box";
  return Extraction{std::move(joined), how};
}

std::optional<Extraction> from_prose(string_view text, const JudgeOptions& options,
                                     std::string& problem) {
  const auto marked = marked_answer(text);
  if (marked) {
    const string_view after = last_bytes(text, kMarkSearch).substr(marked->end);
    const size_t line = after.find('\n');
    if (line != kNone) {
      if (auto phrase = phrase_answer(after.substr(line)); phrase && phrase->is_value)
        return Extraction{std::move(phrase->answer), "answer phrase"};
    }
    return Extraction{marked->answer, "marked answer"};
  }
  text = without_closing_rules(text);
  const string_view whole = trimmed(text);
  if (options.type == AnswerType::kText) {
    if (auto phrase = phrase_answer(text))
      return Extraction{std::move(phrase->answer), "answer phrase"};
    if (whole.size() <= 200 && !whole.empty()) return Extraction{std::string(whole), "whole text"};
    problem = kNothingMarked;
    return std::nullopt;
  }
  const auto is_wide = [](char c) { return static_cast<unsigned char>(c) >= 0xe3; };
  const bool short_text = whole.size() <= 100 &&
                          std::none_of(whole.begin(), whole.end(), is_wide) &&
                          std::count_if(whole.begin(), whole.end(), is_space) <= 1;
  const string_view bare = whole.size() <= kLongestBare ? undressed(whole) : whole;
  if ((short_text || is_one_formula(whole)) && !bare.empty() && !breaks_off(bare) &&
      !phrase_answer(whole) && !has_prose(bare) && !begins_with_count(bare))
    return Extraction{std::string(undressed(result_of(bare))), "whole text"};
  if (breaks_off(whole)) {
    // A final answer with more text behind it, cut somewhere.
    const size_t final = lower_ascii(last_bytes(whole, kMarkSearch)).rfind("final answer");
    if (final != kNone) {
      if (auto phrase = phrase_answer(last_bytes(whole, kMarkSearch).substr(final));
          phrase && phrase->is_value)
        return Extraction{std::move(phrase->answer), "answer phrase"};
    }
    problem = "the text breaks off: it states no final answer";
    return std::nullopt;
  }
  bool several = false;
  phrase_answer(text, &several);
  if (several) {
    problem = "several answers are offered, or more than eight";
    return std::nullopt;
  }
  if (auto answer = answer_first(text)) return Extraction{std::move(*answer), "first line"};
  string_view how;
  if (auto answer = stated_answer(text, how)) return Extraction{std::move(*answer), how};
  if (short_text && !whole.empty() && !breaks_off(whole) &&
      std::none_of(whole.begin(), whole.end(), is_digit))
    return Extraction{std::string(bare), "whole text"};
  if (!whole.empty() && whole.size() <= 100 && is_strong(whole) && !has_sentence(whole))
    return Extraction{std::string(bare), "whole text"};
  problem = kNothingMarked;
  return std::nullopt;
}

std::optional<Extraction> extract_choice(string_view text, const Boxes& boxes,
                                         const JudgeOptions& options, std::string& problem) {
  const auto letter_found = [](char letter) {
    return Extraction{std::string(1, letter), "choice letter"};
  };
  const auto& all = boxes.all;
  bool several = false;
  const auto letter = chosen_letter(text, &several);
  if (!all.empty()) {
    // "so the answer is C" after the box.
    const string_view rest = text.substr(all.back().end);
    if (const auto later = chosen_letter(rest); later && phrase_answer(rest))
      return letter_found(*later);
    auto box = from_boxes(text, all, problem);
    if (box && !choice_letter(box->answer, true) && options.choices.empty() && letter)
      return letter_found(*letter);
    return box;
  }
  if (letter) return letter_found(*letter);
  if (several) {
    problem = "more than two different choices are answered";
    return std::nullopt;
  }
  if (!options.choices.empty()) {
    if (auto phrase = phrase_answer(text))
      return Extraction{std::move(phrase->answer), "answer phrase"};
    string_view how;
    if (auto answer = stated_answer(text, how)) return Extraction{std::move(*answer), how};
  }
  problem = "no choice letter found";
  return std::nullopt;
}

// Up to a line that begins another problem or another speaker's turn.
string_view before_next_problem(string_view text) {
  for (string_view next :
       {"\nProblem ", "\nQuestion ", "\nExercise ", "\nHuman:", "\nUser:", "\nQ:"}) {
    text = text.substr(0, text.find(next));
  }
  return text;
}

std::optional<Extraction> extract_from(string_view text, const JudgeOptions& options,
                                       std::string& problem) {
  bool several = false;
  if (const string_view tagged = tagged_part(text, several); !tagged.empty()) {
    if (several) {
      problem = "more than " + std::to_string(kMostDifferentTags) + " different answer tags";
      return std::nullopt;
    }
    const Boxes inner = find_boxes(tagged);
    if (options.type == AnswerType::kChoice) {
      if (auto letter = choice_letter(tagged, true))
        return Extraction{std::string(1, *letter), "answer tag"};
    }
    if (!inner.all.empty()) return from_boxes(tagged, inner.all, problem);
    if (auto phrase = phrase_answer(tagged)) return Extraction{phrase->answer, "answer tag"};
    return Extraction{std::string(trimmed(tagged)), "answer tag"};
  }
  const Boxes boxes = find_boxes(text);
  if (options.type == AnswerType::kChoice) return extract_choice(text, boxes, options, problem);
  if (boxes.unclosed) {
    problem = "the text breaks off inside a box";
    return std::nullopt;
  }
  if (boxes.all.empty()) {
    auto found = from_prose(text, options, problem);
    if (!found && options.type == AnswerType::kNumber) {
      // The last number of the text, as GSM8K is scored.
      const string_view tail = last_bytes(text, kMarkSearch);
      const auto sentences = sentences_of(tail);
      for (auto s = sentences.rbegin(); s != sentences.rend(); ++s) {
        for (auto t = s->tokens.rbegin(); t != s->tokens.rend(); ++t) {
          if (t->kind == Piece::Kind::kValue && t->strong)
            return Extraction{result_of(t->text), "last number"};
        }
      }
    }
    return found;
  }
  const string_view rest = before_next_problem(text.substr(boxes.all.back().end));
  if (!trimmed(rest).empty()) {
    if (auto marked = marked_answer(rest); marked && is_strong(marked->answer))
      return Extraction{marked->answer, "marked answer"};
    // "Our final answer is accurate" takes no box away, nor does "with n = 3 the answer is 7".
    bool further = false;
    auto phrase = phrase_answer(rest, &further, true);
    if (further) {
      problem = "several answers are offered";
      return std::nullopt;
    }
    if (phrase && phrase->is_value)
      return Extraction{std::move(phrase->answer), "answer phrase after the box"};
    if (auto corrected = corrected_answer(rest))
      return Extraction{std::move(*corrected), "correction after the box"};
  }
  return from_boxes(text, boxes.all, problem);
}

}  // namespace

std::optional<std::string> boxed_answer(string_view text) {
  const Boxes boxes = find_boxes(text);
  std::string problem;
  if (boxes.all.empty()) return std::nullopt;
  const auto extraction = from_boxes(text, boxes.all, problem);
  return extraction ? std::optional(extraction->answer) : std::nullopt;
}

std::optional<Extraction> extract(string_view response, const JudgeOptions& options,
                                  std::string& problem) {
  const string_view solution = solution_part(response);
  if (trimmed(solution).empty()) {
    problem = trimmed(response).empty() ? "an empty response" : "there is no solution part";
    return std::nullopt;
  }
  if (const auto plain = without_comments(solution)) {
    if (!trimmed(*plain).empty()) return extract_from(*plain, options, problem);
    problem = "only comments";
    return std::nullopt;
  }
  return extract_from(solution, options, problem);
}

}  // namespace ponder::judge
