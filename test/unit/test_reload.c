/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One configuration in the place of another: what is told of the change, what is refused, what
 * stays (states, numbers, connections, neighbours), and that a reload which fails at any allocation
 * has changed nothing. malloc and its kin are wrapped by the linker for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "packet/parse.h"
#include "support.h"
#include "support_node.h"
#include "pipeline/pipeline.h"

#define GANTRY "[gantry]\nname = lb1\n"
#define LAN                                                                                        \
	"[interface lan]\ndevice = net_null0\nmac = 02:00:00:00:00:01\n"                           \
	"address = 192.0.2.2/24, 2001:db8::2/64\n"
#define PACS "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 104\ncheck = none\n"
#define WEB  "[vip web]\ninterface = lan\naddress = 192.0.2.101\nport = 80\ncheck = none\n"
#define A    "[server pacs/a]\naddress = 192.0.2.11\nmac = 02:00:00:00:00:11\n"
#define B    "[server pacs/b]\naddress = 192.0.2.12\nmac = 02:00:00:00:00:12\n"
#define C    "[server pacs/c]\naddress = 192.0.2.13\nmac = 02:00:00:00:00:13\n"
#define W    "[server web/w]\naddress = 192.0.2.11\nmac = 02:00:00:00:00:11\n"

/* ---- memory that fails ---- */

static long fail_at = -1; /* this allocation from now on gives nothing; -1: none */
static unsigned n_large;  /* allocations as large as a table of slots */
#define LARGE 131072

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);

static bool fails(size_t size)
{
	n_large += size >= LARGE;
	return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails(size) ? NULL : __real_realloc(p, size);
}

/* ---- nodes ---- */

static struct gt_node *make(const char *text)
{
	const struct gt_mac mac = {{2, 0, 0, 0, 0, 1}};
	const struct gt_node_hooks hooks = {0};
	struct gt_node *node = NULL;

	assert_int_equal(gt_node_create(support_parse(text), &mac, &hooks, &node), 0);
	return node;
}

/* A reload whose outcome and first message, if any, are these. */
static void reload_is(struct gt_node *node, const char *text, int outcome, unsigned line,
		      const char *part)
{
	struct gt_config_messages m = {0};
	struct gt_config *c = support_parse(text);
	int rc = gt_node_reload(node, c, &m);

	assert_int_equal(rc, outcome);
	if (part == NULL && m.n > 0)
		fail_msg("line %u: %s", m.list[0].line, m.list[0].text);
	if (part != NULL) {
		assert_true(m.n > 0);
		if (m.list[0].line != line || strstr(m.list[0].text, part) == NULL)
			fail_msg("line %u: '%s', not line %u: '%s'", m.list[0].line, m.list[0].text,
				 line, part);
	}
	gt_config_messages_free(&m);
	if (rc != 0)
		gt_config_free(c); /* still ours */
}

static void reload(struct gt_node *node, const char *text)
{
	reload_is(node, text, 0, 0, NULL);
}

static uint8_t flags(const struct gt_node *node, const char *vip, const char *server)
{
	uint16_t n = support_server_number(node->plan, vip, server);

	assert_int_not_equal(n, 0);
	/* EXPRESS follows from the others. */
	return node->plan->servers[n].flags;
}

static void act(struct gt_node *node, enum gt_node_action action, const char *server, long value)
{
	assert_int_equal(gt_node_act(node, action, server, value, NULL, 0), 0);
	assert_true(gt_node_refresh(node));
}

#define ALL (GT_SERVER_KEEPS | GT_SERVER_TAKES | GT_SERVER_RESOLVED)

/* ---- what is told ---- */

static void compare_each_kind_of_change_told(void **state)
{
	static const struct {
		const char *from, *to, *told;
	} cases[] = {
		{LAN PACS A B, LAN PACS A B, "nothing changed"},
		{LAN PACS A B, "# a comment\n" LAN PACS B A, "nothing changed"},
		{LAN PACS A, LAN PACS "scheduler = maglev\n" A "weight = 100\n", "nothing changed"},
		{LAN PACS A B, LAN PACS A B C, "1 server added"},
		{LAN PACS A B C, LAN PACS C, "2 servers removed"},
		{LAN PACS A, LAN PACS A WEB W, "1 VIP added"},
		{LAN PACS A WEB W, LAN WEB W, "1 VIP removed"},
		{LAN PACS A B, LAN PACS A "weight = 1\n" B "weight = 2\n", "2 weights changed"},
		{LAN PACS A, LAN PACS A "state = drain\n", "1 state changed"},
		{LAN PACS A, LAN PACS "idle_timeout = 12h\n" A, "1 VIP changed"},
		{LAN PACS "mode = nat\n" A, LAN PACS "mode = nat\n" A "port = 11112\n",
		 "1 server changed"},
		{LAN PACS "policy = failover\n" A B, LAN PACS "policy = failover\n" B A,
		 "1 VIP changed"},
		{LAN PACS A, LAN PACS "[server pacs/a]\naddress = 192.0.2.19\n",
		 "1 server added, 1 server removed"},
		{LAN PACS A, LAN PACS "[server pacs/a]\naddress = 192.0.2.11\n",
		 "1 server changed"}, /* no MAC any more */
		{LAN PACS A, LAN PACS A "[check c]\ntype = tcp\n", "1 check added"},
		{LAN PACS A "[check c]\ntype = http\n",
		 LAN PACS A "[check c]\ntype = http\nexpect_status = 200-299\n", "1 check changed"},
		{LAN PACS A "[check c]\ntype = http\n", LAN PACS A, "1 check removed"},
		{LAN PACS A, LAN "gateway = 192.0.2.1\n" PACS A, "1 interface changed"},
		{LAN "gateway = 192.0.2.1\n" PACS A, LAN "gateway = 192.0.2.3\n" PACS A,
		 "1 interface changed"},
		{GANTRY LAN PACS A, GANTRY "seed = 7\nmetrics = 127.0.0.1:9464\n" LAN PACS A,
		 "2 keys of [gantry] changed"},
		{LAN "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 104, 11112\n" A,
		 LAN "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 104, 11113\n" A,
		 "1 VIP changed"},
		{LAN PACS A B, LAN WEB W PACS A "weight = 0\n" C,
		 "1 VIP added, 1 server added, 1 server removed, 1 weight changed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_config *from = support_parse(cases[i].from),
				 *to = support_parse(cases[i].to);
		struct gt_config_messages m = {0};
		struct gt_config_changes c;
		char text[200];

		assert_int_equal(gt_config_compare(from, to, &c, &m), 0);
		assert_string_equal(gt_config_changes_text(&c, text, sizeof(text)), cases[i].told);
		assert_int_equal(m.n, 0);
		gt_config_changes_free(&c);
		gt_config_free(from);
		gt_config_free(to);
	}
}

#define ANY_PORTS(ports)                                                                           \
	LAN "[vip all]\ninterface = lan\naddress = 192.0.2.100\nport = " ports                     \
	    "\n[server all/a]\naddress = 192.0.2.11\n"

static void reload_ports_across_256_warned(void **state)
{
	struct gt_node *node = make(ANY_PORTS("1-256"));

	(void)state;
	reload(node, ANY_PORTS("1-200"));
	reload_is(node, ANY_PORTS("any"), 0, 8, "65536 ports, and there were 200");
	reload(node, ANY_PORTS("1-257"));
	reload_is(node, ANY_PORTS("1-256"), 0, 8, "256 ports, and there were 257");
	gt_node_destroy(node);
}

static void reload_what_is_settled_refused_and_nothing_changed(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *part;
	} others[] = {
		{GANTRY LAN "vlan = 7\n" PACS A, 7,
		 "interface lan: vlan = 7: it was none when gantry started"},
		{GANTRY LAN "mtu = 9000\n" PACS A, 7, "mtu = 9000: it was 1500"},
		{GANTRY LAN "kernel = gantry0\n" PACS A, 7, "kernel = gantry0: it was no"},
		{GANTRY "workers = 2\n" LAN PACS A, 3, "workers = 2: it was 1"},
		{GANTRY "connections = 7\n" LAN PACS A, 3, "connections = 7: it was 1000000"},
		{GANTRY "worker_cores = 1\n" LAN PACS A, 3, "worker_cores = 1: it was chosen"},
		{GANTRY "hugepages = no\n" LAN PACS A, 3, "hugepages = no: it was yes"},
		{GANTRY "control = /tmp/s\n" LAN PACS A, 3,
		 "control = /tmp/s: it was /run/gantry/gantry.sock"},
		{GANTRY "[interface lan]\ndevice = net_null1\nmac = 02:00:00:00:00:01\n"
			"address = 192.0.2.2/24, 2001:db8::2/64\n" PACS A,
		 4, "device = net_null1: it was net_null0"},
		{GANTRY "[interface lan]\ndevice = net_null0\naddress = 192.0.2.2/24\n" PACS A, 3,
		 "mac = the device's (not written): it was 02:00:00:00:00:01"},
		{GANTRY LAN PACS A
		 "[interface dmz]\ndevice = net_null1\naddress = 198.51.100.2/24\n",
		 15, "[interface dmz] is new"},
		{GANTRY "[interface dmz]\ndevice = net_null0\naddress = 192.0.2.2/24\n"
			"[vip pacs]\ninterface = dmz\naddress = 192.0.2.100\nport = 104\n" A,
		 0, "[interface lan] is not there any more"},
		{GANTRY LAN PACS "mode = snat\n" A, 12, "mode = snat needs memory"},
	};
	struct gt_node *node = make(GANTRY LAN PACS A);
	const struct gt_plan *plan = node->plan;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		reload_is(node, others[i].text, -EXDEV, others[i].line, others[i].part);
		assert_ptr_equal(node->plan, plan);
	}
	assert_false(gt_node_refresh(node));
	gt_node_destroy(node);
}

static void reload_settled_keys_all_told_at_once(void **state)
{
	struct gt_config *from = support_parse(GANTRY LAN PACS A);
	struct gt_config *to = support_parse(GANTRY "workers = 2\nconnections = 7\n" LAN
						    "mtu = 9000\n" PACS "mode = snat\n" A);
	struct gt_config_messages m = {0};

	(void)state;
	assert_int_equal(gt_config_settled(from, to, GT_CONFIG_SNAT_NONE, &m), -EXDEV);
	assert_int_equal(m.n_errors, 4);
	for (size_t i = 1; i < m.n; i++)
		assert_true(m.list[i - 1].line < m.list[i].line);
	gt_config_messages_free(&m);
	gt_config_free(from);
	gt_config_free(to);
}

/* Sessions of IPv6 clients are larger. */
static void reload_snat_for_ipv6_refused_where_memory_is_for_ipv4(void **state)
{
	static const char six[] = GANTRY LAN
		"[vip six]\ninterface = lan\naddress = 2001:db8::100\nport = 104\ncheck = none\n"
		"mode = snat\n[server six/a]\naddress = 2001:db8::11\n";
	struct gt_node *node = make(GANTRY LAN PACS "mode = snat\n" A);

	(void)state;
	reload_is(node, six, -EXDEV, 12, "no IPv6 VIP had this mode");
	gt_node_destroy(node);
	node = make(six);
	reload_is(node, GANTRY LAN PACS "mode = snat\n" A, 0, 0, NULL);
	gt_node_destroy(node);
}

/* ---- what stays ---- */

static void reload_operators_word_kept_unless_the_file_changed_it(void **state)
{
	struct gt_node *node = make(LAN PACS A B C);

	(void)state;
	act(node, GT_ACTION_DRAIN, "pacs/a", 0);
	act(node, GT_ACTION_DISABLE, "pacs/b", 0);
	act(node, GT_ACTION_WEIGHT, "pacs/a", 7);
	act(node, GT_ACTION_WEIGHT, "pacs/b", 7);
	act(node, GT_ACTION_DOWN, "pacs/c", 0);
	assert_int_equal(gt_node_count_overrides(node), 2);
	reload(node, LAN PACS C B "state = drain\n" A "weight = 50\n");
	/* the state of a: the file says what it said; its weight, and the state of b: something
	 * new. Health is no word of the file's. */
	assert_int_equal(flags(node, "pacs", "a"), GT_SERVER_KEEPS | GT_SERVER_RESOLVED);
	assert_int_equal(node->states[2].weight, 50);
	assert_int_equal(flags(node, "pacs", "b"), GT_SERVER_KEEPS | GT_SERVER_RESOLVED);
	assert_int_equal(node->states[1].admin, GT_ADMIN_DRAIN);
	assert_int_equal(node->states[1].weight, 7);
	assert_int_equal(flags(node, "pacs", "c"), GT_SERVER_RESOLVED);
	assert_int_equal(gt_node_count_overrides(node), 2);
	/* the old configuration is still there for the old plan, until it is reclaimed */
	assert_non_null(node->retired);
	gt_node_reclaim(node);
	assert_null(node->retired);
	gt_node_destroy(node);
}

static void revert_one_or_all_as_in_the_file(void **state)
{
	struct gt_node *node = make(LAN PACS A B "weight = 50\n" WEB W);
	char error[256];
	size_t n;

	(void)state;
	act(node, GT_ACTION_DRAIN, "pacs/a", 0);
	act(node, GT_ACTION_WEIGHT, "pacs/b", 7);
	act(node, GT_ACTION_DISABLE, "web/w", 0);
	assert_int_equal(gt_node_revert(node, "pacs/a", &n, error, sizeof(error)), 0);
	assert_int_equal(n, 1);
	assert_true(gt_node_refresh(node));
	assert_int_equal(flags(node, "pacs", "a"), ALL);
	assert_int_equal(flags(node, "web", "w"), GT_SERVER_RESOLVED);
	assert_int_equal(gt_node_revert(node, "all", &n, error, sizeof(error)), 0);
	assert_int_equal(n, 2);
	assert_true(gt_node_refresh(node));
	assert_int_equal(flags(node, "web", "w"), ALL);
	assert_int_equal(node->states[1].weight, 50);
	assert_int_equal(gt_node_revert(node, "all", &n, error, sizeof(error)), 0);
	assert_int_equal(n, 0);
	assert_false(gt_node_refresh(node));
	assert_int_equal(gt_node_revert(node, "pacs/x", &n, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "VIP pacs has a, b"));
	gt_node_destroy(node);
}

static void reload_another_address_another_server(void **state)
{
	struct gt_node *node = make(LAN PACS B);
	uint16_t before = support_server_number(node->plan, "pacs", "b");

	(void)state;
	act(node, GT_ACTION_DISABLE, "pacs/b", 0);
	reload(node, LAN PACS "[server pacs/b]\naddress = 192.0.2.13\nmac = 02:00:00:00:00:13\n");
	assert_int_equal(flags(node, "pacs", "b"), ALL);
	assert_int_not_equal(support_server_number(node->plan, "pacs", "b"), before);
	gt_node_destroy(node);
}

static void reload_numbers_of_what_stays_stay(void **state)
{
	struct gt_node *node = make(LAN PACS A B C WEB W);
	const struct gt_plan *plan = node->plan;
	uint16_t pacs = support_vip_number(plan, "pacs"), web = support_vip_number(plan, "web");
	uint16_t b = support_server_number(plan, "pacs", "b"),
		 w = support_server_number(plan, "web", "w"),
		 a = support_server_number(plan, "pacs", "a");
	uint16_t dicom = support_service(plan, "192.0.2.100", 6, 104);

	(void)state;
	reload(node, LAN "[vip new]\ninterface = lan\naddress = 192.0.2.102\nport = 1-9\n"
			 "[server new/n]\naddress = 192.0.2.19\n" WEB W PACS C B);
	plan = node->plan;
	assert_int_equal(support_vip_number(plan, "pacs"), pacs);
	assert_int_equal(support_vip_number(plan, "web"), web);
	assert_int_equal(support_server_number(plan, "pacs", "b"), b);
	assert_int_equal(support_server_number(plan, "web", "w"), w);
	assert_int_equal(support_service(plan, "192.0.2.100", 6, 104), dicom);
	assert_int_not_equal(support_server_number(plan, "new", "n"), a);
	/* back again, but a is not who it was */
	reload(node, LAN PACS A B C WEB W);
	assert_int_not_equal(support_server_number(node->plan, "pacs", "a"), a);
	assert_int_equal(support_server_number(node->plan, "pacs", "b"), b);
	gt_node_destroy(node);
}

static struct gt_worker *make_worker(const struct gt_node *node)
{
	struct gt_worker_params params;
	struct gt_worker *w;

	gt_worker_params_init(&params, node->config);
	params.connections = 10000;
	params.memory = gt_memory_heap;
	w = gt_worker_create(&params);
	assert_non_null(w);
	return w;
}

#define N_CLIENTS 3000

/* The last byte of the MAC to which a client's packet goes, or 0 if it is dropped. */
static uint8_t where(struct gt_worker *w, const struct gt_node *node, unsigned client, uint8_t tcp)
{
	struct support_packet p = {.src = support_addr("192.0.2.50"),
				   .dst = support_addr("192.0.2.100"),
				   .protocol = 6,
				   .flags = tcp,
				   .sport = (uint16_t)(1024 + client),
				   .dport = 104};
	struct gt_frame f = support_packet_frame(&p);
	uint8_t to;

	gt_worker_burst(w, node->plan, 1000000, &f, 1);
	to = f.verdict == GT_SEND ? f.data[5] : 0;
	support_frame_free(&f);
	return to;
}

static void reload_connections_of_servers_that_stay_stay(void **state)
{
	static const char *const files[] = {
		LAN PACS A B,					/* one more server */
		LAN PACS B "weight = 1\n" A "weight = 65535\n", /* shares, order */
		LAN WEB W PACS A "state = drain\n" B,		/* a VIP; drained */
		LAN PACS "idle_timeout = 1h\nscheduler = rendezvous\n" A B,
		LAN PACS "scheduler = round-robin\n" A B,
		"[gantry]\nseed = 9\n" LAN "gateway = 192.0.2.1\n" PACS A B,
		LAN "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = 100-110\n" A B,
	};
	struct gt_node *node = make(LAN PACS A B C);
	struct gt_worker *w = make_worker(node);
	uint8_t first[N_CLIENTS];
	unsigned of_c = 0;

	(void)state;
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		first[i] = where(w, node, i, GT_TCP_SYN);
		assert_int_equal(where(w, node, i, GT_TCP_ACK), first[i]);
		assert_in_range(first[i], 0x11, 0x13);
		of_c += first[i] == 0x13;
	}
	assert_true(of_c > 0);
	for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
		reload(node, files[k]);
		for (unsigned i = 0; i < N_CLIENTS; i++) {
			uint8_t now = where(w, node, i, GT_TCP_ACK);

			if (k == 0 && first[i] == 0x13)
				first[i] = now; /* c is gone */
			assert_int_equal(now, first[i]);
			assert_in_range(now, 0x11, 0x12);
		}
		gt_node_reclaim(node);
		assert_int_equal(w->counters.moved, of_c);
		assert_int_equal(w->counters.created, N_CLIENTS);
	}
	gt_worker_destroy(w);
	gt_node_destroy(node);
}

/* An ARP request for an address of 192.0.2.0/24: is it answered? */
static bool answers(struct gt_node *node, uint8_t last)
{
	const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	  0, 0,	  0,  0,
				 0x50, 8,    6,	   0,	 1,    8,    0,	  6, 4,	  0,  1,
				 2,    0,    0,	   0,	 0,    0x50, 192, 0, 2,	  50, 0,
				 0,    0,    0,	   0,	 0,    192,  0,	  2, last};
	struct gt_frame f = support_frame(arp, sizeof(arp));
	bool answered;

	gt_node_frame(node, &f, 1000);
	answered = f.verdict == GT_ANSWER;
	support_frame_free(&f);
	return answered;
}

static void reload_vips_answered_for_as_the_file_says(void **state)
{
	struct gt_node *node = make(LAN PACS A);

	(void)state;
	assert_true(answers(node, 100));
	assert_false(answers(node, 101));
	assert_false(answers(node, 3));
	reload(node, "[interface lan]\ndevice = net_null0\nmac = 02:00:00:00:00:01\n"
		     "address = 192.0.2.3/24\n" WEB W);
	assert_false(answers(node, 100));
	assert_true(answers(node, 101));
	assert_true(answers(node, 3));
	assert_false(answers(node, 2));
	gt_node_destroy(node);
}

/* ---- in steps ---- */

static void draft_operator_speaks_meanwhile_and_is_heard(void **state)
{
	struct gt_node *node = make(LAN PACS A B);
	struct gt_config *c = support_parse(LAN WEB W PACS A "weight = 50\n" B C);
	struct gt_config_messages m = {0};
	struct gt_draft *draft;

	(void)state;
	assert_int_equal(gt_node_draft(node, c, &m, &draft), 0);
	act(node, GT_ACTION_DRAIN, "pacs/b", 0);
	act(node, GT_ACTION_WEIGHT, "pacs/a", 7);
	/* the plan that the draft goes by is not freed meanwhile */
	gt_node_reclaim(node);
	assert_non_null(node->retired);
	assert_int_equal(gt_draft_build(draft), 0);
	assert_int_equal(gt_node_adopt(node, draft), 0);
	gt_node_end_draft(node, draft);
	gt_node_reclaim(node);
	assert_null(node->retired);
	assert_int_equal(flags(node, "pacs", "b"), GT_SERVER_KEEPS | GT_SERVER_RESOLVED);
	assert_int_equal(node->states[1].weight, 50); /* of a: the file changed it */
	assert_int_equal(flags(node, "pacs", "c"), ALL);
	assert_false(node->dirty);
	gt_node_destroy(node);
}

static void draft_its_tables_are_used(void **state)
{
	struct gt_node *node = make(LAN PACS A B WEB W);
	struct gt_config *c = support_parse(LAN PACS A "weight = 50\n" B C WEB W);
	struct gt_config_messages m = {0};
	const uint16_t *slots;
	struct gt_draft *draft;

	(void)state;
	assert_int_equal(gt_node_draft(node, c, &m, &draft), 0);
	n_large = 0;
	assert_int_equal(gt_draft_build(draft), 0);
	assert_true(n_large > 0);
	slots = node->plan->vips[support_vip_number(node->plan, "web")].slots;
	/* what a plan needs without any table */
	node->dirty = true;
	n_large = 0;
	assert_true(gt_node_refresh(node));
	unsigned without = n_large;
	n_large = 0;
	assert_int_equal(gt_node_adopt(node, draft), 0);
	assert_int_equal(n_large, without);
	gt_node_end_draft(node, draft);
	gt_node_reclaim(node);
	/* For workers the list is new in this plan, and that of web is as it was. */
	assert_int_equal(node->plan->vips[support_vip_number(node->plan, "pacs")].members_since,
			 node->plan->generation);
	assert_int_equal(node->plan->vips[support_vip_number(node->plan, "web")].members_since, 1);
	assert_ptr_equal(node->plan->vips[support_vip_number(node->plan, "web")].slots, slots);
	gt_node_destroy(node);
}

static void draft_ended_nothing_changed(void **state)
{
	struct gt_node *node = make(LAN PACS A);
	struct gt_config *c = support_parse(LAN PACS A B);
	const struct gt_plan *plan = node->plan;
	struct gt_config_messages m = {0};
	struct gt_draft *draft;

	(void)state;
	assert_int_equal(gt_node_draft(node, c, &m, &draft), 0);
	assert_int_equal(gt_draft_build(draft), 0);
	gt_node_end_draft(node, draft);
	gt_config_free(c);
	assert_ptr_equal(node->plan, plan);
	assert_false(gt_node_refresh(node));
	gt_node_destroy(node);
}

/* ---- failure ---- */

/* All that a reload may change of a node, as text. */
static void describe(struct gt_node *node, char *buf, size_t size)
{
	const struct gt_neighbour *n;
	size_t used = (size_t)snprintf(buf, size, "%p %p dirty %d", (void *)node->plan,
				       (void *)node->config, node->dirty);

	for (size_t i = 0; i < gt_plan_count_servers(node->config) && used < size; i++) {
		const struct gt_server_state *s = &node->states[i];

		used += (size_t)snprintf(buf + used, size - used, " [%d %d %u %d %02x]", s->up,
					 s->admin, s->weight, s->resolved, s->mac.b[5]);
	}
	/* Their order is nobody's business. */
	for (unsigned last = 0; last < 256; last++)
		for (size_t i = 0; (n = gt_neighbours_at(node->neighbours, i)) != NULL; i++)
			if (n->addr.b[15] == last && used < size)
				used += (size_t)snprintf(buf + used, size - used,
							 " <.%u %d %02x %u>", last, n->state,
							 n->mac.b[5], n->references);
	for (unsigned last = 2; last < 140 && used < size; last++)
		if (answers(node, (uint8_t)last))
			used += (size_t)snprintf(buf + used, size - used, " answers %u", last);
	assert_true(used < size);
}

static void reload_no_memory_anywhere_nothing_changed(void **state)
{
	char to[8192];
	size_t used = (size_t)snprintf(
		to, sizeof(to), "%s",
		"[interface lan]\ndevice = net_null0\nmac = 02:00:00:00:00:01\n"
		"address = 192.0.2.3/24, 192.0.2.2/24, 2001:db8::2/64\ngateway = 192.0.2.1\n" WEB
		"mode = nat\n[server web/w]\naddress = 192.0.2.11\nmac = 02:00:00:00:00:77\n"
		"[server web/x]\naddress = 192.0.2.15\n" PACS
		"[server pacs/a]\naddress = 192.0.2.11\nmac = 02:00:00:00:00:77\n"
		"[server pacs/d]\naddress = 192.0.2.14\n");

	/* So many that the neighbours' room grows in the middle of it. */
	for (unsigned i = 0; i < 20; i++)
		used += (size_t)snprintf(
			to + used, sizeof(to) - used,
			"[vip v%u]\ninterface = lan\naddress = 192.0.2.%u\nport = 80\n"
			"[server v%u/s]\naddress = 192.0.2.%u\n",
			i, 120 + i, i, 20 + i);
	assert_true(used < sizeof(to));

	struct gt_node *node =
		make(LAN PACS A "weight = 5\n[server pacs/e]\naddress = 192.0.2.16\n");
	struct gt_config_messages m = {0};
	struct gt_config *c = support_parse(to);
	char before[4096], after[4096];
	unsigned failed = 0;
	int rc;

	(void)state;
	act(node, GT_ACTION_WEIGHT, "pacs/a", 7);
	gt_node_reclaim(node);
	describe(node, before, sizeof(before));
	for (;;) {
		fail_at = failed;
		rc = gt_node_reload(node, c, &m);
		fail_at = -1;
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		describe(node, after, sizeof(after));
		assert_string_equal(after, before);
		assert_int_equal(m.n, 0);
		failed++;
	}
	assert_true(failed > 20);
	assert_int_equal(flags(node, "web", "w"), ALL);
	assert_false(answers(node, 16));
	assert_true(answers(node, 101));
	gt_node_destroy(node);
}

/* n servers of 192.0.2.0's neighbours 10.BASE.x.y. */
static char *many_servers(unsigned base, unsigned n)
{
	char *text = malloc(100 + n * 64UL), *t = text;

	assert_non_null(text);
	t += sprintf(t, "[interface lan]\ndevice = net_null0\naddress = 10.0.0.2/8\n[vip v]\n"
			"interface = lan\naddress = 10.0.0.100\nport = 104\n");
	for (unsigned i = 0; i < n; i++)
		t += sprintf(t, "[server v/s%u]\naddress = 10.%u.%u.%u\nweight = 0\n", i, base + 1,
			     i / 250, i % 250 + 1);
	return text;
}

static void reload_more_new_servers_than_numbers_nothing_changed(void **state)
{
	char *old = many_servers(0, 40000), *new = many_servers(1, 40000);
	struct gt_node *node = make(old);
	const struct gt_plan *plan = node->plan;

	(void)state;
	reload_is(node, new, -ENOSPC, 0, NULL);
	assert_ptr_equal(node->plan, plan);
	assert_false(gt_node_refresh(node));
	gt_node_destroy(node);
	free(old);
	free(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compare_each_kind_of_change_told),
		cmocka_unit_test(reload_ports_across_256_warned),
		cmocka_unit_test(reload_what_is_settled_refused_and_nothing_changed),
		cmocka_unit_test(reload_settled_keys_all_told_at_once),
		cmocka_unit_test(reload_snat_for_ipv6_refused_where_memory_is_for_ipv4),
		cmocka_unit_test(reload_operators_word_kept_unless_the_file_changed_it),
		cmocka_unit_test(revert_one_or_all_as_in_the_file),
		cmocka_unit_test(reload_another_address_another_server),
		cmocka_unit_test(reload_numbers_of_what_stays_stay),
		cmocka_unit_test(reload_connections_of_servers_that_stay_stay),
		cmocka_unit_test(reload_vips_answered_for_as_the_file_says),
		cmocka_unit_test(draft_operator_speaks_meanwhile_and_is_heard),
		cmocka_unit_test(draft_its_tables_are_used),
		cmocka_unit_test(draft_ended_nothing_changed),
		cmocka_unit_test(reload_no_memory_anywhere_nothing_changed),
		cmocka_unit_test(reload_more_new_servers_than_numbers_nothing_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
