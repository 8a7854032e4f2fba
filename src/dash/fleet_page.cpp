// Servers that a run asked: what each does now, and what each stage asked of them.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "dash/pages.h"
#include "pipeline/progress.h"
#include "report/sections.h"
#include "report/server_requests.h"

namespace ponder::dash {
namespace {

constexpr int64_t kMostRefused = 20;

const Json* field_of(const Json& object, const char* key) {
  const auto field = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && field != object.end() ? &*field : nullptr;
}

std::string words_of(const Json& object, const char* key) {
  const Json* field = field_of(object, key);
  return field && field->is_string() ? field->get<std::string>() : "";
}

int64_t count_of(const Json& object, const char* key) {
  const Json* field = field_of(object, key);
  return field && field->is_number() ? static_cast<int64_t>(field->get<double>()) : 0;
}

const Json& servers_of(const Json& report) {
  static const Json kNone = Json::array();
  const Json* servers = field_of(report, "servers");
  return servers && servers->is_array() ? *servers : kNone;
}

std::string state_words(const std::string& state) {
  if (state == "ready") return "takes requests";
  if (state == "full") return "left alone: it said that it is full";
  if (state == "away") return "away: looked at again in a while";
  if (state == "retired") return "no longer named";
  return state;
}

Markup counts_cells(const Json& server) {
  Markup cells;
  for (const char* key : {"sent", "done", "retries", "failed", "full"})
    cells += number(count_of(server, key));
  return cells;
}

Markup now_section(const Json& now) {
  const Json* report = field_of(now, "fleet");
  if (!report || servers_of(*report).empty()) return {};
  Markup rows;
  int64_t in_flight = 0;
  for (const Json& server : servers_of(*report)) {
    const std::string state = words_of(server, "state");
    in_flight += count_of(server, "in_flight");
    rows += element("tr", element("th", {{"scope", "row"}}, text(words_of(server, "url"))) +
                              element("td", element("span",
                                                    {{"class", state == "away"    ? "state failed"
                                                               : state == "ready" ? "state running"
                                                                                  : "state"}},
                                                    text(state_words(state)))) +
                              number(count_of(server, "in_flight")) +
                              number(count_of(server, "window")) + counts_cells(server) +
                              cell(words_of(server, "last_failure")));
  }
  std::string words = fmt::format("{}: {} requests on their way", words_of(now, "stage"),
                                  report::counted(static_cast<double>(in_flight)));
  if (const int64_t total = count_of(now, "total"); total > 0) {
    words += fmt::format(", {} of {} samples there",
                         report::counted(static_cast<double>(count_of(now, "done"))),
                         report::counted(static_cast<double>(total)));
  }
  if (const int64_t rate = count_of(now, "tokens_per_second"); rate > 0)
    words += fmt::format(", {} tokens/s", report::counted(static_cast<double>(rate)));
  return report::section(
      "Now",
      element("p", text(words)) + table({"server", "state", "on their way", "at most", "sent",
                                         "answered", "again", "failed", "was full", "last failure"},
                                        rows));
}

std::string proof_words(const std::string& proof) {
  if (proof == "hash") return "said their hash";
  if (proof == "right") return "answered as they do";
  if (proof == "rounded") return "answered as they do, in fewer bits";
  if (proof == "name") return "said their name";
  return "has others";
}

// Of each server in each stage the last look, and before it those that found it wrong.
Markup weights_section(const std::vector<pool::ServerCheckRecord>& checks) {
  std::map<std::pair<std::string, std::string>, std::pair<int64_t, size_t>> of;  // looks, the last
  for (size_t i = 0; i < checks.size(); ++i) {
    auto& [looks, last] = of[{checks[i].stage, checks[i].server}];
    ++looks;
    last = i;
  }
  Markup rows;
  for (size_t i = 0; i < checks.size(); ++i) {
    const pool::ServerCheckRecord& check = checks[i];
    const auto& [looks, last] = of.at({check.stage, check.server});
    const bool wrong = check.proof == "wrong";
    if (i != last && !wrong) continue;
    rows += element(
        "tr", element("th", {{"scope", "row"}}, text(check.stage)) + cell(check.server) +
                  cell(check.checked) +
                  element("td", element("span", {{"class", wrong ? "state failed" : "state"}},
                                        text(proof_words(check.proof)))) +
                  cell(check.found) + number(check.withdrawn) + number(i == last ? looks : 0));
  }
  if (rows.empty()) return {};
  return report::section(
      "Weights",
      table({"stage", "server", "looked at", "it", "found", "thrown away", "looks"}, rows) +
          note("Each server's last look in a stage, and those that found other weights than the "
               "stage's: what it had answered since the one before was thrown away."));
}

// What a server said that is no row of this run.
Markup refused_section(const pool::Pool& pool) {
  Markup answers;
  for (const pool::AttemptRecord& attempt : pool.refused_attempts(kMostRefused)) {
    std::string said, beside = attempt.answer;
    try {
      Json answer = parse_json(attempt.answer, "answer");
      said = words_of(answer, "text");
      if (answer.is_object()) answer.erase("text");
      beside = dump_json(answer);
    } catch (const Error&) {  // shown as it is
    }
    const std::string title =
        fmt::format("{} {}, sample {}: {} at {}", attempt.stage, attempt.problem_id, attempt.sample,
                    attempt.server, short_time(attempt.ended));
    answers += element("details", element("summary", text(title + ": " + attempt.error)) +
                                      element("pre", text(said)) + note(beside));
  }
  if (answers.empty()) return {};
  return report::section(
      "Refused answers",
      note(fmt::format("The last {} that were, and what the server said. Of long ones both ends.",
                       kMostRefused)) +
          answers);
}

}  // namespace

Page fleet_page(OpenRun& run) {
  Markup content;
  if (lock_holder(run.folder() / "lock")) {
    if (const auto now = pipeline::read_progress(run.folder())) content += now_section(*now);
  }
  content += report::servers_section(report::server_requests(run.pool()));
  content += weights_section(run.pool().server_checks());
  content += refused_section(run.pool());
  content += report::teacher_section(run.teacher());
  if (content.empty()) {
    content = element("p", text("No server was asked: this run samples in its own process. "
                                "Servers are named in [fleet] of a recipe; docs/fleet.md."));
  }
  return {"Fleet", content, true};
}

}  // namespace ponder::dash
