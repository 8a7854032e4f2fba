#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "model/cpu_kv_storage.h"
#include "ops/attention.h"

namespace ponder::model {
namespace {

KvCache cache_of(int64_t num_pages) {
  ModelConfig config;
  config.num_hidden_layers = 1;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  return KvCache(std::make_unique<CpuKvStorage>(config, tensor::Precision::kF32, num_pages));
}

bool share(const KvCache& cache, const KvSequence& a, const KvSequence& b) {
  return std::ranges::any_of(
      cache.pages(a), [&](int32_t page) { return std::ranges::count(cache.pages(b), page) > 0; });
}

TEST(KvCache, APageIsFreeOnceItsLastOwnerHasReleasedIt) {
  KvCache cache = cache_of(4);
  KvSequence prompt;
  ASSERT_TRUE(cache.extend(prompt, 2 * ops::kKeyBlock));
  KvSequence one = cache.fork(prompt), two = cache.fork(prompt);
  EXPECT_EQ(cache.num_free_pages(), 2);  // the three share both
  cache.release(prompt);
  cache.release(one);
  EXPECT_EQ(cache.num_free_pages(), 2);
  // Who comes next takes none of what is still held.
  KvSequence next;
  ASSERT_TRUE(cache.extend(next, 2 * ops::kKeyBlock));
  EXPECT_FALSE(share(cache, next, two));
  KvSequence more;
  EXPECT_FALSE(cache.extend(more, 1));
  cache.release(two);
  EXPECT_EQ(cache.num_free_pages(), 2);
  cache.release(next);
  EXPECT_EQ(cache.num_free_pages(), 4);
  EXPECT_EQ(next.length(), 0);
  ASSERT_TRUE(cache.extend(more, 4 * ops::kKeyBlock));  // every page, each once
  std::vector<int32_t> pages = cache.pages(more);
  std::ranges::sort(pages);
  EXPECT_EQ(pages, (std::vector<int32_t>{0, 1, 2, 3}));
}

TEST(KvCache, APageThatIsSharedIsCopiedBeforeItIsWritten) {
  KvCache cache = cache_of(4);
  KvSequence prompt;
  ASSERT_TRUE(cache.extend(prompt, ops::kKeyBlock + 1));
  KvSequence one = cache.fork(prompt);
  ASSERT_TRUE(cache.extend(one, 1));
  EXPECT_EQ(cache.pages(one)[0], cache.pages(prompt)[0]);
  EXPECT_NE(cache.pages(one)[1], cache.pages(prompt)[1]);
  const std::vector<int32_t> own = cache.pages(one);
  ASSERT_TRUE(cache.extend(one, 1));
  EXPECT_EQ(cache.pages(one), own);  // its own by now
  cache.release(prompt);
  EXPECT_EQ(cache.num_free_pages(), 2);
}

}  // namespace
}  // namespace ponder::model
