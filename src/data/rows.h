// The rows ponder works on: problems, demonstrations and rollouts, and their JSON forms. Field
// names are those of docs/formats.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/completion.h"
#include "judge/judge.h"

namespace ponder::data {

struct Problem {
  std::string id;
  std::string domain;  // math, physics, chemistry, biology, code, puzzle, …; may be empty
  std::string question;
  std::string answer;  // gold
  judge::AnswerType answer_type = judge::AnswerType::kMath;
  std::string source;               // optional
  std::string level;                // optional
  std::optional<double> tolerance;  // relative, for numbers; optional
  std::string file;                 // where it was read, "" where it was not; not exported
  uint64_t line = 0;                // from 1
  std::vector<std::string>
      choices;  // texts of A, B, … where the file keeps them apart; not exported
};

// A turn of a conversation before the one that is trained on.
struct Turn {
  bool assistant = false;  // else the user's
  std::string content;     // an assistant's without its thought: a model does not see earlier ones
};

// How a thought is written in the text that is trained.
enum class ThoughtForm {
  kStill,      // STILL-2's tags: tokenizer::format_thought
  kThink,      // <think>\n…\n</think>\n\n and the solution
  kAsWritten,  // as the file has it, where it has tags; else kStill
};
std::string_view to_string(ThoughtForm form);  // "still", "think", "as-written"
std::optional<ThoughtForm> thought_form_from_string(std::string_view text);

// A teacher's response to a question.
struct Demonstration {
  std::string id;  // "" where the file has none
  std::string domain;
  std::string system;         // system turn, "" for none
  std::vector<Turn> history;  // of a longer conversation: user, assistant, user, …, assistant
  std::string question;       // the last user turn
  std::string thought;        // may be empty (a direct answer)
  std::string solution;
  std::string answer;  // gold where known
  std::string source;
  std::string level;                                         // optional
  judge::AnswerType answer_type = judge::AnswerType::kMath;  // of `answer`
  std::string file;   // where it was read, "" where it was not; not exported
  uint64_t line = 0;  // from 1

  // The response with its tags as the file has it, "" where it has none. Not exported.
  std::string written = {};

  // The assistant turn. Without a thought it is the bare solution; in kThink and kAsWritten behind an
  // empty block where the file has one.
  std::string response(ThoughtForm form = ThoughtForm::kStill) const;
};

struct SamplingSettings {
  double temperature = 1.0;  // 0 = greedy
  double top_p = 1.0;        // 1 = off
  int top_k = 0;             // 0 = off
  int max_tokens = 1024;     // completion tokens
};

// The nucleus that is sampled from wherever nobody says another: 0.95, of greedy sampling 1.
inline double usual_top_p(const SamplingSettings& sampling) {
  return sampling.temperature > 0 ? 0.95 : 1.0;
}

// What the row of a rollout says that was made elsewhere.
struct Origin {
  std::string file;  // where it was read
  uint64_t line = 0;
  std::string model;   // its name, "" where nobody said
  std::string system;  // the system turn it was asked with, "" for none that is known
  // What is known of seed, temperature, top_p, top_k and max_tokens, by name.
  Json sampling = Json::object();
};

// A completion of a problem, with its provenance; judged and scored later. Its text is the whole
// response: it begins with what the prompt ended with of it, where the chat template opens one.
struct Rollout {
  std::string problem_id;
  int sample = 0;  // index among the problem's samples
  uint64_t seed = 0;
  SamplingSettings sampling;
  std::string template_sha256, prompt_sha256;
  std::optional<bool> thinking;     // as its prompt switched it; not stored in a pool
  std::vector<int32_t> prompt_ids;  // not exported
  Completion completion;
  std::string thought, solution;          // parts of the text
  std::optional<judge::Verdict> verdict;  // once judged
  std::string proof;
  std::optional<double> perplexity;  // exp(-logprob / tokens) under `perplexity_model_sha256`
  std::string perplexity_model_sha256;
  tensor::Precision perplexity_precision = tensor::Precision::kF32;  // in which it was computed
  // Of one made elsewhere. What the row does not say of model, seed, sampling, template and prompt is
  // empty or as it stands here by default.
  std::optional<Origin> origin = {};
};

Json to_json(const Problem& problem);
Json to_json(const Demonstration& demonstration);
// What it came without (token ids, log-probabilities, hashes of weights) is not there.
Json to_json(const Rollout& rollout);
// What the row of a rollout says of its problem: `prompt` as messages, and what judges the answer.
void put_problem(Json& row, const Problem& problem);

}  // namespace ponder::data
