#include "judge/equal/written.h"

#include <utility>
#include <vector>

#include "judge/equal/compare.h"
#include "judge/equal/compound.h"
#include "judge/equal/dates.h"
#include "judge/equal/vocabulary.h"
#include "judge/equal/words.h"
#include "judge/read/choice_letter.h"
#include "judge/read/describe.h"
#include "judge/read/reader.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

std::string reading_of(const Reading& reading) {
  return reading.expression ? describe(*reading.expression)
                            : "unreadable (" + reading.problem + ")";
}

// "n is odd" says "odd".
std::string without_subject(const std::string& words) {
  return words.size() > 5 && words.compare(1, 4, " is ") == 0 ? words.substr(5) : words;
}

// Words that deny an answer exists are comparable with any value; other words may be a name for it.
bool denies(std::string_view text) {
  std::string words;
  for (char c : words_of(text)) {
    if (c != ' ') words += c;
  }
  for (std::string_view denial : {"nosolution", "norealsolution", "doesnotexist", "undefined",
                                  "impossible", "cannotbedetermined", "nosuch", "noreal"}) {
    if (words.find(denial) != std::string::npos) return true;
  }
  return words == "none" || words == "no" || words_of(text).starts_with("no ");
}

// What two answers in words of mathematics are to each other; nothing where that is left to reading.
std::optional<Comparison> compare_sayings(std::optional<Saying> gold, std::optional<Saying> said,
                                          std::string_view prediction) {
  if (gold && said) {
    if (*gold == *said) return Comparison{Match::kEqual, "they say the same"};
    const auto is_truth = [](Saying saying) { return saying <= Saying::kFalse; };
    const bool same_truth = (*gold == Saying::kYes && *said == Saying::kTrue) ||
                            (*gold == Saying::kTrue && *said == Saying::kYes) ||
                            (*gold == Saying::kNo && *said == Saying::kFalse) ||
                            (*gold == Saying::kFalse && *said == Saying::kNo);
    const bool nothing = (*gold == Saying::kNoSolution && *said == Saying::kUndefined) ||
                         (*gold == Saying::kUndefined && *said == Saying::kNoSolution) ||
                         (*gold == Saying::kNo && *said == Saying::kNoSolution) ||
                         (*gold == Saying::kNoSolution && *said == Saying::kNo);
    if (same_truth || nothing)
      return Comparison{Match::kUnknown, "yes and true, none and undefined"};
    if (is_truth(*gold) == is_truth(*said))
      return Comparison{Match::kDifferent, "they say different things"};
  }
  if (gold && *gold <= Saying::kFalse && !said) {
    const bool figure = prediction.find_first_of("0123456789") != std::string_view::npos;
    return figure ? Comparison{Match::kDifferent, "a figure where gold is yes or no"}
                  : Comparison{Match::kUnknown, "words against yes or no"};
  }
  return std::nullopt;
}

// A number, or a formula or list of numbers without names.
bool is_figure(const Expression& expression) {
  const View root{&expression, expression.root, 0};
  return is_scalar(root) && !has_names(root);
}

// AZYUK2A: letters and figures in one, where gold is a number.
bool is_letters_and_figures(std::string_view text) {
  size_t letters = 0, figures = 0;
  for (char c : text) {
    if (!is_letter(c) && !is_digit(c)) return false;
    letters += is_letter(c);
    figures += is_digit(c);
  }
  return letters > 3 && figures > 0 && is_letter(text[0]);
}

// Where gold is a number: a box that holds no value, but a relation, dots or words, is shown to be
// another answer. Why, or nothing.
std::string_view no_number(std::string_view prediction, const Reading& reading) {
  const std::string form = normal_form(prediction);
  for (std::string_view sign :
       {"<", ">", "\\le", "\\ge", "\\ne", "≤", "≥", "≠", "\\lt", "\\gt", "\\not"}) {
    if (form.starts_with(sign) && form.compare(0, 5, "\\left") != 0)
      return "a bound where gold is a number";
  }
  if (reading.expression) {
    const Node& root = reading.expression->at(reading.expression->root);
    if (root.kind == Kind::kText && root.name == "...") return "dots where gold is a number";
    // "7 = 8"
    if (root.kind == Kind::kRelation && root.name.find_first_not_of("=~") == std::string::npos &&
        !has_names({&*reading.expression, reading.expression->root, 0}))
      return "a chain of unequal values";
    if (root.kind == Kind::kText && !root.name.empty()) return "words where gold is a number";
    return "";
  }
  if (form.find(';') != std::string::npos && prediction.find("quad") != std::string_view::npos)
    return "two numbers where gold is one";
  if (form == "?" || form == "???" || form == "-") return "a placeholder";
  if (is_letters_and_figures(form)) return "letters and figures where gold is a number";
  return "";
}

// H_2SO_4, \\text{H}_2 and \\mathrm{H_{2}SO_{4}} as H2SO4: elements, counts, brackets.
std::optional<std::string> chemical_formula(std::string_view text) {
  std::string plain;
  bool element = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    size_t dress = 0;
    for (std::string_view name : {"\\text", "\\mathrm", "\\ce", "\\rm"}) {
      if (text.substr(i).starts_with(name)) dress = name.size();
    }
    if (dress > 0) {
      i += dress;
    } else if (is_space(c) || std::string_view("{}_$").find(c) != kNone) {
      ++i;
    } else if (c >= 'A' && c <= 'Z') {
      plain += c;
      element = true;
      ++i;
      if (i < text.size() && text[i] >= 'a' && text[i] <= 'z') plain += text[i++];
    } else if (element && (is_digit(c) || c == '(' || c == ')')) {
      plain += c;
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return plain.size() > 2 && plain.size() < 40 ? std::optional(plain) : std::nullopt;
}

// The commands of a text, those that only set type apart: \\max and \\min differ where words of letters
// alone do not.
std::string commands_of(std::string_view form) {
  static constexpr std::array<std::string_view, 18> kType = {
      "emph",  "underline",    "quad",     "qquad", "rm",    "bf",
      "it",    "mbox",         "left",     "right", "mleft", "mright",
      "boxed", "displaystyle", "medspace", "large", "Large", "fbox"};
  std::string commands;
  for (size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '\\') continue;
    size_t end = ++i;
    while (end < form.size() && is_letter(form[end])) ++end;
    const std::string_view name = form.substr(i, end - i);
    const bool type = name.starts_with("text") || name.starts_with("math") ||
                      std::find(kType.begin(), kType.end(), name) != kType.end();
    if (!type && !name.empty()) (commands += name) += ' ';
    i = std::max(i, end - 1);
  }
  return commands;
}

}  // namespace

Comparison compare_written(std::string_view gold, std::string_view prediction,
                           const CompareRules& rules) {
  if (gold.size() > kMaxAnswerBytes || prediction.size() > kMaxAnswerBytes) {
    return {gold == prediction ? Match::kEqual : Match::kUnknown, "too long to be read"};
  }
  const std::string gold_form = normal_form(gold), form = normal_form(prediction);
  if (form.empty() && !gold_form.empty()) return {Match::kDifferent, "an empty answer"};
  if (gold_form.empty() || form.empty()) return {Match::kUnknown, "a side is empty"};
  if (gold_form == form) return {Match::kEqual, "the same text after normalisation"};
  // A lone capital letter in choice dress is a choice, whatever the type says.
  const auto gold_letter = choice_letter(gold, false);
  if (gold_letter && *gold_letter <= 'J' &&
      gold_form.find_first_of("abcdefghij") == std::string::npos) {
    if (const auto letter = choice_letter(prediction, false)) {
      if (*letter == *gold_letter)
        return {Match::kEqual, std::string("both are choice ") + *letter};
    }
  }
  const auto gold_saying = saying_of(gold), saying = saying_of(prediction);
  if (gold_saying || saying) {
    if (auto said = compare_sayings(gold_saying, saying, prediction)) return *said;
    if (gold_saying == Saying::kAllReals) gold = "\\mathbb{R}";
    if (saying == Saying::kAllReals) prediction = "\\mathbb{R}";
  }
  // "n is odd" for "odd"
  std::string gold_text = words_of(gold), text = words_of(prediction);
  const std::string predicate = without_subject(gold_text), said = without_subject(text);
  if (gold_text != text && predicate == said && predicate.size() > 2 &&
      predicate.find_first_of("0123456789") == std::string::npos &&
      commands_of(gold) == commands_of(prediction))
    return {Match::kEqual, "the same words"};
  if (predicate == "midnight" || predicate == "noon")
    gold = predicate == "noon" ? "12:00 pm" : "12:00 am";
  if (said == "midnight" || said == "noon") prediction = said == "noon" ? "12:00 pm" : "12:00 am";
  if (const auto dates = compare_dates(gold, prediction)) return *dates;
  const std::string gold_words = std::move(gold_text), words = std::move(text);
  std::vector<Reading> golds, predictions;
  for (CommaRule rule : comma_rules(gold)) golds.push_back(read_answer(gold, rule));
  for (CommaRule rule : comma_rules(prediction))
    predictions.push_back(read_answer(prediction, rule));
  for (Expression& whole : compound_measures(gold)) golds.push_back({std::move(whole), ""});
  for (Expression& whole : compound_measures(prediction))
    predictions.push_back({std::move(whole), ""});
  Comparison first{Match::kUnknown, "a side cannot be read"};
  bool decided = false;
  Budget budget;
  for (const Reading& a : golds) {
    for (const Reading& b : predictions) {
      if (!a.expression || !b.expression) continue;
      const Comparison comparison = compare_answers(*a.expression, *b.expression, rules, budget);
      if (comparison.match == Match::kEqual) {
        return {Match::kEqual, "gold is " + reading_of(a) + ", answer is " + reading_of(b) + ": " +
                                   comparison.rule};
      }
      if (!decided) first = comparison;
      decided = true;
    }
  }
  if (first.match == Match::kUnknown) {
    if (const auto formula = chemical_formula(gold);
        formula && formula == chemical_formula(prediction))
      return {Match::kEqual, "the same chemical formula"};
    const bool letters_only =
        !gold_words.empty() && gold_words.find_first_of("0123456789") == std::string::npos;
    if (letters_only && gold_words == words && gold_words.size() > 2 &&
        commands_of(gold) == commands_of(prediction) &&
        gold.find_first_of("+-=<>^/") == std::string_view::npos &&
        prediction.find_first_of("+-=<>^/") == std::string_view::npos) {
      return {Match::kEqual, "the same words"};
    }
    const std::string_view shown = golds.front().expression && is_figure(*golds.front().expression)
                                       ? no_number(prediction, predictions.front())
                                       : std::string_view();
    if (!shown.empty()) {
      first = {Match::kDifferent, std::string(shown)};
    } else if (denies(prediction) != denies(gold)) {
      first = {Match::kDifferent, "one side says there is no answer"};
    } else if (golds.front().expression && !letters_only && !is_prose_without_value(gold) &&
               is_prose_without_value(prediction)) {
      first = {Match::kDifferent, "prose without a value"};
    }
  }
  return {first.match, "gold is " + reading_of(golds.front()) + ", answer is " +
                           reading_of(predictions.front()) + ": " + first.rule};
}

}  // namespace ponder::judge
