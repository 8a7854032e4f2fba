#include "fleet/answer.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/json_element.h"
#include "base/text.h"
#include "tokenizer/added_tokens.h"

namespace ponder::fleet {
namespace {

constexpr size_t kMostJsonBytes = size_t{64} << 20;

[[noreturn]] void bad_shape(const std::string& problem) {
  throw AnswerFailure(FailureClass::kBadLuck, "its answer " + problem);
}

using Element = simdjson::dom::element;

// Nothing where it is absent or null.
std::optional<Element> find(const Element& json, std::string_view key) {
  std::optional<Element> found;
  simdjson::dom::object fields;
  if (json.get(fields) != simdjson::SUCCESS) return found;
  for (const auto field : fields) {
    if (field.key != key) continue;
    if (found) bad_shape(fmt::format("has two fields {}", key));
    found = field.value;
  }
  return found && found->is_null() ? std::nullopt : found;
}

std::string_view string_in(const Element& json, std::string_view key) {
  const std::optional<Element> value = find(json, key);
  std::string_view text;
  if (value && value->get(text) != simdjson::SUCCESS)
    bad_shape(fmt::format("has a {} that is no text", key));
  return text;
}
std::string text_of(const Element& json, std::string_view key) {
  return std::string(string_in(json, key));
}

// Of what is an array, or bad_shape.
simdjson::dom::array list_of(const Element& json, const char* problem) {
  simdjson::dom::array list;
  if (json.get(list) != simdjson::SUCCESS) bad_shape(problem);
  return list;
}

int64_t count_of(const Element& json, std::string_view key) {
  const std::optional<Element> value = find(json, key);
  int64_t count = 0;
  if (value && (value->get(count) != simdjson::SUCCESS || count < 0))
    bad_shape(fmt::format("has a {} that is no count", key));
  return count;
}

void append_id(const Element& json, std::vector<int32_t>& out) {
  int64_t id = 0;
  if (json.get(id) != simdjson::SUCCESS || id < 0 || id > INT32_MAX)
    bad_shape("has a token id that is none");
  out.push_back(static_cast<int32_t>(id));
}

void append_ids(const Element& ids, std::vector<int32_t>& out) {
  for (const Element id : list_of(ids, "has token ids that are no array")) append_id(id, out);
}

float logprob_of(const Element& value) {
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) bad_shape("has a log-probability that is no number");
  const auto logprob = static_cast<float>(number);
  if (!std::isfinite(logprob) || logprob > 0)
    bad_shape(fmt::format("has a log-probability of {}", logprob));
  return logprob;
}

TokenUsage usage_of(const Element& json) {
  TokenUsage usage;
  usage.prompt = count_of(json, "prompt_tokens");
  usage.completion = count_of(json, "completion_tokens");
  usage.cached = count_of(json, "prompt_cache_hit_tokens");
  if (const auto details = find(json, "prompt_tokens_details"))
    usage.cached = count_of(*details, "cached_tokens");
  if (const auto details = find(json, "completion_tokens_details"))
    usage.reasoning = count_of(*details, "reasoning_tokens");
  return usage;
}

// The first time sets it; another one later is of another answer.
void take_once(const Element& json, std::string_view key, std::string& value) {
  const std::string_view text = string_in(json, key);
  if (text.empty() || text == value) return;
  if (!value.empty())
    bad_shape(fmt::format("changes its {} from {} to {}", key, excerpt(value), excerpt(text)));
  value = text;
}

std::optional<Element> choice_of(const Element& json) {
  const std::optional<Element> choices = find(json, "choices");
  if (!choices) return std::nullopt;
  const simdjson::dom::array list = list_of(*choices, "has choices that are no array");
  if (list.size() == 0) return std::nullopt;  // of usage alone
  const Element choice = list.at(0);
  if (list.size() > 1 || count_of(choice, "index") != 0)
    bad_shape("has more choices than were asked for");
  return choice;
}

void take_head(const Element& json, Answer& answer) {
  take_once(json, "id", answer.id);
  take_once(json, "model", answer.model);
  take_once(json, "system_fingerprint", answer.fingerprint);
  if (const auto usage = find(json, "usage")) answer.usage = usage_of(*usage);
}

// A text as it is, anything else as JSON.
std::string shown(const Element& json) {
  std::string_view text;
  return json.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(json);
}

void take_finish(const Element& choice, Answer& answer) {
  take_once(choice, "finish_reason", answer.finish);
  if (const auto reason = find(choice, "stop_reason")) answer.stop_reason = shown(*reason);
}

void take_completions(ServerKind kind, const Element& json, Answer& answer) {
  take_head(json, answer);
  const std::optional<Element> choice = choice_of(json);
  if (!choice) return;
  const std::string_view text = string_in(*choice, "text");
  if (!answer.finish.empty() && !text.empty()) bad_shape("goes on behind its end");
  answer.text += text;
  for (const Element& holder : {json, *choice}) {
    const std::optional<Element> prompt = find(holder, "prompt_token_ids");
    if (!prompt) continue;
    std::vector<int32_t> ids;
    append_ids(*prompt, ids);
    if (answer.prompt_ids && *answer.prompt_ids != ids) bad_shape("is of two prompts");
    answer.prompt_ids = std::move(ids);
  }
  // Of ponder serve: how many came before. A piece that is missing, doubled or out of place shows at once.
  if (kind == ServerKind::kPonder && find(*choice, "first_token") &&
      count_of(*choice, "first_token") != static_cast<int64_t>(answer.token_ids.size()))
    bad_shape("does not go on where it was");
  if (const auto ids = find(*choice, "token_ids")) append_ids(*ids, answer.token_ids);
  if (const auto logprobs = find(*choice, "logprobs")) {
    const std::optional<Element> chosen = find(*logprobs, "token_logprobs");
    const char* without = "has logprobs without token_logprobs";
    if (!chosen) bad_shape(without);
    for (const Element logprob : list_of(*chosen, without))
      answer.logprobs.push_back(logprob_of(logprob));
  }
  take_finish(*choice, answer);
}

// The thought of a message or a delta: one of two fields, or both with the same text.
std::string_view thought_of(const Element& message) {
  const std::string_view one = string_in(message, "reasoning_content");
  const std::string_view other = string_in(message, "reasoning");
  if (!one.empty() && !other.empty() && one != other) {
    throw AnswerFailure(FailureClass::kNever,
                        "its reasoning_content and reasoning are different thoughts");
  }
  return one.empty() ? other : one;
}

void take_chat(const Element& json, Answer& answer) {
  take_head(json, answer);
  const std::optional<Element> choice = choice_of(json);
  if (!choice) return;
  std::optional<Element> message = find(*choice, "delta");
  if (!message) message = find(*choice, "message");
  if (message) {
    answer.text += string_in(*message, "content");
    answer.thought += thought_of(*message);
    answer.refusal += string_in(*message, "refusal");
  }
  take_finish(*choice, answer);
}

bool is_true(const Element& json) {
  bool value = false;
  return json.get(value) == simdjson::SUCCESS && value;
}

// Of llama.cpp's server: the last event has "stop": true and the counts.
void take_llama_server(const Element& json, Answer& answer) {
  answer.text += string_in(json, "content");
  take_once(json, "model", answer.model);
  if (const auto ids = find(json, "tokens")) append_ids(*ids, answer.token_ids);
  const std::optional<Element> stop = find(json, "stop");
  if (!stop || !is_true(*stop)) return;
  answer.finish = text_of(json, "stop_type");
  // Also of an answer that has all its tokens, where these just fill the context.
  const std::optional<Element> full = find(json, "truncated");
  answer.stop_reason = full && is_true(*full) ? "truncated" : text_of(json, "stopping_word");
  answer.usage = TokenUsage{count_of(json, "tokens_evaluated"), count_of(json, "tokens_predicted")};
}

// The triples [logprob, id, text] are all of the answer so far.
void take_sglang(const Element& json, Answer& answer) {
  const std::optional<Element> meta = find(json, "meta_info");
  if (!meta) bad_shape("has no meta_info");
  answer.text = text_of(json, "text");
  answer.id = text_of(*meta, "id");
  answer.usage = TokenUsage{count_of(*meta, "prompt_tokens"), count_of(*meta, "completion_tokens"),
                            count_of(*meta, "cached_tokens")};
  answer.token_ids.clear();
  answer.logprobs.clear();
  const std::optional<Element> triples = find(*meta, "output_token_logprobs");
  if (!triples) bad_shape("has no output_token_logprobs");
  for (const Element entry : list_of(*triples, "has no output_token_logprobs")) {
    const char* none = "has an entry of output_token_logprobs that is no triple";
    const simdjson::dom::array triple = list_of(entry, none);
    if (triple.size() < 2) bad_shape(none);
    append_id(triple.at(1), answer.token_ids);
  }
  const std::optional<Element> finish = find(*meta, "finish_reason");
  if (!finish) return;
  answer.finish = finish->is_string() ? shown(*finish) : text_of(*finish, "type");
}

// {"error": {"message", "code", "type"}}, {"error": "…"} or {"object": "error", "message", "code"}.
struct SaidError {
  std::string message, code;
};
std::optional<SaidError> error_in(const Element& json) {
  std::optional<Element> error = find(json, "error");
  if (!error) {
    const std::optional<Element> object = find(json, "object");
    if (!object || shown(*object) != "error") return std::nullopt;
    error = json;
  }
  SaidError said;
  if (error->is_string()) said.message = shown(*error);
  if (!error->is_object()) return said;
  const auto word = [&](const char* key) {
    const std::optional<Element> value = find(*error, key);
    return value ? shown(*value) : std::string();
  };
  said.message = word("message");
  said.code = word("code");
  if (said.code.empty()) said.code = word("type");
  return said;
}

FailureClass class_of(int status, const std::string& code) {
  if (code == "insufficient_quota" || code == "invalid_api_key" || code == "billing_not_active" ||
      code == "model_not_found")
    return FailureClass::kStop;
  switch (status) {
    case 401:
    case 402:
    case 403:
      return FailureClass::kStop;
    case 429:
    case 503:
    case 529:
      return FailureClass::kFull;
    case 408:
    case 409:
    case 425:
      return FailureClass::kBadLuck;
    default:
      return status >= 400 && status < 500 ? FailureClass::kNever : FailureClass::kBadLuck;
  }
}

// The class of an error that comes within an answer.
FailureClass class_of(const std::string& code) {
  int status = 0;
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), status);
  if (error == std::errc() && end == code.data() + code.size() && status >= 400)
    return class_of(status, "");
  if (code == "rate_limit_exceeded" || code == "rate_limit_error" || code == "overloaded_error")
    return FailureClass::kFull;
  return class_of(500, code);
}

bool echoes_prompt(ServerKind kind) {
  return kind == ServerKind::kPonder || kind == ServerKind::kVllm;
}
// llama-server serves its own model whatever it is asked for, and says which. Where it has no list of models none
// is expected.
bool has_model_name(const Expected& expected) {
  return echoes_prompt(expected.kind) ||
         (expected.kind == ServerKind::kLlamaServer && !expected.model.empty());
}

// Of this thread's parser: good until the next call.
Element parse_answer(std::string_view text) {
  thread_local JsonElements parser;
  try {
    return parser.parse(text, "answer");
  } catch (const Error& error) {
    bad_shape(fmt::format("is no JSON: {}", trimmed(text).starts_with('<')
                                                ? "a page of HTML, perhaps a proxy's"
                                                : excerpt(text, 80)));
  }
}

}  // namespace

void take_answer(ServerKind kind, std::string_view text, Answer& answer) {
  const Element json = parse_answer(text);
  if (!json.is_object()) bad_shape("is no JSON object");
  if (const auto said = error_in(json)) {
    throw AnswerFailure(
        class_of(said->code),
        fmt::format("the server says: {}",
                    excerpt(said->message.empty() ? said->code : said->message, 300)));
  }
  switch (kind) {
    case ServerKind::kPonder:
    case ServerKind::kVllm:
      return take_completions(kind, json, answer);
    case ServerKind::kOpenai:
      return take_chat(json, answer);
    case ServerKind::kLlamaServer:
      return take_llama_server(json, answer);
    case ServerKind::kSglang:
      return take_sglang(json, answer);
  }
}

void AnswerReader::push(std::string_view bytes) {
  if (!is_stream_) {
    body_ += bytes;
    if (body_.size() > kMostJsonBytes) bad_shape("is too large");
    return;
  }
  try {
    events_.push(bytes, [this](const net::SseEvent& event) {
      const std::string_view data = trimmed(event.data);
      if (done_) bad_shape("goes on behind its end");
      done_ = data == "[DONE]";
      if (!done_ && !data.empty()) take_answer(kind_, data, answer_);
    });
  } catch (const Error& error) {
    bad_shape(error.problem());
  }
}

void AnswerReader::end() {
  if (!is_stream_) {
    if (is_blank(body_)) bad_shape("is empty");
    take_answer(kind_, body_, answer_);
  }
  if (events_.in_event()) bad_shape("ends within an event");
  if (answer_.finish.empty()) bad_shape("ends without a finish reason");
  if (answer_end(answer_.finish) == AnswerEnd::kCut)
    bad_shape(fmt::format("ended by \"{}\"", excerpt(answer_.finish)));
}

AnswerEnd answer_end(std::string_view word) {
  if (word == "stop" || word == "eos" || word == "word" || word == "end_turn")
    return AnswerEnd::kStop;
  if (word == "length" || word == "max_tokens" || word == "limit") return AnswerEnd::kLength;
  if (word == "repetition") return AnswerEnd::kRepetition;
  if (word == "content_filter" || word == "refusal" || word == "tool_calls" ||
      word == "function_call")
    return AnswerEnd::kRefused;
  return AnswerEnd::kCut;
}

bool hides_thought(const Answer& chat) {
  if (!chat.thought.empty() || chat.text.find("</think>") != std::string::npos || !chat.usage)
    return false;
  constexpr int64_t kFrame = 16;  // tokens around the text
  return chat.usage->reasoning > 0 ||
         chat.usage->completion > kFrame + static_cast<int64_t>(chat.text.size());
}

std::chrono::milliseconds retry_after(const std::map<std::string, std::string>& headers,
                                      int64_t unix_now) {
  const auto number = [](const std::string& text) -> std::optional<double> {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) return {};
    return std::min(value, 1e9);
  };
  if (const auto ms = headers.find("retry-after-ms"); ms != headers.end()) {
    if (const auto value = number(ms->second))
      return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(*value)));
  }
  const auto after = headers.find("retry-after");
  if (after == headers.end()) return std::chrono::milliseconds(0);
  if (const auto seconds = number(after->second))
    return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(*seconds * 1000)));
  const int64_t date = curl_getdate(after->second.c_str(), nullptr);
  if (date < 0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(std::clamp<int64_t>(date - unix_now, 0, 1'000'000) * 1000);
}

HttpFailure http_failure(int status, const std::map<std::string, std::string>& headers,
                         std::string_view body, int64_t unix_now) {
  SaidError said;
  const bool is_html = trimmed(body).starts_with('<');
  try {
    JsonElements parser;
    const Element json = parser.parse(body, "answer");
    said = error_in(json).value_or(SaidError{});
    if (said.message.empty()) said.message = simdjson::minify(json);
  } catch (const std::runtime_error&) {
    said.message = is_html ? "a page of HTML, perhaps a proxy's" : std::string(trimmed(body));
  }
  HttpFailure failure;
  failure.kind = class_of(status, said.code);
  // A page of a proxy's says nothing of the request.
  if (is_html && failure.kind == FailureClass::kNever && status != 404 && status != 405)
    failure.kind = FailureClass::kBadLuck;
  failure.message = fmt::format("status {}{}{}", status, said.message.empty() ? "" : ": ",
                                excerpt(said.message, 300));
  failure.retry_after = retry_after(headers, unix_now);
  const auto should = headers.find("x-should-retry");
  if (failure.kind == FailureClass::kBadLuck && should != headers.end() &&
      should->second == "false")
    failure.kind = FailureClass::kNever;
  return failure;
}

bool ends_within_character(std::string_view text) { return text.ends_with("\xef\xbf\xbd"); }

std::string whole_characters(std::string text) {
  while (ends_within_character(text)) text.resize(text.size() - 3);
  return text;
}

bool agree_so_far(const std::string& mine, const std::string& theirs) {
  const std::string one = whole_characters(mine), other = whole_characters(theirs);
  return one.starts_with(other) || other.starts_with(one);
}

std::optional<AnswerFailure> check_origin(const Answer& answer, const Expected& expected) {
  if (has_model_name(expected) && answer.model != expected.model) {
    return AnswerFailure(FailureClass::kNever,
                         fmt::format("the answer is of model \"{}\", asked was \"{}\"",
                                     excerpt(answer.model), expected.model));
  }
  if (answer.fingerprint.ends_with(expected.fingerprint_end)) return std::nullopt;
  return AnswerFailure(
      FailureClass::kNever,
      fmt::format("the answer was computed by \"{}\", asked was …{}: other weights or another "
                  "arithmetic",
                  excerpt(answer.fingerprint), expected.fingerprint_end));
}

namespace {

std::string foreign_end(int32_t id, const tokenizer::Tokenizer& tokenizer) {
  return fmt::format(
      "the answer stopped at token {} (\"{}\"), which is no end token of the model; servers add "
      "those of generation_config.json unless told otherwise",
      id, excerpt(tokenizer.token_bytes(id)));
}

// llama.cpp ends at every token whose name is an end's in some model ("<|endoftext|>") and cannot be told otherwise:
// the model goes on behind it.
bool goes_on_behind(const Answer& answer, const Expected& expected) {
  return expected.kind == ServerKind::kLlamaServer && answer.finish == "eos";
}

// Where the text is another than that of these ids, less the end token; nothing where it is theirs.
std::optional<size_t> text_differs(const Answer& answer, std::span<const int32_t> ids, bool stopped,
                                   const Expected& expected) {
  const tokenizer::Tokenizer& tokenizer = *expected.tokenizer;
  const auto differs = [&](std::string mine) -> std::optional<size_t> {
    std::string theirs = answer.text;
    if (stopped && theirs.size() > mine.size() && theirs.starts_with(mine) &&
        theirs.substr(mine.size()) == tokenizer.token_bytes(answer.token_ids.back())) {
      return std::nullopt;  // a server that shows the end token
    }
    // Of a character that was not whole when the answer ended some show nothing.
    mine = whole_characters(std::move(mine));
    theirs = whole_characters(std::move(theirs));
    if (mine == theirs) return std::nullopt;
    return std::ranges::mismatch(mine, theirs).in1 - mine.begin();
  };
  const std::optional<size_t> at = differs(tokenizer.decode(ids));
  if (!at || expected.kind != ServerKind::kLlamaServer) return at;
  // Unless started with --special, it leaves control tokens out of its text.
  std::vector<int32_t> shown;
  for (const int32_t id : ids)
    if (!tokenizer.is_special(id) && !tokenizer::looks_special(tokenizer.token_bytes(id)))
      shown.push_back(id);
  return differs(tokenizer.decode(shown));
}

}  // namespace

std::optional<AnswerFailure> check_tokens(const Answer& answer, const Expected& expected) {
  const auto wrong = [](const std::string& problem) {
    return AnswerFailure(FailureClass::kNever, problem);
  };
  if (auto other = check_origin(answer, expected)) return other;
  // First whether all of it is there: a piece that is missing, or came twice, says nothing of the server.
  if (!answer.usage) return AnswerFailure(FailureClass::kBadLuck, "its answer ends without usage");
  const auto count = static_cast<int64_t>(answer.token_ids.size());
  if (count != answer.usage->completion) {
    return AnswerFailure(FailureClass::kBadLuck,
                         fmt::format("its answer has {} token ids, its usage says {}", count,
                                     answer.usage->completion));
  }
  if (count == 0) return wrong("the answer has no token ids");
  const auto prompt_size = static_cast<int64_t>(expected.prompt_ids.size());
  if (echoes_prompt(expected.kind)) {
    if (!answer.prompt_ids) return wrong("the answer does not say the prompt's token ids");
    if (!std::ranges::equal(*answer.prompt_ids, expected.prompt_ids)) {
      return wrong(
          fmt::format("the server's prompt has other token ids ({}, sent were {}): a second begin "
                      "token, perhaps",
                      answer.prompt_ids->size(), prompt_size));
    }
  }
  if (answer.usage->prompt != prompt_size) {
    return wrong(fmt::format("the server read a prompt of {} tokens, sent were {}",
                             answer.usage->prompt, prompt_size));
  }
  for (const int32_t id : answer.token_ids) {
    if (id < expected.tokenizer->vocab_size()) continue;
    return wrong(fmt::format("the answer has token {}, which the tokenizer has not", id));
  }
  std::span<const int32_t> ids = answer.token_ids;
  const auto is_end = [&](int32_t id) {
    return std::ranges::find(expected.stop_ids, id) != expected.stop_ids.end();
  };
  const bool stopped = answer_end(answer.finish) == AnswerEnd::kStop;
  if (stopped && !is_end(ids.back()) && !goes_on_behind(answer, expected)) {
    return wrong(expected.kind == ServerKind::kLlamaServer
                     ? fmt::format("the answer stopped at \"{}\", a stop string that the server "
                                   "was started with (--reverse-prompt)",
                                   excerpt(answer.stop_reason))
                     : foreign_end(ids.back(), *expected.tokenizer));
  }
  if (is_end(ids.back()) && !stopped)
    return wrong(fmt::format("the answer ends with an end token, but by \"{}\"", answer.finish));
  if (stopped) ids = ids.first(ids.size() - 1);
  for (const int32_t id : ids)
    if (is_end(id)) return wrong(fmt::format("the answer goes on behind end token {}", id));
  if (const auto at = text_differs(answer, ids, stopped, expected)) {
    return wrong(fmt::format(
        "the answer's text is not that of its token ids, from byte {} on: another tokenizer", *at));
  }
  return std::nullopt;
}

}  // namespace ponder::fleet
