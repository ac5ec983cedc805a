// Metrics: pure functions from ranks and counts to figures. Nothing here knows a model, a file, or
// an agent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "contract/json.h"

namespace consort::eval {

// A place in a document; no page: the whole document, or one without pages.
struct Place {
  std::string doc;
  std::optional<int> page;
  auto operator<=>(const Place&) const = default;
};

// What a question needs. Each entry of `needed` is a set of places of which any one will do; `also`
// are places in other documents, of which one makes up for one entry that was not found.
struct Needed {
  std::vector<std::vector<Place>> needed;
  std::vector<Place> also;
};
// True if the first k of `ranked` hold all that is needed. With nothing needed: false.
bool hit_at(const Needed& gold, std::span<const Place> ranked, size_t k);

// Discounted gain at k with linear gains and log2(rank + 1), over that of `ideal` sorted. 0 if
// `ideal` has no gain. (Jaervelin and Kekaelaeinen 2002.)
double ndcg_at(std::span<const double> gains, std::vector<double> ideal, size_t k);

// Share with its 95 % interval (Wilson 1927). total = 0: no value.
struct Rate {
  int64_t hits = 0;
  int64_t total = 0;
  void count(bool hit) {
    hits += hit ? 1 : 0;
    ++total;
  }
  std::optional<double> value() const;
  double low() const;
  double high() const;
  contract::Value to_value()
      const;  // {"value","hits","total","low","high"}; value null if total is 0.
};

// Smallest, median, 95th percentile (nearest rank), largest, mean, count.
struct Spread {
  std::vector<double> values;
  void add(double v) { values.push_back(v); }
  double percentile(double p) const;  // p in (0, 1]; 0 if there are no values.
  contract::Value to_value() const;
};

}  // namespace consort::eval
