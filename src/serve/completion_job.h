// A call on its way through the engine to its client.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/listener.h"
#include "serve/answer.h"
#include "serve/call.h"
#include "serve/engine_loop.h"
#include "serve/metrics.h"

namespace ponder::serve {

class CompletionJob : public EngineJob {
 public:
  // Of an answer, for the log.
  using Done =
      std::function<void(const std::string& id, int64_t num_tokens, double seconds, int status)>;

  // Borrows model and metrics.
  CompletionJob(Call call, AnswerHead head, std::shared_ptr<net::Reply> reply,
                const ServedModel& model, Metrics& metrics, Done done);

  int64_t num_completions() const;

  std::vector<rollout::CompletionRequest> requests() override;
  void on_tokens(size_t index, const std::string& text, const data::Partial& fresh) override;
  void on_completion(size_t index, data::Completion completion) override;
  std::vector<generate::ScoreRow> rows_to_score() override;
  int num_likeliest() const override { return call_.top_logprobs; }
  void on_end(std::vector<generate::Score> scores) override;
  void on_failure(const Error& error) override;

 private:
  // What was not sent yet to a client that reads slowly.
  struct Held {
    std::string text;
    data::Partial tokens;
  };
  std::vector<net::Field> fields(const char* type) const;
  double seconds() const;
  void told(int status);

  const Call call_;
  const AnswerHead head_;
  const std::shared_ptr<net::Reply> reply_;
  const ServedModel& model_;
  Metrics& metrics_;
  const Done done_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::vector<Choice> choices_;
  std::vector<ChoiceEvents> events_;
  std::vector<Held> held_;
  bool any_token_ = false;
};

}  // namespace ponder::serve
