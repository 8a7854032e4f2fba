// Output of OpenAI's batches and of `vllm run-batch`: chat completions, completions and responses of the
// Responses API. Internal to this folder.
#pragma once

#include <utility>
#include <vector>

#include "data/response_rows.h"
#include "data/row_fields.h"

namespace ponder::data {

// Adds one response, or why it is none.
template <class Fill>
void add_response(std::vector<Accepted<GivenResponse>>& all, const Fill& fill) {
  try {
    GivenResponse given;
    fill(given);
    all.emplace_back(std::move(given));
  } catch (const Rejection& why) {
    all.emplace_back(why);
  }
}

// The responses of a row of kBatchOutput. Throws Rejection for one that is an error of the server.
void batch_output(const RowFields& row, ResponseRow& read, Changes& changes);

}  // namespace ponder::data
