#include "net/listener.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "net/hostile_requests_fixture.h"
#include "testing/error_text.h"
#include "testing/raw_connection.h"

namespace ponder::net {
namespace {

using namespace std::chrono_literals;
using testing::body_of_answer;
using testing::RawConnection;
using testing::status_of_answer;

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
}

// Answers with the method, the path and the body; keeps the replies of /held.
struct Echo {
  Handler handler() {
    return [this](Request request, std::shared_ptr<Reply> reply) {
      if (request.path == "/held") {
        const std::lock_guard lock(mutex);
        reply->on_gone([this] { ++gone; });
        held.push_back(std::move(reply));
        changed.notify_all();
        return;
      }
      if (request.path == "/error") throw Error(ErrorKind::kNotFound, "it", "is not there");
      if (request.path == "/broken") throw std::runtime_error("a secret of the machine");
      if (request.path == "/dropped") return;
      reply->send({200,
                   {{"Content-Type", "text/plain"}},
                   request.method + " " + request.path + " " + request.body});
    };
  }
  std::shared_ptr<Reply> wait_for_held() {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, 20s, [&] { return !held.empty(); });
    std::shared_ptr<Reply> reply = std::move(held.back());
    held.pop_back();
    return reply;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::shared_ptr<Reply>> held;
  std::atomic<int> gone{0};
};

bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(Listener, AnswersOneRequestAfterAnother) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  for (int i = 0; i < 3; ++i) {
    client.send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    const std::string answer = client.receive_answer();
    EXPECT_EQ(status_of_answer(answer), 200);
    EXPECT_EQ(body_of_answer(answer), "POST /a hi");
    EXPECT_NE(answer.find("\r\nDate: "), answer.npos);
  }
  client.send(get("/1") + get("/2") + get("/3", "Connection: close\r\n"));
  EXPECT_EQ(body_of_answer(client.receive_answer()), "GET /1 ");
  EXPECT_EQ(body_of_answer(client.receive_answer()), "GET /2 ");
  EXPECT_NE(client.receive_answer().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.closes_within(1s));
}

TEST(Listener, HostileRequestsAreRefusedAndTheNextClientIsServed) {
  Echo echo;
  std::atomic<int> refused{0};
  ListenerOptions options;
  options.on_refused = [&](int) { ++refused; };
  Listener listener(options, echo.handler());
  int num_hostile = 0;
  for (const RawRequest& request : raw_requests()) {
    {
      RawConnection client(listener.port());
      client.send(request.bytes);
      const std::string answer = client.receive_answer();
      EXPECT_EQ(status_of_answer(answer), request.status) << request.name << "\n" << answer;
      if (request.status != 200) {
        ++num_hostile;
        EXPECT_NE(answer.find("{\"error\":{\"message\":"), answer.npos);
        EXPECT_TRUE(client.closes_within(5s)) << request.name;
      }
    }
    RawConnection next(listener.port());
    next.send(get("/next"));
    EXPECT_EQ(body_of_answer(next.receive_answer()), "GET /next ");
  }
  EXPECT_EQ(refused, num_hostile);
  EXPECT_GE(num_hostile, 50);
}

TEST(Listener, StreamsWhatAnotherThreadWrites) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send(get("/held"));
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  std::thread writer([&] {
    reply->begin({200, {{"Content-Type", "text/event-stream"}}, "data: begin\n\n"});
    for (int i = 0; i < 1000; ++i) reply->write("data: " + std::to_string(i) + "\n\n");
    reply->end();
    reply->write("too late");
  });
  bool complete = false;
  const std::string body = body_of_answer(client.receive_answer(), &complete);
  writer.join();
  EXPECT_TRUE(complete);
  std::string expected = "data: begin\n\n";
  for (int i = 0; i < 1000; ++i) expected += "data: " + std::to_string(i) + "\n\n";
  EXPECT_EQ(body, expected);
  client.send(get("/again"));
  EXPECT_EQ(body_of_answer(client.receive_answer()), "GET /again ");
  EXPECT_EQ(echo.gone, 0);
}

TEST(Listener, AnAbortedStreamHasNoEnd) {
  Echo echo;
  Listener listener({}, echo.handler());
  for (const bool dropped : {false, true}) {
    RawConnection client(listener.port());
    client.send(get("/held"));
    std::shared_ptr<Reply> reply = echo.wait_for_held();
    reply->begin({200, {}, "data: 1\n\n"});
    reply->write("data: {\"error\": 1}\n\n");
    if (dropped)
      reply.reset();
    else
      reply->abort();
    const std::string answer = client.receive_all();
    bool complete = true;
    EXPECT_EQ(body_of_answer(answer, &complete), "data: 1\n\ndata: {\"error\": 1}\n\n");
    EXPECT_FALSE(complete);
  }
  RawConnection client(listener.port());
  client.send(get("/dropped"));
  EXPECT_TRUE(client.closes_within(5s));
  EXPECT_TRUE(soon([&] { return listener.num_connections() == 0; }));
}

TEST(Listener, OnePointZeroIsStreamedUntilTheEnd) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send("GET /held HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  reply->begin({200, {}, "one "});
  reply->write("two");
  reply->end();
  const std::string answer = client.receive_all();
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4), "one two");
  EXPECT_EQ(answer.find("chunked"), answer.npos);
}

TEST(Listener, HeadHasNoBody) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send("HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/b"));
  EXPECT_NE(client.receive_until("\r\n\r\n").find("Content-Length: 8"), std::string::npos);
  EXPECT_EQ(body_of_answer(client.receive_answer()), "GET /b ");
}

TEST(Listener, AClientThatLeavesIsNoticed) {
  Echo echo;
  Listener listener({}, echo.handler());
  int left = 0;
  for (const bool begun : {false, true}) {
    for (const char* const how : {"close", "reset", "half"}) {
      auto client = std::make_unique<RawConnection>(listener.port());
      client->send(get("/held"));
      const std::shared_ptr<Reply> reply = echo.wait_for_held();
      if (begun) reply->begin({200, {}, "x"});
      EXPECT_FALSE(reply->gone());
      if (how == std::string("close"))
        client.reset();
      else if (how == std::string("reset"))
        client->reset();
      else
        client->shut_sending();
      ++left;
      EXPECT_TRUE(soon([&] { return echo.gone == left; })) << how;
      EXPECT_TRUE(reply->gone());
      reply->write("into the void");
      reply->end();
      bool called = false;
      reply->on_gone([&] { called = true; });
      EXPECT_TRUE(called);
    }
  }
  EXPECT_TRUE(soon([&] { return listener.num_open_replies() == 0; }));
}

// A shell's `printf … | nc` closes its sending half at once; a whole answer still comes.
TEST(Listener, AWholeAnswerIsSentToAHalfClosedConnection) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send(get("/a"));
  client.shut_sending();
  EXPECT_EQ(body_of_answer(client.receive_answer()), "GET /a ");
  EXPECT_TRUE(soon([&] { return listener.num_connections() == 0; }));
}

TEST(Listener, ErrorsOfTheHandlerBecomeAnswers) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send(get("/error"));
  const std::string answer = client.receive_answer();
  EXPECT_EQ(status_of_answer(answer), 404);
  EXPECT_NE(answer.find("is not there"), answer.npos);
  client.send(get("/broken"));
  const std::string broken = client.receive_answer();
  EXPECT_EQ(status_of_answer(broken), 500);
  EXPECT_EQ(broken.find("secret"), broken.npos);
}

TEST(Listener, AsksForTheKey) {
  Echo echo;
  ListenerOptions options;
  options.api_key = "secret";
  options.open_paths = {"/health"};
  Listener listener(options, echo.handler());
  const auto status = [&](const std::string& request) {
    RawConnection client(listener.port());
    client.send(request);
    return status_of_answer(client.receive_answer());
  };
  EXPECT_EQ(status(get("/a")), 401);
  EXPECT_EQ(status(get("/a", "Authorization: Bearer wrong!\r\n")), 401);
  EXPECT_EQ(status(get("/a", "Authorization: Bearer secret\r\n")), 200);
  EXPECT_EQ(status(get("/a", "X-Api-Key: secret\r\n")), 200);
  EXPECT_EQ(status(get("/health")), 200);
  // Before its body has come.
  EXPECT_EQ(status("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n"), 401);
  EXPECT_EQ(status("POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "1\r\nx\r\n0\r\nAuthorization: Bearer secret\r\n\r\n"),
            401);
}

TEST(Listener, PagesOfOurOwnHostsMayAsk) {
  Echo echo;
  ListenerOptions options;
  options.host_names = {"gpu1"};
  options.api_key = "secret";
  Listener listener(options, echo.handler());
  RawConnection client(listener.port());
  client.send(
      "OPTIONS /a HTTP/1.1\r\nHost: gpu1\r\nOrigin: https://gpu1:3000\r\n"
      "Access-Control-Request-Headers: authorization\r\n\r\n");
  std::string answer = client.receive_answer();
  EXPECT_EQ(status_of_answer(answer), 204);
  EXPECT_NE(answer.find("Access-Control-Allow-Origin: https://gpu1:3000\r\n"), answer.npos);
  EXPECT_NE(answer.find("Access-Control-Allow-Headers: authorization\r\n"), answer.npos);
  client.send(get("/a", "Origin: http://gpu1\r\nAuthorization: Bearer secret\r\n"));
  answer = client.receive_answer();
  EXPECT_EQ(status_of_answer(answer), 200);
  EXPECT_NE(answer.find("Vary: Origin\r\n"), answer.npos);
}

TEST(Listener, ContinuesWhereItIsAsked) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port());
  client.send(
      "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_EQ(body_of_answer(client.receive_answer()), "POST /a hi");
}

TEST(Listener, WhatIsLateIsClosed) {
  Echo echo;
  ListenerOptions options;
  options.head_within = options.body_within = options.idle_for = 200ms;
  Listener listener(options, echo.handler());
  RawConnection silent(listener.port()), head(listener.port()), body(listener.port()),
      idle(listener.port());
  head.send("GET / HTTP/1.1\r\nHo");
  body.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx");
  idle.send(get("/a"));
  EXPECT_EQ(status_of_answer(idle.receive_answer()), 200);
  EXPECT_EQ(status_of_answer(head.receive_answer()), 408);
  EXPECT_EQ(status_of_answer(body.receive_answer()), 408);
  EXPECT_TRUE(silent.closes_within(5s));
  EXPECT_TRUE(idle.closes_within(5s));
  EXPECT_TRUE(head.closes_within(5s));
  EXPECT_TRUE(soon([&] { return listener.num_connections() == 0; }));
}

// One byte now and then does not hold a connection.
TEST(Listener, SlowHeadsDoNotKeepOthersOut) {
  Echo echo;
  ListenerOptions options;
  options.head_within = 500ms;
  options.max_connections = 64;
  Listener listener(options, echo.handler());
  RawConnection streaming(listener.port());
  streaming.send(get("/held"));
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  reply->begin({200, {}, "first"});
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 500; ++i) {
    slow.push_back(std::make_unique<RawConnection>(listener.port()));
    slow.back()->send("GET / HT");
  }
  RawConnection client(listener.port());
  client.send(get("/a"));
  EXPECT_EQ(status_of_answer(client.receive_answer()), 200);
  EXPECT_LE(listener.num_connections(), 64);
  const auto began = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - began < 1s) {
    for (const auto& connection : slow) connection->send("T");
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_TRUE(soon([&] { return listener.num_connections() <= 2; }));
  reply->write(" last");
  reply->end();
  EXPECT_EQ(body_of_answer(streaming.receive_answer()), "first last");
}

TEST(Listener, PingsWhileNothingElseIsSent) {
  Echo echo;
  ListenerOptions options;
  options.ping_after = 100ms;
  Listener listener(options, echo.handler());
  RawConnection client(listener.port());
  client.send(get("/held"));
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  reply->begin({200, {}, ""}, ": ping\n\n");
  client.receive_until(": ping\n\n");
  const std::string second = client.receive_until(": ping\n\n", 5s);
  EXPECT_NE(second.find(": ping\n\n"), second.npos);
  reply->end();
  EXPECT_TRUE(soon([&] { return listener.num_open_replies() == 0; }));
}

TEST(Listener, WhoDoesNotReadIsGone) {
  Echo echo;
  ListenerOptions options;
  options.write_within = 300ms;
  Listener listener(options, echo.handler());
  RawConnection client(listener.port());
  client.send(get("/held"));
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  reply->begin({200, {}, ""});
  const std::string much(32 << 20, 'x');
  reply->write(much);
  EXPECT_TRUE(soon([&] { return reply->unsent_bytes() > 0; }));
  EXPECT_TRUE(soon([&] { return echo.gone == 1; }));

  // And at once where too much waits.
  options.write_within = 60s;
  options.max_unsent_bytes = 40 << 20;
  Listener strict(options, echo.handler());
  RawConnection other(strict.port());
  other.send(get("/held"));
  const std::shared_ptr<Reply> second = echo.wait_for_held();
  second->begin({200, {}, ""});
  for (int i = 0; i < 4; ++i) second->write(much);
  EXPECT_EQ(echo.gone, 2);
  EXPECT_TRUE(second->gone());
}

TEST(Listener, DrainsWhatIsOpen) {
  Echo echo;
  Listener listener({}, echo.handler());
  RawConnection client(listener.port()), idle(listener.port());
  client.send(get("/held"));
  const std::shared_ptr<Reply> reply = echo.wait_for_held();
  EXPECT_EQ(listener.num_open_replies(), 1);
  EXPECT_FALSE(listener.drain(50ms));
  EXPECT_TRUE(soon([&] {
    try {
      RawConnection late(listener.port());
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  }));
  idle.send(get("/health"));  // on a connection that was there
  EXPECT_NE(idle.receive_answer().find("Connection: close"), std::string::npos);
  std::thread writer([&] {
    std::this_thread::sleep_for(50ms);
    reply->send({200, {}, "done"});
  });
  EXPECT_TRUE(listener.drain(20s));
  writer.join();
  EXPECT_EQ(body_of_answer(client.receive_answer()), "done");
}

TEST(Listener, RepliesOutliveTheirListener) {
  Echo echo;
  std::shared_ptr<Reply> reply;
  {
    Listener listener({}, echo.handler());
    RawConnection client(listener.port());
    client.send(get("/held"));
    reply = echo.wait_for_held();
    reply->begin({200, {}, "x"});
  }
  EXPECT_TRUE(reply->gone());
  reply->write("y");
  reply->end();
}

TEST(Listener, SaysWhereItCannotListen) {
  Echo echo;
  const Listener listener({}, echo.handler());
  EXPECT_EQ(listener.url(), "http://127.0.0.1:" + std::to_string(listener.port()));
  ListenerOptions options;
  options.port = listener.port();
  EXPECT_NE(testing::error_text([&] {
              Listener second(options, echo.handler());
            }).find("another program listens there"),
            std::string::npos);
  options = {};
  options.address = "0.0.0.0";
  EXPECT_NE(testing::error_text([&] { Listener open(options, echo.handler()); }).find("key"),
            std::string::npos);
  options.address = "example";
  EXPECT_NE(testing::error_text([&] {
              Listener open(options, echo.handler());
            }).find("expected an IP address"),
            std::string::npos);
}

// Connections that come and go leave nothing behind.
TEST(Listener, AThousandConnectionsComeAndGo) {
  Echo echo;
  Listener listener({}, echo.handler());
  for (int i = 0; i < 1000; ++i) {
    RawConnection client(listener.port());
    if (i % 2) client.send(get("/held"));
  }
  EXPECT_TRUE(soon([&] { return listener.num_connections() == 0; }));
  EXPECT_TRUE(soon([&] { return listener.num_open_replies() == 0; }));
  RawConnection client(listener.port());
  client.send(get("/a"));
  EXPECT_EQ(status_of_answer(client.receive_answer()), 200);
}

}  // namespace
}  // namespace ponder::net
