#include "cli/rollout_file.h"

#include <limits>
#include <utility>

#include "base/hash.h"
#include "eval/comparison.h"
#include "model/checkpoint.h"

namespace ponder::cli {
namespace {

std::vector<float> logprobs_of(const JsonFields& row) {
  std::vector<float> logprobs;
  for (const Json& logprob : row.array("logprobs")) {
    if (!logprob.is_number()) row.fail("logprobs", "expected numbers");
    logprobs.push_back(logprob.get<float>());
  }
  return logprobs;
}

// As much of it as judging and rules for groups look at; its row stands in the file already.
data::Rollout rollout_of_row(const JsonFields& row) {
  data::Rollout rollout;
  rollout.problem_id = row.text("problem_id");
  rollout.sample = static_cast<int>(row.integer("sample", 0, std::numeric_limits<int>::max()));
  rollout.completion.text = row.text("text");
  if (row.has("token_ids")) {
    rollout.completion.token_ids = row.token_ids("token_ids");
    if (row.has("logprobs")) rollout.completion.logprobs = logprobs_of(row);
  } else {
    rollout.completion.usage.completion_tokens = row.integer_or("tokens", 0, 0, INT64_MAX);
  }
  const auto reason = data::finish_reason_from_string(row.text("finish_reason"));
  if (!reason) row.fail("finish_reason", "is none that is known");
  rollout.completion.finish_reason = *reason;
  if (row.has("verdict")) {
    rollout.verdict = judge::verdict_from_string(row.text("verdict"));
    rollout.proof = row.text("proof");
  }
  return rollout;
}

// Of a completion that came as text: what is not known of it is not there.
void put_text_row(Json& row, const data::Rollout& rollout) {
  if (rollout.prompt_ids.empty())
    for (const char* key : {"model_sha256", "template_sha256", "prompt_sha256"}) row.erase(key);
  if (rollout.completion.num_tokens() > 0) row["tokens"] = rollout.completion.num_tokens();
  if (rollout.origin && !rollout.origin->model.empty()) row["model"] = rollout.origin->model;
  if (rollout.origin && !rollout.origin->system.empty()) row["system"] = rollout.origin->system;
  if (!rollout.completion.endpoint.empty()) row["endpoint"] = rollout.completion.endpoint;
}

void take_part(data::Partial& begun, const JsonFields& row) {
  const int64_t first = row.integer("first", 0);
  if (first > begun.size()) row.fail("first", "leaves a gap");
  begun.cut(first);
  data::Partial part = {row.token_ids("token_ids"), {}};
  if (row.has("logprobs")) {
    part.logprobs = logprobs_of(row);
    if (part.logprobs.size() != part.token_ids.size())
      row.fail("logprobs", "expected one for each token");
  }
  begun.append(part);
}

}  // namespace

Json job_of_model(const std::filesystem::path& folder, const generate::InferenceModel& model) {
  Json job = {{"weights", model.sha256()}, {"chat template", model.text().chat().sha256()}};
  for (const auto& [name, sha256] : model::settings_sha256(folder)) job[name] = sha256;
  if (const auto thinking = model.text().thinking()) job["thinking"] = *thinking ? "on" : "off";
  if (model.precision() != tensor::Precision::kF32)
    job["precision"] = tensor::stored_name(model.precision());
  return job;
}

Json job_of_rollouts(const std::vector<data::Problem>& problems,
                     const std::vector<rollout::RolloutRequest>& requests) {
  Sha256 hash;
  for (size_t i = 0; i < problems.size(); ++i) {
    const rollout::RolloutRequest& request = requests[i];
    hash.update(
        dump_json(Json::array({to_json(problems[i]), problems[i].choices, request.prompt_ids,
                               request.stop_ids, request.stop_strings, request.response_prefix})));
  }
  const rollout::RolloutRequest& one = requests.at(0);  // in these they are alike
  return {{"problems", hash.hex()},
          {"samples", one.num_samples},
          {"seed", one.seed},
          {"temperature", one.sampling.temperature},
          {"top_p", one.sampling.top_p},
          {"top_k", one.sampling.top_k},
          {"max_tokens", one.sampling.max_tokens}};
}

RolloutFile::RolloutFile(RowFile& rows, int64_t first, std::span<const data::Problem> problems,
                         std::vector<rollout::RolloutRequest>& requests,
                         std::optional<Json> how_judged)
    : rows_(rows), first_(first), problems_(problems), how_judged_(std::move(how_judged)) {
  const int64_t end = first + static_cast<int64_t>(requests.size());
  for (int64_t set = first; set < end; ++set)
    set_of_[requests[static_cast<size_t>(set - first)].problem_id] = set;
  const auto take = [&](RowFile::Place place, const JsonFields& row) {
    requests[static_cast<size_t>(place.first - first)].done.push_back(rollout_of_row(row));
  };
  rows_.for_each(take, {first, 0}, {end, 0});
  const auto take_begun = [&](RowFile::Place place, const JsonFields& row) {
    rollout::RolloutRequest& request = requests[static_cast<size_t>(place.first - first)];
    take_part(request.begun[static_cast<int>(place.second)], row);
  };
  rows_.for_each_part(take_begun, {first, 0}, {end, 0});
}

void RolloutFile::add(const data::Rollout& rollout) {
  const int64_t set = set_of_.at(rollout.problem_id);
  Json row = data::to_json(rollout);
  if (!rollout.completion.token_ids) put_text_row(row, rollout);
  const data::Problem& problem = problems_[static_cast<size_t>(set - first_)];
  data::put_problem(row, problem);
  if (how_judged_) {
    row["problem_sha256"] = eval::problem_sha256(problem);
    row["judge"] = *how_judged_;
  }
  rows_.add({set, rollout.sample}, dump_json(row));
}

void RolloutFile::save(std::span<const rollout::NewTokens> begun) {
  for (const rollout::NewTokens& part : begun) {
    Json json = {{"first", part.first}, {"token_ids", part.tokens.token_ids}};
    if (!part.tokens.logprobs.empty()) json["logprobs"] = part.tokens.logprobs;
    rows_.add_part({set_of_.at(part.problem_id), part.sample}, dump_json(json));
  }
}

}  // namespace ponder::cli
