// Rollouts of servers are those of this process, byte for byte, whatever fails on the way.
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"
#include "e2e/run_result.h"
#include "e2e/running_server.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;

void write_text(const fs::path& path, const std::string& text) {
  write_file_atomic(path, [&](FileWriter& file) { file.write(text.data(), text.size()); });
}

class FleetEndToEnd : public ::testing::Test {
 protected:
  FleetEndToEnd() { make_tiny_base(base_); }
  std::string problems() {
    std::string rows;
    for (int i = 0; i < 12; ++i)
      rows += fmt::format("{{\"id\":\"p{}\",\"problem\":\"{} + 1?\",\"answer\":\"{}\"}}\n", i, i,
                          i + 1);
    write_text(folder_ / "problems.jsonl", rows);
    return folder_ / "problems.jsonl";
  }
  std::string generated(const std::string& name, const std::vector<std::string>& more,
                        int status = 0) {
    const std::string out = folder_ / name;
    std::vector<std::string> argv =
        command({"generate", "--model", base_, "--problems", problems(), "-n", "4", "--max-tokens",
                 "48", "--quiet", "--out", out});
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome = testing::run(argv);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    return fs::exists(out) ? read_file(out) : "";
  }

  const testing::TemporaryFolder folder_;
  const fs::path base_ = folder_ / "base";
};

TEST_F(FleetEndToEnd, TheSameBytesFromNoServerOneAndTwo) {
  const std::string here = generated("here.jsonl", {});
  ASSERT_FALSE(here.empty());
  Server one(base_, folder_ / "one.log"), two(base_, folder_ / "two.log");
  EXPECT_EQ(generated("one.jsonl", {"--server", one.url()}), here);
  EXPECT_EQ(generated("two.jsonl", {"--server", one.url() + "," + two.url()}), here);
  EXPECT_EQ(
      generated("greedy-one.jsonl", {"--temperature", "0", "--stop", "the", "--server", one.url()}),
      generated("greedy.jsonl", {"--temperature", "0", "--stop", "the"}));
}

TEST_F(FleetEndToEnd, AServerThatIsKilledAndComesBackChangesNothing) {
  const std::string here = generated("here.jsonl", {});
  Server one(base_, folder_ / "one.log");
  auto two = std::make_unique<Server>(base_, folder_ / "two.log");
  const std::string servers = one.url() + "," + two->url(), port = two->port();
  std::thread disturber([&] {
    std::this_thread::sleep_for(milliseconds(400));
    two->kill();
    std::this_thread::sleep_for(milliseconds(500));
    two = std::make_unique<Server>(base_, folder_ / "three.log", port);
  });
  EXPECT_EQ(generated("two.jsonl", {"--server", servers}), here);
  disturber.join();
}

TEST_F(FleetEndToEnd, AnotherModelIsRefusedBeforeAnythingIsAsked) {
  const fs::path other = folder_ / "other";
  make_tiny_base(other, 32);
  Server server(other, folder_ / "one.log");
  EXPECT_EQ(generated("x.jsonl", {"--server", server.url()}, 1), "");
  const testing::Outcome check =
      ponder({"fleet", "check", "--server", server.url(), "--model", base_, "--json", "--quiet"});
  EXPECT_EQ(check.status, 1);
  EXPECT_NE(check.out.find("\"ok\":false,\"result\":\"failed\""), std::string::npos) << check.out;
}

TEST_F(FleetEndToEnd, FlagsOfServersNeedOne) {
  const testing::Outcome idle = ponder({"generate", "--model", base_, "--prompt", "Compute 7+8",
                                        "--max-tokens", "4", "--server-kind", "vllm"});
  EXPECT_EQ(idle.status, 2);
  EXPECT_NE(idle.err.find("--server-kind: is of servers, and none is named"), std::string::npos)
      << idle.err;
}

TEST_F(FleetEndToEnd, ACheckOfARightServerFindsNothing) {
  Server server(base_, folder_ / "one.log");
  const testing::Outcome check =
      ponder({"fleet", "check", "--server", server.url(), "--model", base_, "--json", "--quiet"});
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  std::map<std::string, std::string> results;
  for (const Json& row : json_lines(check.out)) results[row["check"]] = row["result"];
  for (const char* name :
       {"reached", "key", "model", "tokenizer", "template", "rollout", "seed", "weights"})
    EXPECT_EQ(results[name], "ok") << name << "\n" << check.out;
}

TEST_F(FleetEndToEnd, ARunOverServersHasTheSameRowsAndWeights) {
  const std::string recipe = testing::source_dir() / "recipes/tiny.toml";
  std::string told;
  const auto run = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> argv =
        command({"run", recipe, "--out", folder_ / name, "--set", "base=" + base_.string(), "--set",
                 "sft.epochs=6", "--log-format", "json"});
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome =
        testing::run(argv, {.folder = {}, .input = "", .limit = std::chrono::seconds(200)});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    told = outcome.err;
    return result_of(folder_ / name);
  };
  const RunResult here = run("here", {});
  ASSERT_FALSE(here.rollouts.empty());
  ASSERT_FALSE(here.weights.empty());
  // For each model the old servers end and two new ones begin, whose addresses the run reads in a file.
  const fs::path script = folder_ / "servers.sh", list = folder_ / "servers.txt",
                 pids = folder_ / "pids";
  write_text(script, fmt::format(R"sh(#!/bin/sh
[ -f {1} ] && kill $(cat {1}) 2>/dev/null
rm -f {1} {3}/serve-*.log
for n in 1 2; do
  {0} serve "$1" --port 0 --json --quiet > {3}/serve-$n.log 2>&1 &
  echo $! >> {1}
done
for n in 1 2; do
  while ! grep -q '"url"' {3}/serve-$n.log; do sleep 0.1; done
done
sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' {3}/serve-1.log {3}/serve-2.log > {2}.new
mv {2}.new {2}
)sh",
                                 program(), pids.string(), list.string(), folder_.path().string()));
  fs::permissions(script, fs::perms::owner_all);
  write_text(list, "http://127.0.0.1:9\n");
  const RunResult there =
      run("there", {"--set", "fleet.servers_file=" + list.string(), "--set",
                    "fleet.command=[\"" + script.string() + "\", \"{model_dir}\"]"});
  EXPECT_EQ(there.weights, here.weights);
  EXPECT_EQ(there.rollouts, here.rollouts);
  // What the dashboard's fleet page shows: each server while it is asked, and what was asked of it.
  EXPECT_NE(told.find("\"in_flight\""), std::string::npos) << told;
  EXPECT_NE(read_file(folder_ / "there/log.jsonl").find("\"event\":\"fleet\""), std::string::npos);
  // And what status says of it: every rollout is somebody's answer.
  const testing::Outcome status = ponder({"status", folder_ / "there", "--json"});
  ASSERT_EQ(status.status, 0) << status.err;
  int64_t answered = 0;
  const Json told_of = json_lines(status.out).at(0);
  for (const Json& stage : told_of["stages"])
    for (const Json& server : stage["servers"]) answered += server["answered"].get<int64_t>();
  // Samples behind enough of a problem's were answered too.
  EXPECT_GE(answered, static_cast<int64_t>(there.rollouts.size()));
  EXPECT_NE(ponder({"status", folder_ / "there"}).out.find(" answered; "), std::string::npos);
  EXPECT_NE(read_file(folder_ / "there/report.html").find("<h2>Requests to servers"),
            std::string::npos);
  testing::run({"sh", "-c", fmt::format("kill $(cat {})", pids.string())});
}

}  // namespace
}  // namespace ponder::e2e
