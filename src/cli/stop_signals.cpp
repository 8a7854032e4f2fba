#include "cli/stop_signals.h"

#include <unistd.h>

#include <csignal>

namespace ponder::cli {
namespace {

// A signal handler can reach nothing but globals; this is the program's one such flag.
std::atomic<bool> stop_requested{false};
std::atomic<bool> at_prompt{false};
std::atomic<int> received{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void handle(int signal) {
  if (stop_requested.exchange(true) || at_prompt) ::_exit(128 + signal);
  received = signal;
}

}  // namespace

const std::atomic<bool>* stop_flag() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_handler = handle;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    return true;
  }();
  (void)installed;
  return &stop_requested;
}

int stop_signal() { return received; }

bool forget_interrupt() {
  if (received != SIGINT) return false;
  received = 0;
  stop_requested = false;
  return true;
}

AtPrompt::AtPrompt() { at_prompt = true; }
AtPrompt::~AtPrompt() { at_prompt = false; }

}  // namespace ponder::cli
