// --json: JSON on standard output and nothing else, with the fields other programs rely on.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kNano = testing::source_dir() / "models/nano-base";

class JsonOutput : public ::testing::Test {
 protected:
  // The objects a command prints; its exit status must be 0.
  std::vector<Json> rows(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), program());
    arguments.insert(arguments.end(), {"--json", "--threads", "1"});
    const testing::Outcome outcome = testing::run(
        arguments, {.folder = folder_.path(), .input = input, .limit = testing::kLimit});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json_lines(outcome.out);
  }

  Json only(std::vector<std::string> arguments, const std::string& input = "") {
    const std::vector<Json> all = rows(std::move(arguments), input);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Json::object() : all[0];
  }

  void make_base() { make_tiny_base(folder_ / "base"); }

  static void expect_fields(const Json& object, std::initializer_list<const char*> names) {
    for (const char* name : names)
      EXPECT_TRUE(object.contains(name)) << name << " is not in " << object.dump();
  }

  testing::TemporaryFolder folder_;
};

TEST_F(JsonOutput, Doctor) { EXPECT_FALSE(only({"doctor"}).empty()); }

TEST_F(JsonOutput, SynthAndData) {
  const std::vector<Json> problems = rows({"synth", "--domain", "choice", "--count", "5"});
  ASSERT_EQ(problems.size(), 5u);
  expect_fields(problems[0], {"id", "domain", "level", "question", "answer", "answer_type"});
  rows({"synth", "--domain", "target", "--count", "8", "--demonstrations", "--out", "d.jsonl"});
  const Json report = only({"data", "check", "d.jsonl", "--tokenizer", kNano});
  expect_fields(report, {"rows", "kept", "rejected", "duplicates"});
  EXPECT_EQ(report["kept"], 8);
}

TEST_F(JsonOutput, Judge) {
  const std::vector<Json> rows_out =
      rows({"judge", "-"},
           "{\"id\": \"a\", \"gold\": \"1/2\", \"prediction\": \"0.5\"}\n"
           "{\"id\": \"b\", \"gold\": \"3\", \"response\": \"So it is \\\\boxed{4}.\"}\n");
  ASSERT_EQ(rows_out.size(), 2u);
  expect_fields(rows_out[0], {"id", "verdict", "proof"});
  EXPECT_EQ(rows_out[0]["verdict"], "correct");
  EXPECT_EQ(rows_out[1]["verdict"], "incorrect");
}

TEST_F(JsonOutput, JudgeNamesARowThatIsNoJson) {
  const std::vector<Json> rows_out = rows({"judge", "-"},
                                          "{\"gold\": \"3\", \"prediction\": \"\\ud800\"}\n"
                                          "{\"gold\": \"3\", \"prediction\": \"\xff\"}\n"
                                          "{\"gold\": \"3\", \"prediction\": \"3\"}\n");
  ASSERT_EQ(rows_out.size(), 3u);
  EXPECT_EQ(rows_out[0]["id"], 1);
  EXPECT_EQ(rows_out[0]["verdict"], "undecided");
  EXPECT_EQ(rows_out[1]["verdict"], "undecided");
  EXPECT_EQ(rows_out[2]["verdict"], "correct");
}

TEST_F(JsonOutput, JudgesFormsThatAreNotWorkedOut) {
  const std::string row = "{\"gold\": \"1024\", \"prediction\": \"2^{10}\"}\n";
  EXPECT_EQ(only({"judge", "-"}, row)["verdict"], "correct");
  EXPECT_EQ(only({"judge", "-", "--forms", "evaluated"}, row)["verdict"], "incorrect");
}

TEST_F(JsonOutput, Tokenize) {
  const Json ids = only({"tokenize", "--tokenizer", kNano}, "{\"text\": \"17+28=45\"}\n");
  ASSERT_TRUE(ids.contains("ids"));
  const Json back = only({"tokenize", "--tokenizer", kNano, "--decode"}, ids.dump() + "\n");
  EXPECT_EQ(back["text"], "17+28=45");
}

TEST_F(JsonOutput, ModelCommands) {
  make_base();
  expect_fields(only({"inspect", "base"}), {"architecture", "parameters", "sha256"});

  const std::vector<Json> rollouts = rows({"generate", "--model", "base", "--prompt", "Compute 7+8",
                                           "-n", "3", "--temperature", "1", "--max-tokens", "12"});
  ASSERT_EQ(rollouts.size(), 3u);
  expect_fields(rollouts[0], {"problem_id", "sample", "seed", "token_ids", "logprobs", "logprob",
                              "text", "finish_reason", "model_sha256", "template_sha256"});
  EXPECT_EQ(rollouts[0]["token_ids"].size(), rollouts[0]["logprobs"].size());

  const Json score = only({"score", "--model", "base", "--data", "-", "--per-token"},
                          "{\"prompt\": \"Compute 7+8\", \"response\": \"15\"}\n");
  expect_fields(score, {"tokens", "logprob", "perplexity", "logprobs"});
  EXPECT_EQ(score["logprobs"].size(), score["tokens"].get<size_t>());

  rows({"synth", "--domain", "choice", "--count", "6", "--out", "problems.jsonl"});
  const Json eval = only({"eval", "--model", "base", "--benchmark", "problems.jsonl",
                          "--max-tokens", "8", "--samples", "2"});
  expect_fields(eval, {"benchmark", "n", "accuracy", "interval_95", "pass_at_k", "maj_at_k",
                       "finished", "format_failures", "mean_tokens"});
  EXPECT_EQ(eval["n"], 6);
  EXPECT_EQ(eval["interval_95"].size(), 2u);
}

// Every row says in which arithmetic it was made where that is not f32.
TEST_F(JsonOutput, Bf16IsAnArithmeticOfItsOwn) {
  make_base();
  Json of_f32;
  for (const std::string precision : {"f32", "bf16"}) {
    const Json made = only({"generate", "--model", "base", "--prompt", "Compute 7+8",
                            "--max-tokens", "8", "--precision", precision});
    const Json scored =
        only({"score", "--model", "base", "--data", "-", "--per-token", "--precision", precision},
             "{\"prompt\": \"Compute 7+8\", \"response\": \"15\"}\n");
    const std::string kept = precision == "f32" ? "f32" : "bf16-3";  // by its definition
    EXPECT_EQ(made.value("precision", "f32"), kept);
    EXPECT_EQ(scored.value("precision", "f32"), kept);
    if (of_f32.is_null()) of_f32 = scored;
    EXPECT_EQ(of_f32["logprobs"] == scored["logprobs"], precision == "f32");
    EXPECT_NEAR(of_f32["logprob"].get<double>(), scored["logprob"].get<double>(), 0.1);
  }
  rows({"synth", "--domain", "choice", "--count", "2", "--out", "problems.jsonl"});
  const Json eval = only({"eval", "--model", "base", "--benchmark", "problems.jsonl",
                          "--max-tokens", "8", "--precision", "bf16", "--out", "rows.jsonl"});
  EXPECT_EQ(eval["precision"], "bf16-3");
  for (const std::string& line : testing::lines_of(read_file(folder_ / "rows.jsonl")))
    EXPECT_EQ(parse_json(line, "row")["precision"], "bf16-3");
}

// A problem with enough wrong answers is left; the rows are the first of those a whole run gives,
// in their order.
TEST_F(JsonOutput, GenerateStopsAProblemThatHasEnough) {
  make_base();
  rows({"synth", "--domain", "choice", "--count", "3", "--out", "problems.jsonl"});
  const auto generate = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {
        "generate", "--model", "base",         "--problems", "problems.jsonl",
        "-n",       "6",       "--max-tokens", "8",          "--judge"};
    words.insert(words.end(), more.begin(), more.end());
    return rows(words);
  };
  const std::vector<Json> all = generate({});
  ASSERT_EQ(all.size(), 18u);
  for (const Json& row : all) ASSERT_EQ(row.at("verdict"), "incorrect");  // random weights
  const std::vector<Json> enough = generate({"--enough-incorrect", "2"});
  ASSERT_EQ(enough.size(), 6u);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(enough[i], all[i / 2 * 6 + i % 2]);
  EXPECT_EQ(generate({"--enough-incorrect", "2", "--enough-correct", "1"}), all);
}

TEST_F(JsonOutput, Training) {
  make_base();
  rows({"synth", "--domain", "choice", "--count", "8", "--demonstrations", "--out", "d.jsonl"});
  const std::vector<Json> steps = rows({"sft", "--model", "base", "--data", "d.jsonl", "--out",
                                        "out", "--epochs", "2", "--batch-rows", "4"});
  ASSERT_EQ(steps.size(), 4u);
  for (const Json& step : steps)
    expect_fields(step, {"step", "loss", "lr", "grad_norm", "tokens", "tokens_per_second"});

  write_file_atomic(folder_ / "pairs.jsonl",
                    "{\"prompt\": \"Compute 1+1\", \"chosen\": \"2\", \"rejected\": \"3\"}\n"
                    "{\"prompt\": \"Compute 2+2\", \"chosen\": \"4\", \"rejected\": \"5\"}\n");
  const std::vector<Json> dpo =
      rows({"dpo", "--model", "out", "--data", "pairs.jsonl", "--out", "out2", "--epochs", "1",
            "--batch-rows", "2", "--align", "response"});
  ASSERT_EQ(dpo.size(), 1u);
  EXPECT_GT(dpo[0]["loss"].get<double>(), 0.69);

  // The model card of each, and the base's own kept beside it.
  const std::string card = read_file(folder_ / "out/README.md");
  for (const char* part :
       {"base_model: base\n", "library_name: transformers\n", "| d.jsonl | 8 | 8 | 0 | none |\n",
        "ponder sft --model base --data d.jsonl --out OUT", " --epochs 2 ", " --batch-rows 4 ",
        "| lr | 1e-05 |\n", "None are known yet"})
    EXPECT_NE(card.find(part), std::string::npos) << part << "\nis not in\n" << card;
  const Json inspected = only({"inspect", "out"});
  EXPECT_NE(card.find(inspected.at("sha256").get<std::string>()), std::string::npos);
  const std::string second = read_file(folder_ / "out2/README.md");
  EXPECT_NE(second.find("base_model: out\n"), std::string::npos) << second;
  EXPECT_NE(second.find("ponder dpo --model out --data pairs.jsonl --out OUT --beta"),
            std::string::npos)
      << second;
  EXPECT_EQ(read_file(folder_ / "out2/README.base.md"), card);
}

TEST_F(JsonOutput, Bench) {
  const Json speed = only({"bench", "--config", kNano + "/config.json", "--task", "decode",
                           "--rows", "2", "--length", "16", "--repeats", "1"});
  expect_fields(speed, {"task", "tokens_per_second", "gflops", "peak_gflops", "fraction_of_peak",
                        "peak_memory_bytes"});
  for (const char* key :
       {"gflops", "peak_gflops", "read_gbps", "peak_read_gbps", "fraction_of_limit"}) {
    EXPECT_GT(speed.at(key).get<double>(), 0) << key;
  }
  EXPECT_EQ(speed.at("dtype"), "f32");
  // What is planned is what the buffers take; code and the allocator come on top.
  const auto planned = speed.at("planned_memory_bytes").get<int64_t>();
  EXPECT_GT(planned, 4 * speed.at("parameters").get<int64_t>());
  EXPECT_LT(planned, speed.at("peak_memory_bytes").get<int64_t>());

  // bf16 weights read half as much.
  const Json narrow = only({"bench", "--config", kNano + "/config.json", "--task", "decode",
                            "--rows", "1", "--length", "16", "--repeats", "1", "--dtype", "bf16"});
  EXPECT_EQ(narrow.at("dtype"), "bf16");
  const auto weights = [](const Json& json) {
    return json.at("planned_memory").at("weights").get<double>();
  };
  EXPECT_NEAR(weights(narrow) / weights(speed), 0.5, 0.01);

  // In bf16 arithmetic all weights are.
  const Json bf16 = only({"bench", "--config", kNano + "/config.json", "--task", "decode", "--rows",
                          "1", "--length", "16", "--repeats", "1", "--precision", "bf16"});
  EXPECT_EQ(bf16.at("precision"), "bf16");
  EXPECT_EQ(bf16.at("dtype"), "bf16");
  EXPECT_EQ(weights(bf16), weights(narrow));

  const Json train = only({"bench", "--config", kNano + "/config.json", "--task", "train", "--rows",
                           "2", "--length", "32", "--repeats", "1"});
  EXPECT_TRUE(train.at("planned_memory").contains("AdamW moments"));
}

// Without --precision; of the commands that open a model they all ask the same function.
TEST_F(JsonOutput, ALargeModelIsComputedInBf16) {
  const std::string config = (testing::source_dir() / "bench/shapes/SmolLM2.json").string();
  EXPECT_EQ(only({"bench", "--config", config, "--task", "score", "--rows", "1", "--length", "2",
                  "--repeats", "1", "--warm-up", "0", "--dtype", "bf16"})
                .at("precision"),
            "bf16");
}

TEST_F(JsonOutput, BenchOnRequestTakesOneTurnALine) {
  const std::vector<Json> turns = rows({"bench", "--config", kNano + "/config.json", "--task",
                                        "score", "--rows", "2", "--length", "32", "--on-request"},
                                       "\n\n\n");
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_TRUE(turns[0].contains("ready"));
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(turns[i].at("task"), "score");
}

TEST_F(JsonOutput, RunAndWhatLooksAtIt) {
  make_base();
  const std::vector<Json> stages =
      rows({"run", testing::source_dir() / "recipes/tiny.toml", "--set",
            "base=" + (folder_ / "base").string(), "--out", "run"});
  ASSERT_EQ(stages.size(), 11u);
  for (const Json& stage : stages) expect_fields(stage, {"stage", "model"});
  EXPECT_EQ(stages[0]["stage"], "ingest");
  expect_fields(stages[1], {"benchmarks"});
  EXPECT_TRUE(fs::exists(folder_ / "run/report.html"));

  // The resolved recipe holds every key there is; each is documented.
  const std::string documented = read_file(testing::source_dir() / "docs/recipes.md");
  int keys = 0;
  for (const std::string& line : testing::lines_of(read_file(folder_ / "run/recipe.toml"))) {
    const size_t end = line.find(" = ");
    if (end == std::string::npos) continue;
    const std::string key =
        line.substr(line.find_first_not_of(' '), end - line.find_first_not_of(' '));
    EXPECT_NE(documented.find('`' + key + '`'), std::string::npos)
        << key << " is not in docs/recipes.md";
    ++keys;
  }
  EXPECT_GT(keys, 40);

  const Json status = only({"status", "run"});
  expect_fields(status, {"stages", "scores"});
  ASSERT_EQ(status["stages"].size(), 11u);
  for (const Json& stage : status["stages"]) {
    expect_fields(stage, {"name", "state", "rows", "seconds"});
    EXPECT_EQ(stage["state"], "done");
  }
  ASSERT_EQ(status["scores"].size(), 4u);
  for (const Json& score : status["scores"]) {
    expect_fields(score, {"model", "stage", "benchmark", "n", "samples", "accuracy", "interval_95",
                          "finished", "format_failures", "mean_tokens"});
  }
  // Each model made in the run has a card with the scores of its evaluation.
  for (const Json& score : status["scores"]) {
    const std::string model = score["model"].get<std::string>();
    if (model == "M0") continue;
    const std::string card = read_file(folder_ / "run/checkpoints" / model / "README.md");
    const std::string row = "| " + score["benchmark"].get<std::string>() + " | " +
                            std::to_string(score["n"].get<int64_t>()) + " | ";
    EXPECT_NE(card.find(row), std::string::npos) << row << "\nis not in\n" << card;
    EXPECT_NE(card.find("# " + model + "\n"), std::string::npos) << card;
    EXPECT_NE(card.find("base_model: "), std::string::npos) << card;
    EXPECT_NE(card.find("ponder run recipe.toml"), std::string::npos) << card;
    EXPECT_EQ(card.find(folder_.path().string()), std::string::npos) << "names a folder:\n" << card;
  }
  EXPECT_FALSE(fs::exists(folder_ / "base/README.md"));  // not ours to write
  EXPECT_FALSE(only({"pool", "run"}).empty());
  const Json lineage = only({"why", "run", "improve-1:0"});
  EXPECT_FALSE(lineage.empty());
  expect_fields(only({"refine", "run", "--strategy", "shortest"}),
                {"strategy", "rows", "mean_tokens", "mean_perplexity"});
  const std::vector<Json> exported = rows({"pool", "run", "export"});
  ASSERT_FALSE(exported.empty());
  expect_fields(exported[0], {"problem_id", "sample", "seed", "token_ids", "logprobs", "logprob",
                              "text", "finish_reason", "verdict", "proof"});
  const Json rejudged = only({"pool", "rejudge", "run"});
  EXPECT_EQ(rejudged.at("changes").size(), 0u) << "by the judge that judged";
  ASSERT_FALSE(rejudged.at("stages").empty());
  expect_fields(rejudged["stages"][0],
                {"stage", "rollouts", "changed", "solved_then", "solved_now"});
  const Json uses = only({"why", "run", "--problem", exported[0]["problem_id"].get<std::string>()});
  expect_fields(uses, {"problem", "rollouts", "rows", "pairs", "models", "descendants"});

  const Json plan = only({"plan", testing::source_dir() / "recipes/tiny.toml", "--set",
                          "base=" + (folder_ / "base").string()});
  ASSERT_EQ(plan.at("stages").size(), 11u);
  for (const Json& stage : plan["stages"]) {
    expect_fields(stage, {"name", "tokens", "flops", "peak_memory_bytes", "disk_bytes", "seconds"});
  }
}

}  // namespace
}  // namespace ponder::e2e
