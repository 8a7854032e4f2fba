// ponder data check and ponder data show: what a file of problems or demonstrations holds, which
// rows are rejected and why, and the text the model will be trained on.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "cli/command.h"
#include "data/readers.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/rows.h"

namespace ponder::cli {
namespace {

struct DataOptions {
  CommonOptions common;
  std::string file, kind, tokenizer;
  TemplateChoice chat_template;
  int64_t rows = 3, max_length = 0;
  bool explain = false, allow_direct = false;
};

// Makes tokens of rows exactly as training and sampling do, and text of the tokens.
class Renderer {
 public:
  Renderer(const std::string& folder, const TemplateChoice& choice, int64_t max_length)
      : tokenizer_(Tokenizer::load(folder)),
        builder_(tokenizer_, template_for(folder, tokenizer_, choice), max_length) {}

  const RowBuilder& builder() const { return builder_; }
  std::vector<int32_t> tokens(const Problem& row) const {
    return builder_.prompt("", row.question);
  }
  std::vector<int32_t> tokens(const Demonstration& row) const {
    std::string reason, detail;
    const auto tokens =
        builder_.row(row.id, row.system, row.question, {row.response(), {}}, reason, detail);
    if (!tokens) throw Error(fmt::format("{}:{}", row.file, row.line), reason + ": " + detail);
    return tokens->tokens;
  }
  std::string text(const std::vector<int32_t>& tokens) const { return tokenizer_.decode(tokens); }

 private:
  Tokenizer tokenizer_;
  RowBuilder builder_;  // borrows tokenizer_
};

// What was read: one of the two is filled.
struct Rows {
  RowKind kind = RowKind::kProblems;
  std::vector<Problem> problems;
  std::vector<Demonstration> demonstrations;
  ReadReport report;
  std::vector<int64_t> lengths;  // tokens of each kept row, where there is a tokenizer
};

RowKind kind_of(const DataOptions& options) {
  if (options.kind == "problems") return RowKind::kProblems;
  if (options.kind == "demonstrations") return RowKind::kDemonstrations;
  if (options.file == "-") {  // looking at the first row would use it up
    throw Error("standard input", "expected --kind problems or --kind demonstrations");
  }
  return kind_of_rows(options.file);
}

void read(const DataOptions& options, const Renderer* renderer, Rows& rows) {
  rows.kind = kind_of(options);
  if (rows.kind == RowKind::kProblems) {
    ProblemReadOptions read_options;
    read_options.choice_seed = options.common.seed;
    rows.problems = read_problems(options.file, rows.report, read_options);
    if (!renderer) return;
    for (const Problem& row : rows.problems) {
      rows.lengths.push_back(static_cast<int64_t>(renderer->tokens(row).size()));
    }
    return;
  }
  DemonstrationReadOptions read_options;
  read_options.require_thought = !options.allow_direct;
  rows.demonstrations = read_demonstrations(options.file, rows.report, read_options);
  if (!renderer) return;
  for (const TokenRow& row :
       build_rows(renderer->builder(), rows.demonstrations, options.file, rows.report)) {
    rows.lengths.push_back(row.num_tokens());
  }
}

void print_report(const DataOptions& options, const Rows& rows) {
  const std::string_view kind = rows.kind == RowKind::kProblems ? "problems" : "demonstrations";
  std::vector<int64_t> tokens = rows.lengths;
  std::sort(tokens.begin(), tokens.end());
  const int64_t total = std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
  const double mean =
      tokens.empty() ? 0 : static_cast<double>(total) / static_cast<double>(tokens.size());
  if (options.common.json) {
    Json json = {{"file", options.file}, {"kind", kind}};
    json.update(to_json(rows.report, options.explain));
    if (!tokens.empty()) {
      json["tokens"] = {{"sum", total},
                        {"mean", mean},
                        {"median", tokens[tokens.size() / 2]},
                        {"max", tokens.back()}};
    }
    print_json(json);
    return;
  }
  fmt::print("{}: {}: {}\n", options.file, kind, rows.report.summary());
  if (!tokens.empty()) {
    fmt::print("tokens per row: mean {:.1f}, median {}, max {}\n", mean, tokens[tokens.size() / 2],
               tokens.back());
  }
  if (!options.explain) {
    if (rows.report.kept < rows.report.rows) fmt::print("--explain lists what was left out\n");
    return;
  }
  for (const auto* examples : {&rows.report.examples, &rows.report.duplicate_examples}) {
    for (const RejectedRow& row : *examples) {
      fmt::print("line {}, byte {}: {}: {}\n", row.line, row.byte_offset, row.reason, row.detail);
    }
  }
}

std::unique_ptr<Renderer> renderer_of(const DataOptions& options) {
  if (options.tokenizer.empty()) return nullptr;
  return std::make_unique<Renderer>(options.tokenizer, options.chat_template,
                                    options.max_length > 0 ? options.max_length : INT64_MAX);
}

void check(const DataOptions& options) {
  const auto renderer = renderer_of(options);
  Rows rows;
  try {
    read(options, renderer.get(), rows);
  } catch (const Error&) {
    // A file with nothing usable fails, but what became of its rows is what was asked for.
    if (rows.report.rows > 0) print_report(options, rows);
    throw;
  }
  print_report(options, rows);
}

void print_part(std::string_view name, const std::string& text) {
  if (!text.empty()) fmt::print("[{}]\n{}\n", name, text);
}

void print_row(const Problem& row) {
  fmt::print("{} | {} | level {} | {}:{}\n", row.id, row.domain,
             row.level.empty() ? "-" : row.level, row.file, row.line);
  print_part("question", row.question);
  print_part(fmt::format("answer, {}", to_string(row.answer_type)), row.answer);
}

void print_row(const Demonstration& row) {
  fmt::print("{} | {} | {}:{}\n", row.id.empty() ? "(no id)" : row.id, row.domain, row.file,
             row.line);
  print_part("system", row.system);
  print_part("question", row.question);
  print_part("thought", row.thought);
  print_part("solution", row.solution);
  print_part("gold", row.answer);
}

template <class Row>
void show_rows(const std::vector<Row>& rows, const DataOptions& options, const Renderer* renderer) {
  const size_t count = std::min(rows.size(), static_cast<size_t>(options.rows));
  for (size_t i = 0; i < count; ++i) {
    std::vector<int32_t> tokens;
    if (renderer) tokens = renderer->tokens(rows[i]);
    if (options.common.json) {
      Json json = to_json(rows[i]);
      if (renderer) {
        json["text"] = renderer->text(tokens);
        json["tokens"] = tokens.size();
      }
      print_json(json);
      continue;
    }
    fmt::print("{}--- row {} of {}: ", i == 0 ? "" : "\n", i + 1, rows.size());
    print_row(rows[i]);
    if (renderer) {
      fmt::print("[as the model sees it, {} tokens]\n{}\n", tokens.size(), renderer->text(tokens));
    }
  }
}

void show(const DataOptions& options) {
  const auto renderer = renderer_of(options);
  Rows rows;
  read(options, nullptr, rows);
  show_rows(rows.problems, options, renderer.get());
  show_rows(rows.demonstrations, options, renderer.get());
  if (!options.common.quiet) fmt::print(stderr, "{}\n", rows.report.summary());
}

CLI::App* add_command(CLI::App& data, const char* name, const char* description,
                      const std::shared_ptr<DataOptions>& options,
                      void (*action)(const DataOptions&)) {
  CLI::App* command = data.add_subcommand(name, description);
  command->add_option("FILE", options->file, "JSON lines or a JSON array, gzipped or not")
      ->required();
  command
      ->add_option("--kind", options->kind,
                   "problems or demonstrations (default: by the first row)")
      ->check(CLI::IsMember({"problems", "demonstrations"}));
  command->add_option("--tokenizer", options->tokenizer,
                      "folder with tokenizer.json: render and count as training does");
  add_template_options(*command, options->chat_template);
  command->add_flag("--allow-direct", options->allow_direct,
                    "keep demonstrations without a thought");
  add_common_options(*command, options->common);
  command->callback([options, action] { action(*options); });
  return command;
}

}  // namespace

void register_data(CLI::App& app) {
  auto options = std::make_shared<DataOptions>();
  CLI::App* data = app.add_subcommand("data", "look at files of problems and demonstrations");
  data->require_subcommand(1);
  data->footer("Example:\n  ponder data check demonstrations.jsonl --explain");
  CLI::App* check_command =
      add_command(*data, "check", "rows kept, rejected by reason, and duplicates", options, check);
  check_command
      ->add_option("--max-length", options->max_length,
                   "reject demonstrations of more tokens than this (with --tokenizer)")
      ->check(CLI::PositiveNumber)
      ->needs("--tokenizer");
  check_command->add_flag("--explain", options->explain,
                          "also list each row that was left out, and why");
  check_command->footer("Example:\n  ponder data check demonstrations.jsonl --explain");
  CLI::App* show_command =
      add_command(*data, "show", "rows as the model will see them", options, show);
  show_command->add_option("-n", options->rows, "rows to show (default: 3)")
      ->check(CLI::PositiveNumber);
  show_command->footer(
      "Example:\n  ponder data show demonstrations.jsonl -n 1 --tokenizer models/nano-base");
}

}  // namespace ponder::cli
