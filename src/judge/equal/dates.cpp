#include "judge/equal/dates.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "judge/text.h"

namespace ponder::judge {
namespace {

constexpr size_t kMostDateBytes = 80;  // of a date with its dress

struct Moment {
  int year = 0, month = 0, day = 0;  // month 0: no date; year 0: none said
  int hour = -1, minute = 0, second = 0;
  int parts = 0;  // of the time, as written
  int half = 0;   // 1 am, 2 pm, 0 not said
};

// Numbers and words in order, marks as one character; dresses taken off.
std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    size_t end = i + 1;
    if (c == '\\') {
      while (end < text.size() && is_letter(text[end])) ++end;
      if (end == i + 1) ++end;
    } else if (is_digit(c)) {
      while (end < text.size() && is_digit(text[end])) ++end;
      pieces.emplace_back(text.substr(i, end - i));
    } else if (is_letter(c)) {
      while (end < text.size() && (is_letter(text[end]) || (text[end] == '.' && end == i + 1)))
        ++end;
      std::string word = lower_ascii(text.substr(i, end - i));
      word.erase(std::remove(word.begin(), word.end(), '.'), word.end());
      pieces.push_back(std::move(word));
    } else if (c == ':' || c == '-' || c == '/') {
      pieces.emplace_back(1, c);
    } else if (!is_space(c) && std::string_view("${}^,.~()").find(c) == std::string_view::npos) {
      return {};
    }
    i = end;
  }
  return pieces;
}

bool is_number(const std::string& piece) { return is_digit(piece[0]) && piece.size() <= 4; }

int month_of(const std::string& word) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "january", "february", "march",     "april",   "may",      "june",
      "july",    "august",   "september", "october", "november", "december"};
  if (word == "sept") return 9;
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (word == kMonths[i] || (word.size() == 3 && kMonths[i].starts_with(word)))
      return static_cast<int>(i + 1);
  }
  return 0;
}

bool is_filler(const std::string& word) {
  static constexpr std::array<std::string_view, 14> kFillers = {
      "st", "nd",     "rd",      "th",        "of",       "the",    "at",
      "on", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
  return word == "sunday" || std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

// A colon, a word, or two marks between figures: without them no text is a date or a time.
bool may_be_moment(std::string_view text) {
  size_t marks = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      while (i + 1 < text.size() && is_letter(text[i + 1])) ++i;
    } else if (text[i] == ':' || (is_letter(text[i]) && i + 1 < text.size() &&
                                  (is_letter(text[i + 1]) || text[i + 1] == '.'))) {
      return true;
    } else if (text[i] == '-' || text[i] == '/') {
      if (++marks == 2) return true;
    }
  }
  return false;
}

std::optional<Moment> moment_of(std::string_view text) {
  if (text.size() > kMostDateBytes || !may_be_moment(text)) return std::nullopt;
  const std::vector<std::string> pieces = pieces_of(text);
  Moment moment;
  std::vector<int> free;  // numbers that belong to the date
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    const auto next = [&](size_t k) {
      return i + k < pieces.size() ? pieces[i + k] : std::string();
    };
    const auto number_at = [&](size_t k) { return !next(k).empty() && is_number(next(k)); };
    if (is_number(piece) && (next(1) == ":" || next(1) == "am" || next(1) == "pm")) {
      if (moment.parts > 0) return std::nullopt;
      moment.hour = std::stoi(piece);
      moment.parts = 1;
      for (int* part : {&moment.minute, &moment.second}) {
        if (next(1) != ":") break;
        if (!number_at(2) || next(2).size() != 2 || std::stoi(next(2)) > 59) return std::nullopt;
        *part = std::stoi(next(2));
        ++moment.parts;
        i += 2;
      }
    } else if ((piece == "am" || piece == "pm") && moment.parts > 0 && moment.half == 0) {
      moment.half = piece == "am" ? 1 : 2;
    } else if (is_number(piece) && piece.size() == 4 && (next(1) == "-" || next(1) == "/") &&
               number_at(2) && next(3) == next(1) && number_at(4) && moment.month == 0) {
      moment.year = std::stoi(piece);
      moment.month = std::stoi(next(2));
      moment.day = std::stoi(next(4));
      i += 4;
    } else if (is_number(piece)) {
      free.push_back(std::stoi(piece));
    } else if (const int month = month_of(piece); month && moment.month == 0) {
      moment.month = month;
    } else if (!is_filler(piece)) {
      return std::nullopt;
    }
  }
  if (moment.half) {
    if (moment.hour < 1 || moment.hour > 12) return std::nullopt;
    moment.hour = moment.hour % 12 + (moment.half == 2 ? 12 : 0);
  }
  if (moment.hour > 23 || moment.month > 12 || free.size() > 2) return std::nullopt;
  if (!free.empty()) {
    if (moment.month == 0 || moment.day != 0) return std::nullopt;
    for (int value : free) {
      if (value <= 31 && moment.day == 0)
        moment.day = value;
      else if (value >= 100 && moment.year == 0)
        moment.year = value;
      else
        return std::nullopt;
    }
  }
  if (moment.month == 0 && moment.parts == 0) return std::nullopt;
  return moment;
}

}  // namespace

std::optional<Comparison> compare_dates(std::string_view gold, std::string_view prediction) {
  const auto a = moment_of(gold);
  if (!a) return std::nullopt;
  const auto b = moment_of(prediction);
  if (!b || (a->month == 0) != (b->month == 0) || (a->parts == 0) != (b->parts == 0))
    return std::nullopt;
  if (a->month == 0) {
    // A colon alone may be a ratio; a third part or am and pm tell that it is a time.
    const bool marked = a->half || b->half || (a->parts != b->parts && a->parts + b->parts == 5);
    if (!marked) return std::nullopt;
  }
  bool same = a->month == b->month && a->day == b->day &&
              (a->year == b->year || a->year == 0 || b->year == 0);
  const bool half_open = (a->half == 0) != (b->half == 0);  // "3:30" for 3:30 pm
  const bool hours = a->hour == b->hour ||
                     (half_open && a->hour % 12 == b->hour % 12 && (a->half ? b : a)->hour < 13);
  same &= hours && a->minute == b->minute && a->second == b->second;
  return Comparison{same ? Match::kEqual : Match::kDifferent,
                    same ? "the same date or time" : "different dates or times"};
}

}  // namespace ponder::judge
