/* SPDX-License-Identifier: BSD-3-Clause */
/* Bonds; see bonds.h. */
#include "bonds.h"

#include <string.h>

#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>

int gt_bonds_find(struct gt_port *port, const struct gt_device *device, const struct gt_log *log)
{
	port->bond_mode = device->bond_mode;
	for (unsigned i = 0; i < device->n_slaves; i++) {
		struct gt_port_slave *s = &port->slaves[i];
		int rc;

		memcpy(s->name, device->slaves[i].name, sizeof(s->name));
		memcpy(s->kernel, device->slaves[i].interface, sizeof(s->kernel));
		rc = rte_eth_dev_get_port_by_name(s->name, &s->id);
		if (rc != 0) {
			gt_log(log, LOG_ERR, "interface %s: DPDK found no device %s, a slave of %s",
			       port->name, s->name, port->device);
			return rc;
		}
		port->n_slaves++;
	}
	return 0;
}

static bool is_active(const struct gt_port *p, uint16_t slave)
{
	uint16_t ids[RTE_MAX_ETHPORTS];
	int n = rte_eth_bond_active_slaves_get(p->id, ids, RTE_MAX_ETHPORTS);

	for (int i = 0; i < n; i++)
		if (ids[i] == slave)
			return true;
	return false;
}

static bool is_distributing(const struct gt_port *p, uint16_t slave)
{
	struct rte_eth_bond_8023ad_slave_info info;

	return rte_eth_bond_8023ad_slave_info(p->id, slave, &info) == 0 &&
	       (info.actor_state & STATE_DISTRIBUTING) != 0;
}

static bool has_link(const struct gt_port_slave *s)
{
	return s->kernel[0] == '\0' || gt_devices_kernel_link(s->kernel);
}

static bool carries(const struct gt_port *p, const struct gt_port_slave *s)
{
	if (!has_link(s))
		return false;
	return p->bond_mode == GT_BOND_LACP ? is_distributing(p, s->id) : is_active(p, s->id);
}

/*
 * Drivers above the kernel's interfaces know nothing of their links in DPDK 22.11, so an
 * active-backup bond of such would stay with a dead slave: it is told to take another. To a slave's
 * own MAC nobody sends; what is for the bond's it hears in promiscuous mode.
 */
static void leave_dead_primary(const struct gt_port *p)
{
	const struct gt_port_slave *to = NULL;
	int primary = rte_eth_bond_primary_get(p->id);
	bool dead = false;

	for (unsigned i = 0; i < p->n_slaves; i++) {
		bool link = has_link(&p->slaves[i]);

		if (p->slaves[i].id == primary)
			dead = !link;
		else if (link && to == NULL)
			to = &p->slaves[i];
	}
	if (!dead || to == NULL)
		return;
	rte_eth_promiscuous_enable(to->id);
	rte_eth_bond_primary_set(p->id, to->id);
}

bool gt_bonds_update(struct gt_port *port, const struct gt_log *log, bool tell)
{
	unsigned n = 0;
	int primary = 0;

	if (port->bond_mode == GT_BOND_ACTIVE_BACKUP) {
		leave_dead_primary(port);
		primary = rte_eth_bond_primary_get(port->id);
	}
	port->moved |= primary != port->primary;
	port->primary = (uint16_t)primary;
	for (unsigned i = 0; i < port->n_slaves; i++) {
		struct gt_port_slave *s = &port->slaves[i];
		bool up = carries(port, s);

		n += up;
		if (tell && up != s->link_up)
			gt_log(log, up ? LOG_NOTICE : LOG_ERR, "interface %s: slave %s%s%s is %s",
			       port->name, s->name, s->kernel[0] != '\0' ? " on " : "", s->kernel,
			       up ? "up" : "down");
		port->moved |= up != s->link_up;
		s->link_up = up;
	}
	return n > 0;
}
