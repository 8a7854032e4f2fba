// ponder sft: supervised fine-tuning on demonstrations.
#include <memory>

#include "cli/against_flag.h"
#include "cli/clean_flags.h"
#include "cli/train_flags.h"
#include "cli/where_flags.h"

namespace ponder::cli {
namespace {

struct SftFlags : TrainFlags {
  bool allow_direct = false, all_turns = false;
  std::string thought_tags;
  std::vector<std::string> against;
  CleanFlags clean;
  WhereFlags where;
};

// What decides the rows beside the files, as it was given: for the model card.
std::string own_flags(const SftFlags& flags) {
  std::string text;
  if (flags.allow_direct) text += " --allow-direct";
  if (flags.all_turns) text += " --all-turns";
  if (!flags.thought_tags.empty()) text += " --thought-tags '" + flags.thought_tags + "'";
  for (const std::string& file : flags.against) text += " --against " + file;
  text += own_flags(flags.where) + own_flags(flags.clean);
  return text;
}

void run_sft(const SftFlags& flags) {
  TerminalMonitor monitor(flags.common.quiet ? TerminalMonitor::Level::kWarning
                                             : TerminalMonitor::Level::kInfo);
  const TrainSetup setup(flags);
  const data::ContaminationFilter contaminated = filter_against(flags.against);
  clean::Cleaner cleaner(clean_options(flags.clean));
  std::vector<data::TokenRow> rows;
  data::SeenRows seen;
  JobAccount account{Json::array(), "ponder sft", own_flags(flags)};
  for (const std::string& file : flags.data) {
    data::RowAccount report;
    data::DemonstrationReadOptions options;
    options.seen = &seen;
    options.fields = data::FieldMap::parse(flags.fields);
    options.require_thought = !flags.allow_direct;
    options.all_turns = flags.all_turns;
    data::RowConditions conditions = conditions_of(flags.where);
    if (!conditions.empty()) options.conditions = &conditions;
    if (!flags.thought_tags.empty()) {
      options.thought_tags = *tokenizer::thought_tags_from_string(flags.thought_tags);
    }
    auto demonstrations = data::read_demonstrations(file, report, options);
    const bool all_repeated = demonstrations.empty();  // else reading has thrown
    contaminated.filter(demonstrations, report);
    cleaner.clean(demonstrations, report);
    std::vector<data::TokenRow> own;
    if (!all_repeated) own = data::build_rows(setup.builder, demonstrations, file, report);
    log_report(monitor, file, report);
    account.sources.push_back(source_account(file, report));
    rows.insert(rows.end(), std::make_move_iterator(own.begin()),
                std::make_move_iterator(own.end()));
  }
  train::SftTask task(std::move(rows));
  run_training_command(flags, setup, task, account, monitor);
}

}  // namespace

void register_sft(CLI::App& app) {
  auto flags = std::make_shared<SftFlags>();
  CLI::App* command = app.add_subcommand("sft", "fine-tune a model on demonstrations");
  add_train_flags(*command, *flags);
  command->add_flag("--allow-direct", flags->allow_direct,
                    "also train on responses without a thought");
  command->add_flag("--all-turns", flags->all_turns,
                    "of a conversation train every assistant turn, not the last alone");
  add_tokens_option(*command, flags->add_tokens);
  add_thought_tags_option(*command, flags->thought_tags);
  add_against_option(*command, flags->against);
  add_where_options(*command, flags->where);
  add_clean_options(*command, flags->clean);
  command->footer(
      "Example:\n  ponder sft --model models/nano-base --data demonstrations.jsonl --out m1 --lr "
      "1e-4");
  command->callback([flags] { run_sft(*flags); });
}

}  // namespace ponder::cli
