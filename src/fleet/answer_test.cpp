#include "fleet/answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "testing/byte_tokenizer.h"

namespace ponder::fleet {
namespace {

using std::chrono::milliseconds;

Answer read(ServerKind kind, const std::vector<std::string>& events, bool done = true) {
  AnswerReader reader(kind, true);
  for (const std::string& event : events) reader.push("data: " + event + "\n\n");
  if (done) reader.push("data: [DONE]\n\n");
  reader.end();
  return reader.answer();
}

// What reading ends in: "" or the failure's message.
std::string problem_of(ServerKind kind, const std::vector<std::string>& events,
                       FailureClass* failure_class = nullptr) {
  try {
    (void)read(kind, events);
    return "";
  } catch (const AnswerFailure& failure) {
    if (failure_class) *failure_class = failure.kind;
    return failure.what();
  }
}

// As vLLM documents it, and ponder serve answers.
const std::vector<std::string> kCompletion = {
    R"({"id":"cmpl-1","model":"m","choices":[{"index":0,"text":"ab","token_ids":[97,98],)"
    R"("prompt_token_ids":[1,2],"logprobs":{"token_logprobs":[-0.5,-0.25]},"finish_reason":null}]})",
    R"({"id":"cmpl-1","model":"m","choices":[{"index":0,"text":"","token_ids":[7],)"
    R"("logprobs":{"token_logprobs":[-0.125]},"finish_reason":"stop","stop_reason":7}]})",
    R"({"id":"cmpl-1","model":"m","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3,)"
    R"("prompt_tokens_details":{"cached_tokens":1}}})"};

TEST(Answer, OfCompletionsInPieces) {
  const Answer answer = read(ServerKind::kVllm, kCompletion);
  EXPECT_EQ(answer.text, "ab");
  EXPECT_EQ(answer.token_ids, (std::vector<int32_t>{97, 98, 7}));
  EXPECT_EQ(answer.logprobs, (std::vector<float>{-0.5f, -0.25f, -0.125f}));
  EXPECT_EQ(answer.prompt_ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(answer.finish, "stop");
  EXPECT_EQ(answer.model, "m");
  EXPECT_EQ(answer.usage->completion, 3);
  EXPECT_EQ(answer.usage->cached, 1);
}

TEST(Answer, OfAnyCutOfTheBytes) {
  std::string bytes = ": ping\n\n";
  for (const std::string& event : kCompletion) bytes += "data: " + event + "\r\n\r\n";
  bytes += "data: [DONE]\n\n";
  for (const size_t piece : {1, 2, 3, 7, 50}) {
    AnswerReader reader(ServerKind::kPonder, true);
    for (size_t at = 0; at < bytes.size(); at += piece) {
      EXPECT_FALSE(reader.is_done());
      reader.push(std::string_view(bytes).substr(at, piece));
    }
    EXPECT_TRUE(reader.is_done());
    reader.end();
    EXPECT_EQ(reader.answer().token_ids.size(), 3u);
  }
}

TEST(Answer, LogprobsKeepTheirBits) {
  const float value = -0.1234567f;
  const Json event = {{"choices",
                       {{{"text", "a"},
                         {"token_ids", {97}},
                         {"logprobs", {{"token_logprobs", {value}}}},
                         {"finish_reason", "length"}}}}};
  EXPECT_EQ(read(ServerKind::kPonder, {dump_json(event)}).logprobs, std::vector<float>{value});
}

TEST(Answer, ThoughtsHaveTwoNames) {
  for (const char* name : {"reasoning_content", "reasoning"}) {
    const Answer answer = read(
        ServerKind::kOpenai, {R"({"choices":[{"delta":{"role":"assistant","content":null}}]})",
                              fmt::format(R"({{"choices":[{{"delta":{{"{}":"so "}}}}]}})", name),
                              fmt::format(R"({{"choices":[{{"delta":{{"{}":"what"}}}}]}})", name),
                              R"({"choices":[{"delta":{"content":"4"},"finish_reason":"stop"}]})"});
    EXPECT_EQ(answer.thought, "so what");
    EXPECT_EQ(answer.text, "4");
  }
  EXPECT_EQ(read(ServerKind::kOpenai,
                 {R"({"choices":[{"message":{"reasoning":"x","reasoning_content":"x"},)"
                  R"("finish_reason":"stop"}]})"})
                .thought,
            "x");
  EXPECT_NE(problem_of(ServerKind::kOpenai,
                       {R"({"choices":[{"message":{"reasoning":"x","reasoning_content":"y"},)"
                        R"("finish_reason":"stop"}]})"}),
            "");
}

TEST(Answer, OfSglangAsAWhole) {  // documented: its page on /generate
  AnswerReader reader(ServerKind::kSglang, false);
  reader.push(R"({"text":"a","meta_info":{"id":"r","finish_reason":{"type":"stop","matched":7},)");
  reader.push(R"("prompt_tokens":5,"completion_tokens":2,)"
              R"("output_token_logprobs":[[-0.5,97,"a"],[-0.1,7,null]]}})");
  reader.end();
  EXPECT_EQ(reader.answer().token_ids, (std::vector<int32_t>{97, 7}));
  EXPECT_EQ(reader.answer().finish, "stop");
  EXPECT_EQ(reader.answer().usage->completion, 2);
}

TEST(Answer, ThatIsNotWholeIsNone) {
  const auto& begin = kCompletion[0];
  EXPECT_NE(problem_of(ServerKind::kVllm, {begin}), "");
  EXPECT_NE(problem_of(ServerKind::kVllm, {}), "");
  EXPECT_NE(problem_of(ServerKind::kVllm, {begin, "{\"choices\":[{\"te"}), "");
  EXPECT_NE(problem_of(ServerKind::kVllm, {begin, "[1]"}), "");
  EXPECT_NE(problem_of(ServerKind::kVllm,
                       {begin, R"({"choices":[{"text":"","finish_reason":"abort"}]})"}),
            "");
  AnswerReader cut(ServerKind::kVllm, true);
  cut.push("data: " + kCompletion[1] + "\n\ndata: {");
  EXPECT_THROW(cut.end(), AnswerFailure);
  AnswerReader html(ServerKind::kOpenai, false);
  html.push("<html>");
  EXPECT_THROW(html.end(), AnswerFailure);
  EXPECT_THROW(AnswerReader(ServerKind::kOpenai, false).end(), AnswerFailure);
}

TEST(Answer, NoMixtureOfTwo) {
  EXPECT_NE(problem_of(ServerKind::kVllm,
                       {kCompletion[0], R"({"id":"cmpl-2","choices":[{"text":"x"}]})"}),
            "");
  EXPECT_NE(problem_of(ServerKind::kVllm,
                       {kCompletion[0], R"({"model":"other","choices":[{"text":"x"}]})"}),
            "");
  EXPECT_NE(problem_of(ServerKind::kVllm,
                       {kCompletion[0], kCompletion[1], R"({"choices":[{"text":"x"}]})"}),
            "");
  EXPECT_NE(problem_of(ServerKind::kVllm, {R"({"choices":[{"index":1,"text":"x"}]})"}), "");
}

TEST(Answer, ErrorsWithinAStreamHaveTheClassOfTheirCode) {
  const std::pair<const char*, FailureClass> cases[] = {
      {R"({"error":{"message":"x","code":429}})", FailureClass::kFull},
      {R"({"error":{"message":"x","code":"503"}})", FailureClass::kFull},
      {R"({"error":{"message":"x","code":400}})", FailureClass::kNever},
      {R"({"error":{"message":"x","code":"insufficient_quota"}})", FailureClass::kStop},
      {R"({"error":{"message":"x","type":"server_error"}})", FailureClass::kBadLuck},
      {R"({"error":"x"})", FailureClass::kBadLuck},
      {R"({"object":"error","message":"x","code":401})", FailureClass::kStop}};
  for (const auto& [event, expected] : cases) {
    FailureClass kind = FailureClass::kNever;
    EXPECT_NE(problem_of(ServerKind::kOpenai, {event}, &kind), "") << event;
    EXPECT_EQ(kind, expected) << event;
  }
}

TEST(Answer, NumbersThatAreNone) {
  for (const char* choice :
       {R"({"token_ids":[-1]})", R"({"token_ids":["1"]})", R"({"token_ids":[4294967296]})",
        R"({"token_ids":7})", R"({"logprobs":{"token_logprobs":[null]}})",
        R"({"logprobs":{"token_logprobs":[0.5]}})", R"({"logprobs":{"token_logprobs":[-1e300]}})",
        R"({"logprobs":{}})", R"({"text":1})"}) {
    EXPECT_NE(problem_of(ServerKind::kVllm, {fmt::format(R"({{"choices":[{}]}})", choice)}), "")
        << choice;
  }
}

TEST(HttpFailure, ClassesByStatusAndCode) {
  const auto kind = [](int status, const char* body = "") {
    return http_failure(status, {}, body, 0).kind;
  };
  for (const int status : {400, 404, 405, 413, 415, 422})
    EXPECT_EQ(kind(status), FailureClass::kNever) << status;
  for (const int status : {401, 402, 403}) EXPECT_EQ(kind(status), FailureClass::kStop) << status;
  for (const int status : {429, 503, 529}) EXPECT_EQ(kind(status), FailureClass::kFull) << status;
  for (const int status : {408, 409, 425, 500, 502, 504, 302})
    EXPECT_EQ(kind(status), FailureClass::kBadLuck) << status;
  EXPECT_EQ(kind(429, R"({"error":{"message":"m","code":"insufficient_quota"}})"),
            FailureClass::kStop);
  EXPECT_EQ(kind(404, R"({"error":{"message":"m","code":"model_not_found"}})"),
            FailureClass::kStop);
  EXPECT_EQ(kind(400, R"({"error":{"message":"rate limit exceeded","code":null}})"),
            FailureClass::kNever)
      << "words decide nothing";
  EXPECT_EQ(kind(400, "<html>Bad gateway"), FailureClass::kBadLuck);
  EXPECT_EQ(http_failure(500, {{"x-should-retry", "false"}}, "", 0).kind, FailureClass::kNever);
}

TEST(HttpFailure, SaysWhatTheServerSays) {
  EXPECT_EQ(http_failure(400, {}, R"({"error":{"message":"too long"}})", 0).message,
            "status 400: too long");
  EXPECT_NE(http_failure(502, {}, "<html><b>nginx", 0).message.find("HTML"), std::string::npos);
  EXPECT_EQ(http_failure(500, {}, "", 0).message, "status 500");
}

TEST(HttpFailure, RetryAfterInAllItsForms) {
  EXPECT_EQ(retry_after({{"retry-after", "7"}}, 0), milliseconds(7000));
  EXPECT_EQ(retry_after({{"retry-after", "0.5"}}, 0), milliseconds(500));
  EXPECT_EQ(retry_after({{"retry-after-ms", "1500"}, {"retry-after", "9"}}, 0), milliseconds(1500));
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 784111770),
            milliseconds(7000));
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 784111999),
            milliseconds(0));
  for (const char* odd : {"", "soon", "-1", "nan", "7 s"})
    EXPECT_EQ(retry_after({{"retry-after", odd}}, 0), milliseconds(0)) << odd;
}

// --- What may be believed.

class CheckTokens : public ::testing::Test {
 protected:
  CheckTokens() {
    ids_ = tokenizer_.encode("hello");
    prompt_ = tokenizer_.encode("ask");
    answer_.token_ids = ids_;
    answer_.token_ids.push_back(end_);
    answer_.text = "hello";
    answer_.prompt_ids = prompt_;
    answer_.finish = "stop";
    answer_.model = "m";
    answer_.usage = TokenUsage{static_cast<int64_t>(prompt_.size()),
                               static_cast<int64_t>(answer_.token_ids.size())};
  }
  std::string problem(ServerKind kind = ServerKind::kVllm) const {
    const auto wrong = check_tokens(answer_, {kind, "m", prompt_, stop_ids_, &tokenizer_});
    return wrong ? wrong->what() : "";
  }
  void expect_refused(const std::string& words) const {
    EXPECT_NE(problem().find(words), std::string::npos) << "said: \"" << problem() << "\"";
  }
  const tokenizer::Tokenizer tokenizer_ =
      tokenizer::Tokenizer::parse(testing::byte_tokenizer_json(), "test");
  const int32_t end_ = 259;  // <|im_end|>
  const std::vector<int32_t> stop_ids_ = {end_};
  std::vector<int32_t> ids_, prompt_;
  Answer answer_;
};

TEST_F(CheckTokens, AreBelievedWhereAllIsRight) {
  EXPECT_EQ(problem(), "");
  answer_.text = "hello<|im_end|>";  // a server that shows its end token
  EXPECT_EQ(problem(), "");
}

TEST_F(CheckTokens, CutAnswersToo) {
  answer_.token_ids = ids_;
  answer_.usage->completion = static_cast<int64_t>(ids_.size());
  answer_.finish = "length";
  EXPECT_EQ(problem(), "");
  const std::vector<int32_t> torn = tokenizer_.encode("hell\xc3");
  answer_.token_ids = torn;
  answer_.usage->completion = static_cast<int64_t>(torn.size());
  answer_.text = "hell";
  EXPECT_EQ(problem(), "");
}

TEST_F(CheckTokens, OneIdChanged) {
  answer_.token_ids[1] = tokenizer_.encode("x")[0];
  expect_refused("another tokenizer");
}
TEST_F(CheckTokens, ControlTokensThatLlamaServersTextLeavesOut) {
  constexpr int32_t kStart = 258;  // <|im_start|>
  answer_.token_ids.insert(answer_.token_ids.begin() + 2, kStart);
  answer_.usage->completion = static_cast<int64_t>(answer_.token_ids.size());
  EXPECT_EQ(problem(ServerKind::kLlamaServer), "");
  EXPECT_NE(problem(ServerKind::kVllm).find("another tokenizer"), std::string::npos);
  answer_.text = "he<|im_start|>llo<|im_end|>";  // started with --special
  EXPECT_EQ(problem(ServerKind::kLlamaServer), "");
  answer_.text = "hel";
  EXPECT_NE(problem(ServerKind::kLlamaServer).find("another tokenizer"), std::string::npos);
}
TEST_F(CheckTokens, EndTokenMissing) {
  answer_.token_ids.pop_back();
  expect_refused("token ids, its usage says");
  --answer_.usage->completion;
  expect_refused("no end token of the model");
}
TEST_F(CheckTokens, AnEndTokenInTheMiddle) {
  answer_.token_ids.insert(answer_.token_ids.begin() + 2, end_);
  answer_.usage->completion = static_cast<int64_t>(answer_.token_ids.size());
  expect_refused("goes on behind end token");
}
TEST_F(CheckTokens, AnEndTokenOfACutAnswer) {
  answer_.finish = "length";
  expect_refused("ends with an end token");
}
TEST_F(CheckTokens, AnotherPrompt) {
  answer_.prompt_ids->insert(answer_.prompt_ids->begin(), 1);
  expect_refused("other token ids");
  answer_.prompt_ids.reset();
  expect_refused("does not say");
}
TEST_F(CheckTokens, APromptOfAnotherLength) {
  ++answer_.usage->prompt;
  expect_refused("read a prompt of 4 tokens, sent were 3");
}
TEST_F(CheckTokens, AnotherModel) {
  answer_.model = "last-round";
  expect_refused("model \"last-round\"");
}
TEST_F(CheckTokens, CountAndUsage) {
  ++answer_.usage->completion;
  expect_refused("its usage says");
  answer_.usage.reset();
  expect_refused("without usage");
}
TEST_F(CheckTokens, IdsOutsideTheVocabulary) {
  answer_.token_ids[0] = 1'000'000;
  expect_refused("the tokenizer has not");
}

}  // namespace
}  // namespace ponder::fleet
