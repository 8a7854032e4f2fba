// What a teacher was asked and what it answered, in a SQLite file: every request, every attempt before its
// bytes leave, every answer before it counts. One writer. docs/teacher.md describes the tables.
// Internal to this folder.
//
//   state of a request   in the file                         opened again after a kill
//   queued               not asked, or to be asked (again)   the same
//   sent                 an attempt without an end           queued; what the attempt may have cost is
//                                                            booked as possible
//   done                 its answer, in the same commit      the same
//   failed               why                                 the same
//   written              in a batch file                     the same, until its answer is read
//
//   state of a batch     in the file                         opened again after a kill
//   prepared             its lines are a file on this disk   the service may have the file
//   uploaded             the service's name of that file     no batch was ordered
//   ordering             committed before it is ordered      the service may have the batch
//   ordered              the service's name of the batch     the same
//   read                 every line has an answer, or is     the same
//                        to be asked again
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "fleet/answer.h"
#include "pool/sqlite.h"
#include "teach/money.h"

namespace ponder::teach {

enum class RequestState { kQueued, kSent, kDone, kFailed, kWritten };

struct StoredRequest {
  std::string key;  // 32 hexadecimal digits
  std::string problem_id;
  int sample = 0;
  int ask = 1;  // how often it has been asked anew (--again)
  int64_t max_tokens = 0;
  Units worst = 0;  // what it costs at the most
  RequestState state = RequestState::kQueued;
  std::string error;  // of a failed one
};

struct StoredAnswer {
  std::string key;
  int ask = 1;
  int64_t max_tokens = 0;  // it was asked with
  fleet::Answer answer;
  Units certain = 0, possible = 0;  // what it cost; possible where its usage is not known
  std::string currency;             // "" without prices
  std::string came;                 // when, UTC
  std::string from;                 // a server's address, or the name of a batch file
};

enum class BatchState { kPrepared, kUploaded, kOrdering, kOrdered, kRead };

// A batch at a service.
struct StoredBatch {
  std::string name;     // of its files here, and of its file at the service
  std::string service;  // the address
  BatchState state = BatchState::kPrepared;
  int64_t lines = 0;
  std::string file_id, batch_id;  // the service's
  std::string status;             // likewise, when it was last looked at
};

struct Ledger {
  int64_t answers = 0, attempts = 0,
          unknown = 0;  // attempts: to servers; unknown: that a kill ended
  int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
  Units certain = 0, possible = 0;
  Units written = 0;  // what is in batch files may cost
};

class TeacherStore {
 public:
  // kWrite makes the file, or opens it and takes its lock. kLook does neither: nothing is written, and another process
  // may have it.
  enum class Use { kWrite, kLook };
  // Throws Error where another process has it and where it is something else.
  explicit TeacherStore(const std::filesystem::path& file, Use use = Use::kWrite);
  ~TeacherStore();
  TeacherStore(const TeacherStore&) = delete;
  TeacherStore& operator=(const TeacherStore&) = delete;

  bool may_write() const { return lock_ != nullptr; }

  bool has_requests() const;  // something was asked, or written to be
  // What all its requests have in common. Null before it was set.
  Json job() const;
  void set_job(const Json& job);
  // The --again that is not done yet, "" for none.
  std::string again() const;

  void visit_requests(const std::function<void(const StoredRequest&)>& visit) const;
  // The answer to each request's present ask, one at a time.
  void visit_answers(const std::function<void(const StoredAnswer&)>& visit) const;
  // Of one request; nothing where it has none.
  std::optional<StoredAnswer> answer_of(const std::string& key, int ask) const;
  Ledger ledger() const;

  std::vector<StoredBatch> batches() const;  // that are not read, in the order they were made
  // (request's key, ask) of its lines, in order.
  std::vector<std::pair<std::string, int>> lines_of(const StoredBatch& batch) const;

  // What follows is collected and becomes durable together with keep().
  void put(const StoredBatch& batch);  // as it is now
  void put_line(const std::string& batch, const StoredRequest& request);
  // A batch that nobody will look at any more may have been ordered: what `request` may cost in it.
  void given_up(const StoredRequest& request, const std::string& service);
  void set_again(const std::string& reasons);
  void set_report(const Json& report);     // for whoever looks on (standing.h)
  void put(const StoredRequest& request);  // as it is now
  void attempt(const StoredRequest& request, const std::string& server);
  void attempt_failed(const std::string& key, const std::string& error, Units possible);
  // Of the attempt that is on its way, or of a batch file.
  void answer(const StoredAnswer& answer);
  bool any_to_keep() const { return !pending_.empty(); }
  // Throws Error. Where the disk is full what came is written into space that was held back for it before
  // the Error says so.
  void keep();

 private:
  int64_t check_format() const;  // the format, of those that are known
  void write_pending();
  void hold_space();

  std::filesystem::path file_, held_;
  std::unique_ptr<LockFile> lock_;
  std::unique_ptr<pool::sqlite::Database> database_;
  std::vector<std::function<void()>> pending_;
  int64_t commits_ = 0;
};

}  // namespace ponder::teach
