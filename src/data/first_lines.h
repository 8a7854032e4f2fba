// Where texts were seen first, for as many as a file may have: of each 128 bits of hash and a line.
// The newest are in memory; the others lie sorted in an unnamed temporary file, 24 bytes each, with
// 1.25 bytes each in memory that say for nearly all texts that they are not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ponder::data {

class FirstLines {
 public:
  // `in_memory`: texts before the first go to the file; at least 1.
  explicit FirstLines(size_t in_memory = size_t{1} << 19);
  ~FirstLines();

  // The line `text` was added with, if it was. Texts of one `kind` are apart from those of another.
  std::optional<uint64_t> find(char kind, std::string_view text) const;
  // `text` must not have been added before. Throws Error when the temporary file cannot be written.
  void add(char kind, std::string_view text, uint64_t line);

 private:
  struct Entry {
    uint64_t high = 0, low = 0, line = 0;
  };
  struct Run;
  static Entry entry_of(char kind, std::string_view text, uint64_t line);
  void put(const Entry& entry);
  void spill();

  size_t in_memory_, size_ = 0;
  std::vector<Entry> slots_;  // open addressing; line 0 is an empty one
  int file_ = -1;
  uint64_t file_entries_ = 0;
  std::vector<Run> runs_;
};

}  // namespace ponder::data
