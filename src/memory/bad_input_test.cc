// Every bad input gets a typed error with its place and a fix, and the files beside it are read.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/csv.h"
#include "memory/memory.h"
#include "memory/pdf.h"
#include "memory/test_support.h"
#include "store/database.h"

namespace consort::memory {
namespace {

using ::testing::HasSubstr;
using testing::hashing_embedder;
using testing::make_pdf;
using testing::TempFolder;

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Memory::open(home_.path() / "memory", {});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    memory_ = std::move(*opened);
    files_.write("good.md", "# Good\n\nA beacon that must be read whatever lies beside it.\n");
  }
  IngestReport ingest(IngestOptions options = {}) {
    std::vector<std::filesystem::path> paths = {files_.path()};
    auto report = memory_->ingest(paths, options);
    EXPECT_TRUE(report.has_value()) << report.error().to_string();
    return report ? *report : IngestReport{};
  }
  // One bad file beside a good one: its error, and proof that the good one can be found.
  Error only_issue(const std::string& name, const std::string& bytes, IngestOptions options = {}) {
    auto path = files_.write(name, bytes);
    auto report = ingest(options);
    SearchOptions words;
    words.mode = SearchMode::words;
    auto hits = memory_->search("beacon", words);
    EXPECT_TRUE(hits && hits->size() == 1);
    if (report.issues.size() != 1) {
      ADD_FAILURE() << report.issues.size() << " issues";
      return {};
    }
    EXPECT_EQ(report.issues[0].path, path.string());
    EXPECT_THAT(report.issues[0].error.place, HasSubstr(name));
    EXPECT_FALSE(report.issues[0].error.fix.empty());
    return report.issues[0].error;
  }
  TempFolder files_, home_;
  std::unique_ptr<Memory> memory_;
};

TEST_F(BadInput, EncryptedPdfIs5101) {
  std::string zeros(64, '0');
  auto pdf = make_pdf({{"secret"}}, "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + zeros + "> /U <" + zeros + "> >> /ID [<00> <00>] ");
  EXPECT_EQ(only_issue("locked.pdf", pdf).number, 5101);
}

TEST_F(BadInput, PdfWithoutTextIs5102) { EXPECT_EQ(only_issue("scan.pdf", make_pdf({{}, {}})).number, 5102); }

TEST_F(BadInput, EmptyFileAndPdfWithoutPagesAre5103) {
  EXPECT_EQ(only_issue("empty.pdf", "").number, 5103);
  std::filesystem::remove(files_.path() / "empty.pdf");
  EXPECT_EQ(only_issue("nopages.pdf", make_pdf({})).number, 5103);
}

TEST_F(BadInput, DamagedPdfIs5104) { EXPECT_EQ(only_issue("broken.pdf", "%PDF-1.4\nthis is no PDF at all").number, 5104); }

TEST_F(BadInput, APdfCutAtAnyPlaceIsReadOrRefusedButNeverFails) {
  auto whole = make_pdf({{"A line of text"}, {"Another line"}});
  for (size_t n = 0; n < whole.size(); n += whole.size() / 23 + 1) {
    auto path = files_.write("cut.pdf", whole.substr(0, n));
    auto text = read_pdf(path, {});
    if (text) continue;
    EXPECT_THAT(text.error().number, ::testing::AnyOf(5102, 5103, 5104)) << n << ": " << text.error().to_string();
  }
}

TEST_F(BadInput, PdfReaderHasATimeLimitAndAMemoryLimit) {
  auto path = files_.write("some.pdf", make_pdf({{"text"}}));
  PdfOptions options;
  options.seconds_max = 0;
  auto late = read_pdf(path, options);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().number, 5105);
  options = {};
  options.text_bytes_max = 1;
  auto large = read_pdf(path, options);
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().number, 5105);
}

TEST_F(BadInput, RaggedCsvIs5111WithItsLine) {
  auto error = only_issue("ragged.csv", "a,b,c\n1,2,3\n\n4,5\n6,7,8\n");
  EXPECT_EQ(error.number, 5111);
  EXPECT_THAT(error.place, HasSubstr("line 4"));  // The blank line 3 is no error.
}

TEST_F(BadInput, OpenQuoteInCsvIs5112) { EXPECT_EQ(only_issue("quote.csv", "a,b\n1,\"never closed\n2,3\n").number, 5112); }

TEST_F(BadInput, MixedEncodingsAre5113WithTheirLine) {
  auto error = only_issue("mixed.csv", "name,n\ncaf\xC3\xA9,1\ncaf\xE9,2\n");
  EXPECT_EQ(error.number, 5113);
  EXPECT_THAT(error.place, HasSubstr("line 3"));
}

TEST_F(BadInput, BinaryNamedTextIs5114) { EXPECT_EQ(only_issue("binary.txt", std::string("ab\0\0\0cd\1\2", 9)).number, 5114); }

TEST_F(BadInput, CsvWithOnlyAHeaderIs5116) { EXPECT_EQ(only_issue("header.csv", "a,b,c\n").number, 5116); }

TEST_F(BadInput, JsonLineThatIsNoDocumentIs5123WithItsLine) {
  auto error = only_issue("corpus.jsonl", "{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\"}\n");
  EXPECT_EQ(error.number, 5123);
  EXPECT_THAT(error.place, HasSubstr("corpus.jsonl:2"));
}

TEST_F(BadInput, FileOverTheLimitIs1104) {
  IngestOptions options;
  options.file_bytes_max = 200;
  EXPECT_EQ(only_issue("long.txt", std::string(300, 'x'), options).number, 1104);
}

TEST_F(BadInput, HtmlNestedWithoutEndIsRefusedNotFatal) {
  std::string html;
  for (int i = 0; i < 20000; ++i) html += "<b>";
  EXPECT_EQ(only_issue("deep.html", html).number, 5121);
}

TEST_F(BadInput, ByteOrderMarkUtf16AndWindows1252AreConvertedWithANote) {
  files_.write("mark.csv", "\xEF\xBB\xBFname,n\nquokka,1\n");
  files_.write("latin.csv", "name,n\nd\xE9j\xE0,1\n");
  std::string wide = "\xFF\xFE";
  for (char c : std::string("name,n\nnumbat,1\n")) wide += c, wide += '\0';
  files_.write("wide.csv", wide);
  auto report = ingest();
  EXPECT_TRUE(report.issues.empty());
  EXPECT_THAT(report.notes, ::testing::UnorderedElementsAre(HasSubstr("latin.csv: read as Windows-1252"), HasSubstr("wide.csv: read as UTF-16LE")));
  EXPECT_EQ(*memory_->page_text("latin", std::nullopt), "name,n\nd\xC3\xA9j\xC3\xA0,1\n");
  auto db = store::Database::open(memory_->tables_path(), {.read_only = true});
  ASSERT_TRUE(db.has_value());
  auto row = (*db)->prepare("SELECT name FROM mark");  // The mark is no part of the first header.
  ASSERT_TRUE(row.has_value()) << row.error().to_string();
  ASSERT_TRUE(*row->step());
  EXPECT_EQ(row->text_at(0), "quokka");
}

TEST_F(BadInput, ASecondWriterIs5001AndReadersGoOn) {
  ingest();
  int fd = ::open((home_.path() / "memory" / "writer.lock").c_str(), O_RDWR);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);  // As another process would hold it.
  std::vector<std::filesystem::path> paths = {files_.path()};
  auto second = memory_->ingest(paths, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().number, 5001);
  SearchOptions words;
  words.mode = SearchMode::words;
  EXPECT_EQ(memory_->search("beacon", words)->size(), 1u);
  ::close(fd);
  EXPECT_TRUE(memory_->ingest(paths, {}).has_value());
}

TEST_F(BadInput, AFullDiskIsATypedErrorAndTheMemoryStaysAsItWas) {
  ingest();
  auto before = *memory_->digest();
  pid_t child = fork();
  if (child == 0) {
    // A limit on file size is a full disk as far as writes go.
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{200000, 200000};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::string text;
    for (int i = 0; i < 60000; ++i) text += "word" + std::to_string(i) + " ";
    files_.write("big.txt", text.substr(0, 150000));
    std::vector<std::filesystem::path> paths = {files_.path()};
    auto opened = Memory::open(home_.path() / "memory", {});
    if (!opened) _exit(opened.error().code == ErrorCode::unavailable ? 0 : 2);
    auto report = (*opened)->ingest(paths, {});
    if (report) _exit(1);
    _exit(report.error().code == ErrorCode::unavailable ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(*memory_->digest(), before);
  files_.write("big.txt", "a short text now");
  EXPECT_EQ(ingest().added, 1);
}

TEST_F(BadInput, AFolderThatCannotBeWrittenIsATypedError) {
  auto opened = Memory::open("/proc/consort-memory", {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::unavailable);
}

TEST_F(BadInput, StoppingBetweenFilesKeepsWhatWasWritten) {
  for (int i = 0; i < 6; ++i) files_.write("doc" + std::to_string(i) + ".txt", "text number " + std::to_string(i) + " of several");
  std::stop_source source;
  int calls = 0;
  IngestOptions options;
  options.stop = source.get_token();
  options.progress = [&](double, const std::string&) {
    if (++calls == 5) source.request_stop();
  };
  std::vector<std::filesystem::path> paths = {files_.path()};
  auto stopped = memory_->ingest(paths, options);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  size_t kept = memory_->documents()->size();
  EXPECT_GT(kept, 0u);
  EXPECT_LT(kept, 7u);
  auto rest = ingest();
  EXPECT_EQ(static_cast<size_t>(rest.unchanged), kept);
  EXPECT_EQ(memory_->documents()->size(), 7u);
}

TEST_F(BadInput, AnyQueryIsAValidQuery) {
  ingest();
  SearchOptions words;
  words.mode = SearchMode::words;
  for (const char* query : {"", "\"", "beacon\"", "beacon AND", "NEAR(", "* ^ - +", "col:beacon", "{a b}", "'; DROP TABLE passages; --", "\xFF\xFE", "beacon OR OR"}) {
    EXPECT_TRUE(memory_->search(query, words).has_value()) << query;
    EXPECT_TRUE(memory_->find_figures(query, {}, 5).has_value()) << query;
  }
  SearchOptions none;
  none.mode = SearchMode::words;
  none.k = 0;
  EXPECT_EQ(memory_->search("beacon", none).error().number, 5008);
  EXPECT_EQ(memory_->search("beacon", {}).error().number, 5003);  // Fused needs the model.
}

TEST_F(BadInput, AnotherEmbeddingModelIs5002) {
  ASSERT_TRUE(Memory::open(home_.path() / "other", hashing_embedder(64)).has_value());
  auto again = Memory::open(home_.path() / "other", hashing_embedder(32));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().number, 5002);
}

TEST(LargeCsv, AMillionRowsBecomeATableInBoundedMemory) {
  TempFolder files, home;
  std::string block;
  {
    std::ofstream out(files.path() / "million.csv", std::ios::binary);
    out << "id,when,amount_usd,name\n";
    for (int i = 0; i < 1000000; ++i) out << i << ",2023-01-" << (i % 28 < 9 ? "0" : "") << i % 28 + 1 << ',' << i % 1000 << ".5,n" << i % 97 << '\n';
  }
  auto memory = Memory::open(home.path() / "m", {});
  ASSERT_TRUE(memory.has_value());
  std::vector<std::filesystem::path> paths = {files.path()};
  auto report = (*memory)->ingest(paths, {});
  ASSERT_TRUE(report.has_value()) << report.error().to_string();
  ASSERT_TRUE(report->issues.empty()) << report->issues[0].error.to_string();
  ASSERT_EQ(report->notes.size(), 1u);  // Its text is not searched, and the report says so.
  auto db = store::Database::open((*memory)->tables_path(), {.read_only = true});
  auto row = (*db)->prepare("SELECT count(*), sum(id), sum(amount_usd), min(\"when\"), typeof(id), typeof(amount_usd) FROM million");
  ASSERT_TRUE(row.has_value()) << row.error().to_string();
  ASSERT_TRUE(*row->step());
  EXPECT_EQ(row->int_at(0), 1000000);
  EXPECT_EQ(row->int_at(1), 499999500000);
  EXPECT_DOUBLE_EQ(row->double_at(2), 500000000.0);
  EXPECT_EQ(row->text_at(3), "2023-01-01");
  EXPECT_EQ(row->text_at(4), "integer");
  EXPECT_EQ(row->text_at(5), "real");
#ifndef __SANITIZE_ADDRESS__  // Shadow and quarantined memory say nothing of ours.
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  EXPECT_LT(usage.ru_maxrss, 400 * 1024);
#endif
}

}  // namespace
}  // namespace consort::memory
