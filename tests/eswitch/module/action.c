// SPDX-License-Identifier: GPL-2.0
/*
 * Actions: from TC's list to ours, and what they do with a packet. Header rewrites keep the IP, TCP, UDP
 * and ICMPv6 checksums right, as hardware does; the csum action is accepted and has nothing left to do.
 */
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>

#include "eswsim.h"

/* ---- from TC ---- */

/* What a rewrite may touch: 32-bit words of a header, `touch` as in memory. */
static const struct {
	u8 htype, offset;
	u8 touch[4];
} editable[] = {
	{FLOW_ACT_MANGLE_HDR_TYPE_ETH, 0, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_ETH, 4, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_ETH, 8, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP4, offsetof(struct iphdr, ttl), {0xff, 0, 0, 0}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP4, offsetof(struct iphdr, saddr), {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP4, offsetof(struct iphdr, daddr), {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 4, {0, 0, 0, 0xff}}, /* hop limit */
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 8, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 12, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 16, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 20, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 24, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 28, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 32, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_IP6, 36, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_TCP, 0, {0xff, 0xff, 0xff, 0xff}},
	{FLOW_ACT_MANGLE_HDR_TYPE_UDP, 0, {0xff, 0xff, 0xff, 0xff}},
};

static int parse_edit(const struct flow_action_entry *entry, const struct esw_rule *rule,
		      struct esw_action *out, struct netlink_ext_ack *extack)
{
	u8 touched[4];
	int i, j;

	*(u32 *)touched = ~entry->mangle.mask;
	for (i = 0; i < ARRAY_SIZE(editable); i++) {
		if (editable[i].htype != entry->mangle.htype || editable[i].offset != entry->mangle.offset)
			continue;
		for (j = 0; j < 4; j++) {
			if (touched[j] & ~editable[i].touch[j])
				goto refuse;
		}
		out->kind = entry->id == FLOW_ACTION_MANGLE ? ESW_A_SET : ESW_A_ADD;
		out->edit.htype = entry->mangle.htype;
		out->edit.offset = entry->mangle.offset;
		out->edit.keep = entry->mangle.mask;
		out->edit.value = entry->mangle.val;
		return 0;
	}
refuse:
	NL_SET_ERR_MSG_MOD(extack, "A rewrite of this header field is not supported");
	return -EOPNOTSUPP;
}

/* A rewrite of a header needs a match that makes sure that the header is there. */
static bool edit_is_safe(const struct esw_rule *rule, u8 htype)
{
	bool proto = rule->mask.ip_proto == 0xff, type = rule->mask.eth_type == htons(0xffff);

	switch (htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
		return true;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		return type && rule->key.eth_type == htons(ETH_P_IP);
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		return type && rule->key.eth_type == htons(ETH_P_IPV6);
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
		return type && proto && rule->key.ip_proto == IPPROTO_TCP;
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		return type && proto && rule->key.ip_proto == IPPROTO_UDP;
	default:
		return false;
	}
}

static int parse_target(const struct flow_action_entry *entry, struct esw_port *port,
			struct esw_action *out, struct netlink_ext_ack *extack)
{
	struct esw_port *to = entry->dev ? esw_port_of_rep(entry->dev) : NULL;

	/* TC replays rules whose target has gone with no netdev. */
	if (!to || to->nic != port->nic) {
		NL_SET_ERR_MSG_MOD(extack, "The target is not a representor of this switch");
		return -EOPNOTSUPP;
	}
	out->kind = entry->id == FLOW_ACTION_REDIRECT ? ESW_A_REDIRECT : ESW_A_MIRROR;
	out->to.port = to;
	out->to.generation = READ_ONCE(to->generation);
	return 0;
}

static void parse_vlan(const struct flow_action_entry *entry, enum esw_action_kind kind, struct esw_action *out)
{
	out->kind = kind;
	if (kind == ESW_A_VLAN_POP)
		return;
	out->vlan.proto = entry->vlan.proto ?: htons(ETH_P_8021Q);
	out->vlan.vid = entry->vlan.vid;
	out->vlan.prio = entry->vlan.prio;
}

static int parse_entry(struct esw_port *port, const struct flow_action_entry *entry, struct esw_rule *rule,
		       struct esw_action *out, struct netlink_ext_ack *extack)
{
	switch (entry->id) {
	case FLOW_ACTION_DROP:
		rule->features |= BIT(ESW_F_DROP);
		out->kind = ESW_A_DROP;
		return 0;
	case FLOW_ACTION_REDIRECT:
		rule->features |= BIT(ESW_F_REDIRECT);
		return parse_target(entry, port, out, extack);
	case FLOW_ACTION_MIRRED:
		rule->features |= BIT(ESW_F_MIRROR);
		return parse_target(entry, port, out, extack);
	case FLOW_ACTION_VLAN_PUSH:
		rule->features |= BIT(ESW_F_VLAN_PUSH);
		parse_vlan(entry, ESW_A_VLAN_PUSH, out);
		return 0;
	case FLOW_ACTION_VLAN_POP:
		rule->features |= BIT(ESW_F_VLAN_POP);
		parse_vlan(entry, ESW_A_VLAN_POP, out);
		return 0;
	case FLOW_ACTION_VLAN_MANGLE:
		rule->features |= BIT(ESW_F_VLAN_MODIFY);
		parse_vlan(entry, ESW_A_VLAN_MODIFY, out);
		return 0;
	case FLOW_ACTION_MANGLE:
	case FLOW_ACTION_ADD:
		rule->features |= BIT(ESW_F_PEDIT);
		if (!edit_is_safe(rule, entry->mangle.htype)) {
			NL_SET_ERR_MSG_MOD(extack, "A header rewrite needs a match on the header's protocol");
			return -EOPNOTSUPP;
		}
		return parse_edit(entry, rule, out, extack);
	case FLOW_ACTION_CSUM:
		rule->features |= BIT(ESW_F_CSUM);
		out->kind = ESW_A_CSUM;
		out->csum_flags = entry->csum_flags;
		return 0;
	default:
		NL_SET_ERR_MSG_MOD(extack, "The action is not supported");
		return -EOPNOTSUPP;
	}
}

int esw_parse_actions(struct esw_port *port, const struct flow_action *action, struct esw_rule *out,
		      struct netlink_ext_ack *extack)
{
	const struct flow_action_entry *entry;
	int i, err;

	flow_action_for_each(i, entry, action) {
		err = parse_entry(port, entry, out, &out->actions[out->n_actions++], extack);
		if (err)
			return err;
		if (entry->cookie && !out->cookie_len) {
			out->cookie_len = min_t(u32, entry->cookie->cookie_len, ESW_COOKIE_LEN);
			memcpy(out->cookie, entry->cookie->cookie, out->cookie_len);
		}
	}
	return 0;
}

/* ---- on packets ---- */

/* The checksum field of the transport header that covers the addresses; NULL when there is none. */
static __sum16 *l4_checksum(struct sk_buff *skb, const struct esw_packet *packet)
{
	int offset, at = skb_transport_offset(skb);

	if (!packet->l4)
		return NULL;
	switch (packet->key.ip_proto) {
	case IPPROTO_TCP:
		offset = offsetof(struct tcphdr, check);
		break;
	case IPPROTO_UDP:
		offset = offsetof(struct udphdr, check);
		break;
	case IPPROTO_ICMPV6:
		offset = offsetof(struct icmp6hdr, icmp6_cksum);
		break;
	default:
		return NULL;
	}
	return skb_ensure_writable(skb, at + offset + 2) ? NULL : (__sum16 *)(skb->data + at + offset);
}

/* After `from` became `to`: in the pseudo header (addresses) or in the header itself (ports). */
static void fix_l4_checksum(struct sk_buff *skb, const struct esw_packet *packet, __be32 from, __be32 to,
			    bool pseudo)
{
	__sum16 *sum = l4_checksum(skb, packet);
	bool udp = packet->key.ip_proto == IPPROTO_UDP;

	if (!sum || (udp && !*sum && skb->ip_summed != CHECKSUM_PARTIAL))
		return;
	inet_proto_csum_replace4(sum, skb, from, to, pseudo);
	if (udp && !*sum)
		*sum = CSUM_MANGLED_0;
}

static bool edit(struct sk_buff *skb, const struct esw_action *action, const struct esw_packet *packet)
{
	u8 htype = action->edit.htype, offset = action->edit.offset;
	int at = offset;
	u32 old, new;

	if (htype == FLOW_ACT_MANGLE_HDR_TYPE_IP4 || htype == FLOW_ACT_MANGLE_HDR_TYPE_IP6)
		at += skb_network_offset(skb);
	if (htype == FLOW_ACT_MANGLE_HDR_TYPE_TCP || htype == FLOW_ACT_MANGLE_HDR_TYPE_UDP) {
		if (!packet->l4)
			return true; /* a later fragment */
		at += skb_transport_offset(skb);
	}
	if (skb_ensure_writable(skb, at + 4))
		return false;
	old = get_unaligned((u32 *)(skb->data + at));
	new = action->edit.value;
	if (action->kind == ESW_A_ADD)
		new += old;
	new = (old & action->edit.keep) | (new & ~action->edit.keep);
	put_unaligned(new, (u32 *)(skb->data + at));
	switch (htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		csum_replace4(&ip_hdr(skb)->check, (__force __be32)old, (__force __be32)new);
		if (offset >= offsetof(struct iphdr, saddr))
			fix_l4_checksum(skb, packet, (__force __be32)old, (__force __be32)new, true);
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		if (offset >= offsetof(struct ipv6hdr, saddr))
			fix_l4_checksum(skb, packet, (__force __be32)old, (__force __be32)new, true);
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		fix_l4_checksum(skb, packet, (__force __be32)old, (__force __be32)new, false);
		break;
	}
	return true;
}

/* As act_vlan; nothing on an untagged frame. TC does not tell whether a priority of 0 was asked for: kept. */
static void modify_vlan(struct sk_buff *skb, const struct esw_action *action)
{
	u16 tci;

	if (!skb_vlan_tag_present(skb))
		return;
	tci = (skb_vlan_tag_get(skb) & ~VLAN_VID_MASK) | action->vlan.vid;
	if (action->vlan.prio)
		tci = (tci & ~VLAN_PRIO_MASK) | action->vlan.prio << VLAN_PRIO_SHIFT;
	__vlan_hwaccel_put_tag(skb, action->vlan.proto, tci);
}

/* Consumes the skb. */
static void forward(const struct esw_rule *rule, const struct esw_action *action, struct sk_buff *skb,
		    const struct esw_packet *packet)
{
	struct esw_port *to = action->to.port;

	if (READ_ONCE(to->generation) != action->to.generation) {
		kfree_skb(skb);
		esw_port_count(rule->port, ESW_S_BLACKHOLED, packet->packets);
		return;
	}
	if (esw_port_deliver(to, skb))
		esw_port_count(to, ESW_S_FORWARDED, packet->packets);
	else
		esw_port_count(rule->port, ESW_S_BLACKHOLED, packet->packets);
}

static void mirror(const struct esw_rule *rule, const struct esw_action *action, struct sk_buff *skb,
		   const struct esw_packet *packet)
{
	struct sk_buff *copy = skb_clone(skb, GFP_ATOMIC);

	if (copy)
		forward(rule, action, copy, packet);
}

/* One action that changes the packet. False: no memory. */
static bool change(struct sk_buff *skb, const struct esw_action *action, const struct esw_packet *packet)
{
	switch (action->kind) {
	case ESW_A_VLAN_PUSH:
		return !skb_vlan_push(skb, action->vlan.proto, action->vlan.vid | action->vlan.prio << VLAN_PRIO_SHIFT);
	case ESW_A_VLAN_POP:
		return !skb_vlan_pop(skb);
	case ESW_A_VLAN_MODIFY:
		modify_vlan(skb, action);
		return true;
	case ESW_A_SET:
	case ESW_A_ADD:
		return edit(skb, action, packet);
	default:
		return true;
	}
}

void esw_act(const struct esw_rule *rule, struct sk_buff *skb, const struct esw_packet *packet)
{
	int i;

	for (i = 0; i < rule->n_actions; i++) {
		const struct esw_action *action = &rule->actions[i];

		switch (action->kind) {
		case ESW_A_REDIRECT:
			forward(rule, action, skb, packet);
			return;
		case ESW_A_MIRROR:
			mirror(rule, action, skb, packet);
			break;
		case ESW_A_DROP:
			esw_port_count(rule->port, ESW_S_DROPPED, packet->packets);
			kfree_skb(skb);
			return;
		default:
			if (!change(skb, action, packet)) {
				esw_port_count(rule->port, ESW_S_BLACKHOLED, packet->packets);
				kfree_skb(skb);
				return;
			}
		}
	}
	kfree_skb(skb); /* the last one was a mirror: as TC does, but in hardware nothing is left to go on */
}
