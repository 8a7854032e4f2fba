#include "pipeline/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "base/philox.h"
#include "clean/filters.h"
#include "data/contamination.h"
#include "synth/synth.h"

namespace ponder::pipeline {
namespace {

synth::SynthStream stream_of(const DataSource& source) {
  synth::SynthOptions options;
  options.domains.clear();
  for (const std::string& domain : source.synth)
    options.domains.push_back(synth::domain_from_string(domain));
  options.lowest_level = static_cast<int>(source.lowest_level);
  options.highest_level = static_cast<int>(source.highest_level);
  options.split = synth::split_from_string(source.split);
  options.seed = source.seed;
  return synth::SynthStream(options);
}

// Rows behind the first `count` (0: all) leave with a reason, like any other rejected row.
template <class Row>
void keep_first(std::vector<Row>& rows, int64_t count, data::RowAccount& report) {
  if (count <= 0 || static_cast<int64_t>(rows.size()) <= count) return;
  const uint64_t dropped = rows.size() - static_cast<uint64_t>(count);
  report.kept -= dropped;
  report.rejected["beyond_count"] += dropped;
  rows.resize(static_cast<size_t>(count));
}

// What is done to the rows of a source once they are read, before those of a set are mixed.
struct Treatment {
  const data::ContaminationFilter* contaminated = nullptr;
  clean::Cleaner* cleaner = nullptr;

  template <class Row>
  void apply(const DataSource& source, std::vector<Row>& rows, data::RowAccount& report) const {
    if (contaminated) contaminated->filter(rows, report);
    if (cleaner) cleaner->clean(rows, report);
    if (source.mix.shuffle_seed) {
      constexpr uint64_t kStream = 0x6D69785F726F7773;  // "mix_rows"
      RandomSequence(*source.mix.shuffle_seed, kStream).shuffle(rows);
    }
    if (!source.file.empty()) keep_first(rows, source.count, report);
  }
};

// Of `count` synthetic rows those that are wanted, each made into a row by `make`.
template <class Row, class Make>
std::vector<Row> made_rows(const DataSource& source, data::RowConditions& conditions,
                           data::RowAccount& report, const Make& make) {
  synth::SynthStream stream = stream_of(source);
  std::vector<Row> rows;
  for (int64_t i = 0; i < source.count; ++i) {
    const synth::SynthRow made = stream.next();
    ++report.rows;
    if (const auto why = conditions.against(Json(), made.problem)) {
      report.reject({*why, source_name(source), static_cast<uint64_t>(i + 1), 0, made.problem.id});
      continue;
    }
    ++report.kept;
    rows.push_back(make(made));
  }
  return rows;
}

std::vector<data::Problem> problems_of(const DataSource& source, data::RowAccount& report,
                                       const Treatment& treatment) {
  std::vector<data::Problem> problems;
  data::RowConditions conditions = source.mix.conditions;
  if (!source.file.empty()) {
    problems = data::read_problems(source.file, report,
                                   {.choice_seed = source.seed,
                                    .fields = source.fields,
                                    .conditions = conditions.empty() ? nullptr : &conditions});
  } else {
    problems = made_rows<data::Problem>(source, conditions, report,
                                        [](const synth::SynthRow& made) { return made.problem; });
  }
  treatment.apply(source, problems, report);
  return problems;
}

std::vector<data::Demonstration> demonstrations_of(const DataSource& source, data::SeenRows& seen,
                                                   data::RowAccount& report,
                                                   const Treatment& treatment) {
  std::vector<data::Demonstration> demonstrations;
  data::RowConditions conditions = source.mix.conditions;
  if (source.teacher && !std::filesystem::exists(source.file)) {
    throw Error(source.file.string(), "is not there: the recipe's teacher has not been asked",
                "ponder run asks it before anything else");
  }
  if (!source.file.empty()) {
    data::DemonstrationReadOptions options;
    options.all_turns = source.all_turns;
    options.require_thought = !source.allow_direct;
    options.thought_tags = source.thought_tags;
    options.seen = &seen;
    options.fields = source.fields;
    if (!conditions.empty()) options.conditions = &conditions;
    demonstrations = data::read_demonstrations(source.file, report, options);
  } else {
    demonstrations = made_rows<data::Demonstration>(
        source, conditions, report,
        [&](const synth::SynthRow& made) { return made.demonstration(source.direct); });
  }
  treatment.apply(source, demonstrations, report);
  return demonstrations;
}

// Why a set or all problems have no row, where filters or conditions are to blame.
void require_rows(const std::vector<ReadSource*>& sources, const std::string& where) {
  data::RowAccount together;
  for (const ReadSource* read : sources) together.merge(read->report);
  if (together.kept > 0 || together.rejected.empty()) return;
  throw Error(where, "no row is left: " + together.summary(),
              "leave out the filter or condition that takes the most, or give it a wider limit");
}

// Two files may give two problems one id ("train-1", of rows without ids), or one problem twice. The
// first stays; of the others equal ones are duplicates, and different ones get an id with a hash of
// the problem behind, which is the same whatever order they come in and wherever the files lie.
void part_ids(ReadSource& read, std::map<std::string, std::string>& contents) {
  constexpr size_t kDigits = 12;
  std::vector<data::Problem> kept;
  for (data::Problem& problem : read.problems) {
    Json json = data::to_json(problem);
    json.erase("id");
    const std::string content = sha256_hex(dump_json(json)), id = problem.id;
    const auto [first, fresh] = contents.emplace(problem.id, content);
    bool duplicate = !fresh && first->second == content;
    if (!fresh && !duplicate) {
      problem.id += "-" + content.substr(0, kDigits);
      duplicate = !contents.emplace(problem.id, content).second;
    }
    if (!duplicate) {
      kept.push_back(std::move(problem));
      continue;
    }
    --read.report.kept;
    ++read.report.duplicates;
    if (read.report.duplicate_examples.size() < data::RowAccount::kMaxExamples) {
      read.report.duplicate_examples.push_back(
          {{"duplicate", fmt::format("repeats the problem \"{}\" of another source", excerpt(id))},
           problem.file,
           problem.line,
           0});
    }
  }
  read.problems = std::move(kept);
}

}  // namespace

std::string source_name(const DataSource& source) {
  const data::RowConditions& conditions = source.mix.conditions;
  const std::string part = conditions.empty() ? "" : " (" + conditions.text() + ")";
  if (!source.file.empty()) return source.file.string() + part;
  return fmt::format("synth:{} levels {}-{} {} seed {}{}{}", fmt::join(source.synth, ","),
                     source.lowest_level, source.highest_level, source.split, source.seed,
                     source.direct ? " direct" : "", part);
}

std::vector<size_t> ReadSource::order() const {
  std::vector<size_t> order;
  for (size_t i = 0; i < demonstrations.size() + repeated; ++i)
    order.push_back(i % demonstrations.size());
  return order;
}

std::vector<ReadSource> read_sources(const Recipe& recipe) {
  using Role = pool::SourceRecord::Role;
  data::ContaminationFilter filter;
  // They point to each other's rows while they are read, so they stay where they are.
  std::deque<ReadSource> all;
  for (const DataSource& source : recipe.evaluate.benchmarks) {
    ReadSource& read = all.emplace_back(ReadSource{&source, Role::kBenchmark, source.name});
    read.problems = problems_of(source, read.report, {});
    if (recipe.decontaminate) filter.add(source.name, read.problems);
  }
  for (const ImitationSet& set : recipe.imitation) {
    data::SeenRows seen;  // each set is trained by itself
    clean::Cleaner cleaner(recipe.clean);
    std::vector<ReadSource*> of_set;
    for (const DataSource& source : set.demonstrations) {
      ReadSource& read =
          all.emplace_back(ReadSource{&source, Role::kDemonstrations, set.name,
                                      recipe.thought_form == data::ThoughtForm::kAsWritten});
      read.demonstrations = demonstrations_of(source, seen, read.report, {&filter, &cleaner});
      of_set.push_back(&read);
    }
    const std::string where = set.name.empty() ? "imitate" : "imitate.compare " + set.name;
    require_rows(of_set, where + ".demonstrations");
    mix(of_set, set.rows, where);
  }
  if (recipe.explore.rounds > 0) {
    std::map<std::string, std::string> contents;  // by id
    clean::Cleaner cleaner(recipe.clean_problems);
    std::vector<ReadSource*> problems;
    for (const DataSource& source : recipe.explore.problems) {
      ReadSource& read = all.emplace_back(ReadSource{&source, Role::kProblems, ""});
      read.problems = problems_of(source, read.report, {&filter, &cleaner});
      part_ids(read, contents);
      problems.push_back(&read);
    }
    require_rows(problems, "explore.problems");
    mix(problems, recipe.explore.rows, "explore");
  }
  return {std::make_move_iterator(all.begin()), std::make_move_iterator(all.end())};
}

std::vector<data::Problem> teacher_problems(const Recipe& recipe, data::RowAccount& account) {
  data::ContaminationFilter filter;
  if (recipe.decontaminate) {
    for (const DataSource& source : recipe.evaluate.benchmarks) {
      data::RowAccount ignored;
      filter.add(source.name, problems_of(source, ignored, {}));
    }
  }
  std::vector<data::Problem> problems;
  for (const DataSource& source : recipe.teacher.problems) {
    data::RowAccount own;
    std::vector<data::Problem> read = problems_of(source, own, {&filter});
    std::move(read.begin(), read.end(), std::back_inserter(problems));
    account.merge(own);
  }
  return problems;
}

std::string rows_sha256(const ReadSource& read) {
  Sha256 hash;
  for (const data::Demonstration& d : read.demonstrations) {
    Json turns = Json::array();
    for (const data::Turn& turn : d.history) turns.push_back({turn.assistant, turn.content});
    Json row = Json::array({d.system, turns, d.question, d.thought, d.solution});
    // Where it decides what is trained: the tags, or that a direct answer has an empty block.
    if (!d.written.empty() && (read.as_written || d.thought.empty())) row.push_back(d.written);
    hash.update(dump_json(row) + "\n");
  }
  if (read.repeated > 0) hash.update(fmt::format("repeated {}\n", read.repeated));
  for (const data::Problem& p : read.problems) {
    Json json = data::to_json(p);
    json["choices"] = p.choices;
    hash.update(dump_json(json) + "\n");
  }
  return hash.hex();
}

std::vector<pool::SourceRecord> sources_of(const pool::Pool& pool, pool::SourceRecord::Role role,
                                           const std::string& set) {
  std::vector<pool::SourceRecord> found;
  for (pool::SourceRecord& source : pool.sources()) {
    if (source.role == role && source.set == set) found.push_back(std::move(source));
  }
  if (found.empty()) {
    throw Error(ErrorKind::kInternal, "run.db",
                fmt::format("no {} of \"{}\" were ingested", pool::to_string(role), set));
  }
  return found;
}

std::pair<int64_t, int64_t> round_of(const ExploreOptions& explore, int round, int64_t total) {
  const int64_t rounds = explore.rounds, each = explore.problems_per_round;
  const int64_t begin =
      std::min(total, each > 0 ? each * (round - 1) : total * (round - 1) / rounds);
  const int64_t end = std::min(total, each > 0 ? each * round : total * round / rounds);
  return {begin, end};
}

std::vector<data::Problem> problems_of_round(const pool::Pool& pool, const Recipe& recipe,
                                             int round) {
  std::vector<data::Problem> all;
  for (const pool::SourceRecord& source :
       sources_of(pool, pool::SourceRecord::Role::kProblems, "")) {
    for (data::Problem& problem : pool.problems_of(source.id)) all.push_back(std::move(problem));
  }
  const auto [begin, end] = round_of(recipe.explore, round, static_cast<int64_t>(all.size()));
  return {all.begin() + begin, all.begin() + end};
}

std::string none_left_for(int round) {
  return fmt::format("no problem is left for round {}", round);
}

void log_rejected(Monitor& monitor, const DataSource& source, const data::RowAccount& report) {
  monitor.info(fmt::format("{}: {}", source_name(source), report.summary()));
  for (const data::RejectedRow& row : report.examples) {
    monitor.record("rejected", {{"source", source_name(source)},
                                {"row", row.line},
                                {"reason", row.reason},
                                {"detail", row.detail}});
  }
}

}  // namespace ponder::pipeline
