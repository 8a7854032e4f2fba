#include "pipeline/rescoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <string>

#include "base/error.h"
#include "generate/inference_model.h"
#include "generate/scorer.h"

namespace ponder::pipeline {
namespace {

constexpr size_t kAtOnce = 256;  // rollouts in one transaction

std::string name_of_weights(const pool::Pool& pool, const std::string& sha256) {
  for (const pool::ModelRecord& model : pool.models())
    if (model.sha256 == sha256) return model.name;
  throw Error("run.db", fmt::format("the model {} of a trajectory is missing", sha256),
              "restore it from a copy");
}

}  // namespace

generate::ScoreRow score_row_of(const pool::Pool& pool, int64_t rollout) {
  const auto stored = pool.rollout(rollout);
  if (!stored || !stored->rollout.completion.token_ids)
    throw Error("run.db", fmt::format("the tokens of trajectory {} are missing", rollout));
  generate::ScoreRow row;
  row.tokens = stored->rollout.prompt_ids;
  row.first_scored = static_cast<int64_t>(row.tokens.size());
  const auto& ids = *stored->rollout.completion.token_ids;
  row.tokens.insert(row.tokens.end(), ids.begin(), ids.end());
  return row;
}

bool score_missing(const StageContext& context, std::vector<Candidate>& candidates,
                   const std::function<bool(const Candidate&)>& wanted) {
  std::map<std::string, std::vector<Candidate*>> of_model;  // by its weights
  int64_t total = 0, done = 0;
  for (Candidate& c : candidates) {
    if (c.perplexity > 0 || !wanted(c)) continue;
    const auto stored = context.pool.rollout(c.id, false);
    if (!stored) throw Error("run.db", fmt::format("the trajectory {} is missing", c.id));
    of_model[stored->rollout.completion.model_sha256].push_back(&c);
    ++total;
  }
  for (const auto& [sha256, missing] : of_model) {
    generate::InferenceModel model(context.checkpoint(name_of_weights(context.pool, sha256)),
                                   context.threads, context.recipe.chat_template,
                                   context.recipe.precision);
    model.decoder().set_stop(context.stop);
    for (size_t begin = 0; begin < missing.size(); begin += kAtOnce) {
      if (context.stopping()) return false;
      const auto piece =
          std::span(missing).subspan(begin, std::min(kAtOnce, missing.size() - begin));
      std::vector<generate::ScoreRow> rows;
      for (const Candidate* c : piece) rows.push_back(score_row_of(context.pool, c->id));
      try {
        const std::vector<generate::Score> scores = generate::score_rows(model.decoder(), rows);
        pool::Pool::Transaction transaction(context.pool);
        for (size_t i = 0; i < piece.size(); ++i) {
          Candidate& c = *piece[i];
          c.perplexity = scores[i].perplexity;
          c.perplexity_precision = model.precision();
          context.pool.set_logprobs(c.id, scores[i].logprobs, model.precision());
          context.pool.set_perplexity(c.id, c.perplexity, sha256, model.precision());
        }
        transaction.commit();
      } catch (const model::Interrupted&) {
        return false;
      }
      done += static_cast<int64_t>(piece.size());
      context.monitor.progress(context.stage.name, done, total, "rollouts scored", {});
    }
  }
  return true;
}

}  // namespace ponder::pipeline
