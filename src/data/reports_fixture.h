// For tests: rows of a file read as users have them, the account balanced, and read again with the
// columns alone that layouts know.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/known_fields.h"
#include "data/readers.h"
#include "data/token_rows.h"
#include "testing/byte_tokenizer.h"
#include "testing/temporary_folder.h"

namespace ponder::data {

using Rejected = std::map<std::string, uint64_t>;

class Reports : public ::testing::Test {
 protected:
  std::vector<Demonstration> demonstrations(const std::string& rows,
                                            const DemonstrationReadOptions& options = {}) {
    report = {};
    write_file_atomic(file, rows);
    std::vector<Demonstration> read;
    try {
      read = read_demonstrations(file, report, options);
    } catch (const Error&) {
      EXPECT_EQ(report.kept, 0u);
    }
    balance();
    const size_t kept = report.kept;
    expect_same_of_known_fields(rows, [&] {
      RowAccount again;
      read_demonstrations(file, again,
                          {.require_thought = options.require_thought,
                           .all_turns = options.all_turns,
                           .thought_tags = options.thought_tags});
      EXPECT_TRUE(options.seen || again.kept == kept) << again.summary();
    });
    return read;
  }
  std::vector<Problem> problems(const std::string& rows, uint64_t seed = 1) {
    report = {};
    write_file_atomic(file, rows);
    std::vector<Problem> read;
    try {
      read = read_problems(file, report, {.choice_seed = seed});
    } catch (const Error&) {
      EXPECT_EQ(report.kept, 0u);
    }
    balance();
    expect_same_of_known_fields(rows, [&] {
      RowAccount again;
      const auto known = read_problems(file, again, {.choice_seed = seed});
      ASSERT_EQ(known.size(), read.size());
      for (size_t i = 0; i < read.size(); ++i)
        EXPECT_EQ(dump_json(to_json(known[i])), dump_json(to_json(read[i])));
    });
    return read;
  }
  // Of a table only the columns are read whose names are known: they are all that a layout needs.
  template <class Read>
  void expect_same_of_known_fields(const std::string& rows, const Read& read) {
    JsonRowReader reader(file);
    JsonRow row;
    std::string known;
    const auto skip = [](uint64_t, uint64_t, const std::string&) {};
    try {
      while (reader.next(row, skip)) {
        if (!row.value.is_object()) return;
        Json fields = Json::object();
        for (const auto& [key, value] : row.value.items())
          fields[key] = use_of_field(key) == ColumnUse::kNone ? Json() : value;
        known += dump_json(fields) + "\n";
      }
    } catch (const Error&) {
      return;
    }
    write_file_atomic(file, known);
    try {
      read();
    } catch (const Error&) {
    }
    write_file_atomic(file, rows);
  }
  void balance() {
    uint64_t rejected = 0;
    for (const auto& [reason, count] : report.rejected) rejected += count;
    EXPECT_EQ(report.rows, report.kept + report.duplicates + rejected);
  }
  static std::string turns(const std::string& list, const std::string& fields = "") {
    return R"({"messages":[)" + list + "]" + fields + "}\n";
  }
  static std::string user(const std::string& text) {
    return R"({"role":"user","content":")" + text + R"("},)";
  }
  static std::string says(const std::string& text, const std::string& fields = "") {
    return R"({"role":"assistant","content":")" + text + "\"" + fields + "}";
  }

  const testing::TemporaryFolder folder;
  const std::filesystem::path file = folder / "rows.jsonl";
  RowAccount report;
};

}  // namespace ponder::data
