// A server is looked at before it is asked for anything, question by question: is it there, which model has
// it, and, where canaries are given, are those the weights. Whoever asks carries the bytes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fleet/fleet.h"
#include "fleet/models.h"
#include "net/http_client.h"

namespace ponder::fleet {

class ServerLook {
 public:
  // Borrows the options; their served_model "" is whatever the server has.
  ServerLook(std::string server, const FleetOptions& options);

  // What is to be asked next; not when done.
  net::HttpRequest question() const;
  // Takes the answer to it. Throws Error, its `where` the server, for what must not be worked with: kBusy and
  // kNotFound where another time may do, without the model or with other weights.
  void take(int status, const std::map<std::string, std::string>& headers, const std::string& body);
  bool is_done() const { return at_ == num_questions(); }

  const ServedModel& model() const { return model_; }  // its name "" where it was not said
  // What was found of the weights; both of a look that is done.
  Proof proof() const;
  const std::string& found() const { return found_; }  // for people

 private:
  size_t num_questions() const;
  // Of the questions before the canaries'.
  const std::vector<const char*>& paths() const;
  const std::string& served_model() const;
  void take_models(const std::string& body);
  void take_canary(int status, const std::map<std::string, std::string>& headers,
                   const std::string& body);
  std::string without_key(std::string text) const;

  std::string server_;
  const FleetOptions* options_;
  size_t at_ = 0;
  ServedModel model_;
  size_t canary_ = 0;  // whose positions are asked
  std::vector<Likeliest> likeliest_;
  bool rounded_ = false;
  std::string found_;
};

// A question to a server, by the options' key and limits.
net::HttpRequest request_to(const std::string& server, const std::string& path,
                            const FleetOptions& options);

}  // namespace ponder::fleet
