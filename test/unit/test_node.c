/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What main knows and decides: states by what operators say, by what neighbours tell; which log
 * lines that makes; and that old plans live until they are reclaimed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "support_node.h"

#define LAN                                                                                        \
	"[interface lan]\ndevice = net_null0\nmac = 02:00:00:00:00:01\n"                           \
	"address = 192.0.2.2/24, 2001:db8::2/64\n"
#define PACS "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 104\ncheck = none\n"
#define SNAT PACS "mode = snat\n" A
#define A    "[server pacs/a]\naddress = 192.0.2.11\n"
#define B    "[server pacs/b]\naddress = 192.0.2.12\nmac = 02:00:00:00:00:12\n"

static uint8_t flags(const struct gt_node *node, const char *server)
{
	for (uint32_t i = 1; i < node->plan->n_servers; i++)
		if (node->plan->server_names[i].server != NULL &&
		    strcmp(node->plan->server_names[i].server->name, server) == 0)
			/* EXPRESS follows from the others. */
			return node->plan->servers[i].flags;
	fail_msg("no server %s in the plan", server);
	return 0;
}

static void act(struct gt_node *node, enum gt_node_action action, const char *server, long value)
{
	assert_int_equal(gt_node_act(node, action, server, value, NULL, 0), 0);
	assert_true(gt_node_refresh(node));
}

static void create_two_servers_static_one_resolved(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);

	(void)state;
	assert_int_equal(flags(node, "a"), GT_SERVER_KEEPS | GT_SERVER_TAKES);
	assert_int_equal(flags(node, "b"), GT_SERVER_KEEPS | GT_SERVER_TAKES | GT_SERVER_RESOLVED);
	assert_false(gt_node_refresh(node)); /* nothing changed */
	gt_node_destroy(node);
}

static void act_each_action_flags_follow(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS B, &h);

	(void)state;
	act(node, GT_ACTION_DRAIN, "pacs/b", 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_KEEPS | GT_SERVER_RESOLVED);
	act(node, GT_ACTION_DISABLE, "pacs/b", 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_RESOLVED);
	act(node, GT_ACTION_ENABLE, "pacs/b", 0);
	act(node, GT_ACTION_WEIGHT, "pacs/b", 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_KEEPS | GT_SERVER_RESOLVED);
	act(node, GT_ACTION_WEIGHT, "pacs/b", 65535);
	act(node, GT_ACTION_DOWN, "pacs/b", 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_RESOLVED);
	act(node, GT_ACTION_UP, "pacs/b", 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_KEEPS | GT_SERVER_TAKES | GT_SERVER_RESOLVED);
	assert_int_equal(h.lines, 7);
	gt_node_destroy(node);
}

static void act_wrong_names_told_what_there_is(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);
	char error[256];

	(void)state;
	assert_int_equal(gt_node_act(node, GT_ACTION_DOWN, "pacs/c", 0, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "no server 'pacs/c'; VIP pacs has a, b");
	assert_int_equal(gt_node_act(node, GT_ACTION_DOWN, "a", 0, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "VIPs are pacs"));
	assert_int_equal(gt_node_act(node, GT_ACTION_DOWN, "pac/a", 0, error, sizeof(error)),
			 -ENOENT);
	assert_int_equal(gt_node_act(node, GT_ACTION_DOWN, "pacs/", 0, error, sizeof(error)),
			 -ENOENT);
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/a", 65536, error, sizeof(error)),
			 -ERANGE);
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/a", -1, NULL, 0), -ERANGE);
	assert_false(gt_node_refresh(node));
	gt_node_destroy(node);
}

/* An ARP frame to our MAC or all: 1 asks, 2 answers. */
static void hear_arp(struct gt_node *node, uint8_t op, uint8_t from, uint8_t sender, uint8_t target,
		     uint64_t now_ms, struct gt_frame *f)
{
	static uint8_t buffer[GT_HEADROOM + 60];
	uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff,   0xff, 0xff, 2, 0,	0, 0, 0,   from, 8, 6,
			   0,	 1,    8,    0,	     6,	   4,	 0, op, 2, 0, 0,   0,	 0, from,
			   192,	 0,    2,    sender, 0,	   0,	 0, 0,	0, 0, 192, 0,	 2, target};

	memset(buffer, 0, sizeof(buffer));
	memcpy(buffer + GT_HEADROOM, arp, sizeof(arp));
	*f = (struct gt_frame){.data = buffer + GT_HEADROOM, .len = 60, .wire_len = 60};
	gt_node_frame(node, f, now_ms);
}

static void frame_a_server_tells_its_mac_next_plan_has_it(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A, &h);
	struct gt_frame f;

	(void)state;
	hear_arp(node, 2, 0x11, 11, 2, 1000, &f);
	assert_int_equal(f.verdict, GT_DROP);
	assert_int_equal(f.reason, GT_DROP_NEIGHBOUR_TOLD);
	assert_int_equal(node->counters.drops[GT_DROP_NEIGHBOUR_TOLD], 1);
	assert_true(gt_node_refresh(node));
	assert_true(flags(node, "a") & GT_SERVER_RESOLVED);
	assert_non_null(strstr(h.log, "server pacs/a: 192.0.2.11 is at 02:00:00:00:00:11 on lan"));
	/* the same again is no news */
	hear_arp(node, 2, 0x11, 11, 2, 2000, &f);
	assert_false(gt_node_refresh(node));
	gt_node_destroy(node);
}

static void frame_a_vip_asked_for_answered_and_counted(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A, &h);
	static const uint8_t answer[] = {2, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 1, 8,   6, 0, 1,
					 8, 0, 6, 4, 0, 2,    2, 0, 0, 0, 0, 1, 192, 0, 2, 100};
	struct gt_frame f;

	(void)state;
	hear_arp(node, 1, 0x50, 50, 100, 1000, &f);
	assert_int_equal(f.verdict, GT_ANSWER);
	assert_memory_equal(f.data, answer, sizeof(answer));
	assert_int_equal(node->counters.answered, 1);
	/* never for a server */
	hear_arp(node, 1, 0x50, 50, 11, 1001, &f);
	assert_int_equal(f.verdict, GT_DROP);
	assert_int_equal(f.reason, GT_DROP_NEIGHBOUR_OTHER);
	gt_node_destroy(node);
}

static void frame_another_owner_of_the_vip_told_as_an_error(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A, &h);
	struct gt_frame f;

	(void)state;
	hear_arp(node, 2, 0x66, 100, 2, 1000, &f);
	assert_non_null(strstr(h.log, "3 ARP/NDP conflict: another station, 02:00:00:00:00:66, "
				      "answers for our address 192.0.2.100 on lan"));
	gt_node_destroy(node);
}

/* ---- what checks say ---- */

static const struct gt_health_rule rule = {
	.id = 1, .interval_ms = 2000, .timeout_ms = 1000, .rise = 2, .fall = 3};

static uint64_t twelve(void *ctx, uint32_t server)
{
	(void)ctx;
	return server != 0 ? 12 : 0;
}

static void check_says(struct gt_node *node, size_t index, enum gt_health_outcome outcome,
		       const char *reason, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		const struct gt_health_result r = {outcome, reason, node->now_ms,
						   node->now_ms + 100, 100000};

		gt_node_health(node, index, &r);
		node->now_ms += 1000;
	}
}

static void health_falls_and_rises_flags_and_log_follow(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);

	(void)state;
	node->hooks.active = twelve;
	gt_node_watch(node, 0, &rule);
	gt_node_watch(node, 1, &rule);
	check_says(node, 0, GT_HEALTH_SICK, "no answer to C-ECHO", 2);
	assert_false(gt_node_refresh(node));
	check_says(node, 0, GT_HEALTH_SICK, "no answer to C-ECHO", 1);
	assert_true(gt_node_refresh(node));
	assert_int_equal(flags(node, "a"), 0);
	assert_string_equal(h.log, "4 server pacs/a: down after 3 failures in 2.1 s: no answer to "
				   "C-ECHO; its connections move to b (12 now)\n");
	check_says(node, 1, GT_HEALTH_SICK, "port 104: connection refused", 3);
	assert_non_null(strstr(h.log, "4 server pacs/b: down after 3 failures in 2.1 s: port 104: "
				      "connection refused; its connections hang: no other server "
				      "of the VIP takes them (no-server) (12 now)\n"));
	check_says(node, 0, GT_HEALTH_HEALTHY, "C-ECHO succeeded", 2);
	assert_true(gt_node_refresh(node));
	assert_int_equal(flags(node, "a"), GT_SERVER_KEEPS | GT_SERVER_TAKES);
	assert_non_null(strstr(h.log, "5 server pacs/a: up after 2 successes in 1.1 s: C-ECHO "
				      "succeeded; it was down for 5 s\n"));
	assert_int_equal(h.lines, 3);
	gt_node_destroy(node);
}

static void health_that_cannot_be_told_leaves_the_state(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);

	(void)state;
	gt_node_watch(node, 0, &rule);
	check_says(node, 0, GT_HEALTH_UNCHECKED, "no route from this host", 100);
	assert_false(gt_node_refresh(node));
	assert_string_equal(h.log, "4 server pacs/a is not checked: no route from this host\n");
	check_says(node, 0, GT_HEALTH_HEALTHY, "connected", 1);
	assert_non_null(strstr(h.log, "5 server pacs/a is checked again\n"));
	gt_node_destroy(node);
}

/* Down stays down over a reload; another check begins anew; no check: nothing says it is down. */
static void health_over_reloads_kept_while_the_check_is_the_same(void **state)
{
	struct gt_health_rule other = rule;
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);
	struct gt_config_messages m = {0};
	uint64_t down_ms;

	(void)state;
	gt_node_watch(node, 1, &rule);
	check_says(node, 1, GT_HEALTH_SICK, "refused", 3);
	down_ms = node->healths[1].changed_ms;
	assert_int_not_equal(down_ms, 0);
	assert_int_equal(gt_node_reload(node, support_parse(LAN PACS B A), &m), 0);
	assert_int_equal(flags(node, "b"), GT_SERVER_RESOLVED);
	gt_node_watch(node, 0, &rule);
	assert_int_equal(node->healths[0].sick, 3);
	other.id = 2;
	gt_node_watch(node, 0, &other);
	assert_int_equal(node->healths[0].sick, 0);
	assert_false(node->healths[0].up);
	assert_int_equal(node->healths[0].changed_ms, down_ms); /* "it was down for" counts on */
	gt_node_watch(node, 0, NULL);
	assert_true(gt_node_refresh(node));
	assert_true(flags(node, "b") & GT_SERVER_TAKES);
	assert_non_null(strstr(h.log, "server pacs/b: up, for it is not checked any more"));
	gt_node_destroy(node);
}

static void health_of_1000_blind_servers_told_ten_times(void **state)
{
	struct gt_health_result r = {GT_HEALTH_UNCHECKED, "no route", 0, 1, 0};
	char text[65536];
	size_t used = (size_t)snprintf(text, sizeof(text), LAN PACS);
	struct support_heard h;
	struct gt_node *node;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[server pacs/s%u]\naddress = 2001:db8::1:%x\n", i, i + 1);
	memcpy(strstr(text, "192.0.2.100"), "2001:db8::f", 11);
	node = support_node(text, &h);
	for (unsigned i = 0; i < 1000; i++) {
		gt_node_watch(node, i, &rule);
		gt_node_health(node, i, &r);
	}
	assert_int_equal(h.lines, 11);
	assert_non_null(strstr(h.log, "more servers are not checked"));
	gt_node_destroy(node);
}

/* Whose station answers nobody takes no new connections, unless nobody's does. */
static void tick_a_silent_server_takes_nothing_while_another_answers(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A B, &h);

	(void)state;
	for (uint64_t now = 1000; now < 5000; now += 100)
		gt_node_tick(node, now);
	assert_true(gt_node_refresh(node));
	assert_int_equal(flags(node, "a"), GT_SERVER_KEEPS);
	assert_int_equal(flags(node, "b"), GT_SERVER_KEEPS | GT_SERVER_TAKES | GT_SERVER_RESOLVED);
	act(node, GT_ACTION_DISABLE, "pacs/b", 0);
	assert_int_equal(flags(node, "a"), GT_SERVER_KEEPS | GT_SERVER_TAKES);
	gt_node_destroy(node);
}

static void frame_a_mac_that_flaps_told_ten_times_a_minute(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A, &h);
	struct gt_frame f;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		hear_arp(node, 2, (uint8_t)(0x11 + i % 2), 11, 2, 60000 + i, &f);
	assert_int_equal(h.lines, 1 + 10); /* at first it was resolved */
	assert_non_null(strstr(h.log, "more moves in this minute are not told"));
	hear_arp(node, 2, 0x33, 11, 2, 121000, &f);
	assert_int_equal(h.lines, 1 + 11);
	gt_node_destroy(node);
}

/* Of 1000 clients a second, two a millisecond apart: one plan for each 50 ms, and no one is left
 * out. */
static void plan_due_a_flood_of_clients_one_plan_each_50_ms(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN SNAT, &h);
	struct gt_frame f;
	unsigned plans = 0;
	uint64_t last = 0, changes = node->changes;

	(void)state;
	assert_false(gt_node_plan_due(node, 1000));
	for (uint64_t now = 1000; now < 1200; now++) {
		hear_arp(node, 1, 0x50, (uint8_t)(20 + now - 1000), 100, now, &f);
		if (now < 1000 + 79) /* up to .98 */
			assert_int_equal(f.verdict, GT_ANSWER);
		if (!gt_node_plan_due(node, now))
			continue;
		assert_true(gt_node_refresh(node));
		assert_true(plans == 0 || now - last >= 50);
		last = now;
		plans++;
	}
	assert_int_equal(plans, 4); /* the first at once, then at 50, 100 and 150 ms */
	assert_true(node->changes - changes >= 150);
	assert_true(gt_node_plan_due(node, 1250));
	assert_true(gt_node_refresh(node));
	assert_false(gt_node_plan_due(node, 5000));
	gt_node_destroy(node);
}

static void plan_due_what_operators_and_servers_say_at_once(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN SNAT, &h);
	struct gt_frame f;

	(void)state;
	hear_arp(node, 1, 0x50, 50, 100, 1000, &f);
	assert_true(gt_node_plan_due(node, 1000) && gt_node_refresh(node));
	hear_arp(node, 1, 0x51, 51, 100, 1001, &f);
	assert_false(gt_node_plan_due(node, 1001));
	assert_int_equal(gt_node_act(node, GT_ACTION_DRAIN, "pacs/a", 0, NULL, 0), 0);
	assert_true(gt_node_plan_due(node, 1001) && gt_node_refresh(node));
	assert_false(gt_node_plan_due(node, 9000)); /* the client is in it, too */
	hear_arp(node, 2, 0x11, 11, 2, 9001, &f);
	assert_true(gt_node_plan_due(node, 9001) && gt_node_refresh(node));
	hear_arp(node, 2, 0x12, 11, 2, 9002, &f);
	assert_true(gt_node_plan_due(node, 9002));
	gt_node_destroy(node);
}

static void tick_at_start_asks_announces_and_tells_of_silence(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS A, &h);

	(void)state;
	gt_node_tick(node, 1000);
	/* announced: VIP, two own addresses; asked for: a */
	assert_int_equal(h.frames, 4);
	assert_int_equal(h.arp_questions, 1);
	for (uint64_t now = 1100; now < 5000; now += 100)
		gt_node_tick(node, now);
	assert_non_null(
		strstr(h.log, "3 server pacs/a: 192.0.2.11 does not answer ARP/NDP on lan"));
	assert_int_equal(node->counters.interfaces[0].out_frames, h.frames);
	gt_node_destroy(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_two_servers_static_one_resolved),
		cmocka_unit_test(act_each_action_flags_follow),
		cmocka_unit_test(health_falls_and_rises_flags_and_log_follow),
		cmocka_unit_test(health_that_cannot_be_told_leaves_the_state),
		cmocka_unit_test(health_over_reloads_kept_while_the_check_is_the_same),
		cmocka_unit_test(health_of_1000_blind_servers_told_ten_times),
		cmocka_unit_test(tick_a_silent_server_takes_nothing_while_another_answers),
		cmocka_unit_test(act_wrong_names_told_what_there_is),
		cmocka_unit_test(frame_a_server_tells_its_mac_next_plan_has_it),
		cmocka_unit_test(frame_a_vip_asked_for_answered_and_counted),
		cmocka_unit_test(frame_another_owner_of_the_vip_told_as_an_error),
		cmocka_unit_test(frame_a_mac_that_flaps_told_ten_times_a_minute),
		cmocka_unit_test(plan_due_a_flood_of_clients_one_plan_each_50_ms),
		cmocka_unit_test(plan_due_what_operators_and_servers_say_at_once),
		cmocka_unit_test(tick_at_start_asks_announces_and_tells_of_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
