#include "generate/inference_model.h"

namespace ponder::generate {

InferenceModel::InferenceModel(const std::filesystem::path& folder, ThreadPool& threads,
                               const tokenizer::TemplateChoice& choice)
    : InferenceModel(model::open_checkpoint(folder), folder, threads, choice) {}

InferenceModel::InferenceModel(model::OpenCheckpoint checkpoint,
                               const std::filesystem::path& folder, ThreadPool& threads,
                               const tokenizer::TemplateChoice& choice)
    : threads_(&threads),
      sha256_(std::move(checkpoint.sha256)),
      text_(folder, {choice, checkpoint.config.vocab_size, checkpoint.config.eos_token_ids}),
      decoder_(checkpoint.config, threads) {
  decoder_.load_weights(*checkpoint.weights);
}

rollout::RolloutRequest InferenceModel::rollout_request(const data::Problem& problem,
                                                        const RolloutSpec& spec) const {
  rollout::RolloutRequest request;
  request.problem_id = problem.id;
  request.prompt_ids = spec.raw ? text_.tokenizer().encode(problem.question)
                                : text_.prompt_ids(problem.question, spec.system);
  request.num_samples = spec.samples;
  request.sampling = spec.sampling;
  request.seed = spec.seed;
  request.stop_ids = text_.stop_ids();
  request.stop_strings = spec.stop_strings;
  if (!spec.raw) request.response_prefix = text_.chat().response_prefix();
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
