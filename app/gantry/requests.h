/* SPDX-License-Identifier: BSD-3-Clause */
/* A request of gantryctl's, and how it is answered: what the files of answers share. Main only. */
#ifndef GT_APP_REQUESTS_H
#define GT_APP_REQUESTS_H

#include <jansson.h>
#include <stddef.h>

#include "control.h"
#include "run.h"

#define GT_ARGUMENTS_MAX 8

struct gt_request {
	json_t *json; /* owns the words of a JSON request */
	const char *command;
	const char *arguments[GT_ARGUMENTS_MAX];
	size_t n_arguments;
};

/* One command. */
typedef void gt_answer_fn(struct gt_run *r, struct gt_reply *reply, const struct gt_request *q);

/* Completes an object to an answer, and drops it. Without memory nothing is said, and the client is
 * let go. */
void gt_say(struct gt_reply *reply, json_t *object);
/* It failed; exit_code: 1, or 2 if the request itself is wrong. */
void gt_say_error(struct gt_reply *reply, int exit_code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The whole of s as a number, or -1. */
long gt_parse_number(const char *s);

/* show.c: what is asked for. */
gt_answer_fn gt_show_status, gt_show_vips, gt_show_drops, gt_show_interfaces, gt_show_neighbours,
	gt_show_metrics;

/* orders.c: what is ordered, and what remains of it to be done. */
gt_answer_fn gt_order_enable, gt_order_drain, gt_order_disable, gt_order_weight, gt_order_revert,
	gt_show_remaining;
/* The hook of control.h. ctx is the struct gt_run. */
void gt_order_settled(void *ctx, struct gt_reply *reply);

/* connections.c */
gt_answer_fn gt_show_connections;
/* The next slice, half a millisecond or so; the last one completes the line. */
void gt_connections_more(void *ctx, struct gt_reply *reply);

/* watch.c */
gt_answer_fn gt_show_watch;

#endif
