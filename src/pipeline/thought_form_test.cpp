// thought_form of a recipe: a run trains what `ponder sft` trains of the same file.
#include "data/token_rows.h"
#include "pipeline/run_fixture.h"
#include "pipeline/stages/training.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

class ThoughtForms : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    std::string rows;
    for (int i = 0; i < 3; ++i) {
      const std::string n = std::to_string(i);
      rows += dump_json({{"prompt", "What is 1 + " + n + "?"},
                         {"response", "<reason>I count " + n + " on.</reason> So " + n + "."}}) +
              "\n";
    }
    rows += R"({"prompt": "What is 1 + 8?", "response": "<reason></reason>9"})"
            "\n";
    write_file_atomic(folder_ / "demonstrations.jsonl", rows);
  }
  Recipe of(const char* form) const {
    return recipe(
        {"imitate.demonstrations=[{file=\"demonstrations.jsonl\", allow_direct=true, "
         "thought_tags=[\"<reason>\", \"</reason>\"]}]",
         "explore.rounds=0", "explore.problems=[]", "evaluate.benchmarks=[]",
         std::string("thought_form=") + form});
  }
  // The hashes of what the command trains, in the order of the file.
  std::vector<std::string> by_command(data::ThoughtForm form) const {
    data::RowAccount account;
    data::DemonstrationReadOptions options;
    options.require_thought = false;
    options.thought_tags = {"<reason>", "</reason>", "", ""};
    const auto demonstrations =
        data::read_demonstrations(folder_ / "demonstrations.jsonl", account, options);
    const data::ModelText text(folder_ / "base", {.thought_form = form});
    const data::RowBuilder builder(text, 256);
    std::vector<std::string> hashes;
    for (const data::TokenRow& row : data::build_rows(builder, demonstrations, "d", account))
      hashes.push_back(ids_sha256(row.tokens));
    return hashes;
  }
  std::vector<std::string> by_run(const std::string& out) const {
    std::vector<std::string> hashes;
    const pool::Pool made = pool(out);
    for (const pool::TrainingRow& row : made.training_rows("imitate"))
      hashes.push_back(row.text_sha256);
    return hashes;
  }
};

TEST_F(ThoughtForms, AreThoseOfTheCommand) {
  using data::ThoughtForm;
  for (const ThoughtForm form :
       {ThoughtForm::kStill, ThoughtForm::kThink, ThoughtForm::kAsWritten}) {
    const std::string name(data::to_string(form));
    run(of(name.c_str()), "imitate", nullptr, name);
    EXPECT_EQ(by_run(name), by_command(form)) << name;
    EXPECT_EQ(by_run(name).size(), 4u) << name;
  }
  EXPECT_NE(by_run("still"), by_run("as-written"));
  EXPECT_NE(by_run("think"), by_run("as-written"));
}

TEST_F(ThoughtForms, AsWrittenIsPartOfWhatWasRead) {
  EXPECT_NE(rows_sha256(read_sources(of("still"))[0]),
            rows_sha256(read_sources(of("as-written"))[0]));
  EXPECT_EQ(rows_sha256(read_sources(of("still"))[0]), rows_sha256(read_sources(of("think"))[0]));
  const std::string unknown = testing::error_text([&] { of("other"); });
  EXPECT_NE(unknown.find("\"as-written\""), std::string::npos) << unknown;
}

TEST_F(ThoughtForms, DirectAnswersAreTakenWhereASourceAllowsThem) {
  const Recipe without =
      recipe({"imitate.demonstrations=[{file=\"demonstrations.jsonl\", "
              "thought_tags=[\"<reason>\", \"</reason>\"]}]"});
  EXPECT_EQ(read_sources(without)[1].demonstrations.size(), 3u);
  EXPECT_EQ(read_sources(of("still"))[0].demonstrations.size(), 4u);
}

class EvaluationThinking : public RunTest {
 protected:
  std::string first_response(const std::vector<std::string>& set, const std::string& out) {
    std::vector<std::string> all = {"chat_template=qwen3", "explore.rounds=0",
                                    "explore.problems=[]"};
    all.insert(all.end(), set.begin(), set.end());
    run(recipe(all), "evaluate-M0", nullptr, out);
    JsonRowReader reader(folder_ / out / "evaluations/M0-test.jsonl");
    JsonRow row;
    EXPECT_TRUE(reader.next(row));
    return row.value.at("response").get<std::string>();
  }
};

TEST_F(EvaluationThinking, IsSwitchedByTheRecipe) {
  const std::string block = "<think>\n\n</think>\n\n";
  EXPECT_TRUE(first_response({"evaluate.thinking=off"}, "off").starts_with(block));
  EXPECT_EQ(first_response({"evaluate.thinking=on"}, "on"), first_response({}, "plain"));
  EXPECT_FALSE(first_response({}, "plain").starts_with(block));
  const std::string refused = testing::error_text([&] {
    first_response({"chat_template=chatml", "evaluate.thinking=off"}, "none");
  });
  EXPECT_NE(refused.find("enable_thinking"), std::string::npos) << refused;
}

}  // namespace
}  // namespace ponder::pipeline
