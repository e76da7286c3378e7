/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection as its packets are: the client's, and the server's where they come back by us. */
#ifndef GT_TEST_SUPPORT_DIALOG_H
#define GT_TEST_SUPPORT_DIALOG_H

#include "support_pipe.h"

struct support_dialog {
	struct support_packet request, reply;
	bool replies;
	uint8_t reply_if;
};

/* Its reply: what the server of the request that just left sees, turned round. */
void support_dialog_learn(const struct support_pipe *p, struct support_dialog *d);

/* One packet of it, as of interface 0 or where its replies come in. */
void support_dialog_send(struct support_pipe *p, const struct support_packet *packet,
			 uint8_t in_if);

/* Behind the client's SYN: the server's, if it answers by us, and the client's ACK. The request is
 * that from now on. */
void support_dialog_establish(struct support_pipe *p, struct support_dialog *d, bool answers);

#endif
