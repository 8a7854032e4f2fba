// The pool: one SQLite file per run (run.db) with its problems, rollouts, verdicts, selections
// and lineage. Format: docs/formats.md. What was committed survives kill -9 and power cuts (WAL,
// synchronous=FULL); the writer does every checkpoint itself. One writer at a time, any number of
// readers in other processes. A Pool may be used by one thread at a time. Everything throws Error:
// broken or foreign database, unknown stage, model or problem, disk full.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/records.h"

namespace ponder::pool {

struct RolloutQuery {
  std::string stage = {};       // "" = all but evaluations
  std::string problem_id = {};  // "" = all
  std::optional<judge::Verdict> verdict = {};
  bool with_tokens = true;  // false: without prompt_ids, token_ids and logprobs, far faster
};

// A piece of a long list.
struct Slice {
  int64_t first = 0, count = -1;  // -1: all that follow
};

class Pool {
 public:
  // The only writer; makes the file where there is none. Throws Error naming the holder when
  // another process (or another Pool) writes it, naming both versions when its schema is newer than
  // this build's, and naming table and row when it is not what was written.
  static Pool open(const std::filesystem::path& file);
  // Reads a consistent state also while a writer is at work. Throws Error when there is no such
  // file.
  static Pool open_read_only(const std::filesystem::path& file);
  Pool(Pool&&) noexcept;
  Pool& operator=(Pool&&) noexcept;
  ~Pool();

  // What is written while a Transaction lives is all there after commit(), or not at all: without
  // commit() (an exception, a kill) it is undone. One at a time. Writes outside of one are each
  // their own transaction.
  class Transaction {
   public:
    explicit Transaction(Pool& pool);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

   private:
    Pool* pool_;
  };

  // One consistent state of the database for a reader beside a writer, whose checkpoints wait for it: so
  // it is short, and a statement that is at work when `limit` has passed ends in an Error. One at a time.
  class ReadTransaction {
   public:
    ReadTransaction(const Pool& pool, std::chrono::milliseconds limit);
    ~ReadTransaction();
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

   private:
    const Pool* pool_;
  };
  // Another number once another connection has committed.
  int64_t data_version() const;
  // Whether what was opened is the state of that moment and shows nothing of what is written since: a
  // database of an older version, or one that lies where nothing can be written.
  bool is_snapshot() const;

  // Stages. begin_stage starts one, or starts it again after a kill or failure: sources,
  // selections, training rows, pairs and scores it had are removed, its rollouts (which were
  // paid for) stay. Throws Error when it is already done and was not reopened.
  void begin_stage(const StageSpec& stage);
  // Lets a stage that is done be begun again, to make its checkpoint once more.
  void reopen_stage(const std::string& name);
  // Takes back what stages have made: sources, selections, training rows, pairs, scores, models and
  // the hashes of their files. Those to be redone are begun anew and keep their rollouts, without verdicts; those that
  // are dropped keep nothing. No other stage may stand on them.
  void forget_stages(std::span<const std::string> redone, std::span<const std::string> dropped);
  // `seconds`: since it was begun this time; they are added to those of earlier times.
  void finish_stage(const std::string& name, StageState state, double seconds, int64_t rows,
                    const Json& result);
  void stop_stage(const std::string& name, double seconds);  // it stays running, to be gone on with
  std::optional<StageRecord> stage(std::string_view name) const;
  std::vector<StageRecord> stages() const;  // in the order they were begun

  // Every row against the hash it was written with. Throws Error naming table and row of the first
  // that differs. Reads the whole database.
  void verify() const;

  // Files the run reads or made, by owner and name; the same again takes the place of the first.
  void add_file(const FileRecord& file);
  void remove_file(const FileRecord& file);
  std::vector<FileRecord> files(std::string_view owner = "") const;  // "": of all

  // Problems to train on, or of a benchmark. Adding the same thing twice is fine; the same id with
  // other contents is an Error.
  void add_problem(const data::Problem& problem, const std::string& benchmark = "");
  // With its rollouts. No source may hold it.
  void remove_problem(std::string_view id, std::string_view benchmark);
  std::optional<data::Problem> problem(std::string_view id, std::string_view benchmark = "") const;
  std::vector<data::Problem> problems() const;  // to train on, in the order they were added

  // The same weights may be there under several names.
  void add_model(const ModelRecord& model);
  std::optional<ModelRecord> model(std::string_view sha256) const;  // the first with these weights
  std::optional<ModelRecord> model_named(std::string_view name) const;  // the latest of that name
  std::vector<ModelRecord> models() const;

  // `index`: the row's place among those kept of `file`. Returns the id for RowOrigin.
  int64_t add_demonstration(const std::string& file, int64_t index,
                            const data::Demonstration& demonstration);
  // The whole row. Throws Error when there is none, or when its text is not known (a run of schema
  // version 1).
  data::Demonstration demonstration(int64_t id) const;
  // Whether it has the response as its file wrote it: those read before schema version 6 have not.
  bool knows_written(int64_t demonstration) const;

  // What was read. Rows are added in the order of the source: demonstrations by id, problems (known
  // by add_problem) by name.
  int64_t add_source(const SourceRecord& source);
  void add_source_row(int64_t source, int64_t index, int64_t demonstration);
  void add_source_row(int64_t source, int64_t index, std::string_view problem_id,
                      std::string_view benchmark);
  void add_rejection(const RejectionRecord& rejection);
  std::vector<SourceRecord> sources() const;                     // in the order they were added
  std::vector<int64_t> demonstrations_of(int64_t source) const;  // ids
  std::vector<data::Problem> problems_of(int64_t source) const;
  // `reason`: "" any.
  std::vector<RejectionRecord> rejections_of(int64_t source, std::string_view reason = "",
                                             Slice slice = {}) const;

  // Stage, model and problem must be known, prompt_sha256 given (model and prompt not of one with an
  // origin), and log-probabilities there, one a token, exactly where logprob_source says whose. Returns the id. The same rollout added again
  // changes nothing (verdict and perplexity are taken over where given); other tokens for the same
  // (stage, model, problem, sample) are an Error. `benchmark`: of the problem.
  int64_t add_rollout(const std::string& stage, int round, const data::Rollout& rollout,
                      const std::string& benchmark = "");
  // No row may be made of it.
  void remove_rollout(const std::string& stage, const data::Rollout& rollout,
                      const std::string& benchmark = "");
  // Tokens behind the first `first` that are there of a rollout; they take the place of others behind these.
  // They go when the rollout is added, and when its stage is done. Stage and problem must be known.
  void add_partial(const PartialRecord& partial);
  void remove_partial(const PartialRecord& partial);  // all of that rollout's
  // Of each rollout of the stage that is not finished all tokens, in the order of problem and sample.
  std::vector<PartialRecord> partials(std::string_view stage) const;

  // A request to a server; stage and problem must be known. Returns its number: one that has its number
  // already takes the place of what was there of it, and is the last then.
  int add_attempt(const AttemptRecord& attempt);
  int64_t last_attempt() const;  // how far the order of attempts goes; 0 before the first
  std::vector<AttemptRecord> attempts(std::string_view stage) const;  // in their order
  std::vector<AttemptSum> attempt_sums() const;  // in the order of the first of each
  ServerRate server_rate() const;                // over all stages
  // The last that were refused with an answer to look at, the latest first.
  std::vector<AttemptRecord> refused_attempts(int64_t most) const;
  // Of one rollout, in their order.
  std::vector<AttemptRecord> attempts_of(const StoredRollout& rollout) const;
  void add_server_check(const ServerCheckRecord& check);
  std::vector<ServerCheckRecord> server_checks() const;  // in the order they were added
  // What a server's answers are worth whose weights are proven by what it answers: those to a benchmark's
  // problems (or "") that came since the last look began that did not find it wrong.
  std::vector<AttemptRecord> unproven(std::string_view stage, std::string_view server,
                                      std::string_view benchmark) const;
  // Throws these away: their rollouts, and what is there of unfinished ones, leave the pool; they stay as
  // kWithdrawn. Returns them.
  std::vector<AttemptRecord> withdraw(std::string_view stage, std::string_view server,
                                      std::string_view benchmark, std::string_view why);

  // Log-probabilities of a completion that came without, by a forward of our own.
  void set_logprobs(int64_t rollout, std::span<const float> logprobs,
                    tensor::Precision precision = tensor::Precision::kF32);
  void set_verdict(int64_t rollout, judge::Verdict verdict, std::string_view proof);
  void set_perplexity(int64_t rollout, double perplexity, std::string_view model_sha256,
                      tensor::Precision precision = tensor::Precision::kF32);

  std::optional<StoredRollout> rollout(int64_t id, bool with_tokens = true) const;
  // Of one problem: ids in the order (stage, sample, model).
  std::vector<int64_t> rollouts_of_problem(std::string_view id,
                                           std::string_view benchmark = "") const;
  bool rollout_contains(int64_t id, std::string_view part) const;  // its text does
  // The rollouts of a stage in the order (problem as added, sample, model), of the index of their keys
  // alone: their rows are not looked at yet. A hundred thousand take tens of milliseconds; so a part of
  // them can be asked for: of the problems behind `after` (RolloutEntry::problem), at least `most` of
  // them where there are so many, to the end of a problem.
  std::vector<RolloutEntry> rollout_keys(std::string_view stage, int64_t after = -1,
                                         size_t most = SIZE_MAX) const;
  // Reads what its row says beside its key, past its texts: microseconds from memory, as many pages as
  // these have from a disk. False where there is no such rollout any more.
  bool look_at(RolloutEntry& entry) const;
  // Streams in the order (stage, problem as added, sample, model). `visit` may write to the pool.
  void for_each_rollout(const RolloutQuery& query,
                        const std::function<void(const StoredRollout&)>& visit) const;

  void add_selection(const Selection& selection);
  std::vector<Selection> selections(std::string_view stage) const;
  std::vector<Selection> selections_of(
      RowOrigin origin) const;  // in the order of stage begin, then step
  // Where candidates' ways through a stage's filters ended, in the order of the last decision about
  // each, behind `after`: at most `most` of them, and those that are found in about this time.
  // `filter`: "" all, "kept", or the filter that left them out.
  SelectionEnds selection_ends(std::string_view stage, std::string_view filter, int64_t after,
                               size_t most, std::chrono::milliseconds time) const;

  void add_training_row(const TrainingRow& row);
  std::vector<TrainingRow> training_rows(std::string_view stage, Slice slice = {}) const;
  void add_pair(const PairRow& pair);
  std::vector<PairRow> pairs(std::string_view stage, Slice slice = {}) const;

  int64_t num_training_rows(std::string_view stage) const;
  int64_t num_pairs(std::string_view stage) const;

  void add_score(const ScoreRecord& score);
  std::vector<ScoreRecord> scores() const;

  PoolCounts counts() const;
  PoolCounts::Stage counts_of(std::string_view stage) const;

  // The lineage of one trained row, or of a stage that trains none of one of its rollouts, as far
  // back as it is known. `row` is "STAGE:INDEX". Throws Error saying which stages have rows when
  // there is no such one. lineage_text is the same for people.
  Json lineage(std::string_view row) const;
  // The other way: what became of a problem to train on. Its rollouts by stage; every trained row and
  // pair that has one of them, or a demonstration of the same question; the models trained on those
  // ("models"), and the models made from these ("descendants"). Throws Error for an unknown id.
  Json uses_of_problem(std::string_view id) const;

 private:
  struct Impl;
  explicit Pool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

std::string lineage_text(const Json& lineage);
std::string uses_text(const Json& uses);  // of Pool::uses_of_problem, for people

}  // namespace ponder::pool
