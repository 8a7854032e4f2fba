#include "cli/printing.h"

#include <cstdio>

namespace ponder::cli {

void print_text(std::string_view text) {
  const std::string safe = escaped(text, Lines::kKeep);
  std::fwrite(safe.data(), 1, safe.size(), stdout);
}

void tell(std::string_view line) { std::fputs((escaped(line) + "\n").c_str(), stderr); }

}  // namespace ponder::cli
