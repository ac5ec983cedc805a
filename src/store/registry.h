// Registry: which versions of adapters, components, agents, and models there are, and which one an
// alias means now.
//
// A version is a name, a number, and a digest; what it holds lies in the blob store or beside the
// agent. It is never changed and never taken back. An alias (`champion`, `challenger`) is moved,
// and every move is kept: what `planner@champion` meant on the day of a run can always be said.
//
// Not for: deciding whether a version deserves an alias (eval's gates), or loading it (engine).
// Format: one SQLite file, `<home>/registry.db`; docs/formats/registry.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/sha256.h"
#include "contract/json.h"

namespace consort::store {

class Database;

enum class ItemKind { model, adapter, contract, component, agent };
std::string_view name(ItemKind kind);

// "adapter planner". Value type.
struct ItemName {
  ItemKind kind = ItemKind::component;
  std::string name;  // Letters, digits, '-', '_', '.', '/'; at most kItemNameBytesMax.
  auto operator<=>(const ItemName&) const = default;
};
inline constexpr size_t kItemNameBytesMax = 128;

struct Version {
  ItemName item;
  std::string version;       // "3", "0.2.0": unique for the item.
  Digest digest;             // Of the content.
  contract::Value metadata;  // An object: base digest, rank, metrics, path.
  int64_t created_ms = 0;
};

struct AliasMove {
  std::string alias;
  std::string from;  // Empty: the alias was new.
  std::string to;
  std::string reason;
  bool is_rollback = false;
  int64_t moved_ms = 0;
};

// Resource. Thread-safe. Several processes may use one home's registry at once; each change is one
// transaction. Errors of all: those of Database; 1210 for malformed names.
class Registry final {
 public:
  static Result<std::unique_ptr<Registry>> open(const std::filesystem::path& home,
                                                const Clock& clock);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adding the same version with the same digest again changes nothing. Error: already_exists 1221
  // when the digest differs.
  Result<Version> add(const ItemName& item, std::string_view version, const Digest& digest,
                      const contract::Value& metadata);
  // `which` is a version or an alias; an alias wins. Error: not_found 1222 (names what there is).
  Result<Version> find(const ItemName& item, std::string_view which);
  // In the order in which they were added.
  Result<std::vector<Version>> versions(const ItemName& item);
  Result<std::vector<ItemName>> items(ItemKind kind);

  // What each alias means now, by alias.
  Result<std::map<std::string, std::string>> aliases(const ItemName& item);

  // Error: not_found 1222. Moving an alias to where it points already changes nothing.
  Result<AliasMove> move_alias(const ItemName& item, std::string_view alias,
                               std::string_view version, std::string_view reason);
  // The same, only if the alias means `from` now (empty: nothing yet). Error: failed_precondition 1224 if it
  // means another version by now; nothing is moved then.
  Result<AliasMove> move_alias_from(const ItemName& item, std::string_view alias,
                                    std::string_view from, std::string_view version,
                                    std::string_view reason);
  // Back to the version before the last move that has not been rolled back. Error:
  // failed_precondition 1223 when there is none.
  Result<AliasMove> roll_back(const ItemName& item, std::string_view alias,
                              std::string_view reason);
  // Notes that somebody saw figures that were measured on the data of this digest. How often that has
  // happened, this time included: a set that decides often is learnt by whoever watches it.
  Result<int64_t> count_look(const Digest& data, std::string_view purpose);
  Result<int64_t> looks(const Digest& data);
  // Oldest first.
  Result<std::vector<AliasMove>> history(const ItemName& item, std::string_view alias);

 private:
  Registry(std::unique_ptr<Database> database, const Clock& clock);
  Result<std::optional<Version>> look_up_locked(const ItemName& item, std::string_view version);
  Result<std::vector<AliasMove>> history_locked(const ItemName& item, std::string_view alias);
  Result<AliasMove> move_locked(const ItemName& item, std::string_view alias,
                                std::string_view version, std::string_view reason,
                                const std::string_view* only_from);
  Result<int64_t> looks_locked(const Digest& data);
  Result<AliasMove> record_locked(const ItemName& item, AliasMove move);

  std::mutex mutex_;
  std::unique_ptr<Database> database_;
  const Clock& clock_;
};

}  // namespace consort::store
