// ponder data check and ponder data show: what a file of problems, demonstrations, preferences or a
// teacher's rejected answers holds, which rows are rejected and why, and the text the model will be trained on.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.h"
#include "cli/against_flag.h"
#include "cli/clean_flags.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/where_flags.h"
#include "data/askable.h"
#include "data/contamination.h"
#include "data/readers.h"
#include "data/rejected_answers.h"
#include "data/token_rows.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace ponder::cli {
namespace {

struct DataOptions {
  CommonOptions common;
  std::string file, kind, tokenizer, thought_tags, thought_form, align = "thought";
  tokenizer::TemplateChoice chat_template;
  std::vector<std::string> against, fields, add_tokens;
  int64_t rows = 3, max_length = 0;
  bool explain = false, allow_direct = false, all_turns = false;
  CleanFlags clean;
  WhereFlags where;
};

// With --tokenizer: what makes tokens of rows, as for training.
struct TextSide {
  TextSide(const DataOptions& options, int64_t max_length)
      : text(options.tokenizer,
             {.chat_template = options.chat_template,
              .add_tokens = options.add_tokens,
              .thought_form = data::thought_form_from_string(options.thought_form)}),
        builder(text, max_length) {}
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

// What was read: one of the four is filled.
struct Rows {
  data::RowKind kind = data::RowKind::kProblems;
  std::vector<data::Problem> problems;
  std::vector<data::Demonstration> demonstrations;
  std::vector<data::TokenPair> pairs;
  std::vector<data::RejectedAnswer> rejected;
  data::RowAccount report;
  std::map<int64_t, int64_t> lengths;  // kept rows by their tokens, where there is a tokenizer
};

std::string_view to_string(data::RowKind kind) {
  switch (kind) {
    case data::RowKind::kProblems:
      return "problems";
    case data::RowKind::kDemonstrations:
      return "demonstrations";
    case data::RowKind::kPreferences:
      return "preferences";
    case data::RowKind::kRejectedAnswers:
      return "rejected answers";
  }
  return "";
}

data::RowKind kind_of(const DataOptions& options, data::PeekedRows& source) {
  for (const data::RowKind kind :
       {data::RowKind::kProblems, data::RowKind::kDemonstrations, data::RowKind::kPreferences}) {
    if (options.kind == to_string(kind)) return kind;
  }
  return data::kind_of_rows(source);
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

void read_preferences(const DataOptions& options, const TextSide* side, data::RowSource& source,
                      Rows& rows) {
  if (!side) {
    throw Error(options.file, "preferences are compared token by token",
                "name the model's folder with --tokenizer");
  }
  if (!options.against.empty() || !options.clean.filters.empty() ||
      !conditions_of(options.where).empty()) {
    throw Error(options.file,
                "--against, --filters, --where and --except are for problems and demonstrations");
  }
  data::PairReadOptions read_options;
  read_options.align = *data::align_from_string(options.align);
  read_options.thought_tags = demonstration_options(options).thought_tags;
  rows.pairs = data::read_pairs(side->builder, source, read_options, rows.report);
  for (const data::TokenPair& pair : rows.pairs)
    ++rows.lengths[pair.chosen.num_tokens() + pair.rejected.num_tokens()];
}

// `keep` of them; all are counted by the reasons they have.
void read_rejected(const DataOptions& options, size_t keep, data::RowSource& source, Rows& rows) {
  if (!options.tokenizer.empty() || !options.against.empty() || !options.clean.filters.empty()) {
    throw Error(ErrorKind::kUsage, options.file,
                "--tokenizer, --against and --filters are for rows to train on, and these are a "
                "teacher's rejected answers");
  }
  data::RowConditions conditions = conditions_of(options.where);
  data::visit_rejected_answers(source, rows.report, conditions.empty() ? nullptr : &conditions,
                               [&](data::RejectedAnswer answer) {
                                 if (rows.rejected.size() < keep)
                                   rows.rejected.push_back(std::move(answer));
                               });
}

// Tokens of a row; a demonstration may be one that cannot be trained on.
data::Accepted<int64_t> num_tokens(const TextSide& side, const data::Problem& row) {
  const auto prompt = data::prompt_of(side.text, row, {});
  if (!prompt) return prompt.why();
  return static_cast<int64_t>(prompt->size());
}
data::Accepted<int64_t> num_tokens(const TextSide& side, const data::Demonstration& row) {
  const auto tokens = side.builder.row(row.id, row);
  if (!tokens) return tokens.why();
  return tokens->num_tokens();
}

// Reads the file once, which may be a pipe. All rows are counted, the first `keep` of those that
// stay are kept: memory does not grow with the file. Of pairs all are kept.
enum class Count { kRows, kTokens };
void read(const DataOptions& options, const TextSide* side, size_t keep, Count what, Rows& rows) {
  const bool counts_tokens = side && what == Count::kTokens;
  data::PeekedRows source(
      data::RowSource::open(options.file, data::FieldMap::parse(options.fields)));
  rows.kind = kind_of(options, source);
  if (rows.kind == data::RowKind::kPreferences)
    return read_preferences(options, side, source, rows);
  if (rows.kind == data::RowKind::kRejectedAnswers)
    return read_rejected(options, keep, source, rows);
  const data::ContaminationFilter filter = filter_against(options.against);
  const clean::Options cleaning = clean_options(options.clean);
  if (rows.kind == data::RowKind::kProblems) {
    for (const std::string& name : options.clean.filters) {
      const auto filter_named = clean::filter_from_string(name);
      if (!filter_named || clean::suits_problems(*filter_named)) continue;
      throw Error(ErrorKind::kUsage, "--filters",
                  fmt::format("{} looks at responses, and {} has problems", name, options.file),
                  "problems can be filtered by gibberish, too-short, too-long and near-duplicate");
    }
  }
  clean::Cleaner cleaner(cleaning);
  data::RowAccount left_out;  // after they were read
  const auto leave_out = [&](const auto& row, const data::Rejection& why) {
    left_out.reject({why, row.file, row.line, 0, row.id});
  };
  const auto keep_row = [&](auto row, auto& kept) {
    if (counts_tokens) {
      const data::Accepted<int64_t> tokens = num_tokens(*side, row);
      if (!tokens) return leave_out(row, tokens.why());
      ++rows.lengths[*tokens];
    }
    if (kept.size() < keep) kept.push_back(std::move(row));
  };
  const auto take = [&](auto row, auto& kept, auto& waiting) {
    const auto match = filter.empty() ? std::nullopt : filter.find(row);
    if (match) return leave_out(row, {"contaminated", match->describe()});
    if (!cleaning.filters.empty()) {
      if (const auto why = cleaner.check(row)) return leave_out(row, *why);
    }
    if (!cleaning.by_quantile()) return keep_row(std::move(row), kept);
    waiting.push_back(std::move(row));  // for the others' lengths
  };
  const auto settle = [&](auto& waiting, auto& kept) {
    std::vector<int64_t> lengths, sorted;
    for (const auto& row : waiting) lengths.push_back(clean::num_words(row));
    sorted = lengths;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < waiting.size(); ++i) {
      if (const auto why = clean::outside_quantiles(sorted, lengths[i], cleaning)) {
        leave_out(waiting[i], *why);
      } else {
        keep_row(std::move(waiting[i]), kept);
      }
    }
  };
  const auto account = [&] {
    for (const auto& [reason, count] : left_out.rejected) rows.report.kept -= count;
    rows.report.merge(left_out);
  };
  std::vector<data::Problem> problems;
  std::vector<data::Demonstration> demonstrations;
  data::RowConditions conditions = conditions_of(options.where);
  data::RowConditions* const wanted = conditions.empty() ? nullptr : &conditions;
  try {
    if (rows.kind == data::RowKind::kProblems) {
      data::visit_problems(
          source, rows.report, {.choice_seed = options.common.seed, .conditions = wanted},
          [&](data::Problem row) { take(std::move(row), rows.problems, problems); });
    } else {
      data::DemonstrationReadOptions read_options = demonstration_options(options);
      read_options.conditions = wanted;
      data::visit_demonstrations(source, rows.report, read_options, [&](data::Demonstration row) {
        take(std::move(row), rows.demonstrations, demonstrations);
      });
    }
    settle(problems, rows.problems);
    settle(demonstrations, rows.demonstrations);
  } catch (const Error&) {
    account();
    throw;
  }
  account();
  if (!cleaning.filters.empty() && rows.report.kept == 0) {
    throw Error(options.file, fmt::format("the filters leave no row ({})", rows.report.summary()),
                "leave one out, or give it a wider limit");
  }
  if (counts_tokens && rows.kind == data::RowKind::kDemonstrations && rows.report.kept == 0) {
    throw Error(options.file, fmt::format("no row is left to train on ({})", rows.report.summary()),
                "raise --max-length if rows are too long");
  }
}

// What was cut, joined or left empty in rows that were kept.
void print_changes(const data::RowAccount& report) {
  for (const auto& [what, count] : report.changed) print("changed: {} {}\n", what, count);
}

void print_report(const DataOptions& options, const Rows& rows) {
  const std::string_view kind = to_string(rows.kind);
  int64_t count = 0, total = 0, median = 0, below = 0;
  for (const auto& [tokens, num_rows] : rows.lengths) {
    count += num_rows;
    total += tokens * num_rows;
  }
  for (const auto& [tokens, num_rows] : rows.lengths) {
    if (below <= count / 2) median = tokens;
    below += num_rows;
  }
  const double mean = count == 0 ? 0 : static_cast<double>(total) / static_cast<double>(count);
  const int64_t longest = count == 0 ? 0 : rows.lengths.rbegin()->first;
  if (options.common.json) {
    Json json = {{"file", options.file}, {"kind", kind}};
    json.update(data::to_json(rows.report, options.explain));
    if (count > 0) {
      json["tokens"] = {{"sum", total}, {"mean", mean}, {"median", median}, {"max", longest}};
    }
    print_json(json);
    return;
  }
  print("{}: {}: {}\n", options.file, kind, rows.report.summary());
  if (count > 0) print("tokens per row: mean {:.1f}, median {}, max {}\n", mean, median, longest);
  if (!options.explain) {
    if (rows.report.kept < rows.report.rows) print("--explain lists what was left out\n");
    return;
  }
  print_changes(rows.report);
  for (const auto* examples : {&rows.report.examples, &rows.report.duplicate_examples}) {
    for (const data::RejectedRow& row : *examples) {
      const bool byte_known = row.byte_offset > 0 || row.line == 1;
      print("line {}{}{}: {}: {}\n", row.line,
            byte_known ? fmt::format(", byte {}", row.byte_offset) : "",
            row.id.empty() ? "" : ", " + row.id, row.reason, row.detail);
    }
  }
}

void check(const DataOptions& options) {
  const auto side = text_side(options);
  Rows rows;
  try {
    read(options, side.get(), 0, Count::kTokens, rows);
  } catch (const Error&) {
    // A file with nothing usable fails, but what became of its rows is what was asked for.
    if (rows.report.rows > 0) print_report(options, rows);
    throw;
  }
  print_report(options, rows);
}

void print_part(std::string_view name, const std::string& text) {
  if (text.empty()) return;
  print("[{}]\n", name);
  print_text(text + "\n");
}

// What is known of a row and where it stands, in one line.
template <class Row>
void print_origin(const Row& row) {
  if (!row.id.empty()) print("{} | ", row.id);
  if (!row.domain.empty()) print("{} | ", row.domain);
  if (!row.level.empty()) print("level {} | ", row.level);
  print("{}:{}\n", row.file, row.line);
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
void print_marked(const std::vector<std::pair<bool, std::string>>& parts) {
  const bool colour = colours();
  for (const auto& [trained, part] : parts) {
    const bool marked = trained && !part.empty();
    if (marked) std::fputs(colour ? "\x1b[32m" : "[[", stdout);
    print_text(part);
    if (marked) std::fputs(colour ? "\x1b[0m" : "]]", stdout);
  }
  print_text("\n");
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

// `total`: of all rows, of which these are the first.
template <class Row>
void show_rows(const std::vector<Row>& rows, uint64_t total, const DataOptions& options,
               const TextSide* side) {
  for (size_t i = 0; i < rows.size(); ++i) {
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
        json["token_ids"] = row.tokens;
        json["loss_mask"] = row.loss_mask;
      }
      print_json(json);
      continue;
    }
    if (i > 0) print_text("\n");
    print("--- row {} of {}: ", i + 1, total);
    print_row(rows[i]);
    print("[as the model sees it, {}]\n", lengths);
    print_marked(parts);
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
                  {"rejected_tokens", pair.rejected.num_tokens()},
                  {"chosen_token_ids", pair.chosen.tokens},
                  {"rejected_token_ids", pair.rejected.tokens},
                  {"chosen_loss_mask", pair.chosen.loss_mask},
                  {"rejected_loss_mask", pair.rejected.loss_mask},
                  {"chosen_aligned", pair.chosen_aligned},
                  {"rejected_aligned", pair.rejected_aligned}});
      continue;
    }
    if (i > 0) print_text("\n");
    print("--- pair {} of {}: {}\n[chosen, {} tokens]\n", i + 1, pairs.size(), pair.name,
          pair.chosen.num_tokens());
    print_marked(chosen);
    print("[rejected, {} tokens]\n", pair.rejected.num_tokens());
    print_marked(rejected);
  }
}

void show_rejected(const std::vector<data::RejectedAnswer>& answers, const DataOptions& options) {
  for (size_t i = 0; i < answers.size(); ++i) {
    const data::RejectedAnswer& answer = answers[i];
    if (options.common.json) {
      print_json(answer.row);
      continue;
    }
    if (i > 0) print_text("\n");
    print("--- {}: {}{}{}\n", answer.id, answer.reason, answer.detail.empty() ? "" : ": ",
          answer.detail);
    print_part("question", answer.question);
    print_part("gold", answer.answer);
    print_part("thought", answer.thought);
    print_part(fmt::format("text, ended by {}", answer.finish_reason), answer.text);
    print_part("refusal", answer.refusal);
  }
}

void show(const DataOptions& options) {
  const auto side = text_side(options);
  Rows rows;
  read(options, side.get(), static_cast<size_t>(options.rows), Count::kRows, rows);
  show_rows(rows.problems, rows.report.kept, options, side.get());
  show_rows(rows.demonstrations, rows.report.kept, options, side.get());
  show_rejected(rows.rejected, options);
  if (!rows.pairs.empty()) show_pairs(rows.pairs, options, *side);
  if (!options.common.quiet) tell(rows.report.summary());
}

CLI::App* add_command(CLI::App& data, const char* name, const char* description,
                      const std::shared_ptr<DataOptions>& options,
                      void (*action)(const DataOptions&)) {
  CLI::App* command = data.add_subcommand(name, description);
  command
      ->add_option("FILE", options->file,
                   "JSON lines, a JSON array, CSV or Arrow (gzip or zstd) or Parquet; a folder of "
                   "such files, or a pattern")
      ->required();
  command
      ->add_option("--kind", options->kind,
                   "problems, demonstrations or preferences (default: by the first row)")
      ->check(one_of({"problems", "demonstrations", "preferences"}));
  command->add_option("--tokenizer", options->tokenizer,
                      "folder with tokenizer.json: render and count as training does");
  add_template_options(*command, options->chat_template);
  add_tokens_option(*command, options->add_tokens);
  add_prompt_options(*command, options->chat_template);
  command->add_flag("--allow-direct", options->allow_direct,
                    "keep demonstrations without a thought");
  command->add_flag("--all-turns", options->all_turns,
                    "of a conversation train every assistant turn, not the last alone");
  add_fields_option(*command, options->fields);
  add_where_options(*command, options->where);
  add_thought_tags_option(*command, options->thought_tags);
  add_thought_form_option(*command, options->thought_form);
  command
      ->add_option("--align", options->align,
                   "preferences: the part they are about, as for ponder dpo")
      ->check(one_of({"thought", "solution", "response"}))
      ->capture_default_str();
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
  add_clean_options(*check_command, options->clean);
  check_command->footer(
      "Example:\n  ponder data check problems.jsonl --against MATH_OAI.jsonl,AIME24.jsonl "
      "--explain\n  ponder data check demonstrations.jsonl --filters near-duplicate,repetition "
      "--explain");
  CLI::App* show_command =
      add_command(*data, "show", "rows as the model will see them", options, show);
  add_number_option(*show_command, "-n", options->rows, 1, kMany, "rows to show (default: 3)");
  show_command->footer(
      "Example:\n  ponder data show demonstrations.jsonl -n 1 --tokenizer models/nano-base");
}

}  // namespace ponder::cli
