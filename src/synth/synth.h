// The synthetic world: problems with gold answers and demonstrations of slow thinking, made by
// rule, for a model of about two million parameters to learn in. docs/synthetic-world.md describes
// it.
//
// A row is a pure function of (seed, domain, level, split, index). Which split a problem is in
// depends on its content alone, so no test problem is ever a train row, whatever the seed, nor a
// step within one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "data/rows.h"
#include "synth/teacher.h"

namespace ponder::synth {

// Beside them: the stories of kChoice that ask for the number, and arithmetic by how hard its steps are
// at the same number of them: none that carries, or every one.
enum class Domain { kArithmetic, kTarget, kChoice, kFacts, kStory, kPlain, kCarry };
std::string_view to_string(Domain domain);  // "arithmetic", "target", …; one of domain_names()
const std::vector<std::string>& domain_names();
// Throws Error naming the domains there are.
Domain domain_from_string(std::string_view text);

enum class Split { kTrain, kTest };
std::string_view to_string(Split split);  // "train", "test"
// Throws Error for anything else.
Split split_from_string(std::string_view text);

// Where a content belongs: one in eight is a test problem.
Split split_of(std::string_view content);

inline constexpr int kLowestLevel = 1, kHighestLevel = 5;

struct SynthOptions {
  std::vector<Domain> domains = {Domain::kArithmetic};            // rows take turns
  int lowest_level = kLowestLevel, highest_level = kLowestLevel;  // rows take turns
  Split split = Split::kTrain;
  uint64_t seed = 1;
  TeacherOptions teacher;
};

struct SynthRow {
  data::Problem problem;
  std::string content;   // what is asked, in canonical form
  std::string thought;   // the teacher's; empty for facts
  std::string solution;  // the final sentence, or the whole answer of a drill

  // With `direct`: without the thought.
  data::Demonstration demonstration(bool direct) const;
};

// Endless rows, no problem twice. Not thread-safe.
class SynthStream {
 public:
  // Throws Error for a level outside kLowestLevel to kHighestLevel or no domain.
  explicit SynthStream(SynthOptions options);

  // Throws Error when the domain and level seem used up: no new problem in many tries.
  SynthRow next();

 private:
  SynthOptions options_;
  uint64_t index_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace ponder::synth
