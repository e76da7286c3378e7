/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One capture and its next frame. libpcap judges it and can read all of it: classic pcap of both
 * byte orders with micro- or nanoseconds, and pcapng. The ordinary frames of the ordinary file
 * (classic pcap of this machine's byte order that can be sought in) are read here, which is three
 * times as fast; the first that is anything else, and all behind it, are libpcap's.
 */
#ifndef GT_APP_CAPTURE_SOURCE_H
#define GT_APP_CAPTURE_SOURCE_H

#include <pcap/pcap.h>
#include <sys/types.h>

#include "capture.h"
#include "pcap_file.h"

struct gt_capture_source {
	struct gt_capture_record record; /* the next frame, unless it has ended */
	bool ended;
	bool damaged;	 /* before its end */
	char *file;	 /* its name, for messages */
	uint64_t frames; /* read so far */
	dev_t device;
	ino_t inode;
	pcap_t *pcap; /* owns the stream */
	/* What of the file is in memory; NULL: libpcap reads. */
	uint8_t *window;
	uint32_t at, end;     /* the next record, and what is there, in the window */
	off_t file_at;	      /* of window[0] */
	uint32_t len_max;     /* of an ordinary frame */
	uint32_t fraction_ns; /* nanoseconds of a unit of gt_pcap_record.fraction */
};

/*
 * Opens a capture, "-" is stdin, and reads its first frame. 0, or -1 with a message on stderr: it
 * cannot be read, is no capture, or its link type is not Ethernet.
 */
int gt_capture_source_open(struct gt_capture_source *s, uint8_t interface, const char *file);
void gt_capture_source_close(struct gt_capture_source *s);

/* Reads the next frame into the record, or marks the end; of a damaged capture with a message. */
void gt_capture_source_next(struct gt_capture_source *s);

#endif
