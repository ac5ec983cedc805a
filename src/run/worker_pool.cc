#include "run/worker_pool.h"

namespace consort::run {

WorkerPool::~WorkerPool() {
  {
    std::lock_guard guard(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
}

void WorkerPool::submit(std::function<void()> task) {
  bool grow = false;
  {
    std::lock_guard guard(mutex_);
    tasks_.push_back(std::move(task));
    grow =
        static_cast<int>(tasks_.size()) > n_idle_ && static_cast<int>(threads_.size()) < n_threads_;
  }
  if (grow) threads_.emplace_back([this] { work(); });
  wake_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++n_idle_;
    wake_.wait(lock, [this] { return closing_ || !tasks_.empty(); });
    --n_idle_;
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace consort::run
