#include "tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <unordered_map>

#include "base/error.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

using TokenIds = std::unordered_map<std::string_view, int32_t>;  // keys borrowed from the JSON

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", excerpt(text)); }

// ---- added_tokens

std::vector<AddedToken> read_added_tokens(const JsonFields& top, bool nfc) {
  std::vector<AddedToken> added;
  if (!top.has("added_tokens")) return added;
  const Json& list = top.array("added_tokens");
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonFields fields = top.element("added_tokens", i);
    fields.allow_only(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.content = fields.text("content");
    if (token.content.empty()) fields.fail("content", "expected a text, found an empty one");
    if (token.content.size() > AddedTokenFinder::kMaxContentBytes) {
      fields.fail("content", fmt::format("{} bytes; at most {} are supported", token.content.size(),
                                         AddedTokenFinder::kMaxContentBytes));
    }
    const int64_t id = fields.integer("id");
    if (id < 0 || id > INT32_MAX - 1)
      fields.fail("id", fmt::format("expected a token id, found {}", id));
    token.id = static_cast<int32_t>(id);
    token.special = fields.boolean("special");
    token.single_word = fields.boolean_or("single_word", false);
    token.lstrip = fields.boolean_or("lstrip", false);
    token.rstrip = fields.boolean_or("rstrip", false);
    token.normalized = fields.boolean_or("normalized", !token.special);
    // Such a token is looked for in normalised text, and stands for its own normalised form.
    if (token.normalized && nfc) token.content = to_nfc(token.content);
    added.push_back(std::move(token));
  }
  return added;
}

// ---- model

void check_model_settings(const JsonFields& model) {
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                    "merges"});
  if (model.has("type") && model.text("type") != "BPE") {
    model.fail("type", fmt::format("expected \"BPE\", found {}", in_quotes(model.text("type"))),
               "only byte-level BPE tokenizers are supported");
  }
  if (model.has("dropout"))
    model.fail("dropout", "merges dropped at random are not supported", "set it to null");
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (model.has(key) && !model.text(key).empty()) {
      model.fail(key, fmt::format("expected none, found {}", in_quotes(model.text(key))),
                 "only byte-level BPE tokenizers are supported");
    }
  }
  if (model.boolean_or("byte_fallback", false)) {
    model.fail("byte_fallback", "a SentencePiece tokenizer (byte fallback) is not supported",
               "only byte-level BPE tokenizers are supported");
  }
  // An unknown token is never needed: a byte without a token is not encoded (Tokenizer::encode).
  if (model.has("unk_token")) model.text("unk_token");
  model.boolean_or("fuse_unk", false);
}

// Whether text of any kind needs a token of the byte: all but control characters other than tab and
// line ends, and what no UTF-8 has. Published tokenizers that learned their alphabet from text lack
// some of the others.
bool is_needed(uint32_t byte) {
  if (byte < 0x20) return byte == '\t' || byte == '\n' || byte == '\r';
  return byte != 0x7F && byte != 0xC0 && byte != 0xC1 && byte < 0xF1;
}

// Fills bytes and in_model; the ids of model.vocab and added_tokens together must be 0, 1, 2, …
// without gaps.
TokenIds read_vocabulary(const JsonFields& model, TokenizerData& data) {
  const Json& vocab = model.object("vocab");
  TokenIds ids;
  ids.reserve(vocab.size());
  for (const auto& [text, value] : vocab.get_ref<const Json::object_t&>()) {
    // An integer above INT64_MAX comes out negative, and is refused too.
    const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
    if (id < 0 || id >= INT32_MAX) {
      model.fail("vocab", fmt::format("expected a token id for {}, found {}", in_quotes(text),
                                      excerpt(dump_json(value))));
    }
    ids.emplace(text, static_cast<int32_t>(id));
  }
  size_t num_tokens = ids.size();
  for (const AddedToken& token : data.added) num_tokens += !ids.contains(token.content);

  data.bytes.resize(num_tokens);
  data.in_model.resize(num_tokens);
  std::vector<bool> taken(num_tokens);
  const auto take = [&](int32_t id, std::string_view text, const std::string& path) {
    const auto index = static_cast<size_t>(id);
    if (index >= num_tokens) {
      throw Error(
          model.where(),
          fmt::format("{}: id {} of {}, but there are only {} tokens: ids must be 0, 1, 2, … "
                      "without gaps",
                      path, id, in_quotes(text), num_tokens),
          "the file may be cut or edited");
    }
    if (taken[index]) {
      throw Error(model.where(), fmt::format("{}: id {} of {} is another token's already", path, id,
                                             in_quotes(text)));
    }
    taken[index] = true;
  };
  for (const auto& [text, id] : ids) {
    take(id, text, "model.vocab");
    const auto index = static_cast<size_t>(id);
    data.in_model[index] = true;
    const auto bytes = bytes_of_token_text(text);
    data.bytes[index] = bytes ? *bytes : std::string(text);
  }
  for (size_t i = 0; i < data.added.size(); ++i) {
    const AddedToken& token = data.added[i];
    const auto in_vocab = ids.find(token.content);
    const std::string path = fmt::format("added_tokens[{}]", i);
    if (in_vocab == ids.end()) {
      take(token.id, token.content, path);
    } else if (in_vocab->second != token.id) {
      throw Error(model.where(), fmt::format("{}: {} has id {}, but {} before", path,
                                             in_quotes(token.content), token.id, in_vocab->second));
    }
    data.bytes[static_cast<size_t>(token.id)] = token.content;
  }
  std::unordered_map<std::string_view, size_t> contents;
  for (size_t i = 0; i < data.added.size(); ++i) {
    if (!contents.emplace(data.added[i].content, i).second) {
      throw Error(model.where(), fmt::format("added_tokens[{}]: {} stands there twice", i,
                                             in_quotes(data.added[i].content)));
    }
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const std::string text = token_text_of_byte(static_cast<uint8_t>(byte));
    const auto found = ids.find(text);
    data.byte_ids[byte] = found == ids.end() ? -1 : found->second;
    if (found != ids.end()) continue;
    const auto fail = [&](const char* advice) {
      model.fail("vocab", fmt::format("byte 0x{:02X} (\"{}\") is not a token", byte, text), advice);
    };
    if (is_needed(byte)) fail("only byte-level BPE tokenizers are supported");
    if (data.nfc) fail("with a normaliser only tokenizers with all 256 bytes are supported");
  }
  return ids;
}

void read_merges(const JsonFields& model, const TokenIds& ids, TokenizerData& data) {
  const Json& list = model.array("merges");
  data.merges.reserve(list.size());
  std::string joined;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto fail = [&](const std::string& problem) {
      model.fail(fmt::format("merges[{}]", i), problem, "the file may be cut or edited");
    };
    const Json& entry = list[i];
    std::string_view left, right;
    if (entry.is_string()) {
      const std::string_view text = entry.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        fail(fmt::format("expected two tokens with a space between, found {}", in_quotes(text)));
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
               entry[1].is_string()) {
      left = entry[0].get_ref<const std::string&>();
      right = entry[1].get_ref<const std::string&>();
    } else {
      fail(fmt::format("expected a pair of tokens, found {}", excerpt(dump_json(entry))));
    }
    joined.assign(left).append(right);
    const auto id_of = [&](std::string_view token) {
      const auto found = ids.find(token);
      if (found == ids.end()) fail(fmt::format("{} is not in model.vocab", in_quotes(token)));
      return found->second;
    };
    data.merges.push_back({id_of(left), id_of(right), id_of(joined)});
  }
}

// ---- normalizer, pre_tokenizer, decoder, post_processor

// The members of a component, or of each component of a Sequence, in order.
template <class Visit>
void for_each_component(const JsonFields& top, std::string_view key, std::string_view list_key,
                        const Visit& visit) {
  if (!top.has(key)) return;
  const JsonFields component = top.fields(key);
  if (component.text("type") != "Sequence") return visit(component);
  component.allow_only({"type", list_key});
  const Json& list = component.array(list_key);
  for (size_t i = 0; i < list.size(); ++i) {
    visit(component.element(list_key, i));
  }
}

[[noreturn]] void unknown_type(const JsonFields& component, const std::string& known) {
  component.fail("type", fmt::format("{} is not supported", in_quotes(component.text("type"))),
                 "known: " + known);
}

// Checks the settings of a ByteLevel component and gives use_regex.
bool read_byte_level(const JsonFields& component) {
  component.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  component.boolean_or("add_prefix_space", false);
  component.boolean_or("trim_offsets", true);
  return component.boolean_or("use_regex", true);
}

void read_normalizer(const JsonFields& top, TokenizerData& data) {
  for_each_component(top, "normalizer", "normalizers", [&](const JsonFields& component) {
    component.allow_only({"type"});
    if (component.text("type") != "NFC") unknown_type(component, "NFC");
    data.nfc = true;
  });
}

void read_pre_tokenizer(const JsonFields& top, TokenizerData& data) {
  bool split = false, digits = false, bytes = false;
  for_each_component(top, "pre_tokenizer", "pretokenizers", [&](const JsonFields& component) {
    const std::string type = component.text("type");
    if (bytes)
      component.fail("type", fmt::format("{} after ByteLevel is not supported", in_quotes(type)));
    if (type == "Split") {
      component.allow_only({"type", "pattern", "behavior", "invert"});
      if (split || digits) component.fail("type", "a second Split is not supported");
      split = true;
      const JsonFields pattern = component.fields("pattern");
      pattern.allow_only({"Regex"});
      const std::string regex = pattern.text("Regex");
      const auto known = recognise_split_pattern(regex);
      if (!known) {
        pattern.fail("Regex", fmt::format("unknown pattern {}", in_quotes(regex)),
                     "known: those of " + known_split_patterns());
      }
      data.pattern = *known;
      if (component.text("behavior") != "Isolated") {
        component.fail("behavior", fmt::format("expected \"Isolated\", found {}",
                                               in_quotes(component.text("behavior"))));
      }
      if (component.boolean_or("invert", false))
        component.fail("invert", "expected false, found true");
    } else if (type == "Digits") {
      component.allow_only({"type", "individual_digits"});
      if (split || digits) component.fail("type", "a second Split is not supported");
      digits = true;
      data.pattern = SplitPattern::kSmolLm;
      if (!component.boolean_or("individual_digits", false))
        component.fail("individual_digits", "expected true, found false");
    } else if (type == "ByteLevel") {
      bytes = true;
      const bool use_regex = read_byte_level(component);
      if (component.boolean_or("add_prefix_space", false)) {
        component.fail("add_prefix_space", "a space added before the text is not supported");
      }
      if (use_regex && split)
        component.fail("use_regex", "expected false after a Split, found true");
      if (!use_regex && !split)
        component.fail("use_regex", "expected true without a Split, found false");
    } else {
      unknown_type(component, "Split, Digits, ByteLevel");
    }
  });
  if (!bytes) {
    top.fail("pre_tokenizer", "expected a ByteLevel component, found none",
             "only byte-level BPE tokenizers are supported");
  }
}

void read_decoder(const JsonFields& top) {
  const JsonFields decoder = top.fields("decoder");
  if (decoder.text("type") != "ByteLevel") unknown_type(decoder, "ByteLevel");
  read_byte_level(decoder);
}

// The special tokens around the one sequence in TemplateProcessing's `single`.
void read_template(const JsonFields& component, TokenizerData& data) {
  component.allow_only({"type", "single", "pair", "special_tokens"});
  const Json& single = component.array("single");
  bool after_text = false;
  for (size_t i = 0; i < single.size(); ++i) {
    const JsonFields item = component.element("single", i);
    item.allow_only({"Sequence", "SpecialToken"});
    if (item.has("Sequence")) {
      if (after_text || item.fields("Sequence").text("id") != "A") {
        item.fail("Sequence", "expected the text A once");
      }
      after_text = true;
      continue;
    }
    const std::string name = item.fields("SpecialToken").text("id");
    const JsonFields token = component.fields("special_tokens").fields(name);
    const Json& ids = token.array("ids");
    for (const Json& id : ids) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
          id.get<int64_t>() >= static_cast<int64_t>(data.bytes.size())) {
        token.fail("ids", fmt::format("expected token ids, found {}", excerpt(dump_json(ids))));
      }
      (after_text ? data.suffix : data.prefix).push_back(id.get<int32_t>());
    }
  }
  if (!after_text) component.fail("single", "the text A is missing");
}

void read_post_processor(const JsonFields& top, TokenizerData& data) {
  bool has_template = false;
  for_each_component(top, "post_processor", "processors", [&](const JsonFields& component) {
    const std::string type = component.text("type");
    if (type == "ByteLevel") {
      read_byte_level(component);  // it changes offsets only
    } else if (type == "TemplateProcessing") {
      if (has_template) component.fail("type", "a second TemplateProcessing is not supported");
      has_template = true;
      read_template(component, data);
    } else {
      unknown_type(component, "ByteLevel, TemplateProcessing");
    }
  });
}

}  // namespace

TokenizerData parse_tokenizer_json(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  const JsonFields top(json, where, "", "only byte-level BPE tokenizers are supported");
  top.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                  "post_processor", "decoder", "model"});
  if (top.has("version") && top.text("version") != "1.0") {
    top.fail("version", fmt::format("expected \"1.0\", found {}", in_quotes(top.text("version"))));
  }
  TokenizerData data;
  // What is cheap to refuse comes before the large tables, and first what kind of tokenizer it is.
  if (top.has("model")) check_model_settings(top.fields("model"));
  read_normalizer(top, data);
  read_pre_tokenizer(top, data);
  read_decoder(top);
  data.added = read_added_tokens(top, data.nfc);
  const JsonFields model = top.fields("model");
  data.ignore_merges = model.boolean_or("ignore_merges", false);
  const TokenIds ids = read_vocabulary(model, data);
  read_merges(model, ids, data);
  read_post_processor(top, data);
  return data;
}

}  // namespace ponder::tokenizer
