// What a run's database holds beside problems and rollouts: models, stages, who was selected
// and why, the rows that were trained on, preference pairs and scores. Plain values; field names
// are those of docs/formats.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/readers.h"
#include "data/rows.h"

namespace ponder::pool {

struct ModelRecord {
  std::string sha256;         // of the weights: the model's identity
  std::string name;           // "M0", "M1", …
  std::string parent_sha256;  // "" for a model that came from outside
  std::string stage;          // that made it, "" for a model that came from outside
  std::string path;           // its folder, relative to the run directory
};

// A file as it was when a run first read or made it.
struct FileRecord {
  std::string owner;  // a model's name ("M0"), or the recipe's key of a source
  std::string name;   // "config.json"; of a model "weights" for all of them
  int64_t bytes = 0;  // 0 where the hash is of several files
  std::string sha256;
};

enum class StageState { kRunning, kDone, kFailed };
std::string_view to_string(StageState state);  // "running", "done", "failed"

// What a stage is: fixed when it begins.
struct StageSpec {
  std::string name;                       // "imitate", "explore-1", …; rows refer to it
  std::string kind = {};                  // "imitate", "explore", …: stage_result.h
  int round = 0;                          // of exploration, from 1; 0 outside of it
  std::vector<std::string> inputs = {};   // names of the models and stages it reads
  std::vector<std::string> outputs = {};  // of the models it makes
  std::string inputs_sha256 = {};         // of all that its result depends on; "" if not known
};

struct StageRecord : StageSpec {
  StageState state = StageState::kRunning;
  std::string started, finished;  // UTC, 2026-01-31T12:00:00Z; `finished` is "" while running
  double seconds = 0;             // spent so far, restarts included
  int64_t rows = 0;               // made by the stage: rollouts, training rows, pairs or scores
  Json result = Json::object();   // what else the stage wants to remember
};

struct StoredRollout {
  int64_t id = 0;  // a hash of (stage, model, problem, sample): the same in any order of arrival
  std::string stage;
  int round = 0;
  std::string benchmark;  // of an evaluation's problem, "" for problems to train on
  data::Rollout rollout;
};

// What one looks for among many rollouts, without their texts.
struct RolloutEntry {
  int64_t id = 0;
  int64_t problem = 0;  // its place among the problems: equal for equal problems
  int32_t sample = 0;
  int32_t stage = 0;       // for whoever lists several stages
  bool looked_at = false;  // whether what follows is what its row says
  int32_t num_tokens = 0;
  data::FinishReason finish_reason = data::FinishReason::kStop;
  std::optional<judge::Verdict> verdict = {};
};

// Tokens of a rollout that is not finished yet.
struct PartialRecord {
  std::string stage;
  std::string benchmark;  // of the problem, as in StoredRollout
  std::string problem_id;
  int sample = 0;
  std::string request_sha256;  // of all that decides it: what may go on with it
  int64_t first = 0;           // how many there were before
  data::Partial tokens;        // log-probabilities with all of them, or with none
};

// A request to a server for one sample of a problem.
struct AttemptRecord {
  enum class Outcome {
    kAnswered,
    kFull,       // the server had too much to do
    kFailed,     // it came to nothing, this time
    kRefused,    // and will never come to anything
    kWithdrawn,  // what it brought was thrown away: the server was found to have other weights
    kBegun,      // tokens of it were kept on the way; it is there still, or a stop or kill ended it
  };
  std::string stage;
  std::string benchmark;  // of the problem, as in StoredRollout
  std::string problem_id;
  int sample = 0;
  std::string server;        // its address
  std::string began, ended;  // UTC, 2026-01-31T12:00:00.123Z; of kBegun: when it was kept last
  Outcome outcome = Outcome::kAnswered;
  int64_t num_tokens = 0;   // that it brought of the completion and that were kept
  std::string error;        // "" where there was none
  int number = 0;           // of the sample's attempts, from 1: given by add_attempt
  std::string answer = {};  // what came where that was refused, as JSON (docs/formats.md); else ""
};
std::string_view to_string(AttemptRecord::Outcome outcome);  // "answered", "full", …

// What was found of a server's model when it was looked at.
struct ServerCheckRecord {
  std::string stage, server;
  std::string kind;       // of the server: "ponder", "vllm", …
  std::string model;      // the name that it was asked for
  std::string checked;    // UTC as above: when that began
  std::string proof;      // "hash", "right", "rounded", "name", "wrong" (fleet/attempts.h)
  std::string found;      // for people
  int64_t withdrawn = 0;  // rollouts that were thrown away for it
  int64_t since = 0;      // Pool::last_attempt when it began
};

// Attempts that are alike.
struct AttemptSum {
  std::string stage, server;
  AttemptRecord::Outcome outcome = AttemptRecord::Outcome::kAnswered;
  std::string error;
  int64_t num_attempts = 0, num_tokens = 0;
};

// What servers made while they were asked.
struct ServerRate {
  int64_t num_tokens = 0, num_servers = 0;
  double seconds = 0;  // in which at least one request was on its way
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(num_tokens) / seconds : 0;
  }
};

// What a trained row was made from.
struct RowOrigin {
  enum class Kind { kDemonstration, kRollout };
  Kind kind = Kind::kRollout;
  int64_t id = 0;  // as returned by add_demonstration or add_rollout
  friend bool operator==(const RowOrigin&, const RowOrigin&) = default;
};

// One filter's decision about one candidate. A candidate passes several filters in the order of
// `step`; the first with kept == false ends it.
struct Selection {
  std::string stage;
  int round = 0;
  std::string strategy;  // "longest", "shortest", "random", …
  RowOrigin origin;
  int step = 0;
  std::string filter;  // "correct", "well_formed", "repetition", the strategy's own name, …
  bool kept = false;
  int rank = 0;        // 1 = best among the problem's candidates; 0 where a filter does not rank
  std::string detail;  // the number or words the decision rests on
};

// A piece of the ends of candidates' ways.
struct SelectionEnds {
  std::vector<Selection> ends;
  int64_t last = 0;       // what it came to: `after` of the next piece
  bool complete = false;  // nothing follows
};

struct TrainingRow {
  std::string stage;
  int64_t index = 0;  // in the order of the training file, from 0; "STAGE:INDEX" names the row
  RowOrigin origin;
  std::string text_sha256;  // of the row's rendered text
  int64_t num_tokens = 0;
};

struct PairRow {
  std::string stage;
  int64_t index = 0;                 // "STAGE:INDEX" names the pair
  int64_t chosen = 0, rejected = 0;  // rollout ids
};

// A source an ingest stage read, or a file that was imported, and the account of its rows.
struct SourceRecord {
  enum class Role { kDemonstrations, kProblems, kBenchmark, kResponses };
  int64_t id = 0;  // given by add_source; in the order of the recipe
  std::string stage;
  Role role = Role::kDemonstrations;
  std::string set;          // of demonstrations to compare with, or the benchmark's name; else ""
  std::string name;         // a path, or a synthetic world's settings
  std::string rows_sha256;  // of the rows that were kept
  data::RowAccount account = {};  // counts alone: the rows are RejectionRecords
};
// "demonstrations", "problems", "benchmark", "responses"
std::string_view to_string(SourceRecord::Role role);

// A row that a source did not keep.
struct RejectionRecord {
  int64_t source = 0;
  uint64_t line = 0;
  std::string reason, detail;
};

struct ScoreRecord {
  std::string stage;
  std::string model;  // its name, e.g. "M1"
  std::string benchmark;
  int64_t n = 0;        // problems
  int64_t samples = 1;  // per problem; 1 with temperature 0 is greedy
  double accuracy = 0, interval_low = 0, interval_high = 0;
  double finished = 0;         // share
  double format_failures = 0;  // share
  double mean_tokens = 0;
  Json extra = Json::object();  // pass_at_k, maj_at_k, …
};

struct PoolCounts {
  struct Stage {
    std::string stage;
    int64_t rollouts = 0, correct = 0, incorrect = 0, undecided = 0, unjudged = 0;
    int64_t unfinished = 0;       // cut by the token limit or a loop
    int64_t problems = 0;         // with at least one rollout
    int64_t problems_solved = 0;  // with at least one correct one
    int64_t tokens = 0;
  };
  // Benchmarks' problems and evaluations' rollouts are not among `problems` and
  // `rollouts`: nobody trains on them.
  int64_t problems = 0, demonstrations = 0, models = 0, rollouts = 0, training_rows = 0, pairs = 0,
          benchmark_problems = 0, evaluation_rollouts = 0;
  std::vector<Stage> stages;
};

Json to_json(const StageRecord& stage);
Json to_json(const ScoreRecord& score);  // the fields of `ponder status`
Json to_json(const PoolCounts& counts);

}  // namespace ponder::pool
