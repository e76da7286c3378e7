/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes from the text of a configuration, and what they say and send. */
#ifndef GT_TEST_SUPPORT_NODE_H
#define GT_TEST_SUPPORT_NODE_H

#include "node/node.h"

/* Stops the test, with the first message, unless it is a right configuration. */
struct gt_config *support_parse(const char *text);

struct support_heard {
	char log[8192];	   /* "LEVEL TEXT\n" each */
	char events[8192]; /* "KIND VIP/SERVER WHAT: OLD > NOW\n" each, - for what is not said */
	unsigned lines, n_events;
	/* All frames; ARP requests but announcements; announcements of neighbour_frames.h's VIPs.
	 */
	unsigned frames, arp_questions, announcements;
};

/* A node of one interface, whose MAC is 02:00:00:00:00:01. It begins *h anew. */
struct gt_node *support_node(const char *text, struct support_heard *h);

#endif
