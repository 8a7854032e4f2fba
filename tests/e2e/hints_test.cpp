// What messages about rows advise, done: each hint leads out of the error that gives it.
#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

class Hints : public ::testing::Test {
 protected:
  fs::path file(const std::string& name, const std::string& text) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    write_file_atomic(path, text);
    return path;
  }
  testing::Outcome checked(std::vector<std::string> words) const {
    std::vector<std::string> all = command({"data", "check"});
    all.insert(all.end(), words.begin(), words.end());
    return testing::run(all, {.folder = folder_.path(), .input = ""});
  }
  // `wrong` fails with the hint; `right`, which follows it, keeps a row.
  void expect_out(const std::vector<std::string>& wrong, const std::string& hint,
                  const std::vector<std::string>& right) const {
    const testing::Outcome failed = checked(wrong), mended = checked(right);
    EXPECT_NE(failed.status, 0) << hint;
    EXPECT_NE((failed.err + failed.out).find(hint), std::string::npos) << failed.err << failed.out;
    EXPECT_EQ(mended.status, 0) << hint << "\n" << mended.err;
    EXPECT_NE((mended.out + mended.err).find(" 1 kept"), std::string::npos) << mended.out;
  }
  testing::TemporaryFolder folder_;
  const std::string nano_ = testing::source_dir() / "models/nano-base";
};

TEST_F(Hints, OfRowsThatAreNotKept) {
  const std::string direct = file("direct.jsonl", R"({"prompt":"q","response":"a"})"
                                                  "\n");
  expect_out({direct}, "--allow-direct keeps it", {direct, "--allow-direct"});
  const std::string block = file("block.jsonl", R"({"prompt":"q","response":"<think></think>a"})"
                                                "\n");
  expect_out({block}, "--allow-direct keeps it as a direct answer", {block, "--allow-direct"});
  const std::string named = file("named.jsonl", R"({"body":"q","out":"<think>t</think>a"})"
                                                "\n");
  expect_out({named}, "name the fields with --fields",
             {named, "--fields", "question=body,response=out"});
  expect_out({named, "--fields", "question=bodies"}, "rows have the fields body, out",
             {named, "--fields", "question=body,response=out"});
  const std::string tags = file("tags.jsonl", R"({"prompt":"q","response":"<r>t</r>a"})"
                                              "\n");
  expect_out({tags, "--thought-tags", "<r>"}, "expected two or four different tags",
             {tags, "--thought-tags", "<r>,</r>"});
  const std::vector<std::string> tokens = {direct, "--allow-direct", "--tokenizer", nano_};
  std::vector<std::string> cut = tokens;
  cut.insert(cut.end(), {"--max-length", "5"});
  expect_out(cut, "raise --max-length", tokens);
  const std::string pair = file("pair.jsonl", R"({"prompt":"q","chosen":"a","rejected":"b"})"
                                              "\n");
  const std::vector<std::string> preferences = {pair,          "--explain",   "--kind",
                                                "preferences", "--tokenizer", nano_};
  std::vector<std::string> whole = preferences;
  whole.insert(whole.end(), {"--align", "response"});
  expect_out(preferences, "--align response", whole);
}

TEST_F(Hints, OfFilesThatAreNone) {
  const std::string row = R"({"prompt":"q","response":"<think>t</think>a"})"
                          "\n";
  file("named/rows.txt", row);
  file("right/rows.jsonl", row);
  expect_out({"named"}, "files of rows end in .jsonl", {"right"});
  file("deep/below/rows.jsonl", row);
  expect_out({"deep"}, "name one of its folders, or a pattern: below", {"deep/below"});
  expect_out({"right/*.json"}, "no file matches; check the pattern", {"right/*.jsonl"});
  std::string wide = "\xff\xfe";
  for (const char c : row) wide += {c, '\0'};
  file("wide.jsonl", wide);
  const testing::Outcome converted =
      testing::run({"/bin/sh", "-c", "iconv -f UTF-16 -t UTF-8 wide.jsonl > narrow.jsonl"},
                   {.folder = folder_.path(), .input = ""});
  ASSERT_EQ(converted.status, 0) << converted.err;
  expect_out({"wide.jsonl"}, "iconv -f UTF-16 -t UTF-8", {"narrow.jsonl"});
  file("pointer.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n");
  expect_out({"pointer.jsonl"}, "git lfs pull", {"right"});
}

}  // namespace
}  // namespace ponder::e2e
