// Responses that were made elsewhere, row by row, whatever program wrote them: trajectories of this
// program, output and requests of OpenAI's batches (and `vllm run-batch`), lm-eval's samples, and
// rows of a question with one or more responses. The layouts are in docs/pool.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/rejection.h"
#include "data/rows.h"

namespace ponder::data {

enum class ResponseLayout { kTrajectory, kBatchOutput, kBatchRequest, kLmEval, kRow, kProblem };
std::string_view to_string(ResponseLayout layout);  // for people: "OpenAI batch output", …

// By the row's fields. kProblem: it has no response.
ResponseLayout response_layout(const Json& row);

// What a row says of its question, and how it was asked.
struct AskedQuestion {
  std::string name;      // problem_id, custom_id or id: what other files may call the problem
  std::string question;  // the user's turn, "" where the row does not have it
  std::optional<Problem> problem;  // where the row has a gold answer too
  std::string why_not;             // else: why it has none
  std::string system, model;       // "" where the row says nothing
  Json sampling = Json::object();  // as Origin's
};

struct GivenResponse {
  // The whole response; a thought that stands apart, or whose opening tag the prompt held, is in
  // <think> tags.
  Completion completion;
  std::string template_sha256;
  std::optional<double> perplexity;
  std::string perplexity_model_sha256;
  tensor::Precision perplexity_precision = tensor::Precision::kF32;
  std::optional<int> sample;
};

struct ResponseRow {
  AskedQuestion asked;
  std::string filter;  // lm-eval's, which writes a response once for each
  std::vector<Accepted<GivenResponse>> responses;
};

// `stem` and `line` make an id where the row has none. What was assumed or changed is counted in
// `changed`. Throws Rejection for a row that cannot be used at all.
ResponseRow response_row(const Json& row, ResponseLayout layout, const std::string& stem,
                         uint64_t line, std::map<std::string, uint64_t>& changed);

// Of a request of a batch (kBatchRequest).
AskedQuestion asked_of_request(const Json& row, const std::string& stem, uint64_t line,
                               std::map<std::string, uint64_t>& changed);

// Of a problem or row that has been read: equal for the same question (white space aside) and gold.
std::string problem_key(const Problem& problem);
// White space aside.
std::string question_key(std::string_view question);

}  // namespace ponder::data
