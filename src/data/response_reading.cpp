#include "data/response_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace ponder::data {
namespace {

// What ends a turn or a text, of the models that demonstrations come from.
constexpr std::array<std::string_view, 10> kEndTokens = {
    "<|endoftext|>", "<|im_end|>",    "<|eot_id|>", "<|end_of_text|>", "</s>",
    "<|end|>",       "<end_of_turn>", "<eos>",      "<|return|>",      "<｜end▁of▁sentence｜>"};

bool is_switch(std::string_view word) {
  const std::string lower = lower_ascii(trimmed(word));
  for (const std::string_view known : {"on", "off", "high", "medium", "low", "none", "auto", "true",
                                       "false", "yes", "no", "enabled", "disabled", "minimal"}) {
    if (lower == known) return true;
  }
  return false;
}

std::string unwrapped(std::string_view solution, Changes& changes) {
  constexpr std::string_view kOpen = "<answer>", kClose = "</answer>";
  const std::string_view text = trimmed(solution);
  if (text.size() < kOpen.size() + kClose.size() || !text.starts_with(kOpen) ||
      !text.ends_with(kClose))
    return std::string(solution);
  const std::string_view inner =
      text.substr(kOpen.size(), text.size() - kOpen.size() - kClose.size());
  if (inner.find(kOpen) != inner.npos || inner.find(kClose) != inner.npos)
    return std::string(solution);
  ++changes["answer_tags_stripped"];
  return std::string(trimmed(inner));
}

std::string cleaned(std::string_view solution, Changes& changes) {
  return unwrapped(without_end_tokens(solution, changes), changes);
}

}  // namespace

std::string without_end_tokens(std::string_view text, Changes& changes) {
  bool cut = false;
  for (bool again = true; again;) {
    again = false;
    const std::string_view bare = trimmed(text);
    for (const std::string_view token : kEndTokens) {
      if (!bare.ends_with(token)) continue;
      // <s>…</s> is a tag of HTML.
      if (token == "</s>" && bare.find("<s>") != bare.npos) continue;
      const size_t end = static_cast<size_t>(bare.data() - text.data()) + bare.size();
      text = text.substr(0, end - token.size());
      cut = again = true;
      break;
    }
  }
  if (!cut) return std::string(text);
  ++changes["end_token_cut"];
  while (!text.empty() && kWhiteSpace.find(text.back()) != kWhiteSpace.npos) text.remove_suffix(1);
  return std::string(text);
}

ApartThought apart_thought(const RowFields& fields, bool of_row) {
  for (const char* key : {"reasoning_content", "reasoning", "thinking"}) {
    const Json* value = fields.find(key);
    if (!value || (of_row && !value->is_string())) continue;
    const std::string text = fields.text(key);
    if (is_blank(text) || is_switch(text)) continue;
    return {text, of_row && std::string_view(key) != "reasoning_content"};
  }
  return {};
}

void take_response(std::string_view response, const ApartThought& apart,
                   const tokenizer::ThoughtTags& tags, Demonstration& demonstration,
                   Changes& changes) {
  using tokenizer::ThoughtFault;
  const std::string text = without_end_tokens(response, changes);
  if (is_blank(text)) throw Rejection{"empty_solution", "the response is empty"};
  const tokenizer::ThoughtParts parts = tokenizer::parse_teacher_response(text, tags);
  const bool no_tags = parts.fault == ThoughtFault::kNoTags;
  const bool empty_block = parts.fault == ThoughtFault::kEmptyThought;
  if (parts.fault != ThoughtFault::kNone && !no_tags && !empty_block) {
    throw Rejection{std::string(tokenizer::to_string(parts.fault)), parts.detail};
  }
  demonstration.thought = empty_block ? "" : parts.thought;
  demonstration.solution = parts.solution;
  demonstration.written = no_tags ? "" : std::string(trimmed(text));
  if (!apart.text.empty()) {
    const std::string thought(trimmed(apart.text));
    if (no_tags || empty_block) {
      demonstration.thought = thought;
      demonstration.solution = std::string(trimmed(parts.solution));
      demonstration.written.clear();
    } else if (normalised_question(thought) == normalised_question(parts.thought)) {
      ++changes["thought_given_twice"];
    } else if (!apart.doubtful) {
      throw Rejection{"repeated_tag", "one thought stands apart and another in tags"};
    }
  }
  demonstration.solution = cleaned(demonstration.solution, changes);
  if (is_blank(demonstration.solution)) {
    throw Rejection{"empty_solution", "no solution after the thought"};
  }
}

void take_parts(std::string_view thought, std::string_view solution, Demonstration& demonstration,
                Changes& changes) {
  demonstration.thought = std::string(trimmed(thought));
  demonstration.solution = cleaned(trimmed(solution), changes);
}

}  // namespace ponder::data
