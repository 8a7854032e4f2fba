// Whether a server has the weights that it is to have, where it cannot say their hash: a name is easily
// given to other weights. It is asked for the likeliest token at positions where two models are known to
// differ, and its log-probabilities are held against those of our own forward.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "fleet/ask.h"
#include "fleet/server_kind.h"

namespace ponder::fleet {

struct CanaryPosition {
  std::vector<int32_t> prompt_ids;  // all before it
  int32_t token = 0;                // the likeliest of the model, no end token
  float logprob = 0;                // its, in nats, by our forward
  float other_logprob = 0;          // the same under the other model, if there is one
};

struct Canary {
  std::string model, other;  // names for people; other "": told from nothing
  std::vector<CanaryPosition> positions;
  // Mean |logprob - other_logprob|.
  double apart() const;
  // Whether that is enough to tell them apart by.
  bool tells() const;
};

// What a server says of one position, greedily.
struct Likeliest {
  int32_t token = 0;                  // its choice
  std::map<int32_t, float> logprobs;  // of that and some more, the likeliest
};

// One token, with the log-probabilities of the likeliest; of kinds with token ids but kPonder, which says
// its weights' hash.
Ask ask_likeliest(ServerKind kind, std::span<const int32_t> prompt_ids, const std::string& model);
// Throws AnswerFailure (answer.h) for what is no answer to it.
Likeliest read_likeliest(ServerKind kind, const Json& answer);

struct CanaryResult {
  bool right = false;
  bool rounded = false;   // right, but as weights of fewer bits would answer
  double from_model = 0;  // mean |difference|, nats
  double from_other = 0;
  int other_choices = 0;     // tokens that are not the model's, but for near ties
  std::string text() const;  // "0.02 nat from M2, 2.31 from M1, at 16 positions"
  std::string model, other;
  size_t positions = 0;
};
// Right: on average less than 0.3 nat from the model, at most a quarter of what it is from the other where
// the two can be told apart, and at most one other choice. Rounded: 0.1 nat and more. Of a
// token that the server does not name it is known that it is no likelier than those that it names.
CanaryResult judge_canary(const Canary& canary, std::span<const Likeliest> answers);

}  // namespace ponder::fleet
