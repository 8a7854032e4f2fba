// What a stage asks of servers and what is found of them, on its way into run.db; and which of their answers
// do not count after all. Internal to pipeline.
//
// Servers that prove their weights by what they answer are looked at again and again. What one has
// answered since the last look that found it right is provisional: if the next finds it wrong, its
// rollouts leave the pool, and their samples are asked for again.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fleet/attempts.h"
#include "pipeline/stage.h"
#include "pool/pool.h"

namespace ponder::pipeline {

class ServerRecords final : public fleet::AttemptKeeper {
 public:
  // Of one stage's rollouts of a benchmark's problems ("": of problems to train on). Borrows the context.
  ServerRecords(const StageContext& context, std::string benchmark);

  // Whether anything is to be written.
  bool any() const { return !gathered_.empty(); }
  // So many tokens of the sample are being kept: what brought the last of them, if it is on its way still, goes
  // into the pool as well, since they count no more than it does. After write(), in the same transaction.
  void keep_begun(const std::string& problem_id, int sample, int64_t num_tokens);
  // Of a sample that is whole: who brought the last of its tokens, whichever process asked; "" for nobody.
  std::string last_server_of(const std::string& problem_id, int sample) const;
  // Puts into the pool what has gathered, and takes out of it what does not count. Within the caller's transaction,
  // and before rollouts that have come since: of those only what counts() is to be added.
  void write();
  bool counts(const std::string& problem_id, int sample) const {
    return !withdrawn_.contains({problem_id, sample});
  }
  bool any_withdrawn() const { return !withdrawn_.empty(); }
  // The samples that were withdrawn are asked for again from here on.
  void ask_again() { withdrawn_.clear(); }
  // Says of servers that could not be looked at once more how much they have answered that stays without that.
  void tell_unproven(const std::vector<std::string>& servers) const;

  void sending(const rollout::CompletionRequest& request, int64_t num_tokens,
               const std::string& server) override;
  int64_t answered(const std::string& id, const fleet::Answer& answer, int64_t num_tokens) override;
  void failed(const std::string& id, const Failed& failure) override;
  void looking_at(const std::string& server) override;
  void looked_at(const Looked& looked) override;
  void keep() override {}  // write() does, with the rollouts: nothing here costs money

 private:
  void end(const std::string& id, pool::AttemptRecord::Outcome outcome, int64_t num_tokens,
           std::string error);
  // How many rollouts that were.
  int64_t withdraw(const pool::ServerCheckRecord& check);

  const StageContext& context_;
  const std::string benchmark_;
  struct LookBegan {
    std::string server;
  };
  // On its way, behind so many tokens.
  struct Open {
    pool::AttemptRecord attempt;
    int64_t behind = 0;
  };
  std::map<std::string, Open> open_;  // by request id
  std::vector<std::variant<pool::AttemptRecord, LookBegan, pool::ServerCheckRecord>>
      gathered_;                                // in order
  std::map<std::string, std::string> looking_;  // when the last look at a server began
  std::map<std::string, int64_t> since_;        // and the last attempt then, once it is written
  std::map<std::string, std::string> wrong_;    // what was found of servers that are wrong now
  std::set<std::pair<std::string, int>> withdrawn_;  // problem and sample
};

}  // namespace ponder::pipeline
