// text.db: documents, their pages, passages with FTS5, and vectors. Format: docs/formats/memory.md.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "memory/chunk.h"
#include "memory/extract.h"
#include "memory/memory.h"
#include "store/database.h"

namespace consort::memory {

inline constexpr int64_t kTextSchemaVersion = 1;

// What a manifest, or the file itself, says about a document.
struct DocumentInfo {
  std::string name, title, company, kind, period_end;
};

// One document, ready to be written. Vectors are parallel to `chunks`, or empty.
struct PreparedDocument {
  DocumentInfo info;
  Digest digest;
  Extracted content;
  std::vector<Chunk> chunks;
  std::vector<std::vector<float>> vectors;
  int n_figures = 0;
};

struct SourceRow {
  int64_t id = 0;
  std::string path;
  Digest digest;  // Of the file's bytes, its manifest entry and the reader's version.
};

// Free functions over one connection; the caller holds the transaction.
Result<std::unique_ptr<store::Database>> open_text_db(const std::filesystem::path& path, bool read_only);
Result<std::vector<SourceRow>> list_sources(store::Database& db);
// Removes the source's documents, passages and vectors.
Result<void> remove_source(store::Database& db, int64_t source_id);
Result<int64_t> add_source(store::Database& db, const std::string& path, const Digest& digest);
Result<void> add_document(store::Database& db, int64_t source_id, const PreparedDocument& document);
Result<std::vector<Document>> list_documents(store::Database& db);
Result<std::vector<std::string>> document_names_of(store::Database& db, int64_t source_id);
Result<std::optional<std::string>> get_meta(store::Database& db, std::string_view key);
Result<void> set_meta(store::Database& db, std::string_view key, std::string_view value);
// Adds one to `revision`: readers drop their caches.
Result<void> bump_revision(store::Database& db);

// The text that is indexed and embedded for a passage besides its own: company, title.
std::string passage_title(const DocumentInfo& info);
// What the embedder reads: company (or title), nearest heading and the first kEmbedWordsMax words of the text, without figures
// (each costs an encoder three or four tokens and says little of what a passage is about; words and the
// `figures` table find numbers).
inline constexpr int kEmbedWordsMax = 64;
inline constexpr int kEmbedTableWordsMax = 40;  // Of a passage with a figure to every third word.
inline constexpr size_t kEmbedHeadingBytesMax = 80;
std::string embedding_text(const DocumentInfo& info, const std::string& heading, std::string_view text);

std::span<const uint8_t> as_bytes(std::span<const float> floats);

}  // namespace consort::memory
