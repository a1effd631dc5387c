// SPDX-License-Identifier: GPL-2.0
/* What kind of NIC this is, what it refuses, and what fails on demand. */
#include "eswsim.h"

const char *const esw_personality_names[] = {
	[ESW_PERMISSIVE] = "permissive",
	[ESW_MLX5] = "mlx5",
};

const char *const esw_feature_names[ESW_FEATURES] = {
	[ESW_F_ETH] = "eth", [ESW_F_VLAN] = "vlan", [ESW_F_CVLAN] = "cvlan", [ESW_F_IP_PROTO] = "ip_proto",
	[ESW_F_IPV4] = "ipv4", [ESW_F_IPV6] = "ipv6", [ESW_F_TOS] = "tos", [ESW_F_TTL] = "ttl",
	[ESW_F_PORTS] = "ports", [ESW_F_TCP_FLAGS] = "tcp_flags", [ESW_F_FRAG] = "frag",
	[ESW_F_REDIRECT] = "redirect", [ESW_F_MIRROR] = "mirror", [ESW_F_DROP] = "drop",
	[ESW_F_VLAN_PUSH] = "vlan_push", [ESW_F_VLAN_POP] = "vlan_pop", [ESW_F_VLAN_MODIFY] = "vlan_modify",
	[ESW_F_PEDIT] = "pedit", [ESW_F_CSUM] = "csum", [ESW_F_MATCHALL] = "matchall",
};

void esw_set_personality(struct esw_nic *nic, enum esw_personality personality)
{
	WRITE_ONCE(nic->control.personality, personality);
	esw_sample_every(nic, personality == ESW_MLX5 ? 1000 : 0);
}

int esw_fault_on_insert(struct esw_nic *nic)
{
	struct esw_control *control = &nic->control;

	lockdep_assert_held(&nic->table.lock);
	if (!control->fail_count)
		return 0;
	if (control->fail_skip) {
		control->fail_skip--;
		return 0;
	}
	control->fail_count--;
	return -(int)control->fail_errno;
}

/* ---- what each kind takes ---- */

static int refuse(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
	return -EOPNOTSUPP;
}

static int check_target(const struct esw_nic *nic, const struct esw_port *from, const struct esw_port *to,
			struct netlink_ext_ack *extack)
{
	if (from->uplink && to->uplink && from != to)
		return refuse(extack, "eswsim: this NIC does not forward from one uplink to the other uplink");
	if (!from->uplink && from == to)
		return refuse(extack, "eswsim: this NIC does not forward from a VF to itself");
	if (!from->uplink && to->uplink && from->pf != to->pf && !READ_ONCE(nic->control.esw_multiport))
		return refuse(extack, "eswsim: a VF reaches the other uplink with esw_multiport only");
	return 0;
}

/* VLAN modify, and push after pop, which is the same: the tag must be matched, its priority stays. */
static int check_vlan_rewrite(const struct esw_rule *rule, const struct esw_action *action,
			      struct netlink_ext_ack *extack)
{
	if (!rule->mask.tpid[0] || !rule->key.tpid[0])
		return refuse(extack, "eswsim: a VLAN rewrite needs a match on the VLAN protocol");
	if (action->vlan.prio != rule->key.tci[0] >> VLAN_PRIO_SHIFT)
		return refuse(extack, "eswsim: a VLAN rewrite cannot change the priority");
	return 0;
}

struct shape {
	u64 targets; /* BIT(port index) */
	bool rewrites, drops, forwards, pops;
	int vlans;
};

static int check_mlx5_action(const struct esw_nic *nic, const struct esw_rule *rule,
			     const struct esw_action *action, struct shape *shape, struct netlink_ext_ack *extack)
{
	switch (action->kind) {
	case ESW_A_REDIRECT:
	case ESW_A_MIRROR:
		if (shape->targets & BIT_ULL(action->to.port->index))
			return refuse(extack, "eswsim: a rule has each target once");
		shape->targets |= BIT_ULL(action->to.port->index);
		shape->forwards = true;
		return check_target(nic, rule->port, action->to.port, extack);
	case ESW_A_DROP:
		shape->drops = true;
		return 0;
	case ESW_A_VLAN_PUSH:
		if (shape->pops) {
			shape->pops = false;
			shape->rewrites = true;
			return check_vlan_rewrite(rule, action, extack);
		}
		break;
	case ESW_A_VLAN_POP:
		shape->pops = true;
		break;
	case ESW_A_VLAN_MODIFY:
		shape->rewrites = true;
		return check_vlan_rewrite(rule, action, extack);
	case ESW_A_SET:
	case ESW_A_ADD:
		if (shape->forwards)
			return refuse(extack, "eswsim: no header rewrite between mirror and redirect");
		shape->rewrites = true;
		return 0;
	case ESW_A_CSUM:
		return shape->rewrites ? 0 : refuse(extack, "eswsim: csum comes after a header rewrite only");
	}
	return ++shape->vlans <= 2 ? 0 : refuse(extack, "eswsim: at most two VLAN actions");
}

static int check_mlx5(const struct esw_nic *nic, const struct esw_rule *rule, struct netlink_ext_ack *extack)
{
	struct shape shape = {};
	int i, err;

	if (rule->matchall)
		return refuse(extack, "eswsim: this NIC takes matchall for police only");
	if (rule->prio < 1 || rule->prio > 16)
		return refuse(extack, "eswsim: priorities are 1 to 16");
	if (rule->mask.frag & ESW_FRAG_FIRST)
		return refuse(extack, "eswsim: first and later fragments are not told apart");
	if (rule->mask.tcp_flags & htons(0x0e00))
		return refuse(extack, "eswsim: TCP flags are matched in their low 9 bits");
	for (i = 0; i < rule->n_actions; i++) {
		err = check_mlx5_action(nic, rule, &rule->actions[i], &shape, extack);
		if (err)
			return err;
	}
	if (shape.drops == shape.forwards)
		return refuse(extack, "eswsim: a rule either forwards or drops");
	if (shape.drops && shape.rewrites)
		return refuse(extack, "eswsim: no header rewrite before a drop");
	return 0;
}

static int check_permissive(const struct esw_rule *rule, struct netlink_ext_ack *extack)
{
	int i;

	for (i = 0; i < rule->n_actions; i++) {
		if (rule->actions[i].kind == ESW_A_REDIRECT || rule->actions[i].kind == ESW_A_MIRROR ||
		    rule->actions[i].kind == ESW_A_DROP)
			return 0;
	}
	return refuse(extack, "eswsim: a rule must forward or drop");
}

int esw_check_rule(struct esw_nic *nic, const struct esw_rule *rule, struct netlink_ext_ack *extack)
{
	if (rule->features & READ_ONCE(nic->control.refuse))
		return refuse(extack, "eswsim: a match or action of this rule is refused on demand");
	return READ_ONCE(nic->control.personality) == ESW_MLX5 ? check_mlx5(nic, rule, extack) :
								   check_permissive(rule, extack);
}
