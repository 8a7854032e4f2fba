// A teacher: somebody else's model, behind an OpenAI-compatible chat endpoint, whose long thoughts become
// demonstrations. Problems are asked for samples, in order, until enough of them are right; every answer is
// paid once, kept (teacher_store.h), judged against the gold answer, and either becomes a row or is
// counted under the reason why not (outcome.h). Rows are a function of what is kept: they can be written at
// any time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/monitor.h"
#include "data/rows.h"
#include "fleet/fleet.h"
#include "teach/estimate.h"
#include "teach/money.h"
#include "teach/outcome.h"
#include "teach/teacher_store.h"

namespace ponder::teach {

struct TeacherSettings {
  fleet::FleetOptions fleet;  // kOpenai, with served_model and chat
  std::string system, prompt_prefix, prompt_suffix;
  int samples = 1;         // of a problem, at most
  int enough_correct = 1;  // no further sample once so many are right; 0: all samples
  int64_t max_tokens = 32'768;
  uint64_t seed = 1;
  Prices prices;
  std::optional<Units> budget;
  // Tokens beyond a request's own that may be billed: of the prompt and of the answer each. Not given: 1,024
  // of the prompt, for the provider's template, and none of the answer.
  std::optional<int64_t> overhead_tokens;
  OutcomeRules rules;
  double max_failed = 0.01;  // share of the requests that may fail for good
  std::string license;       // copied into every row
};

struct TeacherFiles {
  std::filesystem::path demonstrations, rejected, database;
  std::filesystem::path batches;  // a folder: what went to a batch service and what came back
};
// Of a folder (made if need be), or of a file of demonstrations NAME.jsonl, beside which the others are
// NAME.rejected.jsonl, NAME.teacher.db and NAME.batches.
TeacherFiles teacher_files(const std::filesystem::path& out);

struct TeacherReport {
  int64_t problems = 0, solved = 0;         // solved: with a demonstration
  int64_t answers = 0, kept = 0;            // answers: kept + rejected
  std::map<std::string, int64_t> rejected;  // by reason
  int64_t failed = 0;                       // requests that will not be answered
  int64_t written = 0;                      // in batch files, not read yet
  int64_t unasked = 0;                      // requests that would be asked next
  // Of cut answers: twice the tokens they had, and what asking them anew with so many costs at the most.
  int64_t longer_max_tokens = 0;
  Units longer_worst = 0;
  int64_t superseded = 0;  // answers that --again has put others in the place of
  Ledger ledger;
  std::string currency;  // "" without prices
  std::optional<Units> budget;

  Json json() const;
  std::string text() const;   // one line: rows
  std::string money() const;  // one line: the ledger
};

class Teacher : private fleet::AttemptKeeper {
 public:
  // Opens what is kept. Throws Error where its answers were asked otherwise (naming what differs), for two
  // different problems of one id, and where a bill larger than its request allowed has not been allowed for
  // since.
  Teacher(std::vector<data::Problem> problems, TeacherSettings settings, const TeacherFiles& files,
          Monitor& monitor);
  // Reads what is kept, also while another process asks; nothing is made, written or asked. For report() and
  // estimate() alone.
  static std::unique_ptr<Teacher> to_look_at(std::vector<data::Problem> problems,
                                             TeacherSettings settings, const TeacherFiles& files,
                                             Monitor& monitor);
  ~Teacher() override;

  // Answers that ended so ("length", "wrong", …; "failed" and "unread" too) are asked for anew. One that was not
  // finished goes on instead. Throws Error for "length" where no more tokens are allowed than before.
  void again(const std::vector<std::string>& reasons);
  static std::vector<std::string> again_names();

  // Asks for what is missing; nobody is asked where nothing is. False when `stop` ended it. Throws Error where
  // it cannot go on (the budget, a bill that is too large, no server that answers) and, at the end, where too many
  // requests failed; everything that came is kept either way.
  bool ask(const std::atomic<bool>* stop);
  // Asks for the first sample of `num_problems` problems alone, evenly spread over all of them: the same ones each
  // time, so that what was answered is not asked again. Otherwise as ask().
  bool probe(int64_t num_problems, const std::atomic<bool>* stop);
  // What all that is asked will likely take, by the answers there are, at the prices of now.
  Estimate estimate() const;
  bool ended_by_budget() const { return ended_by_budget_; }

  // The requests that would be asked next, as lines of a batch file, until the budget is spoken for.
  struct BatchLine {
    std::string id, body;  // the line's custom_id, and the whole line
  };
  std::vector<BatchLine> batch_lines();
  void mark_written(const std::vector<BatchLine>& lines);  // once the files are on the disk
  // An answer of a batch file.
  enum class Taken { kTaken, kDuplicate, kDiffers, kUnknown };
  Taken take(const std::string& id, const fleet::Answer& answer, const std::string& file);
  // That it has none: for good, or so that it may be asked again.
  Taken take_failure(const std::string& id, const std::string& why, bool for_good);
  void keep_taken() { store_.keep(); }
  // Batches at a service that are not read. Each of these is durable when it returns.
  std::vector<StoredBatch> open_batches() const { return store_.batches(); }
  void begin_batch(const StoredBatch& batch, std::span<const BatchLine> lines);
  void put_batch(const StoredBatch& batch);
  // It is read: what has no answer is to be asked again, because of `why`.
  void finish_batch(const StoredBatch& batch, const std::string& why);
  // Nobody will look at it any more: likewise, and what it may cost is booked as possible.
  void give_up_batch(const StoredBatch& batch);
  int64_t num_strangers(const StoredBatch& batch) const;  // of its requests, of other problems
  void check_bills() const;  // throws Error for one that is larger than its request allowed
  // Where nothing is to be asked: that again() is done. Throws Error for too many requests that failed for good.
  bool conclude();

  // No file where there has never been an answer. What the report says then is kept for whoever looks on.
  void write_rows();
  TeacherReport report() const { return report(true); }

 private:
  Teacher(std::vector<data::Problem> problems, TeacherSettings settings, const TeacherFiles& files,
          Monitor& monitor, TeacherStore::Use use);
  static constexpr const char* kAllowForBills =
      "if that is how the provider bills, allow for it with --overhead-tokens N, and the same "
      "command "
      "goes on";

  struct Item {
    size_t problem = 0;
    StoredRequest request;
    std::string reason;  // of a done one, "" for a demonstration
    bool right = false;
    Units price =
        0;  // of a done one, at the prices of now; at the most where its usage is not known
    std::optional<int64_t> completion_tokens;
  };

  std::vector<tokenizer::Message> messages_of(const data::Problem& problem) const;
  std::string key_of(const data::Problem& problem, int sample) const;
  Units worst_of(const Item& item, int64_t max_tokens) const;
  rollout::CompletionRequest request_of(const Item& item) const;
  fleet::ChatSettings chat() const;
  Json job() const;
  void load();
  void take_outcome(Item& item, const StoredAnswer& answer);
  int num_right(size_t problem) const;
  std::vector<size_t> wanted(size_t problem) const;  // items to be asked now
  StoredAnswer priced(const Item& item, const fleet::Answer& answer, const std::string& from);
  std::string bill_text(const Item& item, const StoredAnswer& answer) const;
  Item* find(const std::string& batch_id, int& ask);

  // AttemptKeeper
  int64_t worst_cost(const rollout::CompletionRequest& request) override;
  void sending(const rollout::CompletionRequest& asked, int64_t num_tokens,
               const std::string& server) override;
  int64_t answered(const std::string& id, const fleet::Answer& answer, int64_t num_tokens) override;
  void failed(const std::string& id, const Failed& failure) override;
  void keep() override { store_.keep(); }

  void end_batch(StoredBatch batch, const std::string& why, bool may_cost);
  bool ask_these(const std::atomic<bool>* stop);
  std::vector<size_t> to_ask(size_t problem) const;  // of what is wanted, what this command asks
  bool ask_all(fleet::Fleet& fleet, const std::atomic<bool>* stop);
  bool drain(fleet::Fleet& fleet, std::set<std::string>& open);
  void give_up_open();
  Error why_stopped(const fleet::Scheduler::Stop& stop, const Error& error);
  void write_files() const;
  void check_failed() const;
  // Without duplicates, which ask for the answers' texts, while answers come.
  TeacherReport report(bool with_duplicates) const;
  void show_progress();

  std::vector<data::Problem> problems_;
  TeacherSettings settings_;
  TeacherFiles files_;
  Monitor& monitor_;
  TeacherStore store_;
  std::vector<Item> items_;                          // of problem p, sample s at p * samples + s
  std::unordered_map<std::string, size_t> item_of_;  // by key
  std::set<std::string> in_flight_, failed_now_;     // keys
  std::string server_;                               // of the attempt that was begun last
  std::string too_large_;                            // the bill that was
  std::unordered_map<std::string, std::string> taken_now_;  // hashes of batch answers, by id
  std::vector<size_t> asking_;                              // the problems asked now
  bool probing_ = false;  // the first sample of each of them alone
  bool ended_by_budget_ = false;
  bool told_no_usage_ = false;
  std::chrono::steady_clock::time_point shown_{}, reported_{};  // progress; for whoever looks on
};

}  // namespace ponder::teach
