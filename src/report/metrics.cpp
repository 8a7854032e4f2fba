#include "report/metrics.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>

#include "base/json.h"

namespace ponder::report {
namespace {

// The numbers of one flat JSON object, the trainer's own lines: what is nested or no number is passed
// over. False for what is no object to its end.
template <class Take>
bool visit_numbers(std::string_view line, const Take& take) {
  size_t at = 0;
  const auto space = [&] {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r')) ++at;
  };
  const auto string = [&]() -> std::optional<std::string_view> {
    if (at >= line.size() || line[at] != '"') return std::nullopt;
    const size_t begin = ++at;
    for (; at < line.size() && line[at] != '"'; ++at)
      if (line[at] == '\\') ++at;
    if (at >= line.size()) return std::nullopt;
    return line.substr(begin, at++ - begin);
  };
  space();
  if (at >= line.size() || line[at] != '{') return false;
  ++at;
  for (;;) {
    space();
    if (at < line.size() && line[at] == '}') return true;
    const auto key = string();
    space();
    if (!key || at >= line.size() || line[at] != ':') return false;
    ++at;
    space();
    double value = 0;
    const auto [end, code] = std::from_chars(line.data() + at, line.data() + line.size(), value);
    if (code == std::errc() && std::isfinite(value)) take(*key, value);
    int depth = 0;
    for (; at < line.size(); ++at) {  // to the comma or brace behind the value
      const char c = line[at];
      if (c == '"') {
        if (!string()) return false;
        --at;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth > 0 && (c == '}' || c == ']')) {
        --depth;
      } else if (depth == 0 && (c == ',' || c == '}')) {
        break;
      }
    }
    if (at >= line.size()) return false;
    if (line[at] == ',') ++at;
  }
}

std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}

template <class T>
void put_bytes(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

void put_record(std::string& out, const std::string& data) {
  std::string length;
  put_bytes(length, static_cast<uint64_t>(data.size()));
  out += length;
  put_bytes(out, masked(crc32c(length)));
  out += data;
  put_bytes(out, masked(crc32c(data)));
}

// Protocol buffers' wire format.
void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_tag(std::string& out, int field, int type) {
  put_varint(out, static_cast<uint64_t>(field << 3 | type));
}

void put_string(std::string& out, int field, std::string_view bytes) {
  put_tag(out, field, 2);
  put_varint(out, bytes.size());
  out += bytes;
}

using Values = std::vector<std::pair<std::string_view, double>>;

double value_of(const Values& values, std::string_view name, double otherwise) {
  for (const auto& [key, value] : values)
    if (key == name) return value;
  return otherwise;
}

double seconds_of(const Values& values) {
  const double rate = value_of(values, "tokens_per_second", 0);
  return rate > 0 ? value_of(values, "tokens", 0) / rate : 1;
}

std::string utc(double seconds) {
  const double whole = std::floor(seconds);
  const auto time = static_cast<std::time_t>(whole);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     static_cast<int>((seconds - whole) * 1000));
}

// As Python writes a timedelta: "0:12:05", "2 days, 0:12:05".
std::string timedelta(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  const int64_t days = whole / 86400;
  return fmt::format("{}{}:{:02}:{:02}",
                     days == 0   ? ""
                     : days == 1 ? "1 day, "
                                 : fmt::format("{} days, ", days),
                     whole / 3600 % 24, whole / 60 % 60, whole % 60);
}

// Every step's values, in the order of the steps.
std::map<int64_t, Values> by_step(const StepMetrics& metrics) {
  std::map<int64_t, Values> steps;
  for (const auto& [name, points] : metrics.series()) {
    for (const MetricPoint& point : points) steps[point.step].emplace_back(name, point.value);
  }
  return steps;
}

}  // namespace

bool StepMetrics::add(std::string_view line) {
  std::optional<double> step;
  std::vector<std::pair<std::string_view, double>> values;
  const bool whole = visit_numbers(line, [&](std::string_view key, double value) {
    if (key == "step")
      step = value;
    else
      values.emplace_back(key, value);
  });
  if (!whole || !step || std::abs(*step) > 1e15) return false;
  ++steps_;
  for (const auto& [key, value] : values) {
    auto found = series_.find(std::string(key));
    if (found == series_.end()) found = series_.emplace(key, std::vector<MetricPoint>()).first;
    found->second.push_back({static_cast<int64_t>(*step), value});
  }
  return true;
}

std::string StepMetrics::state() const {
  return fmt::format("{}:{}:{}:{}", device_, inode_, read_bytes_, steps_);
}

bool StepMetrics::read(const std::filesystem::path& log, size_t most) {
  struct stat now {};
  if (::stat(log.c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return true;
  const auto size = static_cast<uint64_t>(now.st_size);
  if (now.st_dev != device_ || now.st_ino != inode_ || size < read_bytes_) *this = {};
  device_ = now.st_dev;
  inode_ = now.st_ino;
  if (size == read_bytes_) return true;
  std::ifstream file(log, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(read_bytes_));
  const uint64_t wanted = std::min<uint64_t>(size - read_bytes_, most);
  std::string bytes(wanted, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  size_t begin = 0;
  for (;;) {
    const size_t end = bytes.find('\n', begin);
    if (end == std::string::npos) break;  // the rest is not whole yet
    const std::string_view line = std::string_view(bytes).substr(begin, end - begin);
    if (!line.empty() && !add(line)) ++bad_lines_;
    read_bytes_ += end + 1 - begin;
    begin = end + 1;
  }
  if (begin == 0 && bytes.size() == most) return read(log, 2 * most);  // a longer line
  return wanted < most || read_bytes_ == size;
}

std::string to_csv(const StepMetrics& metrics, std::optional<double> begun) {
  std::string out = begun ? "step,timestamp" : "step";
  std::vector<std::string_view> names;
  for (const auto& [name, points] : metrics.series()) {
    names.push_back(name);
    out += fmt::format(",{}", name);
  }
  out += "\n";
  for (const auto& [step, values] : by_step(metrics)) {
    out += std::to_string(step);
    if (begun) {
      *begun += seconds_of(values);
      out += "," + utc(*begun);
    }
    size_t next = 0;
    for (const std::string_view name : names) {
      out += ",";
      if (next < values.size() && values[next].first == name)
        out += fmt::format("{}", values[next++].second);
    }
    out += "\n";
  }
  return out;
}

std::string to_trainer_log(const StepMetrics& metrics) {
  std::string out;
  double elapsed = 0;
  for (const auto& [step, values] : by_step(metrics)) {
    elapsed += seconds_of(values);
    const double total = value_of(values, "num_steps", 0), at = static_cast<double>(step);
    Json line = {{"current_steps", step}, {"elapsed_time", timedelta(elapsed)}};
    if (total > 0) {
      line["total_steps"] = static_cast<int64_t>(total);
      line["percentage"] = std::round(10000 * at / total) / 100;
      line["remaining_time"] = timedelta(at > 0 ? elapsed / at * std::max(0.0, total - at) : 0);
    }
    for (const auto& [key, value] : values)
      if (key == "loss" || key == "lr" || key == "epoch" || key == "accuracy")
        line[std::string(key)] = value;
    out += dump_json(line) + "\n";
  }
  return out;
}

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0u;
  for (const char c : bytes)
    crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::string to_event_file(const StepMetrics& metrics, double begun) {
  std::string out, event;
  put_tag(event, 1, 1);  // wall_time
  put_bytes(event, begun);
  put_string(event, 3, "brain.Event:2");  // file_version
  put_record(out, event);
  double wall_time = begun;
  for (const auto& [step, values] : by_step(metrics)) {
    std::string summary;
    for (const auto& [name, value] : values) {
      std::string scalar;
      put_string(scalar, 1, name);  // tag
      put_tag(scalar, 2, 5);        // simple_value
      put_bytes(scalar, static_cast<float>(value));
      put_string(summary, 1, scalar);
    }
    event.clear();
    put_tag(event, 1, 1);
    put_bytes(event, wall_time += seconds_of(values));
    put_tag(event, 2, 0);  // step
    put_varint(event, static_cast<uint64_t>(step));
    put_string(event, 5, summary);
    put_record(out, event);
  }
  return out;
}

}  // namespace ponder::report
