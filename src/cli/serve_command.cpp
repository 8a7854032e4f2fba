// ponder serve: the OpenAI API of a model.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/sampling_flags.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "generate/sampling_defaults.h"
#include "serve/served_model.h"
#include "serve/server.h"

namespace ponder::cli {
namespace {

constexpr int kUsualPort = 8321;

struct ServeOptions {
  CommonOptions common;
  std::string model, address = "127.0.0.1", api_key_env, reasoning = "both";
  int port = kUsualPort;
  std::vector<std::string> aliases, host_names;
  bool seeded = false, no_key = false, any_model = false, strict = false;
  int max_batch = 64, max_queue = 256, drain_seconds = 30;
  uint64_t kv_cache_bytes = uint64_t{2} << 30;
  tokenizer::TemplateChoice chat_template;
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
};

// The key, which stands nowhere but in the environment.
std::string key_of(const std::string& name) {
  if (name.empty()) return "";
  const char* const key = std::getenv(name.c_str());
  if (!key || *key == '\0')
    throw Error(
        ErrorKind::kUsage, "--api-key-env",
        fmt::format("there is no environment variable {}", name),
        fmt::format("export {}=KEY first; the key itself never stands on a command line", name));
  return key;
}

serve::ReasoningFormat reasoning_of(const std::string& name) {
  if (name == "one") return serve::ReasoningFormat::kOne;
  return name == "none" ? serve::ReasoningFormat::kNone : serve::ReasoningFormat::kBoth;
}

void run_serve(const ServeOptions& options) {
  serve::ServerOptions settings;
  settings.listen.api_key = key_of(options.api_key_env);
  settings.listen.address = options.address;
  settings.listen.port = static_cast<uint16_t>(options.port);
  settings.listen.host_names = options.host_names;
  settings.listen.allow_no_key = options.no_key;
  settings.max_batch = options.max_batch;
  settings.max_queue = options.max_queue;
  settings.kv_cache_bytes = static_cast<int64_t>(options.kv_cache_bytes);
  settings.aliases = options.aliases;
  settings.any_name = options.any_model;
  settings.strict = options.strict;
  if (options.seeded) settings.seed = options.common.seed;
  settings.reasoning = reasoning_of(options.reasoning);
  settings.defaults = generate::as_the_model_asks(options.model, {});
  const TerminalMonitor::Level level =
      options.common.quiet ? TerminalMonitor::Level::kQuiet : TerminalMonitor::Level::kInfo;
  TerminalMonitor monitor(level);
  std::mutex monitor_mutex;
  settings.log = [&](const std::string& line) {
    const std::lock_guard lock(monitor_mutex);
    monitor.info(line);
  };
  const std::atomic<bool>* const stop = stop_flag();
  ThreadPool threads(options.common.threads);
  generate::InferenceModel model(options.model, threads, options.chat_template, options.precision);
  serve::Server server(model, std::move(settings));
  if (options.common.json) {
    print_json({{"url", server.url()},
                {"port", server.port()},
                {"model", server.model().id()},
                {"model_sha256", server.model().sha256},
                {"max_model_len", server.model().max_model_len}});
  } else {
    print("{} at {}/v1\n", server.model().id(), server.url());
  }
  std::fflush(stdout);
  while (!*stop) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (!server.drain(std::chrono::seconds(options.drain_seconds))) {
    const std::lock_guard lock(monitor_mutex);
    monitor.warning("requests were cut off: they took longer than --drain");
  }
}

}  // namespace

void register_serve(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand(
      "serve", "answer the OpenAI API with a model, until a signal ends it (docs/serve.md)");
  command->add_option("DIR", options->model, "checkpoint folder")->required();
  command->add_option("--host", options->address,
                      "address to listen on (default: 127.0.0.1); another needs a key");
  add_number_option(*command, "--port", options->port, 0, 65535,
                    "port to listen on, 0 for any that is free (default: 8321)");
  command->add_option("--api-key-env", options->api_key_env,
                      "name of the environment variable that holds the key to ask of clients");
  command->add_flag("--no-key-i-know", options->no_key,
                    "let every machine that reaches the address ask without a key");
  command->add_option(
      "--host-name", options->host_names,
      "a further name that clients call this machine by; may be given several times");
  command->add_option("--alias", options->aliases,
                      "a further name of the model; may be given several times");
  command->add_flag("--any-model", options->any_model, "answer whatever model a request names");
  command->add_flag("--strict", options->strict,
                    "refuse fields of requests that are unknown here, which are ignored otherwise");
  command
      ->add_option(
          "--reasoning-format", options->reasoning,
          "where the thought goes: reasoning_content and reasoning (both, the default), the "
          "first of them (one), with its tags into the content (none)")
      ->check(CLI::IsMember({"both", "one", "none"}));
  add_number_option(*command, "--max-batch", options->max_batch, 1, 100000,
                    "completions at once (default: 64)");
  add_number_option(*command, "--max-queue", options->max_queue, 0, 1000000,
                    "completions that may wait for a place; beyond, clients are told to try again "
                    "(default: 256)");
  command
      ->add_option("--kv-cache-bytes", options->kv_cache_bytes,
                   "memory for keys and values (default: 2GiB)")
      ->transform(byte_size(1, uint64_t{1} << 50));
  add_number_option(*command, "--drain", options->drain_seconds, 0, 86400,
                    "seconds that running requests may take once a signal has come (default: 30)");
  add_template_options(*command, options->chat_template);
  add_thinking_option(*command, options->chat_template);
  add_precision_option(*command, options->precision);
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  ponder serve models/nano-base --alias nano\n"
      "  curl http://127.0.0.1:8321/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"model\": \"nano\", \"messages\": [{\"role\": \"user\", \"content\": \"Compute "
      "7+8*3.\"}]}'");
  command->get_option("--seed")->description(
      "of the seeds of requests that give none (default: of the machine)");
  command->callback([options, command] {
    options->seeded = command->count("--seed") > 0;
    run_serve(*options);
  });
}

}  // namespace ponder::cli
