// Speed of encoding on one core, in processor time: the texts of files (every text of a .json or
// .jsonl row; any other file as it is) encoded one by one with an empty word cache, then the median
// of five more passes; and long runs of one character, whose time must grow as their length.
//   scripts/build release tokenizer_bench
//   build/release/bench/tokenizer_bench TOKENIZER FILE...
// Prints JSON lines.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

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

void take_texts(const Json& json, std::vector<std::string>& texts) {
  if (json.is_string()) texts.push_back(json.get<std::string>());
  if (!json.is_structured()) return;
  for (const Json& part : json) take_texts(part, texts);
}

std::vector<std::string> texts_of(const std::vector<std::string>& files) {
  std::vector<std::string> texts;
  for (const std::string& file : files) {
    if (file.find(".json") == std::string::npos) {
      texts.push_back(read_file(file));
      continue;
    }
    JsonRowReader reader(file);
    for (JsonRow row; reader.next(row);) take_texts(row.value, texts);
  }
  return texts;
}

void print_texts(const tokenizer::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  size_t bytes = 0, tokens = 0;
  for (const std::string& text : texts) bytes += text.size();
  const auto pass = [&] {
    tokens = 0;
    for (const std::string& text : texts) tokens += tokenizer.encode(text).size();
  };
  const double first = seconds_of(pass);
  std::vector<double> seconds(5);
  for (double& each : seconds) each = seconds_of(pass);
  std::sort(seconds.begin(), seconds.end());
  const double mb = static_cast<double>(bytes) / 1e6;
  std::printf(
      "%s\n",
      dump_json({{"texts", texts.size()},
                 {"megabytes", mb},
                 {"bytes_per_token", static_cast<double>(bytes) / static_cast<double>(tokens)},
                 {"first_pass_mb_per_second", mb / first},
                 {"mb_per_second", mb / seconds[2]}})
          .c_str());
}

void print_runs(const tokenizer::Tokenizer& tokenizer) {
  for (const std::string character : {"a", " ", "!", "7", "\n", "é", "e\u0301\u0327"}) {
    Json line = {{"run_of", character}};
    for (const size_t count : {size_t{250000}, size_t{1000000}, size_t{4000000}}) {
      std::string text;
      while (text.size() < count * character.size()) text += character;
      line["ms_" + std::to_string(count)] = 1e3 * seconds_of([&] { tokenizer.encode(text); });
    }
    std::printf("%s\n", dump_json(line).c_str());
  }
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tokenizer_bench TOKENIZER FILE...\n");
    return 2;
  }
  try {
    const ponder::tokenizer::Tokenizer tokenizer = ponder::tokenizer::Tokenizer::load(argv[1]);
    ponder::print_texts(tokenizer, ponder::texts_of({argv + 2, argv + argc}));
    ponder::print_runs(tokenizer);
  } catch (const ponder::Error& error) {
    std::fprintf(stderr, "tokenizer_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
