// A trained model says in every file which chat template it was trained with.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class TrainedTemplate : public ::testing::Test {
 protected:
  void SetUp() override {
    make_tiny_base(base_);
    write_file_atomic(folder_ / "rows.jsonl",
                      R"({"prompt": "One and one?", "response": "<think>One more.</think>Two."})"
                      "\n");
  }
  // As Qwen's bases are: no template, and another end.
  void make_bare() {
    fs::remove(base_ / "chat_template.jinja");
    Json config = read_json_file(base_ / "tokenizer_config.json");
    config.erase("chat_template");
    config["eos_token"] = "<|endoftext|>";
    write_file_atomic(base_ / "tokenizer_config.json", dump_json(config));
  }
  testing::Outcome train(const std::vector<std::string>& further = {}) {
    std::vector<std::string> words =
        command({"sft", "--model", base_, "--data", folder_ / "rows.jsonl", "--out", model_,
                 "--threads", "1", "--quiet"});
    words.insert(words.end(), further.begin(), further.end());
    return testing::run(words, {});
  }
  static Json inspected(const fs::path& folder) {
    const testing::Outcome said = ponder({"inspect", folder, "--json"});
    EXPECT_FALSE(said.out.empty()) << said.err;
    return json_lines(said.out).at(0);
  }
  std::string rendered(const fs::path& folder) const {
    const testing::Launch launch{
        .folder = folder_.path(),
        .input = R"({"messages": [{"role": "user", "content": "Hi"}], "enable_thinking": false})",
        .limit = testing::kLimit};
    const testing::Outcome said = ponder({"tokenize", "--tokenizer", folder, "--chat"}, launch);
    return said.out + said.err;
  }
  testing::TemporaryFolder folder_;
  const fs::path base_ = folder_ / "base", model_ = folder_ / "model";
};

TEST_F(TrainedTemplate, OfABaseWithoutOne) {
  make_bare();
  const testing::Outcome trained = train();
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string text = read_file(model_ / "chat_template.jinja");
  const Json config = read_json_file(model_ / "tokenizer_config.json");
  EXPECT_EQ(config.at("chat_template"), text);
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");
  EXPECT_EQ(inspected(model_).at("chat_template"), "chatml");
  const testing::Outcome made =
      ponder({"export", model_, "--gguf", "f32", "--out", folder_ / "model.gguf"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_NE(read_file(folder_ / "model.gguf").find(text), std::string::npos);
}

TEST_F(TrainedTemplate, AnotherThanTheBases) {
  ASSERT_EQ(inspected(base_).at("chat_template"), "chatml");
  const testing::Outcome trained = train({"--chat-template", "qwen3"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string text = read_file(model_ / "chat_template.jinja");
  EXPECT_NE(text.find("enable_thinking"), std::string::npos);
  EXPECT_EQ(read_json_file(model_ / "tokenizer_config.json").at("chat_template"), text);
  EXPECT_EQ(inspected(model_).at("chat_template"), "qwen3");
  EXPECT_NE(rendered(model_).find("<|im_start|>user"), std::string::npos) << rendered(model_);
  EXPECT_NE(rendered(base_).find("has no such switch"), std::string::npos) << rendered(base_);
  // Edited so that it renders otherwise, it is another template than the model was trained with.
  fs::copy_file(base_ / "chat_template.jinja", model_ / "chat_template.jinja",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(rendered(model_).find("trained with the chat template"), std::string::npos);
  EXPECT_EQ(inspected(model_).at("problems").size(), 1u);
  write_file_atomic(model_ / "chat_template.jinja", text + "{# as it was #}");
  EXPECT_EQ(inspected(model_).at("chat_template"), "qwen3");
}

TEST_F(TrainedTemplate, AnUnknownOneIsAProblem) {
  write_file_atomic(base_ / "chat_template.jinja", "{{ messages[0].content }}");
  const Json said = inspected(base_);
  EXPECT_EQ(said.at("chat_template"), Json());
  ASSERT_EQ(said.at("problems").size(), 1u);
  const auto problem = said.at("problems")[0].get<std::string>();
  EXPECT_NE(problem.find("nearest is "), std::string::npos) << problem;
  const testing::Outcome trained = train();
  EXPECT_EQ(trained.status, 1);
  EXPECT_NE(trained.err.find("first difference (a question)"), std::string::npos) << trained.err;
}

}  // namespace
}  // namespace ponder::e2e
