#include "cli/build.h"

#include <fmt/format.h>
#include <hwy/targets.h>
#include <sqlite3.h>
#include <zlib.h>
#include <zstd.h>

#include <CLI/Version.hpp>

namespace ponder::cli {

#ifndef PONDER_COMMIT
#define PONDER_COMMIT "unknown"
#endif

std::string_view build_commit() { return PONDER_COMMIT; }

std::string build_compiler() {
#ifdef __clang__
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string build_libraries() {
  return fmt::format("SQLite {}, zlib {}, zstd {}, fmt {}.{}.{}, CLI11 {}", sqlite3_libversion(),
                     zlibVersion(), ZSTD_versionString(), FMT_VERSION / 10000,
                     FMT_VERSION / 100 % 100, FMT_VERSION % 100, CLI11_VERSION);
}

std::string simd_name() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;  // kernels are compiled for
  return hwy::TargetName(targets & -targets);
}

}  // namespace ponder::cli
