// Any exception as an Error, and what to try after a failed system call.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"

namespace ponder {

// A file system's with its path, memory that is not there as such; of what is none of these, its text.
Error as_error(const std::exception& error);

// "" where that is not known.
std::string advice_of_errno(int code);

}  // namespace ponder
