// What became of a problem: the way from it to the models that were trained on it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {

namespace {

// The rollouts of a problem, ?1, by the index of their keys: neither rows nor pairs have an index by
// rollout, so these are looked through once, and rollouts' own rows are read only where they match.
constexpr std::string_view kOwn =
    "WITH own AS MATERIALIZED (SELECT t.id FROM stages s CROSS JOIN trajectories t ON "
    "t.stage = s.name AND t.problem = ?1) ";

}  // namespace

std::vector<int64_t> Pool::rollouts_of_problem(std::string_view id,
                                               std::string_view benchmark) const {
  std::vector<int64_t> ids;
  auto row = impl_->prepare(
      "SELECT t.id FROM stages s CROSS JOIN trajectories t ON t.stage = s.name AND "
      "t.problem = (SELECT position FROM problems WHERE benchmark = ? AND id = ?) "
      "ORDER BY s.position, t.sample, t.model_sha256");
  row.bind(benchmark).bind(id);
  while (row.step()) ids.push_back(row.integer(0));
  return ids;
}

Json Pool::uses_of_problem(std::string_view id) const {
  const std::optional<data::Problem> problem = this->problem(id);
  if (!problem) {
    impl_->refuse(fmt::format("no problem to train on has the id \"{}\"", excerpt(id)),
                  "ponder pool export RUN --problems lists them");
  }
  const int64_t position = impl_->problem_position(id, "");
  Json uses = {{"problem", data::to_json(*problem)},
               {"rollouts", Json::array()},
               {"rows", Json::array()},
               {"pairs", Json::array()}};
  auto rollouts = impl_->prepare(
      "SELECT t.stage, count(*), count(*) FILTER (WHERE t.verdict = 'correct'), "
      "count(*) FILTER (WHERE t.verdict = 'incorrect') FROM stages s CROSS JOIN trajectories t ON "
      "t.stage = s.name AND t.problem = ? GROUP BY t.stage ORDER BY s.position");
  rollouts.bind(position);
  while (rollouts.step()) {
    uses["rollouts"].push_back({{"stage", rollouts.text(0)},
                                {"rollouts", rollouts.integer(1)},
                                {"correct", rollouts.integer(2)},
                                {"incorrect", rollouts.integer(3)}});
  }
  std::set<std::string> trained;  // stages
  const auto row_name = [](const sqlite::Statement& row) {
    return fmt::format("{}:{}", row.text(0), row.integer(1));
  };
  auto rows = impl_->prepare(fmt::format(
      "{}SELECT r.stage, r.row_index, t.stage, t.sample FROM training_rows r CROSS JOIN "
      "trajectories t ON t.id = r.trajectory JOIN stages s ON s.name = r.stage "
      "WHERE r.trajectory IN own ORDER BY s.position, r.row_index",
      kOwn));
  rows.bind(position);
  while (rows.step()) {
    trained.insert(rows.text(0));
    uses["rows"].push_back(
        {{"row", row_name(rows)}, {"explored", rows.text(2)}, {"sample", rows.integer(3)}});
  }
  auto shown = impl_->prepare(
      "SELECT r.stage, r.row_index, d.source_file, d.row_index FROM training_rows r JOIN "
      "demonstrations d ON d.id = r.demonstration JOIN stages s ON s.name = r.stage "
      "WHERE d.question = ? ORDER BY s.position, r.row_index");
  shown.bind(problem->question);
  while (shown.step()) {
    trained.insert(shown.text(0));
    uses["rows"].push_back(
        {{"row", row_name(shown)},
         {"demonstration", fmt::format("{}#{}", shown.text(2), shown.integer(3))}});
  }
  auto pairs = impl_->prepare(fmt::format(
      "{}SELECT r.stage, r.row_index, t.stage, t.sample, r.chosen = t.id FROM pairs r CROSS JOIN "
      "trajectories t ON t.id IN (r.chosen, r.rejected) JOIN stages s ON s.name = r.stage "
      "WHERE (r.chosen IN own OR r.rejected IN own) AND t.problem = ?1 "
      "ORDER BY s.position, r.row_index, r.rejected = t.id",
      kOwn));
  pairs.bind(position);
  while (pairs.step()) {
    trained.insert(pairs.text(0));
    uses["pairs"].push_back({{"row", row_name(pairs)},
                             {"explored", pairs.text(2)},
                             {"sample", pairs.integer(3)},
                             {"side", pairs.integer(4) != 0 ? "chosen" : "rejected"}});
  }
  Json own = Json::array(), descendants = Json::array();
  std::set<std::string> weights;  // of models trained on it, and of those made from them
  for (const ModelRecord& model : models()) {  // parents before their children
    if (trained.contains(model.stage)) {
      own.push_back(model.name);
    } else if (weights.contains(model.parent_sha256)) {
      descendants.push_back(model.name);
    } else {
      continue;
    }
    weights.insert(model.sha256);
  }
  uses["models"] = std::move(own);
  uses["descendants"] = std::move(descendants);
  return uses;
}

std::string uses_text(const Json& uses) {
  const auto text = [](const Json& json, const char* key) {
    return json.at(key).get<std::string>();
  };
  const Json& problem = uses.at("problem");
  std::string out =
      fmt::format("problem    {}\nquestion   {}\ngold       {}\n", text(problem, "id"),
                  excerpt(text(problem, "question"), 200), text(problem, "answer"));
  for (const Json& stage : uses.at("rollouts")) {
    out += fmt::format("sampled    {}: {} rollouts, {} correct, {} incorrect\n",
                       text(stage, "stage"), stage.at("rollouts").get<int64_t>(),
                       stage.at("correct").get<int64_t>(), stage.at("incorrect").get<int64_t>());
  }
  for (const Json& row : uses.at("rows")) {
    out += fmt::format("trained    {}: {}\n", text(row, "row"),
                       row.contains("demonstration")
                           ? "demonstration " + text(row, "demonstration")
                           : fmt::format("sample {} of {}", row.at("sample").get<int64_t>(),
                                         text(row, "explored")));
  }
  for (const Json& row : uses.at("pairs")) {
    out += fmt::format("paired     {}: {} is sample {} of {}\n", text(row, "row"),
                       text(row, "side"), row.at("sample").get<int64_t>(), text(row, "explored"));
  }
  const auto names = [](const Json& list) {
    return list.empty() ? std::string("none")
                        : fmt::format("{}", fmt::join(list.get<std::vector<std::string>>(), ", "));
  };
  out += fmt::format("models     trained on it: {}; made from these: {}\n",
                     names(uses.at("models")), names(uses.at("descendants")));
  return out;
}

}  // namespace ponder::pool
