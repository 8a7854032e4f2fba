// A teacher's requests as lines of batch files, and their answers.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "fleet/ask.h"
#include "teach/teacher.h"

namespace ponder::teach {
namespace {

std::string batch_id(const StoredRequest& request) {
  return fmt::format("{}-{}", request.key, request.ask);
}

}  // namespace

std::vector<Teacher::BatchLine> Teacher::batch_lines() {
  const Ledger ledger = store_.ledger();
  Units spoken_for = ledger.certain + ledger.possible + ledger.written;
  std::vector<BatchLine> lines;
  int64_t left_out = 0;
  for (size_t p = 0; p < problems_.size(); ++p) {
    for (const size_t at : wanted(p)) {
      const Item& item = items_[at];
      if (settings_.budget && spoken_for + item.request.worst > *settings_.budget) {
        ++left_out;
        continue;
      }
      spoken_for += item.request.worst;
      Json body = fleet::ask_chat(request_of(item), chat()).body;
      body.erase("stream");
      body.erase("stream_options");
      const std::string id = batch_id(item.request);
      lines.push_back({id, dump_json({{"custom_id", id},
                                      {"method", "POST"},
                                      {"url", "/v1/chat/completions"},
                                      {"body", std::move(body)}})});
    }
  }
  if (left_out > 0) {
    monitor_.warning(
        fmt::format("{} requests are not written: the budget of {} {} does not cover "
                    "them",
                    left_out, settings_.prices.currency, amount_text(*settings_.budget)));
  }
  return lines;
}

void Teacher::mark_written(const std::vector<BatchLine>& lines) {
  int ask = 0;
  for (const BatchLine& line : lines) {
    StoredRequest& request = find(line.id, ask)->request;
    request.state = RequestState::kWritten;
    store_.put(request);
  }
  store_.keep();
}

void Teacher::begin_batch(const StoredBatch& batch, std::span<const BatchLine> lines) {
  store_.put(batch);
  int ask = 0;
  for (const BatchLine& line : lines) {
    StoredRequest& request = find(line.id, ask)->request;
    request.state = RequestState::kWritten;
    store_.put(request);
    store_.put_line(batch.name, request);
  }
  store_.keep();
}

void Teacher::put_batch(const StoredBatch& batch) {
  store_.put(batch);
  store_.keep();
}

void Teacher::finish_batch(const StoredBatch& batch, const std::string& why) {
  end_batch(batch, why, false);
}

void Teacher::give_up_batch(const StoredBatch& batch) {
  end_batch(batch, "its batch was given up", true);
}

void Teacher::end_batch(StoredBatch batch, const std::string& why, bool may_cost) {
  for (const auto& [key, ask] : store_.lines_of(batch)) {
    const auto found = item_of_.find(key);
    if (found == item_of_.end()) continue;
    StoredRequest& request = items_[found->second].request;
    if (request.state != RequestState::kWritten || request.ask != ask) continue;
    if (may_cost) store_.given_up(request, batch.service);
    request.state = RequestState::kQueued;
    request.error = why;
    store_.put(request);
  }
  batch.state = BatchState::kRead;
  put_batch(batch);
}

int64_t Teacher::num_strangers(const StoredBatch& batch) const {
  const auto lines = store_.lines_of(batch);
  return std::count_if(lines.begin(), lines.end(),
                       [&](const auto& line) { return !item_of_.contains(line.first); });
}

Teacher::Item* Teacher::find(const std::string& id, int& ask) {
  const size_t dash = id.rfind('-');
  if (dash == std::string::npos) return nullptr;
  const auto [end, error] = std::from_chars(id.data() + dash + 1, id.data() + id.size(), ask);
  const auto found = item_of_.find(id.substr(0, dash));
  if (error != std::errc() || end != id.data() + id.size() || found == item_of_.end())
    return nullptr;
  Item& item = items_[found->second];
  return ask >= 1 && ask <= item.request.ask ? &item : nullptr;
}

Teacher::Taken Teacher::take(const std::string& id, const fleet::Answer& answer,
                             const std::string& file) {
  int ask = 0;
  Item* item = find(id, ask);
  if (!item) return Taken::kUnknown;
  const std::string content = answer.thought + '\0' + answer.text;
  const auto [now, fresh] = taken_now_.emplace(id, sha256_hex(content));
  if (!fresh) return now->second == sha256_hex(content) ? Taken::kDuplicate : Taken::kDiffers;
  if (const auto there = store_.answer_of(item->request.key, ask)) {
    const bool same = there->answer.text == answer.text && there->answer.thought == answer.thought;
    return same ? Taken::kDuplicate : Taken::kDiffers;
  }
  StoredAnswer stored = priced(*item, answer, file);
  stored.ask = ask;
  store_.answer(stored);
  if (ask == item->request.ask) {
    take_outcome(*item, stored);
  } else {  // of an earlier ask, paid all the same
    store_.put(item->request);
  }
  if (stored.certain + stored.possible > item->request.worst && too_large_.empty())
    too_large_ = bill_text(*item, stored);
  return Taken::kTaken;
}

Teacher::Taken Teacher::take_failure(const std::string& id, const std::string& why, bool for_good) {
  int ask = 0;
  Item* item = find(id, ask);
  if (!item) return Taken::kUnknown;
  StoredRequest& request = item->request;
  if (ask != request.ask || request.state == RequestState::kDone) return Taken::kDuplicate;
  request.state = for_good ? RequestState::kFailed : RequestState::kQueued;
  request.error = why;
  store_.put(request);
  return Taken::kTaken;
}

void Teacher::check_bills() const {
  if (!too_large_.empty()) throw Error(files_.database.string(), too_large_, kAllowForBills);
}

}  // namespace ponder::teach
