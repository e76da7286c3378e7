/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to the host's kernel; see rtnl.h. */
#include "rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#define REQUEST_BYTES 256
#define ANSWER_BYTES  32768 /* what the kernel sends of a dump at once, at most */

int gt_rtnl_open(struct gt_rtnl *n)
{
	*n = (struct gt_rtnl){.socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
	if (n->socket == NULL)
		return -errno;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	int rc = -errno;

	gt_rtnl_close(n);
	return rc;
}

void gt_rtnl_close(struct gt_rtnl *n)
{
	if (n->socket != NULL)
		mnl_socket_close(n->socket);
	n->socket = NULL;
}

/* ---- requests ---- */

/* The message and its header of `size` bytes, all zero. */
static struct nlmsghdr *begin(uint8_t buf[REQUEST_BYTES], uint16_t type, uint16_t flags,
			      size_t size, void **header)
{
	struct nlmsghdr *h;

	memset(buf, 0, REQUEST_BYTES);
	h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	*header = mnl_nlmsg_put_extra_header(h, size);
	return h;
}

/* Sends it and hands each answer to `each`; returns when the kernel has said all. */
static int ask(struct gt_rtnl *n, struct nlmsghdr *h, mnl_cb_t each, void *ctx)
{
	uint8_t buf[ANSWER_BYTES];
	ssize_t len;
	int rc;

	h->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->socket, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(n->socket, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)len, h->nlmsg_seq, mnl_socket_get_portid(n->socket),
				each, ctx);
	} while (rc > MNL_CB_STOP);
	return rc < 0 ? -errno : 0;
}

static int request(struct gt_rtnl *n, struct nlmsghdr *h)
{
	h->nlmsg_flags |= NLM_F_ACK;
	return ask(n, h, NULL, NULL);
}

static uint8_t family_of(const struct gt_addr *a)
{
	return gt_addr_is_v4(a) ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *h, uint16_t type, const struct gt_addr *a)
{
	if (gt_addr_is_v4(a))
		mnl_attr_put(h, type, 4, &a->b[12]);
	else
		mnl_attr_put(h, type, 16, a->b);
}

/* ---- addresses ---- */

static int change_address(struct gt_rtnl *n, uint16_t type, uint16_t flags, unsigned index,
			  const struct gt_prefix *address)
{
	uint8_t buf[REQUEST_BYTES];
	struct ifaddrmsg *m;
	struct nlmsghdr *h = begin(buf, type, flags, sizeof(*m), (void **)&m);

	m->ifa_family = family_of(&address->addr);
	m->ifa_prefixlen = address->len;
	m->ifa_index = index;
	put_address(h, IFA_LOCAL, &address->addr);
	put_address(h, IFA_ADDRESS, &address->addr);
	if (type == RTM_NEWADDR) {
		mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD);
		mnl_attr_put_u32(h, IFA_RT_PRIORITY, GT_RTNL_METRIC);
	}
	return request(n, h);
}

int gt_rtnl_add_address(struct gt_rtnl *n, unsigned index, const struct gt_prefix *address)
{
	return change_address(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
}

int gt_rtnl_remove_address(struct gt_rtnl *n, unsigned index, const struct gt_prefix *address)
{
	return change_address(n, RTM_DELADDR, 0, index, address);
}

/* ---- routes ---- */

/* The first address of a prefix. */
static struct gt_addr network_of(const struct gt_prefix *p)
{
	unsigned bits = p->len + (gt_addr_is_v4(&p->addr) ? 96U : 0U);
	struct gt_addr a = p->addr;

	for (unsigned i = 0; i < 16; i++) {
		unsigned left = bits > i * 8 ? bits - i * 8 : 0;

		if (left < 8)
			a.b[i] &= (uint8_t)(0xff00 >> left);
	}
	return a;
}

static int change_route(struct gt_rtnl *n, uint16_t type, uint16_t flags,
			const struct gt_rtnl_route *r)
{
	struct gt_addr to = network_of(&r->to);
	uint8_t buf[REQUEST_BYTES];
	struct rtmsg *m;
	struct nlmsghdr *h = begin(buf, type, flags, sizeof(*m), (void **)&m);

	m->rtm_family = family_of(&r->to.addr);
	m->rtm_dst_len = r->to.len;
	m->rtm_table = RT_TABLE_UNSPEC;
	m->rtm_protocol = GT_RTNL_PROTOCOL;
	m->rtm_type = RTN_UNICAST;
	m->rtm_scope = r->gateway != NULL ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m->rtm_flags = r->gateway != NULL ? RTNH_F_ONLINK : 0;
	if (r->to.len > 0)
		put_address(h, RTA_DST, &to);
	if (r->gateway != NULL)
		put_address(h, RTA_GATEWAY, r->gateway);
	if (r->source != NULL)
		put_address(h, RTA_PREFSRC, r->source);
	mnl_attr_put_u32(h, RTA_OIF, r->index);
	mnl_attr_put_u32(h, RTA_TABLE, r->table);
	return request(n, h);
}

int gt_rtnl_set_route(struct gt_rtnl *n, const struct gt_rtnl_route *route)
{
	return change_route(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

int gt_rtnl_remove_route(struct gt_rtnl *n, const struct gt_rtnl_route *route)
{
	return change_route(n, RTM_DELROUTE, 0, route);
}

/* ---- neighbours ---- */

int gt_rtnl_set_neighbour(struct gt_rtnl *n, unsigned index, const struct gt_addr *addr,
			  const struct gt_mac *mac)
{
	uint8_t buf[REQUEST_BYTES];
	struct ndmsg *m;
	struct nlmsghdr *h =
		begin(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m), (void **)&m);

	m->ndm_family = family_of(addr);
	m->ndm_ifindex = (int)index;
	m->ndm_state = NUD_PERMANENT;
	put_address(h, NDA_DST, addr);
	mnl_attr_put(h, NDA_LLADDR, sizeof(mac->b), mac->b);
	return request(n, h);
}

/* ---- rules ---- */

static int change_rule(struct gt_rtnl *n, uint16_t type, uint16_t flags, const struct gt_addr *from,
		       uint32_t table)
{
	uint8_t buf[REQUEST_BYTES];
	struct fib_rule_hdr *m;
	struct nlmsghdr *h = begin(buf, type, flags, sizeof(*m), (void **)&m);

	m->family = family_of(from);
	m->src_len = gt_addr_is_v4(from) ? 32 : 128;
	m->action = FR_ACT_TO_TBL;
	put_address(h, FRA_SRC, from);
	mnl_attr_put_u32(h, FRA_PRIORITY, GT_RTNL_PRIORITY);
	mnl_attr_put_u32(h, FRA_TABLE, table);
	mnl_attr_put_u8(h, FRA_PROTOCOL, GT_RTNL_PROTOCOL);
	return request(n, h);
}

int gt_rtnl_add_rule(struct gt_rtnl *n, const struct gt_addr *from, uint32_t table)
{
	int rc = change_rule(n, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, from, table);

	return rc == -EEXIST ? 0 : rc;
}

int gt_rtnl_remove_rule(struct gt_rtnl *n, const struct gt_addr *from, uint32_t table)
{
	return change_rule(n, RTM_DELRULE, 0, from, table);
}

/* Sources of our rules of one table; those that find no room wait for another round. */
struct found {
	uint32_t table;
	struct gt_addr from[64];
	unsigned n;
};

/* What a rule says. */
struct rule {
	uint32_t table;
	uint8_t protocol;
	struct gt_addr from;
};

static int read_attribute(const struct nlattr *a, void *ctx)
{
	uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);
	struct rule *r = ctx;

	if (type == FRA_TABLE && len == 4)
		r->table = mnl_attr_get_u32(a);
	else if (type == FRA_PROTOCOL && len == 1)
		r->protocol = mnl_attr_get_u8(a);
	else if (type == FRA_SRC && len == 4)
		r->from = gt_addr_from_v4(mnl_attr_get_u32(a));
	else if (type == FRA_SRC && len == 16)
		memcpy(r->from.b, mnl_attr_get_payload(a), 16);
	return MNL_CB_OK;
}

static int note_rule(const struct nlmsghdr *h, void *ctx)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	struct found *f = ctx;
	struct rule r = {.table = m->table};

	if (h->nlmsg_type != RTM_NEWRULE ||
	    mnl_attr_parse(h, sizeof(*m), read_attribute, &r) < MNL_CB_STOP)
		return MNL_CB_OK;
	if (r.protocol == GT_RTNL_PROTOCOL && r.table == f->table && f->n < 64)
		f->from[f->n++] = r.from;
	return MNL_CB_OK;
}

static int remove_rules_of(struct gt_rtnl *n, uint8_t family, uint32_t table)
{
	struct found found = {.table = table};
	int rc;

	do {
		uint8_t buf[REQUEST_BYTES];
		struct fib_rule_hdr *m;
		struct nlmsghdr *h = begin(buf, RTM_GETRULE, NLM_F_DUMP, sizeof(*m), (void **)&m);

		m->family = family;
		found.n = 0;
		rc = ask(n, h, note_rule, &found);
		for (unsigned i = 0; i < found.n && rc == 0; i++)
			rc = gt_rtnl_remove_rule(n, &found.from[i], table);
	} while (rc == 0 && found.n > 0);
	/* A kernel without IPv6 has no rules of it either. */
	return rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP ? 0 : rc;
}

int gt_rtnl_remove_rules(struct gt_rtnl *n, uint32_t table)
{
	int rc = remove_rules_of(n, AF_INET, table);

	return rc != 0 ? rc : remove_rules_of(n, AF_INET6, table);
}
