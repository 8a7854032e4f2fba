#include "teach/batch_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <thread>

#include "base/file.h"
#include "base/json_fields.h"
#include "base/output_file.h"
#include "base/text.h"
#include "fleet/answer.h"
#include "fleet/ask.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kStopEvery{200};  // at whether to stop
constexpr int64_t kMostResultBytes = int64_t{1} << 40;
constexpr int kMostPages = 1000;
constexpr const char* kWindow = "24h";  // the only one that every service has

// A service's name of something, which becomes part of an address.
std::string id_in(const JsonFields& json, std::string_view key) {
  std::string id = json.text_or(key, "");
  const bool usual = id.size() <= 256 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
                       return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == ':';
                     });
  if (!usual) json.fail(key, "is no name of a file or a batch");
  return id;
}
std::string some_id_in(const JsonFields& json, std::string_view key) {
  std::string id = id_in(json, key);
  if (id.empty()) json.fail(key, "is missing");
  return id;
}

// Why a batch was not taken: the first of its errors.
std::string problem_in(const Json& batch) {
  const auto errors = batch.find("errors");
  if (errors == batch.end() || errors->is_null()) return "";
  const auto all = errors->is_object() ? errors->find("data") : errors->end();
  if (!errors->is_object() || all == errors->end() || !all->is_array() || all->empty())
    return excerpt(dump_json(*errors), 300);
  const Json& first = all->front();
  const auto message = first.is_object() ? first.find("message") : first.end();
  const bool says = first.is_object() && message != first.end() && message->is_string();
  return excerpt(says ? message->get<std::string>() : dump_json(first), 300);
}

}  // namespace

bool ServiceBatch::ended() const {
  return status == "completed" || status == "failed" || status == "expired" ||
         status == "cancelled";
}

BatchService::BatchService(const fleet::FleetOptions& options, const std::atomic<bool>* stop,
                           Monitor& monitor)
    : options_(options), stop_(stop), monitor_(monitor), client_(options.http) {
  if (options.servers.size() != 1) {
    throw Error(ErrorKind::kUsage, "--server",
                fmt::format("a batch goes to one service, found {}", options.servers.size()),
                "name the one that is to have it");
  }
  server_ = options.servers[0];
}

net::HttpRequest BatchService::request(const char* method, const std::string& path) const {
  net::HttpRequest request;
  request.method = method;
  request.url = fleet::address_of(server_, path);
  request.api_key_env = options_.api_key_env;
  request.limits = options_.limits;
  request.sent_once = request.method == "POST";
  return request;
}

BatchService::Reply BatchService::once(const net::HttpRequest& asked, const Take& take) {
  Reply reply;
  net::HttpHead head;
  std::optional<net::TransferFailure> failure;
  const uint64_t id = client_.start(asked);
  for (bool ended = false; !ended;) {
    if (stop_ && *stop_) {
      client_.cancel(id);
      throw ServiceStopped{};
    }
    for (net::HttpEvent& event : client_.poll(kStopEvery)) {
      if (auto* came = std::get_if<net::HttpHead>(&event.what)) {
        head = std::move(*came);
      } else if (const auto* bytes = std::get_if<std::string>(&event.what)) {
        if (take && head.status == 200)
          take(*bytes);
        else
          reply.body += *bytes;
      } else {
        ended = true;
        if (auto* why = std::get_if<net::TransferFailure>(&event.what)) failure = std::move(*why);
      }
    }
  }
  using Kind = net::TransferFailure::Kind;
  reply.status = head.status;
  if (failure) {
    reply.asked = failure->kind != Kind::kResolve && failure->kind != Kind::kConnect &&
                  failure->kind != Kind::kCertificate && failure->kind != Kind::kTls;
    reply.may_work = failure->kind != Kind::kCertificate && failure->kind != Kind::kTooLarge;
    reply.failure = failure->message;
  } else if (head.status / 100 != 2) {
    const fleet::HttpFailure said =
        fleet::http_failure(head.status, head.headers, reply.body, std::time(nullptr));
    const bool no_such_call = head.status == 405 || head.status == 501;
    reply.may_work = !no_such_call && (said.kind == fleet::FailureClass::kFull ||
                                       said.kind == fleet::FailureClass::kBadLuck);
    // Of what is too much for the service now it takes nothing. A 503 may be a gateway's, behind which it did.
    reply.asked = head.status != 429;
    reply.failure = said.message;
    reply.retry_after = said.retry_after;
  }
  reply.failure = net::without_key(reply.failure, options_.api_key_env);
  return reply;
}

void BatchService::wait_to_ask_again(const net::HttpRequest& asked, const Reply& reply, int attempt,
                                     Clock::time_point since) {
  if (!reply.may_work) {
    const bool unknown = reply.status == 404 || reply.status == 405 || reply.status == 501;
    throw Error(unknown ? ErrorKind::kNotFound : ErrorKind::kInput, asked.url, reply.failure,
                reply.status == 401 || reply.status == 403
                    ? "--api-key-env NAME names the variable that holds the service's key"
                    : "");
  }
  const fleet::SchedulerRules& rules = options_.rules;
  const milliseconds delay =
      std::max(reply.retry_after,
               std::min(rules.most_delay, rules.first_delay * (1 << std::min(attempt, 16))));
  if (Clock::now() + delay - since > rules.patience) {
    throw Error(ErrorKind::kBusy, asked.url, reply.failure,
                "what the service has is known: the same command goes on");
  }
  if (attempt == 0)
    monitor_.warning(fmt::format("{}: {}; it is asked again", asked.url, reply.failure));
  wait(delay);
}

std::optional<Json> BatchService::ask(const net::HttpRequest& asked) {
  const Clock::time_point since = Clock::now();
  for (int attempt = 0;; ++attempt) {
    Reply reply = once(asked);
    if (reply.failure.empty()) {
      try {
        return parse_json(reply.body, asked.url);
      } catch (const Error&) {  // a proxy's page
        reply.may_work = true;
        reply.failure =
            net::without_key(fmt::format("answers \"{}\" instead of JSON", excerpt(reply.body)),
                             options_.api_key_env);
      }
    }
    if (asked.method == "POST" && reply.asked && reply.may_work) return std::nullopt;
    wait_to_ask_again(asked, reply, attempt, since);
  }
}

std::optional<std::string> BatchService::upload(const fs::path& file, const std::string& name) {
  net::HttpRequest asked = request("POST", "/v1/files");
  const std::string boundary = "----" + name;
  asked.content_type = "multipart/form-data; boundary=" + boundary;
  asked.body = fmt::format(
      "--{0}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
      "--{0}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{1}\"\r\n"
      "Content-Type: application/jsonl\r\n\r\n{2}\r\n--{0}--\r\n",
      boundary, name, read_file(file));
  const std::optional<Json> answer = ask(asked);
  if (!answer) return std::nullopt;
  return some_id_in(JsonFields(*answer, asked.url), "id");
}

std::optional<std::string> BatchService::order(const std::string& file_id,
                                               const std::string& name) {
  net::HttpRequest asked = request("POST", "/v1/batches");
  asked.body = dump_json({{"input_file_id", file_id},
                          {"endpoint", "/v1/chat/completions"},
                          {"completion_window", kWindow},
                          {"metadata", {{"ponder", name}}}});
  const std::optional<Json> answer = ask(asked);
  if (!answer) return std::nullopt;
  return some_id_in(JsonFields(*answer, asked.url), "id");
}

std::optional<std::string> BatchService::find(net::HttpRequest list,
                                              const std::function<bool(const Json&)>& is_it) {
  list.query.emplace_back("limit", "100");
  const size_t num_fixed = list.query.size();
  for (int page = 0; page < kMostPages; ++page) {
    const std::optional<Json> answer = ask(list);
    const JsonFields fields(answer.value(), list.url);
    const size_t num_rows = fields.array("data").size();
    std::string last;
    for (size_t i = 0; i < num_rows; ++i) {
      const JsonFields row = fields.element("data", i);
      last = some_id_in(row, "id");
      if (is_it(row.json())) return last;
    }
    if (last.empty() || !fields.boolean_or("has_more", false)) break;
    list.query.resize(num_fixed);
    list.query.emplace_back("after", last);
  }
  return std::nullopt;
}

std::optional<std::string> BatchService::find_file(const std::string& name, int64_t bytes) {
  net::HttpRequest list = request("GET", "/v1/files");
  list.query = {{"purpose", "batch"}};
  return find(std::move(list), [&](const Json& file) {
    return file.value("filename", Json()) == name && file.value("bytes", Json()) == bytes;
  });
}

std::optional<std::string> BatchService::find_batch(const std::string& file_id) {
  return find(request("GET", "/v1/batches"),
              [&](const Json& batch) { return batch.value("input_file_id", Json()) == file_id; });
}

ServiceBatch BatchService::look(const std::string& batch_id) {
  const net::HttpRequest asked = request("GET", "/v1/batches/" + batch_id);
  const std::optional<Json> answer = ask(asked);
  const JsonFields fields(answer.value(), asked.url);
  ServiceBatch batch;
  batch.status = lower_ascii(fields.text("status"));
  batch.output_file = id_in(fields, "output_file_id");
  batch.error_file = id_in(fields, "error_file_id");
  if (fields.has("request_counts")) {
    const JsonFields counts = fields.fields("request_counts");
    batch.completed = counts.integer_or("completed", 0, 0, kMostResultBytes);
    batch.failed = counts.integer_or("failed", 0, 0, kMostResultBytes);
  }
  batch.problem = net::without_key(problem_in(fields.json()), options_.api_key_env);
  return batch;
}

void BatchService::cancel(const std::string& batch_id) {
  net::HttpRequest asked = request("POST", "/v1/batches/" + batch_id + "/cancel");
  asked.body = "{}";
  (void)ask(asked);  // whether it was heard is seen when the batch is looked at
}

void BatchService::download(const std::string& file_id, const fs::path& to) {
  net::HttpRequest asked = request("GET", "/v1/files/" + file_id + "/content");
  asked.limits.most_body_bytes = kMostResultBytes;
  const Clock::time_point since = Clock::now();
  for (int attempt = 0;; ++attempt) {
    OutputFile file(to);
    const Reply reply =
        once(asked, [&](std::string_view bytes) { file.write(bytes.data(), bytes.size()); });
    if (reply.failure.empty()) return file.commit();
    wait_to_ask_again(asked, reply, attempt, since);
  }
}

void BatchService::wait(milliseconds time) const {
  const Clock::time_point until = Clock::now() + time;
  while (true) {
    if (stop_ && *stop_) throw ServiceStopped{};
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    if (left <= milliseconds(0)) return;
    std::this_thread::sleep_for(std::min(left, kStopEvery));
  }
}

}  // namespace ponder::teach
