// Taking back what stages have made.
#include <fmt/format.h>

#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {

void Pool::forget_stages(std::span<const std::string> redone,
                         std::span<const std::string> dropped) {
  WriteScope scope(*this, impl_->in_transaction);
  const auto remove = [&](const std::string& name, const std::string& from) {
    impl_->prepare("DELETE FROM " + from).bind(name).run();
  };
  const auto forget = [&](const std::string& name) {
    const std::optional<StageRecord> record = stage(name);
    if (!record) return;
    for (const char* rows : {"selections", "training_rows", "pairs", "scores", "models"})
      remove(name, fmt::format("{} WHERE stage = ?", rows));
    for (const char* rows : {"source_rows", "rejections"}) {
      const char* sources = "(SELECT position FROM sources WHERE stage = ?)";
      remove(name, fmt::format("{} WHERE source IN {}", rows, sources));
    }
    remove(name, "sources WHERE stage = ?");
    for (const std::string& model : record->outputs) remove(model, "files WHERE owner = ?");
  };
  // What refers to rollouts goes before they do.
  for (const auto* names : {&redone, &dropped})
    for (const std::string& name : *names) forget(name);
  for (const std::string& name : redone) {
    impl_->prepare("UPDATE trajectories SET verdict = NULL, proof = NULL WHERE stage = ?")
        .bind(name)
        .run();
    impl_
        ->prepare(
            "UPDATE stages SET state = 'running', finished = NULL, seconds = 0, rows = 0, "
            "result = '{}', inputs_sha256 = '' WHERE name = ?")
        .bind(name)
        .run();
  }
  for (const std::string& name : dropped) {
    for (const char* rows : {"partials", "attempts", "server_checks", "trajectories"})
      remove(name, fmt::format("{} WHERE stage = ?", rows));
  }
  for (const std::string& name : dropped) remove(name, "stages WHERE name = ?");
  std::string unused;  // rows of files that may have changed
  for (const char* rows : {"source_rows", "training_rows", "selections"}) {
    unused += fmt::format("{}NOT EXISTS (SELECT 1 FROM {} r WHERE r.demonstration = d.id)",
                          unused.empty() ? "" : " AND ", rows);
  }
  impl_->prepare("DELETE FROM demonstrations AS d WHERE " + unused).run();
  scope.commit();
}

void Pool::remove_problem(std::string_view id, std::string_view benchmark) {
  const int64_t position = impl_->problem_position(id, benchmark);
  WriteScope scope(*this, impl_->in_transaction);
  for (const char* rows : {"partials WHERE problem", "attempts WHERE problem",
                           "trajectories WHERE problem", "problems WHERE position"})
    impl_->prepare(fmt::format("DELETE FROM {} = ?", rows)).bind(position).run();
  scope.commit();
}

void Pool::remove_file(const FileRecord& file) {
  impl_->prepare("DELETE FROM files WHERE owner = ? AND name = ?")
      .bind(file.owner)
      .bind(file.name)
      .run();
}

}  // namespace ponder::pool
