// The model card: README.md of a trained checkpoint, in the form Hugging Face expects. It is a pure
// function of ponder.json and the scores, without dates or places, so the same job writes the same
// bytes.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"

namespace ponder::train {

// What a card says of the model that training started from: {"name", "sha256"} and, where the front
// matter of its own card has them, "license", "license_name", "license_link".
Json base_facts(const std::filesystem::path& folder, const std::string& sha256);

// `manifest`: ponder.json; of its keys these are shown where they are there: model (a name), base,
// ponder (version), training, steps_done, num_steps, chat_template, max_length, sources ([{source,
// rows, kept, duplicates, rejected}]), command, recipe_toml, template_sha256, sha256. `scores`:
// objects with benchmark, n, samples, accuracy, interval_95, finished, format_failures.
std::string model_card(const Json& manifest, const Json& scores = Json::array());

// Writes README.md into a checkpoint folder, atomically, from its ponder.json. Weights and
// ponder.json stay as they are.
void write_model_card(const std::filesystem::path& folder, const Json& scores = Json::array());

// Keeps the base's own card as README.base.md, byte for byte: README.base.md of `from` if it has
// one (the card of the model all training began with), else its README.md, else nothing.
void keep_base_card(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ponder::train
