#include "store/fault_vfs.h"

#include <sqlite3.h>

#include <new>

#include "base/result.h"

namespace consort::store {
namespace {

FaultVfs* g_active =
    nullptr;  // SQLite's callbacks carry no context of ours; tests hold one at a time.
sqlite3_vfs* g_system = nullptr;
sqlite3_vfs g_shim;

// Our file; the system's lies behind it in the same allocation.
struct ShimFile {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file)->real(); }

int shim_close(sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); }
int shim_read(sqlite3_file* f, void* data, int n, sqlite3_int64 at) {
  return real(f)->pMethods->xRead(real(f), data, n, at);
}
int shim_write(sqlite3_file* f, const void* data, int n, sqlite3_int64 at) {
  if (int rc = g_active->on_write(n); rc != SQLITE_OK) return rc;
  return real(f)->pMethods->xWrite(real(f), data, n, at);
}
int shim_truncate(sqlite3_file* f, sqlite3_int64 n) {
  return real(f)->pMethods->xTruncate(real(f), n);
}
int shim_sync(sqlite3_file* f, int flags) {
  if (int rc = g_active->on_sync(); rc != SQLITE_OK) return rc;
  return real(f)->pMethods->xSync(real(f), flags);
}
int shim_size(sqlite3_file* f, sqlite3_int64* n) {
  return real(f)->pMethods->xFileSize(real(f), n);
}
int shim_lock(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
int shim_unlock(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int shim_reserved(sqlite3_file* f, int* out) {
  return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int shim_control(sqlite3_file* f, int op, void* arg) {
  return real(f)->pMethods->xFileControl(real(f), op, arg);
}
int shim_sector(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int shim_traits(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int shim_shm_map(sqlite3_file* f, int page, int n, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, n, extend, out);
}
int shim_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void shim_shm_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int shim_shm_unmap(sqlite3_file* f, int remove) {
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

const sqlite3_io_methods kMethods = {
    2,           shim_close,   shim_read,     shim_write,       shim_truncate,  shim_sync,
    shim_size,   shim_lock,    shim_unlock,   shim_reserved,    shim_control,   shim_sector,
    shim_traits, shim_shm_map, shim_shm_lock, shim_shm_barrier, shim_shm_unmap, nullptr,
    nullptr};

int shim_open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  int rc = g_system->xOpen(g_system, path, real(file), flags, out_flags);
  if (real(file)->pMethods != nullptr) file->pMethods = &kMethods;
  return rc;
}

}  // namespace

FaultVfs::FaultVfs() {
  CONSORT_CHECK(g_active == nullptr);
  g_active = this;
  g_system = sqlite3_vfs_find(nullptr);
  g_shim = *g_system;  // Everything but open goes straight to the system's layer.
  g_shim.zName = "consort-fault";
  g_shim.szOsFile = static_cast<int>(sizeof(ShimFile)) + g_system->szOsFile;
  g_shim.pNext = nullptr;
  g_shim.xOpen = shim_open;
  sqlite3_vfs_register(&g_shim, 1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&g_shim);
  sqlite3_vfs_register(g_system, 1);
  g_active = nullptr;
}

int FaultVfs::on_sync() {
  if (n_syncs_ >= sync_fails_at_) return SQLITE_IOERR_FSYNC;
  ++n_syncs_;
  return SQLITE_OK;
}

int FaultVfs::on_write(int64_t n_bytes) {
  if (n_writes_ >= write_fails_at_) return SQLITE_FULL;
  ++n_writes_;
  bytes_written_ += n_bytes;
  return SQLITE_OK;
}

}  // namespace consort::store
