/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a frame takes through a forwarder: sends packets of established connections into port 0
 * at even paces, each with the TSC in its payload, and measures when they come back by the same
 * port. The forwarder is another process at the other end of port 0 (net_memif); its replies need
 * not be for us. One core. See latency.py, which runs it.
 *
 * usage: latency EAL-ARGUMENTS -- RATE[,RATE...] SECONDS DESTINATION-MAC
 * RATE: "max" (as many as the other end takes), frames a second, or "50%" of what max was before.
 * A line of JSON for each: frames sent and received, and their times in ns.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#define FLOWS	    1000
#define FRAME_BYTES 64
#define BURST	    32
#define BUFFERS	    16383
#define WARM_UP_MS  300
#define LINK_WAIT_S 10
/* Times in steps of 16 cycles; all above 8 ms or so in the last one. */
#define STEP_SHIFT 4
#define STEPS	   (1U << 20)
#define MARK	   0x676e

struct frame {
	struct rte_ether_hdr link;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
	uint64_t tsc;
	uint16_t mark;
} __attribute__((packed, aligned(2)));

_Static_assert(sizeof(struct frame) == FRAME_BYTES, "a frame of the smallest size");

struct result {
	uint64_t sent, received, refused; /* refused: the device had no room */
	double seconds;
};

static struct frame frames[FLOWS];
static uint32_t steps[STEPS];
static struct rte_mempool *pool;

static void make_frames(const struct rte_ether_addr *destination)
{
	for (unsigned i = 0; i < FLOWS; i++) {
		struct frame *f = &frames[i];

		f->link.dst_addr = *destination;
		f->link.src_addr = (struct rte_ether_addr){{2, 0xbe, 0xaa, 0, 0, 1}};
		f->link.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
		f->ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45,
			.total_length = rte_cpu_to_be_16(FRAME_BYTES - RTE_ETHER_HDR_LEN),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_TCP,
			.src_addr = rte_cpu_to_be_32(RTE_IPV4(100, 64, 0, 0) + i),
			.dst_addr = rte_cpu_to_be_32(RTE_IPV4(192, 0, 2, 100))};
		f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
		f->tcp = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16(2000),
					      .dst_port = rte_cpu_to_be_16(104),
					      .data_off = 5 << 4,
					      .tcp_flags = RTE_TCP_ACK_FLAG};
		f->mark = MARK;
	}
}

static unsigned send_burst(unsigned *next, unsigned n)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned sent;

	if (n == 0 || rte_pktmbuf_alloc_bulk(pool, mbufs, n) != 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		struct frame *to = rte_pktmbuf_mtod(mbufs[i], struct frame *);

		*to = frames[*next];
		to->tsc = rte_rdtsc();
		mbufs[i]->data_len = FRAME_BYTES;
		mbufs[i]->pkt_len = FRAME_BYTES;
		*next = *next + 1 < FLOWS ? *next + 1 : 0;
	}
	sent = rte_eth_tx_burst(0, 0, mbufs, (uint16_t)n);
	if (sent < n)
		rte_pktmbuf_free_bulk(&mbufs[sent], n - sent);
	return sent;
}

static unsigned receive_burst(bool record)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned n = rte_eth_rx_burst(0, 0, mbufs, BURST), ours = 0;
	uint64_t now = rte_rdtsc();

	for (unsigned i = 0; i < n; i++) {
		const struct frame *f = rte_pktmbuf_mtod(mbufs[i], const struct frame *);

		if (mbufs[i]->data_len != FRAME_BYTES || f->mark != MARK)
			continue;
		ours++;
		if (record)
			steps[RTE_MIN((now - f->tsc) >> STEP_SHIFT, (uint64_t)STEPS - 1)]++;
	}
	rte_pktmbuf_free_bulk(mbufs, n);
	return ours;
}

/* For so long at so many a second; 0: as many as are taken. Then waits for what is on its way. */
static struct result run(double rate, double seconds, bool record)
{
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(), end, now = start, asked = 0;
	struct result r = {0};
	unsigned next = 0;

	end = start + (uint64_t)(seconds * (double)hz);
	while (now < end) {
		uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) * rate / (double)hz) + 1
					: asked + BURST;
		unsigned n = (unsigned)RTE_MIN(due - asked, (uint64_t)BURST), sent;

		sent = send_burst(&next, n);
		r.sent += sent;
		r.refused += n - sent;
		asked += n;
		r.received += receive_burst(record);
		now = rte_rdtsc();
	}
	r.seconds = (double)(now - start) / (double)hz;
	while (rte_rdtsc() < now + hz / 20)
		r.received += receive_burst(record);
	return r;
}

static double quantile_ns(double share)
{
	uint64_t total = 0, sum = 0;

	for (unsigned i = 0; i < STEPS; i++)
		total += steps[i];
	for (unsigned i = 0; i < STEPS; i++) {
		sum += steps[i];
		if ((double)sum >= share * (double)total)
			return ((double)i + 0.5) * (1 << STEP_SHIFT) * 1e9 /
			       (double)rte_get_tsc_hz();
	}
	return 0;
}

static void measure(const char *text, double seconds, double *max)
{
	bool is_max = strcmp(text, "max") == 0;
	double rate = is_max ? 0 : strtod(text, NULL);
	struct result r;

	if (strchr(text, '%') != NULL)
		rate *= *max / 100;
	memset(steps, 0, sizeof(steps));
	run(is_max ? 0 : rate, WARM_UP_MS / 1000.0, false);
	r = run(rate, seconds, true);
	if (is_max)
		*max = (double)r.received / r.seconds;
	printf("{\"asked\": \"%s\", \"rate\": %.0f, \"sent\": %" PRIu64 ", \"received\": %" PRIu64
	       ", \"refused\": %" PRIu64 ", \"median_ns\": %.0f, \"p99_ns\": %.0f, "
	       "\"p999_ns\": %.0f}\n",
	       text, (double)r.received / r.seconds, r.sent, r.received, r.refused,
	       quantile_ns(0.5), quantile_ns(0.99), quantile_ns(0.999));
	fflush(stdout);
}

static int open_port(void)
{
	struct rte_eth_link link = {0};
	struct rte_eth_conf conf = {0};

	pool = rte_pktmbuf_pool_create("latency", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       (int)rte_socket_id());
	if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(0, 0, 1024, rte_socket_id(), NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(0, 0, 1024, rte_socket_id(), NULL) != 0 ||
	    rte_eth_dev_start(0) != 0)
		return -1;
	for (unsigned i = 0; i < LINK_WAIT_S * 100; i++) {
		if (rte_eth_link_get_nowait(0, &link) == 0 && link.link_status != 0)
			return 0;
		rte_delay_ms(10);
	}
	fputs("latency: nobody at the other end\n", stderr);
	return -1;
}

int main(int argc, char **argv)
{
	struct rte_ether_addr mac;
	int n = rte_eal_init(argc, argv), rc = 1;
	double max = 0;

	if (n < 0)
		return 1;
	argc -= n;
	argv += n;
	if (argc == 4 && rte_ether_unformat_addr(argv[3], &mac) == 0 && open_port() == 0) {
		make_frames(&mac);
		for (char *s = strtok(argv[1], ","); s != NULL; s = strtok(NULL, ","))
			measure(s, strtod(argv[2], NULL), &max);
		rte_eth_dev_stop(0);
		rte_eth_dev_close(0);
		rc = 0;
	} else if (argc != 4) {
		fputs("usage: latency EAL-ARGUMENTS -- RATE[,RATE...] SECONDS MAC\n", stderr);
	}
	rte_eal_cleanup();
	return rc;
}
