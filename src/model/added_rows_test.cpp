#include "model/added_rows.h"

#include <gtest/gtest.h>

#include "model/test_support.h"
#include "testing/error_text.h"

namespace ponder::model {
namespace {

Checkpoint random_checkpoint(const ModelConfig& config) {
  Checkpoint checkpoint;
  checkpoint.config = config;
  checkpoint.parameters = Parameters(config, "weights");
  initialise(checkpoint.parameters, config, 3);
  return checkpoint;
}

std::vector<float> row_of(const Parameters& parameters, const std::string& name, int64_t id) {
  const ParameterInfo& info = parameters.layout().at(name);
  const auto row = parameters.at(info).subspan(static_cast<size_t>(id * info.shape[1]),
                                               static_cast<size_t>(info.shape[1]));
  return {row.begin(), row.end()};
}

constexpr const char* kTables[] = {"model.embed_tokens.weight", "lm_head.weight"};

TEST(AddedRows, GrowEmbeddingAndHeadByMeans) {
  for (const ModelConfig& config : every_architecture()) {
    Checkpoint checkpoint = random_checkpoint(config);
    const Checkpoint before = random_checkpoint(config);
    const AddedRow rows[] = {{70, {1, 2, 4}}, {71, {5}}};
    add_rows(checkpoint, rows);
    EXPECT_EQ(checkpoint.config.vocab_size, 72) << name_of(config);
    for (const ParameterInfo& info : before.parameters.layout().entries()) {
      const auto was = before.parameters.at(info),
                 is = std::as_const(checkpoint.parameters).at(info.name);
      EXPECT_TRUE(std::equal(was.begin(), was.end(), is.begin())) << info.name;
    }
    for (const char* table : kTables) {
      if (table == kTables[1] && config.tie_word_embeddings) continue;
      const std::vector<float> a = row_of(before.parameters, table, 1),
                               b = row_of(before.parameters, table, 2),
                               c = row_of(before.parameters, table, 4),
                               mean = row_of(checkpoint.parameters, table, 70);
      for (size_t i = 0; i < mean.size(); ++i) {
        EXPECT_EQ(mean[i],
                  static_cast<float>((static_cast<double>(a[i]) + static_cast<double>(b[i]) +
                                      static_cast<double>(c[i])) /
                                     3))
            << table;
      }
      EXPECT_EQ(row_of(checkpoint.parameters, table, 71), row_of(before.parameters, table, 5));
    }
  }
}

TEST(AddedRows, PaddedRowsAreUsedFirst) {
  Checkpoint checkpoint = random_checkpoint(tiny(false));
  const Checkpoint before = random_checkpoint(tiny(false));
  const AddedRow rows[] = {{68, {1}}, {69, {2}}};
  add_rows(checkpoint, rows);
  EXPECT_EQ(checkpoint.config.vocab_size, 70);
  for (const char* table : kTables) {
    EXPECT_EQ(row_of(checkpoint.parameters, table, 68), row_of(before.parameters, table, 1));
    EXPECT_EQ(row_of(checkpoint.parameters, table, 69), row_of(before.parameters, table, 2));
    EXPECT_EQ(row_of(checkpoint.parameters, table, 67), row_of(before.parameters, table, 67));
  }
  const AddedRow both[] = {{69, {3}}, {70, {4}}};
  add_rows(checkpoint, both);
  EXPECT_EQ(checkpoint.config.vocab_size, 71);
}

TEST(AddedRows, OfNothingAndBehindAGapAreRefused) {
  for (const AddedRow& row : {AddedRow{72, {1}}, AddedRow{70, {}}, AddedRow{70, {70}}}) {
    Checkpoint checkpoint = random_checkpoint(tiny(true));
    EXPECT_NE(testing::error_text([&] { add_rows(checkpoint, {&row, 1}); }), "") << row.id;
    EXPECT_EQ(checkpoint.config.vocab_size, 70);
  }
}

}  // namespace
}  // namespace ponder::model
