// ponder judge FILE: a verdict and its proof for every row.
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/mended_json.h"
#include "base/monitor.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/row_file.h"
#include "cli/stop_signals.h"
#include "data/gold.h"
#include "data/row_fields.h"
#include "data/row_source.h"
#include "data/shards.h"
#include "judge/judge.h"

namespace ponder::cli {
namespace {

struct JudgeCommand {
  CommonOptions common;
  std::string file, out;
  std::vector<std::string> fields;
  bool full_response = false;
  std::string units = "lenient", order = "lenient", forms = "exact";
};

struct Tally {
  uint64_t rows = 0;
  uint64_t unreadable = 0;  // no JSON: broken characters, a row that is cut
  std::array<uint64_t, 3> verdicts{};
  std::array<std::array<uint64_t, 3>, 2> by_expected{};  // [expected to be correct][verdict]
  uint64_t expected = 0;
};

// A value that cannot be read, as JSON does not have it: its row's fault.
struct UnreadableValue {
  std::string problem;
};

std::string text_of(const JsonRow& row, const char* key, const std::string& where) {
  const auto found = row.value.find(key);
  if (found == row.value.end()) return "";
  if (found->is_object() && found->contains(kUnreadable)) {
    throw UnreadableValue{
        fmt::format("\"{}\" is {}", key, found->at(kUnreadable).get<std::string>())};
  }
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number() || found->is_boolean()) return found->dump();
  throw Error(where, std::string("expected \"") + key + "\" to be a string or a number, found " +
                         excerpt(found->dump()));
}

judge::JudgeOptions options_of(const JsonRow& row, const std::string& kind,
                               const std::string& where) {
  judge::JudgeOptions options;
  const std::string type = text_of(row, "answer_type", where);
  if (!type.empty()) {
    const auto known = judge::answer_type_from_string(type);
    if (!known) {
      throw Error(where,
                  "expected \"answer_type\" math, choice, number or text, found " + excerpt(type));
    }
    options.type = *known;
  } else if (kind == "multiple_choice") {
    options.type = judge::AnswerType::kChoice;
  }
  const auto tolerance = row.value.find("tolerance");
  if (tolerance != row.value.end() && !tolerance->is_null()) {
    if (!tolerance->is_number() || !(tolerance->get<double>() >= 0) ||
        tolerance->get<double>() >= 1) {
      throw Error(where, "expected \"tolerance\" to be a number from 0 to below 1, found " +
                             excerpt(tolerance->dump()));
    }
    options.tolerance = tolerance->get<double>();
  }
  const auto choices = row.value.find("choices");
  if (choices != row.value.end() && !choices->is_null()) {
    if (!choices->is_array() || choices->size() > 26 ||
        !std::all_of(choices->begin(), choices->end(), [](const Json& c) { return c.is_string(); }))
      throw Error(where, "expected \"choices\" to be up to 26 strings, the first for A; found " +
                             excerpt(choices->dump()));
    options.choices = choices->get<std::vector<std::string>>();
  }
  return options;
}

// Under the names that gold answers have in files of problems.
std::string gold_of(const JsonRow& row, const std::string& where) {
  const data::RowFields fields(row.value);
  if (row.value.contains("gold")) return text_of(row, "gold", where);
  data::Changes uncounted;
  std::string gold;
  try {
    gold = data::gold_or_solution(fields, uncounted);
  } catch (const data::Rejection& why) {
    throw UnreadableValue{why.detail};
  }
  if (gold.empty()) {
    throw Error(where,
                "expected \"gold\" (or answer, expected_answer, ground_truth, final_answer, "
                "solution, target), found the fields " +
                    fields.keys(),
                "see ponder judge --help");
  }
  return gold;
}

judge::Judgement judge_row(const JsonRow& row, const JudgeCommand& command,
                           const std::string& where) {
  const bool has_prediction = row.value.contains("prediction");
  const std::string gold = gold_of(row, where);
  if (!has_prediction && !row.value.contains("response")) {
    throw Error(where, "expected \"prediction\" or \"response\"", "see ponder judge --help");
  }
  const std::string kind = text_of(row, "kind", where);
  if (!kind.empty() && kind != "equivalence" && kind != "response" && kind != "multiple_choice") {
    throw Error(where, "expected \"kind\" equivalence, response or multiple_choice, found " +
                           excerpt(kind));
  }
  const bool whole =
      kind.empty() ? command.full_response || !has_prediction : kind != "equivalence";
  judge::JudgeOptions options = options_of(row, kind, where);
  if (command.units == "strict") options.units = judge::Strictness::kStrict;
  if (command.order == "strict") options.order = judge::Strictness::kStrict;
  if (command.forms == "evaluated") options.forms = judge::Forms::kEvaluated;
  const std::string answer = text_of(row, has_prediction ? "prediction" : "response", where);
  if (!whole) return judge::judge_answer(gold, answer, options);
  judge::ResponseEnd end = judge::ResponseEnd::kFinished;
  const auto flag = row.value.find("finished");
  if (flag != row.value.end() && flag->is_boolean() && !flag->get<bool>()) {
    end = judge::ResponseEnd::kTokenLimit;
  }
  const std::string reason = text_of(row, "finish_reason", where);
  if (reason == "length") end = judge::ResponseEnd::kTokenLimit;
  if (reason == "repetition") end = judge::ResponseEnd::kRepetition;
  return judge::judge_response(gold, answer, end, options);
}

void count(Tally& tally, const JsonRow& row, judge::Verdict verdict) {
  const size_t index = static_cast<size_t>(verdict);
  ++tally.rows;
  ++tally.verdicts[index];
  for (const char* key : {"expected", "verdict"}) {
    const auto found = row.value.find(key);
    if (found == row.value.end() || !found->is_boolean()) continue;
    ++tally.expected;
    ++tally.by_expected[found->get<bool>() ? 1 : 0][index];
    return;
  }
}

void print_table(const Tally& tally) {
  print("{:<22} {:>9} {:>9} {:>9} {:>9}\n", "", "rows", "correct", "incorrect", "undecided");
  const auto line = [](const char* name, uint64_t rows, const std::array<uint64_t, 3>& v) {
    print("{:<22} {:>9} {:>9} {:>9} {:>9}\n", name, rows, v[0], v[1], v[2]);
  };
  line("all", tally.rows, tally.verdicts);
  if (tally.expected == 0) return;
  const auto& right = tally.by_expected[1];
  const auto& wrong = tally.by_expected[0];
  line("expected correct", right[0] + right[1] + right[2], right);
  line("expected incorrect", wrong[0] + wrong[1] + wrong[2], wrong);
  print("agreement {:.2f} %\n",
        100.0 * static_cast<double>(right[0] + wrong[1]) / static_cast<double>(tally.expected));
}

void run_judge(const JudgeCommand& command) {
  TerminalMonitor monitor(command.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  std::unique_ptr<RowFile> out;
  std::vector<judge::Verdict> kept;  // of the first rows
  const std::atomic<bool>* stop = nullptr;
  if (command.common.json || !command.out.empty()) {
    out =
        std::make_unique<RowFile>(command.out, data::shards_of(std::filesystem::path(command.file)),
                                  job_over(command.file, {{"command", "ponder judge"},
                                                          {"judge_version", judge::kVersion},
                                                          {"full_response", command.full_response},
                                                          {"fields", command.fields},
                                                          {"units", command.units},
                                                          {"order", command.order},
                                                          {"forms", command.forms}}),
                                  monitor);
    if (out->keeps()) stop = stop_flag();
    out->for_each([&](RowFile::Place, const JsonFields& row) {
      const auto verdict = judge::verdict_from_string(row.text("verdict"));
      if (!verdict) row.fail("verdict", "is none that is known");
      kept.push_back(*verdict);
    });
  }
  const std::unique_ptr<data::RowSource> reader =
      data::RowSource::open(command.file, data::FieldMap::parse(command.fields));
  Tally tally;
  const auto put = [&](Json id, judge::Verdict verdict, const std::string& proof) {
    if (!out || tally.rows < kept.size()) return;
    const Json line = {
        {"id", std::move(id)}, {"verdict", judge::to_string(verdict)}, {"proof", proof}};
    out->add({static_cast<int64_t>(tally.rows), 0}, dump_json(line));
  };
  // A row that cannot be read is that row's fault: undecided, and named.
  const auto unreadable = [&](uint64_t line, uint64_t, const std::string& problem) {
    put(line, judge::Verdict::kUndecided, "the row cannot be read: " + problem);
    ++tally.rows;
    ++tally.unreadable;
    ++tally.verdicts[static_cast<size_t>(judge::Verdict::kUndecided)];
    if (tally.unreadable == 1)
      monitor.warning(fmt::format("{}:{}: {}", reader->name(), line, problem));
  };
  JsonRow row;
  while (reader->next(row, unreadable)) {
    if (tally.rows < kept.size()) {
      count(tally, row, kept[tally.rows]);
      continue;
    }
    if (stop && stop->load()) out->stop();
    const std::string where = reader->name() + ":" + std::to_string(row.line);
    if (!row.value.is_object())
      throw Error(where, "expected a JSON object, found " + excerpt(row.value.dump()));
    judge::Judgement judgement;
    try {
      judgement = judge_row(row, command, where);
    } catch (const UnreadableValue& fault) {
      unreadable(row.line, row.byte_offset, fault.problem);
      continue;
    }
    const auto id = row.value.find("id");
    put(id == row.value.end() ? Json(row.line) : *id, judgement.verdict, judgement.proof);
    count(tally, row, judgement.verdict);
  }
  if (tally.unreadable > 0)
    monitor.warning(fmt::format("{} of {} rows cannot be read", tally.unreadable, tally.rows));
  if (tally.unreadable == tally.rows && tally.rows > 0)
    throw Error(command.file, "holds no row that can be read");
  if (out) out->finish();
  if (!command.common.json) print_table(tally);
}

}  // namespace

void register_judge(CLI::App& app) {
  auto command = std::make_shared<JudgeCommand>();
  CLI::App* sub =
      app.add_subcommand("judge", "verdicts: does an answer equal the gold answer, and why");
  sub->add_option(
         "FILE", command->file,
         "rows with gold (or answer, …) and prediction (or response); optional answer_type, "
         "tolerance, kind, "
         "choices")
      ->required();
  sub->add_option("--out", command->out,
                  std::string("file of the rows that --json prints") + kGoesOn);
  sub->add_flag("--full-response", command->full_response,
                "rows without a kind hold whole responses: find the final answer first");
  sub->add_option("--units", command->units,
                  "lenient: a unit may be missing on one side; strict: both sides name units that "
                  "convert into each other")
      ->check(one_of({"lenient", "strict"}))
      ->capture_default_str();
  sub->add_option("--order", command->order,
                  "lenient: lists without brackets are equal in any order; strict: in gold's order")
      ->check(one_of({"lenient", "strict"}))
      ->capture_default_str();
  sub->add_option("--forms", command->forms,
                  "where gold is a written number - exact: any form with its value counts; "
                  "evaluated: only a written number does, no 2^10 for 1024")
      ->check(one_of({"exact", "evaluated"}))
      ->capture_default_str();
  add_fields_option(*sub, command->fields);
  add_common_options(*sub, command->common);
  sub->footer("Example:\n  ponder judge responses.jsonl --full-response --json");
  sub->callback([command] { run_judge(*command); });
}

}  // namespace ponder::cli
