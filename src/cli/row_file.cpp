#include "cli/row_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/output_name.h"
#include "base/version.h"
#include "cli/stop_signals.h"
#include "data/shards.h"

namespace ponder::cli {
namespace fs = std::filesystem;
namespace {

constexpr size_t kShownBytes = 70;  // a hash and its quotes
constexpr const char* kRemove = "remove it to begin anew";
constexpr std::string_view kPart = "+ ";  // before what is a part of a row

std::string job_differences(const Json& then, const Json& now) {
  std::string text;
  const auto shown = [](const Json& job, const std::string& key) {
    return job.contains(key) ? excerpt(dump_json(job[key]), kShownBytes) : std::string("nothing");
  };
  Json keys = then;
  keys.update(now);
  for (const auto& [key, value] : keys.items()) {
    const std::string there = shown(then, key), here = shown(now, key);
    if (there == here) continue;
    text += fmt::format("{}{}: {} there, {} here", text.empty() ? "" : ", ", key, there, here);
  }
  return text;
}

// Takes a number and the space behind it from the front of a line. False where there is none.
bool take_number(std::string_view& line, int64_t& number) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  const auto length = static_cast<size_t>(end - line.data());
  if (error != std::errc() || length >= line.size() || line[length] != ' ') return false;
  line.remove_prefix(length + 1);
  return true;
}

}  // namespace

Json job_over(const fs::path& file, Json settings) {
  const std::vector<fs::path> files = data::shards_of(file);
  std::error_code absent;
  if (!fs::is_regular_file(files[0], absent)) return {};
  settings["data"] = data::source_sha256(file);
  return settings;
}

RowFile::RowFile(const std::string& out, const std::vector<fs::path>& reads, Json job,
                 Monitor& monitor)
    : out_(out), monitor_(monitor) {
  if (job.is_null() || out.empty() || out == "-" || is_written_directly(out)) {
    lines_ = std::make_unique<LineOutput>(out, reads);
    return;
  }
  refuse_own_input("the output", out, reads);
  job["ponder"] = version();
  part_ = name_beside(behind_links(out), ".part");
  fd_ = open_locked(part_, O_RDWR);
  if (fd_ < 0) {
    throw Error(ErrorKind::kBusy, out, "is being written by another process",
                "wait for it to end, or choose another name");
  }
  try {
    load(job);
  } catch (...) {
    ::close(fd_);
    throw;
  }
  if (rows_.empty() && parts_.empty()) return;
  monitor_.info(fmt::format("going on: {} rows are there already{}", rows_.size(),
                            parts_.empty() ? "" : fmt::format(", {} begun", parts_.size())));
}

// The job, then lines of rows. A torn last line is cut off.
void RowFile::load(const Json& job) {
  std::string text;  // not looked at yet; begins at end_
  std::string buffer(1 << 16, '\0');
  bool has_job = false;
  for (;;) {
    const ssize_t n =
        ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(end_ + text.size()));
    if (n < 0) throw_errno(part_, "read");
    if (n == 0) break;
    text.append(buffer, 0, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line = std::string_view(text).substr(begin, end - begin);
      if (has_job) {
        load_line(line, end_ + begin);
        continue;
      }
      const std::string other = job_differences(parse_json(line, part_.string()), job);
      if (!other.empty()) {
        throw Error(part_.string(), "holds rows of another job: " + other,
                    "repeat that command to go on with it, remove the file to begin anew, or "
                    "choose another --out");
      }
      has_job = true;
    }
    text.erase(0, begin);
    end_ += begin;
  }
  if (::ftruncate(fd_, static_cast<off_t>(end_)) != 0) throw_errno(part_, "truncate a torn line");
  if (!has_job) append("", dump_json(job));
}

// "SET INDEX ROW", or "SET INDEX + PART".
void RowFile::load_line(std::string_view line, uint64_t offset) {
  std::string_view row = line;
  Place place;
  const bool placed = take_number(row, place.first) && take_number(row, place.second);
  const bool is_part = row.starts_with(kPart);
  if (is_part) row.remove_prefix(kPart.size());
  if (!placed || row.empty())
    throw Error(part_.string(), fmt::format("is damaged at byte {}", offset), kRemove);
  const Extent extent = {offset + line.size() - row.size(), row.size()};
  if (is_part) {
    parts_[place].push_back(extent);
  } else {
    rows_[place] = extent;
    parts_.erase(place);
  }
}

RowFile::~RowFile() {
  if (fd_ < 0) return;
  if (rows_.empty() && parts_.empty()) ::unlink(part_.c_str());
  ::close(fd_);
}

std::string RowFile::read(const Extent& extent) const {
  std::string row(extent.size, '\0');
  for (size_t done = 0; done < row.size();) {
    const ssize_t n = ::pread(fd_, row.data() + done, row.size() - done,
                              static_cast<off_t>(extent.offset + done));
    if (n <= 0) throw_errno(part_, "read");
    done += static_cast<size_t>(n);
  }
  return row;
}

void RowFile::visit_row(const Visit& visit, Place place, const Extent& extent) const {
  const std::string where = fmt::format("{}, byte {}", part_.string(), extent.offset);
  const Json json = parse_json(read(extent), where);
  visit(place, JsonFields(json, where, "", kRemove));
}

void RowFile::for_each(const Visit& visit, Place begin, Place end) const {
  for (auto row = rows_.lower_bound(begin); row != rows_.end() && row->first < end; ++row)
    visit_row(visit, row->first, row->second);
}

void RowFile::for_each_part(const Visit& visit, Place begin, Place end) const {
  for (auto row = parts_.lower_bound(begin); row != parts_.end() && row->first < end; ++row) {
    for (const Extent& part : row->second) visit_row(visit, row->first, part);
  }
}

// One write of a whole line, behind what is whole. Where its row stands.
RowFile::Extent RowFile::append(const std::string& prefix, const std::string& row) {
  if (::lseek(fd_, static_cast<off_t>(end_), SEEK_SET) < 0) throw_errno(part_, "write");
  const std::string line = prefix + row + "\n";
  write_all(fd_, line.data(), line.size(), part_);
  const Extent extent = {end_ + prefix.size(), row.size()};
  end_ += line.size();
  const auto now = std::chrono::steady_clock::now();
  if (now - synced_ < sync_every_) return extent;
  if (::fsync(fd_) != 0) throw_errno(part_, "fsync");
  synced_ = now;
  return extent;
}

void RowFile::add(Place place, const std::string& row) {
  if (lines_) return lines_->write(row);
  rows_[place] = append(fmt::format("{} {} ", place.first, place.second), row);
  parts_.erase(place);
}

void RowFile::add_part(Place place, const std::string& part) {
  if (lines_) return;
  parts_[place].push_back(append(fmt::format("{} {} {}", place.first, place.second, kPart), part));
}

void RowFile::finish() {
  if (lines_) return lines_->close();
  write_file_atomic(out_, [&](FileWriter& file) {
    for (const auto& [place, extent] : rows_) {
      const std::string line = read(extent) + "\n";
      file.write(line.data(), line.size());
    }
  });
  ::unlink(part_.c_str());
  ::close(fd_);
  fd_ = -1;
}

void RowFile::stop() const {
  if (!rows_.empty() || !parts_.empty())
    monitor_.info("stopped; the same command goes on from here");
  throw Stopped{stop_signal()};
}

}  // namespace ponder::cli
