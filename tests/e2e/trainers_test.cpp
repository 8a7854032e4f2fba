// A recipe's [trainer]: the real program leads another one (tests/trainer/double.cpp), which trains
// with ponder's own trainer and on demand makes the mistakes that trainers make.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "base/file.h"
#include "base/hash.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class TrainersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_file_atomic(folder_ / "recipe.toml", R"(
name = "outside"
base = ")" + (testing::source_dir() / "models/nano-base").string() +
                                                   R"("
max_length = 384
[sft]
epochs = 2
batch_rows = 8
lr = 1e-3
[imitate]
demonstrations = [{ synth = "arithmetic", levels = [1, 3], count = 16 }]
)");
  }

  // ponder run up to M1, led by the double with these flags.
  std::vector<std::string> run_with(const std::string& out, const std::string& flags = "",
                                    const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> argv = {
        program(), "run", folder_ / "recipe.toml", "--out", folder_ / out, "--until", "imitate"};
    std::string launch = "trainer.launch=[\"" +
                         (testing::binary_dir() / "tests/ponder_trainer_double").string() + "\", ";
    for (const std::string& word : words(flags)) launch += "\"" + word + "\", ";
    launch += "\"{job}\"]";
    for (const std::string& setting :
         {std::string("trainer.kind=command"), launch, std::string("trainer.checkpoint_steps=1")}) {
      argv.insert(argv.end(), {"--set", setting});
    }
    for (const std::string& setting : settings) argv.insert(argv.end(), {"--set", setting});
    return argv;
  }
  static std::vector<std::string> words(const std::string& text) {
    std::vector<std::string> out;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at), text.size());
      out.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }
  std::string weights(const std::string& out) const {
    return sha256_file(folder_ / out / "checkpoints/M1/model.safetensors");
  }
  std::vector<int64_t> steps(const std::string& out) const {
    std::vector<int64_t> all;
    for (const std::string& line :
         testing::lines_of(read_file(folder_ / out / "training/imitate.jsonl")))
      all.push_back(parse_json(line, "log")["step"].get<int64_t>());
    return all;
  }
  bool has_model(const std::string& out) const {
    return fs::exists(folder_ / out / "checkpoints/M1/config.json");
  }

  testing::TemporaryFolder folder_;
  const std::vector<int64_t> all_steps_ = {1, 2, 3, 4};
};

TEST_F(TrainersTest, TheSameWeightsAsItsOwnTrainer) {
  ASSERT_EQ(ponder({"run", folder_ / "recipe.toml", "--out", folder_ / "own", "--until", "imitate"})
                .status,
            0);
  const testing::Outcome led = testing::run(run_with("led"));
  ASSERT_EQ(led.status, 0) << led.err;
  EXPECT_EQ(weights("led"), weights("own"));
  EXPECT_EQ(steps("led"), all_steps_);
  EXPECT_NE(led.err.find("by ponder's own forward"), std::string::npos) << led.err;
  EXPECT_NE(led.err.find("the folder is the model that was trained"), std::string::npos) << led.err;
  const testing::Outcome seen = ponder({"inspect", folder_ / "led/checkpoints/M1"});
  EXPECT_EQ(seen.status, 0) << seen.err;
  const Json manifest = read_json_file(folder_ / "led/checkpoints/M1/ponder.json");
  EXPECT_EQ(manifest["training"]["trainer"], "command");
  // What is lost of it is trained again, to the same weights.
  fs::remove_all(folder_ / "led/checkpoints/M1");
  const testing::Outcome lost = testing::run(run_with("led"));
  EXPECT_EQ(lost.status, 0) << lost.err;
  EXPECT_EQ(weights("led"), weights("own"));
  // Once it is done nobody starts the trainer again.
  fs::remove_all(folder_ / "led/training/imitate.job");
  EXPECT_EQ(testing::run(run_with("led", "--fail-at 1")).status, 0);
}

TEST_F(TrainersTest, GoesOnAfterAFailure) {
  const testing::Outcome failed = testing::run(run_with("run", "--fail-at 2"));
  EXPECT_EQ(failed.status, 1);
  EXPECT_NE(failed.err.find("ended with status 3 after step 2; its last lines: "),
            std::string::npos)
      << failed.err;
  EXPECT_NE(failed.err.find("CUDA error: out of memory"), std::string::npos) << failed.err;
  EXPECT_FALSE(has_model("run"));
  const testing::Outcome again = testing::run(run_with("run", "--fail-at 2"));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(steps("run"), all_steps_);
  // By itself where it may, and to the same weights as without a failure.
  const testing::Outcome alone =
      testing::run(run_with("alone", "--fail-at 3", {"trainer.restarts=1"}));
  EXPECT_EQ(alone.status, 0) << alone.err;
  EXPECT_NE(alone.err.find("started again (1 of 1)"), std::string::npos) << alone.err;
  EXPECT_EQ(steps("alone"), all_steps_);
  ASSERT_EQ(testing::run(run_with("quiet")).status, 0);
  EXPECT_EQ(weights("run"), weights("quiet"));
  EXPECT_EQ(weights("alone"), weights("quiet"));
}

TEST_F(TrainersTest, SilenceIsAFailure) {
  const testing::Outcome silent =
      testing::run(run_with("run", "--hang-at 2", {"trainer.silence=3.0"}));
  EXPECT_EQ(silent.status, 1);
  EXPECT_NE(silent.err.find("gave no sign of life for 3 s"), std::string::npos) << silent.err;
}

TEST_F(TrainersTest, CtrlCIsPassedOn) {
  testing::Process process(run_with("run", "--mistake slow"));
  const fs::path log = folder_ / "run/training/imitate.job/log.jsonl";
  for (int i = 0; i < 600 && !fs::exists(log); ++i)
    if (process.ended_within(std::chrono::milliseconds(100))) break;
  process.signal(SIGINT);
  const testing::Outcome stopped = process.wait();
  EXPECT_EQ(stopped.status, 130) << stopped.err;
  EXPECT_FALSE(has_model("run"));
  const testing::Outcome on = testing::run(run_with("run"));
  EXPECT_EQ(on.status, 0) << on.err;
  EXPECT_EQ(steps("run"), all_steps_);
  ASSERT_EQ(testing::run(run_with("quiet")).status, 0);
  EXPECT_EQ(weights("run"), weights("quiet"));
}

TEST_F(TrainersTest, MistakesAreNamedBeforeTheSecondStepCounts) {
  for (const auto& [mistake, named] :
       {std::pair("every-token", "every token is trained"),
        std::pair("no-end-token", "the end token <|im_end|> is not trained"),
        std::pair("end-token-twice", "the end token stands twice"),
        std::pair("double-bos", "double BOS"),
        std::pair("file-order", "the file's order was taken"),
        std::pair("sum", "it is a sum over tokens"),
        std::pair("warmup", "a warm-up that starts at 0")}) {
    const testing::Outcome refused =
        testing::run(run_with(mistake, std::string("--mistake ") + mistake));
    EXPECT_EQ(refused.status, 1) << mistake;
    EXPECT_NE(refused.err.find(named), std::string::npos) << mistake << ": " << refused.err;
    EXPECT_FALSE(has_model(mistake));
  }
}

TEST_F(TrainersTest, TheFolderIsHeldAgainstWhatWasTrained) {
  const testing::Outcome old = testing::run(run_with("old", "--mistake old-weights"));
  EXPECT_EQ(old.status, 1);
  EXPECT_NE(old.err.find("is not the model that was trained"), std::string::npos) << old.err;
  const testing::Outcome other = testing::run(run_with("other", "--mistake other-tokenizer"));
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("its tokenizer differs: token"), std::string::npos) << other.err;
  EXPECT_FALSE(has_model("other"));
}

TEST_F(TrainersTest, KeysStandInTheEnvironmentAlone) {
  const std::vector<std::string> settings = {"trainer.env=[\"PONDER_E2E_KEY\"]"};
  ::unsetenv("PONDER_E2E_KEY");
  const testing::Outcome absent = testing::run(run_with("absent", "", settings));
  EXPECT_EQ(absent.status, 1);
  EXPECT_NE(absent.err.find("no variable PONDER_E2E_KEY"), std::string::npos) << absent.err;
  ASSERT_EQ(::setenv("PONDER_E2E_KEY", "sk-very-secret-7781", 1), 0);
  const testing::Outcome led = testing::run(run_with("run", "--print PONDER_E2E_KEY", settings));
  // That of [fleet] is not a trainer's.
  const testing::Outcome other = testing::run(
      run_with("other", "--print PONDER_E2E_KEY",
               {"fleet.servers=[\"http://127.0.0.1:9\"]", "fleet.api_key_env=PONDER_E2E_KEY"}));
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_NE(read_file(folder_ / "other/training/imitate.job/output.log").find("the key is ."),
            std::string::npos);
  ::unsetenv("PONDER_E2E_KEY");
  EXPECT_EQ(led.status, 0) << led.err;
  EXPECT_EQ((led.out + led.err).find("sk-very-secret"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "run/training/imitate.job/output.log").find("the key is ***."),
            std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "run")) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    EXPECT_EQ(read_file(entry.path()).find("sk-very-secret"), std::string::npos) << entry.path();
  }
  const testing::Outcome given = testing::run(run_with("given", "", {"trainer.env=[\"K=sk-1\"]"}));
  EXPECT_EQ(given.status, 1);
  EXPECT_NE(given.err.find("names of environment variables"), std::string::npos) << given.err;
}

// SFT, rounds and DPO on the thought alone, all by the double.
TEST_F(TrainersTest, AWholeRunWithPreferences) {
  make_tiny_base(folder_ / "base");
  std::vector<std::string> argv = run_with("run");
  argv[2] = testing::source_dir() / "recipes/tiny.toml";
  argv.erase(argv.begin() + 5, argv.begin() + 7);  // --until imitate
  argv.insert(argv.end(), {"--set", "base=" + (folder_ / "base").string()});
  argv.insert(argv.end(), {"--set", "trainer.checkpoint_steps=100"});
  const testing::Outcome led = testing::run(argv);
  ASSERT_EQ(led.status, 0) << led.err;
  EXPECT_TRUE(fs::exists(folder_ / "run/checkpoints/M2/config.json"));
  ASSERT_TRUE(fs::exists(folder_ / "run/checkpoints/M1-dpo/config.json")) << led.err;
  const auto first =
      parse_json(testing::lines_of(read_file(folder_ / "run/training/dpo.jsonl")).front(), "log");
  EXPECT_NEAR(first["preference_loss"].get<double>(), 0.693147, 1e-5);
  EXPECT_NE(led.err.find("log-probabilities of chosen responses"), std::string::npos) << led.err;
}

TEST_F(TrainersTest, PlanNamesTheTrainer) {
  const testing::Outcome plan = ponder({"plan", folder_ / "recipe.toml", "--set",
                                        "trainer.kind=trl", "--set", "trainer.launch=torchrun"});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_NE(plan.out.find("imitate: trained by trl"), std::string::npos) << plan.out;
}

}  // namespace
}  // namespace ponder::e2e
