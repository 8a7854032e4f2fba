// ponder chat as a person has it: several turns, Ctrl-C, two models, a terminal.
#include <thread>

#include "e2e/ponder.h"
#include "e2e/terminal.h"

namespace ponder::e2e {
namespace {

TEST(Talk, EarlierTurnsArePartOfThePromptUnlessSingle) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const auto answers = [&](const std::string& input, const std::vector<std::string>& flags,
                           const std::string& temperature = "0") {
    std::vector<std::string> argv = {program(), "chat",          "--model",  folder / "base",
                                     "--json",  "--seed",        "4",        "--max-tokens",
                                     "12",      "--temperature", temperature};
    argv.insert(argv.end(), flags.begin(), flags.end());
    testing::Launch launch;
    launch.input = input;
    const testing::Outcome outcome = testing::run(argv, launch);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json_lines(outcome.out);
  };
  const std::string questions = "What is 1+1?\nAnd 2+2?\n";
  const std::vector<Json> both = answers(questions, {}, "1");
  const std::vector<Json> alone = answers(questions, {"--single"}, "1");
  const std::vector<Json> apart = answers(questions, {"--single"});
  const std::vector<Json> anew = answers("What is 1+1?\n/new\nAnd 2+2?\n", {});
  ASSERT_EQ(both.size(), 2u);
  ASSERT_EQ(apart.size(), 2u);
  ASSERT_EQ(anew.size(), 2u);
  ASSERT_EQ(alone.size(), 2u);
  EXPECT_EQ(both[0], alone[0]);
  EXPECT_NE(both[1], alone[1]);  // it has another prompt
  EXPECT_EQ(anew[1], apart[1]);
}

// A conversation that the model has no positions for any more goes on without its first turns.
TEST(Talk, ALongConversationForgetsItsFirstTurns) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  testing::Launch launch;
  for (int i = 0; i < 30; ++i) launch.input += "Compute " + std::to_string(i) + "+1 and more.\n";
  const testing::Outcome outcome =
      ponder({"chat", "--model", folder / "base", "--max-tokens", "60", "--seed", "5"}, launch);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("no room for the whole conversation"), std::string::npos);
}

TEST(Talk, TwoModelsAnswerInJson) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  make_tiny_base(folder / "other", 96);
  testing::Launch launch;
  launch.input = "What is 1+1?\n";
  const testing::Outcome outcome = ponder({"chat", "--model", folder / "base", "--against",
                                           folder / "other", "--max-tokens", "8", "--json"},
                                          launch);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json answers = json_lines(outcome.out).at(0).at("answers");
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].at("model"), (folder / "base").string());
  EXPECT_EQ(answers[1].at("model"), (folder / "other").string());
  const Json alone =
      json_lines(
          ponder({"chat", "--model", folder / "base", "--max-tokens", "8", "--json"}, launch).out)
          .at(0);
  EXPECT_EQ(answers[0].at("solution"), alone.at("solution"));
  const std::string below = ponder({"chat", "--model", folder / "base", "--against",
                                    folder / "other", "--max-tokens", "8"},
                                   launch)
                                .out;
  EXPECT_TRUE(below.starts_with((folder / "base").string() + ":\n")) << below;
  EXPECT_NE(below.find("\n" + (folder / "other").string() + ":\n"), std::string::npos) << below;
}

TEST(Talk, TwoModelsStandSideBySideOnAWideTerminal) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const auto shown = [&](unsigned short columns) {
    Terminal terminal({program(), "chat", "--model", folder / "base", "--against", folder / "base",
                       "--max-tokens", "30", "--quiet"},
                      columns, {"NO_COLOR=1"});
    terminal.until("> ");
    terminal.type("What is 1+1?\n");
    const std::string text = terminal.until("\n> ");
    terminal.type("\x04");
    EXPECT_EQ(terminal.wait(), 0);
    return text;
  };
  const std::string wide = shown(100);
  EXPECT_NE(wide.find(" │ "), std::string::npos) << wide;
  EXPECT_EQ(wide.find("\x1b[2m"), std::string::npos);  // no colours were asked for
  EXPECT_EQ(shown(40).find(" │ "), std::string::npos);
}

// The answer ends, the program does not; at the prompt it does.
TEST(Talk, CtrlCEndsTheAnswer) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base", 512, 8);  // slow enough to be interrupted
  Terminal terminal({program(), "chat", "--model", folder / "base", "--temperature", "1",
                     "--threads", "1", "--seed", "3"},
                    100);
  EXPECT_NE(terminal.until("> ").find("Ctrl-C ends an answer"), std::string::npos);
  bool stopped = false;
  for (int i = 0; i < 8 && !stopped; ++i) {
    const std::string question = "Question " + std::to_string(i);
    terminal.type(question + "\n");
    terminal.until(question + "\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    terminal.type("\x03");
    stopped = terminal.until("> ").find("[stopped") != std::string::npos;
  }
  EXPECT_TRUE(stopped);
  terminal.type("/new\n");
  EXPECT_NE(terminal.until("> ").find("> "), std::string::npos);
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 130);
}

}  // namespace
}  // namespace ponder::e2e
