// SPDX-License-Identifier: GPL-2.0
/*
 * Keys: of packets (what the NIC's parser sees) and of rules (what flower asks for).
 *
 * As in mlx5: a rule that names an ethertype and no VLAN matches untagged frames only; a rule that names
 * nothing but addresses or nothing at all does not look at tags. Every fragment is a fragment, the first
 * too, but the first one's ports are parsed: a rule that forgets "nofrag" does take it.
 */
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "eswsim.h"

/* ---- packets ---- */

void esw_wire_size(const struct sk_buff *skb, u32 *packets, u32 *bytes)
{
	u32 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0, headers;
	const struct skb_shared_info *info = skb_shinfo(skb);

	*packets = 1;
	*bytes = skb->len + tag;
	if (!skb_is_gso(skb) || !skb_transport_header_was_set(skb))
		return;
	headers = skb_transport_offset(skb);
	headers += info->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6) ? tcp_hdrlen(skb) : sizeof(struct udphdr);
	if (skb->len <= headers)
		return;
	*packets = DIV_ROUND_UP(skb->len - headers, info->gso_size);
	*bytes = skb->len - headers + *packets * (headers + tag);
}

static void parse_l4(struct sk_buff *skb, int offset, struct esw_packet *packet)
{
	struct esw_key *key = &packet->key;
	union {
		__be16 ports[2];
		struct tcphdr tcp;
		u8 bytes[8];
	} buffer, *header;
	int length = key->ip_proto == IPPROTO_TCP ? sizeof(struct tcphdr) : 8;

	if (key->ip_proto != IPPROTO_TCP && key->ip_proto != IPPROTO_UDP && key->ip_proto != IPPROTO_ICMPV6)
		return;
	header = skb_header_pointer(skb, offset, length, &buffer);
	if (!header)
		return;
	packet->l4 = true;
	skb_set_transport_header(skb, offset);
	if (key->ip_proto == IPPROTO_ICMPV6)
		return;
	key->sport = header->ports[0];
	key->dport = header->ports[1];
	if (key->ip_proto == IPPROTO_TCP)
		key->tcp_flags = *(__be16 *)&tcp_flag_word(&header->tcp) & htons(0x0fff);
}

static void parse_ipv4(struct sk_buff *skb, int offset, struct esw_packet *packet)
{
	struct esw_key *key = &packet->key;
	struct iphdr buffer;
	const struct iphdr *ip = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return;
	key->ip_version = 4;
	key->ip_proto = ip->protocol;
	key->tos = ip->tos;
	key->ttl = ip->ttl;
	key->src.s6_addr32[0] = ip->saddr;
	key->dst.s6_addr32[0] = ip->daddr;
	if (ip_is_fragment(ip))
		key->frag = ESW_FRAG_IS | (ip->frag_off & htons(IP_OFFSET) ? 0 : ESW_FRAG_FIRST);
	if (key->frag != ESW_FRAG_IS)
		parse_l4(skb, offset + ip->ihl * 4, packet);
}

/* Walks the extension headers to the transport header. */
static void parse_ipv6(struct sk_buff *skb, int offset, struct esw_packet *packet)
{
	struct esw_key *key = &packet->key;
	struct ipv6hdr buffer;
	const struct ipv6hdr *ip = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	int i;

	if (!ip || ip->version != 6)
		return;
	key->ip_version = 6;
	key->ip_proto = ip->nexthdr;
	key->tos = ipv6_get_dsfield(ip);
	key->ttl = ip->hop_limit;
	key->src = ip->saddr;
	key->dst = ip->daddr;
	offset += sizeof(*ip);
	for (i = 0; i < 8 && ipv6_ext_hdr(key->ip_proto); i++) {
		u8 next[8], *header = skb_header_pointer(skb, offset, sizeof(next), next);

		if (!header || key->ip_proto == NEXTHDR_NONE)
			return;
		if (key->ip_proto == NEXTHDR_FRAGMENT) {
			__be16 place = ((struct frag_hdr *)header)->frag_off;

			key->frag = ESW_FRAG_IS | (place & htons(IP6_OFFSET) ? 0 : ESW_FRAG_FIRST);
			offset += sizeof(struct frag_hdr);
		} else {
			offset += ipv6_optlen((struct ipv6_opt_hdr *)header);
		}
		key->ip_proto = header[0];
		if (key->frag == ESW_FRAG_IS)
			return;
	}
	parse_l4(skb, offset, packet);
}

/* A tag in the data moves to the skb's field, as a NIC with VLAN stripping has it. */
static bool strip_tag(struct sk_buff *skb)
{
	__be16 proto = eth_hdr(skb)->h_proto;
	u16 tci;

	skb->protocol = proto;
	if (skb_vlan_tag_present(skb) || !eth_type_vlan(proto))
		return true;
	if (skb->len < VLAN_ETH_HLEN + 2 || __skb_vlan_pop(skb, &tci))
		return false;
	__vlan_hwaccel_put_tag(skb, proto, tci);
	return true;
}

bool esw_parse_packet(struct sk_buff *skb, u16 port, struct esw_packet *packet)
{
	struct esw_key *key = &packet->key;
	int offset = ETH_HLEN;

	memset(packet, 0, sizeof(*packet));
	if (!pskb_may_pull(skb, ETH_HLEN))
		return false;
	skb_reset_mac_header(skb);
	esw_wire_size(skb, &packet->packets, &packet->bytes);
	if (!strip_tag(skb))
		return false;
	key->port = port;
	ether_addr_copy(key->eth_dst, eth_hdr(skb)->h_dest);
	ether_addr_copy(key->eth_src, eth_hdr(skb)->h_source);
	key->eth_type = skb->protocol;
	if (skb_vlan_tag_present(skb)) {
		key->tpid[0] = skb->vlan_proto;
		key->tci[0] = skb_vlan_tag_get(skb) & ~VLAN_CFI_MASK;
		if (eth_type_vlan(key->eth_type)) {
			struct vlan_hdr buffer, *tag = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);

			if (!tag)
				return false;
			key->tpid[1] = key->eth_type;
			key->tci[1] = ntohs(tag->h_vlan_TCI) & ~VLAN_CFI_MASK;
			key->eth_type = tag->h_vlan_encapsulated_proto;
			offset += VLAN_HLEN;
		}
	}
	skb_set_network_header(skb, offset);
	skb_reset_mac_len(skb);
	if (key->eth_type == htons(ETH_P_IP))
		parse_ipv4(skb, offset, packet);
	else if (key->eth_type == htons(ETH_P_IPV6))
		parse_ipv6(skb, offset, packet);
	return true;
}

/* ---- rules ---- */

#define ESW_KNOWN_KEYS \
	(BIT(FLOW_DISSECTOR_KEY_META) | BIT(FLOW_DISSECTOR_KEY_CONTROL) | BIT(FLOW_DISSECTOR_KEY_BASIC) | \
	 BIT(FLOW_DISSECTOR_KEY_ETH_ADDRS) | BIT(FLOW_DISSECTOR_KEY_VLAN) | BIT(FLOW_DISSECTOR_KEY_CVLAN) | \
	 BIT(FLOW_DISSECTOR_KEY_IPV4_ADDRS) | BIT(FLOW_DISSECTOR_KEY_IPV6_ADDRS) | \
	 BIT(FLOW_DISSECTOR_KEY_PORTS) | BIT(FLOW_DISSECTOR_KEY_TCP) | BIT(FLOW_DISSECTOR_KEY_IP))

static bool wants(struct esw_rule *out, enum esw_feature feature, bool used)
{
	if (used)
		out->features |= BIT(feature);
	return used && !(READ_ONCE(out->port->nic->control.ignore) & BIT(feature));
}

/* Both tags of a rule: `level` 0 is the outer one. */
static void take_tag(struct esw_rule *out, const struct flow_match_vlan *match, int level)
{
	if (!wants(out, level ? ESW_F_CVLAN : ESW_F_VLAN, true))
		return;
	out->key.tpid[level] = match->key->vlan_tpid;
	out->mask.tpid[level] = match->mask->vlan_tpid;
	out->key.tci[level] = match->key->vlan_id | match->key->vlan_priority << VLAN_PRIO_SHIFT;
	out->mask.tci[level] = match->mask->vlan_id | match->mask->vlan_priority << VLAN_PRIO_SHIFT;
}

static void parse_l2(struct flow_rule *rule, struct esw_rule *out)
{
	struct flow_match_eth_addrs eth;
	struct flow_match_basic basic;
	struct flow_match_vlan vlan;
	bool tagged = flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_VLAN);

	flow_rule_match_basic(rule, &basic);
	out->key.eth_type = basic.key->n_proto;
	out->mask.eth_type = basic.mask->n_proto;
	if (tagged) {
		flow_rule_match_vlan(rule, &vlan);
		take_tag(out, &vlan, 0);
		if (vlan.mask->vlan_eth_type)
			out->mask.tpid[1] = htons(0xffff); /* no second tag, unless the next lines ask for it */
	} else if (basic.mask->n_proto) {
		out->mask.tpid[0] = htons(0xffff);
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CVLAN)) {
		flow_rule_match_cvlan(rule, &vlan);
		take_tag(out, &vlan, 1);
	}
	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ETH_ADDRS))
		return;
	flow_rule_match_eth_addrs(rule, &eth);
	if (wants(out, ESW_F_ETH, true)) {
		ether_addr_copy(out->key.eth_dst, eth.key->dst);
		ether_addr_copy(out->mask.eth_dst, eth.mask->dst);
		ether_addr_copy(out->key.eth_src, eth.key->src);
		ether_addr_copy(out->mask.eth_src, eth.mask->src);
	}
}

/* flower keeps IPv4 and IPv6 addresses in one place: addr_type says which they are. */
static void parse_addresses(struct flow_rule *rule, u16 addr_type, struct esw_rule *out)
{
	struct flow_match_ipv4_addrs ipv4;
	struct flow_match_ipv6_addrs ipv6;

	if (addr_type == FLOW_DISSECTOR_KEY_IPV4_ADDRS && wants(out, ESW_F_IPV4, true)) {
		flow_rule_match_ipv4_addrs(rule, &ipv4);
		out->key.ip_version = 4;
		out->key.src.s6_addr32[0] = ipv4.key->src;
		out->mask.src.s6_addr32[0] = ipv4.mask->src;
		out->key.dst.s6_addr32[0] = ipv4.key->dst;
		out->mask.dst.s6_addr32[0] = ipv4.mask->dst;
	} else if (addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS && wants(out, ESW_F_IPV6, true)) {
		flow_rule_match_ipv6_addrs(rule, &ipv6);
		out->key.ip_version = 6;
		out->key.src = ipv6.key->src;
		out->mask.src = ipv6.mask->src;
		out->key.dst = ipv6.key->dst;
		out->mask.dst = ipv6.mask->dst;
	}
	if (out->key.ip_version)
		out->mask.ip_version = 0xff;
}

static void parse_l3(struct flow_rule *rule, struct esw_rule *out)
{
	struct flow_match_control control;
	struct flow_match_basic basic;
	struct flow_match_ip ip;

	flow_rule_match_basic(rule, &basic);
	if (wants(out, ESW_F_IP_PROTO, basic.mask->ip_proto)) {
		out->key.ip_proto = basic.key->ip_proto;
		out->mask.ip_proto = basic.mask->ip_proto;
	}
	flow_rule_match_control(rule, &control);
	parse_addresses(rule, control.key->addr_type, out);
	if (wants(out, ESW_F_FRAG, control.mask->flags & (FLOW_DIS_IS_FRAGMENT | FLOW_DIS_FIRST_FRAG))) {
		out->key.frag = (control.key->flags & FLOW_DIS_IS_FRAGMENT ? ESW_FRAG_IS : 0) |
				(control.key->flags & FLOW_DIS_FIRST_FRAG ? ESW_FRAG_FIRST : 0);
		out->mask.frag = (control.mask->flags & FLOW_DIS_IS_FRAGMENT ? ESW_FRAG_IS : 0) |
				 (control.mask->flags & FLOW_DIS_FIRST_FRAG ? ESW_FRAG_FIRST : 0);
	}
	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IP))
		return;
	flow_rule_match_ip(rule, &ip);
	if (wants(out, ESW_F_TOS, ip.mask->tos)) {
		out->key.tos = ip.key->tos;
		out->mask.tos = ip.mask->tos;
	}
	if (wants(out, ESW_F_TTL, ip.mask->ttl)) {
		out->key.ttl = ip.key->ttl;
		out->mask.ttl = ip.mask->ttl;
	}
}

static int parse_transport(struct flow_rule *rule, struct esw_rule *out, struct netlink_ext_ack *extack)
{
	struct flow_match_ports ports;
	struct flow_match_basic basic;
	struct flow_match_tcp tcp;

	flow_rule_match_basic(rule, &basic);
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PORTS)) {
		if (basic.key->ip_proto != IPPROTO_TCP && basic.key->ip_proto != IPPROTO_UDP) {
			NL_SET_ERR_MSG_MOD(extack, "Ports are matched of TCP and UDP only");
			return -EINVAL; /* mlx5's errno for it */
		}
		flow_rule_match_ports(rule, &ports);
		if (wants(out, ESW_F_PORTS, true)) {
			out->key.sport = ports.key->src;
			out->mask.sport = ports.mask->src;
			out->key.dport = ports.key->dst;
			out->mask.dport = ports.mask->dst;
		}
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_TCP)) {
		flow_rule_match_tcp(rule, &tcp);
		if (wants(out, ESW_F_TCP_FLAGS, tcp.mask->flags)) {
			out->key.tcp_flags = tcp.key->flags;
			out->mask.tcp_flags = tcp.mask->flags;
		}
	}
	return 0;
}

static int check_meta(const struct esw_port *port, struct flow_rule *rule, struct netlink_ext_ack *extack)
{
	struct flow_match_meta meta;
	struct net_device *rep;
	bool own;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return 0;
	flow_rule_match_meta(rule, &meta);
	rcu_read_lock();
	rep = rcu_dereference(port->rep);
	own = rep && meta.key->ingress_ifindex == rep->ifindex && meta.mask->ingress_ifindex == 0xffffffff;
	rcu_read_unlock();
	if (own)
		return 0;
	NL_SET_ERR_MSG_MOD(extack, "indev must be the filter's own netdev");
	return -EOPNOTSUPP;
}

int esw_parse_match(struct esw_port *port, struct flow_rule *rule, struct esw_rule *out,
		    struct netlink_ext_ack *extack)
{
	struct flow_dissector *dissector = rule->match.dissector;
	u8 *key = (u8 *)&out->key, *mask = (u8 *)&out->mask;
	int i, err = 0;

	out->key.port = port->index;
	out->mask.port = 0xffff;
	if (out->matchall)
		return 0;
	if (dissector->used_keys & ~(u64)ESW_KNOWN_KEYS) {
		NL_SET_ERR_MSG_MOD(extack, "The match has a key that this NIC does not know");
		return -EOPNOTSUPP;
	}
	err = check_meta(port, rule, extack);
	if (err)
		return err;
	parse_l2(rule, out);
	parse_l3(rule, out);
	err = parse_transport(rule, out, extack);
	for (i = 0; i < sizeof(out->key); i++)
		key[i] &= mask[i];
	return err;
}
