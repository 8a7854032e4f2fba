#include "tokenizer/instructions.h"

#include "base/error.h"
#include "tokenizer/template_choice.h"

namespace ponder::tokenizer {
namespace {

// Word for word, its slips too: what a model was taught with is what it is asked with.
constexpr std::string_view kStill2 =
    "Your role as an assistant involves thoroughly exploring questions through a "
    "systematic long thinking process before providing the final precise and accurate "
    "solutions. This requires engaging in a comprehensive cycle of analysis, "
    "summarizing, exploration, reassessment, reflection, backtracing, and iteration to "
    "develop well-considered thinking process. Please structure your response into two "
    "main sections: Thought and Solution. In the Thought section, detail your "
    "reasoning process using the specified format: <|begin_of_thought|> {thought with "
    "steps separated with '\n\n'} <|end_of_thought|> Each step should include detailed "
    "considerations such as analisying questions, summarizing relevant findings, "
    "brainstorming new ideas, verifying the accuracy of the current steps, refining "
    "any errors, and revisiting previous steps. In the Solution section, based on "
    "various attempts, explorations, and reflections from the Thought section, "
    "systematically present the final solution that you deem correct. The solution "
    "should remain a logical, accurate, concise expression style and detail necessary "
    "step needed to reach the conclusion, formatted as follows: <|begin_of_solution|> "
    "{final formatted, precise, and clear solution} <|end_of_solution|> Now, try to "
    "solve the following question through the above guidelines:\n";
constexpr std::string_view kBoxed =
    "\n\nPlease reason step by step, and put your final answer within \\boxed{}.";

}  // namespace

bool is_instruction(std::string_view name) { return name == "still-2" || name == "boxed"; }

std::string instruction_names() { return "still-2, boxed"; }

void instruct(std::string_view name, TemplateChoice& choice) {
  if (!is_instruction(name)) {
    throw Error(ErrorKind::kUsage, "instruction", "there is none named \"" + excerpt(name) + "\"",
                "the instructions are " + instruction_names());
  }
  (name == "boxed" ? choice.prompt_suffix : choice.prompt_prefix) =
      name == "boxed" ? kBoxed : kStill2;
}

}  // namespace ponder::tokenizer
