#include "cli/printing.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace ponder::cli {

void print_text(std::string_view text) {
  const std::string safe = escaped(text, Lines::kKeep);
  std::fwrite(safe.data(), 1, safe.size(), stdout);
}

bool colours() {
  const char *none = std::getenv("NO_COLOR"), *terminal = std::getenv("TERM");
  if (none && *none) return false;
  if (terminal && std::string_view(terminal) == "dumb") return false;
  return ::isatty(STDOUT_FILENO) != 0;
}

void tell(std::string_view line) { std::fputs((escaped(line) + "\n").c_str(), stderr); }

void tell_over(std::string_view line) { std::fputs(("\r\x1b[K" + escaped(line)).c_str(), stderr); }

void print_drawn(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fputs((line + "\n").c_str(), stdout);
}

}  // namespace ponder::cli
