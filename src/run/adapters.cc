#include "run/adapters.h"

#include <optional>

#include "base/file.h"
#include "model/adapter_file.h"
#include "model/gguf.h"
#include "store/blob_store.h"
#include "store/home.h"

namespace consort::run {

namespace fs = std::filesystem;
using contract::Value;

namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr int kLevelsUpMax = 8;  // As far as the lock of the models is looked for.

std::string known_versions(store::Registry& registry, const store::ItemName& item) {
  std::string known;
  if (auto versions = registry.versions(item)) {
    for (const store::Version& v : *versions) known += (known.empty() ? "" : ", ") + v.version;
  }
  return known;
}

Error not_registered(std::string_view text, const std::string& fix) {
  return make_error(ErrorCode::not_found, 6312, "no adapter is registered as '" + std::string(text) + "'")
      .got(std::string(text))
      .to_fix(fix);
}

// One more than the largest version that is a plain number.
std::string next_version(const std::vector<store::Version>& versions) {
  uint64_t largest = 0;
  for (const store::Version& v : versions) {
    bool digits = !v.version.empty() && v.version.size() < 10 &&
                  v.version.find_first_not_of("0123456789") == std::string::npos;
    if (digits) largest = std::max<uint64_t>(largest, std::stoull(v.version));
  }
  return std::to_string(largest + 1);
}

// `models/adapters/NAME/adapter.gguf` beside or above `folder`, the working folder, or the program.
std::optional<fs::path> shipped_adapter(const std::string& name, const fs::path& folder) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (fs::path at : {fs::weakly_canonical(folder.empty() ? "." : folder, ignored), fs::current_path(ignored), program}) {
    for (int up = 0; up < kLevelsUpMax && !at.empty(); ++up, at = at.parent_path()) {
      fs::path file = at / "models" / "adapters" / name / "adapter.gguf";
      if (fs::is_regular_file(file, ignored)) return file;
      if (at == at.root_path()) break;
    }
  }
  return std::nullopt;
}

bool has_champion(const fs::path& home, const Clock& clock, const store::ItemName& item) {
  std::error_code ignored;
  if (!fs::exists(home / "registry.db", ignored)) return false;
  auto registry = store::Registry::open(home, clock);
  if (!registry) return true;  // The look-up that follows says what is wrong.
  auto aliases = (*registry)->aliases(item);
  return !aliases || aliases->contains(std::string(kDefaultAlias));
}

// A home without a champion of this name takes the one that came with the program, if there is one.
Result<void> adopt_shipped(const fs::path& home, const Clock& clock, const store::ItemName& item, const fs::path& folder) {
  if (has_champion(home, clock, item)) return {};
  const std::optional<fs::path> file = shipped_adapter(item.name, folder);
  if (!file) return {};
  CONSORT_ASSIGN(const store::Version version, register_adapter(home, clock, item.name, "", *file));
  CONSORT_ASSIGN(auto registry, store::Registry::open(home, clock));
  CONSORT_TRY(registry->move_alias(item, kDefaultAlias, version.version, "shipped with the program"));
  return {};
}

}  // namespace

Result<FoundAdapter> find_adapter(const fs::path& home, const Clock& clock, std::string_view text,
                                 const fs::path& folder) {
  if (text.starts_with(kFilePrefix))
    return FoundAdapter{std::string(text), folder / fs::path(text.substr(kFilePrefix.size()))};
  size_t at = text.find('@');
  store::ItemName item{store::ItemKind::adapter, std::string(text.substr(0, at))};
  std::string which(at == text.npos ? kDefaultAlias : text.substr(at + 1));
  if (which == kDefaultAlias) CONSORT_TRY_CONTEXT(adopt_shipped(home, clock, item, folder), "adapter '" + item.name + "'");
  std::string how = "register one with 'consort import FILE --name " + item.name + "'";
  std::error_code ignored;
  if (!fs::exists(home / "registry.db", ignored)) return fail(not_registered(text, how));
  CONSORT_ASSIGN(auto registry, store::Registry::open(home, clock));
  auto version = registry->find(item, which);
  if (!version) {
    if (version.error().number != 1222) return fail(std::move(version).error());
    std::string known = known_versions(*registry, item);
    if (!known.empty())
      how = "choose one of its versions (" + known + "), or move the alias with 'consort promote'";
    return fail(not_registered(text, how));
  }
  store::BlobStore blobs(home / "blobs");
  if (!blobs.contains(version->digest)) {
    return fail(make_error(ErrorCode::not_found, 1212, "the file of adapter " + item.name + "@" +
                                                           version->version + " is gone from the home")
                    .at(blobs.path_of(version->digest).string())
                    .to_fix("import it again, or restore blobs/ from a backup"));
  }
  return FoundAdapter{item.name + "@" + version->version, blobs.path_of(version->digest)};
}

Result<store::Version> register_adapter(const fs::path& home, const Clock& clock, const std::string& name,
                                        std::string version, const fs::path& file) {
  CONSORT_ASSIGN(auto gguf, model::GgufFile::open(file));
  CONSORT_ASSIGN(model::AdapterFile adapter, model::read_adapter(*gguf));
  CONSORT_ASSIGN(std::string bytes, read_file(file, store::kBlobBytesMax));
  CONSORT_TRY(store::open_home(home));
  CONSORT_ASSIGN(auto registry, store::Registry::open(home, clock));
  store::ItemName item{store::ItemKind::adapter, name};
  CONSORT_ASSIGN(std::vector<store::Version> versions, registry->versions(item));
  store::BlobStore blobs(home / "blobs");
  CONSORT_ASSIGN(Digest digest, blobs.put(bytes));
  if (version.empty()) {
    for (const store::Version& v : versions) {
      if (v.digest == digest) return v;  // The same content keeps its number.
    }
    version = next_version(versions);
  }
  Value metadata = Value::object({{"architecture", adapter.architecture},
                                  {"rank", adapter.rank},
                                  {"bytes", static_cast<int64_t>(bytes.size())},
                                  {"base_sha256", adapter.base_sha256 ? adapter.base_sha256->hex() : ""},
                                  {"source", fs::absolute(file).string()}});
  return registry->add(item, version, digest, metadata);
}

}  // namespace consort::run
