#include "data/preference_layouts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "data/demonstration_layouts.h"
#include "data/gold.h"

namespace ponder::data {
namespace {

// ms-swift: the chosen response is that of a demonstration.
const Json* chosen_of(const RowFields& row) {
  if (const Json* chosen = row.find("chosen")) return chosen;
  return row.has("rejected_response") ? row.find("response") : nullptr;
}
const Json* rejected_of(const RowFields& row) {
  const Json* rejected = row.find("rejected");
  return rejected ? rejected : row.find("rejected_response");
}

std::string text_in(const Json& value, const char* key) {
  if (!value.is_string()) {
    throw Rejection{"bad_field", fmt::format("expected text in \"{}\", found {}", key,
                                             excerpt(dump_json(value)))};
  }
  return value.get<std::string>();
}

bool is_trajectory(const Json& side) {
  return side.is_object() && (side.contains("token_ids") || side.contains("text"));
}

Response trajectory_of(const Json& side) {
  const RowFields fields(side);
  Response response;
  if (const Json* text = fields.find("text")) response.text = text_in(*text, "text");
  if (const Json* hash = fields.find("template_sha256"))
    response.template_sha256 = text_in(*hash, "template_sha256");
  const Json* ids = fields.find("token_ids");
  // Of a prompt that switched thinking the ids are no continuation of the one that is trained; the
  // text begins with what that prompt said of the thought.
  if (!ids || fields.has("thinking")) return response;
  if (!ids->is_array()) throw Rejection{"bad_field", "expected token_ids as a list"};
  for (const Json& id : *ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      throw Rejection{"bad_field", "expected token ids in token_ids"};
    }
    response.token_ids.push_back(id.get<int32_t>());
  }
  return response;
}

bool asks_first(const Json& turns) {
  if (!turns.is_array() || turns.empty() || !turns[0].is_object()) return false;
  const RowFields fields(turns[0]);
  const std::string role =
      lower_ascii(fields.has("role") ? fields.text("role") : fields.text("from"));
  return role == "user" || role == "human" || role == "system" || role == "developer";
}

struct Side {
  Demonstration demonstration;
  Response trajectory;
};

Demonstration last_of(Conversation& conversation) {
  auto found = conversation.finish();
  if (!found.back()) throw Rejection(found.back().why());
  return std::move(*found.back());
}

// A trajectory answers the prompt as it stands; its parts are not looked for.
Side sampled(const Json& value, Conversation& conversation) {
  Side side;
  side.trajectory = trajectory_of(value);
  conversation.answer("-", {});
  side.demonstration = last_of(conversation);
  return side;
}

// The prompt of the row has to be among the questions of turns that repeat it.
void check_prompt(const RowFields& row, const Demonstration& common, const Demonstration& d,
                  const DemonstrationReadOptions& options) {
  Changes uncounted;
  Conversation prompt(common, options, uncounted);
  if (!ask_of(row, prompt) || !prompt.asked()) return;
  const std::string asked = normalised_question(prompt.question());
  if (asked == normalised_question(d.question)) return;
  if (!d.history.empty() && asked == normalised_question(d.history.front().content)) return;
  throw Rejection{"prompts_differ", fmt::format("the prompt is \"{}\", the turns ask \"{}\"",
                                                excerpt(asked), excerpt(d.question))};
}

Side side_of(const RowFields& row, const Json& field, const Demonstration& common,
             const DemonstrationReadOptions& options, Changes& changes) {
  Json parsed;
  const Json& value = parsed_list(field, parsed);
  Conversation conversation(common, options, changes);
  Side side;
  if (asks_first(value)) {
    conversation.add(value);
    side.demonstration = last_of(conversation);
    check_prompt(row, common, side.demonstration, options);
    return side;
  }
  if (!ask_of(row, conversation)) {
    throw Rejection{"missing_field",
                    "expected a prompt (or question), or sides that begin with it"};
  }
  if (is_trajectory(value)) return sampled(value, conversation);
  if (value.is_array() || value.is_object()) {
    conversation.add(value);
  } else {
    std::string text = text_in(value, "chosen or rejected");
    const std::string prefix = row.text("prefix");  // Step-DPO: how both responses begin
    if (!prefix.empty()) {
      ++changes["prefix_joined"];
      text = prefix + text;
    }
    conversation.answer(text, {});
  }
  side.demonstration = last_of(conversation);
  return side;
}

bool same_prompt(const Demonstration& a, const Demonstration& b) {
  const auto same_turn = [](const Turn& x, const Turn& y) {
    return x.assistant == y.assistant && x.content == y.content;
  };
  return a.system == b.system && a.question == b.question &&
         std::equal(a.history.begin(), a.history.end(), b.history.begin(), b.history.end(),
                    same_turn);
}

}  // namespace

bool is_preference(const RowFields& row) { return chosen_of(row) && rejected_of(row); }

Preference preference_from_row(const Json& json, const DemonstrationReadOptions& given,
                               Changes& changes) {
  const RowFields row(json);
  const Json *chosen = chosen_of(row), *rejected = rejected_of(row);
  for (const auto& [value, key] : {std::pair{chosen, "chosen"}, std::pair{rejected, "rejected"}}) {
    if (!value) throw Rejection{"missing_field", fmt::format("expected a field {}", key)};
  }
  refuse_other_media(row);
  DemonstrationReadOptions options = given;
  options.require_thought = false;  // what a pair needs is known by the part that is aligned
  options.all_turns = false;
  const Demonstration common = common_of(row, changes);
  const auto read = [&](const Json& value, const char* which) {
    try {
      return side_of(row, value, common, options, changes);
    } catch (const Rejection& why) {
      if (why.reason == "missing_field" || why.reason == "empty_question") throw;
      throw Rejection{why.reason, fmt::format("{}: {}", which, why.detail)};
    }
  };
  Side good = read(*chosen, "chosen"), bad = read(*rejected, "rejected");
  if (!same_prompt(good.demonstration, bad.demonstration)) {
    throw Rejection{"prompts_differ",
                    "the turns before the last response are not the same in chosen and rejected"};
  }
  return {std::move(good.demonstration), std::move(bad.demonstration), std::move(good.trajectory),
          std::move(bad.trajectory)};
}

}  // namespace ponder::data
