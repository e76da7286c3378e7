/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections over time and over changes: TCP's states as the contract times them, and consistency:
 * whatever fails, recovers, is drained, reweighted or added, a connection keeps its server, but for
 * those of a server that is down or disabled, and `moved` counts exactly these.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/parse.h"
#include "support_pipe.h"

#define TCP 6
#define UDP 17
#define FIN GT_TCP_FIN
#define SYN GT_TCP_SYN
#define RST GT_TCP_RST
#define ACK GT_TCP_ACK

static struct support_packet packet(const char *dst, uint8_t protocol, uint16_t dport,
				    uint8_t flags)
{
	return (struct support_packet){
		.src = support_addr(strchr(dst, ':') != NULL ? "2001:db8:1::9" : "203.0.113.9"),
		.dst = support_addr(dst),
		.protocol = protocol,
		.sport = 40000,
		.dport = dport,
		.flags = flags,
	};
}

static struct support_pipe open_pipe(uint32_t connections)
{
	struct support_pipe p;

	support_pipe_open(&p, connections);
	return p;
}

/* ---- states and their timeouts ---- */

/* A second passes before each packet; then silence. Returns the seconds after which, to the tick of
 * 250 ms, it is forgotten. */
static unsigned lifetime(uint32_t idle_timeout_s, uint8_t protocol, const uint8_t *flags, size_t n)
{
	static const unsigned all[] = {10, 30, 120, 180, 600, 7440, 86400, 20 * 86400};
	unsigned found = 0;

	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]) && found == 0; k++) {
		struct support_pipe p;
		uint64_t before;

		support_pipe_open(&p, 100);
		for (size_t i = 0; i < p.config->n_vips; i++)
			p.config->vips[i].idle_timeout_s = idle_timeout_s;
		support_pipe_replan(&p);
		for (size_t i = 0; i < n; i++) {
			struct support_packet s = packet("192.0.2.100", protocol,
							 protocol == TCP ? 80 : 53, flags[i]);

			p.now_ms += 1000;
			assert_true(support_pipe_server(&p, &s) > 0);
		}
		assert_true(support_pipe_active(&p) == 1);
		p.now_ms += all[k] * 1000ULL;
		support_pipe_flush(&p);
		before = support_pipe_active(&p);
		p.now_ms += 250;
		support_pipe_flush(&p);
		if (before == 1 && support_pipe_active(&p) == 0)
			found = all[k];
		support_pipe_close(&p);
	}
	return found;
}

#define LIFETIME(timeout, protocol, ...)                                                           \
	lifetime(timeout, protocol, (const uint8_t[]){__VA_ARGS__},                                \
		 sizeof((const uint8_t[]){__VA_ARGS__}))

static void connection_states_live_as_long_as_the_contract_says(void **state)
{
	(void)state;
	assert_int_equal(LIFETIME(0, TCP, SYN), 30);
	assert_int_equal(LIFETIME(0, TCP, SYN, SYN), 30); /* again: 30 s from then */
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK), 7440);
	assert_int_equal(LIFETIME(0, TCP, ACK), 7440); /* known to nobody: scheduled */
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, SYN), 7440);
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, FIN | ACK), 120);
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, FIN | ACK, ACK), 120); /* half-closed */
	assert_int_equal(LIFETIME(0, TCP, FIN | ACK), 120);
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, RST), 10);
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, RST | ACK), 10);
	assert_int_equal(LIFETIME(0, TCP, RST), 10);
	assert_int_equal(LIFETIME(0, TCP, SYN, RST), 10);
	/* a RST only shortens: later ACKs restore */
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, RST, ACK), 7440);
	assert_int_equal(LIFETIME(0, TCP, SYN, ACK, RST, FIN | ACK), 120);
	assert_int_equal(LIFETIME(0, UDP, 0), 180);
	assert_int_equal(LIFETIME(0, UDP, 0, 0), 180);
}

static void connection_idle_timeout_replaces_the_established_one_alone(void **state)
{
	(void)state;
	assert_int_equal(LIFETIME(600, TCP, SYN, ACK), 600);
	assert_int_equal(LIFETIME(86400, TCP, SYN, ACK), 86400);
	assert_int_equal(LIFETIME(20 * 86400, TCP, SYN, ACK), 20 * 86400);
	assert_int_equal(LIFETIME(86400, TCP, SYN), 30);
	assert_int_equal(LIFETIME(86400, TCP, SYN, ACK, FIN | ACK), 120);
	assert_int_equal(LIFETIME(86400, TCP, SYN, ACK, RST), 10);
	assert_int_equal(LIFETIME(600, UDP, 0), 600);
}

static void connection_expired_is_scheduled_anew_when_met(void **state)
{
	struct support_pipe p = open_pipe(100);
	struct support_packet s = packet("192.0.2.100", TCP, 80, SYN);

	(void)state;
	assert_true(support_pipe_server(&p, &s) > 0);
	p.now_ms += 30000;
	assert_true(support_pipe_server(&p, &s) > 0);
	assert_true(p.worker->counters.created == 1);
	p.now_ms += 30250;
	assert_true(support_pipe_server(&p, &s) > 0);
	assert_true(p.worker->counters.created == 2 && p.worker->counters.expired == 1);
	assert_true(support_pipe_active(&p) == 1);
	support_pipe_close(&p);
}

/* All weight goes elsewhere; which packets follow it? */
static void connection_syn_selects_anew_after_fin_or_rst_only(void **state)
{
	static const struct {
		uint8_t flags[4];
		bool anew;
	} rows[] = {
		{{SYN, ACK, SYN}, false},
		{{SYN, SYN}, false},
		{{SYN, ACK, FIN | ACK, SYN}, true},
		{{SYN, ACK, RST, SYN}, true},
		{{SYN, ACK, FIN | ACK, ACK}, false},
		{{SYN, ACK, RST, ACK}, false},
		{{SYN, ACK, FIN | ACK, SYN | ACK}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct support_pipe p = open_pipe(100);
		struct support_packet s = packet("192.0.2.101", TCP, 80, 0);
		int first = 0, last = 0;
		char name[2];

		for (size_t k = 0; k < 4 && rows[i].flags[k] != 0; k++) {
			bool is_last = k == 3 || rows[i].flags[k + 1] == 0;

			s.flags = rows[i].flags[k];
			if (is_last) {
				strcpy(name, p.plan->server_names[first].server->name);
				support_pipe_state(&p, "all", name)->admin = GT_ADMIN_DRAIN;
				support_pipe_replan(&p);
			}
			last = support_pipe_server(&p, &s);
			assert_true(last > 0);
			if (k == 0)
				first = last;
			if (!is_last)
				assert_int_equal(last, first);
		}
		if ((last != first) != rows[i].anew)
			fail_msg("row %zu: server %d, then %d", i, first, last);
		assert_true(p.worker->counters.created == (rows[i].anew ? 2 : 1));
		assert_true(support_pipe_active(&p) == 1);
		assert_true(p.worker->counters.moved == 0);
		support_pipe_close(&p);
	}
}

/* ---- consistency ---- */

/* so much that each finds a place */
enum { CONNECTIONS = 10000, ROOM = 20 * CONNECTIONS };

/* Of many clients to several VIPs, both families and protocols. */
static struct support_packet client(uint32_t n)
{
	static const struct {
		const char *dst;
		uint8_t protocol;
		uint16_t port;
	} vips[] = {{"192.0.2.100", TCP, 80},	 {"192.0.2.100", UDP, 53},
		    {"2001:db8::100", TCP, 80},	 {"2001:db8::100", UDP, 7},
		    {"192.0.2.101", TCP, 12345}, {"192.0.2.102", TCP, 80}};
	struct support_packet s =
		packet(vips[n % 6].dst, vips[n % 6].protocol, vips[n % 6].port, ACK);

	s.src.b[14] = (uint8_t)(n >> 8 & 0x3f);
	s.src.b[15] = (uint8_t)n;
	s.sport = (uint16_t)(1024 + n);
	return s;
}

static void visit_all(struct support_pipe *p, int *servers)
{
	for (uint32_t n = 0; n < CONNECTIONS; n++) {
		struct support_packet s = client(n);

		servers[n] = support_pipe_server(p, &s);
		assert_true(servers[n] > 0);
	}
}

/* Sends a packet of each connection: which changed their servers must have been on `gone`. */
static void check_moves(struct support_pipe *p, int *servers, int gone)
{
	uint64_t moved = p->worker->counters.moved, created = p->worker->counters.created, must = 0;

	for (uint32_t n = 0; n < CONNECTIONS; n++) {
		struct support_packet s = client(n);
		int now = support_pipe_server(p, &s);

		assert_true(now > 0);
		if (servers[n] == gone)
			assert_int_not_equal(now, gone);
		else
			assert_int_equal(now, servers[n]);
		must += servers[n] == gone;
		servers[n] = now;
	}
	assert_true(p->worker->counters.moved == moved + must);
	assert_true(p->worker->counters.created == created);
	assert_true(support_pipe_active(p) == CONNECTIONS);
	if (gone != 0)
		assert_true(must > 0);
}

static void connections_keep_their_server_through_all_other_changes(void **state)
{
	struct support_pipe p = open_pipe(ROOM);
	static int servers[CONNECTIONS];
	struct gt_config *more;
	int gone;

	(void)state;
	visit_all(&p, servers);
	assert_true(p.worker->counters.created == CONNECTIONS);
	/* weights */
	support_pipe_state(&p, "web", "a")->weight = 1;
	support_pipe_state(&p, "web", "b")->weight = 65535;
	support_pipe_state(&p, "all", "c")->weight = 0;
	support_pipe_state(&p, "web6", "a")->weight = 3;
	support_pipe_state(&p, "keep", "a")->weight = 7;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	/* drain */
	support_pipe_state(&p, "dns", "e")->admin = GT_ADMIN_DRAIN;
	support_pipe_state(&p, "keep", "b")->admin = GT_ADMIN_DRAIN;
	support_pipe_state(&p, "web", "d")->admin = GT_ADMIN_DRAIN;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	/* additions, another order, and a VIP more */
	more = support_pipe_config();
	support_server(more, 0, "new", "192.0.2.200", 65535);
	support_server(more, 2, "new", "2001:db8::200", 65535);
	support_server(more, 5, "new", "192.0.2.201", 65535);
	support_swap_servers(more, 0, 0, 4);
	support_swap_vips(more, 1, 4);
	support_server(more, support_vip(more, "late", "192.0.2.105", GT_PROTO_TCP, "80"), "a",
		       "192.0.2.202", 1);
	support_pipe_reload(&p, more);
	check_moves(&p, servers, 0);
	/* a failure moves its own, one VIP after the other; recovery none */
	gone = support_server_number(p.plan, "web", "c");
	support_pipe_state(&p, "web", "c")->up = false;
	support_pipe_replan(&p);
	check_moves(&p, servers, gone);
	support_pipe_state(&p, "web", "c")->up = true;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	gone = support_server_number(p.plan, "keep", "a");
	support_pipe_state(&p, "keep", "a")->up = false;
	support_pipe_replan(&p);
	check_moves(&p, servers, gone);
	support_pipe_state(&p, "keep", "a")->up = true;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	/* disabling moves too */
	gone = support_server_number(p.plan, "dns6", "d");
	support_pipe_state(&p, "dns6", "d")->admin = GT_ADMIN_DISABLED;
	support_pipe_replan(&p);
	check_moves(&p, servers, gone);
	/* unresolved is no failure: frames are dropped and the connection waits */
	support_pipe_state(&p, "web6", "b")->resolved = false;
	support_pipe_replan(&p);
	support_pipe_state(&p, "web6", "b")->resolved = true;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	support_pipe_close(&p);
}

static void connections_of_a_removed_server_move(void **state)
{
	struct support_pipe p = open_pipe(ROOM);
	static int servers[CONNECTIONS];
	struct gt_config *less = support_pipe_config();
	int gone;

	(void)state;
	visit_all(&p, servers);
	gone = support_server_number(p.plan, "web", "b");
	support_remove_server(less, 0, 1);
	support_pipe_reload(&p, less);
	check_moves(&p, servers, gone);
	support_pipe_close(&p);
}

static void connections_wait_while_no_server_is_left(void **state)
{
	struct support_pipe p = open_pipe(ROOM);
	static int servers[CONNECTIONS];
	uint64_t dropped = 0;

	(void)state;
	visit_all(&p, servers);
	for (const char *s = "abcd"; *s != '\0'; s++)
		support_pipe_state(&p, "web", (char[]){*s, '\0'})->up = false;
	support_pipe_replan(&p);
	for (uint32_t n = 0; n < CONNECTIONS; n += 6) {
		struct support_packet s = client(n);

		assert_int_equal(support_pipe_server(&p, &s), -1 - GT_DROP_NO_SERVER);
		dropped++;
	}
	assert_true(p.worker->counters.moved == 0);
	assert_true(p.worker->vips[support_vip_number(p.plan, "web")].no_server == dropped);
	for (const char *s = "abcd"; *s != '\0'; s++)
		support_pipe_state(&p, "web", (char[]){*s, '\0'})->up = true;
	support_pipe_replan(&p);
	check_moves(&p, servers, 0);
	support_pipe_close(&p);
}

static void connections_new_ones_go_to_no_drained_disabled_or_weightless_server(void **state)
{
	struct support_pipe p = open_pipe(ROOM);
	uint16_t c = support_server_number(p.plan, "web", "c");

	(void)state;
	support_pipe_state(&p, "web", "a")->admin = GT_ADMIN_DRAIN;
	support_pipe_state(&p, "web", "b")->weight = 0;
	support_pipe_state(&p, "web", "d")->admin = GT_ADMIN_DISABLED;
	support_pipe_replan(&p);
	for (uint32_t n = 0; n < 6000; n += 6) {
		struct support_packet s = client(n);

		assert_int_equal(support_pipe_server(&p, &s), c);
	}
	assert_true(p.worker->servers[c].active == 1000);
	support_pipe_close(&p);
}

/* ---- persistence = source ---- */

static void source_client_meets_the_same_server_whatever_the_weights(void **state)
{
	struct support_pipe p = open_pipe(1000);
	int first;

	(void)state;
	for (uint8_t c = 1; c < 50; c++) {
		struct support_packet s = packet("192.0.2.102", TCP, 80, SYN);

		s.src.b[15] = c;
		first = support_pipe_server(&p, &s);
		for (uint16_t port = 1; port < 10; port++) {
			s.sport = port;
			assert_int_equal(support_pipe_server(&p, &s), first);
		}
	}
	{
		struct support_packet s = packet("192.0.2.102", TCP, 80, SYN);

		first = support_pipe_server(&p, &s);
		support_pipe_state(&p, "keep", p.plan->server_names[first].server->name)->weight =
			1;
		support_pipe_replan(&p);
		for (uint16_t port = 1; port < 100; port++) {
			s.sport = port;
			assert_int_equal(support_pipe_server(&p, &s), first);
		}
	}
	support_pipe_close(&p);
}

static void source_client_of_a_failed_server_moves_as_one(void **state)
{
	struct support_pipe p = open_pipe(1000);
	struct support_packet s = packet("192.0.2.102", TCP, 80, ACK);
	int first, second = 0;
	char name[2];

	(void)state;
	for (uint16_t port = 1; port < 20; port++) {
		s.sport = port;
		first = support_pipe_server(&p, &s);
	}
	strcpy(name, p.plan->server_names[first].server->name);
	support_pipe_state(&p, "keep", name)->up = false;
	support_pipe_replan(&p);
	for (uint16_t port = 1; port < 40; port++) {
		int now;

		s.sport = port;
		now = support_pipe_server(&p, &s);
		assert_true(now > 0 && now != first && (second == 0 || now == second));
		second = now;
	}
	assert_true(p.worker->counters.moved == 19);
	/* recovered: the client stays where it is, with new connections too */
	support_pipe_state(&p, "keep", name)->up = true;
	support_pipe_replan(&p);
	for (uint16_t port = 30; port < 60; port++) {
		s.sport = port;
		assert_int_equal(support_pipe_server(&p, &s), second);
	}
	support_pipe_close(&p);
}

/* ---- a full table ---- */

static void full_table_forwards_and_counts_untracked(void **state)
{
	struct support_pipe p = open_pipe(64);
	uint16_t vip = support_vip_number(p.plan, "web");

	(void)state;
	for (uint32_t n = 0; n < 6 * 3000; n += 6) {
		struct support_packet s = client(n);
		uint16_t want = gt_plan_schedule(p.plan, vip, &s.src, rte_cpu_to_be_16(s.sport),
						 rte_cpu_to_be_16(80));

		assert_int_equal(support_pipe_server(&p, &s), want);
	}
	assert_true(p.worker->counters.forwarded == 3000);
	assert_true(p.worker->vips[vip].untracked > 0);
	assert_true(p.worker->counters.created + p.worker->vips[vip].untracked == 3000);
	assert_true(p.worker->counters.expired == 0); /* all are fresh: none yields */
	support_pipe_active(&p);
	support_pipe_close(&p);
}

/*
 * A connection is to move, and making the source record that this needs takes its own place in a
 * full table: its entry was the only one that yields.
 */
static void full_table_move_survives_the_loss_of_its_own_entry(void **state)
{
	struct support_pipe p = open_pipe(1); /* eight places, the same for all keys */
	struct support_packet s = packet("192.0.2.102", TCP, 80, ACK);
	struct gt_config_vip *keep = &p.config->vips[5];
	int first, now;

	(void)state;
	/* The connection is older than its VIP's persistence: it has no record. */
	assert_string_equal(keep->name, "keep");
	keep->persistence = GT_PERSIST_CONNECTION;
	support_pipe_replan(&p);
	first = support_pipe_server(&p, &s);
	assert_true(first > 0 && p.worker->flows.entries == 1);
	keep->persistence = GT_PERSIST_SOURCE;
	support_pipe_replan(&p);
	for (uint32_t n = 0; n < 6 * 7; n += 6) {
		struct support_packet other = client(n);

		assert_true(support_pipe_server(&p, &other) > 0);
	}
	assert_true(p.worker->flows.entries == 8);
	s.flags = FIN | ACK;
	assert_int_equal(support_pipe_server(&p, &s), first);
	support_pipe_state(&p, "keep", p.plan->server_names[first].server->name)->up = false;
	support_pipe_replan(&p);
	now = support_pipe_server(&p, &s);
	assert_true(now > 0 && now != first);
	support_pipe_active(&p);
	assert_int_equal(support_pipe_server(&p, &s), now);
	support_pipe_active(&p);
	support_pipe_close(&p);
}

/* ---- time ---- */

static void tick_sweeps_the_whole_table_in_about_ten_seconds(void **state)
{
	struct support_pipe p = open_pipe(2000);

	(void)state;
	for (uint32_t n = 0; n < 1800; n++) {
		struct support_packet s = client(n);

		s.flags = SYN;
		support_pipe_server(&p, &s);
	}
	p.now_ms += 181000;
	support_pipe_tick(&p); /* begins */
	for (int i = 0; i < 1200; i++) {
		p.now_ms += 10;
		support_pipe_tick(&p);
	}
	assert_true(p.worker->flows.entries < 1800);
	/* all but source records are SYN or UDP and over three minutes old */
	assert_true(support_pipe_active(&p) == 0);
	support_pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_states_live_as_long_as_the_contract_says),
		cmocka_unit_test(connection_idle_timeout_replaces_the_established_one_alone),
		cmocka_unit_test(connection_expired_is_scheduled_anew_when_met),
		cmocka_unit_test(connection_syn_selects_anew_after_fin_or_rst_only),
		cmocka_unit_test(connections_keep_their_server_through_all_other_changes),
		cmocka_unit_test(connections_of_a_removed_server_move),
		cmocka_unit_test(connections_wait_while_no_server_is_left),
		cmocka_unit_test(
			connections_new_ones_go_to_no_drained_disabled_or_weightless_server),
		cmocka_unit_test(source_client_meets_the_same_server_whatever_the_weights),
		cmocka_unit_test(source_client_of_a_failed_server_moves_as_one),
		cmocka_unit_test(full_table_forwards_and_counts_untracked),
		cmocka_unit_test(full_table_move_survives_the_loss_of_its_own_entry),
		cmocka_unit_test(tick_sweeps_the_whole_table_in_about_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
