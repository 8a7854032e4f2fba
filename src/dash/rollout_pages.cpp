// Rollouts by the hundred, one with its tokens, and a problem over the rounds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "dash/pages.h"
#include "pool/stage_result.h"
#include "report/sections.h"

namespace ponder::dash {
namespace {

constexpr size_t kAtOnce = 100;
constexpr size_t kTokensAtOnce = 4096;
constexpr size_t kShownBytes = 4000;  // of a thought or solution in the list

// A hundred entries that are taken, from `after` on or up to `before`, and where they stand among all
// that are.
struct Found {
  std::vector<const pool::RolloutEntry*> entries;
  size_t first = 0, of = 0;
  bool place_known = true;  // of `after` and `before`
};

Found find_entries(const std::vector<pool::RolloutEntry>& all, const auto& takes,
                   std::optional<int64_t> after, std::optional<int64_t> before) {
  std::vector<size_t> taken;
  size_t begin = 0, end = 0;
  bool reached = false, passed = false;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool is_taken = takes(all[i]);
    if (all[i].id == after) {
      begin = taken.size() + (is_taken ? 1 : 0);
      passed = true;
    }
    if (all[i].id == before) {
      end = taken.size();
      reached = true;
    }
    if (is_taken) taken.push_back(i);
  }
  if (reached) begin = end > kAtOnce ? end - kAtOnce : 0;
  Found found;
  found.place_known = (!after || passed) && (!before || reached);
  found.first = begin;
  found.of = taken.size();
  for (size_t i = begin; i < std::min(taken.size(), begin + kAtOnce); ++i)
    found.entries.push_back(&all[taken[i]]);
  return found;
}

std::string counted(size_t n) { return report::counted(static_cast<double>(n)); }

Markup choice(const std::string& name, const std::string& chosen,
              const std::vector<std::string>& values) {
  Markup options = element("option", {{"value", ""}}, text("any"));
  for (const std::string& value : values) {
    options += value == chosen
                   ? element("option", {{"value", value}, {"selected", "selected"}}, text(value))
                   : element("option", {{"value", value}}, text(value));
  }
  return element("label", text(name + " ") + element("select", {{"name", name}}, options));
}

Markup field(const std::string& name, const std::string& value, const std::string& type) {
  return element("label",
                 text(name + " ") +
                     empty_element("input", {{"type", type}, {"name", name}, {"value", value}}));
}

std::string shortened(const std::string& any) {
  if (any.size() <= kShownBytes) return any;
  size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(any[end]) & 0xC0) == 0x80) --end;
  return any.substr(0, end) + " …";
}

Markup verdict_mark(const std::optional<judge::Verdict>& verdict) {
  const std::string words = verdict_text(verdict);
  return element("span", {{"class", "verdict " + words}}, text(words));
}

std::string ended_text(const data::Rollout& t) {
  return fmt::format("{} tokens, {}", t.completion.num_tokens(),
                     data::to_string(t.completion.finish_reason));
}

Markup thought_and_solution(const data::Rollout& t, bool open) {
  if (t.thought.empty() && t.solution.empty())
    return element("pre", text(open ? t.completion.text : shortened(t.completion.text)));
  const Markup solution = element("pre", text(open ? t.solution : shortened(t.solution)));
  if (t.thought.empty()) return solution;
  const Markup thought =
      element("pre", {{"class", "thought"}}, text(open ? t.thought : shortened(t.thought)));
  const std::string title =
      fmt::format("thought, {} characters", report::counted(static_cast<double>(t.thought.size())));
  Markup out =
      open ? element("details", {{"open", "open"}}, element("summary", text(title)) + thought)
           : element("details", element("summary", text(title)) + thought);
  return out + solution;
}

std::string problem_address(const std::string& run, const pool::StoredRollout& stored) {
  return address({"run", run, "problem"},
                 Parameters({{"id", stored.rollout.problem_id}, {"benchmark", stored.benchmark}}));
}

std::string rollout_address(const std::string& run, int64_t id) {
  return address({"run", run, "rollout"}, Parameters({{"id", std::to_string(id)}}));
}

Markup listed(const std::string& run, const pool::Pool& pool, int64_t id) {
  const std::optional<pool::StoredRollout> stored = pool.rollout(id, false);
  if (!stored) return {};
  const data::Rollout& t = stored->rollout;
  const std::optional<data::Problem> problem = pool.problem(t.problem_id, stored->benchmark);
  const Markup head = element("a", {{"class", "open"}, {"href", rollout_address(run, id)}},
                              text(fmt::format("{} sample {}", stored->stage, t.sample))) +
                      text(" ") + verdict_mark(t.verdict) + text(" " + ended_text(t) + " ") +
                      link(problem_address(run, *stored), t.problem_id);
  Markup judged = text(fmt::format("gold {}", problem ? problem->answer : "?"));
  if (!t.proof.empty()) judged += text("; " + t.proof);
  return element(
      "article", {{"class", "rollout"}, {"id", fmt::format("r{}", id)}},
      element("h2", head) +
          element("p", {{"class", "question"}}, text(problem ? shortened(problem->question) : "")) +
          thought_and_solution(t, false) + element("p", {{"class", "small"}}, judged));
}

// A token as a span: colour by its log-probability, its id, bytes and number on hovering.
Markup token_mark(const tokenizer::Tokenizer* tokenizer, int32_t id, std::optional<float> logprob,
                  bool prompt) {
  std::string bytes;
  if (tokenizer && id >= 0 && id < tokenizer->vocab_size()) {
    try {
      bytes = tokenizer->token_bytes(id);
    } catch (const Error&) {  // an id without a token
    }
  }
  std::string told = fmt::format("id {}", id);
  if (!bytes.empty()) {
    told += ", bytes";
    for (const char c : bytes) told += fmt::format(" {:02X}", static_cast<unsigned char>(c));
  }
  std::string kind = "t";
  if (prompt) kind += " masked";
  if (logprob) {
    told += fmt::format(", log-probability {:.3f}", *logprob);
    const double p = std::exp(static_cast<double>(*logprob));
    kind += p > 0.9 ? " p0" : p > 0.5 ? " p1" : p > 0.1 ? " p2" : p > 0.01 ? " p3" : " p4";
  }
  return element("span", {{"class", kind}, {"title", told}},
                 text(bytes.empty() ? fmt::format("⟨{}⟩", id) : bytes));
}

Markup legend() {
  Markup out;
  const std::pair<const char*, const char*> kKinds[] = {
      {"t masked", "prompt: no loss"}, {"t p0", "above 0.9"},   {"t p1", "0.5 to 0.9"},
      {"t p2", "0.1 to 0.5"},          {"t p3", "0.01 to 0.1"}, {"t p4", "below 0.01"}};
  for (const auto& [kind, words] : kKinds)
    out += element("span", {{"class", kind}}, text(words)) + text(" ");
  return element("p", {{"class", "legend"}}, out);
}

Markup tokens_of(OpenRun& run, const pool::StoredRollout& stored, const Parameters& asked) {
  const data::Rollout& t = stored.rollout;
  if (!t.completion.token_ids) return note("The rollout came from elsewhere without token ids.");
  const tokenizer::Tokenizer* tokenizer = run.tokenizer_of(t.completion.model_sha256);
  const std::vector<int32_t>& ids = *t.completion.token_ids;
  const size_t from = static_cast<size_t>(
      std::clamp<int64_t>(asked.integer("from").value_or(0), 0, static_cast<int64_t>(ids.size())));
  const size_t end = std::min(ids.size(), from + kTokensAtOnce);
  Markup marks;
  if (from == 0)
    for (const int32_t id : t.prompt_ids) marks += token_mark(tokenizer, id, std::nullopt, true);
  for (size_t i = from; i < end; ++i) {
    marks += token_mark(tokenizer, ids[i],
                        t.completion.logprobs && i < t.completion.logprobs->size()
                            ? std::optional((*t.completion.logprobs)[i])
                            : std::nullopt,
                        false);
  }
  const std::optional<pool::ModelRecord> model = run.pool().model(t.completion.model_sha256);
  Markup out = note(fmt::format(
      "Colour: the probability that {} ({}) gave each token as it was sampled, arithmetic {}. What "
      "is trained on is the completion; the prompt carries no loss. {}",
      model ? model->name : "its model", data::to_string(t.completion.logprob_source),
      tensor::to_string(t.completion.precision),
      tokenizer ? "" : "The model's tokenizer is not to be found: ids are shown."));
  out += legend() + element("pre", {{"class", "tokens"}}, marks);
  if (ids.size() > kTokensAtOnce) {
    const auto to = [&](size_t token) {
      return address({"run", run.name(), "rollout"}, asked.with("from", std::to_string(token)));
    };
    out += pager({from, end, ids.size(),
                  from > 0 ? to(from > kTokensAtOnce ? from - kTokensAtOnce : 0) : "",
                  end < ids.size() ? to(end) : ""});
  }
  return out;
}

Markup fact(std::string_view name, const Markup& value) {
  return element("dt", text(name)) + element("dd", value);
}

// What became of it, filter by filter.
Markup filters_of(const pool::Pool& pool, int64_t id) {
  Markup items;
  for (const pool::Selection& selection :
       pool.selections_of({pool::RowOrigin::Kind::kRollout, id})) {
    items += element(
        "li", text(fmt::format("{}: {} by {}{}", selection.stage,
                               selection.kept ? "kept" : "left out", selection.filter,
                               selection.detail.empty() ? "" : " (" + selection.detail + ")")));
  }
  return items.empty() ? note("No filter has seen it.") : element("ul", {{"class", "note"}}, items);
}

// Which servers were asked for it, and what came of that.
Markup requests_of(const pool::Pool& pool, const pool::StoredRollout& rollout) {
  Markup rows;
  for (const pool::AttemptRecord& attempt : pool.attempts_of(rollout)) {
    rows +=
        element("tr", number(attempt.number) + cell(attempt.server) + cell(attempt.began) +
                          cell(attempt.ended) + word_cell(std::string(to_string(attempt.outcome))) +
                          number(attempt.num_tokens) + cell(attempt.error));
  }
  if (rows.empty()) return {};
  return report::section("Requests",
                         table({"", "server", "sent", "ended", "came to", "tokens", "why"}, rows));
}

}  // namespace

Page rollouts_page(OpenRun& run, const Parameters& asked) {
  RolloutList& list = run.rollouts();
  const std::vector<pool::RolloutEntry>& all = list.entries();
  const pool::Pool& pool = run.pool();
  const std::vector<pool::StageRecord> stages = pool.stages();
  RolloutFilter filter;
  std::vector<std::string> with_rollouts;
  std::vector<bool> has(stages.size(), false);
  for (const pool::RolloutEntry& entry : all) has[static_cast<size_t>(entry.stage)] = true;
  for (size_t i = 0; i < stages.size(); ++i) {
    if (has[i]) with_rollouts.push_back(stages[i].name);
    if (stages[i].name == asked.text("stage")) filter.stage = static_cast<int32_t>(i);
  }
  if (!asked.text("stage").empty() && !filter.stage) filter.stage = -1;
  filter.verdict = asked.text("verdict");
  filter.finish = asked.text("finish");
  filter.min = asked.integer("min");
  filter.max = asked.integer("max");
  const std::string words = asked.text("text");
  if (filter.needs_rows()) run.look_at_rollouts();
  bool unfinished = !list.listed() || (filter.needs_rows() && !list.complete());
  Markup so_far;
  if (filter.needs_rows() && unfinished) {
    so_far = note(fmt::format("{} of {} rollouts were looked at so far: more may be found.",
                              counted(list.num_looked_at()), list.size_text()));
  } else if (unfinished) {
    so_far =
        note(fmt::format("{} rollouts: those behind them are being counted.", list.size_text()));
  }
  if (!words.empty()) {
    list.search(pool, words, filter, run.time_left());
    size_t wanted = 0, read = 0;
    for (const pool::RolloutEntry& entry : all) {
      if (!filter.takes(entry)) continue;
      ++wanted;
      read += list.was_read(entry.id) ? 1 : 0;
    }
    unfinished = unfinished || read < wanted;
    so_far += note(fmt::format("Looked through {} of {}{}.", counted(read), counted(wanted),
                               read < wanted ? " so far" : ""));
  }
  Found found = find_entries(
      all,
      [&](const pool::RolloutEntry& entry) {
        return filter.takes(entry) && (words.empty() || list.holds_text(entry.id));
      },
      asked.integer("after"), asked.integer("before"));
  const bool elsewhere = !found.place_known && !list.listed();
  if (elsewhere) found.entries.clear();  // those of another place are not shown in its stead
  const auto to = [&](std::string_view name, const pool::RolloutEntry* entry) {
    return address(
        {"run", run.name(), "rollouts"},
        asked.with("after", "").with("before", "").with(name, std::to_string(entry->id)));
  };
  const size_t end = found.first + found.entries.size();
  const Place here = {
      found.first, end, found.of,
      found.first > 0 && !found.entries.empty() ? to("before", found.entries.front()) : "",
      end < found.of && !found.entries.empty() ? to("after", found.entries.back()) : ""};
  const Markup place = (elsewhere ? Markup{} : pager(here)) + so_far;
  Markup shown;
  for (const pool::RolloutEntry* entry : found.entries)
    shown += listed(run.name(), pool, entry->id);
  const Markup form =
      choice("stage", asked.text("stage"), with_rollouts) +
      choice("verdict", filter.verdict, {"correct", "incorrect", "undecided", "not judged"}) +
      choice("finish", filter.finish, {"stop", "length", "repetition"}) +
      field("min", asked.text("min"), "number") + field("max", asked.text("max"), "number") +
      field("text", words, "search") + element("button", text("show"));
  return {
      "Rollouts",
      element("form", {{"class", "filter"}, {"action", address({"run", run.name(), "rollouts"})}},
              form) +
          place + shown + (found.entries.size() > 5 ? place : Markup{}) +
          note("min and max: tokens. Keys: j and k to the next and the one before, Enter opens "
               "it, n and p turn the page."),
      false, unfinished};
}

Page rollout_page(OpenRun& run, const Parameters& asked) {
  const pool::Pool& pool = run.pool();
  const auto stored = pool.rollout(asked.integer("id").value_or(-1));
  if (!stored)
    throw Error(ErrorKind::kNotFound, "rollout " + asked.text("id"), "is not in this run");
  const data::Rollout& t = stored->rollout;
  const std::optional<data::Problem> problem = pool.problem(t.problem_id, stored->benchmark);
  std::string sampled = fmt::format("seed {}, temperature {:g}, top-p {:g}, top-k {}", t.seed,
                                    t.sampling.temperature, t.sampling.top_p, t.sampling.top_k);
  if (!t.completion.endpoint.empty()) sampled += ", by " + t.completion.endpoint;
  if (t.perplexity) sampled += fmt::format(", perplexity {:.3f}", *t.perplexity);
  Markup facts =
      fact("problem", link(problem_address(run.name(), *stored), t.problem_id)) +
      fact("question", element("pre", text(problem ? problem->question : ""))) +
      fact("gold answer", text(problem ? problem->answer : "")) +
      fact("verdict", verdict_mark(t.verdict) + text(t.proof.empty() ? "" : ": " + t.proof)) +
      fact("ended", text(ended_text(t))) + fact("sampled", text(sampled));
  return {fmt::format("{}, sample {}", stored->stage, t.sample),
          element("dl", facts) + thought_and_solution(t, true) +
              report::section("Filters", filters_of(pool, stored->id)) +
              requests_of(pool, *stored) +
              report::section("Tokens", tokens_of(run, *stored, asked)),
          false};
}

Page problem_page(OpenRun& run, const Parameters& asked) {
  const pool::Pool& pool = run.pool();
  const std::string id = asked.text("id"), benchmark = asked.text("benchmark");
  const std::optional<data::Problem> problem = pool.problem(id, benchmark);
  if (!problem) throw Error(ErrorKind::kNotFound, "problem " + id, "is not in this run");
  struct Row {
    std::string stage;
    int64_t count = 0, right = 0, shortest = 0, longest = 0;
  };
  std::vector<Row> of_stages;
  Markup rows, samples;
  for (const int64_t rollout : pool.rollouts_of_problem(id, benchmark)) {
    const std::optional<pool::StoredRollout> stored = pool.rollout(rollout, false);
    if (!stored) continue;
    const data::Rollout& t = stored->rollout;
    const int64_t tokens = t.completion.num_tokens();
    if (of_stages.empty() || of_stages.back().stage != stored->stage)
      of_stages.push_back({stored->stage, 0, 0, tokens, tokens});
    Row& row = of_stages.back();
    row.shortest = std::min(row.shortest, tokens);
    row.longest = std::max(row.longest, tokens);
    ++row.count;
    row.right += t.verdict == judge::Verdict::kCorrect;
    samples += element("li", link(rollout_address(run.name(), rollout),
                                  fmt::format("{} sample {}", stored->stage, t.sample)) +
                                 text(" ") + verdict_mark(t.verdict) + text(" " + ended_text(t)));
  }
  for (const Row& row : of_stages) {
    rows += element(
        "tr", element("th", {{"scope", "row"}}, text(row.stage)) + number(row.count) +
                  number(row.right) +
                  element("td", {{"class", "number"}}, text(share_text(row.right, row.count))) +
                  number(row.shortest) + number(row.longest));
  }
  Markup content = element("dl", fact("question", element("pre", text(problem->question))) +
                                     fact("gold answer", text(problem->answer)) +
                                     fact("from", text(problem->domain + " " + problem->level)));
  content += rows.empty()
                 ? note("Nothing was sampled of it.")
                 : table({"stage", "samples", "right", "share", "shortest", "longest"}, rows);
  if (benchmark.empty())
    content += element("details", {{"open", "open"}},
                       element("summary", text("what became of it")) +
                           element("pre", text(pool::uses_text(pool.uses_of_problem(id)))));
  return {"Problem " + id, content + element("ul", {{"class", "samples"}}, samples), false};
}

}  // namespace ponder::dash
