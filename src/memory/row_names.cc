#include "memory/row_names.h"

#include <cctype>

namespace consort::memory {
namespace {

// Letters and single blanks, lower case; "(loss)" and footnote digits gone.
std::string plain(std::string_view text) {
  std::string out;
  int depth = 0;
  for (char c : text) {
    depth += c == '(' ? 1 : 0;
    if (depth == 0) {
      if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
        out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      } else if (c != '\'' && std::isdigit(static_cast<unsigned char>(c)) == 0 && !out.empty() && out.back() != ' ') {
        out += ' ';
      }
    }
    depth -= c == ')' && depth > 0 ? 1 : 0;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string without_owner(std::string label) {
  if (label.starts_with("consolidated ")) label.erase(0, 13);
  for (std::string_view tail : {" attributable to ", " including earnings attributable", " including amounts attributable"}) {
    if (size_t at = label.find(tail); at != std::string::npos && label.find("noncontrolling", at) == std::string::npos) label.resize(at);
    else if (at != std::string::npos && tail[1] == 'i') label.resize(at);
  }
  return label;
}

}  // namespace

std::span<const RowName> row_names() {
  static const std::vector<RowName> kNames = {
      {"revenue", {"total revenues", "total revenue", "total net revenues", "total net revenue", "net revenues", "net revenue", "revenues", "revenue",
                   "total net sales", "net sales", "sales", "turnover"}},
      {"operating income", {"operating income", "income from operations", "operating profit", "total operating income", "operating income loss", "income loss from operations",
                            "earnings from operations", "operating result", "operating earnings"}},
      {"net income", {"net income", "net earnings", "net income loss", "net loss", "net result", "profit for the year", "net profit"}},
      {"gross profit", {"gross profit", "total gross profit"}},
      {"cost of sales", {"cost of sales", "cost of goods sold", "cost of products sold", "cost of revenues", "cost of revenue", "cost of net revenues", "total cost of revenues",
                         "merchandise costs"}},
      {"research and development expense", {"research and development", "research and development expense", "research and development expenses", "research and development costs",
                                            "research and development spending", "product development", "technology and content"}},
      {"selling, general and administrative expenses", {"selling general and administrative expenses", "selling general and administrative", "selling general and administrative expense",
                                                        "operating selling general and administrative expenses"}},
      {"marketing and sales expense", {"sales and marketing", "marketing and sales", "sales and marketing expense", "marketing and sales expense", "sales and marketing expenses",
                                       "selling and marketing"}},
      {"advertising expense", {"advertising expense", "advertising expenses", "advertising costs", "advertising and media expense", "advertising and media", "advertising"}},
      {"operating cash flow", {"net cash provided by operating activities", "cash from operating activities", "net cash provided by used in operating activities",
                               "net cash provided by continuing operating activities", "cash flow from operations", "operating cash flow"}},
      {"capital expenditures", {"total capital expenditures", "capital expenditures", "payments for property and equipment", "purchases of property and equipment",
                                "additions to property and equipment", "purchases of land buildings and equipment"}},
      {"total assets", {"total assets"}},
  };
  return kNames;
}

int synonym_rank(const RowName& group, std::string_view label) {
  std::string as_is = plain(label), bare = without_owner(as_is);
  for (size_t i = 0; i < group.synonyms.size(); ++i) {
    if (group.synonyms[i] == as_is || group.synonyms[i] == bare) return static_cast<int>(i);
  }
  return -1;
}

const RowName* row_name_of(std::string_view phrase) {
  std::string as_is = plain(phrase);
  for (const RowName& group : row_names()) {
    if (plain(group.name) == as_is || synonym_rank(group, phrase) >= 0) return &group;
  }
  return nullptr;
}

}  // namespace consort::memory
