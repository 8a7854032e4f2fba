// A folder that appears whole or not at all.
#pragma once

#include <filesystem>
#include <functional>

namespace ponder {

class FolderWriter {
 public:
  // Makes the folder `target`.tmp (removing what a killed process left there) and the parents of
  // `target`. If `target` exists, it must be an empty folder or one that `may_replace` allows;
  // Error otherwise.
  FolderWriter(const std::filesystem::path& target,
               const std::function<bool(const std::filesystem::path&)>& may_replace);
  ~FolderWriter();  // removes what was not committed
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  // Where to write. Files must be durable before commit().
  const std::filesystem::path& path() const { return temporary_; }
  // Puts the folder in its place: one rename, or one exchange with the folder that is replaced,
  // then durable. A reader sees the old one or the new one. (On a file system without exchange, a
  // kill between two renames leaves neither under the name; both are then beside it, as .tmp and
  // .old.)
  void commit();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace ponder
