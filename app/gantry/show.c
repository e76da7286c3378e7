/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to what is asked of the node as a whole; see requests.h. */
#include "metrics.h"
#include "report/report.h"
#include "requests.h"

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

	gt_ports_update_links(&r->ports, gt_clock_ms(), &r->events);
	for (unsigned i = 0; i < r->ports.n; i++)
		json_object_set_new(o, r->ports.list[i].name, interface_object(r, i));
	return o;
}

static json_t *workers_array(struct gt_run *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_lcores; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:f, s:f}", "worker", (int)i,
						      "cpu", r->lcores[i]->cpu, "busy_percent",
						      r->busy_percent[i], "stuck_s",
						      gt_progress_stuck_s(r, i, gt_clock_ms())));
	return list;
}

static json_t *report(const struct gt_run *r)
{
	struct gt_worker *workers[GT_WORKERS_MAX];

	gt_run_workers(r, workers);
	return gt_report_status(r->node, workers, r->n_lcores);
}

/* How long main took for its plans, in ms, from the first change on. */
static json_t *plan_times_object(const struct gt_run *r)
{
	const struct gt_plan_times *t = &r->plan_times;

	return json_pack("{s:f, s:f, s:f}", "last", (double)t->last_us / 1e3, "longest",
			 (double)t->longest_us / 1e3, "mean",
			 r->plans > 0 ? (double)t->sum_us / (double)r->plans / 1e3 : 0.0);
}

void gt_show_status(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	json_t *o = report(r);

	(void)q;
	json_object_set_new(o, "node", json_string(r->name));
	json_object_set_new(o, "uptime_s",
			    json_integer((json_int_t)((gt_clock_ms() - r->started_ms) / 1000)));
	json_object_set_new(o, "plans", json_integer((json_int_t)r->plans));
	json_object_set_new(o, "plan_ms", plan_times_object(r));
	json_object_set_new(o, "workers", workers_array(r));
	json_object_set_new(o, "interfaces", interfaces_object(r));
	gt_say(reply, o);
}

/* One key of the report alone. */
static void answer_part(const struct gt_run *r, struct gt_reply *reply, const char *key)
{
	json_t *o = report(r), *part = json_object();

	json_object_set(part, key, json_object_get(o, key));
	json_decref(o);
	gt_say(reply, part);
}

void gt_show_vips(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	(void)q;
	answer_part(r, reply, "vips");
}

void gt_show_drops(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	(void)q;
	answer_part(r, reply, "drops");
}

void gt_show_interfaces(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	(void)q;
	gt_say(reply, json_pack("{s:o}", "interfaces", interfaces_object(r)));
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

void gt_show_neighbours(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
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
	gt_say(reply, json_pack("{s:o, s:o}", "neighbours", list, "conflicts", conflicts));
}

void gt_show_metrics(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q)
{
	const char *cursor = q->n_arguments > 0 ? q->arguments[0] : "0:0";
	json_t *slice = gt_metrics_slice(r, cursor);

	if (slice == NULL)
		gt_say_error(reply, 2, "'%.32s' is no place in the metrics: say what \"next\" said",
			     cursor);
	else
		gt_say(reply, slice);
}
