// The agents that a gate's policy names, judged as a whole with each version of the adapter.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/golden_run.h"
#include "cli/session.h"
#include "eval/gate.h"
#include "eval/policy_file.h"

namespace consort::cli {

struct SuiteVerdict {
  std::string agent, data;
  Digest digest;  // Of the data.
  int64_t n = 0;
  int64_t looks = 0;
  eval::Verdict verdict;
};

// An agent with its briefs, read and checked; nothing is loaded yet.
class Suite final {
 public:
  // `folder`: of the policy. Errors: 8205 (the agent does not use the adapter), 8008 and 3001 (briefs),
  // 8202 (a metric that briefs do not have), 8203 (fewer briefs than the margins need).
  static Result<std::unique_ptr<Suite>> create(Context& context, const eval::SuitePolicy& policy,
                                               const std::filesystem::path& folder, const std::string& adapter);

  // Runs the agent on every brief with each meaning of the adapter, in turn, in memory.
  Result<SuiteVerdict> judge(const std::string& champion, const std::string& candidate);
  const std::string& agent() const { return agent_; }

 private:
  explicit Suite(Context& context) : context_(context) {}
  Result<std::vector<double>> scores(run::Host& host, const contract::Value& brief, size_t index, double* ms);

  Context& context_;
  std::unique_ptr<Session> session_;
  std::string agent_, data_, adapter_;
  Digest digest_;
  eval::Policy policy_;
  std::vector<contract::Value> inputs_;
};

}  // namespace consort::cli
