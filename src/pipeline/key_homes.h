// Where the keys of a recipe stand: what to say of one that is given in another place.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ponder::pipeline {

// "sft.lr" for "lr"; of a key that several sections have, where it is meant most often. "" for a key
// that is in no section.
std::string home_of_key(std::string_view key);

struct KeyHome {
  std::string_view section, key;
};
std::span<const KeyHome> key_homes();

}  // namespace ponder::pipeline
