// Speed of the judge on one core, in processor time: verdicts a second over the pairs of a file
// (median of five passes), and how long hostile and stuffed answers take. bench/judge runs it.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "judge/bomb_test_support.h"
#include "judge/judge.h"

namespace ponder {
namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& work) {
  const double begin = processor_seconds();
  work();
  return processor_seconds() - begin;
}

struct Pair {
  std::string way, gold, prediction;
};

std::vector<Pair> pairs_of(const char* path) {
  std::vector<Pair> pairs;
  JsonRowReader reader{path};
  for (JsonRow row; reader.next(row);)
    pairs.push_back({row.value.value("way", ""), row.value.at("gold"), row.value.at("prediction")});
  return pairs;
}

void print_speed(const std::vector<Pair>& pairs, const std::string& way) {
  std::vector<double> passes, each;
  size_t count = 0;
  int verdicts[3] = {};
  for (int pass = 0; pass < 5; ++pass) {
    double total = 0;
    for (const Pair& pair : pairs) {
      if (!way.empty() && pair.way != way) continue;
      judge::Verdict verdict = judge::Verdict::kUndecided;
      const double seconds = seconds_of(
          [&] { verdict = judge::judge_answer(pair.gold, pair.prediction, {}).verdict; });
      total += seconds;
      if (pass == 0) {
        ++count;
        ++verdicts[static_cast<int>(verdict)];
      }
      each.push_back(seconds);
    }
    passes.push_back(total);
  }
  if (count == 0) return;
  std::sort(passes.begin(), passes.end());
  std::sort(each.begin(), each.end());
  Json line;
  line["pairs"] = way.empty() ? "all" : way;
  line["count"] = count;
  line["verdicts_per_second"] = static_cast<int64_t>(static_cast<double>(count) / passes[2]);
  line["p99_ms"] = each[each.size() * 99 / 100] * 1e3;
  line["max_ms"] = each.back() * 1e3;
  line["correct"] = verdicts[0];
  line["incorrect"] = verdicts[1];
  line["undecided"] = verdicts[2];
  std::printf("%s\n", dump_json(line).c_str());
}

void print_times(const char* what, std::vector<double> seconds, const std::string& slowest) {
  std::sort(seconds.begin(), seconds.end());
  Json line;
  line["hostile"] = what;
  line["count"] = seconds.size();
  line["median_ms"] = seconds[seconds.size() / 2] * 1e3;
  line["p99_ms"] = seconds[seconds.size() * 99 / 100] * 1e3;
  line["max_ms"] = seconds.back() * 1e3;
  line["slowest"] = slowest.substr(0, 60);
  std::printf("%s\n", dump_json(line).c_str());
}

// The slowest of the judgements that a bomb can be part of.
void print_bombs() {
  std::vector<double> times;
  std::string slowest;
  for (const auto& bomb : judge::testing::answer_bombs()) {
    double worst = 0;
    const auto judged = [&](const std::string& gold, const std::string& answer) {
      worst = std::max(worst, seconds_of([&] { judge::judge_answer(gold, answer, {}); }));
    };
    judged("13", bomb.text);
    judged(bomb.text, bomb.text + " ");
    if (!bomb.second.empty()) judged(bomb.text, bomb.second);
    if (times.empty() || worst > *std::max_element(times.begin(), times.end()))
      slowest = bomb.family + ": " + bomb.text;
    times.push_back(worst);
  }
  print_times("answers", times, slowest);
}

void print_responses(const char* what, const std::vector<std::string>& responses) {
  std::vector<double> times;
  std::string slowest;
  for (const std::string& response : responses) {
    const double seconds = seconds_of(
        [&] { judge::judge_response("13", response, judge::ResponseEnd::kFinished, {}); });
    if (times.empty() || seconds > *std::max_element(times.begin(), times.end()))
      slowest = response;
    times.push_back(seconds);
  }
  print_times(what, times, slowest);
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) try {
  using namespace ponder;
  if (argc != 2) {
    std::fprintf(stderr, "usage: judge_bench PAIRS.jsonl   (rows: gold, prediction, way)\n");
    return 2;
  }
  const std::vector<Pair> pairs = pairs_of(argv[1]);
  std::vector<std::string> ways;
  for (const Pair& pair : pairs) {
    if (std::find(ways.begin(), ways.end(), pair.way) == ways.end()) ways.push_back(pair.way);
  }
  print_speed(pairs, "");
  for (const std::string& way : ways) print_speed(pairs, way);
  print_bombs();
  print_responses("10 MB responses", judge::testing::response_bombs());
  print_responses("stuffed responses", judge::testing::stuffed_responses());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
