// `consort contract ... --batch`: JSON Lines in on stdin, one JSON line out for each, in order.
//
// A line that cannot be answered gets {"error": {...}}; the batch goes on. Schemas are read as the
// standard says: the dialect by `$schema`, else the one of the options; `format` is a note unless
// `formats` is set, here or in the line.
#pragma once

#include <memory>

#include "cli/context.h"
#include "contract/program.h"
#include "contract/schema.h"
#include "contract/version.h"

namespace consort::cli {

struct StandardReading {
  std::string dialect = "2020-12";  // As contract::name(Dialect) has it.
  bool formats = false;
};
// Error 8001 on an unknown dialect.
Result<contract::CompileOptions> compile_options(const StandardReading& reading);

// {"schema","instance"} -> {"valid","errors":[{"instance","schema","keyword","message"}]}
Result<int> batch_validate(const StandardReading& reading);
// {"a","b"}: does A accept everything that B accepts? -> {"answer","witness","reason","us"}
Result<int> batch_contains(const StandardReading& reading);
// {"schema"} -> {"valid":true,"digest"}, or the refusal as {"valid":false,"error"}.
Result<int> batch_check(const StandardReading& reading);
// {"a","b"} (old, new; "output": as written by a component) -> {"level","changes":[{"rule","level","reason",
// "witness"}]}
Result<int> batch_diff(const StandardReading& reading, bool output);
// {"schema","seed","n"} -> {"values":[...]}; `seed` and `n` (1 to 1,000) default to the options'.
Result<int> batch_example(const StandardReading& reading, uint64_t seed, int count);

struct MaskReading {
  std::string model;               // A reference, or a GGUF file.
  std::string dialect = "2020-12";
  bool formats = true;             // A line's "formats" comes first.
  // As a model writes it: keys that are declared, in the author's order, plainly spelt. Else whatever
  // the schema's value may look like: further keys, any order, any spelling, blanks between.
  bool emitted = false;
  int blanks = 1;  // Side by side; if more, line feeds are blanks too. Not with `emitted`.
};
// {"schema","text"} -> what a mask for the model's vocabulary does with the bytes of the text.
// Every line compiles its own mask; only the vocabulary is shared.
Result<int> batch_accepts(Context& context, const MaskReading& reading);

contract::Value changes_value(const std::vector<contract::Change>& changes);
contract::Value violations_value(const std::vector<contract::Violation>& violations);
// What `batch_accepts` answers for one schema and text.
Result<contract::Value> accepts_once(Context& context, const MaskReading& reading,
                                     const contract::Value& schema, const std::string& text);

}  // namespace consort::cli
