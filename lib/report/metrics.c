/* SPDX-License-Identifier: BSD-3-Clause */
/* How a slice of the metrics is written; see metrics.h. */
#include <inttypes.h>
#include <stdio.h>

#include "report/metrics_internal.h"

/* Numbers looked at in one slice: most may stand for nothing, and each is a cold line. */
#define STEPS_MAX 8192

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

static uint32_t count_samples(const struct gt_metrics_view *v, enum gt_metrics_scope scope)
{
	switch (scope) {
	case GT_METRICS_NODE:
	case GT_METRICS_BUILD:
		break;
	case GT_METRICS_RESULT:
		return sizeof(results) / sizeof(results[0]);
	case GT_METRICS_REASON:
		return GT_DROP_REASON_COUNT;
	case GT_METRICS_INTERFACE:
		return v->m->n_links;
	case GT_METRICS_WORKER:
		return v->m->n_workers;
	case GT_METRICS_VIP:
		return v->plan->n_vips;
	case GT_METRICS_SERVER:
		return v->plan->n_servers;
	case GT_METRICS_CHECKED:
		return 2 * v->plan->n_servers;
	}
	return 1;
}

/* Does number i stand for something? */
static bool is_used(const struct gt_metrics_view *v, enum gt_metrics_scope scope, uint32_t i)
{
	if (scope == GT_METRICS_VIP)
		return v->plan->vip_names[i].vip != NULL;
	if (scope == GT_METRICS_CHECKED)
		i /= 2;
	return (scope != GT_METRICS_SERVER && scope != GT_METRICS_CHECKED) ||
	       v->plan->server_names[i].server != NULL;
}

/* vip="pacs",server="a" */
static void format_server(const struct gt_plan_names *names, char *buf, size_t size)
{
	char vip[LABEL_MAX], server[LABEL_MAX];

	snprintf(buf, size, "vip=\"%s\",server=\"%s\"", escape(names->vip->name, vip, sizeof(vip)),
		 escape(names->server->name, server, sizeof(server)));
}

/* "{vip="pacs",server="a"}", or nothing. */
static void format_labels(const struct gt_metrics_view *v, enum gt_metrics_scope scope, uint32_t i,
			  char *buf, size_t size)
{
	const struct gt_metrics *m = v->m;
	char a[2 * LABEL_MAX + 24], b[LABEL_MAX];

	switch (scope) {
	case GT_METRICS_NODE:
		buf[0] = '\0';
		break;
	case GT_METRICS_BUILD:
		snprintf(buf, size, "{node=\"%s\",version=\"%s\",dpdk=\"%s\"}",
			 escape(m->name, a, sizeof(a)), m->version, escape(m->dpdk, b, sizeof(b)));
		break;
	case GT_METRICS_RESULT:
		snprintf(buf, size, "{result=\"%s\"}", results[i]);
		break;
	case GT_METRICS_REASON:
		snprintf(buf, size, "{reason=\"%s\"}", gt_drop_name((enum gt_drop_reason)i));
		break;
	case GT_METRICS_INTERFACE:
		snprintf(buf, size, "{interface=\"%s\"}", escape(m->links[i].name, a, sizeof(a)));
		break;
	case GT_METRICS_WORKER:
		snprintf(buf, size, "{worker=\"%" PRIu32 "\",cpu=\"%d\"}", i, m->loops[i].cpu);
		break;
	case GT_METRICS_VIP:
		snprintf(buf, size, "{vip=\"%s\"}",
			 escape(v->plan->vip_names[i].vip->name, a, sizeof(a)));
		break;
	case GT_METRICS_SERVER:
		format_server(&v->plan->server_names[i], a, sizeof(a));
		snprintf(buf, size, "{%s}", a);
		break;
	case GT_METRICS_CHECKED:
		format_server(&v->plan->server_names[i / 2], a, sizeof(a));
		snprintf(buf, size, "{%s,result=\"%s\"}", a, i % 2 == 0 ? "healthy" : "failed");
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

static size_t write_sample(const struct gt_metrics_view *v, const struct gt_metrics_family *f,
			   uint32_t i, char *buf, size_t size)
{
	char labels[3 * LABEL_MAX + 64];
	double value;
	int n;

	if (!f->value(v, f, i, &value))
		return 0;
	format_labels(v, f->scope, i, labels, sizeof(labels));
	n = snprintf(buf, size, is_whole(value) ? "%s%s %.0f\n" : "%s%s %.15g\n", f->name, labels,
		     value);
	return (size_t)n;
}

static size_t write_head(const struct gt_metrics_family *f, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help,
				f->name, f->type);
}

bool gt_metrics_write(const struct gt_metrics *m, struct gt_metrics_cursor *at, char *buf,
		      size_t size, size_t *used)
{
	struct gt_metrics_view v = {.m = m, .plan = m->node->plan};
	unsigned steps = 0;

	*used = 0;
	gt_counters_add(&v.sum, &m->node->counters);
	for (unsigned w = 0; w < m->n_workers; w++)
		gt_counters_add(&v.sum, &m->workers[w]->counters);
	while (at->family < gt_metrics_n_families) {
		const struct gt_metrics_family *f = &gt_metrics_families[at->family];
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
