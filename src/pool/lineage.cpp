// Where one trained row comes from, and which filters it passed.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

constexpr const char* kDamaged =
    "the disk or another program has changed it: restore it from a copy";

// A part of a row, which another row names, so it was there once.
template <class Part>
Part there(std::optional<Part> part, const std::string& what) {
  if (!part) throw Error("run.db", what + " is gone", kDamaged);
  return std::move(*part);
}

// Those that made it a row of `stage`: the stage's own, and of the stages it reads. What refinement
// thought of a rollout has no say in the pair it is part of. All, of a stage that does not say what
// it reads, and where no stage is named.
Json decisions_of(const Pool& pool, RowOrigin origin, const std::string& stage) {
  const StageRecord reader =
      stage.empty() ? StageRecord()
                    : there(pool.stage(stage), fmt::format("stage \"{}\"", excerpt(stage)));
  const auto counts = [&](const std::string& decider) {
    const auto& inputs = reader.inputs;
    return decider == stage || inputs.empty() ||
           std::find(inputs.begin(), inputs.end(), decider) != inputs.end();
  };
  Json decisions = Json::array();
  for (const Selection& s : pool.selections_of(origin)) {
    if (!counts(s.stage)) continue;
    decisions.push_back({{"stage", s.stage},
                         {"round", s.round},
                         {"strategy", s.strategy},
                         {"filter", s.filter},
                         {"decision", s.kept ? "kept" : "rejected"},
                         {"rank", s.rank},
                         {"detail", s.detail}});
  }
  return decisions;
}

// The model and its ancestors, youngest first.
Json models_of(const Pool& pool, const std::string& sha256) {
  Json chain = Json::array();
  std::set<std::string> seen;  // two stages may make the same weights: never round in a circle
  for (std::string next = sha256; !next.empty() && seen.insert(next).second;) {
    const auto model = pool.model(next);
    if (!model) break;
    chain.push_back({{"name", model->name},
                     {"sha256", model->sha256},
                     {"stage", model->stage},
                     {"path", model->path}});
    next = model->parent_sha256;
  }
  return chain;
}

Json lineage_of_rollout(const Pool& pool, int64_t id, const std::string& stage) {
  const StoredRollout stored =
      there(pool.rollout(id), fmt::format("trajectory {} or its problem", id));
  const data::Rollout& t = stored.rollout;
  const data::Problem problem = there(pool.problem(t.problem_id, stored.benchmark),
                                      fmt::format("problem \"{}\"", excerpt(t.problem_id)));
  Json json = {{"kind", "trajectory"},
               {"stage", stored.stage},
               {"round", stored.round},
               {"problem", data::to_json(problem)},
               {"sample", t.sample},
               {"seed", t.seed},
               {"sampling",
                {{"temperature", t.sampling.temperature},
                 {"top_p", t.sampling.top_p},
                 {"top_k", t.sampling.top_k},
                 {"max_tokens", t.sampling.max_tokens}}},
               {"model_sha256", t.completion.model_sha256},
               {"models", models_of(pool, t.completion.model_sha256)},
               {"template_sha256", t.template_sha256},
               {"prompt_sha256", t.prompt_sha256},
               {"tokens", t.completion.num_tokens()},
               {"logprob", t.completion.logprobs ? Json(t.completion.logprob()) : Json(nullptr)},
               {"finish_reason", data::to_string(t.completion.finish_reason)}};
  if (t.origin) {  // what nobody said is not there
    json["file"] = t.origin->file;
    json["line"] = t.origin->line;
    json["model"] = t.origin->model;
    if (!t.origin->system.empty()) json["system"] = t.origin->system;
    json.erase("seed");
    json["sampling"] = t.origin->sampling;
    if (t.completion.num_tokens() == 0) json["tokens"] = nullptr;
  }
  if (t.verdict) {
    json["verdict"] = judge::to_string(*t.verdict);
    json["proof"] = t.proof;
  }
  if (t.perplexity) {
    json["perplexity"] = *t.perplexity;
    json["perplexity_model_sha256"] = t.perplexity_model_sha256;
    if (t.perplexity_precision != tensor::Precision::kF32)
      json["perplexity_precision"] = tensor::stored_name(t.perplexity_precision);
  }
  json["decisions"] = decisions_of(pool, {RowOrigin::Kind::kRollout, id}, stage);
  json["text"] = t.completion.text;
  return json;
}

// With which settings, as far as they are known.
std::string sampled_text(const Json& origin) {
  const Json& sampling = origin["sampling"];
  const Json& seed = origin.contains("seed") ? origin : sampling;
  std::string known;
  const auto add = [&](const Json& from, const char* key, const char* format) {
    if (!from.contains(key)) return;
    known += fmt::format("{}{}", known.empty() ? "" : ", ",
                         fmt::format(fmt::runtime(format), from[key].get<double>()));
  };
  if (seed.contains("seed")) known = fmt::format("seed {}", seed["seed"].get<uint64_t>());
  add(sampling, "temperature", "temperature {}");
  add(sampling, "top_p", "top-p {}");
  add(sampling, "top_k", "top-k {}");
  add(sampling, "max_tokens", "at most {} tokens");
  return known.empty() ? "settings not known" : known;
}

std::string model_text(const Json& origin) {
  const auto sha256 = origin["model_sha256"].get<std::string>();
  std::string chain = origin.value("model", "");
  for (const Json& model : origin["models"])
    chain += (chain.empty() ? "" : " <- ") + model["name"].get<std::string>();
  if (sha256.empty()) return chain.empty() ? "not known" : chain + " (weights not known)";
  return fmt::format("{} (sha256 {})", chain, sha256);
}

void print_origin(std::string& out, const Json& origin, const std::string& indent) {
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{}{:<10} {}\n", indent, name, value);
  };
  const auto text = [&](const char* key) { return origin.at(key).get<std::string>(); };
  if (text("kind") == "demonstration") {
    line("from", fmt::format("demonstration {} of {} (line {})", origin["row"].get<int64_t>(),
                             text("file"), origin["line"].get<int64_t>()));
    if (!text("id").empty()) line("id", text("id"));
    if (!text("source").empty()) line("source", text("source"));
    line("question", excerpt(text("question"), 200));
    line("response", "sha256 " + text("response_sha256"));
  } else {
    const Json& problem = origin["problem"];
    line("from", fmt::format("rollout {} of problem {}, stage {}, round {}",
                             origin["sample"].get<int64_t>(), problem["id"].get<std::string>(),
                             text("stage"), origin["round"].get<int64_t>()));
    line("question", excerpt(problem["question"].get<std::string>(), 200));
    line("gold", problem["answer"].get<std::string>());
    if (origin.contains("file"))
      line("read", fmt::format("{}, line {}", text("file"), origin["line"].get<uint64_t>()));
    line("sampled", sampled_text(origin));
    line("model", model_text(origin));
    line("template",
         text("template_sha256").empty() ? "not known" : "sha256 " + text("template_sha256"));
    line("ended",
         fmt::format(
             "{} after {} tokens, logprob {}", text("finish_reason"),
             origin["tokens"].is_null() ? "an unknown number of" : dump_json(origin["tokens"]),
             origin["logprob"].is_null() ? "not known"
                                         : fmt::format("{:.3f}", origin["logprob"].get<double>())));
    line("verdict",
         origin.contains("verdict") ? text("verdict") + ": " + text("proof") : "not judged");
    if (origin.contains("perplexity")) {
      line("perplexity", fmt::format("{:.4f} under {}{}", origin["perplexity"].get<double>(),
                                     text("perplexity_model_sha256"),
                                     origin.contains("perplexity_precision")
                                         ? " in " + text("perplexity_precision")
                                         : ""));
    }
  }
  for (const Json& d : origin["decisions"]) {
    const auto rank = d["rank"].get<int64_t>();
    line("filter", fmt::format("{} {} in {} ({}{}){}{}", d["filter"].get<std::string>(),
                               d["decision"].get<std::string>(), d["stage"].get<std::string>(),
                               d["strategy"].get<std::string>(),
                               rank > 0 ? fmt::format(", rank {}", rank) : "",
                               d["detail"].get<std::string>().empty() ? "" : ": ",
                               d["detail"].get<std::string>()));
  }
}

}  // namespace

Json Pool::Impl::lineage_of_demonstration(int64_t id) const {
  auto row = prepare(
      "SELECT source_file, row_index, line, demonstration_id, domain, source, question, "
      "response_sha256, thought, solution FROM demonstrations WHERE id = ?");
  if (!row.bind(id).step()) refuse(fmt::format("demonstration {} is gone", id), kDamaged);
  Json json = {
      {"kind", "demonstration"}, {"file", row.text(0)},     {"row", row.integer(1)},
      {"line", row.integer(2)},  {"id", row.text(3)},       {"domain", row.text(4)},
      {"source", row.text(5)},   {"question", row.text(6)}, {"response_sha256", row.text(7)}};
  if (!row.is_null(8)) {
    json["thought"] = row.text(8);
    json["solution"] = row.text(9);
  }
  return json;
}

Json Pool::lineage(std::string_view name) const {
  const size_t colon = name.rfind(':');
  int64_t index = -1;
  if (colon != std::string_view::npos) {
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + colon + 1, end, index);
    if (parsed.ec != std::errc() || parsed.ptr != end) index = -1;
  }
  if (index < 0) {
    throw Error(
        ErrorKind::kUsage, excerpt(name), "expected a row as STAGE:INDEX",
        fmt::format("e.g. {}:0", colon == std::string_view::npos ? excerpt(name) : "imitate"));
  }
  const std::string stage(name.substr(0, colon));

  auto row = impl_->prepare(
      "SELECT trajectory, demonstration, text_sha256, num_tokens FROM training_rows "
      "WHERE stage = ? AND row_index = ?");
  if (row.bind(stage).bind(index).step()) {
    Json json = {{"row", name},
                 {"stage", stage},
                 {"index", index},
                 {"text_sha256", row.text(2)},
                 {"tokens", row.integer(3)}};
    if (!row.is_null(0)) {
      json["origin"] = lineage_of_rollout(*this, row.integer(0), stage);
    } else {
      json["origin"] = impl_->lineage_of_demonstration(row.integer(1));
      json["origin"]["decisions"] =
          decisions_of(*this, {RowOrigin::Kind::kDemonstration, row.integer(1)}, stage);
    }
    return json;
  }
  auto pair =
      impl_->prepare("SELECT chosen, rejected FROM pairs WHERE stage = ? AND row_index = ?");
  if (pair.bind(stage).bind(index).step()) {
    return {{"row", name},
            {"stage", stage},
            {"index", index},
            {"chosen", lineage_of_rollout(*this, pair.integer(0), stage)},
            {"rejected", lineage_of_rollout(*this, pair.integer(1), stage)}};
  }
  auto rollout = impl_->prepare(
      "SELECT id FROM trajectories WHERE stage = ? ORDER BY problem, sample, model_sha256 "
      "LIMIT 1 OFFSET ?");
  if (rollout.bind(stage).bind(index).step()) {
    return {{"row", name},
            {"stage", stage},
            {"index", index},
            {"origin", lineage_of_rollout(*this, rollout.integer(0), "")}};
  }
  std::string known;
  auto stages = impl_->prepare(
      "SELECT s.name, count(*) FROM stages s JOIN (SELECT stage FROM training_rows UNION ALL "
      "SELECT stage FROM pairs UNION ALL SELECT stage FROM trajectories) r "
      "ON r.stage = s.name GROUP BY s.name ORDER BY s.position");
  while (stages.step()) {
    known += fmt::format("{}{}:0 to {}:{}", known.empty() ? "" : ", ", stages.text(0),
                         stages.text(0), stages.integer(1) - 1);
  }
  impl_->refuse(fmt::format("no trained row \"{}\"", excerpt(name)),
                known.empty() ? "no stage of this run has trained yet" : "there are " + known);
}

std::string lineage_text(const Json& lineage) {
  std::string out = fmt::format("row        {}\n", lineage.at("row").get<std::string>());
  if (lineage.contains("origin")) {
    if (lineage.contains("text_sha256")) {
      out +=
          fmt::format("text       sha256 {}, {} tokens\n",
                      lineage["text_sha256"].get<std::string>(), lineage["tokens"].get<int64_t>());
    }
    print_origin(out, lineage["origin"], "");
  } else {
    for (const char* side : {"chosen", "rejected"}) {
      out += fmt::format("{}\n", side);
      print_origin(out, lineage[side], "  ");
    }
  }
  return out;
}

}  // namespace ponder::pool
