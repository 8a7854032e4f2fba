#include "data/rejected_answers.h"

#include <fmt/format.h>

#include "data/row_fields.h"

namespace ponder::data {
namespace {

RejectedAnswer answer_in(const Json& json) {
  const RowFields row(json);
  RejectedAnswer answer;
  answer.id = row.text("id");
  if (answer.id.empty())
    answer.id = fmt::format("{}-{}", row.text("problem_id"), row.text("sample"));
  answer.reason = row.text("reason");
  answer.detail = row.text("detail");
  answer.question = row.text("question");
  answer.answer = row.text("answer");
  answer.thought = row.text("thought");
  answer.text = row.text("text");
  answer.refusal = row.text("refusal");
  answer.finish_reason = row.text("finish_reason");
  answer.model = RowFields(*row.find("teacher")).text("model");
  answer.row = json;
  return answer;
}

}  // namespace

bool is_rejected_answer(const Json& json) {
  if (!json.is_object()) return false;
  const RowFields row(json);
  const Json *reason = row.find("reason"), *teacher = row.find("teacher");
  return reason && reason->is_string() && teacher && teacher->is_object() &&
         row.has("problem_id") && row.has("finish_reason");
}

void visit_rejected_answers(RowSource& rows, RowAccount& report, RowConditions* conditions,
                            const std::function<void(RejectedAnswer)>& take) {
  JsonRow json;
  const auto reject = [&](const Rejection& why, const std::string& id) {
    ++report.rows;
    report.reject({why, rows.name(), json.line, json.byte_offset, id});
  };
  const auto on_bad = [&](uint64_t line, uint64_t byte_offset, const std::string& problem) {
    ++report.rows;
    report.reject({{"bad_json", problem}, rows.name(), line, byte_offset});
  };
  while (rows.next(json, on_bad)) {
    try {
      if (!is_rejected_answer(json.value)) throw Rejection{"not_rejected", "is no rejected answer"};
      RejectedAnswer answer = answer_in(json.value);
      if (conditions) {
        Problem problem;
        problem.id = answer.id;
        problem.answer = answer.answer;
        if (const auto why = conditions->against(json.value, problem)) {
          reject(*why, answer.id);
          continue;
        }
      }
      reject({answer.reason, answer.detail}, answer.id);
      take(std::move(answer));
    } catch (const Rejection& why) {
      reject(why, "");
    }
  }
  if (report.rejected.contains("filtered")) conditions->refuse_never_found(rows.name());
}

}  // namespace ponder::data
