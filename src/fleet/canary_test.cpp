#include "fleet/canary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/error.h"
#include "fleet/answer.h"
#include "fleet/fleet.h"
#include "fleet/models.h"
#include "testing/byte_tokenizer.h"
#include "testing/error_text.h"
#include "testing/scripted_server.h"

namespace ponder::fleet {
namespace {

constexpr float kOurs = -0.2f, kTheirs = -2.2f;

// Two nats apart at each of 16 positions; the token is 'a' + place.
Canary canary() {
  Canary canary{"M2", "M1", {}};
  for (int i = 0; i < 16; ++i) canary.positions.push_back({{1, 2, i}, 97 + i, kOurs, kTheirs});
  return canary;
}

// A server whose log-probabilities are `logprob` and whose choice is ours where that is likely.
std::vector<Likeliest> answers(const Canary& canary, float logprob, int others = 0) {
  std::vector<Likeliest> answers;
  for (const CanaryPosition& position : canary.positions) {
    const bool other = static_cast<int>(answers.size()) < others;
    answers.push_back(other ? Likeliest{5, {{5, -0.1f}, {position.token, logprob}}}
                            : Likeliest{position.token, {{position.token, logprob}, {5, -8.f}}});
  }
  return answers;
}

TEST(Canary, TellsAModelFromTheOneBefore) {
  const Canary of = canary();
  EXPECT_NEAR(of.apart(), 2, 1e-6);
  EXPECT_TRUE(of.tells());
  const CanaryResult right = judge_canary(of, answers(of, kOurs - 0.02f));
  EXPECT_TRUE(right.right && !right.rounded) << right.text();
  const CanaryResult rounded = judge_canary(of, answers(of, kOurs - 0.2f));
  EXPECT_TRUE(rounded.right && rounded.rounded) << rounded.text();
  const CanaryResult stale = judge_canary(of, answers(of, kTheirs));
  EXPECT_FALSE(stale.right);
  EXPECT_EQ(stale.text(), "2 nat a token from M2, 0 from M1, at 16 positions");
  EXPECT_FALSE(judge_canary(of, answers(of, kOurs - 0.35f)).right);
  std::vector<Likeliest> missing = answers(of, kOurs);
  missing.pop_back();
  EXPECT_FALSE(judge_canary(of, missing).right);
}

TEST(Canary, CountsOtherChoicesButForNearTies) {
  const Canary of = canary();
  EXPECT_TRUE(judge_canary(of, answers(of, kOurs, 16)).right);  // 0.1 nat: as good as a tie
  Canary unsure = of;
  for (CanaryPosition& position : unsure.positions) position.logprob = -1;
  EXPECT_TRUE(judge_canary(unsure, answers(unsure, -1, 1)).right);
  EXPECT_FALSE(judge_canary(unsure, answers(unsure, -1, 2)).right);
}

TEST(Canary, ATokenThatIsNotNamedIsAtMostAsLikelyAsTheLastThatIs) {
  const Canary of = canary();
  std::vector<Likeliest> said = answers(of, kOurs);
  for (Likeliest& one : said) one = {5, {{5, -0.1f}, {6, -4.2f}}};
  const CanaryResult found = judge_canary(of, said);
  EXPECT_NEAR(found.from_model, 4, 1e-6);
  EXPECT_EQ(found.other_choices, 16);
  EXPECT_FALSE(found.right);
}

TEST(Canary, WhatCannotBeToldApartIsHeldAgainstTheModelAlone) {
  Canary alike = canary();
  for (CanaryPosition& position : alike.positions) position.other_logprob = kOurs - 0.3f;
  EXPECT_FALSE(alike.tells());
  EXPECT_TRUE(judge_canary(alike, answers(alike, kOurs - 0.2f)).right);
  EXPECT_FALSE(judge_canary(alike, answers(alike, kTheirs)).right);
  Canary alone = canary();
  alone.other.clear();
  EXPECT_FALSE(alone.tells());
  EXPECT_EQ(judge_canary(alone, answers(alone, kTheirs)).text(),
            "2 nat a token from M2, at 16 positions");
}

TEST(Canary, IsReadAsEachKindSaysIt) {
  const auto read = [](ServerKind kind, const char* text) {
    return read_likeliest(kind, parse_json(text, "answer"));
  };
  const Likeliest vllm = read(
      ServerKind::kVllm,
      R"({"choices":[{"index":0,"text":"a","logprobs":{"tokens":["token_id:7"],"token_logprobs":[-0.5],
          "top_logprobs":[{"token_id:7":-0.5,"token_id:8":-1.5}],"text_offset":[0]}}]})");
  const Likeliest sglang = read(ServerKind::kSglang,
                                R"({"text":"a","meta_info":{"output_token_logprobs":[[-0.5,7,"a"]],
          "output_top_logprobs":[[[-0.5,7,"a"],[-1.5,8,"b"]]]}})");
  const Likeliest llama = read(
      ServerKind::kLlamaServer,
      R"({"content":"a","completion_probabilities":[{"id":7,"token":"a","bytes":[97],"logprob":-0.5,
          "top_logprobs":[{"id":7,"logprob":-0.5},{"id":8,"logprob":-1.5}]}]})");
  for (const Likeliest& likeliest : {vllm, sglang, llama}) {
    EXPECT_EQ(likeliest.token, 7);
    EXPECT_EQ(likeliest.logprobs, (std::map<int32_t, float>{{7, -0.5f}, {8, -1.5f}}));
  }
  // By texts, without numbers, without an entry.
  EXPECT_THROW(read(ServerKind::kVllm,
                    R"({"choices":[{"logprobs":{"tokens":["a"],"token_logprobs":[-0.5],
                        "top_logprobs":[{"a":-0.5}]}}]})"),
               AnswerFailure);
  EXPECT_THROW(read(ServerKind::kVllm, R"({"choices":[{"text":"a","logprobs":null}]})"),
               AnswerFailure);
  EXPECT_THROW(read(ServerKind::kSglang, R"({"meta_info":{"output_token_logprobs":[]}})"),
               AnswerFailure);
  EXPECT_THROW(read(ServerKind::kLlamaServer, R"({"content":"a"})"), AnswerFailure);
}

TEST(Canary, AsksForOneGreedyTokenAsAWhole) {
  const std::vector<int32_t> prompt = {4, 5};
  for (const ServerKind kind : {ServerKind::kVllm, ServerKind::kSglang, ServerKind::kLlamaServer}) {
    const Ask ask = ask_likeliest(kind, prompt, "m");
    EXPECT_FALSE(ask.streams);
    EXPECT_EQ(ask.body["stream"], false);
    const Json& sampling = kind == ServerKind::kSglang ? ask.body["sampling_params"] : ask.body;
    EXPECT_EQ(sampling["temperature"], 0.0);
    EXPECT_EQ(sampling[kind == ServerKind::kVllm     ? "max_tokens"
                       : kind == ServerKind::kSglang ? "max_new_tokens"
                                                     : "n_predict"],
              1);
    EXPECT_EQ(ask.body[kind == ServerKind::kSglang ? "input_ids" : "prompt"], Json({4, 5}));
  }
}

// A vLLM whose weights are those of M2, or of M1 under M2's name. They change between two looks: one begins with
// a GET, and may take long.
class FakeVllm {
 public:
  FakeVllm() : server_([this](testing::ScriptedConnection& c) { serve(c); }) {}
  ~FakeVllm() { holds_rollouts = false; }  // serve() returns, whatever a test was at
  std::string url() const { return server_.url(); }
  std::atomic<float> logprob = kOurs;
  std::atomic<int> not_ready = 0, num_likeliest = 0, num_rollouts = 0;
  std::atomic<bool> holds_rollouts = false;  // answers none, for as long

 private:
  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (request.starts_with("GET ")) {
        logprob_of_look_ = logprob.load();
        if (not_ready-- > 0)
          c.answer(503, "{}");
        else
          c.answer(200, R"({"data":[{"id":"m","owned_by":"vllm"}]})");
        continue;
      }
      const Json body = parse_json(request.substr(request.find("\r\n\r\n") + 4), "request");
      if (!body.contains("logprobs")) {
        ++num_rollouts;
        while (holds_rollouts) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        c.answer(
            200,
            dump_json(
                {{"model", "m"},
                 {"choices",
                  {{{"index", 0},
                    {"text", "a"},
                    {"prompt_token_ids", body["prompt"]},
                    {"token_ids", {97}},
                    {"finish_reason", "length"}}}},
                 {"usage", {{"prompt_tokens", body["prompt"].size()}, {"completion_tokens", 1}}}}));
        continue;
      }
      ++num_likeliest;
      const std::string token = "token_id:" + std::to_string(97 + body["prompt"].back().get<int>());
      const float said = logprob_of_look_;
      c.answer(200, dump_json({{"choices",
                                {{{"logprobs",
                                   {{"tokens", {token}},
                                    {"token_logprobs", {said}},
                                    {"top_logprobs", {{{token, said}}}}}}}}}}));
    }
  }
  std::atomic<float> logprob_of_look_ = kOurs;
  testing::ScriptedServer server_;
};

class CanaryFleet : public ::testing::Test {
 protected:
  FleetOptions options(const std::vector<const FakeVllm*>& servers) const {
    FleetOptions options;
    options.kind = ServerKind::kVllm;
    options.served_model = "m";
    for (const FakeVllm* server : servers) options.servers.push_back(server->url());
    options.canaries = {canary()};
    options.rules.first_open = options.rules.most_open = Time(1);
    return options;
  }
  static rollout::CompletionRequest request(int number) {
    rollout::CompletionRequest request;
    request.id = std::to_string(number);
    request.seed_key.name = request.id;
    request.prompt_ids = {'a'};
    request.sampling.max_tokens = 1;
    return request;
  }

  const tokenizer::Tokenizer tokenizer_ =
      tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "test");
  NullMonitor monitor_;
};

TEST_F(CanaryFleet, StaleWeightsUnderTheRightNameAreRefusedBeforeAnyRollout) {
  FakeVllm server;
  server.logprob = kTheirs;
  try {
    Fleet fleet(&tokenizer_, options({&server}), monitor_);
    FAIL() << "was not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);  // it may have them later
    EXPECT_NE(std::string(error.what())
                  .find("does not have the weights of M2: 2 nat a token from M2, 0 from M1"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(server.num_likeliest, 16);
  EXPECT_EQ(server.num_rollouts, 0);
  server.logprob = kOurs - 0.2f;  // quantised
  Fleet fleet(&tokenizer_, options({&server}), monitor_);
  EXPECT_EQ(server.num_likeliest, 32);
}

TEST_F(CanaryFleet, AServerThatComesLaterProvesItsWeightsFirst) {
  FakeVllm good, late;
  late.logprob = kTheirs;
  late.not_ready = 1;
  Fleet fleet(&tokenizer_, options({&good, &late}), monitor_);
  int done = 0, asked = 0;
  // Until the late one has been looked at twice.
  for (; late.num_likeliest < 32 || done < asked;) {
    if (asked - done < 4 && late.num_likeliest < 32) fleet.submit(request(asked++));
    for (const rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(20)))
      done += std::holds_alternative<data::Completion>(event.what);
  }
  EXPECT_EQ(late.num_rollouts, 0);
  EXPECT_EQ(good.num_rollouts, asked);
  late.logprob = kOurs;
  while (late.num_rollouts == 0) {
    if (asked - done < 40) fleet.submit(request(asked++));
    for (const rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(20)))
      done += std::holds_alternative<data::Completion>(event.what);
  }
}

// Counts what it is told, in its order.
class Told : public AttemptKeeper {
 public:
  void sending(const rollout::CompletionRequest&, int64_t, const std::string& server) override {
    ++sent_to[server];
    ++num_sent;
  }
  int64_t answered(const std::string&, const Answer& answer, int64_t num_tokens) override {
    EXPECT_EQ(num_tokens, 1);
    EXPECT_EQ(answer.finish, "length");
    ++num_answered;
    return 0;
  }
  void failed(const std::string&, const Failed& failure) override {
    EXPECT_TRUE(failure.again);
    EXPECT_EQ(failure.num_tokens, 0);
    last_failure = failure.message;
    ++num_failed;
  }
  void looking_at(const std::string& server) override { looking.insert(server); }
  void looked_at(const Looked& looked) override {
    EXPECT_EQ(looked.model, "m");
    EXPECT_EQ(looking.erase(looked.server), 1u) << "told before";
    looks.push_back(looked);
  }
  void keep() override {}
  int looks_that(Proof proof) const {
    return static_cast<int>(
        std::ranges::count_if(looks, [&](const Looked& looked) { return looked.proof == proof; }));
  }

  int num_sent = 0, num_answered = 0, num_failed = 0;
  std::map<std::string, int> sent_to;
  std::string last_failure;
  std::set<std::string> looking;  // at servers, now
  std::vector<Looked> looks;
};

TEST_F(CanaryFleet, AServerThatWorksProvesItsWeightsAgainAndAgain) {
  FakeVllm changing, good;
  Told told;
  FleetOptions of = options({&changing, &good});
  of.keeper = &told;
  of.rules.look_every = Time(1);
  of.rules.first_delay = of.rules.most_delay = Time(1);
  Fleet fleet(&tokenizer_, of, monitor_);
  ASSERT_EQ(told.looks_that(Proof::kRight), 2);
  EXPECT_EQ(told.looks[0].found, "0 nat a token from M2, 2 from M1, at 16 positions");
  int asked = 0, done = 0;
  const auto work = [&](const auto& enough) {
    while (!enough()) {
      if (asked - done < 8) fleet.submit(request(asked++));
      for (const rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(20)))
        done += std::holds_alternative<data::Completion>(event.what);
    }
  };
  // Both work, and are looked at meanwhile.
  work([&] { return told.looks_that(Proof::kRight) >= 6 && changing.num_rollouts > 0; });
  EXPECT_EQ(told.looks_that(Proof::kWrong), 0);
  changing.logprob = kTheirs;
  work([&] { return told.looks_that(Proof::kWrong) > 0; });
  for (const AttemptKeeper::Looked& looked : told.looks) {
    if (looked.proof != Proof::kWrong) continue;
    EXPECT_EQ(looked.server, changing.url());
    EXPECT_EQ(looked.found,
              "does not have the weights of M2: 2 nat a token from M2, 0 from M1, at 16 positions");
  }
  // Nothing more goes there, and the other one goes on.
  const int there = told.sent_to[changing.url()], elsewhere = told.sent_to[good.url()];
  work([&] { return told.sent_to[good.url()] > elsewhere + 20; });
  EXPECT_EQ(told.sent_to[changing.url()], there);
  // Until it is right again.
  changing.logprob = kOurs;
  work([&] { return told.sent_to[changing.url()] > there; });
  while (done < asked) {
    for (const rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(20)))
      done += std::holds_alternative<data::Completion>(event.what);
  }
  EXPECT_EQ(told.num_answered, asked);
  EXPECT_EQ(told.num_sent, told.num_answered + told.num_failed);
}

TEST_F(CanaryFleet, WhatIsOnItsWayAtAServerThatIsWrongIsAskedForElsewhere) {
  FakeVllm changing;
  Told told;
  FleetOptions of = options({&changing});
  of.keeper = &told;
  of.rules.look_every = Time(1);
  of.rules.first_delay = of.rules.most_delay = Time(1);
  of.rules.failures_in_a_row = 1000;
  Fleet fleet(&tokenizer_, of, monitor_);
  changing.holds_rollouts = true;
  fleet.submit(request(0));
  const auto poll = [&] { return fleet.poll(std::chrono::milliseconds(20)).size(); };
  while (changing.num_rollouts == 0) ASSERT_EQ(poll(), 0u);
  changing.logprob = kTheirs;
  while (told.num_failed == 0) ASSERT_EQ(poll(), 0u);
  EXPECT_NE(told.last_failure.find("the server does not have the weights of M2"), std::string::npos)
      << told.last_failure;
  while (told.looks_that(Proof::kWrong) == 0) ASSERT_EQ(poll(), 0u);
  EXPECT_EQ(told.num_answered, 0);
  changing.logprob = kOurs;
  changing.holds_rollouts = false;
  while (poll() == 0) {
  }
  EXPECT_EQ(told.num_answered, 1);
}

TEST_F(CanaryFleet, AtTheEndWhatWasAnsweredIsProven) {
  FakeVllm right, changed, idle;
  Told told;
  FleetOptions of = options({&right, &changed, &idle});
  of.keeper = &told;
  Fleet fleet(&tokenizer_, of, monitor_);
  int asked = 0, done = 0;
  while (right.num_rollouts == 0 || changed.num_rollouts == 0 || done < asked) {
    if ((right.num_rollouts == 0 || changed.num_rollouts == 0) && asked - done < 8)
      fleet.submit(request(asked++));
    for (const rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(20)))
      done += std::holds_alternative<data::Completion>(event.what);
  }
  EXPECT_EQ(told.looks.size(), 3u) << "without look_every there are none between";
  changed.logprob = kTheirs;
  const bool idle_was_asked = idle.num_rollouts > 0;
  fleet.prove(nullptr);
  EXPECT_EQ(told.looks.size(), idle_was_asked ? 6u : 5u);
  EXPECT_EQ(told.looks_that(Proof::kWrong), 1);
  EXPECT_EQ(fleet.unproven(), std::vector<std::string>{changed.url()});
  fleet.prove(nullptr);  // those that were found right have nothing more to prove
  EXPECT_EQ(told.looks.size(), idle_was_asked ? 7u : 6u);
  const std::atomic<bool> stop = true;
  fleet.prove(&stop);
}

TEST(Models, AServerOfAnotherKindIsNamed) {
  const Json models = {{"data", {{{"id", "m"}, {"owned_by", "ponder"}, {"model_sha256", "00"}}}}};
  const std::string said = testing::error_text([&] {
    find_model(models, {ServerKind::kVllm, "m", ""}, "http://a");
  });
  EXPECT_NE(said.find("is a server of kind ponder, asked as one of kind vllm"), std::string::npos)
      << said;
  EXPECT_NE(said.find("fleet.kind = \"ponder\""), std::string::npos) << said;
  EXPECT_NO_THROW(find_model(models, {ServerKind::kOpenai, "m", ""}, "http://a"));
  EXPECT_NO_THROW(find_model(models, {ServerKind::kPonder, "m", ""}, "http://a"));
  const Json other = {{"data", {{{"id", "m"}, {"owned_by", "somebody"}}}}};
  EXPECT_NO_THROW(find_model(other, {ServerKind::kVllm, "m", ""}, "http://a"));
}

}  // namespace
}  // namespace ponder::fleet
