#include "teach/batch_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/json_fields.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kKeepEvery = 64;  // lines

fs::path shard_name(const fs::path& file, size_t number) {
  fs::path name = file;
  name.replace_filename(
      fmt::format("{}-{:04}{}", file.stem().string(), number, file.extension().string()));
  return name;
}

// One line of results, counted.
void take_line(Teacher& teacher, const Json& row, const std::string& where, BatchAccount& account) {
  const JsonFields line(row, where);
  const std::string id = line.text("custom_id");
  const auto count = [&](Teacher::Taken taken, int64_t& as) {
    using Taken = Teacher::Taken;
    ++(taken == Taken::kTaken       ? as
       : taken == Taken::kDuplicate ? account.duplicates
       : taken == Taken::kDiffers   ? account.differing
                                    : account.unknown);
  };
  const auto failure = [&](fleet::FailureClass kind, const std::string& why) {
    const bool for_good = kind == fleet::FailureClass::kNever;
    count(teacher.take_failure(id, why, for_good), for_good ? account.failed : account.again);
  };
  if (line.has("error") && !line.has("response")) {
    const Json& error = line.require("error");
    const bool says = error.is_object() && error.contains("message");
    const std::string message = excerpt(dump_json(says ? error["message"] : error), 300);
    return failure(fleet::FailureClass::kBadLuck, message);
  }
  const JsonFields response = line.fields("response");
  const int64_t status = response.integer_or("status_code", 200, 0, 999);
  const Json& body = response.require("body");
  if (status != 200) {
    const fleet::HttpFailure said =
        fleet::http_failure(static_cast<int>(status), {}, dump_json(body), 0);
    return failure(said.kind, said.message);
  }
  fleet::Answer answer;
  try {
    fleet::take_answer(fleet::ServerKind::kOpenai, dump_json(body), answer);
  } catch (const fleet::AnswerFailure& error) {
    return failure(error.kind, error.what());
  }
  if (fleet::answer_end(answer.finish) == fleet::AnswerEnd::kCut)
    return failure(fleet::FailureClass::kBadLuck, "ended by \"" + excerpt(answer.finish) + "\"");
  count(teacher.take(id, answer, where), account.answers);
}

}  // namespace

std::vector<BatchShard> batch_shards(BatchShard lines, const BatchLimits& limits) {
  std::vector<BatchShard> shards;
  int64_t bytes = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto size = static_cast<int64_t>(lines[i].body.size()) + 1;
    const bool full = shards.empty() || bytes + size > limits.bytes ||
                      static_cast<int64_t>(shards.back().size()) >= limits.lines;
    if (full) {
      shards.push_back(lines.subspan(i, 0));
      bytes = 0;
    }
    shards.back() = {shards.back().data(), shards.back().size() + 1};
    bytes += size;
  }
  return shards;
}

int64_t write_lines(FileWriter& file, BatchShard lines) {
  int64_t bytes = 0;
  for (const Teacher::BatchLine& line : lines) {
    const std::string text = line.body + "\n";
    file.write(text.data(), text.size());
    bytes += static_cast<int64_t>(text.size());
  }
  return bytes;
}

std::vector<BatchFile> write_batch(Teacher& teacher, const fs::path& file,
                                   const BatchLimits& limits) {
  const std::vector<Teacher::BatchLine> lines = teacher.batch_lines();
  const std::vector<BatchShard> shards = batch_shards(lines, limits);
  std::vector<BatchFile> written;
  std::vector<std::unique_ptr<OutputFile>> outputs;
  for (size_t s = 0; s < shards.size(); ++s) {
    BatchFile& shard = written.emplace_back();
    shard.file = shards.size() == 1 ? file : shard_name(file, s + 1);
    if (fs::exists(shard.file)) {
      throw Error(ErrorKind::kUsage, shard.file.string(),
                  "is there already, and may be on its way to a batch service",
                  "choose another name for --write-batch, or remove it");
    }
    outputs.push_back(std::make_unique<OutputFile>(shard.file));
    shard.lines = static_cast<int64_t>(shards[s].size());
    shard.bytes = write_lines(*outputs.back(), shards[s]);
  }
  for (const std::unique_ptr<OutputFile>& output : outputs) output->commit();
  teacher.mark_written(lines);
  return written;
}

BatchAccount read_batch(Teacher& teacher, const std::vector<fs::path>& files, Monitor& monitor) {
  BatchAccount account;
  for (const fs::path& file : files) {
    JsonRowReader rows(file);
    const auto bad = [&](uint64_t line, uint64_t /*offset*/, const std::string& problem) {
      ++account.lines;
      if (account.unreadable++ == 0)
        monitor.warning(fmt::format("{}, line {}: {}", file.string(), line, problem));
    };
    for (JsonRow row; rows.next(row, bad);) {
      try {
        take_line(teacher, row.value, file.filename().string(), account);
        ++account.lines;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kInput) throw;  // of our own file
        bad(row.line, 0, error.problem());
      }
      if (account.lines % kKeepEvery == 0) teacher.keep_taken();
    }
  }
  teacher.keep_taken();
  return account;
}

BatchAccount& BatchAccount::operator+=(const BatchAccount& other) {
  for (const auto member : {&BatchAccount::lines, &BatchAccount::answers, &BatchAccount::duplicates,
                            &BatchAccount::differing, &BatchAccount::unknown, &BatchAccount::failed,
                            &BatchAccount::again, &BatchAccount::unreadable})
    this->*member += other.*member;
  return *this;
}

Json BatchAccount::json() const {
  return {{"lines", lines},         {"answers", answers},      {"duplicates", duplicates},
          {"differing", differing}, {"unknown", unknown},      {"failed", failed},
          {"again", again},         {"unreadable", unreadable}};
}

std::string BatchAccount::text() const {
  std::string text = fmt::format("{} lines: {} answers", lines, answers);
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add(duplicates, "read before");
  add(differing, "other answers to what was answered");
  add(unknown, "of no request of these problems");
  add(failed, "failed for good");
  add(again, "without an answer, to be asked again");
  add(unreadable, "that cannot be read");
  return text;
}

}  // namespace ponder::teach
