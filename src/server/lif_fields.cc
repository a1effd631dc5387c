#include "server/lif_fields.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/field_error.h"

namespace offload::server {
namespace {

using session::LifId;
using session::SessionSpec;

constexpr uint32_t kMaxVlan = 4094;
// Parts of inLif and outLif: the LIF, above it a VLAN id, above that nothing.
constexpr uint32_t kLifMask = 0xFFFF;
constexpr int kLifVlanShift = 16;
constexpr uint32_t kLifVlanMask = 0xFFF;
constexpr int kLifUnusedShift = 28;

// Reads a LIF field. `vlan` gets the VLAN id in its upper half, 0 = none.
absl::Status FillLif(int32_t value, const char* field, const LifPredicate& lif_exists, LifId* lif,
                     uint32_t* vlan) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (bits >> kLifUnusedShift != 0) {
    return Invalid(field, absl::StrCat(value, " has bits above the VLAN id (bits 16 to 27)"));
  }
  *vlan = bits >> kLifVlanShift & kLifVlanMask;
  if (*vlan > kMaxVlan) {
    return Invalid(field, absl::StrCat("VLAN ", *vlan, " is above ", kMaxVlan));
  }
  *lif = static_cast<LifId>(bits & kLifMask);
  if (!lif_exists(*lif)) return Invalid(field, absl::StrCat("LIF ", *lif, " is not configured"));
  return absl::OkStatus();
}

// vlan_inLif and vlan_outLif with their names.
using VlanFields = std::array<std::pair<uint32_t, const char*>, 2>;

absl::Status CheckVlanFields(const VlanFields& fields) {
  for (const auto& [vlan, field] : fields) {
    if (vlan > kMaxVlan) return Invalid(field, absl::StrCat(vlan, " is above ", kMaxVlan));
  }
  if (fields[0].first == 0 && fields[1].first == 0) return absl::OkStatus();
  for (const auto& [vlan, field] : fields) {
    if (vlan == 0) return Invalid(field, "not set, but the VLAN of the other LIF is");
  }
  return absl::OkStatus();
}

// `lif_vlans`: the VLAN ids in the upper halves of inLif and outLif, of which one is enough: it is
// the VLAN of both LIFs.
absl::Status FillVlans(const api::sessionRequest& request, std::array<uint32_t, 2> lif_vlans,
                       SessionSpec* spec) {
  const auto [of_in, of_out] = lif_vlans;
  if (of_in != 0 && of_out != 0 && of_in != of_out) {
    return Invalid("outLif", absl::StrCat("VLAN ", of_out, " differs from inLif's ", of_in));
  }
  const VlanFields fields = {
      {{request.vlan_inlif(), "vlan_inLif"}, {request.vlan_outlif(), "vlan_outLif"}}};
  if (absl::Status status = CheckVlanFields(fields); !status.ok()) return status;
  const uint32_t of_lifs = std::max(of_in, of_out);
  for (const auto& [vlan, field] : fields) {
    if (of_lifs == 0 || vlan == 0 || of_lifs == vlan) continue;
    return Invalid(of_in != 0 ? "inLif" : "outLif",
                   absl::StrCat("VLAN ", of_lifs, " differs from ", field, " ", vlan));
  }
  const auto vlan_of = [&](uint32_t field) -> std::optional<uint16_t> {
    const uint32_t vlan = std::max(of_lifs, field);
    return vlan != 0 ? std::optional<uint16_t>(static_cast<uint16_t>(vlan)) : std::nullopt;
  };
  spec->in_vlan = vlan_of(request.vlan_inlif());
  spec->out_vlan = vlan_of(request.vlan_outlif());
  return absl::OkStatus();
}

// The per-link actions' vlan, which tag packets get that leave on that LIF. Where a forwarded
// packet changes its VLAN both must say so; elsewhere they may repeat the LIF's VLAN.
absl::Status CheckLinkVlans(const api::actionParameters& action, const SessionSpec& spec) {
  struct Link {
    const char* field;
    uint32_t asked;                // 0 = not set
    std::optional<uint16_t> vlan;  // of the LIF
  };
  const Link links[] = {
      {"actionParams_outLif.vlan", action.actionparams_outlif().vlan(), spec.out_vlan},
      {"actionParams_inLif.vlan", action.actionparams_inlif().vlan(), spec.in_vlan}};
  const bool rewrite = spec.in_vlan != spec.out_vlan && spec.action != session::Action::kDrop;
  for (const auto& [field, asked, vlan] : links) {
    if (asked > kMaxVlan) return Invalid(field, absl::StrCat(asked, " is above ", kMaxVlan));
    if (asked == 0 && rewrite) {
      return Invalid(field, absl::StrCat("not set, but vlan_inLif ", *spec.in_vlan,
                                         " and vlan_outLif ", *spec.out_vlan, " differ"));
    }
    if (asked == 0) continue;
    if (!vlan) return Unsupported(field, "is not supported for untagged packets");
    if (asked != *vlan) {
      return Invalid(field, absl::StrCat(asked, " differs from the LIF's VLAN ", *vlan));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FillLifs(const api::sessionRequest& request, const LifPredicate& lif_exists,
                      SessionSpec* spec) {
  std::array<uint32_t, 2> vlans = {};
  if (absl::Status status = FillLif(request.inlif(), "inLif", lif_exists, &spec->in_lif, &vlans[0]);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          FillLif(request.outlif(), "outLif", lif_exists, &spec->out_lif, &vlans[1]);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = FillVlans(request, vlans, spec); !status.ok()) return status;
  return CheckLinkVlans(request.action(), *spec);
}

}  // namespace offload::server
