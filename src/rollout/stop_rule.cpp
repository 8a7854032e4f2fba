#include "rollout/stop_rule.h"

#include <algorithm>

#include "base/error.h"

namespace ponder::rollout {
namespace {

size_t longest_of(const std::vector<std::string>& strings) {
  size_t longest = 0;
  for (const std::string& text : strings) longest = std::max(longest, text.size());
  return longest;
}

// Bytes at the end of `text` that may be the beginning of a stop string.
size_t undecided_tail(std::string_view text, const std::vector<std::string>& strings) {
  for (size_t length = std::min(longest_of(strings), text.size()); length > 0; --length) {
    const std::string_view tail = text.substr(text.size() - length);
    for (const std::string& stop : strings) {
      if (stop.size() > length && stop.starts_with(tail)) return length;
    }
  }
  return 0;
}

}  // namespace

StopRule::StopRule(const CompletionRequest& request, const RepetitionRule& repetition,
                   const tokenizer::Tokenizer* tokenizer)
    : request_(&request), repetition_(&repetition), tokenizer_(tokenizer) {
  for (const std::string& stop : request.stop_strings) {
    if (stop.empty()) {
      throw Error(ErrorKind::kUsage, request.id, "has an empty stop string", "leave it out");
    }
  }
  if (!request.stop_strings.empty() && !tokenizer) {
    throw Error(ErrorKind::kUsage, request.id, "has stop strings, but there is no tokenizer");
  }
  if (tokenizer && (request.want_tokens || !request.stop_strings.empty())) {
    decoder_.emplace(*tokenizer);
  }
}

bool StopRule::is_stop_id(int32_t id) const {
  const auto& stop = request_->stop_ids;
  return std::find(stop.begin(), stop.end(), id) != stop.end();
}

std::optional<data::FinishReason> StopRule::push(std::span<const int32_t> token_ids) {
  if (is_stop_id(token_ids.back())) return data::FinishReason::kStop;
  if (decoder_) {
    const std::string piece = decoder_->push(token_ids.back());
    text_ += piece;
    if (find_stop_string(piece.size())) return data::FinishReason::kStop;
  }
  if (request_->stop_condition && request_->stop_condition(token_ids))
    return data::FinishReason::kStop;
  if (static_cast<int>(token_ids.size()) >= request_->sampling.max_tokens) {
    return data::FinishReason::kLength;
  }
  if (is_repetition(token_ids, *repetition_)) return data::FinishReason::kRepetition;
  return std::nullopt;
}

// Only what the new bytes have a part in is looked at: nothing before them was a stop string.
bool StopRule::find_stop_string(size_t num_new_bytes) {
  for (const std::string& stop : request_->stop_strings) {
    const size_t reach = num_new_bytes + stop.size() - 1;
    const size_t at = text_.find(stop, text_.size() - std::min(text_.size(), reach));
    if (at != std::string::npos) cut_ = std::min(cut_.value_or(at), at);
  }
  return cut_.has_value();
}

std::string StopRule::take_text() {
  const size_t end = cut_ ? *cut_ : text_.size() - undecided_tail(text_, request_->stop_strings);
  if (end <= taken_) return "";
  std::string text = text_.substr(taken_, end - taken_);
  taken_ = end;
  return text;
}

std::string StopRule::text(std::span<const int32_t> token_ids) const {
  if (!tokenizer_) return "";
  if (cut_) return text_.substr(0, *cut_);
  if (!token_ids.empty() && is_stop_id(token_ids.back())) {
    token_ids = token_ids.first(token_ids.size() - 1);
  }
  return tokenizer_->decode(token_ids);
}

}  // namespace ponder::rollout
