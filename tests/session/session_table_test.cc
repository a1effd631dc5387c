#include "session/session_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace offload::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FiveTuple Tuple(uint32_t number) {
  return {.source = IpAddress::V4(0x0A000000 + number),
          .destination = IpAddress::V4(0x0A010001),
          .source_port = 4000,
          .destination_port = 80};
}

// A session between attachment points 1 and 2.
RuleKeys Rules(uint32_t number) {
  return {RuleKey{.point = 1, .tuple = Tuple(number)},
          RuleKey{.point = 2, .tuple = Tuple(number).Reversed()}};
}

SessionKey Key(uint64_t id, OwnerId owner = 0) { return {.owner = owner, .id = id}; }

std::vector<uint64_t> IdsAfter(const SessionTable& table, const std::vector<uint64_t>& id_of_slot,
                               OwnerId owner, std::optional<uint64_t> after, size_t limit) {
  std::vector<uint64_t> ids;
  table.Visit(owner, after, [&](Slot slot) {
    ids.push_back(id_of_slot.at(slot));
    return ids.size() < limit;
  });
  return ids;
}

TEST(SessionTableTest, FindsByIdAndByEitherRule) {
  SessionTable table(4);
  EXPECT_EQ(table.Find(Key(7)), std::nullopt);
  const std::optional<Slot> slot = table.Insert(Key(7), Rules(7));
  ASSERT_TRUE(slot);
  EXPECT_EQ(table.Find(Key(7)), slot);
  EXPECT_EQ(table.Find(Rules(7)[0]), slot);
  EXPECT_EQ(table.Find(Rules(7)[1]), slot);
  EXPECT_EQ(table.Find(Key(7, 1)), std::nullopt) << "another owner's 7";
}

TEST(SessionTableTest, ARuleIsOneOfPointVlanAndDirectedTuple) {
  SessionTable table(4);
  table.Insert(Key(7), Rules(7));
  RuleKey rule = Rules(7)[0];
  rule.point = 2;
  EXPECT_EQ(table.Find(rule), std::nullopt) << "the tuple, arriving on the other side";
  rule = Rules(7)[0];
  rule.vlan = 0;
  EXPECT_EQ(table.Find(rule), std::nullopt) << "priority tagged is not untagged";
  rule = Rules(7)[0];
  rule.tuple = rule.tuple.Reversed();
  EXPECT_EQ(table.Find(rule), std::nullopt);
}

TEST(SessionTableTest, OneArmedSessionsHaveBothRulesOnOnePoint) {
  SessionTable table(4);
  const RuleKeys rules = {RuleKey{.point = 1, .tuple = Tuple(7)},
                          RuleKey{.point = 1, .tuple = Tuple(7).Reversed()}};
  const std::optional<Slot> slot = table.Insert(Key(7), rules);
  EXPECT_EQ(table.Find(rules[0]), slot);
  EXPECT_EQ(table.Find(rules[1]), slot);
  table.Erase(*slot);
  EXPECT_EQ(table.Find(rules[0]), std::nullopt);
  EXPECT_EQ(table.Find(rules[1]), std::nullopt);
}

TEST(SessionTableTest, EraseForgetsIdAndBothRulesAndNothingElse) {
  SessionTable table(4);
  const Slot slot = *table.Insert(Key(7), Rules(7));
  const Slot other = *table.Insert(Key(8), Rules(8));
  table.Erase(slot);
  EXPECT_EQ(table.Find(Key(7)), std::nullopt);
  EXPECT_EQ(table.Find(Rules(7)[0]), std::nullopt);
  EXPECT_EQ(table.Find(Rules(7)[1]), std::nullopt);
  EXPECT_EQ(table.Find(Key(8)), other);
  EXPECT_EQ(table.Find(Rules(8)[1]), other);
  EXPECT_EQ(table.size(), 1U);
}

TEST(SessionTableTest, SlotsAreDenseAndTheOldestFreedIsReusedFirst) {
  SessionTable table(8);
  for (uint64_t id = 0; id < 4; ++id) {
    EXPECT_EQ(table.Insert(Key(id), Rules(static_cast<uint32_t>(id))), id);
  }
  for (const Slot freed : {2, 0, 3}) table.Erase(freed);
  EXPECT_EQ(table.Insert(Key(10), Rules(10)), 2U);
  EXPECT_EQ(table.Insert(Key(11), Rules(11)), 0U);
  table.Erase(2);
  EXPECT_EQ(table.Insert(Key(12), Rules(12)), 3U);
  EXPECT_EQ(table.Insert(Key(13), Rules(13)), 2U);
  EXPECT_EQ(table.Insert(Key(14), Rules(14)), 4U) << "none is free: a new one";
}

TEST(SessionTableTest, GenerationsCountTheUsesOfASlotFromZeroIn15Bits) {
  SessionTable table(2);
  const Slot other = *table.Insert(Key(1), Rules(1));
  Slot slot = *table.Insert(Key(2), Rules(2));
  for (int use = 0; use <= 0x7FFF; ++use) {
    ASSERT_EQ(table.generation(slot), use);
    table.Erase(slot);
    ASSERT_EQ(table.Insert(Key(2), Rules(2)), slot);
  }
  EXPECT_EQ(table.generation(slot), 0) << "wraps around";
  EXPECT_EQ(table.generation(other), 0) << "each slot has its own";
}

TEST(SessionTableTest, CapacityIsExactAndAFullTableIsLeftAsItIs) {
  SessionTable table(3);
  EXPECT_EQ(table.capacity(), 3U);
  for (uint32_t id = 0; id < 3; ++id) ASSERT_TRUE(table.Insert(Key(id), Rules(id)));
  EXPECT_EQ(table.Insert(Key(3), Rules(3)), std::nullopt);
  EXPECT_EQ(table.Find(Key(3)), std::nullopt);
  EXPECT_EQ(table.Find(Rules(3)[0]), std::nullopt);
  EXPECT_EQ(table.size(), 3U);
  table.Erase(1);
  EXPECT_EQ(table.Insert(Key(3), Rules(3)), 1U);
  EXPECT_EQ(table.Insert(Key(4), Rules(4)), std::nullopt);
}

TEST(SessionTableTest, NoRoomAtAll) {
  SessionTable table(0);
  EXPECT_EQ(table.Insert(Key(1), Rules(1)), std::nullopt);
  EXPECT_EQ(table.size(), 0U);
}

TEST(SessionTableTest, VisitsOneOwnersSessionsInAscendingId) {
  SessionTable table(8);
  std::vector<uint64_t> ids;
  uint32_t number = 0;
  const auto insert = [&](uint64_t id, OwnerId owner) {
    ASSERT_EQ(table.Insert(Key(id, owner), Rules(++number)), ids.size());
    ids.push_back(id);
  };
  for (const uint64_t id : {uint64_t{30}, UINT64_MAX, uint64_t{0}, uint64_t{10}}) insert(id, 1);
  insert(5, 0);
  insert(20, 2);

  EXPECT_THAT(IdsAfter(table, ids, 1, std::nullopt, 9), ElementsAre(0, 10, 30, UINT64_MAX));
  EXPECT_THAT(IdsAfter(table, ids, 1, 0, 9), ElementsAre(10, 30, UINT64_MAX)) << "0 is an id";
  EXPECT_THAT(IdsAfter(table, ids, 1, 11, 9), ElementsAre(30, UINT64_MAX)) << "after no session";
  EXPECT_THAT(IdsAfter(table, ids, 1, UINT64_MAX, 9), IsEmpty());
  EXPECT_THAT(IdsAfter(table, ids, 0, std::nullopt, 9), ElementsAre(5));
  EXPECT_THAT(IdsAfter(table, ids, 3, std::nullopt, 9), IsEmpty());
}

TEST(SessionTableTest, VisitStopsWhenToldAndPagesJoinUp) {
  SessionTable table(100);
  std::vector<uint64_t> ids;
  for (uint32_t i = 0; i < 100; ++i) {
    ids.push_back((uint64_t{i} * 37) % 100);
    table.Insert(Key(ids.back()), Rules(i));
  }
  std::vector<uint64_t> joined;
  std::optional<uint64_t> after;
  while (true) {
    const std::vector<uint64_t> page = IdsAfter(table, ids, 0, after, 7);
    joined.insert(joined.end(), page.begin(), page.end());
    if (page.empty()) break;
    EXPECT_LE(page.size(), 7U);
    after = page.back();
  }
  ASSERT_EQ(joined.size(), 100U);
  for (uint64_t id = 0; id < 100; ++id) EXPECT_EQ(joined[id], id);
}

}  // namespace
}  // namespace offload::session
