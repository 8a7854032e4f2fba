#include "pool/schema.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ponder {
namespace {

constexpr int kApplicationId = 0x506f6e64;  // "Pond": what `file run.db` and a reader recognise

// `position` columns keep the order in which things were first added.
constexpr const char* kTables = R"sql(
CREATE TABLE stages (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  started TEXT NOT NULL,
  finished TEXT,
  seconds REAL NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  result TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE problems (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  domain TEXT NOT NULL,
  level TEXT NOT NULL,
  question TEXT NOT NULL,
  answer TEXT NOT NULL,
  answer_type TEXT NOT NULL CHECK (answer_type IN ('math', 'choice', 'number', 'text')),
  source TEXT NOT NULL,
  tolerance REAL,
  file TEXT NOT NULL,
  line INTEGER NOT NULL
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
  UNIQUE (source_file, row_index)
) STRICT;

CREATE TABLE prompts (
  sha256 TEXT PRIMARY KEY,
  token_ids BLOB NOT NULL
) STRICT;

CREATE TABLE trajectories (
  id INTEGER PRIMARY KEY,
  stage TEXT NOT NULL REFERENCES stages (name),
  problem INTEGER NOT NULL REFERENCES problems (position),
  sample INTEGER NOT NULL CHECK (sample >= 0),
  model_sha256 TEXT NOT NULL REFERENCES weights (sha256),
  round INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  temperature REAL NOT NULL,
  top_p REAL NOT NULL,
  top_k INTEGER NOT NULL,
  max_tokens INTEGER NOT NULL,
  template_sha256 TEXT NOT NULL,
  prompt_sha256 TEXT NOT NULL REFERENCES prompts (sha256),
  num_tokens INTEGER NOT NULL,
  logprob REAL NOT NULL,
  text TEXT NOT NULL,
  thought TEXT NOT NULL,
  solution TEXT NOT NULL,
  finish_reason TEXT NOT NULL CHECK (finish_reason IN ('stop', 'length', 'repetition')),
  verdict TEXT CHECK (verdict IN ('correct', 'incorrect', 'undecided')),
  proof TEXT,
  perplexity REAL,
  perplexity_model_sha256 TEXT,
  token_ids BLOB NOT NULL,
  logprobs BLOB NOT NULL,
  UNIQUE (stage, problem, sample, model_sha256)
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
)sql";

}  // namespace

void create_or_check_schema(const sqlite::Database& database, bool read_only) {
  const int64_t application = database.value("PRAGMA application_id");
  const int64_t version = database.value("PRAGMA user_version");
  const int64_t objects = database.value("SELECT count(*) FROM sqlite_schema");
  if (application == 0 && version == 0 && objects == 0) {
    if (read_only) {
      throw Error(database.name(), "expected a run database, found an empty file",
                  "start the run again: it makes its database");
    }
    // In one transaction: a kill leaves an empty file or a whole schema.
    database.execute(
        fmt::format("BEGIN IMMEDIATE; {} PRAGMA application_id = {}; "
                    "PRAGMA user_version = {}; COMMIT;",
                    kTables, kApplicationId, kPoolSchemaVersion));
    return;
  }
  if (application != kApplicationId) {
    throw Error(database.name(), "expected a run database, found another program's database",
                "check the path");
  }
  if (version != kPoolSchemaVersion) {
    throw Error(
        database.name(),
        fmt::format("expected schema version {}, found {}, made by {} ponder", kPoolSchemaVersion,
                    version, version > kPoolSchemaVersion ? "a newer" : "an older"),
        version > kPoolSchemaVersion ? "read it with that newer version"
                                     : "read it with the version that made it, or run again");
  }
}

}  // namespace ponder
