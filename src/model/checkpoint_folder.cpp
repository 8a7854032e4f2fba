#include "model/checkpoint_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace ponder {
namespace fs = std::filesystem;
namespace {

fs::path normal(const fs::path& path) {
  // A trailing slash or a link would put the temporary name in the wrong place.
  fs::path whole = fs::exists(path) ? fs::canonical(path) : fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

fs::path with_suffix(fs::path path, const char* suffix) { return path += suffix; }

[[noreturn]] void fail(const fs::path& path, const char* action, const std::string& why) {
  throw Error(path.string(), fmt::format("cannot {}: {}", action, why));
}

}  // namespace

FolderWriter::FolderWriter(const fs::path& target,
                           const std::function<bool(const fs::path&)>& may_replace) try
    : target_(normal(target)), temporary_(with_suffix(target_, ".tmp")) {
  if (fs::exists(target_)) {
    if (!fs::is_directory(target_))
      throw Error(target_.string(), "expected a folder, found a file", "choose another name");
    if (!fs::is_empty(target_) && !may_replace(target_)) {
      throw Error(
          target_.string(),
          "exists and is not a complete checkpoint written by ponder, so it is not replaced",
          "choose another folder or remove this one");
    }
  }
  fs::create_directories(target_.parent_path());
  fs::remove_all(temporary_);
  fs::create_directory(temporary_);
} catch (const fs::filesystem_error& error) {
  fail(target, "create the folder", error.code().message());
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void FolderWriter::commit() {
  sync_folder(temporary_);
  const char* const from = temporary_.c_str();
  const char* const to = target_.c_str();
  if (::rename(from, to) != 0) {  // replaces nothing, or an empty folder
    const bool occupied = errno == ENOTEMPTY || errno == EEXIST;
    if (!occupied) fail(target_, "rename into place", std::strerror(errno));
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0) {
      const fs::path old = with_suffix(target_, ".old");
      std::error_code ignored;
      fs::remove_all(old, ignored);
      if (::rename(to, old.c_str()) != 0 || ::rename(from, to) != 0) {
        fail(target_, "rename into place", std::strerror(errno));
      }
      fs::remove_all(old, ignored);
    }
  }
  sync_folder(target_.parent_path());  // before the destructor removes the folder that was replaced
}

}  // namespace ponder
