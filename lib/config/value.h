/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parsers of values.c and values_net.c share. They alone include this. */
#ifndef GT_CONFIG_VALUE_H
#define GT_CONFIG_VALUE_H

#include "config/schema.h"

/* What a parser gets; the reason of a refusal goes to `why`. */
struct gt_value {
	const struct gt_schema_key *key;
	const char *text;
	void *object;
	char *why;
	unsigned *budget;
};

/* Writes the reason; returns -EINVAL. */
int gt_value_refuse(const struct gt_value *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline void *gt_value_field(const struct gt_value *v)
{
	return (char *)v->object + v->key->offset;
}

static inline void *gt_value_extra(const struct gt_value *v)
{
	return (char *)v->object + v->key->extra;
}

/* A copy of the text into a char * field. 0, -ENOMEM. */
int gt_value_store_text(const struct gt_value *v);

/* A number into a field of 2 or 4 bytes. */
void gt_value_store_number(const struct gt_value *v, void *to, uint32_t n);

/* One element of `size` bytes behind a list. 0, -EINVAL (the list is full), -ENOMEM. */
int gt_value_append(const struct gt_value *v, const void *element, size_t size);

/* Decimal digits from s up to end, no sign, no blank. False, too, if above max. */
bool gt_value_digits(const char *s, const char *end, uint32_t max, uint32_t *out);

/* "N" or "N-M" with N <= M <= max. */
bool gt_value_range(const char *s, uint32_t max, uint32_t *first, uint32_t *last);

/* Only letters, digits and the bytes of `beside`? */
bool gt_value_all_in(const char *s, const char *beside);

int gt_value_parse_address(const struct gt_value *v);
int gt_value_parse_prefix(const struct gt_value *v);
int gt_value_parse_gateway(const struct gt_value *v);
int gt_value_parse_port(const struct gt_value *v);
int gt_value_parse_ports(const struct gt_value *v);
int gt_value_parse_mac(const struct gt_value *v);
int gt_value_parse_device(const struct gt_value *v);
int gt_value_parse_tap(const struct gt_value *v);
int gt_value_parse_listen(const struct gt_value *v);

#endif
