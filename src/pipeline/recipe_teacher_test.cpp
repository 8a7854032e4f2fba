#include <gtest/gtest.h>

#include "base/file.h"
#include "pipeline/recipe.h"
#include "pipeline/smoke.h"
#include "pipeline/teacher.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

constexpr const char* kWithTeacher = R"(
name = "taught"
base = "."
[imitate]
demonstrations = [{ teacher = true }]
[teacher]
url = "http://127.0.0.1:8000/v1"
model = "r1"
out = "answers"
problems = [{ synth = "arithmetic", count = 3 }]
price = { input = "0.55", output = "2.19" }
budget = "25.00"
)";

class TeacherRecipe : public ::testing::Test {
 protected:
  Recipe load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    write_file_atomic(folder_ / "r.toml", text);
    return load_recipe(folder_ / "r.toml", overrides, RecipeFiles::kMayBeAbsent);
  }
  std::string refused(const std::vector<std::string>& overrides,
                      const std::string& text = kWithTeacher) {
    return testing::error_text([&] { load(text, overrides); });
  }
  const testing::TemporaryFolder folder_;
};

TEST_F(TeacherRecipe, GivesDemonstrationsThatAreItsRows) {
  const Recipe recipe = load(kWithTeacher);
  ASSERT_TRUE(recipe.teacher.any());
  EXPECT_EQ(recipe.teacher.urls, std::vector<std::string>{"http://127.0.0.1:8000/v1"});
  EXPECT_EQ(recipe.teacher.price_cached_input, "0.55");
  const DataSource& source = recipe.imitation.at(0).demonstrations.at(0);
  EXPECT_TRUE(source.teacher);
  EXPECT_EQ(source.file, recipe.teacher.out / "demonstrations.jsonl");
  EXPECT_EQ(unasked_teacher(recipe),
            "up to 3 requests of at most USD 0.21866496 together, within a budget of 25.00");
  EXPECT_TRUE(likely_teacher(recipe).lines.empty());
  EXPECT_TRUE(likely_teacher(recipe).json.is_null());
  EXPECT_FALSE(std::filesystem::exists(recipe.teacher.out));
  EXPECT_EQ(load(recipe.resolved).resolved, recipe.resolved);
}

TEST_F(TeacherRecipe, WhatIsAskedIsTheRecipeWhereIsNot) {
  const std::string then = load(kWithTeacher).resolved;
  const auto differences = [&](const char* override) {
    return recipe_differences(then, load(kWithTeacher, {override}).resolved).size();
  };
  EXPECT_EQ(differences("teacher.url=https://other.example/v1"), 0u);
  EXPECT_EQ(differences("teacher.budget=\"50.00\""), 0u);
  EXPECT_EQ(differences("teacher.price.input=\"0.10\""), 0u);
  EXPECT_EQ(differences("teacher.model=other"), 1u);
  EXPECT_EQ(differences("teacher.samples=4"), 1u);
}

TEST_F(TeacherRecipe, ASmokeAsksForFiveProblems) {
  std::string text = kWithTeacher;
  text.replace(text.find("count = 3"), 9, "count = 30");
  write_file_atomic(folder_ / "r.toml", text);
  const Recipe recipe = load_recipe(folder_ / "r.toml", smoke_overrides(folder_ / "r.toml", {}));
  EXPECT_EQ(recipe.teacher.problems.at(0).count, 5);
  EXPECT_EQ(recipe.teacher.price_output, "2.19");
}

TEST_F(TeacherRecipe, RefusesWhatItCannotBe) {
  const auto holds = [](const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  holds(refused({"teacher.url=gpu1:8000"}), "teacher.url");
  holds(refused({"teacher.api_key_env=sk-abc"}), "is no name of an environment variable");
  holds(refused({"teacher.price.input=\"0.0000001\""}), "is no price of a million tokens");
  holds(refused({"teacher.budget=\"much\""}), "is no amount of money");
  holds(refused({"teacher.extra=\"[1]\""}), "is no JSON object");
  holds(refused({"teacher.out=\"\""}), "a teacher needs a folder for its answers");
  std::string text = kWithTeacher;
  text.resize(text.find("[teacher]"));
  holds(refused({}, text), "the recipe has no teacher");
  text += "[explore]\nproblems = [{ teacher = true }]\n";
  text.replace(text.find("teacher = true"), 14, "synth = \"arithmetic\", count = 2");
  holds(refused({}, text), "explore.problems");
}

}  // namespace
}  // namespace ponder::pipeline
