// How much of a driver is run, and where its figures go. By the environment:
//   PONDER_NIGHTLY=1     everything; else a seeded sample that CI can afford
//   PONDER_CASE=N        only the case of this number, of whichever driver runs
//   PONDER_FIGURES=FILE  gets a line for each figure, see record_figure
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ponder::reliability {

bool nightly();

// Calls `work` with each of these numbers: by as many threads as the machine has at night, by one
// otherwise. PONDER_CASE leaves only the number it names, if it is among them.
void for_each_case(const std::vector<size_t>& numbers, const std::function<void(size_t)>& work);

// At most `limit` of the cases 0, 1, …, in order. Cases of one class ("fault, call") are drawn by
// `seed`; every class gets one before any gets another.
std::vector<size_t> sample(const std::vector<std::string>& class_of_case, size_t limit,
                           uint64_t seed);

// "driver <tab> class <tab> tries <tab> failed": a row of docs/reliability.md.
void record_figure(const std::string& driver, const std::string& what, size_t tries, size_t failed);

}  // namespace ponder::reliability
