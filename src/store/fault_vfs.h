// FaultVfs: a SQLite file layer for tests that counts writes and syncs and makes the n-th one fail.
//
// While one lives it is SQLite's default layer, so code under test needs no hook: every Database
// opened in that time goes through it to the system's own. Linked into tests only.
#pragma once

#include <atomic>
#include <cstdint>

namespace consort::store {

// Resource; one at a time, created and destroyed while no database is open.
class FaultVfs final {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // Counted since construction, over all files.
  int64_t n_syncs() const { return n_syncs_; }
  int64_t n_writes() const { return n_writes_; }
  int64_t bytes_written() const { return bytes_written_; }

  // The sync (write) after `n` more successful ones fails, and with it every later one, until
  // healed: a dying disk for syncs, a full one (SQLITE_FULL) for writes.
  void fail_sync_after(int64_t n) { sync_fails_at_ = n_syncs_ + n; }
  void fail_write_after(int64_t n) { write_fails_at_ = n_writes_ + n; }
  void heal() { sync_fails_at_ = write_fails_at_ = INT64_MAX; }

  // Called by the file layer. SQLITE_OK, or the error to answer with.
  int on_sync();
  int on_write(int64_t n_bytes);

 private:
  std::atomic<int64_t> n_syncs_{0}, n_writes_{0}, bytes_written_{0};
  std::atomic<int64_t> sync_fails_at_{INT64_MAX}, write_fails_at_{INT64_MAX};
};

}  // namespace consort::store
