// What a run made, less what says who made it: for runs that must be the same.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

#include "base/hash.h"
#include "e2e/ponder.h"

namespace ponder::e2e {

struct RunResult {
  std::map<std::string, std::string> rollouts;  // in an order of their own
  std::map<std::string, std::string> weights;   // hashes
  bool operator==(const RunResult&) const = default;
};

inline RunResult result_of(const fs::path& run) {
  RunResult result;
  const testing::Outcome rows = ponder({"pool", "export", run});
  EXPECT_EQ(rows.status, 0) << rows.err;
  for (Json& row : json_lines(rows.out)) {
    for (const char* key : {"endpoint", "id"}) row.erase(key);
    result.rollouts[fmt::format(
        "{} {} {} {}", dump_json(row["stage"]), dump_json(row.value("benchmark", Json())),
        dump_json(row["problem_id"]), dump_json(row["sample"]))] = dump_json(row);
  }
  for (const auto& entry : fs::recursive_directory_iterator(run / "checkpoints")) {
    if (entry.path().extension() == ".safetensors")
      result.weights[fs::relative(entry.path(), run).string()] = sha256_file(entry.path());
  }
  return result;
}

}  // namespace ponder::e2e
