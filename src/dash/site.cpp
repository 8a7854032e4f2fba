#include "dash/site.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/error.h"
#include "dash/assets.h"
#include "dash/pages.h"
#include "report/charts.h"
#include "report/style.h"

namespace ponder::dash {
namespace fs = std::filesystem;
namespace {

bool is_run(const fs::path& folder) { return fs::exists(folder / "run.db"); }

std::string name_of(const fs::path& folder) {
  fs::path whole = fs::absolute(folder).lexically_normal();
  if (whole.filename().empty()) whole = whole.parent_path();
  return whole.filename().string();
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t begin = path.find_first_not_of('/', at);
    if (begin == std::string::npos) break;
    at = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, at - begin));
  }
  return parts;
}

Answer failure(int status, const std::string& title, const std::string& words,
               const std::string& run) {
  return {status, "text/html; charset=utf-8",
          document({title, element("p", text(words)), false}, run, "")};
}

}  // namespace

struct Site::Impl {
  std::vector<fs::path> places;
  Runs runs;
  std::map<std::string, Event> last_events;
  std::string last_run;  // the run whose page was asked for last

  // Runs that have come since, in folders of runs.
  void find_runs() {
    for (const fs::path& place : places) {
      if (is_run(place)) {
        add(place);
        continue;
      }
      std::vector<fs::path> found;
      std::error_code gone;
      for (const fs::directory_entry& entry : fs::directory_iterator(place, gone))
        if (is_run(entry.path())) found.push_back(entry.path());
      std::sort(found.begin(), found.end());
      for (const fs::path& folder : found) add(folder);
    }
    std::erase_if(runs, [](const auto& run) { return !is_run(run->folder()); });
  }

  void add(const fs::path& folder) {
    for (const auto& run : runs) {
      std::error_code gone;
      if (fs::equivalent(run->folder(), folder, gone)) return;
    }
    std::string name = name_of(folder);
    for (int n = 2; named(name); ++n) name = fmt::format("{}-{}", name_of(folder), n);
    runs.push_back(std::make_unique<OpenRun>(name, folder));
  }

  OpenRun* named(const std::string& name) const {
    for (const auto& run : runs)
      if (run->name() == name) return run.get();
    return nullptr;
  }

  Page page_of(OpenRun& run, const std::string& page, const Parameters& asked) {
    if (page == "overview") return overview_page(run);
    if (page == "curves") return curves_page(run, asked);
    if (page == "rollouts") return rollouts_page(run, asked);
    if (page == "rollout") return rollout_page(run, asked);
    if (page == "problem") return problem_page(run, asked);
    if (page == "pool") return pool_page(run);
    if (page == "rejections") return rejections_page(run, asked);
    if (page == "selections") return selections_page(run, asked);
    if (page == "rows") return rows_page(run, asked);
    if (page == "row") return row_page(run, asked);
    if (page == "fleet") return fleet_page(run);
    if (page == "log") return log_page(run, asked);
    throw Error(ErrorKind::kNotFound, page, "no such page");
  }
};

Site::Site(const std::vector<fs::path>& places) : impl_(std::make_unique<Impl>()) {
  impl_->places = places;
  for (const fs::path& place : places) {
    if (!fs::is_directory(place))
      throw Error(ErrorKind::kUsage, place.string(),
                  "expected a run directory or a folder of runs, found none",
                  "check the path, or begin a run with ponder run");
  }
  impl_->find_runs();
}

Site::~Site() = default;

std::vector<std::string> Site::runs() const {
  std::vector<std::string> names;
  for (const auto& run : impl_->runs) names.push_back(run->name());
  return names;
}

Answer Site::get(const std::string& path,
                 const std::vector<std::pair<std::string, std::string>>& query) {
  if (path == "/dash.css")
    return {200, "text/css; charset=utf-8", std::string(report::kStyle) + kDashStyle};
  if (path == "/dash.js") return {200, "text/javascript; charset=utf-8", kScript};
  const Parameters asked(query);
  const std::vector<std::string> parts = parts_of(path);
  std::string name;
  try {
    impl_->find_runs();
    if (parts.empty()) {
      return {200, "text/html; charset=utf-8", document(runs_page(impl_->runs), "", "runs")};
    }
    if (parts.size() == 1 && parts[0] == "compare") {
      return {200, "text/html; charset=utf-8",
              document(compare_page(impl_->runs, asked), "", "compare")};
    }
    if (parts.size() < 2 || parts.size() > 3 || parts[0] != "run")
      return failure(404, "Not found", "There is no such page.", "");
    OpenRun* run = impl_->named(parts[1]);
    if (!run) return failure(404, "Not found", "There is no such run here.", "");
    name = run->name();
    run->refresh();
    const std::string page = parts.size() == 2 ? "overview" : parts[2];
    if (page == "curves.csv") {
      const std::string stage = asked.text("stage");  // part of a file's name: none but known ones
      if (!run->pool().stage(stage)) throw Error(ErrorKind::kNotFound, stage, "no such stage");
      return {200, "text/csv; charset=utf-8", report::to_csv(run->metrics(stage, true)),
              stage + ".csv"};
    }
    impl_->last_run = name;
    run->begin_page();
    const pool::Pool::ReadTransaction reading(run->pool(), std::chrono::seconds(2));
    if (page == "chart.svg") {
      return {200, "image/svg+xml", report::svg_file(chart_of(*run, asked)),
              fmt::format("{} {}.svg", name, asked.text("figure"))};
    }
    return {200, "text/html; charset=utf-8",
            document(impl_->page_of(*run, page, asked), name, page)};
  } catch (const Error& error) {
    return failure(error.kind() == ErrorKind::kNotFound ? 404 : 500,
                   error.kind() == ErrorKind::kNotFound ? "Not found" : "This page cannot be shown",
                   error.what(), name);
  } catch (const std::exception& error) {
    return failure(500, "This page cannot be shown", error.what(), name);
  }
}

bool Site::work(std::chrono::milliseconds time) {
  const auto goes_on = [&](OpenRun& run) {
    try {
      return run.work(time);
    } catch (const Error&) {  // its page says why
      return false;
    }
  };
  OpenRun* const asked = impl_->named(impl_->last_run);
  if (asked && goes_on(*asked)) return true;
  return std::any_of(impl_->runs.begin(), impl_->runs.end(),
                     [&](const auto& run) { return run.get() != asked && goes_on(*run); });
}

std::string Site::events_of(const std::string& path) const {
  const std::vector<std::string> parts = parts_of(path);
  return parts.size() == 3 && parts[0] == "run" && parts[2] == "events" && impl_->named(parts[1])
             ? parts[1]
             : "";
}

Site::Event Site::event(const std::string& name) {
  OpenRun* run = impl_->named(name);
  if (!run) return {};
  Event event;
  for (const char* file : {"run.db", "run.db-wal", "log.jsonl", "lock"}) {
    struct stat now {};
    if (::stat((run->folder() / file).c_str(), &now) == 0)
      event.state += fmt::format("{}.{} ", now.st_size, now.st_mtim.tv_sec);
  }
  event.now = doing_now(*run);
  if (!event.now.empty()) return event;
  Event& last = impl_->last_events[name];  // of a run at rest, which is not asked twice
  if (last.state != event.state) {
    last.state = event.state;
    try {
      run->refresh();
      last.now = standing_of(*run).sentence;
    } catch (const Error& error) {
      last.now = error.what();
    }
  }
  event.now = last.now;
  return event;
}

const std::vector<std::pair<std::string, std::string>>& page_fields() {
  static const std::vector<std::pair<std::string, std::string>> kFields = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src "
       "'self' "
       "data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Cache-Control", "no-store"}};
  return kFields;
}

}  // namespace ponder::dash
