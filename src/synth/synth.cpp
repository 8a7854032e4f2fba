#include "synth/synth.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/philox.h"
#include "synth/exercise.h"

namespace ponder::synth {

namespace {

constexpr std::string_view kFields[] = {"math",    "puzzle", "science", "facts",
                                        "science", "math",   "math"};
constexpr uint64_t kTestShare = 8;
constexpr uint64_t kMaxTries = 20000;

Exercise make_exercise(Domain domain, int level, const TeacherOptions& teacher,
                       RandomSequence& random) {
  switch (domain) {
    case Domain::kArithmetic:
      return make_arithmetic(level, teacher, random);
    case Domain::kTarget:
      return make_target(level, teacher, random);
    case Domain::kChoice:
      return make_choice(level, teacher, random);
    case Domain::kStory:
      return make_story(level, teacher, random);
    case Domain::kPlain:
    case Domain::kCarry:
      return make_arithmetic_of(domain == Domain::kCarry, level, teacher, random);
    case Domain::kFacts:
      break;
  }
  return make_drill(level, random);
}

bool belongs(const Exercise& exercise, Split split) {
  if (split_of(exercise.content) != split) return false;
  return split == Split::kTest ||
         std::none_of(exercise.on_the_way.begin(), exercise.on_the_way.end(),
                      [](const std::string& content) { return split_of(content) == Split::kTest; });
}

}  // namespace

const std::vector<std::string>& domain_names() {
  static const std::vector<std::string> kNames = {"arithmetic", "target", "choice", "facts",
                                                  "story",      "plain",  "carry"};
  return kNames;
}

std::string_view to_string(Domain domain) { return domain_names()[static_cast<size_t>(domain)]; }

Domain domain_from_string(std::string_view text) {
  const std::vector<std::string>& names = domain_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<Domain>(i);
  }
  throw Error("domain", "expected one of the synthetic domains, found \"" + excerpt(text) + "\"",
              fmt::format("use {}", fmt::join(names, ", ")));
}

std::string_view to_string(Split split) { return split == Split::kTrain ? "train" : "test"; }

Split split_from_string(std::string_view text) {
  if (text == "train") return Split::kTrain;
  if (text == "test") return Split::kTest;
  throw Error("split", "expected train or test, found \"" + excerpt(text) + "\"");
}

Split split_of(std::string_view content) {
  return stable_hash64(content) % kTestShare == 0 ? Split::kTest : Split::kTrain;
}

data::Demonstration SynthRow::demonstration(bool direct) const {
  data::Demonstration row;
  row.id = problem.id;
  row.domain = problem.domain;
  row.question = problem.question;
  if (!direct) row.thought = thought;
  row.solution = solution;
  row.answer = problem.answer;
  row.source = problem.source;
  return row;
}

SynthStream::SynthStream(SynthOptions options) : options_(std::move(options)) {
  if (options_.domains.empty()) throw Error("synth", "expected at least one domain, found none");
  if (options_.lowest_level < kLowestLevel || options_.highest_level > kHighestLevel ||
      options_.lowest_level > options_.highest_level) {
    throw Error("synth", fmt::format("expected levels from 1 to 5, low to high, found {}-{}",
                                     options_.lowest_level, options_.highest_level));
  }
}

SynthRow SynthStream::next() {
  const size_t num_domains = options_.domains.size();
  const Domain domain = options_.domains[index_ % num_domains];
  const auto num_levels = static_cast<uint64_t>(options_.highest_level) -
                          static_cast<uint64_t>(options_.lowest_level) + 1;
  const int level = options_.lowest_level + static_cast<int>(index_ / num_domains % num_levels);
  for (uint64_t attempt = 0; attempt < kMaxTries; ++attempt) {
    RandomSequence random(options_.seed,
                          stable_hash64(fmt::format("{}/{}/{}/{}/{}", to_string(domain), level,
                                                    to_string(options_.split), index_, attempt)));
    Exercise exercise = make_exercise(domain, level, options_.teacher, random);
    if (!belongs(exercise, options_.split) || !seen_.insert(exercise.content).second) continue;
    ++index_;
    SynthRow row;
    row.content = std::move(exercise.content);
    row.thought = std::move(exercise.thought);
    row.solution = std::move(exercise.solution);
    row.problem.id =
        fmt::format("{}-{}-{:016x}", to_string(domain), level, stable_hash64(row.content));
    row.problem.domain = kFields[static_cast<size_t>(domain)];
    row.problem.question = std::move(exercise.question);
    row.problem.answer = std::move(exercise.answer);
    row.problem.answer_type = exercise.answer_type;
    row.problem.source = fmt::format("synth:{}", to_string(domain));
    row.problem.level = std::to_string(level);
    return row;
  }
  throw Error(fmt::format("synth {} level {}", to_string(domain), level),
              fmt::format("expected a new {} problem, found none in {} tries after {} rows",
                          to_string(options_.split), kMaxTries, index_),
              "ask for fewer rows or a higher level");
}

}  // namespace ponder::synth
