#include "model/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "model/test_support.h"
#include "ops/attention.h"
#include "ops/softmax.h"
#include "testing/same_bits.h"

namespace ponder::model {
namespace {

std::vector<float> logprobs_of(Decoder& decoder, const PackedBatch& batch, Keep keep) {
  std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
  decoder.forward(batch, logprobs, keep);
  return logprobs;
}

// body(config, precision) for every architecture in both arithmetics.
template <class Body>
void for_every_model(const Body& body) {
  for (const ModelConfig& config : every_architecture()) {
    for (const tensor::Precision precision : {tensor::Precision::kF32, tensor::Precision::kBf16}) {
      SCOPED_TRACE(name_of(config) + ", " + std::string(to_string(precision)));
      body(config, precision);
    }
  }
}

std::vector<float> weights_of_targets(int64_t n) {
  RandomSequence random(5, 9);
  std::vector<float> w;
  for (int64_t i = 0; i < n; ++i) w.push_back(static_cast<float>(random.normal()));
  return w;
}

TEST(Decoder, RowsDoNotSeeEachOtherAndThreadsChangeNoBit) {
  for_every_model([&](const ModelConfig& config, tensor::Precision precision) {
    const Parameters parameters = random_parameters(config);
    std::vector<float> reference;
    for (int threads : {1, 2, 4}) {
      ThreadPool pool(threads);
      Decoder decoder(config, pool, precision);
      decoder.set_parameters(parameters);
      std::vector<float> together = logprobs_of(decoder, batch_of(kRows), Keep::kNothing);
      std::vector<float> alone;
      for (const auto& row : kRows) {
        for (float x : logprobs_of(decoder, batch_of({row}), Keep::kNothing)) alone.push_back(x);
      }
      EXPECT_TRUE(testing::same_bits(together, alone)) << threads << " threads";
      if (reference.empty()) reference = together;
      EXPECT_TRUE(testing::same_bits(together, reference)) << threads << " threads";
      for (float x : together) ASSERT_TRUE(std::isfinite(x) && x < 0.0f);
    }
  });
}

TEST(Decoder, StepsGiveTheBitsOfTheTrainingForward) {
  for_every_model([&](const ModelConfig& config, tensor::Precision precision) {
    const Parameters parameters = random_parameters(config);
    ThreadPool pool(2);
    Decoder decoder(config, pool, precision);
    decoder.set_parameters(parameters);
    for (const int64_t chunk : {1, 3, 70, 200}) {
      KvCache cache = decoder.make_cache(16);
      std::vector<KvSequence> sequences(kRows.size());
      std::vector<size_t> fed(kRows.size(), 0);
      std::vector<std::vector<float>> logprobs(kRows.size());
      for (bool more = true; more;) {
        more = false;
        InferenceBatch step;
        std::vector<size_t> who;
        for (size_t r = 0; r < kRows.size(); ++r) {
          const auto n = std::min<int64_t>(r % 2 == 0 ? chunk : 1,
                                           static_cast<int64_t>(kRows[r].size() - fed[r]));
          if (n == 0) continue;
          more = true;
          ASSERT_TRUE(cache.extend(sequences[r], n));
          for (int64_t i = 0; i < n; ++i)
            step.tokens.push_back(kRows[r][fed[r] + static_cast<size_t>(i)]);
          step.slices.push_back({&sequences[r], n, true});
          fed[r] += static_cast<size_t>(n);
          who.push_back(r);
        }
        if (!more) break;
        std::vector<float> logits(who.size() * static_cast<size_t>(config.vocab_size));
        decoder.step(step, cache, logits);
        for (size_t i = 0; i < who.size(); ++i) {
          const size_t r = who[i];
          if (fed[r] >= kRows[r].size()) continue;
          const float* z = logits.data() + i * static_cast<size_t>(config.vocab_size);
          logprobs[r].push_back(z[kRows[r][fed[r]]] - ops::log_sum_exp(z, config.vocab_size));
        }
      }
      for (size_t r = 0; r < kRows.size(); ++r) {
        PackedBatch batch;
        batch.append(kRows[r], std::vector<uint8_t>(kRows[r].size(), 1));
        const std::vector<float> trained = logprobs_of(decoder, batch, Keep::kNothing);
        const int64_t stride = r % 2 == 0 ? chunk : 1;
        for (size_t i = 0; i < logprobs[r].size(); ++i) {
          const auto at = static_cast<size_t>(stride) * (i + 1) - 1;
          ASSERT_EQ(logprobs[r][i], trained[at])
              << "row " << r << " position " << at << " chunk " << chunk;
        }
      }
      for (auto& sequence : sequences) cache.release(sequence);
      EXPECT_EQ(cache.num_free_pages(), cache.num_pages());
    }
  });
}

// So many that each thread takes its own through the layers.
TEST(Decoder, SequencesSharedOutAmongThreadsGiveTheBitsOfEachAlone) {
  constexpr size_t kSequences = 50, kSteps = 3;
  for_every_model([&](const ModelConfig& config, tensor::Precision precision) {
    const Parameters parameters = random_parameters(config);
    const auto V = static_cast<size_t>(config.vocab_size);
    const auto logits_of = [&](int threads, size_t together) {
      ThreadPool pool(threads);
      Decoder decoder(config, pool, precision);
      decoder.pack_parameters(parameters);
      KvCache cache = decoder.make_cache(static_cast<int64_t>(together));
      std::vector<float> all(kSequences * kSteps * V, 0.0f);
      for (size_t first = 0; first < kSequences; first += together) {
        std::vector<KvSequence> sequences(together);
        for (size_t t = 0; t < kSteps; ++t) {
          InferenceBatch step;
          std::vector<size_t> wanted;
          for (size_t i = 0; i < together; ++i) {
            EXPECT_TRUE(cache.extend(sequences[i], 1));
            const size_t number = first + i;
            step.tokens.push_back(static_cast<int32_t>((number * 7 + t * 11) % V));
            step.slices.push_back({&sequences[i], 1, (number + t) % 3 != 0});
            if (step.slices.back().want_logits) wanted.push_back(number);
          }
          std::vector<float> logits(wanted.size() * V);
          decoder.step(step, cache, logits);
          for (size_t i = 0; i < wanted.size(); ++i) {
            std::copy_n(logits.begin() + static_cast<std::ptrdiff_t>(i * V), V,
                        all.begin() + static_cast<std::ptrdiff_t>((wanted[i] * kSteps + t) * V));
          }
        }
        for (KvSequence& sequence : sequences) cache.release(sequence);
      }
      return all;
    };
    const std::vector<float> alone = logits_of(1, 1);
    EXPECT_TRUE(testing::same_bits(alone, logits_of(1, kSequences)));
    EXPECT_TRUE(testing::same_bits(alone, logits_of(2, kSequences)));
    EXPECT_TRUE(testing::same_bits(alone, logits_of(3, kSequences)));
  });
}

TEST(Decoder, APageHoldsTheKeysAndValuesOfAllLayersAndHeads) {
  for (const ModelConfig& config : every_architecture()) {
    ThreadPool pool(1);
    const int64_t elements = ops::kKeyBlock * config.num_hidden_layers * 2 * config.kv_size();
    EXPECT_EQ(Decoder(config, pool).kv_page_bytes(), elements * 4);
    // In bf16 a head takes whole blocks of 32 elements.
    const int64_t D = config.head_dim, whole = (D + 31) / 32 * 32;
    EXPECT_EQ(Decoder(config, pool, tensor::Precision::kBf16).kv_page_bytes(),
              elements / D * whole * 2);
  }
}

TEST(Decoder, ForkedSequencesShareAPromptWithoutTouchingIt) {
  for_every_model([&](const ModelConfig& config, tensor::Precision precision) {
    const Parameters parameters = random_parameters(config);
    ThreadPool pool(1);
    Decoder decoder(config, pool, precision);
    decoder.set_parameters(parameters);
    KvCache cache = decoder.make_cache(8);
    const auto V = static_cast<size_t>(config.vocab_size);
    KvSequence prompt;
    ASSERT_TRUE(cache.extend(prompt, 90));
    InferenceBatch step;
    step.tokens = kRows[0];
    step.slices = {{&prompt, 90, false}};
    decoder.step(step, cache, {});
    std::vector<KvSequence> forks = {cache.fork(prompt), cache.fork(prompt), cache.fork(prompt)};
    EXPECT_EQ(cache.num_free_pages(), 6);
    InferenceBatch next;
    for (size_t i = 0; i < forks.size(); ++i) {
      ASSERT_TRUE(cache.extend(forks[i], 1));
      next.tokens.push_back(static_cast<int32_t>(i));
      next.slices.push_back({&forks[i], 1, true});
    }
    std::vector<float> logits(3 * V);
    decoder.step(next, cache, logits);
    EXPECT_EQ(cache.num_free_pages(),
              3);  // the shared page is full; three copies of the partial one
    for (size_t i = 0; i < forks.size(); ++i) {
      std::vector<int32_t> row = kRows[0];
      row.push_back(static_cast<int32_t>(i));
      row.push_back(5);
      std::vector<uint8_t> trained(row.size(), 0);
      trained.back() = 1;
      PackedBatch batch;
      batch.append(row, trained);
      EXPECT_EQ(logprobs_of(decoder, batch, Keep::kNothing)[0],
                logits[i * V + 5] - ops::log_sum_exp(logits.data() + i * V, config.vocab_size));
    }
    KvSequence more = cache.fork(prompt);
    EXPECT_FALSE(cache.extend(more, 64 * 5));
    EXPECT_EQ(more.length(), 90);
  });
}

TEST(Decoder, CheckpointingAndSplittingABatchChangeNoBitOfTheGradient) {
  for_every_model([&](const ModelConfig& config, tensor::Precision precision) {
    const Parameters parameters = random_parameters(config);
    ThreadPool pool(2), single(1);
    const auto gradient = [&](ThreadPool& threads, Keep keep,
                              const std::vector<std::vector<std::vector<int32_t>>>& split) {
      Decoder decoder(config, threads, precision);
      decoder.set_parameters(parameters);
      Gradients gradients(config);
      gradients.zero();
      const std::vector<float> all = weights_of_targets(batch_of(kRows).num_targets());
      size_t used = 0;
      for (const auto& rows : split) {
        const PackedBatch batch = batch_of(rows);
        logprobs_of(decoder, batch, keep);
        decoder.backward(batch,
                         std::span(all).subspan(used, static_cast<size_t>(batch.num_targets())),
                         gradients);
        used += static_cast<size_t>(batch.num_targets());
      }
      gradients.finish();
      const auto flat = gradients.parameters().flat();
      return std::vector<float>(flat.begin(), flat.end());
    };
    const auto whole = gradient(pool, Keep::kActivations, {kRows});
    EXPECT_TRUE(testing::same_bits(whole, gradient(pool, Keep::kCheckpoints, {kRows})));
    EXPECT_TRUE(testing::same_bits(whole, gradient(single, Keep::kActivations, {kRows})));
    EXPECT_TRUE(testing::same_bits(
        whole, gradient(pool, Keep::kActivations,
                        {{kRows[0]}, {kRows[1], kRows[2]}, {kRows[3], kRows[4]}})));
  });
}

// A vocabulary so large that 40 rows of logits take two chunks, and 20 take one; in bf16 the first row
// is cut, alone and beside another, where a block ends.
class DecoderChunks : public ::testing::TestWithParam<tensor::Precision> {};
INSTANTIATE_TEST_SUITE_P(, DecoderChunks,
                         ::testing::Values(tensor::Precision::kF32, tensor::Precision::kBf16),
                         [](const auto& parameter) {
                           return std::string(to_string(parameter.param));
                         });

TEST_P(DecoderChunks, OfLogitsAndBackwardAlongWithForwardChangeNoBit) {
  const bool bf16 = GetParam() == tensor::Precision::kBf16;
  ModelConfig config = tiny(true);
  config.vocab_size = 2'000'000;
  config.hidden_size = 16;
  config.intermediate_size = 32;
  config.num_hidden_layers = 1;
  config.num_attention_heads = config.num_key_value_heads = 1;
  ASSERT_EQ(logits_rows(config.vocab_size, 40), 20);
  Parameters parameters(config, "weights");
  RandomSequence random(21, 0);
  for (float& value : parameters.flat()) value = static_cast<float>(random.uniform() - 0.5);
  const std::vector<int32_t> first = random_row(bf16 ? 37 : 21, 1, 2'000'000),
                             second = random_row(bf16 ? 5 : 21, 2, 2'000'000);
  const std::vector<std::vector<std::vector<int32_t>>> whole = {{first, second}},
                                                       parts = {{first}, {second}};
  ThreadPool pool(2);
  std::vector<float> logprobs;
  const auto gradient = [&](const auto& split, bool together) {
    Decoder decoder(config, pool, GetParam());
    decoder.set_parameters(parameters);
    Gradients gradients(config);
    gradients.zero();
    logprobs.clear();
    for (const auto& rows : split) {
      PackedBatch batch;
      for (const auto& tokens : rows) {
        batch.append(tokens, std::vector<uint8_t>(tokens.size(), 1));
      }
      const auto count = static_cast<size_t>(batch.num_targets());
      std::vector<float> own(count), dlogprobs(count);
      for (size_t i = 0; i < count; ++i) {
        dlogprobs[i] = -0.25f + 0.01f * static_cast<float>(logprobs.size() + i);
      }
      if (together) {
        decoder.forward_backward(batch, own, Keep::kActivations, dlogprobs, gradients);
      } else {
        decoder.forward(batch, own, Keep::kActivations);
        decoder.backward(batch, dlogprobs, gradients);
      }
      logprobs.insert(logprobs.end(), own.begin(), own.end());
    }
    gradients.finish();
    const auto flat = gradients.parameters().flat();
    return std::vector<float>(flat.begin(), flat.end());
  };
  const std::vector<float> expected = gradient(parts, false), expected_logprobs = logprobs;
  EXPECT_EQ(expected_logprobs.size(), 40u);
  EXPECT_NE(expected, std::vector<float>(expected.size(), 0.0f));
  for (const bool together : {false, true}) {
    EXPECT_TRUE(testing::same_bits(expected, gradient(whole, together))) << together;
    EXPECT_TRUE(testing::same_bits(expected_logprobs, logprobs)) << together;
    EXPECT_TRUE(testing::same_bits(expected, gradient(parts, together))) << together;
  }
}

TEST(Decoder, AForwardThatFailedLeavesNothingForBackward) {
  const ModelConfig config = tiny(true);
  const Parameters parameters = random_parameters(config);
  ThreadPool pool(1);
  Decoder decoder(config, pool);
  decoder.set_parameters(parameters);
  Gradients gradients(config);
  PackedBatch good = batch_of(kRows), bad = good;
  bad.tokens[3] = static_cast<int32_t>(config.vocab_size);
  std::vector<float> logprobs(static_cast<size_t>(good.num_targets()));
  decoder.forward(good, logprobs, Keep::kActivations);
  EXPECT_THROW(decoder.forward(bad, logprobs, Keep::kActivations), Error);
  EXPECT_THROW(decoder.backward(good, logprobs, gradients), Error);
  EXPECT_THROW(decoder.forward_backward(good, logprobs, Keep::kNothing, logprobs, gradients),
               Error);
}

TEST(Gradients, GoOnAfterTheyWereFinished) {
  const ModelConfig config = tiny(true);
  ThreadPool pool(1);
  Gradients gradients(config);
  gradients.zero();
  const std::vector<float> dx(3 * static_cast<size_t>(config.hidden_size), 0.5f);
  const std::vector<int32_t> tokens[] = {{5, 9, 5}, {9, 7, 9}};
  for (const auto& each : tokens) {
    gradients.add_embedding(each, dx.data(), pool);
    gradients.finish();
  }
  const auto row = [&](int64_t token) {
    return gradients.parameters().at(
        "model.embed_tokens.weight")[static_cast<size_t>(token * config.hidden_size)];
  };
  EXPECT_EQ(row(5), 1.0f);
  EXPECT_EQ(row(9), 1.5f);
  EXPECT_EQ(row(7), 0.5f);
}

// A step that was stopped leaves its part behind.
TEST(Gradients, ZeroForgetsWhatWasNotFinished) {
  const ModelConfig config = tiny(true);
  ThreadPool pool(1);
  Gradients gradients(config);
  const std::vector<float> dx(2 * static_cast<size_t>(config.hidden_size), 0.5f);
  for (const std::vector<int32_t>& tokens : {std::vector<int32_t>{5, 9}, {7, 9}}) {
    gradients.zero();
    gradients.add_embedding(tokens, dx.data(), pool);
  }
  gradients.finish();
  const auto embedding = gradients.parameters().at("model.embed_tokens.weight");
  for (const int64_t token : {5, 7, 9}) {
    EXPECT_EQ(embedding[static_cast<size_t>(token * config.hidden_size)], token == 5 ? 0.0f : 0.5f);
  }
}

struct Loss {
  Loss(const ModelConfig& model_config, tensor::Precision precision)
      : config(model_config),
        decoder(config, pool, precision),
        parameters(random_parameters(config)) {}

  double operator()() {
    decoder.set_parameters(parameters);
    const std::vector<float> logprobs = logprobs_of(decoder, batch, Keep::kNothing);
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i) sum += static_cast<double>(w[i]) * logprobs[i];
    return sum;
  }
  Gradients gradients() {
    decoder.set_parameters(parameters);
    Gradients gradients(config);
    logprobs_of(decoder, batch, Keep::kActivations);
    decoder.backward(batch, w, gradients);
    gradients.finish();
    return gradients;
  }
  // The difference quotient along `direction` of the elements `p` of the parameters.
  double slope(std::span<float> p, std::span<const float> direction, double h) {
    const std::vector<float> before(p.begin(), p.end());
    const auto at = [&](double step) {
      for (size_t i = 0; i < p.size(); ++i)
        p[i] = static_cast<float>(before[i] + step * direction[i]);
      return (*this)();
    };
    const double difference = at(h) - at(-h);
    std::copy(before.begin(), before.end(), p.begin());
    return difference / (2 * h);
  }

  const ModelConfig& config;
  ThreadPool pool{2};
  Decoder decoder;
  Parameters parameters;
  const PackedBatch batch = batch_of(kRows);
  const std::vector<float> w = weights_of_targets(batch.num_targets());
};

double norm_of(std::span<const float> values) {
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * x;
  return std::sqrt(sum);
}

TEST(Decoder, GradientEqualsFiniteDifferences) {
  for (const ModelConfig& config : every_architecture()) {
    SCOPED_TRACE(name_of(config));
    Loss loss(config, tensor::Precision::kF32);
    const Gradients gradients = loss.gradients();
    // Along a random direction within each parameter: one number tests all its elements.
    for (const auto& entry : loss.parameters.layout().entries()) {
      const auto g = gradients.parameters().at(entry.name);
      std::vector<float> direction;
      RandomSequence random(13, stable_hash64(entry.name));
      double expected = 0;
      for (size_t i = 0; i < g.size(); ++i) {
        direction.push_back(static_cast<float>(random.normal()) +
                            3.0f * g[i] / (std::abs(g[i]) + 1e-3f));
        expected += static_cast<double>(direction[i]) * g[i];
      }
      const double h = 2e-3 / norm_of(direction) * (entry.is_matrix() ? 4 : 2);
      EXPECT_NEAR(loss.slope(loss.parameters.at(entry.name), direction, h), expected,
                  0.02 * std::abs(expected) + 0.05)
          << entry.name;
    }
  }
}

// Rounding makes steps of what bf16 computes, so that one tensor's part can hardly be told from them:
// along the whole gradient, and tensor by tensor beside float32's, which the test above holds.
TEST(Decoder, GradientInBf16EqualsFiniteDifferencesAsFarAsItCan) {
  for (const ModelConfig& config : every_architecture()) {
    SCOPED_TRACE(name_of(config));
    Loss exact(config, tensor::Precision::kF32), rounded(config, tensor::Precision::kBf16);
    const Gradients expected = exact.gradients(), found = rounded.gradients();
    const auto all = found.parameters().flat();
    const double norm = norm_of(all);
    EXPECT_NEAR(rounded.slope(rounded.parameters.flat(), all, 2e-2 / norm) / (norm * norm), 1,
                0.05);
    for (const auto& entry : found.parameters().layout().entries()) {
      const auto a = found.parameters().at(entry.name), b = expected.parameters().at(entry.name);
      std::vector<float> apart(a.begin(), a.end());
      for (size_t i = 0; i < apart.size(); ++i) apart[i] -= b[i];
      EXPECT_LT(norm_of(apart), 0.1 * norm_of(b)) << entry.name;
    }
  }
}

}  // namespace
}  // namespace ponder::model
