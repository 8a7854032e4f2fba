#include "judge/find/statement.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "judge/find/phrase.h"
#include "judge/find/result.h"
#include "judge/find/sentence.h"
#include "judge/find/standing.h"
#include "judge/find/stated_value.h"
#include "judge/find/value_run.h"
#include "judge/text.h"

namespace ponder::judge {
namespace {

using std::string_view;
constexpr size_t kMostSentences = 60;  // looked at from the end

constexpr std::array<string_view, 7> kRemarkStarts = {"this",  "these",  "note",         "here",
                                                      "where", "notice", "alternatively"};
bool is_remark(const Sentence& sentence) {
  static constexpr std::array<string_view, 8> kMeans = {"means",  "gives", "leaves", "is",
                                                        "equals", "makes", "leads",  "results"};
  const Pieces& t = sentence.tokens;
  if (any_word(t.front(), kRemarkStarts) &&
      !(t.front().is_word("this") && t.size() > 1 && any_word(t[1], kMeans)))
    return true;
  if (final_statement(t) < t.size()) return false;
  return speaks_of_checking(sentence);
}

// A value and no words.
bool is_lone_value(const Sentence& sentence) {
  bool value = false;
  for (const Piece& token : sentence.tokens) {
    if (token.kind == Piece::Kind::kWord) return false;
    if (token.kind == Piece::Kind::kMark && token.text != "," && token.text != ":") return false;
    value |= is_value(token);
  }
  return value;
}

// Values of a sentence that are thrown away ("we discard x = -3"), added to `forms`.
void add_rejected(const Sentence& sentence, std::vector<std::string>& forms) {
  for (size_t i : rejected_values(sentence.tokens))
    forms.push_back(normal_form(result_of(sentence.tokens[i].text)));
}

// A list of values without those that later sentences throw away.
std::string without_rejected(std::string answer, const std::vector<std::string>& forms) {
  if (forms.empty()) return answer;
  std::string kept;
  size_t begin = 0;
  while (begin <= answer.size()) {
    const size_t end = std::min(answer.find(", ", begin), answer.size());
    const std::string item = answer.substr(begin, end - begin);
    if (std::find(forms.begin(), forms.end(), normal_form(item)) == forms.end())
      kept += (kept.empty() ? "" : ", ") + item;
    begin = end + 2;
  }
  return kept.empty() ? answer : kept;
}

// Results on lines of their own one after another are one answer, and too many are none.
std::optional<std::string> lone_values(const std::vector<Sentence>& sentences, size_t last) {
  size_t first = last;
  const auto is_figure = [](const Sentence& sentence) {
    const Piece& token = sentence.tokens.front();
    return is_value(token) && !token.formula && token.text.find('=') == kNone;
  };
  while (first > 0 && is_lone_value(sentences[first - 1]) && is_figure(sentences[first - 1]))
    --first;
  if (!is_figure(sentences[last])) first = last;
  if (last - first > kMostDifferent) return std::nullopt;
  Pieces all;
  for (size_t i = first; i <= last; ++i)
    all.insert(all.end(), sentences[i].tokens.begin(), sentences[i].tokens.end());
  return run_text(all, 0, all.size());
}

}  // namespace

std::optional<std::string> corrected_answer(string_view text) {
  static constexpr std::array<string_view, 9> kCorrections = {
      "wait", "no", "actually", "correction", "oops", "sorry", "hmm", "instead", "rather"};
  static constexpr std::array<string_view, 6> kBe = {"is",    "it's",     "be",
                                                     "meant", "actually", "that's"};
  for (const Sentence& sentence : last_sentences(text)) {
    const Pieces& t = sentence.tokens;
    if (asks(sentence) || is_supposed(sentence)) continue;
    bool corrects = false;
    for (size_t i = 0; i < t.size(); ++i) {
      corrects |= i < 3 && any_word(t[i], kCorrections);
      const bool colon = t[i].is_mark(":") && i > 0 && t[i - 1].is_word("correction");
      if (!corrects || !(any_word(t[i], kBe) || colon)) continue;
      if (i + 1 < t.size() && is_value(t[i + 1])) return run_text(t, i + 1, end_of_run(t, i + 1));
    }
  }
  return std::nullopt;
}

std::optional<std::string> stated_answer(string_view text, string_view& how) {
  const auto sentences = last_sentences(text);
  // After a plain "the answer is 8" only a conclusion changes it, no remark that names a number.
  size_t announced = sentences.size();
  for (size_t i = 0; i < sentences.size(); ++i) {
    if (asks(sentences[i])) continue;
    const auto phrase = in_phrase(sentences[i], text);
    if (phrase && phrase->plain && phrase->is_value) announced = i;
  }
  std::optional<std::string> fallback;
  std::vector<std::string> rejected;
  size_t plain_seen = 0;
  bool remarked = false;  // what stands before a closing remark may be the verification
  bool taken_back = false;
  for (size_t n = 0; n < sentences.size() && n < kMostSentences; ++n) {
    const size_t i = sentences.size() - 1 - n;
    const Sentence& sentence = sentences[i];
    if (asks(sentence)) continue;
    if (is_lone_value(sentence) && n == 0) {
      how = "result on its own line";
      return lone_values(sentences, i);
    }
    if (takes_back(sentence)) {
      taken_back = true;
      continue;
    }
    if (auto phrase = in_phrase(sentence, text); phrase && phrase->plain) {
      if (std::exchange(taken_back, false)) continue;
      how = "answer phrase";
      return without_rejected(std::move(phrase->answer), rejected);
    } else if (phrase && announced < i) {
      continue;  // of another case
    } else if (phrase) {
      how = "answer phrase";
      return std::move(phrase->answer);
    }
    const bool remark = is_remark(sentence);
    auto value = stated_in(sentence);
    add_rejected(sentence, rejected);
    if (value && std::exchange(taken_back, false)) continue;
    const bool settled = announced < i && !is_conclusion(sentence);
    if (remark) {
      remarked |= speaks_of_checking(sentence);
      if (!fallback && !settled) fallback = std::move(value);
      continue;
    }
    ++plain_seen;
    if (!value && plain_seen <= 2) {
      if (auto spoken = n == 0 || is_conclusion(sentence) ? spoken_count(sentence) : std::nullopt) {
        how = "a count in words";
        return spoken;
      }
      if (auto answer = yes_or_no(sentence); answer && announced == sentences.size()) {
        how = "yes or no";
        return answer;
      }
    }
    if (!value || settled) continue;
    if (is_conclusion(sentence) || (plain_seen <= 2 && !remarked)) {
      how = is_conclusion(sentence) ? "conclusion" : "last statement";
      return without_rejected(std::move(*value), rejected);
    }
    if (!fallback) fallback = std::move(value);
  }
  how = "last statement";
  return fallback;
}

std::optional<std::string> answer_first(string_view text) {
  static constexpr std::array<string_view, 4> kExplaining = {"explanation", "reasoning", "we",
                                                             "because"};
  const string_view line = trimmed(text.substr(0, text.find('\n')));
  const auto sentences = last_sentences(text);
  if (sentences.size() < 2 || line.size() > 60 || !is_lone_value(sentences[0])) return std::nullopt;
  const Piece& first = sentences[0].tokens.front();
  if (line.data() > first.text.data() || first.text.data() > line.data() + line.size())
    return std::nullopt;
  const bool explained = any_word(sentences[1].tokens.front(), kExplaining);
  if (!explained) return std::nullopt;
  for (size_t i = 1; i < sentences.size(); ++i) {
    if (is_conclusion(sentences[i]) || is_lone_value(sentences[i])) return std::nullopt;
  }
  return run_text(sentences[0].tokens, 0, sentences[0].tokens.size());
}

}  // namespace ponder::judge
