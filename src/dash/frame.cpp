#include "dash/frame.h"

#include <fmt/format.h>

#include "report/sections.h"

namespace ponder::dash {
namespace {

struct Tab {
  const char *place, *title;
};
constexpr Tab kTabs[] = {{"overview", "Overview"}, {"curves", "Curves"}, {"rollouts", "Rollouts"},
                         {"pool", "Pool"},         {"fleet", "Fleet"},   {"log", "Log"}};

Markup tab(const std::string& to, const std::string& title, bool here) {
  return here ? element("a", {{"href", to}, {"aria-current", "page"}}, text(title))
              : link(to, title);
}

}  // namespace

Markup link(const std::string& to, const std::string& words) {
  return element("a", {{"href", to}}, text(words));
}

Markup note(std::string_view words) { return element("p", {{"class", "note"}}, text(words)); }

Markup cell(const Markup& content) { return element("td", content); }
Markup cell(const std::string& words) { return element("td", text(words)); }

Markup word_cell(const std::string& words) {
  return element("td", {{"class", "name"}}, text(words));
}

std::string short_time(const std::string& utc) {
  std::string out = utc.substr(0, 19);
  if (out.size() == 19 && out[10] == 'T') out[10] = ' ';
  return out;
}

Markup number(int64_t value) {
  return element("td", {{"class", "number"}}, text(report::counted(static_cast<double>(value))));
}

Markup linked_number(int64_t value, const std::string& to) {
  if (value == 0) return number(value);
  return element("td", {{"class", "number"}},
                 link(to, report::counted(static_cast<double>(value))));
}

Markup table(std::initializer_list<std::string_view> titles, const Markup& rows) {
  return report::wide_table(report::header_row(titles), rows);
}

Markup pager(const Place& place) {
  const auto count = [](size_t n) { return report::counted(static_cast<double>(n)); };
  Markup content =
      element("span", text(place.of == 0 ? "none"
                                         : fmt::format("{} to {} of {}", count(place.begin + 1),
                                                       count(place.end), count(place.of))));
  if (!place.before.empty())
    content += element("a", {{"href", place.before}, {"rel", "prev"}}, text("← before"));
  if (!place.behind.empty())
    content += element("a", {{"href", place.behind}, {"rel", "next"}}, text("next →"));
  return element("nav", {{"class", "pager"}, {"aria-label", "pages"}}, content);
}

std::string share_text(int64_t part, int64_t whole) {
  return whole == 0 ? "–"
                    : fmt::format("{:.1f} %",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string document(const Page& page, const std::string& run, std::string_view here) {
  Markup tabs = tab("/", "Runs", here == "runs");
  if (!run.empty()) {
    tabs += element("span", {{"class", "run"}}, text(run));
    for (const Tab& each : kTabs)
      tabs += tab(address({"run", run, each.place}), each.title, here == each.place);
  }
  tabs += tab(run.empty() ? "/compare" : address({"compare"}, Parameters({{"run", run}})),
              "Compare", here == "compare");
  Markup head =
      empty_element("meta", {{"charset", "utf-8"}}) +
      empty_element("meta",
                    {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
      element("title", text(page.title + (run.empty() ? "" : " · " + run) + " · ponder")) +
      empty_element("link", {{"rel", "icon"}, {"href", "data:,"}}) +
      empty_element("link", {{"rel", "stylesheet"}, {"href", "/dash.css"}}) +
      element("script", {{"type", "module"}, {"src", "/dash.js"}}, {});
  if (page.unfinished) {  // where no script asks again
    head +=
        element("noscript", empty_element("meta", {{"http-equiv", "refresh"}, {"content", "1"}}));
  }
  const Markup body =
      element("a", {{"class", "skip"}, {"href", "#main"}}, text("to the content")) +
      element("nav", {{"class", "tabs"}, {"aria-label", "run"}}, tabs) +
      element("p", {{"id", "now"}, {"class", "now"}, {"role", "status"}}, {}) +
      element("main",
              {{"id", "main"},
               {"tabindex", "-1"},
               {"data-events", page.live && !run.empty() ? address({"run", run, "events"}) : ""},
               {"data-unfinished", page.unfinished ? "yes" : ""}},
              element("h1", text(page.title)) + page.content);
  return "<!DOCTYPE html>\n" +
         element("html", {{"lang", "en"}}, element("head", head) + element("body", body)).html +
         "\n";
}

}  // namespace ponder::dash
