/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantryctl connections`: the workers' tables read in slices while they go on, so that neither a
 * worker nor main waits for a table of millions; then those to be shown, put into their order and
 * written in slices, too.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requests.h"
#include "selection.h"
#include "version.h"

/* Of one slice: a bucket is a cold line, a connection some 2 us of JSON. */
#define SLICE_BUCKETS	  2048
#define SLICE_CONNECTIONS 256
#define SLICE_SORTED	  4096

/* "192.0.2.1:4711", "[2001:db8::1]:4711" */
static char *format_client(const struct gt_flow_entry *e, char *buf, size_t size)
{
	char addr[GT_ADDR_STRLEN];

	gt_addr_format(&e->client, addr);
	snprintf(buf, size, gt_addr_is_v4(&e->client) ? "%s:%u" : "[%s]:%u", addr,
		 rte_be_to_cpu_16(e->client_port));
	return buf;
}

/* The names behind an entry's numbers; NULL if a reload took it away. */
static const char *vip_name(const struct gt_plan *plan, uint16_t service)
{
	uint16_t vip = service < plan->n_services ? plan->services[service].vip : 0;

	return vip != 0 && vip < plan->n_vips && plan->vip_names[vip].vip != NULL
		       ? plan->vip_names[vip].vip->name
		       : NULL;
}

static const char *server_name(const struct gt_plan *plan, uint16_t server)
{
	return server < plan->n_servers && plan->server_names[server].server != NULL
		       ? plan->server_names[server].server->name
		       : NULL;
}

static double idle_s(const struct gt_flow_entry *e)
{
	/* The worker may have touched it a moment after the clock was read. */
	uint32_t ticks = e->idle_ticks > GT_TICK_MASK / 2 ? 0 : e->idle_ticks;

	return (double)ticks * GT_TICK_MS / 1000;
}

static bool show(const struct gt_plan *plan, struct gt_reply *reply, const struct gt_selected *s)
{
	const struct gt_flow_entry *e = &s->entry;
	char client[GT_ADDR_STRLEN + 16], *text;
	json_t *o = json_pack("{s:s?, s:s?, s:s, s:s, s:f}", "vip", vip_name(plan, e->service),
			      "server", server_name(plan, s->server), "client",
			      format_client(e, client, sizeof(client)), "state",
			      gt_flow_state_name(e->state), "idle_s", idle_s(e));
	bool good;

	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
	good = text != NULL &&
	       (reply->walk.selection->shown == 0 || gt_text_add(&reply->text, ",", 1)) &&
	       gt_text_add(&reply->text, text, strlen(text));
	reply->walk.selection->shown += good;
	free(text);
	json_decref(o);
	return good;
}

/* All that the servers have now. */
static int64_t count_active(const struct gt_run *r)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < r->n_lcores; i++)
		for (size_t j = 0; j < GT_SERVERS_MAX; j++)
			sum += __atomic_load_n(&r->lcores[i]->worker->servers[j].active,
					       __ATOMIC_RELAXED);
	return sum < 0 ? 0 : sum;
}

static void end_walk(struct gt_run *r, struct gt_reply *reply, bool good)
{
	struct gt_selection *s = reply->walk.selection;
	uint64_t total = (uint64_t)count_active(r), matched;
	char end[128];
	int n;

	/* Between the reading and the counting some may have gone. */
	if (total < s->matched)
		total = s->matched;
	matched = s->filters || s->order != GT_ORDER_NONE ? s->matched : total;
	n = snprintf(end, sizeof(end), "],\"total\":%llu,\"matched\":%llu,\"shown\":%u}\n",
		     (unsigned long long)total, (unsigned long long)matched, s->shown);
	reply->walk.active = false;
	if (!good || !gt_text_add(&reply->text, end, (size_t)n))
		gt_text_free(&reply->text);
	free(s);
	reply->walk.selection = NULL;
}

void gt_show_connections(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	static const char begin[] = "{\"version\":\"" GT_VERSION "\",\"connections\":[";
	struct gt_selection *s;

	if (gt_control_walks(r->control) >= GT_CONTROL_WALKS_MAX) {
		gt_say_error(reply, 1, "others are reading the connections: try again");
		return;
	}
	s = gt_selection_parse(r->node, reply, q);
	if (s == NULL)
		return;
	if (!gt_text_add(&reply->text, begin, sizeof(begin) - 1)) {
		free(s);
		return;
	}
	reply->walk = (struct gt_walk){.active = true, .selection = s};
}

/* Those of one bucket. */
static void read_bucket(const struct gt_run *r, const struct gt_walk *w, uint32_t tick)
{
	const struct gt_worker *worker = r->lcores[w->worker]->worker;
	const struct gt_plan *plan = r->node->plan;
	struct gt_flow_entry entries[GT_FLOW_BUCKET_SLOTS];
	unsigned n = gt_flow_read(&worker->flows, w->bucket, tick, entries);

	for (unsigned i = 0; i < n; i++) {
		uint16_t server;

		if (gt_flow_is_source(entries[i].state))
			continue; /* what persistence remembers, no connection */
		server = gt_worker_entry_server(worker, &entries[i]);
		if (gt_selection_matches(w->selection, &entries[i],
					 vip_name(plan, entries[i].service),
					 server_name(plan, server)))
			gt_selection_add(w->selection, &entries[i], server);
	}
}

static void walk(const struct gt_run *r, struct gt_walk *w)
{
	struct gt_selection *s = w->selection;
	uint32_t tick = gt_tick(gt_clock_ms());

	for (unsigned i = 0; i < SLICE_BUCKETS && !s->walked; i++) {
		read_bucket(r, w, tick);
		if (++w->bucket == r->lcores[w->worker]->worker->flows.n_buckets) {
			w->bucket = 0;
			w->worker++;
		}
		/* How many match is only known by reading all; how many there are is counted. */
		s->walked = w->worker == r->n_lcores ||
			    (s->n == s->limit && !s->filters && s->order == GT_ORDER_NONE);
	}
}

void gt_connections_more(void *ctx, struct gt_reply *reply)
{
	struct gt_run *r = ctx;
	struct gt_selection *s = reply->walk.selection;

	if (!s->walked) {
		walk(r, &reply->walk);
		return;
	}
	if (!gt_selection_sort(s, SLICE_SORTED))
		return;
	for (unsigned i = 0; i < SLICE_CONNECTIONS && s->shown < s->n; i++)
		if (!show(r->node->plan, reply, &s->list[s->shown])) {
			end_walk(r, reply, false);
			return;
		}
	if (s->shown == s->n)
		end_walk(r, reply, true);
}
