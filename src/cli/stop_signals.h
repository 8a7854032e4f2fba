// SIGINT and SIGTERM as a flag that long tasks look at: the first one lets them save and stop (exit
// 130 or 143), the second ends the process at once.
#pragma once

#include <atomic>

namespace ponder::cli {

// Installs the handlers (once) and returns the flag they set.
const std::atomic<bool>* stop_flag();

// The signal that was received, 0 for none.
int stop_signal();

// Forgets an interrupt (SIGINT) that was received, so that the program goes on; false where it was no
// interrupt.
bool forget_interrupt();

// While it lives a person is asked and nothing is to be saved: a signal ends the process at once, also one
// that comes between the prompt and the wait for the answer.
struct AtPrompt {
  AtPrompt();
  ~AtPrompt();
  AtPrompt(const AtPrompt&) = delete;
  AtPrompt& operator=(const AtPrompt&) = delete;
};

// Thrown by a command that has saved everything because it was told to stop; main turns it into 128
// + signal.
struct Stopped {
  int signal;
};

}  // namespace ponder::cli
