// The journal reads bytes that anyone may have written: as one record with a matching hash, and as
// a whole database file. Nothing may crash, and what is read must carry the chain that it claims.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "run/run_view.h"
#include "store/journal.h"
#include "store/journal_record.h"

namespace {

using namespace consort;
using namespace consort::store;

// kind \n step \n body, hashed by us, so that what lies behind the hash is reached.
void read_record(std::string_view text) {
  size_t first = text.find('\n');
  size_t second = first == text.npos ? text.npos : text.find('\n', first + 1);
  if (second == text.npos) return;
  RunId run{"r_01KAV9FT0004HMASW9NF6YY093"};
  StoredRecord record{.seq = 1,
                      .kind = text.substr(0, first),
                      .step = text.substr(first + 1, second - first - 1),
                      .unix_ms = 1764000000000,
                      .body = text.substr(second + 1)};
  Digest chain = record_chain(Digest{}, run, record);
  record.chain = {reinterpret_cast<const char*>(chain.bytes.data()), chain.bytes.size()};
  auto event = decode_record(Digest{}, run, 1, record);
  if (!event) return;
  if (event->chain != chain) std::abort();
  (void)run::fold(run, {&*event, 1});
}

void read_database(std::string_view bytes) {
  static const std::filesystem::path home = [] {
    std::filesystem::path base = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string folder = (base / "journal_fuzz_XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    return std::filesystem::path(folder);
  }();
  std::ofstream(home / "journal.db", std::ios::binary | std::ios::trunc) << bytes;
  auto journal = Journal::open_read_only(home);
  if (journal) {
    auto runs = (*journal)->runs(4);
    if (runs) {
      for (const RunSummary& line : *runs) (void)run::load_run(**journal, line.run);
    }
  }
  journal = Result<std::unique_ptr<Journal>>(nullptr);
  std::filesystem::remove_all(home / "journal.db-wal");
  std::filesystem::remove_all(home / "journal.db-shm");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("SQLite format 3"))
    read_database(text);
  else
    read_record(text);
  return 0;
}
