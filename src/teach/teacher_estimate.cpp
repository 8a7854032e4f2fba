// What is left of a teacher's problems, for the estimate of what it will take.
#include "teach/estimate.h"
#include "teach/teacher.h"

namespace ponder::teach {

Estimate Teacher::estimate() const {
  EstimateInput input;
  const int enough = settings_.enough_correct;
  input.enough_correct = enough;
  if (settings_.prices.given) input.currency = settings_.prices.currency;
  const Ledger ledger = store_.ledger();
  input.tokens_so_far = ledger.completion_tokens;
  input.spent_so_far = ledger.certain + ledger.possible;
  for (size_t p = 0; p < problems_.size(); ++p) input.problems.push_back({.right = num_right(p)});
  for (const Item& item : items_) {
    const StoredRequest& request = item.request;
    ProblemLeft& left = input.problems[item.problem];
    switch (request.state) {
      case RequestState::kDone:
        ++input.answers;
        input.right += item.right;
        if (item.completion_tokens) input.completion_tokens.push_back(*item.completion_tokens);
        if (settings_.prices.given) input.prices.push_back(item.price);
        continue;
      case RequestState::kFailed:
        continue;
      case RequestState::kQueued:
        if (enough > 0 && left.right >= enough) continue;
        break;
      case RequestState::kSent:
      case RequestState::kWritten:
        ++left.on_its_way;
        break;
    }
    ++left.open;
    left.worst += request.worst;
    left.worst_tokens += request.max_tokens + settings_.overhead_tokens.value_or(0);
  }
  return teach::estimate(input);
}

}  // namespace ponder::teach
