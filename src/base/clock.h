// Time as an injected port, so that a run replays and tests never sleep.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace consort {

using Nanoseconds = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t unix_ms() const = 0;          // Wall clock, milliseconds since 1970 UTC.
  virtual Nanoseconds monotonic() const = 0;    // Never goes back; origin unspecified.
};

class SystemClock final : public Clock {
 public:
  int64_t unix_ms() const override;
  Nanoseconds monotonic() const override;
};

// Moves only when told.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t unix_ms = 0) : ns_(unix_ms * 1000000) {}
  int64_t unix_ms() const override { return ns_.load() / 1000000; }
  Nanoseconds monotonic() const override { return Nanoseconds(ns_.load()); }
  void advance(Nanoseconds by) { ns_ += by.count(); }

 private:
  std::atomic<int64_t> ns_;
};

// "2026-11-23T21:04:05.123Z" (RFC 3339).
std::string format_rfc3339(int64_t unix_ms);

}  // namespace consort
