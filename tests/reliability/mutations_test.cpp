// Damaged inputs of every kind: the program must not crash, hang, print what is no JSON where JSON
// was asked for, or fail without a line that says why.
#include <atomic>

#include "base/file.h"
#include "reliability/inputs.h"
#include "reliability/tier.h"
#include "testing/sanitizers.h"

namespace ponder::reliability {
namespace {

constexpr std::chrono::seconds kLongest{10 * testing::kSlowdown};

// With at most 4 GB of addresses, so that a size read from a damaged file cannot take the machine;
// the address sanitizer needs more and has a limit of its own.
testing::Outcome run_limited(const Words& words, const fs::path& place) {
  const std::string limit = testing::kAddressSanitizer
                                ? "export ASAN_OPTIONS=exitcode=99:hard_rss_limit_mb=4000; "
                                : "ulimit -v 4000000; ";
  Words command = {"bash", "-c", limit + "exec \"$@\"", "bash", e2e::program()};
  command.insert(command.end(), words.begin(), words.end());
  return testing::run(command, {.folder = place, .input = "A or B?\n", .limit = kLongest});
}

bool has_control_byte(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return true;
  }
  return false;
}

// "" where all is as promised.
std::string complaint(const Words& words, const testing::Outcome& outcome, bool own_words) {
  if (outcome.err.find("ran past its limit") != std::string::npos) return "it hangs";
  if (outcome.status < 0 || outcome.status > 2) return "status " + std::to_string(outcome.status);
  const std::vector<std::string> lines = testing::lines_of(outcome.err);
  if (outcome.status == 1 && (lines.size() != 1 || !lines[0].starts_with("ponder: ")))
    return "not one line that begins with \"ponder: \"";
  if (outcome.status == 2 && lines.empty()) return "nothing said";
  // Escapes in what the user typed are echoed; in what a file says they are foreign.
  if (!own_words && outcome.status != 0 && has_control_byte(outcome.err))
    return "control bytes in the message";
  if (std::find(words.begin(), words.end(), "--json") == words.end()) return "";
  for (const std::string& line : testing::lines_of(outcome.out)) {
    if (!Json::accept(line)) return "no JSON: " + line.substr(0, 200);
  }
  return "";
}

std::string shown(const Words& words) {
  std::string text;
  for (const std::string& word : words)
    text += Json(word).dump(-1, ' ', true, Json::error_handler_t::replace) + " ";
  return text;
}

TEST(Mutations, OfEveryKindOfInputEndInAnErrorOrAResult) {
  const Inputs inputs;
  const std::vector<std::string> kinds = Inputs::kinds();
  std::vector<size_t> numbers(nightly() ? 10000 : 500);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  std::map<std::string, std::pair<std::atomic<size_t>, std::atomic<size_t>>> figures;
  for (const std::string& kind : kinds) figures[kind];
  const testing::TemporaryFolder folder;
  std::atomic<size_t> tried = 0, accepted = 0;
  for_each_case(numbers, [&](size_t number) {
    const std::string& kind = kinds[number % kinds.size()];
    Mutator mutator(number);
    const fs::path place = folder / std::to_string(number);
    fs::create_directory(place);
    Words words = inputs.make(kind, mutator, place);
    for (const char* more : {"--quiet", "--threads", "1"}) {
      if (kind != "flags") words.push_back(more);
    }
    const testing::Outcome outcome = run_limited(words, place);
    auto& [tries, failed] = figures.at(kind);
    ++tries;
    ++tried;
    accepted += outcome.status == 0;
    const std::string problem = complaint(words, outcome, kind == "flags");
    if (!problem.empty()) {
      ++failed;
      ADD_FAILURE() << "PONDER_CASE=" << number << ", " << kind << ": " << problem << "\n"
                    << shown(words) << "\nstatus " << outcome.status << "\n"
                    << outcome.err.substr(0, 2000);
    }
    fs::remove_all(place);
  });
  for (const auto& [kind, counts] : figures)
    record_figure("damaged input", kind, counts.first, counts.second);
  std::cout << accepted << " of " << tried << " accepted\n";
  if (tried < 100) return;
  // Damage that is always refused at once tests nothing behind the door.
  EXPECT_GT(accepted, tried / 5);
  EXPECT_LT(accepted, tried * 4 / 5);
}

}  // namespace
}  // namespace ponder::reliability
