/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a burst does beside single frames: fragments in every order, early ones held within their
 * bounds, tags where interfaces differ, and that a burst of 64 is the same as 64 bursts of one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/parse.h"
#include "support_pipe.h"
#include "vectors_packets.h"

#define TCP 6
#define UDP 17

static struct support_pipe open_pipe(void)
{
	struct support_pipe p;

	support_pipe_open(&p, 1000);
	return p;
}

/* ---- fragments ---- */

/* One of four pieces of a datagram of 400 bytes and its header. */
static struct support_packet piece(bool v6, uint8_t protocol, uint32_t id, unsigned n)
{
	struct support_packet s = {
		.src = support_addr(v6 ? "2001:db8:1::9" : "203.0.113.9"),
		.dst = support_addr(v6 ? "2001:db8::100" : "192.0.2.100"),
		.protocol = protocol,
		.sport = (uint16_t)(1000 + id),
		.dport = protocol == UDP && !v6 ? 53 : 80,
		.flags = GT_TCP_ACK,
		.icmp_type = v6 ? 128 : 8,
		.payload_len = 400,
		.id = id,
	};
	size_t header = protocol == TCP ? 20 : 8;

	s.piece_offset = n * 104;
	s.more = n < 3;
	s.piece_len = n < 3 ? 104 : 400 + header - 3 * 104;
	return s;
}

/* The verdict that each piece gets in the end, by giving them one by one in an order. */
struct outcome {
	uint8_t verdict[4], reason[4], out_if[4];
	uint8_t macs[4][12];
};

static void note(struct outcome *o, unsigned n, const struct gt_frame *f)
{
	o->verdict[n] = f->verdict;
	o->reason[n] = f->verdict == GT_DROP ? f->reason : 0;
	o->out_if[n] = f->out_if;
	memcpy(o->macs[n], f->data, 12);
}

static struct outcome give(struct support_pipe *p, bool v6, uint8_t protocol, uint32_t id,
			   const unsigned order[4], bool one_burst)
{
	struct gt_frame frames[4];
	struct outcome o;
	unsigned held[4], n_held = 0;

	memset(&o, 0xee, sizeof(o));
	for (unsigned i = 0; i < 4; i++) {
		struct support_packet s = piece(v6, protocol, id, order[i]);

		frames[i] = support_packet_frame(&s);
	}
	for (unsigned i = 0; i < 4; i += one_burst ? 4 : 1) {
		unsigned n_released = 0;

		support_pipe_burst(p, &frames[i], one_burst ? 4 : 1);
		for (unsigned j = i; j < i + (one_burst ? 4 : 1); j++) {
			if (frames[j].verdict == GT_HELD)
				held[n_held++] = order[j];
			else
				note(&o, order[j], &frames[j]);
		}
		/* they come back in the order they came */
		for (unsigned j = 0; j < p->worker->n_released; j++)
			note(&o, held[n_released++], &p->worker->released[j]);
		if (n_released > 0)
			n_held = 0;
		for (unsigned j = i; j < i + (one_burst ? 4 : 1); j++)
			support_pipe_done(&frames[j]);
	}
	return o;
}

static void burst_fragments_in_every_order_go_to_one_server(void **state)
{
	static const uint8_t protocols[] = {TCP, UDP};
	struct support_pipe p = open_pipe();
	uint32_t id = 1;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (int k = 0; k < 2; k++) {
			for (unsigned order = 0; order < 256; order++) {
				unsigned o[4] = {order & 3, order >> 2 & 3, order >> 4 & 3,
						 order >> 6};
				struct outcome got;

				if ((1U << o[0] | 1U << o[1] | 1U << o[2] | 1U << o[3]) != 15)
					continue;
				for (int one_burst = 0; one_burst < 2; one_burst++) {
					got = give(&p, v6, protocols[k], id++, o, one_burst);
					for (unsigned i = 0; i < 4; i++) {
						assert_int_equal(got.verdict[i], GT_SEND);
						assert_int_equal(got.out_if[i], got.out_if[0]);
						assert_memory_equal(got.macs[i], got.macs[0], 12);
					}
				}
			}
		}
	}
	/* 2 x 2 x 24 x 2 datagrams, one connection each */
	assert_true(p.worker->counters.created == 192);
	assert_true(p.worker->counters.forwarded == 4 * 192);
	assert_int_equal(p.worker->fragments.n_held, 0);
	support_pipe_close(&p);
}

static void burst_fragments_of_an_echo_are_answered_in_every_order(void **state)
{
	static const unsigned orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}};
	struct support_pipe p = open_pipe();
	uint32_t id = 1;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t k = 0; k < 3; k++) {
			struct outcome got = give(&p, v6, v6 ? 58 : 1, id++, orders[k], k == 1);

			for (unsigned i = 0; i < 4; i++)
				assert_int_equal(got.verdict[i], GT_ANSWER);
		}
	}
	assert_true(p.worker->counters.answered == 24);
	support_pipe_close(&p);
}

static void burst_fragments_share_the_drop_of_their_first(void **state)
{
	static const unsigned order[4] = {2, 0, 1, 3};
	struct support_pipe p = open_pipe();
	struct gt_frame f[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct support_packet s = piece(false, TCP, 7, order[i]);

		s.dport = 81; /* no service */
		f[i] = support_packet_frame(&s);
		support_pipe_burst(&p, &f[i], 1);
		if (i == 1) {
			assert_int_equal(p.worker->n_released, 1);
			assert_int_equal(p.worker->released[0].verdict, GT_DROP);
			assert_int_equal(p.worker->released[0].reason, GT_DROP_NO_SERVICE);
		}
		if (i > 0) {
			assert_int_equal(f[i].verdict, GT_DROP);
			assert_int_equal(f[i].reason, GT_DROP_NO_SERVICE);
		}
		support_pipe_done(&f[i]);
	}
	assert_true(p.worker->counters.drops[GT_DROP_NO_SERVICE] == 4);
	support_pipe_close(&p);
}

static void burst_fragments_of_an_unresolved_server_share_its_drop(void **state)
{
	static const unsigned order[4] = {1, 0, 2, 3};
	struct support_pipe p = open_pipe();
	struct outcome got;

	(void)state;
	for (const char *s = "ef"; *s != '\0'; s++)
		support_pipe_state(&p, "dns", (char[]){*s, '\0'})->resolved = false;
	support_pipe_replan(&p);
	got = give(&p, false, UDP, 1, order, false);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(got.verdict[i], GT_DROP);
		assert_int_equal(got.reason[i], GT_DROP_NO_NEIGHBOUR);
	}
	support_pipe_close(&p);
}

/* The fate is kept over a plan; a server that went down in between takes nothing more. */
static void burst_later_fragment_after_its_server_went_down_is_dropped(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = piece(false, UDP, 1, 0);
	int server = support_pipe_server(&p, &s);

	(void)state;
	s = piece(false, UDP, 1, 1);
	support_pipe_state(&p, "web", "a")->weight = 1;
	support_pipe_replan(&p);
	assert_int_equal(support_pipe_server(&p, &s), server);
	support_pipe_state(&p, "dns", p.plan->server_names[server].server->name)->up = false;
	support_pipe_replan(&p);
	s = piece(false, UDP, 1, 2);
	assert_int_equal(support_pipe_server(&p, &s), -1 - GT_DROP_NO_SERVER);
	support_pipe_close(&p);
}

static void burst_datagrams_with_one_id_do_not_mix(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet udp = piece(false, UDP, 5, 0), tcp = piece(false, TCP, 5, 0),
			      other = udp;
	int u, t;

	(void)state;
	u = support_pipe_server(&p, &udp);
	t = support_pipe_server(&p, &tcp);
	assert_true(u > 0 && t > 0 && u != t);
	udp = piece(false, UDP, 5, 1);
	tcp = piece(false, TCP, 5, 2);
	assert_int_equal(support_pipe_server(&p, &udp), u);
	assert_int_equal(support_pipe_server(&p, &tcp), t);
	/* of another client: its first one has not come */
	other = udp;
	other.src.b[15] ^= 1;
	assert_int_equal(support_pipe_server(&p, &other), -1000 - GT_HELD);
	support_pipe_close(&p);
}

static void burst_early_fragments_are_held_32_and_a_second(void **state)
{
	struct support_pipe p = open_pipe();
	struct gt_frame first;
	struct support_packet s;

	(void)state;
	for (uint32_t i = 0; i < 32; i++) {
		s = piece(i % 2, UDP, 100 + i, 1);
		assert_int_equal(support_pipe_server(&p, &s), -1000 - GT_HELD);
	}
	s = piece(false, UDP, 99, 1);
	assert_int_equal(support_pipe_server(&p, &s), -1 - GT_DROP_FRAGMENT_FULL);
	p.now_ms += 999;
	support_pipe_tick(&p);
	assert_int_equal(p.worker->n_released, 0);
	/* one is freed by its first, and another has room */
	s = piece(false, UDP, 100, 0);
	first = support_pipe_send(&p, &s);
	assert_int_equal(first.verdict, GT_SEND);
	assert_int_equal(p.worker->n_released, 1);
	assert_int_equal(p.worker->released[0].verdict, GT_SEND);
	support_pipe_done(&first);
	s = piece(false, UDP, 99, 1);
	assert_int_equal(support_pipe_server(&p, &s), -1000 - GT_HELD);
	p.now_ms += 1;
	support_pipe_tick(&p);
	assert_int_equal(p.worker->n_released, 31);
	for (unsigned i = 0; i < 31; i++) {
		assert_int_equal(p.worker->released[i].verdict, GT_DROP);
		assert_int_equal(p.worker->released[i].reason, GT_DROP_FRAGMENT_TIMEOUT);
	}
	/* and the youngest by a burst, without a tick */
	p.now_ms += 999;
	support_pipe_burst(&p, NULL, 0);
	assert_int_equal(p.worker->n_released, 1);
	assert_true(p.worker->counters.drops[GT_DROP_FRAGMENT_TIMEOUT] == 32);
	support_pipe_close(&p);
}

/* All that can come back at once: 32 time out, and 64 more are held and let go. */
static void burst_releases_all_that_it_can(void **state)
{
	struct support_pipe p = open_pipe();
	struct gt_frame f[64];
	struct support_packet s;

	(void)state;
	for (uint32_t i = 0; i < 32; i++) {
		s = piece(false, UDP, 1000 + i, 1);
		assert_int_equal(support_pipe_server(&p, &s), -1000 - GT_HELD);
	}
	p.now_ms += 1000;
	/* 21 datagrams in a burst, the later ones first */
	for (uint32_t i = 0; i < 63; i++) {
		s = piece(false, UDP, 2000 + i / 3, 2 - i % 3);
		f[i] = support_packet_frame(&s);
	}
	support_pipe_burst(&p, f, 63);
	assert_int_equal(p.worker->n_released, 32 + 42);
	assert_true(p.worker->counters.forwarded == 63);
	for (uint32_t i = 0; i < 63; i++)
		support_pipe_done(&f[i]);
	support_pipe_close(&p);
}

static void burst_fragments_of_strangers_are_not_held(void **state)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = piece(false, UDP, 1, 1);

	(void)state;
	s.dst = support_addr("192.0.2.99");
	assert_int_equal(support_pipe_server(&p, &s), -1 - GT_DROP_NOT_OURS);
	s.dst = support_addr("192.0.2.2");
	assert_int_equal(support_pipe_server(&p, &s), -1 - GT_DROP_OWN_ADDRESS);
	assert_int_equal(p.worker->fragments.n_held, 0);
	support_pipe_close(&p);
}

static void flush_gives_back_all_that_is_held(void **state)
{
	struct support_pipe p = open_pipe();

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		struct support_packet s = piece(true, UDP, i, 1);

		assert_int_equal(support_pipe_server(&p, &s), -1000 - GT_HELD);
	}
	support_pipe_flush(&p);
	assert_int_equal(p.worker->n_released, 5);
	assert_true(p.worker->counters.drops[GT_DROP_FRAGMENT_TIMEOUT] == 5);
	support_pipe_close(&p);
}

/* ---- tags ---- */

/* One frame from an interface, with a tag or none, to a server on `lan` or on `san` (42). */
static void check_tag(uint8_t in_if, int tci, bool to_san, int want_tci)
{
	struct support_pipe p = open_pipe();
	struct support_packet s = {.src = support_addr("203.0.113.9"),
				   .dst = support_addr("192.0.2.100"),
				   .protocol = TCP,
				   .sport = 5,
				   .dport = 80,
				   .flags = GT_TCP_SYN,
				   .payload_len = 33,
				   .tag = tci + 1,
				   .dst_mac = support_interface_mac(in_if)};
	uint8_t came[2048], *d;
	struct gt_frame f;
	size_t len, from = tci < 0 ? 12 : 16, to = want_tci < 0 ? 12 : 16;

	for (const char *n = to_san ? "abc" : "bcd"; *n != '\0'; n++)
		support_pipe_state(&p, "web", (char[]){*n, '\0'})->up = false;
	support_pipe_replan(&p);
	len = support_build(&s, came);
	f = support_frame(came, len);
	f.in_if = in_if;
	d = f.data;
	support_pipe_burst(&p, &f, 1);
	assert_int_equal(f.verdict, GT_SEND);
	assert_int_equal(f.out_if, to_san);
	assert_int_equal(f.len, len - from + to);
	assert_int_equal(f.wire_len, f.len);
	assert_ptr_equal(f.data, d + from - to);
	if (want_tci >= 0) {
		assert_int_equal(f.data[12] << 8 | f.data[13], 0x8100);
		assert_int_equal(f.data[14] << 8 | f.data[15], want_tci);
	}
	assert_memory_equal(f.data + to, came + from, len - from);
	/* counted as it came for the server, as it leaves for the interface */
	assert_true(p.worker->counters.interfaces[in_if].in_bytes == len);
	assert_true(p.worker->counters.interfaces[to_san].out_bytes == f.len);
	support_pipe_done(&f);
	support_pipe_close(&p);
}

static void burst_tag_is_pushed_popped_rewritten_or_left(void **state)
{
	(void)state;
	check_tag(0, -1, false, -1);
	check_tag(0, -1, true, 42);		      /* pushed */
	check_tag(1, 42, false, -1);		      /* popped */
	check_tag(1, 0xb000 | 42, false, -1);	      /* with its priority */
	check_tag(1, 42, true, 42);		      /* left */
	check_tag(1, 0xb000 | 42, true, 0xb000 | 42); /* with its priority */
	check_tag(0, 0xf000, true, 0xf000 | 42);      /* a priority tag is given the VLAN */
	check_tag(0, 0xf000, false, 0xf000);	      /* and may stay as it is */
}

/* ---- a burst is its frames ---- */

/* One of many kinds of frames, valid and not. */
static struct gt_frame random_frame(uint64_t *seed)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
	} odd[] = {
		{v_arp, sizeof(v_arp)},
		{v_ns6, sizeof(v_ns6)},
		{v_tcp4_vlan, sizeof(v_tcp4_vlan)},
		{v_bad4_checksum, sizeof(v_bad4_checksum)},
		{v_bad6_chain_9, sizeof(v_bad6_chain_9)},
		{v_echo4_odd, sizeof(v_echo4_odd)},
		{v_echo6_even, sizeof(v_echo6_even)},
		{v_error4_tcp_8, sizeof(v_error4_tcp_8)},
		{v_tcp6_all, sizeof(v_tcp6_all)},
		{v_bad4_tiny_8, sizeof(v_bad4_tiny_8)},
	};
	static const char *const dsts[] = {"192.0.2.100", "192.0.2.101", "192.0.2.102",
					   "192.0.2.103", "192.0.2.104", "2001:db8::100",
					   "192.0.2.2",	  "192.0.2.77"};
	static const uint8_t flags[] = {GT_TCP_SYN, GT_TCP_ACK, GT_TCP_FIN | GT_TCP_ACK,
					GT_TCP_RST};
	static const uint16_t ports[] = {80, 443, 53, 5003, 22};
	uint64_t r = support_random(seed);
	struct support_packet s = {0};

	if (r % 8 == 0)
		return support_frame(odd[(r >> 8) % 10].bytes, odd[(r >> 8) % 10].len);
	if (r % 8 <= 2) {
		s = piece(r >> 8 & 1, r >> 9 & 1 ? TCP : UDP, (uint32_t)(r >> 16) % 40,
			  (unsigned)(r >> 24) % 4);
		return support_packet_frame(&s);
	}
	s.dst = support_addr(dsts[(r >> 8) % 8]);
	s.src = support_addr(gt_addr_is_v4(&s.dst) ? "203.0.113.0" : "2001:db8:1::");
	s.src.b[15] = (uint8_t)((r >> 16) % 16);
	s.protocol = (r >> 24) % 4 ? TCP : UDP;
	s.sport = (uint16_t)((r >> 32) % 64);
	s.dport = ports[(r >> 40) % 5];
	s.flags = flags[(r >> 48) % 4];
	s.payload_len = (r >> 52) % 100;
	return support_packet_frame(&s);
}

/* Two workers that differ in nothing; one gets 64 at once, the other one by one. */
static void burst_of_64_equals_64_bursts_of_one(void **state)
{
	struct support_pipe a = open_pipe(), b = open_pipe();
	uint64_t seed = 77;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct gt_frame x[64], y[64];
		uint64_t copy = seed;
		unsigned n_released = 0;

		for (int i = 0; i < 64; i++) {
			x[i] = random_frame(&seed);
			y[i] = random_frame(&copy);
		}
		if (round % 50 == 49) {
			struct gt_server_state *sa = support_pipe_state(&a, "web", "b"),
					       *sb = support_pipe_state(&b, "web", "b");

			sa->up = sb->up = !sa->up;
			support_pipe_replan(&a);
			support_pipe_replan(&b);
		}
		support_pipe_burst(&a, x, 64);
		for (int i = 0; i < 64; i++) {
			support_pipe_burst(&b, &y[i], 1);
			/* the bytes are freed at the next call: compare here, by position */
			for (unsigned j = 0; j < b.worker->n_released; j++) {
				const struct gt_frame *f = &b.worker->released[j],
						      *g = &a.worker->released[n_released];

				assert_true(n_released < a.worker->n_released);
				n_released++;
				assert_int_equal(f->verdict, g->verdict);
				assert_int_equal(f->reason, g->reason);
				assert_int_equal(f->len, g->len);
				assert_memory_equal(f->data, g->data, f->len);
			}
		}
		assert_int_equal(n_released, a.worker->n_released);
		for (int i = 0; i < 64; i++) {
			assert_int_equal(x[i].verdict, y[i].verdict);
			if (x[i].verdict == GT_DROP)
				assert_int_equal(x[i].reason, y[i].reason);
			if (x[i].verdict != GT_HELD) {
				assert_int_equal(x[i].out_if, y[i].out_if);
				assert_int_equal(x[i].len, y[i].len);
				assert_memory_equal(x[i].data, y[i].data, x[i].len);
			}
			support_pipe_done(&x[i]);
			support_pipe_done(&y[i]);
		}
		a.now_ms += 137;
		b.now_ms = a.now_ms;
		support_pipe_tick(&a);
		support_pipe_tick(&b);
	}
	assert_memory_equal(&a.worker->counters, &b.worker->counters, sizeof(a.worker->counters));
	assert_memory_equal(a.worker->servers, b.worker->servers, 100 * sizeof(*a.worker->servers));
	assert_memory_equal(a.worker->vips, b.worker->vips, 20 * sizeof(*a.worker->vips));
	assert_true(support_pipe_active(&a) == support_pipe_active(&b));
	assert_true(a.worker->counters.forwarded > 5000 && a.worker->counters.created > 1000);
	support_pipe_close(&a);
	support_pipe_close(&b);
}

/* ---- to the host's kernel ---- */

/* Of what is for the kernel, that which a flood can be made of yields; an open connection does not.
 */
static void burst_for_the_kernel_tells_what_yields(void **state)
{
	static const struct {
		uint8_t protocol, flags, yields;
	} cases[] = {
		{TCP, GT_TCP_SYN, 1}, {TCP, GT_TCP_SYN | GT_TCP_ACK, 0},
		{TCP, GT_TCP_ACK, 0}, {TCP, GT_TCP_RST, 0},
		{UDP, 0, 1},	      {1, 0, 1},
		{112, 0, 0}, /* VRRP */
	};
	struct support_pipe p = open_pipe();

	(void)state;
	p.config->interfaces[0].kernel = strdup("tap0");
	support_pipe_replan(&p);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct support_packet packet = {.src = support_addr("203.0.113.9"),
						.dst = support_addr("192.0.2.2"),
						.protocol = cases[i].protocol,
						.flags = cases[i].flags,
						.icmp_type = 8,
						.sport = 1000,
						.dport = 22,
						.payload_len = 40};
		struct gt_frame f = support_pipe_send(&p, &packet);

		assert_int_equal(f.verdict, GT_KERNEL);
		assert_int_equal(f.yields, cases[i].yields);
		support_pipe_done(&f);
	}
	assert_int_equal(p.worker->counters.kernel, 7);
	support_pipe_close(&p);
}

/* Who says "good" is believed; everything else is summed. */
static void burst_checksum_that_a_device_judged_is_not_judged_again(void **state)
{
	const struct support_packet packet = {.src = support_addr("203.0.113.9"),
					      .dst = support_addr("192.0.2.100"),
					      .protocol = UDP,
					      .sport = 4711,
					      .dport = 53,
					      .payload_len = 20};
	struct support_pipe p = open_pipe();

	(void)state;
	for (unsigned good = 0; good < 2; good++) {
		struct gt_frame f = support_packet_frame(&packet);

		f.data[14 + 10] ^= 0xff;
		f.ipv4_good = (uint8_t)good;
		gt_worker_burst(p.worker, p.plan, p.now_ms, &f, 1);
		assert_int_equal(f.verdict, good ? GT_SEND : GT_DROP);
		assert_true(good || f.reason == GT_DROP_IP_CHECKSUM);
		support_pipe_done(&f);
	}
	support_pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_checksum_that_a_device_judged_is_not_judged_again),
		cmocka_unit_test(burst_for_the_kernel_tells_what_yields),
		cmocka_unit_test(burst_fragments_in_every_order_go_to_one_server),
		cmocka_unit_test(burst_fragments_of_an_echo_are_answered_in_every_order),
		cmocka_unit_test(burst_fragments_share_the_drop_of_their_first),
		cmocka_unit_test(burst_fragments_of_an_unresolved_server_share_its_drop),
		cmocka_unit_test(burst_later_fragment_after_its_server_went_down_is_dropped),
		cmocka_unit_test(burst_datagrams_with_one_id_do_not_mix),
		cmocka_unit_test(burst_early_fragments_are_held_32_and_a_second),
		cmocka_unit_test(burst_releases_all_that_it_can),
		cmocka_unit_test(burst_fragments_of_strangers_are_not_held),
		cmocka_unit_test(flush_gives_back_all_that_is_held),
		cmocka_unit_test(burst_tag_is_pushed_popped_rewritten_or_left),
		cmocka_unit_test(burst_of_64_equals_64_bursts_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
