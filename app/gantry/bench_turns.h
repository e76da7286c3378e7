/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Samples of `gantry bench`'s loops: workers, or loops that only swap MACs, forward the frames of a
 * port on lcores of their own while main sleeps, each until it has had as many as are wanted.
 */
#ifndef GT_APP_BENCH_TURNS_H
#define GT_APP_BENCH_TURNS_H

#include <stdint.h>

#include "bench_device.h"
#include "worker.h"

/* Main waits so long for a turn: a machine with other work may give it little of its CPU. */
#define GT_BENCH_TURN_MS 60000

/*
 * Nanoseconds a frame of n workers together, each at the queue of its index; of loops that swap the
 * MACs of n queues' frames if lcores is NULL. `wanted` frames of each are measured at least, after
 * `warm` ones in which the caches become its own. n: GT_BENCH_QUEUES_MAX at most, and so many
 * workers EAL must have. 0: it took too long. Main.
 */
double gt_bench_take_turns(struct gt_lcore *const lcores[], unsigned n, uint16_t port,
			   uint64_t warm, uint64_t wanted);

#endif
