#include "arrow/arrow.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "arrow/column.h"
#include "base/error.h"
#include "base/unpack.h"

namespace ponder::arrow {
namespace {

constexpr std::string_view kFileMagic("ARROW1\0\0", 8);
constexpr uint32_t kContinuation = 0xFFFFFFFF;
constexpr uint64_t kMaxMetadataBytes = uint64_t{64} << 20;
constexpr uint64_t kStepBytes = uint64_t{1} << 20;
// A batch of a few bytes may claim any number of rows that are all null.
constexpr uint64_t kMaxRowsPerByte = 10000;
constexpr uint64_t kMaxDictionaryBytes = uint64_t{1} << 30, kMaxDictionaryValues = 1 << 24;

}  // namespace

bool is_arrow(std::string_view beginning) {
  if (beginning.substr(0, kFileMagic.size()) == kFileMagic) return true;
  if (beginning.size() < 8 || number_at<uint32_t>(beginning, 0) != kContinuation) return false;
  return number_at<uint32_t>(beginning, 4) <= kMaxMetadataBytes;
}

struct ArrowReader::State {
  std::string name;
  std::unique_ptr<ByteSource> source;
  uint64_t offset = 0;  // of what is read next
  std::vector<Field> fields;
  std::vector<bool> wanted;  // of each field
  Dictionaries dictionaries;
  Message message;  // of the batch whose rows are handed out
  std::string body;
  std::optional<BatchColumns> batch;
  uint64_t row_in_batch = 0, line = 0;
  bool at_end = false;

  [[noreturn]] void fail(const std::string& problem,
                         const std::string& advice = "the file may be damaged") const {
    throw Error(name, fmt::format("{} (Arrow message before byte {})", problem, offset), advice);
  }

  // So many bytes, or fewer at the end of the data.
  std::string read(uint64_t num_bytes) {
    std::string bytes;
    while (bytes.size() < num_bytes) {
      const size_t used = bytes.size(), step = std::min(num_bytes - used, kStepBytes);
      bytes.resize(used + step);
      const size_t n = source->read(bytes.data() + used, step);
      bytes.resize(used + n);
      if (n == 0) break;
    }
    offset += bytes.size();
    return bytes;
  }
  std::string read_whole(uint64_t num_bytes) {
    std::string bytes = read(num_bytes);
    if (bytes.size() < num_bytes) fail("the data ends inside a message", "the file may be cut");
    return bytes;
  }

  void open(const ColumnUseOf& use) {
    std::string head = read_whole(8);
    const bool is_file = head == kFileMagic;
    if (!is_arrow(head)) fail("no Arrow data");
    if (is_file) head = read_whole(8);
    Message schema = parse(head);
    if (schema.kind != Message::Kind::kSchema) fail("the schema is not the first message");
    fields = std::move(schema.fields);
    std::set<std::string> names;
    for (const Field& field : fields) {
      if (!names.insert(field.name).second)
        throw Error(name, fmt::format("two columns are named \"{}\"", excerpt(field.name)));
      const ColumnUse chosen = use ? use(field.name) : ColumnUse::kNeeded;
      if (chosen == ColumnUse::kNeeded && !field.unread.empty()) {
        throw Error(fmt::format("{}, column {}", name, excerpt(field.name)), field.unread,
                    "store it as text or as a double, or leave the column out");
      }
      wanted.push_back(chosen != ColumnUse::kNone && field.unread.empty());
    }
  }

  // The message behind its 8 bytes of head.
  Message parse(std::string_view head) {
    const auto length = number_at<uint32_t>(head, 4);
    if (number_at<uint32_t>(head, 0) != kContinuation || length > kMaxMetadataBytes)
      fail("no message where one should begin");
    const std::string metadata = read_whole(length);
    try {
      return parse_message(metadata);
    } catch (const FlatbufferFault& fault) {
      fail("a broken message: " + fault.what);
    }
  }

  // The next batch of rows; false at the end.
  bool next_batch() {
    batch.reset();
    while (!at_end) {
      const std::string head = read(8);
      if (head.empty() || head == std::string("\xFF\xFF\xFF\xFF\0\0\0\0", 8)) {
        at_end = true;  // behind it a file has its index
        break;
      }
      if (head.size() < 8) fail("the data ends inside a message", "the file may be cut");
      message = parse(head);
      body = read_whole(message.body_bytes);
      const uint64_t most = (body.size() + kFileMagic.size()) * kMaxRowsPerByte;
      if (message.batch.num_rows > most)
        fail(fmt::format("{} rows in {} bytes", message.batch.num_rows, body.size()));
      try {
        if (message.kind == Message::Kind::kDictionary) take_dictionary();
        if (message.kind != Message::Kind::kBatch) continue;
        batch.emplace(fields, wanted, message, body);
        row_in_batch = 0;
        return true;
      } catch (const FlatbufferFault& fault) {
        fail("a broken batch: " + fault.what);
      } catch (const UnpackFault& fault) {
        fail(fault.what);
      }
    }
    return false;
  }

  // The field whose values the dictionary has, where it is wanted.
  const Field* field_of(int64_t id) const {
    for (size_t i = 0; i < fields.size(); ++i) {
      const Field* found = wanted[i] ? field_within(fields[i], id) : nullptr;
      if (found) return found->unread.empty() ? found : nullptr;
    }
    return nullptr;
  }
  static const Field* field_within(const Field& field, int64_t id) {
    if (field.dictionary == id) return &field;
    for (const Field& child : field.children) {
      if (const Field* found = field_within(child, id)) return found;
    }
    return nullptr;
  }

  void take_dictionary() {
    const Field* user = field_of(message.dictionary);
    if (!user) return;
    std::vector<Field> values = {*user};
    values[0].dictionary.reset();
    const BatchColumns columns(values, {true}, message, body);
    std::vector<Json>& known = dictionaries[message.dictionary];
    if (!message.is_delta) known.clear();
    RowBudget budget = {.bytes = kMaxDictionaryBytes, .values = kMaxDictionaryValues};
    for (uint64_t i = 0; i < message.batch.num_rows; ++i) {
      try {
        known.push_back(columns.columns()[0].value(i, dictionaries, budget));
      } catch (const RowFault&) {
        throw FlatbufferFault{"a dictionary that is too large"};
      }
    }
  }

  // Throws RowFault.
  Json read_row() {
    Json row = Json::object();
    RowBudget budget;
    const uint64_t i = row_in_batch++;
    try {
      for (size_t c = 0; c < fields.size(); ++c) {
        row[fields[c].name] =
            wanted[c] ? batch->columns()[c].value(i, dictionaries, budget) : Json();
      }
    } catch (const FlatbufferFault& fault) {
      throw Error(fmt::format("{}:{}", name, line), fault.what, "the file may be damaged");
    }
    return row;
  }
};

ArrowReader::ArrowReader(const std::filesystem::path& file, const ColumnUseOf& use)
    : ArrowReader(ByteSource::open(file), file == "-" ? "standard input" : file.string(), use) {}

ArrowReader::ArrowReader(std::unique_ptr<ByteSource> bytes, std::string name,
                         const ColumnUseOf& use)
    : state_(std::make_unique<State>()) {
  state_->name = std::move(name);
  state_->source = std::move(bytes);
  state_->open(use);
}

ArrowReader::~ArrowReader() = default;

const std::string& ArrowReader::name() const { return state_->name; }

bool ArrowReader::next(JsonRow& row, const JsonRowReader::OnBad& on_bad) {
  State& s = *state_;
  row.value = nullptr;
  for (;;) {
    while (!s.batch || s.row_in_batch >= s.message.batch.num_rows) {
      if (!s.next_batch()) return false;
    }
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

}  // namespace ponder::arrow
