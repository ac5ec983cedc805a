#include "eval/measure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "eval/metrics.h"
#include "eval/text_scores.h"

namespace consort::eval {
namespace {

using contract::Value;

constexpr std::array<std::string_view, 9> kNames = {"exact",   "covers", "fields", "token_f1", "rouge_l",
                                                    "chrf", "choice", "brier",  "sql"};

tl::unexpected<Error> unusable(Measure measure, const GoldenSet& set, const GoldenRow& row,
                               const std::string& what, std::string_view got) {
  return fail(make_error(ErrorCode::invalid_argument, 8202,
                         "measure '" + std::string(name(measure)) + "' cannot be used: " + what)
                  .at(set.place(row))
                  .got(got)
                  .to_fix("correct the row, or name another measure (docs/formats/gate.md)"));
}

// The query of a value: its member "sql", or all its text.
std::string query_of(const Value& value) {
  const Value* sql = value.find("sql");
  return sql != nullptr && sql->is_string() ? sql->as_string() : text_of(value);
}

Result<Value> expected_rows(const GoldenSet& set, const GoldenRow& row, const SqlRows& sql) {
  if (const Value* rows = row.expected.find("rows")) return *rows;
  if (row.expected.is_array()) return row.expected;
  auto rows = sql(row.table, query_of(row.expected));
  if (!rows) return unusable(Measure::sql, set, row, rows.error().message, query_of(row.expected));
  return rows;
}

double number(const Value& v) { return v.is_number() ? v.as_number().as_double() : 0; }

// The options and what each was given: those of a choice or a score, or true and false.
std::map<std::string, double> probabilities_of(const Value& answer) {
  std::map<std::string, double> out;
  if (const Value* yes = answer.find("noul")) {
    out = {{"true", number(*yes)}, {"false", 1 - number(*yes)}};
  } else if (const Value* p = answer.find("probabilities"); p != nullptr && p->is_object()) {
    for (const auto& [option, share] : p->as_object()) out[option] = number(share);
  }
  return out;
}

std::string option_of(const Value& expected) {
  return expected.is_string() ? expected.as_string() : contract::to_json(expected);
}

}  // namespace

std::string_view name(Measure measure) { return kNames[static_cast<size_t>(measure)]; }

std::optional<Measure> measure_of(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Measure>(at - kNames.begin());
}

const std::vector<std::string>& measure_names() {
  static const std::vector<std::string> names(kNames.begin(), kNames.end());
  return names;
}

bool is_graded(Measure m) {
  return m != Measure::exact && m != Measure::covers && m != Measure::choice && m != Measure::sql;
}

Result<void> check_row(Measure measure, const GoldenSet& set, const GoldenRow& row) {
  if (measure == Measure::sql && row.table.is_null())
    return unusable(measure, set, row, "the row has no 'table'", contract::to_json(row.input));
  if (measure == Measure::choice || measure == Measure::brier) {
    const auto* questions = row.expected.get_object();
    if (questions == nullptr || questions->empty())
      return unusable(measure, set, row, "'expected' is not {question: option, ...}",
                      contract::to_json(row.expected));
    for (const auto& [question, option] : *questions) {
      if (option.is_string() || option.is_bool() || (option.is_number() && option.as_number().is_integer()))
        continue;
      return unusable(measure, set, row, "an option is a name, true or false, or a level",
                      contract::to_json(option));
    }
  }
  return {};
}

std::vector<Judgement> judgements(const Value& expected, const Value& answer) {
  std::vector<Judgement> out;
  if (!expected.is_object()) return out;
  for (const auto& [question, option] : expected.as_object()) {
    Judgement judged{0, false, 1};
    const Value* given = answer.find(question);
    const auto shares = given != nullptr ? probabilities_of(*given) : std::map<std::string, double>();
    const std::string right = option_of(option);
    double distance = shares.contains(right) ? 0 : 1;
    for (const auto& [key, share] : shares) {
      const double truth = key == right ? 1 : 0;
      distance += (share - truth) * (share - truth);
      if (share <= judged.probability) continue;
      judged.probability = share;
      judged.right = key == right;
    }
    if (!shares.empty()) judged.brier = std::min(1.0, distance / 2);
    out.push_back(judged);
  }
  return out;
}

Result<double> score(Measure measure, const GoldenSet& set, const GoldenRow& row, const Value& answer,
                     const MeasureOptions& options) {
  const Value& expected = row.expected;
  switch (measure) {
    case Measure::exact:
      return exact_match(expected, answer) ? 1 : 0;
    case Measure::covers:
      return covers(expected, answer, options.tolerance) ? 1 : 0;
    case Measure::fields:
      return field_share(expected, answer, options.tolerance);
    case Measure::token_f1:
      return token_f1(text_of(expected), text_of(answer));
    case Measure::rouge_l:
      return rouge_l(text_of(expected), text_of(answer));
    case Measure::chrf:
      return chrf(text_of(expected), text_of(answer));
    case Measure::choice:
    case Measure::brier: {
      double right = 1, brier = 0;
      const auto all = judgements(expected, answer);
      for (const Judgement& j : all) {
        if (!j.right) right = 0;
        brier += j.brier;
      }
      return measure == Measure::choice ? right : 1 - brier / static_cast<double>(std::max<size_t>(1, all.size()));
    }
    case Measure::sql: {
      if (!options.sql) return unusable(measure, set, row, "nothing can run a query here", "");
      CONSORT_ASSIGN(const Value wanted, expected_rows(set, row, options.sql));
      const auto found = options.sql(row.table, query_of(answer));
      if (!found && found.error().code == ErrorCode::cancelled) return fail(found.error());
      return found && same_rows(wanted, *found) ? 1 : 0;
    }
  }
  return 0;
}

namespace {

// Clusters as numbers from 0; rows without one are alone.
struct Clusters {
  std::vector<size_t> of;
  bool shared = false;  // Two rows at least are of one cluster.
};

Clusters clusters_of(const std::vector<std::string>& names) {
  Clusters out;
  std::map<std::string, size_t> ids;
  size_t next = 0;
  for (const std::string& name : names) {
    if (name.empty()) {
      out.of.push_back(next++);
      continue;
    }
    const auto [found, added] = ids.try_emplace(name, next);
    next += added ? 1 : 0;
    out.shared = out.shared || !added;
    out.of.push_back(found->second);
  }
  return out;
}

}  // namespace

Mean mean_of(const std::vector<double>& scores, const std::vector<std::string>& cluster, bool graded) {
  Mean out{0, {0, 1}, static_cast<int64_t>(scores.size())};
  if (scores.empty()) return out;
  for (const double score : scores) out.value += score / static_cast<double>(scores.size());
  const Clusters clusters = clusters_of(cluster);
  if (!graded && !clusters.shared) {
    Rate rate;
    for (const double s : scores) rate.count(s > 0.5);
    out.interval = {rate.low(), rate.high()};
    return out;
  }
  const Interval drawn = cluster_bootstrap(scores, clusters.of, {.alpha = 0.05}).interval;
  out.interval = {std::max(0.0, drawn.low), std::min(1.0, drawn.high)};
  return out;
}

Contrast contrast_of(const std::vector<double>& other, const std::vector<double>& scores,
                     const std::vector<std::string>& cluster, bool graded) {
  Contrast out;
  if (scores.empty()) return out;
  std::vector<double> differences;
  for (size_t i = 0; i < scores.size(); ++i) {
    differences.push_back(scores[i] - other[i]);
    out.difference += differences.back() / static_cast<double>(scores.size());
    out.gains += differences.back() > 0 ? 1 : 0;
    out.losses += differences.back() < 0 ? 1 : 0;
  }
  const Clusters clusters = clusters_of(cluster);
  if (!graded && !clusters.shared) {
    const PairedCounts counts = count_pairs(other, scores);
    out.interval = tango_interval(counts, 0.05);
    out.p = mcnemar_exact(counts);
    return out;
  }
  out.interval = cluster_bootstrap(differences, clusters.of, {.alpha = 0.05}).interval;
  return out;
}

}  // namespace consort::eval
