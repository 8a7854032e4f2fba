// What servers answer: event streams and JSON, of each kind, cut anywhere. An input is a kind's digit, a
// line, then the bytes.
#include "fleet/answer.h"
#include "fuzz.h"

namespace ponder {
namespace {

constexpr fleet::ServerKind kKinds[] = {fleet::ServerKind::kPonder, fleet::ServerKind::kVllm,
                                        fleet::ServerKind::kSglang, fleet::ServerKind::kLlamaServer,
                                        fleet::ServerKind::kOpenai};

std::string outcome(fleet::ServerKind kind, bool stream, std::string_view bytes, size_t piece) {
  fleet::AnswerReader reader(kind, stream);
  try {
    for (size_t at = 0; at < bytes.size(); at += piece) reader.push(bytes.substr(at, piece));
    reader.end();
  } catch (const fleet::AnswerFailure& failure) {
    fuzz::require(*failure.what() != '\0', "a failure says what is wrong");
    return failure.what();
  }
  const fleet::Answer& answer = reader.answer();
  fuzz::require(fleet::answer_end(answer.finish) != fleet::AnswerEnd::kCut, "a whole answer ended");
  for (const float logprob : answer.logprobs)
    fuzz::require(logprob <= 0, "log-probabilities are at most 0");
  for (const int32_t id : answer.token_ids) fuzz::require(id >= 0, "ids are not negative");
  return answer.text + answer.thought + answer.finish;
}

}  // namespace
}  // namespace ponder

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ponder::fuzz::text_of(data, size);
  if (text.size() < 2) return 0;
  const auto kind = ponder::kKinds[static_cast<unsigned char>(text[0]) % 5];
  const bool stream = text[1] == '\n';
  const std::string whole = ponder::outcome(kind, stream, text.substr(2), text.size());
  // However it is cut; of a failure the first that is met may be another.
  ponder::fuzz::require(!whole.empty(), "an answer or a failure");
  (void)ponder::outcome(kind, stream, text.substr(2), 3);
  return 0;
}
