// BlobStore: files named by the SHA-256 of their bytes, `blobs/ab/abcdef...`.
//
// Large payloads of events, prompts and texts live here once, however many events name them. A blob
// is written whole before the event that names it, so a reference never dangles; a blob that no
// event names is what a crash in between leaves, and costs only its bytes. Names are hex digests
// and never come from outside text, so no name can leave the folder.
//
// Not for: anything that changes, or that is looked up by another name.
// Format: docs/formats/journal.md, "Blobs".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sha256.h"

namespace consort::store {

inline constexpr uint64_t kBlobBytesMax = 256ull << 20;

// Resource without state of its own: any number of threads and processes may share a folder.
class BlobStore final {
 public:
  // `folder` is created on the first put.
  explicit BlobStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  BlobStore(const BlobStore&) = delete;
  BlobStore& operator=(const BlobStore&) = delete;

  // Durable on return (file and folders synced: about three fsyncs). Writing the same bytes again
  // costs one look-up. Errors: resource_exhausted 1207 over kBlobBytesMax, unavailable 1105
  // (read-only or full).
  Result<Digest> put(std::string_view bytes);
  // Reads and verifies. Errors: not_found 1212, corruption 1211 (bytes do not match the name).
  Result<std::string> get(const Digest& digest) const;
  bool contains(const Digest& digest) const;
  std::filesystem::path path_of(const Digest& digest) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace consort::store
