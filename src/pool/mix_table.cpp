#include "pool/mix_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/readers.h"

namespace ponder::pool {

void MixTable::add(const std::string& domain, const std::string& source, int64_t tokens) {
  MixPart& part = parts_[{domain, source}];
  part.domain = domain;
  part.source = source;
  ++part.rows;
  part.tokens += tokens;
}

std::vector<MixPart> MixTable::parts() const {
  std::vector<MixPart> parts;
  for (const auto& [key, part] : parts_) parts.push_back(part);
  std::stable_sort(parts.begin(), parts.end(),
                   [](const MixPart& a, const MixPart& b) { return a.tokens > b.tokens; });
  return parts;
}

std::string teacher_of(const data::Demonstration& row) {
  if (!row.source.empty() || row.file.empty()) return row.source;
  return data::dataset_name(row.file);
}

Json to_json(const std::vector<MixPart>& parts) {
  Json list = Json::array();
  for (const MixPart& part : parts) {
    list.push_back({{"domain", part.domain},
                    {"source", part.source},
                    {"rows", part.rows},
                    {"tokens", part.tokens}});
  }
  return list;
}

std::vector<MixPart> mix_from_json(const Json& json) {
  std::vector<MixPart> parts;
  if (!json.is_array()) return parts;
  const auto text = [](const Json& item, const char* key) {
    const auto value = item.find(key);
    return value != item.end() && value->is_string() ? value->get<std::string>() : "";
  };
  const auto number = [](const Json& item, const char* key) {
    const auto value = item.find(key);
    return value != item.end() && value->is_number_integer() ? value->get<int64_t>() : 0;
  };
  for (const Json& item : json) {
    if (!item.is_object()) continue;
    parts.push_back(
        {text(item, "domain"), text(item, "source"), number(item, "rows"), number(item, "tokens")});
  }
  return parts;
}

std::vector<std::string> mix_lines(const std::vector<MixPart>& parts) {
  int64_t all = 0;
  for (const MixPart& part : parts) all += part.tokens;
  const auto amount = [&](int64_t rows, int64_t tokens) {
    const double share = all > 0 ? 100 * static_cast<double>(tokens) / static_cast<double>(all) : 0;
    return fmt::format("{} rows, {} tokens ({:.1f} %)", rows, tokens, share);
  };
  // One line is never "and 1 more".
  const size_t shown = parts.size() <= kMostMixLines ? parts.size() : kMostMixLines - 1;
  std::vector<std::string> lines;
  for (size_t i = 0; i < shown; ++i) {
    const MixPart& part = parts[i];
    lines.push_back(fmt::format("{}, {}: {}", part.domain.empty() ? "no domain" : part.domain,
                                part.source.empty() ? "no source" : part.source,
                                amount(part.rows, part.tokens)));
  }
  if (shown == parts.size()) return lines;
  int64_t rows = 0, tokens = 0;
  for (size_t i = shown; i < parts.size(); ++i) {
    rows += parts[i].rows;
    tokens += parts[i].tokens;
  }
  lines.push_back(fmt::format("and {} more: {}", parts.size() - shown, amount(rows, tokens)));
  return lines;
}

}  // namespace ponder::pool
