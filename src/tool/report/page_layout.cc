#include "tool/report/page_layout.h"

#include <algorithm>
#include <cmath>

namespace consort::tool {
namespace {

std::string squeeze(std::string_view text) {
  std::string out;
  for (const char c : lower_ascii(normalise_text(text)))
    if (c != ' ' && c != '|') out += c;
  return out;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool is_bare_year(std::string_view text) {
  if (text.size() != 4 || (text.substr(0, 2) != "19" && text.substr(0, 2) != "20")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "2021 (1)(2)" without the marks of its notes.
std::string_view without_notes(std::string_view text) {
  while (text.size() > 3 && text.back() == ')') {
    const size_t open = text.rfind('(');
    if (open == std::string_view::npos || open == 0 || text.size() - open > 4) break;
    text = text.substr(0, open);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  }
  return text;
}

int columns_of(std::string_view text) {
  int n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

bool is_mark(std::string_view t) { return t == "$" || t == "%" || t == ")" || t == ")%" || t == "\u20ac" || t == "\u00a3" || t == "$(" || t == "("; }
bool is_dash(std::string_view t) { return t == "-" || t == "--" || t == "\u2014" || t == "\u2013" || t == "\u2212"; }

// A line of running text, not of a table: the rows below it have no header above it.
bool is_prose(std::string_view text) {
  const std::string t = lower_ascii(normalise_text(text));
  const auto words = 1 + std::count(t.begin(), t.end(), ' ');
  if (words < 9) return false;
  static constexpr std::string_view kVerbs[] = {" is ", " are ", " was ", " were ", " has ", " have ", " had ", " summarizes ", " summarize ", " presents ",
      " shows ", " sets forth ", " provides ", " reflects ", " includes ", " consist ", " consists ", " follows", " following table", " tables "};
  return words >= 20 || t.ends_with('.') || std::any_of(std::begin(kVerbs), std::end(kVerbs), [&](std::string_view verb) { return has(t, verb); });
}

// "8 years", "4.7 months": a number that no note of the table scales.
std::string_view without_unit_word(std::string_view text) {
  for (const std::string_view unit : {" years", " year", " months", " month", " weeks", " days", " yrs", " pts"})
    if (text.ends_with(unit)) return text.substr(0, text.size() - unit.size());
  return text;
}

// Month, day and span words of a header segment, without a year.
bool header_words(std::string_view text, Period* p) {
  const std::string t = lower_ascii(text);
  bool any = false;
  const Mentions with_year = find_mentions(std::string(text) + " 2000");  // Completes "January 31,".
  for (const PeriodMention& m : with_year.periods) {
    if (m.period.month != 0) p->month = m.period.month, p->day = m.period.day, any = true;
    if (m.period.count != 0 && m.period.span == Span::weeks) p->count = m.period.count;
  }
  auto span = [&](Span s) { p->span = s, any = true; };
  static constexpr std::string_view kQuarters[] = {"first quarter", "second quarter", "third quarter", "fourth quarter"};
  for (int q = 0; q < 4; ++q)
    if (has(t, kQuarters[q])) p->count = q + 1;
  if (has(t, "three months") || has(t, "quarter")) span(Span::quarter);
  else if (has(t, "six months")) span(Span::half);
  else if (has(t, "nine months")) span(Span::nine_months);
  else if (has(t, "weeks ended") || has(t, "weeks")) {
    const Mentions m = find_mentions(std::string(text) + (has(t, "ended") ? "" : " ended"));
    for (const PeriodMention& mention : m.periods)
      if (mention.period.span == Span::weeks || mention.period.span == Span::year)
        p->span = mention.period.span, p->count = mention.period.count, any = true;
  } else if (has(t, "year") || has(t, "fiscal")) {
    span(Span::year);
    if (has(t, "fiscal")) p->fiscal = true;
  }
  return any;
}

}  // namespace

int PageLayout::note_scale(std::string_view line) {
  const std::string t = lower_ascii(normalise_text(line));
  static constexpr std::string_view kLeads[] = {"in ", "(in ", "dollars in ", "amounts in ", "$ in ", "usd in ", "us$ in ", "(usd ", "usd ", "us$ ", "$ ", "("};
  struct Word {
    std::string_view text;
    int scale;
  };
  static constexpr Word kWords[] = {{"thousands", 3}, {"millions", 6}, {"billions", 9}, {"thousand", 3}, {"million", 6}, {"billion", 9}};
  size_t best = std::string::npos;
  int scale = -1;
  for (const Word& word : kWords) {
    for (const std::string_view lead : kLeads) {
      const size_t at = t.find(std::string(lead) + std::string(word.text));
      // "in million" of prose ("increased in millions of homes") is no note; a note is short or bracketed.
      // "$ millions" alone or with a column header; "(" before "(thousands)".
      if (lead == "(" && at != std::string::npos && (at + 1 + word.text.size() >= t.size() || t[at + 1 + word.text.size()] != ')')) continue;
      if (at != std::string::npos && (t.size() < 90 || has(t, "(") || has(t, "except")) && at < best) best = at, scale = word.scale;
    }
    if (has(t, std::string(word.text) + " of dollars") || has(t, std::string(word.text) + " of u.s. dollars")) {
      if (scale < 0) scale = word.scale;
    }
  }
  if (scale < 0 && t.size() < 90 && (t.starts_with("usd per share") || t.starts_with("dollars per share") || t.starts_with("per share"))) scale = 0;
  if (scale < 0 && (has(t, "(000's") || has(t, "(000s") || has(t, "in 000") || has(t, "$000"))) scale = 3;
  return scale;
}

PageLayout::PageLayout(std::string_view text, int fallback_scale) : fallback_scale_(fallback_scale) {
  normalised_ = normalise_text(text);
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    Line line;
    line.text = std::string(text.substr(at, end - at));
    if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
    at = end + 1;
    const std::string& t = line.text;
    size_t i = 0;
    while (i < t.size()) {
      while (i < t.size() && (t[i] == ' ' || t[i] == '\t' || t[i] == '|' || t[i] == '\f')) ++i;
      if (i >= t.size()) break;
      size_t j = i;
      while (j < t.size() && t[j] != '\t' && t[j] != '|' && !(t[j] == ' ' && (j + 1 >= t.size() || t[j + 1] == ' ' || t[j + 1] == '|'))) ++j;
      Segment s;
      s.begin = columns_of(std::string_view(t).substr(0, i));
      s.text = t.substr(i, j - i);
      s.end = s.begin + columns_of(s.text);
      line.segments.push_back(std::move(s));
      i = j;
    }
    line.blank = line.segments.empty();
    for (const Segment& s : line.segments) {
      if (is_bare_year(without_notes(s.text))) ++line.n_years;
      else if (parse_cell(s.text)) ++line.n_numbers;
    }
    const std::string squeezed = squeeze(line.text);
    squeezed_ += squeezed;
    squeezed_line_.insert(squeezed_line_.end(), squeezed.size(), lines_.size());
    lines_.push_back(std::move(line));
  }
}

std::optional<QuotePlace> PageLayout::find(std::string_view quote) const {
  const std::string wanted = squeeze(quote);
  if (wanted.empty()) return std::nullopt;
  const size_t at = squeezed_.find(wanted);
  if (at == std::string::npos) return std::nullopt;
  return QuotePlace{squeezed_line_[at], squeezed_line_[at + wanted.size() - 1]};
}

std::vector<PageCell> PageLayout::cells_of(const Line& line, std::string* label) const {
  std::vector<PageCell> cells;
  std::string currency;
  bool label_open = true;
  auto add = [&](std::string_view text, int begin, int end) {
    auto number = parse_cell(without_unit_word(text));
    if (!number) return false;
    number->printed = text;
    if (text.ends_with(" pts")) number->unit = NumeralUnit::points;
    if (!currency.empty() && number->unit == NumeralUnit::plain) number->unit = NumeralUnit::currency, number->currency = currency;
    currency.clear();
    cells.push_back({*number, {}, {}, begin, end});
    return true;
  };
  for (size_t k = 0; k < line.segments.size(); ++k) {
    const Segment& s = line.segments[k];
    const std::string text = normalise_text(s.text);
    if (is_mark(text)) {
      if (text == "$" || text == "$(") currency = "USD";
      if ((text == "%" || text == ")%") && !cells.empty() && cells.back().number.unit == NumeralUnit::plain)
        cells.back().number.unit = NumeralUnit::percent;
      continue;
    }
    if (is_dash(text) && !label_open) {
      Numeral zero;
      zero.printed = "-";
      cells.push_back({zero, {}, {}, s.begin, s.end});
      continue;
    }
    // "23,348 $": the sign belongs to the next number.
    if (text.size() > 2 && text.ends_with(" $") && add(std::string_view(text).substr(0, text.size() - 2), s.begin, s.end - 2)) {
      currency = "USD", label_open = false;
      continue;
    }
    // "2025  $ 702": a row that a year names.
    if (k == 0 && label != nullptr && is_bare_year(text) && line.n_numbers > 0) {
      *label = text;
      continue;
    }
    // A number of its own, or several with single spaces ("13.25 % 11.93 %", "(1.1)% 3%").
    if (add(text, s.begin, s.end)) {
      label_open = false;
      continue;
    }
    std::vector<std::pair<std::string, int>> words;
    for (size_t i = 0; i < text.size();) {
      const size_t e = std::min(text.find(' ', i), text.size());
      if (e > i) words.emplace_back(text.substr(i, e - i), s.begin + static_cast<int>(i));
      i = e + 1;
    }
    size_t first = words.size();
    while (first > 0 && (parse_cell(words[first - 1].first) || is_mark(words[first - 1].first))) --first;
    const bool all = first == 0;
    // "$218.21 to $296.84" names a row.
    const bool range = first > 0 && (words[first - 1].first == "to" || words[first - 1].first == "through");
    // The tail of a label is a cell only when it is no year, no note "(3)", and something follows.
    size_t n_tail = 0;
    for (size_t w = first; w < words.size(); ++w) n_tail += parse_cell(words[w].first).has_value();
    bool tail = n_tail > 0 && label_open && first > 0 && !range &&
                (n_tail > 1 || line.segments.size() > 1) && !(n_tail == 1 && (is_bare_year(words.back().first) || (words.back().first.size() <= 4 && words.back().first[0] == '(')));
    if (tail && n_tail == 1 && line.n_numbers > 0) tail = has(words.back().first, ",") || has(words.back().first, ".");
    if (!all && !tail) {
      if (label_open) {
        if (label != nullptr) *label += (label->empty() ? "" : " ") + text;
      }
      continue;
    }
    if (!all && label != nullptr)
      for (size_t w = 0; w < first; ++w) *label += (label->empty() ? "" : " ") + words[w].first;
    for (size_t w = first; w < words.size(); ++w) {
      const auto& [word, begin] = words[w];
      if (word == "$") currency = "USD";
      else if (word == "%" || word == ")%") {
        if (!cells.empty() && cells.back().number.unit == NumeralUnit::plain) cells.back().number.unit = NumeralUnit::percent;
      } else {
        add(word, begin, begin + columns_of(word));
      }
    }
    label_open = false;
  }
  return cells;
}

void PageLayout::set_periods(size_t at, std::vector<PageCell>* cells) const {
  const int left = cells->front().begin - 30;
  const size_t stop = at > 70 ? at - 70 : 0;
  struct Header {
    int begin, end;
    Period period;
  };
  std::vector<Header> years;
  size_t year_line = at;
  for (size_t i = at; i-- > stop;) {
    const Line& line = lines_[i];
    if (line.blank || line.n_numbers > 0) continue;
    // A long label that wraps ends in a line with the row's figures.
    const bool wraps = i + 1 <= at && lines_[i + 1].n_numbers > 0;
    if (line.segments.size() <= 2 && !wraps && is_prose(line.text)) {
      period_of_caption(i, cells);
      break;
    }
    std::vector<Header> here;
    size_t n_left = 0;
    for (const Segment& s : line.segments) {
      for (const PeriodMention& m : find_mentions(s.text).periods) {
        if (m.period.year == 0) continue;
        const int begin = s.begin + columns_of(std::string_view(s.text).substr(0, m.begin));
        Period period = m.period, words;
        // "12 weeks 2023": the words beside the year say how long.
        if (period.span == Span::unknown && header_words(s.text, &words) && words.span != Span::instant) period.span = words.span, period.count = words.count;
        here.push_back({begin, s.begin + columns_of(std::string_view(s.text).substr(0, m.end)), period});
        n_left += s.end < left ? 1 : 0;
      }
    }
    // Far left of the figures stands no header, unless there is one for each of them.
    if (here.size() != cells->size()) here.erase(here.begin(), here.begin() + static_cast<std::ptrdiff_t>(n_left));
    // A long label that mentions a year is no header.
    const bool sentence = line.segments.size() <= 2 && std::any_of(line.segments.begin(), line.segments.end(), [](const Segment& s) {
                            return s.text.size() > 60;
                          });
    if (here.empty() || sentence) continue;
    // One year over several columns ("Fiscal 2022") serves only when nothing nearer was found.
    years = std::move(here);
    year_line = i;
    break;
  }
  if (periods_of_stub(at, cells)) return;
  if (years.empty()) {
    period_of_movement(at, cells);
    return;
  }
  std::vector<size_t> year_index(cells->size(), years.size());
  const bool by_order = years.size() == cells->size() && years.size() > 1;
  // Value columns of a table with percentages between them: "31,352 100 26,492 100" under "2023 2022".
  for (size_t c = 0; c < cells->size(); ++c) {
    PageCell& cell = (*cells)[c];
    const Header* best = nullptr;
    double best_distance = 1e9;
    for (size_t y = 0; y < years.size(); ++y) {
      const double centre = std::abs((years[y].begin + years[y].end) / 2.0 - (cell.begin + cell.end) / 2.0);
      const double right = std::abs(years[y].end - cell.end);
      double distance = std::min(centre, right);
      if (by_order) distance = y == c ? 0 : 1e8;
      if (distance < best_distance) best_distance = distance, best = &years[y];
    }
    if (best != nullptr && best_distance <= 16) cell.period = best->period, year_index[c] = static_cast<size_t>(best - years.data());
  }
  // Percentages between or after the amounts of a row belong to amounts: each after its own, or all to the latest.
  std::vector<size_t> amounts, percentages;
  for (size_t c = 0; c < cells->size(); ++c) ((*cells)[c].number.unit == NumeralUnit::percent ? percentages : amounts).push_back(c);
  if (amounts.size() == years.size() && amounts.size() > 1 && !percentages.empty()) {
    size_t latest = 0;
    for (size_t k = 0; k < amounts.size(); ++k) {
      (*cells)[amounts[k]].period = years[k].period, year_index[amounts[k]] = k;
      if (years[k].period.year > years[latest].period.year) latest = k;
    }
    const bool trailing = percentages.front() > amounts.back();
    for (const size_t c : percentages) {
      size_t own = latest;
      for (size_t k = 0; k < amounts.size() && !trailing; ++k)
        if (amounts[k] < c) own = k;
      (*cells)[c].period = years[own].period, year_index[c] = own;
    }
  }
  // "Three Months Ended Six Months Ended" set with one space: two captions, each over its half.
  auto captions_of = [](const Segment& s) {
    std::vector<Segment> out;
    const std::string lowered = lower_ascii(s.text);
    const size_t first = lowered.find(" ended ");
    const size_t cut = first == std::string::npos ? first : first + 7;
    const bool again = cut != std::string::npos && (has(lowered.substr(cut), "months ended") || has(lowered.substr(cut), "weeks ended"));
    if (!again || month_number(lowered.substr(cut, std::min(lowered.find(' ', cut), lowered.size()) - cut)) != 0) return std::vector<Segment>{s};
    const int middle = s.begin + columns_of(std::string_view(s.text).substr(0, cut));
    out.push_back({s.begin, middle - 1, s.text.substr(0, cut - 1)});
    out.push_back({middle, s.end, s.text.substr(cut)});
    return out;
  };
  // "January 31," and "Three Months Ended" above the years, each over the columns it is nearest to.
  for (size_t up = 1; up <= 4 && up <= year_line; ++up) {
    const Line& line = lines_[year_line - up];
    // A page number at the margin is no row of the table.
    const bool margin = line.n_numbers == 1 && line.segments.size() > 1 && line.segments.front().end <= left && parse_cell(line.segments.front().text);
    if (line.n_numbers > 0 && !margin) break;
    std::vector<Segment> captions;
    for (const Segment& s : line.segments)
      for (Segment& part : captions_of(s)) captions.push_back(std::move(part));
    std::vector<Header> words;
    for (const Segment& s : captions) {
      Period p;
      // A caption with a date of its own ("The quarter to May 7, 2023") is not over single columns.
      const auto own = find_mentions(s.text).periods;
      if (std::any_of(own.begin(), own.end(), [](const PeriodMention& m) { return m.period.year != 0; })) continue;
      if (s.text.size() < 70 && header_words(s.text, &p)) words.push_back({s.begin, s.end, p});
    }
    // Each of several captions stands over an equal share of the years.
    const size_t share = words.size() > 1 && years.size() % words.size() == 0 ? years.size() / words.size() : 0;
    for (size_t c = 0; c < cells->size(); ++c) {
      PageCell& cell = (*cells)[c];
      const Header* best = nullptr;
      double best_distance = 1e9;
      if (share > 0 && year_index[c] < years.size()) best = &words[year_index[c] / share], best_distance = -1;
      for (const Header& h : words) {
        const double centre = (cell.begin + cell.end) / 2.0;
        const double inside = centre >= h.begin && centre <= h.end ? 0 : std::min(std::abs(centre - h.begin), std::abs(centre - h.end));
        if (inside < best_distance) best_distance = inside, best = &h;
      }
      if (best == nullptr || cell.period.year == 0) continue;
      if (words.size() == 1 && best->end < left) {
        // A caption at the left margin says nothing about single columns, but its span holds for all.
        if (best->period.month == 0) continue;
      }
      if (cell.period.month == 0) cell.period.month = best->period.month, cell.period.day = best->period.day;
      // "First Quarter" over "Fiscal Year" over "2022".
      if (best->period.span == Span::quarter && best->period.count != 0 && cell.period.span == Span::year)
        cell.period.span = Span::quarter, cell.period.count = best->period.count;
      if (cell.period.span == Span::unknown || cell.period.span == Span::instant) {
        if (best->period.span != Span::unknown && best->period.span != Span::instant)
          cell.period.span = best->period.span, cell.period.count = best->period.count;
      }
      cell.period.fiscal = cell.period.fiscal || best->period.fiscal;
    }
  }
}

// "The following table shows the activities of fiscal 2023 (in millions):" over columns without years.
void PageLayout::period_of_caption(size_t last, std::vector<PageCell>* cells) const {
  std::string text;
  for (size_t i = last + 1; i-- > 0 && last - i < 4 && !lines_[i].blank;) text = lines_[i].text + " " + text;
  const size_t end = text.rfind(". ");
  Period only;
  for (const PeriodMention& m : find_mentions(end == std::string::npos || end + 40 > text.size() ? text : text.substr(end)).periods) {
    if (m.period.year == 0) continue;
    if (only.year != 0 && only.year != m.period.year) return;
    only.year = m.period.year;
  }
  for (PageCell& cell : *cells) cell.period.year = only.year;
}

// "Balance at December 31, 2022", "As of July 31, 2023": a row with a date of its own.
bool PageLayout::period_of_label(std::string_view label, std::vector<PageCell>* cells) const {
  const auto mentions = find_mentions(label).periods;
  if (mentions.size() != 1 || mentions.front().period.year == 0) return false;
  const PeriodMention& m = mentions.front();
  const std::string before = lower_ascii(normalise_text(label.substr(0, m.begin)));
  const std::string after = normalise_text(label.substr(m.end));
  const bool whole = before.empty() && after.empty();
  const bool dated = m.period.month != 0 && m.period.day != 0 && after.size() <= 1 &&
                     (before.ends_with("as of") || before.ends_with(" at") || before == "at" || has(before, "balance"));
  if (!whole && !dated) return false;
  for (PageCell& cell : *cells) cell.period = m.period;
  return true;
}

// A row between two balances, without a header over it, moved in the period that the lower balance ends.
bool PageLayout::period_of_movement(size_t at, std::vector<PageCell>* cells) const {
  auto balance = [&](size_t i) -> std::optional<Period> {
    const std::string text = lower_ascii(normalise_text(lines_[i].text));
    if (!text.starts_with("balance") && !has(text.substr(0, 40), "as of ") && !has(text.substr(0, 30), " at ")) return std::nullopt;
    for (const PeriodMention& m : find_mentions(text).periods)
      if (m.period.year != 0 && m.period.month != 0) return m.period;
    return std::nullopt;
  };
  bool opened = false;
  for (size_t i = at; i-- > 0 && at - i < 20 && !opened;) opened = balance(i).has_value();
  for (size_t i = at + 1; opened && i < lines_.size() && i - at < 20; ++i) {
    const auto closing = balance(i);
    if (!closing) continue;
    for (PageCell& cell : *cells) cell.period.year = closing->year;
    return true;
  }
  return false;
}

// "2022" alone at the left above rows whose columns are headed by days or quarters without a year.
bool PageLayout::periods_of_stub(size_t at, std::vector<PageCell>* cells) const {
  Period stub;
  const int left = cells->front().begin;
  for (size_t i = at; i-- > 0 && at - i < 30;) {
    const Line& line = lines_[i];
    if (line.blank || line.n_numbers > 0) continue;
    if (stub.year == 0) {
      // The first line without numbers must be the stub, or the columns have years of their own.
      if (line.segments.size() != 1 || line.segments.front().end >= left) {
        if (line.n_years > 0) return false;
        continue;
      }
      const std::string text = normalise_text(line.segments.front().text);
      const auto mentions = find_mentions(text).periods;
      if (mentions.size() == 1 && mentions.front().period.year != 0 && mentions.front().period.month == 0 && mentions.front().begin == 0 &&
          mentions.front().end + 1 >= text.size())
        stub = mentions.front().period;
      continue;
    }
    if (line.n_years > 0) continue;
    std::vector<std::pair<int, Period>> heads;
    for (const Segment& s : line.segments) {
      Period p;
      if (s.text.size() < 40 && header_words(s.text, &p) && (p.month != 0 || p.count != 0)) heads.emplace_back((s.begin + s.end) / 2, p);
    }
    if (heads.size() < 2) continue;
    for (size_t c = 0; c < cells->size(); ++c) {
      PageCell& cell = (*cells)[c];
      const int centre = (cell.begin + cell.end) / 2;
      auto best = std::min_element(heads.begin(), heads.end(), [&](const auto& a, const auto& b) { return std::abs(a.first - centre) < std::abs(b.first - centre); });
      if (heads.size() == cells->size()) best = heads.begin() + static_cast<std::ptrdiff_t>(c);
      cell.period = best->second;
      cell.period.year = stub.year;
      cell.period.fiscal = stub.fiscal;
      if (cell.period.span == Span::unknown || cell.period.span == Span::instant)
        for (size_t up = 0; up <= 2 && up <= i; ++up) {
          Period above;
          if (header_words(lines_[i - up].text, &above) && above.span == Span::quarter) cell.period.span = Span::quarter;
        }
      // Quarters that end in March, June, September and December are numbered so unless the year is fiscal.
      if (cell.period.span == Span::quarter && cell.period.count == 0 && !stub.fiscal && cell.period.month % 3 == 0) cell.period.count = cell.period.month / 3;
    }
    return true;
  }
  return false;
}

void PageLayout::open_percentages(size_t at, PageRow* row) const {
  const std::string above = lower_ascii(row->above);
  const bool rates = has(above, "interest rate") || has(above, "rate (%)") || has(above, "coupon");
  auto decimals = [](const PageCell& c) { return c.number.printed.find('.') != std::string::npos; };
  for (PageCell& cell : row->cells) {
    if (cell.number.unit != NumeralUnit::plain || !decimals(cell) || !(cell.number.value.magnitude() < Rational(1000))) continue;
    if (rates && cell.number.value.magnitude() < Rational(30)) cell.percent_open = true;
    for (size_t i = at > 15 ? at - 15 : 0; i < std::min(at + 8, lines_.size()) && !cell.percent_open; ++i) {
      if (i == at || !has(lines_[i].text, "%")) continue;
      for (const PageCell& other : cells_of(lines_[i], nullptr))
        cell.percent_open = cell.percent_open || (other.number.unit == NumeralUnit::percent && std::abs(other.end - cell.end) <= 4);
    }
  }
}

void PageLayout::set_scales(size_t at, PageRow* row) const {
  int scale = -1, of_column = -1;
  // The nearest note above; a row's own label may carry one ("Total cardholders (000's)").
  for (size_t i = at + 1; i-- > 0;) {
    const int found = note_scale(lines_[i].text);
    // "(000's)" over one column among others says nothing of the rest.
    if (found >= 0 && i < at && lines_[i].segments.size() > 2 && of_column < 0) {
      of_column = found;
      continue;
    }
    if (found >= 0) {
      scale = found;
      break;
    }
  }
  // A note over one column may be that of the table before: the document's own scale stays open too.
  if (scale < 0) std::swap(scale, of_column), of_column = scale >= 0 ? fallback_scale_ : -1;
  std::string near = lower_ascii(row->label);
  near += " " + lower_ascii(row->above.substr(0, 160));
  auto any = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return has(near, w); });
  };
  const bool per_share = any({"per share", "per common share", "diluted", "basic", "dividend", "earnings/(loss)", "per unit"});
  for (PageCell& cell : row->cells) {
    const Numeral& n = cell.number;
    if (n.unit == NumeralUnit::percent || n.unit == NumeralUnit::points) {
      cell.scales = {0};
      continue;
    }
    const size_t point = n.printed.find('.');
    size_t places = 0;
    if (point != std::string::npos)
      while (point + 1 + places < n.printed.size() && n.printed[point + 1 + places] >= '0' && n.printed[point + 1 + places] <= '9') ++places;
    const bool small = places >= 2 && n.value.magnitude() < Rational(1000);
    if (n.printed.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos) {
      cell.scales = {0};  // "8 years"
    } else if (scale < 0) {
      cell.scales = {0};
      if (fallback_scale_ > 0 && !(small && per_share)) cell.scales.push_back(fallback_scale_);
    } else if (small && per_share) {
      cell.scales = {0};
    } else if (small || has(near, "weighted average") || (scale > 3 && !(n.value.magnitude() < Rational(1000000)))) {
      // Two decimals are those of a price or a rate, which no note scales, unless all amounts have them; millions of
      // millions are a count.
      cell.scales = {scale, 0};
    } else {
      cell.scales = {scale};
      if (of_column >= 0 && of_column != scale) cell.scales.push_back(of_column);
    }
  }
}

std::optional<PageRow> PageLayout::row(size_t at) const {
  if (at >= lines_.size()) return std::nullopt;
  PageRow out;
  out.cells = cells_of(lines_[at], &out.label);
  if (out.cells.empty()) return std::nullopt;
  // Prose that happens to end in spaced numbers has long segments.
  for (const Segment& s : lines_[at].segments)
    if (s.text.size() > 110) return std::nullopt;
  bool percent = has(out.label, "%");
  int headings = 0;
  for (size_t i = at; i-- > 0 && at - i < 40;) {
    const Line& line = lines_[i];
    if (line.blank) continue;
    const std::string text = normalise_text(line.text);
    if (has(text, "%") && line.n_numbers == 0) percent = true;
    if (has(lower_ascii(text), "percent")) percent = true;
    if (line.n_numbers == 0 && headings < 8) out.above += (out.above.empty() ? "" : " / ") + text, ++headings;
  }
  out.percent_column = percent;
  if (!period_of_label(out.label, &out.cells)) set_periods(at, &out.cells);
  set_scales(at, &out);
  open_percentages(at, &out);
  return out;
}

std::string PageLayout::paragraph(const QuotePlace& place) const {
  size_t from = place.first_line, to = place.last_line;
  while (from > 0 && !lines_[from - 1].blank && place.first_line - from < 10) --from;
  while (to + 1 < lines_.size() && !lines_[to + 1].blank && to - place.last_line < 10) ++to;
  std::string out;
  for (size_t i = from; i <= to; ++i) out += lines_[i].text + "\n";
  return normalise_text(out);
}

std::string PageLayout::sentence(const QuotePlace& place, std::string_view quote) const {
  const std::string whole = paragraph(place);
  const std::string wanted = normalise_text(quote);
  // Normalised text differs from the quote in spaces around marks only: find it by squeezed position.
  const std::string squeezed_whole = squeeze(whole), squeezed_quote = squeeze(wanted);
  const size_t at = squeezed_whole.find(squeezed_quote);
  if (at == std::string::npos || squeezed_quote.empty()) return whole;
  size_t begin = 0, end = whole.size(), seen = 0;
  const std::string lowered = lower_ascii(whole);
  for (size_t i = 0; i < whole.size(); ++i) {
    if (lowered[i] == ' ' || lowered[i] == '|') continue;
    if (seen == at) begin = i;
    if (++seen == at + squeezed_quote.size()) {
      end = i + 1;
      break;
    }
  }
  auto ends_sentence = [&](size_t i) {
    if (whole[i] != '.' && whole[i] != '!' && whole[i] != '?' && whole[i] != ';') return false;
    if (i + 2 < whole.size() && !(whole[i + 1] == ' ' && ((whole[i + 2] >= 'A' && whole[i + 2] <= 'Z') || whole[i + 2] == '"'))) return false;
    // "U.S. Net", "Inc. We": an initial or a short capitalised word before the point.
    if (i >= 1 && whole[i - 1] >= 'A' && whole[i - 1] <= 'Z') return false;
    return true;
  };
  while (begin > 0 && !ends_sentence(begin - 1)) --begin;
  while (end < whole.size() && !ends_sentence(end - 1)) ++end;
  return normalise_text(std::string_view(whole).substr(begin, end - begin));
}

}  // namespace consort::tool
