// ponder export: what other programs, written apart from ponder, read in its files.
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/hash.h"
#include "e2e/ponder.h"

namespace ponder::e2e {
namespace {

const fs::path kRoot = testing::source_dir();
const fs::path kNano = kRoot / "models/nano-base";

TEST(Export, GgufIsWhatAnIndependentReaderReads) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder / "nano.gguf";
  const testing::Outcome outcome =
      ponder({"export", kNano, "--gguf", "q8_0", "--out", file, "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json json = parse_json(outcome.out, "export");
  EXPECT_EQ(json.at("path"), file.string());
  EXPECT_EQ(json.at("bytes"), fs::file_size(file));
  EXPECT_EQ(json.at("type"), "q8_0");
  EXPECT_EQ(json.at("sha256"), sha256_file(file));
  EXPECT_EQ(json.at("stored_as_f16"), Json::array());
  const testing::Outcome check =
      testing::run({"python3", kRoot / "tools/check_gguf.py", file, kNano});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_NE(check.out.find("62 tensors"), std::string::npos) << check.out;

  // That reader does notice: one byte in the middle of the tensors is another value.
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x40);
  write_file_atomic(file, bytes);
  EXPECT_EQ(testing::run({"python3", kRoot / "tools/check_gguf.py", file, kNano}).status, 1);
}

TEST(Export, WhatCannotBeExportedIsAnError) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(ponder({"export", kNano, "--gguf", "q4_0", "--out", folder / "x.gguf"}).status, 2);
  EXPECT_EQ(ponder({"export", kNano, "--out", folder / "x.gguf"}).status, 2);
  const testing::Outcome absent =
      ponder({"export", folder / "absent", "--gguf", "f16", "--out", folder / "x.gguf"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_NE(absent.err.find("absent"), std::string::npos) << absent.err;
  EXPECT_EQ(ponder({"export", kNano, "--gguf", "f16", "--out", folder / "no/x.gguf"}).status, 1);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

// Needs npm's node-llama-cpp: PONDER_NODE_LLAMA_CPP names the folder it was installed in.
class LlamaCpp : public ::testing::TestWithParam<const char*> {
 protected:
  // 64 prompts, continued greedily by up to 32 tokens in f32.
  static void expect_the_same(const fs::path& model, const std::vector<std::string>& flags) {
    const char* const folder = std::getenv("PONDER_NODE_LLAMA_CPP");
    if (!folder) GTEST_SKIP() << "PONDER_NODE_LLAMA_CPP is not set";
    testing::Launch launch;
    launch.folder = folder;
    launch.limit = std::chrono::seconds(570);
    std::vector<std::string> words = {
        "node", kRoot / "tools/check_gguf_llama_cpp.mjs", "--ponder", program(), "--model", model};
    words.insert(words.end(), flags.begin(), flags.end());
    const testing::Outcome outcome = testing::run(words, launch);
    if (outcome.status == 77) GTEST_SKIP() << outcome.err;
    ASSERT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    const Json json = parse_json(outcome.out, "check_gguf_llama_cpp");
    EXPECT_EQ(json.at("prompts_with_equal_tokens"), 64);
    EXPECT_EQ(json.at("prompts_with_equal_ids"), 64);
    EXPECT_LT(json.at("largest_logprob_difference").get<double>(), 1e-3);
    std::printf("%s: %d of %d tokens equal\n", model.filename().c_str(),
                json.at("equal").get<int>(), json.at("tokens").get<int>());
  }
};

// Our model; and random weights in each architecture, with bare questions, so that nothing depends
// on a template.
TEST_P(LlamaCpp, ComputesTheSame) {
  const std::string type = GetParam();
  if (type == "nano") return expect_the_same(kNano, {});
  const testing::TemporaryFolder folder;
  Json config = read_json_file(kNano / "config.json");
  config["model_type"] = type;
  config["num_hidden_layers"] = config["max_window_layers"] = 2;
  if (type != "qwen2") {
    config["architectures"] = {type == "llama" ? "LlamaForCausalLM" : "Qwen3ForCausalLM"};
    for (const char* key : {"sliding_window", "use_sliding_window", "max_window_layers"}) {
      config.erase(key);
    }
  }
  if (type == "qwen3") config["head_dim"] = 64;
  if (type == "llama") {
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 64}};
  }
  write_file_atomic(folder / "config.json", dump_json(config));
  const testing::Outcome made = ponder(
      {"init", "--config", folder / "config.json", "--tokenizer", kNano, "--out", folder / type});
  ASSERT_EQ(made.status, 0) << made.err;
  expect_the_same(folder / type, {"--raw"});
}

INSTANTIATE_TEST_SUITE_P(Slow, LlamaCpp, ::testing::Values("nano", "qwen2", "qwen3", "llama"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace ponder::e2e
