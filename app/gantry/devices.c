/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices before DPDK sees them; see devices.h. */
#include "devices.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/frame.h"
#include "budget.h"
#include "say.h"

/* Ethernet header and one tag. */
#define LINK_BYTES 18
/* What AF_PACKET puts in front of a frame in its ring (TPACKET2 header, address, alignment). */
#define RING_BYTES 66
/* The PMD wants the buffer to hold a ring frame without the header: framesz - 32 <= room. */
#define RING_ROOM_BYTES 32
#define RING_ALIGN	256
#define HEADROOM_BYTES	128

/* What prepare_* work on. */
struct context {
	const struct gt_config *config;
	const struct gt_config_interface *c;
	const char *text; /* the device, or a bond's slave */
	const struct gt_log *log;
	struct gt_device *d;
	char where[GT_WHERE_MAX]; /* "FILE:LINE: device: " */
};

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		return true; /* then the device itself will tell */
	return (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

/* ---- arguments of a virtual device: NAME,key=value,... ---- */

/* The value of a key, or NULL; *len its length. */
static const char *find_argument(const char *device, const char *key, size_t *len)
{
	size_t n = strlen(key);

	for (const char *s = strchr(device, ','); s != NULL; s = strchr(s, ',')) {
		s++;
		if (strncmp(s, key, n) == 0 && s[n] == '=') {
			*len = strcspn(s + n + 1, ",");
			return s + n + 1;
		}
	}
	return NULL;
}

static bool is_driver(const struct gt_device *d, const char *driver)
{
	return strncmp(d->name, driver, strlen(driver)) == 0;
}

static int add_argument(struct context *x, const char *key, uint32_t value)
{
	size_t used = strlen(x->d->arguments), len;

	if (find_argument(x->d->arguments, key, &len) != NULL)
		return 0;
	if ((size_t)snprintf(x->d->arguments + used, sizeof(x->d->arguments) - used, ",%s=%u", key,
			     value) < sizeof(x->d->arguments) - used)
		return 0;
	gt_log(x->log, LOG_ERR, "%s'%s' is too long", x->where, x->text);
	return -EINVAL;
}

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * The ring of net_af_packet. Its default frame of 2048 bytes cuts what is longer than 1982 bytes,
 * in silence; and the driver finds frame i at i * framesz, so that a block of whole pages must hold
 * whole frames.
 */
static int add_ring_arguments(struct context *x)
{
	uint32_t least = x->c->mtu + LINK_BYTES + RING_BYTES, frame_bytes, block_bytes, n_frames;
	uint32_t page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	size_t len;
	const char *given = find_argument(x->text, "framesz", &len);

	frame_bytes = least <= 2048 ? 2048 : round_up(least, RING_ALIGN);
	if (given != NULL)
		frame_bytes = (uint32_t)strtoul(given, NULL, 10);
	if (frame_bytes < least) {
		gt_log(x->log, LOG_ERR,
		       "%sframesz=%u cuts frames of mtu %u: at least %u, or leave framesz away",
		       x->where, frame_bytes, x->c->mtu, round_up(least, RING_ALIGN));
		return -EINVAL;
	}
	x->d->buffer_size_min = frame_bytes - RING_ROOM_BYTES + HEADROOM_BYTES;
	if (given != NULL || find_argument(x->text, "blocksz", &len) != NULL ||
	    find_argument(x->text, "framecnt", &len) != NULL)
		return 0; /* who sets one of them knows how they belong together */
	for (block_bytes = page_bytes; block_bytes % frame_bytes != 0;)
		block_bytes += page_bytes;
	/* 4 MB each way: some 20 ms of small frames at the 100,000 a second of a busy socket, as
	 * long as a worker that shares its CPU may have to wait. Whole blocks. */
	n_frames = round_up((4U << 20) / frame_bytes, block_bytes / frame_bytes);
	if (add_argument(x, "framesz", frame_bytes) != 0 ||
	    add_argument(x, "blocksz", block_bytes) != 0 ||
	    add_argument(x, "framecnt", n_frames) != 0)
		return -EINVAL;
	return 0;
}

/* ---- the kernel's interface below a device ---- */

bool gt_devices_kernel_link(const char interface[IFNAMSIZ])
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	struct ifreq r = {.ifr_data = (char *)&link};

	/* IFF_RUNNING follows the carrier up to a second later; who has no ethtool has only that.
	 */
	if (gt_netdev_control(SIOCETHTOOL, interface, &r) == 0)
		return link.data != 0;
	return gt_netdev_control(SIOCGIFFLAGS, interface, &r) == 0 && (r.ifr_flags & IFF_UP) != 0 &&
	       (r.ifr_flags & IFF_RUNNING) != 0;
}

/* A device of the kernel's has one more line in sysfs: the node of the hardware below it. */
static int read_node(const char *path)
{
	FILE *f = fopen(path, "re");
	int node = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &node) != 1)
		node = -1;
	fclose(f);
	return node;
}

static int find_interface(struct context *x)
{
	char path[128];
	size_t len;
	const char *name = find_argument(x->text, "iface", &len);

	if (name == NULL || len == 0 || len >= IFNAMSIZ) {
		gt_log(x->log, LOG_ERR, "%ssay which interface of the kernel's: %s,iface=eth1",
		       x->where, x->d->name);
		return -EINVAL;
	}
	snprintf(x->d->interface, IFNAMSIZ, "%.*s", (int)len, name);
	if (if_nametoindex(x->d->interface) == 0) {
		gt_log(x->log, LOG_ERR,
		       "%sthere is no interface %s on this machine (ip link shows which there are)",
		       x->where, x->d->interface);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", x->d->interface);
	x->d->node = read_node(path);
	return 0;
}

/* net_af_xdp reads the queues that it is told to, one by default: frames of others pass it by. */
static void warn_of_queues(struct context *x)
{
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-1", x->d->interface);
	if (access(path, F_OK) == 0 && find_argument(x->text, "queue_count", &len) == NULL)
		gt_log(x->log, LOG_WARNING,
		       "interface %s: %s has several queues and net_af_xdp reads one: frames of "
		       "the others are not seen (ethtool -L %s combined 1)",
		       x->c->name, x->d->interface, x->d->interface);
}

/* ---- each kind of device ---- */

static int need_capability(struct context *x, unsigned capability, const char *name)
{
	if (has_capability(capability))
		return 0;
	gt_log(x->log, LOG_ERR, "%s%s needs root, or the capability %s: run gantry as root",
	       x->where, x->d->name, name);
	return -EPERM;
}

static int prepare_af_packet(struct context *x)
{
	int rc = find_interface(x);

	if (rc == 0)
		rc = need_capability(x, CAP_NET_RAW, "CAP_NET_RAW");
	if (rc == 0)
		rc = add_ring_arguments(x);
	if (rc == 0 && x->config->workers > 1)
		rc = add_argument(x, "qpairs", x->config->workers);
	/* Through the queueing discipline, the kernel would show us what we send as if it came in.
	 */
	return rc != 0 ? rc : add_argument(x, "qdisc_bypass", 1);
}

static int prepare_af_xdp(struct context *x)
{
	int rc = find_interface(x);

	if (rc == 0)
		rc = need_capability(x, CAP_NET_ADMIN, "CAP_NET_ADMIN");
	if (rc != 0)
		return rc;
	warn_of_queues(x);
	/* The kernel's fill and receive rings hold 2048 buffers each, the send side as many. */
	x->d->buffers_more = 6144;
	return 0;
}

static int prepare_virtual(struct context *x)
{
	size_t len;

	if (strlen(x->text) >= sizeof(x->d->arguments)) {
		gt_log(x->log, LOG_ERR, "%s'%s' is too long", x->where, x->text);
		return -EINVAL;
	}
	snprintf(x->d->arguments, sizeof(x->d->arguments), "%s", x->text);
	if (is_driver(x->d, "net_af_packet"))
		return prepare_af_packet(x);
	if (is_driver(x->d, "net_af_xdp"))
		return prepare_af_xdp(x);
	if (is_driver(x->d, "net_tap"))
		return need_capability(x, CAP_NET_ADMIN, "CAP_NET_ADMIN");
	if (is_driver(x->d, "net_pcap") && find_argument(x->text, "iface", &len) != NULL)
		return need_capability(x, CAP_NET_RAW, "CAP_NET_RAW");
	return 0;
}

/* Drivers of the kernel's that DPDK works through or beside (bifurcated). */
static bool is_usable_driver(const char *driver)
{
	static const char *const usable[] = {"vfio-pci",  "igb_uio",   "uio_pci_generic",
					     "mlx4_core", "mlx5_core", "uio_hv_generic"};

	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
		if (strcmp(driver, usable[i]) == 0)
			return true;
	return false;
}

static int check_driver(struct context *x)
{
	char path[128], link[256];
	const char *driver = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", x->d->name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n > 0) {
		link[n] = '\0';
		driver = strrchr(link, '/');
		driver = driver != NULL ? driver + 1 : link;
	}
	if (driver == NULL)
		gt_log(x->log, LOG_ERR,
		       "%s%s has no driver: bind it first (dpdk-devbind.py --bind=vfio-pci %s)",
		       x->where, x->d->name, x->d->name);
	else if (!is_usable_driver(driver))
		gt_log(x->log, LOG_ERR,
		       "%s%s belongs to the kernel's driver %s: bind it to DPDK's first "
		       "(dpdk-devbind.py --bind=vfio-pci %s)",
		       x->where, x->d->name, driver, x->d->name);
	else if (strcmp(driver, "vfio-pci") == 0 && access("/dev/vfio/vfio", R_OK | W_OK) != 0)
		gt_log(x->log, LOG_ERR, "%s/dev/vfio/vfio cannot be opened: %s: run gantry as root",
		       x->where, strerror(errno));
	else
		return 0;
	return -ENODEV;
}

static int prepare_pci(struct context *x)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", x->d->name);
	if (access(path, F_OK) != 0) {
		gt_log(x->log, LOG_ERR,
		       "%sthere is no PCI device %s on this machine (dpdk-devbind.py --status "
		       "shows "
		       "which there are)",
		       x->where, x->d->name);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", x->d->name);
	x->d->node = read_node(path);
	return check_driver(x);
}

/* A buffer must hold a whole frame: a frame in several pieces is not looked at as one. */
static int check_buffer_size(const struct context *x)
{
	char where[GT_WHERE_MAX];

	if (x->config->buffer_size >= x->d->buffer_size_min)
		return 0;
	gt_say_where(x->config, "gantry", &x->config->lines, "buffer_size", where, sizeof(where));
	gt_log(x->log, LOG_ERR,
	       "%s%u holds no frame of interface %s with mtu %u: it needs buffer_size = %u", where,
	       x->config->buffer_size, x->c->name, x->c->mtu, x->d->buffer_size_min);
	return -EINVAL;
}

static int prepare_one(struct context *x)
{
	int rc;

	x->d->pci = strncmp(x->text, "net_", 4) != 0;
	x->d->node = -1;
	x->d->buffer_size_min = HEADROOM_BYTES + LINK_BYTES + x->c->mtu;
	snprintf(x->d->name, sizeof(x->d->name), "%.*s", (int)strcspn(x->text, ","), x->text);
	rc = x->d->pci ? prepare_pci(x) : prepare_virtual(x);
	if (rc == 0)
		rc = check_buffer_size(x);
	return rc;
}

/* What a slave needs is prepared like a device of its own, and added to what the bond needs. */
static int prepare_slave(const struct context *x, const char *text)
{
	struct gt_device d = {.node = -1}, *bond = x->d;
	struct gt_slave *slave = &bond->slaves[bond->n_slaves];
	struct context one = *x;
	int rc;

	one.text = text;
	one.d = &d;
	rc = prepare_one(&one);
	if (rc != 0)
		return rc;
	memcpy(slave->name, d.name, sizeof(d.name));
	memcpy(slave->arguments, d.arguments, sizeof(d.arguments));
	memcpy(slave->interface, d.interface, sizeof(d.interface));
	slave->pci = d.pci;
	bond->pci |= d.pci;
	bond->n_slaves++;
	if (bond->node < 0)
		bond->node = d.node;
	if (d.buffer_size_min > bond->buffer_size_min)
		bond->buffer_size_min = d.buffer_size_min;
	/* Each has queues of its own. */
	bond->buffers_more += d.buffers_more + 2U * GT_DESCRIPTORS * x->config->workers;
	return 0;
}

static int prepare_bond(struct context *x)
{
	struct gt_bond bond;
	const char *wrong;
	int rc = gt_bond_parse(x->text, &bond, &wrong);

	if (rc != 0) { /* the configuration was read, so it cannot be */
		gt_log(x->log, LOG_ERR, "%s%s", x->where, wrong);
		return rc;
	}
	x->d->node = -1;
	x->d->bond_mode = bond.mode;
	snprintf(x->d->name, sizeof(x->d->name), "%.*s", (int)strcspn(x->text, ","), x->text);
	memcpy(x->d->arguments, bond.arguments, sizeof(bond.arguments));
	for (unsigned i = 0; i < bond.n_slaves && rc == 0; i++)
		rc = prepare_slave(x, bond.slaves[i]);
	return rc;
}

int gt_devices_prepare(const struct gt_config *config, const struct gt_log *log,
		       struct gt_device devices[])
{
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct context x = {.config = config,
				    .c = &config->interfaces[i],
				    .text = config->interfaces[i].device,
				    .log = log,
				    .d = &devices[i]};
		int rc;

		memset(&devices[i], 0, sizeof(devices[i]));
		gt_say_where(config, "interface", &x.c->lines, "device", x.where, sizeof(x.where));
		rc = gt_bond_is(x.text) ? prepare_bond(&x) : prepare_one(&x);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- what is changed ---- */

int gt_devices_set_up(const struct gt_config *config, const struct gt_log *log,
		      struct gt_device devices[])
{
	int rc = 0;

	for (size_t i = 0; i < config->n_interfaces && rc == 0; i++) {
		struct gt_device *d = &devices[i];
		const struct gt_config_interface *c = &config->interfaces[i];
		char where[GT_WHERE_MAX];

		gt_say_where(config, "interface", &c->lines, "device", where, sizeof(where));
		rc = gt_netdev_set_up(d->interface, c, where, log, &d->was);
		for (unsigned j = 0; j < d->n_slaves && rc == 0; j++)
			rc = gt_netdev_set_up(d->slaves[j].interface, c, where, log,
					      &d->slaves[j].was);
	}
	return rc;
}

void gt_devices_restore(const struct gt_device devices[], const struct gt_log *log)
{
	for (size_t i = 0; i < GT_INTERFACES_MAX; i++) {
		const struct gt_device *d = &devices[i];

		gt_netdev_restore(d->interface, &d->was, log);
		for (unsigned j = 0; j < d->n_slaves; j++)
			gt_netdev_restore(d->slaves[j].interface, &d->slaves[j].was, log);
	}
}

int gt_devices_node(const struct gt_config *config, const struct gt_device devices[],
		    const struct gt_log *log)
{
	size_t first = 0;

	while (first < config->n_interfaces && devices[first].node < 0)
		first++;
	if (first == config->n_interfaces)
		return -1;
	for (size_t i = first + 1; i < config->n_interfaces; i++)
		if (devices[i].node >= 0 && devices[i].node != devices[first].node)
			gt_log(log, LOG_WARNING,
			       "interfaces %s and %s are on different NUMA nodes (%d, %d): workers "
			       "run on the first one's",
			       config->interfaces[first].name, config->interfaces[i].name,
			       devices[first].node, devices[i].node);
	return devices[first].node;
}
