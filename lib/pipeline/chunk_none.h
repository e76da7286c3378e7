/* SPDX-License-Identifier: BSD-3-Clause */
/* What chunk.h is to a build without lanes: no chunk is ever closed. */
#ifndef GT_PIPELINE_CHUNK_NONE_H
#define GT_PIPELINE_CHUNK_NONE_H

#include "pipeline/express_send.h"

#define GT_LANES     8
#define GT_LANES_ALL 0xffU

struct chunk {
	bool closed;
};

static inline unsigned chunk_classify(const struct express_view *v, const struct gt_frame *f,
				      struct chunk *c, struct express *x)
{
	(void)v;
	(void)f;
	(void)x;
	c->closed = false;
	return 0;
}

static inline void chunk_locate(const struct gt_flow_table *t, struct chunk *c)
{
	(void)t;
	(void)c;
}

static inline bool chunk_search(struct chunk *c)
{
	(void)c;
	return false;
}

static inline void chunk_open_located(const struct gt_flow_table *t, struct chunk *c,
				      struct express *x)
{
	(void)t;
	(void)c;
	(void)x;
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	(void)r;
	(void)frames;
	(void)c;
	return 0;
}

#endif
