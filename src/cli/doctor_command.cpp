#include <fmt/format.h>
#include <hwy/targets.h>

#include <filesystem>
#include <fstream>

#include "base/thread_pool.h"
#include "base/version.h"
#include "cli/command.h"
#include "ops/peak.h"

namespace ponder::cli {
namespace {

void doctor(const CommonOptions& options) {
  ThreadPool threads(options.threads);
  const std::string simd = hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets());
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  int64_t kib = 0, total = 0, available = 0;
  while (meminfo >> key >> kib) {
    std::getline(meminfo, unit);
    if (key == "MemTotal:") total = kib * 1024;
    if (key == "MemAvailable:") available = kib * 1024;
  }
  const double peak = measured_peak_gflops(threads);
  const auto disk = static_cast<int64_t>(std::filesystem::space(".").available);
  if (options.json) {
    print_json({{"version", version()},
                {"simd", simd},
                {"threads", threads.num_threads()},
                {"peak_gflops", peak},
                {"memory_bytes", total},
                {"memory_available_bytes", available},
                {"disk_available_bytes", disk},
                {"devices", {"cpu"}}});
    return;
  }
  fmt::print("ponder {}\n", version());
  fmt::print("cpu      {} threads, {}, measured f32 peak {:.0f} GFLOP/s\n", threads.num_threads(),
             simd, peak);
  fmt::print("memory   {:.1f} GiB, {:.1f} GiB available\n",
             static_cast<double>(total) / 1073741824.0,
             static_cast<double>(available) / 1073741824.0);
  fmt::print("disk     {:.1f} GiB free here\n", static_cast<double>(disk) / 1073741824.0);
  fmt::print("gpu      this build computes on CPUs only\n");
  if (simd != "AVX3" && simd != "AVX2")
    fmt::print("note     without AVX2 everything works, slowly: FMA is emulated\n");
}

}  // namespace

void register_doctor(CLI::App& app) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "what this build and machine can do, and what is missing");
  add_common_options(*command, *options);
  command->footer("Example:\n  ponder doctor");
  command->callback([options] { doctor(*options); });
}

}  // namespace ponder::cli
