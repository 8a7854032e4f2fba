// Rows of the embedding and the head for tokens that a tokenizer has gained.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/checkpoint.h"

namespace ponder::model {

struct AddedRow {
  int32_t id = 0;
  std::vector<int32_t> mean_of;  // what the token's text was split into before
};

// The mean of those rows becomes the row of each id, in the embedding and, where it is not tied, in
// the head. Ids of a padded vocabulary (config.vocab_size above the tokenizer's) have rows; where an
// id is beyond them the vocabulary grows to hold it: ids must follow each other. Throws Error for an
// id that leaves a gap and for a row whose mean would be of none.
void add_rows(Checkpoint& checkpoint, std::span<const AddedRow> rows);

}  // namespace ponder::model
