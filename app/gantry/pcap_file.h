/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classic pcap format (draft-ietf-opsawg-pcap), version 2.4, in the byte order of this machine:
 * what replay writes, and what it reads by itself for speed. Every other kind of capture is read by
 * libpcap.
 */
#ifndef GT_APP_PCAP_FILE_H
#define GT_APP_PCAP_FILE_H

#include <assert.h>
#include <stdint.h>

#define GT_PCAP_MAGIC_US 0xa1b2c3d4U /* fractions of a second are microseconds */
#define GT_PCAP_MAGIC_NS 0xa1b23c4dU /* nanoseconds */
#define GT_PCAP_MAJOR	 2
#define GT_PCAP_MINOR	 4
#define GT_PCAP_ETHERNET 1 /* LINKTYPE_ETHERNET */

/* What a file begins with. */
struct gt_pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen; /* no frame has more bytes in the file */
	uint32_t link;
};

/* What each frame begins with; its bytes follow. */
struct gt_pcap_record {
	uint32_t s, fraction; /* since 1970 */
	uint32_t len;	      /* bytes in the file */
	uint32_t wire_len;    /* bytes that the frame had */
};

static_assert(sizeof(struct gt_pcap_header) == 24, "as in the file");
static_assert(sizeof(struct gt_pcap_record) == 16, "as in the file");

#endif
