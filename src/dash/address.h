// Addresses of pages and their parts. Internal to this folder.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ponder::dash {

// What stands behind the ? of an address, decoded.
class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::vector<std::pair<std::string, std::string>> pairs)
      : pairs_(std::move(pairs)) {}
  std::string text(std::string_view name) const;  // the first; "" where it is absent
  std::vector<std::string> all(std::string_view name) const;
  // Nothing where it is absent, empty or no whole number.
  std::optional<int64_t> integer(std::string_view name) const;
  // This with one parameter set, or taken out where `value` is "".
  Parameters with(std::string_view name, std::string value) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

std::string percent_encoded(std::string_view any);

// "/run/NAME/row?name=imitate:3", every part escaped; empty values are left out.
std::string address(std::initializer_list<std::string_view> path,
                    const Parameters& parameters = {});

}  // namespace ponder::dash
