/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of all sections and keys, and how to find one's way in it; see schema.h. */
#include "config/schema.h"

#include <assert.h>
#include <string.h>

#include "base/frame.h"

#define OFFSET(s, m) ((uint16_t)offsetof(struct gt_config##s, m))
#define FIELD(s, m)  .offset = OFFSET(s, m), .size = (uint16_t)sizeof(((struct gt_config##s *)0)->m)
#define ALONE	     .extra = GT_NO_OFFSET
#define WITH(s, m)   .extra = OFFSET(s, m)
#define BIT(value)   (1U << (value))

const struct gt_schema_value gt_schema_idles[] = {
	{"poll", GT_IDLE_POLL}, {"sleep", GT_IDLE_SLEEP}, {0}};
const struct gt_schema_value gt_schema_protocols[] = {
	{"tcp", GT_PROTO_TCP}, {"udp", GT_PROTO_UDP}, {0}};
const struct gt_schema_value gt_schema_modes[] = {
	{"dr", GT_MODE_DR},	    {"snat", GT_MODE_SNAT},   {"nat", GT_MODE_NAT},
	{"tunnel", GT_MODE_TUNNEL}, {"proxy", GT_MODE_PROXY}, {0}};
const struct gt_schema_value gt_schema_policies[] = {
	{"balance", GT_POLICY_BALANCE}, {"failover", GT_POLICY_FAILOVER}, {0}};
const struct gt_schema_value gt_schema_schedulers[] = {
	{"maglev", GT_SCHED_MAGLEV},
	{"rendezvous", GT_SCHED_RENDEZVOUS},
	{"least-connections", GT_SCHED_LEAST_CONNECTIONS},
	{"round-robin", GT_SCHED_ROUND_ROBIN},
	{0}};
const struct gt_schema_value gt_schema_persistences[] = {
	{"connection", GT_PERSIST_CONNECTION}, {"source", GT_PERSIST_SOURCE}, {0}};
const struct gt_schema_value gt_schema_on_downs[] = {
	{"reset", GT_ON_DOWN_RESET}, {"silent", GT_ON_DOWN_SILENT}, {0}};
const struct gt_schema_value gt_schema_encapsulations[] = {
	{"ipip", GT_ENCAP_IPIP}, {"gre", GT_ENCAP_GRE}, {"gue", GT_ENCAP_GUE}, {0}};
const struct gt_schema_value gt_schema_admins[] = {{"enabled", GT_ADMIN_ENABLED},
						   {"drain", GT_ADMIN_DRAIN},
						   {"disabled", GT_ADMIN_DISABLED},
						   {0}};
const struct gt_schema_value gt_schema_check_types[] = {
	{"tcp", GT_CHECK_TCP},	   {"dicom", GT_CHECK_DICOM},
	{"hl7", GT_CHECK_HL7},	   {"http", GT_CHECK_HTTP},
	{"https", GT_CHECK_HTTPS}, {"icmp", GT_CHECK_ICMP},
	{"exec", GT_CHECK_EXEC},   {0}};
const struct gt_schema_value gt_schema_on_rejects[] = {
	{"up", GT_ON_REJECT_UP}, {"down", GT_ON_REJECT_DOWN}, {0}};
const struct gt_schema_value gt_schema_vias[] = {
	{"server", GT_VIA_SERVER}, {"vip", GT_VIA_VIP}, {0}};

static const struct gt_schema_key gantry_keys[] = {
	{"name", GT_TYPE_NAME, FIELD(, name), ALONE, .def_help = "host name", .example = "lb1",
	 .help = "How this node calls itself in its answers and its log."},
	{"seed", GT_TYPE_SEED, FIELD(, seed), ALONE, .def = "0", .example = "0x1f2e3d4c5b6a7988",
	 .help = "Nodes with the same seed, VIPs and server health choose the same server for a "
		 "connection. A secret number keeps clients from choosing their server."},
	{"workers", GT_TYPE_NUMBER, FIELD(, workers), ALONE, .def = "1", .min = 1,
	 .max = GT_WORKERS_MAX, .unit = "cores", .example = "1", .settled = true,
	 .help = "Cores that poll and forward. They are taken on the NUMA node of the NICs."},
	{"main_core", GT_TYPE_CORE, FIELD(, main_core), ALONE, .def_help = "chosen",
	 .max = GT_CPUS_MAX - 1, .example = "1", .settled = true,
	 .help = "The core that manages: neighbours, checks, control socket."},
	{"worker_cores", GT_TYPE_CORES, FIELD(, worker_cores), WITH(, n_worker_cores), .list = true,
	 .def_help = "chosen", .max = GT_CPUS_MAX, .example = "2-5", .settled = true,
	 .help = "The workers' cores, as many as `workers`, each once: `2, 4` or `2-5`."},
	{"idle", GT_TYPE_ENUM, FIELD(, idle), ALONE, .values = gt_schema_idles, .def = "poll",
	 .example = "sleep", .settled = true,
	 .help = "What a worker does while no frames come: `poll` goes on asking the devices, with "
		 "all of its core; `sleep` waits to be woken, and the first frame is up to 100 us "
		 "later. A worker that shares its CPU sleeps in any case."},
	{"connections", GT_TYPE_NUMBER, FIELD(, connections), ALONE, .def = "1000000", .min = 1,
	 .max = 500000000, .unit = "connections", .example = "1000000", .settled = true,
	 .help = "Capacity of the connection table of each worker. When it is full, service goes "
		 "on without new entries."},
	{"control", GT_TYPE_PATH, FIELD(, control), ALONE, .def = "/run/gantry/gantry.sock",
	 .max = 107, .example = "/run/gantry/gantry.sock", .settled = true,
	 .help = "The socket on which `gantryctl` asks. Two nodes on one machine need two."},
	{"control_group", GT_TYPE_NAME, FIELD(, control_group), ALONE, .def_help = "none",
	 .example = "gantry", .settled = true,
	 .help = "A group of this host whose members may ask and command, too. Else root alone "
		 "and who runs gantry."},
	{"metrics", GT_TYPE_LISTEN, FIELD(, metrics), ALONE, .def = "no",
	 .example = "127.0.0.1:9464", .settled = true,
	 .help = "Address and port where Prometheus gets `/metrics` by HTTP. `no`: none; "
		 "`gantryctl metrics` prints the same."},
	{"hugepages", GT_TYPE_YES_NO, FIELD(, hugepages), ALONE, .def = "yes", .example = "yes",
	 .settled = true,
	 .help = "`no` runs on ordinary memory: slower, and for devices without DMA only."},
	{"buffers", GT_TYPE_NUMBER, FIELD(, buffers), ALONE, .def_help = "from queues and rings",
	 .min = 512, .max = 1U << 26, .unit = "buffers", .example = "65536", .settled = true,
	 .help = "Packet buffers of each NUMA node's pool."},
	{"buffer_size", GT_TYPE_NUMBER, FIELD(, buffer_size), ALONE, .def = "2176", .min = 256,
	 .max = 65535, .unit = "bytes", .example = "2176", .settled = true,
	 .help = "Bytes of each packet buffer, 128 bytes of headroom included."},
	{"eal", GT_TYPE_TEXT, FIELD(, eal), ALONE, .may_be_empty = true, .def = "",
	 .example = "--log-level=lib.eal:debug", .settled = true,
	 .help = "Extra arguments for DPDK's EAL, for experts."},
	{0}};

static const struct gt_schema_key interface_keys[] = {
	{"device", GT_TYPE_DEVICE, FIELD(_interface, device), ALONE, .required = true,
	 .example = "0000:3b:00.0", .settled = true,
	 .help = "A PCI address, or a DPDK virtual device with its arguments such as "
		 "`net_af_packet0,iface=eth1`, or a bond of several: "
		 "`net_bonding0,mode=4,slave=0000:3b:00.0,slave=(net_af_packet0,iface=eth1)` with "
		 "`mode` 4 (LACP), 1 (active-backup) or 2 (balance, without LACP), and brackets "
		 "around a slave's arguments. `gantry replay` ignores it."},
	{"mac", GT_TYPE_MAC, FIELD(_interface, mac), WITH(_interface, has_mac),
	 .def_help = "the device's", .example = "02:00:00:00:00:01", .settled = true,
	 .help = "This interface's MAC. `gantry replay` uses `02:00:00:00:00:01` if none is "
		 "written."},
	{"address", GT_TYPE_PREFIX, FIELD(_interface, addresses), WITH(_interface, n_addresses),
	 .required = true, .list = true, .max = 32, .example = "192.0.2.2/24, 2001:db8::2/64",
	 .help = "Own addresses, each with the length of its prefix. The prefixes say which "
		 "servers this interface reaches without a gateway."},
	{"gateway", GT_TYPE_GATEWAY, FIELD(_interface, gateway4), ALONE, .list = true, .max = 2,
	 .def_help = "none", .example = "192.0.2.1",
	 .help = "Next hops outside the own subnets: at most one of each family."},
	{"vlan", GT_TYPE_NUMBER, FIELD(_interface, vlan), ALONE, .def_help = "none", .min = 1,
	 .max = 4094, .unit = "802.1Q tag", .example = "100", .settled = true,
	 .help = "The tag that all frames of this interface carry."},
	{"mtu", GT_TYPE_NUMBER, FIELD(_interface, mtu), ALONE, .def = "1500", .min = 576,
	 .max = 9216, .unit = "bytes", .example = "1500", .settled = true,
	 .help = "Longest IP packet. At least 1280 with an IPv6 address (RFC 8200)."},
	{"kernel", GT_TYPE_TAP, FIELD(_interface, kernel), ALONE, .def = "no", .max = 15,
	 .example = "gantry0", .settled = true,
	 .help = "Name of a TAP through which the host's kernel uses this interface: health "
		 "checks, SSH, HAProxy, BGP, VRRP. `no`: none."},
	{0}};

static const struct gt_schema_key vip_keys[] = {
	{"interface", GT_TYPE_NAME, FIELD(_vip, interface_name), ALONE, .required = true,
	 .example = "lan", .help = "Name of the interface at which clients arrive."},
	{"address", GT_TYPE_ADDRESS, FIELD(_vip, address), ALONE, .required = true,
	 .example = "192.0.2.100",
	 .help = "The address that clients connect to. It need not lie in a subnet of the "
		 "interface: a router may send it here."},
	{"protocol", GT_TYPE_ENUM, FIELD(_vip, protocol), ALONE, .def = "tcp",
	 .values = gt_schema_protocols, .example = "tcp",
	 .help = "For both, write two VIPs with the same address."},
	{"port", GT_TYPE_PORTS, FIELD(_vip, ports), WITH(_vip, n_ports), .required = true,
	 .list = true, .max = 1024, .example = "104",
	 .help = "One port, a list `104, 11112`, a range `5000-5010`, or `any`."},
	{"mode", GT_TYPE_ENUM, FIELD(_vip, mode), ALONE, .def = "dr", .values = gt_schema_modes,
	 .example = "dr", .later = "proxy is not in this version; write dr, nat, snat or tunnel",
	 .help = "How a frame gets to the server. `dr`: only MACs change, the server holds the "
		 "VIP's address and answers the client itself. `nat`: the server's address and "
		 "port instead of the VIP's. `snat`: and the source becomes gantry's. `tunnel`: "
		 "wrapped for the server, which may be behind routers. `proxy`: layer 7, by "
		 "HAProxy."},
	{"policy", GT_TYPE_ENUM, FIELD(_vip, policy), ALONE, .def = "balance",
	 .values = gt_schema_policies, .example = "balance",
	 .help = "`balance` over all servers, or `failover`: the first healthy one in the file's "
		 "order takes everything."},
	{"scheduler", GT_TYPE_ENUM, FIELD(_vip, scheduler), ALONE, .def = "maglev",
	 .values = gt_schema_schedulers, .example = "maglev",
	 .help = "Who gets a new connection. Each honours weights. `maglev` and `rendezvous` go by "
		 "a "
		 "hash, the same on every node; `round-robin` and `least-connections` by what this "
		 "node did before. docs/schedulers.md says which one when."},
	{"persistence", GT_TYPE_ENUM, FIELD(_vip, persistence), ALONE, .def = "connection",
	 .values = gt_schema_persistences, .example = "source",
	 .help = "`connection`: each connection is scheduled for itself. `source`: a client "
		 "address always meets the same server."},
	{"persistence_group", GT_TYPE_NAME, FIELD(_vip, persistence_group), ALONE,
	 .def_help = "the VIP alone", .when = "persistence", .when_values = BIT(GT_PERSIST_SOURCE),
	 .when_error = true, .example = "pacs",
	 .help = "VIPs of one group send a client address to the server of the same name, and to "
		 "one that takes new connections in all of them."},
	{"sticky_failover", GT_TYPE_YES_NO, FIELD(_vip, sticky_failover), ALONE, .def = "no",
	 .when = "policy", .when_values = BIT(GT_POLICY_FAILOVER), .example = "yes",
	 .help = "A recovered server gets nothing back until the present one fails, or an operator "
		 "drains or disables that: for HL7 feeds, whose order matters."},
	{"on_down", GT_TYPE_ENUM, FIELD(_vip, on_down), ALONE, .def_help = "by mode",
	 .values = gt_schema_on_downs, .when = "protocol", .when_values = BIT(GT_PROTO_TCP),
	 .example = "silent",
	 .help = "`reset` answers the next packet of a dead server's client by a TCP reset, "
		 "`silent` moves the connection to another server. By mode: `reset` for `nat` and "
		 "`snat`, else `silent`."},
	{"check", GT_TYPE_NAME, FIELD(_vip, check), ALONE, .def = "tcp", .example = "none",
	 .help = "Name of a `[check NAME]`; or a built-in type with its defaults (`tcp`, `dicom`, "
		 "`hl7`, `http`, `https`, `icmp`); or `none`, which is the default with "
		 "`protocol = udp` and `port = any`, for no TCP connection reaches those."},
	{"idle_timeout", GT_TYPE_SECONDS, FIELD(_vip, idle_timeout_s), ALONE,
	 .def_help = "TCP `2h` and 4 minutes, UDP `3m`", .min = 1000, .max = 30U * 24 * 3600 * 1000,
	 .example = "12h",
	 .help = "How long a silent established connection is remembered. HL7 feeds may rest for a "
		 "night."},
	{"snat_address", GT_TYPE_ADDRESS, FIELD(_vip, snat_addresses), WITH(_vip, n_snat_addresses),
	 .list = true, .max = 64, .def_help = "interface address", .when = "mode",
	 .when_values = BIT(GT_MODE_SNAT), .example = "192.0.2.10",
	 .help = "Source addresses that `snat` uses, each in a subnet of an interface."},
	{"encapsulation", GT_TYPE_ENUM, FIELD(_vip, encapsulation), ALONE, .def = "ipip",
	 .values = gt_schema_encapsulations, .when = "mode", .when_values = BIT(GT_MODE_TUNNEL),
	 .example = "ipip",
	 .help = "What `tunnel` wraps packets in: IP alone, GRE, or UDP (GUE, port 6080). Each "
		 "costs "
		 "bytes of the MTU: modes.md has the table."},
	{"fallback", GT_TYPE_NAME, FIELD(_vip, fallback), ALONE, .def_help = "none",
	 .example = "archive",
	 .help = "Name of one of the VIP's servers: it takes over while no other is healthy, and "
		 "gets nothing until then."},
	{"slow_start", GT_TYPE_SECONDS, FIELD(_vip, slow_start_s), ALONE, .def = "0s",
	 .max = 3600U * 1000, .when = "policy", .when_values = BIT(GT_POLICY_BALANCE),
	 .example = "30s",
	 .help = "A server that came up, or that an operator enabled, grows to its weight over "
		 "this "
		 "time, in steps. `0s`: at once."},
	{"withdraw", GT_TYPE_YES_NO, FIELD(_vip, withdraw), ALONE, .def = "no", .example = "yes",
	 .help = "While all servers are down or disabled, the VIP's address is not announced and "
		 "not "
		 "answered for by ARP and NDP, unless another VIP of this address has a server. "
		 "It never answers ping then."},
	{0}};

static const struct gt_schema_key server_keys[] = {
	{"address", GT_TYPE_ADDRESS, FIELD(_server, address), ALONE, .required = true,
	 .example = "192.0.2.11",
	 .help = "The server's own address, of the VIP's family (`snat` and `tunnel` may cross "
		 "families). With "
		 "`dr` it lies in a subnet of an interface."},
	{"port", GT_TYPE_PORT, FIELD(_server, port), ALONE, .def_help = "the client's", .min = 1,
	 .max = 65535, .example = "11112",
	 .help = "For `snat`, `nat` and `proxy`. `dr` and `tunnel` cannot change a port: it must "
		 "be the VIP's there."},
	{"weight", GT_TYPE_NUMBER, FIELD(_server, weight), ALONE, .def = "100", .max = 65535,
	 .example = "100",
	 .help = "Share of new connections, relative to the others; 0 takes none."},
	{"mac", GT_TYPE_MAC, FIELD(_server, mac), WITH(_server, has_mac), .def_help = "resolved",
	 .example = "02:00:00:00:00:11",
	 .help = "A static neighbour entry, instead of asking by ARP or NDP."},
	{"state", GT_TYPE_ENUM, FIELD(_server, state), ALONE, .def = "enabled",
	 .values = gt_schema_admins, .example = "enabled",
	 .help = "`drain` keeps its connections and takes no new ones, `disabled` has none."},
	{0}};

#define ONLY(types) .when = "type", .when_values = (types), .when_error = true
#define WEB	    (BIT(GT_CHECK_HTTP) | BIT(GT_CHECK_HTTPS))

static const struct gt_schema_key check_keys[] = {
	{"type", GT_TYPE_ENUM, FIELD(_check, type), ALONE, .required = true,
	 .values = gt_schema_check_types, .example = "dicom",
	 .help = "`tcp` connects; `dicom` does a C-ECHO; `hl7` sends a message by MLLP; `http` and "
		 "`https` get a page; `icmp` pings; `exec` runs a program."},
	{"interval", GT_TYPE_MILLISECONDS, FIELD(_check, interval_ms), ALONE, .def = "2s",
	 .min = 100, .max = 3600000, .example = "2s",
	 .help = "Between the starts of two checks of a server."},
	{"timeout", GT_TYPE_MILLISECONDS, FIELD(_check, timeout_ms), ALONE, .def = "1s", .min = 10,
	 .max = 3600000, .example = "1s", .help = "Until a check has failed; at most `interval`."},
	{"rise", GT_TYPE_NUMBER, FIELD(_check, rise), ALONE, .def = "2", .min = 1, .max = 1000,
	 .unit = "results in a row", .example = "2", .help = "Successes that turn a server up."},
	{"fall", GT_TYPE_NUMBER, FIELD(_check, fall), ALONE, .def = "3", .min = 1, .max = 1000,
	 .unit = "results in a row", .example = "3", .help = "Failures that turn a server down."},
	{"port", GT_TYPE_PORT, FIELD(_check, port), ALONE, .def_help = "the server's", .min = 1,
	 .max = 65535, .example = "11112", ONLY(~BIT(GT_CHECK_ICMP)),
	 .help = "Where to connect, if not to the port that clients use. A program gets it as "
		 "GANTRY_PORT."},
	{"calling_aet", GT_TYPE_AE_TITLE, FIELD(_check, calling_aet), ALONE, .def = "GANTRY",
	 .max = 16, .example = "GANTRY", ONLY(BIT(GT_CHECK_DICOM)),
	 .help = "The AE title by which gantry calls."},
	{"called_aet", GT_TYPE_AE_TITLE, FIELD(_check, called_aet), ALONE, .def = "ANY-SCP",
	 .max = 16, .example = "PACS1", ONLY(BIT(GT_CHECK_DICOM)),
	 .help = "The AE title that it asks for."},
	{"on_reject", GT_TYPE_ENUM, FIELD(_check, on_reject), ALONE, .def = "down",
	 .values = gt_schema_on_rejects, .example = "up", ONLY(BIT(GT_CHECK_DICOM)),
	 .help = "Whether a server that rejects the association counts as healthy: it lives, but "
		 "knows one of the AE titles not, or has no room for one more association."},
	{"message", GT_TYPE_TEXT, FIELD(_check, message), ALONE, .def_help = "a built-in probe",
	 .example = "/etc/gantry/probe.hl7", ONLY(BIT(GT_CHECK_HL7)),
	 .help = "A file with the message to send, without its MLLP frame. Each check puts a "
		 "control "
		 "ID of its own into MSH-10; all else is sent as it stands."},
	{"expect", GT_TYPE_ACKS, FIELD(_check, expect), ALONE, .def = "AA, CA", .example = "AA, CA",
	 ONLY(BIT(GT_CHECK_HL7)), .help = "Acknowledgment codes that count as healthy."},
	{"path", GT_TYPE_URL_PATH, FIELD(_check, path), ALONE, .def = "/", .example = "/health",
	 ONLY(WEB), .help = "What to get."},
	{"host", GT_TYPE_HOST, FIELD(_check, host), ALONE, .def_help = "none",
	 .example = "pacs.example.org", ONLY(WEB),
	 .help = "The Host header. With `https` the name that the server is told (SNI) and that "
		 "its certificate must be for."},
	{"expect_status", GT_TYPE_STATUS, FIELD(_check, expect_status_first),
	 WITH(_check, expect_status_last), .def = "200-399", .min = 100, .max = 599,
	 .example = "200-399", ONLY(WEB),
	 .help = "The status, or range of it, that counts as healthy."},
	{"expect_body", GT_TYPE_TEXT, FIELD(_check, expect_body), ALONE, .def_help = "none",
	 .example = "\"status\":\"UP\"", ONLY(WEB),
	 .help = "Text that the first 64 KiB of the page hold."},
	{"verify", GT_TYPE_YES_NO, FIELD(_check, verify), ALONE, .def = "yes", .example = "yes",
	 ONLY(BIT(GT_CHECK_HTTPS)),
	 .help = "Whether the server's certificate must be valid, and for `host` if that is "
		 "written, else for the server's address. `no` takes any. TLS 1.2 or later it is "
		 "in any case."},
	{"ca_file", GT_TYPE_TEXT, FIELD(_check, ca_file), ALONE, .def_help = "the system's",
	 .example = "/etc/gantry/hospital-ca.pem", ONLY(BIT(GT_CHECK_HTTPS)),
	 .help = "Certificates, as PEM, of the authorities that may have signed the server's."},
	{"via", GT_TYPE_ENUM, FIELD(_check, via), ALONE, .def = "server", .values = gt_schema_vias,
	 .example = "vip", ONLY(~(BIT(GT_CHECK_EXEC) | BIT(GT_CHECK_ICMP))),
	 .help = "`server` checks the server's own address. `vip`, for VIPs with `mode = dr`, "
		 "sends "
		 "to the VIP's address by the server's MAC, and so finds a server that lost the "
		 "VIP "
		 "from its loopback; the interface needs `kernel`."},
	{"command", GT_TYPE_TEXT, FIELD(_check, command), ALONE, .def_help = "none",
	 .example = "/usr/local/bin/check-pacs --fast", ONLY(BIT(GT_CHECK_EXEC)),
	 .help = "Program and arguments; exit 0 is healthy, and the last line on stderr is the "
		 "reason. Words are split as by a shell, with '...', \"...\" and \\, but there is "
		 "none: no variables, patterns, pipes. It gets GANTRY_VIP, GANTRY_SERVER, "
		 "GANTRY_ADDRESS, GANTRY_PORT (empty if there is none) and a plain PATH. At the "
		 "timeout it is killed with all its children. At most 32 run at once. Required "
		 "with `type = exec`."},
	{0}};

#define SECTION(s)                                                                                 \
	.size = sizeof(struct gt_config##s), .lines = offsetof(struct gt_config##s, lines)

const struct gt_schema_section gt_schema[GT_SECTIONS] = {
	[GT_SECTION_GANTRY] = {"gantry", "[gantry]", "The node. May be left out.", SECTION(), 1,
			       gantry_keys},
	[GT_SECTION_INTERFACE] = {"interface", "[interface NAME]",
				  "One NIC port that gantry owns. At least one.",
				  SECTION(_interface), GT_INTERFACES_MAX, interface_keys},
	[GT_SECTION_VIP] = {"vip", "[vip NAME]",
			    "A virtual service: an address, a protocol and the ports that clients "
			    "connect to.",
			    SECTION(_vip), GT_CONFIG_VIPS_MAX, vip_keys},
	[GT_SECTION_SERVER] =
		{"server", "[server VIP/NAME]",
		 "One machine behind a VIP. Each VIP has at least one; a machine behind two VIPs "
		 "has two sections.",
		 SECTION(_server), GT_CONFIG_SERVERS_MAX, server_keys},
	[GT_SECTION_CHECK] = {"check", "[check NAME]",
			      "A way to find out whether a server is healthy; VIPs name it.",
			      SECTION(_check), 1024, check_keys},
};

bool gt_schema_is_text(enum gt_type type)
{
	switch (type) {
	case GT_TYPE_TEXT:
	case GT_TYPE_PATH:
	case GT_TYPE_DEVICE:
	case GT_TYPE_TAP:
	case GT_TYPE_ACKS:
	case GT_TYPE_URL_PATH:
	case GT_TYPE_HOST:
	case GT_TYPE_LISTEN:
		return true;
	default:
		return false;
	}
}

const char *gt_schema_value_name(const struct gt_schema_value *values, int value)
{
	for (; values->name != NULL; values++)
		if (values->value == value)
			return values->name;
	return "?";
}

const struct gt_schema_section *gt_schema_find_section(const char *name)
{
	for (size_t i = 0; i < GT_SECTIONS; i++)
		if (strcmp(gt_schema[i].name, name) == 0)
			return &gt_schema[i];
	return NULL;
}

const struct gt_schema_key *gt_schema_find_key(const struct gt_schema_section *s, const char *name)
{
	for (const struct gt_schema_key *k = s->keys; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const struct gt_schema_key *gt_schema_key_at(const struct gt_schema_section *s, size_t offset)
{
	const struct gt_schema_key *k = s->keys;

	while (k->offset != offset) {
		k++;
		assert(k->name != NULL);
	}
	return k;
}

unsigned gt_schema_line(const struct gt_schema_section *s, size_t offset,
			const struct gt_config_lines *lines, unsigned section_line)
{
	unsigned line = lines->key[gt_schema_key_at(s, offset) - s->keys];

	return line != 0 ? line : section_line;
}

bool gt_schema_stands(const struct gt_schema_section *s, size_t offset,
		      const struct gt_config_lines *lines)
{
	const struct gt_schema_key *k = gt_schema_key_at(s, offset);
	size_t i = (size_t)(k - s->keys);

	if (lines->wrong >> i & 1)
		return false;
	return lines->key[i] != 0 || !k->required;
}

unsigned gt_config_line(const char *section, const struct gt_config_lines *lines, const char *key)
{
	const struct gt_schema_section *s = gt_schema_find_section(section);
	const struct gt_schema_key *k = s == NULL ? NULL : gt_schema_find_key(s, key);

	assert(k != NULL);
	return lines->key[k - s->keys];
}

const char *gt_mode_name(enum gt_mode mode)
{
	return gt_schema_value_name(gt_schema_modes, (int)mode);
}

const char *gt_scheduler_name(enum gt_scheduler scheduler)
{
	return gt_schema_value_name(gt_schema_schedulers, (int)scheduler);
}

const char *gt_admin_name(enum gt_admin state)
{
	return gt_schema_value_name(gt_schema_admins, (int)state);
}

const char *gt_protocol_name(enum gt_protocol protocol)
{
	return gt_schema_value_name(gt_schema_protocols, (int)protocol);
}

const char *gt_policy_name(enum gt_policy policy)
{
	return gt_schema_value_name(gt_schema_policies, (int)policy);
}

const char *gt_persistence_name(enum gt_persistence persistence)
{
	return gt_schema_value_name(gt_schema_persistences, (int)persistence);
}

const char *gt_check_type_name(enum gt_check_type type)
{
	return type == GT_CHECK_NONE ? "none"
				     : gt_schema_value_name(gt_schema_check_types, (int)type);
}
