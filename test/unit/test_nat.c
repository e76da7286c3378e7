/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat and snat through a whole worker: what test/replay cannot hold still. Bursts in which a
 * session ends before its reply is handled, reloads that take servers away or change modes, floods,
 * ports that run out, states from both sides. Random frames are test_modes.c's.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "pipeline/pipeline.h"
#include "support.h"

#define VIP    "192.0.2.100"
#define SERVER "192.0.2.11"
#define OWN    "192.0.2.2"

struct bench {
	struct gt_config *config;
	struct gt_server_state *states;
	struct gt_plan *plan, *old[8];
	unsigned n_old;
	struct gt_worker *worker;
	uint64_t now_ms;
};

/* VIPs: snat TCP 80 (servers a, b), nat TCP 81 (a, b), snat6 (IPv6, servers IPv4), udp (snat 53).
 */
static struct gt_config *make_config(void)
{
	struct gt_config *c = support_config(7);
	size_t v;

	support_interface(c, "lan", 0, OWN "/24");
	support_address(c, 0, "2001:db8::2/64");
	c->interfaces[0].has_gateway4 = c->interfaces[0].has_gateway6 = true;
	c->interfaces[0].gateway4 = support_addr("192.0.2.1");
	c->interfaces[0].gateway6 = support_addr("2001:db8::1");
	v = support_vip(c, "snat", VIP, GT_PROTO_TCP, "80");
	c->vips[v].mode = GT_MODE_SNAT;
	support_server(c, v, "a", SERVER, 100);
	support_server(c, v, "b", "192.0.2.12", 0);
	v = support_vip(c, "nat", VIP, GT_PROTO_TCP, "81");
	c->vips[v].mode = GT_MODE_NAT;
	support_server(c, v, "a", SERVER, 100);
	v = support_vip(c, "six", "2001:db8::100", GT_PROTO_TCP, "80");
	c->vips[v].mode = GT_MODE_SNAT;
	support_server(c, v, "a", "192.0.2.13", 100);
	v = support_vip(c, "udp", VIP, GT_PROTO_UDP, "53");
	c->vips[v].mode = GT_MODE_SNAT;
	support_server(c, v, "a", SERVER, 100);
	return c;
}

static void plan(struct bench *b)
{
	struct gt_plan_known known[2] = {{support_addr("192.0.2.1"), {{2, 9, 9, 9, 9, 4}}, 0},
					 {support_addr("2001:db8::1"), {{2, 9, 9, 9, 9, 6}}, 0}};
	struct gt_mac mac = support_interface_mac(0);
	struct gt_plan *new;

	support_edition(b->config);
	assert_int_equal(gt_plan_build(b->config, b->states, &mac, known, 2, b->plan, &new), 0);
	if (b->plan != NULL)
		b->old[b->n_old++] = b->plan;
	b->plan = new;
}

static void open_bench(struct bench *b, uint32_t connections)
{
	struct gt_worker_params params = {.connections = connections,
					  .wide = true,
					  .snat = GT_CONFIG_SNAT_V6,
					  .random = "0123456789abcde",
					  .memory = gt_memory_heap};

	memset(b, 0, sizeof(*b));
	b->config = make_config();
	b->states = support_states(b->config);
	plan(b);
	b->worker = gt_worker_create(&params);
	assert_non_null(b->worker);
	b->now_ms = 1000000;
}

static void close_bench(struct bench *b)
{
	const struct gt_counters *c = &b->worker->counters;

	/* All runs out, and nothing is left behind. */
	b->now_ms += 3 * 3600 * 1000;
	gt_worker_flush(b->worker, b->plan, b->now_ms);
	for (unsigned i = 0; i < b->worker->n_released; i++)
		support_frame_free(&b->worker->released[i]);
	assert_int_equal(b->worker->snat.live, 0);
	assert_int_equal(b->worker->flows.entries, 0);
	assert_int_equal(c->created, c->expired);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(b->worker->servers[i].active, 0);
	assert_int_equal(c->in, c->forwarded + c->answered + gt_counters_dropped(c));
	gt_worker_destroy(b->worker);
	for (unsigned i = 0; i < b->n_old; i++)
		gt_plan_free(b->old[i]);
	gt_plan_free(b->plan);
	free(b->states);
	support_config_free(b->config);
}

static struct support_packet tcp(const char *src, uint16_t sport, const char *dst, uint16_t dport,
				 uint8_t flags)
{
	return (struct support_packet){.src = support_addr(src),
				       .dst = support_addr(dst),
				       .protocol = IPPROTO_TCP,
				       .sport = sport,
				       .dport = dport,
				       .flags = flags};
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static struct gt_frame go(struct bench *b, struct support_packet p)
{
	struct gt_frame f = support_packet_frame(&p);

	gt_worker_burst(b->worker, b->plan, b->now_ms, &f, 1);
	return f;
}

/* Sends one packet; the source port that it left with, or -1 - reason, or -1000 - verdict. */
static int port_of(struct bench *b, struct support_packet p)
{
	struct gt_frame f = go(b, p);
	int got = f.verdict == GT_DROP ? -1 - f.reason : -1000 - f.verdict;

	if (f.verdict == GT_SEND) {
		assert_true(support_checksums_good(f.data, f.len));
		got = get16(f.data + 14 + (f.data[14] >> 4 == 4 ? 20 : 40));
	}
	support_frame_free(&f);
	return got;
}

#define CLIENT "198.51.100.7"

/*
 * One burst: a SYN that opens a closed connection anew and takes its session's place, another
 * client's SYN, and a reply to the old port. Nobody may get what was for another.
 */
static void reply_to_a_session_that_ended_in_the_same_burst_is_dropped(void **state)
{
	struct bench b;
	struct support_packet p[3] = {tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN),
				      tcp("198.51.100.8", 2000, VIP, 80, GT_TCP_SYN),
				      tcp(SERVER, 80, OWN, 1024, GT_TCP_ACK)};
	struct gt_frame f[3];

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN)), 1024);
	assert_int_equal(port_of(&b, tcp(SERVER, 80, OWN, 1024, GT_TCP_RST)), 80);
	for (unsigned i = 0; i < 3; i++)
		f[i] = support_packet_frame(&p[i]);
	gt_worker_burst(b.worker, b.plan, b.now_ms, f, 3);
	assert_int_equal(f[0].verdict, GT_SEND);
	assert_int_equal(get16(f[0].data + 34), 1025);
	assert_int_equal(get16(f[1].data + 34), 1026);
	assert_int_equal(f[2].verdict, GT_DROP);
	assert_int_equal(f[2].reason, GT_DROP_OWN_ADDRESS);
	for (unsigned i = 0; i < 3; i++)
		support_frame_free(&f[i]);
	close_bench(&b);
}

/* The first fragment of a reply meets its session; before the second one its place is another's. */
static void later_fragment_of_a_session_that_ended_is_dropped(void **state)
{
	struct bench b;
	struct support_packet p = {.src = support_addr(SERVER),
				   .dst = support_addr(OWN),
				   .protocol = IPPROTO_UDP,
				   .sport = 53,
				   .dport = 1024,
				   .payload_len = 100,
				   .piece_len = 64,
				   .more = true,
				   .id = 5};
	struct support_packet ask = {.src = support_addr(CLIENT),
				     .dst = support_addr(VIP),
				     .protocol = IPPROTO_UDP,
				     .sport = 7,
				     .dport = 53};
	struct gt_frame f;

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(port_of(&b, ask), 1024);
	f = go(&b, p);
	assert_int_equal(f.verdict, GT_SEND);
	support_frame_free(&f);
	gt_snat_close(&b.worker->snat, gt_snat_name(0, 1024), b.worker->tick);
	memset(b.worker->flows.buckets, 0,
	       b.worker->flows.n_buckets * sizeof(*b.worker->flows.buckets));
	b.worker->flows.entries = 0;
	b.worker->counters.expired++;
	for (unsigned i = 1; i < 64; i++)
		b.worker->servers[i].active = 0;
	ask.src = support_addr("198.51.100.99");
	assert_int_equal(port_of(&b, ask), 1025);
	p.piece_offset = 64;
	p.piece_len = 44;
	p.more = false;
	f = go(&b, p);
	assert_int_equal(f.verdict, GT_DROP);
	support_frame_free(&f);
	close_bench(&b);
}

/* The place is the same client's next session, to another server, with the same port number. */
static void later_fragment_of_a_session_to_another_server_is_dropped(void **state)
{
	struct support_packet p = tcp(CLIENT, 1000, VIP, 80, GT_TCP_ACK);
	struct gt_frame f;
	struct bench b;

	(void)state;
	open_bench(&b, 1);
	p.payload_len = 100;
	p.piece_len = 64;
	p.more = true;
	p.id = 5;
	assert_int_equal(port_of(&b, p), 1024);
	support_state(b.config, b.states, "snat", "a")->weight = 0;
	support_state(b.config, b.states, "snat", "b")->weight = 100;
	plan(&b);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_RST)), 1024);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN)), 1024);
	p.piece_offset = 64;
	p.piece_len = 56;
	p.more = false;
	f = go(&b, p);
	assert_int_equal(f.verdict, GT_DROP);
	support_frame_free(&f);
	close_bench(&b);
}

static void reload_without_the_server_leaves_its_session_unreachable(void **state)
{
	struct bench b;
	struct gt_config *old;
	struct gt_frame f;

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(port_of(&b, tcp("2001:db8:c::7", 1000, "2001:db8::100", 80, GT_TCP_SYN)),
			 1024);
	/* fewer servers, so that numbers end below the session's */
	old = b.config;
	b.config = support_config(7);
	support_interface(b.config, "lan", 0, OWN "/24");
	b.config->vips = NULL;
	support_server(b.config, support_vip(b.config, "snat", VIP, GT_PROTO_TCP, "80"), "a",
		       SERVER, 100);
	b.config->vips[0].mode = GT_MODE_SNAT;
	free(b.states);
	b.states = support_states(b.config);
	plan(&b);
	f = go(&b, tcp("192.0.2.13", 80, OWN, 1024, GT_TCP_SYN | GT_TCP_ACK));
	assert_int_equal(f.verdict, GT_DROP);
	assert_int_equal(f.reason, GT_DROP_OWN_ADDRESS);
	support_frame_free(&f);
	close_bench(&b);
	support_config_free(old);
}

/* ---- states ---- */

static uint64_t lives(struct bench *b)
{
	gt_worker_flush(b->worker, b->plan, b->now_ms);
	return b->worker->snat.live;
}

static void timeouts_follow_both_sides(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 1000);
	/* half open: 30 s, whatever ACKs come, until the server answers */
	port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_ACK));
	port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_ACK));
	b.now_ms += 30000;
	assert_int_equal(lives(&b), 1);
	b.now_ms += 500;
	assert_int_equal(lives(&b), 0);
	/* answered: 2 h 4 m from the last packet of either side */
	port_of(&b, tcp(CLIENT, 1001, VIP, 80, GT_TCP_SYN));
	assert_int_equal(port_of(&b, tcp(SERVER, 80, OWN, 1025, GT_TCP_SYN | GT_TCP_ACK)), 80);
	port_of(&b, tcp(CLIENT, 1001, VIP, 80, GT_TCP_ACK));
	b.now_ms += 7000000;
	assert_int_equal(port_of(&b, tcp(SERVER, 80, OWN, 1025, GT_TCP_ACK)), 80);
	b.now_ms += 7440000;
	assert_int_equal(lives(&b), 1);
	/* the server's FIN: 2 m */
	assert_int_equal(port_of(&b, tcp(SERVER, 80, OWN, 1025, GT_TCP_FIN | GT_TCP_ACK)), 80);
	port_of(&b, tcp(CLIENT, 1001, VIP, 80, GT_TCP_ACK));
	b.now_ms += 120000;
	assert_int_equal(lives(&b), 1);
	b.now_ms += 500;
	assert_int_equal(lives(&b), 0);
	/* the server's RST: 10 s */
	port_of(&b, tcp(CLIENT, 1002, VIP, 80, GT_TCP_SYN));
	assert_int_equal(port_of(&b, tcp(SERVER, 80, OWN, 1024, GT_TCP_RST)), 80);
	b.now_ms += 10000;
	assert_int_equal(lives(&b), 1);
	b.now_ms += 500;
	assert_int_equal(lives(&b), 0);
	close_bench(&b);
}

/* What the table says of the only connection. */
static enum gt_flow_state state_of(const struct bench *b)
{
	const struct gt_flow_table *t = &b->worker->flows;
	struct gt_flow_entry entries[GT_FLOW_BUCKET_SLOTS];

	assert_int_equal(t->entries, 1);
	for (uint32_t i = 0; i < t->n_buckets; i++)
		if (gt_flow_read(t, i, b->worker->tick, entries) == 1)
			return entries[0].state;
	fail();
	return GT_FLOW_STATES;
}

static int64_t open_of(const struct bench *b)
{
	return b->worker->servers[support_server_number(b->plan, "snat", "a")].open;
}

/* The table's entry and the session know each one side's time: the younger one counts, whichever
 * it is, and however often only that side speaks. */
static void timeouts_are_judged_by_the_younger_side(void **state)
{
	struct support_packet ask = {.src = support_addr(CLIENT),
				     .dst = support_addr(VIP),
				     .protocol = IPPROTO_UDP,
				     .sport = 7,
				     .dport = 53};
	struct support_packet tell = {.src = support_addr(SERVER),
				      .dst = support_addr(OWN),
				      .protocol = IPPROTO_UDP,
				      .sport = 53,
				      .dport = 1024};
	struct bench b;

	(void)state;
	open_bench(&b, 1000);
	for (unsigned side = 0; side < 2; side++) {
		uint16_t port = (uint16_t)port_of(&b, ask);

		tell.dport = port;
		for (unsigned i = 0; i < 5; i++) {
			b.now_ms += 179000;
			assert_int_equal(port_of(&b, side == 0 ? ask : tell),
					 side == 0 ? port : 53);
			assert_int_equal(lives(&b), 1);
		}
		b.now_ms += 180000;
		assert_int_equal(lives(&b), 1);
		/* The other side has been silent for a quarter of an hour. */
		assert_int_equal(port_of(&b, side == 0 ? tell : ask), side == 0 ? 53 : port);
		b.now_ms += 180250;
		assert_int_equal(lives(&b), 0);
	}
	close_bench(&b);
}

/* A server's end of a connection is its entry's at once, so that the client's next ACK, an ordinary
 * packet before, is judged. */
static void ends_by_the_server_are_seen_by_the_clients_next_packet(void **state)
{
	struct support_packet ack = tcp(CLIENT, 1000, VIP, 80, GT_TCP_ACK);
	struct bench b;

	(void)state;
	open_bench(&b, 1000);
	port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN));
	port_of(&b, tcp(SERVER, 80, OWN, 1024, GT_TCP_SYN | GT_TCP_ACK));
	assert_int_equal(state_of(&b), GT_FLOW_SYN);
	assert_int_equal(port_of(&b, ack), 1024);
	assert_int_equal(port_of(&b, ack), 1024);
	assert_int_equal(state_of(&b), GT_FLOW_ESTABLISHED);
	assert_int_equal(open_of(&b), 1);
	/* A RST only shortens: an ACK behind it restores. */
	port_of(&b, tcp(SERVER, 80, OWN, 1024, GT_TCP_RST));
	assert_int_equal(state_of(&b), GT_FLOW_CLOSED);
	assert_int_equal(open_of(&b), 0);
	assert_int_equal(port_of(&b, ack), 1024);
	assert_int_equal(state_of(&b), GT_FLOW_ESTABLISHED);
	assert_int_equal(open_of(&b), 1);
	/* A FIN does not go away. */
	port_of(&b, tcp(SERVER, 80, OWN, 1024, GT_TCP_FIN | GT_TCP_ACK));
	assert_int_equal(state_of(&b), GT_FLOW_FIN);
	for (unsigned i = 0; i < 3; i++) {
		b.now_ms += 100000;
		assert_int_equal(port_of(&b, ack), 1024);
		assert_int_equal(state_of(&b), GT_FLOW_FIN);
		assert_int_equal(open_of(&b), 0);
	}
	b.now_ms += 120250;
	assert_int_equal(lives(&b), 0);
	close_bench(&b);
}

/* ---- full ---- */

static struct support_packet nth(uint32_t i, uint8_t flags)
{
	struct support_packet p = tcp(CLIENT, (uint16_t)(1024 + i % 60000), VIP, 80, flags);

	p.src = gt_addr_from_v4(rte_cpu_to_be_32(0x0b000000 + i));
	return p;
}

static void established_ports_run_out_and_the_table_is_intact(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 100000);
	for (uint32_t i = 0; i < 64512; i++) {
		int port = port_of(&b, nth(i, GT_TCP_SYN));

		assert_int_equal(port, 1024 + i);
		assert_int_equal(
			port_of(&b, tcp(SERVER, 80, OWN, (uint16_t)port, GT_TCP_SYN | GT_TCP_ACK)),
			80);
		assert_int_equal(port_of(&b, nth(i, GT_TCP_ACK)), port);
	}
	b.now_ms += 60000;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(port_of(&b, nth(100000 + i, GT_TCP_SYN)), -1 - GT_DROP_SNAT_FULL);
	assert_int_equal(b.worker->counters.drops[GT_DROP_SNAT_FULL], 1000);
	assert_int_equal(b.worker->snat.live, 64512);
	for (uint32_t i = 0; i < 64512; i += 97)
		assert_int_equal(port_of(&b, nth(i, GT_TCP_ACK)), 1024 + i);
	/* another server's ports are its own */
	assert_int_equal(port_of(&b, tcp("2001:db8:c::7", 9, "2001:db8::100", 80, GT_TCP_SYN)),
			 1024);
	close_bench(&b);
}

/* A flood of SYNs, or of ACKs of no connection, takes all ports; half-open ones yield. */
static void flood_yields_to_new_connections_and_spares_the_established(void **state)
{
	struct bench b;
	uint32_t good = 0;

	(void)state;
	open_bench(&b, 100000);
	for (uint32_t i = 0; i < 1000; i++) {
		port_of(&b, nth(i, GT_TCP_SYN));
		port_of(&b, tcp(SERVER, 80, OWN, (uint16_t)(1024 + i), GT_TCP_SYN | GT_TCP_ACK));
		port_of(&b, nth(i, GT_TCP_ACK));
	}
	for (uint32_t i = 0; i < 63512; i++)
		port_of(&b, nth(10000 + i, i % 2 ? GT_TCP_SYN : GT_TCP_ACK));
	assert_int_equal(b.worker->snat.live, 64512);
	/* a client that has just come is not pushed out at once */
	assert_int_equal(port_of(&b, nth(200000, GT_TCP_SYN)), -1 - GT_DROP_SNAT_FULL);
	b.now_ms += 5000;
	for (uint32_t i = 0; i < 1000; i++)
		good += port_of(&b, nth(300000 + i, GT_TCP_SYN)) > 0;
	assert_in_range(good, 950, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(port_of(&b, nth(i, GT_TCP_ACK)), 1024 + i);
	assert_int_equal(b.worker->counters.evicted, good);
	close_bench(&b);
}

/* The same when sessions run out before ports do. */
static void flood_of_sessions_yields_too(void **state)
{
	struct bench b;
	uint32_t good = 0;

	(void)state;
	open_bench(&b, 500);
	for (uint32_t i = 0; i < 2000; i++)
		port_of(&b, nth(i, GT_TCP_SYN));
	assert_in_range(b.worker->snat.live, 400, 500);
	b.now_ms += 5000;
	for (uint32_t i = 0; i < 300; i++)
		good += port_of(&b, nth(10000 + i, GT_TCP_SYN)) > 0;
	assert_in_range(good, 290, 300);
	close_bench(&b);
}

/* ---- modes that a reload changes, found by test_modes ---- */

/* An ICMP error to the VIP about its packet from port 80 to a client. */
static struct gt_frame send_error(struct bench *b, uint16_t client_port)
{
	struct support_packet about = tcp(VIP, 80, CLIENT, client_port, GT_TCP_ACK);
	uint8_t frame[2048];
	size_t len = support_build(&about, frame);
	struct support_packet error = {.src = support_addr("203.0.113.1"),
				       .dst = support_addr(VIP),
				       .protocol = IPPROTO_ICMP,
				       .icmp_type = 3,
				       .icmp_code = 1,
				       .payload = frame + 14,
				       .payload_len = len - 14};

	return go(b, error);
}

static void error_about_a_connection_of_the_former_mode_is_not_translated(void **state)
{
	struct bench b;
	struct gt_frame f;

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN)), 1024);
	b.config->vips[0].mode = GT_MODE_DR;
	plan(&b);
	f = send_error(&b, 1000);
	assert_int_equal(f.verdict, GT_SEND);
	/* dr: not a bit of the packet changes, the VIP in it included */
	assert_memory_equal(f.data + 30, support_addr(VIP).b + 12, 4);
	assert_memory_equal(f.data + 14 + 20 + 8 + 12, support_addr(VIP).b + 12, 4);
	support_frame_free(&f);
	close_bench(&b);
}

static void error_about_a_connection_without_a_session_is_dropped(void **state)
{
	struct bench b;
	struct gt_frame f;

	(void)state;
	open_bench(&b, 1000);
	b.config->vips[0].mode = GT_MODE_DR;
	plan(&b);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN)), 1000);
	b.config->vips[0].mode = GT_MODE_SNAT;
	plan(&b);
	f = send_error(&b, 1000);
	assert_int_equal(f.verdict, GT_DROP);
	assert_int_equal(f.reason, GT_DROP_ICMP_BAD);
	support_frame_free(&f);
	close_bench(&b);
}

static void later_fragment_of_the_former_mode_is_dropped(void **state)
{
	struct support_packet p = {.src = support_addr(CLIENT),
				   .dst = support_addr(VIP),
				   .protocol = IPPROTO_UDP,
				   .sport = 7,
				   .dport = 53,
				   .payload_len = 100,
				   .piece_len = 64,
				   .more = true,
				   .id = 5};
	struct bench b;
	struct gt_frame f;

	(void)state;
	open_bench(&b, 1000);
	b.config->vips[3].mode = GT_MODE_NAT;
	plan(&b);
	f = go(&b, p);
	assert_int_equal(f.verdict, GT_SEND);
	support_frame_free(&f);
	b.config->vips[3].mode = GT_MODE_SNAT;
	plan(&b);
	p.piece_offset = 64;
	p.piece_len = 44;
	p.more = false;
	f = go(&b, p);
	assert_int_equal(f.verdict, GT_DROP);
	support_frame_free(&f);
	close_bench(&b);
}

/* ---- on_down = reset ---- */

/* Neither a RST nor a fragment is answered by a reset, and neither costs the client its own. */
static void reset_is_for_whole_packets_with_an_ack(void **state)
{
	struct support_packet p = tcp(CLIENT, 1000, VIP, 80, GT_TCP_ACK);
	struct bench b;

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(port_of(&b, tcp(CLIENT, 1000, VIP, 80, GT_TCP_SYN)), 1024);
	support_state(b.config, b.states, "snat", "a")->up = false;
	plan(&b);
	p.payload_len = 100;
	p.piece_len = 64;
	p.more = true;
	assert_int_equal(port_of(&b, p), -1 - GT_DROP_RESET);
	p.piece_len = 0;
	p.more = false;
	p.flags = GT_TCP_RST | GT_TCP_ACK;
	assert_int_equal(port_of(&b, p), -1 - GT_DROP_NO_SERVER);
	p.flags = GT_TCP_ACK;
	assert_int_equal(port_of(&b, p), -1000 - GT_ANSWER);
	/* It has ended: what comes now is of no known connection. */
	assert_int_equal(port_of(&b, p), -1 - GT_DROP_NO_SERVER);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reply_to_a_session_that_ended_in_the_same_burst_is_dropped),
		cmocka_unit_test(later_fragment_of_a_session_that_ended_is_dropped),
		cmocka_unit_test(later_fragment_of_a_session_to_another_server_is_dropped),
		cmocka_unit_test(reload_without_the_server_leaves_its_session_unreachable),
		cmocka_unit_test(timeouts_follow_both_sides),
		cmocka_unit_test(timeouts_are_judged_by_the_younger_side),
		cmocka_unit_test(ends_by_the_server_are_seen_by_the_clients_next_packet),
		cmocka_unit_test(established_ports_run_out_and_the_table_is_intact),
		cmocka_unit_test(flood_yields_to_new_connections_and_spares_the_established),
		cmocka_unit_test(flood_of_sessions_yields_too),
		cmocka_unit_test(error_about_a_connection_of_the_former_mode_is_not_translated),
		cmocka_unit_test(error_about_a_connection_without_a_session_is_dropped),
		cmocka_unit_test(later_fragment_of_the_former_mode_is_dropped),
		cmocka_unit_test(reset_is_for_whole_packets_with_an_ack),
	};

	return cmocka_run_group_tests_name("nat", tests, NULL, NULL);
}
