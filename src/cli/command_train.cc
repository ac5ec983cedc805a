// train: teaches an adapter on a model, and writes it in both forms.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/component_name.h"
#include "cli/contract_file.h"
#include "cli/gate_promotion.h"
#include "cli/models.h"
#include "cli/train_encoder.h"
#include "cli/train_parity.h"
#include "model/lock.h"
#include "run/adapters.h"
#include "run/host.h"
#include "train/adapter_export.h"
#include "train/trainer.h"

namespace consort::cli {
namespace {

using contract::Value;

struct Options {
  std::string component, model, data, schema, out, licence, policy, from, precision = "auto", weights = "f32";
  train::TrainOptions train;
  double alpha = 0;
  int tokens_max = 1024;
  bool no_register = false;
  EncoderTraining encoder;  // What encoders have beside.
  std::string rank_loss = "listwise";
};

// A decoder's file, or an encoder's folder.
Result<std::filesystem::path> model_path(Context& context, const std::string& name) {
  const std::string ref = model_ref(context.home(), name);
  if (ref.rfind("file:", 0) == 0) return std::filesystem::path(ref.substr(5));
  CONSORT_ASSIGN(auto lock_file, run::find_model_lock(std::filesystem::current_path()));
  CONSORT_ASSIGN(model::ModelLock lock, model::ModelLock::open(lock_file));
  CONSORT_ASSIGN(model::ResolvedModel found, lock.resolve(ref, model::Verify::none));
  return found.is_folder_model ? found.folder : found.main_file;
}

// The model, the contract and the adapter, from the options or from the component named.
struct Subject {
  std::string model;
  std::shared_ptr<const contract::Schema> contract;
  std::string adapter, alias;  // Of the component; empty: the adapter is a file and nothing more.
};

Result<Subject> subject_of(const Options& o) {
  Subject out{o.model, nullptr, {}, {}};
  if (!o.component.empty()) {
    CONSORT_ASSIGN(const ComponentRef found, find_component(o.component));
    const agent::ComponentSpec& spec = found.node->spec;
    if (spec.kind != agent::ComponentKind::generate && spec.kind != agent::ComponentKind::decide) {
      return fail(make_error(ErrorCode::unsupported, 9031, "only components of kind 'generate' and 'decide' train")
                      .got(o.component));
    }
    out.contract = found.node->output;
    const size_t at = spec.adapter.find('@');
    if (!spec.adapter.starts_with("file:")) {
      out.adapter = spec.adapter.substr(0, at);
      out.alias = at == std::string::npos ? std::string(run::kDefaultAlias) : spec.adapter.substr(at + 1);
    }
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

// Seconds by stage, in order.
class Stages {
 public:
  explicit Stages(const Clock& clock) : clock_(clock), begin_(clock.monotonic()) {}
  void end(std::string name) {
    const Nanoseconds now = clock_.monotonic();
    stages_.emplace_back(std::move(name), std::chrono::duration<double>(now - begin_).count());
    begin_ = now;
  }
  Value to_value() const {
    contract::Object out;
    for (const auto& [name, seconds] : stages_) out.set(name, seconds);
    return Value(std::move(out));
  }
  std::string text() const {
    std::string out;
    for (const auto& [name, seconds] : stages_)
      out += fmt::format("{}{} {:.1f} s", out.empty() ? "" : ", ", name, seconds);
    return out;
  }

 private:
  const Clock& clock_;
  Nanoseconds begin_;
  std::vector<std::pair<std::string, double>> stages_;
};

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return {};
  return fail(make_error(ErrorCode::unavailable, 9022, "a folder cannot be made").at(folder).got(error.message()));
}

// The adapter with where it comes from.
model::AdapterFile adapter_of(const train::TrainResult& done, const model::Decoder& decoder, const Digest& base,
                              const train::Dataset& data, const train::Renderer& renderer, const Subject& subject,
                              const std::string& licence) {
  model::AdapterFile adapter = done.weights.to_adapter(decoder.config());
  adapter.base_sha256 = base;
  adapter.metadata = {{"consort.base.name", subject.model},
                      {"consort.data.sha256", data.digest.hex()},
                      {"consort.template.sha256", renderer.template_digest().hex()}};
  if (!licence.empty()) adapter.metadata["consort.licence"] = licence;
  if (subject.contract) adapter.metadata["consort.contract.sha256"] = subject.contract->digest().hex();
  return adapter;
}

struct Registered {
  std::string name;  // "planner@3"; empty: not registered.
  std::optional<PromotionOutcome> gate;
};

// The adapter becomes the next version of the component's, and with a policy goes through the gate.
Result<Registered> enter(Context& context, const Options& o, const Subject& subject, Stages& stages) {
  Registered out;
  if (subject.adapter.empty() || o.no_register) return out;
  const std::filesystem::path file = std::filesystem::path(o.out) / "adapter.gguf";
  PromotionRequest request;
  CONSORT_ASSIGN(request.candidate,
                 run::register_adapter(context.home(), context.clock, subject.adapter, "", file));
  out.name = subject.adapter + "@" + request.candidate.version;
  stages.end("register");
  if (o.policy.empty()) return out;
  CONSORT_ASSIGN(const auto registry, store::Registry::open(context.home(), context.clock));
  request.alias = subject.alias;
  request.policy = o.policy;
  CONSORT_ASSIGN(request.champion, meaning_of(*registry, request.candidate.item, request.alias));
  CONSORT_ASSIGN(out.gate, promote_through_gate(context, *registry, request));
  stages.end("gate");
  return out;
}

Value report_of(const Options& o, const Subject& subject, const train::Dataset& data, const train::TrainResult& done,
                const Parity& parity, const Registered& registered, const Stages& stages) {
  const std::filesystem::path folder = o.out;
  const double speed = done.seconds > 0 ? static_cast<double>(done.n_tokens) / done.seconds : 0;
  return Value::object({{"model", subject.model},
                        {"examples", static_cast<uint64_t>(data.examples.size())},
                        {"steps", static_cast<uint64_t>(done.losses.size())},
                        {"resumed_at", done.resumed_at},
                        {"tokens", done.n_tokens},
                        {"seconds", done.seconds},
                        {"tokens_per_second", speed},
                        {"first_loss", done.losses.front()},
                        {"last_loss", done.losses.back()},
                        {"parity", parity.to_value()},
                        {"adapter", (folder / "adapter.gguf").string()},
                        {"peft", (folder / "peft").string()},
                        {"registered", registered.name.empty() ? Value() : Value(registered.name)},
                        {"gate", registered.gate ? registered.gate->document : Value()},
                        {"stages", stages.to_value()},
                        {"losses", losses_value(done.losses)}});
}

void print_report(Context& context, const Options& o, const train::TrainResult& done, const Parity& parity,
                  const Registered& registered, const Stages& stages) {
  const std::filesystem::path folder = o.out;
  say(context, fmt::format("{} steps; loss {:.4f} -> {:.4f}; on {} examples {:.4f} where trained, {:.4f} where served",
                           done.losses.size(), done.losses.front(), done.losses.back(), parity.examples,
                           parity.trained, parity.served));
  say(context, stages.text());
  print_line((folder / "adapter.gguf").string());
  print_line((folder / "peft").string());
  if (!registered.name.empty()) print_line(registered.name);
  if (!registered.gate) return;
  for (const std::string& line : registered.gate->lines) print_line(line);
}

// An encoder: the folder of a model is one.
Result<int> train_on_encoder(Context& context, const Options& o, const Subject& subject,
                             const std::filesystem::path& folder, Stages& stages) {
  if (!o.from.empty()) return fail(usage("--from is for decoders").got(o.from));
  EncoderTraining e = o.encoder;
  e.model = subject.model;
  e.data = o.data;
  e.out = o.out;
  e.licence = o.licence;
  e.weights = o.weights;
  e.train.lora = o.train.lora;
  e.train.optimizer = o.train.optimizer;
  e.train.epochs = o.train.epochs;
  e.train.seed = o.train.seed;
  e.train.n_threads = o.train.n_threads;
  e.train.checkpoint_every = o.train.checkpoint_every;
  // Without a bfloat16 dot product products in f32 are the faster ones.
  const bool f32 = o.precision == "f32" ||
                   (o.precision == "auto" && !tensor::train_kernels(*tensor::choose_isa()).bf16_dot);
  e.train.precision = f32 ? tensor::TrainPrecision::f32 : tensor::TrainPrecision::bf16;
  e.train.rank_loss = o.rank_loss == "binary"     ? train::RankLoss::binary
                      : o.rank_loss == "pairwise" ? train::RankLoss::pairwise
                                                  : train::RankLoss::listwise;
  CONSORT_TRY(make_folder(o.out));
  TrainReport report(context);
  CONSORT_ASSIGN(Value answer, train_encoder_adapter(context, e, folder, std::ref(report)));
  stages.end("training");
  CONSORT_ASSIGN(const Registered registered, enter(context, o, subject, stages));
  answer.get_object()->set("registered", registered.name.empty() ? Value() : Value(registered.name));
  answer.get_object()->set("gate", registered.gate ? registered.gate->document : Value());
  CONSORT_TRY(write_file_atomic(std::filesystem::path(o.out) / "training.json",
                                contract::to_json_pretty(answer) + "\n"));
  const int code = registered.gate ? registered.gate->exit_code : kExitOk;
  if (context.json) {
    print_document(context, answer);
    return code;
  }
  const auto number = [&](const char* key) { return answer.find(key)->as_number().as_double(); };
  say(context, fmt::format("{:.0f} steps; loss {:.4f} -> {:.4f}", number("steps"), number("first_loss"),
                           number("last_loss")));
  if (const Value* dev = answer.find("dev"); dev != nullptr && dev->is_object())
    say(context, "on dev: " + contract::to_json(*dev));
  print_line(answer.string_or("adapter", ""));
  print_line(answer.string_or("peft", ""));
  if (!registered.name.empty()) print_line(registered.name);
  if (registered.gate)
    for (const std::string& line : registered.gate->lines) print_line(line);
  return code;
}

Result<int> train_command(Context& context, const Options& options) {
  Options o = options;
  o.train.lora.alpha = static_cast<float>(o.alpha > 0 ? o.alpha : 2.0 * o.train.lora.rank);
  o.train.pass.precision =
      o.precision == "f32" ? tensor::TrainPrecision::f32 : tensor::TrainPrecision::bf16;
  Stages stages(context.clock);
  CONSORT_ASSIGN(const Subject subject, subject_of(o));
  if (!o.policy.empty() && (subject.adapter.empty() || o.no_register))
    return fail(usage("--policy needs a component with an adapter, to be registered").got(o.component));
  CONSORT_ASSIGN(const auto path, model_path(context, subject.model));
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) return train_on_encoder(context, o, subject, path, stages);
  CONSORT_ASSIGN(const auto file, model::GgufFile::open(path));
  CONSORT_ASSIGN(const auto renderer, train::Renderer::create(*file));
  CONSORT_ASSIGN(const std::string text, read_text(o.data));
  CONSORT_ASSIGN(const train::Dataset data,
                 train::read_dataset(text, o.data, *renderer, {o.tokens_max, subject.contract}));
  say(context, fmt::format("{} examples, {} tokens, {} of them learnt", data.examples.size(),
                           data.n_tokens(), data.n_labels()));
  if (!o.from.empty()) {
    CONSORT_ASSIGN(const auto from, model::GgufFile::open(o.from));
    CONSORT_ASSIGN(model::AdapterFile adapter, model::read_adapter(*from));
    o.train.from = std::make_shared<const model::AdapterFile>(std::move(adapter));
  }
  CONSORT_TRY(make_folder(o.out));
  context.progress().update("loading " + subject.model, -1);
  CONSORT_ASSIGN(const auto decoder, model::Decoder::load(*file));
  context.progress().finish();
  stages.end("data and model");
  TrainReport report(context);
  CONSORT_ASSIGN(const train::TrainResult done,
                 train::train_decoder(*decoder, file->digest(), data, o.train, o.out, context.clock,
                                      context.stop.get_token(), std::ref(report)));
  context.progress().finish();
  stages.end("training");
  const model::AdapterFile adapter =
      adapter_of(done, *decoder, file->digest(), data, *renderer, subject, o.licence);
  CONSORT_TRY(train::write_adapter_files(o.out, adapter, decoder->config(), weights_of(o.weights)));
  CONSORT_ASSIGN(const Parity parity,
                 check_parity(path, std::filesystem::path(o.out) / "adapter.gguf", *decoder, done.weights, data,
                              o.train, context.clock, context.stop.get_token()));
  stages.end("parity");
  CONSORT_ASSIGN(const Registered registered, enter(context, o, subject, stages));
  const Value answer = report_of(o, subject, data, done, parity, registered, stages);
  CONSORT_TRY(write_file_atomic(std::filesystem::path(o.out) / "training.json",
                                contract::to_json_pretty(answer) + "\n"));
  if (context.json)
    print_document(context, answer);
  else
    print_report(context, o, done, parity, registered, stages);
  return registered.gate ? registered.gate->exit_code : kExitOk;
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "teach an adapter from examples");
  command->add_option("COMPONENT", o->component, "AGENT:COMPONENT, for its model and contract");
  command->add_option("--model", o->model, "instead of the component's");
  command->add_option("--data", o->data, "JSON Lines: {prompt, completion} or {messages}; for an encoder {query, "
                                         "positive}, {text, label} or {query, texts, relevance}; -: stdin")
      ->required();
  command->add_option("--out", o->out, "folder of the adapter and the checkpoint")->required();
  command->add_option("--from", o->from, "GGUF adapter to go on from, of the same rank and alpha");
  command->add_option("--policy", o->policy, "promote the new version through the gate with this policy");
  command->add_flag("--no-register", o->no_register, "the component's adapter gets no new version");
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
      ->check(CLI::IsMember({"auto", "bf16", "f32"}));
  EncoderTraining& e = o->encoder;
  command->add_option("--dev", e.dev, "encoder, classes: rows that temperature and threshold are fitted on");
  command->add_option("--scope-cost", e.scope_cost, "encoder, classes: accuracy that the threshold may cost on --dev")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--batch-examples", e.train.examples_per_batch, "encoder: rows a step");
  command->add_option("--temperature", e.train.temperature, "encoder, vectors: of the contrast");
  command->add_option("--outside-weight", e.train.outside_weight, "encoder, classes: of rows without a label");
  command->add_option("--head-scale", e.train.head_scale, "encoder: logits = scale (W v) + b");
  command->add_option("--rank-loss", o->rank_loss, "encoder, pairs")
      ->check(CLI::IsMember({"binary", "pairwise", "listwise"}));
  command->callback(
      [&context, o, command] {
        if (command->count("--batch-tokens") > 0) o->encoder.train.tokens_per_batch = o->train.tokens_per_batch; context.action = [&context, o] { return train_command(context, *o); }; });
}

}  // namespace consort::cli
