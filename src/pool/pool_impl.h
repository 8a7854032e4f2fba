// What the parts of Pool share. Internal to this folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "pool/pool.h"
#include "pool/sqlite.h"

namespace ponder::pool {

struct Pool::Impl {
  std::unique_ptr<LockFile> lock;  // the writer's; released after the database is closed
  std::unique_ptr<sqlite::Database> database;
  bool read_only = false;
  bool snapshot = false;
  bool in_transaction = false;

  ~Impl();
  sqlite::Statement prepare(std::string_view sql) const { return database->prepare(sql); }
  void commit_transaction();
  // Moves the log into the file once it has grown; called outside of transactions.
  void checkpoint_when_due();

  // Each throws Error naming what is unknown: SQLite's own foreign key message does not.
  void require_stage(std::string_view name) const;
  void require_model(std::string_view sha256) const;
  int64_t problem_position(std::string_view id, std::string_view benchmark) const;
  void require_origin(RowOrigin origin) const;
  void require_rollout(int64_t id) const;
  std::optional<StoredRollout> load_rollout(int64_t id, bool with_tokens) const;
  void add_prompt(const data::Rollout& rollout) const;
  void remove_partial(std::string_view stage, int64_t problem, int sample) const;
  Json lineage_of_demonstration(int64_t id) const;
  void bind_origin(sqlite::Statement& statement,
                   RowOrigin origin) const;  // rollout, demonstration
  [[noreturn]] void refuse(const std::string& problem, const std::string& advice = "") const;
};

// Makes a group of writes all or nothing where the caller has no Transaction of its own open.
class WriteScope {
 public:
  explicit WriteScope(Pool& pool, bool in_transaction) {
    if (!in_transaction) transaction_.emplace(pool);
  }
  void commit() {
    if (transaction_) transaction_->commit();
  }

 private:
  std::optional<Pool::Transaction> transaction_;
};

}  // namespace ponder::pool
