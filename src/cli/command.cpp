#include "cli/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "cli/number_option.h"
#include "tokenizer/instructions.h"
#include "tokenizer/thought_format.h"

namespace ponder::cli {

void add_common_options(CLI::App& command, CommonOptions& options) {
  add_number_option(command, "--threads", options.threads, 1, 1024,
                    "threads to use (default: all cores)");
  add_number_option(command, "--seed", options.seed, 0, std::numeric_limits<uint64_t>::max(),
                    "seed of every random choice (default: 1)");
  command.add_flag("--quiet", options.quiet, "no progress on standard error");
  command.add_flag("--json", options.json, "JSON on standard output and nothing else");
}

void add_template_options(CLI::App& command, tokenizer::TemplateChoice& choice) {
  std::vector<std::string> names;
  for (const std::string_view name : tokenizer::ChatTemplate::names()) names.emplace_back(name);
  command
      .add_option("--chat-template", choice.name,
                  "chat template by name (default: the model's own, recognised by its text)")
      ->check(one_of(names));
  command.add_flag("--allow-template-change", choice.allow_change,
                   "though the model or the rows were made with another template");
}

void add_thinking_option(CLI::App& command, tokenizer::TemplateChoice& choice) {
  command
      .add_option_function<std::string>(
          "--thinking", [&choice](const std::string& word) { choice.thinking = word == "on"; },
          "on or off, where the model's chat template can switch it, as Qwen3's does (default: as "
          "the template has it)")
      ->check(one_of({"on", "off"}));
}

void add_prompt_options(CLI::App& command, tokenizer::TemplateChoice& choice) {
  CLI::Option* instruction =
      command
          .add_option_function<std::string>(
              "--instruction",
              [&choice](const std::string& name) { tokenizer::instruct(name, choice); },
              "an instruction around the question, by name")
          ->check(one_of({"still-2", "boxed"}));
  command.add_option("--prompt-prefix", choice.prompt_prefix, "text in front of the question")
      ->excludes(instruction);
  command.add_option("--prompt-suffix", choice.prompt_suffix, "text behind the question")
      ->excludes(instruction);
}

void add_precision_option(CLI::App& command, std::optional<tensor::Precision>& precision) {
  command
      .add_option_function<std::string>(
          "--precision",
          [&precision](const std::string& name) {
            precision = tensor::precision_from_string(name);
          },
          "arithmetic: f32, or bf16, whose numbers are others but as exact: faster where the "
          "processor multiplies bf16, half the memory for the weights (default: bf16 above 100 "
          "million "
          "parameters, else f32)")
      ->check(one_of({"f32", "bf16"}));
}

void add_thought_tags_option(CLI::App& command, std::string& tags) {
  command
      .add_option("--thought-tags", tags,
                  "tags of your own around thought (and solution), e.g. '<reason>,</reason>'")
      ->check([](const std::string& text) {
        return tokenizer::thought_tags_from_string(text)
                   ? std::string()
                   : "expected two or four different tags parted by commas, found \"" + text + "\"";
      });
}

void add_fields_option(CLI::App& command, std::vector<std::string>& fields) {
  command
      .add_option("--fields", fields,
                  "what fields of the rows are, where layouts do not know them: "
                  "question=body,response=out.text,answer=key (also system, thought, chosen, "
                  "rejected, choices, id, …)")
      ->delimiter(',');
}

void add_tokens_option(CLI::App& command, std::vector<std::string>& tokens) {
  command
      .add_option("--add-tokens", tokens,
                  "texts that are to be one token each, e.g. '<reason>,</reason>': the tokenizer "
                  "gets them, the embedding a row for each")
      ->delimiter(',');
}

void add_thought_form_option(CLI::App& command, std::string& form) {
  command
      .add_option("--thought-form", form,
                  "how thoughts are trained: still (STILL-2's tags), think (<think>) or as-written "
                  "(default: think where <think> is a token of the tokenizer, else still)")
      ->check(one_of({"still", "think", "as-written"}));
}

void print_json(const Json& value) {
  const std::string text = dump_json(value) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

LineOutput::LineOutput(std::string path, const std::vector<std::filesystem::path>& reads)
    : path_(std::move(path)) {
  if (path_.empty() || path_ == "-") return;
  refuse_own_input("the output", path_, reads);
  file_ = std::make_unique<OutputFile>(path_);
}

void LineOutput::write(const std::string& line) {
  constexpr size_t kBufferBytes = 1 << 16;
  buffer_ += line;
  buffer_ += '\n';
  if (buffer_.size() >= kBufferBytes || !file_ || file_->direct()) flush();
}

void LineOutput::flush() {
  if (file_) {
    file_->write(buffer_.data(), buffer_.size());
  } else if (std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) != buffer_.size()) {
    throw Error("standard output", std::string("cannot be written: ") + std::strerror(errno));
  }
  buffer_.clear();
}

void LineOutput::close() {
  flush();
  if (file_) {
    file_->commit();
  } else if (std::fflush(stdout) != 0) {
    throw Error("standard output", std::string("cannot be written: ") + std::strerror(errno));
  }
}

void refuse_own_input(const std::string& flag, const std::filesystem::path& output,
                      const std::vector<std::filesystem::path>& inputs) {
  namespace fs = std::filesystem;
  std::error_code absent;
  const fs::path folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
  for (const fs::path& input : inputs) {
    const bool same = fs::equivalent(output, input, absent);
    const bool inside = fs::is_directory(input, absent) && fs::exists(output, absent) &&
                        fs::equivalent(folder, input, absent);
    if (!same && !inside) continue;
    throw Error(ErrorKind::kUsage, output.string(),
                flag + " names what the command reads (" + input.string() + ")",
                "choose another name");
  }
}

}  // namespace ponder::cli
