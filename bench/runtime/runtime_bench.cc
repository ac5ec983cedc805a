// The runtime's own cost: 300 steps in a row, each of which returns about 1 kB and computes nothing else.
//
//   runtime_bench FOLDER [ROUNDS]
//
// prints one JSON document: microseconds a step in memory and durable (medians over rounds, measured in turn),
// a plain write + fdatasync loop in the same folder measured beside them, and bytes on disk a step.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "run/executor.h"
#include "run/test_agent.h"
#include "store/journal.h"

namespace {

using namespace consort;
using contract::Value;

constexpr int kStepsPerPart = 150;
constexpr int kParts = 2;

double now_us() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Two nested agents of 150 steps: every step reads the one before.
std::shared_ptr<const agent::Graph> chain() {
  std::string part = R"(
consort: 1
agent: {name: part, version: 1.0.0, in: Text, out: string}
contracts: [contracts.yaml]
tools: {calc: {builtin: calculate}}
components:
  add: {kind: tool, tools: [calc], in: {text: string}, out: string}
flow:
  s0: add(text=input.text)
)";
  for (int i = 1; i < kStepsPerPart; ++i) {
    part += "  s" + std::to_string(i) + ": add(text=s" + std::to_string(i - 1) + ")\n";
  }
  part += "  return: s" + std::to_string(kStepsPerPart - 1) + "\n";
  return run::build_graph({{"part.yaml", part},
                           {"contracts.yaml",
                            "Text: {type: object, properties: {text: {type: string}}, required: [text], "
                            "additionalProperties: false}\n"},
                           {"agent.yaml", R"(
consort: 1
agent: {name: whole, version: 1.0.0, in: Text, out: string}
contracts: [contracts.yaml]
components:
  part: {kind: agent, use: part, in: {text: string}, out: string}
flow:
  first:  part(text=input.text)
  second: part(text=first)
  return: second
)"}});
}

// Microseconds of one append of `bytes` and its fdatasync, in a file of its own.
double sync_us(const std::filesystem::path& folder, size_t bytes, int n) {
  std::filesystem::path path = folder / "sync_probe";
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string block(bytes, 'x');
  double begin = now_us();
  for (int i = 0; i < n; ++i) {
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) std::exit(1);
  }
  double us = (now_us() - begin) / n;
  ::close(fd);
  std::filesystem::remove(path);
  return us;
}

uint64_t bytes_in(const std::filesystem::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: runtime_bench FOLDER [ROUNDS]\n");
    return 2;
  }
  std::filesystem::path folder = argv[1];
  int n_rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  std::filesystem::create_directories(folder);
  SystemClock clock;
  auto graph = chain();
  run::TestProvider provider;
  provider.define("add", [](const Value& input, const agent::CallScope&) {
    std::string text = input.find("text")->as_string();
    text.resize(1000, 'x');
    return run::answer(Value(std::move(text)));
  });
  Value input = Value::object({{"text", "start"}});
  const double n_steps = kStepsPerPart * kParts;
  auto run_us = [&](store::Journal* journal) {
    provider.forget_calls();
    run::Executor executor(journal, clock);
    double begin = now_us();
    auto result = executor.start(*graph, provider, input);
    double us = (now_us() - begin) / n_steps;
    if (!result || result->state != store::RunState::completed) std::exit(1);
    return us;
  };
  std::vector<double> memory_us, durable_us, probe_us;
  uint64_t bytes_at_rest = 0, bytes_most = 0;
  for (int round = 0; round < n_rounds; ++round) {
    memory_us.push_back(run_us(nullptr));
    probe_us.push_back(sync_us(folder, 8192, 100));
    std::filesystem::path home = folder / ("home_" + std::to_string(round));
    auto journal = store::Journal::open(home, clock).value();
    durable_us.push_back(run_us(journal.get()));
    bytes_most = std::max(bytes_most, bytes_in(home));
    journal.reset();
    bytes_at_rest = bytes_in(home);
    std::filesystem::remove_all(home);
  }
  std::printf("{\"steps\":%d,\"rounds\":%d,\"memory_us_per_step\":%.2f,\"durable_us_per_step\":%.1f,"
              "\"fdatasync_us\":%.1f,\"bytes_per_step\":%.0f,\"bytes_per_step_with_wal\":%.0f}\n",
              kStepsPerPart * kParts, n_rounds, median(memory_us), median(durable_us), median(probe_us),
              static_cast<double>(bytes_at_rest) / n_steps, static_cast<double>(bytes_most) / n_steps);
  return 0;
}
