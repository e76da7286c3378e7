/* SPDX-License-Identifier: BSD-3-Clause */
/* Echo requests and replies; see ping.h. */
#include "ping.h"

#include <string.h>

#include <rte_byteorder.h>

#include "base/checksum.h"

#define ECHO_REPLY_V4	0
#define ECHO_REQUEST_V4 8
#define ECHO_REQUEST_V6 128
#define ECHO_REPLY_V6	129

struct message {
	uint8_t type, code;
	uint16_t checksum;
	rte_be16_t id, sequence;
	uint64_t token, secret; /* for nobody but their sender: in its own byte order */
	char who[16];
};
_Static_assert(sizeof(struct message) == GT_PING_BYTES, "no holes");

void gt_ping_write(const struct gt_ping *ping, bool v4, uint8_t out[GT_PING_BYTES])
{
	struct message m = {.type = v4 ? ECHO_REQUEST_V4 : ECHO_REQUEST_V6,
			    .id = rte_cpu_to_be_16(ping->id),
			    .sequence = rte_cpu_to_be_16(ping->sequence),
			    .token = ping->token,
			    .secret = ping->secret,
			    .who = "gantry check"};

	if (v4)
		m.checksum = gt_checksum_fold(gt_checksum_add(0, &m, sizeof(m)));
	memcpy(out, &m, sizeof(m));
}

bool gt_ping_read(const uint8_t *data, size_t len, bool v4, uint64_t secret, struct gt_ping *ping)
{
	struct message m;

	if (len < sizeof(m))
		return false;
	memcpy(&m, data, sizeof(m));
	if (m.type != (v4 ? ECHO_REPLY_V4 : ECHO_REPLY_V6) || m.code != 0 || m.secret != secret)
		return false;
	/* A raw socket gets a message before the kernel has looked at this. */
	if (v4 && gt_checksum_fold(gt_checksum_add(0, data, len)) != 0)
		return false;
	*ping = (struct gt_ping){rte_be_to_cpu_16(m.id), rte_be_to_cpu_16(m.sequence), m.token,
				 secret};
	return true;
}

size_t gt_ping_header_v4(const uint8_t *data, size_t len)
{
	size_t header = len > 0 ? (size_t)(data[0] & 15) * 4 : 0;

	return header >= 20 && header <= len ? header : 0;
}
