// Commands whose rows take long go on where they were stopped or killed, and end with the same bytes.
#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;

class Jobs : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(folder_ / "base");
    for (const char* seed : {"1", "2"}) {
      const testing::Outcome made = run({"synth", "--domain", "choice", "--count", "150", "--seed",
                                         seed, "--out", std::string(seed) + ".jsonl"});
      ASSERT_EQ(made.status, 0) << made.err;
    }
    std::string rows, answers;
    for (int i = 0; i < 3000; ++i) {
      const std::string sum = std::to_string(7 + i);
      rows += dump_json({{"id", i},
                         {"prompt", "Compute 7+" + std::to_string(i)},
                         {"response", "It is " + sum + ", I think."}}) +
              "\n";
    }
    for (int i = 0; i < 60'000; ++i) {
      answers += dump_json({{"gold", "\\frac{" + std::to_string(i) + "}{7}"},
                            {"prediction", std::to_string(i % 9) + "/7"},
                            {"expected", i < 9}}) +
                 "\n";
    }
    write_file_atomic(folder_ / "rows.jsonl", rows);
    write_file_atomic(folder_ / "answers.jsonl", answers);
  }

  testing::Launch launch() const {
    return {.folder = folder_.path(), .input = "", .limit = testing::kLimit};
  }
  // A command that writes `out`.
  static std::vector<std::string> job(std::vector<std::string> words, const std::string& out) {
    words.insert(words.begin(), program());
    words.insert(words.end(), {"--threads", "1", "--out", out});
    return words;
  }
  testing::Outcome run(std::vector<std::string> words) const {
    words.insert(words.begin(), program());
    return testing::run(words, launch());
  }
  int64_t lines_of(const std::string& file) const {
    if (!fs::exists(folder_ / file)) return 0;
    const std::string text = read_file(folder_ / file);
    return std::count(text.begin(), text.end(), '\n');
  }
  // Whole rows in OUT.part.
  int64_t rows_of(const std::string& file) const {
    if (!fs::exists(folder_ / file)) return 0;
    std::string text = read_file(folder_ / file);
    text.erase(text.rfind('\n') + 1);
    const std::vector<std::string> lines = testing::lines_of(text);
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return !line.starts_with("{") && line.find(" + {") == std::string::npos;
    });
  }
  // Ends the command by `signal` once some lines more are in OUT.part than there were. False if it
  // was done before.
  bool interrupt(const std::vector<std::string>& argv, const std::string& part, int signal) {
    const int64_t before = lines_of(part);
    testing::Process process(argv, launch());
    while (lines_of(part) < before + 20) {
      if (process.ended_within(milliseconds(2))) return false;
    }
    process.signal(signal);
    const testing::Outcome outcome = process.wait();
    EXPECT_TRUE(outcome.status == 128 + signal || outcome.status == 0) << outcome.err;
    if (outcome.status == 128 + SIGTERM || outcome.status == 128 + SIGINT) {
      EXPECT_NE(outcome.err.find("goes on from here"), std::string::npos) << outcome.err;
    }
    return outcome.status != 0;
  }
  void expect_goes_on(const std::vector<std::string>& words) {
    const testing::Outcome whole = testing::run(job(words, "whole"), launch());
    ASSERT_EQ(whole.status, 0) << whole.err;
    int interrupted = 0;
    for (const int signal : {SIGINT, SIGKILL, SIGTERM, SIGINT})
      interrupted += interrupt(job(words, "war"), "war.part", signal);
    EXPECT_GE(interrupted, 2);
    if (fs::exists(folder_ / "war.part"))  // a line that was cut by a kill
      fs::resize_file(folder_ / "war.part", fs::file_size(folder_ / "war.part") - 8);
    const int64_t kept = rows_of("war.part");
    const testing::Outcome rest = testing::run(job(words, "war"), launch());
    ASSERT_EQ(rest.status, 0) << rest.err;
    if (kept > 0) {
      EXPECT_NE(rest.err.find(std::to_string(kept) + " rows are there already"), std::string::npos)
          << rest.err;
    }
    EXPECT_EQ(rest.out, whole.out);
    EXPECT_TRUE(read_file(folder_ / "war") == read_file(folder_ / "whole"));
    EXPECT_FALSE(fs::exists(folder_ / "war.part"));
  }
  // The command is refused for `reason`, and the rows that are there stay.
  void expect_refused(const std::vector<std::string>& argv, const std::string& reason) {
    const std::string kept = read_file(folder_ / "out.part");
    const testing::Outcome refused = testing::run(argv, launch());
    EXPECT_EQ(refused.status, 1);
    const std::string last = testing::lines_of(refused.err).back();
    EXPECT_TRUE(last.starts_with("ponder: ")) << refused.err;
    EXPECT_NE(last.find(reason), std::string::npos) << refused.err;
    EXPECT_EQ(read_file(folder_ / "out.part"), kept);
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }

  const std::vector<std::string> kGenerate = {
      "generate", "--model",      "base", "--problems",  "1.jsonl",
      "--judge",  "--max-tokens", "400",  "--max-batch", "4"};
  testing::TemporaryFolder folder_;
};

TEST_F(Jobs, GenerateGoesOn) {
  expect_goes_on({"generate", "--model", "base", "--problems", "1.jsonl", "-n", "4", "--max-tokens",
                  "48", "--judge", "--max-batch", "8"});
}

TEST_F(Jobs, GenerateWithEnoughGoesOn) {
  expect_goes_on({"generate", "--model", "base", "--problems", "1.jsonl", "-n", "6", "--max-tokens",
                  "48", "--judge", "--enough-incorrect", "3", "--max-batch", "8"});
}

TEST_F(Jobs, EvalGoesOn) {
  expect_goes_on({"eval", "--model", "base", "--benchmark", "1.jsonl,2.jsonl", "--samples", "2",
                  "--max-tokens", "48", "--max-batch", "8"});
}

TEST_F(Jobs, EvalsRowsAreComparedOnlyWithTheSameProblems) {
  const std::vector<std::string> eval = {
      "eval", "--model", "base", "--benchmark", "1.jsonl", "--limit", "3", "--max-tokens", "8"};
  const auto eval_with = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> words = eval;
    words.insert(words.end(), more);
    return run(words);
  };
  ASSERT_EQ(eval_with({"--out", "then.jsonl"}).status, 0);
  const testing::Outcome same = eval_with({"--compare", "then.jsonl", "--json"});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(parse_json(same.out, "eval").at("comparison").at("n"), 3);

  std::vector<std::string> lines = testing::lines_of(read_file(folder_ / "1.jsonl"));
  Json row = parse_json(lines[1], "row");
  row["question"] = row.at("question").get<std::string>() + " Why?";
  lines[1] = dump_json(row);
  std::string edited;
  for (const std::string& line : lines) edited += line + "\n";
  write_file_atomic(folder_ / "1.jsonl", edited);
  const testing::Outcome other = eval_with({"--compare", "then.jsonl"});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("another question or gold under the id"), std::string::npos)
      << other.err;
}

TEST_F(Jobs, ScoreGoesOn) {
  expect_goes_on({"score", "--model", "base", "--data", "rows.jsonl", "--batch-tokens", "128"});
}

TEST_F(Jobs, JudgeGoesOn) { expect_goes_on({"judge", "answers.jsonl"}); }

class Partials : public Jobs {
 protected:
  // Tokens of whole lines of OUT.part: of rows, and of parts of rows that are not there.
  int64_t kept_tokens() const {
    std::map<std::string, int64_t> tokens;  // by place
    std::set<std::string> rows;
    std::string text = read_file(folder_ / "war.part");
    text.erase(text.rfind('\n') + 1);
    for (const std::string& line : testing::lines_of(text)) {
      if (line.starts_with("{")) continue;
      const size_t end = line.find(' ', line.find(' ') + 1);
      const std::string place = line.substr(0, end);
      const bool part = line[end + 1] == '+';
      const Json row = parse_json(line.substr(end + (part ? 3 : 1)), place);
      const auto count = static_cast<int64_t>(row.at("token_ids").size());
      if (part && !rows.contains(place)) tokens[place] += count;
      if (!part) tokens[place] = count;
      if (!part) rows.insert(place);
    }
    num_begun_ = tokens.size() - rows.size();
    int64_t sum = 0;
    for (const auto& [place, count] : tokens) sum += count;
    return sum;
  }
  static int64_t sampled(const testing::Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const size_t at = outcome.err.find(" rollouts, ");
    EXPECT_NE(at, std::string::npos) << outcome.err;
    return std::stoll(outcome.err.substr(at + 11));
  }
  void expect_nothing_is_made_twice(int64_t whole) {
    const int64_t kept = kept_tokens();
    EXPECT_GE(num_begun_, 1u);
    const testing::Outcome rest = testing::run(job(kLong, "war"), launch());
    EXPECT_EQ(sampled(rest), whole - kept);
    EXPECT_NE(rest.err.find(", " + std::to_string(num_begun_) + " begun"), std::string::npos)
        << rest.err;
    EXPECT_TRUE(read_file(folder_ / "war") == read_file(folder_ / "whole"));
    EXPECT_FALSE(fs::exists(folder_ / "war.part"));
  }

  const std::vector<std::string> kLong = {"generate", "--model",      "base", "--problems",
                                          "1.jsonl",  "--max-tokens", "900",  "--max-batch",
                                          "8",        "--judge"};
  mutable size_t num_begun_ = 0;
};

TEST_F(Partials, WhatHasBegunIsKeptAtAStop) {
  const int64_t whole = sampled(testing::run(job(kLong, "whole"), launch()));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(interrupt(job(kLong, "war"), "war.part", SIGTERM));
  expect_nothing_is_made_twice(whole);
}

// The clock goes on while the process does not: its next look at it saves.
TEST_F(Partials, WhatHasBegunIsKeptEveryTenSeconds) {
  const int64_t whole = sampled(testing::run(job(kLong, "whole"), launch()));
  testing::Process process(job(kLong, "war"), launch());
  while (lines_of("war.part") < 3) ASSERT_FALSE(process.ended_within(milliseconds(2)));
  process.signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(11));
  process.signal(SIGCONT);
  while (read_file(folder_ / "war.part").find(" + {") == std::string::npos)
    ASSERT_FALSE(process.ended_within(milliseconds(2)));
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait().status, 128 + SIGKILL);
  expect_nothing_is_made_twice(whole);
}

TEST_F(Jobs, AnotherJobsRowsAreRefused) {
  ASSERT_TRUE(interrupt(job(kGenerate, "out"), "out.part", SIGKILL));
  std::vector<std::string> seed = kGenerate, problems = kGenerate, bf16 = kGenerate;
  seed.insert(seed.end(), {"--seed", "2"});
  expect_refused(job(seed, "out"), "seed: 1 there, 2 here");
  bf16.insert(bf16.end(), {"--precision", "bf16"});
  expect_refused(job(bf16, "out"), "precision: nothing there, \"bf16-3\" here");
  std::replace(problems.begin(), problems.end(), std::string("1.jsonl"), std::string("2.jsonl"));
  expect_refused(job(problems, "out"), "problems: ");
  std::vector<std::string> elsewhere = kGenerate;  // whose random numbers are others
  elsewhere.insert(elsewhere.end(), {"--server", "http://127.0.0.1:9", "--server-kind", "vllm"});
  expect_refused(job(elsewhere, "out"), "server kind: nothing there, \"vllm\" here");
  expect_refused(job({"eval", "--model", "base", "--benchmark", "1.jsonl"}, "out"), "command: ");
  expect_refused(job({"score", "--model", "base", "--data", "rows.jsonl"}, "out"), "command: ");
  expect_refused(job({"judge", "answers.jsonl"}, "out"), "command: ");
}

// Whatever decides a row, also where its prompt stays the same.
TEST_F(Jobs, ChangedInputsAreRefused) {
  ASSERT_TRUE(interrupt(job(kGenerate, "out"), "out.part", SIGKILL));
  const auto refuses = [&](const std::string& file, const std::string& from, const std::string& to,
                           const std::string& reason) {
    const std::string text = read_file(folder_ / file);
    std::string other = text;
    const size_t at = other.find(from);
    ASSERT_NE(at, std::string::npos) << file;
    write_file_atomic(folder_ / file, other.replace(at, from.size(), to));
    expect_refused(job(kGenerate, "out"), reason);
    write_file_atomic(folder_ / file, text);
  };
  refuses("1.jsonl", "\"answer\":\"A", "\"answer\":\"B", "problems: ");
  refuses("base/config.json", "\"rope_theta\":", "\"rope_theta\":1", "config.json: ");
  const std::string end = read_file(folder_ / "base/tokenizer.json");
  write_file_atomic(folder_ / "base/tokenizer.json", end + "\n");
  expect_refused(job(kGenerate, "out"), "tokenizer.json: ");
  write_file_atomic(folder_ / "base/tokenizer.json", end);
  EXPECT_TRUE(interrupt(job(kGenerate, "out"), "out.part", SIGTERM));  // and now it goes on
}

TEST_F(Jobs, ADamagedLineIsNamed) {
  ASSERT_TRUE(interrupt(job(kGenerate, "out"), "out.part", SIGKILL));
  const std::string text = read_file(folder_ / "out.part");
  const size_t second = text.find('\n') + 1;
  for (const auto& [at, length] : {std::pair<size_t, size_t>{second, 1}, {second + 4, 9}}) {
    std::string damaged = text;
    write_file_atomic(folder_ / "out.part", damaged.replace(at, length, length, '\0'));
    expect_refused(job(kGenerate, "out"), "out.part");
  }
}

TEST_F(Jobs, TwoProcessesDoNotShareAFile) {
  testing::Process first(job(kGenerate, "out"), launch());
  while (lines_of("out.part") < 2) ASSERT_FALSE(first.ended_within(milliseconds(2)));
  const testing::Outcome second = testing::run(job(kGenerate, "out"), launch());
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find("being written by another process"), std::string::npos) << second.err;
  EXPECT_FALSE(first.ended_within(milliseconds(50))) << "the first was disturbed";
}

TEST_F(Jobs, NothingIsLeftOfAJobWithoutRows) {
  EXPECT_EQ(run({"generate", "--model", "base", "--problems", "1.jsonl", "--max-tokens", "500000",
                 "--out", "out"})
                .status,
            1);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_FALSE(fs::exists(folder_ / "out.part"));
}

}  // namespace
}  // namespace ponder::e2e
