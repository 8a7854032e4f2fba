// A folder for one test, gone at its end.
#pragma once

#include <filesystem>

namespace ponder::testing {

// Made with mkdtemp under TMPDIR, so that programs and tests side by side never share one; removed
// with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace ponder::testing
