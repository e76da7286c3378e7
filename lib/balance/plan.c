/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building plans: see plan.h. In order: VIP numbers, services and ranges, addresses, servers,
 * Maglev tables. Each takes over from the previous plan what is still there.
 */
#include "balance/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "balance/maglev.h"
#include "base/tick.h"

/* A Maglev table and what it was built from; shared by the plans in which that is the same. */
struct maglev_table {
	unsigned references;
	uint32_t size;
	size_t n_members;
	struct gt_maglev_server *members;
	uint16_t slots[];
};

/* What the next plan needs of this one. */
struct gt_plan_build {
	uint32_t service_cursor, server_cursor,
		vip_cursor;			/* where the search for a number goes on */
	uint32_t *vips_by_name, n_vips_by_name; /* numbers, sorted */
	uint32_t *servers_by_name, n_servers_by_name;
	struct maglev_table **tables; /* by VIP number; NULL: none */
};

/* State of one build. */
struct builder {
	const struct gt_config *config;
	const struct gt_server_state *states;
	const struct gt_plan *previous;
	struct gt_plan *plan;
	uint16_t *vip_numbers; /* by index in the configuration */
	uint8_t *used;	       /* numbers that are taken, while one kind is numbered */
	uint32_t ranges_room;
};

static void *new_array(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}

/* The next free number below `max` from *cursor on, round and round; 0 if there is none. */
static uint32_t take_number(uint8_t *used, uint32_t *cursor, uint32_t max)
{
	for (uint32_t tries = 0; tries < max; tries++) {
		uint32_t n = *cursor;

		*cursor = n + 1 < max ? n + 1 : 1;
		if (!used[n]) {
			used[n] = 1;
			return n;
		}
	}
	return 0;
}

/* ---- finding in the previous plan by name ---- */

static int compare_vips(const struct gt_plan_names *a, const struct gt_plan_names *b)
{
	return strcmp(a->vip->name, b->vip->name);
}

static int compare_servers(const struct gt_plan_names *a, const struct gt_plan_names *b)
{
	int c = strcmp(a->vip->name, b->vip->name);

	if (c == 0)
		c = strcmp(a->server->name, b->server->name);
	/* A server with another address is another server: its connections must move. */
	return c != 0 ? c
		      : memcmp(&a->server->address, &b->server->address, sizeof(struct gt_addr));
}

typedef int compare_fn(const struct gt_plan_names *, const struct gt_plan_names *);

struct sort_context {
	const struct gt_plan_names *names;
	compare_fn *compare;
};

static int compare_numbers(const void *a, const void *b, void *ctx)
{
	const struct sort_context *s = ctx;

	return s->compare(&s->names[*(const uint32_t *)a], &s->names[*(const uint32_t *)b]);
}

/* All used numbers below n, sorted by name. NULL: no memory. */
static uint32_t *sort_by_name(const struct gt_plan_names *names, uint32_t n, compare_fn *compare,
			      uint32_t *count)
{
	struct sort_context ctx = {names, compare};
	uint32_t *list = new_array(n, sizeof(*list));

	*count = 0;
	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		if (names[i].vip != NULL)
			list[(*count)++] = i;
	qsort_r(list, *count, sizeof(*list), compare_numbers, &ctx);
	return list;
}

/* The number of `wanted` in such a list, or 0. */
static uint32_t find_by_name(const struct gt_plan_names *names, const uint32_t *list, uint32_t n,
			     compare_fn *compare, const struct gt_plan_names *wanted)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = compare(wanted, &names[list[mid]]);

		if (c == 0)
			return list[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return 0;
}

/*
 * Gives `n` things numbers: those that the previous plan had keep theirs, found[i]; the others (0)
 * get new ones that neither plan uses. Returns the highest + 1, or 0 if there are not enough.
 */
static uint32_t give_numbers(struct builder *b, uint16_t *found, size_t n, uint32_t *cursor,
			     uint32_t max)
{
	uint32_t end = 1;

	for (size_t i = 0; i < n; i++) {
		if (found[i] == 0)
			found[i] = (uint16_t)take_number(b->used, cursor, max);
		if (found[i] == 0)
			return 0;
		if (found[i] >= end)
			end = found[i] + 1U;
	}
	return end;
}

/* ---- VIPs ---- */

static int number_vips(struct builder *b)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;

	memset(b->used, 0, GT_SERVICES_MAX);
	for (uint32_t i = 0; old != NULL && i < old->n_vips; i++)
		b->used[i] = old->vip_names[i].vip != NULL;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		struct gt_plan_names wanted = {.vip = &b->config->vips[i]};

		if (old != NULL)
			b->vip_numbers[i] = (uint16_t)find_by_name(
				old->vip_names, old->build->vips_by_name,
				old->build->n_vips_by_name, compare_vips, &wanted);
	}
	plan->n_vips = give_numbers(b, b->vip_numbers, b->config->n_vips, &plan->build->vip_cursor,
				    GT_VIPS_MAX);
	if (plan->n_vips == 0)
		return -ENOSPC;
	plan->vips = new_array(plan->n_vips, sizeof(*plan->vips));
	plan->vip_names = new_array(plan->n_vips, sizeof(*plan->vip_names));
	plan->build->tables = new_array(plan->n_vips, sizeof(*plan->build->tables));
	if (plan->vips == NULL || plan->vip_names == NULL || plan->build->tables == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *c = &b->config->vips[i];
		struct gt_plan_vip *v = &plan->vips[b->vip_numbers[i]];

		plan->vip_names[b->vip_numbers[i]].vip = c;
		v->addr = c->address;
		v->protocol = (uint8_t)c->protocol;
		v->idle_ticks = c->idle_timeout_s * (1000 / GT_TICK_MS);
		if (v->idle_ticks == 0)
			v->idle_ticks =
				c->protocol == GT_PROTO_TCP ? GT_TICKS_ESTABLISHED : GT_TICKS_UDP;
	}
	plan->build->vips_by_name = sort_by_name(plan->vip_names, plan->n_vips, compare_vips,
						 &plan->build->n_vips_by_name);
	return plan->build->vips_by_name == NULL ? -ENOMEM : 0;
}

/* ---- services and port ranges ---- */

static uint32_t count_ports(const struct gt_config_vip *vip)
{
	uint32_t n = 0;

	for (size_t i = 0; i < vip->n_ports; i++)
		n += vip->ports[i].last - vip->ports[i].first + 1U;
	return n;
}

/* What the previous plan called a port of this VIP; 0 if it knew none of the same kind. */
static uint16_t old_service(const struct gt_plan *old, const struct gt_config_vip *vip,
			    uint32_t port, bool wide)
{
	const struct gt_plan_address *a =
		old == NULL ? NULL : gt_plan_find_address(old, &vip->address);
	const struct gt_plan_range *r;

	if (a == NULL || !a->vip)
		return 0;
	r = gt_plan_find_range(old, a, (uint8_t)vip->protocol, (uint16_t)port);
	return r == NULL || r->wide != wide ? 0 : gt_plan_range_service(r, (uint16_t)port);
}

static int add_range(struct builder *b, const struct gt_plan_range *r)
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

static uint16_t new_service(struct builder *b)
{
	return (uint16_t)take_number(b->used, &b->plan->build->service_cursor, GT_SERVICES_MAX);
}

/* A range whose connections have the port in their key: one service for all ranges of the VIP. */
static int add_wide_ranges(struct builder *b, const struct gt_config_vip *vip, uint16_t number)
{
	uint16_t service = old_service(b->previous, vip, vip->ports[0].first, true);

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
static int add_port_ranges(struct builder *b, const struct gt_config_vip *vip,
			   const struct gt_port_range *ports, uint16_t number)
{
	struct gt_plan_range run = {.first = 1, .last = 0};

	for (uint32_t port = ports->first; port <= ports->last; port++) {
		uint16_t service = old_service(b->previous, vip, port, false);

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

static int add_vip_services(struct builder *b, size_t index)
{
	const struct gt_config_vip *vip = &b->config->vips[index];
	const struct gt_plan *old = b->previous;
	uint16_t number = b->vip_numbers[index];

	if (vip->persistence == GT_PERSIST_SOURCE) {
		uint16_t source =
			old != NULL && number < old->n_vips ? old->vips[number].source_service : 0;

		if (source == 0)
			source = new_service(b);
		if (source == 0)
			return -ENOSPC;
		set_service(b->plan, source, number, 0);
		b->plan->vips[number].source_service = source;
	}
	if (count_ports(vip) > GT_PORTS_EXPANDED_MAX)
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

/* ---- addresses ---- */

static struct gt_plan_address *put_address(struct gt_plan *plan, const struct gt_addr *addr)
{
	uint64_t w[2];

	memcpy(w, addr->b, 16);
	uint64_t h = (w[0] ^ w[1]) * 0x9e3779b97f4a7c15ULL;
	uint32_t i = (uint32_t)(h >> 40) & plan->addresses_mask;

	while (plan->addresses[i].used)
		i = (i + 1) & plan->addresses_mask;
	plan->addresses[i].addr = *addr;
	plan->addresses[i].used = true;
	return &plan->addresses[i];
}

static int make_addresses(struct builder *b)
{
	size_t n = b->config->n_vips, room = 16;

	for (size_t i = 0; i < b->config->n_interfaces; i++)
		n += b->config->interfaces[i].n_addresses;
	while (room < n * 2)
		room *= 2;
	b->plan->addresses = new_array(room, sizeof(*b->plan->addresses));
	if (b->plan->addresses == NULL)
		return -ENOMEM;
	b->plan->addresses_mask = (uint32_t)room - 1;
	for (size_t i = 0; i < b->config->n_interfaces; i++) {
		const struct gt_config_interface *c = &b->config->interfaces[i];

		for (size_t j = 0; j < c->n_addresses; j++)
			put_address(b->plan, &c->addresses[j].addr)->in_if = (uint8_t)i;
	}
	return 0;
}

/* One address record with the ranges of all VIPs on it: order[from] to order[to - 1]. */
static int add_vip_address(struct builder *b, const uint32_t *order, size_t from, size_t to)
{
	const struct gt_config_vip *vip = &b->config->vips[order[from]];
	struct gt_plan_address *a = put_address(b->plan, &vip->address);
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

static int make_services(struct builder *b)
{
	const struct gt_plan *old = b->previous;
	size_t n = b->config->n_vips;
	uint32_t *order = new_array(n, sizeof(*order));
	int ret = 0;

	b->plan->services = new_array(GT_SERVICES_MAX, sizeof(*b->plan->services));
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

/* ---- servers ---- */

static bool is_healthy(const struct gt_server_state *s)
{
	return s->up && s->admin != GT_ADMIN_DISABLED;
}

static bool takes_new(const struct gt_server_state *s)
{
	return s->up && s->admin == GT_ADMIN_ENABLED && s->weight > 0;
}

static void fill_server(struct gt_plan *plan, uint16_t number, uint16_t vip,
			const struct gt_config_vip *c, const struct gt_config_server *server,
			const struct gt_server_state *state)
{
	struct gt_plan_server *s = &plan->servers[number];

	plan->server_names[number] = (struct gt_plan_names){c, server, *state};
	s->vip = vip;
	s->out_if = server->interface;
	s->flags = (uint8_t)((is_healthy(state) ? GT_SERVER_KEEPS : 0) |
			     (takes_new(state) ? GT_SERVER_TAKES : 0) |
			     (state->resolved ? GT_SERVER_RESOLVED : 0));
	memcpy(s->macs, state->mac.b, 6);
	memcpy(s->macs + 6, plan->interfaces[server->interface].mac.b, 6);
}

static size_t count_servers(const struct gt_config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_vips; i++)
		n += config->vips[i].n_servers;
	return n;
}

static int number_servers(struct builder *b, uint16_t *numbers)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;
	size_t k = 0;

	memset(b->used, 0, GT_SERVERS_MAX);
	for (uint32_t i = 0; old != NULL && i < old->n_servers; i++)
		b->used[i] = old->server_names[i].vip != NULL;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			struct gt_plan_names wanted = {.vip = vip, .server = &vip->servers[j]};

			if (old != NULL)
				numbers[k] = (uint16_t)find_by_name(
					old->server_names, old->build->servers_by_name,
					old->build->n_servers_by_name, compare_servers, &wanted);
		}
	}
	plan->n_servers = give_numbers(b, numbers, k, &plan->build->server_cursor, GT_SERVERS_MAX);
	return plan->n_servers == 0 ? -ENOSPC : 0;
}

static void mark_echo(struct gt_plan *plan, const struct gt_config_vip *vip)
{
	/* put_address filled it: it is there. The table is the builder's own until published. */
	const struct gt_plan_address *a = gt_plan_find_address(plan, &vip->address);

	plan->addresses[a - plan->addresses].answers_echo = true;
}

static int make_servers(struct builder *b)
{
	struct gt_plan *plan = b->plan;
	uint16_t *numbers = new_array(count_servers(b->config), sizeof(*numbers));
	size_t k = 0;
	int ret;

	if (numbers == NULL)
		return -ENOMEM;
	ret = number_servers(b, numbers);
	if (ret != 0)
		goto out;
	plan->servers = new_array(plan->n_servers, sizeof(*plan->servers));
	plan->server_names = new_array(plan->n_servers, sizeof(*plan->server_names));
	if (plan->servers == NULL || plan->server_names == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			fill_server(plan, numbers[k], b->vip_numbers[i], vip, &vip->servers[j],
				    &b->states[k]);
			if (is_healthy(&b->states[k]))
				mark_echo(plan, vip);
		}
	}
	plan->build->servers_by_name =
		sort_by_name(plan->server_names, plan->n_servers, compare_servers,
			     &plan->build->n_servers_by_name);
	if (plan->build->servers_by_name == NULL)
		ret = -ENOMEM;
out:
	free(numbers);
	return ret;
}

/* ---- Maglev tables ---- */

/* Who a server is to the hash, on every node: its name and address, whatever the seed. */
static uint64_t server_identity(const struct gt_config_server *s)
{
	static const struct gt_siphash_key unkeyed;
	uint8_t bytes[sizeof(s->name) + sizeof(s->address)] = {0};

	memcpy(bytes, s->name, strlen(s->name));
	memcpy(bytes + sizeof(s->name), s->address.b, sizeof(s->address));
	return gt_siphash(&unkeyed, bytes, sizeof(bytes));
}

static void table_free(struct maglev_table *t)
{
	if (t == NULL || --t->references > 0)
		return;
	free(t->members);
	free(t);
}

/* Takes `members` over. */
static struct maglev_table *table_build(const struct gt_siphash_key *seed,
					struct gt_maglev_server *members, size_t n)
{
	/* One server alone needs no permutation. */
	uint32_t size = n == 1 ? 1 : gt_maglev_size(n);
	struct maglev_table *t = malloc(sizeof(*t) + size * sizeof(t->slots[0]));

	if (t == NULL || gt_maglev_build(seed, members, n, t->slots, size) != 0) {
		free(members);
		free(t);
		return NULL;
	}
	t->references = 1;
	t->size = size;
	t->members = members;
	t->n_members = n;
	return t;
}

static struct gt_maglev_server *collect_members(const struct gt_plan *plan, uint16_t vip,
						const uint32_t *numbers, uint32_t n, size_t *count)
{
	struct gt_maglev_server *list = new_array(n, sizeof(*list));

	*count = 0;
	for (uint32_t i = 0; list != NULL && i < n; i++) {
		const struct gt_plan_names *s = &plan->server_names[numbers[i]];

		if (plan->servers[numbers[i]].vip == vip && takes_new(&s->state))
			list[(*count)++] =
				(struct gt_maglev_server){.identity = server_identity(s->server),
							  .weight = s->state.weight,
							  .value = (uint16_t)numbers[i]};
	}
	return list;
}

/* The table of a VIP whose servers have these numbers: the previous plan's, if nothing changed. */
static int make_table(struct builder *b, uint16_t vip, const uint32_t *numbers, uint32_t n)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;
	struct maglev_table *t = NULL;
	struct gt_maglev_server *members;
	size_t count;

	members = collect_members(plan, vip, numbers, n, &count);
	if (members == NULL)
		return -ENOMEM;
	if (count == 0) {
		free(members);
		return 0;
	}
	if (old != NULL && vip < old->n_vips &&
	    memcmp(&old->seed, &plan->seed, sizeof(plan->seed)) == 0)
		t = old->build->tables[vip];
	if (t != NULL && t->n_members == count &&
	    memcmp(t->members, members, count * sizeof(*members)) == 0) {
		free(members);
		t->references++;
	} else {
		t = table_build(&plan->seed, members, count);
		if (t == NULL)
			return -ENOMEM;
	}
	plan->build->tables[vip] = t;
	plan->vips[vip].maglev = t->slots;
	plan->vips[vip].maglev_size = t->size;
	return 0;
}

static int make_tables(struct builder *b)
{
	struct gt_plan_build *build = b->plan->build;
	const struct gt_plan_names *names = b->plan->server_names;

	/* Sorted by VIP first: each VIP's servers stand together. */
	for (uint32_t from = 0, to; from < build->n_servers_by_name; from = to) {
		uint16_t vip = b->plan->servers[build->servers_by_name[from]].vip;
		int ret;

		for (to = from + 1; to < build->n_servers_by_name; to++)
			if (names[build->servers_by_name[to]].vip !=
			    names[build->servers_by_name[from]].vip)
				break;
		ret = make_table(b, vip, &build->servers_by_name[from], to - from);
		if (ret != 0)
			return ret;
	}
	return 0;
}

/* ---- the whole ---- */

static int begin(struct builder *b, const struct gt_mac *macs)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;

	plan->build = calloc(1, sizeof(*plan->build));
	b->vip_numbers = new_array(b->config->n_vips, sizeof(*b->vip_numbers));
	b->used = new_array(GT_SERVICES_MAX, 1);
	if (plan->build == NULL || b->vip_numbers == NULL || b->used == NULL)
		return -ENOMEM;
	plan->generation = old != NULL ? old->generation + 1 : 1;
	plan->build->service_cursor = old != NULL ? old->build->service_cursor : 1;
	plan->build->server_cursor = old != NULL ? old->build->server_cursor : 1;
	plan->build->vip_cursor = old != NULL ? old->build->vip_cursor : 1;
	plan->seed = gt_siphash_key_from_seed(b->config->seed);
	plan->n_interfaces = (unsigned)b->config->n_interfaces;
	for (size_t i = 0; i < b->config->n_interfaces; i++)
		plan->interfaces[i] =
			(struct gt_plan_interface){macs[i], b->config->interfaces[i].vlan};
	return 0;
}

int gt_plan_build(const struct gt_config *config, const struct gt_server_state *states,
		  const struct gt_mac *macs, const struct gt_plan *previous, struct gt_plan **out)
{
	struct builder b = {.config = config, .states = states, .previous = previous};
	int ret = -ENOMEM;

	b.plan = calloc(1, sizeof(*b.plan));
	if (b.plan == NULL)
		return ret;
	ret = begin(&b, macs);
	if (ret == 0)
		ret = number_vips(&b);
	if (ret == 0)
		ret = make_addresses(&b);
	if (ret == 0)
		ret = make_services(&b);
	if (ret == 0)
		ret = make_servers(&b);
	if (ret == 0)
		ret = make_tables(&b);
	free(b.vip_numbers);
	free(b.used);
	if (ret != 0) {
		gt_plan_free(b.plan);
		return ret;
	}
	*out = b.plan;
	return 0;
}

void gt_plan_free(struct gt_plan *plan)
{
	if (plan == NULL)
		return;
	if (plan->build != NULL) {
		for (uint32_t i = 0; plan->build->tables != NULL && i < plan->n_vips; i++)
			table_free(plan->build->tables[i]);
		free(plan->build->tables);
		free(plan->build->vips_by_name);
		free(plan->build->servers_by_name);
		free(plan->build);
	}
	free(plan->addresses);
	free(plan->ranges);
	free(plan->services);
	free(plan->vips);
	free(plan->servers);
	free(plan->vip_names);
	free(plan->server_names);
	free(plan);
}

/* ---- what workers call ---- */

const struct gt_plan_range *gt_plan_find_range(const struct gt_plan *plan,
					       const struct gt_plan_address *address,
					       uint8_t protocol, uint16_t port)
{
	const struct gt_plan_range *ranges = &plan->ranges[address->ranges];
	uint32_t wanted = (uint32_t)protocol << 16 | port;
	uint32_t lo = 0, hi = address->n_ranges;

	/* The last range that begins at or before the port. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (((uint32_t)ranges[mid].protocol << 16 | ranges[mid].first) <= wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || ranges[lo - 1].protocol != protocol || ranges[lo - 1].last < port)
		return NULL;
	return &ranges[lo - 1];
}

uint16_t gt_plan_schedule(const struct gt_plan *plan, uint16_t vip, const struct gt_addr *client,
			  rte_be16_t client_port, rte_be16_t vip_port)
{
	const struct gt_plan_vip *v = &plan->vips[vip];
	struct {
		struct gt_addr client, vip;
		rte_be16_t client_port, vip_port;
		uint32_t protocol;
	} key = {.client = *client};
	size_t len = sizeof(key.client);

	if (v->maglev == NULL)
		return GT_NO_SERVER;
	if (v->source_service == 0) {
		key.vip = v->addr;
		key.client_port = client_port;
		key.vip_port = vip_port;
		key.protocol = rte_cpu_to_le_32(v->protocol);
		len = sizeof(key);
	}
	return v->maglev[gt_maglev_slot(gt_siphash(&plan->seed, &key, len), v->maglev_size)];
}
