// All rollouts of a run, as pages list them: which there are as far as they have been listed, what
// their rows say beside (how long, how they ended, the verdict) as far as they have been looked at, and
// which texts hold what is searched for as far as they have been read. Whoever asks gives a time and
// gets what is there when it is over; nothing is read twice that cannot have changed. Internal to this
// folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/pool.h"

namespace ponder::dash {

struct RolloutFilter {
  std::optional<int32_t> stage;     // index into Pool::stages()
  std::string verdict, finish;      // in words; "" any
  std::optional<int64_t> min, max;  // tokens

  bool needs_rows() const { return !verdict.empty() || !finish.empty() || min || max; }
  // What has not been looked at is taken by a filter that needs nothing of it alone.
  bool takes(const pool::RolloutEntry& entry) const;
};
std::string verdict_text(const std::optional<judge::Verdict>& verdict);  // "not judged"

class RolloutList {
 public:
  // To be listed anew, for `stages` as they are now. A listing of the same stages that is under way goes
  // on instead: false, and what has come since is not all in it.
  bool refresh(const std::vector<pool::StageRecord>& stages);
  // Lists keys until all are there or about this time has passed: in the order of the stages, then of
  // problem, sample and model. What is known of those of a stage that is as it was stays; of a stage at
  // work, what has a verdict. Until a listing is at its end the one before is shown, and of the first
  // what is there.
  void list(const pool::Pool& pool, std::chrono::milliseconds time);

  const std::vector<pool::RolloutEntry>& entries() const { return entries_; }
  bool listed() const { return at_ == plan_.size(); }
  std::string size_text() const;  // "1,234", "1,234 and more" while it is not listed
  size_t num_looked_at() const { return num_looked_at_; }
  bool complete() const { return listed() && num_looked_at_ == entries_.size(); }
  // Looks at rows until all are or about this time has passed.
  void look(const pool::Pool& pool, std::chrono::milliseconds time);

  // Reads the texts of those that `filter` takes, until all are read or about this time has passed. With
  // another text than before it begins anew.
  void search(const pool::Pool& pool, const std::string& text, const RolloutFilter& filter,
              std::chrono::milliseconds time);
  // Goes on with the last search; false where it is at its end.
  bool search_on(const pool::Pool& pool, std::chrono::milliseconds time);
  bool was_read(int64_t id) const { return found_.contains(id); }
  bool holds_text(int64_t id) const;  // and the text that is searched for is in it

 private:
  struct Part {                     // of entries_: those of one stage
    std::string name, begun, done;  // done: "" while it is not
    size_t begin = 0, end = 0;
  };

  const Part* before(const Part& part) const;  // the same stage in entries_; null: none
  void show_at_places_of(const std::vector<Part>& plan);
  void close(Part& part, size_t end);
  void count_looked_at();

  std::vector<pool::RolloutEntry> entries_;
  std::vector<Part> parts_;  // a part a stage, of what is whole
  // The listing: of the parts of plan_ those before at_ are there, in coming_, the first time in entries_
  // itself; of that at at_ those of the problems up to after_.
  std::vector<Part> plan_;
  size_t at_ = 0;
  int64_t after_ = -1;
  size_t known_ = 0;  // of entries_: before it nothing is the next that is listed
  bool first_ = true;
  std::vector<pool::RolloutEntry> coming_;
  size_t num_looked_at_ = 0, next_ = 0;  // next_: before it all are looked at
  std::string text_;
  RolloutFilter filter_;
  std::unordered_map<int64_t, bool> found_;  // of what was read
  size_t search_next_ = 0;
};

}  // namespace ponder::dash
