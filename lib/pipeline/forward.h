/* SPDX-License-Identifier: BSD-3-Clause */
/* The fourth stage: a packet rewritten on its path, sent and accounted; see forward.c. */
#ifndef GT_PIPELINE_FORWARD_H
#define GT_PIPELINE_FORWARD_H

#include "packet/parse.h"
#include "pipeline/pipeline.h"

/* What is done with the packets of a connection, or of a datagram's fragments, in one direction. */
enum gt_path_kind {
	GT_PATH_SERVER,	       /* to `server`, by its mode: dr, nat, tunnel */
	GT_PATH_SESSION,       /* to the server of `session`, snat */
	GT_PATH_SESSION_REPLY, /* to the client of `session` */
	GT_PATH_NAT_REPLY,     /* from `server`, a nat one, to its client */
};

struct gt_path {
	uint8_t kind; /* enum gt_path_kind */
	uint16_t server;
	/* A session's name. With GT_PATH_SERVER, what the outer headers of a tunnel vary by: a
	 * datagram's fragments share it with their fate. */
	uint32_t session;
};

/*
 * Sends a TCP or UDP packet, or a fragment of one, along its path. The frame gets its verdict:
 * SEND; ANSWER
 * ("too big"); or DROP. Worker.
 */
void gt_forward(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		const struct gt_path *path);

/*
 * Sends an ICMP error about a connection along the path that its receiver is on: to the server if
 * the path leads to one, else to the client. Worker.
 */
void gt_forward_error(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		      const struct gt_packet *embedded, const struct gt_path *path);

/* Sends a packet that is made already to a client of the server's VIP: only the link layer is
 * missing. Worker. */
void gt_forward_to_client(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
			  uint16_t server, const struct gt_addr *client);

/* Answers in the packet's own frame, out of the interface that it came by: accounted. Worker. */
void gt_answer_echo(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p);
void gt_answer_reset(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p);
/* Or drops it: too many were told of late, or nobody may be told of this one. */
void gt_answer_too_big(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		       uint16_t mtu);

#endif
