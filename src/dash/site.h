// The dashboard: pages about runs, for a browser. Reads alone: run.db by short read transactions that
// end before a page is sent, log.jsonl, progress.json and training/*.jsonl; never a checkpoint's
// weights, and nothing is ever written. A page is a function of what it reads; whoever holds the
// sockets is above. Used by one thread at a time.
//
//   /                        runs                      /run/NAME/pool        in = kept + rejected
//   /run/NAME/overview       the loop, stages, alarms  /run/NAME/rejections  rows not kept
//   /run/NAME/curves[.csv]   training, chart.svg       /run/NAME/selections  candidates' ways
//   /run/NAME/rollouts       a hundred at a time       /run/NAME/rows, row   what was trained on
//   /run/NAME/rollout        one, token by token       /run/NAME/log         log.jsonl
//   /run/NAME/problem        over the rounds           /run/NAME/fleet       servers that were asked
//                                                      /compare?run=A&run=B  runs beside each other
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ponder::dash {

struct Answer {
  int status = 200;
  std::string content_type = "text/html; charset=utf-8";
  std::string body;
  std::string file_name = {};  // of what is to be kept as a file; "": it is shown
};

class Site {
 public:
  // Run directories, or folders that hold some. Throws Error (usage) for one that is neither.
  explicit Site(const std::vector<std::filesystem::path>& places);
  ~Site();

  // `path` and `query` decoded. Never throws: what cannot be shown is a page that says why.
  Answer get(const std::string& path,
             const std::vector<std::pair<std::string, std::string>>& query);

  // For "/run/NAME/events": the run's name; "" for any other path.
  std::string events_of(const std::string& path) const;
  // What a browser that follows a run is told: something that is another text once the run has
  // written something, and what the run does now.
  struct Event {
    std::string state, now;
  };
  Event event(const std::string& run);

  // What pages left for later, for at most about this time: whoever has nothing else to do calls it.
  // False when nothing is left until the next page.
  bool work(std::chrono::milliseconds time);

  std::vector<std::string> runs() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The fields of every answer beside its type: nothing from elsewhere, nothing inline, no frames.
const std::vector<std::pair<std::string, std::string>>& page_fields();

}  // namespace ponder::dash
