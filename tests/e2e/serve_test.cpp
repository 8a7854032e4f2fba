// ponder serve as a user starts it: the line when it is ready, wrong flags, keys, a signal under load,
// and docs/serve.md.
#include <cstdlib>
#include <memory>
#include <regex>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"
#include "testing/raw_connection.h"
#include "testing/sanitizers.h"

namespace ponder::e2e {
namespace {

using namespace std::chrono_literals;
using testing::body_of_answer;
using testing::RawConnection;
using testing::status_of_answer;

// A running server; its output goes to files.
class Serving {
 public:
  explicit Serving(const fs::path& model, const std::vector<std::string>& flags = {},
                   const std::string& environment = "")
      : out_(folder_ / "out"), err_(folder_ / "err") {
    std::string line =
        environment + " exec " + program() + " serve " + model.string() + " --port 0 --json";
    for (const std::string& flag : flags) line += " " + flag;
    process_ = std::make_unique<testing::Process>(std::vector<std::string>{
        "bash", "-c", line + " >" + out_.string() + " 2>" + err_.string()});
    for (int i = 0; i < 6000 && port_ == 0; ++i) {
      std::this_thread::sleep_for(10ms);
      std::smatch match;
      const std::string text = fs::exists(out_) ? read_file(out_) : "";
      if (std::regex_search(text, match, std::regex("\"url\":\"http://[^\"]*:([0-9]+)\"")))
        port_ = static_cast<uint16_t>(std::stoi(match[1]));
    }
    EXPECT_NE(port_, 0) << err();
  }
  uint16_t port() const { return port_; }
  testing::Process& process() { return *process_; }
  Json ready() const { return parse_json(testing::lines_of(read_file(out_)).at(0), "ready line"); }
  std::string err() const { return fs::exists(err_) ? read_file(err_) : ""; }

 private:
  testing::TemporaryFolder folder_;
  fs::path out_, err_;
  std::unique_ptr<testing::Process> process_;
  uint16_t port_ = 0;
};

std::string post_of(const std::string& body, const std::string& fields = "",
                    const std::string& path = "/v1/completions") {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(Serve, MakesTheRowsThatGenerateMakes) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  write_file_atomic(folder / "problems.jsonl",
                    "{\"id\": \"a\", \"question\": \"Compute 7+8\", \"answer\": \"15\"}\n");
  const std::vector<Json> rows =
      json_lines(ponder({"generate", "--model", folder / "base", "--problems",
                         folder / "problems.jsonl", "-n", "3", "--temperature", "1", "--top-p",
                         "0.9", "--max-tokens", "30", "--seed", "9", "--quiet"})
                     .out);
  ASSERT_EQ(rows.size(), 3u);
  Serving server(folder / "base");
  EXPECT_EQ(server.ready()["model_sha256"], rows[0]["model_sha256"]);
  EXPECT_EQ(server.ready()["port"], server.port());
  RawConnection asking(server.port());
  asking.send(
      post_of(R"({"messages": [{"role": "user", "content": "Compute 7+8"}]})", "", "/tokenize"));
  const Json prompt = parse_json(body_of_answer(asking.receive_answer()), "answer").at("tokens");
  for (const Json& row : rows) {
    RawConnection client(server.port());
    client.send(post_of(
        dump_json({{"prompt", prompt},
                   {"temperature", 1},
                   {"top_p", 0.9},
                   {"max_tokens", 30},
                   {"seed", 9},
                   {"return_token_ids", true},
                   {"logprobs", 0},
                   {"ponder", {{"problem_id", row["problem_id"]}, {"sample", row["sample"]}}}})));
    const Json answer = parse_json(body_of_answer(client.receive_answer()), "answer");
    EXPECT_EQ(answer["choices"][0]["token_ids"], row["token_ids"]);
    EXPECT_TRUE(answer["system_fingerprint"].get<std::string>().ends_with(
        "-" + row["model_sha256"].get<std::string>().substr(0, 16)));
    const Json& logprobs = answer["choices"][0]["logprobs"]["token_logprobs"];
    ASSERT_EQ(logprobs.size(), row["logprobs"].size());
    for (size_t i = 0; i < logprobs.size(); ++i)
      EXPECT_EQ(static_cast<float>(logprobs[i].get<double>()),
                static_cast<float>(row["logprobs"][i].get<double>()));
  }
  server.process().signal(SIGTERM);
  EXPECT_TRUE(server.process().ended_within(10s));
  EXPECT_EQ(server.process().wait().status, 0);
}

TEST(Serve, ASignalUnderLoadEndsItWithinTheDrain) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base", 256, 4);
  Serving server(folder / "base", {"--drain", "1"});
  std::vector<std::unique_ptr<RawConnection>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawConnection>(server.port()));
    clients.back()->send(
        post_of(R"({"prompt": [5], "ignore_eos": true, "stream": true, "n": 16})"));
    clients.back()->receive_until("data: {");
  }
  const auto signalled = std::chrono::steady_clock::now();
  server.process().signal(SIGTERM);
  ASSERT_TRUE(server.process().ended_within(20s));
  EXPECT_LT(std::chrono::steady_clock::now() - signalled, 3s);  // drain + 2 s
  EXPECT_EQ(server.process().wait().status, 0);
  for (const auto& client : clients) {
    const std::string rest = client->receive_all();
    const bool whole = rest.find("data: [DONE]") != rest.npos;
    EXPECT_NE(whole, rest.find("data: {\"error\":") != rest.npos) << rest.substr(rest.size() - 300);
  }
}

TEST(Serve, AsksForTheKeyAndShowsItNowhere) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  const std::string secret = "sk-extraordinarily-secret";
  Serving server(folder / "base", {"--host", "0.0.0.0", "--api-key-env", "SERVE_KEY"},
                 "SERVE_KEY=" + secret);
  const auto status = [&](const std::string& fields) {
    RawConnection client(server.port());
    client.send(post_of(R"({"prompt": [5], "max_tokens": 2})", fields));
    return status_of_answer(client.receive_answer());
  };
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Authorization: Bearer wrong\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer " + secret + "\r\n"), 200);
  const std::string arguments =
      read_file("/proc/" + std::to_string(server.process().pid()) + "/cmdline");
  EXPECT_EQ(arguments.find(secret), arguments.npos);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait().status, 0);
  EXPECT_EQ(server.err().find(secret), std::string::npos);
}

TEST(Serve, SaysWhatIsWrongInALine) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  Serving server(folder / "base");
  const std::string model = folder / "base";
  const auto said = [&](std::initializer_list<std::string> more, int status,
                        const std::string& text) {
    std::vector<std::string> argv = {program(), "serve", model};
    argv.insert(argv.end(), more.begin(), more.end());
    const testing::Outcome outcome = testing::run(argv);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
  };
  said({"--port", std::to_string(server.port())}, 1, "another program listens there");
  said({"--host", "0.0.0.0", "--port", "0"}, 2, "without a key");
  said({"--host", "localhost.example", "--port", "0"}, 2, "expected an IP address");
  said({"--api-key-env", "NO_SUCH_VARIABLE_HERE"}, 2,
       "there is no environment variable NO_SUCH_VARIABLE_HERE");
  said({"--kv-cache-bytes", "1k", "--port", "0"}, 1, "--kv-cache-bytes");
  EXPECT_EQ(ponder({"serve", model, "--reasoning-format", "some"}).status, 2);
  EXPECT_EQ(ponder({"serve", folder / "nothing"}).status, 1);
}

// Of a process, now.
int64_t resident_kib(pid_t pid) {
  std::smatch match;
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  return std::regex_search(status, match, std::regex("VmRSS:\\s+([0-9]+)")) ? std::stoll(match[1])
                                                                            : -1;
}

int num_connections(uint16_t port) {
  RawConnection client(port);
  client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::smatch match;
  const std::string text = body_of_answer(client.receive_answer());
  return std::regex_search(text, match, std::regex("\nponder_connections ([0-9]+)"))
             ? std::stoi(match[1])
             : -1;
}

TEST(Serve, SlowConnectionsDoNotHoldAStream) {
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  Serving server(folder / "base", {"--threads", "1"});
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (int i = 0; i < 500; ++i) {
    slow.push_back(std::make_unique<RawConnection>(server.port()));
    slow.back()->send("POST /v1/completions HT");
  }
  EXPECT_EQ(num_connections(server.port()), 501);
  RawConnection streaming(server.port());
  streaming.send(post_of(R"({"prompt": [5], "ignore_eos": true, "stream": true, "n": 4})"));
  streaming.receive_until("data: {");
  for (int i = 0; i < 10; ++i) {
    for (const auto& connection : slow) connection->send("T");
    const auto began = std::chrono::steady_clock::now();
    RawConnection client(server.port());
    client.send(post_of(R"({"prompt": [5], "max_tokens": 1})"));
    EXPECT_EQ(status_of_answer(client.receive_answer()), 200);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s * testing::kSlowdown);
  }
  EXPECT_NE(streaming.receive_until("data: [DONE]", 60s).find("[DONE]"), std::string::npos);
}

TEST(Serve, ConnectionsLeaveNothingBehind) {
  if (testing::kAddressSanitizer || testing::kThreadSanitizer)
    GTEST_SKIP() << "what is freed is kept for a while";
  const testing::TemporaryFolder folder;
  make_tiny_base(folder / "base");
  Serving server(folder / "base", {"--threads", "1", "--quiet", "--kv-cache-bytes", "16MiB"});
  const std::string endless = R"({"prompt": [5], "ignore_eos": true, "stream": )";
  const auto round = [&] {
    for (int i = 0; i < 250; ++i) {
      { const RawConnection nothing(server.port()); }
      RawConnection head(server.port()), refused(server.port()), asking(server.port()),
          whole(server.port()), streaming(server.port());
      head.send("GET / HT");
      refused.send("GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
      EXPECT_EQ(status_of_answer(refused.receive_answer()), 403);
      asking.send(post_of(R"({"prompt": [5], "max_tokens": 2})"));
      EXPECT_EQ(status_of_answer(asking.receive_answer()), 200);
      whole.send(post_of(endless + "false}"));
      streaming.send(post_of(endless + "true}"));
      streaming.receive_until("data: {");
    }
    for (int i = 0; i < 1000 && num_connections(server.port()) > 1; ++i)
      std::this_thread::sleep_for(10ms);
    EXPECT_EQ(num_connections(server.port()), 1);
    return resident_kib(server.process().pid());
  };
  const int64_t first = round();
  int64_t last = 0;
  for (int i = 0; i < 4; ++i) last = round();
  RecordProperty("grown_kib", static_cast<int>(last - first));
  EXPECT_GT(first, 0);
  EXPECT_LT(last - first, 2048) << "KiB more after 6,000 connections, from " << first;
}

// Every line of docs/serve.md's sh blocks, and of --help's example, against the server that the page
// starts.
TEST(Serve, TheCommandsOfItsPageWork) {
  const testing::TemporaryFolder folder;
  fs::create_directories(folder / "models");
  make_tiny_base(folder / "models/nano-base");
  bool within = false;
  std::string script = "PATH=" + fs::path(program()).parent_path().string() + ":$PATH\n";
  int commands = 0;
  for (const std::string& line :
       testing::lines_of(read_file(testing::source_dir() / "docs/serve.md"))) {
    if (line.starts_with("```")) {
      within = !within && line == "```sh";
      continue;
    }
    if (!within) continue;
    ++commands;
    if (line.starts_with("ponder serve")) {
      script += line.substr(0, line.find_last_not_of(" &") + 1) +
                " & server=$!\n"
                "for i in $(seq 600); do curl -s -o /dev/null http://127.0.0.1:8321/health && "
                "break; sleep 0.1; done\n";
    } else {
      script += line + "\n";
    }
  }
  EXPECT_GE(commands, 4);
  const testing::Outcome help = ponder({"serve", "--help"});
  const size_t example = help.out.find("  curl ");
  ASSERT_NE(example, help.out.npos);
  script += help.out.substr(example);
  script += "\nkill -TERM $server; wait $server\n";
  const testing::Outcome outcome =
      testing::run({"bash", "-e", "-o", "pipefail", "-c", script},
                   {.folder = folder.path(), .input = "", .limit = 2min});
  EXPECT_EQ(outcome.status, 0) << script << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("\"choices\""), std::string::npos);
}

}  // namespace
}  // namespace ponder::e2e
