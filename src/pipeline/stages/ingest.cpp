#include "pipeline/plan_context.h"
#include "pipeline/sources.h"
#include "pipeline/stages/kinds.h"
#include "pool/stage_result.h"

namespace ponder::pipeline {
namespace {

StagePlan plan_ingest(const PlanContext& /*context*/, const Stage& /*stage*/) { return {}; }

void record(StageContext& context, const ReadSource& read) {
  pool::Pool& pool = context.pool;
  pool::SourceRecord source;
  source.stage = context.stage.name;
  source.role = read.role;
  source.set = read.set;
  source.name = source_name(*read.source);
  source.rows_sha256 = rows_sha256(read);
  source.account = read.report;
  const int64_t id = pool.add_source(source);
  int64_t index = 0;
  std::vector<int64_t> rows;
  for (const data::Demonstration& d : read.demonstrations)
    rows.push_back(pool.add_demonstration(source.name, index++, d));
  index = 0;
  for (const size_t place : read.order()) pool.add_source_row(id, index++, rows[place]);
  const std::string benchmark = read.role == pool::SourceRecord::Role::kBenchmark ? read.set : "";
  for (const data::Problem& problem : read.problems) {
    pool.add_problem(problem, benchmark);
    pool.add_source_row(id, index++, problem.id, benchmark);
  }
  for (const auto* examples : {&read.report.examples, &read.report.duplicate_examples}) {
    for (const data::RejectedRow& row : *examples)
      pool.add_rejection({id, row.line, row.reason, row.detail});
  }
}

StageOutcome run_ingest(StageContext& context) {
  pool::IngestResult result;
  pool::Pool::Transaction transaction(context.pool);
  for (const ReadSource& read : context.sources) {
    if (context.stopping()) return StageOutcome::stopped();
    log_rejected(context.monitor, *read.source, read.report);
    record(context, read);
    ++result.sources;
    result.demonstrations += static_cast<int64_t>(read.demonstrations.size());
    (read.role == pool::SourceRecord::Role::kBenchmark ? result.benchmark_problems
                                                       : result.problems) +=
        static_cast<int64_t>(read.problems.size());
    result.duplicates += static_cast<int64_t>(read.report.duplicates);
    for (const auto& [reason, count] : read.report.rejected)
      result.rejected[reason] += static_cast<int64_t>(count);
  }
  transaction.commit();
  context.sources.clear();
  return {.rows = result.demonstrations + result.problems + result.benchmark_problems,
          .result = pool::to_json(result)};
}

}  // namespace

const StageKind kIngest = {
    .name = pool::stage_kind::kIngest,
    .version = 2,  // duplicates are question and response
    .keys = {"decontaminate", "thought_form", "clean", "explore.rows", "imitate",
             "explore.problems", "evaluate.benchmarks"},
    .sources = {},
    .plan = plan_ingest,
    .run = run_ingest,
};

}  // namespace ponder::pipeline
