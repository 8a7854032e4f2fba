// What a checkpoint's generation_config.json asks of a sampler. vLLM and transformers sample so unless
// told otherwise; ponder samples as its recipe or flags say, and says so.
#pragma once

#include <filesystem>
#include <string>

#include "data/rows.h"

namespace ponder::generate {

// "temperature 0.7, top_p 0.8, top_k 20, repetition_penalty 1.05": the settings of the folder's
// generation_config.json that change what is sampled; "" where there are none, or no such file, or it
// cannot be read.
std::string sampling_defaults_of(const std::filesystem::path& folder);
// The sentence that says they are not used; "" where there are none.
std::string sampling_defaults_unused(const std::filesystem::path& folder);

// `settings` with the temperature, top_p and top_k that the folder asks for, where it does and they
// are in range: for somebody who talks to a model as it is meant.
data::SamplingSettings as_the_model_asks(const std::filesystem::path& folder,
                                         data::SamplingSettings settings);

}  // namespace ponder::generate
