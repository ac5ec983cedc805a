#include "engine/pages.h"

#include <algorithm>

#include "base/result.h"
#include "tensor/kernels.h"

namespace consort::engine {

using tensor::kPageTokens;

bool ByteBudget::try_add(uint64_t bytes) {
  uint64_t used = used_;
  do {
    if (bytes > max_ || used > max_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

PagePool::~PagePool() { budget_.remove(all_.size() * page_bytes_); }

Page* PagePool::allocate() {
  if (free_.empty()) {
    if (!budget_.try_add(page_bytes_)) return nullptr;
    all_.push_back(std::make_unique<Page>(Page{tensor::AlignedBytes(page_bytes_), 0}));
    free_.push_back(all_.back().get());
  }
  Page* page = free_.back();
  free_.pop_back();
  page->refs = 1;
  ++n_in_use_;
  return page;
}

void PagePool::release(Page* page) {
  CONSORT_CHECK(page->refs > 0);
  if (--page->refs == 0) {
    free_.push_back(page);
    --n_in_use_;
  }
}

void PagePool::trim() {
  const size_t n = std::erase_if(all_, [](const auto& page) { return page->refs == 0; });
  free_.clear();
  budget_.remove(n * page_bytes_);
}

std::vector<Page*> PrefixTree::find(uint64_t adapter, std::span<const int32_t> tokens,
                                    size_t pages_max) {
  std::vector<Page*> out;
  Node* node = &roots_[adapter];
  ++now_;
  while (out.size() < pages_max && tokens.size() >= kPageTokens) {
    const auto at = node->children.find({tokens.begin(), tokens.begin() + kPageTokens});
    if (at == node->children.end()) break;
    node = at->second.get();
    node->used = now_;
    pool_.retain(node->page);
    out.push_back(node->page);
    tokens = tokens.subspan(kPageTokens);
  }
  return out;
}

void PrefixTree::insert(uint64_t adapter, std::span<const int32_t> tokens,
                        std::span<Page* const> pages) {
  Node* node = &roots_[adapter];
  ++now_;
  for (Page* page : pages) {
    if (tokens.size() < kPageTokens) return;
    auto& child = node->children[{tokens.begin(), tokens.begin() + kPageTokens}];
    if (!child) {
      child = std::make_unique<Node>();
      child->parent = node;
      child->page = page;
      pool_.retain(page);
      ++size_;
    }
    node = child.get();
    node->used = now_;
    tokens = tokens.subspan(kPageTokens);
  }
}

bool PrefixTree::evict_one() {
  Node* oldest = nullptr;
  std::vector<Node*> stack;
  for (auto& [adapter, root] : roots_) stack.push_back(&root);
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (auto& [tokens, child] : node->children) stack.push_back(child.get());
    if (node->page == nullptr || !node->children.empty() || node->page->refs > 1) continue;
    if (oldest == nullptr || node->used < oldest->used) oldest = node;
  }
  if (oldest == nullptr) return false;
  pool_.release(oldest->page);
  --size_;
  std::erase_if(oldest->parent->children,
                [&](const auto& child) { return child.second.get() == oldest; });
  return true;
}

void PrefixTree::release_all(Node& node) {
  for (auto& [tokens, child] : node.children) {
    release_all(*child);
    pool_.release(child->page);
    --size_;
  }
  node.children.clear();
}

void PrefixTree::forget(uint64_t adapter) {
  const auto at = roots_.find(adapter);
  if (at == roots_.end()) return;
  release_all(at->second);
  roots_.erase(at);
}

void PrefixTree::clear() {
  for (auto& [adapter, root] : roots_) release_all(root);
  roots_.clear();
}

}  // namespace consort::engine
