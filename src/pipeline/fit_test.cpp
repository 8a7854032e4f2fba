#include "pipeline/fit.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

constexpr int64_t kGib = int64_t{1} << 30;

// A stage whose memory is what its settings make of it: 10 GiB that nothing makes smaller, moments,
// activations of a micro-batch.
std::vector<StagePlan> plan_of(const Recipe& recipe) {
  StagePlan imitate;
  imitate.name = "imitate";
  const train::TrainOptions& sft = recipe.sft;
  const int64_t activations =
      sft.micro_batch_tokens * (kGib / 1024) / (sft.activation_checkpointing ? 4 : 1);
  imitate.memory = {
      {"weights", 5 * kGib},
      {"gradients", 5 * kGib},
      {"AdamW moments", sft.adamw.moments == tensor::DType::kBF16 ? 4 * kGib : 8 * kGib},
      {"activations", activations}};
  imitate.peak_memory_bytes = tensor::total_bytes(imitate.memory);
  StagePlan explore;
  explore.name = "explore-1";
  explore.memory = {{"weights", 5 * kGib}, {"keys and values", recipe.engine.kv_cache_bytes}};
  explore.peak_memory_bytes = tensor::total_bytes(explore.memory);
  return {imitate, explore};
}

Recipe recipe_with(int64_t micro_batch_tokens, int64_t kv_cache_bytes) {
  Recipe recipe;
  recipe.sft.micro_batch_tokens = micro_batch_tokens;
  recipe.engine.kv_cache_bytes = kv_cache_bytes;
  return recipe;
}

Verdict verdict(const Recipe& recipe, int64_t gib) {
  return conclude(plan_of(recipe), recipe, gib * kGib, plan_of);
}

TEST(Fit, WhatFitsNeedsNoChange) {
  const Verdict fits = verdict(recipe_with(2048, kGib), 20);  // 18 + 2
  EXPECT_TRUE(fits.fits);
  EXPECT_EQ(fits.change + fits.reason + fits.advice(), "");
  EXPECT_TRUE(verdict(recipe_with(1 << 20, kGib), 0).fits) << "of a memory that is not known";
}

// Settings that change no result come first, and go no further than needed.
TEST(Fit, TheSmallestChangeIsFound) {
  const Recipe recipe = recipe_with(2048, kGib);
  const Verdict one = verdict(recipe, 19);  // 1 GiB of activations
  EXPECT_FALSE(one.fits);
  EXPECT_EQ(one.reason, "imitate needs 20.0 GiB of memory, 19.0 GiB are available");
  EXPECT_EQ(one.change, "sft.micro_batch_tokens = 1024");
  EXPECT_EQ(one.advice(), "sft.micro_batch_tokens = 1024 fits");
  EXPECT_EQ(verdict(recipe_with(2048, 30 * kGib), 20).change,
            "engine.kv_cache_bytes = 16106127360");
  EXPECT_EQ(verdict(recipe, 15).change,  // 18 - 4 + 1
            "sft.micro_batch_tokens = 1024, sft.optimizer_dtype = \"bfloat16\"");
}

TEST(Fit, WhereNothingFitsItSaysWhy) {
  const Verdict none = verdict(recipe_with(2048, kGib), 13);
  EXPECT_FALSE(none.fits);
  EXPECT_EQ(none.change, "");
  EXPECT_EQ(
      none.advice(),
      "no setting fits: 14.0 GiB are weights, gradients, AdamW moments; take a smaller model");
}

TEST(Fit, MachinesAreReadInAnyOrder) {
  const Machine machine = machine_from_string("64 cores, 256 GB, 900 GFLOP/s");
  EXPECT_EQ(machine.cores, 64);
  EXPECT_EQ(machine.memory_bytes, 256'000'000'000);
  EXPECT_EQ(machine.gflops, 900);
  EXPECT_EQ(machine_from_string("1.5 TFLOP/s,24GiB").memory_bytes, 24 * kGib);
  EXPECT_EQ(machine_from_string("1.5 TFLOP/s,24GiB").gflops, 1500);
  for (const char* text : {"", "fast", "64", "64 apples", "-1 cores", "1 GB, 2 GB", "1e99 cores"}) {
    const std::string error = testing::error_text([&] { machine_from_string(text); });
    EXPECT_NE(error.find("--machine: expected cores, memory and speed"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace ponder::pipeline
