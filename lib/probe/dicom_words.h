/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of DICOM for the numbers in its PDUs, which operators find in its tables and logs. */
#ifndef GT_PROBE_DICOM_WORDS_H
#define GT_PROBE_DICOM_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* "A-ASSOCIATE-AC"; NULL: there is no such PDU (PS3.8 9.3.1). */
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
