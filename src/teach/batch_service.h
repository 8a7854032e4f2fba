// A service that speaks OpenAI's batch API (https://platform.openai.com/docs/api-reference/batch): a file of
// requests is uploaded, a batch of it is ordered and looked at until it has ended, and its results and
// errors are files to be downloaded. One that does not answer, or is busy, is asked again until its patience
// (SchedulerRules) is at an end. Internal to this folder.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/monitor.h"
#include "fleet/fleet.h"
#include "net/http_client.h"

namespace ponder::teach {

struct ServiceBatch {
  std::string status;                   // the service's word, in lower case
  std::string output_file, error_file;  // "" where there is none
  int64_t completed = 0, failed = 0;    // requests
  std::string problem;                  // why the service took none of it, for people

  bool ended() const;  // nothing more will come
};

// *stop became true.
struct ServiceStopped {};

// All calls throw Error for what the service refuses (not found: 404, 405 and 501) and for one that does not
// answer (busy), and ServiceStopped. What is sent may be lost on the way back: then nobody knows whether the
// service has it, and nothing is returned.
class BatchService {
 public:
  // Borrows `stop`, which may be null, and the monitor.
  BatchService(const fleet::FleetOptions& options, const std::atomic<bool>* stop, Monitor& monitor);
  const std::string& server() const { return server_; }

  // The service's name of the file.
  std::optional<std::string> upload(const std::filesystem::path& file, const std::string& name);
  // Of a batch of that file; `name` stands in its metadata.
  std::optional<std::string> order(const std::string& file_id, const std::string& name);
  // What the service has of it, by its lists: a file of that name and size, a batch of that file.
  std::optional<std::string> find_file(const std::string& name, int64_t bytes);
  std::optional<std::string> find_batch(const std::string& file_id);

  ServiceBatch look(const std::string& batch_id);
  void cancel(const std::string& batch_id);
  void download(const std::string& file_id,
                const std::filesystem::path& to);  // whole or not at all

  void wait(std::chrono::milliseconds time) const;

 private:
  using Take = std::function<void(std::string_view)>;
  struct Reply {
    int status = 0;
    bool may_work = false;  // a failure that another time may not be
    bool asked = true;      // the request may have reached the service
    std::string failure;    // for people; "" for none
    std::chrono::milliseconds retry_after{0};
    std::string body;
  };
  net::HttpRequest request(const char* method, const std::string& path) const;
  // `take` gets the body of a good answer as it comes, instead of Reply::body.
  Reply once(const net::HttpRequest& asked, const Take& take = {});
  std::optional<Json> ask(const net::HttpRequest& asked);
  void wait_to_ask_again(const net::HttpRequest& asked, const Reply& reply, int attempt,
                         std::chrono::steady_clock::time_point since);
  std::optional<std::string> find(net::HttpRequest list,
                                  const std::function<bool(const Json&)>& is_it);

  fleet::FleetOptions options_;
  std::string server_;
  const std::atomic<bool>* stop_;
  Monitor& monitor_;
  net::HttpClient client_;
};

}  // namespace ponder::teach
