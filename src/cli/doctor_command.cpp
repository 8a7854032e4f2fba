#include <fmt/format.h>

#include <filesystem>

#include "base/disk_speed.h"
#include "base/machine.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "base/version.h"
#include "cli/build.h"
#include "cli/command.h"
#include "cli/printing.h"
#include "ops/bf16_matmul.h"
#include "ops/peak.h"

namespace ponder::cli {
namespace {

void doctor(const CommonOptions& options) {
  ThreadPool threads(options.threads);
  const std::string simd = simd_name();
  const MachineMemory memory = machine_memory();
  const double peak = ops::measured_peak_gflops(threads);
  const ops::Bf16Support bf16 = ops::bf16_support();
  const double bf16_peak = ops::measured_bf16_peak_gflops(threads);
  const auto disk = static_cast<int64_t>(std::filesystem::space(".").available);
  const std::optional<DiskSpeed> speed = measured_disk_speed(".");
  if (options.json) {
    print_json({{"version", version()},
                {"commit", build_commit()},
                {"compiler", build_compiler()},
                {"libraries", build_libraries()},
                {"system", operating_system_name()},
                {"processor", processor_name()},
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
                {"disk_write_mbps", speed ? Json(speed->write_mbps) : Json()},
                {"disk_fsync_ms", speed ? Json(speed->fsync_ms) : Json()},
                {"devices", {"cpu"}}});
    return;
  }
  print("ponder   {}, commit {}, built by {}\n", version(), build_commit(), build_compiler());
  print("with     {}\n", build_libraries());
  print("system   {}\n", operating_system_name());
  print("cpu      {}; {} threads, {}, measured f32 peak {:.0f} GFLOP/s\n", processor_name(),
        threads.num_threads(), simd, peak);
  print("bf16     products by {}, measured peak {:.0f} GFLOP/s\n", ops::bf16_path_name(bf16.path),
        bf16_peak);
  print("memory   {}, {} available\n", bytes_text(memory.total_bytes),
        bytes_text(memory.available_bytes));
  print("disk     {} free here, {}\n", bytes_text(disk),
        speed ? fmt::format("written at {:.0f} MB/s, a sync takes {:.1f} ms", speed->write_mbps,
                            speed->fsync_ms)
              : "cannot be written");
  print("gpu      this build computes on CPUs only\n");
  if (simd != "AVX3" && simd != "AVX2")
    print("note     without AVX2 everything works, slowly: FMA is emulated\n");
  if (bf16.amx_announced && !bf16.amx_permitted)
    print("note     the processor announces AMX but the system does not permit it\n");
}

}  // namespace

void register_doctor(CLI::App& app) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app.add_subcommand(
      "doctor", "what this build and machine can do, and what is missing; for bug reports too");
  add_common_options(*command, *options);
  command->footer("Example:\n  ponder doctor");
  command->callback([options] { doctor(*options); });
}

}  // namespace ponder::cli
