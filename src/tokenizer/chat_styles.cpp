#include "tokenizer/chat_styles.h"

#include <algorithm>
#include <array>

#include "base/hash.h"

namespace ponder::tokenizer {
namespace {

// The texts of Qwen2.5, QwQ, Qwen3 and SmolLM2 are the published ones (Apache-2.0), with @…@ where the
// models of a family differ; those of Llama 3 and DeepSeek-R1 are written anew.

constexpr std::string_view kChatml =
    R"jinja({% for message in messages %}@first@{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})jinja";

constexpr std::string_view kChatmlSystem =
    R"jinja({% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n@system@<|im_end|>\n' }}{% endif %})jinja";

// @turns@: user, system and assistant turns; @opened@: what the generation prompt says at its end.
constexpr std::string_view kQwen2 =
    R"jinja({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- '@system@' }}
    {%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\n@system@<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
@turns@    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n@opened@' }}
{%- endif %}
)jinja";

constexpr std::string_view kQwen2Turns =
    R"jinja({%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
)jinja";

constexpr std::string_view kQwqTurns =
    R"jinja({%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" and not message.tool_calls %}
        {%- set content = message.content %}
        {%- if not loop.last %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- if not loop.last %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
)jinja";

// @turn@: what an assistant turn begins with, its calls aside.
constexpr std::string_view kQwen3 =
    R"jinja({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
@turn@        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
@opened@{%- endif %})jinja";

constexpr std::string_view kQwen3Thoughts =
    R"jinja(        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in message.content %}
                {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
                {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
)jinja";

constexpr std::string_view kQwen3Plain =
    R"jinja(        {%- set content = message.content %}
        {{- '<|im_start|>' + message.role + '\n' + content }}
)jinja";

constexpr std::string_view kQwen3Switch =
    R"jinja(    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
)jinja";

constexpr std::string_view kQwen3Opened =
    R"jinja(    {{- '<think>\n' }}
)jinja";

// @system@: what stands before the turns; @turn@: which turns there are.
constexpr std::string_view kLlama3 =
    R"jinja({{- '<|begin_of_text|>' }}
@system@{%- for message in messages %}
@turn@        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
@end@{%- endfor %}
@opened@    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
@closed@)jinja";

constexpr std::string_view kLlama31System =
    R"jinja({{- '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n' }}
{%- if messages[0].role == 'system' %}
    {{- messages[0].content | trim }}
{%- endif %}
{{- '<|eot_id|>' }}
)jinja";

constexpr std::string_view kDeepseek =
    R"jinja({%- set ns = namespace(system='') %}
{%- for message in messages %}
    {%- if message.role == 'system' %}
        {%- set ns.system = message.content %}
    {%- endif %}
{%- endfor %}
{{- '<｜begin▁of▁sentence｜>' + ns.system }}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<｜User｜>' + message.content }}
    {%- elif message.role == 'assistant' %}
        {{- '<｜Assistant｜>' + message.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<｜Assistant｜>@opened@' }}
{%- endif %})jinja";

constexpr std::string_view kHelpful = "You are a helpful assistant.";
constexpr std::string_view kQwen =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
constexpr std::string_view kQwenMath =
    "Please reason step by step, and put your final answer within \\\\boxed{}.";
constexpr std::string_view kQwqPreview =
    "You are a helpful and harmless assistant. You are Qwen developed by Alibaba. You should think "
    "step-by-step.";
constexpr std::string_view kSmolLm2 =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

struct Filling {
  std::string_view place, with;
};

std::string filled(std::string_view text, std::initializer_list<Filling> fillings) {
  std::string result(text);
  for (const Filling& filling : fillings) {
    for (size_t at = result.find(filling.place); at != result.npos;
         at = result.find(filling.place, at + filling.with.size()))
      result.replace(at, filling.place.size(), filling.with);
  }
  return result;
}

ChatStyle chatml(std::string_view name, std::string_view system) {
  const std::string first =
      system.empty() ? std::string() : filled(kChatmlSystem, {{"@system@", system}});
  return {name, filled(kChatml, {{"@first@", first}}), {"<|im_end|>", "<|im_start|>"}};
}

ChatStyle qwen2(std::string_view name, std::string_view system) {
  return {name,
          filled(kQwen2, {{"@turns@", kQwen2Turns}, {"@system@", system}, {"@opened@", ""}}),
          {"<|im_end|>", "<|im_start|>"}};
}

// Without a system turn of its own, so none is written.
ChatStyle qwq() {
  constexpr std::string_view kDefaultTurn =
      "\n    {%- else %}\n        {{- '<|im_start|>system\\n@system@<|im_end|>\\n' }}";
  return {"qwq",
          filled(kQwen2, {{kDefaultTurn, ""},
                          {"@turns@", kQwqTurns},
                          {"@system@", ""},
                          {"@opened@", "<think>\\n"}}),
          {"<|im_end|>", "<|im_start|>"},
          "<think>\n"};
}

ChatStyle qwen3(std::string_view name, std::string_view turn, std::string_view opened,
                std::string_view response_prefix = {}) {
  return {name,
          filled(kQwen3, {{"@turn@", turn}, {"@opened@", opened}}),
          {"<|im_end|>", "<|im_start|>"},
          response_prefix};
}

ChatStyle llama3(std::string_view name, bool dates, bool always_open) {
  return {name,
          filled(kLlama3,
                 {{"@system@", dates ? kLlama31System : ""},
                  {"@turn@",
                   dates ? "    {%- if not (loop.first and message.role == 'system') %}\n" : ""},
                  {"@end@", dates ? "    {%- endif %}\n" : ""},
                  {"@opened@", always_open ? "" : "{%- if add_generation_prompt %}\n"},
                  {"@closed@", always_open ? "" : "{%- endif %}"}}),
          {"<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|begin_of_text|>"}};
}

ChatStyle deepseek(std::string_view name, bool opens) {
  return {name,
          filled(kDeepseek, {{"@opened@", opens ? "<think>\\n" : ""}}),
          {"<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>"},
          opens ? "<think>\n" : ""};
}

struct RecordedText {
  std::string_view text_sha256, style;
};

// Published texts whose hashes earlier versions wrote into checkpoints and rollouts.
constexpr std::array kRecordedTexts = {
    // ChatML is written in several ways that render the same: with and without a default for
    // add_generation_prompt, line ends as they are or as \n.
    RecordedText{"153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", "chatml"},
    RecordedText{"58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7", "chatml"},
    RecordedText{"fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e", "chatml"},
    RecordedText{"d7b5b8c7b58f7a6bf868aa46a5f73ee976d7292f40fcb9c3e7a1defd8d235cfb", "chatml"},
    // SmolLM2-Instruct.
    RecordedText{"872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788", "smollm2"},
    // Qwen2-Instruct; Qwen2.5 and Qwen3 base models; Qwen2.5-Instruct; QwQ-32B.
    RecordedText{"793202280c0910ab26bc6eb57c8212c2417324c6d8c4efd0d10d59092ab3e3eb", "qwen2"},
    RecordedText{"44d5f08f3f72b837eaad09f13a54c1f9f4eb58d75240334548b7fd52a5437fa5",
                 "qwen2.5-base"},
    RecordedText{"cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f", "qwen2.5"},
    RecordedText{"16488ad69d85833e5f66c50174f39834b688343337e9337f018deaa21b354117", "qwq"},
    // Qwen3, at first and since it lets a content be no text.
    RecordedText{"87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5", "qwen3"},
    RecordedText{"a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8", "qwen3"},
    // Qwen3-Thinking-2507; Qwen3-Instruct-2507, as published and as converted for MLX.
    RecordedText{"3802169b2a02b81e6adb7ab4f64f91ff02db753c8c3a64a01c35192d3a61d8d7",
                 "qwen3-thinking"},
    RecordedText{"64f85b198065d0fba2a81f37e10ed68161ce2c19a754c7100e67e0ca2ee9c326",
                 "qwen3-instruct"},
    RecordedText{"40c21f34cf67d8c760ef72f8ad3ae5afad514299d4b06e91dd9a8d705af7b541",
                 "qwen3-instruct-mlx"},
    // Llama 3, corrected and at first; Llama 3.1 and 3.3; Llama 3.2.
    RecordedText{"ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122", "llama3"},
    RecordedText{"b48c47f6443892716176eb200bf4ef108f64e06ca26ed0fa8ebc0a4b3992fcb2", "llama3-open"},
    RecordedText{"e10ca381b1ccc5cf9db52e371f3b6651576caee0a630b452e2816b2d404d4b65", "llama3.1"},
    RecordedText{"5816fce10444e03c2e9ee1ef8a4a1ea61ae7e69e438613f3b17b69d0426223a4", "llama3.1"},
    // DeepSeek-R1-Distill, since it opens the thought and at first.
    RecordedText{"56a1447ad31926fdc21fb07e56e5642bd9c850c4f52d8c8af7bbe5f079a84f5f", "deepseek-r1"},
    RecordedText{"b6835114b7303ddd78919a82e4d9f7d8c26ed0d7dfc36beeb12d524f6144eab1",
                 "deepseek-r1-unopened"},
};

}  // namespace

const std::vector<ChatStyle>& chat_styles() {
  static const std::vector<ChatStyle> kStyles = {
      chatml("chatml", ""),
      chatml("qwen2", kHelpful),
      chatml("smollm2", kSmolLm2),
      qwen2("qwen2.5-base", kHelpful),
      qwen2("qwen2.5", kQwen),
      qwen2("qwen2.5-math", kQwenMath),
      qwen2("qwq-preview", kQwqPreview),
      qwq(),
      qwen3("qwen3", kQwen3Thoughts, kQwen3Switch),
      qwen3("qwen3-thinking", kQwen3Thoughts, kQwen3Opened, "<think>\n"),
      qwen3("qwen3-instruct", kQwen3Plain, ""),
      qwen3("qwen3-instruct-mlx", kQwen3Thoughts, ""),
      llama3("llama3", false, false),
      llama3("llama3-open", false, true),
      llama3("llama3.1", true, false),
      deepseek("deepseek-r1", true),
      deepseek("deepseek-r1-unopened", false)};
  return kStyles;
}

const ChatStyle* style_of(std::string_view template_sha256) {
  std::string_view name;
  for (const RecordedText& recorded : kRecordedTexts) {
    if (recorded.text_sha256 == template_sha256) name = recorded.style;
  }
  for (const ChatStyle& style : chat_styles()) {
    if (style.name == name || sha256_hex(style.name) == template_sha256) return &style;
  }
  return nullptr;
}

}  // namespace ponder::tokenizer
