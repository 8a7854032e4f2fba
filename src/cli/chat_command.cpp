// ponder chat: a conversation with a model, or with two at once.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <iostream>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/number_option.h"
#include "cli/printing.h"
#include "cli/sampling_flags.h"
#include "cli/stop_signals.h"
#include "generate/inference_model.h"
#include "generate/sampling_defaults.h"
#include "rollout/run_rollouts.h"
#include "tokenizer/thought_format.h"
#include "tokenizer/thought_stream.h"

namespace ponder::cli {
namespace {

struct ChatOptions {
  CommonOptions common;
  std::string model, against, system;
  std::vector<std::string> stop;
  tokenizer::TemplateChoice chat_template;
  std::optional<tensor::Precision> precision;  // nothing: the model's usual
  double temperature = -1, top_p = -1;         // below 0: what the model asks for
  int max_tokens = 0;                          // 0: what the positions leave, at most kMaxTokens
  bool single = false;
};

constexpr int64_t kMaxTokens = 2048;
constexpr data::SamplingSettings kUsual{
    .temperature = 0.7, .top_p = 0.95, .top_k = 0, .max_tokens = 0};
constexpr const char* kNewConversation = "/new";

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
  void print(const AnswerPieces& pieces) {
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

using OnText = std::function<void(std::string_view)>;

// A model and what was said to it so far.
class Speaker {
 public:
  Speaker(const std::string& folder, const ChatOptions& options, ThreadPool& threads)
      : name_(folder),
        options_(options),
        model_(folder, threads, options.chat_template, options.precision),
        engine_(model_.decoder(), &model_.text().tokenizer(), threads, model_.engine_options(1)) {
    spec_.sampling = generate::as_the_model_asks(folder, kUsual);
    if (options.temperature >= 0) spec_.sampling.temperature = options.temperature;
    if (options.top_p >= 0) spec_.sampling.top_p = options.top_p;
    spec_.seed = options.common.seed;
    spec_.system = options.system;
    spec_.stop_strings = options.stop;
  }

  const std::string& name() const { return name_; }
  const data::SamplingSettings& sampling() const { return spec_.sampling; }
  // Earlier turns that were forgotten because the model has no positions for them.
  size_t forgotten() const { return forgotten_; }
  void forget() { history_.clear(); }

  // The answer, or nothing where it was interrupted: then nothing was said. `on_text` is told of it as
  // it comes.
  std::optional<data::Rollout> ask(int turn, const std::string& question, const OnText& on_text) {
    rollout::RolloutRequest request =
        model_.rollout_request(fmt::format("chat-{}", turn), prompt_of(question), spec_);
    const auto left =
        model_.config().max_position_embeddings - static_cast<int64_t>(request.prompt_ids.size());
    request.sampling.max_tokens = options_.max_tokens > 0
                                      ? options_.max_tokens
                                      : static_cast<int>(std::clamp<int64_t>(left, 1, kMaxTokens));
    rollout::RolloutHooks hooks;
    if (on_text) {
      on_text(request.response_prefix);
      hooks.token = [&](std::string_view, int, const rollout::TokenSampled& token) {
        on_text(token.text);
      };
    }
    std::vector<data::Rollout> answer =
        rollout::collect_rollouts(engine_, {&request, 1}, hooks, {}, stop_flag());
    if (answer.empty()) return std::nullopt;
    if (!options_.single) {
      history_.push_back({false, question});
      history_.push_back({true, answer[0].solution});
    }
    return std::move(answer[0]);
  }

 private:
  // The first turns are forgotten where conversation and answer would not fit.
  std::vector<int32_t> prompt_of(const std::string& question) {
    const data::ModelText& text = model_.text();
    for (const std::string& said : {question, options_.system}) {
      if (const auto missing = text.tokenizer().byte_without_token(said))
        throw Error("the question", missing->describe());
    }
    const int64_t positions = model_.config().max_position_embeddings;
    const int64_t room =
        std::max<int64_t>(options_.max_tokens, std::min(kMaxTokens, positions / 2));
    forgotten_ = 0;
    for (;;) {
      std::vector<int32_t> prompt = text.prompt_ids(question, options_.system, history_);
      const auto tokens = static_cast<int64_t>(prompt.size());
      if (tokens + (history_.empty() ? std::max(1, options_.max_tokens) : room) <= positions)
        return prompt;
      if (history_.empty()) {
        throw Error("the question",
                    fmt::format("its prompt of {} tokens and a completion of up to {} exceed the "
                                "model's {} positions",
                                tokens, std::max(1, options_.max_tokens), positions));
      }
      history_.erase(history_.begin(), history_.begin() + 2);
      ++forgotten_;
    }
  }

  std::string name_;
  const ChatOptions& options_;
  generate::InferenceModel model_;
  generate::Engine engine_;
  generate::RolloutSpec spec_;
  std::vector<data::Turn> history_;
  size_t forgotten_ = 0;
};

Json json_of(const data::Rollout& answer) {
  return {{"thought", answer.thought},
          {"solution", answer.solution},
          {"finish_reason", data::to_string(answer.completion.finish_reason)},
          {"tokens", answer.completion.num_tokens()}};
}

std::string cut_note(const data::Rollout& answer) {
  const data::FinishReason reason = answer.completion.finish_reason;
  return reason == data::FinishReason::kStop ? ""
                                             : fmt::format("[cut: {}]", data::to_string(reason));
}

// Columns of standard output's terminal; 0 where it is none.
size_t terminal_width() {
  winsize size = {};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

AnswerPieces pieces_of(std::string_view answer) {
  tokenizer::ThoughtStream parts;
  AnswerPieces pieces = parts.push(answer);
  for (auto& piece : parts.finish()) pieces.push_back(std::move(piece));
  return pieces;
}

class ChatSession {
 public:
  ChatSession(const ChatOptions& options, ThreadPool& threads)
      : options_(options), interactive_(::isatty(0) != 0 && ::isatty(1) != 0) {
    speakers_.push_back(std::make_unique<Speaker>(options.model, options, threads));
    if (!options.against.empty())
      speakers_.push_back(std::make_unique<Speaker>(options.against, options, threads));
  }

  void run() {
    if (interactive_ && !options_.common.quiet) greet();
    std::string line;
    for (int turn = 1;; ++turn) {
      if (!read_line(line)) break;
      if (line.empty()) continue;
      if (line == kNewConversation) {
        for (auto& speaker : speakers_) speaker->forget();
        continue;
      }
      if (speakers_.size() == 1) {
        answer_alone(turn, line);
      } else {
        answer_both(turn, line);
      }
    }
    if (stop_signal() != 0) throw Stopped{stop_signal()};
    if (interactive_) print_text("\n");
  }

 private:
  // False at the end of the input, and where a signal ended it.
  bool read_line(std::string& line) const {
    if (!interactive_) {
      std::fflush(stdout);
      return static_cast<bool>(std::getline(std::cin, line));
    }
    forget_interrupt();  // one that came as the answer ended
    const AtPrompt waiting;
    if (stop_signal() != 0) return false;
    print_text("> ");
    std::fflush(stdout);
    return static_cast<bool>(std::getline(std::cin, line));
  }

  void greet() const {
    for (const auto& speaker : speakers_) {
      const data::SamplingSettings& sampling = speaker->sampling();
      tell(fmt::format("{}: temperature {:g}, top-p {:g}{}", speaker->name(), sampling.temperature,
                       sampling.top_p,
                       sampling.top_k > 0 ? fmt::format(", top-k {}", sampling.top_k) : ""));
    }
    tell(fmt::format("Ctrl-C ends an answer, Ctrl-D the chat, {} begins another conversation",
                     kNewConversation));
  }

  // An interrupt ends the answer; anything else, and where nobody types, the program.
  void interrupted() const {
    if (!interactive_ || !forget_interrupt()) throw Stopped{stop_signal()};
    print_text("\n[stopped; this turn is forgotten]\n");
  }

  void say_forgotten(const Speaker& speaker) const {
    if (speaker.forgotten() == 0 || options_.common.json) return;
    tell(fmt::format("{}: no room for the whole conversation: the first {} turns are forgotten",
                     speaker.name(), speaker.forgotten()));
  }

  void answer_alone(int turn, const std::string& question) {
    AnswerPrinter printer(colours());
    OnText on_text;
    if (!options_.common.json) on_text = [&](std::string_view text) { printer.text(text); };
    const std::optional<data::Rollout> answer = speakers_[0]->ask(turn, question, on_text);
    if (!answer) {
      printer.close();
      return interrupted();
    }
    say_forgotten(*speakers_[0]);
    if (options_.common.json) return print_json(json_of(*answer));
    printer.finish(answer->completion.text);
    if (const std::string note = cut_note(*answer); !note.empty()) print_text(note + "\n");
  }

  // One model after the other; then what they said.
  void answer_both(int turn, const std::string& question) {
    std::vector<data::Rollout> answers;
    for (const auto& speaker : speakers_) {
      OnText on_text;
      int64_t tokens = 0;
      if (interactive_ && !options_.common.json && !options_.common.quiet) {
        on_text = [&](std::string_view) {
          tell_over(fmt::format("answer {} of {}: {} tokens", answers.size() + 1, speakers_.size(),
                                tokens++));
        };
      }
      std::optional<data::Rollout> answer = speaker->ask(turn, question, on_text);
      if (on_text) tell_over("");
      if (!answer) return interrupted();
      say_forgotten(*speaker);
      answers.push_back(std::move(*answer));
    }
    if (options_.common.json) {
      Json both = Json::array();
      for (size_t i = 0; i < answers.size(); ++i) {
        both.push_back({{"model", speakers_[i]->name()}});
        both.back().update(json_of(answers[i]));
      }
      return print_json({{"answers", both}});
    }
    constexpr size_t kNarrowest = 60;
    const size_t width = terminal_width();
    width >= kNarrowest ? print_beside(answers, width) : print_below(answers);
  }

  void print_beside(const std::vector<data::Rollout>& answers, size_t width) const {
    std::vector<AnswerPieces> columns;
    for (size_t i = 0; i < answers.size(); ++i) {
      columns.push_back({{false, speakers_[i]->name() + "\n"}});
      for (auto& piece : pieces_of(answers[i].completion.text))
        columns.back().push_back(std::move(piece));
      if (const std::string note = cut_note(answers[i]); !note.empty())
        columns.back().push_back({false, "\n" + note});
    }
    print_drawn(side_by_side(columns[0], columns[1], width, colours()));
  }

  void print_below(const std::vector<data::Rollout>& answers) const {
    for (size_t i = 0; i < answers.size(); ++i) {
      if (i > 0) print_text("\n");
      print("{}:\n", speakers_[i]->name());
      AnswerPrinter printer(colours());
      printer.finish(answers[i].completion.text);
      if (const std::string note = cut_note(answers[i]); !note.empty()) print_text(note + "\n");
    }
  }

  const ChatOptions& options_;
  const bool interactive_;
  std::vector<std::unique_ptr<Speaker>> speakers_;  // one, or two beside each other
};

void chat(const ChatOptions& options) {
  ThreadPool threads(options.common.threads);
  stop_flag();  // from now on Ctrl-C is heard
  ChatSession(options, threads).run();
}

}  // namespace

void register_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand(
      "chat",
      "talk to a model, one line a turn; the answer comes as it is made, its thought dimmed");
  command->add_option("--model", options->model, "checkpoint folder")->required();
  command->add_option("--against", options->against,
                      "a second checkpoint: both answer, side by side where the terminal is wide");
  command->add_option("--system", options->system, "system turn");
  command
      ->add_option("--temperature", options->temperature,
                   "0 for greedy (default: what the model's generation_config.json asks for, else "
                   "0.7)")
      ->check(number_in(0.0, kHighestTemperature));
  command
      ->add_option("--top-p", options->top_p,
                   "nucleus (default: what generation_config.json asks for, else 0.95)")
      ->check(number_in(kLeastTopP, 1.0));
  add_number_option(*command, "--max-tokens", options->max_tokens, 1, kMany,
                    "per answer (default: 2048, or what the model has positions for)");
  command->add_flag("--single", options->single,
                    "every line is a question of its own; without it, what was said before is part "
                    "of the prompt, thoughts left out");
  add_stop_option(*command, options->stop);
  add_template_options(*command, options->chat_template);
  add_thinking_option(*command, options->chat_template);
  add_prompt_options(*command, options->chat_template);
  add_precision_option(*command, options->precision);
  add_common_options(*command, options->common);
  command->footer(
      "On a terminal Ctrl-C ends an answer, Ctrl-D the chat; the line /new begins another "
      "conversation.\n"
      "Examples:\n  echo 'Compute 7+8*3.' | ponder chat --model runs/quickstart/checkpoints/M3\n"
      "  ponder chat --model runs/quickstart/checkpoints/M3 --against models/nano-base");
  command->callback([options] { chat(*options); });
}

}  // namespace ponder::cli
