// What a fleet does between two calls: requests, attempts and probes that are on their way, and what comes of
// them. Of fleet.cpp and fleet_looks.cpp alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/philox.h"
#include "base/text.h"
#include "fleet/answer.h"
#include "fleet/answer_excerpt.h"
#include "fleet/fleet.h"
#include "fleet/look.h"
#include "fleet/server_list.h"
#include "net/url.h"
#include "rollout/stop_rule.h"

namespace ponder::fleet {

struct Fleet::Impl {
  using Clock = std::chrono::steady_clock;
  using FinishReason = data::FinishReason;

  static constexpr size_t kKeepEvery = 1024;  // tokens: a cut answer goes on from a multiple
  static constexpr std::chrono::milliseconds kContactLimit{10'000};
  static constexpr Time kReadListEvery{2000};
  static constexpr size_t kMostErrorBytes = 64 << 10;

  // An open request, what has been sampled of it, and the attempt that is on its way.
  struct Open {
    rollout::CompletionRequest request;
    std::optional<rollout::StopRule> stop;  // of requests with token ids
    std::vector<int32_t> ids;
    std::vector<float> logprobs;
    std::optional<FinishReason> reason;  // it has ended with the last of ids
    size_t shown = 0;                    // of ids, told as events
    // Of the attempt:
    uint64_t transfer = 0;  // 0: none
    size_t server = 0;
    size_t from = 0;  // of ids, made by attempts before
    int status = 0;
    std::map<std::string, std::string> headers;
    std::optional<AnswerReader> reader;
    std::string error_body;
  };

  Impl(const tokenizer::Tokenizer* t, FleetOptions o, Monitor& m)
      : tokenizer(t),
        options(std::move(o)),
        monitor(m),
        http(options.http),
        scheduler(rules_of(options), options.seed) {
    if (has_token_ids(options.kind) && !tokenizer)
      throw Error(ErrorKind::kInternal, "fleet", "token ids without a tokenizer");
    if (options.served_model.empty() && !options.model_sha256.empty() &&
        options.kind == ServerKind::kPonder)
      options.served_model = served_name_of(options.model_sha256);
    for (const std::string& server : options.servers) add_server(server);
    read_servers_file();
    if (scheduler.num_servers() == 0) {
      if (!options.servers_file.empty()) {  // they come when they are there
        throw Error(ErrorKind::kBusy, options.servers_file.string(), "names no server yet",
                    "a line for each, with its end: http://gpu1:8321");
      }
      throw Error(ErrorKind::kUsage, "--server", "names no server",
                  "give an address like http://gpu1:8321, or a file of them");
    }
    contact();
  }

  // What tells who has which weights tells it of every answer, but for canaries.
  static SchedulerRules rules_of(const FleetOptions& options) {
    SchedulerRules rules = options.rules;
    if (options.canaries.empty()) rules.look_every = Time(0);
    return rules;
  }

  Time now() const { return std::chrono::duration_cast<Time>(Clock::now() - start); }

  // One that is new, or comes again, is looked at before it is asked for anything.
  void add_server(const std::string& address) {
    const std::string url = net::parse_url(address, "server").text();
    const auto known = std::ranges::find(urls, url);
    const auto at = static_cast<size_t>(known - urls.begin());
    const bool asked = known != urls.end() && !scheduler.state(at, Time(0)).retired;
    const size_t number = scheduler.add_server(url);
    if (number == urls.size()) urls.push_back(url);
    if (!asked) scheduler.distrust(number);
  }

  // Servers that left the file get nothing more.
  void read_servers_file() {
    if (options.servers_file.empty()) return;
    const Time at = now();
    if (at < next_read) return;
    next_read = at + kReadListEvery;
    const std::optional<std::vector<std::string>> listed = server_list.read(options.servers_file);
    if (!listed) return;
    std::set<std::string> wanted;
    for (const std::string& address : options.servers)
      wanted.insert(net::parse_url(address, "server").text());
    for (const std::string& address : *listed) {
      wanted.insert(address);
      add_server(address);
    }
    for (size_t i = 0; i < urls.size(); ++i)
      if (!wanted.contains(urls[i])) scheduler.retire_server(i);
  }

  net::HttpRequest request_to(size_t server, const std::string& path) const {
    return fleet::request_to(urls[server], path, options);
  }
  void trust(const ServerLook& look, const std::string& server) {
    tell_looked(server, look.proof(), look.found());
    if (options.served_model.empty()) options.served_model = look.model().name;
    const int64_t room = look.model().max_model_len;
    if (room > 0 && (room_tokens == 0 || room < room_tokens)) {
      room_tokens = room;
      room_server = server;
    }
    if (look.proof() == Proof::kRounded && told_rounded.insert(server).second)
      monitor.warning(fmt::format("{}: {}", server, look.found()));
  }
  void tell_looked(const std::string& server, Proof proof, const std::string& found) {
    if (options.keeper) options.keeper->looked_at({server, options.served_model, proof, found});
  }
  std::string without_key(std::string text) const {
    return net::without_key(std::move(text), options.api_key_env);
  }

  // Looks at each server for the first time. Throws Error where none is there.
  void contact();
  // Whether it may be asked: "", or why it does not answer yet.
  std::string look_at(size_t server);

  // --- Requests.

  void check(const rollout::CompletionRequest& request) const {
    if (has_token_ids(options.kind)) {
      if (request.prompt_ids.empty()) throw Error(request.id, "has an empty prompt");
      if (options.kind == ServerKind::kPonder &&
          request.begun.logprobs.size() != request.begun.token_ids.size())
        throw Error(request.id, "has begun without a log-probability for each token");
      (void)rollout::StopRule(request, options.repetition, tokenizer);  // throws where it is wrong
      const int64_t tokens =
          static_cast<int64_t>(request.prompt_ids.size()) + request.sampling.max_tokens;
      if (room_tokens > 0 && tokens > room_tokens) {
        throw Error(request.id,
                    fmt::format("takes up to {} tokens with its prompt, and {} has room for {}",
                                tokens, room_server, room_tokens),
                    "lower --max-tokens, or start the server with a longer context");
      }
    } else if (request.messages.empty()) {
      throw Error(request.id, "has no messages, and a chat endpoint takes no token ids");
    }
  }

  void begin_rule(Open& open) const {
    open.reason.reset();
    if (!has_token_ids(options.kind)) return;
    open.stop.emplace(open.request, options.repetition, tokenizer);
    for (size_t i = 0; i < open.ids.size() && !open.reason; ++i)
      open.reason = open.stop->push(std::span(open.ids).first(i + 1));
  }

  // Leaves what the next attempt goes on from: of tokens whose answer was cut whole kilotokens, and
  // never half a character.
  void keep_tokens(Open& open, bool checked) {
    size_t keep = checked ? open.ids.size() : open.ids.size() / kKeepEvery * kKeepEvery;
    keep = std::max(open.from, keep);
    if (!checked && open.reader && !agrees(open)) keep = open.from;
    drop_behind(open, whole_characters_of(open, keep));
  }
  // How many of the first `keep` tokens there are without those of half a character at their end.
  size_t whole_characters_of(const Open& open, size_t keep) const {
    while (keep > open.from &&
           ends_within_character(tokenizer->decode(std::span(open.ids).first(keep))))
      --keep;
    return keep;
  }
  // Of kPonder the same ones come again.
  void drop_behind(Open& open, size_t keep) {
    if (open.ids.size() <= keep) return;
    open.ids.resize(keep);
    if (open.logprobs.size() > keep) open.logprobs.resize(keep);
    if (options.kind != ServerKind::kPonder) {
      events.push_back(
          {open.request.id, rollout::TokensDropped{static_cast<int64_t>(open.ids.size())}});
    }
  }
  bool agrees(const Open& open) const {
    const auto mine = std::span(open.ids).subspan(open.from);
    return agree_so_far(tokenizer->decode(mine), open.reader->answer().text);
  }

  void start_attempt(Open& open, size_t server) {
    if (has_token_ids(options.kind)) {
      begin_rule(open);
      open.from = open.ids.size();
      if (open.shown > 0) (void)open.stop->take_text();
    }
    ChatSettings chat = options.chat;
    chat.model = options.served_model;
    const Ask ask = has_token_ids(options.kind)
                        ? ask_tokens(options.kind, open.request, open.ids, options.served_model)
                        : ask_chat(open.request, chat);
    net::HttpRequest request = request_to(server, ask.path);
    request.method = "POST";
    request.body = dump_json(ask.body);
    request.may_lag = !open.request.want_tokens;
    request.sent_once = options.kind == ServerKind::kOpenai;  // which may ask a price for each
    if (ask.streams)
      request.headers.emplace_back("Accept", "text/event-stream");
    else
      request.limits.first_byte = std::chrono::hours(24);  // it comes as a whole
    open.server = server;
    open.status = 0;
    open.headers.clear();
    open.reader.reset();
    open.error_body.clear();
    open.transfer = http.start(request);
    request_of[open.transfer] = &open;
    ++attempts;
  }

  void tell_sending(const Open& open, const std::string& server) {
    options.keeper->sending(open.request, static_cast<int64_t>(open.ids.size()), server);
  }

  void end_transfer(Open& open) {
    request_of.erase(open.transfer);
    http.cancel(open.transfer);
    open.transfer = 0;
  }

  void take(const net::HttpEvent& event) {
    if (const auto probe = probes.find(event.transfer); probe != probes.end()) {
      take_probe(event, probe->second);
      return;
    }
    if (const auto look = load_looks.find(event.transfer); look != load_looks.end()) {
      take_load(event, look->second);
      return;
    }
    const auto found = request_of.find(event.transfer);
    if (found == request_of.end()) return;
    Open& open = *found->second;
    try {
      if (const auto* head = std::get_if<net::HttpHead>(&event.what)) {
        open.status = head->status;
        open.headers = head->headers;
        if (open.status == 200) {
          const bool stream = head->header("content-type").starts_with("text/event-stream");
          open.reader.emplace(options.kind, stream);
          scheduler.began(open.request.id, now());
          prompt_tokens += static_cast<int64_t>(open.request.prompt_ids.size());
        }
      } else if (const auto* bytes = std::get_if<std::string>(&event.what)) {
        if (open.reader) {
          open.reader->push(*bytes);
          take_tokens(open);
        } else if (open.error_body.size() < kMostErrorBytes) {
          open.error_body += *bytes;
        }
      } else if (const auto* failure = std::get_if<net::TransferFailure>(&event.what)) {
        take_failure(open, *failure);
      } else {
        take_end(open);
      }
    } catch (const AnswerFailure& failure) {
      fail(open, {failure.kind, failure.what(), Time(0), true});
    }
  }

  void take_failure(Open& open, const net::TransferFailure& failure) {
    using Kind = net::TransferFailure::Kind;
    if (open.reader && open.reader->is_done()) {  // nothing is missing
      take_end(open);
      return;
    }
    const bool asked = failure.kind != Kind::kResolve && failure.kind != Kind::kConnect &&
                       failure.kind != Kind::kTls && failure.kind != Kind::kCertificate;
    fail(open, {failure.kind == Kind::kCertificate ? FailureClass::kStop : FailureClass::kBadLuck,
                failure.message, Time(0), asked});
  }

  // Tokens that came, by the request's own rules. Ends the request where they say so and the server
  // does not know it.
  void take_tokens(Open& open) {
    if (!open.stop) return;
    const Answer& answer = open.reader->answer();
    const bool with_logprobs = options.kind == ServerKind::kPonder && open.request.want_logprobs;
    if (with_logprobs && answer.logprobs.size() != answer.token_ids.size())
      throw AnswerFailure(FailureClass::kBadLuck,
                          fmt::format("its answer has {} log-probabilities for {} tokens",
                                      answer.logprobs.size(), answer.token_ids.size()));
    for (size_t at = open.ids.size() - open.from; at < answer.token_ids.size(); ++at) {
      if (open.reason && !server_knows_end(open)) break;
      if (open.reason)
        throw AnswerFailure(FailureClass::kBadLuck, "its answer goes on behind its end");
      const int32_t id = answer.token_ids[at];
      if (id >= tokenizer->vocab_size())
        throw AnswerFailure(
            FailureClass::kNever,
            fmt::format("the answer has token {}, which the tokenizer has not", id));
      open.ids.push_back(id);
      if (with_logprobs) open.logprobs.push_back(answer.logprobs[at]);
      open.reason = open.stop->push(open.ids);
      ++sampled_tokens;
      if (open.request.want_tokens) show(open, id);
    }
    if (!open.reason || server_knows_end(open)) return;
    // A loop, a stop string, the caller's condition: the server need not know of it.
    if (answer.finish.empty()) {
      check_so_far(open);
      abort_on_server(open);
      complete(open);
    }
  }

  // The last token, once, whatever attempts it takes.
  void show(Open& open, int32_t id) {
    std::string text = open.stop->take_text();
    if (open.ids.size() <= open.shown) return;
    open.shown = open.ids.size();
    if (open.stop->is_stop_id(id)) return;
    events.push_back({open.request.id, rollout::TokenSampled{id, std::move(text)}});
  }

  static bool server_knows_end(const Open& open) {
    return open.stop->is_stop_id(open.ids.back()) ||
           static_cast<int>(open.ids.size()) >= open.request.sampling.max_tokens;
  }

  // As much of check_tokens as can be asked of an answer that is not whole.
  void check_so_far(const Open& open) const {
    const Answer& answer = open.reader->answer();
    const std::vector<int32_t> prompt = prompt_of(open);
    if (const auto other = check_origin(answer, expected_of(open, prompt)))
      throw AnswerFailure(*other);
    if (answer.prompt_ids && *answer.prompt_ids != prompt)
      throw AnswerFailure(FailureClass::kNever, "the server's prompt has other token ids");
    if (!agrees(open))
      throw AnswerFailure(FailureClass::kNever, "the answer's text is not that of its token ids");
  }
  std::vector<int32_t> prompt_of(const Open& open) const {
    std::vector<int32_t> prompt = open.request.prompt_ids;
    prompt.insert(prompt.end(), open.ids.begin(),
                  open.ids.begin() + static_cast<std::ptrdiff_t>(open.from));
    return prompt;
  }
  Expected expected_of(const Open& open, std::span<const int32_t> prompt) const {
    Expected expected{options.kind, options.served_model, prompt, open.request.stop_ids, tokenizer};
    if (options.kind == ServerKind::kPonder && !options.model_sha256.empty())
      expected.fingerprint_end = fingerprint_end_of(options.model_sha256, options.precision);
    return expected;
  }
  // Closing the connection does it, but on SGLang.
  void abort_on_server(const Open& open) {
    if (options.kind != ServerKind::kSglang || open.transfer == 0) return;
    net::HttpRequest request = request_to(open.server, "/abort_request");
    request.method = "POST";
    const std::span<const int32_t> before = std::span(open.ids).first(open.from);
    request.body = dump_json(
        {{"rid",
          ask_tokens(options.kind, open.request, before, options.served_model).body["rid"]}});
    request.limits.first_byte = request.limits.silence = kContactLimit;
    (void)http.start(request);  // whatever it says
  }

  void take_end(Open& open) {
    if (!open.reader) {
      const HttpFailure failure =
          http_failure(open.status, open.headers, open.error_body, std::time(nullptr));
      fail(open, {failure.kind, failure.message, failure.retry_after, open.status >= 500});
      return;
    }
    open.reader->end();
    if (!has_token_ids(options.kind)) {
      complete_chat(open);
      return;
    }
    take_tokens(open);
    const Answer& answer = open.reader->answer();
    const std::vector<int32_t> prompt = prompt_of(open);
    if (const auto wrong = check_tokens(answer, expected_of(open, prompt)))
      throw AnswerFailure(*wrong);
    if (open.reason) {
      complete(open);
      return;
    }
    if (answer.stop_reason == "truncated") {  // of llama-server
      throw AnswerFailure(
          FailureClass::kNever,
          "the server's context ended before the answer; start it with a longer one (-c)");
    }
    // The server's own limit, or an end that is not ours: what is there is right, and goes on.
    const bool any = open.ids.size() > open.from;
    fail(open,
         {any ? FailureClass::kBadLuck : FailureClass::kNever,
          fmt::format("the server ended the answer by \"{}\" after {} tokens of {}", answer.finish,
                      open.ids.size(), open.request.sampling.max_tokens),
          Time(0), true},
         true);
  }

  // What has ended, its tokens taken. Only of kPonder are the numbers those of our engine: others' are no
  // log-probabilities that training could read.
  data::Completion completion_of(Open& open) const {
    data::Completion completion;
    completion.text = open.stop->text(open.ids);
    completion.finish_reason = *open.reason;
    completion.usage = {static_cast<int64_t>(open.request.prompt_ids.size()),
                        static_cast<int64_t>(open.ids.size())};
    completion.token_ids = std::move(open.ids);
    if (options.kind == ServerKind::kPonder) {
      completion.model_sha256 = options.model_sha256;
      completion.precision = options.precision;
      if (open.request.want_logprobs) {
        completion.logprobs = std::move(open.logprobs);
        completion.logprob_source = data::LogprobSource::kEngine;
      }
    }
    return completion;
  }

  void complete(Open& open) {
    int64_t cost = 0;
    if (options.keeper) {
      cost = options.keeper->answered(open.request.id, open.reader->answer(),
                                      static_cast<int64_t>(open.ids.size() - open.from));
    }
    deliver(open, completion_of(open), cost);
  }

  void complete_chat(Open& open) {
    const Answer& answer = open.reader->answer();
    data::Completion completion;
    completion.text = answer.text.empty() ? answer.refusal : answer.text;
    if (!answer.thought.empty())
      completion.text = fmt::format("<think>\n{}\n</think>\n\n{}", answer.thought, completion.text);
    const AnswerEnd end = answer_end(answer.finish);
    completion.finish_reason = end == AnswerEnd::kLength       ? FinishReason::kLength
                               : end == AnswerEnd::kRepetition ? FinishReason::kRepetition
                                                               : FinishReason::kStop;
    const TokenUsage usage = answer.usage.value_or(TokenUsage{});
    completion.usage = {usage.prompt, usage.completion};
    sampled_tokens += usage.completion;
    num_refused += end == AnswerEnd::kRefused;
    if (hides_thought(answer) && !std::exchange(told_hidden, true)) {
      monitor.warning(
          fmt::format("{}: {} tokens were made for a text of {} bytes: the thought is hidden, by "
                      "the provider or "
                      "for want of a setting of the server (--reasoning-parser)",
                      urls[open.server], usage.completion, answer.text.size()));
    }
    deliver(
        open, std::move(completion),
        options.keeper ? options.keeper->answered(open.request.id, answer, usage.completion) : 0);
  }

  void deliver(Open& open, data::Completion completion, int64_t cost = 0) {
    const std::string id = open.request.id;
    completion.endpoint = urls[open.server];
    const int64_t tokens = completion.usage.prompt_tokens + completion.usage.completion_tokens;
    scheduler.done(id, cost, now(), tokens > 0 ? std::optional(tokens) : std::nullopt);
    end_transfer(open);
    events.push_back({id, std::move(completion)});
    requests.erase(id);
  }

  // `checked`: the tokens that are there are right.
  void fail(Open& open, Scheduler::Failed failure, bool checked = false) {
    const std::string id = open.request.id, server = urls[open.server];
    failure.message = without_key(failure.message);
    end_transfer(open);
    if (has_token_ids(options.kind)) keep_tokens(open, checked);
    const bool again = scheduler.failed(id, failure, now());
    if (options.keeper) {
      options.keeper->failed(
          id, {failure.kind, failure.message, failure.was_asked, again,
               static_cast<int64_t>(open.ids.size() - open.from),
               again || !open.reader ? "" : without_key(answer_excerpt(open.reader->answer()))});
    }
    open.reader.reset();
    if (again) return;
    events.push_back({id, rollout::Failure{rollout::Failure::Kind::kPermanent,
                                           fmt::format("{}: {}", server, failure.message),
                                           {}}});
    requests.erase(id);
  }

  // --- Servers that were away, or have their weights to prove once more.

  struct Probe {
    size_t server = 0;
    ServerLook look;
    net::HttpHead head = {};  // of the answer that is on its way
    std::string body = {};
  };
  // Of a server at work, how much waits there.
  struct LoadLook {
    size_t server = 0;
    int status = 0;
    std::string body = {};
  };
  struct LoadSaid {
    Time next{0};
    bool asking = false, silent = false;  // silent: it has no metrics
    std::optional<int64_t> preempted;
  };
  void ask_loads();
  void take_load(const net::HttpEvent& event, LoadLook& look);
  void start_probe(size_t server);
  bool is_looked_at(size_t server) const;
  void take_probe(const net::HttpEvent& event, Probe& probe);
  // A server that answers and is not right.
  void find_wrong(const Probe& probe, const std::string& problem);
  void prove(const std::atomic<bool>* stop);

  void run(std::chrono::milliseconds timeout) {
    read_servers_file();
    for (const size_t server : scheduler.probes(now())) start_probe(server);
    ask_loads();
    const std::vector<Scheduler::Send> sends = scheduler.sends(now());
    if (options.keeper && !sends.empty()) {
      for (const Scheduler::Send& send : sends)
        tell_sending(*requests.at(send.id), urls[send.server]);
      options.keeper->keep();
    }
    for (const Scheduler::Send& send : sends) start_attempt(*requests.at(send.id), send.server);
    if (!events.empty()) timeout = std::chrono::milliseconds(0);
    const Time at = now();
    const Time next = std::min(scheduler.next_time(at), at + timeout);
    for (const net::HttpEvent& event : http.poll(next - at)) take(event);
    if (options.keeper) options.keeper->keep();
    if (!events.empty()) return;
    const auto stop = scheduler.stop(now());
    // What is on its way is paid for: it may still come.
    const bool is_paid = options.keeper && options.kind == ServerKind::kOpenai;
    if (!stop || (is_paid && !request_of.empty())) return;
    throw stopped(*stop);
  }

  Error stopped(const Scheduler::Stop& stop) const;

  const tokenizer::Tokenizer* tokenizer;
  FleetOptions options;
  Monitor& monitor;
  net::HttpClient http;
  Scheduler scheduler;
  Clock::time_point start = Clock::now();
  std::vector<std::string> urls;  // of the scheduler's servers
  ServerList server_list;
  Time next_read{0};
  int64_t room_tokens = 0;  // of the server that has the least
  std::string room_server;
  std::map<std::string, std::unique_ptr<Open>, std::less<>> requests;
  std::unordered_map<uint64_t, Open*> request_of;  // of a transfer
  std::map<uint64_t, Probe> probes;
  std::map<uint64_t, LoadLook> load_looks;
  std::map<size_t, LoadSaid> loads;  // of a server
  std::vector<rollout::GeneratorEvent> events;
  int64_t sampled_tokens = 0, prompt_tokens = 0, attempts = 0;
  int64_t num_refused = 0;  // chats that a filter or the model refused
  bool told_hidden = false;
  std::set<std::string> told_rounded;  // servers
};

}  // namespace ponder::fleet
