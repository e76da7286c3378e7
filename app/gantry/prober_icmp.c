/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks by ICMP echo. All share one socket of each family: the kernel's ping sockets where this
 * host lets us have one (net.ipv4.ping_group_range), for they get nothing but answers to what they
 * sent; else raw ones, with a filter in the kernel that lets through as little. So a flood of ICMP
 * does not wake main.
 */
#include "prober_internal.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Behind <netinet/in.h>, as the kernel's own headers want it. */
#include <linux/filter.h>
#include <linux/icmp.h>

#include "probe/ping.h"

/* Read at once: a reply is some 0.1 us of copying and a system call. */
#define REPLIES_MAX 64

struct gt_pinger {
	struct ping_socket {
		int fd; /* -1: not open */
		bool raw;
	} sockets[2]; /* IPv4, IPv6 */
	uint16_t id;
	uint64_t secret;
};

/* One check that is under way. */
struct echo {
	uint16_t sequence;
};

/* ---- the sockets ---- */

/* Echo replies with our id, and nothing else. */
static int filter_raw(int fd, bool v4, uint16_t id)
{
	/* An IPv4 raw socket's data begins with the IP header, an IPv6 one's behind it. */
	struct sock_filter code4[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_filter code6[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
				      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
				      BPF_STMT(BPF_RET | BPF_K, 0xffff),
				      BPF_STMT(BPF_RET | BPF_K, 0)};
	const struct sock_fprog program4 = {sizeof(code4) / sizeof(code4[0]), code4};
	const struct sock_fprog program6 = {sizeof(code6) / sizeof(code6[0]), code6};
	const struct icmp_filter only4 = {~(1U << ICMP_ECHOREPLY)};
	struct icmp6_filter only6;
	int rc;

	if (v4) {
		rc = setsockopt(fd, IPPROTO_RAW, ICMP_FILTER, &only4, sizeof(only4));
	} else {
		ICMP6_FILTER_SETBLOCKALL(&only6);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only6);
		rc = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only6, sizeof(only6));
	}
	return rc != 0 ? rc
		       : setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, v4 ? &program4 : &program6,
				    sizeof(struct sock_fprog));
}

/* 0, -errno. */
static int open_socket(struct gt_prober *p, struct ping_socket *s, bool v4)
{
	int family = v4 ? AF_INET : AF_INET6, protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, rc;
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	s->fd = socket(family, SOCK_DGRAM | flags, protocol);
	s->raw = s->fd < 0;
	if (s->raw)
		s->fd = socket(family, SOCK_RAW | flags, protocol);
	if (s->fd < 0)
		return -errno;
	rc = s->raw && filter_raw(s->fd, v4, p->pinger->id) != 0 ? -errno : 0;
	if (rc == 0)
		rc = gt_prober_watch_shared(p, s->fd, v4 ? GT_SHARED_PING4 : GT_SHARED_PING6,
					    false);
	if (rc == 0)
		return 0;
	close(s->fd);
	s->fd = -1;
	return rc;
}

static struct gt_pinger *create(void)
{
	struct gt_pinger *g = malloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	g->sockets[0].fd = g->sockets[1].fd = -1;
	if (getrandom(&g->secret, sizeof(g->secret), 0) != sizeof(g->secret) ||
	    getrandom(&g->id, sizeof(g->id), 0) != sizeof(g->id)) {
		free(g);
		return NULL;
	}
	return g;
}

void gt_pinger_destroy(struct gt_prober *p)
{
	for (unsigned i = 0; p->pinger != NULL && i < 2; i++)
		if (p->pinger->sockets[i].fd >= 0)
			close(p->pinger->sockets[i].fd);
	free(p->pinger);
	p->pinger = NULL;
}

/* ---- asking ---- */

/* The packet's source, where it is not the kernel's to choose. */
static size_t put_source(const struct gt_target *t, struct cmsghdr *c)
{
	if (gt_addr_is_v4(&t->address)) {
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = gt_addr_v4(&t->source)};

		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in6_pktinfo info = {.ipi6_ifindex = 0};

	memcpy(&info.ipi6_addr, t->source.b, 16);
	*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static socklen_t put_destination(const struct gt_addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (gt_addr_is_v4(a)) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = gt_addr_v4(a);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, a->b, 16);
	return sizeof(*in6);
}

/* 0, -errno. */
static int send_request(const struct gt_target *t, const struct ping_socket *s)
{
	const struct gt_pinger *g = t->prober->pinger;
	const struct gt_ping ping = {g->id, ((const struct echo *)t->state)->sequence,
				     gt_target_token(t), g->secret};
	union {
		struct cmsghdr header;
		uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {.room = {0}};
	uint8_t data[GT_PING_BYTES];
	struct iovec iov = {data, sizeof(data)};
	struct sockaddr_storage to;
	struct msghdr m = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};

	gt_ping_write(&ping, gt_addr_is_v4(&t->address), data);
	m.msg_namelen = put_destination(&t->address, &to);
	if (t->has_source) {
		m.msg_control = &control;
		m.msg_controllen = put_source(t, &control.header);
	}
	return sendmsg(s->fd, &m, 0) < 0 ? -errno : 0;
}

static void start(struct gt_target *t)
{
	struct gt_prober *p = t->prober;
	bool v4 = gt_addr_is_v4(&t->address);
	struct echo *echo = malloc(sizeof(*echo));
	struct ping_socket *s;
	int rc = 0;

	t->state = echo;
	if (p->pinger == NULL)
		p->pinger = create();
	if (echo == NULL || p->pinger == NULL) {
		gt_target_cannot(t, "memory", ENOMEM);
		return;
	}
	echo->sequence = (uint16_t)gt_target_serial(t);
	s = &p->pinger->sockets[v4 ? 0 : 1];
	if (s->fd < 0)
		rc = open_socket(p, s, v4);
	if (rc == -EPERM || rc == -EACCES) {
		gt_target_done(t, GT_HEALTH_UNCHECKED,
			       "this process may not ping: give it CAP_NET_RAW, or its group "
			       "net.ipv4.ping_group_range");
		return;
	}
	if (rc != 0) {
		gt_target_cannot(t, "ICMP socket", -rc);
		return;
	}
	rc = send_request(t, s);
	if (rc != 0)
		gt_target_cannot(t, "echo request", -rc);
}

/* ---- answers ---- */

static struct gt_addr address_of(const struct sockaddr_storage *from)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	struct gt_addr a;

	if (from->ss_family == AF_INET)
		return gt_addr_from_v4(in->sin_addr.s_addr);
	memcpy(a.b, &in6->sin6_addr, 16);
	return a;
}

/* Whose check a reply ends, if anyone's. */
static void take_reply(struct gt_prober *p, const struct gt_ping *ping, const struct gt_addr *from)
{
	struct gt_target *t = gt_prober_find(p, ping->token);

	if (t != NULL && t->transport == &gt_transport_icmp && gt_addr_equal(&t->address, from) &&
	    ((const struct echo *)t->state)->sequence == ping->sequence)
		gt_target_done(t, GT_HEALTH_HEALTHY, "answers ICMP echo");
}

void gt_pinger_event(struct gt_prober *p, enum gt_prober_shared what)
{
	bool v4 = what == GT_SHARED_PING4;
	const struct ping_socket *s = &p->pinger->sockets[v4 ? 0 : 1];
	/* Room for the IPv4 header that a raw socket gives; a longer reply is none of ours. */
	uint8_t data[60 + GT_PING_BYTES];

	for (unsigned i = 0; i < REPLIES_MAX; i++) {
		struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(s->fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);
		struct gt_ping ping;
		struct gt_addr a;
		size_t header;

		if (n < 0)
			return;
		header = v4 && s->raw ? gt_ping_header_v4(data, (size_t)n) : 0;
		a = address_of(&from);
		if (gt_ping_read(data + header, (size_t)n - header, v4, p->pinger->secret, &ping) &&
		    (!s->raw || ping.id == p->pinger->id))
			take_reply(p, &ping, &a);
	}
}

static void event(struct gt_target *t, uint32_t events)
{
	/* It watches nothing of its own. */
	(void)t;
	(void)events;
}

/* If main comes late, the reply may be there. */
static void timeout(struct gt_target *t)
{
	bool v4 = gt_addr_is_v4(&t->address);

	gt_pinger_event(t->prober, v4 ? GT_SHARED_PING4 : GT_SHARED_PING6);
	if (t->running)
		gt_target_done(t, GT_HEALTH_SICK, "no answer to ICMP echo");
}

static void stop(struct gt_target *t)
{
	free(t->state);
	t->state = NULL;
}

const struct gt_transport gt_transport_icmp = {start, event, timeout, stop, NULL};
