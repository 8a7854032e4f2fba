#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/number_option.h"
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

struct Levels {
  int lowest = 0, highest = 0;
};

// "3" or "3-5"; nothing for anything else.
std::optional<Levels> parse_levels(std::string_view text) {
  const auto digit = [](char c) { return c >= '1' && c <= '5'; };
  if (text.size() == 1 && digit(text[0])) return Levels{text[0] - '0', text[0] - '0'};
  if (text.size() == 3 && digit(text[0]) && text[1] == '-' && digit(text[2]) &&
      text[0] <= text[2]) {
    return Levels{text[0] - '0', text[2] - '0'};
  }
  return std::nullopt;
}

std::string check_levels(const std::string& text) {
  if (parse_levels(text)) return "";
  return "expected a level from 1 to 5, or a range such as 3-5, found \"" + excerpt(text) + "\"";
}

void run_synth(const SynthCommand& command) {
  synth::SynthOptions options;
  options.domains.clear();
  for (const std::string& domain : command.domains) {
    options.domains.push_back(synth::domain_from_string(domain));
  }
  const Levels levels = parse_levels(command.level).value();
  options.lowest_level = levels.lowest;
  options.highest_level = levels.highest;
  options.split = synth::split_from_string(command.split);
  options.seed = command.common.seed;
  synth::SynthStream stream(std::move(options));

  LineOutput output(command.out, {});
  for (uint64_t i = 0; i < command.count; ++i) {
    const synth::SynthRow row = stream.next();
    Json json = data::to_json(row.problem);
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
                  "arithmetic, target, choice, story, plain, carry or facts; several, separated by "
                  "commas, take turns")
      ->delimiter(',')
      ->check(one_of(synth::domain_names()))
      ->required();
  sub->add_option("--level", command->level,
                  "1 to 5, or a range such as 3-5 whose levels take turns (default: 1)")
      ->check(CLI::Validator(check_levels, ""));
  add_number_option(*sub, "--count", command->count, 1, 1'000'000'000, "rows to make")->required();
  sub->add_option("--split", command->split, "train or test (default: train)")
      ->check(one_of({"train", "test"}));
  auto* demonstrations = sub->add_flag("--demonstrations", command->demonstrations,
                                       "with the teacher's thought and solution");
  sub->add_flag("--direct", command->direct, "with the bare solution, without a thought")
      ->excludes(demonstrations);
  sub->add_option("--out", command->out, "file to write (default: standard output)");
  sub->callback([command] { run_synth(*command); });
}

}  // namespace ponder::cli
