#include "judge/read/reader.h"

#include <algorithm>

#include "judge/read/conditions.h"
#include "judge/read/evaluate.h"
#include "judge/read/latex_names.h"
#include "judge/read/matrix.h"
#include "judge/read/parser.h"
#include "judge/read/plain_text.h"
#include "judge/read/series.h"
#include "judge/text.h"

namespace ponder::judge {

Reading Parser::run() {
  Reading reading;
  int root = only_words();
  if (root == kNoNode && problem_.empty()) root = list();
  if (problem_.empty() && peek().kind == TokenKind::kCommand && peek().text == "over") {
    advance();
    root = make(Kind::kDiv, {root, list()});
  }
  if (problem_.empty() && peek().kind != TokenKind::kFinish) {
    fail("'" + peek().text + "' was not expected");
  }
  if (!problem_.empty()) {
    reading.problem = problem_;
    return reading;
  }
  if (matrices_) {
    const auto reduced = reduce_matrices(tree_, root);
    if (!reduced) {
      reading.problem = "matrices that do not fit";
      return reading;
    }
    root = *reduced;
  }
  tree_.root = root;
  reading.expression = std::move(tree_);
  return reading;
}

int Parser::fail(std::string why) {
  if (!problem_.empty()) return kNoNode;
  problem_ = std::move(why);
  for (char& c : problem_) {  // a proof is one line, whatever the name of an environment
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return kNoNode;
}

int Parser::make(Kind kind, std::vector<int> children, std::string name) {
  if (failed()) return kNoNode;
  if (tree_.nodes.size() >= static_cast<size_t>(kMaxNodes)) return fail("too large");
  int height = 1;
  for (int child : children) height = std::max(height, tree_.at(child).height + 1);
  if (height > kMaxDepth) return fail("too deep");
  Node& node = tree_.nodes.emplace_back();
  node.kind = kind;
  node.name = std::move(name);
  node.height = height;
  node.children = std::move(children);
  return static_cast<int>(tree_.nodes.size()) - 1;
}

int Parser::only_words() {
  std::string words;
  bool any = false;
  for (const Token& token : tokens_) {
    if (token.kind == TokenKind::kFinish) break;
    if (token.kind == TokenKind::kWord) {
      any = true;
    } else if (token.kind != TokenKind::kName && token.kind != TokenKind::kConstant &&
               !token.is('\'') && !token.is('-') && !token.is('!') && !token.is('{') &&
               !token.is('}')) {
      return kNoNode;
    }
    if (token.kind == TokenKind::kSymbol) continue;
    if (!words.empty() && token.space_before) words += ' ';
    words += lower_ascii(token.text);
  }
  if (!any) return kNoNode;
  if (const auto value = spoken_number(words)) {
    const int index = make(Kind::kNumber, {});
    node(index).value = *value;
    position_ = tokens_.size() - 1;
    return index;
  }
  position_ = tokens_.size() - 1;
  return make(Kind::kText, {}, words);
}

bool Parser::at_list_end() const {
  const Token& t = peek();
  const bool infix = t.kind == TokenKind::kCommand && (t.text == "over" || t.text == "choose");
  return infix || (outward_ && t.is('[')) || t.kind == TokenKind::kFinish ||
         t.kind == TokenKind::kEnd || t.is(')') || t.is(']') || t.is('s') || t.is('}') || t.is('a');
}

std::vector<int> Parser::items() {
  std::vector<int> found;
  while (!failed() && !at_list_end()) {
    if (take(',') || take(';')) continue;
    if (take('o')) {
      found.push_back(make(Kind::kText, {}, "..."));
      continue;
    }
    found.push_back(relation());
  }
  with_terms_filled(found, Kind::kList);
  return found;
}

int Parser::list() {
  if (position_ == 0 && peek().is(']')) return set_union();  // ]1, 2[
  std::vector<int> found = items();
  if (failed()) return kNoNode;
  if (found.empty()) return fail("nothing to read");
  // x \\ne -1, 1: of every value.
  const auto stands_apart = [&](int item) {
    return node(item).kind == Kind::kRelation && node(item).name == "N" &&
           node(node(item).children[0]).kind == Kind::kName;
  };
  for (size_t i = 1; i < found.size() && stands_apart(found[0]); ++i) {
    const View value{&tree_, found[i], 0};
    if (!is_scalar(value) || has_names(value)) break;
    found[i] = make(Kind::kRelation, {node(found[0]).children[0], found[i]}, "N");
    if (failed()) return kNoNode;
  }
  return found.size() == 1 ? found[0] : make(Kind::kList, std::move(found));
}

namespace {

// "..." and, of terms of either sign, "- ...".
bool is_ellipsis(const Expression& tree, int item) {
  const Node& node = tree.at(item);
  if (node.kind == Kind::kNeg) return is_ellipsis(tree, node.children[0]);
  return node.kind == Kind::kText && node.name == "...";
}

}  // namespace

// Puts the terms that one ellipsis stands for in its place; it stays where they are not evident.
int Parser::with_terms_filled(std::vector<int>& items, Kind kind) {
  if (failed()) return kNoNode;
  const auto dots =
      std::find_if(items.begin(), items.end(), [&](int item) { return is_ellipsis(tree_, item); });
  if (dots == items.end()) return kNoNode;
  const size_t at = static_cast<size_t>(dots - items.begin());
  std::vector<Rational> before, after;
  Budget budget;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i == at) continue;
    const auto value = exact_value({&tree_, items[i], 0}, budget);
    if (!value) return kind == Kind::kList ? kNoNode : fail("terms left out");
    (i < at ? before : after).push_back(*value);
  }
  auto terms = fill_progression(before, after);
  if (!terms && kind == Kind::kAdd && after.empty()) {
    if (const auto total = sum_to_infinity(before)) terms = {*total};
  }
  if (!terms) return kind == Kind::kList ? kNoNode : fail("terms left out");
  std::vector<int> filled;
  for (const Rational& term : *terms) {
    const int index = make(Kind::kNumber, {});
    if (failed()) return kNoNode;
    node(index).value = term;
    filled.push_back(index);
  }
  items = std::move(filled);
  return kNoNode;
}

int Parser::relation() {
  if (peek().is('~') || peek().is('=')) advance();  // "= 5"
  std::vector<int> sides = {ratio()};
  std::string signs;
  while (!failed()) {
    const Token& t = peek();
    const bool modulus = t.kind == TokenKind::kCommand && t.text == "pmod";
    if (modulus || (t.is('(') && peek(1).kind == TokenKind::kCommand && peek(1).text == "bmod")) {
      // "x = 1 (mod 4)" keeps its modulus as a last side; "9 (mod 11)" is the residue 9.
      position_ += modulus ? 1 : 2;
      const int value = modulus ? argument() : sum();
      if (!modulus && !take(')')) return fail("a modulus is not closed");
      if (signs.empty()) continue;
      signs += '%';
      sides.push_back(value);
      break;
    }
    if (t.kind != TokenKind::kSymbol ||
        std::string_view("=~<>LGNEwWvVm").find(t.text[0]) == std::string_view::npos)
      break;
    const char sign = t.text[0];
    advance();
    if (sign == 'm') {  // x maps to x^2: x^2 is the answer
      sides.assign(1, ratio());
      signs.clear();
      continue;
    }
    if (std::string_view("wWvV").find(sign) != kNone) {
      const int other = ratio();
      if (!signs.empty()) return fail("a chain of sets");
      const bool turned = sign == 'v' || sign == 'V';
      const int inner = turned ? other : sides[0], outer = turned ? sides[0] : other;
      return make(Kind::kRelation, {inner, outer}, sign == 'w' || sign == 'v' ? "w" : "W");
    }
    if (sign == 'E') {  // x in S: S is the answer
      const int set = ratio();
      if (failed()) return kNoNode;
      if (node(set).kind == Kind::kTuple && node(set).name.size() == 2) node(set).name += 'E';
      if (signs.empty() && node(set).kind == Kind::kName && node(sides[0]).kind == Kind::kName &&
          (node(set).name == "Z" || node(set).name == "N" || node(set).name == "Q"))
        return make(Kind::kRelation, {sides[0], set}, "E");
      sides.assign(1, set);
      signs.clear();
      continue;
    }
    if (at_list_end() && sign == '=') break;
    signs += sign;
    sides.push_back(ratio());
  }
  if (failed()) return kNoNode;
  // x \\equiv 3 \\mod 7
  if (signs == "=" && node(sides[0]).kind == Kind::kName && node(sides[1]).kind == Kind::kCall &&
      node(sides[1]).name == "mod" && node(sides[1]).children.size() == 2) {
    const std::vector<int> parts = node(sides[1]).children;
    return make(Kind::kRelation, {sides[0], parts[0], parts[1]}, "=%");
  }
  return signs.empty() ? sides[0] : make(Kind::kRelation, std::move(sides), signs);
}

int Parser::ratio() {
  std::vector<int> parts = {set_union()};
  while (!failed() && take(':')) parts.push_back(set_union());
  // "Total: 8": words and a colon name what follows.
  if (!failed() && parts.size() == 2 && node(parts[0]).kind == Kind::kName &&
      node(parts[0]).name.size() >= 3 && node(parts[0]).name.find('_') == kNone &&
      node(parts[0]).name.find('\'') == kNone && latex_letters().count(node(parts[0]).name) == 0)
    return make(Kind::kRelation, std::move(parts), "=");
  return parts.size() == 1 ? parts[0] : make(Kind::kRatio, std::move(parts));
}

int Parser::set_union() {
  std::vector<int> parts = {sum()};
  Kind kind = Kind::kUnion;
  while (!failed() && (peek().is('U') || peek().is('I') || peek().is('B'))) {
    const Kind next = peek().is('U')   ? Kind::kUnion
                      : peek().is('I') ? Kind::kIntersection
                                       : Kind::kDifference;
    if (parts.size() > 1 && (next != kind || kind == Kind::kDifference)) {
      if (next != Kind::kDifference && kind != Kind::kDifference)
        return fail("union and intersection mixed");
      parts = {make(kind, std::move(parts))};
    }
    kind = next;
    advance();
    parts.push_back(sum());
  }
  // {1, 2} \\setminus {2}: braces without a backslash are sets there.
  for (size_t i = 0; i < parts.size() && parts.size() > 1 && !failed(); ++i) {
    const Kind what = node(parts[i]).kind;
    if (what == Kind::kList) node(parts[i]).kind = Kind::kSet;
    if (what == Kind::kNumber) parts[i] = make(Kind::kSet, {parts[i]});
  }
  return parts.size() == 1 ? parts[0] : make(kind, std::move(parts));
}

int Parser::sum() {
  if (++depth_ > kMaxDepth) return fail("too deep");
  std::vector<int> parts;
  while (!failed()) {
    const Token& t = peek();
    if (t.is('+') || t.is('-') || t.is('P') || t.is('M')) {
      const char sign = t.text[0];
      advance();
      const int part = take('o') ? make(Kind::kText, {}, "...") : product();
      if (sign == '+') parts.push_back(part);
      if (sign == '-' && !failed() && parts.empty() && node(part).name == "mod") {
        const std::vector<int> of = node(part).children;  // -1 mod 3 is 2
        parts.push_back(make(Kind::kCall, {make(Kind::kNeg, {of[0]}), of[1]}, "mod"));
        continue;
      }
      if (sign == '-') parts.push_back(make(Kind::kNeg, {part}));
      if (sign == 'P') parts.push_back(make(Kind::kPlusMinus, {part}, "+"));
      if (sign == 'M') parts.push_back(make(Kind::kPlusMinus, {part}, "-"));
    } else if (parts.empty()) {
      parts.push_back(product());
    } else {
      break;
    }
  }
  --depth_;
  if (parts.size() > 1) with_terms_filled(parts, Kind::kAdd);
  if (failed()) return kNoNode;
  return parts.size() == 1 ? parts[0] : make(Kind::kAdd, std::move(parts));
}

Reading read_answer(std::string_view text, CommaRule rule) {
  if (text.size() > kMaxAnswerBytes) {
    return {std::nullopt, "an answer of " + std::to_string(text.size()) + " bytes"};
  }
  const auto plain = without_asides_in(text);
  const std::string_view bare = plain ? std::string_view(*plain) : text;
  const auto conditions = with_conditions_as_items(bare);
  Reading reading = Parser(lex_answer(conditions ? *conditions : bare, rule)).run();
  if (!reading.expression) {
    // A limit, an integral or a probability and what it equals: the last member is the value.
    const size_t last = bare.rfind('=');
    const bool computed = bare.find("\\lim") != kNone || bare.find("\\int") != kNone ||
                          bare.starts_with("P(") || bare.starts_with("\\Pr");  // P(A|B) = 0.3
    if (computed && last != kNone && bare.find('}', last) == kNone)
      reading = Parser(lex_answer(bare.substr(last + 1), rule)).run();
  }
  if (reading.expression) reading.expression->source = std::string(trimmed(text));
  return reading;
}

}  // namespace ponder::judge
