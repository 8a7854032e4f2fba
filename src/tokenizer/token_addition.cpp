#include "tokenizer/token_addition.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"
#include "base/text.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/unicode.h"

namespace ponder::tokenizer {
namespace {

namespace fs = std::filesystem;

void check_contents(const std::vector<std::string>& contents) {
  std::set<std::string_view> seen;
  for (const std::string& content : contents) {
    const auto fail = [&](const std::string& problem) {
      throw Error(fmt::format("added token \"{}\"", excerpt(content)), problem,
                  "e.g. --add-tokens '<reason>,</reason>'");
    };
    if (is_blank(content)) fail("expected a text");
    if (content.size() > AddedTokenFinder::kMaxContentBytes)
      fail(fmt::format("has {} bytes; at most {} are supported", content.size(),
                       AddedTokenFinder::kMaxContentBytes));
    if (replace_invalid_utf8(content) != content) fail("is no UTF-8");
    if (!seen.insert(content).second) fail("is named twice");
  }
}

Json entry_of(const NewToken& token) {
  return {{"content", token.content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},          {"normalized", false},  {"special", false}};
}

fs::path tokenizer_file_of(const fs::path& base) {
  const fs::path plain = base / "tokenizer.json";
  return fs::exists(plain) ? plain : base / "tokenizer.json.gz";
}

}  // namespace

TokenAddition add_tokens(std::string_view tokenizer_json, const std::string& where,
                         const std::vector<std::string>& contents) {
  check_contents(contents);
  Json json = parse_json(tokenizer_json, where);
  const JsonFields top(json, where);
  const Json& vocab = top.fields("model").object("vocab");
  if (!json.contains("added_tokens") || json["added_tokens"].is_null())
    json["added_tokens"] = Json::array();
  int64_t next = 0;
  const auto count = [&](const Json& id) {
    if (id.is_number_integer()) next = std::max(next, id.get<int64_t>() + 1);
  };
  for (const auto& [text, id] : vocab.get_ref<const Json::object_t&>()) count(id);
  std::set<std::string> there;
  for (size_t i = 0; i < json["added_tokens"].size(); ++i) {
    const JsonFields token = top.element("added_tokens", i);
    there.insert(token.text("content"));
    count(token.require("id"));
  }
  TokenAddition addition;
  for (const std::string& content : contents) {
    if (there.contains(content)) continue;
    NewToken token{content};
    const auto word = vocab.find(content);
    token.in_vocabulary = word != vocab.end();
    token.id = token.in_vocabulary ? word->get<int32_t>() : static_cast<int32_t>(next++);
    Json entry = entry_of(token);
    entry["id"] = token.id;
    json["added_tokens"].push_back(std::move(entry));
    addition.tokens.push_back(std::move(token));
  }
  // tokenizers numbers them in their order.
  auto& list = json["added_tokens"].get_ref<Json::array_t&>();
  std::stable_sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
    return a.at("id").get<int64_t>() < b.at("id").get<int64_t>();
  });
  addition.tokenizer_json =
      addition.tokens.empty() ? std::string(tokenizer_json) : json.dump(2) + "\n";
  return addition;
}

void put_added_tokens(const fs::path& base, const std::vector<std::string>& contents,
                      std::map<std::string, std::string>& files) {
  if (contents.empty()) return;
  const fs::path file = tokenizer_file_of(base);
  TokenAddition addition = add_tokens(read_file(file), file.string(), contents);
  if (addition.tokens.empty()) return;
  files["tokenizer.json"] = std::move(addition.tokenizer_json);
  const auto edit = [&](const char* name, const auto& change) {
    const fs::path path = base / name;
    const auto replaced = files.find(name);
    if (replaced == files.end() && !fs::exists(path)) return;
    Json json = replaced != files.end() ? parse_json(replaced->second, path.string())
                                        : read_json_file(path);
    if (change(json)) files[name] = json.dump(2) + "\n";
  };
  edit("tokenizer_config.json", [&](Json& json) {
    if (!json.contains("added_tokens_decoder") || !json["added_tokens_decoder"].is_object())
      return false;
    for (const NewToken& token : addition.tokens)
      json["added_tokens_decoder"][std::to_string(token.id)] = entry_of(token);
    return true;
  });
  edit("added_tokens.json", [&](Json& json) {
    if (!json.is_object()) return false;
    for (const NewToken& token : addition.tokens) json[token.content] = token.id;
    return true;
  });
}

}  // namespace ponder::tokenizer
