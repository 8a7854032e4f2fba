// The recipe's [teacher].
#include <fmt/format.h>

#include <cctype>

#include "base/error.h"
#include "net/url.h"
#include "pipeline/recipe_parts.h"
#include "teach/money.h"

namespace ponder::pipeline {
namespace {

constexpr double kManyMore = 1e7;  // seconds

std::string read_price(TomlSection& section, const char* key, const std::string& otherwise) {
  const std::string text = section.text(key, otherwise);
  if (!text.empty() && !teach::price_from_text(text)) {
    section.fail(key, fmt::format("\"{}\" is no price of a million tokens", excerpt(text)),
                 "text of digits and a point, with up to six decimals: \"0.55\"");
  }
  return text;
}

void read_money(TomlSection& section, TeacherOptions& teacher) {
  if (section.has("price")) {
    TomlSection price = section.section("price");
    teacher.currency = price.text("currency", "USD");
    teacher.price_input = read_price(price, "input", "");
    teacher.price_output = read_price(price, "output", "");
    teacher.price_cached_input = read_price(price, "cached_input", teacher.price_input);
    if (teacher.price_input.empty() || teacher.price_output.empty())
      price.fail("input", "a price needs input and output", "\"0\" for nothing");
    price.finish();
  }
  if (section.has("budget")) {
    teacher.budget = section.text("budget", "");
    if (!teach::amount_from_text(teacher.budget))
      section.fail("budget", "is no amount of money", "text of digits and a point: \"25.00\"");
    if (teacher.price_input.empty())
      section.fail("budget", "is money, and there are no prices", "add price = { input, output }");
  }
  if (section.has("overhead_tokens"))
    teacher.overhead_tokens = section.integer("overhead_tokens", 0, 0, kMany);
  teacher.max_failed = section.number("max_failed", 0.01, 0, 1);
}

void read_where(TomlSection& section, const std::filesystem::path& folder,
                TeacherOptions& teacher) {
  for (const std::string& url : section.texts("url")) {
    try {
      teacher.urls.push_back(net::parse_url(url, "teacher.url").text());
    } catch (const Error& error) {
      section.fail("url", error.problem(), error.advice());
    }
  }
  if (teacher.urls.empty()) section.fail("url", "a teacher needs an address");
  teacher.api_key_env = section.text("api_key_env", "");
  for (const char c : teacher.api_key_env) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') continue;
    section.fail("api_key_env", "is no name of an environment variable",
                 "a key itself never stands in a recipe: export it, and name the variable here");
  }
  const std::string ca_file = section.text("ca_file", "");
  if (!ca_file.empty()) teacher.ca_file = std::filesystem::absolute(folder / ca_file);
  teacher.insecure_key = section.boolean("insecure_key", false);
  const std::string out = section.text("out", "");
  if (out.empty()) {
    section.fail("out", "a teacher needs a folder for its answers",
                 "out = \"taught\": they are paid for once, whatever runs read them");
  }
  teacher.out = std::filesystem::absolute(folder / out).lexically_normal();
  teacher.max_inflight = section.integer("max_inflight", 256, 1, 65536);
  teacher.rpm = section.integer("rpm", 0, 0, 1'000'000);
  teacher.tpm = section.integer("tpm", 0, 0, 1'000'000'000'000);
  teacher.idle_timeout = section.number("idle_timeout", 660, 1, kManyMore);
  teacher.patience = section.number("patience", 1800, 1, kManyMore);
}

}  // namespace

TeacherOptions read_teacher(TomlSection& section, const std::filesystem::path& folder) {
  TeacherOptions teacher;
  read_where(section, folder, teacher);
  teacher.model = section.text("model", "");
  if (teacher.model.empty()) section.fail("model", "a teacher needs the name of its model");
  teacher.samples = section.integer("samples", 1, 1, 100000);
  teacher.enough_correct = section.integer("enough_correct", 1, 0, 100000);
  teacher.max_tokens = section.integer("max_tokens", 32768, 1, kMany);
  teacher.max_tokens_field =
      section.choice("max_tokens_field", "max_tokens", {"max_tokens", "max_completion_tokens"});
  if (section.has("temperature")) teacher.temperature = section.number("temperature", 1, 0, 100);
  if (section.has("top_p")) teacher.top_p = section.number("top_p", 1, 1e-6, 1);
  teacher.send_seed = section.boolean("send_seed", false);
  if (section.has("extra")) {
    try {
      teacher.extra = parse_json(section.text("extra", "{}"), "teacher.extra");
    } catch (const Error& error) {
      section.fail("extra", error.problem(),
                   "text that holds a JSON object: '{\"effort\": \"high\"}'");
    }
    if (!teacher.extra.is_object()) section.fail("extra", "is no JSON object");
  }
  teacher.system = section.text("system", "");
  teacher.prompt_prefix = section.text("prompt_prefix", "");
  teacher.prompt_suffix = section.text("prompt_suffix", "");
  teacher.allow_direct = section.boolean("allow_direct", false);
  teacher.license = section.text("license", "");
  read_money(section, teacher);
  return teacher;
}

bool is_teachers_place(std::string_view key) {
  for (const std::string_view name :
       {"url", "api_key_env", "ca_file", "insecure_key", "max_inflight", "rpm", "tpm",
        "idle_timeout", "patience", "price", "budget", "overhead_tokens", "max_failed", "license",
        "out"}) {
    const std::string whole = fmt::format("teacher.{}", name);
    if (key == whole || key.starts_with(whole + "[") || key.starts_with(whole + ".")) return true;
  }
  return false;
}

}  // namespace ponder::pipeline
