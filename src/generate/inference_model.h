// A checkpoint ready to sample and score: its text side and a decoder with its weights, which are
// held once, in the file's 2 or 4 bytes an element (in bf16 arithmetic in 2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "data/askable.h"
#include "data/model_text.h"
#include "generate/engine.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "rollout/rollout_request.h"

namespace ponder::generate {

// Whether the weights are read too: whoever samples elsewhere needs the text side alone.
enum class Weights { kLoad, kLeave };

// How problems are asked, and how their samples are drawn.
struct RolloutSpec {
  int samples = 1;  // of each problem
  data::SamplingSettings sampling;
  uint64_t seed = 1;
  std::string system;  // system turn, "" for the template's default
  bool raw = false;    // the bare question is continued: no chat template
  std::vector<std::string> stop_strings;
};

class InferenceModel {
 public:
  // Borrows the threads. Computes in the model's usual arithmetic unless another is given. Throws
  // Error for what load_checkpoint and ModelText refuse.
  InferenceModel(const std::filesystem::path& folder, ThreadPool& threads,
                 const tokenizer::TemplateChoice& choice = {},
                 std::optional<tensor::Precision> precision = {}, Weights weights = Weights::kLoad);

  const std::string& sha256() const { return sha256_; }
  const model::ModelConfig& config() const { return decoder_.config(); }
  tensor::Precision precision() const { return decoder_.precision(); }
  const data::ModelText& text() const { return text_; }
  model::Decoder& decoder() { return decoder_; }  // of Weights::kLoad
  ThreadPool& threads() { return *threads_; }
  // The samples of each problem, with stop ids and provenance filled in. Problems that cannot be
  // asked, or not with as many tokens as spec.sampling says, leave `problems` (keep_askable).
  std::vector<rollout::RolloutRequest> rollout_requests(std::vector<data::Problem>& problems,
                                                        const RolloutSpec& spec,
                                                        data::RowAccount& account) const;
  // That of a prompt made by text().
  rollout::RolloutRequest rollout_request(std::string problem_id, std::vector<int32_t> prompt_ids,
                                          const RolloutSpec& spec) const;
  // With provenance filled in.
  EngineOptions engine_options(int max_batch,
                               int64_t kv_cache_bytes = EngineOptions().kv_cache_bytes) const;

 private:
  InferenceModel(model::OpenCheckpoint checkpoint, const std::filesystem::path& folder,
                 ThreadPool& threads, const tokenizer::TemplateChoice& choice,
                 std::optional<tensor::Precision> precision, Weights weights);

  ThreadPool* threads_;
  std::string sha256_;
  data::ModelText text_;
  model::Decoder decoder_;
};

}  // namespace ponder::generate
