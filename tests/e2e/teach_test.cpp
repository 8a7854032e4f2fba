// ponder teach, with ponder serve as the teacher, and with an endpoint that has prices, refusals and a key.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "base/file.h"
#include "e2e/ponder.h"
#include "e2e/running_server.h"
#include "teach/batch_service_fixture.h"
#include "teach/endpoint_fixture.h"

namespace ponder::e2e {
namespace {

using std::chrono::milliseconds;

std::string plus_one(int count) {
  std::string rows;
  for (int i = 0; i < count; ++i)
    rows += fmt::format("{{\"id\":\"p{}\",\"problem\":\"What is {} + 1?\",\"answer\":\"{}\"}}\n", i,
                        i, i + 1);
  return rows;
}

class Teach : public ::testing::Test {
 protected:
  Teach() { write_file_atomic(problems_, plus_one(12)); }

  std::vector<std::string> arguments(const std::string& url,
                                     std::initializer_list<std::string> more = {}) const {
    std::vector<std::string> all =
        command({"teach", "--server", url, "--served-model", "teacher", "--problems", problems_,
                 "--out", out_, "--json", "--quiet"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<Json> kept() const {
    return json_lines(read_file(fs::path(out_) / "demonstrations.jsonl"));
  }

  const testing::TemporaryFolder folder_;
  const std::string problems_ = folder_ / "problems.jsonl", out_ = folder_ / "taught";
};

// The examples of --help, each of them over as many lines as it takes.
std::vector<std::string> examples_of_help() {
  std::vector<std::string> examples;
  std::string open;
  for (const std::string& line : testing::lines_of(ponder({"teach", "--help"}).out)) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos || (open.empty() && line.find("ponder teach -") != begin))
      continue;
    open += line.substr(begin);
    if (open.ends_with('\\')) {
      open.pop_back();
    } else {
      examples.push_back(std::exchange(open, ""));
    }
  }
  return examples;
}

TEST_F(Teach, TheExamplesOfHelpAskARealServer) {
  Server server(testing::source_dir() / "models/nano-base", folder_ / "serve.log", "0",
                "--alias nano");
  write_file_atomic(problems_, plus_one(3));
  const std::vector<std::string> examples = examples_of_help();
  ASSERT_EQ(examples.size(), 4u);
  const std::string address = "http://127.0.0.1:8321";
  for (std::string line : examples) {
    if (const size_t at = line.find(address); at != std::string::npos)
      line.replace(at, address.size(), server.url());
    line.replace(0, std::string("ponder").size(), program());
    const testing::Outcome outcome =
        testing::run({"bash", "-c", line + " --json"},
                     {.folder = folder_.path(), .input = "", .limit = testing::kLimit});
    ASSERT_EQ(outcome.status, 0) << line << "\n" << outcome.err;
    const Json result = json_lines(outcome.out).at(0);
    int64_t rejected = 0;
    for (const auto& [reason, count] : result["rejected"].items()) rejected += count.get<int64_t>();
    EXPECT_EQ(result["answers"].get<int64_t>(), result["kept"].get<int64_t>() + rejected) << line;
    if (line.find("--server") != std::string::npos) {
      EXPECT_GE(result["answers"], 3) << line;
      EXPECT_GT(result["completion_tokens"], 0) << line;
    }
  }
  EXPECT_TRUE(fs::exists(folder_ / "taught/demonstrations.jsonl"));
  EXPECT_TRUE(fs::exists(folder_ / "priced.rejected.jsonl"));
  EXPECT_TRUE(fs::exists(folder_ / "priced.teacher.db"));
  EXPECT_TRUE(fs::exists(folder_ / "probed/teacher.db"));
  EXPECT_EQ(testing::lines_of(read_file(folder_ / "batch.jsonl")).size(), 3u);
}

// A small model that has learned to think about a few problems teaches another one, by its served answers
// alone.
class TaughtByAModel : public Teach {
 protected:
  TaughtByAModel() {
    make_tiny_base(base_);
    const testing::Outcome run =
        ponder({"run", testing::source_dir() / "recipes/tiny.toml", "--out", folder_ / "teacher",
                "--set", "base=" + base_.string(), "--until", "imitate", "--quiet"});
    EXPECT_EQ(run.status, 0) << run.err;
    server_ = std::make_unique<Server>(folder_ / "teacher/checkpoints/M1", folder_ / "serve.log",
                                       "0", "--alias teacher");
  }
  const fs::path base_ = folder_ / "base";
  std::unique_ptr<Server> server_;
};

TEST_F(TaughtByAModel, DistillationNeedsNobodyElse) {
  ASSERT_EQ(ponder({"synth", "--domain", "choice", "--level", "1", "--count", "32", "--out",
                    problems_, "--quiet"})
                .status,
            0);
  // A name that nobody has leaves a folder in which nothing was asked, and which the right one may use.
  const testing::Outcome misnamed =
      testing::run(command({"teach", "--server", server_->url(), "--served-model", "teachr",
                            "--problems", problems_, "--out", out_, "--quiet"}));
  EXPECT_EQ(misnamed.status, 1);
  EXPECT_NE(misnamed.err.find("has no model \"teachr\"; it has "), std::string::npos)
      << misnamed.err;
  const testing::Outcome taught =
      testing::run(arguments(server_->url(), {"--samples", "4", "--max-tokens", "128",
                                              "--temperature", "0.3", "--send-seed"}));
  ASSERT_EQ(taught.status, 0) << taught.err;
  const Json result = json_lines(taught.out).at(0);
  EXPECT_GE(result["kept"], 8) << taught.out;
  EXPECT_EQ(result["kept"], kept().size());
  EXPECT_FALSE(kept()[0]["thought"].get<std::string>().empty());
  const testing::Outcome check =
      ponder({"data", "check", fs::path(out_) / "demonstrations.jsonl", "--json"});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_EQ(json_lines(check.out).at(0)["kept"], result["kept"]) << check.out;
  const testing::Outcome trained =
      ponder({"sft", "--model", base_, "--data", fs::path(out_) / "demonstrations.jsonl", "--out",
              folder_ / "student", "--epochs", "2", "--quiet"});
  EXPECT_EQ(trained.status, 0) << trained.err;
  // The same command has nothing to ask, and nobody to ask.
  server_->kill();
  const std::string rows = read_file(fs::path(out_) / "demonstrations.jsonl");
  const testing::Outcome again =
      testing::run(arguments(server_->url(), {"--samples", "4", "--max-tokens", "128",
                                              "--temperature", "0.3", "--send-seed"}));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_file(fs::path(out_) / "demonstrations.jsonl"), rows);
}

TEST_F(TaughtByAModel, ARecipesTeacherIsAskedBeforeAnythingElse) {
  const std::string recipe = folder_ / "taught.toml";
  std::string text = read_file(testing::source_dir() / "recipes/tiny.toml");
  const std::string old = "demonstrations = [{ synth = \"choice\", levels = 1, count = 32 }]";
  ASSERT_NE(text.find(old), std::string::npos);
  text.replace(text.find(old), old.size(),
               "demonstrations = [{ teacher = true }, { synth = \"choice\", levels = 1, count = 4, "
               "seed = 5 }]");
  text += fmt::format(R"(
[teacher]
url = "{}/v1"
model = "teacher"
out = "answers"
problems = [{{ synth = "choice", levels = 1, count = 12 }}]
samples = 4
max_tokens = 128
temperature = 0.3
send_seed = true
price = {{ input = "0.55", output = "2.19" }}
budget = "1.00"
)",
                      server_->url());
  write_file_atomic(recipe, text);
  const auto run = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> argv =
        command({"run", recipe, "--out", folder_ / "run", "--set", "base=" + base_.string(),
                 "--set", "sft.epochs=2", "--until", "imitate", "--json", "--quiet"});
    argv.insert(argv.end(), more.begin(), more.end());
    return testing::run(argv);
  };
  const testing::Outcome planned = ponder({"plan", recipe, "--set", "base=" + base_.string()});
  EXPECT_EQ(planned.status, 1);
  EXPECT_NE(planned.err.find(" requests of at most USD"), std::string::npos) << planned.err;
  const testing::Outcome first = run({});
  ASSERT_EQ(first.status, 0) << first.err;
  const Json line = json_lines(first.out).at(0);
  EXPECT_EQ(line["stage"], "teach");
  EXPECT_GT(line["kept"], 0) << first.out;
  EXPECT_EQ(line["currency"], "USD");
  EXPECT_TRUE(fs::exists(folder_ / "answers/teacher.db"));
  EXPECT_TRUE(fs::exists(folder_ / "run/checkpoints/M1"));
  // It stands before the run's own stages, wherever those are shown.
  const Json standing =
      json_lines(ponder({"status", folder_ / "run", "--json"}).out).at(0)["stages"][0];
  EXPECT_EQ(standing["name"], "teach");
  EXPECT_EQ(standing["state"], "done");
  EXPECT_EQ(standing["rows"], line["kept"]);
  EXPECT_EQ(standing["result"]["spent"], line["spent"]);
  const testing::Outcome status = ponder({"status", folder_ / "run"});
  const std::string spent = fmt::format("USD {} of 1.00 spent", line["spent"].get<std::string>());
  EXPECT_LT(status.out.find("\nteach "), status.out.find("\ningest ")) << status.out;
  EXPECT_NE(status.out.find(spent), std::string::npos) << status.out;
  EXPECT_NE(read_file(folder_ / "run/report.html").find(spent), std::string::npos);
  // A changed teacher is another recipe: it is refused before anything is asked.
  const testing::Outcome changed = run({"--set", "teacher.model=other"});
  EXPECT_EQ(changed.status, 1);
  EXPECT_NE(changed.err.find("teacher.model: "), std::string::npos) << changed.err;
  // Where and for how much it is asked is none. Another run reads the same answers.
  EXPECT_EQ(run({"--set", "teacher.budget=\"2.00\""}).status, 0);
  const testing::Outcome other =
      ponder({"run", recipe, "--out", folder_ / "other", "--set", "base=" + base_.string(), "--set",
              "sft.epochs=1", "--until", "ingest", "--json", "--quiet"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(json_lines(other.out).at(0)["attempts"], line["attempts"]);
  // Without its database a run says how it stood.
  fs::rename(folder_ / "answers", folder_ / "elsewhere");
  EXPECT_NE(ponder({"status", folder_ / "run"}).out.find(" of 2.00 spent"), std::string::npos);
}

TEST_F(Teach, AKillCostsWhatWasOnItsWay) {
  std::atomic<bool> stuck = true;
  std::atomic<int> answered = 0;
  teach::Endpoint endpoint([&](int number, int, const Json&) {
    teach::Reply reply = teach::right_reply(number);
    reply.silent = stuck && answered++ >= 5;
    return reply;
  });
  const std::initializer_list<std::string> money = {"--max-inflight", "2",  "--price-input", "1",
                                                    "--price-output", "10", "--max-tokens",  "100"};
  {
    testing::Process killed(arguments(endpoint.url(), money));
    for (int i = 0; i < 200 && endpoint.num_asked() < 7; ++i)
      EXPECT_FALSE(killed.ended_within(milliseconds(50)));
    std::this_thread::sleep_for(milliseconds(300));
    killed.signal(SIGKILL);
    killed.wait();
  }
  EXPECT_EQ(endpoint.num_asked(), 7);
  stuck = false;
  const testing::Outcome outcome = testing::run(arguments(endpoint.url(), money));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json result = json_lines(outcome.out).at(0);
  EXPECT_EQ(result["kept"], 12);
  EXPECT_EQ(result["unknown_attempts"], 2);
  EXPECT_EQ(result["attempts"], 14);
  EXPECT_EQ(endpoint.num_asked(), 14);  // nothing twice but the two
  EXPECT_EQ(result["spent"], "0.000948");
  EXPECT_NE(result["possible"], "0.00");
  EXPECT_EQ(kept().size(), 12u);
  EXPECT_FALSE(fs::exists(fs::path(out_) / "teacher.db.space"));
}

// A kill -9 behind every step of a batch: the service has done what it was asked, and nobody here knows.
TEST_F(Teach, AKillDoublesNoBatchAndLosesNone) {
  for (const char* step : {"upload", "order", "look", "content"}) {
    SCOPED_TRACE(step);
    const std::string out = folder_ / (std::string("by-") + step);
    teach::ServiceDouble service(
        [](int number, const Json&) { return teach::right_reply(number); });
    std::atomic<bool> reached = false, killed = false;
    service.on_call = [&](const std::string& call) {
      if (call != step || reached.exchange(true)) return;
      while (!killed) std::this_thread::sleep_for(milliseconds(5));
    };
    const auto argv = [&](const char* action) {
      return command({"teach", "--server", service.url(), "--served-model", "teacher", "--problems",
                      problems_, "--out", out, "--batch", action, "--json", "--quiet"});
    };
    for (int i = 0; i < 2 && !reached; ++i) {  // sent, then fetched
      testing::Process process(argv("submit"));
      while (!reached && !process.ended_within(milliseconds(20))) {
      }
      if (!reached) {
        EXPECT_EQ(process.wait().status, 0);
        continue;
      }
      process.signal(SIGKILL);
      process.wait();
    }
    EXPECT_TRUE(reached);
    killed = true;
    Json result;
    for (int i = 0; i < 2; ++i) {
      const testing::Outcome outcome = testing::run(argv("submit"));
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      result = json_lines(outcome.out).at(0);
    }
    EXPECT_EQ(result["kept"], 12);
    EXPECT_EQ(result["batches"].size(), 0u) << result;
    EXPECT_EQ(service.num_batches(), 1u);
    EXPECT_EQ(service.num_files(), 2u);
    EXPECT_EQ(service.ordered().size(), 12u);
    EXPECT_EQ(json_lines(read_file(fs::path(out) / "demonstrations.jsonl")).size(), 12u);
  }
}

TEST_F(Teach, ABatchShowsItselfAndItsKeyStandsNowhere) {
  teach::ServiceDouble service([](int number, const Json&) { return teach::right_reply(number); });
  service.looks_until_done = 2;
  ::setenv("PONDER_TEST_KEY", "very-secret-key", 1);
  const auto batch = [&](const char* action, bool json) {
    std::vector<std::string> argv =
        command({"teach", "--server", service.url(), "--served-model", "teacher", "--problems",
                 problems_, "--out", out_, "--batch", action, "--api-key-env", "PONDER_TEST_KEY"});
    if (json) argv.insert(argv.end(), {"--json", "--quiet"});
    return testing::run(argv);
  };
  const testing::Outcome sent = batch("submit", false);
  EXPECT_EQ(sent.status, 0) << sent.err;
  EXPECT_NE(sent.out.find("batch_1: sent, 0 of 12 answered\n"), std::string::npos) << sent.out;
  EXPECT_NE(sent.out.find("; 12 in batch files"), std::string::npos) << sent.out;
  const testing::Outcome looked = batch("fetch", true);
  EXPECT_EQ(json_lines(looked.out).at(0)["batches"][0]["status"], "in_progress") << looked.out;
  const testing::Outcome fetched = batch("fetch", false);
  EXPECT_NE(fetched.out.find("fetched: 12 lines: 12 answers\n"), std::string::npos) << fetched.out;
  EXPECT_EQ(kept().size(), 12u);
  ::unsetenv("PONDER_TEST_KEY");
  const std::vector<std::string> keys = service.keys();
  EXPECT_EQ(keys.size(), service.calls().size());
  EXPECT_EQ(keys.at(0), "Bearer very-secret-key");
  for (const auto& entry : fs::recursive_directory_iterator(out_)) {
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path()).find("very-secret-key"), std::string::npos) << entry;
    }
  }
}

TEST_F(Teach, RejectedAnswersCanBeLookedAtAndAreNotTrainedOn) {
  teach::Endpoint endpoint([](int number, int, const Json&) {
    teach::Reply reply = teach::right_reply(number + (number == 3 ? 5 : 0));
    if (number == 5) reply.finish = "length";
    return reply;
  });
  ASSERT_EQ(testing::run(arguments(endpoint.url())).status, 0);
  const std::string rejected = fs::path(out_) / "rejected.jsonl";
  const testing::Outcome check = ponder({"data", "check", rejected, "--explain"});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_NE(check.out.find("rejected answers: 2 rows, 0 kept, 2 rejected (length 1, wrong 1)"),
            std::string::npos)
      << check.out;
  EXPECT_NE(check.out.find(", p3-0: wrong: "), std::string::npos) << check.out;
  const testing::Outcome show = ponder({"data", "show", rejected, "--where", "reason=wrong"});
  EXPECT_EQ(show.status, 0) << show.err;
  for (const char* part : {"--- p3-0: wrong: ", "[question]\nWhat is 3 + 1?\n", "[gold]\n4\n",
                           "[thought]\none more\n", "[text, ended by stop]\n\\boxed{9}\n"})
    EXPECT_NE(show.out.find(part), std::string::npos) << part << "\n" << show.out;
  EXPECT_EQ(show.out.find("p5"), std::string::npos) << show.out;
  const testing::Outcome misspelt = ponder({"data", "show", rejected, "--where", "raeson=wrong"});
  EXPECT_EQ(misspelt.status, 1);
  EXPECT_NE(misspelt.err.find("no row has a field \"raeson\""), std::string::npos) << misspelt.err;
  const testing::Outcome trained =
      ponder({"sft", "--model", testing::source_dir() / "models/nano-base", "--data", rejected,
              "--out", folder_ / "student", "--quiet"});
  EXPECT_EQ(trained.status, 1);
  EXPECT_NE(trained.err.find("2 rejected (rejected_answer 2)"), std::string::npos) << trained.err;
  // In a pool they are wrong responses as any, with their thoughts.
  const testing::Outcome imported = ponder({"pool", "import", folder_ / "pool", rejected});
  EXPECT_EQ(imported.status, 0) << imported.err;
  const std::vector<Json> pool = json_lines(ponder({"pool", "export", folder_ / "pool"}).out);
  ASSERT_EQ(pool.size(), 2u);
  EXPECT_EQ(pool[0]["verdict"], "incorrect");
  EXPECT_NE(pool[0]["text"].get<std::string>().find("one more"), std::string::npos) << pool[0];
}

TEST_F(Teach, ASignalLetsWhatIsOnItsWayComeIn) {
  std::atomic<bool> go = false;
  teach::Endpoint endpoint([&](int number, int, const Json&) {
    while (!go) std::this_thread::sleep_for(milliseconds(10));
    return teach::right_reply(number);
  });
  testing::Process stopped(arguments(endpoint.url(), {"--max-inflight", "3"}));
  for (int i = 0; i < 200 && endpoint.num_asked() < 3; ++i)
    EXPECT_FALSE(stopped.ended_within(milliseconds(50)));
  // Whoever looks on sees what it does, and disturbs nothing.
  const Json running = json_lines(ponder({"status", out_, "--json"}).out).at(0);
  EXPECT_EQ(running["state"], "running");
  EXPECT_EQ(running["stages"][0]["result"]["in_flight"], 3);
  stopped.signal(SIGINT);
  std::this_thread::sleep_for(milliseconds(500));
  go = true;
  const testing::Outcome outcome = stopped.wait();
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_EQ(json_lines(outcome.out).at(0)["kept"], 3);
  EXPECT_EQ(json_lines(outcome.out).at(0)["unknown_attempts"], 0);
  const testing::Outcome then = ponder({"status", out_});
  EXPECT_NE(then.out.find("teach   stopped            3\n"), std::string::npos) << then.out;
  EXPECT_NE(then.out.find("3 answers: 3 kept, 0 rejected; 9 to be asked next"), std::string::npos)
      << then.out;
  EXPECT_EQ(testing::run(arguments(endpoint.url())).status, 0);
  EXPECT_EQ(endpoint.num_asked(), 12);
}

TEST_F(Teach, SaysInALineWhatIsWrong) {
  teach::Endpoint endpoint([](int number, int, const Json&) { return teach::right_reply(number); });
  const auto said = [&](std::initializer_list<std::string> more, int status) {
    const testing::Outcome outcome = testing::run(arguments(endpoint.url(), more));
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_EQ(testing::lines_of(outcome.err).size(), 1u) << outcome.err;
    return outcome.err;
  };
  const auto holds = [](const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  holds(said({"--price-input", "0.0000001", "--price-output", "1"}, 2), "--price-input");
  holds(said({"--price-input", "1"}, 2), "--price-output: is missing");
  holds(said({"--budget", "5"}, 2), "--budget: is money, and there are no prices");
  holds(said({"--extra", "temperature=1"}, 2), "--extra temperature");
  holds(said({"--extra", "note=\"sk-abcdefghijklmnopqrstuvwx\""}, 2), "looks like a key");
  holds(said({"--write-batch", folder_ / "b.jsonl"}, 2), "--write-batch");
  holds(said({"--again", "boredom"}, 2), "--again");
  holds(said({"--probe", "3", "--again", "wrong"}, 2), "--probe: does not go with --again");
  holds(said({"--probe", "3", "--batch", "submit"}, 2), "--probe: does not go with --batch;");
  holds(said({"--probe", "3", "--write-batch", folder_ / "b.jsonl"}, 2), "with --write-batch");
  holds(said({"--probe", "3", "--read-batch", folder_ / "b.jsonl"}, 2), "with --read-batch");
  holds(said({"--probe", "0"}, 2), "--probe");
  const testing::Outcome nobody = ponder(
      {"teach", "--served-model", "teacher", "--problems", problems_, "--out", out_, "--quiet"});
  EXPECT_EQ(nobody.status, 2);
  holds(nobody.err, "--server: is missing");
  const testing::Outcome nowhere =
      ponder({"teach", "--served-model", "teacher", "--problems", problems_, "--out", out_,
              "--batch", "submit", "--quiet"});
  EXPECT_EQ(nowhere.status, 2);
  holds(nowhere.err, "--batch: is of a service, and none is named");
  holds(said({"--batch", "send"}, 2), "--batch");
  EXPECT_EQ(endpoint.num_asked(), 0);
}

TEST_F(Teach, TheBudgetEndsItAndALargerOneGoesOn) {
  teach::Endpoint endpoint([](int number, int, const Json&) { return teach::right_reply(number); });
  const std::initializer_list<std::string> little = {
      "--price-input", "1", "--price-output", "10", "--max-tokens", "100", "--budget", "0.0022"};
  const testing::Outcome stopped = testing::run(arguments(endpoint.url(), little));
  EXPECT_EQ(stopped.status, 1);
  const std::vector<std::string> lines = testing::lines_of(stopped.err);
  ASSERT_EQ(lines.size(), 1u) << stopped.err;
  EXPECT_TRUE(lines[0].starts_with("ponder: --budget: USD 0.0022 does not cover")) << lines[0];
  const Json then = json_lines(stopped.out).at(0);
  EXPECT_EQ(then["budget"], "0.0022");
  EXPECT_EQ(then["kept"], kept().size());
  EXPECT_LT(then["kept"], 12);
  EXPECT_NE(lines[0].find("; in all likely USD 0.000948, at most "), std::string::npos) << lines[0];
  EXPECT_EQ(then["estimate"]["total_price"]["likely"], "0.000948");  // 12 of .000079
  const testing::Outcome outcome =
      testing::run(arguments(endpoint.url(), {"--price-input", "1", "--price-output", "10",
                                              "--max-tokens", "100", "--budget", "1.00"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(endpoint.num_asked(), 12);
}

// A file system of 20 MB, of which 16 are held back.
TEST_F(Teach, AFullDiskLosesNoAnswer) {
  teach::Endpoint endpoint([](int number, int, const Json&) {
    teach::Reply reply = teach::right_reply(number);
    reply.thought = std::string(size_t{1} << 20, 'x');
    return reply;
  });
  fs::create_directories(out_);
  const auto in_small_space = [&](const std::string& line) {
    return testing::run(
        {"unshare", "-m", "-r", "sh", "-c",
         fmt::format("mount -t tmpfs -o size=20m none {} || exit 99; {}", out_, line)});
  };
  if (in_small_space("true").status != 0) GTEST_SKIP() << "no file system can be mounted here";
  std::string line;
  for (const std::string& word : arguments(endpoint.url(), {"--max-inflight", "1"}))
    line += "'" + word + "' ";
  const testing::Outcome full = in_small_space(fmt::format(
      "{}; status=$?; cp -r {} {}; exit $status", line, out_, (folder_ / "copy").string()));
  EXPECT_EQ(full.status, 1) << full.err;
  EXPECT_NE(full.err.find("the disk is full; every answer that came is kept"), std::string::npos)
      << full.err;
  const int asked = endpoint.num_asked();
  EXPECT_GT(asked, 1);
  EXPECT_LT(asked, 12);
  fs::remove_all(out_);
  fs::rename(folder_ / "copy", out_);
  const testing::Outcome outcome = testing::run(arguments(endpoint.url()));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json_lines(outcome.out).at(0)["kept"], 12);
  EXPECT_EQ(endpoint.num_asked(), 12);
}

// A fifth of 10,000 requests fail, and the command is killed five times.
class SlowTeach : public Teach {};
TEST_F(SlowTeach, TenThousandAnswersThroughFaultsAndKills) {
  constexpr int kProblems = 10'000, kInFlight = 64, kKills = 5;
  write_file_atomic(problems_, plus_one(kProblems));
  std::atomic<int> whole = 0, faults = 0;
  teach::Endpoint endpoint([&](int number, int times, const Json&) {
    teach::Reply reply = teach::right_reply(number);
    const int draw = (number * 7919 + times * 104'729) % 100;
    if (draw < 20) {
      ++faults;
      reply.status = draw < 10 ? 500 : 429;
      if (draw >= 10) reply.headers = "retry-after-ms: 1\r\n";
    } else {
      ++whole;
    }
    return reply;
  });
  const std::vector<std::string> argv =
      arguments(endpoint.url(), {"--max-inflight", std::to_string(kInFlight), "--price-input", "1",
                                 "--price-output", "10", "--max-tokens", "100"});
  for (int i = 1; i <= kKills; ++i) {
    testing::Process process(argv);
    while (whole < i * kProblems / 8 && !process.ended_within(milliseconds(20))) continue;
    process.signal(SIGKILL);
    process.wait();
  }
  const testing::Outcome outcome =
      testing::run(argv, {.folder = {}, .input = "", .limit = std::chrono::seconds(900)});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json result = json_lines(outcome.out).at(0);
  EXPECT_EQ(result["kept"], kProblems);
  EXPECT_EQ(result["answers"], kProblems);
  EXPECT_EQ(result["spent"], "0.79");
  EXPECT_GE(faults.load(), kProblems / 5);
  EXPECT_LE(result["unknown_attempts"], kInFlight * kKills);
  EXPECT_LE(whole.load() - kProblems, result["unknown_attempts"].get<int>());
  EXPECT_EQ(kept().size(), static_cast<size_t>(kProblems));
  std::cout << outcome.out << faults << " faults, " << whole - kProblems << " answers twice\n";
}

TEST_F(Teach, AKeyStandsNowhere) {
  teach::Endpoint endpoint([](int number, int, const Json&) { return teach::right_reply(number); });
  ::setenv("PONDER_E2E_TEACHER", "s3cr3t-of-the-teacher", 1);
  const testing::Outcome outcome =
      testing::run(arguments(endpoint.url(), {"--api-key-env", "PONDER_E2E_TEACHER"}));
  ::unsetenv("PONDER_E2E_TEACHER");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ((outcome.out + outcome.err).find("s3cr3t"), std::string::npos);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path()).find("s3cr3t"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace ponder::e2e
