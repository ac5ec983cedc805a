// What a Memory holds while open. Internal to the folder.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "memory/memory.h"
#include "memory/text_store.h"
#include "memory/vector_index.h"
#include "store/database.h"

namespace consort::memory {

// Read-only connections of one file, lent to one thread each.
class ReaderPool final {
 public:
  explicit ReaderPool(std::filesystem::path path) : path_(std::move(path)) {}
  class Lease {
   public:
    Lease(ReaderPool* pool, std::unique_ptr<store::Database> db) : pool_(pool), db_(std::move(db)) {}
    Lease(Lease&&) = default;
    ~Lease() {
      if (db_) pool_->give_back(std::move(db_));
    }
    store::Database& operator*() { return *db_; }

   private:
    ReaderPool* pool_;
    std::unique_ptr<store::Database> db_;
  };
  Result<Lease> take();

 private:
  void give_back(std::unique_ptr<store::Database> db);
  std::filesystem::path path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<store::Database>> idle_;
};

// Everything read into memory for searches, for one revision of text.db. Immutable once built.
struct SearchCache {
  std::string revision;
  VectorIndex vectors;
  std::vector<int64_t> doc_of;           // Of each vector row.
  struct Doc {
    std::string name, company, period_end, kind;
  };
  std::map<int64_t, Doc> docs;           // By doc_id.
  std::vector<std::string> companies;    // Distinct, longest first.
  VectorIndex labels;                    // Row i belongs to label_texts[i].
  std::vector<std::string> label_texts;
  explicit SearchCache(int dims) : vectors(dims), labels(dims) {}
};

struct Memory::State {
  std::filesystem::path folder;
  Embedder embedder;
  std::unique_ptr<ReaderPool> text_readers, table_readers;
  mutable std::mutex cache_mutex;
  mutable std::shared_ptr<const SearchCache> cache;

  std::filesystem::path text_path() const { return folder / "text.db"; }
  std::filesystem::path tables_path() const { return folder / "tables.db"; }
  // The cache of the current revision; loads it when another was written.
  Result<std::shared_ptr<const SearchCache>> search_cache() const;
  Result<std::vector<float>> embed_query(const std::string& text) const;
};

// True if `company` ("General Mills; Kraft Heinz") names one of `wanted`, case ignored.
bool company_matches(std::string_view company, const std::vector<std::string>& wanted);
// Known companies that the query names; `rest` gets the query without them.
std::vector<std::string> companies_named(const std::string& query, const std::vector<std::string>& known, std::string* rest);

}  // namespace consort::memory
