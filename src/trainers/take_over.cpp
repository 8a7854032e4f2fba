#include "trainers/take_over.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json_fields.h"
#include "model/checkpoint.h"
#include "tokenizer/template_choice.h"

namespace ponder::trainers {
namespace {

namespace fs = std::filesystem;

// Texts that tell tokenizers apart: digits, line ends, indents, letters beyond ASCII, marks.
constexpr const char* kProbeTexts[] = {"1234567 + 89 = 1234656\n\n1",
                                       "  four spaces\n\tand a tab\r\n",
                                       "naïve café — ½ ≠ π, 数学, привет",
                                       "<think>\nI'll say it's 3.14159\n</think>\n\n\\boxed{x^2_1}",
                                       "don't DON'T can't 10^-5 (a) [b] {c}"};

void require_same_tokenizer(const fs::path& trained, const data::ModelText& text) {
  if (!fs::exists(trained / "tokenizer.json")) return;
  const tokenizer::Tokenizer other = tokenizer::Tokenizer::load(trained);
  const tokenizer::Tokenizer& own = text.tokenizer();
  const char* advice =
      "let the trainer save the tokenizer it was given, or none; weights trained with other ids "
      "are "
      "another model";
  for (int32_t id = 0; id < std::min(own.vocab_size(), other.vocab_size()); ++id) {
    if (own.token_bytes(id) == other.token_bytes(id)) continue;
    throw Error(
        trained.string(),
        fmt::format("its tokenizer differs: token {} is \"{}\", \"{}\" in the model it began "
                    "with",
                    id, excerpt(other.token_bytes(id)), excerpt(own.token_bytes(id))),
        advice);
  }
  if (other.vocab_size() < own.vocab_size()) {
    throw Error(trained.string(),
                fmt::format("its tokenizer has {} ids, that of the model it began with {}",
                            other.vocab_size(), own.vocab_size()),
                advice);
  }
  for (const char* probe : kProbeTexts) {
    if (own.byte_without_token(probe) || own.encode(probe) == other.encode(probe)) continue;
    throw Error(
        trained.string(),
        fmt::format("its tokenizer reads \"{}\" as other ids than that of the model it began "
                    "with",
                    excerpt(probe)),
        advice);
  }
  if (other.chat_template().empty()) return;
  const tokenizer::ChatTemplate chat = tokenizer::ChatTemplate::of(other);
  if (tokenizer::same_rendering(chat.sha256(), text.chat().sha256())) return;
  throw Error(
      trained.string(),
      fmt::format("its chat template renders otherwise ({}) than that of the model it began "
                  "with ({})",
                  chat.name(), text.chat().name()),
      "let the trainer keep the template of the folder it was given");
}

}  // namespace

void require_same_text(const fs::path& trained, const model::ModelConfig& start,
                       const data::ModelText& text) {
  const model::ModelConfig config = model::load_config(trained);
  const auto shape = [](const model::ModelConfig& c) {
    return fmt::format("{} layers of {}, {} heads, {} tokens", c.num_hidden_layers, c.hidden_size,
                       c.num_attention_heads, c.vocab_size);
  };
  if (shape(config) != shape(start)) {
    throw Error(trained.string(),
                fmt::format("expected the shape of the model it began with, {}, found {}",
                            shape(start), shape(config)),
                "a vocabulary of another size comes from tokens that the trainer added, or from "
                "padding");
  }
  require_same_tokenizer(trained, text);
}

std::optional<std::vector<ProbeRow>> read_probe(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  const Json json = read_json_file(file);
  const char* advice = R"(expected is [{"row": 0, "logprobs": [-0.1, …]}, …])";
  if (!json.is_array() || json.empty())
    throw Error(file.string(), json.is_array() ? "has no row" : "is no list", advice);
  std::vector<ProbeRow> out;
  for (const Json& entry : json) {
    ProbeRow row;
    try {
      row.row = entry.at("row").get<int64_t>();
      row.logprobs = entry.at("logprobs").get<std::vector<float>>();
    } catch (const nlohmann::json::exception&) {
      throw Error(file.string(), fmt::format("entry {} has another form", out.size()), advice);
    }
    out.push_back(std::move(row));
  }
  return out;
}

Distance distance(const std::vector<float>& a, const std::vector<float>& b,
                  const std::string& where) {
  if (a.size() != b.size() || a.empty()) {
    throw Error(where, fmt::format("expected {} log-probabilities, one a trained token, found {}",
                                   b.size(), a.size()));
  }
  Distance out;
  for (size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(static_cast<double>(a[i]) - b[i]);
    out.mean += off / static_cast<double>(a.size());
    out.greatest = std::max(out.greatest, off);
  }
  return out;
}

}  // namespace ponder::trainers
