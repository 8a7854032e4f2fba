#include "base/foreign_names.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/error.h"

namespace ponder {
namespace {

std::string nearest_of(std::string_view word, const std::vector<std::string_view>& words) {
  return nearest(word, words.data(), words.size());
}

TEST(Nearest, CountsASwapOfNeighboursAsOneChange) {
  EXPECT_EQ(nearest_of("statsu", {"state", "status"}), "status");
  EXPECT_EQ(nearest_of("shortes", {"longest", "shortest"}), "shortest");
  EXPECT_EQ(nearest_of("imagine", {"sft", "eval", "init"}), "");
  EXPECT_EQ(nearest_of("ls", {"dpo", "run", "lr"}), "lr");
  EXPECT_EQ(nearest_of("ab", {"cd"}), "");  // two letters, two changes: another word
  EXPECT_EQ(nearest_of("", {"sft"}), "");
}

TEST(ForeignNames, AreFoundHoweverTheirWordsAreJoined) {
  for (const char* word : {"--learning-rate", "learning_rate", "Learning-Rate", "learning.rate"}) {
    const ForeignName* foreign = find_foreign(foreign_flags(), word);
    ASSERT_TRUE(foreign) << word;
    EXPECT_EQ(foreign->ours, "lr");
  }
  EXPECT_EQ(find_foreign(foreign_commands(), "train")->ours, "sft");
  EXPECT_FALSE(find_foreign(foreign_flags(), "lr"));
}

TEST(ForeignNames, EachStandsOnceIsPlainAndLeadsSomewhere) {
  for (const auto table : {foreign_flags(), foreign_commands()}) {
    std::set<std::string_view> names;
    for (const ForeignName& entry : table) {
      EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
      EXPECT_EQ(plain_name(entry.name), entry.name);
      EXPECT_FALSE(entry.ours.empty() && entry.note.empty()) << entry.name;
      EXPECT_NE(entry.ours, entry.name);
    }
  }
}

}  // namespace
}  // namespace ponder
