#include "engine/mask_cache.h"

#include <algorithm>

namespace consort::engine {

bool MaskCache::Entry::is(const contract::Schema& s, const mask::Vocabulary* v,
                          const mask::MaskOptions& o) const {
  return schema == s.digest() && closed == s.is_closed() && vocabulary.get() == v && options == o;
}

Result<MaskCache::Found> MaskCache::get(const std::shared_ptr<const contract::Schema>& schema,
                                        const std::shared_ptr<const mask::Vocabulary>& vocabulary,
                                        const mask::MaskOptions& options) {
  const auto find_locked = [&] {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& e) { return e.is(*schema, vocabulary.get(), options); });
  };
  {
    std::lock_guard lock(mutex_);
    if (const auto at = find_locked(); at != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, at);
      return Found{at->mask, true};
    }
  }
  CONSORT_ASSIGN(auto made, mask::compile(schema, vocabulary, options));
  std::lock_guard lock(mutex_);
  // Someone may have compiled the same meanwhile: his is kept, so that token sets are shared.
  if (const auto at = find_locked(); at != entries_.end()) return Found{at->mask, true};
  entries_.push_front({schema->digest(), schema->is_closed(), vocabulary, options, made});
  settle_locked();
  return Found{std::move(made), false};
}

void MaskCache::forget(const mask::Vocabulary* vocabulary) {
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& e) { return e.vocabulary.get() == vocabulary; });
  settle_locked();
}

void MaskCache::settle() {
  std::lock_guard lock(mutex_);
  settle_locked();
}

bool MaskCache::forget_oldest() {
  std::lock_guard lock(mutex_);
  if (entries_.empty()) return false;
  entries_.pop_back();
  settle_locked();
  return true;
}

size_t MaskCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

uint64_t MaskCache::bytes() const {
  std::lock_guard lock(mutex_);
  return charged_;
}

void MaskCache::settle_locked() {
  for (;; entries_.pop_back()) {
    uint64_t bytes = 0;
    for (const Entry& e : entries_) bytes += mask::resident_bytes(*e.mask);
    if (bytes <= charged_) {
      budget_.remove(charged_ - bytes);
    } else if (bytes > bytes_max_ || !budget_.try_add(bytes - charged_)) {
      continue;
    }
    charged_ = bytes;
    if (charged_ <= bytes_max_) return;
  }
}

}  // namespace consort::engine
