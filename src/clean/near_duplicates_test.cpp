// The estimate of Jaccard similarity against sets that can be counted.
#include "clean/near_duplicates.h"

#include <gtest/gtest.h>

#include <set>

namespace ponder::clean {
namespace {

// Words w0 … of which those from `first` on are written.
std::string text_of(int first, int end) {
  std::string text;
  for (int i = first; i < end; ++i) {
    text += "w";
    for (int rest = i; rest > 0; rest /= 26) text += static_cast<char>('a' + rest % 26);
    text += ' ';
  }
  return text;
}

double jaccard(const Words& a, const Words& b) {
  const auto shingles = [](const Words& words) {
    std::set<std::string> found;
    for (size_t i = 0; i + kShingle <= words.size(); ++i) found.insert(words.phrase(i, kShingle));
    return found;
  };
  const std::set<std::string> left = shingles(a), right = shingles(b);
  size_t both = 0;
  for (const std::string& one : left) both += right.contains(one);
  return static_cast<double>(both) / static_cast<double>(left.size() + right.size() - both);
}

TEST(NearDuplicates, EstimatesJaccard) {
  // Of 60 pairs: standard error 0.03 at the most, so 4 of them once in 16,000 pairs.
  double sum = 0;
  int pairs = 0;
  for (int shift = 0; shift < 600; shift += 10, ++pairs) {
    const Words a(text_of(1, 1001)), b(text_of(1 + shift, 1001 + shift));
    const double error = similarity(signature_of(a), signature_of(b)) - jaccard(a, b);
    EXPECT_LT(std::abs(error), 0.125) << shift;
    sum += error;
  }
  EXPECT_LT(std::abs(sum / pairs), 0.03);
}

TEST(NearDuplicates, FindsThoseAboveAndLeavesThoseBelow) {
  // 40 of a thousand words are others at the end: Jaccard .92; 300: .54.
  int found = 0, wrong = 0;
  for (int i = 0; i < 50; ++i) {
    NearDuplicates seen(0.8);
    const int from = 5000 * i;
    ASSERT_FALSE(seen.see(Words(text_of(from, from + 1000)), "a", 1));
    const auto near = seen.see(Words(text_of(from + 40, from + 1040)), "b", 2);
    found += near.has_value();
    wrong += seen.see(Words(text_of(from + 300, from + 1300)), "b", 3).has_value();
    EXPECT_EQ(near ? near->file + std::to_string(near->line) : "none", "a1");
  }
  EXPECT_EQ(found, 50);
  EXPECT_EQ(wrong, 0);
}

TEST(NearDuplicates, ShortTextsAreComparedAsAWhole) {
  NearDuplicates seen(0.8);
  EXPECT_FALSE(seen.see(Words("yes"), "a", 1));
  EXPECT_TRUE(seen.see(Words("Yes."), "a", 2));
  EXPECT_FALSE(seen.see(Words("no"), "a", 3));
  EXPECT_FALSE(seen.see(Words(""), "a", 4));
  EXPECT_TRUE(seen.see(Words("..."), "a", 5));
}

TEST(WordsOf, AreWhatFiltersCount) {
  const auto words_of = [](std::string_view text) {
    const Words words(text);
    return words.phrase(0, words.size());
  };
  EXPECT_EQ(words_of("Don't STOP: 1,234.5+x^2, naïve \\frac{a}{b}!"),
            "don't stop 1234.5 + x ^ 2 naïve frac a b !");
  EXPECT_EQ(words_of("我们 know カナ and Ω."), "我 们 know カ ナ and Ω");
  EXPECT_EQ(words_of("1,2,3 3.14.15 \xff\xfe x"), "1 2 3 3.14 15 x");
  EXPECT_EQ(words_of(""), "");
}

}  // namespace
}  // namespace ponder::clean
