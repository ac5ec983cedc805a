#include "base/child_process.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace consort {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Owns one descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void set(int fd) { close(), fd_ = fd; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read, write;
  bool open() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return false;
    read.set(fds[0]);
    write.set(fds[1]);
    return true;
  }
};

#if defined(__x86_64__)
constexpr uint32_t kAuditArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kAuditArch = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kAuditArch = 0;
#endif

// socket(2) and io_uring_setup(2) answer EACCES: without them no network can be reached. Calls of a
// foreign architecture are killed. Async-signal-safe.
bool install_socket_filter() {
  if (kAuditArch == 0) return false;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAuditArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 2, 0),  // x32 calls
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 425 /* io_uring_setup */, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EACCES & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(sizeof(filter) / sizeof(filter[0])), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

bool enter_network_namespace() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

void limit(int resource, uint64_t value) {
  rlimit both{value, value};
  setrlimit(static_cast<__rlimit_resource>(resource), &both);
}

// Everything the child does between fork and exec: async-signal-safe calls only.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> envp;
  int stdin_fd, stdout_fd, stderr_fd, status_fd;
  Sandbox sandbox;
  const ChildOptions* options;
};

// What the child reports before exec when it cannot go on.
struct StartFailure {
  int stage;  // 1: sandbox, 2: exec, 3: descriptors
  int error;
};

[[noreturn]] void fail_start(int fd, int stage) {
  StartFailure failure{stage, errno};
  [[maybe_unused]] ssize_t n = ::write(fd, &failure, sizeof(failure));
  _exit(127);
}

[[noreturn]] void run_in_child(const ChildPlan& plan) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(plan.stdin_fd, 0) < 0 || dup2(plan.stdout_fd, 1) < 0 || dup2(plan.stderr_fd, 2) < 0)
    fail_start(plan.status_fd, 3);
  // Descriptors of other threads that lack O_CLOEXEC: mark all but ours.
  if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = 3; fd < 4096; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, plan.options->file_bytes_max);
  if (plan.options->memory_bytes_max) limit(RLIMIT_AS, *plan.options->memory_bytes_max);
  if (plan.options->cpu_seconds_max) limit(RLIMIT_CPU, *plan.options->cpu_seconds_max);
  if (plan.sandbox == Sandbox::network_namespace && !enter_network_namespace())
    fail_start(plan.status_fd, 1);
  // Bubblewrap itself needs a netlink socket, so the filter is for the other ways only.
  if (plan.sandbox != Sandbox::none && plan.sandbox != Sandbox::bubblewrap &&
      !install_socket_filter() && plan.sandbox == Sandbox::seccomp)
    fail_start(plan.status_fd, 1);
  execve(plan.argv[0], plan.argv.data(), plan.envp.data());
  fail_start(plan.status_fd, 2);
}

std::vector<std::string> bubblewrap_argv(const std::string& bwrap, const std::string& program,
                                         const ChildOptions& options) {
  std::vector<std::string> argv = {bwrap,           "--unshare-all", "--new-session",
                                   "--die-with-parent", "--cap-drop",    "ALL",
                                   "--ro-bind",     "/usr",          "/usr"};
  for (const char* folder : {"/bin", "/sbin", "/lib", "/lib64"}) {
    std::error_code ec;
    if (std::filesystem::is_symlink(folder, ec)) {
      argv.insert(argv.end(), {"--symlink", std::filesystem::read_symlink(folder, ec).string(), folder});
    } else if (std::filesystem::is_directory(folder, ec)) {
      argv.insert(argv.end(), {"--ro-bind", folder, folder});
    }
  }
  argv.insert(argv.end(), {"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev", "/dev",
                           "--proc", "/proc", "--tmpfs", "/tmp"});
  for (const auto& path : options.readable) {
    argv.insert(argv.end(), {"--ro-bind", path.string(), path.string()});
  }
  if (!program.starts_with("/usr/") && !program.starts_with("/bin/") && !program.starts_with("/lib"))
    argv.insert(argv.end(), {"--ro-bind", program, program});
  argv.insert(argv.end(), {"--chdir", "/", "--", program});
  argv.insert(argv.end(), options.argv.begin() + 1, options.argv.end());
  return argv;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

void kill_group(pid_t pid) {
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
}

enum class End { finished, deadline, output_limit, cancelled };

// Feeds stdin and drains stdout and stderr until all are closed or a limit is met.
End pump(const ChildOptions& options, SteadyClock::time_point deadline, Pipe& in, Pipe& out, Pipe& err,
         ChildResult& result) {
  size_t written = 0;
  fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  if (options.input.empty()) in.write.close();
  char buffer[65536];
  while (out.read.get() >= 0 || err.read.get() >= 0) {
    if (options.stop.stop_requested()) return End::cancelled;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SteadyClock::now());
    if (left.count() <= 0) return End::deadline;
    pollfd fds[3] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {in.write.get(), POLLOUT, 0}};
    // At most 50 ms, so that a stop request is seen.
    int n = poll(fds, 3, static_cast<int>(std::min<int64_t>(left.count(), 50)));
    if (n < 0 && errno != EINTR) return End::deadline;
    if (n <= 0) continue;
    if (fds[0].revents != 0) {
      ssize_t got = read(out.read.get(), buffer, sizeof(buffer));
      if (got > 0) {
        if (result.output.size() + got > options.output_bytes_max) return End::output_limit;
        result.output.append(buffer, got);
      } else if (got == 0 || errno != EINTR) {
        out.read.close();
      }
    }
    if (fds[1].revents != 0) {
      ssize_t got = read(err.read.get(), buffer, sizeof(buffer));
      if (got > 0) {
        size_t room = options.error_bytes_max - std::min<uint64_t>(options.error_bytes_max, result.error.size());
        if (static_cast<size_t>(got) > room) result.error_cut = true;
        result.error.append(buffer, std::min<size_t>(room, got));
      } else if (got == 0 || errno != EINTR) {
        err.read.close();
      }
    }
    if (fds[2].revents != 0) {
      ssize_t put = write(in.write.get(), options.input.data() + written, options.input.size() - written);
      if (put > 0) written += put;
      if ((put < 0 && errno != EINTR && errno != EAGAIN) || written == options.input.size()) in.write.close();
    }
  }
  return End::finished;
}

// Waits for the child until the deadline; true when it was reaped.
bool reap(pid_t pid, SteadyClock::time_point deadline, const std::stop_token& stop, int& status) {
  for (;;) {
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid || (got < 0 && errno != EINTR)) return true;
    if (stop.stop_requested() || SteadyClock::now() >= deadline) return false;
    poll(nullptr, 0, 1);
  }
}

Result<ChildResult> run_with(const ChildOptions& options, const std::string& program, Sandbox sandbox,
                             const std::string& bwrap) {
  std::vector<std::string> argv = options.argv;
  argv[0] = program;
  if (sandbox == Sandbox::bubblewrap) argv = bubblewrap_argv(bwrap, program, options);
  std::vector<std::string> env = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=/"};
  Pipe in, out, err, status;
  if (!in.open() || !out.open() || !err.open() || !status.open())
    return fail(make_error(ErrorCode::unavailable, 1312,
                           std::string("cannot open pipes for a child process: ") + strerror(errno))
                    .to_fix("raise the limit of open files (ulimit -n)"));
  ChildPlan plan{pointers(argv), pointers(env), in.read.get(), out.write.get(), err.write.get(),
                 status.write.get(), sandbox, &options};
  auto start = SteadyClock::now();
  auto deadline = start + options.wall_max;
  // A child that dies early must not end us by SIGPIPE while we feed it.
  sigset_t pipe_set, old_set;
  sigemptyset(&pipe_set);
  sigaddset(&pipe_set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_set, &old_set);
  pid_t pid = fork();
  if (pid == 0) run_in_child(plan);
  int fork_error = errno;
  if (pid > 0) setpgid(pid, pid);
  in.read.close(), out.write.close(), err.write.close(), status.write.close();
  StartFailure failure{0, 0};
  ChildResult result;
  result.sandbox = sandbox;
  End end = End::finished;
  int wait_status = 0;
  if (pid > 0) {
    bool failed = read(status.read.get(), &failure, sizeof(failure)) == sizeof(failure);
    if (!failed) end = pump(options, deadline, in, out, err, result);
    if (end != End::finished || !reap(pid, deadline, options.stop, wait_status)) {
      if (end == End::finished) end = options.stop.stop_requested() ? End::cancelled : End::deadline;
      kill_group(pid);
      while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
      }
    } else {
      kill(-pid, SIGKILL);  // Whatever the child left behind.
    }
  }
  timespec zero{0, 0};
  while (sigtimedwait(&pipe_set, nullptr, &zero) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &old_set, nullptr);
  result.wall = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
  if (pid < 0)
    return fail(make_error(ErrorCode::unavailable, 1312, std::string("cannot fork: ") + strerror(fork_error)));
  if (failure.stage == 1)
    return fail(make_error(ErrorCode::failed_precondition, 1313,
                           std::string("sandbox ") + std::string(name(sandbox)) + " cannot be entered: " +
                               strerror(failure.error)));
  if (failure.stage != 0)
    return fail(make_error(ErrorCode::unavailable, 1312,
                           "cannot start " + argv[0] + ": " + strerror(failure.error)));
  switch (end) {
    case End::cancelled:
      return fail(ErrorCode::cancelled, 1316, options.argv[0] + " was stopped on request");
    case End::deadline:
      return fail(make_error(ErrorCode::deadline_exceeded, 1314,
                             options.argv[0] + " ran past " + std::to_string(options.wall_max.count()) + " ms"));
    case End::output_limit:
      return fail(make_error(ErrorCode::resource_exhausted, 1315,
                             options.argv[0] + " wrote more than " +
                                 std::to_string(options.output_bytes_max) + " bytes"));
    case End::finished:
      break;
  }
  if (WIFEXITED(wait_status)) {
    result.exit_code = WEXITSTATUS(wait_status);
  } else if (WIFSIGNALED(wait_status)) {
    result.signal = WTERMSIG(wait_status);
  }
  return result;
}

struct Probe {
  Sandbox best = Sandbox::none;
  std::string bwrap;
  std::string why_not_bubblewrap;
};

const Probe& probe() {
  static const Probe kProbe = [] {
    Probe p;
    auto truth = find_program("true");
    ChildOptions options;
    options.argv = {truth ? truth->string() : "/usr/bin/true"};
    options.wall_max = std::chrono::milliseconds(10000);
    if (auto bwrap = find_program("bwrap")) {
      p.bwrap = bwrap->string();
      auto run = run_with(options, options.argv[0], Sandbox::bubblewrap, p.bwrap);
      if (run && run->exit_code == 0) {
        p.best = Sandbox::bubblewrap;
        return p;
      }
      p.why_not_bubblewrap = run ? "bwrap: " + run->error : run.error().message;
    } else {
      p.why_not_bubblewrap = "bwrap is not installed (package bubblewrap)";
    }
    for (Sandbox way : {Sandbox::network_namespace, Sandbox::seccomp}) {
      auto run = run_with(options, options.argv[0], way, "");
      if (run && run->exit_code == 0) {
        p.best = way;
        return p;
      }
    }
    return p;
  }();
  return kProbe;
}

}  // namespace

std::string_view name(Sandbox sandbox) {
  switch (sandbox) {
    case Sandbox::none: return "none";
    case Sandbox::seccomp: return "seccomp";
    case Sandbox::network_namespace: return "network_namespace";
    case Sandbox::bubblewrap: return "bubblewrap";
  }
  return "none";
}

std::optional<std::filesystem::path> find_program(std::string_view program) {
  auto executable = [](const std::filesystem::path& path) {
    std::error_code ec;
    return std::filesystem::is_regular_file(path, ec) && access(path.c_str(), X_OK) == 0;
  };
  if (program.find('/') != std::string_view::npos) {
    std::filesystem::path path = std::filesystem::absolute(std::filesystem::path(program));
    if (executable(path)) return path;
    return std::nullopt;
  }
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "/usr/bin:/bin";
  while (!folders.empty()) {
    size_t colon = std::min(folders.find(':'), folders.size());
    std::filesystem::path path = std::filesystem::path(folders.substr(0, colon)) / program;
    if (colon > 0 && executable(path)) return std::filesystem::absolute(path);
    folders.remove_prefix(std::min(colon + 1, folders.size()));
  }
  return std::nullopt;
}

Sandbox best_sandbox() { return probe().best; }

Result<ChildResult> run_child(const ChildOptions& options) {
  CONSORT_CHECK(!options.argv.empty());
  auto program = find_program(options.argv[0]);
  if (!program)
    return fail(make_error(ErrorCode::unavailable, 1311, "no such program: " + options.argv[0])
                    .to_fix("install it, or put its folder in PATH"));
  if (options.sandbox == SandboxNeed::none) return run_with(options, program->string(), Sandbox::none, "");
  const Probe& p = probe();
  if (options.sandbox == SandboxNeed::required && p.best != Sandbox::bubblewrap)
    return fail(make_error(ErrorCode::failed_precondition, 1313,
                           "a sandbox is required and cannot be had: " + p.why_not_bubblewrap)
                    .to_fix("install bubblewrap and allow user namespaces"));
  return run_with(options, program->string(), p.best, p.bwrap);
}

}  // namespace consort
