#include "judge/read/derivative.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "judge/read/evaluate.h"

namespace ponder::judge {
namespace {

// Builds the new nodes; after the first failure every step is one.
class Differentiation {
 public:
  Differentiation(Expression& tree, const std::string& name) : tree_(tree), name_(name) {}

  std::optional<int> run(int node) {
    const int result = of(node);
    return failed_ ? std::nullopt : std::optional(result);
  }

 private:
  bool names_it(int node) const { return mentions({&tree_, node, 0}, name_); }
  const Node& at(int node) const { return tree_.at(node); }
  int fail() {
    failed_ = true;
    return 0;
  }

  int make(Kind kind, std::vector<int> children, std::string name = "") {
    int height = 1;
    for (int child : children) height = std::max(height, at(child).height + 1);
    if (failed_ || height > kMaxDepth || tree_.nodes.size() >= static_cast<size_t>(kMaxNodes))
      return fail();
    Node& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.name = std::move(name);
    node.height = height;
    node.children = std::move(children);
    return static_cast<int>(tree_.nodes.size()) - 1;
  }
  int number(long value) {
    const int index = make(Kind::kNumber, {});
    if (!failed_) tree_.nodes[static_cast<size_t>(index)].value = value;
    return index;
  }
  int call(const char* name, int argument) { return make(Kind::kCall, {argument}, name); }
  int times(int a, int b) { return make(Kind::kMul, {a, b}); }
  int over(int a, int b) { return make(Kind::kDiv, {a, b}); }
  int negative(int a) { return make(Kind::kNeg, {a}); }
  int squared(int a) { return make(Kind::kPow, {a, number(2)}); }
  int one_less(int a) { return make(Kind::kAdd, {a, negative(number(1))}); }
  int one_more(int a) { return make(Kind::kAdd, {a, number(1)}); }
  int one_minus(int a) { return make(Kind::kAdd, {number(1), negative(a)}); }
  int root(int a) { return make(Kind::kRoot, {a, number(2)}); }

  int of(int index) {
    if (failed_) return 0;
    if (!names_it(index)) return number(0);
    const std::vector<int> parts = at(index).children;
    switch (at(index).kind) {
      case Kind::kName:
        return number(1);
      case Kind::kNeg:
        return negative(of(parts[0]));
      case Kind::kAdd: {
        std::vector<int> terms;
        for (int part : parts) {
          if (names_it(part)) terms.push_back(of(part));
        }
        return terms.size() == 1 ? terms[0] : make(Kind::kAdd, std::move(terms));
      }
      case Kind::kMul:
        return of_product(parts);
      case Kind::kDiv: {
        if (!names_it(parts[1])) return over(of(parts[0]), parts[1]);
        const int rise = times(of(parts[0]), parts[1]), fall = times(parts[0], of(parts[1]));
        return over(make(Kind::kAdd, {rise, negative(fall)}), squared(parts[1]));
      }
      case Kind::kPow:
        return of_power(index, parts[0], parts[1]);
      case Kind::kRoot: {
        if (names_it(parts[1])) return fail();
        return over(times(index, of(parts[0])), times(parts[1], parts[0]));
      }
      case Kind::kApply: {
        if (names_it(parts[0])) return fail();
        const int slope = make(Kind::kName, {}, at(parts[0]).name + '\'');
        return times(make(Kind::kApply, {slope, parts[1]}), of(parts[1]));
      }
      case Kind::kCall:
        return of_call(index, parts);
      default:
        return fail();
    }
  }

  int of_product(const std::vector<int>& parts) {
    std::vector<int> terms;
    for (size_t i = 0; i < parts.size() && !failed_; ++i) {
      if (!names_it(parts[i])) continue;
      std::vector<int> factors = parts;
      factors[i] = of(parts[i]);
      terms.push_back(make(Kind::kMul, std::move(factors)));
    }
    return terms.size() == 1 ? terms[0] : make(Kind::kAdd, std::move(terms));
  }

  int of_power(int index, int base, int exponent) {
    if (!names_it(exponent))
      return times(times(exponent, make(Kind::kPow, {base, one_less(exponent)})), of(base));
    const bool natural = at(base).kind == Kind::kConstant && at(base).name == "e";
    if (natural) return times(index, of(exponent));
    const int grows = times(of(exponent), call("ln", base));
    if (!names_it(base)) return times(index, grows);
    return times(index, make(Kind::kAdd, {grows, over(times(exponent, of(base)), base)}));
  }

  int of_call(int index, const std::vector<int>& parts) {
    const std::string name = at(index).name;
    if (parts.size() == 2) {  // a logarithm to a base
      if (name != "log" || names_it(parts[1])) return fail();
      return over(of(parts[0]), times(parts[0], call("ln", parts[1])));
    }
    if (parts.size() != 1) return fail();
    const int u = parts[0], inner = of(u);
    if (name == "ln") return over(inner, u);
    if (name == "lg") return over(inner, times(u, call("ln", number(10))));
    if (name == "arcsin") return over(inner, root(one_minus(squared(u))));
    if (name == "arccos") return negative(over(inner, root(one_minus(squared(u)))));
    if (name == "arctan") return over(inner, one_more(squared(u)));
    if (name == "arccot") return negative(over(inner, one_more(squared(u))));
    if (name == "arcsinh") return over(inner, root(one_more(squared(u))));
    if (name == "arccosh") return over(inner, root(one_less(squared(u))));
    if (name == "arctanh") return over(inner, one_minus(squared(u)));
    const int slope = slope_of(name, index, u);
    return times(slope, inner);
  }

  // Of the functions whose derivative is made of functions of the same argument.
  int slope_of(const std::string& name, int index, int u) {
    if (name == "sin") return call("cos", u);
    if (name == "cos") return negative(call("sin", u));
    if (name == "tan") return one_more(squared(index));
    if (name == "cot") return negative(one_more(squared(index)));
    if (name == "sec") return times(index, call("tan", u));
    if (name == "csc") return negative(times(index, call("cot", u)));
    if (name == "exp") return index;
    if (name == "sinh") return call("cosh", u);
    if (name == "cosh") return call("sinh", u);
    if (name == "tanh") return one_minus(squared(index));
    if (name == "abs") return call("sign", u);
    return fail();
  }

  Expression& tree_;
  const std::string& name_;
  bool failed_ = false;
};

}  // namespace

std::optional<int> derivative(Expression& tree, int node, const std::string& name) {
  return Differentiation(tree, name).run(node);
}

}  // namespace ponder::judge
