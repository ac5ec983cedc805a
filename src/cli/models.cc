#include "cli/models.h"

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "contract/json.h"
#include "model/lock.h"
#include "run/host.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kImportBytesMax = 64 << 10;

void add_locked(const model::ModelLock& lock, std::vector<KnownModel>& out) {
  for (const model::LockedModel& m : lock.models()) {
    KnownModel known;
    known.ref = m.ref;
    known.summary = m.summary;
    known.by_default = m.fetched_by_default;
    for (const model::LockedFile& file : m.files) {
      known.bytes += file.bytes;
      if (file.path == "model.gguf" || file.path == "model.safetensors")
        known.sha256 = file.sha256.hex();
    }
    auto resolved = lock.resolve(m.ref, model::Verify::none);
    known.present = resolved.has_value();
    if (resolved)
      known.path = resolved->is_folder_model ? resolved->folder : resolved->main_file;
    else
      known.problem = resolved.error().message;
    out.push_back(std::move(known));
  }
}

void add_imported(const fs::path& folder, std::vector<KnownModel>& out) {
  std::error_code ec;
  std::vector<KnownModel> found;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    auto text = read_file(entry.path() / "import.json", kImportBytesMax);
    if (!text) continue;  // A folder that an interrupted import left.
    auto value = contract::parse_json(*text);
    if (!value) continue;
    KnownModel known;
    known.ref = value->string_or("name", entry.path().filename().string());
    known.sha256 = value->string_or("sha256", "");
    known.summary = "imported from " + value->string_or("source", "a file");
    known.imported = true;
    known.path = entry.path() / "model.gguf";
    uint64_t bytes = fs::file_size(known.path, ec);
    const contract::Value* expected = value->find("bytes");
    known.bytes = ec ? 0 : bytes;
    known.present = !ec && expected != nullptr && expected->get_number() != nullptr &&
                    expected->get_number()->as_int64() == static_cast<int64_t>(bytes);
    if (!known.present) known.problem = "the file is missing or has another size";
    found.push_back(std::move(known));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.ref < b.ref; });
  out.insert(out.end(), found.begin(), found.end());
}

}  // namespace

Result<std::vector<KnownModel>> known_models(const fs::path& home) {
  std::vector<KnownModel> out;
  std::error_code ec;
  add_imported(home / "models", out);
  auto lock_file = run::find_model_lock(fs::current_path(ec));
  if (!lock_file) {
    if (out.empty()) return fail(std::move(lock_file).error());
    return out;
  }
  CONSORT_ASSIGN(model::ModelLock lock, model::ModelLock::open(*lock_file));
  add_locked(lock, out);
  return out;
}

std::string model_ref(const fs::path& home, const std::string& name) {
  std::error_code ec;
  std::vector<KnownModel> imported;
  add_imported(home / "models", imported);
  for (const KnownModel& m : imported) {
    if (m.ref == name) return "file:" + m.path.string();
  }
  if (name.rfind("file:", 0) != 0 && fs::exists(name, ec) && !ec) return "file:" + name;
  return name;
}

}  // namespace consort::cli
