// The identity of all that a stage's result is a function of. Two runs in which it is the same make
// the same rows and weights, so a changed recipe need only redo the stages where it is another.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "pipeline/stage.h"

namespace ponder::pipeline {

// SHA-256 over the stage's kind and the version of its code, the recipe's keys it reads, the weights
// of its input model, and what it reads: the rows of its ingested sources and the inputs of other
// stages; for ingest itself the sources' bytes. "" where one of these is not known, as in a run
// begun by schema version 1. Stages before it must be done.
std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const pool::Pool& pool);

// What is known of the stages before it.
struct KnownInputs {
  struct Source {
    pool::SourceRecord::Role role;
    std::string set, rows_sha256;
    int64_t kept = 0;  // rows
  };
  std::map<std::string, std::string> models;  // weights, by name
  std::map<std::string, std::string> stages;  // their inputs_sha256, "" where it is not known
  std::vector<Source> sources;
};
KnownInputs known_inputs(const pool::Pool& pool);
std::string inputs_sha256(const Stage& stage, const Recipe& recipe, const KnownInputs& known);

// The recipe's keys that the stage reads, with their values; of a list of variants its own, without
// its place.
std::map<std::string, std::string> keys_of(const Stage& stage, const Recipe& recipe);

}  // namespace ponder::pipeline
