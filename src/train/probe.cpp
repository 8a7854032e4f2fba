#include "train/probe.h"

#include "base/error.h"
#include "base/folder_swap.h"
#include "base/json_fields.h"

namespace ponder::train {
namespace fs = std::filesystem;

Json to_json(const ProbeReading& reading) {
  Json json = {{"step", reading.step}, {"values", Json::object()}};
  for (const auto& [name, value] : reading.values) json["values"][name] = value;
  if (!reading.alarm.empty()) json["alarm"] = reading.alarm;
  return json;
}

ProbeReading probe_reading_from(const Json& json, const std::string& where) {
  const JsonFields fields(json, where, "probes", "remove the folder to start this job again");
  ProbeReading reading;
  reading.step = fields.integer("step");
  reading.alarm = fields.text_or("alarm", "");
  const JsonFields values = fields.fields("values");
  for (const auto& [name, value] : values.json().items()) {
    if (!value.is_number()) values.fail(name, "expected a number");
    reading.values[name] = value.get<double>();
  }
  return reading;
}

fs::path good_folder(const fs::path& out) { return beside(out, ".good"); }

void keep_as_good(const fs::path& out) {
  const fs::path next = beside(out, ".good.next");
  fs::remove_all(next);
  fs::create_directories(next);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(out)) {
    const fs::path to = next / entry.path().lexically_relative(out);
    if (entry.is_directory()) {
      fs::create_directories(to);
      continue;
    }
    std::error_code no_links;
    fs::create_hard_link(entry.path(), to, no_links);
    if (no_links) fs::copy_file(entry.path(), to);
  }
  swap_folder(next, good_folder(out));
}

}  // namespace ponder::train
