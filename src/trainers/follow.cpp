#include "trainers/follow.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace ponder::trainers {
namespace {

// Python writes numbers that JSON has not.
std::string without_nan(std::string_view line) {
  std::string out;
  bool in_text = false;
  for (size_t i = 0; i < line.size();) {
    const char c = line[i];
    if (c == '"' && (i == 0 || line[i - 1] != '\\')) in_text = !in_text;
    bool replaced = false;
    if (!in_text) {
      for (const std::string_view word : {"-Infinity", "Infinity", "NaN", "nan", "inf"}) {
        if (!line.substr(i).starts_with(word)) continue;
        out += "null";
        i += word.size();
        replaced = true;
        break;
      }
    }
    if (replaced) continue;
    out += c;
    ++i;
  }
  return out;
}

std::optional<double> number_in(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;  // transformers 5 prints its numbers as text
  const std::string& text = value.get_ref<const std::string&>();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

// The trainer's word for it, in ponder's.
std::string_view our_name(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"rewards/margins", "margin"},
      {"rewards/accuracies", "accuracy"},
      {"acc", "accuracy"},
      {"logps/chosen", "chosen_logprob"},
      {"logps/rejected", "rejected_logprob"},
      {"rewards/chosen", "chosen_reward"},
      {"rewards/rejected", "rejected_reward"},
      {"chosen_reward", "chosen_reward"},
      {"reject_reward", "rejected_reward"}};
  for (const auto& [theirs, ours] : kNames)
    if (name == theirs) return ours;
  return name;
}

void put(LogStep& out, bool& has_loss, std::string_view key, const Json& value) {
  const std::optional<double> number = number_in(value);
  if (key == "step" || key == "current_steps" || key == "global_step") {
    if (number) out.step = static_cast<int64_t>(*number);
  } else if (key == "loss" || key == "gpt_loss") {
    out.loss = number;
    has_loss = true;
  } else if (key == "lr" || key == "learning_rate") {
    out.lr = number;
  } else if (key == "grad_norm") {
    out.grad_norm = number;
  } else if (key == "epoch") {
    out.epoch = number;
  } else if (number && key != "num_steps" && key != "total_steps" && key != "percentage") {
    out.metrics.emplace_back(our_name(key), *number);
  }
}

std::optional<LogStep> of_json(std::string_view line) {
  Json row;
  try {
    row = parse_json(without_nan(line), "a trainer's log");
  } catch (const Error&) {
    return std::nullopt;
  }
  if (!row.is_object()) return std::nullopt;
  LogStep out;
  bool has_loss = false;
  for (const auto& [key, value] : row.items()) put(out, has_loss, key, value);
  return has_loss ? std::optional(out) : std::nullopt;
}

// {'loss': 2.1, 'epoch': 1.0}, as Python prints it.
std::optional<LogStep> of_dictionary(std::string_view line) {
  std::string json(line);
  for (char& c : json)
    if (c == '\'') c = '"';
  return of_json(json);
}

std::optional<int64_t> integer_at(std::string_view text, size_t& at) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  at = static_cast<size_t>(end - text.data());
  return value;
}

// "Train step of epoch 0:  12%|#  | 6/50 [00:01<00:07, 5it/s, gpt_loss=2.14, lr=1e-5]"
std::optional<LogStep> of_bar(std::string_view line, int64_t steps_per_epoch,
                              int64_t accumulation) {
  constexpr std::string_view kBegin = "Train step of epoch ";
  size_t at = line.find(kBegin);
  if (at == line.npos) return std::nullopt;
  at += kBegin.size();
  const std::optional<int64_t> epoch = integer_at(line, at);
  const size_t slash = line.find('/', at), bracket = line.find('[', at);
  if (!epoch || slash == line.npos || bracket == line.npos) return std::nullopt;
  size_t digits = slash;
  while (digits > at && std::isdigit(static_cast<unsigned char>(line[digits - 1]))) --digits;
  const std::optional<int64_t> done = integer_at(line, digits);
  if (!done || *done % accumulation != 0 || *done == 0) return std::nullopt;
  LogStep out;
  out.step = *epoch * steps_per_epoch + *done / accumulation;
  bool has_loss = false;
  for (size_t equals = line.find('=', bracket); equals != line.npos;
       equals = line.find('=', equals + 1)) {
    size_t begin = equals;
    while (begin > bracket && line[begin - 1] != ' ' && line[begin - 1] != ',') --begin;
    const size_t end = line.find_first_of(",]", equals);
    const Json value = std::string(trimmed(line.substr(equals + 1, end - equals - 1)));
    put(out, has_loss, line.substr(begin, equals - begin), value);
  }
  return has_loss ? std::optional(out) : std::nullopt;
}

}  // namespace

std::optional<double> LogStep::metric(std::string_view name) const {
  for (const auto& [key, value] : metrics)
    if (key == name) return value;
  return std::nullopt;
}

std::optional<LogStep> read_step(std::string_view line, int64_t steps_per_epoch,
                                 int64_t accumulation) {
  line = trimmed(line);
  if (line.starts_with('{') && line.ends_with('}'))
    return line.starts_with("{'") ? of_dictionary(line) : of_json(line);
  return of_bar(line, steps_per_epoch, accumulation);
}

Json to_json(const LogStep& step, int64_t num_steps) {
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  Json out = {{"step", step.step}, {"loss", number(step.loss)}};
  if (num_steps > 0) out["num_steps"] = num_steps;
  if (step.lr) out["lr"] = *step.lr;
  if (step.grad_norm) out["grad_norm"] = *step.grad_norm;
  if (step.epoch) out["epoch"] = *step.epoch;
  for (const auto& [name, value] : step.metrics) out[name] = value;
  return out;
}

std::optional<std::string> raised_exception(std::span<const std::string> lines) {
  std::set<std::string_view> open;  // tracebacks, by what stands before the lines of their process
  for (const std::string& line : lines) {
    // "[rank1]: ", as launchers of several processes have it.
    const size_t bracket = line.starts_with('[') ? line.find("]:") : line.npos;
    const std::string_view prefix = std::string_view(line).substr(
        0, bracket == line.npos ? 0 : std::min(bracket + 3, line.size()));
    const std::string_view said = std::string_view(line).substr(prefix.size());
    if (said.starts_with("Traceback (most recent call last)")) {
      open.insert(prefix);
    } else if (!said.empty() && said.front() != ' ' && open.erase(prefix) > 0 &&
               said.find("ChildFailedError") == said.npos) {
      return std::string(said);
    }
  }
  return std::nullopt;
}

std::vector<std::string> LineSplitter::add(std::string_view bytes) {
  std::vector<std::string> lines;
  for (const char c : bytes) {
    if (c == '\n' || c == '\r') {
      if (!partial_.empty()) lines.push_back(std::move(partial_));
      partial_.clear();
    } else if (partial_.size() < kLongest) {
      partial_ += c;
    }
  }
  return lines;
}

FileTail::FileTail(std::filesystem::path path, bool from_end) : path_(std::move(path)) {
  std::error_code absent;
  if (from_end) {
    const auto size = std::filesystem::file_size(path_, absent);
    if (!absent) offset_ = size;
  }
}

std::vector<std::string> FileTail::lines() {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return {};
  file.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(file.tellg());
  if (size < offset_) {  // begun anew
    offset_ = 0;
    splitter_.rest();
  }
  std::vector<std::string> out;
  file.seekg(static_cast<std::streamoff>(offset_));
  char buffer[1 << 14];
  while (file.read(buffer, sizeof buffer), file.gcount() > 0) {
    offset_ += static_cast<uint64_t>(file.gcount());
    for (std::string& line :
         splitter_.add(std::string_view(buffer, static_cast<size_t>(file.gcount()))))
      out.push_back(std::move(line));
  }
  return out;
}

}  // namespace ponder::trainers
