// ponder data check and ponder data show: what a file of problems, demonstrations or preferences
// holds, which rows are rejected and why, and the text the model will be trained on.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "cli/against_flag.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "data/contamination.h"
#include "data/readers.h"
#include "data/token_rows.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct DataOptions {
  CommonOptions common;
  std::string file, kind, tokenizer, thought_tags;
  tokenizer::TemplateChoice chat_template;
  std::vector<std::string> against;
  int64_t rows = 3, max_length = 0;
  bool explain = false, allow_direct = false, all_turns = false;
};

// With --tokenizer: what makes tokens of rows, as for training.
struct TextSide {
  TextSide(const DataOptions& options, int64_t max_length)
      : text(options.tokenizer, {options.chat_template}), builder(text, max_length) {}
  TextSide(const TextSide&) = delete;  // builder borrows text
  const data::ModelText text;
  const data::RowBuilder builder;
};

std::unique_ptr<TextSide> text_side(const DataOptions& options) {
  if (options.tokenizer.empty()) return nullptr;
  return std::make_unique<TextSide>(options,
                                    options.max_length > 0 ? options.max_length : INT64_MAX);
}

// A problem is a prompt: nothing of it is trained.
data::TokenRow tokens_of(const TextSide& side, const data::Problem& row) {
  data::TokenRow prompt;
  prompt.tokens = side.text.prompt_ids(row.question);
  prompt.num_prompt_tokens = prompt.num_tokens();
  prompt.loss_mask.assign(prompt.tokens.size(), 0);
  return prompt;
}
data::TokenRow tokens_of(const TextSide& side, const data::Demonstration& row) {
  auto tokens = side.builder.row(row.id, row);
  if (!tokens) {
    throw Error(fmt::format("{}:{}", row.file, row.line),
                tokens.why().reason + ": " + tokens.why().detail);
  }
  return std::move(*tokens);
}

// What was read: one of the three is filled.
struct Rows {
  data::RowKind kind = data::RowKind::kProblems;
  std::vector<data::Problem> problems;
  std::vector<data::Demonstration> demonstrations;
  std::vector<data::TokenPair> pairs;
  data::RowAccount report;
  std::vector<int64_t> lengths;  // tokens of each kept row, where there is a tokenizer
};

std::string_view to_string(data::RowKind kind) {
  switch (kind) {
    case data::RowKind::kProblems:
      return "problems";
    case data::RowKind::kDemonstrations:
      return "demonstrations";
    case data::RowKind::kPreferences:
      return "preferences";
  }
  return "";
}

data::RowKind kind_of(const DataOptions& options) {
  for (const data::RowKind kind :
       {data::RowKind::kProblems, data::RowKind::kDemonstrations, data::RowKind::kPreferences}) {
    if (options.kind == to_string(kind)) return kind;
  }
  if (options.file == "-") {  // looking at the first row would use it up
    throw Error("standard input",
                "expected --kind problems, --kind demonstrations or --kind preferences");
  }
  return data::kind_of_rows(options.file);
}

data::DemonstrationReadOptions demonstration_options(const DataOptions& options) {
  data::DemonstrationReadOptions read_options;
  read_options.require_thought = !options.allow_direct;
  read_options.all_turns = options.all_turns;
  if (!options.thought_tags.empty()) {
    read_options.thought_tags = *tokenizer::thought_tags_from_string(options.thought_tags);
  }
  return read_options;
}

void read(const DataOptions& options, const TextSide* side, Rows& rows) {
  rows.kind = kind_of(options);
  const data::ContaminationFilter filter = filter_against(options.against);
  if (rows.kind == data::RowKind::kProblems) {
    data::ProblemReadOptions read_options;
    read_options.choice_seed = options.common.seed;
    rows.problems = data::read_problems(options.file, rows.report, read_options);
    filter.filter(rows.problems, rows.report);
    if (!side) return;
    for (const data::Problem& row : rows.problems) {
      rows.lengths.push_back(tokens_of(*side, row).num_tokens());
    }
    return;
  }
  if (rows.kind == data::RowKind::kPreferences) {
    if (!side) {
      throw Error(options.file, "preferences are compared token by token",
                  "name the model's folder with --tokenizer");
    }
    if (!filter.empty()) {
      throw Error(options.file, "--against is for problems and demonstrations");
    }
    rows.pairs = data::read_pairs(side->builder, options.file, data::Align::kResponse, rows.report);
    for (const data::TokenPair& pair : rows.pairs) {
      rows.lengths.push_back(pair.chosen.num_tokens() + pair.rejected.num_tokens());
    }
    return;
  }
  rows.demonstrations =
      data::read_demonstrations(options.file, rows.report, demonstration_options(options));
  filter.filter(rows.demonstrations, rows.report);
  if (!side) return;
  for (const data::TokenRow& row :
       data::build_rows(side->builder, rows.demonstrations, options.file, rows.report)) {
    rows.lengths.push_back(row.num_tokens());
  }
}

void print_report(const DataOptions& options, const Rows& rows) {
  const std::string_view kind = to_string(rows.kind);
  std::vector<int64_t> tokens = rows.lengths;
  std::sort(tokens.begin(), tokens.end());
  const int64_t total = std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
  const double mean =
      tokens.empty() ? 0 : static_cast<double>(total) / static_cast<double>(tokens.size());
  if (options.common.json) {
    Json json = {{"file", options.file}, {"kind", kind}};
    json.update(data::to_json(rows.report, options.explain));
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
    for (const data::RejectedRow& row : *examples) {
      const bool byte_known = row.byte_offset > 0 || row.line == 1;
      fmt::print("line {}{}: {}: {}\n", row.line,
                 byte_known ? fmt::format(", byte {}", row.byte_offset) : "", row.reason,
                 row.detail);
    }
  }
}

void check(const DataOptions& options) {
  const auto side = text_side(options);
  Rows rows;
  try {
    read(options, side.get(), rows);
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

// What is known of a row and where it stands, in one line.
template <class Row>
void print_origin(const Row& row) {
  if (!row.id.empty()) fmt::print("{} | ", row.id);
  if (!row.domain.empty()) fmt::print("{} | ", row.domain);
  if (!row.level.empty()) fmt::print("level {} | ", row.level);
  fmt::print("{}:{}\n", row.file, row.line);
}

void print_row(const data::Problem& row) {
  print_origin(row);
  print_part(fmt::format("answer, {}", ponder::judge::to_string(row.answer_type)), row.answer);
}

void print_row(const data::Demonstration& row) {
  print_origin(row);
  print_part("gold", row.answer);
}

// What is trained in green on a terminal, in double brackets elsewhere.
std::string marked(const std::vector<std::pair<bool, std::string>>& parts) {
  const bool colour = ::isatty(STDOUT_FILENO) != 0;
  std::string text;
  for (const auto& [trained, part] : parts) {
    if (!trained || part.empty()) {
      text += part;
    } else {
      text += (colour ? "\x1b[32m" : "[[") + part + (colour ? "\x1b[0m" : "]]");
    }
  }
  return text;
}

// The row's tokens as text, parted where `trained` changes.
std::vector<std::pair<bool, std::string>> parts_of(const TextSide& side, const data::TokenRow& row,
                                                   const std::vector<uint8_t>& trained) {
  std::vector<std::pair<bool, std::string>> parts;
  for (size_t begin = 0, end = 0; begin < row.tokens.size(); begin = end) {
    while (end < row.tokens.size() && trained[end] == trained[begin]) ++end;
    parts.emplace_back(trained[begin] != 0, side.text.tokenizer().decode(
                                                {row.tokens.begin() + static_cast<int64_t>(begin),
                                                 row.tokens.begin() + static_cast<int64_t>(end)}));
  }
  return parts;
}

// Without a tokenizer: as ChatML, which most templates are.
std::vector<std::pair<bool, std::string>> chatml_parts(const data::Problem& row) {
  const std::vector<tokenizer::Message> messages = {{"user", row.question}};
  return {{false, tokenizer::ChatTemplate::named("chatml").render(messages, true)}};
}
std::vector<std::pair<bool, std::string>> chatml_parts(const data::Demonstration& row) {
  const tokenizer::ChatTemplate chat = tokenizer::ChatTemplate::named("chatml");
  std::vector<tokenizer::Message> messages;
  if (!row.system.empty()) messages.push_back({"system", row.system});
  for (const data::Turn& turn : row.history) {
    messages.push_back({turn.assistant ? "assistant" : "user", turn.content});
  }
  messages.push_back({"user", row.question});
  return {{false, chat.render(messages, true)},
          {true, row.response() + std::string(chat.end_of_turn())}};
}

std::string joined(const std::vector<std::pair<bool, std::string>>& parts, bool only_trained) {
  std::string text;
  for (const auto& [trained, part] : parts) {
    if (trained || !only_trained) text += part;
  }
  return text;
}

template <class Row>
void show_rows(const std::vector<Row>& rows, const DataOptions& options, const TextSide* side) {
  const size_t count = std::min(rows.size(), static_cast<size_t>(options.rows));
  for (size_t i = 0; i < count; ++i) {
    std::vector<std::pair<bool, std::string>> parts;
    std::string lengths = "in ChatML; name the model's folder with --tokenizer for its own";
    data::TokenRow row;
    if (side) {
      row = tokens_of(*side, rows[i]);
      parts = parts_of(*side, row, row.loss_mask);
      lengths = fmt::format("{} tokens, {} trained", row.num_tokens(), row.num_loss_tokens());
    } else {
      parts = chatml_parts(rows[i]);
    }
    if (options.common.json) {
      Json json = ponder::data::to_json(rows[i]);
      json["text"] = joined(parts, false);
      json["trained_text"] = joined(parts, true);
      if (side) {
        json["tokens"] = row.num_tokens();
        json["trained_tokens"] = row.num_loss_tokens();
      }
      print_json(json);
      continue;
    }
    fmt::print("{}--- row {} of {}: ", i == 0 ? "" : "\n", i + 1, rows.size());
    print_row(rows[i]);
    fmt::print("[as the model sees it, {}]\n{}\n", lengths, marked(parts));
  }
}

void show_pairs(const std::vector<data::TokenPair>& pairs, const DataOptions& options,
                const TextSide& side) {
  const size_t count = std::min(pairs.size(), static_cast<size_t>(options.rows));
  for (size_t i = 0; i < count; ++i) {
    const data::TokenPair& pair = pairs[i];
    const auto chosen = parts_of(side, pair.chosen, pair.chosen_aligned),
               rejected = parts_of(side, pair.rejected, pair.rejected_aligned);
    if (options.common.json) {
      print_json({{"name", pair.name},
                  {"chosen", joined(chosen, false)},
                  {"rejected", joined(rejected, false)},
                  {"chosen_tokens", pair.chosen.num_tokens()},
                  {"rejected_tokens", pair.rejected.num_tokens()}});
      continue;
    }
    fmt::print("{}--- pair {} of {}: {}\n[chosen, {} tokens]\n{}\n[rejected, {} tokens]\n{}\n",
               i == 0 ? "" : "\n", i + 1, pairs.size(), pair.name, pair.chosen.num_tokens(),
               marked(chosen), pair.rejected.num_tokens(), marked(rejected));
  }
}

void show(const DataOptions& options) {
  const auto side = text_side(options);
  Rows rows;
  // Only pairs are made of tokens; the lengths of all rows are not asked for.
  const bool pairs = kind_of(options) == data::RowKind::kPreferences;
  read(options, pairs ? side.get() : nullptr, rows);
  show_rows(rows.problems, options, side.get());
  show_rows(rows.demonstrations, options, side.get());
  if (!rows.pairs.empty()) show_pairs(rows.pairs, options, *side);
  if (!options.common.quiet) std::fprintf(stderr, "%s\n", rows.report.summary().c_str());
}

CLI::App* add_command(CLI::App& data, const char* name, const char* description,
                      const std::shared_ptr<DataOptions>& options,
                      void (*action)(const DataOptions&)) {
  CLI::App* command = data.add_subcommand(name, description);
  command->add_option("FILE", options->file, "JSON lines, a JSON array (gzip or zstd) or Parquet")
      ->required();
  command
      ->add_option("--kind", options->kind,
                   "problems, demonstrations or preferences (default: by the first row)")
      ->check(CLI::IsMember({"problems", "demonstrations", "preferences"}));
  command->add_option("--tokenizer", options->tokenizer,
                      "folder with tokenizer.json: render and count as training does");
  add_template_options(*command, options->chat_template);
  command->add_flag("--allow-direct", options->allow_direct,
                    "keep demonstrations without a thought");
  command->add_flag("--all-turns", options->all_turns,
                    "of a conversation train every assistant turn, not the last alone");
  add_thought_tags_option(*command, options->thought_tags);
  add_common_options(*command, options->common);
  command->callback([options, action] { action(*options); });
  return command;
}

}  // namespace

void register_data(CLI::App& app) {
  auto options = std::make_shared<DataOptions>();
  CLI::App* data =
      app.add_subcommand("data", "look at files of problems, demonstrations and preferences");
  data->require_subcommand(1);
  data->footer("Example:\n  ponder data check demonstrations.jsonl --explain");
  CLI::App* check_command =
      add_command(*data, "check", "rows kept, rejected by reason, and duplicates", options, check);
  add_number_option(*check_command, "--max-length", options->max_length, 1, kMany,
                    "reject demonstrations of more tokens than this (with --tokenizer)")
      ->needs("--tokenizer");
  check_command->add_flag("--explain", options->explain,
                          "also list each row that was left out, and why");
  add_against_option(*check_command, options->against);
  check_command->footer(
      "Example:\n  ponder data check problems.jsonl --against MATH_OAI.jsonl,AIME24.jsonl "
      "--explain");
  CLI::App* show_command =
      add_command(*data, "show", "rows as the model will see them", options, show);
  add_number_option(*show_command, "-n", options->rows, 1, kMany, "rows to show (default: 3)");
  show_command->footer(
      "Example:\n  ponder data show demonstrations.jsonl -n 1 --tokenizer models/nano-base");
}

}  // namespace ponder::cli
