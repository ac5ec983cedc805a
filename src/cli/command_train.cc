// train: teaches an adapter on a model, and writes it in both forms.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/component_name.h"
#include "cli/contract_file.h"
#include "cli/models.h"
#include "model/lock.h"
#include "run/host.h"
#include "train/adapter_export.h"
#include "train/trainer.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string component, model, data, schema, out, licence, precision = "bf16", weights = "f32";
  train::TrainOptions train;
  double alpha = 0;
  int tokens_max = 1024;
};

Result<std::filesystem::path> decoder_file(Context& context, const std::string& name) {
  const std::string ref = model_ref(context.home(), name);
  if (ref.rfind("file:", 0) == 0) return std::filesystem::path(ref.substr(5));
  CONSORT_ASSIGN(auto lock_file, run::find_model_lock(std::filesystem::current_path()));
  CONSORT_ASSIGN(model::ModelLock lock, model::ModelLock::open(lock_file));
  CONSORT_ASSIGN(model::ResolvedModel found, lock.resolve(ref, model::Verify::none));
  if (found.is_folder_model) {
    return fail(make_error(ErrorCode::unsupported, 9030, "only decoders of the llama family train")
                    .got(name)
                    .to_fix("name a decoder, such as smollm2-135m:q4_1"));
  }
  return found.main_file;
}

// The model and the contract, from the options or from the component named.
struct Subject {
  std::string model;
  std::shared_ptr<const contract::Schema> contract;
};

Result<Subject> subject_of(const Options& o) {
  Subject out{o.model, nullptr};
  if (!o.component.empty()) {
    CONSORT_ASSIGN(const ComponentRef found, find_component(o.component));
    const agent::ComponentSpec& spec = found.node->spec;
    if (spec.kind != agent::ComponentKind::generate) {
      return fail(make_error(ErrorCode::unsupported, 9031, "only components of kind 'generate' train")
                      .got(o.component));
    }
    out.contract = found.node->output;
    if (out.model.empty()) {
      const auto& models = found.owner->definition().models;
      if (const auto at = models.find(spec.model); at != models.end()) out.model = at->second.ref;
    }
  }
  if (out.model.empty())
    return fail(usage("there is no model to train on").to_fix("give COMPONENT, or --model REF"));
  if (!o.schema.empty()) {
    CONSORT_ASSIGN(out.contract, load_schema(o.schema));
  }
  return out;
}

// One line per tenth on stderr, and the bar.
class TrainReport {
 public:
  explicit TrainReport(Context& context) : context_(context) {}
  void operator()(const train::TrainProgress& p) {
    const double share = static_cast<double>(p.step) / static_cast<double>(p.steps);
    sum_ += p.loss;
    ++count_;
    context_.progress().update("training", share,
                               fmt::format("loss {:.3f}, {:.0f} tokens/s, {:.0f} s left", p.loss,
                                           p.tokens_per_second, p.seconds_left));
    const int tenth = static_cast<int>(share * 10);
    if (tenth == tenth_) return;
    tenth_ = tenth;
    if (!context_.quiet)
      context_.progress().line(fmt::format("step {} of {}: loss {:.4f}, {:.0f} tokens/s, {:.0f} s left",
                                           p.step, p.steps, sum_ / count_, p.tokens_per_second,
                                           p.seconds_left));
    sum_ = 0;
    count_ = 0;
  }

 private:
  Context& context_;
  int tenth_ = 0;
  double sum_ = 0;
  int count_ = 0;
};

model::AdapterWeights weights_of(const std::string& name) {
  return name == "q8_0"  ? model::AdapterWeights::q8_0
         : name == "f16" ? model::AdapterWeights::f16
                         : model::AdapterWeights::f32;
}

Value losses_value(const std::vector<double>& losses) {
  contract::Array out;
  for (const double loss : losses) out.push_back(Value(loss));
  return Value(std::move(out));
}

Result<int> train_command(Context& context, const Options& options) {
  Options o = options;
  o.train.lora.alpha = static_cast<float>(o.alpha > 0 ? o.alpha : 2.0 * o.train.lora.rank);
  o.train.pass.precision =
      o.precision == "f32" ? tensor::TrainPrecision::f32 : tensor::TrainPrecision::bf16;
  CONSORT_ASSIGN(const Subject subject, subject_of(o));
  CONSORT_ASSIGN(const auto path, decoder_file(context, subject.model));
  CONSORT_ASSIGN(const auto file, model::GgufFile::open(path));
  CONSORT_ASSIGN(const auto renderer, train::Renderer::create(*file));
  CONSORT_ASSIGN(const std::string text, read_text(o.data));
  CONSORT_ASSIGN(const train::Dataset data,
                 train::read_dataset(text, o.data, *renderer, {o.tokens_max, subject.contract}));
  say(context, fmt::format("{} examples, {} tokens, {} of them learnt", data.examples.size(),
                           data.n_tokens(), data.n_labels()));
  const std::filesystem::path folder = o.out;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(make_error(ErrorCode::unavailable, 9022, "a folder cannot be made")
                    .at(o.out)
                    .got(error.message()));
  }
  context.progress().update("loading " + subject.model, -1);
  CONSORT_ASSIGN(const auto decoder, model::Decoder::load(*file));
  const Digest base = file->digest();
  context.progress().finish();
  TrainReport report(context);
  CONSORT_ASSIGN(const train::TrainResult done,
                 train::train_decoder(*decoder, base, data, o.train, folder, context.clock,
                                      context.stop.get_token(), std::ref(report)));
  context.progress().finish();

  model::AdapterFile adapter = done.weights.to_adapter(decoder->config());
  adapter.base_sha256 = base;
  adapter.metadata = {{"consort.base.name", subject.model},
                      {"consort.data.sha256", data.digest.hex()},
                      {"consort.template.sha256", renderer->template_digest().hex()}};
  if (!o.licence.empty()) adapter.metadata["consort.licence"] = o.licence;
  if (subject.contract)
    adapter.metadata["consort.contract.sha256"] =
        subject.contract->digest().hex();
  CONSORT_TRY(train::write_adapter_files(folder, adapter, decoder->config(), weights_of(o.weights)));
  const double speed = done.seconds > 0 ? static_cast<double>(done.n_tokens) / done.seconds : 0;
  const Value answer = Value::object(
      {{"model", subject.model},
       {"examples", static_cast<uint64_t>(data.examples.size())},
       {"steps", static_cast<uint64_t>(done.losses.size())},
       {"resumed_at", done.resumed_at},
       {"tokens", done.n_tokens},
       {"seconds", done.seconds},
       {"tokens_per_second", speed},
       {"first_loss", done.losses.front()},
       {"last_loss", done.losses.back()},
       {"adapter", (folder / "adapter.gguf").string()},
       {"peft", (folder / "peft").string()},
       {"losses", losses_value(done.losses)}});
  CONSORT_TRY(write_file_atomic(folder / "training.json", contract::to_json_pretty(answer) + "\n"));
  if (context.json) {
    print_document(context, answer);
  } else {
    say(context, fmt::format("{} steps in {:.1f} s, {:.0f} tokens/s; loss {:.4f} -> {:.4f}",
                             done.losses.size(), done.seconds, speed, done.losses.front(),
                             done.losses.back()));
    print_line((folder / "adapter.gguf").string());
    print_line((folder / "peft").string());
  }
  return kExitOk;
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "teach an adapter from examples");
  command->add_option("COMPONENT", o->component, "AGENT:COMPONENT, for its model and contract");
  command->add_option("--model", o->model, "a decoder, instead of the component's");
  command->add_option("--data", o->data, "JSON Lines: {prompt, completion} or {messages}; -: stdin")
      ->required();
  command->add_option("--out", o->out, "folder of the adapter and the checkpoint")->required();
  command->add_option("--schema", o->schema, "contract of the completions");
  command->add_option("--licence", o->licence, "of the data, kept in the adapter");
  command->add_option("--rank", o->train.lora.rank, "of the LoRA matrices")
      ->check(CLI::Range(1, 64));
  command->add_option("--alpha", o->alpha, "scale = alpha / rank; 0: twice the rank");
  command->add_option("--epochs", o->train.epochs, "passes over the data");
  command->add_option("--learning-rate", o->train.optimizer.learning_rate, "at the peak");
  command->add_option("--weight-decay", o->train.optimizer.weight_decay, "of AdamW");
  command->add_option("--warmup", o->train.optimizer.warmup, "share of the steps");
  command->add_option("--batch-tokens", o->train.tokens_per_batch, "tokens packed together");
  command->add_option("--accumulate", o->train.accumulate, "batches a step");
  command->add_option("--tokens-max", o->tokens_max, "longest row");
  command->add_option("--seed", o->train.seed, "order of the rows and first weights");
  command->add_option("--threads", o->train.n_threads, "0: all cores; changes no bit");
  command->add_option("--checkpoint-every", o->train.checkpoint_every, "steps; 0: none");
  command->add_option("--adapter-type", o->weights, "of the weights in adapter.gguf")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  command->add_option("--precision", o->precision, "of products")
      ->check(CLI::IsMember({"bf16", "f32"}));
  command->callback(
      [&context, o] { context.action = [&context, o] { return train_command(context, *o); }; });
}

}  // namespace consort::cli
