#include "memory/reader.h"

#include <algorithm>

#include "base/file.h"
#include "contract/json.h"
#include "memory/figures.h"
#include "memory/layout.h"
#include "memory/markup.h"
#include "memory/pdf.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

Result<std::string> read_text(const SourceFile& file, const IngestOptions& options, std::vector<std::string>* notes) {
  CONSORT_ASSIGN(std::string bytes, read_file(file.path, options.file_bytes_max));
  auto decoded = decode_text(std::move(bytes));
  if (!decoded) {
    Error error = std::move(decoded).error();
    std::string place = file.path.string() + (error.place.empty() ? "" : ":" + error.place);
    return fail(std::move(error).at(place));
  }
  if (decoded->encoding != "UTF-8") notes->push_back(file.path.string() + ": read as " + decoded->encoding);
  if (trim(decoded->text).empty())
    return fail(make_error(ErrorCode::invalid_argument, 5103, "the file is empty").at(file.path.string()).to_fix("get the file again"));
  return std::move(decoded->text);
}

std::string title_of(const DocumentInfo& info, const Extracted& content) {
  if (!info.title.empty()) return info.title;
  if (!content.title.empty()) return content.title;
  std::string title = info.name;
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

void add_document(PreparedSource* out, const SourceFile& file, DocumentInfo info, Extracted content) {
  PreparedDocument document;
  info.title = title_of(info, content);
  document.info = std::move(info);
  document.digest = file.digest;
  document.chunks = cut_passages(content);
  auto figures = figures_of_document(document.info, content);
  for (const auto& grid : figures) document.n_figures += static_cast<int>(grid.size());
  document.content = std::move(content);
  out->documents.push_back(std::move(document));
  out->figures.push_back(std::move(figures));
}

Result<void> read_csv_file(const SourceFile& file, const IngestOptions& options, PreparedSource* out) {
  CONSORT_ASSIGN(CsvFile csv, open_csv(file.path, options.file_bytes_max));
  if (csv.encoding != "UTF-8") out->notes.push_back(file.path.string() + ": read as " + csv.encoding);
  PreparedDocument document;
  document.info = file.info;
  document.info.title = title_of(file.info, {});
  document.digest = file.digest;
  std::vector<std::vector<Figure>> figures;
  std::vector<CsvSummary> summaries;
  if (csv.streamed) {
    out->notes.push_back(file.path.string() + ": larger than 4 MiB, so it is a table for SQL and its text is not searched");
  } else {
    Extracted& content = document.content;
    content.text = csv.text;
    content.pages = {PageSpan{std::nullopt, 0, csv.text.size()}};
    CsvReader reader = CsvReader::over_text(csv.text, csv.delimiter);
    std::vector<CsvRecord> records;
    CsvRecord record;
    for (;;) {
      auto more = reader.next(&record);
      if (!more) {
        Error error = std::move(more).error();
        std::string place = file.path.string() + ":" + error.place;
        return fail(std::move(error).at(place));
      }
      if (!*more) break;
      if (record.is_blank()) continue;
      content.blocks.push_back({BlockKind::row, 0, record.begin, record.end});
      records.push_back(std::move(record));
    }
    document.chunks = cut_passages(content);
    std::string heading;
    if (!records.empty()) {
      for (const auto& field : records[0].fields) heading += (heading.empty() ? "" : ", ") + collapse_space(field);
    }
    for (auto& chunk : document.chunks) chunk.heading = cut_utf8(heading, 300);
    figures.push_back(figures_of_csv(document.info, records));
    document.n_figures = static_cast<int>(figures[0].size());
    summaries = summarise_csv(document.info, records);
  }
  out->csv = std::move(csv);
  out->documents.push_back(std::move(document));
  out->figures.push_back(std::move(figures));
  for (CsvSummary& summary : summaries) {
    PreparedDocument sums;
    sums.info = std::move(summary.info);
    sums.content.title = sums.info.title;
    sums.content.text = std::move(summary.text);
    sums.content.pages = {PageSpan{std::nullopt, 0, sums.content.text.size()}};
    for (const CsvRecord& r : summary.records) sums.content.blocks.push_back({BlockKind::row, 0, r.begin, r.end});
    sums.chunks = cut_passages(sums.content);
    std::vector<Figure> rows = figures_of_csv(sums.info, summary.records, 0);
    sums.n_figures = static_cast<int>(rows.size());
    out->documents.push_back(std::move(sums));
    out->figures.push_back({std::move(rows)});
  }
  return {};
}

Result<void> read_jsonl(const SourceFile& file, const IngestOptions& options, PreparedSource* out) {
  CONSORT_ASSIGN(std::string text, read_text(file, options, &out->notes));
  int line_no = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = trim(std::string_view(text).substr(at, end - at));
    at = end + 1;
    ++line_no;
    if (line.empty()) continue;
    auto bad = [&](std::string message) {
      return fail(make_error(ErrorCode::invalid_argument, 5123, std::move(message)).at(file.path.string() + ":" + std::to_string(line_no))
                      .got(cut_utf8(line, 200)).to_fix("write one {\"id\": ..., \"title\": ..., \"text\": ...} a line"));
    };
    auto parsed = contract::parse_json(line);
    if (!parsed) return bad("a line is not JSON: " + parsed.error().message);
    DocumentInfo info = file.info;
    info.name = parsed->string_or("id", parsed->string_or("doc_id", ""));
    info.title = parsed->string_or("title", "");
    const contract::Value* body = parsed->find("text");
    if (info.name.empty() || body == nullptr || !body->is_string()) return bad("a line has no \"id\" and \"text\"");
    SourceFile one = file;
    one.digest = sha256(line);
    Extracted content;
    std::string clean = repair_utf8(body->as_string());
    if (trim(clean).empty()) clean = info.title;
    if (trim(clean).empty()) clean = "(empty)";
    ExtractedBuilder builder(&content);
    for (size_t p = 0; p < clean.size();) {
      size_t stop = std::min(clean.find("\n\n", p), clean.size());
      builder.add(BlockKind::paragraph, std::string_view(clean).substr(p, stop - p));
      p = stop + 2;
    }
    builder.finish();
    if (info.title.empty()) info.title = info.name;
    add_document(out, one, std::move(info), std::move(content));
  }
  return {};
}

}  // namespace

Result<PreparedSource> read_source(const SourceFile& file, const IngestOptions& options) {
  PreparedSource out;
  if (file.bytes > options.file_bytes_max)
    return fail(make_error(ErrorCode::resource_exhausted, 1104, "the file has " + std::to_string(file.bytes) + " bytes")
                    .at(file.path.string()).to_fix("raise file_bytes_max, or split the file"));
  switch (file.type) {
    case FileType::pdf: {
      PdfOptions pdf;
      pdf.seconds_max = options.pdf_seconds_max;
      pdf.memory_bytes_max = options.pdf_memory_max;
      pdf.stop = options.stop;
      CONSORT_ASSIGN(PdfText text, read_pdf(file.path, pdf));
      if (text.sandbox != Sandbox::bubblewrap)
        out.notes.push_back(file.path.string() + ": read in the sandbox `" + std::string(name(text.sandbox)) + "`; install bubblewrap for the full one");
      Extracted content;
      analyse_layout(text.pages, true, &content);
      add_document(&out, file, file.info, std::move(content));
      return out;
    }
    case FileType::html: {
      CONSORT_ASSIGN(std::string text, read_text(file, options, &out.notes));
      auto content = read_html(text);
      if (!content) return fail(std::move(content).error().at(file.path.string()));
      add_document(&out, file, file.info, std::move(*content));
      return out;
    }
    case FileType::markdown: {
      CONSORT_ASSIGN(std::string text, read_text(file, options, &out.notes));
      auto content = read_markdown(text);
      if (!content) return fail(std::move(content).error().at(file.path.string()));
      add_document(&out, file, file.info, std::move(*content));
      return out;
    }
    case FileType::text: {
      CONSORT_ASSIGN(std::string text, read_text(file, options, &out.notes));
      std::vector<std::string> pages;
      for (size_t at = 0; at <= text.size();) {
        size_t end = std::min(text.find('\f', at), text.size());
        pages.push_back(text.substr(at, end - at));
        at = end + 1;
      }
      if (pages.size() > 1 && trim(pages.back()).empty()) pages.pop_back();
      Extracted content;
      analyse_layout(pages, pages.size() > 1, &content);
      add_document(&out, file, file.info, std::move(content));
      return out;
    }
    case FileType::csv:
      CONSORT_TRY(read_csv_file(file, options, &out));
      return out;
    case FileType::jsonl:
      CONSORT_TRY(read_jsonl(file, options, &out));
      return out;
  }
  return out;
}

}  // namespace consort::memory
