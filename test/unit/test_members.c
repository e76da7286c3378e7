/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which servers take new connections: failover, sticky or not, as main remembers it over plans and
 * reloads; the fallback; and persistence groups, whose VIPs send a client to one name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "node/node.h"
#include "packet/parse.h"
#include "support_node.h"
#include "support_pipe.h"

#define TCP 6
#define SYN GT_TCP_SYN
#define ACK GT_TCP_ACK

/* ---- failover and fallback, by the node ---- */

#define BASE                                                                                       \
	"[interface lan]\ndevice = net_null0\naddress = 192.0.2.2/24\n"                            \
	"[vip hl7]\ninterface = lan\naddress = 192.0.2.100\nport = 2575\ncheck = none\n"
#define SERVERS                                                                                    \
	"[server hl7/c]\naddress = 192.0.2.13\n[server hl7/a]\naddress = 192.0.2.11\n"             \
	"[server hl7/b]\naddress = 192.0.2.12\n"

static struct gt_node *open_node(const char *text)
{
	struct gt_mac macs[1] = {support_interface_mac(0)};
	struct gt_node_hooks hooks = {0};
	struct gt_node *node;

	assert_int_equal(gt_node_create(support_parse(text), macs, &hooks, &node), 0);
	return node;
}

/* Names of those that take new connections, in the order of their names. */
static const char *takers(const struct gt_node *node, const char *vip)
{
	static char text[64];
	size_t n = 0;

	for (const char *name = "abcf"; *name != '\0'; name++) {
		uint16_t s = support_server_number(node->plan, vip, (char[]){*name, '\0'});

		if (s != 0 && (node->plan->servers[s].flags & GT_SERVER_TAKES) != 0)
			text[n++] = *name;
	}
	text[n] = '\0';
	return text;
}

static const char *act(struct gt_node *node, enum gt_node_action action, const char *server)
{
	assert_int_equal(gt_node_act(node, action, server, 0, NULL, 0), 0);
	assert_true(gt_node_refresh(node));
	gt_node_reclaim(node);
	return takers(node, "hl7");
}

static void reload(struct gt_node *node, const char *text)
{
	struct gt_config_messages messages = {0};

	assert_int_equal(gt_node_reload(node, support_parse(text), &messages), 0);
	gt_config_messages_free(&messages);
	gt_node_reclaim(node);
}

#define UP(s)	   act(node, GT_ACTION_UP, "hl7/" s)
#define DOWN(s)	   act(node, GT_ACTION_DOWN, "hl7/" s)
#define DRAIN(s)   act(node, GT_ACTION_DRAIN, "hl7/" s)
#define ENABLE(s)  act(node, GT_ACTION_ENABLE, "hl7/" s)
#define DISABLE(s) act(node, GT_ACTION_DISABLE, "hl7/" s)
#define WEIGHT0(s) act(node, GT_ACTION_WEIGHT, "hl7/" s)

static void failover_first_in_the_file_takes_everything(void **state)
{
	struct gt_node *node = open_node(BASE "policy = failover\n" SERVERS);

	(void)state;
	assert_string_equal(takers(node, "hl7"), "c");
	assert_string_equal(DOWN("c"), "a");
	assert_string_equal(DOWN("a"), "b");
	assert_string_equal(UP("c"), "c");
	assert_string_equal(DRAIN("c"), "b");
	assert_string_equal(DOWN("b"), "");
	assert_string_equal(UP("a"), "a");
	assert_string_equal(WEIGHT0("a"), "");
	assert_string_equal(ENABLE("c"), "c");
	/* the others keep what they have */
	for (const char *s = "ac"; *s != '\0'; s++)
		assert_true(node->plan
				    ->servers[support_server_number(node->plan, "hl7",
								    (char[]){*s, '\0'})]
				    .flags &
			    GT_SERVER_KEEPS);
	gt_node_destroy(node);
}

static void sticky_keeps_what_moved_until_the_present_one_fails(void **state)
{
	struct gt_node *node = open_node(BASE "policy = failover\nsticky_failover = yes\n" SERVERS);

	(void)state;
	assert_string_equal(takers(node, "hl7"), "c");
	assert_string_equal(DOWN("c"), "a");
	assert_string_equal(UP("c"), "a");
	assert_string_equal(DOWN("b"), "a"); /* another plan changes nothing */
	assert_string_equal(UP("b"), "a");
	assert_string_equal(DOWN("a"), "c"); /* first of the file again */
	assert_string_equal(UP("a"), "c");
	/* an operator moves it, and back */
	assert_string_equal(DISABLE("c"), "a");
	assert_string_equal(ENABLE("c"), "a");
	assert_string_equal(DRAIN("a"), "c");
	assert_string_equal(ENABLE("a"), "c");
	/* all fail: the first to come back has it, and keeps it */
	DOWN("a");
	DOWN("b");
	assert_string_equal(DOWN("c"), "");
	assert_string_equal(UP("b"), "b");
	assert_string_equal(UP("c"), "b");
	assert_string_equal(UP("a"), "b");
	gt_node_destroy(node);
}

static void sticky_survives_reloads(void **state)
{
	static const char sticky[] = BASE "policy = failover\nsticky_failover = yes\n" SERVERS;
	struct gt_node *node = open_node(sticky);

	(void)state;
	DOWN("c");
	assert_string_equal(UP("c"), "a");
	reload(node, sticky);
	assert_string_equal(takers(node, "hl7"), "a");
	/* another order, and another server in front */
	reload(node, BASE "policy = failover\nsticky_failover = yes\n"
			  "[server hl7/f]\naddress = 192.0.2.14\n" SERVERS);
	assert_string_equal(takers(node, "hl7"), "a");
	/* not sticky any more: the first one; sticky again: that stays */
	reload(node, BASE "policy = failover\n" SERVERS);
	assert_string_equal(takers(node, "hl7"), "c");
	reload(node, sticky);
	assert_string_equal(takers(node, "hl7"), "c");
	/* a server that is gone leaves no memory */
	reload(node,
	       BASE "policy = failover\nsticky_failover = yes\n"
		    "[server hl7/b]\naddress = 192.0.2.12\n[server hl7/a]\naddress = 192.0.2.11\n");
	assert_string_equal(takers(node, "hl7"), "b");
	gt_node_destroy(node);
}

static void fallback_takes_while_no_other_may(void **state)
{
	struct gt_node *node = open_node(BASE "fallback = a\n" SERVERS);

	(void)state;
	assert_string_equal(takers(node, "hl7"), "bc");
	assert_string_equal(DOWN("b"), "c");
	assert_string_equal(DRAIN("c"), "a");
	assert_string_equal(UP("b"), "b");
	assert_string_equal(DOWN("b"), "a");
	assert_string_equal(DISABLE("a"), "");
	assert_string_equal(ENABLE("c"), "c");
	gt_node_destroy(node);
}

/* A fallback gets nothing while any other may, sticky or not. */
static void fallback_with_sticky_failover_gives_back(void **state)
{
	struct gt_node *node =
		open_node(BASE "policy = failover\nsticky_failover = yes\nfallback = c\n" SERVERS);

	(void)state;
	assert_string_equal(takers(node, "hl7"), "a");
	assert_string_equal(DOWN("a"), "b");
	assert_string_equal(UP("a"), "b");
	DOWN("a");
	assert_string_equal(DOWN("b"), "c");
	assert_string_equal(UP("a"), "a");
	assert_string_equal(UP("b"), "a");
	gt_node_destroy(node);
}

/* ---- groups ---- */

/* VIPs `all` (192.0.2.101) and `keep` (192.0.2.102), both of a, b, c, are a group. */
#define ALL  4
#define KEEP 5

static struct support_pipe open_group(enum gt_scheduler scheduler)
{
	struct support_pipe p;

	support_pipe_open(&p, 4000);
	for (int v = ALL; v <= KEEP; v++) {
		p.config->vips[v].persistence = GT_PERSIST_SOURCE;
		p.config->vips[v].scheduler = scheduler;
		strcpy(p.config->vips[v].persistence_group, "pacs");
	}
	support_pipe_replan(&p);
	return p;
}

/* The name of who got a new connection of a client. */
static char meet(struct support_pipe *p, int vip, uint8_t client)
{
	struct support_packet s = {.src = support_addr("203.0.113.0"),
				   .dst = support_addr(vip == ALL ? "192.0.2.101" : "192.0.2.102"),
				   .protocol = TCP,
				   .sport = (uint16_t)(1024 + p->worker->counters.in),
				   .dport = 80,
				   .flags = ACK};
	int server;

	s.src.b[15] = client;
	server = support_pipe_server(p, &s);
	assert_true(server > 0);
	assert_string_equal(p->plan->server_names[server].vip->name, vip == ALL ? "all" : "keep");
	return p->plan->server_names[server].server->name[0];
}

static void group_chooses_alike_without_any_record(void **state)
{
	static const enum gt_scheduler by[] = {GT_SCHED_MAGLEV, GT_SCHED_RENDEZVOUS};
	unsigned count[128] = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct support_pipe one = open_group(by[i]), two = open_group(by[i]);

		for (uint8_t client = 0; client < 250; client++) {
			char name = meet(&one, ALL, client);

			assert_int_equal(meet(&two, KEEP, client), name);
			count[(int)name]++;
		}
		support_pipe_close(&one);
		support_pipe_close(&two);
	}
	for (char name = 'a'; name <= 'c'; name++)
		assert_in_range(count[(int)name], 100, 240);
}

static void group_shares_its_records(void **state)
{
	static const enum gt_scheduler by[] = {GT_SCHED_MAGLEV, GT_SCHED_RENDEZVOUS,
					       GT_SCHED_ROUND_ROBIN, GT_SCHED_LEAST_CONNECTIONS};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct support_pipe p = open_group(by[i]);
		char first[100];

		for (uint8_t client = 0; client < 100; client++) {
			/* a SYN takes the scheduler's turn */
			struct support_packet s = {.src = support_addr("203.0.113.0"),
						   .dst = support_addr("192.0.2.101"),
						   .protocol = TCP,
						   .sport = 7,
						   .dport = 80,
						   .flags = SYN};

			s.src.b[15] = client;
			first[client] =
				p.plan->server_names[support_pipe_server(&p, &s)].server->name[0];
		}
		/* weights change what the hash would say now */
		support_pipe_state(&p, "keep", "a")->weight = 1;
		support_pipe_state(&p, "all", "a")->weight = 1;
		support_pipe_replan(&p);
		for (uint8_t client = 0; client < 100; client++) {
			assert_int_equal(meet(&p, KEEP, client), first[client]);
			assert_int_equal(meet(&p, ALL, client), first[client]);
		}
		support_pipe_close(&p);
	}
}

/* A server that fails in one VIP gets no new connections in the others; one answer for both. */
static void group_avoids_a_server_that_fails_in_one_vip(void **state)
{
	struct support_pipe p = open_group(GT_SCHED_MAGLEV);
	char first[100], moved[100];

	(void)state;
	for (uint8_t client = 0; client < 100; client++)
		first[client] = meet(&p, ALL, client);
	support_pipe_state(&p, "keep", "b")->up = false;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 100; client++) {
		moved[client] = meet(&p, client % 2 ? ALL : KEEP, client);
		assert_int_not_equal(moved[client], 'b');
		if (first[client] != 'b')
			assert_int_equal(moved[client], first[client]);
		assert_int_equal(meet(&p, client % 2 ? KEEP : ALL, client), moved[client]);
	}
	/* back: new connections stay where their client is now */
	support_pipe_state(&p, "keep", "b")->up = true;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 100; client++) {
		assert_int_equal(meet(&p, KEEP, client), moved[client]);
		assert_int_equal(meet(&p, ALL, client), moved[client]);
	}
	support_pipe_close(&p);
}

/* No server is whole: each VIP serves with what it has. */
static void group_without_a_whole_server_still_serves(void **state)
{
	struct support_pipe p = open_group(GT_SCHED_MAGLEV);

	(void)state;
	support_pipe_state(&p, "all", "a")->up = false;
	support_pipe_state(&p, "all", "c")->admin = GT_ADMIN_DRAIN;
	support_pipe_state(&p, "keep", "b")->weight = 0;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 50; client++) {
		assert_int_equal(meet(&p, ALL, client), 'b');
		assert_int_not_equal(meet(&p, KEEP, client), 'b');
	}
	support_pipe_close(&p);
}

/* A name that one VIP lacks: its clients meet another server there, always the same, and then
 * everywhere. */
static void group_client_of_a_missing_name_settles(void **state)
{
	struct support_pipe p = open_group(GT_SCHED_ROUND_ROBIN);
	struct gt_config *without = support_pipe_config();
	int lacked = 0;

	(void)state;
	support_pipe_close(&p);
	support_pipe_open(&p, 4000);
	for (int v = ALL; v <= KEEP; v++) {
		without->vips[v].persistence = GT_PERSIST_SOURCE;
		strcpy(without->vips[v].persistence_group, "pacs");
	}
	support_remove_server(without, KEEP, 1);
	support_pipe_reload(&p, without);
	for (uint8_t client = 0; client < 60; client++) {
		char first = meet(&p, ALL, client), second = meet(&p, KEEP, client);

		assert_int_not_equal(second, 'b');
		if (first != 'b')
			assert_int_equal(second, first);
		lacked += first == 'b';
		for (int i = 0; i < 3; i++) {
			assert_int_equal(meet(&p, ALL, client), second);
			assert_int_equal(meet(&p, KEEP, client), second);
		}
	}
	assert_in_range(lacked, 8, 35);
	support_pipe_close(&p);
}

/* Records stay when the VIP that wrote them leaves, when servers are added, and in another group
 * they mean nothing. */
static void group_records_survive_reloads(void **state)
{
	struct support_pipe p = open_group(GT_SCHED_ROUND_ROBIN);
	char first[60];
	int same = 0;

	(void)state;
	for (uint8_t client = 0; client < 60; client++)
		first[client] = meet(&p, ALL, client);
	/* `all` leaves; `keep` gets a server */
	p.config->vips[ALL].persistence = GT_PERSIST_CONNECTION;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 60; client++)
		assert_int_equal(meet(&p, KEEP, client), first[client]);
	p.config->vips[ALL].persistence = GT_PERSIST_SOURCE;
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 60; client++)
		assert_int_equal(meet(&p, ALL, client), first[client]);
	/* alone, and then again in the group: its own records are numbers of servers */
	p.config->vips[ALL].persistence_group[0] = '\0';
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 60; client++)
		same += meet(&p, ALL, client) == first[client];
	assert_true(same < 60);
	strcpy(p.config->vips[ALL].persistence_group, "pacs");
	support_pipe_replan(&p);
	for (uint8_t client = 0; client < 60; client++)
		assert_int_equal(meet(&p, ALL, client), first[client]);
	support_pipe_close(&p);
}

/* A name that is gone: its number means nothing, and its clients are scheduled like new ones. */
static void group_forgets_a_name_that_is_gone(void **state)
{
	struct support_pipe p = open_group(GT_SCHED_MAGLEV);
	struct gt_config *without = support_pipe_config();
	char first[100];
	int gone = 0, others = 0;

	(void)state;
	for (uint8_t client = 0; client < 100; client++)
		first[client] = meet(&p, ALL, client);
	for (int v = ALL; v <= KEEP; v++) {
		without->vips[v].persistence = GT_PERSIST_SOURCE;
		strcpy(without->vips[v].persistence_group, "pacs");
		support_remove_server(without, (size_t)v, 1);
	}
	support_pipe_reload(&p, without);
	for (uint8_t client = 0; client < 100; client++) {
		struct gt_addr a = support_addr("203.0.113.0");
		uint16_t want;
		char got = meet(&p, KEEP, client);

		a.b[15] = client;
		want = gt_plan_schedule(p.plan, support_vip_number(p.plan, "keep"), &a, 0, 0);
		if (first[client] != 'b') {
			assert_int_equal(got, first[client]);
			continue;
		}
		assert_int_equal(got, p.plan->server_names[want].server->name[0]);
		gone++;
		others += got == 'c';
	}
	assert_in_range(gone, 15, 60);
	assert_in_range(others, 3, gone - 3);
	support_pipe_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failover_first_in_the_file_takes_everything),
		cmocka_unit_test(sticky_keeps_what_moved_until_the_present_one_fails),
		cmocka_unit_test(sticky_survives_reloads),
		cmocka_unit_test(fallback_takes_while_no_other_may),
		cmocka_unit_test(fallback_with_sticky_failover_gives_back),
		cmocka_unit_test(group_chooses_alike_without_any_record),
		cmocka_unit_test(group_shares_its_records),
		cmocka_unit_test(group_avoids_a_server_that_fails_in_one_vip),
		cmocka_unit_test(group_without_a_whole_server_still_serves),
		cmocka_unit_test(group_client_of_a_missing_name_settles),
		cmocka_unit_test(group_records_survive_reloads),
		cmocka_unit_test(group_forgets_a_name_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
