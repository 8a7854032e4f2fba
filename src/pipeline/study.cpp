#include "pipeline/study.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "pipeline/share.h"
#include "pipeline/sources.h"
#include "pipeline/stage_list.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

// Every leaf of a table of recipe keys as --set would have it; an array is a leaf.
void add_overrides(const toml::table& table, const std::string& path,
                   std::vector<std::string>& out) {
  for (const auto& [key, node] : table) {
    const std::string name =
        path.empty() ? std::string(key.str()) : path + "." + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      add_overrides(*inner, name, out);
      continue;
    }
    std::ostringstream value;
    node.visit([&](const auto& it) { value << it; });
    out.push_back(name + "=" + value.str());
  }
}

// `table` is the section's own.
void read_set(TomlSection& section, const toml::table& table, std::vector<std::string>& out) {
  if (!section.given("set")) return;
  const toml::table* set = table["set"].as_table();
  if (!set) section.fail("set", "expected a table of recipe keys", "e.g. set = { sft.epochs = 4 }");
  add_overrides(*set, "", out);
}

report::StudyQuestion read_question(TomlSection section) {
  report::StudyQuestion question;
  question.found = section.text("found", "");
  question.of = section.text("of", "");
  question.against = section.text("against", "");
  question.on = section.text("on", "");
  for (const char* key : {"found", "of", "against", "on"})
    if (!section.has(key)) section.fail(key, "a finding needs this key");
  const std::string expected = section.choice("expected", "higher", {"higher", "lower", "same"});
  question.expected = expected == "higher"  ? report::StudyQuestion::Expected::kHigher
                      : expected == "lower" ? report::StudyQuestion::Expected::kLower
                                            : report::StudyQuestion::Expected::kSame;
  if (expected == "same") question.within = section.number("within", 3, 0, 100);
  section.finish();
  return question;
}

const StudyVariant* variant_named(const Study& study, const std::string& name) {
  for (const StudyVariant& variant : study.variants)
    if (variant.name == name) return &variant;
  return nullptr;
}

std::string names_of(const Study& study) {
  std::vector<std::string> names;
  for (const StudyVariant& variant : study.variants) names.push_back(variant.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The part of the study that is asked for.
struct Asked {
  std::vector<const StudyVariant*> variants;
  std::vector<uint64_t> train_seeds;
};

Asked asked_of(const Study& study, const StudyPart& part) {
  Asked asked{{}, part.train_seeds.empty() ? study.train_seeds : part.train_seeds};
  for (const std::string& name : part.variants) {
    if (variant_named(study, name)) continue;
    throw Error(ErrorKind::kUsage, "--variant " + name, "the study has no such variant",
                "its variants are " + names_of(study));
  }
  for (const StudyVariant& variant : study.variants) {
    if (part.variants.empty() ||
        std::find(part.variants.begin(), part.variants.end(), variant.name) != part.variants.end())
      asked.variants.push_back(&variant);
  }
  return asked;
}

Recipe recipe_of(const Study& study, const StudyPart& part, const StudyVariant& variant,
                 uint64_t train_seed, RecipeFiles files = RecipeFiles::kMustExist) {
  std::vector<std::string> overrides = variant.overrides;
  overrides.insert(overrides.end(), part.overrides.begin(), part.overrides.end());
  overrides.push_back(fmt::format("train_seed={}", train_seed));
  overrides.push_back(fmt::format("name=\"{}-{}\"", study.name, variant.name));
  try {
    return load_recipe(study.recipe, overrides, files);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("variant {}: {}", variant.name, error.where()),
                error.problem(), error.advice());
  }
}

// The run that another begins with: in the same seed that of the variant it names, else the one given
// for all, else the first variant's; of the first variant itself that in the first seed.
fs::path origin_of(const Study& study, const StudyPart& part, const StudyVariant& variant,
                   uint64_t train_seed, const fs::path& out) {
  const std::string& first = study.variants[0].name;
  if (!variant.from.empty()) return study_run_folder(out, variant.from, train_seed);
  if (!part.from.empty()) return part.from / fmt::format("seed-{}", train_seed);
  if (variant.name != first) return study_run_folder(out, first, train_seed);
  if (train_seed == study.train_seeds[0]) return {};
  return study_run_folder(out, first, study.train_seeds[0]);
}

// Makes the run's folder out of its origin, where there is one. Several processes may copy one origin, each
// for a moment; one that is worked on for longer is not waited for, and the run does all itself.
void begin_with(const fs::path& origin, const fs::path& folder, const std::atomic<bool>* stop) {
  if (origin.empty() || fs::exists(folder / "run.db") || !fs::exists(origin / "run.db")) return;
  constexpr int kTries = 200;
  for (int i = 0; i < kTries && !(stop && stop->load()); ++i) {
    try {
      return share_run(origin, folder);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kBusy) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// False when stopped.
bool run_variant(const Recipe& recipe, const fs::path& folder, const fs::path& origin,
                 ThreadPool& threads, Monitor& monitor, const std::atomic<bool>* stop) {
  std::vector<ReadSource> sources = read_sources(recipe);
  const RecipePlan planned = plan_recipe(recipe, sources, threads);
  begin_with(origin, folder, stop);
  // A run that began without its origin would do again what that has done.
  if (stop && stop->load()) return false;
  require_fit(planned, folder);
  PipelineRun run(recipe, std::move(sources), folder, threads, monitor, stop, Changes::kRedone);
  run.expect(planned);
  return run.execute("", [](const pool::StageRecord&) {});
}

constexpr const char* kAnotherRecipe = "its run is of another recipe";

// What keeps the run from being all of the recipe; "" for nothing.
std::string pending_of(const Recipe& recipe, const fs::path& folder, const pool::Pool& pool) {
  const fs::path saved = folder / "recipe.toml";
  if (!fs::exists(saved) || !recipe_differences(read_file(saved), recipe.resolved).empty())
    return kAnotherRecipe;
  for (const Stage& stage : stages_of(recipe))
    if (!pool.stage(stage.name)) return stage.name + " has not begun";
  return "";
}

// Beside the run's folder: why it failed, where its database may not say.
fs::path failure_file(const fs::path& folder) { return fs::path(folder.string() + ".failed"); }

}  // namespace

Study load_study(const fs::path& file) {
  const toml::table root = parse_toml(read_file(file), file.string());
  toml::table resolved;
  TomlSection top(&root, resolved, file.string(), "");
  Study study;
  study.name = top.text("name", file.stem().string());
  study.title = top.text("title", study.name);
  const std::string recipe = top.text("recipe", "");
  if (recipe.empty())
    top.fail("recipe", "a study needs the recipe whose variants it has",
             "paths are relative to the study's folder");
  study.recipe = fs::absolute(fs::absolute(file).parent_path() / recipe).lexically_normal();
  if (!fs::exists(study.recipe)) top.fail("recipe", "there is no file " + study.recipe.string());
  study.watch = top.text("watch", "");
  for (const std::string& seed : top.words("train_seeds")) {
    if (seed.empty() || seed.size() > 18 ||
        seed.find_first_not_of("0123456789") != std::string::npos)
      top.fail("train_seeds", fmt::format("expected whole numbers, found {}", excerpt(seed)));
    study.train_seeds.push_back(std::stoull(seed));
    if (std::count(study.train_seeds.begin(), study.train_seeds.end(), study.train_seeds.back()) >
        1)
      top.fail("train_seeds", fmt::format("{} stands there twice", seed));
  }
  if (study.train_seeds.empty()) study.train_seeds = {1, 2, 3};
  std::vector<std::string> shared;
  read_set(top, root, shared);
  for (TomlSection& section : top.sections("variant")) {
    StudyVariant variant;
    variant.name = section.text("name", "");
    section.check_name("name", variant.name);
    if (variant_named(study, variant.name))
      section.fail("name", fmt::format("two variants are named \"{}\"", variant.name));
    variant.from = section.text("from", "");
    if (!variant.from.empty() && !variant_named(study, variant.from)) {
      section.fail("from", fmt::format("no variant before it is named \"{}\"", variant.from),
                   study.variants.empty() ? "" : "before it are " + names_of(study));
    }
    variant.models = section.texts("models");
    const toml::table& own = *root["variant"].as_array()->get(study.variants.size())->as_table();
    variant.overrides = shared;
    read_set(section, own, variant.overrides);
    section.finish();
    study.variants.push_back(std::move(variant));
  }
  if (study.variants.empty()) top.fail("variant", "a study needs variants", "add [[variant]]");
  for (TomlSection& section : top.sections("finding"))
    study.questions.push_back(read_question(section));
  top.finish();
  for (const report::StudyQuestion& question : study.questions) {
    for (const std::string& side : {question.of, question.against}) {
      const std::string variant = side.substr(0, side.find('/'));
      if (variant_named(study, variant)) continue;
      throw Error(file.string(),
                  fmt::format("a finding names \"{}\", and no variant is called so", side),
                  "the variants are " + names_of(study));
    }
  }
  return study;
}

fs::path study_run_folder(const fs::path& out, const std::string& variant, uint64_t train_seed) {
  return out / variant / fmt::format("seed-{}", train_seed);
}

std::vector<StudyFailure> run_study(const Study& study, const StudyPart& part, const fs::path& out,
                                    ThreadPool& threads, Monitor& monitor,
                                    const std::atomic<bool>* stop, bool& stopped) {
  const Asked asked = asked_of(study, part);
  for (const StudyVariant* variant : asked.variants) {
    const Recipe recipe = recipe_of(study, part, *variant, asked.train_seeds[0]);
    check_until(recipe, "");
  }
  for (const uint64_t train_seed : asked.train_seeds) {
    if (part.from.empty() || fs::exists(part.from / fmt::format("seed-{}", train_seed) / "run.db"))
      continue;
    throw Error(ErrorKind::kNotFound, "--from " + part.from.string(),
                fmt::format("has no run seed-{}", train_seed),
                "give a folder of runs seed-1, seed-2, …, of every training seed");
  }
  std::vector<StudyFailure> failures;
  stopped = false;
  for (const uint64_t train_seed : asked.train_seeds) {
    for (const StudyVariant* variant : asked.variants) {
      monitor.info(
          fmt::format("study {}: {}, training seed {}", study.name, variant->name, train_seed));
      const fs::path folder = study_run_folder(out, variant->name, train_seed);
      try {
        fs::remove(failure_file(folder));
        const Recipe recipe = recipe_of(study, part, *variant, train_seed);
        stopped = !run_variant(recipe, folder, origin_of(study, part, *variant, train_seed, out),
                               threads, monitor, stop);
      } catch (const Error& error) {
        monitor.warning(fmt::format("study {}: {}, training seed {}, failed: {}", study.name,
                                    variant->name, train_seed, error.what()));
        failures.push_back({variant->name, train_seed, error.what()});
        fs::create_directories(folder.parent_path());
        write_file_atomic(failure_file(folder), std::string(error.what()) + "\n");
      }
      if (stopped) return failures;
    }
  }
  return failures;
}

report::StudyTable study_table_of(const Study& study, const StudyPart& part, const fs::path& out) {
  const Asked asked = asked_of(study, part);
  std::list<pool::Pool> pools;
  std::vector<report::StudyVariantRuns> variants;
  for (const StudyVariant& variant : study.variants) {
    report::StudyVariantRuns runs{variant.name, variant.models, {}};
    const bool wanted =
        std::find(asked.variants.begin(), asked.variants.end(), &variant) != asked.variants.end();
    for (const uint64_t seed : asked.train_seeds) {
      const fs::path folder = study_run_folder(out, variant.name, seed);
      const bool there = fs::exists(folder / "run.db");
      if (!there && !wanted) continue;
      report::StudyRun run{seed};
      if (there) {
        const Recipe recipe = recipe_of(study, part, variant, seed, RecipeFiles::kMayBeAbsent);
        pool::Pool pool = pool::Pool::open_read_only(folder / "run.db");
        run.pending = pending_of(recipe, folder, pool);
        // One that has just been copied is still that which it was copied from.
        if (run.pending != kAnotherRecipe) run.pool = &pools.emplace_back(std::move(pool));
      }
      if (fs::exists(failure_file(folder))) run.failure = read_file(failure_file(folder));
      while (run.failure.ends_with('\n')) run.failure.pop_back();
      runs.runs.push_back(std::move(run));
    }
    variants.push_back(std::move(runs));
  }
  return report::study_table(variants, study.questions, study.watch);
}

}  // namespace ponder::pipeline
