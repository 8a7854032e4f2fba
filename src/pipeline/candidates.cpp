#include "pipeline/candidates.h"

namespace ponder {

std::vector<Candidate> candidates_of(const Pool& pool, const std::string& stage) {
  std::vector<Candidate> candidates;
  pool.for_each_trajectory({stage, "", std::nullopt, true}, [&](const StoredTrajectory& stored) {
    candidates.push_back(candidate_of(stored.id, stored.trajectory));
  });
  return candidates;
}

}  // namespace ponder
