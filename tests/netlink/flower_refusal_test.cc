// What the encoder and the decoder refuse: keys that flower would ignore, and damaged messages.
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <functional>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "netlink/flower_codec.h"
#include "netlink/kernel_error.h"
#include "tests/netlink/samples.h"

namespace offload::netlink {
namespace {

using ::testing::HasSubstr;

TEST(FlowerRefusal, RefusesWhatFlowerWouldIgnore) {
  struct Bad {
    const char* names;
    std::function<void(FlowerFilter&)> spoil;
  };
  const Bad bads[] = {
      {"eth_type", [](auto& f) { f.key.eth_type.reset(); }},
      {"ip_proto",
       [](auto& f) {
         f.key.ip_proto.reset();
         f.key.tcp_flags.reset();
       }},
      {"ip_proto",
       [](auto& f) {
         f.key.ip_proto = 1;
         f.key.tcp_flags.reset();
       }},
      {"tcp_flags", [](auto& f) { f.key.ip_proto = 17; }},
      {"ipv6_src",
       [](auto& f) {
         f.key.ipv6_src = {{}, All6()};
       }},
      {"eth_type", [](auto& f) { f.key.eth_type = ETH_P_IPV6; }},
      {"vlan_id",
       [](auto& f) {
         f.key.vlan_id = 4096;
         f.id.protocol = ETH_P_8021Q;
       }},
      {"vlan_id", [](auto& f) { f.key.vlan_id = 5; }},
      {"vlan_prio", [](auto& f) { f.key.vlan_prio = 5; }},
      {"eth_type", [](auto& f) { f.id.protocol = ETH_P_ARP; }},
      {"cookie", [](auto& f) { f.actions[0].cookie.resize(17); }},
      {"action", [](auto& f) { f.actions[0].what = OtherAction{"pedit"}; }},
      {"kind", [](auto& f) { f.kind = "u32"; }},
      {"ipv4_src: the mask is empty",
       [](auto& f) {
         f.key.ipv4_src = {{}, {}};
       }},
      {"dst_port: bits outside the mask",
       [](auto& f) {
         f.key.dst_port = {80, 0xFF00};
       }},
      {"tcp_flags: bits that flower",
       [](auto& f) {
         f.key.tcp_flags = {0, 0x1000};
       }},
      {"flags: bits that flower",
       [](auto& f) {
         f.key.flags = {0, 5};
       }},
      {"other_keys", [](auto& f) { f.key.other_keys = true; }},
      {"ip_proto",
       [](auto& f) {
         f.key = {.eth_type = ETH_P_ARP, .ip_proto = 6};
         f.id.protocol = ETH_P_ARP;
       }},
      {"eth_type: missing, a NIC", [](auto& f) { f.key = {}; }},
      {"ifindex", [](auto& f) { f.actions[0].what = Mirred{}; }},
      {"actions: 33", [](auto& f) { f.actions.resize(33, Redirect()); }},
      {"flags: only the kernel", [](auto& f) { f.flags = kSkipHw | kInHw; }},
      {"priority", [](auto& f) { f.id.priority = 0; }},
      {"protocol", [](auto& f) { f.id.protocol = 0; }},
  };
  for (const Bad& bad : bads) {
    FlowerFilter filter = Expect(1, 5, ETH_P_IP, Key4(6));
    bad.spoil(filter);
    alignas(4) uint8_t buffer[kMaxMessage];
    const auto bytes = EncodeFilterRequest({.filter = filter}, 1, absl::MakeSpan(buffer));
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << bad.names;
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(bad.names));
  }
}

// Without a priority the kernel would flush the whole chain, filters of others included.
TEST(FlowerRefusal, ADeleteWithoutPriorityIsRefused) {
  alignas(4) uint8_t buffer[kMaxMessage];
  for (const auto op : {FilterRequest::Op::kDelete, FilterRequest::Op::kGet}) {
    const FilterRequest request = {.op = op, .filter = {.id = {.at = {.ifindex = kVa}}}};
    EXPECT_EQ(EncodeFilterRequest(request, 1, absl::MakeSpan(buffer)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(FlowerRefusal, AReplaceWithoutHandleIsRefused) {
  FlowerFilter filter = Expect(0, 5, ETH_P_IP, Key4(6));
  alignas(4) uint8_t buffer[kMaxMessage];
  const FilterRequest request = {.op = FilterRequest::Op::kReplace, .filter = filter};
  const absl::Status status = EncodeFilterRequest(request, 1, absl::MakeSpan(buffer)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("handle: missing"));
}

// The message's attributes, found without the reader under test.
struct Attribute {
  size_t at = 0, size = 0;  // of the whole attribute, without its padding
};
std::vector<Attribute> AttributesIn(const Bytes& message, size_t from, size_t to) {
  std::vector<Attribute> found;
  while (from < to) {
    const size_t size = message[from] + 256u * message[from + 1];
    found.push_back({from, size});
    from += (size + 3) / 4 * 4;
  }
  return found;
}

constexpr size_t kFirstAttribute = 16 + sizeof(struct tcmsg);

// Every message of the capture, cut at every length, with the length in its header left as it was.
TEST(FlowerRefusal, EveryTruncatedPrefixIsRefused) {
  size_t messages = 0;
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& whole : Golden(name)) {
      ++messages;
      for (size_t length = 0; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
        absl::Span<const uint8_t> rest(cut);
        EXPECT_FALSE(TakeMessage(rest).ok()) << name << " cut at " << length;
      }
    }
  }
  EXPECT_GT(messages, 40u);
}

// The same with a header that agrees with the cut: refused, unless the cut is between two
// attributes behind the kind, which leaves a whole, shorter message.
TEST(FlowerRefusal, EveryCutAttributeIsRefused) {
  size_t refused = 0;
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& whole : Golden(name)) {
      const uint16_t type = View(whole).header.nlmsg_type;
      if (type != RTM_NEWTFILTER && type != RTM_DELTFILTER) continue;
      std::set<size_t> clean;
      bool has_kind = false;
      for (const Attribute& a : AttributesIn(whole, kFirstAttribute, whole.size())) {
        has_kind |= whole[a.at + 2] == TCA_KIND;
        if (!has_kind) continue;
        for (size_t end = a.at + a.size; end <= (a.at + a.size + 3) / 4 * 4; ++end)
          clean.insert(end);
      }
      for (uint32_t length = 16; length < whole.size(); ++length) {
        Bytes cut(whole.begin(), whole.begin() + length);
        std::memcpy(cut.data(), &length, sizeof(length));
        EXPECT_EQ(DecodeFilter(View(cut)).ok(), clean.contains(length)) << name << " " << length;
        refused += !clean.contains(length);
      }
    }
  }
  EXPECT_GT(refused, 4000u);
}

TEST(FlowerRefusal, EveryCutErrorIsRefusedOrShorter) {
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& whole : Golden(name)) {
      if (View(whole).header.nlmsg_type != NLMSG_ERROR) continue;
      for (uint32_t length = 16; length < whole.size(); ++length) {
        Bytes cut(whole.begin(), whole.begin() + length);
        std::memcpy(cut.data(), &length, sizeof(length));
        const auto error = DecodeError(View(cut));
        EXPECT_FALSE(length < 36 && error.ok()) << name << " " << length;
        if (!error.ok()) continue;
        EXPECT_EQ(ErrnoOf(error->status), ErrnoOf(DecodeError(View(whole))->status));
      }
    }
  }
}

// A payload one byte shorter or longer than its type, for every attribute inside TCA_OPTIONS: the
// length is wrong or the next attribute cannot be.
TEST(FlowerRefusal, EveryKeyOfAnotherLengthIsRefused) {
  size_t checked = 0;
  for (const auto& [name, filter] : Captured()) {
    const Bytes whole = GoldenOne(name + ".request");
    for (const Attribute& top : AttributesIn(whole, kFirstAttribute, whole.size())) {
      if (whole[top.at + 2] != TCA_OPTIONS) continue;
      for (const Attribute& key : AttributesIn(whole, top.at + 4, top.at + top.size)) {
        for (const int change : {-1, 1}) {
          Bytes wrong = whole;
          wrong[key.at] = static_cast<uint8_t>(wrong[key.at] + change);
          EXPECT_FALSE(DecodeFilter(View(wrong)).ok()) << name << " attribute at " << key.at;
          ++checked;
        }
      }
    }
  }
  EXPECT_GT(checked, 100u);
}

TEST(FlowerRefusal, RandomMutationsNeverCrash) {
  std::mt19937 random(7);
  std::vector<Bytes> corpus;
  for (const std::string& name : GoldenNames()) {
    for (const Bytes& message : Golden(name)) corpus.push_back(message);
  }
  size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes message = corpus[random() % corpus.size()];
    for (uint32_t n = 1 + random() % 4; n > 0; --n) {
      message[4 + random() % (message.size() - 4)] = static_cast<uint8_t>(random());
    }
    absl::Span<const uint8_t> rest(message);
    const auto view = TakeMessage(rest);
    ASSERT_TRUE(view.ok());
    refused += !DecodeFilter(*view).ok();
    refused += !DecodeError(*view).ok();
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace offload::netlink
