/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket from the other side: one line out, one line of JSON back. */
#ifndef GT_CTL_CLIENT_H
#define GT_CTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

/* A connection, or -1 after a message. timeout_s: of each read and write; 0: none. */
int ctl_connect(const char *path, int timeout_s);

/* Sends a request of n arguments on it. 0; EXIT_USAGE after a message: it is too long, or no UTF-8
 * text; EXIT_FAILED after a message. */
int ctl_send(int fd, const char *path, const char *command, const char *const *arguments, size_t n);

/* One request and its answer, which may be an error of gantry's. NULL after a message; *rc is the
 * exit code then. */
json_t *ctl_ask(const char *path, const char *command, const char *const *arguments, size_t n,
		int *rc);

/* Says the error of an answer, if it is one. 0, or the exit code. */
int ctl_error(const json_t *answer);

#endif
