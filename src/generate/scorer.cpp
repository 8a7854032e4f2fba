#include "generate/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"

namespace ponder::generate {
namespace {

void check_row(const ScoreRow& row, size_t index, const model::ModelConfig& config) {
  const auto name = [&] { return fmt::format("row {}", index + 1); };
  const int64_t size = static_cast<int64_t>(row.tokens.size());
  if (row.first_scored < 1) throw Error(name(), "has no prompt: a first token has no context");
  if (row.first_scored >= size) throw Error(name(), "has an empty response");
  if (config.max_position_embeddings > 0 && size > config.max_position_embeddings) {
    throw Error(
        name(),
        fmt::format("has {} tokens, the model {} positions", size, config.max_position_embeddings),
        "leave it out or shorten it");
  }
}

// The `count` highest of a row of logits.
std::vector<TokenScore> highest(std::span<const float> logits, float lse, int count) {
  std::vector<TokenScore> best;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (best.size() == static_cast<size_t>(count) && !(logits[i] > best.back().logprob)) continue;
    const auto place = std::find_if(best.begin(), best.end(), [&](const TokenScore& other) {
      return other.logprob < logits[i];
    });
    best.insert(place, {static_cast<int32_t>(i), logits[i]});
    if (best.size() > static_cast<size_t>(count)) best.pop_back();
  }
  for (TokenScore& score : best) score.logprob -= lse;
  return best;
}

}  // namespace

double perplexity_of(double logprob, int64_t num_tokens) {
  return std::exp(-logprob / static_cast<double>(num_tokens));
}

Score make_score(std::vector<float> logprobs) {
  Score score;
  score.logprobs = std::move(logprobs);
  for (const float logprob : score.logprobs) score.logprob += logprob;
  score.perplexity = perplexity_of(score.logprob, static_cast<int64_t>(score.logprobs.size()));
  return score;
}

std::vector<Score> score_rows(model::Decoder& decoder, std::span<const ScoreRow> rows,
                              int64_t batch_tokens, int num_likeliest, int64_t num_ids) {
  for (size_t i = 0; i < rows.size(); ++i) check_row(rows[i], i, decoder.config());
  std::vector<Score> scores;
  scores.reserve(rows.size());
  std::vector<float> logprobs;
  std::vector<uint8_t> scored;
  for (size_t begin = 0; begin < rows.size();) {
    model::PackedBatch batch;
    std::vector<int64_t> counts;
    size_t end = begin;
    while (end < rows.size() &&
           (end == begin ||
            batch.num_tokens() + static_cast<int64_t>(rows[end].tokens.size()) <= batch_tokens)) {
      const ScoreRow& row = rows[end++];
      scored.assign(row.tokens.size(), 1);
      std::fill(scored.begin(), scored.begin() + row.first_scored, uint8_t{0});
      counts.push_back(batch.append(row.tokens, scored));
    }
    logprobs.resize(static_cast<size_t>(batch.num_targets()));
    std::vector<std::vector<TokenScore>> likeliest(num_likeliest > 0 ? logprobs.size() : 0);
    model::LogitRow look;
    if (num_likeliest > 0) {
      look = [&](int64_t target, std::span<const float> logits, float lse) {
        if (num_ids > 0)
          logits = logits.first(std::min(logits.size(), static_cast<size_t>(num_ids)));
        likeliest[static_cast<size_t>(target)] = highest(logits, lse, num_likeliest);
      };
    }
    decoder.forward(batch, logprobs, model::Keep::kNothing, look);
    if (!std::all_of(logprobs.begin(), logprobs.end(), [](float x) { return std::isfinite(x); })) {
      throw Error("logits", "the model's output holds a NaN or an infinity",
                  "check its weights with `ponder inspect`");
    }
    auto next = logprobs.cbegin();
    auto next_likeliest = likeliest.begin();
    for (const int64_t count : counts) {
      scores.push_back(make_score(std::vector<float>(next, next + count)));
      next += count;
      if (num_likeliest == 0) continue;
      scores.back().likeliest.assign(std::make_move_iterator(next_likeliest),
                                     std::make_move_iterator(next_likeliest + count));
      next_likeliest += count;
    }
    begin = end;
  }
  return scores;
}

}  // namespace ponder::generate
