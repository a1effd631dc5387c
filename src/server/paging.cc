#include "server/paging.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

namespace offload::server {
namespace {

// Indices that stay together, in the order of the reply.
using Group = std::vector<size_t>;

bool StartsList(uint64_t id) {
  return std::find(std::begin(kStartCursors), std::end(kStartCursors), id) !=
         std::end(kStartCursors);
}

std::vector<Group> MakeGroups(const ListPlan& plan, absl::Span<const uint64_t> ids) {
  std::vector<Group> groups;
  Group leading;  // without a predecessor: go with the first that follows
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!StartsList(ids[i])) {
      leading.push_back(i);
      groups.push_back(std::exchange(leading, {}));
    } else if (!groups.empty()) {
      groups.back().insert(groups.back().begin(), i);
    } else if (!plan.after_id) {
      leading.push_back(i);
    }  // else it was listed before its predecessor, on the page before
  }
  if (!leading.empty()) groups.push_back(std::move(leading));
  return groups;
}

}  // namespace

ListPlan PlanList(const openoffload::v1::sessionRequestArgs& request) {
  ListPlan plan;
  if (request.page() >= 1) {
    const size_t size = request.pagesize() == 0 ? kChunkRecords : request.pagesize();
    plan.by_page = true;
    plan.limit = std::min(size, kChunkRecords);
    plan.skip = plan.limit * (request.page() - 1);
    plan.fetch = plan.limit;
    return plan;
  }
  const bool everything = request.pagesize() == 0 && request.startsession() == 0;
  if (everything) {
    plan.limit = kChunkRecords;
  } else {
    plan.limit = request.pagesize() == 0 ? kCursorRecords
                                         : std::min<size_t>(request.pagesize(), kCursorRecords);
    if (!StartsList(request.startsession())) plan.after_id = request.startsession();
  }
  plan.fetch = plan.limit + std::size(kStartCursors);
  return plan;
}

std::vector<size_t> ArrangeList(const ListPlan& plan, absl::Span<const uint64_t> ids) {
  std::vector<size_t> page;
  if (plan.by_page) {
    page.resize(std::min(plan.limit, ids.size()));
    std::iota(page.begin(), page.end(), size_t{0});
    return page;
  }
  for (const Group& group : MakeGroups(plan, ids)) {
    if (!page.empty() && page.size() + group.size() > plan.limit) break;
    page.insert(page.end(), group.begin(), group.end());
  }
  return page;
}

}  // namespace offload::server
