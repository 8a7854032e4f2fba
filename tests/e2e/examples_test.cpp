// Every example of every command's help is executed, in a folder that has the files they name.
#include <algorithm>
#include <set>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

// Of these commands no example is executed here: they serve, need servers or take hours, and have tests of their own.
const std::set<std::string> kElsewhere = {"dash", "fleet", "serve", "study", "teach"};

// Files of other programs, which tests of src/exchange read; and what only a person can answer.
const std::vector<std::string> kOtherPrograms = {"batch_output.jsonl", "samples_gsm8k.jsonl"};

// The lines of a help's examples.
std::vector<std::string> examples_in(const std::string& help) {
  std::vector<std::string> examples;
  size_t at = std::min(help.find("xample"), help.size());
  for (const std::string& line : testing::lines_of(help.substr(at))) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    std::string text = line.substr(begin);
    if (const size_t colon = text.find("xample: "); colon != std::string::npos && colon < 2)
      text = text.substr(colon + 8);
    else if (begin < 2)
      continue;
    if (text.starts_with("ponder ") || text.find("| ponder ") != std::string::npos)
      examples.push_back(text);
  }
  return examples;
}

std::vector<std::string> all_examples() {
  std::vector<std::string> examples;
  for (const std::string& name : listed_commands()) {
    if (kElsewhere.contains(name)) continue;
    std::vector<std::vector<std::string>> commands = {{name}};
    if (name == "data") commands = {{name}, {name, "check"}, {name, "show"}};
    if (name == "pool") commands = {{name}, {name, "export"}, {name, "import"}, {name, "rejudge"}};
    for (const std::vector<std::string>& words : commands) {
      std::vector<std::string> argv = {program()};
      argv.insert(argv.end(), words.begin(), words.end());
      argv.push_back("--help");
      const std::vector<std::string> own = examples_in(testing::run(argv).out);
      EXPECT_FALSE(own.empty()) << words.back() << " shows no example";
      examples.insert(examples.end(), own.begin(), own.end());
    }
  }
  for (const std::string& line : examples_in(ponder({"--help"}).out)) {
    if (line.find("COMMAND") == std::string::npos) examples.push_back(line);
  }
  return examples;
}

void make_world(const fs::path& root) {
  fs::create_directories(root / "models");
  make_tiny_base(root / "models/nano-base");
  fs::create_directories(root / "recipes");
  fs::copy_file(testing::source_dir() / "recipes/tiny.toml", root / "recipes/quickstart.toml");
  fs::copy_file(testing::source_dir() / "recipes/miniature.toml", root / "recipes/miniature.toml");
  fs::create_directory_symlink("models/nano-base", root / "qwen2.5");
  fs::copy_file(root / "models/nano-base/config.json", root / "config.json");
  const auto make = [&](const std::string& line) {
    const testing::Outcome outcome =
        testing::run({"bash", "-c", program() + " " + line},
                     {.folder = root, .input = "", .limit = testing::kLimit});
    ASSERT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
  };
  make("run recipes/quickstart.toml --out runs/quickstart --quiet");
  fs::create_directory_symlink("M2", root / "runs/quickstart/checkpoints/M3");
  for (const char* name : {"problems", "easy", "hard", "MATH_OAI", "AIME24", "MATH-500"})
    make(std::string("synth --domain choice --level 1 --count 8 --split test --out ") + name +
         ".jsonl");
  make("synth --domain choice --level 1 --count 8 --demonstrations --out demonstrations.jsonl");
  make(
      "generate --model models/nano-base --problems problems.jsonl --max-tokens 8 --out "
      "rollouts.jsonl --quiet");
  write_file_atomic(
      root / "responses.jsonl",
      "{\"gold\": \"4\", \"response\": \"It is \\\\boxed{4}.\", \"prompt\": \"2+2\"}\n");
  const auto answer = [](const std::string& number) {
    return "<think>\n2+2=" + number + "\n</think>\n\nThe answer is \\boxed{" + number + "}.";
  };
  const Json pair = {{"prompt", "Compute 2+2"}, {"chosen", answer("4")}, {"rejected", answer("5")}};
  write_file_atomic(root / "pairs.jsonl", dump_json(pair) + "\n");
}

testing::Outcome in_world(const fs::path& root, const std::string& line) {
  const std::string path =
      "export HOME=$PWD; unset XDG_DATA_HOME; PATH=" + fs::path(program()).parent_path().string() +
      ":$PATH; ";
  return testing::run({"bash", "-o", "pipefail", "-c", path + line},
                      {.folder = root, .input = "", .limit = testing::kLimit});
}

TEST(Examples, OfEveryHelpWork) {
  const testing::TemporaryFolder folder;
  make_world(folder.path());
  // A problem of the run, whose id no help can know.
  const std::string id = "choice-1-0123456789abcdef";
  const std::string real =
      json_lines(in_world(folder.path(), "ponder pool export runs/quickstart --problems").out)
          .at(0)
          .at("id");
  size_t executed = 0;
  for (std::string line : all_examples()) {
    if (std::any_of(kOtherPrograms.begin(), kOtherPrograms.end(),
                    [&](const std::string& file) { return line.find(file) != std::string::npos; }))
      continue;
    if (const size_t at = line.find(id); at != std::string::npos) line.replace(at, id.size(), real);
    const testing::Outcome outcome = in_world(folder.path(), line);
    EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
    ++executed;
  }
  EXPECT_GE(executed, 35u);
}

// The blocks of docs/command-line.md, in the same world.
TEST(Examples, OfTheCommandLinesPageWork) {
  const testing::TemporaryFolder folder;
  make_world(folder.path());
  bool within = false;
  int executed = 0;
  for (const std::string& line :
       testing::lines_of(read_file(testing::source_dir() / "docs/command-line.md"))) {
    if (line.starts_with("```")) {
      within = !within;
      continue;
    }
    if (!within) continue;
    const testing::Outcome outcome = in_world(folder.path(), line);
    EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
    ++executed;
  }
  EXPECT_GE(executed, 12);
}

// A shell completes commands, flags and values from what `ponder completion` prints.
TEST(Completion, OfBash) {
  const auto completed = [](const std::string& line) {
    const std::string script =
        "eval \"$(" + program() + " completion bash)\"; COMP_WORDS=(" + line +
        "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _ponder; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const testing::Outcome outcome = testing::run({"bash", "-c", script});
    EXPECT_EQ(outcome.err, "") << line;
    return testing::lines_of(outcome.out);
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(completed("ponder stat"), Words{"status"});
  EXPECT_EQ(completed("ponder data ''"), (Words{"check", "show"}));
  EXPECT_EQ(completed("ponder sft --batch-r"), Words{"--batch-rows"});
  EXPECT_EQ(completed("ponder pool export --sel"), Words{"--selected"});
  EXPECT_EQ(completed("ponder sft --schedule ''"), (Words{"cosine", "linear", "constant"}));
  EXPECT_EQ(completed("ponder generate --mod"), Words{"--model"});
  const Words all = completed("ponder ''");
  for (const std::string& name : listed_commands())
    EXPECT_NE(std::find(all.begin(), all.end(), name), all.end()) << name;
}

TEST(Help, IsACommandToo) {
  EXPECT_EQ(ponder({"help", "sft"}).out, ponder({"sft", "--help"}).out);
  EXPECT_EQ(ponder({"help", "pool", "export"}).out, ponder({"pool", "export", "--help"}).out);
  EXPECT_EQ(ponder({"help"}).out, ponder({"--help"}).out);
  EXPECT_EQ(ponder({"version"}).out, ponder({"--version"}).out);
  const Json version = json_lines(ponder({"version", "--json"}).out).at(0);
  for (const char* field : {"version", "commit", "compiler", "simd"})
    EXPECT_FALSE(version.at(field).get<std::string>().empty()) << field;
}

TEST(Recipes, AreListedShownAndCopied) {
  const testing::TemporaryFolder folder;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(testing::source_dir() / "recipes"))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  std::vector<std::string> listed;
  const std::vector<Json> shown = json_lines(ponder({"recipes", "--json"}).out);
  for (const Json& row : shown.at(0).at("recipes")) {
    listed.push_back(row.at("name"));
    EXPECT_FALSE(row.at("summary").get<std::string>().empty()) << row;
    if (row.at("name") == "quickstart") {
      EXPECT_NE(row.at("takes").get<std::string>().find("minutes"), std::string::npos) << row;
    }
  }
  EXPECT_EQ(listed, names);
  for (const std::string& name : names)
    EXPECT_EQ(ponder({"recipes", name}).out,
              read_file(testing::source_dir() / "recipes" / (name + ".toml")));
  // The program lies in the checkout's build folder: the copy's base is the checkout's.
  const std::string copy = folder / "mine.toml";
  ASSERT_EQ(ponder({"recipes", "quickstart", "--out", copy}).status, 0);
  EXPECT_EQ(ponder({"recipes", "quickstart", "--out", copy}).status, 2);
  const testing::Outcome plan = ponder({"plan", copy, "--json"});
  EXPECT_EQ(plan.status, 0) << plan.err;
}

}  // namespace
}  // namespace ponder::e2e
