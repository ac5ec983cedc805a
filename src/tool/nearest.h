// "Did you mean": the closest known name to a mistyped one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace consort::tool {

// Levenshtein distance in bytes; both at most 256 bytes matter.
inline int edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 256), b = b.substr(0, 256);
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// A fix sentence: "did you mean 'x'?" within a third of the length, else the list of what is known.
inline std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  int best_distance = static_cast<int>(std::max<size_t>(name.size() / 3, 2)) + 1;
  for (const std::string& candidate : known)
    if (const int d = edit_distance(name, candidate); d < best_distance) best = &candidate, best_distance = d;
  if (best != nullptr) return "did you mean '" + *best + "'?";
  std::string list;
  for (const std::string& candidate : known) list += (list.empty() ? "" : ", ") + candidate;
  return known.empty() ? "nothing is known here" : "use one of: " + list;
}

}  // namespace consort::tool
