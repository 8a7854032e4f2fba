// A run whose rollouts are made by servers of another kind: their rows come without log-probabilities and
// are scored here before anything reads them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <map>

#include "base/file.h"
#include "e2e/ponder.h"
#include "e2e/running_server.h"
#include "e2e/vllm_front.h"
#include "pool/pool.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;
constexpr std::chrono::seconds kLimit{250};
constexpr const char* kThrownAway = "are thrown away and asked for again";

void write_text(const fs::path& path, const std::string& text) {
  write_file_atomic(path, [&](FileWriter& file) { file.write(text.data(), text.size()); });
}

class ForeignFleet : public ::testing::Test {
 protected:
  ForeignFleet() {
    make_tiny_base(base_);
    // For each model the old server ends and a new one begins, which the front then stands before.
    write_text(script_, fmt::format(R"sh(#!/bin/sh
echo "$1 $2" >> {2}/asked
[ -f {2}/pid ] && kill $(cat {2}/pid) 2>/dev/null
rm -f {2}/serve.log
{0} serve "$1" --port 0 --json --quiet > {2}/serve.log 2>&1 &
echo $! > {2}/pid
while ! grep -q '"url"' {2}/serve.log; do
  kill -0 $(cat {2}/pid) || {{ cat {2}/serve.log; exit 1; }}
  sleep 0.1
done
echo "$(sed -n 's/.*127.0.0.1:\([0-9]*\)".*/\1/p' {2}/serve.log | head -1) $2" > {1}.new
mv {1}.new {1}
)sh",
                                    program(), target_.string(), folder_.path().string()));
    fs::permissions(script_, fs::perms::owner_all);
  }
  ~ForeignFleet() override {
    if (fs::exists(folder_ / "pid"))
      testing::run({"sh", "-c", fmt::format("kill $(cat {})", (folder_ / "pid").string())});
  }

  std::vector<std::string> argv(const std::string& name,
                                const std::vector<std::string>& more = {}) {
    const std::string recipe = testing::source_dir() / "recipes/tiny.toml";
    std::vector<std::string> argv = command(
        {"run", recipe, "--out", folder_ / name, "--set", "base=" + base_.string(), "--set",
         "sft.epochs=12", "--set", "refine.strategy=\"lowest-perplexity\"", "--set",
         "fleet.kind=\"vllm\"", "--set", "fleet.ready_timeout=60", "--set",
         "fleet.servers=[\"" + front_.url() + "\"]", "--set",
         "fleet.command=[\"" + script_.string() + "\", \"{model_dir}\", \"{served_name}\"]"});
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }
  testing::Outcome run(const std::string& name, const std::vector<std::string>& more = {}) {
    return testing::run(argv(name, more), {.folder = {}, .input = "", .limit = kLimit});
  }
  // The script serves this folder, whatever it is told.
  void serve_instead(const fs::path& folder) const {
    std::string script = read_file(script_);
    script.insert(script.find('\n') + 1, fmt::format("set -- {} \"$2\"\n", folder.string()));
    write_text(script_, script);
    fs::permissions(script_, fs::perms::owner_all);
  }
  // Only explore-1 asks servers, and it is the last.
  static std::vector<std::string> explore_alone() {
    return {"--until", "explore-1", "--set", "fleet.stages=[\"explore\"]"};
  }
  static int num_explored(const std::map<std::string, Json>& rows) {
    return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const auto& row) {
      return row.first.starts_with("explore-1 ");
    }));
  }
  // The front stands before this server, under the name that the one before had.
  void serve_from(const Server& server) const {
    const std::string before = read_file(target_);
    write_text(target_, server.port() + before.substr(before.find(' ')));
  }
  std::string log_of(const std::string& name) const {
    const fs::path log = folder_ / name / "log.jsonl";
    return fs::exists(log) ? read_file(log) : "";
  }
  // What `pool export` says of each rollout, by its place, less the server's address.
  std::map<std::string, Json> rollouts(const std::string& name) {
    std::map<std::string, Json> rows;
    const testing::Outcome exported = ponder({"pool", "export", folder_ / name});
    EXPECT_EQ(exported.status, 0) << exported.err;
    for (Json& row : json_lines(exported.out)) {
      row.erase("endpoint");
      rows[fmt::format("{} {}, sample {}", row["stage"].get<std::string>(),
                       row["problem_id"].get<std::string>(), row["sample"].get<int>())] = row;
    }
    return rows;
  }

  const testing::TemporaryFolder folder_;
  const fs::path base_ = folder_ / "base", script_ = folder_ / "servers.sh",
                 target_ = folder_ / "target";
  VllmFront front_{target_};
};

TEST_F(ForeignFleet, RowsAreScoredHereWhereARuleReadsThem) {
  const testing::Outcome outcome =
      run("run", {"--until", "refine-1", "--set", "sft.epochs=60", "--set", "instruction=boxed",
                  "--set", "system=Answer briefly."});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(front_.num_unknown_fields, 0);
  EXPECT_GT(front_.num_completions, 100);
  const testing::Outcome scored = ponder({"score", "--model", folder_ / "run/checkpoints/M1",
                                          "--data", folder_ / "run", "--per-token", "--quiet"});
  ASSERT_EQ(scored.status, 0) << scored.err;
  std::map<std::string, Json> score_of;
  for (const Json& row : json_lines(scored.out)) score_of[row["id"]] = row;
  int rescored = 0, compared = 0, left = 0;
  for (const auto& [name, row] : rollouts("run")) {
    if (!name.starts_with("explore-1 ")) {
      EXPECT_EQ(row["logprob_source"], "none") << name;  // evaluations read none
      continue;
    }
    const bool passes = row["verdict"] == "correct" && row["finish_reason"] == "stop";
    if (row["logprob_source"] == "none") {
      ++left;
      for (const char* key : {"perplexity", "logprobs", "logprob"})
        EXPECT_FALSE(row.contains(key)) << name;
      continue;
    }
    ASSERT_EQ(row["logprob_source"], "rescored") << name;
    EXPECT_TRUE(passes) << name;
    ++rescored;
    EXPECT_EQ(row["logprobs"].size(), row["token_ids"].size()) << name;
    const Json& score = score_of.at(name);
    if (score["tokens"] != row["token_ids"].size()) continue;  // the text has other ids
    ++compared;
    EXPECT_EQ(row["logprobs"], score["logprobs"]) << name;
    EXPECT_EQ(row["perplexity"], score["perplexity"]) << name;
  }
  EXPECT_GT(compared, 0);
  EXPECT_GT(left, rescored);  // what no rule reads costs no forward
}

TEST_F(ForeignFleet, ARunThatWasStoppedGoesOnToTheSameRows) {
  ASSERT_EQ(run("whole").status, 0);
  const auto whole = rollouts("whole");
  {  // killed in the middle of its rollouts
    const int before = front_.num_completions;
    testing::Process process(argv("parts"), {.folder = {}, .input = "", .limit = kLimit});
    while (front_.num_completions < before + 60 && !process.ended_within(milliseconds(5))) {
    }
    process.signal(SIGKILL);
    EXPECT_NE(process.wait().status, 0);
  }
  for (const char* until : {"explore-1", "refine-1"}) {
    const testing::Outcome part = run("parts", {"--until", until});
    ASSERT_EQ(part.status, 0) << part.err;
  }
  ASSERT_EQ(run("parts").status, 0);
  EXPECT_EQ(rollouts("parts"), whole);
  // Changed to servers of kind ponder it is another run.
  const testing::Outcome other = run("parts", {"--set", "fleet.kind=\"ponder\""});
  EXPECT_NE(other.status, 0);
  EXPECT_NE(other.err.find("fleet.kind"), std::string::npos) << other.err;
}

// Keeps so many bits of each weight's fraction: 7 are bf16's, 3 those of an 8-bit float.
void round_weights(const fs::path& folder, int bits) {
  const fs::path file = folder / "model.safetensors";
  std::string bytes = read_file(file);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const Json tensors = parse_json(bytes.substr(8, header), "header");
  for (const auto& [name, tensor] : tensors.items()) {
    if (!tensor.contains("dtype")) continue;
    ASSERT_EQ(tensor["dtype"], "F32") << name;
    for (uint64_t at = tensor["data_offsets"][0]; at < tensor["data_offsets"][1]; at += 4) {
      uint32_t value = 0;
      std::memcpy(&value, bytes.data() + 8 + header + at, sizeof value);
      const uint32_t half = uint32_t{1} << (22 - bits);
      value = (value + half) & ~(2 * half - 1);
      std::memcpy(bytes.data() + 8 + header + at, &value, sizeof value);
    }
  }
  write_text(file, bytes);
  fs::remove(folder / "ponder.json");  // it has their hash
}

TEST_F(ForeignFleet, TheServersProveTheirWeightsBeforeAnyRollout) {
  const std::vector<std::string> once = {"--until", "explore-1",
                                         "--set",   "fleet.stages=[\"explore\"]",
                                         "--set",   "fleet.ready_timeout=0"};
  // The base under the name of M1.
  const fs::path instead = folder_ / "instead";
  fs::copy(base_, instead);
  serve_instead(instead);
  const testing::Outcome stale = run("run", once);
  EXPECT_EQ(stale.status, 1);
  EXPECT_NE(stale.err.find("does not have the weights of M1: "), std::string::npos) << stale.err;
  EXPECT_NE(stale.err.find(", 0 from M0, at 16 positions"), std::string::npos) << stale.err;
  EXPECT_EQ(front_.num_completions, 0);
  EXPECT_GT(front_.num_likeliest, 0);
  // M1 in fewer bits: the same model, as servers have it.
  for (const int bits : {3, 7}) {
    fs::remove_all(instead);
    fs::copy(folder_ / "run/checkpoints/M1", instead);
    round_weights(instead, bits);
    const testing::Outcome check =
        ponder({"fleet", "check", "--server", front_.url(), "--server-kind", "vllm", "--model",
                folder_ / "run/checkpoints/M1", "--other", base_, "--json", "--quiet"});
    std::map<std::string, Json> of;
    for (const Json& row : json_lines(check.out)) of[row["check"]] = row;
    // It still has the base, then M1 in three bits: told, not refused.
    EXPECT_EQ(of["weights"]["result"], bits == 3 ? "failed" : "warning")
        << dump_json(of["weights"]);
    fs::remove(target_);
    const int before = front_.num_completions;
    std::vector<std::string> again = once;
    if (bits == 7) again.insert(again.end(), {"--redo", "--set", "explore.temperature=0.9"});
    const testing::Outcome right = run("run", again);
    EXPECT_EQ(right.status, 0) << bits << " bits: " << right.err;
    EXPECT_GT(front_.num_completions, before);
  }
}

// In the middle of its rollouts another engine comes under the name of the first; when that was seen, the
// first is there again.
TEST_F(ForeignFleet, WhatAServerAnsweredBeforeItWasFoundWrongIsMadeAgain) {
  ASSERT_EQ(run("whole", explore_alone()).status, 0);
  const auto whole = rollouts("whole");
  ASSERT_FALSE(whole.empty());
  const Server other(base_, folder_ / "base.log");
  const std::string right = read_file(target_);
  const int begin = front_.num_completions;
  front_.before_completion = [&](int number) {
    if (number == begin + 20) serve_from(other);
  };
  testing::Process process(argv("changed", explore_alone()),
                           {.folder = {}, .input = "", .limit = kLimit});
  while (log_of("changed").find(kThrownAway) == std::string::npos &&
         !process.ended_within(milliseconds(20))) {
  }
  write_text(target_, right);
  const testing::Outcome outcome = process.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find(front_.url() + " does not have the weights of M1: "),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(rollouts("changed"), whole);
  // Nothing of it is left, and what became of it is kept.
  const pool::Pool pool = pool::Pool::open_read_only(folder_ / "changed/run.db");
  std::map<std::string, int> proofs, outcomes;
  for (const pool::ServerCheckRecord& check : pool.server_checks()) {
    ++proofs[check.proof];
    EXPECT_EQ(check.withdrawn > 0, check.proof == "wrong") << check.checked;
  }
  EXPECT_EQ(proofs["wrong"], 1);
  EXPECT_GE(proofs["right"], 3);  // at first contact, when it was right again, at the end
  for (const pool::AttemptRecord& attempt : pool.attempts("explore-1"))
    ++outcomes[std::string(to_string(attempt.outcome))];
  EXPECT_GE(outcomes["withdrawn"], 20);
  EXPECT_GE(outcomes["answered"], num_explored(whole));
  pool.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& stored) {
    const auto attempts = pool.attempts_of(stored);
    ASSERT_FALSE(attempts.empty());
    EXPECT_EQ(attempts.back().outcome, pool::AttemptRecord::Outcome::kAnswered);
    EXPECT_EQ(attempts.back().server, stored.rollout.completion.endpoint);
    EXPECT_EQ(attempts.back().num_tokens, stored.rollout.completion.num_tokens());
  });
}

// Stopped, it has rollouts that were not proven; when it goes on the server has become another.
TEST_F(ForeignFleet, WhatAStoppedRunHadNotProvenIsProvenOrThrownAway) {
  ASSERT_EQ(run("whole", explore_alone()).status, 0);
  const auto whole = rollouts("whole");
  const std::string right = read_file(target_);
  for (const bool changes : {false, true}) {
    const std::string name = changes ? "changed" : "same";
    const int begin = front_.num_completions;
    front_.hold_from = begin + 40;
    {
      testing::Process process(argv(name, explore_alone()),
                               {.folder = {}, .input = "", .limit = kLimit});
      while (front_.num_completions < begin + 40 && !process.ended_within(milliseconds(5))) {
      }
      std::this_thread::sleep_for(milliseconds(300));  // an answer that came in part would be kept
      process.signal(SIGTERM);
      EXPECT_NE(process.wait().status, 0);
    }
    front_.hold_from = 1 << 30;
    const auto had = rollouts(name);
    EXPECT_GT(had.size(), whole.size() - num_explored(whole)) << "some of explore-1";
    if (changes) {
      const Server other(base_, folder_ / "base.log");
      serve_from(other);
      std::vector<std::string> wrong = explore_alone();
      wrong.insert(wrong.end(), {"--set", "fleet.command=[]", "--set", "fleet.ready_timeout=0"});
      const testing::Outcome outcome = run(name, wrong);
      EXPECT_EQ(outcome.status, 1);
      EXPECT_NE(outcome.err.find(kThrownAway), std::string::npos) << outcome.err;
      EXPECT_EQ(rollouts(name).size(), whole.size() - num_explored(whole));
      write_text(target_, right);
    }
    EXPECT_EQ(run(name, explore_alone()).status, 0);
    EXPECT_EQ(rollouts(name), whole);
    const pool::Pool pool = pool::Pool::open_read_only(folder_ / name / "run.db");
    const auto attempts = pool.attempts("explore-1");
    EXPECT_EQ(changes, std::any_of(attempts.begin(), attempts.end(), [](const auto& attempt) {
                return attempt.outcome == pool::AttemptRecord::Outcome::kWithdrawn;
              }));
  }
}

// What had come of answers is kept, and the servers are asked for the rest of them alone.
TEST_F(ForeignFleet, AnUnfinishedAnswerGoesOnBehindAStop) {
  const int begin = front_.num_completions;
  front_.hold_events = 5;
  {
    testing::Process process(argv("run", explore_alone()),
                             {.folder = {}, .input = "", .limit = kLimit});
    while (front_.num_completions < begin + 8 && !process.ended_within(milliseconds(5))) {
    }
    std::this_thread::sleep_for(milliseconds(500));
    process.signal(SIGTERM);
    EXPECT_NE(process.wait().status, 0);
  }
  front_.hold_events = 1 << 30;
  std::vector<pool::PartialRecord> begun;
  {
    const pool::Pool pool = pool::Pool::open_read_only(folder_ / "run/run.db");
    begun = pool.partials("explore-1");
    const auto attempts = pool.attempts("explore-1");
    const auto on_their_way = std::count_if(attempts.begin(), attempts.end(), [](const auto& a) {
      return a.outcome == pool::AttemptRecord::Outcome::kBegun && a.num_tokens > 0;
    });
    EXPECT_EQ(static_cast<size_t>(on_their_way), begun.size());
  }
  ASSERT_GT(begun.size(), 3u);
  front_.least_max_tokens = 1 << 30;
  const testing::Outcome whole = run("run", explore_alone());
  ASSERT_EQ(whole.status, 0) << whole.err;
  std::map<std::string, std::vector<int32_t>> ids;
  const pool::Pool pool = pool::Pool::open_read_only(folder_ / "run/run.db");
  pool.for_each_rollout({.stage = "explore-1"}, [&](const pool::StoredRollout& stored) {
    ids[fmt::format("{} {}", stored.rollout.problem_id, stored.rollout.sample)] =
        *stored.rollout.completion.token_ids;
    EXPECT_EQ(stored.rollout.completion.endpoint, front_.url());
    EXPECT_EQ(stored.rollout.completion.logprob_source, data::LogprobSource::kNone);
  });
  int there = 0;
  for (const pool::PartialRecord& partial : begun) {
    EXPECT_TRUE(partial.tokens.logprobs.empty());
    const auto row = ids.find(fmt::format("{} {}", partial.problem_id, partial.sample));
    if (row == ids.end()) continue;  // those before it were enough
    ++there;
    const std::vector<int32_t>& had = partial.tokens.token_ids;
    ASSERT_GE(row->second.size(), had.size());
    EXPECT_TRUE(std::equal(had.begin(), had.end(), row->second.begin()));
  }
  EXPECT_GT(there, 0);
  EXPECT_LT(front_.least_max_tokens, 64);  // explore.max_tokens
}

TEST_F(ForeignFleet, GenerateGoesOnBehindWhatHadBegun) {
  const Server server(base_, folder_ / "base.log");
  write_text(target_, server.port() + " nano");
  std::string problems;
  for (int i = 0; i < 8; ++i)
    problems += fmt::format("{{\"id\":\"p{}\",\"problem\":\"{} + 1?\",\"answer\":\"1\"}}\n", i, i);
  write_text(folder_ / "problems.jsonl", problems);
  const std::string out = folder_ / "rows.jsonl";
  const std::vector<std::string> argv = command(
      {"generate", "--model", base_, "--problems", folder_ / "problems.jsonl", "--max-tokens", "40",
       "--server", front_.url(), "--server-kind", "vllm", "--served-model", "nano", "--out", out});
  front_.hold_events = 5;
  {
    testing::Process process(argv, {.folder = {}, .input = "", .limit = kLimit});
    while (front_.num_completions < 8 && !process.ended_within(milliseconds(5))) {
    }
    std::this_thread::sleep_for(milliseconds(500));
    process.signal(SIGTERM);
    EXPECT_NE(process.wait().status, 0);
  }
  front_.hold_events = 1 << 30;
  std::map<int, std::vector<int32_t>> begun;  // by problem
  const std::vector<std::string> lines = testing::lines_of(read_file(out + ".part"));
  for (const std::string& line : lines) {
    const size_t part = line.find(" + {");
    if (part == std::string::npos) continue;
    const Json json = parse_json(line.substr(part + 3), "part");
    EXPECT_FALSE(json.contains("logprobs"));
    begun[std::stoi(line)] = json["token_ids"].get<std::vector<int32_t>>();
  }
  ASSERT_GT(begun.size(), 3u);
  const testing::Outcome outcome = testing::run(argv, {.folder = {}, .input = "", .limit = kLimit});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::vector<Json> rows = json_lines(read_file(out));
  ASSERT_EQ(rows.size(), 8u);
  for (const Json& row : rows)
    for (const char* key : {"logprobs", "logprob", "model_sha256"})
      EXPECT_FALSE(row.contains(key)) << key;
  for (const auto& [problem, ids] : begun) {
    const auto row = rows[static_cast<size_t>(problem)]["token_ids"].get<std::vector<int32_t>>();
    ASSERT_GE(row.size(), ids.size());
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), row.begin()));
  }
}

TEST_F(ForeignFleet, AKindThatIsNotTheServersIsNamed) {
  Server server(base_, folder_ / "one.log");
  for (const char* kind : {"vllm", "sglang", "llama-server"}) {
    const testing::Outcome outcome = ponder({"generate", "--model", base_, "--prompt", "2+2",
                                             "--server", server.url(), "--server-kind", kind});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(
        outcome.err.find(fmt::format("is a server of kind ponder, asked as one of kind {}", kind)),
        std::string::npos)
        << outcome.err;
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
  }
  const testing::Outcome other =
      ponder({"generate", "--model", base_, "--prompt", "2+2", "--server", front_.url()});
  EXPECT_EQ(other.status, 1);
}

TEST_F(ForeignFleet, AChatEndpointIsRefusedWithWhy) {
  const testing::Outcome outcome = run("run", {"--set", "fleet.kind=\"openai\""});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("fleet.kind: a chat endpoint takes and gives text"), std::string::npos)
      << outcome.err;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

}  // namespace
}  // namespace ponder::e2e
