// Home: the one folder in which a user's state lives (`--home`, `$CONSORT_HOME`, default
// ./.consort).
//
//   journal.db      runs and their events            (docs/formats/journal.md)
//   registry.db     versions and aliases
//   blobs/ab/ab...  payloads by SHA-256
//   lock            held by the process that may write runs; its text says who
//
// The folder is created with mode 0700: prompts and documents are the user's.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace consort::store {

// The paths in one home. Value type; naming a path creates nothing.
struct HomeLayout {
  std::filesystem::path root;
  std::filesystem::path journal() const { return root / "journal.db"; }
  std::filesystem::path registry() const { return root / "registry.db"; }
  std::filesystem::path blobs() const { return root / "blobs"; }
  std::filesystem::path lock() const { return root / "lock"; }
};

// Creates the folder (and its parents) if needed. Errors: unavailable 1203 (cannot create: errno's
// text), failed_precondition 1214 (something that is no folder is there).
Result<HomeLayout> open_home(const std::filesystem::path& root);

// The right to write runs: an flock(2) on `<home>/lock`, given back by the destructor or by the
// kernel when the process dies, so a crash never leaves a home locked. The text of the file is for
// people only.
class HomeLock final {
 public:
  // Errors: failed_precondition 1201 naming the holder's pid and host, unavailable 1203.
  static Result<std::unique_ptr<HomeLock>> acquire(const HomeLayout& home, const Clock& clock);
  ~HomeLock();
  HomeLock(const HomeLock&) = delete;
  HomeLock& operator=(const HomeLock&) = delete;

 private:
  explicit HomeLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace consort::store
