#include "train/model_card.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder::train {
namespace {

namespace fs = std::filesystem;

class ModelCard : public ::testing::Test {
 protected:
  ModelCard() {
    fs::create_directories(root / "base-7b");
    fs::create_directories(root / "out");
  }

  static void expect_has(const std::string& card, const std::string& part) {
    EXPECT_NE(card.find(part), std::string::npos) << part << "\nis not in\n" << card;
  }

  testing::TemporaryFolder temporary;
  const fs::path root = temporary.path();
  Json manifest = {{"base", {{"name", "base-7b"}, {"sha256", "b0b0"}, {"license", "apache-2.0"}}},
                   {"ponder", "9.8.7"},
                   {"model", "M2"},
                   {"training",
                    {{"model_sha256", "b0b0"},
                     {"objective", "sft"},
                     {"rows", 3},
                     {"rows_sha256", "7070"},
                     {"epochs", 3},
                     {"lr", 1e-5}}},
                   {"steps_done", 4},
                   {"num_steps", 4},
                   {"max_length", 4096},
                   {"sources",
                    {{{"source", "a|b.jsonl"},
                      {"rows", 9},
                      {"kept", 6},
                      {"duplicates", 1},
                      {"rejected", {{"too_long", 1}, {"no_thought", 1}}}}}},
                   {"command", "ponder run recipe.toml"},
                   {"recipe_toml", "name = 'x'"},
                   {"template_sha256", "7e57"},
                   {"sha256", "5a5a"}};
};

TEST_F(ModelCard, SaysWhatTheModelIsMadeOf) {
  const std::string card = model_card(manifest);
  EXPECT_EQ(card.find("---\nbase_model: base-7b\nlibrary_name: transformers\n"), 0u) << card;
  expect_has(card, "\nlicense: apache-2.0\ntags:\n- ponder\n- reasoning\n- sft\n---\n\n# M2\n");
  expect_has(card, "`base-7b` (weights sha256 `b0b0`), trained with ponder 9.8.7.");
  expect_has(card, "| a\\|b.jsonl | 9 | 6 | 1 | too_long 1, no_thought 1 |\n");
  expect_has(card, "| epochs | 3 |\n| lr | 1e-05 |\n| max_length | 4096 |\n");
  expect_has(card, "None are known yet");
  expect_has(card, "ponder run recipe.toml\n");
  expect_has(card, "name = 'x'\n");
  expect_has(card,
             "| weights | `5a5a` |\n| chat template | `7e57` |\n| training rows | `7070` |\n");
  EXPECT_EQ(card.find("not finished"), std::string::npos);
  EXPECT_EQ(model_card(manifest), card);
}

TEST_F(ModelCard, ScoresComeWithNumberAndInterval) {
  const Json scores = {{{"benchmark", "MATH"},
                        {"n", 500},
                        {"samples", 1},
                        {"accuracy", 0.8},
                        {"interval_95", {0.7626, 0.8328}},
                        {"finished", 0.99},
                        {"format_failures", 0.012}}};
  const std::string card = model_card(manifest, scores);
  expect_has(card, "| MATH | 500 | 1 | 80.0 % | 76.3 % to 83.3 % | 99.0 % | 1.2 % |\n");
  EXPECT_EQ(card.find("None are known"), std::string::npos);
}

TEST_F(ModelCard, AnUnfinishedJobSaysSo) {
  manifest["steps_done"] = 2;
  expect_has(model_card(manifest), "**Training is not finished: 2 of 4 steps are done.**");
}

// Names that would be something else in YAML.
TEST_F(ModelCard, FrontMatterStaysYaml) {
  manifest["base"]["name"] = "a: b\nc";
  EXPECT_EQ(model_card(manifest).find("---\nbase_model: \"a: b\\nc\"\n"), 0u);
  manifest["base"]["name"] = "1e5";
  EXPECT_EQ(model_card(manifest).find("---\nbase_model: \"1e5\"\n"), 0u);
}

TEST_F(ModelCard, LicenceAndCardOfTheBaseAreKept) {
  const std::string own =
      "---\nlicense: other\nlicense_name: qwen-research\nlicense_link: LICENSE\nlanguage: en\n---\n"
      "license: not-this\n";
  write_file_atomic(root / "base-7b/README.md", own);
  const Json facts = base_facts(root / "base-7b", "b0b0");
  EXPECT_EQ(facts, (Json{{"name", "base-7b"},
                         {"sha256", "b0b0"},
                         {"license", "other"},
                         {"license_name", "qwen-research"},
                         {"license_link", "LICENSE"}}));
  keep_base_card(root / "base-7b", root / "out");
  EXPECT_EQ(read_file(root / "out/README.base.md"), own);

  // Trained again from there, it is still the first model's card that is kept.
  write_file_atomic(root / "out/README.md", "ours");
  fs::create_directories(root / "again");
  keep_base_card(root / "out", root / "again");
  EXPECT_EQ(read_file(root / "again/README.base.md"), own);
  EXPECT_EQ(base_facts(root / "out", "")["license"], "other");

  fs::create_directories(root / "bare");
  keep_base_card(root / "bare", root / "bare");
  EXPECT_TRUE(fs::is_empty(root / "bare"));
}

TEST_F(ModelCard, IsWrittenFromPonderJsonAndTouchesNothingElse) {
  const std::string json = manifest.dump(2);
  write_file_atomic(root / "out/ponder.json", json);
  write_model_card(root / "out");
  EXPECT_EQ(read_file(root / "out/README.md"), model_card(manifest));
  EXPECT_EQ(read_file(root / "out/ponder.json"), json);
}

}  // namespace
}  // namespace ponder::train
