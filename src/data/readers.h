// Reads problems and demonstrations from the files labs have, recognising each row's layout by its fields, and
// accounts for every row: in = kept + rejected (by reason) + duplicates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/rows.h"

namespace ponder {

struct RejectedRow {
  std::string file;
  uint64_t line = 0;        // from 1
  uint64_t byte_offset = 0;
  std::string reason;       // a short stable word: "bad_json", "no_answer", "missing_tag", …
  std::string detail;       // what was expected and found
};

// What became of the rows of one or more files. rows == kept + duplicates + sum of rejected counts.
struct ReadReport {
  uint64_t rows = 0, kept = 0, duplicates = 0;
  std::map<std::string, uint64_t> rejected;  // by reason
  std::vector<RejectedRow> examples;         // the first kMaxExamples rejected rows
  static constexpr size_t kMaxExamples = 1000;

  void reject(RejectedRow row);
  void merge(const ReadReport& other);
  std::string summary() const;  // one line
};

struct ProblemReadOptions {
  uint64_t choice_seed = 1;  // shuffles the choices of GPQA-like rows that come unshuffled
  bool strict = false;       // throw on the first rejected row
};

// Layouts: ponder's own; MATH (problem, answer, solution); AIME (problem, solution = \boxed{N}); GPQA (diamond.json
// with the choices inside Question); GSM8K (#### gold); MMLU-Pro; SciBench; DeepMath / RLVR (prompt, ground_truth);
// OlymMATH. Throws Error if a file cannot be read, or if no row at all is left.
std::vector<Problem> read_problems(const std::filesystem::path& file, ReadReport& report,
                                   const ProblemReadOptions& options = {});

// Layouts: STILL (question, combined_text, domain), ShareGPT conversations, OpenAI messages, alpaca, ponder's own
// (question, thought, solution). Multi-turn rows are rejected ("multi_turn"), never silently cut.
// A row without thought tags is kept only if `require_thought` is false.
struct DemonstrationReadOptions {
  bool require_thought = true;
  bool strict = false;
};
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file, ReadReport& report,
                                               const DemonstrationReadOptions& options = {});

}  // namespace ponder
