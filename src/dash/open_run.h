// A run as the dashboard has it open: its database for reading alone, what is kept of it between two
// requests, and what its folder says of now. Nothing here writes, and no checkpoint's weights are
// opened. Used by one thread at a time. Internal to this folder.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "dash/rollout_list.h"
#include "pool/pool.h"
#include "report/markup.h"
#include "report/metrics.h"
#include "tokenizer/tokenizer.h"

namespace ponder::dash {

// Of the tenth of a second that a page may take, what reading without end may.
inline constexpr std::chrono::milliseconds kReadFor{20};

// Charts as they were drawn, by a text of all that they are drawn from: those of the last few pages.
class DrawnCharts {
 public:
  struct Chart {
    std::string figure;  // its name in addresses
    report::Markup drawn;
  };
  const std::vector<Chart>* find(const std::string& from) const;
  const std::vector<Chart>& keep(const std::string& from, std::vector<Chart> charts);

 private:
  std::deque<std::pair<std::string, std::vector<Chart>>> kept_;  // the latest first
};

class OpenRun {
 public:
  OpenRun(std::string name, std::filesystem::path folder);

  const std::string& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Opens the database, anew where the file is another one. Not within a ReadTransaction. Throws Error
  // where it cannot be read.
  const pool::Pool& refresh();
  const pool::Pool& pool() const;  // as it was opened last
  // From here on a page is made, which may take a tenth of a second: what it reads beyond a part of that it leaves
  // for later. Within a page rollouts and logs stay what they were when it asked first.
  void begin_page(std::chrono::milliseconds read_for = kReadFor);
  std::chrono::milliseconds time_left() const;  // of that part
  RolloutList& rollouts();                      // which there are now, as time is left
  const RolloutList& look_at_rollouts();        // and what their rows say, as time is left
  // What the log of a stage says, as time is left; `all`: to its end, whatever that takes.
  const report::StepMetrics& metrics(const std::string& stage, bool all = false);
  bool metrics_complete(const std::string& stage);
  DrawnCharts& drawn() { return drawn_; }
  // Goes on with what pages left for later: rows to be looked at, texts and logs to be read. For about this time;
  // false when nothing is left.
  bool work(std::chrono::milliseconds time);
  Json teacher() const;        // pipeline::teacher_of
  std::string recipe() const;  // recipe.toml, "" where there is none
  // The names of the stages of its recipe; none where it cannot be read.
  std::vector<std::string> planned();
  // Of a model by the hash of its weights; null where its folder is gone or has none.
  const tokenizer::Tokenizer* tokenizer_of(const std::string& model_sha256);

 private:
  const std::string name_;
  const std::filesystem::path folder_;
  std::string file_;  // which file is open, and of one that shows nothing new, which state of it
  std::optional<pool::Pool> pool_;
  void list_rollouts(std::chrono::milliseconds time);

  RolloutList rollouts_;
  std::optional<int64_t> rollouts_version_;
  uint64_t page_ = 1, listed_for_ = 0;                // pages are counted
  std::chrono::steady_clock::time_point deadline_{};  // of the page
  struct Metrics {
    report::StepMetrics read;
    bool complete = false;
    uint64_t page = 0;  // that asked last
  };
  std::map<std::string, Metrics> metrics_;
  DrawnCharts drawn_;
  std::optional<std::pair<std::string, std::vector<std::string>>> planned_;  // by recipe text
  std::map<std::string, std::unique_ptr<tokenizer::Tokenizer>> tokenizers_;
};

// What a run does, in a word ("running", "stopped", "failed", "done") and in a sentence.
struct Standing {
  std::string word, sentence;
  std::string now;  // of a run at work: stage, step, what is left of it
  std::vector<std::string> to_come;
  std::vector<std::string> alarms;  // "imitate: …"
};
Standing standing_of(OpenRun& run);
// Standing::now alone, without the database; "" of a run that nobody works at.
std::string doing_now(const OpenRun& run);

}  // namespace ponder::dash
