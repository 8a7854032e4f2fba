// ponder chat prints an answer as its tokens come, and what it printed in the end is the answer.
#include <simdjson.h>

#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

// What the text of an answer is, from the fields of --json.
std::string printed(const Json& answer) {
  std::string text = answer.at("thought");
  std::string solution = answer.at("solution");
  const size_t end = solution.find_last_not_of(" \t\n\v\f\r") + 1;
  const size_t begin = std::min(end, solution.find_first_not_of(" \t\n\v\f\r"));
  solution = solution.substr(begin, end - begin);
  if (!text.empty() && !solution.empty()) text += "\n\n";
  text += solution + "\n";
  if (answer.at("finish_reason") != "stop") {
    text += "[cut: " + answer.at("finish_reason").get<std::string>() + "]\n";
  }
  return text;
}

// A model of random weights writes bytes that are no characters, and cuts others in two. It may
// also write tags in no order at all, of which the fields do not hold everything: such answers
// differ.
TEST(Chat, StreamedTextIsTheWholeAnswer) {
  const TemporaryFolder folder;
  make_tiny_base(folder / "base");
  int equal = 0, half_characters = 0;
  for (const char* seed : {"1", "2", "3", "4", "5", "6"}) {
    const auto answer = [&](const char* flag) {
      Launch launch;
      launch.input = "What is 1 + 1?\n\n";
      const Outcome outcome = ponder({"chat", "--model", folder / "base", "--temperature", "1",
                                      "--top-p", "1", "--max-tokens", "40", "--seed", seed, flag},
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

}  // namespace
}  // namespace ponder::e2e
