#include "data/known_fields.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace ponder::data {
namespace {

constexpr std::array<std::string_view, 18> kMetadata = {
    "id",     "unique_id", "question_id", "problem_id",  "domain",   "subject",
    "type",   "category",  "source",      "data_source", "book",     "level",
    "people", "year",      "aime_number", "difficulty",  "expected", "problem_number"};

constexpr std::array<std::string_view, 102> kFields = {
    // questions and turns
    "problem", "question", "messages", "prompt", "conversations", "query", "instruction", "input",
    "conversation", "dialogue", "reannotated_messages", "history", "system", "system_prompt",
    "question_stem", "content", "problem_text", "quiz",
    // responses
    "completion", "response", "output", "llm_response", "generated_solution",
    "reannotated_assistant_content", "r1_solution", "responses", "solution", "r1_solution_1",
    "r1_solution_2", "r1_solution_3", "generations", "combined_text", "text", "thought",
    "reasoning", "reasoning_content", "thinking", "complex_cot", "deepseek_reasoning",
    "deepseek_solution", "deepseek_thinking_trajectory", "deepseek_attempt",
    "gemini_thinking_trajectory", "gemini_attempt", "thinking_trajectories", "attempt",
    "model_reasoning", "model_answer", "answer_text", "prediction",
    // the sets' own verdicts
    "is_reasoning_complete", "correctness_math_verify", "correctness_llama", "deepseek_grade",
    "gemini_grade", "predicted_letter", "verdict", "kind", "finished", "finish_reason",
    // gold answers, and how they are meant
    "gold", "answer", "final_answer", "expected_answer", "gold_answer", "ground_truth",
    "reference_answer", "gold_standard_solution", "target", "reward_model", "solution_text",
    "answer_number", "ground-true answer", "answer_type", "tolerance", "error", "unit",
    "is_multiple_answer",
    // choices
    "options", "choices", "answer_letter", "answer_idx", "answer_index", "answerkey", "answer_key",
    "label", "correct_answer", "correct answer", "correct choice", "high-level domain",
    "incorrect answer 1", "incorrect answer 2", "incorrect answer 3",
    // preferences
    "chosen", "rejected", "rejected_response", "prefix",
    // of either side a text model cannot be told
    "images", "videos", "audios", "tools", "functions"};

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

ColumnUse use_of_field(const std::string& name) {
  const std::string lower = lower_ascii(name);
  if (holds(kMetadata, lower)) return ColumnUse::kIfReadable;
  const bool is_choice = lower.size() == 1 && lower[0] >= 'a' && lower[0] <= 'j';
  return is_choice || holds(kFields, lower) ? ColumnUse::kNeeded : ColumnUse::kNone;
}

}  // namespace ponder::data
