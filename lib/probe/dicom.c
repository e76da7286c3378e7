/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DICOM: association for Verification, C-ECHO, release (PS3.8 9.3, PS3.7 9.3.5), by the states of a
 * requestor (PS3.8 9.2). PDUs are read whole: A-ASSOCIATE-RQ tells the server how long they may be,
 * and the header alone decides whether a length is believed.
 */
#include "dicom.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Lengths of bodies. */
#define ASSOCIATE_MIN 68 /* version, AE titles, reserved bytes: before the items */
#define SHORT_BODY    4
#define PDV_HEADER    6

/* What is awaited. */
enum { ASSOCIATION, ECHO, RELEASE };

/* What was sent to get it. */
static const char *const asked[] = {"A-ASSOCIATE-RQ", "C-ECHO-RQ", "A-RELEASE-RQ"};

/* Reasons that we abort with (PS3.8 Table 9-26). */
enum { UNEXPECTED_PDU = 2, INVALID_VALUE = 6 };

#define C_ECHO_RSP     0x8030
#define STATUS_SUCCESS 0

static unsigned be16(const uint8_t *b)
{
	return (unsigned)b[0] << 8 | b[1];
}

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)be16(b) << 16 | be16(b + 2);
}

static unsigned le16(const uint8_t *b)
{
	return (unsigned)b[1] << 8 | b[0];
}

static uint32_t le32(const uint8_t *b)
{
	return (uint32_t)le16(b + 2) << 16 | le16(b);
}

static const char *how_far(const struct gt_probe *p)
{
	return p->dicom.pdu_len > 0 || p->dicom.command_len > 0 ? "incomplete" : "no";
}

static void say_awaited(struct gt_probe *p)
{
	if (p->verdict == GT_PROBE_RUNNING)
		gt_probe_say(p, "%s answer to %s", how_far(p), asked[p->state]);
}

static void release(struct gt_probe *p)
{
	assert(p->verdict != GT_PROBE_RUNNING);
	gt_dicom_queue_short(p, GT_DICOM_RELEASE_RQ, 0, 0);
	p->state = RELEASE;
}

/* Ends the association as PS3.8 9.2 wants it for what a server must not send. */
static void abort_association(struct gt_probe *p, uint8_t reason)
{
	assert(p->verdict != GT_PROBE_RUNNING);
	gt_dicom_queue_short(p, GT_DICOM_ABORT, 2 /* service-provider */, reason);
	p->over = true;
}

static void malformed(struct gt_probe *p, const char *what)
{
	gt_probe_settle(p, GT_PROBE_SICK, "malformed %s", what);
	abort_association(p, INVALID_VALUE);
}

static void unexpected(struct gt_probe *p, uint8_t type)
{
	static const char *const instead[] = {"the answer to A-ASSOCIATE-RQ",
					      "the answer to C-ECHO-RQ", "A-RELEASE-RP"};

	gt_probe_settle(p, GT_PROBE_SICK, "%s instead of %s", gt_dicom_pdu_name(type),
			instead[p->state]);
	abort_association(p, UNEXPECTED_PDU);
}

/* A UID as a server wrote it; some pad it. */
static bool is_uid(const uint8_t *b, size_t len, const char *uid)
{
	while (len > 0 && (b[len - 1] == 0 || b[len - 1] == ' '))
		len--;
	return len == strlen(uid) && memcmp(b, uid, len) == 0;
}

/* An item at the front of *b; false: it does not end within *len. Moves on behind it. */
static bool next_item(const uint8_t **b, size_t *len, uint8_t *type, const uint8_t **value,
		      size_t *value_len)
{
	if (*len < 4 || be16(*b + 2) > *len - 4)
		return false;
	*type = (*b)[0];
	*value = *b + 4;
	*value_len = be16(*b + 2);
	*b += 4 + *value_len;
	*len -= 4 + *value_len;
	return true;
}

/* What an A-ASSOCIATE-AC says of our presentation context (PS3.8 9.3.3.2). */
static void read_context(struct gt_probe *p, const uint8_t *b, size_t len)
{
	char words[64];
	uint8_t type;
	const uint8_t *value;
	size_t value_len;

	if (b[2] != 0) {
		gt_probe_settle(p, GT_PROBE_SICK, "Verification not accepted: %s",
				gt_dicom_context(b[2], words, sizeof(words)));
		release(p);
		return;
	}
	b += 4;
	len -= 4;
	if (!next_item(&b, &len, &type, &value, &value_len) || type != 0x40) {
		malformed(p, "A-ASSOCIATE-AC: no transfer syntax in its presentation context");
	} else if (!is_uid(value, value_len, GT_DICOM_IMPLICIT_VR_LE)) {
		gt_probe_settle(p, GT_PROBE_SICK,
				"A-ASSOCIATE-AC: a transfer syntax that was not proposed: %.*s",
				value_len < 64 ? (int)value_len : 64, (const char *)value);
		abort_association(p, INVALID_VALUE);
	} else {
		gt_dicom_queue_echo(p);
		p->state = ECHO;
	}
}

static void read_accept(struct gt_probe *p, const uint8_t *b, size_t len)
{
	const uint8_t *value, *context = NULL;
	size_t value_len, context_len = 0;
	uint8_t type;

	b += ASSOCIATE_MIN;
	len -= ASSOCIATE_MIN;
	while (len > 0) {
		if (!next_item(&b, &len, &type, &value, &value_len)) {
			malformed(p, "A-ASSOCIATE-AC: an item ends outside of it");
			return;
		}
		if (type == 0x21 && value_len >= 4 && value[0] == GT_DICOM_CONTEXT_ID) {
			context = value;
			context_len = value_len;
		}
	}
	if (context == NULL)
		malformed(p, "A-ASSOCIATE-AC: nothing about the proposed presentation context");
	else
		read_context(p, context, context_len);
}

static void read_reject(struct gt_probe *p, const uint8_t *b)
{
	char words[96];

	gt_dicom_rejection(b[1], b[2], b[3], words, sizeof(words));
	gt_probe_settle(p, p->ask->reject_is_healthy ? GT_PROBE_HEALTHY : GT_PROBE_SICK, "%s",
			words);
	gt_probe_finish(p);
}

static void read_abort(struct gt_probe *p, const uint8_t *b)
{
	char words[64];

	gt_probe_settle(p, GT_PROBE_SICK, "%s", gt_dicom_abort(b[2], b[3], words, sizeof(words)));
	gt_probe_finish(p);
}

static void read_release_rq(struct gt_probe *p)
{
	if (p->state == ASSOCIATION || p->dicom.collided) {
		unexpected(p, GT_DICOM_RELEASE_RQ);
		return;
	}
	gt_probe_settle(p, GT_PROBE_SICK,
			"server asks for the release instead of answering C-ECHO-RQ");
	gt_dicom_queue_short(p, GT_DICOM_RELEASE_RP, 0, 0);
	/* Release collision: the requestor answers, and then waits for its answer (AR-8, AR-9). */
	if (p->state == RELEASE)
		p->dicom.collided = true;
	else
		p->over = true;
}

/* The command set of C-ECHO-RSP (PS3.7 9.3.5.2), whole. */
static void read_command(struct gt_probe *p, const uint8_t *b, size_t len)
{
	unsigned field = 0, message_id = 0, status = 0, seen = 0;
	char words[64];

	while (len > 0) {
		if (len < 8 || le16(b) != 0 || le32(b + 4) > len - 8) {
			malformed(p, "command: an element ends outside of it");
			return;
		}

		size_t value_len = le32(b + 4);

		if (value_len == 2) {
			const unsigned element = le16(b + 2), value = le16(b + 8);

			switch (element) {
			case 0x0100:
				field = value;
				seen |= 1;
				break;
			case 0x0120:
				message_id = value;
				seen |= 2;
				break;
			case 0x0900:
				status = value;
				seen |= 4;
				break;
			}
		}
		b += 8 + value_len;
		len -= 8 + value_len;
	}
	if ((seen & 1) == 0 || field != C_ECHO_RSP) {
		gt_probe_settle(p, GT_PROBE_SICK, "command %04Xh instead of C-ECHO-RSP", field);
		abort_association(p, UNEXPECTED_PDU);
	} else if (seen != 7) {
		malformed(p, "C-ECHO-RSP: no message ID or no status");
	} else if (message_id != p->dicom.message_id) {
		gt_probe_settle(p, GT_PROBE_SICK, "C-ECHO-RSP to message %u, not to %u", message_id,
				p->dicom.message_id);
		abort_association(p, INVALID_VALUE);
	} else {
		gt_probe_settle(p, status == STATUS_SUCCESS ? GT_PROBE_HEALTHY : GT_PROBE_SICK,
				"C-ECHO %s",
				status == STATUS_SUCCESS
					? "succeeded"
					: gt_dicom_status((uint16_t)status, words, sizeof(words)));
		release(p);
	}
}

/* The PDVs of a P-DATA-TF (PS3.8 9.3.5, Annex E). A command may come in fragments, over PDUs too.
 */
static void read_data(struct gt_probe *p, const uint8_t *b, size_t len)
{
	struct gt_probe_dicom *d = &p->dicom;

	while (len > 0 && p->state == ECHO && !p->over) {
		if (len < PDV_HEADER || be32(b) < 2 || be32(b) > len - 4) {
			malformed(p, "P-DATA-TF: a PDV ends outside of it");
			return;
		}

		size_t pdv = 4 + be32(b), fragment = pdv - PDV_HEADER;

		if (b[4] != GT_DICOM_CONTEXT_ID || (b[5] & GT_DICOM_COMMAND) == 0) {
			malformed(p, "P-DATA-TF: not a command in the accepted context");
		} else if (fragment > sizeof(d->command) - d->command_len) {
			malformed(p, "C-ECHO-RSP: longer than 1 KiB");
		} else {
			memcpy(d->command + d->command_len, b + PDV_HEADER, fragment);
			d->command_len = (uint16_t)(d->command_len + fragment);
			if (b[5] & GT_DICOM_LAST)
				read_command(p, d->command, d->command_len);
		}
		b += pdv;
		len -= pdv;
	}
}

static void read_pdu(struct gt_probe *p)
{
	const uint8_t *body = p->dicom.pdu + GT_DICOM_PDU_HEADER;
	size_t len = (size_t)p->dicom.pdu_len - GT_DICOM_PDU_HEADER;
	uint8_t type = p->dicom.pdu[0];

	if (type == GT_DICOM_ABORT)
		read_abort(p, body);
	else if (type == GT_DICOM_RELEASE_RQ)
		read_release_rq(p);
	else if (type == GT_DICOM_ASSOCIATE_AC && p->state == ASSOCIATION)
		read_accept(p, body, len);
	else if (type == GT_DICOM_ASSOCIATE_RJ && p->state == ASSOCIATION)
		read_reject(p, body);
	else if (type == GT_DICOM_DATA && p->state == ECHO)
		read_data(p, body, len);
	else if (type == GT_DICOM_RELEASE_RP && p->state == RELEASE)
		gt_probe_finish(p);
	else if (type != GT_DICOM_DATA || p->state != RELEASE) /* late data is legal (Sta7, AR-6) */
		unexpected(p, type);
}

/* Is the PDU whose header has come one that we read? */
static bool header_good(struct gt_probe *p)
{
	const uint8_t *header = p->dicom.pdu;
	uint32_t len = be32(header + 2);
	const char *name = gt_dicom_pdu_name(header[0]);
	uint32_t min = SHORT_BODY, max = SHORT_BODY;

	if (name == NULL) {
		gt_probe_stranger(p, "DICOM", header, GT_DICOM_PDU_HEADER);
		return false;
	}
	if (header[0] <= GT_DICOM_ASSOCIATE_AC) {
		min = ASSOCIATE_MIN;
		max = GT_PROBE_PDU_MAX;
	} else if (header[0] == GT_DICOM_DATA) {
		min = PDV_HEADER;
		max = GT_PROBE_PDU_MAX;
	}
	if (len >= min && len <= max)
		return true;
	gt_probe_settle(p, GT_PROBE_SICK, "malformed %s: its length is %u", name, len);
	abort_association(p, INVALID_VALUE);
	return false;
}

void gt_probe_dicom_start(struct gt_probe *p, uint32_t id)
{
	p->dicom.message_id = (uint16_t)(id % UINT16_MAX + 1);
	gt_dicom_queue_associate(p);
	say_awaited(p);
}

void gt_probe_dicom_input(struct gt_probe *p, const uint8_t *data, size_t len)
{
	struct gt_probe_dicom *d = &p->dicom;

	while (len > 0 && !p->over) {
		size_t whole = GT_DICOM_PDU_HEADER;

		if (d->pdu_len >= GT_DICOM_PDU_HEADER)
			whole += be32(d->pdu + 2);

		size_t take = whole - d->pdu_len < len ? whole - d->pdu_len : len;

		memcpy(d->pdu + d->pdu_len, data, take);
		d->pdu_len = (uint16_t)(d->pdu_len + take);
		data += take;
		len -= take;
		if (d->pdu_len < whole)
			continue;
		if (whole == GT_DICOM_PDU_HEADER) {
			if (!header_good(p))
				return;
		} else {
			read_pdu(p);
			d->pdu_len = 0;
		}
	}
	say_awaited(p);
}

void gt_probe_dicom_closed(struct gt_probe *p)
{
	gt_probe_settle(p, GT_PROBE_SICK, "%s answer to %s: server closed the connection",
			how_far(p), asked[p->state]);
}

bool gt_probe_dicom_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX])
{
	const char *titles[] = {ask->called_aet, ask->calling_aet};

	for (size_t i = 0; i < 2; i++) {
		size_t len = strnlen(titles[i], 17), blanks = strspn(titles[i], " ");

		if (len == 0 || len > 16 || blanks == len) {
			snprintf(why, GT_PROBE_REASON_MAX,
				 "the %s AE title must have 1 to 16 characters, not blanks alone",
				 i == 0 ? "called" : "calling");
			return false;
		}
		for (const char *c = titles[i]; *c != '\0'; c++)
			if (*c < ' ' || *c > '~' || *c == '\\') {
				snprintf(why, GT_PROBE_REASON_MAX,
					 "the %s AE title may hold ASCII characters only, but "
					 "no backslash",
					 i == 0 ? "called" : "calling");
				return false;
			}
	}
	return true;
}
