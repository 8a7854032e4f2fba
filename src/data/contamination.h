// Keeps the questions of benchmarks out of what is trained on. A row is contaminated by a benchmark
// question when either
//   exact    both are the same sequence of words, numbers and signs: letter case, punctuation,
//            spacing of LaTeX and drawings ([asy]) do not count, digits and operators do; choices
//            such as "(A) …" below a question of 13 tokens or more do not count either; or
//   overlap  at least a third of the benchmark question's 13-grams stand in the row's question,
//            their longest common subsequence has at least 13 tokens and 60 % of the shorter one,
//            and the numbers of both are the same, in order. A benchmark question without any
//            number needs three quarters of its 13-grams instead.
// The 13-grams and the 60 % are those of the Qwen2.5-Math report (arXiv 2409.12122, section 2);
// that the numbers must be the same is ours: synthetic problems and textbook drills differ by
// numbers alone, and such a row is another problem. docs/data.md says what the rule finds in public
// sets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/readers.h"
#include "data/rows.h"

namespace ponder::data {

struct ContaminationMatch {
  std::string benchmark, id;  // of the benchmark's question
  std::string rule;           // "exact" or "overlap"
  std::string describe() const;
};

class ContaminationFilter {
 public:
  void add(const std::string& benchmark, const std::vector<Problem>& problems);
  bool empty() const { return questions_.empty(); }

  std::optional<ContaminationMatch> find(std::string_view question) const;
  // In a conversation every user turn counts.
  std::optional<ContaminationMatch> find(const Problem& row) const { return find(row.question); }
  std::optional<ContaminationMatch> find(const Demonstration& row) const;

  // Drops contaminated rows, counting them in `report` as "contaminated".
  void filter(std::vector<Problem>& rows, RowAccount& report) const;
  void filter(std::vector<Demonstration>& rows, RowAccount& report) const;

 private:
  struct Question {
    std::string benchmark, id;
    std::vector<uint32_t> tokens;   // of the question without its choices
    std::vector<uint32_t> numbers;  // in the order of the question
    size_t num_grams = 0;
  };
  std::vector<uint32_t> numbered(const std::vector<std::string>& tokens);

  std::vector<Question> questions_;
  std::unordered_map<std::string, uint32_t> words_;
  std::unordered_map<std::string, uint32_t> exact_;              // text to question
  std::unordered_map<uint64_t, std::vector<uint32_t>> by_gram_;  // hash to questions
};

// What the rule compares: words in lower case, numbers and signs. For tests and messages.
std::vector<std::string> contamination_tokens(std::string_view text);

}  // namespace ponder::data
