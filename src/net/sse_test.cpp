#include "net/sse.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/philox.h"

namespace ponder::net {
namespace {

std::string pushed(SseParser& parser, std::string_view bytes) {
  std::string text;
  parser.push(bytes,
              [&](const SseEvent& event) { text += "<" + event.name + "|" + event.data + ">"; });
  return text;
}

std::string events_of(std::string_view bytes) {
  SseParser parser;
  return pushed(parser, bytes);
}

TEST(Sse, EventsOfAllLineEnds) {
  EXPECT_EQ(events_of("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata:d\n\n"), "<|a><|b><|c><|d>");
}

TEST(Sse, SeveralDataLinesAreOneEvent) {
  EXPECT_EQ(events_of("event: error\ndata: {\ndata: }\n\n"), "<error|{\n}>");
  EXPECT_EQ(events_of("data\ndata\n\n"), "<|\n>");
  EXPECT_EQ(events_of("data:\n\n"), "<|>");
}

TEST(Sse, CommentsAndOtherFieldsMakeNoEvent) {
  EXPECT_EQ(events_of(": ping\n\n\n: ping\n\nid: 7\nretry: 10\nfoo: x\n\ndata: a\n: in it\n\n"),
            "<|a>");
  EXPECT_EQ(events_of("event: named\n\ndata: without\n\n"), "<|without>");
}

TEST(Sse, OneSpaceBehindTheColonIsNotPartOfTheValue) {
  EXPECT_EQ(events_of("data:  a:b \n\n"), "<| a:b >");
}

TEST(Sse, AByteOrderMarkAtTheStartAlone) {
  EXPECT_EQ(events_of("\xef\xbb\xbf"
                      "data: a\n\n\xef\xbb\xbf"
                      "data: b\n\n"),
            "<|a>");
}

TEST(Sse, SaysWhetherAnEventWasCut) {
  SseParser parser;
  EXPECT_FALSE(parser.in_event());
  EXPECT_EQ(pushed(parser, "data: a"), "");
  EXPECT_TRUE(parser.in_event());
  EXPECT_EQ(pushed(parser, "\n"), "");
  EXPECT_TRUE(parser.in_event());
  EXPECT_EQ(pushed(parser, "\n"), "<|a>");
  EXPECT_FALSE(parser.in_event());
}

TEST(Sse, RefusesAnEventWithoutEnd) {
  SseParser parser(1000);
  const std::string line = "data: " + std::string(300, 'x') + "\n";
  for (int i = 0; i < 3; ++i) (void)pushed(parser, line);
  EXPECT_THROW((void)pushed(parser, line), Error);
  SseParser one_line(1000);
  EXPECT_THROW((void)pushed(one_line, std::string(1001, 'x')), Error);
}

TEST(Sse, TheSameEventsHoweverTheBytesAreCut) {
  const std::vector<std::string> parts = {
      "data: a", "data:b\xc3\xa9", ": ping", "event: e", "\n", "\r\n", "\r", "\n\n", "x: y"};
  RandomSequence random(1, 1);
  size_t num_events = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (uint64_t count = random.below(20); count > 0; --count)
      bytes += parts[random.below(parts.size())];
    const std::string whole = events_of(bytes);
    num_events += !whole.empty();
    SseParser parser;
    std::string pieces;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = 1 + random.below(5);
      pieces += pushed(parser, std::string_view(bytes).substr(at, size));
      at += size;
    }
    ASSERT_EQ(pieces, whole) << "of " << excerpt(bytes, 500);
  }
  EXPECT_GT(num_events, 1000u);
}

}  // namespace
}  // namespace ponder::net
