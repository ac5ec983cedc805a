#include "model/template.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/template_ast.h"

namespace consort::model {
namespace jinja {
namespace {

constexpr int kFramesMax =
    600;  // Of nested statements and expressions while rendering: what a thread's stack can bear.
constexpr int kHeightMax =
    256;  // Of nested lists in a variable: what freeing one recursively can bear.

class Renderer {
 public:
  Renderer(std::string_view name, std::string_view source, model::Undefined mode,
           const TemplateLimits& limits)
      : name_(name), source_(source), mode_(mode), limits_(limits), meter_{limits} {}
  // Namespaces can hold each other; emptying them all breaks the circles.
  ~Renderer() {
    for (const auto& space : namespaces_) space->clear();
  }

  Result<std::string> run(const std::vector<std::unique_ptr<Statement>>& body,
                          const contract::Value& variables) {
    scopes_.emplace_back();
    if (variables.is_object())
      for (const auto& [key, value] : variables.as_object())
        scopes_.back().emplace_back(key, TValue::from(value));
    scopes_.emplace_back();
    std::string out;
    CONSORT_TRY(statements(body, out));
    return out;
  }

 private:
  enum class Flow { go, break_, continue_ };
  using Undefined = model::Undefined;
  using Scope = std::vector<std::pair<std::string, TValue>>;

  Error at(Error error, size_t offset) const {
    if (error.place.empty()) error.place = place(name_, source_, offset);
    return error;
  }
  // Adds the place to an error of a builtin.
  template <typename T>
  Result<T> here(Result<T> result, size_t offset) const {
    if (result) return result;
    return fail(at(std::move(result).error(), offset));
  }

  struct FrameGuard {
    explicit FrameGuard(int& frames) : frames(frames) { ++frames; }
    ~FrameGuard() { --frames; }
    int& frames;
  };
  Error too_deep(size_t offset) const {
    return at(make_error(ErrorCode::resource_exhausted, 3405, "nested too deeply while rendering")
                  .to_fix("simplify the template"),
              offset);
  }

  // --- Names ---
  const TValue* find(std::string_view name) const {
    // A macro sees its own scopes and the two outermost.
    for (size_t i = scopes_.size(); i-- > 0;) {
      if (i >= 2 && i < macro_base_) i = 1;
      for (auto entry = scopes_[i].rbegin(); entry != scopes_[i].rend(); ++entry)
        if (entry->first == name) return &entry->second;
    }
    return nullptr;
  }
  Result<void> assign(std::string_view name, TValue value, size_t offset) {
    if (value.height() > kHeightMax)
      return fail(
          at(make_error(ErrorCode::resource_exhausted, 3405, "a value nested too deeply"), offset));
    for (auto& [known, old] : scopes_.back()) {
      if (known == name) {
        old = std::move(value);
        return {};
      }
    }
    scopes_.back().emplace_back(std::string(name), std::move(value));
    return {};
  }
  Result<void> assign_all(const std::vector<std::string>& names, const TValue& value,
                          size_t offset) {
    if (names.size() == 1) return assign(names[0], value, offset);
    CONSORT_ASSIGN(const auto list, here(iterate(value), offset));
    if (list->items.size() != names.size()) {
      return fail(at(wrong(fmt::format("{} names for {} values", names.size(), list->items.size())),
                     offset));
    }
    for (size_t i = 0; i < names.size(); ++i) CONSORT_TRY(assign(names[i], list->items[i], offset));
    return {};
  }

  // --- Statements ---
  Result<Flow> statements(const std::vector<std::unique_ptr<Statement>>& body, std::string& out) {
    const FrameGuard guard(frames_);
    for (const auto& statement : body) {
      CONSORT_TRY(here(meter_.step(), statement->at));
      if (frames_ > kFramesMax) return fail(too_deep(statement->at));
      CONSORT_ASSIGN(const Flow flow, run_statement(*statement, out));
      if (flow != Flow::go) return flow;
    }
    return Flow::go;
  }
  Result<void> write(std::string_view text, size_t offset, std::string& out) {
    CONSORT_TRY(here(meter_.grow(text.size()), offset));
    out.append(text);
    return {};
  }

  Result<Flow> run_statement(const Statement& statement, std::string& out) {
    switch (statement.kind) {
      case Statement::text:
        CONSORT_TRY(write(statement.text_, statement.at, out));
        return Flow::go;
      case Statement::output: {
        CONSORT_ASSIGN(const TValue value, eval(*statement.expression));
        CONSORT_ASSIGN(const std::string text, here(to_text(value, meter_), statement.at));
        out.append(text);
        return Flow::go;
      }
      case Statement::if_:
        for (const auto& branch : statement.branches) {
          bool taken = true;
          if (branch.condition) {
            CONSORT_ASSIGN(const TValue value, eval(*branch.condition));
            taken = truth(value);
          }
          if (taken) return statements(branch.body, out);
        }
        return Flow::go;
      case Statement::for_:
        return loop(statement, out);
      case Statement::set: {
        CONSORT_ASSIGN(TValue value, eval(*statement.expression));
        if (statement.member.empty()) {
          CONSORT_TRY(assign_all(statement.names, value, statement.at));
          return Flow::go;
        }
        const TValue* target = find(statement.names[0]);
        if (target == nullptr || target->dict() == nullptr || !target->dict()->is_namespace)
          return fail(at(wrong("only a namespace's members can be set").got(statement.names[0]),
                         statement.at));
        if (value.height() > kHeightMax)
          return fail(
              at(make_error(ErrorCode::resource_exhausted, 3405, "a value nested too deeply"),
                 statement.at));
        target->dict()->set(statement.member, std::move(value));
        return Flow::go;
      }
      case Statement::set_block: {
        std::string text;
        scopes_.emplace_back();
        CONSORT_TRY(statements(statement.body, text));
        scopes_.pop_back();
        CONSORT_TRY(assign(statement.names[0], TValue::of(std::move(text)), statement.at));
        return Flow::go;
      }
      case Statement::macro: {
        auto macro =
            std::make_shared<const Callable>(Callable{statement.text_, TValue(), &statement});
        CONSORT_TRY(assign(statement.text_, TValue(TValue::Data(std::move(macro))), statement.at));
        return Flow::go;
      }
      case Statement::scope:
        return statements(statement.body, out);
      case Statement::break_:
        return Flow::break_;
      case Statement::continue_:
        return Flow::continue_;
    }
    return Flow::go;
  }

  Result<Flow> loop(const Statement& statement, std::string& out) {
    CONSORT_ASSIGN(const TValue items, eval(*statement.expression));
    CONSORT_ASSIGN(std::shared_ptr<const List> list, here(iterate(items), statement.at));
    CONSORT_TRY(here(meter_.step(list->items.size()), statement.at));
    if (statement.condition) {
      auto kept = std::make_shared<List>();
      for (const TValue& item : list->items) {
        scopes_.emplace_back();
        CONSORT_TRY(assign_all(statement.names, item, statement.at));
        CONSORT_ASSIGN(const TValue condition, eval(*statement.condition));
        scopes_.pop_back();
        if (truth(condition)) kept->items.push_back(item);
      }
      list = std::move(kept);
    }
    if (list->items.empty()) return statements(statement.otherwise, out);
    ++loop_depth_;
    auto state = std::make_shared<Loop>(Loop{list, 0, loop_depth_});
    for (; state->index < list->items.size(); ++state->index) {
      scopes_.emplace_back();
      scopes_.back().emplace_back("loop", TValue(TValue::Data(state)));
      CONSORT_TRY(assign_all(statement.names, list->items[state->index], statement.at));
      CONSORT_ASSIGN(const Flow flow, statements(statement.body, out));
      scopes_.pop_back();
      if (flow == Flow::break_) break;
    }
    --loop_depth_;
    return Flow::go;
  }

  // --- Expressions ---
  Result<TValue> eval(const Expression& expression, bool may_be_undefined = false) {
    CONSORT_TRY(here(meter_.step(), expression.at));
    const FrameGuard guard(frames_);
    if (frames_ > kFramesMax) return fail(too_deep(expression.at));
    CONSORT_ASSIGN(TValue value, here(eval_kind(expression, may_be_undefined), expression.at));
    if (mode_ == Undefined::strict && !may_be_undefined) {
      if (const auto* undefined = value.get<jinja::Undefined>()) {
        return fail(at(
            make_error(ErrorCode::not_found, 3404, fmt::format("{} is undefined", undefined->what))
                .to_fix("pass it, or use the filter 'default' or the test 'is defined'"),
            expression.at));
      }
    }
    return value;
  }

  Result<TValue> eval_kind(const Expression& expression, bool may_be_undefined) {
    const auto& parts = expression.parts;
    switch (expression.kind) {
      case Expression::literal:
        return expression.value;
      case Expression::name: {
        if (const TValue* found = find(expression.text)) return *found;
        if (is_function(expression.text))
          return TValue(TValue::Data(
              std::make_shared<const Callable>(Callable{expression.text, TValue(), nullptr})));
        return TValue::undefined(fmt::format("variable '{}'", expression.text));
      }
      case Expression::attribute:
      case Expression::index: {
        CONSORT_ASSIGN(const TValue object, eval(*parts[0]));
        if (const auto* undefined = object.get<jinja::Undefined>())
          return fail(make_error(ErrorCode::not_found, 3404,
                                 fmt::format("{} is undefined", undefined->what)));
        if (expression.kind == Expression::attribute) return attribute(object, expression.text);
        CONSORT_ASSIGN(const TValue key, eval(*parts[1]));
        if (object.string()) CONSORT_TRY(meter_.grow(object.string()->size()));
        return index(object, key);
      }
      case Expression::slice:
        return eval_slice(expression);
      case Expression::call:
        return call(expression);
      case Expression::filter: {
        const bool takes_undefined = expression.text == "default" || expression.text == "d";
        CONSORT_ASSIGN(const TValue value, eval(*parts[0], takes_undefined));
        CONSORT_ASSIGN(const Arguments arguments, evaluate_arguments(expression, 1));
        return apply_filter(expression.text, value, arguments, meter_);
      }
      case Expression::test: {
        const bool takes_undefined = expression.text == "defined" || expression.text == "undefined";
        CONSORT_ASSIGN(const TValue value, eval(*parts[0], takes_undefined));
        CONSORT_ASSIGN(const Arguments arguments, evaluate_arguments(expression, 1));
        CONSORT_TRY(meter_.step(value.weight()));
        for (const TValue& argument : arguments.positional)
          CONSORT_TRY(meter_.step(argument.weight()));
        CONSORT_ASSIGN(const bool passes, apply_test(expression.text, value, arguments));
        return TValue::of(passes != expression.negated);
      }
      case Expression::negate: {
        CONSORT_ASSIGN(const TValue value, eval(*parts[0]));
        return arithmetic('-', TValue::of(int64_t{0}), value, meter_);
      }
      case Expression::not_: {
        CONSORT_ASSIGN(const TValue value, eval(*parts[0]));
        return TValue::of(truth(value) != expression.negated);
      }
      case Expression::all_of:
      case Expression::any_of: {
        const bool stops_at = expression.kind == Expression::any_of;
        TValue value;
        for (const auto& part : parts) {
          CONSORT_ASSIGN(value, eval(*part));
          if (truth(value) == stops_at) break;
        }
        return value;
      }
      case Expression::comparison:
        return comparison(expression);
      case Expression::math: {
        CONSORT_ASSIGN(TValue value, eval(*parts[0]));
        for (size_t i = 1; i < parts.size(); ++i) {
          CONSORT_ASSIGN(const TValue right, eval(*parts[i]));
          CONSORT_ASSIGN(value, arithmetic(expression.text[i - 1], value, right, meter_));
        }
        return value;
      }
      case Expression::concat: {
        std::string text;
        for (const auto& part : parts) {
          CONSORT_ASSIGN(const TValue value, eval(*part));
          CONSORT_ASSIGN(const std::string more, to_text(value, meter_));
          text += more;
        }
        return TValue::of(std::move(text));
      }
      case Expression::conditional: {
        CONSORT_ASSIGN(const TValue condition, eval(*parts[1]));
        if (truth(condition)) return eval(*parts[0], may_be_undefined);
        if (parts[2]) return eval(*parts[2], may_be_undefined);
        // Jinja: an inline if without else is undefined when false, and prints as nothing.
        return mode_ == Undefined::lenient ? TValue::undefined("the value of an if without else")
                                           : TValue::of(std::string());
      }
      case Expression::list: {
        List list;
        list.is_tuple = expression.text == "tuple";
        for (const auto& part : parts) {
          CONSORT_ASSIGN(TValue value, eval(*part));
          list.items.push_back(std::move(value));
        }
        return TValue::of(std::move(list));
      }
      case Expression::dict: {
        auto dict = std::make_shared<Dict>();
        for (size_t i = 0; i + 1 < parts.size(); i += 2) {
          CONSORT_ASSIGN(const TValue key, eval(*parts[i]));
          if (key.string() == nullptr) return fail(not_here("a dictionary key that is no string"));
          CONSORT_ASSIGN(TValue value, eval(*parts[i + 1]));
          dict->set(*key.string(), std::move(value));
        }
        return TValue(TValue::Data(std::move(dict)));
      }
    }
    return TValue::none();
  }

  Result<TValue> comparison(const Expression& expression) {
    CONSORT_ASSIGN(TValue left, eval(*expression.parts[0]));
    for (size_t i = 1; i < expression.parts.size(); ++i) {
      CONSORT_ASSIGN(TValue right, eval(*expression.parts[i]));
      CONSORT_TRY(meter_.step(std::max(left.weight(), right.weight())));
      const char op = expression.text[i - 1];
      bool holds = false;
      if (op == '=' || op == '!') {
        holds = equal(left, right) == (op == '=');
      } else if (op == 'i' || op == 'n') {
        CONSORT_ASSIGN(const bool inside, contains(right, left));
        holds = inside == (op == 'i');
      } else {
        CONSORT_ASSIGN(const int order, compare(left, right));
        holds = op == '<' ? order < 0 : op == '>' ? order > 0 : op == 'l' ? order <= 0 : order >= 0;
      }
      if (!holds) return TValue::of(false);
      left = std::move(right);
    }
    return TValue::of(true);
  }

  Result<TValue> eval_slice(const Expression& expression) {
    CONSORT_ASSIGN(const TValue value, eval(*expression.parts[0]));
    std::optional<int64_t> bounds[3];
    for (size_t i = 0; i < 3; ++i) {
      if (!expression.parts[i + 1]) continue;
      CONSORT_ASSIGN(const TValue bound, eval(*expression.parts[i + 1]));
      if (bound.is_none()) continue;
      bounds[i] = bound.integer();
      if (!bounds[i])
        return fail(wrong(fmt::format("a slice needs integers, not {}", type_name(bound))));
    }
    if (value.string()) CONSORT_TRY(meter_.grow(value.string()->size()));
    if (value.list()) CONSORT_TRY(meter_.step(value.list()->items.size()));
    return slice(value, bounds[0], bounds[1], bounds[2].value_or(1));
  }

  Result<Arguments> evaluate_arguments(const Expression& expression, size_t first) {
    Arguments arguments;
    for (size_t i = first; i < expression.parts.size(); ++i) {
      CONSORT_ASSIGN(TValue value, eval(*expression.parts[i]));
      arguments.positional.push_back(std::move(value));
    }
    for (const auto& [name, part] : expression.named) {
      CONSORT_ASSIGN(TValue value, eval(*part));
      arguments.named.emplace_back(name, std::move(value));
    }
    return arguments;
  }

  Result<TValue> call(const Expression& expression) {
    CONSORT_ASSIGN(const TValue callee, eval(*expression.parts[0]));
    const auto* callable = callee.get<std::shared_ptr<const Callable>>();
    if (callable == nullptr) {
      if (const auto* undefined = callee.get<jinja::Undefined>())
        return fail(make_error(ErrorCode::not_found, 3404,
                               fmt::format("{} is undefined", undefined->what)));
      return fail(wrong(fmt::format("a value of type {} cannot be called", type_name(callee))));
    }
    CONSORT_ASSIGN(const Arguments arguments, evaluate_arguments(expression, 1));
    for (const TValue& argument : arguments.positional) CONSORT_TRY(meter_.step(argument.weight()));
    if ((*callable)->macro != nullptr)
      return call_macro(*(*callable)->macro, arguments, expression.at);
    if (is_function((*callable)->name) && (*callable)->self.is_undefined()) {
      CONSORT_ASSIGN(TValue made, call_function((*callable)->name, arguments, meter_));
      if (made.dict() != nullptr && made.dict()->is_namespace)
        namespaces_.push_back(*made.get<std::shared_ptr<Dict>>());
      return made;
    }
    return call_method(**callable, arguments, meter_);
  }

  Result<TValue> call_macro(const Statement& macro, const Arguments& arguments, size_t offset) {
    if (call_depth_ >= limits_.depth_max) {
      return fail(at(make_error(ErrorCode::resource_exhausted, 3405,
                                fmt::format("macros call each other deeper than {} levels",
                                            limits_.depth_max)),
                     offset));
    }
    if (arguments.positional.size() > macro.names.size())
      return fail(
          at(wrong(fmt::format("macro '{}' takes {} arguments", macro.text_, macro.names.size())),
             offset));
    const size_t first_default = macro.names.size() - macro.defaults.size();
    const size_t base = std::exchange(macro_base_, scopes_.size());
    scopes_.emplace_back();
    ++call_depth_;
    for (size_t i = 0; i < macro.names.size(); ++i) {
      TValue value = TValue::undefined(fmt::format("parameter '{}'", macro.names[i]));
      if (const TValue* given = arguments.find(i, macro.names[i])) {
        value = *given;
      } else if (i >= first_default) {
        CONSORT_ASSIGN(value, eval(*macro.defaults[i - first_default]));
      }
      scopes_.back().emplace_back(macro.names[i], std::move(value));
    }
    std::string out;
    CONSORT_TRY(statements(macro.body, out));
    --call_depth_;
    scopes_.pop_back();
    macro_base_ = base;
    return TValue::of(std::move(out));
  }

  std::string_view name_, source_;
  Undefined mode_;
  const TemplateLimits& limits_;
  Meter meter_;
  std::vector<Scope>
      scopes_;             // Globals, the template's own, then loops, set blocks and macro calls.
  size_t macro_base_ = 0;  // Scopes from here on belong to the macro that runs; 0 outside.
  int call_depth_ = 0;
  int frames_ = 0;
  int loop_depth_ = 0;
  std::vector<std::shared_ptr<Dict>> namespaces_;
};

}  // namespace
}  // namespace jinja

struct Template::Program {
  std::vector<std::unique_ptr<jinja::Statement>> body;
};

Template::Template() = default;
Template::~Template() = default;

Result<std::unique_ptr<const Template>> Template::parse(std::string_view text, std::string name,
                                                        Undefined undefined,
                                                        const TemplateLimits& limits) {
  if (text.size() > limits.source_bytes_max) {
    return fail(make_error(ErrorCode::resource_exhausted, 3405,
                           fmt::format("a template of more than {} bytes", limits.source_bytes_max))
                    .at(name)
                    .got(std::to_string(text.size())));
  }
  auto made = std::unique_ptr<Template>(new Template);
  made->name_ = std::move(name);
  made->undefined_ = undefined;
  made->limits_ = limits;
  for (size_t i = 0; i < text.size(); ++i) {  // Jinja reads every newline as \n.
    if (text[i] != '\r') {
      made->source_ += text[i];
      continue;
    }
    made->source_ += '\n';
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  auto program = std::make_unique<Program>();
  CONSORT_ASSIGN(program->body, jinja::parse_template(made->source_, made->name_, made->limits_));
  made->program_ = std::move(program);
  return std::unique_ptr<const Template>(std::move(made));
}

Result<std::string> Template::render(const contract::Value& variables) const {
  return jinja::Renderer(name_, source_, undefined_, limits_).run(program_->body, variables);
}

}  // namespace consort::model
