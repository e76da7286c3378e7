/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PDUs of a DICOM check. What is around a command is big-endian, a command is little-endian.
 */
#include "dicom.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"

/* A root of our own: a UUID as a UID (PS3.5 B.2). Some servers reject a client without. */
#define IMPLEMENTATION_CLASS   "2.25.169947841910747547988124586065008214864"
#define IMPLEMENTATION_VERSION "GANTRY"

#define C_ECHO_RQ   0x0030
#define NO_DATA_SET 0x0101

/* A writer whose buffer is known to suffice. */
struct writer {
	uint8_t *buf;
	size_t len, size;
};

static void put(struct writer *w, const void *data, size_t len)
{
	assert(len <= w->size - w->len);
	memcpy(w->buf + w->len, data, len);
	w->len += len;
}

static void put_be16(struct writer *w, size_t v)
{
	put(w, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static void put_be32(struct writer *w, size_t v)
{
	put_be16(w, v >> 16);
	put_be16(w, v & 0xffff);
}

static void put_le16(struct writer *w, unsigned v)
{
	put(w, (uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void put_item(struct writer *w, uint8_t type, const void *value, size_t len)
{
	put(w, (uint8_t[]){type, 0}, 2);
	put_be16(w, len);
	put(w, value, len);
}

static void put_text(struct writer *w, uint8_t type, const char *text)
{
	put_item(w, type, text, strlen(text));
}

/* An AE title is 16 characters, blanks at its end (PS3.5 6.2). */
static void put_ae_title(struct writer *w, const char *title)
{
	char padded[17];

	snprintf(padded, sizeof(padded), "%-16s", title);
	put(w, padded, 16);
}

static void queue_pdu(struct gt_probe *p, uint8_t type, const struct writer *body)
{
	uint8_t header[GT_DICOM_PDU_HEADER];
	struct writer w = {header, 0, sizeof(header)};

	put(&w, (uint8_t[]){type, 0}, 2);
	put_be32(&w, body->len);
	gt_probe_queue(p, header, sizeof(header));
	gt_probe_queue(p, body->buf, body->len);
}

void gt_dicom_queue_associate(struct gt_probe *p)
{
	uint8_t body[512], items[128];
	struct writer w = {body, 0, sizeof(body)};
	struct writer context = {items, 0, sizeof(items)};
	static const uint8_t zeros[32];

	put_be16(&w, 1); /* protocol version */
	put(&w, zeros, 2);
	put_ae_title(&w, p->ask->called_aet);
	put_ae_title(&w, p->ask->calling_aet);
	put(&w, zeros, 32);
	put_text(&w, 0x10, APPLICATION_CONTEXT);

	put(&context, (uint8_t[]){GT_DICOM_CONTEXT_ID, 0, 0, 0}, 4);
	put_text(&context, 0x30, GT_DICOM_VERIFICATION);
	put_text(&context, 0x40, GT_DICOM_IMPLICIT_VR_LE);
	put_item(&w, 0x20, context.buf, context.len);

	struct writer user = {items, 0, sizeof(items)};

	put(&user, (uint8_t[]){0x51, 0}, 2);
	put_be16(&user, 4);
	put_be32(&user, GT_PROBE_PDU_MAX);
	put_text(&user, 0x52, IMPLEMENTATION_CLASS);
	put_text(&user, 0x55, IMPLEMENTATION_VERSION);
	put_item(&w, 0x50, user.buf, user.len);
	queue_pdu(p, GT_DICOM_ASSOCIATE_RQ, &w);
}

/* An element of the command set: group 0000, Implicit VR Little Endian (PS3.7 6.3.1). */
static void put_element(struct writer *w, unsigned element, const void *value, size_t len)
{
	put_le16(w, 0);
	put_le16(w, element);
	put_le16(w, (unsigned)len);
	put_le16(w, 0);
	put(w, value, len);
}

static void put_us(struct writer *w, unsigned element, unsigned value)
{
	put_element(w, element, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

void gt_dicom_queue_echo(struct gt_probe *p)
{
	uint8_t elements[128], body[192];
	struct writer command = {elements, 0, sizeof(elements)};
	struct writer w = {body, 0, sizeof(body)};

	put_element(&command, 0x0002, GT_DICOM_VERIFICATION "\0", sizeof(GT_DICOM_VERIFICATION));
	put_us(&command, 0x0100, C_ECHO_RQ);
	put_us(&command, 0x0110, p->dicom.message_id);
	put_us(&command, 0x0800, NO_DATA_SET);

	put_be32(&w, 2 + 12 + command.len);
	put(&w, (uint8_t[]){GT_DICOM_CONTEXT_ID, GT_DICOM_COMMAND | GT_DICOM_LAST}, 2);
	put_element(&w, 0x0000, (uint8_t[]){(uint8_t)command.len, 0, 0, 0}, 4);
	put(&w, command.buf, command.len);
	queue_pdu(p, GT_DICOM_DATA, &w);
}

void gt_dicom_queue_short(struct gt_probe *p, enum gt_dicom_pdu type, uint8_t source,
			  uint8_t reason)
{
	uint8_t bytes[4] = {0, 0, source, reason};

	queue_pdu(p, (uint8_t)type, &(struct writer){bytes, sizeof(bytes), sizeof(bytes)});
}
