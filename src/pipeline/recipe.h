// A recipe: everything a run is a function of, read from TOML. docs/recipes.md documents every key.
// An unknown key, a wrong type or a value out of range is an Error that names file, line, key and
// the nearest known key; nothing is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "clean/filters.h"
#include "data/token_rows.h"
#include "eval/judging.h"
#include "fleet/server_kind.h"
#include "model/config.h"
#include "pipeline/mix.h"
#include "pipeline/selection.h"
#include "tokenizer/template_choice.h"
#include "train/trainer.h"
#include "trainers/job.h"

namespace ponder::pipeline {

// Rows from a file (the teacher's too), or from the synthetic world. Exactly one of `file` and `synth` is
// set.
struct DataSource {
  std::string name;                             // of a benchmark; otherwise free
  std::filesystem::path file;                   // absolute; a folder or pattern for several
  std::vector<std::string> synth;               // domains of ponder synth, taking turns
  int64_t lowest_level = 1, highest_level = 5;  // synth
  std::string split = "train";                  // synth: train or test
  int64_t count = 0;          // synth: rows to make; file: rows to keep from its beginning, 0 = all
  uint64_t seed = 1;          // synth; file: shuffles choices that come unshuffled
  bool teacher = false;       // demonstrations: `file` is that of the recipe's teacher
  bool direct = false;        // synth demonstrations without a thought
  bool allow_direct = false;  // file: demonstrations without a thought too
  bool all_turns = false;     // file: train on every assistant turn, not the last alone
  tokenizer::ThoughtTags thought_tags;  // file: of one's own
  data::FieldMap fields;                // file: names of its own
  MixOptions mix;
};

struct ImitationSet {
  std::string name;  // "" for the main one, else the suffix of the model: M1-<name>
  std::vector<DataSource> demonstrations;
  int64_t rows = 0;  // of a mix by shares, 0: as many as there are
};

// Which problems of a round are explored: by its model's pass rate, those below a limit, the others, or
// those within a band.
enum class Pick { kAll, kHard, kNotHard, kBand };

struct ExploreOptions {
  int64_t rounds = 0;
  std::vector<DataSource> problems;
  int64_t rows = 0;                // of a mix by shares, 0: as many as there are
  int64_t problems_per_round = 0;  // 0: all, shared out evenly over the rounds
  bool hard_only = true;           // a screening comes first: all but Pick::kAll
  Pick pick = Pick::kHard;
  double hard_below = 0.5;                             // of the pass rate's posterior mean
  double lowest_pass_rate = 0, highest_pass_rate = 1;  // of a band, both included
  int64_t screen_samples = 1;                          // of each problem; one is greedy
  double screen_temperature = 0, screen_top_p = 1;
  bool retry_unsolved = false;  // problems no earlier round solved are explored again
  int64_t samples = 20;         // per problem, at most
  int64_t enough_correct = 2, enough_incorrect = 2;  // stop a problem once it has both
  bool enough_usable = false;  // of those that are finished and well-formed; with a budget always
  int64_t budget_samples = 0, budget_tokens = 0;  // of a round; 0: no limit
  double budget_hours = 0;
  int64_t budget_wave = 64;  // samples between two looks at all problems
  double temperature = 1.0, top_p = 0.95;
  int64_t max_tokens = 1024;
  eval::JudgeStrictness strictness;  // screening too

  bool has_budget() const { return budget_samples > 0 || budget_tokens > 0 || budget_hours > 0; }
};

struct RefineOptions {
  std::string strategy = "longest";  // see pipeline/selection.h
  int64_t per_problem = 1;
  int64_t max_rows = 0;   // per round, 0: no limit
  int64_t agreement = 0;  // right rollouts of a problem, at least
  Band length_band, perplexity_band;
  int64_t per_domain = 0;        // rows of a domain and round, 0: no limit
  std::string perplexity_model;  // whose perplexities count, "" for the one that sampled
};

// One model trained on preferences. Those of a recipe run in its order, after the rounds.
struct DpoVariant {
  std::string name = "dpo";  // of its stage, "dpo-NAME" ("dpo": the stage of that name)
  std::string from = "M1";   // the model it starts from and is held to; its own is FROM-NAME
  int64_t first_round = 1, last_round = 1;  // of exploration: whose rollouts are paired
  Strategy chosen = Strategy::kHighestPerplexity, rejected = Strategy::kLowestPerplexity;
  int64_t per_problem = 1;           // pairs of a problem, at most
  int64_t max_pairs = 0;             // 0: no limit
  bool unfinished_rejected = false;  // wrong responses may be cut off
  double held_out = 0;               // share of the problems whose pairs are not trained on
  int64_t probe_problems = 0;        // answered on the way; 0: none
  int64_t probe_steps = 0;           // every so many; 0: an eighth of the job's
  double finish_drop = 0.2;          // the job ends when so much less of them is finished
  data::Align align = data::Align::kThought;
  train::DpoOptions options;
  train::TrainOptions train;

  std::string stage() const { return name == "dpo" ? name : "dpo-" + name; }
  std::string model() const { return from + "-" + name; }
};

struct EvaluateOptions {
  std::vector<DataSource> benchmarks;
  int64_t samples = 1;
  double temperature = 0.0, top_p = 0.95;
  int64_t max_tokens = 1024;
  std::optional<bool> thinking;  // see tokenizer::TemplateChoice
  eval::JudgeStrictness strictness;
};

struct EngineSettings {
  int64_t max_batch = 64;
  int64_t kv_cache_bytes = int64_t{1} << 30;
};

// Servers that sample in this process's stead. Those of kind ponder make the same rows, so that no key
// changes a result; of another kind the kind does, in the stages that sample there.
struct FleetSettings {
  fleet::ServerKind kind = fleet::ServerKind::kPonder;
  std::vector<std::string> servers;
  std::filesystem::path servers_file;  // absolute, "" for none
  std::string api_key_env;
  bool insecure_key = false;                   // a key may go over plain http to another machine
  std::filesystem::path ca_file;               // absolute, "" for none
  std::vector<std::string> command;            // gives them another model (fleet/update_command.h)
  std::vector<std::string> stop_command;       // ends them (pipeline/server_commands.h)
  double command_timeout = 0;                  // seconds, for each of these to end; 0: no limit
  double ready_timeout = 1800;                 // seconds, for servers to have a model
  int64_t max_inflight = 512;                  // requests to one
  int64_t rpm = 0, tpm = 0;                    // requests and tokens a minute to one; 0: no limit
  double idle_timeout = 120, patience = 1800;  // seconds
  double canary_every = 1800;  // seconds between proofs of weights; 0: at a stage's end alone
  std::vector<std::string> stages = {"screen", "explore", "evaluate"};  // kinds that sample there

  bool any() const { return !servers.empty() || !servers_file.empty(); }
  // Whether stages of a kind sample there, and whether their rows are then others than this process's:
  // drawn by others' random numbers, without log-probabilities that could be trained on.
  bool samples(std::string_view stage_kind) const;
  bool samples_otherwise(std::string_view stage_kind) const {
    return kind != fleet::ServerKind::kPonder && samples(stage_kind);
  }
};

// Somebody else's model whose right answers are demonstrations (pipeline/teacher.h).
struct TeacherOptions {
  std::vector<std::string> urls;
  std::string model, api_key_env;  // model "": there is no teacher
  std::filesystem::path ca_file, out;
  bool insecure_key = false;
  std::vector<DataSource> problems;
  int64_t samples = 1, enough_correct = 1, max_tokens = 32768;
  std::string max_tokens_field = "max_tokens";
  std::optional<double> temperature, top_p;  // not sent where they are not given
  bool send_seed = false;
  Json extra = Json::object();
  std::string system, prompt_prefix, prompt_suffix;
  bool allow_direct = false;
  std::string license;
  std::string currency, price_input, price_cached_input, price_output, budget;  // decimal, "": none
  std::optional<int64_t> overhead_tokens;
  double max_failed = 0.01;
  int64_t max_inflight = 256;
  int64_t rpm = 0, tpm = 0;                    // requests and tokens a minute; 0: no limit
  double idle_timeout = 660, patience = 1800;  // seconds

  bool any() const { return !model.empty(); }
};

struct Recipe {
  std::string name;
  uint64_t seed = 1;
  uint64_t train_seed = 1;                        // of training alone: the order of its rows
  std::filesystem::path base;                     // checkpoint folder of M0
  tokenizer::TemplateChoice chat_template;        // by name; empty: the base model's own
  std::optional<data::ThoughtForm> thought_form;  // not given: by the base's tokenizer
  std::vector<std::string> add_tokens;            // to the base's tokenizer, before training
  std::string system;                             // system turn of every prompt; "" for none
  int64_t max_length = 20000;                     // tokens of a training row
  tensor::DType dtype = tensor::DType::kF32;      // of saved checkpoints
  // In which every model of the run trains, samples and scores.
  tensor::Precision precision = tensor::Precision::kF32;
  bool decontaminate = true;             // drop training rows that stand in a benchmark
  clean::Options clean, clean_problems;  // filters of demonstrations and of problems
  train::TrainOptions sft;
  std::vector<ImitationSet> imitation;  // the main set first
  ExploreOptions explore;
  RefineOptions refine;
  bool improve_from_current = false;  // else from the base
  std::vector<DpoVariant> dpo;
  EvaluateOptions evaluate;
  EngineSettings engine;
  FleetSettings fleet;
  TeacherOptions teacher;
  trainers::Settings trainer;

  std::string resolved;  // the recipe with every default filled in, as TOML
};

// Whether the base's folder and the files of sources must be there. kOfARun: the recipe.toml of a run
// that has begun, where they may be absent too, and "bf16" is that arithmetic's first definition: a
// resolved recipe names it as it is kept (tensor::stored_name). In any other recipe all names of bf16
// ask for the one of today.
enum class RecipeFiles { kMustExist, kMayBeAbsent, kOfARun };

// `overrides`: "key=value" with dotted keys, as --set gives them; they win over the file.
Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                   RecipeFiles files = RecipeFiles::kMustExist);

// A resolved recipe without the keys that change no byte of what it makes: [engine], [fleet] (of another kind
// than ponder all but kind and stages), where and for
// how much a teacher is asked, and in any section micro_batch_tokens and recompute.
std::string without_speed_settings(const std::string& resolved);

// Every key of a resolved recipe that can change a result, dotted ("explore.problems[0].count"), with
// its value as text.
std::map<std::string, std::string> recipe_keys(const std::string& resolved);

// "sft.lr: 1e-05 then, 2e-05 now" for every key in which two resolved recipes differ. Engine
// settings never change a result and are left out, and so are the places of files: check_inputs
// holds their hashes against each other.
std::vector<std::string> recipe_differences(const std::string& then, const std::string& now);

}  // namespace ponder::pipeline
