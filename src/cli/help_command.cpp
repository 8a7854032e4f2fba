// ponder help and ponder version: what --help and --version say, as commands.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/version.h"
#include "cli/build.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/usage_error.h"

namespace ponder::cli {
namespace {

void print_help(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* command = &root;
  std::string before;
  for (const std::string& word : words) {
    const std::vector<const CLI::App*> all = command->get_subcommands(
        [&](const CLI::App* sub) { return sub->get_name() == word && !word.empty(); });
    if (all.empty()) throw Error(ErrorKind::kUsage, "help", unknown_command(*command, word));
    before += (before.empty() ? "" : " ") + command->get_name();
    command = all[0];
  }
  // Asked of the root, it would be the help of this command.
  const std::string text =
      command == &root
          ? root.get_formatter()->make_help(&root, root.get_name(), CLI::AppFormatMode::Normal)
          : command->help(before);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void register_help(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("help", "what a command does, with examples");
  command->add_option("COMMAND", *words, "a command, e.g. sft or pool export; none: all of them");
  command->footer("Example:\n  ponder help pool export");
  command->callback([&app, words] { print_help(app, *words); });
}

void register_version(CLI::App& app) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app.add_subcommand("version", "which ponder this is");
  add_common_options(*command, *options);
  command->footer("Example:\n  ponder version --json");
  command->callback([options] {
    if (options->json) {
      print_json({{"version", version()},
                  {"commit", build_commit()},
                  {"compiler", build_compiler()},
                  {"simd", simd_name()}});
    } else {
      print("{}\n", version());
    }
  });
}

}  // namespace ponder::cli
