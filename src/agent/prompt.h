// Prompt files: a chat in one template file, `--- system`, `--- user` and `--- assistant` lines between the
// messages. The file is split before it is rendered, so that no value can open a message of its own.
// Few-shot examples are further user and assistant messages. Without a marker the file is one user message.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/json.h"
#include "engine/engine.h"
#include "model/template.h"

namespace consort::agent {

// Immutable after create; thread-safe.
class Prompt final {
 public:
  // Errors 34xx with FILE:line:col, line numbers as in the whole file.
  static Result<std::unique_ptr<const Prompt>> create(const std::string& text, const std::string& file);
  Result<std::vector<engine::Message>> render(const contract::Value& variables) const;

 private:
  struct Part {
    std::string role;
    std::unique_ptr<const model::Template> content;
  };
  std::vector<Part> parts_;
};

}  // namespace consort::agent
