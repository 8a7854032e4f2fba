#include "base/any_error.h"

#include <cerrno>
#include <filesystem>
#include <new>

namespace ponder {

Error as_error(const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error)) return *ours;
  if (const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    const int code = files->code().value();
    return {kind_of_errno(code), files->path1().string(), files->code().message(),
            advice_of_errno(code)};
  }
  if (dynamic_cast<const std::bad_alloc*>(&error)) {
    return {ErrorKind::kBusy, "", "out of memory",
            "try a smaller batch, --max-batch or --recompute"};
  }
  return {ErrorKind::kInternal, "", error.what()};
}

std::string advice_of_errno(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // a limit of the shell or of the file system
      return "free some space and run the same command again";
    case EACCES:
    case EPERM:
      return "check the permissions";
    default:
      return "";
  }
}

}  // namespace ponder
