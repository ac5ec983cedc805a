// Files: whole reads with a limit, atomic durable writes, read-only maps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace consort {

// Errors: not_found 1101, unavailable 1102 (with errno's text), resource_exhausted 1104 past bytes_max.
Result<std::string> read_file(const std::filesystem::path& path, uint64_t bytes_max);

// Writes to a temporary sibling, fsyncs it, renames it over `path`, fsyncs the folder. After an
// error `path` is as it was. Errors: unavailable 1105 (read-only, full disk: errno's text).
Result<void> write_file_atomic(const std::filesystem::path& path, std::string_view bytes);

// A read-only map of a whole file; the bytes live as long as the object. Immutable, so any thread.
// A file that another process truncates while mapped raises SIGBUS: map only content-addressed or
// private files. Errors as read_file.
class MappedFile final {
 public:
  static Result<std::unique_ptr<MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(const uint8_t* data, size_t size, std::filesystem::path path)
      : data_(data), size_(size), path_(std::move(path)) {}
  const uint8_t* data_;
  size_t size_;
  std::filesystem::path path_;
};

}  // namespace consort
