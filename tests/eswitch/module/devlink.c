// SPDX-License-Identifier: GPL-2.0
/*
 * The devlink instance: eswitch mode, and reload, which is also how the NIC survives the end of its
 * network namespace (devlink reloads it into the first one).
 */
#include "eswsim.h"

static int esw_mode_get(struct devlink *devlink, u16 *mode)
{
	struct esw_nic *nic = devlink_priv(devlink);

	*mode = nic->eswitch_mode;
	return 0;
}

/* Legacy mode keeps the representors and refuses all offload, so that a test can see it refused. */
static int esw_mode_set(struct devlink *devlink, u16 mode, struct netlink_ext_ack *extack)
{
	struct esw_nic *nic = devlink_priv(devlink);
	int err = 0;

	mutex_lock(&nic->table.lock);
	if (nic->table.count) {
		NL_SET_ERR_MSG_MOD(extack, "Offloaded rules stand, the eswitch mode cannot change");
		err = -EBUSY;
	} else {
		WRITE_ONCE(nic->eswitch_mode, mode);
	}
	mutex_unlock(&nic->table.lock);
	return err;
}

static int esw_reload_down(struct devlink *devlink, bool netns_change, enum devlink_reload_action action,
			   enum devlink_reload_limit limit, struct netlink_ext_ack *extack)
{
	esw_remove_ports(devlink_priv(devlink), netns_change);
	return 0;
}

static int esw_reload_up(struct devlink *devlink, enum devlink_reload_action action,
			 enum devlink_reload_limit limit, u32 *performed, struct netlink_ext_ack *extack)
{
	*performed = BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT);
	return esw_add_ports(devlink_priv(devlink), true);
}

static int esw_info_get(struct devlink *devlink, struct devlink_info_req *req, struct netlink_ext_ack *extack)
{
	struct esw_nic *nic = devlink_priv(devlink);

	return devlink_info_driver_name_put(req, nic->driver);
}

const struct devlink_ops esw_devlink_ops = {
	.eswitch_mode_get = esw_mode_get,
	.eswitch_mode_set = esw_mode_set,
	.reload_actions = BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT),
	.reload_down = esw_reload_down,
	.reload_up = esw_reload_up,
	.info_get = esw_info_get,
};

/* Adds what is not there. On an error nothing that was added stays. */
int esw_add_ports(struct esw_nic *nic, bool far_too)
{
	int i, err;

	for (i = 0; i < nic->n_ports; i++) {
		err = far_too ? esw_port_add_far(&nic->ports[i]) : 0;
		if (!err)
			err = esw_port_add_rep(&nic->ports[i]);
		if (err) {
			esw_remove_ports(nic, far_too);
			return err;
		}
	}
	return 0;
}

void esw_remove_ports(struct esw_nic *nic, bool far_too)
{
	int i;

	for (i = 0; i < nic->n_ports; i++)
		esw_port_remove_rep(&nic->ports[i]);
	for (i = 0; far_too && i < nic->n_ports; i++)
		esw_port_remove_far(&nic->ports[i]);
}
