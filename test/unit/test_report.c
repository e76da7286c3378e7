/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract's object and the tables: keys and their order, sums over workers, names by the plan,
 * and text that lines up. Node, plan and workers are made by hand, so the numbers are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "report/metrics.h"
#include "report/report.h"

#define VIPS	2
#define SERVERS 5

/* Two VIPs and four servers, whose numbers are not in the order of the file, and a hole. */
struct world {
	struct gt_config_server servers[2][2];
	struct gt_config_vip vips[VIPS];
	struct gt_plan_names vip_names[VIPS + 2], server_names[SERVERS + 2];
	struct gt_plan plan;
	struct gt_node node;
	struct gt_worker worker[2], *workers[2];
};

static void name_server(struct world *w, size_t number, size_t vip, size_t server)
{
	w->server_names[number] = (struct gt_plan_names){
		.vip = &w->vips[vip],
		.server = &w->servers[vip][server],
		.state = {.up = true},
	};
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->vips[0].name, "pacs");
	strcpy(w->vips[1].name, "hl7");
	strcpy(w->servers[0][0].name, "first");
	strcpy(w->servers[0][1].name, "second");
	strcpy(w->servers[1][0].name, "third");
	strcpy(w->servers[1][1].name, "fourth");
	w->vip_names[3].vip = &w->vips[0];
	w->vip_names[1].vip = &w->vips[1];
	name_server(w, 6, 0, 0);
	name_server(w, 1, 0, 1);
	name_server(w, 2, 1, 0);
	name_server(w, 5, 1, 1);
	w->plan = (struct gt_plan){
		.vip_names = w->vip_names,
		.server_names = w->server_names,
		.n_vips = VIPS + 2,
		.n_servers = SERVERS + 2,
	};
	w->node.plan = &w->plan;
	for (size_t i = 0; i < 2; i++) {
		w->worker[i].servers = calloc(GT_SERVERS_MAX, sizeof(*w->worker[i].servers));
		w->worker[i].vips = calloc(GT_VIPS_MAX, sizeof(*w->worker[i].vips));
		w->workers[i] = &w->worker[i];
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < 2; i++) {
		free(w->worker[i].servers);
		free(w->worker[i].vips);
	}
	free(w);
	return 0;
}

/* The object as one line, to be freed. */
static char *status_text(struct world *w, unsigned workers)
{
	json_t *o = gt_report_status(&w->node, w->workers, workers);
	char *text;

	assert_non_null(o);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	assert_non_null(text);
	return text;
}

/* What follows the contract's keys of a server: it is not resolved, and weighs nothing here. */
#define REST "\"open\":0,\"weight\":0,\"address\":\"::\",\"mac\":null}"

static void status_of_nothing_has_all_keys_in_order(void **state)
{
	char *text = status_text(*state, 2);

	assert_string_equal(
		text,
		"{\"frames\":{\"in\":0,\"forwarded\":0,\"answered\":0,\"kernel\":0,\"dropped\":0},"
		"\"drops\":{},\"vips\":{"
		"\"pacs\":{\"frames\":0,\"bytes\":0,\"connections\":0,\"untracked\":0,\"servers\":{"
		"\"first\":{\"state\":\"up\",\"frames\":0,\"bytes\":0,\"connections\":0,\"active\":"
		"0," REST ","
		"\"second\":{\"state\":\"up\",\"frames\":0,\"bytes\":0,\"connections\":0,"
		"\"active\":0," REST "}},"
		"\"hl7\":{\"frames\":0,\"bytes\":0,\"connections\":0,\"untracked\":0,\"servers\":{"
		"\"third\":{\"state\":\"up\",\"frames\":0,\"bytes\":0,\"connections\":0,\"active\":"
		"0," REST ","
		"\"fourth\":{\"state\":\"up\",\"frames\":0,\"bytes\":0,\"connections\":0,"
		"\"active\":0," REST "}}},"
		"\"connections\":{\"active\":0,\"created\":0,\"expired\":0,\"moved\":0}}");
	free(text);
}

static json_t *check_of(json_t *status, const char *vip, const char *server)
{
	json_t *v = json_object_get(json_object_get(status, "vips"), vip);

	return json_object_get(json_object_get(json_object_get(v, "servers"), server), "check");
}

/* What checks said of a server: the numbers of the record, ages by the node's clock. */
static void status_of_a_checked_server_tells_its_last_check(void **state)
{
	struct world *w = *state;
	struct gt_health healths[3] = {
		{.rule.interval_ms = 1000,
		 .against = 1,
		 .changed_ms = 4000,
		 .healthy = 7,
		 .sick = 3,
		 .last = {GT_HEALTH_SICK, 9500, 1234, "port 104: refused"}},
		{.rule.interval_ms = 1000}, /* due, not tried yet; the third: nobody checks it */
	};
	char *text;
	json_t *o;

	w->node.healths = healths;
	w->node.now_ms = 65000;
	w->server_names[1].index = 1; /* pacs/second */
	w->server_names[2].index = 2; /* hl7/third */
	o = gt_report_status(&w->node, w->workers, 2);
	text = json_dumps(check_of(o, "pacs", "first"), JSON_COMPACT);
	assert_string_equal(text, "{\"result\":\"failed\",\"reason\":\"port 104: refused\","
				  "\"age_s\":55,\"duration_us\":1234,\"against\":1,"
				  "\"changed_s\":61,\"healthy\":7,\"failed\":3}");
	free(text);
	text = json_dumps(check_of(o, "pacs", "second"), JSON_COMPACT);
	assert_string_equal(text, "{\"result\":\"unchecked\",\"reason\":\"not checked yet\","
				  "\"age_s\":null,\"duration_us\":null,\"against\":0,"
				  "\"changed_s\":null,\"healthy\":0,\"failed\":0}");
	free(text);
	assert_null(check_of(o, "hl7", "third"));
	json_decref(o);
}

static json_int_t number(const json_t *o, const char *path)
{
	char copy[128], *rest = NULL;

	strcpy(copy, path);
	for (char *key = strtok_r(copy, ".", &rest); key != NULL;
	     key = strtok_r(NULL, ".", &rest)) {
		o = json_object_get(o, key);
		assert_non_null(o);
	}
	assert_true(json_is_integer(o));
	return json_integer_value(o);
}

static void status_sums_workers_and_node(void **state)
{
	struct world *w = *state;
	json_t *o;

	w->node.counters = (struct gt_counters){.answered = 7};
	w->node.counters.drops[GT_DROP_NEIGHBOUR_TOLD] = 2;
	for (size_t i = 0; i < 2; i++) {
		struct gt_worker *k = &w->worker[i];

		k->counters = (struct gt_counters){
			.in = 100, .forwarded = 50, .created = 10, .expired = 3, .moved = i};
		k->counters.drops[GT_DROP_SHORT] = 20 + i;
		k->vips[3] = (struct gt_vip_counters){
			.frames = 40 + i, .bytes = 4000, .connections = 9, .untracked = 5};
		k->servers[6] = (struct gt_server_counters){
			.frames = 30, .bytes = 3000, .connections = 8, .active = 6};
		k->servers[0x1234].active = 1; /* of a server that is gone */
	}
	o = gt_report_status(&w->node, w->workers, 2);
	assert_non_null(o);
	assert_int_equal(number(o, "frames.in"), 200);
	assert_int_equal(number(o, "frames.forwarded"), 100);
	assert_int_equal(number(o, "frames.answered"), 7);
	assert_int_equal(number(o, "frames.dropped"), 43);
	assert_int_equal(number(o, "drops.short"), 41);
	assert_int_equal(number(o, "drops.neighbour-told"), 2);
	assert_int_equal(json_object_size(json_object_get(o, "drops")), 2);
	assert_int_equal(number(o, "vips.pacs.frames"), 81);
	assert_int_equal(number(o, "vips.pacs.bytes"), 8000);
	assert_int_equal(number(o, "vips.pacs.connections"), 18);
	assert_int_equal(number(o, "vips.pacs.untracked"), 10);
	assert_int_equal(number(o, "vips.pacs.servers.first.frames"), 60);
	assert_int_equal(number(o, "vips.pacs.servers.first.active"), 12);
	assert_int_equal(number(o, "vips.pacs.servers.second.frames"), 0);
	assert_int_equal(number(o, "vips.hl7.frames"), 0);
	assert_int_equal(number(o, "connections.active"), 14);
	assert_int_equal(number(o, "connections.created"), 20);
	assert_int_equal(number(o, "connections.expired"), 6);
	assert_int_equal(number(o, "connections.moved"), 1);
	json_decref(o);
}

static void status_never_shows_negative_connections(void **state)
{
	struct world *w = *state;
	json_t *o;

	w->worker[0].servers[6].active = -1; /* read between the two halves of a move */
	o = gt_report_status(&w->node, w->workers, 1);
	assert_int_equal(number(o, "vips.pacs.servers.first.active"), 0);
	assert_int_equal(number(o, "connections.active"), 0);
	json_decref(o);
}

static void status_state_names_what_counts_most(void **state)
{
	static const struct {
		bool up;
		enum gt_admin admin;
		const char *name;
	} rows[] = {
		{true, GT_ADMIN_ENABLED, "up"},	       {false, GT_ADMIN_ENABLED, "down"},
		{true, GT_ADMIN_DRAIN, "drain"},       {false, GT_ADMIN_DRAIN, "down"},
		{true, GT_ADMIN_DISABLED, "disabled"}, {false, GT_ADMIN_DISABLED, "disabled"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *o, *s;

		w->server_names[6].state.up = rows[i].up;
		w->server_names[6].state.admin = rows[i].admin;
		o = gt_report_status(&w->node, w->workers, 2);
		s = json_object_get(json_object_get(o, "vips"), "pacs");
		s = json_object_get(json_object_get(s, "servers"), "first");
		assert_string_equal(json_string_value(json_object_get(s, "state")), rows[i].name);
		json_decref(o);
	}
}

/* What a table prints of a JSON text, to be freed. */
static char *table_text(void (*table)(FILE *, const json_t *), const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(o);
	assert_non_null(out);
	table(out, o);
	fclose(out);
	json_decref(o);
	return text;
}

static void check_table(void (*table)(FILE *, const json_t *), const char *json, const char *want)
{
	char *text = table_text(table, json);

	assert_string_equal(text, want);
	free(text);
}

static void tables_of_nothing_say_none(void **state)
{
	(void)state;
	check_table(gt_table_vips, "{\"vips\":{}}", "none\n");
	check_table(gt_table_servers, "{\"vips\":{}}", "none\n");
	check_table(gt_table_drops, "{\"drops\":{}}", "none\n");
	check_table(gt_table_interfaces, "{\"interfaces\":{}}", "none\n");
	check_table(gt_table_neighbours, "{\"neighbours\":[],\"conflicts\":[]}", "none\n");
	check_table(gt_table_connections, "{\"connections\":[],\"total\":0,\"shown\":0}", "none\n");
	check_table(gt_table_connections, "{}", "none\n");
}

static void table_servers_lines_up(void **state)
{
	(void)state;
	check_table(
		gt_table_servers,
		"{\"vips\":{\"pacs\":{\"servers\":{"
		"\"a\":{\"state\":\"up\",\"frames\":1234567,\"bytes\":5,\"connections\":12,"
		"\"active\":3,\"open\":2,\"weight\":100,\"address\":\"192.0.2.11\",\"mac\":null,"
		"\"check\":{\"result\":\"failed\",\"reason\":\"port 104: connection refused\","
		"\"duration_us\":1240,\"changed_s\":75}},"
		"\"b\":{\"state\":\"up\",\"check\":{\"result\":\"unchecked\",\"reason\":"
		"\"not checked yet\",\"duration_us\":null,\"changed_s\":null}},"
		"\"archive\":{\"state\":\"disabled\",\"frames\":0,\"bytes\":77,\"mac\":null}}}}}",
		"vip   server   address     state       weight   frames  bytes  connections  "
		"active  open  since  check\n"
		"pacs  a        192.0.2.11  up, no MAC     100  1234567      5           12       "
		"3     2    75s  failed in 1.2 ms: port 104: connection refused\n"
		"pacs  b        -           up               -        -      -            -       "
		"-     -      -  unchecked: not checked yet\n"
		"pacs  archive  -           disabled         -        0     77            -       "
		"-     -      -  -\n");
}

static void table_vips_counts_servers(void **state)
{
	(void)state;
	check_table(gt_table_vips,
		    "{\"vips\":{\"pacs\":{\"frames\":9,\"bytes\":10,\"connections\":1,"
		    "\"untracked\":0,\"servers\":{\"a\":{\"state\":\"up\"},"
		    "\"b\":{\"state\":\"drain\"}}}}}",
		    "vip   servers up  frames  bytes  connections  untracked\n"
		    "pacs      1 of 2       9     10            1          0\n");
}

static void table_drops_tells_the_meaning(void **state)
{
	(void)state;
	check_table(gt_table_drops, "{\"drops\":{\"vlan\":12,\"from-the-future\":3}}",
		    "dropped  reason           meaning\n"
		    "     12  vlan             VLAN tag other than the interface's\n"
		    "      3  from-the-future  a reason that this version does not know\n");
}

static void table_neighbours_warns_of_conflicts(void **state)
{
	char *text;

	(void)state;
	check_table(gt_table_neighbours,
		    "{\"neighbours\":[{\"interface\":\"lan\",\"address\":\"192.0.2.11\","
		    "\"mac\":\"02:00:00:00:01:0a\",\"state\":\"resolved\",\"age_s\":5}]}",
		    "interface  address     mac                state     confirmed, s ago\n"
		    "lan        192.0.2.11  02:00:00:00:01:0a  resolved                 5\n");
	text = table_text(gt_table_neighbours,
			  "{\"neighbours\":[],\"conflicts\":[{\"interface\":\"lan\","
			  "\"address\":\"192.0.2.100\",\"mac\":\"02:00:00:00:01:0a\",\"count\":4,"
			  "\"last_s\":2}]}");
	assert_non_null(strstr(text, "none\n"));
	assert_non_null(strstr(text, "arp_ignore"));
	assert_non_null(strstr(text, "lan        192.0.2.100  02:00:00:00:01:0a      4"));
	free(text);
}

static void table_connections_tells_how_many_more(void **state)
{
	(void)state;
	check_table(gt_table_connections,
		    "{\"connections\":[{\"vip\":\"pacs\",\"server\":\"a\","
		    "\"client\":\"192.0.2.50:53870\",\"state\":\"established\",\"idle_s\":1.25}],"
		    "\"total\":10,\"shown\":1}",
		    "vip   server  client            state        idle, s\n"
		    "pacs  a       192.0.2.50:53870  established      1.2\n"
		    "the first 1 of 10 connections\n");
}

static void table_interfaces_joins_addresses(void **state)
{
	char *text =
		table_text(gt_table_interfaces,
			   "{\"interfaces\":{\"lan\":{\"device\":\"0000:3b:00.0\","
			   "\"mac\":\"02:00:00:00:00:01\",\"link\":\"up\",\"link_for_s\":93784,"
			   "\"speed_mbps\":25000,"
			   "\"in_frames\":1,\"addresses\":[\"192.0.2.2/24\","
			   "\"2001:db8::2/64\"]}}}");

	(void)state;
	assert_non_null(strstr(text, "0000:3b:00.0  02:00:00:00:00:01  up    93784   25000"));
	assert_non_null(strstr(text, "  192.0.2.2/24, 2001:db8::2/64\n"));
	free(text);
}

static void table_status_begins_with_the_node_if_it_runs(void **state)
{
	static const char rest[] = "\"frames\":{\"in\":5},\"drops\":{},\"vips\":{},"
				   "\"connections\":{\"active\":1}}";
	char json[256], *text;

	(void)state;
	snprintf(json, sizeof(json), "{\"node\":\"lb1\",\"uptime_s\":93784,%s", rest);
	text = table_text(gt_table_status, json);
	assert_memory_equal(text, "node lb1, up 1 d 2 h\n\nframes in", 31);
	assert_null(strstr(text, "reason"));
	free(text);
	snprintf(json, sizeof(json), "{%s", rest);
	text = table_text(gt_table_status, json);
	assert_memory_equal(text, "frames in  forwarded", 20);
	free(text);
}

/* ---- Prometheus ---- */

/* What gt_metrics needs beyond the report. */
struct metrics_world {
	struct gt_metrics m;
	struct gt_metrics_loop loops[2];
	struct gt_metrics_link links[1];
	struct gt_config config;
	struct gt_plan_vip vips[VIPS + 2];
	struct gt_plan_server servers[SERVERS + 2];
};

static void metrics_setup(struct metrics_world *x, struct world *w, const char *name)
{
	static const struct gt_neighbour_hooks none;

	*x = (struct metrics_world){.config.connections = 1000};
	x->links[0].name = "lan";
	w->node.config = &x->config;
	w->node.neighbours = gt_neighbours_create(&none);
	w->plan.vips = x->vips;
	w->plan.servers = x->servers;
	x->m = (struct gt_metrics){.node = &w->node,
				   .workers = w->workers,
				   .n_workers = 2,
				   .loops = x->loops,
				   .links = x->links,
				   .n_links = 1,
				   .name = name,
				   .version = "1",
				   .dpdk = "2"};
}

/* The whole text by slices of so many bytes, to be freed. */
static char *metrics_text(const struct gt_metrics *m, size_t size)
{
	struct gt_metrics_cursor at = {0};
	char *text = calloc(1, 1 << 20), *slice = malloc(size);
	size_t used, n = 0;
	bool more;

	do {
		more = gt_metrics_write(m, &at, slice, size, &used);
		assert_true(used <= size);
		assert_true(n + used < 1 << 20);
		memcpy(text + n, slice, used);
		n += used;
	} while (more);
	free(slice);
	return text;
}

static void metrics_slices_of_any_size_are_one_text(void **state)
{
	struct world *w = *state;
	struct metrics_world x;
	char *whole;

	metrics_setup(&x, w, "lb1");
	w->worker[0].servers[6].frames = 7;
	w->worker[1].servers[6].frames = 8;
	w->worker[1].servers[6].active = -1;
	whole = metrics_text(&x.m, 1 << 19);
	assert_non_null(
		strstr(whole, "\ngantry_server_frames_total{vip=\"pacs\",server=\"first\"} 15\n"));
	assert_non_null(
		strstr(whole, "\ngantry_server_connections{vip=\"pacs\",server=\"first\"} 0\n"));
	/* The numbers 0, 3 and 4 of servers stand for nothing. */
	assert_null(strstr(whole, "server=\"\""));
	for (size_t size = GT_METRICS_ROOM_MIN; size < GT_METRICS_ROOM_MIN + 300; size += 7) {
		char *text = metrics_text(&x.m, size);

		assert_string_equal(text, whole);
		free(text);
	}
	free(whole);
	gt_neighbours_destroy(w->node.neighbours);
}

/* Exposition formats, text format: backslash, double quote and line feed of a label's value. */
static void metrics_label_of_any_bytes_is_escaped(void **state)
{
	struct world *w = *state;
	struct metrics_world x;
	char *text;

	metrics_setup(&x, w, "a\"b\\c\nd");
	text = metrics_text(&x.m, 1 << 19);
	assert_non_null(strstr(
		text, "gantry_build_info{node=\"a\\\"b\\\\c\\nd\",version=\"1\",dpdk=\"2\"} 1\n"));
	free(text);
	gt_neighbours_destroy(w->node.neighbours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(status_of_nothing_has_all_keys_in_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(status_sums_workers_and_node, setup, teardown),
		cmocka_unit_test_setup_teardown(status_never_shows_negative_connections, setup,
						teardown),
		cmocka_unit_test_setup_teardown(status_state_names_what_counts_most, setup,
						teardown),
		cmocka_unit_test_setup_teardown(status_of_a_checked_server_tells_its_last_check,
						setup, teardown),
		cmocka_unit_test(tables_of_nothing_say_none),
		cmocka_unit_test(table_servers_lines_up),
		cmocka_unit_test(table_vips_counts_servers),
		cmocka_unit_test(table_drops_tells_the_meaning),
		cmocka_unit_test(table_neighbours_warns_of_conflicts),
		cmocka_unit_test(table_connections_tells_how_many_more),
		cmocka_unit_test(table_interfaces_joins_addresses),
		cmocka_unit_test(table_status_begins_with_the_node_if_it_runs),
		cmocka_unit_test_setup_teardown(metrics_slices_of_any_size_are_one_text, setup,
						teardown),
		cmocka_unit_test_setup_teardown(metrics_label_of_any_bytes_is_escaped, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
