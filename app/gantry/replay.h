/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of `gantry replay` share: replay.c sets up, replay_run.c goes through time,
 * replay_frames.c takes frames through the workers, replay_report.c tells what became of them.
 */
#ifndef GT_APP_REPLAY_H
#define GT_APP_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "capture.h"
#include "capture_out.h"
#include "pipeline/pipeline.h"
#include "replay_options.h"

#define GT_NS_PER_MS 1000000LL

/* The core's clock at the first frame: 0 would look like "never". */
#define GT_REPLAY_START_MS 1000

/* Buffers of frames: gt_replay_create_buffers. */
struct gt_replay_buffers {
	uint8_t *arena; /* those of a burst, one behind the other */
	uint8_t *kept;	/* one for each frame that may be held; only touched ones cost memory */
	uint8_t **free; /* which of them are free */
	unsigned n_free;
};

struct gt_replay {
	struct gt_replay_options options;
	struct gt_captures *in;
	struct gt_capture_out *out[GT_INTERFACES_MAX];
	struct gt_node *node;
	struct gt_worker *workers[GT_WORKERS_MAX];
	unsigned n_workers;
	/* Of several workers: they are one thread, and so may know of each other at once what
	 * `gantry run` tells them every 100 ms. The same frames as with one. */
	struct gt_loads *loads;
	struct gt_turns *turns;
	struct gt_replay_buffers buffers;
	bool started;	  /* the first frame has come */
	int64_t first_ns; /* time of the first frame */
	int64_t now_ns;	  /* time since then: never goes back */
	uint64_t read;	  /* frames */
	size_t next_event;
};

static inline uint64_t gt_replay_now_ms(const struct gt_replay *r)
{
	return GT_REPLAY_START_MS + (uint64_t)(r->now_ns / GT_NS_PER_MS);
}

/* ---- replay.c ---- */

/* Has a write to an output failed? What went wrong is told when it is closed. */
bool gt_replay_outputs_failed(const struct gt_replay *r);

/* ---- replay_run.c ---- */

/* Asks the run to end as soon as it may: of a signal's handler. */
void gt_replay_interrupt(int signal);
/* All frames and events. 0, or -1 with a message. */
int gt_replay_run(struct gt_replay *r);
/* To the time of a frame: never back, and never so far that sums of times overflow. */
void gt_replay_move_clock(struct gt_replay *r, const struct gt_capture_record *c);

/* ---- replay_frames.c ---- */

/* 0, or -1 with a message. */
int gt_replay_create_buffers(struct gt_replay *r);
void gt_replay_destroy_buffers(struct gt_replay *r);

/* May a frame share a burst with others? */
bool gt_replay_is_plain(const struct gt_capture_record *c);
/* The frame at hand and the plain ones behind it that come before `end_ns`; to a single worker. */
void gt_replay_burst(struct gt_replay *r, const struct gt_capture_record *c, int64_t end_ns);
/* The frame at hand alone. True: the node heard it, and may want another plan. */
bool gt_replay_one(struct gt_replay *r, const struct gt_capture_record *c);
/* Finishes the frames that a worker gives back; `cause` is the time of the frame that brought it
 * about. */
void gt_replay_released(struct gt_replay *r, struct gt_worker *w, const struct timeval *cause);

/* ---- replay_report.c ---- */

/* Does every frame that was read have its one fate? Else a message. */
bool gt_replay_adds_up(const struct gt_replay *r);
/* The table on stdout, and the report's file. 0, or -1 with a message. */
int gt_replay_report(const struct gt_replay *r);

#endif
