// What the commands share. Each command is one file, <name>_command.cpp, with one function that
// registers its subcommand, flags and callback; main.cpp lists them. A callback returns normally
// (exit 0) or throws Error (exit 1); CLI11 itself reports wrong usage (exit 2).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "base/output_file.h"
#include "cli/value_checks.h"
#include "tensor/precision.h"
#include "tokenizer/template_choice.h"

namespace ponder::cli {

struct CommonOptions {
  int threads = 0;  // 0: all cores
  uint64_t seed = 1;
  bool quiet = false;
  bool json = false;
};

// Adds --threads, --seed, --quiet and --json to a subcommand.
void add_common_options(CLI::App& command, CommonOptions& options);

// Adds --chat-template and --allow-template-change to a subcommand that loads a model.
void add_template_options(CLI::App& command, tokenizer::TemplateChoice& choice);
// Adds --thinking on|off to a subcommand that asks a model.
void add_thinking_option(CLI::App& command, tokenizer::TemplateChoice& choice);
// Adds --instruction, --prompt-prefix and --prompt-suffix to a subcommand that asks questions.
void add_prompt_options(CLI::App& command, tokenizer::TemplateChoice& choice);
// Adds --precision, the arithmetic of the model that the command loads; nothing: the model's usual.
void add_precision_option(CLI::App& command, std::optional<tensor::Precision>& precision);
// Adds --thought-tags, checked.
void add_thought_tags_option(CLI::App& command, std::string& tags);
// Adds --fields: what the fields of rows are, where a file has names of its own (data::FieldMap).
void add_fields_option(CLI::App& command, std::vector<std::string>& fields);
// Adds --add-tokens: tokens that the model's tokenizer is to gain.
void add_tokens_option(CLI::App& command, std::vector<std::string>& tokens);
// Adds --thought-form: "" (by the model's tokenizer) or a form's name.
void add_thought_form_option(CLI::App& command, std::string& form);

// One JSON object and a newline on standard output.
void print_json(const Json& value);

// Where a file of lines goes: "-" or "" is standard output, anything else an OutputFile, which
// `close` commits. `reads`: what the command reads; the file may not be one of these.
class LineOutput {
 public:
  LineOutput(std::string path, const std::vector<std::filesystem::path>& reads);
  void write(const std::string& line);
  void close();

 private:
  void flush();

  std::string path_, buffer_;
  std::unique_ptr<OutputFile> file_;  // none: standard output
};

// Throws Error (usage) if the file `output` of the flag `flag` is one of the `inputs`, or a file in
// one of them that is a folder, by whatever name: it would be gone before it is read again.
void refuse_own_input(const std::string& flag, const std::filesystem::path& output,
                      const std::vector<std::filesystem::path>& inputs);

void register_tokenize(CLI::App& app);
void register_judge(CLI::App& app);
void register_data(CLI::App& app);
void register_pool(CLI::App& app);
void register_why(CLI::App& app);
void register_synth(CLI::App& app);
void register_inspect(CLI::App& app);
void register_init(CLI::App& app);
void register_sft(CLI::App& app);
void register_dpo(CLI::App& app);
void register_generate(CLI::App& app);
void register_score(CLI::App& app);
void register_eval(CLI::App& app);
void register_bench(CLI::App& app);
void register_run(CLI::App& app);
void register_plan(CLI::App& app);
void register_status(CLI::App& app);
void register_report(CLI::App& app);
void register_dash(CLI::App& app);
void register_refine(CLI::App& app);
void register_compare(CLI::App& app);
void register_benchmarks(CLI::App& app);
void register_study(CLI::App& app);
void register_doctor(CLI::App& app);
void register_fleet(CLI::App& app);
void register_teach(CLI::App& app);
void register_chat(CLI::App& app);
void register_serve(CLI::App& app);
void register_export(CLI::App& app);
void register_recipes(CLI::App& app);
// These three speak of all commands of `app`, which must outlive them.
void register_help(CLI::App& app);
void register_version(CLI::App& app);
void register_completion(CLI::App& app);

}  // namespace ponder::cli
