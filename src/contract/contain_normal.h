// Containment of normal forms. Internal to this folder.
//
// Used where the consumer is what a mask emits (`emitted`), whose closed objects no Program states,
// and as a second attempt where the solver left a question open and both sides have a normal form.
#pragma once

#include "contract/schema.h"

namespace consort::contract {

Containment contains_normal(const Schema& consumer, const Schema& producer);

}  // namespace consort::contract
