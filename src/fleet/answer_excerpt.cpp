#include "fleet/answer_excerpt.h"

#include <fmt/format.h>

#include <span>

#include "base/json.h"

namespace ponder::fleet {
namespace {

constexpr size_t kMostTextBytes = 8192, kMostIds = 1024;

std::string ends_of(const std::string& text) {
  if (text.size() <= kMostTextBytes) return text;
  const std::string head = whole_characters(text.substr(0, kMostTextBytes / 2));
  size_t tail = text.size() - kMostTextBytes / 2;
  while (tail < text.size() && (static_cast<unsigned char>(text[tail]) & 0xC0) == 0x80) ++tail;
  return fmt::format("{}\n[... {} bytes ...]\n{}", head, tail - head.size(), text.substr(tail));
}

void put_ids(Json& json, const char* name, std::span<const int32_t> ids) {
  if (ids.empty()) return;
  Json& list = json[name] = Json::array();
  const bool is_long = ids.size() > kMostIds;
  for (const int32_t id : is_long ? ids.first(kMostIds / 2) : ids) list.push_back(id);
  if (!is_long) return;
  for (const int32_t id : ids.last(kMostIds / 2)) list.push_back(id);
  json["left_out"][name] = ids.size() - kMostIds;
}

}  // namespace

std::string answer_excerpt(const Answer& answer) {
  Json json = Json::object();
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = ends_of(value);
  };
  put("text", answer.text);
  put_ids(json, "token_ids", answer.token_ids);
  if (answer.prompt_ids) put_ids(json, "prompt_token_ids", *answer.prompt_ids);
  put("finish_reason", answer.finish);
  put("stop_reason", answer.stop_reason);
  put("model", answer.model);
  put("system_fingerprint", answer.fingerprint);
  if (answer.usage) {
    json["usage"] = {{"prompt_tokens", answer.usage->prompt},
                     {"completion_tokens", answer.usage->completion}};
  }
  return json.empty() ? "" : dump_json(json);
}

}  // namespace ponder::fleet
