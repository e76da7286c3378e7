/* SPDX-License-Identifier: BSD-3-Clause */
/* What every health check has, whatever it speaks: its output, its verdict, its words. */
#include "internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(struct gt_probe *p, const char *format, va_list args)
{
	vsnprintf(p->reason, sizeof(p->reason), format, args);
	for (char *c = p->reason; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '.';
}

void gt_probe_say(struct gt_probe *p, const char *format, ...)
{
	va_list args;

	assert(p->verdict == GT_PROBE_RUNNING);
	va_start(args, format);
	say(p, format, args);
	va_end(args);
}

void gt_probe_settle(struct gt_probe *p, enum gt_probe_verdict verdict, const char *format, ...)
{
	va_list args;

	if (p->verdict != GT_PROBE_RUNNING)
		return;
	p->verdict = verdict;
	va_start(args, format);
	say(p, format, args);
	va_end(args);
}

void gt_probe_finish(struct gt_probe *p)
{
	p->over = true;
	p->out_at = 0;
	p->out_len = 0;
}

void gt_probe_stranger(struct gt_probe *p, const char *protocol, const uint8_t *bytes, size_t len)
{
	char hex[3 * 8 + sizeof(" (hex)")] = "";

	gt_probe_finish(p);
	/* An alert (RFC 8446 5.1), which is what TLS servers answer to anything else. */
	if (len > 0 && bytes[0] == 0x15) {
		gt_probe_settle(p, GT_PROBE_SICK, "not %s: the server expects TLS on this port",
				protocol);
		return;
	}
	for (size_t i = 0; i < len && i < 8; i++)
		snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
	gt_probe_settle(p, GT_PROBE_SICK, "not %s: the answer begins with%s", protocol,
			len == 0 ? " an empty line" : strcat(hex, " (hex)"));
}

void gt_probe_queue(struct gt_probe *p, const void *data, size_t len)
{
	assert(len <= sizeof(p->out) - p->out_len);
	memcpy(p->out + p->out_len, data, len);
	p->out_len = (uint16_t)(p->out_len + len);
}

bool gt_probe_ask_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX])
{
	switch (ask->kind) {
	case GT_PROBE_TCP:
		return true;
	case GT_PROBE_DICOM:
		return gt_probe_dicom_valid(ask, why);
	case GT_PROBE_HL7:
		return gt_probe_hl7_valid(ask, why);
	case GT_PROBE_HTTP:
		return gt_probe_http_valid(ask, why);
	}
	snprintf(why, GT_PROBE_REASON_MAX, "there is no check of kind %d", (int)ask->kind);
	return false;
}

void gt_probe_start(struct gt_probe *p, const struct gt_probe_ask *ask, uint32_t id)
{
	*p = (struct gt_probe){.ask = ask, .verdict = GT_PROBE_RUNNING};
	switch (ask->kind) {
	case GT_PROBE_TCP:
		gt_probe_settle(p, GT_PROBE_HEALTHY, "connected");
		p->over = true;
		break;
	case GT_PROBE_DICOM:
		gt_probe_dicom_start(p, id);
		break;
	case GT_PROBE_HL7:
		gt_probe_hl7_start(p, id);
		break;
	case GT_PROBE_HTTP:
		gt_probe_http_start(p);
		break;
	}
}

const uint8_t *gt_probe_output(const struct gt_probe *p, size_t *len)
{
	*len = (size_t)(p->out_len - p->out_at);
	return p->out + p->out_at;
}

void gt_probe_sent(struct gt_probe *p, size_t len)
{
	assert(len <= (size_t)(p->out_len - p->out_at));
	p->out_at = (uint16_t)(p->out_at + len);
	if (p->out_at < p->out_len)
		return;
	p->out_at = 0;
	p->out_len = 0;
	if (p->ask->kind == GT_PROBE_HL7 && !p->over)
		gt_probe_hl7_refill(p);
}

void gt_probe_input(struct gt_probe *p, const uint8_t *data, size_t len)
{
	if (p->over)
		return;

	size_t room = GT_PROBE_INPUT_MAX - p->received;
	size_t take = len < room ? len : room;

	p->received += (uint32_t)take;
	switch (p->ask->kind) {
	case GT_PROBE_TCP:
		break;
	case GT_PROBE_DICOM:
		gt_probe_dicom_input(p, data, take);
		break;
	case GT_PROBE_HL7:
		gt_probe_hl7_input(p, data, take);
		break;
	case GT_PROBE_HTTP:
		gt_probe_http_input(p, data, take);
		break;
	}
	if (take < len && !p->over) {
		gt_probe_settle(p, GT_PROBE_SICK, "endless answer: more than %d KiB",
				GT_PROBE_INPUT_MAX / 1024);
		gt_probe_finish(p);
	}
}

void gt_probe_closed(struct gt_probe *p)
{
	if (!p->over) {
		switch (p->ask->kind) {
		case GT_PROBE_TCP:
			break;
		case GT_PROBE_DICOM:
			gt_probe_dicom_closed(p);
			break;
		case GT_PROBE_HL7:
			gt_probe_hl7_closed(p);
			break;
		case GT_PROBE_HTTP:
			gt_probe_http_closed(p);
			break;
		}
	}
	gt_probe_finish(p);
}

enum gt_probe_verdict gt_probe_verdict(const struct gt_probe *p)
{
	return p->verdict;
}

bool gt_probe_done(const struct gt_probe *p)
{
	return p->over && p->out_at == p->out_len;
}

const char *gt_probe_reason(const struct gt_probe *p)
{
	return p->reason;
}
