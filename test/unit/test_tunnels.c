/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels in the pipeline: the MTU's edge, what is told to whom and how often, fragments, what
 * varies by connection, and the ICMP errors of either side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <cmocka.h>

#include "packet/tunnel.h"
#include "pipeline/pipeline.h"
#include "support.h"

static struct gt_packet parse(const struct gt_frame *f)
{
	struct gt_packet p;

	assert_int_equal(gt_parse_link(f, &p), GT_PARSE_OK);
	assert_int_equal(gt_parse_network(f, &p), GT_PARSE_OK);
	return p;
}

/* ---- a worker with tunnels ---- */

struct world {
	struct gt_config *config;
	struct gt_server_state *states;
	struct gt_plan *plan;
	struct gt_worker *worker;
	uint64_t now_ms;
};

#define CLIENT	   "203.0.113.9"
#define CLIENT6	   "2001:db8:1::9"
#define CLIENT_MAC "02:c1:00:00:00:01"

/*
 * Interface lan with five addresses, of which three lie in the IPv4 servers' subnet, and a gateway,
 * which leads to all clients; VIPs x4 and x6 for each encapsulation x, ports 104 TCP and UDP, each
 * with one server; the outer family is the other one for gre.
 */
static void open_world(struct world *w)
{
	static const char *const names[] = {"ipip", "gre", "gue"};
	struct gt_worker_params params = {.connections = 4096,
					  .wide = true,
					  .random = "0123456789abcde",
					  .memory = gt_memory_heap};
	struct gt_config *c = support_config(7);
	struct gt_mac mac = support_interface_mac(0);
	struct gt_plan_known known[2] = {{support_addr("192.0.2.1"), support_mac(CLIENT_MAC), 0},
					 {support_addr("2001:db8::1"), support_mac(CLIENT_MAC), 0}};

	support_interface(c, "lan", 0, "192.0.2.2/24");
	support_address(c, 0, "192.0.2.3/24");
	support_address(c, 0, "192.0.2.4/24");
	support_address(c, 0, "198.51.100.2/24");
	support_address(c, 0, "2001:db8::2/64");
	c->interfaces[0].has_gateway4 = c->interfaces[0].has_gateway6 = true;
	c->interfaces[0].gateway4 = known[0].addr;
	c->interfaces[0].gateway6 = known[1].addr;
	for (int i = 0; i < 12; i++) {
		char name[16], vip[32], server[32];
		bool v6 = i / 3 % 2, cross = i % 3 == 1;
		size_t v;

		snprintf(name, sizeof(name), "%s%c%s", names[i % 3], v6 ? '6' : '4',
			 i < 6 ? "" : "u");
		snprintf(vip, sizeof(vip), v6 ? "2001:db8::1:%d" : "192.0.2.10%d", i % 3);
		snprintf(server, sizeof(server), v6 != cross ? "2001:db8::%d" : "192.0.2.%d",
			 20 + i);
		v = support_vip(c, name, vip, i < 6 ? GT_PROTO_TCP : GT_PROTO_UDP, "104");
		c->vips[v].mode = GT_MODE_TUNNEL;
		c->vips[v].encapsulation = (enum gt_encapsulation)(i % 3);
		support_server(c, v, "a", server, 100);
	}
	w->config = c;
	w->states = support_states(c);
	w->now_ms = 1000000;
	assert_int_equal(gt_plan_build(c, w->states, &mac, known, 2, NULL, &w->plan), 0);
	w->worker = gt_worker_create(&params);
	assert_non_null(w->worker);
}

static void close_world(struct world *w)
{
	const struct gt_counters *c = &w->worker->counters;

	assert_int_equal(c->in, c->forwarded + c->answered + c->kernel + gt_counters_dropped(c));
	gt_worker_destroy(w->worker);
	gt_plan_free(w->plan);
	free(w->states);
	support_config_free(w->config);
}

static struct gt_frame run(struct world *w, struct gt_frame f)
{
	gt_worker_burst(w->worker, w->plan, w->now_ms, &f, 1);
	assert_int_equal(w->worker->n_released, 0);
	return f;
}

static const struct gt_plan_server *server_of(const struct world *w, const char *vip)
{
	return &w->plan->servers[support_server_number(w->plan, vip, "a")];
}

/* A client's packet whose IP part has `size` bytes. */
static struct gt_frame client_packet(int kind, bool v6, uint8_t protocol, uint16_t port,
				     size_t size)
{
	char vip[32];
	struct support_packet s = {.protocol = protocol,
				   .flags = GT_TCP_ACK,
				   .sport = port,
				   .dport = 104,
				   .src = support_addr(v6 ? CLIENT6 : CLIENT)};

	snprintf(vip, sizeof(vip), v6 ? "2001:db8::1:%d" : "192.0.2.10%d", kind);
	s.dst = support_addr(vip);
	s.payload_len = size - (v6 ? 40 : 20) - (protocol == IPPROTO_TCP ? 20 : 8);
	return support_packet_frame(&s);
}

static void set_df(struct gt_frame *f)
{
	uint16_t sum;

	f->data[20] |= 0x40;
	f->data[24] = f->data[25] = 0;
	sum = (uint16_t)~support_sum(0, f->data + 14, 20);
	f->data[24] = (uint8_t)(sum >> 8);
	f->data[25] = (uint8_t)sum;
}

static uint32_t be16(const uint8_t *b)
{
	return (uint32_t)(b[0] << 8 | b[1]);
}

/* Is it the error that tells the client of an MTU, about this very packet? */
static void assert_told(const struct gt_frame *f, const struct gt_frame *about, bool v6,
			uint32_t mtu)
{
	struct gt_packet p = parse(f);
	const uint8_t *icmp = f->data + p.l4_off;
	uint32_t embedded = p.l3_end - p.l4_off - 8U;

	assert_memory_equal(f->data, support_mac(CLIENT_MAC).b, 6);
	assert_memory_equal(f->data + 6, support_interface_mac(0).b, 6);
	assert_true(support_checksums_good(f->data, f->len));
	assert_int_equal(p.icmp_type, v6 ? 2 : 3);
	assert_int_equal(p.icmp_code, v6 ? 0 : 4);
	assert_int_equal(be16(icmp + 6), mtu);
	assert_int_equal(be16(icmp + 4), 0);
	assert_memory_equal(p.dst.b, support_addr(v6 ? CLIENT6 : CLIENT).b, 16);
	assert_true(embedded >= (v6 ? 48 : 28) && p.l3_end - p.l3_off <= (v6 ? 1280 : 576));
	assert_memory_equal(icmp + 8, about->data + 14, embedded);
	assert_memory_equal(p.src.b + (v6 ? 0 : 12), about->data + 14 + (v6 ? 24 : 16),
			    v6 ? 16 : 4);
}

static void burst_at_the_mtu_passes_above_is_told(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 12; i++) {
		int kind = i % 3;
		bool v6 = i / 3 % 2, df = i >= 6, outer_v4 = v6 == (kind == 1);
		uint32_t fits = 1500 - gt_tunnel_overhead((uint8_t)kind, outer_v4);
		struct gt_frame f = client_packet(kind, v6, IPPROTO_TCP, 40000, fits);
		struct gt_frame about = client_packet(kind, v6, IPPROTO_TCP, 40000, fits + 1), g;

		if (df && !v6) {
			set_df(&f);
			set_df(&about);
		}
		f = run(&w, f);
		assert_int_equal(f.verdict, GT_SEND);
		assert_int_equal(f.len, 1514);
		assert_int_equal(be16(f.data + 12), outer_v4 ? 0x0800 : 0x86dd);
		if (outer_v4)
			assert_int_equal(f.data[20], v6 || df ? 0x40 : 0);
		g = run(&w, support_frame(about.data, about.len));
		assert_int_equal(g.verdict, GT_ANSWER);
		assert_told(&g, &about, v6, fits);
		support_frame_free(&f);
		support_frame_free(&g);
		support_frame_free(&about);
	}
	close_world(&w);
}

static void burst_too_big_is_told_so_often_and_counted_beyond(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int round = 0; round < 3; round++, w.now_ms += 250) {
		for (int i = 0; i < 2 * GT_TOLD_MAX; i++) {
			struct gt_frame f = run(&w, client_packet(0, i & 1, IPPROTO_TCP,
								  (uint16_t)(1024 + i), 1481));

			assert_int_equal(f.verdict, i < GT_TOLD_MAX ? GT_ANSWER : GT_DROP);
			if (f.verdict == GT_DROP)
				assert_int_equal(f.reason, GT_DROP_TOO_BIG);
			support_frame_free(&f);
		}
	}
	assert_int_equal(w.worker->counters.drops[GT_DROP_TOO_BIG], 3 * GT_TOLD_MAX);
	close_world(&w);
}

/* What must not vary within a connection: all but the identification, and the payload. */
static void assert_same_outer(const struct gt_frame *a, const struct gt_frame *b, int kind)
{
	bool v4 = be16(a->data + 12) == 0x0800;

	assert_memory_equal(a->data, b->data, 14);
	if (v4)
		assert_memory_equal(a->data + 26, b->data + 26, 8);
	else
		assert_memory_equal(a->data + 15, b->data + 15, 3);
	if (kind == GT_TUNNEL_GUE)
		assert_memory_equal(a->data + (v4 ? 34 : 54), b->data + (v4 ? 34 : 54), 4);
}

static void burst_outer_headers_vary_by_connection_alone(void **state)
{
	struct world w;
	unsigned sources[256] = {0}, ports = 0, labels = 0;
	uint32_t last_port = 0, last_label = 0;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6 * 300; i++) {
		int kind = i % 3;
		bool v6 = i / 3 % 2;
		uint16_t port = (uint16_t)(20000 + i);
		struct gt_frame f = run(&w, client_packet(kind, v6, IPPROTO_TCP, port, 100));
		struct gt_frame g = run(&w, client_packet(kind, v6, IPPROTO_TCP, port, 99));

		assert_int_equal(f.verdict, GT_SEND);
		assert_same_outer(&f, &g, kind);
		if (kind == GT_TUNNEL_IPIP && !v6)
			sources[f.data[29]]++;
		if (kind == GT_TUNNEL_GUE && !v6) {
			assert_true(be16(f.data + 34) >= 0xc000);
			ports += be16(f.data + 34) != last_port;
			last_port = be16(f.data + 34);
		}
		if (kind == GT_TUNNEL_IPIP && v6) {
			labels += be16(f.data + 16) != last_label;
			last_label = be16(f.data + 16);
		}
		support_frame_free(&f);
		support_frame_free(&g);
	}
	/* Only the three in the server's subnet, a third of 300 each: six standard deviations. */
	assert_int_equal(sources[2] + sources[3] + sources[4], 300);
	for (int i = 2; i <= 4; i++)
		assert_in_range(sources[i], 51, 149);
	assert_true(ports >= 297 && labels >= 297);
	close_world(&w);
}

static struct gt_frame piece(int kind, bool v6, size_t offset, size_t len, bool more, uint32_t id)
{
	char vip[32];
	struct support_packet s = {.protocol = IPPROTO_UDP,
				   .sport = 40000,
				   .dport = 104,
				   .src = support_addr(v6 ? CLIENT6 : CLIENT),
				   .payload_len = 1992,
				   .piece_offset = offset,
				   .piece_len = len,
				   .more = more,
				   .id = id};

	snprintf(vip, sizeof(vip), v6 ? "2001:db8::1:%d" : "192.0.2.10%d", kind);
	s.dst = support_addr(vip);
	return support_packet_frame(&s);
}

static void burst_fragments_are_wrapped_as_their_connection(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		int kind = i % 3;
		bool v6 = i / 3;
		struct gt_frame whole = run(&w, client_packet(kind, v6, IPPROTO_UDP, 40000, 100));
		struct gt_frame first = run(&w, piece(kind, v6, 0, 1200, true, 5));
		struct gt_frame last = run(&w, piece(kind, v6, 1200, 800, false, 5));

		assert_int_equal(first.verdict, GT_SEND);
		assert_int_equal(last.verdict, GT_SEND);
		assert_same_outer(&whole, &first, kind);
		assert_same_outer(&whole, &last, kind);
		/* As outer datagrams they are two, which a narrow link may cut. */
		if (first.data[12] == 0x08 && !v6)
			assert_int_equal(be16(last.data + 18), be16(first.data + 18) + 150);
		support_frame_free(&whole);
		support_frame_free(&first);
		support_frame_free(&last);
	}
	close_world(&w);
}

static void burst_fragments_too_big_are_told_once(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		int kind = i % 3;
		bool v6 = i / 3;
		struct gt_frame first = run(&w, piece(kind, v6, 0, 1472, true, 6));
		struct gt_frame last = run(&w, piece(kind, v6, 1472, 528, false, 6));
		struct gt_frame small = run(&w, piece(kind, v6, 0, 800, true, 7));
		struct gt_frame large = run(&w, piece(kind, v6, 520, 1480, false, 7));

		assert_int_equal(first.verdict, GT_ANSWER);
		/* The rest is of no use to anybody; and it is not an echo to be answered. */
		assert_int_equal(last.verdict, GT_DROP);
		assert_int_equal(last.reason, GT_DROP_TOO_BIG);
		/* Nobody is told about a later fragment. */
		assert_int_equal(small.verdict, GT_SEND);
		assert_int_equal(large.verdict, GT_DROP);
		assert_int_equal(large.reason, GT_DROP_TOO_BIG);
		support_frame_free(&first);
		support_frame_free(&last);
		support_frame_free(&small);
		support_frame_free(&large);
	}
	close_world(&w);
}

/* An ICMP error with `quote` in it. */
static struct gt_frame error_frame(const struct gt_addr *src, const struct gt_addr *dst,
				   uint8_t type, uint8_t code, uint32_t mtu, const uint8_t *quote,
				   size_t len)
{
	struct support_packet s = {.src = *src,
				   .dst = *dst,
				   .protocol = gt_addr_is_v4(dst) ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				   .icmp_type = type,
				   .icmp_code = code,
				   .icmp_rest = mtu,
				   .payload = quote,
				   .payload_len = len};

	return support_packet_frame(&s);
}

static void burst_error_to_vip_is_wrapped_as_its_connection(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		int kind = i % 3;
		bool v6 = i / 3;
		struct gt_frame f = client_packet(kind, v6, IPPROTO_TCP, 40000, 100), g, e;
		struct gt_packet p = parse(&f);
		struct support_packet reply = {.src = p.dst,
					       .dst = p.src,
					       .protocol = IPPROTO_TCP,
					       .sport = 104,
					       .dport = 40000};
		struct gt_addr router = support_addr(v6 ? "2001:db8:7::1" : "198.51.100.1");
		struct gt_frame back = support_packet_frame(&reply);
		size_t at;

		g = run(&w, f);
		e = error_frame(&router, &p.dst, v6 ? 2 : 3, v6 ? 0 : 4, 1400, back.data + 14,
				back.len - 14);
		at = e.len - 14;
		f = support_frame(e.data, e.len);
		e = run(&w, e);
		assert_int_equal(e.verdict, GT_SEND);
		assert_same_outer(&g, &e, kind);
		assert_memory_equal(e.data + e.len - at, f.data + 14, at);
		support_frame_free(&f);
		support_frame_free(&g);
		support_frame_free(&e);
		support_frame_free(&back);
	}
	close_world(&w);
}

/* A router in the tunnel quotes `len` bytes of an outer packet, all if 0, and tells an MTU. */
static struct gt_frame complain(struct world *w, const struct gt_frame *outer, uint32_t mtu,
				size_t len)
{
	struct gt_packet p;
	bool v6 = be16(outer->data + 12) == 0x86dd;
	struct gt_addr router = support_addr(v6 ? "2001:db8:7::1" : "203.0.113.77");

	/* Routers do not look at its checksums either. */
	assert_int_equal(gt_parse_embedded(outer->data + 14, outer->len - 14, v6, &p), GT_PARSE_OK);
	if (len == 0 || len > outer->len - 14)
		len = outer->len - 14;
	return run(w, error_frame(&router, &p.src, v6 ? 2 : 3, v6 ? 0 : 4, mtu, outer->data + 14,
				  len));
}

static void burst_error_out_of_a_tunnel_tells_the_client(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		int kind = i % 3;
		bool v6 = i / 3, outer_v4 = v6 == (kind == 1);
		uint32_t overhead = gt_tunnel_overhead((uint8_t)kind, outer_v4);
		struct gt_frame f = client_packet(kind, v6, IPPROTO_TCP, 40000, 1400);
		struct gt_frame about = support_frame(f.data, f.len), outer = run(&w, f), e;

		/* As routers quote: 548 bytes over IPv4, 1232 over IPv6. */
		e = complain(&w, &outer, 1390, outer_v4 ? 548 : 1232);
		assert_int_equal(e.verdict, GT_SEND);
		assert_told(&e, &about, v6, 1390 - overhead);
		support_frame_free(&e);
		/* Just enough: the inner ports and four bytes more. */
		e = complain(&w, &outer, 1390, overhead + (v6 ? 40 : 20) + 8);
		assert_int_equal(e.verdict, GT_SEND);
		assert_told(&e, &about, v6, 1390 - overhead);
		support_frame_free(&e);
		/* IPv6 senders never go below 1280. */
		e = complain(&w, &outer, 1280, 500);
		assert_told(&e, &about, v6, v6 ? 1280 : 1280 - overhead);
		support_frame_free(&e);
		support_frame_free(&outer);
		support_frame_free(&about);
	}
	close_world(&w);
}

static void assert_dropped(struct gt_frame f, int reason)
{
	assert_int_equal(f.verdict, GT_DROP);
	assert_int_equal(f.reason, reason);
	support_frame_free(&f);
}

static void burst_error_out_of_a_tunnel_forged_or_cut_is_dropped(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		int kind = i % 3;
		bool v6 = i / 3, outer_v4 = v6 == (kind == 1);
		uint32_t overhead = gt_tunnel_overhead((uint8_t)kind, outer_v4);
		struct gt_frame outer = run(&w, client_packet(kind, v6, IPPROTO_TCP, 40000, 1400));
		uint8_t *o = outer.data + 14;

		assert_dropped(complain(&w, &outer, 1390, outer_v4 ? 28 : 48), GT_DROP_OWN_ADDRESS);
		assert_dropped(complain(&w, &outer, 0, 0), GT_DROP_OWN_ADDRESS);
		assert_dropped(complain(&w, &outer, 1500, 0), GT_DROP_ICMP_BAD);
		assert_dropped(complain(&w, &outer, 67 + overhead, 0), GT_DROP_ICMP_BAD);
		/* Another server than the connection's: the last byte of the outer destination. */
		o[outer_v4 ? 19 : 39] ^= 1;
		assert_dropped(complain(&w, &outer, 1390, 0), GT_DROP_OWN_ADDRESS);
		o[outer_v4 ? 19 : 39] ^= 1;
		/* Another address than a VIP's inside, and a port that is no service. */
		o[overhead + (v6 ? 39 : 19)] ^= 0x40;
		assert_dropped(complain(&w, &outer, 1390, 0), GT_DROP_OWN_ADDRESS);
		o[overhead + (v6 ? 39 : 19)] ^= 0x40;
		o[overhead + (v6 ? 43 : 23)] ^= 1;
		assert_dropped(complain(&w, &outer, 1390, 0), GT_DROP_OWN_ADDRESS);
		support_frame_free(&outer);
	}
	close_world(&w);
}

/* RSS may bring a complaint to a worker that does not know the connection. */
static void burst_error_out_of_a_tunnel_needs_no_entry(void **state)
{
	struct world w, other;
	struct gt_frame f, e;

	(void)state;
	open_world(&w);
	open_world(&other);
	f = run(&w, client_packet(0, false, IPPROTO_TCP, 40000, 1400));
	e = complain(&other, &f, 1390, 548);
	assert_int_equal(e.verdict, GT_SEND);
	support_frame_free(&e);
	support_frame_free(&f);
	close_world(&other);
	close_world(&w);
}

static void burst_dst_and_macs_are_the_servers(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	for (int i = 0; i < 6; i++) {
		static const char *const vips[] = {"ipip4", "gre4", "gue4",
						   "ipip6", "gre6", "gue6"};
		const struct gt_plan_server *s = server_of(&w, vips[i]);
		struct gt_frame f = run(&w, client_packet(i % 3, i / 3, IPPROTO_TCP, 40000, 100));
		struct gt_packet p;

		assert_int_equal(f.verdict, GT_SEND);
		assert_int_equal(gt_parse_link(&f, &p), GT_PARSE_OK);
		assert_int_equal(gt_parse_network(&f, &p), GT_PARSE_OK);
		assert_memory_equal(p.dst.b, s->addr.b, 16);
		assert_memory_equal(f.data, s->macs, 12);
		/* Accounted as it came. */
		assert_int_equal(w.worker->servers[s - w.plan->servers].bytes, 114);
		assert_int_equal(w.worker->servers[s - w.plan->servers].frames, 1);
		support_frame_free(&f);
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_at_the_mtu_passes_above_is_told),
		cmocka_unit_test(burst_too_big_is_told_so_often_and_counted_beyond),
		cmocka_unit_test(burst_outer_headers_vary_by_connection_alone),
		cmocka_unit_test(burst_fragments_are_wrapped_as_their_connection),
		cmocka_unit_test(burst_fragments_too_big_are_told_once),
		cmocka_unit_test(burst_error_to_vip_is_wrapped_as_its_connection),
		cmocka_unit_test(burst_error_out_of_a_tunnel_tells_the_client),
		cmocka_unit_test(burst_error_out_of_a_tunnel_forged_or_cut_is_dropped),
		cmocka_unit_test(burst_error_out_of_a_tunnel_needs_no_entry),
		cmocka_unit_test(burst_dst_and_macs_are_the_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
