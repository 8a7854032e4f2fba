#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "tokenizer/thought_format.h"

namespace ponder::cli {
namespace {

struct ChatOptions {
  CommonOptions common;
  std::string model, system;
  TemplateChoice chat_template;
  SamplingSettings sampling{.temperature = 0.7, .top_p = 0.95, .top_k = 0, .max_tokens = 2048};
};

// Every question is asked on its own: the models of this method answer single problems.
void chat(const ChatOptions& options) {
  ThreadPool threads(options.common.threads);
  InferenceModel model(options.model, threads, options.chat_template);
  EngineOptions engine_options = model.engine_options();
  engine_options.max_batch = 1;
  Engine engine(model.decoder(), &model.tokenizer(), threads, engine_options);
  const bool terminal = ::isatty(1) != 0, prompt = ::isatty(0) != 0 && terminal;
  std::string line;
  for (int turn = 1;; ++turn) {
    if (prompt) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    RolloutRequest request;
    request.problem_id = fmt::format("chat-{}", turn);
    request.prompt_ids = model.prompt_ids(line, options.system);
    request.sampling = options.sampling;
    request.seed = options.common.seed;
    const std::vector<Trajectory> answer = engine.run_all({&request, 1}, {}, stop_flag());
    if (answer.empty()) throw Stopped{stop_signal()};
    const ThoughtParts parts = parse_thought(answer[0].text);
    if (options.common.json) {
      print_json({{"thought", parts.thought},
                  {"solution", parts.solution},
                  {"finish_reason", to_string(answer[0].finish_reason)},
                  {"tokens", answer[0].token_ids.size()}});
      continue;
    }
    if (!parts.thought.empty()) {
      fmt::print("{}{}{}\n\n", terminal ? "\x1b[2m" : "", parts.thought, terminal ? "\x1b[0m" : "");
    }
    fmt::print("{}\n", parts.solution);
    if (answer[0].finish_reason != FinishReason::kStop) {
      fmt::print("[cut: {}]\n", to_string(answer[0].finish_reason));
    }
  }
}

}  // namespace

void register_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command =
      app.add_subcommand("chat", "ask a model, one line a question; the thought is shown dimmed");
  command->add_option("--model", options->model, "checkpoint folder")->required();
  command->add_option("--system", options->system, "system turn");
  command->add_option("--temperature", options->sampling.temperature,
                      "0 for greedy (default: 0.7)");
  command->add_option("--top-p", options->sampling.top_p, "nucleus (default: 0.95)");
  command->add_option("--max-tokens", options->sampling.max_tokens, "per answer (default: 2048)");
  add_template_options(*command, options->chat_template);
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  echo 'Compute 7+8*3.' | ponder chat --model runs/quickstart/checkpoints/M1");
  command->callback([options] { chat(*options); });
}

}  // namespace ponder::cli
