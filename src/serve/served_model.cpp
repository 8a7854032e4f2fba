#include "serve/served_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/version.h"

namespace ponder::serve {

std::string ServedModel::fingerprint() const {
  return fmt::format(
      "ponder-{}-{}{}", version(), sha256.substr(0, 16),
      precision == tensor::Precision::kF32 ? "" : fmt::format("-{}", tensor::to_string(precision)));
}

bool ServedModel::is_named(std::string_view name) const {
  return any_name || name == id() ||
         std::find(aliases.begin(), aliases.end(), name) != aliases.end();
}

Json model_entry(const ServedModel& model, std::string_view name) {
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "ponder"},
          {"root", model.id()},
          {"max_model_len", model.max_model_len},
          {"model_sha256", model.sha256},
          {"template_sha256", model.text->chat().sha256()},
          {"tokenizer_sha256", model.text->tokenizer().sha256()},
          {"precision", tensor::stored_name(model.precision)}};
}

Json model_list(const ServedModel& model) {
  Json entries = Json::array();
  entries.push_back(model_entry(model, model.id()));
  for (const std::string& alias : model.aliases) entries.push_back(model_entry(model, alias));
  return {{"object", "list"}, {"data", std::move(entries)}};
}

Json tokenizer_info(const ServedModel& model) {
  Json info = {{"tokenizer_class", "PreTrainedTokenizerFast"},
               {"model_max_length", model.max_model_len},
               {"tokenizer_sha256", model.text->tokenizer().sha256()}};
  for (const char* const name : {"bos_token", "eos_token", "pad_token"}) info[name] = nullptr;
  for (const auto& [name, token] : model.text->tokenizer().named_tokens()) info[name] = token;
  info["chat_template"] = model.text->chat().text();
  return info;
}

Json properties(const ServedModel& model, int max_batch) {
  return {{"default_generation_settings",
           {{"n_ctx", model.max_model_len},
            {"temperature", model.defaults.temperature},
            {"top_p", model.defaults.top_p},
            {"top_k", model.defaults.top_k}}},
          {"total_slots", max_batch},
          {"model_alias", model.aliases.empty() ? model.id() : model.aliases.front()},
          {"model_sha256", model.sha256},
          {"chat_template", model.text->chat().text()},
          {"build_info", fmt::format("ponder {}", version())}};
}

}  // namespace ponder::serve
