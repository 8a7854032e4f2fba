// Why the bytes of a request are refused, and with which status.
#pragma once

#include <string>

namespace ponder::net {

struct Refusal {
  int status = 400;
  std::string problem;
};

}  // namespace ponder::net
