/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and printing of addresses; see addr.h. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int gt_addr_parse(const char *s, struct gt_addr *out)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, s, raw) == 1) {
		rte_be32_t v4;

		memcpy(&v4, raw, 4);
		*out = gt_addr_from_v4(v4);
		return 0;
	}
	if (inet_pton(AF_INET6, s, raw) == 1) {
		struct gt_addr a;

		memcpy(a.b, raw, 16);
		/* ::ffff:1.2.3.4 would become an IPv4 address behind the writer's back. */
		if (gt_addr_is_v4(&a))
			return -EINVAL;
		*out = a;
		return 0;
	}
	return -EINVAL;
}

int gt_prefix_parse(const char *s, struct gt_prefix *out)
{
	const char *slash = strchr(s, '/');
	char host[GT_ADDR_STRLEN];
	struct gt_prefix p;
	unsigned len = 0;

	if (slash == NULL || (size_t)(slash - s) >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, (size_t)(slash - s));
	host[slash - s] = '\0';
	if (gt_addr_parse(host, &p.addr) != 0)
		return -EINVAL;

	if (slash[1] == '\0' || strlen(slash + 1) > 3)
		return -EINVAL;
	for (const char *c = slash + 1; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		len = len * 10 + (unsigned)(*c - '0');
	}
	if (len > (gt_addr_is_v4(&p.addr) ? 32U : 128U))
		return -EINVAL;
	p.len = (uint8_t)len;
	*out = p;
	return 0;
}

int gt_mac_parse(const char *s, struct gt_mac *out)
{
	struct gt_mac m;

	if (strlen(s) != GT_MAC_STRLEN - 1)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		unsigned byte = 0;

		for (int j = 0; j < 2; j++) {
			char c = s[i * 3 + j];

			if (c >= '0' && c <= '9')
				byte = byte << 4 | (unsigned)(c - '0');
			else if (c >= 'a' && c <= 'f')
				byte = byte << 4 | (unsigned)(c - 'a' + 10);
			else if (c >= 'A' && c <= 'F')
				byte = byte << 4 | (unsigned)(c - 'A' + 10);
			else
				return -EINVAL;
		}
		if (i < 5 && s[i * 3 + 2] != ':')
			return -EINVAL;
		m.b[i] = (uint8_t)byte;
	}
	*out = m;
	return 0;
}

char *gt_addr_format(const struct gt_addr *a, char buf[GT_ADDR_STRLEN])
{
	if (gt_addr_is_v4(a))
		inet_ntop(AF_INET, &a->b[12], buf, GT_ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a->b, buf, GT_ADDR_STRLEN);
	return buf;
}

char *gt_prefix_format(const struct gt_prefix *p, char buf[GT_PREFIX_STRLEN])
{
	char host[GT_ADDR_STRLEN];

	snprintf(buf, GT_PREFIX_STRLEN, "%s/%u", gt_addr_format(&p->addr, host), p->len);
	return buf;
}

char *gt_mac_format(const struct gt_mac *m, char buf[GT_MAC_STRLEN])
{
	snprintf(buf, GT_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2],
		 m->b[3], m->b[4], m->b[5]);
	return buf;
}

bool gt_prefix_contains(const struct gt_prefix *p, const struct gt_addr *a)
{
	bool v4 = gt_addr_is_v4(&p->addr);
	unsigned bits = v4 ? 96U + p->len : p->len;
	unsigned whole = bits / 8, rest = bits % 8;

	if (v4 != gt_addr_is_v4(a) || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

bool gt_addr_is_martian_v6(const uint8_t v6[16])
{
	static const uint8_t zero[12];
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	/* ::/96 holds ::, ::1 and the deprecated IPv4-compatible addresses. */
	return v6[0] == 0xff || memcmp(v6, zero, 12) == 0 || memcmp(v6, mapped, 12) == 0;
}

bool gt_addr_is_martian(const struct gt_addr *a)
{
	return gt_addr_is_v4(a) ? gt_addr_is_martian_v4(gt_addr_v4(a))
				: gt_addr_is_martian_v6(a->b);
}
