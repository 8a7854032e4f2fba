// Answers of other kinds of servers that are not finished: what may be kept of them, and how they go on.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fleet/fleet_fixture.h"
#include "testing/scripted_server.h"

namespace ponder::fleet {
namespace {

using std::chrono::milliseconds;

// Of kind vllm: says the bytes of `text` behind whatever it is asked, one an event, then the end token. Each
// answer waits behind its first `waits_behind` events as long as it is told to, then goes on or is cut.
class SlowVllm {
 public:
  explicit SlowVllm(std::string text)
      : text_(std::move(text)), server_([this](testing::ScriptedConnection& c) { serve(c); }) {}
  ~SlowVllm() { waits = false; }
  std::string url() const { return server_.url(); }

  std::string model = "m";
  size_t waits_behind = 4;
  std::atomic<bool> waits = true, cuts = false;
  std::atomic<int> num_asked = 0;
  std::vector<int32_t> last_prompt;  // to be read while nobody asks
  int64_t last_max_tokens = 0;

 private:
  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (request.starts_with("GET ")) {
        c.answer(200, R"({"data":[{"id":"m"}]})");
        continue;
      }
      const Json body = parse_json(request.substr(request.find("\r\n\r\n") + 4), "request");
      last_prompt = body["prompt"].get<std::vector<int32_t>>();
      last_max_tokens = body["max_tokens"];
      ++num_asked;
      const std::string left = text_.substr(last_prompt.size() - 3);
      c.begin_stream();
      for (size_t i = 0; i <= left.size(); ++i) {
        while (i == waits_behind && waits) std::this_thread::sleep_for(milliseconds(1));
        if (i == waits_behind && cuts) return;
        const bool ends = i == left.size();
        Json choice = {{"text", ends ? "" : shown(left, i)},
                       {"token_ids", {ends ? kEndToken : static_cast<uint8_t>(left[i])}}};
        if (i == 0) choice["prompt_token_ids"] = last_prompt;
        if (ends) choice["finish_reason"] = "stop";
        say(c, {{"choices", {choice}}});
      }
      say(c, {{"choices", Json::array()},
              {"usage",
               {{"prompt_tokens", last_prompt.size()}, {"completion_tokens", left.size() + 1}}}});
      c.chunk("data: [DONE]\n\n");
      c.end_stream();
    }
  }
  // A character comes with the last of its bytes.
  static std::string shown(const std::string& text, size_t at) {
    const std::string before = whole_characters(text.substr(0, at));
    return whole_characters(text.substr(0, at + 1)).substr(before.size());
  }
  void say(testing::ScriptedConnection& c, Json what) const {
    what.update({{"id", "cmpl-1"}, {"model", model}});
    c.chunk("data: " + dump_json(what) + "\n\n");
  }

  const std::string text_;
  testing::ScriptedServer server_;
};

class BegunAnswers : public FleetTest {
 protected:
  FleetOptions options(const SlowVllm& server) const {
    FleetOptions options = options_of({server.url()});
    options.kind = ServerKind::kVllm;
    options.served_model = "m";
    return options;
  }
  static rollout::CompletionRequest asked(data::Partial begun = {}) {
    rollout::CompletionRequest asked = request("p0", 0, 100);
    asked.want_logprobs = false;
    asked.begun = std::move(begun);
    return asked;
  }
  // What there is of it once it waits.
  static data::Partial so_far(Fleet& fleet) {
    data::Partial part;
    for (size_t size = 1; part.size() != static_cast<int64_t>(size) || part.empty();) {
      size = part.token_ids.size();
      for (int i = 0; i < 5; ++i) (void)fleet.poll(milliseconds(10));
      part = fleet.sampled("p0#0", 0);
    }
    return part;
  }
  static data::Completion end_of(Fleet& fleet) {
    while (true) {
      for (auto& event : fleet.poll(milliseconds(500)))
        if (rollout::ends_request(event)) return std::get<data::Completion>(event.what);
    }
  }
  static std::vector<int32_t> ids_of(std::string_view text) {
    std::vector<int32_t> ids;
    for (const char byte : text) ids.push_back(static_cast<uint8_t>(byte));
    return ids;
  }
};

TEST_F(BegunAnswers, GoOnInAnotherProcess) {
  SlowVllm server("hello, world");
  data::Partial begun;
  {
    Fleet fleet(&tokenizer_, options(server), monitor_);
    fleet.submit(asked());
    begun = so_far(fleet);
    EXPECT_EQ(begun.token_ids, ids_of("hell"));
    EXPECT_TRUE(begun.logprobs.empty());
    EXPECT_EQ(fleet.sampled("p0#0", 3).token_ids, ids_of("l"));
  }
  server.waits = false;
  Fleet fleet(&tokenizer_, options(server), monitor_);
  fleet.submit(asked(begun));
  const data::Completion whole = end_of(fleet);
  EXPECT_EQ(server.last_prompt, ids_of("askhell"));
  EXPECT_EQ(server.last_max_tokens, 96);
  EXPECT_EQ(whole.text, "hello, world");
  std::vector<int32_t> ids = ids_of("hello, world");
  ids.push_back(kEndToken);
  EXPECT_EQ(whole.token_ids, ids);
  EXPECT_FALSE(whole.logprobs);
  EXPECT_EQ(whole.endpoint, server.url());
  EXPECT_EQ(whole.usage.completion_tokens, 13);
}

// What follows half a character is shown by each server as it likes, so that it could not be checked.
TEST_F(BegunAnswers, AreKeptInWholeCharacters) {
  SlowVllm server("abc\xE2\x88\x9A");  // the root's first byte is the last before it waits
  Fleet fleet(&tokenizer_, options(server), monitor_);
  fleet.submit(asked());
  EXPECT_EQ(so_far(fleet).token_ids, ids_of("abc"));
}

TEST_F(BegunAnswers, OfAnotherModelAreNotKept) {
  SlowVllm server("hello, world");
  server.model = "another";
  Fleet fleet(&tokenizer_, options(server), monitor_);
  fleet.submit(asked());
  while (server.num_asked == 0) (void)fleet.poll(milliseconds(10));
  for (int i = 0; i < 20; ++i) (void)fleet.poll(milliseconds(10));
  EXPECT_EQ(fleet.load().unfinished, std::vector<int64_t>{4});
  EXPECT_TRUE(fleet.sampled("p0#0", 0).empty());
}

// An answer that is cut is asked for again from a kilotoken on, and comes otherwise then.
TEST_F(BegunAnswers, SayWhatOfThemIsTakenBack) {
  SlowVllm server(std::string(1030, 'a') + "end");
  server.waits_behind = 1028;
  server.cuts = true;
  FleetOptions with = options(server);
  with.repetition.min_repeats = 0;
  Fleet fleet(&tokenizer_, with, monitor_);
  rollout::CompletionRequest of = asked();
  of.sampling.max_tokens = 2000;
  fleet.submit(of);
  EXPECT_EQ(so_far(fleet).size(), 1028);
  server.waits = false;
  std::vector<int64_t> left;
  std::optional<data::Completion> whole;
  while (!whole) {
    for (auto& event : fleet.poll(milliseconds(500))) {
      if (const auto* dropped = std::get_if<rollout::TokensDropped>(&event.what))
        left.push_back(dropped->left);
      if (rollout::ends_request(event)) whole = std::get<data::Completion>(event.what);
    }
  }
  EXPECT_EQ(left, std::vector<int64_t>{1024});
  EXPECT_EQ(server.last_prompt.size(), 3u + 1024u);
  EXPECT_EQ(whole->text.size(), 1033u);
}

}  // namespace
}  // namespace ponder::fleet
