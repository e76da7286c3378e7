/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the readers of lib/probe share, and each reader's four functions: start queues the request,
 * input gets each piece of what came while the probe is not over, closed the end of it.
 */
#ifndef GT_PROBE_INTERNAL_H
#define GT_PROBE_INTERNAL_H

#include "probe.h"

/* Sets the reason; bytes that are not printable ASCII become dots. Not after the verdict. */
void gt_probe_say(struct gt_probe *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Gives the verdict with its reason. The first one stands: later ones are without effect. */
void gt_probe_settle(struct gt_probe *p, enum gt_probe_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Nothing more is awaited, and what is not sent yet is not worth it any more. */
void gt_probe_finish(struct gt_probe *p);

/* The answer is not the protocol's at all: sick, and over. `bytes`: how it begins. */
void gt_probe_stranger(struct gt_probe *p, const char *protocol, const uint8_t *bytes, size_t len);

/* Queues output; what is queued at once is bounded by each protocol. */
void gt_probe_queue(struct gt_probe *p, const void *data, size_t len);

bool gt_probe_dicom_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX]);
void gt_probe_dicom_start(struct gt_probe *p, uint32_t id);
void gt_probe_dicom_input(struct gt_probe *p, const uint8_t *data, size_t len);
void gt_probe_dicom_closed(struct gt_probe *p);

bool gt_probe_hl7_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX]);
void gt_probe_hl7_start(struct gt_probe *p, uint32_t id);
/* Queues as much more of the message as there is room for. */
void gt_probe_hl7_refill(struct gt_probe *p);
void gt_probe_hl7_input(struct gt_probe *p, const uint8_t *data, size_t len);
void gt_probe_hl7_closed(struct gt_probe *p);

bool gt_probe_http_valid(const struct gt_probe_ask *ask, char why[GT_PROBE_REASON_MAX]);
void gt_probe_http_start(struct gt_probe *p);
void gt_probe_http_input(struct gt_probe *p, const uint8_t *data, size_t len);
void gt_probe_http_closed(struct gt_probe *p);

#endif
