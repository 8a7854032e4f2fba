// What a server says of its model, and what it needs to read requests for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/model_text.h"
#include "data/rows.h"
#include "tensor/precision.h"

namespace ponder::serve {

enum class ReasoningFormat {
  kBoth,  // the thought in reasoning_content and reasoning
  kOne,   // in reasoning_content alone
  kNone,  // with its tags in the content
};

struct ServedModel {
  const data::ModelText* text = nullptr;
  std::string sha256;  // of the weights
  std::vector<std::string> aliases;
  bool any_name = false;      // requests may name any model
  int64_t created = 0;        // seconds since 1970
  int64_t max_model_len = 0;  // tokens of a prompt and its completion together
  tensor::Precision precision = tensor::Precision::kF32;
  // Where a request says nothing.
  data::SamplingSettings defaults;
  ReasoningFormat reasoning = ReasoningFormat::kBoth;
  bool strict = false;  // refuses fields that it does not know

  std::string id() const { return "ponder-" + sha256.substr(0, 16); }
  // What computed an answer: "ponder-0.1.0-<sha16>", behind it "-bf16" where the arithmetic is that. A
  // fleet holds the end of it against what it asked for.
  std::string fingerprint() const;
  bool is_named(std::string_view name) const;
};

// The bodies of GET /v1/models, /v1/models/{id}, /tokenizer_info, /props.
Json model_list(const ServedModel& model);
Json model_entry(const ServedModel& model, std::string_view name);
Json tokenizer_info(const ServedModel& model);
Json properties(const ServedModel& model, int max_batch);

}  // namespace ponder::serve
