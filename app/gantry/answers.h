/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gantryctl may ask, and the answers. A request is words ("drain pacs/a") or JSON
 * ({"command": "drain", "arguments": ["pacs/a"]}); an answer is an object with "version", and with
 * "error" and "exit_code" where it could not be done. Each order leaves a line in the log: what, by
 * whom (the peer's uid and pid), and whether it was accepted.
 */
#ifndef GT_APP_ANSWERS_H
#define GT_APP_ANSWERS_H

#include "control.h"

/* The hook of control.h; ctx is the struct gt_run. Main. */
void gt_answer(void *ctx, char *line, struct gt_reply *reply);

#endif
