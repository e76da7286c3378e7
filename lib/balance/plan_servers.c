/* SPDX-License-Identifier: BSD-3-Clause */
/* VIPs and servers as workers read them. */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/tick.h"

/* on_down as written, or by mode: where gantry's own addresses are in between, only it can tell. */
bool gt_plan_resets(const struct gt_config_vip *c)
{
	if (c->protocol != GT_PROTO_TCP)
		return false;
	if (c->on_down != GT_ON_DOWN_BY_MODE)
		return c->on_down == GT_ON_DOWN_RESET;
	return c->mode == GT_MODE_SNAT || c->mode == GT_MODE_NAT;
}

int gt_plan_make_vips(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;

	plan->vips = gt_plan_array(plan->n_vips, sizeof(*plan->vips));
	plan->vip_names = gt_plan_array(plan->n_vips, sizeof(*plan->vip_names));
	plan->build->tables = gt_plan_array(plan->n_vips, sizeof(*plan->build->tables));
	if (plan->vips == NULL || plan->vip_names == NULL || plan->build->tables == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *c = &b->config->vips[i];
		struct gt_plan_vip *v = &plan->vips[b->vip_numbers[i]];

		plan->vip_names[b->vip_numbers[i]].vip = c;
		v->addr = c->address;
		v->protocol = (uint8_t)c->protocol;
		v->mode = (uint8_t)c->mode;
		v->interface = c->interface;
		v->reset = gt_plan_resets(c);
		v->scheduler = (uint8_t)c->scheduler;
		v->idle_ticks = c->idle_timeout_s * (1000 / GT_TICK_MS);
		if (v->idle_ticks == 0)
			v->idle_ticks =
				c->protocol == GT_PROTO_TCP ? GT_TICKS_ESTABLISHED : GT_TICKS_UDP;
	}
	return gt_plan_sort_vips(plan);
}

static bool is_healthy(const struct gt_server_state *s)
{
	return s->up && s->admin != GT_ADMIN_DISABLED;
}

const char *gt_server_state_name(const struct gt_server_state *s)
{
	if (s->admin == GT_ADMIN_DISABLED)
		return "disabled";
	if (!s->up)
		return "down";
	return s->admin == GT_ADMIN_DRAIN ? "drain" : "up";
}

_Static_assert((int)GT_EXPRESS_DR == (int)GT_MODE_DR + 1 &&
		       (int)GT_EXPRESS_NAT == (int)GT_MODE_NAT + 1 &&
		       (int)GT_EXPRESS_SNAT == (int)GT_MODE_SNAT + 1 &&
		       (int)GT_EXPRESS_TUNNEL == (int)GT_MODE_TUNNEL + 1,
	       "one for each mode");

static bool is_express(const struct gt_plan *plan, const struct gt_config_vip *c,
		       const struct gt_config_server *server)
{
	bool same = gt_addr_is_v4(&c->address) == gt_addr_is_v4(&server->address);

	/* A tunnel's outer header may be of another family. */
	return plan->interfaces[server->interface].vlan == 0 && (same || c->mode == GT_MODE_TUNNEL);
}

/* What an address adds to the sum of a checksum when it becomes another one of its family: not 0.
 */
static uint16_t sum_of(const struct gt_addr *from, const struct gt_addr *to)
{
	uint32_t went = gt_checksum_fold(gt_checksum_add(0, from->b, sizeof(from->b)));

	return (uint16_t)~gt_checksum_fold(gt_checksum_add(went, to->b, sizeof(to->b)));
}

static void fill_server(struct gt_plan *plan, uint16_t number, uint16_t vip,
			const struct gt_config_vip *c, const struct gt_config_server *server,
			const struct gt_server_state *state, uint32_t index)
{
	struct gt_plan_server *s = &plan->servers[number];

	plan->server_names[number] = (struct gt_plan_names){c, server, *state, index};
	s->vip = vip;
	s->out_if = server->interface;
	s->mtu = plan->interfaces[server->interface].mtu;
	s->flags = (uint8_t)((is_healthy(state) ? GT_SERVER_KEEPS : 0) |
			     (gt_server_takes_new(state) ? GT_SERVER_TAKES : 0) |
			     (state->resolved ? GT_SERVER_RESOLVED : 0));
	s->express = is_healthy(state) && state->resolved && is_express(plan, c, server)
			     ? (uint8_t)(c->mode + 1)
			     : GT_EXPRESS_NONE;
	s->addr = server->address;
	s->vip_if = c->interface;
	s->port = rte_cpu_to_be_16(server->port);
	s->mode = (uint8_t)c->mode;
	if (c->mode == GT_MODE_TUNNEL) {
		s->encapsulation = (uint8_t)c->encapsulation;
	} else {
		s->vip_family = gt_addr_is_v4(&c->address) ? GT_VIP_V4 : GT_VIP_V6;
		s->vip_addr = c->address;
	}
	if (c->mode == GT_MODE_NAT)
		s->reply_sum = sum_of(&s->addr, &s->vip_addr);
	memcpy(s->macs, state->mac.b, 6);
	memcpy(s->macs + 6, plan->interfaces[server->interface].mac.b, 6);
}

/* put_address filled it: it is there. The table is the builder's own until published. */
static struct gt_plan_address *address_of(struct gt_plan *plan, const struct gt_config_vip *vip)
{
	return &plan->addresses[gt_plan_find_address(plan, &vip->address) - plan->addresses];
}

void gt_plan_fill_servers(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	size_t k = 0;

	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];
		bool healthy = false;

		if (b->again != NULL && !b->again[i]) {
			k += vip->n_servers;
			continue;
		}
		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			fill_server(plan, b->server_numbers[k], b->vip_numbers[i], vip,
				    &vip->servers[j], &b->states[k], (uint32_t)k);
			healthy = healthy || is_healthy(&b->states[k]);
		}
		if (healthy)
			address_of(plan, vip)->answers_echo = true;
	}
}

int gt_plan_make_servers(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	uint16_t *numbers = gt_plan_array(gt_plan_count_servers(b->config), sizeof(*numbers));
	int ret;

	b->server_numbers = numbers;
	if (numbers == NULL)
		return -ENOMEM;
	ret = gt_plan_number_servers(b, numbers);
	if (ret != 0)
		return ret;
	plan->servers = gt_plan_array(plan->n_servers, sizeof(*plan->servers));
	plan->server_names = gt_plan_array(plan->n_servers, sizeof(*plan->server_names));
	if (plan->servers == NULL || plan->server_names == NULL)
		return -ENOMEM;
	gt_plan_fill_servers(b);
	return gt_plan_sort_servers(plan);
}
