// What a training job looks at beside its loss: readings of the weights of the moment, at the start,
// every so many steps and at the end. A reading with an alarm ends the job with the weights of the
// last reading without one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "base/json.h"
#include "train/policy.h"

namespace ponder::train {

struct ProbeReading {
  int64_t step = 0;                      // after so many; 0: of the starting weights
  std::map<std::string, double> values;  // "held_out_accuracy", "probe_finished", …
  std::string alarm;                     // why these weights are not worth keeping; "": they are
};
Json to_json(const ProbeReading& reading);
// Throws Error, naming `where`, for what to_json does not write.
ProbeReading probe_reading_from(const Json& json, const std::string& where);

struct JobProbe {
  int64_t every_steps = 0;  // 0: an eighth of the job's
  // Fills in values and alarm, given the readings before it (the first is of the starting weights).
  // A function of the weights and of those. May throw model::Interrupted: then it is asked again
  // when the job goes on.
  std::function<ProbeReading(const Policy&, std::span<const ProbeReading> before)> read;
  Json identity = Json::object();  // of all that `read` depends on: part of the job's
};

// The job's last good weights with the state that goes on from them, beside `out`, as links to the
// files of its save: "<out>.good".
std::filesystem::path good_folder(const std::filesystem::path& out);
void keep_as_good(const std::filesystem::path& out);

}  // namespace ponder::train
