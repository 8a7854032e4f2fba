// Responses that were made elsewhere come into a pool: read in whatever layout, matched with their
// questions and gold answers, judged, added once. What the files say of model and sampling is kept,
// and what nobody says is not known. Layouts and rules: docs/pool.md.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "data/readers.h"
#include "eval/judging.h"
#include "pool/pool.h"

namespace ponder::exchange {

// The name of the one stage that holds what was imported.
inline constexpr const char* kImportStage = "import";

struct ImportOptions {
  std::vector<std::filesystem::path> problems = {};  // files of problems with gold answers, if any
  std::string model_name = {};                       // of the responses whose rows name no model
  eval::JudgeStrictness strictness = {};
};

struct ImportedFile {
  std::string file, layout;  // the layout of its first row, for people
  // Of responses, which count as rows each; of problems and of requests, rows. A duplicate is a
  // response that is in the pool already.
  data::RowAccount account = {};
};

struct ImportResult {
  std::vector<ImportedFile> files;             // problems and requests first
  data::RowAccount responses = {};             // of all files of responses
  std::array<int64_t, 3> judged = {};          // the kept ones, by verdict
  std::map<std::string, int64_t> models = {};  // the kept ones; "" where nobody says
  int64_t without_temperature = 0;             // kept, of which nobody says the temperature
};
// "rows", "kept", "duplicates", "rejected", "judged", "models" and "files"; with `explain` also the
// rows that were left out.
Json to_json(const ImportResult& result, bool explain);

// Reads the files, in any order: problems and requests first. All that is new is written, in one
// transaction; where nothing is, the pool is as it was. Throws Error, with nothing written, for a file
// that cannot be read and for one of which no response can be used; `result` is filled then too.
void import_files(pool::Pool& pool, const std::vector<std::filesystem::path>& files,
                  const ImportOptions& options, Monitor& monitor, ImportResult& result);

}  // namespace ponder::exchange
