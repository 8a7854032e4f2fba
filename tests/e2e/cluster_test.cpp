// The worked examples of docs/cluster.md, in miniature: their very files, with a tiny model, two servers
// for eight, tests/trainer/double.cpp for torchrun, and stand-ins for the programs of a cluster.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "base/file.h"
#include "e2e/ponder.h"
#include "e2e/run_result.h"

namespace ponder::e2e {
namespace {

const fs::path kExamples = testing::source_dir() / "examples/cluster";
constexpr const char* kHead = "#!/usr/bin/env bash\nset -euo pipefail\n";

// A copy of examples/cluster, and a folder of programs that come before all others.
class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() {
    make_tiny_base(folder_ / "base");
    fs::copy(kExamples, cluster_);
    fs::create_directories(folder_ / "bin");
    // Which GPU each server has, and which model.
    put("ponder",
        fmt::format("if [[ $1 == serve ]]; then echo \"$$ ${{CUDA_VISIBLE_DEVICES:-none}} "
                    "$(basename \"$2\")\" >> {0}/served; fi\nexec {1} \"$@\"\n",
                    folder_.path().string(), program()));
    // The trainer, which must have the machine to itself.
    put("torchrun",
        fmt::format("if [[ -s {0}/servers.txt ]]; then echo servers are there; exit 9; fi\n"
                    "while read -r pid rest; do\n"
                    "  if kill -0 $pid 2> /dev/null; then echo $pid runs; exit 9; fi\n"
                    "done < {1}/served\n"
                    "echo \"$*\" >> {1}/trained\nexec {2} \"$PONDER_JOB\"\n",
                    cluster_.string(), folder_.path().string(),
                    (testing::binary_dir() / "tests/ponder_trainer_double").string()));
  }
  void TearDown() override {
    for (const char* script : {"node-servers.sh", "slurm-servers.sh"})
      in_cluster({"./" + std::string(script), "stop"});
  }

  void put(const std::string& name, const std::string& script) const {
    const fs::path file = folder_ / "bin" / name;
    write_file_atomic(file, kHead + script);
    fs::permissions(file, fs::perms::owner_all);
  }
  std::vector<std::string> argv(const std::vector<std::string>& words) const {
    std::vector<std::string> all = {
        "env", fmt::format("PATH={}:{}", (folder_ / "bin").string(), std::getenv("PATH")), "GPUS=2",
        "STAND_IN=" + folder_.path().string()};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  testing::Launch launch() const {
    return {.folder = cluster_, .input = "", .limit = std::chrono::seconds(280)};
  }
  testing::Outcome in_cluster(const std::vector<std::string>& words) const {
    return testing::run(argv(words), launch());
  }
  // An example's recipe on tiny things; everything about servers as it stands there.
  std::vector<std::string> tiny() const {
    std::vector<std::string> flags;
    for (const std::string& setting :
         {"base=" + (folder_ / "base").string(), std::string("max_length=256"),
          std::string("sft.epochs=2"), std::string("sft.batch_rows=8"), std::string("sft.lr=3e-3"),
          std::string("imitate.demonstrations=[{ synth = \"choice\", levels = 1, count = 16 }]"),
          std::string("explore.problems=[{ synth = \"choice\", levels = 1, count = 8, seed = 2 }]"),
          std::string("explore.rounds=1"), std::string("explore.samples=4"),
          std::string("explore.max_tokens=32"),
          std::string("evaluate.benchmarks=[{ synth = \"choice\", levels = 1, count = 8, split = "
                      "\"test\" }]"),
          std::string("evaluate.max_tokens=32"), std::string("trainer.kind=command"),
          std::string("trainer.processes=1"), std::string("trainer.sharding=none")})
      flags.insert(flags.end(), {"--set", setting});
    return flags;
  }
  std::vector<std::string> run_of(const std::string& recipe, const std::string& out,
                                  const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {program(), "run", recipe, "--out", folder_ / out};
    for (const std::vector<std::string>& each : {tiny(), more})
      words.insert(words.end(), each.begin(), each.end());
    return words;
  }
  std::string text_of(const fs::path& file) const {
    return fs::exists(file) ? read_file(file) : "";
  }
  // "GPU MODEL" of each server there was, and whether all are gone.
  std::multiset<std::string> served() const {
    std::multiset<std::string> all;
    for (const std::string& line : testing::lines_of(text_of(folder_ / "served"))) {
      const size_t space = line.find(' ');
      all.insert(line.substr(space + 1));
      EXPECT_NE(::kill(std::atoi(line.substr(0, space).c_str()), 0), 0) << line << " still runs";
    }
    return all;
  }

  const testing::TemporaryFolder folder_;
  const fs::path cluster_ = folder_ / "cluster";
};

// Servers and trainer by turns on the same GPUs, from the example's recipe and script.
TEST_F(ClusterTest, OneNodeServesAndTrainsByTurns) {
  const testing::Outcome led = in_cluster(run_of("one-node.toml", "led"));
  ASSERT_EQ(led.status, 0) << led.err;
  EXPECT_EQ(served(), (std::multiset<std::string>{"0 base", "0 M1", "1 base", "1 M1"}));
  EXPECT_EQ(text_of(cluster_ / "servers.txt"), "");
  EXPECT_EQ(text_of(folder_ / "trained"), "--standalone --nproc-per-node 8\n");
  EXPECT_NE(led.err.find("imitate: servers are stopped first"), std::string::npos) << led.err;
  EXPECT_NE(led.err.find("by ponder's own forward"), std::string::npos) << led.err;
  // The same rows and weights as with this process's engine.
  const testing::Outcome here =
      in_cluster(run_of("one-node.toml", "here", {"--set", "fleet.stages=[]"}));
  ASSERT_EQ(here.status, 0) << here.err;
  EXPECT_EQ(served().size(), 4u);
  const RunResult result = result_of(folder_ / "led");
  EXPECT_FALSE(result.rollouts.empty());
  EXPECT_FALSE(result.weights.empty());
  EXPECT_EQ(result, result_of(folder_ / "here"));
}

TEST_F(ClusterTest, ServersThatCannotBeStartedEndTheRunByName) {
  put("ponder", "echo out of memory >&2; exit 3\n");
  const testing::Outcome led = in_cluster(run_of("one-node.toml", "led"));
  EXPECT_EQ(led.status, 1);
  EXPECT_NE(led.err.find("fleet.command: \"./node-servers.sh\" ended with status 1"),
            std::string::npos)
      << led.err;
  EXPECT_NE(led.err.find("out of memory"), std::string::npos) << led.err;
  EXPECT_FALSE(fs::exists(cluster_ / "servers.pids"));
}

// One server by itself: on the list while it can be asked, and off it before it ends.
TEST_F(ClusterTest, AServerIsOnTheListWhileItCanBeAsked) {
  const std::string list = folder_ / "list", other = "http://gpu7:8321\n";
  write_file_atomic(list, other);
  testing::Process one(argv({"./serve.sh", list, folder_ / "base", "tiny"}), launch());
  std::string listed;
  while (!one.ended_within(std::chrono::milliseconds(50)) && (listed = read_file(list)) == other) {
  }
  ASSERT_EQ(listed.find(other + "http://127.0.0.1:"), 0u) << listed << one.wait().err;
  const testing::Outcome rows =
      ponder({"generate", "--model", folder_ / "base", "--prompt", "Compute 7+8*3.", "--max-tokens",
              "4", "--servers-file", list, "--quiet"});
  EXPECT_EQ(rows.status, 0) << rows.err;
  one.signal(SIGTERM);
  const testing::Outcome ended = one.wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(read_file(list), other);
  EXPECT_EQ(served().size(), 1u);
  const testing::Outcome none = in_cluster({"./serve.sh", list, folder_ / "no-such-model", "tiny"});
  EXPECT_EQ(none.status, 1);
  EXPECT_NE(none.err.find("no-such-model"), std::string::npos) << none.err;
  EXPECT_EQ(read_file(list), other);
}

// Slurm with room for two tasks at a time. The first task of every array is taken away again as soon as it
// has been asked for something: another comes in its place.
class SlurmTest : public ClusterTest {
 protected:
  void SetUp() override {
    put("hostname", "echo 127.0.0.1\n");
    put("scontrol", "echo node-1\necho node-2\n");
    put("srun", "while [[ $1 == --* ]]; do shift; done\nexec \"$@\"\n");
    put("sbatch", R"sh(
[[ $1 == --parsable ]] && shift
script=$1 last=$(sed -n 's/^#SBATCH --array=0-//p' "$1")
shift
job=1
while [[ -e $STAND_IN/job-$job ]]; do job=$((job + 1)); done
touch "$STAND_IN/job-$job" "$STAND_IN/slot-$job-0" "$STAND_IN/slot-$job-1"
slot() {
  local first=$1 task
  shift
  for ((task = first; task <= last; task += 2)); do
    [[ ! -e $STAND_IN/cancelled-$job ]] || break
    SLURM_ARRAY_JOB_ID=$job SLURM_ARRAY_TASK_ID=$task CUDA_VISIBLE_DEVICES=$task \
      bash "$script" "$@" > "servers-${job}_$task.log" 2>&1 &
    echo $! > "$STAND_IN/slot-$job-$first"
    if ((task == 0)); then preempt $! & fi
    wait $! || true
  done
  rm "$STAND_IN/slot-$job-$first"
}
asked() {  # whether the server at a port of this machine has answered a completion
  exec 3<> "/dev/tcp/127.0.0.1/$1"
  printf 'GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n' "$(< fleet.key)" >&3
  grep -q 'route="/v1/completions"' <&3
}
preempt() {
  local port=''
  while kill -0 "$1" 2> /dev/null; do
    port=${port:-$(sed -n 's/.* at http:.*://p' "servers-${job}_0.log")}
    if [[ $port ]] && (asked "$port"); then
      kill "$1"
      return
    fi
    sleep 0.05
  done
}
slot 0 "$@" > /dev/null 2>&1 &
slot 1 "$@" > /dev/null 2>&1 &
echo "$job"
)sh");
    put("squeue", R"sh(
job=${2#--jobs=}
if compgen -G "$STAND_IN/slot-$job-*" > /dev/null; then echo "$job"; fi
)sh");
    put("scancel", R"sh(
touch "$STAND_IN/cancelled-$1"
while compgen -G "$STAND_IN/slot-$1-*" > /dev/null; do
  for slot in "$STAND_IN/slot-$1-"*; do kill "$(cat "$slot")" 2> /dev/null || true; done
  sleep 0.1
done
)sh");
    write_file_atomic(cluster_ / "fleet.key", "0123456789abcdef");
  }
};

TEST_F(SlurmTest, ARunGoesOnWhileServersComeAndGo) {
  std::vector<std::string> words = {"SLURM_JOB_NODELIST=node-[1-2]", "SLURM_JOB_NUM_NODES=2",
                                    "bash", "run.sbatch"};
  const std::vector<std::string> flags = tiny();
  words.insert(words.end(), flags.begin(), flags.end());
  const testing::Outcome led = in_cluster(words);
  std::string logs;
  for (const auto& file : fs::directory_iterator(cluster_))
    if (file.path().extension() == ".log") logs += read_file(file.path());
  ASSERT_EQ(led.status, 0) << led.err << logs;
  EXPECT_EQ(text_of(folder_ / "trained"),
            "--nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint node-1:29500\n");
  // How many there were, and which were asked, depends on the moment; of which models does not.
  std::set<std::string> models;
  for (const std::string& server : served()) models.insert(server.substr(server.find(' ') + 1));
  EXPECT_EQ(models, (std::set<std::string>{"base", "M1"}));
  EXPECT_EQ(text_of(cluster_ / "servers.txt"), "");
  const testing::Outcome here = in_cluster(run_of(
      "slurm.toml", "here", {"--set", "trainer.launch=torchrun", "--set", "fleet.stages=[]"}));
  ASSERT_EQ(here.status, 0) << here.err;
  EXPECT_EQ(result_of(cluster_ / "runs/slurm"), result_of(folder_ / "here"));
}

// kubectl's part is what it is asked for, in order.
TEST_F(ClusterTest, KubernetesIsAskedForPodsAndForNone) {
  put("kubectl", R"sh(
echo "$*" >> "$STAND_IN/asked"
if [[ $1 == get && $(grep -c ^get "$STAND_IN/asked") -lt 3 ]]; then echo pod/ponder-0; fi
)sh");
  EXPECT_EQ(in_cluster({"./kubernetes-servers.sh", "start", "/data/runs/a b/M1"}).status, 0);
  const std::string gone = "scale statefulset/ponder --replicas=0\n";
  const std::string look = "get pods --selector=app=ponder --output=name\n";
  EXPECT_EQ(read_file(folder_ / "asked"),
            gone + look + look + look + "set env statefulset/ponder MODEL_DIR=/data/runs/a b/M1\n" +
                "scale statefulset/ponder --replicas=8\n" +
                "rollout status statefulset/ponder --timeout=30m\n");
  fs::remove(folder_ / "asked");
  EXPECT_EQ(in_cluster({"./kubernetes-servers.sh", "stop"}).status, 0);
  EXPECT_EQ(read_file(folder_ / "asked"), gone + look + look + look);
}

// The page names every file, and what it quotes stands in them.
TEST(ClusterPage, QuotesItsExamples) {
  const std::string page = read_file(testing::source_dir() / "docs/cluster.md");
  std::string all;
  for (const auto& entry : fs::directory_iterator(kExamples)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".log" || name.starts_with("servers.txt")) continue;
    EXPECT_NE(page.find("(../examples/cluster/" + name + ")"), std::string::npos) << name;
    all += read_file(entry.path()) + "\n";
  }
  int quoted = 0;
  bool within = false;
  std::string block;
  for (const std::string& line : testing::lines_of(page)) {
    if (line.starts_with("```")) {
      if (within && !block.empty()) {
        ++quoted;
        EXPECT_NE(all.find(block), std::string::npos) << block;
      }
      within = line == "```toml" || line == "```yaml";
      block.clear();
    } else if (within) {
      block += line + "\n";
    }
  }
  EXPECT_GE(quoted, 4);
}

}  // namespace
}  // namespace ponder::e2e
