// Both arithmetics of a whole decoder against plain loops, on everything that this machine can
// multiply with; and what bf16 refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "model/plain_decoder_test_support.h"
#include "model/plain_gradients_test_support.h"
#include "model/test_support.h"
#include "model/weight_files.h"
#include "ops/test_support.h"
#include "testing/error_text.h"
#include "testing/same_bits.h"
#include "testing/temporary_folder.h"

namespace ponder::model {
namespace {

using tensor::Precision;

// Every token of every row.
PackedBatch whole_batch_of(const std::vector<std::vector<int32_t>>& rows) {
  PackedBatch batch;
  for (const auto& row : rows) batch.append(row, std::vector<uint8_t>(row.size(), 1));
  return batch;
}

std::vector<float> forward(Decoder& decoder, const PackedBatch& batch, Keep keep = Keep::kNothing) {
  std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
  decoder.forward(batch, logprobs, keep);
  return logprobs;
}

TEST(DecoderArithmetic, EqualsPlainLoopsOnEveryMachine) {
  const std::vector<std::vector<int32_t>> rows = {random_row(70, 1, 70), random_row(33, 2, 70)};
  const PackedBatch batch = whole_batch_of(rows);
  for (const ModelConfig& config : every_architecture()) {
    SCOPED_TRACE(name_of(config));
    const Parameters parameters = random_parameters(config);
    std::vector<float> of_f32;
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      const PlainDecoder plain(config, parameters, precision);
      std::vector<float> expected;
      for (const auto& row : rows) {
        for (const float logprob : plain.logprobs(row)) expected.push_back(logprob);
      }
      if (of_f32.empty()) {
        of_f32 = expected;
      } else {
        EXPECT_FALSE(testing::same_bits(of_f32, expected)) << "arithmetics that are one";
      }
      ops::on_every_machine(precision, false, [&](ThreadPool& pool) {
        Decoder decoder(config, pool, precision);
        decoder.set_parameters(parameters);
        ASSERT_TRUE(testing::same_bits(expected, forward(decoder, batch)));
        ASSERT_TRUE(testing::same_bits(expected, forward(decoder, batch, Keep::kActivations)));
      });
      if (HasFatalFailure()) return;
    }
  }
}

// Three rows, of which the first two make a batch: 40 and 33 tokens are more than a block of 32, 5 are
// fewer, and not every token is a target.
TEST(DecoderArithmetic, GradientsEqualPlainLoopsOnEveryMachine) {
  const std::vector<std::vector<int32_t>> rows = {random_row(40, 1, 70), random_row(5, 2, 70),
                                                  random_row(33, 3, 70)};
  for (const ModelConfig& config : every_architecture()) {
    SCOPED_TRACE(name_of(config));
    const Parameters parameters = random_parameters(config);
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      SCOPED_TRACE(to_string(precision));
      PlainGradients plain(config, parameters, precision);
      std::vector<PackedBatch> batches = {batch_of({rows[0], rows[1]}), batch_of({rows[2]})};
      std::vector<std::vector<float>> dlogprobs;
      for (size_t b = 0; b < batches.size(); ++b) {
        const PackedBatch& batch = batches[b];
        dlogprobs.push_back(
            ops::random_floats(batch.num_targets(), b, 1.0 / double(batch.num_targets())));
        size_t i = 0;
        for (size_t r = 0; r + 1 < batch.row_begin.size(); ++r) {
          const int64_t begin = batch.row_begin[r], end = batch.row_begin[r + 1];
          std::vector<int64_t> targets;
          std::vector<float> weights;
          for (; i < batch.target_index.size() && batch.target_index[i] < end; ++i) {
            targets.push_back(batch.target_index[i] - begin);
            weights.push_back(dlogprobs[b][i]);
          }
          plain.add(std::span(batch.tokens).subspan(size_t(begin), size_t(end - begin)), targets,
                    weights);
        }
      }
      const Parameters expected = plain.result();
      bool recompute = false;
      ops::on_every_machine(precision, false, [&](ThreadPool& pool) {
        Decoder decoder(config, pool, precision);
        decoder.set_parameters(parameters);
        Gradients gradients(config);
        gradients.zero();
        for (size_t b = 0; b < batches.size(); ++b) {
          forward(decoder, batches[b], recompute ? Keep::kCheckpoints : Keep::kActivations);
          decoder.backward(batches[b], dlogprobs[b], gradients);
        }
        recompute = !recompute;
        gradients.finish();
        for (const ParameterInfo& info : expected.layout().entries()) {
          ASSERT_TRUE(testing::same_bits(expected.at(info), gradients.parameters().at(info)))
              << info.name;
        }
      });
      if (HasFatalFailure()) return;
    }
  }
}

class Bf16Weights : public ::testing::Test {
 protected:
  void save(const ModelConfig& config, const Parameters& parameters, tensor::DType dtype) {
    std::filesystem::remove_all(folder_);
    SaveOptions options;
    options.dtype = dtype;
    save_checkpoint(folder_, config, parameters, options);
  }
  std::vector<float> loaded_logprobs(const PackedBatch& batch, int threads = 1) {
    ThreadPool pool(threads);
    const OpenCheckpoint open = open_checkpoint(folder_);
    Decoder decoder(open.config, pool, Precision::kBf16);
    decoder.load_weights(*open.weights);
    return forward(decoder, batch);
  }

  testing::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_ / "model";
};

// Rounded once, whichever way they come: from files of every type, from parameters.
TEST_F(Bf16Weights, AreTheSameFromFilesAndFromParameters) {
  const PackedBatch batch = whole_batch_of({random_row(40, 1, 70)});
  for (const ModelConfig& config : every_architecture()) {
    if (!config.layers.empty()) continue;  // no family that config.json could name
    SCOPED_TRACE(name_of(config));
    const Parameters parameters = random_parameters(config);
    for (const tensor::DType dtype :
         {tensor::DType::kF32, tensor::DType::kBF16, tensor::DType::kF16}) {
      SCOPED_TRACE(tensor::config_name(dtype));
      save(config, parameters, dtype);
      const Checkpoint checkpoint = load_checkpoint(folder_);
      ThreadPool pool(2);
      Decoder set(checkpoint.config, pool, Precision::kBf16);
      set.set_parameters(checkpoint.parameters);
      const std::vector<float> expected = forward(set, batch);
      EXPECT_TRUE(testing::same_bits(expected, loaded_logprobs(batch)));
      EXPECT_TRUE(testing::same_bits(expected, loaded_logprobs(batch, 3)));
      set.pack_parameters(checkpoint.parameters);
      EXPECT_TRUE(testing::same_bits(expected, forward(set, batch)));
    }
  }
}

// The largest bf16 number, and what rounds to it, may stand there, and so may an infinity (which
// `ponder inspect` is for).
TEST_F(Bf16Weights, ThatOverflowAreCountedAndRefused) {
  constexpr float kLargest = 0x1.fep127f, kRoundsDown = 0x1.fefffep127f, kOverflows = 0x1.ffp127f;
  const PackedBatch batch = whole_batch_of({random_row(5, 1, 70)});
  for (const bool tied : {true, false}) {
    const ModelConfig config = tiny(tied);
    const std::vector<std::string> names = {"model.layers.1.mlp.up_proj.weight",
                                            "model.embed_tokens.weight"};
    for (const std::string& name : names) {
      Parameters parameters = random_parameters(config);
      const std::span<float> values = parameters.at(name);
      values[3] = kLargest;
      values[7] = kRoundsDown;
      values[9] = -std::numeric_limits<float>::infinity();
      save(config, parameters, tensor::DType::kF32);
      loaded_logprobs(batch);
      values[values.size() - 1] = -kOverflows;
      values[70] = std::numeric_limits<float>::max();
      save(config, parameters, tensor::DType::kF32);
      const std::string expected = "tensor \"" + name + "\": 2 of its " +
                                   std::to_string(values.size()) +
                                   " weights are beyond the largest bf16 number";
      const auto complaint = [&](const auto& action) {
        const std::string text = testing::error_text(action);
        EXPECT_NE(text.find(expected), std::string::npos) << text;
      };
      complaint([&] { loaded_logprobs(batch, 2); });
      ThreadPool pool(2);
      Decoder decoder(config, pool, Precision::kBf16);
      complaint([&] { decoder.set_parameters(parameters); });
      Decoder wide(config, pool);
      wide.set_parameters(parameters);
    }
  }
}

// Training rounds a layer's matrices when it comes to it: one layer's copy beside the head's, and after
// an update those of the new weights, also where the layer was the last that was reached.
TEST_F(Bf16Weights, ToTrainAreRoundedLayerByLayerAndAnewAfterAnUpdate) {
  const ModelConfig config = tiny(true);
  ModelConfig deeper = config;
  deeper.num_hidden_layers += 3;
  ThreadPool pool(2);
  EXPECT_EQ(Decoder(config, pool, Precision::kBf16).parameter_copy_bytes(),
            Decoder(deeper, pool, Precision::kBf16).parameter_copy_bytes());
  EXPECT_EQ(Decoder(config, pool).parameter_copy_bytes(), 0);

  Parameters parameters = random_parameters(config);
  Decoder decoder(config, pool, Precision::kBf16);
  const PackedBatch batch = batch_of(kRows);
  const auto logprobs_of = [&](Decoder& asked) {
    std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
    asked.forward(batch, logprobs, Keep::kActivations);
    return logprobs;
  };
  const std::vector<float> w(static_cast<size_t>(batch.num_targets()), -0.5f);
  for (const float scale : {1.0f, 1.25f}) {
    for (float& weight : parameters.flat()) weight *= scale;
    decoder.set_parameters(parameters);
    const std::vector<float> found = logprobs_of(decoder);
    Gradients gradients(config);
    decoder.backward(batch, w, gradients);  // ends with the first layer
    Decoder fresh(config, pool, Precision::kBf16);
    fresh.set_parameters(parameters);
    EXPECT_TRUE(testing::same_bits(found, logprobs_of(fresh))) << scale;
  }
}

}  // namespace
}  // namespace ponder::model
