// ponder dpo: direct preference optimisation on pairs of responses.
#include <fmt/format.h>

#include <memory>

#include "cli/train_flags.h"

namespace ponder::cli {
namespace {

struct DpoFlags : TrainFlags {
  DpoFlags() { train.lr = 5e-7; }
  train::DpoOptions dpo;
  std::string align = "thought", sft_term = "pair", thought_tags;
};

void run_dpo(const DpoFlags& flags) {
  TerminalMonitor monitor(flags.common.quiet ? TerminalMonitor::Level::kWarning
                                             : TerminalMonitor::Level::kInfo);
  const TrainSetup setup(flags);
  data::SeenRows seen;
  data::PairReadOptions options;
  options.align = *data::align_from_string(flags.align);
  options.seen = &seen;
  options.fields = data::FieldMap::parse(flags.fields);
  if (!flags.thought_tags.empty())
    options.thought_tags = *tokenizer::thought_tags_from_string(flags.thought_tags);
  std::vector<data::TokenPair> pairs;
  JobAccount account{
      Json::array(), "ponder dpo",
      fmt::format(
          " --beta {} --sft-weight {} --align {}{}{}{}", flags.dpo.beta, flags.dpo.sft_weight,
          flags.align, flags.sft_term == "pair" ? "" : " --sft-term " + flags.sft_term,
          flags.dpo.length_normalised ? " --length-normalised" : "",
          flags.thought_tags.empty() ? "" : " --thought-tags '" + flags.thought_tags + "'")};
  for (const std::string& file : flags.data) {
    data::RowAccount report;
    auto own = data::read_pairs(setup.builder, file, options, report);
    log_report(monitor, file, report);
    account.sources.push_back(source_account(file, report));
    pairs.insert(pairs.end(), std::make_move_iterator(own.begin()),
                 std::make_move_iterator(own.end()));
  }
  train::DpoOptions objective = flags.dpo;
  objective.sft_term = *train::sft_term_from_string(flags.sft_term);
  train::DpoTask task(std::move(pairs), objective, options.align);
  run_training_command(flags, setup, task, account, monitor);
}

}  // namespace

void register_dpo(CLI::App& app) {
  auto flags = std::make_shared<DpoFlags>();
  CLI::App* command = app.add_subcommand("dpo", "train a model on preferences between responses");
  add_train_flags(*command, *flags);
  command->add_option("--beta", flags->dpo.beta, "strength of the pull towards the reference")
      ->check(number_above(0))
      ->capture_default_str();
  command
      ->add_option("--sft-weight", flags->dpo.sft_weight,
                   "weight of the likelihood of the chosen response")
      ->check(number_from(0))
      ->capture_default_str();
  command
      ->add_option("--align", flags->align,
                   "part the preference is about: thought, solution or response; thought+end and "
                   "solution+end with the tag that ends it")
      ->check(one_of({"thought", "solution", "response", "thought+end", "solution+end"}))
      ->capture_default_str();
  command
      ->add_option("--sft-term", flags->sft_term,
                   "the likelihood term's mean: over pairs of their tokens' mean (pair), or over "
                   "the step's tokens (token)")
      ->check(one_of({"pair", "token"}))
      ->capture_default_str();
  command->add_flag("--length-normalised", flags->dpo.length_normalised,
                    "divide each side's log-ratio by its aligned tokens");
  add_thought_tags_option(*command, flags->thought_tags);
  command->footer(
      "Rows: a prompt, chosen and rejected, in the layouts and forms that ponder sft reads.\n"
      "Example:\n  ponder dpo --model m1 --data pairs.jsonl --out m2 --align thought");
  command->callback([flags] { run_dpo(*flags); });
}

}  // namespace ponder::cli
