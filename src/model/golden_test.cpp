// The whole model of every architecture against PyTorch in double precision (tests/golden/model
// and model_*, made by tools/make_model_golden.py and make_family_golden.py).
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <tuple>

#include "base/json.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "ops/test_support.h"
#include "tensor/safetensors.h"
#include "testing/folders.h"

namespace ponder::model {
namespace {

// Relative, in the Euclidean norm of a tensor. PyTorch's own float32 is up to 1.3e-6 away.
constexpr double kTolerance = 1e-5;

double difference(std::span<const float> found, std::span<const float> expected) {
  if (found.size() != expected.size()) return INFINITY;
  double off = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double d = double{found[i]} - expected[i];
    off += d * d;
    norm += double{expected[i]} * expected[i];
  }
  return std::sqrt(off / norm);
}

struct Variant {
  const char* folder;
  bool tied;
  size_t num_layers;
  size_t vectors_per_layer;  // norms and biases
};

std::string test_name(const ::testing::TestParamInfo<Variant>& info) {
  return std::string(info.param.folder) + (info.param.tied ? "_tied" : "_untied");
}

class GoldenModel : public ::testing::TestWithParam<Variant> {
 protected:
  GoldenModel()
      : folder_(testing::source_dir() / "tests/golden" / GetParam().folder),
        golden_(read_json_file(folder_ / "golden.json")),
        tensors_(folder_ / "golden.safetensors"),
        variant_(GetParam().tied ? "tied" : "untied") {
    // config.json and model.safetensors of the folder are the untied model; the tied one has the
    // same weights but no head.
    const Checkpoint checkpoint = load_checkpoint(folder_);
    config_ = checkpoint.config;
    config_.tie_word_embeddings = GetParam().tied;
    parameters_ = Parameters(config_, "weights");
    for (const ParameterInfo& entry : parameters_.layout().entries()) {
      const auto from = checkpoint.parameters.at(entry.name);
      std::copy(from.begin(), from.end(), parameters_.at(entry.name).begin());
    }
    rows_ = golden_.at("rows").get<std::vector<std::vector<int32_t>>>();
    trained_ = golden_.at("trained").get<std::vector<std::vector<uint8_t>>>();
    for (size_t r = 0; r < rows_.size(); ++r) batch_.append(rows_[r], trained_[r]);
    for (const Json& w : golden_.at("token_weights")) dlogprobs_.push_back(-w.get<float>());
  }

  std::vector<float> tensor(const std::string& name) const {
    const tensor::TensorEntry* entry = tensors_.find(variant_ + "/" + name);
    if (!entry) return {};
    std::vector<float> values(static_cast<size_t>(entry->num_elements()));
    tensors_.read_f32(*entry, values);
    return values;
  }

  // Log-probabilities of all targets; with a Keep other than kNothing also the gradient of the
  // golden loss.
  std::vector<float> run(ThreadPool& pool, Keep keep, Gradients* gradients) const {
    Decoder decoder(config_, pool);
    decoder.set_parameters(parameters_);
    std::vector<float> logprobs(static_cast<size_t>(batch_.num_targets()));
    decoder.forward(batch_, logprobs, keep);
    if (gradients) {
      decoder.backward(batch_, dlogprobs_, *gradients);
      gradients->finish();
    }
    return logprobs;
  }

  std::filesystem::path folder_;
  Json golden_;
  tensor::SafetensorsFile tensors_;
  std::string variant_;
  ModelConfig config_;
  Parameters parameters_;
  std::vector<std::vector<int32_t>> rows_;
  std::vector<std::vector<uint8_t>> trained_;
  PackedBatch batch_;
  std::vector<float> dlogprobs_;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const bool tied : {false, true}) {
    for (const auto& [folder, layers, vectors] : {std::tuple{"model", 2, 5},
                                                  {"model_qwen3", 2, 4},
                                                  {"model_llama", 2, 2},
                                                  {"model_smollm2", 2, 2},
                                                  {"model_smollm3", 3, 2},
                                                  {"model_olmo3", 2, 4},
                                                  {"model_mistral", 2, 2},
                                                  {"model_qwen2_yarn", 2, 5}}) {
      all.push_back({folder, tied, static_cast<size_t>(layers), static_cast<size_t>(vectors)});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(, GoldenModel, ::testing::ValuesIn(variants()), test_name);

TEST_P(GoldenModel, LogprobsAndLossArePyTorchs) {
  ThreadPool pool(2);
  const auto expected = golden_.at(variant_).at("logprobs").get<std::vector<double>>();
  const auto logprobs = run(pool, Keep::kNothing, nullptr);
  ASSERT_EQ(logprobs.size(), expected.size());
  double loss = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    // One near 0 is the difference of two numbers near 10.
    EXPECT_NEAR(logprobs[i], expected[i], kTolerance * std::max(0.1, std::abs(expected[i])))
        << "target " << i;
    loss += double{dlogprobs_[i]} * logprobs[i];
  }
  const double golden_loss = golden_.at(variant_).at("loss").get<double>();
  EXPECT_NEAR(loss, golden_loss, kTolerance * golden_loss);
}

TEST_P(GoldenModel, EveryGradientIsPyTorchs) {
  ThreadPool pool(2);
  for (const Keep keep : {Keep::kActivations, Keep::kCheckpoints}) {
    Gradients gradients(config_);
    run(pool, keep, &gradients);
    size_t compared = 0;
    for (const ParameterInfo& entry : parameters_.layout().entries()) {
      const auto expected = tensor(entry.name);
      if (expected.empty()) {  // of the tied model, only vectors and the embedding are kept
        ASSERT_TRUE(GetParam().tied && entry.is_matrix()) << entry.name;
        continue;
      }
      ++compared;
      EXPECT_LT(difference(gradients.parameters().at(entry.name), expected), kTolerance)
          << entry.name;
    }
    // Layers of vectors and, untied, seven matrices; the last norm, the embedding, the head.
    const size_t layers = GetParam().num_layers, vectors = layers * GetParam().vectors_per_layer;
    EXPECT_EQ(compared, GetParam().tied ? vectors + 2 : vectors + layers * 7 + 3);
  }
}

TEST_P(GoldenModel, StepsGivePyTorchsLogits) {
  ThreadPool pool(1);
  Decoder decoder(config_, pool);
  decoder.set_parameters(parameters_);
  const auto expected = tensor("logits");
  const auto V = static_cast<size_t>(config_.vocab_size);
  for (const int64_t at_a_time : {1, 1000}) {
    std::vector<float> logits;
    for (const auto& row : rows_) {
      KvCache cache = decoder.make_cache(8);
      KvSequence sequence;
      std::vector<float> last(V);
      for (size_t begin = 0; begin < row.size();) {
        const size_t count = std::min(row.size() - begin, static_cast<size_t>(at_a_time));
        ASSERT_TRUE(cache.extend(sequence, static_cast<int64_t>(count)));
        InferenceBatch step;
        step.tokens.assign(row.begin() + static_cast<int64_t>(begin),
                           row.begin() + static_cast<int64_t>(begin + count));
        step.slices = {{&sequence, static_cast<int64_t>(count), true}};
        decoder.step(step, cache, last);
        begin += count;
      }
      logits.insert(logits.end(), last.begin(), last.end());
    }
    EXPECT_LT(difference(logits, expected), kTolerance) << at_a_time << " tokens at a time";
  }
}

TEST_P(GoldenModel, LogprobsAndGradientsAreTheSameBitsOnEveryMachine) {
  std::vector<float> logprobs, gradient;
  ops::on_every_machine(true, [&](ThreadPool& pool) {
    Gradients gradients(config_);
    const auto found = run(pool, Keep::kActivations, &gradients);
    const auto flat = std::as_const(gradients).parameters().flat();
    if (logprobs.empty()) {
      logprobs = found;
      gradient.assign(flat.begin(), flat.end());
    }
    ASSERT_TRUE(testing::same_bits(logprobs, found));
    ASSERT_TRUE(testing::same_bits(gradient, flat));
  });
}

}  // namespace
}  // namespace ponder::model
