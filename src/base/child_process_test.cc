#include "base/child_process.h"

#include <gtest/gtest.h>

#include <fstream>

namespace consort {
namespace {

ChildOptions shell(const std::string& script) {
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", script};
  options.wall_max = std::chrono::milliseconds(20000);
  return options;
}

TEST(ChildProcess, FeedsInputAndKeepsOutputErrorAndExitCodeApart) {
  auto options = shell("cat; echo oops >&2; exit 3");
  options.input = std::string(300000, 'x');
  auto result = run_child(options);
  ASSERT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_EQ(result->output, options.input);
  EXPECT_EQ(result->error, "oops\n");
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->signal, 0);
}

TEST(ChildProcess, PassesArgumentsWithoutAShell) {
  ChildOptions options;
  options.argv = {"printf", "%s", "$(id) ; `id` *"};
  auto result = run_child(options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->output, "$(id) ; `id` *");
}

TEST(ChildProcess, KillsTheWholeGroupAtTheDeadline) {
  auto options = shell("sleep 600 & sleep 600");
  options.wall_max = std::chrono::milliseconds(200);
  auto result = run_child(options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::deadline_exceeded);
  EXPECT_EQ(result.error().number, 1314);
}

TEST(ChildProcess, StopsAtTheOutputLimit) {
  auto options = shell("yes");
  options.output_bytes_max = 100000;
  auto result = run_child(options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().number, 1315);
}

TEST(ChildProcess, CutsStandardErrorAndSaysSo) {
  auto options = shell("yes | head -c 200000 >&2");
  options.error_bytes_max = 1000;
  auto result = run_child(options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error.size(), 1000u);
  EXPECT_TRUE(result->error_cut);
}

TEST(ChildProcess, IsStoppedOnRequest) {
  std::stop_source source;
  source.request_stop();
  auto options = shell("sleep 600");
  options.stop = source.get_token();
  auto result = run_child(options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

TEST(ChildProcess, NamesAMissingProgram) {
  ChildOptions options;
  options.argv = {"no-such-program-here"};
  auto result = run_child(options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().number, 1311);
  EXPECT_FALSE(result.error().fix.empty());
}

TEST(ChildProcess, SurvivesAChildThatDoesNotReadItsInput) {
  auto options = shell("exit 0");
  options.input = std::string(10 << 20, 'x');
  auto result = run_child(options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->exit_code, 0);
}

TEST(ChildProcess, LimitsWrittenFilesAndProcessorTime) {
  auto options = shell("ulimit -f; ulimit -c; ulimit -t");
  options.cpu_seconds_max = 7;
  auto result = run_child(options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->output, "0\n0\n7\n");
}

TEST(ChildProcess, PassesNoDescriptorsOn) {
  auto result = run_child(shell("ls /proc/self/fd | wc -l"));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->output, "4\n");  // 0, 1, 2 and ls's own look at the folder.
}

TEST(ChildProcess, SandboxedChildHasNoNetworkAndSeesOnlyNamedFiles) {
  if (best_sandbox() == Sandbox::none) GTEST_SKIP() << "left out: no sandbox works on this machine";
  auto folder = std::filesystem::temp_directory_path() / ("child_process_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "named") << "named";
  std::ofstream(folder / "secret") << "secret";
  auto options = shell("cat " + (folder / "named").string() + "; cat " + (folder / "secret").string());
  options.sandbox = SandboxNeed::preferred;
  options.readable = {folder / "named"};
  auto files = run_child(options);
  ASSERT_TRUE(files.has_value()) << files.error().to_string();
  EXPECT_EQ(files->sandbox, best_sandbox());
  EXPECT_TRUE(files->output.starts_with("named"));
  if (best_sandbox() == Sandbox::bubblewrap) {
    EXPECT_EQ(files->output, "named");
  }
  // Only the loopback may be listed; with seccomp the interfaces are visible but no socket opens.
  auto network = shell("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '");
  network.sandbox = SandboxNeed::preferred;
  auto interfaces = run_child(network);
  ASSERT_TRUE(interfaces.has_value());
  if (best_sandbox() != Sandbox::seccomp) {
    EXPECT_EQ(interfaces->output, "lo\n");
  }
  std::filesystem::remove_all(folder);
}

TEST(ChildProcess, RequiredSandboxIsBubblewrapOrATypedError) {
  auto options = shell("echo hello");
  options.sandbox = SandboxNeed::required;
  auto result = run_child(options);
  if (best_sandbox() == Sandbox::bubblewrap) {
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->sandbox, Sandbox::bubblewrap);
  } else {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().number, 1313);
  }
}

}  // namespace
}  // namespace consort
