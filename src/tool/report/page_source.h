// PageSource: the text that citations point at.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "memory/memory.h"

namespace consort::tool {

struct SourceDocument {
  std::string name, title, company;
  std::string period_end;  // ISO date; empty if unknown.
};

// Thread-safe.
class PageSource {
 public:
  virtual ~PageSource() = default;
  // Layout kept (columns by spaces). not_found when there is no such document or page.
  virtual Result<std::string> page_text(const std::string& doc, std::optional<int> page) const = 0;
  virtual Result<std::vector<SourceDocument>> documents() const = 0;
};

// Of a memory, which must outlive it.
class MemoryPageSource final : public PageSource {
 public:
  explicit MemoryPageSource(const memory::Memory& memory) : memory_(memory) {}
  Result<std::string> page_text(const std::string& doc, std::optional<int> page) const override {
    return memory_.page_text(doc, page);
  }
  Result<std::vector<SourceDocument>> documents() const override {
    CONSORT_ASSIGN(std::vector<memory::Document> found, memory_.documents());
    std::vector<SourceDocument> out;
    for (memory::Document& d : found) out.push_back({d.name, d.title, d.company, d.period_end});
    return out;
  }

 private:
  const memory::Memory& memory_;
};

}  // namespace consort::tool
