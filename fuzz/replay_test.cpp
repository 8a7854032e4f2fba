// Runs a fuzz target on its committed seeds, in any build: a seed that once broke a promise stays a
// test. Each file of the corpus is one input; of a .jsonl file, each row's "input".
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "fuzz.h"
#include "testing/folders.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

void replay(std::string_view input) {
  // A copy of exactly this size: a sanitizer then sees a read beyond its end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  EXPECT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
}

TEST(Fuzz, every_seed_of_the_corpus) {
  const fs::path corpus = testing::source_dir() / "fuzz/corpus" / PONDER_FUZZ_TARGET;
  int inputs = 0;
  for (const auto& entry : fs::directory_iterator(corpus)) {
    if (entry.path().extension() != ".jsonl") {
      replay(read_file(entry.path()));
      ++inputs;
      continue;
    }
    JsonRowReader reader(entry.path());
    for (JsonRow row; reader.next(row); ++inputs) {
      replay(row.value.at("input").get_ref<const std::string&>());
    }
  }
  EXPECT_GT(inputs, 0) << corpus;
}

// Whatever the target, the shortest inputs are inputs too.
TEST(Fuzz, the_empty_input_and_every_single_byte) {
  replay("");
  for (int byte = 0; byte < 256; ++byte) replay(std::string(1, static_cast<char>(byte)));
}

}  // namespace
}  // namespace ponder
