#include "tool/report/check_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tool/report/claim_match.h"
#include "tool/report/words.h"

namespace consort::tool {
namespace {

// Of a claim without figures: less than this share of its words in the passage is no support.
constexpr double kOverlapWordsMin = 0.55;
// Of a claim with figures: less than this share of its words on the page means another subject.
constexpr double kOverlapFiguresMin = 0.25;
// Of so few words ("other rose by") a share says nothing.
constexpr size_t kFewWords = 2;

struct Work {
  const CheckedClaim& claim;
  std::vector<Evidence> evidence;
  Mentions mentions;
  std::vector<Directed> directions;
  std::vector<std::pair<size_t, std::string>> companies;  // Where each is named, in order.
  ClaimCheck out;

  void issue(const char* kind, std::string message, std::string fix) {
    out.issues.push_back({claim.id, kind, std::move(message), std::move(fix)});
  }
};

void check_quotes(Work* w) {
  if (w->claim.cites.empty()) w->issue("support", "the claim cites nothing", "cite the passage that says so, or drop the claim");
  for (size_t i = 0; i < w->evidence.size(); ++i) {
    const Evidence& e = w->evidence[i];
    const Citation& c = w->claim.cites[i];
    ++w->out.n_quotes;
    const std::string where = fmt::format("{}{}", c.doc, c.page ? fmt::format(" page {}", *c.page) : "");
    if (!e.page_found)
      w->issue("support", fmt::format("{} cannot be read: {}", where, e.problem), "cite a page of a document in the memory");
    else if (!e.quote_found)
      w->issue("support", fmt::format("the quote '{}' is not on {}", cut_utf8(c.quote, 120), where), "quote the page word for word");
  }
}

void find_companies(Work* w, const std::vector<std::string>& names) {
  const std::string& text = w->claim.text;
  for (const std::string& name : names)
    for (size_t at = find_name(text, name); at != std::string::npos; at = find_name(text, name, at + name.size())) w->companies.emplace_back(at, name);
  std::sort(w->companies.begin(), w->companies.end());
}

void check_names(Work* w) {
  std::set<std::string> seen;
  for (const auto& [at, name] : w->companies) {
    if (!seen.insert(lower_ascii(name)).second) continue;
    ++w->out.n_names;
    bool backed = false, readable = false;
    for (const Evidence& e : w->evidence) {
      if (!e.page_found) continue;
      readable = true;
      backed = backed || lower_ascii(e.document.company) == lower_ascii(name) || mentions_name(e.context, name) ||
               (e.document.company.empty() && mentions_name(e.page + " " + e.document.title, name));
    }
    if (!backed && readable)
      w->issue("name", fmt::format("'{}' is not the company of the cited document, and the passage does not name it", name),
               "name the company whose document is cited, or cite a document of that company");
  }
  std::string all;
  for (const Evidence& e : w->evidence) all += " " + e.page + " " + e.document.title + " " + e.document.company;
  if (all.empty()) return;
  const std::string lowered = lower_ascii(all);
  for (const std::string& word : capitalised_words(w->claim.text)) {
    const std::string plain = lower_ascii(word);
    const bool company = std::any_of(w->companies.begin(), w->companies.end(), [&](const auto& c) { return mentions_name(c.second, plain); });
    if (company || plain == "us" || plain == "usd") continue;
    ++w->out.n_names;
    // "American" is named by "America", "Foods" by "food".
    const std::string stem = plain.substr(0, std::max<size_t>(4, plain.size() - std::min<size_t>(plain.size(), plain.size() > 5 ? 2 : 1)));
    if (lowered.find(stem) == std::string::npos)
      w->issue("name", fmt::format("'{}' does not occur on the cited page", word), "use the name that the document uses");
  }
}

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return text.starts_with(word); });
}

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return text.ends_with(word); });
}

constexpr std::string_view kEarlierPhrases[] = {"the year before", "a year before", "a year earlier", "the previous year", "the prior year", "the prior-year", "the year-earlier",
    "the previous fiscal year", "the prior fiscal year", "the preceding year", "the preceding fiscal year", "the year-ago", "a year ago", "one year earlier", "one year before"};

// "...; a year earlier the figure was $3.7 billion": a clause that opens with the phrase has its figure in it.
bool opens_with_earlier_phrase(std::string_view before) {
  for (size_t i = before.size(); i-- > 1;) {
    const bool figure = before[i] >= '0' && before[i] <= '9';
    if (figure) return false;
    if (before[i] != ' ' || (before[i - 1] != ';' && before[i - 1] != '.' && before[i - 1] != ',')) continue;
    std::string_view clause = before.substr(i + 1);
    for (const std::string_view lead : {"and ", "while ", "but ", "against ", "in "})
      if (clause.starts_with(lead)) clause.remove_prefix(lead.size());
    const bool opens = std::any_of(std::begin(kEarlierPhrases), std::end(kEarlierPhrases), [&](std::string_view phrase) { return clause.starts_with(phrase); });
    if (opens) return true;
    if (before[i - 1] != ',') return false;
  }
  return false;
}

// Is the figure that of the period before the one named: "down from $11.2 billion the year before", "rose from $772
// million to $1,164 million in fiscal 2023"? `after` is what follows it up to the next figure of its unit; `dated`
// tells whether a period of its own follows it.
bool is_of_earlier_period(std::string_view before, std::string_view after, bool dated, bool one_period_named) {
  if (dated) return false;
  std::string_view near = after.substr(0, 40);
  // A phrase past the end of the clause speaks of the next one: "$4.0 billion; a year earlier it was $3.7 billion".
  near = near.substr(0, std::min({near.find(';'), near.find(". "), near.size()}));
  const bool compares = near.find("than") != std::string_view::npos || near.find("over") != std::string_view::npos || near.find("from") != std::string_view::npos;
  for (const std::string_view phrase : kEarlierPhrases)
    if (!compares && near.find(phrase) != std::string_view::npos) return true;
  if (opens_with_earlier_phrase(before)) return true;
  return one_period_named && ends_with_any(before, {"from ", "versus ", "compared with ", "compared to ", "after ", "following ", "against "});
}

// "15.1% less than in 2021", "1.8% above 2021": the direction of a change against an earlier period; 0 for anything else.
int change_against_period(std::string_view after, const PeriodMention* next, size_t at) {
  int direction = 0;
  if (starts_with_any(after, {" more than ", " above ", " higher than "})) direction = 1;
  if (starts_with_any(after, {" less than ", " fewer than ", " below ", " lower than "})) direction = -1;
  const std::string_view near = after.substr(0, 36);
  const bool relative = near.find("a year ") != std::string_view::npos || near.find("the year before") != std::string_view::npos || near.find("the prior") != std::string_view::npos;
  return relative || (next != nullptr && next->begin < at + 24) ? direction : 0;
}

// Bytes between a figure and the period that it certainly has.
constexpr size_t kBesideReach = 40;
// Bytes between two figures that a comparison joins.
constexpr size_t kComparisonReach = 120;

// "... exceeded the", "... fell short of the", "... less than the": how what stands before compares with what follows.
int comparison_that_ends(std::string_view text) {
  for (const std::string_view word : {"the ", "its ", "about ", "approximately "})
    if (text.ends_with(word)) text.remove_suffix(word.size());
  if (ends_with_any(text, {", more than ", ", higher than ", ", greater than ", " was higher than ", " were higher than ", " exceeded ", " exceeds ", " exceeding ", " surpassed ", " surpassing ", " topped ", " topping "})) return 1;
  return ends_with_any(text, {", less than ", ", lower than ", ", fewer than ", " was lower than ", " were lower than ", " fell short of ", " falling short of ", " below "}) ? -1 : 0;
}

NumeralContext context_of(const Work& w, const Numeral& n, size_t index) {
  NumeralContext context;
  const std::string lowered = lower_ascii(w.claim.text);
  const auto& periods = w.mentions.periods;
  const auto& numerals = w.mentions.numerals;
  // The period that follows the numeral before the next amount of the same kind, else the one before it.
  size_t next = lowered.size();
  for (size_t j = index + 1; j < numerals.size(); ++j)
    if (numerals[j].unit == n.unit && !numerals[j].ordinal) {
      next = numerals[j].begin;
      break;
    }
  const PeriodMention* placed = place_periods(w.claim.text, w.mentions)[index];
  if (placed != nullptr) context.period = placed->period;
  else if (const PeriodMention* own = period_of(w.claim.text, periods, n.begin, n.end, next)) context.period = own->period;
  if (!context.period && !periods.empty()) context.period = periods.front().period;
  bool beside = placed != nullptr;
  // "from $1.6 billion to $3.0 billion between January 31, 2022 and January 31, 2023"
  for (size_t k = 0; k + 1 < periods.size(); ++k) {
    const std::string_view joint = std::string_view(lowered).substr(periods[k].end, periods[k + 1].begin - periods[k].end);
    const bool spans = joint == " and " && periods[k].begin >= 8 && lowered.compare(periods[k].begin - 8, 8, "between ") == 0;
    const bool starts = n.begin >= 5 && lowered.compare(n.begin - 5, 5, "from ") == 0;
    if (!spans) continue;
    if (n.begin > periods[k].begin) {
      // "Between 2021 and 2022, sales rose to $4 billion from $3 billion": each end has its figure.
      const bool ends = n.begin >= 3 && lowered.compare(n.begin - 3, 3, "to ") == 0;
      if (n.begin > periods[k + 1].end && (starts || ends)) context.period = starts ? periods[k].period : periods[k + 1].period, beside = true;
      continue;
    }
    context.period = starts ? periods[k].period : periods[k + 1].period;
    if (context.period->year == 0) context.period->year = periods[k + 1].period.year;  // "January 31 and July 31, 2023"
  }
  // "fell 20 basis points, from 21.1% in 2021 to 20.9% in 2022": a change belongs to the later end.
  const std::string_view following_it = std::string_view(lowered).substr(n.end);
  const bool changed = n.unit == NumeralUnit::percent || n.unit == NumeralUnit::points || (n.begin >= 3 && lowered.compare(n.begin - 3, 3, "by ") == 0);
  if (changed && starts_with_any(following_it, {" from ", ", from ", ": from ", " (from "}) && context.period) {
    const size_t to = following_it.find(" to ");
    for (const PeriodMention& m : periods)
      if (to != std::string_view::npos && m.begin > n.end + to && m.period.year >= context.period->year) {
        context.period = m.period;
        break;
      }
  }
  const std::string_view before_it = std::string_view(lowered).substr(0, n.begin), after_it = std::string_view(lowered).substr(n.end, next - n.end);
  const PeriodMention *last = nullptr, *following = nullptr;
  bool one_year_named = true;
  for (const PeriodMention& m : periods) {
    if (m.end <= n.begin) last = &m;
    if (m.begin >= n.end && m.begin < next && following == nullptr) following = &m;
    one_year_named = one_year_named && m.period.year == periods.front().period.year;
  }
  const bool percentage = n.unit == NumeralUnit::percent || n.unit == NumeralUnit::points;
  const int against = change_against_period(after_it, following, n.end);
  if (against != 0 && last != nullptr) context.period = last->period;
  // "raised its dividend from $0.79 to $0.90 in April 2022": a month says when, not for which period.
  const bool is_event = context.period && context.period->month != 0 && context.period->day == 0;
  // "dropped by $5.5 billion to $20.4 billion in fiscal 2023": the change has the period of what it led to.
  for (size_t j = index + 1; changed && j < numerals.size() && numerals[j].begin == next; ++j)
    if (const std::string_view joint = std::string_view(lowered).substr(n.end, next - n.end); joint == " to " || joint == ", to ")
      if (const PeriodMention* later = period_of(w.claim.text, periods, numerals[j].begin, numerals[j].end, lowered.size())) context.period = later->period;
  // "ranged between $20 billion and $26 billion over fiscal 2021 to 2023": figures of no one year.
  const bool ranges = lowered.find("ranged") != std::string::npos || lowered.find("varied") != std::string::npos;
  if (ranges && periods.size() > 1) context.period.reset();
  for (const PeriodMention& m : periods) context.years.insert(m.period.year), context.periods.push_back(m.period);
  // "$5 million in 2022", "for 2022, $5 million": elsewhere a claim of several periods leaves open which is meant.
  for (const PeriodMention& m : periods) {
    const std::string_view gap = m.begin >= n.end   ? std::string_view(lowered).substr(n.end, m.begin - n.end)
                                 : m.end <= n.begin ? std::string_view(lowered).substr(m.end, n.begin - m.end)
                                                    : std::string_view();
    beside = beside || (gap.size() <= kBesideReach && gap.find_first_of("0123456789;") == std::string_view::npos);
  }
  if (!beside && against == 0)
    for (const PeriodMention& m : periods) context.also.push_back(m.period);
  if (context.period && context.period->year != 0 && is_of_earlier_period(before_it, after_it, placed != nullptr || following != nullptr, one_year_named && !is_event)) {
    // The year before, on whatever day its period ended: fiscal years of 52 weeks end on another one.
    --context.period->year;
    context.period->day = 0;
  }
  for (size_t c = 0; c < w.companies.size(); ++c) {
    const auto& [at, name] = w.companies[c];
    const std::string key = lower_ascii(name);
    if (std::find(context.company_order.begin(), context.company_order.end(), key) == context.company_order.end()) context.company_order.push_back(key);
    const size_t until = c + 1 < w.companies.size() ? w.companies[c + 1].first : lowered.size();
    const Period* own = nullptr;
    for (const PeriodMention& m : periods)
      if (m.begin > at && m.begin < until) {
        own = &m.period;
        break;
      }
    if (own == nullptr && !periods.empty()) own = &periods.front().period;
    if (own != nullptr) context.by_company.emplace(key, *own);
  }
  // The last direction word before the numeral in its clause; past another amount only "from ... to" carries it on.
  size_t previous = 0;
  for (size_t j = 0; j < index; ++j)
    if (numerals[j].unit == n.unit && !ends_with_any(before_it, {" to "})) previous = numerals[j].end;
  for (size_t at = before_it.find(';'); at != std::string_view::npos; at = before_it.find(';', at + 1)) previous = std::max(previous, at);
  for (const Directed& d : w.directions)
    if (d.begin < n.begin && d.begin >= previous) context.direction = d.direction;
  // "slid from pre-tax income of $38.2 billion to a loss": the first is where it started.
  for (const Directed& d : w.directions)
    if (const std::string_view between = d.end <= n.begin && d.begin >= previous ? before_it.substr(d.end) : std::string_view(); between.starts_with(" from ") && between.find(" to ") == std::string_view::npos && !percentage)
      context.direction = 0;
  const bool after = context.direction == 0;
  for (const Directed& d : w.directions)
    if (after && d.begin >= n.end && d.begin <= n.end + 2) context.direction = d.direction;
  if (against != 0) context.direction = against;
  // "$5 million in 2022 exceeded the $4 million of 2021": the direction is the first figure's, not the second's.
  if (const int compared = comparison_that_ends(before_it); compared != 0 && !percentage) context.direction = 0;
  if (const int compared = next < lowered.size() ? comparison_that_ends(std::string_view(lowered).substr(0, next)) : 0;
      compared != 0 && !percentage && next - n.end < kComparisonReach)
    context.direction = compared;
  // "in 2022 ($384 million) was lower than in 2021 ($370 million)"
  if (const size_t than = after_it.find(" than "); than != std::string_view::npos && next < lowered.size() && next - n.end < kComparisonReach && !percentage) {
    const std::string_view word = after_it.substr(0, than);
    const int compared = direction_of(word.substr(word.rfind(' ') + 1));
    if (compared != 0 && word.find_first_of(",;") == std::string_view::npos) context.direction = compared;
  }
  context.change_cue = !w.directions.empty() || context.direction != 0;
  // "rose from $10 million": the direction is that of the other amount.
  const bool start = n.begin >= 5 && lowered.compare(n.begin - 5, 5, "from ") == 0;
  // "slipped to $4.27 after $4.87": so is "after".
  if (ends_with_any(before_it, {"after ", "following ", "against ", "versus ", "compared with ", "compared to "}) && !percentage) context.direction = 0;
  if (start) context.direction = 0;
  context.by_amount = !percentage && ends_with_any(before_it, {" by "});
  context.level = percentage && (ends_with_any(before_it, {" to ", " from ", " at ", " reaching "}) || following_it.starts_with(" of "));
  auto says = [&](std::string_view part) { return lowered.find(part) != std::string::npos; };
  context.difference_cue = context.change_cue || says("exceed") || says(" more ") || says(" less ") || says("differ") || says("gap") || says("ahead") || says("behind") ||
                           says(" by ") || says("above") || says("below") || says("lead") || says("higher") || says("lower") || says("increase of") ||
                           says("decrease of") || says("added") || says("by a margin") || says("fewer") || says("trail") || says("apart");
  for (const std::string_view of : {"decline of", "drop of", "fall of", "reduction of", "rise of", "gain of", "jump of", "growth of", "improvement of", "change of", "swing of"})
    context.difference_cue = context.difference_cue || says(of);
  if (says("exceed") || says("surpass") || says("above") || says("higher than") || says("more than that")) context.direction = context.direction == 0 ? 1 : context.direction;
  // "15% lower than the $72 million of 2021", "higher than in 2020, $4 million": what follows "than" is the other end.
  if (!percentage && n.approximation == Approximation::none &&
      (before_it.substr(previous).find(" than ") != std::string_view::npos || ends_with_any(before_it, {" above the ", " below the ", " over the ", " under the "})))
    context.direction = 0;
  context.sum_cue = says("together") || says("combined") || says(" sum ") || says("in total") || says("in all") || says("jointly") || says("-year total") || says("cumulative") || says("altogether") || says("aggregate") || says("add up") || says("added up") || says(" years");
  context.average_cue = says("averag") || says(" mean ");
  // "positive free cash flow of ..."
  if (const size_t at = lowered.rfind("positive ", n.begin); at != std::string::npos && at + 40 >= n.begin) context.profit = 1;
  // "profit"/"loss" said of the amount: the nearest one before it.
  for (const auto& [word, sign] : {std::pair<std::string_view, int>{"loss", -1}, {"profit", 1}, {"net income", 1}, {"net earnings", 1}}) {
    const size_t at = lowered.rfind(word, n.begin);
    if (at == std::string::npos || at + (sign > 0 ? 60 : 40) < n.begin) continue;
    // "income/(loss) of" names a row; it does not say which of the two.
    if (word == "loss" && at > 0 && (lowered[at - 1] == '(' || lowered[at - 1] == '/')) continue;
    if (lowered.compare(at + word.size(), 6, " (loss") == 0 || lowered.compare(at + word.size(), 6, "/(loss") == 0) continue;
    if (word == "profit" && at >= 6 && lowered.substr(at - 6, 6) == "gross ") continue;
    context.profit = sign;
    if (sign < 0) break;
  }
  return context;
}

// "decreases due to settlements of $6 million": a direction word that the row's own label has names the row.
void drop_directions_of_labels(Work* w) {
  for (const Evidence& e : w->evidence) {
    const auto labelled = find_directions(e.label);
    const bool both = std::any_of(labelled.begin(), labelled.end(), [&](const Directed& d) { return d.direction != labelled.front().direction; });
    for (const Directed& own : labelled) {
      const std::string word = lower_ascii(e.label.substr(own.begin, own.end - own.begin));
      if (both) continue;
      std::erase_if(w->directions, [&](const Directed& d) { return lower_ascii(w->claim.text.substr(d.begin, d.end - d.begin)) == word; });
    }
  }
}

// "$400 million of notes due October 17, 2023": a day that the quote prints and no figure of it has is part of a name.
void drop_dates_of_names(Work* w) {
  std::erase_if(w->mentions.periods, [&](const PeriodMention& said) {
    if (said.period.day == 0 || w->mentions.periods.size() < 2) return false;
    bool named = false, of_figure = false;
    for (size_t i = 0; i < w->evidence.size(); ++i) {
      const Evidence& e = w->evidence[i];
      if (!e.is_row) return false;
      for (const PeriodMention& m : find_mentions(w->claim.cites[i].quote).periods) {
        const Period& p = m.period;
        named = named || (p.year == said.period.year && p.month == said.period.month && p.day == said.period.day);
      }
      for (const Printed& p : e.figures) of_figure = of_figure || (p.group < kProseGroup && p.period.year != 0 && period_agrees(said.period, p, e));
    }
    return named && !of_figure;
  });
}

// "in all three years", "over the three periods": counts columns of the row that is cited.
bool counts_columns(const Work& w, const Numeral& n) {
  std::string_view after = std::string_view(w.claim.text).substr(n.end);
  for (const std::string_view word : {" ", "-", "fiscal ", "consecutive "})
    if (after.starts_with(word)) after.remove_prefix(word.size());
  if (!starts_with_any(after, {"year", "period", "quarter"})) return false;
  std::set<int> columns;
  for (const Evidence& e : w.evidence)
    for (const Printed& p : e.figures)
      if (p.group < kProseGroup) columns.insert(p.column);
  return !(Rational(static_cast<int64_t>(columns.size())) < n.value);
}

// Does a page print the period: its year and, where there is one, the day?
bool names_period(const std::string& page, const Period& said) {
  if (page.find(std::to_string(said.year)) == std::string::npos) return false;
  if (said.month == 0 || said.day == 0) return true;
  // The year may stand in a line below the day.
  for (const PeriodMention& m : find_mentions(page).periods)
    if (m.period.month == said.month && (m.period.day == said.day || m.period.day == 0) && (m.period.year == said.year || m.period.year == 0)) return true;
  return false;
}

void check_numerals(Work* w) {
  std::vector<bool> dated(w->mentions.periods.size(), false);
  std::string pages, passages;
  for (const Evidence& e : w->evidence) pages += " " + lower_ascii(e.page), passages += " " + lower_ascii(e.context + " " + e.paragraph);
  const bool readable = std::any_of(w->evidence.begin(), w->evidence.end(), [](const Evidence& e) { return e.quote_found; });
  for (size_t i = 0; i < w->mentions.numerals.size() && readable; ++i) {
    const Numeral& n = w->mentions.numerals[i];
    ++w->out.n_numbers;
    if (n.from_word && n.scale == 0 && counts_columns(*w, n)) continue;
    if (n.ordinal || (n.from_word && n.scale == 0)) {
      int64_t whole = 0;
      const std::string digits = n.value.fits_int64(&whole) ? std::to_string(whole) : n.printed;
      bool found = mentions_name(passages, n.printed);
      for (const Numeral& other : find_mentions(passages).numerals) found = found || other.value == n.value;
      if (n.ordinal) found = found || mentions_name(pages, digits);
      if (!found && n.unit == NumeralUnit::plain)
        w->issue("number", fmt::format("'{}' is not in the cited passage", n.printed), "use the number that the passage states");
      if (n.unit == NumeralUnit::plain || found) continue;
    }
    const NumeralContext context = context_of(*w, n, i);
    const Match match = match_numeral(n, context, w->evidence);
    switch (match.kind) {
      case MatchKind::ok:
        break;
      case MatchKind::sign:
        w->issue("sign", fmt::format("'{}' goes the other way in the source ({})", n.printed, match.how), "state the direction that the figures have");
        break;
      case MatchKind::period:
        w->issue("date", fmt::format("'{}' belongs to another period ({})", n.printed, match.how), "name the period of the cited column, or cite the figure of that period");
        break;
      case MatchKind::unit:
        w->issue("unit", fmt::format("'{}' is {}", n.printed, match.how), "use the unit and scale of the source");
        break;
      default: {
        const bool elsewhere = pages.find(lower_ascii(n.printed)) != std::string::npos;
        w->issue("number", fmt::format("'{}' is not in the cited passage and does not follow from its figures{}", n.printed,
                                       elsewhere ? " (it stands elsewhere on the page)" : ""),
                 elsewhere ? "cite the passage that states it" : "use the figure of the cited passage");
      }
    }
    if (match.kind == MatchKind::ok)
      for (const Printed* p : match.figures)
        for (size_t k = 0; k < dated.size(); ++k)
          dated[k] = dated[k] || period_agrees(w->mentions.periods[k].period, *p, w->evidence[p->citation]);
  }
  for (size_t k = 0; k < dated.size() && readable; ++k) {
    const Period& said = w->mentions.periods[k].period;
    ++w->out.n_dates;
    if (dated[k] || said.year == 0) continue;
    bool printed = false;
    for (const Evidence& e : w->evidence) {
      if (!e.quote_found) continue;
      for (const Printed& p : e.figures) printed = printed || (p.period.year != 0 && period_agrees(said, p, e));
      Printed none;
      none.citation = 0;
      const bool headed = !e.years.empty() || std::any_of(e.figures.begin(), e.figures.end(), [](const Printed& p) { return p.period.year != 0; });
      printed = printed || period_agrees(said, none, e) || (e.is_row ? !headed || names_period(e.page, said) : is_comparison(w->claim.text, w->mentions.periods[k]) && names_period(e.context, said));
    }
    // A wrong period that already spoiled a number is one mistake, not two.
    const bool told = std::any_of(w->out.issues.begin(), w->out.issues.end(), [](const ClaimIssue& i) { return i.kind == "date" || i.kind == "number" || i.kind == "unit"; });
    if (!printed && !told)
      w->issue("date", fmt::format("'{}' is not a period of the cited passage",
                                   w->claim.text.substr(w->mentions.periods[k].begin, w->mentions.periods[k].end - w->mentions.periods[k].begin)),
               "name the period that the passage states");
  }
}

// "generally settle within four weeks" where the passage says "four days".
void check_durations(Work* w) {
  static constexpr std::string_view kUnits[] = {"day", "week", "month", "year"};
  std::string passage;
  for (const Evidence& e : w->evidence)
    if (e.quote_found) passage += " " + lower_ascii(e.context);
  const std::string text = lower_ascii(w->claim.text);
  auto unit_after = [&](const std::string& all, size_t at) -> std::string_view {
    while (at < all.size() && (all[at] == ' ' || all[at] == '-')) ++at;
    for (const std::string_view unit : kUnits)
      if (all.compare(at, unit.size(), unit) == 0) return unit;
    return {};
  };
  for (const Numeral& n : w->mentions.numerals) {
    const std::string_view said = n.unit == NumeralUnit::plain && n.scale == 0 ? unit_after(text, n.end) : std::string_view();
    if (said.empty()) continue;
    bool same = false;
    std::string_view other;
    for (const Numeral& m : find_mentions(passage).numerals) {
      if (!(m.value == n.value)) continue;
      const std::string_view printed = unit_after(passage, m.end);
      same = same || printed == said;
      if (!printed.empty()) other = printed;
    }
    if (!same && !other.empty())
      w->issue("unit", fmt::format("the passage says {} {}s", n.printed, other), "use the unit of the source");
  }
}

// "rose from 28% to 25%", "lengthened to 17 years from 22": a claim whose own figures go the other way.
void check_own_direction(Work* w) {
  const std::string text = lower_ascii(w->claim.text);
  const auto& all = w->mentions.numerals;
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    const Numeral &first = all[i], &second = all[i + 1];
    if (first.unit != second.unit || first.value.sign() < 0 || second.value.sign() < 0 || first.ordinal || second.ordinal) continue;
    const std::string_view before = std::string_view(text).substr(0, first.begin), between = std::string_view(text).substr(first.end, second.begin - first.end);
    const std::string_view up_to = std::string_view(text).substr(0, second.begin);
    if (between.find(';') != std::string_view::npos || between.find(". ") != std::string_view::npos) continue;
    const bool forward = ends_with_any(before, {" from "}) && ends_with_any(up_to, {" to "});
    const bool back = ends_with_any(before, {" to "}) && ends_with_any(up_to, {" from ", " compared with ", " compared to ", " against ", " versus ", " after "});
    if (!forward && !back) continue;
    int said = 0;
    size_t at = 0;
    for (const Directed& d : w->directions)
      if (d.begin < (back ? second.begin : first.begin)) said = d.direction, at = d.end;
    const bool near = said != 0 && text.substr(at, first.begin > at ? first.begin - at : 0).find_first_of(";0123456789") == std::string::npos;
    const int moved = forward ? second.value.compare(first.value) : first.value.compare(second.value);
    // "from $1,223 million to $1.2 billion" rounds the second.
    const Rational gap = first.value.minus(second.value).value_or(Rational()).magnitude();
    const bool shown = first.half_step < gap && second.half_step < gap;
    if (near && shown && moved * said < 0)
      w->issue("sign", fmt::format("from '{}' to '{}' is the other way", forward ? first.printed : second.printed, forward ? second.printed : first.printed),
               "state the direction that the figures have");
  }
}

// "hedging gains of $65 million" where the quote has losses, and the reverse.
void check_gains_and_losses(Work* w) {
  const auto says = [](const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; };
  const std::string text = lower_ascii(w->claim.text);
  std::string quotes;
  for (const Citation& c : w->claim.cites) quotes += " " + lower_ascii(c.quote);
  const bool gain = says(text, " gains ") || says(text, " gain ") || says(text, " gain of") || says(text, "gains of"), loss = says(text, "loss");
  const bool quoted_gain = says(quotes, "gain"), quoted_loss = says(quotes, "loss");
  const bool reversed = (gain && !loss && quoted_loss && !quoted_gain) || (loss && !gain && quoted_gain && !quoted_loss);
  const bool told = std::any_of(w->out.issues.begin(), w->out.issues.end(), [](const ClaimIssue& i) { return i.kind == "sign"; });
  if (reversed && !told) w->issue("sign", "the claim calls a gain what the quote calls a loss, or the reverse", "use the word of the source");
}

// "activities provided $4,766 million" of a row "provided by (used in)" that prints the figure in brackets.
void check_brackets(Work* w) {
  static constexpr std::pair<std::string_view, std::string_view> kPairs[] = {{"provided", "used"}, {"generated", "used"}, {"gain", "loss"}, {"income", "expense"}, {"benefit", "provision"}};
  const std::string text = lower_ascii(w->claim.text);
  const auto& numerals = w->mentions.numerals;
  const bool one = std::count_if(numerals.begin(), numerals.end(), [](const Numeral& n) { return n.unit == NumeralUnit::currency; }) == 1;
  if (!one || w->evidence.size() != 1 || !w->evidence.front().is_row || !w->out.issues.empty()) return;
  const Evidence& e = w->evidence.front();
  const std::string label = lower_ascii(e.label);
  for (const auto& [in, out] : kPairs) {
    const bool says_in = text.find(in) != std::string::npos, says_out = text.find(out) != std::string::npos;
    const std::string_view named_in = in == "generated" ? "provided" : in;
    const size_t a = label.find(named_in), b = label.find(out);
    if (text.find(named_in) != std::string::npos && says_out) continue;
    if (says_in == says_out || a == std::string::npos || b == std::string::npos || label.find('(') == std::string::npos) continue;
    const bool in_brackets = label.rfind('(', a) != std::string::npos && label.find(')', label.rfind('(', a)) > a;
    const int expected = says_in == !in_brackets ? 1 : -1;
    for (const Numeral& n : numerals)
      for (const Printed& p : e.figures) {
        const bool same = n.unit == NumeralUnit::currency && n.value.sign() > 0 && !p.value.is_zero() && p.group < kProseGroup &&
                          !(n.half_step < n.value.minus(p.value.magnitude()).value_or(Rational(1)).magnitude());
        if (!same || p.value.sign() == expected) continue;
        w->issue("sign", fmt::format("'{}' is {} in the source", n.printed, p.printed), "say which of the two the figure is");
        return;
      }
  }
}

void check_directions_without_numbers(Work* w) {
  if (w->directions.empty()) return;
  const bool any_number = std::any_of(w->mentions.numerals.begin(), w->mentions.numerals.end(), [](const Numeral& n) { return !n.ordinal && !n.from_word; });
  if (any_number) return;
  for (const Evidence& e : w->evidence) {
    if (!e.quote_found) continue;
    int said = 0, printed = 0;
    for (const Directed& d : w->directions) said += d.direction;
    for (const Directed& d : find_directions(w->claim.cites[static_cast<size_t>(&e - w->evidence.data())].quote)) printed += d.direction;
    if (said * printed < 0 && w->evidence.size() == 1)
      w->issue("sign", "the claim says the opposite direction of the quote", "state the direction that the passage states");
  }
}

void check_support(Work* w) {
  std::string passage, page;
  for (const Evidence& e : w->evidence) {
    if (!e.quote_found) continue;
    passage += " " + e.context + " " + e.paragraph;
    page += " " + e.page + " " + e.document.title + " " + e.document.company;
  }
  if (page.empty()) return;
  std::string text = w->claim.text;
  std::set<std::string> wanted = content_words(text);
  for (const auto& [at, name] : w->companies)
    for (const std::string& word : content_words(name)) wanted.erase(word);
  const bool figures = std::any_of(w->mentions.numerals.begin(), w->mentions.numerals.end(), [](const Numeral& n) { return !n.from_word && !n.ordinal; });
  w->out.overlap = overlap(wanted, content_words(passage));
  const double on_page = overlap(wanted, content_words(page));
  if (!figures && w->out.overlap < kOverlapWordsMin)
    w->issue("support", fmt::format("the passage has {:.0f} % of the claim's words", 100 * w->out.overlap), "say what the passage says, or cite the passage that says this");
  if (figures && wanted.size() > kFewWords && on_page < kOverlapFiguresMin)
    w->issue("support", fmt::format("the page has {:.0f} % of the claim's words", 100 * on_page), "name the figure as the page does");
  const std::set<std::string> said = modal_words(text), backed = modal_words(passage);
  for (const std::string& modal : said) {
    if (backed.count(modal) > 0) continue;
    const char* what = modal == "cause" ? "a cause" : modal == "future" ? "a forecast" : "a decision";
    w->issue("support", fmt::format("the claim states {} and the passage does not", what), "leave it out, or cite the passage that says so");
  }
}

}  // namespace

Result<ClaimCheck> check_claim(const CheckedClaim& claim, const std::vector<std::string>& companies, EvidenceReader* reader) {
  Work w{claim, {}, find_mentions(claim.text), find_directions(claim.text), {}, {}};
  for (size_t i = 0; i < claim.cites.size(); ++i) {
    CONSORT_ASSIGN(Evidence e, reader->read(claim.cites[i], i));
    w.evidence.push_back(std::move(e));
  }
  CONSORT_ASSIGN(const std::vector<SourceDocument>* documents, reader->documents());
  std::set<std::string> names(companies.begin(), companies.end());
  for (const SourceDocument& d : *documents)
    if (!d.company.empty()) names.insert(d.company);
  if (normalise_text(claim.text).empty()) {
    w.issue("format", "the claim has no text", "write one sentence");
    return std::move(w.out);
  }
  check_quotes(&w);
  find_companies(&w, {names.begin(), names.end()});
  check_names(&w);
  drop_directions_of_labels(&w);
  drop_dates_of_names(&w);
  check_numerals(&w);
  check_durations(&w);
  check_own_direction(&w);
  check_gains_and_losses(&w);
  check_brackets(&w);
  check_directions_without_numbers(&w);
  check_support(&w);
  return std::move(w.out);
}

}  // namespace consort::tool
