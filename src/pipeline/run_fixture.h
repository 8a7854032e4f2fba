// A whole run on a tiny model of random weights, in a folder of its own, for tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "model/checkpoint.h"
#include "pipeline/run.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"
#include "tokenizer/thought_format.h"

namespace ponder::pipeline {

inline constexpr const char* kRunRecipe = R"(
name = "small"
base = "base"
max_length = 256
[sft]
epochs = 1
batch_rows = 4
[imitate]
demonstrations = [{ file = "demonstrations.jsonl" }]
[explore]
problems = [{ file = "problems.jsonl" }]
rounds = 1
samples = 2
max_tokens = 6
[evaluate]
benchmarks = [{ name = "test", synth = "choice", levels = 1, count = 3, split = "test" }]
max_tokens = 6
)";

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path nano = testing::source_dir() / "models/nano-base";
    Json config = read_json_file(nano / "config.json");
    for (const auto& [key, value] :
         {std::pair("hidden_size", 32), std::pair("intermediate_size", 32),
          std::pair("num_hidden_layers", 1), std::pair("num_attention_heads", 2),
          std::pair("num_key_value_heads", 1), std::pair("max_window_layers", 1)}) {
      config[key] = value;
    }
    write_file_atomic(folder_ / "config.json", dump_json(config));
    model::init_checkpoint(folder_ / "config.json", nano, folder_ / "base", tensor::DType::kF32, 1,
                           &threads_);
    std::string demonstrations, problems;
    for (int i = 0; i < 6; ++i) {
      demonstrations += dump_json({{"question", "What is 1 + " + std::to_string(i) + "?"},
                                   {"thought", "I count on."},
                                   {"solution", "It is " + std::to_string(i + 1) + "."}}) +
                        "\n";
      problems += dump_json({{"id", "p" + std::to_string(i)},
                             {"question", "What is 2 + " + std::to_string(i) + "?"},
                             {"answer", std::to_string(i + 2)}}) +
                  "\n";
    }
    write_file_atomic(folder_ / "demonstrations.jsonl",
                      demonstrations + "{\"question\":\"no response\"}\n");
    write_file_atomic(folder_ / "problems.jsonl", problems);
    write_file_atomic(folder_ / "r.toml", kRunRecipe);
  }

  Recipe recipe(const std::vector<std::string>& set = {}) const {
    return load_recipe(folder_ / "r.toml", set);
  }
  // The stages that ran or were done, in order; false in `finished` when stopped.
  std::vector<std::string> run(const Recipe& recipe, const std::string& until = "",
                               bool* finished = nullptr, const std::string& out = "out") {
    PipelineRun run(recipe, read_sources(recipe), folder_ / out, threads_, monitor_, &stop_);
    std::vector<std::string> names;
    const bool all =
        run.execute(until, [&](const pool::StageRecord& stage) { names.push_back(stage.name); });
    if (finished) *finished = all;
    return names;
  }
  // Runs up to explore-1, with a right and a wrong answer to a problem among its rollouts, which the
  // model, of random weights, would hardly give.
  void explore_with_answers(const Recipe& recipe, const std::string& out = "out") {
    run(recipe, "explore-1", nullptr, out);
    pool::Pool writer = pool::Pool::open(folder_ / out / "run.db");
    std::optional<pool::StoredRollout> stored;
    writer.for_each_rollout({.stage = "explore-1"},
                            [&](const pool::StoredRollout& s) { stored = s; });
    ASSERT_TRUE(stored);
    const tokenizer::Tokenizer tokens = tokenizer::Tokenizer::load(folder_ / "base");
    data::Rollout t = stored->rollout;
    t.completion.finish_reason = data::FinishReason::kStop;
    for (const judge::Verdict verdict : {judge::Verdict::kCorrect, judge::Verdict::kIncorrect}) {
      const bool right = verdict == judge::Verdict::kCorrect;
      ++t.sample;
      t.verdict = verdict;
      t.completion.text =
          tokenizer::format_thought(right ? "I count." : "I guess.", right ? "Right." : "Wrong.");
      t.completion.token_ids = tokens.encode(t.completion.text);
      t.completion.token_ids->push_back(*tokens.token_id("<|im_end|>"));
      t.completion.logprobs.emplace(t.completion.token_ids->size(), -1.0f);
      t.perplexity = 2.5;
      t.perplexity_model_sha256 = t.completion.model_sha256;
      writer.add_rollout("explore-1", 1, t);
    }
  }
  pool::Pool pool(const std::string& out = "out") const {
    return pool::Pool::open_read_only(folder_ / out / "run.db");
  }

  testing::TemporaryFolder folder_;
  ThreadPool threads_{1};
  NullMonitor monitor_;
  std::atomic<bool> stop_ = false;
};

}  // namespace ponder::pipeline
