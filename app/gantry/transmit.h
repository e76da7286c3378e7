/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker has to send. Frames of one port are gathered over bursts, as a device takes many at
 * once for little more than one: until there are GT_TX_BATCH, or nothing more comes in, or they
 * have waited for GT_TX_WAIT_US. What a worker has gathered it sends before it rests or ends.
 */
#ifndef GT_APP_TRANSMIT_H
#define GT_APP_TRANSMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/frame.h"
#include "pipeline/pipeline.h"

struct gt_lcore;

/* So many are sent at once: net_af_packet takes 3.9 us of CPU for a frame alone, 2.4 for one of
 * four, 2.0 for one of 16, and no less beyond (measured with dpdk-testpmd); vector drivers of NICs
 * work by 32. */
#define GT_TX_BATCH 32
/* So long a frame may wait for others while more come in, and then the rest of the worker's turn.
 */
#define GT_TX_WAIT_US 20

/* All that may be gathered: less than a batch, and what one burst can bring: its own frames, and
 * those that were held. */
#define GT_TX_MAX (GT_TX_BATCH + GT_BURST_MAX + GT_RELEASED_MAX)

/* What waits to be sent out of one port. */
struct gt_tx {
	struct rte_mbuf *mbufs[GT_TX_MAX];
	uint8_t verdicts[GT_TX_MAX]; /* enum gt_verdict, or GT_TX_UNASKED */
	unsigned n;
};

/* Instead of a verdict: a frame that main sends of its own (a question, an announcement). */
#define GT_TX_UNASKED 255

/* Gathers a frame, whose mbuf is as it is to be sent. Worker. */
void gt_transmit_one(struct gt_lcore *l, unsigned out_if, struct rte_mbuf *m, uint8_t verdict);

/*
 * Gathers the frames with verdict SEND at the beginning of `frames` that leave by the same port;
 * the first one is such a frame. Returns how many. Worker.
 */
unsigned gt_transmit_run(struct gt_lcore *l, struct gt_frame *frames, unsigned n);

/* Gathers what main wants sent: at most a burst at a time. Returns how many. Worker, or main after
 * it. */
unsigned gt_transmit_for_main(struct gt_lcore *l);

/* Behind each burst: sends where a batch is together. Worker. */
void gt_transmit_batches(struct gt_lcore *l);

/* At the end of each turn: sends all if this turn brought nothing, or the wait is over. Returns how
 * many it had to send. Worker. */
unsigned gt_transmit_due(struct gt_lcore *l, uint64_t tsc, bool idle);

/* Sends all. Returns how many it had to send. Worker, or main after it. */
unsigned gt_transmit_all(struct gt_lcore *l);

#endif
