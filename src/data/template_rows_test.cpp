// Rows of every chat template, with the real tokenizers where the shared data is there: the loss
// is on the whole assistant turn, its thought too, though some templates leave thoughts out of the
// turns they show.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "data/token_rows.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = testing::shared_data() / "tokenizers";
constexpr const char* kThought = "First, 17 + 25.\n\nWait: é, 漢.";
constexpr const char* kSolution = "It is \\boxed{42}.";

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

// Qwen2.5's, its control tokens renamed as DeepSeek-R1-Distill-Qwen has them.
tokenizer::Tokenizer deepseek_tokenizer() {
  std::string json = read_file(kShared / "qwen2.5/tokenizer.json.gz");
  replace_all(json, "<|endoftext|>", "<｜end▁of▁sentence｜>");
  replace_all(json, "<|im_start|>", "<｜User｜>");
  replace_all(json, "<|im_end|>", "<｜Assistant｜>");
  replace_all(json, "<|object_ref_start|>", "<｜begin▁of▁sentence｜>");
  return tokenizer::Tokenizer::parse(json, "deepseek");
}

std::string bytes_where(const tokenizer::Tokenizer& tokenizer, const TokenRow& row,
                        uint8_t trained) {
  std::string bytes;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    if (row.loss_mask[i] == trained) bytes += tokenizer.token_bytes(row.tokens[i]);
  }
  return bytes;
}

std::string bytes_where(const tokenizer::Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                        const std::vector<uint8_t>& mask) {
  std::string bytes;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (mask[i]) bytes += tokenizer.token_bytes(ids[i]);
  }
  return bytes;
}

ModelText text_of(const char* model, const char* chat) {
  return ModelText(tokenizer::Tokenizer::load(kShared / model),
                   tokenizer::ChatTemplate::named(chat));
}
ModelText deepseek_text(const char* chat) {
  return ModelText(deepseek_tokenizer(), tokenizer::ChatTemplate::named(chat));
}

// `own` is how the turn spells the response after what the prompt has opened.
void check_row(const ModelText& text, const std::string& response, const std::string& own) {
  const tokenizer::Tokenizer& tokenizer = text.tokenizer();
  const tokenizer::ChatTemplate& chat = text.chat();
  const RowBuilder builder(text, 4096);
  const auto row = builder.row("r", "Be brief.", "What is 17+25?", {response, {}});
  ASSERT_TRUE(row);
  const std::vector<tokenizer::Message> prompt = {{"system", "Be brief."},
                                                  {"user", "What is 17+25?"}};
  EXPECT_EQ(bytes_where(tokenizer, *row, 0), chat.render(prompt, true));
  EXPECT_EQ(bytes_where(tokenizer, *row, 1), own + std::string(chat.end_of_turn()));
  EXPECT_EQ(row->tokens.back(), text.end_of_turn_id());
  EXPECT_EQ(row->num_tokens() - row->num_prompt_tokens, row->num_loss_tokens());
  // One contiguous part, at the end.
  EXPECT_TRUE(std::is_sorted(row->loss_mask.begin(), row->loss_mask.end()));

  const std::vector<int32_t> ids(row->tokens.begin() + row->num_prompt_tokens, row->tokens.end());
  const std::string thought = bytes_where(tokenizer, ids, builder.aligned(ids, Align::kThought));
  const std::string solution = bytes_where(tokenizer, ids, builder.aligned(ids, Align::kSolution));
  EXPECT_NE(thought.find(kThought), std::string::npos) << thought;
  EXPECT_EQ(thought.find(kSolution), std::string::npos) << thought;
  EXPECT_NE(solution.find(kSolution), std::string::npos) << solution;
  EXPECT_EQ(solution.find("Wait"), std::string::npos) << solution;
}

class TemplateRows : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kShared)) GTEST_SKIP() << "no shared data at " << kShared;
  }
  const std::string still = tokenizer::format_thought(kThought, kSolution);
  const std::string think = std::string("<think>\n") + kThought + "\n</think>\n\n" + kSolution;
  const std::string opened = std::string(kThought) + "\n</think>\n\n" + kSolution;
};

TEST_F(TemplateRows, Qwen25) {
  for (const char* name : {"chatml", "qwen2", "qwen2.5-base", "qwen2.5", "qwen3-instruct"})
    check_row(text_of("qwen2.5", name), still, still);
  check_row(text_of("qwen2.5", "qwq"), still, opened);
}

TEST_F(TemplateRows, Qwen3) {
  const ModelText text = text_of("qwen3", "qwen3");
  check_row(text, still, still);
  check_row(text, think, think);
  check_row(text_of("qwen3", "qwen3-instruct-mlx"), still, still);
  const ModelText thinking = text_of("qwen3", "qwen3-thinking");
  for (const std::string& response : {still, think, opened}) check_row(thinking, response, opened);
  // An earlier turn's thought is what the template leaves out.
  const std::vector<tokenizer::Message> turns = {
      {"user", "a"}, {"assistant", think}, {"user", "b"}};
  EXPECT_EQ(text.chat().render(turns, true).find("Wait"), std::string::npos);
}

// With a thought, without one, and with the block that says so: as a turn that the template shows.
TEST_F(TemplateRows, Qwen3TrainsMixturesAsItsTemplateShowsThem) {
  const ModelText text = text_of("qwen3", "qwen3");
  const RowBuilder builder(text, 4096);
  Demonstration with;
  with.question = "What is 17+25?";
  with.thought = kThought;
  with.solution = kSolution;
  with.written = think;
  Demonstration bare = with, block = with;
  bare.thought = bare.written = block.thought = "";
  block.written = std::string("<think></think>") + kSolution;
  for (const Demonstration& d : {with, bare, block}) {
    const auto row = builder.row("r", d);
    ASSERT_TRUE(row);
    const std::string shown = d.thought.empty() ? std::string(kSolution) : think;
    EXPECT_EQ(text.tokenizer().decode(row->tokens) + "\n",
              text.chat().render({{"user", d.question}, {"assistant", shown}}, false));
    // What the model is trained to say first: whether it thinks.
    EXPECT_TRUE(bytes_where(text.tokenizer(), *row, 1).starts_with("<think>\n"));
  }
  const auto row = builder.row("r", bare);
  EXPECT_EQ(bytes_where(text.tokenizer(), *row, 1),
            std::string("<think>\n\n</think>\n\n") + kSolution + "<|im_end|>");
  // STILL-2's tags are not in <think>, nor is a direct answer beside them.
  const ModelText still_text(
      kShared / "qwen3", {.chat_template = {.name = "qwen3"}, .thought_form = ThoughtForm::kStill});
  EXPECT_EQ(RowBuilder(still_text, 4096).response_text(bare), kSolution);
  const ModelText other = text_of("qwen3", "chatml");
  EXPECT_EQ(RowBuilder(other, 4096).response_text(bare), kSolution);
}

TEST_F(TemplateRows, ThinkingIsSwitchedInThePrompt) {
  const auto prompt = [&](std::optional<bool> thinking) {
    const ModelText text(kShared / "qwen3",
                         {.chat_template = {.name = "qwen3", .thinking = thinking}});
    EXPECT_EQ(text.response_prefix(), thinking == false ? "<think>\n\n</think>\n\n" : "");
    return text.tokenizer().decode(text.prompt_ids("q"));
  };
  EXPECT_EQ(prompt(false), prompt({}) + "<think>\n\n</think>\n\n");
  EXPECT_EQ(prompt(true), prompt({}));
  const std::string error = testing::error_text([&] {
    const ModelText text(kShared / "qwen3",
                         {.chat_template = {.name = "chatml", .thinking = true}});
  });
  EXPECT_NE(error.find("does not read enable_thinking"), std::string::npos) << error;
}

TEST_F(TemplateRows, Llama3) {
  for (const char* name : {"llama3", "llama3-open", "llama3.1"})
    check_row(text_of("llama3", name), still, still);
}

TEST_F(TemplateRows, DeepseekR1) {
  const ModelText text = deepseek_text("deepseek-r1");
  for (const std::string& response : {still, think, opened}) check_row(text, response, opened);
  check_row(deepseek_text("deepseek-r1-unopened"), think, think);
  // The template would have eaten it, also in the last turn.
  const std::vector<tokenizer::Message> turns = {{"user", "a"}, {"assistant", think}};
  EXPECT_EQ(text.chat().render(turns, false).find("Wait"), std::string::npos);
}

TEST_F(TemplateRows, NoThoughtClosesTheOpenedOneAtOnce) {
  const ModelText text = deepseek_text("deepseek-r1");
  const RowBuilder builder(text, 4096);
  const auto row = builder.row("r", "", "q", {"42", {}});
  ASSERT_TRUE(row);
  EXPECT_EQ(bytes_where(text.tokenizer(), *row, 1), "\n</think>\n\n42<｜end▁of▁sentence｜>");
  EXPECT_EQ(builder.row("r", "", "q<｜User｜>", {"42", {}}).why().reason, "control_token");
}

TEST_F(TemplateRows, IdsOfAnotherTemplateAreRefused) {
  const ModelText text = text_of("qwen2.5", "qwen2.5");
  const RowBuilder builder(text, 4096), lenient(text, 4096, true);
  Response sampled{"", {40, text.end_of_turn_id()}, text.chat().sha256()};
  EXPECT_TRUE(builder.row("r", "", "q", sampled));
  sampled.template_sha256 = sha256_hex("qwen3");
  const auto refused = builder.row("r", "", "q", sampled);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.why().reason, "other_template");
  EXPECT_NE(refused.why().detail.find("--allow-template-change"), std::string::npos);
  EXPECT_TRUE(lenient.row("r", "", "q", sampled));
}

}  // namespace
}  // namespace ponder::data
