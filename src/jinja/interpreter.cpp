#include "jinja/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder::jinja {
namespace {

using Type = Value::Type;

// Expressions, statements and macro calls within each other; each takes less than a kilobyte of stack.
constexpr int kMaxNesting = 1000;

// Variables that a statement has set. Those of a loop's turn and of a macro end with it.
struct Scope : std::enable_shared_from_this<Scope> {
  explicit Scope(std::shared_ptr<Scope> around) : outer(std::move(around)) {}
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->outer.get()) {
      if (const auto found = scope->values.find(name); found != scope->values.end())
        return &found->second;
    }
    return nullptr;
  }
  std::shared_ptr<Scope> outer;
  std::map<std::string, Value, std::less<>> values;
};
using ScopePointer = std::shared_ptr<Scope>;

enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(Budget& budget, const std::string& where) : budget_(budget), where_(where) {}

  Flow run(const Block& block, const ScopePointer& scope, std::string& out) {
    for (const auto& statement : block) {
      const Flow flow = run(*statement, scope, out);
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }

 private:
  struct Nesting {
    explicit Nesting(int& count) : depth(count) {
      if (++depth > kMaxNesting) {
        --depth;
        throw Refused{"calls or expressions within each other, too deep"};
      }
    }
    ~Nesting() { --depth; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    int& depth;
  };

  // The innermost line that knows what went wrong is the one to name.
  template <typename Work>
  auto at_line(int line, Work work) {
    try {
      const Nesting nesting(depth_);
      budget_.step();
      return work();
    } catch (const Refused& refused) {
      throw Error(fmt::format("{}:{}", where_, line), refused.problem);
    }
  }

  void show(const Value& value, std::string& out) {
    const std::string text = to_text(value);
    budget_.will_make(static_cast<int64_t>(text.size()));
    out += text;
  }

  Flow run(const Statement& statement, const ScopePointer& scope, std::string& out) {
    return at_line(statement.line, [&] { return run_here(statement, scope, out); });
  }

  Flow run_here(const Statement& s, const ScopePointer& scope, std::string& out) {
    switch (s.kind) {
      case Statement::Kind::kText:
        budget_.will_make(static_cast<int64_t>(s.text.size()));
        out += s.text;
        return Flow::kNext;
      case Statement::Kind::kOutput:
        show(evaluate(*s.expression, scope), out);
        return Flow::kNext;
      case Statement::Kind::kIf:
        return run(evaluate(*s.expression, scope).truth() ? s.body : s.otherwise, scope, out);
      case Statement::Kind::kFor:
        run_loop(s, evaluate(*s.expression, scope), scope, 0, out);
        return Flow::kNext;
      case Statement::Kind::kSet:
        bind(s.targets, evaluate(*s.expression, scope), *scope);
        return Flow::kNext;
      case Statement::Kind::kSetAttribute:
        set_attribute(s, evaluate(*s.expression, scope), *scope);
        return Flow::kNext;
      case Statement::Kind::kSetBlock:
        scope->values[s.targets[0]] = filtered(s, scope);
        return Flow::kNext;
      case Statement::Kind::kFilterBlock:
        show(filtered(s, scope), out);
        return Flow::kNext;
      case Statement::Kind::kMacro:
        scope->values[s.text] = macro(s, scope);
        return Flow::kNext;
      case Statement::Kind::kCallBlock: {
        const auto around = std::make_shared<Scope>(scope);
        show(call(*s.expression, scope, {{"caller", macro(s, around)}}), out);
        return Flow::kNext;
      }
      case Statement::Kind::kWith: {
        const auto inner = std::make_shared<Scope>(scope);
        for (const NamedExpression& each : s.parameters)
          inner->values[each.name] = evaluate(*each.value, scope);
        return run(s.body, inner, out);
      }
      case Statement::Kind::kPlain:
        return run(s.body, std::make_shared<Scope>(scope), out);
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNext;
  }

  // The body's text, through the filters of `s.expression` where there are some.
  Value filtered(const Statement& s, const ScopePointer& scope) {
    std::string text;
    run(s.body, std::make_shared<Scope>(scope), text);
    const Value whole = budget_.text(std::move(text));
    return s.expression ? filter(*s.expression, scope, &whole) : whole;
  }

  void bind(const std::vector<std::string>& targets, const Value& value, Scope& scope) {
    if (targets.size() == 1) {
      scope.values[targets[0]] = value;
      return;
    }
    const std::vector<Value> parts = elements(value);
    if (parts.size() != targets.size()) {
      throw Refused{fmt::format("{} names for {} values", targets.size(), parts.size())};
    }
    for (size_t i = 0; i < parts.size(); ++i) scope.values[targets[i]] = parts[i];
  }

  void set_attribute(const Statement& s, const Value& value, Scope& scope) {
    const Value* object = scope.find(s.targets[0]);
    if (!object || !object->is(Type::kNamespace))
      throw Refused{fmt::format("{} is no namespace, so nothing can be set in it", s.targets[0])};
    if (!value.is_data() && !value.is_undefined())
      throw Refused{fmt::format("a namespace cannot hold {}", value.type_name())};
    object->as_namespace().items[s.targets[1]] = value;
  }

  void run_loop(const Statement& s, const Value& over, const ScopePointer& scope, size_t depth,
                std::string& out) {
    std::vector<Value> items = elements(over);
    if (s.condition) {
      std::vector<Value> kept;
      for (const Value& item : items) {
        const auto turn = std::make_shared<Scope>(scope);
        bind(s.targets, item, *turn);
        if (evaluate(*s.condition, turn).truth()) kept.push_back(item);
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      run(s.otherwise, std::make_shared<Scope>(scope), out);
      return;
    }
    budget_.will_make(static_cast<int64_t>(items.size() * sizeof(Value)));
    Loop loop;
    loop.items = std::make_shared<const List>(List{std::move(items)});
    loop.depth0 = depth;
    loop.last_seen = std::make_shared<std::vector<Value>>();
    if (s.recursive) {
      loop.again = std::make_shared<Callable>(Callable{"loop", [&, depth](const Arguments& a) {
                                                         std::string text;
                                                         run_loop(s, a.get(0, "iterable"), scope,
                                                                  depth + 1, text);
                                                         return budget_.text(std::move(text));
                                                       }});
    }
    for (size_t i = 0; i < loop.items->items.size(); ++i) {
      budget_.step();
      loop.index0 = i;
      const auto turn = std::make_shared<Scope>(scope);
      bind(s.targets, loop.items->items[i], *turn);
      turn->values["loop"] = Value::loop(std::make_shared<const Loop>(loop));
      if (run(s.body, turn, out) == Flow::kBreak) break;
    }
  }

  // A macro reads what stands around its definition. It is gone when that is: no value outlives the
  // scope it was made in but data, which macros are not.
  Value macro(const Statement& s, const ScopePointer& scope) {
    return Value::callable(s.text, [this, &s,
                                    weak = std::weak_ptr<Scope>(scope)](const Arguments& a) {
      const ScopePointer around = weak.lock();
      if (!around) throw Refused{fmt::format("the macro {} is gone", s.text)};
      const auto inner = std::make_shared<Scope>(around);
      if (a.in_order.size() > s.parameters.size())
        throw Refused{fmt::format("the macro {} takes {} arguments", s.text, s.parameters.size())};
      for (const auto& argument : a.named) {
        const std::string& name = argument.first;
        const bool known =
            name == "caller" || std::any_of(s.parameters.begin(), s.parameters.end(),
                                            [&](const auto& p) { return p.name == name; });
        if (!known) throw Refused{fmt::format("the macro {} takes no {}", s.text, name)};
        if (name == "caller") inner->values[name] = argument.second;
      }
      for (size_t i = 0; i < s.parameters.size(); ++i) {
        const NamedExpression& parameter = s.parameters[i];
        if (a.has(i, parameter.name)) {
          inner->values[parameter.name] = a.get(i, parameter.name);
        } else {
          inner->values[parameter.name] = parameter.value ? evaluate(*parameter.value, inner)
                                                          : Value::undefined(parameter.name);
        }
      }
      std::string text;
      run(s.body, inner, text);
      return budget_.text(std::move(text));
    });
  }

  Value evaluate(const Expression& expression, const ScopePointer& scope) {
    return at_line(expression.line, [&] { return evaluate_here(expression, scope); });
  }

  Value optional(const ExpressionPointer& expression, const ScopePointer& scope) {
    return expression ? evaluate(*expression, scope) : Value();
  }

  Value evaluate_here(const Expression& e, const ScopePointer& scope) {
    switch (e.kind) {
      case Expression::Kind::kLiteral:
        return e.value;
      case Expression::Kind::kName:
        if (const Value* found = scope->find(e.name)) return *found;
        return global_function(budget_, e.name);
      case Expression::Kind::kList:
      case Expression::Kind::kTuple: {
        std::vector<Value> items;
        for (const auto& part : e.parts) items.push_back(evaluate(*part, scope));
        return budget_.list(std::move(items), e.kind == Expression::Kind::kTuple);
      }
      case Expression::Kind::kDict: {
        Dict dict;
        for (size_t i = 0; i < e.parts.size(); i += 2) {
          const Value key = evaluate(*e.parts[i], scope);
          if (!key.is_string()) throw Refused{"the keys of a mapping are texts here"};
          dict.set(key.text(), evaluate(*e.parts[i + 1], scope));
        }
        budget_.will_make(static_cast<int64_t>(dict.items.size() * 64));
        return Value::dict(std::move(dict));
      }
      case Expression::Kind::kAttribute: {
        const Value object = evaluate(*e.parts[0], scope);
        if (has_method(object, e.name)) return bound_method(object, e.name);
        return attribute_of(object, e.name);
      }
      case Expression::Kind::kItem: {
        const Value object = evaluate(*e.parts[0], scope);
        const Value found = item_of(budget_, object, evaluate(*e.parts[1], scope));
        return found;
      }
      case Expression::Kind::kSlice: {
        const Value object = evaluate(*e.parts[0], scope);
        const Value begin = optional(e.parts[1], scope), end = optional(e.parts[2], scope);
        return slice_of(budget_, object, begin, end, optional(e.parts[3], scope));
      }
      case Expression::Kind::kCall:
        return call(e, scope, {});
      case Expression::Kind::kFilter:
        return filter(e, scope, nullptr);
      case Expression::Kind::kTest:
        return test(e, scope);
      case Expression::Kind::kUnary:
        return unary(e, evaluate(*e.parts[0], scope));
      case Expression::Kind::kBinary:
        return binary_of(e, scope);
      case Expression::Kind::kCompare:
        return Value::boolean(comparisons_hold(e, scope));
      case Expression::Kind::kConditional:
        if (evaluate(*e.parts[1], scope).truth()) return evaluate(*e.parts[0], scope);
        return optional(e.parts[2], scope);
    }
    return Value();
  }

  Value bound_method(const Value& object, const std::string& name) {
    return Value::callable(name, [this, object, name](const Arguments& a) {
      return call_method(budget_, object, name, a);
    });
  }

  Arguments arguments_of(const Expression& e, const ScopePointer& scope) {
    Arguments arguments;
    for (size_t i = 1; i < e.parts.size(); ++i)
      arguments.in_order.push_back(evaluate(*e.parts[i], scope));
    for (const NamedExpression& each : e.named)
      arguments.named.emplace_back(each.name, evaluate(*each.value, scope));
    return arguments;
  }

  Value call(const Expression& e, const ScopePointer& scope,
             const std::vector<std::pair<std::string, Value>>& further) {
    const Expression& callee = *e.parts[0];
    if (callee.kind == Expression::Kind::kAttribute) {
      const Value object = evaluate(*callee.parts[0], scope);
      if (has_method(object, callee.name))
        return call_method(budget_, object, callee.name, arguments_of(e, scope));
    }
    const Value function = evaluate(callee, scope);
    Arguments arguments = arguments_of(e, scope);
    arguments.named.insert(arguments.named.end(), further.begin(), further.end());
    if (function.is(Type::kLoop) && function.as_loop().again)
      return function.as_loop().again->call(arguments);
    if (!function.is(Type::kCallable)) {
      const std::string name = callee.name.empty() ? "a value" : callee.name;
      throw Refused{function.is_undefined()
                        ? fmt::format("\"{}\" is undefined or not supported, and called", name)
                        : fmt::format("\"{}\" is {}, and called", name, function.type_name())};
    }
    return function.as_callable().call(arguments);
  }

  // `innermost`: what the chain's first filter is of, where the chain has none of its own.
  Value filter(const Expression& e, const ScopePointer& scope, const Value* innermost) {
    if (e.kind != Expression::Kind::kFilter) throw Refused{"expected a filter"};
    Value of;
    if (!e.parts[0]) {
      if (!innermost) throw Refused{"the filter has nothing to be of"};
      of = *innermost;
    } else if (innermost && e.parts[0]->kind == Expression::Kind::kFilter) {
      of = filter(*e.parts[0], scope, innermost);
    } else {
      of = evaluate(*e.parts[0], scope);
    }
    return apply_filter(budget_, e.name, of, arguments_of(e, scope));
  }

  Value test(const Expression& e, const ScopePointer& scope) {
    const Value of = evaluate(*e.parts[0], scope);
    return Value::boolean(apply_test(e.name, of, arguments_of(e, scope)));
  }

  Value unary(const Expression& e, const Value& of) {
    if (e.name == "not") return Value::boolean(!of.truth());
    if (!of.is_number()) throw Refused{fmt::format("{} of {}", e.name, of.type_name())};
    return e.name == "-" ? binary(budget_, "*", of, Value::integer(-1))
                         : binary(budget_, "*", of, Value::integer(1));
  }

  Value binary_of(const Expression& e, const ScopePointer& scope) {
    const Value left = evaluate(*e.parts[0], scope);
    if (e.name == "and") return left.truth() ? evaluate(*e.parts[1], scope) : left;
    if (e.name == "or") return left.truth() ? left : evaluate(*e.parts[1], scope);
    for (const auto& part : e.parts) {
      // Jinja would escape what such a text is joined with.
      if (e.name != "~" && part->kind == Expression::Kind::kFilter && part->name == "safe")
        throw Refused{fmt::format("{} with a text that is \"safe\" is not supported", e.name)};
    }
    return binary(budget_, e.name, left, evaluate(*e.parts[1], scope));
  }

  bool comparisons_hold(const Expression& e, const ScopePointer& scope) {
    Value left = evaluate(*e.parts[0], scope);
    for (size_t i = 0; i < e.operators.size(); ++i) {
      const Value right = evaluate(*e.parts[i + 1], scope);
      const std::string& op = e.operators[i];
      bool holds = false;
      if (op == "==") holds = equal(left, right);
      if (op == "!=") holds = !equal(left, right);
      if (op == "<") holds = compare(left, right) < 0;
      if (op == "<=") holds = compare(left, right) <= 0;
      if (op == ">") holds = compare(left, right) > 0;
      if (op == ">=") holds = compare(left, right) >= 0;
      if (op == "in") holds = contains(right, left);
      if (op == "not in") holds = !contains(right, left);
      if (!holds) return false;
      left = right;
    }
    return true;
  }

  Budget& budget_;
  const std::string& where_;
  int depth_ = 0;
};

}  // namespace

std::string run(const Block& program, const Dict& variables, Budget& budget,
                const std::string& where) {
  const auto scope = std::make_shared<Scope>(nullptr);
  for (const auto& [name, value] : variables.items) scope->values[name] = value;
  std::string out;
  Interpreter(budget, where).run(program, scope, out);
  return out;
}

}  // namespace ponder::jinja
