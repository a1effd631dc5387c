#include "server/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "server/translate.h"

namespace offload::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Ids = std::vector<uint64_t>;

constexpr uint64_t kMagic32 = 0xFFFFFFFF;
constexpr uint64_t kMagic64 = 0xFFFFFFFFFFFFFFFF;

api::sessionRequestArgs Args(uint32_t size, uint32_t page, uint64_t start) {
  api::sessionRequestArgs args;
  args.set_pagesize(size);
  args.set_page(page);
  args.set_startsession(start);
  return args;
}

// What one request of a table with these ids (ascending) lists.
Ids List(const Ids& table, const api::sessionRequestArgs& args) {
  const ListPlan plan = PlanList(args);
  Ids selected;
  size_t skipped = 0;
  for (uint64_t id : table) {
    if (plan.after_id && id <= *plan.after_id) continue;
    if (skipped++ < plan.skip) continue;
    if (selected.size() < plan.fetch) selected.push_back(id);
  }
  Ids page;
  for (size_t i : ArrangeList(plan, selected)) page.push_back(selected[i]);
  return page;
}

// All ids a client sees that goes on from the last one until a reply is empty.
Ids Walk(const Ids& table, uint32_t size, uint64_t start = kMagic32) {
  Ids seen;
  for (size_t calls = 0; calls <= 2 * table.size() + 2; ++calls) {
    const Ids page = List(table, Args(size, 0, start));
    if (page.empty()) return seen;
    seen.insert(seen.end(), page.begin(), page.end());
    start = page.back();
  }
  ADD_FAILURE() << "does not end";
  return seen;
}

Ids Numbers(uint64_t from, uint64_t to) {
  Ids ids;
  for (uint64_t id = from; id <= to; ++id) ids.push_back(id);
  return ids;
}

TEST(List, ZerosListEverything) {
  EXPECT_EQ(List(Numbers(0, 9999), Args(0, 0, 0)), Numbers(0, 9999));
  EXPECT_THAT(List({}, Args(0, 0, 0)), IsEmpty());
  EXPECT_EQ(List(Numbers(0, kChunkRecords + 10), Args(0, 0, 0)), Numbers(0, kChunkRecords - 1));
}

TEST(List, PagesAreOneBasedAndOfTheSizeAskedFor) {
  const Ids table = Numbers(10, 300);
  EXPECT_EQ(List(table, Args(100, 1, 0)), Numbers(10, 109));
  EXPECT_EQ(List(table, Args(100, 3, 0)), Numbers(210, 300));
  EXPECT_THAT(List(table, Args(100, 4, 0)), IsEmpty());
  EXPECT_EQ(List(table, Args(0, 1, 0)), table);
  EXPECT_THAT(List(table, Args(0xFFFFFFFF, 0xFFFFFFFF, 0)), IsEmpty());
}

TEST(List, CursorStartsAtTheLowestIdForBothMagicIds) {
  for (uint64_t start : {kMagic32, kMagic64}) {
    EXPECT_THAT(List({0, 5, 9}, Args(2, 0, start)), ElementsAre(0, 5));
  }
}

TEST(List, CursorZeroIsAnIdAndNotTheStart) {
  EXPECT_THAT(List({0, 5, 9}, Args(10, 0, 0)), ElementsAre(5, 9));
  EXPECT_THAT(List({0}, Args(10, 0, 0)), IsEmpty());
}

TEST(List, CursorRepliesHave64RecordsAtMost) {
  for (uint32_t size : {0u, 64u, 65u, 1000u}) {
    EXPECT_EQ(List(Numbers(1, 200), Args(size, 0, kMagic32)), Numbers(1, 64)) << size;
    EXPECT_EQ(List(Numbers(1, 200), Args(size, 0, 64)), Numbers(65, 128)) << size;
  }
}

TEST(List, WalksEndAndSeeEverySessionOnce) {
  const Ids tables[] = {{},
                        {0},
                        Numbers(0, 200),
                        {5, kMagic32},
                        {5, 6, kMagic32, kMagic32 + 1, kMagic64},
                        {kMagic32, kMagic32 + 1},
                        {5, kMagic32, kMagic64},
                        {0, 1, 2, kMagic64}};
  for (const Ids& table : tables) {
    for (uint32_t size : {1u, 2u, 3u, 64u}) {
      Ids seen = Walk(table, size);
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen, table) << "page size " << size;
    }
  }
}

TEST(List, MagicIdsStandBeforeTheirPredecessorAndEndNoPage) {
  EXPECT_THAT(List({5, 6, kMagic32, kMagic32 + 1}, Args(64, 0, kMagic32)),
              ElementsAre(5, kMagic32, 6, kMagic32 + 1));
  EXPECT_THAT(List({5, 6, kMagic32}, Args(2, 0, kMagic32)), ElementsAre(5));
  EXPECT_THAT(List({5, 6, kMagic32}, Args(2, 0, 5)), ElementsAre(kMagic32, 6));
  EXPECT_THAT(List({5, kMagic32}, Args(1, 0, kMagic32)), ElementsAre(kMagic32, 5));
}

TEST(List, MagicIdAloneIsStillListed) {
  EXPECT_THAT(List({kMagic32}, Args(64, 0, kMagic32)), ElementsAre(kMagic32));
}

TEST(List, AChunkFitsAMessageOf4MiB) {
  constexpr auto kMax = std::numeric_limits<uint64_t>::max();
  session::SessionView view = {
      .spec = {.key = {.owner = 127, .id = kMax}},
      .state = session::SessionState::kClosed,
      .counters = {.in = {kMax, kMax}, .out = {kMax, kMax}},
      .start = absl::FromUnixSeconds(253402300799) + absl::Nanoseconds(999999999),
      .end = absl::FromUnixSeconds(253402300799) + absl::Nanoseconds(999999999),
      .close_reason = session::CloseReason::kRulesLost};
  api::sessionResponses responses;
  responses.set_nextkey(kMax);
  for (size_t i = 0; i < kChunkRecords; ++i) ToResponse(view, responses.add_sessioninfo());
  EXPECT_LT(responses.ByteSizeLong(), size_t{4} << 20);
}

}  // namespace
}  // namespace offload::server
