#include "base/sha256.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace consort {

std::string Digest::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (uint8_t b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

Result<Digest> Digest::from_hex(std::string_view hex) {
  Digest d;
  auto nibble = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (hex.size() != 64) {
    return fail(make_error(ErrorCode::invalid_argument, 1103, "a SHA-256 has 64 hex digits").got(hex));
  }
  for (size_t i = 0; i < 32; ++i) {
    int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return fail(make_error(ErrorCode::invalid_argument, 1103, "a SHA-256 is lower-case hex").got(hex));
    }
    d.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return d;
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  CONSORT_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

Sha256& Sha256::update(std::span<const uint8_t> bytes) {
  CONSORT_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
  return *this;
}

Sha256& Sha256::update(std::string_view text) {
  return update(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

Digest Sha256::finish() {
  Digest d;
  unsigned length = 0;
  CONSORT_CHECK(EVP_DigestFinal_ex(state_->context, d.bytes.data(), &length) == 1 && length == 32);
  return d;
}

Digest sha256(std::string_view bytes) { return Sha256().update(bytes).finish(); }

Result<Digest> sha256_file(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    ErrorCode code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable;
    return fail(make_error(code, 1101, std::string("cannot open file: ") + std::strerror(errno))
                    .at(path.string()));
  }
  Sha256 hasher;
  std::vector<uint8_t> buffer(1 << 20);
  size_t n = 0;
  while ((n = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
    hasher.update(std::span(buffer.data(), n));
  }
  bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return fail(make_error(ErrorCode::unavailable, 1102, "read error").at(path.string()));
  return hasher.finish();
}

}  // namespace consort
