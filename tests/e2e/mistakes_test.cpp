// Mistakes that people make, those of six users and their kin: each is named, a next step is said, and
// the exit status tells wrong usage (2) from what failed (1).
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

struct Mistake {
  std::string line;   // what follows "ponder", words parted by blanks; 'quoted words' may hold some
  std::string named;  // what is said to be wrong
  std::string next;   // of what to do instead
  int status = 2;
};

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  bool quoted = false, open = false;
  for (const char c : line) {
    if (c == '\'') {
      quoted = !quoted;
      if (!open) words.emplace_back();
      open = true;
    } else if (c == ' ' && !quoted) {
      open = false;
    } else {
      if (!open) words.emplace_back();
      open = true;
      words.back() += c;
    }
  }
  return words;
}

class Mistakes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing::TemporaryFolder;
    const fs::path& root = folder_->path();
    make_tiny_base(root / "base");
    std::string recipe = read_file(testing::source_dir() / "recipes/tiny.toml");
    recipe.replace(recipe.find("../models/nano-base"), 19, "base");
    write_file_atomic(root / "r.toml", recipe);
    ASSERT_EQ(said("run r.toml --out runs/one --until improve-1 --quiet").status, 0);
    fs::create_directories(root / "foreign");
    write_file_atomic(root / "foreign/thesis.txt", "mine");
    ASSERT_EQ(said("synth --domain arithmetic --count 5 --out problems.jsonl").status, 0);
    ASSERT_EQ(said("synth --domain arithmetic --count 5 --demonstrations --out rows.jsonl").status,
              0);
    write_file_atomic(root / "model.gguf", "GGUF");
    const auto variant = [&](const std::string& name, const std::string& then,
                             const std::string& now) {
      std::string text = recipe;
      text.replace(text.find(then), then.size(), now);
      write_file_atomic(root / name, text);
    };
    variant("epoch.toml", "epochs", "epoch");
    variant("lr-at-the-top.toml", "name = ", "lr = 1e-4\nname = ");
    variant("decontaminat.toml", "name = ", "decontaminat = true\nname = ");
    variant("learning-rate.toml", "[sft]", "[sft]\nlearning_rate = 1e-4");
    variant("samples-in-sft.toml", "[sft]", "[sft]\nsamples = 4");
    variant("no-bracket.toml", "[sft]", "[sft");
    variant("file-key.toml", "count = ", "file = \"rows.jsonl\", count = ");
    variant("nowhere.toml", "base = \"base\"", "base = \"bass\"");
    variant("hub.toml", "base = \"base\"", "base = \"Qwen/Qwen2.5-7B-Instruct\"");
    variant("domain.toml", "synth = \"choice\"", "synth = \"choices\"");
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static testing::Outcome said(const std::string& line) {
    std::vector<std::string> argv = {program()};
    for (const std::string& word : words_of(line)) argv.push_back(word);
    return testing::run(argv, {.folder = folder_->path(), .input = "", .limit = testing::kLimit});
  }

  static void check(const std::vector<Mistake>& mistakes) {
    for (const Mistake& mistake : mistakes) {
      const testing::Outcome outcome = said(mistake.line);
      const std::vector<std::string> lines = testing::lines_of(outcome.err);
      EXPECT_EQ(outcome.status, mistake.status) << "ponder " << mistake.line << "\n" << outcome.err;
      ASSERT_FALSE(lines.empty()) << "ponder " << mistake.line;
      const std::string& last = lines.back();
      EXPECT_EQ(last.find("ponder: "), 0u) << "ponder " << mistake.line << "\n" << outcome.err;
      EXPECT_NE(last.find(mistake.named), std::string::npos)
          << "ponder " << mistake.line << "\nnames no " << mistake.named << ":\n"
          << outcome.err;
      EXPECT_NE(last.find(mistake.next), std::string::npos)
          << "ponder " << mistake.line << "\ndoes not say " << mistake.next << ":\n"
          << outcome.err;
      EXPECT_LT(last.size(), 400u) << last;
      check_flag(mistake.line, last);
      tell(mistake, outcome.status, last);
    }
  }

  // With PONDER_MISTAKES=FILE a table of all of them for people: what is said of each, whether it names the
  // mistake and a next step, and the exit status.
  static void tell(const Mistake& mistake, int status, std::string said) {
    const char* file = std::getenv("PONDER_MISTAKES");
    if (!file) return;
    const auto in_cell = [](std::string text) {
      for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
        text.insert(at, "\\");
      return text;
    };
    const auto holds = [&](const std::string& part) {
      return said.find(part) != std::string::npos ? "yes" : "no";
    };
    std::ofstream(file, std::ios::app)
        << "| `ponder " << in_cell(mistake.line) << "` | " << holds(mistake.named) << " | "
        << holds(mistake.next) << " | " << status << (status == mistake.status ? "" : " (wrong)")
        << " | " << in_cell(said.substr(std::min<size_t>(8, said.size()))) << " |\n";
  }

  // A flag that is named as the one that was meant is one that the command has.
  static void check_flag(const std::string& line, const std::string& text) {
    std::smatch match;
    if (!std::regex_search(text, match, std::regex("did you mean (--[a-z-]+)"))) return;
    const std::string flag = match[1];
    const std::vector<std::string> words = words_of(line);
    std::string help = "help " + words[0];
    if (words[0] == "data") help += " " + words[1];
    if (words[0].starts_with("-")) help = "help";
    EXPECT_NE(said(help).out.find(flag), std::string::npos) << line << ": " << text;
  }

  static testing::TemporaryFolder* folder_;
};

testing::TemporaryFolder* Mistakes::folder_ = nullptr;

TEST_F(Mistakes, Commands) {
  check({
      {"", "a command is needed", "ponder run recipes/quickstart.toml"},
      {"statsu runs/one", "\"statsu\" is no command", "did you mean status?"},
      {"imagine", "\"imagine\" is no command", "ponder --help lists them"},
      {"data chek rows.jsonl", "\"chek\" is no command of ponder data", "did you mean check?"},
      {"data", "a command of ponder data", "check"},
      {"pool runs/one exprot", "\"exprot\" is no command of ponder pool", "did you mean export?"},
      {"help statsu", "\"statsu\" is no command", "did you mean status?"},
      {"help sft now", "\"now\" is no command of ponder sft", "none of its own"},
      {"train --model base", "\"train\" is no command", "did you mean sft?"},
      {"finetune base", "\"finetune\" is no command", "did you mean sft?"},
      {"infer --model base", "\"infer\" is no command", "did you mean generate?"},
      {"evaluate --model base", "\"evaluate\" is no command", "did you mean eval?"},
      {"env", "\"env\" is no command", "did you mean doctor?"},
      {"download Qwen/Qwen3-8B", "\"download\" is no command", "ponder downloads nothing"},
      {"--verison", "--verison is no flag of ponder", "did you mean --version?"},
  });
}

TEST_F(Mistakes, Flags) {
  check({
      {"sft --learning-rate 1e-4", "--learning-rate is no flag of ponder sft",
       "did you mean --lr?"},
      {"sft --model base --data rows.jsonl --out o --num-epochs 3",
       "--num-epochs is no flag of ponder sft", "did you mean --epochs?"},
      {"dpo --output-dir o", "--output-dir is no flag of ponder dpo", "did you mean --out?"},
      {"sft --modell base", "--modell is no flag", "did you mean --model?"},
      {"sft --batch_rows 2", "--batch_rows is no flag", "did you mean --batch-rows?"},
      {"sft -lr 1e-4", "-lr is no flag", "did you mean --lr?"},
      {"sft --per_device_train_batch_size 4", "--per_device_train_batch_size is no flag",
       "did you mean --batch-rows?"},
      {"sft --gradient_checkpointing", "--gradient_checkpointing is no flag",
       "did you mean --recompute?"},
      {"sft --lora_r 8", "--lora_r is no flag", "all weights are trained"},
      {"sft --resume_from_checkpoint x", "--resume_from_checkpoint is no flag",
       "the same command goes on"},
      {"generate --max-new-tokens 5", "--max-new-tokens is no flag", "did you mean --max-tokens?"},
      {"generate --max-token=5 --prompt x", "--max-token is no flag", "did you mean --max-tokens?"},
      {"generate --n-samples 5", "--n-samples is no flag", "did you mean --samples?"},
      {"eval --tasks gsm8k", "--tasks is no flag", "did you mean --benchmark?"},
      {"sft --imagine", "--imagine is no flag", "ponder sft --help says more"},
      {"run r.toml --lr 1e-4", "--lr is no flag of ponder run", "--set sft.lr="},
      {"run r.toml --num_train_epochs=2", "--num_train_epochs is no flag", "--set sft.epochs=2"},
      {"run --config r.toml", "--config is no flag of ponder run", "ponder run RECIPE.toml"},
      {"run r.toml sft.lr=1e-4", "\"sft.lr=1e-4\" is an argument too many", "--set sft.lr=1e-4?"},
      {"sft base rows.jsonl --out o", "\"base\" is an argument too many",
       "did you mean --model base?"},
      {"sft lr=1e-4 --model base", "\"lr=1e-4\" is an argument too many",
       "did you mean --lr 1e-4?"},
      {"status runs/one more", "\"more\" is an argument too many for ponder status",
       "ponder status --help"},
      {"sft --model base", "--data is required", "e.g. ponder sft --model"},
      {"generate --model base", "--prompt", "e.g. ponder generate"},
      {"why runs/one", "ROW or --problem", "e.g. ponder why"},
      {"sft --lr", "--lr", "ponder sft --help"},
      {"tokenize --tokenizer base --decode --chat", "--decode", "ponder tokenize --help"},
  });
}

TEST_F(Mistakes, Values) {
  check({
      {"sft --epochs 1.5", "--epochs: expected a whole number from 1 to 10000, found \"1.5\"",
       "ponder sft --help"},
      {"sft --lr -1", "--lr: expected a number above 0, found \"-1\"", "ponder sft --help"},
      {"sft --lr small", "--lr: expected a number above 0, found \"small\"", "ponder sft --help"},
      {"sft --schedule cosin", "--schedule: expected one of cosine, linear, constant",
       "did you mean cosine?"},
      {"dpo --align thougth", "--align: expected one of thought", "did you mean thought?"},
      {"generate --top-p 2", "--top-p: expected a number from 1e-06 to 1, found \"2\"",
       "ponder generate --help"},
      {"chat --temperature -1", "--temperature: expected a number from 0 to 100, found \"-1\"",
       "ponder chat --help"},
      {"data show -n 0 rows.jsonl", "-n: expected a whole number from 1 to", "--help"},
      {"data check rows.jsonl --kind problem", "--kind: expected one of", "did you mean problems?"},
      {"generate --kv-cache-bytes lots", "--kv-cache-bytes: expected a whole number", "MB, MiB"},
      {"eval --samples 0", "--samples: expected a whole number from 1 to", "ponder eval --help"},
      {"synth --domain astrology --count 1", "--domain: expected one of arithmetic",
       "ponder synth --help"},
      {"doctor --threads 0", "--threads: expected a whole number from 1 to 1024",
       "ponder doctor --help"},
      {"plan r.toml --machine fast", "--machine: expected cores, memory and speed, found \"fast\"",
       "900 GFLOP/s"},
      {"run r.toml --out o --set sft.lr", "--set sft.lr: expected key=value", "--set sft.lr=1e-5"},
      {"run r.toml --out o --until improve-9", "--until improve-9: no such stage",
       "the stages are ingest"},
      {"refine runs/one --strategy shortes", "--strategy shortes: no such strategy",
       "did you mean shortest?"},
      {"why runs/one improve-1", "improve-1: expected a row as STAGE:INDEX", "e.g. improve-1:0"},
      {"why runs/one improve-1:99999", "no trained row \"improve-1:99999\"", "improve-1", 1},
      {"recipes quickstrat", "quickstrat: no such recipe", "did you mean quickstart?"},
      {"completion tcsh", "expected one of bash, zsh, fish", "did you mean"},
  });
}

TEST_F(Mistakes, Recipes) {
  check({
      {"plan epoch.toml", "epoch.toml:", "did you mean \"epochs\"?", 1},
      {"plan epoch.toml", "sft.epoch: unknown key", "epochs", 1},
      {"plan lr-at-the-top.toml", "lr: unknown key", "did you mean \"sft.lr\"?", 1},
      {"plan r.toml --set lr=1e-4", "lr: unknown key", "did you mean \"sft.lr\"?", 1},
      {"plan decontaminat.toml", "decontaminat: unknown key", "did you mean \"decontaminate\"?", 1},
      {"plan learning-rate.toml", "sft.learning_rate: unknown key", "did you mean \"lr\"?", 1},
      {"plan samples-in-sft.toml", "sft.samples: unknown key", "did you mean \"explore.samples\"?",
       1},
      {"plan r.toml --set sft.whatever=1", "sft.whatever: unknown key", "the keys here are epochs",
       1},
      {"plan r.toml --set sft.epochs=three", "sft.epochs: expected an integer, found a string",
       "epochs", 1},
      {"plan r.toml --set sft.epochs=0", "sft.epochs: expected an integer from 1 to 10000, found 0",
       "from 1", 1},
      {"plan r.toml --set sft.schedule=cosin", "sft.schedule: expected one of",
       "did you mean \"cosine\"?", 1},
      {"plan r.toml --set refine.strategy=shortes", "refine.strategy: unknown strategy",
       "did you mean shortest?", 1},
      {"plan no-bracket.toml", "no-bracket.toml:", "docs/recipes.md", 1},
      {"plan file-key.toml", "file: expected either `file` or `synth`, found both", "", 1},
      {"plan nowhere.toml", "base: there is no folder", "relative to the recipe's folder", 1},
      {"plan hub.toml", "base: there is no folder", "hf download Qwen/Qwen2.5-7B-Instruct", 1},
      {"plan domain.toml", "choices", "arithmetic", 1},
      {"plan r.toml --set explore.max_tokens=100000", "100000", "lower", 1},
      {"run absent.toml", "absent.toml: expected a recipe, found no such file", "ponder recipes",
       1},
      {"run runs/one", "runs/one: expected a recipe, found a run",
       "ponder run RECIPE.toml --out runs/one", 1},
      {"run r.toml --out foreign", "foreign", "choose another --out", 1},
  });
}

TEST_F(Mistakes, ModelsRunsAndFiles) {
  check({
      {"chat --model bass", "bass: expected a checkpoint folder, found nothing",
       "did you mean base?", 1},
      {"chat --model Qwen/Qwen2.5-7B-Instruct",
       "Qwen/Qwen2.5-7B-Instruct: there is no such folder, and ponder downloads nothing",
       "hf download Qwen/Qwen2.5-7B-Instruct", 1},
      {"generate --model https://huggingface.co/Qwen/Qwen3-8B --prompt x", "is an address",
       "on this machine", 1},
      {"chat --model runs/one", "runs/one: is a run; its models are M1, M2",
       "runs/one/checkpoints/M2", 1},
      {"export runs/one --gguf f32 --out x.gguf", "runs/one: is a run", "runs/one/checkpoints/M2",
       1},
      {"inspect runs/one/checkpoints", "is a folder of checkpoints", "runs/one/checkpoints/M2", 1},
      {"sft --model model.gguf --data rows.jsonl --out o", "found a GGUF file", "config.json", 1},
      {"inspect base/config.json", "expected a checkpoint folder, found a file",
       "give its folder: base", 1},
      {"tokenize --tokenizer runs/one", "runs/one", "tokenizer.json", 1},
      {"init --config rows.jsonl --out o", "rows.jsonl: expected a model's config.json",
       "config.json", 1},
      {"sft --model base --data row.jsonl --out o", "row.jsonl: cannot be read",
       "did you mean rows.jsonl?", 1},
      {"eval --model base --benchmark math500", "math500: cannot be read",
       "the names of data sets are not known", 1},
      {"sft --model base --data problems.jsonl --out o", "problems.jsonl", "docs/", 1},
      {"status r.toml", "r.toml: expected the folder of a run, found a recipe", "runs/r", 1},
      {"status runs/onee", "runs/onee: expected the folder of a run, found nothing",
       "did you mean runs/one?", 1},
      {"status runs", "runs: expected the folder of a run, found a folder of runs", "one", 1},
      {"pool base", "base: expected the folder of a run, found a checkpoint", "ponder inspect base",
       1},
      {"refine rows.jsonl", "expected a run database, found another kind of file",
       "ponder pool import", 1},
  });
}

}  // namespace
}  // namespace ponder::e2e
