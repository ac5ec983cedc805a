// MaskCache: compiled contracts kept between requests, by (schema, vocabulary, options).
//
// A compiled mask also holds the token sets found while decoding with it, so a component's second
// call finds them ready. Least recently used go first when the bytes are spent; a mask in use lives
// on with whoever uses it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include "contract/schema.h"
#include "engine/pages.h"
#include "mask/mask.h"

namespace consort::engine {

// Thread-safe.
class MaskCache final {
 public:
  // `bytes_max`: 0 keeps nothing. What is kept is charged to `budget`, which outlives this.
  MaskCache(uint64_t bytes_max, ByteBudget& budget) : bytes_max_(bytes_max), budget_(budget) {}
  ~MaskCache() { budget_.remove(charged_); }

  struct Found {
    std::shared_ptr<const mask::CompiledMask> mask;
    bool was_known = false;
  };
  // Compiles what is not known, outside the lock. Errors: those of mask::compile.
  Result<Found> get(const std::shared_ptr<const contract::Schema>& schema,
                    const std::shared_ptr<const mask::Vocabulary>& vocabulary,
                    const mask::MaskOptions& options);
  // Masks of a vocabulary that is unloaded.
  void forget(const mask::Vocabulary* vocabulary);
  // Counts anew what is kept, as a mask grows while it is decoded with, and forgets the least
  // recently used until the rest has room.
  void settle();
  bool forget_oldest();  // False when nothing is kept.
  size_t size() const;
  uint64_t bytes() const;  // As charged.

 private:
  struct Entry {
    Digest schema;
    bool closed = false;
    std::shared_ptr<const mask::Vocabulary> vocabulary;
    mask::MaskOptions options;
    std::shared_ptr<const mask::CompiledMask> mask;
    bool is(const contract::Schema& s, const mask::Vocabulary* v, const mask::MaskOptions& o) const;
  };
  void settle_locked();
  uint64_t bytes_max_;
  ByteBudget& budget_;
  uint64_t charged_ = 0;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // Last used first.
};

}  // namespace consort::engine
