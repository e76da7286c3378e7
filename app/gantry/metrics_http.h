/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GET /metrics for Prometheus, by libmicrohttpd in a thread of its own, which asks main for one
 * slice after the other (mailbox.h): a scraper that is slow, floods or sends garbage has that
 * thread to deal with.
 */
#ifndef GT_APP_METRICS_HTTP_H
#define GT_APP_METRICS_HTTP_H

#include "base/log.h"
#include "config/config.h"

struct gt_metrics_http;

/*
 * Takes the address of `metrics`; where there is none, *out is NULL. Nothing is answered yet. 0,
 * -errno after a message. Main.
 */
int gt_metrics_http_listen(const struct gt_config *config, const struct gt_log *log,
			   struct gt_metrics_http **out);
/* Begins to answer, in a thread that has the CPU of its caller: not before EAL has given main its
 * own. 0, -errno after a message. NULL is allowed. Main. */
int gt_metrics_http_serve(struct gt_metrics_http *h, const struct gt_log *log);
/* The mailbox must be closed, so that the thread does not wait for its caller. NULL is allowed.
 * Main. */
void gt_metrics_http_close(struct gt_metrics_http *h);

#endif
