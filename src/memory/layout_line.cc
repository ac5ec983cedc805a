#include <algorithm>
#include <array>

#include "contract/utf8.h"
#include "memory/layout.h"
#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

struct Token {
  int begin, end;  // Columns.
  std::string_view text;
};

// Tokens between spaces, with columns counted in code points.
std::vector<Token> tokens_of(std::string_view line) {
  std::vector<Token> tokens;
  int column = 0;
  size_t at = 0, start = 0;
  int start_column = -1;
  while (at < line.size()) {
    uint32_t c = 0;
    int n = std::max(1, contract::decode_utf8(line, at, &c));
    bool space = c == ' ' || c == '\t' || c == 0xA0;
    if (space && start_column >= 0) {
      tokens.push_back({start_column, column, line.substr(start, at - start)});
      start_column = -1;
    } else if (!space && start_column < 0) {
      start = at;
      start_column = column;
    }
    at += n;
    ++column;
  }
  if (start_column >= 0) tokens.push_back({start_column, column, line.substr(start)});
  return tokens;
}

bool is_mark(std::string_view t) {
  static constexpr std::array<std::string_view, 16> kMarks = {"*",   "**",  "***", "NM", "N/M", "n/m", "nm", "N/A",
                                                              "n/a", "NA",  "bps", "pts", "pp", "x", "N.M.", "n.m."};
  return std::find(kMarks.begin(), kMarks.end(), t) != kMarks.end();
}

enum class Atom { none, open, currency, number, close, percent, mark };

// What a token can be in the numeric part of a row.
Atom classify(std::string_view t) {
  if (t == "$" || t == "€" || t == "£") return Atom::currency;
  if (t == "$(" || t == "(" || t == "($") return Atom::open;
  if (t == ")" || t == ")%") return Atom::close;
  if (t == "%") return Atom::percent;
  if (is_mark(t)) return Atom::mark;
  if (parse_number(t)) return Atom::number;
  if (t.starts_with("(") || t.starts_with("$(")) {
    std::string closed = std::string(t) + ")";
    if (parse_number(closed)) return Atom::open;
  }
  if (t.ends_with(")") && parse_number(t.substr(0, t.size() - 1)) ) return Atom::close;
  return Atom::none;
}

bool has_number(std::string_view t) { return t.find_first_of("0123456789") != std::string_view::npos; }

// Joins atoms into cells: "$" "(" "0.27" ")" -> one.
std::vector<LayoutCell> join_atoms(const std::vector<Token>& tokens, size_t first) {
  std::vector<LayoutCell> cells;
  bool open = false, complete = true;
  for (size_t i = first; i < tokens.size(); ++i) {
    Atom atom = classify(tokens[i].text);
    bool near = !cells.empty() && tokens[i].begin - cells.back().end <= 2;
    bool joins = false;
    if (!cells.empty() && !complete && (atom == Atom::number || atom == Atom::open || atom == Atom::mark)) joins = true;
    if (!cells.empty() && open && (atom == Atom::number || atom == Atom::close)) joins = true;
    if (!cells.empty() && near && (atom == Atom::percent || atom == Atom::close)) joins = true;
    if (!cells.empty() && near && complete && atom == Atom::mark && tokens[i].text != "NM" &&
        (tokens[i].text == "bps" || tokens[i].text == "pts" || tokens[i].text == "pp" || tokens[i].text == "x"))
      joins = true;
    if (joins) {
      cells.back().text += (complete ? " " : "") + std::string(tokens[i].text);
      cells.back().end = tokens[i].end;
    } else {
      cells.push_back({tokens[i].begin, tokens[i].end, std::string(tokens[i].text)});
    }
    if (atom == Atom::currency) complete = false, open = false;
    if (atom == Atom::open) open = true, complete = has_number(tokens[i].text);
    if (atom == Atom::number || atom == Atom::mark || atom == Atom::percent) complete = true;
    if (atom == Atom::close) open = false, complete = true;
  }
  return cells;
}

bool is_month(std::string_view t) {
  static constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                               "jul", "aug", "sep", "oct", "nov", "dec"};
  if (t.size() < 3) return false;
  std::string low = lower_ascii(t.substr(0, 3));
  return std::find(kMonths.begin(), kMonths.end(), low) != kMonths.end();
}

std::vector<LayoutCell> segments_of(const std::vector<Token>& tokens) {
  std::vector<LayoutCell> out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    bool split = i == 0 || tokens[i].begin - tokens[i - 1].end >= 2;
    // "May 7, 2023 May 8, 2022": two dates one space apart are two headers.
    if (!split && is_year(tokens[i - 1].text) && (is_month(tokens[i].text) || is_year(tokens[i].text))) split = true;
    if (split) {
      out.push_back({tokens[i].begin, tokens[i].end, std::string(tokens[i].text)});
    } else {
      out.back().text += ' ';
      out.back().text += tokens[i].text;
      out.back().end = tokens[i].end;
    }
  }
  return out;
}

}  // namespace

LayoutLine parse_layout_line(std::string_view line, uint64_t begin) {
  LayoutLine out;
  out.begin = begin;
  out.end = begin + line.size();
  auto tokens = tokens_of(line);
  if (tokens.empty()) {
    out.indent = -1;
    return out;
  }
  out.indent = tokens.front().begin;
  out.width = tokens.back().end;
  out.text = collapse_space(line);
  out.segments = segments_of(tokens);
  // Dot leaders ("Total . . . . . 45") belong to the label.
  size_t first = tokens.size();
  while (first > 0 && classify(tokens[first - 1].text) != Atom::none) --first;
  // A number one space after a word is part of the label ("Balance as of January 31, 2022").
  while (first < tokens.size() && first > 0) {
    int gap = tokens[first].begin - tokens[first - 1].end;
    bool leader = tokens[first - 1].text.ends_with("..");
    int needed = classify(tokens[first].text) == Atom::currency ? 1 : 2;
    if (gap >= needed || leader) break;
    ++first;
  }
  if (first == tokens.size()) return out;
  auto cells = join_atoms(tokens, first);
  // "2024    $ 1,234": a year in front of numbers is the label.
  bool year_label = first == 0 && cells.size() >= 2 && is_year(cells.front().text) &&
                    !std::all_of(cells.begin(), cells.end(), [](const auto& c) { return is_year(c.text); }) &&
                    cells[1].begin - cells[0].end >= 4;
  if (year_label) {
    out.label = cells.front().text;
    cells.erase(cells.begin());
  } else {
    for (size_t i = 0; i < first; ++i) {
      if (i > 0) out.label += ' ';
      out.label += tokens[i].text;
    }
    while (out.label.ends_with('.') && out.label.size() >= 2 &&
           (out.label[out.label.size() - 2] == '.' || out.label[out.label.size() - 2] == ' '))
      out.label.pop_back();
    out.label = trim(out.label);
  }
  bool any = std::any_of(cells.begin(), cells.end(), [](const auto& c) { return parse_number(c.text).has_value(); });
  if (!any) {
    out.label.clear();
    return out;
  }
  out.numbers = std::move(cells);
  return out;
}

}  // namespace consort::memory
