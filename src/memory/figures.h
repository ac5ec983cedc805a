// Grids -> figures: each number with its label, period, unit, scale and place.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "memory/column_type.h"
#include "memory/extract.h"
#include "memory/memory.h"
#include "memory/text_store.h"

namespace consort::memory {

struct Period {
  std::string end;   // ISO date; empty if unknown.
  std::string kind;  // year, quarter, half, nine_months, instant; empty if unknown.
};

// The dates that years stand for in one document: "fiscal 2021" of a company whose year ended on
// August 29, 2021. Built from the document's period end and the dates that its text names most often.
class FiscalCalendar final {
 public:
  static FiscalCalendar from_document(const std::string& period_end, const std::string& kind, std::string_view text);
  // Empty when the document says nothing about its fiscal year.
  std::string year_end(int year) const;
  const std::string& period_end() const { return period_end_; }

 private:
  std::string period_end_;
  std::string anchor_;               // "MM-DD" of the fiscal year's end.
  std::map<int, std::string> ends_;  // Year -> most frequent date near the anchor.
};

// Reads a column's header ("Year Ended December 31, 2022", "Three Months Ended June 30, 2023", "Fiscal 2022").
Period parse_period(std::string_view header, const FiscalCalendar& calendar);

// The scale note that holds for tables without one ("amounts in millions" at the head of a chapter).
struct FigureContext {
  const DocumentInfo* info = nullptr;
  const FiscalCalendar* calendar = nullptr;
  const std::vector<PageSpan>* pages = nullptr;
  UnitNote default_unit;
};

std::vector<Figure> figures_of(const Grid& grid, const FigureContext& context);

// All grids of a document in order, carrying unit notes from page to page.
std::vector<std::vector<Figure>> figures_of_document(const DocumentInfo& info, const Extracted& document);

}  // namespace consort::memory
