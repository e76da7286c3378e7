/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedulers that take turns: round-robin against the sequence in nginx's documentation and exact
 * shares, least-connections against a brute-force model and over several workers; what goes by the
 * hash instead, and what may yield in a full table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/parse.h"
#include "pipeline/schedule.h"
#include "support_pipe.h"

#define TCP 6
#define UDP 17
#define SYN GT_TCP_SYN
#define ACK GT_TCP_ACK
#define FIN GT_TCP_FIN
#define RST GT_TCP_RST

/* VIP `all`: 192.0.2.101, any port, servers a, b, c. */
#define ALL 4

static void schedule_by(struct support_pipe *p, enum gt_scheduler scheduler, uint16_t a, uint16_t b,
			uint16_t c)
{
	p->config->vips[ALL].scheduler = scheduler;
	support_pipe_state(p, "all", "a")->weight = a;
	support_pipe_state(p, "all", "b")->weight = b;
	support_pipe_state(p, "all", "c")->weight = c;
	support_pipe_replan(p);
}

static struct support_pipe open_pipe(uint32_t connections, enum gt_scheduler scheduler, uint16_t a,
				     uint16_t b, uint16_t c)
{
	struct support_pipe p;

	support_pipe_open(&p, connections);
	schedule_by(&p, scheduler, a, b, c);
	return p;
}

/* Of client n; each has one connection. */
static struct support_packet packet(uint32_t n, uint8_t flags)
{
	struct support_packet s = {.src = support_addr("203.0.113.0"),
				   .dst = support_addr("192.0.2.101"),
				   .protocol = TCP,
				   .sport = (uint16_t)(1024 + n % 60000),
				   .dport = 80,
				   .flags = flags};

	s.src.b[14] = (uint8_t)(n / 60000);
	return s;
}

static uint16_t number(const struct support_pipe *p, char name)
{
	return support_server_number(p->plan, "all", (char[]){name, '\0'});
}

/* The name of who got the packet. */
static char send(struct support_pipe *p, uint32_t n, uint8_t flags)
{
	struct support_packet s = packet(n, flags);
	int server = support_pipe_server(p, &s);

	assert_true(server > 0);
	return p->plan->server_names[server].server->name[0];
}

static uint16_t by_hash(const struct support_pipe *p, const struct support_packet *s)
{
	return gt_plan_schedule(p->plan, support_vip_number(p->plan, "all"), &s->src,
				rte_cpu_to_be_16(s->sport), rte_cpu_to_be_16(s->dport));
}

/* ---- round-robin ---- */

/* nginx, commit 52327e0627f4 "Upstream: smooth weighted round-robin balancing": "for edge case
 * weights like { 5, 1, 1 } we now produce { a, a, b, a, c, a, a }". */
static void round_robin_5_1_1_is_nginxs_sequence(void **state)
{
	struct support_pipe p = open_pipe(1000, GT_SCHED_ROUND_ROBIN, 5, 1, 1);

	(void)state;
	for (uint32_t n = 0; n < 21; n++)
		assert_int_equal(send(&p, n, SYN), "aabacaa"[n % 7]);
	support_pipe_close(&p);
}

static void round_robin_gives_exact_shares_in_each_round(void **state)
{
	uint64_t random = 9;

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint16_t w[3];
		uint32_t count[3] = {0}, sum = 0;
		struct support_pipe p;

		for (int i = 0; i < 3; i++)
			sum += w[i] = (uint16_t)(1 + support_random(&random) % 40);
		p = open_pipe(1000, GT_SCHED_ROUND_ROBIN, w[0], w[1], w[2]);
		for (uint32_t n = 0; n < sum; n++)
			count[send(&p, n, SYN) - 'a']++;
		for (int i = 0; i < 3; i++)
			assert_int_equal(count[i], w[i]);
		support_pipe_close(&p);
	}
}

static void round_robin_other_packets_take_no_turn(void **state)
{
	struct support_pipe p = open_pipe(1000, GT_SCHED_ROUND_ROBIN, 5, 1, 1);

	(void)state;
	for (uint32_t n = 0; n < 14; n++) {
		struct support_packet stray = packet(1000 + n, ACK);

		assert_int_equal(send(&p, n, SYN), "aabacaa"[n % 7]);
		assert_int_equal(send(&p, n, SYN), "aabacaa"[n % 7]); /* again */
		assert_int_equal(send(&p, n, ACK), "aabacaa"[n % 7]);
		/* of a connection that nobody knows: the hash, and it stays */
		assert_int_equal(support_pipe_server(&p, &stray), by_hash(&p, &stray));
	}
	support_pipe_close(&p);
}

/* What a great weight had saved up must not make a small one wait. */
static void round_robin_begins_anew_when_weights_change(void **state)
{
	struct support_pipe p = open_pipe(1000, GT_SCHED_ROUND_ROBIN, 60000, 60000, 60000);

	(void)state;
	send(&p, 1, SYN);
	send(&p, 2, SYN);
	schedule_by(&p, GT_SCHED_ROUND_ROBIN, 1, 1, 1);
	for (uint32_t n = 10; n < 19; n++)
		assert_int_equal(send(&p, n, SYN), "abc"[(n - 10) % 3]);
	/* a plan that changes nothing of it goes on */
	send(&p, 30, SYN);
	support_pipe_replan(&p);
	assert_int_equal(send(&p, 31, SYN), 'b');
	support_pipe_state(&p, "all", "b")->up = false;
	support_pipe_replan(&p);
	for (uint32_t n = 40; n < 44; n++)
		assert_int_equal(send(&p, n, SYN), "ac"[(n - 40) % 2]);
	support_pipe_close(&p);
}

static void round_robin_datagrams_take_turns(void **state)
{
	struct support_pipe p;
	uint16_t e, f;

	(void)state;
	support_pipe_open(&p, 1000);
	p.config->vips[1].scheduler = GT_SCHED_ROUND_ROBIN;
	support_pipe_replan(&p);
	e = support_server_number(p.plan, "dns", "e");
	f = support_server_number(p.plan, "dns", "f");
	for (uint32_t n = 0; n < 10; n++) {
		struct support_packet s = packet(n, 0);

		s.protocol = UDP;
		s.dst = support_addr("192.0.2.100");
		s.dport = 53;
		assert_int_equal(support_pipe_server(&p, &s), n % 2 == 0 ? e : f);
		assert_int_equal(support_pipe_server(&p, &s), n % 2 == 0 ? e : f);
	}
	support_pipe_close(&p);
}

/* ---- several workers ---- */

#define WORKERS 4

struct team {
	struct support_pipe p; /* its plan; its worker rests */
	struct gt_worker *workers[WORKERS];
	struct gt_loads *loads;
};

static void open_team(struct team *t, enum gt_scheduler scheduler, uint16_t a, uint16_t b,
		      uint16_t c)
{
	struct gt_worker_params params = {.connections = 20000,
					  .steer = {.n_workers = WORKERS},
					  .random = "0123456789abcde",
					  .memory = gt_memory_heap};

	t->p = open_pipe(10, scheduler, a, b, c);
	t->loads = gt_loads_create(WORKERS);
	assert_non_null(t->loads);
	params.loads = t->loads;
	for (uint16_t i = 0; i < WORKERS; i++) {
		params.steer.worker = i;
		t->workers[i] = gt_worker_create(&params);
		assert_non_null(t->workers[i]);
	}
}

static void close_team(struct team *t)
{
	for (int i = 0; i < WORKERS; i++)
		gt_worker_destroy(t->workers[i]);
	free(t->loads);
	support_pipe_close(&t->p);
}

static void team_send(struct team *t, unsigned worker, uint32_t n, uint8_t flags)
{
	struct support_packet s = packet(n, flags);
	struct gt_frame f = support_packet_frame(&s);

	f.steered = GT_STEERED_HOME; /* the test says whose it is */
	gt_worker_burst(t->workers[worker], t->p.plan, 1000000, &f, 1);
	assert_int_equal(f.verdict, GT_SEND);
	support_frame_free(&f);
}

static int64_t team_open(const struct team *t, char name)
{
	int64_t sum = 0;

	for (int i = 0; i < WORKERS; i++)
		sum += t->workers[i]->servers[number(&t->p, name)].open;
	return sum;
}

static void round_robin_workers_begin_at_different_servers(void **state)
{
	struct team t;

	(void)state;
	open_team(&t, GT_SCHED_ROUND_ROBIN, 1, 1, 1);
	for (unsigned w = 0; w < 3; w++)
		team_send(&t, w, w, SYN);
	for (char name = 'a'; name <= 'c'; name++)
		assert_true(team_open(&t, name) == 1);
	close_team(&t);
}

/* Ends `n` of the team's connections, whichever; each stays with its worker. */
static void team_end_some(struct team *t, uint32_t *list, uint32_t *count, int n, uint64_t *random)
{
	while (n-- > 0 && *count > 0) {
		uint32_t i = (uint32_t)(support_random(random) % *count);

		team_send(t, list[i] % WORKERS, list[i], FIN | ACK);
		list[i] = list[--*count];
	}
}

/* Estimates are exact when nothing has happened since they were gathered; between, the servers stay
 * near their shares though no worker sees what another does. */
static void least_connections_workers_agree_within_luck(void **state)
{
	static uint32_t list[20000];
	uint64_t random = 21;
	int64_t worst = 0;
	struct team t;
	uint32_t n = 0, count = 0;

	(void)state;
	open_team(&t, GT_SCHED_LEAST_CONNECTIONS, 200, 100, 100);
	for (int interval = 0; interval < 40; interval++) {
		for (int i = 0; i < 400; i++) {
			/* the worker follows from the connection, as by RSS */
			n += 1 + (uint32_t)(support_random(&random) % 7);
			team_send(&t, n % WORKERS, n, SYN);
			list[count++] = n;
			if (interval > 2)
				team_end_some(&t, list, &count, 1, &random);
			for (char name = 'a'; name <= 'c'; name++) {
				int64_t off = team_open(&t, name) - count / (name == 'a' ? 2 : 4);

				off = off < 0 ? -off : off;
				worst = off > worst ? off : worst;
			}
		}
		gt_loads_gather(t.loads, t.p.plan, t.workers);
		for (char name = 'a'; name <= 'c'; name++)
			for (unsigned w = 0; w < WORKERS; w++) {
				uint16_t s = number(&t.p, name);

				assert_true(gt_loads_estimate(t.loads, w, s,
							      t.workers[w]->servers[s].open) ==
					    team_open(&t, name));
			}
	}
	printf("4 workers, 400 connections begin and end in an interval, 1200 open: at most %lld "
	       "off their shares\n",
	       (long long)worst);
	/* sqrt(400 * 4) = 40 */
	assert_true(worst <= 40);
	close_team(&t);
}

/* One worker's load does not hide what the others have. */
static void least_connections_counts_other_workers(void **state)
{
	struct team t;

	(void)state;
	open_team(&t, GT_SCHED_LEAST_CONNECTIONS, 1, 1, 1);
	/* worker 0 fills a alone: b and c are drained meanwhile */
	schedule_by(&t.p, GT_SCHED_LEAST_CONNECTIONS, 1, 0, 0);
	for (uint32_t n = 0; n < 100; n++)
		team_send(&t, 0, n, SYN);
	schedule_by(&t.p, GT_SCHED_LEAST_CONNECTIONS, 1, 1, 1);
	gt_loads_gather(t.loads, t.p.plan, t.workers);
	/* ... so worker 3 sends nothing there until the others have as many */
	for (uint32_t n = 0; n < 40; n++)
		team_send(&t, 3, 1000 + n, SYN);
	assert_true(team_open(&t, 'a') == 100);
	assert_true(team_open(&t, 'b') == 20);
	assert_true(team_open(&t, 'c') == 20);
	close_team(&t);
}

/* ---- least-connections ---- */

struct model {
	char server;
	bool open;
};

/* Who must get the next one: the least (n + 1) / weight, by cross-multiplication over all pairs;
 * of equal ones the first behind the last chosen. */
static int model_choice(const int64_t open[3], const uint16_t weight[3], int next)
{
	for (int i = 0; i < 3; i++) {
		int s = (next + i) % 3;
		bool best = true;

		for (int o = 0; o < 3; o++)
			best &= (open[s] + 1) * weight[o] <= (open[o] + 1) * weight[s];
		if (best)
			return s;
	}
	return -1;
}

static void least_connections_agrees_with_a_model(void **state)
{
	static const uint16_t weight[3] = {100, 50, 7};
	struct support_pipe p = open_pipe(4000, GT_SCHED_LEAST_CONNECTIONS, 100, 50, 7);
	static struct model c[3000];
	int64_t open[3] = {0};
	uint64_t random = 4;
	uint32_t n = 0;
	int next = 0;

	(void)state;
	for (int step = 0; step < 6000 && n < 3000; step++) {
		uint64_t r = support_random(&random);

		if (r % 3 == 0 && n > 0) {
			/* an end, by FIN or RST, of any connection, again or not */
			uint32_t i = (uint32_t)(r >> 8) % n;

			assert_int_equal(send(&p, i, r & 16 ? FIN | ACK : RST), c[i].server);
			open[c[i].server - 'a'] -= c[i].open;
			c[i].open = false;
			continue;
		}
		if (r % 3 == 1 && n > 0) {
			/* data; it revives what a RST has ended, but not what a FIN has */
			uint32_t i = (uint32_t)(r >> 8) % n;

			if (c[i].open)
				assert_int_equal(send(&p, i, ACK), c[i].server);
			continue;
		}
		int want = model_choice(open, weight, next);

		c[n] = (struct model){send(&p, n, SYN), true};
		assert_int_equal(c[n].server, 'a' + want);
		next = want + 1;
		open[want]++;
		n++;
		for (int s = 0; s < 3; s++)
			assert_true(p.worker->servers[number(&p, (char)('a' + s))].open == open[s]);
	}
	assert_true(n > 1000);
	support_pipe_close(&p);
}

static void least_connections_gives_back_what_expires_moves_and_revives(void **state)
{
	struct support_pipe p = open_pipe(1000, GT_SCHED_LEAST_CONNECTIONS, 1, 1, 1);
	uint16_t a = number(&p, 'a');

	(void)state;
	for (uint32_t n = 0; n < 9; n++)
		assert_int_equal(send(&p, n, SYN), "abc"[n % 3]);
	assert_true(p.worker->servers[a].open == 3);
	send(&p, 0, RST);
	assert_true(p.worker->servers[a].open == 2);
	send(&p, 0, ACK); /* the RST was forged */
	assert_true(p.worker->servers[a].open == 3);
	/* a fails: its three move, evenly */
	support_pipe_state(&p, "all", "a")->up = false;
	support_pipe_replan(&p);
	for (uint32_t n = 0; n < 9; n++)
		send(&p, n, ACK);
	assert_true(p.worker->servers[a].open == 0);
	assert_true(p.worker->servers[number(&p, 'b')].open +
			    p.worker->servers[number(&p, 'c')].open ==
		    9);
	assert_true(p.worker->servers[number(&p, 'b')].open >= 4);
	assert_true(p.worker->servers[number(&p, 'c')].open >= 4);
	p.now_ms += 3 * 3600 * 1000;
	support_pipe_flush(&p);
	for (char s = 'a'; s <= 'c'; s++) {
		assert_true(p.worker->servers[number(&p, s)].open == 0);
		assert_true(p.worker->servers[number(&p, s)].active == 0);
	}
	support_pipe_close(&p);
}

/* ---- without an entry ---- */

static void full_table_keeps_the_packets_of_a_connection_together(void **state)
{
	static const enum gt_scheduler both[] = {GT_SCHED_ROUND_ROBIN, GT_SCHED_LEAST_CONNECTIONS};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct support_pipe p = open_pipe(1, both[i], 1, 1, 1); /* eight places */
		uint64_t *untracked = &p.worker->vips[support_vip_number(p.plan, "all")].untracked;

		for (uint32_t n = 0; n < 60; n++)
			send(&p, n, ACK);
		assert_true(*untracked > 0);
		for (uint32_t n = 1000; n < 1060; n++) {
			uint64_t before = *untracked;
			char server = send(&p, n, SYN);

			assert_true(*untracked == before + 1);
			assert_int_equal(send(&p, n, ACK), server);
			assert_int_equal(send(&p, n, FIN | ACK), server);
		}
		support_pipe_close(&p);
	}
}

static void rehashes_says_what_the_next_packet_would_find(void **state)
{
	struct support_pipe p = open_pipe(1000, GT_SCHED_ROUND_ROBIN, 1, 1, 1);
	int same = 0;

	(void)state;
	for (uint32_t n = 0; n < 300; n++) {
		struct support_packet s = packet(n, SYN);
		int server = support_pipe_server(&p, &s);
		uint16_t service = support_service(p.plan, "192.0.2.101", TCP, 80);
		struct gt_flow_key key;
		bool found;

		gt_flow_key_wide(&key, &s.src, rte_cpu_to_be_16(s.sport), service,
				 rte_cpu_to_be_16(80));
		found = gt_schedule_rehashes(p.worker, &key, (uint32_t)server);
		assert_int_equal(found, by_hash(&p, &s) == server);
		same += found;
	}
	/* a third of them by chance */
	assert_in_range(same, 60, 140);
	support_pipe_close(&p);
}

static void rehashes_of_datagrams_in_turns_is_never(void **state)
{
	struct support_pipe p;

	(void)state;
	support_pipe_open(&p, 1000);
	p.config->vips[1].scheduler = GT_SCHED_LEAST_CONNECTIONS;
	support_pipe_replan(&p);
	for (uint32_t n = 0; n < 50; n++) {
		struct support_packet s = packet(n, 0);
		struct gt_flow_key key;
		int server;

		s.protocol = UDP;
		s.dst = support_addr("192.0.2.100");
		s.dport = 53;
		server = support_pipe_server(&p, &s);
		gt_flow_key_narrow(&key, gt_addr_v4(&s.src), rte_cpu_to_be_16(s.sport),
				   support_service(p.plan, "192.0.2.100", UDP, 53));
		assert_false(gt_schedule_rehashes(p.worker, &key, (uint32_t)server));
	}
	support_pipe_close(&p);
}

/* ---- records ---- */

static char keep_send(struct support_pipe *p, uint8_t client, uint16_t port, uint8_t flags)
{
	struct support_packet s = packet(port, flags);
	int server;

	s.src.b[15] = client;
	s.dst = support_addr("192.0.2.102");
	server = support_pipe_server(p, &s);
	assert_true(server > 0);
	return p->plan->server_names[server].server->name[0];
}

static void source_client_takes_one_turn(void **state)
{
	struct support_pipe p;

	(void)state;
	support_pipe_open(&p, 1000);
	p.config->vips[5].scheduler = GT_SCHED_ROUND_ROBIN;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 30; client++)
		for (uint16_t port = 0; port < 5; port++)
			assert_int_equal(keep_send(&p, client, port, SYN), "abc"[client % 3]);
	support_pipe_close(&p);
}

/* A record that only a SYN made goes as soon as a SYN's entry; a connection keeps its own alive. */
static void source_record_lives_as_long_as_its_connections(void **state)
{
	struct support_pipe p;

	(void)state;
	support_pipe_open(&p, 1000);
	p.config->vips[5].scheduler = GT_SCHED_ROUND_ROBIN;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 3; client++)
		assert_int_equal(keep_send(&p, client, 1, SYN), "abc"[client]);
	assert_int_equal(keep_send(&p, 1, 1, ACK), 'b');
	p.now_ms += 40 * 1000;
	support_pipe_flush(&p);
	assert_true(p.worker->flows.entries == 2); /* b's client: its connection and its record */
	/* for six hours, a packet each half hour; the record was last asked for at its beginning */
	for (int i = 0; i < 12; i++) {
		p.now_ms += 1800 * 1000;
		assert_int_equal(keep_send(&p, 1, 1, ACK), 'b');
		support_pipe_flush(&p);
	}
	assert_true(p.worker->flows.entries == 2);
	assert_int_equal(keep_send(&p, 1, 2, SYN), 'b');
	support_pipe_close(&p);
}

/* A flood of SYNs from forged addresses takes nobody's record. */
static void source_flood_of_syns_takes_no_established_record(void **state)
{
	struct support_pipe p;

	(void)state;
	support_pipe_open(&p, 64);
	p.config->vips[5].scheduler = GT_SCHED_ROUND_ROBIN;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 9; client++) {
		keep_send(&p, client, 1, SYN);
		assert_int_equal(keep_send(&p, client, 1, ACK), "abc"[client % 3]);
	}
	p.now_ms += 100 * 1000;
	for (uint32_t n = 0; n < 3000; n++) {
		struct support_packet s = packet(n, SYN);

		s.src.b[13] = 77;
		s.src.b[14] = (uint8_t)(n >> 8);
		s.src.b[15] = (uint8_t)n;
		s.dst = support_addr("192.0.2.102");
		assert_true(support_pipe_server(&p, &s) > 0);
	}
	for (uint8_t client = 0; client < 9; client++)
		assert_int_equal(keep_send(&p, client, 2, SYN), "abc"[client % 3]);
	support_pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_5_1_1_is_nginxs_sequence),
		cmocka_unit_test(round_robin_gives_exact_shares_in_each_round),
		cmocka_unit_test(round_robin_other_packets_take_no_turn),
		cmocka_unit_test(round_robin_begins_anew_when_weights_change),
		cmocka_unit_test(round_robin_datagrams_take_turns),
		cmocka_unit_test(round_robin_workers_begin_at_different_servers),
		cmocka_unit_test(least_connections_workers_agree_within_luck),
		cmocka_unit_test(least_connections_counts_other_workers),
		cmocka_unit_test(least_connections_agrees_with_a_model),
		cmocka_unit_test(least_connections_gives_back_what_expires_moves_and_revives),
		cmocka_unit_test(full_table_keeps_the_packets_of_a_connection_together),
		cmocka_unit_test(rehashes_says_what_the_next_packet_would_find),
		cmocka_unit_test(rehashes_of_datagrams_in_turns_is_never),
		cmocka_unit_test(source_client_takes_one_turn),
		cmocka_unit_test(source_record_lives_as_long_as_its_connections),
		cmocka_unit_test(source_flood_of_syns_takes_no_established_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
