/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers to gantryctl; see answers.h. */
#include "answers.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connections.h"
#include "report/report.h"
#include "run.h"
#include "version.h"

#define ARGUMENTS_MAX 3

struct request {
	json_t *json; /* owns the words of a JSON request */
	const char *command;
	const char *arguments[ARGUMENTS_MAX];
	size_t n_arguments;
};

/* ---- saying something ---- */

/* Completes an object to an answer, and drops it. Without memory nothing is said, and the client is
 * let go. */
static void say(struct gt_reply *reply, json_t *object)
{
	json_t *answer = json_pack("{s:s}", "version", GT_VERSION);
	char *text = NULL;

	if (answer != NULL && object != NULL && json_object_update(answer, object) == 0)
		text = json_dumps(answer, JSON_COMPACT);
	if (text != NULL && gt_text_add(&reply->text, text, strlen(text)) &&
	    !gt_text_add(&reply->text, "\n", 1))
		gt_text_free(&reply->text);
	free(text);
	json_decref(answer);
	json_decref(object);
}

static void say_error(struct gt_reply *reply, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say_error(struct gt_reply *reply, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	json_t *s;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s = json_string(text);
	/* What a client sent may be no UTF-8. */
	say(reply, s != NULL ? json_pack("{s:o}", "error", s)
			     : json_pack("{s:s}", "error", "the request is no UTF-8 text"));
}

/* ---- what is asked for ---- */

static json_t *interface_object(struct gt_run *r, unsigned i)
{
	struct gt_port *p = &r->ports.list[i];
	const struct gt_config_interface *c = &r->node->config->interfaces[i];
	struct gt_counters sum = {0};
	struct gt_port_stats stats;
	char mac[GT_MAC_STRLEN], prefix[GT_PREFIX_STRLEN];
	json_t *addresses = json_array(), *o, *slaves = json_object();
	uint64_t link_ms = gt_clock_ms() - p->link_ms;

	gt_counters_add(&sum, &r->node->counters);
	for (unsigned w = 0; w < r->n_lcores; w++)
		gt_counters_add(&sum, &r->lcores[w]->worker->counters);
	gt_ports_stats(p, &stats);
	for (size_t j = 0; j < c->n_addresses; j++)
		json_array_append_new(addresses,
				      json_string(gt_prefix_format(&c->addresses[j], prefix)));
	for (unsigned j = 0; j < p->n_slaves; j++)
		json_object_set_new(slaves, p->slaves[j].name,
				    json_string(p->slaves[j].link_up ? "up" : "down"));
	o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "device",
		      c->device, "mac", gt_mac_format(&p->mac, mac), "link",
		      p->link_up ? "up" : "down", "link_for_s", (json_int_t)(link_ms / 1000),
		      "speed_mbps", (json_int_t)p->speed_mbps, "in_frames",
		      (json_int_t)sum.interfaces[i].in_frames, "in_bytes",
		      (json_int_t)sum.interfaces[i].in_bytes, "out_frames",
		      (json_int_t)sum.interfaces[i].out_frames, "out_bytes",
		      (json_int_t)sum.interfaces[i].out_bytes, "missed", (json_int_t)stats.missed,
		      "errors", (json_int_t)stats.errors, "addresses", addresses);
	if (p->n_slaves > 0)
		json_object_set(o, "slaves", slaves);
	json_decref(slaves);
	return o;
}

static json_t *interfaces_object(struct gt_run *r)
{
	json_t *o = json_object();

	gt_ports_update_links(&r->ports, gt_clock_ms(), true);
	for (unsigned i = 0; i < r->ports.n; i++)
		json_object_set_new(o, r->ports.list[i].name, interface_object(r, i));
	return o;
}

static json_t *workers_array(struct gt_run *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_lcores; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:f}", "worker", (int)i, "cpu",
						      r->lcores[i]->cpu, "busy_percent",
						      r->busy_percent[i]));
	return list;
}

static json_t *report(const struct gt_run *r)
{
	struct gt_worker *workers[GT_WORKERS_MAX];

	for (unsigned i = 0; i < r->n_lcores; i++)
		workers[i] = r->lcores[i]->worker;
	return gt_report_status(r->node, workers, r->n_lcores);
}

static void answer_status(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	json_t *o = report(r);

	(void)q;
	json_object_set_new(o, "node", json_string(r->name));
	json_object_set_new(o, "uptime_s",
			    json_integer((json_int_t)((gt_clock_ms() - r->started_ms) / 1000)));
	json_object_set_new(o, "plans", json_integer((json_int_t)r->plans));
	json_object_set_new(o, "workers", workers_array(r));
	json_object_set_new(o, "interfaces", interfaces_object(r));
	say(reply, o);
}

/* One key of the report alone. */
static void answer_part(const struct gt_run *r, struct gt_reply *reply, const char *key)
{
	json_t *o = report(r), *part = json_object();

	json_object_set(part, key, json_object_get(o, key));
	json_decref(o);
	say(reply, part);
}

static void answer_vips(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	(void)q;
	answer_part(r, reply, "vips");
}

static void answer_drops(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	(void)q;
	answer_part(r, reply, "drops");
}

static void answer_interfaces(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	(void)q;
	say(reply, json_pack("{s:o}", "interfaces", interfaces_object(r)));
}

static json_int_t age_s(uint64_t since_ms, uint64_t now_ms)
{
	return now_ms > since_ms ? (json_int_t)((now_ms - since_ms) / 1000) : 0;
}

static json_t *neighbour_object(const struct gt_run *r, const struct gt_neighbour *n,
				uint64_t now_ms)
{
	static const char *const states[] = {
		[GT_NEIGHBOUR_UNRESOLVED] = "unresolved",
		[GT_NEIGHBOUR_RESOLVED] = "resolved",
		[GT_NEIGHBOUR_REFRESHING] = "refreshing",
		[GT_NEIGHBOUR_STATIC] = "static",
	};
	char addr[GT_ADDR_STRLEN], mac[GT_MAC_STRLEN];
	bool known = n->state != GT_NEIGHBOUR_UNRESOLVED;

	return json_pack(
		"{s:s, s:s, s:s?, s:s, s:o}", "interface", r->ports.list[n->interface].name,
		"address", gt_addr_format(&n->addr, addr), "mac",
		known ? gt_mac_format(&n->mac, mac) : NULL, "state", states[n->state], "age_s",
		n->confirmed_ms != 0 ? json_integer(age_s(n->confirmed_ms, now_ms)) : json_null());
}

static json_t *conflict_object(const struct gt_run *r, const struct gt_neighbour_conflict *c,
			       uint64_t now_ms)
{
	char addr[GT_ADDR_STRLEN], mac[GT_MAC_STRLEN];

	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "interface", r->ports.list[c->interface].name,
			 "address", gt_addr_format(&c->addr, addr), "mac",
			 gt_mac_format(&c->mac, mac), "count", (json_int_t)c->count, "last_s",
			 age_s(c->last_ms, now_ms));
}

static void answer_neighbours(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	const struct gt_neighbours *all = r->node->neighbours;
	json_t *list = json_array(), *conflicts = json_array();
	const struct gt_neighbour_conflict *c;
	const struct gt_neighbour *n;
	uint64_t now_ms = gt_clock_ms();

	(void)q;
	for (size_t i = 0; (n = gt_neighbours_at(all, i)) != NULL; i++)
		json_array_append_new(list, neighbour_object(r, n, now_ms));
	for (size_t i = 0; (c = gt_neighbours_conflict_at(all, i)) != NULL; i++)
		json_array_append_new(conflicts, conflict_object(r, c, now_ms));
	say(reply, json_pack("{s:o, s:o}", "neighbours", list, "conflicts", conflicts));
}

/* The whole of s as a number, or -1. */
static long parse_number(const char *s)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 ? n : -1;
}

static void answer_connections(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	long limit = GT_CONNECTIONS_SHOWN;

	if (q->n_arguments > 0)
		limit = parse_number(q->arguments[0]);
	if (limit < 1 || limit > GT_CONNECTIONS_SHOWN_MAX) {
		say_error(reply, "'%s' is no limit: 1 to %d", q->arguments[0],
			  GT_CONNECTIONS_SHOWN_MAX);
		return;
	}
	if (!gt_connections_begin(r, reply, (uint64_t)limit))
		say_error(reply, "others are reading the connections: try again");
}

void gt_answer_more(void *ctx, struct gt_reply *reply)
{
	gt_connections_more(ctx, reply);
}

/* ---- what is ordered ---- */

static void act(struct gt_run *r, struct gt_reply *reply, const struct request *q,
		enum gt_node_action action, long value, const char *done)
{
	const char *server = q->arguments[0];
	char error[768] = "";

	if (gt_node_act(r->node, action, server, value, error, sizeof(error)) != 0) {
		say_error(reply, "%s", error);
		return;
	}
	gt_log(&r->log, LOG_NOTICE, "control: %s %s%s%s: by uid %ld, pid %ld", q->command, server,
	       q->n_arguments > 1 ? " " : "", q->n_arguments > 1 ? q->arguments[1] : "",
	       (long)reply->uid, (long)reply->pid);
	say(reply, json_pack("{s:s, s:s}", "server", server, "done", done));
	/* Done is what the workers do: whoever is told may stop the server at once. */
	reply->plan = r->plans + 1;
}

static void answer_enable(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	act(r, reply, q, GT_ACTION_ENABLE, 0, "enabled");
}

static void answer_drain(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	act(r, reply, q, GT_ACTION_DRAIN, 0, "drained: keeps its connections, takes no new ones");
}

static void answer_disable(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	act(r, reply, q, GT_ACTION_DISABLE, 0, "disabled: its connections move to others");
}

static void answer_weight(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	long weight = parse_number(q->arguments[1]);
	char done[64];

	if (weight < 0 || weight > 65535) {
		say_error(reply, "'%s' is no weight: 0 to 65535", q->arguments[1]);
		return;
	}
	snprintf(done, sizeof(done), "weight %ld", weight);
	act(r, reply, q, GT_ACTION_WEIGHT, weight, done);
}

static void answer_reload(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	(void)r;
	(void)q;
	say_error(reply,
		  "reload is not in this version: restart gantry to change the configuration");
}

/* ---- which command ---- */

static const struct command {
	const char *name;
	size_t least, most; /* arguments */
	void (*answer)(struct gt_run *r, struct gt_reply *reply, const struct request *q);
	const char *usage;
} commands[] = {
	{"status", 0, 0, answer_status, "status"},
	{"vips", 0, 0, answer_vips, "vips"},
	{"servers", 0, 0, answer_vips, "servers"},
	{"interfaces", 0, 0, answer_interfaces, "interfaces"},
	{"drops", 0, 0, answer_drops, "drops"},
	{"neighbours", 0, 0, answer_neighbours, "neighbours"},
	{"connections", 0, 1, answer_connections, "connections [LIMIT]"},
	{"drain", 1, 1, answer_drain, "drain VIP/SERVER"},
	{"enable", 1, 1, answer_enable, "enable VIP/SERVER"},
	{"disable", 1, 1, answer_disable, "disable VIP/SERVER"},
	{"weight", 2, 2, answer_weight, "weight VIP/SERVER N"},
	{"reload", 0, 0, answer_reload, "reload"},
};

/* NULL, or what is wrong with it. */
static const char *parse_json(const char *line, struct request *q)
{
	json_t *arguments, *a;
	json_error_t error;
	size_t i;

	q->json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	q->command = json_string_value(json_object_get(q->json, "command"));
	arguments = json_object_get(q->json, "arguments");
	if (q->command == NULL || (arguments != NULL && !json_is_array(arguments)))
		return "a request is words, or {\"command\": \"...\", \"arguments\": [\"...\"]}";
	if (json_array_size(arguments) > ARGUMENTS_MAX)
		return "too many arguments";
	json_array_foreach(arguments, i, a)
	{
		if (!json_is_string(a))
			return "arguments are strings";
		q->arguments[q->n_arguments++] = json_string_value(a);
	}
	return NULL;
}

static const char *parse_words(char *line, struct request *q)
{
	char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);

	if (word == NULL)
		return "an empty request; ask for status";
	q->command = word;
	while ((word = strtok_r(NULL, " \t\r", &rest)) != NULL) {
		if (q->n_arguments == ARGUMENTS_MAX)
			return "too many arguments";
		q->arguments[q->n_arguments++] = word;
	}
	return NULL;
}

static void list_commands(char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i > 0 ? ", " : "",
					 commands[i].name);
}

static void dispatch(struct gt_run *r, struct gt_reply *reply, const struct request *q)
{
	char names[256];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, q->command) != 0)
			continue;
		if (q->n_arguments < commands[i].least || q->n_arguments > commands[i].most)
			say_error(reply, "it is: %s", commands[i].usage);
		else
			commands[i].answer(r, reply, q);
		return;
	}
	list_commands(names, sizeof(names));
	say_error(reply, "no command '%.64s'; there are: %s", q->command, names);
}

void gt_answer(void *ctx, char *line, struct gt_reply *reply)
{
	struct request q = {0};
	const char *wrong =
		line[strspn(line, " \t")] == '{' ? parse_json(line, &q) : parse_words(line, &q);

	if (wrong != NULL)
		say_error(reply, "%s", wrong);
	else
		dispatch(ctx, reply, &q);
	json_decref(q.json);
}
