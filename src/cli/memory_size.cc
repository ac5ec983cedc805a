#include "cli/memory_size.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

namespace consort::cli {

using contract::Value;

Result<uint64_t> parse_memory(std::string_view text) {
  const Error wrong = usage("--memory takes a whole number and a unit, at least 1MiB")
                          .got(text)
                          .to_fix("write --memory 512MiB or --memory 2GiB");
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc()) return fail(wrong);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const int shift = unit == "B"     ? 0
                    : unit == "KiB" ? 10
                    : unit == "MiB" ? 20
                    : unit == "GiB" ? 30
                                    : -1;
  if (shift < 0 || n > (uint64_t{1} << 48 >> shift) || n << shift < (1 << 20)) return fail(wrong);
  return n << shift;
}

void add_memory_option(CLI::App* command, Context& context) {
  command
      ->add_option_function<std::string>(
          "--memory",
          [&context](const std::string& text) {
            if (auto bytes = parse_memory(text)) context.memory_bytes = *bytes;
          },
          "models, adapters, keys and values, masks together: 2GiB")
      ->check([](const std::string& text) {
        const auto bytes = parse_memory(text);
        return bytes ? std::string() : bytes.error().message;
      });
}

engine::EngineOptions engine_options(const Context& context) {
  engine::EngineOptions options;
  if (context.memory_bytes) options.memory_bytes_max = *context.memory_bytes;
  return options;
}

std::string memory_text(const engine::MemoryMap& map) {
  const auto mib = [](uint64_t n) {
    return fmt::format("{:.1f} MiB", static_cast<double>(n) / (1 << 20));
  };
  std::vector<std::vector<std::string>> rows;
  for (const engine::MemoryItem& item : map.items) {
    std::string notes;
    const auto note = [&](std::string text) { notes += (notes.empty() ? "" : ", ") + text; };
    if (!item.model.empty()) note("on " + item.model);
    if (item.bytes_evicted > 0) note("not resident, takes " + mib(item.bytes_evicted));
    if (item.bytes_idle > 0) note(mib(item.bytes_idle) + " can go");
    if (item.bytes_behind > 0) note(mib(item.bytes_behind) + " behind the window");
    if (item.next_use) note(fmt::format("asked for in {} steps", *item.next_use));
    rows.push_back({mib(item.bytes), item.kind, item.name, notes});
  }
  rows.push_back({mib(map.bytes_used), "of " + mib(map.bytes_max), "", ""});
  return table(rows);
}

Value memory_value(const engine::MemoryMap& map) {
  contract::Array items;
  for (const engine::MemoryItem& item : map.items) {
    Value one = Value::object({{"kind", item.kind}, {"name", item.name}, {"bytes", item.bytes}});
    if (!item.model.empty()) one.get_object()->set("model", item.model);
    if (item.bytes_evicted > 0) one.get_object()->set("bytes_evicted", item.bytes_evicted);
    if (item.bytes_idle > 0) one.get_object()->set("bytes_idle", item.bytes_idle);
    if (item.bytes_behind > 0) one.get_object()->set("bytes_behind", item.bytes_behind);
    if (item.next_use) one.get_object()->set("next_use", *item.next_use);
    items.push_back(std::move(one));
  }
  return Value::object({{"bytes_max", map.bytes_max},
                        {"bytes_used", map.bytes_used},
                        {"bytes_promised", map.bytes_promised},
                        {"items", std::move(items)}});
}

}  // namespace consort::cli
