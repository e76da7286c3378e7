/* SPDX-License-Identifier: BSD-3-Clause */
/* DICOM's numbers, its words for them, and the PDUs that a check sends. */
#ifndef GT_PROBE_DICOM_H
#define GT_PROBE_DICOM_H

#include "internal.h"

/* PDU types (PS3.8 9.3.1). */
enum gt_dicom_pdu {
	GT_DICOM_ASSOCIATE_RQ = 1,
	GT_DICOM_ASSOCIATE_AC,
	GT_DICOM_ASSOCIATE_RJ,
	GT_DICOM_DATA,
	GT_DICOM_RELEASE_RQ,
	GT_DICOM_RELEASE_RP,
	GT_DICOM_ABORT,
};

#define GT_DICOM_PDU_HEADER 6

/* The one presentation context that is proposed. */
#define GT_DICOM_CONTEXT_ID	1
#define GT_DICOM_VERIFICATION	"1.2.840.10008.1.1"
#define GT_DICOM_IMPLICIT_VR_LE "1.2.840.10008.1.2"

/* Bits of a PDV's control byte (PS3.8 E.2). */
#define GT_DICOM_COMMAND 1
#define GT_DICOM_LAST	 2

/* A-ASSOCIATE-RQ for Verification with the ask's AE titles (PS3.8 9.3.2). */
void gt_dicom_queue_associate(struct gt_probe *p);
/* C-ECHO-RQ with the probe's message ID (PS3.7 9.3.5.1). */
void gt_dicom_queue_echo(struct gt_probe *p);
/* A PDU whose body is zeros but for its last two bytes: A-RELEASE-RQ, A-RELEASE-RP, A-ABORT. */
void gt_dicom_queue_short(struct gt_probe *p, enum gt_dicom_pdu type, uint8_t source,
			  uint8_t reason);

/*
 * The words of the standard, which operators find in its tables and in other programs' logs.
 * The formatters return buf.
 */

/* "A-ASSOCIATE-AC"; NULL: there is no such PDU */
const char *gt_dicom_pdu_name(uint8_t type);

/* A-ASSOCIATE-RJ: PS3.8 Table 9-21. */
char *gt_dicom_rejection(uint8_t result, uint8_t source, uint8_t reason, char *buf, size_t size);

/* A-ABORT: PS3.8 Table 9-26. */
char *gt_dicom_abort(uint8_t source, uint8_t reason, char *buf, size_t size);

/* What an accepting server says of a presentation context: PS3.8 Table 9-18. */
char *gt_dicom_context(uint8_t result, char *buf, size_t size);

/* Of a C-ECHO: PS3.7 9.1.5.1.4 and Annex C. */
char *gt_dicom_status(uint16_t status, char *buf, size_t size);

#endif
