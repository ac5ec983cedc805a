#include "tool/report/claim_match.h"

#include <fmt/format.h>

#include <algorithm>

#include "tool/report/words.h"

namespace consort::tool {
namespace {

Rational minus(const Rational& a, const Rational& b) { return a.minus(b).value_or(Rational()); }

// |said| equals |found| to the digits shown, with room where the words say that it is approximate.
bool close(const Numeral& said, const Rational& found) {
  const Rational a = said.value.magnitude(), b = found.magnitude();
  const Rational gap = minus(a, b).magnitude();
  if (said.approximation == Approximation::about && !said.from_word) {
    // "about 8,200": the zeros at the end are not meant.
    Rational step = said.half_step;
    const size_t last = said.printed.find_last_of("0123456789");
    const bool whole = said.printed.find('.') == std::string::npos;
    for (size_t i = last; whole && i != std::string::npos && i > 0 && (said.printed[i] == '0' || said.printed[i] == ','); --i)
      if (said.printed[i] == '0') step = *step.times(Rational(10));
    if (!(step < gap) && step < a) return true;
  }
  if (!(said.half_step < gap)) return true;
  const Rational five_percent = *b.over(Rational(20));
  if (said.approximation == Approximation::above) return !(b < a) && !(five_percent < gap);
  if (said.approximation == Approximation::below) return !(a < b) && !(five_percent < gap);
  return false;
}

bool unit_agrees(const Numeral& said, const Printed& p) {
  switch (said.unit) {
    case NumeralUnit::percent:
      return p.unit == NumeralUnit::percent || (p.unit_open && p.percent_open && p.scale == 0);
    case NumeralUnit::points:
      return p.unit == NumeralUnit::percent || p.unit == NumeralUnit::points || (p.unit_open && p.percent_open && p.scale == 0);
    case NumeralUnit::times:
      return p.unit == NumeralUnit::times || (p.unit == NumeralUnit::plain && p.scale == 0);
    case NumeralUnit::currency:
      return p.unit == NumeralUnit::currency || p.unit_open;
    case NumeralUnit::plain:
      return p.unit == NumeralUnit::plain || p.unit_open;
  }
  return false;
}

bool same_kind(const Printed& a, const Printed& b) {
  const auto kind = [](const Printed& p) { return p.unit == NumeralUnit::currency ? NumeralUnit::plain : p.unit; };
  return kind(a) == kind(b);
}

const Evidence& evidence_of(const Printed& p, const std::vector<Evidence>& all) { return all[p.citation]; }

bool period_fits(const NumeralContext& context, const Printed& p, const std::vector<Evidence>& all) {
  const Evidence& e = evidence_of(p, all);
  if (context.by_company.size() > 1) {
    const auto found = context.by_company.find(lower_ascii(e.document.company));
    if (found != context.by_company.end()) return period_agrees(found->second, p, e);
  }
  if (!context.period || period_agrees(*context.period, p, e)) return true;
  return std::any_of(context.also.begin(), context.also.end(), [&](const Period& other) { return period_agrees(other, p, e); });
}

bool prints_year(const Evidence& e, int year) { return e.page.find(std::to_string(year)) != std::string::npos; }

// Does the row itself show that the figure is of another period than the one said? Its column is headed by another
// one, and either a neighbouring column is that of the period said, or the page nowhere names its year, or one is a
// year and the other a part of one. Without such a sign a header that was misread would condemn a true claim; so
// would a column without a header, where only a year that the page does not print is wrong.
bool contradicts_period(const NumeralContext& context, const Printed& p, const std::vector<const Printed*>& figures, const std::vector<Evidence>& all) {
  const Evidence& e = evidence_of(p, all);
  if (p.group == kLabelGroup) return false;  // "4.2% notes due April 17, 2028": a name has no period.
  if (!e.is_row || p.group >= kProseGroup) return !(p.other_period.year != 0 && context.period && context.period->year == p.other_period.year);
  if (p.period.year == 0) {
    if (!context.period || context.period->year == 0 || prints_year(e, context.period->year)) return false;
    // A table that began on another page: its columns are the document's period and the one before.
    const int last = e.years.empty() && e.document.period_end.size() >= 4 ? std::atoi(e.document.period_end.substr(0, 4).c_str()) : 0;
    return last == 0 || context.period->year > last || context.period->year < last - 1;
  }
  const auto own = context.by_company.find(lower_ascii(e.document.company));
  const std::optional<Period> said = context.by_company.size() > 1 && own != context.by_company.end() ? std::optional<Period>(own->second) : context.period;
  if (!said) return false;
  const auto part = [](Span s) { return s == Span::quarter || s == Span::half || s == Span::nine_months || s == Span::weeks; };
  if ((part(said->span) && p.period.span == Span::year) || (said->span == Span::year && part(p.period.span))) return true;
  // Two full dates that differ are two dates; a label's own date is no header that may have been misread.
  if (said->month != 0 && said->day != 0 && p.period.month != 0 && p.period.year != 0) return true;
  // So is a row that a year names ("2024  593"): its label is no header that may have been misread.
  for (const PeriodMention& m : find_mentions(e.label).periods)
    if (m.period.year == p.period.year) return true;
  for (const Printed* q : figures)
    if (q->citation == p.citation && q->group == p.group && q->column != p.column && q->period.year != 0 && !(q->period == p.period) && period_fits(context, *q, all))
      return true;
  return said->year != 0 && !prints_year(e, said->year);
}

// Of a computed figure.
bool in_time(const NumeralContext& context, const Printed& p, const std::vector<const Printed*>& figures, const std::vector<Evidence>& all) {
  return period_fits(context, p, all) || (p.group < kProseGroup && !contradicts_period(context, p, figures, all));
}

// Is `a` the period before `b` in one row, or in two records of one series?
bool precedes(const Printed& a, const Printed& b) {
  const bool one_series = a.citation != b.citation && !a.series.empty() && a.series == b.series && a.column == b.column;
  if (!one_series && (a.citation != b.citation || a.group != b.group || a.column == b.column)) return false;
  if (a.period.year != 0 && b.period.year != 0) {
    if (a.period.span != b.period.span && a.period.span != Span::unknown && b.period.span != Span::unknown) return false;
    if (a.period.count != b.period.count) return false;
    const bool within = a.period.span == Span::instant && b.period.span == Span::instant && a.period.year == b.period.year && a.period.month < b.period.month;
    return within || a.period.year == b.period.year - 1;
  }
  return std::abs(a.column - b.column) <= 2;
}

// Two periods of a row further apart, both named: "grew 9.1 % from fiscal 2021 to fiscal 2023".
bool spans_named_years(const NumeralContext& context, const Printed& a, const Printed& b) {
  return a.citation == b.citation && a.group == b.group && a.column != b.column && a.period.year != 0 && a.period.year < b.period.year &&
         a.period.span == b.period.span && a.period.count == b.period.count && context.years.count(a.period.year) > 0 && context.years.count(b.period.year) > 0;
}

struct Best {
  Match match;
  void offer(MatchKind kind, std::string how, std::vector<const Printed*> figures) {
    if (static_cast<int>(kind) > static_cast<int>(match.kind)) match = {kind, std::move(how), std::move(figures)};
  }
};

int sign_of_order(const NumeralContext& context, const Evidence& a, const Evidence& b) {
  const auto at = [&](const Evidence& e) {
    const auto found = std::find(context.company_order.begin(), context.company_order.end(), lower_ascii(e.document.company));
    return found - context.company_order.begin();
  };
  return at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : 0;
}

// A row of what was paid out, which statements print in brackets: "Repurchases of common stock (3,143) (7,055)". It fell
// when less was paid. Results and balances that can be negative are no such rows.
bool is_outflow(const Printed& a, const Printed& b, const std::vector<Evidence>& all) {
  if (a.value.sign() >= 0 || b.value.sign() >= 0) return false;
  const std::string label = lower_ascii(evidence_of(a, all).label);
  // Cash used, a charge for taxes: more of it is a larger amount in brackets.
  if ((label.find("used") != std::string::npos && label.find("provided") == std::string::npos) || label.find("provision for") != std::string::npos) return true;
  // A row of losses alone: they grew when the amount in brackets did.
  const auto says = [&](std::string_view word) { return label.find(word) != std::string::npos; };
  if (says("loss") && !says("(loss") && !says("income") && !says("profit") && !says("earnings") && !says("/loss")) return true;
  for (const std::string_view word : {"income", "loss", "earnings", "profit", "result", "net cash", "change", "deficit", "effect", "decrease", "increase", "margin"})
    if (label.find(word) != std::string::npos) return false;
  return !label.empty();
}

constexpr int kProseNeighbours = 2;

// The row of `p` moved up (+1) or down (-1) into its period, from the one before or from an earlier one that the claim
// names; 0 when it cannot be told.
int movement(const NumeralContext& context, const Printed& p, const std::vector<const Printed*>& figures, const std::vector<Evidence>& all) {
  int moved = 0;
  for (const Printed* q : figures) {
    // Of a sentence only neighbours compare: "$13.14 a share in 2021 ... from $0.79 to $0.90 in 2022".
    if (p.group >= kProseGroup && std::abs(q->column - p.column) > kProseNeighbours) continue;
    if (q->citation != p.citation || q->group != p.group || q->scale != p.scale || q->unit != p.unit || q->period.year == 0) continue;
    const bool named = spans_named_years(context, *q, p);
    if (!named && (moved != 0 || !precedes(*q, p))) continue;
    moved = is_outflow(*q, p, all) ? q->value.compare(p.value) : p.value.compare(q->value);
    if (named) break;
  }
  return moved;
}

void match_printed(const Numeral& said, const NumeralContext& context, const std::vector<Evidence>& evidence,
                   const std::vector<const Printed*>& figures, Best* best) {
  for (const Printed* p : figures) {
    // "373,000 shares", "17 years": counts are often outside what the table's note scales.
    const bool unscaled = (said.unit == NumeralUnit::plain || said.unit == NumeralUnit::times) && said.scale == 0 && p->unit_open && p->scale > 0 &&
                          p->value.over(*Rational(10).power(p->scale)).value_or(Rational()).magnitude() == said.value.magnitude();
    if (!close(said, p->value) && !unscaled) continue;
    const std::string how = fmt::format("printed as {}", p->printed);
    if (!unit_agrees(said, *p) && !unscaled) {
      best->offer(MatchKind::unit, how, {p});
      continue;
    }
    if (!period_fits(context, *p, evidence) && contradicts_period(context, *p, figures, evidence)) {
      best->offer(MatchKind::period, how, {p});
      continue;
    }
    MatchKind kind = MatchKind::ok;
    const bool is_change = context.by_amount || ((said.unit == NumeralUnit::percent || said.unit == NumeralUnit::points) && !context.level);
    if (is_change && context.direction != 0) {
      const std::string of = lower_ascii(evidence_of(*p, evidence).label);
      const bool both = of.find("increase (decrease)") != std::string::npos || of.find("increase/(decrease)") != std::string::npos;
      const int printed = p->value.sign() < 0 ? -1 : both && p->group < kProseGroup ? 1 : p->direction;
      if (printed != 0 && printed != context.direction) kind = MatchKind::sign;
    } else if (!is_change) {
      const int moved = movement(context, *p, figures, evidence);
      if (context.direction != 0 && context.change_cue && moved != 0 && moved != context.direction) kind = MatchKind::sign;
      if (context.direction != 0 && context.change_cue && moved == 0 && p->direction != 0 && p->direction != context.direction) kind = MatchKind::sign;
      const std::string label = lower_ascii(evidence_of(*p, evidence).label);
      const bool either = label.find("(loss)") != std::string::npos || label.find("/loss") != std::string::npos || label.find("(losses)") != std::string::npos;
      const bool income = label.find("income") != std::string::npos || label.find("profit") != std::string::npos || label.find("earnings") != std::string::npos;
      if (context.profit < 0 && p->value.sign() > 0 && (either || (income && label.find("loss") == std::string::npos))) kind = MatchKind::sign;
      // "Net income attributable to noncontrolling interests (72)" is taken off and no loss.
      const bool deducted = income && label.find("loss") == std::string::npos;
      if (context.profit > 0 && p->value.sign() < 0 && said.value.sign() > 0 && !deducted) kind = MatchKind::sign;
    }
    best->offer(kind, how, {p});
  }
}

void match_pair(const Numeral& said, const NumeralContext& context, const std::vector<Evidence>& evidence, const Printed& a, const Printed& b,
                const std::vector<const Printed*>& figures, Best* best) {
  if (a.citation == b.citation && a.group == b.group && a.column == b.column) return;
  const bool plain = a.unit != NumeralUnit::percent && a.unit != NumeralUnit::points && b.unit != NumeralUnit::percent && b.unit != NumeralUnit::points;
  const std::string names = fmt::format("{} and {}", a.printed, b.printed);
  const bool one_row = a.citation == b.citation && a.group == b.group;
  auto timely = [&](const Printed& p) { return in_time(context, p, figures, evidence); };
  // A change has the period that it ended in, which is one of those that the claim names.
  auto named = [&](const Printed& later) {
    return timely(later) || (context.periods.size() > 1 && std::any_of(context.periods.begin(), context.periods.end(), [&](const Period& said) {
      return period_agrees(said, later, evidence_of(later, evidence));
    }));
  };
  auto judge = [&](const std::string& how, const Rational& value, bool fits, bool sign_ok) {
    if (!close(said, value)) return;
    best->offer(!fits ? MatchKind::period : !sign_ok ? MatchKind::sign : MatchKind::ok, how + " of " + names, {&a, &b});
  };
  const Evidence& ea = evidence_of(a, evidence);
  const Evidence& eb = evidence_of(b, evidence);
  if (said.unit == NumeralUnit::percent && plain && a.scale == b.scale && !a.value.is_zero()) {
    if (context.change_cue) {
      // b is the later one.
      const bool known = a.period.year != 0 && b.period.year != 0;
      const bool order = known ? precedes(a, b) || spans_named_years(context, a, b) : one_row && precedes(a, b);
      if (order) {
        const bool outflow = is_outflow(a, b, evidence);
        const Rational moved = outflow ? minus(a.value, b.value) : minus(b.value, a.value);
        const Rational change = moved.times(Rational(100)).value_or(Rational()).over(a.value.magnitude()).value_or(Rational());
        judge("change", change, named(b), context.direction == 0 || change.sign() == 0 || change.sign() == context.direction || !known);
      }
    }
  }
  // "17.5% higher from August 1 to 28 than from May 9 to June 5": one column of two rows, each with its own dates.
  if (said.unit == NumeralUnit::percent && plain && context.direction != 0 && a.citation != b.citation && a.column == b.column && a.scale == b.scale &&
      ea.is_row && eb.is_row && ea.document.name == eb.document.name && !a.value.is_zero()) {
    const Rational change = minus(b.value, a.value).times(Rational(100)).value_or(Rational()).over(a.value.magnitude()).value_or(Rational());
    judge("change", change, timely(a) || timely(b), change.sign() == context.direction);
  }
  if (said.unit == NumeralUnit::percent && plain && (!context.change_cue || context.level) && !b.value.is_zero()) {
    const Rational share = a.value.times(Rational(100)).value_or(Rational()).over(b.value).value_or(Rational());
    // Part and whole of one row, which has a column for each year to come and one for all: "76 % mature in 2023".
    const bool of_row = one_row && timely(a) && a.column < b.column && a.period.year > b.period.year && b.period.year != 0;
    const bool fits = of_row || timely(a) && timely(b) &&
                         (a.period.year == 0 || b.period.year == 0 || a.period.year == b.period.year || ea.document.name != eb.document.name);
    judge("share", share, fits, share.sign() >= 0);
  }
  if (said.unit == NumeralUnit::times && plain && !b.value.is_zero()) {
    const Rational ratio = a.value.over(b.value).value_or(Rational());
    const bool over_time = one_row && precedes(b, a) && (timely(a) || timely(b));
    judge("ratio", ratio, over_time || (timely(a) && timely(b)), sign_of_order(context, ea, eb) >= 0);
  }
  const bool like = same_kind(a, b) && (unit_agrees(said, a) || (said.unit == NumeralUnit::points && a.unit == NumeralUnit::percent));
  // A term below the digits shown would make any figure a difference of itself.
  const bool weighty = said.half_step < b.value.magnitude() && said.half_step < a.value.magnitude() && (!one_row || a.scale == b.scale);
  // "fell 20 basis points" needs no "by".
  const bool differs = context.difference_cue || (said.unit == NumeralUnit::points && context.change_cue);
  if (differs && like && weighty && said.unit != NumeralUnit::percent && said.unit != NumeralUnit::times) {
    const Rational difference = one_row && is_outflow(a, b, evidence) ? minus(b.value, a.value) : minus(a.value, b.value);
    if (one_row) {
      const bool order = precedes(b, a) || spans_named_years(context, b, a);
      if (order) judge("difference", difference, named(a), context.direction == 0 || difference.sign() == context.direction);
    } else {
      const int order = sign_of_order(context, ea, eb);
      const bool sign_ok = context.direction == 0 || order == 0 || difference.sign() * order == context.direction;
      judge("difference", difference, timely(a) && timely(b), sign_ok);
      // What came in against what went out, which is printed in brackets.
      if (b.value.sign() < 0 && a.value.sign() > 0) judge("difference", a.value.plus(b.value).value_or(Rational()), timely(a) && timely(b), true);
    }
  }
  if (context.sum_cue && like && weighty) {
    const Rational sum = a.value.plus(b.value).value_or(Rational());
    judge("sum", sum, timely(a) && timely(b), true);
  }
}

// The mean, or the sum, of a row's figures from one on: two neighbouring periods, or all of them.
void match_row_total(const Numeral& said, const NumeralContext& context, const std::vector<const Printed*>& figures, Best* best) {
  for (const Printed* first : figures) {
    Rational sum = first->value;
    std::vector<const Printed*> used = {first};
    for (const Printed* p : figures) {
      if (p->citation != first->citation || p->group != first->group || p->column <= first->column || p->scale != first->scale || p->unit != first->unit) continue;
      sum = sum.plus(p->value).value_or(Rational());
      used.push_back(p);
      const Rational mean = sum.over(Rational(static_cast<int64_t>(used.size()))).value_or(Rational());
      if (!unit_agrees(said, *first)) continue;
      if (context.average_cue && close(said, mean)) best->offer(MatchKind::ok, fmt::format("mean of {} figures", used.size()), used);
      if (context.sum_cue && used.size() > 2 && close(said, sum)) best->offer(MatchKind::ok, fmt::format("sum of {} figures", used.size()), used);
    }
  }
}

// The same digits in another scale or unit: "million" for "billion", dollars for percent.
bool same_digits(const Numeral& said, const Printed& p) {
  for (int shift = -12; shift <= 12; shift += 3) {
    const Rational factor = *Rational(10).power(shift);
    Numeral moved = said;
    moved.value = *said.value.times(factor);
    moved.half_step = *said.half_step.times(factor);
    if (close(moved, p.value)) return true;
  }
  return false;
}

}  // namespace

bool period_agrees(const Period& said, const Printed& p, const Evidence& evidence) {
  const Period& c = p.period;
  if (said.count != 0 && c.count != 0 && said.span == c.span && said.count != c.count) return false;
  const bool said_part = said.span == Span::quarter || said.span == Span::half || said.span == Span::nine_months || said.span == Span::weeks;
  const bool cell_part = c.span == Span::quarter || c.span == Span::half || c.span == Span::nine_months || c.span == Span::weeks;
  if (said_part && c.span == Span::year) return false;
  if (said_part && cell_part && said.span != c.span &&
      !((said.span == Span::weeks || c.span == Span::weeks) && (said.count == 0 || c.count == 0 || said.span == c.span)))
    return false;
  if (said.span == Span::year && said.fiscal && cell_part) return false;
  // "Q1 fiscal 2024" is the quarter that ended on the date that the caption, or the document, gives.
  if (said.month != 0 && said.day != 0 && said.year != 0 && (c.year == 0 || (c.fiscal && c.month == 0 && c.year == said.year + 1))) {
    if (evidence.document.period_end == fmt::format("{:04}-{:02}-{:02}", said.year, said.month, said.day)) return true;
    if (c.year != 0)
      for (const PeriodMention& m : find_mentions(evidence.context).periods)
        if (m.period.year == said.year && m.period.month == said.month && m.period.day == said.day) return true;
  }
  // ... and of no other date: a label without a month cannot confirm one.
  if (c.fiscal && cell_part && c.month == 0 && said.month != 0 && said.day != 0) return false;
  if (said.month != 0 && c.month != 0 && said.month != c.month) return false;
  if (said.day != 0 && c.day != 0 && said.day != c.day) return false;
  if (said.year == 0) return true;
  if (c.year != 0) {
    // A quarter of fiscal 2024 may be headed 2023 where the year ends in winter, and the text says so.
    if (said.year == c.year) return true;
    return said.fiscal && cell_part && said.year == c.year + 1 &&
           std::find(evidence.years.begin(), evidence.years.end(), said.year) != evidence.years.end();
  }
  if (!evidence.years.empty()) return std::find(evidence.years.begin(), evidence.years.end(), said.year) != evidence.years.end();
  // Nothing near says when: the document's own year is meant, or what its page mentions when that is unknown.
  if (evidence.document.period_end.size() >= 4) {
    const int year = std::atoi(evidence.document.period_end.substr(0, 4).c_str());
    return said.year == year;
  }
  return evidence.page.find(std::to_string(said.year)) != std::string::npos;
}

Match match_numeral(const Numeral& said, const NumeralContext& context, const std::vector<Evidence>& evidence) {
  std::vector<const Printed*> figures;
  for (const Evidence& e : evidence)
    for (const Printed& p : e.figures) figures.push_back(&p);
  Best best;
  match_printed(said, context, evidence, figures, &best);
  if (best.match.kind == MatchKind::ok) return best.match;
  if (context.average_cue || context.sum_cue) match_row_total(said, context, figures, &best);
  if (best.match.kind == MatchKind::ok) return best.match;
  if (figures.size() <= 400) {
    for (const Printed* a : figures) {
      for (const Printed* b : figures) {
        if (a != b) match_pair(said, context, evidence, *a, *b, figures, &best);
        if (best.match.kind == MatchKind::ok) return best.match;
      }
    }
  }
  if (static_cast<int>(best.match.kind) < static_cast<int>(MatchKind::unit)) {
    for (const Printed* p : figures)
      if (same_digits(said, *p)) best.offer(MatchKind::unit, fmt::format("printed as {} in another unit or scale", p->printed), {p});
    // A percentage that was computed, called dollars.
    if (best.match.kind == MatchKind::none && said.unit != NumeralUnit::percent) {
      Numeral percent = said;
      percent.unit = NumeralUnit::percent;
      const Rational factor = *Rational(10).power(-said.scale);
      percent.value = *said.value.times(factor);
      percent.half_step = *said.half_step.times(factor);
      for (const bool change : {false, true}) {
        NumeralContext as_percent = context;
        as_percent.change_cue = change;
        Best other;
        for (const Printed* a : figures)
          for (const Printed* b : figures)
            if (a != b) match_pair(percent, as_percent, evidence, *a, *b, figures, &other);
        if (other.match.kind == MatchKind::ok) best.offer(MatchKind::unit, other.match.how + ", a percentage", other.match.figures);
      }
    }
  }
  if (best.match.kind == MatchKind::none) best.match.kind = MatchKind::number;
  return best.match;
}

}  // namespace consort::tool
