// A run's teacher in words, from what teach::standing says or said of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace ponder::report {

// "r1: 60 of 64 problems solved; 180 asked: 160 kept, 20 rejected (12 wrong, 8 length), …" and, where it has a
// price, "3.20 of 25.00 USD spent, 0.10 more possible". None of what is no standing.
std::vector<std::string> teacher_lines(const Json& standing);

// Its state, and the rows that it gave: "" and 0 where it does not say.
std::string teacher_state(const Json& standing);
int64_t teacher_rows(const Json& standing);

// In a run's folder.
inline constexpr const char* kTeacherFile = "teacher.json";
// What it keeps: how its teacher stood when the run began or last went on; null where there is none.
Json kept_teacher(const std::filesystem::path& run);

}  // namespace ponder::report
