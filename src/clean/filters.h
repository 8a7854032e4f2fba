// Filters of rows that can be read and yet should not be learned from: each has a name, a reason under
// which what it takes is counted, and parameters. docs/data.md says what each takes of real rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/readers.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::clean {

// In the order in which they look at a row; the first that takes it is its reason.
enum class Filter {
  kBrokenFormat,   // tags, markup, unclosed code or formulas left in thought or solution
  kTruncated,      // thought or solution that stops in the middle of a sentence
  kGibberish,      // broken encoding, noise
  kMixedLanguage,  // another language or script than the question's
  kRepetition,     // 10-grams again and again, or a circle at the end
  kWrongAnswer,    // the judge finds the answer different from the gold answer
  kTooShort,       // fewer words than min_words, or below min_quantile of the rows
  kTooLong,        // more words than max_words, or above max_quantile of the rows
  kNearDuplicate,  // an earlier row in nearly the same words
};
std::string_view to_string(Filter filter);  // "near-duplicate"
std::string reason_of(Filter filter);       // "near_duplicate", as accounts have it
std::optional<Filter> filter_from_string(std::string_view name);  // either
std::vector<Filter> all_filters();
std::string filter_names();  // "broken-format, truncated, …"
// Whether problems, which have a question alone, can be filtered so.
bool suits_problems(Filter filter);

struct Options {
  std::vector<Filter> filters;           // none: nothing is left out
  double jaccard = 0.8;                  // near-duplicate: from this similarity on, in (0, 1]
  double repeated = 0.4;                 // repetition: from this share of the words on
  double foreign = 0.05;                 // mixed-language: from this share of words or letters on
  int64_t min_words = 0, max_words = 0;  // of thought and solution, or the question; 0: none
  double min_quantile = 0, max_quantile = 1;  // of the rows' words, after the other filters

  bool has(Filter filter) const;
  bool by_quantile() const { return min_quantile > 0 || max_quantile < 1; }
};

// Throws Error (usage) at `where` for limits that are upside down or that no filter looks at.
void check(const Options& options, const std::string& where);

// Looks at rows in their order, over as many files as it is given; near duplicates are of rows that it
// kept. A function of the rows and the options alone.
class Cleaner {
 public:
  explicit Cleaner(const Options& options);
  ~Cleaner();
  Cleaner(Cleaner&&) noexcept;

  // Why the row is left out; quantiles, for which all rows must be known, aside.
  std::optional<data::Rejection> check(const data::Demonstration& row);
  std::optional<data::Rejection> check(const data::Problem& row);

  // Leaves out what the filters take, quantiles too, which are those of `rows`. They go from the
  // account's kept rows to its rejected ones.
  void clean(std::vector<data::Demonstration>& rows, data::RowAccount& account);
  void clean(std::vector<data::Problem>& rows, data::RowAccount& account);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What filters count a row's length in: words of thought and solution, or of the question.
int64_t num_words(const data::Demonstration& row);
int64_t num_words(const data::Problem& row);

// Of rows of these lengths, why one of `words` is outside the quantiles of the options. `sorted`: lengths,
// rising.
std::optional<data::Rejection> outside_quantiles(const std::vector<int64_t>& sorted, int64_t words,
                                                 const Options& options);

}  // namespace ponder::clean
