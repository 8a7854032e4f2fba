// ponder inspect: what a checkpoint folder holds, and every problem found in it.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "model/checkpoint.h"
#include "tokenizer/template_choice.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct InspectOptions {
  CommonOptions common;
  std::string folder;
};

// The tokenizer is optional for a look at the weights, so its faults are problems of the
// checkpoint, not of the command. Returns the name of its chat template; empty where there is none.
std::string inspect_tokenizer(const std::string& folder, model::Inspection& inspection) {
  const std::filesystem::path path(folder);
  if (!std::filesystem::exists(path / "tokenizer.json") &&
      !std::filesystem::exists(path / "tokenizer.json.gz"))
    return "";
  try {
    const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(path);
    if (!inspection.architecture.empty() && tokenizer.vocab_size() > inspection.config.vocab_size) {
      inspection.problems.push_back(
          fmt::format("{}: the tokenizer has {} tokens, more than the model's vocab_size {}",
                      folder, tokenizer.vocab_size(), inspection.config.vocab_size));
    }
    return tokenizer::template_for(path, tokenizer, {}).name();
  } catch (const Error& error) {
    inspection.problems.push_back(error.what());
    return "";
  }
}

void print_inspection(const std::string& folder, const model::Inspection& inspection,
                      const std::string& chat_template) {
  const auto line = [](const char* name, const std::string& value) {
    print("{:<14}{}\n", name, value);
  };
  line("folder", folder);
  line("architecture", inspection.architecture.empty() ? "unknown" : inspection.architecture);
  line("parameters", fmt::format("{}", inspection.parameters));
  line("dtype", inspection.dtype.empty() ? "unknown" : inspection.dtype);
  if (!inspection.architecture.empty()) {
    const model::ModelConfig& c = inspection.config;
    line("layers", fmt::format("{} of width {}, {} query heads, {} key-value heads of {}",
                               c.num_hidden_layers, c.hidden_size, c.num_attention_heads,
                               c.num_key_value_heads, c.head_dim));
    line("vocabulary",
         fmt::format("{}{}", c.vocab_size, c.tie_word_embeddings ? ", embeddings tied" : ""));
    line("context", fmt::format("{} tokens", c.max_position_embeddings));
  }
  if (!chat_template.empty()) line("chat template", chat_template);
  for (const std::string& file : inspection.files) line("weights", file);
  line("sha256", inspection.sha256.empty() ? "unknown" : inspection.sha256);
  if (inspection.problems.empty()) line("problems", "none");
  for (const std::string& problem : inspection.problems) line("problem", problem);
}

void print_json_of(const model::Inspection& inspection, const std::string& chat_template) {
  Json json = Json::object();
  json["architecture"] = inspection.architecture;
  json["parameters"] = inspection.parameters;
  json["sha256"] = inspection.sha256;
  json["dtype"] = inspection.dtype;
  json["files"] = inspection.files;
  json["chat_template"] = chat_template.empty() ? Json() : Json(chat_template);
  json["problems"] = inspection.problems;
  print_json(json);
}

void run_inspect(const InspectOptions& options) {
  model::Inspection inspection = model::inspect_checkpoint(options.folder, true);
  const std::string chat_template = inspect_tokenizer(options.folder, inspection);
  options.common.json ? print_json_of(inspection, chat_template)
                      : print_inspection(options.folder, inspection, chat_template);
  const size_t count = inspection.problems.size();
  if (count == 0) return;
  throw Error(options.folder, fmt::format("{} problem{} found", count, count == 1 ? "" : "s"));
}

}  // namespace

void register_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* sub =
      app.add_subcommand("inspect", "what a checkpoint is, parameters, hashes, problems found");
  sub->footer("Example: ponder inspect models/nano-base --json");
  add_common_options(*sub, options->common);
  sub->add_option("DIR", options->folder, "checkpoint folder")->required();
  sub->callback([options] { run_inspect(*options); });
}

}  // namespace ponder::cli
