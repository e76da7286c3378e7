/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of all metrics, and how a slice of them is written; see metrics.h. */
#include "report/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Numbers looked at in one slice: most may stand for nothing, and each is a cold line. */
#define STEPS_MAX 8192

/* What a family has one sample of, and so which labels. */
enum scope {
	NODE,
	BUILD,
	RESULT, /* of a frame */
	REASON, /* of a drop */
	INTERFACE,
	WORKER,
	VIP,
	SERVER,
};

struct view {
	const struct gt_metrics *m;
	const struct gt_plan *plan;
	struct gt_counters sum;
};

struct family {
	const char *name, *type, *help;
	enum scope scope;
	/* The sample of number i. False: there is none. */
	bool (*value)(const struct view *v, const struct family *f, uint32_t i, double *value);
	size_t field; /* for `value`: of the struct that it reads */
};

/* ---- values ---- */

static uint64_t load(const void *base, size_t field)
{
	return __atomic_load_n((const uint64_t *)((const char *)base + field), __ATOMIC_RELAXED);
}

static bool one(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)v, (void)f, (void)i;
	*value = 1;
	return true;
}

static bool start_s(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = v->m->start_s;
	return true;
}

static bool generation(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = (double)v->plan->generation;
	return true;
}

/* A field of struct gt_counters, all workers and main together. */
static bool counter(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)i;
	*value = (double)load(&v->sum, f->field);
	return true;
}

static bool result(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	const uint64_t results[] = {v->sum.forwarded, v->sum.answered, v->sum.kernel,
				    gt_counters_dropped(&v->sum)};

	(void)f;
	*value = (double)results[i];
	return true;
}

static bool dropped(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = (double)v->sum.drops[i];
	return true;
}

static bool unresolved(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	const struct gt_neighbour *n;

	(void)f, (void)i;
	*value = 0;
	for (size_t k = 0; (n = gt_neighbours_at(v->m->node->neighbours, k)) != NULL; k++)
		*value += n->state == GT_NEIGHBOUR_UNRESOLVED;
	return true;
}

static bool snat_sessions(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = 0;
	for (unsigned w = 0; w < v->m->n_workers; w++)
		*value += __atomic_load_n(&v->m->workers[w]->snat.live, __ATOMIC_RELAXED);
	return v->m->node->snat;
}

static bool snat_used(const struct view *v, const struct family *f, uint32_t i, double *value)
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

static bool link_up(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->m->links[i].up;
	return true;
}

/* Devices in software have no speed. */
static bool link_speed(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->m->links[i].speed_mbps * 1e6 / 8;
	return v->m->links[i].speed_mbps != 0 && v->m->links[i].speed_mbps != UINT32_MAX;
}

static bool link_counter(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	*value = (double)load(&v->m->links[i], f->field);
	return true;
}

static bool interface_counter(const struct view *v, const struct family *f, uint32_t i,
			      double *value)
{
	*value = (double)load(&v->sum.interfaces[i], f->field);
	return true;
}

static bool worker_up(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = !v->m->loops[i].stuck;
	return true;
}

static bool worker_busy(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->m->loops[i].busy_ratio;
	return true;
}

static bool worker_busy_s(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->m->loops[i].busy_s;
	return true;
}

static bool table_entries(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = (double)load(&v->m->workers[i]->flows.entries, 0);
	return true;
}

static bool table_capacity(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f, (void)i;
	*value = v->m->node->config->connections;
	return true;
}

static bool vip_counter(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < v->m->n_workers; w++)
		sum += load(&v->m->workers[w]->vips[i], f->field);
	*value = (double)sum;
	return true;
}

static bool vip_servers(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = (double)v->plan->vip_names[i].vip->n_servers;
	return true;
}

static bool vip_accepting(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->vips[i].slots != NULL ? v->plan->vips[i].n_members : 0;
	return true;
}

/* Numbers that go up and down, too: what one worker took from another's is negative there. */
static bool server_counter(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < v->m->n_workers; w++)
		sum += load(&v->m->workers[w]->servers[i], f->field);
	/* A connection may move between the reading of two workers' halves of the sum. */
	*value = (int64_t)sum < 0 ? 0 : (double)sum;
	return true;
}

static bool server_replies(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	enum gt_mode mode = v->plan->server_names[i].vip->mode;

	return (mode == GT_MODE_NAT || mode == GT_MODE_SNAT) && server_counter(v, f, i, value);
}

static bool server_up(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.up;
	return true;
}

static bool server_enabled(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.admin == GT_ADMIN_ENABLED;
	return true;
}

static bool server_flag(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	*value = (v->plan->servers[i].flags & f->field) != 0;
	return true;
}

static bool server_weight(const struct view *v, const struct family *f, uint32_t i, double *value)
{
	(void)f;
	*value = v->plan->server_names[i].state.weight;
	return true;
}

/* ---- all families ---- */

#define PLAIN(value)	   value, 0
#define COUNTER(field)	   counter, offsetof(struct gt_counters, field)
#define LINK_COUNTER(name) link_counter, offsetof(struct gt_metrics_link, name)
#define IF_COUNTER(name)                                                                           \
	interface_counter, offsetof(struct gt_counters, interfaces[0].name) -                      \
				   offsetof(struct gt_counters, interfaces[0])
#define VIP_COUNTER(name)    vip_counter, offsetof(struct gt_vip_counters, name)
#define SERVER_COUNTER(name) server_counter, offsetof(struct gt_server_counters, name)
#define SERVER_REPLIES(name) server_replies, offsetof(struct gt_server_counters, name)

static const struct family families[] = {
	{"gantry_build_info", "gauge", "Always 1: the node's name and its versions.", BUILD,
	 PLAIN(one)},
	{"gantry_start_time_seconds", "gauge", "When gantry started, since 1970.", NODE,
	 PLAIN(start_s)},
	{"gantry_plan_generation", "gauge",
	 "Number of the plan in force: one more for each change of health, weights, MACs or "
	 "configuration.",
	 NODE, PLAIN(generation)},
	/* frames */
	{"gantry_received_frames_total", "counter", "Frames that came in.", NODE, COUNTER(in)},
	{"gantry_frames_total", "counter", "Frames by what became of them.", RESULT, PLAIN(result)},
	{"gantry_dropped_frames_total", "counter", "Dropped frames by reason.", REASON,
	 PLAIN(dropped)},
	{"gantry_handed_frames_total", "counter",
	 "Frames that one worker handed to another, which owns their connection.", NODE,
	 COUNTER(handed)},
	/* connections */
	{"gantry_connections_created_total", "counter", "Connections begun.", NODE,
	 COUNTER(created)},
	{"gantry_connections_expired_total", "counter", "Connections ended or forgotten.", NODE,
	 COUNTER(expired)},
	{"gantry_connections_evicted_total", "counter",
	 "Connections forgotten early because the table was full; part of the expired.", NODE,
	 COUNTER(evicted)},
	{"gantry_connections_moved_total", "counter",
	 "Connections that another server got because theirs went down.", NODE, COUNTER(moved)},
	{"gantry_snat_sessions", "gauge", "Connections that use a source port of ours.", NODE,
	 PLAIN(snat_sessions)},
	{"gantry_snat_ports_used_ratio", "gauge",
	 "Source ports in use or at rest, of the server and source address that have the fewest "
	 "left.",
	 NODE, PLAIN(snat_used)},
	/* neighbours */
	{"gantry_neighbours_unresolved", "gauge",
	 "Servers, gateways and clients whose MAC is asked for and not known.", NODE,
	 PLAIN(unresolved)},
	/* interfaces */
	{"gantry_interface_up", "gauge", "1: the link is up.", INTERFACE, PLAIN(link_up)},
	{"gantry_interface_speed_bytes", "gauge", "Bytes a second that the link can carry.",
	 INTERFACE, PLAIN(link_speed)},
	{"gantry_interface_receive_frames_total", "counter", "Frames that came in.", INTERFACE,
	 IF_COUNTER(in_frames)},
	{"gantry_interface_receive_bytes_total", "counter", "Bytes of Ethernet in, without FCS.",
	 INTERFACE, IF_COUNTER(in_bytes)},
	{"gantry_interface_transmit_frames_total", "counter", "Frames that went out.", INTERFACE,
	 IF_COUNTER(out_frames)},
	{"gantry_interface_transmit_bytes_total", "counter", "Bytes of Ethernet out, without FCS.",
	 INTERFACE, IF_COUNTER(out_bytes)},
	{"gantry_interface_missed_frames_total", "counter",
	 "Frames that the device lost: no worker fetched them in time.", INTERFACE,
	 LINK_COUNTER(missed)},
	{"gantry_interface_errors_total", "counter", "Errors that the device counted.", INTERFACE,
	 LINK_COUNTER(errors)},
	/* workers */
	{"gantry_worker_up", "gauge", "0: the worker's loop made no turn for a second.", WORKER,
	 PLAIN(worker_up)},
	{"gantry_worker_busy_ratio", "gauge",
	 "Share of the last second in which the worker had frames.", WORKER, PLAIN(worker_busy)},
	{"gantry_worker_busy_seconds_total", "counter", "Time in which the worker had frames.",
	 WORKER, PLAIN(worker_busy_s)},
	{"gantry_connection_table_entries", "gauge",
	 "Connections and persistence records in the worker's table.", WORKER,
	 PLAIN(table_entries)},
	{"gantry_connection_table_capacity", "gauge", "What `connections` allows for.", WORKER,
	 PLAIN(table_capacity)},
	/* VIPs */
	{"gantry_vip_frames_total", "counter", "Frames forwarded.", VIP, VIP_COUNTER(frames)},
	{"gantry_vip_bytes_total", "counter", "Bytes of Ethernet forwarded.", VIP,
	 VIP_COUNTER(bytes)},
	{"gantry_vip_assigned_connections_total", "counter", "Connections given to a server.", VIP,
	 VIP_COUNTER(connections)},
	{"gantry_vip_untracked_frames_total", "counter",
	 "Frames forwarded without an entry: the connection table was full.", VIP,
	 VIP_COUNTER(untracked)},
	{"gantry_vip_no_server_frames_total", "counter", "Frames dropped for want of a server.",
	 VIP, VIP_COUNTER(no_server)},
	{"gantry_vip_servers", "gauge", "Servers in the configuration.", VIP, PLAIN(vip_servers)},
	{"gantry_vip_accepting_servers", "gauge", "Servers that take new connections.", VIP,
	 PLAIN(vip_accepting)},
	/* servers */
	{"gantry_server_up", "gauge", "1: healthy by its checks.", SERVER, PLAIN(server_up)},
	{"gantry_server_enabled", "gauge", "0: drained or disabled by file or operator.", SERVER,
	 PLAIN(server_enabled)},
	{"gantry_server_accepting", "gauge", "1: takes new connections.", SERVER, server_flag,
	 GT_SERVER_TAKES},
	{"gantry_server_mac_resolved", "gauge", "1: its MAC, or its gateway's, is known.", SERVER,
	 server_flag, GT_SERVER_RESOLVED},
	{"gantry_server_weight", "gauge", "Its share of new connections.", SERVER,
	 PLAIN(server_weight)},
	{"gantry_server_connections", "gauge", "Connections that it has.", SERVER,
	 SERVER_COUNTER(active)},
	{"gantry_server_open_connections", "gauge",
	 "Connections that it has and that neither side has ended.", SERVER, SERVER_COUNTER(open)},
	{"gantry_server_assigned_connections_total", "counter", "Connections given to it.", SERVER,
	 SERVER_COUNTER(connections)},
	{"gantry_server_frames_total", "counter", "Frames forwarded to it.", SERVER,
	 SERVER_COUNTER(frames)},
	{"gantry_server_bytes_total", "counter", "Bytes of Ethernet forwarded to it.", SERVER,
	 SERVER_COUNTER(bytes)},
	{"gantry_server_reply_frames_total", "counter",
	 "Frames that came back from it; nat and snat only.", SERVER, SERVER_REPLIES(reply_frames)},
	{"gantry_server_reply_bytes_total", "counter",
	 "Bytes of Ethernet that came back from it; nat and snat only.", SERVER,
	 SERVER_REPLIES(reply_bytes)},
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

/* ---- labels ---- */

static const char *const results[] = {"forwarded", "answered", "kernel", "dropped"};

/* A value as the format wants it: \, " and newline escaped. Returns buf. */
static const char *escape(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	for (; *s != '\0' && n + 3 < size; s++) {
		if (*s == '\\' || *s == '"' || *s == '\n')
			buf[n++] = '\\';
		buf[n++] = *s == '\n' ? 'n' : *s;
	}
	buf[n] = '\0';
	return buf;
}

#define LABEL_MAX (2 * GT_NAME_MAX + 4)

static uint32_t count_samples(const struct view *v, enum scope scope)
{
	switch (scope) {
	case NODE:
	case BUILD:
		break;
	case RESULT:
		return sizeof(results) / sizeof(results[0]);
	case REASON:
		return GT_DROP_REASON_COUNT;
	case INTERFACE:
		return v->m->n_links;
	case WORKER:
		return v->m->n_workers;
	case VIP:
		return v->plan->n_vips;
	case SERVER:
		return v->plan->n_servers;
	}
	return 1;
}

/* Does number i stand for something? */
static bool is_used(const struct view *v, enum scope scope, uint32_t i)
{
	if (scope == VIP)
		return v->plan->vip_names[i].vip != NULL;
	return scope != SERVER || v->plan->server_names[i].server != NULL;
}

/* "{vip="pacs",server="a"}", or nothing. */
static void format_labels(const struct view *v, enum scope scope, uint32_t i, char *buf,
			  size_t size)
{
	const struct gt_metrics *m = v->m;
	char a[LABEL_MAX], b[LABEL_MAX];

	switch (scope) {
	case NODE:
		buf[0] = '\0';
		break;
	case BUILD:
		snprintf(buf, size, "{node=\"%s\",version=\"%s\",dpdk=\"%s\"}",
			 escape(m->name, a, sizeof(a)), m->version, escape(m->dpdk, b, sizeof(b)));
		break;
	case RESULT:
		snprintf(buf, size, "{result=\"%s\"}", results[i]);
		break;
	case REASON:
		snprintf(buf, size, "{reason=\"%s\"}", gt_drop_name((enum gt_drop_reason)i));
		break;
	case INTERFACE:
		snprintf(buf, size, "{interface=\"%s\"}", escape(m->links[i].name, a, sizeof(a)));
		break;
	case WORKER:
		snprintf(buf, size, "{worker=\"%" PRIu32 "\",cpu=\"%d\"}", i, m->loops[i].cpu);
		break;
	case VIP:
		snprintf(buf, size, "{vip=\"%s\"}",
			 escape(v->plan->vip_names[i].vip->name, a, sizeof(a)));
		break;
	case SERVER:
		snprintf(buf, size, "{vip=\"%s\",server=\"%s\"}",
			 escape(v->plan->server_names[i].vip->name, a, sizeof(a)),
			 escape(v->plan->server_names[i].server->name, b, sizeof(b)));
		break;
	}
}

/* ---- the text ---- */

/* Prometheus reads every number as a double: whole ones, as those behind 2^53 are, are written
 * whole. None is negative. */
static bool is_whole(double value)
{
	return value >= 0x1p53 || value == (double)(uint64_t)value;
}

static size_t write_sample(const struct view *v, const struct family *f, uint32_t i, char *buf,
			   size_t size)
{
	char labels[3 * LABEL_MAX];
	double value;
	int n;

	if (!f->value(v, f, i, &value))
		return 0;
	format_labels(v, f->scope, i, labels, sizeof(labels));
	n = snprintf(buf, size, is_whole(value) ? "%s%s %.0f\n" : "%s%s %.15g\n", f->name, labels,
		     value);
	return (size_t)n;
}

static size_t write_head(const struct family *f, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help,
				f->name, f->type);
}

bool gt_metrics_write(const struct gt_metrics *m, struct gt_metrics_cursor *at, char *buf,
		      size_t size, size_t *used)
{
	struct view v = {.m = m, .plan = m->node->plan};
	unsigned steps = 0;

	*used = 0;
	gt_counters_add(&v.sum, &m->node->counters);
	for (unsigned w = 0; w < m->n_workers; w++)
		gt_counters_add(&v.sum, &m->workers[w]->counters);
	while (at->family < N_FAMILIES) {
		const struct family *f = &families[at->family];
		uint32_t n = count_samples(&v, f->scope);

		if (size - *used < GT_METRICS_ROOM_MIN || steps >= STEPS_MAX)
			return true;
		if (at->next == 0)
			*used += write_head(f, buf + *used, size - *used);
		for (; at->next < n; at->next++) {
			/* Not between a head and its first line: it would come again. */
			if (at->next > 0 &&
			    (size - *used < GT_METRICS_ROOM_MIN / 2 || steps >= STEPS_MAX))
				return true;
			steps++;
			if (is_used(&v, f->scope, at->next))
				*used += write_sample(&v, f, at->next, buf + *used, size - *used);
		}
		at->family++;
		at->next = 0;
	}
	return false;
}
