// Reads problems and demonstrations from the files labs have, recognising each row's layout by its
// fields, and accounts for every row: in = kept + rejected (by reason) + duplicates. The layouts are in
// docs/data.md, the reasons for which a row is rejected in docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/first_lines.h"
#include "data/rejection.h"
#include "data/row_conditions.h"
#include "data/row_source.h"
#include "data/rows.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {

struct RejectedRow : Rejection {
  std::string file;
  uint64_t line = 0;         // from 1; in an array the element's place, in Parquet the row's
  uint64_t byte_offset = 0;  // of the row in the unpacked file; 0 in Parquet
  std::string id = {};       // the row's, where it is known
};

// Which rows a run has read already, over all its files: those that are read with one of these.
class SeenRows {
 public:
  // Nothing, or where the row stands that this one repeats: "line 3", of another file with its name.
  // `key` is all that makes two rows the same.
  std::string repeats(char kind, std::string_view key, const std::string& file, uint64_t line);

 private:
  FirstLines lines_;
  std::vector<std::string> files_;
};

// What became of the rows of one or more files. rows == kept + duplicates + sum of rejected counts.
struct RowAccount {
  uint64_t rows = 0, kept = 0, duplicates = 0;
  std::map<std::string, uint64_t> rejected;     // by reason
  std::vector<RejectedRow> examples;            // the first kMaxExamples rejected rows
  std::vector<RejectedRow> duplicate_examples;  // likewise; `detail` names the row each repeats
  // What was cut, joined or left empty in rows that were kept, by name (docs/formats.md).
  std::map<std::string, uint64_t> changed = {};
  uint64_t questions = 0;  // of the demonstrations that were read, different ones; 0: not counted
  static constexpr size_t kMaxExamples = 1000;

  static RowAccount of(size_t kept);  // so many rows, all kept
  void reject(RejectedRow row);
  void merge(const RowAccount& other);
  std::string summary() const;  // one line
  // "math-7: too_long: …" of the first `most` rejected rows whose ids are known.
  std::vector<std::string> left_out_by_id(size_t most = 10) const;
};
// The fields of `ponder data check`; with `explain` also each example.
Json to_json(const RowAccount& report, bool explain);

// What a file of rows is called: `dir/MATH_OAI.jsonl.zst` is MATH_OAI, a folder `dir/train/` is train,
// "-" is stdin.
std::string dataset_name(const std::filesystem::path& file);

struct ProblemReadOptions {
  uint64_t choice_seed = 1;  // shuffles the choices of GPQA-like rows that come unshuffled
  bool strict = false;       // throw on the first rejected row
  FieldMap fields = {};      // of a file with names of its own
  // Rows that are not wanted are rejected as "filtered", before any is taken for a duplicate; borrowed.
  RowConditions* conditions = nullptr;
};

// Layouts: ponder's own; MATH (problem, answer, solution); AIME (problem, solution = \boxed{N});
// GPQA (with the choices inside Question, or unshuffled); GSM8K (#### gold); MMLU-Pro and other
// rows with options; SciBench; DeepMath / RLVR (prompt, ground_truth); OlymMATH; knights and
// knaves. A row without an id gets FILESTEM-LINE; a bare number as id gets FILESTEM- in front. Two
// rows of a file with the same id, or with the same question but for white space, are duplicates:
// the first is kept. Throws Error if the file cannot be read, or if no row at all is left (`report`
// is filled then too).
std::vector<Problem> read_problems(const std::filesystem::path& file, RowAccount& report,
                                   const ProblemReadOptions& options = {});
// The same of open `rows`, whose fields have the names that layouts know; each kept row is given away
// as it is read.
void visit_problems(RowSource& rows, RowAccount& report, const ProblemReadOptions& options,
                    const std::function<void(Problem)>& take);

struct DemonstrationReadOptions {
  bool require_thought = true;  // false: a response without a thought is kept as a bare solution
  bool strict = false;          // throw on the first rejected row
  // Of a conversation of several turns: one demonstration for every assistant turn, instead of one
  // for the last. Each counts as a row.
  bool all_turns = false;
  tokenizer::ThoughtTags thought_tags = {};  // of one's own, looked for before the known ones
  // Where a run reads several files; borrowed. A row is a duplicate when conversation, question,
  // thought and solution are those of another: ids decide nothing.
  SeenRows* seen = nullptr;
  FieldMap fields = {};                 // of a file with names of its own
  RowConditions* conditions = nullptr;  // as for problems; borrowed
};

// Layouts: docs/data.md. Earlier turns of a conversation become the history, their thoughts left out.
// A row may have several responses; each counts as a row. Throws as read_problems.
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file,
                                               RowAccount& report,
                                               const DemonstrationReadOptions& options = {});
void visit_demonstrations(RowSource& rows, RowAccount& report,
                          const DemonstrationReadOptions& options,
                          const std::function<void(Demonstration)>& take);

// kRejectedAnswers (rejected_answers.h) are neither problems nor demonstrations: readers of these reject them.
enum class RowKind { kProblems, kDemonstrations, kPreferences, kRejectedAnswers };
// By the fields of the first row that is a JSON object. Throws Error when there is none among the
// first kMostPeeked.
RowKind kind_of_rows(PeekedRows& rows);
RowKind kind_of_rows(const std::filesystem::path& file);

}  // namespace ponder::data
