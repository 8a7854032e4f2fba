// A batch service for tests: OpenAI's files and batches, of requests that Endpoint's questions are in. It fails as
// services do, by call: before it took anything, or after.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "teach/endpoint_fixture.h"
#include "testing/process.h"
#include "testing/scripted_server.h"

namespace ponder::teach {

class ServiceDouble {
 public:
  // How a call goes wrong. kLost: it is done, and nothing is said of it until the client has left.
  enum class Fault {
    kNone,
    kBusy,
    kRefused,
    kError,
    kErrorAfter,
    kPageAfter,
    kResetAfter,
    kLost,
    kHalf
  };
  struct Batch {
    std::string id, file_id, status = "in_progress", output, errors;
    Json metadata, problem;
    int64_t completed = 0;
    bool cancelled = false;
  };
  using Answers = std::function<Reply(int number, const Json& body)>;

  explicit ServiceDouble(Answers answers)
      : answers_(std::move(answers)),
        server_([this](testing::ScriptedConnection& c) { serve(c); }) {}

  std::string url() const { return server_.url() + "/v1"; }

  // Set before anything is asked. Calls: "upload", "order", "files", "batches", "look", "content", "cancel".
  std::map<std::string, std::deque<Fault>> faults;
  std::function<void(const std::string& call)> on_call;  // once it is done, before it is answered
  int looks_until_done = 1;
  bool has_lists = true;
  int lag = 0;  // looks at the list of batches that do not show the newest
  // Ends a batch instead of "completed", given its lines and how often a batch was ended.
  std::function<void(Batch& batch, const std::vector<Json>& lines, int times)> ending;

  // How often each custom_id was ordered.
  std::map<std::string, int> ordered() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, int> ordered;
    for (const Batch& batch : batches_)
      for (const Json& line : lines_in(batch.file_id)) ++ordered[line["custom_id"]];
    return ordered;
  }
  // Of other users of the account, newer than all there are.
  void add_others(int count) {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < count; ++i) {
      Batch& batch = batches_.emplace_back();
      batch.id = fmt::format("batch_{}", batches_.size());
      batch.file_id = "file-other";
    }
  }
  size_t num_batches() const { return locked(batches_).size(); }
  size_t num_files() const { return locked(files_).size(); }
  std::vector<std::string> calls() const { return locked(calls_); }
  std::vector<std::string> keys() const { return locked(keys_); }

  std::string result_of(const Json& line) const {
    const Json& body = line["body"];
    const std::string question = body["messages"].back()["content"];
    const int number = std::stoi(question.substr(question.find("is ") + 3));
    return dump_json(
               {{"id", "batch_req_1"},
                {"custom_id", line["custom_id"]},
                {"response",
                 {{"status_code", 200}, {"body", Endpoint::whole(answers_(number, body), body)}}},
                {"error", nullptr}}) +
           "\n";
  }
  static std::string expired(const Json& line) {
    return dump_json({{"custom_id", line["custom_id"]},
                      {"response", nullptr},
                      {"error", {{"code", "batch_expired"}, {"message", "expired"}}}}) +
           "\n";
  }

 private:
  struct File {
    std::string id, name, content;
  };
  struct Said {
    int status = 200;
    std::string body;
  };

  template <typename T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  std::vector<Json> lines_in(const std::string& file_id) const {
    std::vector<Json> lines;
    for (const File& file : files_)
      if (file.id == file_id)
        for (const std::string& line : testing::lines_of(file.content))
          lines.push_back(parse_json(line, "line"));
    return lines;
  }

  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      if (!answer(c, request)) return;
    }
  }

  bool answer(testing::ScriptedConnection& c, const std::string& request) {
    const std::string path = request.substr(0, request.find(" HTTP/1.1"));
    const std::string call = call_of(path);
    Fault fault = Fault::kNone;
    Said said;
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(call);
      if (const size_t key = request.find("Authorization: "); key != std::string::npos)
        keys_.push_back(request.substr(key + 15, request.find("\r\n", key) - key - 15));
      if (std::deque<Fault>& left = faults[call]; !left.empty()) {
        fault = left.front();
        left.pop_front();
      }
      if (fault == Fault::kBusy) said = {429, R"({"error":{"message":"slow down"}})"};
      if (fault == Fault::kRefused) said = {400, R"({"error":{"message":"not like this"}})"};
      if (fault == Fault::kError) said = {500, R"({"error":{"message":"not now"}})"};
      if (said.status == 200) said = done(call, path, request);
    }
    if (on_call) on_call(call);
    switch (fault) {
      case Fault::kErrorAfter:
        return c.answer(502, "{}"), true;
      case Fault::kPageAfter:
        return c.answer(200, "<html>a proxy</html>"), true;
      case Fault::kResetAfter:
        return c.reset(), false;
      case Fault::kLost:
        return c.gone_within(std::chrono::seconds(60)), false;
      case Fault::kHalf:
        c.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", said.body.size(),
                           said.body.substr(0, said.body.size() / 2)));
        return false;
      default:
        return c.answer(said.status, said.body), true;
    }
  }

  static std::string call_of(const std::string& path) {
    if (path.starts_with("POST /v1/files")) return "upload";
    if (path.ends_with("/cancel")) return "cancel";
    if (path.starts_with("POST /v1/batches")) return "order";
    if (path.ends_with("/content")) return "content";
    if (path.starts_with("GET /v1/files?")) return "files";
    if (path.starts_with("GET /v1/batches?")) return "batches";
    return "look";
  }
  static Said json(const Json& body) { return {200, dump_json(body)}; }
  static Said none(int status) { return {status, R"({"error":{"message":"no such thing"}})"}; }

  Said done(const std::string& call, const std::string& path, const std::string& request) {
    if (call == "upload") return upload(request);
    if (call == "order")
      return order(parse_json(request.substr(request.find("\r\n\r\n") + 4), "order"));
    if (call == "files" || call == "batches") return list(call, path);
    const std::string rest = path.substr(path.find("/v1/") + 4);
    const std::string id = rest.substr(
        rest.find('/') + 1, rest.rfind('/') > rest.find('/') ? rest.rfind('/') - rest.find('/') - 1
                                                             : std::string::npos);
    if (call == "content") {
      for (const File& file : files_)
        if (file.id == id) return {200, file.content};
      return none(404);
    }
    for (Batch& batch : batches_) {
      if (batch.id != id) continue;
      if (call == "cancel") batch.cancelled = true;
      if (call == "look" && batch.status == "in_progress" &&
          (batch.cancelled || ++looks_[id] >= looks_until_done))
        finish(batch);
      return json(shown(batch));
    }
    return none(404);
  }

  Said upload(const std::string& request) {
    const size_t name = request.find("filename=\"") + 10;
    const size_t begin = request.find("\r\n\r\n", name) + 4,
                 end = request.rfind("\r\n--", request.size() - 3);
    if (request.find("name=\"purpose\"\r\n\r\nbatch\r\n") == std::string::npos) return none(400);
    File& file = files_.emplace_back();
    file.id = fmt::format("file-{}", files_.size());
    file.name = request.substr(name, request.find('"', name) - name);
    file.content = request.substr(begin, end - begin);
    return json({{"id", file.id}, {"object", "file"}, {"filename", file.name}});
  }

  Said order(const Json& asked) {
    if (asked["endpoint"] != "/v1/chat/completions" || asked["completion_window"] != "24h" ||
        lines_in(asked["input_file_id"]).empty())
      return none(400);
    Batch& batch = batches_.emplace_back();
    batch.id = fmt::format("batch_{}", batches_.size());
    batch.file_id = asked["input_file_id"];
    batch.metadata = asked["metadata"];
    return json(shown(batch));
  }

  // Newest first, two at a time.
  Said list(const std::string& call, const std::string& path) {
    if (!has_lists) return none(404);
    Json rows = Json::array();
    if (call == "files") {
      for (const File& file : files_)
        rows.insert(rows.begin(),
                    Json{{"id", file.id}, {"filename", file.name}, {"bytes", file.content.size()}});
    } else {
      for (size_t i = 0; i < batches_.size(); ++i)
        if (lag <= 0 || i + 1 < batches_.size()) rows.insert(rows.begin(), shown(batches_[i]));
      --lag;
    }
    Json page = Json::array();
    const size_t after = path.find("after=");
    bool on = after == std::string::npos, more = false;
    for (const Json& row : rows) {
      if (on && page.size() == 2) more = true;
      if (on && page.size() < 2) page.push_back(row);
      on = on || row["id"] == path.substr(after + 6);
    }
    return json({{"object", "list"}, {"data", page}, {"has_more", more}});
  }

  std::string stored(const std::string& content) {
    if (content.empty()) return "";
    files_.push_back({fmt::format("file-{}", files_.size() + 1), "results", content});
    return files_.back().id;
  }

  void finish(Batch& batch) {
    const std::vector<Json> lines = lines_in(batch.file_id);
    if (batch.cancelled) {  // the first was answered before
      batch.status = "cancelled";
      batch.completed = 1;
      batch.output = result_of(lines[0]);
    } else if (ending) {
      batch.status = "completed";
      ending(batch, lines, ended_++);
    } else {
      batch.status = "completed";
      batch.completed = static_cast<int64_t>(lines.size());
      for (const Json& line : lines) batch.output += result_of(line);
    }
    batch.output = stored(batch.output);
    batch.errors = stored(batch.errors);
  }

  static Json shown(const Batch& batch) {
    const auto or_null = [](const std::string& id) { return id.empty() ? Json() : Json(id); };
    return {{"id", batch.id},
            {"object", "batch"},
            {"status", batch.status},
            {"input_file_id", batch.file_id},
            {"output_file_id", batch.status == "in_progress" ? Json() : or_null(batch.output)},
            {"error_file_id", batch.status == "in_progress" ? Json() : or_null(batch.errors)},
            {"errors", batch.problem},
            {"metadata", batch.metadata},
            {"request_counts", {{"total", 9}, {"completed", batch.completed}, {"failed", 0}}}};
  }

  mutable std::mutex mutex_;
  std::vector<File> files_;
  std::vector<Batch> batches_;
  std::map<std::string, int> looks_;
  std::vector<std::string> calls_, keys_;
  int ended_ = 0;
  Answers answers_;
  testing::ScriptedServer server_;
};

}  // namespace ponder::teach
