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
	/* HL7: the message, without its MLLP frame, segments ended by CR; NULL: the built-in one */
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

/* Bytes of a body that are searched. */
#define GT_PROBE_BODY_MAX 65536

/* Why, in words for the operator: "rejected: called AE title not recognized". */
#define GT_PROBE_REASON_MAX 120

struct gt_probe; /* open, of fixed size; defined below by the implementation */

/* Is the ask well-formed (an HL7 message with MSH and a control ID, say)? false with `why`. Any
 * caller. */
bool gt_probe_ask_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX]);

/* The connection stands. id: makes message IDs differ from each other. */
void gt_probe_start(struct gt_probe *p, const struct gt_probe_ask *ask, uint32_t id);

/* What is to be sent now; len 0: nothing. Valid until the next call. */
const uint8_t *gt_probe_output(const struct gt_probe *p, size_t *len);
void gt_probe_sent(struct gt_probe *p, size_t len);

/* Bytes that came. */
void gt_probe_input(struct gt_probe *p, const uint8_t *data, size_t len);
/* The server has closed its side. */
void gt_probe_closed(struct gt_probe *p);

/*
 * The verdict. It may be there before the conversation is over (a release that is not confirmed
 * yet): `gt_probe_done` says when to close. At its timeout a probe that is RUNNING is sick, any
 * other is what it says.
 */
enum gt_probe_verdict gt_probe_verdict(const struct gt_probe *p);
bool gt_probe_done(const struct gt_probe *p);
/* Why it is sick, or a detail of being healthy ("HTTP status 200"). While RUNNING: what it waits
 * for ("no answer to A-ASSOCIATE-RQ"), which is the reason at its timeout. */
const char *gt_probe_reason(const struct gt_probe *p);

#endif
