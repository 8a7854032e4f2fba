#include "serve/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>

#include "base/json_fields.h"

namespace ponder::serve {
namespace {

[[noreturn]] void refuse(std::string param, const std::string& problem) {
  throw CallError(400, std::move(param), "", problem);
}

// The fields of a body, each asked for once at most: those left over are ignored, or refused.
class Body {
 public:
  explicit Body(const Json& json) : json_(json) {
    if (!json.is_object()) refuse("", "the body is no JSON object");
  }
  // Null counts as absent.
  const Json* find(std::string_view key) {
    known_.insert(std::string(key));
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  double number(std::string_view key, double low, double high, double otherwise) {
    const Json* value = find(key);
    if (!value) return otherwise;
    if (!value->is_number()) wrong(key, "a number", *value);
    const double number = value->get<double>();
    if (!(number >= low && number <= high))
      wrong(key, fmt::format("a number from {} to {}", low, high), *value);
    return number;
  }
  int64_t integer(std::string_view key, int64_t low, int64_t high, int64_t otherwise) {
    const Json* value = find(key);
    if (!value) return otherwise;
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX);
    if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high)
      wrong(key, fmt::format("a whole number from {} to {}", low, high), *value);
    return value->get<int64_t>();
  }
  bool flag(std::string_view key, bool otherwise = false) {
    const Json* value = find(key);
    if (!value) return otherwise;
    if (!value->is_boolean()) wrong(key, "true or false", *value);
    return value->get<bool>();
  }
  std::string text(std::string_view key, std::string_view otherwise) {
    const Json* value = find(key);
    if (!value) return std::string(otherwise);
    if (!value->is_string()) wrong(key, "a text", *value);
    return value->get<std::string>();
  }
  // A setting that would change what is sampled from: only where it changes nothing.
  void neutral(std::string_view key, double value) {
    const Json* found = find(key);
    if (!found) return;
    if (!found->is_number() || found->get<double>() != value)
      refuse(
          std::string(key),
          fmt::format("is not supported: log-probabilities are the model's own; leave it out, or "
                      "give {}",
                      value));
  }
  void absent(std::string_view key, std::string_view why) {
    const Json* found = find(key);
    if (found && !found->empty()) refuse(std::string(key), std::string(why));
  }
  [[noreturn]] static void wrong(std::string_view key, std::string_view expected,
                                 const Json& found) {
    refuse(std::string(key),
           fmt::format("expected {}, found {}", expected, JsonFields::show(found)));
  }
  std::vector<std::string> left_over() const {
    std::vector<std::string> left;
    for (const auto& [key, value] : json_.items())
      if (!known_.contains(key) && !value.is_null()) left.push_back(key);
    return left;
  }

 private:
  const Json& json_;
  std::set<std::string> known_;
};

std::vector<int32_t> ids_of(std::string_view key, const Json& ids, int64_t vocab_size) {
  std::vector<int32_t> out;
  out.reserve(ids.size());
  for (const Json& id : ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= vocab_size)
      refuse(std::string(key), fmt::format("expected token ids from 0 to {}, found {}",
                                           vocab_size - 1, JsonFields::show(id)));
    out.push_back(static_cast<int32_t>(id.get<int64_t>()));
  }
  return out;
}

std::vector<int32_t> encode(const std::string& param, const std::string& text, bool add_special,
                            const ServedModel& model) {
  const tokenizer::Tokenizer& tokenizer = model.text->tokenizer();
  if (const auto missing = tokenizer.byte_without_token(text)) refuse(param, missing->describe());
  return tokenizer.encode(text, add_special);
}

void take_prompts(Body& body, const ServedModel& model, Call& call) {
  const Json* prompt = body.find("prompt");
  const bool add_special = body.flag("add_special_tokens", true);
  if (!prompt) refuse("prompt", "is missing: expected a text, token ids, or a list of either");
  const int64_t vocab_size = model.text->tokenizer().vocab_size();
  const auto take = [&](const Json& one) {
    if (one.is_string())
      call.prompts.push_back(encode("prompt", one.get<std::string>(), add_special, model));
    else if (one.is_array() && !one.empty())
      call.prompts.push_back(ids_of("prompt", one, vocab_size));
    else
      Body::wrong("prompt", "a text or token ids", one);
    if (call.prompts.back().empty()) refuse("prompt", "has no tokens");
  };
  const bool many = prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
  if (!many) return take(*prompt);
  if (prompt->size() > kMaxPrompts)
    refuse("prompt",
           fmt::format("has {} prompts, at most {} are taken", prompt->size(), kMaxPrompts));
  for (const Json& one : *prompt) take(one);
}

void take_stops(Body& body, const ServedModel& model, Call& call) {
  call.stop_ids = model.text->stop_ids();
  if (body.flag("ignore_eos")) call.stop_ids.clear();
  if (const Json* ids = body.find("stop_token_ids")) {
    if (!ids->is_array()) Body::wrong("stop_token_ids", "token ids", *ids);
    for (const int32_t id : ids_of("stop_token_ids", *ids, model.text->tokenizer().vocab_size()))
      if (std::find(call.stop_ids.begin(), call.stop_ids.end(), id) == call.stop_ids.end())
        call.stop_ids.push_back(id);
  }
  if (const Json* stop = body.find("stop")) {
    const Json list = stop->is_string() ? Json::array({*stop}) : *stop;
    if (!list.is_array() || list.size() > kMaxStops)
      Body::wrong("stop", fmt::format("a text or up to {} of them", kMaxStops), *stop);
    for (const Json& one : list) {
      if (!one.is_string()) Body::wrong("stop", "texts", one);
      // Some clients send an empty one for none.
      if (!one.get<std::string>().empty()) call.stop.push_back(one.get<std::string>());
    }
  }
  if (body.flag("include_stop_str_in_output"))
    refuse("include_stop_str_in_output", "is not supported: the text ends before a stop string");
}

void take_address(Body& body, Call& call, uint64_t random_seed) {
  call.seed = random_seed;
  if (const Json* seed = body.find("seed")) {
    if (!seed->is_number_integer()) Body::wrong("seed", "a whole number of 64 bits", *seed);
    call.seed = seed->is_number_unsigned() ? seed->get<uint64_t>()
                                           : static_cast<uint64_t>(seed->get<int64_t>());
  }
  const Json* address = body.find("ponder");
  if (!address) return;
  Body fields(*address);
  call.problem_id = fields.text("problem_id", call.problem_id);
  call.sample = static_cast<int>(
      fields.integer("sample", 0, std::numeric_limits<int>::max() - kMaxCompletions, 0));
  call.position = fields.integer("position", 0, std::numeric_limits<int>::max(), 0);
  call.tokens_per_event = fields.integer("tokens_per_event", 1, kMostTokensPerEvent, 1);
  if (const auto left = fields.left_over(); !left.empty())
    refuse("ponder", fmt::format("has no field {}", left.front()));
}

void take_sampling(Body& body, const ServedModel& model, Call& call) {
  call.sampling = model.defaults;
  call.sampling.temperature = body.number("temperature", 0, 2, call.sampling.temperature);
  if (call.sampling.temperature > 0 && call.sampling.temperature < 1e-4)
    call.sampling.temperature = 0;
  call.sampling.top_p = body.number("top_p", 0, 1, call.sampling.top_p);
  if (call.sampling.top_p <= 0) refuse("top_p", "expected a number above 0 and up to 1, found 0");
  // -1 is vLLM's word for none.
  const int64_t top_k =
      body.integer("top_k", -1, std::numeric_limits<int>::max(), call.sampling.top_k);
  call.sampling.top_k = static_cast<int>(std::max<int64_t>(0, top_k));
  call.n = static_cast<int>(body.integer("n", 1, kMaxCompletions, 1));
  if (body.integer("best_of", 1, kMaxCompletions, call.n) != call.n)
    refuse("best_of", "is not supported: give n alone");
  body.neutral("presence_penalty", 0);
  body.neutral("frequency_penalty", 0);
  body.neutral("repetition_penalty", 1);
  body.neutral("min_p", 0);
  body.neutral("typical_p", 1);
  body.neutral("min_tokens", 0);
  body.absent("logit_bias", "is not supported: log-probabilities are the model's own");
  body.absent("tools", "is not supported");
  body.absent("functions", "is not supported");
  body.absent("guided_json", "is not supported");
  body.absent("chat_template", "templates of requests are not taken: the model's own is used");
  if (const Json* format = body.find("response_format"))
    if (!format->is_object() || format->value("type", Json()) != "text")
      refuse("response_format", "is not supported, but for {\"type\": \"text\"}");
}

// How many tokens may come, at most as many as there is room for.
void take_lengths(Body& body, const ServedModel& model, Call& call) {
  const int64_t low = call.echo ? 0 : 1;
  const int64_t many = std::numeric_limits<int>::max();
  int64_t asked = body.integer("max_tokens", low, many, -1);
  asked = body.integer("max_completion_tokens", low, many, asked);
  int64_t longest = 0;
  for (const auto& prompt : call.prompts)
    longest = std::max(longest, static_cast<int64_t>(prompt.size()));
  const int64_t room = model.max_model_len - longest;
  const int64_t least = std::max<int64_t>(asked, low);
  if (room < least) {
    const char* const of = call.chat ? "messages" : "prompt";
    // OpenAI's words and the code, which clients look for in them to shorten what they ask.
    throw CallError(
        400, of, "context_length_exceeded",
        fmt::format("This model's maximum context length is {} tokens. However, you requested {} "
                    "tokens ({} in the {}, {} in the completion): context_length_exceeded",
                    model.max_model_len, longest + least, longest, of, least));
  }
  call.sampling.max_tokens = static_cast<int>(asked < 0 ? std::min(room, many) : asked);
  for (const auto& prompt : call.prompts)
    if (call.position >= static_cast<int64_t>(prompt.size()))
      refuse("ponder", fmt::format("position {} leaves nothing of a prompt of {} tokens",
                                   call.position, prompt.size()));
  if (call.position > 0 && !call.stop.empty())
    refuse("ponder", "with a position there can be no stop strings: they may begin before it");
}

void take_common(Body& body, const ServedModel& model, uint64_t random_seed, Call& call) {
  call.model = body.text("model", model.id());
  if (!model.is_named(call.model))
    throw CallError(404, "model", "model_not_found",
                    fmt::format("there is no model \"{}\" here; it is \"{}\"", excerpt(call.model),
                                model.aliases.empty() ? model.id() : model.aliases.front()));
  take_sampling(body, model, call);
  take_stops(body, model, call);
  take_address(body, call, random_seed);
  call.stream = body.flag("stream");
  if (const Json* options = body.find("stream_options")) {
    Body fields(*options);
    call.include_usage = fields.flag("include_usage");
  }
  call.return_token_ids = body.flag("return_token_ids");
}

void finish(Body& body, const ServedModel& model, Call& call) {
  if (call.stream && (call.top_logprobs > 0 || call.echo))
    refuse("stream", call.echo ? "is not supported with echo"
                               : "is not supported with top_logprobs: ask for the whole answer, or "
                                 "for the chosen tokens' log-probabilities alone");
  call.ignored = body.left_over();
  if (model.strict && !call.ignored.empty()) refuse(call.ignored.front(), "is not known here");
}

std::string content_of(const Json& message, const std::string& where) {
  const auto found = message.find("content");
  if (found == message.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) refuse(where + ".content", "expected a text or parts of type text");
  std::string text;
  for (const Json& part : *found) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.contains("text") ||
        !part["text"].is_string())
      refuse(where + ".content", "this model reads text alone: expected parts of type text");
    text += part["text"].get<std::string>();
  }
  return text;
}

struct Rendering {
  std::string text, response_prefix;
};

Rendering render(Body& body, const Json& json, const ServedModel& model) {
  const std::vector<tokenizer::Message> messages = messages_of(json);
  body.find("messages");
  tokenizer::RenderOptions options;
  options.add_generation_prompt = body.flag("add_generation_prompt", true);
  options.enable_thinking = model.text->thinking();
  const tokenizer::ChatTemplate& chat = model.text->chat();
  if (const Json* kwargs = body.find("chat_template_kwargs")) {
    Body fields(*kwargs);
    if (fields.find("enable_thinking")) {
      options.enable_thinking = fields.flag("enable_thinking");
      if (!chat.has_thinking_switch())
        refuse("chat_template_kwargs", "this model's template knows no enable_thinking");
    }
    if (const auto left = fields.left_over(); !left.empty())
      refuse("chat_template_kwargs", fmt::format("{} is not known here", left.front()));
  }
  if (body.flag("continue_final_message"))
    refuse("continue_final_message", "is not supported: complete its text with /v1/completions");
  Rendering rendering;
  try {
    rendering.text = chat.render(messages, options);
  } catch (const CallError&) {
    throw;
  } catch (const Error& error) {
    refuse("messages", error.problem());
  }
  if (options.add_generation_prompt)
    rendering.response_prefix = options.enable_thinking
                                    ? chat.response_prefix(*options.enable_thinking)
                                    : std::string(chat.response_prefix());
  return rendering;
}

}  // namespace

std::vector<tokenizer::Message> messages_of(const Json& body) {
  const auto found = body.find("messages");
  if (found == body.end() || !found->is_array() || found->empty())
    refuse("messages", "expected an array of messages");
  if (found->size() > kMaxMessages)
    refuse("messages",
           fmt::format("has {} messages, at most {} are taken", found->size(), kMaxMessages));
  std::vector<tokenizer::Message> messages;
  for (size_t i = 0; i < found->size(); ++i) {
    const Json& message = (*found)[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string())
      refuse(where, "expected an object with role and content");
    tokenizer::Message& out = messages.emplace_back();
    out.role = message["role"];
    if (out.role == "developer") out.role = "system";
    if (out.role != "system" && out.role != "user" && out.role != "assistant")
      refuse(where + ".role",
             fmt::format("expected system, user or assistant, found \"{}\"", excerpt(out.role)));
    if (message.contains("tool_calls") && !message["tool_calls"].empty())
      refuse(where + ".tool_calls", "is not supported");
    out.content = content_of(message, where);
    if (out.role != "assistant") continue;
    for (const char* const key : {"reasoning_content", "reasoning"}) {
      const auto thought = message.find(key);
      if (thought == message.end() || !thought->is_string() || out.reasoning_content) continue;
      out.reasoning_content = thought->get<std::string>();
    }
  }
  return messages;
}

Call completions_call(const Json& json, const ServedModel& model, uint64_t random_seed) {
  Body body(json);
  Call call;
  take_common(body, model, random_seed, call);
  call.echo = body.flag("echo");
  call.logprobs = body.find("logprobs") != nullptr;
  call.top_logprobs = static_cast<int>(body.integer("logprobs", 0, kMaxTopLogprobs, 0));
  call.tokens_as_ids = body.flag("return_tokens_as_token_ids");
  body.absent("suffix", "is not supported");
  take_prompts(body, model, call);
  take_lengths(body, model, call);
  if (call.echo && call.position > 0) refuse("echo", "is not supported with a position");
  finish(body, model, call);
  return call;
}

Call chat_call(const Json& json, const ServedModel& model, uint64_t random_seed) {
  Body body(json);
  Call call;
  call.chat = true;
  take_common(body, model, random_seed, call);
  call.logprobs = body.flag("logprobs");
  call.top_logprobs = static_cast<int>(body.integer("top_logprobs", 0, kMaxTopLogprobs, 0));
  if (call.top_logprobs > 0 && !call.logprobs) refuse("top_logprobs", "needs logprobs: true");
  const bool add_special = body.flag("add_special_tokens");
  if (const Json* choice = body.find("tool_choice"); choice && *choice != "none")
    refuse("tool_choice", "is not supported: there are no tools");
  body.absent("audio", "is not supported");
  Rendering rendering = render(body, json, model);
  call.prompts.push_back(encode("messages", rendering.text, add_special, model));
  call.response_prefix = std::move(rendering.response_prefix);
  take_lengths(body, model, call);
  finish(body, model, call);
  return call;
}

Json tokenize(const Json& json, const ServedModel& model) {
  Body body(json);
  const bool llama = body.find("content") != nullptr;
  std::vector<int32_t> ids;
  if (llama) {
    ids = encode("content", body.text("content", ""), body.flag("add_special"), model);
  } else if (json.contains("messages")) {
    const bool add_special = body.flag("add_special_tokens");
    ids = encode("messages", render(body, json, model).text, add_special, model);
  } else {
    if (!body.find("prompt")) refuse("prompt", "expected prompt, messages or content");
    ids = encode("prompt", body.text("prompt", ""), body.flag("add_special_tokens", true), model);
  }
  Json answer = {{"tokens", ids}};
  if (llama) return answer;
  answer["count"] = ids.size();
  answer["max_model_len"] = model.max_model_len;
  if (body.flag("return_token_strs")) {
    Json strings = Json::array();
    for (const int32_t id : ids) strings.push_back(model.text->tokenizer().token_bytes(id));
    answer["token_strs"] = std::move(strings);
  }
  return answer;
}

Json detokenize(const Json& json, const ServedModel& model) {
  Body body(json);
  const Json* tokens = body.find("tokens");
  if (!tokens || !tokens->is_array()) refuse("tokens", "expected an array of token ids");
  const tokenizer::Tokenizer& tokenizer = model.text->tokenizer();
  const std::string text = tokenizer.decode(ids_of("tokens", *tokens, tokenizer.vocab_size()));
  return {{"prompt", text}, {"content", text}};
}

Json apply_template(const Json& json, const ServedModel& model) {
  Body body(json);
  return {{"prompt", render(body, json, model).text}};
}

}  // namespace ponder::serve
