#include "teach/teacher_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/error.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

using pool::sqlite::Database;
using pool::sqlite::Statement;

constexpr int64_t kFormat = 2;
constexpr int64_t kHeldBytes = int64_t{16} << 20;
constexpr int64_t kCommitsToCheckpoint = 512;

constexpr const char* kSchema = R"sql(
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE requests (
  key TEXT PRIMARY KEY,
  problem_id TEXT NOT NULL,
  sample INTEGER NOT NULL,
  ask INTEGER NOT NULL,
  max_tokens INTEGER NOT NULL,
  worst INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'done', 'failed', 'written')),
  error TEXT) STRICT;
CREATE TABLE attempts (
  id INTEGER PRIMARY KEY,
  request TEXT NOT NULL REFERENCES requests (key),
  ask INTEGER NOT NULL,
  server TEXT NOT NULL,
  began TEXT NOT NULL,
  ended TEXT,
  state TEXT NOT NULL CHECK (state IN ('sent', 'done', 'failed', 'unknown')),
  error TEXT,
  worst INTEGER NOT NULL,
  possible INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX attempts_sent ON attempts (request) WHERE state = 'sent';
CREATE TABLE responses (
  request TEXT NOT NULL REFERENCES requests (key),
  ask INTEGER NOT NULL,
  attempt INTEGER REFERENCES attempts (id),
  max_tokens INTEGER NOT NULL,
  text TEXT NOT NULL,
  thought TEXT NOT NULL,
  refusal TEXT NOT NULL,
  finish TEXT NOT NULL,
  prompt_tokens INTEGER,
  cached_tokens INTEGER,
  completion_tokens INTEGER,
  reasoning_tokens INTEGER,
  certain INTEGER NOT NULL,
  possible INTEGER NOT NULL,
  currency TEXT,
  response_id TEXT,
  model TEXT,
  fingerprint TEXT,
  came TEXT NOT NULL,
  came_from TEXT NOT NULL,
  PRIMARY KEY (request, ask)) STRICT;
)sql";

// Of format 2.
constexpr const char* kBatchSchema = R"sql(
CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  service TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('prepared', 'uploaded', 'ordering', 'ordered', 'read')),
  lines INTEGER NOT NULL,
  file_id TEXT,
  batch_id TEXT,
  status TEXT,
  made TEXT NOT NULL,
  changed TEXT NOT NULL) STRICT;
CREATE TABLE batch_lines (
  batch TEXT NOT NULL REFERENCES batches (name),
  request TEXT NOT NULL REFERENCES requests (key),
  ask INTEGER NOT NULL,
  PRIMARY KEY (batch, request)) STRICT;
)sql";

constexpr const char* kNow = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

constexpr std::array<const char*, 5> kStates = {"queued", "sent", "done", "failed", "written"};

RequestState state_named(const std::string& name, const std::string& file) {
  for (size_t i = 0; i < kStates.size(); ++i)
    if (name == kStates[i]) return static_cast<RequestState>(i);
  throw Error(file, fmt::format("a request has the state \"{}\"", excerpt(name)),
              "another program has changed the database: restore it from a copy");
}

StoredAnswer answer_in(const Statement& row) {
  StoredAnswer stored;
  stored.key = row.text(0);
  stored.ask = row.count(1);
  stored.max_tokens = row.integer(2);
  fleet::Answer& answer = stored.answer;
  answer.text = row.text(3);
  answer.thought = row.text(4);
  answer.refusal = row.text(5);
  answer.finish = row.text(6);
  if (!row.is_null(7))
    answer.usage =
        fleet::TokenUsage{row.integer(7), row.integer(9), row.integer(8), row.integer(10)};
  stored.certain = row.integer(11);
  stored.possible = row.integer(12);
  stored.currency = row.text(13);
  answer.id = row.text(14);
  answer.model = row.text(15);
  answer.fingerprint = row.text(16);
  stored.came = row.text(17);
  stored.from = row.text(18);
  return stored;
}

constexpr const char* kAnswerColumns =
    "SELECT a.request, a.ask, a.max_tokens, a.text, a.thought, a.refusal, a.finish, "
    "a.prompt_tokens, a.cached_tokens, a.completion_tokens, a.reasoning_tokens, a.certain, "
    "a.possible, a.currency, a.response_id, a.model, a.fingerprint, a.came, a.came_from "
    "FROM responses a ";

bool is_full(const Error& error) { return error.problem().starts_with("the disk is full"); }

// Where no file can be made beside it, it is read as it stands.
std::unique_ptr<Database> opened_to_look(const fs::path& file) {
  try {
    auto database = std::make_unique<Database>(file, Database::Access::kRead);
    database->value("SELECT count(*) FROM sqlite_master");
    return database;
  } catch (const Error&) {
    return std::make_unique<Database>(file, Database::Access::kFrozen);
  }
}

}  // namespace

TeacherStore::TeacherStore(const fs::path& file, Use use)
    : file_(file), held_(file.string() + ".space") {
  if (use == Use::kLook) {
    database_ = opened_to_look(file);
    check_format();
    return;
  }
  lock_ = std::make_unique<LockFile>(file.string() + ".lock");
  database_ = std::make_unique<Database>(file, Database::Access::kWrite);
  database_->prepare("PRAGMA journal_mode = WAL").step();
  const bool fresh = database_->value("SELECT count(*) FROM sqlite_master") == 0;
  if (fresh) {
    database_->execute(
        fmt::format("BEGIN IMMEDIATE; {} {} INSERT INTO about VALUES ('format', '{}'); "
                    "COMMIT;",
                    kSchema, kBatchSchema, kFormat));
  }
  if (check_format() == 1) {
    database_->execute(
        fmt::format("BEGIN IMMEDIATE; {} UPDATE about SET value = '{}' WHERE key = 'format'; "
                    "COMMIT;",
                    kBatchSchema, kFormat));
  }
  // What a kill ended: nobody knows whether it was answered, and paid for.
  database_->execute(fmt::format(
      "BEGIN IMMEDIATE;"
      "UPDATE attempts SET state = 'unknown', possible = worst, ended = {} WHERE state = 'sent';"
      "UPDATE requests SET state = 'queued' WHERE state = 'sent'; COMMIT;",
      kNow));
  hold_space();
}

int64_t TeacherStore::check_format() const {
  if (database_->value("SELECT count(*) FROM sqlite_master WHERE name = 'about'") == 0)
    throw Error(file_.string(), "is no database of a teacher's answers", "choose another --out");
  const int64_t format =
      database_->value("SELECT CAST(value AS INTEGER) FROM about WHERE key = 'format'");
  if (format != 1 && format != kFormat)
    throw Error(file_.string(), fmt::format("has format {}, expected {}", format, kFormat),
                "it was made by another version of ponder");
  return format;
}

TeacherStore::~TeacherStore() {
  if (!may_write()) return;
  try {
    database_->leave_log();
  } catch (const Error&) {
    // The next one goes on with the log there is.
  }
  std::error_code ignored;
  fs::remove(held_, ignored);
  fs::remove(file_.string() + ".lock", ignored);  // while it is ours
}

// Kept free for answers that are on their way when the disk becomes full.
void TeacherStore::hold_space() {
  const int fd = ::open(held_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) throw_errno(held_, "make");
  const int code = ::posix_fallocate(fd, 0, kHeldBytes);
  ::close(fd);
  if (code == 0) return;
  std::error_code ignored;
  fs::remove(held_, ignored);
  errno = code;
  throw_errno(held_, "hold space for answers");
}

bool TeacherStore::has_requests() const {
  return database_->value("SELECT EXISTS (SELECT 1 FROM requests)") != 0;
}

Json TeacherStore::job() const {
  Statement row = database_->prepare("SELECT value FROM about WHERE key = 'job'");
  return row.step() ? parse_json(row.text(0), file_.string()) : Json();
}

void TeacherStore::set_job(const Json& job) {
  database_->prepare("INSERT OR REPLACE INTO about VALUES ('job', ?)").bind(dump_json(job)).run();
}

std::string TeacherStore::again() const {
  Statement row = database_->prepare("SELECT value FROM about WHERE key = 'again'");
  return row.step() ? row.text(0) : "";
}

void TeacherStore::set_again(const std::string& reasons) {
  pending_.push_back([this, reasons] {
    database_->prepare("INSERT OR REPLACE INTO about VALUES ('again', ?)").bind(reasons).run();
  });
}

void TeacherStore::set_report(const Json& report) {
  pending_.push_back([this, text = dump_json(report)] {
    database_->prepare("INSERT OR REPLACE INTO about VALUES ('report', ?)").bind(text).run();
  });
}

void TeacherStore::visit_requests(const std::function<void(const StoredRequest&)>& visit) const {
  Statement row = database_->prepare(
      "SELECT key, problem_id, sample, ask, max_tokens, worst, state, error FROM requests");
  while (row.step()) {
    StoredRequest request;
    request.key = row.text(0);
    request.problem_id = row.text(1);
    request.sample = row.count(2);
    request.ask = row.count(3);
    request.max_tokens = row.integer(4);
    request.worst = row.integer(5);
    request.state = state_named(row.text(6), file_.string());
    request.error = row.text(7);
    visit(request);
  }
}

void TeacherStore::visit_answers(const std::function<void(const StoredAnswer&)>& visit) const {
  Statement row = database_->prepare(std::string(kAnswerColumns) +
                                     "JOIN requests r ON a.request = r.key AND a.ask = r.ask");
  while (row.step()) visit(answer_in(row));
}

std::optional<StoredAnswer> TeacherStore::answer_of(const std::string& key, int ask) const {
  Statement row = database_->prepare(std::string(kAnswerColumns) + "WHERE request = ? AND ask = ?");
  row.bind(key).bind(ask);
  if (!row.step()) return std::nullopt;
  return answer_in(row);
}

Ledger TeacherStore::ledger() const {
  Ledger ledger;
  {
    Statement row = database_->prepare(
        "SELECT count(*), total(prompt_tokens), total(cached_tokens), total(completion_tokens), "
        "total(reasoning_tokens), ifnull(sum(certain), 0), ifnull(sum(possible), 0) FROM "
        "responses");
    row.step();
    ledger.answers = row.integer(0);
    ledger.prompt_tokens = row.integer(1);
    ledger.cached_tokens = row.integer(2);
    ledger.completion_tokens = row.integer(3);
    ledger.reasoning_tokens = row.integer(4);
    ledger.certain = row.integer(5);
    ledger.possible = row.integer(6);
  }
  Statement row = database_->prepare(
      "SELECT count(*), total(state = 'unknown'), ifnull(sum(possible), 0) FROM attempts");
  row.step();
  ledger.attempts = row.integer(0);
  ledger.unknown = row.integer(1);
  ledger.possible += row.integer(2);
  ledger.written =
      database_->value("SELECT ifnull(sum(worst), 0) FROM requests WHERE state = 'written'");
  return ledger;
}

void TeacherStore::put(const StoredRequest& request) {
  pending_.push_back([this, request] {
    database_
        ->prepare(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "ask = excluded.ask, max_tokens = excluded.max_tokens, worst = excluded.worst, state = "
            "excluded.state, error = excluded.error")
        .bind(request.key)
        .bind(request.problem_id)
        .bind(request.sample)
        .bind(request.ask)
        .bind(request.max_tokens)
        .bind(request.worst)
        .bind(kStates[static_cast<size_t>(request.state)])
        .bind_or_null(request.error)
        .run();
  });
}

void TeacherStore::attempt(const StoredRequest& request, const std::string& server) {
  put(request);
  pending_.push_back([this, request, server] {
    database_
        ->prepare(fmt::format("INSERT INTO attempts (request, ask, server, began, state, worst) "
                              "VALUES (?, ?, ?, {}, 'sent', ?)",
                              kNow))
        .bind(request.key)
        .bind(request.ask)
        .bind(server)
        .bind(request.worst)
        .run();
  });
}

void TeacherStore::attempt_failed(const std::string& key, const std::string& error,
                                  Units possible) {
  pending_.push_back([this, key, error, possible] {
    database_
        ->prepare(fmt::format("UPDATE attempts SET state = 'failed', ended = {}, error = ?, "
                              "possible = ? WHERE request = ? AND state = 'sent'",
                              kNow))
        .bind(error)
        .bind(possible)
        .bind(key)
        .run();
  });
}

void TeacherStore::answer(const StoredAnswer& stored) {
  pending_.push_back([this, stored] {
    const fleet::Answer& answer = stored.answer;
    Statement row = database_->prepare(fmt::format(
        "INSERT INTO responses VALUES (?, ?, (SELECT max(id) FROM attempts WHERE request = ? AND "
        "state = 'sent'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {}, ?)",
        kNow));
    row.bind(stored.key).bind(stored.ask).bind(stored.key).bind(stored.max_tokens);
    row.bind(answer.text).bind(answer.thought).bind(answer.refusal).bind(answer.finish);
    for (const auto member : {&fleet::TokenUsage::prompt, &fleet::TokenUsage::cached,
                              &fleet::TokenUsage::completion, &fleet::TokenUsage::reasoning}) {
      if (answer.usage)
        row.bind((*answer.usage).*member);
      else
        row.bind_null();
    }
    row.bind(stored.certain).bind(stored.possible).bind_or_null(stored.currency);
    row.bind_or_null(answer.id).bind_or_null(answer.model).bind_or_null(answer.fingerprint);
    row.bind(stored.from).run();
    database_
        ->prepare(fmt::format("UPDATE attempts SET state = 'done', ended = {} WHERE request = ? "
                              "AND state = 'sent'",
                              kNow))
        .bind(stored.key)
        .run();
    database_->prepare("UPDATE requests SET state = 'done', error = NULL WHERE key = ?")
        .bind(stored.key)
        .run();
  });
}

void TeacherStore::keep() {
  if (pending_.empty()) return;
  try {
    write_pending();
  } catch (const Error& error) {
    std::error_code none;
    if (!is_full(error) || !fs::remove(held_, none)) throw;
    write_pending();
    pending_.clear();
    throw Error(ErrorKind::kBusy, file_.string(),
                "the disk is full; every answer that came is kept",
                "free space and repeat the command: it goes on from there");
  }
  pending_.clear();
  if (++commits_ % kCommitsToCheckpoint == 0) database_->checkpoint();
}

void TeacherStore::write_pending() {
  database_->execute("BEGIN IMMEDIATE");
  try {
    for (const std::function<void()>& write : pending_) write();
    database_->execute("COMMIT");
  } catch (...) {
    try {
      database_->execute("ROLLBACK");
    } catch (const Error&) {
      // SQLite has rolled back already.
    }
    throw;
  }
}

}  // namespace ponder::teach
