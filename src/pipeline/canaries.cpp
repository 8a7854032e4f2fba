#include "pipeline/canaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <variant>

#include "base/error.h"
#include "generate/engine.h"
#include "generate/inference_model.h"
#include "generate/scorer.h"
#include "model/decoder.h"

namespace ponder::pipeline {
namespace {

constexpr size_t kPrompts = 12, kPositions = 16, kOfARow = 2;
constexpr int kTokens = 64;

struct GreedyRow {
  generate::ScoreRow row;       // prompt and answer
  std::vector<float> logprobs;  // of the answer's tokens, under the model
};

std::vector<GreedyRow> greedy_rows(generate::InferenceModel& model, const CanaryWork& work,
                                   const std::atomic<bool>* stop) {
  const size_t count = std::min(kPrompts, work.prompts.size());
  generate::Engine engine(model.decoder(), &model.text().tokenizer(), model.threads(),
                          model.engine_options(static_cast<int>(kPrompts)));
  std::vector<GreedyRow> rows(count);
  std::map<std::string, size_t> place;
  const int64_t positions = model.config().max_position_embeddings;
  for (size_t i = 0; i < count; ++i) {
    rollout::CompletionRequest request;
    request.id = fmt::format("canary {}", i);
    request.prompt_ids = work.prompts[i];
    request.sampling.temperature = 0;
    request.sampling.max_tokens = kTokens;
    const auto length = static_cast<int64_t>(request.prompt_ids.size());
    if (positions > 0)
      request.sampling.max_tokens =
          static_cast<int>(std::min<int64_t>(kTokens, positions - length));
    if (request.sampling.max_tokens < 1) continue;
    request.seed_key.name = request.id;
    request.stop_ids = model.text().stop_ids();
    request.want_logprobs = true;
    place[request.id] = i;
    engine.submit(std::move(request));
  }
  while (!place.empty()) {
    if (stop && stop->load()) throw model::Interrupted();
    for (rollout::GeneratorEvent& event : engine.poll(std::chrono::milliseconds(100))) {
      if (const auto* failure = std::get_if<rollout::Failure>(&event.what))
        throw Error("canary", failure->message);
      auto* completion = std::get_if<data::Completion>(&event.what);
      if (!completion) continue;
      const auto at = place.find(event.request_id);
      if (at == place.end()) continue;
      GreedyRow& row = rows[at->second];
      row.row.tokens = work.prompts[at->second];
      row.row.first_scored = static_cast<int64_t>(row.row.tokens.size());
      row.row.tokens.insert(row.row.tokens.end(), completion->token_ids->begin(),
                            completion->token_ids->end());
      row.logprobs = *completion->logprobs;
      place.erase(at);
    }
  }
  std::erase_if(rows, [](const GreedyRow& row) { return row.logprobs.empty(); });
  return rows;
}

// `other`: log-probabilities of the same tokens; empty for none.
fleet::Canary canary_of(const std::vector<GreedyRow>& rows,
                        const std::vector<generate::Score>& other,
                        const std::vector<int32_t>& stop_ids) {
  std::vector<std::tuple<double, size_t, size_t>> order;  // greatest difference first
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < rows[r].logprobs.size(); ++i) {
      const auto first = static_cast<size_t>(rows[r].row.first_scored);
      const int32_t token = rows[r].row.tokens[first + i];
      if (std::ranges::find(stop_ids, token) != stop_ids.end()) continue;
      const double theirs = other.empty() ? 0 : other[r].logprobs[i];
      order.emplace_back(-std::fabs(rows[r].logprobs[i] - theirs), r, i);
    }
  }
  std::sort(order.begin(), order.end());
  fleet::Canary canary;
  std::map<size_t, size_t> taken;
  for (const auto& [difference, r, i] : order) {
    if (canary.positions.size() == kPositions) break;
    if (taken[r] == kOfARow) continue;
    ++taken[r];
    const std::vector<int32_t>& tokens = rows[r].row.tokens;
    const auto at = rows[r].row.first_scored + static_cast<int64_t>(i);
    canary.positions.push_back({{tokens.begin(), tokens.begin() + at},
                                tokens[static_cast<size_t>(at)],
                                rows[r].logprobs[i],
                                other.empty() ? 0 : other[r].logprobs[i]});
  }
  return canary;
}

}  // namespace

std::vector<fleet::Canary> canaries_for(const CanaryWork& work, ThreadPool& threads,
                                        const std::atomic<bool>* stop) {
  std::vector<GreedyRow> rows;
  std::vector<int32_t> stop_ids;
  {
    generate::InferenceModel model(work.model.folder, threads, work.chat_template, work.precision);
    model.decoder().set_stop(stop);
    rows = greedy_rows(model, work, stop);
    stop_ids = model.text().stop_ids();
  }
  int32_t highest = 0;
  std::vector<generate::ScoreRow> to_score;
  for (const GreedyRow& row : rows) {
    highest = std::max(highest, *std::ranges::max_element(row.row.tokens));
    to_score.push_back(row.row);
  }
  std::vector<fleet::Canary> canaries;
  const auto add = [&](fleet::Canary canary, const std::string& other) {
    canary.model = work.model.name;
    canary.other = other;
    if (!canary.positions.empty()) canaries.push_back(std::move(canary));
  };
  for (const NamedModel& named : work.others) {
    generate::InferenceModel other(named.folder, threads, work.chat_template, work.precision);
    if (highest >= other.config().vocab_size) continue;
    other.decoder().set_stop(stop);
    add(canary_of(rows, generate::score_rows(other.decoder(), to_score), stop_ids), named.name);
  }
  if (canaries.empty()) add(canary_of(rows, {}, stop_ids), "");
  return canaries;
}

}  // namespace ponder::pipeline
