#include "cli/suggestion.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace ponder::cli {
namespace {

// Levenshtein's.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (const char letter : a) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (letter != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, changed});
    }
  }
  return row.back();
}

// Of the commands that were given, the last of them deepest.
std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  const CLI::App* command = &app;
  while (true) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
    }
    const std::vector<CLI::App*> given = command->get_subcommands();
    if (given.empty()) break;
    command = given.back();
  }
  for (const CLI::App* other : command->get_subcommands(nullptr))
    words.push_back(other->get_name());
  return words;
}

}  // namespace

std::string suggestion_for(const CLI::App& app) {
  const std::vector<std::string> words = known_words(app);
  for (const std::string& argument : app.remaining(true)) {
    const std::string given = argument.substr(0, argument.find('='));
    std::string nearest;
    size_t least = 2 + given.size() / 6;  // more changes are another word
    for (const std::string& word : words) {
      const size_t distance = edit_distance(given, word);
      if (distance < least) {
        least = distance;
        nearest = word;
      }
    }
    if (!nearest.empty()) return nearest;
  }
  return "";
}

}  // namespace ponder::cli
