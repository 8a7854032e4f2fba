#include "serve/completion_job.h"

#include <utility>

namespace ponder::serve {
namespace {

// A client that has so much to read gets its tokens in larger pieces.
constexpr size_t kUnreadBytes = 256 << 10;

int status_of_failure(ErrorKind kind) {
  return kind == ErrorKind::kBusy ? 503 : kind == ErrorKind::kInternal ? 500 : 400;
}

}  // namespace

CompletionJob::CompletionJob(Call call, AnswerHead head, std::shared_ptr<net::Reply> reply,
                             const ServedModel& model, Metrics& metrics, Done done)
    : call_(std::move(call)),
      head_(std::move(head)),
      reply_(std::move(reply)),
      model_(model),
      metrics_(metrics),
      done_(std::move(done)),
      choices_(call_.prompts.size() * static_cast<size_t>(call_.n)),
      held_(call_.stream ? choices_.size() : 0) {
  for (size_t i = 0; i < choices_.size(); ++i) choices_[i].index = static_cast<int>(i);
}

int64_t CompletionJob::num_completions() const { return static_cast<int64_t>(choices_.size()); }

std::vector<net::Field> CompletionJob::fields(const char* type) const {
  std::vector<net::Field> fields = {
      {"Content-Type", type}, {"Cache-Control", "no-store"}, {"X-Request-Id", head_.id}};
  std::string ignored;
  for (const std::string& name : call_.ignored)
    ignored += (ignored.empty() ? "" : ", ") + excerpt(name);
  if (!ignored.empty()) fields.push_back({"X-Ponder-Ignored", ignored});
  return fields;
}

double CompletionJob::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void CompletionJob::told(int status) {
  int64_t num_tokens = 0;
  for (const Choice& choice : choices_) num_tokens += static_cast<int64_t>(choice.token_ids.size());
  metrics_.add_request(seconds());
  done_(head_.id, num_tokens, seconds(), status);
}

std::vector<rollout::CompletionRequest> CompletionJob::requests() {
  if (call_.stream) {
    std::vector<net::Field> head = fields("text/event-stream");
    head.push_back({"X-Accel-Buffering", "no"});
    reply_->begin({200, std::move(head), ""}, ": ping\n\n");
    events_.reserve(choices_.size());
    for (const Choice& choice : choices_) events_.emplace_back(call_, head_, choice.index, model_);
  }
  std::vector<rollout::CompletionRequest> requests;
  if (call_.sampling.max_tokens == 0) {  // the prompt alone is looked at
    for (Choice& choice : choices_) choice.reason = data::FinishReason::kLength;
    return requests;
  }
  for (const std::vector<int32_t>& prompt : call_.prompts) {
    for (int sample = 0; sample < call_.n; ++sample) {
      rollout::CompletionRequest& request = requests.emplace_back();
      const auto begun = prompt.end() - static_cast<std::ptrdiff_t>(call_.position);
      request.prompt_ids.assign(prompt.begin(), begun);
      request.begun.token_ids.assign(begun, prompt.end());
      // Nobody asks for those again.
      request.begun.logprobs.assign(request.begun.token_ids.size(), 0);
      request.sampling = call_.sampling;
      request.sampling.max_tokens += static_cast<int>(call_.position);
      request.seed_key = {call_.seed, call_.problem_id, call_.sample + sample};
      request.stop_ids = call_.stop_ids;
      request.stop_strings = call_.stop;
      request.want_logprobs = true;
      request.want_tokens = call_.stream;
    }
  }
  return requests;
}

void CompletionJob::on_tokens(size_t index, const std::string& text, const data::Partial& fresh) {
  if (!std::exchange(any_token_, true)) metrics_.add_first_token(seconds());
  Held& held = held_[index];
  held.text += text;
  held.tokens.append(fresh);
  if (static_cast<int64_t>(held.tokens.token_ids.size()) < call_.tokens_per_event) return;
  if (reply_->unsent_bytes() > kUnreadBytes) return;
  reply_->write(events_[index].tokens(held.text, held.tokens.token_ids, held.tokens.logprobs));
  held = {};
}

void CompletionJob::on_completion(size_t index, data::Completion completion) {
  choices_[index] = choice_of(call_, static_cast<int>(index), completion, model_);
  if (call_.stream) reply_->write(events_[index].finish(choices_[index]));
}

std::vector<generate::ScoreRow> CompletionJob::rows_to_score() {
  std::vector<generate::ScoreRow> rows;
  const bool of_prompts = call_.echo && call_.logprobs;
  if (!of_prompts && call_.top_logprobs == 0) return rows;
  for (const Choice& choice : choices_) {
    generate::ScoreRow row;
    row.tokens = call_.prompts[static_cast<size_t>(choice.index / call_.n)];
    row.first_scored = of_prompts ? 1 : static_cast<int64_t>(row.tokens.size());
    row.tokens.insert(row.tokens.end(), choice.token_ids.begin(), choice.token_ids.end());
    if (row.first_scored < static_cast<int64_t>(row.tokens.size())) rows.push_back(std::move(row));
  }
  return rows;
}

void CompletionJob::on_end(std::vector<generate::Score> scores) {
  auto score = scores.begin();
  for (Choice& choice : choices_) {
    const size_t prompt = call_.prompts[static_cast<size_t>(choice.index / call_.n)].size();
    const size_t num_scored =
        choice.token_ids.size() + (call_.echo && call_.logprobs ? prompt - 1 : 0);
    if (scores.empty() || num_scored == 0) continue;
    if (call_.echo)
      choice.prompt_logprobs.assign(
          score->logprobs.begin(),
          score->logprobs.begin() + static_cast<std::ptrdiff_t>(prompt - 1));
    choice.likeliest = std::move(score->likeliest);
    ++score;
  }
  if (call_.stream) {
    if (call_.include_usage) reply_->write(usage_event(call_, head_, choices_, model_));
    reply_->write("data: [DONE]\n\n");
    reply_->end();
  } else {
    reply_->send({200, fields("application/json"),
                  dump_json(whole_answer(call_, head_, choices_, model_)) + "\n"});
  }
  told(200);
}

void CompletionJob::on_failure(const Error& error) {
  const int status = status_of_failure(error.kind());
  net::Response response = net::error_response(status, error.what());
  if (call_.stream) {
    response.body.pop_back();  // its line end
    reply_->write("data: " + response.body + "\n\n");
    reply_->abort();
  } else {
    if (status == 503) response.fields.push_back({"Retry-After", "1"});
    reply_->send(std::move(response));
  }
  told(status);
}

}  // namespace ponder::serve
