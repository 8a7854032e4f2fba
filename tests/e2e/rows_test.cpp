// Rows under names of their own and in several files, through the real binary.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class Rows : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }
  static Json only(const testing::Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json_lines(outcome.out).at(0);
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(Rows, GoldsHaveTheSameNamesInEveryCommand) {
  for (const char* gold :
       {R"("gold":"7")", R"("answer":7)", R"("expected_answer":"7")", R"("ground_truth":"7")",
        R"("final_answer":["7"])", R"("solution":"So \\boxed{7}.")", R"("target":"7")",
        R"("reward_model":{"ground_truth":"7"})"}) {
    const std::string fields = std::string("{") + gold;
    const std::string file = write("gold.jsonl", fields + R"(,"question":"q"})"
                                                          "\n");
    EXPECT_EQ(only(ponder({"data", "check", file, "--kind", "problems", "--json"}))["kept"], 1)
        << gold;
    const std::string judged = write("judged.jsonl", fields + R"(,"response":"\\boxed{7}"})"
                                                              "\n");
    EXPECT_EQ(only(ponder({"judge", judged, "--json"}))["verdict"], "correct") << gold;
  }
  const testing::Outcome none =
      ponder({"judge", write("n.jsonl", R"({"response":"7","key":"7"})")});
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.err.find("found the fields response, key"), std::string::npos) << none.err;
  EXPECT_EQ(
      only(ponder({"judge", folder_ / "n.jsonl", "--fields", "answer=key", "--json"}))["verdict"],
      "correct");
}

TEST_F(Rows, AFolderAndAPatternAreTrainedOnAsOneFileIs) {
  make_tiny_base(folder_ / "base");
  const std::string rows[] = {R"({"body":"1+1?","out":"<think>t</think>2"})"
                              "\n",
                              R"({"body":"2+2?","out":"<think>t</think>4"})"
                              "\n"};
  write("set/a.jsonl", rows[0]);
  write("set/b.jsonl", rows[1]);
  write("one.jsonl", rows[0] + rows[1]);
  std::vector<std::string> hashes;
  for (const char* data : {"set", "set/*.jsonl", "one.jsonl"}) {
    const testing::Outcome trained =
        ponder({"sft", "--model", folder_ / "base", "--data", folder_ / data, "--fields",
                "question=body,response=out", "--out", folder_ / "out", "--epochs", "1"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    hashes.push_back(trained.out.substr(trained.out.find("sha256")));
    fs::remove_all(folder_ / "out");
  }
  EXPECT_EQ(hashes[0], hashes[2]);
  EXPECT_EQ(hashes[1], hashes[2]);
  const testing::Outcome twice =
      ponder({"sft", "--model", folder_ / "base", "--data", folder_ / "set", "--data",
              folder_ / "set/a.jsonl", "--fields", "question=body,response=out", "--out",
              folder_ / "out"});
  EXPECT_NE(twice.err.find("names this file twice"), std::string::npos) << twice.err;
  const testing::Outcome wrong =
      ponder({"data", "check", folder_ / "one.jsonl", "--fields", "question=bdy,response=out"});
  EXPECT_NE(wrong.err.find("rows have the fields body, out"), std::string::npos) << wrong.err;
}

// What `data show` shows is what `generate` and `eval` ask.
TEST_F(Rows, ChoicesAreShuffledByTheSeedInEveryCommand) {
  make_tiny_base(folder_ / "base");
  std::string text;
  for (int i = 0; i < 4; ++i) {
    text += dump_json({{"Question", "Which of " + std::to_string(i)},
                       {"Correct Answer", "right"},
                       {"Incorrect Answer 1", "a"},
                       {"Incorrect Answer 2", "b"},
                       {"Incorrect Answer 3", "c"}}) +
            "\n";
  }
  const std::string file = write("gpqa.jsonl", text);
  const auto prompts_of = [&](std::vector<std::string> arguments, const std::string& seed) {
    const std::string out = folder_ / "out.jsonl";
    arguments.insert(arguments.begin(), program());
    const std::vector<std::string> further = {
        "--model", folder_ / "base", "--max-tokens", "1", "--seed", seed, "--out", out};
    arguments.insert(arguments.end(), further.begin(), further.end());
    const testing::Outcome outcome = testing::run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::vector<Json> prompts;
    for (const Json& row : json_lines(read_file(out))) prompts.push_back(row.at("prompt_sha256"));
    fs::remove(out);
    return prompts;
  };
  const auto generated = [&](const char* seed) {
    return prompts_of({"generate", "--problems", file}, seed);
  };
  const auto evaluated = [&](const char* seed) {
    return prompts_of({"eval", "--benchmark", file}, seed);
  };
  EXPECT_NE(generated("1"), generated("7"));
  EXPECT_EQ(evaluated("1"), generated("1"));
  EXPECT_EQ(evaluated("7"), generated("7"));
}

TEST_F(Rows, ATemplateThatIsUnknownIsAProblemThatInspectFinds) {
  make_tiny_base(folder_ / "base");
  const Json known = only(ponder({"inspect", folder_ / "base", "--json"}));
  EXPECT_NE(known.at("chat_template"), "");
  write("base/chat_template.jinja", "{{ 'nobody knows this' }}");
  const testing::Outcome unknown = ponder({"inspect", folder_ / "base"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_NE(unknown.out.find("template"), std::string::npos) << unknown.out;
  EXPECT_EQ(unknown.out.find("problems      none"), std::string::npos) << unknown.out;
}

}  // namespace
}  // namespace ponder::e2e
