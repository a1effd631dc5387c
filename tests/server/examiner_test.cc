#include "server/examiner.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "closed/memory_log.h"
#include "gmock/gmock.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_datapath.h"

namespace offload::server {
namespace {

using datapath::Finding;

class ExaminerTest : public ::testing::Test {
 protected:
  // Each examination finds its own number, after it was let go.
  void SetUp() override {
    datapath_.SetExamination([this] {
      const int number = ++begun_;
      if (number == 1) {
        first_begun_.set_value();
        let_go_.get_future().wait();
      }
      return std::vector<Finding>{{.subject = std::to_string(number)}};
    });
  }
  // Which examination's findings the asker gets.
  std::future<std::string> Ask() {
    auto answer = std::make_shared<std::promise<std::string>>();
    examiner_.Ask([answer](const std::vector<Finding>& findings) {
      answer->set_value(findings.at(0).subject);
    });
    return answer->get_future();
  }

  fakes::FakeClock clock_;
  fakes::FakeDatapath datapath_{clock_};
  closed::MemoryLog log_{1000};
  engine::Engine engine_{{}, clock_, datapath_, log_};
  std::atomic<int> begun_ = 0;
  std::promise<void> first_begun_;
  std::promise<void> let_go_;
  WorkerPool workers_{2};
  Examiner examiner_{engine_, workers_};
};

// Who repaired something while another examination ran must not be told what was before.
TEST_F(ExaminerTest, WhoAsksDuringAnExaminationGetsALaterOne) {
  auto first = Ask();
  first_begun_.get_future().wait();
  auto second = Ask();
  let_go_.set_value();
  EXPECT_EQ(first.get(), "1");
  EXPECT_EQ(second.get(), "2");
  workers_.Stop();
}

TEST_F(ExaminerTest, ManyWhoAskShareOneAndLeaveTheOtherWorkersFree) {
  auto first = Ask();
  first_begun_.get_future().wait();
  std::vector<std::future<std::string>> others;
  for (int i = 0; i < 10; ++i) others.push_back(Ask());
  std::promise<void> ran;
  workers_.Submit([&ran] { ran.set_value(); });
  ran.get_future().wait();  // without the second worker this does not end
  let_go_.set_value();
  for (auto& other : others) EXPECT_EQ(other.get(), "2");
  workers_.Stop();
  EXPECT_EQ(begun_, 2);
}

TEST_F(ExaminerTest, AfterAPauseItExaminesAgain) {
  let_go_.set_value();
  EXPECT_EQ(Ask().get(), "1");
  EXPECT_EQ(Ask().get(), "2");
  EXPECT_EQ(Ask().get(), "3");
  workers_.Stop();
}

}  // namespace
}  // namespace offload::server
