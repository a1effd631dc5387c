// SPDX-License-Identifier: GPL-2.0
/*
 * The table: rules grouped by (priority, mask), a hash of masked keys in each group. Changes are made under
 * the table's mutex, from as many processes at once as TC likes; packets look up under RCU.
 *
 * Three numbers of each counter: what the datapath counted, what was sampled (at each read, or each
 * sample_ms), and what TC was told: TC adds up what it gets, so it gets the difference to that.
 */
#include <linux/jhash.h>

#include "eswsim.h"

static const struct rhashtable_params id_params = {
	.key_len = sizeof(struct esw_rule_id),
	.key_offset = offsetof(struct esw_rule, id),
	.head_offset = offsetof(struct esw_rule, by_id),
	.automatic_shrinking = true,
};

static const struct rhashtable_params key_params = {
	.key_len = sizeof(struct esw_key),
	.key_offset = offsetof(struct esw_rule, key),
	.head_offset = offsetof(struct esw_rule, by_key),
	.automatic_shrinking = true,
};

int esw_table_init(struct esw_table *table)
{
	int err;

	mutex_init(&table->lock);
	INIT_LIST_HEAD(&table->masks);
	xa_init_flags(&table->by_number, XA_FLAGS_ALLOC1);
	table->next_number = 1;
	err = rhashtable_init(&table->by_id, &id_params);
	if (err)
		return err;
	table->cleaner = alloc_workqueue("eswsim", 0, 0);
	if (!table->cleaner) {
		rhashtable_destroy(&table->by_id);
		return -ENOMEM;
	}
	return 0;
}

void esw_table_destroy(struct esw_table *table)
{
	WARN_ON(table->count || !list_empty(&table->masks));
	rcu_barrier(); /* queues what the last deletes left to the cleaner */
	destroy_workqueue(table->cleaner);
	rhashtable_destroy(&table->by_id);
	xa_destroy(&table->by_number);
	mutex_destroy(&table->lock);
}

/* ---- groups ---- */

static void esw_mask_destroy(struct work_struct *work)
{
	struct esw_mask *group = container_of(to_rcu_work(work), struct esw_mask, destroy);

	rhltable_destroy(&group->rules);
	kfree(group);
}

/* The group of a rule, made when there is none. Groups are in the order of priorities. */
static struct esw_mask *esw_mask_get(struct esw_table *table, const struct esw_rule *rule)
{
	struct list_head *before = &table->masks;
	struct esw_mask *group;

	list_for_each_entry(group, &table->masks, list) {
		if (group->prio > rule->prio)
			break;
		if (group->prio == rule->prio && !memcmp(&group->mask, &rule->mask, sizeof(group->mask)))
			return group;
		before = &group->list;
	}
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return NULL;
	group->prio = rule->prio;
	group->mask = rule->mask;
	INIT_RCU_WORK(&group->destroy, esw_mask_destroy);
	if (rhltable_init(&group->rules, &key_params)) {
		kfree(group);
		return NULL;
	}
	list_add_rcu(&group->list, before);
	return group;
}

static void esw_mask_put(struct esw_table *table, struct esw_mask *group)
{
	if (group->count)
		return;
	list_del_rcu(&group->list);
	queue_rcu_work(table->cleaner, &group->destroy);
}

/* ---- changes ---- */

static int esw_link_rule(struct esw_table *table, struct esw_rule *rule)
{
	u32 number;
	int err;

	rule->group = esw_mask_get(table, rule);
	if (!rule->group)
		return -ENOMEM;
	err = xa_alloc_cyclic(&table->by_number, &number, rule, xa_limit_32b, &table->next_number, GFP_KERNEL);
	if (err < 0)
		goto put_mask;
	rule->number = number;
	err = rhashtable_insert_fast(&table->by_id, &rule->by_id, id_params);
	if (err)
		goto erase_number;
	err = rhltable_insert(&rule->group->rules, &rule->by_key, key_params);
	if (err)
		goto remove_id;
	rule->group->count++;
	table->count++;
	return 0;

remove_id:
	rhashtable_remove_fast(&table->by_id, &rule->by_id, id_params);
erase_number:
	xa_erase(&table->by_number, number);
put_mask:
	esw_mask_put(table, rule->group);
	return err;
}

static int esw_insert_locked(struct esw_nic *nic, struct esw_rule *rule, struct netlink_ext_ack *extack)
{
	struct esw_table *table = &nic->table;
	u32 size = READ_ONCE(nic->control.table_size);
	int err = esw_fault_on_insert(nic);

	if (err) {
		esw_total(nic, ESW_T_INJECTED);
		NL_SET_ERR_MSG_MOD(extack, "The insert fails on demand");
		return err;
	}
	if (size && table->count >= size) {
		esw_total(nic, ESW_T_FULL);
		NL_SET_ERR_MSG_MOD(extack, "The table is full");
		return -(int)READ_ONCE(nic->control.full_errno);
	}
	if (rhashtable_lookup_fast(&table->by_id, &rule->id, id_params))
		return -EEXIST;
	err = esw_link_rule(table, rule);
	if (!err)
		esw_total(nic, ESW_T_INSERTS);
	return err;
}

int esw_table_insert(struct esw_nic *nic, struct esw_rule *rule, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&nic->table.lock);
	err = esw_insert_locked(nic, rule, extack);
	mutex_unlock(&nic->table.lock);
	return err;
}

int esw_table_remove(struct esw_nic *nic, const struct esw_rule_id *id)
{
	struct esw_table *table = &nic->table;
	struct esw_rule *rule;

	mutex_lock(&table->lock);
	rule = rhashtable_lookup_fast(&table->by_id, id, id_params);
	if (!rule) {
		mutex_unlock(&table->lock);
		return -ENOENT;
	}
	rhltable_remove(&rule->group->rules, &rule->by_key, key_params);
	rhashtable_remove_fast(&table->by_id, &rule->by_id, id_params);
	xa_erase(&table->by_number, rule->number);
	rule->group->count--;
	table->count--;
	esw_mask_put(table, rule->group);
	mutex_unlock(&table->lock);
	esw_total(nic, ESW_T_DELETES);
	kfree_rcu(rule, rcu);
	return 0;
}

struct esw_rule *esw_table_find(struct esw_nic *nic, const struct esw_rule_id *id)
{
	return rhashtable_lookup(&nic->table.by_id, id, id_params);
}

struct esw_rule *esw_table_lookup(struct esw_table *table, const struct esw_packet *packet)
{
	const u32 *key = (const u32 *)&packet->key;
	struct esw_mask *group;

	list_for_each_entry_rcu(group, &table->masks, list, rcu_read_lock_bh_held()) {
		const u32 *mask = (const u32 *)&group->mask;
		u32 masked[sizeof(struct esw_key) / sizeof(u32)];
		struct rhlist_head *found;
		int i;

		for (i = 0; i < ARRAY_SIZE(masked); i++)
			masked[i] = key[i] & mask[i];
		found = rhltable_lookup(&group->rules, masked, key_params);
		if (found)
			return container_of(found, struct esw_rule, by_key);
	}
	return NULL;
}

/* ---- counters ---- */

void esw_rule_count(struct esw_rule *rule, u64 packets, u64 bytes)
{
	atomic64_add(packets, &rule->packets);
	atomic64_add(bytes, &rule->bytes);
	WRITE_ONCE(rule->used, jiffies);
}

/* `now`: when the sampled counter is seen to move. */
static void esw_rule_sample(struct esw_rule *rule, unsigned long now)
{
	u64 packets = atomic64_read(&rule->packets);

	lockdep_assert_held(&rule->stats_lock);
	if (READ_ONCE(rule->frozen) || READ_ONCE(rule->port->frozen) || packets == rule->seen_packets)
		return;
	rule->seen_packets = packets;
	rule->seen_bytes = atomic64_read(&rule->bytes);
	rule->seen_used = now;
}

void esw_rule_report(struct esw_nic *nic, struct esw_rule *rule, struct flow_stats *stats)
{
	spin_lock_bh(&rule->stats_lock);
	if (!READ_ONCE(nic->control.sample_ms))
		esw_rule_sample(rule, READ_ONCE(rule->used));
	flow_stats_update(stats, rule->seen_bytes - rule->told_bytes, rule->seen_packets - rule->told_packets, 0,
			  rule->seen_used, FLOW_ACTION_HW_STATS_DELAYED);
	rule->told_bytes = rule->seen_bytes;
	rule->told_packets = rule->seen_packets;
	spin_unlock_bh(&rule->stats_lock);
	esw_total(nic, ESW_T_STATS);
}

static void esw_sample(struct work_struct *work)
{
	struct esw_nic *nic = container_of(to_delayed_work(work), struct esw_nic, sample);
	u32 period = READ_ONCE(nic->control.sample_ms);
	struct esw_rule *rule;
	unsigned long number;

	if (!period)
		return;
	/* Again when the period is over, however long this takes. */
	queue_delayed_work(system_unbound_wq, &nic->sample, msecs_to_jiffies(period));
	rcu_read_lock();
	xa_for_each(&nic->table.by_number, number, rule) {
		spin_lock_bh(&rule->stats_lock);
		esw_rule_sample(rule, jiffies);
		spin_unlock_bh(&rule->stats_lock);
	}
	rcu_read_unlock();
}

void esw_sample_init(struct esw_nic *nic)
{
	INIT_DELAYED_WORK(&nic->sample, esw_sample);
}

void esw_sample_every(struct esw_nic *nic, u32 milliseconds)
{
	WRITE_ONCE(nic->control.sample_ms, milliseconds);
	if (milliseconds)
		mod_delayed_work(system_unbound_wq, &nic->sample, msecs_to_jiffies(milliseconds));
}

void esw_sample_stop(struct esw_nic *nic)
{
	WRITE_ONCE(nic->control.sample_ms, 0);
	cancel_delayed_work_sync(&nic->sample);
}
