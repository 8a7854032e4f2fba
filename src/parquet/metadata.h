// What a Parquet file says about itself: the tree of its columns, and where their pages are.
// Internal to this folder. Source: parquet-format, src/main/thrift/parquet.thrift and
// LogicalTypes.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::parquet {

enum class PhysicalType : int32_t {
  kBoolean = 0,
  kInt32 = 1,
  kInt64 = 2,
  kInt96 = 3,
  kFloat = 4,
  kDouble = 5,
  kByteArray = 6,
  kFixedLenByteArray = 7,
};
std::string_view to_string(PhysicalType type);

enum class Repetition : int32_t { kRequired = 0, kOptional = 1, kRepeated = 2 };

// What a leaf's values become.
enum class ValueKind { kBoolean, kSigned, kUnsigned, kReal, kText, kJson };

// One step on the way from the row to a leaf's value.
struct PathStep {
  enum class Kind {
    kField,    // the member `name` of an object
    kElement,  // an element of the array that stands here
    kSame,     // the only child of a list's repeated group: the element itself
  };
  Kind kind = Kind::kField;
  std::string name;
  bool is_group = false;  // an object stands here, unless the next step makes it an array
  bool is_array = false;  // an array stands here
  Repetition repetition = Repetition::kRequired;
  int definition_level = 0, repetition_level = 0;  // once this step is there
};

struct Leaf {
  std::string name;  // dotted, for messages
  PhysicalType type = PhysicalType::kByteArray;
  ValueKind kind = ValueKind::kText;
  std::vector<PathStep> path;
  int max_definition_level = 0, max_repetition_level = 0;
  std::string unread;  // why its type is not read, "" where it is

  const std::string& column() const { return path.front().name; }  // at the top of the schema
};

struct ColumnChunk {
  int32_t codec = 0;
  int64_t num_values = 0;
  uint64_t begin = 0, end = 0;  // bytes of the file
};

struct RowGroup {
  int64_t num_rows = 0;
  std::vector<ColumnChunk> columns;  // one per leaf
};

struct FileMetadata {
  std::vector<Leaf> leaves;
  std::vector<RowGroup> row_groups;
};

// `footer`: the Thrift bytes. Throws Error naming `where` and the column: lengths beyond the file,
// a schema deeper than 32 or of more than 10,000 elements, two columns of one name.
FileMetadata parse_metadata(std::string_view footer, uint64_t file_bytes, const std::string& where);

}  // namespace ponder::parquet
