/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's interface below a device; see netdev.h. */
#include "netdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int gt_netdev_control(unsigned long request, const char name[IFNAMSIZ], struct ifreq *r)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (s < 0)
		s = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
	rc = ioctl(s, request, r) < 0 ? -errno : 0;
	close(s);
	return rc;
}

static void note(const char name[IFNAMSIZ], struct gt_netdev_was *was)
{
	struct ifreq r = {0};

	*was = (struct gt_netdev_was){0};
	if (gt_netdev_control(SIOCGIFFLAGS, name, &r) != 0)
		return;
	was->promiscuous = (r.ifr_flags & IFF_PROMISC) != 0;
	was->all_multicast = (r.ifr_flags & IFF_ALLMULTI) != 0;
	r = (struct ifreq){0};
	if (gt_netdev_control(SIOCGIFMTU, name, &r) != 0)
		return;
	was->mtu = was->mtu_set = r.ifr_mtu;
	was->known = true;
}

/* What is set up. */
struct opening {
	const char *name;
	const struct gt_config_interface *c;
	const char *where; /* "FILE:LINE: device: " */
	const struct gt_log *log;
	struct gt_netdev_was *was;
};

static int bring_up(const struct opening *o)
{
	struct ifreq r = {0};
	int rc = gt_netdev_control(SIOCGIFFLAGS, o->name, &r);

	if (rc == 0 && (r.ifr_flags & IFF_UP) != 0)
		return 0;
	r.ifr_flags |= IFF_UP;
	if (rc == 0)
		rc = gt_netdev_control(SIOCSIFFLAGS, o->name, &r);
	if (rc == 0) {
		gt_log(o->log, LOG_NOTICE, "interface %s: %s was down, brought up", o->c->name,
		       o->name);
		return 0;
	}
	gt_log(o->log, LOG_ERR, "%s%s is down and cannot be brought up: %s (ip link set %s up)",
	       o->where, o->name, strerror(-rc), o->name);
	return rc;
}

static int set_mtu(const struct opening *o)
{
	struct ifreq r = {0};
	int rc = gt_netdev_control(SIOCGIFMTU, o->name, &r);

	if (rc == 0 && r.ifr_mtu == o->c->mtu)
		return 0;
	r.ifr_mtu = o->c->mtu;
	if (rc == 0)
		rc = gt_netdev_control(SIOCSIFMTU, o->name, &r);
	if (rc == 0) {
		o->was->mtu_set = o->c->mtu;
		gt_log(o->log, LOG_NOTICE, "interface %s: mtu of %s is %u now", o->c->name, o->name,
		       o->c->mtu);
		return 0;
	}
	gt_log(o->log, LOG_ERR,
	       "%s%s does not take mtu %u: %s (set `mtu` in [interface %s] to what it takes)",
	       o->where, o->name, o->c->mtu, strerror(-rc), o->c->name);
	return rc;
}

int gt_netdev_set_up(const char name[IFNAMSIZ], const struct gt_config_interface *c,
		     const char *where, const struct gt_log *log, struct gt_netdev_was *was)
{
	struct opening o = {name, c, where, log, was};
	int rc;

	if (name[0] == '\0')
		return 0;
	note(name, was);
	rc = set_mtu(&o);
	return rc == 0 ? bring_up(&o) : rc;
}

/* Takes back the flags that drivers set and leave. 0, also if there is nothing to do, -errno. */
static int restore_flags(const char name[IFNAMSIZ], const struct gt_netdev_was *was)
{
	struct ifreq r = {0};
	int rc = gt_netdev_control(SIOCGIFFLAGS, name, &r), ours = 0;

	if (!was->promiscuous)
		ours |= IFF_PROMISC;
	if (!was->all_multicast)
		ours |= IFF_ALLMULTI;
	if (rc != 0 || (r.ifr_flags & ours) == 0)
		return rc;
	r.ifr_flags = (short)(r.ifr_flags & ~ours);
	return gt_netdev_control(SIOCSIFFLAGS, name, &r);
}

static int restore_mtu(const char name[IFNAMSIZ], const struct gt_netdev_was *was)
{
	struct ifreq r = {0};
	int rc = gt_netdev_control(SIOCGIFMTU, name, &r);

	if (rc != 0 || was->mtu == was->mtu_set || r.ifr_mtu != was->mtu_set)
		return rc;
	r.ifr_mtu = was->mtu;
	return gt_netdev_control(SIOCSIFMTU, name, &r);
}

void gt_netdev_restore(const char name[IFNAMSIZ], const struct gt_netdev_was *was,
		       const struct gt_log *log)
{
	int flags, mtu;

	if (!was->known)
		return;
	flags = restore_flags(name, was);
	mtu = restore_mtu(name, was);
	if (flags == -ENODEV || mtu == -ENODEV) /* it has gone meanwhile */
		return;
	if (flags != 0 || mtu != 0)
		gt_log(log, LOG_WARNING, "%s is not as it was before, it keeps %s: %s", name,
		       flags != 0 ? "its promiscuous mode" : "gantry's mtu",
		       strerror(flags != 0 ? -flags : -mtu));
}
