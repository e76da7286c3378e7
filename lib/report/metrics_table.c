/* SPDX-License-Identifier: BSD-3-Clause */
/* All metrics, and where each value comes from; see metrics.h. */
#include <stddef.h>

#include "report/metrics_internal.h"

/* ---- values ---- */

static uint64_t load(const void *base, size_t field)
{
	return __atomic_load_n((const uint64_t *)((const char *)base + field), __ATOMIC_RELAXED);
}

static bool one(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		double *value)
{
	(void)v, (void)f, (void)i;
	*value = 1;
	return true;
}

static bool start_s(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		    double *value)
{
	(void)f, (void)i;
	*value = v->m->start_s;
	return true;
}

static bool generation(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		       uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = (double)v->plan->generation;
	return true;
}

/* A field of struct gt_counters, all workers and main together. */
static bool counter(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		    double *value)
{
	(void)i;
	*value = (double)load(&v->sum, f->field);
	return true;
}

static bool result(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		   double *value)
{
	const uint64_t results[] = {v->sum.forwarded, v->sum.answered, v->sum.kernel,
				    gt_counters_dropped(&v->sum)};

	(void)f;
	*value = (double)results[i];
	return true;
}

static bool dropped(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		    double *value)
{
	(void)f;
	*value = (double)v->sum.drops[i];
	return true;
}

static bool unresolved(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		       uint32_t i, double *value)
{
	const struct gt_neighbour *n;

	(void)f, (void)i;
	*value = 0;
	for (size_t k = 0; (n = gt_neighbours_at(v->m->node->neighbours, k)) != NULL; k++)
		*value += n->state == GT_NEIGHBOUR_UNRESOLVED;
	return true;
}

static bool snat_sessions(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			  uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = 0;
	for (unsigned w = 0; w < v->m->n_workers; w++)
		*value += __atomic_load_n(&v->m->workers[w]->snat.live, __ATOMIC_RELAXED);
	return v->m->node->snat;
}

static bool snat_used(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		      uint32_t i, double *value)
{
	unsigned most = 0;

	(void)f, (void)i;
	if (!v->m->node->snat)
		return false;
	for (unsigned w = 0; w < v->m->n_workers; w++) {
		const struct gt_worker *worker = v->m->workers[w];
		unsigned percent = gt_snat_fullest_percent(
			&worker->snat, __atomic_load_n(&worker->tick, __ATOMIC_RELAXED), NULL);

		most = percent > most ? percent : most;
	}
	*value = most / 100.0;
	return true;
}

static bool link_up(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		    double *value)
{
	(void)f;
	*value = v->m->links[i].up;
	return true;
}

/* Devices in software have no speed. */
static bool link_speed(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		       uint32_t i, double *value)
{
	(void)f;
	*value = v->m->links[i].speed_mbps * 1e6 / 8;
	return v->m->links[i].speed_mbps != 0 && v->m->links[i].speed_mbps != UINT32_MAX;
}

static bool link_counter(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			 uint32_t i, double *value)
{
	*value = (double)load(&v->m->links[i], f->field);
	return true;
}

static bool interface_counter(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			      uint32_t i, double *value)
{
	*value = (double)load(&v->sum.interfaces[i], f->field);
	return true;
}

static bool worker_up(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		      uint32_t i, double *value)
{
	(void)f;
	*value = !v->m->loops[i].stuck;
	return true;
}

static bool worker_busy(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			uint32_t i, double *value)
{
	(void)f;
	*value = v->m->loops[i].busy_ratio;
	return true;
}

static bool worker_busy_s(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			  uint32_t i, double *value)
{
	(void)f;
	*value = v->m->loops[i].busy_s;
	return true;
}

static bool table_entries(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			  uint32_t i, double *value)
{
	(void)f;
	*value = (double)load(&v->m->workers[i]->flows.entries, 0);
	return true;
}

static bool table_capacity(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = v->m->node->config->connections;
	return true;
}

static bool vip_counter(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			uint32_t i, double *value)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < v->m->n_workers; w++)
		sum += load(&v->m->workers[w]->vips[i], f->field);
	*value = (double)sum;
	return true;
}

static bool vip_servers(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			uint32_t i, double *value)
{
	(void)f;
	*value = (double)v->plan->vip_names[i].vip->n_servers;
	return true;
}

static bool vip_accepting(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			  uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->vips[i].slots != NULL ? v->plan->vips[i].n_members : 0;
	return true;
}

/* Numbers that go up and down, too: what one worker took from another's is negative there. */
static bool server_counter(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < v->m->n_workers; w++)
		sum += load(&v->m->workers[w]->servers[i], f->field);
	/* A connection may move between the reading of two workers' halves of the sum. */
	*value = (int64_t)sum < 0 ? 0 : (double)sum;
	return true;
}

static bool server_replies(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	enum gt_mode mode = v->plan->server_names[i].vip->mode;

	return (mode == GT_MODE_NAT || mode == GT_MODE_SNAT) && server_counter(v, f, i, value);
}

static bool server_up(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
		      uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.up;
	return true;
}

static bool server_enabled(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.admin == GT_ADMIN_ENABLED;
	return true;
}

static bool server_flag(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			uint32_t i, double *value)
{
	*value = (v->plan->servers[i].flags & f->field) != 0;
	return true;
}

static bool server_weight(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			  uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.weight;
	return true;
}

/* What checks say of a server; NULL: nobody checks it. */
static const struct gt_health *health_of(const struct gt_metrics_view *v, uint32_t server)
{
	const struct gt_health *all = v->m->node->healths;
	const struct gt_health *h = all != NULL ? &all[v->plan->server_names[server].index] : NULL;

	return h != NULL && h->rule.interval_ms != 0 ? h : NULL;
}

static bool checks(const struct gt_metrics_view *v, const struct gt_metrics_family *f, uint32_t i,
		   double *value)
{
	const struct gt_health *h = health_of(v, i / 2);

	(void)f;
	*value = h == NULL ? 0 : (double)(i % 2 == 0 ? h->healthy : h->sick);
	return h != NULL;
}

static bool check_possible(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	const struct gt_health *h = health_of(v, i);

	(void)f;
	*value = h != NULL && h->last.outcome != GT_HEALTH_UNCHECKED;
	return h != NULL && h->last.ended_ms != 0;
}

static bool check_duration(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, double *value)
{
	const struct gt_health *h = health_of(v, i);

	(void)f;
	*value = h != NULL ? h->last.duration_us / 1e6 : 0;
	return h != NULL && h->last.outcome != GT_HEALTH_UNCHECKED;
}

/* ---- all gt_metrics_families ---- */

#define PLAIN(value)	   value, 0
#define COUNTER(field)	   counter, offsetof(struct gt_counters, field)
#define LINK_COUNTER(name) link_counter, offsetof(struct gt_metrics_link, name)
#define IF_COUNTER(name)                                                                           \
	interface_counter, offsetof(struct gt_counters, interfaces[0].name) -                      \
				   offsetof(struct gt_counters, interfaces[0])
#define VIP_COUNTER(name)    vip_counter, offsetof(struct gt_vip_counters, name)
#define SERVER_COUNTER(name) server_counter, offsetof(struct gt_server_counters, name)
#define SERVER_REPLIES(name) server_replies, offsetof(struct gt_server_counters, name)

const struct gt_metrics_family gt_metrics_families[] = {
	{"gantry_build_info", "gauge", "Always 1: the node's name and its versions.",
	 GT_METRICS_BUILD, PLAIN(one)},
	{"gantry_start_time_seconds", "gauge", "When gantry started, since 1970.", GT_METRICS_NODE,
	 PLAIN(start_s)},
	{"gantry_plan_generation", "gauge",
	 "Number of the plan in force: one more for each change of health, weights, MACs or "
	 "configuration.",
	 GT_METRICS_NODE, PLAIN(generation)},
	/* frames */
	{"gantry_received_frames_total", "counter", "Frames that came in.", GT_METRICS_NODE,
	 COUNTER(in)},
	{"gantry_frames_total", "counter", "Frames by what became of them.", GT_METRICS_RESULT,
	 PLAIN(result)},
	{"gantry_dropped_frames_total", "counter", "Dropped frames by reason.", GT_METRICS_REASON,
	 PLAIN(dropped)},
	{"gantry_handed_frames_total", "counter",
	 "Frames that one worker handed to another, which owns their connection.", GT_METRICS_NODE,
	 COUNTER(handed)},
	/* connections */
	{"gantry_connections_created_total", "counter", "Connections begun.", GT_METRICS_NODE,
	 COUNTER(created)},
	{"gantry_connections_expired_total", "counter", "Connections ended or forgotten.",
	 GT_METRICS_NODE, COUNTER(expired)},
	{"gantry_connections_evicted_total", "counter",
	 "Connections forgotten early because the table was full; part of the expired.",
	 GT_METRICS_NODE, COUNTER(evicted)},
	{"gantry_connections_moved_total", "counter",
	 "Connections that another server got because theirs went down.", GT_METRICS_NODE,
	 COUNTER(moved)},
	{"gantry_snat_sessions", "gauge", "Connections that use a source port of ours.",
	 GT_METRICS_NODE, PLAIN(snat_sessions)},
	{"gantry_snat_ports_used_ratio", "gauge",
	 "Source ports in use or at rest, of the server and source address that have the fewest "
	 "left.",
	 GT_METRICS_NODE, PLAIN(snat_used)},
	/* neighbours */
	{"gantry_neighbours_unresolved", "gauge",
	 "Servers, gateways and clients whose MAC is asked for and not known.", GT_METRICS_NODE,
	 PLAIN(unresolved)},
	/* interfaces */
	{"gantry_interface_up", "gauge", "1: the link is up.", GT_METRICS_INTERFACE,
	 PLAIN(link_up)},
	{"gantry_interface_speed_bytes", "gauge", "Bytes a second that the link can carry.",
	 GT_METRICS_INTERFACE, PLAIN(link_speed)},
	{"gantry_interface_receive_frames_total", "counter", "Frames that came in.",
	 GT_METRICS_INTERFACE, IF_COUNTER(in_frames)},
	{"gantry_interface_receive_bytes_total", "counter", "Bytes of Ethernet in, without FCS.",
	 GT_METRICS_INTERFACE, IF_COUNTER(in_bytes)},
	{"gantry_interface_transmit_frames_total", "counter", "Frames that went out.",
	 GT_METRICS_INTERFACE, IF_COUNTER(out_frames)},
	{"gantry_interface_transmit_bytes_total", "counter", "Bytes of Ethernet out, without FCS.",
	 GT_METRICS_INTERFACE, IF_COUNTER(out_bytes)},
	{"gantry_interface_missed_frames_total", "counter",
	 "Frames that the device lost: no worker fetched them in time.", GT_METRICS_INTERFACE,
	 LINK_COUNTER(missed)},
	{"gantry_interface_errors_total", "counter", "Errors that the device counted.",
	 GT_METRICS_INTERFACE, LINK_COUNTER(errors)},
	/* workers */
	{"gantry_worker_up", "gauge", "0: the worker's loop made no turn for a second.",
	 GT_METRICS_WORKER, PLAIN(worker_up)},
	{"gantry_worker_busy_ratio", "gauge",
	 "Share of the last second in which the worker had frames.", GT_METRICS_WORKER,
	 PLAIN(worker_busy)},
	{"gantry_worker_busy_seconds_total", "counter", "Time in which the worker had frames.",
	 GT_METRICS_WORKER, PLAIN(worker_busy_s)},
	{"gantry_connection_table_entries", "gauge",
	 "Connections and persistence records in the worker's table.", GT_METRICS_WORKER,
	 PLAIN(table_entries)},
	{"gantry_connection_table_capacity", "gauge", "What `connections` allows for.",
	 GT_METRICS_WORKER, PLAIN(table_capacity)},
	/* VIPs */
	{"gantry_vip_frames_total", "counter", "Frames forwarded.", GT_METRICS_VIP,
	 VIP_COUNTER(frames)},
	{"gantry_vip_bytes_total", "counter", "Bytes of Ethernet forwarded.", GT_METRICS_VIP,
	 VIP_COUNTER(bytes)},
	{"gantry_vip_assigned_connections_total", "counter", "Connections given to a server.",
	 GT_METRICS_VIP, VIP_COUNTER(connections)},
	{"gantry_vip_untracked_frames_total", "counter",
	 "Frames forwarded without an entry: the connection table was full.", GT_METRICS_VIP,
	 VIP_COUNTER(untracked)},
	{"gantry_vip_no_server_frames_total", "counter", "Frames dropped for want of a server.",
	 GT_METRICS_VIP, VIP_COUNTER(no_server)},
	{"gantry_vip_servers", "gauge", "Servers in the configuration.", GT_METRICS_VIP,
	 PLAIN(vip_servers)},
	{"gantry_vip_accepting_servers", "gauge", "Servers that take new connections.",
	 GT_METRICS_VIP, PLAIN(vip_accepting)},
	/* servers */
	{"gantry_server_up", "gauge", "1: healthy by its checks.", GT_METRICS_SERVER,
	 PLAIN(server_up)},
	{"gantry_server_enabled", "gauge", "0: drained or disabled by file or operator.",
	 GT_METRICS_SERVER, PLAIN(server_enabled)},
	{"gantry_server_accepting", "gauge", "1: takes new connections.", GT_METRICS_SERVER,
	 server_flag, GT_SERVER_TAKES},
	{"gantry_server_mac_resolved", "gauge", "1: its MAC, or its gateway's, is known.",
	 GT_METRICS_SERVER, server_flag, GT_SERVER_RESOLVED},
	{"gantry_server_weight", "gauge", "Its share of new connections.", GT_METRICS_SERVER,
	 PLAIN(server_weight)},
	{"gantry_server_checks_total", "counter", "Health checks by their result.",
	 GT_METRICS_CHECKED, PLAIN(checks)},
	{"gantry_server_check_possible", "gauge",
	 "0: the last check could not be made here: no route, no socket.", GT_METRICS_SERVER,
	 PLAIN(check_possible)},
	{"gantry_server_check_duration_seconds", "gauge", "How long the last check took.",
	 GT_METRICS_SERVER, PLAIN(check_duration)},
	{"gantry_server_connections", "gauge", "Connections that it has.", GT_METRICS_SERVER,
	 SERVER_COUNTER(active)},
	{"gantry_server_open_connections", "gauge",
	 "Connections that it has and that neither side has ended.", GT_METRICS_SERVER,
	 SERVER_COUNTER(open)},
	{"gantry_server_assigned_connections_total", "counter", "Connections given to it.",
	 GT_METRICS_SERVER, SERVER_COUNTER(connections)},
	{"gantry_server_frames_total", "counter", "Frames forwarded to it.", GT_METRICS_SERVER,
	 SERVER_COUNTER(frames)},
	{"gantry_server_bytes_total", "counter", "Bytes of Ethernet forwarded to it.",
	 GT_METRICS_SERVER, SERVER_COUNTER(bytes)},
	{"gantry_server_reply_frames_total", "counter",
	 "Frames that came back from it; nat and snat only.", GT_METRICS_SERVER,
	 SERVER_REPLIES(reply_frames)},
	{"gantry_server_reply_bytes_total", "counter",
	 "Bytes of Ethernet that came back from it; nat and snat only.", GT_METRICS_SERVER,
	 SERVER_REPLIES(reply_bytes)},
};
const size_t gt_metrics_n_families = sizeof(gt_metrics_families) / sizeof(gt_metrics_families[0]);
