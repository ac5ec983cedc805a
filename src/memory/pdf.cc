#include "memory/pdf.h"

#include <csignal>
#include <fstream>

#include "memory/text.h"

namespace consort::memory {
namespace {

Error pdf_error(ErrorCode code, int number, std::string message, const std::filesystem::path& path,
                std::string fix) {
  return make_error(code, number, std::move(message)).at(path.string()).to_fix(std::move(fix));
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Which failure pdftotext's exit code and messages mean.
Error explain_failure(const ChildResult& child, const std::filesystem::path& path, uint64_t memory_max) {
  const std::string& talk = child.error;
  auto says = [&](const char* words) { return contains_ignoring_case(talk, words); };
  if (says("incorrect password") || says("unsupported encryption") || says("encrypt") || child.exit_code == 3)
    return pdf_error(ErrorCode::failed_precondition, 5101, "the PDF is encrypted", path,
                     "save it without a password (for example: qpdf --decrypt IN OUT)");
  if (says("out of memory") || says("bad_alloc") || child.signal == SIGABRT)
    return pdf_error(ErrorCode::resource_exhausted, 5105,
                     "reading the PDF needs more than " + std::to_string(memory_max >> 20) + " MiB", path,
                     "raise pdf_memory_max, or split the file");
  if (child.signal == SIGXCPU || child.signal == SIGKILL)
    return pdf_error(ErrorCode::resource_exhausted, 5105, "reading the PDF used up its processor time", path,
                     "raise pdf_seconds_max, or split the file");
  if (says("page range given") || says("first page") || says("no pages"))
    return pdf_error(ErrorCode::invalid_argument, 5103, "the PDF has no pages", path, "give a PDF with pages");
  if (child.exit_code == 127 || says("cannot open shared object") || says("bwrap:"))
    return pdf_error(ErrorCode::unavailable, 5106, "pdftotext cannot run: " + first_line(talk), path,
                     "install poppler-utils and check that `pdftotext -v` works");
  return pdf_error(ErrorCode::corruption, 5104, "the PDF is damaged or not a PDF: " + first_line(talk), path,
                   "get the file again, or repair it (for example: qpdf IN OUT)");
}

}  // namespace

Result<PdfText> read_pdf(const std::filesystem::path& path, const PdfOptions& options) {
  std::error_code ec;
  auto size = std::filesystem::file_size(path, ec);
  if (!ec && size == 0)
    return fail(pdf_error(ErrorCode::invalid_argument, 5103, "the file is empty", path, "get the file again"));
  auto absolute = std::filesystem::absolute(path, ec);
  ChildOptions child;
  child.argv = {"pdftotext", "-layout", "-enc", "UTF-8", absolute.string(), "-"};
  child.output_bytes_max = options.text_bytes_max;
  child.wall_max = std::chrono::seconds(options.seconds_max);
  child.cpu_seconds_max = static_cast<uint64_t>(options.seconds_max) + 1;
  child.memory_bytes_max = options.memory_bytes_max;
  child.sandbox = options.sandbox;
  child.readable = {absolute};
  child.stop = options.stop;
  auto run = run_child(child);
  if (!run) {
    Error error = std::move(run).error();
    if (error.number == 1314)
      return fail(pdf_error(ErrorCode::resource_exhausted, 5105,
                            "reading the PDF took longer than " + std::to_string(options.seconds_max) + " s",
                            path, "raise pdf_seconds_max, or split the file"));
    if (error.number == 1315)
      return fail(pdf_error(ErrorCode::resource_exhausted, 5105,
                            "the PDF holds more than " + std::to_string(options.text_bytes_max >> 20) +
                                " MiB of text",
                            path, "split the file"));
    if (error.number == 1311)
      return fail(pdf_error(ErrorCode::unavailable, 5106, "pdftotext is not installed", path,
                            "install the package poppler-utils"));
    return fail(std::move(error).at(path.string()));
  }
  if (run->exit_code != 0) return fail(explain_failure(*run, path, options.memory_bytes_max));
  PdfText text;
  text.sandbox = run->sandbox;
  std::string all = repair_utf8(std::move(run->output));
  bool any = false;
  for (size_t at = 0; at < all.size();) {
    size_t feed = std::min(all.find('\f', at), all.size());
    text.pages.push_back(all.substr(at, feed - at));
    any |= !trim(text.pages.back()).empty();
    at = feed + 1;
  }
  if (text.pages.empty()) {
    // poppler repairs what it can and then finds nothing; it says so on stderr.
    if (contains_ignoring_case(run->error, "error"))
      return fail(explain_failure(*run, path, options.memory_bytes_max));
    return fail(pdf_error(ErrorCode::invalid_argument, 5103, "the PDF has no pages", path,
                          "give a PDF with pages"));
  }
  if (!any)
    return fail(pdf_error(ErrorCode::unsupported, 5102,
                          "no page of the PDF has text (" + std::to_string(text.pages.size()) +
                              " pages of images)",
                          path, "run it through OCR first (for example: ocrmypdf IN OUT)"));
  return text;
}

}  // namespace consort::memory
