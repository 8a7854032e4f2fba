#include "report/last_failure.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "pool/stage_result.h"

namespace ponder::report {
namespace {

// Of the last lines of a log, which say how a process ended: the last that is no warning. Null where there
// is none.
Json last_event(const std::filesystem::path& log) {
  constexpr std::streamoff kTail = std::streamoff{64} << 10;
  std::ifstream in(log, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string tail(static_cast<size_t>(std::min(size, kTail)), '\0');
  in.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  tail.resize(static_cast<size_t>(in.gcount()));
  for (size_t end = tail.rfind('\n'); end != std::string::npos && end > 0;) {
    const size_t before = tail.rfind('\n', end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    try {
      Json event = parse_json(tail.substr(begin, end - begin), "log.jsonl");
      if (event.is_object() && event.value("event", Json()) != Json("warning")) return event;
    } catch (const Error&) {  // another program's line, or the end of a longer one
    }
    end = before;
  }
  return {};
}

std::string text_of(const Json& event, const char* key) {
  const auto field = event.find(key);
  return field != event.end() && field->is_string() ? field->get<std::string>() : std::string();
}

}  // namespace

std::optional<LastFailure> last_failure(const pool::Pool& pool,
                                        const std::filesystem::path& folder) {
  const Json event = last_event(folder / "log.jsonl");
  if (event.is_object() && text_of(event, "event") == "error")
    return LastFailure{text_of(event, "stage"), text_of(event, "text")};
  for (const pool::StageRecord& stage : pool.stages()) {
    if (stage.state == pool::StageState::kFailed)
      return LastFailure{stage.name, pool::failure_of(stage)};
  }
  return std::nullopt;
}

}  // namespace ponder::report
