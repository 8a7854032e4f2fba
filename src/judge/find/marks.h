// Marks that give an answer without prose: "#### 20", "A: 12", {"answer": 5}, <answer>…</answer>.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace ponder::judge {

inline constexpr size_t kMarkSearch = 50000;     // bytes at the end in which marks are looked for
inline constexpr size_t kMostDifferentTags = 3;  // a response with more commits itself to none

inline std::string_view last_bytes(std::string_view text, size_t count) {
  return text.size() > count ? text.substr(text.size() - count) : text;
}

// "Answer:" and "the answer is" in other languages, in lower case.
inline constexpr std::array<std::string_view, 19> kMarksOfLanguages = {
    "réponse :", "réponse:",    "réponse est",    "respuesta:", "respuesta es",
    "antwort:",  "antwort ist", "antwort lautet", "risposta:",  "resposta:",
    "Ответ:",    "ответ:",      "정답:",          "정답은",     "答えは",
    "答案是",    "答案为",      "答案：",         "答案:"};

// The answer and where its mark ends, in the last kMarkSearch bytes.
struct Marked {
  std::string answer;
  size_t end = 0;
};

// "#### 20", "A: 12", {"answer": 5}, 答案是 5: a value directly after the last such mark.
std::optional<Marked> marked_answer(std::string_view text);

// What stands in the last <answer>…</answer>, or after an <answer> that the end closes; `several`
// where more different ones stand there than count.
std::string_view tagged_part(std::string_view text, bool& several);

}  // namespace ponder::judge
