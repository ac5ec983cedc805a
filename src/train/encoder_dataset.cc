#include "train/encoder_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "contract/json.h"

namespace consort::train {
namespace {

using contract::Value;

class Reader {
 public:
  Reader(EncoderDataset& out, const model::Tokenizer& tokenizer, const model::EncoderConfig& model,
         const std::vector<std::string>& labels)
      : out_(out), tokenizer_(tokenizer), model_(model), fixed_(!labels.empty()) {
    out_.labels = labels;
  }

  Result<void> row(std::string_view line, const std::string& place);
  Result<void> finish();

 private:
  Error malformed(std::string message) const {
    return make_error(ErrorCode::invalid_argument, 9010, std::move(message))
        .at(place_)
        .got(line_)
        .to_fix("write {\"query\", \"positive\", \"negatives\"?}, {\"text\", \"label\"} or "
                "{\"query\", \"texts\", \"relevance\"}, one form in all rows");
  }
  Result<std::vector<std::string>> texts_of(const Value& row, const char* key, bool wanted) const;
  Result<int> add(const std::string& text);
  Result<int> add_pair(const std::string& first, const std::string& second);
  Result<void> vectors_row(const Value& row);
  Result<void> class_row(const Value& row);
  Result<void> pairs_row(const Value& row);

  EncoderDataset& out_;
  const model::Tokenizer& tokenizer_;
  const model::EncoderConfig& model_;
  bool fixed_;
  std::string place_;
  std::string_view line_;
  std::optional<Objective> objective_;
  std::map<std::string, int> known_;
  std::map<int, std::string> label_of_;  // By text, as the rows say.
  std::set<std::string> rows_;
};

// A text or a list of texts, none of them empty.
Result<std::vector<std::string>> Reader::texts_of(const Value& row, const char* key,
                                                  bool wanted) const {
  std::vector<std::string> out;
  const Value* value = row.find(key);
  if (value == nullptr && !wanted) return out;
  if (value != nullptr && value->is_string()) out.emplace_back(value->as_string());
  if (value != nullptr && value->is_array())
    for (const Value& one : value->as_array()) {
      if (!one.is_string()) return fail(malformed(fmt::format("'{}' holds what is no text", key)));
      out.emplace_back(one.as_string());
    }
  const bool blank = std::any_of(out.begin(), out.end(), [](const auto& t) { return t.empty(); });
  if (blank || (out.empty() && wanted))
    return fail(malformed(fmt::format("'{}' is missing or empty", key)));
  return out;
}

Result<int> Reader::add(const std::string& text) {
  const auto [at, fresh] = known_.emplace(text, static_cast<int>(out_.texts.size()));
  if (!fresh) return at->second;
  const auto most = static_cast<size_t>(model_.tokens_max);
  auto ids = tokenizer_.encode(
      text, {.add_special = true, .parse_special = true, .tokens_max = most});
  if (!ids) return fail(std::move(ids).error().at(place_));
  // The cut keeps the last special token, so a full text may have been cut or not: ask for one more.
  if (ids->size() == most) {
    CONSORT_ASSIGN(const auto longer,
                   tokenizer_.encode(text, {.add_special = true, .parse_special = true,
                                            .tokens_max = most + 1}));
    out_.n_cut += longer.size() > most ? 1 : 0;
  }
  model::TextPair one;
  one.n_first = static_cast<int>(ids->size());
  one.ids = std::move(*ids);
  out_.texts.push_back(std::move(one));
  return at->second;
}

Result<int> Reader::add_pair(const std::string& first, const std::string& second) {
  auto pair = model::encode_pair(tokenizer_, first, second, model_.tokens_max);
  if (!pair) return fail(std::move(pair).error().at(place_));
  out_.n_cut += pair->n_cut > 0 ? 1 : 0;
  out_.texts.push_back(std::move(*pair));
  return static_cast<int>(out_.texts.size()) - 1;
}

Result<void> Reader::vectors_row(const Value& row) {
  EncoderExample example;
  CONSORT_ASSIGN(const auto queries, texts_of(row, "query", true));
  CONSORT_ASSIGN(const auto positive, texts_of(row, "positive", true));
  CONSORT_ASSIGN(const auto negatives, texts_of(row, "negatives", false));
  if (positive.size() != 1) return fail(malformed("'positive' is one text"));
  for (const std::string& query : queries) {
    CONSORT_ASSIGN(const int index, add(query));
    example.queries.push_back(index);
  }
  CONSORT_ASSIGN(const int right, add(positive[0]));
  example.documents.push_back(right);
  for (const std::string& negative : negatives) {
    CONSORT_ASSIGN(const int index, add(negative));
    if (index == right) return fail(malformed("a negative is the positive"));
    example.documents.push_back(index);
  }
  out_.examples.push_back(std::move(example));
  return {};
}

Result<void> Reader::class_row(const Value& row) {
  CONSORT_ASSIGN(const auto texts, texts_of(row, "text", true));
  const Value* label = row.find("label");
  if (texts.size() != 1 || label == nullptr || !(label->is_string() || label->is_null()) ||
      (label->is_string() && label->as_string().empty()))
    return fail(malformed("'text' is one text, 'label' a text or null"));
  EncoderExample example;
  CONSORT_ASSIGN(const int index, add(texts[0]));
  example.queries.push_back(index);
  const std::string own = label->is_null() ? "" : std::string(label->as_string());
  if (const auto [at, fresh] = label_of_.emplace(index, own); !fresh && at->second != own) {
    return fail(make_error(ErrorCode::already_exists, 9012, "a text has two labels")
                    .at(place_)
                    .got(line_)
                    .to_fix("keep one of the rows"));
  }
  if (!own.empty()) {
    const auto at = std::find(out_.labels.begin(), out_.labels.end(), own);
    if (at == out_.labels.end() && fixed_)
      return fail(malformed("a label that the training set does not have"));
    example.label = static_cast<int>(at - out_.labels.begin());
    if (at == out_.labels.end()) out_.labels.push_back(own);
  }
  out_.examples.push_back(std::move(example));
  return {};
}

Result<void> Reader::pairs_row(const Value& row) {
  CONSORT_ASSIGN(const auto query, texts_of(row, "query", true));
  CONSORT_ASSIGN(const auto texts, texts_of(row, "texts", true));
  const Value* relevance = row.find("relevance");
  if (query.size() != 1 || relevance == nullptr || !relevance->is_array() ||
      relevance->as_array().size() != texts.size())
    return fail(malformed("'query' is one text, 'relevance' has a number for each of 'texts'"));
  if (model_.n_types < 2) return fail(malformed("the model reads no pairs"));
  EncoderExample example;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Value& r = relevance->as_array()[i];
    const double number = r.is_number() ? r.as_number().as_double() : -1;
    if (!(number >= 0) || !std::isfinite(number))
      return fail(malformed("a relevance is a number, 0 or more"));
    CONSORT_ASSIGN(const int index, add_pair(query[0], texts[i]));
    example.documents.push_back(index);
    example.relevance.push_back(static_cast<float>(number));
  }
  out_.examples.push_back(std::move(example));
  return {};
}

Result<void> Reader::row(std::string_view line, const std::string& place) {
  place_ = place;
  line_ = line;
  auto value = contract::parse_json(line);
  if (!value || !value->is_object()) return fail(malformed("a row is no JSON object"));
  const Objective mine = value->find("positive") != nullptr ? Objective::vectors
                         : value->find("texts") != nullptr  ? Objective::pairs
                                                            : Objective::classes;
  if (objective_ && *objective_ != mine)
    return fail(malformed("a row of another form than those before"));
  objective_ = out_.objective = mine;
  if (!rows_.insert(contract::to_json(*value)).second) {
    return fail(make_error(ErrorCode::already_exists, 9012, "a row stands in the data set twice")
                    .at(place_)
                    .got(line_)
                    .to_fix("keep one of the rows"));
  }
  if (mine == Objective::vectors) return vectors_row(*value);
  return mine == Objective::pairs ? pairs_row(*value) : class_row(*value);
}

// Labels in the order of their names, whatever the order of the rows.
Result<void> Reader::finish() {
  if (fixed_ || out_.objective != Objective::classes) return {};
  std::vector<std::string> sorted = out_.labels;
  std::sort(sorted.begin(), sorted.end());
  for (EncoderExample& e : out_.examples) {
    if (e.label < 0) continue;
    const std::string& own = out_.labels[static_cast<size_t>(e.label)];
    e.label = static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), own) - sorted.begin());
  }
  out_.labels = std::move(sorted);
  return {};
}

}  // namespace

std::string_view name(Objective objective) {
  constexpr std::string_view kNames[] = {"vectors", "classes", "pairs"};
  return kNames[static_cast<int>(objective)];
}

Result<EncoderDataset> read_encoder_dataset(std::string_view text, const std::string& name,
                                            const model::Tokenizer& tokenizer,
                                            const model::EncoderConfig& model,
                                            const std::vector<std::string>& labels) {
  EncoderDataset out;
  out.digest = sha256(text);
  Reader reader(out, tokenizer, model, labels);
  int number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    CONSORT_TRY(reader.row(line, fmt::format("{}:{}", name, number)));
  }
  CONSORT_TRY(reader.finish());
  const bool no_class = out.objective == Objective::classes && out.labels.size() < 2;
  if (out.examples.empty() || no_class) {
    return fail(make_error(ErrorCode::invalid_argument, 9014,
                           no_class && !out.examples.empty()
                               ? "the data set has fewer than two labels"
                               : "the data set has no rows")
                    .at(name)
                    .to_fix("give one row at least, of classes two labels"));
  }
  return out;
}

}  // namespace consort::train
