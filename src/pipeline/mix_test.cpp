// What goes into a set: conditions, filters, order, shares, and bad input before anything is trained.
#include "pipeline/mix.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "pipeline/sources.h"
#include "pipeline/stage_inputs.h"
#include "pipeline/stages/kinds.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

class Mixes : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "base");
    write("math.jsonl", "math", 12);
    write("code.jsonl", "code", 6);
  }

  // Rows of levels 1 to 3, in turns, and years from 2001 on.
  void write(const std::string& name, const std::string& domain, int rows) {
    std::ofstream file(folder_ / name);
    for (int i = 0; i < rows; ++i) {
      file << dump_json({{"question", domain + " question " + std::to_string(i)},
                         {"thought", "Let me see what number " + std::to_string(i) + " is."},
                         {"solution", "It is " + std::to_string(i)},
                         {"answer", std::to_string(i)},
                         {"domain", domain},
                         {"level", "Level " + std::to_string(i % 3 + 1)},
                         {"meta", {{"year", 2001 + i}}}})
           << "\n";
    }
  }

  Recipe load(const std::string& sources, const std::string& more = "") {
    std::ofstream(folder_ / "r.toml")
        << "base = \"base\"\nseed = 5\n" + more + "[imitate]\n" + sources;
    return load_recipe(folder_ / "r.toml", {});
  }
  // The questions of all sources, in their order, and the account held to its sum.
  std::vector<std::string> questions(const Recipe& recipe) {
    std::vector<std::string> found;
    account_ = {};
    for (const ReadSource& read : read_sources(recipe)) {
      for (const size_t place : read.order()) found.push_back(read.demonstrations[place].question);
      account_.merge(read.report);
    }
    uint64_t rejected = 0;
    for (const auto& [reason, count] : account_.rejected) rejected += count;
    EXPECT_EQ(account_.rows, account_.kept + account_.duplicates + rejected);
    EXPECT_EQ(account_.kept, found.size());
    return found;
  }
  size_t count(const std::string& sources, const std::string& more = "") {
    return questions(load(sources, more)).size();
  }
  std::string error(const std::string& sources, const std::string& more = "") {
    return testing::error_text([&] { count(sources, more); });
  }

  testing::TemporaryFolder folder_;
  data::RowAccount account_;
};

const std::string kMath = "[[imitate.demonstrations]]\nfile = \"math.jsonl\"\n",
                  kCode = "[[imitate.demonstrations]]\nfile = \"code.jsonl\"\n";

TEST_F(Mixes, ConditionsAreOnAnyField) {
  EXPECT_EQ(count(kMath + "where = { level = 2 }\n"), 4u);
  EXPECT_EQ(account_.rejected.at("filtered"), 8u);
  EXPECT_EQ(account_.examples.at(0).detail, "its level is \"Level 1\", wanted is 2");
  EXPECT_EQ(count(kMath + "where = { level = [\"Level 2\", 3] }\n"), 8u);
  EXPECT_EQ(count(kMath + "except = { level = 2 }\n"), 8u);
  EXPECT_EQ(count(kMath + "where = { level = { min = 2 } }\n"), 8u);
  EXPECT_EQ(count(kMath + "where = { meta.year = { min = 2003, max = 2005 }, level = 1 }\n"), 1u);
  EXPECT_EQ(count(kMath + "where = { \"meta.year\" = 2002 }\n"), 1u);
  EXPECT_EQ(count(kMath + "where = { domain = \"math\" }\nexcept = { answer = [1, 2] }\n"), 10u);
  EXPECT_EQ(count("[[imitate.demonstrations]]\nsynth = [\"arithmetic\", \"choice\"]\nlevels = [2, "
                  "3]\ncount = 10\nexcept = { level = 3 }\n"),
            6u);
  EXPECT_EQ(account_.rejected.at("filtered"), 4u);
}

TEST_F(Mixes, PartsOfOneFileAreSourcesOfTheirOwn) {
  EXPECT_EQ(count(kMath + "where = { level = 1 }\n" + kMath + "except = { level = 1 }\n"), 12u);
  EXPECT_NE(error(kMath + kMath).find("its rows would count twice"), std::string::npos);
}

TEST_F(Mixes, ConditionsThatLeaveNothingSayWhatTookHowMany) {
  const std::string none = error(kMath + "where = { level = 9 }\n");
  EXPECT_NE(none.find("12 rows, 0 kept, 12 rejected (filtered 12)"), std::string::npos) << none;
  EXPECT_NE(error(kMath + "where = { levle = 2 }\n").find("no row has a field \"levle\""),
            std::string::npos);
  EXPECT_NE(error(kMath + "where = { level = { min = 3, max = 1 } }\n")
                .find("the band is upside down: min 3 is above max 1"),
            std::string::npos);
}

TEST_F(Mixes, FiltersThatLeaveNothingSayWhichTookHowMany) {
  const std::string clean =
      "[clean]\nfilters = [\"wrong-answer\", \"too-short\"]\nmin_words = 50\n";
  const std::string none = error(kMath + kCode, clean);
  EXPECT_NE(none.find("imitate.demonstrations: no row is left"), std::string::npos) << none;
  EXPECT_NE(none.find("rejected (too_short 18)"), std::string::npos) << none;
  EXPECT_NE(error(kMath, "[clean]\nfilters = [\"near-dupe\"]\n").find("the filters are"),
            std::string::npos);
  EXPECT_NE(error(kMath, "[clean]\nfilters = [\"too-long\"]\n").find("too-long has no limit"),
            std::string::npos);
  EXPECT_NE(error(kMath,
                  "[clean]\nfilters = [\"too-long\"]\nmin_quantile = 0.9\nmax_quantile = "
                  "0.1\n")
                .find("r.toml:3"),
            std::string::npos);
  EXPECT_NE(error(kMath, "[clean]\n").find("[clean] has no filter"), std::string::npos);
}

TEST_F(Mixes, NearDuplicatesAreFoundAcrossTheFilesOfASet) {
  std::ofstream(folder_ / "again.jsonl") << dump_json({{"question", "Math: question 3"},
                                                       {"thought", "Let me see what number 3 is"},
                                                       {"solution", "It is 3."}});
  const std::string again = "[[imitate.demonstrations]]\nfile = \"again.jsonl\"\n";
  const std::string clean = "[clean]\nfilters = [\"near-duplicate\"]\n";
  EXPECT_EQ(count(kMath + again), 13u);
  EXPECT_EQ(count(kMath + again, clean), 12u);
  EXPECT_EQ(account_.rejected.at("near_duplicate"), 1u);
  // Each set is trained by itself.
  const std::string other =
      "[[imitate.compare]]\nname = \"b\"\n[[imitate.compare.demonstrations]]\n"
      "file = \"again.jsonl\"\n";
  EXPECT_EQ(count(kMath + other, clean), 13u);
}

TEST_F(Mixes, SharesAddUpAndAreKept) {
  const auto of = [](const std::vector<std::string>& questions, const char* domain) {
    return std::count_if(questions.begin(), questions.end(),
                         [&](const std::string& q) { return q.starts_with(domain); });
  };
  // The code has 6 rows: at a quarter each a mix of 24 would need 18 of math.
  auto found = questions(load(kMath + "share = 0.75\n" + kCode + "share = 0.25\n"));
  EXPECT_EQ(of(found, "math"), 12);
  EXPECT_EQ(of(found, "code"), 4);
  EXPECT_EQ(account_.rejected.at("beyond_share"), 2u);
  found = questions(load("rows = 7\n" + kMath + "weight = 2\n" + kCode + "weight = 1\n"));
  EXPECT_EQ(of(found, "math"), 5);
  EXPECT_EQ(of(found, "code"), 2);
  // Upsampling: the first rows again.
  found = questions(
      load("rows = 20\n" + kMath + "share = 0.5\n" + kCode + "share = 0.5\nrepeat = 2\n"));
  EXPECT_EQ(of(found, "math"), 10);
  EXPECT_EQ(of(found, "code"), 10);
  EXPECT_EQ(found.at(16), found.at(10));
  EXPECT_EQ(account_.changed.at("repeated"), 4u);
  EXPECT_EQ(count(kMath + kCode + "repeat = 3\n"), 30u);
}

TEST_F(Mixes, SharesThatDoNotAddUpAreRefused) {
  const std::string sum = error(kMath + "share = 0.5\n" + kCode + "share = 0.2\n");
  EXPECT_NE(sum.find("the shares of its 2 sources add up to 0.7, not to 1"), std::string::npos)
      << sum;
  EXPECT_NE(sum.find("r.toml:4: imitate.demonstrations"), std::string::npos) << sum;
  EXPECT_NE(error(kMath + "share = 0.5\n" + kCode).find("others none"), std::string::npos);
  EXPECT_NE(error(kMath + "share = 0.5\nweight = 1\n").find("a share or a weight, not both"),
            std::string::npos);
  EXPECT_NE(error("rows = 5\n" + kMath).find("needs sources with shares"), std::string::npos);
  const std::string few = error("rows = 20\n" + kMath + "share = 0.5\n" + kCode + "share = 0.5\n");
  EXPECT_NE(few.find("has 6 rows, its share of 20 rows is 10"), std::string::npos) << few;
  EXPECT_NE(few.find("lower rows to 12, or let its rows stand there several times, repeat = 2"),
            std::string::npos)
      << few;
}

TEST_F(Mixes, TheOrderIsThatOfARecordedSeed) {
  const std::vector<std::string> plain = questions(load(kMath)),
                                 first = questions(load(kMath + "shuffle = true\n"));
  EXPECT_NE(plain, first);
  EXPECT_EQ(questions(load(kMath + "shuffle = true\n")), first);
  EXPECT_EQ(questions(load(kMath + "shuffle = true\nshuffle_seed = 5\n")), first);
  EXPECT_NE(questions(load(kMath + "shuffle = true\nshuffle_seed = 6\n")), first);
  const Recipe recipe = load(kMath + "shuffle = true\ncount = 3\n");
  EXPECT_NE(recipe.resolved.find("shuffle_seed = 5"), std::string::npos);
  // Of a sorted file `count` takes a sample, not the beginning.
  EXPECT_EQ(questions(recipe), std::vector<std::string>(first.begin(), first.begin() + 3));
}

TEST_F(Mixes, TheResolvedRecipeIsARecipe) {
  const Recipe recipe = load("rows = 7\n" + kMath +
                                 "weight = 2\nwhere = { level = { min = 1, max = 2 }, meta.year = "
                                 "[2001, 2002, 2003, 2004, "
                                 "2005, 2007] }\nexcept = { domain = \"code\" }\nshuffle = true\n" +
                                 kCode + "weight = 1\nrepeat = 2\n",
                             "instruction = \"still-2\"\n[clean]\nfilters = [\"near-duplicate\", "
                             "\"too-long\"]\nmax_words = "
                             "5000\nproblem_filters = \"gibberish\"\n");
  std::ofstream(folder_ / "again.toml") << recipe.resolved;
  const Recipe again = load_recipe(folder_ / "again.toml", {});
  EXPECT_EQ(again.resolved, recipe.resolved);
  EXPECT_EQ(questions(again), questions(recipe));
}

TEST_F(Mixes, NothingOfItIsInARecipeWithoutIt) {
  const Recipe recipe = load(kMath);
  for (const auto& [key, value] : recipe_keys(recipe.resolved)) {
    for (const char* part : {"].where", "].share", "].weight", "].repeat", "].shuffle", "clean.",
                             "imitate.rows", "explore.rows", "instruction", "prompt_"})
      EXPECT_EQ(key.find(part), std::string::npos) << key;
  }
  const auto keys = [&](const Recipe& r) {
    Stage stage;
    stage.kind = &kIngest;
    return keys_of(stage, r);
  };
  EXPECT_NE(keys(load(kMath, "[clean]\nfilters = [\"repetition\"]\n")), keys(recipe));
  EXPECT_NE(keys(load(kMath + "where = { level = 2 }\n")), keys(recipe));
}

}  // namespace
}  // namespace ponder::pipeline
