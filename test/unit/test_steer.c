/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose a frame is, of several workers: the hash against Microsoft's vectors (which every NIC must
 * give), and that owners are spread and agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/toeplitz.h"
#include "pipeline/steer.h"

static struct gt_addr addr(const char *text)
{
	struct gt_addr a;

	assert_int_equal(gt_addr_parse(text, &a), 0);
	return a;
}

/* From "Verifying the RSS Hash Calculation" (Microsoft): source, destination, hash with ports. */
static void toeplitz_tuple_microsoft_vectors_same(void **state)
{
	static const struct {
		const char *src, *dst;
		uint16_t src_port, dst_port;
		uint32_t hash;
	} vectors[] = {
		{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
		{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
		{"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
		{"38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f},
		{"153.39.163.191", "202.188.127.2", 44251, 1303, 0x10e828a2},
		{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d},
		{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf},
		{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
		 0x02d1feef},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct gt_addr src = addr(vectors[i].src), dst = addr(vectors[i].dst);

		assert_int_equal(gt_toeplitz_tuple(&src, &dst,
						   rte_cpu_to_be_16(vectors[i].src_port),
						   rte_cpu_to_be_16(vectors[i].dst_port)),
				 vectors[i].hash);
	}
}

/* The worker of a connection is that of the queue to which a device's table leads its hash. */
static void steer_connection_any_workers_as_the_table(void **state)
{
	struct gt_addr client = addr("66.9.149.187"), vip = addr("161.142.100.80");

	(void)state;
	for (uint16_t n = 1; n <= 7; n++) {
		struct gt_steer s = {.n_workers = n};

		assert_int_equal(gt_steer_connection(&s, &client, rte_cpu_to_be_16(2794), &vip,
						     rte_cpu_to_be_16(1766)),
				 (0x51ccc178 & 127) % n);
	}
}

static void steer_connection_many_ports_all_workers_alike(void **state)
{
	struct gt_addr client = addr("192.0.2.50"), vip = addr("192.0.2.100");
	struct gt_steer s = {.n_workers = 4};
	unsigned got[4] = {0};

	(void)state;
	for (uint32_t port = 1024; port < 65536; port++)
		got[gt_steer_connection(&s, &client, rte_cpu_to_be_16((uint16_t)port), &vip,
					rte_cpu_to_be_16(104))]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(got[i], 64512 / 4 - 1000, 64512 / 4 + 1000);
}

static void steer_source_one_client_one_worker(void **state)
{
	struct gt_steer s = {.n_workers = 4};
	unsigned got[4] = {0};

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		struct gt_addr client = gt_addr_from_v4(rte_cpu_to_be_32(0x0a000000 + i));

		got[gt_steer_source(&s, &client)]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(got[i], 2000, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(toeplitz_tuple_microsoft_vectors_same),
		cmocka_unit_test(steer_connection_any_workers_as_the_table),
		cmocka_unit_test(steer_connection_many_ports_all_workers_alike),
		cmocka_unit_test(steer_source_one_client_one_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
