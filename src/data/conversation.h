// A conversation of a file, turn by turn: [system,] user, assistant, user, assistant, … Internal to
// this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/readers.h"
#include "data/response_reading.h"

namespace ponder::data {

// Members throw Rejection for turns that make no conversation. Borrows options and changes.
class Conversation {
 public:
  // `common`: what every demonstration of it shares; its system turn comes first.
  Conversation(Demonstration common, const DemonstrationReadOptions& options, Changes& changes)
      : common_(std::move(common)), options_(options), changes_(changes) {}

  // An array of turns (role and content, or from and value), or its JSON text; or one turn. Content is
  // text, or parts of text and thought. Neighbouring turns of one speaker are joined by a blank line
  // (of the assistant's only where the later has no thought), and what the assistant says before the
  // first question is left out, both counted.
  void add(const Json& turns);
  void add_turn(const Json& turn);
  void ask(std::string question);
  // A response that is not trained stands in the history of those behind it.
  void answer(const std::string& response, const ApartThought& apart, bool trained = true);
  void answer_in_parts(const std::string& thought, const std::string& solution);

  bool asked() const { return asked_; }  // a question without a response
  bool empty() const { return !asked_ && done_.empty(); }
  const std::string& question() const { return question_; }  // the last
  const std::string& system() const { return common_.system; }

  // The last response, or each of them with `all_turns`; those that cannot be used say why.
  std::vector<Accepted<Demonstration>> finish();

 private:
  void add_message(const Json& turn);
  void go_on(const std::string& response, const ApartThought& apart, bool trained);
  void add_system(const std::string& text);
  Demonstration next() const;
  void done(Demonstration demonstration, const std::optional<Rejection>& why);

  Demonstration common_;
  const DemonstrationReadOptions& options_;
  Changes& changes_;
  std::vector<Turn> history_;
  std::vector<Accepted<Demonstration>> done_;
  std::optional<Rejection> broken_;  // a turn of which no text for the history could be told
  std::string question_, analysis_;  // the thought of a turn of its own (channel "analysis")
  bool asked_ = false, ended_ = false;
  bool last_trained_ = true;  // of the responses
};

// Whether the turns (or their JSON text) hold a response.
bool has_response(const Json& turns);

// Throws Rejection when there is no thought and one is required, or nothing else to learn from.
void check_demonstration(const Demonstration& demonstration,
                         const DemonstrationReadOptions& options);

}  // namespace ponder::data
