#include "fleet/look.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "fleet/answer.h"

namespace ponder::fleet {
namespace {

constexpr std::chrono::milliseconds kContactLimit{10'000}, kCanaryLimit{120'000};

}  // namespace

net::HttpRequest request_to(const std::string& server, const std::string& path,
                            const FleetOptions& options) {
  net::HttpRequest request;
  request.url = address_of(server, path);
  request.api_key_env = options.api_key_env;
  request.limits = options.limits;
  return request;
}

ServerLook::ServerLook(std::string server, const FleetOptions& options)
    : server_(std::move(server)), options_(&options) {}

// Some tell of their models before they are ready, which /health says.
const std::vector<const char*>& ServerLook::paths() const {
  static const std::vector<const char*> models = {"/v1/models"},
                                        health_and_models = {"/health", "/v1/models"};
  const bool health =
      options_->kind == ServerKind::kLlamaServer || options_->kind == ServerKind::kSglang;
  return health ? health_and_models : models;
}

size_t ServerLook::num_questions() const {
  size_t positions = 0;
  for (const Canary& canary : options_->canaries) positions += canary.positions.size();
  return paths().size() + positions;
}

const std::string& ServerLook::served_model() const {
  return options_->served_model.empty() ? model_.name : options_->served_model;
}

net::HttpRequest ServerLook::question() const {
  if (at_ < paths().size()) {
    net::HttpRequest request = request_to(server_, paths()[at_], *options_);
    request.limits.first_byte = request.limits.silence = kContactLimit;
    return request;
  }
  const CanaryPosition& position = options_->canaries[canary_].positions[likeliest_.size()];
  const Ask ask = ask_likeliest(options_->kind, position.prompt_ids, served_model());
  net::HttpRequest request = request_to(server_, ask.path, *options_);
  request.method = "POST";
  request.body = dump_json(ask.body);
  request.limits.first_byte = request.limits.silence = kCanaryLimit;
  return request;
}

std::string ServerLook::without_key(std::string text) const {
  return net::without_key(std::move(text), options_->api_key_env);
}

void ServerLook::take(int status, const std::map<std::string, std::string>& headers,
                      const std::string& body) {
  const size_t at = at_++;
  if (status == 401 || status == 403) {
    throw Error(server_, fmt::format("does not take the key (status {})", status),
                options_->api_key_env.empty()
                    ? "name the environment variable that holds it: --api-key-env NAME"
                    : fmt::format("look at what {} holds", options_->api_key_env));
  }
  if (at >= paths().size()) return take_canary(status, headers, body);
  const std::string_view path = paths()[at];
  // Some have no list, and are known by what they answer.
  const bool may_lack = options_->kind == ServerKind::kOpenai ? !options_->served_model.empty()
                                                              : path != paths().front();
  if (status == 404 && may_lack) return;
  if (status != 200) {
    throw Error(status >= 500 ? ErrorKind::kBusy : ErrorKind::kInput, server_,
                without_key(http_failure(status, headers, body, 0).message),
                status == 404 ? fmt::format("is it a server of kind {}? Expected an answer to {}",
                                            to_string(options_->kind), path)
                              : "");
  }
  if (path == "/v1/models") take_models(body);
}

void ServerLook::take_models(const std::string& body) {
  Json models;
  try {
    models = parse_json(body, server_);
  } catch (const Error&) {
    const bool html = trimmed(body).starts_with('<');
    throw Error(
        server_,
        html ? "answers with a page of HTML instead of JSON"
             : fmt::format("answers \"{}\" instead of JSON", without_key(excerpt(body))),
        html ? "the address of a web page or a proxy? A server's is mostly http://HOST:PORT/v1"
             : "");
  }
  model_ = find_model(models,
                      {options_->kind, options_->served_model, options_->model_sha256,
                       std::string(tensor::stored_name(options_->precision))},
                      server_);
  if (!model_.name.empty()) found_ = "it has " + model_.name;
}

void ServerLook::take_canary(int status, const std::map<std::string, std::string>& headers,
                             const std::string& body) {
  const Canary& canary = options_->canaries[canary_];
  try {
    if (status != 200) {
      const HttpFailure failure = http_failure(status, headers, body, 0);
      const bool later = failure.kind == FailureClass::kFull || status >= 500;
      throw Error(later ? ErrorKind::kBusy : ErrorKind::kInput, server_,
                  without_key(failure.message),
                  fmt::format("is it a server of kind {}? It was asked for a token with the "
                              "log-probabilities of the likeliest",
                              to_string(options_->kind)));
    }
    likeliest_.push_back(read_likeliest(options_->kind, parse_json(body, server_)));
  } catch (const AnswerFailure& failure) {
    throw Error(server_, failure.what(),
                fmt::format("is it a server of kind {}? It was asked for a token with the "
                            "log-probabilities of the likeliest",
                            to_string(options_->kind)));
  }
  if (likeliest_.size() < canary.positions.size()) return;
  const CanaryResult found = judge_canary(canary, likeliest_);
  likeliest_.clear();
  if (canary_ == 0) found_.clear();  // more than a name
  ++canary_;
  if (!found.right) {
    throw Error(ErrorKind::kNotFound, server_,
                fmt::format("does not have the weights of {}: {}", canary.model, found.text()),
                "give it the folder of that model: a name can be that of other weights");
  }
  rounded_ = rounded_ || found.rounded;
  found_ += (found_.empty() ? "" : "; ") + found.text();
  if (found.rounded) found_ += ", as of weights with fewer bits";
}

Proof ServerLook::proof() const {
  if (rounded_) return Proof::kRounded;
  if (!options_->canaries.empty()) return Proof::kRight;
  const bool says = options_->kind == ServerKind::kPonder && !options_->model_sha256.empty();
  return says ? Proof::kHash : Proof::kName;
}

}  // namespace ponder::fleet
