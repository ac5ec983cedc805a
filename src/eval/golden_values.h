// tests/golden/gate/gate.json: what tools/golden/make_gate.py computed with other programs.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "contract/json.h"

namespace consort::eval {

inline contract::Value golden_values(std::string_view member) {
  std::ifstream file(std::string(CONSORT_SOURCE_DIR) + "/tests/golden/gate/gate.json");
  std::stringstream text;
  text << file.rdbuf();
  auto all = contract::parse_json(text.str());
  EXPECT_TRUE(all) << "tests/golden/gate/gate.json is not there";
  return all && all->find(member) != nullptr ? *all->find(member)
                                             : contract::Value(contract::Array());
}
inline double number(const contract::Value& v, std::string_view key) {
  return v.find(key)->as_number().as_double();
}

}  // namespace consort::eval
