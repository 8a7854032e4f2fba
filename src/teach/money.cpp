#include "teach/money.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace ponder::teach {
namespace {

constexpr Units kUnitsOfOne = 1'000'000'000'000;
constexpr int kDecimals = 12, kPriceDecimals = 6;
constexpr int64_t kMostPrice = 10'000, kMostAmount = 1'000'000;
constexpr Units kMostOfAnswer = 10'000 * kUnitsOfOne;

// "12.5" times 10^decimals; nothing where that is no whole number, or beyond `most`.
std::optional<int64_t> scaled(std::string_view text, int decimals, int64_t most) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (!is_digits(whole) || whole.size() > 9) return std::nullopt;
  if (point != std::string_view::npos && !is_digits(fraction)) return std::nullopt;
  if (static_cast<int>(fraction.size()) > decimals) return std::nullopt;
  int64_t value = 0, one = 1;
  for (const char c : whole) value = 10 * value + (c - '0');
  if (value > most) return std::nullopt;
  for (int i = 0; i < decimals; ++i) {
    const auto at = static_cast<size_t>(i);
    value = 10 * value + (at < fraction.size() ? fraction[at] - '0' : 0);
    one *= 10;
  }
  if (value > most * one) return std::nullopt;
  return value;
}

// The tokens of a model, however many a server says there were, times what one costs.
Units at_most(int64_t tokens, Units price) {
  const __int128 product = static_cast<__int128>(std::max<int64_t>(tokens, 0)) * price;
  return static_cast<Units>(std::min<__int128>(product, kMostOfAnswer));
}

}  // namespace

std::optional<Units> price_from_text(std::string_view text) {
  return scaled(text, kPriceDecimals, kMostPrice);
}

std::optional<Units> amount_from_text(std::string_view text) {
  return scaled(text, kDecimals, kMostAmount);
}

std::string amount_text(Units amount) {
  std::string text = fmt::format("{}.{:012}", amount / kUnitsOfOne, amount % kUnitsOfOne);
  const size_t least = text.size() - kDecimals + 2;
  while (text.size() > least && text.back() == '0') text.pop_back();
  return text;
}

Units cost_of(const Prices& prices, const fleet::TokenUsage& usage) {
  const int64_t cached = std::clamp<int64_t>(usage.cached, 0, std::max<int64_t>(usage.prompt, 0));
  return std::min(kMostOfAnswer, at_most(usage.prompt - cached, prices.input) +
                                     at_most(cached, prices.cached_input) +
                                     at_most(usage.completion, prices.output));
}

Units worst_cost(const Prices& prices, int64_t prompt_tokens, int64_t completion_tokens) {
  return std::min(kMostOfAnswer,
                  at_most(prompt_tokens, std::max(prices.input, prices.cached_input)) +
                      at_most(completion_tokens, prices.output));
}

}  // namespace ponder::teach
