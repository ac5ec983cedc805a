// For tests of this folder: temporary folders, minimal PDFs, and an embedder without a model.
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "memory/memory.h"
#include "memory/query.h"

namespace consort::memory::testing {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "consort_memory_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  std::filesystem::path path_;
};

// Feature hashing of words (Weinberger et al., 2009): words shared, vectors near. No learnt meaning.
inline Embedder hashing_embedder(int dims = 64) {
  Embedder embedder;
  embedder.model = "hashing-" + std::to_string(dims);
  embedder.dims = dims;
  embedder.embed = [dims](std::span<const std::string> texts) -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<float>> out;
    for (const auto& text : texts) {
      std::vector<float> v(static_cast<size_t>(dims), 1e-3f);
      for (const auto& term : query_terms(text)) {
        uint64_t h = 1469598103934665603ull;
        for (char c : term) h = (h ^ static_cast<uint8_t>(c)) * 1099511628211ull;
        v[h % static_cast<uint64_t>(dims)] += (h >> 40) % 2 == 0 ? 1.0f : -1.0f;
      }
      float norm = 0;
      for (float x : v) norm += x * x;
      for (float& x : v) x /= std::sqrt(norm);
      out.push_back(std::move(v));
    }
    return out;
  };
  return embedder;
}

// A PDF of one text line per entry, set in a fixed-width font so that -layout keeps columns. One vector of
// lines per page; `trailer_extra` goes into the trailer dictionary ("/Encrypt ...").
inline std::string make_pdf(const std::vector<std::vector<std::string>>& pages, const std::string& trailer_extra = "") {
  std::vector<std::string> objects;
  std::string kids;
  for (size_t p = 0; p < pages.size(); ++p) kids += std::to_string(4 + 2 * p) + " 0 R ";
  objects.push_back("<< /Type /Catalog /Pages 2 0 R >>");
  objects.push_back("<< /Type /Pages /Kids [" + kids + "] /Count " + std::to_string(pages.size()) + " >>");
  objects.push_back("<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>");
  for (size_t p = 0; p < pages.size(); ++p) {
    std::string content = "BT /F1 8 Tf 10 TL 20 780 Td\n";
    for (const auto& line : pages[p]) {
      std::string escaped;
      for (char c : line) {
        if (c == '(' || c == ')' || c == '\\') escaped += '\\';
        escaped += c;
      }
      content += "(" + escaped + ") Tj T*\n";
    }
    content += "ET\n";
    objects.push_back("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 700 800] /Resources << /Font << /F1 3 0 R >> >> /Contents " +
                      std::to_string(5 + 2 * p) + " 0 R >>");
    objects.push_back("<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content + "endstream");
  }
  std::string out = "%PDF-1.4\n";
  std::vector<size_t> offsets;
  for (size_t i = 0; i < objects.size(); ++i) {
    offsets.push_back(out.size());
    out += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  size_t xref = out.size();
  out += "xref\n0 " + std::to_string(objects.size() + 1) + "\n0000000000 65535 f \n";
  for (size_t offset : offsets) {
    char line[32];
    snprintf(line, sizeof line, "%010zu 00000 n \n", offset);
    out += line;
  }
  out += "trailer\n<< /Size " + std::to_string(objects.size() + 1) + " /Root 1 0 R " + trailer_extra + ">>\nstartxref\n" + std::to_string(xref) + "\n%%EOF\n";
  return out;
}

}  // namespace consort::memory::testing
