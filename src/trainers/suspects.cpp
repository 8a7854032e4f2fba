#include "trainers/suspects.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/thought_format.h"
#include "tokenizer/tokenizer.h"

namespace ponder::trainers {
namespace {

using Ids = std::vector<int32_t>;
using data::TokenRow;

constexpr std::string_view kMark = "9f3aQUESTION9f3a";

void append(Ids& to, const Ids& more) { to.insert(to.end(), more.begin(), more.end()); }

TokenRow joined_row(const Ids& prompt, const Ids& completion) {
  TokenRow row;
  row.tokens = prompt;
  append(row.tokens, completion);
  row.loss_mask.assign(row.tokens.size(), 0);
  row.num_prompt_tokens = static_cast<int64_t>(prompt.size());
  for (size_t i = std::max<size_t>(1, prompt.size()); i < row.tokens.size(); ++i)
    row.loss_mask[i] = 1;
  return row;
}

Ids prompt_of(const TokenRow& row) {
  return {row.tokens.begin(), row.tokens.begin() + row.num_prompt_tokens};
}
Ids completion_of(const TokenRow& row) {
  return {row.tokens.begin() + row.num_prompt_tokens, row.tokens.end()};
}

// Collects suspects; a change that leaves every row as it is is none.
class Collector {
 public:
  explicit Collector(const Batch& batch) : batch_(batch), original_(scored(batch)) {}

  using Change = std::function<std::optional<TokenRow>(const TokenRow&)>;
  // A suspect where every row can be changed.
  void rows(std::string cause, std::string cure, const Change& change) {
    Batch changed;
    for (const auto& micro : batch_) {
      auto& out = changed.emplace_back();
      for (const TokenRow& row : micro) {
        std::optional<TokenRow> other = change(row);
        if (!other) return;
        out.push_back(std::move(*other));
      }
    }
    add(std::move(cause), std::move(cure), scored(changed));
  }
  // Of the targets alone.
  void targets(std::string cause, std::string cure,
               const std::function<ScoredRow(const TokenRow&)>& change) {
    ScoredBatch changed;
    for (const auto& micro : batch_) {
      auto& out = changed.emplace_back();
      for (const TokenRow& row : micro) out.push_back(change(row));
    }
    add(std::move(cause), std::move(cure), std::move(changed));
  }
  void add(std::string cause, std::string cure, ScoredBatch changed) {
    if (same(changed, original_)) return;
    for (const Suspect& other : found)
      if (same(changed, other.batch)) return;
    found.push_back({std::move(cause), std::move(cure), std::move(changed)});
  }

  std::vector<Suspect> found;

 private:
  static bool same(const ScoredBatch& a, const ScoredBatch& b) {
    const auto equal_rows = [](const ScoredRow& x, const ScoredRow& y) {
      return x.tokens == y.tokens &&
             std::equal(x.targets.begin(), x.targets.end(), y.targets.begin(), y.targets.end(),
                        [](const Target& s, const Target& t) {
                          return s.index == t.index && s.token == t.token;
                        });
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
      return std::equal(x.begin(), x.end(), y.begin(), y.end(), equal_rows);
    });
  }

  const Batch& batch_;
  const ScoredBatch original_;
};

// What stands around a question in a prompt of the model's own template.
struct Frame {
  std::string head, tail;
};

std::optional<Frame> frame_of(const data::ModelText& text, const std::string& system) {
  std::string prompt;
  try {
    prompt = text.tokenizer().decode(text.prompt_ids(kMark, system));
  } catch (const Error&) {
    return std::nullopt;
  }
  const size_t at = prompt.find(kMark);
  if (at == prompt.npos) return std::nullopt;
  return Frame{prompt.substr(0, at), prompt.substr(at + kMark.size())};
}

std::optional<std::string> question_of(const TokenRow& row, const data::ModelText& text,
                                       const Frame& frame) {
  const std::string prompt = text.tokenizer().decode(prompt_of(row));
  if (!prompt.starts_with(frame.head) || !prompt.ends_with(frame.tail) ||
      prompt.size() < frame.head.size() + frame.tail.size())
    return std::nullopt;
  return prompt.substr(frame.head.size(), prompt.size() - frame.head.size() - frame.tail.size());
}

void add_masks(Collector& to, const data::ModelText& text) {
  to.rows("every token is trained, the prompt's too",
          "train on the completion alone (TRL: completion_only_loss or assistant_only_loss = True)",
          [](TokenRow row) {
            std::fill(row.loss_mask.begin() + 1, row.loss_mask.end(), 1);
            return std::optional(std::move(row));
          });
  const std::string end(text.chat().end_of_turn());
  to.rows(
      fmt::format("the end token {} is not trained (masked, or missing)", end),
      "train the end of the turn, or the model will not learn to stop; where the padding token is "
      "the end token, a mask of padding takes it too",
      [](TokenRow row) {
        if (!row.loss_mask.back()) return std::optional<TokenRow>();
        row.loss_mask.back() = 0;
        return std::optional(std::move(row));
      });
  to.rows("the last token of the prompt is trained too: the mask begins one token early",
          "begin the mask at the completion's first token", [](TokenRow row) {
            const auto at = static_cast<size_t>(row.num_prompt_tokens) - 1;
            if (row.num_prompt_tokens < 2) return std::optional<TokenRow>();
            row.loss_mask[at] = 1;
            return std::optional(std::move(row));
          });
  to.rows("the completion's first token is not trained: the mask begins one token late",
          "begin the mask at the completion's first token", [](TokenRow row) {
            row.loss_mask[static_cast<size_t>(row.num_prompt_tokens)] = 0;
            return std::optional(std::move(row));
          });
  to.targets("labels are shifted twice: a token is asked for the one after the next",
             "shift labels in the data or in the model, not in both", [](const TokenRow& row) {
               ScoredRow out{row.tokens, {}};
               for (size_t i = 2; i < row.tokens.size(); ++i)
                 if (row.loss_mask[i])
                   out.targets.push_back({static_cast<int32_t>(i) - 2, row.tokens[i]});
               return out;
             });
  to.targets("labels are not shifted: a token is asked for itself",
             "let position i predict token i + 1", [](const TokenRow& row) {
               ScoredRow out{row.tokens, {}};
               for (size_t i = 1; i < row.tokens.size(); ++i)
                 if (row.loss_mask[i])
                   out.targets.push_back({static_cast<int32_t>(i), row.tokens[i]});
               return out;
             });
}

// What a template has behind the end of a turn, mostly a line end.
std::string behind_the_turn(const data::ModelText& text) {
  try {
    const std::string whole =
        text.chat().render({{"user", "q"}, {"assistant", std::string(kMark)}}, false);
    const std::string end(text.chat().end_of_turn());
    const size_t at = whole.rfind(end);
    return at == whole.npos ? "" : whole.substr(at + end.size());
  } catch (const Error&) {
    return "";
  }
}

void add_ends(Collector& to, const data::ModelText& text) {
  const auto with_tail = [&](const Ids& more, bool trained) {
    return [more, trained](TokenRow row) {
      append(row.tokens, more);
      row.loss_mask.insert(row.loss_mask.end(), more.size(), trained);
      return std::optional(std::move(row));
    };
  };
  const std::string behind = behind_the_turn(text);
  if (!behind.empty()) {
    to.rows(
        fmt::format("what the template has behind the end token is trained too ({})",
                    excerpt(behind)),
        "end rows with the end token (TRL renders messages with the line end behind it: give it "
        "prompt and completion, or token ids)",
        with_tail(text.tokenizer().encode(behind), true));
  }
  const int32_t end = text.end_of_turn_id();
  to.rows("the end token stands twice", "let one of trainer and data add it",
          with_tail({end}, true));
  Ids others;
  for (const int32_t id : text.stop_ids())
    if (id != end) others.push_back(id);
  if (const auto eos = text.tokenizer().eos_token_id(); eos && *eos != end) others.push_back(*eos);
  for (const int32_t other : others) {
    const std::string name = text.tokenizer().decode(std::vector{other});
    to.rows(fmt::format("rows end with {} behind the end token", name),
            "set the tokenizer's eos_token to the end of the turn, or give the trainer token ids",
            with_tail({other}, true));
    to.rows(fmt::format("rows end with {} in place of the end token", name),
            "set the tokenizer's eos_token to the end of the turn, or give the trainer token ids",
            [other, end](TokenRow row) {
              if (row.tokens.back() != end) return std::optional<TokenRow>();
              row.tokens.back() = other;
              return std::optional(std::move(row));
            });
  }
}

void add_begins(Collector& to, const data::ModelText& text) {
  const auto before = [](int32_t first) {
    return [first](TokenRow row) {
      row.tokens.insert(row.tokens.begin(), first);
      row.loss_mask.insert(row.loss_mask.begin(), 0);
      ++row.num_prompt_tokens;
      return std::optional(std::move(row));
    };
  };
  const auto bos = text.tokenizer().named_tokens().find("bos_token");
  std::optional<int32_t> id;
  if (bos != text.tokenizer().named_tokens().end()) id = text.tokenizer().token_id(bos->second);
  if (id) {
    to.rows(fmt::format("rows begin with {} once more (double BOS)", bos->second),
            "tokenise rendered templates with add_special_tokens = False", before(*id));
  }
  to.rows("the first token stands twice (double BOS)",
          "tokenise rendered templates with add_special_tokens = False",
          [&](const TokenRow& row) { return before(row.tokens.front())(row); });
  to.rows("the first token is missing", "keep the token that the template begins with",
          [](TokenRow row) {
            if (row.num_prompt_tokens < 2) return std::optional<TokenRow>();
            row.tokens.erase(row.tokens.begin());
            row.loss_mask.erase(row.loss_mask.begin());
            --row.num_prompt_tokens;
            return std::optional(std::move(row));
          });
}

void add_cuts(Collector& to, const Batch& batch) {
  size_t longest = 0;
  for (const auto& micro : batch)
    for (const TokenRow& row : micro) longest = std::max(longest, row.tokens.size());
  for (const size_t limit : {size_t{64}, size_t{128}, size_t{256}, size_t{512}, size_t{1024},
                             size_t{2048}, size_t{4096}, size_t{8192}, size_t{16384}}) {
    if (longest <= limit) continue;
    const std::string cure =
        "raise the trainer's own limit of length (max_length, cutoff_len, "
        "max_seq_length); ponder has left out what is too long";
    to.rows(fmt::format("rows are cut at {} tokens, without the end token", limit), cure,
            [limit](TokenRow row) {
              if (row.tokens.size() > limit) {
                row.tokens.resize(limit);
                row.loss_mask.resize(limit);
              }
              return std::optional(std::move(row));
            });
    to.rows(fmt::format("rows are cut to their last {} tokens", limit), cure,
            [limit](TokenRow row) {
              if (row.tokens.size() > limit) {
                const auto drop = static_cast<std::ptrdiff_t>(row.tokens.size() - limit);
                row.tokens.erase(row.tokens.begin(), row.tokens.begin() + drop);
                row.loss_mask.erase(row.loss_mask.begin(), row.loss_mask.begin() + drop);
                row.loss_mask.front() = 0;
              }
              return std::optional(std::move(row));
            });
  }
}

// The same tokens, read by a tokenizer that splits words as GPT-2 does.
std::optional<tokenizer::Tokenizer> plain_splitter(const std::filesystem::path& folder) {
  try {
    Json json = read_json_file(folder / "tokenizer.json");
    json["pre_tokenizer"] = {{"type", "ByteLevel"},
                             {"add_prefix_space", false},
                             {"trim_offsets", true},
                             {"use_regex", true}};
    return tokenizer::Tokenizer::parse(dump_json(json), (folder / "tokenizer.json").string());
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void add_ids(Collector& to, const SuspectContext& context) {
  const tokenizer::Tokenizer& own = context.text.tokenizer();
  if (const auto other = plain_splitter(context.folder)) {
    to.rows(
        "other token ids: its tokenizer class splits the text as GPT-2's does, not as "
        "tokenizer.json says",
        "give it token ids (trainer.kind = \"trl\" does), or name PreTrainedTokenizerFast as "
        "tokenizer_class in tokenizer_config.json",
        [&](const TokenRow& row) {
          return std::optional(joined_row(other->encode(own.decode(prompt_of(row))),
                                          other->encode(own.decode(completion_of(row)))));
        });
  }
  to.rows(
      "other token ids: prompt and completion are tokenised as one text",
      "tokenise them apart, as the model meets them", [&](const TokenRow& row) {
        const std::string prompt = own.decode(prompt_of(row));
        const Ids whole = own.encode(prompt + own.decode(completion_of(row)));
        const size_t begin = std::min(own.encode(prompt).size(), whole.size());
        return std::optional(joined_row({whole.begin(), whole.begin() + static_cast<int>(begin)},
                                        {whole.begin() + static_cast<int>(begin), whole.end()}));
      });
}

// Prompts by another template, behind which the same completion stands.
void add_templates(Collector& to, const SuspectContext& context) {
  const data::ModelText& text = context.text;
  const tokenizer::Tokenizer& tokens = text.tokenizer();
  const std::optional<Frame> frame = frame_of(text, context.system);
  if (!frame) return;
  const auto prompts = [&](std::string cause, const std::function<std::string(std::string)>& prompt,
                           const std::string& end = "") {
    to.rows(
        std::move(cause),
        "give the trainer the rendered prompt, or the model's own template " + text.chat().name(),
        [&](const TokenRow& row) {
          const auto question = question_of(row, text, *frame);
          if (!question) return std::optional<TokenRow>();
          Ids completion = completion_of(row);
          if (!end.empty() && completion.back() == text.end_of_turn_id()) {
            completion.pop_back();
            append(completion, tokens.encode(end));
          }
          return std::optional(joined_row(tokens.encode(prompt(*question)), completion));
        });
  };
  prompts("no template: the prompt is the bare question", [](std::string q) { return q; });
  prompts("another template: \"User: … Assistant: \" (OpenRLHF's default)",
          [](const std::string& q) { return "User: " + q + "\nAssistant: "; });
  prompts("another template: \"Human: … Assistant:\" (LLaMA-Factory's default)",
          [](const std::string& q) { return "Human: " + q + "\nAssistant:"; });
  prompts(
      "another template: Alpaca's \"### Instruction: … ### Response:\"", [](const std::string& q) {
        return "Below is an instruction that describes a task. Write a response that appropriately "
               "completes the request.\n\n### Instruction:\n" +
               q + "\n\n### Response:\n";
      });
  for (const char* system :
       {"", "You are a helpful assistant.",
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}) {
    if (system == context.system) continue;
    const auto other = frame_of(text, system);
    if (!other) continue;
    prompts(
        *system ? fmt::format("another system turn: \"{}\"", system) : "the system turn is missing",
        [other](const std::string& q) { return other->head + q + other->tail; });
  }
  try {
    const std::string end(text.chat().end_of_turn());
    const size_t at = frame->tail.find(end);
    const size_t cut = at == std::string::npos ? 0 : at + end.size() + behind_the_turn(text).size();
    if (cut > 0 && cut < frame->tail.size()) {
      prompts(
          "the prompt lacks the header of the assistant's turn (no generation prompt)",
          [&, cut](const std::string& q) { return frame->head + q + frame->tail.substr(0, cut); });
    }
  } catch (const Error&) {
  }
  for (const std::string_view name : tokenizer::ChatTemplate::names()) {
    if (name == text.chat().name()) continue;
    try {
      const auto other = tokenizer::ChatTemplate::named(name);
      std::vector<tokenizer::Message> turns;
      if (!context.system.empty()) turns.push_back({"system", context.system});
      turns.push_back({"user", std::string(kMark)});
      const std::string prompt = other.render(turns, true);
      const size_t at = prompt.find(kMark);
      if (at == prompt.npos) continue;
      prompts(
          fmt::format("another template: {}", name),
          [&](const std::string& q) {
            return prompt.substr(0, at) + q + prompt.substr(at + kMark.size());
          },
          std::string(other.end_of_turn()));
    } catch (const Error&) {  // one that cannot show such turns
    }
  }
}

void add_thoughts(Collector& to, const data::ModelText& text) {
  const auto completions = [&](std::string cause, std::string cure,
                               const std::function<std::optional<std::string>(std::string)>& f) {
    to.rows(std::move(cause), std::move(cure), [&](const TokenRow& row) {
      Ids completion = completion_of(row);
      const bool ends = completion.back() == text.end_of_turn_id();
      if (ends) completion.pop_back();
      const auto other = f(text.tokenizer().decode(completion));
      if (!other) return std::optional<TokenRow>();
      completion = text.tokenizer().encode(*other);
      if (ends) completion.push_back(text.end_of_turn_id());
      return std::optional(joined_row(prompt_of(row), completion));
    });
  };
  completions("the thought is left out: the template drops it from an assistant turn",
              "give the trainer prompt and completion as text or ids, not messages",
              [](const std::string& response) {
                const auto parts = tokenizer::parse_thought(response);
                return parts.thought.empty() ? std::nullopt : std::optional(parts.solution);
              });
  completions("an empty thought stands before every response (thinking switched off)",
              "render with thinking on, or give the trainer ids", [&](const std::string& response) {
                if (!text.chat().has_thinking_switch()) return std::optional<std::string>();
                return std::optional(text.chat().response_prefix(false) + response);
              });
  completions("a line end stands before every completion",
              "give the trainer completions as they are",
              [](const std::string& response) { return std::optional("\n" + response); });
}

void add_layouts(Collector& to, const Batch& batch, const SuspectContext& context) {
  if (!context.in_file_order.empty()) {
    to.add("other rows: the file's order was taken, not that of order.json",
           "take rows in the order that order.json gives for each epoch",
           scored(context.in_file_order));
  }
  ScoredBatch joined, padded;
  bool several = false;
  const auto& named = context.text.tokenizer().named_tokens();
  const auto pad = named.find("pad_token");
  const std::optional<int32_t> found =
      pad == named.end() ? std::nullopt : context.text.tokenizer().token_id(pad->second);
  const int32_t pad_id = found.value_or(context.text.end_of_turn_id());
  for (const auto& micro : batch) {
    several = several || micro.size() > 1;
    ScoredRow& whole = joined.emplace_back().emplace_back();
    size_t longest = 0;
    for (const TokenRow& row : micro) {
      const auto begin = static_cast<int32_t>(whole.tokens.size());
      append(whole.tokens, row.tokens);
      for (const Target& target : scored(row).targets)
        whole.targets.push_back({target.index + begin, target.token});
      longest = std::max(longest, row.tokens.size());
    }
    auto& rows = padded.emplace_back();
    for (TokenRow row : micro) {
      row.loss_mask.resize(longest, 1);
      row.tokens.resize(longest, pad_id);
      rows.push_back(scored(row));
    }
  }
  if (!several) return;
  to.add("packed rows see each other: one row reads the rows before it",
         "switch packing off, or use attention that keeps packed rows apart", std::move(joined));
  to.add("padding is trained", "set labels of padding to -100", std::move(padded));
}

}  // namespace

ScoredRow scored(const data::TokenRow& row) {
  ScoredRow out{row.tokens, {}};
  for (size_t i = 1; i < row.tokens.size(); ++i)
    if (row.loss_mask[i]) out.targets.push_back({static_cast<int32_t>(i) - 1, row.tokens[i]});
  return out;
}

ScoredBatch scored(const Batch& batch) {
  ScoredBatch out;
  for (const auto& micro : batch) {
    auto& rows = out.emplace_back();
    for (const data::TokenRow& row : micro) rows.push_back(scored(row));
  }
  return out;
}

std::vector<Suspect> suspects(const Batch& batch, const SuspectContext& context) {
  Collector to(batch);
  add_masks(to, context.text);
  add_ends(to, context.text);
  add_begins(to, context.text);
  add_cuts(to, batch);
  add_ids(to, context);
  add_templates(to, context);
  add_thoughts(to, context.text);
  add_layouts(to, batch, context);
  return std::move(to.found);
}

}  // namespace ponder::trainers
