#include "base/monitor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <regex>
#include <string>
#include <vector>

#include "base/file.h"
#include "testing/temporary_folder.h"

namespace ponder {
namespace {

class Monitors : public ::testing::Test {
 protected:
  // What a terminal monitor writes to a file that is no terminal.
  template <class Tell>
  std::string lines(TerminalMonitor::Level level, Tell tell) {
    const auto path = folder_ / "lines";
    std::FILE* file = std::fopen(path.c_str(), "wb");
    {
      TerminalMonitor monitor(level, file);
      tell(monitor);
    }
    std::fclose(file);
    return read_file(path);
  }
  const testing::TemporaryFolder folder_;
};

void tell_all(Monitor& monitor) {
  monitor.info("begun");
  monitor.warning("a row is odd");
  monitor.record("rejected", {{"row", 3}});
  monitor.progress("step", 1, 2, "loss 2", {{"loss", 2}});
  monitor.progress("step", 2, 2, "loss 1", {{"loss", 1}});
}

TEST_F(Monitors, LinesForPeopleByLevel) {
  using Level = TerminalMonitor::Level;
  EXPECT_EQ(lines(Level::kInfo, tell_all), "begun\nwarning: a row is odd\nstep  2/2  loss 1\n");
  EXPECT_EQ(lines(Level::kWarning, tell_all), "warning: a row is odd\n");
  EXPECT_EQ(lines(Level::kQuiet, tell_all), "");
}

TEST_F(Monitors, ProgressOfAnUnknownTotalIsALineAfterAPause) {
  const std::string text = lines(TerminalMonitor::Level::kInfo, [](Monitor& monitor) {
    for (int rows = 1; rows <= 1000; ++rows) monitor.progress("rows", rows, 0);
    monitor.progress("files", 1, 1);
  });
  EXPECT_EQ(text, "files  1/1  \n");
}

// On a terminal progress is one line, rewritten; what is said meanwhile takes its place.
TEST_F(Monitors, ATerminalsLineIsRewritten) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0)
    GTEST_SKIP() << "no pseudo-terminals here";
  std::FILE* terminal = std::fopen(::ptsname(master), "wb");
  ASSERT_TRUE(terminal);
  {
    const winsize narrow = {.ws_row = 24, .ws_col = 20, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(master, TIOCSWINSZ, &narrow), 0);
    TerminalMonitor monitor(TerminalMonitor::Level::kInfo, terminal);
    monitor.progress("step", 1, 9, "loss 2");
    monitor.progress("step", 2, 9, "too soon after the first");
    monitor.info("resumed");
    monitor.progress("step", 9, 9, "loss 1");
    monitor.progress("rows", 5, 0, "ä ends at the nineteenth");
  }
  std::fclose(terminal);  // what was written can still be read, then there is an end
  std::string text;
  char byte = 0;
  while (::read(master, &byte, 1) == 1) text += byte;
  ::close(master);
  std::erase(text, '\r');
  EXPECT_EQ(text,
            "\x1b[Kstep  1/9  loss 2\x1b[Kresumed\n\x1b[Kstep  9/9  loss 1\n\x1b[Krows  5  ä ends "
            "at \n");
}

TEST_F(Monitors, JsonLinesHoldEverythingButProgress) {
  const auto path = folder_ / "log.jsonl";
  {
    JsonLinesMonitor monitor(path);
    tell_all(monitor);
  }
  { JsonLinesMonitor(path).info("again"); }
  std::vector<Json> rows;
  JsonRowReader reader(path);
  JsonRow row;
  while (reader.next(row)) rows.push_back(row.value);
  ASSERT_EQ(rows.size(), 4u);
  std::string before;
  for (Json& one : rows) {
    const std::string time = one.at("time");
    EXPECT_TRUE(std::regex_match(
        time, std::regex("20\\d\\d-[01]\\d-[0-3]\\dT[0-2]\\d:[0-5]\\d:[0-6]\\d\\.\\d{3}Z")))
        << time;
    EXPECT_LE(before, time);
    before = time;
    one.erase("time");
  }
  EXPECT_EQ(rows[0], (Json{{"event", "info"}, {"text", "begun"}}));
  EXPECT_EQ(rows[1], (Json{{"event", "warning"}, {"text", "a row is odd"}}));
  EXPECT_EQ(rows[2].at("event"), "rejected");
  EXPECT_EQ(rows[2].at("row"), 3);
  EXPECT_GE(rows[2].at("seconds").get<double>(), 0);
  EXPECT_EQ(rows[3].at("text"), "again");
}

TEST_F(Monitors, JsonForProgramsHasTheStageAndTheTimeLeft) {
  const auto path = folder_ / "lines";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  {
    JsonProgressMonitor monitor(TerminalMonitor::Level::kInfo, file);
    monitor.info("before any stage");
    monitor.record("begin", {{"stage", "imitate"}});
    tell_all(monitor);
  }
  std::fclose(file);
  std::vector<Json> rows;
  JsonRowReader reader(path);
  JsonRow row;
  while (reader.next(row)) rows.push_back(row.value);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_TRUE(rows[0].at("stage").is_null());
  EXPECT_EQ(rows[1].at("message"), "begun");
  EXPECT_EQ(rows[1].at("stage"), "imitate");
  EXPECT_EQ(rows[2].at("level"), "warning");
  EXPECT_EQ(rows[3].at("task"), "step");
  EXPECT_EQ(rows[3].at("step"), 1);
  EXPECT_EQ(rows[3].at("steps"), 2);
  EXPECT_EQ(rows[3].at("loss"), 2);
  EXPECT_TRUE(rows[3].at("seconds_left").is_null());
  EXPECT_EQ(rows[4].at("seconds_left"), 0);
  EXPECT_TRUE(rows[4].contains("time"));
}

TEST_F(Monitors, AListPassesEveryEventToAll) {
  class Kinds : public Monitor {
   public:
    void take(const MonitorEvent& event) override {
      seen += std::to_string(static_cast<int>(event.kind)) + std::to_string(event.done) + " ";
    }
    std::string seen;
  };
  Kinds first, second;
  MonitorList both({&first, &second});
  tell_all(both);
  EXPECT_EQ(first.seen, "00 10 20 31 32 ");
  EXPECT_EQ(second.seen, first.seen);
}

}  // namespace
}  // namespace ponder
