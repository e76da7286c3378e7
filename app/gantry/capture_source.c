/* SPDX-License-Identifier: BSD-3-Clause */
/* One capture; see capture_source.h. */
#include "capture_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

/*
 * Bytes of a file that come by one system call: few enough to stay in the cache until they are
 * parsed. They are read and not mapped: a file that somebody cuts meanwhile would end the process.
 */
#define PIECE_BYTES (128U << 10)

/* Whatever is left of a piece, and a longest frame: one that was begun always fits. */
#define WINDOW_BYTES (PIECE_BYTES + GT_CAPTURE_FRAME_MAX + sizeof(struct gt_pcap_record))

/* ---- by libpcap ---- */

static int64_t nanoseconds(const struct timeval *ts)
{
	/* 64-bit seconds of a damaged pcapng would overflow: 292 years around 1970 fit. */
	const int64_t limit = INT64_MAX / NS_PER_S - 1;
	int64_t s = ts->tv_sec;

	if (s > limit)
		s = limit;
	if (s < -limit)
		s = -limit;
	return s * NS_PER_S + ts->tv_usec % NS_PER_S;
}

static void read_any(struct gt_capture_source *s)
{
	struct gt_capture_record *r = &s->record;
	struct pcap_pkthdr *header;
	const u_char *data;
	int rc = pcap_next_ex(s->pcap, &header, &data);

	if (rc == 1) {
		s->frames++;
		r->data = data;
		r->len = header->caplen;
		/* A writer that says less than it wrote is believed in what it wrote. */
		r->wire_len = header->len < header->caplen ? header->caplen : header->len;
		r->ts = header->ts;
		r->ns = nanoseconds(&header->ts);
		return;
	}
	s->ended = true;
	if (rc == PCAP_ERROR_BREAK)
		return;
	s->damaged = true;
	fprintf(stderr,
		"gantry: %s: frame %" PRIu64 " cannot be read, the capture ends before it: %s\n",
		s->file, s->frames + 1, pcap_geterr(s->pcap));
}

/* ---- ordinary frames, by ourselves ---- */

/* Begins to read by ourselves where that is possible. 0, or -1: no memory. */
static int open_window(struct gt_capture_source *s)
{
	FILE *stream = pcap_file(s->pcap);
	struct gt_pcap_header h;
	off_t at = ftello(stream);

	/* libpcap has read the header alone; a capture on stdin may begin anywhere. */
	if (at < (off_t)sizeof(h) ||
	    pread(fileno(stream), &h, sizeof(h), at - (off_t)sizeof(h)) != sizeof(h) ||
	    (h.magic != GT_PCAP_MAGIC_US && h.magic != GT_PCAP_MAGIC_NS) ||
	    h.major != GT_PCAP_MAJOR || h.minor != GT_PCAP_MINOR)
		return 0;
	s->window = malloc(WINDOW_BYTES);
	if (s->window == NULL)
		return -1;
	s->file_at = at;
	s->fraction_ns = h.magic == GT_PCAP_MAGIC_NS ? 1 : 1000;
	s->len_max = (uint32_t)pcap_snapshot(s->pcap);
	if (s->len_max > GT_CAPTURE_FRAME_MAX)
		s->len_max = GT_CAPTURE_FRAME_MAX;
	return 0;
}

/* Are `n` bytes of the next record in the window, now that more was read where needed? */
static bool have(struct gt_capture_source *s, size_t n)
{
	while (s->end - s->at < n) {
		ssize_t got;

		memmove(s->window, s->window + s->at, s->end - s->at);
		s->file_at += s->at;
		s->end -= s->at;
		s->at = 0;
		got = pread(fileno(pcap_file(s->pcap)), s->window + s->end, PIECE_BYTES,
			    s->file_at + s->end);
		if (got <= 0)
			return false;
		s->end += (uint32_t)got;
	}
	return true;
}

/* The next frame, if it is there whole and nothing about it is odd. */
static bool read_ordinary(struct gt_capture_source *s)
{
	struct gt_capture_record *r = &s->record;
	struct gt_pcap_record h;

	if (!have(s, sizeof(h)))
		return false;
	memcpy(&h, s->window + s->at, sizeof(h));
	/* What libpcap makes of seconds beyond 31 bits depends on the byte order. */
	if (h.len > s->len_max || h.s > INT32_MAX || h.fraction >= NS_PER_S / s->fraction_ns ||
	    !have(s, sizeof(h) + h.len))
		return false;
	r->data = s->window + s->at + sizeof(h);
	r->len = h.len;
	r->wire_len = h.wire_len < h.len ? h.len : h.wire_len;
	r->ts = (struct timeval){h.s, h.fraction * s->fraction_ns};
	r->ns = r->ts.tv_sec * NS_PER_S + r->ts.tv_usec;
	s->at += (uint32_t)sizeof(h) + h.len;
	s->frames++;
	return true;
}

/* From here on libpcap reads. */
static void close_window(struct gt_capture_source *s)
{
	free(s->window);
	s->window = NULL;
	/* It could be sought in before; if that fails now, so does libpcap's reading. */
	fseeko(pcap_file(s->pcap), s->file_at + s->at, SEEK_SET);
}

void gt_capture_source_next(struct gt_capture_source *s)
{
	if (s->window != NULL) {
		if (read_ordinary(s))
			return;
		close_window(s);
	}
	read_any(s);
}

/* ---- opening ---- */

/* Makes a stream a capture of Ethernet frames and takes it over. NULL, with a message. */
static pcap_t *open_pcap(FILE *stream, const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap =
		pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error);

	if (pcap == NULL) {
		fprintf(stderr, "gantry: %s: not a pcap or pcapng capture: %s\n", file, error);
		fclose(stream);
		return NULL;
	}
	int link = pcap_datalink(pcap);

	if (link != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(link);

		fprintf(stderr,
			"gantry: %s: link type is %d (%s), but gantry reads Ethernet only; capture "
			"on an Ethernet interface\n",
			file, link, name == NULL ? "unknown" : name);
		pcap_close(pcap);
		return NULL;
	}
	return pcap;
}

/* Opens a file, or stdin for "-", and tells which file it is. NULL, with a message. */
static FILE *open_stream(const char *file, struct stat *st)
{
	bool is_stdin = strcmp(file, "-") == 0;
	FILE *stream = is_stdin ? fdopen(dup(STDIN_FILENO), "r") : fopen(file, "r");

	if (stream == NULL || fstat(fileno(stream), st) != 0) {
		fprintf(stderr, "gantry: cannot read %s: %s\n", is_stdin ? "stdin" : file,
			strerror(errno));
		if (stream != NULL)
			fclose(stream);
		return NULL;
	}
	return stream;
}

int gt_capture_source_open(struct gt_capture_source *s, uint8_t interface, const char *file)
{
	struct stat st;
	FILE *stream = open_stream(file, &st);

	*s = (struct gt_capture_source){.record.interface = interface};
	if (stream == NULL)
		return -1;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	s->pcap = open_pcap(stream, file);
	if (s->pcap == NULL)
		return -1;
	s->file = strdup(strcmp(file, "-") == 0 ? "stdin" : file);
	if (s->file == NULL || open_window(s) != 0) {
		fprintf(stderr, "gantry: no memory for %s\n", file);
		gt_capture_source_close(s);
		return -1;
	}
	gt_capture_source_next(s);
	return 0;
}

void gt_capture_source_close(struct gt_capture_source *s)
{
	pcap_close(s->pcap);
	free(s->window);
	free(s->file);
}
