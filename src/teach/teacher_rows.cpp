// What a teacher's answers come to: rows of demonstrations, rows of what was rejected, and the account.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/output_file.h"
#include "teach/teacher.h"

namespace ponder::teach {
namespace {

void write_row(OutputFile& file, const Json& row) {
  const std::string line = dump_json(row) + "\n";
  file.write(line.data(), line.size());
}

std::string counts_text(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const std::string& reason : reasons()) {
    const auto found = counts.find(reason);
    if (found == counts.end()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", found->second, reason);
  }
  return text;
}

// Where an answer comes from.
Json lineage_of(const StoredRequest& request, const StoredAnswer& stored,
                const TeacherSettings& settings) {
  const fleet::Answer& answer = stored.answer;
  Json json = {{"model", settings.fleet.served_model}};
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  put("answered_by", answer.model);
  put("fingerprint", answer.fingerprint);
  json["request"] = request.key;
  json["ask"] = stored.ask;
  put("response", answer.id);
  json["came"] = stored.came;
  put("from", stored.from);
  json["max_tokens"] = stored.max_tokens;
  if (!settings.fleet.chat.extra.empty()) json["extra"] = settings.fleet.chat.extra;
  if (answer.usage) {
    json["prompt_tokens"] = answer.usage->prompt;
    json["completion_tokens"] = answer.usage->completion;
    if (answer.usage->reasoning > 0) json["reasoning_tokens"] = answer.usage->reasoning;
  }
  if (!stored.currency.empty()) {
    json["price"] = amount_text(stored.certain + stored.possible);
    json["currency"] = stored.currency;
  }
  put("license", settings.license);
  return json;
}

// Of two equal answers to a problem, which is the second?
class SeenAnswers {
 public:
  bool repeats(const std::string& problem, const std::string& thought,
               const std::string& solution) {
    return !seen_.insert(sha256_hex(dump_json(Json::array({problem, thought, solution})))).second;
  }

 private:
  std::set<std::string> seen_;
};

}  // namespace

void Teacher::write_rows() {
  write_files();
  store_.set_report(report().json());
  store_.keep();
}

void Teacher::write_files() const {
  const bool any = std::any_of(items_.begin(), items_.end(), [](const Item& item) {
    return item.request.state == RequestState::kDone;
  });
  std::error_code absent;
  if (!any && !std::filesystem::exists(files_.demonstrations, absent)) return;
  OutputFile demonstrations(files_.demonstrations), rejected(files_.rejected);
  SeenAnswers seen;
  for (const Item& item : items_) {
    if (item.request.state != RequestState::kDone) continue;
    const std::optional<StoredAnswer> stored = store_.answer_of(item.request.key, item.request.ask);
    if (!stored) continue;
    const data::Problem& problem = problems_[item.problem];
    Outcome outcome = outcome_of(problem, stored->answer, settings_.rules);
    if (outcome.reason.empty() && seen.repeats(problem.id, outcome.thought, outcome.solution)) {
      outcome.reason = "duplicate";
      outcome.detail = "the same answer as an earlier sample's";
    }
    const Json lineage = lineage_of(item.request, *stored, settings_);
    if (outcome.reason.empty()) {
      Json row = data::to_json(
          demonstration_of(problem, settings_.fleet.served_model, item.request.sample, outcome));
      row["problem_id"] = problem.id;
      if (!problem.source.empty()) row["problem_source"] = problem.source;
      row["teacher"] = lineage;
      write_row(demonstrations, row);
      continue;
    }
    Json row = {{"id", fmt::format("{}-{}", problem.id, item.request.sample)},
                {"problem_id", problem.id},
                {"question", problem.question},
                {"sample", item.request.sample},
                {"reason", outcome.reason},
                {"detail", outcome.detail},
                {"finish_reason", stored->answer.finish},
                {"thought", stored->answer.thought},
                {"text", stored->answer.text}};
    if (!stored->answer.refusal.empty()) row["refusal"] = stored->answer.refusal;
    if (outcome.verdict) row["verdict"] = judge::to_string(*outcome.verdict);
    row["answer"] = problem.answer;
    row["teacher"] = lineage;
    write_row(rejected, row);
  }
  demonstrations.commit();
  rejected.commit();
}

TeacherReport Teacher::report(bool with_duplicates) const {
  TeacherReport report;
  report.problems = static_cast<int64_t>(problems_.size());
  report.ledger = store_.ledger();
  report.budget = settings_.budget;
  if (settings_.prices.given) report.currency = settings_.prices.currency;
  SeenAnswers seen;
  for (size_t p = 0; p < problems_.size(); ++p) {
    report.solved += num_right(p) > 0;
    report.unasked += static_cast<int64_t>(wanted(p).size());
  }
  for (const Item& item : items_) {
    const RequestState state = item.request.state;
    report.failed += state == RequestState::kFailed;
    report.written += state == RequestState::kWritten;
    if (state != RequestState::kDone) continue;
    ++report.answers;
    std::string reason = item.reason;
    if (reason == "length") {
      const int64_t longer = 2 * item.request.max_tokens;
      report.longer_max_tokens = std::max(report.longer_max_tokens, longer);
      report.longer_worst += worst_of(item, longer);
    }
    if (reason.empty() && with_duplicates && settings_.samples > 1) {
      const auto stored = store_.answer_of(item.request.key, item.request.ask);
      const Outcome outcome = outcome_of(problems_[item.problem], stored->answer, settings_.rules);
      if (seen.repeats(item.request.problem_id, outcome.thought, outcome.solution))
        reason = "duplicate";
    }
    if (reason.empty())
      ++report.kept;
    else
      ++report.rejected[reason];
  }
  report.superseded = report.ledger.answers - report.answers;
  return report;
}

Json TeacherReport::json() const {
  Json json = {{"problems", problems}, {"solved", solved}, {"answers", answers}, {"kept", kept}};
  json["rejected"] = Json::object();
  for (const auto& [reason, count] : rejected) json["rejected"][reason] = count;
  json.update({{"failed", failed},
               {"unasked", unasked},
               {"written", written},
               {"superseded", superseded},
               {"attempts", ledger.attempts},
               {"unknown_attempts", ledger.unknown},
               {"prompt_tokens", ledger.prompt_tokens},
               {"cached_tokens", ledger.cached_tokens},
               {"completion_tokens", ledger.completion_tokens},
               {"reasoning_tokens", ledger.reasoning_tokens}});
  if (currency.empty()) return json;
  json["currency"] = currency;
  json["spent"] = amount_text(ledger.certain);
  json["possible"] = amount_text(ledger.possible);
  if (ledger.written > 0) json["in_batch_files"] = amount_text(ledger.written);
  if (budget) json["budget"] = amount_text(*budget);
  return json;
}

std::string TeacherReport::text() const {
  const int64_t num_rejected = answers - kept;
  std::string text = fmt::format("{} of {} problems solved; {} answers: {} kept, {} rejected",
                                 solved, problems, answers, kept, num_rejected);
  if (num_rejected > 0) text += fmt::format(" ({})", counts_text(rejected));
  if (failed > 0) text += fmt::format("; {} requests failed", failed);
  if (written > 0) text += fmt::format("; {} in batch files", written);
  if (unasked > 0) text += fmt::format("; {} to be asked next", unasked);
  return text;
}

std::string TeacherReport::money() const {
  const std::string tokens = fmt::format("{} prompt and {} completion tokens", ledger.prompt_tokens,
                                         ledger.completion_tokens);
  if (currency.empty()) return tokens + ", no price given";
  std::string text = fmt::format("{} {} spent", currency, amount_text(ledger.certain));
  if (ledger.possible > 0)
    text +=
        fmt::format(", {} more possible (attempts without a bill)", amount_text(ledger.possible));
  if (ledger.written > 0)
    text += fmt::format(", up to {} in batch files", amount_text(ledger.written));
  return text + ", " + tokens;
}

}  // namespace ponder::teach
