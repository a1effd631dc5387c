// SPDX-License-Identifier: GPL-2.0
/*
 * The two netdevs of a port.
 *
 * A packet sent by the far end comes from the wire or the VF: the table first, and what no rule takes
 * goes up through the representor, where XDP, TC, bridges and sockets see it. A packet sent by the
 * representor goes to the far end (slow path). Both ends are received through netif_rx, so no packet
 * recurses.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <net/dst.h>

#include "eswsim.h"

#define ESW_FEATURES_OF_NETDEVS \
	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | \
	 NETIF_F_GSO_SOFTWARE | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_STAG_TX)

static const u8 switch_id[] = {0x02, 0xe5, 0x77, 0x73, 0x69, 0x6d, 0x00, 0x01};

struct esw_netdev {
	struct esw_port *port;
};

static struct esw_port *port_of(const struct net_device *dev)
{
	return ((struct esw_netdev *)netdev_priv(dev))->port;
}

/* ---- packets ---- */

/* Nothing that the stack of one side knew of the packet reaches the other side. */
static void esw_scrub(struct sk_buff *skb)
{
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
	skb_clear_hash(skb);
	skb_reset_redirect(skb);
	skb_set_queue_mapping(skb, 0);
}

static bool esw_receive(struct net_device *dev, struct sk_buff *skb)
{
	u32 packets, bytes;

	esw_wire_size(skb, &packets, &bytes);
	esw_scrub(skb);
	if (dev_forward_skb(dev, skb) != NET_RX_SUCCESS)
		return false;
	dev_sw_netstats_rx_add(dev, bytes);
	if (packets > 1) {
		struct pcpu_sw_netstats *tstats = this_cpu_ptr(dev->tstats);

		u64_stats_update_begin(&tstats->syncp);
		u64_stats_add(&tstats->rx_packets, packets - 1);
		u64_stats_update_end(&tstats->syncp);
	}
	return true;
}

bool esw_port_deliver(struct esw_port *port, struct sk_buff *skb)
{
	struct net_device *far = rcu_dereference_bh(port->far);

	if (!far || !netif_carrier_ok(far)) {
		kfree_skb(skb);
		return false;
	}
	return esw_receive(far, skb);
}

static netdev_tx_t esw_far_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct esw_port *port = port_of(dev);
	struct esw_packet packet;
	struct esw_rule *rule;
	struct net_device *rep;

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb)
		goto dropped;
	rcu_read_lock_bh();
	rep = rcu_dereference_bh(port->rep);
	skb_tx_timestamp(skb);
	if (!rep || !netif_carrier_ok(dev) || !esw_parse_packet(skb, port->index, &packet)) {
		rcu_read_unlock_bh();
		kfree_skb(skb);
		goto dropped;
	}
	dev_sw_netstats_tx_add(dev, packet.packets, packet.bytes);
	rule = esw_table_lookup(&port->nic->table, &packet);
	if (rule) {
		esw_port_count(port, ESW_S_HITS, packet.packets);
		esw_rule_count(rule, packet.packets, packet.bytes);
		esw_act(rule, skb, &packet);
	} else {
		esw_port_count(port, ESW_S_MISSES, packet.packets);
		esw_receive(rep, skb);
	}
	rcu_read_unlock_bh();
	return NETDEV_TX_OK;

dropped:
	dev_core_stats_tx_dropped_inc(dev);
	return NETDEV_TX_OK;
}

static netdev_tx_t esw_rep_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct esw_port *port = port_of(dev);
	u32 packets, bytes;

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb) {
		dev_core_stats_tx_dropped_inc(dev);
		return NETDEV_TX_OK;
	}
	skb_reset_mac_header(skb);
	esw_wire_size(skb, &packets, &bytes);
	rcu_read_lock_bh();
	if (esw_port_deliver(port, skb)) {
		dev_sw_netstats_tx_add(dev, packets, bytes);
		esw_port_count(port, ESW_S_SLOW_TX, packets);
	} else {
		dev_core_stats_tx_dropped_inc(dev);
	}
	rcu_read_unlock_bh();
	return NETDEV_TX_OK;
}

/* ---- link ---- */

/* A link is up when both ends are and no fault holds it down. */
static void esw_update_link(struct esw_port *port)
{
	struct net_device *rep = rtnl_dereference(port->rep), *far = rtnl_dereference(port->far);
	bool up = port->link && rep && far && netif_running(rep) && netif_running(far);

	if (rep)
		up ? netif_carrier_on(rep) : netif_carrier_off(rep);
	if (far)
		up ? netif_carrier_on(far) : netif_carrier_off(far);
}

void esw_port_set_link(struct esw_port *port, bool up)
{
	rtnl_lock();
	port->link = up;
	esw_update_link(port);
	rtnl_unlock();
}

static int esw_open_or_stop(struct net_device *dev)
{
	esw_update_link(port_of(dev));
	return 0;
}

/* ---- netdev operations ---- */

static int esw_dev_init(struct net_device *dev)
{
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
}

static void esw_dev_uninit(struct net_device *dev)
{
	free_percpu(dev->tstats);
	dev->tstats = NULL;
}

/* As mlx5: an uplink with rules keeps hw-tc-offload on; a VF representor agrees and keeps its rules. */
static int esw_set_features(struct net_device *dev, netdev_features_t features)
{
	struct esw_port *port = port_of(dev);
	struct esw_rule *rule;
	unsigned long number;
	bool active = false;

	if ((features & NETIF_F_HW_TC) || !(dev->features & NETIF_F_HW_TC) || !port->uplink)
		return 0;
	mutex_lock(&port->nic->table.lock);
	xa_for_each(&port->nic->table.by_number, number, rule)
		active |= rule->port == port;
	mutex_unlock(&port->nic->table.lock);
	if (!active)
		return 0;
	netdev_info(dev, "active offloaded TC filters, hw-tc-offload stays on\n");
	return -EINVAL;
}

static struct devlink_port *esw_get_devlink_port(struct net_device *dev)
{
	return &port_of(dev)->dl_port;
}

static const struct net_device_ops esw_rep_ops = {
	.ndo_init = esw_dev_init,
	.ndo_uninit = esw_dev_uninit,
	.ndo_open = esw_open_or_stop,
	.ndo_stop = esw_open_or_stop,
	.ndo_start_xmit = esw_rep_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_features = esw_set_features,
	.ndo_setup_tc = esw_setup_tc,
	.ndo_get_devlink_port = esw_get_devlink_port,
};

static const struct net_device_ops esw_far_ops = {
	.ndo_init = esw_dev_init,
	.ndo_uninit = esw_dev_uninit,
	.ndo_open = esw_open_or_stop,
	.ndo_stop = esw_open_or_stop,
	.ndo_start_xmit = esw_far_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

struct esw_port *esw_port_of_rep(const struct net_device *dev)
{
	return dev->netdev_ops == &esw_rep_ops ? port_of(dev) : NULL;
}

static void esw_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct esw_nic *nic = port_of(dev)->nic;

	strscpy(info->driver, nic->driver, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&nic->device->dev), sizeof(info->bus_info));
}

static const struct ethtool_ops esw_ethtool_ops = {
	.get_drvinfo = esw_get_drvinfo,
	.get_link = ethtool_op_get_link,
};

static void esw_setup(struct net_device *dev)
{
	ether_setup(dev);
	eth_hw_addr_random(dev);
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_NO_QUEUE;
	dev->features |= NETIF_F_LLTX | ESW_FEATURES_OF_NETDEVS;
	dev->hw_features |= ESW_FEATURES_OF_NETDEVS;
	dev->vlan_features = ESW_FEATURES_OF_NETDEVS &
			     ~(NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_STAG_TX);
	dev->max_mtu = ETH_MAX_MTU;
	dev->ethtool_ops = &esw_ethtool_ops;
}

/* ---- coming and going ---- */

static struct net_device *esw_alloc(struct esw_port *port, const char *name)
{
	struct net_device *dev = alloc_netdev(sizeof(struct esw_netdev), name, NET_NAME_PREDICTABLE, esw_setup);

	if (!dev)
		return NULL;
	dev_net_set(dev, devlink_net(port->nic->devlink));
	((struct esw_netdev *)netdev_priv(dev))->port = port;
	return dev;
}

static int esw_register(struct net_device *dev, struct net_device __rcu **place)
{
	int err;

	rtnl_lock();
	netif_carrier_off(dev);
	err = register_netdevice(dev);
	if (!err)
		rcu_assign_pointer(*place, dev);
	rtnl_unlock();
	if (err)
		free_netdev(dev);
	return err;
}

static void esw_unregister(struct esw_port *port, struct net_device __rcu **place)
{
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_dereference(*place);
	RCU_INIT_POINTER(*place, NULL);
	esw_update_link(port);
	unregister_netdevice(dev);
	rtnl_unlock();
	free_netdev(dev);
}

int esw_port_add_far(struct esw_port *port)
{
	struct net_device *dev;
	char name[IFNAMSIZ];

	if (rcu_access_pointer(port->far))
		return 0;
	if (port->uplink)
		snprintf(name, sizeof(name), "%swire%u", port->nic->prefix, port->pf);
	else
		snprintf(name, sizeof(name), "%svf%u%u", port->nic->prefix, port->pf, port->vf);
	dev = esw_alloc(port, name);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &esw_far_ops;
	return esw_register(dev, &port->far);
}

void esw_port_remove_far(struct esw_port *port)
{
	if (rcu_access_pointer(port->far))
		esw_unregister(port, &port->far);
}

static int esw_add_devlink_port(struct esw_port *port)
{
	struct devlink_port_attrs attrs = {};

	memset(&port->dl_port, 0, sizeof(port->dl_port));
	memcpy(attrs.switch_id.id, switch_id, sizeof(switch_id));
	attrs.switch_id.id_len = sizeof(switch_id);
	if (port->uplink) {
		attrs.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL;
		attrs.phys.port_number = port->pf;
	} else {
		attrs.flavour = DEVLINK_PORT_FLAVOUR_PCI_VF;
		attrs.pci_vf.pf = port->pf;
		attrs.pci_vf.vf = port->vf;
	}
	devlink_port_attrs_set(&port->dl_port, &attrs);
	return devl_port_register(port->nic->devlink, &port->dl_port, port->index);
}

int esw_port_add_rep(struct esw_port *port)
{
	struct net_device *dev;
	char name[IFNAMSIZ];
	int err;

	if (rcu_access_pointer(port->rep))
		return 0;
	snprintf(name, sizeof(name), "%s%s", port->nic->prefix, port->name);
	dev = esw_alloc(port, name);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &esw_rep_ops;
	dev->features |= NETIF_F_HW_TC;
	dev->hw_features |= NETIF_F_HW_TC;
	SET_NETDEV_DEV(dev, &port->nic->device->dev);
	err = esw_add_devlink_port(port);
	if (err) {
		free_netdev(dev);
		return err;
	}
	WRITE_ONCE(port->generation, port->generation + 1);
	err = esw_register(dev, &port->rep);
	if (err) {
		devl_port_unregister(&port->dl_port);
		return err;
	}
	devlink_port_type_eth_set(&port->dl_port, dev);
	return 0;
}

void esw_port_remove_rep(struct esw_port *port)
{
	if (!rcu_access_pointer(port->rep))
		return;
	devlink_port_type_clear(&port->dl_port);
	esw_unregister(port, &port->rep);
	devl_port_unregister(&port->dl_port);
}
