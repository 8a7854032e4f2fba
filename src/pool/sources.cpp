// What was read: demonstrations, sources with their rows, and what was left out.
#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_fields.h"
#include "pool/pool.h"
#include "pool/pool_impl.h"

namespace ponder::pool {
namespace {

constexpr SourceRecord::Role kRoles[] = {
    SourceRecord::Role::kDemonstrations, SourceRecord::Role::kProblems,
    SourceRecord::Role::kBenchmark, SourceRecord::Role::kResponses};

Json history_of(const data::Demonstration& d) {
  Json history = Json::array();
  for (const data::Turn& turn : d.history)
    history.push_back({{"role", turn.assistant ? "assistant" : "user"}, {"content", turn.content}});
  return history;
}

std::vector<data::Turn> turns_of(const Json& history, const std::string& where) {
  std::vector<data::Turn> turns;
  for (const Json& element : history) {
    const JsonFields turn(element, where, "history");
    turns.push_back({turn.text("role") == "assistant", turn.text("content")});
  }
  return turns;
}

// The inverse of to_json without examples.
data::RowAccount account_of(const Json& json, const std::string& where) {
  const JsonFields fields(json, where, "account");
  const auto count = [](const JsonFields& table, std::string_view key) {
    return static_cast<uint64_t>(table.integer(key, 0));
  };
  data::RowAccount account;
  account.rows = count(fields, "rows");
  account.kept = count(fields, "kept");
  account.duplicates = count(fields, "duplicates");
  const JsonFields rejected = fields.fields("rejected");
  for (const auto& [reason, unused] : rejected.json().items())
    account.rejected[reason] = count(rejected, reason);
  return account;
}

}  // namespace

std::string_view to_string(SourceRecord::Role role) {
  switch (role) {
    case SourceRecord::Role::kDemonstrations:
      return "demonstrations";
    case SourceRecord::Role::kProblems:
      return "problems";
    case SourceRecord::Role::kBenchmark:
      return "benchmark";
    case SourceRecord::Role::kResponses:
      return "responses";
  }
  return "";
}

int64_t Pool::add_demonstration(const std::string& file, int64_t index,
                                const data::Demonstration& d) {
  const std::string hash = sha256_hex(d.response());
  const std::string history = dump_json(history_of(d));
  const auto bind_text = [&](sqlite::Statement& row) {
    row.bind(d.system).bind(history).bind(d.thought).bind(d.solution).bind(d.answer);
    row.bind(judge::to_string(d.answer_type)).bind(d.level).bind(d.written);
  };
  auto known = impl_->prepare(
      "SELECT id, response_sha256, question, system, history, written FROM demonstrations "
      "WHERE source_file = ? AND row_index = ?");
  if (known.bind(file).bind(index).step()) {
    const int64_t id = known.integer(0);
    const bool whole = !known.is_null(3);
    if (known.text(1) != hash || known.text(2) != d.question ||
        (whole && (known.text(3) != d.system || known.text(4) != history)) ||
        (!known.is_null(5) && known.text(5) != d.written)) {
      impl_->refuse(fmt::format("row {} of {} is already there with other contents", index, file),
                    "the file has changed since the run began; put it back or start another run");
    }
    if (!whole || known.is_null(5)) {
      auto row = impl_->prepare(
          "UPDATE demonstrations SET system = ?, history = ?, thought = ?, solution = ?, "
          "answer = ?, answer_type = ?, level = ?, written = ? WHERE id = ?");
      bind_text(row);
      row.bind(id).run();
    }
    return id;
  }
  auto row = impl_->prepare(
      "INSERT INTO demonstrations (source_file, row_index, demonstration_id, domain, source, "
      "question, response_sha256, line, system, history, thought, solution, answer, answer_type, "
      "level, written) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id");
  row.bind(file).bind(index).bind(d.id).bind(d.domain).bind(d.source).bind(d.question).bind(hash);
  row.bind(static_cast<int64_t>(d.line));
  bind_text(row);
  row.step();
  const int64_t id = row.integer(0);
  row.run();
  return id;
}

data::Demonstration Pool::demonstration(int64_t id) const {
  auto row = impl_->prepare(
      "SELECT demonstration_id, domain, source, question, line, system, history, thought, "
      "solution, answer, answer_type, level, source_file, written FROM demonstrations WHERE id = "
      "?");
  if (!row.bind(id).step()) impl_->refuse(fmt::format("unknown demonstration {}", id));
  if (row.is_null(5)) {
    impl_->refuse(fmt::format("the text of demonstration {} is not known", id),
                  "its run was begun by schema version 1; `ponder run` reads the files again");
  }
  data::Demonstration d;
  d.id = row.text(0);
  d.domain = row.text(1);
  d.source = row.text(2);
  d.question = row.text(3);
  d.line = static_cast<uint64_t>(row.integer(4));
  d.system = row.text(5);
  d.history = turns_of(parse_json(row.text(6), impl_->database->name()), impl_->database->name());
  d.thought = row.text(7);
  d.solution = row.text(8);
  d.answer = row.text(9);
  d.answer_type = judge::answer_type_from_string(row.text(10)).value_or(judge::AnswerType::kText);
  d.level = row.text(11);
  d.file = row.text(12);
  if (!row.is_null(13)) d.written = row.text(13);
  return d;
}

bool Pool::knows_written(int64_t demonstration) const {
  auto row = impl_->prepare("SELECT 1 FROM demonstrations WHERE id = ? AND written IS NOT NULL");
  return row.bind(demonstration).step();
}

int64_t Pool::add_source(const SourceRecord& source) {
  impl_->require_stage(source.stage);
  auto row = impl_->prepare(
      "INSERT INTO sources (stage, role, set_name, name, rows_sha256, account) "
      "VALUES (?, ?, ?, ?, ?, ?) RETURNING position");
  row.bind(source.stage).bind(to_string(source.role)).bind(source.set).bind(source.name);
  row.bind(source.rows_sha256).bind(dump_json(data::to_json(source.account, false))).step();
  const int64_t id = row.integer(0);
  row.run();
  return id;
}

void Pool::add_source_row(int64_t source, int64_t index, int64_t demonstration) {
  impl_->prepare("INSERT INTO source_rows (source, row_index, demonstration) VALUES (?, ?, ?)")
      .bind(source)
      .bind(index)
      .bind(demonstration)
      .run();
}

void Pool::add_source_row(int64_t source, int64_t index, std::string_view problem_id,
                          std::string_view benchmark) {
  impl_->prepare("INSERT INTO source_rows (source, row_index, problem) VALUES (?, ?, ?)")
      .bind(source)
      .bind(index)
      .bind(impl_->problem_position(problem_id, benchmark))
      .run();
}

void Pool::add_rejection(const RejectionRecord& rejection) {
  impl_->prepare("INSERT INTO rejections (source, line, reason, detail) VALUES (?, ?, ?, ?)")
      .bind(rejection.source)
      .bind(static_cast<int64_t>(rejection.line))
      .bind(rejection.reason)
      .bind(rejection.detail)
      .run();
}

std::vector<SourceRecord> Pool::sources() const {
  std::vector<SourceRecord> result;
  auto row = impl_->prepare(
      "SELECT position, stage, role, set_name, name, rows_sha256, account FROM sources "
      "ORDER BY position");
  while (row.step()) {
    SourceRecord source{
        row.integer(0),
        row.text(1),
        {},
        row.text(3),
        row.text(4),
        row.text(5),
        account_of(parse_json(row.text(6), impl_->database->name()), impl_->database->name())};
    for (const SourceRecord::Role role : kRoles) {
      if (row.text(2) == to_string(role)) source.role = role;
    }
    result.push_back(std::move(source));
  }
  return result;
}

std::vector<int64_t> Pool::demonstrations_of(int64_t source) const {
  std::vector<int64_t> ids;
  auto row = impl_->prepare(
      "SELECT demonstration FROM source_rows WHERE source = ? AND demonstration IS NOT NULL "
      "ORDER BY row_index");
  row.bind(source);
  while (row.step()) ids.push_back(row.integer(0));
  return ids;
}

std::vector<RejectionRecord> Pool::rejections_of(int64_t source, std::string_view reason,
                                                 Slice slice) const {
  std::vector<RejectionRecord> result;
  auto row = impl_->prepare(
      "SELECT source, line, reason, detail FROM rejections "
      "WHERE source = ?1 AND (?2 = '' OR reason = ?2) ORDER BY rowid LIMIT ?3 OFFSET ?4");
  row.bind(source).bind(reason).bind(slice.count).bind(slice.first);
  while (row.step()) {
    result.push_back(
        {row.integer(0), static_cast<uint64_t>(row.integer(1)), row.text(2), row.text(3)});
  }
  return result;
}

}  // namespace ponder::pool
