// What openai-node, the AI SDK and LangChain.js asked a running server, and what it said: tests/golden/clients.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "serve/test_support.h"

namespace ponder::serve {
namespace {

using testing::RawConnection;

constexpr char kKey[] = "only-for-tests";

// Less what is of a moment (an answer's name and time, how full a server is) and the version of ponder: as the
// recorder leaves them out.
std::string masked(std::string text) {
  static const std::pair<std::regex, const char*> kMasks[] = {
      {std::regex(R"re("id":"(chatcmpl|cmpl)-[0-9a-f]*")re"), R"("id":"$1-")"},
      {std::regex(R"re("created":\d+)re"), R"("created":0)"},
      {std::regex(R"re("system_fingerprint":"ponder-[^-]*)re"), R"("system_fingerprint":"ponder-)"},
      {std::regex(R"re("message":"\d+ completions)re"), R"("message":"some completions)"}};
  for (const auto& [what, by] : kMasks) text = std::regex_replace(text, what, by);
  return text;
}

// The request as it came, but for its host and length.
std::string request_of_row(const Json& row) {
  const std::string body = row.at("request");
  std::string text = row.at("method").get<std::string>() + " " + row.at("path").get<std::string>() +
                     " HTTP/1.1\r\nhost: localhost\r\n";
  for (const auto& [name, value] : row.at("headers").items())
    text += name + ": " + value.get<std::string>() + "\r\n";
  if (!body.empty()) text += "content-length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

class Clients : public ::testing::TestWithParam<const char*> {
 protected:
  Clients() {
    JsonRowReader reader(testing::source_dir() / "tests/golden/clients" / GetParam());
    for (JsonRow row; reader.next(row);) rows_.push_back(std::move(row.value));
  }

  static ServerOptions options(int max_batch, int max_queue) {
    ServerOptions options;
    options.listen.api_key = kKey;
    options.max_batch = max_batch;
    options.max_queue = max_queue;
    options.kv_cache_bytes = 64 << 20;
    options.aliases = {"nano"};
    return options;
  }

  // The rows of a full server, or the others; how many they are.
  int replay(uint16_t port, bool full) const {
    int count = 0;
    for (const Json& row : rows_) {
      if ((row.at("name") == "full") != full) continue;
      SCOPED_TRACE(row.at("name").get<std::string>() + ": " + row.at("request").get<std::string>());
      RawConnection client(port);
      client.send(request_of_row(row));
      const std::string raw = client.receive_answer(std::chrono::seconds(100));
      const Answered answer = answered(raw);
      EXPECT_EQ(answer.status, row.at("status"));
      EXPECT_NE(answer.head.find("Content-Type: " + row.at("content_type").get<std::string>()),
                std::string::npos)
          << answer.head;
      EXPECT_TRUE(answer.complete);
      EXPECT_EQ(masked(answer.body), row.at("answer"));
      ++count;
    }
    return count;
  }

  std::vector<Json> rows_;
};

TEST_P(Clients, AreAnsweredAsRecorded) {
  Server server(nano_base(), options(64, 256));
  EXPECT_GT(replay(server.port(), false), 20);
}

TEST_P(Clients, AreToldOfAFullServerAsRecorded) {
  Server server(nano_base(), options(1, 1));
  const Json held = {{"prompt", "Count"}, {"n", 16}, {"ignore_eos", true}, {"stream", true}};
  std::string request = request_of("/v1/completions", held);
  request.insert(request.find("Content-Type"),
                 std::string("Authorization: Bearer ") + kKey + "\r\n");
  RawConnection client(server.port());
  client.send(request);
  client.receive_until("data: {");
  EXPECT_GT(replay(server.port(), true), 0);
}

// What a transcript of each has to hold.
TEST_P(Clients, AskedForAllThatIsPromised) {
  const auto some = [&](auto holds) { return std::any_of(rows_.begin(), rows_.end(), holds); };
  const auto asks = [&](const char* field, bool streamed) {
    return some([&](const Json& row) {
      const std::string request = row.at("request");
      const Json body = request.empty() ? Json::object() : parse_json(request, "request");
      return row.at("status") == 200 && body.contains(field) &&
             body.value("stream", false) == streamed;
    });
  };
  for (const char* field : {"messages", "prompt", "n", "logprobs", "stop", "seed"})
    EXPECT_TRUE(asks(field, false)) << field;
  for (const char* field : {"messages", "prompt", "logprobs", "stop", "seed"})
    EXPECT_TRUE(asks(field, true)) << field;
  for (const int status : {400, 401, 404, 429})
    EXPECT_TRUE(some([&](const Json& row) { return row.at("status") == status; })) << status;
  for (const char* kind : {"application/json", "text/event-stream"})
    EXPECT_TRUE(some([&](const Json& row) {
      const std::string answer = row.at("answer");
      return row.at("content_type") == kind && answer.find("\"reasoning\":") != answer.npos &&
             answer.find("\"reasoning_content\":") != answer.npos;
    })) << kind;
}

INSTANTIATE_TEST_SUITE_P(Transcripts, Clients,
                         ::testing::Values("openai_node.jsonl", "ai_sdk.jsonl",
                                           "langchain_js.jsonl"),
                         [](const auto& client) {
                           const std::string file = client.param;
                           return file.substr(0, file.find('.'));
                         });

}  // namespace
}  // namespace ponder::serve
