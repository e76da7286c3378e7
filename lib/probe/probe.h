/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A health check's conversation with a server, without I/O: who runs it connects, sends what
 * `gt_probe_output` gives, hands in what comes, and reads the verdict. It knows no socket and no
 * clock: who runs it ends it at its timeout. What a server says is not trusted: nothing it sends
 * can take more memory than struct gt_probe, or more time than its bytes.
 *
 * Sources: DICOM PS3.8 9.3 (upper layer PDUs), PS3.7 9.3.5 (C-ECHO); HL7 v2 MLLP (Transport
 * Specification: MLLP, Release 1); RFC 9112 (HTTP/1.1).
 */
#ifndef GT_PROBE_PROBE_H
#define GT_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gt_probe_kind {
	GT_PROBE_TCP,	/* healthy once it is connected */
	GT_PROBE_DICOM, /* association, C-ECHO, release */
	GT_PROBE_HL7,	/* one message by MLLP and its acknowledgment */
	GT_PROBE_HTTP,	/* one GET; for https, who runs it does TLS */
};

enum gt_probe_verdict {
	GT_PROBE_RUNNING,
	GT_PROBE_HEALTHY,
	GT_PROBE_SICK,
};

/* Acknowledgment codes, as bits of gt_probe_ask.accepted. */
enum gt_probe_ack {
	GT_PROBE_AA = 1,
	GT_PROBE_AE = 2,
	GT_PROBE_AR = 4,
	GT_PROBE_CA = 8,
	GT_PROBE_CE = 16,
	GT_PROBE_CR = 32,
};

/* What is asked. The caller's; it outlives the probes that ask it. */
struct gt_probe_ask {
	enum gt_probe_kind kind;
	/* DICOM */
	char calling_aet[17], called_aet[17];
	bool reject_is_healthy;
	/*
	 * HL7: the message without its MLLP frame, its segments ended by CR, CRLF or LF; NULL: the
	 * built-in one. Its MSH-10 is replaced by a control ID of the probe's own, for a server may
	 * drop a message whose ID it knows; all else is sent as it stands.
	 */
	const uint8_t *message;
	size_t message_len;
	unsigned accepted; /* codes that count as healthy */
	/* HTTP */
	const char *path;
	const char *host;		    /* NULL: the text in `authority` */
	char authority[64];		    /* "192.0.2.11:8042": where no host is given */
	uint16_t status_first, status_last; /* inclusive */
	const char *body;		    /* text that the body must hold; NULL: any */
};

/* Bytes of a body that are searched, and longest text to search for. */
#define GT_PROBE_BODY_MAX 65536
#define GT_PROBE_TEXT_MAX 255

/* Why, in words for the operator: "rejected permanently: called AE title not recognized". */
#define GT_PROBE_REASON_MAX 120

/* What a server may send in all: more is an endless answer. */
#define GT_PROBE_INPUT_MAX (256 * 1024)

/* Longest piece of output; a longer HL7 message goes out in several. An HTTP request must fit. */
#define GT_PROBE_OUTPUT_MAX 2048

/* The longest PDU body that is read. It is what A-ASSOCIATE-RQ allows the server to send, and far
 * more than an A-ASSOCIATE-AC to a single presentation context takes. */
#define GT_PROBE_PDU_MAX     4096
#define GT_PROBE_COMMAND_MAX 1024

struct gt_probe_dicom {
	uint16_t message_id;
	bool collided; /* both sides have asked for the release */
	uint16_t pdu_len, command_len;
	uint8_t pdu[6 + GT_PROBE_PDU_MAX];     /* header and body as far as they came */
	uint8_t command[GT_PROBE_COMMAND_MAX]; /* fragments as far as they came */
};

struct gt_probe_hl7 {
	/* Output: which part of the frame is next, how far it is out, and the last byte of it. */
	uint8_t part, last;
	size_t part_at, id_at, id_end; /* id_*: where MSH-10 stands in the message */
	char id[16];
	/* Input */
	char separator, component; /* the answer's own; 0: no MSH yet */
	char code[3];		   /* MSA-1; empty: no MSA yet */
	bool id_matches, explained;
	char text[80]; /* of MSA or ERR */
	uint16_t segment_len;
	char segment[512]; /* the present segment; what is longer is cut */
};

struct gt_probe_http {
	uint16_t status;
	bool chunked, measured, cut; /* cut: the line is longer than `line` */
	uint8_t n_matched;	     /* bytes of the text that the body ends with so far */
	uint8_t line_len;
	uint32_t header_bytes, body_bytes;
	uint64_t left; /* of the body, or of the chunk */
	char line[GT_PROBE_TEXT_MAX];
	uint8_t borders[GT_PROBE_TEXT_MAX]; /* Knuth, Morris, Pratt: longest border of each prefix
					     */
};

/* One probe. Open so that its owner places it; only the functions below read it. */
struct gt_probe {
	const struct gt_probe_ask *ask;
	enum gt_probe_verdict verdict;
	bool over;     /* nothing more is awaited */
	uint8_t state; /* of the protocol's reader */
	uint32_t received;
	uint16_t out_at, out_len;
	char reason[GT_PROBE_REASON_MAX];
	uint8_t out[GT_PROBE_OUTPUT_MAX];
	union {
		struct gt_probe_dicom dicom;
		struct gt_probe_hl7 hl7;
		struct gt_probe_http http;
	};
};

/*
 * Can this be asked (an HL7 message with its MSH, an HTTP path that fits, ...)? false with `why`,
 * which says what to do. Any caller.
 */
bool gt_probe_ask_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX]);

/*
 * The connection stands. ask: valid. id: makes message IDs differ from each other: the owner counts
 * up. Any caller, as for all below; a probe has one owner.
 */
void gt_probe_start(struct gt_probe *p, const struct gt_probe_ask *ask, uint32_t id);

/*
 * What is to be sent now; len 0: nothing. Valid until the next call. `sent` says how much of it
 * went out, and there may be more then.
 */
const uint8_t *gt_probe_output(const struct gt_probe *p, size_t *len);
void gt_probe_sent(struct gt_probe *p, size_t len);

/* Bytes that came, however split. Ignored once the probe is done. */
void gt_probe_input(struct gt_probe *p, const uint8_t *data, size_t len);
/* The server has closed its side. */
void gt_probe_closed(struct gt_probe *p);

/*
 * The verdict, final once it is not RUNNING. It may be there before the conversation is over (a
 * release that is not confirmed yet): `gt_probe_done` says when to close, which is never before all
 * output is sent, unless the server closed. At its timeout a probe that is RUNNING is sick, any
 * other is what it says.
 */
enum gt_probe_verdict gt_probe_verdict(const struct gt_probe *p);
bool gt_probe_done(const struct gt_probe *p);
/*
 * Why it is sick, or a detail of being healthy ("HTTP status 200"). While RUNNING: what it waits
 * for ("no answer to A-ASSOCIATE-RQ"), which is the reason at its timeout. Printable ASCII, shorter
 * than GT_PROBE_REASON_MAX, whatever the server sends.
 */
const char *gt_probe_reason(const struct gt_probe *p);

#endif
