// Memory of keys and values: a byte budget, pages of 32 positions, and the tree of known prefixes.
//
// A page is shared by every sequence whose text up to its end is the same and whose adapter acts on
// the same of its positions: those before an activated adapter's invocation are the base's, whoever
// reads them. A page is written by one sequence before it is shared and never after. Nothing in use
// is evicted. All of it belongs to the engine's thread, except ByteBudget.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tensor/packed.h"

namespace consort::engine {

// Bytes of models, adapters, pages, scratch and compiled masks under one limit. Thread-safe.
//
// Pages are promised to a sequence before it begins and taken one by one later; nothing else can
// be added into what is promised.
class ByteBudget final {
 public:
  explicit ByteBudget(uint64_t bytes_max) : max_(bytes_max) {}
  bool try_add(uint64_t bytes);   // Into what is neither used nor promised.
  bool try_take(uint64_t bytes);  // Into what is not used: of a promise.
  void add(uint64_t bytes);       // Memory that is there already, even past the limit.
  void remove(uint64_t bytes);
  // From now on `bytes` are promised in all, of which `idle` are used already: unused pages.
  // False, and as before, when they do not fit.
  bool promise(uint64_t bytes, uint64_t idle);
  void set_promised(uint64_t bytes);  // No more than before.
  uint64_t used() const;
  uint64_t promised() const;
  // How many bytes too few there are to add so many: 0 = they fit.
  uint64_t lacking(uint64_t bytes) const;
  uint64_t max() const { return max_; }

 private:
  mutable std::mutex mutex_;
  uint64_t used_ = 0, promised_ = 0;
  uint64_t max_;
};

struct Page {
  uint8_t* data = nullptr;  // [page_bytes]
  int refs = 0;
  tensor::AlignedBytes owned;          // Or
  std::shared_ptr<const void> mapped;  // a file's; never written.
};

// Which adapter acts, and from which position on.
struct Acting {
  uint64_t adapter = 0;  // 0 = the base.
  int from = 0;
};

// Pages of one size, reused. Outlives them all.
class PagePool final {
 public:
  PagePool(size_t page_bytes, ByteBudget& budget) : page_bytes_(page_bytes), budget_(budget) {}
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  size_t page_bytes() const { return page_bytes_; }
  Page* allocate();  // refs = 1; nullptr when the budget is spent.
  // A page whose bytes lie in a mapped file; refs = 1, null as above. Not reused when released.
  Page* adopt(uint8_t* data, std::shared_ptr<const void> mapping);
  void retain(Page* page) { ++page->refs; }
  void release(Page* page);
  int n_in_use() const { return n_in_use_; }
  int n_idle() const { return static_cast<int>(free_.size()); }
  uint64_t bytes() const { return all_.size() * page_bytes_; }
  void trim();  // Gives unused pages' bytes back to the budget.

 private:
  size_t page_bytes_;
  ByteBudget& budget_;
  std::vector<std::unique_ptr<Page>> all_;
  std::vector<Page*> free_;
  int n_in_use_ = 0;
};

// Known prefixes: a tree of full pages by tokens and acting adapter, with a reference on each page.
class PrefixTree final {
 public:
  explicit PrefixTree(PagePool& pool) : pool_(pool) {}
  ~PrefixTree() { clear(); }

  // The longest known run of full pages at the start of `tokens`, at most `pages_max`; each page
  // with one reference for the caller.
  std::vector<Page*> find(Acting acting, std::span<const int32_t> tokens, size_t pages_max);
  // Full pages that are not yet known become so.
  void insert(Acting acting, std::span<const int32_t> tokens, std::span<Page* const> pages);
  bool evict_one();  // The least recently used page that nobody else holds; false if there is none.
  void forget(uint64_t adapter);  // Not 0.
  void clear();
  size_t size() const { return size_; }

 private:
  // Of a page: the adapter that acts in it, from which of its positions, and its tokens.
  struct Key {
    uint64_t adapter = 0;
    int from = 0;
    std::vector<int32_t> tokens;
    auto operator<=>(const Key&) const = default;
  };
  struct Node {
    Node* parent = nullptr;
    Page* page = nullptr;
    uint64_t used = 0;
    std::map<Key, std::unique_ptr<Node>> children;
  };
  static Key key(Acting acting, size_t page, std::span<const int32_t> tokens);
  void release_all(Node& node);
  void forget_in(Node& node, uint64_t adapter);
  PagePool& pool_;
  Node root_;
  uint64_t now_ = 0;
  size_t size_ = 0;
};

}  // namespace consort::engine
