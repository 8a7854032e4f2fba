#include "dash/open_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/progress.h"
#include "pipeline/standing.h"
#include "pipeline/teacher.h"
#include "report/alarms.h"

namespace ponder::dash {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds until(Clock::time_point deadline) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
}

constexpr size_t kPiece = size_t{1} << 18;  // of a log, read at a time: some milliseconds

// Which file this is; with its state also what it holds.
std::string identity(const fs::path& file, bool with_state) {
  struct stat now {};
  if (::stat(file.c_str(), &now) != 0) return "-";
  std::string out = fmt::format("{}:{}", now.st_dev, now.st_ino);
  if (with_state)
    out += fmt::format(":{}:{}.{}", now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec);
  return out;
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 90 * 60) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.1f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

std::string now_words(const Json& now) {
  const auto words = [&](const char* key) {
    const auto field = now.find(key);
    return field != now.end() && field->is_string() ? field->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto field = now.find(key);
    return field != now.end() && field->is_number() ? std::optional(field->get<double>())
                                                    : std::nullopt;
  };
  std::string line = words("stage");
  if (const auto place = number("number"), of = number("stages"); place && of)
    line += fmt::format(", stage {:.0f} of {:.0f}", *place, *of);
  if (const auto done = number("done"), total = number("total"); done && total)
    line += *total > 0 ? fmt::format(", {:.0f} of {:.0f}", *done, *total)
                       : fmt::format(", {:.0f}", *done);
  if (!words("text").empty()) line += ", " + words("text");
  if (const auto left = number("stage_seconds_left"))
    line += ", about " + duration(*left) + " left of the stage";
  return line;
}

}  // namespace

const std::vector<DrawnCharts::Chart>* DrawnCharts::find(const std::string& from) const {
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&](const auto& each) { return each.first == from; });
  return found == kept_.end() ? nullptr : &found->second;
}

const std::vector<DrawnCharts::Chart>& DrawnCharts::keep(const std::string& from,
                                                         std::vector<Chart> charts) {
  constexpr size_t kMany = 8;
  if (kept_.size() == kMany) kept_.pop_back();
  return kept_.emplace_front(from, std::move(charts)).second;
}

OpenRun::OpenRun(std::string name, fs::path folder)
    : name_(std::move(name)), folder_(std::move(folder)) {}

const pool::Pool& OpenRun::pool() const {
  if (!pool_) throw Error(folder_.string(), "is not open");
  return *pool_;
}

const pool::Pool& OpenRun::refresh() {
  const fs::path file = folder_ / "run.db", log = folder_ / "run.db-wal";
  const auto which = [&](bool with_state) {
    return with_state ? identity(file, true) + " " + identity(log, true) : identity(file, false);
  };
  if (pool_ && file_ == which(pool_->is_snapshot())) return *pool_;
  pool_.reset();
  rollouts_version_.reset();
  rollouts_ = {};
  tokenizers_.clear();
  pool_ = pool::Pool::open_read_only(file);
  file_ = which(pool_->is_snapshot());
  return *pool_;
}

void OpenRun::list_rollouts(std::chrono::milliseconds time) {
  const pool::Pool& pool = this->pool();
  const Clock::time_point deadline = Clock::now() + time;
  const int64_t version = pool.data_version();
  do {
    if (rollouts_version_ != version && rollouts_.refresh(pool.stages()))
      rollouts_version_ = version;
    rollouts_.list(pool, until(deadline));
  } while (rollouts_.listed() && rollouts_version_ != version);  // an older one came to its end
}

void OpenRun::begin_page(std::chrono::milliseconds read_for) {
  deadline_ = Clock::now() + read_for;
  ++page_;
}

std::chrono::milliseconds OpenRun::time_left() const { return until(deadline_); }

RolloutList& OpenRun::rollouts() {
  if (listed_for_ != page_) {
    // Some thousands are always listed at once, of more what fits into a part of the page's time: it shows a hundred.
    constexpr std::chrono::milliseconds kListFor{5};
    for (int piece = 0; piece < 20 && (piece == 0 || !rollouts_.listed()); ++piece)
      list_rollouts(std::chrono::milliseconds::zero());
    if (!rollouts_.listed()) list_rollouts(std::min(kListFor, time_left()));
  }
  listed_for_ = page_;
  return rollouts_;
}

const RolloutList& OpenRun::look_at_rollouts() {
  rollouts().look(pool(), time_left());
  return rollouts_;
}

bool OpenRun::work(std::chrono::milliseconds time) {
  const pool::Pool& pool = pool_ ? *pool_ : refresh();
  const pool::Pool::ReadTransaction reading(pool, std::chrono::seconds(2));
  if (!rollouts_version_ || !rollouts_.listed()) {
    list_rollouts(time);
    return true;
  }
  if (!rollouts_.complete()) {
    rollouts_.look(pool, time);
    return true;
  }
  if (rollouts_.search_on(pool, time)) return true;
  for (auto& [stage, log] : metrics_) {
    if (log.complete) continue;
    log.complete = log.read.read(folder_ / "training" / (stage + ".jsonl"), kPiece);
    return true;
  }
  return false;
}

const report::StepMetrics& OpenRun::metrics(const std::string& stage, bool all) {
  Metrics& log = metrics_[stage];
  if (all || log.page != page_) log.complete = false;
  while (!log.complete && (all || (log.page != page_ && time_left().count() > 0)))
    log.complete = log.read.read(folder_ / "training" / (stage + ".jsonl"), kPiece);
  log.page = page_;
  return log.read;
}

bool OpenRun::metrics_complete(const std::string& stage) { return metrics_[stage].complete; }

Json OpenRun::teacher() const { return pipeline::teacher_of(folder_); }

std::string OpenRun::recipe() const {
  const fs::path file = folder_ / "recipe.toml";
  return fs::exists(file) ? read_file(file) : "";
}

std::vector<std::string> OpenRun::planned() {
  const std::string text = recipe();
  if (planned_ && planned_->first == text) return planned_->second;
  const std::vector<std::string> names = pipeline::planned_stages(folder_);
  planned_ = {text, names};
  return names;
}

const tokenizer::Tokenizer* OpenRun::tokenizer_of(const std::string& model_sha256) {
  const auto known = tokenizers_.find(model_sha256);
  if (known != tokenizers_.end()) return known->second.get();
  std::unique_ptr<tokenizer::Tokenizer>& kept = tokenizers_[model_sha256];
  const std::optional<pool::ModelRecord> model = pool().model(model_sha256);
  if (!model) return nullptr;
  for (const fs::path& folder : {folder_ / model->path, folder_ / "checkpoints" / model->name}) {
    try {
      if (fs::exists(folder))
        kept = std::make_unique<tokenizer::Tokenizer>(tokenizer::Tokenizer::load(folder));
    } catch (const Error&) {  // ids are shown in its place
    }
    if (kept) break;
  }
  return kept.get();
}

std::string doing_now(const OpenRun& run) {
  if (!lock_holder(run.folder() / "lock")) return "";
  const auto now = pipeline::read_progress(run.folder());
  return now ? now_words(*now) : "running";
}

Standing standing_of(OpenRun& run) {
  Standing it;
  const pipeline::Standing stands = pipeline::standing_of(run.pool(), run.folder(), run.planned());
  it.word = stands.word;
  it.sentence = stands.sentence();
  it.to_come = stands.to_come;
  if (it.word == "running") it.now = doing_now(run);
  for (const pool::StageRecord& stage : run.pool().stages()) {
    for (const std::string& alarm : report::alarms(stage))
      it.alarms.push_back(stage.name + ": " + alarm);
  }
  return it;
}

}  // namespace ponder::dash
