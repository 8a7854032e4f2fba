// The pool's doors through the real binary: files of other programs in, and what works on them.
#include <algorithm>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kNano = testing::source_dir() / "models/nano-base";

class PoolDoors : public ::testing::Test {
 protected:
  void SetUp() override {
    write("problems.jsonl",
          {R"({"id": "p1", "question": "Compute 2+3", "answer": "5", "answer_type": "number"})",
           R"({"id": "p2", "question": "Compute 4+4", "answer": "8", "answer_type": "number"})"});
    write("requests.jsonl", {request("p1-0", "Compute 2+3"), request("p1-1", "Compute 2+3"),
                             request("p2", "Compute 4+4")});
    write("batch_output.jsonl", {output("p1-0", "2+3", "5"), output("p1-1", "two and three", "5"),
                                 output("p2", "4+4", "9")});
    write(
        "samples_gsm8k.jsonl",
        {R"({"doc_id": 7, "doc": {"question": "Compute 1+1", "answer": "#### 2"}, "target": "2", "arguments": {"gen_args_0": {"arg_0": "Compute 1+1", "arg_1": {"do_sample": false}}}, "resps": [["So it is 2.\n#### 2"]], "filtered_resps": ["2"], "filter": "strict-match"})"});
    write(
        "rows.jsonl",
        {R"({"prompt": "Compute 6+1", "answer": "7", "responses": ["<think>\n6, 7\n</think>\n\n\\boxed{7}", "<think>\nhm\n</think>\n\n\\boxed{8}"]})"});
  }

  static std::string request(const std::string& id, const std::string& question) {
    return R"({"custom_id": ")" + id +
           R"(", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "temperature": 0.6, "messages": [{"role": "user", "content": ")" +
           question + R"("}]}})";
  }
  static std::string output(const std::string& id, const std::string& thought,
                            const std::string& answer) {
    return R"({"custom_id": ")" + id +
           R"(", "response": {"status_code": 200, "body": {"model": "m", "choices": [{"message": {"role": "assistant", "reasoning_content": ")" +
           thought + R"(", "content": "\\boxed{)" + answer +
           R"(}"}, "finish_reason": "stop"}], "usage": {"completion_tokens": )" +
           std::to_string(5 + thought.size()) + R"(}}}, "error": null})";
  }

  void write(const std::string& name, const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file_atomic(folder_ / name, text);
  }

  testing::Outcome in_folder(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program());
    return testing::run(arguments,
                        {.folder = folder_.path(), .input = "", .limit = std::chrono::minutes(2)});
  }

  Json json_of(std::vector<std::string> arguments) const {
    arguments.push_back("--json");
    const testing::Outcome outcome = in_folder(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const std::vector<Json> lines = json_lines(outcome.out);
    EXPECT_EQ(lines.size(), 1u) << outcome.out;
    return lines.empty() ? Json() : lines[0];
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(PoolDoors, WhatIsImportedCanBeRefinedScoredAndAskedAbout) {
  const Json first =
      json_of({"pool", "import", "pool", "requests.jsonl", "batch_output.jsonl", "problems.jsonl"});
  EXPECT_EQ(first.at("rows"), 3);
  EXPECT_EQ(first.at("kept"), 3);
  EXPECT_EQ(first.at("judged").at("correct"), 2);
  EXPECT_EQ(first.at("judged").at("incorrect"), 1);
  EXPECT_EQ(first.at("models").at("m"), 3);
  EXPECT_EQ(first.at("files").size(), 3u);
  const std::string before = in_folder({"pool", "pool", "export"}).out;
  const testing::Outcome again =
      in_folder({"pool", "import", "pool", "requests.jsonl", "batch_output.jsonl"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.out.find("3 duplicates"), std::string::npos) << again.out;
  EXPECT_NE(again.out.find("nothing is new"), std::string::npos) << again.out;
  EXPECT_EQ(in_folder({"pool", "pool", "export"}).out, before);

  EXPECT_EQ(json_of({"pool", "pool"}).at("trajectories"), 3);
  const Json shortest = json_of({"refine", "pool", "--strategy", "shortest"});
  EXPECT_EQ(shortest.at("rows"), 1);
  EXPECT_EQ(shortest.at("mean_tokens"), 8);
  const testing::Outcome why = in_folder({"why", "pool", "import:1"});
  EXPECT_NE(why.out.find("batch_output.jsonl, line 2"), std::string::npos) << why.out << why.err;
  EXPECT_NE(why.out.find("temperature 0.6"), std::string::npos) << why.out;
  EXPECT_NE(why.out.find("m (weights not known)"), std::string::npos) << why.out;

  const testing::Outcome unknown = in_folder({"refine", "pool", "--strategy", "lowest-perplexity"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.err.find("ponder score --model"), std::string::npos) << unknown.err;
  // In the other arithmetic first: its numbers do not stand for those of this one.
  const testing::Outcome other =
      in_folder({"score", "--model", kNano, "--data", "pool", "--quiet", "--precision", "bf16"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(json_lines(other.out).size(), 3u);
  const testing::Outcome scored =
      in_folder({"score", "--model", kNano, "--data", "pool", "--quiet"});
  EXPECT_EQ(scored.status, 0) << scored.err;
  const std::vector<Json> scores = json_lines(scored.out);
  ASSERT_EQ(scores.size(), 3u);
  const Json lowest = json_of({"refine", "pool", "--strategy", "lowest-perplexity"});
  EXPECT_EQ(lowest.at("mean_perplexity"), std::min(scores[0].at("perplexity").get<double>(),
                                                   scores[1].at("perplexity").get<double>()));
  const testing::Outcome done = in_folder({"score", "--model", kNano, "--data", "pool"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, "");

  // Another file: no tokens are known of its rows, so lengths are bytes.
  EXPECT_EQ(json_of({"pool", "import", "pool", "rows.jsonl"}).at("kept"), 2);
  const Json bytes = json_of({"refine", "pool"});
  EXPECT_TRUE(bytes.at("mean_tokens").is_null());
  EXPECT_GT(bytes.at("mean_bytes"), 20);
  EXPECT_EQ(in_folder({"status", "pool"}).status, 0);
}

// What ponder itself has sampled, with nothing but its own file.
TEST_F(PoolDoors, RolloutsOfGenerateNeedNoOtherFile) {
  const testing::Outcome made =
      in_folder({"generate", "--model", kNano, "--problems", "problems.jsonl", "-n", "2",
                 "--max-tokens", "16", "--judge", "--quiet", "--out", "rollouts.jsonl"});
  ASSERT_EQ(made.status, 0) << made.err;
  const Json imported = json_of({"pool", "import", "pool", "rollouts.jsonl"});
  EXPECT_EQ(imported.at("kept"), 4);
  EXPECT_EQ(imported.at("without_temperature"), 0);
  const std::vector<Json> rollouts = json_lines(read_file(folder_ / "rollouts.jsonl"));
  const std::vector<Json> exported =
      json_lines(in_folder({"pool", "pool", "export", "--quiet"}).out);
  ASSERT_EQ(exported.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    for (const char* key : {"problem_id", "sample", "token_ids", "logprobs", "text", "verdict",
                            "proof", "finish_reason", "model_sha256", "prompt", "answer", "seed"})
      EXPECT_EQ(exported[i].at(key), rollouts[i].at(key)) << key;
    EXPECT_TRUE(exported[i].contains("perplexity"));
  }
  // And its own export again, in another pool.
  write_file_atomic(folder_ / "export.jsonl", in_folder({"pool", "pool", "export", "--quiet"}).out);
  EXPECT_EQ(json_of({"pool", "import", "second", "export.jsonl"}).at("kept"), 4);
  EXPECT_EQ(in_folder({"pool", "second", "export", "--quiet"}).out,
            read_file(folder_ / "export.jsonl"));
}

TEST_F(PoolDoors, WhatIsNoPoolIsRefusedAndWhatFailsLeavesNothing) {
  const auto refused = [&](std::vector<std::string> arguments, const std::string& reason,
                           int status = 1) {
    const testing::Outcome outcome = in_folder(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_NE(outcome.err.find(reason), std::string::npos) << outcome.err;
  };
  fs::create_directories(folder_ / "other");
  write("other/notes.txt", {"mine"});
  refused({"pool", "import", "other", "rows.jsonl"}, "holds no pool");
  fs::create_directories(folder_ / "run");
  write("run/recipe.toml", {""});
  refused({"pool", "import", "run", "rows.jsonl"}, "a recipe's run");
  refused({"pool", "import", "rows.jsonl", "rows.jsonl"}, "found a file");
  refused({"pool", "import", "pool", "absent.jsonl"}, "absent.jsonl");
  refused({"pool", "import", "pool", "problems.jsonl"}, "expected files of responses", 2);
  write("bad.jsonl", {R"({"prompt": "\u001b[2Jq", "responses": ["x"]})"});
  const testing::Outcome bad = in_folder({"pool", "import", "pool", "rows.jsonl", "bad.jsonl"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("no_answer 1"), std::string::npos) << bad.err;
  EXPECT_FALSE(fs::exists(folder_ / "pool"));
  refused({"pool", "import", "pool"}, "FILE", 2);
  refused({"pool"}, "RUN", 2);
  EXPECT_EQ(in_folder({"pool", "import", "pool", "rows.jsonl"}).status, 0);
  refused({"pool", "import", "pool", "pool/run.db"}, "names what the command reads", 2);
  refused({"run", testing::source_dir() / "recipes/tiny.toml", "--set", "base=" + kNano, "--out",
           "pool"},
          "a pool of imported responses");
  // What a file says reaches a terminal as text.
  write("hostile.jsonl",
        {R"({"prompt": "q\u001b[2J", "answer": "1", "model": "\u001b[2Jm", "responses": ["1"]})",
         R"({"id": "\u001b[2Jx", "prompt": "\u001b[2J?", "responses": [""]})"});
  const testing::Outcome hostile =
      in_folder({"pool", "import", "pool", "hostile.jsonl", "--explain"});
  EXPECT_EQ(hostile.status, 0) << hostile.err;
  EXPECT_EQ(hostile.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(in_folder({"why", "pool", "import:2"}).out.find('\x1b'), std::string::npos);
}

TEST_F(PoolDoors, EveryExampleOfItsHelpWorks) {
  ASSERT_EQ(in_folder({"generate", "--model", kNano, "--problems", "problems.jsonl", "--max-tokens",
                       "8", "--quiet", "--out", "rollouts.jsonl"})
                .status,
            0);
  fs::create_directories(folder_ / "runs/quickstart");
  fs::copy_file(testing::source_dir() / "tests/golden/run_v3/run.db",
                folder_ / "runs/quickstart/run.db");
  int executed = 0;
  for (const char* command : {"import", "export"}) {
    for (const std::string& line : testing::lines_of(in_folder({"pool", command, "--help"}).out)) {
      const size_t at = line.find("ponder pool ");
      if (at == std::string::npos || line.find_first_not_of(' ') != at) continue;
      const testing::Outcome outcome =
          testing::run({"bash", "-c", program() + line.substr(at + 6)},
                       {.folder = folder_.path(), .input = "", .limit = std::chrono::minutes(2)});
      EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
      ++executed;
    }
  }
  EXPECT_EQ(executed, 7);
}

// Rows for other trainers: data check keeps them all, an import makes the same rows of them.
TEST_F(PoolDoors, WhatIsExportedIsReadAndImportedAgainToTheSameBytes) {
  write(
      "system.jsonl",
      {R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Compute 9-1"}, {"role": "assistant", "content": "<think>\n8\n</think>\n\n\\boxed{8}"}], "answer": "8", "answer_type": "number", "tolerance": 0.01, "level": 2})",
       R"({"prompt": "Compute 9-2", "answer": "7", "responses": ["<think>\nno end", "\\boxed{7}"]})"});
  json_of({"pool", "import", "pool", "requests.jsonl", "batch_output.jsonl", "problems.jsonl"});
  json_of({"pool", "import", "pool", "rows.jsonl", "system.jsonl"});
  for (const std::string layout :
       {"still", "sharegpt", "messages", "prompt-completion", "alpaca"}) {
    const std::string file = layout + ".jsonl", second = "second-" + layout;
    const Json made = json_of({"pool", "export", "pool", "--as", layout, "--out", file});
    const bool alpaca = layout == "alpaca";  // it has no place for a system turn
    EXPECT_EQ(made.at("rows"), alpaca ? 3 : 4) << layout;
    EXPECT_EQ(made.at("left_out").at("incorrect"), 3) << layout;
    EXPECT_EQ(made.at("left_out").at("no_thought"), 1) << layout;
    const Json report = json_of({"data", "check", file});
    EXPECT_EQ(report.at("kind"), "demonstrations") << layout;
    EXPECT_EQ(report.at("kept"), made.at("rows")) << layout << report;
    EXPECT_TRUE(report.at("rejected").empty()) << layout << report;
    EXPECT_EQ(json_of({"pool", "import", second, file}).at("kept"), made.at("rows")) << layout;
    json_of({"pool", "export", second, "--as", layout, "--out", "again.jsonl"});
    EXPECT_EQ(read_file(folder_ / "again.jsonl"), read_file(folder_ / file)) << layout;
    // Columns of the same types in all rows, as the readers of tables want them.
    for (const Json& row : json_lines(read_file(folder_ / file))) {
      EXPECT_FALSE(row.contains("text")) << "TRL would train on it alone";
      for (const char* key : {"id", "domain", "level", "source", "answer", "answer_type", "ponder"})
        EXPECT_TRUE(row.at(key).is_string()) << key;
    }
  }
  const std::vector<Json> rows = json_lines(read_file(folder_ / "prompt-completion.jsonl"));
  EXPECT_EQ(rows.at(0).at("prompt").dump(), R"([{"role":"user","content":"Compute 2+3"}])");
  EXPECT_EQ(rows.at(0).at("completion").dump(),
            R"([{"role":"assistant","content":"<think>\n2+3\n</think>\n\n\\boxed{5}"}])");
  EXPECT_EQ(rows.at(0).at("answer"), "5");
  const std::vector<Json> shared = json_lines(read_file(folder_ / "sharegpt.jsonl"));
  EXPECT_EQ(shared.at(3).at("conversations").dump(),
            R"([{"from":"system","value":"Be brief."},{"from":"human","value":"Compute 9-1"},)"
            R"({"from":"gpt","value":"<think>\n8\n</think>\n\n\\boxed{8}"}])");
  EXPECT_EQ(json_lines(read_file(folder_ / "alpaca.jsonl")).at(0).at("input"), "");
  EXPECT_TRUE(json_lines(read_file(folder_ / "still.jsonl"))
                  .at(0)
                  .at("combined_text")
                  .get<std::string>()
                  .starts_with("<|begin_of_thought|>"));

  // Chosen by a strategy, in another form, with direct answers, and trained on.
  const Json chosen = json_of({"pool", "export", "pool", "--as", "messages", "--selected",
                               "shortest", "--thought-form", "still", "--out", "chosen.jsonl"});
  EXPECT_EQ(chosen.at("rows"), 3);
  EXPECT_NE(read_file(folder_ / "chosen.jsonl").find("<|end_of_solution|>"), std::string::npos);
  EXPECT_EQ(json_of({"pool", "export", "pool", "--as", "messages", "--allow-direct", "--out",
                     "direct.jsonl"})
                .at("rows"),
            5);
  const testing::Outcome trained =
      in_folder({"sft", "--model", kNano, "--data", "prompt-completion.jsonl", "--out", "tuned",
                 "--epochs", "1", "--batch-rows", "4", "--quiet"});
  EXPECT_EQ(trained.status, 0) << trained.err;
}

TEST_F(PoolDoors, PairsAreReadAndImportedAgainToTheSameBytes) {
  json_of({"pool", "import", "pool", "rows.jsonl"});
  for (const std::string layout : {"trl", "sharegpt", "alpaca"}) {
    const std::string file = layout + ".jsonl", second = "second-" + layout;
    EXPECT_EQ(
        json_of({"pool", "export", "pool", "--pairs", "--as", layout, "--out", file}).at("rows"), 1)
        << layout;
    const Json report =
        json_of({"data", "check", file, "--tokenizer", kNano, "--thought-form", "think"});
    EXPECT_EQ(report.at("kind"), "preferences") << layout;
    EXPECT_EQ(report.at("kept"), 1) << layout << report;
    EXPECT_EQ(json_of({"pool", "import", second, file}).at("kept"), 2) << layout;
    json_of({"pool", "export", second, "--pairs", "--as", layout, "--out", "again.jsonl"});
    EXPECT_EQ(read_file(folder_ / "again.jsonl"), read_file(folder_ / file)) << layout;
  }
  const Json trl = json_lines(read_file(folder_ / "trl.jsonl")).at(0);
  EXPECT_EQ(trl.at("prompt").dump(), R"([{"role":"user","content":"Compute 6+1"}])");
  EXPECT_EQ(trl.at("chosen").at(0).at("role"), "assistant");
  const testing::Outcome trained =
      in_folder({"dpo", "--model", kNano, "--data", "trl.jsonl", "--out", "tuned", "--epochs", "1",
                 "--batch-rows", "1", "--quiet"});
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_EQ(in_folder({"pool", "export", "pool", "--pairs", "--as", "still"}).status, 2);
  EXPECT_EQ(in_folder({"pool", "export", "pool", "--as", "trl"}).status, 2);
}

// A run's demonstrations, and rollouts of which none is to be learned from.
TEST_F(PoolDoors, ARunsRowsAreExported) {
  const std::string run = testing::source_dir() / "tests/golden/run_v3/run.db";
  for (const std::string layout : {"sharegpt", "alpaca"}) {
    EXPECT_EQ(json_of({"pool", "export", run, "--demonstrations", "--as", layout, "--out",
                       "demonstrations.jsonl"})
                  .at("rows"),
              8);
    EXPECT_EQ(json_of({"data", "check", "demonstrations.jsonl"}).at("kept"), 8) << layout;
  }
  const Json none = json_of({"pool", "export", run, "--as", "messages", "--out", "none.jsonl"});
  EXPECT_EQ(none.at("rows"), 0);
  EXPECT_FALSE(none.at("left_out").empty());
}

}  // namespace
}  // namespace ponder::e2e
