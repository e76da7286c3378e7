/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan's addresses, port ranges and services: which ports have one, that ports which stay keep
 * theirs over every change of ranges, and that no two VIPs ever share one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support.h"

#define TCP GT_PROTO_TCP
#define UDP GT_PROTO_UDP

/* ---- services and ranges ---- */

/* Every port's service, as a table: 0 where there is none. */
static uint16_t *services_of(const struct gt_plan *p, const char *addr, uint8_t protocol)
{
	uint16_t *s = calloc(65536, sizeof(*s));

	assert_non_null(s);
	for (uint32_t port = 0; port < 65536; port++)
		s[port] = support_service(p, addr, protocol, (uint16_t)port);
	return s;
}

/* From one list of ports to another on VIP web: ports of both keep their service. */
static void check_ports_change(const char *from, const char *to)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual();
	uint16_t *before, *after;
	struct gt_plan *p, *q;

	support_ports(&c->vips[0], from);
	support_ports(&d->vips[0], to);
	p = support_plan(c, NULL, NULL);
	q = support_plan(d, NULL, p);
	before = services_of(p, "192.0.2.100", TCP);
	after = services_of(q, "192.0.2.100", TCP);
	for (uint32_t port = 0; port < 65536; port++) {
		bool wanted = false;

		for (size_t i = 0; i < d->vips[0].n_ports; i++)
			wanted |= d->vips[0].ports[i].first <= port &&
				  port <= d->vips[0].ports[i].last;
		if (wanted != (after[port] != 0))
			fail_msg("%s to %s: port %u has service %u", from, to, port, after[port]);
		if (before[port] != 0 && after[port] != 0 && before[port] != after[port])
			fail_msg("%s to %s: port %u: service %u became %u", from, to, port,
				 before[port], after[port]);
		if (wanted)
			assert_int_equal(q->services[after[port]].vip,
					 support_vip_number(q, "web"));
	}
	free(before);
	free(after);
	gt_plan_free(p);
	gt_plan_free(q);
	support_config_free(c);
	support_config_free(d);
}

static void build_changed_ranges_keep_the_services_of_ports_that_stay(void **state)
{
	static const char *const changes[][2] = {
		{"80", "80,443"},
		{"5000-5010", "5000-5020"},
		{"5000-5010", "4990-5010"},
		{"5000-5010", "4990-5020"},
		{"5000-5010", "5000-5003,5007-5010"},
		{"5000-5003,5007-5010", "5000-5010"},
		{"5000-5010", "5003-5005"},
		{"5000-5010,6000-6100", "6000-6010"},
		{"0-255", "1-254"},
		{"65535", "65000-65100,65535"},
		/* wide: more than 256 ports */
		{"any", "any"},
		{"1000-2000", "1000-3000"},
		{"1000-2000", "900-2000"},
		{"1000-2000", "500-600,1500-2500"},
		{"1000-2000", "1000-1200,1800-2000"},
		{"any", "1-65534"},
		{"1-10,1000-2000", "1000-2000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		check_ports_change(changes[i][0], changes[i][1]);
}

static void build_any_is_one_wide_service_of_all_ports(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p;
	uint16_t s;

	(void)state;
	support_ports(&c->vips[0], "any");
	p = support_plan(c, NULL, NULL);
	s = support_service(p, "192.0.2.100", TCP, 0);
	assert_int_not_equal(s, 0);
	for (uint32_t port = 0; port < 65536; port++)
		assert_int_equal(support_service(p, "192.0.2.100", TCP, (uint16_t)port), s);
	assert_int_equal(p->services[s].port, 0);
	assert_int_equal(support_service(p, "192.0.2.100", UDP, 80), 0);
	gt_plan_free(p);
	support_config_free(c);
}

static void build_256_ports_are_services_257_are_one(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p;

	(void)state;
	support_ports(&c->vips[0], "1000-1255");
	p = support_plan(c, NULL, NULL);
	assert_int_not_equal(support_service(p, "192.0.2.100", TCP, 1000),
			     support_service(p, "192.0.2.100", TCP, 1255));
	gt_plan_free(p);
	support_ports(&c->vips[0], "1000-1255,5000");
	p = support_plan(c, NULL, NULL);
	assert_int_equal(support_service(p, "192.0.2.100", TCP, 1000),
			 support_service(p, "192.0.2.100", TCP, 5000));
	assert_int_equal(support_service(p, "192.0.2.100", TCP, 1256), 0);
	gt_plan_free(p);
	support_config_free(c);
}

static void find_range_edges(void **state)
{
	struct gt_config *c = support_config_usual();
	struct gt_plan *p;

	(void)state;
	support_ports(&c->vips[0], "0,104,5000-5010,65535");
	p = support_plan(c, NULL, NULL);
	for (uint32_t port = 0; port < 65536; port++) {
		bool in =
			port == 0 || port == 104 || (port >= 5000 && port <= 5010) || port == 65535;

		assert_int_equal(support_service(p, "192.0.2.100", TCP, (uint16_t)port) != 0, in);
	}
	for (unsigned protocol = 0; protocol < 256; protocol++)
		assert_int_equal(support_service(p, "192.0.2.100", (uint8_t)protocol, 104) != 0,
				 protocol == TCP);
	gt_plan_free(p);
	support_config_free(c);
}

/* VIPs a (TCP 80), b (UDP 80), c (TCP 81-90) and d (UDP any but 80) on one address. */
static void build_several_vips_on_one_address_are_told_apart(void **state)
{
	struct gt_config *c = support_config(1);
	struct gt_plan *p;
	size_t v;

	(void)state;
	support_interface(c, "lan", 0, "192.0.2.2/24");
	v = support_vip(c, "d", "192.0.2.100", UDP, "0-79,81-65535");
	support_server(c, v, "s", "192.0.2.14", 1);
	v = support_vip(c, "b", "192.0.2.100", UDP, "80");
	support_server(c, v, "s", "192.0.2.12", 1);
	v = support_vip(c, "c", "192.0.2.100", TCP, "81-90");
	support_server(c, v, "s", "192.0.2.13", 1);
	v = support_vip(c, "a", "192.0.2.100", TCP, "80");
	support_server(c, v, "s", "192.0.2.11", 1);
	p = support_plan(c, NULL, NULL);
	for (uint32_t port = 0; port < 65536; port++) {
		uint16_t tcp = support_service(p, "192.0.2.100", TCP, (uint16_t)port);
		uint16_t udp = support_service(p, "192.0.2.100", UDP, (uint16_t)port);

		assert_int_equal(p->services[tcp].vip, port == 80 ? support_vip_number(p, "a")
						       : (port >= 81 && port <= 90)
							       ? support_vip_number(p, "c")
							       : 0);
		assert_int_equal(p->services[udp].vip,
				 support_vip_number(p, port == 80 ? "b" : "d"));
	}
	gt_plan_free(p);
	support_config_free(c);
}

/* A wide VIP is split in two on one address: each half must be its own VIP's. */
static void build_wide_vip_split_gives_each_half_its_own_service(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct gt_config *c = support_config_usual(), *d = support_config_usual();
		struct gt_plan *p, *q;
		uint16_t low, high;
		size_t v;

		support_ports(&c->vips[0], "any");
		p = support_plan(c, NULL, NULL);
		support_ports(&d->vips[0], "0-9999");
		v = support_vip(d, "rest", "192.0.2.100", TCP, "10000-65535");
		support_server(d, v, "z", "192.0.2.19", 100);
		if (order == 1)
			support_swap_vips(d, 0, v);
		q = support_plan(d, NULL, p);
		low = support_service(q, "192.0.2.100", TCP, 80);
		high = support_service(q, "192.0.2.100", TCP, 10000);
		assert_int_not_equal(low, high);
		assert_int_equal(q->services[low].vip, support_vip_number(q, "web"));
		assert_int_equal(q->services[high].vip, support_vip_number(q, "rest"));
		/* web is still there: its connections keep their service */
		assert_int_equal(low, support_service(p, "192.0.2.100", TCP, 80));
		gt_plan_free(p);
		gt_plan_free(q);
		support_config_free(c);
		support_config_free(d);
	}
}

static void build_persistence_source_has_a_service_of_its_own(void **state)
{
	struct gt_config *c = support_config_usual(), *d = support_config_usual();
	struct gt_plan *p, *q;
	uint16_t source;

	(void)state;
	c->vips[0].persistence = d->vips[0].persistence = GT_PERSIST_SOURCE;
	p = support_plan(c, NULL, NULL);
	source = p->vips[support_vip_number(p, "web")].source_service;
	assert_int_not_equal(source, 0);
	assert_int_equal(p->services[source].vip, support_vip_number(p, "web"));
	assert_int_not_equal(source, support_service(p, "192.0.2.100", TCP, 80));
	assert_int_not_equal(source, support_service(p, "192.0.2.100", TCP, 443));
	assert_int_equal(p->vips[support_vip_number(p, "dns")].source_service, 0);
	support_server(d, 0, "f", "192.0.2.16", 1);
	q = support_plan(d, NULL, p);
	assert_int_equal(q->vips[support_vip_number(q, "web")].source_service, source);
	gt_plan_free(p);
	gt_plan_free(q);
	support_config_free(c);
	support_config_free(d);
}

/* ---- addresses ---- */

static void find_address_finds_vips_and_own_addresses_only(void **state)
{
	struct gt_config *c = support_config(1);
	struct gt_plan *p;

	(void)state;
	support_interface(c, "lan", 0, "10.0.0.2/8");
	support_interface(c, "san", 0, "2001:db8::2/64");
	for (int i = 0; i < 1000; i++) {
		char name[16], addr[32];
		size_t v;

		snprintf(name, sizeof(name), "v%d", i);
		snprintf(addr, sizeof(addr), i % 2 ? "10.1.%d.%d" : "2001:db8:0:1::%x:%x", i / 256,
			 i % 256);
		v = support_vip(c, name, addr, TCP, "80");
		c->vips[v].interface = i % 2 ? 0 : 1;
		support_server(c, v, "s", i % 2 ? "10.0.0.9" : "2001:db8::9", 1);
	}
	p = support_plan(c, NULL, NULL);
	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_plan_address *a = gt_plan_find_address(p, &c->vips[i].address);
		struct gt_addr other = c->vips[i].address;

		assert_non_null(a);
		assert_true(a->vip);
		assert_int_equal(a->in_if, c->vips[i].interface);
		assert_true(a->answers_echo);
		other.b[12] ^= 0x40;
		assert_null(gt_plan_find_address(p, &other));
	}
	for (size_t i = 0; i < 2; i++) {
		const struct gt_plan_address *a =
			gt_plan_find_address(p, &c->interfaces[i].addresses[0].addr);

		assert_non_null(a);
		assert_false(a->vip);
		assert_int_equal(a->in_if, i);
	}
	/* A server's address is not ours. */
	assert_null(gt_plan_find_address(p, &c->vips[1].servers[0].address));
	gt_plan_free(p);
	support_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_changed_ranges_keep_the_services_of_ports_that_stay),
		cmocka_unit_test(build_any_is_one_wide_service_of_all_ports),
		cmocka_unit_test(build_256_ports_are_services_257_are_one),
		cmocka_unit_test(find_range_edges),
		cmocka_unit_test(build_several_vips_on_one_address_are_told_apart),
		cmocka_unit_test(build_wide_vip_split_gives_each_half_its_own_service),
		cmocka_unit_test(build_persistence_source_has_a_service_of_its_own),
		cmocka_unit_test(find_address_finds_vips_and_own_addresses_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
