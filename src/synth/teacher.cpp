#include "synth/teacher.h"

#include <fmt/format.h>

namespace ponder::synth {

namespace {

std::string rest_text(const Expression& rest) {
  return rest.num_operations() > 0 ? ", so " + rest.text() : "";
}

}  // namespace

std::string step_line(const Expression& expression) {
  const Fact fact = expression.next();
  return fact.text() + rest_text(expression.after(fact.value()));
}

std::string check_text(const Fact& fact, int result) {
  const Fact check = fact.check(result);
  if (check.outcome() != Outcome::kNumber) return check.text();
  return check.text() + (check.value() == fact.left ? " ok" : " no");
}

int plausible_slip(const Fact& fact, RandomSequence& random) {
  std::vector<int> offsets = {10, -10, 1, -1, 2, -2};
  random.shuffle(offsets);
  for (const int offset : offsets) {
    const int result = fact.value() + offset;
    if (result < kMinValue || result > kMaxValue) continue;
    const Outcome check = fact.check(result).outcome();
    if (check == Outcome::kNumber || check == Outcome::kNotWhole) return result;
  }
  return 0;
}

std::vector<std::string> work_out(const Expression& expression, const TeacherOptions& options,
                                  RandomSequence& random) {
  const int num_steps = expression.num_operations();
  const bool slips = random.uniform() < options.slip_probability;
  const int slip_step = static_cast<int>(random.between(0, num_steps - 1));
  std::vector<std::string> lines;
  Expression current = expression;
  for (int step = 0; step < num_steps; ++step) {
    const Fact fact = current.next();
    const Expression rest = current.after(fact.value());
    const bool checks = random.uniform() < options.check_probability;
    const auto forbidden = current.forbidden();
    if (slips && step == slip_step && forbidden && random.below(3) == 0) {
      lines.push_back(fmt::format("{}. Wait, {} goes first", forbidden->fact.text(),
                                  forbidden->precedence ? std::string(1, fact.sign) : "left"));
    } else if (slips && step == slip_step) {
      if (const int wrong = plausible_slip(fact, random); wrong != 0) {
        lines.push_back(
            fmt::format("{}, check {}. Wait", fact.claim(wrong), check_text(fact, wrong)));
      }
    }
    std::string line = fact.text();
    if (checks) line += ", check " + check_text(fact, fact.value());
    lines.push_back(line + rest_text(rest));
    current = rest;
  }
  return lines;
}

}  // namespace ponder::synth
