// The paging rules of getAllSessions, apart from any session (docs/protocol.md, "Listing").
//
// Pure functions of the request and of ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "proto/openoffload_v1.pb.h"

namespace offload::server {

// Records of one reply when the client did not bound them: so many fit into a gRPC message of 4 MiB
// whatever their values are.
inline constexpr size_t kChunkRecords = 40000;
// Records of one reply to a client that pages with a cursor: the reference C library copies them
// into arrays of this size unchecked.
inline constexpr size_t kCursorRecords = 64;

// Cursors that mean "from the lowest id": what the reference C library begins with.
inline constexpr uint64_t kStartCursors[] = {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF};

struct ListPlan {
  bool by_page = false;              // 1-based pages; else a cursor
  std::optional<uint64_t> after_id;  // of a cursor: only greater ids; none = from the lowest
  size_t skip = 0;                   // of pages
  size_t limit = 0;                  // records in the reply
  // Ids to look at: those of the reply and what may have to be listed with the last one.
  size_t fetch = 0;
};

ListPlan PlanList(const openoffload::v1::sessionRequestArgs& request);

// Which of `ids` (ascending, as the plan's after_id, skip and fetch select them) the reply carries,
// as indices in its order. A session whose id is one of kStartCursors stands directly before its
// predecessor, so that such an id is a page's last, and so the next request's cursor, only when
// there is no other session. With limit 1 that pair exceeds the limit.
std::vector<size_t> ArrangeList(const ListPlan& plan, absl::Span<const uint64_t> ids);

}  // namespace offload::server
