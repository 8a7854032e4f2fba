#include "pipeline/toml_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "base/foreign_names.h"
#include "pipeline/key_homes.h"

namespace ponder::pipeline {
namespace {

std::string_view type_name(const toml::node& node) {
  if (node.is_string()) return "a string";
  if (node.is_integer()) return "an integer";
  if (node.is_floating_point()) return "a number";
  if (node.is_boolean()) return "a boolean";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& where) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  if (text.size() > kMaxBytes) {
    throw Error(where, fmt::format("expected at most {} bytes, found {}", kMaxBytes, text.size()),
                "is this a recipe?");
  }
  int64_t line = 1;
  int dots = 0;  // since the last character that no dotted key goes beyond
  for (const char c : text) {
    if (c == '\n') ++line;
    if (std::string_view("=,{\n\"'#").find(c) != std::string_view::npos) dots = 0;
    if (c == '.' && ++dots >= kMaxKeyParts) {
      throw Error(fmt::format("{}:{}", where, line),
                  fmt::format("expected keys of at most {} parts, found more", kMaxKeyParts));
    }
  }
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    throw Error(
        fmt::format("{}:{}:{}", where, error.source().begin.line, error.source().begin.column),
        std::string(error.description()), "see docs/recipes.md");
  }
}

TomlSection::TomlSection(const toml::table* table, toml::table& resolved, std::string file,
                         std::string path)
    : table_(table), resolved_(&resolved), file_(std::move(file)), path_(std::move(path)) {}

std::string TomlSection::where(std::string_view key) const {
  std::string place = file_;
  if (table_) {
    const toml::node* node = table_->get(key);
    const auto line = node ? node->source().begin.line : table_->source().begin.line;
    if (line > 0) place += fmt::format(":{}", line);
  }
  return fmt::format("{}: {}{}{}", place, path_, path_.empty() || key.empty() ? "" : ".", key);
}

void TomlSection::fail(std::string_view key, const std::string& problem,
                       const std::string& advice) const {
  throw Error(where(key), problem, advice);
}

bool TomlSection::has(std::string_view key) { return find(key) != nullptr; }

bool TomlSection::is_list(const char* key) const {
  return table_ && table_->get(key) && table_->get(key)->is_array();
}

const toml::node* TomlSection::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return table_ ? table_->get(key) : nullptr;
}

int64_t TomlSection::integer(const char* key, int64_t fallback, int64_t low, int64_t high) {
  int64_t value = fallback;
  if (const toml::node* node = find(key)) {
    if (!node->is_integer())
      fail(key, fmt::format("expected an integer, found {}", type_name(*node)));
    value = node->as_integer()->get();
    if (value < low || value > high) {
      fail(key, fmt::format("expected an integer from {} to {}, found {}", low, high, value));
    }
  }
  resolved_->insert_or_assign(key, value);
  return value;
}

double TomlSection::number(const char* key, double fallback, double low, double high) {
  double value = fallback;
  if (const toml::node* node = find(key)) {
    if (!node->is_number()) fail(key, fmt::format("expected a number, found {}", type_name(*node)));
    value = node->is_integer() ? static_cast<double>(node->as_integer()->get())
                               : node->as_floating_point()->get();
    if (!(value >= low && value <= high)) {
      fail(key, fmt::format("expected a number from {} to {}, found {}", low, high, value));
    }
  }
  resolved_->insert_or_assign(key, value);
  return value;
}

bool TomlSection::boolean(const char* key, bool fallback) {
  bool value = fallback;
  if (const toml::node* node = find(key)) {
    if (!node->is_boolean())
      fail(key, fmt::format("expected true or false, found {}", type_name(*node)));
    value = node->as_boolean()->get();
  }
  resolved_->insert_or_assign(key, value);
  return value;
}

std::string TomlSection::text(const char* key, std::string_view fallback) {
  std::string value(fallback);
  if (const toml::node* node = find(key)) {
    if (!node->is_string()) fail(key, fmt::format("expected a string, found {}", type_name(*node)));
    value = node->as_string()->get();
  }
  resolved_->insert_or_assign(key, value);
  return value;
}

std::string TomlSection::choice(const char* key, std::string_view fallback,
                                std::initializer_list<std::string_view> allowed) {
  const std::string value = text(key, fallback);
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    const std::string near = nearest(value, allowed.begin(), allowed.size());
    fail(key,
         fmt::format("expected one of {}, found \"{}\"", fmt::join(allowed, ", "), excerpt(value)),
         near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
  }
  return value;
}

std::vector<std::string> TomlSection::texts(const char* key) {
  std::vector<std::string> values;
  toml::array out;
  if (const toml::node* node = find(key)) {
    if (node->is_string()) {
      values.push_back(node->as_string()->get());
    } else if (const toml::array* array = node->as_array()) {
      for (const toml::node& item : *array) {
        if (!item.is_string())
          fail(key, fmt::format("expected strings, found {}", type_name(item)));
        values.push_back(item.as_string()->get());
      }
    } else {
      fail(key,
           fmt::format("expected a string or an array of strings, found {}", type_name(*node)));
    }
  }
  for (const auto& value : values) out.push_back(value);
  if (!values.empty()) resolved_->insert_or_assign(key, std::move(out));
  return values;
}

std::vector<std::string> TomlSection::words(const char* key) {
  const toml::node* node = find(key);
  if (!node) return {};
  std::vector<std::string> words;
  const auto add = [&](const toml::node& item) {
    if (item.is_string()) {
      words.push_back(item.as_string()->get());
    } else if (item.is_integer()) {
      words.push_back(std::to_string(item.as_integer()->get()));
    } else if (item.is_floating_point()) {
      words.push_back(fmt::format("{}", item.as_floating_point()->get()));
    } else if (item.is_boolean()) {
      words.emplace_back(item.as_boolean()->get() ? "true" : "false");
    } else {
      fail(key, fmt::format("expected a string, a number or an array of these, found {}",
                            type_name(item)));
    }
  };
  if (const toml::array* array = node->as_array()) {
    for (const toml::node& item : *array) add(item);
  } else {
    add(*node);
  }
  toml::array out;
  for (const std::string& word : words) out.push_back(word);
  resolved_->insert_or_assign(key, std::move(out));
  return words;
}

std::vector<std::string> TomlSection::keys() const {
  std::vector<std::string> keys;
  if (table_) {
    for (const auto& [key, node] : *table_) keys.emplace_back(key.str());
  }
  return keys;
}

bool TomlSection::is_table(std::string_view key) const {
  const toml::node* node = table_ ? table_->get(key) : nullptr;
  return node && node->is_table();
}

void TomlSection::check_name(const char* key, std::string_view name) const {
  constexpr size_t kMaxName = 64;
  const bool good = !name.empty() && name.size() <= kMaxName &&
                    std::isalnum(static_cast<unsigned char>(name[0])) &&
                    std::all_of(name.begin(), name.end(), is_name_character);
  if (good) return;
  fail(key,
       fmt::format("expected a name of letters, digits, '.', '_' and '-', the first a letter "
                   "or digit, at most {} in all, found \"{}\"",
                   kMaxName, excerpt(name)),
       "give it a name, e.g. name = \"math-oai\"");
}

void TomlSection::range(const char* key, int64_t& low, int64_t& high, int64_t lowest,
                        int64_t highest) {
  if (const toml::node* node = find(key)) {
    const toml::array* array = node->as_array();
    if (node->is_integer()) {
      low = high = node->as_integer()->get();
    } else if (array && array->size() == 2 && array->get(0)->is_integer() &&
               array->get(1)->is_integer()) {
      low = array->get(0)->as_integer()->get();
      high = array->get(1)->as_integer()->get();
      if (low > high) fail(key, fmt::format("expected [low, high], found [{}, {}]", low, high));
    } else {
      fail(key, fmt::format("expected an integer or [low, high], found {}", type_name(*node)));
    }
    if (low < lowest || high > highest) {
      fail(key, fmt::format("expected integers from {} to {}, found [{}, {}]", lowest, highest, low,
                            high));
    }
  }
  resolved_->insert_or_assign(key, toml::array{low, high});
}

void TomlSection::band(const char* key, double& low, double& high, double lowest, double highest) {
  if (const toml::node* node = find(key)) {
    const toml::array* array = node->as_array();
    if (!array || array->size() != 2 || !array->get(0)->is_number() || !array->get(1)->is_number())
      fail(key, fmt::format("expected two numbers [low, high], found {}", type_name(*node)));
    low = *array->get(0)->value<double>();
    high = *array->get(1)->value<double>();
    if (!(low < high)) {
      fail(key, fmt::format("expected [low, high], found [{:g}, {:g}]", low, high),
           low == high ? "a band of no width keeps nothing" : "the lower bound comes first");
    }
    if (!(low >= lowest && high <= highest)) {
      fail(key, fmt::format("expected numbers from {:g} to {:g}, found [{:g}, {:g}]", lowest,
                            highest, low, high));
    }
  }
  resolved_->insert_or_assign(key, toml::array{low, high});
}

TomlSection TomlSection::section(const char* key) {
  const toml::table* table = nullptr;
  if (const toml::node* node = find(key)) {
    table = node->as_table();
    if (!table) fail(key, fmt::format("expected a table, found {}", type_name(*node)));
  }
  resolved_->insert_or_assign(key, toml::table{});
  return {table, *resolved_->get(key)->as_table(), file_, path_.empty() ? key : path_ + "." + key};
}

std::vector<TomlSection> TomlSection::sections(const char* key) {
  std::vector<TomlSection> all;
  const toml::node* node = find(key);
  if (!node) return all;
  const toml::array* array = node->as_array();
  if (!array) fail(key, fmt::format("expected an array of tables, found {}", type_name(*node)));
  resolved_->insert_or_assign(key, toml::array{});
  toml::array& out = *resolved_->get(key)->as_array();
  out.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    if (!array->get(i)->is_table())
      fail(key, fmt::format("expected tables, found {}", type_name(*array->get(i))),
           array->get(i)->is_string() ? fmt::format("a file is written {} = [{{ file = \"{}\" }}]",
                                                    key, excerpt(array->get(i)->as_string()->get()))
                                      : fmt::format("write {} = [{{ … }}]", key));
    out.push_back(toml::table{});
  }
  for (size_t i = 0; i < array->size(); ++i) {
    all.emplace_back(array->get(i)->as_table(), *out.get(i)->as_table(), file_,
                     fmt::format("{}{}{}[{}]", path_, path_.empty() ? "" : ".", key, i));
  }
  return all;
}

std::string TomlSection::meant_by(std::string_view key) const {
  const std::vector<std::string_view> here(known_.begin(), known_.end());
  const ForeignName* foreign = find_foreign(foreign_flags(), key);
  for (std::string_view names = foreign ? foreign->ours : ""; !names.empty();) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    std::string ours(name);
    std::replace(ours.begin(), ours.end(), '-', '_');
    if (std::find(here.begin(), here.end(), ours) != here.end()) return ours;
    if (const std::string home = home_of_key(ours); !home.empty()) return home;
  }
  if (const std::string home = home_of_key(key); !home.empty()) return home;
  return nearest(key, here.data(), here.size());
}

void TomlSection::finish() const {
  if (!table_) return;
  for (const auto& [key, node] : *table_) {
    const std::string_view name = key.str();
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const std::string meant = meant_by(name);
    fail(name, "unknown key",
         meant.empty() ? fmt::format("the keys here are {}", fmt::join(known_, ", "))
                       : fmt::format("did you mean \"{}\"?", meant));
  }
}

}  // namespace ponder::pipeline
