/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gantryctl may ask, and the answers. A request is words ("drain pacs/a") or JSON
 * ({"command": "drain", "arguments": ["pacs/a"]}); an answer is an object with "version", and with
 * "error" where it could not be done.
 */
#ifndef GT_APP_ANSWERS_H
#define GT_APP_ANSWERS_H

#include "control.h"

/* Connections that one answer shows, without and with a limit of the request's own. */
#define GT_CONNECTIONS_SHOWN	 1000
#define GT_CONNECTIONS_SHOWN_MAX 100000

/* The hooks of control.h; ctx is the struct gt_run. Main. */
void gt_answer(void *ctx, char *line, struct gt_reply *reply);
void gt_answer_more(void *ctx, struct gt_reply *reply);

#endif
