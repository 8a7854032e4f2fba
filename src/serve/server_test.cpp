#include "serve/server.h"

#include <fmt/format.h>

#include <map>
#include <thread>

#include "generate/scorer.h"
#include "rollout/run_rollouts.h"
#include "serve/test_support.h"

namespace ponder::serve {
namespace {

using namespace std::chrono_literals;
using testing::RawConnection;

ServerOptions options_of(int max_batch = 64, int max_queue = 256) {
  ServerOptions options;
  options.max_batch = max_batch;
  options.max_queue = max_queue;
  options.kv_cache_bytes = 64 << 20;
  options.aliases = {"nano"};
  return options;
}

// What the engine of this process makes of the same prompts.
std::vector<data::Rollout> in_process(const std::vector<std::string>& questions, int samples,
                                      const data::SamplingSettings& sampling, uint64_t seed) {
  std::vector<data::Problem> problems;
  for (size_t i = 0; i < questions.size(); ++i) {
    data::Problem& problem = problems.emplace_back();
    problem.id = "p" + std::to_string(i);
    problem.question = questions[i];
  }
  generate::RolloutSpec spec;
  spec.samples = samples;
  spec.sampling = sampling;
  spec.seed = seed;
  data::RowAccount account = data::RowAccount::of(problems.size());
  const auto requests = nano_base().rollout_requests(problems, spec, account);
  generate::Engine engine(nano_base().decoder(), &nano_base().text().tokenizer(),
                          nano_base().threads(), nano_base().engine_options(8));
  return rollout::collect_rollouts(engine, requests, {}, {.in_order = true}, nullptr);
}

std::vector<std::string> questions() {
  std::vector<std::string> texts;
  for (int i = 0; i < 6; ++i) texts.push_back("Compute " + std::to_string(i * 17 + 3) + "+8*3");
  return texts;
}

constexpr data::SamplingSettings kSampling{
    .temperature = 0.9, .top_p = 0.95, .top_k = 0, .max_tokens = 60};

Json row_request(const data::Rollout& row, bool stream) {
  return {{"model", "nano"},
          {"prompt", row.prompt_ids},
          {"temperature", row.sampling.temperature},
          {"top_p", row.sampling.top_p},
          {"max_tokens", row.sampling.max_tokens},
          {"seed", row.seed},
          {"stream", stream},
          {"stream_options", {{"include_usage", true}}},
          {"logprobs", 0},
          {"return_token_ids", true},
          {"ponder", {{"problem_id", row.problem_id}, {"sample", row.sample}}}};
}

// A completion of the API, joined where it came in events.
struct Joined {
  std::vector<int32_t> ids, prompt_ids;
  std::vector<float> logprobs;
  std::string text, finish;
  Json usage;
};

void take_choice(const Json& choice, Joined& joined) {
  joined.text += choice.value("text", "");
  for (const Json& id : choice["token_ids"]) joined.ids.push_back(id);
  if (choice.contains("prompt_token_ids"))
    joined.prompt_ids = choice["prompt_token_ids"].get<std::vector<int32_t>>();
  if (!choice["logprobs"].is_null())
    for (const Json& logprob : choice["logprobs"]["token_logprobs"])
      joined.logprobs.push_back(static_cast<float>(logprob.get<double>()));
  if (!choice["finish_reason"].is_null()) joined.finish = choice["finish_reason"];
}

Joined joined(const Answered& answer, bool stream) {
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(answer.complete);
  Joined joined;
  const std::vector<Json> parts = stream ? events_of(answer.body) : std::vector{answer.json()};
  for (const Json& part : parts) {
    for (const Json& choice : part.at("choices")) {
      if (stream) {
        EXPECT_EQ(choice.at("first_token"), joined.ids.size());
      }
      take_choice(choice, joined);
    }
    if (part.contains("usage")) joined.usage = part["usage"];
    EXPECT_EQ(part["id"], parts[0]["id"]);
  }
  return joined;
}

void expect_row(const Joined& got, const data::Rollout& row) {
  EXPECT_EQ(got.ids, *row.completion.token_ids);
  EXPECT_EQ(got.logprobs, *row.completion.logprobs);  // to the bit
  EXPECT_EQ(got.text, row.completion.text);
  EXPECT_EQ(got.prompt_ids, row.prompt_ids);
  const bool stop = row.completion.finish_reason == data::FinishReason::kStop;
  EXPECT_EQ(got.finish, stop ? "stop" : "length");
  EXPECT_EQ(got.usage["completion_tokens"], got.ids.size());
  EXPECT_EQ(got.usage["prompt_tokens"], row.prompt_ids.size());
}

TEST(Server, RowsAreThoseOfTheEngineInProcessToTheBit) {
  const auto rows = in_process(questions(), 2, kSampling, 5);
  Server server(nano_base(), options_of());
  // All at once, whole and in streams.
  std::vector<std::unique_ptr<RawConnection>> clients;
  for (size_t i = 0; i < rows.size(); ++i) {
    clients.push_back(std::make_unique<RawConnection>(server.port()));
    clients.back()->send(request_of("/v1/completions", row_request(rows[i], i % 2 == 0)));
  }
  for (size_t i = 0; i < rows.size(); ++i)
    expect_row(joined(answered(clients[i]->receive_answer(100s)), i % 2 == 0), rows[i]);
}

TEST(Server, TokensWaitUntilThereAreSoMany) {
  const auto rows = in_process(questions(), 1, kSampling, 5);
  Server server(nano_base(), options_of());
  for (const data::Rollout& row : rows) {
    Json request = row_request(row, true);
    request["ponder"]["tokens_per_event"] = 16;
    const Answered answer = post(server.port(), "/v1/completions", request);
    expect_row(joined(answer, true), row);
    const size_t num_tokens = row.completion.token_ids->size();
    // Whole events, the one that ends it, and the one of usage.
    EXPECT_LE(events_of(answer.body).size(), num_tokens / 16 + 2);
  }
}

TEST(Server, ARowGoesOnWhereItWas) {
  const auto rows = in_process(questions(), 1, kSampling, 6);
  Server server(nano_base(), options_of());
  for (const data::Rollout& row : rows) {
    const std::vector<int32_t>& ids = *row.completion.token_ids;
    const auto position = static_cast<std::ptrdiff_t>(ids.size() / 2);
    for (const bool stream : {false, true}) {
      Json request = row_request(row, stream);
      std::vector<int32_t> prompt = row.prompt_ids;
      prompt.insert(prompt.end(), ids.begin(), ids.begin() + position);
      request["prompt"] = prompt;
      request["ponder"]["position"] = position;
      request["max_tokens"] = kSampling.max_tokens - position;
      const Joined got = joined(post(server.port(), "/v1/completions", request), stream);
      EXPECT_EQ(got.ids, std::vector<int32_t>(ids.begin() + position, ids.end()));
      EXPECT_EQ(got.logprobs, std::vector<float>(row.completion.logprobs->begin() + position,
                                                 row.completion.logprobs->end()));
      EXPECT_EQ(got.prompt_ids, prompt);
      EXPECT_EQ(got.usage["prompt_tokens"], prompt.size());
    }
  }
}

TEST(Server, TheSameAnswerAloneAndAmongOthers) {
  Server server(nano_base(), options_of());
  const Json one = {{"messages", {{{"role", "user"}, {"content", "Compute 7+8*3."}}}},
                    {"seed", 11},
                    {"n", 2},
                    {"max_tokens", 50},
                    {"logprobs", true}};
  const Json two = {{"prompt", "Compute 12*3"}, {"seed", 12}, {"max_tokens", 50}, {"logprobs", 0}};
  const auto said = [](const Answered& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return dump_json(answer.json().at("choices")) + dump_json(answer.json().at("usage"));
  };
  const std::string one_alone = said(post(server.port(), "/v1/chat/completions", one));
  const std::string two_alone = said(post(server.port(), "/v1/completions", two));
  std::vector<std::unique_ptr<RawConnection>> others;
  for (int i = 0; i < 64; ++i) {
    others.push_back(std::make_unique<RawConnection>(server.port()));
    others.back()->send(request_of(
        "/v1/completions",
        {{"prompt", "Count " + std::to_string(i)}, {"max_tokens", 40 + i}, {"ignore_eos", true}}));
  }
  EXPECT_EQ(said(post(server.port(), "/v1/chat/completions", one)), one_alone);
  EXPECT_EQ(said(post(server.port(), "/v1/completions", two)), two_alone);
  for (const auto& other : others) EXPECT_EQ(answered(other->receive_answer(100s)).status, 200);
}

TEST(Server, AStreamedChatIsTheWholeOne) {
  Server server(nano_base(), options_of());
  for (int seed = 1; seed <= 4; ++seed) {
    Json request = {{"messages", {{{"role", "user"}, {"content", "Compute 7+8*3."}}}},
                    {"seed", seed},
                    {"n", 2},
                    {"max_tokens", 60}};
    const Json whole = post(server.port(), "/v1/chat/completions", request).json();
    request["stream"] = true;
    const Answered streamed = post(server.port(), "/v1/chat/completions", request);
    EXPECT_NE(streamed.head.find("text/event-stream"), std::string::npos);
    std::vector<std::string> content(2), thought(2), finish(2);
    std::vector<int> roles(2);
    for (const Json& event : events_of(streamed.body)) {
      EXPECT_EQ(event["object"], "chat.completion.chunk");
      for (const Json& choice : event["choices"]) {
        const auto index = choice["index"].get<size_t>();
        const Json& delta = choice["delta"];
        EXPECT_EQ(finish[index], "");
        content[index] += delta.value("content", "");
        thought[index] += delta.value("reasoning_content", "");
        EXPECT_EQ(delta.value("reasoning_content", ""), delta.value("reasoning", ""));
        roles[index] += delta.contains("role");
        if (!choice["finish_reason"].is_null()) finish[index] = choice["finish_reason"];
      }
    }
    for (size_t i = 0; i < 2; ++i) {
      const Json& choice = whole["choices"][i];
      EXPECT_EQ(content[i], choice["message"]["content"]);
      EXPECT_EQ(thought[i], choice["message"].value("reasoning_content", ""));
      EXPECT_EQ(finish[i], choice["finish_reason"]);
      EXPECT_EQ(roles[i], 1);
    }
    EXPECT_EQ(whole["ponder"]["seed"], seed);
  }
}

// Where tokens are held back too: their characters are not whole, or may become a stop string.
TEST(Server, AStreamedTextHasTheListsOfTheWholeOne) {
  Server server(nano_base(), options_of());
  const auto lists_of = [&](Json request, bool stream) {
    request["stream"] = stream;
    const Answered answer = post(server.port(), "/v1/completions", request);
    std::map<std::string, Json> lists;
    for (const Json& part : stream ? events_of(answer.body) : std::vector{answer.json()})
      for (const Json& choice : part.at("choices"))
        if (!choice["logprobs"].is_null())
          for (const auto& [name, values] : choice["logprobs"].items())
            for (const Json& value : values) lists[name].push_back(value);
    return lists;
  };
  for (int seed = 1; seed <= 8; ++seed) {
    const Json request = {{"prompt", "é"},
                          {"temperature", 1.5},
                          {"max_tokens", 100},
                          {"ignore_eos", true},
                          {"logprobs", 0},
                          {"seed", seed},
                          {"stop", {"The answer is none."}}};
    const auto whole = lists_of(request, false);
    EXPECT_EQ(whole.at("text_offset").size(), whole.at("tokens").size());
    EXPECT_EQ(lists_of(request, true), whole);
  }
}

TEST(Server, EchoedPromptsHaveTheTrainersLogProbabilities) {
  Server server(nano_base(), options_of());
  const std::vector<int32_t> prompt = nano_base().text().prompt_ids("Compute 7+8*3.");
  for (const int max_tokens : {0, 1}) {
    const Answered answer = post(server.port(), "/v1/completions",
                                 {{"prompt", {prompt, prompt}},
                                  {"echo", true},
                                  {"logprobs", 1},
                                  {"max_tokens", max_tokens},
                                  {"temperature", 0}});
    ASSERT_EQ(answer.status, 200) << answer.body;
    const Json answer_json = answer.json();
    ASSERT_EQ(answer_json["choices"].size(), 2u);
    for (const Json& choice : answer_json["choices"]) {
      const Json& lists = choice["logprobs"];
      ASSERT_EQ(lists["token_logprobs"].size(), prompt.size() + static_cast<size_t>(max_tokens));
      EXPECT_TRUE(lists["token_logprobs"][0].is_null());
      EXPECT_TRUE(lists["top_logprobs"][0].is_null());
      std::vector<generate::ScoreRow> rows = {{prompt, 1}};
      const auto scores = generate::score_rows(nano_base().decoder(), rows, 4096, 1);
      for (size_t i = 1; i < prompt.size(); ++i) {
        EXPECT_EQ(static_cast<float>(lists["token_logprobs"][i].get<double>()),
                  scores[0].logprobs[i - 1]);
        double best = -1e9;
        for (const auto& [token, logprob] : lists["top_logprobs"][i].items())
          best = std::max(best, logprob.get<double>());
        EXPECT_EQ(static_cast<float>(best), scores[0].likeliest[i - 1][0].logprob);
        // The greedy flag: the same number exactly where it is the likeliest.
        EXPECT_EQ(lists["token_logprobs"][i].get<double>() == best,
                  scores[0].likeliest[i - 1][0].id == prompt[i] ||
                      scores[0].likeliest[i - 1][0].logprob == scores[0].logprobs[i - 1]);
      }
      if (max_tokens == 1) {  // greedy: the likeliest
        double best = -1e9;
        for (const auto& [token, logprob] : lists["top_logprobs"].back().items())
          best = std::max(best, logprob.get<double>());
        EXPECT_EQ(lists["token_logprobs"].back().get<double>(), best);
      }
    }
  }
}

// Several tokens may have one text, and a piece of a character has none of its own.
TEST(Server, TokensAreNamedByTheirIdsWhereThatIsAskedFor) {
  Server server(nano_base(), options_of());
  const Json choice = post(server.port(), "/v1/completions",
                           {{"prompt", nano_base().text().prompt_ids("Compute 7+8*3.")},
                            {"temperature", 0},
                            {"max_tokens", 3},
                            {"logprobs", 5},
                            {"return_token_ids", true},
                            {"return_tokens_as_token_ids", true}})
                          .json()["choices"][0];
  const Json& lists = choice["logprobs"];
  for (size_t i = 0; i < 3; ++i) {
    const std::string name = fmt::format("token_id:{}", choice["token_ids"][i].get<int>());
    EXPECT_EQ(lists["tokens"][i], name);
    EXPECT_EQ(lists["top_logprobs"][i].size(), 5u);
    EXPECT_EQ(lists["top_logprobs"][i].at(name), lists["token_logprobs"][i]);
  }
}

TEST(Server, TheLikeliestTokensOfAChatAreInTheirOrder) {
  Server server(nano_base(), options_of());
  const Json answer = post(server.port(), "/v1/chat/completions",
                           {{"messages", {{{"role", "user"}, {"content", "Compute 7+8*3."}}}},
                            {"temperature", 0},
                            {"max_tokens", 20},
                            {"logprobs", true},
                            {"top_logprobs", 4}})
                          .json();
  const Json& tokens = answer["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(tokens.size(), answer["usage"]["completion_tokens"]);
  for (const Json& token : tokens) {
    ASSERT_EQ(token["top_logprobs"].size(), 4u);
    EXPECT_EQ(token["top_logprobs"][0]["logprob"], token["logprob"]);  // greedy
    for (size_t i = 1; i < 4; ++i)
      EXPECT_GE(token["top_logprobs"][i - 1]["logprob"].get<double>(),
                token["top_logprobs"][i]["logprob"].get<double>());
  }
}

TEST(Server, StopStringsEndWholeAndStreamedTextsAlike) {
  Server server(nano_base(), options_of());
  Json request = {{"messages", {{{"role", "user"}, {"content", "Compute 7+8*3."}}}},
                  {"temperature", 0},
                  {"max_tokens", 60}};
  const std::string path = "/v1/chat/completions";
  const std::string text =
      post(server.port(), path, request).json()["choices"][0]["message"]["content"];
  ASSERT_GE(text.size(), 8u);
  const std::string stop = text.substr(3, 4);
  request["stop"] = {stop};
  const Json choice = post(server.port(), path, request).json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], stop);
  const std::string cut = choice["message"]["content"];
  EXPECT_EQ(cut.find(stop), cut.npos);
  request["stream"] = true;
  std::string streamed;
  for (const Json& event : events_of(post(server.port(), path, request).body))
    for (const Json& one : event["choices"]) streamed += one["delta"].value("content", "");
  EXPECT_EQ(streamed, cut);
}

std::string metric(uint16_t port, const std::string& name) {
  const std::string text = get(port, "/metrics").body;
  const size_t at = text.find("\n" + name + " ");
  return at == text.npos
             ? ""
             : text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2);
}

TEST(Server, AClientThatLeavesFreesItsPlace) {
  Server server(nano_base(), options_of(2, 100));
  const Json longest = {{"prompt", "Count"}, {"ignore_eos", true}, {"n", 2}, {"stream", true}};
  {
    RawConnection client(server.port());
    client.send(request_of("/v1/completions", longest));
    client.receive_until("data: {");
    EXPECT_TRUE(soon([&] { return metric(server.port(), "ponder_completions_running") == "2"; }));
  }
  const auto left = std::chrono::steady_clock::now();
  EXPECT_TRUE(
      soon([&] { return metric(server.port(), "ponder_completions_cancelled_total") == "2"; }));
  EXPECT_LT(std::chrono::steady_clock::now() - left, 5s);
  EXPECT_EQ(metric(server.port(), "ponder_completions_running"), "0");
  // Also one that waits, and one that closes only its half.
  RawConnection first(server.port()), second(server.port());
  first.send(request_of("/v1/completions", longest));
  first.receive_until("data: {");
  second.send(request_of("/v1/completions", longest));
  second.shut_sending();
  EXPECT_TRUE(
      soon([&] { return metric(server.port(), "ponder_completions_cancelled_total") == "4"; }));
  first.shut_sending();
  EXPECT_TRUE(
      soon([&] { return metric(server.port(), "ponder_completions_cancelled_total") == "6"; }));
  EXPECT_EQ(post(server.port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 2}}).status,
            200);
}

TEST(Server, MoreThanTheQueueHoldsIsToldToTryAgain) {
  Server server(nano_base(), options_of(1, 1));
  const Json longest = {{"prompt", "Count"}, {"ignore_eos", true}, {"stream", true}};
  RawConnection first(server.port()), second(server.port());
  first.send(request_of("/v1/completions", longest));
  first.receive_until("data: {");
  second.send(request_of("/v1/completions", longest));
  EXPECT_TRUE(soon([&] { return metric(server.port(), "ponder_completions_waiting") == "1"; }));
  const Answered third = post(server.port(), "/v1/completions", longest);
  EXPECT_EQ(third.status, 429);
  EXPECT_NE(third.head.find("Retry-After: 1"), std::string::npos);
  EXPECT_EQ(third.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(get(server.port(), "/v1/models").status, 200);  // at once, however busy
}

TEST(Server, ADrainLetsFinishAndThenCutsOff) {
  Server server(nano_base(), options_of());
  RawConnection brief(server.port()), streamed(server.port()), whole(server.port()),
      idle(server.port());
  const Json longest = {{"prompt", "Count"}, {"ignore_eos", true}};
  Json stream = longest;
  stream["stream"] = true;
  streamed.send(request_of("/v1/completions", stream));
  streamed.receive_until("data: {");
  whole.send(request_of("/v1/completions", longest));
  brief.send(request_of("/v1/completions", {{"prompt", "Count"}, {"max_tokens", 3}}));
  EXPECT_TRUE(soon([&] { return metric(server.port(), "ponder_completions_running") == "2"; }));
  // Only where the machine is not done with them already.
  if (server.drain(300ms)) GTEST_SKIP() << "everything was done at once";
  EXPECT_EQ(answered(brief.receive_answer()).status, 200);
  const std::string rest = streamed.receive_all();
  EXPECT_NE(rest.find("data: {\"error\":"), rest.npos);
  EXPECT_EQ(rest.find("[DONE]"), rest.npos);
  EXPECT_FALSE(rest.ends_with("0\r\n\r\n"));
  EXPECT_EQ(answered(whole.receive_answer()).status, 503);
  idle.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Answered health = answered(idle.receive_answer());
  EXPECT_EQ(health.status, 503);
  EXPECT_EQ(health.json()["status"], "draining");
}

TEST(Server, SaysWhatItIs) {
  Server server(nano_base(), options_of());
  EXPECT_EQ(get(server.port(), "/health").json()["status"], "ok");
  const Json models = get(server.port(), "/v1/models").json();
  const std::string id = "ponder-" + nano_base().sha256().substr(0, 16);
  ASSERT_EQ(models["data"].size(), 2u);
  EXPECT_EQ(models["data"][0]["id"], id);
  EXPECT_EQ(models["data"][0]["model_sha256"], nano_base().sha256());
  EXPECT_EQ(models["data"][1]["id"], "nano");
  EXPECT_EQ(get(server.port(), "/models").json(), models);
  EXPECT_EQ(get(server.port(), "/v1/models/nano").json()["id"], "nano");
  EXPECT_EQ(get(server.port(), "/v1/models/other").status, 404);
  EXPECT_EQ(get(server.port(), "/tokenizer_info").json()["chat_template"],
            nano_base().text().chat().text());
  EXPECT_EQ(get(server.port(), "/props").json()["total_slots"], 64);
  EXPECT_EQ(get(server.port(), "/nothing").status, 404);
  EXPECT_EQ(post(server.port(), "/chat/completions", {}).json()["error"]["message"],
            "there is nothing at /chat/completions, but at /v1/chat/completions");
  const Answered wrong = get(server.port(), "/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: POST"), std::string::npos);
  EXPECT_EQ(post(server.port(), "/health", {}).status, 405);
}

TEST(Server, WhatIsNoRequestIsAnsweredAsAnError) {
  Server server(nano_base(), options_of());
  const auto status = [&](const std::string& type, const std::string& body) {
    RawConnection client(server.port());
    client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type +
                "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    const Answered answer = answered(client.receive_answer());
    EXPECT_TRUE(answer.json()["error"]["message"].is_string());
    return answer.status;
  };
  EXPECT_EQ(status("text/plain", "{}"), 415);
  EXPECT_EQ(status("application/json", ""), 400);
  EXPECT_EQ(status("application/json", "[1]"), 400);
  EXPECT_EQ(status("application/json", "{\"prompt\": \"a\", \"prompt\": \"b\"}"), 400);
  EXPECT_EQ(status("application/json", "{\"prompt\": \"a"), 400);
  EXPECT_EQ(status("application/json", "{\"prompt\": \"\xff\"}"), 400);
  EXPECT_EQ(status("application/json", std::string(5000, '[') + std::string(5000, ']')), 400);
  EXPECT_EQ(status("application/json", "{\"prompt\": [1], \"model\": \"x\"}"), 404);
  const Answered ignored =
      post(server.port(), "/v1/completions",
           {{"prompt", "a"}, {"max_tokens", 1}, {"store", true}, {"a\r\nb: c", 1}});
  EXPECT_EQ(ignored.status, 200);
  EXPECT_NE(ignored.head.find("X-Ponder-Ignored: store, a"), std::string::npos);
  EXPECT_EQ(ignored.head.find("\r\nb: c"), std::string::npos);
}

}  // namespace
}  // namespace ponder::serve
