#include "pipeline/fit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/text.h"

namespace ponder::pipeline {
namespace {

constexpr int64_t kLeastMicroBatch = 256;

const StagePlan* largest_of(const std::vector<StagePlan>& stages) {
  const auto largest = std::max_element(
      stages.begin(), stages.end(),
      [](const auto& a, const auto& b) { return a.peak_memory_bytes < b.peak_memory_bytes; });
  return largest == stages.end() ? nullptr : &*largest;
}

// The settings of training of a recipe: of [sft], and of each kind of DPO.
std::vector<train::TrainOptions*> trainings_of(Recipe& recipe) {
  std::vector<train::TrainOptions*> all = {&recipe.sft};
  for (DpoVariant& variant : recipe.dpo) all.push_back(&variant.train);
  return all;
}

// A setting that takes less memory in some steps: 0 is what the recipe has.
struct Saving {
  int steps = 1;                            // how far it can go
  std::function<void(Recipe&, int)> apply;  // the same of any recipe, so many steps
};

int halvings(int64_t from, int64_t least) {
  int steps = 0;
  for (; from / 2 >= least; from /= 2) ++steps;
  return steps;
}

// The most disliked first.
std::vector<Saving> savings_of(const Recipe& recipe) {
  std::vector<Saving> all;
  all.push_back({1, [](Recipe& r, int) {
                   for (train::TrainOptions* t : trainings_of(r))
                     t->adamw.moments = tensor::DType::kBF16;
                 }});
  all.push_back({1, [](Recipe& r, int) {
                   for (train::TrainOptions* t : trainings_of(r))
                     t->activation_checkpointing = true;
                 }});
  all.push_back({halvings(recipe.sft.micro_batch_tokens, kLeastMicroBatch), [](Recipe& r, int n) {
                   for (train::TrainOptions* t : trainings_of(r))
                     t->micro_batch_tokens =
                         std::max(std::min(t->micro_batch_tokens, kLeastMicroBatch),
                                  t->micro_batch_tokens >> n);
                 }});
  all.push_back(
      {halvings(recipe.engine.max_batch, 1), [](Recipe& r, int n) { r.engine.max_batch >>= n; }});
  all.push_back({halvings(recipe.engine.kv_cache_bytes, int64_t{1} << 24),
                 [](Recipe& r, int n) { r.engine.kv_cache_bytes >>= n; }});
  return all;
}

Recipe with(const Recipe& recipe, const std::vector<Saving>& savings,
            const std::vector<int>& steps) {
  Recipe changed = recipe;
  for (size_t i = 0; i < savings.size(); ++i) {
    if (steps[i] > 0) savings[i].apply(changed, steps[i]);
  }
  return changed;
}

void add_training(const std::string& section, const train::TrainOptions& then,
                  const train::TrainOptions& now, std::vector<std::string>& out) {
  if (now.micro_batch_tokens != then.micro_batch_tokens)
    out.push_back(fmt::format("{}.micro_batch_tokens = {}", section, now.micro_batch_tokens));
  if (now.activation_checkpointing != then.activation_checkpointing)
    out.push_back(section + ".recompute = true");
  if (now.adamw.moments != then.adamw.moments)
    out.push_back(section + ".optimizer_dtype = \"bfloat16\"");
}

// Those of DPO only where a stage of it does not fit as it is.
std::string difference(const Recipe& then, const Recipe& now) {
  std::vector<std::string> out;
  if (now.engine.kv_cache_bytes != then.engine.kv_cache_bytes)
    out.push_back(fmt::format("engine.kv_cache_bytes = {}", now.engine.kv_cache_bytes));
  if (now.engine.max_batch != then.engine.max_batch)
    out.push_back(fmt::format("engine.max_batch = {}", now.engine.max_batch));
  add_training("sft", then.sft, now.sft, out);
  for (size_t i = 0; i < then.dpo.size(); ++i)
    add_training("dpo", then.dpo[i].train, now.dpo[i].train, out);
  std::vector<std::string> once;
  for (const std::string& text : out) {
    if (std::find(once.begin(), once.end(), text) == once.end()) once.push_back(text);
  }
  return fmt::format("{}", fmt::join(once, ", "));
}

// What of a stage's memory no setting makes smaller.
std::string lower_bound_of(const StagePlan& stage) {
  int64_t bytes = 0;
  std::vector<std::string> names;
  for (const auto& [name, size] : stage.memory) {
    if (name != "weights" && name != "gradients" && name != "AdamW moments") continue;
    bytes += size;
    names.push_back(name);
  }
  return fmt::format("{} are {}", bytes_text(bytes), fmt::join(names, ", "));
}

}  // namespace

std::string Verdict::advice() const {
  if (fits) return "";
  return change.empty() ? fmt::format("no setting fits: {}; take a smaller model", lower_bound)
                        : fmt::format("{} fits", change);
}

Verdict conclude(const std::vector<StagePlan>& stages, const Recipe& recipe, int64_t memory_bytes,
                 const Replan& replan) {
  Verdict verdict;
  const StagePlan* largest = largest_of(stages);
  if (memory_bytes <= 0 || !largest || largest->peak_memory_bytes <= memory_bytes) return verdict;
  verdict.fits = false;
  verdict.reason = fmt::format("{} needs {} of memory, {} are available", largest->name,
                               bytes_text(largest->peak_memory_bytes), bytes_text(memory_bytes));
  const std::vector<Saving> savings = savings_of(recipe);
  std::vector<int> steps;
  for (const Saving& saving : savings) steps.push_back(saving.steps);
  const auto planned = [&](const std::vector<int>& tried) {
    return replan(with(recipe, savings, tried));
  };
  const auto fits = [&](const std::vector<int>& tried) {
    return largest_of(planned(tried))->peak_memory_bytes <= memory_bytes;
  };
  if (!fits(steps)) {
    verdict.lower_bound = lower_bound_of(*largest_of(planned(steps)));
    return verdict;
  }
  for (size_t i = 0; i < savings.size(); ++i) {  // as little of each as fits
    while (steps[i] > 0) {
      --steps[i];
      if (fits(steps)) continue;
      ++steps[i];
      break;
    }
  }
  verdict.change = difference(recipe, with(recipe, savings, steps));
  return verdict;
}

Machine machine_from_string(const std::string& text) {
  Machine machine;
  std::set<std::string> given;
  const auto fail = [&](std::string_view part) {
    throw Error(ErrorKind::kUsage, "--machine",
                fmt::format("expected cores, memory and speed, found \"{}\"", excerpt(part)),
                "e.g. --machine \"64 cores, 256 GB, 900 GFLOP/s\"");
  };
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.size(), rest.find(','));
    const std::string_view part = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + 1));
    double value = 0;
    const auto [stop, code] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (code != std::errc() || !(value > 0 && value < 1e9)) fail(part);
    const std::string unit =
        lower_ascii(trimmed({stop, static_cast<size_t>(part.data() + part.size() - stop)}));
    std::string what;
    if (unit == "cores" || unit == "core" || unit == "threads") {
      what = "cores";
      machine.cores = value;
    } else if (unit == "gflop/s" || unit == "gflops" || unit == "tflop/s" || unit == "tflops") {
      what = "speed";
      machine.gflops = unit[0] == 't' ? 1000 * value : value;
    } else if (unit == "gb" || unit == "gib" || unit == "tb" || unit == "tib") {
      what = "memory";
      const double step = unit.size() == 3 ? 1024 : 1000;
      machine.memory_bytes =
          static_cast<int64_t>(value * step * step * step * (unit[0] == 't' ? step : 1));
    } else {
      fail(part);
    }
    if (!given.insert(what).second) fail(part);
  }
  if (given.empty()) fail(text);
  return machine;
}

}  // namespace ponder::pipeline
