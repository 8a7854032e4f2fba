// Of which sources, by which compiler and for which instructions this program is: for bug reports.
#pragma once

#include <string>
#include <string_view>

namespace ponder::cli {

std::string_view build_commit();  // "1a2b3c4d5e6f", with "-changed" behind it, or "unknown"
std::string build_compiler();     // "gcc 12.2.0"
std::string
build_libraries();        // "fmt 9.1.0, SQLite 3.40.1, …", as they are at run time where they say
std::string simd_name();  // of the kernels that run here: "AVX3", "AVX2", …

}  // namespace ponder::cli
