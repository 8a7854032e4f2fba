#include "data/contamination.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "data/row_fields.h"

namespace ponder::data {
namespace {

constexpr size_t kGram = 13;
constexpr uint32_t kUnknown = UINT32_MAX;  // a word no benchmark has

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// LaTeX that only changes how something looks.
bool is_dressing(std::string_view command) {
  constexpr std::string_view kDressing[] = {
      "left",  "right", "displaystyle", "text",   "mathrm", "mathbf", "textbf", "mbox", "quad",
      "qquad", "big",   "bigg",         "mathit", "textit", "rm",     "bf",     "it"};
  return std::find(std::begin(kDressing), std::end(kDressing), command) != std::end(kDressing);
}

// `[asy] … [/asy]`: a drawing, in one version of a question and not in another.
std::string without_drawings(std::string_view text) {
  std::string result;
  for (size_t at = 0;;) {
    const size_t begin = text.find("[asy]", at);
    result += text.substr(at, begin == std::string_view::npos ? begin : begin - at);
    if (begin == std::string_view::npos) return result;
    const size_t end = text.find("[/asy]", begin);
    if (end == std::string_view::npos) return result;
    at = end + 6;
    result += ' ';
  }
}

size_t utf8_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
}

// Digits with their decimals; commas that part thousands are left out.
std::string number_at(std::string_view text, size_t& at) {
  std::string number;
  const auto digits = [&] {
    while (at < text.size() && is_digit(text[at])) number += text[at++];
  };
  const auto thousands = [&] {
    for (size_t i = 1; i <= 3; ++i) {
      if (at + i >= text.size() || !is_digit(text[at + i])) return false;
    }
    return text[at] == ',' && (at + 4 >= text.size() || !is_digit(text[at + 4]));
  };
  digits();
  while (number.size() <= 15 && at < text.size() && thousands()) {
    ++at;
    digits();
  }
  if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1])) {
    number += text[at++];
    digits();
  }
  return number;
}

// The question up to its first choice.
std::string_view without_choices(std::string_view text) {
  const size_t at = text.find("(A)");
  return at == std::string_view::npos || at == 0 ? text : text.substr(0, at);
}

std::string joined(const std::vector<std::string>& tokens) {
  return fmt::format("{}", fmt::join(tokens, " "));
}

uint64_t hash_of(const uint32_t* tokens) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < kGram; ++i) {
    hash = (hash ^ tokens[i]) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  return hash;
}

size_t common_subsequence(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const uint32_t token : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = token == b[j] && token != kUnknown ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> contamination_tokens(std::string_view question) {
  const std::string drawn = without_drawings(question);
  const std::string_view text = drawn;
  std::vector<std::string> tokens;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (is_digit(c)) {
      tokens.push_back(number_at(text, at));
      continue;
    }
    const bool command = c == '\\' && at + 1 < text.size() && is_letter(text[at + 1]);
    if (is_letter(c) || command) {
      size_t end = at + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      std::string word = lower_ascii(text.substr(at + command, end - at - command));
      if (word == "dfrac" || word == "tfrac") word = "frac";
      if (!command || !is_dressing(word)) tokens.push_back(std::move(word));
      at = end;
      continue;
    }
    const size_t length = utf8_length(c);
    if (length > 1) {
      tokens.emplace_back(text.substr(at, length));
    } else if (std::string_view("+-*/=<>^!%|()").find(c) != std::string_view::npos) {
      tokens.emplace_back(1, c);
    }
    at += length;
  }
  return tokens;
}

std::string ContaminationMatch::describe() const {
  return fmt::format("the question is {} of {} ({})", excerpt(id), excerpt(benchmark), rule);
}

std::vector<uint32_t> ContaminationFilter::numbered(const std::vector<std::string>& tokens) {
  std::vector<uint32_t> ids;
  for (const std::string& token : tokens) {
    ids.push_back(words_.emplace(token, static_cast<uint32_t>(words_.size())).first->second);
  }
  return ids;
}

void ContaminationFilter::add(const std::string& benchmark, const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    const auto index = static_cast<uint32_t>(questions_.size());
    const std::vector<std::string> whole = contamination_tokens(problem.question),
                                   stem = contamination_tokens(without_choices(problem.question));
    Question question{benchmark, problem.id, numbered(stem), {}, 0};
    for (size_t i = 0; i < stem.size(); ++i) {
      if (is_digit(stem[i][0])) question.numbers.push_back(question.tokens[i]);
    }
    if (!whole.empty()) exact_.emplace(joined(whole), index);
    if (stem.size() >= kGram) {
      exact_.emplace(joined(stem), index);
      question.num_grams = stem.size() - kGram + 1;
      for (size_t i = 0; i < question.num_grams; ++i) {
        std::vector<uint32_t>& list = by_gram_[hash_of(&question.tokens[i])];
        if (list.empty() || list.back() != index) list.push_back(index);
      }
    }
    questions_.push_back(std::move(question));
  }
}

std::optional<ContaminationMatch> ContaminationFilter::find(std::string_view text) const {
  const auto match = [&](uint32_t index, const char* rule) {
    return ContaminationMatch{questions_[index].benchmark, questions_[index].id, rule};
  };
  const std::vector<std::string> whole = contamination_tokens(text);
  if (const auto found = exact_.find(joined(whole)); found != exact_.end()) {
    return match(found->second, "exact");
  }
  const std::vector<std::string> stem = contamination_tokens(without_choices(text));
  if (stem.size() < kGram) return std::nullopt;
  if (const auto found = exact_.find(joined(stem)); found != exact_.end()) {
    return match(found->second, "exact");
  }

  std::vector<uint32_t> tokens, numbers;
  for (const std::string& token : stem) {
    const auto known = words_.find(token);
    tokens.push_back(known == words_.end() ? kUnknown : known->second);
    if (is_digit(token[0])) numbers.push_back(tokens.back());
  }
  std::map<uint32_t, size_t> shared;  // in the order of the benchmarks' questions
  for (size_t i = 0; i + kGram <= tokens.size(); ++i) {
    const auto found = by_gram_.find(hash_of(&tokens[i]));
    if (found == by_gram_.end()) continue;
    for (const uint32_t index : found->second) ++shared[index];
  }
  for (const auto& [index, count] : shared) {
    const Question& question = questions_[index];
    const bool bare = question.numbers.empty();
    // A third, or three quarters.
    if (bare ? 4 * count < 3 * question.num_grams : 3 * count < question.num_grams) continue;
    if (numbers != question.numbers) continue;
    const size_t common = common_subsequence(tokens, question.tokens);
    const size_t shorter = std::min(tokens.size(), question.tokens.size());
    if (common >= kGram && 10 * common >= 6 * shorter) return match(index, "overlap");
  }
  return std::nullopt;
}

std::optional<ContaminationMatch> ContaminationFilter::find(const Demonstration& row) const {
  std::optional<ContaminationMatch> match = find(row.question);
  for (const Turn& turn : row.history) {
    if (!match && !turn.assistant) match = find(turn.content);
  }
  return match;
}

namespace {

template <class Row>
void drop_contaminated(const ContaminationFilter& filter, std::vector<Row>& rows,
                       RowAccount& report) {
  if (filter.empty()) return;
  std::vector<Row> kept;
  kept.reserve(rows.size());
  for (Row& row : rows) {
    const std::optional<ContaminationMatch> match = filter.find(row);
    if (!match) {
      kept.push_back(std::move(row));
      continue;
    }
    --report.kept;
    report.reject(
        {{"contaminated", match->describe()}, row.file.empty() ? row.id : row.file, row.line, 0});
  }
  rows = std::move(kept);
}

}  // namespace

void ContaminationFilter::filter(std::vector<Problem>& rows, RowAccount& report) const {
  drop_contaminated(*this, rows, report);
}

void ContaminationFilter::filter(std::vector<Demonstration>& rows, RowAccount& report) const {
  drop_contaminated(*this, rows, report);
}

}  // namespace ponder::data
