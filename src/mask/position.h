// Position: one way to read the bytes so far; and stepping it by one byte. Internal.
//
// A Position is a leaf (what is being written) on a persistent stack of the arrays and objects that
// are open. Alternatives of anyOf are several positions side by side; those that come out equal are
// one again.
#pragma once

#include <memory>
#include <vector>

#include "mask/grammar.h"

namespace consort::mask {

struct Hash {
  uint64_t a = 0;
  uint64_t b = 0;
  bool operator==(const Hash&) const = default;
};
struct HashOf {
  size_t operator()(const Hash& hash) const { return hash.a; }
};
Hash mix(Hash hash, uint64_t value);
Hash mix(Hash hash, std::string_view text);
Hash mix(Hash hash, const StringState& state);

struct Frame {
  std::shared_ptr<const Frame> parent;
  const Alternative* container = nullptr;
  bool is_object = false;
  uint64_t count = 0;  // Arrays: items, the one being written included.
  Written written;     // Objects: members, likewise.
  int depth = 0;          // Containers that a child may still open.
  int rest = 0;           // To finish this and all outer ones, once the child is finished.
  std::shared_ptr<const Names> seen;  // Objects: keys that are not declared; null if none.
  const Names& keys_seen() const;
  Hash hash;
  int outer() const { return parent ? parent->rest : 0; }
};

struct Position {
  enum Kind : uint8_t {
    kValue,    // A value of `node` begins.
    kLiteral,  // Inside `literals` at `at`.
    kNumber,
    kString,
    kOpen,   // After '[' or '{'.
    kKey,    // After ',' of an object, or inside a declared key: its trie at `at`.
    kExtraKey,  // Inside another key: `text` so far.
    kColon,     // After it.
    kAfter,  // After an item or a member.
    kDone,
  };
  Kind kind = kValue;
  uint8_t blanks = 0;
  uint32_t at = 0;
  // GrammarNode, LiteralTrie, NumberMachine, StringMachine, Members or Members::Extra by kind.
  const void* thing = nullptr;
  int after = 0;     // Of a key: to finish the member and all open ones, once the key is closed.
  std::string text;  // Of a key, decoded.
  StringState string;
  NumberState number;
  std::shared_ptr<const Frame> frame;

  Hash local_hash() const;  // Without the frame.
  Hash hash() const;
};

using Positions = std::vector<Position>;

class Stepper {
 public:
  // At most so many positions are kept, the cheapest ones: fewer tokens may then be allowed than
  // could be, never more.
  static constexpr size_t kPositionsMax = 128;

  explicit Stepper(const Grammar& grammar) : grammar_(grammar) {}
  Position start() const;
  // Appends what `position` becomes by `byte` to `out`: nothing if the byte does not fit.
  void step(const Position& position, uint8_t byte, Positions& out) const;
  // Bytes (tokens, where literals are left) to finish; finite for every position there is.
  int cost(const Position& position) const;
  int cheapest(const Positions& positions) const;
  // Removes duplicates and, past the limit, the dearest.
  void tidy(Positions& positions) const;
  // May the text end here?
  bool complete(const Position& position) const;

 private:
  bool is_blank(uint8_t byte) const {
    return byte == ' ' || (byte == '\n' && grammar_.options().newlines) ||
           ((byte == '\t' || byte == '\r') && grammar_.options().any_spelling);
  }
  bool blank(const Position& position, uint8_t byte, Positions& out) const;
  void finish_value(std::shared_ptr<const Frame> frame, Positions& out) const;
  void value(const Position& position, uint8_t byte, Positions& out) const;
  void open(const Alternative& container, bool is_object,
            const std::shared_ptr<const Frame>& parent, int depth, Positions& out) const;
  void literal(const LiteralTrie& literals, uint32_t at, uint8_t byte,
               const std::shared_ptr<const Frame>& frame, Positions& out) const;
  void key(const Position& position, uint8_t byte, Positions& out) const;
  void after(const Position& position, uint8_t byte, Positions& out) const;
  void first(const Position& position, uint8_t byte, Positions& out) const;
  void extra_key(const Position& position, uint8_t byte, Positions& out) const;
  int key_cost(const Frame& frame, uint32_t at) const;
  int declared_cost(const Frame& frame, uint32_t key) const;
  int extra_cost(const Frame& frame, const Members::Extra& extra) const;
  // What may follow as the next item: its goal, and the array with it.
  template <typename Item>
  void each_item(const Frame& top, const Item& item) const;
  bool may_close(const Frame& frame) const;
  bool may_add(const Frame& frame) const;
  std::shared_ptr<const Frame> array(const std::shared_ptr<const Frame>& parent,
                                     const Alternative& container, uint64_t count,
                                     int depth) const;
  std::shared_ptr<const Frame> object(const std::shared_ptr<const Frame>& parent,
                                      const Alternative& container, Written written, int depth,
                                      std::shared_ptr<const Names> seen) const;

  const Grammar& grammar_;
};

}  // namespace consort::mask
