/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that go alone, one behind the other by one way: see express.c, into whose loop they are
 * inlined. */
#ifndef GT_PIPELINE_EXPRESS_RUN_H
#define GT_PIPELINE_EXPRESS_RUN_H

#include "pipeline/express_send.h"

/* ---- runs ----
 * Frames of one mode mostly come one behind the other: each has a loop of its own, over the frames
 * from here on that are its and take their way: how many. The first that is not is not changed.
 */

/* nat, and dr and tunnels by source; of nat both ways. */
static __rte_noinline unsigned run_server(struct reach *r, struct gt_frame *frames,
					  const struct express *express, unsigned n)
{
	unsigned i = 0;

	for (; i < n; i++) {
		const struct express *x = &express[i];
		struct gt_frame *f = &frames[i];

		if (x->way == WAY_SERVER ? !to_server(r, f, x)
					 : x->way != WAY_NAT_REPLY || !nat_reply(r, f, x))
			break;
	}
	return i;
}

/* snat, both ways, of one family. `reply`: the way of its replies. */
static __rte_always_inline bool take_session(struct reach *r, struct gt_frame *f,
					     const struct express *x, bool v6, uint8_t reply)
{
	/* A frame of the general path has nothing but its way. */
	if (x->way == WAY_SESSION)
		return x->v6 == v6 && to_session(r, f, x, v6);
	return x->way == reply && x->v6 == v6 && session_reply(r, f, x, v6);
}

/* So much is read here that a copy of *r would not stay in registers. */
static __rte_always_inline unsigned run_session(struct reach *r, struct gt_frame *frames,
						const struct express *express, unsigned n, bool v6)
{
	/* If a reply's pair is still the packet's, so is its port; else no reply is taken. */
	uint8_t reply =
		r->w->snat.pairs_changed == r->pairs_changed ? WAY_SESSION_REPLY : UINT8_MAX;
	const struct express *x = express;

	for (; x < express + n && take_session(r, frames, x, v6, reply); x++)
		frames++;
	return (unsigned)(x - express);
}

static __rte_noinline unsigned run_session_v4(struct reach *r, struct gt_frame *frames,
					      const struct express *express, unsigned n)
{
	return run_session(r, frames, express, n, false);
}

static __rte_noinline unsigned run_session_v6(struct reach *r, struct gt_frame *frames,
					      const struct express *express, unsigned n)
{
	return run_session(r, frames, express, n, true);
}

/* The ordinary packets of dr, or of tunnels, as to_server forwards them: all that is needed for
 * each is in registers. */
static __rte_always_inline unsigned run_plain(struct reach *reach, struct gt_frame *frames,
					      const struct express *express, unsigned n, bool wraps)
{
	const struct gt_plan_server *servers = reach->servers;
	struct gt_server_counters *counts = reach->counts;
	uint32_t n_servers = reach->n_servers, tick = reach->tick;
	struct gt_worker *w = reach->w;
	struct sums s = reach->requests;
	unsigned i = 0;

	for (; i < n; i++) {
		const struct express *x = &express[i];
		struct gt_frame *f = &frames[i];
		uint32_t value, meta, came = f->wire_len;
		const struct gt_plan_server *to;
		uint8_t *link = f->data;

		if (unlikely(x->way != (wraps ? WAY_TUNNEL : WAY_DR) || x->slot == NULL))
			break;
		value = x->slot->value;
		meta = x->slot->meta;
		if (unlikely(gt_flow_kind(meta) != x->kind || value >= n_servers ||
			     gt_flow_idle(meta, tick) > x->service.idle_ticks))
			break;
		to = &servers[value];
		if (unlikely(to->express != (wraps ? GT_EXPRESS_TUNNEL : GT_EXPRESS_DR) ||
			     (wraps && !gt_outer_fits(&to->outer, x->l3_len, x->v6))))
			break;
		x->slot->meta = (meta & ~GT_TICK_MASK) | tick;
		if (wraps)
			link = to_tunnel(reach->plan, f, x->l3_len, x->v6, to) - IP_OFF;
		memcpy(link, to->macs, sizeof(to->macs));
		counts[value].frames++;
		counts[value].bytes += came;
		depart(w, f, &s, vip_out_of(to), came, wraps ? f->wire_len : came);
	}
	reach->requests = s;
	return i;
}

static __rte_noinline unsigned run_dr(struct reach *r, struct gt_frame *frames,
				      const struct express *express, unsigned n)
{
	return run_plain(r, frames, express, n, false);
}

static __rte_noinline unsigned run_tunnel(struct reach *r, struct gt_frame *frames,
					  const struct express *express, unsigned n)
{
	return run_plain(r, frames, express, n, true);
}

static inline unsigned run_way(struct reach *r, struct gt_frame *frames,
			       const struct express *express, unsigned n)
{
	switch ((enum express_way)express->way) {
	case WAY_DR:
		return run_dr(r, frames, express, n);
	case WAY_TUNNEL:
		return run_tunnel(r, frames, express, n);
	case WAY_SERVER:
	case WAY_NAT_REPLY:
		return run_server(r, frames, express, n);
	case WAY_SESSION:
	case WAY_SESSION_REPLY:
		return express->v6 ? run_session_v6(r, frames, express, n)
				   : run_session_v4(r, frames, express, n);
	case WAY_GENERAL:
		break;
	}
	return 0;
}

static inline bool is_client(const struct express *x)
{
	return x->way == WAY_DR || x->way == WAY_TUNNEL || x->way == WAY_SERVER ||
	       x->way == WAY_SESSION;
}

#endif
