#include "generate/inference_model.h"

#include <utility>

namespace ponder::generate {

InferenceModel::InferenceModel(const std::filesystem::path& folder, ThreadPool& threads,
                               const tokenizer::TemplateChoice& choice,
                               std::optional<tensor::Precision> precision, Weights weights)
    : InferenceModel(model::open_checkpoint(folder), folder, threads, choice, precision, weights) {}

InferenceModel::InferenceModel(model::OpenCheckpoint checkpoint,
                               const std::filesystem::path& folder, ThreadPool& threads,
                               const tokenizer::TemplateChoice& choice,
                               std::optional<tensor::Precision> precision, Weights weights)
    : threads_(&threads),
      sha256_(std::move(checkpoint.sha256)),
      text_(folder, {choice, checkpoint.config.vocab_size, checkpoint.config.eos_token_ids}),
      decoder_(checkpoint.config, threads,
               precision.value_or(model::usual_precision(checkpoint.config))) {
  if (weights == Weights::kLoad) decoder_.load_weights(*checkpoint.weights);
}

std::vector<rollout::RolloutRequest> InferenceModel::rollout_requests(
    std::vector<data::Problem>& problems, const RolloutSpec& spec,
    data::RowAccount& account) const {
  auto prompts = data::keep_askable(text_, problems,
                                    {.system = spec.system,
                                     .raw = spec.raw,
                                     .max_tokens = spec.sampling.max_tokens,
                                     .max_positions = config().max_position_embeddings},
                                    account);
  std::vector<rollout::RolloutRequest> requests;
  for (size_t i = 0; i < problems.size(); ++i)
    requests.push_back(rollout_request(problems[i].id, std::move(prompts[i]), spec));
  return requests;
}

rollout::RolloutRequest InferenceModel::rollout_request(std::string problem_id,
                                                        std::vector<int32_t> prompt_ids,
                                                        const RolloutSpec& spec) const {
  rollout::RolloutRequest request;
  request.problem_id = std::move(problem_id);
  request.prompt_ids = std::move(prompt_ids);
  request.num_samples = spec.samples;
  request.sampling = spec.sampling;
  request.seed = spec.seed;
  request.stop_ids = text_.stop_ids();
  request.stop_strings = spec.stop_strings;
  if (!spec.raw) {
    request.response_prefix = text_.response_prefix();
    request.thinking = text_.thinking();
  }
  request.template_sha256 = text_.chat().sha256();
  return request;
}

EngineOptions InferenceModel::engine_options(int max_batch, int64_t kv_cache_bytes) const {
  EngineOptions options;
  options.max_batch = max_batch;
  options.kv_cache_bytes = kv_cache_bytes;
  options.model_sha256 = sha256_;
  return options;
}

}  // namespace ponder::generate
