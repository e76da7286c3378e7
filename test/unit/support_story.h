/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A story: frames on two interfaces, steps of time, changes of plan, told by bytes through one or
 * several workers. Frames are raw bytes, or built from a few by a small grammar with right
 * checksums: clients' packets, fragments, echo, errors, what servers answer to frames that left,
 * and errors about those; then changed or cut. The fuzzer tells it by its input, a unit test by
 * random numbers. Each worker has a twin without an express path (support_twin.h). After each burst
 * support_pipe asserts what must hold always; ARP and NDP go on to the neighbours; at the end
 * everything must run out.
 */
#ifndef GT_TEST_SUPPORT_STORY_H
#define GT_TEST_SUPPORT_STORY_H

#include "neighbour/neighbour.h"
#include "support_pipe.h"

/* Bytes one after the other: of a buffer, 0 behind its end; or random ones without end. */
struct support_input {
	const uint8_t *p, *end;
	uint64_t *seed; /* not NULL: support_random's */
};

uint8_t support_take(struct support_input *in);

#define SUPPORT_STORY_PLANS 8

struct support_story {
	struct support_pipe pipe;
	/* built once, each from its predecessor, so that numbers hold */
	struct gt_plan *plans[SUPPORT_STORY_PLANS];
	struct gt_config *configs[SUPPORT_STORY_PLANS];
	struct gt_worker_params params;
	struct support_pool *pool;
	struct gt_neighbours *neighbours;
	bool heard; /* the neighbours may have learned something since they were made */
	/* addresses that clients' packets go to */
	const char *const *destinations;
	unsigned n_destinations;
};

struct support_story_params {
	unsigned n_workers;
	uint32_t connections; /* each worker */
	bool same_tunnels;    /* all tunnels have `encapsulation`; else each another */
	enum gt_encapsulation encapsulation;
	/* NULL: all VIPs, and some addresses that are none */
	const char *const *destinations;
	unsigned n_destinations;
};

void support_story_open(struct support_story *s, const struct support_story_params *params);
void support_story_close(struct support_story *s);
/* As new: nothing of one story is left for the next. */
void support_story_begin(struct support_story *s);
/* Plan n of SUPPORT_STORY_PLANS comes into force. */
void support_story_plan(struct support_story *s, unsigned n);

/* How a frame is made: bits of next_frame's first byte. */
#define SUPPORT_HOW_SAN	   0x01 /* it comes in by san */
#define SUPPORT_HOW_BUILT  0x02 /* by the grammar, else raw bytes */
#define SUPPORT_HOW_CHANGE 0x04
#define SUPPORT_HOW_CUT	   0x08
#define SUPPORT_HOW_ANSWER 0x80 /* with 0x40 clear: an answer to a frame that left */

/* n frames, each made as how[i] says, or as the input does (NULL), all in one burst. */
void support_story_burst(struct support_story *s, struct support_input *in, const uint8_t *how,
			 unsigned n);
/* One step as the input has it: a burst, time, or another plan. */
void support_story_step(struct support_story *s, struct support_input *in);
/* Far beyond every timeout: no entry, session, port or held frame may be left. */
void support_story_end(struct support_story *s);

#endif
