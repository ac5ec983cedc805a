// dataset: one data set out of files of rows: duplicates removed, the contract checked, rows that
// stand in a golden set left out, and where each row came from kept.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <set>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/contract_file.h"
#include "cli/dataset_runs.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::vector<std::string> inputs, golden;
  std::string out, schema;
  RecordedRows recorded;
};

// What a row asks, without case and spacing: rows that ask the same are near-duplicates.
std::string question_of(const Value& row) {
  std::string text = row.string_or("prompt", row.string_or("rendered", ""));
  if (const Value* messages = row.find("messages"); messages && messages->is_array())
    for (const Value& m : messages->as_array())
      if (m.string_or("role", "") == "user") text += m.string_or("content", "") + "\n";
  if (text.empty()) text = row.string_or("question", "");
  std::string out;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c))) continue;
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string completion_of(const Value& row) {
  if (const Value* messages = row.find("messages");
      messages && messages->is_array() && !messages->as_array().empty())
    return messages->as_array().back().string_or("content", "");
  return row.string_or("completion", "");
}

struct Counts {
  uint64_t read = 0, kept = 0, duplicates = 0, in_golden = 0;
};

Result<void> check_completion(const contract::Schema& schema, const std::string& completion, const std::string& place) {
  auto value = contract::parse_json(completion);
  auto checked = value ? contract::check(schema, *value) : Result<void>(fail(std::move(value).error()));
  if (checked) return {};
  return fail(make_error(ErrorCode::contract_violation, 9011,
                         "a completion breaks the contract: " + checked.error().message)
                  .at(place)
                  .got(completion)
                  .to_fix("correct the row, or the contract"));
}

Result<int> dataset(Context& context, const Options& o) {
  if (o.inputs.empty() && o.recorded.component.empty())
    return fail(usage("there are no rows").to_fix("give files, or --runs COMPONENT"));
  std::shared_ptr<const contract::Schema> schema;
  if (!o.schema.empty()) {
    CONSORT_ASSIGN(schema, load_schema(o.schema));
  }
  const auto parsed = [](const std::string& file, int number,
                         const std::string& line) -> Result<Value> {
    auto row = contract::parse_json(line);
    if (row && row->is_object()) return row;
    return fail(make_error(ErrorCode::invalid_argument, 9010, "a row is no JSON object")
                    .at(fmt::format("{}:{}", file, number))
                    .got(line));
  };
  std::set<std::string> golden, seen;
  for (const std::string& file : o.golden) {
    CONSORT_TRY(each_line(file, [&](int number, const std::string& line) -> Result<void> {
      CONSORT_ASSIGN(const Value row, parsed(file, number, line));
      golden.insert(question_of(row));
      return {};
    }));
  }
  std::string out;
  Counts counts;
  const auto take = [&](const Value& row, const Value& provenance, const std::string& place) -> Result<void> {
    ++counts.read;
    const std::string question = question_of(row), completion = completion_of(row);
    if (question.empty() || completion.empty()) {
      return fail(make_error(ErrorCode::invalid_argument, 9010, "a row has no prompt or no completion")
                      .at(place)
                      .got(contract::to_json(row)));
    }
    if (schema) CONSORT_TRY(check_completion(*schema, completion, place));
    if (golden.contains(question)) {
      ++counts.in_golden;
      return {};
    }
    if (!seen.insert(question).second) {
      ++counts.duplicates;
      return {};
    }
    contract::Object with = row.as_object();
    with.set("provenance", provenance);
    out += contract::to_json(Value(std::move(with))) + "\n";
    ++counts.kept;
    return {};
  };
  for (const std::string& file : o.inputs) {
    CONSORT_TRY(each_line(file, [&](int number, const std::string& line) -> Result<void> {
      CONSORT_ASSIGN(const Value row, parsed(file, number, line));
      return take(row, Value::object({{"file", file}, {"line", number}, {"sha256", sha256(line).hex()}}),
                  fmt::format("{}:{}", file, number));
    }));
  }
  if (!o.recorded.component.empty()) {
    CONSORT_ASSIGN(const auto rows, recorded_rows(context, o.recorded));
    for (const Value& row : rows) {
      const Value& from = *row.find("provenance");
      CONSORT_TRY(take(row, from, from.string_or("run", "") + " " + from.string_or("step", "")));
    }
  }
  if (counts.kept == 0) {
    return fail(make_error(ErrorCode::invalid_argument, 9014, "no row is left for the data set")
                    .to_fix("give rows that are no duplicates and not in the golden sets"));
  }
  CONSORT_TRY(write_file_atomic(o.out, out));
  const Value answer = Value::object({{"rows", counts.read},
                                      {"kept", counts.kept},
                                      {"duplicates", counts.duplicates},
                                      {"in_golden", counts.in_golden},
                                      {"sha256", sha256(out).hex()}});
  if (context.json) {
    print_document(context, answer);
  } else {
    print_line(fmt::format("{} rows kept of {}: {} duplicates, {} in a golden set", counts.kept,
                           counts.read, counts.duplicates, counts.in_golden));
  }
  return kExitOk;
}

}  // namespace

void add_dataset(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("dataset", "make a data set for training");
  command->add_option("FILES", o->inputs, "JSON Lines of {prompt, completion}, {messages} or {rendered, completion}");
  command->add_option("--runs", o->recorded.component, "also what this component was asked in recorded runs");
  command->add_option("--agent", o->recorded.agent, "of those, the runs of one agent alone");
  command->add_option("--corrections", o->recorded.corrections,
                      "verdicts on recorded steps: JSON Lines {run, step, verdict: accepted|edited|rejected, output?}");
  command->add_flag("--unreviewed", o->recorded.unreviewed, "also steps without a verdict that were right at once");
  command->add_option("--out", o->out, "the data set")->required();
  command->add_option("--golden", o->golden, "rows which must not be trained on");
  command->add_option("--schema", o->schema, "contract of the completions");
  command->callback(
      [&context, o] { context.action = [&context, o] { return dataset(context, *o); }; });
}

}  // namespace consort::cli
