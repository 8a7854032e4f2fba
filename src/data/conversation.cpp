#include "data/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ponder::data {
namespace {

enum class Speaker { kSystem, kUser, kAssistant };

std::string role_of(const RowFields& turn) {
  const std::string role(trimmed(turn.has("role") ? turn.text("role") : turn.text("from")));
  return lower_ascii(role);
}

std::optional<Speaker> speaker_of(std::string_view role) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), role) != names.end();
  };
  if (is_one_of({"system", "developer"})) return Speaker::kSystem;
  if (is_one_of({"user", "human"})) return Speaker::kUser;
  if (is_one_of({"assistant", "gpt", "model", "chatgpt", "bot"})) return Speaker::kAssistant;
  return std::nullopt;
}

struct Content {
  std::string text, thought;
};

// Text, or a list of parts that are text or thought.
Content content_of(const RowFields& turn) {
  const char* key = turn.has("content") ? "content" : "value";
  const Json* content = turn.find(key);
  if (!content || !content->is_array()) return {turn.text(key), ""};
  Content all;
  for (const Json& part : *content) {
    const RowFields fields(part);
    const std::string type = part.is_object() ? fields.text("type") : "";
    if (type == "text" || type == "output_text" || type == "input_text") {
      all.text += fields.text("text");
    } else if (type == "reasoning" || type == "thinking") {
      all.thought += fields.text(fields.has(type.c_str()) ? type.c_str() : "text");
    } else if (!type.empty()) {
      throw Rejection{"unsupported_part",
                      fmt::format("a part of type \"{}\", which a model of text cannot be told",
                                  excerpt(type))};
    } else {
      throw Rejection{"bad_field", fmt::format("expected parts of text in \"{}\", found {}", key,
                                               excerpt(dump_json(part)))};
    }
  }
  return all;
}

// Of weight, train, training, loss and loss_mask: whether the turn is to be trained.
bool is_trained(const RowFields& turn) {
  for (const char* key : {"weight", "train", "training", "loss", "loss_mask"}) {
    const Json* value = turn.find(key);
    if (!value) continue;
    const bool no = *value == false || (value->is_number() && *value == 0) || *value == "0";
    const bool yes = *value == true || (value->is_number() && *value == 1) || *value == "1";
    if (no) return false;
    if (!yes) {
      throw Rejection{
          "bad_field",
          fmt::format("\"{}\" of a turn is {}: a turn is trained (1) or not (0), not in "
                      "part",
                      key, excerpt(dump_json(*value)))};
    }
  }
  return true;
}

void refuse_calls(const RowFields& turn) {
  for (const char* key : {"tool_calls", "function_call"}) {
    const Json* value = turn.find(key);
    if (!value || value->empty()) continue;
    throw Rejection{"unsupported_part",
                    fmt::format("a turn has {}, which a model of text cannot be told", key)};
  }
}

}  // namespace

void check_demonstration(const Demonstration& d, const DemonstrationReadOptions& options) {
  if (is_blank(d.question)) throw Rejection{"empty_question", "the question is empty"};
  if (is_blank(d.solution)) throw Rejection{"empty_solution", "the solution is empty"};
  if (!options.require_thought || !is_blank(d.thought)) return;
  if (!d.written.empty()) {
    throw Rejection{
        "empty_thought",
        "nothing between the thought's tags (--allow-direct keeps it as a direct answer)"};
  }
  throw Rejection{"no_thought",
                  "expected a thought before the solution, found none (--allow-direct keeps it)"};
}

bool has_response(const Json& field) {
  Json parsed;
  const Json& turns = parsed_list(field, parsed);
  return turns.is_array() && std::any_of(turns.begin(), turns.end(), [](const Json& turn) {
           if (!turn.is_object()) return false;
           const RowFields fields(turn);
           if (!fields.has_any({"content", "value"})) return false;
           const Json* role = fields.has("role") ? fields.find("role") : fields.find("from");
           return role && role->is_string() &&
                  speaker_of(lower_ascii(role->get_ref<const std::string&>())) ==
                      Speaker::kAssistant;
         });
}

void Conversation::add(const Json& field) {
  Json parsed;
  const Json& turns = parsed_list(field, parsed);
  if (turns.is_object()) return add_turn(turns);
  if (!turns.is_array()) throw Rejection{"bad_field", "expected the turns as an array"};
  for (const Json& turn : turns) add_turn(turn);
}

void Conversation::add_turn(const Json& turn) {
  if (ended_) return;
  try {
    if (!turn.is_object()) {
      throw Rejection{"bad_field", fmt::format("expected turns with role and content, found {}",
                                               excerpt(dump_json(turn)))};
    }
    add_message(turn);
  } catch (const Rejection& why) {
    // The turns before it have been told whole.
    if (!options_.all_turns || done_.empty()) throw;
    done_.emplace_back(why);
    ended_ = true;
  }
}

void Conversation::add_message(const Json& turn) {
  const RowFields fields(turn);
  const std::string role = role_of(fields);
  const std::optional<Speaker> speaker = speaker_of(role);
  if (!speaker) {
    throw Rejection{
        "unsupported_role",
        fmt::format("expected system, user and assistant turns, found \"{}\"", excerpt(role))};
  }
  refuse_calls(fields);
  const Content content = content_of(fields);
  if (*speaker == Speaker::kSystem) return add_system(content.text);
  if (*speaker == Speaker::kUser) {
    if (!asked_) return ask(content.text);
    if (!is_blank(content.text)) question_ += "\n\n" + content.text;
    ++changes_["turns_joined"];
    return;
  }
  if (fields.has("channel") && fields.text("channel") == "analysis") {
    analysis_ = content.text;
    return;
  }
  ApartThought apart = apart_thought(fields, false);
  if (apart.text.empty()) apart.text = content.thought.empty() ? analysis_ : content.thought;
  analysis_.clear();
  const bool trained = is_trained(fields);
  if (empty()) {  // a greeting
    ++changes_["opening_turn_left_out"];
  } else if (asked_) {
    answer(content.text, apart, trained);
  } else {
    go_on(content.text, apart, trained);
  }
}

// A further turn of the assistant.
void Conversation::go_on(const std::string& response, const ApartThought& apart, bool trained) {
  Demonstration more;
  take_response(response, apart, options_.thought_tags, more, changes_);
  Accepted<Demonstration>& last = done_.back();
  if (!last || !more.thought.empty() || trained != last_trained_)
    throw Rejection{"turn_order", "two responses without a question between them"};
  const std::string text = "\n\n" + more.solution;
  last->solution += text;
  if (!last->written.empty()) last->written += text;
  history_.back().content += text;
  ++changes_["turns_joined"];
}

void Conversation::add_system(const std::string& text) {
  if (asked_ || !done_.empty()) {
    throw Rejection{"turn_order", "a system turn behind the first question"};
  }
  if (is_blank(common_.system)) {
    common_.system = text;
  } else if (trimmed(common_.system) != trimmed(text) && !is_blank(text)) {
    common_.system += "\n\n" + text;
    ++changes_["system_turns_joined"];
  }
}

void Conversation::ask(std::string question) {
  if (asked_) throw Rejection{"turn_order", "two questions without a response between them"};
  if (is_blank(question)) throw Rejection{"empty_question", "the question is empty"};
  question_ = std::move(question);
  asked_ = true;
}

Demonstration Conversation::next() const {
  if (!asked_) {
    throw done_.empty() ? Rejection{"missing_turn", "a response before the first question"}
                        : Rejection{"turn_order", "two responses without a question between them"};
  }
  Demonstration d = common_;
  d.history = history_;
  d.question = question_;
  return d;
}

void Conversation::done(Demonstration d, const std::optional<Rejection>& why) {
  history_.push_back({false, question_});
  history_.push_back({true, d.solution});
  if (why) {
    done_.emplace_back(*why);
  } else {
    done_.emplace_back(std::move(d));
  }
  asked_ = false;
}

void Conversation::answer(const std::string& response, const ApartThought& apart, bool trained) {
  Demonstration d = next();
  std::optional<Rejection> why;
  try {
    take_response(response, apart, options_.thought_tags, d, changes_);
  } catch (const Rejection& fault) {
    why = broken_ ? *broken_ : fault;
    if (!broken_) broken_ = Rejection{fault.reason, "in an earlier turn: " + fault.detail};
    return done(std::move(d), why);
  }
  if (broken_) return done(std::move(d), broken_);
  last_trained_ = trained;
  if (!trained) {
    why = Rejection{"masked", "the row says that this turn is not to be trained"};
  } else {
    try {
      check_demonstration(d, options_);
    } catch (const Rejection& fault) {
      why = fault;
    }
  }
  done(std::move(d), why);
}

void Conversation::answer_in_parts(const std::string& thought, const std::string& solution) {
  Demonstration d = next();
  take_parts(thought, solution, d, changes_);
  check_demonstration(d, options_);
  done(std::move(d), std::nullopt);
}

std::vector<Accepted<Demonstration>> Conversation::finish() {
  if (done_.empty()) throw Rejection{"missing_turn", "no question with a response"};
  if (asked_ && !ended_) {
    if (!options_.all_turns) throw Rejection{"missing_turn", "the last question has no response"};
    ++changes_["last_question_without_response"];
  }
  if (!options_.all_turns) done_.erase(done_.begin(), done_.end() - 1);
  for (size_t i = 0; done_.size() > 1 && i < done_.size(); ++i) {
    if (done_[i] && !done_[i]->id.empty()) done_[i]->id += fmt::format("#{}", i + 1);
  }
  return std::move(done_);
}

}  // namespace ponder::data
