// ponder tokenize: text to token ids and back, one JSON object a line in, one a line out.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/json_fields.h"
#include "cli/command.h"
#include "tokenizer/chat_messages.h"
#include "tokenizer/template_choice.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct TokenizeOptions {
  CommonOptions common;
  std::string tokenizer, file = "-";
  tokenizer::TemplateChoice chat_template;
  bool decode = false, chat = false, add_special_tokens = false;
};

Json convert(const Json& row, const TokenizeOptions& options, const tokenizer::Tokenizer& tokenizer,
             const std::optional<tokenizer::ChatTemplate>& chat) {
  if (options.decode) return {{"text", tokenizer.decode(JsonFields(row, "").token_ids("ids"))}};
  if (chat) {
    const tokenizer::Conversation conversation = tokenizer::conversation_of(row);
    const std::string text = chat->render(conversation.messages, conversation.options);
    return {{"text", text}, {"ids", tokenizer.encode(text, options.add_special_tokens)}};
  }
  const std::string text = JsonFields(row, "").text("text");
  return {{"ids", tokenizer.encode(text, options.add_special_tokens)}};
}

void run(const TokenizeOptions& options) {
  const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(options.tokenizer);
  std::optional<tokenizer::ChatTemplate> chat;
  if (options.chat) {
    const std::filesystem::path path(options.tokenizer);
    chat = tokenizer::template_for(is_directory(path) ? path : path.parent_path(), tokenizer,
                                   options.chat_template);
  }
  JsonRowReader reader(options.file);
  LineOutput out("-", {});
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
  add_template_options(*command, options->chat_template);
  for (const char* name : {"--chat-template", "--allow-template-change"})
    command->get_option(name)->needs(chat);
  decode->excludes(chat)->excludes(special);
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  echo '{\"text\":\"1+1=2\"}' | ponder tokenize --tokenizer models/nano-base");
  command->callback([options] { run(*options); });
}

}  // namespace ponder::cli
