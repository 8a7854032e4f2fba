// What a decoder is given: whole rows, to train and score, or the next tokens of sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ponder::model {

// Rows of tokens packed one after another without padding; rows never attend to each other.
struct PackedBatch {
  std::vector<int32_t> tokens;           // (T) all rows' tokens, joined
  std::vector<int64_t> row_begin = {0};  // (R + 1) row r is tokens [row_begin[r], row_begin[r + 1])
  // The trained or scored positions: the hidden state at packed index target_index[i] predicts
  // target_token[i]. Ascending.
  std::vector<int32_t> target_index;  // (N)
  std::vector<int32_t> target_token;  // (N)

  int64_t num_tokens() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_rows() const { return static_cast<int64_t>(row_begin.size()) - 1; }
  int64_t num_targets() const { return static_cast<int64_t>(target_index.size()); }

  // Appends a row. loss_mask[i] says whether token i (i >= 1) is a target; token 0 never is.
  // Returns the number of targets added.
  int64_t append(const std::vector<int32_t>& row, const std::vector<uint8_t>& loss_mask) {
    const int64_t begin = num_tokens();
    const int64_t before = num_targets();
    tokens.insert(tokens.end(), row.begin(), row.end());
    row_begin.push_back(num_tokens());
    for (std::size_t i = 1; i < row.size(); ++i) {
      if (!loss_mask[i]) continue;
      target_index.push_back(static_cast<int32_t>(begin + static_cast<int64_t>(i) - 1));
      target_token.push_back(row[i]);
    }
    return num_targets() - before;
  }
};

class KvSequence;

// The next tokens of a sequence.
struct SequenceSlice {
  // Already extended by num_tokens (KvCache::extend): they are its last positions.
  KvSequence* sequence;
  int64_t num_tokens;
  bool want_logits;  // of the last of them
};

// The tokens one inference step feeds.
struct InferenceBatch {
  std::vector<int32_t> tokens;  // all slices' tokens, joined
  std::vector<SequenceSlice> slices;
};

}  // namespace ponder::model
