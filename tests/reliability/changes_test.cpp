// What a run reads is changed between two starts, or what it made is damaged: through the real
// program, a case of each kind. Every change at every moment is a table in src/pipeline.
#include <fstream>

#include "base/file.h"
#include "pool/sqlite.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {
namespace {

class Changes : public ::testing::Test {
 protected:
  testing::Outcome run(const std::string& place, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    return testing::run(world_.run(world_.folder() / place, words));
  }

  TinyWorld world_;
};

std::string without_last_line(const std::string& text) {
  return text.substr(0, text.rfind('\n', text.size() - 2) + 1);
}

std::string reordered(const std::string& text) {
  const size_t end = text.find('\n') + 1;
  return text.substr(end) + text.substr(0, end);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string flipped(std::string text) {
  text[text.size() - 5] ^= 1;
  return text;
}

TEST_F(Changes, OfAnInputAreRefusedByNameAndChangeNothing) {
  ASSERT_EQ(run("peace").status, 0);
  ASSERT_EQ(run("changed", {"--until", "evaluate-M1"}).status, 0);
  const struct {
    std::string file, what, used_by;  // the message names
    std::function<std::string(const std::string&)> edit;
  } changes[] = {
      {"demonstrations.jsonl", "imitate.demonstrations[0]: demonstrations.jsonl: sha256 ",
       "ingest, imitate, evaluate-M1;", reordered},
      {"demonstrations.jsonl", "imitate.demonstrations[0]: demonstrations.jsonl: sha256 ",
       "ingest, imitate, evaluate-M1;", without_last_line},
      {"problems.jsonl", "explore.problems[0]: problems.jsonl: sha256 ", "ingest;",
       [](const std::string& text) { return text + replaced(text, "q4", "q99"); }},
      {"problems.jsonl", "explore.problems[0]: problems.jsonl: sha256 ", "ingest;",
       without_last_line},
      {"benchmark.jsonl", "evaluate.benchmarks[0]: benchmark.jsonl: sha256 ",
       "ingest, evaluate-M0, imitate, evaluate-M1;",
       [](const std::string& text) {
         return replaced(text, "\"answer\":\"A\"", "\"answer\":\"B\"");
       }},
      {"benchmark.jsonl", "evaluate.benchmarks[0]: benchmark.jsonl: sha256 ",
       "ingest, evaluate-M0, imitate, evaluate-M1;", without_last_line},
      {"base/model.safetensors", "weights: sha256 ", "evaluate-M0, imitate, evaluate-M1;", flipped},
      {"base/config.json", "config.json: sha256 ", "evaluate-M0, imitate, evaluate-M1;",
       [](const std::string& text) { return replaced(text, "1e-06", "1e-05"); }},
      {"base/tokenizer_config.json", "tokenizer_config.json: sha256 ",
       "evaluate-M0, imitate, evaluate-M1;", [](const std::string& text) { return text + " "; }},
  };
  for (const auto& change : changes) {
    SCOPED_TRACE(change.file);
    const fs::path file = world_.folder() / change.file;
    const std::string before = read_file(file);
    write_file_atomic(file, change.edit(before));
    const testing::Outcome refused = run("changed");
    write_file_atomic(file, before);
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(testing::lines_of(refused.err).size(), 1u) << refused.err;
    for (const std::string& part : {std::string("was begun with other inputs: "), change.what,
                                    std::string("\u2026 then, sha256 "),
                                    std::string("\u2026 now; used by ") + change.used_by}) {
      EXPECT_NE(refused.err.find(part), std::string::npos) << part << " in: " << refused.err;
    }
  }
  ASSERT_EQ(run("changed").status, 0);
  EXPECT_EQ(
      differences(results_of(world_.folder() / "peace"), results_of(world_.folder() / "changed")),
      "");
}

// Also what its evaluation wrote on the model's card.
TEST_F(Changes, ADamagedCheckpointIsMadeAgainFileByFile) {
  ASSERT_EQ(run("peace").status, 0);
  ASSERT_EQ(run("begun", {"--until", "evaluate-M1"}).status, 0);
  const Results expected = results_of(world_.folder() / "peace");
  const std::function<void(const fs::path&)> damages[] = {
      [](const fs::path& m1) { fs::remove_all(m1); },
      [](const fs::path& m1) { fs::remove(m1 / "config.json"); },
      [](const fs::path& m1) {
        write_file_atomic(m1 / "model.safetensors", flipped(read_file(m1 / "model.safetensors")));
      }};
  for (const auto& damage : damages) {
    const fs::path place = world_.folder() / "damaged";
    fs::copy(world_.folder() / "begun", place, fs::copy_options::recursive);
    damage(place / "run/checkpoints/M1");
    const testing::Outcome outcome = run("damaged");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("M1 is not what it was"), std::string::npos) << outcome.err;
    fs::remove_all(place / "run/checkpoints/M1.damaged");
    EXPECT_EQ(differences(expected, results_of(place)), "");
    fs::remove_all(place);
  }
}

// A token of a rollout that is to be trained on, edited past the program.
TEST_F(Changes, AnEditedRowOfTheDatabaseIsNotTrainedOn) {
  ASSERT_EQ(run("edited", {"--until", "refine-1"}).status, 0);
  {
    using pool::sqlite::Database;
    const Database database(world_.folder() / "edited/run/run.db", Database::Access::kWrite);
    std::vector<std::string> triggers;
    {
      auto row = database.prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'");
      while (row.step()) triggers.push_back(row.text(0));
    }
    database.execute("DROP TRIGGER trajectories_updated");
    database.execute(
        "UPDATE trajectories SET token_ids = zeroblob(length(token_ids)) WHERE id = (SELECT "
        "trajectory FROM selections WHERE kept AND filter = 'selected')");
    EXPECT_EQ(database.changes(), 1);
    for (const std::string& trigger : triggers) {
      if (trigger.find("trajectories_updated") != std::string::npos) database.execute(trigger);
    }
  }
  const testing::Outcome refused = run("edited");
  EXPECT_EQ(refused.status, 1) << refused.err;
  EXPECT_NE(refused.err.find("trajectories"), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(world_.folder() / "edited/run/checkpoints/M2"));
}

}  // namespace
}  // namespace ponder::reliability
