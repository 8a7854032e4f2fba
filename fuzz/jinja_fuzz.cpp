// A chat template, rendered with one conversation. Refused by an Error that names text and line, or it
// gives the same text again, within its budget.
#include "base/error.h"
#include "fuzz.h"
#include "jinja/template.h"

namespace ponder {
namespace {

std::string outcome(const std::string& text) {
  static const Json kVariables = parse_json(
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": " é\n"},
          {"role": "assistant", "content": "<think>t</think>a"}], "tools": [{"name": "f"}],
          "add_generation_prompt": true, "n": 7, "z": null})",
      "variables");
  try {
    return jinja::Template(text, "fuzzed").render(kVariables, {20'000, 1 << 20});
  } catch (const Error& error) {
    fuzz::require(error.where().starts_with("fuzzed"), "an error names the text");
    fuzz::require(!error.problem().empty(), "an error says what is wrong");
    return error.what();
  }
}

}  // namespace
}  // namespace ponder

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(ponder::fuzz::text_of(data, size));
  const std::string first = ponder::outcome(text);
  ponder::fuzz::require(first.size() <= (1 << 21), "a rendering keeps within its budget");
  ponder::fuzz::require(first == ponder::outcome(text), "the same text renders the same again");
  return 0;
}
