#include "clean/words.h"

namespace ponder::clean {
namespace {

struct Range {
  char32_t first, last;
  Script script;
};

// Blocks of Unicode, in order; what lies between them is no letter that a filter knows of.
constexpr Range kRanges[] = {
    {0x41, 0x5A, Script::kLatin},      {0x61, 0x7A, Script::kLatin},
    {0xAA, 0xAA, Script::kLatin},      {0xBA, 0xBA, Script::kLatin},
    {0xC0, 0xD6, Script::kLatin},      {0xD8, 0xF6, Script::kLatin},
    {0xF8, 0x24F, Script::kLatin},     {0x250, 0x2AF, Script::kLatin},
    {0x370, 0x3FF, Script::kGreek},    {0x400, 0x52F, Script::kCyrillic},
    {0x531, 0x58F, Script::kOther},    {0x5D0, 0x5F2, Script::kHebrew},
    {0x600, 0x6FF, Script::kArabic},   {0x750, 0x77F, Script::kArabic},
    {0x8A0, 0x8FF, Script::kArabic},   {0x900, 0xDFF, Script::kIndic},
    {0xE01, 0xE5B, Script::kThai},     {0xE80, 0x10FF, Script::kOther},
    {0x1100, 0x11FF, Script::kHangul}, {0x1200, 0x1DBF, Script::kOther},
    {0x1E00, 0x1EFF, Script::kLatin},  {0x1F00, 0x1FFF, Script::kGreek},
    {0x2E80, 0x2FDF, Script::kHan},    {0x3005, 0x3007, Script::kHan},
    {0x3041, 0x30FF, Script::kKana},   {0x3105, 0x318F, Script::kHangul},
    {0x31F0, 0x31FF, Script::kKana},   {0x3400, 0x4DBF, Script::kHan},
    {0x4E00, 0x9FFF, Script::kHan},    {0xA000, 0xABFF, Script::kOther},
    {0xAC00, 0xD7FB, Script::kHangul}, {0xF900, 0xFAFF, Script::kHan},
    {0xFB1D, 0xFB4F, Script::kHebrew}, {0xFB50, 0xFDFF, Script::kArabic},
    {0xFE70, 0xFEFE, Script::kArabic}, {0xFF21, 0xFF3A, Script::kLatin},
    {0xFF41, 0xFF5A, Script::kLatin},  {0xFF66, 0xFF9F, Script::kKana},
    {0x20000, 0x3134F, Script::kHan},
};

bool is_mark(char32_t c) { return c >= 0x300 && c <= 0x36F; }  // an accent of its own

constexpr uint64_t kSeed = 0xCBF29CE484222325ULL, kPrime = 0x100000001B3ULL;

}  // namespace

std::string_view to_string(Script script) {
  constexpr std::string_view kNames[kScripts] = {"none",   "Latin", "Greek",  "Cyrillic",
                                                 "Han",    "Kana",  "Hangul", "Arabic",
                                                 "Hebrew", "Indic", "Thai",   "other"};
  return kNames[static_cast<size_t>(script)];
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  if (more == 0 || at + more > text.size()) return 0xFFFD;
  char32_t code = first & (0x3FU >> more);
  for (size_t i = 0; i < more; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0xFFFD;
    code = (code << 6) | (byte(at + i) & 0x3F);
  }
  at += more;
  return code;
}

Script script_of(char32_t letter) {
  size_t low = 0, high = std::size(kRanges);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (letter > kRanges[middle].last) {
      low = middle + 1;
    } else if (letter < kRanges[middle].first) {
      high = middle;
    } else {
      return kRanges[middle].script;
    }
  }
  return Script::kNone;
}

void Words::add(size_t begin) {
  if (begin == text_.size()) return;
  begins_.push_back(static_cast<uint32_t>(begin));
  ends_.push_back(static_cast<uint32_t>(text_.size()));
  uint64_t hash = kSeed;
  for (size_t i = begin; i < text_.size(); ++i)
    hash = (hash ^ static_cast<unsigned char>(text_[i])) * kPrime;
  hashes_.push_back(mixed(hash));
}

Words::Words(std::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  Script writing = Script::kNone;  // of the word that is being read
  size_t begin = 0;
  const auto end_word = [&] {
    add(begin);
    begin = text_.size();
    writing = Script::kNone;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    if (digit(here)) {
      end_word();
      while (digit(at)) {
        text_ += text[at++];
        const bool thousands = at < text.size() && text[at] == ',' && digit(at + 1) &&
                               digit(at + 2) && digit(at + 3) && !digit(at + 4);
        if (thousands) ++at;
        const bool decimals = at < text.size() && text[at] == '.' && digit(at + 1) &&
                              text_.find('.', begin) == std::string::npos;
        if (decimals) text_ += text[at++];
      }
      end_word();
      continue;
    }
    const char32_t c = next_code_point(text, at);
    const Script script = script_of(c);
    const bool alone = script == Script::kHan || script == Script::kKana;
    const bool within =
        writing != Script::kNone &&
        (is_mark(c) || ((c == '\'' || c == 0x2019) && at < text.size() &&
                        script_of(static_cast<unsigned char>(text[at])) == writing));
    if (script != Script::kNone && !alone) {
      if (script != writing) end_word();
      writing = script;
      if (c < 0x80) {
        text_ += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      } else {
        text_ += text.substr(here, at - here);
      }
    } else if (within) {
      text_ += c == 0x2019 ? "'" : text.substr(here, at - here);
    } else {
      end_word();
      const bool sign = c < 0x80 && std::string_view("+-*/=<>^!%|").find(static_cast<char>(c)) !=
                                        std::string::npos;
      if (!alone && !sign) continue;
      text_ += text.substr(here, at - here);
      end_word();
    }
  }
  end_word();
}

std::string Words::phrase(size_t first, size_t count) const {
  std::string text;
  for (size_t i = first; i < first + count && i < size(); ++i) {
    if (!text.empty()) text += ' ';
    text += (*this)[i];
  }
  return text;
}

uint64_t gram_hash(const Words& words, size_t first, size_t count) {
  uint64_t hash = count;
  for (size_t i = first; i < first + count; ++i) hash = mixed(hash + words.hash(i));
  return hash;
}

}  // namespace ponder::clean
