#include "model/pass_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"
#include "testing/folders.h"

namespace ponder::model {
namespace {

ModelConfig config_of(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return ModelConfig::from_json(parse_json(text, path), path);
}

int64_t planned(const ModelConfig& config, int64_t tokens, int64_t targets, Keep keep) {
  const PassSize size{tokens, targets, (tokens + 63) / 64, tokens, keep};
  PassMemory memory;
  return tensor::total_bytes(
      tensor::Arena::plan([&](tensor::Arena& a) { memory.lay_out(a, config, size, 2); }));
}

TEST(PassMemory, LogProbabilitiesTakeLessThan256MiBAtAnyLength) {
  const ModelConfig config = config_of(testing::source_dir() / "bench/shapes/Q.json");
  ASSERT_EQ(config.vocab_size, 151936);
  for (const Keep keep : {Keep::kNothing, Keep::kCheckpoints, Keep::kActivations}) {
    const auto head = [&](int64_t tokens) {
      return planned(config, tokens, tokens - 1, keep) - planned(config, tokens, 0, keep);
    };
    EXPECT_LT(head(32768), int64_t{256} << 20);
    // Beside chunks only a log-sum-exp for each target.
    EXPECT_EQ(head(32768) - head(16384), 4 * 16384);
  }
}

}  // namespace
}  // namespace ponder::model
