/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as a typed, validated model: what an INI file says, with every default filled
 * in. Read by inih, typed and checked by one schema table (schema.c), then checked as a whole
 * (validate.c). All errors are collected, each with its line; nothing of a wrong file is used.
 * Immutable once loaded.
 */
#ifndef GT_CONFIG_CONFIG_H
#define GT_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define GT_NAME_MAX    63 /* bytes of a name of an interface, VIP, server, check or node */
#define GT_CPUS_MAX    1024
#define GT_WORKERS_MAX 64

/* How much one file may ask for: the numbers that balance/plan.h can give. */
#define GT_CONFIG_VIPS_MAX     16383
#define GT_CONFIG_SERVERS_MAX  65535
#define GT_CONFIG_SERVICES_MAX 65535
/* A range of ports costs as many services as it has ports up to this, a longer one costs one. */
#define GT_CONFIG_PORTS_EXPANDED_MAX 256

/*
 * Line of each key of a section, in the order of the schema; 0: not written, the default stands.
 * Read by gt_config_line.
 */
#define GT_CONFIG_KEYS_MAX 20
struct gt_config_lines {
	unsigned key[GT_CONFIG_KEYS_MAX];
	uint32_t wrong; /* while loading: bit of each key whose value was refused */
};

enum gt_protocol { GT_PROTO_TCP = 6, GT_PROTO_UDP = 17 };

enum gt_mode { GT_MODE_DR, GT_MODE_SNAT, GT_MODE_NAT, GT_MODE_TUNNEL, GT_MODE_PROXY };
enum gt_policy { GT_POLICY_BALANCE, GT_POLICY_FAILOVER };
enum gt_scheduler {
	GT_SCHED_MAGLEV,
	GT_SCHED_RENDEZVOUS,
	GT_SCHED_LEAST_CONNECTIONS,
	GT_SCHED_ROUND_ROBIN,
};
enum gt_persistence { GT_PERSIST_CONNECTION, GT_PERSIST_SOURCE };
enum gt_on_down { GT_ON_DOWN_BY_MODE, GT_ON_DOWN_RESET, GT_ON_DOWN_SILENT };
enum gt_idle_way { GT_IDLE_POLL, GT_IDLE_SLEEP };
enum gt_encapsulation { GT_ENCAP_IPIP, GT_ENCAP_GRE, GT_ENCAP_GUE };
enum gt_admin { GT_ADMIN_ENABLED, GT_ADMIN_DRAIN, GT_ADMIN_DISABLED };
enum gt_on_reject { GT_ON_REJECT_UP, GT_ON_REJECT_DOWN };
enum gt_via { GT_VIA_SERVER, GT_VIA_VIP };
enum gt_check_type {
	GT_CHECK_NONE, /* only as the built-in `check = none` */
	GT_CHECK_TCP,
	GT_CHECK_DICOM,
	GT_CHECK_HL7,
	GT_CHECK_HTTP,
	GT_CHECK_HTTPS,
	GT_CHECK_ICMP,
	GT_CHECK_EXEC,
};

struct gt_port_range {
	uint16_t first, last; /* host order, inclusive; `any` is 0 to 65535 */
};

struct gt_config_check {
	char name[GT_NAME_MAX + 1];
	unsigned line; /* of the section, here and below */
	struct gt_config_lines lines;
	enum gt_check_type type;
	uint32_t interval_ms, timeout_ms;
	uint32_t rise, fall;
	uint16_t port; /* 0: the server's */
	char calling_aet[17], called_aet[17];
	enum gt_on_reject on_reject;
	enum gt_via via;
	char *message;	   /* path of a file; NULL: the built-in probe */
	char *expect;	   /* as written: comma-separated acknowledgment codes */
	char *path, *host; /* host NULL: none */
	uint16_t expect_status_first, expect_status_last;
	char *expect_body; /* NULL: any */
	bool verify;
	char *ca_file; /* NULL: the system's */
	char *command; /* NULL but for exec */
};

struct gt_config_server {
	char name[GT_NAME_MAX + 1];
	unsigned line;
	struct gt_config_lines lines;
	struct gt_addr address;
	uint16_t port; /* 0: the client's */
	uint16_t weight;
	bool has_mac;
	struct gt_mac mac;
	enum gt_admin state;
	uint8_t interface; /* index of the interface whose subnet holds the address (set by
			    * validation; by gateway where the mode allows it) */
};

struct gt_config_vip {
	char name[GT_NAME_MAX + 1];
	unsigned line;
	struct gt_config_lines lines;
	char interface_name[GT_NAME_MAX + 1];
	uint8_t interface; /* index */
	struct gt_addr address;
	enum gt_protocol protocol;
	struct gt_port_range *ports; /* sorted, disjoint, at least one */
	size_t n_ports;
	enum gt_mode mode;
	enum gt_policy policy;
	enum gt_scheduler scheduler;
	enum gt_persistence persistence;
	char persistence_group[GT_NAME_MAX + 1]; /* empty: the VIP alone */
	bool sticky_failover;
	enum gt_on_down on_down;
	char check[GT_NAME_MAX + 1]; /* name of a check, a built-in type's name, or "none" */
	unsigned check_line;	     /* 0: not written, the default */
	/* That check's section, or its type's with all defaults; NULL: none, and by default none
	 * for what no TCP connection reaches: UDP, and port = any */
	const struct gt_config_check *checked;
	uint32_t idle_timeout_s; /* 0: by state */
	struct gt_addr *snat_addresses;
	size_t n_snat_addresses;
	enum gt_encapsulation encapsulation;
	char fallback[GT_NAME_MAX + 1]; /* empty: none */
	uint32_t slow_start_s;
	bool withdraw;
	struct gt_config_server *servers; /* in file order, at least one */
	size_t n_servers;
};

struct gt_config_interface {
	char name[GT_NAME_MAX + 1];
	unsigned line;
	struct gt_config_lines lines;
	char *device;
	unsigned device_line;
	bool has_mac;
	struct gt_mac mac;
	struct gt_prefix *addresses; /* own addresses with their subnets, at least one */
	size_t n_addresses;
	bool has_gateway4, has_gateway6;
	struct gt_addr gateway4, gateway6;
	uint16_t vlan; /* 0: none */
	uint16_t mtu;
	char *kernel; /* name of the TAP; NULL: no */
};

struct gt_config {
	char *file;	  /* as given */
	uint32_t edition; /* raised by whoever changes it after it was loaded: plans of one edition
			     share what follows from it */
	char name[GT_NAME_MAX + 1]; /* the host's, if not written */
	unsigned line;		    /* of [gantry]; 0: there is none */
	struct gt_config_lines lines;
	uint64_t seed;
	uint16_t workers;
	int main_core;	   /* -1: chosen */
	int *worker_cores; /* NULL: chosen; else as many as workers */
	size_t n_worker_cores;
	enum gt_idle_way idle;
	uint32_t connections; /* per worker */
	char *control;
	char control_group[GT_NAME_MAX + 1]; /* empty: none */
	char *metrics;			     /* "ADDRESS:PORT", IPv6 in brackets; NULL: none */
	bool hugepages;
	uint32_t buffers; /* 0: from queues and rings */
	uint32_t buffer_size;
	char *eal; /* may be empty */
	struct gt_config_interface *interfaces;
	size_t n_interfaces;
	struct gt_config_vip *vips;
	size_t n_vips;
	struct gt_config_check *checks;
	size_t n_checks;
	struct gt_config_check builtin_checks[GT_CHECK_EXEC]; /* by type, from GT_CHECK_TCP on */
};

/* Messages about a file, in the order of their lines. */
struct gt_config_messages {
	struct gt_config_message {
		unsigned line; /* 0: about the file as a whole */
		bool warning;  /* told, but the file stands */
		char *text;
	} * list;
	size_t n, n_errors;
	size_t n_untold; /* errors beyond GT_CONFIG_MESSAGES_MAX: counted, not kept */
	bool no_memory;	 /* one at least is missing here */
};

/* A file with more errors than this is not a configuration: the rest is only counted. */
#define GT_CONFIG_MESSAGES_MAX 10000

/*
 * Reads and validates a file, or `len` bytes that stand for it (`file` then only names them in
 * messages). On success *out is a config to be freed with gt_config_free, and `messages` may hold
 * warnings. -EINVAL: the configuration is wrong and messages->n_errors > 0; -errno of opening or
 * reading (also then with a message), -ENOMEM. *out is NULL on every error. Messages are always to
 * be freed. Any caller.
 */
int gt_config_load(const char *file, struct gt_config **out, struct gt_config_messages *messages);
int gt_config_parse(const char *file, const char *text, size_t len, struct gt_config **out,
		    struct gt_config_messages *messages);
void gt_config_free(struct gt_config *config);
void gt_config_messages_free(struct gt_config_messages *messages);

/* Writes the reference page of all keys (docs/configuration.md) from the schema table. Any caller.
 */
struct gt_config_writer {
	void (*write)(void *ctx, const char *text, size_t len);
	void *ctx;
};
void gt_config_reference(const struct gt_config_writer *w);

/*
 * What is asked for by a valid configuration and is not in this version: errors where the
 * traffic would be treated otherwise than written, warnings where it would only be watched less.
 * For `check` and `run`; replay takes errors only. Returns 0 or -EINVAL. Appends to messages. Any
 * caller.
 */
int gt_config_unsupported(const struct gt_config *config, struct gt_config_messages *messages);

/*
 * Line of a key, by a section's kind ("vip"), its lines and the key's name; 0: not written. For
 * what only the application can tell to be wrong: an absent device, a core that the machine lacks.
 * Any caller.
 */
unsigned gt_config_line(const char *section, const struct gt_config_lines *lines, const char *key);

/* Names of enumeration values as the file writes them ("dr", "maglev", "enabled"). Any caller. */
const char *gt_mode_name(enum gt_mode mode);
const char *gt_scheduler_name(enum gt_scheduler scheduler);
const char *gt_admin_name(enum gt_admin state);
const char *gt_protocol_name(enum gt_protocol protocol);
const char *gt_policy_name(enum gt_policy policy);
const char *gt_persistence_name(enum gt_persistence persistence);
const char *gt_check_type_name(enum gt_check_type type);
/* How many ports a VIP has. Any caller. */
uint32_t gt_ports_count(const struct gt_config_vip *vip);
/* "104, 11112", "5000-5010" or "any", cut to fit. Returns buf. */
char *gt_ports_format(const struct gt_config_vip *vip, char *buf, size_t size);

#endif
