/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of `gantry bench`, made of samples; see bench_measure.h. */
#include "bench_measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
}

void gt_bench_summarize(const struct gt_bench_samples *s, struct gt_bench_row *row)
{
	double v[5][GT_BENCH_SAMPLES_MAX], bound;
	unsigned n = 0;

	memcpy(v[0], s->floor_ns, s->n * sizeof(v[0][0]));
	memcpy(v[1], s->ns, s->n * sizeof(v[1][0]));
	sort(v[0], s->n);
	sort(v[1], s->n);
	row->rounds = s->n;
	row->floor_least_ns = v[0][0];
	row->floor_most_ns = v[0][s->n - 1];
	row->least_ns = v[1][0];
	row->most_ns = v[1][s->n - 1];
	bound = GT_BENCH_PHASE * v[0][s->n / 4];
	for (unsigned i = 0; i < s->n; i++) {
		if (s->floor_ns[i] > bound)
			continue;
		v[0][n] = s->floor_ns[i];
		v[1][n] = s->ns[i];
		v[2][n] = s->base_ns[i];
		v[3][n] = s->base_ns[i] / s->ns[i];
		v[4][n++] = s->floor_ns[i] / s->ns[i];
	}
	for (unsigned i = 0; i < 5; i++)
		sort(v[i], n);
	row->best = n;
	row->floor_ns = v[0][n / 2];
	row->ns = v[1][n / 2];
	row->base_ns = v[2][n / 2];
	row->share = v[3][n / 2];
	row->of_floor = v[4][n / 2];
}

void gt_bench_tell(const struct gt_bench *b, struct gt_bench_row *row, const char *why)
{
	double least = b->least_floor_ns[row->v6];

	row->slow = row->vip != NULL && row->floor_ns > GT_BENCH_PHASE * least;
	if (why != NULL)
		snprintf(row->failed, sizeof(row->failed), "%s", why);
	b->sink->row(b->sink->ctx, row);
}

struct gt_bench_row gt_bench_begin_row(const struct gt_config_vip *vip, const char *what,
				       uint32_t flows)
{
	return (struct gt_bench_row){.what = what,
				     .vip = vip->name,
				     .mode = gt_mode_name(vip->mode),
				     .v6 = !gt_addr_is_v4(&vip->address),
				     .flows = flows,
				     .workers = 1,
				     .random = true};
}

bool gt_bench_took_all(const struct gt_worker *w, char *why, size_t size)
{
	const struct gt_counters *c = &w->counters;
	uint64_t untracked = 0;

	for (unsigned i = 0; i < GT_VIPS_MAX; i++)
		untracked += w->vips[i].untracked;
	if (c->forwarded == c->in && untracked <= c->in / 50000)
		return true;
	snprintf(why, size, "%" PRIu64 " of %" PRIu64 " frames were dropped or found no room",
		 c->in - c->forwarded + untracked, c->in);
	return false;
}

/*
 * The machine's phases last for seconds or minutes, in which all rounds of a row may be slow. So
 * there are up to three times as many, until half of what is asked for was as fast as it can be.
 */
bool gt_bench_has_enough(const struct gt_bench *b, bool v6, const struct gt_bench_samples *samples)
{
	double *least = &b->least_floor_ns[v6];
	unsigned best = 0;

	for (unsigned i = 0; i < samples->n; i++)
		if (*least == 0 || samples->floor_ns[i] < *least)
			*least = samples->floor_ns[i];
	for (unsigned i = 0; i < samples->n; i++)
		best += samples->floor_ns[i] <= GT_BENCH_PHASE * *least;
	return samples->n >= b->options->rounds &&
	       (best >= (b->options->rounds + 1) / 2 || samples->n >= 3 * b->options->rounds);
}
