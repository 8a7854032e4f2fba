#include "data/readers.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/demonstration_layouts.h"
#include "data/preference_layouts.h"
#include "data/problem_layouts.h"
#include "data/rejected_answers.h"
#include "data/row_fields.h"
#include "data/row_source.h"

namespace ponder::data {
namespace {

void keep_example(std::vector<RejectedRow>& examples, RejectedRow row) {
  if (examples.size() < RowAccount::kMaxExamples) examples.push_back(std::move(row));
}

std::string place(const RejectedRow& row) {
  return row.byte_offset == 0 ? fmt::format("{}:{}", row.file, row.line)
                              : fmt::format("{}:{} (byte {})", row.file, row.line, row.byte_offset);
}

// The loop both kinds share. `convert(json, line, changes)` gives rows or throws Rejection;
// `repeats(row, line)` names the row that one repeats, or nothing.
template <class Row, class Convert, class Repeats>
void read_rows(RowSource& source, std::string_view kind, bool strict, RowConditions* conditions,
               RowAccount& total, const Convert& convert, const Repeats& repeats,
               const std::function<void(Row)>& take_kept) {
  RowAccount report;
  RowSource* const reader = &source;
  const auto reject = [&](RejectedRow rejected) {
    if (strict) {
      throw Error(place(rejected), rejected.detail, "mend the row, or read without being strict");
    }
    ++report.rows;
    report.reject(std::move(rejected));
  };
  const auto on_bad = [&](uint64_t line, uint64_t byte_offset, const std::string& problem) {
    reject({{"bad_json", problem}, reader->name(), line, byte_offset});
  };
  JsonRow json;
  const auto take = [&](Row row) {
    if (conditions) {
      const std::optional<Rejection> why = conditions->against(json.value, row);
      if (why) return reject({*why, reader->name(), json.line, json.byte_offset, row.id});
    }
    ++report.rows;
    const std::string repeated = repeats(row, json.line, report);
    if (!repeated.empty()) {
      ++report.duplicates;
      keep_example(
          report.duplicate_examples,
          {{"duplicate", "repeats " + repeated}, reader->name(), json.line, json.byte_offset});
      return;
    }
    row.file = reader->name();
    row.line = json.line;
    ++report.kept;
    take_kept(std::move(row));
  };
  try {
    while (reader->next(json, on_bad)) {
      try {
        if (!json.value.is_object()) {
          throw Rejection{"not_an_object",
                          "expected a JSON object, found " + excerpt(dump_json(json.value))};
        }
        if (is_rejected_answer(json.value))
          throw Rejection{"rejected_answer", "a teacher's answer that became no demonstration"};
        Changes changes;
        for (Accepted<Row>& row : convert(json.value, json.line, changes)) {
          if (row) {
            take(std::move(*row));
          } else {
            reject({row.why(), reader->name(), json.line, json.byte_offset});
          }
        }
        for (const auto& [what, count] : changes) report.changed[what] += count;
      } catch (const Rejection& why) {
        reject({why, reader->name(), json.line, json.byte_offset});
      }
    }
  } catch (const Error&) {
    total.merge(report);  // what was read before the file broke
    throw;
  }
  total.merge(report);
  if (report.rejected.contains("filtered")) conditions->refuse_never_found(reader->name());
  // Rows that another file of the run has are no fault of this one.
  if (report.kept == 0 && report.duplicates == 0) {
    std::string problem = fmt::format("expected {}, found none: {}", kind, report.summary());
    if (!report.examples.empty()) {
      problem +=
          fmt::format("; first: {}: {}", place(report.examples[0]), report.examples[0].detail);
    }
    throw Error(reader->name(), problem,
                "see the layouts in docs/data.md, or name the fields with --fields");
  }
}

}  // namespace

std::string SeenRows::repeats(char kind, std::string_view key, const std::string& file,
                              uint64_t line) {
  // Lines and files share the 64 bits.
  constexpr int kLineBits = 44;
  if (files_.empty() || files_.back() != file) files_.push_back(file);
  if (const auto first = lines_.find(kind, key)) {
    const std::string& where = files_[*first >> kLineBits];
    const std::string text = fmt::format("line {}", *first & ((uint64_t{1} << kLineBits) - 1));
    return where == file ? text : text + " of " + where;
  }
  lines_.add(kind, key, (static_cast<uint64_t>(files_.size() - 1) << kLineBits) | line);
  return {};
}

RowAccount RowAccount::of(size_t kept) {
  RowAccount account;
  account.rows = account.kept = kept;
  return account;
}

void RowAccount::reject(RejectedRow row) {
  ++rejected[row.reason];
  keep_example(examples, std::move(row));
}

void RowAccount::merge(const RowAccount& other) {
  rows += other.rows;
  kept += other.kept;
  duplicates += other.duplicates;
  questions += other.questions;
  for (const auto& [what, count] : other.changed) changed[what] += count;
  for (const auto& [reason, count] : other.rejected) rejected[reason] += count;
  for (const RejectedRow& row : other.examples) keep_example(examples, row);
  for (const RejectedRow& row : other.duplicate_examples) keep_example(duplicate_examples, row);
}

std::string RowAccount::summary() const {
  std::string text = fmt::format("{} rows, {} kept", rows, kept);
  if (duplicates > 0) text += fmt::format(", {} duplicates", duplicates);
  uint64_t count = 0;
  std::string reasons;
  for (const auto& [reason, n] : rejected) {
    count += n;
    reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", reason, n);
  }
  if (count > 0) text += fmt::format(", {} rejected ({})", count, reasons);
  if (questions > 0 && questions < kept)
    text += fmt::format("; {} question{}", questions, questions == 1 ? "" : "s");
  return text;
}

std::vector<std::string> RowAccount::left_out_by_id(size_t most) const {
  std::vector<std::string> lines;
  for (const RejectedRow& row : examples) {
    if (lines.size() == most) break;
    if (row.id.empty()) continue;
    lines.push_back(fmt::format("{}: {}: {}", excerpt(row.id), row.reason, row.detail));
  }
  return lines;
}

std::string dataset_name(const std::filesystem::path& file) {
  if (file == "-") return "stdin";
  std::filesystem::path name =
      file.has_filename() ? file.filename() : file.parent_path().filename();
  for (;;) {
    const std::string extension = name.extension();
    bool known = false;
    for (const std::string_view one : {".gz", ".zst", ".json", ".jsonl", ".ndjson", ".parquet",
                                       ".csv", ".tsv", ".arrow", ".feather"})
      known = known || extension == one;
    if (!known) return name.string();
    name = name.stem();
  }
}

Json to_json(const RowAccount& report, bool explain) {
  Json rejected = Json::object();
  for (const auto& [reason, count] : report.rejected) rejected[reason] = count;
  Json json = {{"rows", report.rows},
               {"kept", report.kept},
               {"rejected", rejected},
               {"duplicates", report.duplicates}};
  if (report.questions > 0) json["questions"] = report.questions;
  for (const auto& [what, count] : report.changed) json["changed"][what] = count;
  if (!explain) return json;
  json["examples"] = Json::array();
  for (const auto* examples : {&report.examples, &report.duplicate_examples}) {
    for (const RejectedRow& row : *examples) {
      json["examples"].push_back({{"file", row.file},
                                  {"line", row.line},
                                  {"byte_offset", row.byte_offset},
                                  {"reason", row.reason},
                                  {"detail", row.detail}});
      if (!row.id.empty()) json["examples"].back()["id"] = row.id;
    }
  }
  return json;
}

void visit_problems(RowSource& rows, RowAccount& report, const ProblemReadOptions& options,
                    const std::function<void(Problem)>& take) {
  std::string file, stem;
  SeenRows seen;
  read_rows<Problem>(
      rows, "problems", options.strict, options.conditions, report,
      [&](const Json& json, uint64_t line, Changes& changes) {
        if (file != rows.name()) {
          file = rows.name();
          stem = file == "standard input" ? dataset_name("-") : dataset_name(file);
        }
        std::vector<Accepted<Problem>> found;
        found.emplace_back(problem_from_row(json, stem, line, options.choice_seed, changes));
        return found;
      },
      [&](Problem& problem, uint64_t line, RowAccount& account) {
        const std::string first =
            seen.repeats('q', normalised_question(problem.question), rows.name(), line);
        if (!first.empty()) return "the question of " + first;
        // Sets that were put together restart their ids: another question is another problem.
        const bool repeats_id = !seen.repeats('i', problem.id, rows.name(), line).empty();
        if (repeats_id) ++account.changed["id_made_unique"];
        for (bool taken = repeats_id; taken;) {
          problem.id += fmt::format("#{}", line);
          taken = !seen.repeats('i', problem.id, rows.name(), line).empty();
        }
        return std::string();
      },
      take);
}

std::vector<Problem> read_problems(const std::filesystem::path& file, RowAccount& report,
                                   const ProblemReadOptions& options) {
  std::vector<Problem> problems;
  visit_problems(*RowSource::open(file, options.fields), report, options,
                 [&](Problem problem) { problems.push_back(std::move(problem)); });
  return problems;
}

void visit_demonstrations(RowSource& rows, RowAccount& report,
                          const DemonstrationReadOptions& options,
                          const std::function<void(Demonstration)>& take) {
  SeenRows own;
  SeenRows& seen = options.seen ? *options.seen : own;
  read_rows<Demonstration>(
      rows, "demonstrations", options.strict, options.conditions, report,
      [&](const Json& json, uint64_t, Changes& changes) {
        return demonstrations_from_row(json, options, changes);
      },
      [&](const Demonstration& row, uint64_t line, RowAccount& account) {
        std::string question = normalised_question(row.question);
        // A line break cannot stand in a normalised text, so it parts the two without doubt.
        for (const Turn& turn : row.history) question += '\n' + normalised_question(turn.content);
        question += '\n' + normalised_question(row.system);
        if (seen.repeats('q', question, rows.name(), line).empty()) ++account.questions;
        question += fmt::format("\n{}\n", row.thought.size());
        question += row.thought;
        question += row.solution;
        const std::string first = seen.repeats('r', question, rows.name(), line);
        return first.empty() ? first : "question and response of " + first;
      },
      take);
}

std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file,
                                               RowAccount& report,
                                               const DemonstrationReadOptions& options) {
  std::vector<Demonstration> demonstrations;
  visit_demonstrations(
      *RowSource::open(file, options.fields), report, options,
      [&](Demonstration demonstration) { demonstrations.push_back(std::move(demonstration)); });
  return demonstrations;
}

RowKind kind_of_rows(PeekedRows& rows) {
  if (const Json* first = rows.first_object()) {
    if (is_rejected_answer(*first)) return RowKind::kRejectedAnswers;
    if (is_preference(RowFields(*first))) return RowKind::kPreferences;
    return is_demonstration(RowFields(*first)) ? RowKind::kDemonstrations : RowKind::kProblems;
  }
  std::string problem = "expected rows that are JSON objects, found none";
  if (!rows.first_problem().empty()) problem += "; first: " + rows.first_problem();
  throw Error(rows.name(), problem, "see the layouts in docs/data.md");
}

RowKind kind_of_rows(const std::filesystem::path& file) {
  PeekedRows rows(RowSource::open(file));
  return kind_of_rows(rows);
}

}  // namespace ponder::data
