#include "clean/filters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "clean/form.h"
#include "clean/gibberish.h"
#include "clean/language.h"
#include "clean/near_duplicates.h"
#include "clean/repetition.h"
#include "clean/words.h"
#include "judge/judge.h"

namespace ponder::clean {
namespace {

struct Named {
  Filter filter;
  std::string_view name;
  bool problems;
};
constexpr std::array kFilters = {
    Named{Filter::kBrokenFormat, "broken-format", false},
    Named{Filter::kTruncated, "truncated", false},
    Named{Filter::kGibberish, "gibberish", true},
    Named{Filter::kMixedLanguage, "mixed-language", false},
    Named{Filter::kRepetition, "repetition", false},
    Named{Filter::kWrongAnswer, "wrong-answer", false},
    Named{Filter::kTooShort, "too-short", true},
    Named{Filter::kTooLong, "too-long", true},
    Named{Filter::kNearDuplicate, "near-duplicate", true},
};

std::string response_words(const data::Demonstration& row) {
  return row.thought + "\n\n" + row.solution;
}

// What tells two rows apart that are nearly the same: another gold answer is that of another question.
uint64_t answer_key(std::string_view answer) {
  const Words words(answer);
  return gram_hash(words, 0, words.size()) | 1;
}

double percent(double share) { return 100 * share; }

}  // namespace

std::string_view to_string(Filter filter) {
  for (const Named& named : kFilters) {
    if (named.filter == filter) return named.name;
  }
  return "";
}

std::string reason_of(Filter filter) {
  std::string reason(to_string(filter));
  std::replace(reason.begin(), reason.end(), '-', '_');
  return reason;
}

std::optional<Filter> filter_from_string(std::string_view name) {
  for (const Named& named : kFilters) {
    if (name == named.name || name == reason_of(named.filter)) return named.filter;
  }
  return std::nullopt;
}

std::vector<Filter> all_filters() {
  std::vector<Filter> all;
  for (const Named& named : kFilters) all.push_back(named.filter);
  return all;
}

std::string filter_names() {
  std::vector<std::string_view> names;
  for (const Named& named : kFilters) names.push_back(named.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool suits_problems(Filter filter) { return kFilters[static_cast<size_t>(filter)].problems; }

bool Options::has(Filter filter) const {
  return std::find(filters.begin(), filters.end(), filter) != filters.end();
}

void check(const Options& options, const std::string& where) {
  const auto fail = [&](const std::string& problem, const std::string& advice) {
    throw Error(ErrorKind::kUsage, where, problem, advice);
  };
  if (options.max_words > 0 && options.min_words > options.max_words) {
    fail(fmt::format("the band is upside down: min_words {} is above max_words {}",
                     options.min_words, options.max_words),
         "the lower limit comes first");
  }
  if (options.min_quantile >= options.max_quantile) {
    fail(fmt::format(
             "the band is upside down or empty: min_quantile {} is not below max_quantile {}",
             options.min_quantile, options.max_quantile),
         "e.g. 0.01 and 0.99 leave out a hundredth at either end");
  }
  const auto needs = [&](Filter filter, const char* keys, bool given) {
    if (given == options.has(filter)) return;
    if (given)
      fail(fmt::format("{} is given, and {} is none of the filters", keys, to_string(filter)),
           fmt::format("add \"{}\" to the filters", to_string(filter)));
    fail(fmt::format("the filter {} has no limit", to_string(filter)),
         fmt::format("give it {}", keys));
  };
  needs(Filter::kTooShort, "min_words or min_quantile",
        options.min_words > 0 || options.min_quantile > 0);
  needs(Filter::kTooLong, "max_words or max_quantile",
        options.max_words > 0 || options.max_quantile < 1);
}

struct Cleaner::State {
  explicit State(const Options& o) : options(o), near_duplicates(o.jaccard) {}
  const Options options;
  NearDuplicates near_duplicates;

  std::optional<data::Rejection> by_length(int64_t words) const {
    if (options.has(Filter::kTooShort) && words < options.min_words) {
      return data::Rejection{reason_of(Filter::kTooShort),
                             fmt::format("{} words, at least {}", words, options.min_words)};
    }
    if (options.has(Filter::kTooLong) && options.max_words > 0 && words > options.max_words) {
      return data::Rejection{reason_of(Filter::kTooLong),
                             fmt::format("{} words, at most {}", words, options.max_words)};
    }
    return std::nullopt;
  }

  std::optional<data::Rejection> by_duplicate(const Words& words, const std::string& file,
                                              uint64_t line, uint64_t key) {
    if (!options.has(Filter::kNearDuplicate)) return std::nullopt;
    const auto match = near_duplicates.see(words, file, line, key);
    if (!match) return std::nullopt;
    const std::string of = match->file == file ? "" : " of " + match->file;
    return data::Rejection{
        reason_of(Filter::kNearDuplicate),
        fmt::format("nearly line {}{}: Jaccard {:.2f}", match->line, of, match->similarity)};
  }

  std::optional<data::Rejection> by_text(const data::Demonstration& row, const Words& words) const {
    const std::string response = response_words(row);
    const auto both = [&](Filter filter, std::string (*fault_in)(std::string_view)) {
      std::optional<data::Rejection> why;
      if (!options.has(filter)) return why;
      for (const auto& [part, text] :
           {std::pair<const char*, const std::string&>{"thought", row.thought},
            {"solution", row.solution}}) {
        const std::string fault = fault_in(text);
        if (!fault.empty()) {
          why = {reason_of(filter), fmt::format("the {}: {}", part, fault)};
          return why;
        }
      }
      return why;
    };
    if (auto why = both(Filter::kBrokenFormat, broken_form)) return why;
    if (auto why = both(Filter::kTruncated, cut_off)) return why;
    if (options.has(Filter::kGibberish)) {
      const std::string fault = gibberish_in(response, words);
      if (!fault.empty()) return data::Rejection{reason_of(Filter::kGibberish), fault};
    }
    if (options.has(Filter::kMixedLanguage)) {
      const Foreign foreign = foreign_part(row.question, response);
      if (foreign.share >= options.foreign) {
        return data::Rejection{
            reason_of(Filter::kMixedLanguage),
            fmt::format("{:.1f} % are {}, it is asked in {}", percent(foreign.share),
                        foreign.writing, foreign.asked.empty() ? "another" : foreign.asked)};
      }
    }
    if (options.has(Filter::kRepetition)) {
      for (const auto& [part, text] :
           {std::pair<const char*, const std::string&>{"thought", row.thought},
            {"solution", row.solution}}) {
        const Circle circle = circle_at_end(Words(text));
        if (circle.rounds == 0) continue;
        return data::Rejection{reason_of(Filter::kRepetition),
                               fmt::format("the {} ends in a circle: {} times the same {} words",
                                           part, circle.rounds, circle.period)};
      }
      const Repetition repetition = repetition_of(words);
      if (repetition.share >= options.repeated) {
        return data::Rejection{
            reason_of(Filter::kRepetition),
            fmt::format(
                "{:.1f} % of its words stand in runs of ten that were there before: \"{} …\"",
                percent(repetition.share), repetition.longest)};
      }
    }
    if (options.has(Filter::kWrongAnswer) && !row.answer.empty()) {
      const judge::Judgement judged = judge::judge_response(
          row.answer, row.response(), judge::ResponseEnd::kFinished, {.type = row.answer_type});
      // A response in which no answer was found says nothing against it.
      if (judged.verdict == judge::Verdict::kIncorrect && !judged.extracted.empty())
        return data::Rejection{reason_of(Filter::kWrongAnswer), judged.proof};
    }
    return std::nullopt;
  }

  template <class Row>
  void clean(Cleaner& cleaner, std::vector<Row>& rows, data::RowAccount& account) const {
    if (options.filters.empty()) return;
    const auto leave_out = [&](const Row& row, const data::Rejection& why) {
      --account.kept;
      account.reject({why, row.file, row.line, 0, row.id});
    };
    std::vector<Row> kept;
    std::vector<int64_t> lengths;
    for (Row& row : rows) {
      if (const auto why = cleaner.check(row)) {
        leave_out(row, *why);
        continue;
      }
      if (options.by_quantile()) lengths.push_back(num_words(row));
      kept.push_back(std::move(row));
    }
    rows = std::move(kept);
    if (!options.by_quantile()) return;
    std::vector<int64_t> sorted = lengths;
    std::sort(sorted.begin(), sorted.end());
    kept.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (const auto why = outside_quantiles(sorted, lengths[i], options)) {
        leave_out(rows[i], *why);
      } else {
        kept.push_back(std::move(rows[i]));
      }
    }
    rows = std::move(kept);
  }
};

Cleaner::Cleaner(const Options& options) : state_(std::make_unique<State>(options)) {}
Cleaner::~Cleaner() = default;
Cleaner::Cleaner(Cleaner&&) noexcept = default;

std::optional<data::Rejection> Cleaner::check(const data::Demonstration& row) {
  const Words words(response_words(row));
  if (auto why = state_->by_text(row, words)) return why;
  if (auto why = state_->by_length(static_cast<int64_t>(words.size()))) return why;
  if (!state_->options.has(Filter::kNearDuplicate)) return std::nullopt;
  return state_->by_duplicate(Words(row.question + "\n\n" + response_words(row)), row.file,
                              row.line, row.answer.empty() ? 0 : answer_key(row.answer));
}

std::optional<data::Rejection> Cleaner::check(const data::Problem& row) {
  const Words words(row.question);
  if (state_->options.has(Filter::kGibberish)) {
    const std::string fault = gibberish_in(row.question, words);
    if (!fault.empty()) return data::Rejection{reason_of(Filter::kGibberish), fault};
  }
  if (auto why = state_->by_length(static_cast<int64_t>(words.size()))) return why;
  uint64_t key = answer_key(row.answer);
  for (size_t i = 0; i < words.size(); ++i) {
    if (words.is_number(i)) key = mixed(key + words.hash(i));
  }
  return state_->by_duplicate(words, row.file, row.line, key);
}

void Cleaner::clean(std::vector<data::Demonstration>& rows, data::RowAccount& account) {
  state_->clean(*this, rows, account);
}

void Cleaner::clean(std::vector<data::Problem>& rows, data::RowAccount& account) {
  state_->clean(*this, rows, account);
}

int64_t num_words(const data::Demonstration& row) {
  return static_cast<int64_t>(Words(response_words(row)).size());
}

int64_t num_words(const data::Problem& row) {
  return static_cast<int64_t>(Words(row.question).size());
}

std::optional<data::Rejection> outside_quantiles(const std::vector<int64_t>& sorted, int64_t words,
                                                 const Options& options) {
  if (sorted.empty()) return std::nullopt;
  // The smallest length that a share q of the rows does not exceed.
  const auto quantile = [&](double q) {
    const auto count = static_cast<double>(sorted.size());
    const auto at = static_cast<size_t>(std::max(1.0, std::ceil(q * count - 1e-9)));
    return sorted[std::min(at, sorted.size()) - 1];
  };
  if (options.min_quantile > 0) {
    // Rows below it: at most the share that was asked for.
    const int64_t low = quantile(options.min_quantile);
    if (words < low) {
      return data::Rejection{
          reason_of(Filter::kTooShort),
          fmt::format("{} words, the {} quantile is {}", words, options.min_quantile, low)};
    }
  }
  if (options.max_quantile < 1) {
    const int64_t high = quantile(options.max_quantile);
    if (words > high) {
      return data::Rejection{
          reason_of(Filter::kTooLong),
          fmt::format("{} words, the {} quantile is {}", words, options.max_quantile, high)};
    }
  }
  return std::nullopt;
}

}  // namespace ponder::clean
