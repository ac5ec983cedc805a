// ThreadPool: a fixed team that runs the pieces of one loop at a time.
//
// Pieces are claimed one by one, so a thread that the system has paused delays only its own piece.
// Which thread runs a piece is not fixed; callers make each piece write its own outputs, and then
// results do not depend on the number of threads. Idle workers spin for at most kSpins pauses
// (tens of microseconds: the gap between two loops of a decode step), then sleep.
//
// Not for: blocking work, nested loops, or tasks of their own (see the engine's queue).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace consort {

// Resource. One caller at a time; the caller works too, so n_threads = 1 starts no thread.
class ThreadPool final {
 public:
  explicit ThreadPool(int n_threads);  // 0 = all cores; at most 256.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(i) for every i in [0, n), each exactly once, and returns when all are done. Writes
  // of the pieces are visible to the caller afterwards. `body` must not throw and not call the
  // pool. n is less than 2^20.
  template <typename Body>
  void parallel_for(int n, Body&& body) {
    if (n <= 1 || workers_.empty()) {
      for (int i = 0; i < n; ++i) body(i);
      return;
    }
    using Plain = std::remove_reference_t<Body>;
    run([](void* context, int i) { (*static_cast<Plain*>(context))(i); },
        const_cast<std::remove_const_t<Plain>*>(std::addressof(body)), n);
  }

 private:
  using Piece = void (*)(void* context, int index);
  void run(Piece piece, void* context, int n);
  bool work_once(uint64_t* seen_epoch);  // Runs pieces of the current loop; false if none was left.
  void worker_main();

  // epoch (24 bits) | n (20) | next unclaimed piece (20). A claim is a compare-exchange on the
  // whole word, so a late worker can never take a piece of a loop whose body it has not read.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<Piece> piece_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int> done_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_workers_;
  std::condition_variable wake_caller_;
  std::vector<std::thread> workers_;
};

}  // namespace consort
