#include "trainers/follow.h"

#include <gtest/gtest.h>

#include <fstream>

#include "testing/temporary_folder.h"

namespace ponder::trainers {
namespace {

TEST(Follow, JsonLines) {
  const auto ours = read_step(
      R"({"step": 3, "num_steps": 9, "loss": 2.5, "lr": 1e-05, "grad_norm": 0.7, "epoch": 0.3, "margin": 0.1})");
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->step, 3);
  EXPECT_EQ(*ours->loss, 2.5);
  EXPECT_EQ(*ours->lr, 1e-5);
  EXPECT_EQ(*ours->metric("margin"), 0.1);
  EXPECT_EQ(to_json(*ours, 9)["num_steps"], 9);
  const auto factory = read_step(
      R"({"current_steps": 1, "total_steps": 4, "loss": 0.6931, "accuracy": 0.5, "lr": 0.0, "epoch": 0.25, "percentage": 25.0, "elapsed_time": "0:00:01"})");
  ASSERT_TRUE(factory);
  EXPECT_EQ(factory->step, 1);
  EXPECT_EQ(*factory->lr, 0);
  EXPECT_EQ(*factory->metric("accuracy"), 0.5);
  EXPECT_FALSE(factory->metric("percentage"));
}

TEST(Follow, LossesThatAreNoNumbers) {
  for (const char* line : {R"({"step": 1, "loss": NaN})", "{'loss': nan, 'epoch': 1.0}",
                           R"({"step": 1, "loss": -Infinity, "lr": 1e-5})"}) {
    const auto step = read_step(line);
    ASSERT_TRUE(step) << line;
    EXPECT_FALSE(step->loss) << line;
  }
}

TEST(Follow, DictionariesOfTransformers) {
  auto step = read_step("{'loss': 2.1428, 'grad_norm': 4.5, 'learning_rate': 1e-04, 'epoch': 1.0}");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->step, 0);
  EXPECT_EQ(*step->loss, 2.1428);
  step = read_step("{'loss': '0.6931', 'rewards/margins': '0.25', 'logps/chosen': '-31.5'}");
  ASSERT_TRUE(step);
  EXPECT_EQ(*step->loss, 0.6931);
  EXPECT_EQ(*step->metric("margin"), 0.25);
  EXPECT_EQ(*step->metric("chosen_logprob"), -31.5);
}

TEST(Follow, TheBarOfOpenRlhf) {
  const auto step = read_step(
      "Train step of epoch 1:  50%|#####     | 4/8 [00:01<00:01,  3.2it/s, gpt_loss=2.14, "
      "lr=1e-5, grad_norm=0.5]",
      4, 2);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->step, 6);
  EXPECT_EQ(*step->loss, 2.14);
  EXPECT_EQ(*step->lr, 1e-5);
  EXPECT_FALSE(read_step("Train step of epoch 1:  38%|### | 3/8 [00:01, gpt_loss=2.1]", 4, 2));
  EXPECT_FALSE(read_step("Train step of epoch 0:   0%|    | 0/8 [00:00<?, ?it/s]", 4, 2));
}

TEST(Follow, EverythingElseIsNoStep) {
  for (const char* line :
       {"", "loading", "{", "{}", R"({"step": 4})", R"({"eval_loss": 2})", "{'train_runtime': 3.1}",
        "[1, 2]", "Train step of epoch", "Train step of epoch x: 1/2 [loss=1]"})
    EXPECT_FALSE(read_step(line, 4, 1)) << line;
}

TEST(Follow, LinesOfAStreamAndOfAFile) {
  LineSplitter splitter;
  EXPECT_TRUE(splitter.add("one").empty());
  EXPECT_EQ(splitter.add(" line\r\ntwo\rthr"), (std::vector<std::string>{"one line", "two"}));
  EXPECT_EQ(splitter.rest(), "thr");

  const testing::TemporaryFolder folder;
  FileTail tail(folder / "log.jsonl");
  EXPECT_TRUE(tail.lines().empty());
  std::ofstream(folder / "log.jsonl") << "a\nb";
  EXPECT_EQ(tail.lines(), std::vector<std::string>{"a"});
  std::ofstream(folder / "log.jsonl", std::ios::app) << "c\n";
  EXPECT_EQ(tail.lines(), std::vector<std::string>{"bc"});
  std::ofstream(folder / "log.jsonl") << "d\n";  // begun anew
  EXPECT_EQ(tail.lines(), std::vector<std::string>{"d"});
  EXPECT_TRUE(FileTail(folder / "log.jsonl", true).lines().empty());
}

// As torchrun shows what two processes raised: the first one's own words, not those of the launcher, nor those of the
// process that only lost the other.
TEST(Follow, WhatAProgramRaised) {
  const std::vector<std::string> of_two = {
      "Loading weights: 100%",
      "[rank1]: Traceback (most recent call last):",
      "[rank1]:   File \"train.py\", line 195, in <module>",
      "[rank0]: Traceback (most recent call last):",
      "[rank1]:     main()",
      "[rank1]:     ^^^^^^",
      "",
      "[rank1]: torch.OutOfMemoryError: CUDA out of memory.",
      "[rank0]:     main()",
      "[rank0]: RuntimeError: Connection closed by peer",
      "Traceback (most recent call last):",
      "  File \"torchrun\", line 8, in <module>",
      "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
      "  exitcode  : 1 (pid: 31219)"};
  EXPECT_EQ(raised_exception(of_two), "torch.OutOfMemoryError: CUDA out of memory.");
  const std::vector<std::string> alone = {"Traceback (most recent call last):", "  File \"a.py\"",
                                          "KeyError: 'rows'"};
  EXPECT_EQ(raised_exception(alone), "KeyError: 'rows'");
  const std::vector<std::string> launcher(of_two.begin() + 10, of_two.end());
  EXPECT_EQ(raised_exception(launcher), std::nullopt);
  const std::vector<std::string> none = {"ValueError: as a line of its own", "[",
                                         "[rank0]:", "]: "};
  EXPECT_EQ(raised_exception(none), std::nullopt);
  EXPECT_EQ(raised_exception({}), std::nullopt);
}

}  // namespace
}  // namespace ponder::trainers
