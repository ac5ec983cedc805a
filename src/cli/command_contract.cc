#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/contract_batch.h"
#include "cli/contract_file.h"
#include "contract/schema.h"
#include "contract/version.h"

namespace consort::cli {
namespace {

using contract::Containment;
using contract::Schema;
using contract::Value;
using contract::Verdict;

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::proved:
      return "proved";
    case Verdict::refuted:
      return "refuted";
    case Verdict::unknown:
      return "unknown";
  }
  return "unknown";
}

Value to_value(const Containment& c) {
  contract::Object out;
  out.set("verdict", name(c.verdict));
  if (c.witness) out.set("witness", *c.witness);
  if (!c.reason.empty()) out.set("reason", c.reason);
  return out;
}

Result<int> check_files(Context& context, const std::vector<std::string>& files) {
  CONSORT_ASSIGN(std::vector<NamedSchema> schemas, load_schemas(files));
  contract::Array names;
  for (const NamedSchema& s : schemas) {
    names.push_back(Value::object({{"name", s.name}, {"digest", s.schema->digest().hex()}}));
    if (!context.json) print_line(s.name + "  " + s.schema->digest().hex().substr(0, 16));
  }
  if (context.json)
    print_document(context, Value::object({{"valid", true}, {"schemas", std::move(names)}}));
  return kExitOk;
}

Result<int> tell(Context& context, const std::vector<contract::Violation>& violations,
                 const char* list_name) {
  if (context.json) {
    print_document(context, Value::object({{"valid", violations.empty()},
                                           {list_name, violations_value(violations)}}));
  } else if (violations.empty()) {
    print_line("valid");
  } else {
    for (const auto& v : violations) {
      print_line((v.instance.empty() ? "/" : v.instance) + ": " + v.message + " (" + v.schema +
                 ")");
    }
  }
  return violations.empty() ? kExitOk : kExitContract;
}

Result<int> accepts(Context& context, const std::string& schema_file, const std::string& argument,
                    const std::vector<std::string>& others) {
  CONSORT_ASSIGN(auto schema, load_schema(schema_file, others));
  CONSORT_ASSIGN(Value value, read_value(argument));
  return tell(context, contract::validate(*schema, value), "violations");
}

Result<int> accepts_by_mask(Context& context, const std::string& schema_file,
                            const std::string& instance, const MaskReading& reading) {
  CONSORT_ASSIGN(Value document, read_document(schema_file));
  CONSORT_ASSIGN(Value value, read_value(instance));
  CONSORT_ASSIGN(Value answer, accepts_once(context, reading, document, contract::to_json(value)));
  print_document(context, answer);
  return answer.find("accepted")->as_bool() ? kExitOk : kExitContract;
}

Result<int> validate(Context& context, const std::string& schema_file, const std::string& instance,
                     const StandardReading& reading) {
  CONSORT_ASSIGN(const auto options, compile_options(reading));
  CONSORT_ASSIGN(Value document, read_document(schema_file));
  CONSORT_ASSIGN(Value value, read_value(instance));
  CONSORT_ASSIGN(auto schema, Schema::compile(document, schema_file, Value(), options));
  return tell(context, contract::validate(*schema, value), "errors");
}

Result<int> contains(Context& context, const std::string& consumer_file,
                     const std::string& producer_file, const std::vector<std::string>& others) {
  CONSORT_ASSIGN(auto consumer, load_schema(consumer_file, others));
  CONSORT_ASSIGN(auto producer, load_schema(producer_file, others));
  Containment answer = contract::contains(*consumer, *producer);
  if (context.json) {
    print_document(context, to_value(answer));
  } else {
    print_line(name(answer.verdict));
    if (answer.witness) print_line("witness: " + contract::to_json(*answer.witness));
    if (!answer.reason.empty()) print_line("reason: " + answer.reason);
  }
  if (answer.verdict == Verdict::proved) return kExitOk;
  return answer.verdict == Verdict::refuted ? kExitContract : kExitRunFailed;
}

Result<int> diff(Context& context, const std::string& old_file, const std::string& new_file,
                 bool output, const std::vector<std::string>& others) {
  CONSORT_ASSIGN(auto before, load_schema(old_file, others));
  CONSORT_ASSIGN(auto after, load_schema(new_file, others));
  contract::ContractDiff answer;
  if (output) {
    CONSORT_ASSIGN(answer, contract::diff_output(*before, *after));
  } else {
    answer = contract::diff_input(*before, *after);
  }
  if (context.json) {
    print_document(context, Value::object({{"level", contract::name(answer.level)},
                                           {"changes", changes_value(answer.changes)}}));
    return kExitOk;
  }
  print_line(std::string("level: ") + std::string(contract::name(answer.level)));
  for (const contract::Change& c : answer.changes) {
    print_line("  " + c.rule + ": " + c.reason);
    if (c.witness) print_line("    witness: " + contract::to_json(*c.witness));
  }
  return kExitOk;
}

Result<int> examples(const std::string& file, uint64_t seed, int count,
                     const std::vector<std::string>& others) {
  CONSORT_ASSIGN(auto schema, load_schema(file, others));
  for (int i = 0; i < count; ++i) {
    CONSORT_ASSIGN(Value value, contract::example(*schema, seed + static_cast<uint64_t>(i)));
    print_json(value);
  }
  return kExitOk;
}

struct Options {
  std::vector<std::string> files, others;
  std::string a, b;
  bool output = false, batch = false;
  MaskReading mask;
  StandardReading reading;
  uint64_t seed = 0;
  int count = 1;
};

// Two arguments, unless a batch brings them.
Result<void> both_named(const Options& o) {
  if (!o.a.empty() && !o.b.empty()) return {};
  return fail(usage("two arguments are needed").to_fix("see --help, or use --batch"));
}

}  // namespace

void add_contract(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* group =
      app.add_subcommand("contract", "check schemas, values, and whether one fits another");
  group->require_subcommand(1);
  const std::string kSchema = "schema: JSON or YAML file, FILE#NAME, or - for stdin";

  CLI::App* check = group->add_subcommand("check", "compile: refuses what cannot be enforced");
  check->add_option("FILE", o->files, kSchema);
  check->callback([&context, o] {
    context.action = [&context, o]() -> Result<int> {
      if (o->batch) return batch_check(o->reading);
      if (o->files.empty()) return fail(usage("a file is needed").to_fix("see --help, or use --batch"));
      return check_files(context, o->files);
    };
  });

  CLI::App* accept =
      group->add_subcommand("accepts", "does the schema, or its mask, accept the value? exit 3 if not");
  accept->add_option("SCHEMA", o->a, kSchema);
  accept->add_option("VALUE", o->b, "file, -, or JSON");
  accept->add_option("--model", o->mask.model, "ask the mask for this model's vocabulary");
  accept->add_option("--dialect", o->mask.dialect, "with --model: of schemas without $schema");
  accept->add_flag("!--no-formats", o->mask.formats, "with --model: `format` is a note");
  accept->add_option("--blanks", o->mask.blanks, "with --model: so many side by side; default 1")
      ->check(CLI::Range(0, 200));
  accept->add_flag("--emitted", o->mask.emitted,
                   "with --model: as a model writes (declared keys in order, plain spelling); "
                   "default: any key the schema allows, any order, any spelling, blanks");
  accept->callback([&context, o] {
    context.action = [&context, o]() -> Result<int> {
      if (o->batch && o->mask.model.empty()) {
        return fail(usage("--batch asks masks: add --model"));
      }
      if (o->batch) return batch_accepts(context, o->mask);
      CONSORT_TRY(both_named(*o));
      if (!o->mask.model.empty()) return accepts_by_mask(context, o->a, o->b, o->mask);
      return accepts(context, o->a, o->b, o->others);
    };
  });

  CLI::App* valid = group->add_subcommand(
      "validate", "is the value valid, as the schema's standard says? exit 3 if not");
  valid->add_option("SCHEMA", o->a, "JSON or YAML file, or -");
  valid->add_option("INSTANCE", o->b, "file, -, or JSON");
  valid->callback([&context, o] {
    context.action = [&context, o]() -> Result<int> {
      if (o->batch) return batch_validate(o->reading);
      CONSORT_TRY(both_named(*o));
      return validate(context, o->a, o->b, o->reading);
    };
  });

  CLI::App* contain = group->add_subcommand("contains", "does A accept everything that B accepts?");
  contain->add_option("A", o->a, kSchema);
  contain->add_option("B", o->b, kSchema);
  contain->callback([&context, o] {
    context.action = [&context, o]() -> Result<int> {
      if (o->batch) return batch_contains(o->reading);
      CONSORT_TRY(both_named(*o));
      return contains(context, o->a, o->b, o->others);
    };
  });
  CLI::App* differ =
      group->add_subcommand("diff", "change level from OLD to NEW: patch, minor, major");
  differ->add_option("OLD", o->a, kSchema);
  differ->add_option("NEW", o->b, kSchema);
  differ->add_flag("--output", o->output,
                   "the schema is what a component writes; default: what it reads");
  differ->callback([&context, o] {
    context.action = [&context, o]() -> Result<int> {
      if (o->batch) return batch_diff(o->reading, o->output);
      CONSORT_TRY(both_named(*o));
      return diff(context, o->a, o->b, o->output, o->others);
    };
  });

  CLI::App* example =
      group->add_subcommand("example", "values that the schema accepts, one a line");
  example->add_option("SCHEMA", o->a, kSchema);
  example->add_option("--seed", o->seed, "draws other values");
  example->add_option("-n,--count", o->count, "how many")->check(CLI::Range(1, 100000));
  example->callback([&context, o] {
    context.action = [o]() -> Result<int> {
      if (o->batch) return batch_example(o->reading, o->seed, o->count);
      if (o->a.empty()) return fail(usage("a schema is needed").to_fix("see --help, or use --batch"));
      return examples(o->a, o->seed, o->count, o->others);
    };
  });
  for (CLI::App* command : {check, accept, valid, contain, differ, example}) {
    command->add_flag("--batch", o->batch, "JSON Lines on stdin, one line out for each");
  }
  for (CLI::App* command : {check, valid, contain, differ, example}) {
    command->add_option("--dialect", o->reading.dialect,
                        "of schemas without $schema: draft-04, draft-06, draft-07, 2019-09, 2020-12");
    command->add_flag("--formats", o->reading.formats, "enforce `format`; default: a note");
  }
  for (CLI::App* command : {accept, contain, differ, example}) {
    command->add_option("--with", o->others, "contract file whose schemas may be named")
        ->allow_extra_args(false);
  }
}

}  // namespace consort::cli
