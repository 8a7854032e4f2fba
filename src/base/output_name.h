// Where a file that is to be written really lies, and how what stands beside it is called until it
// is whole.
#pragma once

#include <filesystem>
#include <string_view>

namespace ponder {

// The file a name leads to over links, which need not exist. Throws Error where they go in a circle.
std::filesystem::path behind_links(std::filesystem::path path);

// Whether it is opened and written as it stands and never replaced: a device, a pipe, anything below
// /dev (but for /dev/shm, which holds files) and /proc. Throws Error for a folder.
bool is_written_directly(const std::filesystem::path& path);

// TARGET.suffix in the same folder; a hash of the name where that would be too long for one.
std::filesystem::path name_beside(const std::filesystem::path& target, std::string_view suffix);

}  // namespace ponder
