// The families of tags that part a response into thought and solution. Internal to thought_format
// and thought_stream.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace ponder::tokenizer {

// The tags of a family in the order in which they must stand. Without solution tags, all that
// follows the thought is the solution.
enum TagRole : size_t { kBeginThought, kEndThought, kBeginSolution, kEndSolution };
constexpr size_t kNumTagRoles = 4;
using TagFamily = std::array<std::string_view, kNumTagRoles>;

constexpr std::array<TagFamily, 3> kTagFamilies = {{
    {"<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>", "<|end_of_solution|>"},
    {"<think>", "</think>", "", ""},
    {"<Thought>", "</Thought>", "<Output>", "</Output>"},
}};

constexpr size_t kAbsent = std::string_view::npos;  // of a tag that was not found

}  // namespace ponder::tokenizer
