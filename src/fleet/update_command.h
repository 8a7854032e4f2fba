// The user's commands that give servers another model and that end them: they start and stop
// processes, ask a scheduler, or copy a folder. No shell: the words of the recipe are the words of the
// program.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ponder::fleet {

// What {model_dir}, {served_name}, … stand for.
using CommandValues = std::map<std::string, std::string>;

// `words` with every {name} of `values` filled in. Throws Error (usage) for a {name} that is none of them.
// `where`: the recipe's key that holds them, as errors name it.
std::vector<std::string> filled(const std::string& where, const std::vector<std::string>& words,
                                const CommandValues& values);

// How long a command may take; then it is told to end, and killed where it does not.
struct CommandLimit {
  std::chrono::milliseconds time{0};  // 0: as long as it likes
  std::chrono::milliseconds grace{10'000};
};

// Runs the command to its end; its output goes to `log`. The values are in its environment too, in
// capitals behind PONDER_ ("PONDER_MODEL_DIR"), and of this process's own variables all but `hidden`
// (those that hold keys). Throws Error with the log's last lines if it ends with another status than
// 0, takes longer than `limit` or cannot start. False if *stop became true: it was told to end (SIGTERM, to its group) and did.
bool run_update_command(const std::string& where, const std::vector<std::string>& words,
                        const CommandValues& values, const std::vector<std::string>& hidden,
                        const std::filesystem::path& log, const std::atomic<bool>* stop,
                        CommandLimit limit = {});

}  // namespace ponder::fleet
