#include "pool/stage_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "base/json_fields.h"

namespace ponder::pool {
namespace {

// The keys of each result, spelled once: Fields is a Writer or a Reader.
template <class Fields, class Result>
void visit(Fields& fields, Result& r) {
  using Plain = std::remove_const_t<Result>;
  if constexpr (std::is_same_v<Plain, IngestResult>) {
    fields("sources", r.sources);
    fields("demonstrations", r.demonstrations);
    fields("problems", r.problems);
    fields("benchmark_problems", r.benchmark_problems);
    fields("duplicates", r.duplicates);
    fields("rejected", r.rejected);
  } else if constexpr (std::is_same_v<Plain, TrainResult>) {
    fields("model", r.model);
    fields("sha256", r.sha256);
    fields("steps", r.steps);
    fields("tokens", r.tokens);
    fields("last_loss", r.last_loss);
    fields("loss_curve", r.loss_curve);
    fields("demonstrations", r.demonstrations);
    fields("explored", r.explored);
    fields("pairs", r.pairs);
    fields("held_out_pairs", r.held_out_pairs);
    fields("alarm", r.alarm);
    fields("preferences", r.preferences);
    fields("probes", r.probes);
    fields("rejected", r.rejected);
    fields("label", r.label);
    fields("mix", r.mix);
  } else if constexpr (std::is_same_v<Plain, RolloutResult>) {
    fields("problems", r.problems);
    fields("solved", r.solved);
    fields("samples", r.samples);
    fields("correct", r.correct);
    fields("incorrect", r.incorrect);
    fields("undecided", r.undecided);
    fields("unfinished", r.unfinished);
    fields("tokens", r.tokens);
    fields("hard", r.hard);
    fields("rejected", r.rejected);
    fields("waves", r.waves);
  } else if constexpr (std::is_same_v<Plain, RefineResult>) {
    fields("strategy", r.strategy);
    fields("candidates", r.candidates);
    fields("rows", r.rows);
    fields("mean_tokens", r.mean_tokens);
    fields("mean_perplexity", r.mean_perplexity);
    fields("dropped", r.dropped);
    fields("checked_right", r.checked_right);
    fields("true_right", r.true_right);
    fields("checked_rows", r.checked_rows);
    fields("true_rows", r.true_rows);
    fields("perplexity_model", r.perplexity_model);
  } else {
    static_assert(std::is_same_v<Plain, EvaluateResult>);
    fields("model", r.model);
    fields("benchmarks", r.benchmarks);
  }
}

template <class Result>
constexpr std::array<std::string_view, 3> kKindsOf = {};
template <>
constexpr std::array<std::string_view, 3> kKindsOf<IngestResult> = {stage_kind::kIngest};
template <>
constexpr std::array<std::string_view, 3> kKindsOf<TrainResult> = {
    stage_kind::kImitate, stage_kind::kImprove, stage_kind::kDpo};
template <>
constexpr std::array<std::string_view, 3> kKindsOf<RolloutResult> = {stage_kind::kScreen,
                                                                     stage_kind::kExplore};
template <>
constexpr std::array<std::string_view, 3> kKindsOf<RefineResult> = {stage_kind::kRefine};
template <>
constexpr std::array<std::string_view, 3> kKindsOf<EvaluateResult> = {stage_kind::kEvaluate};

class Writer {
 public:
  template <class Value>
  void operator()(const char* key, const Value& value) {
    json[key] = value;
  }
  template <class Value>
  void operator()(const char* key, const std::optional<Value>& value) {
    if (value) json[key] = *value;
  }
  void operator()(const char* key, const std::vector<LossPoint>& curve) {
    Json& points = json[key] = Json::array();
    for (const LossPoint& point : curve) {
      points.push_back({point.step, point.loss ? Json(*point.loss) : Json(nullptr)});
    }
  }
  Json json = Json::object();
};

constexpr int64_t kAnyLow = std::numeric_limits<int64_t>::min(),
                  kAnyHigh = std::numeric_limits<int64_t>::max();

class Reader {
 public:
  explicit Reader(const StageRecord& stage)
      : fields_(stage.result, fmt::format("stages.result of \"{}\"", stage.name), "",
                "another program has changed the database: restore it from a copy") {}

  void operator()(const char* key, std::string& value) { value = fields_.text_or(key, value); }
  void operator()(const char* key, int64_t& value) {
    value = fields_.integer_or(key, value, kAnyLow, kAnyHigh);
  }
  void operator()(const char* key, double& value) {
    constexpr double kMost = std::numeric_limits<double>::max();
    value = fields_.number_or(key, value, -kMost, kMost);
  }
  template <class Value>
  void operator()(const char* key, std::optional<Value>& value) {
    if (fields_.has(key)) (*this)(key, value.emplace());
  }
  void operator()(const char* key, std::map<std::string, int64_t>& counts) {
    if (!fields_.has(key)) return;
    const JsonFields table = fields_.fields(key);
    for (const auto& [name, count] : table.json().items()) counts[name] = table.integer(name);
  }
  void operator()(const char* key, std::vector<LossPoint>& curve) {
    if (!fields_.has(key)) return;
    for (const Json& point : fields_.array(key)) {
      if (!point.is_array() || point.size() != 2 || !point[0].is_number_integer() ||
          !(point[1].is_number() || point[1].is_null())) {
        fields_.fail(key, "expected pairs of step and loss, found " + JsonFields::show(point));
      }
      curve.push_back({point[0].get<int64_t>(), std::nullopt});
      if (point[1].is_number()) curve.back().loss = point[1].get<double>();
    }
  }
  void operator()(const char* key, Json& list) {
    if (fields_.has(key)) list = fields_.array(key);
  }

 private:
  const JsonFields fields_;
};

constexpr const char *kFailure = "error", *kNothing = "nothing";

// The text under `key` in place of a result; "" of a stage in another state or without it.
std::string sentence_of(const StageRecord& stage, StageState state, const char* key) {
  if (stage.state != state || !stage.result.is_object()) return "";
  const auto found = stage.result.find(key);
  return found != stage.result.end() && found->is_string() ? found->get<std::string>() : "";
}

template <class Result>
Json written(const Result& result) {
  Writer writer;
  visit(writer, result);
  return std::move(writer.json);
}

}  // namespace

Json to_json(const IngestResult& result) { return written(result); }
Json to_json(const TrainResult& result) { return written(result); }
Json to_json(const RolloutResult& result) { return written(result); }
Json to_json(const RefineResult& result) { return written(result); }
Json to_json(const EvaluateResult& result) { return written(result); }

Json failure(std::string_view message) { return {{kFailure, message}}; }
std::string failure_of(const StageRecord& stage) {
  return sentence_of(stage, StageState::kFailed, kFailure);
}

Json nothing(std::string_view sentence) { return {{kNothing, sentence}}; }
std::string nothing_of(const StageRecord& stage) {
  return sentence_of(stage, StageState::kDone, kNothing);
}

template <class Result>
std::optional<Result> result_of(const StageRecord& stage) {
  const auto& kinds = kKindsOf<Result>;
  if (stage.state != StageState::kDone || !nothing_of(stage).empty() ||
      std::find(kinds.begin(), kinds.end(), stage.kind) == kinds.end()) {
    return std::nullopt;
  }
  Result result;
  Reader reader(stage);
  visit(reader, result);
  return result;
}
template std::optional<IngestResult> result_of(const StageRecord&);
template std::optional<TrainResult> result_of(const StageRecord&);
template std::optional<RolloutResult> result_of(const StageRecord&);
template std::optional<RefineResult> result_of(const StageRecord&);
template std::optional<EvaluateResult> result_of(const StageRecord&);

}  // namespace ponder::pool
