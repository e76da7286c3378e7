/* SPDX-License-Identifier: BSD-3-Clause */
#include "dicom.h"

#include <stdio.h>

struct word {
	unsigned number;
	const char *text;
};

static const struct word pdus[] = {
	{1, "A-ASSOCIATE-RQ"}, {2, "A-ASSOCIATE-AC"}, {3, "A-ASSOCIATE-RJ"}, {4, "P-DATA-TF"},
	{5, "A-RELEASE-RQ"},   {6, "A-RELEASE-RP"},   {7, "A-ABORT"},	     {0, NULL},
};

static const struct word results[] = {
	{1, "rejected permanently"}, {2, "rejected transiently"}, {0, NULL}};

/* Both tables by source << 8 | reason. */
static const struct word rejections[] = {
	{0x101, "no reason given (service-user)"},
	{0x102, "application context name not supported (service-user)"},
	{0x103, "calling AE title not recognized (service-user)"},
	{0x107, "called AE title not recognized (service-user)"},
	{0x201, "no reason given (service-provider, ACSE)"},
	{0x202, "protocol version not supported (service-provider, ACSE)"},
	{0x301, "temporary congestion (service-provider, presentation)"},
	{0x302, "local limit exceeded (service-provider, presentation)"},
	{0, NULL},
};

static const struct word aborts[] = {
	{0x200, "reason not specified (service-provider)"},
	{0x201, "unrecognized PDU (service-provider)"},
	{0x202, "unexpected PDU (service-provider)"},
	{0x204, "unrecognized PDU parameter (service-provider)"},
	{0x205, "unexpected PDU parameter (service-provider)"},
	{0x206, "invalid PDU parameter value (service-provider)"},
	{0, NULL},
};

static const struct word contexts[] = {
	{1, "user rejection"},
	{2, "no reason"},
	{3, "abstract syntax not supported"},
	{4, "transfer syntaxes not supported"},
	{0, NULL},
};

static const struct word statuses[] = {
	{0x0110, "processing failure"},	     {0x0122, "refused: SOP class not supported"},
	{0x0124, "refused: not authorized"}, {0x0210, "duplicate invocation"},
	{0x0211, "unrecognized operation"},  {0x0212, "mistyped argument"},
	{0x0213, "resource limitation"},     {0, NULL},
};

static const char *find(const struct word *w, unsigned number)
{
	while (w->text != NULL && w->number != number)
		w++;
	return w->text;
}

const char *gt_dicom_pdu_name(uint8_t type)
{
	return find(pdus, type);
}

char *gt_dicom_rejection(uint8_t result, uint8_t source, uint8_t reason, char *buf, size_t size)
{
	const char *how = find(results, result);
	const char *why = find(rejections, (unsigned)source << 8 | reason);

	if (how == NULL || why == NULL)
		snprintf(buf, size, "rejected: result %u, source %u, reason %u", result, source,
			 reason);
	else
		snprintf(buf, size, "%s: %s", how, why);
	return buf;
}

char *gt_dicom_abort(uint8_t source, uint8_t reason, char *buf, size_t size)
{
	const char *why = find(aborts, (unsigned)source << 8 | reason);

	/* A service-user's reason means nothing (PS3.8 9.3.8). */
	if (source == 0)
		why = "by the service-user";
	if (why == NULL)
		snprintf(buf, size, "aborted: source %u, reason %u", source, reason);
	else
		snprintf(buf, size, "aborted: %s", why);
	return buf;
}

char *gt_dicom_context(uint8_t result, char *buf, size_t size)
{
	const char *why = find(contexts, result);

	if (why == NULL)
		snprintf(buf, size, "result %u", result);
	else
		snprintf(buf, size, "%s", why);
	return buf;
}

char *gt_dicom_status(uint16_t status, char *buf, size_t size)
{
	const char *why = find(statuses, status);

	if (why == NULL)
		snprintf(buf, size, "status %04Xh", status);
	else
		snprintf(buf, size, "status %04Xh, %s", status, why);
	return buf;
}
