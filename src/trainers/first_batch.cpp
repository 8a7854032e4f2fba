#include "trainers/first_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

#include "base/error.h"
#include "trainers/suspects.h"

namespace ponder::trainers {
namespace {

// How near a suspect's number must be, relative: in f32 two programs agree to a few millionths.
constexpr double kMatch = 2e-4, kLooseMatch = 4e-3;
constexpr double kAgreement = 2e-4;    // in f32: less is nothing
constexpr double kRounding = 1.01e-4;  // of a number that was logged with four digits

struct PackedRows {
  model::PackedBatch batch;
  void add(const ScoredRow& row) {
    const auto begin = static_cast<int32_t>(batch.num_tokens());
    batch.tokens.insert(batch.tokens.end(), row.tokens.begin(), row.tokens.end());
    batch.row_begin.push_back(batch.num_tokens());
    for (const Target& target : row.targets) {
      batch.target_index.push_back(begin + target.index);
      batch.target_token.push_back(target.token);
    }
  }
};

std::vector<float> forward(model::Decoder& decoder, const model::PackedBatch& batch,
                           const model::LogitRow& look = {}) {
  std::vector<float> logprobs(static_cast<size_t>(batch.num_targets()));
  if (!logprobs.empty()) decoder.forward(batch, logprobs, model::Keep::kNothing, look);
  return logprobs;
}

std::string number(double value) { return fmt::format("{:.5g}", value); }

}  // namespace

// One explanation: it would give `loss`.
struct FirstBatchCheck::Likeness {
  std::string cause, cure;
  double loss = 0;
};

class FirstBatchCheck::Likely {
 public:
  // `match`: how near an explanation must be, relative.
  Likely(double theirs, double ours, double match) : theirs_(theirs), ours_(ours), match_(match) {}

  // What would give nearly what was expected explains nothing.
  void offer(const std::string& cause, const std::string& cure, double loss) {
    if (!std::isfinite(loss) || near(loss, ours_)) return;
    ++tried_;
    if (near(loss, theirs_)) found_.push_back({cause, cure, loss});
  }
  bool explained() const { return !found_.empty(); }
  // The nearest first.
  std::vector<Likeness> found() const {
    std::vector<Likeness> out = found_;
    std::stable_sort(out.begin(), out.end(), [&](const Likeness& a, const Likeness& b) {
      return std::abs(a.loss - theirs_) < std::abs(b.loss - theirs_);
    });
    return out;
  }
  int64_t tried() const { return tried_; }

 private:
  bool near(double a, double b) const {
    return std::abs(a - b) <= std::max(match_ * std::abs(b), kRounding);
  }
  double theirs_, ours_, match_;
  int64_t tried_ = 0;
  std::vector<Likeness> found_;
};

FirstBatchCheck::FirstBatchCheck(const Context& context, FirstBatch batch)
    : context_(context), batch_(std::move(batch)) {}

FirstBatchCheck::Scores FirstBatchCheck::score(const ScoredBatch& batch) const {
  context_.decoder.set_stop(context_.stop);
  struct Watched {
    model::Decoder& decoder;
    ~Watched() { decoder.set_stop(nullptr); }
  } const watched{context_.decoder};
  Scores out;
  for (const auto& micro : batch) {
    auto& scores = out.emplace_back();
    for (const ScoredRow& row : micro) {
      PackedRows packed;
      packed.add(row);
      RowScore score{0, 0, static_cast<int64_t>(row.targets.size()),
                     static_cast<int64_t>(row.tokens.size())};
      std::vector<double> means(row.targets.size());  // over the vocabulary
      const auto look = [&](int64_t target, std::span<const float> logits, float lse) {
        const double sum = std::accumulate(logits.begin(), logits.end(), 0.0);
        means[static_cast<size_t>(target)] = sum / static_cast<double>(logits.size()) - lse;
      };
      for (const float logprob : forward(context_.decoder, packed.batch, look))
        score.sum += logprob;
      score.sum_of_means = std::accumulate(means.begin(), means.end(), 0.0);
      scores.push_back(score);
    }
  }
  return out;
}

namespace {

template <class Scores>
double token_mean(const Scores& scores) {
  double sum = 0, targets = 0;
  for (const auto& micro : scores) {
    for (const auto& row : micro) {
      sum += row.sum;
      targets += static_cast<double>(row.targets);
    }
  }
  return -sum / targets;
}

template <class Scores>
double mean_of_rows(const Scores& scores) {
  double sum = 0, rows = 0;
  for (const auto& micro : scores) {
    for (const auto& row : micro) {
      if (row.targets > 0) sum -= row.sum / static_cast<double>(row.targets);
      rows += 1;
    }
  }
  return sum / rows;
}

template <class Scores>
double mean_of_sums(const Scores& scores) {
  double sum = 0, rows = 0;
  for (const auto& micro : scores) {
    for (const auto& row : micro) {
      sum += row.sum;
      rows += 1;
    }
  }
  return sum / rows;
}

// Four standard errors of a token mean over `rows` rows that are known from a sample.
template <class Scores>
double sample_margin(const Scores& scores, double rows) {
  const double mean = token_mean(scores);
  double squares = 0, targets = 0, n = 0;
  for (const auto& micro : scores) {
    for (const auto& row : micro) {
      const double off = -row.sum - mean * static_cast<double>(row.targets);
      squares += off * off;
      targets += static_cast<double>(row.targets);
      n += 1;
    }
  }
  if (n < 2) return mean / 2;
  const double deviation = std::sqrt(squares / (n - 1)) / (targets / n);
  return 4 * deviation * std::sqrt(1 / rows + 1 / n);
}

}  // namespace

double FirstBatchCheck::tolerance(double expected, double margin) const {
  return std::max({context_.job.settings.tolerance * std::abs(expected), margin, kRounding});
}

bool FirstBatchCheck::narrow() const {
  return context_.job.options.precision == tensor::Precision::kBf16;
}

// Below it two numbers are one.
double FirstBatchCheck::agreement(double expected, double margin) const {
  const double full = tolerance(expected, margin);
  return narrow() || margin > 0
             ? full
             : std::min(full, std::max(kAgreement * std::abs(expected), kRounding));
}

FirstBatchCheck::Likely FirstBatchCheck::likely(double theirs, double ours) const {
  return {theirs, ours, narrow() ? kLooseMatch : kMatch};
}

const Expectation& FirstBatchCheck::expected() {
  if (expected_) return *expected_;
  Expectation out;
  scores_ = score(scored(batch_.rows));
  const auto rows = static_cast<double>(context_.job.options.batch.batch_rows);
  if (context_.job.objective == Objective::kSft) {
    out.loss = token_mean(scores_);
    if (batch_.sampled) out.margin = sample_margin(scores_, rows);
  } else {
    out.loss = std::numbers::ln2;
    const train::DpoOptions& dpo = context_.job.dpo;
    if (dpo.sft_weight > 0) {
      const Scores whole = score(scored(batch_.whole));
      const bool by_token = dpo.sft_term == train::SftTerm::kToken;
      out.loss += dpo.sft_weight * (by_token ? token_mean(whole) : mean_of_rows(whole));
      if (batch_.sampled) out.margin = dpo.sft_weight * sample_margin(whole, rows);
    }
    if (!batch_.sampled) {
      out.chosen_logprob = mean_of_sums(scores_);
      out.rejected_logprob = mean_of_sums(score(scored(batch_.rejected)));
    }
  }
  expected_ = out;
  return *expected_;
}

void FirstBatchCheck::try_reductions(Likely& likely) const {
  const double mean = token_mean(scores_);
  const auto& settings = context_.job.settings;
  const auto offer = [&](const char* cause, const char* cure, double loss) {
    likely.offer(cause, cure, loss);
  };
  offer("it is a mean of the rows' means, not of tokens: short rows weigh more",
        "normalise by the trained tokens of the whole step", mean_of_rows(scores_));
  double micro_means = 0, sum = 0, sum_of_means = 0, targets = 0, tokens = 0;
  std::vector<double> by_micro;
  for (const auto& micro : scores_) {
    by_micro.push_back(token_mean(Scores{micro}));
    micro_means += by_micro.back() / static_cast<double>(scores_.size());
    for (const RowScore& row : micro) {
      sum -= row.sum;
      sum_of_means -= row.sum_of_means;
      targets += static_cast<double>(row.targets);
      tokens += static_cast<double>(row.tokens);
    }
  }
  offer("it is a mean of the micro-batches' means, not of the step's tokens",
        "normalise by the trained tokens of the whole step (transformers: num_items_in_batch, "
        "average_tokens_across_devices)",
        micro_means);
  offer("it is a sum over tokens, not a mean", "divide by the trained tokens of the step", sum);
  offer("it is divided by all tokens, the prompt's too", "divide by the trained tokens of the step",
        sum / tokens);
  const auto accumulation = static_cast<double>(context_.job.accumulation());
  const auto processes = static_cast<double>(settings.processes);
  offer("it is added up over the accumulated micro-batches, not averaged",
        "divide by gradient_accumulation_steps", mean * accumulation);
  offer("it is divided by the accumulated micro-batches once too often",
        "divide by gradient_accumulation_steps once", mean / accumulation);
  offer("it is added up over the processes, not averaged", "average over the processes",
        mean * processes);
  offer("it is divided by the number of processes once too often",
        "average over the processes once (average_tokens_across_devices)", mean / processes);
  double of_first = 0;
  for (size_t i = 0; i < by_micro.size(); i += static_cast<size_t>(settings.processes))
    of_first += by_micro[i] / accumulation;
  offer("it is the loss of the first process alone", "average over the processes before logging",
        of_first);
  offer("it is the loss of the step's first micro-batch alone", "log the step's mean",
        by_micro.front());
  offer("it is the loss of the step's last micro-batch alone", "log the step's mean",
        by_micro.back());
  for (const double epsilon : {0.05, 0.1, 0.2}) {
    likely.offer(fmt::format("label smoothing of {} is on", epsilon),
                 "set label_smoothing_factor to 0",
                 (1 - epsilon) * mean + epsilon * sum_of_means / targets);
  }
  const double random = std::log(static_cast<double>(context_.decoder.config().vocab_size));
  offer("the weights are random: the model was not loaded (about ln of the vocabulary's size)",
        "look into output.log for weights that were newly initialised", random);
}

void FirstBatchCheck::try_batches(Likely& likely, bool sums) const {
  const SuspectContext context{context_.text, context_.tokenizer_folder, context_.system,
                               batch_.in_file_order};
  for (const Suspect& suspect : suspects(batch_.rows, context)) {
    const Scores scores = score(suspect.batch);
    likely.offer(suspect.cause, suspect.cure, sums ? mean_of_sums(scores) : token_mean(scores));
  }
}

void FirstBatchCheck::refuse(const std::string& what, double theirs, double ours,
                             const Likely& likely) const {
  const std::string who(to_string(context_.job.settings.kind));
  std::string problem =
      fmt::format("the first step's {} is {}, and {} by ponder's own forward of the same rows",
                  what, number(theirs), number(ours));
  const std::vector<Likeness> found = likely.found();
  if (found.empty()) {
    throw Error(
        "trainer " + who,
        problem + fmt::format("; none of {} known causes gives that number", likely.tried()),
        "look at the trainer's rows and settings in the job's folder; trainer.tolerance says "
        "how far the two may be apart");
  }
  problem += fmt::format("; most likely {} (that gives {})", found.front().cause,
                         number(found.front().loss));
  for (size_t i = 1; i < found.size() && i < 3; ++i) {
    if (std::abs(found[i].loss - found.front().loss) > kRounding) break;
    problem += fmt::format("; or {} ({})", found[i].cause, number(found[i].loss));
  }
  throw Error("trainer " + who, problem, found.front().cure);
}

void FirstBatchCheck::compare_preference(const LogStep& first) {
  const Expectation& ours = expected();
  const double theirs = *first.loss;
  if (std::abs(theirs - ours.loss) > agreement(ours.loss, ours.margin)) {
    Likely likely = this->likely(theirs, ours.loss);
    const bool far = std::abs(theirs - ours.loss) > tolerance(ours.loss, ours.margin);
    const train::DpoOptions& dpo = context_.job.dpo;
    const double nll = mean_of_rows(scores_), by_token = token_mean(scores_), beta = dpo.beta;
    const double ln2 = std::numbers::ln2;
    const auto offer = [&](const std::string& cause, const std::string& cure, double loss) {
      likely.offer(cause, cure, loss);
    };
    if (dpo.sft_weight > 0)
      offer("the likelihood term (sft_weight) is missing", "add it, or set sft_weight = 0", ln2);
    for (const double weight : {dpo.sft_weight, 1.0, 0.1, 0.2, 0.5}) {
      if (weight <= 0) continue;
      const std::string cure =
          fmt::format("set its weight (rpo_alpha, pref_ftx) to {}", dpo.sft_weight);
      offer(fmt::format("a likelihood term of weight {} is added, a mean over pairs", weight), cure,
            ln2 + weight * nll);
      offer(fmt::format("a likelihood term of weight {} is added, a mean over tokens", weight),
            cure, ln2 + weight * by_token);
    }
    offer("it is IPO's loss", "take the sigmoid loss", 1 / (4 * beta * beta));
    offer("it is the hinge loss", "take the sigmoid loss", 1);
    const auto accumulation = static_cast<double>(context_.job.accumulation());
    offer("it is added up over the accumulated micro-batches, not averaged",
          "divide by gradient_accumulation_steps", ours.loss * accumulation);
    offer("it is divided by the accumulated micro-batches once too often",
          "divide by gradient_accumulation_steps once", ours.loss / accumulation);
    if (far && !likely.explained() && dpo.sft_weight == 0) {
      throw Error("trainer " + std::string(to_string(context_.job.settings.kind)),
                  fmt::format("the first step's loss is {}, and must be ln 2, 0.69315: policy and "
                              "reference are not the same model",
                              number(theirs)),
                  "take the stage's starting model as reference, and switch dropout off");
    }
    if (far || likely.explained()) refuse("loss", theirs, ours.loss, likely);
  }
  const auto compare_side = [&](const char* name, const std::optional<double>& expected) {
    const std::optional<double> value = first.metric(name);
    if (!value || !expected) return;
    if (std::abs(*value - *expected) <= agreement(*expected, 0)) return;
    Likely likely = this->likely(*value, *expected);
    if (std::string_view(name) == "chosen_logprob") {
      likely.offer("it is a mean over a response's tokens, not their sum",
                   "add up the log-probabilities of a response", -mean_of_rows(scores_));
      try_batches(likely, true);
    }
    const bool far = std::abs(*value - *expected) > tolerance(*expected, 0);
    if (far || likely.explained()) refuse(name, *value, *expected, likely);
  };
  compare_side("chosen_logprob", ours.chosen_logprob);
  compare_side("rejected_logprob", ours.rejected_logprob);
}

std::string FirstBatchCheck::compare(const LogStep& first) {
  const Expectation& ours = expected();
  const Settings& settings = context_.job.settings;
  const std::string who = "trainer " + std::string(to_string(settings.kind));
  if (!first.loss) {
    throw Error(who, "the loss of its first step is not a finite number",
                "look into output.log; half precision without scaling is a usual cause");
  }
  if (context_.job.objective == Objective::kDpo) {
    compare_preference(first);
  } else if (const double off = std::abs(*first.loss - ours.loss);
             off > agreement(ours.loss, ours.margin)) {
    const bool far = off > tolerance(ours.loss, ours.margin);
    Likely likely = this->likely(*first.loss, ours.loss);
    try_batches(likely, false);
    try_reductions(likely);
    if (far || likely.explained()) refuse("loss", *first.loss, ours.loss, likely);
  }
  const train::LrSchedule schedule = context_.job.schedule();
  if (first.lr && *first.lr == 0 && schedule.lr(0) > 0 &&
      (settings.kind == Kind::kTrl || settings.kind == Kind::kCommand)) {
    throw Error(who,
                fmt::format("the first step's rate is 0, where the recipe says {}: most likely a "
                            "warm-up that starts at 0, which spends a step on nothing",
                            number(schedule.lr(0))),
                "let warm-up step i of W have the rate lr (i + 1) / W, or set warmup_ratio = 0");
  }
  std::string said = fmt::format("the first step's loss is {}, {} by ponder's own forward",
                                 number(*first.loss), number(ours.loss));
  if (ours.chosen_logprob && first.metric("chosen_logprob"))
    said += fmt::format("; log-probabilities of chosen responses {} and {}",
                        number(*first.metric("chosen_logprob")), number(*ours.chosen_logprob));
  if (ours.margin > tolerance(ours.loss, 0))
    said += fmt::format(" (of a sample of rows: within {})", number(ours.margin));
  return said;
}

std::vector<float> logprobs_of(model::Decoder& decoder, const data::TokenRow& row) {
  PackedRows packed;
  packed.add(scored(row));
  return forward(decoder, packed.batch);
}

}  // namespace ponder::trainers
