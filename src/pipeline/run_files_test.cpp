// A run whose inputs are changed, whose checkpoints are damaged or whose folder is moved.
#include <fstream>
#include <functional>
#include <map>

#include "pipeline/run_fixture.h"
#include "testing/error_text.h"

namespace ponder::pipeline {
namespace {

// What a run made: its models and every row of its database, times left out.
std::map<std::string, std::string> made_by(const pool::Pool& pool) {
  std::map<std::string, std::string> made;
  for (const pool::ModelRecord& model : pool.models())
    if (model.name != "M0") made[model.name] = model.sha256;
  for (const pool::FileRecord& file : pool.files())
    made[file.owner + "/" + file.name] = file.sha256;
  pool.for_each_rollout({}, [&](const pool::StoredRollout& s) {
    made[std::to_string(s.id)] = s.rollout.completion.text;
  });
  for (const pool::ScoreRecord& score : pool.scores()) made[score.stage] = dump_json(score.extra);
  return made;
}

struct Change {
  std::string file;  // beside the recipe
  std::string what;
  std::function<std::string(const std::string&)> edit;  // of its contents
  std::string used_by;
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::vector<Change> changes() {
  const auto append = [](const std::string& line) {
    return [line](const std::string& text) { return text + line + "\n"; };
  };
  const auto without_last = [](const std::string& text) {
    return text.substr(0, text.rfind('\n', text.size() - 2) + 1);
  };
  const auto without_first = [](const std::string& text) {
    return text.substr(text.find('\n') + 1);
  };
  const auto reordered = [](const std::string& text) {
    const size_t end = text.find('\n') + 1;
    return text.substr(end) + text.substr(0, end);
  };
  const auto replace = [](const std::string& from, const std::string& to) {
    return [=](const std::string& text) { return replaced(text, from, to); };
  };
  const auto flip = [](std::string text) {
    text[text.size() - 5] ^= 1;
    return text;
  };
  const std::string row = R"({"question":"Another?","thought":"So.","solution":"It is 5."})";
  const std::string problem = R"({"id":"more","question":"What is 5?","answer":"5"})";
  std::vector<Change> all;
  const auto rows = [&](const std::string& file, const std::string& line, const std::string& from,
                        const std::string& to, const std::string& used_by) {
    all.push_back({file, "appended", append(line), used_by});
    all.push_back({file, "last removed", without_last, used_by});
    all.push_back({file, "first removed", without_first, used_by});
    all.push_back({file, "reordered", reordered, used_by});
    all.push_back({file, "edited", replace(from, to), used_by});
  };
  rows("demonstrations.jsonl", row, "count on", "guess", "ingest");
  rows("problems.jsonl", problem, "\"answer\":\"2\"", "\"answer\":\"9\"", "ingest");
  rows("bench.jsonl", problem, "\"answer\":\"3\"", "\"answer\":\"9\"", "ingest");
  all.push_back({"base/config.json", "eps", replace("1e-06", "1e-05"), ""});
  all.push_back({"base/config.json", "theta", replace("rope_theta\":", "rope_theta\":1"), ""});
  all.push_back({"base/tokenizer.json", "edited", append(" "), ""});
  all.push_back({"base/tokenizer_config.json", "edited", append(" "), ""});
  all.push_back({"base/generation_config.json", "new", append("{}"), ""});
  all.push_back({"base/chat_template.jinja", "new", append("x"), ""});
  all.push_back({"base/model.safetensors", "weights", flip, ""});
  return all;
}

TEST_F(RunTest, AChangedInputIsRefusedByNameAtEveryMoment) {
  write_file_atomic(folder_ / "bench.jsonl",
                    "{\"id\":\"b\",\"question\":\"1 + 2?\","
                    "\"answer\":\"3\"}\n{\"id\":\"c\",\"question\":\"2 + 2?\",\"answer\":\"4\"}\n");
  const std::string text = replaced(
      kRunRecipe, R"({ name = "test", synth = "choice", levels = 1, count = 3, split = "test" })",
      R"({ name = "test", file = "bench.jsonl" })");
  write_file_atomic(folder_ / "r.toml", text);
  const Recipe r = recipe();
  run(r, "", nullptr, "peace");
  int tried = 0;
  for (const std::string moment : {"ingest", "imitate", "explore-1", "evaluate-M2"}) {
    run(r, moment);
    for (const Change& change : changes()) {
      SCOPED_TRACE(change.file + " " + change.what + " after " + moment);
      const std::filesystem::path file = folder_ / change.file;
      const bool existed = std::filesystem::exists(file);
      const std::string before = existed ? read_file(file) : "";
      write_file_atomic(file, change.edit(before));
      const std::string refused = testing::error_text([&] { run(r); });
      existed ? write_file_atomic(file, before) : (void)std::filesystem::remove(file);
      ++tried;
      EXPECT_NE(refused.find("was begun with other inputs"), std::string::npos) << refused;
      const std::string name = change.file.substr(change.file.find('/') + 1);
      EXPECT_NE(refused.find(name == "model.safetensors" ? "weights" : name), std::string::npos)
          << refused;
      EXPECT_NE(refused.find(existed ? "sha256" : "absent then"), std::string::npos) << refused;
      EXPECT_NE(refused.find("used by " + (moment == "ingest" && change.used_by.empty()
                                               ? "no stage yet"
                                               : change.used_by)),
                std::string::npos)
          << refused;
      if (moment == "evaluate-M2" && change.file == "problems.jsonl") {
        EXPECT_NE(refused.find("explore-1, refine-1, improve-1, evaluate-M2"), std::string::npos)
            << refused;
      }
      // Rows that stand in a benchmark are not trained on.
      if (moment == "evaluate-M2" && change.file == "bench.jsonl") {
        EXPECT_NE(refused.find("ingest, evaluate-M0, imitate, evaluate-M1"), std::string::npos)
            << refused;
      }
    }
  }
  EXPECT_EQ(tried, 88);
  run(r);
  EXPECT_EQ(made_by(pool()), made_by(pool("peace")));
}

// Every file below `folder` with its contents.
std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(folder).string()] = read_file(entry.path());
  }
  return files;
}

TEST_F(RunTest, ADamagedCheckpointIsMadeAgain) {
  const Recipe r = recipe();
  run(r, "", nullptr, "peace");
  const auto expected = made_by(pool("peace"));
  const auto expected_files = files_of(folder_ / "peace/checkpoints/M1");
  ASSERT_NE(expected_files.at("README.md").find("| test | 3 |"), std::string::npos)
      << expected_files.at("README.md");
  const std::filesystem::path m1 = folder_ / "out/checkpoints/M1";
  const std::vector<std::pair<std::string, std::function<void()>>> damages = {
      {"a flipped bit",
       [&] {
         std::string bytes = read_file(m1 / "model.safetensors");
         bytes[bytes.size() / 2] ^= 1;
         write_file_atomic(m1 / "model.safetensors", bytes);
       }},
      {"cut", [&] { std::filesystem::resize_file(m1 / "model.safetensors", 1000); }},
      {"no weights", [&] { std::filesystem::remove(m1 / "model.safetensors"); }},
      {"gone", [&] { std::filesystem::remove_all(m1); }},
      {"another model",
       [&] {
         std::filesystem::remove_all(m1);
         std::filesystem::copy(folder_ / "base", m1);
       }},
      {"config",
       [&] {
         const std::string config = read_file(m1 / "config.json");
         write_file_atomic(m1 / "config.json", replaced(config, "1e-06", "1e-05"));
       }},
      {"tokenizer", [&] { std::ofstream(m1 / "tokenizer.json", std::ios::app) << " "; }}};
  for (const std::string moment : {"imitate", "evaluate-M1"}) {  // its card has no scores, or has
    run(r, moment);
    for (const auto& [name, damage] : damages) {
      SCOPED_TRACE(name + " after " + moment);
      std::filesystem::remove_all(folder_ / "copy");
      std::filesystem::copy(folder_ / "out", folder_ / "copy",
                            std::filesystem::copy_options::recursive);
      damage();
      run(r);
      EXPECT_EQ(made_by(pool()), expected);
      EXPECT_EQ(pool().stage("imitate")->state, pool::StageState::kDone);
      EXPECT_TRUE(files_of(m1) == expected_files) << read_file(m1 / "README.md");
      std::filesystem::remove_all(folder_ / "out");
      std::filesystem::rename(folder_ / "copy", folder_ / "out");
    }
  }
}

// What no stage needs may be deleted for its room; who asks for it by --until gets it back.
TEST_F(RunTest, TheLastModelAskedForIsMadeAgainToo) {
  const Recipe r = recipe();
  explore_with_answers(r);
  run(r);
  const std::filesystem::path m1 = folder_ / "out/checkpoints/M1",
                              m2 = folder_ / "out/checkpoints/M2";
  const auto made = made_by(pool());
  const auto m1_files = files_of(m1), m2_files = files_of(m2);
  std::filesystem::remove_all(m1);
  std::filesystem::resize_file(m2 / "model.safetensors", 1000);
  run(r);
  EXPECT_FALSE(std::filesystem::exists(m1));
  EXPECT_TRUE(files_of(m2) == m2_files) << read_file(m2 / "README.md");
  run(r, "imitate");
  EXPECT_TRUE(files_of(m1) == m1_files) << read_file(m1 / "README.md");
  EXPECT_EQ(made_by(pool()), made);
}

TEST_F(RunTest, AProjectMayMove) {
  const auto names = {"base", "r.toml", "demonstrations.jsonl", "problems.jsonl"};
  std::filesystem::create_directory(folder_ / "here");
  for (const char* name : names) std::filesystem::rename(folder_ / name, folder_ / "here" / name);
  run(load_recipe(folder_ / "here/r.toml", {}), "imitate", nullptr, "here/out");
  run(load_recipe(folder_ / "here/r.toml", {}), "", nullptr, "peace");
  std::filesystem::rename(folder_ / "here", folder_ / "there");
  run(load_recipe(folder_ / "there/r.toml", {}), "", nullptr, "there/out");
  EXPECT_EQ(made_by(pool("there/out")), made_by(pool("peace")));
  EXPECT_NE(testing::error_text([&] {
              run(load_recipe(folder_ / "there/r.toml", {"sft.lr=1e-3"}), "", nullptr, "there/out");
            }).find("sft.lr"),
            std::string::npos);
}

}  // namespace
}  // namespace ponder::pipeline
