// A checkpoint ready to sample and score: weights, decoder, tokenizer, chat template and end
// tokens. The weights are held once, in the file's 2 or 4 bytes an element.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "generate/engine.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "rollout/rollout_request.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/template_choice.h"
#include "tokenizer/tokenizer.h"

namespace ponder {

// How problems are asked, and how their samples are drawn.
struct RolloutSpec {
  int samples = 1;  // of each problem
  SamplingSettings sampling;
  uint64_t seed = 1;
  std::string system;  // system turn, "" for the template's default
  bool raw = false;    // the bare question is continued: no chat template
  std::vector<std::string> stop_strings;
};

class InferenceModel {
 public:
  // Borrows the pool. Throws Error for what load_checkpoint, Tokenizer::load and template_for
  // refuse, and for a tokenizer with more ids than the model has rows.
  InferenceModel(const std::filesystem::path& folder, ThreadPool& pool,
                 const TemplateChoice& choice = {});

  const std::string& sha256() const { return sha256_; }
  const ModelConfig& config() const { return decoder_.config(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate& chat() const { return chat_; }
  Decoder& decoder() { return decoder_; }
  ThreadPool& pool() { return *pool_; }
  // What ends a completion: the chat template's end of turn, and the end tokens of config and
  // tokenizer.
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }

  // The token of the chat template's end of turn: the last token of a response.
  int32_t end_of_turn_id() const { return end_of_turn_id_; }

  // The tokens of a question as the model is asked it: the chat template with a system turn unless
  // `system` is empty (the template may have its own default) and the generation prompt.
  std::vector<int32_t> prompt_ids(std::string_view question, std::string_view system = "") const;
  std::vector<int32_t> prompt_ids(const std::vector<Message>& messages) const;
  // The samples of a problem, with stop ids and provenance filled in.
  RolloutRequest rollout_request(const Problem& problem, const RolloutSpec& spec) const;
  // With provenance filled in.
  EngineOptions engine_options(int max_batch,
                               int64_t kv_cache_bytes = EngineOptions().kv_cache_bytes) const;

 private:
  InferenceModel(OpenCheckpoint checkpoint, const std::filesystem::path& folder, ThreadPool& pool,
                 const TemplateChoice& choice);

  ThreadPool* pool_;
  std::string sha256_;
  Tokenizer tokenizer_;
  ChatTemplate chat_;
  Decoder decoder_;
  int32_t end_of_turn_id_ = 0;
  std::vector<int32_t> stop_ids_;
};

}  // namespace ponder
