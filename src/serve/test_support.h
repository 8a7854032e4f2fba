// Test-only: a server of models/nano-base and a client of it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "generate/inference_model.h"
#include "serve/server.h"
#include "testing/folders.h"
#include "testing/raw_connection.h"

namespace ponder::serve {

// Once a program: its weights are never written.
inline generate::InferenceModel& nano_base() {
  static ThreadPool threads(1);
  static generate::InferenceModel model(testing::source_dir() / "models" / "nano-base", threads);
  return model;
}

inline ServedModel served_nano() {
  ServedModel model;
  model.text = &nano_base().text();
  model.sha256 = nano_base().sha256();
  model.aliases = {"nano"};
  model.max_model_len = nano_base().config().max_position_embeddings;
  return model;
}

inline std::string request_of(const std::string& path, const Json& body) {
  const std::string text = dump_json(body);
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(text.size()) + "\r\n\r\n" + text;
}

struct Answered {
  int status = 0;
  std::string head, body;
  bool complete = false;
  Json json() const { return parse_json(body, "answer"); }
};

inline Answered answered(const std::string& raw) {
  Answered answer;
  answer.status = testing::status_of_answer(raw);
  answer.head = raw.substr(0, raw.find("\r\n\r\n"));
  answer.body = testing::body_of_answer(raw, &answer.complete);
  return answer;
}

inline Answered post(uint16_t port, const std::string& path, const Json& body) {
  testing::RawConnection client(port);
  client.send(request_of(path, body));
  return answered(client.receive_answer(std::chrono::seconds(100)));
}

inline Answered get(uint16_t port, const std::string& path) {
  testing::RawConnection client(port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return answered(client.receive_answer());
}

// The data of a stream's events; "[DONE]" must be the last, and is left out.
inline std::vector<Json> events_of(const std::string& body) {
  std::vector<Json> events;
  bool done = false;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find("\n\n", at);
    const std::string event = body.substr(at, end - at);
    at = end == body.npos ? body.size() : end + 2;
    if (event.starts_with(": ")) continue;
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    EXPECT_FALSE(done) << event;
    done = event == "data: [DONE]";
    if (!done) events.push_back(parse_json(event.substr(6), "event"));
  }
  EXPECT_TRUE(done) << body;
  return events;
}

inline bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace ponder::serve
