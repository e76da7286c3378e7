/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of servers and VIPs: slow start by time, VIPs that lose their last server and get one
 * back, addresses that are withdrawn with them, what is told of it, and several servers by one
 * name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "neighbour_frames.h"
#include "node/node.h"
#include "support_node.h"

#define LAN                                                                                        \
	"[interface lan]\ndevice = net_null0\nmac = 02:00:00:00:00:01\n"                           \
	"address = 192.0.2.2/24, 2001:db8::2/64\n"
#define VIP(name, address)                                                                         \
	"[vip " name "]\ninterface = lan\naddress = " address "\nport = 104\ncheck = none\n"
#define SERVER(name, n) "[server " name "]\naddress = 192.0.2." n "\nmac = 02:00:00:00:00:" n "\n"
#define SERVER6(name, n)                                                                           \
	"[server " name "]\naddress = 2001:db8::" n "\nmac = 02:00:00:00:00:" n "\n"
#define PACS VIP("pacs", "192.0.2.100")
#define TWO  SERVER("pacs/a", "11") SERVER("pacs/b", "12")

static int reload(struct gt_node *node, struct gt_config *config)
{
	struct gt_config_messages m = {0};
	int rc = gt_node_reload(node, config, &m);

	gt_config_messages_free(&m);
	return rc;
}

static void act(struct gt_node *node, enum gt_node_action action, const char *server)
{
	assert_int_equal(gt_node_act(node, action, server, 0, NULL, 0), 0);
	assert_true(gt_node_refresh(node));
}

/* Ticks every 100 ms, as main does, with new plans as they are due. */
static void pass(struct gt_node *node, uint64_t from_ms, uint64_t to_ms)
{
	for (uint64_t now = from_ms; now <= to_ms; now += 100) {
		gt_node_tick(node, now);
		gt_node_refresh(node);
	}
}

/* A server's part of the table of its VIP, in percent. */
static double share(const struct gt_node *node, const char *vip, const char *server)
{
	const struct gt_plan *plan = node->plan;
	unsigned n = 0;

	for (uint32_t i = 0; i < plan->n_vips; i++) {
		if (plan->vip_names[i].vip == NULL ||
		    strcmp(plan->vip_names[i].vip->name, vip) != 0)
			continue;
		for (uint32_t j = 0; j < plan->vips[i].n_slots; j++)
			n += strcmp(plan->server_names[plan->vips[i].slots[j]].server->name,
				    server) == 0;
		return 100.0 * n / plan->vips[i].n_slots;
	}
	fail_msg("no vip %s", vip);
	return 0;
}

/* ---- slow start ---- */

static void slow_start_share_of_two_equal_servers_grows_in_tenths(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS "slow_start = 30s\n" TWO, &h);

	(void)state;
	pass(node, 1000, 2000);
	assert_int_equal(share(node, "pacs", "a") + 0.5, 50); /* not at the start */
	act(node, GT_ACTION_DOWN, "pacs/a");
	act(node, GT_ACTION_UP, "pacs/a");
	/* With a tenth of its weight it has 1 of 11 parts, with two 2 of 12, ... */
	for (unsigned tenths = 1; tenths <= 10; tenths++) {
		uint64_t at = 2000 + (tenths > 1 ? tenths * 3000 : 0);

		pass(node, at, at + 2900);
		assert_in_range(share(node, "pacs", "a") * 100, 10000 * tenths / (10 + tenths) - 60,
				10000 * tenths / (10 + tenths) + 60);
	}
	assert_non_null(strstr(h.log, "server pacs/a: slow start is over: weight 100"));
	assert_false(node->slow);
	gt_node_destroy(node);
}

static void slow_start_enable_too_but_no_other_change_of_weight(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS "slow_start = 10s\n" TWO, &h);
	const struct gt_server_state *a = &node->states[0];

	(void)state;
	pass(node, 1000, 2000);
	act(node, GT_ACTION_DRAIN, "pacs/a");
	act(node, GT_ACTION_ENABLE, "pacs/a");
	assert_int_equal(gt_server_share(a), 10);
	assert_int_equal(a->weight, 100);
	assert_non_null(strstr(h.log, "pacs/a: enabled: grows to weight 100 within 10 s"));
	/* in the middle of it: the plan's weight counts */
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/a", 50, NULL, 0), 0);
	assert_int_equal(gt_server_share(a), 5);
	/* a reload that leaves the server alone leaves this alone, too */
	pass(node, 2000, 7000);
	assert_int_equal(gt_server_share(a), 25);
	assert_int_equal(reload(node, support_parse(LAN PACS "slow_start = 10s\n" TWO)), 0);
	gt_node_reclaim(node);
	assert_int_equal(gt_server_share(&node->states[0]), 25);
	pass(node, 7000, 12000);
	assert_int_equal(gt_server_share(&node->states[0]), 50);
	/* the smallest weight is never rounded away */
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/b", 1, NULL, 0), 0);
	act(node, GT_ACTION_DOWN, "pacs/b");
	act(node, GT_ACTION_UP, "pacs/b");
	assert_int_equal(gt_server_share(&node->states[1]), 1);
	/* what is drained when it comes up begins when it is enabled */
	act(node, GT_ACTION_DRAIN, "pacs/a");
	act(node, GT_ACTION_DOWN, "pacs/a");
	act(node, GT_ACTION_UP, "pacs/a");
	assert_int_equal(gt_server_share(&node->states[0]), 50);
	gt_node_destroy(node);
}

/* ---- VIPs without a server ---- */

static bool answers(struct gt_node *node, const uint8_t *question, size_t len,
		    const uint8_t *wanted, size_t wanted_len)
{
	static uint8_t buffer[GT_HEADROOM + 128];
	struct gt_frame f = {
		.data = buffer + GT_HEADROOM, .len = (uint32_t)len, .wire_len = (uint32_t)len};

	memcpy(f.data, question, len);
	gt_node_frame(node, &f, node->now_ms);
	if (f.verdict != GT_ANSWER) {
		assert_int_equal(f.reason, GT_DROP_NEIGHBOUR_OTHER);
		return false;
	}
	assert_int_equal(f.len, wanted_len);
	assert_memory_equal(f.data, wanted, wanted_len);
	return true;
}

#define ANSWERS_ARP(node)                                                                          \
	answers(node, arp_request, sizeof(arp_request), arp_answer, sizeof(arp_answer))
#define ANSWERS_NDP(node) answers(node, ns, sizeof(ns), ns_answer, sizeof(ns_answer))

static void vip_last_server_gone_told_once_with_every_reason(void **state)
{
	struct support_heard h;
	struct gt_node *node =
		support_node(LAN PACS TWO SERVER("pacs/c", "13") SERVER("pacs/d", "14"), &h);

	(void)state;
	pass(node, 1000, 2000);
	act(node, GT_ACTION_DOWN, "pacs/a");
	act(node, GT_ACTION_DISABLE, "pacs/b");
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/d", 0, NULL, 0), 0);
	assert_true(gt_node_refresh(node));
	assert_null(strstr(h.events, "vip pacs/- state"));
	act(node, GT_ACTION_DRAIN, "pacs/c");
	assert_non_null(strstr(h.log,
			       "2 vip pacs (192.0.2.100): no server takes new connections: a "
			       "is down, b is disabled, c is drained, d is weight 0; known "
			       "ones go on\n"));
	assert_non_null(strstr(h.events, "vip pacs/- state: up > drain\n"));
	act(node, GT_ACTION_DISABLE, "pacs/c");
	act(node, GT_ACTION_DISABLE, "pacs/d");
	assert_non_null(strstr(h.events, "vip pacs/- state: drain > down\n"));
	act(node, GT_ACTION_UP, "pacs/a");
	assert_non_null(strstr(h.events, "vip pacs/- state: down > up\n"));
	assert_non_null(strstr(h.log, "5 vip pacs: new connections have a server again\n"));
	/* without `withdraw` it answered all the time */
	assert_null(strstr(h.events, "address"));
	gt_node_destroy(node);
}

static void vip_without_a_server_from_the_start_told_after_a_while(void **state)
{
	struct support_heard h;
	struct gt_node *node =
		support_node(LAN PACS SERVER("pacs/a", "11") "state = disabled\n", &h);

	(void)state;
	pass(node, 1000, 5900);
	assert_null(strstr(h.events, "vip"));
	pass(node, 6000, 20000);
	assert_non_null(strstr(h.events, "vip pacs/- state: up > down\n"));
	assert_int_equal(h.n_events, 1);
	act(node, GT_ACTION_ENABLE, "pacs/a");
	assert_non_null(strstr(h.events, "vip pacs/- state: down > up\n"));
	gt_node_destroy(node);
}

static void withdraw_no_healthy_server_not_announced_and_not_answered_for(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(
		LAN PACS "withdraw = yes\n" TWO VIP(
			"six", "2001:db8::100") "withdraw = yes\n" SERVER6("six/a", "11"),
		&h);

	(void)state;
	pass(node, 1000, 9000);
	assert_int_equal(h.announcements, 2 * 3);
	assert_true(ANSWERS_ARP(node));
	assert_true(ANSWERS_NDP(node));
	/* a drained server still has connections: the address stays */
	act(node, GT_ACTION_DISABLE, "pacs/a");
	act(node, GT_ACTION_DRAIN, "pacs/b");
	assert_true(ANSWERS_ARP(node));
	act(node, GT_ACTION_DOWN, "pacs/b");
	act(node, GT_ACTION_DOWN, "six/a");
	assert_false(ANSWERS_ARP(node));
	assert_false(ANSWERS_NDP(node));
	assert_non_null(strstr(h.events, "vip pacs/- address: announced > withdrawn\n"));
	assert_non_null(strstr(h.events, "vip six/- address: announced > withdrawn\n"));
	pass(node, 9000, 130000);
	assert_int_equal(h.announcements, 2 * 3);
	/* a reload that changes nothing keeps it so */
	assert_int_equal(
		reload(node,
		       support_parse(LAN PACS "withdraw = yes\n" TWO VIP(
			       "six", "2001:db8::100") "withdraw = yes\n" SERVER6("six/a", "11"))),
		0);
	gt_node_reclaim(node);
	pass(node, 130000, 140000);
	assert_false(ANSWERS_ARP(node));
	assert_int_equal(h.announcements, 2 * 3);
	/* and back: announced as at the start */
	act(node, GT_ACTION_UP, "pacs/b");
	act(node, GT_ACTION_UP, "six/a");
	assert_true(ANSWERS_ARP(node));
	assert_true(ANSWERS_NDP(node));
	pass(node, 140000, 150000);
	assert_int_equal(h.announcements, 2 * 6);
	gt_node_destroy(node);
}

static void withdraw_while_away_another_owner_is_no_conflict(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS "withdraw = yes\n" TWO, &h);
	uint8_t claim[sizeof(arp_announcement)], buffer[GT_HEADROOM + 60];
	struct gt_frame f = {.data = buffer + GT_HEADROOM, .len = 60, .wire_len = 60};

	(void)state;
	/* our own announcement from another station */
	memcpy(claim, arp_announcement, sizeof(claim));
	claim[11] = claim[27] = 0x66;
	pass(node, 1000, 9000);
	act(node, GT_ACTION_DOWN, "pacs/*");
	memcpy(f.data, claim, sizeof(claim));
	gt_node_frame(node, &f, 9000);
	assert_null(strstr(h.log, "conflict"));
	act(node, GT_ACTION_UP, "pacs/a");
	memcpy(f.data, claim, sizeof(claim));
	gt_node_frame(node, &f, 9100);
	assert_non_null(strstr(h.log, "ARP/NDP conflict"));
	gt_node_destroy(node);
}

static void withdraw_another_vip_of_the_address_has_a_server_it_stays(void **state)
{
	struct support_heard h;
	struct gt_node *node =
		support_node(LAN PACS "withdraw = yes\n" TWO
				      "[vip web]\ninterface = lan\naddress = 192.0.2.100\n"
				      "port = 80\ncheck = none\n" SERVER("web/w", "13"),
			     &h);

	(void)state;
	pass(node, 1000, 9000);
	act(node, GT_ACTION_DOWN, "pacs/*");
	assert_true(ANSWERS_ARP(node));
	act(node, GT_ACTION_DOWN, "web/w");
	assert_false(ANSWERS_ARP(node));
	act(node, GT_ACTION_UP, "web/w");
	assert_true(ANSWERS_ARP(node));
	/* the file no longer wants it */
	act(node, GT_ACTION_DOWN, "web/w");
	assert_int_equal(
		reload(node, support_parse(LAN PACS TWO
					   "[vip web]\ninterface = lan\naddress = 192.0.2.100\n"
					   "port = 80\ncheck = none\n" SERVER("web/w", "13"))),
		0);
	gt_node_reclaim(node);
	assert_true(ANSWERS_ARP(node));
	gt_node_destroy(node);
}

/* ---- what is said, and of whom ---- */

static void fate_what_becomes_of_connections_said_as_it_is(void **state)
{
	static const struct {
		const char *more, *said;
		bool alone;
	} cases[] = {
		{"", "server pacs/a: down: its connections move to b\n", false},
		{"on_down = reset\n",
		 "server pacs/a: down: its connections are reset, and their clients may connect "
		 "anew to b\n",
		 false},
		{"",
		 "server pacs/a: down: its connections hang: no other server of the VIP takes them "
		 "(no-server)\n",
		 true},
		{"on_down = reset\n",
		 "server pacs/a: down: its connections are reset; no other server takes new ones\n",
		 true},
		{"fallback = b\n", "server pacs/a: down: its connections move to b\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];
		struct support_heard h;
		struct gt_node *node;

		snprintf(text, sizeof(text), "%s%s%s", LAN PACS, cases[i].more, TWO);
		node = support_node(text, &h);
		if (cases[i].alone)
			act(node, GT_ACTION_DRAIN, "pacs/b");
		act(node, GT_ACTION_DOWN, "pacs/a");
		if (strstr(h.log, cases[i].said) == NULL)
			fail_msg("case %zu: %s", i, h.log);
		gt_node_destroy(node);
	}
}

static void act_what_is_so_already_no_news(void **state)
{
	struct support_heard h;
	struct gt_node *node = support_node(LAN PACS TWO, &h);

	(void)state;
	act(node, GT_ACTION_DRAIN, "pacs/a");
	assert_string_equal(h.events, "server pacs/a state: up > drain\n");
	act(node, GT_ACTION_DRAIN, "pacs/a");
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/a", 100, NULL, 0), 0);
	assert_int_equal(h.n_events, 1);
	assert_int_equal(gt_node_act(node, GT_ACTION_WEIGHT, "pacs/a", 7, NULL, 0), 0);
	assert_non_null(strstr(h.events, "server pacs/a weight: 100 > 7\n"));
	gt_node_destroy(node);
}

static void act_several_servers_by_star_or_address(void **state)
{
	struct support_heard h;
	struct gt_node *node =
		support_node(LAN PACS TWO VIP("web", "192.0.2.101") SERVER("web/a", "11")
				     VIP("hl7", "192.0.2.102") SERVER("hl7/b", "11"),
			     &h);
	char error[256];

	(void)state;
	act(node, GT_ACTION_DRAIN, "*/a");
	assert_string_equal(h.events,
			    "server pacs/a state: up > drain\nserver web/a state: up > drain\n");
	act(node, GT_ACTION_ENABLE, "192.0.2.11");
	assert_int_equal(h.n_events, 4); /* hl7/b was enabled */
	h.events[0] = '\0';
	/* both at once: neither is told to move to the other */
	act(node, GT_ACTION_DISABLE, "pacs/*");
	assert_string_equal(h.events, "server pacs/a state: up > disabled\n"
				      "server pacs/b state: up > disabled\n");
	assert_null(strstr(h.log, "move to"));
	assert_int_equal(gt_node_act(node, GT_ACTION_DRAIN, "192.0.2.99", 0, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "no server has the address 192.0.2.99");
	assert_int_equal(gt_node_act(node, GT_ACTION_DRAIN, "*/x", 0, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "no server fits '*/x'; VIPs are pacs, web, hl7");
	assert_int_equal(gt_node_act(node, GT_ACTION_DRAIN, "PACS/a", 0, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "no server 'PACS/a': names are case-sensitive; do you mean "
				   "pacs/a?");
	gt_node_destroy(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start_share_of_two_equal_servers_grows_in_tenths),
		cmocka_unit_test(slow_start_enable_too_but_no_other_change_of_weight),
		cmocka_unit_test(vip_last_server_gone_told_once_with_every_reason),
		cmocka_unit_test(vip_without_a_server_from_the_start_told_after_a_while),
		cmocka_unit_test(withdraw_no_healthy_server_not_announced_and_not_answered_for),
		cmocka_unit_test(withdraw_while_away_another_owner_is_no_conflict),
		cmocka_unit_test(withdraw_another_vip_of_the_address_has_a_server_it_stays),
		cmocka_unit_test(fate_what_becomes_of_connections_said_as_it_is),
		cmocka_unit_test(act_what_is_so_already_no_news),
		cmocka_unit_test(act_several_servers_by_star_or_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
