// The promises about rollouts, each with everything it names: any batch, any threads, any
// instruction set, any order, any memory, any restart give the same bits, and what sampling
// recorded is what training computes. The table in docs/arithmetic.md says which test holds which
// promise.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>

#include "base/philox.h"
#include "generate/scorer.h"
#include "generate/test_support.h"
#include "model/checkpoint.h"
#include "model/kv_cache.h"
#include "model/weight_files.h"
#include "ops/test_support.h"
#include "testing/temporary_folder.h"

namespace ponder::generate {
namespace {

namespace fs = std::filesystem;
using tensor::Precision;

constexpr Precision kPrecisions[] = {Precision::kF32, Precision::kBf16};

std::vector<data::Rollout> generate_in(Precision precision,
                                       const std::vector<rollout::RolloutRequest>& requests,
                                       EngineOptions options) {
  TinyModel model(1, precision);
  return generate(model.decoder, model.pool, requests, std::move(options));
}

std::vector<data::Rollout> in_order(std::vector<data::Rollout> rollouts) {
  const auto key = [](const data::Rollout& t) {
    return std::pair(std::stoi(t.problem_id.substr(1)), t.sample);
  };
  std::sort(rollouts.begin(), rollouts.end(),
            [&](const data::Rollout& a, const data::Rollout& b) { return key(a) < key(b); });
  return rollouts;
}

// Each instruction set, and each number of threads, with batches, memory so short that samples are
// preempted, prompts in chunks and shuffled requests.
void expect_every_machine_gives_the_same_rollouts(Precision precision) {
  auto requests = requests_of(4, 3, {.temperature = 0.9, .top_p = 0.95});
  for (auto& request : requests) request.sampling.max_tokens = 120;
  const auto alone = generate_in(precision, requests, options_of(1));
  ASSERT_EQ(alone.size(), 12u);
  for (const data::Rollout& rollout : alone) EXPECT_EQ(rollout.completion.precision, precision);
  const TinyModel model;
  int machines = 0;
  int64_t preemptions = 0;
  const auto expect_the_same = [&](ThreadPool& pool) {
    RandomSequence random(1, static_cast<uint64_t>(machines++));
    random.shuffle(requests);
    model::Decoder decoder(model.config, pool, precision);
    decoder.set_parameters(model.parameters);
    for (const int64_t pages : {8, 1000}) {
      EngineOptions options = options_of(64);
      options.kv_cache_bytes = pages * decoder.kv_page_bytes();
      options.prefill_tokens = pages == 8 ? 29 : 512;
      Report report;
      const auto found = generate(decoder, pool, requests, options, {}, &report);
      expect_same(alone, in_order(found));
      preemptions += report.engine.preemptions;
    }
  };
  ops::on_every_machine(precision, false, expect_the_same);
  EXPECT_GE(machines, 2);  // the baseline and one more
  for (const int threads : {2, 4}) {
    ThreadPool pool(threads);
    expect_the_same(pool);
  }
  EXPECT_GE(preemptions, machines);
}

TEST(Promises, EveryMachineGivesTheSameRollouts) {
  for (const Precision precision : kPrecisions) {
    SCOPED_TRACE(to_string(precision));
    expect_every_machine_gives_the_same_rollouts(precision);
  }
}

// A run that is stopped in the middle, and goes on in another batch with other threads from what it
// delivered.
TEST(Promises, ARunThatWasStoppedGoesOnToTheSameRollouts) {
  const auto requests = requests_of(6, 4, {.temperature = 0.8});
  for (const Precision precision : kPrecisions) {
    SCOPED_TRACE(to_string(precision));
    const auto whole = generate_in(precision, requests, options_of(1));
    for (const size_t enough : {size_t{1}, size_t{13}}) {
      std::vector<data::Rollout> merged;
      std::atomic<bool> stop{false};
      rollout::RolloutHooks hooks;
      hooks.on_completion = [&](const data::Rollout& rollout) {
        merged.push_back(rollout);
        stop = merged.size() >= enough;
      };
      TinyModel model(enough == 1 ? 2 : 1, precision);
      Engine engine(model.decoder, nullptr, model.pool, options_of(6));
      const rollout::RolloutReport report =
          rollout::run_rollouts(engine, requests, hooks, {}, &stop);
      EXPECT_TRUE(report.interrupted);
      ASSERT_LT(merged.size(), whole.size());
      auto rest = requests;
      for (const data::Rollout& done : merged) {
        rest[static_cast<size_t>(std::stoi(done.problem_id.substr(1)))].done.push_back(done);
      }
      for (const data::Rollout& rollout : generate_in(precision, rest, options_of(11)))
        merged.push_back(rollout);
      expect_same(whole, in_order(merged));
    }
  }
}

// Weights read from a file into panels sample what the trainer's forward computes from the same
// file, with activations kept, all rows packed into one batch, and what the scorer says: largest
// difference 0.
TEST(Promises, RecordedLogprobsOfACheckpointAreTheTrainersToTheBit) {
  const testing::TemporaryFolder place;
  const fs::path folder = place / "model";
  TinyModel model;
  const auto expect_recorded_is_computed = [&](Precision precision) {
    const model::OpenCheckpoint files = model::open_checkpoint(folder);
    model::Decoder sampling(model.config, model.pool, precision);
    sampling.load_weights(*files.weights);
    auto requests = requests_of(64, 6, {.temperature = 1.0, .top_p = 0.95});
    EngineOptions options = options_of(32);
    options.kv_cache_bytes = 60 * sampling.kv_page_bytes();
    for (auto& request : requests) request.stop_ids = {};
    const auto rollouts = generate(sampling, model.pool, requests, options);

    const model::Checkpoint checkpoint = model::load_checkpoint(folder);
    model::Decoder training(checkpoint.config, model.pool, precision);
    training.set_parameters(checkpoint.parameters);
    model::PackedBatch batch;
    std::vector<ScoreRow> rows;
    std::vector<float> recorded, scored;
    for (const data::Rollout& rollout : rollouts) {
      const ScoreRow& row = rows.emplace_back(score_row_of(rollout));
      std::vector<uint8_t> trained(row.tokens.size(), 1);
      std::fill(trained.begin(), trained.begin() + row.first_scored, uint8_t{0});
      batch.append(row.tokens, trained);
      recorded.insert(recorded.end(), rollout.completion.logprobs->begin(),
                      rollout.completion.logprobs->end());
    }
    ASSERT_GT(recorded.size(), 10'000u);
    std::vector<float> computed(recorded.size());
    training.forward(batch, computed, model::Keep::kActivations);
    EXPECT_TRUE(testing::same_bits(recorded, computed));
    for (const Score& score : score_rows(sampling, rows, 777))
      scored.insert(scored.end(), score.logprobs.begin(), score.logprobs.end());
    EXPECT_TRUE(testing::same_bits(recorded, scored));
  };
  for (const tensor::DType dtype : {tensor::DType::kF32, tensor::DType::kBF16}) {
    fs::remove_all(folder);
    model::SaveOptions save;
    save.dtype = dtype;
    model::save_checkpoint(folder, model.config, model.parameters, save);
    ASSERT_EQ(model::open_checkpoint(folder).weights->dtype(), dtype);
    for (const Precision precision : kPrecisions) {
      SCOPED_TRACE(std::string(tensor::config_name(dtype)) + " in " +
                   std::string(to_string(precision)));
      expect_recorded_is_computed(precision);
    }
  }
}

// A rule of the caller's ends a completion where it says, and counts as a stop.
TEST(Promises, TheCallersStoppingRuleIsAskedAfterEveryToken) {
  rollout::RolloutHooks hooks;
  const auto length_of = [](int sample) { return 5 + 7 * static_cast<size_t>(sample); };
  hooks.stop_condition = [&](std::string_view, int sample, std::span<const int32_t> token_ids) {
    return token_ids.size() >= length_of(sample);
  };
  size_t told = 0, expected = 0;  // tokens, less end tokens
  hooks.token = [&](std::string_view, int, const rollout::TokenSampled&) { ++told; };
  const auto requests = requests_of(5, 3);
  const auto free = generate(requests, options_of(4)),
             ruled = generate(requests, options_of(4), 1, hooks);
  ASSERT_EQ(ruled.size(), free.size());
  for (size_t i = 0; i < ruled.size(); ++i) {
    const size_t length = std::min(length_of(free[i].sample), free[i].completion.token_ids->size());
    EXPECT_EQ(ruled[i].completion.token_ids,
              std::vector<int32_t>(
                  free[i].completion.token_ids->begin(),
                  free[i].completion.token_ids->begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_EQ(ruled[i].completion.finish_reason, data::FinishReason::kStop);
    expected += length - (ruled[i].completion.token_ids->back() == 3 ? 1 : 0);
  }
  EXPECT_EQ(told, expected);
}

}  // namespace
}  // namespace ponder::generate
