#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "trainers/job.h"
#include "trainers/trl_script.h"

namespace ponder::trainers {
namespace {

constexpr const char* kTrlScript = "train.py";
// LLaMA-Factory 0.9.5 cannot read a .json; JSON is YAML.
constexpr const char* kFactoryConfig = "train.yaml";
constexpr const char* kDatasetInfo = "dataset_info.json";
constexpr const char* kDeepSpeedConfig = "deepspeed.json";

std::string pretty(const Json& value) { return value.dump(2) + "\n"; }

bool shards_by_deepspeed(Sharding sharding) {
  return sharding == Sharding::kZero2 || sharding == Sharding::kZero3;
}

// For trainers on transformers' Trainer, which fills in "auto".
Json deepspeed_config(const Job& job) {
  Json config = {
      {"train_batch_size", "auto"},
      {"train_micro_batch_size_per_gpu", "auto"},
      {"gradient_accumulation_steps", "auto"},
      {"gradient_clipping", "auto"},
      {"bf16", {{"enabled", "auto"}}},
      {"zero_optimization", {{"stage", job.settings.sharding == Sharding::kZero3 ? 3 : 2}}}};
  if (job.settings.sharding == Sharding::kZero3)
    config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] = true;
  return config;
}

Json dpo_config(const Job& job) {
  return {{"beta", job.dpo.beta},
          {"sft_weight", job.dpo.sft_weight},
          {"sft_term", train::to_string(job.dpo.sft_term)},
          {"length_normalised", job.dpo.length_normalised},
          {"align", data::to_string(job.align)}};
}

// What a script of ours and a user's command are told: all of it, in ponder's words.
Json job_file(const Job& job, const std::vector<int32_t>& probe_rows) {
  const train::LrSchedule schedule = job.schedule();
  const train::TrainOptions& o = job.options;
  Json out = {{"objective", job.objective == Objective::kSft ? "sft" : "dpo"},
              {"model", job.model.string()},
              {"rows", kRowsFile},
              {"num_rows", job.num_rows},
              {"order", kOrderFile},
              {"out", kModelFolder},
              {"log", kLogFile},
              {"probe", {{"file", kProbeFile}, {"rows", probe_rows}}},
              {"epochs", o.batch.epochs},
              {"batch_rows", o.batch.batch_rows},
              {"processes", job.settings.processes},
              {"per_device_rows", job.settings.per_device_rows},
              {"accumulation", job.accumulation()},
              {"num_steps", job.num_steps()},
              {"max_length", job.max_length},
              {"lr", o.lr},
              {"schedule", train::to_string(o.schedule)},
              {"warmup_steps", schedule.warmup_steps()},
              {"weight_decay", o.adamw.weight_decay},
              {"betas", {o.adamw.beta1, o.adamw.beta2}},
              {"epsilon", o.adamw.epsilon},
              {"max_grad_norm", o.max_grad_norm},
              {"precision", tensor::to_string(o.precision)},
              {"recompute", o.activation_checkpointing},
              {"sharding", to_string(job.settings.sharding)},
              {"lora_rank", job.settings.lora_rank},
              {"lora_alpha", job.settings.lora_alpha},
              {"checkpoint_steps", job.settings.checkpoint_steps},
              {"seed", o.batch.seed}};
  if (job.objective == Objective::kDpo) out["dpo"] = dpo_config(job);
  return out;
}

// transformers' names; a constant rate with a warm-up is a schedule of its own there.
std::string schedule_name(const Job& job, const char* cosine) {
  switch (job.options.schedule) {
    case train::ScheduleKind::kCosine:
      return cosine;
    case train::ScheduleKind::kLinear:
      return "linear";
    case train::ScheduleKind::kConstant:
      break;
  }
  return "constant_with_warmup";
}

Json factory_config(const Job& job) {
  const train::TrainOptions& o = job.options;
  const bool bf16 = o.precision == tensor::Precision::kBf16;
  Json config = {{"stage", job.objective == Objective::kSft ? "sft" : "dpo"},
                 {"do_train", true},
                 {"finetuning_type", "full"},
                 {"model_name_or_path", job.model.string()},
                 {"dataset", "rows"},
                 {"dataset_dir", job.folder.string()},
                 {"template", "empty"},  // prompt and completion stand in the rows
                 {"cutoff_len", job.max_length},
                 {"train_on_prompt", false},
                 {"packing", false},
                 {"disable_shuffling", true},  // the rows lie in the first epoch's order
                 {"overwrite_cache", true},
                 {"preprocessing_num_workers", 1},
                 {"output_dir", (job.folder / kModelFolder).string()},
                 {"num_train_epochs", o.batch.epochs},
                 {"per_device_train_batch_size", job.settings.per_device_rows},
                 {"gradient_accumulation_steps", job.accumulation()},
                 {"learning_rate", o.lr},
                 {"lr_scheduler_type", schedule_name(job, "cosine")},
                 {"warmup_steps", job.schedule().warmup_steps()},
                 {"weight_decay", o.adamw.weight_decay},
                 {"adam_beta1", o.adamw.beta1},
                 {"adam_beta2", o.adamw.beta2},
                 {"adam_epsilon", o.adamw.epsilon},
                 {"max_grad_norm", o.max_grad_norm},
                 {"bf16", bf16},
                 {"pure_bf16", false},
                 {"disable_gradient_checkpointing", !o.activation_checkpointing},
                 {"logging_steps", 1},
                 {"save_steps", job.settings.checkpoint_steps},
                 {"save_total_limit", 2},
                 {"report_to", "none"},
                 {"seed", static_cast<uint32_t>(o.batch.seed)}};
  if (job.objective == Objective::kDpo) {
    config["pref_beta"] = job.dpo.beta;
    config["pref_loss"] = "sigmoid";
    config["pref_ftx"] = 0.0;
    config["ref_model"] = job.model.string();
  }
  if (shards_by_deepspeed(job.settings.sharding))
    config["deepspeed"] = (job.folder / kDeepSpeedConfig).string();
  if (job.settings.sharding == Sharding::kFsdp) config["fsdp"] = "full_shard auto_wrap";
  return config;
}

Json dataset_info(const Job& job) {
  Json columns = {{"prompt", "instruction"}};
  if (job.objective == Objective::kSft) {
    columns["response"] = "output";
  } else {
    columns["chosen"] = "chosen";
    columns["rejected"] = "rejected";
  }
  Json rows = {{"file_name", kRowsFile}, {"formatting", "alpaca"}, {"columns", columns}};
  if (job.objective == Objective::kDpo) rows["ranking"] = true;
  return {{"rows", rows}};
}

std::vector<std::string> openrlhf_arguments(const Job& job) {
  const train::TrainOptions& o = job.options;
  std::vector<std::string> argv;
  const auto add = [&](const char* name, const std::string& value) {
    argv.insert(argv.end(), {name, value});
  };
  const auto number = [](double value) { return fmt::format("{}", value); };
  add("--model.model_name_or_path", job.model.string());
  add("--data.dataset", (job.folder / kRowsFile).string());
  if (job.objective == Objective::kSft) {
    add("--data.input_key", "prompt");
    add("--data.output_key", "completion");
  } else {
    add("--ref.model_name_or_path", job.model.string());
    add("--data.prompt_key", "prompt");
    add("--model.beta", number(job.dpo.beta));
  }
  argv.emplace_back("--data.input_template=");  // the rows hold the rendered prompt
  add("--data.max_len", std::to_string(job.max_length));
  add("--train.batch_size", std::to_string(o.batch.batch_rows));
  add("--train.micro_batch_size", std::to_string(job.settings.per_device_rows));
  add("--train.max_epochs", std::to_string(o.batch.epochs));
  add("--train.seed", std::to_string(static_cast<uint32_t>(o.batch.seed)));
  add("--adam.lr", number(o.lr));
  argv.insert(argv.end(), {"--adam.betas", number(o.adamw.beta1), number(o.adamw.beta2)});
  add("--adam.eps", number(o.adamw.epsilon));
  add("--adam.weight_decay", number(o.adamw.weight_decay));
  add("--lr_scheduler", schedule_name(job, "cosine_with_min_lr"));
  add("--min_lr_ratio", "0");
  add("--lr_warmup_ratio", number(o.warmup_ratio));
  add("--max_norm", number(o.max_grad_norm));
  add("--ds.zero_stage", job.settings.sharding == Sharding::kZero3   ? "3"
                         : job.settings.sharding == Sharding::kZero2 ? "2"
                                                                     : "0");
  if (o.activation_checkpointing) argv.emplace_back("--model.gradient_checkpointing_enable");
  add("--logger.logging_steps", "1");
  add("--ckpt.output_dir", (job.folder / kModelFolder).string());
  add("--ckpt.path", (job.folder / "checkpoints").string());
  add("--ckpt.save_steps", std::to_string(job.settings.checkpoint_steps));
  argv.emplace_back("--ckpt.load_enable");
  return argv;
}

std::string base_name(const std::string& program) {
  return std::filesystem::path(program).filename().string();
}

// A row's text must become its ids again, as the trainer will make them.
void require_same_ids(const data::TokenRow& row, const std::vector<int32_t>& ids,
                      const std::vector<int32_t>& again, const char* what, Kind kind) {
  if (ids == again) return;
  throw Error(row.name,
              fmt::format("{} takes text, and the text of its {} becomes {} ids where the row has "
                          "{}",
                          to_string(kind), what, again.size(), ids.size()),
              "trainer.kind = \"trl\", which takes token ids, or leave the row out");
}

struct RowText {
  std::string prompt, completion;
};

RowText text_of(const Job& job, const data::TokenRow& row, const data::ModelText& text) {
  const Kind kind = job.settings.kind;
  const auto split = row.tokens.begin() + row.num_prompt_tokens;
  const std::vector<int32_t> prompt(row.tokens.begin(), split), completion(split, row.tokens.end());
  RowText out{text.tokenizer().decode(prompt), text.tokenizer().decode(completion)};
  if (kind == Kind::kOpenRlhf) {
    require_same_ids(row, prompt, text.tokenizer().encode(out.prompt), "prompt", kind);
    require_same_ids(row, row.tokens, text.tokenizer().encode(out.prompt + out.completion), "whole",
                     kind);
    if (row.tokens.back() != text.end_of_turn_id() ||
        text.tokenizer().eos_token_id() != text.end_of_turn_id()) {
      throw Error(
          row.name,
          fmt::format("openrlhf ends every row with the tokenizer's eos_token, which is not "
                      "the end of a turn, \"{}\"",
                      text.chat().end_of_turn()),
          "trainer.kind = \"trl\"");
    }
  } else if (kind == Kind::kLlamaFactory) {
    require_same_ids(row, prompt, text.tokenizer().encode(out.prompt), "prompt", kind);
    require_same_ids(row, completion, text.tokenizer().encode(out.completion), "completion", kind);
  }
  return out;
}

std::vector<int32_t> part(const std::vector<int32_t>& ids, int64_t begin) {
  return {ids.begin() + begin, ids.end()};
}

// Trained from the prompt's end on, as trainers of one prompt and one completion do it.
void require_plain_mask(const Job& job, const data::TokenRow& row) {
  for (int64_t i = 0; i < row.num_tokens(); ++i) {
    if ((row.loss_mask[static_cast<size_t>(i)] != 0) == (i >= row.num_prompt_tokens)) continue;
    throw Error(row.name,
                fmt::format("{} trains all of a completion and nothing else; token {} of this row "
                            "is otherwise",
                            to_string(job.settings.kind), i),
                "trainer.kind = \"trl\" or \"builtin\"");
  }
}

}  // namespace

std::map<std::string, std::string> files(const Job& job,
                                         const std::vector<std::vector<int32_t>>& orders,
                                         const std::vector<int32_t>& probe_rows) {
  std::map<std::string, std::string> out;
  out[kJobFile] = pretty(job_file(job, probe_rows));
  out[kOrderFile] = dump_json(orders) + "\n";
  if (job.settings.kind == Kind::kTrl) out[kTrlScript] = trl_script();
  if (job.settings.kind == Kind::kLlamaFactory) {
    out[kFactoryConfig] = pretty(factory_config(job));
    out[kDatasetInfo] = pretty(dataset_info(job));
  }
  if (shards_by_deepspeed(job.settings.sharding))
    out[kDeepSpeedConfig] = pretty(deepspeed_config(job));
  return out;
}

std::vector<std::string> argv(const Job& job) {
  std::vector<std::string> out;
  for (std::string word : job.settings.launch) {
    const std::string folder = job.folder.string();
    for (size_t at = word.find("{job}"); at != word.npos;
         at = word.find("{job}", at + folder.size()))
      word.replace(at, 5, folder);
    out.push_back(std::move(word));
  }
  const std::string program = out.empty() ? "" : base_name(out.front());
  const char* module = program == "deepspeed" ? "--module" : "-m";
  switch (job.settings.kind) {
    case Kind::kBuiltin:
    case Kind::kCommand:
      break;
    case Kind::kTrl:
      out.push_back((job.folder / kTrlScript).string());
      break;
    case Kind::kLlamaFactory:
      if (program == "llamafactory-cli" || program == "lmf")
        out.emplace_back("train");
      else
        out.insert(out.end(), {module, "llamafactory.launcher"});
      out.push_back((job.folder / kFactoryConfig).string());
      break;
    case Kind::kOpenRlhf: {
      out.insert(out.end(), {module, job.objective == Objective::kSft ? "openrlhf.cli.train_sft"
                                                                      : "openrlhf.cli.train_dpo"});
      const std::vector<std::string> arguments = openrlhf_arguments(job);
      out.insert(out.end(), arguments.begin(), arguments.end());
      break;
    }
  }
  return out;
}

Json row_of(const Job& job, const data::TokenRow& row, const data::ModelText& text) {
  switch (job.settings.kind) {
    case Kind::kTrl:
      return {{"input_ids", row.tokens}, {"completion_mask", row.loss_mask}};
    case Kind::kLlamaFactory: {
      require_plain_mask(job, row);
      const RowText parts = text_of(job, row, text);
      return {{"instruction", parts.prompt}, {"output", parts.completion}};
    }
    case Kind::kOpenRlhf: {
      require_plain_mask(job, row);
      const RowText parts = text_of(job, row, text);
      return {{"prompt", parts.prompt}, {"completion", parts.completion}};
    }
    case Kind::kBuiltin:
    case Kind::kCommand:
      break;
  }
  const RowText parts = text_of(job, row, text);
  return {{"name", row.name},
          {"input_ids", row.tokens},
          {"completion_mask", row.loss_mask},
          {"num_prompt_tokens", row.num_prompt_tokens},
          {"prompt", parts.prompt},
          {"completion", parts.completion}};
}

Json row_of(const Job& job, const data::TokenPair& pair, const data::ModelText& text) {
  const int64_t prompt = pair.chosen.num_prompt_tokens;
  const std::vector<int32_t> prompt_ids(pair.chosen.tokens.begin(),
                                        pair.chosen.tokens.begin() + prompt);
  const Json ids = {{"prompt_ids", prompt_ids},
                    {"chosen_ids", part(pair.chosen.tokens, prompt)},
                    {"rejected_ids", part(pair.rejected.tokens, prompt)}};
  if (job.settings.kind == Kind::kTrl) return ids;
  const RowText chosen = text_of(job, pair.chosen, text),
                rejected = text_of(job, pair.rejected, text);
  if (job.settings.kind == Kind::kLlamaFactory) {
    return {{"instruction", chosen.prompt},
            {"chosen", chosen.completion},
            {"rejected", rejected.completion}};
  }
  Json out = {
      {"prompt", chosen.prompt}, {"chosen", chosen.completion}, {"rejected", rejected.completion}};
  if (job.settings.kind == Kind::kOpenRlhf) return out;
  out["name"] = pair.name;
  out.update(ids);
  const auto mask = [&](const std::vector<uint8_t>& aligned) {
    return std::vector<uint8_t>(aligned.begin() + prompt, aligned.end());
  };
  out["chosen_mask"] = mask(pair.chosen_aligned);
  out["rejected_mask"] = mask(pair.rejected_aligned);
  return out;
}

}  // namespace ponder::trainers
