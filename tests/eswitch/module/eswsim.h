/* SPDX-License-Identifier: GPL-2.0 */
/*
 * eswsim: an emulated switchdev NIC with TC flower offload that carries packets. tests/eswitch/README.md
 * has the packet walk, the parameters and the debugfs files.
 *
 * One NIC a load. A port is two netdevs: the representor, which TC and the daemon see, and the far end,
 * which stands for the wire (uplink) or the VF (VF representor).
 *
 * Locks, outermost first:
 *   devlink instance lock   ports and representors come and go
 *   RTNL                    netdevs, carriers, block binding
 *   esw_table.lock (mutex)  every change of the table, the faults that count inserts
 *   esw_rule.stats_lock     what was sampled and what was reported
 * The datapath (softirq) takes none of them: it reads masks, rules and netdev pointers under RCU.
 */
#ifndef ESWSIM_H
#define ESWSIM_H

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/rhashtable.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/devlink.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#define ESW_MAX_UPLINKS 4
#define ESW_MAX_VFS 9 /* of an uplink: names have one digit */
#define ESW_COOKIE_LEN 16 /* TC_COOKIE_MAX_SIZE */
#define ESW_MAX_ACTIONS 32 /* TCA_ACT_MAX_PRIO */

struct esw_nic;
struct esw_rule;

/* What a rule can need from the NIC; names in fault.c. */
enum esw_feature {
	ESW_F_ETH, ESW_F_VLAN, ESW_F_CVLAN, ESW_F_IP_PROTO, ESW_F_IPV4, ESW_F_IPV6, ESW_F_TOS, ESW_F_TTL,
	ESW_F_PORTS, ESW_F_TCP_FLAGS, ESW_F_FRAG,
	ESW_F_REDIRECT, ESW_F_MIRROR, ESW_F_DROP, ESW_F_VLAN_PUSH, ESW_F_VLAN_POP, ESW_F_VLAN_MODIFY,
	ESW_F_PEDIT, ESW_F_CSUM, ESW_F_MATCHALL,
	ESW_FEATURES
};

/* ---- port.c: the netdevs ---- */

enum esw_port_stat {
	ESW_S_HITS, /* packets from the far end that a rule took */
	ESW_S_MISSES, /* packets from the far end that went to the representor */
	ESW_S_DROPPED, /* hits that the rule drops */
	ESW_S_BLACKHOLED, /* hits whose target has no link, is gone or was replaced since */
	ESW_S_FORWARDED, /* packets that rules sent out of this port */
	ESW_S_SLOW_TX, /* packets that the representor sent to the far end */
	ESW_PORT_STATS
};

struct esw_port {
	struct esw_nic *nic;
	u16 index; /* in esw_nic.ports */
	bool uplink;
	u8 pf, vf;
	char name[8]; /* the phys_port_name: p0, pf0vf0 */
	struct devlink_port dl_port;
	struct net_device __rcu *rep; /* NULL while it is removed */
	struct net_device __rcu *far;
	u32 generation; /* counts representors: a rule to an earlier one leads nowhere */
	bool link; /* false: the link was taken down through debugfs */
	bool frozen; /* counters of rules that stand on this port do not move */
	atomic64_t stats[ESW_PORT_STATS];
	struct dentry *dir;
};

/* All take the devlink instance lock as held, and take RTNL. */
int esw_port_init(struct esw_nic *nic, struct esw_port *port);
int esw_port_add_far(struct esw_port *port);
void esw_port_remove_far(struct esw_port *port);
int esw_port_add_rep(struct esw_port *port);
void esw_port_remove_rep(struct esw_port *port);
void esw_port_set_link(struct esw_port *port, bool up); /* takes RTNL only */

/* The port of a representor; NULL for any other netdev. */
struct esw_port *esw_port_of_rep(const struct net_device *dev);
/* Out of the NIC through this port: consumes the skb. False: it was dropped. */
bool esw_port_deliver(struct esw_port *port, struct sk_buff *skb);

static inline void esw_port_count(struct esw_port *port, enum esw_port_stat stat, u64 packets)
{
	atomic64_add(packets, &port->stats[stat]);
}

/* ---- match.c: keys ---- */

#define ESW_FRAG_IS 1
#define ESW_FRAG_FIRST 2

/* Host order only where said. Compared as bytes: no holes, unused fields zero. */
struct esw_key {
	u16 port; /* index of the ingress port; always matched */
	__be16 eth_type; /* of what follows the tags */
	u8 eth_dst[ETH_ALEN], eth_src[ETH_ALEN];
	__be16 tpid[2]; /* outer, inner; 0 = no tag */
	u16 tci[2]; /* host order; VID and priority */
	struct in6_addr src, dst; /* an IPv4 address is in s6_addr32[0] */
	__be16 sport, dport;
	__be16 tcp_flags; /* 12 bits */
	u8 ip_version; /* 4, 6, or 0 */
	u8 ip_proto, tos, ttl, frag;
	u8 pad[3];
};
static_assert(sizeof(struct esw_key) == 72);

struct esw_packet {
	struct esw_key key;
	u32 packets, bytes; /* on the wire: a GSO packet is its segments, each with its headers */
	bool l4; /* the transport header is in this packet */
};

/*
 * Dissects a frame whose data is at the MAC header; moves an outer tag out of the data, and sets the
 * network and transport headers. False: too short or no memory; the skb is still the caller's.
 */
bool esw_parse_packet(struct sk_buff *skb, u16 port, struct esw_packet *packet);
/* Wire packets and bytes of an skb whose data is at the MAC header. */
void esw_wire_size(const struct sk_buff *skb, u32 *packets, u32 *bytes);
/* A flower match (none: matchall) as key and mask; adds to *features what it needs. */
int esw_parse_match(struct esw_port *port, struct flow_rule *rule, struct esw_rule *out,
		    struct netlink_ext_ack *extack);

/* ---- action.c ---- */

enum esw_action_kind {
	ESW_A_REDIRECT, ESW_A_MIRROR, ESW_A_DROP, ESW_A_VLAN_PUSH, ESW_A_VLAN_POP, ESW_A_VLAN_MODIFY,
	ESW_A_SET, ESW_A_ADD, ESW_A_CSUM
};

struct esw_action {
	enum esw_action_kind kind;
	union {
		struct {
			struct esw_port *port;
			u32 generation;
		} to;
		struct {
			__be16 proto;
			u16 vid;
			u8 prio;
		} vlan;
		struct {
			u8 htype; /* enum flow_action_mangle_base */
			u8 offset;
			u32 keep, value; /* as in memory */
		} edit;
		u32 csum_flags;
	};
};

int esw_parse_actions(struct esw_port *port, const struct flow_action *action, struct esw_rule *out,
		      struct netlink_ext_ack *extack);
/* Does what the rule says with a frame that hit it; consumes the skb. */
void esw_act(const struct esw_rule *rule, struct sk_buff *skb, const struct esw_packet *packet);

/* ---- table.c: rules ---- */

struct esw_rule_id {
	unsigned long cookie; /* TC's: the kernel's pointer of the filter */
	unsigned long port; /* a shared block offers one cookie to several ports */
};

struct esw_rule {
	struct rhash_head by_id;
	struct rhlist_head by_key; /* twice the same key: while `tc filter replace` swaps */
	struct esw_rule_id id;
	struct esw_key key; /* masked */
	struct esw_key mask;
	struct esw_mask *group;
	struct esw_port *port;
	u32 prio; /* 1..65535, lower first */
	u32 number; /* in order of insertion, from 1 */
	u32 features; /* BIT(enum esw_feature) */
	u8 cookie_len; /* the first user's cookie among the actions */
	u8 cookie[ESW_COOKIE_LEN];
	bool matchall;
	bool frozen;

	atomic64_t packets, bytes; /* on the datapath */
	unsigned long used; /* jiffies of the last hit */
	spinlock_t stats_lock;
	u64 seen_packets, seen_bytes; /* what was sampled */
	unsigned long seen_used;
	u64 told_packets, told_bytes; /* what TC was told */

	struct rcu_head rcu;
	u32 n_actions;
	struct esw_action actions[];
};

/* Rules of one priority and one mask. */
struct esw_mask {
	struct list_head list; /* esw_table.masks, by priority */
	u32 prio;
	struct esw_key mask;
	struct rhltable rules;
	u32 count;
	struct rcu_work destroy;
};

enum esw_total {
	ESW_T_INSERTS, /* accepted */
	ESW_T_DELETES,
	ESW_T_REFUSED, /* EOPNOTSUPP, EINVAL: match, action or place */
	ESW_T_FULL, /* no room in the table */
	ESW_T_INJECTED, /* failed on demand */
	ESW_T_STATS, /* counter reads */
	ESW_TOTALS
};

struct esw_table {
	struct mutex lock;
	struct list_head masks;
	struct rhashtable by_id;
	struct xarray by_number;
	u32 next_number;
	u32 count;
	atomic64_t totals[ESW_TOTALS];
	struct workqueue_struct *cleaner;
};

int esw_table_init(struct esw_table *table);
void esw_table_destroy(struct esw_table *table); /* empty by then */
/* Takes the rule over when it succeeds. -EEXIST, -ENOMEM, the table's size, or a fault on demand. */
int esw_table_insert(struct esw_nic *nic, struct esw_rule *rule, struct netlink_ext_ack *extack);
int esw_table_remove(struct esw_nic *nic, const struct esw_rule_id *id); /* -ENOENT */
/* Under rcu_read_lock. */
struct esw_rule *esw_table_find(struct esw_nic *nic, const struct esw_rule_id *id);
struct esw_rule *esw_table_lookup(struct esw_table *table, const struct esw_packet *packet);
void esw_rule_count(struct esw_rule *rule, u64 packets, u64 bytes);
/* What TC has not been told yet. */
void esw_rule_report(struct esw_nic *nic, struct esw_rule *rule, struct flow_stats *stats);
/* Sampling by the NIC's clock; 0 = counters are read as they are. */
void esw_sample_init(struct esw_nic *nic);
void esw_sample_every(struct esw_nic *nic, u32 milliseconds);
void esw_sample_stop(struct esw_nic *nic);

static inline void esw_total(struct esw_nic *nic, enum esw_total what);

/* ---- tc.c ---- */

int esw_setup_tc(struct net_device *rep, enum tc_setup_type type, void *data);

/* ---- fault.c: personalities and faults ---- */

enum esw_personality { ESW_PERMISSIVE, ESW_MLX5 };

struct esw_control {
	enum esw_personality personality;
	u32 table_size; /* rules; 0 = no limit */
	u32 full_errno; /* positive */
	u32 insert_latency_us;
	u32 sample_ms; /* 0: counters are read as they are */
	bool esw_multiport; /* mlx5: VFs may reach the other uplink */
	u32 refuse, ignore; /* BIT(enum esw_feature) */
	/* Guarded by esw_table.lock: after `fail_skip` inserts the next `fail_count` get fail_errno. */
	u32 fail_errno, fail_skip, fail_count;
};

extern const char *const esw_personality_names[];
extern const char *const esw_feature_names[ESW_FEATURES];
void esw_set_personality(struct esw_nic *nic, enum esw_personality personality);
/* Whether this NIC takes this rule. 0, -EOPNOTSUPP or -EINVAL with a text. */
int esw_check_rule(struct esw_nic *nic, const struct esw_rule *rule, struct netlink_ext_ack *extack);
/* Under esw_table.lock: the errno that this insert must fail with, or 0. */
int esw_fault_on_insert(struct esw_nic *nic);

/* ---- debugfs.c, select.c ---- */

void esw_debugfs_init(struct esw_nic *nic);
void esw_debugfs_exit(struct esw_nic *nic);
/*
 * Runs one command of the file `counters` on the rules that it selects; the number of them, or
 * -EINVAL.
 */
int esw_run_counters_command(struct esw_nic *nic, char *command);
void esw_show_rule(struct seq_file *file, struct esw_rule *rule);

/* ---- main.c, devlink.c ---- */

struct esw_nic {
	struct platform_device *device;
	struct devlink *devlink;
	u16 eswitch_mode; /* enum devlink_eswitch_mode */
	const char *driver; /* what ethtool -i says */
	const char *prefix; /* of all netdevs' names */
	struct esw_table table;
	struct esw_control control;
	struct delayed_work sample;
	struct list_head block_cbs; /* RTNL */
	struct dentry *dir;
	u32 selected; /* by the last command to `counters` */
	u16 n_ports;
	struct esw_port ports[];
};

static inline void esw_total(struct esw_nic *nic, enum esw_total what)
{
	atomic64_inc(&nic->table.totals[what]);
}

extern const struct devlink_ops esw_devlink_ops;
int esw_add_ports(struct esw_nic *nic, bool far_too);
void esw_remove_ports(struct esw_nic *nic, bool far_too);

#endif
