#include "tokenizer/pre_tokenizer.h"

#include <array>

#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

struct KnownPattern {
  SplitPattern pattern;
  std::string_view name, regex;
};

constexpr std::array<KnownPattern, 3> kKnownPatterns = {{
    {SplitPattern::kGpt2, "GPT-2",
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {SplitPattern::kQwen2, "Qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::kLlama3, "Llama 3",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
}};

struct Char {
  uint32_t value = kInvalidCodePoint;
  CharClass cls = CharClass::kOther;
  size_t end = 0;  // where it ends
  bool there = false;
};

class Scanner {
 public:
  Scanner(SplitPattern pattern, std::string_view text)
      : pattern_(pattern),
        numbers_apart_(pattern == SplitPattern::kSmolLm),
        as_gpt2_(numbers_apart_ || pattern == SplitPattern::kGpt2),
        text_(text) {}

  size_t word_end(size_t begin) const {
    const Char first = at(begin);
    if (!first.there) return first.end;  // a number apart
    if (first.value == '\'') {
      if (const size_t end = contraction_end(begin + 1)) return end;
    }
    return as_gpt2_ ? gpt2_word_end(first) : newer_word_end(first);
  }

 private:
  Char at(size_t begin) const {
    if (begin >= text_.size()) return {kInvalidCodePoint, CharClass::kOther, begin, false};
    const CodePoint c = decode_utf8(text_, begin);
    // A number that stands apart ends the text before it: white space in front of it is trailing.
    const bool there = !numbers_apart_ || !is_numeric(c.value);
    return {c.value, char_class(c.value), begin + c.num_bytes, there};
  }

  // Where the run of characters of one class that goes on at `begin` ends.
  size_t run_end(CharClass cls, size_t begin, size_t max_chars = SIZE_MAX) const {
    for (size_t n = 0; n < max_chars; ++n) {
      const Char c = at(begin);
      if (!c.there || c.cls != cls) break;
      begin = c.end;
    }
    return begin;
  }

  // 's|'t|'re|'ve|'m|'ll|'d after the apostrophe: where it ends, or 0.
  size_t contraction_end(size_t begin) const {
    const auto letter = [&](const Char& c) -> uint32_t {
      if (as_gpt2_) return c.value;
      if (c.value >= 'A' && c.value <= 'Z') return c.value + ('a' - 'A');
      if (c.value == 0x17F) return 's';  // the long s folds to s
      return c.value;
    };
    const Char one = at(begin);
    if (!one.there) return 0;
    const uint32_t a = letter(one);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return one.end;
    const Char two = at(one.end);
    if (!two.there) return 0;
    const uint32_t b = letter(two);
    const bool found = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return found ? two.end : 0;
  }

  //  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  size_t gpt2_word_end(const Char& first) const {
    if (!is_space(first.cls)) return run_end(first.cls, first.end);
    if (first.value == ' ') {
      const Char second = at(first.end);
      if (second.there && !is_space(second.cls)) return run_end(second.cls, second.end);
    }
    return space_end(first, false);
  }

  // [^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  size_t newer_word_end(const Char& first) const {
    if (first.cls == CharClass::kLetter) return run_end(CharClass::kLetter, first.end);
    if (first.cls == CharClass::kNumber) {
      return pattern_ == SplitPattern::kQwen2 ? first.end
                                              : run_end(CharClass::kNumber, first.end, 2);
    }
    if (first.cls == CharClass::kNewline) return space_end(first, true);
    const Char second = at(first.end);
    if (second.there && second.cls == CharClass::kLetter) {
      return run_end(CharClass::kLetter, second.end);
    }
    const bool symbols = first.cls == CharClass::kOther ||
                         (first.value == ' ' && second.there && second.cls == CharClass::kOther);
    if (!symbols) return space_end(first, true);
    return run_end(CharClass::kNewline, run_end(CharClass::kOther, first.end));
  }

  // White space. With `lines`, up to its last line end if there is one (\s*[\r\n]+). Otherwise all
  // of it, less the last character if more than one stand before something else (\s+(?!\S)|\s+).
  size_t space_end(const Char& first, bool lines) const {
    size_t end = first.end, last_begin = first.end;
    size_t line_end = first.cls == CharClass::kNewline ? first.end : 0;
    size_t num_chars = 1;
    Char c = at(end);
    for (; c.there && is_space(c.cls); c = at(end)) {
      last_begin = end;
      end = c.end;
      ++num_chars;
      if (c.cls == CharClass::kNewline) line_end = end;
    }
    if (lines && line_end != 0) return line_end;
    return c.there && num_chars > 1 ? last_begin : end;
  }

  SplitPattern pattern_;
  bool numbers_apart_, as_gpt2_;
  std::string_view text_;
};

}  // namespace

std::optional<SplitPattern> recognise_split_pattern(std::string_view regex) {
  for (const KnownPattern& known : kKnownPatterns) {
    if (known.regex == regex) return known.pattern;
  }
  return std::nullopt;
}

std::string known_split_patterns() {
  std::string names;
  for (const KnownPattern& known : kKnownPatterns) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

size_t word_end(SplitPattern pattern, std::string_view text, size_t begin) {
  return Scanner(pattern, text).word_end(begin);
}

}  // namespace ponder::tokenizer
