#include "reliability/tier.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <thread>

namespace ponder::reliability {
namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

bool nightly() { return setting("PONDER_NIGHTLY") == "1"; }

void for_each_case(const std::vector<size_t>& numbers, const std::function<void(size_t)>& work) {
  std::vector<size_t> chosen = numbers;
  if (const std::string only = setting("PONDER_CASE"); !only.empty())
    std::erase_if(chosen, [&](size_t number) { return number != std::stoull(only); });
  std::atomic<size_t> next = 0;
  const auto serve = [&] {
    for (size_t i = next++; i < chosen.size(); i = next++) work(chosen[i]);
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; nightly() && i < std::thread::hardware_concurrency(); ++i)
    helpers.emplace_back(serve);
  serve();
  for (std::thread& helper : helpers) helper.join();
}

std::vector<size_t> sample(const std::vector<std::string>& class_of_case, size_t limit,
                           uint64_t seed) {
  std::map<std::string, std::vector<size_t>> classes;
  for (size_t i = 0; i < class_of_case.size(); ++i) classes[class_of_case[i]].push_back(i);
  std::mt19937_64 random(seed);
  for (auto& [name, cases] : classes) std::shuffle(cases.begin(), cases.end(), random);
  std::vector<size_t> chosen;
  limit = std::min(limit, class_of_case.size());
  for (size_t turn = 0; chosen.size() < limit; ++turn) {
    for (const auto& [name, cases] : classes) {
      if (turn < cases.size() && chosen.size() < limit) chosen.push_back(cases[turn]);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void record_figure(const std::string& driver, const std::string& what, size_t tries,
                   size_t failed) {
  const std::string file = setting("PONDER_FIGURES");
  if (file.empty()) return;
  std::ofstream(file, std::ios::app)
      << driver << '\t' << what << '\t' << tries << '\t' << failed << '\n';
}

}  // namespace ponder::reliability
