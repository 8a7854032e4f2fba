// Instructions that go into the user turn, around the question, by name.
#pragma once

#include <string>
#include <string_view>

namespace ponder::tokenizer {

struct TemplateChoice;

// "still-2" (the long instruction of the STILL-2 report, in front of the question) or "boxed" (the answer
// is to stand in \\boxed{}, behind it).
bool is_instruction(std::string_view name);
std::string instruction_names();
// Puts the instruction of that name around the question; throws Error (usage) for another name.
void instruct(std::string_view name, TemplateChoice& choice);

}  // namespace ponder::tokenizer
