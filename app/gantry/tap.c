/* SPDX-License-Identifier: BSD-3-Clause */
/* TAPs; see tap.h. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Tables are TABLE_FIRST to TABLE_FIRST + TABLES - 1: well away from those that people number. */
#define TABLE_FIRST 1000000U
#define TABLES	    1000000U

/* What a step works on, and is told with. */
struct step {
	struct gt_tap *tap;
	const struct gt_config_interface *c;
	const struct gt_log *log;
	struct gt_rtnl rtnl;
};

static int fail(const struct step *s, const char *what, const char *of, int rc)
{
	const char *advice = rc == -EPERM || rc == -EACCES
				     ? ": gantry needs CAP_NET_ADMIN (run it as root)"
				     : "";

	gt_log(s->log, LOG_ERR, "interface %s: kernel = %s: %s%s: %s%s", s->c->name, s->c->kernel,
	       what, of, strerror(-rc), advice);
	return rc;
}

uint32_t gt_tap_table(const char *name)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619U;
	return TABLE_FIRST + h % TABLES;
}

/* ---- the device ---- */

static int name_taken(const struct step *s, int rc)
{
	gt_log(s->log, LOG_ERR,
	       "interface %s: kernel = %s: this host has an interface of that name (ip link show "
	       "%s): choose another name, or remove that one",
	       s->c->name, s->c->kernel, s->c->kernel);
	return rc;
}

int gt_tap_create(struct gt_tap *tap, const struct gt_config_interface *c, const struct gt_log *log)
{
	struct step s = {.tap = tap, .c = c, .log = log};
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int rc;

	*tap = (struct gt_tap){.fd = -1, .table = gt_tap_table(c->kernel)};
	snprintf(tap->name, sizeof(tap->name), "%s", c->kernel);
	if (if_nametoindex(c->kernel) != 0)
		return name_taken(&s, -EEXIST);
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return fail(&s, "/dev/net/tun",
			    errno == ENOENT || errno == ENXIO || errno == ENODEV
				    ? " (modprobe tun; a container must be given the device)"
				    : "",
			    -errno);
	/* Or somebody's persistent TAP that nobody uses would be taken. */
	r.ifr_flags |= (short)IFF_TUN_EXCL;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", c->kernel);
	if (ioctl(tap->fd, TUNSETIFF, &r) != 0) {
		rc = -errno;
		close(tap->fd);
		tap->fd = -1;
		return rc == -EBUSY || rc == -EEXIST ? name_taken(&s, rc)
						     : fail(&s, "no TAP can be made", "", rc);
	}
	tap->index = if_nametoindex(c->kernel);
	return 0;
}

/* Writes a setting of the TAP's IPv6; what it cannot is told, and does no harm to IPv4. */
static void set_ipv6(const struct step *s, const char *key, const char *value)
{
	char path[96];
	int fd, rc = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", s->c->kernel, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; /* a kernel without IPv6: addresses of it will be told */
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc != 0)
		gt_log(s->log, LOG_WARNING, "interface %s: kernel = %s: %s stays as it is: %s",
		       s->c->name, s->c->kernel, path, strerror(-rc));
}

static bool has_ipv6(const struct gt_config_interface *c)
{
	for (size_t i = 0; i < c->n_addresses; i++)
		if (!gt_addr_is_v4(&c->addresses[i].addr))
			return true;
	return false;
}

/*
 * Without IPv6 in the file the TAP is silent in it. With it, routers' advertisements are the
 * programs' alone: a default route out of one would lead the host's other traffic here.
 */
static void settle_ipv6(const struct step *s)
{
	set_ipv6(s, "disable_ipv6", has_ipv6(s->c) ? "0" : "1");
	set_ipv6(s, "accept_ra", "0");
}

static int set_link(const struct step *s, const struct gt_mac *mac)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	struct ifreq r = {0};

	if (fd < 0)
		return fail(s, "no socket", "", -errno);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", s->c->kernel);
	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, mac->b, sizeof(mac->b));
	if (ioctl(fd, SIOCSIFHWADDR, &r) != 0)
		rc = fail(s, "does not take the MAC", "", -errno);
	r.ifr_mtu = s->c->mtu;
	if (rc == 0 && ioctl(fd, SIOCSIFMTU, &r) != 0)
		rc = fail(s, "does not take the mtu", "", -errno);
	r.ifr_flags = 0;
	if (rc == 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0) {
		r.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &r) != 0)
			rc = fail(s, "does not come up", "", -errno);
	}
	close(fd);
	return rc;
}

/* ---- addresses and routes ---- */

static bool has_address(const struct gt_config_interface *c, const struct gt_prefix *p)
{
	for (size_t i = 0; c != NULL && i < c->n_addresses; i++)
		if (c->addresses[i].len == p->len && gt_addr_equal(&c->addresses[i].addr, &p->addr))
			return true;
	return false;
}

static struct gt_rtnl_route subnet_route(const struct step *s, const struct gt_prefix *p)
{
	return (struct gt_rtnl_route){
		.table = s->tap->table, .index = s->tap->index, .to = *p, .source = &p->addr};
}

static struct gt_rtnl_route default_route(const struct step *s, const struct gt_addr *gateway)
{
	return (struct gt_rtnl_route){.table = s->tap->table,
				      .index = s->tap->index,
				      .to = {*gateway, 0},
				      .gateway = gateway};
}

/* What another configuration had. What is gone already, by itself or with something else, is. */
static void remove_old(struct step *s, const struct gt_config_interface *from)
{
	for (size_t i = 0; i < from->n_addresses; i++) {
		const struct gt_prefix *p = &from->addresses[i];
		struct gt_rtnl_route route = subnet_route(s, p);

		if (has_address(s->c, p))
			continue;
		gt_rtnl_remove_rule(&s->rtnl, &p->addr, s->tap->table);
		gt_rtnl_remove_route(&s->rtnl, &route);
		gt_rtnl_remove_address(&s->rtnl, s->tap->index, p);
	}
	if (from->has_gateway4 && !s->c->has_gateway4) {
		struct gt_rtnl_route route = default_route(s, &from->gateway4);

		gt_rtnl_remove_route(&s->rtnl, &route);
	}
	if (from->has_gateway6 && !s->c->has_gateway6) {
		struct gt_rtnl_route route = default_route(s, &from->gateway6);

		gt_rtnl_remove_route(&s->rtnl, &route);
	}
}

static int put_one(struct step *s, const struct gt_prefix *p)
{
	struct gt_rtnl_route route = subnet_route(s, p);
	char text[GT_PREFIX_STRLEN];
	int rc = gt_rtnl_add_address(&s->rtnl, s->tap->index, p);

	gt_prefix_format(p, text);
	if (rc != 0)
		return fail(s, "does not take the address ", text, rc);
	rc = gt_rtnl_set_route(&s->rtnl, &route);
	if (rc == 0)
		rc = gt_rtnl_add_rule(&s->rtnl, &p->addr, s->tap->table);
	return rc == 0 ? 0 : fail(s, "no route or rule can be made for ", text, rc);
}

static int put_default(struct step *s, bool has, const struct gt_addr *gateway)
{
	struct gt_rtnl_route route = default_route(s, gateway);
	char text[GT_ADDR_STRLEN];
	int rc = has ? gt_rtnl_set_route(&s->rtnl, &route) : 0;

	return rc == 0 ? 0 : fail(s, "no route by gateway ", gt_addr_format(gateway, text), rc);
}

/* All that the configuration has, also what is there: with the first address of an IPv4 subnet the
 * kernel removes the others. */
static int put_all(struct step *s)
{
	int rc = 0, first = 0;

	for (size_t i = 0; i < s->c->n_addresses; i++) {
		rc = put_one(s, &s->c->addresses[i]);
		first = first != 0 ? first : rc;
	}
	rc = put_default(s, s->c->has_gateway4, &s->c->gateway4);
	first = first != 0 ? first : rc;
	rc = put_default(s, s->c->has_gateway6, &s->c->gateway6);
	return first != 0 ? first : rc;
}

int gt_tap_set_up(struct gt_tap *tap, const struct gt_config_interface *c, const struct gt_mac *mac,
		  const struct gt_log *log)
{
	struct step s = {.tap = tap, .c = c, .log = log};
	int rc = gt_rtnl_open(&s.rtnl);

	if (rc != 0)
		return fail(&s, "no netlink socket", "", rc);
	/* Those of a gantry that was killed: the TAP's name is ours now, so nobody else's. */
	rc = gt_rtnl_remove_rules(&s.rtnl, tap->table);
	if (rc != 0)
		fail(&s, "old rules cannot be removed", "", rc);
	settle_ipv6(&s);
	if (rc == 0)
		rc = set_link(&s, mac);
	if (rc == 0)
		rc = put_all(&s);
	gt_rtnl_close(&s.rtnl);
	if (rc == 0)
		gt_log(log, LOG_NOTICE, "interface %s: the kernel has it as %s, routes in table %u",
		       c->name, c->kernel, tap->table);
	return rc;
}

int gt_tap_readdress(struct gt_tap *tap, const struct gt_config_interface *from,
		     const struct gt_config_interface *to, const struct gt_log *log)
{
	struct step s = {.tap = tap, .c = to, .log = log};
	int rc;

	if (tap->fd < 0)
		return 0;
	rc = gt_rtnl_open(&s.rtnl);
	if (rc != 0)
		return fail(&s, "no netlink socket", "", rc);
	if (has_ipv6(to) != has_ipv6(from))
		settle_ipv6(&s);
	remove_old(&s, from);
	rc = put_all(&s);
	gt_rtnl_close(&s.rtnl);
	return rc;
}

void gt_tap_close(struct gt_tap *tap, const struct gt_log *log)
{
	struct gt_rtnl rtnl;
	int rc;

	if (tap->fd < 0)
		return;
	rc = gt_rtnl_open(&rtnl);
	if (rc == 0)
		rc = gt_rtnl_remove_rules(&rtnl, tap->table);
	if (rc != 0)
		gt_log(log, LOG_WARNING, "rules of %s stay behind (ip rule): %s", tap->name,
		       strerror(-rc));
	gt_rtnl_close(&rtnl);
	close(tap->fd);
	tap->fd = -1;
}
