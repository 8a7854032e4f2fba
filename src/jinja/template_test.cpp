#include "jinja/template.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/file.h"
#include "testing/error_text.h"
#include "testing/folders.h"

namespace ponder::jinja {
namespace {

const std::filesystem::path kGolden = testing::source_dir() / "tests/golden/jinja";

constexpr const char* kTemplates[] = {"HuggingFaceH4-zephyr-7b-beta.jinja",
                                      "HuggingFaceTB-SmolLM3-3B.jinja",
                                      "Mistral-Small-3.2-24B-Instruct-2506.jinja",
                                      "Qwen-QwQ-32B.jinja",
                                      "Qwen-Qwen2.5-7B-Instruct.jinja",
                                      "Qwen-Qwen3-0.6B.jinja",
                                      "Qwen3.5-4B.jinja",
                                      "allenai-open-instruct.jinja",
                                      "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
                                      "deepseek-ai-DeepSeek-V3.1.jinja",
                                      "ibm-granite-granite-3.3-2B-Instruct.jinja",
                                      "microsoft-Phi-3.5-mini-instruct.jinja",
                                      "mistralai-Mistral-7B-Instruct-v0.1.jinja",
                                      "mistralai-Mistral-Nemo-Instruct-2407.jinja",
                                      "openai-gpt-oss-120b.jinja"};

std::string render(const std::string& text, const Json& variables = Json::object()) {
  return Template(text, "t").render(variables);
}

std::string error_of(const std::string& text, const Json& variables = Json::object()) {
  return testing::error_text([&] { render(text, variables); });
}

// What jinja2 says, of one row.
void expect_same(const Template& text, const Json& variables, const Json& row) {
  if (row.contains("refused")) {
    EXPECT_THROW(text.render(variables), Error);
  } else {
    EXPECT_EQ(text.render(variables), row.at("rendered").get<std::string>());
  }
}

TEST(JinjaTemplate, PublishedTemplates) {
  std::map<std::string, int> num_rendered;
  int num_refused = 0;
  JsonRowReader reader(kGolden / "conversations.jsonl.gz");
  for (JsonRow row; reader.next(row);) {
    const auto name = row.value.at("template").get<std::string>();
    SCOPED_TRACE(fmt::format("{}, line {}", name, row.line));
    expect_same(Template(read_file(kGolden / "templates" / name), name), row.value.at("variables"),
                row.value);
    row.value.contains("refused") ? ++num_refused : ++num_rendered[name];
  }
  for (const char* name : kTemplates) EXPECT_GT(num_rendered[name], 5) << name;
  EXPECT_EQ(num_rendered.size(), std::size(kTemplates));
  EXPECT_GT(num_refused, 10);
}

TEST(JinjaTemplate, Snippets) {
  Json variables;
  int num_rows = 0;
  JsonRowReader reader(kGolden / "snippets.jsonl");
  for (JsonRow row; reader.next(row);) {
    if (row.value.contains("variables")) {
      variables = row.value.at("variables");
      continue;
    }
    const auto snippet = row.value.at("snippet").get<std::string>();
    SCOPED_TRACE(snippet);
    ++num_rows;
    if (row.value.contains("refused")) {
      EXPECT_THROW(render(snippet, variables), Error);
    } else {
      EXPECT_EQ(render(snippet, variables), row.value.at("rendered").get<std::string>());
    }
  }
  EXPECT_GT(num_rows, 70);
}

TEST(JinjaTemplate, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("a\n{{ x | nosuch }}"), "t:2: the filter \"nosuch\" is not supported");
  EXPECT_EQ(error_of("{% if true %}\n\n{{ x.y.z }}\n{% endif %}", {{"x", Json::object()}}),
            "t:3: y is undefined, so it has no z");
  EXPECT_EQ(error_of("\n\n{% import 'os' as os %}"),
            "t:3: the statement \"import\" is not supported here");
  EXPECT_EQ(error_of("{% macro f() %}\n{{ 1 + 'a' }}{% endmacro %}\n{{ f() }}"),
            "t:2: cannot compute int + str");
  EXPECT_EQ(error_of("{{ raise_exception('no system turns') }}"),
            "t:1: the template refuses the conversation: no system turns");
  EXPECT_EQ(error_of("{% for x in [1] %}"), "t:1: no {% endfor %} for what begins here");
  EXPECT_EQ(error_of("{{ {1: 2} }}"), "t:1: the keys of a mapping are texts here");
}

// A text from a file may be anybody's.
TEST(JinjaTemplate, ABudgetEndsWhateverDoesNot) {
  const std::string steps = "takes too many steps", text = "makes too much text", deep = "too deep";
  const auto ends = [](const std::string& problem, const std::string& with) {
    return problem.find(with) != std::string::npos;
  };
  const std::string loops = "{% for a in range(999) %}{% for b in r %}{% endfor %}{% endfor %}";
  const Json numbers = {{"r", std::vector<int>(9999)}};
  EXPECT_TRUE(ends(testing::error_text([&] {
                     Template(loops).render(numbers, {.steps = 100'000, .bytes = 1 << 30});
                   }),
                   steps));
  EXPECT_TRUE(ends(error_of("{{ 'a' * 999999999999 }}"), text));
  EXPECT_TRUE(ends(error_of("{{ 'a' * 9223372036854775807 }}"), text));
  EXPECT_TRUE(ends(error_of("{{ ('a' * 10000000).replace('a', 'b' * 10000000) }}"), text));
  EXPECT_TRUE(ends(error_of("{{ '%999999d' % 1 }}{{ '%999999999999s' % 1 }}"
                            "{% for x in range(999) %}{{ '%999999d' % 1 }}{% endfor %}"),
                   text));
  EXPECT_TRUE(ends(error_of("{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}"
                            "{% set ns.s = ns.s + ns.s %}{% endfor %}"),
                   text));
  EXPECT_TRUE(ends(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), deep));
  EXPECT_TRUE(ends(error_of("{% set ns = namespace(l=[]) %}{% for i in range(9999) %}"
                            "{% set ns.l = [ns.l] %}{% endfor %}"),
                   "lists within lists"));

  EXPECT_TRUE(ends(error_of("{{ " + std::string(1500, '(') + "1" + std::string(1500, ')') + " }}"),
                   "over 100"));
  EXPECT_TRUE(ends(error_of("{{ " + std::string(2000, '-') + "1 }}"), "over 100"));
  std::string nested;
  for (int i = 0; i < 500; ++i) nested += "{% if 1 %}";
  EXPECT_TRUE(ends(error_of(nested), "over 100"));
  std::string chain = "{{ 1";
  for (int i = 0; i < 1500; ++i) chain += "+1";
  EXPECT_TRUE(ends(error_of(chain + " }}"), deep)) << error_of(chain + " }}");
  for (int i = 0; i < 1500; ++i) chain += "+1";
  EXPECT_TRUE(ends(error_of(chain + " }}"), "4,000 parts")) << error_of(chain + " }}");
  EXPECT_TRUE(ends(error_of(std::string((size_t{1} << 20) + 1, 'x')), "at most 1048576"));
}

TEST(JinjaTemplate, WhatItCannotHold) {
  EXPECT_NE(error_of("{% set ns = namespace() %}{% set ns.me = ns %}"), "(no error)");
  EXPECT_NE(error_of("{% set ns = namespace() %}{{ [ns] }}"), "(no error)");
  EXPECT_NE(error_of("{% macro f() %}{% endmacro %}{{ [f] }}"), "(no error)");
  EXPECT_NE(error_of("{{ 'é' | upper }}"), "(no error)");
  EXPECT_NE(error_of("{{ ('<' | safe) + '<' }}"), "(no error)");
  EXPECT_EQ(render("{{ ('<' | safe) ~ '<' }}"), "<<");
  EXPECT_EQ(render("{{ s.__class__ }}", {{"s", "x"}}), "");
}

TEST(JinjaTemplate, IsOfOneDay) {
  EXPECT_EQ(render("{{ strftime_now('%Y-%m-%d %a %j') }}"), "2024-07-26 Fri 208");
}

}  // namespace
}  // namespace ponder::jinja
