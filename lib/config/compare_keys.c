/* SPDX-License-Identifier: BSD-3-Clause */
/* Two sections of one kind, key by key; see compare_keys.h. */
#include "config/compare_keys.h"

#include <string.h>

static bool same_text(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;

	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool same_gateways(const struct gt_config_interface *a, const struct gt_config_interface *b)
{
	return a->has_gateway4 == b->has_gateway4 && a->has_gateway6 == b->has_gateway6 &&
	       (!a->has_gateway4 || gt_addr_equal(&a->gateway4, &b->gateway4)) &&
	       (!a->has_gateway6 || gt_addr_equal(&a->gateway6, &b->gateway6));
}

/* Bytes of an element of a list. */
static size_t element_size(enum gt_type type)
{
	switch (type) {
	case GT_TYPE_ADDRESS:
		return sizeof(struct gt_addr);
	case GT_TYPE_PREFIX:
		return sizeof(struct gt_prefix);
	case GT_TYPE_PORTS:
		return sizeof(struct gt_port_range);
	default:
		return sizeof(int); /* GT_TYPE_CORES */
	}
}

static bool same_list(const struct gt_schema_key *k, const void *a, const void *b)
{
	size_t n = *(const size_t *)gt_schema_field(a, k->extra);

	if (n != *(const size_t *)gt_schema_field(b, k->extra))
		return false;
	return n == 0 || memcmp(*(const void *const *)gt_schema_field(a, k->offset),
				*(const void *const *)gt_schema_field(b, k->offset),
				n * element_size(k->type)) == 0;
}

/* Of a field beside the main one: a flag, or the end of a range. */
static bool same_extra(const struct gt_schema_key *k, const void *a, const void *b)
{
	size_t size = k->type == GT_TYPE_STATUS ? sizeof(uint16_t) : sizeof(bool);

	return k->extra == GT_NO_OFFSET ||
	       memcmp(gt_schema_field(a, k->extra), gt_schema_field(b, k->extra), size) == 0;
}

/* Do two sections of a kind say the same of a key? */
static bool same_key(const struct gt_schema_key *k, const void *a, const void *b)
{
	const void *x = gt_schema_field(a, k->offset), *y = gt_schema_field(b, k->offset);

	if (gt_schema_is_text(k->type))
		return same_text(x, y);
	switch (k->type) {
	case GT_TYPE_NAME:
	case GT_TYPE_AE_TITLE:
		return strcmp(x, y) == 0;
	case GT_TYPE_GATEWAY:
		return same_gateways(a, b);
	default:
		break;
	}
	if (k->list)
		return same_list(k, a, b);
	/* A MAC that is not there has no value. */
	if (k->type == GT_TYPE_MAC && same_extra(k, a, b) &&
	    !*(const bool *)gt_schema_field(a, k->extra))
		return true;
	return same_extra(k, a, b) && memcmp(x, y, k->size) == 0;
}

bool gt_schema_differs(const struct gt_schema_section *s, const struct gt_schema_key *k,
		       const void *a, const void *b)
{
	const struct gt_config_lines *x = gt_schema_field(a, s->lines),
				     *y = gt_schema_field(b, s->lines);

	return (x->key[k - s->keys] != 0 || y->key[k - s->keys] != 0) && !same_key(k, a, b);
}

size_t gt_schema_count_differing(enum gt_section section, const void *a, const void *b)
{
	const struct gt_schema_section *s = &gt_schema[section];
	size_t n = 0;

	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++)
		n += gt_schema_differs(s, k, a, b);
	return n;
}
