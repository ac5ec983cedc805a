#include <CLI/CLI.hpp>

#include "agent/suggest.h"
#include "cli/commands.h"
#include "cli/contract_file.h"
#include "cli/schemas.h"
#include "tool/builtin.h"

namespace consort::cli {
namespace {

using contract::Value;

// The file's own text is pretty already, but a pipe gets one line: a document is a document
// everywhere.
Result<int> print_schema(Context& context, const std::string& name) {
  std::vector<std::string> names;
  for (const EmbeddedSchema& schema : embedded_schemas()) {
    if (schema.name == name) {
      if (!context.json) {
        print(schema.text);
        return kExitOk;
      }
      CONSORT_ASSIGN(Value value, contract::parse_json(schema.text));
      print_json(value);
      return kExitOk;
    }
    names.emplace_back(schema.name);
  }
  for (const tool::BuiltinInfo& info : tool::builtins()) {
    if (name == "report" && info.name == "render_report") {  // What that tool renders.
      Value value = Value::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                                   {"$ref", "#/$defs/Report"},
                                   {"$defs", *info.input.find("$defs")}});
      print_line(context.json ? contract::to_json(value) : contract::to_json_pretty(value));
      return kExitOk;
    }
    if (info.name == name) {
      Value value = Value::object(
          {{"description", info.description}, {"input", info.input}, {"output", info.output}});
      print_line(context.json ? contract::to_json(value) : contract::to_json_pretty(value));
      return kExitOk;
    }
    names.push_back(info.name);
  }
  names.emplace_back("report");
  if (name.empty()) {
    for (const std::string& known : names)
      print_line(context.json ? contract::to_json(Value(known)) : known);
    return kExitOk;
  }
  std::error_code ec;
  if (name.find('#') != std::string::npos || std::filesystem::is_regular_file(name, ec)) {
    CONSORT_ASSIGN(auto schema, load_schema(name));
    print_line(context.json ? contract::to_json(schema->document())
                            : contract::to_json_pretty(schema->document()));
    return kExitOk;
  }
  return fail(make_error(ErrorCode::not_found, 8003, "no schema has this name")
                  .got(name)
                  .to_fix(agent::did_you_mean(name, names)));
}

}  // namespace

void add_schema(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("schema", "print a JSON Schema");
  command->add_option("NAME", *name,
                      "agent, run, error, ..., a built-in tool, or FILE#NAME; none: the names");
  command->callback([&context, name] {
    context.action = [&context, name] { return print_schema(context, *name); };
  });
}

}  // namespace consort::cli
