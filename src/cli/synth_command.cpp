#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "synth/synth.h"

namespace ponder::cli {

namespace {

struct SynthCommand {
  CommonOptions common;
  std::vector<std::string> domains;
  std::string level = "1";
  std::string split = "train";
  std::string out;
  uint64_t count = 0;
  bool demonstrations = false;
  bool direct = false;
};

int parse_level(std::string_view text) {
  int level = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (fault != std::errc() || end != text.data() + text.size()) {
    throw Error("--level", "expected a level such as 3, or a range such as 3-5, found \"" +
                               excerpt(text) + "\"");
  }
  return level;
}

void run_synth(const SynthCommand& command) {
  synth::SynthOptions options;
  options.domains.clear();
  for (const std::string& domain : command.domains) {
    options.domains.push_back(synth::domain_from_string(domain));
  }
  const size_t dash = command.level.find('-');
  options.lowest_level = parse_level(command.level.substr(0, dash));
  options.highest_level = dash == std::string::npos ? options.lowest_level
                                                    : parse_level(command.level.substr(dash + 1));
  options.split = synth::split_from_string(command.split);
  options.seed = command.common.seed;
  synth::SynthStream stream(std::move(options));

  LineOutput output(command.out);
  for (uint64_t i = 0; i < command.count; ++i) {
    const synth::SynthRow row = stream.next();
    Json json = to_json(row.problem);
    if (command.demonstrations || command.direct) {
      json["thought"] = command.direct ? "" : row.thought;
      json["solution"] = row.solution;
    }
    output.write(dump_json(json));
  }
  output.close();
}

}  // namespace

void register_synth(CLI::App& app) {
  auto command = std::make_shared<SynthCommand>();
  CLI::App* sub =
      app.add_subcommand("synth", "problems and demonstrations of the built-in synthetic domains");
  sub->footer(
      "Example: ponder synth --domain arithmetic,target --level 4-5 --count 500 --split test --out "
      "hard.jsonl");
  add_common_options(*sub, command->common);
  sub->add_option("--domain", command->domains,
                  "arithmetic, target, choice or facts; several, separated by commas, take turns")
      ->delimiter(',')
      ->required();
  sub->add_option("--level", command->level,
                  "1 to 5, or a range such as 3-5 whose levels take turns (default: 1)");
  sub->add_option("--count", command->count, "rows to make")->required();
  sub->add_option("--split", command->split, "train or test (default: train)")
      ->check(CLI::IsMember({"train", "test"}));
  auto* demonstrations = sub->add_flag("--demonstrations", command->demonstrations,
                                       "with the teacher's thought and solution");
  sub->add_flag("--direct", command->direct, "with the bare solution, without a thought")
      ->excludes(demonstrations);
  sub->add_option("--out", command->out, "file to write (default: standard output)");
  sub->callback([command] { run_synth(*command); });
}

}  // namespace ponder::cli
