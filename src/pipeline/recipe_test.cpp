#include "pipeline/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "pipeline/short_numbers.h"
#include "pipeline/stage_list.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

namespace fs = std::filesystem;

class RecipeFile : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "base");
    std::ofstream(folder_ / "rows.jsonl") << "{}\n";
  }

  Recipe load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    std::ofstream(folder_ / "r.toml") << text;
    return load_recipe(folder_ / "r.toml", overrides);
  }
  std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return testing::error_text([&] { load(text, overrides); });
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

const std::string kGood =
    "base = \"base\"\n"
    "[sft]\nlr = 1e-4\n"
    "[[imitate.demonstrations]]\nsynth = \"arithmetic\"\nlevels = [1, 3]\ncount = 10\n"
    "[explore]\nrounds = 2\n[[explore.problems]]\nfile = \"rows.jsonl\"\n"
    "[evaluate]\n[[evaluate.benchmarks]]\nname = \"hard\"\nsynth = [\"arithmetic\", "
    "\"target\"]\nsplit = \"test\"\n"
    "levels = 5\ncount = 20\n";

TEST_F(RecipeFile, ThinkingOfEvaluations) {
  EXPECT_FALSE(load(kGood).evaluate.thinking);
  EXPECT_EQ(load(kGood, {"evaluate.thinking=off"}).evaluate.thinking, false);
  EXPECT_EQ(load(kGood, {"evaluate.thinking=on"}).evaluate.thinking, true);
  EXPECT_NE(error_of(kGood, {"evaluate.thinking=maybe"}).find("thinking"), std::string::npos);
  EXPECT_EQ(
      recipe_differences(load(kGood).resolved, load(kGood, {"evaluate.thinking=off"}).resolved),
      std::vector<std::string>{"evaluate.thinking: absent then, 'off' now"});
}

TEST_F(RecipeFile, PrecisionIsOfEveryStageAndF32IsWhatRunsHad) {
  const Recipe plain = load(kGood), named = load(kGood, {"precision=f32"}),
               bf16 = load(kGood, {"precision=bf16"});
  EXPECT_EQ(plain.precision, tensor::Precision::kF32);
  EXPECT_EQ(plain.resolved, named.resolved);
  EXPECT_EQ(plain.resolved.find("precision"), std::string::npos);
  EXPECT_EQ(bf16.precision, tensor::Precision::kBf16);
  EXPECT_EQ(bf16.sft.precision, tensor::Precision::kBf16);
  EXPECT_EQ(plain.sft.micro_batch_tokens, 2048);
  EXPECT_EQ(bf16.sft.micro_batch_tokens, 1024);
  EXPECT_EQ(recipe_differences(plain.resolved, bf16.resolved),
            (std::vector<std::string>{"precision: absent then, 'bf16-3' now"}));
  EXPECT_EQ(load(bf16.resolved).resolved, bf16.resolved);
  // A run's own recipe of before its definition changed; as a recipe it asks for the one of today.
  const std::string first = "precision = \"bf16\"\n" + kGood;
  std::ofstream(folder_ / "first.toml") << first;
  const Recipe began = load_recipe(folder_ / "first.toml", {}, RecipeFiles::kOfARun);
  EXPECT_EQ(began.precision, tensor::Precision::kBf16First);
  EXPECT_EQ(load(first).precision, tensor::Precision::kBf16);
  EXPECT_EQ(recipe_differences(began.resolved, load(first, {"name=first"}).resolved),
            (std::vector<std::string>{"precision: 'bf16' then, 'bf16-3' now"}));
  const std::string second = "precision = \"bf16-2\"\n" + kGood;
  std::ofstream(folder_ / "second.toml") << second;
  EXPECT_EQ(load_recipe(folder_ / "second.toml", {}, RecipeFiles::kOfARun).precision,
            tensor::Precision::kBf16Second);
  EXPECT_EQ(load(second).precision, tensor::Precision::kBf16);
  const Recipe dpo = load("precision = \"bf16\"\n" + kGood + "[dpo]\n");
  EXPECT_EQ(dpo.dpo.at(0).train.precision, tensor::Precision::kBf16);
  const std::string error = error_of(kGood, {"precision=fp16"});
  EXPECT_NE(error.find("precision"), std::string::npos) << error;
  EXPECT_NE(error.find("bf16"), std::string::npos) << error;
}

TEST_F(RecipeFile, PrecisionOfALargeBaseIsBf16) {
  std::ofstream(folder_ / "base" / "config.json")
      << R"({"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 8192, "tie_word_embeddings": true})";
  const Recipe plain = load(kGood), f32 = load(kGood, {"precision=f32"});
  EXPECT_EQ(plain.precision, tensor::Precision::kBf16);
  EXPECT_EQ(plain.sft.precision, tensor::Precision::kBf16);
  EXPECT_EQ(plain.resolved, load(kGood, {"precision=bf16"}).resolved);
  EXPECT_EQ(f32.precision, tensor::Precision::kF32);
  EXPECT_EQ(recipe_differences(plain.resolved, f32.resolved),
            (std::vector<std::string>{"precision: 'bf16-3' then, 'f32' now"}));
  EXPECT_EQ(load(f32.resolved).precision, tensor::Precision::kF32);
  // A run that was begun when float32 was every model's goes on where the recipe says so.
  std::ofstream(folder_ / "then.toml") << kGood;
  const Recipe then = load_recipe(folder_ / "then.toml", {"name=r"}, RecipeFiles::kOfARun);
  EXPECT_EQ(then.precision, tensor::Precision::kF32);
  EXPECT_EQ(then.resolved, f32.resolved);
}

TEST_F(RecipeFile, SourcesOfSeveralFilesAndFieldsOfTheirOwn) {
  fs::create_directories(folder_ / "set");
  for (const char* name : {"set/a.jsonl", "set/b.jsonl"}) std::ofstream(folder_ / name) << "{}\n";
  const auto with = [](const std::string& source) {
    return "base = \"base\"\n[[imitate.demonstrations]]\nsynth = \"arithmetic\"\ncount = 10\n"
           "[explore]\nrounds = 1\n[[explore.problems]]\n" +
           source;
  };
  for (const char* file : {"file = \"set/*.jsonl\"\n", "file = \"set\"\n", "file = \"set/\"\n"})
    EXPECT_EQ(load(with(file)).explore.problems.size(), 1u) << file;
  const Recipe recipe = load(
      with("file = \"set\"\nseed = 7\nfields = { question = \"body\", answer = \"key.text\" }\n"));
  EXPECT_EQ(recipe.explore.problems[0].fields.text(), "question=body,answer=key.text");
  EXPECT_EQ(recipe.explore.problems[0].seed, 7u);
  EXPECT_NE(error_of(with("file = \"set/*.parquet\"\n")).find("no file matches"),
            std::string::npos);
  EXPECT_NE(error_of(with("file = \"set\"\nfields = { title = \"body\" }\n")).find("title"),
            std::string::npos);
  const std::string twice =
      error_of(with("file = \"set\"\n[[explore.problems]]\n"
                    "file = \"set/a*\"\n"));
  EXPECT_NE(twice.find("its rows would count twice"), std::string::npos) << twice;
}

TEST_F(RecipeFile, ReadsWhatItSaysAndFillsInTheRest) {
  const Recipe recipe = load(kGood);
  EXPECT_EQ(recipe.name, "r");
  EXPECT_EQ(recipe.sft.lr, 1e-4);
  EXPECT_EQ(recipe.sft.batch.epochs, 3);
  EXPECT_EQ(recipe.imitation[0].demonstrations[0].highest_level, 3);
  EXPECT_EQ(recipe.explore.problems[0].file, folder_ / "rows.jsonl");
  EXPECT_EQ(recipe.evaluate.benchmarks[0].lowest_level, 5);
  EXPECT_EQ(recipe.explore.top_p, 0.95);
  EXPECT_TRUE(recipe.dpo.empty());
  EXPECT_EQ(
      load(kGood, {"sft.lr=2e-5", "explore.samples=7", "refine.strategy=random"}).explore.samples,
      7);
}

TEST_F(RecipeFile, StrictnessOfVerdictsIsSaidByStage) {
  const Recipe recipe =
      load(kGood, {"explore.units=strict", "evaluate.order=strict", "evaluate.forms=evaluated"});
  EXPECT_EQ(recipe.explore.strictness.units, judge::Strictness::kStrict);
  EXPECT_EQ(recipe.explore.strictness.order, judge::Strictness::kLenient);
  EXPECT_EQ(recipe.evaluate.strictness.units, judge::Strictness::kLenient);
  EXPECT_EQ(recipe.evaluate.strictness.order, judge::Strictness::kStrict);
  EXPECT_EQ(recipe.explore.strictness.forms, judge::Forms::kExact);
  EXPECT_EQ(recipe.evaluate.strictness.forms, judge::Forms::kEvaluated);
  EXPECT_EQ(load(recipe.resolved).explore.strictness.units, judge::Strictness::kStrict);
  EXPECT_THROW(load(kGood, {"evaluate.units=loose"}), Error);
}

TEST_F(RecipeFile, ResolvedRecipeSaysTheSame) {
  const Recipe recipe = load(kGood);
  const Recipe again = load(recipe.resolved);
  EXPECT_TRUE(recipe_differences(recipe.resolved, again.resolved).empty());
  EXPECT_EQ(recipe.resolved, again.resolved);
}

TEST(ShortNumbers, ReadBackAsTheyWere) {
  EXPECT_EQ(short_numbers("a = 0.10000000000000001\nb = [ 1.0, 5.0000000000000002e-05,\n 3 ]\n"),
            "a = 0.1\nb = [ 1.0, 5e-05,\n 3 ]\n");
  EXPECT_EQ(short_numbers("0.94999999999999996"), "0.95");
  // Texts, names, integers, dates and what is no number stay as they are.
  for (const char* same :
       {"a = '0.10000000000000001, 0.5'\n", "a = \"= 0.10000000000000001 \\\" 1.50\"\n",
        "'a.1' = true\n[s-1.50]\nd = 2026-11-30\nx = inf\ny = 0x1F\nn = 10\n",
        "a = ''' = 1.50'''\n", "a = 12345678901234567890123\n", "0.1", ""})
    EXPECT_EQ(short_numbers(same), same);
}

TEST_F(RecipeFile, DifferencesNameTheKeys) {
  const Recipe a = load(kGood);
  EXPECT_EQ(a.resolved.find("0000000"), std::string::npos) << a.resolved;
  EXPECT_EQ(recipe_differences(a.resolved, load(kGood, {"explore.top_p=0.9"}).resolved),
            std::vector<std::string>{"explore.top_p: 0.95 then, 0.9 now"});
  const auto differences =
      recipe_differences(a.resolved, load(kGood, {"sft.lr=2e-4", "engine.max_batch=8"}).resolved);
  ASSERT_EQ(differences.size(), 1u) << "engine settings change no result";
  EXPECT_NE(differences[0].find("sft.lr"), std::string::npos) << differences[0];
}

TEST_F(RecipeFile, EveryMistakeIsNamed) {
  const struct {
    std::string text, expected;
  } cases[] = {
      {"base = \"base\"\nsfd = 1\n" + kGood.substr(kGood.find("[sft]")), "did you mean \"sft\""},
      {kGood + "[refine]\nstrategie = \"longest\"\n", "did you mean \"strategy\""},
      {kGood + "[refine]\nstrategy = \"best\"\n", "highest-perplexity"},
      {kGood + "[engine]\nmax_batch = \"many\"\n", "expected an integer, found a string"},
      {kGood + "[engine]\nmax_batch = 0\n", "from 1 to"},
      {"name = \"x\"\n", "base"},
      {"base = \"nowhere\"\n", "no folder"},
      {"base = \"base\"\n", "demonstrations"},
      {"base = \"base\"\n[[imitate.demonstrations]]\nname = \"x\"\n", "either `file` or `synth`"},
      {"base = \"base\"\n[[imitate.demonstrations]]\nfile = \"nothing.jsonl\"\n", "no file"},
      {"base = \"base\"\n[[imitate.demonstrations]]\nsynth = \"alchemy\"\ncount = 1\n", "alchemy"},
      {"base = \"base\"\n[[imitate.demonstrations]]\nsynth = \"arithmetic\"\n", "count"},
      {"base = \"base\"\n[[imitate.demonstrations]]\nsynth = \"arithmetic\"\nlevels = [3, "
       "1]\ncount = 1\n",
       "[low, high]"},
      {"base = \"base\"\nimitate = 3\n", "expected a table, found an integer"},
      {"base = base\n", "r.toml:1"},
      {kGood + "[sft]\nlr = 1\n", "r.toml"},
      {kGood + "[dpo]\nalign = \"answer\"\n", "thought, solution, response"},
  };
  for (const auto& c : cases) {
    const std::string what = error_of(c.text);
    EXPECT_NE(what.find(c.expected), std::string::npos) << "for\n" << c.text << "\ngot: " << what;
    EXPECT_NE(what.find("r.toml"), std::string::npos) << what;
  }
  EXPECT_NE(error_of(kGood, {"sft.lr"}).find("key=value"), std::string::npos);
  EXPECT_NE(error_of(kGood, {"sft.rate=1"}).find("unknown key"), std::string::npos);
  EXPECT_NE(error_of(kGood, {"sft.lr=-1"}).find("from 1e-30"), std::string::npos);
}

TEST_F(RecipeFile, IntegersFitWhatTheyAreUsedAs) {
  for (const std::string key :
       {"explore.max_tokens", "evaluate.max_tokens", "sft.batch_rows", "explore.samples",
        "max_length", "refine.per_problem", "explore.enough_correct", "sft.epochs"}) {
    for (const std::string value : {"4294967300", "1099511627776", "2147483648"}) {
      const std::string what = error_of(kGood, {key + "=" + value});
      EXPECT_NE(what.find(key + ": expected an integer from"), std::string::npos) << what;
      EXPECT_NE(what.find("found " + value), std::string::npos) << what;
    }
  }
  std::string wide = kGood;
  wide.insert(wide.find("rounds = 2"), "max_tokens = 4294967300\n");
  const std::string what = error_of(wide);
  EXPECT_NE(what.find("r.toml:9: explore.max_tokens: expected an integer"), std::string::npos)
      << what;
  EXPECT_NE(error_of(kGood, {"explore.max_tokens=99999999999999999999"}).find("explore.max_tokens"),
            std::string::npos);
}

TEST_F(RecipeFile, NamesAreNamesOfFiles) {
  const auto compare = [&](const std::string& names) { return error_of(kGood + names); };
  const auto set = [](const std::string& name) {
    return "[[imitate.compare]]\nname = \"" + name +
           "\"\ndemonstrations = [{ synth = \"choice\", count = 2 }]\n";
  };
  EXPECT_EQ(load(kGood + set("short_1.5-b") + set("other")).imitation.size(), 3u);
  EXPECT_NE(compare(set("a") + set("a")).find("two sets"), std::string::npos);
  EXPECT_NE(compare(set("dpo")).find("DPO stage"), std::string::npos);
  for (const std::string name :
       {"/../../../out", "a/b", "", ".hidden", "-x", "two words", "a\\nb", "\u00e9"})
    EXPECT_NE(compare(set(name)).find("expected a name of letters"), std::string::npos) << name;
  EXPECT_NE(compare(set(std::string(65, 'n'))).find("expected a name"), std::string::npos);
  EXPECT_EQ(load(kGood + set(std::string(64, 'n'))).imitation.size(), 2u);

  const auto benchmark = [](const std::string& name) {
    return "[[evaluate.benchmarks]]\nname = \"" + name + "\"\nsynth = \"choice\"\ncount = 2\n";
  };
  EXPECT_NE(compare(benchmark("a/b")).find("expected a name of letters"), std::string::npos);
  EXPECT_NE(compare(benchmark("hard")).find("two benchmarks"), std::string::npos);
  EXPECT_EQ(load(kGood + benchmark("a-hard")).evaluate.benchmarks.size(), 2u);
  EXPECT_NE(compare(benchmark("a-hard") + set("a")).find("one name"), std::string::npos);
  std::ofstream(folder_ / "my bench.jsonl") << "{}\n";
  EXPECT_NE(compare("[[evaluate.benchmarks]]\nfile = \"my bench.jsonl\"\n").find("give it a name"),
            std::string::npos);
}

TEST_F(RecipeFile, AFileIsNamedOnce) {
  std::ofstream(folder_ / "other.jsonl") << "{}\n";
  fs::create_symlink("rows.jsonl", folder_ / "link.jsonl");
  const auto with = [&](const std::string& second) {
    return error_of(kGood + "[[explore.problems]]\nfile = \"" + second + "\"\n");
  };
  for (const char* same : {"rows.jsonl", "./rows.jsonl", "link.jsonl"})
    EXPECT_NE(with(same).find("problems[1]: is the file of problems[0]"), std::string::npos)
        << with(same);
  EXPECT_EQ(with("other.jsonl"), "(no error)");
  EXPECT_NE(error_of(kGood, {"sft.lr=0"}).find("sft.lr"), std::string::npos);
}

TEST_F(RecipeFile, HostileRecipesAreErrors) {
  std::string deep = "a";
  for (int i = 0; i < 60000; ++i) deep += ".a";
  EXPECT_NE(error_of(deep + " = 1\n").find("r.toml:1: expected keys of at most"),
            std::string::npos);
  EXPECT_NE(error_of("base = \"base\"\n[" + deep + "]\n").find("r.toml:2: expected keys"),
            std::string::npos);
  EXPECT_NE(error_of("x = { " + deep + " = 1 }\n").find("expected keys"), std::string::npos);
  EXPECT_NE(error_of("# " + std::string(2 << 20, 'x')).find("bytes"), std::string::npos);
  EXPECT_NE(error_of(kGood, {deep + "=1"}).find("expected keys"), std::string::npos);
  const std::string nested(100000, '[');
  EXPECT_FALSE(error_of("x = " + nested).empty());
}

TEST_F(RecipeFile, ErrorsPointAtTheLine) {
  const std::string what = error_of("base = \"base\"\n\n[sft]\nepochs = 3\nlr = \"fast\"\n");
  EXPECT_NE(what.find("r.toml:5: sft.lr"), std::string::npos) << what;
}

TEST_F(RecipeFile, StagesFollowTheMethod) {
  std::vector<std::string> names;
  for (const Stage& stage : stages_of(load(kGood + "[dpo]\n"))) names.push_back(stage.name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "ingest", "evaluate-M0", "imitate", "evaluate-M1", "screen-1", "explore-1",
                       "refine-1", "improve-1", "evaluate-M2", "screen-2", "explore-2", "refine-2",
                       "improve-2", "evaluate-M3", "dpo", "evaluate-M1-dpo"}));
}

}  // namespace
}  // namespace ponder::pipeline
