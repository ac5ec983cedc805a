// Sessions: a text's tokens with their keys and values, on disk and back (docs/formats/session.md).
#include <cstring>

#include "base/file.h"
#include "engine/state.h"

namespace consort::engine {
namespace {

using tensor::kPageTokens;

constexpr char kMagic[8] = {'C', 'S', 'E', 'S', 'S', 'I', 'O', 'N'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 4096;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t page_tokens;
  uint64_t page_bytes;
  uint32_t n_tokens;  // A multiple of page_tokens.
  int32_t from;       // Where the adapter acts.
  uint8_t model[32];
  uint8_t adapter[32];  // Zeros: none.
  uint8_t tokens[32];   // SHA-256 of the header before this field, then the tokens.
  uint8_t pages[32];    // SHA-256 of all pages.
};
static_assert(sizeof(Header) == 160);

size_t pages_at(size_t n_tokens) {
  return (sizeof(Header) + n_tokens * sizeof(int32_t) + kAlignment - 1) / kAlignment * kAlignment;
}

Digest digest_head(const Header& header, std::span<const int32_t> tokens) {
  Sha256 hash;
  hash.update({reinterpret_cast<const uint8_t*>(&header), offsetof(Header, tokens)});
  hash.update({reinterpret_cast<const uint8_t*>(tokens.data()), tokens.size_bytes()});
  return hash.finish();
}

void put(const Digest& digest, uint8_t* to) { std::memcpy(to, digest.bytes.data(), 32); }
bool equal(const Digest& digest, const uint8_t* bytes) {
  return std::memcmp(digest.bytes.data(), bytes, 32) == 0;
}

Error damaged(const std::filesystem::path& path, std::string message) {
  return make_error(ErrorCode::corruption, 4119, std::move(message))
      .at(path.string())
      .to_fix("save the session again");
}

Error belongs_elsewhere(std::string message) {
  return make_error(ErrorCode::failed_precondition, 4120, std::move(message))
      .to_fix("load what it was saved with, or save it again here");
}

}  // namespace

Result<int> Engine::save_session(std::string_view model, std::string_view adapter,
                                 std::span<const int32_t> tokens,
                                 const std::filesystem::path& path) {
  Task task;
  task.kind = Task::Kind::keep;
  CONSORT_ASSIGN(task.model, state_->find_decoder(model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, adapter));
  const size_t n = tokens.size() / kPageTokens * kPageTokens;
  if (n == 0) {
    return fail(invalid_request("a session needs at least 32 tokens", std::to_string(tokens.size()),
                                "save a longer text"));
  }
  for (const int32_t t : tokens) {
    if (t < 0 || t >= task.model->info.n_vocab)
      return fail(invalid_request("a token id is outside the vocabulary", std::to_string(t),
                                  "use ids of this model's tokenizer"));
  }
  CONSORT_TRY(check_length(*task.model, n, 0));
  CONSORT_ASSIGN(task.from, acts_from(task.adapter.get(), tokens));
  task.prompt.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n));
  const size_t page_bytes = task.model->decoder->page_bytes();
  std::string file(pages_at(n) + n / kPageTokens * page_bytes, '\0');
  task.on_pages = [&](std::span<Page* const> pages) -> Result<void> {
    for (size_t i = 0; i < pages.size(); ++i) {
      std::memcpy(file.data() + pages_at(n) + i * page_bytes, pages[i]->data, page_bytes);
    }
    return {};
  };
  CONSORT_TRY(state_->submit(task));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.page_tokens = kPageTokens;
  header.page_bytes = page_bytes;
  header.n_tokens = static_cast<uint32_t>(n);
  header.from = task.from;
  put(task.model->info.digest, header.model);
  if (task.adapter) put(task.adapter->info.digest, header.adapter);
  put(digest_head(header, task.prompt), header.tokens);
  put(sha256(std::string_view(file).substr(pages_at(n))), header.pages);
  std::memcpy(file.data(), &header, sizeof(header));
  std::memcpy(file.data() + sizeof(header), task.prompt.data(), n * sizeof(int32_t));
  if (Result<void> written = write_file_atomic(path, file); !written) {
    return fail(make_error(ErrorCode::unavailable, 4118, "the session could not be written")
                    .at(path.string())
                    .got(written.error().to_string()));
  }
  return static_cast<int>(n);
}

Result<std::vector<int32_t>> Engine::load_session(std::string_view model, std::string_view adapter,
                                                  const std::filesystem::path& path) {
  Task task;
  task.kind = Task::Kind::adopt;
  CONSORT_ASSIGN(task.model, state_->find_decoder(model));
  CONSORT_ASSIGN(task.adapter, state_->find_adapter(task.model, adapter));
  CONSORT_ASSIGN(auto opened, MappedFile::open(path));
  const std::shared_ptr<const MappedFile> map = std::move(opened);
  const std::span<const uint8_t> bytes = map->bytes();
  Header header;
  if (bytes.size() < sizeof(header)) return fail(damaged(path, "the session is cut short"));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return fail(damaged(path, "this is not a session file"));
  }
  if (header.version != kVersion) {
    return fail(belongs_elsewhere("the session was written by another version of the program")
                    .got(std::to_string(header.version)));
  }
  if (header.n_tokens == 0 || header.n_tokens > (1u << 24) || header.page_tokens == 0 ||
      header.n_tokens % header.page_tokens != 0 || header.page_bytes > (1u << 30)) {
    return fail(damaged(path, "a size of the session cannot be"));
  }
  const size_t n = header.n_tokens;
  const size_t n_pages = n / header.page_tokens;
  if (bytes.size() != pages_at(n) + n_pages * header.page_bytes) {
    return fail(damaged(path, "the session is cut short"));
  }
  task.prompt.resize(n);
  std::memcpy(task.prompt.data(), bytes.data() + sizeof(header), n * sizeof(int32_t));
  if (!equal(digest_head(header, task.prompt), header.tokens)) {
    return fail(damaged(path, "the session's head does not have its own digest"));
  }
  if (!equal(task.model->info.digest, header.model)) {
    return fail(belongs_elsewhere("the session belongs to another model")
                    .at(path.string())
                    .got(task.model->info.name));
  }
  if (!equal(task.adapter ? task.adapter->info.digest : Digest{}, header.adapter)) {
    return fail(
        belongs_elsewhere("the session belongs to another adapter").at(path.string()).got(adapter));
  }
  if (header.page_tokens != kPageTokens || header.page_bytes != task.model->decoder->page_bytes()) {
    return fail(belongs_elsewhere("the session's pages have another layout").at(path.string()));
  }
  for (const int32_t t : task.prompt) {
    if (t < 0 || t >= task.model->info.n_vocab)
      return fail(damaged(path, "a token of the session is outside the vocabulary"));
  }
  CONSORT_ASSIGN(const int from, acts_from(task.adapter.get(), task.prompt));
  if (from != header.from) return fail(damaged(path, "the adapter acts elsewhere in this text"));
  task.from = from;
  const std::span<const uint8_t> pages = bytes.subspan(pages_at(n));
  Sha256 hash;
  hash.update(pages);
  if (!equal(hash.finish(), header.pages)) {
    return fail(damaged(path, "the session's pages do not have their digest"));
  }
  // Shared pages are only ever read.
  task.mapped = {const_cast<uint8_t*>(pages.data()), pages.size()};
  task.mapping = map;
  CONSORT_TRY(state_->submit(task));
  return std::move(task.prompt);
}

// The first page is computed anew and compared: another program, instruction set or kernel gives
// other bits, and answers must not depend on where a prefix came from.
void Engine::State::adopt_pages(Sequence& s) {
  Task& task = *s.task;
  LoadedModel& model = *task.model;
  const size_t page_bytes = model.pages->page_bytes();
  if (!ensure_pages(s, kPageTokens)) {
    finish(s, budget_spent(budget, page_bytes));
    return;
  }
  std::vector<model::Segment> segments;
  add_segments(std::span(s.tokens).first(kPageTokens), 0, s.page_data, task.adapter.get(),
               task.from, 0, &segments);
  model.decoder_runner->forward(segments);
  if (std::memcmp(s.page_data[0], task.mapped.data(), page_bytes) != 0) {
    finish(s, belongs_elsewhere("this program computes other keys and values for the session"));
    return;
  }
  std::vector<Page*> pages;
  std::optional<Error> error;
  for (size_t at = 0; at < task.mapped.size(); at += page_bytes) {
    Page* page = model.pages->adopt(task.mapped.data() + at, task.mapping);
    while (page == nullptr && model.prefixes->evict_one()) {
      model.pages->trim();
      page = model.pages->adopt(task.mapped.data() + at, task.mapping);
    }
    if (page == nullptr) {
      error = budget_spent(budget, task.mapped.size() - at);
      break;
    }
    pages.push_back(page);
  }
  if (!error) model.prefixes->insert(task.acting(), s.tokens, pages);
  for (Page* page : pages) model.pages->release(page);
  finish(s, std::move(error));
}

}  // namespace consort::engine
