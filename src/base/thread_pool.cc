#include "base/thread_pool.h"

#include <algorithm>

#include "base/result.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace consort {
namespace {

constexpr int kSpins = 2000;
constexpr int kThreadsMax = 256;
constexpr int kIndexBits = 20;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;

uint64_t epoch_of(uint64_t ticket) { return ticket >> (2 * kIndexBits); }

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  if (n_threads <= 0) n_threads = static_cast<int>(std::thread::hardware_concurrency());
  n_threads = std::clamp(n_threads, 1, kThreadsMax);
  workers_.reserve(static_cast<size_t>(n_threads - 1));
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { worker_main(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  {
    std::lock_guard lock(mutex_);
    wake_workers_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(Piece piece, void* context, int n) {
  CONSORT_CHECK(static_cast<uint64_t>(n) <= kIndexMask);
  // No piece of the last loop is running or claimable here. A worker that reads the new body under
  // the old ticket finds no piece left in it; one that reads the old body fails its claim.
  piece_.store(piece, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint64_t epoch = epoch_of(ticket_.load(std::memory_order_relaxed)) + 1;
  // seq_cst, pairs with sleepers_ in worker_main.
  ticket_.store(epoch << (2 * kIndexBits) | static_cast<uint64_t>(n) << kIndexBits);
  if (sleepers_.load() > 0) {
    std::lock_guard lock(mutex_);
    wake_workers_.notify_all();
  }
  uint64_t unused = 0;
  work_once(&unused);
  for (int spin = 0; spin < kSpins; ++spin) {
    if (done_.load(std::memory_order_acquire) == n) return;
    pause();
  }
  std::unique_lock lock(mutex_);
  caller_sleeps_.store(true);
  wake_caller_.wait(lock, [&] { return done_.load() == n; });
  caller_sleeps_.store(false);
}

bool ThreadPool::work_once(uint64_t* seen_epoch) {
  bool any = false;
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (true) {
    const uint64_t n = ticket >> kIndexBits & kIndexMask;
    const uint64_t index = ticket & kIndexMask;
    const Piece piece = piece_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    if (index >= n) {
      *seen_epoch = epoch_of(ticket);
      return any;
    }
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    piece(context, static_cast<int>(index));
    any = true;
    if (done_.fetch_add(1) + 1 == static_cast<int>(n) && caller_sleeps_.load()) {
      std::lock_guard lock(mutex_);
      wake_caller_.notify_one();
    }
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::worker_main() {
  uint64_t seen_epoch = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    bool found = false;
    for (int spin = 0; spin < kSpins && !found; ++spin) {
      found = epoch_of(ticket_.load(std::memory_order_acquire)) != seen_epoch;
      if (!found) pause();
    }
    if (!found) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_workers_.wait(lock,
                         [&] { return stop_.load() || epoch_of(ticket_.load()) != seen_epoch; });
      sleepers_.fetch_sub(1);
    }
    work_once(&seen_epoch);
  }
}

}  // namespace consort
