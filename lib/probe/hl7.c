/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HL7 v2 by MLLP (Transport Specification: MLLP, Release 1; the commit bytes of Release 2): one
 * message out, its acknowledgment back (HL7 v2.5 2.9, 2.15). An answer is read segment by segment
 * in its own separators; of a segment the beginning alone is kept.
 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The frame: <SB> message <EB><CR>; in Release 2 also <SB><ACK><EB><CR>, or <NAK>. */
#define SB  0x0b
#define EB  0x1c
#define CR  '\r'
#define ACK 0x06
#define NAK 0x15

static const char stored_not[] = "NAK: the server could not store the message";

/* What is read. */
enum { BEFORE_FRAME, IN_FRAME, BEHIND_FRAME };

/* No server files it as a patient: NMD is application management data. MSH-10 is put in. */
static const char builtin[] = "MSH|^~\\&|GANTRY|LB|RIS|HOSP|20250101120000||NMD^N02||T|2.5\r";

static const struct {
	char name[3];
	enum gt_probe_ack ack;
} codes[] = {
	{"AA", GT_PROBE_AA}, {"AE", GT_PROBE_AE}, {"AR", GT_PROBE_AR},
	{"CA", GT_PROBE_CA}, {"CE", GT_PROBE_CE}, {"CR", GT_PROBE_CR},
};

struct span {
	const char *data;
	size_t len;
};

/* The n-th part between separators, from 0; empty where there are fewer. */
static struct span part_of(struct span s, char separator, unsigned n)
{
	const char *end = s.data + s.len;

	for (; n > 0 && s.data < end; n--) {
		const char *next = memchr(s.data, separator, (size_t)(end - s.data));

		s.data = next == NULL ? end : next + 1;
	}

	const char *next = s.data < end ? memchr(s.data, separator, (size_t)(end - s.data)) : NULL;

	s.len = (size_t)((next == NULL ? end : next) - s.data);
	return s;
}

static bool is_end_of_segment(char c)
{
	return c == '\r' || c == '\n';
}

/* ---- what is sent ---- */

static struct span message_of(const struct gt_probe_ask *ask)
{
	if (ask->message == NULL)
		return (struct span){builtin, sizeof(builtin) - 1};
	return (struct span){(const char *)ask->message, ask->message_len};
}

static struct span first_segment(struct span message)
{
	size_t len = 0;

	while (len < message.len && !is_end_of_segment(message.data[len]))
		len++;
	return (struct span){message.data, len};
}

/* A field of MSH, whose first one is the separator itself (HL7 v2.5 2.15.9.1). */
static struct span msh_field(struct span msh, unsigned n)
{
	return part_of(msh, msh.data[3], n - 1);
}

/* The frame in order. The CR before EB is dropped where the message has one, see refill. */
static struct span part_to_send(const struct gt_probe *p)
{
	const struct gt_probe_hl7 *h = &p->hl7;
	struct span m = message_of(p->ask);

	switch (h->part) {
	case 0:
		return (struct span){"\x0b", 1};
	case 1:
		return (struct span){m.data, h->id_at};
	case 2:
		return (struct span){h->id, strlen(h->id)};
	case 3:
		return (struct span){m.data + h->id_end, m.len - h->id_end};
	default:
		return (struct span){"\r\x1c\r", 3};
	}
}

/* Segments end in one CR, whatever the file has, and none is empty. */
void gt_probe_hl7_refill(struct gt_probe *p)
{
	struct gt_probe_hl7 *h = &p->hl7;

	for (; h->part < 5; h->part++, h->part_at = 0) {
		struct span s = part_to_send(p);

		for (; h->part_at < s.len; h->part_at++) {
			char c = s.data[h->part_at];

			if (p->out_len == sizeof(p->out))
				return;
			if (c == '\n')
				c = '\r';
			if (c == '\r' && h->last == '\r')
				continue;
			h->last = (uint8_t)c;
			gt_probe_queue(p, &c, 1);
		}
	}
}

void gt_probe_hl7_start(struct gt_probe *p, uint32_t id)
{
	struct gt_probe_hl7 *h = &p->hl7;
	struct span message = message_of(p->ask);
	struct span old = msh_field(first_segment(message), 10);

	h->id_at = (size_t)(old.data - message.data);
	h->id_end = h->id_at + old.len;
	snprintf(h->id, sizeof(h->id), "GNT%010u", id);
	gt_probe_hl7_refill(p);
	gt_probe_say(p, "no acknowledgment");
}

bool gt_probe_hl7_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX])
{
	struct span m = message_of(ask), msh = first_segment(m);

	/* MSH-9 to MSH-12 but the control ID, which a probe puts in (HL7 v2.5 2.15.9). */
	static const unsigned required[] = {9, 11, 12};

	if (ask->accepted == 0) {
		snprintf(why, GT_PROBE_REASON_MAX, "no acknowledgment code is accepted");
		return false;
	}
	if (msh.len < 8 || memcmp(m.data, "MSH", 3) != 0 || !ispunct((unsigned char)m.data[3])) {
		snprintf(why, GT_PROBE_REASON_MAX,
			 "the message must begin with a segment such as MSH|^~\\&|...");
		return false;
	}
	if (memchr(m.data, SB, m.len) != NULL || memchr(m.data, EB, m.len) != NULL) {
		snprintf(why, GT_PROBE_REASON_MAX,
			 "the message holds a byte of an MLLP frame (0B or 1C): write it without");
		return false;
	}
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (msh_field(msh, required[i]).len == 0) {
			snprintf(why, GT_PROBE_REASON_MAX, "MSH-%u of the message is empty",
				 required[i]);
			return false;
		}
	return true;
}

/* ---- what is read ---- */

static void keep_text(struct gt_probe_hl7 *h, struct span text)
{
	if (text.len >= sizeof(h->text))
		text.len = sizeof(h->text) - 1;
	memcpy(h->text, text.data, text.len);
	h->text[text.len] = '\0';
}

static void read_msa(struct gt_probe_hl7 *h, struct span s)
{
	struct span code = part_of(s, h->separator, 1), id = part_of(s, h->separator, 2);

	if (h->code[0] != '\0')
		return;
	snprintf(h->code, sizeof(h->code), "%.*s", code.len > 2 ? 2 : (int)code.len, code.data);
	if (code.len != 2)
		h->code[0] = '?';
	h->id_matches = id.len == strlen(h->id) && memcmp(id.data, h->id, id.len) == 0;
	if (!h->explained)
		keep_text(h, part_of(s, h->separator, 3));
}

/*
 * The first error that says something: for the user (ERR-8), for who mends it (ERR-7), the code's
 * name, the code (ERR-3), and before v2.5 ERR-1, which holds it all.
 */
static void read_err(struct gt_probe_hl7 *h, struct span s)
{
	struct span code = part_of(s, h->separator, 3);
	const struct span texts[] = {
		part_of(s, h->separator, 8),	part_of(s, h->separator, 7),
		part_of(code, h->component, 1), part_of(code, h->component, 0),
		part_of(s, h->separator, 1),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !h->explained; i++)
		if (texts[i].len > 0) {
			keep_text(h, texts[i]);
			h->explained = true;
		}
}

static void fail(struct gt_probe *p, const char *why)
{
	gt_probe_settle(p, GT_PROBE_SICK, "%s", why);
	gt_probe_finish(p);
}

static void end_segment(struct gt_probe *p)
{
	struct gt_probe_hl7 *h = &p->hl7;
	struct span s = {h->segment, h->segment_len};

	h->segment_len = 0;
	if (s.len == 0)
		return;
	if (h->separator == 0) {
		if (s.len >= 5 && memcmp(s.data, "MSH", 3) == 0) {
			h->separator = s.data[3];
			h->component = s.data[4];
		} else if (s.len == 1 && s.data[0] == NAK) {
			fail(p, stored_not);
		} else if (s.len != 1 || s.data[0] != ACK) {
			fail(p, "the answer does not begin with MSH");
		}
		return;
	}
	if (s.len < 4 || s.data[3] != h->separator)
		return;
	if (memcmp(s.data, "MSA", 3) == 0)
		read_msa(h, s);
	else if (memcmp(s.data, "ERR", 3) == 0)
		read_err(h, s);
}

static unsigned ack_of(const char code[3])
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(code, codes[i].name) == 0)
			return codes[i].ack;
	return 0;
}

/* After a commit acknowledgment the application's own follows, if that is what is asked for. */
static bool application_follows(const struct gt_probe *p, unsigned ack)
{
	return ack == GT_PROBE_CA &&
	       (p->ask->accepted & (GT_PROBE_AA | GT_PROBE_AE | GT_PROBE_AR)) != 0;
}

static void end_message(struct gt_probe *p)
{
	struct gt_probe_hl7 *h = &p->hl7;
	unsigned ack = ack_of(h->code);
	const char *colon = h->text[0] != '\0' ? ": " : "";

	if (h->separator == 0)
		return; /* a commit byte alone: the acknowledgment follows */
	if (h->code[0] == '\0')
		fail(p, "the answer has no MSA segment");
	else if (ack == 0)
		gt_probe_settle(p, GT_PROBE_SICK, "MSA-1 %s is no acknowledgment code", h->code);
	else if (!h->id_matches)
		gt_probe_settle(p, GT_PROBE_SICK,
				"acknowledged %s, but not our message: MSA-2 is "
				"not %s",
				h->code, h->id);
	else if ((ack & p->ask->accepted) != 0)
		gt_probe_settle(p, GT_PROBE_HEALTHY, "acknowledged %s", h->code);
	else if (application_follows(p, ack))
		gt_probe_say(p, "committed (CA), but no application acknowledgment");
	else
		gt_probe_settle(p, GT_PROBE_SICK, "acknowledged %s%s%s", h->code, colon, h->text);
}

static void begin_message(struct gt_probe *p)
{
	struct gt_probe_hl7 *h = &p->hl7;

	h->separator = 0;
	h->code[0] = '\0';
	h->text[0] = '\0';
	h->explained = false;
	h->segment_len = 0;
	p->state = IN_FRAME;
	gt_probe_say(p, "acknowledgment incomplete");
}

/* In the frame, and the byte that ends it. */
static void read_message(struct gt_probe *p, uint8_t b)
{
	struct gt_probe_hl7 *h = &p->hl7;

	if (b == SB) {
		fail(p, "malformed answer: a frame begins within a frame");
	} else if (b == EB || is_end_of_segment((char)b)) {
		end_segment(p);
		if (b == EB && !p->over) {
			p->state = BEHIND_FRAME;
			end_message(p);
		}
	} else if (h->segment_len < sizeof(h->segment)) {
		h->segment[h->segment_len++] = (char)b;
	}
}

void gt_probe_hl7_input(struct gt_probe *p, const uint8_t *data, size_t len)
{
	for (; len > 0 && !p->over; data++, len--) {
		switch (p->state) {
		case BEFORE_FRAME:
			if (*data == SB)
				begin_message(p);
			else if (*data == NAK)
				fail(p, stored_not);
			else if (!is_end_of_segment((char)*data))
				gt_probe_stranger(p, "MLLP", data, 1);
			break;
		case IN_FRAME:
			read_message(p, *data);
			break;
		case BEHIND_FRAME:
			if (p->verdict != GT_PROBE_RUNNING)
				gt_probe_finish(p);
			else if (*data == CR)
				p->state = BEFORE_FRAME;
			else
				fail(p, "malformed answer: no CR behind its frame");
			break;
		}
	}
}

void gt_probe_hl7_closed(struct gt_probe *p)
{
	gt_probe_settle(p, GT_PROBE_SICK, "server closed the connection %s",
			p->state == IN_FRAME ? "within its acknowledgment"
					     : "without an acknowledgment");
}
