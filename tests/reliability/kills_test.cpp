// Kills at random moments of all stages, every restart with other settings of speed: the run must
// end with the bytes of one left in peace.
#include <csignal>
#include <random>
#include <thread>

#include "reliability/tier.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What may change at any time.
std::vector<std::string> random_speed_settings(std::mt19937& random) {
  const auto one_of = [&](std::initializer_list<const char*> values) {
    return std::string(values.begin()[random() % values.size()]);
  };
  return {"--threads", one_of({"1", "1", "2", "3"}),
          "--set",     "engine.max_batch=" + one_of({"1", "2", "5", "64"}),
          "--set",     "engine.kv_cache_bytes=" + one_of({"200000", "1000000", "100000000"}),
          "--set",     "sft.micro_batch_tokens=" + one_of({"1", "60", "100", "2048"}),
          "--set",     "sft.recompute=" + one_of({"true", "false"}),
          "--set",     "dpo.micro_batch_tokens=" + one_of({"1", "100", "2048"}),
          "--set",     "dpo.recompute=" + one_of({"true", "false"})};
}

TEST(Kills, AtRandomMomentsWithOtherSettingsAtEachRestart) {
  const TinyWorld world;
  const fs::path peace = world.folder() / "peace";
  const auto begin = steady_clock::now();
  const testing::Outcome whole = testing::run(world.run(peace));
  ASSERT_EQ(whole.status, 0) << whole.err;
  const double seconds = std::chrono::duration<double>(steady_clock::now() - begin).count();
  const Results expected = without_recipe(results_of(peace));

  const size_t wanted = nightly() ? 200 : 40;
  std::mt19937 random(20412);
  size_t kills = 0, runs = 0, failed = 0;
  while (kills < wanted) {
    const fs::path place = world.folder() / ("war-" + std::to_string(runs++));
    std::string history, problem;
    size_t kills_here = 0;
    for (;;) {
      const std::vector<std::string> settings = random_speed_settings(random);
      testing::Process process(world.run(place, settings));
      const double delay = std::uniform_real_distribution<double>(0, 0.7 * seconds)(random);
      const bool warned = random() % 3 == 0;
      for (const std::string& word : settings) history += (word == "--set" ? "" : word + " ");
      if (!process.ended_within(milliseconds(static_cast<int64_t>(1000 * delay)))) {
        if (warned) {  // told to stop, then killed before or after it could
          process.signal(SIGTERM);
          std::this_thread::sleep_for(milliseconds(random() % 30));
        }
        process.signal(SIGKILL);
      }
      const testing::Outcome outcome = process.wait();
      history +=
          "status " + std::to_string(outcome.status) + " after " + std::to_string(delay) + " s\n";
      const bool stopped = warned && outcome.status == 128 + SIGTERM;
      if (outcome.status == 128 + SIGKILL || stopped) {
        ++kills_here;
        continue;
      }
      if (outcome.status != 0) problem = outcome.err;
      break;
    }
    kills += kills_here;
    if (problem.empty()) problem = differences(expected, without_recipe(results_of(place)));
    fs::remove_all(place);
    if (problem.empty()) continue;
    failed += kills_here;
    ADD_FAILURE() << problem << "after\n" << history;
  }
  record_figure("kill -9 at random moments, settings of speed changed at each restart", "", kills,
                failed);
  std::cout << kills << " kills in " << runs << " runs\n";
}

}  // namespace
}  // namespace ponder::reliability
