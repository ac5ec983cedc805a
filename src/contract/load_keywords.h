// The keywords of one schema object. Internal to the loader.
#pragma once

#include <map>

#include "contract/program.h"
#include "contract/regex.h"

namespace consort::contract {

// Gives child schemas their nodes.
class NodeSource {
 public:
  virtual Result<NodeId> child(const Value& schema) = 0;

 protected:
  ~NodeSource() = default;
};

struct PatternCache {
  std::map<std::string, std::shared_ptr<const Pattern>> patterns;
  size_t n_states = 0;
  uint64_t work_left = kPatternWorkMax;  // Of all patterns of a document.
};

class KeywordReader {
 public:
  KeywordReader(NodeSource& nodes, Program& program, PatternCache& patterns,
                const CompileOptions& options, bool has_validation)
      : nodes_(nodes),
        program_(program),
        patterns_(patterns),
        options_(options),
        has_validation_(has_validation) {}

  // One keyword other than references. `siblings`: the whole object.
  Result<void> read(Subschema& out, const std::string& keyword, const Value& argument,
                    const Object& siblings, const std::string& at);
  // After the last keyword.
  void finish(Subschema& out);

 private:
  Result<bool> type_and_values(Subschema& out, const std::string& keyword, const Value& argument,
                               const std::string& at);
  Result<bool> numbers(Subschema& out, const std::string& keyword, const Value& argument,
                       const Object& siblings, const std::string& at);
  Result<bool> counts(Subschema& out, const std::string& keyword, const Value& argument,
                      const std::string& at);
  Result<bool> strings(Subschema& out, const std::string& keyword, const Value& argument,
                       const std::string& at);
  Result<bool> arrays(Subschema& out, const std::string& keyword, const Value& argument,
                      const Object& siblings, const std::string& at);
  Result<bool> objects(Subschema& out, const std::string& keyword, const Value& argument,
                       const std::string& at);
  Result<bool> in_place(Subschema& out, const std::string& keyword, const Value& argument,
                        const Object& siblings, const std::string& at);
  Result<void> unknown(const std::string& keyword, const Value& argument, const std::string& at);
  Result<std::shared_ptr<const Pattern>> pattern(const std::string& text, const char* keyword,
                                                 const std::string& at);
  Result<std::vector<std::string>> strings_of(const Value& argument, const std::string& at);

  NodeSource& nodes_;
  Program& program_;
  PatternCache& patterns_;
  const CompileOptions& options_;
  bool has_validation_;
};

}  // namespace consort::contract
