// Download: one file over HTTP(S), resumable, bounded, verified.
//
// Bytes go to TARGET.part; a later call asks for the rest by Range. The file gets its name only
// when its size and SHA-256 are what the caller, or else the server's X-Linked-Size and
// X-Linked-ETag, say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "base/sha256.h"

namespace consort::cli {

struct DownloadOptions {
  std::string url;
  std::filesystem::path target;
  std::string sha256;  // Empty: what the server names; if it names none, 8103.
  uint64_t bytes_max = 64ull << 30;
  int attempts_max = 5;
  int first_wait_ms = 500;               // Doubles with every attempt.
  int stall_seconds_max = 30;            // Below 1 kB/s for so long is a failure.
  std::function<void(double)> progress;  // Fraction, negative while unknown.
  std::stop_token stop;
};

struct Downloaded {
  uint64_t bytes = 0;
  uint64_t resumed_from = 0;  // Bytes that were there already.
  Digest sha256;
  int attempts = 1;
};

// Retries connection failures, cut transfers, and answers 408, 429, 5xx. Errors: unavailable 8101
// (server), not_found 8101 (404), corruption 8103 (size or SHA-256; the part is removed), cancelled
// 8104, resource_exhausted 8105 (limit or disk), unavailable 1105 (cannot write).
Result<Downloaded> download(const DownloadOptions& options);

}  // namespace consort::cli
