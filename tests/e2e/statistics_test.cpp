// The commands of docs/statistics.md, and what is compared with what.
#include <gtest/gtest.h>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

TEST(StatisticsPage, EveryQuotedCommandWorks) {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder / "bin");
  fs::create_symlink(program(), folder / "bin/ponder");
  fs::create_symlink(testing::source_dir() / "models", folder / "models");
  bool within = false;
  std::string said;
  int executed = 0;
  for (const std::string& line :
       testing::lines_of(read_file(testing::source_dir() / "docs/statistics.md"))) {
    if (line.starts_with("```")) {
      within = !within && line == "```sh";
    } else if (within) {
      const testing::Outcome outcome =
          testing::run({"bash", "-e", "-c", "PATH=bin:$PATH; " + line},
                       {.folder = folder.path(), .input = "", .limit = std::chrono::minutes(2)});
      EXPECT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
      said += outcome.out;
      ++executed;
    }
  }
  EXPECT_EQ(executed, 6);
  for (const char* part :
       {"pass@4 ", "maj@4 ", "best of 4 by its own log-probability", "12 tokens of thought",
        "96 tokens of thought", "cut.jsonl − direct.jsonl", "so many show about"})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
}

TEST(Compare, ModelsAndResponsesEachAgainstTheFirst) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "model");
  const std::string problems = folder / "problems.jsonl", right = folder / "right.jsonl";
  ASSERT_EQ(ponder({"synth", "--domain", "arithmetic", "--count", "12", "--out", problems}).status,
            0);
  std::string responses;
  for (const Json& problem : json_lines(read_file(problems))) {
    responses +=
        dump_json({{"problem_id", problem["id"]},
                   {"response", "\\boxed{" + problem["answer"].get<std::string>() + "}"}}) +
        "\n";
  }
  write_file_atomic(right, responses);
  const testing::Outcome both = ponder({"compare", folder / "model", right, "--benchmark", problems,
                                        "--max-tokens", "8", "--quiet", "--json"});
  ASSERT_EQ(both.status, 0) << both.err;
  const Json table = json_lines(both.out).at(0)["contestants"];
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0]["accuracy"], 0);
  EXPECT_EQ(table[1]["accuracy"], 1);
  EXPECT_EQ(table[1]["against_first"]["difference"], 1);
  EXPECT_EQ(table[1]["against_first"]["told_apart"], true);

  // Verdicts of two benchmarks whose problems are numbered alike: each table has its own.
  const std::string stories = folder / "stories.jsonl", verdicts = folder / "verdicts.jsonl";
  std::string others;
  for (Json problem : json_lines(read_file(problems))) {
    problem["question"] = "Otherwise: " + problem["question"].get<std::string>();
    problem["answer"] = problem["answer"].get<std::string>() + "1";
    others += dump_json(problem) + "\n";
  }
  write_file_atomic(stories, others);
  ASSERT_EQ(ponder({"eval", "--benchmark", problems + "," + stories, "--responses",
                    right + "," + right, "--details", verdicts, "--quiet"})
                .status,
            0);
  const testing::Outcome of_both = ponder(
      {"compare", right, verdicts, "--benchmark", problems + "," + stories, "--quiet", "--json"});
  ASSERT_EQ(of_both.status, 0) << of_both.err;
  for (const auto& [at, accuracy] : {std::pair(0, 1.0), std::pair(1, 0.0)}) {
    const Json one = json_lines(of_both.out).at(static_cast<size_t>(at))["contestants"][1];
    EXPECT_EQ(one["n"], 12);
    EXPECT_EQ(one["accuracy"], accuracy);
  }

  const std::string strict = folder / "strict.jsonl";
  ASSERT_EQ(ponder({"eval", "--benchmark", problems, "--responses", right, "--units", "strict",
                    "--details", strict, "--quiet"})
                .status,
            0);
  const testing::Outcome judged_otherwise = ponder({"compare", verdicts, strict});
  EXPECT_EQ(judged_otherwise.status, 1);
  EXPECT_NE(judged_otherwise.err.find("was judged by"), std::string::npos) << judged_otherwise.err;

  EXPECT_EQ(ponder({"compare", right, right}).status, 2) << "no verdicts and no benchmark";
  const testing::Outcome folder_of_nothing =
      ponder({"compare", folder.path().string(), right, "--benchmark", problems});
  EXPECT_EQ(folder_of_nothing.status, 1);
  EXPECT_NE(folder_of_nothing.err.find("neither a run directory nor a model"), std::string::npos)
      << folder_of_nothing.err;
}

TEST(Compare, ArithmeticsStandInTablesOfTheirOwn) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const auto run = [&](const std::string& name, const std::string& set) {
    EXPECT_EQ(ponder({"run", testing::source_dir() / "recipes/tiny.toml", "--set",
                      "base=" + (folder / "base").string(), "--until", "evaluate-M1", "--set",
                      "sft.epochs=1", "--set", set, "--quiet", "--out", folder / name})
                  .status,
              0);
    return folder / name;
  };
  const std::string f32 = run("f32", "train_seed=1"), bf16 = run("bf16", "precision=bf16"),
                    strict = run("strict", "evaluate.units=strict");
  const testing::Outcome said = ponder({"compare", f32, bf16, strict});
  EXPECT_EQ(said.status, 0) << said.err;
  for (const char* part : {"measured in arithmetic f32; judge: version 1, units lenient",
                           "measured in arithmetic bf16-3; judge",
                           "measured in arithmetic f32; judge: version 1, units strict",
                           "no difference is told between them"})
    EXPECT_NE(said.out.find(part), std::string::npos) << part << "\n" << said.out;
  EXPECT_EQ(said.out.find("bf16 M1 − f32 M1"), std::string::npos) << said.out;
  EXPECT_EQ(json_lines(ponder({"compare", f32, bf16, "--json"}).out).size(), 2u);
  EXPECT_EQ(ponder({"compare", f32}).out.find("measured in"), std::string::npos);
}

}  // namespace
}  // namespace ponder::e2e
