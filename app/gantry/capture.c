/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures in and out; see capture.h. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libpcap reads two pieces for each frame; this many bytes come by one system call. */
#define STREAM_BUFFER_BYTES (1U << 20)

#define NS_PER_S 1000000000LL

/* One capture, and its next frame. */
struct source {
	pcap_t *pcap; /* owns the stream */
	char *file;
	uint64_t frames; /* read from it so far */
	dev_t device;
	ino_t inode;
	bool ended;
	struct gt_capture_record record;
};

struct gt_captures {
	struct source *sources;
	size_t n;
	struct source *first; /* whose record was peeked; NULL: not known */
	bool damaged;
};

struct gt_captures *gt_captures_create(void)
{
	return calloc(1, sizeof(struct gt_captures));
}

void gt_captures_destroy(struct gt_captures *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++) {
		pcap_close(c->sources[i].pcap);
		free(c->sources[i].file);
	}
	free(c->sources);
	free(c);
}

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

/* Reads the next frame of a capture, or marks its end. */
static void source_read(struct gt_captures *c, struct source *s)
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
	c->damaged = true;
	fprintf(stderr,
		"gantry: %s: frame %" PRIu64 " cannot be read, the capture ends before it: %s\n",
		s->file, s->frames + 1, pcap_geterr(s->pcap));
}

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
	setvbuf(stream, NULL, _IOFBF, STREAM_BUFFER_BYTES);
	return stream;
}

int gt_captures_add(struct gt_captures *c, uint8_t interface, const char *file)
{
	struct source s = {.record.interface = interface}, *sources;
	struct stat st;
	FILE *stream = open_stream(file, &st);

	if (stream == NULL)
		return -1;
	s.device = st.st_dev;
	s.inode = st.st_ino;
	s.pcap = open_pcap(stream, file);
	if (s.pcap == NULL)
		return -1;
	s.file = strdup(strcmp(file, "-") == 0 ? "stdin" : file);
	sources = reallocarray(c->sources, c->n + 1, sizeof(*sources));
	if (s.file == NULL || sources == NULL) {
		fprintf(stderr, "gantry: no memory for %s\n", file);
		if (sources != NULL)
			c->sources = sources;
		free(s.file);
		pcap_close(s.pcap);
		return -1;
	}
	c->sources = sources;
	sources[c->n] = s;
	source_read(c, &sources[c->n++]);
	return 0;
}

const struct gt_capture_record *gt_captures_peek(struct gt_captures *c)
{
	if (c->first == NULL) {
		/* A scan: there are as many captures as somebody wrote on a command line. */
		for (size_t i = 0; i < c->n; i++) {
			struct source *s = &c->sources[i];

			if (!s->ended && (c->first == NULL || s->record.ns < c->first->record.ns))
				c->first = s;
		}
		if (c->first == NULL)
			return NULL;
	}
	return &c->first->record;
}

void gt_captures_next(struct gt_captures *c)
{
	source_read(c, c->first);
	/* The only one stays the first. */
	if (c->n > 1 || c->first->ended)
		c->first = NULL;
}

bool gt_captures_damaged(const struct gt_captures *c)
{
	return c->damaged;
}

bool gt_captures_has(const struct gt_captures *c, const char *file)
{
	struct stat st;

	if (stat(file, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (c->sources[i].device == st.st_dev && c->sources[i].inode == st.st_ino)
			return true;
	return false;
}

/* Opens a temporary file beside f->name, with the rights that a new file gets here. */
static FILE *open_temporary(struct gt_new_file *f)
{
	mode_t mask = umask(0);
	FILE *stream = NULL;
	int fd;

	umask(mask);
	if (asprintf(&f->temporary, "%s.XXXXXX", f->name) < 0) {
		f->temporary = NULL;
		return NULL;
	}
	fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0) {
		free(f->temporary);
		f->temporary = NULL;
		return NULL;
	}
	if (fchmod(fd, 0666 & ~mask) == 0)
		stream = fdopen(fd, "w");
	if (stream == NULL)
		close(fd);
	return stream;
}

int gt_new_file_open(struct gt_new_file *f, const char *name)
{
	struct stat st;

	*f = (struct gt_new_file){.name = strdup(name)};
	if (f->name != NULL) {
		if (lstat(name, &st) == 0 && !S_ISREG(st.st_mode))
			f->stream = fopen(name, "w");
		else
			f->stream = open_temporary(f);
	}
	if (f->stream == NULL) {
		fprintf(stderr, "gantry: cannot write %s: %s\n", name, strerror(errno));
		gt_new_file_discard(f);
		return -1;
	}
	setvbuf(f->stream, NULL, _IOFBF, STREAM_BUFFER_BYTES);
	return 0;
}

int gt_new_file_commit(struct gt_new_file *f)
{
	bool failed = ferror(f->stream) != 0;
	int rc = -1;

	errno = EIO;
	failed = fclose(f->stream) != 0 || failed;
	f->stream = NULL;
	if (!failed && (f->temporary == NULL || rename(f->temporary, f->name) == 0)) {
		/* It has its name: nothing is left to remove. */
		free(f->temporary);
		f->temporary = NULL;
		rc = 0;
	} else {
		fprintf(stderr, "gantry: cannot write %s: %s\n", f->name, strerror(errno));
	}
	gt_new_file_discard(f);
	return rc;
}

void gt_new_file_discard(struct gt_new_file *f)
{
	if (f->stream != NULL)
		fclose(f->stream);
	if (f->temporary != NULL)
		unlink(f->temporary);
	free(f->temporary);
	free(f->name);
	*f = (struct gt_new_file){0};
}

struct gt_capture_out {
	struct gt_new_file file;
	pcap_t *pcap;	       /* says format and link type */
	pcap_dumper_t *dumper; /* the same stream as file.stream: closed there */
};

struct gt_capture_out *gt_capture_out_open(const char *name)
{
	struct gt_capture_out *out = calloc(1, sizeof(*out));

	if (out == NULL || gt_new_file_open(&out->file, name) != 0)
		goto free_out;
	out->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, GT_CAPTURE_FRAME_MAX,
							 PCAP_TSTAMP_PRECISION_NANO);
	if (out->pcap == NULL)
		goto discard_file;
	out->dumper = pcap_dump_fopen(out->pcap, out->file.stream);
	if (out->dumper == NULL) {
		fprintf(stderr, "gantry: cannot write %s: %s\n", name, pcap_geterr(out->pcap));
		out->file.stream = NULL; /* libpcap has closed it */
		goto close_pcap;
	}
	return out;

close_pcap:
	pcap_close(out->pcap);
discard_file:
	gt_new_file_discard(&out->file);
free_out:
	free(out);
	return NULL;
}

void gt_capture_out_write(struct gt_capture_out *out, const struct timeval *ts, const uint8_t *data,
			  uint32_t len, uint32_t wire_len)
{
	struct pcap_pkthdr header = {.ts = *ts, .caplen = len, .len = wire_len};

	pcap_dump((u_char *)out->dumper, &header, data);
}

bool gt_capture_out_failed(const struct gt_capture_out *out)
{
	return ferror(out->file.stream) != 0;
}

int gt_capture_out_commit(struct gt_capture_out *out)
{
	int rc = gt_new_file_commit(&out->file);

	pcap_close(out->pcap);
	free(out);
	return rc;
}

void gt_capture_out_discard(struct gt_capture_out *out)
{
	if (out == NULL)
		return;
	gt_new_file_discard(&out->file);
	pcap_close(out->pcap);
	free(out);
}
