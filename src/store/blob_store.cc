#include "store/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"

namespace consort::store {
namespace {

// Creates one folder; its entry in the parent is durable on return.
Result<void> create_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    return fail(make_error(ErrorCode::unavailable, 1105,
                           std::string("cannot create folder: ") + std::strerror(errno))
                    .at(folder.string())
                    .to_fix("check that the home folder is writable and the disk is not full"));
  }
  int fd = ::open(folder.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = fd >= 0 && ::fsync(fd) == 0;
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) {
    return fail(make_error(ErrorCode::unavailable, 1105,
                           std::string("cannot sync folder: ") + std::strerror(error))
                    .at(folder.parent_path().string()));
  }
  return {};
}

}  // namespace

std::filesystem::path BlobStore::path_of(const Digest& digest) const {
  std::string hex = digest.hex();
  return folder_ / hex.substr(0, 2) / hex;
}

bool BlobStore::contains(const Digest& digest) const {
  std::error_code error;
  return std::filesystem::is_regular_file(path_of(digest), error);
}

Result<Digest> BlobStore::put(std::string_view bytes) {
  if (bytes.size() > kBlobBytesMax) {
    return fail(make_error(ErrorCode::resource_exhausted, 1207,
                           "a payload of " + std::to_string(bytes.size()) +
                               " bytes is over the limit of " + std::to_string(kBlobBytesMax))
                    .to_fix("make the step's value smaller"));
  }
  Digest digest = sha256(bytes);
  if (contains(digest)) return digest;
  std::filesystem::path path = path_of(digest);
  CONSORT_TRY(create_folder(folder_));
  CONSORT_TRY(create_folder(path.parent_path()));
  CONSORT_TRY(write_file_atomic(path, bytes));
  return digest;
}

Result<std::string> BlobStore::get(const Digest& digest) const {
  std::filesystem::path path = path_of(digest);
  auto bytes = read_file(path, kBlobBytesMax);
  if (!bytes && bytes.error().code == ErrorCode::not_found) {
    return fail(make_error(ErrorCode::not_found, 1212, "a stored payload is missing")
                    .at(path.string())
                    .to_fix("restore the home folder's blobs from a backup"));
  }
  if (!bytes) return bytes;
  if (sha256(*bytes) != digest) {
    return fail(make_error(ErrorCode::corruption, 1211, "a stored payload does not match its name")
                    .at(path.string())
                    .to_fix("restore the file from a backup"));
  }
  return bytes;
}

}  // namespace consort::store
