/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood for the lab, bounded in rate and in time: frames with random sources out of one
 * interface, by sendmmsg on an AF_PACKET socket. It knows nothing of gantry: headers are the
 * kernel's own structs, checksums are added up here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/ether.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	    64
#define FRAME_MAX   600
#define RATE_MAX    200000
#define SECONDS_MAX 60

struct flood {
	struct ether_addr from, to;
	struct in_addr target;
	struct in_addr sources; /* the fixed part of sources' addresses */
	unsigned source_bits;	/* how long that part is */
	uint16_t port;
	uint64_t random;
	uint32_t n; /* frames made */
};

/* xorshift64*: which numbers does not matter, but that they are the same in each run. */
static uint32_t draw(struct flood *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return (uint32_t)(f->random * 0x2545f4914f6cdd1dULL >> 32);
}

static uint32_t add_up(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static uint16_t finish(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static struct in_addr draw_source(struct flood *f)
{
	uint32_t free_bits = 32 - f->source_bits, mask = (uint32_t)((1ULL << free_bits) - 1);
	uint32_t host = 1 + draw(f) % (mask - 1); /* neither the network nor its broadcast */

	return (struct in_addr){htonl((ntohl(f->sources.s_addr) & ~mask) | host)};
}

/* Ethernet and IPv4 headers before len bytes; returns where these go. */
static uint8_t *begin(struct flood *f, uint8_t *frame, uint8_t protocol, size_t len, uint16_t off)
{
	struct ether_header *e = (void *)frame;
	struct iphdr *ip = (void *)(e + 1);

	memcpy(e->ether_dhost, &f->to, ETH_ALEN);
	memcpy(e->ether_shost, &f->from, ETH_ALEN);
	e->ether_type = htons(ETHERTYPE_IP);
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tot_len = htons((uint16_t)(sizeof(*ip) + len)),
			     .id = htons((uint16_t)draw(f)),
			     .frag_off = htons(off),
			     .ttl = 64,
			     .protocol = protocol,
			     .saddr = draw_source(f).s_addr,
			     .daddr = f->target.s_addr};
	ip->check = finish(add_up(ip, sizeof(*ip), 0));
	return (uint8_t *)(ip + 1);
}

/* The checksum of what stands behind the IPv4 header. */
static uint16_t sum_l4(const uint8_t *frame, uint8_t protocol, size_t len)
{
	const struct iphdr *ip = (const void *)(frame + sizeof(struct ether_header));
	uint32_t sum = add_up(&ip->saddr, 8, protocol + (uint32_t)len);

	return finish(add_up(ip + 1, len, sum));
}

static size_t whole(size_t len)
{
	return sizeof(struct ether_header) + sizeof(struct iphdr) + len;
}

static size_t make_tcp(struct flood *f, uint8_t *frame, bool syn)
{
	struct tcphdr *t = (void *)begin(f, frame, IPPROTO_TCP, sizeof(*t), 0x4000);

	*t = (struct tcphdr){.source = htons((uint16_t)(1024 + draw(f) % 64000)),
			     .dest = htons(f->port),
			     .seq = draw(f),
			     .ack_seq = syn ? 0 : draw(f),
			     .doff = 5,
			     .syn = syn,
			     .ack = !syn,
			     .window = htons(64000)};
	t->check = sum_l4(frame, IPPROTO_TCP, sizeof(*t));
	return whole(sizeof(*t));
}

static size_t make_syn(struct flood *f, uint8_t *frame)
{
	return make_tcp(f, frame, true);
}

static size_t make_ack(struct flood *f, uint8_t *frame)
{
	return make_tcp(f, frame, false);
}

static size_t make_udp(struct flood *f, uint8_t *frame)
{
	struct udphdr *u = (void *)begin(f, frame, IPPROTO_UDP, sizeof(*u) + 64, 0);

	*u = (struct udphdr){.source = htons((uint16_t)(1024 + draw(f) % 64000)),
			     .dest = htons(f->port),
			     .len = htons(sizeof(*u) + 64)};
	memset(u + 1, 'x', 64);
	u->check = sum_l4(frame, IPPROTO_UDP, sizeof(*u) + 64);
	return whole(sizeof(*u) + 64);
}

/* Later ones alone, as in the attacks: their first never comes. */
static size_t make_fragment(struct flood *f, uint8_t *frame)
{
	uint8_t *data = begin(f, frame, IPPROTO_UDP, 256, (uint16_t)(0x2000 | (1 + draw(f) % 100)));

	memset(data, 'x', 256);
	return whole(256);
}

static size_t make_ping(struct flood *f, uint8_t *frame)
{
	struct icmphdr *i = (void *)begin(f, frame, IPPROTO_ICMP, sizeof(*i) + 56, 0);

	*i = (struct icmphdr){.type = ICMP_ECHO, .un.echo.id = (uint16_t)draw(f)};
	memset(i + 1, 'x', 56);
	i->checksum = finish(add_up(i, sizeof(*i) + 56, 0));
	return whole(sizeof(*i) + 56);
}

/* An IPv4 or IPv6 type, and noise behind it. */
static size_t make_garbage(struct flood *f, uint8_t *frame)
{
	static const uint16_t types[] = {ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_ARP,
					 ETHERTYPE_VLAN};
	struct ether_header *e = (void *)frame;
	size_t len = sizeof(*e) + draw(f) % 500;

	begin(f, frame, IPPROTO_TCP, 20, 0);
	e->ether_type = htons(types[draw(f) % 4]);
	for (size_t i = sizeof(*e); i < len; i++)
		frame[i] = (uint8_t)draw(f);
	return len < ETH_ZLEN ? ETH_ZLEN : len;
}

/* Who has the target? Each time another station asks. */
static size_t make_arp(struct flood *f, uint8_t *frame)
{
	struct ether_header *e = (void *)frame;
	struct ether_arp *a = (void *)(e + 1);
	struct in_addr source = draw_source(f);
	uint32_t station = htonl(f->n);
	uint8_t mac[ETH_ALEN] = {0x02, 0xf0};

	memcpy(mac + 2, &station, 4);
	memset(frame, 0, ETH_ZLEN);
	memset(e->ether_dhost, 0xff, ETH_ALEN);
	memcpy(e->ether_shost, mac, ETH_ALEN);
	e->ether_type = htons(ETHERTYPE_ARP);
	a->ea_hdr = (struct arphdr){.ar_hrd = htons(ARPHRD_ETHER),
				    .ar_pro = htons(ETHERTYPE_IP),
				    .ar_hln = ETH_ALEN,
				    .ar_pln = 4,
				    .ar_op = htons(ARPOP_REQUEST)};
	memcpy(a->arp_sha, mac, ETH_ALEN);
	memcpy(a->arp_spa, &source, 4);
	memcpy(a->arp_tpa, &f->target, 4);
	return ETH_ZLEN;
}

static const struct kind {
	const char *name;
	size_t (*make)(struct flood *f, uint8_t *frame);
} kinds[] = {{"syn", make_syn},	  {"ack", make_ack},
	     {"udp", make_udp},	  {"fragment", make_fragment},
	     {"ping", make_ping}, {"garbage", make_garbage},
	     {"arp", make_arp}};

static int fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	return 1;
}

static int open_interface(const char *name, struct ether_addr *mac)
{
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), yes = 1;
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (s < 0 || at.sll_ifindex == 0 || ioctl(s, SIOCGIFHWADDR, &r) < 0 ||
	    bind(s, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
	setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
	return s;
}

static int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* One batch; what the interface has no room for is lost, as on a wire. */
static void send_batch(struct flood *f, int s, const struct kind *kind, unsigned n)
{
	static uint8_t frames[BATCH][FRAME_MAX] __attribute__((aligned(8)));
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];

	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < n; i++) {
		parts[i].iov_base = frames[i];
		parts[i].iov_len = kind->make(f, frames[i]);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		f->n++;
	}
	sendmmsg(s, messages, n, 0);
}

static void run(struct flood *f, int s, const struct kind *kind, unsigned rate, unsigned seconds)
{
	int64_t start = clock_ns(), due;
	uint64_t total = (uint64_t)rate * seconds;

	while (f->n < total) {
		int64_t now = clock_ns();

		if (now - start > seconds * 1000000000LL)
			break; /* a busy machine: bounded in time all the same */
		due = (now - start) * rate / 1000000000LL;
		if (due > f->n)
			send_batch(f, s, kind, due - f->n < BATCH ? (unsigned)(due - f->n) : BATCH);
		else
			nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
}

static int usage(void)
{
	fputs("usage: flood INTERFACE KIND TO-MAC TARGET PORT SOURCES/BITS RATE SECONDS\n"
	      "  KIND: syn ack udp fragment ping garbage arp; at most 200000 a second, 60 s\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct flood f = {.random = 2026};
	const struct kind *kind = NULL;
	const struct ether_addr *to;
	unsigned rate, seconds;
	char *slash;
	int s;

	if (argc != 9)
		return usage();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[2], kinds[i].name) == 0)
			kind = &kinds[i];
	to = ether_aton(argv[3]);
	slash = strchr(argv[6], '/');
	f.port = (uint16_t)strtoul(argv[5], NULL, 10);
	rate = (unsigned)strtoul(argv[7], NULL, 10);
	seconds = (unsigned)strtoul(argv[8], NULL, 10);
	if (slash != NULL) {
		*slash = '\0';
		f.source_bits = (unsigned)strtoul(slash + 1, NULL, 10);
	}
	if (kind == NULL || to == NULL || inet_pton(AF_INET, argv[4], &f.target) != 1 ||
	    slash == NULL || inet_pton(AF_INET, argv[6], &f.sources) != 1 || f.source_bits < 1 ||
	    f.source_bits > 24 || rate < 1 || rate > RATE_MAX || seconds < 1 ||
	    seconds > SECONDS_MAX)
		return usage();
	f.to = *to;
	s = open_interface(argv[1], &f.from);
	if (s < 0)
		return fail(argv[1]);
	run(&f, s, kind, rate, seconds);
	printf("%s: %u frames\n", kind->name, f.n);
	close(s);
	return 0;
}
