// Evidence: the figures that a claim's citations print, each with unit, period and company.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tool/report/page_layout.h"
#include "tool/report/page_source.h"

namespace consort::tool {

struct Citation {
  std::string doc;
  std::optional<int> page;
  std::string quote;
};

// Groups of figures that stand in no table row: in sentences, and inside a row's label.
inline constexpr int kProseGroup = 1000;
inline constexpr int kLabelGroup = 1001;

// A figure that stands where a citation points, in base units.
struct Printed {
  Rational value;            // Signed as printed.
  NumeralUnit unit = NumeralUnit::plain;
  bool unit_open = false;    // A table cell without a mark: an amount of money or a count.
  bool percent_open = false; // ... that may be a percentage: the table speaks of percent.
  Period period;             // year 0 = unknown.
  Period other_period;       // Of prose that leaves open which of two is meant.
  size_t citation = 0;       // Index in the claim's citations.
  int group = 0;             // Row (or sentence) within the citation; figures of one group compare over time.
  int column = 0;
  int scale = 0;             // Power of ten that was applied.
  int direction = 0;         // Of prose: what the words before it say; of a row: 0.
  std::string printed;
  std::string series;        // Of a CSV: the texts of its record; records with the same texts compare over time.
};

struct Evidence {
  bool page_found = false, quote_found = false;
  std::string problem;       // Why the page cannot be read.
  SourceDocument document;   // name alone when unknown.
  bool is_row = false;
  std::string context;       // Quote with its sentence, or row with what stands above it.
  std::string paragraph, page;
  std::vector<Printed> figures;
  std::vector<int> years;    // Printed in context or paragraph.
  std::string label;         // Of the row.
};

// Reads pages through `source`, keeping the layouts of those it has read. One thread at a time.
class EvidenceReader final {
 public:
  explicit EvidenceReader(const PageSource& source) : source_(source) {}
  // Errors are those of the source's `documents`; a page that cannot be read is data (page_found).
  Result<Evidence> read(const Citation& citation, size_t index);
  Result<const std::vector<SourceDocument>*> documents();

 private:
  struct Page {
    std::optional<PageLayout> layout;
    std::string problem;
  };
  const Page& page(const std::string& doc, std::optional<int> number);
  // What most of the document's notes say, -1 when there are none.
  int document_scale(const std::string& doc);

  const PageSource& source_;
  std::optional<std::vector<SourceDocument>> documents_;
  std::map<std::pair<std::string, int>, Page> pages_;
  std::map<std::string, int> scales_;
};

// Figures of running text, with the period that each belongs to ("$10.9 billion and $16.9 billion in
// 2020 and 2021" pairs in order).
std::vector<Printed> figures_of_prose(std::string_view text);

}  // namespace consort::tool
