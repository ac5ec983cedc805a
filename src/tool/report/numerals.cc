#include "tool/report/numerals.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "contract/utf8.h"

namespace consort::tool {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Token {
  size_t begin = 0, end = 0;
  std::string word;  // Lower case; of a number, its digits.
  bool number = false;
};

// Words, numbers ("1,234.5") and single marks.
std::vector<Token> tokenise(std::string_view text) {
  std::vector<Token> out;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      ++i;
      continue;
    }
    Token t;
    t.begin = i;
    const bool point_number = c == '.' && i + 1 < text.size() && is_digit(text[i + 1]) && (i == 0 || !is_alpha(text[i - 1]));
    if (is_digit(c) || point_number) {
      t.number = true;
      while (i < text.size()) {
        if (is_digit(text[i])) {
          ++i;
        } else if (text[i] == ',' && i + 3 < text.size() && is_digit(text[i + 1]) && is_digit(text[i + 2]) &&
                   is_digit(text[i + 3]) && (i + 4 >= text.size() || !is_digit(text[i + 4])) && i > t.begin) {
          ++i;
        } else {
          break;
        }
      }
      if (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1]))
        for (++i; i < text.size() && is_digit(text[i]);) ++i;
    } else if (is_alpha(c)) {
      while (i < text.size() && (is_alpha(text[i]) || is_digit(text[i]))) ++i;
    } else {
      uint32_t code = 0;
      const int n = contract::decode_utf8(text, i, &code);
      i += n > 0 ? static_cast<size_t>(n) : 1;
    }
    t.end = i;
    t.word = lower_ascii(text.substr(t.begin, t.end - t.begin));
    out.push_back(std::move(t));
  }
  return out;
}

int scale_of(std::string_view word) {
  static const std::map<std::string, int, std::less<>> kScales = {
      {"thousand", 3}, {"thousands", 3}, {"k", 3}, {"million", 6}, {"millions", 6}, {"m", 6}, {"mn", 6}, {"mm", 6},
      {"billion", 9}, {"billions", 9}, {"bn", 9}, {"b", 9}, {"trillion", 12}, {"trillions", 12}, {"tn", 12}};
  const auto found = kScales.find(word);
  return found == kScales.end() ? 0 : found->second;
}

int small_number(std::string_view word) {
  static constexpr std::array<std::string_view, 21> kWords = {
      "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
      "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
  for (size_t i = 0; i < kWords.size(); ++i)
    if (kWords[i] == word) return static_cast<int>(i);
  static const std::map<std::string, int, std::less<>> kTens = {
      {"thirty", 30}, {"forty", 40}, {"fifty", 50}, {"sixty", 60}, {"seventy", 70}, {"eighty", 80}, {"ninety", 90}, {"dozen", 12}};
  const auto found = kTens.find(word);
  return found == kTens.end() ? -1 : found->second;
}

std::string currency_of(std::string_view mark) {
  if (mark == "$" || mark == "usd" || mark == "dollars" || mark == "dollar") return "USD";
  if (mark == "\u20ac" || mark == "eur" || mark == "euros" || mark == "euro") return "EUR";
  if (mark == "\u00a3" || mark == "gbp" || mark == "pounds") return "GBP";
  return "";
}

bool is_minus(std::string_view mark) { return mark == "-" || mark == "\u2212" || mark == "\u2013" || mark == "\u2014"; }

int year_of(const Token& t) {
  if (!t.number || t.word.size() != 4 || (t.word[0] != '1' && t.word[0] != '2')) return 0;
  for (const char c : t.word)
    if (!is_digit(c)) return 0;
  const int y = std::stoi(t.word);
  return y >= 1950 && y <= 2100 ? y : 0;
}

class Finder {
 public:
  explicit Finder(std::string_view text) : text_(text), tokens_(tokenise(text)), used_(tokens_.size(), false) {}

  Mentions run() {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (!used_[i]) period_at(i);
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (!used_[i]) numeral_at(i);
    return std::move(out_);
  }

 private:
  std::string_view word(size_t i) const { return i < tokens_.size() ? std::string_view(tokens_[i].word) : std::string_view(); }
  bool number(size_t i) const { return i < tokens_.size() && tokens_[i].number; }
  bool adjacent(size_t i) const { return i > 0 && i < tokens_.size() && tokens_[i - 1].end == tokens_[i].begin; }

  void mention(size_t from, size_t to, const Period& period) {
    for (size_t i = from; i < to; ++i) used_[i] = true;
    out_.periods.push_back({tokens_[from].begin, tokens_[to - 1].end, period});
  }

  // "January 31, 2023", "Jan. 31" at i; the index after it, or i.
  size_t date_at(size_t i, Period* p) const {
    const int month = month_number(word(i));
    if (month == 0 || (i < tokens_.size() && text_[tokens_[i].begin] >= 'a' && word(i) == "may")) return i;
    size_t at = i + 1;
    if (word(at) == ".") ++at;
    if (number(at) && word(at).size() <= 2 && std::stoi(std::string(word(at))) >= 1 && std::stoi(std::string(word(at))) <= 31) {
      p->day = std::stoi(std::string(word(at)));
      ++at;
      if (word(at) == "," && at + 1 < tokens_.size() && year_of(tokens_[at + 1]) != 0) ++at;
    }
    if (at < tokens_.size() && year_of(tokens_[at]) != 0) p->year = year_of(tokens_[at++]);
    if (p->day == 0 && p->year == 0) return i;
    p->month = month;
    p->span = Span::instant;
    return at;
  }

  // "twelve weeks", "three months", "six months": span and count at i.
  size_t duration_at(size_t i, Period* p) const {
    int n = -1;
    if (number(i) && word(i).size() <= 2) n = std::stoi(std::string(word(i)));
    if (n < 0) n = small_number(word(i));
    if (n < 1) return i;
    size_t at = i + 1;
    if (is_minus(word(at))) ++at;
    const std::string_view unit = word(at);
    if (unit == "months" || unit == "month") {
      p->span = n == 3 ? Span::quarter : n == 6 ? Span::half : n == 9 ? Span::nine_months : n == 12 ? Span::year : Span::unknown;
      if (p->span == Span::unknown) return i;
    } else if (unit == "weeks" || unit == "week") {
      if (n >= 52) p->span = Span::year; else p->span = Span::weeks;
      p->count = n;
    } else {
      return i;
    }
    return at + 1;
  }

  void period_at(size_t i) {
    Period p;
    // ISO date.
    if (i + 4 < tokens_.size() && year_of(tokens_[i]) != 0 && word(i + 1) == "-" && number(i + 2) && word(i + 2).size() == 2 &&
        word(i + 3) == "-" && number(i + 4) && word(i + 4).size() == 2 && adjacent(i + 1) && adjacent(i + 2) && adjacent(i + 4)) {
      p.year = year_of(tokens_[i]);
      p.month = std::stoi(std::string(word(i + 2)));
      p.day = std::stoi(std::string(word(i + 4)));
      p.span = Span::instant;
      if (p.month >= 1 && p.month <= 12) return mention(i, i + 5, p);
    }
    // "the three months ended April 30, 2023", "36 weeks ended May 7, 2023"
    if (size_t at = duration_at(i, &p); at != i) {
      if (word(at) == "ended" || word(at) == "ending" || word(at) == "to" || word(at) == "of") {
        Period date;
        const size_t after = date_at(at + 1, &date);
        if (after != at + 1) {
          p.year = date.year, p.month = date.month, p.day = date.day;
          return mention(i, after, p);
        }
        if (at + 1 < tokens_.size() && (word(at + 1) == "fiscal") && at + 2 < tokens_.size() && year_of(tokens_[at + 2]) != 0) {
          p.year = year_of(tokens_[at + 2]), p.fiscal = true;
          return mention(i, at + 3, p);
        }
        if (at + 1 < tokens_.size() && year_of(tokens_[at + 1]) != 0) {
          p.year = year_of(tokens_[at + 1]);
          return mention(i, at + 2, p);
        }
      }
      if (word(at) == "ended" || (p.span == Span::weeks && p.count > 2)) {
        if (word(at) == "ended") return mention(i, at, p);
      }
      p = Period{};
    }
    if (const size_t at = date_at(i, &p); at != i) return mention(i, at, p);
    // "Q2 2023", "Q2", "second quarter of fiscal 2023", "2Q23"
    int quarter = 0;
    size_t at = i;
    const std::string_view w = word(i);
    if (w.size() == 2 && w[0] == 'q' && w[1] >= '1' && w[1] <= '4') quarter = w[1] - '0', at = i + 1;
    static constexpr std::array<std::string_view, 5> kOrdinals = {"", "first", "second", "third", "fourth"};
    for (int q = 1; q <= 4; ++q)
      if (w == kOrdinals[static_cast<size_t>(q)] && (word(i + 1) == "quarter" || (word(i + 1) == "fiscal" && word(i + 2) == "quarter")))
        quarter = q, at = word(i + 1) == "quarter" ? i + 2 : i + 3;
    if (quarter != 0) {
      p.span = Span::quarter, p.count = quarter;
      size_t next = at;
      if (word(next) == "of" || word(next) == "in") ++next;
      if (word(next) == "fiscal") ++next, p.fiscal = true;
      if (word(next) == "year") ++next;
      if (next < tokens_.size() && year_of(tokens_[next]) != 0) {
        p.year = year_of(tokens_[next]);
        return mention(i, next + 1, p);
      }
      return mention(i, at, p);
    }
    // "fiscal 2022", "fiscal year 2022", "FY2022", "FY 22"
    if (w == "fiscal" || w == "fy") {
      size_t next = i + 1;
      if (word(next) == "year" || word(next) == "years") ++next;
      if (next < tokens_.size() && year_of(tokens_[next]) != 0) {
        p.year = year_of(tokens_[next]), p.fiscal = true, p.span = Span::year;
        return mention(i, next + 1, p);
      }
    }
    if (w.size() == 6 && w.starts_with("fy") && is_digit(w[2]) && is_digit(w[5])) {
      p.year = std::stoi(std::string(w.substr(2))), p.fiscal = true, p.span = Span::year;
      return mention(i, i + 1, p);
    }
    // "FY24", "FY 24", "fiscal '24"
    if (w.size() == 4 && w.starts_with("fy") && is_digit(w[2]) && is_digit(w[3])) {
      p.year = 2000 + std::stoi(std::string(w.substr(2))), p.fiscal = true, p.span = Span::year;
      return mention(i, i + 1, p);
    }
    if (w == "fy" && number(i + 1) && word(i + 1).size() == 2 && is_digit(word(i + 1)[1])) {
      p.year = 2000 + std::stoi(std::string(word(i + 1))), p.fiscal = true, p.span = Span::year;
      return mention(i, i + 2, p);
    }
    if (const int y = i < tokens_.size() ? year_of(tokens_[i]) : 0; y != 0) {
      // "2,022 stores" has a comma; "$2022" and "2022%" are amounts.
      const bool money = i > 0 && !currency_of(word(i - 1)).empty() && adjacent(i);
      const bool unit = word(i + 1) == "%" || word(i + 1) == "percent" || scale_of(word(i + 1)) >= 6;
      if (!money && !unit) {
        p.year = y, p.span = Span::unknown;
        return mention(i, i + 1, p);
      }
    }
  }

  void numeral_at(size_t i) {
    if (number(i)) return digits_at(i);
    const int n = small_number(word(i));
    if (n < 0) return;
    // "one" and "two" are pronouns too often to be figures; "five-year", "twenty-five" stay words.
    const int scale = scale_of(word(i + 1));
    if (n < 3 && scale < 6) return;
    if (i > 0 && is_minus(word(i - 1)) && adjacent(i)) return;
    // "three-quarters", "four in five" are shares in words, no counts.
    const std::string_view part = word(is_minus(word(i + 1)) ? i + 2 : i + 1);
    for (const std::string_view fraction : {"thirds", "quarters", "fourths", "fifths", "sixths", "eighths", "tenths"})
      if (part == fraction && (part != "quarters" || is_minus(word(i + 1)))) return;
    if ((part == "in" || part == "of" ) && small_number(word(i + 2)) > n) { used_[i + 2] = true; return; }
    if (part == "out" && word(i + 2) == "of" && small_number(word(i + 3)) > n) { used_[i + 3] = true; return; }
    Numeral out;
    out.from_word = true;
    int total = n;
    size_t at = i + 1;
    if (n >= 20 && is_minus(word(at)) && adjacent(at) && small_number(word(at + 1)) > 0 && small_number(word(at + 1)) < 10) {
      total += small_number(word(at + 1));
      at += 2;
    }
    out.value = Rational(total);
    finish(out, i, at, "", "");
  }

  void digits_at(size_t i) {
    // "10-K", "A4", "COVID-19", "form 8-K": part of a name.
    const bool glued_before = i > 0 && adjacent(i) && (is_alpha(text_[tokens_[i].begin - 1]) ||
                              (is_minus(word(i - 1)) && i > 1 && adjacent(i - 1) && is_alpha(text_[tokens_[i - 1].begin - 1])));
    const bool form = is_minus(word(i + 1)) && adjacent(i + 1) && adjacent(i + 2) && word(i + 2).size() == 1 && i + 2 < tokens_.size() &&
                      is_alpha(text_[tokens_[i + 2].begin]);
    const bool plan = word(i + 1) == "(" && adjacent(i + 1) && word(i + 2) == "k" && word(i + 3) == ")";  // 401(k)
    if (glued_before || form || plan) return;
    Numeral out;
    auto value = Rational::parse(tokens_[i].word);
    if (!value) return;
    out.value = *value;
    size_t from = i;
    std::string currency;
    if (i > 0 && !currency_of(word(i - 1)).empty()) currency = currency_of(word(i - 1)), from = i - 1;
    bool negative = false;
    if (from > 0 && is_minus(word(from - 1)) && tokens_[from - 1].end == tokens_[from].begin &&
        (from < 2 || tokens_[from - 2].end != tokens_[from - 1].begin)) {
      negative = true, --from;
    } else if (from > 0 && word(from - 1) == "(" ) {
      size_t close = i + 1;
      while (close < tokens_.size() && (word(close) == "%" || scale_of(word(close)) > 0)) ++close;
      // "(2,722)" is negative; "(5)" after a word is a note, "(53 weeks)" a remark.
      if (word(close) == ")" && (from < 2 || !is_alpha(text_[tokens_[from - 2].end - 1]) || !currency.empty())) negative = true;
    }
    size_t at = i + 1;
    // "$(1,269) million": the brackets stand inside the sign.
    if (currency.empty() && i > 1 && word(i - 1) == "(" && word(at) == ")" && !currency_of(word(i - 2)).empty()) {
      currency = currency_of(word(i - 2));
      negative = true, from = i - 2, ++at;
    }
    if (!currency.empty() && !negative && i > 1 && word(i - 2) == "(" && word(i + 1) == ")") negative = true;
    if (negative) out.value = out.value.negated();
    finish(out, from, at, currency, tokens_[i].word);
  }

  void finish(Numeral& out, size_t from, size_t at, std::string currency, const std::string& digits) {
    int places = 0;
    if (!out.from_word) {
      const size_t point = digits.find('.');
      if (point != std::string::npos) places = static_cast<int>(digits.size() - point - 1);
    }
    // Ordinals.
    const std::string_view next = word(at);
    if (!out.from_word && at < tokens_.size() && adjacent(at) && (next == "th" || next == "st" || next == "nd" || next == "rd")) {
      out.ordinal = true;
      ++at;
    }
    size_t scale_at = at;
    if (is_minus(word(scale_at)) && scale_of(word(scale_at + 1)) >= 6) ++scale_at;
    if (const int scale = scale_of(word(scale_at)); scale > 0 && (word(scale_at).size() > 1 || tokens_[scale_at - 1].end == tokens_[scale_at].begin)) {
      out.scale = scale;
      at = scale_at + 1;
    }
    const std::string_view mark = word(at);
    if (mark == "%" || mark == "percent" || mark == "pct") {
      out.unit = NumeralUnit::percent, ++at;
      if (word(at) == "point" || word(at) == "points") out.unit = NumeralUnit::points, ++at;
    } else if (mark == "percentage" && (word(at + 1) == "points" || word(at + 1) == "point")) {
      out.unit = NumeralUnit::points, at += 2;
    } else if (mark == "basis" && (word(at + 1) == "points" || word(at + 1) == "point")) {
      out.unit = NumeralUnit::points, at += 2;
      out.value = *out.value.over(Rational(100));
      places += 2;
    } else if (mark == "cents" || mark == "cent") {
      out.unit = NumeralUnit::currency, currency = "USD", ++at;
      out.value = *out.value.over(Rational(100));
      places += 2;
    } else if (mark == "points" || mark == "pp" || mark == "point") {
      out.unit = NumeralUnit::points, ++at;
    } else if (mark == "times" || (mark == "x" && adjacent(at)) || mark == "\u00d7") {
      out.unit = NumeralUnit::times, ++at;
    } else if (!currency.empty()) {
      out.unit = NumeralUnit::currency;
    } else if (!currency_of(mark).empty() && mark != "$") {
      out.unit = NumeralUnit::currency, currency = currency_of(mark), ++at;
    }
    out.currency = out.unit == NumeralUnit::currency ? currency : "";
    const Rational unit_scale = *Rational(10).power(out.scale);
    out.value = *out.value.times(unit_scale);
    out.half_step = out.from_word ? Rational(0) : *Rational::of("0.5").times(*Rational(10).power(out.scale - places));
    approximate(out, from);
    // "$15 billion and more" is a floor, not a rounded figure.
    if ((word(at) == "and" || word(at) == "or") && (word(at + 1) == "more" || word(at + 1) == "above")) out.approximation = Approximation::above, out.half_step = Rational(0);
    for (size_t k = from; k < at; ++k) used_[k] = true;
    out.begin = tokens_[from].begin;
    out.end = tokens_[at - 1].end;
    out.printed = std::string(text_.substr(out.begin, out.end - out.begin));
    out_.numerals.push_back(std::move(out));
  }

  void approximate(Numeral& out, size_t from) const {
    if (from == 0) return;
    const std::string_view before = word(from - 1), earlier = from > 1 ? word(from - 2) : std::string_view();
    if (before == "about" || (before == "to" && earlier == "close") || (before == "like" && earlier == "something") || before == "approximately" || before == "around" || before == "roughly" || before == "some" || before == "~")
      out.approximation = Approximation::about;
    if (before == "over" || before == "exceeding" || before == "past" || before == "topped" || before == "topping" || before == "passed" || before == "crossed" || before == "surpassed" || before == "exceeded" || before == "above" || (before == "than" && (earlier == "more" || earlier == "greater" || earlier == "higher")) ||
        (before == "least" && earlier == "at"))
      out.approximation = Approximation::above;
    if (before == "nearly" || before == "almost" || before == "under" || before == "below" || before == "approaching" || (before == "of" && earlier == "short") || (before == "than" && (earlier == "less" || earlier == "fewer")) ||
        (before == "to" && earlier == "up") || (before == "most" && earlier == "at"))
      out.approximation = Approximation::below;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::vector<bool> used_;
  Mentions out_;
};

}  // namespace

std::string_view name(NumeralUnit unit) {
  switch (unit) {
    case NumeralUnit::plain: return "plain";
    case NumeralUnit::currency: return "currency";
    case NumeralUnit::percent: return "percent";
    case NumeralUnit::points: return "points";
    case NumeralUnit::times: return "times";
  }
  return "";
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

int month_number(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kMonths = {"january", "february", "march", "april", "may", "june", "july",
                                                               "august", "september", "october", "november", "december"};
  const std::string w = lower_ascii(word);
  for (size_t i = 0; i < kMonths.size(); ++i)
    if (w == kMonths[i] || (w.size() == 3 && kMonths[i].starts_with(w)) || (w == "sept" && i == 8)) return static_cast<int>(i) + 1;
  return 0;
}

std::string normalise_text(std::string_view text) {
  std::string out;
  bool space = false;
  auto put = [&](std::string_view piece) {
    if (space && !out.empty()) out += ' ';
    space = false;
    out += piece;
  };
  for (size_t i = 0; i < text.size();) {
    uint32_t code = 0;
    const int n = contract::decode_utf8(text, i, &code);
    if (n == 0) {
      ++i;
      continue;
    }
    if (code == ' ' || code == '\n' || code == '\t' || code == '\r' || code == '\f' || code == 0xA0 || (code >= 0x2000 && code <= 0x200B) ||
        code == 0x202F || code == 0x3000 || code == 0xFEFF) {
      space = true;
    } else if (code == 0x2010 || code == 0x2011 || code == 0x2012 || code == 0x2013 || code == 0x2014 || code == 0x2212) {
      put("-");
    } else if (code == 0x2018 || code == 0x2019 || code == 0x201B || code == 0x2032) {
      put("'");
    } else if (code == 0x201C || code == 0x201D || code == 0x2033) {
      put("\"");
    } else if (code == 0xAD) {
    } else {
      put(text.substr(i, static_cast<size_t>(n)));
    }
    i += static_cast<size_t>(n);
  }
  return out;
}

namespace {
bool has_compare_word(std::string_view between) {
  const std::string t = lower_ascii(between);
  for (const std::string_view word : {"compared", "versus", " vs", "against", "up from", "down from"})
    if (t.find(word) != std::string::npos) return true;
  return false;
}
}  // namespace

bool is_comparison(std::string_view text, const PeriodMention& m) {
  const size_t from = m.begin > 26 ? m.begin - 26 : 0;
  const std::string before = lower_ascii(text.substr(from, m.begin - from));
  for (const std::string_view word : {"compared to ", "compared with ", "versus ", "vs. ", "vs ", "over ", "against ", "than in ", "than ", "compared to the "})
    if (before.ends_with(word)) return true;
  return false;
}

const PeriodMention* period_of(std::string_view text, const std::vector<PeriodMention>& periods, size_t begin, size_t end, size_t until) {
  const PeriodMention *after = nullptr, *before = nullptr;
  for (const PeriodMention& m : periods) {
    if (is_comparison(text, m)) continue;
    if (m.end <= begin) before = &m;
    if (m.begin >= end && m.begin < until && after == nullptr && !has_compare_word(text.substr(end, m.begin - end))) after = &m;
  }
  if (after == nullptr || before == nullptr) return after != nullptr ? after : before;
  // "Its year 2022 had 53 weeks, 2021 had 52": a comma parts the figure from what follows.
  const std::string_view gap = text.substr(end, after->begin - end), back = text.substr(before->end, begin - before->end);
  const bool parted = gap.find_first_of(",;") != std::string_view::npos, joined = back.find_first_of(",;") == std::string_view::npos;
  return parted && joined ? before : after;
}

namespace {
bool joins_list(std::string_view between) {
  for (const char c : between)
    if (c != ' ' && c != ',' && !(c >= 'a' && c <= 'z')) return false;
  const std::string t = normalise_text(between);
  return t == "," || t == "and" || t == ", and" || t == "&" || t.empty() || t == "or" || t == ", fiscal" || t == "and fiscal" || t == ", and fiscal";
}

// Runs of neighbouring mentions: [first, last] indices.
template <typename T>
std::vector<std::pair<size_t, size_t>> runs_of(std::string_view text, const std::vector<T>& items) {
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t i = 0; i < items.size();) {
    size_t j = i;
    while (j + 1 < items.size() && items[j + 1].begin >= items[j].end && joins_list(text.substr(items[j].end, items[j + 1].begin - items[j].end))) ++j;
    out.emplace_back(i, j);
    i = j + 1;
  }
  return out;
}

}  // namespace

std::vector<const PeriodMention*> place_periods(std::string_view text, const Mentions& mentions) {
  std::vector<const PeriodMention*> out(mentions.numerals.size(), nullptr);
  const auto number_runs = runs_of(text, mentions.numerals), period_runs = runs_of(text, mentions.periods);
  // "17.0 million shares for $1.3 billion and 185.8 million shares for $16.2 billion in 2023 and 2022, respectively":
  // the figures of each unit, in order.
  for (size_t r = 0; r < period_runs.size(); ++r) {
    const auto [pf, pl] = period_runs[r];
    const std::string_view tail = text.substr(mentions.periods[pl].end, 16);
    if (pl == pf || tail.find("respectively") == std::string_view::npos) continue;
    const size_t from = pf == 0 ? 0 : mentions.periods[pf - 1].end;
    std::map<NumeralUnit, std::vector<size_t>> of_unit;
    for (size_t i = 0; i < out.size(); ++i)
      if (mentions.numerals[i].begin >= from && mentions.numerals[i].end <= mentions.periods[pf].begin) of_unit[mentions.numerals[i].unit].push_back(i);
    for (const auto& [unit, indices] : of_unit)
      for (size_t k = 0; indices.size() == pl - pf + 1 && k < indices.size(); ++k) out[indices[k]] = &mentions.periods[pf + k];
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const Numeral& n = mentions.numerals[i];
    for (const auto& [first, last] : number_runs) {
      if (i < first || i > last || last == first) continue;
      for (const auto& [pf, pl] : period_runs)
        if (pl - pf == last - first) out[i] = &mentions.periods[pf + (i - first)];
    }
    for (const PeriodMention& m : mentions.periods) {
      if (out[i] != nullptr || m.begin < n.end) continue;
      const std::string gap = lower_ascii(text.substr(n.end, m.begin - n.end));
      for (const std::string_view in : {" in ", " in the ", " at ", " on ", " for ", " for the ", " during ", " as of ", " at the end of ", " of ", " (", " by "})
        if (gap == in) out[i] = &m;
    }
    for (const PeriodMention& m : mentions.periods) {
      if (out[i] != nullptr || m.end > n.begin) continue;
      const std::string gap = lower_ascii(text.substr(m.end, n.begin - m.end));
      for (const std::string_view in : {" (", ": ", ", ", "'s ", "\u2019s ", " figure was ", " figure of "})
        if (gap == in) out[i] = &m;
    }
  }
  return out;
}

std::optional<Numeral> parse_cell(std::string_view text) {
  std::string t = normalise_text(text);
  Numeral out;
  out.printed = t;
  std::string digits;
  bool negative = false, percent = false, open = false;
  size_t places = 0;
  bool point = false;
  for (size_t i = 0; i < t.size(); ++i) {
    const char c = t[i];
    if (is_digit(c)) {
      digits += c;
      if (point) ++places;
    } else if (c == ',' && i > 0 && is_digit(t[i - 1]) && i + 3 < t.size() && is_digit(t[i + 1]) && is_digit(t[i + 2]) && is_digit(t[i + 3])) {
    } else if (c == '.' && i + 1 < t.size() && is_digit(t[i + 1]) && !point) {
      digits += digits.empty() ? "0." : ".", point = true;
    } else if (c == '(') {
      open = true;
    } else if (c == ')') {
      if (open && !digits.empty()) negative = true;
    } else if (c == '-' && digits.empty()) {
      negative = true;
    } else if (c == '$') {
      out.unit = NumeralUnit::currency, out.currency = "USD";
    } else if (t.substr(i).starts_with("\u20ac")) {
      out.unit = NumeralUnit::currency, out.currency = "EUR", i += 2;
    } else if (t.substr(i).starts_with("\u00a3")) {
      out.unit = NumeralUnit::currency, out.currency = "GBP", i += 1;
    } else if (c == '%') {
      percent = true;
    } else if (c == ' ') {
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty()) return std::nullopt;
  auto value = Rational::parse(digits);
  if (!value) return std::nullopt;
  out.value = negative ? value->negated() : *value;
  out.half_step = *Rational::of("0.5").times(*Rational(10).power(-static_cast<int64_t>(places)));
  if (percent) out.unit = NumeralUnit::percent, out.currency.clear();
  out.end = text.size();
  return out;
}

Mentions find_mentions(std::string_view text) { return Finder(text).run(); }

}  // namespace consort::tool
