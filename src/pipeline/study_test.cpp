#include "pipeline/study.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/recipe.h"
#include "pipeline/run_fixture.h"
#include "testing/error_text.h"
#include "testing/folders.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

class StudyFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) const {
    const std::filesystem::path file = folder_ / "study.toml";
    write_file_atomic(file, "recipe = \"" + (testing::source_dir() / "recipes/tiny.toml").string() +
                                "\"\n" + text);
    return file;
  }
  std::string complaint(const std::string& text) const {
    return testing::error_text([&] { load_study(write(text)); });
  }
  const testing::TemporaryFolder folder_;
};

TEST_F(StudyFile, VariantsAreKeysOfTheRecipe) {
  const Study study = load_study(write(R"(
train_seeds = [4, 5]
[set]
sft.epochs = 2
[[variant]]
name = "all"
[[variant]]
name = "hard"
from = "all"
models = "M1"
[variant.set]
sft.epochs = 3
refine = { strategy = "random" }
imitate.demonstrations = [{ synth = ["arithmetic", "story"], levels = [4, 5], count = 7 }]
[[variant.set.dpo]]
name = "x"
lr = 5e-5
[[finding]]
found = "it falls"
of = "hard/M1"
against = "all"
on = "test"
expected = "lower"
)"));
  EXPECT_EQ(study.train_seeds, (std::vector<uint64_t>{4, 5}));
  ASSERT_EQ(study.variants.size(), 2u);
  EXPECT_EQ(study.variants[0].overrides, std::vector<std::string>{"sft.epochs=2"});
  EXPECT_EQ(study.variants[1].models, std::vector<std::string>{"M1"});
  ASSERT_EQ(study.questions.size(), 1u);
  EXPECT_EQ(study.questions[0].expected, report::StudyQuestion::Expected::kLower);
  // What --set would make of them.
  const Recipe recipe =
      load_recipe(study.recipe, study.variants[1].overrides, RecipeFiles::kMayBeAbsent);
  EXPECT_EQ(recipe.sft.batch.epochs, 3);
  EXPECT_EQ(recipe.refine.strategy, "random");
  ASSERT_EQ(recipe.imitation[0].demonstrations.size(), 1u);
  EXPECT_EQ(recipe.imitation[0].demonstrations[0].synth,
            (std::vector<std::string>{"arithmetic", "story"}));
  EXPECT_EQ(recipe.imitation[0].demonstrations[0].lowest_level, 4);
  ASSERT_EQ(recipe.dpo.size(), 1u);
  EXPECT_EQ(recipe.dpo[0].train.lr, 5e-5);
}

TEST_F(StudyFile, ThreeTrainingSeedsUnlessGiven) {
  EXPECT_EQ(load_study(write("[[variant]]\nname = \"a\"\n")).train_seeds,
            (std::vector<uint64_t>{1, 2, 3}));
}

TEST_F(StudyFile, SaysWhatIsWrongAndWhere) {
  const auto says = [&](const std::string& text, const std::string& part) {
    EXPECT_NE(complaint(text).find(part), std::string::npos) << complaint(text);
  };
  says("", "a study needs variants");
  says("[[variant]]\nname = \"a\"\n[[variant]]\nname = \"a\"\n", "two variants are named \"a\"");
  says("[[variant]]\nname = \"a\"\nfrom = \"b\"\n", "no variant before it is named \"b\"");
  says("[[variant]]\nname = \"a/b\"\n", "name");
  says("[[variant]]\nname = \"a\"\nsets = 1\n", "did you mean \"set\"?");
  says("[[variant]]\nname = \"a\"\nset = 1\n", "expected a table of recipe keys");
  says("train_seeds = [1, 1]\n[[variant]]\nname = \"a\"\n", "stands there twice");
  says("train_seeds = [\"x\"]\n[[variant]]\nname = \"a\"\n", "expected whole numbers");
  says("[[variant]]\nname = \"a\"\n[[finding]]\nof = \"a\"\n", "a finding needs this key");
  says(
      "[[variant]]\nname = \"a\"\n[[finding]]\nfound = \"f\"\nof = \"c/M1\"\nagainst = \"a\"\non = "
      "\"t\"\n",
      "no variant is called so");
}

class StudyRunTest : public RunTest {};

// What is stopped before it could begin with its origin leaves nothing behind that goes on without.
TEST_F(StudyRunTest, OneThatIsStoppedAtItsBeginningBeginsWithItsOriginLater) {
  write_file_atomic(folder_ / "study.toml", R"(
recipe = "r.toml"
train_seeds = [1]
[[variant]]
name = "a"
[[variant]]
name = "b"
set = { explore.samples = 3 }
)");
  const Study study = load_study(folder_ / "study.toml");
  const auto runs = [&](const std::string& variant) {
    StudyPart part;
    part.variants = {variant};
    bool stopped = false;
    EXPECT_TRUE(
        run_study(study, part, folder_ / "study", threads_, monitor_, &stop_, stopped).empty());
    return !stopped;
  };
  ASSERT_TRUE(runs("a"));
  stop_ = true;
  EXPECT_FALSE(runs("b"));
  EXPECT_FALSE(std::filesystem::exists(study_run_folder(folder_ / "study", "b", 1) / "run.db"));
  stop_ = false;
  ASSERT_TRUE(runs("b"));
  EXPECT_TRUE(
      std::filesystem::exists(study_run_folder(folder_ / "study", "b", 1) / "shared_from.json"));
  StudyPart elsewhere;
  elsewhere.from = folder_ / "nowhere";
  bool stopped = false;
  EXPECT_NE(testing::error_text([&] {
              run_study(study, elsewhere, folder_ / "third", threads_, monitor_, &stop_, stopped);
            }).find("has no run seed-1"),
            std::string::npos);
}

// Those that are shipped can be read, and so can every variant's recipe.
TEST(ShippedRecipes, AreReadable) {
  namespace fs = std::filesystem;
  int recipes = 0, variants = 0;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(testing::source_dir() / "recipes/labs")) {
    EXPECT_NO_THROW(load_recipe(entry.path(), {}, RecipeFiles::kMayBeAbsent)) << entry.path();
    ++recipes;
  }
  for (const fs::directory_entry& entry :
       fs::directory_iterator(testing::source_dir() / "recipes/studies")) {
    if (entry.path().filename() == "loop.toml") continue;
    const Study study = load_study(entry.path());
    EXPECT_GE(study.questions.size(), 3u) << entry.path();
    for (const StudyVariant& variant : study.variants) {
      EXPECT_NO_THROW(load_recipe(study.recipe, variant.overrides)) << variant.name;
      ++variants;
    }
  }
  EXPECT_GE(recipes, 2);
  EXPECT_GE(variants, 20);
}

}  // namespace
}  // namespace ponder::pipeline
