// Damaged inputs of every kind the program reads, made from good ones, and the commands that read
// them.
#pragma once

#include <string>
#include <vector>

#include "reliability/mutator.h"
#include "reliability/tiny_world.h"

namespace ponder::reliability {

using Words = std::vector<std::string>;  // of a command line, without the program

class Inputs {
 public:
  Inputs();

  // "safetensors", "config.json", …
  static std::vector<std::string> kinds();
  // Damages an input of this kind in the empty folder `place` and gives the command to run there.
  // Nothing outside of `place` is written, whatever the command.
  Words make(const std::string& kind, Mutator& mutator, const fs::path& place) const;

 private:
  fs::path seed(const std::string& name) const { return seeds_ / name; }
  fs::path model_with(const fs::path& place, const std::string& name,
                      const std::string& contents) const;
  Words reading_model(Mutator& mutator, const fs::path& model) const;
  Words reading_rows(Mutator& mutator, const std::string& kind, const fs::path& file) const;
  Words reading_run(Mutator& mutator, const fs::path& place) const;

  Words safetensors(Mutator& mutator, const fs::path& place) const;
  Words model_json(Mutator& mutator, const fs::path& place, const std::string& name) const;
  Words chat_template(Mutator& mutator, const fs::path& place) const;
  Words parquet(Mutator& mutator, const fs::path& place) const;
  Words packed(Mutator& mutator, const fs::path& place, bool gzip) const;
  Words rows(Mutator& mutator, const fs::path& place) const;
  Words recipe(Mutator& mutator, const fs::path& place) const;
  Words run_db(Mutator& mutator, const fs::path& place) const;
  Words flags(Mutator& mutator, const fs::path& place) const;

  TinyWorld world_;
  fs::path seeds_;
  // "--name" of each command's flags, as its help lists them.
  std::map<std::string, std::vector<std::string>> flags_of_;
};

}  // namespace ponder::reliability
