#include "parquet/metadata.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "parquet/thrift.h"

namespace ponder::parquet {
namespace {

constexpr size_t kMaxSchemaElements = 10000;
constexpr int kMaxSchemaDepth = 32;
// A file of a few bytes may claim any number of rows that are all null.
constexpr uint64_t kMaxRowsPerByte = 10000;

// ConvertedType and LogicalType, as far as they matter here.
enum class Annotation { kNone, kText, kJson, kList, kMap, kUnsigned, kDecimal, kOther };

struct SchemaElement {
  std::string name;
  int32_t type = -1, repetition = 0, num_children = 0;
  Annotation converted = Annotation::kNone, logical = Annotation::kNone;

  Annotation annotation() const { return logical != Annotation::kNone ? logical : converted; }
};

Annotation of_converted_type(int32_t type) {
  switch (type) {
    case 0:  // UTF8
    case 4:  // ENUM
      return Annotation::kText;
    case 1:  // MAP
    case 2:  // MAP_KEY_VALUE
      return Annotation::kMap;
    case 3:
      return Annotation::kList;
    case 5:
      return Annotation::kDecimal;
    case 11:  // UINT_8 to UINT_64
    case 12:
    case 13:
    case 14:
      return Annotation::kUnsigned;
    case 19:
      return Annotation::kJson;
    default:
      return Annotation::kOther;
  }
}

Annotation read_logical_type(ThriftReader& reader) {
  Annotation annotation = Annotation::kNone;
  reader.read_struct([&](int16_t id, ThriftType type) {
    switch (id) {
      case 1:
      case 4:
        annotation = Annotation::kText;
        return false;
      case 2:
        annotation = Annotation::kMap;
        return false;
      case 3:
        annotation = Annotation::kList;
        return false;
      case 5:
        annotation = Annotation::kDecimal;
        return false;
      case 10: {
        if (type != ThriftType::kStruct) return false;
        annotation = Annotation::kOther;
        reader.read_struct([&](int16_t field, ThriftType each) {
          if (field != 2) return false;
          if (!reader.boolean(each)) annotation = Annotation::kUnsigned;
          return true;
        });
        return true;
      }
      case 12:
        annotation = Annotation::kJson;
        return false;
      default:
        annotation = Annotation::kOther;
        return false;
    }
  });
  return annotation;
}

SchemaElement read_schema_element(ThriftReader& reader) {
  SchemaElement element;
  reader.read_struct([&](int16_t id, ThriftType type) {
    switch (id) {
      case 1:
        element.type = reader.integer32(type);
        return true;
      case 3:
        element.repetition = reader.integer32(type);
        return true;
      case 4:
        element.name = std::string(reader.binary(type));
        return true;
      case 5:
        element.num_children = reader.integer32(type);
        return true;
      case 6:
        element.converted = of_converted_type(reader.integer32(type));
        return true;
      case 10:
        if (type != ThriftType::kStruct) return false;
        element.logical = read_logical_type(reader);
        return true;
      default:
        return false;
    }
  });
  return element;
}

// Turns the flat list of elements, each before its children, into leaves with their paths.
class SchemaBuilder {
 public:
  SchemaBuilder(const std::vector<SchemaElement>& elements, const std::string& where)
      : elements_(elements), where_(where) {}

  std::vector<Leaf> build() {
    if (elements_.empty() || elements_[0].num_children <= 0) {
      throw Error(where_, "the schema has no columns");
    }
    next_ = 1;
    children(elements_[0], {}, "", 0);
    if (next_ != elements_.size()) fail("", "the schema has elements that belong to no group");
    return std::move(leaves_);
  }

 private:
  [[noreturn]] void fail(const std::string& column, const std::string& problem,
                         const std::string& advice = "") const {
    throw Error(column.empty() ? where_ : fmt::format("{}, column {}", where_, excerpt(column)),
                problem, advice);
  }

  void children(const SchemaElement& parent, const std::vector<PathStep>& path,
                const std::string& prefix, int depth) {
    if (depth > kMaxSchemaDepth)
      fail(prefix, fmt::format("nested deeper than {}", kMaxSchemaDepth));
    std::set<std::string> names;
    for (int32_t i = 0; i < parent.num_children; ++i) {
      if (next_ >= elements_.size()) fail(prefix, "the schema ends inside a group");
      if (!names.insert(elements_[next_].name).second) {
        fail(prefix, fmt::format("two columns are named \"{}\"", excerpt(elements_[next_].name)));
      }
      node(parent, path, prefix, depth);
    }
  }

  // Whether `element`, the repeated child of a list, is only there to repeat its own child.
  static bool is_wrapper(const SchemaElement& list, const SchemaElement& element) {
    return element.num_children == 1 && element.name != "array" &&
           element.name != list.name + "_tuple";
  }

  void node(const SchemaElement& parent, std::vector<PathStep> path, const std::string& prefix,
            int depth) {
    const SchemaElement& element = elements_[next_++];
    const std::string name = prefix.empty() ? element.name : prefix + "." + element.name;
    if (element.repetition < 0 || element.repetition > 2) fail(name, "unknown repetition");
    PathStep step;
    step.name = element.name;
    step.repetition = static_cast<Repetition>(element.repetition);
    step.definition_level = path.empty() ? 0 : path.back().definition_level;
    step.repetition_level = path.empty() ? 0 : path.back().repetition_level;
    const bool in_list =
        (parent.annotation() == Annotation::kList || parent.annotation() == Annotation::kMap) &&
        !path.empty() && path.back().is_array;
    if (step.repetition == Repetition::kOptional) ++step.definition_level;
    if (step.repetition == Repetition::kRepeated) {
      if (!in_list) {
        // A repeated field on its own is an array of that name.
        PathStep array = step;
        array.is_array = true;
        array.repetition = Repetition::kRequired;
        path.push_back(array);
      }
      step.kind = PathStep::Kind::kElement;
      ++step.definition_level;
      ++step.repetition_level;
    } else if (unwrap_) {
      step.kind = PathStep::Kind::kSame;
    }
    unwrap_ = false;
    if (element.num_children < 0) fail(name, "a negative number of children");
    if (element.num_children > 0) {
      const Annotation annotation = element.annotation();
      const bool repeats =
          element.num_children == 1 && next_ < elements_.size() && elements_[next_].repetition == 2;
      step.is_array =
          (annotation == Annotation::kList || annotation == Annotation::kMap) && repeats;
      const bool wrapper = step.repetition == Repetition::kRepeated && in_list &&
                           parent.annotation() == Annotation::kList && is_wrapper(parent, element);
      step.is_group = !step.is_array && !wrapper;
      unwrap_ = wrapper;
      path.push_back(step);
      children(element, path, name, depth + 1);
      return;
    }
    path.push_back(step);
    leaf(element, name, std::move(path));
  }

  void leaf(const SchemaElement& element, const std::string& name, std::vector<PathStep> path) {
    Leaf leaf;
    leaf.name = name;
    if (element.type < 0 || element.type > 7) fail(name, "a column without a type");
    leaf.type = static_cast<PhysicalType>(element.type);
    leaf.max_definition_level = path.back().definition_level;
    leaf.max_repetition_level = path.back().repetition_level;
    leaf.path = std::move(path);
    const Annotation annotation = element.annotation();
    if (annotation == Annotation::kDecimal) leaf.unread = "columns of type DECIMAL are not read";
    switch (leaf.type) {
      case PhysicalType::kBoolean:
        leaf.kind = ValueKind::kBoolean;
        break;
      case PhysicalType::kInt32:
      case PhysicalType::kInt64:
        leaf.kind = annotation == Annotation::kUnsigned ? ValueKind::kUnsigned : ValueKind::kSigned;
        break;
      case PhysicalType::kFloat:
      case PhysicalType::kDouble:
        leaf.kind = ValueKind::kReal;
        break;
      case PhysicalType::kByteArray:
        leaf.kind = annotation == Annotation::kJson ? ValueKind::kJson : ValueKind::kText;
        break;
      case PhysicalType::kInt96:
      case PhysicalType::kFixedLenByteArray:
        if (leaf.unread.empty())
          leaf.unread = fmt::format("columns of type {} are not read", to_string(leaf.type));
        break;
    }
    leaves_.push_back(std::move(leaf));
  }

  const std::vector<SchemaElement>& elements_;
  const std::string& where_;
  size_t next_ = 0;
  bool unwrap_ = false;
  std::vector<Leaf> leaves_;
};

// A column chunk as the file says it; the caller checks it against the leaf.
ColumnChunk read_column_chunk(ThriftReader& reader, const Leaf& leaf, uint64_t file_bytes) {
  ColumnChunk chunk;
  int32_t type = -1;
  int64_t bytes = -1, data_page = -1, dictionary_page = -1;
  bool elsewhere = false;
  chunk.num_values = -1;
  reader.read_struct([&](int16_t id, ThriftType field) {
    if (id == 1) elsewhere = true;
    if (id != 3 || field != ThriftType::kStruct) return false;
    reader.read_struct([&](int16_t meta, ThriftType each) {
      switch (meta) {
        case 1:
          type = reader.integer32(each);
          return true;
        case 4:
          chunk.codec = reader.integer32(each);
          return true;
        case 5:
          chunk.num_values = reader.integer(each);
          return true;
        case 7:
          bytes = reader.integer(each);
          return true;
        case 9:
          data_page = reader.integer(each);
          return true;
        case 11:
          dictionary_page = reader.integer(each);
          return true;
        default:
          return false;
      }
    });
    return true;
  });
  if (elsewhere) throw ThriftFault{"a column in another file"};
  if (type != static_cast<int32_t>(leaf.type)) {
    throw ThriftFault{fmt::format("type {} in a column of type {}", type, to_string(leaf.type))};
  }
  const int64_t begin =
      dictionary_page > 0 && dictionary_page < data_page ? dictionary_page : data_page;
  if (begin < 4 || bytes < 0 || static_cast<uint64_t>(begin) > file_bytes ||
      static_cast<uint64_t>(bytes) > file_bytes - static_cast<uint64_t>(begin)) {
    throw ThriftFault{
        fmt::format("{} bytes from byte {} of a file of {}", bytes, begin, file_bytes)};
  }
  if (chunk.num_values < 0) throw ThriftFault{"no number of values"};
  chunk.begin = static_cast<uint64_t>(begin);
  chunk.end = chunk.begin + static_cast<uint64_t>(bytes);
  return chunk;
}

}  // namespace

std::string_view to_string(PhysicalType type) {
  constexpr std::string_view kNames[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                         "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
  return kNames[static_cast<size_t>(type)];
}

FileMetadata parse_metadata(std::string_view footer, uint64_t file_bytes,
                            const std::string& where) {
  FileMetadata metadata;
  ThriftReader reader(footer);
  std::string part = "the schema";
  bool schema_seen = false;
  uint64_t rows = 0;
  const auto read_row_group = [&](ThriftType element) {
    if (element != ThriftType::kStruct) throw ThriftFault{"row groups that are none"};
    RowGroup group;
    group.num_rows = -1;
    part = fmt::format("row group {}", metadata.row_groups.size());
    reader.read_struct([&](int16_t id, ThriftType type) {
      if (id == 3) {
        group.num_rows = reader.integer(type);
        return true;
      }
      if (id != 1 || type != ThriftType::kList) return false;
      reader.read_list([&](ThriftType column) {
        const size_t index = group.columns.size();
        if (column != ThriftType::kStruct || index >= metadata.leaves.size()) {
          throw ThriftFault{"more columns than the schema has"};
        }
        part = fmt::format("row group {}, column {}", metadata.row_groups.size(),
                           excerpt(metadata.leaves[index].name));
        group.columns.push_back(read_column_chunk(reader, metadata.leaves[index], file_bytes));
      });
      return true;
    });
    if (group.columns.size() != metadata.leaves.size()) {
      throw ThriftFault{fmt::format("{} columns where the schema has {}", group.columns.size(),
                                    metadata.leaves.size())};
    }
    const uint64_t most = file_bytes * kMaxRowsPerByte;
    if (group.num_rows < 0 || static_cast<uint64_t>(group.num_rows) > most - rows) {
      throw ThriftFault{fmt::format("{} rows in a file of {} bytes", group.num_rows, file_bytes)};
    }
    rows += static_cast<uint64_t>(group.num_rows);
    metadata.row_groups.push_back(std::move(group));
  };
  try {
    reader.read_struct([&](int16_t id, ThriftType type) {
      if (id == 2 && type == ThriftType::kList && !schema_seen) {
        std::vector<SchemaElement> elements;
        reader.read_list([&](ThriftType element) {
          if (element != ThriftType::kStruct) throw ThriftFault{"elements that are none"};
          if (elements.size() >= kMaxSchemaElements) {
            throw ThriftFault{fmt::format("more than {} elements", kMaxSchemaElements)};
          }
          elements.push_back(read_schema_element(reader));
        });
        metadata.leaves = SchemaBuilder(elements, where).build();
        schema_seen = true;
        return true;
      }
      if (id == 4 && type == ThriftType::kList) {
        if (!schema_seen) throw ThriftFault{"row groups before the schema"};
        reader.read_list(read_row_group);
        return true;
      }
      return false;
    });
  } catch (const ThriftEnd&) {
    throw Error(where, fmt::format("the Parquet metadata ends inside {}", part),
                "the file may be cut or damaged");
  } catch (const ThriftFault& fault) {
    throw Error(where,
                fmt::format("the Parquet metadata is broken in {}: {} (byte {} of the metadata)",
                            part, fault.what, reader.position()),
                "the file may be damaged");
  }
  if (!schema_seen) throw Error(where, "the Parquet metadata has no schema");
  return metadata;
}

}  // namespace ponder::parquet
