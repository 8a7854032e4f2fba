// A folder that appears whole or not at all: written beside its place, then swapped in by one
// rename, or by one exchange with the folder it replaces. (On a file system without exchange, a
// kill between two renames leaves neither under the name; both are then beside it.)
#pragma once

#include <filesystem>
#include <functional>

namespace ponder {

// `folder` with `suffix` after its name, in the same parent: "runs/out/" and ".next" give
// "runs/out.next".
std::filesystem::path beside(const std::filesystem::path& folder, const char* suffix);

// Puts the folder `next`, whose files are durable, in the place of `target`, durably, and removes
// what stood there. A reader sees the old one or the new one. Throws Error naming `target`.
void swap_folder(const std::filesystem::path& next, const std::filesystem::path& target);

// Undoes a swap that was killed between two renames: what stood at `target` comes back from beside
// it if nothing stands there now. Only a folder that `is_complete` allows is moved or removed.
void recover_swapped_folder(const std::filesystem::path& target,
                            const std::function<bool(const std::filesystem::path&)>& is_complete);

class FolderWriter {
 public:
  // Makes the folder `target`.tmp (removing what a killed process left there) and the parents of
  // `target`. If `target` exists, it must be an empty folder or one that `may_replace` allows;
  // Error otherwise, saying that it is not `replaceable` ("a complete checkpoint").
  FolderWriter(const std::filesystem::path& target,
               const std::function<bool(const std::filesystem::path&)>& may_replace,
               const char* replaceable);
  ~FolderWriter();  // removes what was not committed
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  // Where to write. Files must be durable before commit().
  const std::filesystem::path& path() const { return temporary_; }
  // swap_folder into its place.
  void commit();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace ponder
