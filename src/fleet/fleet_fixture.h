// A fleet of doubles of ponder serve: its options, what is asked, and what must come back.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "fleet/fake_ponder_fixture.h"
#include "fleet/fleet.h"
#include "testing/byte_tokenizer.h"
#include "testing/fault_proxy.h"

namespace ponder::fleet {

using Events = std::map<std::string, std::variant<data::Completion, rollout::Failure>>;

class FleetTest : public ::testing::Test {
 protected:
  FleetOptions options(const std::vector<const FakePonder*>& servers) const {
    std::vector<std::string> urls;
    for (const FakePonder* server : servers) urls.push_back(server->url());
    return options_of(std::move(urls));
  }
  FleetOptions options(const testing::FaultProxy& proxy) const { return options_of({proxy.url()}); }
  FleetOptions options_of(std::vector<std::string> urls) const {
    FleetOptions options;
    options.servers = std::move(urls);
    options.model_sha256 = FakePonder::sha256_;
    options.rules.first_delay = Time(1);
    options.rules.most_delay = Time(20);
    options.rules.first_open = Time(20);
    options.rules.spill_after = Time(20);
    options.rules.free_retries = 1000;
    return options;
  }
  // A fault in the exchanges that `meets` names.
  static testing::FaultProxy::Options only(testing::Fault fault, std::function<bool(int)> meets) {
    return {.choose = [fault, meets = std::move(meets)](int number) {
      return meets(number) ? std::optional(fault) : std::nullopt;
    }};
  }
  static testing::FaultProxy::Options always(testing::Fault fault) {
    return only(fault, [](int) { return true; });
  }
  static rollout::CompletionRequest request(const std::string& problem, int sample,
                                            int max_tokens = 500) {
    rollout::CompletionRequest request;
    request.id = fmt::format("{}#{}", problem, sample);
    request.prompt_ids = {'a', 's', 'k'};
    request.seed_key = {1, problem, sample};
    request.sampling.max_tokens = max_tokens;
    request.stop_ids = {kEndToken};
    request.want_logprobs = true;
    return request;
  }
  // Everything asked for, whatever becomes of it.
  Events answers(Fleet& fleet, int problems, int samples, int max_tokens = 500) {
    size_t open = 0;
    for (int p = 0; p < problems; ++p) {
      for (int s = 0; s < samples; ++s, ++open)
        fleet.submit(request("p" + std::to_string(p), s, max_tokens));
    }
    Events all;
    while (open > 0) {
      for (rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(500))) {
        if (!rollout::ends_request(event)) continue;
        EXPECT_FALSE(all.contains(event.request_id)) << "two ends of " << event.request_id;
        if (auto* completion = std::get_if<data::Completion>(&event.what))
          all[event.request_id] = std::move(*completion);
        else
          all[event.request_id] = std::get<rollout::Failure>(event.what);
        --open;
      }
    }
    return all;
  }
  static void expect_right(const Events& all, size_t count, int64_t length = 0,
                           int max_tokens = 500) {
    EXPECT_EQ(all.size(), count);
    for (const auto& [id, what] : all) {
      const auto* completion = std::get_if<data::Completion>(&what);
      ASSERT_TRUE(completion) << id << ": " << std::get<rollout::Failure>(what).message;
      const std::string problem = id.substr(0, id.find('#'));
      const int sample = std::stoi(id.substr(id.find('#') + 1));
      const int64_t rows = length > 0 ? length : fake_length(problem, sample);
      std::vector<int32_t> ids;
      std::vector<float> logprobs;
      std::string text;
      for (int64_t at = 0; at < std::min<int64_t>(rows, max_tokens); ++at) {
        const FakeToken token = fake_token(problem, sample, at, rows);
        ids.push_back(token.id);
        logprobs.push_back(token.logprob);
        if (token.id != kEndToken) text += static_cast<char>(token.id);
      }
      EXPECT_EQ(completion->token_ids, ids) << id;
      EXPECT_EQ(completion->logprobs, logprobs) << id;
      EXPECT_EQ(completion->text, text) << id;
      EXPECT_EQ(completion->logprob_source, data::LogprobSource::kEngine);
      EXPECT_EQ(completion->finish_reason,
                rows <= max_tokens ? data::FinishReason::kStop : data::FinishReason::kLength);
      EXPECT_EQ(completion->usage.completion_tokens, static_cast<int64_t>(ids.size()));
      EXPECT_EQ(completion->usage.prompt_tokens, 3);
      EXPECT_EQ(completion->model_sha256, FakePonder::sha256_);
    }
  }
  std::string first_failure(const Events& all) const {
    for (const auto& [id, what] : all)
      if (const auto* failure = std::get_if<rollout::Failure>(&what)) return failure->message;
    return "";
  }

  const tokenizer::Tokenizer tokenizer_ =
      tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "test");
  NullMonitor monitor_;
};

}  // namespace ponder::fleet
