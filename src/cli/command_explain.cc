#include <CLI/CLI.hpp>

#include "base/error_catalog.h"
#include "cli/commands.h"

namespace consort::cli {
namespace {

using contract::Value;

Value page_value(const ErrorPage& page) {
  return Value::object(
      {{"number", page.number}, {"meaning", page.meaning}, {"action", page.action}});
}

Result<int> explain(Context& context, std::string code) {
  if (code.empty()) {
    for (const ErrorPage& page : error_pages()) {
      if (context.json)
        print_json(page_value(page));
      else
        print_line("E" + std::to_string(page.number) + "  " + std::string(page.meaning));
    }
    return kExitOk;
  }
  std::string digits = code[0] == 'E' || code[0] == 'e' ? code.substr(1) : code;
  int number = 0;
  if (digits.size() == 4 && digits.find_first_not_of("0123456789") == std::string::npos)
    number = std::stoi(digits);
  std::optional<ErrorPage> page = error_page(number);
  if (!page) {
    return fail(make_error(ErrorCode::not_found, 8006, "no error has this number")
                    .got(code)
                    .to_fix("errors look like E2101; 'consort explain' lists all"));
  }
  if (context.json) {
    print_document(context, page_value(*page));
  } else {
    print_line("E" + std::to_string(page->number) + ": " + std::string(page->meaning));
    print_line(page->action);
  }
  return kExitOk;
}

Result<int> unbuilt(const std::string& name) {
  static const std::map<std::string, std::string> kMissing = {
      {"serve", "the HTTP server"}};
  return fail(
      make_error(ErrorCode::unsupported, 8005,
                 "'" + name + "' is not built into this version: it needs " + kMissing.at(name))
          .to_fix("'consort --help' lists what is built"));
}

}  // namespace

void add_explain(CLI::App& app, Context& context) {
  auto code = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("explain", "what an error means and what to do");
  command->add_option("CODE", *code, "E1234; none: all of them");
  command->callback(
      [&context, code] { context.action = [&context, code] { return explain(context, *code); }; });
}

void add_unbuilt(CLI::App& app, Context& context) {
  for (const char* name : {"serve"}) {
    CLI::App* command = app.add_subcommand(name, "")->group("")->fallthrough(false)->allow_extras();
    command->callback([&context, name] { context.action = [name] { return unbuilt(name); }; });
  }
}

}  // namespace consort::cli
