// Rollouts of servers through a proxy that breaks an eighth of the exchanges in every way there is, with servers
// and commands killed in the middle: the rows and weights are those of this process, byte for byte.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "base/file.h"
#include "e2e/ponder.h"
#include "e2e/run_result.h"
#include "e2e/running_server.h"
#include "testing/fault_proxy.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds, std::chrono::seconds;
using testing::Fault, testing::FaultKind, testing::FaultProxy;

// But for an end before its time: rows as short as these come in one event.
const std::vector<Fault>& token_faults() {
  static const std::vector<Fault> some = [] {
    std::vector<Fault> all =
        testing::faults_of({FaultKind::kHarmless, FaultKind::kPassing, FaultKind::kOfTokens});
    std::erase(all, Fault::kEarlyLength);
    return all;
  }();
  return some;
}

uint16_t number_of(const std::string& port) { return static_cast<uint16_t>(std::stoi(port)); }

const char* const kLongSeed = "4";
// A fifth would ask for as many retries as a server gets in five minutes (fleet::SchedulerRules::retry_share), and wait.
constexpr double kShare = 0.12;

class FleetFaults : public ::testing::Test {
 protected:
  std::string problems(int count) {
    const std::string file = folder_ / "problems.jsonl";
    EXPECT_EQ(ponder({"synth", "--domain", "arithmetic", "--level", "1", "--count",
                      std::to_string(count), "--out", file, "--quiet"})
                  .status,
              0);
    return file;
  }
  testing::Outcome run_long(const std::vector<std::string>& argv) {
    return testing::run(argv, {.folder = {}, .input = "", .limit = seconds(280)});
  }

  const testing::TemporaryFolder folder_;
  const fs::path nano_ = testing::source_dir() / "models/nano-base";
};

TEST_F(FleetFaults, EveryFaultAndAServerThatDiesChangeNoByte) {
  const std::string file = problems(36);
  const auto generated = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> argv =
        command({"generate", "--model", nano_, "--problems", file, "-n", "16", "--max-tokens", "32",
                 "--quiet", "--out", folder_ / name});
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome = run_long(argv);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return read_file(folder_ / name);
  };
  Server one(nano_, folder_ / "one.log");
  auto two = std::make_unique<Server>(nano_, folder_ / "two.log");
  const std::string port = two->port();
  std::once_flag once;
  std::atomic<bool> killed = false;
  const FaultProxy before_one(number_of(one.port()),
                              {.seed = 1, .share = kShare, .faults = token_faults()});
  const FaultProxy before_two(number_of(port), {.seed = 2,
                                                .share = kShare,
                                                .faults = token_faults(),
                                                .first = token_faults().size() / 2,
                                                .on_event = [&](int exchange, int event) {
                                                  if (exchange < 30 || event < 1) return;
                                                  std::call_once(once, [&] {
                                                    two->kill();
                                                    killed = true;
                                                    two = std::make_unique<Server>(
                                                        nano_, folder_ / "again.log", port);
                                                  });
                                                }});
  const std::string there =
      generated("there.jsonl",
                {"--server", before_one.url() + "," + before_two.url(), "--idle-timeout", "1"});
  EXPECT_EQ(there, generated("here.jsonl", {}));
  EXPECT_TRUE(killed);
  // Which exchanges are broken hangs on their order; each fault by itself is in fleet_test.
  std::vector<std::string> missed;
  for (const Fault fault : token_faults()) {
    const std::string name = to_string(fault);
    if (before_one.happened()[name] + before_two.happened()[name] == 0) missed.push_back(name);
  }
  EXPECT_LE(missed.size(), 3u) << fmt::format("{}", fmt::join(missed, ", "));
}

TEST_F(FleetFaults, ARunHasTheSameRowsAndWeights) {
  const fs::path base = folder_ / "base", script = folder_ / "servers.sh";
  make_tiny_base(base);
  const std::string recipe = testing::source_dir() / "recipes/tiny.toml";
  const auto run = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> argv =
        command({"run", recipe, "--out", folder_ / name, "--set", "base=" + base.string(), "--set",
                 "sft.epochs=6", "--log-format", "json"});
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome = run_long(argv);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return result_of(folder_ / name);
  };
  // Two new servers for each model, or one of them anew, on ports of their own choice.
  write_file_atomic(script, fmt::format(R"sh(#!/bin/sh
cd {1}
echo "$1" > model
for n in ${{2:-1 2}}; do
  [ -f pid-$n ] && kill $(cat pid-$n) 2>/dev/null
  rm -f serve-$n.log
  {0} serve "$1" --port 0 --json --quiet > serve-$n.new 2>&1 &
  echo $! > pid-$n
  while ! grep -q '"url"' serve-$n.new; do sleep 0.1; done
  mv serve-$n.new serve-$n.log
done
)sh",
                                        program(), folder_.path().string()));
  fs::permissions(script, fs::perms::owner_all);
  const auto port_of = [&](int n) {
    return [&, n] {
      const std::string url =
          json_lines(read_file(folder_ / fmt::format("serve-{}.log", n))).at(0)["url"];
      return number_of(url.substr(url.rfind(':') + 1));
    };
  };
  std::once_flag once;
  std::atomic<bool> killed = false;
  const FaultProxy one(port_of(1), {.seed = 3, .share = kShare, .faults = token_faults()});
  const FaultProxy two(
      port_of(2), {.seed = 4,
                   .share = kShare,
                   .faults = token_faults(),
                   .first = token_faults().size() / 2,
                   .on_event = [&](int exchange, int event) {
                     if (exchange < 10 || event < 1) return;
                     std::call_once(once, [&] {
                       killed = true;
                       const std::string model = read_file(folder_ / "model");
                       testing::run({"sh", "-c", "kill -9 $(cat pid-2)"},
                                    {.folder = folder_.path(), .input = "", .limit = seconds(60)});
                       testing::run({script, model.substr(0, model.find('\n')), "2"});
                     });
                   }});
  const RunResult there =
      run("there", {"--set", fmt::format("fleet.servers=[\"{}\", \"{}\"]", one.url(), two.url()),
                    "--set", "fleet.command=[\"" + script.string() + "\", \"{model_dir}\"]",
                    "--set", "fleet.idle_timeout=1"});
  testing::run({"sh", "-c", "kill $(cat pid-1 pid-2)"},
               {.folder = folder_.path(), .input = "", .limit = seconds(60)});
  const RunResult here = run("here", {});
  ASSERT_FALSE(here.rollouts.empty());
  ASSERT_FALSE(here.weights.empty());
  EXPECT_EQ(there.weights, here.weights);
  EXPECT_EQ(there.rollouts, here.rollouts);
  EXPECT_TRUE(killed);
  int faults = 0;
  for (const FaultProxy* proxy : {&one, &two})
    for (const auto& [name, count] : proxy->happened()) faults += count;
  EXPECT_GE(faults, 20);
}

// A server dies in the third kilotoken of an answer: another goes on where the second was whole.
TEST_F(FleetFaults, ALongAnswerGoesOnElsewhere) {
  const fs::path base = folder_ / "base";
  make_tiny_base(base);
  Json config = read_json_file(base / "config.json");
  config["max_position_embeddings"] = 4096;
  write_file_atomic(base / "config.json", dump_json(config));
  const auto generated = [&](const std::string& name, const std::vector<std::string>& more) {
    // By this seed one of the samples goes beyond 2,500 tokens.
    std::vector<std::string> argv =
        command({"generate", "--model", base, "--prompt", "Begin", "-n", "8", "--seed", kLongSeed,
                 "--max-tokens", "2500", "--quiet", "--out", folder_ / name});
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome = run_long(argv);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return read_file(folder_ / name);
  };
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<std::unique_ptr<FaultProxy>> proxies;
  std::atomic<int> num_killed = 0;
  for (const int n : {0, 1}) {
    servers.push_back(std::make_unique<Server>(base, folder_ / fmt::format("serve-{}.log", n)));
    proxies.push_back(std::make_unique<FaultProxy>(
        number_of(servers.back()->port()),
        FaultProxy::Options{.share = 0, .on_event = [&, n](int, int event) {
                              if (event >= 2160 / 16 && num_killed++ == 0)
                                servers[static_cast<size_t>(n)]->kill();
                            }}));
  }
  EXPECT_EQ(generated("there.jsonl", {"--server", proxies[0]->url() + "," + proxies[1]->url()}),
            generated("here.jsonl", {}));
  EXPECT_GE(num_killed, 1);
  int num_continued = 0;
  for (const auto& proxy : proxies)
    for (const auto& [body, times] : proxy->answered())
      num_continued += parse_json(body, "request")["ponder"].value("position", 0) == 2048;
  EXPECT_GE(num_continued, 1);
  proxies.clear();
}

// What an answer says of itself is not so: no row of it, and what is missing can be asked for again.
TEST_F(FleetFaults, NoLieBecomesARow) {
  const std::string file = problems(12), out = folder_ / "rows.jsonl";
  const auto generated = [&](const std::string& url, const std::string& to) {
    std::vector<std::string> argv = command({"generate", "--model", nano_, "--problems", file, "-n",
                                             "4", "--max-tokens", "32", "--quiet", "--out", to});
    if (!url.empty()) argv.insert(argv.end(), {"--server", url});
    return run_long(argv);
  };
  const Server server(nano_, folder_ / "serve.log");
  {
    const FaultProxy proxy(number_of(server.port()),
                           {.seed = 6, .faults = testing::faults_of({FaultKind::kLie})});
    const testing::Outcome lied = generated(proxy.url(), out);
    EXPECT_EQ(lied.status, 1) << lied.err;
    for (const Fault lie : testing::faults_of({FaultKind::kLie}))
      EXPECT_GT(proxy.happened()[to_string(lie)], 0) << to_string(lie);
    EXPECT_FALSE(fs::exists(out));
  }
  const testing::Outcome right = generated(server.url(), out);
  EXPECT_EQ(right.status, 0) << right.err;
  EXPECT_EQ(generated("", folder_ / "here.jsonl").status, 0);
  EXPECT_EQ(read_file(out), read_file(folder_ / "here.jsonl"));
}

}  // namespace
}  // namespace ponder::e2e
