#include "model/lock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "contract/json.h"

namespace consort::model {
namespace {

constexpr uint64_t kLockBytesMax = 16 << 20;
constexpr std::string_view kMainFiles[] = {"model.gguf", "model.safetensors"};

Result<LockedFile> read_file_entry(const std::string& place, const contract::Value& entry) {
  LockedFile file;
  file.path = entry.string_or("path", "");
  const contract::Value* bytes = entry.find("bytes");
  const int64_t count = bytes != nullptr && bytes->is_number()
                            ? bytes->as_number().as_int64().value_or(-1)
                            : -1;
  const auto digest = Digest::from_hex(entry.string_or("sha256", ""));
  const std::filesystem::path path(file.path);
  const bool inside =
      !file.path.empty() && path.is_relative() &&
      std::none_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  if (!inside || count < 0 || !digest) {
    return fail(make_error(ErrorCode::corruption, 3604,
                           "a file needs a relative path, its bytes and its sha256")
                    .at(place)
                    .got(file.path)
                    .to_fix("restore models.lock from version control"));
  }
  file.bytes = static_cast<uint64_t>(count);
  file.sha256 = *digest;
  return file;
}

// One line for a verified file: "sha256 bytes mtime_ns path".
std::string memo_line(const Digest& digest, uint64_t bytes, int64_t mtime,
                      const std::filesystem::path& path) {
  return fmt::format("{} {} {} {}\n", digest.hex(), bytes, mtime, path.string());
}

int64_t mtime_of(const std::filesystem::path& path, std::error_code& error) {
  return std::filesystem::last_write_time(path, error).time_since_epoch().count();
}

}  // namespace

const LockedFile* LockedModel::find(std::string_view path) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const LockedFile& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

Result<ModelLock> ModelLock::open(const std::filesystem::path& lock_file) {
  CONSORT_ASSIGN(const std::string text, read_file(lock_file, kLockBytesMax));
  const auto broken = [&](std::string pointer, std::string message) {
    return make_error(ErrorCode::corruption, 3604, std::move(message))
        .at(lock_file.string() + ":" + std::move(pointer))
        .to_fix("restore models.lock from version control");
  };
  auto root = contract::parse_json(text);
  if (!root)
    return fail(broken(root.error().place, "the lock is no JSON: " + root.error().message));
  const contract::Value* format = root->find("format");
  const contract::Value* models = root->find("models");
  if (format == nullptr || !(*format == contract::Value(1)) || models == nullptr ||
      !models->is_array())
    return fail(broken("/format", "a lock of format 1 with an array of models is needed"));
  ModelLock lock;
  lock.folder_ = lock_file.parent_path();
  for (size_t i = 0; i < models->as_array().size(); ++i) {
    const contract::Value& entry = models->as_array()[i];
    const std::string place = fmt::format("/models/{}", i);
    LockedModel model;
    model.ref = entry.string_or("ref", "");
    model.name = entry.string_or("name", "");
    model.summary = entry.string_or("summary", "");
    model.licence = entry.string_or("licence", "");
    const contract::Value* by_default = entry.find("default");
    model.fetched_by_default = by_default != nullptr && *by_default == contract::Value(true);
    const contract::Value* files = entry.find("files");
    const bool name_ok =
        !model.name.empty() && model.name.find('/') == std::string::npos && model.name != "..";
    if (model.ref.empty() || !name_ok || files == nullptr || !files->is_array())
      return fail(broken(place, "a model needs ref, name and files"));
    for (const contract::Value& file : files->as_array()) {
      CONSORT_ASSIGN(LockedFile locked, read_file_entry(lock_file.string() + ":" + place, file));
      model.files.push_back(std::move(locked));
    }
    if (const contract::Value* joined =
            entry.find("joined")) {  // Put together from parts when fetched.
      CONSORT_ASSIGN(LockedFile locked,
                     read_file_entry(lock_file.string() + ":" + place + "/joined", *joined));
      model.files.push_back(std::move(locked));
    }
    lock.models_.push_back(std::move(model));
  }
  return lock;
}

Result<const LockedModel*> ModelLock::find(std::string_view ref) const {
  std::string known;
  for (const LockedModel& model : models_) {
    if (model.ref == ref) return &model;
    known += (known.empty() ? "" : ", ") + model.ref;
  }
  return fail(make_error(ErrorCode::not_found, 3605, "no such model in the lock")
                  .at((folder_ / "models.lock").string())
                  .got(ref)
                  .to_fix("use one of " + known));
}

Result<ResolvedModel> ModelLock::resolve(std::string_view ref, Verify verify,
                                         const std::filesystem::path& memo) const {
  CONSORT_ASSIGN(const LockedModel* model, find(ref));
  ResolvedModel resolved;
  resolved.folder = folder_ / "cache" / model->name;
  std::string remembered, added;
  if (verify == Verify::cached && !memo.empty())
    remembered = read_file(memo, kLockBytesMax).value_or("");
  const std::string fetch =
      "run tools/fetch_models.py" + (model->fetched_by_default
                                         ? std::string()
                                         : " --with " + model->ref.substr(0, model->ref.find('-')));
  for (const LockedFile& file : model->files) {
    const std::filesystem::path path = resolved.folder / file.path;
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(path, error);
    if (error) {
      return fail(make_error(ErrorCode::not_found, 3606,
                             fmt::format("a file of model '{}' is not there", ref))
                      .at(path.string())
                      .to_fix(fetch));
    }
    const auto wrong = [&](std::string message, std::string got) {
      return make_error(ErrorCode::corruption, 3603, std::move(message))
          .at(path.string())
          .got(got)
          .to_fix("delete the file and " + fetch);
    };
    if (bytes != file.bytes)
      return fail(wrong(fmt::format("the file has not the {} bytes of the lock", file.bytes),
                        std::to_string(bytes)));
    if (std::find(std::begin(kMainFiles), std::end(kMainFiles), file.path) !=
        std::end(kMainFiles)) {
      resolved.main_file = path;
      resolved.sha256 = file.sha256;
      resolved.is_folder_model = file.path == "model.safetensors";
    }
    if (verify == Verify::none) continue;
    const int64_t mtime = mtime_of(path, error);
    const std::string line = memo_line(file.sha256, bytes, mtime, path);
    if (verify == Verify::cached && !error && remembered.find(line) != std::string::npos) continue;
    CONSORT_ASSIGN(const Digest digest, sha256_file(path));
    if (digest != file.sha256)
      return fail(wrong("the file's SHA-256 is not the lock's", digest.hex()));
    added += line;
  }
  if (resolved.main_file.empty()) {
    return fail(
        make_error(ErrorCode::corruption, 3604, "the lock names no model.gguf or model.safetensors")
            .at((folder_ / "models.lock").string())
            .got(ref));
  }
  if (verify == Verify::cached && !memo.empty() && !added.empty()) {
    // The memo only saves time: where it cannot be written, the next start verifies again.
    (void)write_file_atomic(memo, remembered + added);
  }
  return resolved;
}

}  // namespace consort::model
