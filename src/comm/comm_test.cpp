#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "comm/ordered_sum.h"
#include "comm/thread_members.h"

namespace ponder::comm {
namespace {

TEST(Communicator, EveryoneGetsWhatWasSentToThem) {
  for (const int size : {1, 2, 3, 5}) {
    std::atomic<int> members = 0;
    run_members(size, [&](Communicator& c) {
      ++members;
      ASSERT_EQ(c.size(), size);
      for (int repetition = 0; repetition < 20; ++repetition) {
        // Rank r sends rank s a number and s more bytes.
        std::vector<std::vector<std::byte>> out, in;
        std::vector<ConstBytes> to;
        std::vector<Bytes> from;
        for (int s = 0; s < size; ++s) {
          out.emplace_back(static_cast<size_t>(1 + s), std::byte(10 * c.rank() + s));
          in.emplace_back(static_cast<size_t>(1 + c.rank()), std::byte{99});
        }
        for (auto& bytes : out) to.emplace_back(bytes);
        for (auto& bytes : in) from.emplace_back(bytes);
        c.exchange(to, from);
        for (int s = 0; s < size; ++s) {
          const auto expected = static_cast<std::byte>(s == c.rank() ? 99 : 10 * s + c.rank());
          for (const std::byte b : in[static_cast<size_t>(s)]) ASSERT_EQ(b, expected);
        }
      }
    });
    EXPECT_EQ(members, size);
  }
}

TEST(Communicator, BroadcastGatherAndAgreement) {
  for (const int size : {1, 3}) {
    run_members(size, [&](Communicator& c) {
      for (int root = 0; root < size; ++root) {
        int value = 100 + c.rank();
        c.broadcast(std::as_writable_bytes(std::span(&value, 1)), root);
        EXPECT_EQ(value, 100 + root);
        std::string text(static_cast<size_t>(3 * c.rank()), static_cast<char>('a' + c.rank()));
        c.broadcast(text, root);
        EXPECT_EQ(text, std::string(static_cast<size_t>(3 * root), static_cast<char>('a' + root)));
      }
      const double mine = 0.5 * c.rank();
      std::vector<double> all(static_cast<size_t>(size));
      c.gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
      for (int r = 0; r < size; ++r) EXPECT_EQ(all[static_cast<size_t>(r)], 0.5 * r);
      EXPECT_FALSE(c.any(false));
      EXPECT_TRUE(c.any(c.rank() == size - 1));
      EXPECT_TRUE(c.all(true));
      EXPECT_FALSE(c.all(c.rank() != 0));
    });
  }
}

TEST(Communicator, BarrierWaitsForEveryone) {
  std::atomic<int> arrived = 0;
  run_members(4, [&](Communicator& c) {
    for (int round = 1; round <= 50; ++round) {
      ++arrived;
      c.barrier();
      EXPECT_GE(arrived, 4 * round);
      c.barrier();
    }
  });
}

TEST(Communicator, OneThatThrowsStopsTheOthersWhereverTheyAre) {
  std::atomic<int> stopped = 0;
  const auto run = [&] {
    run_members(3, [&](Communicator& c) {
      if (c.rank() == 1) throw Error("disk", "is full");
      try {
        for (;;) c.barrier();
      } catch (const Error& error) {
        ++stopped;
        EXPECT_NE(error.problem().find("member 1"), std::string::npos) << error.what();
        EXPECT_NE(error.problem().find("is full"), std::string::npos) << error.what();
        EXPECT_THROW(c.any(true), Error);  // and it stays so
        throw;
      }
    });
  };
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "disk") << "the first error, not what it did to the others";
  }
  EXPECT_EQ(stopped, 2);
}

TEST(Communicator, SizesThatDisagreeAreAnError) {
  EXPECT_THROW(run_members(2,
                           [](Communicator& c) {
                             std::vector<std::byte> mine(static_cast<size_t>(1 + c.rank())),
                                 all(2 * mine.size());
                             c.gather(mine, all);
                           }),
               Error);
}

// Numbers whose sum depends on the order, and a loop that adds them in order.
std::vector<float> contribution(size_t size, int of) {
  std::vector<float> values(size);
  const float scale = of % 3 == 0 ? 1000.0f : 1.0f;
  for (size_t i = 0; i < size; ++i)
    values[i] = scale / static_cast<float>(1 + (i * 7 + static_cast<size_t>(of) * 13) % 101);
  return values;
}

TEST(OrderedSum, AddsByRankWhateverTheNumberOfMembers) {
  constexpr int kContributions = 7;
  for (const size_t size : {size_t{1}, size_t{5}, size_t{1000}, size_t{600001}}) {
    std::vector<std::vector<float>> contributions;
    std::vector<float> expected(size, 0.0f);
    for (int i = 0; i < kContributions; ++i) {
      contributions.push_back(contribution(size, i));
      for (size_t j = 0; j < size; ++j) expected[j] += contributions.back()[j];
    }
    for (const int members : {1, 2, 3, 4}) {
      run_members(members, [&](Communicator& c) {
        ThreadPool pool(1 + c.rank() % 2);
        const std::vector<float> rubbish(size, NAN);  // held by who has nothing to give
        std::vector<float> sum(size, 0.0f);
        for (int first = 0; first < kContributions; first += members) {
          const int contributors = std::min(members, kContributions - first);
          add_by_rank(c, sum,
                      c.rank() < contributors ? contributions[static_cast<size_t>(first + c.rank())]
                                              : rubbish,
                      contributors, pool);
        }
        share_segments(c, sum);
        EXPECT_EQ(std::memcmp(sum.data(), expected.data(), size * sizeof(float)), 0)
            << members << " members, " << size << " elements, rank " << c.rank();
      });
    }
  }
}

}  // namespace
}  // namespace ponder::comm
