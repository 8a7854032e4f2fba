#include "serve/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace ponder::serve {
namespace {

bool is_stop_id(const Call& call, int32_t id) {
  return std::find(call.stop_ids.begin(), call.stop_ids.end(), id) != call.stop_ids.end();
}

// Without the end token, which is no text.
std::span<const int32_t> shown_ids(const Call& call, std::span<const int32_t> ids) {
  return !ids.empty() && is_stop_id(call, ids.back()) ? ids.first(ids.size() - 1) : ids;
}

const std::vector<int32_t>& prompt_of(const Call& call, int index) {
  return call.prompts[static_cast<size_t>(index / call.n)];
}

int64_t num_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

// A float has a double of the same value, whose digits bring it back to the bit.
Json number(float logprob) { return static_cast<double>(logprob); }

Json bytes_of(const std::string& text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

std::string text_of(int32_t id, const ServedModel& model) {
  return model.text->tokenizer().decode({&id, 1});
}

Json chat_token(int32_t id, float logprob, const ServedModel& model) {
  return {{"token", text_of(id, model)},
          {"logprob", number(logprob)},
          {"bytes", bytes_of(model.text->tokenizer().token_bytes(id))}};
}

Json chat_logprobs(std::span<const int32_t> ids, std::span<const float> logprobs,
                   std::span<const std::vector<generate::TokenScore>> likeliest,
                   const ServedModel& model) {
  Json content = Json::array();
  for (size_t i = 0; i < ids.size(); ++i) {
    Json token = chat_token(ids[i], logprobs[i], model);
    Json top = Json::array();
    if (i < likeliest.size())
      for (const generate::TokenScore& score : likeliest[i])
        top.push_back(chat_token(score.id, score.logprob, model));
    token["top_logprobs"] = std::move(top);
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// The lists of the completions API, filled token by token.
struct TextLogprobs {
  bool as_ids = false;  // tokens by their ids
  Json tokens = Json::array(), token_logprobs = Json::array(), top_logprobs = Json::array(),
       text_offset = Json::array();

  std::string name_of(int32_t id, const ServedModel& model) const {
    return as_ids ? fmt::format("token_id:{}", id) : text_of(id, model);
  }
  void add(int32_t id, std::optional<float> logprob,
           const std::vector<generate::TokenScore>* likeliest, int64_t offset,
           const ServedModel& model) {
    const std::string text = name_of(id, model);
    tokens.push_back(text);
    token_logprobs.push_back(logprob ? number(*logprob) : Json(nullptr));
    text_offset.push_back(offset);
    if (!logprob || !likeliest) return top_logprobs.push_back(nullptr);
    Json top = Json::object();
    // Of tokens with the same text the likeliest counts.
    for (const generate::TokenScore& score : *likeliest) {
      const std::string key = name_of(score.id, model);
      if (!top.contains(key)) top[key] = number(score.logprob);
    }
    if (!top.contains(text)) top[text] = number(*logprob);
    top_logprobs.push_back(std::move(top));
  }
  Json json(bool with_top) && {
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(token_logprobs)},
            {"top_logprobs", with_top ? std::move(top_logprobs) : Json(nullptr)},
            {"text_offset", std::move(text_offset)}};
  }
};

Json text_logprobs(const Call& call, const Choice& choice, const ServedModel& model) {
  TextLogprobs lists{.as_ids = call.tokens_as_ids};
  tokenizer::StreamDecoder decoder(model.text->tokenizer());
  int64_t offset = 0;
  size_t next_likeliest = 0;
  const auto likeliest = [&]() -> const std::vector<generate::TokenScore>* {
    return next_likeliest < choice.likeliest.size() ? &choice.likeliest[next_likeliest++] : nullptr;
  };
  const auto add = [&](int32_t id, std::optional<float> logprob) {
    lists.add(id, logprob, logprob ? likeliest() : nullptr, offset, model);
    offset += num_characters(decoder.push(id));
  };
  if (call.echo) {
    const std::vector<int32_t>& prompt = prompt_of(call, choice.index);
    for (size_t i = 0; i < prompt.size(); ++i)
      add(prompt[i], i == 0 ? std::nullopt : std::optional(choice.prompt_logprobs.at(i - 1)));
  }
  for (size_t i = 0; i < choice.token_ids.size(); ++i) add(choice.token_ids[i], choice.logprobs[i]);
  return std::move(lists).json(call.top_logprobs > 0);
}

Json stop_reason_of(const Call& call, const Choice& choice, const ServedModel& model) {
  if (choice.reason == data::FinishReason::kRepetition) return "repetition";
  if (choice.reason == data::FinishReason::kLength || choice.token_ids.empty()) return nullptr;
  const int32_t last = choice.token_ids.back();
  const std::vector<int32_t>& own = model.text->stop_ids();
  if (is_stop_id(call, last))
    return std::find(own.begin(), own.end(), last) != own.end() ? Json(nullptr) : Json(last);
  for (const std::string& stop : call.stop)
    if (model.text->tokenizer().decode(choice.token_ids).find(stop, choice.text.size()) !=
        std::string::npos)
      return stop;
  return nullptr;
}

void add_finish(const Call& call, const Choice& choice, const ServedModel& model, Json& json) {
  json["finish_reason"] = choice.reason == data::FinishReason::kStop ? "stop" : "length";
  json["stop_reason"] = stop_reason_of(call, choice, model);
}

Json head_of(const Call& call, const AnswerHead& head, std::string_view object,
             const ServedModel& model) {
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", call.model},
          {"system_fingerprint", model.fingerprint()}};
}

Json address_of(const Call& call, const ServedModel& model) {
  Json address = {{"seed", call.seed},
                  {"problem_id", call.problem_id},
                  {"sample", call.sample},
                  {"model_sha256", model.sha256},
                  {"precision", tensor::stored_name(model.precision)}};
  if (call.position > 0) address["position"] = call.position;
  return address;
}

void add_thought(const ServedModel& model, const std::string& thought, Json& json) {
  json["reasoning_content"] = thought;
  if (model.reasoning == ReasoningFormat::kBoth) json["reasoning"] = thought;
}

struct Parts {
  std::string thought, content;
};

Parts parts_of(std::vector<tokenizer::ThoughtStream::Piece> pieces) {
  Parts parts;
  for (tokenizer::ThoughtStream::Piece& piece : pieces)
    (piece.is_thought ? parts.thought : parts.content) += piece.text;
  return parts;
}

Json chat_message(const Call& call, const Choice& choice, const ServedModel& model) {
  Json message = {{"role", "assistant"}, {"content", choice.text}};
  if (model.reasoning == ReasoningFormat::kNone) return message;
  tokenizer::ThoughtStream stream;
  auto pieces = stream.push(call.response_prefix);
  for (auto& more : {stream.push(choice.text), stream.finish()})
    pieces.insert(pieces.end(), more.begin(), more.end());
  const Parts parts = parts_of(std::move(pieces));
  message["content"] = parts.content;
  if (!parts.thought.empty()) add_thought(model, parts.thought, message);
  return message;
}

// Tokens up to the last one that says something of the thought.
int64_t num_reasoning_tokens(const Call& call, const Choice& choice, const ServedModel& model) {
  tokenizer::StreamDecoder decoder(model.text->tokenizer());
  tokenizer::ThoughtStream stream;
  stream.push(call.response_prefix);
  int64_t count = 0, seen = 0;
  for (const int32_t id : shown_ids(call, choice.token_ids)) {
    ++seen;
    for (const auto& piece : stream.push(decoder.push(id)))
      if (piece.is_thought) count = seen;
  }
  return count;
}

}  // namespace

Choice choice_of(const Call& call, int index, const data::Completion& completion,
                 const ServedModel& model) {
  Choice choice;
  choice.index = index;
  choice.reason = completion.finish_reason;
  const auto behind = static_cast<std::ptrdiff_t>(call.position);
  if (completion.token_ids)
    choice.token_ids.assign(completion.token_ids->begin() + behind, completion.token_ids->end());
  if (completion.logprobs)
    choice.logprobs.assign(completion.logprobs->begin() + behind, completion.logprobs->end());
  choice.text = call.position == 0
                    ? completion.text
                    : model.text->tokenizer().decode(shown_ids(call, choice.token_ids));
  return choice;
}

Json usage_of(const Call& call, std::span<const Choice> choices, const ServedModel& model) {
  int64_t prompt = 0, completion = 0, reasoning = 0;
  for (const std::vector<int32_t>& ids : call.prompts) prompt += static_cast<int64_t>(ids.size());
  for (const Choice& choice : choices) {
    completion += static_cast<int64_t>(choice.token_ids.size());
    if (call.chat) reasoning += num_reasoning_tokens(call, choice, model);
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", completion},
          {"total_tokens", prompt + completion},
          {"prompt_tokens_details", {{"cached_tokens", 0}}},
          {"completion_tokens_details", {{"reasoning_tokens", reasoning}}}};
}

Json whole_answer(const Call& call, const AnswerHead& head, std::span<const Choice> choices,
                  const ServedModel& model) {
  Json answer = head_of(call, head, call.chat ? "chat.completion" : "text_completion", model);
  Json list = Json::array();
  for (const Choice& choice : choices) {
    Json json = {{"index", choice.index}};
    if (call.chat) {
      json["message"] = chat_message(call, choice, model);
      json["logprobs"] =
          call.logprobs ? chat_logprobs(choice.token_ids, choice.logprobs, choice.likeliest, model)
                        : Json(nullptr);
    } else {
      const std::vector<int32_t>& prompt = prompt_of(call, choice.index);
      json["text"] = (call.echo ? model.text->tokenizer().decode(prompt) : "") + choice.text;
      json["logprobs"] = call.logprobs ? text_logprobs(call, choice, model) : Json(nullptr);
      if (call.return_token_ids) json["prompt_token_ids"] = prompt;
    }
    add_finish(call, choice, model, json);
    if (call.return_token_ids) json["token_ids"] = choice.token_ids;
    list.push_back(std::move(json));
  }
  answer["choices"] = std::move(list);
  if (call.chat && call.return_token_ids) answer["prompt_token_ids"] = call.prompts.front();
  answer["usage"] = usage_of(call, choices, model);
  answer["ponder"] = address_of(call, model);
  return answer;
}

std::string event_of(const Json& json) { return "data: " + dump_json(json) + "\n\n"; }

std::string usage_event(const Call& call, const AnswerHead& head, std::span<const Choice> choices,
                        const ServedModel& model) {
  Json json = head_of(call, head, call.chat ? "chat.completion.chunk" : "text_completion", model);
  json["choices"] = Json::array();
  json["usage"] = usage_of(call, choices, model);
  json["ponder"] = address_of(call, model);
  return event_of(json);
}

ChoiceEvents::ChoiceEvents(const Call& call, const AnswerHead& head, int index,
                           const ServedModel& model)
    : call_(&call),
      head_(&head),
      model_(&model),
      index_(index),
      decoder_(model.text->tokenizer()),
      offset_decoder_(model.text->tokenizer()) {
  if (model.reasoning != ReasoningFormat::kNone) parts_.push(call.response_prefix);
}

// What a chat shows of this much more text; null for nothing.
Json ChoiceEvents::delta(std::string_view text, bool last) {
  Json delta = Json::object();
  if (model_->reasoning == ReasoningFormat::kNone) {
    if (!text.empty()) delta["content"] = text;
    return delta;
  }
  std::vector<tokenizer::ThoughtStream::Piece> pieces = parts_.push(text);
  if (last)
    for (auto& piece : parts_.finish()) pieces.push_back(std::move(piece));
  const Parts parts = parts_of(std::move(pieces));
  if (!parts.content.empty()) delta["content"] = parts.content;
  if (!parts.thought.empty()) add_thought(*model_, parts.thought, delta);
  return delta;
}

std::string ChoiceEvents::event(Json what, std::span<const int32_t> token_ids,
                                std::span<const float> logprobs, const Choice* ended) {
  Json json =
      head_of(*call_, *head_, call_->chat ? "chat.completion.chunk" : "text_completion", *model_);
  Json choice = {{"index", index_}};
  choice[call_->chat ? "delta" : "text"] = std::move(what);
  choice["logprobs"] = nullptr;
  if (call_->logprobs && !token_ids.empty() && call_->chat)
    choice["logprobs"] = chat_logprobs(token_ids, logprobs, {}, *model_);
  if (call_->logprobs && !token_ids.empty() && !call_->chat) {
    TextLogprobs lists{.as_ids = call_->tokens_as_ids};
    for (size_t i = 0; i < token_ids.size(); ++i) {
      lists.add(token_ids[i], logprobs[i], nullptr, text_offset_, *model_);
      text_offset_ += num_characters(offset_decoder_.push(token_ids[i]));
    }
    choice["logprobs"] = std::move(lists).json(false);
  }
  if (ended)
    add_finish(*call_, *ended, *model_, choice);
  else
    choice["finish_reason"] = nullptr;
  if (call_->return_token_ids) {
    choice["token_ids"] = token_ids;
    choice["first_token"] = std::exchange(num_told_, num_told_ + token_ids.size());
    if (!begun_) (call_->chat ? json : choice)["prompt_token_ids"] = prompt_of(*call_, index_);
  }
  begun_ = true;
  json["choices"] = Json::array({std::move(choice)});
  return event_of(json);
}

std::string ChoiceEvents::tokens(std::string_view text, std::span<const int32_t> token_ids,
                                 std::span<const float> logprobs) {
  num_tokens_ += token_ids.size();
  std::string own;
  if (call_->position > 0) {
    for (const int32_t id : token_ids) own += decoder_.push(id);
    text = own;
  }
  num_bytes_ += text.size();
  std::string events;
  const bool says_ids = (call_->return_token_ids || call_->logprobs) && !token_ids.empty();
  if (!call_->chat) {
    if (text.empty() && !says_ids) return "";
    events = event(text, token_ids, logprobs, nullptr);
  } else {
    if (!begun_) events = event({{"role", "assistant"}, {"content", ""}}, {}, {}, nullptr);
    Json shown = delta(text, false);
    if (!shown.empty() || says_ids) events += event(std::move(shown), token_ids, logprobs, nullptr);
  }
  return events;
}

std::string ChoiceEvents::finish(const Choice& choice) {
  const auto ids = std::span<const int32_t>(choice.token_ids).subspan(num_tokens_);
  const auto logprobs = std::span<const float>(choice.logprobs)
                            .subspan(std::min(num_tokens_, choice.logprobs.size()));
  const std::string_view rest =
      std::string_view(choice.text).substr(std::min(num_bytes_, choice.text.size()));
  if (!call_->chat) return event(rest, ids, logprobs, &choice);
  std::string events;
  if (!begun_) events = event({{"role", "assistant"}, {"content", ""}}, {}, {}, nullptr);
  Json shown = delta(rest, true);
  if (!shown.empty() || (!ids.empty() && (call_->return_token_ids || call_->logprobs)))
    events += event(std::move(shown), ids, logprobs, nullptr);
  return events + event(Json::object(), {}, {}, &choice);
}

}  // namespace ponder::serve
