#include "net/http_reader.h"

#include <gtest/gtest.h>

#include "net/hostile_requests_fixture.h"

namespace ponder::net {
namespace {

using State = RequestReader::State;

// Host and origin are the listener's to judge.
bool is_for_the_reader(const RawRequest& request) { return request.status != 403; }

TEST(RequestReader, RefusesWhatCouldBeReadOtherwise) {
  for (const RawRequest& request : raw_requests()) {
    if (!is_for_the_reader(request)) continue;
    RequestReader reader;
    const State state = reader.push(request.bytes);
    if (request.status == 200) {
      EXPECT_EQ(state, State::kDone) << request.name << ": " << reader.problem();
    } else {
      ASSERT_EQ(state, State::kRefused) << request.name;
      EXPECT_EQ(reader.status(), request.status) << request.name << ": " << reader.problem();
      EXPECT_FALSE(reader.problem().empty());
    }
  }
}

TEST(RequestReader, WhereTheBytesAreCutChangesNothing) {
  for (const RawRequest& request : raw_requests()) {
    RequestReader whole;
    const State expected = whole.push(request.bytes);
    for (const size_t step : {1, 2, 3, 7, 64}) {
      RequestReader reader;
      State state = State::kHead;
      for (size_t i = 0; i < request.bytes.size() && state != State::kRefused; i += step)
        state = reader.push(std::string_view(request.bytes).substr(i, step));
      EXPECT_EQ(state, expected) << request.name;
      if (state == State::kRefused) {
        EXPECT_EQ(reader.status(), whole.status()) << request.name;
      }
      if (state == State::kDone) {
        RequestReader again;
        again.push(request.bytes);
        const Request a = reader.take(), b = again.take();
        EXPECT_EQ(a.body, b.body) << request.name;
        EXPECT_EQ(a.path, b.path);
        EXPECT_EQ(a.fields.size(), b.fields.size());
      }
    }
  }
}

TEST(RequestReader, GivesARequestItsParts) {
  RequestReader reader;
  EXPECT_FALSE(reader.began());
  ASSERT_EQ(reader.push("POST /v1/models/a%2Fb?x=1&y=%20 HTTP/1.1\r\nHost: localhost\r\n"
                        "X-Name:  a value \t\r\nContent-Length: 5\r\n\r\nab"),
            State::kBody);
  EXPECT_TRUE(reader.began());
  EXPECT_EQ(reader.request().path, "/v1/models/a/b");
  ASSERT_EQ(reader.push("cde"), State::kDone);
  const Request request = reader.take();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.query, "x=1&y=%20");
  EXPECT_EQ(request.field("x-name"), "a value");
  EXPECT_EQ(request.field("absent"), "");
  EXPECT_EQ(request.body, "abcde");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(reader.state(), State::kHead);
  EXPECT_FALSE(reader.began());
}

TEST(RequestReader, RequestsBehindOneAnotherStayApart) {
  const std::string one =
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  const std::string two = "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  RequestReader reader;
  ASSERT_EQ(reader.push(one + two + "GE"), State::kDone);
  EXPECT_EQ(reader.num_kept_bytes(), two.size() + 2);
  EXPECT_EQ(reader.take().body, "abcde");
  ASSERT_EQ(reader.state(), State::kDone);
  const Request second = reader.take();
  EXPECT_EQ(second.path, "/b");
  EXPECT_EQ(second.body, "");
  EXPECT_FALSE(second.keep_alive);
  EXPECT_EQ(reader.state(), State::kHead);
  EXPECT_TRUE(reader.began());
}

// Beast merges trailers into the fields.
TEST(RequestReader, TrailersAreNoFields) {
  RequestReader reader;
  ASSERT_EQ(reader.push("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1\r\nx\r\n0\r\nAuthorization: Bearer key\r\nHost: evil\r\n\r\n"),
            State::kDone);
  const Request request = reader.take();
  EXPECT_EQ(request.body, "x");
  EXPECT_EQ(request.field("authorization"), "");
  EXPECT_EQ(request.field("host"), "h");
}

TEST(RequestReader, AnExpectationIsSeenOnceAndBeforeTheBody) {
  RequestReader reader;
  ASSERT_EQ(reader.push("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                        "Content-Length: 1\r\n\r\n"),
            State::kBody);
  EXPECT_TRUE(reader.take_expectation());
  EXPECT_FALSE(reader.take_expectation());
  EXPECT_EQ(reader.push("x"), State::kDone);
}

TEST(RequestReader, BodiesUpToTheLimit) {
  const ReaderLimits limits{.max_body_bytes = 1000};
  for (const bool chunked : {false, true}) {
    for (const size_t size : {999, 1000, 1001}) {
      RequestReader reader(limits);
      std::string bytes = "POST /a HTTP/1.1\r\nHost: h\r\n";
      if (chunked) {
        bytes += "Transfer-Encoding: chunked\r\n\r\n";
        for (size_t i = 0; i < size; ++i) bytes += "1\r\nx\r\n";
        bytes += "0\r\n\r\n";
      } else {
        bytes += "Content-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
      }
      EXPECT_EQ(reader.push(bytes), size <= 1000 ? State::kDone : State::kRefused) << size;
      if (size > 1000) {
        EXPECT_EQ(reader.status(), 413);
      } else {
        EXPECT_EQ(reader.take().body, std::string(size, 'x'));
      }
    }
  }
}

// Nothing that never ends is kept without end.
TEST(RequestReader, EndlessLinesAreRefused) {
  const std::string chunked = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& begin :
       {std::string("GET /"), std::string("GET / HTTP/1.1\r\nHost: h\r\nX: "), chunked + "3;",
        chunked + "0\r\nX: "}) {
    RequestReader reader;
    reader.push(begin);
    const std::string more(1000, 'a');
    int pushes = 0;
    while (reader.push(more) != State::kRefused && pushes < 100) ++pushes;
    EXPECT_LT(pushes, 40) << begin;
    EXPECT_EQ(reader.num_kept_bytes(), 0);
  }
}

}  // namespace
}  // namespace ponder::net
