#include "memory/csv.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/file.h"
#include "contract/utf8.h"
#include "memory/text.h"

namespace consort::memory {
namespace {

Error at_line(ErrorCode code, int number, std::string message, int64_t line, std::string fix) {
  return make_error(code, number, std::move(message)).at("line " + std::to_string(line)).to_fix(std::move(fix));
}

}  // namespace

bool CsvRecord::is_blank() const {
  return std::all_of(fields.begin(), fields.end(), [](const std::string& f) { return trim(f).empty(); });
}

CsvReader CsvReader::over_text(std::string_view text, char delimiter) {
  CsvReader reader;
  reader.text_ = text;
  reader.eof_ = true;
  reader.delimiter_ = delimiter;
  return reader;
}

Result<CsvReader> CsvReader::over_file(const std::filesystem::path& path, char delimiter) {
  CsvReader reader;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    return fail(make_error(ErrorCode::unavailable, 1102, "cannot open the file").at(path.string()));
  reader.file_ = std::shared_ptr<std::FILE>(file, [](std::FILE* f) { std::fclose(f); });
  reader.delimiter_ = delimiter;
  reader.peek();
  if (reader.text_.starts_with("\xEF\xBB\xBF")) reader.at_ = 3;
  return reader;
}

int CsvReader::peek() {
  if (at_ < text_.size()) return static_cast<unsigned char>(text_[at_]);
  if (eof_) return -1;
  buffer_.resize(1 << 20);
  size_t n = std::fread(buffer_.data(), 1, buffer_.size(), file_.get());
  buffer_.resize(n);
  text_ = buffer_;
  at_ = 0;
  if (n == 0) {
    eof_ = true;
    return -1;
  }
  return static_cast<unsigned char>(text_[0]);
}

void CsvReader::advance() {
  ++at_;
  ++offset_;
}

Result<bool> CsvReader::next(CsvRecord* record) {
  record->fields.clear();
  record->line = line_;
  record->begin = offset_;
  int c = peek();
  if (c < 0) return false;
  std::string field;
  bool quoted = false, closed = false, fresh = true;
  auto finish_field = [&]() -> Result<void> {
    if (contract::find_ill_formed(field) != std::string_view::npos)
      return fail(at_line(ErrorCode::invalid_argument, 5113, "the text is not UTF-8", line_, "save the whole file as UTF-8").got(repair_utf8(field)));
    if (record->fields.size() >= kCsvColumnsMax)
      return fail(at_line(ErrorCode::resource_exhausted, 5112, "more than " + std::to_string(kCsvColumnsMax) + " columns", line_, "check the delimiter"));
    record->fields.push_back(std::move(field));
    field.clear();
    quoted = closed = false;
    fresh = true;
    return {};
  };
  for (;; c = peek()) {
    if (field.size() > kCsvFieldBytesMax)
      return fail(at_line(ErrorCode::resource_exhausted, 5112, "a field longer than 1 MiB (a quote that is never closed?)", record->line, "check the quotes"));
    if (c < 0) {
      if (quoted && !closed)
        return fail(at_line(ErrorCode::invalid_argument, 5112, "a quote that is never closed", record->line, "close the quote, or double it (\"\") where it is part of the text"));
      record->end = offset_;
      CONSORT_TRY(finish_field());
      return true;
    }
    char ch = static_cast<char>(c);
    if (quoted && !closed) {
      advance();
      if (ch == '"') {
        if (peek() == '"') {
          field += '"';
          advance();
        } else {
          closed = true;
        }
      } else {
        if (ch == '\n') ++line_;
        field += ch;
      }
      continue;
    }
    if (ch == delimiter_) {
      advance();
      CONSORT_TRY(finish_field());
    } else if (ch == '\n' || ch == '\r') {
      record->end = offset_;
      advance();
      if (ch == '\r' && peek() == '\n') advance();
      CONSORT_TRY(finish_field());
      ++line_;
      return true;
    } else if (ch == '"' && fresh) {
      quoted = true;
      fresh = false;
      advance();
    } else if (closed) {
      if (ch != ' ' && ch != '\t')
        return fail(at_line(ErrorCode::invalid_argument, 5112, "text after a closing quote", line_, "double the quotes inside a quoted field (\"\")").got(field + "\"" + ch));
      advance();
    } else {
      field += ch;
      fresh = false;
      advance();
    }
  }
}

char sniff_delimiter(std::string_view start) {
  constexpr std::array<char, 4> kDelimiters = {',', ';', '\t', '|'};
  char best = ',';
  double best_score = -1;
  for (char delimiter : kDelimiters) {
    auto reader = CsvReader::over_text(start, delimiter);
    CsvRecord record;
    size_t first = 0;
    int same = 0, total = 0;
    for (int i = 0; i < 20; ++i) {
      auto more = reader.next(&record);
      if (!more || !*more) break;
      if (record.is_blank()) continue;
      if (total == 0) first = record.fields.size();
      ++total;
      same += record.fields.size() == first;
    }
    if (total == 0 || first < 2) continue;
    double score = static_cast<double>(same) / total * 100 + std::min<double>(static_cast<double>(first), 50);
    if (score > best_score) best_score = score, best = delimiter;
  }
  return best;
}

Result<CsvReader> CsvFile::reader() const {
  if (streamed) return CsvReader::over_file(path, delimiter);
  return CsvReader::over_text(text, delimiter);
}

Result<CsvFile> open_csv(const std::filesystem::path& path, uint64_t bytes_max) {
  CsvFile file;
  file.path = path;
  std::error_code ec;
  auto size = std::filesystem::file_size(path, ec);
  if (!ec && size > bytes_max)
    return fail(make_error(ErrorCode::resource_exhausted, 1104, "the file has more than " + std::to_string(bytes_max) + " bytes").at(path.string()).to_fix("raise file_bytes_max, or split the file"));
  if (!ec && size > kCsvTextBytesMax) {
    file.streamed = true;
    file.encoding = "UTF-8";
    std::string start(65536, '\0');
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> f(std::fopen(path.c_str(), "rb"), std::fclose);
    if (f == nullptr) return fail(make_error(ErrorCode::unavailable, 1102, "cannot open the file").at(path.string()));
    start.resize(std::fread(start.data(), 1, start.size(), f.get()));
    if (start.find('\0') != std::string::npos || start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
      return fail(make_error(ErrorCode::invalid_argument, 5115, "a CSV of more than 4 MiB must be UTF-8").at(path.string()).to_fix("save the file as UTF-8"));
    if (start.starts_with("\xEF\xBB\xBF")) start.erase(0, 3);
    size_t last = start.rfind('\n');
    file.delimiter = sniff_delimiter(std::string_view(start).substr(0, last == std::string::npos ? start.size() : last + 1));
    return file;
  }
  CONSORT_ASSIGN(std::string bytes, read_file(path, bytes_max));
  auto decoded = decode_text(std::move(bytes));
  if (!decoded) {
    Error error = std::move(decoded).error();
    std::string place = path.string() + (error.place.empty() ? "" : ":" + error.place);
    return fail(std::move(error).at(place));
  }
  file.text = std::move(decoded->text);
  file.encoding = decoded->encoding;
  file.delimiter = sniff_delimiter(std::string_view(file.text).substr(0, 65536));
  return file;
}

}  // namespace consort::memory
