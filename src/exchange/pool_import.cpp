#include "exchange/pool_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/response_rows.h"
#include "pool/stage_result.h"
#include "tokenizer/thought_format.h"

namespace ponder::exchange {
namespace {

using data::ResponseLayout;

// A file whose first row has been looked at: a pipe can be read but once.
struct OpenFile {
  std::filesystem::path path;
  std::unique_ptr<data::PeekedRows> rows;
  ResponseLayout layout = ResponseLayout::kProblem;
};

OpenFile open_file(const std::filesystem::path& path) {
  OpenFile file = {path, std::make_unique<data::PeekedRows>(data::RowSource::open(path))};
  const Json* first = file.rows->first_object();
  if (!first) {
    std::string problem = "expected rows that are JSON objects, found none";
    if (!file.rows->first_problem().empty()) problem += "; first: " + file.rows->first_problem();
    throw Error(path.string(), problem, "see the layouts in docs/pool.md");
  }
  file.layout = data::response_layout(*first);
  return file;
}

// Problems by id, by content and by question. Problems of the pool come first: one that is there
// under its content keeps its id.
class ProblemBook {
 public:
  // The problem with this content; where there is none this one, under an id that no other has.
  const data::Problem& take(data::Problem problem) {
    const std::string key = data::problem_key(problem);
    if (const auto known = by_key_.find(key); known != by_key_.end()) return *known->second;
    const std::string id = problem.id;
    for (int n = 2; by_id_.count(problem.id) > 0; ++n) problem.id = fmt::format("{}#{}", id, n);
    const data::Problem& kept = problems_.emplace_back(std::move(problem));
    by_id_[kept.id] = by_key_[key] = &kept;
    by_question_.emplace(data::question_key(kept.question), &kept);
    return kept;
  }

  const data::Problem* with_question(const std::string& question) const {
    return find(by_question_, data::question_key(question));
  }

  // By its id or, as those who ask for several samples name their requests, ID-N.
  const data::Problem* with_name(const std::string& name) const {
    const data::Problem* found = find(by_id_, name);
    const size_t end = name.find_last_not_of("0123456789");
    if (!found && end != std::string::npos && end > 0 && end + 1 < name.size() &&
        std::string_view("-_:#/.").find(name[end]) != std::string_view::npos)
      found = find(by_id_, name.substr(0, end));
    return found;
  }

 private:
  using Index = std::unordered_map<std::string, const data::Problem*>;
  static const data::Problem* find(const Index& index, const std::string& key) {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : found->second;
  }

  std::deque<data::Problem> problems_;
  Index by_id_, by_key_, by_question_;
};

// Whether what was asked holds the problem's question, its choices aside: another set's ids may be the
// same.
bool asks(const std::string& question, const data::Problem& problem) {
  const std::string stem = problem.question.substr(0, problem.question.find("\n\n(A) "));
  return data::question_key(question).find(data::question_key(stem)) != std::string::npos;
}

// All that makes two responses of a problem the same.
std::string identity_of(const data::Rollout& t) {
  const data::Origin& origin = *t.origin;
  return sha256_hex(dump_json(Json::array({t.problem_id, t.completion.model_sha256, origin.model,
                                           origin.system, origin.sampling, t.completion.text,
                                           data::to_string(t.completion.finish_reason)})));
}

class Importer {
 public:
  Importer(pool::Pool& pool, const ImportOptions& options, Monitor& monitor, ImportResult& result)
      : pool_(pool), options_(options), monitor_(monitor), result_(result) {
    for (data::Problem& problem : pool.problems()) {
      const std::string id = problem.id;
      in_pool_.insert(id);
      book_.take(std::move(problem));
    }
    for (const pool::ModelRecord& model : pool.models()) models_.insert(model.sha256);
    pool.for_each_rollout({.stage = kImportStage, .with_tokens = false},
                          [&](const pool::StoredRollout& stored) {
                            ++there_[identity_of(stored.rollout)];
                            taken_[stored.rollout.problem_id].insert(stored.rollout.sample);
                          });
  }

  void read_problems(OpenFile file) {
    ImportedFile& report = begin(file, "problems");
    data::visit_problems(*file.rows, report.account, {},
                         [&](data::Problem problem) { book_.take(std::move(problem)); });
  }

  void read_requests(OpenFile file) {
    ImportedFile& report = begin(file, std::string(to_string(file.layout)));
    const std::string stem = data::dataset_name(file.path);
    visit(file, report, [&](const JsonRow& row, std::map<std::string, uint64_t>& changed) {
      ++report.account.rows;
      data::AskedQuestion asked = data::asked_of_request(row.value, stem, row.line, changed);
      const std::string name = asked.name;
      if (!requests_.emplace(name, std::move(asked)).second) {
        ++report.account.duplicates;
        return;
      }
      ++report.account.kept;
    });
  }

  // The file's own problems go into the pool as they are needed.
  void read_responses(OpenFile file) {
    ImportedFile& report = begin(file, std::string(to_string(file.layout)));
    const std::string stem = data::dataset_name(file.path);
    std::optional<std::string> filter;
    std::unordered_map<std::string, int> seen;  // how often, in this file
    visit(file, report, [&](const JsonRow& row, std::map<std::string, uint64_t>& changed) {
      const ResponseLayout layout = data::response_layout(row.value);
      data::ResponseRow read;
      const data::Problem* problem = nullptr;
      try {
        if (layout == ResponseLayout::kProblem || layout == ResponseLayout::kBatchRequest)
          throw data::Rejection{"no_response", "the row has no response"};
        read = data::response_row(row.value, layout, stem, row.line, changed);
        problem = &problem_of(read.asked, changed);
      } catch (const data::Rejection& why) {  // of all its responses
        changed.clear();
        const size_t count = std::max<size_t>(1, read.responses.size());
        report.account.rows += count;
        for (size_t i = 0; i < count; ++i) reject(report, why, row, read.asked.name);
        return;
      }
      if (!filter) filter = read.filter;
      for (auto& given : read.responses) {
        ++report.account.rows;
        if (!given) {
          reject(report, given.why(), row, read.asked.name);
        } else if (read.filter != *filter) {
          duplicate(report, row, "is there under the filter " + excerpt(*filter));
        } else {
          add(report, row, *problem, read.asked, std::move(*given), seen);
        }
      }
    });
    result_.responses.merge(report.account);
  }

  // Everything of the files of responses: what became of it goes into the pool.
  void record() {
    for (const ImportedFile& file : result_.files) {
      pool::SourceRecord source;
      source.stage = kImportStage;
      source.role = pool::SourceRecord::Role::kResponses;
      source.set = file.layout;
      source.name = file.file;
      source.account = file.account;
      std::error_code absent;
      if (std::filesystem::is_regular_file(file.file, absent)) {
        source.rows_sha256 = sha256_file(file.file);
        pool_.add_file({kImportStage, file.file,
                        static_cast<int64_t>(std::filesystem::file_size(file.file)),
                        source.rows_sha256});
      }
      const int64_t id = pool_.add_source(source);
      for (const data::RejectedRow& row : file.account.examples)
        pool_.add_rejection({id, row.line, row.reason, row.detail});
    }
  }

 private:
  ImportedFile& begin(const OpenFile& file, std::string layout) {
    return result_.files.emplace_back(ImportedFile{file.path.string(), std::move(layout)});
  }

  template <class Take>
  void visit(OpenFile& file, ImportedFile& report, const Take& take) {
    JsonRow row;
    const auto on_bad = [&](uint64_t line, uint64_t byte, const std::string& problem) {
      ++report.account.rows;
      report.account.reject({{"bad_json", problem}, report.file, line, byte});
    };
    while (file.rows->next(row, on_bad)) {
      if (!row.value.is_object()) {
        ++report.account.rows;
        reject(report,
               {"not_an_object", "expected a JSON object, found " + excerpt(dump_json(row.value))},
               row, "");
        continue;
      }
      std::map<std::string, uint64_t> changed;
      try {
        take(row, changed);
        for (const auto& [what, count] : changed) report.account.changed[what] += count;
      } catch (const data::Rejection& why) {
        reject(report, why, row, "");
      }
      monitor_.progress("rows read", static_cast<int64_t>(report.account.rows), 0);
    }
  }

  static void reject(ImportedFile& report, const data::Rejection& why, const JsonRow& row,
                     const std::string& id) {
    report.account.reject({why, report.file, row.line, row.byte_offset, id});
  }

  static void duplicate(ImportedFile& report, const JsonRow& row, const std::string& detail) {
    ++report.account.duplicates;
    if (report.account.duplicate_examples.size() < data::RowAccount::kMaxExamples) {
      report.account.duplicate_examples.push_back(
          {{"duplicate", detail}, report.file, row.line, row.byte_offset});
    }
  }

  // The row's own problem or, where it has no gold answer, the one that it names or asks. Throws
  // Rejection. What the request of that name says is taken over.
  const data::Problem& problem_of(data::AskedQuestion& asked,
                                  std::map<std::string, uint64_t>& changed) {
    if (const auto request = requests_.find(asked.name); request != requests_.end()) {
      const data::AskedQuestion& from = request->second;
      if (asked.question.empty()) asked.question = from.question;
      if (!asked.problem) asked.problem = from.problem;
      if (asked.system.empty()) asked.system = from.system;
      if (asked.model.empty()) asked.model = from.model;
      if (asked.sampling.empty()) asked.sampling = from.sampling;
    }
    if (asked.problem) return book_.take(*asked.problem);
    if (!asked.question.empty()) {
      if (const data::Problem* known = book_.with_question(asked.question)) return *known;
    }
    if (const data::Problem* known = book_.with_name(asked.name)) {
      if (asked.question.empty()) return *known;
      if (!asks(asked.question, *known)) {
        throw data::Rejection{"other_question",
                              fmt::format("\"{}\" is the id of a problem that asks something else",
                                          excerpt(asked.name))};
      }
      ++changed["asked_with_more_words"];
      return *known;
    }
    if (asked.question.empty()) {
      throw data::Rejection{
          "unknown_problem",
          fmt::format("no file and no problem of the pool says what \"{}\" asks (give the "
                      "requests, or --problems)",
                      excerpt(asked.name))};
    }
    throw data::Rejection{"no_answer",
                          "no gold answer in the row, and none of that question or name in the "
                          "files of problems (--problems)"};
  }

  int free_sample(const std::string& problem, std::optional<int> wanted) {
    std::set<int>& taken = taken_[problem];
    int sample = wanted.value_or(0);
    if (taken.count(sample) > 0 || !wanted) sample = taken.empty() ? 0 : *taken.rbegin() + 1;
    taken.insert(sample);
    return sample;
  }

  void add(ImportedFile& report, const JsonRow& row, const data::Problem& problem,
           const data::AskedQuestion& asked, data::GivenResponse given,
           std::unordered_map<std::string, int>& seen) {
    data::Rollout t;
    t.problem_id = problem.id;
    t.completion = std::move(given.completion);
    t.template_sha256 = given.template_sha256;
    t.perplexity = given.perplexity;
    t.perplexity_model_sha256 = given.perplexity_model_sha256;
    t.perplexity_precision = given.perplexity_precision;
    t.origin =
        data::Origin{report.file, row.line,
                     asked.model.empty() && t.completion.model_sha256.empty() ? options_.model_name
                                                                              : asked.model,
                     asked.system, asked.sampling};
    // The n-th of several equal responses of a file is the n-th of another's.
    const std::string identity = identity_of(t);
    const auto there = there_.find(identity);
    if (++seen[identity] <= (there == there_.end() ? 0 : there->second))
      return duplicate(report, row, "is in the pool already");
    ++there_[identity];
    take_settings(t);
    tokenizer::ThoughtParts parts = tokenizer::parse_thought(t.completion.text);
    t.thought = std::move(parts.thought);
    t.solution = std::move(parts.solution);
    if (!t.perplexity && t.completion.logprobs) {
      t.perplexity =
          std::exp(-t.completion.logprob() / static_cast<double>(t.completion.logprobs->size()));
      t.perplexity_model_sha256 = t.completion.model_sha256;
      t.perplexity_precision = t.completion.precision;
    }
    t.sample = free_sample(problem.id, given.sample);
    const judge::Judgement judgement = eval::judge_rollout(problem, options_.strictness, t);
    if (in_pool_.insert(problem.id).second) pool_.add_problem(problem);
    const std::string& sha256 = t.completion.model_sha256;
    if (!sha256.empty() && models_.insert(sha256).second)
      pool_.add_model({sha256, "model " + sha256.substr(0, 12), "", "", ""});
    pool_.add_rollout(kImportStage, 0, t);
    ++report.account.kept;
    ++result_.judged[static_cast<size_t>(judgement.verdict)];
    ++result_.models[t.origin->model.empty() ? sha256 : t.origin->model];
    result_.without_temperature += !t.origin->sampling.contains("temperature");
  }

  static void take_settings(data::Rollout& t) {
    const Json& known = t.origin->sampling;
    t.seed = known.value("seed", t.seed);
    t.sampling.temperature = known.value("temperature", t.sampling.temperature);
    t.sampling.top_p = known.value("top_p", t.sampling.top_p);
    t.sampling.top_k = known.value("top_k", t.sampling.top_k);
    t.sampling.max_tokens = known.value("max_tokens", t.sampling.max_tokens);
  }

  pool::Pool& pool_;
  const ImportOptions& options_;
  Monitor& monitor_;
  ImportResult& result_;
  ProblemBook book_;
  std::unordered_map<std::string, data::AskedQuestion> requests_;
  std::unordered_map<std::string, int> there_;            // by identity: how many are in the pool
  std::unordered_map<std::string, std::set<int>> taken_;  // sample numbers, by problem
  std::set<std::string> in_pool_, models_;
};

void check_used(const ImportedFile& file) {
  const data::RowAccount& account = file.account;
  if (account.kept > 0 || account.duplicates > 0) return;
  std::string problem = "none of its rows can be used: " + account.summary();
  if (!account.examples.empty()) {
    problem +=
        fmt::format("; first: line {}: {}", account.examples[0].line, account.examples[0].detail);
  }
  throw Error(file.file, problem, "see the layouts in docs/pool.md; --explain lists the rows");
}

}  // namespace

void import_files(pool::Pool& pool, const std::vector<std::filesystem::path>& files,
                  const ImportOptions& options, Monitor& monitor, ImportResult& result) {
  const auto begun = std::chrono::steady_clock::now();
  pool::Pool::Transaction transaction(pool);
  if (pool.stage(kImportStage)) {
    pool.reopen_stage(kImportStage);
  } else {
    pool.begin_stage({.name = kImportStage, .kind = std::string(pool::stage_kind::kImport)});
  }
  Importer importer(pool, options, monitor, result);
  std::vector<OpenFile> responses;
  for (const std::filesystem::path& file : options.problems)
    importer.read_problems(open_file(file));
  for (const std::filesystem::path& path : files) {
    OpenFile file = open_file(path);
    if (file.layout == ResponseLayout::kProblem) {
      importer.read_problems(std::move(file));
    } else if (file.layout == ResponseLayout::kBatchRequest) {
      importer.read_requests(std::move(file));
    } else {
      responses.push_back(std::move(file));
    }
  }
  for (OpenFile& file : responses) importer.read_responses(std::move(file));
  if (responses.empty()) {
    throw Error(ErrorKind::kUsage, "pool import", "expected files of responses, found none",
                "see the layouts in docs/pool.md");
  }
  for (const ImportedFile& file : result.files) check_used(file);
  if (result.responses.kept == 0) return;  // nothing is new: the pool stays as it was
  importer.record();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
  pool.finish_stage(kImportStage, pool::StageState::kDone, seconds.count(),
                    pool.counts_of(kImportStage).rollouts, Json::object());
  transaction.commit();
}

Json to_json(const ImportResult& result, bool explain) {
  Json json = data::to_json(result.responses, false);
  json["judged"] = {{"correct", result.judged[static_cast<size_t>(judge::Verdict::kCorrect)]},
                    {"incorrect", result.judged[static_cast<size_t>(judge::Verdict::kIncorrect)]},
                    {"undecided", result.judged[static_cast<size_t>(judge::Verdict::kUndecided)]}};
  json["models"] = Json::object();
  for (const auto& [model, count] : result.models)
    json["models"][model.empty() ? "unknown" : model] = count;
  json["without_temperature"] = result.without_temperature;
  json["files"] = Json::array();
  for (const ImportedFile& file : result.files) {
    Json one = {{"file", file.file}, {"layout", file.layout}};
    one.update(data::to_json(file.account, explain));
    json["files"].push_back(std::move(one));
  }
  return json;
}

}  // namespace ponder::exchange
