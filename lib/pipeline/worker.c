/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's birth, end, and what time alone brings; see pipeline.h. */
#include "pipeline/pipeline.h"

#include <netinet/in.h>

#include "pipeline/burst.h"
#include "pipeline/internal.h"

/* The whole table is swept so often... */
#define SWEEP_ROUND_MS 10000
/* ... but not more than this at once, about 50 us of cold lines: a burst must not wait longer. */
#define SWEEP_BUCKETS_MAX 512

/* Do connections of this VIP need wide entries: IPv6, or a port that the service does not tell? */
static bool is_wide(const struct gt_config_vip *vip)
{
	return !gt_addr_is_v4(&vip->address) || gt_ports_count(vip) > GT_PORTS_EXPANDED_MAX;
}

void gt_worker_params_init(struct gt_worker_params *params, const struct gt_config *config)
{
	*params = (struct gt_worker_params){.connections = config->connections,
					    .snat = gt_config_needs_snat(config),
					    .steer = {.n_workers = config->workers}};
	for (size_t i = 0; i < config->n_vips; i++)
		params->wide |= is_wide(&config->vips[i]);
}

struct gt_worker *gt_worker_create(const struct gt_worker_params *params)
{
	const struct gt_memory *m = &params->memory;
	struct gt_worker *w = m->alloc(m->ctx, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->memory = *m;
	w->burst = gt_burst_select();
	w->steer = params->steer;
	if (w->steer.n_workers == 0)
		w->steer.n_workers = 1;
	w->loads = params->loads;
	w->shares_turns = params->turns != NULL;
	w->turns = w->shares_turns ? params->turns : m->alloc(m->ctx, sizeof(*w->turns));
	w->servers = m->alloc(m->ctx, GT_SERVERS_MAX * sizeof(*w->servers));
	w->vips = m->alloc(m->ctx, GT_VIPS_MAX * sizeof(*w->vips));
	if (w->servers == NULL || w->vips == NULL || w->turns == NULL ||
	    gt_flow_create(&w->flows, params->connections, params->wide, params->random, m) != 0 ||
	    gt_fragments_create(&w->fragments, params->random, m) != 0 ||
	    (params->snat != GT_CONFIG_SNAT_NONE &&
	     gt_snat_create(&w->snat, params->connections, params->snat == GT_CONFIG_SNAT_V6,
			    w->steer.worker, w->steer.n_workers, params->random, m) != 0)) {
		gt_worker_destroy(w);
		return NULL;
	}
	return w;
}

void gt_worker_destroy(struct gt_worker *w)
{
	struct gt_memory m;

	if (w == NULL)
		return;
	m = w->memory;
	gt_snat_destroy(&w->snat);
	gt_fragments_destroy(&w->fragments);
	gt_flow_destroy(&w->flows);
	if (!w->shares_turns)
		m.free(m.ctx, w->turns);
	m.free(m.ctx, w->vips);
	m.free(m.ctx, w->servers);
	m.free(m.ctx, w);
}

static uint16_t count_workers(const struct gt_worker_params *params)
{
	return params->steer.n_workers > 0 ? params->steer.n_workers : 1;
}

uint64_t gt_worker_bytes(const struct gt_worker_params *params)
{
	return sizeof(struct gt_worker) + GT_SERVERS_MAX * sizeof(struct gt_server_counters) +
	       GT_VIPS_MAX * sizeof(struct gt_vip_counters) + sizeof(struct gt_turns) +
	       gt_flow_bytes(params->connections, params->wide) + gt_fragments_bytes() +
	       (params->snat != GT_CONFIG_SNAT_NONE
			? gt_snat_bytes(params->connections, params->snat == GT_CONFIG_SNAT_V6,
					count_workers(params))
			: 0);
}

uint64_t gt_worker_piece_bytes(const struct gt_worker_params *params)
{
	uint64_t flows = gt_flow_bytes(params->connections, params->wide);
	uint64_t snat = params->snat == GT_CONFIG_SNAT_NONE
				? 0
				: gt_snat_piece_bytes(params->connections,
						      params->snat == GT_CONFIG_SNAT_V6,
						      count_workers(params));

	return flows > snat ? flows : snat;
}

void gt_worker_expire_held(struct gt_worker *w, uint64_t now_ms, bool all)
{
	struct gt_frame *out = &w->released[w->n_released];
	unsigned n = gt_fragments_expire(&w->fragments, now_ms, all, out);

	for (unsigned i = 0; i < n; i++)
		gt_worker_drop(w, &out[i], GT_DROP_FRAGMENT_TIMEOUT);
	w->n_released += n;
}

void gt_worker_to_kernel(struct gt_worker *w, struct gt_frame *frame, const struct gt_packet *p)
{
	bool opens = (p->tcp_flags & (GT_TCP_SYN | GT_TCP_ACK)) == GT_TCP_SYN;

	frame->verdict = GT_KERNEL;
	frame->yields = p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_ICMP ||
			p->protocol == IPPROTO_ICMPV6 || opens || p->fragment != GT_FRAGMENT_NONE;
	w->counters.kernel++;
}

void gt_worker_miss(struct gt_worker *w, struct gt_frame *frame, uint8_t interface,
		    const struct gt_addr *hop)
{
	gt_worker_drop(w, frame, GT_DROP_NO_NEIGHBOUR);
	w->missed[w->n_missed % GT_MISSED_MAX] = (struct gt_missed){*hop, interface};
	__atomic_store_n(&w->n_missed, w->n_missed + 1, __ATOMIC_RELEASE);
}

static void sweep(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms, uint32_t n)
{
	struct gt_flow_judge judge = gt_worker_judge(w);

	gt_worker_take_plan(w, plan);
	w->tick = gt_tick(now_ms);
	gt_flow_sweep(&w->flows, n, gt_tick(now_ms), &judge);
}

void gt_worker_tick(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms)
{
	uint64_t due;

	w->n_released = 0;
	gt_worker_expire_held(w, now_ms, false);

	if (w->swept_ms == 0 || now_ms < w->swept_ms) {
		w->swept_ms = now_ms;
		return;
	}
	/* What is due but not a whole bucket yet is kept: a small table is swept as often. */
	w->sweep_credit += (now_ms - w->swept_ms) * w->flows.n_buckets;
	w->swept_ms = now_ms;
	due = w->sweep_credit / SWEEP_ROUND_MS;
	if (due == 0)
		return;
	w->sweep_credit %= SWEEP_ROUND_MS;
	if (due > SWEEP_BUCKETS_MAX)
		due = SWEEP_BUCKETS_MAX;
	sweep(w, plan, now_ms, (uint32_t)due);
}

void gt_worker_flush(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms)
{
	w->n_released = 0;
	gt_worker_expire_held(w, now_ms, true);
	sweep(w, plan, now_ms, w->flows.n_buckets);
}

void gt_worker_unsent(struct gt_worker *w, const struct gt_frame *frame, enum gt_drop_reason why)
{
	if (frame->verdict == GT_ANSWER)
		w->counters.answered--;
	else
		w->counters.forwarded--;
	w->counters.drops[why]++;
	w->counters.interfaces[frame->out_if].out_frames--;
	w->counters.interfaces[frame->out_if].out_bytes -= frame->wire_len;
}

void gt_worker_unhanded(struct gt_worker *w, struct gt_frame *frame)
{
	w->counters.handed--;
	gt_worker_drop(w, frame, GT_DROP_HAND_FULL);
}

void gt_worker_unkernel(struct gt_worker *w, struct gt_frame *frame)
{
	w->counters.kernel--;
	gt_worker_drop(w, frame, GT_DROP_KERNEL_FULL);
}

void gt_worker_unpunted(struct gt_worker *w, struct gt_frame *frame)
{
	gt_worker_drop(w, frame, GT_DROP_PUNT_FULL);
}
