// A trained Hugging Face folder on its way into a run: is it whole, is it the model that was trained,
// does it read and write text as the model it began with?
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/model_text.h"
#include "data/token_rows.h"
#include "model/config.h"
#include "model/decoder.h"

namespace ponder::trainers {

// Throws Error where `trained` (a folder) has another shape, or a tokenizer or chat template that
// gives other ids or another text than those of `start`; files that it lacks are no fault, since a
// run keeps those of the start.
void require_same_text(const std::filesystem::path& trained, const model::ModelConfig& start,
                       const data::ModelText& text);

// The trainer's own log-probabilities of rows under the weights it had in memory (kProbeFile):
// [{"row": 3, "logprobs": [...]}, …]. Nothing where the file is absent. Throws Error for a file of
// another form.
struct ProbeRow {
  int64_t row = 0;
  std::vector<float> logprobs;
};
std::optional<std::vector<ProbeRow>> read_probe(const std::filesystem::path& file);

// The mean and the greatest distance of two lists of log-probabilities. Throws Error where their
// lengths differ.
struct Distance {
  double mean = 0, greatest = 0;
};
Distance distance(const std::vector<float>& a, const std::vector<float>& b,
                  const std::string& where);

}  // namespace ponder::trainers
