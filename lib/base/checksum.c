/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum; see checksum.h. */
#include "base/checksum.h"

uint32_t gt_checksum_add(uint32_t start, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t sum = start;

	/* 32 bits at a time into 64: no carry is lost below 4 GiB of data (RFC 1071 2(C)). */
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t word;

		memcpy(&word, p, 4);
		sum += word;
	}
	if (len > 0) {
		uint32_t word = 0;

		memcpy(&word, p, len);
		sum += word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}
