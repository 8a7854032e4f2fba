#include "data/response_batches.h"

#include <fmt/format.h>

#include "base/error.h"
#include "data/given_response.h"

namespace ponder::data {
namespace {

void batch_choices(const RowFields& body, ResponseRow& read, Changes& changes) {
  const Json& choices = *body.find("choices");
  if (!choices.is_array() || choices.empty())
    throw Rejection{"empty_response", "no choice in the response"};
  const Json* usage = object_in(body, "usage");
  const Json* tokens = usage ? RowFields(*usage).find("completion_tokens") : nullptr;
  for (const Json& choice : choices) {
    add_response(read.responses, [&](GivenResponse& given) {
      if (!choice.is_object()) throw Rejection{"bad_field", "expected choices as objects"};
      const RowFields fields(choice);
      const Json* message = object_in(fields, "message");
      given.completion.finish_reason =
          finish_named(text_or_empty(fields, {"finish_reason"}), changes);
      given.completion.text = whole_text(told_by(message ? *message : choice), changes);
      if (choices.size() == 1 && tokens && tokens->is_number_integer() && *tokens > 0)
        given.completion.usage.completion_tokens = tokens->get<int64_t>();
    });
  }
}

// Of the Responses API: a list of items, of which messages and thoughts are text.
void batch_items(const RowFields& body, ResponseRow& read, Changes& changes) {
  add_response(read.responses, [&](GivenResponse& given) {
    ToldResponse told;
    for (const Json& item : *body.find("output")) {
      if (!item.is_object()) throw Rejection{"bad_field", "expected items as objects"};
      const RowFields fields(item);
      const std::string type = text_or_empty(fields, {"type"});
      if (type == "reasoning") {
        if (const Json* content = fields.find("content")) {
          const ToldResponse part = told_in(*content);
          told.thought += part.thought + part.content;
        }
      } else if (type == "message") {
        told.content += told_by(item).content;
      } else {
        throw Rejection{"unsupported_part", fmt::format("an item of type \"{}\"", excerpt(type))};
      }
    }
    const Json* cut = object_in(body, "incomplete_details");
    given.completion.finish_reason = finish_named(
        cut ? text_or_empty(RowFields(*cut), {"reason"}) : text_or_empty(body, {"status"}),
        changes);
    given.completion.text = whole_text(told, changes);
    const Json* usage = object_in(body, "usage");
    const Json* tokens = usage ? RowFields(*usage).find("output_tokens") : nullptr;
    if (tokens && tokens->is_number_integer() && *tokens > 0)
      given.completion.usage.completion_tokens = tokens->get<int64_t>();
  });
}

}  // namespace

void batch_output(const RowFields& row, ResponseRow& read, Changes& changes) {
  const Json* error = row.find("error");
  const Json* response = object_in(row, "response");
  if (!response) {
    throw Rejection{"request_failed",
                    error ? excerpt(dump_json(*error), 200) : "the row has no response"};
  }
  const RowFields fields(*response);
  const Json* status = fields.find("status_code");
  const Json* body = object_in(fields, "body");
  if (!body) body = response;
  const RowFields told(*body);
  if ((status && status->is_number() && *status != 200) || told.has("error")) {
    throw Rejection{"request_failed",
                    excerpt(dump_json(told.has("error") ? *told.find("error") : *status), 200)};
  }
  read.asked.model = text_or_empty(told, {"model"});
  if (told.has("choices")) return batch_choices(told, read, changes);
  if (told.has("output") && told.find("output")->is_array())
    return batch_items(told, read, changes);
  throw Rejection{"unknown_layout",
                  "expected choices or output in the response, found " + told.keys()};
}

}  // namespace ponder::data
