/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan: numbers that stay over every rebuild, services of ports and ranges, addresses, what a
 * server's state means, and that the schedule follows from seed and names alone. Configurations are
 * made by hand (support.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/tick.h"
#include "support.h"

#define TCP GT_PROTO_TCP
#define UDP GT_PROTO_UDP

static const uint16_t *maglev_of(const struct gt_plan *plan, const char *vip)
{
	return plan->vips[support_vip_number(plan, vip)].slots;
}

static uint16_t schedule(const struct gt_plan *plan, const char *vip, uint32_t client,
			 uint16_t client_port, uint16_t vip_port)
{
	struct gt_addr a = gt_addr_from_v4(rte_cpu_to_be_32(client));

	return gt_plan_schedule(plan, support_vip_number(plan, vip), &a,
				rte_cpu_to_be_16(client_port), rte_cpu_to_be_16(vip_port));
}

/* ---- numbers ---- */

static void build_first_plan_numbers_are_distinct_and_not_0(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL);
	uint16_t n[5], web = support_vip_number(p, "web"), dns = support_vip_number(p, "dns");

	(void)state;
	n[0] = support_server_number(p, "web", "a");
	n[1] = support_server_number(p, "web", "b");
	n[2] = support_server_number(p, "web", "c");
	n[3] = support_server_number(p, "dns", "d");
	n[4] = support_server_number(p, "dns", "e");
	assert_int_not_equal(web, 0);
	assert_int_not_equal(dns, 0);
	assert_int_not_equal(web, dns);
	for (int i = 0; i < 5; i++) {
		assert_int_not_equal(n[i], 0);
		assert_true(n[i] < p->n_servers);
		assert_int_equal(p->servers[n[i]].vip, i < 3 ? web : dns);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(n[i], n[j]);
	}
	assert_true(p->generation == 1);
	assert_int_equal(p->services[0].vip, 0);
	gt_plan_free(p);
	support_config_free(c);
}

static void build_reordered_config_keeps_all_numbers(void **state)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL), *q;

	(void)state;
	support_swap_vips(d, 0, 1);
	support_swap_servers(d, 1, 0, 2);
	support_swap_servers(d, 0, 0, 1);
	q = support_plan(d, NULL, p);
	assert_true(q->generation == 2);
	assert_int_equal(support_vip_number(q, "web"), support_vip_number(p, "web"));
	assert_int_equal(support_vip_number(q, "dns"), support_vip_number(p, "dns"));
	for (const char *s = "abc"; *s != '\0'; s++) {
		char name[2] = {*s, '\0'};

		assert_int_equal(support_server_number(q, "web", name),
				 support_server_number(p, "web", name));
	}
	assert_int_equal(support_service(q, "192.0.2.100", TCP, 80),
			 support_service(p, "192.0.2.100", TCP, 80));
	assert_int_equal(support_service(q, "192.0.2.100", TCP, 443),
			 support_service(p, "192.0.2.100", TCP, 443));
	assert_int_equal(support_service(q, "192.0.2.101", UDP, 53),
			 support_service(p, "192.0.2.101", UDP, 53));
	gt_plan_free(p); /* before the newer one: shared tables live on */
	assert_int_not_equal(schedule(q, "web", 1, 1, 80), 0);
	gt_plan_free(q);
	support_config_free(c);
	support_config_free(d);
}

static void build_added_and_removed_servers_leave_the_others_alone(void **state)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL), *q;
	uint16_t b = support_server_number(p, "web", "b"), f;

	(void)state;
	support_remove_server(d, 0, 1);
	support_server(d, 0, "f", "192.0.2.16", 100);
	q = support_plan(d, NULL, p);
	f = support_server_number(q, "web", "f");
	assert_int_equal(support_server_number(q, "web", "a"),
			 support_server_number(p, "web", "a"));
	assert_int_equal(support_server_number(q, "web", "c"),
			 support_server_number(p, "web", "c"));
	assert_int_equal(support_server_number(q, "dns", "e"),
			 support_server_number(p, "dns", "e"));
	assert_int_equal(support_server_number(q, "web", "b"), 0);
	/* The new one never gets the gone one's number, and that number keeps nothing. */
	assert_int_not_equal(f, 0);
	assert_int_not_equal(f, b);
	assert_true(b >= q->n_servers || q->servers[b].flags == 0);
	gt_plan_free(q);
	gt_plan_free(p);
	support_config_free(c);
	support_config_free(d);
}

static void build_server_with_another_address_is_another_server(void **state)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL), *q;

	(void)state;
	d->vips[0].servers[0].address = support_addr("192.0.2.99");
	q = support_plan(d, NULL, p);
	assert_int_not_equal(support_server_number(q, "web", "a"),
			     support_server_number(p, "web", "a"));
	assert_int_equal(support_server_number(q, "web", "b"),
			 support_server_number(p, "web", "b"));
	gt_plan_free(q);
	gt_plan_free(p);
	support_config_free(c);
	support_config_free(d);
}

/* One server comes and goes; its number must not come back before all others had their turn. */
static void build_removed_numbers_are_not_reused_soon(void **state)
{
	struct gt_config *with = support_config_usual(), *without = support_config_usual();
	uint8_t *seen = calloc(65536, 1);
	struct gt_plan *p;

	(void)state;
	assert_non_null(seen);
	support_server(with, 0, "f", "192.0.2.16", 100);
	support_ports(&with->vips[0], "80,443,8080");
	p = support_plan(without, NULL, NULL);
	for (int i = 0; i < 200; i++) {
		struct gt_plan *q = support_plan(with, NULL, p), *r;
		uint16_t n = support_server_number(q, "web", "f");
		uint16_t s = support_service(q, "192.0.2.100", TCP, 8080);

		assert_int_equal(seen[n] & 1, 0);
		seen[n] |= 1;
		assert_int_equal(seen[s] & 2, 0);
		seen[s] |= 2;
		gt_plan_free(p);
		r = support_plan(without, NULL, q);
		gt_plan_free(q);
		p = r;
	}
	gt_plan_free(p);
	support_config_free(with);
	support_config_free(without);
	free(seen);
}

static void build_cursor_goes_round_without_taking_numbers_in_use(void **state)
{
	struct gt_config *c = support_config(1);
	struct gt_plan *p;
	uint16_t first[16];

	(void)state;
	support_interface(c, "lan", 0, "10.0.0.2/8");
	/* 16 that stay, and 20,000 ports that come and go: 65,535 is passed after four rounds. */
	for (int i = 0; i < 96; i++) {
		char name[16], addr[32];
		size_t v;

		snprintf(name, sizeof(name), "v%d", i);
		snprintf(addr, sizeof(addr), "10.1.0.%d", i);
		v = support_vip(c, name, addr, TCP, i < 16 ? "80" : "1000-1249");
		support_server(c, v, "s", "10.0.0.9", 1);
	}
	p = support_plan(c, NULL, NULL);
	for (int i = 0; i < 16; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.1.0.%d", i);
		first[i] = support_service(p, addr, TCP, 80);
	}
	for (int round = 0; round < 8; round++) {
		struct gt_plan *q;
		char ports[16];

		snprintf(ports, sizeof(ports), "%d-%d", 2000 + round * 300, 2249 + round * 300);
		for (int i = 16; i < 96; i++)
			support_ports(&c->vips[i], ports);
		q = support_plan(c, NULL, p);
		for (int i = 16; i < 96; i++) {
			char addr[32];

			snprintf(addr, sizeof(addr), "10.1.0.%d", i);
			for (uint16_t port = (uint16_t)(2000 + round * 300);
			     port <= 2249 + round * 300; port++) {
				uint16_t s = support_service(q, addr, TCP, port);

				assert_int_not_equal(s, 0);
				assert_int_equal(q->services[s].vip,
						 support_vip_number(q, c->vips[i].name));
				assert_int_equal(q->services[s].port, rte_cpu_to_be_16(port));
				for (int j = 0; j < 16; j++)
					assert_int_not_equal(s, first[j]);
			}
		}
		assert_int_equal(support_service(q, "10.1.0.0", TCP, 80), first[0]);
		gt_plan_free(p);
		p = q;
	}
	gt_plan_free(p);
	support_config_free(c);
}

/* ---- servers' states ---- */

struct outcome {
	bool keeps, takes, echo, table;
};

static struct outcome outcome_of(bool up, enum gt_admin admin, uint16_t weight)
{
	struct gt_config *c = support_config(1);
	struct gt_server_state *s;
	const struct gt_plan_server *server;
	struct gt_plan *p;
	struct gt_addr vip = support_addr("192.0.2.100");
	struct outcome o;

	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_server(c, support_vip(c, "web", "192.0.2.100", TCP, "80"), "a", "192.0.2.11", 100);
	s = support_states(c);
	s[0].up = up;
	s[0].admin = admin;
	s[0].weight = weight;
	p = support_plan(c, s, NULL);
	server = &p->servers[support_server_number(p, "web", "a")];
	o.keeps = server->flags & GT_SERVER_KEEPS;
	o.takes = server->flags & GT_SERVER_TAKES;
	o.echo = gt_plan_find_address(p, &vip)->answers_echo;
	o.table = maglev_of(p, "web") != NULL;
	assert_int_equal(schedule(p, "web", 1, 2, 80) != GT_NO_SERVER, o.table);
	free(s);
	gt_plan_free(p);
	support_config_free(c);
	return o;
}

static void build_states_mean_what_the_contract_says(void **state)
{
	static const struct {
		bool up;
		enum gt_admin admin;
		uint16_t weight;
		struct outcome want;
	} rows[] = {
		{true, GT_ADMIN_ENABLED, 100, {true, true, true, true}},
		{true, GT_ADMIN_ENABLED, 0, {true, false, true, false}},
		{true, GT_ADMIN_DRAIN, 100, {true, false, true, false}},
		{true, GT_ADMIN_DRAIN, 0, {true, false, true, false}},
		{true, GT_ADMIN_DISABLED, 100, {false, false, false, false}},
		{false, GT_ADMIN_ENABLED, 100, {false, false, false, false}},
		{false, GT_ADMIN_DRAIN, 100, {false, false, false, false}},
		{false, GT_ADMIN_DISABLED, 0, {false, false, false, false}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o = outcome_of(rows[i].up, rows[i].admin, rows[i].weight);

		if (o.keeps != rows[i].want.keeps || o.takes != rows[i].want.takes ||
		    o.echo != rows[i].want.echo || o.table != rows[i].want.table)
			fail_msg("row %zu: keeps %d takes %d echo %d table %d", i, o.keeps, o.takes,
				 o.echo, o.table);
	}
}

static void build_echo_is_answered_while_any_vip_of_the_address_is_healthy(void **state)
{
	struct gt_addr addr = support_addr("192.0.2.100");
	struct gt_config *c = support_config_usual();
	struct gt_server_state *s;
	struct gt_plan *p;

	(void)state;
	c->vips[1].address = addr;
	s = support_states(c);
	for (int i = 0; i < 3; i++)
		s[i].up = false;
	p = support_plan(c, s, NULL);
	assert_true(gt_plan_find_address(p, &addr)->answers_echo);
	gt_plan_free(p);
	s[3].up = s[4].up = false;
	p = support_plan(c, s, NULL);
	assert_false(gt_plan_find_address(p, &addr)->answers_echo);
	gt_plan_free(p);
	free(s);
	support_config_free(c);
}

static void build_servers_have_macs_interface_and_resolution(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_server_state *s;
	struct gt_plan *p;
	const struct gt_plan_server *a, *b;
	struct gt_mac mac;

	(void)state;
	support_interface(c, "san", 42, "198.51.100.2/24");
	c->vips[0].servers[1].interface = 1;
	s = support_states(c);
	s[0].resolved = false;
	p = support_plan(c, s, NULL);
	a = &p->servers[support_server_number(p, "web", "a")];
	b = &p->servers[support_server_number(p, "web", "b")];
	assert_false(a->flags & GT_SERVER_RESOLVED);
	assert_true(a->flags & GT_SERVER_TAKES);
	assert_true(b->flags & GT_SERVER_RESOLVED);
	assert_int_equal(b->out_if, 1);
	mac = support_server_mac(&c->vips[0].servers[1].address);
	assert_memory_equal(b->macs, mac.b, 6);
	mac = support_interface_mac(1);
	assert_memory_equal(b->macs + 6, mac.b, 6);
	assert_int_equal(p->interfaces[1].vlan, 42);
	assert_int_equal(p->n_interfaces, 2);
	gt_plan_free(p);
	free(s);
	support_config_free(c);
}

static void build_idle_timeout_replaces_the_default(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL);

	(void)state;
	assert_int_equal(p->vips[support_vip_number(p, "web")].idle_ticks, 7440 * 4);
	assert_int_equal(p->vips[support_vip_number(p, "dns")].idle_ticks, 180 * 4);
	gt_plan_free(p);
	c->vips[0].idle_timeout_s = 86400;
	c->vips[1].idle_timeout_s = 1;
	p = support_plan(c, NULL, NULL);
	assert_int_equal(p->vips[support_vip_number(p, "web")].idle_ticks, 86400 * 4);
	assert_int_equal(p->vips[support_vip_number(p, "dns")].idle_ticks, 4);
	gt_plan_free(p);
	support_config_free(c);
}

/* ---- Maglev tables ---- */

static void build_unchanged_vip_shares_its_table(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_server_state *s = support_states(c);
	struct gt_plan *p = support_plan(c, s, NULL), *q, *r;

	(void)state;
	s[3].weight = 50; /* dns/d */
	q = support_plan(c, s, p);
	assert_ptr_equal(maglev_of(q, "web"), maglev_of(p, "web"));
	assert_ptr_not_equal(maglev_of(q, "dns"), maglev_of(p, "dns"));
	s[1].resolved = false; /* a MAC is nothing to the hash */
	r = support_plan(c, s, q);
	assert_ptr_equal(maglev_of(r, "web"), maglev_of(p, "web"));
	assert_ptr_equal(maglev_of(r, "dns"), maglev_of(q, "dns"));
	gt_plan_free(q);
	gt_plan_free(p);
	assert_int_not_equal(schedule(r, "web", 9, 9, 80), 0);
	gt_plan_free(r);
	free(s);
	support_config_free(c);
}

static void build_state_or_weight_or_seed_change_makes_a_new_table(void **state)
{
	for (int change = 0; change < 5; change++) {
		struct gt_config *c = support_config_usual();
		struct gt_server_state *s = support_states(c);
		struct gt_plan *p = support_plan(c, s, NULL), *q;

		(void)state;
		if (change == 0)
			s[0].weight = 99;
		else if (change == 1)
			s[0].up = false;
		else if (change == 2)
			s[0].admin = GT_ADMIN_DRAIN;
		else if (change == 3)
			s[0].weight = 0;
		else
			c->seed++;
		q = support_plan(c, s, p);
		assert_ptr_not_equal(maglev_of(q, "web"), maglev_of(p, "web"));
		gt_plan_free(p);
		gt_plan_free(q);
		free(s);
		support_config_free(c);
	}
}

static void build_table_holds_only_servers_that_take(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_server_state *s = support_states(c);
	struct gt_plan *p;
	const struct gt_plan_vip *v;

	(void)state;
	s[0].up = false;
	s[1].weight = 1;
	s[2].weight = 65535;
	p = support_plan(c, s, NULL);
	v = &p->vips[support_vip_number(p, "web")];
	for (uint32_t i = 0; i < v->n_slots; i++)
		assert_true(v->slots[i] == support_server_number(p, "web", "b") ||
			    v->slots[i] == support_server_number(p, "web", "c"));
	gt_plan_free(p);
	free(s);
	support_config_free(c);
}

/* ---- schedules ---- */

static const char *name_of(const struct gt_plan *p, uint16_t server)
{
	return p->server_names[server].server->name;
}

static void schedule_follows_from_names_not_from_order_or_history(void **state)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual(),
			 *e = support_config_usual();
	struct gt_plan *p, *q, *first;

	(void)state;
	support_swap_vips(d, 0, 1);
	support_swap_servers(d, 1, 0, 2);
	support_swap_servers(d, 1, 1, 2);
	p = support_plan(c, NULL, NULL);
	/* d has a history: other numbers for the same servers */
	support_remove_server(e, 0, 0);
	support_server(e, 0, "x", "192.0.2.77", 100);
	first = support_plan(e, NULL, NULL);
	q = support_plan(d, NULL, first);
	assert_int_not_equal(support_server_number(p, "web", "a"),
			     support_server_number(q, "web", "a"));
	for (uint32_t i = 0; i < 20000; i++) {
		uint16_t a = schedule(p, "web", 0x0a000000 + i * 7919, (uint16_t)(i * 31), 80);
		uint16_t b = schedule(q, "web", 0x0a000000 + i * 7919, (uint16_t)(i * 31), 80);

		assert_string_equal(name_of(p, a), name_of(q, b));
	}
	gt_plan_free(p);
	gt_plan_free(q);
	gt_plan_free(first);
	support_config_free(c);
	support_config_free(d);
	support_config_free(e);
}

static void schedule_differs_with_the_seed_and_every_part_of_the_tuple(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p = support_plan(c, NULL, NULL), *q;
	int seed = 0, address = 0, port = 0, vip_port = 0;

	(void)state;
	c->seed = 8;
	q = support_plan(c, NULL, NULL);
	for (uint32_t i = 0; i < 9000; i++) {
		uint16_t s = schedule(p, "web", i, 1000, 80);

		seed += s == schedule(q, "web", i, 1000, 80);
		address += s == schedule(p, "web", i + 1, 1000, 80);
		port += s == schedule(p, "web", i, 1001, 80);
		vip_port += s == schedule(p, "web", i, 1000, 443);
	}
	/* one in three by chance, give or take 4.5 standard deviations (45) */
	assert_in_range(seed, 2800, 3200);
	assert_in_range(address, 2800, 3200);
	assert_in_range(port, 2800, 3200);
	assert_in_range(vip_port, 2800, 3200);
	gt_plan_free(p);
	gt_plan_free(q);
	support_config_free(c);
}

static void schedule_persistence_source_looks_at_the_address_alone(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p;
	int counts[3] = {0};

	(void)state;
	c->vips[0].persistence = GT_PERSIST_SOURCE;
	p = support_plan(c, NULL, NULL);
	for (uint32_t i = 0; i < 9000; i++) {
		uint16_t s = schedule(p, "web", i, 0, 0);

		assert_int_equal(s, schedule(p, "web", i, (uint16_t)i, 443));
		counts[name_of(p, s)[0] - 'a']++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(counts[i], 2800, 3200);
	gt_plan_free(p);
	support_config_free(c);
}

static void schedule_weights_are_honoured(void **state)
{
	struct gt_config *c = support_config_usual();
	int counts[3] = {0};
	struct gt_plan *p;

	(void)state;
	c->vips[0].servers[0].weight = 300;
	c->vips[0].servers[2].weight = 0;
	p = support_plan(c, NULL, NULL);
	for (uint32_t i = 0; i < 10000; i++)
		counts[name_of(p, schedule(p, "web", i, 77, 80))[0] - 'a']++;
	assert_in_range(counts[0], 7300, 7700);
	assert_in_range(counts[1], 2300, 2700);
	assert_int_equal(counts[2], 0);
	gt_plan_free(p);
	support_config_free(c);
}

/* ---- routes ---- */

/* The two steps of who knows the family lead where gt_plan_find_route does. */
static void assert_same_route(const struct gt_plan *p, const char *to, uint8_t prefer)
{
	const struct gt_addr a = support_addr(to);
	const struct gt_plan_route *want = gt_plan_find_route(p, &a, prefer), *got;
	bool v4 = gt_addr_is_v4(&a);

	got = v4 ? gt_plan_find_subnet_v4(p, gt_addr_v4(&a)) : gt_plan_find_subnet_v6(p, &a);
	if (got == NULL)
		got = p->defaults[v4][prefer];
	if (want == NULL)
		assert_int_equal(got->plain_mtu, 0);
	else
		assert_ptr_equal(got, want);
}

static void routes_by_steps_as_at_once(void **state)
{
	static const char *const to[] = {"192.0.2.9",	     "192.0.2.200",   "198.51.100.7",
					 "198.51.101.7",     "203.0.113.1",   "8.8.8.8",
					 "2001:db8::9",	     "2001:db8:1::9", "2001:db8:2::9",
					 "2001:db8:0:1::99", "2001:470::1"};
	struct gt_config *c = support_config(7);

	(void)state;
	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_interface(c, "near", 0, "192.0.2.130/25");
	support_interface(c, "wan", 0, "198.51.100.2/23");
	support_interface(c, "six", 0, "2001:db8::2/48");
	support_address(c, 2, "2001:db8:1::2/64");
	support_address(c, 1, "2001:db8:0:1::2/64");
	for (unsigned gateways = 0; gateways < 16; gateways++) {
		struct gt_plan *p;

		for (unsigned i = 0; i < 4; i++) {
			c->interfaces[i].has_gateway4 = gateways >> i & 1;
			c->interfaces[i].has_gateway6 = gateways >> (3 - i) & 1;
			c->interfaces[i].gateway4 = support_addr("192.0.2.1");
			c->interfaces[i].gateway6 = support_addr("2001:db8::1");
		}
		p = support_plan(c, NULL, NULL);
		for (size_t i = 0; i < RTE_DIM(to); i++)
			for (uint8_t prefer = 0; prefer < 4; prefer++)
				assert_same_route(p, to[i], prefer);
		gt_plan_free(p);
	}
	support_config_free(c);
}

static void routes_plain_mtu_says_whether_ready_made(void **state)
{
	struct gt_config *c = support_config(7);
	struct gt_plan_known known = {support_addr("192.0.2.1"), {{2, 9, 9, 9, 9, 4}}, 0};
	struct gt_mac macs[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};
	const struct gt_plan_route *r;
	struct gt_plan *p;

	(void)state;
	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_interface(c, "tagged", 7, "198.51.100.2/24");
	c->interfaces[0].has_gateway4 = c->interfaces[1].has_gateway4 = true;
	c->interfaces[0].gateway4 = known.addr;
	c->interfaces[1].gateway4 = support_addr("198.51.100.1");
	support_edition(c);
	for (size_t n = 0; n < 2; n++) {
		assert_int_equal(gt_plan_build(c, NULL, macs, &known, n, NULL, &p), 0);
		r = p->defaults[1][0];
		assert_int_equal(r->plain_mtu, n == 0 ? 0 : c->interfaces[0].mtu);
		if (n > 0)
			assert_memory_equal(r->macs, known.mac.b, 6);
		assert_memory_equal(r->macs + 6, macs[0].b, 6);
		assert_int_equal(p->defaults[1][1]->plain_mtu, 0);
		r = gt_plan_find_subnet_v4(p, gt_addr_v4(&known.addr));
		assert_int_equal(r->plain_mtu, c->interfaces[0].mtu);
		r = gt_plan_find_subnet_v4(p, gt_addr_v4(&c->interfaces[1].gateway4));
		assert_int_equal(r->plain_mtu, 0);
		gt_plan_free(p);
	}
	support_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_first_plan_numbers_are_distinct_and_not_0),
		cmocka_unit_test(build_reordered_config_keeps_all_numbers),
		cmocka_unit_test(build_added_and_removed_servers_leave_the_others_alone),
		cmocka_unit_test(build_server_with_another_address_is_another_server),
		cmocka_unit_test(build_removed_numbers_are_not_reused_soon),
		cmocka_unit_test(build_cursor_goes_round_without_taking_numbers_in_use),
		cmocka_unit_test(build_states_mean_what_the_contract_says),
		cmocka_unit_test(build_echo_is_answered_while_any_vip_of_the_address_is_healthy),
		cmocka_unit_test(build_servers_have_macs_interface_and_resolution),
		cmocka_unit_test(build_idle_timeout_replaces_the_default),
		cmocka_unit_test(build_unchanged_vip_shares_its_table),
		cmocka_unit_test(build_state_or_weight_or_seed_change_makes_a_new_table),
		cmocka_unit_test(build_table_holds_only_servers_that_take),
		cmocka_unit_test(schedule_follows_from_names_not_from_order_or_history),
		cmocka_unit_test(schedule_differs_with_the_seed_and_every_part_of_the_tuple),
		cmocka_unit_test(schedule_persistence_source_looks_at_the_address_alone),
		cmocka_unit_test(schedule_weights_are_honoured),
		cmocka_unit_test(routes_by_steps_as_at_once),
		cmocka_unit_test(routes_plain_mtu_says_whether_ready_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
