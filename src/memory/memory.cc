#include "memory/memory.h"

#include <algorithm>
#include <cctype>

#include "memory/query.h"
#include "memory/state.h"
#include "memory/table_store.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr size_t kIdleReadersMax = 8;

contract::Value page_value(std::optional<int> page) { return page ? contract::Value(*page) : contract::Value(); }

// The model and size that the stored vectors were made with; recorded at the first open.
Result<void> bind_model(store::Database& db, Embedder& embedder) {
  CONSORT_ASSIGN(auto model, get_meta(db, "embed_model"));
  CONSORT_ASSIGN(auto dims, get_meta(db, "embed_dims"));
  if (!model) {
    if (!embedder.embed) return {};
    CONSORT_TRY(set_meta(db, "embed_model", embedder.model));
    return set_meta(db, "embed_dims", std::to_string(embedder.dims));
  }
  if (!embedder.embed) {
    embedder.dims = dims ? std::atoi(dims->c_str()) : 0;
    return {};
  }
  if (*model != embedder.model || *dims != std::to_string(embedder.dims))
    return fail(make_error(ErrorCode::failed_precondition, 5002, "this memory was made with the embedding model " + *model)
                    .at(db.path().parent_path().string()).got(embedder.model)
                    .to_fix("open it with that model, or ingest into a new memory"));
  return {};
}

Error no_embedder(const std::filesystem::path& folder) {
  return make_error(ErrorCode::failed_precondition, 5003, "searching by meaning needs the embedding model").at(folder.string())
      .to_fix("open the memory with its model, or search with mode words");
}

}  // namespace

contract::Value Passage::to_value() const {
  return contract::Value::object({{"id", id}, {"doc", doc}, {"title", title}, {"company", company}, {"page", page_value(page)},
                                  {"heading", heading}, {"begin", begin}, {"end", end}, {"text", text}, {"score", score}});
}

contract::Value Figure::to_value() const {
  auto or_null = [](const std::string& text) { return text.empty() ? contract::Value() : contract::Value(text); };
  return contract::Value::object(
      {{"id", id}, {"doc", doc}, {"company", company}, {"page", page_value(page)}, {"section", section}, {"label", label},
       {"column_label", column_label}, {"period_end", or_null(period_end)}, {"period_kind", or_null(period_kind)},
       {"value", value}, {"amount", amount}, {"scale", scale}, {"unit", unit}, {"as_printed", as_printed}, {"score", score}});
}

Result<ReaderPool::Lease> ReaderPool::take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto db = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(db));
    }
  }
  CONSORT_ASSIGN(auto db, store::Database::open(path_, {.read_only = true}));
  return Lease(this, std::move(db));
}

void ReaderPool::give_back(std::unique_ptr<store::Database> db) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleReadersMax) idle_.push_back(std::move(db));
}

bool company_matches(std::string_view company, const std::vector<std::string>& wanted) {
  std::string low = lower_ascii(company);
  for (size_t at = 0; at <= low.size();) {
    size_t end = std::min(low.find(';', at), low.size());
    std::string_view one = trim(std::string_view(low).substr(at, end - at));
    for (const auto& name : wanted) {
      if (one == lower_ascii(trim(name))) return true;
    }
    at = end + 1;
  }
  return false;
}

std::vector<std::string> companies_named(const std::string& query, const std::vector<std::string>& known, std::string* rest) {
  std::vector<std::string> out;
  std::string low = lower_ascii(query);
  *rest = query;
  for (const auto& company : known) {
    std::string name = lower_ascii(company);
    for (size_t at = low.find(name); at != std::string::npos && !name.empty(); at = low.find(name, at + 1)) {
      bool before = at == 0 || !std::isalnum(static_cast<unsigned char>(low[at - 1]));
      size_t end = at + name.size();
      bool after = end >= low.size() || !std::isalnum(static_cast<unsigned char>(low[end]));
      if (!before || !after) continue;
      if (std::find(out.begin(), out.end(), company) == out.end()) out.push_back(company);
      std::fill_n(low.begin() + static_cast<std::ptrdiff_t>(at), name.size(), ' ');
      std::fill_n(rest->begin() + static_cast<std::ptrdiff_t>(at), name.size(), ' ');
    }
  }
  return out;
}

Result<std::unique_ptr<Memory>> Memory::open(const std::filesystem::path& folder, Embedder embedder) {
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  if (ec && !std::filesystem::is_directory(folder))
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot create the memory's folder: " + ec.message()).at(folder.string())
                    .to_fix("give a folder that can be written"));
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->embedder = std::move(embedder);
  {
    CONSORT_ASSIGN(auto text, open_text_db(state->text_path(), false));
    CONSORT_TRY(bind_model(*text, state->embedder));
    CONSORT_ASSIGN(auto tables, open_tables_db(state->tables_path(), false));
  }
  state->text_readers = std::make_unique<ReaderPool>(state->text_path());
  state->table_readers = std::make_unique<ReaderPool>(state->tables_path());
  return std::unique_ptr<Memory>(new Memory(std::move(state)));
}

Memory::Memory(std::unique_ptr<State> state) : state_(std::move(state)) {}
Memory::~Memory() = default;

std::filesystem::path Memory::tables_path() const { return state_->tables_path(); }

Result<std::vector<Document>> Memory::documents() const {
  CONSORT_ASSIGN(auto db, state_->text_readers->take());
  return list_documents(*db);
}

Result<Digest> Memory::digest() const {
  CONSORT_ASSIGN(auto db, state_->text_readers->take());
  CONSORT_ASSIGN(auto sources, list_sources(*db));
  CONSORT_ASSIGN(auto model, get_meta(*db, "embed_model"));
  Sha256 hash;
  hash.update("consort memory " + std::to_string(kTextSchemaVersion) + "\n" + model.value_or("") + "\n");
  CONSORT_ASSIGN(auto documents, list_documents(*db));
  for (const auto& d : documents) hash.update(d.name + "\t" + d.company + "\t" + d.kind + "\t" + d.period_end + "\t" + d.digest.hex() + "\n");
  return hash.finish();
}

Result<std::string> Memory::page_text(const std::string& doc, std::optional<int> page) const {
  CONSORT_ASSIGN(auto db, state_->text_readers->take());
  CONSORT_ASSIGN(auto row, (*db).prepare("SELECT p.text FROM pages p JOIN documents d USING(doc_id) WHERE d.name = ? AND p.page = ?"));
  CONSORT_ASSIGN(bool found, row.bind(1, doc).bind(2, static_cast<int64_t>(page.value_or(0))).step());
  if (found) return std::string(row.text_at(0));
  CONSORT_ASSIGN(auto known, (*db).prepare("SELECT n_pages FROM documents WHERE name = ?"));
  CONSORT_ASSIGN(bool exists, known.bind(1, doc).step());
  if (!exists)
    return fail(make_error(ErrorCode::not_found, 5004, "the memory has no document '" + doc + "'").got(doc).to_fix("see the list of documents"));
  int64_t n = known.int_at(0);
  return fail(make_error(ErrorCode::not_found, 5005, n > 0 ? "document '" + doc + "' has pages 1 to " + std::to_string(n)
                                                           : "document '" + doc + "' has no such page")
                  .got(page ? std::to_string(*page) : "none")
                  .to_fix(n > 0 ? "give a page in that range" : "ask without a page; a large CSV keeps no text: use SQL"));
}

Result<std::vector<float>> Memory::State::embed_query(const std::string& text) const {
  if (!embedder.embed) return fail(no_embedder(folder));
  std::vector<std::string> texts = {text};
  CONSORT_ASSIGN(auto vectors, embedder.embed(texts));
  if (vectors.size() != 1 || static_cast<int>(vectors[0].size()) != embedder.dims)
    return fail(ErrorCode::internal, 5006, "the embedder answered with another shape than it declared");
  return std::move(vectors[0]);
}

Result<std::shared_ptr<const SearchCache>> Memory::State::search_cache() const {
  CONSORT_ASSIGN(auto db, text_readers->take());
  CONSORT_ASSIGN(auto snapshot, store::Transaction::begin_read(*db));
  CONSORT_ASSIGN(auto revision, get_meta(*db, "revision"));
  std::lock_guard lock(cache_mutex);
  if (cache && cache->revision == revision.value_or("")) return cache;
  auto fresh = std::make_shared<SearchCache>(embedder.dims);
  fresh->revision = revision.value_or("");
  {
    CONSORT_ASSIGN(auto rows, (*db).prepare("SELECT passage_id, doc_id, vector FROM passages WHERE vector IS NOT NULL ORDER BY passage_id"));
    for (;;) {
      CONSORT_ASSIGN(bool more, rows.step());
      if (!more) break;
      if (fresh->vectors.add(rows.int_at(0), rows.bytes_at(2))) fresh->doc_of.push_back(rows.int_at(1));
    }
  }
  {
    CONSORT_ASSIGN(auto rows, (*db).prepare("SELECT doc_id, name, company, period_end, kind FROM documents"));
    for (;;) {
      CONSORT_ASSIGN(bool more, rows.step());
      if (!more) break;
      SearchCache::Doc doc{std::string(rows.text_at(1)), std::string(rows.text_at(2)), std::string(rows.text_at(3)), std::string(rows.text_at(4))};
      for (size_t at = 0; at <= doc.company.size();) {
        size_t end = std::min(doc.company.find(';', at), doc.company.size());
        std::string one(trim(std::string_view(doc.company).substr(at, end - at)));
        if (!one.empty() && std::find(fresh->companies.begin(), fresh->companies.end(), one) == fresh->companies.end()) fresh->companies.push_back(one);
        at = end + 1;
      }
      fresh->docs.emplace(rows.int_at(0), std::move(doc));
    }
  }
  std::sort(fresh->companies.begin(), fresh->companies.end(), [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; });
  {
    CONSORT_ASSIGN(auto rows, (*db).prepare("SELECT label, vector FROM labels ORDER BY label"));
    for (;;) {
      CONSORT_ASSIGN(bool more, rows.step());
      if (!more) break;
      if (fresh->labels.add(static_cast<int64_t>(fresh->label_texts.size()), rows.bytes_at(1))) fresh->label_texts.emplace_back(rows.text_at(0));
    }
  }
  cache = fresh;
  return cache;
}

}  // namespace consort::memory
