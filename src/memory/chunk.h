// Cuts a document into passages: what is searched, cited, and shown to a model.
#pragma once

#include <string>
#include <vector>

#include "memory/extract.h"

namespace consort::memory {

struct ChunkOptions {
  int words_target = 170;   // A passage is closed at the first block border past this.
  int words_max = 220;      // A longer paragraph is cut between sentences; a row is never cut.
  int table_words_target = 150;  // Numbers are many tokens each: passages of rows are shorter.
  int overlap_words_max = 30;    // The last sentence is repeated when a paragraph is cut.
};

struct Chunk {
  std::optional<int> page;
  std::string heading;          // Path, " > " between.
  uint64_t begin = 0, end = 0;  // In Extracted::text; starts and ends on non-space.
  uint64_t page_begin = 0;
};

// In text order. No chunk crosses a page or starts or ends within a table row.
std::vector<Chunk> cut_passages(const Extracted& document, const ChunkOptions& options = {});

}  // namespace consort::memory
