#include "store/home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace consort::store {
namespace {

Error home_error(const std::filesystem::path& path, const char* what) {
  return make_error(ErrorCode::unavailable, 1203, std::string(what) + ": " + std::strerror(errno))
      .at(path.string())
      .to_fix("name a writable folder by --home or CONSORT_HOME");
}

std::string read_holder(int fd) {
  char text[256];
  ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string out(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

Result<HomeLayout> open_home(const std::filesystem::path& root) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(root, error);
  if (error) absolute = root;
  if (std::filesystem::is_directory(absolute, error)) return HomeLayout{absolute};
  if (std::filesystem::exists(absolute, error)) {
    return fail(make_error(ErrorCode::failed_precondition, 1214, "the home is not a folder")
                    .at(absolute.string())
                    .to_fix("name a folder by --home or CONSORT_HOME"));
  }
  if (absolute.has_parent_path()) {
    std::filesystem::create_directories(absolute.parent_path(), error);
  }
  if (::mkdir(absolute.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(home_error(absolute, "cannot create the home folder"));
  }
  return HomeLayout{absolute};
}

Result<std::unique_ptr<HomeLock>> HomeLock::acquire(const HomeLayout& home, const Clock& clock) {
  std::filesystem::path path = home.lock();
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(home_error(path, "cannot open the home's lock"));
  std::unique_ptr<HomeLock> lock(new HomeLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail(home_error(path, "cannot lock the home"));
    return fail(
        make_error(ErrorCode::failed_precondition, 1201, "another process is using this home")
            .at(home.root.string())
            .got(read_holder(fd))
            .to_fix("wait for it, stop it, or use another --home"));
  }
  char host[HOST_NAME_MAX + 1] = "";
  ::gethostname(host, sizeof host - 1);
  std::string text = "pid " + std::to_string(::getpid()) + " on " + host + " since " +
                     format_rfc3339(clock.unix_ms()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return fail(home_error(path, "cannot write the home's lock"));
  }
  return lock;
}

HomeLock::~HomeLock() { ::close(fd_); }

}  // namespace consort::store
