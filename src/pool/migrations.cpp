// What the rows of older run databases become. Every table is made anew as schema.cpp says and
// filled from the old one, so that a migrated database is like any other of this version.
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "pool/schema.h"

namespace ponder::pool {
namespace {

// Version 1 had neither sources nor the text of demonstrations; its log-probabilities are all the
// engine's own.
constexpr const char* kFromVersion1 = R"sql(
INSERT INTO stages SELECT position, name, '', 0, '[]', '[]', '', state, started, finished, seconds,
  rows, result FROM old_stages;
INSERT INTO problems SELECT position, '', id, domain, level, question, answer, answer_type, source,
  tolerance, file, line, NULL FROM old_problems;
INSERT INTO weights SELECT * FROM old_weights;
INSERT INTO models SELECT * FROM old_models;
INSERT INTO demonstrations SELECT *, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM old_demonstrations;
INSERT INTO prompts SELECT * FROM old_prompts;
INSERT INTO trajectories SELECT id, stage, problem, sample, model_sha256, round, seed, temperature,
  top_p, top_k, max_tokens, template_sha256, prompt_sha256, num_tokens, logprob, 'engine', NULL,
  NULL, text, thought, solution, finish_reason, verdict, proof, perplexity,
  perplexity_model_sha256, token_ids, logprobs, NULL, 'f32',
  CASE WHEN perplexity IS NULL THEN NULL ELSE 'f32' END FROM old_trajectories;
INSERT INTO selections SELECT * FROM old_selections;
INSERT INTO training_rows SELECT * FROM old_training_rows;
INSERT INTO pairs SELECT * FROM old_pairs;
INSERT INTO scores SELECT * FROM old_scores;
)sql";

// What a table of an older version lacks, behind its own columns. Before version 6 there was one
// arithmetic; what was 'bf16' in version 6 was of its first definition, whose name that stays.
// Attempts and looks of version 8 had their order by when they were added and by the clock.
std::string added_columns(std::string_view table, int version) {
  if (table == "attempts") return ", NULL, rowid";
  if (table == "server_checks") {
    return ", (SELECT coalesce(max(a.rowid), 0) FROM old_attempts a "
           "WHERE a.ended < old_server_checks.checked)";
  }
  if (version >= 6) return "";
  if (table == "trajectories") {
    return std::string(version < 5 ? ", NULL" : "") +
           ", 'f32', CASE WHEN perplexity IS NULL THEN NULL ELSE 'f32' END";
  }
  return table == "demonstrations" ? ", NULL" : "";
}

struct Told {
  std::string kind;
  int64_t round = 0;
  Json inputs = Json::array(), outputs = Json::array();
};

// Version 1 kept a stage's kind, round, inputs and outputs in its name alone.
Told told_by(const std::string& name) {
  Told told;
  const size_t dash = std::min(name.find('-'), name.size());
  told.kind = name.substr(0, dash);
  const std::string rest = name.substr(std::min(dash + 1, name.size()));
  const bool number =
      !rest.empty() && rest.size() < 7 && rest.find_first_not_of("0123456789") == std::string::npos;
  const auto model = [](int64_t n) { return fmt::format("M{}", n); };
  if (told.kind == "evaluate") {
    told.inputs = {rest};
  } else if (told.kind == "imitate") {
    told.inputs = {"M0"};
    told.outputs = {rest.empty() ? "M1" : "M1-" + rest};
  } else if (told.kind == "dpo") {
    told.inputs = {"M1", "explore-1"};
    told.outputs = {"M1-dpo"};
  } else if (number) {
    told.round = std::stoi(rest);
    told.inputs = {model(told.round)};
    if (told.kind == "refine") told.inputs.push_back("explore-" + rest);
    if (told.kind == "improve") {
      told.inputs = {"M0"};
      for (int64_t t = 1; t <= told.round; ++t) told.inputs.push_back(fmt::format("refine-{}", t));
      told.outputs = {model(told.round + 1)};
    }
  }
  return told;
}

void tell_stages(const sqlite::Database& database) {
  std::vector<std::string> names;
  auto row = database.prepare("SELECT name FROM stages");
  while (row.step()) names.push_back(row.text(0));
  for (const std::string& name : names) {
    Told told = told_by(name);
    if (told.kind == "explore") {
      const std::string screen = fmt::format("screen-{}", told.round);
      auto known = database.prepare("SELECT 1 FROM stages WHERE name = ?");
      if (known.bind(screen).step()) told.inputs.push_back(screen);
    }
    database
        .prepare("UPDATE stages SET kind = ?, round = ?, inputs = ?, outputs = ? WHERE name = ?")
        .bind(told.kind)
        .bind(told.round)
        .bind(dump_json(told.inputs))
        .bind(dump_json(told.outputs))
        .bind(name)
        .run();
  }
}

std::vector<std::string> names_of(const sqlite::Database& database, std::string_view type) {
  std::vector<std::string> names;
  auto row = database.prepare(
      "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'");
  row.bind(type);
  while (row.step()) names.push_back(row.text(0));
  return names;
}

void migrate_rows(const sqlite::Database& database, int version) {
  for (const std::string& trigger : names_of(database, "trigger"))
    database.execute("DROP TRIGGER " + trigger);
  for (const std::string& index : names_of(database, "index"))
    database.execute("DROP INDEX " + index);
  const std::vector<std::string> tables = names_of(database, "table");
  for (const std::string& table : tables)
    database.execute(fmt::format("ALTER TABLE {0} RENAME TO old_{0}", table));
  make_schema(database);
  if (version == 1) {
    database.execute(kFromVersion1);
    tell_stages(database);
  } else {  // files and hashes of rows came with version 3, partials with 4, a trajectory's origin with
    // 5, what a demonstration's file wrote and arithmetics with 6, a second name of bf16 with 7, a third,
    // attempts and looks at servers with 8, their order and refused answers with 9
    for (const std::string& table : tables) {
      if (table == "row_hashes") continue;  // the triggers make them anew
      database.execute(fmt::format("INSERT INTO {0} SELECT *{1} FROM old_{0}", table,
                                   added_columns(table, version)));
    }
  }
  for (const std::string& table : tables) database.execute("DROP TABLE old_" + table);
  if (database.value("SELECT count(*) FROM pragma_foreign_key_check") != 0) {
    throw Error(database.name(), "rows refer to others that are missing",
                "restore it from a copy, or read it with the ponder that made it");
  }
}

}  // namespace

void migrate(const sqlite::Database& database, int version) {
  if (version < 1 || version >= kPoolSchemaVersion) {
    throw Error(ErrorKind::kInternal, database.name(),
                fmt::format("no way from schema version {}", version));
  }
  if (version >= 3) verify_rows(database);  // before they get new hashes
  // While tables are renamed, references stay as they are written, and nothing checks them.
  database.execute("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; BEGIN IMMEDIATE");
  try {
    migrate_rows(database, version);
    database.execute("COMMIT");
  } catch (...) {
    database.execute("ROLLBACK");
    throw;
  }
  database.execute("PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON");
}

}  // namespace ponder::pool
