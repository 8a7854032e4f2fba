// A teacher's requests at a service that speaks OpenAI's batch API: sent as batches, fetched when they have
// ended. Every step of a batch stands in teacher.db before the next (BatchState, teacher_store.h), so that a
// command which was killed goes on where it was: what may have reached the service is looked for there
// before it is sent again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/monitor.h"
#include "fleet/fleet.h"
#include "teach/batch_files.h"
#include "teach/batch_service.h"
#include "teach/teacher.h"

namespace ponder::teach {

enum class BatchAction {
  kSubmit,  // fetch what has come back, and send what is to be asked
  kWait,    // the same until nothing is to be asked, nor on its way
  kFetch,   // fetch alone
  kCancel,  // have the service end what it has; what it answered until then is fetched as any answer
};

struct BatchOptions {
  fleet::FleetOptions service;  // one server; its key, limits, delays and patience
  BatchLimits limits;
  std::chrono::milliseconds first_pause{60'000}, most_pause{600'000};  // of kWait, between looks
};

class Batches {
 public:
  // Borrows all of them; `stop` may be null. Throws Error where there is not one server, and where batches that
  // are not read are at another one.
  Batches(Teacher& teacher, BatchOptions options, const TeacherFiles& files,
          const std::atomic<bool>* stop, Monitor& monitor);

  // False when *stop ended it. Throws Error for what the service refuses, a service that does not answer, and
  // batches that hold requests of other problems; everything that came is kept either way.
  bool run(BatchAction action);

  const BatchAccount& read() const { return read_; }  // of all that this object has fetched
  Json json() const;  // [{"name", "batch", "status", "requests", "answered"}] of what is not read
  std::vector<std::string> texts() const;  // of each a line

 private:
  void fetch();
  void fetch(StoredBatch& batch);
  void submit();
  void bring(StoredBatch& batch, bool is_new);
  void upload(StoredBatch& batch, bool is_new);
  void order(StoredBatch& batch, bool may_be_there);
  std::optional<std::string> ordered_before(const StoredBatch& batch);
  void wait_for_all();
  void cancel();
  void cancel(StoredBatch& batch);
  void pause_before(int attempt, const StoredBatch& batch);
  void keep(const StoredBatch& batch) { teacher_.put_batch(batch); }
  std::filesystem::path file_of(const StoredBatch& batch, const char* ending) const;
  std::string name_of(const StoredBatch& batch) const;

  Teacher& teacher_;
  BatchOptions options_;
  std::filesystem::path folder_;
  Monitor& monitor_;
  BatchService service_;
  BatchAccount read_;
  int64_t num_fetched_ = 0;  // batches
  std::string refused_;      // what the service said of the first batch that it did not take
  std::map<std::string, int64_t> answered_;  // by a batch's name, as the service counts
};

}  // namespace ponder::teach
