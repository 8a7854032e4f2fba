// Readers on the real files of the shared data, and the forms of rows.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "data/gold.h"
#include "data/readers.h"
#include "testing/folders.h"
#include "tokenizer/thought_format.h"

namespace ponder::data {
namespace {

namespace fs = std::filesystem;

fs::path shared(const std::string& name) { return testing::shared_data() / name; }

#define REQUIRE_SHARED(name) \
  if (!fs::exists(shared(name))) GTEST_SKIP() << shared(name) << " is absent"

void expect_balanced(const RowAccount& report) {
  uint64_t rejected = 0;
  for (const auto& [reason, count] : report.rejected) rejected += count;
  EXPECT_EQ(report.rows, report.kept + report.duplicates + rejected);
}

std::vector<Problem> problems_of(const std::string& name, uint64_t rows, uint64_t kept,
                                 uint64_t duplicates) {
  RowAccount report;
  std::vector<Problem> problems = read_problems(shared(name), report);
  EXPECT_EQ(report.rows, rows) << name;
  EXPECT_EQ(report.kept, kept) << name << ": " << to_json(report, true).dump(1).substr(0, 2000);
  EXPECT_EQ(report.duplicates, duplicates) << name;
  EXPECT_EQ(problems.size(), kept);
  expect_balanced(report);
  std::set<std::string> ids;
  for (const Problem& p : problems) {
    EXPECT_TRUE(ids.insert(p.id).second) << p.id;
    EXPECT_FALSE(p.question.empty() || p.answer.empty()) << p.id;
  }
  return problems;
}

TEST(Benchmarks, MathOai) {
  REQUIRE_SHARED("benchmarks/MATH_OAI.jsonl");
  const auto problems = problems_of("benchmarks/MATH_OAI.jsonl", 500, 500, 0);
  EXPECT_EQ(problems[0].id, "test/precalculus/807.json");
  EXPECT_EQ(problems[0].answer, "\\left( 3, \\frac{\\pi}{2} \\right)");
  EXPECT_EQ(problems[0].answer_type, judge::AnswerType::kMath);
  EXPECT_EQ(problems[0].domain, "math");
  EXPECT_EQ(problems[0].level, "2");
  EXPECT_EQ(problems[0].line, 1u);
}

TEST(Benchmarks, MathOaiGoldIsTheLastBoxOfItsSolution) {
  REQUIRE_SHARED("benchmarks/MATH_OAI.jsonl");
  JsonRowReader reader(shared("benchmarks/MATH_OAI.jsonl"));
  JsonRow row;
  int n = 0;
  while (reader.next(row)) {
    EXPECT_EQ(last_boxed(row.value["solution"].get<std::string>()),
              row.value["answer"].get<std::string>());
    ++n;
  }
  EXPECT_EQ(n, 500);
}

TEST(Benchmarks, Aime24) {
  REQUIRE_SHARED("benchmarks/AIME24.jsonl");
  const auto problems = problems_of("benchmarks/AIME24.jsonl", 30, 30, 0);
  EXPECT_EQ(problems[0].id, "AIME24-1");
  EXPECT_EQ(problems[0].answer, "204");
}

TEST(Benchmarks, GpqaDiamond) {
  REQUIRE_SHARED("benchmarks/gpqa_diamond.json.gz");
  const auto problems = problems_of("benchmarks/gpqa_diamond.json.gz", 198, 198, 0);
  std::map<std::string, int> letters, domains;
  for (const Problem& p : problems) {
    ++letters[p.answer];
    ++domains[p.domain];
    EXPECT_EQ(p.answer_type, judge::AnswerType::kChoice);
  }
  EXPECT_EQ(letters, (std::map<std::string, int>{{"A", 54}, {"B", 48}, {"C", 47}, {"D", 49}}));
  EXPECT_EQ(domains,
            (std::map<std::string, int>{{"biology", 19}, {"chemistry", 93}, {"physics", 86}}));
  EXPECT_EQ(problems[0].id, "gpqa_diamond-0");
  EXPECT_EQ(problems[0].answer, "D");
  EXPECT_NE(problems[0].question.find("(D) 10^-4 eV"), std::string::npos);
}

TEST(Benchmarks, OlymMath) {
  REQUIRE_SHARED("benchmarks/OlymMATH-EN-EASY.jsonl");
  const auto problems = problems_of("benchmarks/OlymMATH-EN-EASY.jsonl", 100, 100, 0);
  EXPECT_EQ(problems[0].domain, "math");
  EXPECT_EQ(problems[0].answer, "948");
}

TEST(TrainingProblems, EveryFileIsAccountedFor) {
  REQUIRE_SHARED("problems");
  const auto aime = problems_of("problems/aime_1983_2023.jsonl", 975, 975, 0);
  EXPECT_EQ(aime[0].id, "aime-1983-1-1");
  const auto deep = problems_of("problems/deepmath_800.jsonl", 800, 799, 1);
  EXPECT_EQ(deep[0].id, "deepmath_800-9");
  EXPECT_EQ(deep[0].answer, "\\dfrac{25}{16}");
  EXPECT_EQ(deep[0].level, "4.5");
  problems_of("problems/math_train_2496.jsonl", 2496, 2495, 0);  // line 1786 has an empty answer
  problems_of("problems/math_train_678_with_solutions.jsonl", 678, 678, 0);
  const auto knights = problems_of("problems/knights_knaves_300.jsonl", 300, 300, 0);
  EXPECT_EQ(knights[0].answer, "Amelia is a knight, Penelope is a knight, and Evelyn is a knave.");
  EXPECT_EQ(knights[0].domain, "puzzle");
}

TEST(TrainingProblems, Gsm8k) {
  REQUIRE_SHARED("problems/gsm8k_test_300.jsonl");
  const auto test = problems_of("problems/gsm8k_test_300.jsonl", 300, 300, 0);
  EXPECT_EQ(test[0].answer, "160");
  EXPECT_EQ(test[0].answer_type, judge::AnswerType::kNumber);
  EXPECT_EQ(test[0].domain, "math");
  for (const Problem& p : problems_of("problems/gsm8k_train_1500.jsonl", 1500, 1500, 0)) {
    EXPECT_EQ(p.answer.find_first_not_of("-0123456789."), std::string::npos) << p.answer;
  }
}

TEST(TrainingProblems, MmluProShowsItsOptions) {
  REQUIRE_SHARED("problems/mmlu_pro_science_495.jsonl");
  // Four ids of the file stand twice, over other options: other problems.
  const auto problems = problems_of("problems/mmlu_pro_science_495.jsonl", 495, 495, 0);
  EXPECT_EQ(problems[0].answer, "E");
  EXPECT_EQ(problems[0].answer_type, judge::AnswerType::kChoice);
  EXPECT_NE(problems[0].question.find("(Unit: hp)\n\n(A) 85000\n(B) 130000\n"), std::string::npos);
  EXPECT_TRUE(problems[0].question.ends_with("\n(J) 95000"));
}

TEST(TrainingProblems, SciBench) {
  REQUIRE_SHARED("problems/scibench_582.jsonl");
  const auto problems = problems_of("problems/scibench_582.jsonl", 582, 573, 9);
  EXPECT_EQ(problems[0].answer, "50.7");
  EXPECT_EQ(problems[0].answer_type, judge::AnswerType::kNumber);
  EXPECT_EQ(problems[0].tolerance, 0.05);
  EXPECT_EQ(problems[0].domain, "chemistry");
}

TEST(TrainingProblems, MultiSubjectTakesTheUsersTurn) {
  REQUIRE_SHARED("problems/multi_subject_rlvr_300.jsonl");
  const auto problems = problems_of("problems/multi_subject_rlvr_300.jsonl", 300, 300, 0);
  EXPECT_TRUE(problems[0].question.starts_with("Female, 25 years old"));
  EXPECT_EQ(problems[0].answer_type, judge::AnswerType::kText);
}

std::vector<Demonstration> demonstrations_of(const std::string& name, uint64_t rows,
                                             const std::map<std::string, uint64_t>& rejected) {
  RowAccount report;
  std::vector<Demonstration> result = read_demonstrations(shared(name), report);
  EXPECT_EQ(report.rows, rows) << name;
  EXPECT_EQ(report.rejected, rejected) << name << ": " << report.summary();
  EXPECT_EQ(report.duplicates, 0u) << name;
  expect_balanced(report);
  for (const Demonstration& d : result) {
    EXPECT_FALSE(d.thought.empty() || d.solution.empty() || d.question.empty());
    const tokenizer::ThoughtParts parts = tokenizer::parse_thought(d.response());
    EXPECT_EQ(parts.fault, tokenizer::ThoughtFault::kNone) << parts.detail;
    EXPECT_EQ(parts.thought, d.thought);
  }
  return result;
}

TEST(Imitation, FourLayouts) {
  REQUIRE_SHARED("imitation");
  const auto still = demonstrations_of("imitation/still_format.jsonl", 299, {});
  EXPECT_EQ(still[0].domain, "chemistry");
  EXPECT_EQ(still[0].answer, "H");
  EXPECT_EQ(still[0].answer_type, judge::AnswerType::kChoice);
  EXPECT_TRUE(still[0].thought.starts_with("We are given:"));
  std::map<std::string, const Demonstration*> by_question;
  for (const Demonstration& d : still) by_question[d.question] = &d;
  // The other three hold rows of the first in other wrappings: the parts must be the same.
  for (const char* name : {"imitation/sharegpt_conversations.json", "imitation/alpaca.json",
                           "imitation/openai_messages_think.jsonl"}) {
    int found = 0;
    const auto rows = demonstrations_of(name, 30, {});
    for (const Demonstration& d : rows) {
      const auto same = by_question.find(d.question);
      if (same == by_question.end()) continue;
      ++found;
      EXPECT_EQ(d.thought, same->second->thought) << name;
      EXPECT_EQ(d.solution, same->second->solution) << name;
    }
    EXPECT_EQ(found, 30) << name;
  }
}

TEST(Imitation, Originals) {
  REQUIRE_SHARED("imitation/originals");
  demonstrations_of("imitation/originals/huatuogpt_o1_demo_60.json", 60, {});
  const auto traces = demonstrations_of("imitation/originals/pcmb_r1_traces_80.jsonl", 80, {});
  EXPECT_EQ(traces[0].answer, "H");
  EXPECT_NE(traces[0].question.find("\n\n(A) The cat believes"), std::string::npos);
  demonstrations_of("imitation/originals/marco_o1_cot_demo.json", 117, {{"missing_tag", 2}});
}

TEST(Imitation, RowsWithoutThoughtsAreRefusedByNameOrKeptOnRequest) {
  REQUIRE_SHARED("imitation/originals");
  for (const auto& [name, rows] : std::map<std::string, size_t>{
           {"imitation/originals/limo_r1_distill_qwen32b_60.jsonl", 60},
           {"imitation/originals/llamafactory_alpaca_en_demo_30.json", 30}}) {
    RowAccount report;
    EXPECT_THROW(read_demonstrations(shared(name), report), Error);
    EXPECT_EQ(report.rejected["no_thought"], rows) << report.summary();
    RowAccount direct;
    const auto kept = read_demonstrations(shared(name), direct, {.require_thought = false});
    EXPECT_EQ(kept.size(), rows);
    EXPECT_EQ(kept[0].response(), kept[0].solution);
  }
  RowAccount tools;
  const auto conversations =
      read_demonstrations(shared("imitation/originals/llamafactory_sharegpt_toolcall_15.json"),
                          tools, {.require_thought = false});
  EXPECT_EQ(tools.rejected, (std::map<std::string, uint64_t>{{"unsupported_part", 6}}));
  EXPECT_EQ(tools.duplicates, 1u);  // two are the same
  EXPECT_EQ(conversations.size(), 8u);
  EXPECT_EQ(conversations[0].history.size(), 8u);
}

TEST(KindOfRows, ByTheFirstRow) {
  REQUIRE_SHARED("imitation");
  for (const char* name :
       {"imitation/still_format.jsonl", "imitation/sharegpt_conversations.json",
        "imitation/alpaca.json", "imitation/openai_messages_think.jsonl",
        "imitation/originals/marco_o1_cot_demo.json", "imitation/originals/pcmb_r1_traces_80.jsonl",
        "imitation/originals/huatuogpt_o1_demo_60.json",
        "imitation/originals/limo_r1_distill_qwen32b_60.jsonl"}) {
    EXPECT_EQ(kind_of_rows(shared(name)), RowKind::kDemonstrations) << name;
  }
  for (const auto& folder : {"problems", "benchmarks"}) {
    for (const auto& entry : fs::directory_iterator(shared(folder))) {
      if (entry.path().extension() == ".md") continue;
      EXPECT_EQ(kind_of_rows(entry.path()), RowKind::kProblems) << entry.path();
    }
  }
}

TEST(Rows, ARolloutsNumbersSurviveItsText) {
  Rollout t;
  t.problem_id = "p-1";
  t.sample = 3;
  t.seed = 0xFFFFFFFFFFFFFFFFu;
  t.sampling = {0.7, 0.95, 20, 4096};
  t.completion.model_sha256 = "aa";
  t.template_sha256 = "bb";
  t.prompt_sha256 = "cc";
  t.prompt_ids = {7};
  t.completion.token_ids = {1, 2, 151645};
  t.completion.logprobs = {-0.1f, -1e-7f, -3.25f};
  t.completion.text = "line\n\"two\" \xC3\xA9";
  t.thought = "why";
  t.solution = "so";
  t.completion.finish_reason = FinishReason::kRepetition;
  t.verdict = judge::Verdict::kUndecided;
  t.proof = "no answer";
  t.perplexity = 1.5;
  t.perplexity_model_sha256 = "dd";
  const Json json = parse_json(dump_json(to_json(t)), "x");
  EXPECT_FALSE(json.contains("prompt_ids"));
  EXPECT_EQ(json.at("seed").get<uint64_t>(), t.seed);
  EXPECT_EQ(json.at("sampling").at("top_k"), 20);
  EXPECT_EQ(json.at("token_ids").get<std::vector<int32_t>>(), t.completion.token_ids);
  EXPECT_EQ(json.at("logprobs").get<std::vector<float>>(), t.completion.logprobs);
  EXPECT_EQ(json.at("logprob").get<double>(), -0.1f + double{-1e-7f} - 3.25);
  EXPECT_EQ(json.at("text"), t.completion.text);
  EXPECT_EQ(json.at("finish_reason"), "repetition");
  EXPECT_EQ(json.at("model_sha256"), "aa");
  EXPECT_EQ(json.at("verdict"), "undecided");
}

TEST(Rows, WhatARolloutCameWithoutIsNotThere) {
  Rollout t;
  t.completion.text = "so";
  t.completion.token_ids = {1, 2};
  const Json ids_alone = to_json(t);
  EXPECT_EQ(ids_alone.at("token_ids"), Json({1, 2}));
  EXPECT_FALSE(ids_alone.contains("logprobs"));
  EXPECT_FALSE(ids_alone.contains("logprob"));  // 0 would be a certain completion
  EXPECT_FALSE(ids_alone.contains("model_sha256"));
  t.completion.token_ids.reset();
  EXPECT_FALSE(to_json(t).contains("token_ids"));
}

TEST(DatasetName, IsTheFilesLessWhatItIsPackedIn) {
  for (const char* file : {"MATH_OAI.jsonl", "a/MATH_OAI.jsonl.gz", "MATH_OAI.jsonl.zst",
                           "/b/MATH_OAI.parquet", "MATH_OAI.json", "MATH_OAI"}) {
    EXPECT_EQ(dataset_name(file), "MATH_OAI") << file;
  }
  EXPECT_EQ(dataset_name("v1.2.jsonl"), "v1.2");
  EXPECT_EQ(dataset_name("-"), "stdin");
}

}  // namespace
}  // namespace ponder::data
