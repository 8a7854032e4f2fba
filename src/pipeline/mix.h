// What of its rows a source gives to a mix: which rows, in what order, how many beside those of other
// sources. docs/recipes.md, "Mixing".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/row_conditions.h"

namespace ponder::pipeline {

class TomlSection;
struct ReadSource;

struct MixOptions {
  data::RowConditions conditions;        // `where` and `except`
  std::optional<uint64_t> shuffle_seed;  // the order of the rows, before `count` of them are taken
  double share = 0, weight = 0;          // of the mix; 0: not given
  // Times a row may stand there: exactly so often without a share, at most so often with one.
  int64_t repeat = 1;
};

// The keys where, except, shuffle, shuffle_seed, share, weight and repeat of a source, where they are
// there. `may_repeat`: demonstrations.
MixOptions read_mix(TomlSection& source, uint64_t seed, bool may_repeat);
// Throws Error at the sources' key unless all of them have a share, all a weight, or none either, and
// shares add up to one. Gives the key `rows`, the rows of the mix; 0: as many as there are.
int64_t read_mix_rows(TomlSection& section, const char* sources_key,
                      const std::vector<const MixOptions*>& sources);

// Cuts or repeats the rows of the sources of one set so that they have their shares. What is cut goes into
// the account as "beyond_share", what is repeated counts as rows of their own ("repeated" among what
// was changed). Without shares the sources stay as they are, but for `repeat`. Throws Error naming the
// source that has too few rows for its share of `rows`, and how many would do.
void mix(const std::vector<ReadSource*>& sources, int64_t rows, const std::string& where);

}  // namespace ponder::pipeline
