// The store's batches at a service.
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "teach/teacher_store.h"

namespace ponder::teach {
namespace {

using pool::sqlite::Statement;

constexpr const char* kBatchNow = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

constexpr std::array<const char*, 5> kBatchStates = {"prepared", "uploaded", "ordering", "ordered",
                                                     "read"};

}  // namespace

std::vector<StoredBatch> TeacherStore::batches() const {
  std::vector<StoredBatch> batches;
  Statement row = database_->prepare(
      "SELECT name, service, state, lines, file_id, batch_id, status FROM batches "
      "WHERE state != 'read' ORDER BY id");
  while (row.step()) {
    StoredBatch& batch = batches.emplace_back();
    batch.name = row.text(0);
    batch.service = row.text(1);
    for (size_t i = 0; i < kBatchStates.size(); ++i)
      if (row.text(2) == kBatchStates[i]) batch.state = static_cast<BatchState>(i);
    batch.lines = row.integer(3);
    batch.file_id = row.text(4);
    batch.batch_id = row.text(5);
    batch.status = row.text(6);
  }
  return batches;
}

std::vector<std::pair<std::string, int>> TeacherStore::lines_of(const StoredBatch& batch) const {
  std::vector<std::pair<std::string, int>> lines;
  Statement row =
      database_->prepare("SELECT request, ask FROM batch_lines WHERE batch = ? ORDER BY rowid");
  row.bind(batch.name);
  while (row.step()) lines.emplace_back(row.text(0), row.count(1));
  return lines;
}

void TeacherStore::put(const StoredBatch& batch) {
  pending_.push_back([this, batch] {
    database_
        ->prepare(fmt::format("INSERT INTO batches VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, {0}, {0}) "
                              "ON CONFLICT (name) DO UPDATE SET state = excluded.state, "
                              "file_id = excluded.file_id, batch_id = excluded.batch_id, "
                              "status = excluded.status, changed = excluded.changed",
                              kBatchNow))
        .bind(batch.name)
        .bind(batch.service)
        .bind(kBatchStates[static_cast<size_t>(batch.state)])
        .bind(batch.lines)
        .bind_or_null(batch.file_id)
        .bind_or_null(batch.batch_id)
        .bind_or_null(batch.status)
        .run();
  });
}

void TeacherStore::put_line(const std::string& batch, const StoredRequest& request) {
  pending_.push_back([this, batch, request] {
    database_->prepare("INSERT INTO batch_lines VALUES (?, ?, ?)")
        .bind(batch)
        .bind(request.key)
        .bind(request.ask)
        .run();
  });
}

void TeacherStore::given_up(const StoredRequest& request, const std::string& service) {
  pending_.push_back([this, request, service] {
    database_
        ->prepare(fmt::format("INSERT INTO attempts (request, ask, server, began, ended, state, "
                              "error, worst, possible) VALUES (?, ?, ?, {0}, {0}, 'unknown', "
                              "'in a batch that was given up', ?, ?)",
                              kBatchNow))
        .bind(request.key)
        .bind(request.ask)
        .bind(service)
        .bind(request.worst)
        .bind(request.worst)
        .run();
  });
}

}  // namespace ponder::teach
