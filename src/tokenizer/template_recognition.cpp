#include "tokenizer/template_recognition.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "tokenizer/tokenizer.h"

namespace ponder::tokenizer {
namespace {

struct Probe {
  const char* what;
  std::vector<Json> messages;  // no Json: of one in braces some compilers make a copy, no list
  bool add_generation_prompt = false;
  std::optional<bool> enable_thinking = {};
  bool tools = false;  // counts for templates that know tools
};

Json said(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

Json thought(const char* reasoning, const char* content) {
  Json message = said("assistant", content);
  message["reasoning_content"] = reasoning;
  return message;
}

Json tool_call(Json arguments) {
  Json function = {{"name", "add"}, {"arguments", std::move(arguments)}};
  return {{"type", "function"}, {"function", std::move(function)}};
}

Json calling(const char* content, Json arguments, int count = 1) {
  Json message = said("assistant", content);
  message["tool_calls"] = Json::array();
  for (int i = 0; i < count; ++i) message["tool_calls"].push_back(tool_call(arguments));
  return message;
}

const Json kSystem = said("system", "Be brief."), kAsk = said("user", "One and one?"),
           kAnswer = said("assistant", "Two."), kMore = said("user", "And two?"),
           kThink = said("assistant", "<think>\nOne more.\n</think>\n\nTwo."),
           kResult = said("tool", "2");

// Each difference between two templates that models are published with shows in one of these.
const std::vector<Probe>& probes() {
  static const std::vector<Probe> kProbes = {
      {"a question", {kAsk}, true},
      {"a question, no generation prompt", {kAsk}},
      {"system turn, question", {kSystem, kAsk}, true},
      {"question, answer", {kAsk, kAnswer}},
      {"system turn, question, answer, question", {kSystem, kAsk, kAnswer, kMore}, true},
      {"white space around turns",
       {said("system", " \n s \n"), said("user", "\n q \t"), said("assistant", " a\n\n"),
        said("user", "\u00a0r\u3000")},
       true},
      {"empty turns", {said("system", ""), said("user", ""), said("assistant", "")}, true},
      {"an answer with its thought", {kAsk, kThink}},
      {"an earlier answer with its thought", {kAsk, kThink, kMore}, true},
      {"answers with thoughts", {kAsk, kThink, kMore, kThink}},
      {"a thought without its beginning",
       {kAsk, said("assistant", "\n\nOne more.\n</think>\n\n\nTwo."), kMore},
       true},
      {"a thought without its beginning, last", {kAsk, said("assistant", "x\n</think>\nTwo.")}},
      {"an empty thought", {kAsk, said("assistant", "<think>\n\n</think>\n\nTwo.")}},
      {"an empty thought, earlier",
       {kAsk, said("assistant", "<think>\n\n</think>\n\nTwo."), kMore},
       true},
      {"a thought apart", {kAsk, thought("\nOne more.\n", "\nTwo.")}},
      {"a thought apart, earlier", {kAsk, thought("One more.", "Two."), kMore}, true},
      {"two answers to one question", {kAsk, kThink, kAnswer}},
      {"thought tags of other models",
       {kAsk, said("assistant", "<|begin_of_thought|>\n\nt\n\n<|end_of_thought|>\n\nTwo.")}},
      {"a later system turn", {kAsk, kAnswer, kSystem, kMore}, true},
      {"a conversation that begins with an answer", {kAnswer, kAsk}, true},
      {"thinking switched off", {kAsk}, true, false},
      {"thinking switched on", {kAsk}, true, true},
      {"thinking off, an earlier answer", {kSystem, kAsk, kThink, kMore}, true, false},
      {"tools", {kAsk}, true, {}, true},
      {"tools and a system turn", {kSystem, kAsk}, true, {}, true},
      {"a call and its result",
       {kAsk, calling("", {{"a", 1}, {"b", "\u00e9"}}), kResult},
       true,
       {},
       true},
      {"calls beside text, two results",
       {kAsk, calling("I add.", {{"a", 1}}, 2), kResult, kResult, kAnswer},
       false,
       {},
       true},
      {"a call with its arguments as text",
       {kAsk, calling("x", "{\"a\": 1}"), kResult, kMore},
       true,
       {},
       true},
      {"a thought before a call",
       {kAsk, calling("<think>\nI add.\n</think>\n\n", {{"a", 1}}), kResult, kThink},
       false,
       {},
       true},
  };
  return kProbes;
}

Json variables_of(const Probe& probe, const NamedTokens& tokens) {
  Json variables = template_variables(Json(probe.messages), probe.add_generation_prompt, tokens);
  if (probe.enable_thinking) variables["enable_thinking"] = *probe.enable_thinking;
  if (probe.tools) {
    const Json a = {{"type", "integer"}};
    const Json parameters = {{"type", "object"}, {"properties", {{"a", a}, {"b", a}}}};
    const Json function = {
        {"name", "add"}, {"description", "Adds \"two\" numbers."}, {"parameters", parameters}};
    variables["tools"] = Json::array({{{"type", "function"}, {"function", function}}});
  }
  return variables;
}

// A template may refuse a probe; that it does so counts, its words do not.
struct Rendered {
  std::string text;
  bool refused = false;
  bool operator==(const Rendered&) const = default;
};

// `words`: what it is refused with.
Rendered rendered(const jinja::Template& text, const Json& variables,
                  std::string* words = nullptr) {
  try {
    constexpr jinja::Limits kOfAProbe{.steps = 200'000, .bytes = 8 << 20};
    return {text.render(variables, kOfAProbe)};
  } catch (const Error& error) {
    if (words) *words = error.problem();
    return {"", true};
  }
}

bool knows_tools(const ChatStyle& style) { return style.text.find("tools") != std::string::npos; }

// The probes as one text renders them, each when it is asked for.
class Probed {
 public:
  Probed(jinja::Template text, NamedTokens tokens)
      : text_(std::move(text)), tokens_(std::move(tokens)), list_(probes().size()) {}
  explicit Probed(const ChatStyle& style)
      : Probed(jinja::Template(style.text, std::string(style.name)), {}) {}

  const Rendered& at(size_t i) {
    if (!list_[i]) list_[i] = rendered(text_, variables_of(probes()[i], tokens_));
    return *list_[i];
  }

  std::string why_refused(size_t i) const {
    std::string words;
    rendered(text_, variables_of(probes()[i], tokens_), &words);
    return words;
  }

 private:
  jinja::Template text_;
  NamedTokens tokens_;
  std::vector<std::optional<Rendered>> list_;
};

// The first probe that they render otherwise; the number of probes if there is none.
size_t first_difference(Probed& text, const ChatStyle& style) {
  Probed known(style);
  const bool tools = knows_tools(style);
  for (size_t i = 0; i < probes().size(); ++i) {
    if (probes()[i].tools && !tools) continue;
    if (text.at(i) != known.at(i)) return i;
  }
  return probes().size();
}

std::string describe_difference(Probed& text, const ChatStyle& style, size_t i) {
  const Rendered ours = Probed(style).at(i), theirs = text.at(i);
  const auto same = static_cast<size_t>(
      std::mismatch(ours.text.begin(), ours.text.end(), theirs.text.begin(), theirs.text.end())
          .first -
      ours.text.begin());
  const auto shown = [&](const Rendered& it) {
    if (it.refused) return std::string("refuses it");
    size_t from = same > 20 ? same - 20 : 0;
    while (from > 0 && (static_cast<uint8_t>(it.text[from]) & 0xC0) == 0x80) --from;
    return fmt::format("{}\"{}\"", from > 0 ? "… " : "", excerpt(it.text.substr(from), 80));
  };
  return fmt::format("nearest is {}; first difference ({}): {} {}, this text {}{}", style.name,
                     probes()[i].what, style.name, shown(ours), shown(theirs),
                     theirs.refused ? fmt::format(" ({})", text.why_refused(i)) : "");
}

}  // namespace

Json template_variables(const Json& messages, bool add_generation_prompt,
                        const NamedTokens& tokens) {
  Json variables = {{"messages", messages},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"add_generation_prompt", add_generation_prompt}};
  for (const auto& [name, token] : tokens) variables[name] = token;
  return variables;
}

Recognition recognise(const jinja::Template& text, const NamedTokens& tokens) {
  Probed probed(text, tokens);
  const ChatStyle *same = nullptr, *nearest = nullptr;
  size_t furthest = 0;
  for (const ChatStyle& style : chat_styles()) {
    const size_t different = first_difference(probed, style);
    if (different == probes().size() && (!same || knows_tools(style))) same = &style;
    if (!nearest || different > furthest) {
      nearest = &style;
      furthest = different;
    }
  }
  if (same) return {same, ""};
  return {nullptr, describe_difference(probed, *nearest, furthest)};
}

bool behaves_like(const jinja::Template& text, const ChatStyle& style, const NamedTokens& tokens) {
  Probed probed(text, tokens);
  return first_difference(probed, style) == probes().size();
}

std::variant<TurnMarks, std::string> marks_of(const jinja::Template& text,
                                              const Tokenizer& tokenizer) {
  const auto render = [&](const Json& messages, bool add_generation_prompt) {
    return text.render(
        template_variables(messages, add_generation_prompt, tokenizer.named_tokens()));
  };
  constexpr std::string_view kQuestion = "One and one?", kResponse = "Two.";
  std::string prompt, answered, history;
  try {
    prompt = render(Json::array({kAsk}), true);
    answered = render(Json::array({kAsk, kAnswer}), false);
    history = render(Json::array({kAsk, kAnswer, kMore}), true);
  } catch (const Error& error) {
    return fmt::format("it refuses a question, an answer and a question: {}", error.problem());
  }
  const size_t at = answered.rfind(kResponse);
  if (prompt.find(kQuestion) == prompt.npos || at == answered.npos)
    return "it does not show a question and its answer as they are";
  // What stands before a response must be what the generation prompt says, but for a thought: opened
  // by the prompt, or shown empty before the answer.
  const std::string_view before = std::string_view(answered).substr(0, at);
  TurnMarks marks;
  std::string_view lead;
  if (std::string_view(prompt).starts_with(before)) {
    marks.response_prefix = prompt.substr(before.size());
    if (!marks.response_prefix.empty() && trimmed(marks.response_prefix) != "<think>") {
      return fmt::format("its generation prompt goes on with \"{}\", which an answer does not have",
                         excerpt(marks.response_prefix));
    }
  } else if (before.starts_with(prompt)) {
    lead = before.substr(prompt.size());
    std::string without_space(lead);
    std::erase_if(without_space, [](char c) { return c == '\n' || c == ' '; });
    if (without_space != "<think></think>") {
      return fmt::format("it writes \"{}\" before an answer, which its generation prompt lacks",
                         excerpt(lead));
    }
  } else {
    return fmt::format("an answer begins with \"{}\", its generation prompt is \"{}\"",
                       excerpt(before), excerpt(prompt));
  }
  const std::string_view after = std::string_view(answered).substr(at + kResponse.size());
  std::vector<std::string> specials;
  std::string end_of_turn;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id)) continue;
    std::string token = tokenizer.token_bytes(id);
    if (token.empty()) continue;
    if (after.starts_with(token) && token.size() > end_of_turn.size()) end_of_turn = token;
    if (history.find(token) != history.npos) specials.push_back(std::move(token));
  }
  if (end_of_turn.empty()) {
    return fmt::format("an answer ends with \"{}\", which begins with no special token",
                       excerpt(after));
  }
  const std::string turn = std::string(kResponse) + end_of_turn;
  if (history.find(turn) == history.npos)
    return fmt::format("an earlier answer does not end with \"{}\" as the last one does",
                       end_of_turn);
  marks.control_texts = {end_of_turn};
  for (std::string& token : specials) {
    const bool tag = trimmed(marks.response_prefix) == token;
    if (token != end_of_turn && !tag) marks.control_texts.push_back(std::move(token));
  }
  return marks;
}

}  // namespace ponder::tokenizer
