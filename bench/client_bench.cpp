// What the client of servers costs: a fleet that reads many streams of kind ponder on its one thread, from doubles of
// ponder serve in this process that send a token to each of their streams at every step, as an engine does. Counts
// the processor time of the client's thread alone, from the first token to the last completion, and checks
// that every completion is the one that was sent.
//
//   build/release/bench/client_bench --tokenizer models/nano-base [--streams 512 --servers 8 --rate 10000]
//
// --watched asks for each token as it comes, as a chat does; else they come in pieces of 16. --each sends each by
// itself whatever is asked for, as other kinds of servers do; then answers that nobody watches may lag: "late" is
// how long after its last byte was sent an answer was there, on average.
// --rate 0 sends as fast as it goes: then several tokens come in one piece, and a token costs less.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/philox.h"
#include "fleet/fleet.h"
#include "net/listener.h"

namespace ponder {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kWait{100};

struct Options {
  std::string tokenizer;
  int streams = 512, servers = 8, tokens = 200;
  bool watched = false, each = false;
  double rate = 10'000;  // tokens a second, of all streams together
};

const std::string kSha256 = "0123456789abcdef0123456789abcdef";

struct SentToken {
  int32_t id = 0;
  float logprob = 0;
};

// What every double sends: a token is a function of its row and its place.
class Rows {
 public:
  Rows(const tokenizer::Tokenizer& tokenizer, int length) : length_(length) {
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      const std::string bytes = tokenizer.token_bytes(id);
      const bool plain = std::ranges::all_of(bytes, [](char c) { return c >= ' ' && c < 0x7f; });
      if (plain && !bytes.empty() && !tokenizer.is_special(id)) plain_.emplace_back(id, bytes);
    }
  }
  int length() const { return length_; }
  SentToken token(int row, int at) const {
    const Random random(1, static_cast<uint64_t>(row));
    const auto place = static_cast<uint64_t>(at);
    return {plain_[random.below(2 * place, plain_.size())].first,
            static_cast<float>(-3 * random.uniform(2 * place + 1))};
  }
  // The tokens of places [from, to), as ponder serve writes them.
  std::string event(int row, int from, int to, size_t& offset, const Json& prompt) const {
    Json ids = Json::array(), logprobs = Json::array(), texts = Json::array(),
         offsets = Json::array();
    std::string text;
    for (int at = from; at < to; ++at) {
      const SentToken sent = token(row, at);
      const std::string& piece =
          std::ranges::find(plain_, sent.id, &std::pair<int32_t, std::string>::first)->second;
      ids.push_back(sent.id);
      logprobs.push_back(static_cast<double>(sent.logprob));
      texts.push_back(piece);
      offsets.push_back(offset);
      text += piece;
      offset += piece.size();
    }
    Json choice = {{"index", 0},
                   {"text", text},
                   {"logprobs",
                    {{"tokens", texts},
                     {"token_logprobs", logprobs},
                     {"top_logprobs", nullptr},
                     {"text_offset", offsets}}},
                   {"finish_reason", nullptr},
                   {"token_ids", ids},
                   {"first_token", from}};
    if (from == 0) choice["prompt_token_ids"] = prompt;
    return fmt::format("data: {{{},\"choices\":[{}]}}\n\n", head(), dump_json(choice));
  }
  std::string end(size_t num_prompt) const {
    return fmt::format(
        R"(data: {{{0},"choices":[{{"index":0,"text":"","logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":[]}}]}})"
        "\n\n"
        R"(data: {{{0},"choices":[],"usage":{{"prompt_tokens":{1},"completion_tokens":{2},"total_tokens":{3}}}}})"
        "\n\ndata: [DONE]\n\n",
        head(), num_prompt, length_, num_prompt + static_cast<size_t>(length_));
  }

 private:
  static std::string head() {
    return fmt::format(
        R"("id":"cmpl-0123456789abcdef","object":"text_completion","created":1790000000,"model":"{}","system_fingerprint":"ponder-0.1.0-{}")",
        fleet::served_name_of(kSha256), kSha256.substr(0, 16));
  }
  int length_;
  std::vector<std::pair<int32_t, std::string>> plain_;
};

// A server whose rows all come along one token a step.
class Double {
 public:
  Double(const Rows& rows, bool each)
      : rows_(rows), each_(each), listener_(options(), [this](net::Request request, auto reply) {
          take(request, std::move(reply));
        }) {}

  std::string url() const { return listener_.url(); }
  int num_waiting() {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(streams_.size());
  }
  std::optional<Clock::time_point> ended(int row) {
    const std::lock_guard lock(mutex_);
    const auto found = ended_.find(row);
    return found == ended_.end() ? std::nullopt : std::optional(found->second);
  }
  // False once every row has ended.
  bool step() {
    const std::lock_guard lock(mutex_);
    bool any = false;
    for (Stream& stream : streams_) {
      if (stream.at > rows_.length()) continue;
      any = true;
      if (stream.at++ < rows_.length()) {
        if (stream.at - stream.told < stream.every && stream.at < rows_.length()) continue;
        stream.reply->write(rows_.event(stream.row, std::exchange(stream.told, stream.at),
                                        stream.at, stream.offset, stream.prompt));
      } else {
        stream.reply->write(rows_.end(stream.prompt.size()));
        ended_[stream.row] = Clock::now();
        stream.reply->end();
      }
    }
    return any;
  }

 private:
  struct Stream {
    std::shared_ptr<net::Reply> reply;
    int row = 0, every = 1, at = 0, told = 0;
    size_t offset = 0;  // bytes of text so far
    Json prompt;
  };
  static net::ListenerOptions options() {
    net::ListenerOptions options;
    options.max_connections = 4096;
    return options;
  }
  void take(const net::Request& request, std::shared_ptr<net::Reply> reply) {
    if (request.path == "/v1/models") {
      reply->send({200,
                   {{"Content-Type", "application/json"}},
                   dump_json({{"data",
                               {{{"id", fleet::served_name_of(kSha256)},
                                 {"model_sha256", kSha256},
                                 {"precision", "f32"},
                                 {"max_model_len", 1 << 20}}}}})});
      return;
    }
    const Json body = parse_json(request.body, "request");
    reply->begin({200, {{"Content-Type", "text/event-stream"}}, ""});
    const std::lock_guard lock(mutex_);
    streams_.push_back({std::move(reply), body["ponder"]["sample"].get<int>(),
                        each_ ? 1 : body["ponder"].value("tokens_per_event", 1), 0, 0, 0,
                        body["prompt"]});
  }

  const Rows& rows_;
  const bool each_;
  std::mutex mutex_;
  std::vector<Stream> streams_;
  std::map<int, Clock::time_point> ended_;  // when a row's last bytes were sent
  net::Listener listener_;                  // the last: it calls
};

struct CpuTime {
  double user = 0, system = 0;
};
CpuTime thread_time() {
  rusage usage = {};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

rollout::CompletionRequest request_of(int row, int length, bool watched) {
  rollout::CompletionRequest request;
  request.id = fmt::format("p{}#{}", row, row);
  for (int32_t id = 0; id < 64; ++id) request.prompt_ids.push_back(65 + id % 26);
  request.seed_key = {1, fmt::format("p{}", row), row};
  request.sampling.max_tokens = length;
  request.want_logprobs = true;
  request.want_tokens = watched;
  return request;
}

void run(const Options& options) {
  const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(options.tokenizer);
  const Rows rows(tokenizer, options.tokens);
  std::vector<std::unique_ptr<Double>> servers;
  fleet::FleetOptions settings;
  for (int i = 0; i < options.servers; ++i) {
    servers.push_back(std::make_unique<Double>(rows, options.each));
    settings.servers.push_back(servers.back()->url());
  }
  settings.model_sha256 = kSha256;
  settings.rules.first_window = settings.rules.max_inflight = options.streams;
  NullMonitor monitor;
  fleet::Fleet fleet(&tokenizer, settings, monitor);
  for (int row = 0; row < options.streams; ++row)
    fleet.submit(request_of(row, options.tokens, options.watched));
  const auto num_waiting = [&] {
    int all = 0;
    for (const auto& server : servers) all += server->num_waiting();
    return all;
  };
  std::vector<rollout::GeneratorEvent> events;
  while (num_waiting() < options.streams) events = fleet.poll(std::chrono::milliseconds(10));

  // Servers take turns, each sends a token to all of its streams.
  std::thread sending([&] {
    const auto start = Clock::now();
    double sent = 0;
    for (bool any = true; any;) {
      any = false;
      for (const auto& server : servers) {
        any |= server->step();
        sent += server->num_waiting();
        if (options.rate > 0)
          std::this_thread::sleep_until(start +
                                        std::chrono::duration_cast<Clock::duration>(
                                            std::chrono::duration<double>(sent / options.rate)));
      }
    }
  });
  const CpuTime before = thread_time();
  const auto start = Clock::now();
  int64_t num_polls = 0;
  double late = 0;
  for (int done = 0; done < options.streams; ++num_polls) {
    for (rollout::GeneratorEvent& event : fleet.poll(kWait)) {
      if (!rollout::ends_request(event)) continue;
      const auto* completion = std::get_if<data::Completion>(&event.what);
      if (!completion) throw Error(event.request_id, "failed");
      const int row = std::stoi(event.request_id.substr(1));
      for (const auto& server : servers)
        if (const auto ended = server->ended(row))
          late += std::chrono::duration<double>(Clock::now() - *ended).count();
      for (int at = 0; at < options.tokens; ++at) {
        const SentToken sent = rows.token(row, at);
        const auto place = static_cast<size_t>(at);
        if (completion->token_ids->at(place) == sent.id &&
            completion->logprobs->at(place) == sent.logprob)
          continue;
        throw Error(event.request_id, fmt::format("token {} is not the one that was sent", at));
      }
      ++done;
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const CpuTime after = thread_time();
  sending.join();
  const double tokens = static_cast<double>(options.streams) * options.tokens;
  const double user = after.user - before.user, system = after.system - before.system;
  fmt::print(
      "{} streams of {} servers, {:.0f} tokens/s: {:.2f} us a token ({:.2f} user, {:.2f} system), "
      "{:.1f} % of a core per 10,000 tokens/s; {:.1f} tokens a poll; {:.0f} ms late of {:.1f} s\n",
      options.streams, options.servers, tokens / seconds, 1e6 * (user + system) / tokens,
      1e6 * user / tokens, 1e6 * system / tokens, 1e6 * (user + system) / tokens,
      tokens / static_cast<double>(num_polls), 1e3 * late / options.streams, seconds);
}

}  // namespace
}  // namespace ponder

int main(int argc, char** argv) {
  ponder::Options options;
  CLI::App app("What the client of servers costs.");
  app.add_option("--tokenizer", options.tokenizer)->required();
  app.add_option("--streams", options.streams);
  app.add_option("--servers", options.servers);
  app.add_option("--tokens", options.tokens);
  app.add_option("--rate", options.rate);
  app.add_flag("--watched", options.watched);
  app.add_flag("--each", options.each);
  CLI11_PARSE(app, argc, argv);
  try {
    ponder::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
