#include "generate/sampling_defaults.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder::generate {
namespace {

TEST(SamplingDefaults, AreThoseThatChangeWhatIsSampled) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(sampling_defaults_unused(folder.path()), "");
  // Qwen2.5-0.5B-Instruct's.
  write_file_atomic(folder / "generation_config.json",
                    R"({"bos_token_id": 151643, "do_sample": true, "eos_token_id": [151645, 151643],
                        "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8, "top_k": 20})");
  EXPECT_EQ(sampling_defaults_of(folder.path()),
            "temperature 0.7, top_p 0.8, top_k 20, repetition_penalty 1.1");
  EXPECT_NE(sampling_defaults_unused(folder.path()).find("not used"), std::string::npos);
  write_file_atomic(folder / "generation_config.json",
                    R"({"temperature": 1.0, "top_p": 1, "top_k": 0, "eos_token_id": 2})");
  EXPECT_EQ(sampling_defaults_of(folder.path()), "");
  write_file_atomic(folder / "generation_config.json", "{");
  EXPECT_EQ(sampling_defaults_of(folder.path()), "");
}

}  // namespace
}  // namespace ponder::generate
