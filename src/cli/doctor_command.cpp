#include <fmt/format.h>
#include <hwy/targets.h>

#include <filesystem>

#include "base/machine.h"
#include "base/thread_pool.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "ops/bf16_matmul.h"
#include "ops/peak.h"

namespace ponder::cli {
namespace {

void doctor(const CommonOptions& options) {
  ThreadPool threads(options.threads);
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;  // kernels are compiled for
  const std::string simd = hwy::TargetName(targets & -targets);
  const MachineMemory memory = machine_memory();
  const double peak = ops::measured_peak_gflops(threads);
  const ops::Bf16Support bf16 = ops::bf16_support();
  const double bf16_peak = ops::measured_bf16_peak_gflops(threads);
  const auto disk = static_cast<int64_t>(std::filesystem::space(".").available);
  if (options.json) {
    print_json({{"version", version()},
                {"simd", simd},
                {"threads", threads.num_threads()},
                {"peak_gflops", peak},
                {"bf16_path", ops::bf16_path_name(bf16.path)},
                {"bf16_peak_gflops", bf16_peak},
                {"amx_announced", bf16.amx_announced},
                {"amx_permitted", bf16.amx_permitted},
                {"memory_bytes", memory.total_bytes},
                {"memory_available_bytes", memory.available_bytes},
                {"disk_available_bytes", disk},
                {"devices", {"cpu"}}});
    return;
  }
  print("ponder {}\n", version());
  print("cpu      {} threads, {}, measured f32 peak {:.0f} GFLOP/s\n", threads.num_threads(), simd,
        peak);
  print("bf16     products by {}, measured peak {:.0f} GFLOP/s\n", ops::bf16_path_name(bf16.path),
        bf16_peak);
  print("memory   {:.1f} GiB, {:.1f} GiB available\n",
        static_cast<double>(memory.total_bytes) / 1073741824.0,
        static_cast<double>(memory.available_bytes) / 1073741824.0);
  print("disk     {:.1f} GiB free here\n", static_cast<double>(disk) / 1073741824.0);
  print("gpu      this build computes on CPUs only\n");
  if (simd != "AVX3" && simd != "AVX2")
    print("note     without AVX2 everything works, slowly: FMA is emulated\n");
  if (bf16.amx_announced && !bf16.amx_permitted)
    print("note     the processor announces AMX but the system does not permit it\n");
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
