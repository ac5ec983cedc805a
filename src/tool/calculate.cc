#include "tool/calculate.h"

#include <fmt/format.h>

#include "tool/nearest.h"

namespace consort::tool {
namespace {

constexpr size_t kExpressionBytesMax = 4096;
constexpr size_t kStepsMax = 100;
constexpr int kDepthMax = 64;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

int scale_exponent(std::string_view word) {
  static const std::map<std::string, int, std::less<>> kScales = {
      {"thousand", 3}, {"k", 3},        {"million", 6},   {"m", 6},  {"mn", 6}, {"mm", 6},
      {"billion", 9},  {"bn", 9},       {"b", 9},         {"trillion", 12}, {"tn", 12},
      {"thousands", 3}, {"millions", 6}, {"billions", 9}};
  const auto found = kScales.find(lower(word));
  return found == kScales.end() ? 0 : found->second;
}

// Unit names have one spelling each: plural for counts, upper case for currencies.
std::string unit_name(std::string_view word) {
  static const std::map<std::string, std::string, std::less<>> kUnits = {
      {"usd", "USD"},         {"dollar", "USD"},       {"dollars", "USD"},    {"eur", "EUR"},
      {"euro", "EUR"},        {"euros", "EUR"},        {"gbp", "GBP"},        {"jpy", "JPY"},
      {"share", "shares"},    {"shares", "shares"},    {"store", "stores"},   {"stores", "stores"},
      {"employee", "employees"}, {"employees", "employees"}, {"unit", "units"}, {"units", "units"},
      {"buyer", "buyers"},    {"buyers", "buyers"},    {"member", "members"}, {"members", "members"},
      {"household", "households"}, {"households", "households"}, {"customer", "customers"},
      {"customers", "customers"}, {"warehouse", "warehouses"}, {"warehouses", "warehouses"},
      {"year", "years"},      {"years", "years"},      {"month", "months"},   {"months", "months"},
      {"day", "days"},        {"days", "days"},        {"week", "weeks"},     {"weeks", "weeks"}};
  const auto found = kUnits.find(lower(word));
  return found == kUnits.end() ? std::string() : found->second;
}

bool is_percent_word(std::string_view word) {
  const std::string w = lower(word);
  return w == "percent" || w == "pct";
}

Error error_at(ErrorCode code, int number, std::string message, size_t column, std::string_view got,
               std::string fix) {
  return make_error(code, number, std::move(message))
      .at(fmt::format("column {}", column + 1))
      .got(got)
      .to_fix(std::move(fix));
}

Unit multiply(const Unit& a, const Unit& b, int sign) {
  Unit out;
  out.powers = a.powers;
  for (const auto& [name, power] : b.powers)
    if ((out.powers[name] += sign * power) == 0) out.powers.erase(name);
  return out;
}

struct Function {
  std::string_view name;
  int args_min, args_max;
};
constexpr int kManyArgs = 256;
constexpr Function kFunctions[] = {
    {"pct_change", 2, 2}, {"cagr", 3, 3},        {"ratio", 2, 2},       {"share", 2, 2},
    {"sum", 1, kManyArgs}, {"avg", 1, kManyArgs}, {"min", 1, kManyArgs}, {"max", 1, kManyArgs},
    {"round", 1, 2},      {"abs", 1, 1},         {"difference", 2, 2}};

class Evaluator {
 public:
  Evaluator(std::string_view text, const std::map<std::string, Quantity, std::less<>>& variables)
      : text_(text), variables_(variables) {}

  Result<Calculation> run() {
    if (text_.size() > kExpressionBytesMax)
      return fail(make_error(ErrorCode::resource_exhausted, 5322, "expression is longer than 4,096 bytes")
                      .to_fix("split it into several calculations"));
    CONSORT_ASSIGN(Quantity result, sum());
    skip_space();
    if (at_ < text_.size()) return fail(syntax("unexpected text"));
    out_.result = std::move(result);
    bool ends = true;
    out_.value = decimal_text(out_.result.value, &ends);
    out_.exact = out_.exact && ends;
    return std::move(out_);
  }

 private:
  Error syntax(std::string message) const {
    return error_at(ErrorCode::invalid_argument, 5321, std::move(message), at_,
                    text_.substr(std::min(at_, text_.size()), 20),
                    "write an expression such as pct_change(572754, 611289) or 12 % * $5 million");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == c) return ++at_, true;
    return false;
  }
  // The word at the cursor, without consuming it.
  std::string_view peek_word() {
    skip_space();
    size_t end = at_;
    if (end < text_.size() && is_letter(text_[end]))
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    return text_.substr(at_, end - at_);
  }

  static std::string show(const Quantity& q) {
    const std::string unit = q.unit.to_string();
    return decimal_text(q.value) + (unit.empty() ? "" : " " + unit);
  }
  Result<Quantity> step(std::string expression, Quantity result) {
    if (out_.steps.size() >= kStepsMax)
      return fail(make_error(ErrorCode::resource_exhausted, 5322, "expression has more than 100 operations")
                      .to_fix("split it into several calculations"));
    out_.steps.push_back({std::move(expression), result});
    return result;
  }

  Result<void> same_unit(const Quantity& a, const Quantity& b, std::string_view what, size_t column) const {
    if (a.unit == b.unit) return {};
    return fail(error_at(ErrorCode::invalid_argument, 5323,
                         fmt::format("cannot {} '{}' and '{}'", what, show(a), show(b)), column,
                         text_.substr(column, 20), "give both sides the same unit"));
  }
  template <typename T>
  Result<T> placed(Result<T> result, size_t column) const {
    if (result) return result;
    Error error = std::move(result).error();
    if (error.place.empty()) error.place = fmt::format("column {}", column + 1);
    return fail(std::move(error));
  }

  Result<Quantity> sum() {
    if (++depth_ > kDepthMax)
      return fail(make_error(ErrorCode::resource_exhausted, 5322, "expression is nested deeper than 64")
                      .to_fix("split it into several calculations"));
    CONSORT_ASSIGN(Quantity left, product());
    while (true) {
      skip_space();
      const size_t column = at_;
      const char op = at_ < text_.size() ? text_[at_] : '\0';
      if (op != '+' && op != '-') break;
      ++at_;
      CONSORT_ASSIGN(Quantity right, product());
      CONSORT_TRY(same_unit(left, right, op == '+' ? "add" : "subtract", column));
      CONSORT_ASSIGN(Rational value, placed(op == '+' ? left.value.plus(right.value)
                                                      : left.value.minus(right.value),
                                            column));
      CONSORT_ASSIGN(left, step(fmt::format("{} {} {}", show(left), op, show(right)), {value, left.unit}));
    }
    --depth_;
    return left;
  }

  Result<Quantity> product() {
    CONSORT_ASSIGN(Quantity left, unary());
    while (true) {
      skip_space();
      const size_t column = at_;
      const char op = at_ < text_.size() ? text_[at_] : '\0';
      if (op != '*' && op != '/') break;
      ++at_;
      CONSORT_ASSIGN(Quantity right, unary());
      CONSORT_ASSIGN(Quantity value, placed(op == '*' ? times(left, right) : over(left, right), column));
      CONSORT_ASSIGN(left, step(fmt::format("{} {} {}", show(left), op, show(right)), value));
    }
    return left;
  }

  static Result<Quantity> times(const Quantity& a, const Quantity& b) {
    CONSORT_ASSIGN(Rational value, a.value.times(b.value));
    Unit unit = multiply(a.unit, b.unit, 1);
    // Two percentages multiply to a percentage; a percentage of something is that thing; of a plain
    // number it stays a percentage.
    const bool scaled = a.unit.percent && b.unit.percent;
    unit.percent = scaled || ((a.unit.percent || b.unit.percent) && unit.powers.empty());
    const bool of_thing = (a.unit.percent || b.unit.percent) && !unit.powers.empty();
    if (scaled || of_thing) {
      CONSORT_ASSIGN(value, value.over(Rational(100)));
    }
    return Quantity{value, unit};
  }
  static Result<Quantity> over(const Quantity& a, const Quantity& b) {
    CONSORT_ASSIGN(Rational value, a.value.over(b.value));
    Unit unit = multiply(a.unit, b.unit, -1);
    if (b.unit.percent && !a.unit.percent) {
      CONSORT_ASSIGN(value, value.times(Rational(100)));
    }
    unit.percent = a.unit.percent && !b.unit.percent && unit.powers.empty();
    if (a.unit.percent && !b.unit.percent && !unit.powers.empty()) {
      CONSORT_ASSIGN(value, value.over(Rational(100)));
    }
    return Quantity{value, unit};
  }

  Result<Quantity> unary() {
    if (++depth_ > kDepthMax)
      return fail(make_error(ErrorCode::resource_exhausted, 5322, "expression is nested deeper than 64")
                      .to_fix("split it into several calculations"));
    Result<Quantity> out = Quantity{};
    if (take('-')) {
      out = unary();
      if (out) out->value = out->value.negated();
    } else if (take('+')) {
      out = unary();
    } else {
      out = powered();
    }
    --depth_;
    return out;
  }

  Result<Quantity> powered() {
    CONSORT_ASSIGN(Quantity base, primary());
    skip_space();
    const size_t column = at_;
    if (!take('^')) return base;
    CONSORT_ASSIGN(Quantity exponent, unary());
    int64_t n = 0;
    if (!exponent.unit.to_string().empty() || !exponent.value.fits_int64(&n))
      return fail(error_at(ErrorCode::invalid_argument, 5325, "exponent must be a plain integer", column,
                           show(exponent), "use an integer exponent, or cagr(a, b, n) for growth rates"));
    Rational value = base.value;
    Unit unit;
    if (base.unit.percent) {
      CONSORT_ASSIGN(value, base.value.over(Rational(100)));
    }
    CONSORT_ASSIGN(value, placed(value.power(n), column));
    for (const auto& [name, power] : base.unit.powers) {
      const int64_t raised = power * n;
      if (raised > 9 || raised < -9)
        return fail(error_at(ErrorCode::invalid_argument, 5323, "unit raised too high", column, show(base),
                             "drop the unit before raising"));
      if (raised != 0) unit.powers[name] = static_cast<int>(raised);
    }
    return step(fmt::format("{} ^ {}", show(base), n), {value, unit});
  }

  Result<Quantity> primary() {
    skip_space();
    const size_t column = at_;
    if (at_ >= text_.size()) return fail(syntax("expression ends here"));
    const char c = text_[at_];
    if (c == '(') {
      ++at_;
      CONSORT_ASSIGN(Quantity inner, sum());
      if (!take(')')) return fail(syntax("missing ')'"));
      return suffixed(std::move(inner));
    }
    if (c == '$') {
      ++at_;
      return number("USD");
    }
    if (text_.substr(at_).starts_with("€")) {
      at_ += std::string_view("€").size();
      return number("EUR");
    }
    if (is_digit(c) || c == '.') return number("");
    const std::string_view word = peek_word();
    if (word.empty()) return fail(syntax("expected a number, a name or '('"));
    at_ += word.size();
    if (take('(')) return call(word, column);
    const auto found = variables_.find(word);
    if (found != variables_.end()) return found->second;
    if (unit_name(word) == "USD" || unit_name(word) == "EUR" || unit_name(word) == "GBP") {
      skip_space();  // "USD 5 million"
      if (at_ < text_.size() && is_digit(text_[at_])) return number(unit_name(word));
    }
    std::vector<std::string> known;
    for (const auto& [name, value] : variables_) known.push_back(name);
    for (const Function& f : kFunctions) known.emplace_back(f.name);
    return fail(error_at(ErrorCode::not_found, 5326, "unknown name", column, word, did_you_mean(word, known)));
  }

  Result<Quantity> number(std::string currency) {
    skip_space();
    const size_t from = at_;
    // A comma belongs to the number only before exactly three digits and outside an argument list.
    while (at_ < text_.size()) {
      if (is_digit(text_[at_])) {
        ++at_;
      } else if (text_[at_] == ',' && args_ == 0 && at_ + 3 < text_.size() && is_digit(text_[at_ + 1]) &&
                 is_digit(text_[at_ + 2]) && is_digit(text_[at_ + 3])) {
        ++at_;
      } else {
        break;
      }
    }
    if (at_ < text_.size() && text_[at_] == '.')
      for (++at_; at_ < text_.size() && is_digit(text_[at_]);) ++at_;
    if (at_ + 1 < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E') &&
        (is_digit(text_[at_ + 1]) ||
         (at_ + 2 < text_.size() && (text_[at_ + 1] == '-' || text_[at_ + 1] == '+') && is_digit(text_[at_ + 2])))) {
      for (at_ += 2; at_ < text_.size() && is_digit(text_[at_]);) ++at_;
    }
    CONSORT_ASSIGN(Rational value, placed(Rational::parse(text_.substr(from, at_ - from)), from));
    Quantity out{value, {}};
    if (!currency.empty()) out.unit.powers[currency] = 1;
    return suffixed(std::move(out));
  }

  // Scale and unit words after a value: "million", "%", "USD", "USD/share".
  Result<Quantity> suffixed(Quantity q) {
    while (true) {
      const size_t column = at_;
      if (take('%') || is_percent_word(peek_word())) {
        if (at_ == column || text_[at_ - 1] != '%') at_ += peek_word().size();
        if (q.unit.percent || !q.unit.powers.empty())
          return fail(error_at(ErrorCode::invalid_argument, 5323, "value already has a unit", column, show(q),
                               "write one unit after a number"));
        q.unit.percent = true;
        continue;
      }
      const std::string_view word = peek_word();
      if (word.empty() || variables_.count(word) > 0) break;
      if (const int exponent = scale_exponent(word); exponent > 0) {
        at_ += word.size();
        CONSORT_ASSIGN(q.value, q.value.times(Rational::of(fmt::format("1e{}", exponent))));
        continue;
      }
      const std::string unit = unit_name(word);
      if (unit.empty()) break;
      if (q.unit.percent || !q.unit.powers.empty())
        return fail(error_at(ErrorCode::invalid_argument, 5323, "value already has a unit", at_, show(q),
                             "write one unit after a number"));
      at_ += word.size();
      q.unit.powers[unit] = 1;
      // "4.27 USD/share"; "USD / 3" stays a division.
      const size_t before = at_;
      if (take('/')) {
        const std::string_view below = peek_word();
        if (const std::string name = unit_name(below); !name.empty() && variables_.count(below) == 0) {
          at_ += below.size();
          q.unit.powers[name] -= 1;
          if (q.unit.powers[name] == 0) q.unit.powers.erase(name);
        } else {
          at_ = before;
          break;
        }
      }
    }
    return q;
  }

  Result<Quantity> call(std::string_view name, size_t column) {
    const Function* function = nullptr;
    for (const Function& f : kFunctions)
      if (f.name == name) function = &f;
    if (function == nullptr) {
      std::vector<std::string> known;
      for (const Function& f : kFunctions) known.emplace_back(f.name);
      return fail(error_at(ErrorCode::not_found, 5326, "unknown function", column, name, did_you_mean(name, known)));
    }
    std::vector<Quantity> args;
    ++args_;
    if (!take(')')) {
      do {
        CONSORT_ASSIGN(Quantity argument, sum());
        args.push_back(std::move(argument));
        if (static_cast<int>(args.size()) > kManyArgs)
          return fail(error_at(ErrorCode::resource_exhausted, 5322, "more than 256 arguments", column, name,
                               "split the sum"));
      } while (take(','));
      if (!take(')')) return fail(syntax("missing ')'"));
    }
    --args_;
    const int n = static_cast<int>(args.size());
    if (n < function->args_min || n > function->args_max)
      return fail(error_at(ErrorCode::invalid_argument, 5321, fmt::format("{} takes {} arguments, not {}", name,
                                                                          function->args_min, n),
                           column, name, "see the calculate tool's description"));
    std::string shown = std::string(name) + "(";
    for (int i = 0; i < n; ++i) shown += (i ? ", " : "") + show(args[static_cast<size_t>(i)]);
    CONSORT_ASSIGN(Quantity value, placed(apply(name, args, column), column));
    return step(shown + ")", value);
  }

  Result<Quantity> apply(std::string_view name, const std::vector<Quantity>& args, size_t column) {
    if (name == "abs") return Quantity{args[0].value.magnitude(), args[0].unit};
    if (name == "round") {
      int64_t digits = 0;
      if (args.size() == 2 && (!args[1].unit.to_string().empty() || !args[1].value.fits_int64(&digits) ||
                               digits < -30 || digits > 30))
        return fail(error_at(ErrorCode::invalid_argument, 5325, "round needs -30 to 30 digits", column,
                             show(args[1]), "give a small integer"));
      return Quantity{args[0].value.rounded(static_cast<int>(digits)), args[0].unit};
    }
    if (name == "cagr") return cagr(args, column);
    for (size_t i = 1; i < args.size(); ++i) CONSORT_TRY(same_unit(args[0], args[i], "combine", column));
    if (name == "pct_change") {
      if (args[0].value.sign() <= 0)
        return fail(error_at(ErrorCode::invalid_argument, 5325,
                             "a percentage change from zero or less has no meaning", column, show(args[0]),
                             "use difference(a, b)"));
      return percent_of(args[1].value.minus(args[0].value), args[0].value);
    }
    if (name == "share") return percent_of(args[0].value, args[1].value);
    if (name == "ratio") {
      CONSORT_ASSIGN(Rational value, args[0].value.over(args[1].value));
      return Quantity{value, {}};
    }
    if (name == "difference") {
      CONSORT_ASSIGN(Rational value, args[1].value.minus(args[0].value));
      return Quantity{value, args[0].unit};
    }
    Rational value = args[0].value;
    for (size_t i = 1; i < args.size(); ++i) {
      if (name == "min" ? args[i].value < value : name == "max" ? value < args[i].value : false)
        value = args[i].value;
      if (name == "sum" || name == "avg") {
        CONSORT_ASSIGN(value, value.plus(args[i].value));
      }
    }
    if (name == "avg") {
      CONSORT_ASSIGN(value, value.over(Rational(static_cast<int64_t>(args.size()))));
    }
    return Quantity{value, args[0].unit};
  }

  static Result<Quantity> percent_of(Result<Rational> part, const Rational& whole) {
    if (!part) return fail(std::move(part).error());
    CONSORT_ASSIGN(Rational ratio, part->over(whole));
    CONSORT_ASSIGN(Rational value, ratio.times(Rational(100)));
    Quantity out{value, {}};
    out.unit.percent = true;
    return out;
  }

  Result<Quantity> cagr(const std::vector<Quantity>& args, size_t column) {
    CONSORT_TRY(same_unit(args[0], args[1], "combine", column));
    int64_t n = 0;
    const bool years = args[2].unit.to_string().empty() || args[2].unit.to_string() == "years";
    if (!years || !args[2].value.fits_int64(&n) || n < 1 || n > 200 || args[0].value.sign() <= 0 ||
        args[1].value.sign() < 0)
      return fail(error_at(ErrorCode::invalid_argument, 5325,
                           "cagr(from, to, periods) needs from > 0, to >= 0 and 1 to 200 whole periods", column,
                           show(args[2]), "check the order and signs of the arguments"));
    CONSORT_ASSIGN(Rational ratio, args[1].value.over(args[0].value));
    CONSORT_ASSIGN(Rational root, ratio.root(static_cast<int>(n)));
    CONSORT_ASSIGN(Rational check, root.power(n));
    if (!(check == ratio)) out_.exact = false;
    CONSORT_ASSIGN(Rational growth, root.minus(Rational(1)));
    return percent_of(growth, Rational(1));
  }

  std::string_view text_;
  const std::map<std::string, Quantity, std::less<>>& variables_;
  size_t at_ = 0;
  int depth_ = 0;
  int args_ = 0;
  Calculation out_;
};

}  // namespace

std::string Unit::to_string() const {
  if (percent) return "%";
  std::string above, below;
  int n_above = 0;
  for (const auto& [name, power] : powers) n_above += power > 0;
  auto singular = [](std::string name) {
    if (name.size() > 1 && name.back() == 's') name.pop_back();
    return name;
  };
  for (const auto& [name, power] : powers) {
    const int n = power > 0 ? power : -power;
    std::string shown = (power < 0 ? singular(name) : name) + (n > 1 ? "^" + std::to_string(n) : "");
    std::string& side = power > 0 ? above : below;
    side += (side.empty() ? "" : "*") + shown;
  }
  if (below.empty()) return above;
  return (n_above == 0 ? "1" : above) + "/" + below;
}

std::string decimal_text(const Rational& value, bool* exact) {
  int digits = 12;
  const Rational small = Rational::of("0.000001");
  if (!value.is_zero() && value.magnitude() < small) digits = 30;
  return value.to_decimal(digits, exact);
}

Result<Quantity> parse_unit(std::string_view text) {
  if (text.empty() || text == "ratio" || text == "number" || text == "count") return Quantity{Rational(1), {}};
  if (text == "pp" || text == "percentage points") text = "%";
  auto parsed = calculate(std::string("1 ") + std::string(text));
  if (!parsed)
    return fail(make_error(ErrorCode::invalid_argument, 5323, "unknown unit")
                    .got(text)
                    .to_fix("use USD, %, shares, USD/share or a scale word such as million before one"));
  return parsed->result;
}

Result<Calculation> calculate(std::string_view expression,
                              const std::map<std::string, Quantity, std::less<>>& variables) {
  return Evaluator(expression, variables).run();
}

}  // namespace consort::tool
