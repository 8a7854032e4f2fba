#include "data/csv_reader.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace ponder::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kCsvChunk = 1 << 16;

std::string_view first_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

char separator_of(std::string_view header) {
  return header.find('\t') != header.npos && header.find(',') == header.npos ? '\t' : ',';
}

}  // namespace

bool is_csv(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::string_view header = trimmed(first_line(text), "\r");
  // A row of JSON that has lost its beginning has braces on its line or the next.
  if (is_blank(text) || trimmed(text).starts_with('{') || header.starts_with('[') ||
      header.find_first_of("{}") != header.npos)
    return false;
  std::set<std::string_view> names;
  const char separator = separator_of(header);
  for (size_t begin = 0; begin <= header.size();) {
    const size_t end = std::min(header.find(separator, begin), header.size());
    const std::string_view name = trimmed(header.substr(begin, end - begin), " \"");
    if (name.empty() || name.find('"') != name.npos || !names.insert(name).second) return false;
    begin = end + 1;
  }
  return names.size() >= 2;
}

CsvReader::CsvReader(const std::filesystem::path& file)
    : name_(file.string()), source_(ByteSource::open(file)) {
  if (take() == -1) return;
  at_ = buffer_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  separator_ = separator_of(std::string_view(buffer_).substr(0, buffer_.find('\n')));
  Record header;
  if (!read_record(header)) return;
  if (!header.problem.empty()) throw Error(name_, "the header: " + header.problem);
  columns_ = std::move(header.values);
  std::set<std::string> names;
  for (std::string& column : columns_) {
    column = std::string(trimmed(column));
    if (!names.insert(column).second)
      throw Error(name_, fmt::format("two columns are named \"{}\"", excerpt(column)));
  }
}

int CsvReader::take() {
  if (at_ == buffer_.size()) {
    buffer_offset_ += buffer_.size();
    buffer_.resize(kCsvChunk);
    buffer_.resize(source_->read(buffer_.data(), kCsvChunk));
    at_ = 0;
    if (buffer_.empty()) return -1;
  }
  return static_cast<unsigned char>(buffer_[at_++]);
}

// What is wrong with a record is told once it has ended: at its line's end, or that of its last quote.
bool CsvReader::read_record(Record& record) {
  record = {};
  record.line = line_;
  record.offset = buffer_offset_ + at_;
  std::string value;
  bool quoted = false, in_quotes = false, empty = true;
  uint64_t bytes = 0;
  const auto finish_value = [&] {
    record.values.push_back(std::move(value));
    record.quoted.push_back(quoted);
    value.clear();
    quoted = false;
  };
  for (int c = take(); c != -1; c = take()) {
    if (c == '\n') ++line_;
    const bool too_long = ++bytes > JsonRowReader::kMaxLineBytes;
    if (too_long) record.problem = fmt::format("a row of more than {} bytes", bytes - 1);
    if (in_quotes && !too_long) {
      if (c != '"') {
        value += static_cast<char>(c);
        continue;
      }
      const int next = take();
      if (next == '"') {
        value += '"';
        continue;
      }
      in_quotes = false;
      if (next != -1) --at_;  // take() keeps what it gave
      continue;
    }
    if (c == '\r' || c == '\n') {
      if (c == '\r') {
        const int next = take();
        if (next != '\n') {
          if (next != -1) --at_;
          if (!quoted) value += '\r';
          continue;
        }
        ++line_;
      }
      if (!empty) break;
      record.line = line_;  // an empty line
      record.offset = buffer_offset_ + at_;
      bytes = 0;
      continue;
    }
    empty = false;
    if (too_long) {
      in_quotes = false;
      value.clear();
    } else if (c == separator_) {
      finish_value();
    } else if (c == '"' && value.empty() && !quoted) {
      quoted = in_quotes = true;
    } else if (quoted) {
      record.problem = "text behind a closing quote: write a quote inside quotes twice";
    } else {
      value += static_cast<char>(c);
    }
  }
  if (empty) return false;
  if (in_quotes) record.problem = "a quote that is not closed";
  finish_value();
  return true;
}

bool CsvReader::next(JsonRow& row, const JsonRowReader::OnBad& on_bad) {
  row.value = nullptr;
  Record record;
  while (read_record(record)) {
    if (record.problem.empty() && record.values.size() != columns_.size()) {
      record.problem = fmt::format("expected {} values as the header has, found {}",
                                   columns_.size(), record.values.size());
    }
    Json fields = Json::object();
    for (size_t i = 0; i < record.values.size() && record.problem.empty(); ++i) {
      const std::string& value = record.values[i];
      if (!simdjson::validate_utf8(value)) {
        record.problem = fmt::format("no UTF-8 in column {}", excerpt(columns_[i]));
      } else {
        fields[columns_[i]] = value.empty() && !record.quoted[i] ? Json() : Json(value);
      }
    }
    if (record.problem.empty()) {
      row = {std::move(fields), record.line, record.offset};
      return true;
    }
    if (!on_bad) throw Error(fmt::format("{}:{}", name_, record.line), record.problem);
    on_bad(record.line, record.offset, record.problem);
  }
  return false;
}

}  // namespace ponder::data
