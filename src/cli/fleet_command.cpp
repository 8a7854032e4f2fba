// ponder fleet: looks at servers before they are trusted.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/server_flags.h"
#include "cli/stop_signals.h"
#include "fleet/server_check.h"
#include "generate/scorer.h"
#include "net/url.h"
#include "pipeline/canaries.h"

namespace ponder::cli {
namespace {

using fleet::CheckRow;
using Result = CheckRow::Result;

struct FleetCommandOptions {
  CommonOptions common;
  ServerFlags servers;
  std::string model;
  std::vector<std::string> others;
  tokenizer::TemplateChoice chat_template;
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
};

constexpr int kProbeTokens = 16;

// What a server of another arithmetic may differ by, in nats a token on average.
constexpr double kLogprobLimit = 0.1;

rollout::CompletionRequest probe_request(const data::ModelText& text, const std::string& id,
                                         double temperature) {
  rollout::CompletionRequest request;
  request.id = id;
  request.prompt_ids = text.prompt_ids("What is 12 + 30?");
  request.sampling.temperature = temperature;
  request.sampling.max_tokens = kProbeTokens;
  request.seed_key = {1, "probe", 0};
  request.stop_ids = text.stop_ids();
  request.want_logprobs = true;
  return request;
}

data::Completion answer_to(fleet::Fleet& fleet, rollout::CompletionRequest request) {
  fleet.submit(std::move(request));
  while (true) {
    for (rollout::GeneratorEvent& event : fleet.poll(std::chrono::milliseconds(500))) {
      if (auto* completion = std::get_if<data::Completion>(&event.what))
        return std::move(*completion);
      if (const auto* failure = std::get_if<rollout::Failure>(&event.what))
        throw Error("rollout", failure->message);
    }
  }
}

// Rollouts of a few tokens, against what is computed here.
void check_rollouts(const std::string& server, fleet::FleetOptions options,
                    generate::InferenceModel& model, std::vector<CheckRow>& rows,
                    Monitor& monitor) {
  const auto add = [&](const char* check, Result result, std::string detail) {
    rows.push_back({server, check, result, std::move(detail)});
  };
  options.servers = {server};
  options.servers_file.clear();
  options.canaries.clear();  // they were asked
  options.rules.max_attempts = 2;
  try {
    fleet::Fleet fleet(&model.text().tokenizer(), options, monitor);
    const data::Completion greedy = answer_to(fleet, probe_request(model.text(), "greedy", 0));
    add("rollout", Result::kOk,
        fmt::format("{} tokens; prompt, ids, text, end and usage agree", greedy.num_tokens()));
    const data::Completion one = answer_to(fleet, probe_request(model.text(), "one", 1));
    const data::Completion two = answer_to(fleet, probe_request(model.text(), "two", 1));
    const bool same = one.token_ids == two.token_ids;
    add("seed", same ? Result::kOk : Result::kWarning,
        same ? "the same seed gave the same tokens twice"
             : "the same seed gave other tokens: rows of this server cannot be made again");
    if (!greedy.logprobs) return;  // its weights were looked at by canaries
    generate::ScoreRow row;
    row.tokens = probe_request(model.text(), "", 0).prompt_ids;
    row.first_scored = static_cast<int64_t>(row.tokens.size());
    row.tokens.insert(row.tokens.end(), greedy.token_ids->begin(), greedy.token_ids->end());
    const generate::Score score = generate::score_rows(model.decoder(), {&row, 1}).at(0);
    double difference = 0;
    for (size_t i = 0; i < score.logprobs.size(); ++i)
      difference += std::fabs(static_cast<double>(score.logprobs[i]) - (*greedy.logprobs)[i]);
    difference /= static_cast<double>(score.logprobs.size());
    const bool exact = score.logprobs == *greedy.logprobs;
    add("weights", exact ? Result::kOk : Result::kFailed,
        exact ? fmt::format("{} log-probabilities as computed here, to the bit",
                            score.logprobs.size())
              : fmt::format(
                    "log-probabilities differ by {:.4f} a token on average{}", difference,
                    difference < kLogprobLimit ? ": another arithmetic?" : ": other weights"));
  } catch (const Error& error) {
    add("rollout", Result::kFailed, error.what());
  }
}

// Of questions on which a model that has learned anything says something.
std::vector<fleet::Canary> canaries_of(const FleetCommandOptions& options,
                                       generate::InferenceModel& model) {
  pipeline::CanaryWork work;
  work.model = {options.model, options.model};
  for (const std::string& other : options.others) work.others.push_back({other, other});
  work.chat_template = options.chat_template;
  work.precision = model.precision();
  for (int i = 1; i <= 12; ++i)
    work.prompts.push_back(model.text().prompt_ids(fmt::format("What is {} + {}?", 7 * i, 30 - i)));
  return pipeline::canaries_for(work, model.threads(), stop_flag());
}

void run_fleet_check(const FleetCommandOptions& options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kQuiet
                                               : TerminalMonitor::Level::kInfo);
  if (!options.servers.any()) {
    throw Error(ErrorKind::kUsage, "--server", "names no server",
                "give an address like http://gpu1:8321");
  }
  fleet::FleetOptions fleet = fleet_options(options.servers, fleet::ServerKind::kPonder);
  std::unique_ptr<ThreadPool> threads;
  std::unique_ptr<generate::InferenceModel> model;
  if (fleet::has_token_ids(fleet.kind)) {
    if (options.model.empty()) {
      throw Error(ErrorKind::kUsage, "--model", "is missing",
                  "give the folder of the model that the servers are to have");
    }
    threads = std::make_unique<ThreadPool>(options.common.threads);
    model = std::make_unique<generate::InferenceModel>(options.model, *threads,
                                                       options.chat_template, options.precision);
    fleet.model_sha256 = model->sha256();
    fleet.precision = model->precision();
    if (fleet.kind == fleet::ServerKind::kPonder && fleet.served_model.empty())
      fleet.served_model = fleet::served_name_of(fleet.model_sha256);
    if (fleet.kind != fleet::ServerKind::kPonder) fleet.canaries = canaries_of(options, *model);
  }
  std::vector<std::string> servers = fleet.servers;
  if (!fleet.servers_file.empty()) {
    for (const std::string& listed : fleet::servers_of_file(fleet.servers_file))
      servers.push_back(listed);
  }
  int64_t failed = 0;
  for (const std::string& server : servers) {
    std::vector<CheckRow> rows =
        fleet::check_server(server, fleet, model ? &model->text() : nullptr);
    const bool reached = std::none_of(rows.begin(), rows.end(), [](const CheckRow& row) {
      return row.result == Result::kFailed;
    });
    if (reached && model) check_rollouts(server, fleet, *model, rows, monitor);
    for (const CheckRow& row : rows) {
      failed += row.result == Result::kFailed;
      if (options.common.json) {
        print_json({{"server", row.server},
                    {"check", row.check},
                    {"ok", row.result != Result::kFailed},
                    {"result", fleet::to_string(row.result)},
                    {"detail", row.detail}});
      } else {
        print("{:<28} {:<10} {:<8} {}\n", row.server, row.check, fleet::to_string(row.result),
              escaped(row.detail));
      }
    }
  }
  if (failed > 0) {
    throw Error("fleet", fmt::format("{} checks failed", failed),
                "nothing is asked of such a server until they are right");
  }
}

}  // namespace

void register_fleet(CLI::App& app) {
  auto options = std::make_shared<FleetCommandOptions>();
  CLI::App* fleet = app.add_subcommand("fleet", "servers that sample in this process's stead");
  fleet->require_subcommand(1);
  fleet->footer(
      "Example:\n  ponder fleet check --server http://gpu1:8321,http://gpu2:8321 --model "
      "models/nano-base");
  CLI::App* check = fleet->add_subcommand(
      "check", "is each there, has it the model, and does it answer as this process would?");
  check->add_option("--model", options->model, "checkpoint folder that the servers are to have");
  check->add_option(
      "--other", options->others,
      "folder of a model that they could have instead, as that of the round before: what "
      "they answer must tell the two apart (kinds but ponder, whose hash is asked)");
  add_server_flags(*check, options->servers);
  add_template_options(*check, options->chat_template);
  add_precision_option(*check, options->precision);
  add_common_options(*check, options->common);
  check->footer(
      "Example:\n  ponder fleet check --server http://gpu1:8321 --model models/nano-base --json\n"
      "With --json: one object a line, {server, check, ok, result, detail}.");
  check->callback([options] { run_fleet_check(*options); });
}

}  // namespace ponder::cli
