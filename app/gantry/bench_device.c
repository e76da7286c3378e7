/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports of `gantry bench`'s loops; see bench_device.h. */
#include "bench_device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_tcp.h>

#include "base/toeplitz.h"
#include "pcap_file.h"

/* Small ones, as each frame of a file stays in one: a million take half a GB. They hold these
 * frames behind the headroom, and so the interface's MTU is less than that of any real one. */
#define BUFFER_BYTES 384
#define MTU	     200

/* ---- the configuration ---- */

static void make_text(struct gt_bench_device *d, unsigned i, bool of_vip)
{
	unsigned id = d->number * GT_INTERFACES_MAX + i;
	size_t size = sizeof(d->text[i]), used;

	if (!of_vip) {
		snprintf(d->text[i], size, "net_null%u,no-rx=1", id);
		return;
	}
	used = (size_t)snprintf(d->text[i], size, "net_pcap%u,infinite_rx=1", id);
	for (unsigned q = 0; q < d->n_queues; q++)
		used += (size_t)snprintf(d->text[i] + used, size - used,
					 ",rx_pcap=/proc/self/fd/%d", d->files[q]);
}

/* Servers may be behind other interfaces: those bring no frame. */
static void make_config(struct gt_bench_device *d, const struct gt_config *config,
			const struct gt_bench_wire *wire)
{
	d->number = wire->number;
	d->n_queues = wire->n_queues;
	d->config = *config;
	d->vip = *wire->vip;
	d->config.vips = &d->vip;
	d->config.n_vips = 1;
	d->config.interfaces = d->interfaces;
	d->config.workers = (uint16_t)d->n_queues;
	d->config.connections = wire->room;
	d->config.idle = GT_IDLE_POLL;
	d->config.buffer_size = BUFFER_BYTES;
	for (unsigned i = 0; i < config->n_interfaces; i++) {
		d->interfaces[i] = config->interfaces[i];
		/* The device keeps its MAC: it takes all frames, and the plan says whose they are.
		 */
		d->interfaces[i].has_mac = false;
		d->interfaces[i].mtu = MTU;
		d->interfaces[i].kernel = NULL;
		make_text(d, i, i == wire->vip->interface);
		d->interfaces[i].device = d->text[i];
	}
}

/* As much as `gantry run` would, and a buffer for each frame of the files. */
static void plan_buffers(struct gt_bench_device *d, uint32_t n_frames, struct gt_budget *budget)
{
	d->config.buffers = 0;
	gt_budget_plan(&d->config, d->devices, budget);
	d->config.buffers = budget->buffers_held + n_frames;
	gt_budget_plan(&d->config, d->devices, budget);
}

/* Of all queues together. */
static uint32_t count_frames(const struct gt_bench_wire *wire)
{
	return wire->n_flows * (wire->twice ? 2 : 1);
}

uint64_t gt_bench_device_bytes(const struct gt_bench *b, const struct gt_bench_wire *wire)
{
	static struct gt_bench_device d;
	uint64_t a_queue = count_frames(wire) / wire->n_queues;
	struct gt_budget budget;

	make_config(&d, b->config, wire);
	plan_buffers(&d, count_frames(wire), &budget);
	if (wire->n_queues > 1)
		a_queue = a_queue * 9 / 8;
	/* The driver keeps a file's frames in a ring: a power of two of pointers. */
	return budget.total_bytes + wire->n_queues * sizeof(void *) * rte_align64pow2(a_queue + 1);
}

/* ---- the files ---- */

static bool write_frame(FILE *f, const struct gt_frame *frame)
{
	struct gt_pcap_record record = {.len = frame->len, .wire_len = frame->len};

	return fwrite(&record, sizeof(record), 1, f) == 1 &&
	       fwrite(frame->data, frame->len, 1, f) == 1;
}

static bool write_request(struct gt_bench_device *d, FILE *files[], struct gt_traffic *t,
			  uint32_t flow)
{
	uint8_t entry = gt_toeplitz_entry(gt_traffic_rss(t, flow));
	uint16_t q = gt_toeplitz_worker(entry, (uint16_t)d->n_queues);

	gt_traffic_request(t, 0, flow, RTE_TCP_ACK_FLAG);
	d->n_frames[q]++;
	return write_frame(files[q], &t->frames[0]);
}

/* A connection's second frame. */
static bool write_second(struct gt_bench_device *d, FILE *files[], struct gt_traffic *t,
			 uint32_t flow)
{
	if (t->flows == NULL)
		return write_request(d, files, t, flow);
	gt_traffic_reply(t, 0, flow);
	d->n_frames[0]++;
	return write_frame(files[0], &t->frames[0]);
}

/* So many connections, one of which is not next to the one before. A step that has no divisor in
 * common with their number meets each once. */
static bool write_frames(struct gt_bench_device *d, FILE *files[], struct gt_traffic *t,
			 const struct gt_bench_wire *wire)
{
	uint64_t n = wire->n_flows, step = n % 7919 != 0 ? 7919 : 7907;
	bool good = true;

	for (uint64_t i = 0; i < n && good; i++) {
		good = write_request(d, files, t, (uint32_t)(i * step % n));
		if (good && wire->twice)
			good = write_second(d, files, t, (uint32_t)((i + n / 2) * step % n));
	}
	return good;
}

static FILE *open_file(struct gt_bench_device *d, unsigned q)
{
	struct gt_pcap_header header = {.magic = GT_PCAP_MAGIC_US,
					.major = GT_PCAP_MAJOR,
					.minor = GT_PCAP_MINOR,
					.snaplen = 65535,
					.link = GT_PCAP_ETHERNET};
	int copy;
	FILE *f;

	d->files[q] = memfd_create("gantry-bench", MFD_CLOEXEC);
	copy = d->files[q] >= 0 ? dup(d->files[q]) : -1;
	f = copy >= 0 ? fdopen(copy, "w") : NULL;
	if (f == NULL && copy >= 0)
		close(copy);
	if (f != NULL)
		fwrite(&header, sizeof(header), 1, f);
	return f;
}

static int write_files(struct gt_bench_device *d, struct gt_traffic *t,
		       const struct gt_bench_wire *wire)
{
	FILE *files[GT_BENCH_QUEUES_MAX] = {NULL};
	bool good = true;
	int error;

	for (unsigned q = 0; q < d->n_queues && good; q++) {
		files[q] = open_file(d, q);
		good = files[q] != NULL;
	}
	good = good && write_frames(d, files, t, wire);
	error = errno;
	for (unsigned q = 0; q < d->n_queues; q++) {
		if (files[q] == NULL || fclose(files[q]) == 0)
			continue;
		error = errno;
		good = false;
	}
	return good ? 0 : -error;
}

static bool make_files(struct gt_bench_device *d, const struct gt_bench_wire *wire,
		       struct gt_traffic *t, char *why, size_t size)
{
	int rc = write_files(d, t, wire);

	if (rc == 0 && d->n_queues > 1 && (d->n_frames[0] == 0 || d->n_frames[1] == 0)) {
		snprintf(why, size, "%" PRIu32 " connections are too few for two workers",
			 wire->n_flows);
		return false;
	}
	if (rc != 0)
		snprintf(why, size, "no file of its frames: %s", strerror(-rc));
	return rc == 0;
}

/* ---- the devices ---- */

struct heard {
	char *why;
	size_t size;
};

/* Only what went wrong is of interest, and it becomes the row's. */
static void hear(void *ctx, int level, const char *text)
{
	const struct heard *h = ctx;

	if (level <= LOG_ERR)
		snprintf(h->why, h->size, "%s", text);
}

static bool create_devices(struct gt_bench_device *d, char *why, size_t size)
{
	for (; d->n_created < d->config.n_interfaces; d->n_created++) {
		const struct gt_device *device = &d->devices[d->n_created];
		const char *arguments = strchr(device->arguments, ',') + 1;
		int rc = rte_eal_hotplug_add("vdev", device->name, arguments);

		if (rc == 0)
			continue;
		snprintf(why, size, "DPDK does not create %s: %s", device->arguments,
			 strerror(-rc));
		return false;
	}
	return true;
}

bool gt_bench_device_open(struct gt_bench_device *d, const struct gt_bench *b,
			  const struct gt_bench_wire *wire, struct gt_traffic *t, char *why,
			  size_t size)
{
	struct heard heard = {why, size};
	const struct gt_log log = {hear, &heard};
	struct gt_budget budget;
	struct gt_port *port;

	memset(d, 0, sizeof(*d));
	d->n_queues = wire->n_queues;
	for (unsigned q = 0; q < GT_BENCH_QUEUES_MAX; q++)
		d->files[q] = -1;
	if (!make_files(d, wire, t, why, size))
		return false;
	make_config(d, b->config, wire);
	if (gt_devices_prepare(&d->config, &log, d->devices) != 0)
		return false;
	plan_buffers(d, count_frames(wire), &budget);
	if (!create_devices(d, why, size))
		return false;
	if (gt_ports_open(&d->ports, &d->config, d->devices, &budget, b->cpus->node, false, &log) !=
	    0)
		return false;
	port = &d->ports.list[wire->vip->interface];
	d->port = port->id;
	port->rss_known = wire->n_queues > 1;
	return true;
}

void gt_bench_device_close(struct gt_bench_device *d)
{
	/* Its log was the opening's. */
	d->ports.log = (struct gt_log){NULL, NULL};
	gt_ports_close(&d->ports);
	while (d->n_created > 0)
		rte_eal_hotplug_remove("vdev", d->devices[--d->n_created].name);
	for (unsigned q = 0; q < d->n_queues; q++)
		if (d->files[q] >= 0)
			close(d->files[q]);
	d->n_queues = 0;
}
