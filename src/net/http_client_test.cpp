#include "net/http_client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <map>
#include <thread>

#include "base/error.h"
#include "testing/error_text.h"
#include "testing/scripted_server.h"

namespace ponder::net {
namespace {

using testing::ScriptedConnection;
using testing::ScriptedServer;
using Kind = TransferFailure::Kind;
using std::chrono::milliseconds;

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

HttpRequest post(const std::string& url, const std::string& body) {
  HttpRequest request = get(url);
  request.method = "POST";
  request.body = body;
  return request;
}

Kind failure_of(const HttpRequest& request) {
  const HttpAnswer answer = HttpClient().fetch(request);
  if (!answer.failure) throw std::runtime_error("no failure");
  return answer.failure->kind;
}

TEST(HttpClient, AsksAndGetsAWholeAnswer) {
  std::string asked;
  ScriptedServer server([&](ScriptedConnection& c) {
    asked = c.read_request();
    c.answer(201, "{\"a\":1}", "Retry-After: 7\r\nX-Two: 1\r\nX-Two: 2\r\n");
  });
  HttpRequest request = post(server.url() + "/v1/x", "{}");
  request.headers = {{"X-Mine", "yes"}};
  const HttpAnswer answer = HttpClient().fetch(request);
  ASSERT_FALSE(answer.failure) << answer.failure->message;
  EXPECT_EQ(answer.head.status, 201);
  EXPECT_EQ(answer.head.header("retry-after"), "7");
  EXPECT_EQ(answer.head.header("x-two"), "2");
  EXPECT_EQ(answer.head.header("absent"), "");
  EXPECT_EQ(answer.body, "{\"a\":1}");
  EXPECT_TRUE(asked.starts_with("POST /v1/x HTTP/1.1\r\n")) << asked;
  EXPECT_NE(asked.find("X-Mine: yes\r\n"), std::string::npos);
  EXPECT_NE(asked.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(asked.find("Expect:"), std::string::npos);
  EXPECT_EQ(asked.find("Authorization:"), std::string::npos);
  EXPECT_TRUE(asked.ends_with("\r\n\r\n{}")) << asked;
}

TEST(HttpClient, AQueryIsEscaped) {
  std::string asked;
  ScriptedServer server([&](ScriptedConnection& c) {
    asked = c.read_request();
    c.answer(200, "{}");
  });
  HttpRequest request = get(server.url() + "/v1/files");
  request.query = {{"after", "a b&c=d"}, {"limit", "2"}};
  EXPECT_EQ(HttpClient().fetch(request).head.status, 200);
  EXPECT_TRUE(asked.starts_with("GET /v1/files?after=a%20b%26c%3Dd&limit=2 HTTP/1.1\r\n")) << asked;
}

TEST(HttpClient, ALargeBodyMayTakeLongerThanAnAnswer) {
  std::string asked;
  ScriptedServer server([&](ScriptedConnection& c) {
    asked = c.read_request(milliseconds(2));
    c.answer(200, "{}");
  });
  HttpRequest request = post(server.url(), std::string(size_t{48} << 20, 'x'));
  request.content_type = "text/plain";
  request.limits.first_byte = milliseconds(500);  // it is 1.5 s on its way
  const HttpAnswer answer = HttpClient().fetch(request);
  ASSERT_FALSE(answer.failure) << answer.failure->message;
  EXPECT_NE(asked.find("\r\nContent-Type: text/plain\r\n"), std::string::npos);
  EXPECT_TRUE(asked.ends_with(request.body));
}

TEST(HttpClient, WhatIsToBeSentOnceIsNotSentAgainByItself) {
  for (const bool once : {false, true}) {
    std::atomic<int> asked = 0;
    ScriptedServer server([&](ScriptedConnection& c) {
      for (std::string request; !(request = c.read_request()).empty();) {
        if (request.starts_with("POST") && asked++ == 0) return c.reset();
        c.answer(200, "{}");
      }
    });
    HttpClient client;
    EXPECT_EQ(client.fetch(get(server.url())).head.status, 200);  // a connection to be used again
    HttpRequest request = post(server.url(), "{}");
    request.sent_once = once;
    EXPECT_EQ(client.fetch(request).failure.has_value(), once);
    EXPECT_EQ(asked, once ? 1 : 2);
  }
}

TEST(HttpClient, AConnectionOfItsOwnIsClosedBehindIt) {
  std::promise<bool> gone;
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.answer(200, "{}");
    gone.set_value(c.gone_within(std::chrono::seconds(5)));
  });
  HttpClient client;
  HttpRequest request = post(server.url(), "{}");
  request.sent_once = true;
  EXPECT_EQ(client.fetch(request).head.status, 200);
  EXPECT_TRUE(gone.get_future().get());
}

TEST(HttpClient, StreamsAreGivenAsTheyCome) {
  std::promise<void> seen;
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.begin_stream();
    c.chunk("data: 1\n\n");
    seen.get_future().wait();  // the rest only after the client has shown the first
    c.chunk("data: 2\n\n");
    c.end_stream();
  });
  HttpClient client;
  const uint64_t id = client.start(get(server.url()));
  std::string bytes;
  bool ended = false, told = false;
  while (!ended) {
    for (const HttpEvent& event : client.poll(milliseconds(1000))) {
      EXPECT_EQ(event.transfer, id);
      if (const auto* piece = std::get_if<std::string>(&event.what)) bytes += *piece;
      ended = std::holds_alternative<HttpEnd>(event.what);
      ASSERT_FALSE(std::holds_alternative<TransferFailure>(event.what));
    }
    if (!bytes.empty() && !told) {
      EXPECT_EQ(bytes, "data: 1\n\n");
      EXPECT_FALSE(ended);
      told = true;
      seen.set_value();
    }
  }
  EXPECT_EQ(bytes, "data: 1\n\ndata: 2\n\n");
  EXPECT_EQ(client.num_open(), 0u);
}

// Where nobody watches what comes is read less and less often, and is there a hundredth later at most.
TEST(HttpClient, AnAnswerThatMayLagComesInFewerPieces) {
  constexpr int kBytes = 1200;
  using Clock = std::chrono::steady_clock;
  std::atomic<Clock::time_point> ended = Clock::time_point();
  ScriptedServer server([&](ScriptedConnection& c) {
    while (!c.read_request().empty()) {
      c.begin_stream();
      for (int i = 0; i < kBytes; ++i) {
        std::this_thread::sleep_for(milliseconds(2));
        c.chunk("x");
      }
      ended = Clock::now();
      c.end_stream();
    }
  });
  HttpClient client;
  std::map<bool, int> pieces;
  for (const bool lags : {true, false}) {
    HttpRequest request = get(server.url());
    request.may_lag = lags;
    const Clock::time_point begun = Clock::now();
    client.start(request);
    std::string body;
    for (bool there = false; !there;) {
      for (const HttpEvent& event : client.poll(milliseconds(500))) {
        there |= std::holds_alternative<HttpEnd>(event.what);
        ASSERT_FALSE(std::holds_alternative<TransferFailure>(event.what));
        const auto* bytes = std::get_if<std::string>(&event.what);
        if (!bytes) continue;
        body += *bytes;
        pieces[lags] += body.size() > kBytes / 2;
      }
    }
    EXPECT_EQ(body, std::string(kBytes, 'x'));
    EXPECT_LT(Clock::now() - ended.load(), (ended.load() - begun) / 100 + milliseconds(100));
  }
  EXPECT_EQ(server.connections(), 1);  // the next one has it to itself
  EXPECT_LT(3 * pieces[true], pieces[false]);
}

TEST(HttpClient, ManyAtOnceOnOneThread) {
  std::atomic<int> inside = 0;
  std::promise<void> all;
  const std::shared_future<void> everybody = all.get_future().share();
  ScriptedServer server([&](ScriptedConnection& c) {
    const std::string asked = c.read_request();
    if (++inside == 64) all.set_value();  // nobody is answered before all have asked
    everybody.wait();
    c.answer(200, asked.substr(4, asked.find(" HTTP") - 4));
  });
  HttpClient client;
  std::map<uint64_t, std::string> expected, got;
  for (int i = 0; i < 64; ++i) {
    const std::string path = "/" + std::to_string(i);
    expected[client.start(get(server.url() + path))] = path;
  }
  while (client.num_open() > 0) {
    for (const HttpEvent& event : client.poll(milliseconds(1000))) {
      if (const auto* piece = std::get_if<std::string>(&event.what)) got[event.transfer] += *piece;
    }
  }
  EXPECT_EQ(got, expected);
}

TEST(HttpClient, SaysHowAnAnswerFailed) {
  const auto against = [](const std::function<void(ScriptedConnection&)>& serve) {
    ScriptedServer server([&](ScriptedConnection& c) {
      c.read_request();
      serve(c);
    });
    HttpRequest request = get(server.url());
    request.limits.first_byte = milliseconds(300);
    request.limits.silence = milliseconds(200);
    request.limits.most_body_bytes = 1000;
    return failure_of(request);
  };
  EXPECT_EQ(against([](auto&) {}), Kind::kNoAnswer);
  EXPECT_EQ(against([](auto& c) { c.reset(); }), Kind::kNoAnswer);
  EXPECT_EQ(against([](auto& c) { c.gone_within(milliseconds(5000)); }), Kind::kNoAnswer);
  EXPECT_EQ(against([](auto& c) { c.send("hello\r\n"); }), Kind::kNotHttp);
  EXPECT_EQ(against([](auto& c) {
              c.begin_stream();
              c.chunk("data");
            }),
            Kind::kCut);
  EXPECT_EQ(against([](auto& c) {
              c.begin_stream();
              c.chunk("data");
              c.reset();
            }),
            Kind::kCut);
  EXPECT_EQ(against([](auto& c) { c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12"); }),
            Kind::kCut);
  EXPECT_EQ(against([](auto& c) {
              c.begin_stream();
              c.gone_within(milliseconds(5000));
            }),
            Kind::kNoAnswer);
  EXPECT_EQ(against([](auto& c) {
              c.begin_stream();
              c.chunk(":");
              c.gone_within(milliseconds(5000));
            }),
            Kind::kSilence);
  EXPECT_EQ(against([](auto& c) {
              c.begin_stream();
              c.chunk(std::string(1001, 'x'));
              c.gone_within(milliseconds(5000));
            }),
            Kind::kTooLarge);
  EXPECT_EQ(against([](auto& c) {
              c.send("HTTP/1.1 200 OK\r\n");
              for (int i = 0; i < 30; ++i) c.send("X: " + std::string(10'000, 'x') + "\r\n");
              c.gone_within(milliseconds(5000));
            }),
            Kind::kTooLarge);
}

TEST(HttpClient, SaysThatNobodyListens) {
  std::string url;
  {
    url = ScriptedServer([](auto&) {}).url();
  }
  EXPECT_EQ(failure_of(get(url)), Kind::kConnect);
  EXPECT_EQ(failure_of(get("http://no-such-host.invalid")), Kind::kResolve);
}

TEST(HttpClient, ASlowAnswerIsNoSilence) {
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.begin_stream();
    for (int i = 0; i < 8; ++i) {
      std::this_thread::sleep_for(milliseconds(100));
      c.chunk(":");
    }
    c.end_stream();
  });
  HttpRequest request = get(server.url());
  request.limits.first_byte = request.limits.silence = milliseconds(400);  // it takes 800
  const HttpAnswer answer = HttpClient().fetch(request);
  EXPECT_FALSE(answer.failure);
  EXPECT_EQ(answer.body, "::::::::");
}

TEST(HttpClient, FollowsNoRedirect) {
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.answer(307, "", "Location: http://127.0.0.1:1/\r\n");
  });
  EXPECT_EQ(HttpClient().fetch(get(server.url())).head.status, 307);
}

TEST(HttpClient, OneGivenUpIsClosedAndSilent) {
  std::promise<bool> gone;
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.begin_stream();
    c.chunk("data: 1\n\n");
    gone.set_value(c.gone_within(milliseconds(5000)));
  });
  HttpClient client;
  const uint64_t id = client.start(get(server.url()));
  while (client.poll(milliseconds(100)).empty()) {
  }
  client.cancel(id);
  client.cancel(id);  // no error
  EXPECT_TRUE(gone.get_future().get());
  EXPECT_TRUE(client.poll(milliseconds(0)).empty());
  EXPECT_EQ(client.num_open(), 0u);
}

TEST(HttpClient, ConnectionsAreUsedAgain) {
  ScriptedServer server([&](ScriptedConnection& c) {
    while (!c.read_request().empty()) c.answer(200, "x");
  });
  {
    HttpClient client;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(client.fetch(get(server.url())).body, "x");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, AConnectionThatTheServerClosedCostsNoFailure) {
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.answer(200, "x");  // says nothing of closing
  });
  HttpClient client;
  for (int i = 0; i < 5; ++i) {
    const HttpAnswer answer = client.fetch(post(server.url(), "{}"));
    EXPECT_FALSE(answer.failure);
    EXPECT_EQ(answer.body, "x");
  }
}

TEST(HttpClient, TheKeyComesFromTheEnvironmentAlone) {
  std::string asked;
  ScriptedServer server([&](ScriptedConnection& c) {
    asked = c.read_request();
    c.answer(200, "");
  });
  HttpRequest request = get(server.url());
  request.api_key_env = "PONDER_TEST_KEY";
  ::unsetenv("PONDER_TEST_KEY");
  EXPECT_NE(testing::error_text([&] { HttpClient().fetch(request); }).find("is not set"),
            std::string::npos);
  ::setenv("PONDER_TEST_KEY", "sk-1\r\nX-Evil: 1", 1);
  const std::string said = testing::error_text([&] { HttpClient().fetch(request); });
  EXPECT_NE(said.find("holds no key"), std::string::npos) << said;
  EXPECT_EQ(said.find("sk-1"), std::string::npos) << said;
  ::setenv("PONDER_TEST_KEY", "sk-12", 1);
  EXPECT_FALSE(HttpClient().fetch(request).failure);
  EXPECT_NE(asked.find("Authorization: Bearer sk-12\r\n"), std::string::npos) << asked;
  EXPECT_EQ(without_key("no sk-12, sk-12", "PONDER_TEST_KEY"), "no ***, ***");
  EXPECT_EQ(without_key("no sk-12", ""), "no sk-12");
  ::setenv("PONDER_TEST_KEY", "*", 1);  // one that stands in its own mask
  EXPECT_EQ(without_key("a * b", "PONDER_TEST_KEY"), "a *** b");
  ::setenv("PONDER_TEST_KEY", "sk-12", 1);
  request.url = "http://192.0.2.1:9/";
  EXPECT_NE(testing::error_text([&] { HttpClient().fetch(request); }).find("plain http"),
            std::string::npos);
}

TEST(HttpClient, GoesThroughTheProxyOfTheEnvironmentButNotToThisMachine) {
  std::string asked;
  ScriptedServer proxy([&](ScriptedConnection& c) {
    asked = c.read_request();
    c.answer(200, "by proxy");
  });
  ScriptedServer server([&](ScriptedConnection& c) {
    c.read_request();
    c.answer(200, "itself");
  });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  ::unsetenv("no_proxy");
  ::unsetenv("NO_PROXY");
  HttpClient client;
  EXPECT_EQ(client.fetch(get("http://gpu1.invalid:8000/x")).body, "by proxy");
  EXPECT_TRUE(asked.starts_with("GET http://gpu1.invalid:8000/x HTTP/1.1\r\n")) << asked;
  EXPECT_EQ(client.fetch(get(server.url())).body, "itself");
  ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace ponder::net
