// What to say of a file that does not exist. Internal to this folder.
#pragma once

#include <filesystem>
#include <string>

namespace ponder {

// "did you mean rows.jsonl?": the nearest name beside it, or a folder that is missing, …
std::string absent_file_advice(const std::filesystem::path& path);

}  // namespace ponder
