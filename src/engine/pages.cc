#include "engine/pages.h"

#include <algorithm>

#include "base/result.h"
#include "tensor/kernels.h"

namespace consort::engine {

using tensor::kPageTokens;

bool ByteBudget::try_add(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes > max_ || used_ + promised_ > max_ - bytes) return false;
  used_ += bytes;
  return true;
}

bool ByteBudget::try_take(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes > max_ || used_ > max_ - bytes) return false;
  used_ += bytes;
  return true;
}

void ByteBudget::add(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  used_ += bytes;
}

void ByteBudget::remove(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  CONSORT_CHECK(bytes <= used_);
  used_ -= bytes;
}

bool ByteBudget::promise(uint64_t bytes, uint64_t idle) {
  std::lock_guard lock(mutex_);
  if (used_ + bytes > max_ + idle) return false;
  promised_ = bytes;
  return true;
}

void ByteBudget::set_promised(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  promised_ = bytes;
}

uint64_t ByteBudget::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

uint64_t ByteBudget::promised() const {
  std::lock_guard lock(mutex_);
  return promised_;
}

uint64_t ByteBudget::lacking(uint64_t bytes) const {
  std::lock_guard lock(mutex_);
  const uint64_t wanted = used_ + promised_ + bytes;
  return wanted > max_ ? wanted - max_ : 0;
}

PagePool::~PagePool() { budget_.remove(all_.size() * page_bytes_); }

Page* PagePool::allocate() {
  if (free_.empty()) {
    if (!budget_.try_take(page_bytes_)) return nullptr;
    auto page = std::make_unique<Page>();
    page->owned = tensor::AlignedBytes(page_bytes_);
    page->data = page->owned.data();
    free_.push_back(page.get());
    all_.push_back(std::move(page));
  }
  Page* page = free_.back();
  free_.pop_back();
  page->refs = 1;
  ++n_in_use_;
  return page;
}

Page* PagePool::adopt(uint8_t* data, std::shared_ptr<const void> mapping) {
  if (!budget_.try_add(page_bytes_)) return nullptr;
  auto page = std::make_unique<Page>();
  page->data = data;
  page->mapped = std::move(mapping);
  page->refs = 1;
  ++n_in_use_;
  all_.push_back(std::move(page));
  return all_.back().get();
}

void PagePool::release(Page* page) {
  CONSORT_CHECK(page->refs > 0);
  if (--page->refs > 0) return;
  --n_in_use_;
  if (!page->mapped) {
    free_.push_back(page);
    return;
  }
  std::erase_if(all_, [&](const auto& p) { return p.get() == page; });
  budget_.remove(page_bytes_);
}

void PagePool::trim() {
  const size_t n = std::erase_if(all_, [](const auto& page) { return page->refs == 0; });
  free_.clear();
  budget_.remove(n * page_bytes_);
}

PrefixTree::Key PrefixTree::key(Acting acting, size_t page, std::span<const int32_t> tokens) {
  const int first = static_cast<int>(page) * kPageTokens;
  Key key{.tokens = {tokens.begin(), tokens.begin() + kPageTokens}};
  if (acting.adapter != 0 && acting.from < first + kPageTokens) {
    key.adapter = acting.adapter;
    key.from = std::max(0, acting.from - first);
  }
  return key;
}

std::vector<Page*> PrefixTree::find(Acting acting, std::span<const int32_t> tokens,
                                    size_t pages_max) {
  std::vector<Page*> out;
  Node* node = &root_;
  ++now_;
  while (out.size() < pages_max && tokens.size() >= kPageTokens) {
    const auto at = node->children.find(key(acting, out.size(), tokens));
    if (at == node->children.end()) break;
    node = at->second.get();
    node->used = now_;
    pool_.retain(node->page);
    out.push_back(node->page);
    tokens = tokens.subspan(kPageTokens);
  }
  return out;
}

void PrefixTree::insert(Acting acting, std::span<const int32_t> tokens,
                        std::span<Page* const> pages) {
  Node* node = &root_;
  ++now_;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (tokens.size() < kPageTokens) return;
    auto& child = node->children[key(acting, i, tokens)];
    if (!child) {
      child = std::make_unique<Node>();
      child->parent = node;
      child->page = pages[i];
      pool_.retain(pages[i]);
      ++size_;
    }
    node = child.get();
    node->used = now_;
    tokens = tokens.subspan(kPageTokens);
  }
}

bool PrefixTree::evict_one() {
  Node* oldest = nullptr;
  std::vector<Node*> stack = {&root_};
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (auto& [key, child] : node->children) stack.push_back(child.get());
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
  for (auto& [key, child] : node.children) {
    release_all(*child);
    pool_.release(child->page);
    --size_;
  }
  node.children.clear();
}

void PrefixTree::forget_in(Node& node, uint64_t adapter) {
  for (auto it = node.children.begin(); it != node.children.end();) {
    Node& child = *it->second;
    if (it->first.adapter != adapter) {
      forget_in(child, adapter);
      ++it;
      continue;
    }
    release_all(child);
    pool_.release(child.page);
    --size_;
    it = node.children.erase(it);
  }
}

void PrefixTree::forget(uint64_t adapter) { forget_in(root_, adapter); }
void PrefixTree::clear() { release_all(root_); }

}  // namespace consort::engine
