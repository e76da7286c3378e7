/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst: frames in, a verdict for each out, in four stages
 *   1 parse all      2 find VIP, hash, prefetch      3 find the connection or schedule      4
 * rewrite, account and everything that a worker owns. No clock, lock, port or global: time and the
 * plan are arguments.
 */
#ifndef GT_PIPELINE_PIPELINE_H
#define GT_PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/plan.h"
#include "base/counters.h"
#include "base/frame.h"
#include "base/memory.h"
#include "config/compare.h"
#include "flow/flow.h"
#include "flow/fragments.h"
#include "flow/snat.h"
#include "pipeline/loads.h"
#include "pipeline/steer.h"

/* What a server got from this worker, by server number. */
struct gt_server_counters {
	uint64_t frames, bytes; /* forwarded; bytes of Ethernet as they came, without FCS */
	uint64_t connections;	/* ever given to it */
	int64_t active;		/* that it has now */
	uint64_t reply_frames, reply_bytes; /* of nat and snat: what came back from it */
	int64_t open;			    /* of `active`, those that neither side has ended */
	uint64_t reserved;
};
_Static_assert(sizeof(struct gt_server_counters) == 64, "of a server, a cache line");

/* By VIP number. */
struct gt_vip_counters {
	uint64_t frames, bytes; /* forwarded */
	uint64_t connections;
	uint64_t untracked; /* frames forwarded by the scheduler alone: the table was full */
	uint64_t no_server; /* frames dropped because no server may take them */
};

/* All that were held, and all of one burst that were held and let go in it. */
#define GT_RELEASED_MAX (GT_FRAGMENT_HELD_MAX + GT_BURST_MAX)

/* Stations without a known MAC that a worker remembers until main has asked for them. */
#define GT_MISSED_MAX 64

/* Whose turn it is, for schedulers that take turns; see schedule.h. */
struct gt_turns {
	struct {
		uint32_t members_since; /* of which list of servers: gt_plan_vip's */
		uint32_t next;		/* where the next search begins, so that ties go round */
	} vips[GT_VIPS_MAX];
	int64_t credit[GT_SERVERS_MAX]; /* how much it is this server's turn */
};

/* ICMP errors ("too big") that a worker makes in a tick of 250 ms at most: RFC 1812 4.3.2.8 and RFC
 * 4443 2.4(f) want a limit, and a burst of new connections after a start must fit. */
#define GT_TOLD_MAX 250

struct gt_missed {
	struct gt_addr addr; /* a client on this wire, or a gateway */
	uint8_t interface;
};

struct gt_worker {
	void (*burst)(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames,
		      unsigned n); /* burst.h */
	struct gt_counters counters;
	struct gt_server_counters *servers; /* GT_SERVERS_MAX */
	struct gt_vip_counters *vips;	    /* GT_VIPS_MAX */
	const struct gt_loads *loads;	    /* NULL: there is no other worker */
	struct gt_turns *turns;
	bool shares_turns;
	struct gt_flow_table flows;
	struct gt_fragments fragments;
	struct gt_steer steer;	    /* which worker it is, of how many */
	struct gt_snat snat;	    /* pairs NULL: no VIP of mode snat */
	const struct gt_plan *plan; /* of the burst that runs */
	uint64_t plan_generation;
	uint32_t plan_changes; /* how often it was another one than before */
	uint32_t tick;	       /* of the burst that runs */
	uint16_t ipv4_id;      /* of the last IPv4 header that was made anew */
	/* How many more ICMP errors may be made in tick `told_tick`. */
	uint32_t told_tick;
	uint16_t may_tell;
	/* Whose MAC is wanted: main reads them, and asks. n_missed counts on for ever. */
	struct gt_missed missed[GT_MISSED_MAX];
	uint32_t n_missed;
	uint64_t swept_ms;
	uint64_t sweep_credit; /* bucket-milliseconds that are due since */
	struct gt_memory memory;
	/* Frames that come back: valid until the next call. */
	struct gt_frame released[GT_RELEASED_MAX];
	unsigned n_released;
};

struct gt_worker_params {
	uint32_t connections;
	bool wide;		  /* room for IPv6 connections: see gt_flow_create */
	enum gt_config_snat snat; /* for what VIPs of mode snat that there are, or may be */
	struct gt_steer steer;
	const struct gt_loads *loads; /* what the other workers' servers have; NULL: one worker */
	/* Workers of one thread (replay) may take turns together; NULL: each by itself */
	struct gt_turns *turns;
	uint8_t random[16]; /* keys of the tables */
	struct gt_memory memory;
};

/*
 * What a worker of this configuration needs: all but its index, `random` and `memory`. Any caller.
 */
void gt_worker_params_init(struct gt_worker_params *params, const struct gt_config *config);

/* Bytes that gt_worker_create will take, within a page or so. Any caller. */
uint64_t gt_worker_bytes(const struct gt_worker_params *params);
/* The largest piece of them, which the allocator must have in one. Any caller. */
uint64_t gt_worker_piece_bytes(const struct gt_worker_params *params);

/* NULL: no memory. Main. */
struct gt_worker *gt_worker_create(const struct gt_worker_params *params);
/* Held frames must have been taken back by gt_worker_flush. NULL is allowed. Main. */
void gt_worker_destroy(struct gt_worker *w);

/*
 * Handles n frames, at most GT_BURST_MAX: from a device, or handed over by another worker. Each has
 * its verdict afterwards. After it, w->released holds n_released frames that were held in earlier
 * calls (or this one) and now have their verdict: they go behind the burst. now_ms: any monotonic
 * clock. Worker.
 */
void gt_worker_burst(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n);

/*
 * What time alone brings: held fragments dropped (in w->released), a share of the table swept. Call
 * it after each burst, or every few ms. Worker.
 */
void gt_worker_tick(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms);

/* Drops all held frames into w->released and sweeps the whole table. Worker, or main after it. */
void gt_worker_flush(struct gt_worker *w, const struct gt_plan *plan, uint64_t now_ms);

/* A frame with verdict SEND or ANSWER that could not be sent: TX_FULL, or LINK_DOWN. Worker. */
void gt_worker_unsent(struct gt_worker *w, const struct gt_frame *frame, enum gt_drop_reason why);

/* A frame with verdict HAND for which the owner's ring has no room: counted as hand-full. Worker.
 */
void gt_worker_unhanded(struct gt_worker *w, struct gt_frame *frame);

/* A frame with verdict KERNEL for which there is no room: counted as kernel-full. Worker. */
void gt_worker_unkernel(struct gt_worker *w, struct gt_frame *frame);

/* A frame with verdict PUNT for which main has no room: counted as punt-full. Worker. */
void gt_worker_unpunted(struct gt_worker *w, struct gt_frame *frame);

/* The number of the server that an entry of the table, read by gt_flow_read, is of. Main. */
uint16_t gt_worker_entry_server(const struct gt_worker *w, const struct gt_flow_entry *entry);

#endif
