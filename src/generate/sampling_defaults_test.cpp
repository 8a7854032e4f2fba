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

TEST(SamplingDefaults, AreTheFoldersWhereTheyMakeSense) {
  const testing::TemporaryFolder folder;
  constexpr data::SamplingSettings kOwn{.temperature = 0.7, .top_p = 0.9, .top_k = 0};
  const auto asked = [&](const std::string& config) {
    write_file_atomic(folder / "generation_config.json", config);
    return as_the_model_asks(folder.path(), kOwn);
  };
  EXPECT_EQ(as_the_model_asks(folder.path(), kOwn).temperature, 0.7);
  const auto all =
      asked(R"({"temperature": 0.6, "top_p": 0.95, "top_k": 20, "repetition_penalty": 1.05})");
  EXPECT_EQ(all.temperature, 0.6);
  EXPECT_EQ(all.top_p, 0.95);
  EXPECT_EQ(all.top_k, 20);
  const auto odd = asked(R"({"temperature": "x", "top_p": 7, "top_k": null})");
  EXPECT_EQ(odd.temperature, 0.7);
  EXPECT_EQ(odd.top_p, 0.9);
  EXPECT_EQ(odd.top_k, 0);
  EXPECT_EQ(asked(R"({"do_sample": false, "temperature": 0.6})").temperature, 0);
  EXPECT_EQ(asked("no JSON").temperature, 0.7);
}

}  // namespace
}  // namespace ponder::generate
