#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/sampling_flags.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "rollout/run_rollouts.h"
#include "tokenizer/thought_format.h"
#include "tokenizer/thought_stream.h"

namespace ponder::cli {
namespace {

struct ChatOptions {
  CommonOptions common;
  std::string model, system;
  std::vector<std::string> stop;
  tokenizer::TemplateChoice chat_template;
  tensor::Precision precision = tensor::Precision::kF32;
  data::SamplingSettings sampling{.temperature = 0.7, .top_p = 0.95, .top_k = 0, .max_tokens = 0};
};

constexpr int64_t kMaxTokens = 2048;

// Prints an answer as it comes: the thought, on a terminal dimmed, an empty line, the solution.
class AnswerPrinter {
 public:
  explicit AnswerPrinter(bool colours) : colours_(colours) {}

  void text(std::string_view text) {
    num_bytes_ += text.size();
    print(parts_.push(text));
  }
  // The rest of the whole answer, of which text() was told the beginning.
  void finish(std::string_view answer) {
    text(answer.substr(num_bytes_));
    print(parts_.finish());
    close();
    print_text("\n");
  }
  // Leaves the terminal as it was.
  void close() {
    if (dimmed_) std::fputs("\x1b[0m", stdout);
    dimmed_ = false;
    std::fflush(stdout);
  }

 private:
  void print(const std::vector<tokenizer::ThoughtStream::Piece>& pieces) {
    for (const tokenizer::ThoughtStream::Piece& piece : pieces) {
      if (begun_ && piece.is_thought != in_thought_) {
        close();
        print_text("\n\n");
      }
      begun_ = true;
      in_thought_ = piece.is_thought;
      if (in_thought_ && colours_ && !dimmed_) {
        std::fputs("\x1b[2m", stdout);
        dimmed_ = true;
      }
      print_text(piece.text);
    }
    if (!pieces.empty()) std::fflush(stdout);
  }

  tokenizer::ThoughtStream parts_;
  size_t num_bytes_ = 0;
  bool colours_, begun_ = false, in_thought_ = false, dimmed_ = false;
};

// Every question is asked on its own: the models of this method answer single problems.
void chat(const ChatOptions& options) {
  ThreadPool threads(options.common.threads);
  generate::InferenceModel model(options.model, threads, options.chat_template, options.precision);
  generate::Engine engine(model.decoder(), &model.text().tokenizer(), threads,
                          model.engine_options(1));
  generate::RolloutSpec spec;
  spec.sampling = options.sampling;
  spec.seed = options.common.seed;
  spec.system = options.system;
  spec.stop_strings = options.stop;
  const bool prompt = ::isatty(0) != 0 && ::isatty(1) != 0;
  std::string line;
  for (int turn = 1;; ++turn) {
    if (prompt) print_text("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    std::vector<data::Problem> problems(1);
    problems[0].id = fmt::format("chat-{}", turn);
    problems[0].question = line;
    data::RowAccount account = data::RowAccount::of(1);
    std::vector<rollout::RolloutRequest> requests = model.rollout_requests(problems, spec, account);
    if (requests.empty())
      throw Error(fmt::format("question {}", turn), account.examples.at(0).detail);
    rollout::RolloutRequest& request = requests[0];
    if (options.sampling.max_tokens == 0) {
      const auto left =
          model.config().max_position_embeddings - static_cast<int64_t>(request.prompt_ids.size());
      request.sampling.max_tokens = static_cast<int>(std::clamp<int64_t>(left, 1, kMaxTokens));
    }
    AnswerPrinter printer(colours());
    rollout::RolloutHooks hooks;
    if (!options.common.json) {
      printer.text(request.response_prefix);
      hooks.token = [&](std::string_view, int, const rollout::TokenSampled& token) {
        printer.text(token.text);
      };
    }
    const std::vector<data::Rollout> answer =
        rollout::collect_rollouts(engine, {&request, 1}, hooks, {}, stop_flag());
    if (answer.empty()) {
      printer.close();
      throw Stopped{stop_signal()};
    }
    const data::Completion& made = answer[0].completion;
    if (options.common.json) {
      print_json({{"thought", answer[0].thought},
                  {"solution", answer[0].solution},
                  {"finish_reason", data::to_string(made.finish_reason)},
                  {"tokens", made.num_tokens()}});
      continue;
    }
    printer.finish(made.text);
    if (made.finish_reason != data::FinishReason::kStop) {
      print("[cut: {}]\n", data::to_string(made.finish_reason));
    }
  }
  if (stop_signal() != 0) throw Stopped{stop_signal()};  // at a prompt
}

}  // namespace

void register_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand(
      "chat",
      "ask a model, one line a question; the answer comes as it is made, its thought dimmed");
  command->add_option("--model", options->model, "checkpoint folder")->required();
  command->add_option("--system", options->system, "system turn");
  command->add_option("--temperature", options->sampling.temperature, "0 for greedy (default: 0.7)")
      ->check(CLI::Range(0.0, kHighestTemperature));
  command->add_option("--top-p", options->sampling.top_p, "nucleus (default: 0.95)")
      ->check(CLI::Range(kLeastTopP, 1.0));
  add_number_option(*command, "--max-tokens", options->sampling.max_tokens, 1, kMany,
                    "per answer (default: 2048, or what the model has positions for)");
  add_stop_option(*command, options->stop);
  add_template_options(*command, options->chat_template);
  add_thinking_option(*command, options->chat_template);
  add_prompt_options(*command, options->chat_template);
  add_precision_option(*command, options->precision);
  add_common_options(*command, options->common);
  command->footer(
      "Example:\n  echo 'Compute 7+8*3.' | ponder chat --model runs/quickstart/checkpoints/M1");
  command->callback([options] { chat(*options); });
}

}  // namespace ponder::cli
