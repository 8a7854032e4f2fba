#include "report/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "report/charts.h"
#include "report/loop_table.h"
#include "report/markup.h"
#include "report/report_fixture.h"

namespace ponder {
namespace {

namespace fs = std::filesystem;

class ReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("ponder_report_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  Pool open(const std::string& name = "run.db") { return Pool::open(folder_ / name); }

  fs::path folder_;
};

bool has(const std::string& all, const std::string& part) {
  return all.find(part) != std::string::npos;
}

size_t times(const std::string& all, const std::string& part) {
  size_t count = 0;
  for (size_t at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++count;
  return count;
}

// "" for well-formed HTML of the kind report_html makes, else what is wrong: tags balance, every <
// begins a tag, every & an entity, nothing is fetched or run.
std::string fault(const std::string& html) {
  std::vector<std::string> open;
  const std::string doctype = "<!DOCTYPE html>\n";
  if (!html.starts_with(doctype)) return "no doctype";
  for (size_t i = doctype.size(); i < html.size(); ++i) {
    if (html[i] == '&') {
      const size_t end = html.find(';', i);
      if (end == std::string::npos || end - i > 8) return "a bare & at " + html.substr(i, 40);
    }
    if (html[i] == '>') return "a bare > at " + html.substr(i, 40);
    if (html[i] != '<') continue;
    const size_t end = html.find('>', i);
    if (end == std::string::npos) return "an unclosed tag at " + html.substr(i, 40);
    const std::string tag = html.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find(' '));
    if (times(tag, "\"") % 2 != 0 || has(tag, "<")) return "broken attributes: " + tag;
    if (name == "script" || name == "link" || name == "iframe" || name == "img") return name;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "unexpected </" + tag.substr(1);
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
    i = end;
    if (name == "style") i = html.find("</style>", i) - 1;
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

TEST_F(ReportTest, ShowsTheLoop) {
  Pool pool = open();
  fill_run(pool);
  const std::string html = report_html(pool, "a run");
  EXPECT_EQ(fault(html), "");
  for (const char* part : {"imitation, 1100 demonstrations", "imitation + 700 explored, round 1",
                           "SFT &amp; DPO, 300 pairs", "Can the models be told apart?",
                           "aria-label=\"accuracy on hard\"", "optimiser step", "improve-1 → M2",
                           "explore-1", "Rollouts to read"}) {
    EXPECT_TRUE(has(html, part)) << part;
  }
  EXPECT_EQ(times(html, "<article>"), 10u);
  EXPECT_EQ(times(html, "<polyline"),
            5u + 3u);  // a loss curve per training stage, a benchmark each
}

}  // namespace
}  // namespace ponder
