/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS 1.2 and 1.3 for checks, by OpenSSL: a client over a non-blocking socket, and in words why it
 * failed. What the checks of one section share, its authorities above all, is made once.
 *
 * Sessions are not resumed: a resumed one shows no certificate, and it is the certificate that the
 * check is to judge.
 */
#ifndef GT_APP_TLS_H
#define GT_APP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

struct gt_tls;
struct gt_tls_session;

/*
 * verify: whether the server's certificate must be valid and its own. ca: the authorities as PEM;
 * NULL: the system's. 0: *out is to be freed. -EINVAL with `why`, which says what is wrong with
 * `ca`; -ENOMEM. Main, as for all below.
 */
int gt_tls_create(bool verify, const void *ca, size_t ca_len, struct gt_tls **out, char *why,
		  size_t size);
/* NULL is allowed. Sessions must have ended. */
void gt_tls_free(struct gt_tls *tls);

/*
 * A session over a connected socket, which stays the caller's and must outlive it. host: the name
 * that the certificate must be for and that the server is told (RFC 6066 3), with or without
 * ":port"; NULL: the certificate must be for `address`. NULL: no memory.
 */
struct gt_tls_session *gt_tls_begin(struct gt_tls *tls, int fd, const char *host,
				    const struct gt_addr *address);
/* Tells the server that it is over, if that goes at once, and frees it. NULL is allowed. */
void gt_tls_end(struct gt_tls_session *s);

/* 0 once the handshake is done, -EAGAIN, -EPROTO with a reason. */
int gt_tls_handshake(struct gt_tls_session *s);
/* Bytes of what is inside; 0: the server has closed (receive only); -EAGAIN; -EPROTO. */
ssize_t gt_tls_send(struct gt_tls_session *s, const void *data, size_t len);
ssize_t gt_tls_receive(struct gt_tls_session *s, void *buffer, size_t size);
/* After -EAGAIN: does it wait until the socket takes more? */
bool gt_tls_wants_output(const struct gt_tls_session *s);
/* After -EPROTO: why, in words for the operator, of printable ASCII. */
const char *gt_tls_reason(const struct gt_tls_session *s);

#endif
