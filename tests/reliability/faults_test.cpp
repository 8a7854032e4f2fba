// A fault at every file system call: the process is killed, the power fails, the disk fails or is
// full. The same command, given again, must end with the same bytes as if nothing had happened.
#include <algorithm>
#include <atomic>
#include <csignal>

#include "base/file.h"
#include "reliability/tier.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {
namespace {

// An Error, on one line, behind what the run had to warn of before.
bool is_one_error(const std::string& err) {
  std::vector<std::string> lines = testing::lines_of(err);
  if (lines.empty() || !lines.back().starts_with("ponder: ")) return false;
  lines.pop_back();
  return std::all_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return line.starts_with("warning: "); });
}

// A call as the shim logs it.
struct Call {
  bool changes;  // else it reads
  long at;       // counted from 1, among those of its sort
  std::string name;
  size_t num_bytes;
  std::string path;
};

struct Fault {
  std::string kind;  // as the shim names it
  Call call;

  bool kills() const {
    return kind == "kill" || kind == "kill-after" || kind == "torn" || kind == "power-loss";
  }
};

// What can happen to a call. The database makes most calls, and SQLite answers for them: beside the
// kills and errors that every call meets, only every fourth of its calls meets the rest.
std::vector<std::string> kinds_for(const Call& call) {
  const bool moves_some = call.num_bytes > 1;
  const bool database = fs::path(call.path).filename().string().starts_with("run.db");
  if (database && call.at % 4 != 0) {
    if (call.changes) return {"kill", "power-loss", "io-error"};
    return {"io-error"};
  }
  if (!call.changes) {
    if (call.name == "open") return {"io-error", "no-descriptor"};
    if (moves_some) return {"io-error", "interrupted", "short"};
    return {"io-error", "interrupted"};
  }
  std::vector<std::string> kinds = {"kill", "power-loss", "io-error"};
  const auto add = [&](std::initializer_list<const char*> more) {
    kinds.insert(kinds.end(), more.begin(), more.end());
  };
  if (call.name == "write") add({"full"});
  if (call.name == "write" && moves_some) add({"torn", "short"});
  if (call.name == "create") add({"full", "no-descriptor"});
  if (call.name == "mkdir" || call.name == "rename" || call.name == "sync") add({"full"});
  if (call.name != "write" && call.name != "sync") add({"kill-after"});
  return kinds;
}

using Command = std::function<std::vector<std::string>(const fs::path& place)>;

class Faults : public ::testing::Test {
 protected:
  // `command` under the shim.
  testing::Outcome with_shim(const std::vector<std::string>& command, bool changes, long at,
                             const std::string& kind, const fs::path& log) const {
    std::vector<std::string> words = {
        "env",
        "LD_PRELOAD=" + std::string(PONDER_FAULTS_LIBRARY),
        "ASAN_OPTIONS=verify_asan_link_order=0",
        "FAULTS_UNDER=" + world_.folder().string(),
        std::string("FAULTS_CALLS=") + (changes ? "changes" : "reads"),
        "FAULTS_AT=" + std::to_string(at),
        "FAULTS_KIND=" + kind,
        "FAULTS_LOG=" + log.string()};
    words.insert(words.end(), command.begin(), command.end());
    return testing::run(words);
  }

  fs::path new_place(const std::string& name) const {
    const fs::path place = world_.folder() / name;
    fs::create_directory(place);
    return place;
  }

  std::vector<Call> calls_of(const Command& command, bool changes) const {
    const std::string sort = changes ? "changes" : "reads";
    const fs::path place = new_place("traced-" + sort);
    const testing::Outcome outcome = with_shim(command(place), changes, 0, "kill", logs_ / sort);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    fs::remove_all(place);
    std::vector<Call> calls;
    for (const std::string& line : testing::lines_of(read_file(logs_ / sort))) {
      std::istringstream words(line);
      Call call{changes, static_cast<long>(calls.size()) + 1, "", 0, ""};
      words >> call.name >> call.num_bytes >> call.path;
      calls.push_back(call);
    }
    return calls;
  }

  // "" if the fault was survived, else what was not as promised.
  std::string failure(const Command& command, const Fault& fault, size_t number,
                      const Results& expected) {
    const fs::path place = new_place("case-" + std::to_string(number));
    const fs::path log = logs_ / std::to_string(number);
    const testing::Outcome outcome =
        with_shim(command(place), fault.call.changes, fault.call.at, fault.kind, log);
    std::string problem;
    const auto complain = [&](const std::string& text) { problem += text + "\n"; };
    std::string met = fs::exists(log) ? read_file(log) : "";  // "CALL BYTES PATH\n"
    if (met.empty()) ++not_met_;
    if (!met.empty() && fault.kills()) {
      if (outcome.status != 128 + SIGKILL)
        complain("status " + std::to_string(outcome.status) + ": " + outcome.err);
    } else if (outcome.status != 0 && (outcome.status != 1 || !is_one_error(outcome.err))) {
      complain("status " + std::to_string(outcome.status) + ": " + outcome.err);
    }
    const testing::Outcome again = testing::run(command(place));
    if (again.status == 0) {
      Results found = results_of(place);
      // What could not be unlinked may have stayed.
      if (met.starts_with("unlink 0 ") && !fault.kills()) {
        met.pop_back();
        found.erase(fs::path(met.substr(9)).lexically_relative(place).string());
      }
      problem += differences(expected, found);
    } else {
      complain("then: status " + std::to_string(again.status) + ": " + again.err);
    }
    fs::remove_all(place);
    fs::remove(log);
    return problem;
  }

  void sweep(const std::string& job, const Command& command, size_t sampled) {
    const fs::path peace = new_place("peace");
    const testing::Outcome outcome = testing::run(command(peace));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Results expected = results_of(peace);
    ASSERT_GT(expected.size(), 5u);

    std::vector<Fault> faults;
    std::vector<std::string> classes;
    for (const bool changes : {true, false}) {
      for (const Call& call : calls_of(command, changes)) {
        for (const std::string& kind : kinds_for(call)) {
          faults.push_back({kind, call});
          classes.push_back(kind + " " + call.name);
        }
      }
    }
    const std::vector<size_t> chosen = sample(classes, nightly() ? faults.size() : sampled, 20412);
    std::map<std::string, std::pair<std::atomic<size_t>, std::atomic<size_t>>> figures;
    for (const size_t number : chosen) figures[sort_of(faults[number])];
    for_each_case(chosen, [&](size_t number) {
      const Fault& fault = faults[number];
      const std::string problem = failure(command, fault, number, expected);
      auto& [tries, failed] = figures.at(sort_of(fault));
      ++tries;
      if (problem.empty()) return;
      ++failed;
      ADD_FAILURE() << "PONDER_CASE=" << number << ": " << fault.kind << " at " << fault.call.name
                    << " " << fault.call.at << ", " << fault.call.num_bytes << " bytes, "
                    << fault.call.path << "\n"
                    << problem;
    });
    for (const auto& [what, counts] : figures)
      record_figure("fault, " + job, what, counts.first, counts.second);
    // The last calls of a job are not always made: how often SQLite reads a page depends on time.
    EXPECT_LE(not_met_, 2 + chosen.size() / 50);
    std::cout << job << ": " << chosen.size() << " of " << faults.size() << " faults, " << not_met_
              << " not met\n";
  }

  static std::string sort_of(const Fault& fault) {
    return fault.kind + (fault.call.changes ? "" : ", reading");
  }

  TinyWorld world_;
  testing::TemporaryFolder logs_;
  std::atomic<size_t> not_met_ = 0;
};

TEST_F(Faults, AtEveryCallOfARun) {
  sweep(
      "run", [&](const fs::path& place) { return world_.run(place); }, 60);
}

TEST_F(Faults, AtEveryCallOfATrainingJobThatSavesEveryStep) {
  sweep(
      "sft --checkpoint-steps 1", [&](const fs::path& place) { return world_.sft(place); }, 60);
}

}  // namespace
}  // namespace ponder::reliability
