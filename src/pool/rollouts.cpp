// Rollouts in the pool: adding them, verdict and perplexity, streaming.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/philox.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

constexpr const char* kRestore = "another program has changed the database: restore it from a copy";

static_assert(std::endian::native == std::endian::little, "blobs are little-endian");

template <class T>
std::vector<T> vector_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

// The key of a rollout decides its id, so ids do not depend on the order in which rollouts ended.
int64_t id_of(const std::string& stage, const data::Rollout& t, const std::string& benchmark) {
  std::string key =
      fmt::format("{}\n{}\n{}\n{}", stage, t.completion.model_sha256, t.problem_id, t.sample);
  if (!benchmark.empty()) key += "\n" + benchmark;
  return static_cast<int64_t>(stable_hash64(key) >> 1);
}

constexpr std::string_view kColumns =
    "SELECT t.id, t.stage, t.round, p.id, t.sample, t.seed, t.temperature, t.top_p, t.top_k, "
    "t.max_tokens, "
    "t.model_sha256, t.template_sha256, t.prompt_sha256, t.text, t.thought, t.solution, "
    "t.finish_reason, t.verdict, t.proof, t.perplexity, t.perplexity_model_sha256, p.benchmark, "
    "t.logprob_source, t.endpoint, t.usage, t.num_tokens, t.origin, t.precision, "
    "t.perplexity_precision";

Json to_json(const data::Origin& origin) {
  Json json = {{"file", origin.file}, {"line", origin.line}, {"sampling", origin.sampling}};
  if (!origin.model.empty()) json["model"] = origin.model;
  if (!origin.system.empty()) json["system"] = origin.system;
  return json;
}

data::Origin told_origin(const Json& json, const std::string& where) {
  const JsonFields fields(json, where, "origin", kRestore);
  return {fields.text("file"), static_cast<uint64_t>(fields.integer("line", 0)),
          fields.text_or("model", ""), fields.text_or("system", ""), fields.object("sampling")};
}

// What is kept of the usage a server reports.
Json to_json(const data::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens}, {"completion_tokens", usage.completion_tokens}};
}

template <class T>
std::span<const std::byte> bytes_of(const std::optional<std::vector<T>>& values) {
  return values ? std::as_bytes(std::span(*values)) : std::span<const std::byte>();
}

StoredRollout rollout_of(const sqlite::Statement& row, bool with_tokens, const std::string& where) {
  StoredRollout stored;
  int column = 0;
  stored.id = row.integer(column++);
  stored.stage = row.text(column++);
  stored.round = row.count(column++);
  data::Rollout& t = stored.rollout;
  data::Completion& made = t.completion;
  t.problem_id = row.text(column++);
  t.sample = row.count(column++);
  const auto known = [&] { return !row.is_null(column); };  // of an imported one not all is
  if (known()) t.seed = static_cast<uint64_t>(row.integer(column));
  if (++column; known()) t.sampling.temperature = row.real(column);
  if (++column; known()) t.sampling.top_p = row.real(column);
  if (++column; known()) t.sampling.top_k = row.count(column);
  if (++column; known()) t.sampling.max_tokens = row.count(column);
  ++column;
  made.model_sha256 = row.text(column++);
  t.template_sha256 = row.text(column++);
  t.prompt_sha256 = row.text(column++);
  made.text = row.text(column++);
  t.thought = row.text(column++);
  t.solution = row.text(column++);
  made.finish_reason =
      data::finish_reason_from_string(row.text(column++)).value_or(data::FinishReason::kStop);
  if (!row.is_null(column)) t.verdict = judge::verdict_from_string(row.text(column));
  t.proof = row.text(++column);
  if (!row.is_null(++column)) t.perplexity = row.real(column);
  t.perplexity_model_sha256 = row.text(++column);
  stored.benchmark = row.text(++column);
  made.logprob_source =
      data::logprob_source_from_string(row.text(++column)).value_or(data::LogprobSource::kNone);
  made.endpoint = row.text(++column);
  if (!row.is_null(++column)) {
    made.usage.prompt_tokens =
        parse_json(row.text(column), where).value("prompt_tokens", int64_t{0});
  }
  made.usage.completion_tokens = row.integer(++column);
  if (!row.is_null(++column)) t.origin = told_origin(parse_json(row.text(column), where), where);
  const auto precision = [&](int at) {
    return tensor::precision_from_stored(row.text(at)).value_or(tensor::Precision::kF32);
  };
  made.precision = precision(++column);
  t.perplexity_precision = precision(++column);
  if (with_tokens) {
    if (!row.is_null(++column)) made.token_ids = vector_of<int32_t>(row.blob(column));
    if (!row.is_null(++column)) made.logprobs = vector_of<float>(row.blob(column));
    t.prompt_ids = vector_of<int32_t>(row.blob(++column));
    made.usage.prompt_tokens = static_cast<int64_t>(t.prompt_ids.size());
  }
  return stored;
}

// The first field in which two rollouts with the same key differ, "" when they are the same.
std::string_view difference(const data::Rollout& a, const data::Rollout& b) {
  if (a.seed != b.seed) return "seed";
  if (a.sampling.temperature != b.sampling.temperature || a.sampling.top_p != b.sampling.top_p ||
      a.sampling.top_k != b.sampling.top_k || a.sampling.max_tokens != b.sampling.max_tokens) {
    return "sampling settings";
  }
  if (a.template_sha256 != b.template_sha256) return "template";
  if (a.prompt_sha256 != b.prompt_sha256) return "prompt";
  if (a.completion.token_ids != b.completion.token_ids) return "tokens";
  if (a.completion.text != b.completion.text) return "text";
  if (!std::ranges::equal(bytes_of(a.completion.logprobs), bytes_of(b.completion.logprobs))) {
    return "log-probabilities";
  }
  if (a.completion.finish_reason != b.completion.finish_reason) return "finish reason";
  if (a.completion.precision != b.completion.precision) return "precision";
  return "";
}

}  // namespace

void Pool::Impl::require_rollout(int64_t id) const {
  auto row = prepare("SELECT 1 FROM trajectories WHERE id = ?");
  if (!row.bind(id).step())
    refuse(fmt::format("unknown trajectory {}", id), "add the trajectory first");
}

std::optional<StoredRollout> Pool::Impl::load_rollout(int64_t id, bool with_tokens) const {
  auto row = prepare(fmt::format(
      "{}{} FROM trajectories t JOIN problems p ON p.position = t.problem{} WHERE t.id = ?",
      kColumns, with_tokens ? ", t.token_ids, t.logprobs, r.token_ids" : "",
      with_tokens ? " LEFT JOIN prompts r ON r.sha256 = t.prompt_sha256" : ""));
  row.bind(id);
  if (!row.step()) return std::nullopt;
  return rollout_of(row, with_tokens, database->name());
}

void Pool::Impl::add_prompt(const data::Rollout& t) const {
  auto known = prepare("SELECT token_ids FROM prompts WHERE sha256 = ?");
  if (known.bind(t.prompt_sha256).step()) {
    if (!t.prompt_ids.empty() && vector_of<int32_t>(known.blob(0)) != t.prompt_ids) {
      refuse(fmt::format("the prompt {} is already there with other tokens", t.prompt_sha256));
    }
    return;
  }
  prepare("INSERT INTO prompts (sha256, token_ids) VALUES (?, ?)")
      .bind(t.prompt_sha256)
      .bind_blob(std::as_bytes(std::span(t.prompt_ids)))
      .run();
}

int64_t Pool::add_rollout(const std::string& stage, int round, const data::Rollout& t,
                          const std::string& benchmark) {
  const std::string what =
      fmt::format("sample {} of problem \"{}\"", t.sample, excerpt(t.problem_id));
  const data::Completion& made = t.completion;
  const bool with_logprobs = made.logprob_source != data::LogprobSource::kNone;
  if (!made.token_ids && (made.logprobs || with_logprobs)) {
    impl_->refuse(fmt::format("{}: token ids and log-probabilities come together", what));
  }
  const size_t num_logprobs = made.logprobs ? made.logprobs->size() : 0;
  if (num_logprobs != (with_logprobs ? made.token_ids->size() : 0)) {
    impl_->refuse(fmt::format("{}: expected one log-probability per token, found {} for {} tokens",
                              what, num_logprobs, made.num_tokens()));
  }
  if (!std::isfinite(made.logprob()) || t.sample < 0) {
    impl_->refuse(
        fmt::format("{}: expected a finite log-probability and a sample of at least 0", what));
  }
  if (t.prompt_sha256.empty() && !t.origin)
    impl_->refuse(fmt::format("{}: the prompt's hash is missing", what));
  impl_->require_stage(stage);
  if (!made.model_sha256.empty() || !t.origin) impl_->require_model(made.model_sha256);
  const int64_t problem = impl_->problem_position(t.problem_id, benchmark);
  const int64_t id = id_of(stage, t, benchmark);

  WriteScope scope(*this, impl_->in_transaction);
  if (const auto known = impl_->load_rollout(id, true)) {
    const data::Rollout& old = known->rollout;
    if (known->stage != stage || old.completion.model_sha256 != made.model_sha256 ||
        old.problem_id != t.problem_id || old.sample != t.sample) {
      impl_->refuse(fmt::format("{}: its id {} is taken", what, id),
                    "use another name for the stage");
    }
    if (const std::string_view field = difference(old, t); !field.empty()) {
      impl_->refuse(
          fmt::format("{} of stage \"{}\" is already there with other {}", what, stage, field),
          "sample it with the same settings, or in a stage of another name");
    }
  } else {
    if (!t.prompt_sha256.empty()) impl_->add_prompt(t);
    auto row = impl_->prepare(
        "INSERT INTO trajectories (id, stage, problem, sample, model_sha256, round, seed, "
        "temperature, top_p, top_k, max_tokens, template_sha256, prompt_sha256, num_tokens, "
        "logprob, logprob_source, endpoint, usage, text, thought, solution, finish_reason, "
        "token_ids, logprobs, origin, precision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    row.bind(id)
        .bind(stage)
        .bind(problem)
        .bind(t.sample)
        .bind_or_null(made.model_sha256)
        .bind(round);
    const auto bind_known = [&](const char* setting, auto value) {
      !t.origin || t.origin->sampling.contains(setting) ? row.bind(value) : row.bind_null();
    };
    bind_known("seed", static_cast<int64_t>(t.seed));
    bind_known("temperature", t.sampling.temperature);
    bind_known("top_p", t.sampling.top_p);
    bind_known("top_k", t.sampling.top_k);
    bind_known("max_tokens", t.sampling.max_tokens);
    row.bind(t.template_sha256).bind_or_null(t.prompt_sha256);
    row.bind(made.num_tokens());
    with_logprobs ? row.bind(made.logprob()) : row.bind_null();
    row.bind(to_string(made.logprob_source)).bind_or_null(made.endpoint);
    row.bind_or_null(made.endpoint.empty() ? "" : dump_json(to_json(made.usage)));
    row.bind(made.text).bind(t.thought).bind(t.solution).bind(to_string(made.finish_reason));
    made.token_ids ? row.bind_blob(bytes_of(made.token_ids)) : row.bind_null();
    with_logprobs ? row.bind_blob(bytes_of(made.logprobs)) : row.bind_null();
    row.bind_or_null(t.origin ? dump_json(to_json(*t.origin)) : "");
    row.bind(tensor::stored_name(made.precision)).run();
  }
  impl_->remove_partial(stage, problem, t.sample);
  if (t.verdict) set_verdict(id, *t.verdict, t.proof);
  if (t.perplexity)
    set_perplexity(id, *t.perplexity, t.perplexity_model_sha256, t.perplexity_precision);
  scope.commit();
  return id;
}

void Pool::Impl::remove_partial(std::string_view stage, int64_t problem, int sample) const {
  prepare("DELETE FROM partials WHERE stage = ? AND problem = ? AND sample = ?")
      .bind(stage)
      .bind(problem)
      .bind(sample)
      .run();
}

void Pool::remove_partial(const PartialRecord& partial) {
  impl_->remove_partial(partial.stage,
                        impl_->problem_position(partial.problem_id, partial.benchmark),
                        partial.sample);
}

void Pool::remove_rollout(const std::string& stage, const data::Rollout& rollout,
                          const std::string& benchmark) {
  const int64_t id = id_of(stage, rollout, benchmark);
  impl_->require_rollout(id);
  impl_->prepare("DELETE FROM trajectories WHERE id = ?").bind(id).run();
}

void Pool::add_partial(const PartialRecord& partial) {
  impl_->require_stage(partial.stage);
  const int64_t problem = impl_->problem_position(partial.problem_id, partial.benchmark);
  WriteScope scope(*this, impl_->in_transaction);
  impl_
      ->prepare(
          "DELETE FROM partials WHERE stage = ? AND problem = ? AND sample = ? AND first >= ?")
      .bind(partial.stage)
      .bind(problem)
      .bind(partial.sample)
      .bind(partial.first)
      .run();
  impl_
      ->prepare(
          "UPDATE partials SET token_ids = substr(token_ids, 1, 4 * (?4 - first)), logprobs = "
          "substr(logprobs, 1, 4 * (?4 - first)) WHERE stage = ?1 AND problem = ?2 AND "
          "sample = ?3 AND first + length(token_ids) / 4 > ?4")
      .bind(partial.stage)
      .bind(problem)
      .bind(partial.sample)
      .bind(partial.first)
      .run();
  if (!partial.tokens.empty()) {
    const auto logprobs = std::as_bytes(std::span(partial.tokens.logprobs));
    auto row = impl_->prepare(
        "INSERT INTO partials (stage, problem, sample, first, request_sha256, token_ids, "
        "logprobs) VALUES (?, ?, ?, ?, ?, ?, ?)");
    row.bind(partial.stage)
        .bind(problem)
        .bind(partial.sample)
        .bind(partial.first)
        .bind(partial.request_sha256)
        .bind_blob(std::as_bytes(std::span(partial.tokens.token_ids)));
    (logprobs.empty() ? row.bind_null() : row.bind_blob(logprobs)).run();
  }
  scope.commit();
}

std::vector<PartialRecord> Pool::partials(std::string_view stage) const {
  std::vector<PartialRecord> partials;
  auto row = impl_->prepare(
      "SELECT p.benchmark, p.id, t.sample, t.first, t.request_sha256, t.token_ids, t.logprobs "
      "FROM partials t JOIN problems p ON p.position = t.problem WHERE t.stage = ? "
      "ORDER BY t.problem, t.sample, t.first");
  row.bind(stage);
  while (row.step()) {
    PartialRecord piece = {std::string(stage),
                           row.text(0),
                           row.text(1),
                           row.count(2),
                           row.text(4),
                           row.integer(3),
                           {vector_of<int32_t>(row.blob(5)), vector_of<float>(row.blob(6))}};
    const bool more = !partials.empty() && partials.back().problem_id == piece.problem_id &&
                      partials.back().benchmark == piece.benchmark &&
                      partials.back().sample == piece.sample;
    if (piece.first != (more ? partials.back().tokens.size() : 0) ||
        (more && piece.request_sha256 != partials.back().request_sha256)) {
      impl_->refuse(fmt::format("the beginning of sample {} of problem \"{}\" has a gap",
                                piece.sample, excerpt(piece.problem_id)),
                    "restore it from a copy");
    }
    if (more) {
      partials.back().tokens.append(piece.tokens);
    } else {
      partials.push_back(std::move(piece));
    }
  }
  return partials;
}

void Pool::set_verdict(int64_t rollout, judge::Verdict verdict, std::string_view proof) {
  impl_->prepare("UPDATE trajectories SET verdict = ?, proof = ? WHERE id = ?")
      .bind(judge::to_string(verdict))
      .bind(proof)
      .bind(rollout)
      .run();
  if (impl_->database->changes() == 0) impl_->refuse(fmt::format("unknown trajectory {}", rollout));
}

void Pool::set_perplexity(int64_t rollout, double perplexity, std::string_view model_sha256,
                          tensor::Precision precision) {
  if (!std::isfinite(perplexity)) {
    impl_->refuse(
        fmt::format("trajectory {}: expected a finite perplexity, found {}", rollout, perplexity));
  }
  impl_
      ->prepare(
          "UPDATE trajectories SET perplexity = ?, perplexity_model_sha256 = ?, "
          "perplexity_precision = ? WHERE id = ?")
      .bind(perplexity)
      .bind(model_sha256)
      .bind(tensor::stored_name(precision))
      .bind(rollout)
      .run();
  if (impl_->database->changes() == 0) impl_->refuse(fmt::format("unknown trajectory {}", rollout));
}

void Pool::set_logprobs(int64_t rollout, std::span<const float> logprobs,
                        tensor::Precision precision) {
  double sum = 0;
  for (const float logprob : logprobs) sum += static_cast<double>(logprob);
  if (!std::isfinite(sum))
    impl_->refuse(fmt::format("trajectory {}: expected finite log-probabilities", rollout));
  impl_
      ->prepare(
          "UPDATE trajectories SET logprob = ?, logprobs = ?, precision = ?, "
          "logprob_source = 'rescored' WHERE id = ? AND logprob_source = 'none' AND num_tokens = ? "
          "AND token_ids IS NOT NULL")
      .bind(sum)
      .bind_blob(std::as_bytes(logprobs))
      .bind(tensor::stored_name(precision))
      .bind(rollout)
      .bind(static_cast<int64_t>(logprobs.size()))
      .run();
  if (impl_->database->changes() == 0) {
    impl_->refuse(
        fmt::format("expected a trajectory {} with {} token ids and without "
                    "log-probabilities, found none",
                    rollout, logprobs.size()));
  }
}

std::optional<StoredRollout> Pool::rollout(int64_t id, bool with_tokens) const {
  return impl_->load_rollout(id, with_tokens);
}

bool Pool::rollout_contains(int64_t id, std::string_view part) const {
  auto row = impl_->prepare("SELECT instr(text, ?) > 0 FROM trajectories WHERE id = ?");
  row.bind(part).bind(id);
  return row.step() && row.integer(0) != 0;
}

std::vector<RolloutEntry> Pool::rollout_keys(std::string_view stage, int64_t after,
                                             size_t most) const {
  std::vector<RolloutEntry> entries;
  auto key = impl_->prepare(
      "SELECT id, problem, sample FROM trajectories WHERE stage = ? AND problem > ? "
      "ORDER BY problem, sample, model_sha256");
  key.bind(stage).bind(after);
  while (key.step()) {
    const int64_t problem = key.integer(1);
    if (!entries.empty() && entries.size() >= most && problem != entries.back().problem) break;
    entries.push_back({.id = key.integer(0), .problem = problem, .sample = key.count(2)});
  }
  return entries;
}

bool Pool::look_at(RolloutEntry& entry) const {
  auto row =
      impl_->prepare("SELECT num_tokens, finish_reason, verdict FROM trajectories WHERE id = ?");
  if (!row.bind(entry.id).step()) return false;
  entry.looked_at = true;
  entry.num_tokens = row.count(0);
  entry.finish_reason =
      data::finish_reason_from_string(row.text(1)).value_or(data::FinishReason::kStop);
  entry.verdict = row.is_null(2) ? std::nullopt : judge::verdict_from_string(row.text(2));
  return true;
}

void Pool::for_each_rollout(const RolloutQuery& query,
                            const std::function<void(const StoredRollout&)>& visit) const {
  // The ids first: `visit` may then write without disturbing an open SELECT.
  std::vector<int64_t> ids;
  {
    std::string where;
    const auto add = [&](const char* condition) {
      where += (where.empty() ? " WHERE " : " AND ") + std::string(condition);
    };
    add(query.stage.empty() ? "p.benchmark = ''" : "t.stage = ?");
    if (!query.problem_id.empty()) add("p.id = ?");
    if (query.verdict) add("t.verdict = ?");
    auto row = impl_->prepare(
        fmt::format("SELECT t.id FROM trajectories t JOIN problems p ON p.position = t.problem "
                    "JOIN stages s ON s.name = t.stage{} ORDER BY s.position, t.problem, t.sample, "
                    "t.model_sha256",
                    where));
    if (!query.stage.empty()) row.bind(query.stage);
    if (!query.problem_id.empty()) row.bind(query.problem_id);
    if (query.verdict) row.bind(judge::to_string(*query.verdict));
    while (row.step()) ids.push_back(row.integer(0));
  }
  for (const int64_t id : ids) {
    if (const auto stored = impl_->load_rollout(id, query.with_tokens)) visit(*stored);
  }
}

}  // namespace ponder::pool
