#include "pipeline/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "data/shards.h"
#include "model/checkpoint.h"
#include "pipeline/clean_section.h"
#include "pipeline/hardness.h"
#include "pipeline/lengths.h"
#include "pipeline/recipe_parts.h"
#include "pipeline/selection.h"
#include "pipeline/short_numbers.h"
#include "pipeline/toml_section.h"
#include "synth/synth.h"
#include "teach/teacher.h"
#include "tokenizer/instructions.h"

namespace ponder::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kManyBytes = int64_t{1} << 46;

// Keys of [trainer] that say how and where it runs, not what it trains.
constexpr std::string_view kTrainerSpeed[] = {"launch",   "processes",        "per_device_rows",
                                              "sharding", "checkpoint_steps", "restarts",
                                              "silence",  "tolerance",        "env"};

eval::JudgeStrictness read_strictness(TomlSection& section) {
  const auto read = [&](const char* key) {
    return eval::strictness_of(section.choice(key, "lenient", {"lenient", "strict"}));
  };
  const judge::Strictness units = read("units"), order = read("order");
  return {units, order, eval::forms_of(section.choice("forms", "exact", {"exact", "evaluated"}))};
}

// Where the paths of a recipe begin.
struct Origin {
  fs::path folder;
  RecipeFiles files;
  uint64_t seed;               // of the recipe
  fs::path teacher_rows = {};  // where sources can be the rows of a teacher
  bool teacher_direct = false;
};

// What stands around the question in the user turn.
void read_prompt(TomlSection& top, tokenizer::TemplateChoice& choice) {
  const bool own = top.has("prompt_prefix") || top.has("prompt_suffix");
  if (top.has("instruction")) {
    const std::string name = top.text("instruction", "");
    if (!tokenizer::is_instruction(name)) {
      top.fail("instruction", fmt::format("there is none named \"{}\"", excerpt(name)),
               "the instructions are " + tokenizer::instruction_names() +
                   "; one of your own: prompt_prefix, prompt_suffix");
    }
    if (own) {
      top.fail("instruction", "stands in the place of prompt_prefix and prompt_suffix",
               "give the one or the others");
    }
    tokenizer::instruct(name, choice);
  }
  if (top.has("prompt_prefix")) choice.prompt_prefix = top.text("prompt_prefix", "");
  if (top.has("prompt_suffix")) choice.prompt_suffix = top.text("prompt_suffix", "");
}

DataSource read_source(TomlSection section, const Origin& origin, bool may_repeat) {
  DataSource source;
  source.name = section.text("name", "");
  source.synth = section.texts("synth");
  const std::string file = section.text("file", "");
  if (section.has("teacher")) source.teacher = section.boolean("teacher", false);
  if ((!file.empty()) + !source.synth.empty() + source.teacher != 1) {
    section.fail("file",
                 "expected either `file` or `synth`, found " +
                     std::string(file.empty() && source.synth.empty() ? "neither" : "both"),
                 source.teacher ? "rows of a teacher come from no other place" : "");
  }
  if (source.teacher) {
    if (origin.teacher_rows.empty()) {
      section.fail("teacher", "the recipe has no teacher, or this is no place for its rows",
                   "demonstrations can be its rows, where there is a [teacher]");
    }
    source.file = origin.teacher_rows;
    source.allow_direct = origin.teacher_direct;
    source.count = section.integer("count", 0, 0, kMany);
  } else if (file.empty()) {
    for (const std::string& domain : source.synth) {
      try {
        synth::domain_from_string(domain);
      } catch (const Error& error) {
        section.fail("synth", error.problem(), error.advice());
      }
    }
    section.range("levels", source.lowest_level, source.highest_level, synth::kLowestLevel,
                  synth::kHighestLevel);
    source.split = section.choice("split", "train", {"train", "test"});
    source.count = section.integer("count", 0, 1, kMany);
    if (source.count == 0) section.fail("count", "a synthetic source needs a count");
    source.seed =
        static_cast<uint64_t>(section.integer("seed", 1, 0, std::numeric_limits<int64_t>::max()));
    source.direct = section.boolean("direct", false);
  } else {
    source.file = fs::absolute(origin.folder / file).lexically_normal();
    if (!source.file.has_filename()) source.file = source.file.parent_path();  // "folder/"
    if (origin.files == RecipeFiles::kMustExist) {
      std::vector<fs::path> shards;
      try {
        shards = data::shards_of(source.file);
      } catch (const Error& error) {
        section.fail("file", error.where() + ": " + error.problem(), error.advice());
      }
      for (const fs::path& shard : shards) {
        if (!fs::exists(shard))
          section.fail("file", "there is no file " + shard.string(),
                       "put it back, or correct the recipe");
      }
    }
    source.count = section.integer("count", 0, 0, kMany);
    if (section.has("seed"))
      source.seed =
          static_cast<uint64_t>(section.integer("seed", 1, 0, std::numeric_limits<int64_t>::max()));
    if (section.has("allow_direct")) source.allow_direct = section.boolean("allow_direct", false);
    if (section.has("all_turns")) source.all_turns = section.boolean("all_turns", false);
    if (section.has("thought_tags")) {
      const std::string tags = fmt::format("{}", fmt::join(section.texts("thought_tags"), ","));
      const std::optional<tokenizer::ThoughtTags> known = tokenizer::thought_tags_from_string(tags);
      if (!known) {
        section.fail("thought_tags", "expected two or four different tags",
                     "e.g. thought_tags = [\"<reason>\", \"</reason>\"]");
      }
      source.thought_tags = *known;
    }
    if (section.has("fields")) {
      TomlSection fields = section.section("fields");
      std::vector<std::pair<std::string, std::string>> named;
      for (const std::string& what : data::FieldMap::known()) {
        if (fields.has(what)) named.emplace_back(what, fields.text(what.c_str(), ""));
      }
      fields.finish();
      source.fields = data::FieldMap(named);
    }
  }
  source.mix = read_mix(section, origin.seed, may_repeat);
  section.finish();
  return source;
}

// Whether two sources read one file. What is not there is not looked at.
bool share_a_file(const fs::path& a, const fs::path& b) {
  const auto files_of = [](const fs::path& source) {
    try {
      return data::shards_of(source);
    } catch (const Error&) {
      return std::vector<fs::path>();
    }
  };
  const std::vector<fs::path> others = files_of(b);
  for (const fs::path& file : files_of(a)) {
    for (const fs::path& other : others) {
      std::error_code absent;
      if (fs::equivalent(file, other, absent)) return true;
    }
  }
  return false;
}

std::vector<DataSource> read_sources(TomlSection& section, const char* key, const Origin& origin,
                                     bool may_repeat = false) {
  std::vector<DataSource> sources;
  for (TomlSection& item : section.sections(key))
    sources.push_back(read_source(std::move(item), origin, may_repeat));
  for (size_t i = 0; i < sources.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      // Parts of one file by their fields are sources of their own.
      if (!sources[i].mix.conditions.empty() && !sources[j].mix.conditions.empty()) continue;
      if (!share_a_file(sources[i].file, sources[j].file)) continue;
      section.fail(fmt::format("{}[{}]", key, i),
                   fmt::format("is the file of {}[{}]: {}", key, j, sources[i].file.string()),
                   "its rows would count twice; name each file once");
    }
  }
  return sources;
}

// The key `rows` of a section that mixes these sources.
int64_t rows_of_mix(TomlSection& section, const char* key, const std::vector<DataSource>& sources) {
  std::vector<const MixOptions*> mixes;
  for (const DataSource& source : sources) mixes.push_back(&source.mix);
  return read_mix_rows(section, key, mixes);
}

}  // namespace

train::TrainOptions read_training(TomlSection& s, double lr, const Recipe& recipe) {
  train::TrainOptions o;
  const uint64_t seed = recipe.train_seed;
  o.precision = recipe.precision;
  o.batch.epochs = static_cast<int>(s.integer("epochs", 3, 1, 10000));
  o.batch.batch_rows = s.integer("batch_rows", 96, 1, kMany);
  o.batch.seed = seed;
  o.lr = s.number("lr", lr, 1e-30, 10);
  o.schedule = *train::schedule_from_string(
      s.choice("schedule", "cosine", {"cosine", "linear", "constant"}));
  o.warmup_ratio = s.number("warmup_ratio", 0.1, 0, 1);
  o.adamw.weight_decay = s.number("weight_decay", 0.1, 0, 10);
  o.adamw.moments =
      *tensor::dtype_from_name(s.choice("optimizer_dtype", "float32", {"float32", "bfloat16"}));
  o.adamw.seed = seed;
  o.max_grad_norm = s.number("max_grad_norm", 1.0, 0, 1e9);
  o.group_tokens = s.integer("group_tokens", 0, 0, kMany);
  o.micro_batch_tokens =
      s.integer("micro_batch_tokens", train::usual_micro_batch_tokens(o.precision), 1, kMany);
  o.activation_checkpointing = s.boolean("recompute", false);
  return o;
}

namespace {

void apply_override(toml::table& root, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorKind::kUsage, "--set " + text, "expected key=value", "e.g. --set sft.lr=1e-5");
  }
  const std::string key = text.substr(0, equals), value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = parse_toml("value = " + value, "--set " + key);
  } catch (const Error&) {
    parsed = toml::table{{"value", value}};  // a bare word is a string
  }
  if (std::count(key.begin(), key.end(), '.') >= kMaxKeyParts) {
    throw Error(ErrorKind::kUsage, "--set " + excerpt(key),
                fmt::format("expected keys of at most {} parts, found more", kMaxKeyParts));
  }
  toml::table* table = &root;
  std::istringstream parts(key);
  std::string part, next;
  std::getline(parts, part, '.');
  while (std::getline(parts, next, '.')) {
    if (!table->get(part)) table->insert(part, toml::table{});
    table = table->get(part)->as_table();
    if (!table) {
      throw Error(ErrorKind::kUsage, "--set " + text, fmt::format("\"{}\" is not a table", part),
                  "--set reaches keys of tables; change an item of a list in the recipe itself");
    }
    part = next;
  }
  table->insert_or_assign(part, *parsed.get("value"));
}

void flatten(const toml::node& node, const std::string& path,
             std::map<std::string, std::string>& out) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      flatten(value, path.empty() ? std::string(key.str()) : path + "." + std::string(key.str()),
              out);
    }
  } else if (const toml::array* array = node.as_array()) {
    for (size_t i = 0; i < array->size(); ++i)
      flatten(*array->get(i), fmt::format("{}[{}]", path, i), out);
  } else {
    std::ostringstream text;
    node.visit([&](const auto& value) { text << value; });
    out[path] = text.str();
  }
}

tensor::Precision usual_precision_of(const fs::path& model) {
  try {
    return model::usual_precision(model::load_config(model));
  } catch (const Error&) {
    return tensor::Precision::kF32;  // whoever opens the model says what is wrong with it
  }
}

// A run's own recipe without the key was made when there was float32 alone.
tensor::Precision read_precision(TomlSection& top, RecipeFiles files, tensor::Precision usual) {
  using tensor::Precision;
  if (!top.has("precision")) return files == RecipeFiles::kOfARun ? Precision::kF32 : usual;
  const auto kept = tensor::precision_from_stored(top.text("precision", "f32"));
  if (kept)
    return files == RecipeFiles::kOfARun || !tensor::is_former(*kept) ? *kept : Precision::kBf16;
  return *tensor::precision_from_string(top.choice("precision", "f32", {"f32", "bf16"}));
}

}  // namespace

Recipe load_recipe(const fs::path& file, const std::vector<std::string>& overrides,
                   RecipeFiles files) {
  toml::table root = parse_toml(read_file(file), file.string());
  for (const std::string& item : overrides) apply_override(root, item);
  Origin origin{fs::absolute(file).parent_path(), files, 1};

  toml::table resolved;
  TomlSection top(&root, resolved, file.string(), "");
  Recipe recipe;
  recipe.name = top.text("name", file.stem().string());
  recipe.seed =
      static_cast<uint64_t>(top.integer("seed", 1, 0, std::numeric_limits<int64_t>::max()));
  origin.seed = recipe.seed;
  recipe.train_seed = recipe.seed;
  if (top.has("train_seed"))
    recipe.train_seed =
        static_cast<uint64_t>(top.integer("train_seed", 1, 0, std::numeric_limits<int64_t>::max()));
  const std::string base = top.text("base", "");
  if (base.empty()) top.fail("base", "a recipe needs the folder of its base model");
  recipe.base = fs::absolute(origin.folder / base).lexically_normal();
  if (files == RecipeFiles::kMustExist && !fs::is_directory(recipe.base)) {
    const std::string hub = model::hub_advice(base);
    top.fail("base", "there is no folder " + recipe.base.string(),
             hub.empty() ? "paths are relative to the recipe's folder" : hub);
  }
  if (top.has("chat_template")) {
    const std::string name = top.text("chat_template", "");
    try {
      recipe.chat_template.name = tokenizer::ChatTemplate::named(name).name();
    } catch (const Error& error) {
      top.fail("chat_template", error.problem());
    }
  }
  // A run may begin from a model trained with another template; its own models all share one.
  if (top.has("allow_template_change"))
    recipe.chat_template.allow_change = top.boolean("allow_template_change", false);
  read_prompt(top, recipe.chat_template);
  if (top.has("thought_form")) {
    recipe.thought_form = data::thought_form_from_string(top.text("thought_form", ""));
    if (!recipe.thought_form)
      top.fail("thought_form", "expected \"still\", \"think\" or \"as-written\"");
  }
  if (top.has("add_tokens")) recipe.add_tokens = top.texts("add_tokens");
  recipe.system = top.text("system", "");
  const int64_t positions = positions_of(recipe.base);
  recipe.max_length = top.integer("max_length", usual_max_length(positions), 2, kMany);
  recipe.dtype =
      *tensor::dtype_from_name(top.choice("dtype", "float32", {"float32", "bfloat16", "float16"}));

  const tensor::Precision usual = usual_precision_of(recipe.base);
  recipe.precision = read_precision(top, files, usual);
  resolved.insert_or_assign("precision", std::string(tensor::stored_name(recipe.precision)));
  // The key is younger than runs that go on: it stands only where it is not what they had.
  if (recipe.precision == tensor::Precision::kF32 && recipe.precision == usual)
    resolved.erase("precision");
  if (top.has("decontaminate")) recipe.decontaminate = top.boolean("decontaminate", true);
  if (top.has("clean")) read_clean(top.section("clean"), recipe.clean, recipe.clean_problems);

  TomlSection sft = top.section("sft");
  recipe.sft = read_training(sft, 1e-5, recipe);
  recipe.sft.precision = recipe.precision;
  sft.finish();

  Origin taught = origin;
  if (top.given("teacher")) {
    TomlSection teacher = top.section("teacher");
    recipe.teacher = read_teacher(teacher, origin.folder);
    recipe.teacher.problems = read_sources(teacher, "problems", origin);
    if (recipe.teacher.problems.empty()) teacher.fail("problems", "a teacher needs problems");
    teacher.finish();
    taught.teacher_rows = teach::teacher_files(recipe.teacher.out).demonstrations;
    taught.teacher_direct = recipe.teacher.allow_direct;
  }

  TomlSection imitate = top.section("imitate");
  recipe.imitation.push_back({"", read_sources(imitate, "demonstrations", taught, true)});
  recipe.imitation[0].rows =
      rows_of_mix(imitate, "demonstrations", recipe.imitation[0].demonstrations);
  for (TomlSection& item : imitate.sections("compare")) {
    ImitationSet set;
    set.name = item.text("name", "");
    item.check_name("name", set.name);
    if (set.name == "dpo")
      item.fail("name", "\"dpo\" is the name of the DPO stage", "choose another name");
    for (const ImitationSet& other : recipe.imitation) {
      if (other.name == set.name)
        item.fail("name", fmt::format("two sets to compare with are named \"{}\"", set.name));
    }
    set.demonstrations = read_sources(item, "demonstrations", taught, true);
    set.rows = rows_of_mix(item, "demonstrations", set.demonstrations);
    if (set.demonstrations.empty()) item.fail("demonstrations", "no demonstrations");
    item.finish();
    recipe.imitation.push_back(std::move(set));
  }
  imitate.finish();
  if (recipe.imitation[0].demonstrations.empty()) {
    imitate.fail("demonstrations", "a recipe needs demonstrations to imitate",
                 "add [[imitate.demonstrations]] with a file or synth");
  }

  TomlSection explore = top.section("explore");
  ExploreOptions& e = recipe.explore;
  e.problems = read_sources(explore, "problems", origin);
  e.rows = rows_of_mix(explore, "problems", e.problems);
  e.rounds = explore.integer("rounds", e.problems.empty() ? 0 : 1, 0, 1000);
  e.problems_per_round = explore.integer("problems_per_round", 0, 0, kMany);
  read_hardness(explore, e);
  e.samples = explore.integer("samples", 20, 1, 100000);
  e.enough_correct = explore.integer("enough_correct", 2, 0, kMany);
  e.enough_incorrect = explore.integer("enough_incorrect", 2, 0, kMany);
  e.temperature = explore.number("temperature", 1.0, 0, 100);
  e.top_p = explore.number("top_p", 0.95, 1e-6, 1);
  e.max_tokens = explore.integer("max_tokens", usual_max_tokens(positions), 1, kMany);
  e.strictness = read_strictness(explore);
  read_budget(explore, e);
  explore.finish();
  if (e.rounds > 0 && e.problems.empty()) explore.fail("problems", "exploration needs problems");

  recipe.refine = read_refine(top, recipe);
  if (top.given("improve")) {
    TomlSection improve = top.section("improve");
    recipe.improve_from_current = improve.choice("from", "base", {"base", "current"}) == "current";
    improve.finish();
  }
  read_dpo(top, recipe);
  read_trainer(top, recipe);

  TomlSection evaluate = top.section("evaluate");
  recipe.evaluate.benchmarks = read_sources(evaluate, "benchmarks", origin);
  for (DataSource& source : recipe.evaluate.benchmarks) {
    if (source.name.empty())
      source.name = source.file.empty() ? source.synth[0] : data::dataset_name(source.file);
    evaluate.check_name("benchmarks", source.name);
    for (const DataSource& other : recipe.evaluate.benchmarks) {
      if (&other != &source && other.name == source.name) {
        evaluate.fail("benchmarks", fmt::format("two benchmarks are named \"{}\"", source.name));
      }
    }
  }
  // Results are files named MODEL-BENCHMARK.
  check_result_names(recipe, evaluate);
  recipe.evaluate.samples = evaluate.integer("samples", 1, 1, 100000);
  recipe.evaluate.temperature =
      evaluate.number("temperature", recipe.evaluate.samples > 1 ? 1.0 : 0.0, 0, 100);
  recipe.evaluate.top_p = evaluate.number("top_p", 0.95, 1e-6, 1);
  recipe.evaluate.max_tokens =
      evaluate.integer("max_tokens", usual_max_tokens(positions), 1, kMany);
  if (evaluate.has("thinking"))
    recipe.evaluate.thinking = evaluate.choice("thinking", "on", {"on", "off"}) == "on";
  recipe.evaluate.strictness = read_strictness(evaluate);
  evaluate.finish();

  TomlSection engine = top.section("engine");
  recipe.engine.max_batch = engine.integer("max_batch", 64, 1, 65536);
  recipe.engine.kv_cache_bytes =
      engine.integer("kv_cache_bytes", int64_t{1} << 30, 1 << 16, kManyBytes);
  engine.finish();
  if (top.given("fleet")) recipe.fleet = read_fleet(top.section("fleet"), origin.folder);
  top.finish();

  resolved.insert_or_assign("base", recipe.base.string());
  std::ostringstream out;
  out << toml::toml_formatter(resolved) << "\n";
  recipe.resolved = short_numbers(out.str());
  return recipe;
}

namespace {

// What is left of [fleet] says who samples where other rows come of it.
bool is_place_of_fleet(std::string_view key) { return key != "kind" && key != "stages"; }

void erase_places_of_fleet(toml::table& recipe) {
  toml::table* fleet = recipe["fleet"].as_table();
  if (!fleet) return;
  if ((*fleet)["kind"].value_or("ponder") == std::string_view("ponder")) {
    recipe.erase("fleet");
    return;
  }
  std::vector<std::string> places;
  for (auto&& [key, value] : *fleet)
    if (is_place_of_fleet(key.str())) places.emplace_back(key.str());
  for (const std::string& key : places) fleet->erase(key);
}

}  // namespace

std::string without_speed_settings(const std::string& resolved) {
  toml::table recipe = parse_toml(resolved, "the resolved recipe");
  recipe.erase("engine");
  erase_places_of_fleet(recipe);
  if (toml::table* teacher = recipe["teacher"].as_table()) {
    std::vector<std::string> places;
    for (auto&& [key, value] : *teacher)
      if (is_teachers_place("teacher." + std::string(key.str()))) places.emplace_back(key.str());
    for (const std::string& key : places) teacher->erase(key);
  }
  if (toml::table* trainer = recipe["trainer"].as_table()) {
    for (const std::string_view key : kTrainerSpeed) trainer->erase(key);
  }
  for (auto&& [key, value] : recipe) {
    if (toml::table* section = value.as_table()) {
      section->erase("micro_batch_tokens");
      section->erase("recompute");
    } else if (toml::array* list = value.as_array()) {
      for (auto&& item : *list) {
        if (toml::table* table = item.as_table()) {
          table->erase("micro_batch_tokens");
          table->erase("recompute");
        }
      }
    }
  }
  std::ostringstream out;
  out << toml::toml_formatter(recipe) << "\n";
  return out.str();
}

std::map<std::string, std::string> recipe_keys(const std::string& resolved) {
  std::map<std::string, std::string> keys;
  toml::table recipe = parse_toml(resolved, "the resolved recipe");
  erase_places_of_fleet(recipe);
  flatten(recipe, "", keys);
  std::erase_if(keys, [](const auto& entry) {
    const std::string& key = entry.first;
    const auto speed = [&](std::string_view name) {
      const std::string whole = fmt::format("trainer.{}", name);
      return key == whole || key.starts_with(whole + "[");
    };
    return key.starts_with("engine.") || is_teachers_place(key) ||
           key.ends_with("micro_batch_tokens") || key.ends_with("recompute") ||
           std::any_of(std::begin(kTrainerSpeed), std::end(kTrainerSpeed), speed);
  });
  return keys;
}

std::vector<std::string> recipe_differences(const std::string& then, const std::string& now) {
  const std::map<std::string, std::string> a = recipe_keys(then), b = recipe_keys(now);
  std::vector<std::string> differences;
  const auto is_place = [](const std::string& key) {
    return key == "base" || key.ends_with(".file");
  };
  for (const auto& [key, value] : a) {
    if (is_place(key) && b.contains(key)) continue;
    const auto other = b.find(key);
    if (other != b.end() && other->second == value) continue;
    differences.push_back(fmt::format("{}: {} then, {} now", key, short_numbers(value),
                                      other == b.end() ? "absent" : short_numbers(other->second)));
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key))
      differences.push_back(fmt::format("{}: absent then, {} now", key, short_numbers(value)));
  }
  return differences;
}

}  // namespace ponder::pipeline
