// ponder completion: a script for a shell, written from the table of commands.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "cli/command.h"

namespace ponder::cli {
namespace {

struct FlagWords {
  std::string name;  // "--units"
  std::string description;
  std::vector<std::string> values;  // what may stand behind it, where that is a list
  bool takes_value = false;
};

struct CommandWords {
  std::string path;  // "", "sft", "pool export"
  std::string description;
  std::vector<std::string> commands;
  std::vector<FlagWords> flags;
};

// The words of "TEXT:{a,b}", of no other type.
std::vector<std::string> listed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.rfind('{'), end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

void add_flags(const CLI::App& command, std::vector<FlagWords>& flags) {
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames())
      flags.push_back({"--" + name, option->get_description(), listed_values(*option),
                       option->get_items_expected_max() > 0});
  }
  for (const CLI::App* group : command.get_subcommands(nullptr)) {
    if (group->get_name().empty()) add_flags(*group, flags);
  }
}

// A command before its own commands.
void add_command(const CLI::App& command, const std::string& path, std::vector<CommandWords>& all) {
  CommandWords words{path, command.get_description(), {}, {}};
  add_flags(command, words.flags);
  std::vector<const CLI::App*> subs;
  for (const CLI::App* sub : command.get_subcommands(nullptr)) {
    if (sub->get_name().empty()) continue;
    words.commands.push_back(sub->get_name());
    subs.push_back(sub);
  }
  all.push_back(std::move(words));
  for (const CLI::App* sub : subs)
    add_command(*sub, path + (path.empty() ? "" : " ") + sub->get_name(), all);
}

// What bash and zsh share: which command it is, and what may follow. `path` and `words` would be
// variables of zsh itself.
std::string cases_of(const std::vector<CommandWords>& all) {
  std::string paths, values, rest;
  for (const CommandWords& command : all) {
    if (!command.path.empty()) paths += (paths.empty() ? "'" : "|'") + command.path + "'";
    for (const FlagWords& flag : command.flags) {
      if (flag.values.empty()) continue;
      values += fmt::format("    '{} {}') found='{}' ;;\n", command.path, flag.name,
                            fmt::join(flag.values, " "));
    }
    std::string flags;
    for (const FlagWords& flag : command.flags) flags += (flags.empty() ? "" : " ") + flag.name;
    rest += fmt::format("      '{}') found='{}'; flags='{}' ;;\n", command.path,
                        fmt::join(command.commands, " "), flags);
  }
  return fmt::format(
      "    case \"$at${{at:+ }}$word\" in {}) at=\"$at${{at:+ }}$word\" ;; esac\n"
      "  done\n"
      "  case \"$at $prev\" in\n{}    *)\n      case \"$at\" in\n{}      esac\n"
      "      [[ $cur == -* ]] && found=$flags\n    ;;\n  esac\n",
      paths, values, rest);
}

std::string bash_script(const std::vector<CommandWords>& all) {
  return "# bash completion of ponder: eval \"$(ponder completion bash)\"\n"
         "_ponder() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local at= found= flags= word\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n" +
         cases_of(all) +
         "  COMPREPLY=($(compgen -W \"$found\" -- \"$cur\"))\n"
         "}\n"
         "complete -o default -F _ponder ponder\n";
}

std::string zsh_script(const std::vector<CommandWords>& all) {
  return "#compdef ponder\n"
         "# zsh completion of ponder: source <(ponder completion zsh), behind compinit\n"
         "_ponder() {\n"
         "  local cur=${words[CURRENT]} prev=${words[CURRENT-1]} at= found= flags= word\n"
         "  for word in ${words[2,CURRENT-1]}; do\n" +
         cases_of(all) +
         "  if [[ -n $found ]]; then compadd -- ${=found}; else _files; fi\n"
         "}\n"
         "compdef _ponder ponder\n";
}

// In single quotes of fish.
std::string fish_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

std::string fish_script(const std::vector<CommandWords>& all) {
  std::string text = "# fish completion of ponder: ponder completion fish | source\n";
  for (const CommandWords& command : all) {
    std::string here = "__fish_use_subcommand";
    if (!command.path.empty()) {
      here.clear();
      for (const std::string& word : CLI::detail::split(command.path, ' '))
        here += (here.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    }
    for (const std::string& name : command.commands) {
      const std::string path = command.path + (command.path.empty() ? "" : " ") + name;
      const auto sub = std::find_if(all.begin(), all.end(),
                                    [&](const CommandWords& other) { return other.path == path; });
      text += fmt::format("complete -c ponder -n '{}' -a {} -d {}\n", here, name,
                          fish_quoted(sub->description));
    }
    for (const FlagWords& flag : command.flags) {
      text += fmt::format(
          "complete -c ponder -n '{}' -l {}{}{} -d {}\n", here, flag.name.substr(2),
          flag.takes_value ? " -r" : "",
          flag.values.empty() ? "" : fmt::format(" -f -a '{}'", fmt::join(flag.values, " ")),
          fish_quoted(flag.description));
    }
  }
  return text;
}

void print_script(const CLI::App& root, const std::string& shell) {
  std::vector<CommandWords> all;
  add_command(root, "", all);
  const std::string text = shell == "bash"  ? bash_script(all)
                           : shell == "zsh" ? zsh_script(all)
                                            : fish_script(all);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void register_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "completion", "a script that completes commands, flags and their values in a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  command->footer(
      "For bash put  eval \"$(ponder completion bash)\"  into ~/.bashrc.\n"
      "Example:\n  ponder completion bash");
  command->callback([&app, shell] { print_script(app, *shell); });
}

}  // namespace ponder::cli
