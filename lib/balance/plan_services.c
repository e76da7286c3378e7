/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses that are ours, the port ranges of VIPs on them, and the services that these are: a
 * number for each port, or one for all where the connection's key has the port.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* The record of a VIP's address in the previous plan, or NULL. */
static const struct gt_plan_address *old_address(const struct gt_plan *old,
						 const struct gt_config_vip *vip)
{
	const struct gt_plan_address *a =
		old == NULL ? NULL : gt_plan_find_address(old, &vip->address);

	return a != NULL && a->vip ? a : NULL;
}

/* What the previous plan called a port of this address; 0 if it had no service of its own. */
static uint16_t old_service(const struct gt_plan *old, const struct gt_config_vip *vip,
			    uint32_t port)
{
	const struct gt_plan_address *a = old_address(old, vip);
	const struct gt_plan_range *r;

	if (a == NULL)
		return 0;
	r = gt_plan_find_range(old, a, (uint8_t)vip->protocol, (uint16_t)port);
	return r == NULL || r->wide ? 0 : gt_plan_range_service(r, (uint16_t)port);
}

/*
 * What the previous plan called the wide ranges of the VIP with this number; 0 if it had none. Not
 * by port: a range that grew begins elsewhere, and of one that was split the other part is another
 * VIP's, which needs a service of its own.
 */
static uint16_t old_wide_service(const struct gt_plan *old, const struct gt_config_vip *vip,
				 uint16_t number)
{
	const struct gt_plan_address *a = old_address(old, vip);

	for (uint32_t i = 0; a != NULL && i < a->n_ranges; i++) {
		const struct gt_plan_range *r = &old->ranges[a->ranges + i];

		if (r->wide && r->protocol == vip->protocol &&
		    old->services[r->service].vip == number)
			return r->service;
	}
	return 0;
}

static int add_range(struct gt_plan_builder *b, const struct gt_plan_range *r)
{
	struct gt_plan *plan = b->plan;

	if (plan->n_ranges == b->ranges_room) {
		uint32_t room = b->ranges_room * 2 + 64;
		struct gt_plan_range *more = realloc(plan->ranges, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		plan->ranges = more;
		b->ranges_room = room;
	}
	plan->ranges[plan->n_ranges++] = *r;
	return 0;
}

static void set_service(struct gt_plan *plan, uint16_t service, uint16_t vip, uint32_t port)
{
	plan->services[service] = (struct gt_plan_service){vip, rte_cpu_to_be_16((uint16_t)port)};
	if (service >= plan->n_services)
		plan->n_services = service + 1U;
}

static uint16_t new_service(struct gt_plan_builder *b)
{
	return (uint16_t)gt_plan_take_number(b->used, &b->plan->build->service_cursor,
					     GT_SERVICES_MAX);
}

/* A range whose connections have the port in their key: one service for all ranges of the VIP. */
static int add_wide_ranges(struct gt_plan_builder *b, const struct gt_config_vip *vip,
			   uint16_t number)
{
	uint16_t service = old_wide_service(b->previous, vip, number);

	if (service == 0)
		service = new_service(b);
	if (service == 0)
		return -ENOSPC;
	set_service(b->plan, service, number, 0);
	for (size_t i = 0; i < vip->n_ports; i++) {
		struct gt_plan_range r = {vip->ports[i].first, vip->ports[i].last, service,
					  (uint8_t)vip->protocol, true};
		int ret = add_range(b, &r);

		if (ret != 0)
			return ret;
	}
	return 0;
}

/*
 * A service for each port. Numbers that the previous plan gave need not follow each other: a range
 * is as long as they do.
 */
static int add_port_ranges(struct gt_plan_builder *b, const struct gt_config_vip *vip,
			   const struct gt_port_range *ports, uint16_t number)
{
	struct gt_plan_range run = {.first = 1, .last = 0};

	for (uint32_t port = ports->first; port <= ports->last; port++) {
		uint16_t service = old_service(b->previous, vip, port);

		if (service == 0)
			service = new_service(b);
		if (service == 0)
			return -ENOSPC;
		set_service(b->plan, service, number, port);
		if (run.first <= run.last && service == run.service + (port - run.first)) {
			run.last = (uint16_t)port;
			continue;
		}
		if (run.first <= run.last) {
			int ret = add_range(b, &run);

			if (ret != 0)
				return ret;
		}
		run = (struct gt_plan_range){(uint16_t)port, (uint16_t)port, service,
					     (uint8_t)vip->protocol, false};
	}
	return add_range(b, &run);
}

/* The service of a VIP's source records: its group's, its own of the previous plan, or a new one; 0
 * if there are not enough. Not its own from a time in a group: those records hold names. */
static uint16_t source_service(struct gt_plan_builder *b, const struct gt_config_vip *vip,
			       uint16_t number)
{
	const struct gt_plan *old = b->previous;

	if (gt_plan_is_grouped(vip))
		return gt_plan_group_service(b->plan, vip->persistence_group);
	if (old != NULL && number < old->n_vips && !old->vips[number].grouped &&
	    old->vips[number].source_service != 0)
		return old->vips[number].source_service;
	return new_service(b);
}

/* Each group's service: the previous plan's, or a new one. */
static int add_group_services(struct gt_plan_builder *b)
{
	for (size_t i = 0; i < b->plan->build->n_group_names; i++) {
		struct gt_plan_group_name *g = &b->plan->build->group_names[i];

		if (g->name[0] != '\0')
			continue;
		g->number = gt_plan_group_service(b->previous, g->group);
		if (g->number == 0)
			g->number = new_service(b);
		if (g->number == 0)
			return -ENOSPC;
	}
	return 0;
}

static int add_vip_services(struct gt_plan_builder *b, size_t index)
{
	const struct gt_config_vip *vip = &b->config->vips[index];
	uint16_t number = b->vip_numbers[index];

	if (vip->persistence == GT_PERSIST_SOURCE) {
		uint16_t source = source_service(b, vip, number);

		if (source == 0)
			return -ENOSPC;
		/* Of a group's VIPs, any one will do: it only says that the service is used. */
		set_service(b->plan, source, number, 0);
		b->plan->vips[number].source_service = source;
	}
	if (gt_ports_count(vip) > GT_PORTS_EXPANDED_MAX)
		return add_wide_ranges(b, vip, number);
	for (size_t i = 0; i < vip->n_ports; i++) {
		int ret = add_port_ranges(b, vip, &vip->ports[i], number);

		if (ret != 0)
			return ret;
	}
	return 0;
}

/* Orders VIPs so that those of one address come together, by protocol and port. */
static int compare_vip_indexes(const void *a, const void *b, void *ctx)
{
	const struct gt_config *config = ctx;
	const struct gt_config_vip *x = &config->vips[*(const uint32_t *)a];
	const struct gt_config_vip *y = &config->vips[*(const uint32_t *)b];
	int c = memcmp(&x->address, &y->address, sizeof(x->address));

	if (c != 0)
		return c;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct gt_plan_range *x = a, *y = b;
	int kx = x->protocol << 16 | x->first, ky = y->protocol << 16 | y->first;

	return kx < ky ? -1 : kx > ky;
}

struct gt_plan_address *gt_plan_put_address(struct gt_plan *plan, const struct gt_addr *addr)
{
	uint64_t h = gt_plan_hash_address(addr);
	uint32_t i = (uint32_t)(h >> 40) & plan->addresses_mask;

	while (plan->addresses[i].used && !gt_addr_equal(&plan->addresses[i].addr, addr))
		i = (i + 1) & plan->addresses_mask;
	plan->addresses[i].addr = *addr;
	plan->addresses[i].used = true;
	return &plan->addresses[i];
}

int gt_plan_make_addresses(struct gt_plan_builder *b)
{
	size_t n = b->config->n_vips;
	uint32_t room;

	for (size_t i = 0; i < b->config->n_interfaces; i++)
		n += b->config->interfaces[i].n_addresses;
	for (size_t i = 0; i < b->config->n_vips; i++)
		n += b->config->vips[i].n_snat_addresses;
	room = gt_plan_table_size(n);
	b->plan->addresses = gt_plan_array(room, sizeof(*b->plan->addresses));
	if (b->plan->addresses == NULL)
		return -ENOMEM;
	b->plan->addresses_mask = room - 1;
	for (size_t i = 0; i < b->config->n_interfaces; i++) {
		const struct gt_config_interface *c = &b->config->interfaces[i];

		for (size_t j = 0; j < c->n_addresses; j++) {
			struct gt_plan_address *a =
				gt_plan_put_address(b->plan, &c->addresses[j].addr);

			a->in_if = (uint8_t)i;
			a->kernel = c->kernel != NULL;
		}
	}
	return 0;
}

/* One address record with the ranges of all VIPs on it: order[from] to order[to - 1]. */
static int add_vip_address(struct gt_plan_builder *b, const uint32_t *order, size_t from, size_t to)
{
	const struct gt_config_vip *vip = &b->config->vips[order[from]];
	struct gt_plan_address *a = gt_plan_put_address(b->plan, &vip->address);
	uint32_t first = b->plan->n_ranges;

	for (size_t i = from; i < to; i++) {
		int ret = add_vip_services(b, order[i]);

		if (ret != 0)
			return ret;
	}
	a->vip = true;
	a->in_if = vip->interface;
	a->ranges = first;
	a->n_ranges = b->plan->n_ranges - first;
	qsort(&b->plan->ranges[first], a->n_ranges, sizeof(*b->plan->ranges), compare_ranges);
	return 0;
}

int gt_plan_make_services(struct gt_plan_builder *b)
{
	const struct gt_plan *old = b->previous;
	size_t n = b->config->n_vips;
	uint32_t *order = gt_plan_array(n, sizeof(*order));
	int ret = 0;

	b->plan->services = gt_plan_array(GT_SERVICES_MAX, sizeof(*b->plan->services));
	if (order == NULL || b->plan->services == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	memset(b->used, 0, GT_SERVICES_MAX);
	for (uint32_t i = 0; old != NULL && i < old->n_services; i++)
		b->used[i] = old->services[i].vip != 0;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), compare_vip_indexes, (void *)(uintptr_t)b->config);
	ret = add_group_services(b);
	for (size_t from = 0, to; from < n && ret == 0; from = to) {
		for (to = from + 1; to < n; to++)
			if (!gt_addr_equal(&b->config->vips[order[from]].address,
					   &b->config->vips[order[to]].address))
				break;
		ret = add_vip_address(b, order, from, to);
	}
out:
	free(order);
	return ret;
}
