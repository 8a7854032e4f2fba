#include "teach/teacher.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/hash.h"

namespace ponder::teach {
namespace fs = std::filesystem;
namespace {

constexpr size_t kKeyDigits = 32;
constexpr int64_t kUsualOverhead = 1024;
constexpr const char* kFailedName = "failed";
constexpr const char* kUnreadName = "unread";

TeacherFiles made(const TeacherFiles& files) {
  const fs::path folder = files.database.parent_path();
  if (!folder.empty()) fs::create_directories(folder);
  return files;
}

std::vector<data::Problem> without_repeats(std::vector<data::Problem> problems) {
  std::unordered_map<std::string, const data::Problem*> by_id;
  std::vector<data::Problem> kept;
  kept.reserve(problems.size());
  for (data::Problem& problem : problems) {
    const auto [found, fresh] = by_id.emplace(problem.id, nullptr);
    if (fresh) {
      kept.push_back(std::move(problem));
      found->second = &kept.back();
      continue;
    }
    const data::Problem& other = *found->second;
    if (other.question == problem.question && other.answer == problem.answer) continue;
    throw Error(problem.file,
                fmt::format("line {}: another problem has the id \"{}\" already, in {}",
                            problem.line, excerpt(problem.id), other.file),
                "give every problem an id of its own, or each file an --out of its own");
  }
  return kept;
}

// What users paste by mistake: "sk-…", "hf_…".
bool looks_like_key(std::string_view text) {
  constexpr size_t kLeast = 16;
  for (const std::string_view prefix : {"sk-", "hf_"}) {
    for (size_t at = text.find(prefix); at != std::string_view::npos;
         at = text.find(prefix, at + 1)) {
      size_t end = at + prefix.size();
      while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) ||
                                   text[end] == '-' || text[end] == '_'))
        ++end;
      if (end - at - prefix.size() >= kLeast) return true;
    }
  }
  return false;
}

TeacherSettings without_keys(TeacherSettings settings) {
  for (const std::string& text :
       {dump_json(settings.fleet.chat.extra), settings.system, settings.prompt_prefix,
        settings.prompt_suffix, settings.license}) {
    if (!looks_like_key(text)) continue;
    throw Error(ErrorKind::kUsage, "the request", "holds what looks like a key",
                "a key is given by the name of an environment variable (--api-key-env NAME)");
  }
  return settings;
}

}  // namespace

TeacherFiles teacher_files(const fs::path& out) {
  if (out.extension() != ".jsonl")
    return {out / "demonstrations.jsonl", out / "rejected.jsonl", out / "teacher.db",
            out / "batches"};
  fs::path stem = out;
  stem.replace_extension();
  return {out, stem.string() + ".rejected.jsonl", stem.string() + ".teacher.db",
          stem.string() + ".batches"};
}

Teacher::Teacher(std::vector<data::Problem> problems, TeacherSettings settings,
                 const TeacherFiles& files, Monitor& monitor)
    : Teacher(std::move(problems), std::move(settings), made(files), monitor,
              TeacherStore::Use::kWrite) {}

std::unique_ptr<Teacher> Teacher::to_look_at(std::vector<data::Problem> problems,
                                             TeacherSettings settings, const TeacherFiles& files,
                                             Monitor& monitor) {
  return std::unique_ptr<Teacher>(new Teacher(std::move(problems), std::move(settings), files,
                                              monitor, TeacherStore::Use::kLook));
}

Teacher::Teacher(std::vector<data::Problem> problems, TeacherSettings settings,
                 const TeacherFiles& files, Monitor& monitor, TeacherStore::Use use)
    : problems_(without_repeats(std::move(problems))),
      settings_(without_keys(std::move(settings))),
      files_(files),
      monitor_(monitor),
      store_(files_.database, use) {
  load();
}

Teacher::~Teacher() = default;

std::vector<tokenizer::Message> Teacher::messages_of(const data::Problem& problem) const {
  std::vector<tokenizer::Message> messages;
  if (!settings_.system.empty()) messages.push_back({"system", settings_.system});
  messages.push_back(
      {"user", settings_.prompt_prefix + problem.question + settings_.prompt_suffix});
  return messages;
}

// All that decides what is asked but the token limit: an answer that was not cut would have been the same
// under another.
std::string Teacher::key_of(const data::Problem& problem, int sample) const {
  const fleet::ChatSettings& chat = settings_.fleet.chat;
  Json all = Json::array({problem.id, sample, settings_.fleet.served_model});
  for (const tokenizer::Message& message : messages_of(problem))
    all.push_back({message.role, message.content});
  all.push_back(chat.extra);
  if (chat.send_seed) all.push_back(settings_.seed);
  return sha256_hex(dump_json(all)).substr(0, kKeyDigits);
}

Json Teacher::job() const {
  const fleet::ChatSettings& chat = settings_.fleet.chat;
  Json job = {{"served model", settings_.fleet.served_model},
              {"extra", chat.extra},
              {"system", settings_.system},
              {"prompt prefix", settings_.prompt_prefix},
              {"prompt suffix", settings_.prompt_suffix}};
  if (chat.send_seed) job["seed"] = settings_.seed;
  return job;
}

// A byte-level tokenizer makes no more tokens of a text than it has bytes.
Units Teacher::worst_of(const Item& item, int64_t max_tokens) const {
  int64_t bytes = 0;
  for (const tokenizer::Message& message : messages_of(problems_[item.problem]))
    bytes += static_cast<int64_t>(message.role.size() + message.content.size());
  return teach::worst_cost(settings_.prices,
                           bytes + settings_.overhead_tokens.value_or(kUsualOverhead),
                           max_tokens + settings_.overhead_tokens.value_or(0));
}

fleet::ChatSettings Teacher::chat() const {
  fleet::ChatSettings chat = settings_.fleet.chat;
  chat.model = settings_.fleet.served_model;
  return chat;
}

rollout::CompletionRequest Teacher::request_of(const Item& item) const {
  const data::Problem& problem = problems_[item.problem];
  rollout::CompletionRequest request;
  request.id = item.request.key;
  request.messages = messages_of(problem);
  request.sampling.max_tokens = static_cast<int>(item.request.max_tokens);
  request.seed_key = {settings_.seed, problem.id, item.request.sample};
  return request;
}

void Teacher::load() {
  const Json then = store_.job(), now = job();
  // A name that the endpoint does not have, say, leaves a folder in which nothing was asked.
  if (then.is_null() || !store_.has_requests()) {
    if (store_.may_write()) store_.set_job(now);
  } else if (then != now) {
    std::vector<std::string> differs;
    for (const auto& [key, value] : now.items())
      if (!then.contains(key) || then[key] != value)
        differs.push_back(
            fmt::format("{}: {} there, {} here", key,
                        then.contains(key) ? excerpt(dump_json(then[key])) : std::string("nothing"),
                        excerpt(dump_json(value))));
    if (differs.empty()) differs.push_back("a seed there, none here");
    throw Error(
        files_.database.string(),
        fmt::format("holds answers that were asked otherwise: {}", fmt::join(differs, ", ")),
        "ask as before to go on with them, or choose another --out");
  }
  for (size_t p = 0; p < problems_.size(); ++p) {
    for (int sample = 0; sample < settings_.samples; ++sample) {
      Item& item = items_.emplace_back();
      item.problem = p;
      item.request.key = key_of(problems_[p], sample);
      item.request.problem_id = problems_[p].id;
      item.request.sample = sample;
      item.request.max_tokens = settings_.max_tokens;
      item.request.worst = worst_of(item, item.request.max_tokens);
      item_of_.emplace(item.request.key, items_.size() - 1);
    }
  }
  store_.visit_requests([&](const StoredRequest& stored) {
    const auto found = item_of_.find(stored.key);
    if (found == item_of_.end()) return;
    Item& item = items_[found->second];
    item.request.ask = stored.ask;
    item.request.state = stored.state;
    item.request.error = stored.error;
    // What was never answered is asked as this command says.
    if (stored.ask > 1 || stored.state != RequestState::kQueued)
      item.request.max_tokens = stored.max_tokens;
    item.request.worst = worst_of(item, item.request.max_tokens);
  });
  store_.visit_answers([&](const StoredAnswer& answer) {
    const auto found = item_of_.find(answer.key);
    if (found == item_of_.end()) return;
    Item& item = items_[found->second];
    take_outcome(item, answer);
    if (too_large_.empty() && settings_.prices.given && answer.answer.usage &&
        cost_of(settings_.prices, *answer.answer.usage) > item.request.worst)
      too_large_ = bill_text(item, answer);
  });
  check_bills();
}

void Teacher::take_outcome(Item& item, const StoredAnswer& answer) {
  const Outcome outcome = outcome_of(problems_[item.problem], answer.answer, settings_.rules);
  item.request.state = RequestState::kDone;
  item.reason = outcome.reason;
  item.right = outcome.reason.empty();
  item.completion_tokens.reset();
  item.price = 0;
  if (answer.answer.usage) item.completion_tokens = answer.answer.usage->completion;
  if (settings_.prices.given) {
    item.price =
        answer.answer.usage ? cost_of(settings_.prices, *answer.answer.usage) : item.request.worst;
  }
}

int Teacher::num_right(size_t problem) const {
  const auto samples = static_cast<size_t>(settings_.samples);
  return static_cast<int>(std::count_if(
      items_.begin() + static_cast<std::ptrdiff_t>(problem * samples),
      items_.begin() + static_cast<std::ptrdiff_t>((problem + 1) * samples),
      [](const Item& item) { return item.request.state == RequestState::kDone && item.right; }));
}

// In the order of the samples: with a number that is enough no more at a time than could still be
// needed.
std::vector<size_t> Teacher::wanted(size_t problem) const {
  const int enough = settings_.enough_correct;
  const auto samples = static_cast<size_t>(settings_.samples);
  int hoped = num_right(problem);
  std::vector<size_t> wanted;
  if (enough > 0 && hoped >= enough) return wanted;
  for (size_t at = problem * samples; at < (problem + 1) * samples; ++at) {
    const Item& item = items_[at];
    const bool queued = item.request.state == RequestState::kQueued;
    const bool on_its_way =
        item.request.state == RequestState::kSent || item.request.state == RequestState::kWritten;
    if (!queued && !on_its_way) continue;
    if (enough > 0 && hoped >= enough) break;
    ++hoped;
    if (queued) wanted.push_back(at);
  }
  return wanted;
}

std::vector<std::string> Teacher::again_names() {
  std::vector<std::string> names = reasons();
  names.pop_back();  // of duplicates nothing is wanted
  names.insert(names.end(), {kFailedName, kUnreadName});
  return names;
}

void Teacher::again(const std::vector<std::string>& named) {
  const std::set<std::string> sorted(named.begin(), named.end());
  const std::string signature = fmt::format("{} {}", fmt::join(sorted, ","), settings_.max_tokens);
  if (store_.again() == signature) {
    monitor_.info("going on with what was begun to be asked again");
    return;
  }
  std::set<std::string> at_service;  // comes back by itself
  for (const StoredBatch& batch : store_.batches())
    for (const auto& [key, ask] : store_.lines_of(batch)) at_service.insert(key);
  int64_t marked = 0, no_longer = 0;
  for (Item& item : items_) {
    StoredRequest& request = item.request;
    const bool solved =
        settings_.enough_correct > 0 && num_right(item.problem) >= settings_.enough_correct;
    const bool meant = (request.state == RequestState::kDone && !item.reason.empty() &&
                        sorted.contains(item.reason)) ||
                       (request.state == RequestState::kFailed && sorted.contains(kFailedName)) ||
                       (request.state == RequestState::kWritten && sorted.contains(kUnreadName) &&
                        !at_service.contains(request.key));
    if (!meant || solved) continue;
    if (item.reason == "length" && settings_.max_tokens <= request.max_tokens) {
      ++no_longer;
      continue;
    }
    ++request.ask;
    request.state = RequestState::kQueued;
    request.error.clear();
    request.max_tokens = settings_.max_tokens;
    request.worst = worst_of(item, request.max_tokens);
    item.reason.clear();
    item.right = false;
    store_.put(request);
    ++marked;
  }
  if (marked == 0 && no_longer > 0) {
    throw Error(ErrorKind::kUsage, "--again length",
                fmt::format("{} answers were cut, and --max-tokens {} is not more than they had",
                            no_longer, settings_.max_tokens),
                "give a larger --max-tokens");
  }
  store_.set_again(signature);
  store_.keep();
  monitor_.info(fmt::format("{} requests are asked again", marked));
}

}  // namespace ponder::teach
