#include "pool/schema.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/version.h"

namespace ponder::pool {
namespace {

constexpr int kApplicationId = 0x506f6e64;  // "Pond": what `file run.db` and a reader recognise

// `position` columns keep the order in which things were first added.
constexpr const char* kTables = R"sql(
CREATE TABLE stages (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  round INTEGER NOT NULL,
  inputs TEXT NOT NULL,
  outputs TEXT NOT NULL,
  inputs_sha256 TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  started TEXT NOT NULL,
  finished TEXT,
  seconds REAL NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  result TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- `benchmark`: the name of the benchmark it belongs to, '' for problems to train on.
CREATE TABLE problems (
  position INTEGER PRIMARY KEY,
  benchmark TEXT NOT NULL,
  id TEXT NOT NULL,
  domain TEXT NOT NULL,
  level TEXT NOT NULL,
  question TEXT NOT NULL,
  answer TEXT NOT NULL,
  answer_type TEXT NOT NULL CHECK (answer_type IN ('math', 'choice', 'number', 'text')),
  source TEXT NOT NULL,
  tolerance REAL,
  file TEXT NOT NULL,
  line INTEGER NOT NULL,
  choices TEXT,
  UNIQUE (benchmark, id)
) STRICT;

-- Training is a function of its inputs, so two stages may make the same weights: one row here, two
-- in models.
CREATE TABLE weights (
  sha256 TEXT PRIMARY KEY
) STRICT;

CREATE TABLE models (
  position INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL REFERENCES weights (sha256),
  name TEXT NOT NULL,
  parent_sha256 TEXT REFERENCES weights (sha256),
  stage TEXT REFERENCES stages (name),
  path TEXT NOT NULL,
  UNIQUE (sha256, name)
) STRICT;

-- From `system` on NULL: added by version 1, which kept the hash of the response alone. `written` is
-- the response with the tags of its file, "" where it has none; NULL: read before version 6.
CREATE TABLE demonstrations (
  id INTEGER PRIMARY KEY,
  source_file TEXT NOT NULL,
  row_index INTEGER NOT NULL,
  demonstration_id TEXT NOT NULL,
  domain TEXT NOT NULL,
  source TEXT NOT NULL,
  question TEXT NOT NULL,
  response_sha256 TEXT NOT NULL,
  line INTEGER NOT NULL,
  system TEXT,
  history TEXT,
  thought TEXT,
  solution TEXT,
  answer TEXT,
  answer_type TEXT CHECK (answer_type IN ('math', 'choice', 'number', 'text')),
  level TEXT,
  written TEXT,
  UNIQUE (source_file, row_index)
) STRICT;

-- What an ingest stage read, in the recipe's order, and the rows that were kept of each; or a file that
-- was imported.
CREATE TABLE sources (
  position INTEGER PRIMARY KEY,
  stage TEXT NOT NULL REFERENCES stages (name),
  role TEXT NOT NULL CHECK (role IN ('demonstrations', 'problems', 'benchmark', 'responses')),
  set_name TEXT NOT NULL,
  name TEXT NOT NULL,
  rows_sha256 TEXT NOT NULL,
  account TEXT NOT NULL
) STRICT;

CREATE TABLE source_rows (
  source INTEGER NOT NULL REFERENCES sources (position),
  row_index INTEGER NOT NULL CHECK (row_index >= 0),
  demonstration INTEGER REFERENCES demonstrations (id),
  problem INTEGER REFERENCES problems (position),
  PRIMARY KEY (source, row_index),
  CHECK ((demonstration IS NULL) <> (problem IS NULL))
) STRICT;

CREATE TABLE rejections (
  source INTEGER NOT NULL REFERENCES sources (position),
  line INTEGER NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

CREATE TABLE prompts (
  sha256 TEXT PRIMARY KEY,
  token_ids BLOB NOT NULL
) STRICT;

-- A completion from elsewhere may come without ids or log-probabilities. `endpoint` NULL: made by
-- this program's engine. num_tokens is the endpoint's own count where there are no ids. Of one that
-- was imported `origin` says what its row says, as JSON (else NULL), and what nobody said is NULL.
-- precision: of the arithmetic of its log-probabilities, and of its perplexity, by the name it is
-- kept under (tensor/precision.h).
CREATE TABLE trajectories (
  id INTEGER PRIMARY KEY,
  stage TEXT NOT NULL REFERENCES stages (name),
  problem INTEGER NOT NULL REFERENCES problems (position),
  sample INTEGER NOT NULL CHECK (sample >= 0),
  model_sha256 TEXT REFERENCES weights (sha256),
  round INTEGER NOT NULL,
  seed INTEGER,
  temperature REAL,
  top_p REAL,
  top_k INTEGER,
  max_tokens INTEGER,
  template_sha256 TEXT NOT NULL,
  prompt_sha256 TEXT REFERENCES prompts (sha256),
  num_tokens INTEGER NOT NULL,
  logprob REAL,
  logprob_source TEXT NOT NULL CHECK (logprob_source IN ('engine', 'rescored', 'none')),
  endpoint TEXT,
  usage TEXT,
  text TEXT NOT NULL,
  thought TEXT NOT NULL,
  solution TEXT NOT NULL,
  finish_reason TEXT NOT NULL CHECK (finish_reason IN ('stop', 'length', 'repetition')),
  verdict TEXT CHECK (verdict IN ('correct', 'incorrect', 'undecided')),
  proof TEXT,
  perplexity REAL,
  perplexity_model_sha256 TEXT,
  token_ids BLOB,
  logprobs BLOB,
  origin TEXT,
  precision TEXT NOT NULL CHECK (precision IN ('f32', 'bf16', 'bf16-2', 'bf16-3')),
  perplexity_precision TEXT CHECK (perplexity_precision IN ('f32', 'bf16', 'bf16-2', 'bf16-3')),
  UNIQUE (stage, problem, sample, model_sha256),
  CHECK (origin IS NOT NULL OR (model_sha256 IS NOT NULL AND prompt_sha256 IS NOT NULL AND
    seed IS NOT NULL AND temperature IS NOT NULL AND top_p IS NOT NULL AND top_k IS NOT NULL AND
    max_tokens IS NOT NULL)),
  CHECK ((logprob_source = 'none') = (logprob IS NULL)),
  CHECK ((logprob_source = 'none') = (logprobs IS NULL)),
  CHECK (logprobs IS NULL OR token_ids IS NOT NULL),
  CHECK ((perplexity IS NULL) = (perplexity_precision IS NULL))
) STRICT;

-- What has been sampled of rollouts that are not finished, piece by piece: `first` is the place of a
-- piece's first token, `logprobs` NULL of a server's that gives none. Gone when the trajectory is there or
-- the stage is done.
CREATE TABLE partials (
  stage TEXT NOT NULL REFERENCES stages (name),
  problem INTEGER NOT NULL REFERENCES problems (position),
  sample INTEGER NOT NULL CHECK (sample >= 0),
  first INTEGER NOT NULL CHECK (first >= 0),
  request_sha256 TEXT NOT NULL,
  token_ids BLOB NOT NULL,
  logprobs BLOB CHECK (length(logprobs) = length(token_ids)),
  PRIMARY KEY (stage, problem, sample, first)
) STRICT;

-- Requests to servers, `number` of each sample from 1; `position`: the order in which they ended, or were
-- kept last while they were on their way ('begun'). num_tokens: that it brought of the completion and that
-- were kept. `answer`: what came, as JSON, where that was refused.
CREATE TABLE attempts (
  stage TEXT NOT NULL REFERENCES stages (name),
  problem INTEGER NOT NULL REFERENCES problems (position),
  sample INTEGER NOT NULL CHECK (sample >= 0),
  number INTEGER NOT NULL CHECK (number > 0),
  server TEXT NOT NULL,
  began TEXT NOT NULL,
  ended TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('answered', 'full', 'failed', 'refused', 'withdrawn',
    'begun')),
  num_tokens INTEGER NOT NULL CHECK (num_tokens >= 0),
  error TEXT NOT NULL,
  answer TEXT,
  position INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (stage, problem, sample, number)
) STRICT;

-- What was found of a server's model, each time it was looked at; `checked`: when that began; `withdrawn`:
-- rollouts that were thrown away for it; `since`: the last attempt's position when it began.
CREATE TABLE server_checks (
  position INTEGER PRIMARY KEY,
  stage TEXT NOT NULL REFERENCES stages (name),
  server TEXT NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  checked TEXT NOT NULL,
  proof TEXT NOT NULL CHECK (proof IN ('hash', 'right', 'rounded', 'name', 'wrong')),
  found TEXT NOT NULL,
  withdrawn INTEGER NOT NULL CHECK (withdrawn >= 0),
  since INTEGER NOT NULL CHECK (since >= 0)
) STRICT;

CREATE TABLE selections (
  stage TEXT NOT NULL REFERENCES stages (name),
  round INTEGER NOT NULL,
  strategy TEXT NOT NULL,
  trajectory INTEGER REFERENCES trajectories (id),
  demonstration INTEGER REFERENCES demonstrations (id),
  step INTEGER NOT NULL,
  filter TEXT NOT NULL,
  kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
  rank INTEGER NOT NULL,
  detail TEXT NOT NULL,
  CHECK ((trajectory IS NULL) <> (demonstration IS NULL))
) STRICT;
CREATE UNIQUE INDEX selections_of_trajectory ON selections (trajectory, stage, step)
  WHERE trajectory IS NOT NULL;
CREATE UNIQUE INDEX selections_of_demonstration ON selections (demonstration, stage, step)
  WHERE demonstration IS NOT NULL;
CREATE INDEX selections_of_stage ON selections (stage);

CREATE TABLE training_rows (
  stage TEXT NOT NULL REFERENCES stages (name),
  row_index INTEGER NOT NULL CHECK (row_index >= 0),
  trajectory INTEGER REFERENCES trajectories (id),
  demonstration INTEGER REFERENCES demonstrations (id),
  text_sha256 TEXT NOT NULL,
  num_tokens INTEGER NOT NULL,
  PRIMARY KEY (stage, row_index),
  CHECK ((trajectory IS NULL) <> (demonstration IS NULL))
) STRICT;

CREATE TABLE pairs (
  stage TEXT NOT NULL REFERENCES stages (name),
  row_index INTEGER NOT NULL CHECK (row_index >= 0),
  chosen INTEGER NOT NULL REFERENCES trajectories (id),
  rejected INTEGER NOT NULL REFERENCES trajectories (id),
  PRIMARY KEY (stage, row_index),
  CHECK (chosen <> rejected)
) STRICT;

CREATE TABLE scores (
  position INTEGER PRIMARY KEY,
  stage TEXT NOT NULL REFERENCES stages (name),
  model TEXT NOT NULL,
  benchmark TEXT NOT NULL,
  n INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  accuracy REAL NOT NULL,
  interval_low REAL NOT NULL,
  interval_high REAL NOT NULL,
  finished REAL NOT NULL,
  format_failures REAL NOT NULL,
  mean_tokens REAL NOT NULL,
  extra TEXT NOT NULL,
  UNIQUE (stage, model, benchmark, samples)
) STRICT;

-- What a run was begun with and what it made: hashes of files. `owner` is a model's name ("M0") for
-- what its folder holds, or the recipe's key of a source ("imitate.demonstrations[0]").
CREATE TABLE files (
  position INTEGER PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  UNIQUE (owner, name)
) STRICT;

-- The hashes of the rows of every other table, kept by triggers; n: how many are alike.
CREATE TABLE row_hashes (
  table_name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  n INTEGER NOT NULL CHECK (n > 0),
  PRIMARY KEY (table_name, sha256)
) STRICT, WITHOUT ROWID;
)sql";

std::vector<std::string> hashed_tables(const sqlite::Database& database) {
  std::vector<std::string> tables;
  auto row = database.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND "
      "name <> 'row_hashes' ORDER BY name");
  while (row.step()) tables.push_back(row.text(0));
  return tables;
}

// row_sha256 over all columns of a table; `row`: "new.", "old." or "t.".
std::string hash_of_row(const sqlite::Database& database, const std::string& table,
                        std::string_view row) {
  std::string columns;
  auto column = database.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid");
  column.bind(table);
  while (column.step())
    columns += fmt::format("{}{}{}", columns.empty() ? "" : ", ", row, column.text(0));
  return "row_sha256(" + columns + ")";
}

void make_triggers(const sqlite::Database& database) {
  for (const std::string& table : hashed_tables(database)) {
    const std::string add = fmt::format(
        "INSERT INTO row_hashes VALUES ('{0}', {1}, 1) ON CONFLICT DO UPDATE SET n = n + 1;", table,
        hash_of_row(database, table, "new."));
    const std::string which = fmt::format("WHERE table_name = '{}' AND sha256 = {}", table,
                                          hash_of_row(database, table, "old."));
    const std::string remove = fmt::format(
        "DELETE FROM row_hashes {0} AND n = 1; UPDATE row_hashes SET n = n - 1 {0} AND n > 1;",
        which);
    database.execute(
        fmt::format("CREATE TRIGGER {0}_inserted AFTER INSERT ON {0} BEGIN {1} END;"
                    "CREATE TRIGGER {0}_deleted AFTER DELETE ON {0} BEGIN {2} END;"
                    "CREATE TRIGGER {0}_updated AFTER UPDATE ON {0} BEGIN {2} {1} END;",
                    table, add, remove));
  }
}

// The columns of every table, "TABLE.COLUMN TYPE" with its NOT NULL.
std::map<std::string, std::string> columns_of(const sqlite::Database& database) {
  std::map<std::string, std::string> columns;
  auto row = database.prepare(
      "SELECT s.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema s "
      "JOIN pragma_table_info(s.name) c WHERE s.type = 'table' ORDER BY s.name, c.cid");
  while (row.step()) {
    columns[row.text(0) + "." + row.text(1)] =
        row.text(2) + (row.integer(3) != 0 ? " NOT NULL" : "");
  }
  return columns;
}

// The definitions of indexes and triggers, by name.
std::map<std::string, std::string> definitions_of(const sqlite::Database& database) {
  std::map<std::string, std::string> definitions;
  auto row = database.prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL");
  while (row.step()) definitions[row.text(0)] = row.text(1);
  return definitions;
}

// Throws Error naming table and column (or index or trigger) of the first difference from what
// make_schema makes.
void check_columns(const sqlite::Database& database) {
  const sqlite::Database model;
  make_schema(model);
  const auto expected = columns_of(model), found = columns_of(database);
  const auto refuse = [&](const std::string& column, const std::string& problem) {
    throw Error(database.name() + ", " + column, problem,
                "another program has changed the database: restore it from a copy");
  };
  for (const auto& [column, type] : expected) {
    const auto there = found.find(column);
    if (there == found.end())
      refuse(column, fmt::format("expected a column of type {}, found none", type));
    if (there->second != type)
      refuse(column, fmt::format("expected a column of type {}, found {}", type, there->second));
  }
  const auto made = definitions_of(model), there = definitions_of(database);
  for (const auto& [name, definition] : made) {
    const auto at = there.find(name);
    if (at == there.end()) refuse(name, "expected an index or trigger of this name, found none");
    if (at->second != definition) refuse(name, "is not defined as this version defines it");
  }
}

}  // namespace

void make_schema(const sqlite::Database& database) {
  database.execute(kTables);
  make_triggers(database);
  database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                               kApplicationId, kPoolSchemaVersion));
}

void verify_rows(const sqlite::Database& database) {
  const auto refuse = [&](const std::string& problem) {
    throw Error(database.name(), problem,
                "the disk or another program has changed it: restore it from a copy");
  };
  for (const std::string& table : hashed_tables(database)) {
    auto damaged = database.prepare(
        fmt::format("SELECT t.rowid FROM {0} t WHERE NOT EXISTS (SELECT 1 FROM row_hashes h WHERE "
                    "h.table_name = '{0}' AND h.sha256 = {1})",
                    table, hash_of_row(database, table, "t.")));
    if (damaged.step()) {
      refuse(fmt::format("row {} of {} is not what was written", damaged.integer(0), table));
    }
    const int64_t rows = database.value("SELECT count(*) FROM " + table);
    const int64_t written = database.value(
        fmt::format("SELECT coalesce(sum(n), 0) FROM row_hashes WHERE table_name = '{}'", table));
    if (rows != written)
      refuse(fmt::format("{} has {} rows, {} were written", table, rows, written));
  }
}

void verify_structure(const sqlite::Database& database) {
  auto row = database.prepare("PRAGMA integrity_check(1)");
  if (row.step() && row.text(0) == "ok") return;
  throw Error(database.name(), "the database is damaged: " + excerpt(row.text(0), 200),
              "restore it from a copy");
}

int schema_version(const sqlite::Database& database, bool read_only) {
  const int64_t application = database.value("PRAGMA application_id");
  const int64_t version = database.value("PRAGMA user_version");
  const int64_t objects = database.value("SELECT count(*) FROM sqlite_schema");
  if (application == 0 && version == 0 && objects == 0) {
    if (read_only) {
      throw Error(database.name(), "expected a run database, found an empty file",
                  "start the run again: it makes its database");
    }
    return 0;
  }
  if (application != kApplicationId) {
    throw Error(database.name(), "expected a run database, found another program's database",
                "check the path");
  }
  if (version > kPoolSchemaVersion) {
    throw Error(database.name(),
                fmt::format("has schema version {}, this is ponder {}, which knows versions up "
                            "to {}",
                            version, ponder::version(), kPoolSchemaVersion),
                fmt::format("read it with the newer ponder that wrote schema version {}", version));
  }
  if (version < 1) {
    throw Error(database.name(), fmt::format("has no known schema version: {}", version),
                "restore it from a copy");
  }
  if (version == kPoolSchemaVersion) check_columns(database);
  return static_cast<int>(version);
}

}  // namespace ponder::pool
