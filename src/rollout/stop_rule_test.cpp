#include "rollout/stop_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/philox.h"
#include "testing/error_text.h"
#include "testing/folders.h"

namespace ponder::rollout {
namespace {

const tokenizer::Tokenizer& tokenizer() {
  static const tokenizer::Tokenizer loaded =
      tokenizer::Tokenizer::load(testing::source_dir() / "models" / "nano-base");
  return loaded;
}

constexpr RepetitionRule kNoLoops{.min_repeats = 0};

struct Ended {
  std::optional<data::FinishReason> reason;  // none: the tokens were used up
  size_t num_tokens = 0;
  std::string text, shown;  // shown: what take_text gave, joined
};

Ended feed(const CompletionRequest& request, const std::vector<int32_t>& ids,
           const RepetitionRule& loops = kNoLoops) {
  StopRule rule(request, loops, &tokenizer());
  Ended ended;
  while (!ended.reason && ended.num_tokens < ids.size()) {
    const auto so_far = std::span(ids).first(++ended.num_tokens);
    ended.reason = rule.push(so_far);
    if (!rule.is_stop_id(so_far.back())) ended.shown += rule.take_text();
    if (ended.reason) ended.text = rule.text(so_far);
  }
  return ended;
}

CompletionRequest request_with(std::vector<std::string> stop_strings) {
  CompletionRequest request;
  request.id = "r";
  request.stop_strings = std::move(stop_strings);
  request.want_tokens = true;
  return request;
}

// Tokens of one byte each, so that strings and characters lie across many.
std::vector<int32_t> bytes_of(std::string_view text) {
  std::vector<int32_t> ids;
  for (const char byte : text) {
    const auto id = tokenizer().token_id(std::string(1, byte));
    EXPECT_TRUE(id.has_value());
    ids.push_back(id.value_or(0));
  }
  return ids;
}

TEST(StopRule, AStopStringIsFoundAcrossTokensAndLeftOut) {
  for (const bool whole_tokens : {true, false}) {
    const std::string text = "It is 42.\n\nQuestion: what now?";
    const auto ids = whole_tokens ? tokenizer().encode(text) : bytes_of(text);
    const Ended ended = feed(request_with({"\n\nQuestion", "what"}), ids);
    EXPECT_EQ(ended.reason, data::FinishReason::kStop);
    EXPECT_EQ(ended.text, "It is 42.");
    EXPECT_EQ(ended.shown, ended.text) << "nothing of a stop string is shown";
    EXPECT_LT(ended.num_tokens, ids.size());
    const auto read = std::span(ids).first(ended.num_tokens);
    EXPECT_NE(tokenizer().decode(read).find("\n\nQuestion"), std::string::npos);
    EXPECT_EQ(tokenizer().decode(read.first(read.size() - 1)).find("\n\nQuestion"),
              std::string::npos)
        << "the first token after which it is there";
  }
}

TEST(StopRule, WhatOnlyBeginsLikeAStopStringIsText) {
  const Ended ended = feed(request_with({"<end>"}), bytes_of("a <en <end b<en"));
  EXPECT_FALSE(ended.reason);
  EXPECT_EQ(ended.shown, "a <en <end b") << "the rest may still become one";
}

TEST(StopRule, CharactersOfSeveralBytesAreWhole) {
  const Ended ended = feed(request_with({"é."}), bytes_of("été é é. non"));
  EXPECT_EQ(ended.reason, data::FinishReason::kStop);
  EXPECT_EQ(ended.text, "été é ");
  EXPECT_EQ(ended.shown, ended.text);
}

// Against the definition: after each token the whole text is searched anew.
TEST(StopRule, EqualsItsDefinitionOnRandomTexts) {
  RandomSequence random(4, 4);
  const auto word = [&](int64_t longest) {
    std::string text;
    for (int64_t n = random.between(1, longest); n > 0; --n) {
      text += std::array{"a", "b", "é"}[random.below(3)];
    }
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops;
    for (auto n = random.below(3) + 1; n > 0; --n) stops.push_back(word(4));
    std::vector<int32_t> ids;
    for (int n = 0; n < 4; ++n) {
      const std::string piece = word(6);
      const auto more = random.below(2) ? bytes_of(piece) : tokenizer().encode(piece);
      ids.insert(ids.end(), more.begin(), more.end());
    }
    const Ended ended = feed(request_with(stops), ids);
    std::optional<size_t> num_tokens;
    std::string text;
    for (size_t i = 1; i <= ids.size() && !num_tokens; ++i) {
      const std::string all = tokenizer().decode(std::span(ids).first(i));
      size_t first = std::string::npos;
      for (const std::string& stop : stops) first = std::min(first, all.find(stop));
      if (first == std::string::npos) continue;
      num_tokens = i;
      text = all.substr(0, first);
    }
    ASSERT_EQ(ended.reason.has_value(), num_tokens.has_value());
    if (!num_tokens) continue;
    ++stopped;
    EXPECT_EQ(ended.num_tokens, *num_tokens);
    EXPECT_EQ(ended.text, text);
    EXPECT_EQ(ended.shown, text);
  }
  EXPECT_GT(stopped, 500);
}

// Texts cut into tokens at random, read at random times, against a plain search of the whole text.
TEST(StopRule, EqualsASearchOfTheWholeTextHoweverItIsCut) {
  RandomSequence random(12, 8);
  int stopped = 0;
  for (int round = 0; round < 10'000; ++round) {
    const uint64_t num_letters = 2 + random.below(4);
    const auto word = [&](int64_t longest) {
      std::string text;
      for (int64_t n = random.between(1, longest); n > 0; --n)
        text += std::array{"a", "b", "é", "\n", "🂡"}[random.below(num_letters)];
      return text;
    };
    std::vector<std::string> stops;
    for (auto n = random.below(8) + 1; n > 0; --n) stops.push_back(word(6));
    std::string text;
    std::vector<int32_t> ids;
    std::vector<size_t> ends;  // of each token in the text
    for (auto n = random.below(10) + 1; n > 0; --n) {
      const std::string piece = word(5);
      for (const int32_t id : random.below(2) ? bytes_of(piece) : tokenizer().encode(piece)) {
        ids.push_back(id);
        ends.push_back((ends.empty() ? 0 : ends.back()) + tokenizer().token_bytes(id).size());
      }
      text += piece;
    }
    ASSERT_EQ(ends.back(), text.size());

    const CompletionRequest request = request_with(stops);
    StopRule rule(request, kNoLoops, &tokenizer());
    std::string shown;
    std::optional<data::FinishReason> reason;
    size_t num_tokens = 0;
    while (!reason && num_tokens < ids.size()) {
      reason = rule.push(std::span(ids).first(++num_tokens));
      if (random.below(3) == 0) shown += rule.take_text();
    }
    shown += rule.take_text();

    size_t first_end = text.npos;
    for (const std::string& stop : stops)
      if (const size_t at = text.find(stop); at != text.npos)
        first_end = std::min(first_end, at + stop.size());
    if (first_end == text.npos) {
      ASSERT_FALSE(reason);
      // All but the longest end that may still become a stop string.
      size_t undecided = 0;
      for (const std::string& stop : stops)
        for (size_t length = 1; length < std::min(stop.size(), text.size() + 1); ++length)
          if (text.ends_with(stop.substr(0, length))) undecided = std::max(undecided, length);
      ASSERT_EQ(shown, text.substr(0, text.size() - undecided));
      continue;
    }
    ++stopped;
    const size_t last =
        static_cast<size_t>(std::lower_bound(ends.begin(), ends.end(), first_end) - ends.begin());
    const std::string read = text.substr(0, ends[last]);
    size_t cut = text.npos;
    for (const std::string& stop : stops) cut = std::min(cut, read.find(stop));
    ASSERT_EQ(reason, data::FinishReason::kStop);
    ASSERT_EQ(num_tokens, last + 1);
    ASSERT_EQ(shown, text.substr(0, cut));
    ASSERT_EQ(rule.text(std::span(ids).first(num_tokens)), shown);
  }
  EXPECT_GT(stopped, 2'000);
  EXPECT_LT(stopped, 9'500);
}

TEST(StopRule, EndTokensLengthConditionAndLoops) {
  CompletionRequest request = request_with({});
  const auto ids = bytes_of("abcdefgh");
  request.stop_ids = {ids[5]};
  Ended ended = feed(request, ids);
  EXPECT_EQ(ended.reason, data::FinishReason::kStop);
  EXPECT_EQ(ended.num_tokens, 6u);
  EXPECT_EQ(ended.text, "abcde") << "without the end token";
  EXPECT_EQ(ended.shown, "abcde");
  request.sampling.max_tokens = 4;
  ended = feed(request, ids);
  EXPECT_EQ(ended.reason, data::FinishReason::kLength);
  EXPECT_EQ(ended.text, "abcd");
  request.sampling.max_tokens = 6;
  EXPECT_EQ(feed(request, ids).reason, data::FinishReason::kStop)
      << "the end token is the last allowed";
  request.stop_condition = [](std::span<const int32_t> so_far) { return so_far.size() == 3; };
  ended = feed(request, ids);
  EXPECT_EQ(ended.reason, data::FinishReason::kStop);
  EXPECT_EQ(ended.text, "abc");
  const Ended loop = feed(request_with({}), std::vector<int32_t>(300, ids[0]), RepetitionRule{});
  EXPECT_EQ(loop.reason, data::FinishReason::kRepetition);
  EXPECT_EQ(loop.num_tokens, 128u);
}

TEST(StopRule, RefusesStopStringsThatCannotBeFound) {
  const RepetitionRule loops;
  const CompletionRequest empty = request_with({""}), some = request_with({"x"});
  EXPECT_NE(
      testing::error_text([&] { StopRule(empty, loops, &tokenizer()); }).find("empty stop string"),
      std::string::npos);
  EXPECT_NE(testing::error_text([&] { StopRule(some, loops, nullptr); }).find("tokenizer"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::rollout
