#include "parquet/parquet.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/mended_json.h"
#include "parquet/column_reader.h"

namespace ponder::parquet {

// One leaf's way through the current row: which element of each array it stands at.
struct Cursor {
  std::vector<size_t> index;  // per repetition level, from 1
};

namespace {

constexpr uint64_t kMaxFooterBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxRowBytes = JsonRowReader::kMaxLineBytes;
constexpr size_t kMaxRowValues = 1 << 19;

class DiskFile : public RandomAccess {
 public:
  explicit DiskFile(const std::filesystem::path& path) : name_(path.string()) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) {
      throw Error(name_, fmt::format("cannot be read: {}", std::strerror(errno)), "check the path");
    }
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd_);
      throw Error(name_, "expected a file");
    }
    size_ = static_cast<uint64_t>(info.st_size);
  }
  ~DiskFile() override { ::close(fd_); }
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  uint64_t size() const override { return size_; }
  std::string read(uint64_t offset, uint64_t num_bytes) const override {
    std::string bytes(num_bytes, '\0');
    uint64_t used = 0;
    while (used < num_bytes) {
      const ssize_t n =
          ::pread(fd_, bytes.data() + used, num_bytes - used, static_cast<off_t>(offset + used));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        throw Error(name_, fmt::format("reading failed at byte {}: {}", offset + used,
                                       n < 0 ? std::strerror(errno) : "the file became shorter"));
      }
      used += static_cast<uint64_t>(n);
    }
    return bytes;
  }

 private:
  std::string name_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// Why one row cannot be handed out, though the file is whole.
struct RowFault {
  std::string problem;
};

void become(Json& slot, bool array) {
  if (slot.is_null()) slot = array ? Json::array() : Json::object();
}

// Puts one value of `leaf` where its levels say, making objects and arrays on the way.
void place(const Leaf& leaf, Cursor& cursor, int repetition, int definition, Json&& value,
           Json& row) {
  Json* slot = &row;
  for (const PathStep& step : leaf.path) {
    if (step.kind == PathStep::Kind::kField) {
      slot = &(*slot)[step.name];
    } else if (step.kind == PathStep::Kind::kElement && definition >= step.definition_level) {
      const auto level = static_cast<size_t>(step.repetition_level);
      size_t& at = cursor.index[level];
      if (repetition < step.repetition_level) {
        at = 0;
      } else if (repetition == step.repetition_level) {
        ++at;
      }
      if (at > slot->size()) throw RowFault{"columns of one list disagree about its length"};
      if (at == slot->size()) slot->push_back(nullptr);
      slot = &(*slot)[at];
    }
    if (definition < step.definition_level) return;  // null, or an empty list
    if (step.is_array) become(*slot, true);
    if (step.is_group) become(*slot, false);
  }
  *slot = std::move(value);
}

}  // namespace

struct ParquetReader::State {
  std::string name;
  std::unique_ptr<RandomAccess> file;
  FileMetadata metadata;
  size_t next_group = 0;
  int64_t rows_left = 0;  // of the group
  uint64_t line = 0;
  std::vector<std::string> not_read;  // columns without a leaf that is
  std::vector<size_t> leaves;         // that are read
  std::vector<ColumnReader> columns;  // of each of these
  std::vector<Cursor> cursors;

  void open(const ColumnUseOf& use_of) {
    const uint64_t size = file->size();
    const auto expect = [&](bool fine, const std::string& found) {
      if (!fine) throw Error(name, "expected a Parquet file, found " + found, "check the file");
    };
    expect(size >= 12, fmt::format("{} bytes", size));
    const std::string tail = file->read(size - 8, 8);
    expect(file->read(0, 4) == "PAR1", "other first bytes");
    if (tail.ends_with("PARE")) throw Error(name, "encrypted Parquet files are not read");
    expect(tail.ends_with("PAR1"), "an end without PAR1: the file may be cut");
    uint32_t length = 0;
    std::memcpy(&length, tail.data(), 4);
    if (length > size - 12 || length > kMaxFooterBytes) {
      throw Error(name, fmt::format("Parquet metadata of {} bytes in a file of {}", length, size),
                  "the file may be cut or damaged");
    }
    metadata = parse_metadata(file->read(size - 8 - length, length), size - 8 - length, name);
    choose_leaves(use_of);
    for (const size_t leaf : leaves) {
      const auto levels = static_cast<size_t>(metadata.leaves[leaf].max_repetition_level);
      cursors.emplace_back().index.resize(levels + 1);
    }
  }

  void choose_leaves(const ColumnUseOf& use_of) {
    for (size_t i = 0; i < metadata.leaves.size(); ++i) {
      const Leaf& leaf = metadata.leaves[i];
      const ColumnUse use = use_of ? use_of(leaf.column()) : ColumnUse::kNeeded;
      // Of a struct (a turn of messages) the members that are read are enough.
      const bool in_struct =
          std::any_of(leaf.path.begin(), leaf.path.end(), [](const auto& s) { return s.is_group; });
      if (use == ColumnUse::kNeeded && !leaf.unread.empty() && !in_struct) {
        throw Error(fmt::format("{}, column {}", name, excerpt(leaf.name)), leaf.unread,
                    "store it as text or as a double, or leave the column out");
      }
      if (use != ColumnUse::kNone && leaf.unread.empty()) {
        leaves.push_back(i);
      } else if (not_read.empty() || not_read.back() != leaf.column()) {
        not_read.push_back(leaf.column());
      }
    }
  }

  void open_group() {
    const RowGroup& group = metadata.row_groups[next_group++];
    rows_left = group.num_rows;
    columns.clear();
    for (const size_t leaf : leaves)
      columns.emplace_back(*file, metadata.leaves[leaf], group.columns[leaf], name);
  }

  [[noreturn]] void fail(size_t column, const std::string& problem) const {
    const Leaf& leaf = metadata.leaves[leaves[column]];
    throw Error(fmt::format("{}:{}, column {}", name, line, excerpt(leaf.name)), problem,
                "the file may be damaged");
  }

  // The value as JSON.
  static Json json_of(const Leaf& leaf, const Value& value, const std::string& where) {
    switch (leaf.kind) {
      case ValueKind::kBoolean:
        return value.integer != 0;
      case ValueKind::kSigned:
        return value.integer;
      case ValueKind::kUnsigned:
        if (leaf.type == PhysicalType::kInt32) return static_cast<uint32_t>(value.integer);
        return static_cast<uint64_t>(value.integer);
      case ValueKind::kReal:
        return std::isfinite(value.real) ? Json(value.real) : Json();
      case ValueKind::kText:
      case ValueKind::kJson:
        break;
    }
    if (!simdjson::validate_utf8(value.text.data(), value.text.size())) {
      return unreadable_value("bytes that are no UTF-8");
    }
    if (leaf.kind == ValueKind::kText) return std::string(value.text);
    try {
      return parse_json(value.text, where);
    } catch (const Error& error) {
      return unreadable_value(error.problem());
    }
  }

  // Takes all values of the row, also when one of them is at fault, so that the next row begins
  // where it should. Throws RowFault after the last.
  Json read_row() {
    const std::string where = fmt::format("{}:{}", name, line);
    Json row = Json::object();
    std::string problem;
    uint64_t bytes = 0;
    size_t values = 0;
    for (size_t i = 0; i < columns.size(); ++i) {
      const Leaf& leaf = metadata.leaves[leaves[i]];
      ColumnReader& column = columns[i];
      if (!column.more()) fail(i, "the column has fewer rows than the others");
      if (column.repetition_level() != 0) fail(i, "a row that begins inside a list");
      do {
        Value value;
        int definition = 0;
        const int repetition = column.repetition_level();
        column.next(value, definition);
        const bool there = definition == leaf.max_definition_level;
        bytes += value.text.size();
        if (problem.empty() && bytes > kMaxRowBytes) {
          problem = fmt::format("a row of more than {} bytes", kMaxRowBytes);
        }
        if (problem.empty() && ++values > kMaxRowValues) {
          problem = fmt::format("a row of more than {} values", kMaxRowValues);
        }
        if (!problem.empty()) {
          row = nullptr;
          continue;
        }
        try {
          place(leaf, cursors[i], repetition, definition,
                there ? json_of(leaf, value, where) : Json(), row);
        } catch (const RowFault& fault) {
          problem = fault.problem;
        }
      } while (column.more() && column.repetition_level() > 0);
    }
    if (!problem.empty()) throw RowFault{problem};
    for (const std::string& column : not_read) row.emplace(column, nullptr);
    return row;
  }
};

bool is_parquet(const std::filesystem::path& file) {
  std::error_code error;
  if (file == "-" || !std::filesystem::is_regular_file(file, error)) return false;
  char head[4] = {};
  std::ifstream(file, std::ios::binary).read(head, sizeof head);
  return std::string_view(head, 4) == "PAR1";
}

ParquetReader::ParquetReader(const std::filesystem::path& file, const ColumnUseOf& use)
    : ParquetReader(std::make_unique<DiskFile>(file), file.string(), use) {}

ParquetReader::ParquetReader(std::unique_ptr<RandomAccess> file, std::string name,
                             const ColumnUseOf& use)
    : state_(std::make_unique<State>()) {
  state_->file = std::move(file);
  state_->name = std::move(name);
  state_->open(use);
}

ParquetReader::~ParquetReader() = default;

const std::string& ParquetReader::name() const { return state_->name; }

bool ParquetReader::next(JsonRow& row, const JsonRowReader::OnBad& on_bad) {
  State& s = *state_;
  row.value = nullptr;
  for (;;) {
    while (s.rows_left == 0) {
      for (size_t i = 0; i < s.columns.size(); ++i) {
        if (s.columns[i].more()) s.fail(i, "the column has more rows than its group");
      }
      if (s.next_group == s.metadata.row_groups.size()) return false;
      s.open_group();
    }
    --s.rows_left;
    ++s.line;
    try {
      row.value = s.read_row();
      row.line = s.line;
      row.byte_offset = 0;
      return true;
    } catch (const RowFault& fault) {
      if (!on_bad) throw Error(fmt::format("{}:{}", s.name, s.line), fault.problem);
      on_bad(s.line, 0, fault.problem);
    }
  }
}

}  // namespace ponder::parquet
