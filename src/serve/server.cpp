#include "serve/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <latch>
#include <limits>
#include <mutex>
#include <random>
#include <utility>

#include "base/json.h"
#include "base/version.h"
#include "generate/engine.h"
#include "model/kv_cache.h"
#include "net/http.h"
#include "serve/call.h"
#include "serve/completion_job.h"
#include "serve/engine_loop.h"
#include "serve/metrics.h"

namespace ponder::serve {
namespace {

net::Response json_response(const Json& json) {
  return {200, {{"Content-Type", "application/json"}}, dump_json(json) + "\n"};
}

// What the model has positions for and the cache room for, of one completion alone.
int64_t longest_sequence(generate::InferenceModel& model, int64_t kv_cache_bytes) {
  const int64_t pages = kv_cache_bytes / std::max<int64_t>(1, model.decoder().kv_page_bytes());
  int64_t low = 0, high = model.config().max_position_embeddings;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (model::KvCache::pages_for(middle) + 1 <= pages)
      low = middle;
    else
      high = middle - 1;
  }
  if (low < 2)
    throw Error("--kv-cache-bytes", "leaves no room for a single completion", "give it more");
  return low;
}

// Names of routes, for metrics.
constexpr std::string_view kPosts[] = {"/v1/chat/completions", "/v1/completions", "/tokenize",
                                       "/detokenize", "/apply-template"};
constexpr std::string_view kGets[] = {"/health", "/v1/models", "/models", "/tokenizer_info",
                                      "/props",  "/version",   "/metrics"};

template <size_t N>
bool is_one_of(const std::string& path, const std::string_view (&routes)[N]) {
  return std::find(std::begin(routes), std::end(routes), path) != std::end(routes);
}

}  // namespace

class Server::Impl {
 public:
  Impl(generate::InferenceModel& model, ServerOptions options)
      : options_(std::move(options)),
        engine_(model.decoder(), &model.text().tokenizer(), model.threads(),
                model.engine_options(options_.max_batch, options_.kv_cache_bytes)) {
    random_.seed(options_.seed ? *options_.seed
                               : (uint64_t{std::random_device{}()} << 32) | std::random_device{}());
    served_.text = &model.text();
    served_.sha256 = model.sha256();
    served_.aliases = options_.aliases;
    served_.any_name = options_.any_name;
    served_.strict = options_.strict;
    served_.created = std::time(nullptr);
    served_.max_model_len = longest_sequence(model, options_.kv_cache_bytes);
    served_.precision = model.precision();
    served_.defaults = options_.defaults;
    served_.reasoning = options_.reasoning;
    // The cache is taken once, for the longest.
    rollout::CompletionRequest longest;
    longest.id = "--kv-cache-bytes";
    longest.prompt_ids = {0};
    longest.sampling.max_tokens = static_cast<int>(served_.max_model_len - 1);
    engine_.announce(longest, options_.max_batch);

    const int64_t num_ids =
        std::min<int64_t>(model.config().vocab_size, model.text().tokenizer().vocab_size());
    loop_.emplace(
        engine_,
        [&model, num_ids](std::vector<generate::ScoreRow> rows, int num_likeliest) {
          return generate::score_rows(model.decoder(), rows, 4096, num_likeliest, num_ids);
        },
        int64_t{options_.max_batch} + options_.max_queue);
    options_.listen.open_paths = {"/health"};
    options_.listen.on_refused = [this](int status) { metrics_.count_refusal(status); };
    listener_.emplace(options_.listen,
                      [this](net::Request request, std::shared_ptr<net::Reply> reply) {
                        ready_.wait();
                        handle(std::move(request), reply);
                      });
    ready_.count_down();
  }

  bool drain(std::chrono::milliseconds limit) {
    draining_ = true;
    if (listener_->drain(limit)) return true;
    loop_->fail_all("the server ends");
    listener_->drain(std::chrono::seconds(1));
    return false;
  }

  const ServedModel& model() const { return served_; }
  const net::Listener& listener() const { return *listener_; }

 private:
  void handle(net::Request request, const std::shared_ptr<net::Reply>& reply) {
    std::string route = "other";
    if (is_one_of(request.path, kPosts) || is_one_of(request.path, kGets)) route = request.path;
    const auto send = [&](net::Response response) {
      metrics_.count_answer(route, response.status);
      if (response.status >= 400) log(fmt::format("{} {}", route, response.status));
      reply->send(std::move(response));
    };
    try {
      if (std::optional<net::Response> response = answer(request, reply, route))
        send(std::move(*response));
    } catch (const CallError& error) {
      send(net::error_response(error.status(),
                               error.where().empty() ? error.problem() : error.what(),
                               error.where(), error.code()));
    } catch (const Error& error) {
      send(net::error_response(error.kind() == ErrorKind::kInternal ? 500 : 400, error.what()));
    } catch (const std::exception&) {
      send(net::error_response(500, "the server failed at this request"));
    }
  }

  // Nothing where a job will answer.
  std::optional<net::Response> answer(const net::Request& request,
                                      const std::shared_ptr<net::Reply>& reply,
                                      const std::string& route) {
    constexpr std::string_view kModels = "/v1/models/";
    const bool get = is_one_of(request.path, kGets) || request.path.starts_with(kModels);
    if (get) {
      if (request.method == "GET" || request.method == "HEAD") return answer_get(request.path);
      return wrong_method(request, "GET");
    }
    if (!is_one_of(request.path, kPosts)) {
      // A client whose base URL lacks its end.
      const std::string meant = "/v1" + request.path;
      return net::error_response(404,
                                 fmt::format("there is nothing at {}{}", excerpt(request.path),
                                             is_one_of(meant, kPosts) ? ", but at " + meant : ""));
    }
    if (request.method != "POST") return wrong_method(request, "POST");
    const std::string_view type = request.field("content-type");
    if (!type.empty() && type.find("json") == type.npos)
      return net::error_response(
          415, fmt::format("expected Content-Type: application/json, found \"{}\"", excerpt(type)));
    if (draining_) return unavailable();
    const Json body = parse_json(request.body, "body");
    if (route == "/tokenize") return json_response(tokenize(body, served_));
    if (route == "/detokenize") return json_response(detokenize(body, served_));
    if (route == "/apply-template") return json_response(apply_template(body, served_));
    return begin(route == "/v1/chat/completions" ? chat_call(body, served_, random_seed())
                                                 : completions_call(body, served_, random_seed()),
                 reply, route);
  }

  std::optional<net::Response> begin(Call call, const std::shared_ptr<net::Reply>& reply,
                                     const std::string& route) {
    const std::string id = fmt::format("{}-{:016x}{:08x}", call.chat ? "chatcmpl" : "cmpl",
                                       random_(), static_cast<uint32_t>(random_()));
    auto job = std::make_shared<CompletionJob>(
        std::move(call), AnswerHead{id, std::time(nullptr)}, reply, served_, metrics_,
        [this, route](const std::string& of, int64_t num_tokens, double seconds, int status) {
          metrics_.count_answer(route, status);
          log(fmt::format("{} {} {} tokens {:.0f} ms", of, status, num_tokens, seconds * 1000));
        });
    if (!loop_->submit(job, job->num_completions())) {
      net::Response busy = net::error_response(
          429, fmt::format("{} completions run or wait here: try again", loop_->load().open), "",
          "server_full");
      busy.fields.push_back({"Retry-After", "1"});
      return busy;
    }
    reply->on_gone([this, weak = std::weak_ptr<CompletionJob>(job)] {
      if (const auto alive = weak.lock()) loop_->cancel(alive);
    });
    return std::nullopt;
  }

  net::Response answer_get(const std::string& path) {
    if (path == "/health") {
      if (draining_) {
        net::Response response = json_response({{"status", "draining"}});
        response.status = 503;
        return response;
      }
      return json_response({{"status", "ok"}});
    }
    if (path == "/v1/models" || path == "/models") return json_response(model_list(served_));
    if (path == "/tokenizer_info") return json_response(tokenizer_info(served_));
    if (path == "/props") return json_response(properties(served_, options_.max_batch));
    if (path == "/version") return json_response({{"version", version()}});
    if (path == "/metrics") {
      const EngineLoop::Load load = loop_->load();
      return {200,
              {{"Content-Type", "text/plain; version=0.0.4"}},
              metrics_.text({load.running, std::max<int64_t>(0, load.open - load.running),
                             load.prompt_tokens, load.sampled_tokens, load.cancelled,
                             listener_->num_connections()})};
    }
    const std::string name = path.substr(std::string_view("/v1/models/").size());
    if (!served_.is_named(name))
      return net::error_response(404, fmt::format("there is no model \"{}\" here", excerpt(name)),
                                 "model", "model_not_found");
    return json_response(model_entry(served_, name));
  }

  static net::Response wrong_method(const net::Request& request, const std::string& allowed) {
    net::Response response = net::error_response(
        405, fmt::format("{} is asked with {}", excerpt(request.path), allowed));
    response.fields.push_back({"Allow", allowed});
    return response;
  }

  static net::Response unavailable() {
    net::Response response = net::error_response(503, "the server is about to end");
    response.fields.push_back({"Retry-After", "1"});
    return response;
  }

  // A number that every JSON reader keeps exact. On the listener's thread, as everything of random_.
  uint64_t random_seed() { return random_() >> 11; }

  void log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

  ServerOptions options_;
  ServedModel served_;
  Metrics metrics_;
  std::mt19937_64 random_;
  std::atomic<bool> draining_{false};
  generate::Engine engine_;
  std::optional<EngineLoop> loop_;
  std::latch ready_{1};                    // listener_ is there: requests may come before it is
  std::optional<net::Listener> listener_;  // ends first
};

Server::Server(generate::InferenceModel& model, ServerOptions options)
    : impl_(std::make_unique<Impl>(model, std::move(options))) {}
Server::~Server() = default;

std::string Server::url() const { return impl_->listener().url(); }
uint16_t Server::port() const { return impl_->listener().port(); }
const ServedModel& Server::model() const { return impl_->model(); }
bool Server::drain(std::chrono::milliseconds limit) { return impl_->drain(limit); }

}  // namespace ponder::serve
