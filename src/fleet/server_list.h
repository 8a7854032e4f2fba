// A file of servers' addresses, one a line: where jobs of a cluster register themselves. Blank lines
// and what follows a # are left out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::fleet {

// Each address once, in the order of the file, as Url::text writes it. Throws Error naming the line.
std::vector<std::string> parse_server_list(std::string_view text, const std::string& where);

// Those of a file. Throws Error for a file that cannot be read.
std::vector<std::string> servers_of_file(const std::filesystem::path& file);

// Reads the file again when it has changed.
class ServerList {
 public:
  // Nothing where it is as it was, or is not there (yet). Throws Error for a line that is no address.
  std::optional<std::vector<std::string>> read(const std::filesystem::path& file);

 private:
  std::optional<std::string> text_;
};

}  // namespace ponder::fleet
