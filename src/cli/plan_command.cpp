// ponder plan: what a recipe would do and cost, and whether it fits.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/duration_text.h"
#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "cli/recipe_flags.h"
#include "pipeline/plan.h"
#include "pipeline/teacher.h"
#include "pool/pool.h"

namespace ponder::cli {
namespace {

struct PlanFlags {
  RecipeFlags recipe;
  std::string machine, out;
};

// The disk that a run in `out` would write on, and what it still needs there.
struct DiskFit {
  int64_t needed = 0, free = 0;
  bool fits() const { return free <= 0 || needed <= free; }
};
DiskFit disk_fit(const pipeline::RecipePlan& plan, const std::filesystem::path& out) {
  std::filesystem::path existing = std::filesystem::absolute(out);
  while (!std::filesystem::exists(existing)) existing = existing.parent_path();
  return {pipeline::disk_to_come(plan, out),
          static_cast<int64_t>(std::filesystem::space(existing).available)};
}

std::string work_text(double flops) {
  if (flops <= 0) return "-";
  double value = flops * 1e-9;
  const char* unit = "GFLOP";
  for (const char* larger : {"TFLOP", "PFLOP", "EFLOP", "ZFLOP"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = larger;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, unit);
}

// What servers sampled of the run that is there; of none that can be read nothing is known.
pool::ServerRate server_rate_of(const std::filesystem::path& run) {
  try {
    if (std::filesystem::exists(run / "run.db"))
      return pool::Pool::open_read_only(run / "run.db").server_rate();
  } catch (const Error&) {  // whoever goes on with it says what is wrong
  }
  return {};
}

// Who samples, of a plan over servers.
void print_servers(const pipeline::RecipePlan& plan, const pool::ServerRate& rate) {
  const auto of =
      std::ranges::find_if(plan.stages, [](auto& stage) { return !stage.servers.empty(); });
  if (of == plan.stages.end()) return;
  if (of->time_known) {
    print(
        "servers of kind {} sample, at the {:.0f} tokens/s of {} servers that this run has asked\n",
        of->servers, rate.tokens_per_second(), rate.num_servers);
    return;
  }
  print(
      "servers of kind {} sample: how fast they are is not known before the run has asked them; "
      "the "
      "time of their stages is not in the sum\n",
      of->servers);
}

void print_stages(const pipeline::RecipePlan& plan) {
  const int64_t memory = plan.machine.memory_bytes;
  print("{:<22}{:>14}{:>12}{:>12}{:>12}  {}\n", "stage", "tokens", "work", "memory", "disk",
        "time");
  for (const pipeline::StagePlan& stage : plan.stages) {
    const bool fits = memory <= 0 || stage.peak_memory_bytes <= memory;
    print("{:<22}{:>14}{:>12}{:>12}{:>12}  {}{}\n", stage.name, stage.tokens,
          work_text(stage.flops), bytes_text(stage.peak_memory_bytes), bytes_text(stage.disk_bytes),
          stage.seconds_high > 0 && stage.time_known
              ? duration_text(stage.seconds_low, stage.seconds_high)
              : "-",
          fits ? "" : "  does not fit");
  }
  for (const pipeline::StagePlan& stage : plan.stages) {
    if (!stage.note.empty()) print("{}: nothing to do: {}\n", stage.name, stage.note);
    if (!stage.trainer.empty())
      print("{}: trained by {}; its time is not in the sum\n", stage.name, stage.trainer);
  }
}

void print_conclusion(const pipeline::RecipePlan& plan, const DiskFit& disk, int threads,
                      bool elsewhere) {
  if (!plan.verdict.fits) {
    print("does not fit: {}\n{}\n", plan.verdict.reason, plan.verdict.advice());
  } else if (!disk.fits()) {
    print("does not fit: {} of disk are needed, {} are free; free some, or choose another --out\n",
          bytes_text(disk.needed), bytes_text(disk.free));
  } else {
    print("fits: {} of {} of memory{}\n", bytes_text(plan.peak_memory_bytes()),
          bytes_text(plan.machine.memory_bytes),
          elsewhere ? fmt::format(", {} of disk at its peak", bytes_text(disk.needed))
                    : fmt::format(", {} of {} of disk at its peak", bytes_text(disk.needed),
                                  bytes_text(disk.free)));
  }
  print("{}, likely {}: ", duration_text(plan.seconds_low(), plan.seconds_high()),
        duration_text(plan.seconds()));
  if (elsewhere) {
    print("as this machine uses its peak of {:.0f} GFLOP/s, at the other's\n", plan.peak_gflops);
  } else if (plan.layers_measured > 0) {
    print("by half a second of training and of sampling on {} threads (peak {:.0f} GFLOP/s)\n",
          threads, plan.peak_gflops);
  } else {
    print(
        "by the usual shares of {} threads' peak of {:.0f} GFLOP/s; one layer is too much to "
        "measure here\n",
        threads, plan.peak_gflops);
  }
  constexpr double kBusy = 0.15;  // of the threads' time
  if (plan.other_cores > kBusy * threads) {
    print(
        "note: the machine is busy: other programs use {:.1f} of its cores; the longer times are "
        "those of now\n",
        plan.other_cores);
  }
  print("training tokens are counted, rollout tokens estimated\n");
}

void plan(const PlanFlags& flags) {
  const pipeline::Recipe recipe = flags.recipe.load();
  pipeline::PlanOptions options{.measure = true, .machine = {}};
  if (!flags.machine.empty()) options.machine = pipeline::machine_from_string(flags.machine);
  const pipeline::LikelyTeacher likely = pipeline::likely_teacher(recipe);
  if (std::string unasked = pipeline::unasked_teacher(recipe); !unasked.empty()) {
    for (const std::string& line : likely.lines) unasked += "; " + line;
    throw Error(ErrorKind::kBusy, "teacher", "has not been asked yet: " + unasked,
                "ponder run asks it before anything else; a plan needs its rows");
  }
  const std::filesystem::path out = flags.out.empty() ? "runs/" + recipe.name : flags.out;
  const pool::ServerRate rate = server_rate_of(out);
  options.server_tokens_per_second = rate.tokens_per_second();
  ThreadPool threads(flags.recipe.common.threads);
  const pipeline::RecipePlan plan =
      pipeline::plan_recipe(recipe, pipeline::read_sources(recipe), threads, options);
  DiskFit disk = disk_fit(plan, out);
  if (!flags.machine.empty()) disk.free = 0;
  if (flags.recipe.common.json) {
    Json json = pipeline::to_json(plan);
    json["disk_to_come_bytes"] = disk.needed;
    if (!likely.json.is_null()) json["teacher"] = likely.json;
    if (plan.verdict.fits && !disk.fits()) {
      json["verdict"] = "does not fit";
      json["reason"] = fmt::format("{} of disk are needed, {} are free", bytes_text(disk.needed),
                                   bytes_text(disk.free));
    }
    print_json(json);
    return;
  }
  print_stages(plan);
  for (const std::string& line : likely.lines) print("teacher: {}\n", line);
  print_servers(plan, rate);
  print_conclusion(plan, disk, threads.num_threads(), !flags.machine.empty());
  for (const pipeline::SourcePlan& source : plan.sources) {
    if (source.account.kept == source.account.rows) continue;
    print("\n{}: {}\n", source.name, source.account.summary());
    for (const std::string& line : source.account.left_out_by_id()) print("  left out: {}\n", line);
  }
  for (const pipeline::MixPlan& mix : plan.mixes) {
    print("\n{} trains on\n", mix.set.empty() ? "imitate" : "imitate-" + mix.set);
    for (const std::string& line : pool::mix_lines(mix.parts)) print("  {}\n", line);
  }
  for (const std::string& warning : plan.warnings) print("\nwarning: {}\n", warning);
  const auto largest =
      std::max_element(plan.stages.begin(), plan.stages.end(),
                       [](auto& a, auto& b) { return a.peak_memory_bytes < b.peak_memory_bytes; });
  if (largest == plan.stages.end()) return;
  print("\nmemory of {}, which takes the most\n", largest->name);
  for (const auto& [purpose, bytes] : largest->memory) {
    print("  {:<38}{:>12}\n", purpose, bytes_text(bytes));
  }
}

}  // namespace

void register_plan(CLI::App& app) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command = app.add_subcommand(
      "plan", "what a recipe would do and cost, and whether it fits, without doing it");
  add_recipe_flags(*command, flags->recipe);
  command->add_option("--machine", flags->machine,
                      "another machine than this one: its cores, memory and peak, e.g. \"64 cores, "
                      "256 GB, 900 GFLOP/s\"; any of them");
  command->add_option("--out", flags->out,
                      "the run's folder, whose disk is looked at (default: runs/NAME)");
  command->footer(
      "Examples:\n  ponder plan recipes/quickstart.toml\n"
      "  ponder plan recipes/quickstart.toml --machine \"64 cores, 256 GB, 900 GFLOP/s\"\n"
      "  ponder plan recipes/miniature.toml --set trainer.kind=trl --set trainer.launch=torchrun");
  command->callback([flags] { plan(*flags); });
}

}  // namespace ponder::cli
