#include "train/checkpoint.h"

#include <cstring>

#include "base/file.h"

namespace consort::train {
namespace {

constexpr std::string_view kMagic = "CONSORT-CKPT-01\n";
constexpr uint64_t kBytesMax = uint64_t{4} << 30;

template <typename T>
void put(std::string& out, const std::vector<T>& values) {
  const uint64_t n = values.size();
  out.append(reinterpret_cast<const char*>(&n), 8);
  out.append(reinterpret_cast<const char*>(values.data()), n * sizeof(T));
}

template <typename T>
bool take(std::string_view& in, std::vector<T>& values) {
  uint64_t n = 0;
  if (in.size() < 8) return false;
  std::memcpy(&n, in.data(), 8);
  in.remove_prefix(8);
  if (n > in.size() / sizeof(T)) return false;
  values.resize(n);
  std::memcpy(values.data(), in.data(), n * sizeof(T));
  in.remove_prefix(n * sizeof(T));
  return true;
}

}  // namespace

Result<void> save_checkpoint(const std::filesystem::path& file, const Checkpoint& c) {
  std::string out(kMagic);
  out.append(reinterpret_cast<const char*>(c.key.bytes.data()), 32);
  out.append(reinterpret_cast<const char*>(&c.step), 8);
  put(out, c.losses);
  put(out, c.values);
  put(out, c.first);
  put(out, c.second);
  const Digest sum = sha256(out);
  out.append(reinterpret_cast<const char*>(sum.bytes.data()), 32);
  return write_file_atomic(file, out);
}

Result<Checkpoint> load_checkpoint(const std::filesystem::path& file, const Digest& key) {
  CONSORT_ASSIGN(const std::string text, read_file(file, kBytesMax));
  const auto damaged = [&]() {
    return fail(make_error(ErrorCode::corruption, 9020, "a checkpoint is damaged")
                    .at(file.string())
                    .to_fix("delete it; the training begins again"));
  };
  std::string_view in = text;
  if (in.size() < kMagic.size() + 72 || !in.starts_with(kMagic)) return damaged();
  Digest sum;
  std::memcpy(sum.bytes.data(), in.data() + in.size() - 32, 32);
  in.remove_suffix(32);
  if (sha256(in) != sum) return damaged();
  in.remove_prefix(kMagic.size());
  Checkpoint c;
  std::memcpy(c.key.bytes.data(), in.data(), 32);
  std::memcpy(&c.step, in.data() + 32, 8);
  in.remove_prefix(40);
  if (!take(in, c.losses) || !take(in, c.values) || !take(in, c.first) || !take(in, c.second) ||
      !in.empty())
    return damaged();
  if (c.key != key) {
    return fail(make_error(ErrorCode::failed_precondition, 9021,
                           "the checkpoint belongs to a training with other data or options")
                    .at(file.string())
                    .to_fix("use the options it began with, another folder, or delete it"));
  }
  return c;
}

}  // namespace consort::train
