// ponder export: a checkpoint in another format.
#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/printing.h"
#include "gguf/gguf.h"

namespace ponder::cli {
namespace {

struct ExportOptions {
  CommonOptions common;
  std::string folder, gguf, out;
};

void run_export(const ExportOptions& options) {
  TerminalMonitor monitor(options.common.quiet ? TerminalMonitor::Level::kWarning
                                               : TerminalMonitor::Level::kInfo);
  const gguf::GgmlType type = *gguf::ggml_type_from_string(options.gguf);
  refuse_own_input("--out", options.out, {options.folder});
  const gguf::GgufResult result = gguf::export_gguf(options.folder, options.out, type);
  if (!result.not_quantised.empty()) {
    monitor.warning(
        fmt::format("{} of {} tensors are stored as f16: their rows are not a multiple of "
                    "{} long ({}, …)",
                    result.not_quantised.size(), result.num_tensors, gguf::block_size(type),
                    result.not_quantised.front()));
  }
  if (!options.common.json) {
    print("{}: {}, {} tensors, {} bytes, sha256 {}\n", options.out, gguf::to_string(type),
          result.num_tensors, result.num_bytes, result.sha256);
    return;
  }
  Json json = Json::object();
  json["path"] = options.out;
  json["bytes"] = result.num_bytes;
  json["tensors"] = result.num_tensors;
  json["type"] = gguf::to_string(type);
  json["sha256"] = result.sha256;
  json["model_sha256"] = result.model_sha256;
  json["stored_as_f16"] = result.not_quantised;
  print_json(json);
}

}  // namespace

void register_export(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* sub =
      app.add_subcommand("export", "a checkpoint in another format: GGUF, for llama.cpp");
  sub->footer("Example: ponder export models/nano-base --gguf f16 --out nano-base-f16.gguf");
  add_common_options(*sub, options->common);
  sub->add_option("DIR", options->folder, "checkpoint folder")->required();
  sub->add_option("--gguf", options->gguf,
                  "write GGUF with matrices of this type: f32, f16, bf16 or q8_0")
      ->required()
      ->check(one_of({"f32", "f16", "bf16", "q8_0"}));
  sub->add_option("--out", options->out, "file to write")->required();
  sub->callback([options] { run_export(*options); });
}

}  // namespace ponder::cli
