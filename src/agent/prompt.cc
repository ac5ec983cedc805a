#include "agent/prompt.h"

namespace consort::agent {
namespace {

// "--- user" alone on its line.
std::string marker_role(std::string_view line) {
  for (const char* role : {"system", "user", "assistant"}) {
    if (line == std::string("--- ") + role) return role;
  }
  return "";
}

void trim_newlines(std::string& text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  size_t first = text.find_first_not_of('\n');
  text.erase(0, first == std::string::npos ? text.size() : first);
}

}  // namespace

Result<std::unique_ptr<const Prompt>> Prompt::create(const std::string& text, const std::string& file) {
  auto prompt = std::make_unique<Prompt>();
  std::string role = "user";
  std::string source;
  size_t line_number = 1, source_line = 1;
  auto close = [&]() -> Result<void> {
    bool blank = source.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!blank) {
      // Newlines in front keep the template's line numbers those of the file; they are trimmed again.
      CONSORT_ASSIGN(auto content, model::Template::parse(std::string(source_line - 1, '\n') + source, file));
      prompt->parts_.push_back({role, std::move(content)});
    }
    source.clear();
    return {};
  };
  for (size_t at = 0; at < text.size(); ++line_number) {
    size_t end = text.find('\n', at);
    std::string_view line(text.data() + at, (end == std::string::npos ? text.size() : end) - at);
    std::string next = marker_role(line);
    if (!next.empty()) {
      CONSORT_TRY(close());
      role = next;
      source_line = line_number + 1;
    } else {
      source.append(line);
      source.push_back('\n');
    }
    at = end == std::string::npos ? text.size() : end + 1;
  }
  CONSORT_TRY(close());
  return std::unique_ptr<const Prompt>(std::move(prompt));
}

Result<std::vector<engine::Message>> Prompt::render(const contract::Value& variables) const {
  std::vector<engine::Message> out;
  for (const Part& part : parts_) {
    CONSORT_ASSIGN(std::string content, part.content->render(variables));
    trim_newlines(content);
    out.push_back({part.role, std::move(content)});
  }
  return out;
}

}  // namespace consort::agent
