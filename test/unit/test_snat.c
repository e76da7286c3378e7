/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SNAT's ports and sessions: each port of a pair is given out once, rests for 120 s first in first
 * out, and belongs to the worker to whom a NIC brings its replies; pairs and blocks come back;
 * half-open sessions can be found; and a random million of openings and closings agrees with a
 * plain model. The alarm about it too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "flow/snat.h"
#include "node/snat_alarm.h"
#include "support.h"

static const uint8_t random_key[16] = "sixteen bytes...";

static struct gt_snat make(uint32_t sessions, uint16_t worker, uint16_t n_workers)
{
	struct gt_snat s;

	assert_int_equal(
		gt_snat_create(&s, sessions, false, worker, n_workers, random_key, &gt_memory_heap),
		0);
	return s;
}

static struct gt_snat_pair_key pair(uint32_t server, uint16_t port)
{
	return (struct gt_snat_pair_key){
		.server = gt_addr_from_v4(rte_cpu_to_be_32(0x0a000000 + server)),
		.source = gt_addr_from_v4(rte_cpu_to_be_32(0xc0000202)),
		.port = rte_cpu_to_be_16(port),
		.protocol = 6};
}

static uint32_t open_one(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick)
{
	return gt_snat_open(s, key, 1, tick);
}

/* Its ports are one in 64, so a block of ports holds few of its sessions: more blocks than 16 bits
 * can number, and all sessions are to be had. */
static void open_fills_all_sessions_of_one_worker_of_sixty_four(void **state)
{
	enum { SESSIONS = 300000 };
	struct gt_snat s = make(SESSIONS, 3, 64);
	uint32_t last = 0;

	(void)state;
	for (uint32_t i = 0; i < SESSIONS; i++) {
		struct gt_snat_pair_key key = pair(i / 1000, 104);

		last = open_one(&s, &key, 1);
		assert_int_not_equal(last, GT_SNAT_NONE);
		assert_int_equal(gt_snat_find(&s, &key, gt_snat_port(last)), last);
	}
	assert_true(s.fresh_block > UINT16_MAX);
	gt_snat_close(&s, last, 1);
	assert_int_equal(s.live, SESSIONS - 1);
	gt_snat_destroy(&s);
}

static void open_gives_each_port_of_a_pair_once(void **state)
{
	struct gt_snat s = make(70000, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104), b = pair(1, 105);
	uint8_t *seen = calloc(65536, 1);

	(void)state;
	for (unsigned i = 0; i < 64512; i++) {
		uint32_t n = open_one(&s, &a, 7);

		assert_true(n != GT_SNAT_NONE);
		assert_true(gt_snat_port(n) >= 1024);
		assert_int_equal(seen[gt_snat_port(n)]++, 0);
		assert_int_equal(gt_snat_find(&s, &a, gt_snat_port(n)), n);
		assert_int_equal(gt_snat_session(&s, n)->tick, 7);
	}
	assert_int_equal(open_one(&s, &a, 7), GT_SNAT_NONE);
	/* another port of the server has all of its own */
	assert_true(open_one(&s, &b, 7) != GT_SNAT_NONE);
	assert_int_equal(s.live, 64513);
	free(seen);
	gt_snat_destroy(&s);
}

/* 1024 to 32767: net.ipv4.ip_local_port_range of Linux begins with 32768 (ip-sysctl.rst). */
static void open_leaves_the_kernels_ports_of_a_shared_address(void **state)
{
	struct gt_snat s = make(70000, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104), found;

	(void)state;
	a.shared = true;
	for (unsigned i = 0; i < 31744; i++) {
		uint32_t n = open_one(&s, &a, 7);

		assert_true(n != GT_SNAT_NONE);
		assert_in_range(gt_snat_port(n), 1024, 32767);
	}
	assert_int_equal(open_one(&s, &a, 7), GT_SNAT_NONE);
	assert_int_equal(gt_snat_fullest_percent(&s, 7, &found), 100);
	gt_snat_destroy(&s);
}

static void open_pairs_differ_in_each_part_of_the_key(void **state)
{
	struct gt_snat s = make(10, 0, 1);
	struct gt_snat_pair_key keys[5] = {pair(1, 104), pair(2, 104), pair(1, 105), pair(1, 104),
					   pair(1, 104)};
	uint32_t n[5];

	(void)state;
	keys[3].protocol = 17;
	keys[4].source = keys[1].server;
	for (unsigned i = 0; i < 5; i++) {
		n[i] = open_one(&s, &keys[i], 0);
		assert_int_equal(gt_snat_port(n[i]), 1024);
	}
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(gt_snat_find(&s, &keys[i], 1024), n[i]);
		assert_memory_equal(&gt_snat_pair(&s, n[i])->key, &keys[i], sizeof(keys[i]));
		for (unsigned j = 0; j < 5; j++)
			assert_int_equal(gt_snat_find(&s, &keys[j], 1024) == n[i], i == j);
		assert_int_not_equal(gt_snat_find(&s, &keys[i], 1025), n[i]);
	}
	gt_snat_destroy(&s);
}

static void find_unknown_gives_none(void **state)
{
	struct gt_snat s = make(10, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104), b = pair(2, 104);
	uint32_t n = open_one(&s, &a, 0);

	(void)state;
	assert_int_equal(gt_snat_find(&s, &b, 1024), GT_SNAT_NONE);
	for (unsigned port = 0; port < 65536; port++)
		assert_int_equal(gt_snat_find(&s, &a, (uint16_t)port),
				 port == 1024 ? n : GT_SNAT_NONE);
	gt_snat_close(&s, n, 0);
	assert_int_equal(gt_snat_find(&s, &a, 1024), GT_SNAT_NONE);
	assert_int_not_equal(gt_snat_find(&s, &a, 1024), n);
	gt_snat_destroy(&s);
}

static void close_port_rests_120_seconds_first_in_first_out(void **state)
{
	struct gt_snat s = make(70000, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104);
	uint32_t *n = malloc(64512 * sizeof(*n));

	(void)state;
	for (unsigned i = 0; i < 64512; i++)
		n[i] = open_one(&s, &a, 0);
	/* in an order of their own, a tick between */
	for (unsigned i = 0; i < 100; i++)
		gt_snat_close(&s, n[(i * 37) % 100], 1000 + i);
	assert_int_equal(open_one(&s, &a, 1000 + GT_TICKS(120) - 1), GT_SNAT_NONE);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t m = open_one(&s, &a, 1000 + GT_TICKS(120) + i);

		assert_true(m != GT_SNAT_NONE);
		assert_int_equal(gt_snat_port(m), 1024 + (i * 37) % 100);
		assert_int_equal(open_one(&s, &a, 1000 + GT_TICKS(120) + i), GT_SNAT_NONE);
	}
	free(n);
	gt_snat_destroy(&s);
}

static void close_rest_passes_the_wrap_of_ticks(void **state)
{
	struct gt_snat s = make(10, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104);
	uint32_t late = GT_TICK_MASK - 3;

	(void)state;
	gt_snat_close(&s, open_one(&s, &a, late), late);
	assert_int_equal(gt_snat_port(open_one(&s, &a, (late + GT_TICKS(120) - 1) & GT_TICK_MASK)),
			 1025);
	assert_int_equal(gt_snat_port(open_one(&s, &a, (late + GT_TICKS(120)) & GT_TICK_MASK)),
			 1024);
	gt_snat_destroy(&s);
}

static void cancel_port_is_given_at_once(void **state)
{
	struct gt_snat s = make(10, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104);
	uint32_t n[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		n[i] = open_one(&s, &a, 5);
	gt_snat_close(&s, n[0], 5);
	gt_snat_cancel(&s, n[1], 5);
	gt_snat_cancel(&s, n[2], 5);
	gt_snat_close(&s, n[3], 6);
	assert_int_equal(gt_snat_port(open_one(&s, &a, 6)), 1026);
	assert_int_equal(gt_snat_port(open_one(&s, &a, 6)), 1025);
	assert_int_equal(gt_snat_port(open_one(&s, &a, 6)), 1028);
	/* what rests is still behind, in its order */
	assert_int_equal(gt_snat_port(open_one(&s, &a, 5 + GT_TICKS(120))), 1024);
	assert_int_equal(gt_snat_port(open_one(&s, &a, 6 + GT_TICKS(120))), 1027);
	gt_snat_destroy(&s);
}

/* The worker to whose queue a NIC brings the reply: its table has 512 entries, as app/gantry/rss.c
 * writes them. */
static unsigned queue_of_reply(const struct gt_snat_pair_key *key, uint16_t port, unsigned n)
{
	uint32_t hash = support_rss(&key->server, &key->source, rte_be_to_cpu_16(key->port), port);

	return hash % 512 % 128 % n;
}

static struct gt_snat_pair_key random_pair(uint64_t *random)
{
	struct gt_snat_pair_key key = {.protocol = support_random(random) % 2 ? 6 : 17,
				       .port = (rte_be16_t)support_random(random)};
	struct gt_addr *ends[2] = {&key.server, &key.source};
	bool v6 = support_random(random) % 2;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t parts[2] = {support_random(random), support_random(random)};

		if (v6)
			memcpy(ends[i]->b, parts, 16);
		else
			*ends[i] = gt_addr_from_v4((rte_be32_t)parts[0]);
	}
	return key;
}

/* Takes all ports of a pair that a worker has, and gives them back; counts each in `seen`. */
static uint32_t use_up(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick,
		       uint8_t *seen)
{
	static uint32_t sessions[GT_SNAT_PORTS];
	uint32_t n = 0, i;

	while ((i = open_one(s, key, tick)) != GT_SNAT_NONE) {
		uint16_t port = gt_snat_port(i);

		assert_int_equal(queue_of_reply(key, port, s->n_workers), s->worker);
		assert_int_equal(gt_snat_find(s, key, port), i);
		seen[port]++;
		sessions[n++] = i;
	}
	assert_int_equal(n, gt_snat_ports(s));
	assert_int_equal(gt_snat_fullest_percent(s, tick, NULL), 100);
	for (uint32_t at = 0; at < n; at++)
		gt_snat_close(s, sessions[at], tick);
	return n;
}

/* Of random pairs, each port is one worker's: the one that a NIC brings its reply to. All are used
 * up at the count that is told, rest, and come again. */
static void open_workers_share_the_ports_as_a_nic_places_the_replies(void **state)
{
	static const uint16_t counts[] = {1, 2, 3, 4, 7, 64};
	uint8_t *seen = malloc(65536);
	uint64_t random = 3;

	(void)state;
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		uint16_t n = counts[c];
		struct gt_snat s[64];
		uint32_t tick = 1;

		for (uint16_t w = 0; w < n; w++)
			s[w] = make(70000U / n + 2000, w, n);
		for (unsigned pairs = 0; pairs < (n > 7 ? 1U : 6U);
		     pairs++, tick += GT_TICKS(240)) {
			struct gt_snat_pair_key key = random_pair(&random);
			uint32_t all = 0;

			memset(seen, 0, 65536);
			for (uint16_t w = 0; w < n; w++)
				all += use_up(&s[w], &key, tick, seen);
			assert_int_equal(all, 64512);
			for (uint32_t port = 0; port < 65536; port++)
				assert_int_equal(seen[port], port >= 1024);
			/* all rest; when they have, all come again */
			assert_int_equal(open_one(&s[0], &key, tick + GT_TICKS(120) - 1),
					 GT_SNAT_NONE);
			use_up(&s[0], &key, tick + GT_TICKS(120), seen);
		}
		for (uint16_t w = 0; w < n; w++)
			gt_snat_destroy(&s[w]);
	}
	free(seen);
}

/* Each port of a worker's has a place of its own, and keeps what is written there. */
static void session_places_are_no_two_ports(void **state)
{
	static const uint16_t counts[] = {1, 2, 3, 7, 64};
	uint64_t random = 4;

	(void)state;
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (unsigned pairs = 0; pairs < 4; pairs++) {
			struct gt_snat s = make(70000, counts[c] - 1, counts[c]);
			struct gt_snat_pair_key key = random_pair(&random);
			uint32_t n = gt_snat_ports(&s), first = open_one(&s, &key, 1);

			for (uint32_t i = 1, session = first; i <= n; i++) {
				assert_int_not_equal(session, GT_SNAT_NONE);
				gt_snat_session(&s, session)->client_port = gt_snat_port(session);
				if (i < n)
					session = open_one(&s, &key, 1);
			}
			for (uint32_t port = 1024; port < 65536; port++) {
				uint32_t session = gt_snat_find(&s, &key, (uint16_t)port);

				if (session == GT_SNAT_NONE)
					continue;
				assert_int_equal(gt_snat_port(session), port);
				assert_int_equal(gt_snat_session(&s, session)->client_port, port);
				n--;
			}
			assert_int_equal(n, 0);
			gt_snat_destroy(&s);
		}
	}
}

static void session_clients_of_both_families_are_known(void **state)
{
	struct gt_addr v4 = gt_addr_from_v4(rte_cpu_to_be_32(0xcb007107)), v6, got;
	struct gt_snat_pair_key a = pair(1, 104);
	struct gt_snat s;
	uint32_t n[2];

	(void)state;
	assert_int_equal(gt_addr_parse("2001:db8:1:2:3:4:5:6", &v6), 0);
	assert_int_equal(gt_snat_create(&s, 10, true, 0, 1, random_key, &gt_memory_heap), 0);
	for (unsigned i = 0; i < 2; i++) {
		n[i] = open_one(&s, &a, 0);
		assert_true(gt_snat_set_client(&s, gt_snat_session(&s, n[i]), i ? &v6 : &v4));
	}
	for (unsigned i = 0; i < 2; i++) {
		got = gt_snat_client(&s, gt_snat_session(&s, n[i]));
		assert_true(gt_addr_equal(&got, i ? &v6 : &v4));
	}
	gt_snat_destroy(&s);
	/* IPv4 alone */
	s = make(10, 0, 1);
	n[0] = open_one(&s, &a, 0);
	assert_false(gt_snat_set_client(&s, gt_snat_session(&s, n[0]), &v6));
	assert_true(gt_snat_set_client(&s, gt_snat_session(&s, n[0]), &v4));
	got = gt_snat_client(&s, gt_snat_session(&s, n[0]));
	assert_true(gt_addr_equal(&got, &v4));
	gt_snat_destroy(&s);
}

static struct {
	uint64_t all, largest;
} taken;

static void *count_alloc(void *ctx, size_t bytes)
{
	taken.all += bytes;
	taken.largest = bytes > taken.largest ? bytes : taken.largest;
	return gt_memory_heap.alloc(ctx, bytes);
}

/* What is told is what is taken, and for each session as docs/scale.md has it. */
static void bytes_are_those_that_are_taken(void **state)
{
	const struct gt_memory counting = {count_alloc, gt_memory_heap.free, NULL};
	static const uint16_t counts[] = {1, 2, 3, 4, 16, 64};

	(void)state;
	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]) * 2; c++) {
		uint16_t n = counts[c / 2];
		bool v6 = c % 2;
		uint64_t more = gt_snat_bytes(3000000, v6, n) - gt_snat_bytes(2000000, v6, n);
		struct gt_snat s;

		taken.all = taken.largest = 0;
		assert_int_equal(
			gt_snat_create(&s, 100000, v6, (uint16_t)(n / 2), n, random_key, &counting),
			0);
		assert_int_equal(taken.all, gt_snat_bytes(100000, v6, n));
		assert_int_equal(taken.largest, gt_snat_piece_bytes(100000, v6, n));
		gt_snat_destroy(&s);
		/* and two for what tells whose a block is, at 64 workers */
		assert_in_range(more, v6 ? 64000000 : 32000000, v6 ? 66010000 : 34010000);
	}
}

static void open_without_a_free_session_gives_none_and_changes_nothing(void **state)
{
	struct gt_snat s = make(3, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104);
	uint32_t n[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		n[i] = open_one(&s, &a, 0);
	assert_int_equal(open_one(&s, &a, 0), GT_SNAT_NONE);
	gt_snat_close(&s, n[1], 0);
	n[1] = open_one(&s, &a, 0);
	assert_int_equal(gt_snat_port(n[1]), 1027);
	assert_int_equal(gt_snat_find(&s, &a, 1027), n[1]);
	assert_int_equal(open_one(&s, &a, 0), GT_SNAT_NONE);
	gt_snat_destroy(&s);
}

/* As many pairs as there are, and then more: those go that nobody uses and whose ports rested. */
static void open_pairs_are_reclaimed(void **state)
{
	struct gt_snat s = make(40000, 0, 1);
	struct gt_snat_pair_key key;
	uint32_t n, tick = 10;

	(void)state;
	for (uint32_t i = 0; i < GT_SNAT_PAIRS_MAX; i++) {
		key = pair(i, 104);
		n = open_one(&s, &key, tick);
		assert_true(n != GT_SNAT_NONE);
		if (i % 2 == 0)
			gt_snat_close(&s, n, tick);
	}
	key = pair(GT_SNAT_PAIRS_MAX, 104);
	assert_int_equal(open_one(&s, &key, tick + GT_TICKS(120) - 1), GT_SNAT_NONE);
	tick += GT_TICKS(120);
	for (uint32_t i = 0; i < GT_SNAT_PAIRS_MAX / 2; i++) {
		key = pair(GT_SNAT_PAIRS_MAX + i, 104);
		assert_true(open_one(&s, &key, tick) != GT_SNAT_NONE);
	}
	key = pair(1000000, 104);
	assert_int_equal(open_one(&s, &key, tick), GT_SNAT_NONE);
	/* all that live are found, by the pairs that moved up in the table too */
	for (uint32_t i = 0; i < GT_SNAT_PAIRS_MAX * 3 / 2; i++) {
		bool live = i >= GT_SNAT_PAIRS_MAX || i % 2 == 1;

		key = pair(i, 104);
		n = gt_snat_find(&s, &key, 1024);
		assert_int_equal(n != GT_SNAT_NONE, live);
		assert_true(!live || gt_snat_find(&s, &key, 1024) == n);
	}
	assert_int_equal(s.live, GT_SNAT_PAIRS_MAX);
	gt_snat_destroy(&s);
}

/* Connections to ever other servers: pairs and blocks come back as fast as they go. */
static void open_to_ever_other_servers_goes_on(void **state)
{
	struct gt_snat s = make(1000, 0, 1);
	struct gt_snat_pair_key key;
	uint32_t tick = 10, refused = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t n;

		key = pair(i, 104);
		n = open_one(&s, &key, tick);
		if (n == GT_SNAT_NONE)
			refused++;
		else
			gt_snat_close(&s, n, tick);
		tick += i % 64 == 0; /* 256 new servers a second, 30720 in 120 s */
	}
	/* 16384 pairs at 120 s each are not enough for that, but they go on being given */
	assert_in_range(refused, 1, 60000);
	tick += GT_TICKS(120);
	for (uint32_t i = 0; i < 3000; i++) {
		key = pair(200000 + i, 104);
		assert_true(open_one(&s, &key, tick) != GT_SNAT_NONE || s.live == 1000);
	}
	assert_int_equal(s.live, 1000);
	gt_snat_destroy(&s);
}

static void half_open_finds_silent_syns_alone(void **state)
{
	struct gt_snat s = make(2000, 1, 3);
	struct gt_snat_pair_key a = pair(1, 104), b = pair(2, 104);
	uint32_t n[600], found = 0;

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		n[i] = open_one(&s, i % 2 ? &a : &b, 100);
		gt_snat_session(&s, n[i])->state = GT_FLOW_ESTABLISHED;
	}
	gt_snat_session(&s, n[301])->state = GT_FLOW_SYN;
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(
			gt_snat_half_open(&s, i % 2 ? &a : NULL, 100 + GT_SNAT_YIELD_TICKS - 1),
			GT_SNAT_NONE);
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(gt_snat_half_open(&s, &b, 100 + GT_SNAT_YIELD_TICKS),
				 GT_SNAT_NONE);
		uint32_t m = gt_snat_half_open(&s, &a, 100 + GT_SNAT_YIELD_TICKS);

		found += m == n[301];
		assert_true(m == n[301] || m == GT_SNAT_NONE);
	}
	/* 64 of a pair's 21504 ports are looked at each time */
	assert_in_range(found, 4, 10);
	for (found = 0; found == 0;)
		found += gt_snat_half_open(&s, NULL, 100 + GT_SNAT_YIELD_TICKS) == n[301];
	gt_snat_destroy(&s);
}

/* ---- a plain model ---- */

enum { PAIRS = 7, SESSIONS = 3000 };

struct model {
	uint32_t session[PAIRS][65536]; /* + 1 */
	uint32_t rests_until[PAIRS][65536];
};

static void a_million_openings_and_closings_agree_with_a_model(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct gt_snat s = make(SESSIONS, 0, 1);
	struct gt_snat_pair_key keys[PAIRS];
	struct {
		uint32_t session;
		unsigned pair;
	} live[SESSIONS];
	unsigned n = 0;
	uint64_t random = 1;
	uint32_t tick = 1;

	(void)state;
	for (unsigned i = 0; i < PAIRS; i++)
		keys[i] = pair(i, (uint16_t)(100 + i));
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t r = support_random(&random);
		unsigned p = (unsigned)(r >> 8) % PAIRS;

		tick += r % 64 == 0;
		if ((r >> 40) % 2 == 0 && n < SESSIONS) {
			uint32_t x = open_one(&s, &keys[p], tick);
			uint16_t port;

			assert_true(x != GT_SNAT_NONE);
			port = gt_snat_port(x);
			assert_int_equal(m->session[p][port], 0);
			assert_true(m->rests_until[p][port] <= tick);
			m->session[p][port] = x + 1;
			live[n].session = x;
			live[n++].pair = p;
		} else if (n > 0) {
			unsigned at = (unsigned)(r >> 20) % n;
			uint16_t port = gt_snat_port(live[at].session);

			p = live[at].pair;
			assert_int_equal(gt_snat_find(&s, &keys[p], port), live[at].session);
			if ((r >> 50) % 8 == 0) {
				gt_snat_cancel(&s, live[at].session, tick);
			} else {
				gt_snat_close(&s, live[at].session, tick);
				m->rests_until[p][port] = tick + GT_TICKS(120);
			}
			m->session[p][port] = 0;
			live[at] = live[--n];
		}
		assert_int_equal(s.live, n);
	}
	for (unsigned p = 0; p < PAIRS; p++)
		for (unsigned port = 0; port < 65536; port++)
			assert_int_equal(gt_snat_find(&s, &keys[p], (uint16_t)port) + 1,
					 m->session[p][port]);
	while (n > 0)
		gt_snat_close(&s, live[--n].session, tick);
	assert_int_equal(s.live, 0);
	/* nothing leaked: all sessions can be opened */
	for (unsigned i = 0; i < SESSIONS; i++)
		assert_true(open_one(&s, &keys[0], tick) != GT_SNAT_NONE);
	gt_snat_destroy(&s);
	free(m);
}

/* ---- how full, and what is said of it ---- */

static void fullest_percent_counts_what_lives_and_rests(void **state)
{
	struct gt_snat s = make(70000, 0, 1);
	struct gt_snat_pair_key a = pair(1, 104), b = pair(2, 104), key;
	uint32_t n[32256];

	(void)state;
	assert_int_equal(gt_snat_fullest_percent(&s, 0, &key), 0);
	open_one(&s, &b, 0);
	for (unsigned i = 0; i < 32256; i++)
		n[i] = open_one(&s, &a, 0);
	assert_int_equal(gt_snat_fullest_percent(&s, 0, &key), 50);
	assert_memory_equal(&key, &a, sizeof(key));
	for (unsigned i = 0; i < 32256; i++)
		gt_snat_close(&s, n[i], 100);
	assert_int_equal(gt_snat_fullest_percent(&s, 101, NULL), 50);
	/* rested, though nobody came by to count them */
	assert_int_equal(gt_snat_fullest_percent(&s, 100 + GT_TICKS(120), NULL), 0);
	/* and with traffic they are counted ripe bit by bit */
	for (unsigned i = 0; i < 9000; i++)
		gt_snat_close(&s, open_one(&s, &a, 100 + GT_TICKS(120)), 100 + GT_TICKS(120));
	assert_in_range(gt_snat_fullest_percent(&s, 101 + GT_TICKS(120), NULL), 13, 14);
	gt_snat_destroy(&s);
}

static void fullest_percent_without_snat_is_0(void **state)
{
	struct gt_snat none = {.pairs = NULL};

	(void)state;
	assert_int_equal(gt_snat_fullest_percent(&none, 7, NULL), 0);
}

static char said[4][256];
static unsigned n_said;

static void say(void *ctx, int level, const char *text)
{
	(void)ctx;
	snprintf(said[n_said++ % 4], sizeof(said[0]), "%d %s", level, text);
}

static void alarm_tells_changes_once(void **state)
{
	const struct gt_events log = {.log = {say, NULL}};
	struct gt_snat_pair_key a = pair(1, 104);
	struct gt_snat_alarm alarm = {.refused = 0};
	uint64_t now = 1000;

	(void)state;
	n_said = 0;
	gt_snat_alarm_look(&alarm, now, 0, 79, &a, &log);
	assert_int_equal(n_said, 0);
	gt_snat_alarm_look(&alarm, now, 0, 80, &a, &log);
	assert_int_equal(n_said, 1);
	assert_string_equal(said[0], "4 snat: 80 % of the source ports of 192.0.2.2 to server "
				     "10.0.0.1 port 104 are in use or rest: add a snat_address");
	for (unsigned i = 0; i < 100; i++)
		gt_snat_alarm_look(&alarm, now += 1000, 0, i % 2 ? 70 : 99, &a, &log);
	assert_int_equal(n_said, 1);
	gt_snat_alarm_look(&alarm, now += 1000, 0, 69, &a, &log);
	assert_int_equal(n_said, 2);
	assert_int_equal(said[1][0], '5');
	/* not again at once */
	gt_snat_alarm_look(&alarm, now += 1000, 0, 90, &a, &log);
	assert_int_equal(n_said, 2);
	gt_snat_alarm_look(&alarm, now += GT_SNAT_ALARM_QUIET_MS, 0, 90, &a, &log);
	assert_int_equal(n_said, 3);
	/* refused: one line, and one when it was over for a while */
	gt_snat_alarm_look(&alarm, now += 1000, 5, 90, &a, &log);
	assert_int_equal(n_said, 4);
	assert_true(strncmp(said[3], "3 snat-full: ", 13) == 0);
	for (unsigned i = 0; i < 100; i++)
		gt_snat_alarm_look(&alarm, now += 1000, 6 + i, 90, &a, &log);
	assert_int_equal(n_said, 4);
	gt_snat_alarm_look(&alarm, now += GT_SNAT_ALARM_QUIET_MS - 1, 105, 90, &a, &log);
	assert_int_equal(n_said, 4);
	gt_snat_alarm_look(&alarm, now += 1, 105, 90, &a, &log);
	assert_int_equal(n_said, 5);
	assert_string_equal(said[0], "5 snat-full is over: 105 frames were dropped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_fills_all_sessions_of_one_worker_of_sixty_four),
		cmocka_unit_test(open_gives_each_port_of_a_pair_once),
		cmocka_unit_test(open_leaves_the_kernels_ports_of_a_shared_address),
		cmocka_unit_test(open_pairs_differ_in_each_part_of_the_key),
		cmocka_unit_test(find_unknown_gives_none),
		cmocka_unit_test(close_port_rests_120_seconds_first_in_first_out),
		cmocka_unit_test(close_rest_passes_the_wrap_of_ticks),
		cmocka_unit_test(cancel_port_is_given_at_once),
		cmocka_unit_test(open_workers_share_the_ports_as_a_nic_places_the_replies),
		cmocka_unit_test(session_places_are_no_two_ports),
		cmocka_unit_test(session_clients_of_both_families_are_known),
		cmocka_unit_test(bytes_are_those_that_are_taken),
		cmocka_unit_test(open_without_a_free_session_gives_none_and_changes_nothing),
		cmocka_unit_test(open_pairs_are_reclaimed),
		cmocka_unit_test(open_to_ever_other_servers_goes_on),
		cmocka_unit_test(half_open_finds_silent_syns_alone),
		cmocka_unit_test(a_million_openings_and_closings_agree_with_a_model),
		cmocka_unit_test(fullest_percent_counts_what_lives_and_rests),
		cmocka_unit_test(fullest_percent_without_snat_is_0),
		cmocka_unit_test(alarm_tells_changes_once),
	};

	return cmocka_run_group_tests_name("snat", tests, NULL, NULL);
}
