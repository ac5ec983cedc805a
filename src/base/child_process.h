// ChildProcess: runs a program on input that we do not trust, with every limit named.
//
// No shell: argv goes to execve as it is. The child gets closed descriptors, resource limits, its own
// process group (killed as a whole), and, when asked, no network and a read-only view of named files.
// When to use it: a parser written elsewhere that reads outside bytes (pdftotext). Not for: long-lived
// servers, or programs that need a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace consort {

// How a child is kept from network and files, strongest first. `bubblewrap`: own namespaces, sees only
// /usr and the named files, read-only, no network. `network_namespace`: own, empty network namespace,
// files as ours (needs root or user namespaces). `seccomp`: socket calls refused by a filter, files as ours.
enum class Sandbox { none, seccomp, network_namespace, bubblewrap };
std::string_view name(Sandbox sandbox);

enum class SandboxNeed {
  none,        // Run plainly.
  preferred,   // The strongest that works here; the result says which. Never worse than `seccomp`
               // where the kernel has it.
  required,    // Bubblewrap, or error 1313.
};

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0]: absolute, or looked up in PATH.
  std::string input;              // Written to the child's stdin, which is then closed.
  uint64_t output_bytes_max = 64ull << 20;
  uint64_t error_bytes_max = 64ull << 10;    // More is dropped: `error_cut` is set.
  std::chrono::milliseconds wall_max{60000};
  std::optional<uint64_t> memory_bytes_max;  // RLIMIT_AS
  std::optional<uint64_t> cpu_seconds_max;   // RLIMIT_CPU
  uint64_t file_bytes_max = 0;               // RLIMIT_FSIZE; pipes are not files.
  SandboxNeed sandbox = SandboxNeed::none;
  // With bubblewrap: the files and folders that the child may read besides /usr; same paths inside.
  std::vector<std::filesystem::path> readable;
  std::stop_token stop;
};

struct ChildResult {
  int exit_code = -1;   // -1 when a signal ended it.
  int signal = 0;
  std::string output;   // stdout
  std::string error;    // stderr
  bool error_cut = false;
  Sandbox sandbox = Sandbox::none;  // What was in force.
  std::chrono::milliseconds wall{0};
};

// Blocks until the child and its process group are gone. An exit code other than 0 is data, not an
// error. Errors: unavailable 1311 (no such program), 1312 (cannot start; errno's text),
// failed_precondition 1313 (sandbox required and not to be had; says why), deadline_exceeded 1314
// (wall_max), resource_exhausted 1315 (output_bytes_max), cancelled 1316. Thread-safe.
Result<ChildResult> run_child(const ChildOptions& options);

// What `preferred` would use on this machine, found by running /usr/bin/true once per process.
Sandbox best_sandbox();

// The program's absolute path by PATH; nullopt when there is none that may be executed.
std::optional<std::filesystem::path> find_program(std::string_view name);

}  // namespace consort
