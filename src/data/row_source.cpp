#include "data/row_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "arrow/arrow.h"
#include "base/byte_source.h"
#include "base/error.h"
#include "data/csv_reader.h"
#include "data/known_fields.h"
#include "data/row_fields.h"
#include "data/shards.h"
#include "parquet/parquet.h"

namespace ponder::data {
namespace {

// A row of turns is a conversation.
void wrap_turns(Json& value) {
  if (!value.is_array() || value.empty()) return;
  for (const Json& turn : value) {
    if (!turn.is_object() || !RowFields(turn).has_any({"role", "from"})) return;
  }
  Json row = Json::object();
  row["messages"] = std::move(value);
  value = std::move(row);
}

template <class Reader>
class SourceOf : public RowSource {
 public:
  template <class... Arguments>
  explicit SourceOf(const Arguments&... arguments) : reader_(arguments...) {}
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad) override {
    if (!reader_.next(row, on_bad)) return false;
    wrap_turns(row.value);
    return true;
  }
  const std::string& name() const override { return reader_.name(); }

 private:
  Reader reader_;
};

// A look into a pipe would use it up, and Parquet begins at its end, which a pipe does not have.
std::unique_ptr<RowSource> open_file(const std::filesystem::path& file, const ColumnUseOf& use) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(file, unknown))
    return std::make_unique<SourceOf<JsonRowReader>>(file);
  if (parquet::is_parquet(file))
    return std::make_unique<SourceOf<parquet::ParquetReader>>(file, use);
  constexpr size_t kLookedAt = 1 << 16;
  std::string beginning(kLookedAt, '\0');
  const std::unique_ptr<ByteSource> bytes = ByteSource::open(file);
  size_t used = 0;
  while (const size_t n = bytes->read(beginning.data() + used, kLookedAt - used)) {
    used += n;
    if (used == kLookedAt) break;
  }
  beginning.resize(used);
  if (arrow::is_arrow(beginning)) return std::make_unique<SourceOf<arrow::ArrowReader>>(file, use);
  if (is_csv(beginning)) return std::make_unique<SourceOf<CsvReader>>(file);
  return std::make_unique<SourceOf<JsonRowReader>>(file);
}

// The rows of files, one after the other.
class ShardedRows : public RowSource {
 public:
  ShardedRows(std::vector<std::filesystem::path> files, ColumnUseOf use)
      : files_(std::move(files)), use_(std::move(use)), rows_(open_file(files_[0], use_)) {}
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad) override {
    while (!rows_->next(row, on_bad)) {
      if (at_ + 1 == files_.size()) return false;
      rows_ = open_file(files_[++at_], use_);
    }
    return true;
  }
  const std::string& name() const override { return rows_->name(); }

 private:
  std::vector<std::filesystem::path> files_;
  ColumnUseOf use_;
  size_t at_ = 0;
  std::unique_ptr<RowSource> rows_;
};

// Rows whose fields have other names. Nothing is handed out before every field has been seen in some
// row: one that is in none is a mistake.
class MappedRows : public RowSource {
 public:
  MappedRows(std::unique_ptr<RowSource> rows, FieldMap fields)
      : rows_(std::make_unique<PeekedRows>(std::move(rows))), fields_(std::move(fields)) {}
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad) override {
    if (!checked_) check();
    if (!rows_->next(row, on_bad)) return false;
    row.value = fields_.apply(row.value);
    return true;
  }
  const std::string& name() const override { return rows_->name(); }

 private:
  void check() {
    checked_ = true;
    std::vector<bool> seen;
    std::string names;
    rows_->peek([&](const Json& row) {
      const std::vector<bool> found = fields_.found_in(row);
      if (seen.empty()) {
        names = RowFields(row).keys();
        seen.resize(found.size());
      }
      for (size_t i = 0; i < found.size(); ++i) seen[i] = seen[i] || found[i];
      return std::find(seen.begin(), seen.end(), false) != seen.end();
    });
    for (size_t i = 0; i < seen.size(); ++i) {
      if (seen[i]) continue;
      throw Error(
          ErrorKind::kUsage, name(),
          fmt::format("no row has a field \"{}\" ({})", excerpt(fields_.name(i)), fields_.text()),
          "rows have the fields " + names);
    }
  }

  std::unique_ptr<PeekedRows> rows_;
  FieldMap fields_;
  bool checked_ = false;
};

}  // namespace

std::unique_ptr<RowSource> RowSource::open(const std::filesystem::path& source,
                                           const FieldMap& fields) {
  const std::vector<std::filesystem::path> files = shards_of(source);
  const auto use = [fields](const std::string& column) {
    return fields.reads(column) ? ColumnUse::kNeeded : use_of_field(column);
  };
  std::unique_ptr<RowSource> rows;
  if (files.size() == 1) {
    rows = open_file(files[0], use);
  } else {
    rows = std::make_unique<ShardedRows>(files, use);
  }
  if (fields.empty()) return rows;
  return std::make_unique<MappedRows>(std::move(rows), fields);
}

void PeekedRows::peek(const std::function<bool(const Json&)>& go_on) {
  const auto on_bad = [&](uint64_t line, uint64_t byte_offset, const std::string& problem) {
    if (first_problem_.empty())
      first_problem_ = fmt::format("line {}, byte {}: {}", line, byte_offset, problem);
    seen_.push_back({{Json(), line, byte_offset}, problem, rows_->name()});
    if (seen_.size() < kMostPeeked) return;
    throw Error(name(),
                fmt::format("the first {} rows are no JSON objects; first: {}", kMostPeeked,
                            first_problem_),
                "see the layouts in docs/data.md");
  };
  while (seen_.size() < kMostPeeked) {
    Seen seen;
    if (!rows_->next(seen.row, on_bad)) return;
    seen.file = rows_->name();
    seen_.push_back(std::move(seen));
    const Json& row = seen_.back().row.value;
    if (row.is_object() && !go_on(row)) return;
  }
}

const Json* PeekedRows::first_object() {
  const Json* first = nullptr;
  peek([&](const Json& row) {
    first = &row;
    return false;
  });
  return first;
}

bool PeekedRows::next(JsonRow& row, const JsonRowReader::OnBad& on_bad) {
  while (!seen_.empty()) {
    Seen seen = std::move(seen_.front());
    seen_.pop_front();
    name_ = std::move(seen.file);
    if (!seen.problem) {
      row = std::move(seen.row);
      return true;
    }
    if (!on_bad) throw Error(fmt::format("{}:{}", name(), seen.row.line), *seen.problem);
    on_bad(seen.row.line, seen.row.byte_offset, *seen.problem);
  }
  name_.clear();
  return rows_->next(row, on_bad);
}

}  // namespace ponder::data
