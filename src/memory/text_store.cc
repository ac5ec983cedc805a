#include "memory/text_store.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "memory/numeric.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr std::string_view kSchema1 = R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('revision', '0');
CREATE TABLE sources(source_id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, digest BLOB NOT NULL);
CREATE TABLE documents(
  doc_id INTEGER PRIMARY KEY,
  source_id INTEGER NOT NULL REFERENCES sources(source_id) ON DELETE CASCADE,
  name TEXT NOT NULL UNIQUE, title TEXT NOT NULL, company TEXT NOT NULL, kind TEXT NOT NULL,
  period_end TEXT NOT NULL, digest BLOB NOT NULL,
  n_pages INTEGER NOT NULL, n_passages INTEGER NOT NULL, n_figures INTEGER NOT NULL);
CREATE INDEX documents_source ON documents(source_id);
CREATE TABLE pages(
  doc_id INTEGER NOT NULL REFERENCES documents(doc_id) ON DELETE CASCADE,
  page INTEGER NOT NULL, begin INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(doc_id, page)) WITHOUT ROWID;
CREATE TABLE passages(
  passage_id INTEGER PRIMARY KEY,
  doc_id INTEGER NOT NULL REFERENCES documents(doc_id) ON DELETE CASCADE,
  page INTEGER, begin INTEGER NOT NULL, end INTEGER NOT NULL, page_begin INTEGER NOT NULL,
  title TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, vector BLOB);
CREATE INDEX passages_doc ON passages(doc_id);
CREATE VIRTUAL TABLE passages_fts USING fts5(title, heading, text, content='passages',
  content_rowid='passage_id', tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE labels(label TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
)sql";

Digest digest_at(const store::Statement& row, int column) {
  Digest digest;
  auto bytes = row.bytes_at(column);
  if (bytes.size() == digest.bytes.size()) std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

}  // namespace

std::span<const uint8_t> as_bytes(std::span<const float> floats) {
  return {reinterpret_cast<const uint8_t*>(floats.data()), floats.size_bytes()};
}

Result<std::unique_ptr<store::Database>> open_text_db(const std::filesystem::path& path, bool read_only) {
  store::DatabaseOptions options;
  options.read_only = read_only;
  options.checkpoint_pages = read_only ? 0 : 4000;
  CONSORT_ASSIGN(auto db, store::Database::open(path, options));
  if (!read_only) {
    const std::array<std::string_view, 1> steps = {kSchema1};
    CONSORT_TRY(db->migrate(steps));
  }
  return db;
}

Result<std::vector<SourceRow>> list_sources(store::Database& db) {
  std::vector<SourceRow> out;
  CONSORT_ASSIGN(auto rows, db.prepare("SELECT source_id, path, digest FROM sources ORDER BY path"));
  for (;;) {
    CONSORT_ASSIGN(bool more, rows.step());
    if (!more) return out;
    out.push_back({rows.int_at(0), std::string(rows.text_at(1)), digest_at(rows, 2)});
  }
}

Result<void> remove_source(store::Database& db, int64_t source_id) {
  // The index first, while the passages are there: FTS5 with external content needs the old values. Triggers
  // would do it, but a schema that is not trusted may not write to virtual tables.
  {
    CONSORT_ASSIGN(auto index, db.prepare("INSERT INTO passages_fts(passages_fts, rowid, title, heading, text) SELECT 'delete', passage_id, "
                                          "title, heading, text FROM passages WHERE doc_id IN (SELECT doc_id FROM documents WHERE source_id = ?)"));
    CONSORT_TRY(index.bind(1, source_id).run());
  }
  {
    CONSORT_ASSIGN(auto passages, db.prepare("DELETE FROM passages WHERE doc_id IN (SELECT doc_id FROM documents WHERE source_id = ?)"));
    CONSORT_TRY(passages.bind(1, source_id).run());
  }
  {
    CONSORT_ASSIGN(auto pages, db.prepare("DELETE FROM pages WHERE doc_id IN (SELECT doc_id FROM documents WHERE source_id = ?)"));
    CONSORT_TRY(pages.bind(1, source_id).run());
  }
  {
    CONSORT_ASSIGN(auto documents, db.prepare("DELETE FROM documents WHERE source_id = ?"));
    CONSORT_TRY(documents.bind(1, source_id).run());
  }
  CONSORT_ASSIGN(auto source, db.prepare("DELETE FROM sources WHERE source_id = ?"));
  return source.bind(1, source_id).run();
}

Result<int64_t> add_source(store::Database& db, const std::string& path, const Digest& digest) {
  CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO sources(path, digest) VALUES(?, ?)"));
  CONSORT_TRY(insert.bind(1, path).bind(2, std::span<const uint8_t>(digest.bytes)).run());
  return db.last_insert_rowid();
}

Result<void> add_document(store::Database& db, int64_t source_id, const PreparedDocument& d) {
  int64_t doc_id = 0;
  {
    CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO documents(source_id, name, title, company, kind, period_end, digest, "
                                           "n_pages, n_passages, n_figures) VALUES(?,?,?,?,?,?,?,?,?,?)"));
    int64_t n_pages = !d.content.pages.empty() && d.content.pages[0].number ? static_cast<int64_t>(d.content.pages.size()) : 0;
    CONSORT_TRY(insert.bind(1, source_id).bind(2, d.info.name).bind(3, d.info.title).bind(4, d.info.company)
                    .bind(5, d.info.kind).bind(6, d.info.period_end).bind(7, std::span<const uint8_t>(d.digest.bytes))
                    .bind(8, n_pages).bind(9, static_cast<int64_t>(d.chunks.size())).bind(10, static_cast<int64_t>(d.n_figures)).run());
    doc_id = db.last_insert_rowid();
  }
  std::string_view text = d.content.text;
  for (const auto& page : d.content.pages) {
    CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO pages VALUES(?,?,?,?)"));
    CONSORT_TRY(insert.bind(1, doc_id).bind(2, static_cast<int64_t>(page.number.value_or(0))).bind(3, static_cast<int64_t>(page.begin))
                    .bind(4, text.substr(page.begin, page.end - page.begin)).run());
  }
  std::string title = passage_title(d.info);
  for (size_t i = 0; i < d.chunks.size(); ++i) {
    const Chunk& chunk = d.chunks[i];
    CONSORT_ASSIGN(auto insert, db.prepare("INSERT INTO passages(doc_id, page, begin, end, page_begin, title, heading, text, vector) "
                                           "VALUES(?,?,?,?,?,?,?,?,?)"));
    insert.bind(1, doc_id).bind(3, static_cast<int64_t>(chunk.begin)).bind(4, static_cast<int64_t>(chunk.end))
        .bind(5, static_cast<int64_t>(chunk.page_begin)).bind(6, title).bind(7, chunk.heading)
        .bind(8, text.substr(chunk.begin, chunk.end - chunk.begin));
    if (chunk.page) insert.bind(2, static_cast<int64_t>(*chunk.page)); else insert.bind_null(2);
    if (i < d.vectors.size()) insert.bind(9, as_bytes(d.vectors[i])); else insert.bind_null(9);
    CONSORT_TRY(insert.run());
    CONSORT_ASSIGN(auto index, db.prepare("INSERT INTO passages_fts(rowid, title, heading, text) VALUES(?,?,?,?)"));
    CONSORT_TRY(index.bind(1, db.last_insert_rowid()).bind(2, title).bind(3, chunk.heading).bind(4, text.substr(chunk.begin, chunk.end - chunk.begin)).run());
  }
  return {};
}

Result<std::vector<Document>> list_documents(store::Database& db) {
  std::vector<Document> out;
  CONSORT_ASSIGN(auto rows, db.prepare("SELECT d.name, d.title, d.company, d.kind, d.period_end, s.path, d.digest, d.n_pages, "
                                       "d.n_passages, d.n_figures FROM documents d JOIN sources s USING(source_id) ORDER BY d.name"));
  for (;;) {
    CONSORT_ASSIGN(bool more, rows.step());
    if (!more) return out;
    Document d;
    d.name = rows.text_at(0);
    d.title = rows.text_at(1);
    d.company = rows.text_at(2);
    d.kind = rows.text_at(3);
    d.period_end = rows.text_at(4);
    d.path = rows.text_at(5);
    d.digest = digest_at(rows, 6);
    d.n_pages = static_cast<int>(rows.int_at(7));
    d.n_passages = static_cast<int>(rows.int_at(8));
    d.n_figures = static_cast<int>(rows.int_at(9));
    out.push_back(std::move(d));
  }
}

Result<std::vector<std::string>> document_names_of(store::Database& db, int64_t source_id) {
  std::vector<std::string> out;
  CONSORT_ASSIGN(auto rows, db.prepare("SELECT name FROM documents WHERE source_id = ?"));
  rows.bind(1, source_id);
  for (;;) {
    CONSORT_ASSIGN(bool more, rows.step());
    if (!more) return out;
    out.emplace_back(rows.text_at(0));
  }
}

Result<std::optional<std::string>> get_meta(store::Database& db, std::string_view key) {
  CONSORT_ASSIGN(auto row, db.prepare("SELECT value FROM meta WHERE key = ?"));
  CONSORT_ASSIGN(bool found, row.bind(1, key).step());
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(std::string(row.text_at(0)));
}

Result<void> set_meta(store::Database& db, std::string_view key, std::string_view value) {
  CONSORT_ASSIGN(auto row, db.prepare("INSERT INTO meta VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"));
  return row.bind(1, key).bind(2, value).run();
}

Result<void> bump_revision(store::Database& db) {
  return db.exec("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'");
}

std::string passage_title(const DocumentInfo& info) {
  std::string out = info.company;
  std::string title = info.title.empty() ? info.name : info.title;
  if (!out.empty() && !title.empty()) out += ". ";
  return out + title;
}

std::string embedding_text(const DocumentInfo& info, const std::string& heading, std::string_view text) {
  std::string out = info.company.empty() ? passage_title(info) : info.company;
  size_t last = heading.rfind(" > ");
  std::string nearest = last == std::string::npos ? heading : heading.substr(last + 3);
  if (!nearest.empty()) out += ". " + cut_utf8(nearest, kEmbedHeadingBytesMax);
  out += ".";
  int words = 0, figures = 0;
  for (size_t at = 0; at < text.size() && words < (figures * 3 > words ? kEmbedTableWordsMax : kEmbedWordsMax);) {
    size_t begin = text.find_first_not_of(" \t\n\f", at);
    if (begin == std::string_view::npos) break;
    size_t end = std::min(text.find_first_of(" \t\n\f", begin), text.size());
    std::string_view word = text.substr(begin, end - begin);
    at = end;
    bool letters = std::any_of(word.begin(), word.end(), [](char c) { return std::isalpha(static_cast<unsigned char>(c)) || (static_cast<unsigned char>(c) >= 0x80); });
    if (word == "\u2014" || word == "\u2013" || (!letters && !is_year(word))) {
      ++figures;
      continue;
    }
    out += ' ';
    out += word;
    ++words;
  }
  return out;
}

}  // namespace consort::memory
