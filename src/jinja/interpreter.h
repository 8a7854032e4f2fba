// Runs a parsed template.
#pragma once

#include <string>

#include "jinja/builtins.h"
#include "jinja/syntax.h"

namespace ponder::jinja {

// Throws Error "where:line".
std::string run(const Block& program, const Dict& variables, Budget& budget,
                const std::string& where);

}  // namespace ponder::jinja
