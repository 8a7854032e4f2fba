// Files of responses as other programs write them, small.
#include "exchange/pool_import.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "pool/sqlite.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::exchange {
namespace {

using Rejected = std::map<std::string, uint64_t>;

class PoolImport : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }

  ImportResult import(const std::vector<std::filesystem::path>& files, ImportOptions options = {}) {
    ImportResult result;
    pool::Pool pool = pool::Pool::open(db_);
    SilentMonitor monitor;
    import_files(pool, files, options, monitor, result);
    return result;
  }

  std::vector<pool::StoredRollout> stored() const {
    std::vector<pool::StoredRollout> all;
    pool::Pool::open_read_only(db_).for_each_rollout(
        {}, [&](const pool::StoredRollout& one) { all.push_back(one); });
    return all;
  }

  // All rows of all tables, by their hashes.
  std::string contents() const {
    const pool::sqlite::Database database(db_, pool::sqlite::Database::Access::kRead);
    auto row = database.prepare(
        "SELECT group_concat(table_name || sha256 || n) FROM (SELECT * FROM row_hashes ORDER BY 1, "
        "2)");
    EXPECT_TRUE(row.step());
    return row.text(0);
  }

  static int64_t count(const ImportResult& result, judge::Verdict verdict) {
    return result.judged[static_cast<size_t>(verdict)];
  }

  class SilentMonitor : public Monitor {
   public:
    void take(const MonitorEvent&) override {}
  };

  const testing::TemporaryFolder folder_;
  const std::filesystem::path db_ = folder_ / "run.db";
};

// rows == kept + duplicates + rejected, file by file.
void expect_whole(const ImportResult& result) {
  for (const ImportedFile& file : result.files) {
    uint64_t sum = file.account.kept + file.account.duplicates;
    for (const auto& [reason, n] : file.account.rejected) sum += n;
    EXPECT_EQ(file.account.rows, sum) << file.file;
  }
}

TEST_F(PoolImport, RowsOfAQuestionAnAnswerAndResponses) {
  const auto rows = file(
      "rows.jsonl",
      {R"({"prompt": "What is 2+3?", "answer": "5", "responses": ["<think>\nadd\n</think>\n\n\\boxed{5}", "\\boxed{6}", ""]})",
       R"({"question": "What is 4+4?", "gold": 8, "response": "\\boxed{8}", "finish_reason": "length"})",
       R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "\\boxed{2}", "reasoning_content": "one and one"}], "answer": "2", "model": "Qwen/QwQ-32B"})",
       R"({"prompt": "Why?", "responses": ["Because.", "So."]})", "[1, 2]", "{\"prompt\": ",
       R"({"prompt": "What is 3+3?", "answer": "6", "outputs": [{"text": "add\n</think>\n\\boxed{6}", "finish_reason": "stop"}, {"text": "x", "finish_reason": "content_filter"}]})"});
  const ImportResult result = import({rows}, {.model_name = "someone"});
  expect_whole(result);
  EXPECT_EQ(result.responses.kept, 5u);
  EXPECT_EQ(result.responses.rejected, (Rejected{{"bad_json", 1},
                                                 {"empty_response", 1},
                                                 {"no_answer", 2},
                                                 {"not_an_object", 1},
                                                 {"unusable_finish", 1}}));
  EXPECT_EQ(result.responses.changed.at("thought_opened"), 1u);
  EXPECT_EQ(count(result, judge::Verdict::kCorrect), 3);
  EXPECT_EQ(count(result, judge::Verdict::kIncorrect),
            2);  // 6 is not 5; what was cut has no answer
  EXPECT_EQ(result.models, (std::map<std::string, int64_t>{{"Qwen/QwQ-32B", 1}, {"someone", 4}}));
  const auto all = stored();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[2].rollout.completion.finish_reason, data::FinishReason::kLength);
  EXPECT_EQ(all[3].rollout.completion.text, "<think>\none and one\n</think>\n\n\\boxed{2}");
  EXPECT_EQ(all[3].rollout.thought, "one and one");
  EXPECT_EQ(all[3].rollout.origin->system, "Be brief.");
  EXPECT_EQ(all[3].rollout.origin->line, 3u);
  EXPECT_EQ(all[4].rollout.completion.text, "<think>\nadd\n</think>\n\\boxed{6}");
  EXPECT_EQ(pool::Pool::open_read_only(db_).problems().size(), 4u);
}

const std::vector<std::string> kRequests = {
    R"({"custom_id": "add-1-0", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "Qwen/QwQ-32B", "messages": [{"role": "system", "content": "Think."}, {"role": "user", "content": "What is 2+3?\nPut the answer in \\boxed{}."}], "temperature": 0.6, "top_p": 0.95, "max_tokens": 4096, "n": 2, "seed": 7}})",
    R"({"custom_id": "add-2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "Qwen/QwQ-32B", "messages": [{"role": "user", "content": "What is 4+4?"}]}})",
    R"({"custom_id": "add-3", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "Qwen/QwQ-32B", "messages": [{"role": "user", "content": "Name a colour."}]}})"};
const std::vector<std::string> kOutput = {
    R"({"id": "batch_req_1", "custom_id": "add-1-0", "response": {"status_code": 200, "request_id": "r1", "body": {"id": "chatcmpl-1", "object": "chat.completion", "model": "Qwen/QwQ-32B", "choices": [{"index": 0, "message": {"role": "assistant", "reasoning_content": "2+3", "content": "\\boxed{5}"}, "finish_reason": "stop"}, {"index": 1, "message": {"role": "assistant", "content": null}, "finish_reason": "length"}], "usage": {"prompt_tokens": 9, "completion_tokens": 30}}}, "error": null})",
    R"({"id": "batch_req_2", "custom_id": "add-2", "response": {"status_code": 200, "body": {"model": "Qwen/QwQ-32B", "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>\n4+4\n</think>\n\n\\boxed{9}<|im_end|>"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 17}}}, "error": null})",
    R"({"id": "batch_req_3", "custom_id": "add-3", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "Red."}, "finish_reason": "stop"}]}}, "error": null})",
    R"({"id": "batch_req_4", "custom_id": "add-4", "response": {"status_code": 500, "body": {"error": {"message": "overloaded"}}}, "error": null})",
    R"({"id": "batch_req_5", "custom_id": "add-5", "response": null, "error": {"code": "batch_expired", "message": "late"}})"};
const std::vector<std::string> kProblems = {
    R"({"id": "add-1", "question": "What is 2+3?", "answer": "5", "answer_type": "number"})",
    R"({"id": "q-2", "question": "What is  4+4?", "answer": "8", "answer_type": "number"})",
    R"({"id": "add-3", "question": "What is 7+7?", "answer": "14", "answer_type": "number"})"};

// By custom_id, with or without a sample's number, or by the question; not by the custom_id of
// another set.
TEST_F(PoolImport, BatchOutputWithItsRequestsInAnyOrder) {
  const ImportResult result = import(
      {file("out.jsonl", kOutput), file("in.jsonl", kRequests), file("problems.jsonl", kProblems)});
  expect_whole(result);
  ASSERT_EQ(result.files.size(), 3u);
  EXPECT_EQ(result.files[2].layout, "batch output");
  EXPECT_EQ(result.responses.rows, 6u);
  EXPECT_EQ(result.responses.kept, 2u);
  EXPECT_EQ(result.responses.rejected,
            (Rejected{{"empty_response", 1}, {"other_question", 1}, {"request_failed", 2}}));
  EXPECT_EQ(result.responses.changed.at("asked_with_more_words"), 1u);
  EXPECT_EQ(result.responses.changed.at("end_token_cut"), 1u);
  const auto all = stored();
  ASSERT_EQ(all.size(), 2u);
  const data::Rollout &first = all[0].rollout, &second = all[1].rollout;
  EXPECT_EQ(first.problem_id, "add-1");
  EXPECT_EQ(first.verdict, judge::Verdict::kCorrect);
  EXPECT_EQ(first.origin->system, "Think.");
  EXPECT_EQ(first.origin->sampling.dump(),
            R"({"temperature":0.6,"top_p":0.95,"max_tokens":4096,"seed":7})");
  EXPECT_EQ(first.sampling.temperature, 0.6);
  EXPECT_EQ(first.completion.num_tokens(), 0);  // the usage is that of both choices
  EXPECT_EQ(second.problem_id, "q-2");
  EXPECT_EQ(second.verdict, judge::Verdict::kIncorrect);
  EXPECT_EQ(second.completion.num_tokens(), 17);
  EXPECT_TRUE(second.origin->sampling.empty());
  EXPECT_EQ(result.without_temperature, 1);
  EXPECT_EQ(result.models, (std::map<std::string, int64_t>{{"Qwen/QwQ-32B", 2}}));
}

TEST_F(PoolImport, BatchOutputWithoutRequestsNeedsIdsThatAreKnown) {
  const ImportResult result =
      import({file("out.jsonl", kOutput)}, {.problems = {file("problems.jsonl", kProblems)}});
  // add-3's colour is taken for the problem of that id: nothing says what was asked.
  EXPECT_EQ(result.responses.kept, 2u);
  EXPECT_EQ(result.responses.rejected,
            (Rejected{{"empty_response", 1}, {"request_failed", 2}, {"unknown_problem", 1}}));
}

TEST_F(PoolImport, TheResponsesApi) {
  const auto requests = file(
      "in.jsonl",
      {R"({"custom_id": "a", "url": "/v1/responses", "body": {"model": "o", "input": "What is 2+3?", "metadata": {"answer": "5"}, "max_output_tokens": 99}})"});
  const auto output = file(
      "out.jsonl",
      {R"({"custom_id": "a", "response": {"status_code": 200, "body": {"model": "o-1", "status": "completed", "output": [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "sum"}]}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "\\boxed{5}"}]}], "usage": {"output_tokens": 12}}}})",
       R"({"custom_id": "a", "response": {"status_code": 200, "body": {"model": "o-1", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [{"type": "message", "content": [{"type": "output_text", "text": "Well"}]}]}}})"});
  const ImportResult result = import({requests, output});
  ASSERT_EQ(result.responses.kept, 2u) << to_json(result, true);
  const auto all = stored();
  EXPECT_EQ(all[0].rollout.completion.text, "<think>\nsum\n</think>\n\n\\boxed{5}");
  EXPECT_EQ(all[0].rollout.verdict, judge::Verdict::kCorrect);
  EXPECT_EQ(all[0].rollout.completion.num_tokens(), 12);
  EXPECT_EQ(all[0].rollout.sampling.max_tokens, 99);
  EXPECT_EQ(all[1].rollout.completion.finish_reason, data::FinishReason::kLength);
}

// A row for each filter, the same responses in all.
TEST_F(PoolImport, LmEvalSamples) {
  const std::string doc =
      R"("doc": {"question": "Tom has 3 pens and buys 4. How many?", "answer": "3+4=7\n#### 7"}, "target": "3+4=7\n#### 7", "arguments": {"gen_args_0": {"arg_0": "Q: Tom …\nA:", "arg_1": {"until": ["Q:"], "do_sample": false, "max_gen_toks": 256}}}, "resps": [["He has 7.\n#### 7"]], )";
  const auto samples = file(
      "samples_gsm8k.jsonl",
      {R"({"doc_id": 0, )" + doc +
           R"("filtered_resps": ["7"], "filter": "strict-match", "exact_match": 1.0})",
       R"({"doc_id": 0, )" + doc +
           R"("filtered_resps": ["7"], "filter": "flexible-extract", "exact_match": 1.0})",
       R"({"doc_id": 1, "doc": {"text": "no layout"}, "target": "4", "arguments": [["What is 2+2?", {"temperature": 0.5}]], "resps": [["\\boxed{4}", "\\boxed{5}"]], "filter": "strict-match"})",
       R"({"doc_id": 2, "doc": {"question": "Which?", "choices": ["a", "b"], "answer": 1}, "target": 1, "arguments": {}, "resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "filter": "strict-match"})"});
  const ImportResult result = import({samples});
  expect_whole(result);
  EXPECT_EQ(result.files.at(0).layout, "lm-eval samples");
  EXPECT_EQ(result.responses.kept, 3u) << to_json(result, true);
  EXPECT_EQ(result.responses.duplicates, 1u);
  EXPECT_EQ(result.responses.rejected, (Rejected{{"no_response", 2}})) << to_json(result, true);
  const auto all = stored();
  EXPECT_EQ(all.at(0).rollout.verdict, judge::Verdict::kCorrect);
  EXPECT_EQ(all.at(0).rollout.problem_id, "samples_gsm8k-0");
  EXPECT_EQ(all.at(0).rollout.sampling.temperature, 0);
  EXPECT_EQ(all.at(0).rollout.sampling.max_tokens, 256);
  EXPECT_EQ(all.at(1).rollout.sampling.temperature, 0.5);
  EXPECT_EQ(pool::Pool::open_read_only(db_).problems().at(1).question, "What is 2+2?");
  EXPECT_EQ(result.models, (std::map<std::string, int64_t>{{"", 3}}));
  EXPECT_EQ(to_json(result, false).at("models").at("unknown"), 3);
}

TEST_F(PoolImport, Trajectories) {
  const std::string row =
      R"("sampling": {"temperature": 1.0, "top_p": 0.95, "top_k": 0, "max_tokens": 64}, "seed": 18446744073709551615, "token_ids": [1, 2], "logprobs": [-0.5, -1.5], "logprob": -2.0, "text": "\\boxed{5}", "thought": "", "solution": "", "finish_reason": "stop", "model_sha256": "abcdef0123456789", "template_sha256": "t", "prompt_sha256": "p")";
  const auto rollouts = file(
      "rollouts.jsonl",
      {R"({"problem_id": "add-1", "sample": 3, )" + row + "}",
       R"({"problem_id": "add-1", "sample": 3, )" + row +
           R"(, "perplexity": 1.25, "perplexity_model_sha256": "m"})",
       R"({"problem_id": "elsewhere", "sample": 0, )" + row + "}",
       R"({"problem_id": "own", "sample": 0, "prompt": [{"role": "user", "content": "Half of 10?"}], "answer": "5.01", "answer_type": "number", "tolerance": 0.1, )" +
           row + "}"});
  const ImportResult result = import({rollouts, file("problems.jsonl", kProblems)});
  EXPECT_EQ(result.responses.kept, 3u) << to_json(result, true);
  EXPECT_EQ(result.responses.rejected, (Rejected{{"unknown_problem", 1}}));
  const auto all = stored();
  EXPECT_EQ(all.at(0).rollout.sample, 3);
  EXPECT_EQ(all.at(1).rollout.sample, 4);  // the same twice in a file are two
  EXPECT_EQ(all[0].rollout.seed, 18446744073709551615u);
  EXPECT_EQ(all[0].rollout.completion.logprob_source, data::LogprobSource::kEngine);
  EXPECT_NEAR(all[0].rollout.perplexity.value(), std::exp(1.0), 1e-12);
  EXPECT_EQ(all[0].rollout.perplexity_model_sha256, "abcdef0123456789");
  EXPECT_EQ(all[1].rollout.perplexity, 1.25);
  EXPECT_EQ(all[2].rollout.verdict, judge::Verdict::kCorrect) << "by its tolerance";
  EXPECT_EQ(pool::Pool::open_read_only(db_).models().at(0).name, "model abcdef012345");
}

// As they are written of servers that give none.
TEST_F(PoolImport, TrajectoriesWithoutLogProbabilities) {
  const std::string row =
      R"({"problem_id": "add-1", "sample": 0, "seed": 1, "sampling": {"temperature": 1.0}, )"
      R"("token_ids": [1, 2], "text": "\\boxed{5}", "finish_reason": "stop")";
  const auto rollouts =
      file("rollouts.jsonl", {row + "}", row + R"(, "logprobs": null, "logprob": null})"});
  import({rollouts, file("problems.jsonl", kProblems)});
  const auto all = stored();
  ASSERT_EQ(all.size(), 2u);
  for (const auto& of : all) {
    EXPECT_EQ(of.rollout.completion.token_ids, (std::vector<int32_t>{1, 2}));
    EXPECT_FALSE(of.rollout.completion.logprobs);
    EXPECT_EQ(of.rollout.completion.logprob_source, data::LogprobSource::kNone);
    EXPECT_FALSE(of.rollout.perplexity);
  }
}

// Those of bf16 are known as such, by their definition; of one that is none of ours the ids alone are taken.
TEST_F(PoolImport, LogProbabilitiesHaveTheirArithmetic) {
  const auto row = [](int sample, const std::string& precision) {
    return R"({"problem_id": "add-1", "sample": )" + std::to_string(sample) +
           R"(, "token_ids": [1, 2], "logprobs": [-0.5, -1.5], "text": "\\boxed{5}", )"
           R"("finish_reason": "stop", "precision": ")" +
           precision +
           R"(", "model_sha256": "abcdef0123456789", "sampling": {"temperature": 1.0}})";
  };
  const auto rollouts =
      file("rollouts.jsonl", {row(0, "bf16-3"), row(1, "fp8"), row(2, "f32"), row(3, "bf16")});
  const ImportResult result = import({rollouts, file("problems.jsonl", kProblems)});
  EXPECT_EQ(result.responses.kept, 4u) << to_json(result, true);
  const auto all = stored();
  EXPECT_EQ(all.at(0).rollout.completion.precision, tensor::Precision::kBf16);
  EXPECT_TRUE(all[0].rollout.completion.logprobs);
  EXPECT_EQ(all[0].rollout.perplexity_precision, tensor::Precision::kBf16);
  EXPECT_NEAR(all[0].rollout.perplexity.value(), 2.718281828, 1e-6);
  EXPECT_FALSE(all.at(1).rollout.completion.logprobs);
  EXPECT_TRUE(all[1].rollout.completion.token_ids);
  EXPECT_FALSE(all[1].rollout.perplexity);
  EXPECT_EQ(all.at(2).rollout.completion.precision, tensor::Precision::kF32);
  EXPECT_EQ(all[2].rollout.perplexity_precision, tensor::Precision::kF32);
  EXPECT_EQ(all.at(3).rollout.completion.precision, tensor::Precision::kBf16First);
  EXPECT_EQ(all[3].rollout.perplexity_precision, tensor::Precision::kBf16First);
  uint64_t counted = 0;
  for (const ImportedFile& read : result.files) {
    const auto found = read.account.changed.find("logprobs_of_other_arithmetic");
    if (found != read.account.changed.end()) counted += found->second;
  }
  EXPECT_EQ(counted, 1u);
}

TEST_F(PoolImport, WhatIsThereIsNotAddedAgain) {
  const std::vector<std::string> lines = {
      R"({"prompt": "What is 2+3?", "answer": "5", "responses": ["\\boxed{5}", "\\boxed{5}", "\\boxed{6}"]})",
      R"({"id": "1", "prompt": "What is 2+4?", "answer": "6", "responses": ["\\boxed{6}"]})"};
  const auto first = file("a.jsonl", lines);
  EXPECT_EQ(import({first}).responses.kept, 4u);
  const std::string before = contents();
  const ImportResult again = import({first});
  expect_whole(again);
  EXPECT_EQ(again.responses.duplicates, 4u);
  EXPECT_EQ(contents(), before) << "nothing at all is written";
  // Another file with the same, more of it, and the same question with other white space.
  std::vector<std::string> more = lines;
  more.push_back(
      R"({"id": "1", "prompt": " What  is 2+3?", "answer": "5", "response": "\\boxed{7}"})");
  more.push_back(
      R"({"id": "1", "prompt": "What is 9-1?", "answer": "8", "response": "\\boxed{8}"})");
  const ImportResult added = import({file("b.jsonl", more)});
  EXPECT_EQ(added.responses.kept, 2u);
  EXPECT_EQ(added.responses.duplicates, 4u);
  const pool::Pool pool = pool::Pool::open_read_only(db_);
  ASSERT_EQ(pool.problems().size(), 3u);
  EXPECT_EQ(pool.problems()[1].id, "a-1#2");
  EXPECT_EQ(pool.problems()[2].id, "b-1");
  EXPECT_EQ(pool.counts_of(kImportStage).rollouts, 6);
  ASSERT_EQ(pool.sources().size(), 2u);
  EXPECT_EQ(pool.sources()[1].account.kept, 2u);
  pool.verify();
  const Json lineage = pool.lineage("import:0");
  EXPECT_EQ(lineage.at("origin").at("line"), 1);
  const std::string text = pool::lineage_text(lineage);
  EXPECT_NE(text.find("model      not known"), std::string::npos) << text;
  EXPECT_NE(text.find("settings not known"), std::string::npos) << text;
}

TEST_F(PoolImport, AFileOfWhichNothingCanBeUsedChangesNothing) {
  const auto good = file("good.jsonl", {R"({"prompt": "2+3?", "answer": "5", "response": "5"})"});
  const auto bad = file("bad.jsonl", {R"({"prompt": "Why?", "response": "So."})"});
  EXPECT_NE(testing::error_text([&] {
              import({good, bad});
            }).find("none of its rows can be used"),
            std::string::npos);
  EXPECT_EQ(pool::Pool::open_read_only(db_).counts().rollouts, 0);
  EXPECT_NE(testing::error_text([&] {
              import({file("problems.jsonl", kProblems)});
            }).find("expected files of responses"),
            std::string::npos);
  EXPECT_NE(testing::error_text([&] { import({file("x.jsonl", {"[1]"})}); }).find("JSON objects"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::exchange
