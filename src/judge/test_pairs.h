// For tests: rows of gold, prediction and the verdict that is right.
#pragma once

#include <gtest/gtest.h>

#include "judge/judge.h"

namespace ponder::judge {

struct PairCase {
  const char *gold, *prediction;
  char verdict;  // c, i, u: correct, incorrect, undecided
};

template <size_t N>
void expect_verdicts(const PairCase (&rows)[N], const JudgeOptions& options = {}) {
  for (const PairCase& row : rows) {
    const Judgement judgement = judge_answer(row.gold, row.prediction, options);
    EXPECT_EQ(to_string(judgement.verdict)[0], row.verdict)
        << row.gold << "    " << row.prediction << "\n"
        << judgement.proof;
  }
}

}  // namespace ponder::judge
