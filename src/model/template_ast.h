// The parsed form of a template. Internal.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/template_values.h"

namespace consort::model::jinja {

struct Expression {
  enum Kind {
    literal,
    name,
    attribute,
    index,
    slice,
    call,
    filter,
    test,
    negate,
    not_,
    all_of,
    any_of,
    comparison,
    math,
    concat,
    conditional,
    list,
    dict
  };
  Kind kind = literal;
  size_t at = 0;         // Offset in the source.
  std::string text;      // Name of a variable, member, filter or test; operators of math and
                         // comparison, one char each.
  TValue value;          // literal
  bool negated = false;  // test
  std::vector<std::unique_ptr<Expression>> parts;  // Null where left out (slice).
  std::vector<std::pair<std::string, std::unique_ptr<Expression>>> named;  // Arguments.
  int height = 1;
};
// Characters of `text`: comparison = ! < > l(<=) g(>=) i(n) n(ot in); math + - * / % p(**) f(//).

struct Statement {
  enum Kind { text, output, for_, if_, set, set_block, macro, scope, break_, continue_ };
  struct Branch {
    std::unique_ptr<Expression> condition;  // Null: else.
    std::vector<std::unique_ptr<Statement>> body;
  };
  Kind kind = text;
  size_t at = 0;
  std::string text_;  // text; name of a macro
  std::vector<std::string>
      names;           // Targets of for and set ("ns.x" has two parts in `member`); parameters.
  std::string member;  // set ns.member
  std::unique_ptr<Expression> expression;             // output, for's items, set's value
  std::unique_ptr<Expression> condition;              // for ... if
  std::vector<std::unique_ptr<Expression>> defaults;  // Of the last parameters.
  std::vector<Branch> branches;                       // if
  std::vector<std::unique_ptr<Statement>> body, otherwise;
};

// "NAME:line:column" of an offset.
std::string place(std::string_view name, std::string_view source, size_t at);

// Errors 3401, 3402, 3405 with place.
Result<std::vector<std::unique_ptr<Statement>>> parse_template(std::string_view source,
                                                               std::string_view name,
                                                               const TemplateLimits& limits);

}  // namespace consort::model::jinja
