// SPDX-License-Identifier: GPL-2.0
/* Module parameters, start and end. */
#include <linux/module.h>
#include <linux/nsproxy.h>

#include "eswsim.h"

static unsigned int uplinks = 2;
module_param(uplinks, uint, 0444);
MODULE_PARM_DESC(uplinks, "uplinks, 1 to 4 (default 2)");

static unsigned int vfs = 2;
module_param(vfs, uint, 0444);
MODULE_PARM_DESC(vfs, "VFs of each uplink, 0 to 9 (default 2)");

static char *personality = "permissive";
module_param(personality, charp, 0444);
MODULE_PARM_DESC(personality, "permissive (default) or mlx5");

static unsigned int table_size;
module_param(table_size, uint, 0444);
MODULE_PARM_DESC(table_size, "rules that fit, whoever adds them; 0 (default) = no limit");

static unsigned int full_errno = ENOSPC;
module_param(full_errno, uint, 0444);
MODULE_PARM_DESC(full_errno, "errno of an insert into a full table (default 28, ENOSPC)");

static unsigned int insert_latency_us;
module_param(insert_latency_us, uint, 0444);
MODULE_PARM_DESC(insert_latency_us, "microseconds that each insert takes (default 0)");

static int sample_ms = -1;
module_param(sample_ms, int, 0444);
MODULE_PARM_DESC(sample_ms, "counter sampling period; 0 = at once, -1 (default) = the personality's");

static bool esw_multiport;
module_param(esw_multiport, bool, 0444);
MODULE_PARM_DESC(esw_multiport, "mlx5: a VF may reach the other uplink (default 0)");

static char *driver = "eswsim";
module_param(driver, charp, 0444);
MODULE_PARM_DESC(driver, "driver name that ethtool -i reports (default eswsim)");

static char *prefix = "";
module_param(prefix, charp, 0444);
MODULE_PARM_DESC(prefix, "put before all netdevs' names, at most 7 characters");

static struct esw_nic *nic;

static int esw_apply_parameters(void)
{
	int chosen = sysfs_streq(personality, esw_personality_names[ESW_MLX5]) ? ESW_MLX5 : ESW_PERMISSIVE;

	if (!sysfs_streq(personality, esw_personality_names[chosen]))
		return -EINVAL;
	nic->eswitch_mode = DEVLINK_ESWITCH_MODE_SWITCHDEV;
	nic->driver = driver;
	nic->prefix = prefix;
	nic->control.table_size = table_size;
	nic->control.full_errno = full_errno;
	nic->control.insert_latency_us = insert_latency_us;
	nic->control.esw_multiport = esw_multiport;
	esw_set_personality(nic, chosen);
	if (sample_ms >= 0)
		esw_sample_every(nic, sample_ms);
	return 0;
}

/* The ports in the order uplink, its VFs, next uplink: only their places, no netdevs yet. */
static void esw_lay_out_ports(void)
{
	unsigned int pf, vf;

	for (pf = 0; pf < uplinks; pf++) {
		struct esw_port *port = &nic->ports[nic->n_ports++];

		port->uplink = true;
		port->pf = pf;
		snprintf(port->name, sizeof(port->name), "p%u", pf);
		for (vf = 0; vf < vfs; vf++) {
			port = &nic->ports[nic->n_ports++];
			port->pf = pf;
			port->vf = vf;
			snprintf(port->name, sizeof(port->name), "pf%uvf%u", pf, vf);
		}
	}
	for (pf = 0; pf < nic->n_ports; pf++) {
		nic->ports[pf].nic = nic;
		nic->ports[pf].index = pf;
		nic->ports[pf].link = true;
	}
}

/* The NIC appears in the network namespace of whoever loads the module. */
static int esw_create(struct platform_device *device)
{
	size_t size = sizeof(*nic) + uplinks * (1 + vfs) * sizeof(nic->ports[0]);
	struct devlink *devlink;
	int err;

	devlink = devlink_alloc_ns(&esw_devlink_ops, size, current->nsproxy->net_ns, &device->dev);
	if (!devlink)
		return -ENOMEM;
	nic = devlink_priv(devlink);
	nic->devlink = devlink;
	nic->device = device;
	INIT_LIST_HEAD(&nic->block_cbs);
	err = esw_table_init(&nic->table);
	if (err)
		goto free_devlink;
	esw_sample_init(nic);
	err = esw_apply_parameters();
	if (err)
		goto destroy_table;
	esw_lay_out_ports();
	devl_lock(devlink);
	err = esw_add_ports(nic, true);
	devl_unlock(devlink);
	if (err)
		goto destroy_table;
	devlink_set_features(devlink, DEVLINK_F_RELOAD);
	devlink_register(devlink);
	esw_debugfs_init(nic);
	return 0;

destroy_table:
	esw_sample_stop(nic);
	esw_table_destroy(&nic->table);
free_devlink:
	devlink_free(devlink);
	return err;
}

static int __init esw_init(void)
{
	struct platform_device *device;
	int err;

	if (uplinks < 1 || uplinks > ESW_MAX_UPLINKS || vfs > ESW_MAX_VFS || strlen(prefix) > 7 ||
	    full_errno < 1 || full_errno > MAX_ERRNO)
		return -EINVAL;
	device = platform_device_register_simple("eswsim", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	err = esw_create(device);
	if (err)
		platform_device_unregister(device);
	return err;
}

static void __exit esw_exit(void)
{
	struct platform_device *device = nic->device;
	struct devlink *devlink = nic->devlink;

	esw_debugfs_exit(nic);
	devlink_unregister(devlink);
	devl_lock(devlink);
	esw_remove_ports(nic, true);
	devl_unlock(devlink);
	esw_sample_stop(nic);
	esw_table_destroy(&nic->table);
	devlink_free(devlink);
	platform_device_unregister(device);
	rcu_barrier();
}

module_init(esw_init);
module_exit(esw_exit);
MODULE_DESCRIPTION("Emulated switchdev NIC with TC flower offload");
MODULE_AUTHOR("The offloadd authors");
MODULE_LICENSE("GPL");
