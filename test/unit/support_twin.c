/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers and their twins; see support_twin.h. */
#include "support_twin.h"

#include <string.h>

#include "pipeline/general.h"
#include "support.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

struct gt_frame support_twin_copy(const struct gt_frame *f)
{
	struct gt_frame copy = support_frame(f->data, f->len);

	copy.wire_len = f->wire_len;
	copy.in_if = f->in_if;
	copy.steered = f->steered;
	return copy;
}

static void same_frame(const struct gt_frame *f, struct gt_frame *copy)
{
	DIE_UNLESS(f->verdict == copy->verdict);
	DIE_UNLESS(f->verdict != GT_DROP || f->reason == copy->reason);
	DIE_UNLESS((f->verdict != GT_SEND && f->verdict != GT_ANSWER) || f->out_if == copy->out_if);
	DIE_UNLESS(f->verdict != GT_HAND ||
		   (f->to_worker == copy->to_worker && f->steered == copy->steered));
	DIE_UNLESS(f->len == copy->len && f->wire_len == copy->wire_len);
	DIE_UNLESS(memcmp(f->data, copy->data, f->len) == 0);
	if (f->verdict != GT_HELD)
		support_frame_free(copy);
}

/* All that is known of every port, and whose blocks they are in. */
static void same_sessions(const struct gt_snat *a, const struct gt_snat *b)
{
	DIE_UNLESS(a->live == b->live && a->n_pairs == b->n_pairs &&
		   a->fresh_pair == b->fresh_pair && a->free_pair == b->free_pair &&
		   a->fresh_block == b->fresh_block && a->free_block == b->free_block &&
		   a->pairs_changed == b->pairs_changed);
	if (a->pairs == NULL)
		return;
	for (uint32_t i = 0; i < a->fresh_pair; i++) {
		const struct gt_snat_pair *x = &a->pairs[i], *y = &b->pairs[i];

		DIE_UNLESS(x->used == y->used && memcmp(&x->key, &y->key, sizeof(x->key)) == 0);
		DIE_UNLESS(x->server == y->server && x->live == y->live &&
			   x->resting == y->resting && x->fresh == y->fresh);
		DIE_UNLESS(x->rest_head == y->rest_head && x->rest_tail == y->rest_tail &&
			   x->rest_next == y->rest_next && x->look == y->look);
		DIE_UNLESS(memcmp(x->blocks, y->blocks, sizeof(x->blocks)) == 0);
	}
	DIE_UNLESS(memcmp(a->block_owner, b->block_owner,
			  a->fresh_block * sizeof(*a->block_owner)) == 0);
	DIE_UNLESS(memcmp(a->sessions, b->sessions,
			  (size_t)a->fresh_block * a->block_sessions << a->session_shift) == 0);
}

static void same_memory(const struct gt_worker *a, const struct gt_worker *b,
			const struct gt_plan *plan)
{
	DIE_UNLESS(memcmp(&a->counters, &b->counters, sizeof(a->counters)) == 0);
	DIE_UNLESS(memcmp(a->servers, b->servers, plan->n_servers * sizeof(*a->servers)) == 0);
	DIE_UNLESS(memcmp(a->vips, b->vips, plan->n_vips * sizeof(*a->vips)) == 0);
	DIE_UNLESS(a->flows.entries == b->flows.entries && a->flows.hand == b->flows.hand);
	DIE_UNLESS(memcmp(a->flows.buckets, b->flows.buckets,
			  a->flows.n_buckets * sizeof(*a->flows.buckets)) == 0);
	same_sessions(&a->snat, &b->snat);
	DIE_UNLESS(a->fragments.n_held == b->fragments.n_held);
	DIE_UNLESS(a->n_missed == b->n_missed && a->ipv4_id == b->ipv4_id &&
		   a->may_tell == b->may_tell);
}

void support_twin_compare(struct gt_worker *twin, const struct gt_worker *worker,
			  const struct gt_plan *plan)
{
	DIE_UNLESS(worker->n_released == twin->n_released);
	for (unsigned i = 0; i < worker->n_released; i++)
		same_frame(&worker->released[i], &twin->released[i]);
	same_memory(worker, twin, plan);
}

/* A gt_burst_fn: one frame after the other. */
static void general_burst(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct gt_work work;

		gt_general_begin(w, &frames[i], &work);
		gt_flow_hash(&w->flows, &work.key, &work.hash, 1);
		gt_general_decide(w, &frames[i], &work, now_ms);
	}
}

void support_twin_burst(struct gt_worker *twin, const struct gt_worker *worker,
			const struct gt_plan *plan, uint64_t now_ms, const struct gt_frame *frames,
			struct gt_frame *copies, unsigned n)
{
	twin->burst = general_burst;
	gt_worker_burst(twin, plan, now_ms, copies, n);
	for (unsigned i = 0; i < n; i++)
		same_frame(&frames[i], &copies[i]);
	support_twin_compare(twin, worker, plan);
}
