// What a teacher costs, exactly: whole numbers of 10^-12 of a currency ("units"), in which a price per
// million tokens with up to six decimals is a whole number a token. No floating point anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fleet/answer.h"

namespace ponder::teach {

using Units = int64_t;

// Of a price per million tokens, "0.55": what one token costs, 550,000 units. Nothing for anything but
// digits and a point, more than six decimals, and more than 10,000.
std::optional<Units> price_from_text(std::string_view text);
// Of an amount of money, "25.00". Nothing for more than twelve decimals, and more than 1,000,000.
std::optional<Units> amount_from_text(std::string_view text);
// "25.00", "0.0123": all its decimals, at least two.
std::string amount_text(Units amount);

struct Prices {
  std::string currency = "USD";
  Units input = 0, cached_input = 0, output = 0;  // of a token
  bool given = false;  // else there are none, and tokens alone are counted
};

// What an answer with this usage costs. No answer costs more than 10,000, which keeps sums of them within
// 64 bits whatever a server bills.
Units cost_of(const Prices& prices, const fleet::TokenUsage& usage);
// What a request costs at the most.
Units worst_cost(const Prices& prices, int64_t prompt_tokens, int64_t completion_tokens);

}  // namespace ponder::teach
