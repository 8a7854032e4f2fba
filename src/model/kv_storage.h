// Where a backend keeps keys and values: pages of kKeyBlock positions, each with all layers and
// key-value heads. Which page is whose is KvCache's business, on every backend.
#pragma once

#include <cstdint>

namespace ponder::model {

class KvStorage {
 public:
  KvStorage() = default;
  KvStorage(const KvStorage&) = delete;
  KvStorage& operator=(const KvStorage&) = delete;
  virtual ~KvStorage() = default;

  virtual int64_t num_pages() const = 0;
  virtual void copy_page(int32_t to, int32_t from) = 0;
};

}  // namespace ponder::model
