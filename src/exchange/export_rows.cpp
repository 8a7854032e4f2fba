#include "exchange/export_rows.h"

#include <array>

#include "data/row_check.h"
#include "tokenizer/thought_format.h"

namespace ponder::exchange {
namespace {

template <class Layout>
struct LayoutName {
  Layout layout;
  std::string_view name;
};
constexpr std::array kRowLayouts = {
    LayoutName<RowLayout>{RowLayout::kStill, "still"},
    LayoutName<RowLayout>{RowLayout::kShareGpt, "sharegpt"},
    LayoutName<RowLayout>{RowLayout::kMessages, "messages"},
    LayoutName<RowLayout>{RowLayout::kPromptCompletion, "prompt-completion"},
    LayoutName<RowLayout>{RowLayout::kAlpaca, "alpaca"}};
constexpr std::array kPairLayouts = {LayoutName<PairLayout>{PairLayout::kTrl, "trl"},
                                     LayoutName<PairLayout>{PairLayout::kShareGpt, "sharegpt"},
                                     LayoutName<PairLayout>{PairLayout::kAlpaca, "alpaca"}};

template <class Layout, size_t N>
std::optional<Layout> layout_named(const std::array<LayoutName<Layout>, N>& names,
                                   std::string_view text) {
  for (const auto& [layout, name] : names) {
    if (name == text) return layout;
  }
  return std::nullopt;
}

// How a program calls the speakers, and where it puts their words.
struct Words {
  const char *speaker, *text, *system, *user, *assistant;
};
constexpr Words kOpenAi = {"role", "content", "system", "user", "assistant"},
                kShareGptWords = {"from", "value", "system", "human", "gpt"};

struct Asked {
  std::string system, question;
  std::vector<data::Turn> history = {};
};

Json turn_of(const Words& words, const char* speaker, const std::string& text) {
  return {{words.speaker, speaker}, {words.text, text}};
}

Json turns_of(const Words& words, const Asked& asked) {
  Json turns = Json::array();
  if (!asked.system.empty()) turns.push_back(turn_of(words, words.system, asked.system));
  for (const data::Turn& turn : asked.history)
    turns.push_back(turn_of(words, turn.assistant ? words.assistant : words.user, turn.content));
  turns.push_back(turn_of(words, words.user, asked.question));
  return turns;
}

data::Rejection no_place(const Asked& asked) {
  return asked.history.empty()
             ? data::Rejection{"system_turn", "the layout has no place for a system turn"}
             : data::Rejection{"multi_turn", "the layout has no place for earlier turns"};
}

bool single_turn(const Asked& asked) { return asked.system.empty() && asked.history.empty(); }

data::Accepted<Json> row_of(const Asked& asked, const std::string& response, RowLayout layout) {
  switch (layout) {
    case RowLayout::kStill: {
      if (!asked.history.empty()) return no_place(asked);
      Json row = {{"question", asked.question}, {"combined_text", response}};
      if (!asked.system.empty()) row["system"] = asked.system;
      return row;
    }
    case RowLayout::kShareGpt: {
      Json turns = turns_of(kShareGptWords, asked);
      turns.push_back(turn_of(kShareGptWords, kShareGptWords.assistant, response));
      return Json{{"conversations", std::move(turns)}};
    }
    case RowLayout::kMessages: {
      Json turns = turns_of(kOpenAi, asked);
      turns.push_back(turn_of(kOpenAi, kOpenAi.assistant, response));
      return Json{{"messages", std::move(turns)}};
    }
    case RowLayout::kPromptCompletion:
      return Json{{"prompt", turns_of(kOpenAi, asked)},
                  {"completion", Json::array({turn_of(kOpenAi, kOpenAi.assistant, response)})}};
    case RowLayout::kAlpaca:
      break;
  }
  // Without a mapping nobody reads its columns of system turn and history.
  if (!single_turn(asked)) return no_place(asked);
  return Json{{"instruction", asked.question}, {"input", ""}, {"output", response}};
}

data::Accepted<Json> pair_of(const Asked& asked, const std::string& chosen,
                             const std::string& rejected, PairLayout layout) {
  if (layout == PairLayout::kAlpaca) {
    if (!single_turn(asked)) return no_place(asked);
    return Json{
        {"instruction", asked.question}, {"input", ""}, {"chosen", chosen}, {"rejected", rejected}};
  }
  const bool trl = layout == PairLayout::kTrl;
  const Words& words = trl ? kOpenAi : kShareGptWords;
  const auto side = [&](const std::string& text) {
    Json turn = turn_of(words, words.assistant, text);
    return trl ? Json::array({std::move(turn)}) : turn;
  };
  return Json{{trl ? "prompt" : "conversations", turns_of(words, asked)},
              {"chosen", side(chosen)},
              {"rejected", side(rejected)}};
}

// The text of a rollout in the form that is asked for.
std::string response_text(const data::Rollout& rollout, bool still, const ExportForm& form) {
  using data::ThoughtForm;
  const std::string& text = rollout.completion.text;
  const ThoughtForm wanted =
      form.thought.value_or(still ? ThoughtForm::kStill : ThoughtForm::kAsWritten);
  const tokenizer::ThoughtParts parts = tokenizer::parse_thought(text);
  if (wanted == ThoughtForm::kAsWritten || parts.fault != tokenizer::ThoughtFault::kNone)
    return text;
  data::Demonstration demonstration;
  demonstration.thought = parts.thought;
  demonstration.solution = parts.solution;
  return demonstration.response(wanted);
}

// Columns of texts, so that all rows have the same types.
template <class Row>
void put_columns(Json& json, const Row& row) {
  json["id"] = row.id;
  json["domain"] = row.domain;
  json["level"] = row.level;
  json["source"] = row.source;
  json["answer"] = row.answer;
  json["answer_type"] = judge::to_string(row.answer_type);
}

Json known_sampling(const data::Rollout& t) {
  if (t.origin) return t.origin->sampling;
  return {{"temperature", t.sampling.temperature},
          {"top_p", t.sampling.top_p},
          {"top_k", t.sampling.top_k},
          {"max_tokens", t.sampling.max_tokens},
          {"seed", t.seed}};
}

// Of the one column that keeps what has none of its own.
Json judged_by(const data::Problem& problem) {
  Json own = Json::object();
  if (problem.tolerance) own["tolerance"] = *problem.tolerance;
  if (!problem.choices.empty()) own["choices"] = problem.choices;
  return own;
}

void put_how(Json& own, const data::Rollout& t) {
  if (t.origin && !t.origin->model.empty()) own["model"] = t.origin->model;
  if (const Json sampling = known_sampling(t); !sampling.empty()) own["sampling"] = sampling;
}

void put_made(Json& own, const data::Rollout& t) {
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) own[key] = value;
  };
  put("model_sha256", t.completion.model_sha256);
  put("template_sha256", t.template_sha256);
  if (t.completion.num_tokens() > 0) own["tokens"] = t.completion.num_tokens();
  if (!t.perplexity) return;
  own["perplexity"] = *t.perplexity;
  put("perplexity_model_sha256", t.perplexity_model_sha256);
  if (t.perplexity_precision != tensor::Precision::kF32)
    own["perplexity_precision"] = tensor::stored_name(t.perplexity_precision);
}

Asked asked_of(const data::Problem& problem, const data::Rollout& rollout) {
  return {rollout.origin ? rollout.origin->system : "", problem.question};
}

data::Accepted<Json> checked(data::Accepted<Json> row, const ExportForm& form) {
  if (!row) return row;
  data::DemonstrationReadOptions options;
  options.require_thought = !form.allow_direct;
  if (const auto why = data::why_rejected(*row, options)) return *why;
  return row;
}

constexpr const char* kUnfinished = "unfinished";

}  // namespace

std::optional<RowLayout> row_layout_from_string(std::string_view text) {
  return layout_named(kRowLayouts, text);
}
std::optional<PairLayout> pair_layout_from_string(std::string_view text) {
  return layout_named(kPairLayouts, text);
}

data::Accepted<Json> training_row(const data::Problem& problem, const data::Rollout& rollout,
                                  RowLayout layout, const ExportForm& form) {
  if (rollout.completion.finish_reason != data::FinishReason::kStop) {
    return data::Rejection{kUnfinished,
                           "ended by " + std::string(to_string(rollout.completion.finish_reason))};
  }
  data::Accepted<Json> row =
      row_of(asked_of(problem, rollout), response_text(rollout, layout == RowLayout::kStill, form),
             layout);
  if (!row) return row;
  put_columns(*row, problem);
  Json own = judged_by(problem);
  put_how(own, rollout);
  put_made(own, rollout);
  (*row)["ponder"] = dump_json(own);
  return checked(std::move(row), form);
}

data::Accepted<Json> training_row(const data::Demonstration& d, RowLayout layout,
                                  const ExportForm& form) {
  const data::ThoughtForm thought = form.thought.value_or(data::ThoughtForm::kStill);
  data::Accepted<Json> row = row_of({d.system, d.question, d.history}, d.response(thought), layout);
  if (!row) return row;
  put_columns(*row, d);
  return checked(std::move(row), form);
}

data::Accepted<Json> preference_row(const data::Problem& problem, const data::Rollout& chosen,
                                    const data::Rollout& rejected, PairLayout layout,
                                    const ExportForm& form) {
  for (const data::Rollout* side : {&chosen, &rejected}) {
    if (side->completion.finish_reason != data::FinishReason::kStop)
      return data::Rejection{kUnfinished, "a side is not whole"};
  }
  const Asked asked = asked_of(problem, chosen);
  if (asked.system != asked_of(problem, rejected).system)
    return data::Rejection{"prompts_differ", "the sides were asked with different system turns"};
  data::Accepted<Json> row = pair_of(asked, response_text(chosen, false, form),
                                     response_text(rejected, false, form), layout);
  if (!row) return row;
  put_columns(*row, problem);
  Json own = judged_by(problem), how = Json::object(), other = Json::object();
  put_how(how, chosen);
  put_how(other, rejected);
  if (how == other) own.update(how);
  put_made(own["chosen"] = Json::object(), chosen);
  put_made(own["rejected"] = Json::object(), rejected);
  (*row)["ponder"] = dump_json(own);
  data::DemonstrationReadOptions options;
  options.require_thought = !form.allow_direct;
  if (const auto why = data::why_rejected_as_pair(*row, options)) return *why;
  return row;
}

}  // namespace ponder::exchange
