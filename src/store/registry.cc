#include "store/registry.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "store/database.h"
#include "store/home.h"

namespace consort::store {
namespace {

constexpr std::array<std::string_view, 5> kKinds = {"model", "adapter", "contract", "component",
                                                    "agent"};

constexpr std::array<std::string_view, 2> kMigrations = {
    "CREATE TABLE versions(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " version TEXT NOT NULL, digest TEXT NOT NULL, metadata TEXT NOT NULL, created_ms INTEGER NOT "
    "NULL,"
    " UNIQUE(kind, name, version)) STRICT;"
    "CREATE TABLE moves(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
    " alias TEXT NOT NULL, from_version TEXT NOT NULL, to_version TEXT NOT NULL, reason TEXT NOT "
    "NULL,"
    " is_rollback INTEGER NOT NULL, moved_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX moves_by_alias ON moves(kind, name, alias);",
    "CREATE TABLE looks(id INTEGER PRIMARY KEY, data_digest TEXT NOT NULL, purpose TEXT NOT NULL,"
    " looked_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX looks_by_data ON looks(data_digest);"};

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= kItemNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
         });
}

Result<void> check_names(const ItemName& item, std::string_view which) {
  for (std::string_view text : {std::string_view(item.name), which}) {
    if (is_plain(text)) continue;
    return fail(make_error(ErrorCode::invalid_argument, 1210, "malformed name or version")
                    .got(text)
                    .to_fix("use letters, digits, '-', '_', '.', '/', at most 128"));
  }
  return {};
}

Result<Version> version_row(const ItemName& item, const Statement& s) {
  CONSORT_ASSIGN(Digest digest, Digest::from_hex(s.text_at(1)));
  CONSORT_ASSIGN(contract::Value metadata, contract::parse_json(s.text_at(2)));
  return Version{item, std::string(s.text_at(0)), digest, std::move(metadata), s.int_at(3)};
}

// Where an alias points after its moves, and where it pointed before.
std::vector<std::string> stack_of(const std::vector<AliasMove>& moves) {
  std::vector<std::string> stack;
  for (const AliasMove& move : moves) {
    if (move.is_rollback && !stack.empty())
      stack.pop_back();
    else
      stack.push_back(move.to);
  }
  return stack;
}

}  // namespace

std::string_view name(ItemKind kind) { return kKinds[static_cast<size_t>(kind)]; }

Registry::Registry(std::unique_ptr<Database> database, const Clock& clock)
    : database_(std::move(database)), clock_(clock) {}
Registry::~Registry() = default;

Result<std::unique_ptr<Registry>> Registry::open(const std::filesystem::path& home,
                                                 const Clock& clock) {
  CONSORT_ASSIGN(HomeLayout layout, open_home(home));
  CONSORT_ASSIGN(auto database, Database::open(layout.registry()));
  CONSORT_TRY(database->migrate(kMigrations));
  return std::unique_ptr<Registry>(new Registry(std::move(database), clock));
}

Result<std::optional<Version>> Registry::look_up_locked(const ItemName& item,
                                                        std::string_view version) {
  CONSORT_ASSIGN(Statement select,
                 database_->prepare("SELECT version, digest, metadata, created_ms FROM versions "
                                    "WHERE kind=?1 AND name=?2 AND version=?3"));
  CONSORT_ASSIGN(bool found,
                 select.bind(1, name(item.kind)).bind(2, item.name).bind(3, version).step());
  if (!found) return std::optional<Version>();
  CONSORT_ASSIGN(Version row, version_row(item, select));
  return std::optional<Version>(std::move(row));
}

Result<Version> Registry::add(const ItemName& item, std::string_view version, const Digest& digest,
                              const contract::Value& metadata) {
  CONSORT_TRY(check_names(item, version));
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  CONSORT_ASSIGN(std::optional<Version> existing, look_up_locked(item, version));
  if (existing) {
    if (existing->digest == digest) return std::move(*existing);
    return fail(make_error(ErrorCode::already_exists, 1221,
                           "version '" + std::string(version) + "' of '" + item.name +
                               "' exists with other content")
                    .got(digest.hex())
                    .to_fix("add the new content under a new version"));
  }
  Version out{item, std::string(version), digest, metadata, clock_.unix_ms()};
  {
    std::string hex = digest.hex(), json = contract::to_json(metadata);
    CONSORT_ASSIGN(Statement insert,
                   database_->prepare(
                       "INSERT INTO versions(kind, name, version, digest, metadata, created_ms) "
                       "VALUES(?1,?2,?3,?4,?5,?6)"));
    insert.bind(1, name(item.kind)).bind(2, item.name).bind(3, version).bind(4, hex).bind(5, json);
    CONSORT_TRY(insert.bind(6, out.created_ms).run());
  }
  CONSORT_TRY(transaction.commit());
  return out;
}

Result<Version> Registry::find(const ItemName& item, std::string_view which) {
  CONSORT_TRY(check_names(item, which));
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(std::vector<AliasMove> moves, history_locked(item, which));
  std::string wanted = moves.empty() ? std::string(which) : moves.back().to;
  CONSORT_ASSIGN(std::optional<Version> found, look_up_locked(item, wanted));
  if (found) return std::move(*found);
  std::string known;
  CONSORT_ASSIGN(Statement select,
                 database_->prepare("SELECT version FROM versions WHERE kind=?1 AND name=?2 "
                                    "ORDER BY id DESC LIMIT 8"));
  select.bind(1, name(item.kind)).bind(2, item.name);
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) break;
    known += (known.empty() ? "" : ", ") + std::string(select.text_at(0));
  }
  return fail(
      make_error(ErrorCode::not_found, 1222,
                 "the registry has no such version of " + std::string(name(item.kind)) + " '" +
                     item.name + "'")
          .got(which)
          .to_fix(known.empty() ? "nothing of that name is registered" : "there are: " + known));
}

Result<std::vector<Version>> Registry::versions(const ItemName& item) {
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Statement select,
                 database_->prepare("SELECT version, digest, metadata, created_ms FROM versions "
                                    "WHERE kind=?1 AND name=?2 ORDER BY id"));
  select.bind(1, name(item.kind)).bind(2, item.name);
  std::vector<Version> out;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) return out;
    CONSORT_ASSIGN(Version row, version_row(item, select));
    out.push_back(std::move(row));
  }
}

Result<std::vector<ItemName>> Registry::items(ItemKind kind) {
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(
      Statement select,
      database_->prepare("SELECT DISTINCT name FROM versions WHERE kind=?1 ORDER BY name"));
  select.bind(1, name(kind));
  std::vector<ItemName> out;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) return out;
    out.push_back({kind, std::string(select.text_at(0))});
  }
}

Result<std::map<std::string, std::string>> Registry::aliases(const ItemName& item) {
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Statement select,
                 database_->prepare(
                     "SELECT alias, to_version FROM moves WHERE kind=?1 AND name=?2 ORDER BY id"));
  select.bind(1, name(item.kind)).bind(2, item.name);
  std::map<std::string, std::string> out;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) return out;
    out[std::string(select.text_at(0))] = std::string(select.text_at(1));  // The last move counts.
  }
}

Result<std::vector<AliasMove>> Registry::history_locked(const ItemName& item,
                                                        std::string_view alias) {
  CONSORT_ASSIGN(Statement select,
                 database_->prepare(
                     "SELECT from_version, to_version, reason, is_rollback, moved_ms FROM moves "
                     "WHERE kind=?1 AND name=?2 AND alias=?3 ORDER BY id"));
  select.bind(1, name(item.kind)).bind(2, item.name).bind(3, alias);
  std::vector<AliasMove> out;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) return out;
    out.push_back({std::string(alias), std::string(select.text_at(0)),
                   std::string(select.text_at(1)), std::string(select.text_at(2)),
                   select.int_at(3) != 0, select.int_at(4)});
  }
}

Result<AliasMove> Registry::record_locked(const ItemName& item, AliasMove move) {
  move.moved_ms = clock_.unix_ms();
  CONSORT_ASSIGN(
      Statement insert,
      database_->prepare("INSERT INTO moves(kind, name, alias, from_version, to_version, reason, "
                         "is_rollback, moved_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)"));
  insert.bind(1, name(item.kind))
      .bind(2, item.name)
      .bind(3, move.alias)
      .bind(4, move.from)
      .bind(5, move.to);
  insert.bind(6, move.reason)
      .bind(7, static_cast<int64_t>(move.is_rollback))
      .bind(8, move.moved_ms);
  CONSORT_TRY(insert.run());
  return move;
}

Result<AliasMove> Registry::move_alias(const ItemName& item, std::string_view alias,
                                       std::string_view version, std::string_view reason) {
  return move_locked(item, alias, version, reason, nullptr);
}

Result<AliasMove> Registry::move_alias_from(const ItemName& item, std::string_view alias,
                                            std::string_view from, std::string_view version,
                                            std::string_view reason) {
  return move_locked(item, alias, version, reason, &from);
}

Result<AliasMove> Registry::move_locked(const ItemName& item, std::string_view alias,
                                        std::string_view version, std::string_view reason,
                                        const std::string_view* only_from) {
  CONSORT_TRY(check_names(item, alias));
  CONSORT_TRY(check_names(item, version));
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  CONSORT_ASSIGN(std::optional<Version> found, look_up_locked(item, version));
  if (!found) {
    return fail(make_error(ErrorCode::not_found, 1222,
                           "the registry has no such version of '" + item.name + "'")
                    .got(version)
                    .to_fix("list the versions with 'consort ls adapters'"));
  }
  CONSORT_ASSIGN(std::vector<AliasMove> moves, history_locked(item, alias));
  const std::string now = moves.empty() ? "" : moves.back().to;
  if (only_from != nullptr && now != *only_from) {
    return fail(make_error(ErrorCode::failed_precondition, 1224,
                           "alias '" + std::string(alias) + "' of '" + item.name + "' was moved in the meantime")
                    .got(now)
                    .to_fix("compare with the version that it means now"));
  }
  if (!moves.empty() && moves.back().to == version) return std::move(moves.back());
  CONSORT_ASSIGN(AliasMove move, record_locked(item, {.alias = std::string(alias),
                                                      .from = moves.empty() ? "" : moves.back().to,
                                                      .to = std::string(version),
                                                      .reason = std::string(reason)}));
  CONSORT_TRY(transaction.commit());
  return move;
}

Result<AliasMove> Registry::roll_back(const ItemName& item, std::string_view alias,
                                      std::string_view reason) {
  CONSORT_TRY(check_names(item, alias));
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  CONSORT_ASSIGN(std::vector<AliasMove> moves, history_locked(item, alias));
  std::vector<std::string> stack = stack_of(moves);
  if (stack.size() < 2) {
    return fail(make_error(
        ErrorCode::failed_precondition, 1223,
        "alias '" + std::string(alias) + "' of '" + item.name + "' has no version to go back to"));
  }
  CONSORT_ASSIGN(AliasMove move, record_locked(item, {.alias = std::string(alias),
                                                      .from = stack.back(),
                                                      .to = stack[stack.size() - 2],
                                                      .reason = std::string(reason),
                                                      .is_rollback = true}));
  CONSORT_TRY(transaction.commit());
  return move;
}

Result<int64_t> Registry::looks_locked(const Digest& data) {
  const std::string hex = data.hex();
  CONSORT_ASSIGN(Statement select,
                 database_->prepare("SELECT count(*) FROM looks WHERE data_digest=?1"));
  CONSORT_TRY(select.bind(1, hex).step());
  return select.int_at(0);
}

Result<int64_t> Registry::looks(const Digest& data) {
  std::lock_guard guard(mutex_);
  return looks_locked(data);
}

Result<int64_t> Registry::count_look(const Digest& data, std::string_view purpose) {
  std::lock_guard guard(mutex_);
  CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  {
    const std::string hex = data.hex();
    CONSORT_ASSIGN(Statement insert,
                   database_->prepare("INSERT INTO looks(data_digest, purpose, looked_ms) VALUES(?1,?2,?3)"));
    CONSORT_TRY(insert.bind(1, hex).bind(2, purpose).bind(3, clock_.unix_ms()).run());
  }
  CONSORT_ASSIGN(const int64_t n, looks_locked(data));
  CONSORT_TRY(transaction.commit());
  return n;
}

Result<std::vector<AliasMove>> Registry::history(const ItemName& item, std::string_view alias) {
  std::lock_guard guard(mutex_);
  return history_locked(item, alias);
}

}  // namespace consort::store
