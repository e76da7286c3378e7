/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames, configurations and plans for tests; see support.h. */
#include "support.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_thash.h>

#include "base/toeplitz.h"

#define DIE_UNLESS(what) SUPPORT_DIE_UNLESS(what)

uint64_t support_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t support_rss(const struct gt_addr *src, const struct gt_addr *dst, uint16_t sport,
		     uint16_t dport)
{
	uint32_t words[9], n = 0;

	for (unsigned end = 0; end < 2; end++) {
		const struct gt_addr *a = end == 0 ? src : dst;

		for (unsigned i = gt_addr_is_v4(a) ? 12 : 0; i < 16; i += 4)
			words[n++] = (uint32_t)a->b[i] << 24 | (uint32_t)a->b[i + 1] << 16 |
				     (uint32_t)a->b[i + 2] << 8 | a->b[i + 3];
	}
	words[n++] = (uint32_t)sport << 16 | dport;
	return rte_softrss(words, n, gt_toeplitz_key);
}

uint16_t support_sum(uint32_t start, const uint8_t *data, size_t len)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

/* ---- frames ---- */

struct gt_frame support_frame(const void *bytes, size_t len)
{
	uint8_t *block = malloc(GT_HEADROOM + len);

	DIE_UNLESS(block != NULL);
	memset(block, 0xa5, GT_HEADROOM);
	if (len > 0)
		memcpy(block + GT_HEADROOM, bytes, len);
	return (struct gt_frame){.data = block + GT_HEADROOM,
				 .len = (uint32_t)len,
				 .wire_len = (uint32_t)len,
				 .verdict = 0xff,
				 .out_if = 0xff,
				 .owner = block};
}

void support_frame_free(struct gt_frame *f)
{
	free(f->owner);
	*f = (struct gt_frame){0};
}

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The sum of the pseudo-header of either family (addresses at `a`, both of `size` bytes). */
static uint32_t pseudo_sum(const uint8_t *a, size_t size, uint8_t protocol, size_t len)
{
	uint8_t tail[4];

	put16(put16(tail, protocol), (uint32_t)len);
	return support_sum(support_sum(0, a, 2 * size), tail, 4);
}

/* TCP, UDP, ICMP or nothing, then the payload; returns the length. Checksums are left 0. */
static size_t build_l4(const struct support_packet *p, uint8_t *l4, size_t *check_at)
{
	uint8_t *d = l4;

	*check_at = 0;
	if (p->protocol == IPPROTO_TCP) {
		d = put32(put16(put16(d, p->sport), p->dport), 0x01020304);
		d = put32(d, 0x05060708);
		*d++ = 0x50;
		*d++ = p->flags;
		d = put32(put16(d, 8192), 0);
		*check_at = 16;
	} else if (p->protocol == IPPROTO_UDP) {
		d = put16(put16(d, p->sport), p->dport);
		d = put16(put16(d, (uint32_t)(8 + p->payload_len)), 0);
		*check_at = 6;
	} else if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		*d++ = p->icmp_type;
		*d++ = p->icmp_code;
		d = put32(put16(d, 0), p->icmp_rest);
		*check_at = 2;
	}
	for (size_t i = 0; i < p->payload_len; i++)
		*d++ = p->payload != NULL ? p->payload[i] : (uint8_t)(i * 7 + 1);
	return (size_t)(d - l4);
}

static void fill_checksum(const struct support_packet *p, bool v4, const uint8_t *addresses,
			  uint8_t *l4, size_t len, size_t check_at)
{
	uint32_t start = 0;
	uint16_t sum;

	if (check_at == 0)
		return;
	if (p->protocol != IPPROTO_ICMP)
		start = pseudo_sum(addresses, v4 ? 4 : 16, p->protocol, len);
	sum = (uint16_t)~support_sum(start, l4, len);
	put16(l4 + check_at, sum == 0 && p->protocol == IPPROTO_UDP ? 0xffff : sum);
}

static bool is_zero_mac(const struct gt_mac *m)
{
	static const struct gt_mac zero;

	return memcmp(m, &zero, sizeof(zero)) == 0;
}

size_t support_build(const struct support_packet *p, uint8_t *out)
{
	bool v4 = gt_addr_is_v4(&p->dst), piece = p->piece_len > 0;
	struct gt_mac dst = is_zero_mac(&p->dst_mac) ? support_interface_mac(0) : p->dst_mac;
	struct gt_mac src =
		is_zero_mac(&p->src_mac) ? support_mac("02:c1:00:00:00:01") : p->src_mac;
	uint8_t l4[2048], *d = out, *ip, addresses[32];
	size_t check_at, len = build_l4(p, l4, &check_at), size = v4 ? 4 : 16;

	memcpy(addresses, v4 ? &p->src.b[12] : p->src.b, size);
	memcpy(addresses + size, v4 ? &p->dst.b[12] : p->dst.b, size);
	fill_checksum(p, v4, addresses, l4, len, check_at);
	memcpy(d, dst.b, 6);
	memcpy(d + 6, src.b, 6);
	d += 12;
	if (p->tag != 0)
		d = put16(put16(d, 0x8100), (uint32_t)p->tag - 1);
	d = put16(d, v4 ? 0x0800 : 0x86dd);
	ip = d;
	if (piece) {
		DIE_UNLESS(p->piece_offset + p->piece_len <= len && p->piece_offset % 8 == 0);
		len = p->piece_len;
	}
	if (v4) {
		d = put16(put16(d, 0x4500), (uint32_t)(20 + len));
		d = put16(put16(d, p->id),
			  (uint32_t)(p->piece_offset / 8) | (p->more ? 0x2000 : 0));
		*d++ = p->ttl ? p->ttl : 57;
		*d++ = p->protocol;
		d = put16(d, 0);
		memcpy(d, addresses, 8);
		d += 8;
		put16(ip + 10, (uint16_t)~support_sum(0, ip, 20));
	} else {
		d = put16(put32(d, 0x60000000), (uint32_t)(len + (piece ? 8 : 0)));
		*d++ = piece ? IPPROTO_FRAGMENT : p->protocol;
		*d++ = p->ttl ? p->ttl : 57;
		memcpy(d, addresses, 32);
		d += 32;
		if (piece) {
			d = put16(d, (uint32_t)p->protocol << 8);
			d = put16(d, (uint32_t)p->piece_offset | (p->more ? 1 : 0));
			d = put32(d, p->id);
		}
	}
	memcpy(d, l4 + p->piece_offset, len);
	return (size_t)(d - out) + len;
}

struct gt_frame support_packet_frame(const struct support_packet *p)
{
	uint8_t bytes[2048];

	return support_frame(bytes, support_build(p, bytes));
}

bool support_checksums_good(const uint8_t *frame, size_t len)
{
	size_t l3 = get16(frame + 12) == 0x8100 ? 18 : 14, l4, l4_len;
	const uint8_t *ip = frame + l3;
	bool v4 = ip[0] >> 4 == 4;
	uint8_t protocol;

	if (v4) {
		l4 = (size_t)(ip[0] & 15) * 4;
		l4_len = get16(ip + 2) - l4;
		protocol = ip[9];
		if (support_sum(0, ip, l4) != 0xffff)
			return false;
		if ((get16(ip + 6) & 0x3fff) != 0)
			return true;
	} else {
		l4 = 40;
		l4_len = get16(ip + 4);
		protocol = ip[6];
	}
	if (l3 + l4 + l4_len > len)
		return false;
	if (protocol == IPPROTO_ICMP)
		return support_sum(0, ip + l4, l4_len) == 0xffff;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_ICMPV6)
		return true;
	if (protocol == IPPROTO_UDP && v4 && get16(ip + l4 + 6) == 0)
		return true;
	return support_sum(pseudo_sum(ip + (v4 ? 12 : 8), v4 ? 4 : 16, protocol, l4_len), ip + l4,
			   l4_len) == 0xffff;
}

struct gt_addr support_addr(const char *text)
{
	struct gt_addr a;

	DIE_UNLESS(gt_addr_parse(text, &a) == 0);
	return a;
}

struct gt_mac support_mac(const char *text)
{
	struct gt_mac m;

	DIE_UNLESS(gt_mac_parse(text, &m) == 0);
	return m;
}

/* ---- configurations ---- */

/* One more element at the end of an array, zeroed. */
static void *grow(void *array, size_t *n, size_t size)
{
	uint8_t *more = realloc(array, (*n + 1) * size);

	DIE_UNLESS(more != NULL);
	memset(more + *n * size, 0, size);
	(*n)++;
	return more;
}

static void set_name(char *to, const char *name)
{
	DIE_UNLESS(strlen(name) <= GT_NAME_MAX);
	strcpy(to, name);
}

struct gt_config *support_config(uint64_t seed)
{
	struct gt_config *c = calloc(1, sizeof(*c));

	DIE_UNLESS(c != NULL);
	c->seed = seed;
	c->workers = 1;
	c->main_core = -1;
	c->connections = 1000000;
	set_name(c->name, "test");
	return c;
}

void support_config_free(struct gt_config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_interfaces; i++) {
		free(c->interfaces[i].addresses);
		free(c->interfaces[i].kernel);
	}
	for (size_t i = 0; i < c->n_vips; i++) {
		free(c->vips[i].ports);
		free(c->vips[i].servers);
	}
	free(c->interfaces);
	free(c->vips);
	free(c);
}

size_t support_interface(struct gt_config *c, const char *name, uint16_t vlan, const char *address)
{
	struct gt_config_interface *i;

	c->interfaces = grow(c->interfaces, &c->n_interfaces, sizeof(*c->interfaces));
	i = &c->interfaces[c->n_interfaces - 1];
	set_name(i->name, name);
	i->vlan = vlan;
	i->mtu = 1500;
	i->addresses = grow(NULL, &i->n_addresses, sizeof(*i->addresses));
	DIE_UNLESS(gt_prefix_parse(address, &i->addresses[0]) == 0);
	return c->n_interfaces - 1;
}

void support_address(struct gt_config *c, size_t interface, const char *address)
{
	struct gt_config_interface *i = &c->interfaces[interface];

	i->addresses = grow(i->addresses, &i->n_addresses, sizeof(*i->addresses));
	DIE_UNLESS(gt_prefix_parse(address, &i->addresses[i->n_addresses - 1]) == 0);
}

void support_ports(struct gt_config_vip *vip, const char *ports)
{
	free(vip->ports);
	vip->ports = NULL;
	vip->n_ports = 0;
	if (strcmp(ports, "any") == 0)
		ports = "0-65535";
	while (*ports != '\0') {
		char *end;
		unsigned long first = strtoul(ports, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		vip->ports = grow(vip->ports, &vip->n_ports, sizeof(*vip->ports));
		vip->ports[vip->n_ports - 1] =
			(struct gt_port_range){(uint16_t)first, (uint16_t)last};
		ports = *end == ',' ? end + 1 : end;
	}
}

size_t support_vip(struct gt_config *c, const char *name, const char *address,
		   enum gt_protocol protocol, const char *ports)
{
	struct gt_config_vip *v;

	c->vips = grow(c->vips, &c->n_vips, sizeof(*c->vips));
	v = &c->vips[c->n_vips - 1];
	set_name(v->name, name);
	v->address = support_addr(address);
	v->protocol = protocol;
	support_ports(v, ports);
	return c->n_vips - 1;
}

struct gt_config_server *support_server(struct gt_config *c, size_t vip, const char *name,
					const char *address, uint16_t weight)
{
	struct gt_config_vip *v = &c->vips[vip];
	struct gt_config_server *s;

	v->servers = grow(v->servers, &v->n_servers, sizeof(*v->servers));
	s = &v->servers[v->n_servers - 1];
	set_name(s->name, name);
	s->address = support_addr(address);
	s->weight = weight;
	return s;
}

struct gt_config *support_config_usual(void)
{
	struct gt_config *c = support_config(7);
	size_t v;

	support_interface(c, "lan", 0, "192.0.2.2/24");
	v = support_vip(c, "web", "192.0.2.100", GT_PROTO_TCP, "80,443");
	support_server(c, v, "a", "192.0.2.11", 100);
	support_server(c, v, "b", "192.0.2.12", 100);
	support_server(c, v, "c", "192.0.2.13", 100);
	v = support_vip(c, "dns", "192.0.2.101", GT_PROTO_UDP, "53");
	support_server(c, v, "d", "192.0.2.11", 100);
	support_server(c, v, "e", "192.0.2.12", 100);
	return c;
}

void support_remove_server(struct gt_config *c, size_t vip, size_t server)
{
	struct gt_config_vip *v = &c->vips[vip];

	memmove(&v->servers[server], &v->servers[server + 1],
		(v->n_servers - server - 1) * sizeof(*v->servers));
	v->n_servers--;
}

void support_swap_servers(struct gt_config *c, size_t vip, size_t i, size_t j)
{
	struct gt_config_server t = c->vips[vip].servers[i];

	c->vips[vip].servers[i] = c->vips[vip].servers[j];
	c->vips[vip].servers[j] = t;
}

void support_swap_vips(struct gt_config *c, size_t i, size_t j)
{
	struct gt_config_vip t = c->vips[i];

	c->vips[i] = c->vips[j];
	c->vips[j] = t;
}

struct gt_mac support_interface_mac(size_t i)
{
	return (struct gt_mac){{2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
}

struct gt_mac support_server_mac(const struct gt_addr *a)
{
	return (struct gt_mac){{2, 0x53, a->b[12], a->b[13], a->b[14], a->b[15]}};
}

struct gt_server_state *support_states(const struct gt_config *c)
{
	struct gt_server_state *states;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < c->n_vips; i++)
		n += c->vips[i].n_servers;
	states = calloc(n + 1, sizeof(*states));
	DIE_UNLESS(states != NULL);
	for (size_t i = 0; i < c->n_vips; i++) {
		for (size_t j = 0; j < c->vips[i].n_servers; j++, k++) {
			const struct gt_config_server *s = &c->vips[i].servers[j];

			states[k] =
				(struct gt_server_state){.up = true,
							 .admin = s->state,
							 .weight = s->weight,
							 .resolved = true,
							 .mac = support_server_mac(&s->address)};
		}
	}
	return states;
}

struct gt_server_state *support_state(const struct gt_config *c, struct gt_server_state *states,
				      const char *vip, const char *server)
{
	size_t k = 0;

	for (size_t i = 0; i < c->n_vips; i++)
		for (size_t j = 0; j < c->vips[i].n_servers; j++, k++)
			if (strcmp(c->vips[i].name, vip) == 0 &&
			    strcmp(c->vips[i].servers[j].name, server) == 0)
				return &states[k];
	fprintf(stderr, "no server %s/%s\n", vip, server);
	abort();
}

/* ---- plans ---- */

static void mix(uint64_t *sum, const void *data, size_t len)
{
	const struct gt_siphash_key key = {*sum, 0};

	*sum = gt_siphash(&key, data, len);
}

void support_edition(struct gt_config *c)
{
	uint64_t sum = c->seed;

	mix(&sum, c->interfaces, c->n_interfaces * sizeof(*c->interfaces));
	mix(&sum, c->vips, c->n_vips * sizeof(*c->vips));
	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_config_vip *v = &c->vips[i];

		mix(&sum, v->ports, v->n_ports * sizeof(*v->ports));
		mix(&sum, v->servers, v->n_servers * sizeof(*v->servers));
	}
	c->edition = (uint32_t)sum;
}

struct gt_plan *support_plan(struct gt_config *c, const struct gt_server_state *states,
			     const struct gt_plan *previous)
{
	struct gt_server_state *own = states == NULL ? support_states(c) : NULL;
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_plan *plan = NULL;

	support_edition(c);
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++)
		macs[i] = support_interface_mac(i);
	DIE_UNLESS(gt_plan_build(c, own != NULL ? own : states, macs, NULL, 0, previous, &plan) ==
		   0);
	free(own);
	return plan;
}

uint16_t support_vip_number(const struct gt_plan *plan, const char *vip)
{
	for (uint32_t i = 1; i < plan->n_vips; i++)
		if (plan->vip_names[i].vip != NULL &&
		    strcmp(plan->vip_names[i].vip->name, vip) == 0)
			return (uint16_t)i;
	return 0;
}

uint16_t support_server_number(const struct gt_plan *plan, const char *vip, const char *server)
{
	for (uint32_t i = 1; i < plan->n_servers; i++) {
		const struct gt_plan_names *n = &plan->server_names[i];

		if (n->vip != NULL && strcmp(n->vip->name, vip) == 0 &&
		    strcmp(n->server->name, server) == 0)
			return (uint16_t)i;
	}
	return 0;
}

uint16_t support_service(const struct gt_plan *plan, const char *address, uint8_t protocol,
			 uint16_t port)
{
	struct gt_addr addr = support_addr(address);
	const struct gt_plan_address *a = gt_plan_find_address(plan, &addr);
	const struct gt_plan_range *r =
		a != NULL && a->vip ? gt_plan_find_range(plan, a, protocol, port) : NULL;

	return r != NULL ? gt_plan_range_service(r, port) : 0;
}
