#include "teach/batches.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "base/error.h"
#include "base/output_file.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

constexpr int kMostTries = 8;  // to send what nobody knows the service to have
constexpr int kLooks = 3;      // for a batch before it is ordered again: a list may lag behind
constexpr const char* kTakeBack =
    "--batch cancel takes it back; what its requests may have cost is then booked as possible";

// No other file at the service has it, nor one of an earlier command.
std::string new_name() {
  std::random_device random;
  return fmt::format("ponder-{:08x}{:08x}", random(), random());
}

bool was_ordered(const StoredBatch& batch) { return batch.state == BatchState::kOrdered; }

}  // namespace

Batches::Batches(Teacher& teacher, BatchOptions options, const TeacherFiles& files,
                 const std::atomic<bool>* stop, Monitor& monitor)
    : teacher_(teacher),
      options_(std::move(options)),
      folder_(files.batches),
      monitor_(monitor),
      service_(options_.service, stop, monitor) {
  for (const StoredBatch& batch : teacher_.open_batches()) {
    if (batch.service == service_.server()) continue;
    throw Error(ErrorKind::kUsage, "--server",
                fmt::format("{} is at {}, and not read yet", name_of(batch), batch.service),
                fmt::format("--server {} --batch fetch reads it, --batch cancel takes it back",
                            batch.service));
  }
}

bool Batches::run(BatchAction action) {
  try {
    if (action == BatchAction::kCancel) {
      cancel();
      return true;
    }
    fetch();
    if (action != BatchAction::kFetch) submit();
    if (action == BatchAction::kWait) wait_for_all();
    if (teacher_.open_batches().empty()) teacher_.conclude();
    return true;
  } catch (const ServiceStopped&) {
    return false;
  }
}

fs::path Batches::file_of(const StoredBatch& batch, const char* ending) const {
  return folder_ / (batch.name + ending);
}

std::string Batches::name_of(const StoredBatch& batch) const {
  return batch.batch_id.empty() ? batch.name : batch.batch_id;
}

void Batches::fetch() {
  for (StoredBatch& batch : teacher_.open_batches())
    if (was_ordered(batch)) fetch(batch);
  teacher_.check_bills();
  if (refused_.empty()) return;
  throw Error(service_.server(), std::exchange(refused_, ""),
              "nothing of it was answered; the same command sends its requests again");
}

void Batches::fetch(StoredBatch& batch) {
  const ServiceBatch now = service_.look(batch.batch_id);
  answered_[batch.name] = now.completed;
  if (batch.status != now.status) {
    batch.status = now.status;
    keep(batch);
  }
  if (!now.ended()) return;
  if (const int64_t strangers = teacher_.num_strangers(batch); strangers > 0) {
    throw Error(ErrorKind::kUsage, "--problems",
                fmt::format("{} of the {} requests of {} are of other problems or samples",
                            strangers, batch.lines, name_of(batch)),
                "give the --problems, --samples and --limit that it was sent with, or more");
  }
  BatchAccount account;
  if (!now.output_file.empty()) {
    const fs::path results = file_of(batch, ".results.jsonl");
    service_.download(now.output_file, results);
    account += read_batch(teacher_, {results}, monitor_);
  }
  if (account.lines < now.completed) {
    throw Error(service_.server(),
                fmt::format("{} has {} answers, and {} lines of results came", name_of(batch),
                            now.completed, account.lines),
                fmt::format("the same command fetches them once more; {}", kTakeBack));
  }
  if (!now.error_file.empty()) {
    const fs::path errors = file_of(batch, ".errors.jsonl");
    service_.download(now.error_file, errors);
    account += read_batch(teacher_, {errors}, monitor_);
  }
  read_ += account;
  ++num_fetched_;
  teacher_.finish_batch(batch, fmt::format("its batch, {}, ended as \"{}\" without its answer",
                                           name_of(batch), excerpt(batch.status)));
  if (batch.status == "failed" && refused_.empty()) {
    refused_ = fmt::format("{} was not taken: {}", name_of(batch),
                           now.problem.empty() ? "it does not say why" : now.problem);
  }
  monitor_.info(fmt::format("{} {}: {}", name_of(batch), batch.status, account.text()));
  teacher_.write_rows();
}

void Batches::submit() {
  for (StoredBatch& batch : teacher_.open_batches())
    if (!was_ordered(batch)) bring(batch, false);
  const std::vector<Teacher::BatchLine> lines = teacher_.batch_lines();
  for (const BatchShard shard : batch_shards(lines, options_.limits)) {
    StoredBatch batch;
    batch.name = new_name();
    batch.service = service_.server();
    batch.lines = static_cast<int64_t>(shard.size());
    fs::create_directories(folder_);
    OutputFile file(file_of(batch, ".jsonl"));
    write_lines(file, shard);
    file.commit();
    teacher_.begin_batch(batch, shard);
    bring(batch, true);
  }
}

// On to kOrdered, from wherever it is.
void Batches::bring(StoredBatch& batch, bool is_new) {
  if (batch.state == BatchState::kPrepared) upload(batch, is_new);
  const bool may_be_there = batch.state == BatchState::kOrdering;
  batch.state = BatchState::kOrdering;
  keep(batch);
  order(batch, may_be_there);
  monitor_.info(
      fmt::format("{}: {} requests sent to {}", name_of(batch), batch.lines, service_.server()));
}

void Batches::upload(StoredBatch& batch, bool is_new) {
  const fs::path file = file_of(batch, ".jsonl");
  std::error_code absent;
  const auto bytes = fs::file_size(file, absent);
  if (absent) {
    throw Error(ErrorKind::kNotFound, file.string(), "is gone, and was to be sent",
                "--batch cancel takes its requests back");
  }
  for (int attempt = 0; batch.file_id.empty(); ++attempt) {
    pause_before(attempt, batch);
    std::optional<std::string> id;
    if (attempt > 0 || !is_new) {
      try {
        id = service_.find_file(file.filename().string(), static_cast<int64_t>(bytes));
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kNotFound) throw;  // it lists no files: once more costs none
      }
    }
    if (!id) id = service_.upload(file, file.filename().string());
    batch.file_id = id.value_or("");
  }
  batch.state = BatchState::kUploaded;
  keep(batch);
}

void Batches::order(StoredBatch& batch, bool may_be_there) {
  for (int attempt = 0; batch.batch_id.empty(); ++attempt) {
    pause_before(attempt, batch);
    std::optional<std::string> id;
    if (attempt > 0 || may_be_there) id = ordered_before(batch);
    if (!id) {
      try {
        id = service_.order(batch.file_id, batch.name);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::kBusy) throw;
        batch.state = BatchState::kPrepared;  // refused; the file may be what it does not like
        batch.file_id.clear();
        keep(batch);
        throw;
      }
    }
    batch.batch_id = id.value_or("");
  }
  batch.state = BatchState::kOrdered;
  keep(batch);
}

std::optional<std::string> Batches::ordered_before(const StoredBatch& batch) {
  try {
    for (int look = 0; look < kLooks; ++look) {
      if (look > 0) pause_before(look, batch);
      if (const std::optional<std::string> id = service_.find_batch(batch.file_id)) return id;
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound) throw;
    throw Error(ErrorKind::kNotFound, service_.server(),
                fmt::format("nobody knows whether it has {}: it lists no batches", batch.name),
                kTakeBack);
  }
  return std::nullopt;
}

void Batches::pause_before(int attempt, const StoredBatch& batch) {
  if (attempt == 0) return;
  if (attempt == 1)
    monitor_.warning(fmt::format("{}: no answer whether {} came; it is looked for",
                                 service_.server(), batch.name));
  if (attempt >= kMostTries) {
    throw Error(ErrorKind::kBusy, service_.server(),
                fmt::format("does not say whether it has {}, asked {} times", batch.name, attempt),
                "the same command goes on and looks for it first");
  }
  const fleet::SchedulerRules& rules = options_.service.rules;
  service_.wait(std::min(rules.most_delay, rules.first_delay * (1 << attempt)));
}

void Batches::wait_for_all() {
  std::chrono::milliseconds pause = options_.first_pause;
  for (std::vector<StoredBatch> open; !(open = teacher_.open_batches()).empty();) {
    int64_t answered = 0, all = 0;
    for (const StoredBatch& batch : open) {
      answered += answered_[batch.name];
      all += batch.lines;
    }
    monitor_.progress("batches", answered, all, open.front().status);
    service_.wait(pause);
    pause = std::min(options_.most_pause, pause * 3 / 2);
    const int64_t fetched = num_fetched_, answers = read_.answers;
    fetch();
    if (num_fetched_ == fetched) continue;
    pause = options_.first_pause;
    if (read_.answers == answers) {
      throw Error(ErrorKind::kBusy, service_.server(), "a batch came back without a new answer",
                  "the same command sends its requests again");
    }
    submit();
  }
}

void Batches::cancel() {
  for (StoredBatch& batch : teacher_.open_batches()) cancel(batch);
  fetch();
}

void Batches::cancel(StoredBatch& batch) {
  try {
    if (batch.state == BatchState::kOrdering) {
      batch.batch_id = ordered_before(batch).value_or("");
      if (!batch.batch_id.empty()) batch.state = BatchState::kOrdered;
      keep(batch);
    }
    if (!was_ordered(batch)) {
      teacher_.finish_batch(batch, "taken back before it was sent");
    } else if (service_.look(batch.batch_id).ended()) {
      fetch(batch);
    } else {
      service_.cancel(batch.batch_id);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kBusy || error.kind() == ErrorKind::kUsage) throw;
    monitor_.warning(fmt::format("{} is given up: {}", name_of(batch), error.problem()));
    teacher_.give_up_batch(batch);
  }
}

Json Batches::json() const {
  Json all = Json::array();
  for (const StoredBatch& batch : teacher_.open_batches()) {
    const auto answered = answered_.find(batch.name);
    all.push_back({{"name", batch.name},
                   {"batch", batch.batch_id.empty() ? Json() : Json(batch.batch_id)},
                   {"status", batch.status},
                   {"requests", batch.lines},
                   {"answered", answered == answered_.end() ? 0 : answered->second}});
  }
  return all;
}

std::vector<std::string> Batches::texts() const {
  std::vector<std::string> texts;
  for (const Json& batch : json()) {
    const std::string name = batch["batch"].is_null() ? batch["name"] : batch["batch"];
    const std::string status = batch["status"];
    texts.push_back(
        fmt::format("{}: {}, {} of {} answered", name, status.empty() ? "sent" : excerpt(status),
                    batch["answered"].get<int64_t>(), batch["requests"].get<int64_t>()));
  }
  return texts;
}

}  // namespace ponder::teach
