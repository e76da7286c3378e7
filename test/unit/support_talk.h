/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who talked to whom through `snat`, as the frames that left tell: a client's packet that left to a
 * server says what (server, source address and ports) stands for, and every reply must go back
 * there. It also sees when a source port is given to somebody else before it has rested.
 */
#ifndef GT_TEST_SUPPORT_TALK_H
#define GT_TEST_SUPPORT_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* As a server sees it. */
struct support_talk_key {
	struct gt_addr server, source;
	uint16_t server_port, source_port;
	uint8_t protocol;
};

/* As the client sees it. */
struct support_talk_client {
	struct gt_addr client, vip;
	uint16_t client_port, vip_port;
};

struct support_talks;

struct support_talks *support_talks_create(void);
void support_talks_destroy(struct support_talks *t);
void support_talks_forget(struct support_talks *t);

/* A client's packet left so. Stops the test if the port is another UDP client's that was heard of
 * within the last 120 s (snat.h: how long a port rests). */
void support_talk_sent(struct support_talks *t, const struct support_talk_key *key,
		       const struct support_talk_client *client, uint64_t now_ms);
/* A client's packet did not leave, but a port may stand for it from now on. */
void support_talk_unseen(struct support_talks *t, uint8_t protocol,
			 const struct support_talk_client *client);
/* Something about this key was passed on between this client and the server: stops the test unless
 * the key was last seen to be the client's, or became its unseen. */
void support_talk_is(struct support_talks *t, const struct support_talk_key *key,
		     const struct support_talk_client *client, uint64_t now_ms);
/* Its server's packet was passed on. */
void support_talk_answered(struct support_talks *t, const struct support_talk_key *key,
			   uint64_t now_ms);
/* Did this client ever talk to this server from this source, whatever the ports? For fragments. */
bool support_talk_ever(const struct support_talks *t, const struct gt_addr *server,
		       const struct gt_addr *source, const struct support_talk_client *client);

#endif
