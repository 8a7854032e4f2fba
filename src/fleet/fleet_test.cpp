#include "fleet/fleet.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "fleet/fake_ponder_fixture.h"
#include "fleet/fleet_fixture.h"
#include "fleet/models.h"
#include "testing/error_text.h"
#include "testing/fault_proxy.h"
#include "testing/scripted_server.h"
#include "testing/temporary_folder.h"

namespace ponder::fleet {
namespace {

using std::chrono::milliseconds;
using testing::Fault, testing::FaultKind, testing::FaultProxy;

constexpr milliseconds kShortSilence{300};

TEST_F(FleetTest, CompletionsOfOneServer) {
  FakePonder server;
  Fleet fleet(&tokenizer_, options({&server}), monitor_);
  EXPECT_EQ(fleet.served_model(), "ponder-0123456789abcdef");
  expect_right(answers(fleet, 20, 3), 60);
  EXPECT_EQ(server.num_asked, 60);
  EXPECT_EQ(server.num_unknown_fields, 0);
  EXPECT_EQ(fleet.load().running, 0);
}

TEST_F(FleetTest, AndOfTwo) {
  FakePonder one, two;
  FleetOptions of_two = options({&one, &two});
  of_two.rules.spill_after = Time(0);
  Fleet fleet(&tokenizer_, of_two, monitor_);
  expect_right(answers(fleet, 50, 4), 200);
  EXPECT_GT(one.num_asked, 20);
  EXPECT_GT(two.num_asked, 20);
  EXPECT_EQ(one.num_asked + two.num_asked, 200);
  const Json servers = fleet.report().at("servers");
  ASSERT_EQ(servers.size(), 2u);
  EXPECT_EQ(servers[0].at("sent").get<int>() + servers[1].at("sent").get<int>(), 200);
  for (const Json& server : servers) {
    EXPECT_EQ(server.at("state"), "ready");
    EXPECT_EQ(server.at("in_flight"), 0);
    EXPECT_GE(server.at("window"), 16);
    EXPECT_EQ(server.at("last_failure"), "");
  }
}

TEST_F(FleetTest, TheTokenLimitIsAnEnd) {
  FakePonder server;
  Fleet fleet(&tokenizer_, options({&server}), monitor_);
  expect_right(answers(fleet, 10, 2, 12), 20, 0, 12);
}

TEST_F(FleetTest, TheSameRowsWhateverFails) {
  FakePonder one, two;
  std::vector<Fault> faults =
      testing::faults_of({FaultKind::kHarmless, FaultKind::kPassing, FaultKind::kOfTokens});
  // Seconds of doing nothing: the scheduler's own tests have them.
  std::erase(faults, Fault::kTooManyForSecond);
  std::erase(faults, Fault::kTooManyUntilDate);
  const FaultProxy before_one(one.port(), {.seed = 1, .share = 0.4, .faults = faults});
  const FaultProxy before_two(
      two.port(), {.seed = 2, .share = 0.4, .faults = faults, .first = faults.size() / 2});
  FleetOptions of_two = options_of({before_one.url(), before_two.url()});
  of_two.rules.max_attempts = 40;
  of_two.limits.silence = kShortSilence;
  Fleet fleet(&tokenizer_, of_two, monitor_);
  expect_right(answers(fleet, 60, 4), 240);
  for (const Fault fault : faults) {
    const std::string name = to_string(fault);
    EXPECT_GT(before_one.happened()[name] + before_two.happened()[name], 0) << name;
  }
}

// Each of them alone, at the first exchange and nowhere else: one answer more is asked for, or none, and the next
// request on the same connection does not notice.
TEST_F(FleetTest, OneFaultCostsOneAttempt) {
  for (const FaultKind kind : {FaultKind::kHarmless, FaultKind::kPassing, FaultKind::kOfTokens}) {
    for (const Fault fault : testing::faults_of({kind})) {
      if (fault == Fault::kTooManyForSecond || fault == Fault::kTooManyUntilDate) continue;
      FakePonder server;
      const FaultProxy proxy(server.port(), only(fault, [](int number) { return number == 0; }));
      FleetOptions with_limit = options(proxy);
      if (fault == Fault::kSilence) with_limit.limits.silence = kShortSilence;
      Fleet fleet(&tokenizer_, with_limit, monitor_);
      for (const int sample : {0, 1}) {
        fleet.submit(request("p0", sample));
        Events all;
        while (all.empty()) {
          for (auto& event : fleet.poll(milliseconds(500)))
            all[event.request_id] = std::get<data::Completion>(event.what);
        }
        expect_right(all, 1);
      }
      EXPECT_EQ(proxy.happened()[to_string(fault)], 1) << to_string(fault);
      EXPECT_GE(proxy.num_exchanges(), kind == FaultKind::kHarmless ? 2 : 3) << to_string(fault);
      if (fault == Fault::kSilence) continue;  // a slow machine may take another for silence
      EXPECT_LE(proxy.num_exchanges(), kind == FaultKind::kHarmless ? 2 : 3) << to_string(fault);
    }
  }
}

TEST_F(FleetTest, ALongAnswerGoesOnWhereItWas) {
  FakePonder server;
  server.length = 5000;
  FaultProxy::Options once = only(Fault::kResetInBody, [](int number) { return number == 0; });
  once.middle = 20;  // of 128 tokens each
  const FaultProxy proxy(server.port(), once);
  Fleet fleet(&tokenizer_, options(proxy), monitor_);
  expect_right(answers(fleet, 1, 1, 6000), 1, 5000, 6000);
  EXPECT_EQ(server.num_asked, 2);
  EXPECT_EQ(server.num_continued, 1);
}

TEST_F(FleetTest, WhatBeganEarlierGoesOn) {
  FakePonder server;
  Fleet fleet(&tokenizer_, options({&server}), monitor_);
  const int64_t length = fake_length("p0", 0);
  ASSERT_GT(length, 4);
  rollout::CompletionRequest begun = request("p0", 0);
  for (int64_t at = 0; at < 4; ++at) {
    begun.begun.token_ids.push_back(fake_token("p0", 0, at, length).id);
    begun.begun.logprobs.push_back(fake_token("p0", 0, at, length).logprob);
  }
  fleet.submit(begun);
  Events all;
  while (all.empty()) {
    for (auto& event : fleet.poll(milliseconds(500)))
      all[event.request_id] = std::get<data::Completion>(event.what);
  }
  expect_right(all, 1);
  EXPECT_EQ(server.num_continued, 1);
}

// One that was whole before is delivered as it was; only servers of our engine have its log-probabilities.
TEST_F(FleetTest, WhatWasWholeEarlierIsNotAskedFor) {
  for (const ServerKind kind : {ServerKind::kPonder, ServerKind::kVllm}) {
    FakePonder server;
    FleetOptions of_kind = options({&server});
    of_kind.kind = kind;
    of_kind.served_model = served_name_of(FakePonder::sha256_);
    Fleet fleet(&tokenizer_, of_kind, monitor_);
    rollout::CompletionRequest whole = request("p0", 0);
    const int64_t length = fake_length("p0", 0);
    for (int64_t at = 0; at < length; ++at) {
      whole.begun.token_ids.push_back(fake_token("p0", 0, at, length).id);
      whole.begun.logprobs.push_back(fake_token("p0", 0, at, length).logprob);
    }
    fleet.submit(whole);
    const std::vector<rollout::GeneratorEvent> events = fleet.poll(milliseconds(0));
    ASSERT_EQ(events.size(), 1u);
    const auto& made = std::get<data::Completion>(events[0].what);
    EXPECT_EQ(*made.token_ids, whole.begun.token_ids);
    const bool ours = kind == ServerKind::kPonder;
    EXPECT_EQ(made.logprob_source,
              ours ? data::LogprobSource::kEngine : data::LogprobSource::kNone);
    EXPECT_EQ(made.logprobs.has_value(), ours);
    EXPECT_EQ(made.model_sha256, ours ? FakePonder::sha256_ : "");
  }
}

TEST_F(FleetTest, LiesAreRefusedByName) {
  const std::pair<Fault, const char*> cases[] = {{Fault::kOneId, "not that of its token ids"},
                                                 {Fault::kAnotherPrompt, "other token ids"},
                                                 {Fault::kAnotherModel, "last-round"},
                                                 {Fault::kAnotherArithmetic, "was computed by"}};
  ASSERT_EQ(testing::faults_of({FaultKind::kLie}).size(), std::size(cases));
  for (const auto& [lie, words] : cases) {
    FakePonder server;
    const FaultProxy proxy(server.port(), only(lie, [](int number) { return number == 5; }));
    Fleet fleet(&tokenizer_, options(proxy), monitor_);
    const Events all = answers(fleet, 10, 1);
    EXPECT_NE(first_failure(all).find(words), std::string::npos) << first_failure(all);
    EXPECT_EQ(proxy.num_exchanges(), 10) << "asked again";
  }
}

TEST_F(FleetTest, ALyingServerStopsTheStage) {
  FakePonder server;
  const FaultProxy proxy(server.port(), always(Fault::kOneId));
  Fleet fleet(&tokenizer_, options(proxy), monitor_);
  const std::string said = testing::error_text([&] {
    answers(fleet, 30, 1);
    for (int i = 0; i < 100; ++i) (void)fleet.poll(milliseconds(10));
  });
  EXPECT_NE(said.find("first three requests failed alike"), std::string::npos) << said;
}

TEST_F(FleetTest, AttemptsEnd) {
  FakePonder server;
  const FaultProxy proxy(server.port(), always(Fault::kServerError));
  FleetOptions few = options(proxy);
  few.rules.max_attempts = 3;
  Fleet fleet(&tokenizer_, few, monitor_);
  EXPECT_EQ(first_failure(answers(fleet, 1, 1)), proxy.url() + ": status 500: not now");
  EXPECT_EQ(proxy.num_exchanges(), 3);
}

TEST_F(FleetTest, ALoopEndsWhereTheEngineWouldEndIt) {
  FakePonder server;
  server.length = 400;
  FleetOptions looping = options({&server});
  looping.repetition = {.max_period = 1'000, .min_tokens = 1, .min_repeats = 0};
  Fleet fleet(&tokenizer_, looping, monitor_);
  rollout::CompletionRequest asked = request("p0", 0);
  asked.stop_condition = [](std::span<const int32_t> ids) { return ids.size() == 37; };
  asked.want_tokens = true;
  fleet.submit(asked);
  std::string shown;
  std::optional<data::Completion> completion;
  while (!completion) {
    for (auto& event : fleet.poll(milliseconds(500))) {
      if (auto* token = std::get_if<rollout::TokenSampled>(&event.what))
        shown += token->text;
      else
        completion = std::get<data::Completion>(event.what);
    }
  }
  EXPECT_EQ(completion->token_ids->size(), 37u);
  EXPECT_EQ(completion->text, shown);
  EXPECT_EQ(shown.size(), 37u);
}

TEST_F(FleetTest, TokensAreShownOnceWhateverFails) {
  FakePonder server;
  server.length = 3000;
  FaultProxy::Options thrice = only(Fault::kResetInBody, [](int number) { return number < 3; });
  thrice.middle = 10;
  const FaultProxy proxy(server.port(), thrice);
  Fleet fleet(&tokenizer_, options(proxy), monitor_);
  rollout::CompletionRequest asked = request("p0", 0, 4000);
  asked.want_tokens = true;
  fleet.submit(asked);
  std::string shown;
  int64_t tokens = 0;
  std::optional<data::Completion> completion;
  while (!completion) {
    for (auto& event : fleet.poll(milliseconds(500))) {
      if (auto* token = std::get_if<rollout::TokenSampled>(&event.what)) {
        shown += token->text;
        ++tokens;
      } else {
        completion = std::get<data::Completion>(event.what);
      }
    }
  }
  EXPECT_EQ(completion->text, shown);
  EXPECT_EQ(tokens, 2999);
}

TEST_F(FleetTest, OneGivenUpIsNotHeardOfAgain) {
  FakePonder server;
  const FaultProxy proxy(server.port(), always(Fault::kSilence));
  Fleet fleet(&tokenizer_, options(proxy), monitor_);
  fleet.submit(request("p0", 0));
  for (int i = 0; i < 20 && server.num_asked == 0; ++i) (void)fleet.poll(milliseconds(20));
  EXPECT_EQ(fleet.load().running, 1);
  fleet.cancel("p0#0");
  fleet.cancel("p0#0");
  EXPECT_EQ(fleet.load().running, 0);
  EXPECT_TRUE(fleet.poll(milliseconds(400)).empty());
}

TEST_F(FleetTest, WhatIsSoFarIsGivenOut) {
  FakePonder server;
  // The second event comes so late that the first has been given out before it.
  std::atomic<bool> seen = false;
  const FaultProxy proxy(server.port(), {.share = 0, .on_event = [&](int, int event) {
                                           while (event == 1 && !seen)
                                             std::this_thread::sleep_for(milliseconds(1));
                                         }});
  const FleetOptions patient = options(proxy);
  Fleet fleet(&tokenizer_, patient, monitor_);
  fleet.submit(request("p0", 0));
  data::Partial part;
  for (int i = 0; i < 100 && part.empty(); ++i) {
    (void)fleet.poll(milliseconds(20));
    part = fleet.sampled("p0#0", 1);
  }
  seen = true;
  ASSERT_FALSE(part.empty());
  EXPECT_EQ(part.token_ids[0], fake_token("p0", 0, 1, fake_length("p0", 0)).id);
  EXPECT_EQ(part.logprobs.size(), part.token_ids.size());
  fleet.cancel("p0#0");
}

TEST_F(FleetTest, SaysWhatIsWrongBeforeAnythingIsAsked) {
  const auto said = [&](FleetOptions with) {
    return testing::error_text([&] { Fleet(&tokenizer_, std::move(with), monitor_); });
  };
  FakePonder other("ponder-0123456789abcdef");
  FleetOptions weights = options({&other});
  weights.model_sha256 = "0123456789abcdef9999999999999999";
  EXPECT_NE(said(weights).find("has other weights"), std::string::npos) << said(weights);
  FleetOptions rounded = options({&other});
  rounded.precision = tensor::Precision::kBf16;
  EXPECT_NE(said(rounded).find("computes in f32"), std::string::npos) << said(rounded);
  // A server of before the definition of bf16 changed.
  const Json models = {{"data", {{{"id", "m"}, {"model_sha256", "00"}, {"precision", "bf16"}}}}};
  const std::string first = testing::error_text([&] {
    find_model(models, {ServerKind::kPonder, "", "00", "bf16-3"}, "server");
  });
  EXPECT_NE(first.find("computes in bf16, and the rows are to be in bf16-3"), std::string::npos);
  EXPECT_NE(first.find("same version of ponder"), std::string::npos) << first;
  FakePonder renamed("another");
  EXPECT_NE(said(options({&renamed}))
                .find("has no model \"ponder-0123456789abcdef\"; it has \"another\""),
            std::string::npos)
      << said(options({&renamed}));
  FleetOptions none = options({});
  EXPECT_NE(said(none).find("names no server"), std::string::npos);
  // A file of servers is waited for: what they register in may be empty, or not there yet.
  FleetOptions file = options({});
  file.servers_file = "no-such-file-of-servers.txt";
  try {
    const Fleet fleet(&tokenizer_, file, monitor_);
    ADD_FAILURE() << "a fleet without servers";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBusy) << error.what();
    EXPECT_NE(std::string(error.what()).find("no-such-file-of-servers.txt: names no server yet"),
              std::string::npos)
        << error.what();
  }
  FleetOptions nobody = options({});
  nobody.servers = {"http://127.0.0.1:1"};
  EXPECT_NE(said(nobody).find("no server answers"), std::string::npos) << said(nobody);
  const auto scripted = [&](int status, const std::string& body) {
    testing::ScriptedServer server([&](testing::ScriptedConnection& c) {
      c.read_request();
      c.answer(status, body);
    });
    FleetOptions with = options({});
    with.servers = {server.url()};
    return said(with);
  };
  EXPECT_NE(scripted(401, "{}").find("does not take the key"), std::string::npos);
  EXPECT_NE(scripted(200, "<html>").find("HTML"), std::string::npos);
  EXPECT_NE(scripted(404, "{}").find("kind ponder"), std::string::npos) << scripted(404, "{}");
}

// One of the very weights whose numbers are others, which came behind the first look at all.
TEST_F(FleetTest, AServerThatComesLaterIsLookedAtFirst) {
  const testing::TemporaryFolder folder;
  const auto listed = [&](const std::vector<const FakePonder*>& servers) {
    std::string text;
    for (const FakePonder* server : servers) text += server->url() + "\n";
    write_file_atomic(folder / "servers", text);
  };
  FakePonder first, rounded, good;
  rounded.precision = "bf16";
  listed({&first});
  FleetOptions from_file = options({});
  from_file.servers_file = folder / "servers";
  from_file.rules.spill_after = Time(0);
  Fleet fleet(&tokenizer_, from_file, monitor_);
  expect_right(answers(fleet, 5, 1), 5);
  listed({&first, &rounded, &good});
  for (int i = 0; i < 300 && (rounded.num_models_asked == 0 || good.num_models_asked == 0); ++i)
    (void)fleet.poll(milliseconds(20));
  Events all;
  for (int p = 10; p < 50; ++p) fleet.submit(request("p" + std::to_string(p), 0));
  while (all.size() < 40) {
    for (auto& event : fleet.poll(milliseconds(500)))
      all[event.request_id] = std::get<data::Completion>(event.what);
  }
  expect_right(all, 40);
  EXPECT_EQ(rounded.num_asked, 0);
  EXPECT_GT(good.num_asked, 0);
  // And what leaves the list gets nothing more.
  listed({&good});
  while (fleet.report()["servers"][0]["state"] != "retired") (void)fleet.poll(milliseconds(20));
  const int before = first.num_asked;
  expect_right(answers(fleet, 40, 1), 40);
  EXPECT_EQ(first.num_asked, before);
}

TEST_F(FleetTest, RequestsThatHaveNoRoomAreRefused) {
  FakePonder server;
  Fleet fleet(&tokenizer_, options({&server}), monitor_);
  const std::string said = testing::error_text([&] { fleet.announce(request("p0", 0, 8190), 1); });
  EXPECT_NE(said.find("takes up to 8193 tokens"), std::string::npos) << said;
  fleet.announce(request("p0", 0, 8189), 1);
}

TEST_F(FleetTest, AServerThatComesBackIsUsedAgain) {
  FakePonder one;
  std::atomic<bool> away = true;
  const FaultProxy proxy(one.port(), only(Fault::kReset, [&](int) { return away.load(); }));
  FleetOptions patient = options(proxy);
  patient.rules.max_attempts = 1000;
  Fleet fleet(&tokenizer_, patient, monitor_);
  fleet.submit(request("p0", 0));
  for (int i = 0; i < 20; ++i) (void)fleet.poll(milliseconds(10));
  const int asked = one.num_models_asked;
  away = false;
  Events all;
  while (all.empty()) {
    for (auto& event : fleet.poll(milliseconds(500)))
      all[event.request_id] = std::get<data::Completion>(event.what);
  }
  expect_right(all, 1);
  EXPECT_GE(asked + one.num_models_asked, 2) << "looked at before it is trusted again";
}

}  // namespace
}  // namespace ponder::fleet
