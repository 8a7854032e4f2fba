#include "pipeline/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "testing/temporary_folder.h"

namespace ponder::pipeline {
namespace {

TEST(ProgressFile, SaysStageTaskAndTimeLeft) {
  const testing::TemporaryFolder folder;
  EXPECT_FALSE(read_progress(folder.path()));
  {
    ProgressFile file(folder.path());
    file.begin_stage("imitate", 2, 9);
    EXPECT_EQ((*read_progress(folder.path()))["stage"], "imitate");
    file.progress("imitate", 10, 40, "loss 0.5", {{"loss", 0.5}});
    const Json first = *read_progress(folder.path());
    EXPECT_EQ(first["number"], 2);
    EXPECT_EQ(first["done"], 10);
    EXPECT_EQ(first["loss"], 0.5);
    EXPECT_TRUE(first["seconds_left"].is_null());  // one event says nothing of the speed
    file.progress("imitate", 11, 40, "too soon");
    EXPECT_EQ((*read_progress(folder.path()))["done"], 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(520));
    file.progress("imitate", 20, 40, "loss 0.4");
    const Json later = *read_progress(folder.path());
    EXPECT_NEAR(later["seconds_left"].get<double>(), 2 * later["seconds"].get<double>(), 1e-6);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "progress.json"));
}

// Of the stage at least what its task has left, of the run what was expected behind it too.
TEST(ProgressFile, SaysWhatIsLeftOfStageAndRun) {
  const testing::TemporaryFolder folder;
  ProgressFile file(folder.path());
  file.begin_stage("imitate", 2, 9, ExpectedSeconds{100, 60});
  const Json begun = *read_progress(folder.path());
  EXPECT_NEAR(begun["stage_seconds_left"].get<double>(), 100, 1);
  EXPECT_NEAR(begun["run_seconds_left"].get<double>(), 160, 1);
  file.progress("imitate", 1, 100'000, "");
  std::this_thread::sleep_for(std::chrono::milliseconds(520));
  file.progress("imitate", 2, 100'000, "");  // half a second each: half a day
  const Json later = *read_progress(folder.path());
  EXPECT_GT(later["stage_seconds_left"].get<double>(), 40'000);
  EXPECT_NEAR(later["run_seconds_left"].get<double>(),
              later["stage_seconds_left"].get<double>() + 60, 1e-6);
  EXPECT_GE(later["stage_seconds"].get<double>(), 0.5);
  file.begin_stage("evaluate-M1", 3, 9);
  EXPECT_TRUE((*read_progress(folder.path()))["run_seconds_left"].is_null());
}

TEST(ProgressFile, AFolderThatCannotBeWrittenIsNoError) {
  ProgressFile file("/proc/nowhere");
  file.begin_stage("imitate", 1, 1);
  file.progress("imitate", 1, 2, "");
}

}  // namespace
}  // namespace ponder::pipeline
