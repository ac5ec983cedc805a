// import and pull: model files into the home.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/download.h"
#include "model/gguf.h"
#include "run/adapters.h"
#include "store/home.h"

namespace consort::cli {
namespace {

namespace fs = std::filesystem;
using contract::Value;

constexpr std::string_view kDefaultServer = "https://huggingface.co";

struct Options {
  std::string what, name, version, sha256, base_url = std::string(kDefaultServer);
  int wait_ms = 500;
};

// Lower case; letters, digits, and . _ - : as they are, everything else a dash.
Result<std::string> model_name(const std::string& wanted) {
  std::string out;
  for (unsigned char c : wanted) {
    bool plain = std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == ':';
    out += plain ? static_cast<char>(std::tolower(c)) : '-';
  }
  if (out.empty() || out[0] == '.' || out.size() > 120)
    return fail(usage("this cannot name a model").got(wanted).to_fix("give --name"));
  return out;
}

Result<void> write_record(const fs::path& folder, const std::string& name, const std::string& sha,
                          uint64_t bytes, const std::string& source) {
  return write_file_atomic(
      folder / "import.json",
      contract::to_json_pretty(
          Value::object({{"name", name}, {"sha256", sha}, {"bytes", bytes}, {"source", source}})) +
          "\n");
}

void print_model(Context& context, const std::string& name, const std::string& sha, uint64_t bytes,
                 const std::string& architecture, const fs::path& path) {
  Value value = Value::object({{"model", name},
                               {"sha256", sha},
                               {"bytes", bytes},
                               {"architecture", architecture},
                               {"path", path.string()}});
  if (context.json)
    print_document(context, value);
  else
    print_line(fmt::format("{}  {}  {} bytes  {}", name, sha.substr(0, 16), bytes, path.string()));
}

// The header, all metadata, and every tensor's bounds are checked: a damaged file never gets into
// the home.
Result<std::string> check_gguf(const fs::path& path) {
  CONSORT_ASSIGN(auto file, model::GgufFile::open(path));
  CONSORT_ASSIGN(std::string_view architecture,
                 file->get_string_or("general.architecture", "unknown"));
  return std::string(architecture);
}

struct Place {
  std::string name;
  fs::path folder, file;
};

// Error 1209 when another model has the name already.
Result<Place> place_for(Context& context, const std::string& wanted, const std::string& sha) {
  CONSORT_TRY(store::open_home(context.home()));
  Place place;
  CONSORT_ASSIGN(place.name, model_name(wanted));
  std::error_code ec;
  place.folder = fs::absolute(context.home(), ec) / "models" / place.name;
  place.file = place.folder / "model.gguf";
  auto record = read_file(place.folder / "import.json", 64 << 10);
  if (record && !sha.empty()) {
    auto value = contract::parse_json(*record);
    if (value && value->string_or("sha256", "") != sha) {
      return fail(make_error(ErrorCode::already_exists, 1209, "another model has this name")
                      .got(place.name)
                      .to_fix("give --name"));
    }
  }
  fs::create_directories(place.folder, ec);
  if (ec)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot make the folder: " + ec.message())
                    .at(place.folder.string()));
  return place;
}

Result<bool> is_adapter(const fs::path& path) {
  CONSORT_ASSIGN(auto file, model::GgufFile::open(path));
  CONSORT_ASSIGN(std::string_view type, file->get_string_or("general.type", "model"));
  return type == "adapter";
}

// An adapter becomes a version in the registry; its bytes lie among the blobs.
Result<int> import_adapter(Context& context, const Options& o, const std::string& wanted) {
  CONSORT_ASSIGN(std::string name, model_name(wanted));
  CONSORT_ASSIGN(store::Version version,
                 run::register_adapter(context.home(), context.clock, name, o.version, o.what));
  if (context.json) {
    print_document(context, Value::object({{"adapter", name},
                                           {"version", version.version},
                                           {"sha256", version.digest.hex()},
                                           {"metadata", version.metadata}}));
  } else {
    print_line(fmt::format("{}@{}  {}", name, version.version, version.digest.hex().substr(0, 16)));
  }
  return kExitOk;
}

Result<int> import(Context& context, const Options& o) {
  fs::path source = o.what;
  CONSORT_ASSIGN(std::string architecture, check_gguf(source));
  CONSORT_ASSIGN(bool adapter, is_adapter(source));
  if (!adapter && !o.version.empty())
    return fail(usage("only adapters have versions").got(o.version).to_fix("leave --version out"));
  context.progress().update("hashing " + source.filename().string(), -1);
  CONSORT_ASSIGN(Digest digest, sha256_file(source));
  context.progress().finish();
  if (!o.sha256.empty() && digest.hex() != o.sha256) {
    return fail(make_error(ErrorCode::corruption, 8103, "the file's SHA-256 is not " + o.sha256)
                    .at(source.string())
                    .got(digest.hex()));
  }
  if (adapter) return import_adapter(context, o, o.name.empty() ? source.stem().string() : o.name);
  CONSORT_ASSIGN(Place place, place_for(context, o.name.empty() ? source.stem().string() : o.name,
                                        digest.hex()));
  std::error_code ec;
  fs::path part = place.file.string() + ".part";
  fs::remove(part, ec);
  fs::create_hard_link(source, part, ec);
  if (ec) {
    ec.clear();
    fs::copy_file(source, part, fs::copy_options::overwrite_existing, ec);
    if (ec)
      return fail(make_error(ErrorCode::unavailable, 1105, "cannot copy the file: " + ec.message())
                      .at(part.string()));
    CONSORT_ASSIGN(Digest copied, sha256_file(part));
    if (copied != digest)
      return fail(make_error(ErrorCode::corruption, 8103, "the copy differs from the file")
                      .at(part.string()));
  }
  fs::rename(part, place.file, ec);
  if (ec)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot rename the file: " + ec.message())
                    .at(part.string()));
  uint64_t bytes = fs::file_size(place.file, ec);
  CONSORT_TRY(write_record(place.folder, place.name, digest.hex(), bytes,
                           fs::absolute(source, ec).string()));
  print_model(context, place.name, digest.hex(), bytes, architecture, place.file);
  return kExitOk;
}

struct RemoteFile {
  std::string repository, file;
};

// hf.co/USER/REPO/FILE or hf.co/USER/REPO:FILE; FILE may have folders.
Result<RemoteFile> parse_reference(const std::string& text) {
  auto bad = [&](const std::string& why) {
    return fail(make_error(ErrorCode::invalid_argument, 8102, why)
                    .got(text)
                    .to_fix("write hf.co/USER/REPO/FILE.gguf"));
  };
  for (unsigned char c : text) {
    if (c <= 0x20 || c == 0x7F ||
        std::string_view("?#%\\\"'").find(static_cast<char>(c)) != std::string_view::npos) {
      return bad("a reference has no such characters");
    }
  }
  std::string rest = text;
  for (std::string_view prefix : {"https://", "hf.co/", "huggingface.co/"}) {
    if (rest.rfind(prefix, 0) == 0) rest = rest.substr(prefix.size());
  }
  if (rest.size() == text.size()) return bad("only references to hf.co are known");
  size_t user = rest.find('/');
  size_t split = user == std::string::npos ? user : rest.find_first_of("/:", user + 1);
  if (split == std::string::npos || user == 0 || split == user + 1 || split + 1 == rest.size()) {
    return bad("a reference names a user, a repository, and a file");
  }
  RemoteFile out{rest.substr(0, split), rest.substr(split + 1)};
  if (out.file.find("..") != std::string::npos || out.repository.find("..") != std::string::npos)
    return bad("a reference cannot hold '..'");
  if (fs::path(out.file).extension() != ".gguf")
    return bad("the file must be named whole, with .gguf at its end");
  return out;
}

Result<int> pull(Context& context, const Options& o) {
  CONSORT_ASSIGN(RemoteFile remote, parse_reference(o.what));
  if (!o.sha256.empty()) CONSORT_TRY(Digest::from_hex(o.sha256));
  std::string base = o.base_url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  CONSORT_ASSIGN(Place place,
                 place_for(context, o.name.empty() ? fs::path(remote.file).stem().string() : o.name,
                           o.sha256));
  DownloadOptions options;
  options.url = base + "/" + remote.repository + "/resolve/main/" + remote.file;
  options.target = place.folder / "pulled.gguf";
  options.sha256 = o.sha256;
  options.first_wait_ms = o.wait_ms;
  options.stop = context.stop.get_token();
  options.progress = [&](double fraction) {
    context.progress().update("pulling " + remote.file, fraction);
  };
  CONSORT_ASSIGN(Downloaded got, download(options));
  context.progress().finish();
  std::error_code ec;
  auto architecture = check_gguf(options.target);
  if (!architecture) {
    fs::remove(options.target, ec);
    return fail(std::move(architecture).error().with_context("the file that was pulled"));
  }
  CONSORT_TRY(place_for(context, place.name, got.sha256.hex()));
  fs::rename(options.target, place.file, ec);
  if (ec)
    return fail(make_error(ErrorCode::unavailable, 1105, "cannot rename the file: " + ec.message())
                    .at(place.file.string()));
  CONSORT_TRY(write_record(place.folder, place.name, got.sha256.hex(), got.bytes, options.url));
  if (got.resumed_from > 0) say(context, fmt::format("went on after {} bytes", got.resumed_from));
  print_model(context, place.name, got.sha256.hex(), got.bytes, *architecture, place.file);
  return kExitOk;
}

}  // namespace

void add_import(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("import", "add a model or adapter file of your own to the home");
  command->add_option("FILE", o->what, "GGUF file")->required();
  command->add_option("--name", o->name, "name to use it by; default: the file's");
  command->add_option("--sha256", o->sha256, "refuse any other file");
  command->add_option("--version", o->version, "of an adapter; default: the next number");
  command->callback(
      [&context, o] { context.action = [&context, o] { return import(context, *o); }; });
}

void add_pull(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("pull", "download a model file into the home");
  command->add_option("REF", o->what, "hf.co/USER/REPO/FILE.gguf")->required();
  command->add_option("--name", o->name, "name to use it by; default: the file's");
  command->add_option("--sha256", o->sha256,
                      "refuse any other file; needed where the server names none");
  command->add_option("--base-url", o->base_url, "a mirror");
  command->add_option("--retry-wait-ms", o->wait_ms)->group("")->check(CLI::Range(0, 60000));
  command->callback(
      [&context, o] { context.action = [&context, o] { return pull(context, *o); }; });
}

}  // namespace consort::cli
