// SPDX-License-Identifier: GPL-2.0
/*
 * How a test names rules: by what they match, where they stand, and the user's cookie of their actions. A
 * driver is never told TC's handles.
 */
#include <linux/ctype.h>
#include <linux/inet.h>
#include <linux/seq_file.h>

#include "eswsim.h"

/* ---- the view ---- */

static const char *const action_names[] = {
	[ESW_A_REDIRECT] = "redirect", [ESW_A_MIRROR] = "mirror", [ESW_A_DROP] = "drop",
	[ESW_A_VLAN_PUSH] = "vlan_push", [ESW_A_VLAN_POP] = "vlan_pop", [ESW_A_VLAN_MODIFY] = "vlan_modify",
	[ESW_A_SET] = "set", [ESW_A_ADD] = "add", [ESW_A_CSUM] = "csum",
};

static void show_address(struct seq_file *file, const char *name, const struct in6_addr *address,
			 const struct in6_addr *mask, bool ipv6)
{
	static const struct in6_addr all = {.s6_addr32 = {~0, ~0, ~0, ~0}};
	size_t size = ipv6 ? sizeof(*mask) : sizeof(__be32);

	if (!memchr_inv(mask, 0, size))
		return;
	seq_printf(file, ipv6 ? " %s=%pI6c" : " %s=%pI4", name, address);
	if (memcmp(mask, &all, size))
		seq_printf(file, ipv6 ? "/%pI6c" : "/%pI4", mask);
}

static void show_number(struct seq_file *file, const char *name, u32 value, u32 mask, u32 full, bool hex)
{
	if (!mask)
		return;
	seq_printf(file, hex ? " %s=0x%x" : " %s=%u", name, value);
	if (mask != full)
		seq_printf(file, "/0x%x", mask);
}

static void show_key(struct seq_file *file, const struct esw_key *key, const struct esw_key *mask)
{
	show_number(file, "eth_type", ntohs(key->eth_type), ntohs(mask->eth_type), 0xffff, true);
	if (mask->tpid[0] && !key->tpid[0])
		seq_puts(file, " untagged");
	else
		show_number(file, "tpid", ntohs(key->tpid[0]), ntohs(mask->tpid[0]), 0xffff, true);
	show_number(file, "vlan_id", key->tci[0] & VLAN_VID_MASK, mask->tci[0] & VLAN_VID_MASK, VLAN_VID_MASK, false);
	show_number(file, "vlan_prio", key->tci[0] >> VLAN_PRIO_SHIFT, mask->tci[0] >> VLAN_PRIO_SHIFT, 7, false);
	if (key->tpid[1])
		show_number(file, "cvlan_tpid", ntohs(key->tpid[1]), ntohs(mask->tpid[1]), 0xffff, true);
	show_number(file, "cvlan_id", key->tci[1] & VLAN_VID_MASK, mask->tci[1] & VLAN_VID_MASK, VLAN_VID_MASK, false);
	show_number(file, "cvlan_prio", key->tci[1] >> VLAN_PRIO_SHIFT, mask->tci[1] >> VLAN_PRIO_SHIFT, 7, false);
	if (!is_zero_ether_addr(mask->eth_dst))
		seq_printf(file, " dst_mac=%pM/%pM", key->eth_dst, mask->eth_dst);
	if (!is_zero_ether_addr(mask->eth_src))
		seq_printf(file, " src_mac=%pM/%pM", key->eth_src, mask->eth_src);
	show_number(file, "ip_proto", key->ip_proto, mask->ip_proto, 0xff, false);
	show_address(file, "src", &key->src, &mask->src, key->ip_version == 6);
	show_address(file, "dst", &key->dst, &mask->dst, key->ip_version == 6);
	show_number(file, "tos", key->tos, mask->tos, 0xff, true);
	show_number(file, "ttl", key->ttl, mask->ttl, 0xff, false);
	show_number(file, "sport", ntohs(key->sport), ntohs(mask->sport), 0xffff, false);
	show_number(file, "dport", ntohs(key->dport), ntohs(mask->dport), 0xffff, false);
	show_number(file, "tcp_flags", ntohs(key->tcp_flags), ntohs(mask->tcp_flags), 0xfff, true);
	show_number(file, "frag", key->frag, mask->frag, ESW_FRAG_IS, true);
}

static void show_action(struct seq_file *file, const struct esw_action *action)
{
	seq_printf(file, "%s", action_names[action->kind]);
	switch (action->kind) {
	case ESW_A_REDIRECT:
	case ESW_A_MIRROR:
		seq_printf(file, ":%s", action->to.port->name);
		if (action->to.generation != READ_ONCE(action->to.port->generation))
			seq_puts(file, "(gone)");
		break;
	case ESW_A_VLAN_PUSH:
	case ESW_A_VLAN_MODIFY:
		seq_printf(file, ":%u/%u/0x%x", action->vlan.vid, action->vlan.prio, ntohs(action->vlan.proto));
		break;
	case ESW_A_SET:
	case ESW_A_ADD:
		seq_printf(file, ":%u+%u:%08x/%08x", action->edit.htype, action->edit.offset,
			   ntohl((__force __be32)action->edit.value), ntohl((__force __be32)~action->edit.keep));
		break;
	default:
		break;
	}
}

void esw_show_rule(struct seq_file *file, struct esw_rule *rule)
{
	int i;

	seq_printf(file, "number=%u port=%s prio=%u kind=%s packets=%lld bytes=%lld", rule->number, rule->port->name,
		   rule->prio, rule->matchall ? "matchall" : "flower", atomic64_read(&rule->packets),
		   atomic64_read(&rule->bytes));
	spin_lock_bh(&rule->stats_lock);
	seq_printf(file, " seen_packets=%llu seen_bytes=%llu", rule->seen_packets, rule->seen_bytes);
	spin_unlock_bh(&rule->stats_lock);
	seq_printf(file, " frozen=%d cookie=%*phN", rule->frozen || rule->port->frozen, rule->cookie_len, rule->cookie);
	show_key(file, &rule->key, &rule->mask);
	seq_puts(file, " actions=");
	for (i = 0; i < rule->n_actions; i++) {
		if (i)
			seq_putc(file, ',');
		show_action(file, &rule->actions[i]);
	}
	seq_putc(file, '\n');
}

/* ---- selection ---- */

struct interval {
	u64 low, high;
	bool given;
};

struct selector {
	struct esw_port *port;
	struct interval prio, number, sport, dport, proto, vlan;
	struct interval cookie; /* of `cookie_size` bytes from `cookie_at`, big endian */
	u8 cookie_at, cookie_size;
	struct in6_addr src[2], dst[2]; /* from, to */
	u8 version; /* of the addresses given; 0: none */
	bool src_given, dst_given;
};

/* "N" or "N-M", any base. */
static int parse_range(char *text, struct interval *range)
{
	char *high = strchr(text, '-');
	int err;

	if (high)
		*high++ = '\0';
	err = kstrtou64(text, 0, &range->low);
	range->high = range->low;
	if (!err && high)
		err = kstrtou64(high, 0, &range->high);
	range->given = true;
	return err ? -EINVAL : 0;
}

static bool within(const struct interval *range, u64 value)
{
	return !range->given || (value >= range->low && value <= range->high);
}

static int parse_one_address(const char *text, struct in6_addr *address, u8 *version)
{
	u8 found = strchr(text, ':') ? 6 : 4;

	if (*version && *version != found)
		return -EINVAL;
	*version = found;
	if (found == 6)
		return in6_pton(text, -1, address->s6_addr, -1, NULL) ? 0 : -EINVAL;
	return in4_pton(text, -1, address->s6_addr, -1, NULL) ? 0 : -EINVAL;
}

static int parse_addresses(char *text, struct in6_addr *address, u8 *version)
{
	char *high = strchr(text, '-');

	if (high)
		*high++ = '\0';
	return parse_one_address(text, &address[0], version) ?:
	       parse_one_address(high ?: text, &address[1], version);
}

/* "AT+SIZE=RANGE" */
static int parse_cookie(char *text, struct selector *selector)
{
	char *value = strchr(text, '='), *size = strchr(text, '+');

	if (!value || !size || size > value)
		return -EINVAL;
	*value++ = '\0';
	*size++ = '\0';
	if (kstrtou8(text, 0, &selector->cookie_at) || kstrtou8(size, 0, &selector->cookie_size) ||
	    selector->cookie_size < 1 || selector->cookie_size > 8 ||
	    selector->cookie_at + selector->cookie_size > ESW_COOKIE_LEN)
		return -EINVAL;
	return parse_range(value, &selector->cookie);
}

static int parse_port(struct esw_nic *nic, const char *name, struct selector *selector)
{
	int i;

	for (i = 0; i < nic->n_ports; i++) {
		if (!strcmp(nic->ports[i].name, name)) {
			selector->port = &nic->ports[i];
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_word(struct esw_nic *nic, char *word, struct selector *selector)
{
	struct {
		const char *name;
		struct interval *range;
	} ranges[] = {
		{"prio=", &selector->prio}, {"number=", &selector->number}, {"sport=", &selector->sport},
		{"dport=", &selector->dport}, {"proto=", &selector->proto}, {"vlan=", &selector->vlan},
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (str_has_prefix(word, ranges[i].name))
			return parse_range(word + strlen(ranges[i].name), ranges[i].range);
	}
	if (str_has_prefix(word, "port="))
		return parse_port(nic, word + 5, selector);
	if (str_has_prefix(word, "cookie@"))
		return parse_cookie(word + 7, selector);
	if (str_has_prefix(word, "src=")) {
		selector->src_given = true;
		return parse_addresses(word + 4, selector->src, &selector->version);
	}
	if (str_has_prefix(word, "dst=")) {
		selector->dst_given = true;
		return parse_addresses(word + 4, selector->dst, &selector->version);
	}
	return strcmp(word, "all") ? -EINVAL : 0;
}

static int parse_selector(struct esw_nic *nic, char *text, struct selector *selector)
{
	char *word;
	int err, words = 0;

	while ((word = strsep(&text, " \t\n"))) {
		if (!*word)
			continue;
		words++;
		err = parse_word(nic, word, selector);
		if (err)
			return err;
	}
	return words ? 0 : -EINVAL; /* "all" must be said */
}

static bool address_in(const struct in6_addr *range, const struct in6_addr *address, u8 version)
{
	size_t size = version == 6 ? sizeof(*address) : sizeof(__be32);

	return memcmp(address, &range[0], size) >= 0 && memcmp(address, &range[1], size) <= 0;
}

static bool cookie_in(const struct selector *selector, const struct esw_rule *rule)
{
	u64 value = 0;
	int i;

	if (!selector->cookie.given)
		return true;
	if (selector->cookie_at + selector->cookie_size > rule->cookie_len)
		return false;
	for (i = 0; i < selector->cookie_size; i++)
		value = value << 8 | rule->cookie[selector->cookie_at + i];
	return within(&selector->cookie, value);
}

static bool selected(const struct selector *selector, const struct esw_rule *rule)
{
	const struct esw_key *key = &rule->key;

	if (selector->port && selector->port != rule->port)
		return false;
	if (selector->version && selector->version != key->ip_version)
		return false;
	if (selector->src_given && !address_in(selector->src, &key->src, selector->version))
		return false;
	if (selector->dst_given && !address_in(selector->dst, &key->dst, selector->version))
		return false;
	return within(&selector->prio, rule->prio) && within(&selector->number, rule->number) &&
	       within(&selector->sport, ntohs(key->sport)) && within(&selector->dport, ntohs(key->dport)) &&
	       within(&selector->proto, key->ip_proto) &&
	       within(&selector->vlan, key->tci[0] & VLAN_VID_MASK) && cookie_in(selector, rule);
}

/* ---- commands ---- */

struct command {
	enum { ADD, FREEZE, THAW } what;
	u64 packets, bytes;
};

static int parse_command(char **text, struct command *command)
{
	char *word = strsep(text, " ");

	if (!word || !*text)
		return -EINVAL;
	if (!strcmp(word, "freeze") || !strcmp(word, "thaw")) {
		command->what = *word == 'f' ? FREEZE : THAW;
		return 0;
	}
	if (strcmp(word, "add"))
		return -EINVAL;
	command->what = ADD;
	word = strsep(text, " ");
	if (!word || kstrtou64(word, 0, &command->packets))
		return -EINVAL;
	word = strsep(text, " ");
	return word && *text && !kstrtou64(word, 0, &command->bytes) ? 0 : -EINVAL;
}

int esw_run_counters_command(struct esw_nic *nic, char *text)
{
	struct selector selector = {};
	struct command command;
	struct esw_rule *rule;
	unsigned long number;
	int err, count = 0;

	err = parse_command(&text, &command) ?: parse_selector(nic, text, &selector);
	if (err)
		return err;
	rcu_read_lock();
	xa_for_each(&nic->table.by_number, number, rule) {
		if (!selected(&selector, rule))
			continue;
		count++;
		if (command.what == ADD)
			esw_rule_count(rule, command.packets, command.bytes);
		else
			WRITE_ONCE(rule->frozen, command.what == FREEZE);
	}
	rcu_read_unlock();
	return count;
}
