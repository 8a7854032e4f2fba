// Benchmarks by name.
#include <cstdlib>

#include "base/file.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

void write_rows(const fs::path& path, const std::string& text) {
  write_file_atomic(path, [&](FileWriter& file) { file.write(text.data(), text.size()); });
}

TEST(Benchmarks, AreFilesWithANameThatIsGivenOnce) {
  const testing::TemporaryFolder folder;
  ::setenv("XDG_DATA_HOME", (folder / "data").c_str(), 1);
  const std::string file = folder / "plus.jsonl", responses = folder / "responses.jsonl";
  write_rows(file, "{\"id\":\"a\",\"problem\":\"1+1?\",\"answer\":\"2\"}\n");
  write_rows(responses, "{\"problem_id\":\"a\",\"response\":\"\\\\boxed{2}\"}\n");
  const auto score = [&] {
    return ponder({"eval", "--benchmark", "sums", "--responses", responses, "--json", "--quiet"});
  };
  EXPECT_NE(score().status, 0);
  const testing::Outcome added =
      ponder({"benchmarks", "add", "sums", file, "--from", "example.org/sums", "--json"});
  ASSERT_EQ(added.status, 0) << added.err;
  const Json row = json_lines(added.out).at(0);
  EXPECT_EQ(row["name"], "sums");
  EXPECT_EQ(row["file"], file);
  EXPECT_EQ(row["source"], "example.org/sums");
  EXPECT_EQ(row["n"], 1);
  const testing::Outcome by_name = score();
  ASSERT_EQ(by_name.status, 0) << by_name.err;
  EXPECT_EQ(json_lines(by_name.out).at(0)["benchmark"], "sums");
  EXPECT_EQ(json_lines(by_name.out).at(0)["accuracy"], 1.0);
  for (const testing::Outcome& listed :
       {ponder({"benchmarks", "--json"}), ponder({"benchmarks", "list", "--json"})}) {
    ASSERT_EQ(listed.status, 0) << listed.err;
    EXPECT_EQ(json_lines(listed.out).at(0)["benchmarks"], Json::array({row}));
  }
  const testing::Outcome compared =
      ponder({"compare", responses, responses, "--benchmark", "sums", "--quiet", "--json"});
  ASSERT_EQ(compared.status, 0) << compared.err;
  EXPECT_EQ(json_lines(compared.out).at(0)["benchmark"], "sums");

  write_rows(file, "{\"id\":\"a\",\"problem\":\"1+1?\",\"answer\":\"3\"}\n");
  const testing::Outcome changed = score();
  EXPECT_EQ(changed.status, 1);
  EXPECT_NE(changed.err.find("it has changed"), std::string::npos) << changed.err;

  EXPECT_EQ(ponder({"benchmarks", "remove", "sums"}).status, 0);
  EXPECT_EQ(ponder({"benchmarks", "remove", "sums"}).status, 1);
  EXPECT_EQ(ponder({"benchmarks", "add", "no/name", file}).status, 2);
  EXPECT_EQ(ponder({"benchmarks", "add", "none", (folder / "absent.jsonl").string()}).status, 1);
  ::unsetenv("XDG_DATA_HOME");
}

}  // namespace
}  // namespace ponder::e2e
