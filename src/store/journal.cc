#include "store/journal.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <span>

#include "store/blob_store.h"
#include "store/database.h"
#include "store/home.h"
#include "store/journal_record.h"

namespace consort::store {
namespace {

// "CNSJ": tells a journal from any other SQLite file.
constexpr int64_t kApplicationId = 0x434E534A;

// An event's rowid is key * 2^24 + seq: the events of a run are neighbours in one B-tree, and
// appending needs no second index. Rowid tables also pack rows of about 1 kB well, where WITHOUT
// ROWID ones would spill each to a page of its own.
constexpr std::array<std::string_view, 1> kMigrations = {
    "PRAGMA application_id=1129206602;"
    "CREATE TABLE runs(key INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, agent TEXT NOT NULL,"
    " state TEXT NOT NULL, started_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
    " n_events INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;"
    "CREATE TABLE events(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, step TEXT NOT NULL,"
    " unix_ms INTEGER NOT NULL, body TEXT NOT NULL, chain BLOB NOT NULL) STRICT;"};

// 1 MiB of WAL: two extra syncs for about every hundred appends.
constexpr int kCheckpointPages = 256;
constexpr int kSeqBits = 24;
constexpr int64_t kRunKeyMax = int64_t{1} << 38;

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The line of a run, with what the public summary leaves out.
struct RunRow {
  int64_t key = 0;
  RunSummary summary;
  std::string state;
  std::string chain;
};

// SELECT with the columns in the order that run_row reads.
std::string select_runs(std::string_view tail) {
  std::string sql =
      "SELECT key, run, agent, state, started_ms, updated_ms, n_events, chain FROM runs ";
  return sql.append(tail);
}

RunRow run_row(const Statement& s) {
  RunRow out;
  out.key = s.int_at(0);
  out.state = s.text_at(3);
  out.chain = as_text(s.bytes_at(7));
  out.summary = RunSummary{.run = RunId{std::string(s.text_at(1))},
                           .agent = std::string(s.text_at(2)),
                           .state = run_state(out.state).value_or(RunState::running),
                           .started_ms = s.int_at(4),
                           .updated_ms = s.int_at(5),
                           .n_events = s.int_at(6)};
  return out;
}

Error no_such_run(std::string_view run) {
  return make_error(ErrorCode::not_found, 1205, "no such run")
      .got(run)
      .to_fix("list the runs of this home with `consort ls runs`");
}

Error too_large(std::string message, std::string_view step) {
  return make_error(ErrorCode::resource_exhausted, 1207, std::move(message))
      .at(std::string(step))
      .to_fix("split the value into several members, each of which may be a blob");
}

// An event on its way in.
struct Prepared {
  NewEvent event;
  std::string body;
};

}  // namespace

struct Journal::State {
  explicit State(HomeLayout layout) : home(std::move(layout)), blobs(home.blobs()) {}

  Result<Prepared> prepare(NewEvent event);
  Result<RunRow> find_run(const RunId& run);
  Result<std::vector<Event>> insert(const RunId& run, RunRow& row, std::vector<Prepared> events);
  Result<void> check_writable() const;
  void tell(const std::vector<Event>& events) const;

  const HomeLayout home;
  BlobStore blobs;
  std::function<void(const Event&)> callback;
  const Clock* clock = nullptr;  // nullptr: read-only.
  std::unique_ptr<HomeLock> lock;
  std::mutex mutex;  // Guards the connection.
  std::unique_ptr<Database> database;
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& home,
                                               const Clock& clock) {
  CONSORT_ASSIGN(HomeLayout layout, open_home(home));
  auto state = std::make_unique<State>(std::move(layout));
  state->clock = &clock;
  CONSORT_ASSIGN(state->lock, HomeLock::acquire(state->home, clock));
  CONSORT_ASSIGN(state->database,
                 Database::open(state->home.journal(), {.checkpoint_pages = kCheckpointPages}));
  CONSORT_TRY(state->database->migrate(kMigrations));
  CONSORT_TRY(state->database->expect_application_id(kApplicationId));
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Result<std::unique_ptr<Journal>> Journal::open_read_only(const std::filesystem::path& home) {
  auto state = std::make_unique<State>(HomeLayout{home});
  std::error_code ignored;
  if (!std::filesystem::exists(state->home.journal(), ignored)) {
    return fail(make_error(ErrorCode::not_found, 1205, "there is no journal in this home")
                    .at(home.string())
                    .to_fix("name the home of the run by --home or CONSORT_HOME"));
  }
  CONSORT_ASSIGN(state->database, Database::open(state->home.journal(), {.read_only = true}));
  CONSORT_ASSIGN(int64_t version, state->database->user_version());
  if (version > static_cast<int64_t>(kMigrations.size())) {
    CONSORT_TRY(state->database->migrate(kMigrations));  // Answers 1204 and writes nothing.
  }
  CONSORT_TRY(state->database->expect_application_id(kApplicationId));
  return std::unique_ptr<Journal>(new Journal(std::move(state)));
}

Result<void> Journal::State::check_writable() const {
  if (clock == nullptr) {
    return fail(
        make_error(ErrorCode::failed_precondition, 1206, "the journal is open for reading only")
            .at(home.root.string()));
  }
  if (database->io_failed()) {
    return fail(make_error(ErrorCode::unavailable, 1203,
                           "an earlier write failed, so what the disk holds is not known")
                    .at(home.journal().string())
                    .to_fix("repair the disk or free space, then resume the run in a new process"));
  }
  return {};
}

Result<Prepared> Journal::State::prepare(NewEvent event) {
  CONSORT_TRY(check_step_name(event.step));
  if (!event.body.is_object()) {
    return fail(make_error(ErrorCode::invalid_argument, 1210, "an event's body is not an object")
                    .at(event.step));
  }
  contract::Object body;
  for (const auto& [key, value] : event.body.as_object()) {
    std::string json = contract::to_json(value);
    // A member that looks like a reference is moved whatever its size, so a reference is always
    // ours.
    if (json.size() <= kInlineBytesMax && value.find("$blob") == nullptr) {
      body.set(key, value);
      continue;
    }
    CONSORT_ASSIGN(Digest digest, blobs.put(json));
    body.set(key, contract::Value::object({{"$blob", digest.hex()}, {"bytes", json.size()}}));
  }
  event.body = contract::Value(std::move(body));
  std::string json = contract::to_json(event.body);
  if (json.size() > kEventBytesMax) {
    return fail(too_large("an event of " + std::to_string(json.size()) +
                              " bytes is over the limit of " + std::to_string(kEventBytesMax),
                          event.step));
  }
  return Prepared{std::move(event), std::move(json)};
}

Result<RunRow> Journal::State::find_run(const RunId& run) {
  CONSORT_ASSIGN(Statement select, database->prepare(select_runs("WHERE run = ?1")));
  CONSORT_ASSIGN(bool found, select.bind(1, run.text).step());
  if (!found) return fail(no_such_run(run.text));
  RunRow row = run_row(select);
  // The ranges that later arithmetic and copies rely on; the file may be damaged.
  if (row.key < 1 || row.key > kRunKeyMax || row.chain.size() != sizeof(Digest::bytes) ||
      row.summary.n_events < 0 || !run_state(row.state)) {
    return fail(make_error(ErrorCode::corruption, 1208, "the run's line in the journal is damaged")
                    .at(run.text)
                    .to_fix("restore the journal from a backup"));
  }
  return row;
}

Result<std::vector<Event>> Journal::State::insert(const RunId& run, RunRow& row,
                                                  std::vector<Prepared> events) {
  if (row.summary.n_events + static_cast<int64_t>(events.size()) > kEventsPerRunMax) {
    return fail(too_large("a run has at most " + std::to_string(kEventsPerRunMax) + " events", ""));
  }
  CONSORT_ASSIGN(Statement add, database->prepare("INSERT INTO events VALUES(?1,?2,?3,?4,?5,?6)"));
  Digest chain;
  std::copy(row.chain.begin(), row.chain.end(), reinterpret_cast<char*>(chain.bytes.data()));
  int64_t seq = row.summary.n_events;
  int64_t now_ms = clock->unix_ms();
  std::vector<Event> out;
  for (Prepared& each : events) {
    ++seq;
    StoredRecord record{.seq = seq,
                        .kind = name(each.event.kind),
                        .step = each.event.step,
                        .unix_ms = now_ms,
                        .body = each.body,
                        .chain = {}};
    chain = record_chain(chain, run, record);
    add.bind(1, row.key << kSeqBits | seq).bind(2, record.kind).bind(3, record.step);
    add.bind(4, now_ms).bind(5, record.body).bind(6, std::span<const uint8_t>(chain.bytes));
    CONSORT_TRY(add.run());
    add.reset();
    out.push_back(Event{.seq = seq,
                        .kind = each.event.kind,
                        .step = std::move(each.event.step),
                        .unix_ms = now_ms,
                        .body = std::move(each.event.body),
                        .chain = chain});
  }
  CONSORT_ASSIGN(Statement update,
                 database->prepare("UPDATE runs SET state=?2, updated_ms=?3, n_events=?4, chain=?5 "
                                   "WHERE key=?1"));
  update.bind(1, row.key).bind(2, name(state_after(out.back().kind))).bind(3, now_ms).bind(4, seq);
  CONSORT_TRY(update.bind(5, std::span<const uint8_t>(chain.bytes)).run());
  return out;
}

void Journal::State::tell(const std::vector<Event>& events) const {
  if (!callback) return;
  for (const Event& event : events) callback(event);
}

Result<Event> Journal::begin(const RunId& run, std::string_view agent, contract::Value pins) {
  if (!is_run_id(run.text)) {
    return fail(make_error(ErrorCode::invalid_argument, 1210, "malformed run id").got(run.text));
  }
  if (!pins.is_object()) {
    return fail(make_error(ErrorCode::invalid_argument, 1210, "a run's pins are not an object"));
  }
  contract::Value body = contract::Value::object({{"agent", agent}});
  for (const auto& [key, value] : pins.as_object()) {
    if (key != "agent") body.get_object()->set(key, value);
  }
  CONSORT_TRY(state_->check_writable());
  std::vector<Prepared> first;
  CONSORT_ASSIGN(Prepared prepared, state_->prepare({EventKind::run_started, "", std::move(body)}));
  first.push_back(std::move(prepared));
  std::vector<Event> events;
  {
    std::lock_guard guard(state_->mutex);
    CONSORT_TRY(state_->check_writable());
    CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*state_->database));
    RunRow row;
    row.summary.run = run;
    row.chain.assign(sizeof(Digest::bytes), '\0');
    {
      CONSORT_ASSIGN(
          Statement add,
          state_->database->prepare("INSERT INTO runs(run, agent, state, started_ms, updated_ms, "
                                    "n_events, chain) VALUES(?1,?2,'running',?3,?3,0,?4)"));
      const Digest before_first;
      add.bind(1, run.text).bind(2, agent).bind(3, state_->clock->unix_ms());
      add.bind(4, std::span<const uint8_t>(before_first.bytes));
      CONSORT_TRY_CONTEXT(add.run(), "beginning run " + run.text);
      row.key = state_->database->last_insert_rowid();
    }
    CONSORT_ASSIGN(events, state_->insert(run, row, std::move(first)));
    CONSORT_TRY(transaction.commit());
  }
  state_->tell(events);
  return std::move(events.front());
}

Result<std::vector<Event>> Journal::append(const RunId& run, std::vector<NewEvent> events) {
  if (events.empty()) return std::vector<Event>{};
  CONSORT_TRY(state_->check_writable());
  std::vector<Prepared> prepared;
  for (size_t i = 0; i < events.size(); ++i) {
    bool last = i + 1 == events.size();
    if (events[i].kind == EventKind::run_started ||
        (!last && is_ended(state_after(events[i].kind)))) {
      return fail(make_error(ErrorCode::invalid_argument, 1210,
                             "this event cannot stand in the middle of a run")
                      .got(name(events[i].kind)));
    }
    CONSORT_ASSIGN(Prepared one, state_->prepare(std::move(events[i])));
    prepared.push_back(std::move(one));
  }
  std::vector<Event> out;
  {
    std::lock_guard guard(state_->mutex);
    CONSORT_TRY(state_->check_writable());
    CONSORT_ASSIGN(Transaction transaction, Transaction::begin(*state_->database));
    CONSORT_ASSIGN(RunRow row, state_->find_run(run));
    if (is_ended(row.summary.state)) {
      return fail(make_error(ErrorCode::failed_precondition, 1206, "the run has already ended")
                      .at(run.text)
                      .got(row.state)
                      .to_fix("start a new run"));
    }
    CONSORT_ASSIGN(out, state_->insert(run, row, std::move(prepared)));
    CONSORT_TRY(transaction.commit());
  }
  state_->tell(out);
  return out;
}

Result<std::vector<Event>> Journal::read(const RunId& run) const {
  std::lock_guard guard(state_->mutex);
  Database& database = *state_->database;
  // One snapshot: the run's line and its events belong together.
  CONSORT_ASSIGN(Transaction snapshot, Transaction::begin_read(database));
  CONSORT_ASSIGN(RunRow row, state_->find_run(run));
  CONSORT_ASSIGN(Statement select,
                 database.prepare("SELECT id, kind, step, unix_ms, body, chain FROM events "
                                  "WHERE id BETWEEN ?1 AND ?2 ORDER BY id"));
  select.bind(1, row.key << kSeqBits).bind(2, (row.key + 1) * (int64_t{1} << kSeqBits) - 1);
  std::vector<Event> events;
  Digest chain;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) break;
    StoredRecord record{.seq = select.int_at(0) & kEventsPerRunMax,
                        .kind = select.text_at(1),
                        .step = select.text_at(2),
                        .unix_ms = select.int_at(3),
                        .body = select.text_at(4),
                        .chain = as_text(select.bytes_at(5))};
    CONSORT_ASSIGN(Event event,
                   decode_record(chain, run, static_cast<int64_t>(events.size()) + 1, record));
    chain = event.chain;
    events.push_back(std::move(event));
  }
  // The run's line must be what its events say; so a lost tail is found, too.
  const RunSummary& line = row.summary;
  bool agrees = !events.empty() && line.n_events == static_cast<int64_t>(events.size()) &&
                row.chain == bytes_of(chain) &&
                row.state == name(state_after(events.back().kind)) &&
                line.agent == events.front().body.string_or("agent", "") &&
                line.updated_ms == events.back().unix_ms;
  if (!agrees) {
    return fail(make_error(ErrorCode::corruption, 1208,
                           "the run's line says " + std::to_string(line.n_events) +
                               " events and differs from the " + std::to_string(events.size()) +
                               " found")
                    .at(run.text + "/" + std::to_string(events.size() + 1))
                    .to_fix("restore the journal from a backup"));
  }
  return events;
}

Result<contract::Value> Journal::inflate(const contract::Value& body) const {
  if (!body.is_object()) return body;
  contract::Object out;
  for (const auto& [key, value] : body.as_object()) {
    const contract::Value* reference = value.find("$blob");
    if (reference == nullptr) {
      out.set(key, value);
      continue;
    }
    const std::string* hex = reference->get_string();
    CONSORT_ASSIGN(Digest digest, Digest::from_hex(hex == nullptr ? "" : *hex));
    CONSORT_ASSIGN(std::string json, state_->blobs.get(digest));
    CONSORT_ASSIGN(contract::Value whole, contract::parse_json(json, {.bytes_max = kBlobBytesMax}));
    out.set(key, std::move(whole));
  }
  return contract::Value(std::move(out));
}

Result<std::vector<RunSummary>> Journal::runs(int limit) const {
  std::lock_guard guard(state_->mutex);
  CONSORT_ASSIGN(Statement select,
                 state_->database->prepare(select_runs("ORDER BY key DESC LIMIT ?1")));
  select.bind(1, static_cast<int64_t>(limit));
  std::vector<RunSummary> out;
  while (true) {
    CONSORT_ASSIGN(bool more, select.step());
    if (!more) return out;
    out.push_back(run_row(select).summary);
  }
}

Result<RunSummary> Journal::summary(const RunId& run) const {
  std::lock_guard guard(state_->mutex);
  CONSORT_ASSIGN(
      Statement select,
      state_->database->prepare(select_runs("WHERE run >= ?1 AND run < ?2 ORDER BY run LIMIT 2")));
  std::string after = run.text + "~";  // Above every character of an id.
  CONSORT_ASSIGN(bool found, select.bind(1, run.text).bind(2, after).step());
  if (!found) return fail(no_such_run(run.text));
  RunSummary out = run_row(select).summary;
  CONSORT_ASSIGN(bool second, select.step());
  if (second && out.run != run) {
    return fail(make_error(ErrorCode::invalid_argument, 1215, "several runs begin with this id")
                    .got(run.text)
                    .to_fix("give more characters of the id"));
  }
  return out;
}

BlobStore& Journal::blobs() const { return state_->blobs; }

void Journal::on_durable_append(std::function<void(const Event&)> callback) {
  state_->callback = std::move(callback);
}

}  // namespace consort::store
