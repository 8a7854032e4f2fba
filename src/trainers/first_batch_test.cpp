#include "trainers/first_batch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "base/error.h"
#include "model/parameters.h"
#include "testing/folders.h"
#include "testing/tiny_config.h"

namespace ponder::trainers {
namespace {

using data::TokenRow;
using Rows = std::vector<TokenRow>;

// What another program logs for rows that it read in its own way: written without the suspects' code.
// The model is small and its weights are random, as each refusal takes it through the rows forty times.
class FirstBatchTest : public ::testing::Test {
 protected:
  FirstBatchTest()
      : folder_(testing::source_dir() / "models/nano-base"),
        text_(folder_, {{}, 512, {}, {}, data::ThoughtForm::kStill}),
        parameters_(config(), "weights"),
        decoder_(config(), threads_) {
    initialise(parameters_, config(), 3);
    decoder_.set_parameters(parameters_);
    job_.settings.kind = Kind::kTrl;
    job_.settings.processes = 2;
    job_.options.batch.batch_rows = 4;
    job_.options.warmup_ratio = 0.5;
    job_.num_rows = 6;
    const data::RowBuilder builder(text_, 1000);
    for (int i = 0; i < 6; ++i) {
      data::Demonstration demonstration;
      demonstration.question = fmt::format("Compute {}+{}*3", 12 + i, 7 * i + 8);
      demonstration.thought =
          i % 2 ? "First the product, then the sum. 3 times it is more. I look at it once more, "
                  "slowly, from the beginning to the end, and find it right."
                : "I multiply.\n\n1. Then I add.";
      demonstration.solution =
          fmt::format("The answer is \\boxed{{{}}}.", 12 + i + 3 * (7 * i + 8));
      rows_.push_back(*builder.row(fmt::format("row {}", i), demonstration));
    }
  }

  static model::ModelConfig config() {
    model::ModelConfig config = testing::tiny_config(512);
    config.initializer_range = 0.2;  // large, so that one reading's loss is far from another's
    return config;
  }
  FirstBatch batch() const {
    FirstBatch out;
    for (size_t i = 0; i < 4; ++i) out.rows.push_back({rows_[order_[i]]});
    for (size_t i = 0; i < 4; ++i) out.in_file_order.push_back({rows_[i]});
    return out;
  }
  Rows first_rows() const {
    Rows out;
    for (size_t i = 0; i < 4; ++i) out.push_back(rows_[order_[i]]);
    return out;
  }
  FirstBatchCheck check(FirstBatch batch) {
    return FirstBatchCheck({job_, text_, folder_, "", decoder_}, std::move(batch));
  }

  std::vector<float> logprobs(const TokenRow& row) {
    model::PackedBatch batch;
    std::vector<float> out(static_cast<size_t>(batch.append(row.tokens, row.loss_mask)));
    decoder_.forward(batch, out, model::Keep::kNothing);
    return out;
  }
  double sum(const TokenRow& row) {
    double total = 0;
    for (const float logprob : logprobs(row)) total += logprob;
    return total;
  }
  double token_loss(const Rows& rows) {
    double total = 0, count = 0;
    for (const TokenRow& row : rows) {
      total += sum(row);
      count += static_cast<double>(row.num_loss_tokens());
    }
    return -total / count;
  }
  TokenRow read_as(const std::string& prompt, const std::string& completion) const {
    TokenRow row;
    row.tokens = text_.tokenizer().encode(prompt);
    row.loss_mask.assign(row.tokens.size(), 0);
    for (const int32_t id : text_.tokenizer().encode(completion)) {
      row.tokens.push_back(id);
      row.loss_mask.push_back(1);
    }
    return row;
  }
  std::string part(const TokenRow& row, bool of_prompt) const {
    const auto split = row.tokens.begin() + row.num_prompt_tokens;
    const std::vector<int32_t> ids = of_prompt ? std::vector<int32_t>(row.tokens.begin(), split)
                                               : std::vector<int32_t>(split, row.tokens.end());
    return text_.tokenizer().decode(ids);
  }
  Rows changed(const std::function<void(TokenRow&)>& change) const {
    Rows out = first_rows();
    for (TokenRow& row : out) change(row);
    return out;
  }
  Rows read(const std::function<TokenRow(const std::string& prompt, const std::string& completion)>&
                reading) const {
    Rows out;
    for (const TokenRow& row : first_rows())
      out.push_back(reading(part(row, true), part(row, false)));
    return out;
  }

  static double logged(double loss) { return std::round(loss * 1e4) / 1e4; }
  // The refusal of a first step with that loss; "" where it is taken.
  std::string refusal(double loss) {
    LogStep step;
    step.step = 1;
    step.loss = logged(loss);
    try {
      check(batch()).compare(step);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  const std::filesystem::path folder_;
  ThreadPool threads_{1};
  data::ModelText text_;
  model::Parameters parameters_;
  model::Decoder decoder_;
  Job job_;
  Rows rows_;
  const std::vector<size_t> order_ = {4, 2, 5, 1, 0, 3};
};

TEST_F(FirstBatchTest, TakesItsOwnNumber) {
  EXPECT_EQ(refusal(token_loss(first_rows())), "");
  EXPECT_EQ(refusal(token_loss(first_rows()) * 1.0001), "");
  EXPECT_NE(refusal(token_loss(first_rows()) * 1.011), "");
  FirstBatchCheck exact = check(batch());
  EXPECT_NEAR(exact.expected().loss, token_loss(first_rows()), 1e-6);
  EXPECT_EQ(exact.expected().margin, 0);
}

TEST_F(FirstBatchTest, NamesWhatWasReadOtherwise) {
  const std::string end(text_.chat().end_of_turn());
  const int32_t end_id = text_.end_of_turn_id();
  const auto question = [](const std::string& prompt) {
    const size_t begin = prompt.find("Compute"), finish = prompt.find("<|im_end|>", begin);
    return prompt.substr(begin, finish - begin);
  };
  const auto before = [](const std::string& text, const std::string& mark) {
    return text.substr(0, text.find(mark));
  };
  struct Case {
    const char* named;
    Rows rows;
  };
  const std::vector<Case> cases = {
      {"every token is trained", changed([](TokenRow& row) {
         std::fill(row.loss_mask.begin() + 1, row.loss_mask.end(), 1);
       })},
      {"has behind the end token is trained too",
       read([&](const auto& p, const auto& c) { return read_as(p, c + "\n"); })},
      {"the end token <|im_end|> is not trained", changed([](TokenRow& row) {
         row.tokens.pop_back();
         row.loss_mask.pop_back();
       })},
      {"the end token stands twice", changed([&](TokenRow& row) {
         row.tokens.push_back(end_id);
         row.loss_mask.push_back(1);
       })},
      {"double BOS", changed([](TokenRow& row) {
         row.tokens.insert(row.tokens.begin(), row.tokens.front());
         row.loss_mask.insert(row.loss_mask.begin(), 0);
       })},
      {"the mask begins one token early", changed([](TokenRow& row) {
         row.loss_mask[static_cast<size_t>(row.num_prompt_tokens) - 1] = 1;
       })},
      {"the mask begins one token late", changed([](TokenRow& row) {
         row.loss_mask[static_cast<size_t>(row.num_prompt_tokens)] = 0;
       })},
      {"cut at 64 tokens", changed([](TokenRow& row) {
         if (row.tokens.size() > 64) row.tokens.resize(64), row.loss_mask.resize(64);
       })},
      {"no template", read([&](const auto& p, const auto& c) { return read_as(question(p), c); })},
      {"Alpaca", read([&](const auto& p, const auto& c) {
         return read_as(
             "Below is an instruction that describes a task. Write a response that "
             "appropriately completes the request.\n\n### Instruction:\n" +
                 question(p) + "\n\n### Response:\n",
             c);
       })},
      {"OpenRLHF's default", read([&](const auto& p, const auto& c) {
         return read_as("User: " + question(p) + "\nAssistant: ", c);
       })},
      {"another system turn: \"You are a helpful assistant.\"",
       read([&](const auto& p, const auto& c) {
         return read_as("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" +
                            p.substr(p.find("<|im_start|>user")),
                        c);
       })},
      {"no generation prompt", read([&](const auto& p, const auto& c) {
         return read_as(before(p, "<|im_start|>assistant"), c);
       })},
      {"the thought is left out", read([&](const auto& p, const auto& c) {
         const size_t answer = c.find("The answer");
         return read_as(p, before(c.substr(answer), "\n\n<|end_of_solution") + end);
       })},
      {"a line end stands before",
       read([&](const auto& p, const auto& c) { return read_as(p, "\n" + c); })},
      {"the file's order was taken", {rows_[0], rows_[1], rows_[2], rows_[3]}},
  };
  ASSERT_GE(cases.size(), 12u);
  for (const Case& each : cases) {
    const std::string said = refusal(token_loss(each.rows));
    EXPECT_NE(said.find(std::string("most likely ")), std::string::npos)
        << each.named << ": " << said;
    EXPECT_NE(said.find(each.named), std::string::npos) << each.named << ": " << said;
  }
}

TEST_F(FirstBatchTest, NamesShiftedLabels) {
  for (const auto& [shift, named] : {std::pair(2, "shifted twice"), std::pair(0, "not shifted")}) {
    double total = 0, count = 0;
    for (const TokenRow& row : first_rows()) {
      model::PackedBatch batch;
      batch.append(row.tokens, std::vector<uint8_t>(row.tokens.size(), 0));
      for (size_t i = 2; i < row.tokens.size(); ++i) {
        if (!row.loss_mask[i]) continue;
        batch.target_index.push_back(static_cast<int32_t>(i) - shift);
        batch.target_token.push_back(row.tokens[i]);
      }
      std::vector<float> out(batch.target_index.size());
      decoder_.forward(batch, out, model::Keep::kNothing);
      for (const float logprob : out) total -= logprob;
      count += static_cast<double>(out.size());
    }
    EXPECT_NE(refusal(total / count).find(named), std::string::npos) << refusal(total / count);
  }
}

TEST_F(FirstBatchTest, NamesOtherMeans) {
  double rows = 0, total = 0, count = 0, all = 0;
  for (const TokenRow& row : first_rows()) {
    rows -= sum(row) / static_cast<double>(row.num_loss_tokens()) / 4;
    total -= sum(row);
    count += static_cast<double>(row.num_loss_tokens());
    all += static_cast<double>(row.num_tokens());
  }
  const double mean = total / count;
  EXPECT_NE(refusal(rows).find("mean of the rows' means"), std::string::npos) << refusal(rows);
  EXPECT_NE(refusal(total).find("a sum over tokens"), std::string::npos);
  EXPECT_NE(refusal(total / all).find("divided by all tokens"), std::string::npos);
  EXPECT_NE(refusal(mean * 2).find("added up over the"), std::string::npos);
  EXPECT_NE(refusal(std::log(512.0)).find("the weights are random"), std::string::npos);
  double smooth = 0;
  for (const TokenRow& row : first_rows()) {
    for (int32_t first = 0; first < 512; first += 64) {
      model::PackedBatch batch, repeated;
      batch.append(row.tokens, row.loss_mask);
      repeated = batch;
      repeated.target_index.clear();
      repeated.target_token.clear();
      for (const int32_t index : batch.target_index) {
        for (int32_t token = first; token < first + 64; ++token) {
          repeated.target_index.push_back(index);
          repeated.target_token.push_back(token);
        }
      }
      std::vector<float> out(repeated.target_token.size());
      decoder_.forward(repeated, out, model::Keep::kNothing);
      for (const float logprob : out) smooth -= logprob / 512;
    }
  }
  const double smoothed = 0.9 * mean + 0.1 * smooth / count;
  EXPECT_NE(refusal(smoothed).find("label smoothing of 0.1"), std::string::npos)
      << refusal(smoothed);
}

TEST_F(FirstBatchTest, SaysWhenNothingExplainsIt) {
  const std::string said = refusal(123.456);
  EXPECT_NE(said.find("none of"), std::string::npos) << said;
  LogStep nothing;
  nothing.step = 1;
  EXPECT_THROW(check(batch()).compare(nothing), Error);
}

TEST_F(FirstBatchTest, WarmUpFromNothing) {
  LogStep step;
  step.step = 1;
  step.loss = token_loss(first_rows());
  step.lr = 0;
  EXPECT_THROW(check(batch()).compare(step), Error);
  job_.settings.kind = Kind::kLlamaFactory;  // always does so, and it is documented
  EXPECT_NO_THROW(check(batch()).compare(step));
  job_.settings.kind = Kind::kTrl;
  step.lr = 1e-6;
  EXPECT_NO_THROW(check(batch()).compare(step));
}

TEST_F(FirstBatchTest, ASampleHasRoom) {
  FirstBatch sample = batch();
  sample.sampled = true;
  FirstBatchCheck of_sample = check(std::move(sample));
  EXPECT_GT(of_sample.expected().margin, 0);
  LogStep step;
  step.step = 1;
  step.loss = token_loss({rows_[0], rows_[3], rows_[1], rows_[5]});
  EXPECT_NO_THROW(of_sample.compare(step));
  step.loss = std::log(512.0);
  EXPECT_THROW(of_sample.compare(step), Error);
}

TEST_F(FirstBatchTest, Preferences) {
  job_.objective = Objective::kDpo;
  job_.dpo.sft_weight = 0;
  FirstBatch pairs;
  double chosen = 0, nll = 0;
  for (size_t i = 0; i < 4; ++i) {
    pairs.rows.push_back({rows_[i]});
    pairs.whole.push_back({rows_[i]});
    pairs.rejected.push_back({rows_[i + 1]});
    chosen += sum(rows_[i]) / 4;
    nll -= sum(rows_[i]) / static_cast<double>(rows_[i].num_loss_tokens()) / 4;
  }
  const auto refused = [&](double loss, std::optional<double> logprob) {
    LogStep step;
    step.step = 1;
    step.loss = logged(loss);
    if (logprob) step.metrics = {{"chosen_logprob", *logprob}};
    try {
      check(pairs).compare(step);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const double ln2 = std::numbers::ln2;
  EXPECT_EQ(refused(ln2, chosen), "");
  EXPECT_NE(refused(0.75, {}).find("must be ln 2"), std::string::npos);
  EXPECT_NE(refused(25, {}).find("IPO"), std::string::npos) << refused(25, {});
  EXPECT_NE(refused(ln2 + nll, {}).find("a likelihood term of weight 1"), std::string::npos);
  EXPECT_NE(refused(ln2, -nll).find("a mean over a response's tokens"), std::string::npos);
  double every = 0;
  for (size_t i = 0; i < 4; ++i) {
    TokenRow row = rows_[i];
    std::fill(row.loss_mask.begin() + 1, row.loss_mask.end(), 1);
    every += sum(row) / 4;
  }
  EXPECT_NE(refused(ln2, every).find("every token is trained"), std::string::npos);
  job_.dpo.sft_weight = 0.1;
  EXPECT_EQ(refused(ln2 + 0.1 * nll, {}), "");
  EXPECT_NE(refused(ln2, {}).find("(sft_weight) is missing"), std::string::npos);
}

}  // namespace
}  // namespace ponder::trainers
