/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures out; see capture_out.h. */
#include "capture_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "new_file.h"
#include "pcap_file.h"

/* What goes to the file at once: few system calls, and it stays in the cache until then. */
#define PENDING_BYTES (256U << 10)

struct gt_capture_out {
	struct gt_new_file file;
	size_t used; /* bytes of `pending` */
	uint8_t pending[PENDING_BYTES];
};

/* An error stays with the stream. */
static void write_now(struct gt_capture_out *out, const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, out->file.stream) != n && out->file.error == 0)
		out->file.error = errno;
}

static void flush(struct gt_capture_out *out)
{
	write_now(out, out->pending, out->used);
	out->used = 0;
}

static void append(struct gt_capture_out *out, const void *bytes, size_t n)
{
	if (n > PENDING_BYTES - out->used)
		flush(out);
	if (n > PENDING_BYTES) {
		write_now(out, bytes, n);
		return;
	}
	memcpy(out->pending + out->used, bytes, n);
	out->used += n;
}

struct gt_capture_out *gt_capture_out_open(const char *name)
{
	const struct gt_pcap_header header = {
		.magic = GT_PCAP_MAGIC_NS,
		.major = GT_PCAP_MAJOR,
		.minor = GT_PCAP_MINOR,
		.snaplen = GT_CAPTURE_FRAME_MAX,
		.link = GT_PCAP_ETHERNET,
	};
	struct gt_capture_out *out = malloc(sizeof(*out));

	if (out == NULL) {
		fprintf(stderr, "gantry: no memory to write %s\n", name);
		return NULL;
	}
	out->used = 0;
	if (gt_new_file_open(&out->file, name) != 0) {
		free(out);
		return NULL;
	}
	append(out, &header, sizeof(header));
	return out;
}

void gt_capture_out_write(struct gt_capture_out *out, const struct timeval *ts, const uint8_t *data,
			  uint32_t len, uint32_t wire_len)
{
	const struct gt_pcap_record header = {
		.s = (uint32_t)ts->tv_sec,
		.fraction = (uint32_t)ts->tv_usec,
		.len = len,
		.wire_len = wire_len,
	};

	append(out, &header, sizeof(header));
	append(out, data, len);
}

bool gt_capture_out_failed(const struct gt_capture_out *out)
{
	return ferror(out->file.stream) != 0;
}

int gt_capture_out_commit(struct gt_capture_out *out)
{
	int rc;

	flush(out);
	rc = gt_new_file_commit(&out->file);
	free(out);
	return rc;
}

void gt_capture_out_discard(struct gt_capture_out *out)
{
	if (out == NULL)
		return;
	gt_new_file_discard(&out->file);
	free(out);
}
