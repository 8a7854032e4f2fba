// Reads one table of a recipe key by key: types and ranges are checked, what was read (with its
// default) is written into a resolved table, and keys nobody asked for are errors. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

namespace ponder::pipeline {

inline constexpr int kMaxKeyParts = 1000;

// Parses a text named `where` (a file, a flag). Throws Error with line and column; also for a text
// of more than a mebibyte or keys of more than kMaxKeyParts, which the parser's recursion would
// not survive.
toml::table parse_toml(std::string_view text, const std::string& where);

class TomlSection {
 public:
  // `table` may be null: then every key takes its default. `path` is the dotted path, "" at the
  // root.
  TomlSection(const toml::table* table, toml::table& resolved, std::string file, std::string path);

  // Whether a key stands here that may, and is read only where it does.
  bool has(std::string_view key);
  bool given(const char* key) { return has(key); }
  bool is_list(const char* key) const;
  int64_t integer(const char* key, int64_t fallback, int64_t low, int64_t high);
  double number(const char* key, double fallback, double low, double high);
  bool boolean(const char* key, bool fallback);
  std::string text(const char* key, std::string_view fallback);
  std::string choice(const char* key, std::string_view fallback,
                     std::initializer_list<std::string_view> allowed);
  // What becomes part of file names and of other names: letters, digits, '.', '_' and '-', at most
  // 64, the first a letter or digit.
  void check_name(const char* key, std::string_view name) const;
  // A string, or an array of strings.
  std::vector<std::string> texts(const char* key);
  // A string, number or boolean, or an array of these, each as text.
  std::vector<std::string> words(const char* key);
  // Two integers [low, high], or one for both, from `lowest` to `highest`.
  void range(const char* key, int64_t& low, int64_t& high, int64_t lowest, int64_t highest);
  // Two different numbers [low, high] from `lowest` to `highest`.
  void band(const char* key, double& low, double& high, double lowest, double highest);
  // A nested table (absent: all defaults) and an array of tables (absent: none).
  TomlSection section(const char* key);
  std::vector<TomlSection> sections(const char* key);

  // What stands here, in the file's order, and whether it is a table.
  std::vector<std::string> keys() const;
  bool is_table(std::string_view key) const;

  // Throws Error for the first key that was never read, naming the one that was likely meant: the
  // nearest, ours for another program's name, or one of another section; else all that may stand here.
  void finish() const;
  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         const std::string& advice = "") const;

 private:
  const toml::node* find(std::string_view key);
  std::string meant_by(std::string_view key) const;
  std::string where(std::string_view key) const;

  const toml::table* table_;
  toml::table* resolved_;
  std::string file_, path_;
  std::vector<std::string> known_;
};

}  // namespace ponder::pipeline
