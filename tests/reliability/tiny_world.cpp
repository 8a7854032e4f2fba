#include "reliability/tiny_world.h"

#include <sstream>

#include "base/file.h"
#include "base/hash.h"
#include "pool/sqlite.h"

namespace ponder::reliability {
namespace {

constexpr const char* kRecipe = R"(
name = "tiny"
base = "base"
max_length = 128
[sft]
epochs = 3
batch_rows = 4
lr = 1e-3
weight_decay = 0.0
[imitate]
demonstrations = [{ file = "demonstrations.jsonl" }]
compare = [{ name = "other", demonstrations = [
  { synth = "choice", levels = 1, count = 2, direct = true }] }]
[explore]
problems = [{ file = "problems.jsonl" }, { synth = "choice", levels = 1, count = 2, seed = 2 }]
rounds = 2
samples = 4
max_tokens = 24
[dpo]
align = "response"
epochs = 2
batch_rows = 2
[evaluate]
benchmarks = [{ file = "benchmark.jsonl" },
  { name = "made", synth = "choice", levels = 1, count = 2, split = "test" }]
max_tokens = 24
)";

// "A or B?" is answered by either letter, so that a model that has learned the form is right half
// of the time: there is something to select, and pairs to prefer.
std::string rows(int first, int count, bool demonstrations) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    const std::string number = std::to_string(i), letter = i % 2 == 0 ? "A" : "B";
    Json row = {{"id", "q" + number}, {"question", "A or B? " + number}};
    if (demonstrations) {
      row["thought"] = "I choose.";
      row["solution"] = "\\boxed{" + letter + "}";
    } else {
      row["answer"] = letter;
      row["answer_type"] = "choice";
    }
    text += dump_json(row) + "\n";
  }
  return text;
}

std::vector<std::string> table_names(const pool::sqlite::Database& database) {
  std::vector<std::string> names;
  auto row = database.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  while (row.step()) names.push_back(row.text(0));
  return names;
}

void add_rows(const fs::path& file, const std::string& name, Results& results) {
  const pool::sqlite::Database database(file, pool::sqlite::Database::Access::kRead);
  for (const std::string& table : table_names(database)) {
    std::string columns;
    auto column = database.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid");
    column.bind(table);
    while (column.step()) {
      const std::string column_name = column.text(0);
      const bool is_time =
          column_name == "started" || column_name == "finished" || column_name == "seconds";
      if (table == "stages" && is_time) continue;
      columns += (columns.empty() ? "quote(" : " || '|' || quote(") + column_name + ")";
    }
    // A hash of a stage's row covers its times.
    const std::string where = table == "row_hashes" ? " WHERE table_name <> 'stages'" : "";
    // A stage that is begun again writes its rows again, elsewhere.
    auto row = database.prepare("SELECT " + columns + " FROM " + table + where + " ORDER BY 1");
    for (int i = 0; row.step(); ++i)
      results[name + ", " + table + " " + std::to_string(i)] = row.text(0);
  }
}

std::string without_times(const std::string& log) {
  std::string text;
  for (const std::string& line : testing::lines_of(log)) {
    Json step = parse_json(line, "training log");
    step.erase("tokens_per_second");
    text += dump_json(step) + "\n";
  }
  return text;
}

}  // namespace

TinyWorld::TinyWorld() {
  e2e::make_tiny_base(folder_ / "random", 32, 1);
  write_file_atomic(folder_ / "demonstrations.jsonl", rows(0, 4, true));
  write_file_atomic(folder_ / "problems.jsonl", rows(4, 6, false));
  write_file_atomic(folder_ / "benchmark.jsonl", rows(10, 2, false));
  write_file_atomic(folder_ / "recipe.toml", kRecipe);
  const testing::Outcome learned = e2e::ponder(
      {"sft", "--model", folder_ / "random", "--data", folder_ / "demonstrations.jsonl", "--out",
       base(), "--epochs", "150", "--batch-rows", "4", "--lr", "1e-2", "--threads", "1"});
  EXPECT_EQ(learned.status, 0) << learned.err;
}

std::vector<std::string> TinyWorld::run(const fs::path& place,
                                        const std::vector<std::string>& more) const {
  auto words = e2e::command({"run", folder_ / "recipe.toml", "--out", place / "run", "--quiet"});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> TinyWorld::sft(const fs::path& place) const {
  return e2e::command({"sft",
                       "--model",
                       base(),
                       "--data",
                       folder_ / "demonstrations.jsonl",
                       "--out",
                       place / "model",
                       "--log",
                       place / "steps.jsonl",
                       "--epochs",
                       "1",
                       "--batch-rows",
                       "1",
                       "--lr",
                       "1e-3",
                       "--checkpoint-steps",
                       "1",
                       "--threads",
                       "1",
                       "--quiet"});
}

Results results_of(const fs::path& place) {
  Results results;
  std::vector<fs::path> databases;
  for (const auto& entry : fs::recursive_directory_iterator(place)) {
    const std::string name = entry.path().lexically_relative(place).string();
    const std::string file = entry.path().filename().string();
    if (entry.is_directory() || file == "log.jsonl" || file == "report.html" || file == "lock" ||
        file.ends_with(".lock")) {
      results[name] = "is there";
    } else if (file == "run.db") {
      databases.push_back(entry.path());
    } else if (entry.path().parent_path().filename() == "training" || file == "steps.jsonl") {
      results[name] = without_times(read_file(entry.path()));
    } else {
      results[name] = sha256_file(entry.path());
    }
  }
  // Afterwards: to look leaves files.
  for (const fs::path& file : databases)
    add_rows(file, file.lexically_relative(place).string(), results);
  return results;
}

Results without_recipe(Results results) {
  std::erase_if(results, [](const auto& result) { return result.first.ends_with("recipe.toml"); });
  return results;
}

std::string differences(const Results& expected, const Results& found) {
  std::ostringstream text;
  int shown = 0;
  const auto show = [&](const std::string& name, const std::string& then, const std::string& now) {
    constexpr size_t kShown = 200;
    if (++shown > 5) return;
    text << name << "\n  expected " << then.substr(0, kShown) << "\n  found    "
         << now.substr(0, kShown) << "\n";
  };
  for (const auto& [name, value] : expected) {
    const auto there = found.find(name);
    if (there == found.end()) {
      show(name, value, "(nothing)");
    } else if (there->second != value) {
      show(name, value, there->second);
    }
  }
  for (const auto& [name, value] : found) {
    if (!expected.contains(name)) show(name, "(nothing)", value);
  }
  if (shown > 5) text << "and " << shown - 5 << " more\n";
  return text.str();
}

}  // namespace ponder::reliability
