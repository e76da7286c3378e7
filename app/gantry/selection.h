/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which connections are asked for, and those that were found: the first `limit` of them, or with an
 * order the first in it, kept in a heap whose root is the last.
 */
#ifndef GT_APP_SELECTION_H
#define GT_APP_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "flow/flow.h"
#include "requests.h"

/* Connections that one answer shows, without and with a limit of the request's own. */
#define GT_CONNECTIONS_SHOWN	 1000
#define GT_CONNECTIONS_SHOWN_MAX 100000

enum gt_selection_order {
	GT_ORDER_NONE,	 /* as they lie in the table */
	GT_ORDER_IDLE,	 /* longest idle first */
	GT_ORDER_RECENT, /* the last packet most recent first */
	GT_ORDER_CLIENT, /* by address and port */
};

struct gt_selected {
	struct gt_flow_entry entry;
	uint16_t server; /* number */
};

struct gt_selection {
	/* empty: all */
	char vip[GT_NAME_MAX + 1], server[GT_NAME_MAX + 1];
	bool by_client;
	struct gt_prefix client;
	unsigned states; /* bits by enum gt_flow_state */
	bool filters;	 /* not simply all */
	enum gt_selection_order order;
	uint32_t limit;
	uint64_t matched;
	uint32_t n, n_sorted, shown;
	bool walked; /* all tables were read */
	struct gt_selected list[];
};

/* From the arguments of `connections`. NULL after gt_say_error. */
struct gt_selection *gt_selection_parse(const struct gt_node *node, struct gt_reply *reply,
					const struct gt_request *q);

/* Is it asked for? vip and server: names, NULL if a reload took them away. */
bool gt_selection_matches(const struct gt_selection *s, const struct gt_flow_entry *e,
			  const char *vip, const char *server);

/* One that matches. */
void gt_selection_add(struct gt_selection *s, const struct gt_flow_entry *e, uint16_t server);

/* Puts up to n more into their order. True: all are. */
bool gt_selection_sort(struct gt_selection *s, uint32_t n);

/* "syn", "established", ... */
const char *gt_flow_state_name(enum gt_flow_state state);

#endif
