#include "datapath/tc_standing.h"

#include <linux/if_ether.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "datapath/tc_identity.h"
#include "netlink/kernel_error.h"

namespace offload::datapath {
namespace {

using netlink::FilterReply;
using netlink::FilterRequest;
using netlink::FilterSocket;
using netlink::FlowerFilter;
using State = StandingFound::State;
using Change = StandingOutcome::Change;

// Look, write, look again; an answer may get lost.
constexpr int kRounds = 5;

FilterReply Do(FilterSocket& socket, FilterRequest::Op op, const FlowerFilter& filter) {
  const FilterRequest request{.op = op, .filter = filter};
  FilterReply reply;
  socket.Execute(absl::MakeConstSpan(&request, 1), absl::MakeSpan(&reply, 1));
  return reply;
}

StandingFound Judge(const FlowerFilter& wanted, const FlowerFilter& there) {
  const bool in_hw = (there.flags & netlink::kInHw) != 0;
  if (!IsStandingCookie(CookieIn(there))) return {.state = State::kForeign};
  return {.state = KeyEquals(wanted, there) ? State::kRight : State::kWrong, .in_hw = in_hw};
}

// The kernel refuses another mask (EINVAL), a full table has no room for both: then the old one
// goes first, and the next round adds.
absl::Status Replace(FilterSocket& socket, const FlowerFilter& wanted) {
  const absl::Status replaced = Do(socket, FilterRequest::Op::kReplace, wanted).status;
  if (netlink::ErrnoOf(replaced) != EINVAL && !absl::IsResourceExhausted(replaced)) return replaced;
  return Do(socket, FilterRequest::Op::kDelete, wanted).status;
}

absl::Status Taken(const FlowerFilter& wanted, absl::string_view how) {
  return absl::AlreadyExistsError(
      absl::StrCat("a filter that is not ours has the ", how, " of our ", Describe(wanted)));
}

}  // namespace

FlowerFilter DefaultPathFilter(const RulePlace& place, uint16_t priority, OffloadMode mode) {
  FlowerFilter filter{.id = {.at = {.ifindex = place.ingress_ifindex},
                             .priority = priority,
                             .protocol = ETH_P_ALL,
                             .handle = kDefaultPathHandle},
                      .flags = netlink::kVerbose};
  if (mode == OffloadMode::kSoftware) filter.flags |= netlink::kSkipHw;
  const CookieBytes cookie = StandingCookie();
  filter.actions.push_back({.what = netlink::Mirred{.mode = netlink::Mirred::Mode::kRedirect,
                                                    .ifindex = place.egress_ifindex},
                            .cookie = {cookie.begin(), cookie.end()}});
  return filter;
}

absl::Span<const uint8_t> CookieIn(const FlowerFilter& filter) {
  const netlink::FilterAction* action = LastAction(filter);
  if (filter.kind != "flower" || action == nullptr) return {};
  return action->cookie;
}

std::string Describe(const FlowerFilter& filter) {
  return absl::StrCat("filter of kind ", filter.kind, ", protocol 0x",
                      absl::Hex(filter.id.protocol, absl::kZeroPad4), ", handle 0x",
                      absl::Hex(filter.id.handle), " at priority ", filter.id.priority);
}

absl::StatusOr<StandingFound> ReadStanding(FilterSocket& socket, const FlowerFilter& wanted) {
  absl::Status status;
  for (int round = 0; round < kRounds; ++round) {
    const FilterReply reply = Do(socket, FilterRequest::Op::kGet, wanted);
    status = reply.status;
    // No such filter, chain or netdev; or (EINVAL) no qdisc, or the priority is of another kind or
    // protocol, which an add would tell.
    if (absl::IsNotFound(status) || netlink::ErrnoOf(status) == EINVAL) {
      return StandingFound{.state = State::kMissing};
    }
    if (status.ok() && reply.filter) return Judge(wanted, *reply.filter);
    if (!absl::IsUnknown(status)) return status;
  }
  return status;
}

absl::StatusOr<StandingOutcome> EnsureStanding(FilterSocket& socket, const FlowerFilter& wanted) {
  Change change = Change::kNone;
  absl::Status written;
  for (int round = 0; round < kRounds; ++round) {
    const absl::StatusOr<StandingFound> found = ReadStanding(socket, wanted);
    if (!found.ok()) return found.status();
    if (found->state == State::kRight) return StandingOutcome{change, found->in_hw};
    if (found->state == State::kForeign) return Taken(wanted, "handle");
    if (absl::IsAlreadyExists(written) && found->state == State::kMissing) {
      return Taken(wanted, "match");
    }
    if (found->state == State::kWrong) {
      change = Change::kReplaced;
      written = Replace(socket, wanted);
    } else {
      if (change == Change::kNone) change = Change::kAdded;
      written = Do(socket, FilterRequest::Op::kAdd, wanted).status;
    }
    if (!written.ok() && !absl::IsUnknown(written) && !absl::IsAlreadyExists(written)) {
      return written;
    }
  }
  if (!written.ok()) return written;
  return absl::UnavailableError(absl::StrCat(Describe(wanted), " does not stay"));
}

}  // namespace offload::datapath
