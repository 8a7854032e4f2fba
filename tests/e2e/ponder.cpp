#include "e2e/ponder.h"

#include "base/file.h"

namespace ponder::e2e {

std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> objects;
  for (const std::string& line : testing::lines_of(text)) {
    objects.push_back(parse_json(line, "standard output"));
    EXPECT_TRUE(objects.back().is_object()) << line;
  }
  return objects;
}

std::vector<std::string> listed_commands() {
  const testing::Outcome help = ponder({"--help"});
  EXPECT_EQ(help.status, 0) << help.err;
  std::vector<std::string> commands;
  bool within = false;
  for (const std::string& line : testing::lines_of(help.out)) {
    if (line == "Subcommands:") {
      within = true;
    } else if (within && line.starts_with("  ") && line.size() > 2 && line[2] != ' ') {
      commands.push_back(line.substr(2, line.find(' ', 2) - 2));
    } else if (within) {
      break;
    }
  }
  return commands;
}

void make_tiny_base(const fs::path& folder, int hidden_size, int num_layers) {
  Json config = read_json_file(testing::source_dir() / "models/nano-base/config.json");
  config["hidden_size"] = hidden_size;
  config["intermediate_size"] = 2 * hidden_size;
  config["num_hidden_layers"] = num_layers;
  config["num_attention_heads"] = hidden_size / 16;
  config["num_key_value_heads"] = hidden_size / 32;
  config["max_window_layers"] = num_layers;
  const fs::path file = folder.parent_path() / "tiny-config.json";
  write_file_atomic(file, dump_json(config));
  const testing::Outcome made =
      ponder({"init", "--config", file, "--tokenizer", testing::source_dir() / "models/nano-base",
              "--out", folder});
  ASSERT_EQ(made.status, 0) << made.err;
}

}  // namespace ponder::e2e
