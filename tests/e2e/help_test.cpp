// The command line as a contract: help, wrong usage, errors.
#include <algorithm>
#include <regex>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

// Every command other programs may call.
const std::vector<std::string> kCommands = {
    "bench",  "benchmarks", "chat",     "compare", "completion", "dash",     "data",
    "doctor", "dpo",        "eval",     "export",  "fleet",      "generate", "help",
    "init",   "inspect",    "judge",    "plan",    "pool",       "recipes",  "refine",
    "report", "run",        "score",    "serve",   "sft",        "status",   "study",
    "synth",  "teach",      "tokenize", "version", "why"};

// These print what they are asked for and nothing else.
const std::vector<std::string> kPlain = {"completion", "help"};
// Of these nothing needs to be named.
const std::vector<std::string> kWithoutArguments = {"benchmarks", "doctor", "help", "recipes",
                                                    "version"};

bool is_one_of(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(CommandLine, ListsEveryCommand) {
  std::vector<std::string> listed = listed_commands();
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, kCommands);
}

TEST(CommandLine, EveryHelpHasAnExample) {
  for (const std::string& name : listed_commands()) {
    const testing::Outcome help = ponder({name, "--help"});
    EXPECT_EQ(help.status, 0) << name;
    EXPECT_EQ(help.err, "") << name;
    std::string text = help.out;
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    const size_t heading = text.find("example");
    ASSERT_NE(heading, std::string::npos) << name << " shows no example:\n" << help.out;
    EXPECT_NE(text.find("ponder " + name, heading), std::string::npos) << help.out;
  }
}

TEST(CommandLine, EveryCommandHasTheCommonFlags) {
  for (const std::string& name : listed_commands()) {
    if (is_one_of(kPlain, name)) continue;
    std::string text = ponder({name, "--help"}).out;
    if (name == "data" || name == "fleet" || name == "benchmarks")
      text = ponder({name, name == "benchmarks" ? "add" : "check", "--help"}).out;
    for (const char* flag : {"--threads", "--seed", "--quiet", "--json"}) {
      EXPECT_NE(text.find(flag), std::string::npos) << name << " has no " << flag;
    }
  }
}

TEST(CommandLine, ExamplesNameFlagsThatExist) {
  for (const std::string& name : listed_commands()) {
    const std::string text = ponder({name, "--help"}).out;
    const size_t heading = std::min(text.find("Example"), text.find("example:"));
    if (heading == std::string::npos) continue;  // another test says so
    std::string known = text.substr(0, heading);
    for (const char* nested : {"add", "check", "show", "export", "import", "rejudge"})
      known += ponder({name, nested, "--help"}).out;
    for (const std::string& line : testing::lines_of(text.substr(heading))) {
      if (line.find("ponder ") == std::string::npos) continue;
      for (size_t at = line.find("--"); at != std::string::npos; at = line.find("--", at + 2)) {
        const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-", at);
        const std::string flag = line.substr(at, end == std::string::npos ? end : end - at);
        EXPECT_NE(known.find(flag), std::string::npos)
            << name << " has no " << flag << " but shows: " << line;
      }
    }
  }
}

TEST(CommandLine, WrongUsageIsTwo) {
  EXPECT_EQ(ponder({}).status, 2);
  EXPECT_EQ(ponder({"imagine"}).status, 2);
  EXPECT_EQ(ponder({"--imagine"}).status, 2);
  for (const std::string& name : listed_commands()) {
    const testing::Outcome outcome = ponder({name, "--no-such-flag"});
    EXPECT_EQ(outcome.status, 2) << name;
    EXPECT_EQ(outcome.out, "") << name;
    EXPECT_NE(outcome.err, "") << name;
    if (is_one_of(kWithoutArguments, name)) continue;
    EXPECT_EQ(ponder({name}).status, 2) << name << " without arguments";
  }
  EXPECT_EQ(ponder({"synth", "--domain", "astrology", "--count", "1"}).status, 2);
  EXPECT_EQ(ponder({"doctor", "--threads", "0"}).status, 2);
  EXPECT_EQ(ponder({"doctor", "--threads", "many"}).status, 2);
}

// Values are checked before any file is looked at; the complaint begins with the flag.
TEST(CommandLine, AMistypedWordIsAskedAbout) {
  const auto said = [](std::initializer_list<std::string> words) { return ponder(words).err; };
  EXPECT_NE(said({"sft", "--modell", "x"}).find("did you mean --model?"), std::string::npos);
  EXPECT_NE(said({"generate", "--max-token=5", "--prompt", "x"}).find("did you mean --max-tokens?"),
            std::string::npos);
  EXPECT_NE(said({"pool", "run", "exprot"}).find("did you mean export?"), std::string::npos);
  EXPECT_NE(said({"genrate"}).find("did you mean generate?"), std::string::npos);
  EXPECT_EQ(said({"sft", "--imagine"}).find("did you mean"), std::string::npos);
}

TEST(CommandLine, WrongValuesAreTwoAndNamedByTheirFlag) {
  struct Case {
    std::vector<std::string> arguments;
    std::string flag;
  };
  const std::vector<std::string> train = {"--model", "m", "--data", "d", "--out", "o"};
  std::vector<Case> cases = {
      {{"export", "m", "--out", "o", "--gguf", "q9"}, "--gguf"},
      {{"generate", "--model", "m", "--prompt", "x", "--top-p", "2"}, "--top-p"},
      {{"generate", "--model", "m", "--prompt", "x", "--top-p", "0"}, "--top-p"},
      {{"generate", "--model", "m", "--prompt", "x", "--temperature", "-1"}, "--temperature"},
      {{"chat", "--model", "m", "--top-p", "0"}, "--top-p"},
      {{"chat", "--model", "m", "--temperature", "1e9"}, "--temperature"},
      {{"eval", "--model", "m", "--benchmark", "b", "--samples", "0"}, "--samples"},
      {{"judge", "f", "--units", "soft"}, "--units"},
      {{"tokenize", "--tokenizer", "m", "--decode", "--chat"}, "--decode"},
      {{"bench", "--task", "fly"}, "--task"},
      {{"score", "--model", "m", "--data", "d", "--batch-tokens", "0"}, "--batch-tokens"},
      {{"init", "--config", "c", "--out", "o", "--dtype", "x"}, "--dtype"},
      {{"synth", "--domain", "arithmetic", "--count", "0"}, "--count"},
      {{"chat", "--model", "m", "--chat-template", "none"}, "--chat-template"},
      {{"data", "check", "f", "--kind", "odd"}, "--kind"},
      {{"run", "r", "--out", "o", "--set"}, "--set"}};
  for (const std::vector<std::string>& flag :
       std::vector<std::vector<std::string>>{{"--lr", "-1"},
                                             {"--epochs", "0"},
                                             {"--schedule", "sine"},
                                             {"--dtype", "int8"},
                                             {"--warmup", "2"},
                                             {"--batch-rows", "2", "--batch-tokens", "5"}}) {
    for (const char* command : {"sft", "dpo"}) {
      std::vector<std::string> arguments = {command};
      arguments.insert(arguments.end(), train.begin(), train.end());
      arguments.insert(arguments.end(), flag.begin(), flag.end());
      cases.push_back({arguments, flag[0]});
    }
  }
  for (const Case& each : cases) {
    std::vector<std::string> argv = {program()};
    argv.insert(argv.end(), each.arguments.begin(), each.arguments.end());
    const testing::Outcome outcome = testing::run(argv);
    EXPECT_EQ(outcome.status, 2) << each.flag << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << each.flag;
    EXPECT_EQ(outcome.err.find("ponder: " + each.flag), 0u) << outcome.err;
  }
}

// Every flag that the helps call a number: none is folded onto what its type or range allows.
TEST(CommandLine, NumbersBeyondTheirRangeAreTwo) {
  std::vector<std::vector<std::string>> commands = {
      {"data", "check"}, {"data", "show"}, {"pool", "export"}, {"pool", "import"}};
  for (const std::string& name : listed_commands()) {
    if (name != "data") commands.push_back({name});
  }
  std::vector<std::string> tried;
  const std::regex number("(?:^|,)(--?[a-z-]+) U?INT");
  for (const std::vector<std::string>& words : commands) {
    const auto run = [&](const std::vector<std::string>& more) {
      std::vector<std::string> argv = {program()};
      argv.insert(argv.end(), words.begin(), words.end());
      argv.insert(argv.end(), more.begin(), more.end());
      return testing::run(argv);
    };
    for (const std::string& line : testing::lines_of(run({"--help"}).out)) {
      const std::string text = line.substr(std::min(line.size(), line.find_first_not_of(' ')));
      std::smatch match;
      if (!std::regex_search(text, match, number)) continue;
      const std::string flag = match[1];
      tried.push_back(flag);
      for (const std::string value :
           {"18446744073709551616", "99999999999999999999", "-1", "1e3", "0x10", "+1", "1.5", ""}) {
        const testing::Outcome outcome = run({flag + (flag.size() > 2 ? "=" : "") + value});
        EXPECT_EQ(outcome.status, 2) << words[0] << " " << flag << " " << value;
        EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
        EXPECT_EQ(outcome.err.find("ponder: " + flag), 0u) << outcome.err;
        if (value.empty()) continue;  // said to be missing
        EXPECT_NE(outcome.err.find("expected a whole number from "), std::string::npos)
            << outcome.err;
        EXPECT_NE(outcome.err.find("found \"" + value + "\""), std::string::npos) << outcome.err;
      }
    }
  }
  for (const char* flag : {"--seed", "--threads", "--batch-rows", "--max-tokens", "--count", "-n"})
    EXPECT_NE(std::find(tried.begin(), tried.end(), flag), tried.end()) << flag;
  EXPECT_GT(tried.size(), 80u);
  for (const char* bytes : {"0", "99999999999GiB", "64TiB1", "65 TiB", "9x", "GiB", "1GiBB"})
    EXPECT_EQ(ponder({"generate", "--kv-cache-bytes", bytes}).err.find("--kv-cache-bytes: exp"),
              8u);
  for (const char* bytes : {"70000", "512MiB", "2 gib", "1k", "3mB", "64TiB"})
    EXPECT_EQ(ponder({"generate", "--kv-cache-bytes", bytes}).err.find("--kv-cache-bytes"),
              std::string::npos);
  EXPECT_EQ(ponder({"doctor", "--seed", "18446744073709551615", "--threads", "010"}).status, 0);
}

TEST(CommandLine, VersionIsPrinted) {
  const testing::Outcome outcome = ponder({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find('.'), std::string::npos) << outcome.out;
}

class FailingCommand : public ::testing::TestWithParam<std::vector<std::string>> {};

// One line on standard error that names the place, whatever the command.
TEST_P(FailingCommand, IsOneLineAndOne) {
  const testing::TemporaryFolder folder;
  write_file_atomic(folder / "broken.json", "{\"hidden_size\": ");
  write_file_atomic(folder / "broken.toml", "name = \"x\"\nbase = \".\"\nepochz = 3\n");
  write_file_atomic(folder / "broken.jsonl",
                    "{\"gold\": \"1\", \"prediction\": \"1\"}\n{\"gold\": 1\n");
  fs::create_directories(folder / "empty");
  std::vector<std::string> argv = {program()};
  argv.insert(argv.end(), GetParam().begin(), GetParam().end());
  argv.push_back("--quiet");
  const testing::Outcome outcome =
      testing::run(argv, {.folder = folder.path(), .input = "", .limit = testing::kLimit});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const std::vector<std::string> lines = testing::lines_of(outcome.err);
  ASSERT_EQ(lines.size(), 1u) << outcome.err;
  EXPECT_TRUE(lines[0].starts_with("ponder: ")) << lines[0];
  EXPECT_GT(lines[0].size(), 30u) << lines[0];
  // What was half done is not there.
  EXPECT_FALSE(fs::exists(folder / "out"));
  EXPECT_FALSE(fs::exists(folder / "out.tmp"));
}

using Words = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    CommandLine, FailingCommand,
    ::testing::Values(Words{"run", "absent.toml", "--out", "out"},
                      Words{"run", "broken.toml", "--out", "out"}, Words{"plan", "broken.toml"},
                      Words{"status", "empty"}, Words{"why", "empty", "improve-1:0"},
                      Words{"pool", "empty"}, Words{"refine", "empty"}, Words{"inspect", "absent"},
                      Words{"sft", "--model", "empty", "--data", "broken.jsonl", "--out", "out"},
                      Words{"dpo", "--model", "empty", "--data", "broken.jsonl", "--out", "out"},
                      Words{"generate", "--model", "empty", "--prompt", "x", "--out", "out"},
                      Words{"score", "--model", "empty", "--data", "broken.jsonl", "--out", "out"},
                      Words{"judge", "absent.jsonl"},
                      Words{"eval", "--benchmark", "absent.jsonl", "--responses", "broken.jsonl"},
                      Words{"tokenize", "--tokenizer", "empty"}, Words{"chat", "--model", "empty"},
                      Words{"init", "--config", "broken.json", "--out", "out"},
                      Words{"bench", "--config", "broken.json"},
                      Words{"data", "check", "absent.jsonl"}),
    [](const auto& test) {
      std::string name = test.param[0];
      for (char c : test.param.size() > 1 ? test.param[1] : "") {
        if (std::isalnum(static_cast<unsigned char>(c))) name += c;
      }
      return name + std::to_string(test.index);
    });

}  // namespace
}  // namespace ponder::e2e
