#include "pipeline/key_homes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "pipeline/recipe.h"
#include "testing/error_text.h"
#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

// Each key is one that its section knows: a value of no type that fits is refused, not the key.
TEST(KeyHomes, AreSectionsThatHaveTheKey) {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "r.toml";
  std::ofstream(file)
      << "base = \".\"\n"
         "[[imitate.demonstrations]]\nsynth = \"arithmetic\"\nlevels = 1\ncount = 1\n"
         "[[explore.problems]]\nsynth = \"arithmetic\"\nlevels = 1\ncount = 1\n"
         "[dpo]\nepochs = 1\n";
  for (const KeyHome& home : key_homes()) {
    const std::string key = fmt::format("{}.{}", home.section, home.key);
    const std::string error =
        testing::error_text([&] { load_recipe(file, {key + "={ no = 1 }"}); });
    EXPECT_NE(error.find(home.key), std::string::npos) << key << ": " << error;
    EXPECT_EQ(error.find(fmt::format("{}: unknown key", key)), std::string::npos) << error;
  }
  EXPECT_EQ(home_of_key("lr"), "sft.lr");
  EXPECT_EQ(home_of_key("imagine"), "");
}

}  // namespace
}  // namespace ponder::pipeline
