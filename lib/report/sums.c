/* SPDX-License-Identifier: BSD-3-Clause */
/* What all workers together counted; see sums.h. */
#include "report/sums.h"

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct gt_vip_counters gt_sum_vip(struct gt_worker *const *workers, unsigned n, uint32_t vip)
{
	struct gt_vip_counters sum = {0};

	for (unsigned i = 0; i < n; i++) {
		const struct gt_vip_counters *c = &workers[i]->vips[vip];

		sum.frames += load(&c->frames);
		sum.bytes += load(&c->bytes);
		sum.connections += load(&c->connections);
		sum.untracked += load(&c->untracked);
		sum.no_server += load(&c->no_server);
	}
	return sum;
}

struct gt_server_counters gt_sum_server(struct gt_worker *const *workers, unsigned n,
					uint32_t server)
{
	struct gt_server_counters sum = {0};

	for (unsigned i = 0; i < n; i++) {
		const struct gt_server_counters *c = &workers[i]->servers[server];

		sum.frames += load(&c->frames);
		sum.bytes += load(&c->bytes);
		sum.connections += load(&c->connections);
		sum.active += __atomic_load_n(&c->active, __ATOMIC_RELAXED);
		sum.open += __atomic_load_n(&c->open, __ATOMIC_RELAXED);
		sum.reply_frames += load(&c->reply_frames);
		sum.reply_bytes += load(&c->reply_bytes);
	}
	if (sum.active < 0)
		sum.active = 0;
	if (sum.open < 0)
		sum.open = 0;
	return sum;
}
