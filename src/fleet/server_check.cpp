#include "fleet/server_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/json_fields.h"
#include "fleet/answer.h"
#include "fleet/models.h"

namespace ponder::fleet {
namespace {

using Result = CheckRow::Result;
constexpr std::chrono::milliseconds kCheckLimit{30'000};
constexpr const char* kQuestion = "What is 12 + 30?";

// One server's checks, in their order.
class ServerCheck {
 public:
  ServerCheck(std::string server, const FleetOptions& options, const data::ModelText* text)
      : server_(std::move(server)), options_(options), text_(text), http_(options.http) {}

  std::vector<CheckRow> run() {
    if (!check_reached()) return std::move(rows_);
    if (!check_model()) return std::move(rows_);
    check_weights();
    if (text_ && options_.kind != ServerKind::kOpenai) {
      check_tokenizer();
      check_template();
    }
    return std::move(rows_);
  }

 private:
  void add(const char* check, Result result, const std::string& detail) {
    rows_.push_back({server_, check, result, net::without_key(detail, options_.api_key_env)});
  }

  net::HttpAnswer ask(const std::string& path, const Json& body = nullptr) {
    net::HttpRequest request;
    request.url = address_of(server_, path);
    request.api_key_env = options_.api_key_env;
    request.limits.first_byte = request.limits.silence = kCheckLimit;
    if (!body.is_null()) {
      request.method = "POST";
      request.body = dump_json(body);
    }
    return http_.fetch(request);
  }

  bool has_health() const {
    return options_.kind == ServerKind::kLlamaServer || options_.kind == ServerKind::kSglang;
  }

  bool check_reached() {
    const net::HttpAnswer answer = ask(has_health() ? "/health" : "/v1/models");
    if (answer.failure) {
      add("reached", Result::kFailed, answer.failure->message);
      return false;
    }
    add("reached", Result::kOk, fmt::format("status {}", answer.head.status));
    models_ = answer.body;
    models_status_ = answer.head.status;
    // Health is told to everybody: it says nothing of the key.
    if (has_health() && models_status_ == 200) {
      const net::HttpAnswer models = ask("/v1/models");
      models_ = models.body;
      models_status_ = models.failure ? 404 : models.head.status;
    }
    if (models_status_ == 401 || models_status_ == 403) {
      add("key", Result::kFailed,
          fmt::format("not taken (status {}): look at --api-key-env", models_status_));
      return false;
    }
    add("key", Result::kOk, options_.api_key_env.empty() ? "none is wanted" : "taken");
    check_clock(answer.head);
    return true;
  }

  void check_clock(const net::HttpHead& head) {
    const auto wait = retry_after({{"retry-after", head.header("date")}}, std::time(nullptr));
    if (wait > std::chrono::minutes(5))
      add("clock", Result::kWarning,
          fmt::format("the server's is {} s ahead", wait.count() / 1000));
  }

  bool check_model() {
    if (models_status_ == 404 && (has_health() || options_.kind == ServerKind::kOpenai)) {
      add("model", Result::kSkipped, "there is no list of models");
      return true;
    }
    try {
      if (models_status_ != 200) throw Error(server_, fmt::format("status {}", models_status_));
      const ServedModel model =
          find_model(parse_json(models_, server_),
                     {options_.kind, options_.served_model, options_.model_sha256,
                      std::string(tensor::stored_name(options_.precision))},
                     server_);
      name_ = model.name;
      add("model", Result::kOk,
          model.name + (model.max_model_len > 0
                            ? fmt::format(", room for {} tokens", model.max_model_len)
                            : ""));
      return true;
    } catch (const Error& error) {
      const std::string advice = error.advice().empty() ? "" : "; " + error.advice();
      add("model", Result::kFailed, error.problem() + advice);
      return false;
    }
  }

  void check_weights() {
    for (const Canary& canary : options_.canaries) {
      std::vector<Likeliest> answers;
      for (const CanaryPosition& position : canary.positions) {
        const Ask asked = ask_likeliest(options_.kind, position.prompt_ids, name_);
        const net::HttpAnswer answer = ask(asked.path, asked.body);
        try {
          if (answer.failure) throw Error(server_, answer.failure->message);
          if (answer.head.status != 200) {
            throw Error(
                server_,
                http_failure(answer.head.status, answer.head.headers, answer.body, 0).message);
          }
          answers.push_back(read_likeliest(options_.kind, parse_json(answer.body, server_)));
        } catch (const Error& error) {
          return add("weights", Result::kFailed, error.problem());
        } catch (const AnswerFailure& failure) {
          return add("weights", Result::kFailed, failure.what());
        }
      }
      const CanaryResult found = judge_canary(canary, answers);
      add("weights",
          !found.right    ? Result::kFailed
          : found.rounded ? Result::kWarning
                          : Result::kOk,
          found.text() + (!found.right    ? ": other weights"
                          : found.rounded ? ": as of weights with fewer bits"
                                          : ""));
    }
  }

  // The server's ids of a text, or why there are none.
  struct Ids {
    std::vector<int32_t> ids;
    std::string problem;
  };
  Ids tokens_of(Json body) {
    try {
      const Json json = answer_of("/tokenize", std::move(body));
      return {JsonFields(json, "answer").token_ids("tokens"), ""};
    } catch (const Error& error) {
      return {{}, error.problem()};
    }
  }
  // Of llama-server's /tokenize.
  static Json content(const std::string& text) {
    return {{"content", text}, {"add_special", false}, {"parse_special", true}};
  }
  Ids rendered_by_llama_server(const Json& messages) {
    try {
      const Json json = answer_of("/apply-template", {{"messages", messages}});
      return tokens_of(content(JsonFields(json, "answer").text("prompt")));
    } catch (const Error& error) {
      return {{}, error.problem()};
    }
  }
  Json answer_of(const std::string& path, Json body) {
    body["model"] = name_;
    const net::HttpAnswer answer = ask(path, body);
    if (answer.failure) throw Error(server_, answer.failure->message);
    if (answer.head.status != 200) {
      throw Error(server_,
                  http_failure(answer.head.status, answer.head.headers, answer.body, 0).message);
    }
    return parse_json(answer.body, "answer");
  }

  void check_tokenizer() {
    if (options_.kind == ServerKind::kSglang) {
      add("tokenizer", Result::kSkipped, "its rollouts are checked against their text instead");
      return;
    }
    for (const std::string& text : probe_texts()) {
      if (text_->tokenizer().byte_without_token(text)) continue;
      const std::vector<int32_t> ours = text_->tokenizer().encode(text);
      // llama.cpp has no normalisers: it is given what ours makes of the text.
      const Ids theirs = options_.kind == ServerKind::kLlamaServer
                             ? tokens_of(content(text_->tokenizer().decode(ours)))
                             : tokens_of({{"prompt", text}, {"add_special_tokens", false}});
      if (!theirs.problem.empty()) {
        add("tokenizer", Result::kWarning, "cannot be asked: " + theirs.problem);
        return;
      }
      if (theirs.ids == ours) continue;
      const auto differ = std::ranges::mismatch(ours, theirs.ids).in1 - ours.begin();
      add("tokenizer", Result::kFailed,
          fmt::format(
              "\"{}\" has other ids from the {}-th on ({} here, {} there): another tokenizer, "
              "or read otherwise",
              excerpt(text), differ + 1, ours.size(), theirs.ids.size()));
      return;
    }
    add("tokenizer", Result::kOk, fmt::format("the same ids for {} texts", probe_texts().size()));
  }

  // A difference is no failure: rollouts are asked by ids.
  void check_template() {
    if (options_.kind == ServerKind::kSglang) {
      add("template", Result::kSkipped, "rollouts are asked by token ids");
      return;
    }
    const Json messages = {{{"role", "user"}, {"content", kQuestion}}};
    const Ids theirs = options_.kind == ServerKind::kLlamaServer
                           ? rendered_by_llama_server(messages)
                           : tokens_of({{"messages", messages}, {"add_generation_prompt", true}});
    if (!theirs.problem.empty()) {
      add("template", Result::kWarning, "cannot be asked: " + theirs.problem);
      return;
    }
    const std::vector<int32_t> ours =
        text_->prompt_ids({tokenizer::Message{.role = "user", .content = kQuestion}});
    if (theirs.ids == ours) {
      add("template", Result::kOk, "renders a question as here");
    } else {
      add("template", Result::kWarning,
          fmt::format(
              "renders a question to {} tokens, here {}: people who chat with that server see "
              "another prompt; rollouts are asked by ids",
              theirs.ids.size(), ours.size()));
    }
  }

  std::string server_;
  const FleetOptions& options_;
  const data::ModelText* text_;
  net::HttpClient http_;
  std::vector<CheckRow> rows_;
  std::string models_, name_;
  int models_status_ = 0;
};

}  // namespace

std::string_view to_string(CheckRow::Result result) {
  switch (result) {
    case Result::kOk:
      return "ok";
    case Result::kWarning:
      return "warning";
    case Result::kFailed:
      return "failed";
    case Result::kSkipped:
      break;
  }
  return "skipped";
}

std::vector<CheckRow> check_server(const std::string& server, const FleetOptions& options,
                                   const data::ModelText* text) {
  return ServerCheck(server, options, text).run();
}

const std::vector<std::string>& probe_texts() {
  static const std::vector<std::string> texts = {"Hello, world!",
                                                 " leading",
                                                 "trailing ",
                                                 "two  spaces",
                                                 "a\nb",
                                                 "a\n\nb",
                                                 "a\n\n\n\nb",
                                                 "a \n b",
                                                 "\t\tindent",
                                                 "\r\nwindows",
                                                 "it's we'll I'D",
                                                 "don’t",
                                                 "3.14159",
                                                 "1234567890",
                                                 "12345678901234567890",
                                                 "1,000,000",
                                                 "x=-2^{10}",
                                                 "\\frac{1}{2}+\\sqrt{x}",
                                                 "$x$ and $$y$$",
                                                 "if (a<b) { return b; }",
                                                 "def f(x):\n    return x**2\n",
                                                 "https://example.org/a?b=c&d",
                                                 "café",
                                                 "cafe\xcc\x81",
                                                 "naïve Straße",
                                                 "Привет, мир",
                                                 "你好，世界",
                                                 "日本語のテキスト",
                                                 "한국어",
                                                 "مرحبا",
                                                 "שלום",
                                                 "नमस्ते",
                                                 "🙂👩‍👩‍👧",
                                                 "∑∫√≤≠",
                                                 "<think>\nwhy\n</think>\n\n42",
                                                 "<|im_start|>user",
                                                 "<|im_end|>\n",
                                                 "<|begin_of_thought|>x<|end_of_thought|>",
                                                 "\\boxed{42}",
                                                 "…—“”"};
  return texts;
}

}  // namespace ponder::fleet
