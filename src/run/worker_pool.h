// WorkerPool: a few threads that run blocking calls of components.
//
// Threads are started when the first task comes: a run whose steps follow one another never has
// any. The number of tasks is bounded by the caller (the scheduler submits no more than it has
// threads).
//
// Not for: pieces of a computation (base/thread_pool.h).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace consort::run {

// Resource. `submit` from one thread. The destructor runs what was submitted, then joins.
class WorkerPool final {
 public:
  explicit WorkerPool(int n_threads) : n_threads_(n_threads < 1 ? 1 : n_threads) {}
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int n_threads() const { return n_threads_; }
  // `task` must not throw.
  void submit(std::function<void()> task);

 private:
  void work();

  const int n_threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  int n_idle_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace consort::run
