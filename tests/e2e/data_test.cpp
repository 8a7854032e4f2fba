// Files as users have them, through the real binary: nothing is lost or misread on the way in.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kNano = testing::source_dir() / "models/nano-base";
const std::string kParquet = testing::source_dir() / "tests/golden/parquet/demonstrations.parquet";
const fs::path kImitation = testing::shared_data() / "imitation";

Json check_report(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {program(), "data", "check"});
  arguments.push_back("--json");
  const testing::Outcome outcome = testing::run(arguments);
  const std::vector<Json> objects = json_lines(outcome.out);
  EXPECT_EQ(objects.size(), 1u) << outcome.err;
  if (objects.empty()) return {};
  uint64_t rejected = 0;
  for (const auto& [reason, count] : objects[0]["rejected"].items()) {
    rejected += count.get<uint64_t>();
  }
  EXPECT_EQ(objects[0]["rows"], objects[0]["kept"].get<uint64_t>() + rejected +
                                    objects[0]["duplicates"].get<uint64_t>());
  return objects[0];
}

// Two of Marco-o1's rows lack their tags; the LIMO traces have no thought apart from the answer.
struct Layout {
  const char* file;
  int rows, kept;
};
void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.file; }
class RealLayouts : public ::testing::TestWithParam<Layout> {};

TEST_P(RealLayouts, AreReadWhole) {
  const fs::path file = kImitation / GetParam().file;
  if (!fs::exists(file)) GTEST_SKIP() << "no shared data: " << file;
  const Json report = check_report({file, "--kind", "demonstrations"});
  EXPECT_EQ(report["rows"], GetParam().rows) << report;
  EXPECT_EQ(report["kept"], GetParam().kept) << report;
}

INSTANTIATE_TEST_SUITE_P(
    Imitation, RealLayouts,
    ::testing::Values(Layout{"alpaca.json", 30, 30}, Layout{"sharegpt_conversations.json", 30, 30},
                      Layout{"openai_messages_think.jsonl", 30, 30},
                      Layout{"still_format.jsonl", 299, 299},
                      Layout{"originals/huatuogpt_o1_demo_60.json", 60, 60},
                      Layout{"originals/marco_o1_cot_demo.json", 117, 115},
                      Layout{"originals/pcmb_r1_traces_80.jsonl", 80, 80},
                      Layout{"originals/limo_r1_distill_qwen32b_60.jsonl", 60, 0}),
    [](const auto& test) {
      std::string name = test.param.file;
      for (char& c : name) {
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      return name;
    });

TEST(DataCheck, ParquetOfConversations) {
  const Json report = check_report({kParquet, "--tokenizer", kNano});
  EXPECT_EQ(report["kind"], "demonstrations");
  EXPECT_EQ(report["rows"], 4);
  EXPECT_EQ(report["kept"], 3);
  EXPECT_EQ(report["duplicates"], 0);
  EXPECT_EQ(report["questions"], 2);  // two responses to one of them
  EXPECT_EQ(report["rejected"], (Json{{"missing_turn", 1}}));
}

TEST(DataCheck, ABenchmarksQuestionIsNamed) {
  const testing::TemporaryFolder folder;
  write_file_atomic(folder / "bench.jsonl",
                    "{\"id\":\"b7\",\"question\":\"what is $4 * 6$\",\"answer\":\"24\"}\n");
  const Json report = check_report({kParquet, "--against", folder / "bench.jsonl", "--explain"});
  EXPECT_EQ(report["kept"], 2);
  EXPECT_EQ(report["rejected"]["contaminated"], 1);
  EXPECT_NE(dump_json(report["examples"]).find("b7"), std::string::npos) << report;
}

TEST(DataShow, WhatIsTrainedIsMarked) {
  const testing::Outcome outcome =
      ponder({"data", "show", kParquet, "-n", "1", "--tokenizer", kNano, "--quiet"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n"
                             "[[<|begin_of_thought|>\n\nTwo and three make five.\n\n"
                             "<|end_of_thought|>\n\n<|begin_of_solution|>\n\nIt is \\boxed{5}.\n\n"
                             "<|end_of_solution|><|im_end|>]]"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(DataShow, InColourOnATerminal) {
  // script (bsdutils, part of every Debian) gives its command a terminal.
  const testing::Outcome outcome = testing::run(
      {"script", "-qec",
       program() + " data show " + kParquet + " -n 1 --tokenizer " + kNano + " --quiet",
       "/dev/null"});
  ASSERT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("\x1b[32m<|begin_of_thought|>"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("<|im_end|>\x1b[0m"), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find("[[<|begin"), std::string::npos) << outcome.out;
}

// Anybody can compare with what their trainer makes of the same pair.
TEST(DataShow, JsonOfPairsHasIdsAndMasks) {
  const testing::TemporaryFolder folder;
  write_file_atomic(folder / "pairs.jsonl",
                    "{\"prompt\":\"Is 2 even?\",\"chosen\":\"<think>half is 1</think>Yes\","
                    "\"rejected\":\"<think>odd</think>No, never\"}\n");
  const testing::Outcome outcome = ponder({"data", "show", folder / "pairs.jsonl", "--tokenizer",
                                           kNano, "--align", "solution", "--json", "--quiet"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json pair = parse_json(outcome.out, "pair");
  const auto text_of = [&](const std::vector<int32_t>& ids) {
    write_file_atomic(folder / "ids.jsonl", dump_json({{"ids", ids}}) + "\n");
    const testing::Outcome decoded =
        ponder({"tokenize", folder / "ids.jsonl", "--tokenizer", kNano, "--decode"});
    return parse_json(decoded.out, "text")["text"].get<std::string>();
  };
  for (const std::string side : {"chosen", "rejected"}) {
    const auto ids = pair[side + "_token_ids"].get<std::vector<int32_t>>();
    const auto mask = pair[side + "_loss_mask"].get<std::vector<int>>();
    const auto aligned = pair[side + "_aligned"].get<std::vector<int>>();
    EXPECT_EQ(text_of(ids), pair[side]);
    std::vector<int32_t> trained, about;
    ASSERT_EQ(mask.size(), ids.size());
    ASSERT_EQ(aligned.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (mask[i] == 1) trained.push_back(ids[i]);
      if (aligned[i] == 1) about.push_back(ids[i]);
    }
    // Of the rejected side only what the preference is about has a gradient.
    const std::string part = side == "chosen" ? "<|begin_of_thought|>\n\nhalf is 1\n\n"
                                                "<|end_of_thought|>\n\n<|begin_of_solution|>\n\n"
                                                "Yes\n\n<|end_of_solution|><|im_end|>"
                                              : "No, never";
    EXPECT_EQ(text_of(trained), part);
    EXPECT_EQ(text_of(about), side == "chosen" ? "Yes" : "No, never");
  }
}

TEST(DataTraining, SftReadsParquet) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const testing::Outcome outcome =
      ponder({"sft", "--model", folder / "base", "--data", kParquet, "--out", folder / "out",
              "--epochs", "1", "--batch-rows", "2"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("4 rows, 3 kept, 1 rejected (missing_turn 1); 2 questions"),
            std::string::npos)
      << outcome.err;
}

TEST(DataTraining, TheCommandInTheModelCardMakesTheSameRows) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  write_file_atomic(
      folder / "turns.jsonl",
      R"({"messages":[{"role":"user","content":"What is 1 + 1?"},)"
      R"({"role":"assistant","content":"<why>One and one.</why>2"},)"
      R"({"role":"user","content":"Plus 1?"},{"role":"assistant","content":"<why>So.</why>3"}]})");
  const testing::Outcome outcome = ponder(
      {"sft", "--model", folder / "base", "--data", folder / "turns.jsonl", "--out", folder / "out",
       "--epochs", "1", "--batch-rows", "2", "--all-turns", "--thought-tags", "<why>,</why>"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::string card = read_file(folder / "out/README.md");
  EXPECT_NE(card.find("--out OUT --all-turns --thought-tags '<why>,</why>'"), std::string::npos)
      << card;
  EXPECT_NE(card.find("turns.jsonl | 2 | 2 | 0 | none |"), std::string::npos) << card;
}

TEST(DataTraining, ABenchmarksQuestionIsNotTrained) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  write_file_atomic(folder / "bench.jsonl",
                    "{\"id\":\"b7\",\"question\":\"what is $4 * 6$\",\"answer\":\"24\"}\n");
  write_file_atomic(folder / "more.jsonl",
                    "{\"question\":\"What is 9 - 2?\",\"thought\":\"t\",\"solution\":\"7\"}\n");
  const testing::Outcome outcome =
      ponder({"sft", "--model", folder / "base", "--data",
              kParquet + "," + (folder / "more.jsonl").string(), "--out", folder / "out",
              "--epochs", "1", "--batch-rows", "2", "--against", folder / "bench.jsonl"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("contaminated: the question is b7 of bench (exact)"),
            std::string::npos)
      << outcome.err;
  const std::string card = read_file(folder / "out/README.md");
  EXPECT_NE(card.find("| 4 | 2 | 0 | contaminated 1, missing_turn 1 |"), std::string::npos) << card;
  EXPECT_NE(card.find("more.jsonl | 1 | 1 | 0 | none |"), std::string::npos) << card;
  EXPECT_NE(card.find(" --against "), std::string::npos) << card;
}

// Nothing left to train on is an error, never a training run of no steps.
TEST(DataTraining, NoUsableRowIsAnError) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  write_file_atomic(folder / "empty.jsonl", "");
  write_file_atomic(folder / "thoughtless.jsonl",
                    "{\"question\":\"What is 1 + 1?\",\"response\":\"2\"}\n");
  const auto expect_refused = [&](const std::string& file, const char* reason,
                                  std::vector<std::string> more) {
    std::vector<std::string> arguments = {program(),  "sft", "--model",      folder / "base",
                                          "--data",   file,  "--out",        folder / "out",
                                          "--epochs", "1",   "--batch-rows", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const testing::Outcome outcome = testing::run(arguments);
    EXPECT_EQ(outcome.status, 1) << file;
    EXPECT_NE(outcome.err.find(reason), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder / "out"));
  };
  expect_refused(kParquet, "too_long 3", {"--max-length", "16"});
  expect_refused(folder / "thoughtless.jsonl", "no_thought 1", {});
  expect_refused(folder / "empty.jsonl", "found none", {});
}

}  // namespace
}  // namespace ponder::e2e
