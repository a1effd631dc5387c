// SPDX-License-Identifier: GPL-2.0
/*
 * TC's callbacks. Blocks are bound with unlocked_driver_cb: REPLACE, DESTROY and STATS come from many
 * processes at once, mostly without RTNL. TC's match and actions live only as long as the call.
 */
#include <linux/delay.h>

#include "eswsim.h"

static int esw_can_offload(struct esw_port *port, struct net_device *rep, struct flow_cls_common_offload *common)
{
	if (READ_ONCE(port->nic->eswitch_mode) != DEVLINK_ESWITCH_MODE_SWITCHDEV) {
		NL_SET_ERR_MSG_MOD(common->extack, "The eswitch is in legacy mode");
		return -EOPNOTSUPP;
	}
	if (!tc_cls_can_offload_and_chain0(rep, common))
		return -EOPNOTSUPP;
	return 0;
}

/* `rule` has a match when it is flower's. */
static int esw_fill_rule(struct esw_rule *rule, struct flow_rule *from, struct netlink_ext_ack *extack)
{
	struct esw_nic *nic = rule->port->nic;
	int err;

	if (rule->matchall)
		rule->features |= BIT(ESW_F_MATCHALL);
	err = esw_parse_match(rule->port, from, rule, extack);
	if (!err)
		err = esw_parse_actions(rule->port, &from->action, rule, extack);
	if (!err)
		err = esw_check_rule(nic, rule, extack);
	if (err)
		return err;
	/* Sampled counters are "delayed"; counters that are read as they are may be called both. */
	if (!READ_ONCE(nic->control.sample_ms) &&
	    flow_action_hw_stats_check(&from->action, NULL, FLOW_ACTION_HW_STATS_IMMEDIATE_BIT))
		return 0;
	return flow_action_hw_stats_check(&from->action, extack, FLOW_ACTION_HW_STATS_DELAYED_BIT) ? 0 : -EOPNOTSUPP;
}

static int esw_replace(struct esw_port *port, struct flow_cls_common_offload *common, struct flow_rule *from,
		       const struct esw_rule_id *id, bool matchall)
{
	u32 latency = READ_ONCE(port->nic->control.insert_latency_us);
	struct esw_rule *rule;
	int err;

	rule = kzalloc(struct_size(rule, actions, from->action.num_entries), GFP_KERNEL_ACCOUNT);
	if (!rule)
		return -ENOMEM;
	rule->id = *id;
	rule->port = port;
	rule->prio = common->prio;
	rule->matchall = matchall;
	rule->used = rule->seen_used = jiffies;
	spin_lock_init(&rule->stats_lock);
	err = esw_fill_rule(rule, from, common->extack);
	if (err) {
		esw_total(port->nic, ESW_T_REFUSED);
	} else {
		if (latency)
			usleep_range(latency, latency + latency / 8 + 1);
		err = esw_table_insert(port->nic, rule, common->extack);
	}
	if (err)
		kfree(rule);
	return err;
}

static int esw_stats(struct esw_port *port, const struct esw_rule_id *id, struct flow_stats *stats)
{
	struct esw_rule *rule;

	rcu_read_lock();
	rule = esw_table_find(port->nic, id);
	if (rule)
		esw_rule_report(port->nic, rule, stats);
	rcu_read_unlock();
	return rule ? 0 : -ENOENT;
}

static int esw_flower(struct esw_port *port, struct net_device *rep, struct flow_cls_offload *cls)
{
	struct esw_rule_id id = {.cookie = cls->cookie, .port = port->index};

	switch (cls->command) {
	case FLOW_CLS_REPLACE:
		return esw_can_offload(port, rep, &cls->common) ?:
		       esw_replace(port, &cls->common, cls->rule, &id, false);
	case FLOW_CLS_DESTROY:
		return esw_table_remove(port->nic, &id); /* comes for refused rules too */
	case FLOW_CLS_STATS:
		return esw_stats(port, &id, &cls->stats);
	default:
		return -EOPNOTSUPP;
	}
}

static int esw_matchall(struct esw_port *port, struct net_device *rep, struct tc_cls_matchall_offload *cls)
{
	struct esw_rule_id id = {.cookie = cls->cookie, .port = port->index};

	switch (cls->command) {
	case TC_CLSMATCHALL_REPLACE:
		return esw_can_offload(port, rep, &cls->common) ?:
		       esw_replace(port, &cls->common, cls->rule, &id, true);
	case TC_CLSMATCHALL_DESTROY:
		return esw_table_remove(port->nic, &id);
	case TC_CLSMATCHALL_STATS:
		return esw_stats(port, &id, &cls->stats);
	default:
		return -EOPNOTSUPP;
	}
}

static int esw_block_cb(enum tc_setup_type type, void *data, void *priv)
{
	struct net_device *rep = priv;
	struct esw_port *port = esw_port_of_rep(rep);

	switch (type) {
	case TC_SETUP_CLSFLOWER:
		return esw_flower(port, rep, data);
	case TC_SETUP_CLSMATCHALL:
		return esw_matchall(port, rep, data);
	default:
		return -EOPNOTSUPP;
	}
}

int esw_setup_tc(struct net_device *rep, enum tc_setup_type type, void *data)
{
	struct flow_block_offload *block = data;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	block->unlocked_driver_cb = true;
	return flow_block_cb_setup_simple(block, &esw_port_of_rep(rep)->nic->block_cbs, esw_block_cb, rep, rep, true);
}
