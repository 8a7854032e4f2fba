#include "cli/usage_error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/foreign_names.h"
#include "base/text.h"
#include "pipeline/key_homes.h"

namespace ponder::cli {
namespace {

// The command as far as it was understood: "ponder data", and its App.
struct Given {
  const CLI::App* command;
  std::string words;
  bool top() const { return command->get_parent() == nullptr; }
};

Given given_of(const CLI::App& app) {
  Given given{&app, app.get_name()};
  for (;;) {
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : given.command->get_subcommands()) {
      if (!sub->get_name().empty()) next = sub;  // those without a name are groups of options
    }
    if (!next) return given;
    given = {next, given.words + " " + next->get_name()};
  }
}

// A command's options, those of its groups too.
std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  std::vector<const CLI::Option*> options = command.get_options();
  for (const CLI::App* group : command.get_subcommands(nullptr)) {
    if (!group->get_name().empty()) continue;
    const std::vector<const CLI::Option*> more = group->get_options();
    options.insert(options.end(), more.begin(), more.end());
  }
  return options;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : options_of(command)) {
    for (const std::string& name : option->get_lnames()) flags.push_back(name);
  }
  return flags;
}

std::vector<std::string> commands_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands(nullptr)) {
    if (!sub->get_name().empty()) names.push_back(sub->get_name());
  }
  return names;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string nearest_of(std::string_view word, const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  return nearest(word, views.data(), views.size());
}

struct Meant {
  std::string word;  // ours, "" if there is none here
  std::string note;
};

// What a word was likely to be, of the `ours` that are known here.
Meant meant_by(std::string_view word, std::span<const ForeignName> table,
               const std::vector<std::string>& ours) {
  const std::string plain = plain_name(word);
  if (has(ours, plain)) return {plain, ""};
  if (const ForeignName* foreign = find_foreign(table, plain)) {
    std::string_view names = foreign->ours;
    while (!names.empty()) {
      const std::string_view name = names.substr(0, names.find(','));
      if (has(ours, name)) return {std::string(name), ""};
      names.remove_prefix(std::min(names.size(), name.size() + 1));
    }
    if (!foreign->note.empty()) return {"", std::string(foreign->note)};
  }
  return {nearest_of(plain, ours), ""};
}

// The first example of a command's help, "" where it shows none.
std::string example_of(const CLI::App& command) {
  for (std::string text = command.get_footer(); !text.empty();) {
    const std::string line = text.substr(0, text.find('\n'));
    text.erase(0, line.size() + 1);
    const size_t at = line.find("ponder ");
    if (at != std::string::npos) return line.substr(at);
  }
  return "";
}

std::string says_more(const Given& given) {
  return fmt::format("{} --help says more", given.words);
}

// The key of a recipe that a flag is, or another program's name of: "sft.lr". "" if none is.
std::string recipe_key(std::string_view flag) {
  std::string key = plain_name(flag);
  const ForeignName* foreign = find_foreign(foreign_flags(), key);
  const auto home = [](std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return pipeline::home_of_key(name);
  };
  if (std::string here = home(key); !here.empty() || !foreign) return here;
  return home(std::string(foreign->ours.substr(0, foreign->ours.find(','))));
}

std::string about_flag(const Given& given, const std::string& word) {
  const size_t equals = word.find('=');
  const std::string flag = word.substr(0, equals);
  const std::vector<std::string> flags = flags_of(*given.command);
  const Meant meant = meant_by(flag, foreign_flags(), flags);
  std::string text = fmt::format("{} is no flag of {}", excerpt(flag), given.words);
  if (has(flags, "set")) {
    if (const std::string key = recipe_key(flag); !key.empty())
      return text +
             fmt::format("; a recipe's keys are set so: --set {}={}", key,
                         equals == std::string::npos ? "…" : excerpt(word.substr(equals + 1)));
  }
  if (!meant.word.empty()) return text + fmt::format("; did you mean --{}?", meant.word);
  if (!meant.note.empty()) return text + "; " + meant.note;
  return text + "; " + says_more(given);
}

// The flag that a word without one was likely for: the first that is missing.
std::string missing_flag(const CLI::App& command) {
  for (const CLI::Option* option : options_of(command)) {
    if (option->get_required() && option->count() == 0 && !option->get_lnames().empty())
      return option->get_lnames()[0];
  }
  return "";
}

Meant command_meant(const CLI::App& parent, const std::string& word) {
  const bool top = parent.get_parent() == nullptr;
  return meant_by(word, top ? foreign_commands() : std::span<const ForeignName>(),
                  commands_of(parent));
}

std::string about_word(const Given& given, const std::string& word) {
  if (given.command->get_require_subcommand_min() > 0 ||
      !command_meant(*given.command, word).word.empty())
    return unknown_command(*given.command, word);
  const std::string text =
      fmt::format("\"{}\" is an argument too many for {}", excerpt(word), given.words);
  const std::vector<std::string> flags = flags_of(*given.command);
  if (const size_t equals = word.find('='); equals != std::string::npos && equals > 0) {
    if (has(flags, "set")) {
      const std::string key = recipe_key(word.substr(0, equals));
      return text + fmt::format("; did you mean --set {}{}?",
                                key.empty() ? excerpt(word.substr(0, equals)) : key,
                                excerpt(word.substr(equals)));
    }
    const Meant flag = meant_by(word.substr(0, equals), foreign_flags(), flags);
    if (!flag.word.empty())
      return text +
             fmt::format("; did you mean --{} {}?", flag.word, excerpt(word.substr(equals + 1)));
  }
  if (const std::string flag = missing_flag(*given.command); !flag.empty())
    return text + fmt::format("; did you mean --{} {}?", flag, excerpt(word));
  return text + "; " + says_more(given);
}

}  // namespace

std::string unknown_command(const CLI::App& parent, const std::string& word) {
  const bool top = parent.get_parent() == nullptr;
  const std::vector<std::string> commands = commands_of(parent);
  const Meant meant = command_meant(parent, word);
  const std::string text = fmt::format(
      "\"{}\" is no command{}", excerpt(word),
      top ? "" : fmt::format(" of {} {}", parent.get_parent()->get_name(), parent.get_name()));
  if (!meant.word.empty()) return text + fmt::format("; did you mean {}?", meant.word);
  if (!meant.note.empty()) return text + "; " + meant.note;
  if (top) return text + fmt::format("; {} --help lists them", parent.get_name());
  if (commands.empty()) return text + "; it has none of its own";
  return text + fmt::format("; it has {}", fmt::join(commands, ", "));
}

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const Given given = given_of(app);
  // An unknown word comes first: what is missing may be what it was meant to be. Values are looked at
  // later than words.
  const bool value = dynamic_cast<const CLI::ConversionError*>(&error) != nullptr ||
                     dynamic_cast<const CLI::ValidationError*>(&error) != nullptr;
  const std::vector<std::string> rest = app.remaining(true);
  const auto is_flag = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  const auto flag = std::find_if(rest.begin(), rest.end(), is_flag);
  const auto word = std::find_if_not(rest.begin(), rest.end(), is_flag);
  // Flags are those of a command that is not known.
  if (!value && word != rest.end() && given.command->get_require_subcommand_min() > 0)
    return about_word(given, *word);
  if (!value && flag != rest.end()) return about_flag(given, *flag);
  if (!value && word != rest.end()) return about_word(given, *word);
  std::string text = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    const std::vector<std::string> commands = commands_of(*given.command);
    if (given.command->get_require_subcommand_min() > 0 && given.command->get_subcommands().empty())
      text = given.top() ? "a command is needed"
                         : fmt::format("a command of {} is needed: {}", given.words,
                                       fmt::join(commands, ", "));
    const std::string example = example_of(*given.command);
    if (!example.empty()) text += "; e.g. " + example;
    return text;
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return fmt::format("{}; {}", text, says_more(given));
}

}  // namespace ponder::cli
