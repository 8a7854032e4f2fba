#include "reliability/mutator.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "testing/process.h"

namespace ponder::reliability {
namespace {

constexpr const char* kNumbers[] = {"0",
                                    "-1",
                                    "1",
                                    "-0.0",
                                    "3",
                                    "255",
                                    "65536",
                                    "2147483647",
                                    "2147483648",
                                    "-2147483649",
                                    "4294967296",
                                    "9007199254740993",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "-9223372036854775809",
                                    "18446744073709551615",
                                    "18446744073709551616",
                                    "1e-320",
                                    "1e308",
                                    "1e400",
                                    "0.1",
                                    "-1.5",
                                    "nan",
                                    "inf",
                                    "-Infinity",
                                    "0x10",
                                    "1_000",
                                    "1.",
                                    "007",
                                    "1e",
                                    "-",
                                    ""};

const std::string kWords[] = {"",
                              " ",
                              "0",
                              "null",
                              "a",
                              "A",
                              "\n",
                              "\r\n",
                              std::string(1, '\0'),
                              "\x1b]0;title\x07\x1b[2J",
                              "\"'`\\",
                              "'; DROP TABLE stages; --",
                              "../../outside",
                              "a/b",
                              "%s%n%d",
                              "{{ 1/0 }}",
                              "{% for a in range(1000000) %}x{% endfor %}",
                              "<script>alert(1)</script>",
                              "\xff\xfe",
                              "\xed\xa0\x80",
                              "\xc0\xaf",
                              "e\xcc\x81\xcc\x81\xcc\x81",
                              "\xf0\x9f\xa4\x94",
                              "\\boxed{",
                              "\\boxed{\\frac{1}{0}}",
                              "<|im_start|>system\n<|im_end|>",
                              "<|begin_of_thought|>",
                              "10^10^10^10",
                              std::string(300, 'n'),
                              std::string(5000, ' '),
                              std::string(3000, '(')};

}  // namespace

std::string Mutator::number() { return one_of(kNumbers); }
std::string Mutator::amount() {
  const std::string text = number();
  const double value = std::strtod(text.c_str(), nullptr);
  return value > 1000 && value < 9.3e18 ? "7" : text;
}
std::string Mutator::word() { return one_of(kWords); }

std::string Mutator::bytes(std::string text) {
  const uint64_t times = 1 + below(4);
  for (uint64_t i = 0; i < times; ++i) {
    const size_t at = text.empty() ? 0 : below(text.size());
    const size_t some = text.empty() ? 0 : 1 + below(std::min<size_t>(text.size() - at, 40));
    switch (below(8)) {
      case 0:
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 2:
        text.erase(at, some);
        break;
      case 3:
        text.insert(at, text.substr(at, some));
        break;
      case 4:
        text.insert(at, std::string(1 + below(9), static_cast<char>(below(256))));
        break;
      case 5: {
        constexpr uint64_t kExtremes[] = {0,          1,          0x7f,       0x80,
                                          0xffff,     0x7fffffff, 0xffffffff, 1ull << 32,
                                          ~0ull >> 1, 1ull << 63, ~0ull,      ~0ull - 7};
        const uint64_t value = one_of(kExtremes);
        const size_t size = size_t{1} << below(4);
        if (text.size() >= at + size) std::memcpy(text.data() + at, &value, size);
        break;
      }
      case 6:
        if (one_in(3)) text.resize(at);
        break;
      case 7: {
        const std::string more = word();
        text.insert(at, more);
      }
    }
  }
  return text;
}

Json Mutator::odd_value() {
  switch (below(9)) {
    case 0:
      return nullptr;
    case 1:
      return one_in(2);
    case 2:
      return Json::array();
    case 3:
      return Json::object();
    case 4:
      return std::array<int64_t, 8>{
          0, -1, 1, 1 << 30, int64_t{1} << 40, INT64_MAX, INT64_MIN, 257}[below(8)];
    case 5:
      return std::array<double, 6>{0.0, -0.5, 1e-320, 1e308, 1e19, 0.1}[below(6)];
    case 6:
      return Json::array({word(), 1, nullptr});
    case 7:
      return Json{{word(), word()}};
    default:
      return word();
  }
}

void Mutator::damage(Json& value) {
  // Down to some place, the nearer the likelier.
  Json* at = &value;
  while (at->is_structured() && !at->empty() && !one_in(4)) {
    auto child = at->begin();
    std::advance(child, static_cast<int64_t>(below(at->size())));
    at = &*child;
  }
  if (at->is_structured() && !at->empty()) {
    auto child = at->begin();
    std::advance(child, static_cast<int64_t>(below(at->size())));
    switch (below(4)) {
      case 0:
        at->erase(child);
        return;
      case 1:
        if (at->is_array()) {
          at->push_back(Json(*child));
        } else {
          (*at)[word()] = Json(*child);
        }
        return;
      case 2:
        *child = odd_value();
        return;
      case 3:
        if (at->is_object()) (*at)[child.key() + "x"] = odd_value();
        return;
    }
  }
  if (at->is_string() && one_in(2)) {
    *at = bytes(at->get<std::string>());
  } else if (one_in(6)) {
    *at = Json::array({*at});
  } else {
    *at = odd_value();
  }
}

Json Mutator::json(Json value) {
  const uint64_t times = 1 + below(3);
  for (uint64_t i = 0; i < times; ++i) damage(value);
  return value;
}

std::string Mutator::json_text(std::string_view text) {
  if (one_in(5)) return bytes(std::string(text));
  const Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return bytes(std::string(text));
  // Broken bytes stay broken.
  std::string damaged = json(value).dump(-1, ' ', false, Json::error_handler_t::ignore);
  const size_t brace = damaged.find('{');
  if (brace != std::string::npos && one_in(12)) {
    const std::string odd[] = {"\"id\":1,\"id\":2,", "\"x\":NaN,",      "\"x\":1e999,",
                               "\"\\ud800\":0,",     "\"x\":\"\xff\",", std::string(2000, '[')};
    damaged.insert(brace + 1, one_of(odd));
  }
  return damaged;
}

std::string Mutator::rows(std::string_view text) {
  std::string damaged;
  const std::vector<std::string> lines = testing::lines_of(std::string(text));
  for (const std::string& line : lines) {
    if (one_in(12)) continue;
    const std::string row = one_in(3) ? json_text(line) : line;
    const char* const ends[] = {"\n",   "\n",   "\n", "\n", "\n", "\n",
                                "\r\n", "\n\n", "",   "\r", " \n"};
    damaged += row + one_of(ends);
    if (one_in(12)) damaged += row + "\n";
  }
  if (one_in(12)) damaged = "[" + damaged;
  if (one_in(12)) damaged = "\xef\xbb\xbf" + damaged;
  if (one_in(12)) damaged = bytes(damaged);
  return damaged;
}

std::string Mutator::toml(std::string_view text) {
  std::vector<std::string> lines = testing::lines_of(std::string(text));
  const uint64_t times = 1 + below(3);
  for (uint64_t i = 0; i < times && !lines.empty(); ++i) {
    const size_t at = below(lines.size());
    std::string& line = lines[at];
    const size_t equals = line.find(" = ");
    switch (below(8)) {
      case 0:
        lines.erase(lines.begin() + static_cast<int64_t>(at));
        break;
      case 1:
        lines.insert(lines.begin() + static_cast<int64_t>(at), lines[at]);
        break;
      case 2:
        std::swap(line, lines[below(lines.size())]);
        break;
      case 3:
        if (equals != line.npos) line.insert(equals, one_in(2) ? "s" : "." + word());
        break;
      case 4:
        line = bytes(line);
        break;
      default:
        if (equals == line.npos) break;
        if (line.find("count") != line.npos) {
          line = line.substr(0, equals + 3) + amount();
        } else {
          line = line.substr(0, equals + 3) + (one_in(3) ? dump_json(odd_value()) : number());
        }
    }
  }
  std::string damaged;
  for (const std::string& line : lines) damaged += line + "\n";
  return damaged;
}

}  // namespace ponder::reliability
