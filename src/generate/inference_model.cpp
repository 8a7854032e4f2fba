#include "generate/inference_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder {

InferenceModel::InferenceModel(const std::filesystem::path& folder, ThreadPool& pool,
                               const TemplateChoice& choice)
    : InferenceModel(open_checkpoint(folder), folder, pool, choice) {}

InferenceModel::InferenceModel(OpenCheckpoint checkpoint, const std::filesystem::path& folder,
                               ThreadPool& pool, const TemplateChoice& choice)
    : pool_(&pool),
      sha256_(std::move(checkpoint.sha256)),
      tokenizer_(Tokenizer::load(folder)),
      chat_(template_for(folder, tokenizer_, choice)),
      decoder_(checkpoint.config, pool) {
  if (tokenizer_.vocab_size() > checkpoint.config.vocab_size) {
    throw Error(folder.string(),
                fmt::format("its tokenizer has {} ids, its model only {} rows",
                            tokenizer_.vocab_size(), checkpoint.config.vocab_size),
                "use the tokenizer the model was trained with");
  }
  decoder_.load_weights(*checkpoint.weights);
  const auto add = [&](int32_t id) {
    if (std::find(stop_ids_.begin(), stop_ids_.end(), id) == stop_ids_.end())
      stop_ids_.push_back(id);
  };
  const auto end_of_turn = tokenizer_.token_id(chat_.end_of_turn());
  if (!end_of_turn) {
    throw Error(folder.string(),
                fmt::format("its vocabulary lacks {}, which ends a turn", chat_.end_of_turn()));
  }
  end_of_turn_id_ = *end_of_turn;
  add(end_of_turn_id_);
  for (const int32_t id : checkpoint.config.eos_token_ids) add(id);
  if (const auto id = tokenizer_.eos_token_id()) add(*id);
}

std::vector<int32_t> InferenceModel::prompt_ids(std::string_view question,
                                                std::string_view system) const {
  std::vector<Message> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", std::string(question)});
  return prompt_ids(messages);
}

std::vector<int32_t> InferenceModel::prompt_ids(const std::vector<Message>& messages) const {
  return tokenizer_.encode(chat_.render(messages, true));
}

RolloutRequest InferenceModel::rollout_request(const Problem& problem,
                                               const RolloutSpec& spec) const {
  RolloutRequest request;
  request.problem_id = problem.id;
  request.prompt_ids =
      spec.raw ? tokenizer_.encode(problem.question) : prompt_ids(problem.question, spec.system);
  request.num_samples = spec.samples;
  request.sampling = spec.sampling;
  request.seed = spec.seed;
  request.stop_ids = stop_ids_;
  request.stop_strings = spec.stop_strings;
  if (!spec.raw) request.response_prefix = chat_.opened_thought();
  request.template_sha256 = chat_.sha256();
  return request;
}

EngineOptions InferenceModel::engine_options(int max_batch, int64_t kv_cache_bytes) const {
  EngineOptions options;
  options.max_batch = max_batch;
  options.kv_cache_bytes = kv_cache_bytes;
  options.model_sha256 = sha256_;
  return options;
}

}  // namespace ponder
