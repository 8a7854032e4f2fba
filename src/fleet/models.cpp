#include "fleet/models.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/json_fields.h"

namespace ponder::fleet {
namespace {

constexpr size_t kMostNames = 8;

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNames; ++i)
    text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", excerpt(names[i]));
  if (names.size() > kMostNames) text += fmt::format(" and {} more", names.size() - kMostNames);
  return text.empty() ? "none" : text;
}

// The kind that an entry says it is of, where it does: nobody else calls itself so.
std::optional<ServerKind> said_kind(const JsonFields& model) {
  const std::string owner = model.text_or("owned_by", "");
  if (owner == "ponder") return ServerKind::kPonder;
  if (owner == "vllm") return ServerKind::kVllm;
  if (owner == "sglang") return ServerKind::kSglang;
  if (owner == "llamacpp") return ServerKind::kLlamaServer;
  return std::nullopt;
}

}  // namespace

ServedModel find_model(const Json& models, const WantedModel& wanted, const std::string& server) {
  const JsonFields top(models, server, "", "is it the address of an inference server?");
  std::vector<std::string> names;
  std::vector<JsonFields> entries;
  for (size_t i = 0; i < top.array("data").size(); ++i) {
    entries.push_back(top.element("data", i));
    names.push_back(entries.back().text("id"));
  }
  for (const JsonFields& entry : entries) {
    const std::optional<ServerKind> kind = said_kind(entry);
    if (!kind || *kind == wanted.kind || wanted.kind == ServerKind::kOpenai) continue;
    throw Error(server,
                fmt::format("is a server of kind {}, asked as one of kind {}", to_string(*kind),
                            to_string(wanted.kind)),
                fmt::format("--server-kind {}, in a recipe fleet.kind = \"{}\"", to_string(*kind),
                            to_string(*kind)));
  }
  const bool by_weights = wanted.kind == ServerKind::kPonder && !wanted.model_sha256.empty();
  const JsonFields* found = nullptr;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (wanted.name.empty() ? entries.size() == 1 || by_weights : names[i] == wanted.name) {
      if (by_weights && wanted.name.empty() &&
          entries[i].text_or("model_sha256", "") != wanted.model_sha256 && entries.size() > 1)
        continue;
      found = &entries[i];
    }
  }
  if (!found && wanted.name.empty()) {
    throw Error(server, fmt::format("has several models: {}", names_of(names)),
                "say which with --served-model NAME");
  }
  if (!found) {
    throw Error(
        ErrorKind::kNotFound, server,
        fmt::format("has no model \"{}\"; it has {}", excerpt(wanted.name), names_of(names)),
        "give one of these with --served-model NAME");
  }
  if (by_weights) {
    const std::string sha256 = found->text_or("model_sha256", "");
    if (sha256.empty()) {
      throw Error(server, "does not say the hash of its weights, as ponder serve does",
                  "is it of another --server-kind?");
    }
    if (sha256 != wanted.model_sha256) {
      throw Error(ErrorKind::kNotFound, server,
                  fmt::format("has other weights: {} there, {} here", sha256.substr(0, 16),
                              wanted.model_sha256.substr(0, 16)),
                  "start it with the same model folder: ponder serve DIR");
    }
    const std::string precision = found->text_or("precision", "f32");
    if (precision != wanted.precision) {
      throw Error(server,
                  fmt::format("computes in {}, and the rows are to be in {}", excerpt(precision),
                              wanted.precision),
                  "give both the same --precision, and the same version of ponder");
    }
  }
  ServedModel model;
  model.name = found->text("id");
  constexpr int64_t kMany = int64_t{1} << 40;
  model.max_model_len = found->integer_or("max_model_len", 0, 0, kMany);
  if (const Json* meta = found->find("meta"); meta && wanted.kind == ServerKind::kLlamaServer)
    model.max_model_len = JsonFields(*meta, server, "meta").integer_or("n_ctx", 0, 0, kMany);
  return model;
}

}  // namespace ponder::fleet
