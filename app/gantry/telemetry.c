/* SPDX-License-Identifier: BSD-3-Clause */
/* gantry's numbers in DPDK's telemetry; see telemetry.h. What DPDK 22.11 can carry shapes the
 * answers:
 *
 * - An answer has room for 16 KB of JSON, and what is longer is cut without a word: lists come in
 *   pages.
 * - Dictionaries and arrays may not hold dictionaries: a list is a dictionary of its columns.
 * - Keys of a dictionary may not hold all that names of VIPs and servers may: those are values.
 */
#include "telemetry.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "mailbox.h"
#include "metrics.h"
#include "report/sums.h"
#include "run.h"
#include "version.h"

/* Rows in one answer: each of at most 400 bytes. Workers all fit: theirs are short. */
#define PAGE	    24
#define ROWS_MAX    (GT_WORKERS_MAX > PAGE ? GT_WORKERS_MAX : PAGE)
#define NAMES_MAX   2
#define COLUMNS_MAX 12

/* What is asked for, and what main fills in. */
struct page {
	/* asked for */
	const char *vip; /* NULL: all */
	uint32_t first;	 /* skips so many */
	/* answered */
	bool found; /* there is such a VIP */
	unsigned n;
	struct row {
		char names[NAMES_MAX][GT_NAME_MAX + 1];
		uint64_t values[COLUMNS_MAX];
	} rows[ROWS_MAX];
};

/* The columns of a list: of `names` first, then of `values`; NULL ends both. */
struct columns {
	const char *names[NAMES_MAX + 1];
	const char *values[COLUMNS_MAX + 1];
};

static const struct columns vip_columns = {
	{"vip"},
	{"frames", "bytes", "connections", "untracked", "no_server", "servers",
	 "accepting_servers"},
};

static const struct columns server_columns = {
	{"vip", "server"},
	{"up", "enabled", "accepting", "mac_resolved", "weight", "active", "open", "connections",
	 "frames", "bytes", "reply_frames", "reply_bytes"},
};

static const struct columns worker_columns = {
	{NULL},
	{"worker", "cpu", "up", "busy_percent", "busy_ms", "table_entries"},
};

/* ---- on main ---- */

struct status {
	char name[GT_NAME_MAX + 1];
	uint64_t uptime_s, plan;
	struct gt_counters sum;
};

static void list_workers(const struct gt_run *r, struct gt_worker **workers)
{
	gt_run_workers(r, workers);
}

static void read_status(struct gt_run *r, void *arg)
{
	struct status *s = arg;

	memcpy(s->name, r->name, sizeof(s->name));
	s->uptime_s = (gt_clock_ms() - r->started_ms) / 1000;
	s->plan = r->node->plan->generation;
	gt_counters_add(&s->sum, &r->node->counters);
	for (unsigned i = 0; i < r->n_lcores; i++)
		gt_counters_add(&s->sum, &r->lcores[i]->worker->counters);
}

static void read_workers(struct gt_run *r, void *arg)
{
	struct page *p = arg;

	for (; p->n < r->n_lcores; p->n++) {
		struct gt_metrics_loop l = gt_metrics_of_loop(r, p->n);
		const struct gt_worker *w = r->lcores[p->n]->worker;

		p->rows[p->n] = (struct row){
			.values = {p->n, (uint64_t)l.cpu, !l.stuck,
				   (uint64_t)(l.busy_ratio * 100 + 0.5),
				   (uint64_t)(l.busy_s * 1000),
				   __atomic_load_n(&w->flows.entries, __ATOMIC_RELAXED)}};
	}
}

/* The VIP that a page asks for. False: there is none of that name. *vip NULL: all are asked for. */
static bool find_vip(const struct gt_plan *plan, struct page *p, const struct gt_config_vip **vip)
{
	*vip = NULL;
	p->found = p->vip == NULL;
	for (uint32_t i = 0; i < plan->n_vips && !p->found; i++) {
		*vip = plan->vip_names[i].vip;
		p->found = *vip != NULL && strcmp((*vip)->name, p->vip) == 0;
	}
	return p->found;
}

static struct row vip_row(const struct gt_run *r, struct gt_worker *const *workers, uint32_t i)
{
	const struct gt_plan *plan = r->node->plan;
	struct gt_vip_counters sum = gt_sum_vip(workers, r->n_lcores, i);
	struct row row = {.values = {sum.frames, sum.bytes, sum.connections, sum.untracked,
				     sum.no_server, plan->vip_names[i].vip->n_servers,
				     plan->vips[i].slots != NULL ? plan->vips[i].n_members : 0}};

	memcpy(row.names[0], plan->vip_names[i].vip->name, sizeof(row.names[0]));
	return row;
}

static struct row server_row(const struct gt_run *r, struct gt_worker *const *workers, uint32_t i)
{
	const struct gt_plan *plan = r->node->plan;
	const struct gt_plan_names *names = &plan->server_names[i];
	struct gt_server_counters sum = gt_sum_server(workers, r->n_lcores, i);
	uint8_t flags = plan->servers[i].flags;
	struct row row = {.values = {names->state.up, names->state.admin == GT_ADMIN_ENABLED,
				     (flags & GT_SERVER_TAKES) != 0,
				     (flags & GT_SERVER_RESOLVED) != 0, names->state.weight,
				     (uint64_t)sum.active, (uint64_t)sum.open, sum.connections,
				     sum.frames, sum.bytes, sum.reply_frames, sum.reply_bytes}};

	memcpy(row.names[0], names->vip->name, sizeof(row.names[0]));
	memcpy(row.names[1], names->server->name, sizeof(row.names[1]));
	return row;
}

/* VIPs, or servers: those of one VIP, or all. */
static void
read_list(struct gt_run *r, struct page *p, const struct gt_plan_names *names, uint32_t n,
	  struct row (*row)(const struct gt_run *r, struct gt_worker *const *workers, uint32_t i))
{
	struct gt_worker *workers[GT_WORKERS_MAX];
	const struct gt_config_vip *only;
	uint32_t skip = p->first;

	list_workers(r, workers);
	if (!find_vip(r->node->plan, p, &only))
		return;
	for (uint32_t i = 0; i < n && p->n < PAGE; i++) {
		if (names[i].vip == NULL || (only != NULL && names[i].vip != only))
			continue;
		if (skip > 0)
			skip--;
		else
			p->rows[p->n++] = row(r, workers, i);
	}
}

static void read_vips(struct gt_run *r, void *arg)
{
	read_list(r, arg, r->node->plan->vip_names, r->node->plan->n_vips, vip_row);
}

static void read_servers(struct gt_run *r, void *arg)
{
	read_list(r, arg, r->node->plan->server_names, r->node->plan->n_servers, server_row);
}

/* ---- in a thread of telemetry ---- */

/* "VIP", "VIP,FIRST", ",FIRST" or nothing; a copy, to be freed, has the words. False: not so. */
static bool parse(const char *params, bool has_vip, char **copy, struct page *p)
{
	char *rest, *end;

	*copy = strdup(params != NULL ? params : "");
	if (*copy == NULL)
		return false;
	rest = *copy;
	if (has_vip && *rest != '\0')
		p->vip = strsep(&rest, ",");
	if (p->vip != NULL && *p->vip == '\0')
		p->vip = NULL; /* ",24": of all */
	if (rest == NULL || *rest == '\0')
		return true;
	p->first = (uint32_t)strtoul(rest, &end, 10);
	return *rest >= '0' && *rest <= '9' && *end == '\0';
}

/* Fills a page by `read`. 0, -errno. */
static int ask(const char *params, bool has_vip, gt_mailbox_fn *read, struct page *p)
{
	char *copy;
	int rc = -EINVAL;

	if (parse(params, has_vip, &copy, p))
		rc = gt_mailbox_ask(read, p);
	if (rc == 0 && p->vip != NULL && !p->found)
		rc = -ENOENT;
	free(copy);
	p->vip = NULL;
	return rc;
}

/* An array at a key of a dictionary; NULL: no memory. */
static struct rte_tel_data *add_array(struct rte_tel_data *d, const char *key,
				      enum rte_tel_value_type type)
{
	struct rte_tel_data *array = rte_tel_data_alloc();

	if (array != NULL && rte_tel_data_start_array(array, type) == 0 &&
	    rte_tel_data_add_dict_container(d, key, array, 0) == 0)
		return array;
	rte_tel_data_free(array);
	return NULL;
}

static int show_columns(struct rte_tel_data *d, const struct columns *c, const struct page *p)
{
	struct rte_tel_data *column;
	int rc = rte_tel_data_start_dict(d);

	for (unsigned k = 0; rc == 0 && c->names[k] != NULL; k++) {
		column = add_array(d, c->names[k], RTE_TEL_STRING_VAL);
		rc = column != NULL ? 0 : -ENOMEM;
		for (unsigned i = 0; rc == 0 && i < p->n; i++)
			rc = rte_tel_data_add_array_string(column, p->rows[i].names[k]);
	}
	for (unsigned k = 0; rc == 0 && c->values[k] != NULL; k++) {
		column = add_array(d, c->values[k], RTE_TEL_U64_VAL);
		rc = column != NULL ? 0 : -ENOMEM;
		for (unsigned i = 0; rc == 0 && i < p->n; i++)
			rc = rte_tel_data_add_array_u64(column, p->rows[i].values[k]);
	}
	return rc;
}

static int show_row(struct rte_tel_data *d, const struct columns *c, const struct row *row)
{
	int rc = rte_tel_data_start_dict(d);

	for (unsigned k = 0; rc == 0 && c->names[k] != NULL; k++)
		rc = rte_tel_data_add_dict_string(d, c->names[k], row->names[k]);
	for (unsigned k = 0; rc == 0 && c->values[k] != NULL; k++)
		rc = rte_tel_data_add_dict_u64(d, c->values[k], row->values[k]);
	return rc;
}

static int on_vips(const char *command, const char *params, struct rte_tel_data *d)
{
	struct page p = {0};
	int rc = ask(params, false, read_vips, &p);

	(void)command;
	return rc != 0 ? rc : show_columns(d, &vip_columns, &p);
}

static int on_vip(const char *command, const char *params, struct rte_tel_data *d)
{
	struct page p = {0};
	int rc = params == NULL || *params == '\0' ? -EINVAL : ask(params, true, read_vips, &p);

	(void)command;
	if (rc == 0 && p.n == 0)
		rc = -ENOENT;
	return rc != 0 ? rc : show_row(d, &vip_columns, &p.rows[0]);
}

static int on_servers(const char *command, const char *params, struct rte_tel_data *d)
{
	struct page p = {0};
	int rc = ask(params, true, read_servers, &p);

	(void)command;
	return rc != 0 ? rc : show_columns(d, &server_columns, &p);
}

static int on_workers(const char *command, const char *params, struct rte_tel_data *d)
{
	struct page p = {0};
	int rc = ask(NULL, false, read_workers, &p);

	(void)command, (void)params;
	return rc != 0 ? rc : show_columns(d, &worker_columns, &p);
}

static int on_status(const char *command, const char *params, struct rte_tel_data *d)
{
	struct status s = {0};
	int rc = gt_mailbox_ask(read_status, &s);

	(void)command, (void)params;
	if (rc == 0)
		rc = rte_tel_data_start_dict(d);
	if (rc != 0)
		return rc;
	rte_tel_data_add_dict_string(d, "node", s.name);
	rte_tel_data_add_dict_string(d, "version", GT_VERSION);
	rte_tel_data_add_dict_u64(d, "uptime_s", s.uptime_s);
	rte_tel_data_add_dict_u64(d, "plan", s.plan);
	rte_tel_data_add_dict_u64(d, "in", s.sum.in);
	rte_tel_data_add_dict_u64(d, "forwarded", s.sum.forwarded);
	rte_tel_data_add_dict_u64(d, "answered", s.sum.answered);
	rte_tel_data_add_dict_u64(d, "kernel", s.sum.kernel);
	rte_tel_data_add_dict_u64(d, "dropped", gt_counters_dropped(&s.sum));
	rte_tel_data_add_dict_u64(d, "created", s.sum.created);
	rte_tel_data_add_dict_u64(d, "expired", s.sum.expired);
	rte_tel_data_add_dict_u64(d, "evicted", s.sum.evicted);
	rte_tel_data_add_dict_u64(d, "moved", s.sum.moved);
	return 0;
}

static int on_drops(const char *command, const char *params, struct rte_tel_data *d)
{
	struct status s = {0};
	int rc = gt_mailbox_ask(read_status, &s);

	(void)command, (void)params;
	if (rc == 0)
		rc = rte_tel_data_start_dict(d);
	for (size_t i = 0; rc == 0 && i < GT_DROP_REASON_COUNT; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s", gt_drop_name((enum gt_drop_reason)i));
		for (char *c = key; *c != '\0'; c++)
			if (*c == '-')
				*c = '_';
		rc = rte_tel_data_add_dict_u64(d, key, s.sum.drops[i]);
	}
	return rc;
}

void gt_telemetry_register(const struct gt_log *log)
{
	static const struct {
		const char *name;
		telemetry_cb fn;
		const char *help;
	} commands[] = {
		{"/gantry/status", on_status, "Frames and connections of the node. No parameters"},
		{"/gantry/drops", on_drops, "Dropped frames by reason. No parameters"},
		{"/gantry/workers", on_workers, "Load of each worker. No parameters"},
		{"/gantry/vips", on_vips, "24 VIPs. Parameters: how many to skip"},
		{"/gantry/vip", on_vip, "One VIP. Parameters: its name"},
		{"/gantry/servers", on_servers,
		 "24 servers. Parameters: a VIP's name, how many to skip"},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		rc = rte_telemetry_register_cmd(commands[i].name, commands[i].fn, commands[i].help);
	if (rc != 0)
		gt_log(log, LOG_WARNING, "DPDK's telemetry does not get gantry's numbers: %s",
		       strerror(-rc));
}
