#include "agent/yaml.h"

#include <algorithm>

#include "agent/suggest.h"

namespace consort::agent {

using contract::Value;

std::string Location::to_string() const {
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Location location_of(const YAML::Node& node, const std::string& file) {
  if (!node.IsDefined()) return {file, 0, 0};
  YAML::Mark mark = node.Mark();
  return {file, mark.line + 1, mark.column + 1};
}

Result<YAML::Node> load_yaml(std::string_view text, const std::string& file) {
  try {
    return YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    Location where{file, e.mark.line + 1, e.mark.column + 1};
    return fail(make_error(ErrorCode::invalid_argument, 6002, "YAML: " + e.msg)
                    .at(where.to_string())
                    .to_fix("correct the YAML at this place"));
  }
}

namespace {

bool is_json_number(std::string_view s) {
  if (s.empty() || (s[0] != '-' && (s[0] < '0' || s[0] > '9'))) return false;
  auto parsed = contract::parse_json(s);
  return parsed && parsed->is_number();
}

Result<Value> scalar_value(const YAML::Node& node) {
  const std::string& s = node.Scalar();
  if (node.Tag() == "!") return Value(s);  // Quoted.
  if (s.empty() || s == "~" || s == "null") return Value();
  if (s == "true") return Value(true);
  if (s == "false") return Value(false);
  if (is_json_number(s)) return contract::parse_json(s);
  return Value(s);
}

Result<Value> convert(const YAML::Node& node, const std::string& file, int depth, int& nodes_left) {
  auto limit = [&](const char* what) {
    return fail(make_error(ErrorCode::resource_exhausted, 6005, what)
                    .at(location_of(node, file).to_string()));
  };
  if (depth > kYamlDepthMax) return limit("YAML nests deeper than 64");
  if (--nodes_left < 0) return limit("YAML has more than 200000 nodes");
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null: return Value();
    case YAML::NodeType::Scalar: return scalar_value(node);
    case YAML::NodeType::Sequence: {
      contract::Array out;
      for (const auto& item : node) {
        CONSORT_ASSIGN(Value v, convert(item, file, depth + 1, nodes_left));
        out.push_back(std::move(v));
      }
      return Value(std::move(out));
    }
    case YAML::NodeType::Map: {
      contract::Object out;
      for (const auto& member : node) {
        if (!member.first.IsScalar()) {
          return fail(make_error(ErrorCode::invalid_argument, 6002, "a key must be text")
                          .at(location_of(member.first, file).to_string()));
        }
        if (out.find(member.first.Scalar()) != nullptr) {
          return fail(make_error(ErrorCode::invalid_argument, 6002, "key appears twice")
                          .got(member.first.Scalar())
                          .at(location_of(member.first, file).to_string()));
        }
        CONSORT_ASSIGN(Value v, convert(member.second, file, depth + 1, nodes_left));
        out.set(member.first.Scalar(), std::move(v));
      }
      return Value(std::move(out));
    }
  }
  return Value();
}

}  // namespace

Result<Value> to_value(const YAML::Node& node, const std::string& file) {
  int nodes_left = kYamlNodesMax;
  return convert(node, file, 0, nodes_left);
}

Result<Value> parse_yaml(std::string_view text, const std::string& file) {
  CONSORT_ASSIGN(YAML::Node node, load_yaml(text, file));
  return to_value(node, file);
}

Result<MapReader> MapReader::create(const YAML::Node& node, const std::string& file, std::string what) {
  if (!node.IsMap()) {
    return fail(make_error(ErrorCode::invalid_argument, 6004, what + " must be a mapping (key: value)")
                    .at(location_of(node, file).to_string()));
  }
  std::vector<std::string> seen;
  for (const auto& member : node) {
    if (!member.first.IsScalar() ||
        std::find(seen.begin(), seen.end(), member.first.Scalar()) != seen.end()) {
      return fail(make_error(ErrorCode::invalid_argument, 6002,
                             "in " + what + ": a key must be text and appear once")
                      .at(location_of(member.first, file).to_string()));
    }
    seen.push_back(member.first.Scalar());
  }
  return MapReader(node, file, std::move(what));
}

bool MapReader::has(const std::string& key) const { return node_[key].IsDefined(); }

YAML::Node MapReader::node(const std::string& key) {
  known_.push_back(key);
  return node_[key];
}

Error MapReader::wrong(const std::string& key, std::string message) const {
  return make_error(ErrorCode::invalid_argument, 6004, what_ + ": '" + key + "' " + std::move(message))
      .at((has(key) ? where(key) : where()).to_string());
}

Result<std::string> MapReader::text(const std::string& key) {
  YAML::Node n = node(key);
  if (!n.IsDefined()) return fail(wrong(key, "is missing").to_fix("add '" + key + ": ...'"));
  if (!n.IsScalar() || n.Scalar().empty()) return fail(wrong(key, "must be a non-empty text"));
  return n.Scalar();
}

Result<std::string> MapReader::text_or(const std::string& key, std::string fallback) {
  if (!has(key)) {
    known_.push_back(key);
    return fallback;
  }
  return text(key);
}

Result<int64_t> MapReader::integer_or(const std::string& key, int64_t fallback, int64_t min, int64_t max) {
  YAML::Node n = node(key);
  if (!n.IsDefined()) return fallback;
  std::optional<int64_t> parsed;
  if (n.IsScalar() && is_json_number(n.Scalar())) parsed = contract::Number{n.Scalar()}.as_int64();
  if (!parsed || *parsed < min || *parsed > max) {
    return fail(wrong(key, "must be an integer from " + std::to_string(min) + " to " + std::to_string(max))
                    .got(n.IsScalar() ? n.Scalar() : "(not a scalar)"));
  }
  return *parsed;
}

Result<double> MapReader::real_or(const std::string& key, double fallback, double min, double max) {
  YAML::Node n = node(key);
  if (!n.IsDefined()) return fallback;
  if (n.IsScalar() && is_json_number(n.Scalar())) {
    double d = contract::Number{n.Scalar()}.as_double();
    if (d >= min && d <= max) return d;
  }
  return fail(wrong(key, "must be a number in range").got(n.IsScalar() ? n.Scalar() : "(not a scalar)"));
}

Result<std::vector<std::string>> MapReader::texts(const std::string& key) {
  YAML::Node n = node(key);
  std::vector<std::string> out;
  if (!n.IsDefined()) return out;
  if (n.IsScalar()) return std::vector<std::string>{n.Scalar()};
  if (!n.IsSequence()) return fail(wrong(key, "must be a list of texts"));
  for (const auto& item : n) {
    if (!item.IsScalar()) return fail(wrong(key, "must be a list of texts"));
    out.push_back(item.Scalar());
  }
  return out;
}

Result<Value> MapReader::value(const std::string& key) {
  YAML::Node n = node(key);
  return n.IsDefined() ? to_value(n, file_) : Result<Value>(Value());
}

Result<Value> MapReader::rest() {
  contract::Object out;
  for (const auto& member : node_) {
    const std::string& key = member.first.Scalar();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    CONSORT_ASSIGN(Value v, to_value(member.second, file_));
    out.set(key, std::move(v));
    known_.push_back(key);
  }
  return Value(std::move(out));
}

Result<void> MapReader::finish() const {
  for (const auto& member : node_) {
    const std::string& key = member.first.Scalar();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    return fail(make_error(ErrorCode::invalid_argument, 6003, what_ + " has an unknown key '" + key + "'")
                    .got(key)
                    .at(location_of(member.first, file_).to_string())
                    .to_fix(did_you_mean(key, known_)));
  }
  return {};
}

}  // namespace consort::agent
