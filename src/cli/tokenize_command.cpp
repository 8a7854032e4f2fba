// ponder tokenize: text to token ids and back, one JSON object a line in, one a line out.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct TokenizeOptions {
  CommonOptions common;
  std::string tokenizer, file = "-";
  bool decode = false, chat = false, add_special_tokens = false;
};

const Json& field(const Json& row, const char* key, bool (Json::*is_type)() const noexcept,
                  std::string_view type_name) {
  const auto found = row.is_object() ? row.find(key) : row.end();
  if (!row.is_object() || found == row.end() || !((*found).*is_type)()) {
    throw Error("", fmt::format("expected an object with \"{}\" ({}), found {}", key, type_name,
                                excerpt(dump_json(row))));
  }
  return *found;
}

std::vector<int32_t> ids_of(const Json& row) {
  const Json& list = field(row, "ids", &Json::is_array, "token ids");
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      throw Error("", fmt::format("\"ids\": expected token ids, found {}", excerpt(dump_json(id))));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

std::vector<Message> messages_of(const Json& row) {
  const auto has = [](const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && !found->is_null();
  };
  std::vector<Message> messages;
  for (const Json& entry : field(row, "messages", &Json::is_array, "an array of messages")) {
    messages.push_back({field(entry, "role", &Json::is_string, "text").get<std::string>(),
                        field(entry, "content", &Json::is_string, "text").get<std::string>()});
    if (has(entry, "tool_calls")) throw Error("", "\"tool_calls\": tools are not supported");
  }
  if (has(row, "tools")) throw Error("", "\"tools\": tools are not supported");
  return messages;
}

bool generation_prompt_of(const Json& row) {
  if (!row.contains("add_generation_prompt")) return false;
  return field(row, "add_generation_prompt", &Json::is_boolean, "true or false").get<bool>();
}

Json convert(const Json& row, const TokenizeOptions& options, const Tokenizer& tokenizer,
             const std::optional<ChatTemplate>& chat) {
  if (options.decode) return {{"text", tokenizer.decode(ids_of(row))}};
  if (chat) {
    const std::string text = chat->render(messages_of(row), generation_prompt_of(row));
    return {{"text", text}, {"ids", tokenizer.encode(text, options.add_special_tokens)}};
  }
  const auto& text = field(row, "text", &Json::is_string, "text").get_ref<const std::string&>();
  return {{"ids", tokenizer.encode(text, options.add_special_tokens)}};
}

void run(const TokenizeOptions& options) {
  const Tokenizer tokenizer = Tokenizer::load(options.tokenizer);
  std::optional<ChatTemplate> chat;
  if (options.chat) chat = ChatTemplate::of(tokenizer);
  JsonRowReader reader(options.file);
  LineOutput out("-");
  JsonRow row;
  while (reader.next(row)) {
    try {
      out.write(dump_json(convert(row.value, options, tokenizer, chat)));
    } catch (const Error& error) {
      const std::string inner = error.where().empty() ? "" : error.where() + ": ";
      throw Error(fmt::format("{}:{}", reader.name(), row.line), inner + error.problem(),
                  error.advice());
    }
  }
  out.close();
}

}  // namespace

void register_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "text to token ids and back, JSON lines in and out");
  command->add_option("FILE", options->file, "JSON lines; - is standard input (default)");
  command->add_option("--tokenizer", options->tokenizer, "folder with tokenizer.json, or that file")
      ->required();
  auto* decode = command->add_flag("--decode", options->decode, "{\"ids\":[…]} to {\"text\":…}");
  auto* chat = command->add_flag("--chat", options->chat,
                                 "{\"messages\":…,\"add_generation_prompt\":bool} to "
                                 "{\"text\":…,\"ids\":[…]}, by the model's chat template");
  auto* special =
      command->add_flag("--add-special-tokens", options->add_special_tokens,
                        "add what the tokenizer adds around a text (special tokens in the "
                        "text are always recognised)");
  decode->excludes(chat)->excludes(special);
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  echo '{\"text\":\"1+1=2\"}' | ponder tokenize --tokenizer models/nano-base");
  command->callback([options] { run(*options); });
}

}  // namespace ponder::cli
