#include "data/response_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "data/conversation.h"
#include "data/demonstration_layouts.h"
#include "data/given_response.h"
#include "data/gold.h"
#include "data/problem_layouts.h"
#include "data/rejected_answers.h"
#include "data/response_batches.h"

namespace ponder::data {
namespace {

// What answers a question, in the order in which it is looked for.
constexpr std::array kGivenIn = {"responses",    "completions",   "outputs", "generations",
                                 "response",     "completion",    "output",  "combined_text",
                                 "llm_response", "generated_text"};
constexpr std::array kTurnsIn = {"conversations", "messages", "conversation"};

bool is_turn(const Json& value) {
  return value.is_object() && (value.contains("role") || value.contains("from"));
}

// The turns of the row, where the last of them is a response.
const char* answered_turns_in(const RowFields& row) {
  for (const char* key : kTurnsIn) {
    const Json* turns = row.find(key);
    if (turns && turns->is_array() && !turns->empty() && has_response(Json::array({turns->back()})))
      return key;
  }
  return nullptr;
}

const char* given_in(const RowFields& row) {
  for (const char* key : kGivenIn) {
    if (row.has(key)) return key;
  }
  return nullptr;
}

bool is_pair(const RowFields& row) { return row.has("chosen") && row.has("rejected"); }

void take_how(const RowFields& row, AskedQuestion& asked) {
  const Json* model = row.find("model");
  if (model && model->is_string()) asked.model = model->get<std::string>();
  if (asked.model.empty()) asked.model = text_or_empty(row, {"model_name", "generator"});
  for (const char* key : {"sampling", "sampling_params"}) {
    if (const Json* settings = object_in(row, key)) take_settings(*settings, asked.sampling);
  }
}

// The one column in which `ponder pool export` keeps what has none of its own.
Json own_column(const RowFields& row) {
  const Json* column = row.find("ponder");
  if (!column || !column->is_string()) return Json::object();
  try {
    Json own = parse_json(column->get_ref<const std::string&>(), "ponder");
    if (own.is_object()) return own;
  } catch (const Error&) {
  }
  throw Rejection{"bad_field", "expected the text of a JSON object in \"ponder\""};
}

// Of what is asked: the row without its responses.
Json question_part(const Json& json, bool is_trajectory) {
  const RowFields row(json);
  const char* turns = given_in(row) || is_pair(row) ? nullptr : answered_turns_in(row);
  Json part = Json::object();
  const auto is_one_of = [](const std::string& key, const auto& names) {
    const std::string lower = lower_ascii(key);
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return lower == name; });
  };
  constexpr std::array kNeverAsked = {"token_ids", "logprobs", "chosen", "rejected", "ponder"};
  constexpr std::array kOfTrajectory = {"text", "thought", "solution", "choices"};
  for (const auto& [key, value] : json.items()) {
    if (is_one_of(key, kGivenIn) || is_one_of(key, kNeverAsked) ||
        (is_trajectory && is_one_of(key, kOfTrajectory)))
      continue;
    part[key] = value;
    if (turns && lower_ascii(key) == turns) part[key].erase(part[key].size() - 1);
  }
  return part;
}

// Fills in question, system turn and, where there is a gold answer, problem.
void take_question(const Json& part, const std::string& stem, uint64_t line, Changes& changes,
                   AskedQuestion& asked) {
  static const DemonstrationReadOptions kOptions = {.require_thought = false};
  const RowFields row(part);
  Changes uncounted;
  try {
    asked.problem = problem_from_row(part, stem, line, 1, changes);
  } catch (const Rejection& why) {
    if (why.reason != "no_answer" && why.reason != "unknown_layout") throw;
    asked.why_not = why.detail;
  }
  for (const char* key : kTurnsIn) {
    if (const Json* turns = row.find(key); turns && has_response(*turns))
      throw Rejection{"multi_turn", "the question stands behind earlier turns"};
  }
  Conversation conversation(common_of(row, uncounted), kOptions, uncounted);
  if (ask_of(row, conversation) && conversation.asked()) asked.question = conversation.question();
  asked.system = conversation.system();
  if (asked.problem) asked.question = asked.problem->question;
}

// The arithmetic that a row names, f32 where it names none; nullopt: one that is not ours.
std::optional<tensor::Precision> precision_of(const RowFields& row, const char* key) {
  const std::string name = text_or_empty(row, {key});
  return name.empty() ? tensor::Precision::kF32 : tensor::precision_from_stored(name);
}

// Token ids and log-probabilities, as trajectories have them. Of an arithmetic that is none of ours
// the ids alone are taken, and counted.
void take_tokens(const RowFields& row, Completion& made, Changes& changes) {
  const Json *ids = row.find("token_ids"), *logprobs = row.find("logprobs");
  if (!ids || !ids->is_array() || ids->empty()) return;
  // A pool asks as the template does by itself; the text begins with what the prompt said otherwise.
  if (row.has("thinking")) {
    ++changes["tokens_of_switched_thinking"];
    return;
  }
  made.token_ids.emplace();
  for (const Json& id : *ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() > std::numeric_limits<int32_t>::max())
      throw Rejection{"bad_field", "expected token ids in \"token_ids\""};
    made.token_ids->push_back(id.get<int32_t>());
  }
  if (!logprobs || !logprobs->is_array() || logprobs->empty()) return;
  const std::optional<tensor::Precision> precision = precision_of(row, "precision");
  if (!precision) {
    ++changes["logprobs_of_other_arithmetic"];
    return;
  }
  made.precision = *precision;
  if (logprobs->size() != ids->size())
    throw Rejection{"bad_field", "expected one of \"logprobs\" for each of \"token_ids\""};
  made.logprobs.emplace();
  for (const Json& logprob : *logprobs) {
    if (!logprob.is_number() || !std::isfinite(logprob.get<float>()))
      throw Rejection{"bad_field", "expected finite numbers in \"logprobs\""};
    made.logprobs->push_back(logprob.get<float>());
  }
  made.logprob_source = logprob_source_from_string(text_or_empty(row, {"logprob_source"}))
                            .value_or(LogprobSource::kEngine);
}

// What a row of this program says of a response beside its text; `row` is the row, or its own column.
void take_made(const RowFields& row, GivenResponse& given) {
  given.completion.model_sha256 = text_or_empty(row, {"model_sha256"});
  given.template_sha256 = text_or_empty(row, {"template_sha256"});
  const Json* tokens = row.find("tokens");
  if (tokens && tokens->is_number_integer() && tokens->get<int64_t>() > 0)
    given.completion.usage.completion_tokens = tokens->get<int64_t>();
  const Json* perplexity = row.find("perplexity");
  if (!perplexity || !perplexity->is_number() || !(perplexity->get<double>() >= 1)) return;
  const std::optional<tensor::Precision> precision = precision_of(row, "perplexity_precision");
  if (!precision) return;
  given.perplexity_precision = *precision;
  given.perplexity = perplexity->get<double>();
  given.perplexity_model_sha256 = text_or_empty(row, {"perplexity_model_sha256"});
}

void trajectory(const Json& json, ResponseRow& read, Changes& changes) {
  const RowFields row(json);
  if (is_rejected_answer(json))  // a teacher's, which has its thought apart
    read.asked.model = text_or_empty(RowFields(*row.find("teacher")), {"answered_by", "model"});
  take_settings(Json{{"seed", row.find("seed") ? *row.find("seed") : Json()}}, read.asked.sampling);
  add_response(read.responses, [&](GivenResponse& given) {
    take_made(row, given);
    take_tokens(row, given.completion, changes);
    const Json* sample = row.find("sample");
    if (sample && sample->is_number_integer() && *sample >= 0 && *sample <= 1 << 30)
      given.sample = sample->get<int>();
    given.completion.text = is_rejected_answer(json)
                                ? whole_text({row.text("text"), row.text("thought")}, changes)
                                : row.text("text");
    if (is_blank(given.completion.text) && !given.completion.token_ids)
      throw Rejection{"empty_response", "the response is empty"};
    given.completion.finish_reason = finish_named(text_or_empty(row, {"finish_reason"}), changes);
  });
}

// The prompt and the settings that lm-eval keeps for each request: {"gen_args_0": {"arg_0": prompt,
// "arg_1": settings}}, or [[prompt, settings]].
void lm_eval_arguments(const Json& arguments, std::string& prompt, Json& sampling) {
  if (arguments.empty()) return;
  const Json& first = arguments.front();
  if (first.empty() || !(first.is_object() || first.is_array())) return;
  for (const Json& one : first) {
    if (one.is_string() && prompt.empty()) prompt = one.get<std::string>();
    if (one.is_object()) take_settings(one, sampling);
  }
}

void lm_eval(const RowFields& row, const std::string& stem, uint64_t line, ResponseRow& read,
             Changes& changes) {
  read.filter = text_or_empty(row, {"filter"});
  std::string prompt;
  if (const Json* arguments = row.find("arguments");
      arguments && (arguments->is_object() || arguments->is_array()))
    lm_eval_arguments(*arguments, prompt, read.asked.sampling);
  Json doc = *row.find("doc");
  const std::string target = text_or_empty(row, {"target"});
  const RowFields fields(doc);
  if (!fields.has_any({"id", "unique_id", "question_id"}) && row.has("doc_id"))
    doc["id"] = *row.find("doc_id");
  try {
    take_question(doc, stem, line, changes, read.asked);
  } catch (const Rejection& why) {
    read.asked.why_not = why.detail;
  }
  if (!read.asked.problem && !is_blank(target) && !is_blank(prompt + read.asked.question)) {
    Json asked = {{"question", read.asked.question.empty() ? prompt : read.asked.question},
                  {"answer", target}};
    if (doc.contains("id")) asked["id"] = doc["id"];
    take_question(asked, stem, line, changes, read.asked);
  }
  for (const Json& of_request : *row.find("resps")) {
    const Json alone = Json::array({of_request});
    for (const Json& one : of_request.is_array() ? of_request : alone) {
      add_response(read.responses, [&](GivenResponse& given) {
        if (!one.is_string())
          throw Rejection{"no_response", "log-likelihoods of choices, no text of the model"};
        given.completion.finish_reason = finish_named("", changes);
        given.completion.text = whole_text({one.get<std::string>(), ""}, changes);
      });
    }
  }
}

void rows_responses(const RowFields& row, const Json& own, ResponseRow& read, Changes& changes) {
  const auto add = [&](const Json& value, const Json& how, const Json& extra) {
    add_response(read.responses, [&](GivenResponse& given) {
      static const Json kNothing = Json::object();
      take_made(RowFields(extra), given);
      const RowFields fields(how.is_object() ? how : kNothing);
      std::string finish = text_or_empty(fields, {"finish_reason", "stop_reason"});
      if (finish.empty()) finish = text_or_empty(row, {"finish_reason"});
      if (finish.empty() && !extra.empty()) finish = "stop";  // only finished ones are exported
      given.completion.finish_reason = finish_named(finish, changes);
      ToldResponse told = told_by(value);
      if (told.thought.empty() && row.has("reasoning_content"))
        told.thought = row.text("reasoning_content");
      given.completion.text = whole_text(told, changes);
    });
  };
  if (is_pair(row)) {
    for (const char* side : {"chosen", "rejected"}) {
      const Json* value = row.find(side);
      add(*value, *value, own.contains(side) && own[side].is_object() ? own[side] : Json::object());
    }
    return;
  }
  const char* key = given_in(row);
  if (!key) {
    const Json& last = row.find(answered_turns_in(row))->back();
    return add(last, last, own);
  }
  Json parsed;
  const Json& value = parsed_list(*row.find(key), parsed);
  if (!value.is_array() || (!value.empty() && is_turn(value[0]))) {
    return add(value.is_array() || value.is_object() ? value : Json(row.text(key)), value, own);
  }
  for (const Json& one : value) add(one, one, own);
}

}  // namespace

std::string_view to_string(ResponseLayout layout) {
  switch (layout) {
    case ResponseLayout::kTrajectory:
      return "trajectories";
    case ResponseLayout::kBatchOutput:
      return "batch output";
    case ResponseLayout::kBatchRequest:
      return "batch requests";
    case ResponseLayout::kLmEval:
      return "lm-eval samples";
    case ResponseLayout::kRow:
      return "rows of responses";
    case ResponseLayout::kProblem:
      return "problems";
  }
  return "";
}

ResponseLayout response_layout(const Json& json) {
  const RowFields row(json);
  if (row.has("custom_id") && row.has("body")) return ResponseLayout::kBatchRequest;
  if (row.has("custom_id") && (row.has("response") || row.has("error")))
    return ResponseLayout::kBatchOutput;
  if (object_in(row, "doc") && row.has("resps")) return ResponseLayout::kLmEval;
  if (row.has("problem_id") && row.has("text") && row.has("finish_reason"))
    return ResponseLayout::kTrajectory;
  if (given_in(row) || is_pair(row) || answered_turns_in(row)) return ResponseLayout::kRow;
  return ResponseLayout::kProblem;
}

ResponseRow response_row(const Json& json, ResponseLayout layout, const std::string& stem,
                         uint64_t line, std::map<std::string, uint64_t>& changed) {
  const RowFields row(json);
  ResponseRow read;
  read.asked.name = text_or_empty(row, {"problem_id", "custom_id", "id", "unique_id"});
  take_how(row, read.asked);
  if (layout == ResponseLayout::kBatchOutput) {
    batch_output(row, read, changed);
    return read;
  }
  if (layout == ResponseLayout::kLmEval) {
    if (!row.find("resps")->is_array()) throw Rejection{"bad_field", "expected resps as a list"};
    lm_eval(row, stem, line, read, changed);
    return read;
  }
  const bool is_trajectory = layout == ResponseLayout::kTrajectory;
  const Json own = own_column(row);
  Json part = question_part(json, is_trajectory);
  if (is_trajectory) part["id"] = read.asked.name;
  take_question(part, stem, line, changed, read.asked);
  const RowFields told(is_trajectory ? json : own);
  if (read.asked.problem) {
    Problem& problem = *read.asked.problem;
    if (const Json* tolerance = told.find("tolerance"); tolerance && tolerance->is_number())
      problem.tolerance = tolerance->get<double>();
    if (const Json* choices = told.find("choices"); choices && choices->is_array()) {
      for (const Json& choice : *choices) {
        if (choice.is_string()) problem.choices.push_back(choice.get<std::string>());
      }
    }
  }
  if (is_trajectory) {
    trajectory(json, read, changed);
  } else {
    take_how(RowFields(own), read.asked);
    rows_responses(row, own, read, changed);
  }
  return read;
}

AskedQuestion asked_of_request(const Json& json, const std::string& stem, uint64_t line,
                               std::map<std::string, uint64_t>& changed) {
  const RowFields row(json);
  const Json* body = object_in(row, "body");
  if (!body) throw Rejection{"bad_field", "expected the request's body as an object"};
  AskedQuestion asked;
  asked.name = row.text("custom_id");
  take_how(RowFields(*body), asked);
  take_settings(*body, asked.sampling);
  Json part = Json::object();
  for (const char* key : {"messages", "prompt", "input"}) {
    if (body->contains(key)) part[key] = (*body)[key];
  }
  if (body->contains("instructions")) part["system"] = (*body)["instructions"];
  // The gold answer may stand beside the body, or in its metadata.
  std::string gold = gold_of(row);
  if (const Json* metadata = object_in(RowFields(*body), "metadata"); gold.empty() && metadata)
    gold = gold_of(RowFields(*metadata));
  if (!gold.empty()) part["answer"] = gold;
  part["id"] = asked.name;
  take_question(part, stem, line, changed, asked);
  if (is_blank(asked.question)) throw Rejection{"empty_question", "the request asks nothing"};
  return asked;
}

std::string question_key(std::string_view question) { return normalised_question(question); }

std::string problem_key(const Problem& problem) {
  return fmt::format("{}\n{}\n{}", normalised_question(problem.question), trimmed(problem.answer),
                     judge::to_string(problem.answer_type));
}

}  // namespace ponder::data
