#include "pipeline/mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "pipeline/sources.h"
#include "pipeline/toml_section.h"

namespace ponder::pipeline {
namespace {

// The conditions of a table: `level = [4, 5]`, `level = { min = 4 }`, `meta.year = 2023`.
void read_conditions(TomlSection section, const std::string& path, bool wanted,
                     data::RowConditions& conditions) {
  for (const std::string& key : section.keys()) {
    data::RowCondition condition;
    condition.field = path.empty() ? key : path + "." + key;
    condition.wanted = wanted;
    if (section.is_table(key)) {
      TomlSection band = section.section(key.c_str());
      if (!band.has("min") && !band.has("max")) {
        read_conditions(std::move(band), condition.field, wanted, conditions);
        continue;
      }
      constexpr double kLargest = std::numeric_limits<double>::max();
      if (band.has("min")) condition.min = band.number("min", 0, -kLargest, kLargest);
      if (band.has("max")) condition.max = band.number("max", 0, -kLargest, kLargest);
      band.finish();
    } else {
      condition.values = section.words(key.c_str());
    }
    try {
      conditions.add(std::move(condition));
    } catch (const Error& error) {
      section.fail(key, error.problem(), error.advice());
    }
  }
}

double part_of(const MixOptions& options) {
  return options.share > 0 ? options.share : options.weight;
}

const MixOptions& mix_of(const ReadSource& read) { return read.source->mix; }

size_t num_rows(const ReadSource& read) {
  return read.demonstrations.size() + read.problems.size();
}

void cut_to(ReadSource& read, size_t rows) {
  const size_t dropped = num_rows(read) - rows;
  if (dropped == 0) return;
  read.report.kept -= dropped;
  read.report.rejected["beyond_share"] += dropped;
  if (read.demonstrations.size() > rows) read.demonstrations.resize(rows);
  if (read.problems.size() > rows) read.problems.resize(rows);
}

void repeat_rows(ReadSource& read, size_t times) {
  if (times == 0) return;
  read.repeated = times;
  read.report.rows += times;
  read.report.kept += times;
  read.report.changed["repeated"] += times;
}

// Whole numbers near `total` times the parts that add up to it: the largest remainders first, of equal
// ones the earlier.
std::vector<size_t> apportioned(int64_t total, const std::vector<double>& parts) {
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  std::vector<size_t> counts;
  std::vector<std::pair<double, size_t>> remainders;
  size_t given = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const double exact = static_cast<double>(total) * parts[i] / sum;
    // A share of a third of three is one, however its digits were cut.
    const auto whole = static_cast<size_t>(std::floor(exact + 1e-9));
    counts.push_back(whole);
    given += whole;
    remainders.emplace_back(static_cast<double>(whole) - exact, i);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; given < static_cast<size_t>(total) && i < remainders.size(); ++i, ++given)
    ++counts[remainders[i].second];
  return counts;
}

}  // namespace

MixOptions read_mix(TomlSection& source, uint64_t seed, bool may_repeat) {
  MixOptions options;
  if (source.has("where")) read_conditions(source.section("where"), "", true, options.conditions);
  if (source.has("except"))
    read_conditions(source.section("except"), "", false, options.conditions);
  if (source.has("shuffle") && source.boolean("shuffle", false)) {
    options.shuffle_seed = static_cast<uint64_t>(source.integer(
        "shuffle_seed", static_cast<int64_t>(seed), 0, std::numeric_limits<int64_t>::max()));
  }
  if (source.has("share")) options.share = source.number("share", 0, 1e-9, 1);
  if (source.has("weight")) options.weight = source.number("weight", 0, 1e-9, 1e9);
  if (options.share > 0 && options.weight > 0)
    source.fail("weight", "a source has a share or a weight, not both");
  if (may_repeat && source.has("repeat")) options.repeat = source.integer("repeat", 1, 1, 1000);
  return options;
}

int64_t read_mix_rows(TomlSection& section, const char* sources_key,
                      const std::vector<const MixOptions*>& sources) {
  double shares = 0;
  size_t with_share = 0, with_weight = 0;
  for (const MixOptions* source : sources) {
    shares += source->share;
    with_share += source->share > 0;
    with_weight += source->weight > 0;
  }
  const std::string key = sources_key;
  if ((with_share > 0 && with_share < sources.size()) ||
      (with_weight > 0 && with_weight < sources.size())) {
    section.fail(key, "some sources have a share or a weight and others none",
                 "give every source a share, or every one a weight");
  }
  if (with_share > 0 && std::abs(shares - 1) > 1e-3) {
    section.fail(key,
                 fmt::format("the shares of its {} sources add up to {:g}, not to 1",
                             sources.size(), shares),
                 "mend a share, or write weight in place of share: weights add up to anything");
  }
  if (!section.has("rows")) return 0;
  const int64_t rows = section.integer("rows", 0, 1, std::numeric_limits<int32_t>::max());
  if (with_share + with_weight == 0)
    section.fail("rows", "needs sources with shares", "give every source a share or a weight");
  return rows;
}

void mix(const std::vector<ReadSource*>& sources, int64_t rows, const std::string& where) {
  if (sources.empty()) return;
  if (part_of(mix_of(*sources[0])) == 0) {
    for (ReadSource* read : sources) {
      const auto times = static_cast<size_t>(mix_of(*read).repeat - 1);
      repeat_rows(*read, num_rows(*read) * times);
    }
    return;
  }
  std::vector<double> parts;
  for (const ReadSource* read : sources) parts.push_back(part_of(mix_of(*read)));
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  // As many as the source with the least of its share has.
  double most = std::numeric_limits<double>::max();
  const ReadSource* scarcest = nullptr;
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto has = static_cast<double>(num_rows(*sources[i])) *
                     static_cast<double>(mix_of(*sources[i]).repeat);
    if (has * sum / parts[i] >= most) continue;
    most = has * sum / parts[i];
    scarcest = sources[i];
  }
  if (rows == 0) rows = static_cast<int64_t>(std::floor(most + 1e-9));
  if (rows == 0) {
    throw Error(where, fmt::format("{} has no row for its share", source_name(*scarcest->source)),
                "see `ponder data check` for why its rows are left out");
  }
  const std::vector<size_t> counts = apportioned(rows, parts);
  for (size_t i = 0; i < sources.size(); ++i) {
    const size_t has = num_rows(*sources[i]);
    if (counts[i] > has * static_cast<size_t>(mix_of(*sources[i]).repeat)) {
      throw Error(where,
                  fmt::format("{} has {} rows, its share of {} rows is {}",
                              source_name(*sources[i]->source), has, rows, counts[i]),
                  fmt::format("lower rows to {:.0f}, or let its rows stand there several times, "
                              "repeat = {}",
                              std::floor(most + 1e-9), has == 0 ? 1 : (counts[i] + has - 1) / has));
    }
    if (counts[i] <= has) {
      cut_to(*sources[i], counts[i]);
    } else {
      repeat_rows(*sources[i], counts[i] - has);
    }
  }
}

}  // namespace ponder::pipeline
