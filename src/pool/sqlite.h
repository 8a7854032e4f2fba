// A thin layer over SQLite's C API: statements with typed binds and columns, and the one place
// where its status codes become Error. For those who keep a database; run.db is reached through pool.h.
// https://www.sqlite.org/c3ref/intro.html
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ponder::pool::sqlite {

class Database;

// A prepared statement in use; goes back to the database's cache when it ends. Parameters and
// columns count from 0, in the order of the text.
class Statement {
 public:
  Statement(const Database& database, sqlite3_stmt* statement, bool* in_use);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int64_t value);
  Statement& bind(int value) { return bind(int64_t{value}); }
  Statement& bind(bool value) { return bind(int64_t{value}); }
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(const char* text) { return bind(std::string_view(text)); }
  Statement& bind_blob(std::span<const std::byte> bytes);
  Statement& bind_null();
  Statement& bind_or_null(const std::string& text);  // "" becomes NULL

  bool step();  // false when done
  void run();   // for statements without rows

  bool is_null(int column) const;
  int64_t integer(int column) const;
  int64_t integer(int column, int64_t low, int64_t high) const;  // Error where it is none of these
  int count(int column) const;                                   // the same, of 0 to 2^31 - 1
  double real(int column) const;
  std::string text(int column) const;                 // "" for NULL
  std::span<const std::byte> blob(int column) const;  // until the next step

 private:
  const Database& database_;
  sqlite3_stmt* statement_;
  bool* in_use_;  // of the cache entry; null when the statement is not from the cache
  int next_parameter_ = 1;
};

// Its SQL has one function more, row_sha256(value, …): a hash, in hex, of types and values.
class Database {
 public:
  // kFrozen: nobody writes the file, nor can: it is read as it stands, without the files that a
  // write-ahead log needs beside it, where none can be made.
  enum class Access { kWrite, kRead, kFrozen };
  Database(const std::filesystem::path& file, Access access);
  Database();  // in memory, empty
  // In memory, with what `other` holds; keeps its name.
  static std::unique_ptr<Database> copy_of(const Database& other);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Prepared once and kept.
  Statement prepare(std::string_view sql) const;
  void execute(const std::string& sql) const;  // any number of statements without parameters
  int64_t value(std::string_view sql) const;   // the first column of the first row
  // Statements that are at work once this time has passed end in an Error; zero: no limit.
  void limit(std::chrono::milliseconds time) const;
  int64_t changes() const { return sqlite3_changes64(handle_); }
  // Moves the whole write-ahead log into the file as far as readers allow.
  void checkpoint() const;
  // The same, and the file is by itself again, readable where nothing can be written. Nothing
  // happens while others read it.
  void leave_log() const;

  const std::string& name() const { return name_; }
  // Throws the Error for a status code; never returns.
  [[noreturn]] void fail(int code, std::string_view doing) const;

 private:
  struct Cached {
    sqlite3_stmt* statement = nullptr;
    bool in_use = false;
  };
  void close();

  std::string name_;
  sqlite3* handle_ = nullptr;
  mutable std::chrono::steady_clock::time_point deadline_{};
  mutable std::unordered_map<std::string, Cached> statements_;
};

}  // namespace ponder::pool::sqlite
