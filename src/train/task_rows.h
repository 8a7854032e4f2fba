// What the tasks share about rows: the check that there is something to train, and their hash.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "data/token_rows.h"

namespace ponder::train {

// The row's number of targets. Throws Error naming the row if its mask does not fit or if nothing
// is trained: its share of the loss would be 0 / 0.
int64_t checked_loss_tokens(const data::TokenRow& row);

// Adds tokens and mask, lengths first, so that no two lists of rows run together.
void hash_row(Sha256& hash, const std::vector<int32_t>& tokens, const std::vector<uint8_t>& mask);

}  // namespace ponder::train
