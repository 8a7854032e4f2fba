#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/recipe_parts.h"

namespace ponder::pipeline {
namespace {

// Of the stage that a recipe's section describes.
trainers::Job job_of(const Recipe& recipe, const train::TrainOptions& options) {
  trainers::Job job;
  job.settings = recipe.trainer;
  job.options = options;
  job.max_length = recipe.max_length;
  return job;
}

}  // namespace

void read_trainer(TomlSection& top, Recipe& recipe) {
  if (!top.given("trainer")) return;
  TomlSection s = top.section("trainer");
  trainers::Settings& t = recipe.trainer;
  t.kind = *trainers::kind_from_string(
      s.choice("kind", "builtin", {"builtin", "trl", "llama-factory", "openrlhf", "command"}));
  t.launch = s.texts("launch");
  t.processes = s.integer("processes", t.processes, 1, 1 << 20);
  t.per_device_rows = s.integer("per_device_rows", t.per_device_rows, 1, kMany);
  t.sharding = *trainers::sharding_from_string(
      s.choice("sharding", "none", {"none", "fsdp", "zero-2", "zero-3"}));
  t.lora_rank = s.integer("lora_rank", 0, 0, 1 << 16);
  t.lora_alpha = s.number("lora_alpha", t.lora_alpha, 1e-6, 1e6);
  t.checkpoint_steps = s.integer("checkpoint_steps", t.checkpoint_steps, 1, kMany);
  t.restarts = s.integer("restarts", t.restarts, 0, 1000);
  t.silence = s.number("silence", t.silence, 1, 1e7);
  t.tolerance = s.number("tolerance", t.tolerance, 1e-4, 1);
  t.env = s.texts("env");
  for (const std::string& name : t.env) {
    if (name.find('=') == name.npos && !name.empty()) continue;
    s.fail("env", "expected names of environment variables, found one with a value",
           "values stand in the environment alone: env = [\"HF_TOKEN\"]");
  }
  s.finish();
  trainers::Job sft = job_of(recipe, recipe.sft);
  trainers::check(sft, "sft");
  for (const DpoVariant& variant : recipe.dpo) {
    trainers::Job dpo = job_of(recipe, variant.train);
    dpo.objective = trainers::Objective::kDpo;
    dpo.align = variant.align;
    dpo.dpo = variant.options;
    trainers::check(dpo, "dpo");
  }
}

}  // namespace ponder::pipeline
