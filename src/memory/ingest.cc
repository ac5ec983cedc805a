#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <set>
#include <thread>
#include <unordered_map>

#include "memory/reader.h"
#include "memory/state.h"
#include "memory/table_store.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

constexpr size_t kEmbedBatch = 64;       // Texts per call of the embedder.
constexpr size_t kReadAhead = 4;         // Files read before the one being written.
constexpr int kReadThreads = 2;
constexpr double kReadShare = 0.1;       // Of a file's progress; embedding is the rest.

// Holds the writer's lock of one memory, across processes.
class WriterLock final {
 public:
  static Result<std::unique_ptr<WriterLock>> take(const std::filesystem::path& folder) {
    auto path = folder / "writer.lock";
    int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0)
      return fail(make_error(ErrorCode::unavailable, 1105, std::string("cannot write in the memory's folder: ") + strerror(errno))
                      .at(folder.string()).to_fix("make the folder writable, or free some disk space"));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return fail(make_error(ErrorCode::failed_precondition, 5001, "another process ingests into this memory").at(folder.string())
                      .to_fix("wait for it to finish, or use another memory"));
    }
    return std::unique_ptr<WriterLock>(new WriterLock(fd));
  }
  ~WriterLock() { ::close(fd_); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  explicit WriterLock(int fd) : fd_(fd) {}
  int fd_;
};

Result<Digest> source_digest(const SourceFile& file) {
  CONSORT_ASSIGN(Digest bytes, sha256_file(file.path));
  const DocumentInfo& info = file.info;
  return sha256(bytes.hex() + "\n" + std::to_string(kReaderVersion) + "\n" + info.name + "\n" + info.title + "\n" + info.company + "\n" +
                info.kind + "\n" + info.period_end + "\n");
}

// Reads files on two threads, at most kReadAhead ahead of the consumer, who takes them in order.
class ReadAhead final {
 public:
  ReadAhead(const std::vector<SourceFile>& files, const IngestOptions& options) : files_(files), options_(options) {
    slots_.resize(files.size());
    for (int t = 0; t < kReadThreads; ++t) threads_.emplace_back([this](std::stop_token stop) { work(stop); });
  }
  ~ReadAhead() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
  }
  Result<PreparedSource> take(size_t i) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return slots_[i].has_value(); });
    Result<PreparedSource> out = std::move(*slots_[i]);
    slots_[i].reset();
    taken_ = i + 1;
    changed_.notify_all();
    return out;
  }

 private:
  void work(std::stop_token) {
    for (;;) {
      size_t i;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || next_ >= files_.size() || next_ < taken_ + kReadAhead; });
        if (stopping_ || next_ >= files_.size()) return;
        i = next_++;
      }
      Result<PreparedSource> read = options_.stop.stop_requested()
                                        ? Result<PreparedSource>(fail(ErrorCode::cancelled, 5131, "ingest was stopped on request"))
                                        : read_source(files_[i], options_);
      std::lock_guard lock(mutex_);
      slots_[i] = std::move(read);
      changed_.notify_all();
    }
  }
  const std::vector<SourceFile>& files_;
  const IngestOptions& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<Result<PreparedSource>>> slots_;
  size_t next_ = 0, taken_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // Last: joined first.
};

class Ingest final {
 public:
  Ingest(Memory::State& state, const IngestOptions& options) : state_(state), options_(options) {}
  Result<IngestReport> run(std::span<const std::filesystem::path> paths);

 private:
  struct Weights {
    double total = 0, done = 0;
  };
  Result<void> reconcile();
  Result<void> remove(const SourceRow& row);
  Result<void> remove_tables(const std::vector<std::string>& docs);
  Result<std::vector<SourceFile>> changed_files(SourceList& list);
  Result<void> write(const SourceFile& file, PreparedSource& source);
  Result<void> name_documents(const SourceFile& file, PreparedSource& source);
  Result<void> embed(const SourceFile& file, PreparedSource& source);
  Result<void> embed_labels(const PreparedSource& source, std::vector<std::pair<std::string, std::vector<float>>>* out);
  Result<void> write_tables(const SourceFile& file, PreparedSource& source);
  void progress(double fraction_of_file, double weight, const std::string& what) {
    if (options_.progress) options_.progress(weights_.total > 0 ? std::min(1.0, (weights_.done + fraction_of_file * weight) / weights_.total) : 1.0, what);
  }
  double weight_of(const SourceFile& file) const { return 20000.0 + static_cast<double>(file.bytes); }

  Memory::State& state_;
  const IngestOptions& options_;
  std::unique_ptr<store::Database> text_;
  std::map<std::string, SourceRow> known_;  // By path.
  IngestReport report_;
  Weights weights_;
};

Result<void> Ingest::remove_tables(const std::vector<std::string>& docs) {
  CONSORT_ASSIGN(auto tables, open_tables_db(state_.tables_path(), false));
  CONSORT_ASSIGN(auto transaction, store::Transaction::begin(*tables));
  for (const auto& doc : docs) CONSORT_TRY(remove_document_tables(*tables, doc));
  return transaction.commit();
}

// tables.db is written before text.db. Tables of a document that text.db does not have are what a crash
// between the two left behind.
Result<void> Ingest::reconcile() {
  CONSORT_ASSIGN(auto documents, list_documents(*text_));
  std::set<std::string> names;
  for (const auto& d : documents) names.insert(d.name);
  std::vector<std::string> orphans;
  {
    CONSORT_ASSIGN(auto tables, open_tables_db(state_.tables_path(), false));
    CONSORT_ASSIGN(auto with_tables, documents_with_tables(*tables));
    for (auto& doc : with_tables) {
      if (!names.contains(doc)) orphans.push_back(std::move(doc));
    }
  }
  return orphans.empty() ? Result<void>() : remove_tables(orphans);
}

Result<void> Ingest::remove(const SourceRow& row) {
  CONSORT_ASSIGN(auto docs, document_names_of(*text_, row.id));
  CONSORT_ASSIGN(auto transaction, store::Transaction::begin(*text_));
  CONSORT_TRY(remove_source(*text_, row.id));
  CONSORT_TRY(bump_revision(*text_));
  CONSORT_TRY(transaction.commit());
  return remove_tables(docs);
}

Result<std::vector<SourceFile>> Ingest::changed_files(SourceList& list) {
  std::vector<SourceFile> changed;
  for (auto& file : list.files) {
    if (options_.stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
    ++report_.files_seen;
    auto digest = source_digest(file);
    if (!digest) {
      report_.issues.push_back({file.path.string(), std::move(digest).error()});
      continue;
    }
    file.digest = *digest;
    auto found = known_.find(file.key);
    if (found != known_.end() && found->second.digest == file.digest) {
      ++report_.unchanged;
    } else {
      changed.push_back(file);
    }
  }
  return changed;
}

// Document names are unique in a memory: a second "notes" becomes "notes_csv", then "notes_2".
Result<void> Ingest::name_documents(const SourceFile& file, PreparedSource& source) {
  std::set<std::string> own;
  for (size_t d = 0; d < source.documents.size(); ++d) {
    std::string& name = source.documents[d].info.name;
    std::string wanted = name;
    for (int n = 1;; ++n) {
      bool taken = own.contains(name);
      if (!taken) {
        CONSORT_ASSIGN(auto row, text_->prepare("SELECT 1 FROM documents d JOIN sources s USING(source_id) WHERE d.name = ? AND s.path != ?"));
        CONSORT_ASSIGN(taken, row.bind(1, name).bind(2, file.key).step());
      }
      if (!taken) break;
      std::string extension = file.path.extension().string();
      name = n == 1 && extension.size() > 1 ? wanted + "_" + extension.substr(1) : wanted + "_" + std::to_string(n);
    }
    own.insert(name);
    if (name != wanted && d < source.figures.size()) {
      for (auto& grid : source.figures[d]) {
        for (auto& figure : grid) figure.doc = name;
      }
    }
  }
  return {};
}

Result<void> Ingest::embed(const SourceFile& file, PreparedSource& source) {
  double weight = weight_of(file);
  progress(kReadShare, weight, file.path.filename().string());
  if (!state_.embedder.embed) return {};
  size_t total = 0, done = 0;
  for (const auto& d : source.documents) total += d.chunks.size();
  // Batches cross documents (a JSON Lines file has thousands of short ones).
  std::vector<std::string> texts;
  std::vector<PreparedDocument*> owners;
  auto flush = [&]() -> Result<void> {
    if (texts.empty()) return {};
    if (options_.stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
    CONSORT_ASSIGN(auto vectors, state_.embedder.embed(texts));
    if (vectors.size() != texts.size()) return fail(ErrorCode::internal, 5006, "the embedder answered with another shape than it declared");
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (static_cast<int>(vectors[i].size()) != state_.embedder.dims) return fail(ErrorCode::internal, 5006, "the embedder answered with another shape than it declared");
      owners[i]->vectors.push_back(std::move(vectors[i]));
    }
    done += texts.size();
    progress(kReadShare + (1 - kReadShare) * static_cast<double>(done) / static_cast<double>(std::max<size_t>(total, 1)), weight, file.path.filename().string());
    texts.clear();
    owners.clear();
    return {};
  };
  for (auto& d : source.documents) {
    for (const auto& chunk : d.chunks) {
      texts.push_back(embedding_text(d.info, chunk.heading, std::string_view(d.content.text).substr(chunk.begin, chunk.end - chunk.begin)));
      owners.push_back(&d);
      if (texts.size() == kEmbedBatch) CONSORT_TRY(flush());
    }
  }
  return flush();
}

Result<void> Ingest::embed_labels(const PreparedSource& source, std::vector<std::pair<std::string, std::vector<float>>>* out) {
  if (!state_.embedder.embed) return {};
  std::set<std::string> wanted;
  for (const auto& document : source.figures) {
    for (const auto& grid : document) {
      for (const auto& figure : grid) {
        if (!figure.period_end.empty() && figure.label.size() <= 120) wanted.insert(lower_ascii(figure.label));
      }
    }
  }
  std::vector<std::string> missing;
  for (const auto& label : wanted) {
    CONSORT_ASSIGN(auto row, text_->prepare("SELECT 1 FROM labels WHERE label = ?"));
    CONSORT_ASSIGN(bool known, row.bind(1, label).step());
    if (!known) missing.push_back(label);
  }
  for (size_t at = 0; at < missing.size(); at += kEmbedBatch) {
    if (options_.stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
    std::span<const std::string> batch(missing.data() + at, std::min(kEmbedBatch, missing.size() - at));
    CONSORT_ASSIGN(auto vectors, state_.embedder.embed(batch));
    if (vectors.size() != batch.size()) return fail(ErrorCode::internal, 5006, "the embedder answered with another shape than it declared");
    for (size_t i = 0; i < batch.size(); ++i) out->emplace_back(batch[i], std::move(vectors[i]));
  }
  return {};
}

Result<void> Ingest::write_tables(const SourceFile& file, PreparedSource& source) {
  // A connection for each file: its prepared statements name the file's tables.
  CONSORT_ASSIGN(auto tables, open_tables_db(state_.tables_path(), false));
  CONSORT_ASSIGN(auto transaction, store::Transaction::begin(*tables));
  if (auto old = known_.find(file.key); old != known_.end()) {
    CONSORT_ASSIGN(auto docs, document_names_of(*text_, old->second.id));
    for (const auto& doc : docs) CONSORT_TRY(remove_document_tables(*tables, doc));
  }
  for (size_t d = 0; d < source.documents.size(); ++d) {
    PreparedDocument& document = source.documents[d];
    if (source.csv) {
      CsvFile sums;  // The first document is the file; the others are sums of it.
      if (d > 0) sums.text = document.content.text;
      CONSORT_ASSIGN(auto counts, add_csv(*tables, document.info, d == 0 ? *source.csv : sums, file.path.string(), options_.stop));
      report_.n_tables += static_cast<int>(counts.n_tables);
      if (!source.figures[d].empty()) {
        CONSORT_ASSIGN(auto added, add_figures(*tables, document.info, source.figures[d][0]));
        report_.n_figures += static_cast<int>(added);
      }
      continue;
    }
    for (size_t g = 0; g < document.content.grids.size(); ++g) {
      CONSORT_ASSIGN(auto counts, add_grid(*tables, document.info, document.content.grids[g], source.figures[d][g], file.path.string()));
      report_.n_tables += static_cast<int>(counts.n_tables);
      report_.n_figures += static_cast<int>(counts.n_figures);
    }
  }
  return transaction.commit();
}

Result<void> Ingest::write(const SourceFile& file, PreparedSource& source) {
  CONSORT_TRY(name_documents(file, source));
  CONSORT_TRY(embed(file, source));
  std::vector<std::pair<std::string, std::vector<float>>> labels;
  CONSORT_TRY(embed_labels(source, &labels));
  CONSORT_TRY(write_tables(file, source));
  CONSORT_ASSIGN(auto transaction, store::Transaction::begin(*text_));
  auto old = known_.find(file.key);
  if (old != known_.end()) CONSORT_TRY(remove_source(*text_, old->second.id));
  CONSORT_ASSIGN(int64_t source_id, add_source(*text_, file.key, file.digest));
  for (const auto& document : source.documents) {
    CONSORT_TRY(add_document(*text_, source_id, document));
    report_.n_passages += static_cast<int>(document.chunks.size());
  }
  for (const auto& [label, vector] : labels) {
    CONSORT_ASSIGN(auto insert, text_->prepare("INSERT OR IGNORE INTO labels VALUES(?, ?)"));
    CONSORT_TRY(insert.bind(1, label).bind(2, as_bytes(vector)).run());
  }
  CONSORT_TRY(bump_revision(*text_));
  CONSORT_TRY(transaction.commit());
  ++(old != known_.end() ? report_.updated : report_.added);
  return {};
}

// Failures of one file that say nothing about the others.
bool concerns_one_file(const Error& error) {
  return error.code != ErrorCode::cancelled && error.code != ErrorCode::internal && error.number != 5001 &&
         !(error.number >= 1202 && error.number <= 1213);
}

Result<IngestReport> Ingest::run(std::span<const std::filesystem::path> paths) {
  CONSORT_ASSIGN(auto lock, WriterLock::take(state_.folder));
  CONSORT_ASSIGN(text_, open_text_db(state_.text_path(), false));
  CONSORT_TRY(reconcile());
  CONSORT_ASSIGN(auto rows, list_sources(*text_));
  for (auto& row : rows) known_.emplace(row.path, row);
  CONSORT_ASSIGN(SourceList list, list_files(paths));
  report_.notes = list.notes;
  std::set<std::string> present;
  for (const auto& file : list.files) present.insert(file.key);
  CONSORT_ASSIGN(auto changed, changed_files(list));
  if (options_.remove_missing) {
    for (const auto& [path, row] : known_) {
      bool under = std::any_of(list.roots.begin(), list.roots.end(), [&path = path](const std::string& root) { return path == root || path.starts_with(root + "/"); });
      if (!under || present.contains(path)) continue;
      CONSORT_TRY(remove(row));
      ++report_.removed;
    }
  }
  for (const auto& file : changed) weights_.total += weight_of(file);
  ReadAhead ahead(changed, options_);
  for (size_t i = 0; i < changed.size(); ++i) {
    if (options_.stop.stop_requested()) return fail(ErrorCode::cancelled, 5131, "ingest was stopped on request");
    progress(0, 0, changed[i].path.filename().string());
    auto source = ahead.take(i);
    Result<void> written;
    if (source) {
      for (auto& note : source->notes) report_.notes.push_back(std::move(note));
      written = write(changed[i], *source);
    } else {
      written = fail(std::move(source).error());
    }
    if (!written) {
      if (!concerns_one_file(written.error())) return fail(std::move(written).error());
      report_.issues.push_back({changed[i].path.string(), std::move(written).error()});
    }
    weights_.done += weight_of(changed[i]);
  }
  progress(0, 0, "");
  return report_;
}

}  // namespace

Result<IngestReport> Memory::ingest(std::span<const std::filesystem::path> paths, const IngestOptions& options) {
  Ingest ingest(*state_, options);
  return ingest.run(paths);
}

}  // namespace consort::memory
