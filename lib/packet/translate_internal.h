/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two files of the translation share; see translate.c. */
#ifndef GT_PACKET_TRANSLATE_INTERNAL_H
#define GT_PACKET_TRANSLATE_INTERNAL_H

#include "packet/translate.h"

/* What an IP header says, whatever its family. */
struct gt_ip_fields {
	uint8_t traffic_class, ttl, protocol;
	uint32_t payload;	  /* bytes behind the IP header and all extension headers */
	bool fragment, more;	  /* a fragment, and not the last */
	uint16_t fragment_offset; /* in units of 8 bytes */
	uint32_t id;
};

void gt_read_v4(const uint8_t *ip, const struct gt_packet *p, struct gt_ip_fields *f);
void gt_read_v6(const uint8_t *ip, const struct gt_packet *p, struct gt_ip_fields *f);
void gt_write_v4(uint8_t *ip, const struct gt_ip_fields *f, const struct gt_translation *t);
void gt_write_v6(uint8_t *ip, const struct gt_ip_fields *f, const struct gt_translation *t);

/* Adds two addresses as their family's header has them to a running sum. */
uint32_t gt_translate_sum(uint32_t sum, const struct gt_addr *a, const struct gt_addr *b);

/* Applies a difference, as the running sums of what went and what came, to a checksum field. */
void gt_translate_adjust(uint8_t *field, uint32_t went, uint32_t came);

/* Ports and the L4 checksum, as far as `len` bytes at l4 reach. */
void gt_translate_l4(uint8_t *l4, uint32_t len, const struct gt_packet *p,
		     const struct gt_translation *t);

/* Addresses of a header in place; the TTL is another matter. */
void gt_translate_v4(uint8_t *ip, const struct gt_translation *t);
void gt_translate_v6(uint8_t *ip, const struct gt_translation *t);
void gt_translate_ttl_v4(uint8_t *ip);

#endif
