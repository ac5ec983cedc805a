// What the fault tests share: a home that is removed, a child process that may die, the run that
// they compare.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "run/executor.h"
#include "run/test_agent.h"

namespace consort::run {

// On tmpfs where there is one: a killed process loses nothing that the kernel has, so the disk adds
// only time.
class FaultHome {
 public:
  FaultHome() {
    std::filesystem::path base =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string folder = (base / "consort_fault_XXXXXX").string();
    CONSORT_CHECK(::mkdtemp(folder.data()) != nullptr);
    path_ = folder;
  }
  ~FaultHome() { std::filesystem::remove_all(path_); }
  FaultHome(const FaultHome&) = delete;
  FaultHome& operator=(const FaultHome&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Runs `body` in a child and returns its wait status. The child leaves by _exit with what `body`
// returns.
template <typename Body>
int in_child(Body body) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

// The output and every step's value of a run, as text: what must not depend on crashes.
inline std::string fingerprint(const RunView& view) {
  std::map<std::string, std::string> steps;
  for (const StepView& step : view.steps) {
    steps[step.name] = std::string(name(step.state)) + " " + step.digest + " " +
                       std::to_string(step.attempts.size());
  }
  std::string out = contract::to_json(view.output) + "\n";
  for (const auto& [name, value] : steps) out += name + " " + value + "\n";
  return out;
}

}  // namespace consort::run
