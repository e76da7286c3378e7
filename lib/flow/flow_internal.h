/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the connection table share: flow.c finds, clears and expires, flow_insert.c
 * makes room. */
#ifndef GT_FLOW_FLOW_INTERNAL_H
#define GT_FLOW_FLOW_INTERNAL_H

#include "flow/flow.h"

#define TYPE_FREE	 0U
#define TYPE_NARROW	 GT_FLOW_TYPE_NARROW
#define TYPE_WIDE_FIRST	 GT_FLOW_TYPE_WIDE_FIRST
#define TYPE_WIDE_SECOND GT_FLOW_TYPE_WIDE_SECOND

#define META_SPILLED	GT_FLOW_META_SPILLED
#define META_TYPE(type) ((type) << 30)
#define META_STATE(s)	((uint32_t)(s) << 26)
#define TAG_TYPE(type)	((uint16_t)((type) << 14))
#define TAG_SPILLED	((uint16_t)(META_SPILLED >> 16))

static inline unsigned slot_type(const struct gt_flow_slot *s)
{
	return s->meta >> 30;
}

/* A place is where an entry begins: any slot if narrow, an even one if wide. */

static inline struct gt_flow_slot *changing_half(struct gt_flow_bucket *b, unsigned place)
{
	return &b->slots[slot_type(&b->slots[place]) == TYPE_WIDE_FIRST ? place + 1 : place];
}

static inline void read_key(const struct gt_flow_bucket *b, unsigned place, struct gt_flow_key *key)
{
	const struct gt_flow_slot *s = &b->slots[place];

	if (slot_type(s) == TYPE_WIDE_FIRST) {
		*key = (struct gt_flow_key){.lo = s[0].key,
					    .hi = s[1].key,
					    .service = s->service,
					    .port = s->port,
					    .dst_port = s->dst_port,
					    .wide = true};
	} else {
		*key = (struct gt_flow_key){.lo = s->key,
					    .port = (rte_be16_t)(s->key >> 32),
					    .service = (uint16_t)(s->key >> 48)};
	}
}

static inline bool is_place(const struct gt_flow_bucket *b, unsigned i)
{
	unsigned type = slot_type(&b->slots[i]);

	return type == TYPE_NARROW || type == TYPE_WIDE_FIRST;
}

/* Frees a place: of a wide entry, its first. Worker. */
void gt_flow_clear_place(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place);

/* Calls judge->gone and clears it. Worker. */
void gt_flow_end_entry(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place,
		       const struct gt_flow_judge *judge, bool evicted);

/* Clears the expired places; `views`: of those that stay. Worker. */
void gt_flow_reap(struct gt_flow_table *t, struct gt_flow_bucket *b, uint32_t tick,
		  const struct gt_flow_judge *judge,
		  struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS]);

#endif
