/* SPDX-License-Identifier: BSD-3-Clause */
/* Echo requests and replies against what scapy makes (vectors_ping.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/ping.h"
#include "vectors_ping.h"

#define TOKEN  UINT64_C(0x5a5a5a5a5a5a5a5a)
#define SECRET UINT64_C(0xc3c3c3c3c3c3c3c3)

static const struct gt_ping asked = {0x1234, 0xbeef, TOKEN, SECRET};

/* From a block of its exact size, so that a sanitizer sees each byte too many. */
static bool read_exact(const uint8_t *data, size_t len, bool v4, uint64_t secret,
		       struct gt_ping *ping)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	bool got;

	memcpy(copy, data, len);
	got = gt_ping_read(copy, len, v4, secret, ping);
	free(copy);
	return got;
}

static void write_is_as_scapy_makes_it(void **state)
{
	uint8_t out[GT_PING_BYTES];

	(void)state;
	assert_int_equal(sizeof(ping_request4), GT_PING_BYTES);
	gt_ping_write(&asked, true, out);
	assert_memory_equal(out, ping_request4, sizeof(out));
	assert_int_equal(sizeof(ping_request6), GT_PING_BYTES);
	gt_ping_write(&asked, false, out);
	assert_memory_equal(out, ping_request6, sizeof(out));
}

static void expect_asked(const struct gt_ping *ping)
{
	assert_int_equal(ping->id, asked.id);
	assert_int_equal(ping->sequence, asked.sequence);
	assert_true(ping->token == TOKEN);
}

static void read_reply_found(void **state)
{
	struct gt_ping ping;
	size_t header;

	(void)state;
	assert_true(read_exact(ping_reply4, sizeof(ping_reply4), true, SECRET, &ping));
	expect_asked(&ping);
	assert_true(read_exact(ping_reply6, sizeof(ping_reply6), false, SECRET, &ping));
	expect_asked(&ping);
	header = gt_ping_header_v4(ping_packet4, sizeof(ping_packet4));
	assert_int_equal(header, 24);
	assert_true(read_exact(ping_packet4 + header, sizeof(ping_packet4) - header, true, SECRET,
			       &ping));
	expect_asked(&ping);
}

static void read_anything_else_ignored(void **state)
{
	uint8_t bad[sizeof(ping_reply4)];
	struct gt_ping ping;

	(void)state;
	assert_false(read_exact(ping_reply4, sizeof(ping_reply4), true, SECRET + 1, &ping));
	assert_false(read_exact(ping_reply4, sizeof(ping_reply4), false, SECRET, &ping));
	assert_false(read_exact(ping_reply6, sizeof(ping_reply6), true, SECRET, &ping));
	assert_false(read_exact(ping_request4, sizeof(ping_request4), true, SECRET, &ping));
	assert_false(read_exact(ping_unreachable4, sizeof(ping_unreachable4), true, SECRET, &ping));
	for (size_t len = 0; len < sizeof(ping_reply4); len++)
		assert_false(read_exact(ping_reply4, len, true, SECRET, &ping));
	/* Each bit matters: there is a checksum. */
	for (size_t bit = 0; bit < 8 * sizeof(bad); bit++) {
		memcpy(bad, ping_reply4, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		assert_false(read_exact(bad, sizeof(bad), true, SECRET, &ping));
	}
}

static void header_v4_out_of_bounds_none(void **state)
{
	(void)state;
	assert_int_equal(gt_ping_header_v4((const uint8_t *)"", 0), 0);
	assert_int_equal(gt_ping_header_v4((const uint8_t *)"\x44", 20), 0);
	assert_int_equal(gt_ping_header_v4((const uint8_t *)"\x45", 19), 0);
	assert_int_equal(gt_ping_header_v4((const uint8_t *)"\x4f", 59), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_is_as_scapy_makes_it),
		cmocka_unit_test(read_reply_found),
		cmocka_unit_test(read_anything_else_ignored),
		cmocka_unit_test(header_v4_out_of_bounds_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
