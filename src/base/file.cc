#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace consort {
namespace {

// Closes on every path out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Error open_error(const std::filesystem::path& path) {
  bool absent = errno == ENOENT || errno == ENOTDIR;
  return make_error(absent ? ErrorCode::not_found : ErrorCode::unavailable, absent ? 1101 : 1102,
                    std::string("cannot open file: ") + std::strerror(errno))
      .at(path.string())
      .to_fix(absent ? "check the path" : "check permissions");
}

Error write_error(const std::filesystem::path& path, const char* what) {
  return make_error(ErrorCode::unavailable, 1105,
                    std::string("cannot ") + what + ": " + std::strerror(errno))
      .at(path.string())
      .to_fix(errno == ENOSPC ? "free some disk space" : "check that the folder exists and is writable");
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, uint64_t bytes_max) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return fail(open_error(path));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0 || S_ISDIR(info.st_mode)) {
    return fail(make_error(ErrorCode::unavailable, 1102, "not a readable file").at(path.string()));
  }
  std::string out;
  if (S_ISREG(info.st_mode)) out.reserve(std::min<uint64_t>(info.st_size, bytes_max));
  char buffer[1 << 16];
  while (true) {
    ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(open_error(path));
    if (n == 0) return out;
    if (out.size() + static_cast<uint64_t>(n) > bytes_max) {
      return fail(make_error(ErrorCode::resource_exhausted, 1104,
                             "file is over the limit of " + std::to_string(bytes_max) + " bytes")
                      .at(path.string()));
    }
    out.append(buffer, static_cast<size_t>(n));
  }
}

Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view bytes) {
  std::string temporary = path.string() + ".XXXXXX";
  Descriptor file{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (file.fd < 0) return fail(write_error(path, "create file"));
  auto abandon = [&](const char* what) {
    Error error = write_error(path, what);
    ::unlink(temporary.c_str());
    return fail(std::move(error));
  };
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return abandon("write file");
    done += static_cast<size_t>(n);
  }
  if (::fchmod(file.fd, 0644) != 0 || ::fsync(file.fd) != 0) return abandon("sync file");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return abandon("rename file");
  std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) return fail(write_error(path, "sync folder"));
  return {};
}

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return fail(open_error(path));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(make_error(ErrorCode::unavailable, 1102, "not a regular file").at(path.string()));
  }
  auto size = static_cast<size_t>(info.st_size);
  const uint8_t* data = nullptr;
  if (size > 0) {
    void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (map == MAP_FAILED) return fail(open_error(path));
    data = static_cast<const uint8_t*>(map);
  }
  return std::unique_ptr<MappedFile>(new MappedFile(data, size, path));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

}  // namespace consort
