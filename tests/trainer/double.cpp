// A trainer as tests need one: it does the job of a recipe's [trainer] kind = "command" with ponder's
// own trainer, logs, saves, goes on, and on demand makes the mistakes that trainers make.
//   ponder_trainer_double [--mistake NAME] [--fail-at STEP] [--hang-at STEP] [--print VARIABLE] JOB
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "train/task.h"
#include "train/training_job.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;
using data::TokenPair;
using data::TokenRow;

std::atomic<bool> g_stop{false};
void ask_stop(int /*signal*/) { g_stop = true; }

struct Arguments {
  std::string mistake, print;
  int64_t fail_at = 0, hang_at = 0;
  fs::path job;
};

Arguments read_arguments(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--mistake")
      out.mistake = argv[++i];
    else if (word == "--print")
      out.print = argv[++i];
    else if (word == "--fail-at")
      out.fail_at = std::atoll(argv[++i]);
    else if (word == "--hang-at")
      out.hang_at = std::atoll(argv[++i]);
    else
      out.job = word;
  }
  return out;
}

// What somebody else's reading of the rows would make of one.
void spoil(TokenRow& row, const std::string& mistake) {
  const auto append = [&](int32_t id) {
    row.tokens.push_back(id);
    row.loss_mask.push_back(1);
  };
  if (mistake == "every-token") std::fill(row.loss_mask.begin() + 1, row.loss_mask.end(), 1);
  if (mistake == "no-end-token") {
    row.tokens.pop_back();
    row.loss_mask.pop_back();
  }
  if (mistake == "end-token-twice") append(row.tokens.back());
  if (mistake == "double-bos") {
    row.tokens.insert(row.tokens.begin(), row.tokens.front());
    row.loss_mask.insert(row.loss_mask.begin(), 0);
  }
}

TokenRow row_of(const Json& json) {
  TokenRow row;
  row.name = json.at("name").get<std::string>();
  row.tokens = json.at("input_ids").get<std::vector<int32_t>>();
  row.loss_mask = json.at("completion_mask").get<std::vector<uint8_t>>();
  return row;
}

TokenRow side_of(const Json& json, const char* ids, std::vector<uint8_t>& aligned,
                 const char* mask) {
  TokenRow row;
  row.name = json.at("name").get<std::string>();
  row.tokens = json.at("prompt_ids").get<std::vector<int32_t>>();
  row.loss_mask.assign(row.tokens.size(), 0);
  aligned = row.loss_mask;
  const auto more = json.at(ids).get<std::vector<int32_t>>();
  const auto counts = json.at(mask).get<std::vector<uint8_t>>();
  row.tokens.insert(row.tokens.end(), more.begin(), more.end());
  row.loss_mask.insert(row.loss_mask.end(), more.size(), 1);
  aligned.insert(aligned.end(), counts.begin(), counts.end());
  return row;
}

// Rows in the order of order.json.
class Ordered : public train::BatchSource {
 public:
  Ordered(train::TrainingTask& task, std::vector<std::vector<int32_t>> orders, size_t batch_rows)
      : task_(task), orders_(std::move(orders)), batch_rows_(batch_rows) {}
  void prepare(const train::Policy& policy) override { task_.prepare(policy); }
  std::optional<train::TrainBatch> next(int64_t step, const train::Policy& /*policy*/) override {
    if (step >= *num_steps()) return std::nullopt;
    const auto at = static_cast<size_t>(step);
    const size_t epoch = at / each(), begin = at % each() * batch_rows_;
    const std::vector<int32_t>& order = orders_[epoch];
    const size_t end = std::min(order.size(), begin + batch_rows_);
    return train::TrainBatch{&task_,
                             {order.begin() + static_cast<std::ptrdiff_t>(begin),
                              order.begin() + static_cast<std::ptrdiff_t>(end)},
                             static_cast<int>(epoch)};
  }
  std::optional<int64_t> num_steps() const override {
    return static_cast<int64_t>(orders_.size() * each());
  }
  int64_t longest_row() const override { return task_.longest_row(); }
  Json save() const override { return task_.save(); }
  void load(const Json& state, const std::string& where) override { task_.load(state, where); }
  Json identity() const override { return task_.identity(); }

 private:
  size_t each() const { return (orders_.front().size() + batch_rows_ - 1) / batch_rows_; }
  train::TrainingTask& task_;
  std::vector<std::vector<int32_t>> orders_;
  size_t batch_rows_;
};

// Its log, with what it says wrongly.
class Log : public Monitor {
 public:
  Log(fs::path file, const Arguments& arguments) : file_(std::move(file)), arguments_(arguments) {}
  void take(const MonitorEvent& event) override {
    if (event.kind != MonitorEvent::Kind::kProgress) return;
    Json line = event.fields;
    if (arguments_.mistake == "sum" && line.contains("trained_tokens"))
      line["loss"] = line["loss"].get<double>() * line["trained_tokens"].get<double>();
    if (arguments_.mistake == "warmup")
      line["lr"] = event.done == 1 ? 0.0 : line["lr"].get<double>();
    std::ofstream(file_, std::ios::app) << dump_json(line) << "\n";
    std::printf("step %lld\n", static_cast<long long>(event.done));
    std::fflush(stdout);
    if (event.done == arguments_.hang_at) {
      std::signal(SIGTERM, SIG_DFL);
      std::this_thread::sleep_for(std::chrono::hours(1));
    }
    if (arguments_.mistake == "slow") std::this_thread::sleep_for(std::chrono::seconds(1));
  }

 private:
  const fs::path file_;
  const Arguments& arguments_;
};

void write_probe(const fs::path& job, const Json& settings, const std::vector<TokenRow>& rows,
                 ThreadPool& threads) {
  const model::Checkpoint trained = model::load_checkpoint(job / "model");
  model::Decoder decoder(trained.config, threads);
  decoder.set_parameters(trained.parameters);
  Json answers = Json::array();
  for (const auto& index : settings.at("probe").at("rows")) {
    const TokenRow& row = rows[index.get<size_t>()];
    model::PackedBatch batch;
    std::vector<float> logprobs(static_cast<size_t>(batch.append(row.tokens, row.loss_mask)));
    decoder.forward(batch, logprobs, model::Keep::kNothing);
    answers.push_back({{"row", index}, {"logprobs", logprobs}});
  }
  write_file_atomic(job / "probe.json", dump_json(answers));
}

train::TrainOptions options_of(const Json& settings) {
  train::TrainOptions options;
  options.lr = settings.at("lr").get<double>();
  options.schedule = *train::schedule_from_string(settings.at("schedule").get<std::string>());
  options.warmup_ratio =
      settings.at("warmup_steps").get<double>() / settings.at("num_steps").get<double>();
  options.adamw.weight_decay = settings.at("weight_decay").get<double>();
  options.max_grad_norm = settings.at("max_grad_norm").get<double>();
  return options;
}

int run(const Arguments& arguments) {
  if (const char* value = arguments.print.empty() ? nullptr : std::getenv(arguments.print.c_str()))
    std::printf("the key is %s.\n", value);
  const Json settings = read_json_file(arguments.job / "job.json");
  std::vector<TokenRow> rows;
  std::vector<TokenPair> pairs;
  const bool dpo = settings.at("objective") == "dpo";
  JsonRowReader reader(arguments.job / settings.at("rows").get<std::string>());
  for (JsonRow json; reader.next(json);) {
    if (dpo) {
      TokenPair& pair = pairs.emplace_back();
      pair.name = json.value.at("name").get<std::string>();
      pair.chosen = side_of(json.value, "chosen_ids", pair.chosen_aligned, "chosen_mask");
      pair.rejected = side_of(json.value, "rejected_ids", pair.rejected_aligned, "rejected_mask");
      rows.push_back(pair.chosen);
    } else {
      spoil(rows.emplace_back(row_of(json.value)), arguments.mistake);
    }
  }
  auto orders =
      read_json_file(arguments.job / "order.json").get<std::vector<std::vector<int32_t>>>();
  if (arguments.mistake == "file-order")
    for (auto& order : orders) std::sort(order.begin(), order.end());
  std::unique_ptr<train::TrainingTask> task;
  if (dpo) {
    train::DpoOptions options;
    options.beta = settings.at("dpo").at("beta").get<double>();
    options.sft_weight = settings.at("dpo").at("sft_weight").get<double>();
    if (arguments.mistake == "no-sft-term") options.sft_weight = 0;
    task = std::make_unique<train::DpoTask>(std::move(pairs), options, data::Align::kResponse);
  } else {
    task = std::make_unique<train::SftTask>(rows);
  }
  Ordered source(*task, orders, settings.at("batch_rows").get<size_t>());
  Log log(arguments.job / settings.at("log").get<std::string>(), arguments);
  train::JobOptions job;
  job.out = arguments.job / "model";
  job.base_folder = settings.at("model").get<std::string>();
  job.checkpoint_steps = settings.at("checkpoint_steps").get<int64_t>();
  job.stop = &g_stop;
  job.monitor = &log;
  const fs::path failed = arguments.job / "failed-once";
  const bool fails = arguments.fail_at > 0 && !fs::exists(failed);
  if (fails) job.stop_after_steps = arguments.fail_at;
  ThreadPool threads(1);
  const train::JobResult result = train::run_training(model::load_checkpoint(job.base_folder),
                                                      source, options_of(settings), job, threads);
  if (result.stopped_by_request) return 143;
  if (fails) {
    write_file_atomic(failed, "");
    std::fprintf(stderr, "CUDA error: out of memory\n");
    return 3;
  }
  write_probe(arguments.job, settings, rows, threads);
  if (arguments.mistake == "old-weights")
    fs::copy_file(job.base_folder / "model.safetensors", job.out / "model.safetensors",
                  fs::copy_options::overwrite_existing),
        fs::remove(job.out / "ponder.json");
  if (arguments.mistake == "other-tokenizer") {
    Json tokenizer = read_json_file(job.out / "tokenizer.json");
    auto& vocabulary = tokenizer["model"]["vocab"];
    std::swap(vocabulary["a"], vocabulary["b"]);
    write_file_atomic(job.out / "tokenizer.json", dump_json(tokenizer));
  }
  return 0;
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) {
  std::signal(SIGTERM, ponder::ask_stop);
  try {
    return ponder::run(ponder::read_arguments(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
