// What looks like vLLM, with a real ponder serve behind it: takes the fields of vLLM's completions and no
// others, knows its model by the name it is given, and says nothing that ponder serve alone says. What it
// answers is computed by ponder, so what ponder says of the same ids is the oracle.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "testing/raw_connection.h"
#include "testing/scripted_server.h"

namespace ponder::e2e {

class VllmFront {
 public:
  // `target`: a file "PORT NAME" of the server behind it and what it calls the model; read at every
  // request, so that a script can put another in its place.
  explicit VllmFront(std::filesystem::path target)
      : target_(std::move(target)), server_([this](testing::ScriptedConnection& c) { serve(c); }) {}

  std::string url() const { return server_.url(); }
  std::atomic<int> num_completions = 0, num_likeliest = 0, num_unknown_fields = 0;
  // Called before a rollout is asked for behind it, with its number from 1. Set while nobody asks.
  std::function<void(int)> before_completion;
  std::atomic<int> hold_from =
      1 << 30;  // rollouts of this number and more wait, as long as it is so
  std::atomic<int> hold_events =
      1 << 30;  // answers of rollouts wait behind so many events, as long as it is so
  std::atomic<int64_t> least_max_tokens = 1 << 30;  // that a rollout was asked with
  // Of rollouts: the models whose they are, in the order of their first.
  std::string models() {
    const std::lock_guard lock(mutex_);
    return models_;
  }

 private:
  struct Target {
    uint16_t port = 0;
    std::string name;
  };
  // Nothing where there is none yet.
  Target target() const {
    Target there;
    if (std::filesystem::exists(target_))
      std::istringstream(read_file(target_)) >> there.port >> there.name;
    return there;
  }

  static std::string asked(uint16_t port, const std::string& method, const std::string& path,
                           const std::string& body) {
    testing::RawConnection connection(port);
    connection.send(
        fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n"
                    "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                    method, path, port, body.size(), body));
    return connection.receive_answer(std::chrono::seconds(60));
  }

  void serve(testing::ScriptedConnection& c) {
    for (std::string request; !(request = c.read_request()).empty();) {
      const std::string body = request.substr(request.find("\r\n\r\n") + 4);
      const Target there = target();
      try {
        if (there.port == 0)
          c.answer(503, R"({"error":{"message":"no engine"}})");
        else if (request.starts_with("GET /v1/models "))
          list(c, there);
        else if (request.starts_with("POST /v1/completions "))
          complete(c, there, parse_json(body, "request"));
        else
          c.answer(404, R"({"detail":"Not Found"})");
      } catch (const std::exception&) {  // the server is gone
        return;
      }
    }
  }

  Json model_behind(const Target& there) {
    return parse_json(testing::body_of_answer(asked(there.port, "GET", "/v1/models", "")),
                      "models")["data"][0];
  }

  void list(testing::ScriptedConnection& c, const Target& there) {
    const Json model = model_behind(there);
    c.answer(200, dump_json({{"object", "list"},
                             {"data",
                              {{{"id", there.name},
                                {"object", "model"},
                                {"owned_by", "vllm"},
                                {"max_model_len", model["max_model_len"]}}}}}));
  }

  void complete(testing::ScriptedConnection& c, const Target& there, Json body) {
    static const std::set<std::string> known = {"model",
                                                "prompt",
                                                "max_tokens",
                                                "temperature",
                                                "top_p",
                                                "top_k",
                                                "min_p",
                                                "seed",
                                                "n",
                                                "stream",
                                                "stream_options",
                                                "stop",
                                                "stop_token_ids",
                                                "ignore_eos",
                                                "repetition_penalty",
                                                "presence_penalty",
                                                "frequency_penalty",
                                                "skip_special_tokens",
                                                "spaces_between_special_tokens",
                                                "include_stop_str_in_output",
                                                "add_special_tokens",
                                                "return_token_ids",
                                                "return_tokens_as_token_ids",
                                                "logprobs"};
    for (const auto& [key, value] : body.items()) num_unknown_fields += !known.contains(key);
    if (body["model"] != there.name) {
      c.answer(404, R"({"error":{"message":"The model does not exist.","code":404}})");
      return;
    }
    const std::string behind = model_behind(there)["id"];
    body["model"] = behind;
    if (body.contains("logprobs")) {
      ++num_likeliest;
    } else {
      const int number = ++num_completions;
      least_max_tokens = std::min<int64_t>(least_max_tokens, body["max_tokens"]);
      if (before_completion) before_completion(number);
      while (number >= hold_from) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const std::lock_guard lock(mutex_);
      if (models_.find(behind) == std::string::npos) models_ += behind + " ";
    }
    const bool stream = body.value("stream", false);
    const std::string answer = asked(there.port, "POST", "/v1/completions", dump_json(body));
    const std::string text = testing::body_of_answer(answer);
    if (testing::status_of_answer(answer) != 200 || !stream) {
      Json json = parse_json(text, "answer");
      if (testing::status_of_answer(answer) == 200) plain(json, there.name);
      c.answer(testing::status_of_answer(answer), dump_json(json));
      return;
    }
    c.begin_stream();
    std::istringstream lines(text);
    int events = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("data: ")) continue;
      while (events >= hold_events) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++events;
      if (line.find("[DONE]") == std::string::npos) {
        Json json = parse_json(line.substr(6), "event");
        plain(json, there.name);
        line = "data: " + dump_json(json);
      }
      c.chunk(line + "\n\n");
    }
    c.end_stream();
  }

  // What vLLM says of it.
  static void plain(Json& json, const std::string& name) {
    if (json.contains("model")) json["model"] = name;
    for (const char* key : {"system_fingerprint", "ponder"}) json.erase(key);
  }

  const std::filesystem::path target_;
  std::mutex mutex_;
  std::string models_;
  testing::ScriptedServer server_;  // the last: it serves with all the others
};

}  // namespace ponder::e2e
