/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker has to send; see transmit.h. */
#include "transmit.h"

#include <string.h>

#include <rte_ethdev.h>

#include "worker.h"

/* The device did not take it, or would only lose it. */
static void unsent(struct gt_lcore *l, unsigned out_if, struct rte_mbuf *m, uint8_t verdict,
		   enum gt_drop_reason why)
{
	struct gt_frame f = {.wire_len = m->pkt_len, .out_if = (uint8_t)out_if, .verdict = verdict};
	struct gt_counters *c = &l->worker->counters;

	if (verdict == GT_TX_UNASKED) {
		/* It never came in, so it is no drop; main counted it as sent. Readers add both. */
		c->interfaces[out_if].out_frames--;
		c->interfaces[out_if].out_bytes -= m->pkt_len;
	} else {
		gt_worker_unsent(l->worker, &f, why);
	}
	rte_pktmbuf_free(m);
}

static void flush(struct gt_lcore *l, unsigned i)
{
	struct gt_tx *t = &l->tx[i];
	/* A driver above the kernel's interfaces takes what then vanishes there. */
	bool down = __atomic_load_n(&l->shared->link_down[i], __ATOMIC_RELAXED);
	unsigned sent = 0, n = !down;

	/* Some drivers take a burst in parts. */
	while (n > 0 && sent < t->n) {
		n = rte_eth_tx_burst(l->ports[i], (uint16_t)l->index, &t->mbufs[sent],
				     (uint16_t)(t->n - sent));
		sent += n;
	}
	for (; sent < t->n; sent++)
		unsent(l, i, t->mbufs[sent], t->verdicts[sent],
		       down ? GT_DROP_LINK_DOWN : GT_DROP_TX_FULL);
	t->n = 0;
}

void gt_transmit_one(struct gt_lcore *l, unsigned out_if, struct rte_mbuf *m, uint8_t verdict)
{
	struct gt_tx *t = &l->tx[out_if];

	t->mbufs[t->n] = m;
	t->verdicts[t->n++] = verdict;
}

/* What becomes of a frame, as one word: out_if, verdict and in_place beside in_if. */
static inline uint32_t fate(const struct gt_frame *f)
{
	uint32_t word;

	memcpy(&word, &f->in_if, sizeof(word));
	return word;
}

unsigned gt_transmit_run(struct gt_lcore *l, struct gt_frame *frames, unsigned n)
{
	struct gt_tx *t = &l->tx[frames[0].out_if];
	struct rte_mbuf **to = &t->mbufs[t->n];
	uint32_t first = fate(&frames[0]);
	unsigned i = 0;

	if (likely(frames[0].in_place != 0)) {
		for (; i < n && fate(&frames[i]) == first; i++)
			to[i] = frames[i].owner;
	} else {
		for (; i < n && fate(&frames[i]) == first; i++) {
			to[i] = frames[i].owner;
			gt_mbuf_sync(to[i], &frames[i]);
		}
	}
	memset(&t->verdicts[t->n], GT_SEND, i);
	t->n += i;
	return i;
}

unsigned gt_transmit_for_main(struct gt_lcore *l)
{
	struct rte_mbuf *mbufs[GT_BURST_MAX];
	unsigned n = rte_ring_sc_dequeue_burst(l->transmit, (void **)mbufs, GT_BURST_MAX, NULL);

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		gt_transmit_one(l, mbufs[i]->port, mbufs[i], (uint8_t)mbufs[i]->hash.usr);
	gt_transmit_batches(l);
	return n;
}

void gt_transmit_batches(struct gt_lcore *l)
{
	for (unsigned i = 0; i < l->n_ports; i++)
		if (l->tx[i].n >= GT_TX_BATCH)
			flush(l, i);
}

unsigned gt_transmit_due(struct gt_lcore *l, uint64_t tsc, bool idle)
{
	if (!idle && tsc - l->sent_tsc < l->wait_tsc)
		return 0;
	l->sent_tsc = tsc;
	return gt_transmit_all(l);
}

unsigned gt_transmit_all(struct gt_lcore *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_ports; i++) {
		if (l->tx[i].n == 0)
			continue;
		n += l->tx[i].n;
		flush(l, i);
	}
	return n;
}
