// What went in and what came of it, every number a link to its rows; and the log.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "dash/pages.h"
#include "data/model_text.h"
#include "data/token_rows.h"
#include "pool/stage_result.h"
#include "report/sections.h"

namespace ponder::dash {
namespace {

constexpr size_t kRowsAtOnce = 100;

// The part [from, from + 100) of a list, and how one gets to the others.
struct Part {
  size_t begin = 0, end = 0;
  Place place;
};

pool::Slice slice_of(const Part& part) {
  return {static_cast<int64_t>(part.begin), static_cast<int64_t>(part.end - part.begin)};
}

Part part_of(size_t size, const Parameters& asked, std::initializer_list<std::string_view> path) {
  Part part;
  part.begin = static_cast<size_t>(
      std::clamp<int64_t>(asked.integer("from").value_or(0), 0, static_cast<int64_t>(size)));
  part.end = std::min(size, part.begin + kRowsAtOnce);
  const auto to = [&](size_t from) {
    return address(path, asked.with("from", std::to_string(from)));
  };
  part.place = {part.begin, part.end, size,
                part.begin > 0 ? to(part.begin - std::min(part.begin, kRowsAtOnce)) : "",
                part.end < size ? to(part.end) : ""};
  return part;
}

std::string page_of(const std::string& run, std::string_view page,
                    std::vector<std::pair<std::string, std::string>> parameters) {
  return address({"run", run, page}, Parameters(std::move(parameters)));
}

Markup sources_table(const std::string& run, const pool::Pool& pool) {
  Markup rows;
  for (const pool::SourceRecord& source : pool.sources()) {
    Markup reasons;
    int64_t rejected = 0;
    for (const auto& [reason, count] : source.account.rejected) {
      rejected += static_cast<int64_t>(count);
      reasons += element(
          "li", link(page_of(run, "rejections",
                             {{"source", std::to_string(source.id)}, {"reason", reason}}),
                     fmt::format("{} {}", report::counted(static_cast<double>(count)), reason)));
    }
    rows += element(
        "tr", element("th", {{"scope", "row"}}, text(source.name)) +
                  cell(std::string(pool::to_string(source.role)) +
                       (source.set.empty() ? "" : " " + source.set)) +
                  number(static_cast<int64_t>(source.account.rows)) +
                  number(static_cast<int64_t>(source.account.kept)) +
                  linked_number(rejected, page_of(run, "rejections",
                                                  {{"source", std::to_string(source.id)}})) +
                  cell(reasons.empty() ? Markup{} : element("ul", {{"class", "plain"}}, reasons)));
  }
  return rows.empty()
             ? Markup{}
             : report::section(
                   "Read", table({"source", "as", "rows", "kept", "rejected", "by reason"}, rows));
}

Markup rollouts_table(OpenRun& run, const std::vector<pool::StageRecord>& stages) {
  struct Counts {
    int64_t all = 0, correct = 0, incorrect = 0, undecided = 0, unjudged = 0, length = 0,
            repetition = 0;
    std::vector<int32_t> tokens;
  };
  std::vector<Counts> counts(stages.size());
  const RolloutList& list = run.look_at_rollouts();
  for (const pool::RolloutEntry& entry : list.entries()) {
    if (!entry.looked_at) continue;
    Counts& c = counts[static_cast<size_t>(entry.stage)];
    ++c.all;
    c.tokens.push_back(entry.num_tokens);
    c.length += entry.finish_reason == data::FinishReason::kLength;
    c.repetition += entry.finish_reason == data::FinishReason::kRepetition;
    if (!entry.verdict)
      ++c.unjudged;
    else if (*entry.verdict == judge::Verdict::kCorrect)
      ++c.correct;
    else
      ++(*entry.verdict == judge::Verdict::kIncorrect ? c.incorrect : c.undecided);
  }
  Markup rows;
  for (size_t s = 0; s < stages.size(); ++s) {
    Counts& c = counts[s];
    if (c.all == 0) continue;
    std::sort(c.tokens.begin(), c.tokens.end());
    const auto at = [&](double share) {
      return number(
          c.tokens[static_cast<size_t>(share * static_cast<double>(c.tokens.size() - 1))]);
    };
    const auto to = [&](int64_t value, const char* name, const char* wanted) {
      return linked_number(
          value, page_of(run.name(), "rollouts", {{"stage", stages[s].name}, {name, wanted}}));
    };
    rows += element(
        "tr", element("th", {{"scope", "row"}}, text(stages[s].name)) + to(c.all, "", "") +
                  to(c.correct, "verdict", "correct") + to(c.incorrect, "verdict", "incorrect") +
                  to(c.undecided, "verdict", "undecided") +
                  to(c.unjudged, "verdict", "not judged") + to(c.length, "finish", "length") +
                  to(c.repetition, "finish", "repetition") + at(0.1) + at(0.5) + at(0.9));
  }
  const Markup so_far =
      list.complete() ? Markup{}
                      : note(fmt::format("Counted so far: {} of {} rollouts.",
                                         report::counted(static_cast<double>(list.num_looked_at())),
                                         list.size_text()));
  return rows.empty()
             ? so_far
             : report::section("Sampled", table({"stage", "rollouts", "correct", "incorrect",
                                                 "undecided", "not judged", "cut by length",
                                                 "cut as a loop", "tokens p10", "p50", "p90"},
                                                rows) +
                                              so_far);
}

Markup selected_table(const std::string& run, const std::vector<pool::StageRecord>& stages) {
  Markup rows;
  for (const pool::StageRecord& stage : stages) {
    const auto result = pool::result_of<pool::RefineResult>(stage);
    if (!result) continue;
    Markup filters;
    for (const auto& [filter, count] : result->dropped) {
      filters += element(
          "li", link(page_of(run, "selections", {{"stage", stage.name}, {"filter", filter}}),
                     fmt::format("{} {}", report::counted(static_cast<double>(count)),
                                 report::taken_by(filter))));
    }
    rows += element(
        "tr",
        element("th", {{"scope", "row"}}, text(stage.name)) + cell(result->strategy) +
            number(result->candidates) +
            linked_number(result->rows,
                          page_of(run, "selections", {{"stage", stage.name}, {"filter", "kept"}})) +
            cell(filters.empty() ? Markup{} : element("ul", {{"class", "plain"}}, filters)));
  }
  return rows.empty()
             ? Markup{}
             : report::section(
                   "Selected",
                   table({"stage", "strategy", "candidates", "selected", "left out"}, rows));
}

Markup trained_table(const std::string& run, const std::vector<pool::StageRecord>& stages) {
  Markup rows;
  for (const pool::StageRecord& stage : stages) {
    const auto result = pool::result_of<pool::TrainResult>(stage);
    if (!result) continue;
    std::string rejected;
    for (const auto& [reason, count] : result->rejected)
      rejected += fmt::format("{}{} {}", rejected.empty() ? "" : ", ", count, reason);
    rows +=
        element("tr", element("th", {{"scope", "row"}}, text(stage.name)) + cell(result->model) +
                          cell(result->label) +
                          linked_number(stage.rows, page_of(run, "rows", {{"stage", stage.name}})) +
                          number(result->steps) + number(result->tokens) + cell(rejected));
  }
  return rows.empty()
             ? Markup{}
             : report::section(
                   "Trained",
                   table({"stage", "model", "on", "rows", "steps", "tokens", "rejected"}, rows));
}

std::string rollout_link(const std::string& run, int64_t id) {
  return page_of(run, "rollout", {{"id", std::to_string(id)}});
}

Markup origin_cell(const std::string& run, const pool::RowOrigin& origin) {
  if (origin.kind == pool::RowOrigin::Kind::kRollout)
    return cell(link(rollout_link(run, origin.id), "rollout"));
  return cell(fmt::format("demonstration {}", origin.id));
}

// A demonstration's tokens as the trainer takes them: which of them carry loss.
Markup masked_tokens(OpenRun& run, const pool::StageRecord& stage,
                     const data::Demonstration& demonstration) {
  const auto model = stage.inputs.empty() ? std::nullopt : run.pool().model_named(stage.inputs[0]);
  if (!model) return note("The model it was trained from is not known.");
  for (const std::filesystem::path& folder :
       {run.folder() / model->path, run.folder() / "checkpoints" / model->name}) {
    if (!std::filesystem::exists(folder)) continue;
    try {
      const data::ModelText words(folder);
      const auto made = data::RowBuilder(words, 1 << 20).row("", demonstration);
      const data::TokenRow* row = made ? &*made : nullptr;
      if (!row) return note("It makes no row with this tokenizer.");
      Markup marks;
      for (size_t i = 0; i < row->tokens.size(); ++i) {
        marks += element("span",
                         {{"class", row->loss_mask[i] != 0 ? "t trained" : "t masked"},
                          {"title", fmt::format("id {}", row->tokens[i])}},
                         text(words.tokenizer().token_bytes(row->tokens[i])));
      }
      return element("p", {{"class", "legend"}},
                     element("span", {{"class", "t masked"}}, text("masked: no loss")) + text(" ") +
                         element("span", {{"class", "t trained"}}, text("trained"))) +
             element("pre", {{"class", "tokens"}}, marks) +
             note(
                 "With the tokenizer's own chat template and thought form; a recipe may ask for "
                 "others.");
    } catch (const Error& error) {
      return note(error.what());
    }
  }
  return note("The model's folder is not to be found.");
}

// The last lines of a file, at most so many bytes of it.
std::vector<std::string> last_lines(const std::filesystem::path& file, size_t bytes) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const auto size = static_cast<size_t>(std::max<std::streamoff>(0, in.tellg()));
  const size_t begin = size > bytes ? size - bytes : 0;
  in.seekg(static_cast<std::streamoff>(begin));
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(in, line)) lines.push_back(line);
  if (begin > 0 && !lines.empty()) lines.erase(lines.begin());
  return lines;
}

}  // namespace

Page pool_page(OpenRun& run) {
  const std::vector<pool::StageRecord> stages = run.pool().stages();
  Markup content = sources_table(run.name(), run.pool()) + rollouts_table(run, stages) +
                   selected_table(run.name(), stages) + trained_table(run.name(), stages);
  if (content.empty()) content = element("p", text("Nothing is there yet."));
  return {"Pool", content, true, !run.rollouts().complete()};
}

Page rejections_page(OpenRun& run, const Parameters& asked) {
  const std::string reason = asked.text("reason");
  const int64_t wanted = asked.integer("source").value_or(-1);
  uint64_t size = 0;
  for (const pool::SourceRecord& source : run.pool().sources()) {
    if (source.id != wanted) continue;
    for (const auto& [name, count] : source.account.rejected)
      if (reason.empty() || name == reason) size += count;
  }
  const Part part = part_of(size, asked, {"run", run.name(), "rejections"});
  Markup rows;
  for (const pool::RejectionRecord& record :
       run.pool().rejections_of(wanted, reason, slice_of(part)))
    rows += element("tr", number(static_cast<int64_t>(record.line)) + cell(record.reason) +
                              cell(record.detail));
  return {"Rejected rows", pager(part.place) + table({"line", "reason", "what"}, rows), false};
}

Page selections_page(OpenRun& run, const Parameters& asked) {
  const std::string stage = asked.text("stage");
  const pool::SelectionEnds found =
      run.pool().selection_ends(stage, asked.text("filter"), asked.integer("after").value_or(0),
                                kRowsAtOnce, run.time_left());
  Markup rows;
  for (const pool::Selection& s : found.ends) {
    std::string problem;
    if (s.origin.kind == pool::RowOrigin::Kind::kRollout) {
      if (const auto stored = run.pool().rollout(s.origin.id, false))
        problem = stored->rollout.problem_id;
    }
    rows +=
        element("tr", origin_cell(run.name(), s.origin) + cell(problem) +
                          cell(s.kept ? "selected" : "left out: " + report::taken_by(s.filter)) +
                          cell(s.rank > 0 ? std::to_string(s.rank) : "") + cell(s.detail));
  }
  const auto to = [&](const std::string& after) {
    return address({"run", run.name(), "selections"}, asked.with("after", after));
  };
  Markup place = text(found.ends.empty() && found.complete ? "none" : "");
  if (!asked.text("after").empty()) place += link(to(""), "← the first");
  if (!found.complete) {
    place += text(" ") + element("a", {{"href", to(std::to_string(found.last))}, {"rel", "next"}},
                                 text(found.ends.size() == kRowsAtOnce ? "next →" : "look on →"));
  }
  return {"Selection of " + stage,
          element("nav", {{"class", "pager"}, {"aria-label", "pages"}}, place) +
              table({"candidate", "problem", "what became of it", "rank", "because"}, rows),
          false};
}

Page rows_page(OpenRun& run, const Parameters& asked) {
  const std::string stage = asked.text("stage");
  const int64_t num_pairs = run.pool().num_pairs(stage);
  const Part part =
      part_of(static_cast<size_t>(num_pairs > 0 ? num_pairs : run.pool().num_training_rows(stage)),
              asked, {"run", run.name(), "rows"});
  const auto row_link = [&](int64_t index) {
    const std::string name = fmt::format("{}:{}", stage, index);
    return cell(link(page_of(run.name(), "row", {{"name", name}}), name));
  };
  Markup rows;
  if (num_pairs > 0) {
    for (const pool::PairRow& pair : run.pool().pairs(stage, slice_of(part)))
      rows += element("tr", row_link(pair.index) +
                                cell(link(rollout_link(run.name(), pair.chosen), "chosen")) +
                                cell(link(rollout_link(run.name(), pair.rejected), "rejected")));
    return {"Pairs of " + stage, pager(part.place) + table({"pair", "chosen", "rejected"}, rows),
            false};
  }
  for (const pool::TrainingRow& row : run.pool().training_rows(stage, slice_of(part)))
    rows += element(
        "tr", row_link(row.index) + origin_cell(run.name(), row.origin) + number(row.num_tokens));
  return {"Rows of " + stage, pager(part.place) + table({"row", "made of", "tokens"}, rows), false};
}

Page row_page(OpenRun& run, const Parameters& asked) {
  const std::string name = asked.text("name");
  const pool::Pool& pool = run.pool();
  Markup content = element("details", {{"open", "open"}},
                           element("summary", text("where it comes from")) +
                               element("pre", text(pool::lineage_text(pool.lineage(name)))));
  const size_t colon = name.rfind(':');
  const std::string stage = name.substr(0, colon), index = name.substr(colon + 1);
  const int64_t at = Parameters({{"index", index}}).integer("index").value_or(-1);
  for (const pool::TrainingRow& row : pool.training_rows(stage, {std::max<int64_t>(at, 0), 1})) {
    if (row.index != at) continue;
    if (row.origin.kind == pool::RowOrigin::Kind::kRollout) {
      content += element("p", link(rollout_link(run.name(), row.origin.id),
                                   "its tokens, with their log-probabilities"));
    } else if (const auto record = pool.stage(stage)) {
      const data::Demonstration demonstration = pool.demonstration(row.origin.id);
      content += report::section("Tokens", masked_tokens(run, *record, demonstration));
    }
  }
  return {"Row " + name, content, false};
}

Page log_page(OpenRun& run, const Parameters& asked) {
  const std::string level = asked.text("level");
  Markup rows;
  std::vector<std::string> lines = last_lines(run.folder() / "log.jsonl", size_t{256} << 10);
  std::reverse(lines.begin(), lines.end());
  size_t shown = 0;
  for (const std::string& line : lines) {
    Json event;
    try {
      event = parse_json(line, "log.jsonl");
    } catch (const Error&) {  // being written
      continue;
    }
    const auto words = [&](const char* key) {
      const auto field = event.find(key);
      return field != event.end() && field->is_string() ? field->get<std::string>() : std::string();
    };
    if (!event.is_object()) continue;
    const std::string kind = words("event");
    if (!level.empty() && kind != level) continue;
    if (++shown > 500) break;
    std::string told = words("text");
    if (told.empty()) {
      Json fields = event;
      // Figures have pages of their own: a result holds a whole curve.
      for (const char* key : {"time", "event", "seconds", "result"}) fields.erase(key);
      told = dump_json(fields);
    }
    rows += element("tr", {{"class", kind == "error" || kind == "warning" ? "log " + kind : "log"}},
                    word_cell(short_time(words("time"))) + word_cell(kind) +
                        element("td", {{"class", "what"}}, text(told)));
  }
  Markup levels;
  for (const char* each : {"", "info", "warning", "error", "stage", "rejected"}) {
    const std::string to = page_of(run.name(), "log", {{"level", each}});
    const std::string title = each[0] == 0 ? "all" : each;
    levels += level == each ? element("a", {{"href", to}, {"aria-current", "true"}}, text(title))
                            : link(to, title);
  }
  return {"Log",
          element("nav", {{"class", "pager"}, {"aria-label", "levels"}}, levels) +
              (rows.empty() ? note("Nothing was said.")
                            : report::stacked_table(
                                  report::header_row({"time (UTC)", "event", "what"}), rows)) +
              note("The newest first, of the last 256 KiB of log.jsonl."),
          true};
}

}  // namespace ponder::dash
