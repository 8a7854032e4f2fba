#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/stop_signals.h"
#include "dash/server.h"

namespace ponder::cli {
namespace {

struct DashOptions {
  CommonOptions common;
  std::vector<std::string> places, host_names;
  std::string host = "127.0.0.1", key_env;
  uint16_t port = 0;
};

void dash(const DashOptions& options) {
  dash::ServerOptions serve;
  serve.address = options.host;
  serve.port = options.port;
  serve.host_names = options.host_names;
  if (options.key_env.empty()) {
    if (options.host != "127.0.0.1" && options.host != "localhost" && options.host != "::1") {
      throw Error(ErrorKind::kUsage, "--host " + options.host,
                  "whoever reaches this address could read the runs",
                  "give a key of your own with --key-env NAME");
    }
    serve.key = dash::random_key();
  } else {
    const char* key = std::getenv(options.key_env.c_str());
    if (!key || std::string_view(key).size() < 8) {
      throw Error(ErrorKind::kUsage, "--key-env " + options.key_env,
                  "expected an environment variable with a key of at least 8 characters");
    }
    serve.key = key;
  }
  // Runs are looked at, not held up: where processors are short, theirs is the time.
  ::setpriority(PRIO_PROCESS, 0, std::max(10, ::getpriority(PRIO_PROCESS, 0)));
  const std::atomic<bool>* stop = stop_flag();
  const dash::Server server({options.places.begin(), options.places.end()}, serve);
  if (options.common.json) {
    print_json({{"url", server.url()}, {"port", server.port()}, {"runs", server.runs()}});
  } else {
    print("{}\n", server.url());
    if (!options.common.quiet)
      print("{} runs: {}; Ctrl-C ends it\n", server.runs().size(), fmt::join(server.runs(), ", "));
  }
  std::fflush(stdout);
  while (!*stop) std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

}  // namespace

void register_dash(CLI::App& app) {
  auto options = std::make_shared<DashOptions>();
  CLI::App* command = app.add_subcommand(
      "dash", "runs in a browser while they run: prints the address to open; only reads");
  command->add_option("runs", options->places, "run directories, or folders that hold some")
      ->required();
  command->add_option("--host", options->host,
                      "address to listen at (default: 127.0.0.1, this machine alone)");
  add_number_option(*command, "--port", options->port, 0, 65535,
                    "port (default: one that is free)");
  command->add_option("--host-name", options->host_names,
                      "a name that browsers may use for this machine (repeatable)");
  command->add_option("--key-env", options->key_env,
                      "environment variable that holds the key; without it a new one each time");
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n  ponder dash runs\n  ponder dash runs/quickstart runs/longest --port 8322");
  command->callback([options] { dash(*options); });
}

}  // namespace ponder::cli
