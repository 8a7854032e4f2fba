// Lengths of rows and responses: what a recipe takes where it says nothing, and what its limits cost.
// Internal to this folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ponder::pipeline {

class PlanContext;

// Of the model in the folder; 0 where it cannot be told.
int64_t positions_of(const std::filesystem::path& model);

// Tokens of a training row, those of the STILL-2 report where the model has positions for them: 20,000.
// `positions` of 0 are as many as needed.
int64_t usual_max_length(int64_t positions);
// Tokens of a response: 32,768, or what positions leave behind a prompt of an eighth of them, at most
// 2,048.
int64_t usual_max_tokens(int64_t positions);

// A sentence for each limit that costs demonstrations (max_length), or that cuts responses which are
// as long as those that are taught (max_tokens), with how many.
std::vector<std::string> length_warnings(const PlanContext& context);

}  // namespace ponder::pipeline
