/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections for people; see connections.h. */
#include "connections.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "version.h"

/* Of one slice: a bucket is a cold line, a connection some 2 us of JSON. */
#define SLICE_BUCKETS	  2048
#define SLICE_CONNECTIONS 256

static const char *state_name(enum gt_flow_state state)
{
	static const char *const names[GT_FLOW_STATES] = {
		[GT_FLOW_SYN] = "syn",		 [GT_FLOW_ESTABLISHED] = "established",
		[GT_FLOW_FIN] = "fin",		 [GT_FLOW_CLOSED] = "closed",
		[GT_FLOW_UDP] = "udp",		 [GT_FLOW_SOURCE] = "source",
		[GT_FLOW_SOURCE_NEW] = "source",
	};

	return state < GT_FLOW_STATES ? names[state] : "unknown";
}

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

static bool show(const struct gt_plan *plan, const struct gt_worker *worker, struct gt_reply *reply,
		 const struct gt_flow_entry *e)
{
	char client[GT_ADDR_STRLEN + 16], *text;
	json_t *o = json_pack("{s:s?, s:s?, s:s, s:s, s:f}", "vip", vip_name(plan, e->service),
			      "server", server_name(plan, gt_worker_entry_server(worker, e)),
			      "client", format_client(e, client, sizeof(client)), "state",
			      state_name(e->state), "idle_s", idle_s(e));
	bool good;

	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
	good = text != NULL && (reply->walk.shown == 0 || gt_text_add(&reply->text, ",", 1)) &&
	       gt_text_add(&reply->text, text, strlen(text));
	reply->walk.shown += good;
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
	char end[96];
	int64_t total = count_active(r);
	int n;

	/* Between the reading and the counting some may have gone. */
	if (total < (int64_t)reply->walk.shown)
		total = (int64_t)reply->walk.shown;
	n = snprintf(end, sizeof(end), "],\"total\":%lld,\"shown\":%llu}\n", (long long)total,
		     (unsigned long long)reply->walk.shown);
	reply->walk.active = false;
	if (!good || !gt_text_add(&reply->text, end, (size_t)n))
		gt_text_free(&reply->text);
}

bool gt_connections_begin(struct gt_run *r, struct gt_reply *reply, uint64_t limit)
{
	static const char begin[] = "{\"version\":\"" GT_VERSION "\",\"connections\":[";

	if (gt_control_walks(r->control) >= GT_CONTROL_WALKS_MAX ||
	    !gt_text_add(&reply->text, begin, sizeof(begin) - 1))
		return false;
	reply->walk = (struct gt_walk){.active = true, .limit = limit};
	return true;
}

void gt_connections_more(struct gt_run *r, struct gt_reply *reply)
{
	struct gt_walk *w = &reply->walk;
	struct gt_flow_entry entries[GT_FLOW_BUCKET_SLOTS];
	uint32_t tick = gt_tick(gt_clock_ms());
	unsigned shown = 0;

	for (unsigned i = 0; i < SLICE_BUCKETS && shown < SLICE_CONNECTIONS; i++) {
		const struct gt_flow_table *t = &r->lcores[w->worker]->worker->flows;
		unsigned n = gt_flow_read(t, w->bucket, tick, entries);

		for (unsigned j = 0; j < n && w->shown < w->limit; j++) {
			if (gt_flow_is_source(entries[j].state))
				continue; /* what persistence remembers, no connection */
			if (!show(r->node->plan, r->lcores[w->worker]->worker, reply,
				  &entries[j])) {
				end_walk(r, reply, false);
				return;
			}
			shown++;
		}
		if (++w->bucket == t->n_buckets) {
			w->bucket = 0;
			w->worker++;
		}
		if (w->worker == r->n_lcores || w->shown == w->limit) {
			end_walk(r, reply, true);
			return;
		}
	}
}
