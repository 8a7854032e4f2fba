#include "base/folder_swap.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/output_name.h"

namespace ponder {
namespace fs = std::filesystem;
namespace {

constexpr const char* kOld = ".old";

fs::path normal(const fs::path& path) {
  // A trailing slash or a link would put the temporary name in the wrong place.
  const fs::path real = behind_links(beside(path, ""));
  return fs::exists(real) ? fs::canonical(real) : fs::absolute(real).lexically_normal();
}

[[noreturn]] void cannot(const fs::path& path, const char* action, const std::string& why) {
  throw Error(path.string(), fmt::format("cannot {}: {}", action, why));
}

}  // namespace

fs::path beside(const fs::path& folder, const char* suffix) {
  fs::path result = folder.lexically_normal();
  if (!result.has_filename()) result = result.parent_path();  // "out/" is "out"
  result += suffix;
  return result;
}

void swap_folder(const fs::path& next, const fs::path& target) {
  sync_folder(next);
  const char* const from = next.c_str();
  const char* const to = target.c_str();
  const fs::path old = beside(target, kOld);
  if (::rename(from, to) != 0) {  // replaces nothing, or an empty folder
    const bool occupied = errno == ENOTEMPTY || errno == EEXIST;
    if (!occupied) cannot(target, "rename into place", std::strerror(errno));
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0) {
      fs::remove_all(old);
      if (::rename(to, old.c_str()) != 0 || ::rename(from, to) != 0) {
        cannot(target, "rename into place", std::strerror(errno));
      }
    }
  }
  sync_folder(target.has_parent_path() ? target.parent_path() : fs::path("."));
  fs::remove_all(next);  // only now: before, the folder that was replaced might come back
  fs::remove_all(old);
}

void recover_swapped_folder(const fs::path& target,
                            const std::function<bool(const fs::path&)>& is_complete) {
  const fs::path old = beside(target, kOld);
  if (!fs::exists(old) || !is_complete(old)) return;
  if (fs::exists(target)) {
    fs::remove_all(old);
  } else if (::rename(old.c_str(), target.c_str()) != 0) {
    cannot(target, "rename into place", std::strerror(errno));
  }
}

FolderWriter::FolderWriter(const fs::path& target,
                           const std::function<bool(const fs::path&)>& may_replace,
                           const char* replaceable) try
    : target_(normal(target)), temporary_(beside(target_, ".tmp")) {
  if (fs::exists(target_)) {
    if (!fs::is_directory(target_))
      throw Error(target_.string(), "expected a folder, found a file", "choose another name");
    if (!fs::is_empty(target_) && !may_replace(target_)) {
      throw Error(target_.string(),
                  fmt::format("exists and is not {}, so it is not replaced", replaceable),
                  "choose another folder or remove this one");
    }
  }
  fs::create_directories(target_.parent_path());
  fs::remove_all(temporary_);
  fs::create_directory(temporary_);
} catch (const fs::filesystem_error& error) {
  cannot(target, "create the folder", error.code().message());
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void FolderWriter::commit() { swap_folder(temporary_, target_); }

}  // namespace ponder
