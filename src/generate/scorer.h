// Log-probabilities of given responses: the decoder's forward alone, over packed rows. The numbers
// are those recorded while sampling and those the trainer computes, to the bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/decoder.h"

namespace ponder::generate {

struct ScoreRow {
  std::vector<int32_t> tokens;  // prompt and response
  int64_t first_scored =
      1;  // the response is tokens [first_scored, size): at least 1, as token 0 has no context
};

struct TokenScore {
  int32_t id = 0;
  float logprob = 0;
};

struct Score {
  std::vector<float> logprobs;  // one per response token
  double logprob = 0;           // their sum, in order
  double perplexity = 0;        // exp(-logprob / number of tokens)
  // The likeliest tokens in the place of each response token, the best first (the lowest id among
  // equals); empty where none were asked for. One that is the response's token has its log-probability,
  // to the bit.
  std::vector<std::vector<TokenScore>> likeliest;
};

// exp(-logprob / num_tokens).
double perplexity_of(double logprob, int64_t num_tokens);

// Fills in logprob and perplexity from logprobs (at least one).
Score make_score(std::vector<float> logprobs);

// Packs rows into batches of at most `batch_tokens` tokens (a longer row is a batch of its own), in
// order. Throws Error naming the row (from 1) for a row without a response or longer than the model
// has positions, and for logits that hold a NaN or +infinity. `num_likeliest`: how many of
// Score::likeliest, of ids below `num_ids` (0: all).
std::vector<Score> score_rows(model::Decoder& decoder, std::span<const ScoreRow> rows,
                              int64_t batch_tokens = 4096, int num_likeliest = 0,
                              int64_t num_ids = 0);

}  // namespace ponder::generate
