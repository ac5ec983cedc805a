// Tool: a function with a contract that a component may call.
//
// A registry belongs to one agent; each component sees only the tools that its line in the agent file
// names. Nothing a model writes can widen that: `call` takes the caller's grant, fixed at load.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "contract/schema.h"

namespace consort::tool {

enum class Effect {
  none,        // Reads only: may be repeated freely.
  idempotent,  // Repeating with the same key changes nothing more.
  once,        // Must not be repeated: a crash between intent and result parks the run.
};

struct CallContext {
  std::string idempotency_key;  // H(run, step, attempt): the same after a resume.
  Nanoseconds deadline{0};      // On `clock`; 0 = none.
  const Clock* clock = nullptr;
  std::stop_token stop;
};

// Resource; `call` is thread-safe.
class Tool {
 public:
  virtual ~Tool() = default;
  virtual const std::string& name() const = 0;
  virtual const std::string& description() const = 0;
  virtual const std::shared_ptr<const contract::Schema>& input() const = 0;
  virtual const std::shared_ptr<const contract::Schema>& output() const = 0;
  virtual Effect effect() const { return Effect::none; }
  // Changes when the tool's answers may change (code version, memory digest). Pinned by a run.
  virtual Digest version() const = 0;
  // Rough cost of one call, in milliseconds: plans are costed with it.
  virtual double cost_ms() const { return 1.0; }
  // `input` has been checked against input(); the result is checked against output() by the registry.
  virtual Result<contract::Value> call(const contract::Value& input, const CallContext& context) = 0;
};

// What one component may call.
struct Grant {
  std::string component;
  std::set<std::string> tools;
};

class Registry final {
 public:
  Result<void> add(std::unique_ptr<Tool> tool);  // already_exists 5201.
  const Tool* find(std::string_view name) const;
  std::vector<const Tool*> tools() const;
  // Checks the grant (5202 names what is allowed), the input (3001), the deadline, then the output.
  Result<contract::Value> call(const Grant& grant, const std::string& tool, const contract::Value& input,
                               const CallContext& context) const;

 private:
  std::map<std::string, std::unique_ptr<Tool>, std::less<>> tools_;
};

}  // namespace consort::tool
