// FlowerFilter <-> netlink bytes. Pure. See flower.h for the shape, tests/golden for what tc and
// the kernel really say.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "netlink/filter_socket.h"
#include "netlink/flower.h"
#include "netlink/message.h"

namespace offload::netlink {

// Writes the request as one message into `buffer` (kMaxMessage is enough) with NLM_F_REQUEST and
// what the operation needs, without NLM_F_ACK. INVALID_ARGUMENT names what flower would silently
// ignore.
absl::StatusOr<absl::Span<const uint8_t>> EncodeFilterRequest(const FilterRequest& request,
                                                              uint32_t sequence,
                                                              absl::Span<uint8_t> buffer);

absl::StatusOr<absl::Span<const uint8_t>> EncodeDumpRequest(const DumpRequest& request,
                                                            uint32_t sequence,
                                                            absl::Span<uint8_t> buffer);

// A RTM_NEWTFILTER or RTM_DELTFILTER message (also the request form: masks that are left out are
// all ones, as the kernel takes them). Filters of other kinds come back with id and kind alone.
absl::StatusOr<FlowerFilter> DecodeFilter(const MessageView& message);

// The parts, for tests and for each other.
void PutFlowerKey(MessageBuilder& builder, const FilterId& id, const FlowerKey& key);
FlowerKey ReadFlowerKey(AttributeReader options);
void PutActions(MessageBuilder& builder, const std::vector<FilterAction>& actions);
std::vector<FilterAction> ReadActions(AttributeReader actions);

}  // namespace offload::netlink
