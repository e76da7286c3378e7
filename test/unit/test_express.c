/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The express path at its edges: packets of open connections of every mode and family, both ways,
 * each changed by one thing. A twin of the worker takes the same frames by the general path, and
 * bytes, verdicts, counters and memory must be the same after each (support_twin.h); what leaves is
 * checked against the configuration besides (support_check.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "support_dialog.h"
#include "support_view.h"

#define TCP 6
#define UDP 17

static const struct {
	const char *address;
	uint8_t protocol;
	uint16_t port;
	bool both_ways; /* replies come back by us */
} services[] = {
	{"192.0.2.100", TCP, 80, false},   {"192.0.2.100", UDP, 53, false},
	{"2001:db8::100", TCP, 80, false}, {"192.0.2.102", TCP, 80, false},
	{"192.0.2.105", TCP, 80, false},   {"192.0.2.105", UDP, 80, false},
	{"2001:db8::105", TCP, 80, false}, {"192.0.2.106", TCP, 80, true},
	{"192.0.2.106", UDP, 53, true},	   {"2001:db8::106", TCP, 80, true},
	{"2001:db8::106", UDP, 53, true},  {"192.0.2.107", TCP, 80, true},
	{"192.0.2.107", UDP, 53, true},	   {"2001:db8::107", TCP, 80, true},
	{"2001:db8::107", UDP, 53, true},
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static const struct gt_worker_params params = {.connections = 500,
					       .wide = true,
					       .snat = GT_CONFIG_SNAT_V6,
					       .random = "0123456789abcde",
					       .memory = {0}};

static void open_pipe(struct support_pipe *p)
{
	struct gt_worker_params own = params;

	own.memory = gt_memory_heap;
	support_pipe_open_with(p, support_pipe_express_config(), 1, &own);
	support_pipe_twin_workers(p, &own);
}

static void give(struct support_pipe *p, struct gt_frame *f, uint8_t in_if)
{
	f->in_if = in_if;
	support_pipe_give(p, f, 1);
}

/*
 * The same frame at each place among seven packets of other connections: eight are judged at once
 * (pipeline/lanes.h), and one that is not ordinary must not change what becomes of the others.
 */
static void give_among_others(struct support_pipe *p, const struct gt_frame *f, uint8_t in_if,
			      bool v4)
{
	for (unsigned place = 0; place < 8; place++) {
		struct gt_frame frames[8];

		for (unsigned i = 0; i < 8; i++) {
			const struct support_packet other = {
				.src = support_addr(v4 ? "192.0.2.50" : "2001:db8::50"),
				.dst = support_addr(v4 ? "192.0.2.100" : "2001:db8::100"),
				.protocol = TCP,
				.sport = (uint16_t)(40000 + i),
				.dport = 80,
				.flags = GT_TCP_ACK,
				.payload_len = i,
				.ttl = 64,
			};

			frames[i] = i == place ? support_frame(f->data, f->len)
					       : support_packet_frame(&other);
			frames[i].in_if = in_if;
			if (i == place)
				frames[i].wire_len = f->wire_len;
		}
		support_pipe_give(p, frames, 8);
	}
}

static struct support_dialog begin(struct support_pipe *p, size_t service, uint16_t port)
{
	struct support_packet s = {.dst = support_addr(services[service].address),
				   .protocol = services[service].protocol,
				   .sport = port,
				   .dport = services[service].port,
				   .flags = GT_TCP_SYN,
				   .payload_len = 20,
				   .ttl = 64};
	unsigned left = p->n_left;
	struct support_dialog t = {0};

	s.src = support_addr(gt_addr_is_v4(&s.dst) ? "192.0.2.50" : "2001:db8::50");
	/* Behind the gateway, and on the wire. */
	if (port & 1)
		s.src = support_addr(gt_addr_is_v4(&s.dst) ? "203.0.113.9" : "2001:db8:1::9");
	t.request = s;
	support_dialog_send(p, &s, 0);
	assert_int_equal(p->n_left, left + 1);
	if (services[service].both_ways)
		support_dialog_learn(p, &t);
	return t;
}

static struct support_dialog open_talk(struct support_pipe *p, size_t service, uint16_t port)
{
	struct support_dialog t = begin(p, service, port);

	support_dialog_establish(p, &t, t.replies);
	return t;
}

/* Both ways as they should be: they leave. */
static void speak(struct support_pipe *p, const struct support_dialog *t)
{
	uint64_t forwarded = p->worker->counters.forwarded;

	support_dialog_send(p, &t->request, 0);
	if (t->replies)
		support_dialog_send(p, &t->reply, t->reply_if);
	assert_true(p->worker->counters.forwarded == forwarded + 1 + t->replies);
}

static void repair_ipv4(uint8_t *frame)
{
	uint16_t sum;

	memset(frame + 24, 0, 2);
	sum = (uint16_t)~support_sum(0, frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
}

/* Each bit of a packet's headers, with the header's checksum as it then is, and repaired. */
static void flip(struct support_pipe *p, size_t service, bool reply)
{
	bool v4 = strchr(services[service].address, '.') != NULL;
	uint32_t bits =
		(14U + (v4 ? 20U : 40U) + (services[service].protocol == TCP ? 20U : 8U)) * 8;

	for (uint32_t i = 0; i < bits * 2; i++) {
		/* The flip may have ended the last one. */
		struct support_dialog t = open_talk(p, service, (uint16_t)(1000 + i));
		struct gt_frame f;

		if (reply && !t.replies)
			return;
		f = support_packet_frame(reply ? &t.reply : &t.request);
		f.data[i / 2 / 8] ^= (uint8_t)(1U << i / 2 % 8);
		if (i % 2 == 1 && v4)
			repair_ipv4(f.data);
		give_among_others(p, &f, reply ? t.reply_if : 0, v4);
		give(p, &f, reply ? t.reply_if : 0);
		support_dialog_send(p, &t.request, 0);
		if (i % 64 != 0)
			continue;
		p->now_ms += 3 * 3600 * 1000;
		support_pipe_flush(p);
	}
}

static void express_every_bit_of_the_headers_is_seen(void **state)
{
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++) {
		flip(&p, i, false);
		flip(&p, i, true);
	}
	support_pipe_close(&p);
}

/* 0/8, 127/8 and 224/3 are nobody's source; nor are 0::/8 and ff00::/8, and no IPv6 service has an
 * address of them. */
static void express_every_network_is_judged_alike(void **state)
{
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned v4 = 0; v4 < 2; v4++) {
			struct support_packet s = {
				.src = support_addr(v4 ? "192.0.2.50" : "2001:db8::50"),
				.dst = support_addr(v4 ? "192.0.2.100" : "2001:db8::100"),
				.protocol = TCP,
				.sport = 1000,
				.dport = 80,
				.flags = GT_TCP_ACK,
				.ttl = 64};
			struct gt_frame f;

			s.src.b[v4 ? 12 : 0] = (uint8_t)first;
			f = support_packet_frame(&s);
			give_among_others(&p, &f, 0, v4);
			if (!v4)
				f.data[14 + 24] = (uint8_t)first;
			give_among_others(&p, &f, 0, v4);
			give(&p, &f, 0);
		}
	}
	support_pipe_close(&p);
}

/* With each value of two bytes of payload, every checksum comes, and every sum of one. */
static void express_every_checksum_is_right(void **state)
{
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++) {
		struct support_dialog t = open_talk(&p, i, (uint16_t)(i + 1));
		uint64_t forwarded = p.worker->counters.forwarded;
		uint8_t payload[20] = {0};

		t.request.payload = t.reply.payload = payload;
		for (uint32_t word = 0; word < 0x10000; word += GT_BURST_MAX) {
			struct gt_frame frames[GT_BURST_MAX];

			for (unsigned j = 0; j < GT_BURST_MAX; j++) {
				bool reply = t.replies && (word / GT_BURST_MAX & 1) != 0;

				payload[0] = (uint8_t)((word + j) >> 8);
				payload[1] = (uint8_t)(word + j);
				frames[j] = support_packet_frame(reply ? &t.reply : &t.request);
				frames[j].in_if = reply ? t.reply_if : 0;
			}
			support_pipe_give(&p, frames, GT_BURST_MAX);
		}
		assert_true(p.worker->counters.forwarded == forwarded + 0x10000);
	}
	support_pipe_close(&p);
}

/* UDP without a checksum, in IPv4 and IPv6; TTLs around their end; padding, and a cut frame. */
static void vary(struct support_pipe *p, const struct support_dialog *t, bool reply)
{
	const struct support_packet *packet = reply ? &t->reply : &t->request;
	bool v4 = gt_addr_is_v4(&packet->dst);

	for (unsigned i = 0; i < 8; i++) {
		struct support_packet s = *packet;
		struct gt_frame f;

		s.ttl = i < 3 ? (uint8_t)i : 64;
		f = support_packet_frame(&s);
		if (i == 0) {
			f.data[v4 ? 22 : 21] = 0;
			if (v4)
				repair_ipv4(f.data);
		}
		if (i == 3 && s.protocol == UDP)
			memset(f.data + (v4 ? 40 : 60), 0, 2);
		if (i == 4) /* further segments, and padding */
			f.wire_len += 7;
		if (i == 5)
			f.len -= 20;
		if (i == 6)
			f.wire_len = f.len -= 1;
		if (i == 7) /* as only a capture tells */
			f.wire_len = 0x7fffffff;
		give_among_others(p, &f, reply ? t->reply_if : 0, v4);
		give(p, &f, reply ? t->reply_if : 0);
	}
}

static void express_ttl_udp_without_checksum_and_lengths_are_judged_alike(void **state)
{
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++) {
		for (uint16_t port = 1; port < 5; port++) {
			struct support_dialog t = open_talk(&p, i, port);

			vary(&p, &t, false);
			if (t.replies)
				vary(&p, &t, true);
			speak(&p, &t);
		}
	}
	support_pipe_close(&p);
}

/* All that is a little shorter and a little longer than the wire allows, wrapped or not. */
static void express_what_is_too_big_is_told(void **state)
{
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	p.config->interfaces[0].mtu = 1300;
	p.config->interfaces[1].mtu = 1280;
	support_pipe_replan(&p);
	for (size_t i = 0; i < SERVICES; i++) {
		for (uint16_t port = 1; port < 7; port++) {
			struct support_dialog t = open_talk(&p, i, port);

			for (size_t len = 1180; len < 1290; len++) {
				t.request.payload_len = t.reply.payload_len = len;
				support_dialog_send(&p, &t.request, 0);
				if (t.replies)
					support_dialog_send(&p, &t.reply, t.reply_if);
			}
			/* more may be told */
			p.now_ms += GT_TICK_MS;
		}
	}
	assert_true(p.worker->counters.answered > 0);
	support_pipe_close(&p);
}

/* Tunnels of each kind, family inside and outside, and from one source address or one of two: 24
 * VIPs, t00 to t23, of one server each. */
#define TUNNELS 24

static void add_tunnels(struct gt_config *c)
{
	/* Of san there is one address of each family. */
	support_address(c, 0, "192.0.2.9/24");
	support_address(c, 0, "2001:db8::9/64");
	for (unsigned i = 0; i < TUNNELS; i++) {
		bool inner_v6 = i & 1, outer_v6 = i & 2, san = i & 4;
		char name[8], vip[32], server[32];
		size_t v;

		snprintf(name, sizeof(name), "t%02u", i);
		snprintf(vip, sizeof(vip), inner_v6 ? "2001:db8::2:%u" : "192.0.2.%u", 200 + i);
		if (outer_v6)
			snprintf(server, sizeof(server), "2001:db8:%d::3:%u", san ? 2 : 0, i);
		else
			snprintf(server, sizeof(server), san ? "198.51.100.%u" : "192.0.2.%u",
				 230 + i);
		v = support_vip(c, name, vip, GT_PROTO_TCP, "80");
		c->vips[v].mode = GT_MODE_TUNNEL;
		c->vips[v].encapsulation = (enum gt_encapsulation)(i / 8);
		support_server(c, v, "a", server, 100)->interface = san;
	}
}

/* What outer headers take from inner ones, and lengths: padded, to be continued, cut. */
static void vary_inner(struct gt_frame *f, bool v4, unsigned i)
{
	uint8_t *ip = f->data + 14;

	if (v4) {
		ip[1] = (uint8_t)(i * 37);
		ip[4] = (uint8_t)(i * 11);
		ip[5] = (uint8_t)(i * 7);
		ip[6] = (uint8_t)(i % 4 << 6);
		repair_ipv4(f->data);
	} else {
		ip[0] = (uint8_t)(0x60 | (i & 0xf));
		ip[1] = (uint8_t)(i * 37);
	}
	if (i % 16 == 5)
		f->wire_len += 7;
	if (i % 16 == 9)
		f->len -= i % 20;
}

/* Of the tunnel's connection number `flow`. */
static struct support_packet to_tunnel(const struct gt_config *c, unsigned tunnel, unsigned flow)
{
	struct support_packet s = {.dst = c->vips[c->n_vips - TUNNELS + tunnel].address,
				   .protocol = TCP,
				   .sport = (uint16_t)(1000 + flow),
				   .dport = 80,
				   .flags = GT_TCP_ACK,
				   .payload_len = flow * 22,
				   .ttl = 64};

	s.src = support_addr(gt_addr_is_v4(&s.dst) ? "203.0.113.9" : "2001:db8:1::9");
	return s;
}

#define TUNNEL_FLOWS 64

static void open_tunnels(struct support_pipe *p)
{
	struct gt_worker_params own = params;
	struct gt_config *c = support_pipe_express_config();

	add_tunnels(c);
	own.memory = gt_memory_heap;
	own.connections = 4 * TUNNELS * TUNNEL_FLOWS;
	support_pipe_open_with(p, c, 1, &own);
	support_pipe_twin_workers(p, &own);
	for (unsigned i = 0; i < TUNNELS * TUNNEL_FLOWS; i++) {
		struct support_packet s = to_tunnel(c, i % TUNNELS, i / TUNNELS);

		s.flags = GT_TCP_SYN;
		support_dialog_send(p, &s, 0);
		s.flags = GT_TCP_ACK;
		support_dialog_send(p, &s, 0);
	}
}

static void express_every_tunnel_is_wrapped_alike(void **state)
{
	struct support_pipe p;

	(void)state;
	open_tunnels(&p);
	for (unsigned i = 0; i < TUNNELS * TUNNEL_FLOWS; i++) {
		struct support_packet s = to_tunnel(p.config, i % TUNNELS, i / TUNNELS);
		bool v4 = gt_addr_is_v4(&s.dst);
		struct gt_frame f = support_packet_frame(&s);
		uint64_t forwarded = p.worker->counters.forwarded;

		vary_inner(&f, v4, i / TUNNELS);
		give_among_others(&p, &f, 0, v4);
		give(&p, &f, 0);
		assert_true(p.worker->counters.forwarded >= forwarded + 9);
	}
	support_pipe_close(&p);
}

/* Many at once, of one tunnel or of several of a family; some must be told that they are too big.
 */
static void express_tunnels_are_wrapped_alike_in_bursts(void **state)
{
	struct support_pipe p;
	uint64_t seed = 8;

	(void)state;
	open_tunnels(&p);
	for (unsigned round = 0; round < TUNNELS * 20; round++) {
		uint64_t forwarded = p.worker->counters.forwarded;
		bool mixed = round / TUNNELS % 2 == 1, big = round / TUNNELS % 4 > 1;
		struct gt_frame frames[GT_BURST_MAX];

		for (unsigned i = 0; i < GT_BURST_MAX; i++) {
			uint64_t r = support_random(&seed);
			unsigned tunnel = round % TUNNELS, flow = r >> 8 & (TUNNEL_FLOWS - 1);
			struct support_packet s;

			/* Now and then of another one of the same inner family. */
			if (mixed && r % 8 == 0)
				tunnel = (tunnel + (unsigned)(r >> 32) % (TUNNELS / 2) * 2) %
					 TUNNELS;
			s = to_tunnel(p.config, tunnel, flow);
			if (big && (r >> 40) % 16 == 0)
				s.payload_len = 1420 + (r >> 48) % 40;
			frames[i] = support_packet_frame(&s);
			vary_inner(&frames[i], tunnel % 2 == 0, flow);
		}
		support_pipe_give(&p, frames, GT_BURST_MAX);
		assert_true(big ? p.worker->counters.forwarded > forwarded
				: p.worker->counters.forwarded == forwarded + GT_BURST_MAX);
		p.now_ms += 250;
	}
	assert_true(p.worker->counters.answered > 0);
	support_pipe_close(&p);
}

/* One of many connections, of a VIP of dr, a tunnel, nat or one that keeps a client at a server, or
 * of another of dr. */
static struct support_packet one_of_many(unsigned flow, bool v4)
{
	static const char *const vips[2][4] = {
		{"2001:db8::100", "2001:db8::105", "2001:db8::106", "2001:db8::100"},
		{"192.0.2.100", "192.0.2.105", "192.0.2.102", "192.0.2.103"}};
	bool nat = v4 && flow % 128 >= 116;

	return (struct support_packet){
		.src = support_addr(v4 ? "203.0.113.9" : "2001:db8:1::9"),
		/* So that neighbours mostly are of one VIP. */
		.dst = support_addr(nat ? "192.0.2.106"
					: vips[v4][flow % 64 < 52 ? flow / 64 % 4 : 3]),
		.protocol = TCP,
		.sport = (uint16_t)(2000 + flow),
		.dport = 80,
		.flags = GT_TCP_ACK,
		.payload_len = flow % 100,
		.ttl = (uint8_t)(flow % 40 == 39 ? 1 : 64),
	};
}

/*
 * Bursts of one family's connections, in a table in which many are in their second bucket, and some
 * in none. In the middle of some a connection begins or ends, so that others move; a server goes
 * down and comes back; and time goes by.
 */
static void give_full_bursts(uint32_t connections)
{
	struct gt_worker_params own = params;
	struct support_pipe p;
	uint64_t seed = connections;

	own.memory = gt_memory_heap;
	own.connections = connections;
	support_pipe_open_with(&p, support_pipe_express_config(), 1, &own);
	support_pipe_twin_workers(&p, &own);
	support_pipe_state(&p, "down", "a")->up = true;
	support_pipe_replan(&p);
	for (unsigned round = 0; round < 2000; round++) {
		bool v4 = round / 100 % 2 == 0, calm = round / 10 % 2 == 0;
		struct gt_frame frames[GT_BURST_MAX];

		for (unsigned i = 0; i < GT_BURST_MAX; i++) {
			uint64_t r = support_random(&seed);
			unsigned many = v4 ? 450 : 230, first = (unsigned)(r >> 8) % many;
			/* Neighbours, which are of one VIP, or anybody. */
			unsigned flow = calm ? (round * 64 + i) % many : first;
			struct support_packet s = one_of_many(flow, v4);

			if (!calm && r % 50 == 0)
				s.flags = (uint8_t)(r >> 32 & 0x3f);
			if (r % 600 == 1)
				s.protocol = UDP;
			if (r % 600 == 2)
				s.src = s.dst;
			/* Somebody new. */
			if (!calm && r % 100 == 3)
				s.sport = (uint16_t)(10000 + (r >> 16) % 50000);
			frames[i] = support_packet_frame(&s);
		}
		support_pipe_give(&p, frames, GT_BURST_MAX);
		p.now_ms += round % 37 == 0 ? 20000 : round % 203 == 0 ? 8000000 : 50;
		if (round % 97 == 0) {
			p.states[round % gt_plan_count_servers(p.config)].up ^= true;
			support_pipe_replan(&p);
		}
	}
	assert_true(p.worker->counters.forwarded > 80000);
	support_pipe_close(&p);
}

static void express_full_bursts_are_as_their_frames(void **state)
{
	(void)state;
	give_full_bursts(400);
	give_full_bursts(700);
	give_full_bursts(1000);
}

/* Silence around each timeout, and around the minute in which a client's record is renewed. */
static void express_silence_ends_connections_alike(void **state)
{
	static const uint32_t silences[] = {1,
					    GT_TICKS(59),
					    GT_TICKS(60),
					    GT_TICKS_UDP - 1,
					    GT_TICKS_UDP,
					    GT_TICKS_UDP + 1,
					    GT_TICKS_ESTABLISHED - 1,
					    GT_TICKS_ESTABLISHED,
					    GT_TICKS_ESTABLISHED + 1};
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++) {
		for (size_t j = 0; j < sizeof(silences) / sizeof(silences[0]); j++) {
			struct support_dialog t = open_talk(&p, i, (uint16_t)(j + 1));

			p.now_ms += (uint64_t)silences[j] * GT_TICK_MS;
			support_dialog_send(&p, &t.request, 0);
			if (t.replies)
				support_dialog_send(&p, &t.reply, t.reply_if);
			/* Its last packet is a reply now. */
			p.now_ms += (uint64_t)silences[j] * GT_TICK_MS;
			support_dialog_send(&p, &t.request, 0);
		}
	}
	support_pipe_close(&p);
}

/* Each kind of end and beginning, one packet after the other, also within one burst. */
static void express_connections_begin_and_end_alike(void **state)
{
	static const uint8_t flags[] = {GT_TCP_ACK, GT_TCP_FIN | GT_TCP_ACK, GT_TCP_RST,
					GT_TCP_SYN, GT_TCP_SYN | GT_TCP_ACK, 0};
	struct support_pipe p;
	uint64_t seed = 5;

	(void)state;
	open_pipe(&p);
	for (unsigned round = 0; round < 3000; round++) {
		size_t service = support_random(&seed) % SERVICES;
		struct support_dialog t = begin(&p, service, (uint16_t)(round % 50 + 1));
		struct gt_frame frames[16];

		for (unsigned i = 0; i < 16; i++) {
			uint64_t r = support_random(&seed);
			bool reply = t.replies && (r & 1) != 0;
			struct support_packet s = reply ? t.reply : t.request;

			/* half of them ordinary */
			s.flags = flags[(r >> 8 & 1) != 0 ? 0 : (r >> 16) % sizeof(flags)];
			frames[i] = support_packet_frame(&s);
			frames[i].in_if = reply ? t.reply_if : 0;
		}
		support_pipe_give(&p, frames, 16);
		p.now_ms += support_random(&seed) % 1000;
	}
	support_pipe_close(&p);
}

/* Open connections meet every state of their servers. */
static void express_changes_of_servers_are_seen(void **state)
{
	static struct support_dialog talks[SERVICES][4];
	struct support_pipe p;
	uint64_t seed = 6;

	(void)state;
	open_pipe(&p);
	for (unsigned round = 0; round < 60; round++) {
		size_t n = gt_plan_count_servers(p.config);

		for (size_t i = 0; i < SERVICES; i++) {
			for (uint16_t j = 0; j < 4; j++) {
				struct support_dialog *t = &talks[i][j];

				/* Opened while all servers were well. */
				if (round % 6 == 0)
					*t = open_talk(&p, i, (uint16_t)(j + 1));
				support_dialog_send(&p, &t->request, 0);
				if (t->replies)
					support_dialog_send(&p, &t->reply, t->reply_if);
			}
		}
		for (size_t i = 0; i < n; i++) {
			struct gt_server_state *s = &p.states[i];
			uint64_t r = support_random(&seed);

			s->up = (round + 1) % 6 == 0 || r % 4 != 0;
			s->resolved = (round + 1) % 6 == 0 || (r >> 8) % 8 != 0;
			s->admin = (round + 1) % 6 == 0 ? GT_ADMIN_ENABLED
							: (enum gt_admin)((r >> 16) % 3);
		}
		support_pipe_replan(&p);
	}
	assert_true(p.worker->counters.moved > 0);
	support_pipe_close(&p);
}

/* Everything of all services, and how much of it leaves. */
static uint64_t speak_all(struct support_pipe *p, const struct support_dialog talks[SERVICES])
{
	uint64_t forwarded = p->worker->counters.forwarded;

	for (size_t i = 0; i < SERVICES; i++) {
		support_dialog_send(p, &talks[i].request, 0);
		if (talks[i].replies)
			support_dialog_send(p, &talks[i].reply, talks[i].reply_if);
	}
	return p->worker->counters.forwarded - forwarded;
}

/* A reload gives a client's address to us. */
static void express_source_that_became_ours_is_dropped(void **state)
{
	static struct support_dialog talks[SERVICES];
	struct gt_config *c = support_pipe_express_config();
	struct support_pipe p;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++)
		talks[i] = open_talk(&p, i, 2);
	assert_int_equal(speak_all(&p, talks), SERVICES + 8);
	support_vip(c, "client4", "192.0.2.50", GT_PROTO_TCP, "1");
	support_vip(c, "client6", "2001:db8::50", GT_PROTO_TCP, "1");
	support_pipe_reload(&p, c);
	/* Replies of snat still come to source addresses of ours, on their way to nobody. */
	speak_all(&p, talks);
	assert_true(p.worker->counters.drops[GT_DROP_SOURCE_VIP] == SERVICES);
	support_pipe_close(&p);
}

/* A reload ends snat: its source addresses are own addresses like others, or nobody's. */
static void express_source_address_given_up_knows_no_sessions(void **state)
{
	static struct support_dialog talks[SERVICES];
	struct support_pipe p;
	uint64_t lost;

	(void)state;
	open_pipe(&p);
	for (size_t i = 0; i < SERVICES; i++)
		talks[i] = open_talk(&p, i, 2);
	assert_int_equal(speak_all(&p, talks), SERVICES + 8);
	for (size_t i = 0; i < p.config->n_vips; i++)
		if (p.config->vips[i].mode == GT_MODE_SNAT)
			p.config->vips[i].mode = GT_MODE_DR;
	support_pipe_replan(&p);
	lost = p.worker->counters.drops[GT_DROP_OWN_ADDRESS];
	speak_all(&p, talks);
	assert_true(p.worker->counters.drops[GT_DROP_OWN_ADDRESS] > lost);
	support_pipe_close(&p);
}

/* The server's number of a request that leaves, by whose frames are counted; and the VIP from which
 * the reply comes. */
static void speak_as(struct support_pipe *p, const struct support_dialog *t, const char *vip)
{
	uint16_t server = support_server_number(p->plan, vip, "a");
	struct gt_server_counters before = p->worker->servers[server];
	const struct support_left *l;
	struct support_view v;

	speak(p, t);
	assert_true(p->worker->servers[server].frames == before.frames + 1);
	assert_true(p->worker->servers[server].reply_frames == before.reply_frames + 1);
	l = &p->left[(p->n_left - 1) % 16];
	assert_true(support_view(l->bytes, l->len, &v));
	assert_true(gt_addr_equal(&v.src, &t->request.dst));
}

static int64_t active(const struct support_pipe *p, const char *vip)
{
	return p->worker->servers[support_server_number(p->plan, vip, "a")].active;
}

/* Two VIPs have the same server, and so its pair of addresses: whichever had it first, each session
 * is its own VIP's. */
static void express_vips_that_share_a_server_share_its_ports_alone(void **state)
{
	static const char *const vips[2] = {"192.0.2.107", "192.0.2.109"};
	static const char *const names[2] = {"snat", "more"};
	struct gt_worker_params own = params;
	struct gt_config *c = support_pipe_express_config();
	const struct gt_config_vip *snat;
	struct support_pipe p;
	size_t v;

	(void)state;
	v = support_vip(c, "more", vips[1], GT_PROTO_TCP, "80");
	for (snat = c->vips; strcmp(snat->name, "snat") != 0;)
		snat++;
	c->vips[v].mode = GT_MODE_SNAT;
	c->vips[v].snat_addresses = snat->snat_addresses;
	c->vips[v].n_snat_addresses = 1;
	support_server(c, v, "a", "192.0.2.170", 100)->port = 8080;
	own.memory = gt_memory_heap;
	support_pipe_open_with(&p, c, 1, &own);
	support_pipe_twin_workers(&p, &own);
	support_state(c, p.states, "snat", "b")->weight = 0;
	support_pipe_replan(&p);
	for (unsigned round = 0; round < 4; round++) {
		struct support_dialog talks[8];

		/* They begin in turns, and who is first differs. */
		for (unsigned i = 0; i < 8; i++) {
			struct support_packet s;

			talks[i] = open_talk(&p, 11, (uint16_t)(100 * round + i));
			if ((i + round) % 2 == 0)
				continue;
			s = talks[i].request;
			s.dst = support_addr(vips[1]);
			s.flags = GT_TCP_SYN;
			support_dialog_send(&p, &s, 0);
			talks[i].request = s;
			support_dialog_learn(&p, &talks[i]);
			s = talks[i].reply;
			s.flags = GT_TCP_SYN | GT_TCP_ACK;
			support_dialog_send(&p, &s, talks[i].reply_if);
			talks[i].request.flags = GT_TCP_ACK;
			support_dialog_send(&p, &talks[i].request, 0);
		}
		for (unsigned i = 0; i < 16; i++)
			speak_as(&p, &talks[i % 8], names[(i + round) % 2]);
		assert_true(active(&p, "more") == 4 && active(&p, "snat") == 8);
		p.now_ms += 3 * 3600 * 1000;
		support_pipe_flush(&p);
		assert_true(active(&p, "more") == 0 && active(&p, "snat") == 0);
	}
	support_pipe_close(&p);
}

/* A burst of a packet eight times, which are judged at once. */
static void send_eight(struct support_pipe *p, const struct support_packet *packet)
{
	struct gt_frame frames[8];

	for (unsigned i = 0; i < 8; i++)
		frames[i] = support_packet_frame(packet);
	support_pipe_give(p, frames, 8);
}

/*
 * IPv6 clients whose address has, in either half, the very bytes of an IPv4 connection's key, in a
 * table so small that they share buckets: neither may be taken for the other.
 */
static void express_ipv6_addresses_that_look_like_ipv4_keys_are_no_hits(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 16; n++) {
		struct gt_worker_params own = params;
		const struct gt_plan_address *vip;
		struct support_packet v4 = {.src = support_addr("203.0.113.9"),
					    .dst = support_addr("192.0.2.100"),
					    .protocol = TCP,
					    .sport = (uint16_t)(2000 + n),
					    .dport = 80,
					    .flags = GT_TCP_ACK,
					    .payload_len = 20,
					    .ttl = 64};
		struct support_packet v6 = v4;
		struct support_pipe p;
		uint16_t service;
		uint64_t key;

		own.memory = gt_memory_heap;
		own.connections = 2;
		support_pipe_open_with(&p, support_pipe_express_config(), 1, &own);
		support_pipe_twin_workers(&p, &own);
		vip = gt_plan_find_address(p.plan, &v4.dst);
		service = gt_plan_range_service(gt_plan_find_range(p.plan, vip, TCP, 80), 80);
		key = (uint64_t)gt_addr_v4(&v4.src) | (uint64_t)rte_cpu_to_be_16(v4.sport) << 32 |
		      (uint64_t)service << 48;
		v6.dst = support_addr("2001:db8::100");
		v6.src = support_addr("2001:db8:1::9");
		memcpy(v6.src.b + (n % 2 == 0 ? 0 : 8), &key, sizeof(key));
		for (unsigned i = 0; i < 3; i++) {
			support_dialog_send(&p, &v6, 0);
			support_dialog_send(&p, &v4, 0);
			send_eight(&p, &v4);
			send_eight(&p, &v6);
		}
		support_pipe_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(express_ipv6_addresses_that_look_like_ipv4_keys_are_no_hits),
		cmocka_unit_test(express_every_bit_of_the_headers_is_seen),
		cmocka_unit_test(express_every_network_is_judged_alike),
		cmocka_unit_test(express_every_checksum_is_right),
		cmocka_unit_test(express_ttl_udp_without_checksum_and_lengths_are_judged_alike),
		cmocka_unit_test(express_what_is_too_big_is_told),
		cmocka_unit_test(express_every_tunnel_is_wrapped_alike),
		cmocka_unit_test(express_tunnels_are_wrapped_alike_in_bursts),
		cmocka_unit_test(express_full_bursts_are_as_their_frames),
		cmocka_unit_test(express_silence_ends_connections_alike),
		cmocka_unit_test(express_connections_begin_and_end_alike),
		cmocka_unit_test(express_changes_of_servers_are_seen),
		cmocka_unit_test(express_source_that_became_ours_is_dropped),
		cmocka_unit_test(express_source_address_given_up_knows_no_sessions),
		cmocka_unit_test(express_vips_that_share_a_server_share_its_ports_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
