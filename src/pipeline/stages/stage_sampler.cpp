#include "pipeline/stages/stage_sampler.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/error.h"
#include "pipeline/canaries.h"
#include "pipeline/stage_list.h"

namespace ponder::pipeline {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTryEvery{1000};

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
}

fleet::FleetOptions fleet_options_of(const StageContext& context,
                                     const generate::InferenceModel& model) {
  const FleetSettings& settings = context.recipe.fleet;
  fleet::FleetOptions options;
  options.kind = settings.kind;
  options.servers = settings.servers;
  options.servers_file = settings.servers_file;
  options.api_key_env = settings.api_key_env;
  options.http.insecure_key = settings.insecure_key;
  options.http.ca_file = settings.ca_file;
  options.model_sha256 = model.sha256();
  options.served_model = fleet::served_name_of(model.sha256());
  options.precision = model.precision();
  options.rules.max_inflight = settings.max_inflight;
  options.rules.pace = {settings.rpm, settings.tpm};
  options.rules.look_every = milliseconds_of(settings.canary_every);
  options.rules.patience = milliseconds_of(settings.patience);
  options.limits.silence = milliseconds_of(settings.idle_timeout);
  options.seed = context.recipe.seed;
  return options;
}

// What servers may have instead of a stage's model: that of the stages before it, and the base.
std::vector<NamedModel> others_of(const StageContext& context) {
  std::map<std::string, std::string> weights;  // by name
  for (const pool::ModelRecord& model : context.pool.models()) weights[model.name] = model.sha256;
  const std::string own = weights[context.stage.input];
  std::string before;
  for (const Stage& stage : stages_of(context.recipe)) {
    if (stage.name == context.stage.name) break;
    const auto known = weights.find(stage.input);
    if (known != weights.end() && known->second != own &&
        context.recipe.fleet.samples(stage.kind->name))
      before = stage.input;
  }
  std::vector<NamedModel> others;
  for (const std::string& name : {before, std::string("M0")}) {
    const bool twice = !others.empty() && others.front().name == name;
    if (!name.empty() && !twice && weights[name] != own)
      others.push_back({name, context.checkpoint(name)});
  }
  return others;
}

std::vector<fleet::Canary> canaries_of(const StageContext& context,
                                       std::span<const rollout::RolloutRequest> requests) {
  CanaryWork work;
  work.model = {context.stage.input, context.checkpoint(context.stage.input)};
  work.others = others_of(context);
  work.chat_template = context.recipe.chat_template;
  work.precision = context.recipe.precision;
  for (const rollout::RolloutRequest& request : requests)
    work.prompts.push_back(request.prompt_ids);
  std::vector<fleet::Canary> canaries = canaries_for(work, context.threads, context.stop);
  for (const fleet::Canary& canary : canaries) {
    if (canary.other.empty()) continue;
    context.monitor.info(
        fmt::format("{}: {} and {} {} ({:.2g} nat apart at {} positions)", context.stage.name,
                    canary.model, canary.other,
                    canary.tells() ? "are told apart" : "cannot be told apart by what they answer",
                    canary.apart(), canary.positions.size()));
  }
  return canaries;
}

class FleetMonitor final : public Monitor {
 public:
  FleetMonitor(Monitor& below, const fleet::Fleet& fleet) : below_(below), fleet_(fleet) {}
  void take(const MonitorEvent& event) override {
    if (event.kind != MonitorEvent::Kind::kProgress) return below_.take(event);
    MonitorEvent with = event;
    with.fields["fleet"] = fleet_.report();
    below_.take(with);
  }

 private:
  Monitor& below_;
  const fleet::Fleet& fleet_;
};

}  // namespace

bool samples_on_servers(const StageContext& context) {
  return context.recipe.fleet.samples(context.stage.kind->name);
}

StageSampler::StageSampler(const StageContext& context, generate::InferenceModel& model,
                           std::span<const rollout::RolloutRequest> requests,
                           ServerRecords& records) {
  if (samples_on_servers(context)) {
    open_fleet(context, model, requests, records);
    return;
  }
  const EngineSettings& engine = context.recipe.engine;
  engine_ = std::make_unique<generate::Engine>(
      model.decoder(), &model.text().tokenizer(), context.threads,
      model.engine_options(static_cast<int>(engine.max_batch), engine.kv_cache_bytes));
}

void StageSampler::open_fleet(const StageContext& context, const generate::InferenceModel& model,
                              std::span<const rollout::RolloutRequest> requests,
                              ServerRecords& records) {
  const FleetSettings& settings = context.recipe.fleet;
  fleet::FleetOptions options = fleet_options_of(context, model);
  options.keeper = &records;
  try {
    if (settings.samples_otherwise(context.stage.kind->name))
      options.canaries = canaries_of(context, requests);
  } catch (const model::Interrupted&) {
    return;
  }
  const std::string name = fleet::served_name_of(model.sha256());
  // Absolute: a command may change its folder, or be another machine's.
  const std::string folder = std::filesystem::absolute(context.checkpoint(context.stage.input))
                                 .lexically_normal()
                                 .string();
  auto until = Clock::now() + milliseconds_of(settings.ready_timeout);
  bool asked = false;
  std::string told;
  while (!context.stopping()) {
    try {
      fleet_ = std::make_unique<fleet::Fleet>(&model.text().tokenizer(), options, context.monitor);
      with_fleet_ = std::make_unique<FleetMonitor>(context.monitor, *fleet_);
      context.servers.found();
      return;
    } catch (const Error& error) {
      // No server yet, or one that still has the model of the round before.
      const bool may_come =
          error.kind() == ErrorKind::kBusy || error.kind() == ErrorKind::kNotFound;
      if (!may_come || (asked && Clock::now() >= until)) throw;
      if (std::exchange(told, error.what()) != error.what()) {
        context.monitor.info(fmt::format("{}: waiting for servers to have {} ({}): {}",
                                         context.stage.name, name, folder, error.what()));
      }
    }
    if (!std::exchange(asked, true) && !settings.command.empty()) {
      const fleet::CommandValues values = {{"model_dir", folder},
                                           {"served_name", name},
                                           {"model_sha256", model.sha256()},
                                           {"model", context.stage.input}};
      if (!context.servers.start(context.stage.name, values)) return;
      until = Clock::now() + milliseconds_of(settings.ready_timeout);  // however long it took
    }
    std::this_thread::sleep_for(kTryEvery);
  }
}

rollout::Generator* StageSampler::generator() {
  if (fleet_) return fleet_.get();
  return engine_.get();
}

std::vector<std::string> StageSampler::prove(const StageContext& context) {
  if (!fleet_ || !context.recipe.fleet.samples_otherwise(context.stage.kind->name)) return {};
  fleet_->prove(context.stop);
  return fleet_->unproven();
}

Monitor& StageSampler::monitor(const StageContext& context) const {
  return with_fleet_ ? *with_fleet_ : context.monitor;
}

void StageSampler::tell(const StageContext& context) const {
  if (!fleet_) return;
  context.monitor.info(fmt::format("{}: {}", context.stage.name, fleet_->summary()));
  Json report = fleet_->report();
  report["stage"] = context.stage.name;
  context.monitor.record("fleet", std::move(report));
}

}  // namespace ponder::pipeline
