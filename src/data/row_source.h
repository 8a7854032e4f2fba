// Rows of a file as JSON objects, whatever the file: lines, an array, either packed, or Parquet.
// The kind is recognised by the file's content.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"

namespace ponder::data {

class RowSource {
 public:
  // "-" is standard input: lines or an array. Throws Error as the readers do.
  static std::unique_ptr<RowSource> open(const std::filesystem::path& file);
  virtual ~RowSource() = default;
  // As JsonRowReader::next.
  virtual bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr) = 0;
  virtual const std::string& name() const = 0;
};

// Gives the rows of another, with a look at the first object among them: a pipe can be read but once.
class PeekedRows : public RowSource {
 public:
  explicit PeekedRows(std::unique_ptr<RowSource> rows) : rows_(std::move(rows)) {}
  // The first row that is an object; null if there is none among the first kMostPeeked.
  static constexpr size_t kMostPeeked = 10000;
  const Json* first_object();
  // Of the rows before it, what was wrong with the first that is none; "" if nothing was.
  const std::string& first_problem() const { return first_problem_; }
  bool next(JsonRow& row, const JsonRowReader::OnBad& on_bad = nullptr) override;
  const std::string& name() const override { return rows_->name(); }

 private:
  struct Seen {
    JsonRow row;
    std::optional<std::string> problem;  // of a bad row
  };
  std::unique_ptr<RowSource> rows_;
  std::deque<Seen> seen_;  // read, and not given yet
  std::string first_problem_;
};

}  // namespace ponder::data
