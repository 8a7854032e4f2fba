// ponder chat prints an answer as its tokens come, and what it printed in the end is the answer.
#include <simdjson.h>

#include <cctype>

#include "base/text.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

// What is shown of an answer, from the fields of --json.
std::string printed(const Json& answer) {
  std::string text = answer.at("thought");
  std::string solution = answer.at("solution");
  const size_t end = solution.find_last_not_of(" \t\n\v\f\r") + 1;
  const size_t begin = std::min(end, solution.find_first_not_of(" \t\n\v\f\r"));
  solution = solution.substr(begin, end - begin);
  if (!text.empty() && !solution.empty()) text += "\n\n";
  text = escaped(text + solution + "\n", Lines::kKeep);
  if (answer.at("finish_reason") != "stop") {
    text += "[cut: " + answer.at("finish_reason").get<std::string>() + "]\n";
  }
  return text;
}

// A model of random weights writes bytes that are no characters, and cuts others in two. It may
// also write tags in no order at all, of which the fields do not hold everything: such answers
// differ.
TEST(Chat, StreamedTextIsTheWholeAnswer) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  int equal = 0, half_characters = 0;
  for (const char* seed : {"1", "2", "3", "4", "5", "6"}) {
    const auto answer = [&](const char* flag) {
      testing::Launch launch;
      launch.input = "What is 1 + 1?\n\n";
      const testing::Outcome outcome =
          ponder({"chat", "--model", folder / "base", "--temperature", "1", "--top-p", "1",
                  "--max-tokens", "40", "--seed", seed, flag},
                 launch);
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      return outcome.out;
    };
    const std::vector<Json> answers = json_lines(answer("--json"));
    ASSERT_EQ(answers.size(), 1u);
    const std::string streamed = answer("--quiet");
    EXPECT_TRUE(simdjson::validate_utf8(streamed.data(), streamed.size())) << streamed;
    if (streamed != printed(answers[0])) continue;
    ++equal;
    half_characters += streamed.find("\uFFFD") != std::string::npos;
  }
  EXPECT_GE(equal, 3);
  EXPECT_GE(half_characters, 3);
}

// Two plain characters of a text, not at its beginning, and no such pair before them; none of what
// was escaped.
std::string piece_of(const std::string& text) {
  const auto plain = [&](size_t i) {
    return std::isgraph(static_cast<unsigned char>(text[i])) != 0 &&
           text.substr(i - 3, 4).find('\\') == std::string::npos;
  };
  for (size_t i = 8; i + 2 < text.size(); ++i) {
    const std::string piece = text.substr(i, 2);
    if (plain(i - 1) && plain(i) && plain(i + 1) && text.find(piece) == i) return piece;
  }
  ADD_FAILURE() << "no plain characters in " << text;
  return "?";
}

// --stop ends an answer before its text, in rows and streamed; the rows hold the tokens that were
// sampled.
TEST(Chat, StopStringsEndTheAnswer) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const auto out = [&](std::vector<std::string> command, const std::vector<std::string>& flags) {
    command.insert(command.begin(), program());
    command.insert(command.end(), {"--model", folder / "base", "--temperature", "1", "--seed", "3",
                                   "--max-tokens", "60"});
    command.insert(command.end(), flags.begin(), flags.end());
    testing::Launch launch;
    launch.input = "What?\n";
    const testing::Outcome outcome = testing::run(command, launch);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  const std::vector<std::string> generate = {"generate", "--prompt", "What?", "--json"};
  const Json free = json_lines(out(generate, {})).at(0);
  const std::string text = free.at("text"), stop = piece_of(text);
  const Json cut = json_lines(out(generate, {"--stop", "never said", "--stop", stop})).at(0);
  EXPECT_EQ(cut.at("text"), text.substr(0, text.find(stop)));
  EXPECT_EQ(cut.at("finish_reason"), "stop");
  EXPECT_LT(cut.at("token_ids").size(), free.at("token_ids").size());
  EXPECT_EQ(cut.at("token_ids").size(), cut.at("logprobs").size());

  const std::string streamed = out({"chat", "--quiet"}, {}), end = piece_of(streamed);
  EXPECT_EQ(out({"chat", "--quiet"}, {"--stop", end}),
            streamed.substr(0, streamed.find(end)) + "\n");
}

// Without --max-tokens an answer is as long as the positions allow.
TEST(Chat, FitsAnyModelByItself) {
  testing::Launch launch;
  launch.input = "Compute 1+1\n";
  const testing::Outcome outcome =
      ponder({"chat", "--model", testing::source_dir() / "models/nano-base"}, launch);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("boxed"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace ponder::e2e
