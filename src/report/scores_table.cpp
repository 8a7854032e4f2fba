#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "report/loop_table.h"
#include "report/report.h"

namespace ponder::report {
namespace {

constexpr size_t kWidth = 100, kNarrowestLabel = 16, kGap = 2;

// Columns of a terminal.
size_t width_of(std::string_view any) {
  size_t width = 0;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(any.data());
  for (size_t i = 0; i < any.size();) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(any.size() - i), &c);
    width += length <= 0 ? 1 : static_cast<size_t>(utf8proc_charwidth(c));
    i += length <= 0 ? 1 : static_cast<size_t>(length);
  }
  return width;
}

std::string padded(const std::string& any, size_t width, bool right = false) {
  const std::string space(width - std::min(width, width_of(any)), ' ');
  return right ? space + any : any + space;
}

std::vector<std::string> wrapped(const std::string& any, size_t width) {
  std::vector<std::string> lines(1);
  for (size_t i = 0; i < any.size();) {
    const size_t end = std::min(any.find(' ', i), any.size());
    const std::string word = any.substr(i, end - i);
    if (!lines.back().empty() && width_of(lines.back()) + 1 + width_of(word) > width) {
      // A line rather ends with a comma than somewhere within a phrase.
      std::string rest;
      const size_t comma = lines.back().rfind(", ");
      if (comma != std::string::npos) {
        rest = lines.back().substr(comma + 2);
        lines.back().erase(comma + 1);
      }
      lines.push_back(rest);
    }
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    i = end + 1;
  }
  return lines;
}

void add_line(std::string& out, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

std::string score_text(const std::optional<pool::ScoreRecord>& score) {
  if (!score) return "-";
  return fmt::format("{:.1f} [{:.1f}, {:.1f}]", 100 * score->accuracy, 100 * score->interval_low,
                     100 * score->interval_high);
}

std::string column_title(const LoopTable& table, size_t benchmark) {
  std::string n;
  for (const LoopTable::Row& row : table.rows) {
    if (!row.scores[benchmark]) continue;
    const std::string now = std::to_string(row.scores[benchmark]->n);
    if (n.empty()) n = now;
    if (n != now) n = "differs";
  }
  return fmt::format("{} (n {})", table.benchmarks[benchmark], n);
}

// One block of the table: the benchmarks [begin, end).
void add_scores(std::string& out, const LoopTable& table, size_t begin, size_t end) {
  size_t model_width = width_of("model"), label_width = width_of("trained on"), used = 0;
  for (const LoopTable::Row& row : table.rows) {
    model_width = std::max(model_width, width_of(row.model));
    label_width = std::max(label_width, width_of(row.label));
  }
  std::vector<size_t> widths;
  for (size_t b = begin; b < end; ++b) {
    size_t width = width_of(column_title(table, b));
    for (const LoopTable::Row& row : table.rows) {
      width = std::max(width, width_of(score_text(row.scores[b])));
    }
    widths.push_back(width);
    used += kGap + width;
  }
  used += model_width + kGap;
  label_width = std::min(label_width, std::max(kNarrowestLabel, kWidth - std::min(kWidth, used)));

  std::string title = padded("model", model_width + kGap) + padded("trained on", label_width);
  for (size_t b = begin; b < end; ++b) {
    title += std::string(kGap, ' ') + padded(column_title(table, b), widths[b - begin], true);
  }
  add_line(out, title);
  for (const LoopTable::Row& row : table.rows) {
    const std::vector<std::string> label = wrapped(row.label, label_width);
    std::string line = padded(row.model, model_width + kGap) + padded(label[0], label_width);
    for (size_t b = begin; b < end; ++b) {
      line += std::string(kGap, ' ') + padded(score_text(row.scores[b]), widths[b - begin], true);
    }
    add_line(out, line);
    for (size_t i = 1; i < label.size(); ++i) {
      add_line(out, std::string(model_width + kGap, ' ') + label[i]);
    }
  }
}

std::string difference_text(const PairwiseComparison::Cell& cell) {
  if (!cell.comparison) return cell.reason;
  const eval::Comparison& c = *cell.comparison;
  return fmt::format("{:+.1f} [{:+.1f}, {:+.1f}] {}", 100 * c.difference, 100 * c.interval_95.low,
                     100 * c.interval_95.high, c.distinguishable ? "yes" : "no ");
}

void add_comparisons(std::string& out, const LoopTable& table,
                     const std::vector<PairwiseComparison>& all, size_t begin, size_t end) {
  std::vector<std::string> names;
  size_t name_width = 0;
  for (const PairwiseComparison& entry : all) {
    names.push_back(
        fmt::format("{} against {}", table.rows[entry.model].model, table.rows[entry.other].model));
    name_width = std::max(name_width, width_of(names.back()));
  }
  std::vector<size_t> widths;
  for (size_t b = begin; b < end; ++b) {
    size_t width = width_of(table.benchmarks[b]);
    for (const PairwiseComparison& entry : all)
      width = std::max(width, width_of(difference_text(entry.cells[b])));
    widths.push_back(width);
  }
  std::string title = padded("told apart?", name_width);
  for (size_t b = begin; b < end; ++b) {
    title += std::string(kGap, ' ') + padded(table.benchmarks[b], widths[b - begin], true);
  }
  add_line(out, title);
  for (size_t i = 0; i < all.size(); ++i) {
    std::string line = padded(names[i], name_width);
    for (size_t b = begin; b < end; ++b) {
      line += std::string(kGap, ' ') +
              padded(difference_text(all[i].cells[b]), widths[b - begin], true);
    }
    add_line(out, line);
  }
}

}  // namespace

std::string scores_table(const pool::Pool& pool) {
  const LoopTable table = loop_table(pool);
  std::string out;
  if (table.rows.empty()) return "no model yet\n";
  if (table.benchmarks.empty()) {
    add_scores(out, table, 0, 0);
    return out + "\nno model was evaluated yet\n";
  }
  constexpr size_t kAtOnce = 3;
  const size_t n = table.benchmarks.size();
  for (size_t b = 0; b < n; b += kAtOnce) {
    if (b > 0) out += "\n";
    add_scores(out, table, b, std::min(n, b + kAtOnce));
  }
  out += "accuracy in %, with its 95 % interval\n";
  const std::vector<PairwiseComparison> all = pairwise_comparisons(table);
  if (all.empty()) return out + "\none model evaluated: nothing to tell it apart from\n";
  for (size_t b = 0; b < n; b += kAtOnce) {
    out += "\n";
    add_comparisons(out, table, all, b, std::min(n, b + kAtOnce));
  }
  return out +
         "difference in points on the same problems, with its 95 % interval; yes: paired test, "
         "p < 0.05\n";
}

}  // namespace ponder::report
