#include "server/add_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/translate.h"

namespace offload::server {
namespace {

using session::SessionSpec;

SessionSpec Spec(uint64_t id) { return {.key = {.owner = 0, .id = id}}; }

api::addSessionResponse Answer(const std::vector<absl::Status>& statuses,
                               ErrorCodes codes = ErrorCodes::kGrpc) {
  AddCall call(codes);
  for (size_t i = 0; i < statuses.size(); ++i) call.Put(i + 100, Spec(i + 100));
  const AddBatch batch = call.Take();
  call.Record(batch, statuses);
  api::addSessionResponse response;
  call.Fill(&response);
  return response;
}

TEST(AddCall, NothingAskedIsAccepted) { EXPECT_EQ(Answer({}).ShortDebugString(), ""); }

TEST(AddCall, OneFailureOfSeveralIsAccepted) {
  EXPECT_EQ(Answer({absl::OkStatus(), absl::AlreadyExistsError("")}).ShortDebugString(),
            "errorStatus: 2 responseError { sessionId: 101 errorStatus: 6 }");
}

TEST(AddCall, AllFailedForOneReason) {
  const absl::Status full = absl::ResourceExhaustedError("");
  EXPECT_EQ(Answer({full, full}).requeststatus(), api::_SESSION_TABLE_FULL);
  EXPECT_EQ(Answer({absl::InternalError(""), absl::InvalidArgumentError("")}).requeststatus(),
            api::_SESSION_REJECTED);
}

TEST(AddCall, AllFailedForDifferentReasons) {
  const auto answer = Answer({absl::ResourceExhaustedError(""), absl::AlreadyExistsError("")},
                             ErrorCodes::kAddSessionStatus);
  EXPECT_EQ(answer.requeststatus(), api::_SESSION_REJECTED);
  EXPECT_EQ(answer.responseerror(0).errorstatus(), api::_SESSION_TABLE_FULL);
  EXPECT_EQ(answer.responseerror(1).errorstatus(), api::_SESSION_ALREADY_EXISTS);
}

TEST(AddCall, ErrorsAreInRequestOrderWhenRefusedBeforeOthersAreInstalled) {
  AddCall call(ErrorCodes::kGrpc);
  call.Put(1, Spec(1));
  call.Put(2, Spec(2));
  const AddBatch first = call.Take();
  call.Put(3, absl::InvalidArgumentError(""));
  call.Put(4, Spec(4));
  EXPECT_EQ(call.waiting(), 1u);
  call.Record(first, std::vector<absl::Status>{absl::OkStatus(), absl::InternalError("")});
  const AddBatch second = call.Take();
  call.Record(second, std::vector<absl::Status>{absl::AlreadyExistsError("")});
  api::addSessionResponse response;
  call.Fill(&response);
  EXPECT_EQ(response.ShortDebugString(),
            "errorStatus: 14 responseError { sessionId: 2 errorStatus: 13 } "
            "responseError { sessionId: 3 errorStatus: 3 } "
            "responseError { sessionId: 4 errorStatus: 6 }");
}

TEST(AddCall, BitsEndWithThe64thRequest) {
  std::vector<absl::Status> statuses(66);
  statuses[63] = statuses[64] = absl::InternalError("");
  const auto answer = Answer(statuses);
  EXPECT_EQ(answer.errorstatus(), uint64_t{1} << 63);
  EXPECT_EQ(answer.responseerror_size(), 2);
}

}  // namespace
}  // namespace offload::server
