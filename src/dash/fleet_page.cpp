// Servers that a run asked: what each does now, and what each stage asked of them.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "dash/pages.h"
#include "pipeline/progress.h"
#include "report/sections.h"

namespace ponder::dash {
namespace {

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

Markup stages_section(const std::vector<FleetRecord>& records) {
  struct Sum {
    std::string stage, url, kind;
    Json counts = Json::object();
  };
  std::vector<Sum> sums;
  for (const FleetRecord& record : records) {
    for (const Json& server : servers_of(record.report)) {
      const std::string url = words_of(server, "url");
      auto sum = std::find_if(sums.begin(), sums.end(), [&](const Sum& other) {
        return other.stage == record.stage && other.url == url;
      });
      if (sum == sums.end()) {
        sums.push_back({record.stage, url, words_of(record.report, "kind")});
        sum = sums.end() - 1;
      }
      for (const char* key : {"sent", "done", "retries", "failed", "full"})
        sum->counts[key] = count_of(sum->counts, key) + count_of(server, key);
    }
  }
  Markup rows;
  for (const Sum& sum : sums) {
    rows += element("tr", element("th", {{"scope", "row"}}, text(sum.stage)) + cell(sum.url) +
                              word_cell(sum.kind) + counts_cells(sum.counts));
  }
  if (rows.empty()) return {};
  return report::section(
      "Stages",
      table({"stage", "server", "kind", "sent", "answered", "again", "failed", "was full"}, rows) +
          note("Requests, over all processes that worked at a stage and could say so at their end: "
               "what a killed one asked is not among them."));
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

}  // namespace

void FleetLog::take(const std::string& line) {
  const bool begins = line.find(R"("event":"begin")") != std::string::npos;
  if (!begins && line.find(R"("event":"fleet")") == std::string::npos) return;
  Json event;
  try {
    event = parse_json(line, "log.jsonl");
  } catch (const Error&) {
    return;
  }
  const std::string kind = words_of(event, "event"), stage = words_of(event, "stage");
  if (kind == "begin") begun_ = true;
  if (kind != "fleet") return;
  if (!begun_ && !records_.empty() && records_.back().stage == stage)
    records_.back().report = std::move(event);
  else
    records_.push_back({stage, std::move(event)});
  begun_ = false;
}

void FleetLog::read(const std::filesystem::path& log) {
  struct stat now {};
  if (::stat(log.c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return;
  const auto size = static_cast<uint64_t>(now.st_size);
  if (now.st_dev != device_ || now.st_ino != inode_ || size < read_bytes_) *this = {};
  device_ = now.st_dev;
  inode_ = now.st_ino;
  if (size == read_bytes_) return;
  std::ifstream file(log, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(read_bytes_));
  for (std::string line; std::getline(file, line) && !file.eof();) {  // whole lines alone
    read_bytes_ += line.size() + 1;
    take(line);
  }
}

Page fleet_page(OpenRun& run) {
  Markup content;
  if (lock_holder(run.folder() / "lock")) {
    if (const auto now = pipeline::read_progress(run.folder())) content += now_section(*now);
  }
  content += stages_section(run.fleet_records());
  content += weights_section(run.pool().server_checks());
  content += report::teacher_section(run.teacher());
  if (content.empty()) {
    content = element("p", text("No server was asked: this run samples in its own process. "
                                "Servers are named in [fleet] of a recipe; docs/fleet.md."));
  }
  return {"Fleet", content, true};
}

}  // namespace ponder::dash
