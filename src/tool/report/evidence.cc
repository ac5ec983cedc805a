#include "tool/report/evidence.h"

#include <algorithm>

#include "tool/report/words.h"

namespace consort::tool {
namespace {

constexpr int kPagesMax = 2000;
// Bytes of prose over which a direction word speaks of a figure.
constexpr size_t kDirectionReach = 160;

// A sentence that begins with a figure looks like a row: "126 of the 177 leases are land-only".
bool reads_on(std::string_view quote) {
  size_t words = 0, longest = 0;
  for (size_t i = 0; i < quote.size(); ++i) {
    const bool letter = (quote[i] >= 'a' && quote[i] <= 'z') || (quote[i] >= 'A' && quote[i] <= 'Z');
    const bool digit = quote[i] >= '0' && quote[i] <= '9';
    if (digit) words = 0;
    const bool starts = letter && (i == 0 || quote[i - 1] == ' ');
    if (starts) longest = std::max(longest, ++words);
  }
  return longest >= 4 && quote.find_first_of("0123456789") < quote.find_last_of("abcdefghijklmnopqrstuvwxyz") && words >= 4;
}

std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    else if (c == ',' && !quoted) out.emplace_back();
    else if (c != '\r' && c != '\n') out.back().push_back(c);
  }
  return out;
}

// The figures of one CSV record: units and scales stand in the header ("Revenue (USD millions)") or in a column
// of their own, the period in a column of dates or fiscal years. Empty when the quote is no record of the file.
std::vector<Printed> figures_of_csv(std::string_view file, std::string_view record, size_t citation) {
  const auto header = csv_fields(file.substr(0, file.find('\n')));
  const auto fields = csv_fields(record);
  std::vector<Printed> out;
  if (header.size() < 3 || fields.size() != header.size()) return out;
  Period period;
  std::string series, own_unit;
  for (size_t c = 0; c < fields.size(); ++c) {
    const std::string name = normalise_text(header[c]);
    if (lower_ascii(name) == "unit" || lower_ascii(name) == "units") own_unit = fields[c];
    if (fields[c].find_first_of("0123456789") == std::string::npos && name.find("source") == std::string::npos) series += fields[c] + "|";
  }
  for (size_t c = 0; c < fields.size(); ++c) {
    const bool date = fields[c].size() == 10 && fields[c][4] == '-' && fields[c][7] == '-';
    if (date) period.year = std::atoi(fields[c].substr(0, 4).c_str());
  }
  for (size_t c = 0; c < fields.size(); ++c) {
    std::string unit = header[c];
    const std::string heading = lower_ascii(normalise_text(unit));
    if (!own_unit.empty() && (heading == "value" || heading == "amount" || heading == "figure")) unit = own_unit;
    const std::string name = lower_ascii(normalise_text(unit));
    const bool dollars = unit.find("USD") != std::string::npos || unit.find('$') != std::string::npos;
    const bool percent = name.find('%') != std::string::npos || name.find("percent") != std::string::npos;
    const bool count = name.find("(count)") != std::string::npos || name.find("(units)") != std::string::npos;
    auto value = Rational::parse(fields[c]);
    if (!value || (!dollars && !percent && !count)) continue;
    const int scale = name.find("billion") != std::string::npos    ? 9
                      : name.find("million") != std::string::npos  ? 6
                      : name.find("thousand") != std::string::npos ? 3
                                                                   : 0;
    Printed p;
    p.value = *value->times(*Rational(10).power(scale));
    p.unit = percent ? NumeralUnit::percent : count ? NumeralUnit::plain : NumeralUnit::currency;
    p.series = series;
    p.period = period;
    p.citation = citation;
    p.group = 1;
    p.column = static_cast<int>(c);
    p.scale = scale;
    p.printed = fields[c];
    out.push_back(std::move(p));
  }
  return out;
}

}  // namespace

std::vector<Printed> figures_of_prose(std::string_view text) {
  const Mentions mentions = find_mentions(text);
  const auto directions = find_directions(text);
  std::vector<Printed> out;
  const auto placed = place_periods(text, mentions);
  for (size_t i = 0; i < mentions.numerals.size(); ++i) {
    const Numeral& n = mentions.numerals[i];
    Printed p;
    p.value = n.value;
    p.unit = n.unit;
    p.scale = n.scale;
    p.printed = n.printed;
    p.column = static_cast<int>(i);
    for (const Directed& d : directions)
      if (d.begin < n.begin && n.begin - d.begin < kDirectionReach) p.direction = d.direction;
    // "..., an increase of": the word may follow ("7% higher", "7% decrease").
    for (const Directed& d : directions)
      if (d.begin >= n.end && d.begin <= n.end + 2 && (i + 1 >= mentions.numerals.size() || d.begin < mentions.numerals[i + 1].begin)) {
        p.direction = d.direction;
        break;
      }
    const PeriodMention* best = placed[i];
    // "... compared to 2021 capital expenditures of $905 million": what follows a comparison belongs to it.
    for (const PeriodMention& m : mentions.periods) {
      if (best != nullptr || m.end > n.begin || n.begin - m.end > 50 || !is_comparison(text, m)) continue;
      const std::string_view between = text.substr(m.end, n.begin - m.end);
      const bool other_figure = i > 0 && mentions.numerals[i - 1].begin >= m.end;
      if (!other_figure && between.find(',') == std::string_view::npos && between.find(" to ") == std::string_view::npos) best = &m;
    }
    // Past the next figures, or past a comma, the period that stands before may be meant as well.
    const PeriodMention* before = nullptr;
    for (const PeriodMention& m : mentions.periods)
      if (m.end <= n.begin && !is_comparison(text, m)) before = &m;
    if (best == nullptr) {
      best = period_of(text, mentions.periods, n.begin, n.end, text.size());
      const bool far = best != nullptr && before != nullptr && best->begin > n.end && text.substr(n.end, best->begin - n.end).find_first_of("0123456789,;") != std::string_view::npos;
      if (far) p.other_period = before->period;
    }
    if (best != nullptr) p.period = best->period;
    out.push_back(std::move(p));
  }
  return out;
}

Result<const std::vector<SourceDocument>*> EvidenceReader::documents() {
  if (!documents_) {
    CONSORT_ASSIGN(documents_, source_.documents());
  }
  return &*documents_;
}

int EvidenceReader::document_scale(const std::string& doc) {
  if (const auto found = scales_.find(doc); found != scales_.end()) return found->second;
  std::map<int, int> votes;
  for (int number = 1; number <= kPagesMax; ++number) {
    const auto text = source_.page_text(doc, number);
    if (!text) break;
    for (size_t at = 0; at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      const int found = PageLayout::note_scale(std::string_view(*text).substr(at, end - at));
      if (found > 0) ++votes[found];
      at = end + 1;
    }
  }
  int scale = -1, most = 0;
  for (const auto& [candidate, n] : votes)
    if (n > most) scale = candidate, most = n;
  return scales_[doc] = scale;
}

const EvidenceReader::Page& EvidenceReader::page(const std::string& doc, std::optional<int> number) {
  const auto key = std::make_pair(doc, number.value_or(0));
  if (const auto found = pages_.find(key); found != pages_.end()) return found->second;
  Page page;
  auto text = source_.page_text(doc, number);
  if (!text) page.problem = text.error().to_string();
  else page.layout.emplace(*text, number ? document_scale(doc) : -1);
  return pages_.emplace(key, std::move(page)).first->second;
}

Result<Evidence> EvidenceReader::read(const Citation& citation, size_t index) {
  Evidence out;
  out.document.name = citation.doc;
  CONSORT_ASSIGN(const std::vector<SourceDocument>* known, documents());
  for (const SourceDocument& d : *known)
    if (d.name == citation.doc) out.document = d;
  const Page& found = page(citation.doc, citation.page);
  if (!found.layout) {
    out.problem = found.problem;
    return out;
  }
  out.page_found = true;
  const PageLayout& layout = *found.layout;
  out.page = layout.normalised();
  const auto place = layout.find(citation.quote);
  if (!place) return out;
  out.quote_found = true;
  if (!citation.page) {
    const auto file = source_.page_text(citation.doc, std::nullopt);
    if (file) out.figures = figures_of_csv(*file, citation.quote, index);
    if (!out.figures.empty()) {
      out.is_row = true;
      out.context = normalise_text(file->substr(0, file->find('\n'))) + " " + normalise_text(citation.quote);
      for (const Printed& p : out.figures)
        if (p.period.year != 0) out.years.push_back(p.period.year);
      return out;
    }
  }
  int group = 0;
  bool all_rows = true;
  for (size_t line = place->first_line; line <= place->last_line; ++line) {
    const auto row = layout.row(line);
    // A wrapped label has no numbers of its own.
    if (!row) {
      all_rows = all_rows && place->first_line != place->last_line;
      continue;
    }
    // Prose in columns: a quote that is one line of text with a number at its end.
    ++group;
    out.is_row = true;
    out.label += (out.label.empty() ? "" : " / ") + row->label;
    out.context += row->label + " / " + row->above + " ";
    // Rows of one label, of different dates, are one series.
    std::string series = citation.doc + "|" + row->label;
    for (const PeriodMention& m : find_mentions(row->label).periods)
      if (m.period.year != 0) series = citation.doc + "|" + row->label.substr(0, m.begin);
    for (size_t c = 0; c < row->cells.size(); ++c) {
      const PageCell& cell = row->cells[c];
      for (const int scale : cell.scales) {
        Printed p;
        p.value = *cell.number.value.times(*Rational(10).power(scale));
        p.unit = cell.number.unit;
        p.unit_open = cell.number.unit == NumeralUnit::plain;
        p.percent_open = p.unit_open && (row->percent_column || cell.percent_open) && scale == cell.scales.front();
        if (p.percent_open) p.value = *cell.number.value.times(*Rational(10).power(scale));
        p.period = cell.period;
        p.citation = index;
        p.group = group;
        p.column = static_cast<int>(c);
        p.scale = scale;
        p.printed = cell.number.printed;
        p.series = series;
        out.figures.push_back(std::move(p));
        if (out.figures.back().percent_open && scale != 0) {
          // The same cell read as a percentage has no scale.
          Printed percent = out.figures.back();
          percent.value = cell.number.value;
          percent.unit = NumeralUnit::percent;
          percent.unit_open = percent.percent_open = false;
          percent.scale = 0;
          out.figures.back().percent_open = false;
          out.figures.push_back(std::move(percent));
        }
      }
    }
  }
  // "Common stock, $0.005 par value": figures inside a label.
  for (Printed& p : figures_of_prose(out.label)) {
    p.citation = index;
    p.group = kLabelGroup;
    out.figures.push_back(std::move(p));
  }
  out.paragraph = layout.paragraph(*place);
  const std::string sentence = layout.sentence(*place, citation.quote);
  if (!out.is_row) out.context = sentence;
  out.context += " " + normalise_text(citation.quote);
  if (!out.is_row || !all_rows || reads_on(citation.quote)) {
    // "decreased expenses by approximately $148": text of documents that state their scale once, at the front.
    const int scale = citation.page ? document_scale(citation.doc) : -1;
    for (Printed& p : figures_of_prose(sentence)) {
      p.citation = index;
      p.group = kProseGroup;
      const size_t point = p.printed.find('.');
      const bool cents = point != std::string::npos && p.printed.size() >= point + 3;
      if (scale > 0 && p.unit == NumeralUnit::currency && p.scale == 0 && !cents) {
        Printed scaled = p;
        scaled.value = *p.value.times(*Rational(10).power(scale));
        scaled.scale = scale;
        out.figures.push_back(std::move(scaled));
      }
      out.figures.push_back(std::move(p));
    }
  }
  auto add_years = [&](const std::string& text) {
    for (const PeriodMention& m : find_mentions(text).periods)
      if (m.period.year != 0 && !is_comparison(text, m)) out.years.push_back(m.period.year);
  };
  add_years(out.is_row ? out.context : sentence);
  if (out.years.empty() && !out.is_row) add_years(out.paragraph);
  return out;
}

}  // namespace consort::tool
