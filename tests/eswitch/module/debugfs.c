// SPDX-License-Identifier: GPL-2.0
/* The files in /sys/kernel/debug/eswsim; tests/eswitch/README.md describes each one. */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>

#include "eswsim.h"

/* What was written, without the line end, as a string to free; or an error. */
static char *esw_written(const char __user *buffer, size_t size)
{
	char *text = memdup_user_nul(buffer, min_t(size_t, size, PAGE_SIZE - 1));

	if (IS_ERR(text))
		return text;
	strreplace(text, '\n', ' ');
	return strim(text) == text ? text : memmove(text, strim(text), strlen(strim(text)) + 1);
}

/* One file: `show` prints it, `store` takes a trimmed line (NULL: read only) and returns 0 or an error. */
#define ESW_FILE(name, show_function, store_function) \
static int name##_open(struct inode *inode, struct file *file) \
{ \
	return single_open(file, show_function, inode->i_private); \
} \
static ssize_t name##_write(struct file *file, const char __user *buffer, size_t size, loff_t *pos) \
{ \
	int (*store)(void *, char *) = store_function; \
	char *text; \
	int err; \
	if (!store) \
		return -EPERM; \
	text = esw_written(buffer, size); \
	if (IS_ERR(text)) \
		return PTR_ERR(text); \
	err = store(((struct seq_file *)file->private_data)->private, text); \
	kfree(text); \
	return err ?: size; \
} \
static const struct file_operations name##_fops = { \
	.owner = THIS_MODULE, .open = name##_open, .read = seq_read, .write = name##_write, \
	.llseek = seq_lseek, .release = single_release, \
}

/* ---- the NIC ---- */

static int show_personality(struct seq_file *file, void *unused)
{
	struct esw_nic *nic = file->private;

	seq_printf(file, "%s\n", esw_personality_names[READ_ONCE(nic->control.personality)]);
	return 0;
}

static int store_personality(void *private, char *text)
{
	if (!strcmp(text, esw_personality_names[ESW_MLX5]))
		esw_set_personality(private, ESW_MLX5);
	else if (!strcmp(text, esw_personality_names[ESW_PERMISSIVE]))
		esw_set_personality(private, ESW_PERMISSIVE);
	else
		return -EINVAL;
	return 0;
}
ESW_FILE(personality, show_personality, store_personality);

static int show_sample_ms(struct seq_file *file, void *unused)
{
	struct esw_nic *nic = file->private;

	seq_printf(file, "%u\n", READ_ONCE(nic->control.sample_ms));
	return 0;
}

static int store_sample_ms(void *private, char *text)
{
	u32 value;
	int err = kstrtou32(text, 0, &value);

	if (!err)
		esw_sample_every(private, value);
	return err;
}
ESW_FILE(sample_ms, show_sample_ms, store_sample_ms);

static void show_features(struct seq_file *file, u32 features)
{
	int i;

	for (i = 0; i < ESW_FEATURES; i++) {
		if (features & BIT(i))
			seq_printf(file, "%s ", esw_feature_names[i]);
	}
	seq_puts(file, features ? "\n" : "none\n");
}

/* Names of features, or "none". */
static int store_features(u32 *place, char *text)
{
	u32 features = 0;
	char *word;
	int i;

	while ((word = strsep(&text, " ,"))) {
		if (!*word || !strcmp(word, "none"))
			continue;
		i = match_string(esw_feature_names, ESW_FEATURES, word);
		if (i < 0)
			return -EINVAL;
		features |= BIT(i);
	}
	WRITE_ONCE(*place, features);
	return 0;
}

static int show_refuse(struct seq_file *file, void *unused)
{
	show_features(file, ((struct esw_nic *)file->private)->control.refuse);
	return 0;
}

static int store_refuse(void *private, char *text)
{
	return store_features(&((struct esw_nic *)private)->control.refuse, text);
}
ESW_FILE(refuse, show_refuse, store_refuse);

static int show_ignore(struct seq_file *file, void *unused)
{
	show_features(file, ((struct esw_nic *)file->private)->control.ignore);
	return 0;
}

static int store_ignore(void *private, char *text)
{
	return store_features(&((struct esw_nic *)private)->control.ignore, text);
}
ESW_FILE(ignore, show_ignore, store_ignore);

static int show_fail_inserts(struct seq_file *file, void *unused)
{
	struct esw_nic *nic = file->private;

	mutex_lock(&nic->table.lock);
	seq_printf(file, "%u %u %u\n", nic->control.fail_errno, nic->control.fail_count, nic->control.fail_skip);
	mutex_unlock(&nic->table.lock);
	return 0;
}

/* "ERRNO COUNT [SKIP]", or "0" to end it. */
static int store_fail_inserts(void *private, char *text)
{
	struct esw_nic *nic = private;
	u32 number = 0, count = 0, skip = 0;
	int found = sscanf(text, "%u %u %u", &number, &count, &skip);

	/* The kernel would repeat an insert that fails with EAGAIN for ever. */
	if (found < 1 || number > MAX_ERRNO || number == EAGAIN || (number && found < 2))
		return -EINVAL;
	mutex_lock(&nic->table.lock);
	nic->control.fail_errno = number;
	nic->control.fail_count = number ? count : 0;
	nic->control.fail_skip = skip;
	mutex_unlock(&nic->table.lock);
	return 0;
}
ESW_FILE(fail_inserts, show_fail_inserts, store_fail_inserts);

static int show_counters(struct seq_file *file, void *unused)
{
	seq_printf(file, "%u\n", ((struct esw_nic *)file->private)->selected);
	return 0;
}

static int store_counters(void *private, char *text)
{
	struct esw_nic *nic = private;
	int selected = esw_run_counters_command(nic, text);

	if (selected < 0)
		return selected;
	nic->selected = selected;
	return selected ? 0 : -ENOENT;
}
ESW_FILE(counters, show_counters, store_counters);

static u64 esw_sum(const struct esw_nic *nic, enum esw_port_stat stat)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < nic->n_ports; i++)
		sum += atomic64_read(&nic->ports[i].stats[stat]);
	return sum;
}

static const char *const port_stat_names[ESW_PORT_STATS] = {
	[ESW_S_HITS] = "hits", [ESW_S_MISSES] = "misses", [ESW_S_DROPPED] = "dropped",
	[ESW_S_BLACKHOLED] = "blackholed", [ESW_S_FORWARDED] = "forwarded", [ESW_S_SLOW_TX] = "slow_tx",
};

static int show_totals(struct seq_file *file, void *unused)
{
	static const char *const names[ESW_TOTALS] = {
		[ESW_T_INSERTS] = "inserts", [ESW_T_DELETES] = "deletes", [ESW_T_REFUSED] = "refused",
		[ESW_T_FULL] = "full", [ESW_T_INJECTED] = "injected", [ESW_T_STATS] = "stats",
	};
	struct esw_nic *nic = file->private;
	struct esw_mask *group;
	u32 rules, masks = 0;
	int i;

	mutex_lock(&nic->table.lock);
	rules = nic->table.count;
	list_for_each_entry(group, &nic->table.masks, list)
		masks++;
	mutex_unlock(&nic->table.lock);
	seq_printf(file, "rules %u\nmasks %u\n", rules, masks);
	for (i = 0; i < ESW_TOTALS; i++)
		seq_printf(file, "%s %lld\n", names[i], atomic64_read(&nic->table.totals[i]));
	for (i = 0; i < ESW_PORT_STATS; i++)
		seq_printf(file, "%s %llu\n", port_stat_names[i], esw_sum(nic, i));
	return 0;
}
ESW_FILE(totals, show_totals, NULL);

/* ---- rules: one line each, in the order of insertion; a long reading sees each standing rule once ---- */

static void *esw_rules_next(struct seq_file *file, void *v, loff_t *pos)
{
	struct esw_nic *nic = file->private;
	unsigned long number = *pos + 1;
	void *rule = xa_find(&nic->table.by_number, &number, U32_MAX, XA_PRESENT);

	*pos = rule ? number : *pos + 1;
	return rule;
}

/* *pos is the number of the rule to show; at the start, the next one that stands. */
static void *esw_rules_start(struct seq_file *file, loff_t *pos) __acquires(RCU)
{
	struct esw_nic *nic = file->private;
	unsigned long number = *pos;
	void *rule;

	rcu_read_lock();
	rule = xa_find(&nic->table.by_number, &number, U32_MAX, XA_PRESENT);
	if (rule)
		*pos = number;
	return rule;
}

static void esw_rules_stop(struct seq_file *file, void *v) __releases(RCU)
{
	rcu_read_unlock();
}

static int esw_rules_show(struct seq_file *file, void *v)
{
	esw_show_rule(file, v);
	return 0;
}

static const struct seq_operations rules_sops = {
	.start = esw_rules_start,
	.next = esw_rules_next,
	.stop = esw_rules_stop,
	.show = esw_rules_show,
};
DEFINE_SEQ_ATTRIBUTE(rules);

/* ---- ports ---- */

static int show_link(struct seq_file *file, void *unused)
{
	seq_puts(file, ((struct esw_port *)file->private)->link ? "up\n" : "down\n");
	return 0;
}

static int store_link(void *private, char *text)
{
	bool up = !strcmp(text, "up");

	if (!up && strcmp(text, "down"))
		return -EINVAL;
	esw_port_set_link(private, up);
	return 0;
}
ESW_FILE(link, show_link, store_link);

static int show_present(struct seq_file *file, void *unused)
{
	seq_printf(file, "%d\n", !!rcu_access_pointer(((struct esw_port *)file->private)->rep));
	return 0;
}

static int store_present(void *private, char *text)
{
	struct esw_port *port = private;
	bool present;
	int err = kstrtobool(text, &present);

	if (err)
		return err;
	devl_lock(port->nic->devlink);
	if (present)
		err = esw_port_add_rep(port);
	else
		esw_port_remove_rep(port);
	devl_unlock(port->nic->devlink);
	return err;
}
ESW_FILE(present, show_present, store_present);

static int show_stats(struct seq_file *file, void *unused)
{
	struct esw_port *port = file->private;
	int i;

	for (i = 0; i < ESW_PORT_STATS; i++)
		seq_printf(file, "%s %lld\n", port_stat_names[i], atomic64_read(&port->stats[i]));
	return 0;
}
ESW_FILE(stats, show_stats, NULL);

static void esw_add_port_files(struct esw_port *port, struct dentry *parent)
{
	port->dir = debugfs_create_dir(port->name, parent);
	debugfs_create_file("link", 0600, port->dir, port, &link_fops);
	debugfs_create_file("present", 0600, port->dir, port, &present_fops);
	debugfs_create_bool("frozen", 0600, port->dir, &port->frozen);
	debugfs_create_file("stats", 0400, port->dir, port, &stats_fops);
}

void esw_debugfs_init(struct esw_nic *nic)
{
	struct esw_control *control = &nic->control;
	struct dentry *ports;
	int i;

	nic->dir = debugfs_create_dir("eswsim", NULL);
	debugfs_create_file("personality", 0600, nic->dir, nic, &personality_fops);
	debugfs_create_u32("table_size", 0600, nic->dir, &control->table_size);
	debugfs_create_u32("full_errno", 0600, nic->dir, &control->full_errno);
	debugfs_create_u32("insert_latency_us", 0600, nic->dir, &control->insert_latency_us);
	debugfs_create_file("sample_ms", 0600, nic->dir, nic, &sample_ms_fops);
	debugfs_create_bool("esw_multiport", 0600, nic->dir, &control->esw_multiport);
	debugfs_create_file("refuse", 0600, nic->dir, nic, &refuse_fops);
	debugfs_create_file("ignore", 0600, nic->dir, nic, &ignore_fops);
	debugfs_create_file("fail_inserts", 0600, nic->dir, nic, &fail_inserts_fops);
	debugfs_create_file("counters", 0600, nic->dir, nic, &counters_fops);
	debugfs_create_file("rules", 0400, nic->dir, nic, &rules_fops);
	debugfs_create_file("totals", 0400, nic->dir, nic, &totals_fops);
	ports = debugfs_create_dir("ports", nic->dir);
	for (i = 0; i < nic->n_ports; i++)
		esw_add_port_files(&nic->ports[i], ports);
}

/* Waits for whoever is inside one of the files. */
void esw_debugfs_exit(struct esw_nic *nic)
{
	debugfs_remove_recursive(nic->dir);
}
