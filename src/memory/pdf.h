// Text of a PDF, page by page, by poppler's `pdftotext -layout` in a sandboxed child.
//
// A PDF is outside bytes for a large C++ parser: it runs with no network, only that file readable, and
// limits on time, memory and output. Not for: scanned pages (no OCR), forms, or attachments.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/result.h"

namespace consort::memory {

struct PdfOptions {
  int seconds_max = 120;
  uint64_t memory_bytes_max = 1ull << 30;   // Address space of the child.
  uint64_t text_bytes_max = 256ull << 20;
  SandboxNeed sandbox = SandboxNeed::preferred;
  std::stop_token stop;
};

struct PdfText {
  std::vector<std::string> pages;  // Well-formed UTF-8; empty pages stay, so that numbers are right.
  Sandbox sandbox = Sandbox::none;
};

// Errors, place = the path: failed_precondition 5101 (encrypted), unsupported 5102 (no text on any page:
// images only), invalid_argument 5103 (empty file or no pages), corruption 5104 (damaged or not a PDF),
// resource_exhausted 5105 (time, memory or text limit; names which), unavailable 5106 (pdftotext missing
// or failing), cancelled 1316.
Result<PdfText> read_pdf(const std::filesystem::path& path, const PdfOptions& options);

}  // namespace consort::memory
