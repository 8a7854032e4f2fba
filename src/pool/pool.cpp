// Opening, transactions, stages, problems and models.
#include "pool/pool.h"

#include <fmt/format.h>

#include <ctime>

#include "base/error.h"
#include "pool/no_run.h"
#include "pool/pool_impl.h"
#include "pool/schema.h"

namespace ponder::pool {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

constexpr const char* kStageColumns =
    "SELECT name, state, started, finished, seconds, rows, result, kind, round, inputs, outputs, "
    "inputs_sha256 FROM stages";
constexpr const char* kProblemColumns =
    "SELECT p.id, p.domain, p.level, p.question, p.answer, p.answer_type, p.source, p.tolerance, "
    "p.file, p.line, p.choices FROM problems p";
constexpr const char* kModelColumns = "SELECT sha256, name, parent_sha256, stage, path FROM models";

StageRecord stage_of(const sqlite::Statement& row, const std::string& where) {
  const auto names = [&](int column) {
    return parse_json(row.text(column), where).get<std::vector<std::string>>();
  };
  StageRecord stage;
  stage.name = row.text(0);
  const std::string state = row.text(1);
  for (const auto known : {StageState::kRunning, StageState::kDone, StageState::kFailed}) {
    if (state == to_string(known)) stage.state = known;
  }
  stage.started = row.text(2);
  stage.finished = row.text(3);
  stage.seconds = row.real(4);
  stage.rows = row.integer(5);
  stage.result = parse_json(row.text(6), where);
  stage.kind = row.text(7);
  stage.round = row.count(8);
  stage.inputs = names(9);
  stage.outputs = names(10);
  stage.inputs_sha256 = row.text(11);
  return stage;
}

data::Problem problem_of(const sqlite::Statement& row, const std::string& where) {
  data::Problem problem;
  problem.id = row.text(0);
  problem.domain = row.text(1);
  problem.level = row.text(2);
  problem.question = row.text(3);
  problem.answer = row.text(4);
  problem.answer_type =
      judge::answer_type_from_string(row.text(5)).value_or(judge::AnswerType::kText);
  problem.source = row.text(6);
  if (!row.is_null(7)) problem.tolerance = row.real(7);
  problem.file = row.text(8);
  problem.line = static_cast<uint64_t>(row.integer(9));
  if (!row.is_null(10))
    problem.choices = parse_json(row.text(10), where).get<std::vector<std::string>>();
  return problem;
}

ModelRecord model_of(const sqlite::Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.text(4)};
}

}  // namespace

std::string_view to_string(StageState state) {
  switch (state) {
    case StageState::kRunning:
      return "running";
    case StageState::kDone:
      return "done";
    case StageState::kFailed:
      return "failed";
  }
  return "failed";
}

Pool::Pool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pool::Pool(Pool&&) noexcept = default;
Pool& Pool::operator=(Pool&&) noexcept = default;
Pool::~Pool() = default;

Pool::Impl::~Impl() {
  if (!database || read_only) return;
  try {
    if (!in_transaction) database->leave_log();
  } catch (const Error&) {
    // Nothing is lost: what was committed is in the log, and the next writer moves it.
  }
}

Pool Pool::open(const std::filesystem::path& file) {
  auto impl = std::make_unique<Impl>();
  std::filesystem::path lock = file;
  lock += ".lock";
  impl->lock = std::make_unique<LockFile>(lock);
  impl->database = std::make_unique<sqlite::Database>(file, sqlite::Database::Access::kWrite);
  const sqlite::Database& database = *impl->database;
  const int version = schema_version(database, false);
  if (version == 0) {
    // In one transaction: a kill leaves an empty file or a whole schema.
    database.execute("BEGIN IMMEDIATE");
    make_schema(database);
    database.execute("COMMIT");
  } else if (version < kPoolSchemaVersion) {
    migrate(database, version);
  }
  {
    // Not before the check: it would turn a foreign database into one with a write-ahead log.
    sqlite::Statement mode = database.prepare("PRAGMA journal_mode = WAL");
    if (!mode.step() || mode.text(0) != "wal") {
      throw Error(file.string(), "cannot keep a write-ahead log here", "use a local disk");
    }
  }
  database.checkpoint();  // what a killed writer left
  verify_structure(database);
  verify_rows(database);
  return Pool(std::move(impl));
}

Pool Pool::open_read_only(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) fail_as_run(file);
  auto impl = std::make_unique<Impl>();
  impl->read_only = true;
  using Access = sqlite::Database::Access;
  int version = 0;
  try {
    impl->database = std::make_unique<sqlite::Database>(file, Access::kRead);
    version = schema_version(*impl->database, true);
  } catch (const Error&) {
    const auto stands_beside = [&](const char* suffix) {
      std::error_code absent;
      return std::filesystem::file_size(file.string() + suffix, absent) > 0 && !absent;
    };
    // A log's files cannot be made where nothing can be written. Where there is no log, the file
    // holds everything; but a write that was cut short (when the file was made, or left its log) is
    // undone first, which takes a connection that may write.
    if (stands_beside("-wal")) throw;
    const bool cut_short = stands_beside("-journal");
    impl->database =
        std::make_unique<sqlite::Database>(file, cut_short ? Access::kWrite : Access::kFrozen);
    version = schema_version(*impl->database, true);
    impl->snapshot = true;
  }
  if (version < kPoolSchemaVersion) {
    impl->snapshot = true;
    impl->database = sqlite::Database::copy_of(*impl->database);
    migrate(*impl->database, version);
  }
  return Pool(std::move(impl));
}

int64_t Pool::data_version() const { return impl_->database->value("PRAGMA data_version"); }

bool Pool::is_snapshot() const { return impl_->snapshot; }

Pool::ReadTransaction::ReadTransaction(const Pool& pool, std::chrono::milliseconds limit)
    : pool_(&pool) {
  pool_->impl_->database->execute("BEGIN");
  pool_->impl_->database->limit(limit);
}

Pool::ReadTransaction::~ReadTransaction() {
  pool_->impl_->database->limit(std::chrono::milliseconds::zero());
  try {
    pool_->impl_->database->execute("ROLLBACK");
  } catch (const Error&) {  // an interrupted statement has ended it already
  }
}

void Pool::Impl::commit_transaction() {
  database->execute("COMMIT");
  in_transaction = false;
  checkpoint_when_due();
}

void Pool::Impl::checkpoint_when_due() {
  constexpr uintmax_t kWalBytes = uintmax_t{16}
                                  << 20;  // a checkpoint then costs tens of milliseconds
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(database->name() + "-wal", error);
  if (!error && size > kWalBytes) database->checkpoint();
}

void Pool::Impl::refuse(const std::string& problem, const std::string& advice) const {
  throw Error(database->name(), problem, advice);
}

Pool::Transaction::Transaction(Pool& pool) : pool_(&pool) {
  Impl& impl = *pool.impl_;
  if (impl.read_only) impl.refuse("is open for reading only");
  if (impl.in_transaction) impl.refuse("a transaction is open already");
  impl.database->execute("BEGIN IMMEDIATE");
  impl.in_transaction = true;
}

Pool::Transaction::~Transaction() {
  if (!pool_) return;
  Impl& impl = *pool_->impl_;
  try {
    impl.database->execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself (disk full, I/O error); the exception under way says why.
  }
  impl.in_transaction = false;
}

void Pool::Transaction::commit() {
  Pool* pool = pool_;
  pool->impl_->commit_transaction();  // on failure the destructor rolls back
  pool_ = nullptr;
}

void Pool::begin_stage(const StageSpec& spec) {
  const std::string& name = spec.name;
  const auto known = stage(name);
  if (known && known->state == StageState::kDone) {
    impl_->refuse(fmt::format("stage \"{}\" is done already", name));
  }
  WriteScope scope(*this, impl_->in_transaction);
  impl_
      ->prepare(
          "INSERT INTO stages (name, state, started, kind, round, inputs, outputs, inputs_sha256) "
          "VALUES (?, 'running', ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
          "state = 'running', finished = NULL, kind = excluded.kind, round = excluded.round, "
          "inputs = excluded.inputs, outputs = excluded.outputs, "
          "inputs_sha256 = excluded.inputs_sha256")
      .bind(name)
      .bind(utc_now())
      .bind(spec.kind)
      .bind(spec.round)
      .bind(dump_json(spec.inputs))
      .bind(dump_json(spec.outputs))
      .bind(spec.inputs_sha256)
      .run();
  for (const char* table : {"source_rows", "rejections"}) {
    const std::string sources = "(SELECT position FROM sources WHERE stage = ?)";
    impl_->prepare(fmt::format("DELETE FROM {} WHERE source IN {}", table, sources))
        .bind(name)
        .run();
  }
  for (const char* table : {"sources", "selections", "training_rows", "pairs", "scores"}) {
    impl_->prepare(fmt::format("DELETE FROM {} WHERE stage = ?", table)).bind(name).run();
  }
  scope.commit();
}

void Pool::reopen_stage(const std::string& name) {
  impl_->require_stage(name);
  impl_->prepare("UPDATE stages SET state = 'running', finished = NULL WHERE name = ?")
      .bind(name)
      .run();
}

void Pool::finish_stage(const std::string& name, StageState state, double seconds, int64_t rows,
                        const Json& result) {
  impl_->require_stage(name);
  WriteScope scope(*this, impl_->in_transaction);
  if (state == StageState::kDone)
    impl_->prepare("DELETE FROM partials WHERE stage = ?").bind(name).run();
  impl_
      ->prepare(
          "UPDATE stages SET state = ?, finished = ?, seconds = seconds + ?, rows = ?, result = ? "
          "WHERE name = ?")
      .bind(to_string(state))
      .bind(utc_now())
      .bind(seconds)
      .bind(rows)
      .bind(dump_json(result))
      .bind(name)
      .run();
  scope.commit();
}

void Pool::stop_stage(const std::string& name, double seconds) {
  impl_->require_stage(name);
  impl_->prepare("UPDATE stages SET seconds = seconds + ? WHERE name = ?")
      .bind(seconds)
      .bind(name)
      .run();
}

void Pool::verify() const { verify_rows(*impl_->database); }

void Pool::add_file(const FileRecord& file) {
  impl_
      ->prepare(
          "INSERT INTO files (owner, name, bytes, sha256) VALUES (?, ?, ?, ?) ON CONFLICT (owner, "
          "name) DO UPDATE SET bytes = excluded.bytes, sha256 = excluded.sha256")
      .bind(file.owner)
      .bind(file.name)
      .bind(file.bytes)
      .bind(file.sha256)
      .run();
}

std::vector<FileRecord> Pool::files(std::string_view owner) const {
  std::vector<FileRecord> result;
  auto row = impl_->prepare(
      "SELECT owner, name, bytes, sha256 FROM files WHERE ?1 = '' OR owner = ?1 ORDER BY position");
  row.bind(owner);
  while (row.step()) result.push_back({row.text(0), row.text(1), row.integer(2), row.text(3)});
  return result;
}

std::optional<StageRecord> Pool::stage(std::string_view name) const {
  auto row = impl_->prepare(fmt::format("{} WHERE name = ?", kStageColumns));
  row.bind(name);
  if (!row.step()) return std::nullopt;
  return stage_of(row, impl_->database->name());
}

std::vector<StageRecord> Pool::stages() const {
  std::vector<StageRecord> result;
  auto row = impl_->prepare(fmt::format("{} ORDER BY position", kStageColumns));
  while (row.step()) result.push_back(stage_of(row, impl_->database->name()));
  return result;
}

void Pool::Impl::require_stage(std::string_view name) const {
  auto row = prepare("SELECT 1 FROM stages WHERE name = ?");
  if (!row.bind(name).step())
    refuse(fmt::format("unknown stage \"{}\"", excerpt(name)), "begin it first");
}

void Pool::Impl::require_model(std::string_view sha256) const {
  auto row = prepare("SELECT 1 FROM weights WHERE sha256 = ?");
  if (!row.bind(sha256).step()) {
    refuse(fmt::format("unknown model \"{}\"", excerpt(sha256, 70)), "add the model first");
  }
}

int64_t Pool::Impl::problem_position(std::string_view id, std::string_view benchmark) const {
  auto row = prepare("SELECT position FROM problems WHERE benchmark = ? AND id = ?");
  if (!row.bind(benchmark).bind(id).step())
    refuse(fmt::format("unknown problem \"{}\"", excerpt(id)), "add the problem first");
  return row.integer(0);
}

void Pool::add_problem(const data::Problem& problem, const std::string& benchmark) {
  if (problem.id.empty()) impl_->refuse("a problem without an id");
  if (const auto known = this->problem(problem.id, benchmark)) {
    if (dump_json(data::to_json(*known)) != dump_json(data::to_json(problem))) {
      impl_->refuse(fmt::format("problem \"{}\" is already there with other contents", problem.id),
                    "give one of them another id");
    }
    if (known->choices.empty() && !problem.choices.empty()) {  // version 1 did not keep them
      impl_->prepare("UPDATE problems SET choices = ? WHERE benchmark = ? AND id = ?")
          .bind(dump_json(problem.choices))
          .bind(benchmark)
          .bind(problem.id)
          .run();
    }
    return;
  }
  auto row = impl_->prepare(
      "INSERT INTO problems (benchmark, id, domain, level, question, answer, answer_type, source, "
      "tolerance, file, line, choices) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  row.bind(benchmark)
      .bind(problem.id)
      .bind(problem.domain)
      .bind(problem.level)
      .bind(problem.question)
      .bind(problem.answer);
  row.bind(judge::to_string(problem.answer_type)).bind(problem.source);
  problem.tolerance ? row.bind(*problem.tolerance) : row.bind_null();
  row.bind(problem.file).bind(static_cast<int64_t>(problem.line));
  row.bind_or_null(problem.choices.empty() ? "" : dump_json(problem.choices)).run();
}

std::optional<data::Problem> Pool::problem(std::string_view id, std::string_view benchmark) const {
  auto row = impl_->prepare(fmt::format("{} WHERE p.benchmark = ? AND p.id = ?", kProblemColumns));
  row.bind(benchmark).bind(id);
  if (!row.step()) return std::nullopt;
  return problem_of(row, impl_->database->name());
}

std::vector<data::Problem> Pool::problems() const {
  std::vector<data::Problem> result;
  auto row =
      impl_->prepare(fmt::format("{} WHERE p.benchmark = '' ORDER BY p.position", kProblemColumns));
  while (row.step()) result.push_back(problem_of(row, impl_->database->name()));
  return result;
}

std::vector<data::Problem> Pool::problems_of(int64_t source) const {
  std::vector<data::Problem> result;
  auto row = impl_->prepare(
      fmt::format("{} JOIN source_rows r ON r.problem = p.position WHERE r.source = ? "
                  "ORDER BY r.row_index",
                  kProblemColumns));
  row.bind(source);
  while (row.step()) result.push_back(problem_of(row, impl_->database->name()));
  return result;
}

void Pool::add_model(const ModelRecord& model) {
  if (model.sha256.empty()) impl_->refuse("a model without a hash");
  if (!model.parent_sha256.empty()) impl_->require_model(model.parent_sha256);
  if (!model.stage.empty()) impl_->require_stage(model.stage);
  WriteScope scope(*this, impl_->in_transaction);
  impl_->prepare("INSERT OR IGNORE INTO weights (sha256) VALUES (?)").bind(model.sha256).run();
  for (const ModelRecord& known : models()) {
    if (known.sha256 != model.sha256 || known.name != model.name) continue;
    if (known.parent_sha256 != model.parent_sha256 || known.stage != model.stage) {
      impl_->refuse(fmt::format("model \"{}\" ({}) is already there with another parent or stage",
                                model.name, model.sha256));
    }
    scope.commit();
    return;
  }
  impl_
      ->prepare(
          "INSERT INTO models (sha256, name, parent_sha256, stage, path) VALUES (?, ?, ?, ?, ?)")
      .bind(model.sha256)
      .bind(model.name)
      .bind_or_null(model.parent_sha256)
      .bind_or_null(model.stage)
      .bind(model.path)
      .run();
  scope.commit();
}

std::optional<ModelRecord> Pool::model(std::string_view sha256) const {
  auto row = impl_->prepare(fmt::format("{} WHERE sha256 = ? ORDER BY position", kModelColumns));
  row.bind(sha256);
  if (!row.step()) return std::nullopt;
  return model_of(row);
}

std::optional<ModelRecord> Pool::model_named(std::string_view name) const {
  auto row = impl_->prepare(fmt::format("{} WHERE name = ? ORDER BY position DESC", kModelColumns));
  row.bind(name);
  if (!row.step()) return std::nullopt;
  return model_of(row);
}

std::vector<ModelRecord> Pool::models() const {
  std::vector<ModelRecord> result;
  auto row = impl_->prepare(fmt::format("{} ORDER BY position", kModelColumns));
  while (row.step()) result.push_back(model_of(row));
  return result;
}

}  // namespace ponder::pool
