#include "fleet/server_load.h"

#include <gtest/gtest.h>

namespace ponder::fleet {
namespace {

// As vLLM 0.32 says it, of two engines.
TEST(ServerLoad, IsSummedOverEngines) {
  const auto load =
      read_load(ServerKind::kVllm,
                "# HELP vllm:num_requests_waiting Number of requests waiting to be processed.\n"
                "# TYPE vllm:num_requests_waiting gauge\n"
                "vllm:num_requests_waiting{engine=\"0\",model_name=\"a \\\"}\\\" 7\"} 3.0\n"
                "vllm:num_requests_waiting{engine=\"1\",model_name=\"a\"} 4.0 1790000000\n"
                "vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 90.0\n"
                "vllm:num_preemptions_total{engine=\"0\",model_name=\"a\"} 1.2e+01\n"
                "vllm:num_preemptions_created{engine=\"0\",model_name=\"a\"} 1.79e+09");
  ASSERT_TRUE(load);
  EXPECT_EQ(load->waiting, 7);
  EXPECT_EQ(load->preempted, 12);
}

TEST(ServerLoad, OfOtherKinds) {
  const auto sglang = read_load(ServerKind::kSglang,
                                "sglang:num_queue_reqs{model_name=\"m\"} 5.0\r\n"
                                "sglang:num_retracted_requests_total{model_name=\"m\"} 2.0\r\n");
  ASSERT_TRUE(sglang);
  EXPECT_EQ(sglang->waiting, 5);
  EXPECT_EQ(sglang->preempted, 2);
  const auto llama = read_load(ServerKind::kLlamaServer, "llamacpp:requests_deferred 6\n");
  ASSERT_TRUE(llama);
  EXPECT_EQ(llama->waiting, 6);
  EXPECT_TRUE(says_load(ServerKind::kSglang));
  EXPECT_FALSE(says_load(ServerKind::kPonder));
  EXPECT_FALSE(says_load(ServerKind::kOpenai));
}

TEST(ServerLoad, WhatSaysNothingOfItIsNone) {
  for (const char* text :
       {"", "\n\n", "<html>", "vllm:num_requests_waiting", "vllm:num_requests_waiting{engine=\"0\"",
        "vllm:num_requests_waiting{engine=\"0\"} NaN", "vllm:num_requests_waiting -1",
        "vllm:num_requests_waiting +Inf", "vllm:num_requests_waiting2 3",
        "vllm:num_requests_waiting x", "other 3", "# vllm:num_requests_waiting 3"})
    EXPECT_FALSE(read_load(ServerKind::kVllm, text)) << text;
  EXPECT_FALSE(read_load(ServerKind::kPonder, "vllm:num_requests_waiting 3"));
}

}  // namespace
}  // namespace ponder::fleet
