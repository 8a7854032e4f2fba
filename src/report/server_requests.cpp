#include "report/server_requests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "report/sections.h"

namespace ponder::report {
namespace {

using Outcome = pool::AttemptRecord::Outcome;

constexpr size_t kMostReasons = 3;

std::string whole(int64_t n) { return counted(static_cast<double>(n)); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The text with its numbers alike, but for the one of a status: what an address is made of stays.
std::string without_numbers(const std::string& text) {
  std::string alike;
  for (size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '(';
    size_t end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    const bool ends =
        end == text.size() || std::string_view(" ,;)").find(text[end]) != std::string_view::npos;
    if (end == at || !begins || !ends || alike.ends_with("status ")) {
      end = std::max(end, at + 1);
      alike += text.substr(at, end - at);
    } else {
      alike += '#';
    }
    at = end;
  }
  return alike;
}

int64_t& count_of(ServerRequests& requests, Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return requests.answered;
    case Outcome::kFull:
      return requests.full;
    case Outcome::kFailed:
      return requests.failed;
    case Outcome::kRefused:
      return requests.refused;
    case Outcome::kWithdrawn:
      return requests.withdrawn;
    case Outcome::kBegun:
      return requests.begun;
  }
  return requests.failed;
}

void add_reason(ServerRequests& requests, const pool::AttemptSum& sum) {
  if (sum.error.empty()) return;
  const std::string alike = without_numbers(sum.error);
  const auto known = std::ranges::find_if(requests.reasons, [&](const auto& reason) {
    return reason.outcome == sum.outcome && without_numbers(reason.text) == alike;
  });
  if (known != requests.reasons.end())
    known->count += sum.num_attempts;
  else
    requests.reasons.push_back({sum.outcome, sum.error, sum.num_attempts});
}

// What there is of each outcome, in words.
std::vector<std::pair<int64_t, const char*>> outcomes_of(const ServerRequests& requests) {
  return {{requests.answered, "answered"},
          {requests.failed, "failed"},
          {requests.refused, "refused"},
          {requests.full, "too many for it"},
          {requests.withdrawn, "thrown away"},
          {requests.begun, "on their way when they were kept last"}};
}

// The last line is of those that have none.
std::vector<std::string> reason_lines(const ServerRequests& requests) {
  std::vector<std::string> lines;
  int64_t others = 0;
  for (const ServerRequests::Reason& reason : requests.reasons) {
    if (lines.size() < kMostReasons)
      lines.push_back(fmt::format("{} {}: {}", whole(reason.count), pool::to_string(reason.outcome),
                                  reason.text));
    else
      others += reason.count;
  }
  if (others > 0) {
    lines.push_back(fmt::format(
        "{} for {} other reasons", whole(others),
        whole(static_cast<int64_t>(requests.reasons.size()) - static_cast<int64_t>(kMostReasons))));
  }
  return lines;
}

}  // namespace

std::vector<ServerRequests> server_requests(const pool::Pool& pool) {
  std::vector<ServerRequests> all;
  for (const pool::AttemptSum& sum : pool.attempt_sums()) {
    auto of = std::ranges::find_if(all, [&](const ServerRequests& requests) {
      return requests.stage == sum.stage && requests.server == sum.server;
    });
    if (of == all.end()) {
      all.push_back({.stage = sum.stage, .server = sum.server});
      of = all.end() - 1;
    }
    of->asked += sum.num_attempts;
    count_of(*of, sum.outcome) += sum.num_attempts;
    if (sum.outcome != Outcome::kWithdrawn) of->num_tokens += sum.num_tokens;
    add_reason(*of, sum);
  }
  for (ServerRequests& requests : all) {
    std::ranges::stable_sort(requests.reasons, std::greater{},
                             [](const auto& reason) { return reason.count; });
  }
  return all;
}

Json to_json(const ServerRequests& requests) {
  Json reasons = Json::array();
  for (const ServerRequests::Reason& reason : requests.reasons) {
    reasons.push_back({{"outcome", pool::to_string(reason.outcome)},
                       {"reason", reason.text},
                       {"count", reason.count}});
  }
  return {{"server", requests.server},       {"asked", requests.asked},
          {"answered", requests.answered},   {"full", requests.full},
          {"failed", requests.failed},       {"refused", requests.refused},
          {"withdrawn", requests.withdrawn}, {"begun", requests.begun},
          {"tokens", requests.num_tokens},   {"reasons", std::move(reasons)}};
}

std::vector<std::string> server_lines(const ServerRequests& requests) {
  std::vector<std::string> parts;
  for (const auto& [count, words] : outcomes_of(requests))
    if (count > 0) parts.push_back(fmt::format("{} {}", whole(count), words));
  std::vector<std::string> lines = {
      fmt::format("{}: asked {} times: {}; {} tokens", requests.server, whole(requests.asked),
                  fmt::join(parts, ", "), whole(requests.num_tokens))};
  for (const std::string& line : reason_lines(requests)) lines.push_back("  " + line);
  return lines;
}

Markup servers_section(std::span<const ServerRequests> all) {
  if (all.empty()) return {};
  Markup body;
  for (const ServerRequests& requests : all) {
    Markup cells = element("th", {{"scope", "row"}}, text(requests.stage)) +
                   element("td", text(requests.server)) +
                   number_cell(static_cast<double>(requests.asked));
    for (const auto& [count, words] : outcomes_of(requests))
      cells += number_cell(static_cast<double>(count));
    cells += number_cell(static_cast<double>(requests.num_tokens));
    Markup why;
    for (const std::string& line : reason_lines(requests)) why += element("div", text(line));
    body += element("tr", cells + element("td", why));
  }
  return section(
      "Requests to servers",
      wide_table(header_row({"stage", "server", "asked", "answered", "failed", "refused",
                             "was full", "thrown away", "on their way", "tokens", "why"}),
                 body) +
          element(
              "p", {{"class", "note"}},
              text("What failed was asked again; what was refused never is. Thrown away is what "
                   "a server had answered that was then found to have other weights. On their "
                   "way are those whose tokens were kept last before they ended, or before the "
                   "run was stopped or killed. Tokens are those that count. Reasons that differ "
                   "in their numbers alone are told by the first.")));
}

}  // namespace ponder::report
