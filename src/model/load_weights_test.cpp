// Weights read from files straight into panels against the same weights set as parameters.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/philox.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "model/weight_files.h"
#include "testing/same_bits.h"
#include "testing/temporary_folder.h"
#include "testing/tiny_config.h"

namespace ponder::model {
namespace {

namespace fs = std::filesystem;

ModelConfig tiny(const std::string& model_type, bool tied) {
  ModelConfig c = testing::tiny_config(75);  // its last panel is not whole
  c.model_type = model_type;
  c.initializer_range = 0.2;
  c.tie_word_embeddings = tied;
  return c;
}

Parameters random_parameters(const ModelConfig& config) {
  Parameters parameters(config, "test");
  initialise(parameters, config, 5);
  for (const ParameterInfo& info : parameters.layout().entries()) {  // biases and norms too
    if (info.is_matrix()) continue;
    for (int64_t i = 0; i < info.size; ++i) {
      parameters.flat()[static_cast<size_t>(info.offset + i)] +=
          0.1f * std::sin(static_cast<float>(info.offset + i));
    }
  }
  return parameters;
}

SaveOptions in(tensor::DType dtype) {
  SaveOptions options;
  options.dtype = dtype;
  return options;
}

struct Results {
  std::vector<float> logprobs, logits;
};

Results run(Decoder& decoder) {
  const ModelConfig& config = decoder.config();
  PackedBatch batch;
  RandomSequence random(3, 0);
  std::vector<int32_t> row;
  for (int64_t r = 0; r < 3; ++r) {
    row.clear();
    for (int64_t i = 0; i < 9 + 20 * r; ++i) {
      row.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(config.vocab_size))));
    }
    batch.append(row, std::vector<uint8_t>(row.size(), 1));
  }
  Results results;
  results.logprobs.resize(static_cast<size_t>(batch.num_targets()));
  decoder.forward(batch, results.logprobs, Keep::kNothing);
  KvCache cache = decoder.make_cache(4);
  KvSequence sequence;
  EXPECT_TRUE(cache.extend(sequence, static_cast<int64_t>(row.size())));
  results.logits.resize(static_cast<size_t>(config.vocab_size));
  decoder.step({row, {{&sequence, static_cast<int64_t>(row.size()), true}}}, cache, results.logits);
  return results;
}

class LoadWeightsTest : public ::testing::Test {
 protected:
  void expect_same_as_parameters(const std::string& what) {
    const Checkpoint checkpoint = load_checkpoint(folder_);
    ThreadPool one(1);
    Decoder set(checkpoint.config, one);
    set.set_parameters(checkpoint.parameters);
    const Results expected = run(set);
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      const OpenCheckpoint open = open_checkpoint(folder_);
      EXPECT_EQ(open.sha256, checkpoint.sha256);
      Decoder loaded(open.config, pool);
      loaded.load_weights(*open.weights);
      const Results found = run(loaded);
      EXPECT_TRUE(testing::same_bits(expected.logprobs, found.logprobs)) << what << ", " << threads;
      EXPECT_TRUE(testing::same_bits(expected.logits, found.logits)) << what << ", " << threads;
    }
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "model";
};

TEST_F(LoadWeightsTest, GiveTheBitsOfTheSameValuesSetAsParameters) {
  for (const char* model_type : {"qwen2", "qwen3", "llama"}) {
    for (const bool tied : {true, false}) {
      for (const tensor::DType dtype :
           {tensor::DType::kF32, tensor::DType::kBF16, tensor::DType::kF16}) {
        const ModelConfig config = tiny(model_type, tied);
        fs::remove_all(folder_);
        save_checkpoint(folder_, config, random_parameters(config), in(dtype));
        expect_same_as_parameters(std::string(model_type) + (tied ? " tied " : " ") +
                                  std::string(tensor::config_name(dtype)));
      }
    }
  }
}

// Tensors of one panel matrix in different dtypes: the f32 one keeps its bits.
TEST_F(LoadWeightsTest, MayMixDtypes) {
  const ModelConfig config = tiny("qwen2", false);
  save_checkpoint(folder_, config, random_parameters(config), in(tensor::DType::kF32));
  const Checkpoint checkpoint = load_checkpoint(folder_);
  std::vector<tensor::TensorToWrite> wide, narrow;
  std::ostringstream index;
  for (const ParameterInfo& info : checkpoint.parameters.layout().entries()) {
    const bool is_narrow = info.name.find("k_proj") != std::string::npos ||
                           info.name.find("down_proj") != std::string::npos ||
                           info.name.find("embed") != std::string::npos;
    (is_narrow ? narrow : wide)
        .push_back({info.name, info.shape, checkpoint.parameters.at(info.name)});
    index << (index.tellp() > 0 ? "," : "") << '"' << info.name << "\":\""
          << (is_narrow ? "narrow" : "wide") << ".safetensors\"";
  }
  tensor::write_safetensors(folder_ / "wide.safetensors", wide, tensor::DType::kF32);
  tensor::write_safetensors(folder_ / "narrow.safetensors", narrow, tensor::DType::kBF16);
  fs::remove(folder_ / "model.safetensors");
  fs::remove(folder_ / "ponder.json");  // it has the hash of what was there
  std::ofstream(folder_ / "model.safetensors.index.json")
      << "{\"weight_map\":{" << index.str() << "}}";
  expect_same_as_parameters("mixed");
}

TEST_F(LoadWeightsTest, CannotBeTrained) {
  const ModelConfig config = tiny("qwen2", true);
  save_checkpoint(folder_, config, random_parameters(config), in(tensor::DType::kBF16));
  const OpenCheckpoint open = open_checkpoint(folder_);
  ThreadPool pool(1);
  Decoder decoder(open.config, pool);
  decoder.load_weights(*open.weights);
  PackedBatch batch;
  batch.append({1, 2, 3}, {0, 1, 1});
  std::vector<float> logprobs(2);
  decoder.forward(batch, logprobs, Keep::kActivations);
  Gradients gradients(open.config);
  EXPECT_THROW(decoder.backward(batch, logprobs, gradients), Error);
}

TEST_F(LoadWeightsTest, RefuseATiedHeadThatDiffers) {
  const ModelConfig untied = tiny("qwen2", false);
  save_checkpoint(folder_, untied, random_parameters(untied), in(tensor::DType::kBF16));
  std::string text;
  {
    std::ifstream file(folder_ / "config.json");
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::string key = "\"tie_word_embeddings\": ";
  const size_t at = text.find(key + "false");
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, key.size() + 5, key + "true");
  std::ofstream(folder_ / "config.json") << text;
  const OpenCheckpoint open = open_checkpoint(folder_);
  ThreadPool pool(1);
  Decoder decoder(open.config, pool);
  EXPECT_THROW(decoder.load_weights(*open.weights), Error);
}

int64_t status_kib(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::stoll(line.substr(key.size()));
  }
  return -1;
}

// A model of N bytes takes at most 1.1 N of memory, at its peak, hashing included.
TEST_F(LoadWeightsTest, TakeLittleMoreMemoryThanTheFile) {
  for (const bool tied : {true, false}) {
    ModelConfig config = tiny("qwen2", tied);
    config.hidden_size = 512;
    config.head_dim = 128;
    config.intermediate_size = 1536;
    config.num_hidden_layers = 8;
    config.vocab_size = 32000;
    {
      Parameters parameters(config, "test");
      float x = 0;
      for (float& value : parameters.flat()) value = (x = x < 1 ? x + 0x1p-7f : -1.0f);
      save_checkpoint(folder_, config, parameters, in(tensor::DType::kBF16));
    }
    const auto file_bytes = static_cast<int64_t>(fs::file_size(folder_ / "model.safetensors"));
    ASSERT_GT(file_bytes, 70'000'000);
    ::malloc_trim(0);  // or memory that earlier work left behind would not count
    std::ofstream reset("/proc/self/clear_refs");
    reset << "5" << std::flush;  // forgets the peak so far
    const int64_t before = status_kib("VmRSS:"), peak_before = status_kib("VmHWM:");
    if (!reset || before < 0 || peak_before > before + 4096) {
      GTEST_SKIP() << "this system does not tell a process's peak memory";
    }
    ThreadPool pool(2);
    const OpenCheckpoint open = open_checkpoint(folder_);
    Decoder decoder(open.config, pool);
    decoder.load_weights(*open.weights);
    const int64_t grown = (status_kib("VmHWM:") - before) * 1024;
    EXPECT_LE(static_cast<double>(grown), 1.1 * static_cast<double>(file_bytes));
    EXPECT_GE(static_cast<double>(grown), 0.7 * static_cast<double>(file_bytes));
    fs::remove_all(folder_);
  }
}

}  // namespace
}  // namespace ponder::model
