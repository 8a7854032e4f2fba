#include "pool/sqlite.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"
#include "base/hash.h"

namespace ponder::pool::sqlite {
namespace {

constexpr const char* kInMemory = ":memory:";

std::string percent_encoded(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '-' || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

// SQL's row_sha256(…): the SHA-256 of the types and values of its arguments, in hex.
void row_sha256(sqlite3_context* context, int count, sqlite3_value** values) {
  Sha256 hash;
  const auto add = [&](const void* data, size_t num_bytes) {
    hash.update({static_cast<const char*>(data), num_bytes});
  };
  for (int i = 0; i < count; ++i) {
    const int type = sqlite3_value_type(values[i]);
    add(&type, sizeof type);
    if (type == SQLITE_INTEGER) {
      const sqlite3_int64 value = sqlite3_value_int64(values[i]);
      add(&value, sizeof value);
    } else if (type == SQLITE_FLOAT) {
      double value = sqlite3_value_double(values[i]);
      if (value == 0) value = 0;  // -0 is stored as 0
      add(&value, sizeof value);
    } else if (type != SQLITE_NULL) {
      const void* const data = sqlite3_value_blob(values[i]);  // text: its bytes
      const auto num_bytes = static_cast<uint64_t>(sqlite3_value_bytes(values[i]));
      add(&num_bytes, sizeof num_bytes);
      if (num_bytes > 0) add(data, num_bytes);
    }
  }
  const std::string hex = hash.hex();
  sqlite3_result_text(context, hex.data(), static_cast<int>(hex.size()), SQLITE_TRANSIENT);
}

}  // namespace

Statement::Statement(const Database& database, sqlite3_stmt* statement, bool* in_use)
    : database_(database), statement_(statement), in_use_(in_use) {
  if (in_use_) *in_use_ = true;
}

Statement::~Statement() {
  if (!in_use_) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *in_use_ = false;
}

Statement& Statement::bind(int64_t value) {
  const int code = sqlite3_bind_int64(statement_, next_parameter_++, value);
  if (code != SQLITE_OK) database_.fail(code, "bind");
  return *this;
}

Statement& Statement::bind(double value) {
  const int code = sqlite3_bind_double(statement_, next_parameter_++, value);
  if (code != SQLITE_OK) database_.fail(code, "bind");
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  const int code =
      sqlite3_bind_text64(statement_, next_parameter_++, text.data() ? text.data() : "",
                          text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) database_.fail(code, "bind");
  return *this;
}

Statement& Statement::bind_blob(std::span<const std::byte> bytes) {
  const int code = bytes.empty() ? sqlite3_bind_zeroblob(statement_, next_parameter_++, 0)
                                 : sqlite3_bind_blob64(statement_, next_parameter_++, bytes.data(),
                                                       bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) database_.fail(code, "bind");
  return *this;
}

Statement& Statement::bind_null() {
  const int code = sqlite3_bind_null(statement_, next_parameter_++);
  if (code != SQLITE_OK) database_.fail(code, "bind");
  return *this;
}

Statement& Statement::bind_or_null(const std::string& text) {
  return text.empty() ? bind_null() : bind(text);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_.fail(code, sqlite3_sql(statement_));
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

int64_t Statement::integer(int column, int64_t low, int64_t high) const {
  const int64_t value = integer(column);
  if (value >= low && value <= high) return value;
  throw Error(database_.name(),
              fmt::format("\"{}\" holds {}, expected is a number from {} to {}",
                          sqlite3_column_name(statement_, column), value, low, high),
              "another program has changed the database: restore it from a copy");
}

int Statement::count(int column) const {
  return static_cast<int>(integer(column, 0, std::numeric_limits<int>::max()));
}

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)))
              : std::string();
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  if (!data) return {};
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Database::Database(const std::filesystem::path& file, Access access) : name_(file.string()) {
  const bool write = access == Access::kWrite, frozen = access == Access::kFrozen;
  const int flags = (write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                    (frozen ? SQLITE_OPEN_URI : 0) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  // An absolute path is never taken for a URI ("file:…?…" may be a name), nor for a special name.
  std::string path = file == kInMemory ? file.string() : std::filesystem::absolute(file).string();
  if (frozen) path = "file:" + percent_encoded(path) + "?immutable=1";
  const int code = sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr);
  try {
    if (code != SQLITE_OK) fail(code, "open");
    // Triggers call it, and would not trust a function that is not said to be harmless.
    const int made = sqlite3_create_function_v2(
        handle_, "row_sha256", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, nullptr,
        row_sha256, nullptr, nullptr, nullptr);
    if (made != SQLITE_OK) fail(made, "make the function row_sha256");
    sqlite3_busy_timeout(handle_, 10000);  // ms; a reader may meet a checkpoint
    // Only the writer moves the log into the file.
    if (!write) sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    execute(
        "PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; "
        "PRAGMA trusted_schema = OFF;");
  } catch (...) {
    close();
    throw;
  }
}

Database::Database() : Database(kInMemory, Access::kWrite) {}

std::unique_ptr<Database> Database::copy_of(const Database& other) {
  auto copy = std::make_unique<Database>();
  copy->name_ = other.name_;
  sqlite3_backup* backup = sqlite3_backup_init(copy->handle_, "main", other.handle_, "main");
  if (!backup) copy->fail(sqlite3_errcode(copy->handle_), "copy");
  sqlite3_backup_step(backup, -1);
  const int code = sqlite3_backup_finish(backup);
  if (code != SQLITE_OK) other.fail(code, "copy");
  return copy;
}

Database::~Database() { close(); }

void Database::close() {
  for (auto& [sql, cached] : statements_) sqlite3_finalize(cached.statement);
  statements_.clear();
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Statement Database::prepare(std::string_view sql) const {
  Cached& cached = statements_[std::string(sql)];  // a map's nodes stay where they are
  if (cached.statement && !cached.in_use) return Statement(*this, cached.statement, &cached.in_use);
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  // The same text in use twice at a time: the second is not kept.
  if (cached.statement) return Statement(*this, statement, nullptr);
  cached.statement = statement;
  return Statement(*this, statement, &cached.in_use);
}

void Database::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

int64_t Database::value(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

void Database::limit(std::chrono::milliseconds time) const {
  constexpr int kInstructions = 10000;  // between two looks at the clock: well below a millisecond
  deadline_ = std::chrono::steady_clock::now() + time;
  const auto late = [](void* deadline) {
    return std::chrono::steady_clock::now() >
                   *static_cast<std::chrono::steady_clock::time_point*>(deadline)
               ? 1
               : 0;
  };
  sqlite3_progress_handler(handle_, time.count() > 0 ? kInstructions : 0,
                           time.count() > 0 ? static_cast<int (*)(void*)>(late) : nullptr,
                           &deadline_);
}

void Database::checkpoint() const {
  const int code =
      sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // A reader in the way is no fault: the log stays and the next checkpoint takes it.
  if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY && (code & 0xFF) != SQLITE_LOCKED) {
    fail(code, "checkpoint");
  }
}

void Database::leave_log() const {
  checkpoint();
  sqlite3_busy_timeout(handle_, 0);
  try {
    prepare("PRAGMA journal_mode = DELETE").step();
  } catch (const Error&) {
    // Somebody is looking. Nothing is lost: the next writer goes on with the log there is.
  }
}

void Database::fail(int code, std::string_view doing) const {
  const std::string message = handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  const std::string detail = fmt::format("{} ({}; during: {})", message, code, excerpt(doing, 80));
  switch (code & 0xFF) {
    case SQLITE_FULL:
      throw Error(name_, "the disk is full: " + detail,
                  "free space and run the same command again");
    case SQLITE_IOERR:
      throw Error(name_, "the disk failed: " + detail,
                  "check the disk and run the same command again");
    case SQLITE_CORRUPT:
      throw Error(name_, "the database is damaged: " + detail, "restore it from a copy");
    case SQLITE_NOTADB:
      throw Error(name_, "expected a run database, found another kind of file",
                  "give the folder that `ponder run` or `ponder pool import` made");
    case SQLITE_CANTOPEN:
      throw Error(name_, "cannot be opened: " + detail, "check the path and its permissions");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      throw Error(name_, "cannot be written: " + detail, "check the permissions");
    case SQLITE_INTERRUPT:
      throw Error(name_, "took too long", "ask for less at a time");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(name_, "is locked by another program: " + detail, "wait for it to end");
    default:
      throw Error(name_, detail);
  }
}

}  // namespace ponder::pool::sqlite
