/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two sections of one kind, compared key by key of the schema: what compare.c and settled.c have in
 * common.
 */
#ifndef GT_CONFIG_COMPARE_KEYS_H
#define GT_CONFIG_COMPARE_KEYS_H

#include "config/schema.h"

/* Where a key's value, or what belongs to it, is in a section. */
static inline const void *gt_schema_field(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

/* Do two sections say something else of a key? What neither file says is the same: a host's name
 * may change by itself. */
bool gt_schema_differs(const struct gt_schema_section *s, const struct gt_schema_key *k,
		       const void *a, const void *b);

/* Of how many keys do they? */
size_t gt_schema_count_differing(enum gt_section section, const void *a, const void *b);

#endif
