#include "data/readers.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/demonstration_layouts.h"
#include "data/first_lines.h"
#include "data/problem_layouts.h"
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

// The lines at which ids and questions were first seen.
class Seen {
 public:
  // Nothing, or what the row repeats.
  std::string repeats(const std::string& id, const std::string& key, uint64_t line) {
    if (!id.empty()) {
      if (const auto first = lines_.find('i', id))
        return fmt::format("the id \"{}\" of line {}", excerpt(id), *first);
    }
    if (const auto first = lines_.find('q', key))
      return fmt::format("the question of line {}", *first);
    lines_.add('q', key, line);
    if (!id.empty()) lines_.add('i', id, line);
    return {};
  }

 private:
  FirstLines lines_;
};

// The loop both kinds share. `convert(json, line)` gives rows or throws Rejection; `key` is what
// makes two rows the same beside their id, which counts if `by_id`.
template <class Row, class Convert, class Key>
void read_rows(RowSource& source, std::string_view kind, bool strict, bool by_id, RowAccount& total,
               const Convert& convert, const Key& key, const std::function<void(Row)>& take_kept) {
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
  Seen seen;
  JsonRow json;
  const auto take = [&](Row row) {
    ++report.rows;
    const std::string repeated = seen.repeats(by_id ? row.id : std::string(), key(row), json.line);
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
        for (Row& row : convert(json.value, json.line)) take(std::move(row));
      } catch (const Rejection& why) {
        reject({why, reader->name(), json.line, json.byte_offset});
      }
    }
  } catch (const Error&) {
    total.merge(report);  // what was read before the file broke
    throw;
  }
  total.merge(report);
  if (report.kept == 0) {
    std::string problem = fmt::format("expected {}, found none: {}", kind, report.summary());
    if (!report.examples.empty()) {
      problem +=
          fmt::format("; first: {}: {}", place(report.examples[0]), report.examples[0].detail);
    }
    throw Error(reader->name(), problem, "see the layouts in docs/formats.md");
  }
}

}  // namespace

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
  std::filesystem::path name = file.filename();
  for (;;) {
    const std::string extension = name.extension();
    if (extension != ".gz" && extension != ".zst" && extension != ".json" &&
        extension != ".jsonl" && extension != ".parquet") {
      break;
    }
    name = name.stem();
  }
  return name.string();
}

Json to_json(const RowAccount& report, bool explain) {
  Json rejected = Json::object();
  for (const auto& [reason, count] : report.rejected) rejected[reason] = count;
  Json json = {{"rows", report.rows},
               {"kept", report.kept},
               {"rejected", rejected},
               {"duplicates", report.duplicates}};
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

void visit_problems(RowSource& rows, const std::filesystem::path& file, RowAccount& report,
                    const ProblemReadOptions& options, const std::function<void(Problem)>& take) {
  const std::string stem = dataset_name(file);
  read_rows<Problem>(
      rows, "problems", options.strict, true, report,
      [&](const Json& json, uint64_t line) {
        return std::vector<Problem>{problem_from_row(json, stem, line, options.choice_seed)};
      },
      [](const Problem& problem) { return normalised_question(problem.question); }, take);
}

std::vector<Problem> read_problems(const std::filesystem::path& file, RowAccount& report,
                                   const ProblemReadOptions& options) {
  std::vector<Problem> problems;
  visit_problems(*RowSource::open(file), file, report, options,
                 [&](Problem problem) { problems.push_back(std::move(problem)); });
  return problems;
}

void visit_demonstrations(RowSource& rows, RowAccount& report,
                          const DemonstrationReadOptions& options,
                          const std::function<void(Demonstration)>& take) {
  read_rows<Demonstration>(
      rows, "demonstrations", options.strict, options.one_per_question, report,
      [&](const Json& json, uint64_t) { return demonstrations_from_row(json, options); },
      [&](const Demonstration& row) {
        std::string key = normalised_question(row.question);
        // A line break cannot stand in a normalised text, so it parts the two without doubt.
        for (const Turn& turn : row.history) key += '\n' + normalised_question(turn.content);
        if (!options.one_per_question) key += '\n' + normalised_question(row.response());
        return key;
      },
      take);
}

std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file,
                                               RowAccount& report,
                                               const DemonstrationReadOptions& options) {
  std::vector<Demonstration> demonstrations;
  visit_demonstrations(*RowSource::open(file), report, options, [&](Demonstration demonstration) {
    demonstrations.push_back(std::move(demonstration));
  });
  return demonstrations;
}

RowKind kind_of_rows(PeekedRows& rows) {
  if (const Json* first = rows.first_object()) {
    if (is_preference(RowFields(*first))) return RowKind::kPreferences;
    return is_demonstration(RowFields(*first)) ? RowKind::kDemonstrations : RowKind::kProblems;
  }
  std::string problem = "expected rows that are JSON objects, found none";
  if (!rows.first_problem().empty()) problem += "; first: " + rows.first_problem();
  throw Error(rows.name(), problem, "see the layouts in docs/formats.md");
}

RowKind kind_of_rows(const std::filesystem::path& file) {
  PeekedRows rows(RowSource::open(file));
  return kind_of_rows(rows);
}

}  // namespace ponder::data
