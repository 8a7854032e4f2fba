#include "base/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/absent_file.h"
#include "base/error.h"

namespace ponder {
namespace {

constexpr size_t kChunkBytes = 1 << 18;
constexpr int kZstdWindowLog = 26;
constexpr uint64_t kUnpackedBytes = uint64_t{1} << 30, kUnpackedRatio = 5000;

std::string absent_rows_advice(const std::filesystem::path& path) {
  const int code = errno;
  if (code == ENOENT && !path.has_extension() && !path.has_parent_path())
    return "rows are read from files: the names of data sets are not known";
  std::string advice = code == ENOENT ? absent_file_advice(path) : "check the path";
  errno = code;
  return advice;
}

// The file as it stands, with a look at what comes next.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path)
      : name_(path == "-" ? "standard input" : path.string()),
        buffer_(std::make_unique_for_overwrite<char[]>(kChunkBytes)) {
    fd_ = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) {
      throw Error(kind_of_errno(errno), name_,
                  fmt::format("cannot be read: {}", std::strerror(errno)),
                  absent_rows_advice(path));
    }
    struct stat info {};
    if (::fstat(fd_, &info) == 0 && S_ISDIR(info.st_mode)) {
      ::close(fd_);
      throw Error(name_, "expected a file, found a folder");
    }
  }
  ~RawFile() { ::close(fd_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  const std::string& name() const { return name_; }
  uint64_t offset() const { return offset_; }  // of the next byte
  std::string_view ahead() const { return {buffer_.get() + begin_, end_ - begin_}; }
  void skip(size_t num_bytes) {
    begin_ += num_bytes;
    offset_ += num_bytes;
  }
  // Makes at least `num_bytes` (small) stand ahead; false if the file ends before.
  bool fill(size_t num_bytes) {
    if (end_ - begin_ >= num_bytes) return true;
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    while (end_ < num_bytes) {
      const ssize_t n = ::read(fd_, buffer_.get() + end_, kChunkBytes - end_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        throw Error(
            kind_of_errno(errno), name_,
            fmt::format("reading failed at byte {}: {}", offset_ + end_, std::strerror(errno)));
      }
      if (n == 0) return false;
      end_ += static_cast<size_t>(n);
    }
    return true;
  }

 private:
  std::string name_;
  std::unique_ptr<char[]> buffer_;  // kChunkBytes
  int fd_ = -1;
  size_t begin_ = 0, end_ = 0;
  uint64_t offset_ = 0;
};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(std::unique_ptr<RawFile> file) : file_(std::move(file)) {}
  size_t read(char* out, size_t num_bytes) override {
    if (!file_->fill(1)) return 0;
    const std::string_view ahead = file_->ahead().substr(0, num_bytes);
    std::memcpy(out, ahead.data(), ahead.size());
    file_->skip(ahead.size());
    return ahead.size();
  }

 private:
  std::unique_ptr<RawFile> file_;
};

// What the two packers share: errors, and a limit to what a small file may become.
class PackedSource : public ByteSource {
 protected:
  explicit PackedSource(std::unique_ptr<RawFile> file) : file_(std::move(file)) {}
  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(file_->name(), fmt::format("{} near byte {}", what, file_->offset()),
                "the file may be cut or damaged");
  }
  void count(size_t num_bytes) {
    unpacked_ += num_bytes;
    if (unpacked_ > kUnpackedBytes && unpacked_ / kUnpackedRatio > file_->offset()) {
      throw Error(file_->name(),
                  fmt::format("{} packed bytes became more than {}", file_->offset(), unpacked_),
                  "a file that unpacks to thousands of times its size is not read");
    }
  }

  std::unique_ptr<RawFile> file_;

 private:
  uint64_t unpacked_ = 0;
};

class GzipSource : public PackedSource {
 public:
  explicit GzipSource(std::unique_ptr<RawFile> file) : PackedSource(std::move(file)) {
    if (::inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) damaged("zlib cannot start");
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }

  size_t read(char* out, size_t num_bytes) override {
    num_bytes = std::min<size_t>(num_bytes, 1u << 30);
    for (;;) {
      if (between_) {
        // Padding of zeros after the last member is usual on tapes; anything else is not.
        if (!file_->fill(2)) return 0;
        if (!file_->ahead().starts_with("\x1f\x8b")) {
          if (file_->ahead()[0] != '\0') damaged("text after the end of the gzip data");
          file_->skip(1);
          continue;
        }
        ::inflateReset(&stream_);
        between_ = false;
      }
      if (!file_->fill(1)) damaged("the gzip data ends too early");
      const std::string_view ahead = file_->ahead();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(ahead.data()));
      stream_.avail_in = static_cast<uInt>(ahead.size());
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = static_cast<uInt>(num_bytes);
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      file_->skip(ahead.size() - stream_.avail_in);
      if (code == Z_STREAM_END) {
        between_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        damaged(fmt::format("broken gzip data ({})", stream_.msg ? stream_.msg : "zlib"));
      }
      const size_t made = num_bytes - stream_.avail_out;
      count(made);
      if (made > 0) return made;
    }
  }

 private:
  z_stream stream_{};
  bool between_ = false;  // members
};

class ZstdSource : public PackedSource {
 public:
  explicit ZstdSource(std::unique_ptr<RawFile> file)
      : PackedSource(std::move(file)), stream_(::ZSTD_createDStream()) {
    if (!stream_) damaged("Zstandard cannot start");
    ::ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLog);
  }
  ~ZstdSource() override { ::ZSTD_freeDStream(stream_); }

  size_t read(char* out, size_t num_bytes) override {
    for (;;) {
      // With nothing ahead there may still be output that had no room.
      const bool more = file_->fill(1);
      if (!more && frame_done_) return 0;
      const std::string_view ahead = file_->ahead();
      ZSTD_inBuffer in{ahead.data(), ahead.size(), 0};
      ZSTD_outBuffer result{out, num_bytes, 0};
      const size_t code = ::ZSTD_decompressStream(stream_, &result, &in);
      if (::ZSTD_isError(code)) {
        if (::ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge) {
          throw Error(file_->name(),
                      fmt::format("needs a Zstandard window of more than {} MiB near byte {}",
                                  1 << (kZstdWindowLog - 20), file_->offset()),
                      "pack it again without --long or --ultra");
        }
        damaged(fmt::format("broken Zstandard data ({})", ::ZSTD_getErrorName(code)));
      }
      file_->skip(in.pos);
      frame_done_ = code == 0;
      count(result.pos);
      if (result.pos > 0) return result.pos;
      if (!more && !frame_done_) damaged("the Zstandard data ends too early");
    }
  }

 private:
  ZSTD_DStream* stream_;
  bool frame_done_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  auto file = std::make_unique<RawFile>(path);
  file->fill(4);
  const std::string_view head = file->ahead();
  if (head.starts_with("\x1f\x8b")) return std::make_unique<GzipSource>(std::move(file));
  const bool skippable = head.size() >= 4 && (head[0] & 0xF0) == 0x50 &&
                         head.substr(1, 3) == "\x2A\x4D\x18";  // a frame to pass over
  if (head.starts_with("\x28\xB5\x2F\xFD") || skippable) {
    return std::make_unique<ZstdSource>(std::move(file));
  }
  return std::make_unique<PlainSource>(std::move(file));
}

}  // namespace ponder
