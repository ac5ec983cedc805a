// SHA-256 (FIPS 180-4) of bytes and files; the identity of models, contracts, blobs and events.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace consort {

// 32 bytes. Value type; ordered, so that it keys maps.
struct Digest {
  std::array<uint8_t, 32> bytes{};
  std::string hex() const;  // 64 lower-case digits.
  static Result<Digest> from_hex(std::string_view hex);
  auto operator<=>(const Digest&) const = default;
};

// Incremental hasher. One thread at a time.
class Sha256 final {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(std::span<const uint8_t> bytes);
  Sha256& update(std::string_view text);
  Digest finish();  // May be called once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest sha256(std::string_view bytes);
// Streams the file in 1 MiB reads. Errors: not_found 1101, unavailable 1102.
Result<Digest> sha256_file(const std::filesystem::path& path);

}  // namespace consort
