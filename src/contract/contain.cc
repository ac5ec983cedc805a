// Containment: is there a value of the producer that the consumer refuses?
#include "contract/program_validate.h"
#include "contract/schema.h"
#include "contract/solve.h"

namespace consort::contract {
namespace {

Containment refuted(const Schema& consumer, Value witness) {
  const Violation violation = validate(consumer, witness, 1)[0];
  std::string reason =
      violation.message + " (" + violation.keyword + " of " + consumer.id() + violation.schema +
      ", at " + (violation.instance.empty() ? "the value itself" : violation.instance) + ")";
  return {Verdict::refuted, std::move(witness), std::move(reason)};
}

}  // namespace

Containment contains(const Schema& consumer, const Schema& producer) {
  if (consumer.same_as(producer)) {
    return {Verdict::proved, std::nullopt, "both are the same schema"};
  }
  Solver solver(producer.program(), consumer.language());
  Goal goal;
  goal.literals = {literal(0, producer.program().root, true),
                   literal(1, consumer.language().root, false)};
  goal.closed = producer.is_closed();
  Outcome outcome = solver.solve(goal);
  if (outcome.answer == Answer::none) {
    return {Verdict::proved, std::nullopt, "every value of the producer is accepted"};
  }
  if (outcome.answer == Answer::found && validate(producer, outcome.value, 1).empty() &&
      !validate(consumer, outcome.value, 1).empty()) {
    return refuted(consumer, std::move(outcome.value));
  }
  return {Verdict::unknown, std::nullopt,
          solver.reason().empty() ? "the value found did not hold" : solver.reason()};
}

}  // namespace consort::contract
