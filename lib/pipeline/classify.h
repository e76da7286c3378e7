/* SPDX-License-Identifier: BSD-3-Clause */
/* The first stage: whose a frame is, and what it wants; see classify.c. */
#ifndef GT_PIPELINE_CLASSIFY_H
#define GT_PIPELINE_CLASSIFY_H

#include "packet/parse.h"
#include "pipeline/forward.h"
#include "pipeline/pipeline.h"

/* What is left to do with a frame behind stage 1. */
enum gt_task {
	TASK_DONE,	     /* it has its verdict */
	TASK_CONNECTION,     /* TCP or UDP of a service */
	TASK_ERROR,	     /* an ICMP error about a connection, from the clients' side */
	TASK_REPLY,	     /* of a server of nat, whose path is known, or perhaps of a session */
	TASK_REPLY_ERROR,    /* an ICMP error about such a connection, from the servers' side */
	TASK_HAND,	     /* it belongs to worker `owner` */
	TASK_TUNNEL_ERROR,   /* an ICMP error to an own address: about a tunnel, perhaps */
	TASK_ECHO,	     /* an echo request, or its first fragment */
	TASK_LATER_FRAGMENT, /* shares its first fragment's fate */
	TASK_KERNEL,	     /* the host's */
	TASK_FIRST_KERNEL,   /* the host's first fragment, whose later ones must hear of it */
	TASK_FIRST_DROPPED,  /* a first fragment with its verdict: the later ones must hear of it */
};

struct gt_work {
	struct gt_packet packet;
	struct gt_packet embedded; /* with TASK_ERROR and TASK_REPLY_ERROR */
	struct gt_path path;	   /* with TASK_REPLY and TASK_REPLY_ERROR */
	const struct gt_plan_range *range;
	const struct gt_plan_address *address;
	uint16_t vip;
	uint16_t owner; /* with TASK_HAND */
	uint8_t stage;	/* with TASK_HAND: enum gt_steered that it has there */
	uint8_t task;	/* enum gt_task */
	struct gt_flow_key key;
	uint64_t hash;
};

/* Is it for an own address of the interface that it came in by, which the host's kernel has, too?
 * Worker. */
static inline bool gt_is_kernels(const struct gt_frame *f, const struct gt_plan_address *address)
{
	return address->kernel && address->in_if == f->in_if;
}

/*
 * Counts a frame in, parses it, and finds what is left to do with it: w->task, with what belongs to
 * the task. With TASK_DONE and TASK_FIRST_DROPPED the frame has its verdict. Worker.
 */
void gt_classify(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w);

#endif
