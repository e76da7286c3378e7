/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a packet the translation of another, and nothing else changed? See support_check.h. */
#ifndef GT_TEST_SUPPORT_TRANSLATED_H
#define GT_TEST_SUPPORT_TRANSLATED_H

#include "support_view.h"

struct support_ends {
	struct gt_addr src, dst;
	uint16_t sport, dport;
};

/* A TCP or UDP packet or a fragment: ends as given (a later fragment has no ports), TTL one less,
 * payload and everything else as it came, checksums as good as they came. Stops the test if not. */
void support_check_translated(const struct support_view *in, const struct support_view *out,
			      const struct support_ends *ends);

/* An ICMP error: the outer addresses, and the embedded packet's ends. */
void support_check_error(const struct support_view *in, const struct support_view *out,
			 const struct support_ends *outer, const struct support_ends *inner);

#endif
