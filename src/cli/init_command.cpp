// ponder init: a randomly initialised checkpoint from a config.json.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "model/checkpoint.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct InitOptions {
  CommonOptions common;
  std::string config, tokenizer, out, dtype = "float32";
};

void run_init(const InitOptions& options) {
  const model::ModelConfig config = model::load_config(options.config);
  if (!options.tokenizer.empty()) {
    const int64_t num_tokens = tokenizer::Tokenizer::load(options.tokenizer).vocab_size();
    if (num_tokens > config.vocab_size) {
      throw Error(options.tokenizer,
                  fmt::format("has {} tokens, more than vocab_size {} of {}", num_tokens,
                              config.vocab_size, options.config),
                  "use the tokenizer that belongs to the config, or raise vocab_size");
    }
  }
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  monitor.info(fmt::format("initialising {} parameters with seed {}", config.num_parameters(),
                           options.common.seed));
  ThreadPool pool(options.common.threads);
  const tensor::DType dtype = *tensor::dtype_from_name(options.dtype);
  const std::string sha256 = model::init_checkpoint(options.config, options.tokenizer, options.out,
                                                    dtype, options.common.seed, &pool);
  if (options.common.json) {
    Json json = Json::object();
    json["out"] = options.out;
    json["architecture"] = config.architecture().class_name;
    json["parameters"] = config.num_parameters();
    json["dtype"] = tensor::config_name(dtype);
    json["sha256"] = sha256;
    print_json(json);
  } else {
    print("{}: {} parameters, {}, sha256 {}\n", options.out, config.num_parameters(),
          tensor::config_name(dtype), sha256);
  }
}

}  // namespace

void register_init(CLI::App& app) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* sub =
      app.add_subcommand("init", "a randomly initialised checkpoint from a config.json");
  sub->footer(
      "Example: ponder init --config config.json --tokenizer qwen2.5 --out tiny --dtype bfloat16 "
      "--seed 7");
  add_common_options(*sub, options->common);
  sub->add_option("--config", options->config,
                  "config.json of a qwen2, qwen3 or llama model, or a folder with one")
      ->required();
  sub->add_option("--tokenizer", options->tokenizer,
                  "folder whose tokenizer files are copied (default: none)");
  sub->add_option("--out", options->out, "checkpoint folder to write")->required();
  sub->add_option("--dtype", options->dtype, "float32 or bfloat16 (default: float32)")
      ->check(one_of({"float32", "bfloat16"}));
  sub->callback([options] { run_init(*options); });
}

}  // namespace ponder::cli
