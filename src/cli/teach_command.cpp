// ponder teach: a teacher's answers to problems, kept, judged and written as demonstrations.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/sampling_flags.h"
#include "cli/served_evaluation.h"
#include "cli/server_flags.h"
#include "cli/stop_signals.h"
#include "data/readers.h"
#include "data/shards.h"
#include "teach/batch_files.h"
#include "teach/batches.h"
#include "teach/money.h"
#include "teach/teacher.h"

namespace ponder::cli {
namespace {

struct TeachOptions {
  CommonOptions common;
  ServerFlags servers;
  ServedFlags served;
  tokenizer::TemplateChoice prompt;
  std::vector<std::string> problems, fields, again, read_batch;
  std::string out, write_batch, batch, system, license, units, order, forms;
  std::string price_input, price_cached_input, price_output, currency = "USD", budget;
  double temperature = -1, top_p = -1, max_failed = 0.01;
  int samples = 1, enough_correct = 1, max_tokens = 32'768;
  int64_t limit = 0, overhead_tokens = 0, probe = 0;
  bool allow_direct = false, send_seed = false, overhead_given = false;
};

[[noreturn]] void refuse_value(const std::string& flag, const std::string& problem,
                               const std::string& advice) {
  throw Error(ErrorKind::kUsage, flag, problem, advice);
}

teach::Units price_of(const std::string& flag, const std::string& text) {
  if (const auto price = teach::price_from_text(text)) return *price;
  refuse_value(flag,
               fmt::format("expected a price per million tokens, found \"{}\"", excerpt(text)),
               "digits and a point, with up to six decimals: 0.55");
}

teach::Prices prices_of(const TeachOptions& options) {
  teach::Prices prices;
  prices.currency = options.currency;
  prices.given = !options.price_input.empty() || !options.price_output.empty();
  if (!prices.given) {
    if (!options.budget.empty())
      refuse_value("--budget", "is money, and there are no prices",
                   "--price-input and --price-output say what a million tokens cost");
    if (!options.price_cached_input.empty())
      refuse_value("--price-cached-input", "is given without --price-input", "give all prices");
    return prices;
  }
  if (options.price_input.empty() || options.price_output.empty())
    refuse_value(options.price_input.empty() ? "--price-input" : "--price-output", "is missing",
                 "both are needed, 0 for nothing");
  prices.input = price_of("--price-input", options.price_input);
  prices.output = price_of("--price-output", options.price_output);
  prices.cached_input = options.price_cached_input.empty()
                            ? prices.input
                            : price_of("--price-cached-input", options.price_cached_input);
  return prices;
}

std::vector<data::Problem> problems_of(const TeachOptions& options, Monitor& monitor) {
  std::vector<data::Problem> problems;
  for (const std::string& file : options.problems) {
    data::RowAccount account;
    std::vector<data::Problem> own = data::read_problems(
        file, account,
        {.choice_seed = options.common.seed, .fields = data::FieldMap::parse(options.fields)});
    if (account.kept != account.rows) monitor.warning(account.summary());
    std::move(own.begin(), own.end(), std::back_inserter(problems));
  }
  const auto limit = static_cast<size_t>(options.limit);
  if (limit > 0 && limit < problems.size()) problems.resize(limit);
  return problems;
}

teach::TeacherSettings settings_of(const TeachOptions& options) {
  teach::TeacherSettings settings;
  settings.fleet = fleet_options(options.servers, fleet::ServerKind::kOpenai);
  settings.fleet.rules.first_window = 4;
  settings.fleet.seed = options.common.seed;
  settings.fleet.chat.max_tokens_field = options.served.max_tokens_field;
  settings.fleet.chat.send_sampling = false;
  settings.fleet.chat.send_seed = options.send_seed;
  settings.fleet.chat.extra = extra_fields(options.served.extra);
  if (options.temperature >= 0) settings.fleet.chat.extra["temperature"] = options.temperature;
  if (options.top_p >= 0) settings.fleet.chat.extra["top_p"] = options.top_p;
  settings.system = options.system;
  settings.prompt_prefix = options.prompt.prompt_prefix;
  settings.prompt_suffix = options.prompt.prompt_suffix;
  settings.samples = options.samples;
  settings.enough_correct = options.enough_correct;
  settings.max_tokens = options.max_tokens;
  settings.seed = options.common.seed;
  settings.prices = prices_of(options);
  if (!options.budget.empty()) {
    settings.budget = teach::amount_from_text(options.budget);
    if (!settings.budget)
      refuse_value("--budget",
                   fmt::format("expected an amount, found \"{}\"", excerpt(options.budget)),
                   "digits and a point: 25.00");
  }
  if (options.overhead_given) settings.overhead_tokens = options.overhead_tokens;
  settings.rules.strictness = {eval::strictness_of(options.units),
                               eval::strictness_of(options.order), eval::forms_of(options.forms)};
  settings.rules.allow_direct = options.allow_direct;
  settings.max_failed = options.max_failed;
  settings.license = options.license;
  return settings;
}

// What is asked of the command beside asking: batch files.
struct BatchResult {
  std::vector<teach::BatchFile> written;
  std::optional<teach::BatchAccount> read;
  std::optional<teach::Batches> at_service;
};

const std::map<std::string, teach::BatchAction> kBatchActions = {
    {"submit", teach::BatchAction::kSubmit},
    {"wait", teach::BatchAction::kWait},
    {"fetch", teach::BatchAction::kFetch},
    {"cancel", teach::BatchAction::kCancel}};

void show(const TeachOptions& options, const teach::Teacher& teacher,
          const teach::TeacherFiles& files, const BatchResult& batch) {
  const teach::TeacherReport report = teacher.report();
  if (options.common.json) {
    Json json = report.json();
    if (batch.read) json["read"] = batch.read->json();
    if (batch.at_service) {
      json["fetched"] = batch.at_service->read().json();
      json["batches"] = batch.at_service->json();
    }
    if (!options.write_batch.empty()) {
      json["batch_files"] = Json::array();
      for (const teach::BatchFile& file : batch.written)
        json["batch_files"].push_back(
            {{"file", file.file.string()}, {"lines", file.lines}, {"bytes", file.bytes}});
    }
    if (options.probe > 0 || teacher.ended_by_budget())
      json["estimate"] = teacher.estimate().json();
    json["demonstrations"] = files.demonstrations.string();
    print_json(json);
    return;
  }
  if (batch.read) print("read: {}\n", batch.read->text());
  if (batch.at_service) {
    if (batch.at_service->read().lines > 0) print("fetched: {}\n", batch.at_service->read().text());
    for (const std::string& line : batch.at_service->texts()) print("{}\n", line);
  }
  for (const teach::BatchFile& file : batch.written)
    print("{}: {} requests\n", file.file.string(), file.lines);
  print("{}\n{}\n", report.text(), report.money());
  if (const auto cut = report.rejected.find("length"); cut != report.rejected.end()) {
    print("{} were cut; --again length --max-tokens {} asks them anew{}\n", cut->second,
          report.longer_max_tokens,
          report.currency.empty() ? ""
                                  : fmt::format(", for at most {} {}", report.currency,
                                                teach::amount_text(report.longer_worst)));
  }
  if (options.probe > 0) {
    const teach::Estimate likely = teacher.estimate();
    print("{}\n", likely.requests_text());
    if (const std::string answer = likely.answer_text(); !answer.empty()) print("{}\n", answer);
    print("{}\n", likely.total_text());
  }
}

// A probe asks a server, now, for what nobody has answered.
void refuse_with_probe(const TeachOptions& options) {
  if (options.probe == 0) return;
  const std::pair<const char*, bool> others[] = {{"--batch", !options.batch.empty()},
                                                 {"--write-batch", !options.write_batch.empty()},
                                                 {"--read-batch", !options.read_batch.empty()},
                                                 {"--again", !options.again.empty()}};
  for (const auto& [flag, given] : others) {
    if (given)
      refuse_value("--probe", fmt::format("does not go with {}", flag),
                   fmt::format("first the probe, then the same command with {}", flag));
  }
}

void run_teach(const TeachOptions& options) {
  refuse_with_probe(options);
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  teach::TeacherSettings settings = settings_of(options);
  const teach::TeacherFiles files = teach::teacher_files(options.out);
  const std::vector<std::filesystem::path> inputs = data::shards_of(options.problems);
  for (const auto& file : {files.demonstrations, files.rejected, files.database})
    refuse_own_input("--out", file, inputs);
  const bool has_server = options.servers.any(), by_batches = !options.batch.empty();
  const bool asks = has_server && !by_batches;
  if (by_batches && !has_server)
    refuse_value("--batch", "is of a service, and none is named", "name it with --server URL");
  if (!has_server && options.write_batch.empty() && options.read_batch.empty())
    refuse_value("--server", "is missing", "--server URL, or batch files: --write-batch FILE");
  if (has_server && !options.write_batch.empty())
    refuse_value("--write-batch", "writes the requests that --server would be asked",
                 "give one of the two");
  std::vector<data::Problem> problems = problems_of(options, monitor);
  const fleet::FleetOptions service = settings.fleet;
  teach::Teacher teacher(std::move(problems), std::move(settings), files, monitor);
  BatchResult batch;
  if (!options.read_batch.empty()) {
    const std::vector<std::filesystem::path> read(options.read_batch.begin(),
                                                  options.read_batch.end());
    batch.read = teach::read_batch(teacher, read, monitor);
  }
  if (by_batches)
    batch.at_service.emplace(teacher, teach::BatchOptions{.service = service, .limits = {}}, files,
                             stop_flag(), monitor);
  try {
    teacher.check_bills();
    if (!options.again.empty()) teacher.again(options.again);
    if (!options.write_batch.empty())
      batch.written = teach::write_batch(teacher, options.write_batch);
    const bool finished = by_batches ? batch.at_service->run(kBatchActions.at(options.batch))
                          : !asks    ? true
                          : options.probe > 0 ? teacher.probe(options.probe, stop_flag())
                                              : teacher.ask(stop_flag());
    teacher.write_rows();
    show(options, teacher, files, batch);
    if (finished) return;
  } catch (const Error&) {
    try {
      teacher.write_rows();
      show(options, teacher, files, batch);
    } catch (const Error&) {
      // Of the two the first is what went wrong; the rows are written by the next command.
    }
    throw;
  }
  monitor.info("stopped: the same command goes on from what is kept in " + files.database.string());
  throw Stopped{stop_signal()};
}

void add_money_flags(CLI::App& command, TeachOptions& options) {
  command.add_option("--price-input", options.price_input,
                     "price of a million prompt tokens, e.g. 0.55; without prices only tokens are "
                     "counted");
  command.add_option("--price-cached-input", options.price_cached_input,
                     "of a million prompt tokens that the provider had cached (default: as "
                     "--price-input)");
  command.add_option("--price-output", options.price_output,
                     "of a million completion tokens, thoughts included");
  command.add_option("--currency", options.currency, "what prices are in, a word (default: USD)");
  command.add_option("--budget", options.budget,
                     "money that may be spent in all: nothing is sent that could go beyond");
  add_number_option(command, "--probe", options.probe, 1, kMany,
                    "ask for the first sample of so many problems alone, spread over all of them, "
                    "and say what the command without --probe will likely take; the answers are "
                    "kept");
  add_number_option(command, "--overhead-tokens", options.overhead_tokens, 0, kMany,
                    "tokens beyond a request's own that may be billed, of prompt and answer each "
                    "(default: 1024 of the prompt, none of the answer)");
}

void add_judge_flags(CLI::App& command, TeachOptions& options) {
  command.add_option("--units", options.units, "as in ponder eval")
      ->check(one_of({"lenient", "strict"}))
      ->default_str("lenient");
  command.add_option("--order", options.order, "as in ponder eval")
      ->check(one_of({"lenient", "strict"}))
      ->default_str("lenient");
  command.add_option("--forms", options.forms, "as in ponder eval")
      ->check(one_of({"exact", "evaluated"}))
      ->default_str("exact");
  command.add_flag("--allow-direct", options.allow_direct,
                   "right answers without a thought are demonstrations too");
}

}  // namespace

void register_teach(CLI::App& app) {
  auto options = std::make_shared<TeachOptions>();
  CLI::App* command = app.add_subcommand(
      "teach", "ask a teacher for long thoughts and keep the right ones as demonstrations");
  command
      ->add_option("--server", options->servers.servers,
                   "address of an OpenAI-compatible chat endpoint (ponder serve too), or several, "
                   "separated by commas")
      ->delimiter(',');
  command->add_option("--served-model", options->servers.served_model, "the model's name there")
      ->required();
  command->add_option("--problems", options->problems, "files of problems with gold answers")
      ->required()
      ->delimiter(',');
  command
      ->add_option("--out", options->out,
                   "folder for demonstrations.jsonl, rejected.jsonl and teacher.db, or NAME.jsonl "
                   "for the first; the same command goes on from what is there")
      ->required();
  add_number_option(*command, "--samples", options->samples, 1, 100000,
                    "samples of each problem, at most (default: 1)");
  add_number_option(*command, "--enough-correct", options->enough_correct, 0, 100000,
                    "right answers after which a problem gets no further sample, 0 for all samples "
                    "(default: 1)");
  add_number_option(*command, "--limit", options->limit, 1, kMany,
                    "only the first so many problems");
  add_number_option(*command, "--max-tokens", options->max_tokens, 1, kMany,
                    "tokens of an answer, at most (default: 32768)");
  command
      ->add_option("--temperature", options->temperature,
                   "(default: none is sent, so the endpoint's own)")
      ->check(CLI::Range(0.0, kHighestTemperature));
  command->add_option("--top-p", options->top_p, "(default: none is sent, so the endpoint's own)")
      ->check(CLI::Range(kLeastTopP, 1.0));
  command->add_flag("--send-seed", options->send_seed,
                    "send a seed made of --seed, the problem and the sample");
  command
      ->add_option("--max-tokens-field", options->served.max_tokens_field,
                   "how the endpoint calls the token limit")
      ->check(CLI::IsMember({"max_tokens", "max_completion_tokens"}))
      ->default_str("max_tokens");
  command
      ->add_option("--extra", options->served.extra,
                   "KEY=JSON, a field of every request; may be given several times")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--system", options->system, "system turn of every request");
  add_prompt_options(*command, options->prompt);
  add_money_flags(*command, *options);
  command
      ->add_option("--again", options->again,
                   "ask anew what ended so: " +
                       fmt::format("{}", fmt::join(teach::Teacher::again_names(), ", ")))
      ->delimiter(',')
      ->check(CLI::IsMember(teach::Teacher::again_names()));
  command
      ->add_option(
          "--batch", options->batch,
          "ask --server by OpenAI's batch API: submit (fetch what has come back, send what "
          "is to be asked), wait (the same until all is answered), fetch alone, or cancel")
      ->check(one_of({"submit", "wait", "fetch", "cancel"}));
  command->add_option("--write-batch", options->write_batch,
                      "write the requests as a batch file (OpenAI's batch API, vllm run-batch) "
                      "instead of asking");
  command
      ->add_option("--read-batch", options->read_batch,
                   "files of results and errors that a batch came back with")
      ->delimiter(',');
  command
      ->add_option("--max-failed", options->max_failed,
                   "share of the requests that may fail for good (default: 0.01)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--license", options->license, "terms of the answers, copied into every row");
  add_judge_flags(*command, *options);
  add_fields_option(*command, options->fields);
  add_connection_flags(*command, options->servers);
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  ponder teach --server http://127.0.0.1:8321 --served-model nano --problems problems.jsonl "
      "\\\n"
      "    --samples 4 --max-tokens 256 --out taught\n"
      "  ponder teach --server http://127.0.0.1:8321 --served-model nano --problems problems.jsonl "
      "\\\n"
      "    --samples 4 --max-tokens 256 --price-input 0.55 --price-output 2.19 --budget 25.00 "
      "--out "
      "priced.jsonl\n"
      "  ponder teach --server http://127.0.0.1:8321 --served-model nano --problems problems.jsonl "
      "\\\n"
      "    --samples 4 --max-tokens 256 --price-input 0.55 --price-output 2.19 --probe 20 --out "
      "probed\n"
      "  ponder teach --served-model nano --problems problems.jsonl --out later --write-batch "
      "batch.jsonl\n"
      "A key is given by the name of a variable: --api-key-env NAME. docs/teacher.md says what is "
      "kept "
      "and why the rest is not.");
  command->callback([options, command] {
    options->overhead_given = command->count("--overhead-tokens") > 0;
    run_teach(*options);
  });
}

}  // namespace ponder::cli
