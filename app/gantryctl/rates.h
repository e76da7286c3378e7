/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened between two answers of `status`: the numbers of `gantryctl top`, as lines. */
#ifndef GT_CTL_RATES_H
#define GT_CTL_RATES_H

#include <jansson.h>
#include <stdio.h>

/* By what servers of a VIP, and VIPs, are ordered. */
enum rates_order {
	RATES_AS_WRITTEN, /* in the file */
	RATES_BY_BITS,
	RATES_BY_FRAMES,
	RATES_BY_OPEN,
	RATES_BY_NEW,
	RATES_ORDERS,
};
const char *rates_order_name(enum rates_order order);

/* Node, frames, workers, drops: some lines. before: seconds earlier by `seconds`, which is not 0.
 */
void rates_head(FILE *out, const json_t *before, const json_t *now, double seconds);

/* VIPs and their servers: a heading, then a line each. */
void rates_servers(FILE *out, const json_t *before, const json_t *now, double seconds,
		   enum rates_order order);

#endif
