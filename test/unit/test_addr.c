/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, prefixes and MACs: what is accepted and refused (RFC 4291, RFC 5952), prefixes at bit
 * edges against a bit-by-bit loop, martians against the registries' lists (RFC 6890).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support.h"

static void addr_parse_v4_is_mapped(void **state)
{
	static const uint8_t want[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct gt_addr a;

	(void)state;
	assert_int_equal(gt_addr_parse("192.0.2.1", &a), 0);
	assert_memory_equal(a.b, want, 16);
	assert_true(gt_addr_is_v4(&a));
	assert_int_equal(gt_addr_v4(&a), rte_cpu_to_be_32(0xc0000201));
}

static void addr_parse_v6_is_raw(void **state)
{
	static const uint8_t want[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x2a};
	struct gt_addr a;

	(void)state;
	assert_int_equal(gt_addr_parse("2001:db8::2a", &a), 0);
	assert_memory_equal(a.b, want, 16);
	assert_false(gt_addr_is_v4(&a));
}

static void addr_parse_wrong_is_refused_and_untouched(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.256",
		"1.2.3.4 ",
		" 1.2.3.4",
		"01.2.3.4",
		"1.2.3.-4",
		"0x1.2.3.4",
		"1.2.3.4/8",
		":",
		":::",
		"1::2::3",
		"12345::",
		"::fffff",
		"fe80::1%1",
		"2001:db8::1/64",
		"[::1]",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9",
		"::ffff:1.2.3.4",
		"::ffff:0102:0304",
		"localhost",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct gt_addr a = {{1, 2, 3}}, before = a;

		if (gt_addr_parse(wrong[i], &a) != -EINVAL)
			fail_msg("accepted '%s'", wrong[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void addr_format_is_canonical(void **state)
{
	/* RFC 5952: the longest run of zeros, the first of equals, lower case. */
	static const char *const pairs[][2] = {
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char buf[GT_ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct gt_addr a = support_addr(pairs[i][0]);

		assert_string_equal(gt_addr_format(&a, buf), pairs[i][1]);
	}
}

static void prefix_parse_limits_hold(void **state)
{
	static const char *const right[] = {"0.0.0.0/0", "1.2.3.4/32", "::/0", "2001:db8::1/128",
					    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"};
	static const char *const wrong[] = {
		"1.2.3.4",
		"1.2.3.4/",
		"1.2.3.4/33",
		"1.2.3.4/-1",
		"1.2.3.4/ 8",
		"1.2.3.4/8 ",
		"1.2.3.4/8/",
		"1.2.3.4/0008",
		"::/129",
		"::/256",
		"/24",
		"::/1e1",
		"::/+1",
		"1.2.3.4/65568",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2550/1",
		"1234567890123456789012345678901234567890123456789012345678901234567890/1",
	};
	char buf[GT_PREFIX_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct gt_prefix p;

		assert_int_equal(gt_prefix_parse(right[i], &p), 0);
		assert_string_equal(gt_prefix_format(&p, buf), right[i]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct gt_prefix p;

		if (gt_prefix_parse(wrong[i], &p) != -EINVAL)
			fail_msg("accepted '%s'", wrong[i]);
	}
}

static void mac_parse_is_strict(void **state)
{
	static const char *const wrong[] = {
		"",
		"02:00:00:00:00",
		"02:00:00:00:00:0",
		"02:00:00:00:00:001",
		"02-00-00-00-00-01",
		"02:00:00:00:00:0g",
		"2:0:0:0:0:1",
		"0200.0000.0001",
		"02:00:00:00:00:01 ",
		"02:00:00:00:00: 1",
		"+2:00:00:00:00:01",
	};
	static const uint8_t want[6] = {0xaa, 0xbb, 0xcc, 0x0d, 0x9e, 0xff};
	char buf[GT_MAC_STRLEN];
	struct gt_mac m;

	(void)state;
	assert_int_equal(gt_mac_parse("aA:Bb:cC:0d:9E:fF", &m), 0);
	assert_memory_equal(m.b, want, 6);
	assert_string_equal(gt_mac_format(&m, buf), "aa:bb:cc:0d:9e:ff");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (gt_mac_parse(wrong[i], &m) != -EINVAL)
			fail_msg("accepted '%s'", wrong[i]);
	assert_memory_equal(m.b, want, 6);
}

static void mac_is_unicast_group_and_zero_are_not(void **state)
{
	struct gt_mac m = support_mac("02:00:00:00:00:01"),
		      group = support_mac("01:00:5e:00:00:01"),
		      broadcast = support_mac("ff:ff:ff:ff:ff:ff"), zero = {{0}};

	(void)state;
	assert_true(gt_mac_is_unicast(&m));
	assert_false(gt_mac_is_unicast(&group));
	assert_false(gt_mac_is_unicast(&broadcast));
	assert_false(gt_mac_is_unicast(&zero));
}

/* Bit by bit over the address's own bits. */
static bool contains(const struct gt_prefix *p, const struct gt_addr *a)
{
	unsigned base = gt_addr_is_v4(&p->addr) ? 96 : 0;

	if (gt_addr_is_v4(&p->addr) != gt_addr_is_v4(a))
		return false;
	for (unsigned i = base; i < base + p->len; i++)
		if (((p->addr.b[i / 8] ^ a->b[i / 8]) >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}

static void prefix_contains_every_length_agrees_bit_by_bit(void **state)
{
	static const char *const bases[] = {"192.0.2.77", "2001:db8:1234:5678:9abc:def0:1122:3344"};

	(void)state;
	for (int f = 0; f < 2; f++) {
		struct gt_prefix p = {.addr = support_addr(bases[f])};
		unsigned bits = f == 0 ? 32 : 128;

		for (unsigned len = 0; len <= bits; len++) {
			p.len = (uint8_t)len;
			assert_true(gt_prefix_contains(&p, &p.addr));
			for (unsigned flip = 128 - bits; flip < 128; flip++) {
				struct gt_addr a = p.addr;

				a.b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
				assert_int_equal(gt_prefix_contains(&p, &a), contains(&p, &a));
			}
		}
	}
}

static void prefix_contains_other_family_is_outside(void **state)
{
	struct gt_prefix all4 = {support_addr("0.0.0.0"), 0}, all6 = {support_addr("::"), 0};
	struct gt_addr a4 = support_addr("10.0.0.1"), a6 = support_addr("2001:db8::1");

	(void)state;
	assert_true(gt_prefix_contains(&all4, &a4));
	assert_true(gt_prefix_contains(&all6, &a6));
	assert_false(gt_prefix_contains(&all4, &a6));
	assert_false(gt_prefix_contains(&all6, &a4));
}

static void addr_is_martian_follows_the_registries(void **state)
{
	static const struct {
		const char *addr;
		bool martian;
	} rows[] = {
		{"0.0.0.0", true},     {"0.255.255.255", true},
		{"1.0.0.0", false},    {"126.255.255.255", false},
		{"127.0.0.1", true},   {"127.255.255.255", true},
		{"128.0.0.0", false},  {"169.254.1.1", false},
		{"10.0.0.1", false},   {"223.255.255.255", false},
		{"224.0.0.1", true},   {"239.255.255.255", true},
		{"240.0.0.1", true},   {"255.255.255.255", true},
		{"::", true},	       {"::1", true},
		{"::192.0.2.1", true}, {"ff02::1", true},
		{"ff00::", true},      {"fe80::1", false},
		{"fc00::1", false},    {"2001:db8::1", false},
		{"::1:0:0", false},    {"64:ff9b::1.2.3.4", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gt_addr a = support_addr(rows[i].addr);

		if (gt_addr_is_martian(&a) != rows[i].martian)
			fail_msg("%s", rows[i].addr);
	}
}

static void addr_is_martian_v6_mapped_is_martian(void **state)
{
	struct gt_addr a = support_addr("192.0.2.1"); /* as raw bytes: ::ffff:192.0.2.1 */

	(void)state;
	assert_true(gt_addr_is_martian_v6(a.b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_parse_v4_is_mapped),
		cmocka_unit_test(addr_parse_v6_is_raw),
		cmocka_unit_test(addr_parse_wrong_is_refused_and_untouched),
		cmocka_unit_test(addr_format_is_canonical),
		cmocka_unit_test(prefix_parse_limits_hold),
		cmocka_unit_test(mac_parse_is_strict),
		cmocka_unit_test(mac_is_unicast_group_and_zero_are_not),
		cmocka_unit_test(prefix_contains_every_length_agrees_bit_by_bit),
		cmocka_unit_test(prefix_contains_other_family_is_outside),
		cmocka_unit_test(addr_is_martian_follows_the_registries),
		cmocka_unit_test(addr_is_martian_v6_mapped_is_martian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
