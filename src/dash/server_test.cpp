#include "dash/server.h"

#include <fstream>

#include "report/run_fixture.h"
#include "testing/raw_connection.h"

namespace ponder::dash {
namespace {

class ServerTest : public report::ReportTest {
 protected:
  ServerTest() {
    std::filesystem::create_directories(run_);
    pool::Pool pool = pool::Pool::open(run_ / "run.db");
    report::fill_run(pool);
    ServerOptions options;
    options.key = "a key / of 20 signs;";
    server_.emplace(std::vector<std::filesystem::path>{run_}, options);
    const std::string url = server_->url();
    const size_t colon = url.find(':', 6);
    port_ = static_cast<uint16_t>(std::stoi(url.substr(colon + 1)));
  }

  std::string asked(const std::string& target, const std::string& fields = "",
                    const std::string& method = "GET") {
    testing::RawConnection connection(port_);
    connection.send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    return connection.receive_answer();
  }

  const std::string key_ = "X-Api-Key: a key / of 20 signs;\r\n";
  const std::filesystem::path run_ = folder_ / "run";
  std::optional<Server> server_;
  uint16_t port_ = 0;
};

TEST_F(ServerTest, AsksForItsKeyAndKeepsItAsACookie) {
  EXPECT_EQ(testing::status_of_answer(asked("/")), 401);
  EXPECT_EQ(testing::status_of_answer(asked("/?key=another")), 401);
  EXPECT_EQ(testing::status_of_answer(asked("/dash.js")), 401);
  const std::string url = server_->url();
  const std::string answer = asked(url.substr(url.find('/', 8)) + "&a=b%20c");
  EXPECT_EQ(testing::status_of_answer(answer), 303);
  EXPECT_TRUE(has(answer, "Location: /?a=b%20c\r\n")) << answer;
  EXPECT_TRUE(has(answer, "HttpOnly; SameSite=Lax")) << answer;
  const size_t begin = answer.find("Set-Cookie: ") + 12;
  const std::string cookie = answer.substr(begin, answer.find(';', begin) - begin);
  EXPECT_EQ(testing::status_of_answer(asked("/", "Cookie: other=1; " + cookie + "\r\n")), 200);
  EXPECT_EQ(testing::status_of_answer(asked("/", "Cookie: " + cookie + "x\r\n")), 401);
  EXPECT_EQ(testing::status_of_answer(asked("/", key_)), 200);
}

TEST_F(ServerTest, NeverLeadsToAnotherHost) {
  const std::string url = server_->url();
  const std::string key = url.substr(url.find("?key="));
  EXPECT_TRUE(has(asked("/run/run/log" + key), "Location: /run/run/log\r\n"));
  EXPECT_TRUE(has(asked("//evil.example/" + key), "Location: /\r\n"));
  EXPECT_TRUE(has(asked("/%2Fevil.example/" + key), "Location: /\r\n"));
  EXPECT_EQ(testing::status_of_answer(asked("/", key_ + "Origin: http://evil.example\r\n")), 403);
}

TEST_F(ServerTest, AnswersGetAloneWithItsPolicy) {
  EXPECT_EQ(testing::status_of_answer(asked("/", key_ + "Content-Length: 0\r\n", "POST")), 405);
  EXPECT_EQ(testing::status_of_answer(asked("/run/run/nowhere", key_)), 404);
  for (const char* path : {"/run/run/overview", "/dash.js", "/dash.css", "/run/run/nowhere"}) {
    const std::string answer = asked(path, key_);
    EXPECT_TRUE(has(answer, "Content-Security-Policy: default-src 'none'")) << answer;
    EXPECT_TRUE(has(answer, "X-Content-Type-Options: nosniff")) << answer;
  }
}

// A page that leaves its snapshot open would keep the writer from ever moving its log into the file. Pages are asked for between
// two writes, not beside them: how much is written while one page is read depends on the machine.
TEST_F(ServerTest, LeavesNoSnapshotOpen) {
  const char* kPages[] = {"rollouts", "rollouts?text=xxy", "pool", "curves", "overview"};
  uintmax_t longest = 0;
  pool::Pool pool = pool::Pool::open(run_ / "run.db");
  data::Rollout rollout;
  pool.for_each_rollout({.stage = "explore-1"},
                        [&](const pool::StoredRollout& s) { rollout = s.rollout; });
  report::begin(pool, pool::stage_kind::kExplore, "explore-3", 3);
  for (rollout.sample = 0; rollout.sample < 60; ++rollout.sample) {
    rollout.completion.text = std::string(1 << 20, 'x');
    pool.add_rollout("explore-3", 3, rollout);
    longest = std::max(longest, std::filesystem::file_size(run_ / "run.db-wal"));
    const char* page = kPages[rollout.sample % 5];
    EXPECT_EQ(testing::status_of_answer(asked(std::string("/run/run/") + page, key_)), 200) << page;
  }
  EXPECT_LT(longest, uintmax_t{20} << 20);  // a checkpoint is due at 16; 60 were written
}

TEST_F(ServerTest, FollowsARun) {
  testing::RawConnection connection(port_);
  connection.send("GET /run/run/events HTTP/1.1\r\nHost: localhost\r\n" + key_ + "\r\n");
  EXPECT_TRUE(has(connection.receive_until("data: done"), "text/event-stream"));
  std::ofstream(run_ / "log.jsonl") << "{\"event\":\"info\"}\n";
  EXPECT_TRUE(has(connection.receive_until("data: done"), "id: "));
}

}  // namespace
}  // namespace ponder::dash
