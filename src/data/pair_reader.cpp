#include <fmt/format.h>

#include "base/error.h"
#include "data/preference_layouts.h"
#include "data/row_fields.h"
#include "data/row_source.h"
#include "data/token_rows.h"

namespace ponder::data {
namespace {

Response response_of(const RowBuilder& builder, const Demonstration& demonstration,
                     const Response& trajectory) {
  if (!trajectory.token_ids.empty() || !trajectory.text.empty()) return trajectory;
  return {builder.response_text(demonstration), {}};
}

TokenPair pair_of(const RowBuilder& builder, const Json& row, const std::string& where,
                  const PairReadOptions& options, Changes& changes) {
  if (!row.is_object())
    throw Rejection{"bad_row", fmt::format("expected an object, found {}", row.type_name())};
  DemonstrationReadOptions read_options;
  read_options.thought_tags = options.thought_tags;
  const Preference preference = preference_from_row(row, read_options, changes);
  const Demonstration &chosen = preference.chosen, &rejected = preference.rejected;
  const std::string name = chosen.id.empty() ? where : where + " " + chosen.id;
  auto pair = builder.pair(name, chosen.system, chosen.question,
                           response_of(builder, chosen, preference.chosen_trajectory),
                           response_of(builder, rejected, preference.rejected_trajectory),
                           options.align, chosen.history);
  if (!pair) throw Rejection(pair.why());
  return std::move(*pair);
}

// All that makes two pairs the same.
std::string key_of(const TokenPair& pair) {
  std::string key;
  for (const auto* tokens : {&pair.chosen.tokens, &pair.rejected.tokens}) {
    for (const int32_t id : *tokens) key += fmt::format("{} ", id);
    key += '\n';
  }
  return key;
}

}  // namespace

std::vector<TokenPair> read_pairs(const RowBuilder& builder, const std::filesystem::path& file,
                                  const PairReadOptions& options, RowAccount& report) {
  return read_pairs(builder, *RowSource::open(file, options.fields), options, report);
}

std::vector<TokenPair> read_pairs(const RowBuilder& builder, RowSource& rows,
                                  const PairReadOptions& options, RowAccount& report) {
  RowAccount own;
  std::vector<TokenPair> pairs;
  SeenRows own_rows;
  SeenRows& seen = options.seen ? *options.seen : own_rows;
  JsonRow row;
  const auto on_bad = [&](uint64_t line, uint64_t offset, const std::string& problem) {
    ++own.rows;
    own.reject({{"bad_json", problem}, rows.name(), line, offset});
  };
  while (rows.next(row, on_bad)) {
    ++own.rows;
    try {
      Changes changes;
      TokenPair pair = pair_of(
          builder, row.value,
          fmt::format("{}:{}", std::filesystem::path(rows.name()).filename().string(), row.line),
          options, changes);
      const std::string first = seen.repeats('p', key_of(pair), rows.name(), row.line);
      if (!first.empty()) {
        ++own.duplicates;
        if (own.duplicate_examples.size() < RowAccount::kMaxExamples) {
          own.duplicate_examples.push_back({{"duplicate", "repeats the pair of " + first},
                                            rows.name(),
                                            row.line,
                                            row.byte_offset});
        }
        continue;
      }
      for (const auto& [what, count] : changes) own.changed[what] += count;
      pairs.push_back(std::move(pair));
      ++own.kept;
    } catch (const Rejection& why) {
      own.reject({why, rows.name(), row.line, row.byte_offset});
    }
  }
  report.merge(own);
  if (pairs.empty() && own.duplicates == 0) {
    throw Error(
        rows.name(), fmt::format("no pair is left to train on ({})", own.summary()),
        "ponder data check FILE --kind preferences --explain lists each row with its reason");
  }
  return pairs;
}

}  // namespace ponder::data
