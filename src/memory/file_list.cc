#include <algorithm>
#include <set>
#include <span>

#include "base/file.h"
#include "contract/json.h"
#include "memory/reader.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesMax = 100000;

// company: "Walmart" or ["General Mills", "Kraft Heinz"] -> joined by "; ".
std::string joined(const contract::Value* value) {
  if (value == nullptr) return {};
  if (const std::string* text = value->get_string()) return *text;
  std::string out;
  if (const contract::Array* list = value->get_array()) {
    for (const auto& item : *list) {
      if (const std::string* text = item.get_string()) out += (out.empty() ? "" : "; ") + *text;
    }
  }
  return out;
}

struct Manifest {
  std::map<std::string, DocumentInfo> by_path;  // Absolute.
  std::map<std::string, DocumentInfo> by_name;  // Stem.
  std::set<std::string> left_out;               // The text beside a PDF.
};

Result<void> read_manifest(const fs::path& path, Manifest* manifest) {
  CONSORT_ASSIGN(std::string bytes, read_file(path, 64 << 20));
  int line_no = 0;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = trim(std::string_view(bytes).substr(at, end - at));
    at = end + 1;
    ++line_no;
    if (line.empty()) continue;
    std::string place = path.string() + ":" + std::to_string(line_no);
    auto parsed = contract::parse_json(line);
    if (!parsed) return fail(std::move(parsed).error().with_context("reading a manifest").at(place));
    if (!parsed->is_object())
      return fail(make_error(ErrorCode::invalid_argument, 5124, "a manifest line must be an object").at(place)
                      .to_fix("write {\"doc\": ..., \"file\": ..., \"company\": ..., \"period_end\": ...}"));
    DocumentInfo info;
    info.name = parsed->string_or("doc", "");
    info.title = parsed->string_or("title", "");
    info.company = joined(parsed->find("company"));
    info.kind = parsed->string_or("type", parsed->string_or("kind", ""));
    info.period_end = parsed->string_or("period_end", "");
    auto absolute = [&](const std::string& file) { return (path.parent_path() / file).lexically_normal().string(); };
    std::string pdf = parsed->string_or("pdf", ""), text = parsed->string_or("text", ""), file = parsed->string_or("file", "");
    for (const std::string* named : {&pdf, &text, &file}) {
      if (!named->empty()) manifest->by_path[absolute(*named)] = info;
    }
    if (!pdf.empty() && !text.empty()) manifest->left_out.insert(absolute(text));
    if (!info.name.empty()) manifest->by_name[info.name] = info;
  }
  return {};
}

}  // namespace

std::optional<FileType> file_type(const fs::path& path) {
  std::string extension = lower_ascii(path.extension().string());
  if (extension == ".pdf") return FileType::pdf;
  if (extension == ".html" || extension == ".htm" || extension == ".xhtml") return FileType::html;
  if (extension == ".md" || extension == ".markdown") return FileType::markdown;
  if (extension == ".txt" || extension == ".text") return FileType::text;
  if (extension == ".csv" || extension == ".tsv") return FileType::csv;
  if (extension == ".jsonl") return FileType::jsonl;
  return std::nullopt;
}

Result<SourceList> list_files(std::span<const fs::path> paths) {
  SourceList out;
  std::vector<fs::path> found;
  Manifest manifest;
  int unknown = 0;
  for (const auto& given : paths) {
    std::error_code ec;
    fs::path root = fs::weakly_canonical(fs::absolute(given), ec);
    if (ec) root = fs::absolute(given);
    if (!fs::exists(root, ec))
      return fail(make_error(ErrorCode::not_found, 1101, "no such file or folder").at(given.string()).to_fix("check the path"));
    out.roots.push_back(root.string());
    fs::path beside = root.parent_path() / "manifest.jsonl";
    if (fs::exists(beside, ec) && root.filename() != "manifest.jsonl") CONSORT_TRY(read_manifest(beside, &manifest));
    if (!fs::is_directory(root, ec)) {
      found.push_back(root);
      continue;
    }
    fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, ec), end;
    if (ec)
      return fail(make_error(ErrorCode::unavailable, 1102, "cannot list the folder: " + ec.message()).at(root.string()));
    while (it != end) {
      if (it->path().filename().string().starts_with('.')) {
        if (it->is_directory(ec)) it.disable_recursion_pending();
      } else if (it->is_regular_file(ec)) {
        if (it->path().filename() == "manifest.jsonl") CONSORT_TRY(read_manifest(it->path(), &manifest));
        found.push_back(it->path());
        if (found.size() > kFilesMax)
          return fail(make_error(ErrorCode::resource_exhausted, 5125, "more than " + std::to_string(kFilesMax) + " files")
                          .at(root.string()).to_fix("ingest smaller folders"));
      }
      it.increment(ec);
      if (ec) return fail(make_error(ErrorCode::unavailable, 1102, "cannot list the folder: " + ec.message()).at(root.string()));
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  for (const auto& path : found) {
    std::string name = path.filename().string();
    if (name.ends_with("manifest.jsonl")) continue;
    auto type = file_type(path);
    if (!type) {
      ++unknown;
      continue;
    }
    if (manifest.left_out.contains(path.string())) {
      out.notes.push_back(path.string() + ": left out, the PDF of the same document is read");
      continue;
    }
    SourceFile file;
    file.path = path;
    file.key = path.string();
    file.type = *type;
    std::error_code ec;
    file.bytes = fs::file_size(path, ec);
    if (auto named = manifest.by_path.find(path.string()); named != manifest.by_path.end()) {
      file.info = named->second;
    } else if (auto stem = manifest.by_name.find(path.stem().string()); stem != manifest.by_name.end()) {
      file.info = stem->second;
    }
    if (file.info.name.empty()) file.info.name = path.stem().string();
    out.files.push_back(std::move(file));
  }
  if (unknown > 0) out.notes.push_back(std::to_string(unknown) + " files of other types were not read");
  return out;
}

}  // namespace consort::memory
