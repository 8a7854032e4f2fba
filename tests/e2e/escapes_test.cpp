// What a terminal would obey (in ids, questions, names, paths) is shown, never passed on.
#include <fstream>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const std::string kTitle = "\x1b]0;hi\x07", kClear = "\x1b[2J";  // set the title, clear the screen

class Escapes : public ::testing::Test {
 protected:
  // Runs a command; neither output may hold a control character but line feeds and tabs: C0, DEL, and
  // C1 as UTF-8.
  testing::Outcome ponder(std::initializer_list<std::string> arguments,
                          const std::string& input = "") {
    const testing::Outcome outcome = e2e::ponder(
        arguments, {.folder = folder_.path(), .input = input, .limit = testing::kLimit});
    for (const std::string& text : {outcome.out, outcome.err}) {
      for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]),
                   next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0xFF);
        const bool control = byte < 0x20 || byte == 0x7F || (byte == 0xC2 && next < 0xA0);
        if (!control || byte == '\n' || byte == '\t') continue;
        ADD_FAILURE() << *arguments.begin() << " passes on " << int{byte};
        break;
      }
    }
    return outcome;
  }
  static void expect_shown(const std::string& text) {
    EXPECT_NE(text.find("\\x1b["), std::string::npos) << text;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Escapes, OfRowsAndPathsAreShown) {
  const std::string nano = testing::source_dir() / "models/nano-base";
  const std::string file = "d" + kClear + ".jsonl";
  Json row = {{"id", "a\n" + kTitle},
              {"question", "Compute " + kClear + "1+1"},
              {"thought", "one" + kTitle},
              {"solution", "So \\boxed{2}" + kClear},
              {"domain", "x" + kClear},
              {"level", kTitle},
              {"answer", "2"}};
  std::string rows = dump_json(row) + "\n";
  row["id"] = kClear;
  row.erase("solution");
  rows += dump_json(row) + "\n{broken" + kClear + "\n";
  write_file_atomic(folder_ / file, rows);

  expect_shown(ponder({"data", "check", file, "--explain", "--kind", "demonstrations"}).out);
  expect_shown(ponder({"data", "show", file, "--kind", "demonstrations"}).out);
  expect_shown(ponder({"data", "show", file, "--kind", "demonstrations", "--tokenizer", nano}).out);
  expect_shown(ponder({"data", "show", file, "--kind", "problems"}).out);
  const testing::Outcome eval =
      ponder({"eval", "--model", nano, "--benchmark", file, "--max-tokens", "2"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  expect_shown(eval.out);
  expect_shown(eval.err);
  expect_shown(ponder({"sft", "--model", nano, "--data", file, "--out", "o", "--epochs", "1"}).err);
  expect_shown(ponder({"inspect", kClear}).err);
  expect_shown(ponder({"status", kClear}).err);
  expect_shown(ponder({"doctor", "--" + kClear}).err);
  expect_shown(ponder({"judge", "absent" + kClear}).err);
  EXPECT_EQ(
      ponder({"chat", "--model", nano, "--max-tokens", "8"}, "Compute 1+1" + kClear + "\n").status,
      0);
}

// Names that no recipe may have, but a database made elsewhere may: C1's control characters and DEL
// may stand in JSON as they are.
TEST_F(Escapes, OfADatabaseAreShown) {
  std::string bytes = read_file(testing::source_dir() / "tests/golden/run_v1/run.db");
  const std::string csi = "\xC2\x9B";
  for (const auto& [then, now] :
       {std::pair<std::string, std::string>("synth:choice", "syn" + csi + "0;hi\x7fte"),
        {"M1-dpo", "M" + csi + "2J."}}) {
    ASSERT_EQ(then.size(), now.size());
    for (size_t at = bytes.find(then); at != std::string::npos; at = bytes.find(then, at))
      bytes.replace(at, then.size(), now);
  }
  fs::create_directory(folder_ / "run");
  write_file_atomic(folder_ / "run/run.db", bytes);
  const testing::Outcome status = ponder({"status", "run"});
  EXPECT_EQ(status.status, 0) << status.err;
  EXPECT_NE(status.out.find("evaluate-M\\xc2\\x9b2J."), std::string::npos) << status.out;
  const testing::Outcome why = ponder({"why", "run", "imitate:0"});
  EXPECT_NE(why.out.find("syn\\xc2\\x9b0;hi\\x7fte"), std::string::npos) << why.out;
  ponder({"pool", "run"});
  expect_shown(ponder({"why", "run", "nothing" + kClear + ":0"}).err);
  expect_shown(ponder({"pool", "run", "export", "--stage", kClear}).err);
}

}  // namespace
}  // namespace ponder::e2e
