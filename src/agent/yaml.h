// YAML, read with places: a thin, bounded layer over yaml-cpp that turns its exceptions into Errors.
// Only for the .cc files of this folder.
#pragma once

#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "agent/definition.h"
#include "base/result.h"
#include "contract/json.h"

namespace consort::agent {

inline constexpr int kYamlNodesMax = 200000;
inline constexpr int kYamlDepthMax = 64;

// Error 6002 with file:line:col.
Result<YAML::Node> load_yaml(std::string_view text, const std::string& file);

Location location_of(const YAML::Node& node, const std::string& file);

// JSON's types by YAML 1.2's core schema: null, true/false, numbers of RFC 8259's grammar, else text;
// quoted scalars are always text. Errors 6002 (bad key), 6005 (too deep, too many nodes).
Result<contract::Value> to_value(const YAML::Node& node, const std::string& file);

// One YAML mapping: typed members, and at the end a check that no key was left unread.
class MapReader {
 public:
  // Error 6004 if the node is not a mapping.
  static Result<MapReader> create(const YAML::Node& node, const std::string& file, std::string what);

  bool has(const std::string& key) const;
  YAML::Node node(const std::string& key);  // Marks the key as read.
  Result<std::string> text(const std::string& key);
  Result<std::string> text_or(const std::string& key, std::string fallback);
  Result<int64_t> integer_or(const std::string& key, int64_t fallback, int64_t min, int64_t max);
  Result<double> real_or(const std::string& key, double fallback, double min, double max);
  Result<std::vector<std::string>> texts(const std::string& key);  // A list, or one text; absent = {}.
  Result<contract::Value> value(const std::string& key);
  Location where() const { return location_of(node_, file_); }
  Location where(const std::string& key) const { return location_of(node_[key], file_); }
  // 6003 for the first key that nobody read. `others` are valid keys too, for the suggestion.
  Result<void> finish() const;
  // All members that nobody has read yet, as a Value; marks them read.
  Result<contract::Value> rest();
  Error wrong(const std::string& key, std::string message) const;
  const std::string& file() const { return file_; }

 private:
  MapReader(YAML::Node node, std::string file, std::string what)
      : node_(std::move(node)), file_(std::move(file)), what_(std::move(what)) {}
  YAML::Node node_;
  std::string file_;
  std::string what_;                // "component 'planner'"
  std::vector<std::string> known_;  // Keys asked for, present or not.
};

}  // namespace consort::agent
