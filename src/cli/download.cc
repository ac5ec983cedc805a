#include "cli/download.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

namespace consort::cli {
namespace {

namespace fs = std::filesystem;

// What one attempt needs and learns.
struct Transfer {
  explicit Transfer(const DownloadOptions& given) : options(given) {}
  const DownloadOptions& options;
  std::FILE* out = nullptr;
  CURL* curl = nullptr;
  uint64_t at = 0;               // Bytes in the part.
  uint64_t begin = 0;            // Of this attempt.
  long status = 0;               // Of the response whose body is being read.
  std::optional<uint64_t> size;  // Of the whole file.
  std::string linked_sha;
  std::optional<Error> error;  // Why writing was stopped.
};

bool is_hex_digest(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

std::optional<uint64_t> number(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t n = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + static_cast<uint64_t>(c - '0');
  }
  return n;
}

size_t on_header(char* data, size_t one, size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  std::string_view line(data, one * count);
  size_t colon = line.find(':');
  if (line.rfind("HTTP/", 0) == 0) t.status = 0;
  if (colon == std::string_view::npos) return line.size();
  std::string key(line.substr(0, colon));
  std::transform(key.begin(), key.end(), key.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '"')) value.remove_prefix(1);
  while (!value.empty() && std::string_view(" \r\n\"").find(value.back()) != std::string_view::npos)
    value.remove_suffix(1);
  if (key == "x-linked-etag" && is_hex_digest(value)) t.linked_sha = value;
  if (key == "x-linked-size") t.size = number(value);
  if (key == "content-range") {
    size_t slash = value.rfind('/');
    if (slash != std::string_view::npos) {
      if (auto n = number(value.substr(slash + 1))) t.size = n;
    }
  }
  return line.size();
}

// Called for bodies of error answers, too; those are not written.
size_t on_body(char* data, size_t one, size_t count, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  size_t bytes = one * count;
  if (t.status == 0) {
    curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &t.status);
    if (t.status == 200) {  // The whole file, whatever was asked for.
      if (::ftruncate(fileno(t.out), 0) != 0 || std::fseek(t.out, 0, SEEK_SET) != 0) return 0;
      t.at = t.begin = 0;
      curl_off_t length = -1;
      curl_easy_getinfo(t.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      if (!t.size && length >= 0) t.size = static_cast<uint64_t>(length);
    }
  }
  if (t.status != 200 && t.status != 206) return bytes;
  uint64_t most = t.size ? std::min(*t.size, t.options.bytes_max) : t.options.bytes_max;
  if (t.at + bytes > most) {
    bool limit = !t.size || *t.size > t.options.bytes_max;
    t.error =
        limit ? make_error(ErrorCode::resource_exhausted, 8105,
                           fmt::format("the file is larger than {} bytes", most))
              : make_error(ErrorCode::corruption, 8103,
                           fmt::format("the server sent more than the {} bytes it named", most));
    return 0;
  }
  if (std::fwrite(data, 1, bytes, t.out) != bytes) {
    t.error = make_error(ErrorCode::unavailable, 1105,
                         std::string("cannot write the download: ") + std::strerror(errno));
    return 0;
  }
  t.at += bytes;
  return bytes;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& t = *static_cast<Transfer*>(user);
  if (t.options.progress) {
    t.options.progress(
        t.size && *t.size > 0 ? static_cast<double>(t.at) / static_cast<double>(*t.size) : -1);
  }
  return t.options.stop.stop_requested() ? 1 : 0;
}

// One attempt. nullopt: the body is complete. Otherwise an error, and whether to try again.
struct Failure {
  Error error;
  bool again = false;
};
std::optional<Failure> attempt(Transfer& t) {
  const DownloadOptions& o = t.options;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  t.curl = curl.get();
  t.status = 0;
  t.begin = t.at;
  char message[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(t.curl, CURLOPT_URL, o.url.c_str());
  curl_easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(t.curl, CURLOPT_REDIR_PROTOCOLS_STR,
                   o.url.rfind("https:", 0) == 0 ? "https" : "http,https");
  curl_easy_setopt(t.curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(t.curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(t.curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(o.stall_seconds_max));
  curl_easy_setopt(t.curl, CURLOPT_USERAGENT, "consort");
  curl_easy_setopt(t.curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(t.curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(t.curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(t.curl, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(t.curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(t.curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(t.curl, CURLOPT_XFERINFODATA, &t);
  if (t.at > 0) curl_easy_setopt(t.curl, CURLOPT_RANGE, fmt::format("{}-", t.at).c_str());
  CURLcode code = curl_easy_perform(t.curl);
  long status = 0;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  std::fflush(t.out);
  if (t.error) return Failure{*t.error, false};
  if (o.stop.stop_requested()) {
    return Failure{make_error(ErrorCode::cancelled, 8104, "the download was interrupted")
                       .to_fix("pull again: it goes on where it stopped"),
                   false};
  }
  if (status == 416 && t.at > 0) {  // Nothing after what we have: complete, or another file now.
    if (t.size == t.at) return std::nullopt;
    t.at = 0;
    if (::ftruncate(fileno(t.out), 0) != 0 || std::fseek(t.out, 0, SEEK_SET) != 0) {
      return Failure{make_error(ErrorCode::unavailable, 1105, std::strerror(errno)), false};
    }
    return Failure{
        make_error(ErrorCode::unavailable, 8101, "the server refused to go on with the file"),
        true};
  }
  if (status >= 400) {
    bool again = status == 408 || status == 429 || status >= 500;
    ErrorCode reason = status == 404 ? ErrorCode::not_found : ErrorCode::unavailable;
    return Failure{make_error(reason, 8101, fmt::format("the server answered {}", status)), again};
  }
  if (code != CURLE_OK) {
    return Failure{make_error(ErrorCode::unavailable, 8101,
                              message[0] != '\0' ? message : curl_easy_strerror(code)),
                   true};
  }
  if (t.size && t.at < *t.size) {
    return Failure{
        make_error(ErrorCode::unavailable, 8101,
                   fmt::format("the transfer ended after {} of {} bytes", t.at, *t.size)),
        true};
  }
  return std::nullopt;
}

// True if the wait ended because of a stop request.
bool wait_or_stop(int ms, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  return wake.wait_for(lock, stop, std::chrono::milliseconds(ms),
                       [&] { return stop.stop_requested(); });
}

Result<void> verify(const DownloadOptions& o, const Transfer& t, const fs::path& part,
                    Digest& digest) {
  CONSORT_ASSIGN(digest, sha256_file(part));
  std::string expected = o.sha256.empty() ? t.linked_sha : o.sha256;
  std::error_code ec;
  if (expected.empty()) {
    return fail(make_error(ErrorCode::corruption, 8103,
                           "neither you nor the server named the file's SHA-256")
                    .got(digest.hex())
                    .to_fix("if the value shown is right, pull again with --sha256"));
  }
  std::transform(expected.begin(), expected.end(), expected.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (digest.hex() != expected) {
    fs::remove(part, ec);
    return fail(make_error(ErrorCode::corruption, 8103, "the download's SHA-256 is not " + expected)
                    .got(digest.hex())
                    .to_fix("pull again; if it stays, the file changed at its source"));
  }
  return {};
}

}  // namespace

Result<Downloaded> download(const DownloadOptions& o) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK)
    return fail(make_error(ErrorCode::unavailable, 8101, "libcurl cannot start"));
  fs::path part = o.target.string() + ".part";
  std::unique_ptr<std::FILE, decltype(&std::fclose)> out(std::fopen(part.c_str(), "ab"),
                                                         std::fclose);
  if (!out)
    return fail(make_error(ErrorCode::unavailable, 1105,
                           std::string("cannot write: ") + std::strerror(errno))
                    .at(part.string()));
  std::fseek(out.get(), 0, SEEK_END);
  Transfer t(o);
  t.out = out.get();
  t.at = static_cast<uint64_t>(std::max(0L, std::ftell(out.get())));
  Downloaded done;
  done.resumed_from = t.at;
  int wait_ms = o.first_wait_ms;
  for (;; ++done.attempts) {
    std::optional<Failure> failure = attempt(t);
    if (!failure) break;
    if (!failure->again || done.attempts >= o.attempts_max) {
      Error error = std::move(failure->error);
      if (error.place.empty()) error.place = o.url;
      if (failure->again) error.message += fmt::format(", after {} attempts", done.attempts);
      if (error.fix.empty()) error.fix = "check the connection and the reference, and pull again";
      return fail(std::move(error));
    }
    if (wait_or_stop(wait_ms, o.stop))
      return fail(make_error(ErrorCode::cancelled, 8104, "the download was interrupted").at(o.url));
    wait_ms = std::min(wait_ms * 2, 30000);
  }
  done.bytes = t.at;
  if (::fsync(fileno(out.get())) != 0)
    return fail(make_error(ErrorCode::unavailable, 1105, std::strerror(errno)).at(part.string()));
  out.reset();
  auto verified = verify(o, t, part, done.sha256);
  if (!verified) return fail(std::move(verified).error().at(o.url));
  std::error_code ec;
  fs::rename(part, o.target, ec);
  if (ec)
    return fail(
        make_error(ErrorCode::unavailable, 1105, "cannot rename the download: " + ec.message())
            .at(part.string()));
  return done;
}

}  // namespace consort::cli
