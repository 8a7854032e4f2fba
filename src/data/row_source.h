// Rows of files as JSON objects, whatever the files: lines, an array, CSV or Arrow, packed or not, or
// Parquet. The kind is recognised by a file's content. A row that is a list of turns becomes an object
// with these as `messages`. Of Parquet and Arrow the columns are read that some layout knows; the
// others are null.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "data/field_map.h"

namespace ponder::data {

class RowSource {
 public:
  // The rows of the files of `source` (shards_of), one after the other; "-" is standard input: lines
  // or an array. With `fields` rows have these. Throws Error as the readers do; where none of the first
  // kMostPeeked rows has a field of `fields`, naming those that rows have.
  static std::unique_ptr<RowSource> open(const std::filesystem::path& source,
                                         const FieldMap& fields = {});
  static constexpr size_t kMostPeeked = 10000;
  virtual ~RowSource() = default;
  // As JsonRowReader::next.
  virtual bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr) = 0;
  virtual const std::string& name() const = 0;  // of the file whose rows are being read
};

// Gives the rows of another, with a look at the first object among them: a pipe can be read but once.
class PeekedRows : public RowSource {
 public:
  explicit PeekedRows(std::unique_ptr<RowSource> rows) : rows_(std::move(rows)) {}
  // The first row that is an object; null if there is none among the first kMostPeeked.
  const Json* first_object();
  // Reads ahead as long as `go_on` says so of the next object, at most kMostPeeked rows.
  void peek(const std::function<bool(const Json&)>& go_on);
  // Of the rows before it, what was wrong with the first that is none; "" if nothing was.
  const std::string& first_problem() const { return first_problem_; }
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr) override;
  const std::string& name() const override { return name_.empty() ? rows_->name() : name_; }

 private:
  struct Seen {
    JsonRow row;
    std::optional<std::string> problem;  // of a bad row
    std::string file;
  };
  std::unique_ptr<RowSource> rows_;
  std::string name_;       // of the file of the row given last
  std::deque<Seen> seen_;  // read, and not given yet
  std::string first_problem_;
};

}  // namespace ponder::data
