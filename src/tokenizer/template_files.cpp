#include "tokenizer/template_files.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json_fields.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

bool is_text(const Json& json, const char* key, const std::string& text) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() && found->get_ref<const std::string&>() == text;
}

}  // namespace

std::map<std::string, std::string> template_files(const fs::path& base, const ChatTemplate& chat) {
  std::map<std::string, std::string> files;
  const std::string& text = chat.text();
  const std::string end(chat.end_of_turn());
  const fs::path jinja = base / "chat_template.jinja", config = base / "tokenizer_config.json",
                 processor = base / "chat_template.json", tokens = base / "special_tokens_map.json";
  const auto read = [](const fs::path& path) {
    Json json = fs::exists(path) ? read_json_file(path) : Json::object();
    [[maybe_unused]] const JsonFields object(json, path.string());  // or it throws
    return json;
  };
  const auto put = [&](const fs::path& path, const Json& json) {
    files[path.filename().string()] = json.dump(2) + "\n";
  };
  Json settings = read(config);
  const bool has_jinja = fs::exists(jinja);
  const bool in_settings = is_text(settings, "chat_template", text);
  const bool jinja_agrees = has_jinja ? read_file(jinja) == text : in_settings;
  const bool settings_agree = settings.contains("chat_template") ? in_settings : jinja_agrees;
  if (!jinja_agrees) files["chat_template.jinja"] = text;
  const bool names_end = is_text(settings, "eos_token", end) ||
                         (settings.contains("eos_token") && settings["eos_token"].is_object() &&
                          is_text(settings["eos_token"], "content", end));
  if (!settings_agree || !names_end) {
    if (!settings_agree) settings["chat_template"] = text;
    if (!names_end) settings["eos_token"] = end;
    put(config, settings);
  }
  if (fs::exists(processor)) {
    Json json = read(processor);
    if (!is_text(json, "chat_template", text)) {
      json["chat_template"] = text;
      put(processor, json);
    }
  }
  if (!names_end && fs::exists(tokens)) {
    Json json = read(tokens);
    if (json.contains("eos_token")) {
      json["eos_token"] = end;
      put(tokens, json);
    }
  }
  return files;
}

Json template_record(const ChatTemplate& chat) {
  return {{"template_sha256", chat.sha256()},
          {"chat_template", chat.name()},
          {"template_text_sha256", sha256_hex(chat.text())}};
}

}  // namespace ponder::tokenizer
