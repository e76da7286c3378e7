/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/config: every class of mistake with its line and a distinctive part of its message, that a
 * mistake is told once, defaults, the whole language of the contract, what this version cannot do,
 * and that a large file loads fast.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "balance/plan.h"
#include "config/config.h"
#include "config_mistakes.h"

/* The model promises that its numbers suffice for a plan. */
_Static_assert(GT_CONFIG_VIPS_MAX == GT_VIPS_MAX - 1, "number 0 of VIPs is never given");
_Static_assert(GT_CONFIG_SERVERS_MAX == GT_SERVERS_MAX - 1, "number 0 of servers is never given");
_Static_assert(GT_CONFIG_SERVICES_MAX == GT_SERVICES_MAX - 1,
	       "number 0 of services is never given");
_Static_assert(GT_CONFIG_PORTS_EXPANDED_MAX == GT_PORTS_EXPANDED_MAX, "ports are counted alike");

static void dump(const struct gt_config_messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		print_message("  %u: %s%s\n", m->list[i].line,
			      m->list[i].warning ? "warning: " : "", m->list[i].text);
}

static bool told(const struct gt_config_messages *m, unsigned line, bool warning, const char *part)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i].line == line && m->list[i].warning == warning &&
		    strstr(m->list[i].text, part) != NULL)
			return true;
	return false;
}

static void parse_mistake_told_once_in_its_line(void **state)
{
	const struct mistake *c = *state;
	struct gt_config_messages m;
	struct gt_config *config;
	size_t len = c->len != 0 ? c->len : strlen(c->text);

	assert_int_equal(gt_config_parse("t.ini", c->text, len, &config, &m), -EINVAL);
	assert_null(config);
	if (!told(&m, c->line, false, c->part) || m.n_errors != 1 + c->more) {
		dump(&m);
		fail_msg("expected line %u '%s' and %u more", c->line, c->part, c->more);
	}
	gt_config_messages_free(&m);
}

/* A valid file with, it may be, warnings. */
static struct gt_config *parse(const char *text, struct gt_config_messages *m)
{
	struct gt_config *config;

	if (gt_config_parse("t.ini", text, strlen(text), &config, m) != 0) {
		dump(m);
		fail_msg("refused");
	}
	return config;
}

static struct gt_config *parse_quietly(const char *text)
{
	struct gt_config_messages m;
	struct gt_config *config = parse(text, &m);

	if (m.n > 0) {
		dump(&m);
		fail_msg("not quiet");
	}
	gt_config_messages_free(&m);
	return config;
}

static void parse_many_mistakes_all_told_in_order(void **state)
{
	static const char text[] = "[gantry]\n"
				   "wrokers = 1\n" /* 2 */
				   "[interface lan]\n"
				   "device = net_null0\n"
				   "address = 192.0.2.2\n" /* 5 */
				   "[vip pacs]\n"
				   "interface = wan\n" /* 7 */
				   "address = 192.0.2.100\n"
				   "port = 70000\n" /* 9 */
				   "[server pacs/a]\n"
				   "address = 192.0.2.11\n"
				   "weight = heavy\n" /* 12 */
				   "[check c]\n"
				   "type = tcp\n"
				   "interval = 2\n"; /* 15 */
	static const unsigned lines[] = {2, 5, 7, 9, 12, 15};
	struct gt_config_messages m;
	struct gt_config *config;

	(void)state;
	assert_int_equal(gt_config_parse("t.ini", text, strlen(text), &config, &m), -EINVAL);
	if (m.n != 6)
		dump(&m);
	assert_int_equal(m.n, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(m.list[i].line, lines[i]);
	gt_config_messages_free(&m);
}

static void parse_smallest_file_gets_defaults(void **state)
{
	struct gt_config *c = parse_quietly(BASE);
	const struct gt_config_interface *i = &c->interfaces[0];
	const struct gt_config_vip *v = &c->vips[0];
	const struct gt_config_server *s = &v->servers[0];

	(void)state;
	assert_string_equal(c->file, "t.ini");
	assert_true(c->name[0] != '\0');
	assert_int_equal(c->seed, 0);
	assert_int_equal(c->workers, 1);
	assert_int_equal(c->main_core, -1);
	assert_null(c->worker_cores);
	assert_int_equal(c->connections, 1000000);
	assert_string_equal(c->control, "/run/gantry/gantry.sock");
	assert_true(c->hugepages);
	assert_int_equal(c->buffers, 0);
	assert_int_equal(c->buffer_size, 2176);
	assert_string_equal(c->eal, "");
	assert_int_equal(i->line, 1);
	assert_int_equal(i->device_line, 2);
	assert_false(i->has_mac || i->has_gateway4 || i->has_gateway6);
	assert_int_equal(i->vlan, 0);
	assert_int_equal(i->mtu, 1500);
	assert_null(i->kernel);
	assert_int_equal(v->line, 4);
	assert_int_equal(v->interface, 0);
	assert_int_equal(v->protocol, GT_PROTO_TCP);
	assert_int_equal(v->mode, GT_MODE_DR);
	assert_int_equal(v->policy, GT_POLICY_BALANCE);
	assert_int_equal(v->scheduler, GT_SCHED_MAGLEV);
	assert_int_equal(v->persistence, GT_PERSIST_CONNECTION);
	assert_string_equal(v->persistence_group, "");
	assert_false(v->sticky_failover);
	assert_int_equal(v->on_down, GT_ON_DOWN_BY_MODE);
	assert_string_equal(v->check, "tcp");
	assert_int_equal(v->check_line, 0);
	assert_int_equal(v->checked->type, GT_CHECK_TCP);
	assert_int_equal(v->checked->fall, 3);
	assert_int_equal(v->idle_timeout_s, 0);
	assert_int_equal(v->n_snat_addresses, 0);
	assert_int_equal(v->encapsulation, GT_ENCAP_IPIP);
	assert_string_equal(v->fallback, "");
	assert_int_equal(s->port, 0);
	assert_int_equal(s->weight, 100);
	assert_false(s->has_mac);
	assert_int_equal(s->state, GT_ADMIN_ENABLED);
	gt_config_free(c);
}

static void parse_check_defaults_are_those_of_the_contract(void **state)
{
	struct gt_config *c = parse_quietly(BASE "[check c]\ntype = dicom\n");
	const struct gt_config_check *k = &c->checks[0];

	(void)state;
	assert_int_equal(k->interval_ms, 2000);
	assert_int_equal(k->timeout_ms, 1000);
	assert_int_equal(k->rise, 2);
	assert_int_equal(k->fall, 3);
	assert_int_equal(k->port, 0);
	assert_string_equal(k->calling_aet, "GANTRY");
	assert_string_equal(k->called_aet, "ANY-SCP");
	assert_null(k->message);
	assert_string_equal(k->expect, "AA, CA");
	assert_string_equal(k->path, "/");
	assert_null(k->host);
	assert_int_equal(k->expect_status_first, 200);
	assert_int_equal(k->expect_status_last, 399);
	assert_null(k->command);
	gt_config_free(c);
}

/* Every key of the contract at least once. */
static const char whole_contract[] = "[gantry]\n"
				     "name = lb1\n"
				     "seed = 0xffffffffffffffff\n"
				     "workers = 4\n"
				     "main_core = 1\n"
				     "worker_cores = 2-5\n"
				     "connections = 5000000\n"
				     "control = /run/gantry/lb1.sock\n"
				     "hugepages = no\n"
				     "buffers = 65536\n"
				     "buffer_size = 9344\n"
				     "eal =\n"
				     "[server pacs/late]\n" /* before its VIP */
				     "address = 192.0.2.12\n"
				     "state = drain\n"
				     "weight = 0\n"
				     "[interface lan]\n"
				     "device = 0000:3b:00.0\n"
				     "mac = 02:00:00:00:00:aa\n"
				     "address = 192.0.2.2/24,\n"
				     "          192.0.2.3/24,   ; a comment\n"
				     "\n"
				     "          2001:db8::2/64\n"
				     "gateway = 2001:db8::1, 192.0.2.1\n"
				     "vlan = 100\n"
				     "mtu = 9000\n"
				     "kernel = gantry0\n"
				     "[interface wan]\n"
				     "device = net_af_packet0,iface=eth1,qdisc_bypass=1\n"
				     "address = 198.51.100.2/31\n"
				     "[vip pacs]\n"
				     "interface = lan\n"
				     "address = 203.0.113.1\n"
				     "port = 11112, 104, 5000-5010\n"
				     "check = archive\n"
				     "idle_timeout = 12h\n"
				     "persistence = source\n"
				     "persistence_group = dicom\n"
				     "on_down = reset\n"
				     "fallback = late\n"
				     "[server pacs/first]\n"
				     "address = 198.51.100.3\n"
				     "mac = 02:00:00:00:00:11\n"
				     "[vip hl7]\n"
				     "interface = wan\n"
				     "address = 2001:db8:1::1\n"
				     "port = 2575\n"
				     "mode = snat\n"
				     "policy = failover\n"
				     "sticky_failover = yes\n"
				     "snat_address = 192.0.2.10, 192.0.2.11\n"
				     "check = hl7\n"
				     "on_down = silent\n"
				     "[server hl7/engine1]\n"
				     "address = 10.1.1.1\n"
				     "port = 6661\n"
				     "[vip syslog]\n"
				     "interface = lan\n"
				     "address = 203.0.113.1\n"
				     "protocol = udp\n"
				     "port = any\n"
				     "mode = tunnel\n"
				     "encapsulation = gue\n"
				     "scheduler = least-connections\n"
				     "check = icmp\n"
				     "[server syslog/a]\n"
				     "address = 10.1.1.2\n"
				     "state = disabled\n"
				     "[server syslog/b]\n"
				     "address = 10.1.1.3\n"
				     "[check archive]\n"
				     "type = dicom\n"
				     "interval = 10s\n"
				     "timeout = 1500ms\n"
				     "rise = 1\n"
				     "fall = 5\n"
				     "port = 104\n"
				     "calling_aet = LB 1\n"
				     "called_aet = PACS1\n"
				     "[check feed]\n"
				     "type = hl7\n"
				     "message = /etc/gantry/probe.hl7\n"
				     "expect = AA,CA , AE\n"
				     "[check web]\n"
				     "type = https\n"
				     "path = /health?deep=1\n"
				     "host = pacs.example.org\n"
				     "expect_status = 204\n"
				     "[check script]\n"
				     "type = exec\n"
				     "command = /usr/local/bin/check --fast\n";

static void parse_whole_contract_fills_gantry_and_interfaces(void **state)
{
	struct gt_config *c = parse_quietly(whole_contract);
	const struct gt_config_interface *lan = &c->interfaces[0];
	char text[GT_PREFIX_STRLEN];

	(void)state;
	assert_string_equal(c->name, "lb1");
	assert_true(c->seed == UINT64_MAX);
	assert_int_equal(c->workers, 4);
	assert_int_equal(c->main_core, 1);
	assert_int_equal(c->n_worker_cores, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c->worker_cores[i], 2 + i);
	assert_int_equal(c->connections, 5000000);
	assert_string_equal(c->control, "/run/gantry/lb1.sock");
	assert_false(c->hugepages);
	assert_int_equal(c->buffers, 65536);
	assert_int_equal(c->buffer_size, 9344);
	assert_int_equal(c->n_interfaces, 2);
	assert_string_equal(lan->name, "lan");
	assert_string_equal(lan->device, "0000:3b:00.0");
	assert_true(lan->has_mac);
	assert_int_equal(lan->n_addresses, 3);
	assert_string_equal(gt_prefix_format(&lan->addresses[2], text), "2001:db8::2/64");
	assert_true(lan->has_gateway4 && lan->has_gateway6);
	assert_string_equal(gt_addr_format(&lan->gateway4, text), "192.0.2.1");
	assert_string_equal(gt_addr_format(&lan->gateway6, text), "2001:db8::1");
	assert_int_equal(lan->vlan, 100);
	assert_int_equal(lan->mtu, 9000);
	assert_string_equal(lan->kernel, "gantry0");
	gt_config_free(c);
}

static void parse_whole_contract_fills_vips_and_servers(void **state)
{
	struct gt_config *c = parse_quietly(whole_contract);
	const struct gt_config_vip *pacs = &c->vips[0], *hl7 = &c->vips[1], *syslog_ = &c->vips[2];
	char text[64];

	(void)state;
	assert_int_equal(c->n_vips, 3);
	assert_string_equal(gt_ports_format(pacs, text, sizeof(text)), "104, 5000-5010, 11112");
	assert_int_equal(pacs->idle_timeout_s, 12 * 3600);
	assert_int_equal(pacs->persistence, GT_PERSIST_SOURCE);
	assert_string_equal(pacs->persistence_group, "dicom");
	assert_string_equal(pacs->fallback, "late");
	assert_int_equal(pacs->n_servers, 2);
	assert_string_equal(pacs->servers[0].name, "late"); /* in the file's order */
	assert_int_equal(pacs->servers[0].state, GT_ADMIN_DRAIN);
	assert_int_equal(pacs->servers[0].weight, 0);
	assert_int_equal(pacs->servers[0].interface, 0);
	assert_int_equal(pacs->servers[1].interface, 1); /* of the subnet, not of the VIP */
	assert_true(pacs->servers[1].has_mac);
	assert_string_equal(pacs->checked->name, "archive");
	assert_int_equal(hl7->interface, 1);
	assert_int_equal(hl7->mode, GT_MODE_SNAT);
	assert_int_equal(hl7->policy, GT_POLICY_FAILOVER);
	assert_true(hl7->sticky_failover);
	assert_int_equal(hl7->n_snat_addresses, 2);
	assert_int_equal(hl7->servers[0].port, 6661);
	assert_int_equal(hl7->servers[0].interface, 0); /* by the only gateway */
	assert_int_equal(hl7->checked->type, GT_CHECK_HL7);
	assert_int_equal(hl7->checked->interval_ms, 2000);
	assert_string_equal(hl7->checked->expect, "AA, CA");
	assert_int_equal(syslog_->protocol, GT_PROTO_UDP);
	assert_string_equal(gt_ports_format(syslog_, text, sizeof(text)), "any");
	assert_int_equal(syslog_->encapsulation, GT_ENCAP_GUE);
	assert_int_equal(syslog_->scheduler, GT_SCHED_LEAST_CONNECTIONS);
	assert_int_equal(gt_config_line("vip", &syslog_->lines, "protocol"), syslog_->line + 3);
	gt_config_free(c);
}

static void parse_whole_contract_fills_checks(void **state)
{
	struct gt_config *c = parse_quietly(whole_contract);

	(void)state;
	assert_int_equal(c->n_checks, 4);
	assert_int_equal(c->checks[0].timeout_ms, 1500);
	assert_string_equal(c->checks[0].calling_aet, "LB 1");
	assert_int_equal(c->checks[0].port, 104);
	assert_string_equal(c->checks[1].message, "/etc/gantry/probe.hl7");
	assert_string_equal(c->checks[1].expect, "AA,CA , AE");
	assert_string_equal(c->checks[2].path, "/health?deep=1");
	assert_string_equal(c->checks[2].host, "pacs.example.org");
	assert_int_equal(c->checks[2].expect_status_first, 204);
	assert_int_equal(c->checks[2].expect_status_last, 204);
	assert_string_equal(c->checks[3].command, "/usr/local/bin/check --fast");
	gt_config_free(c);
}

static void unsupported_proxy_is_told(void **state)
{
	static const char text[] = "[interface lan]\ndevice = net_null0\naddress = 192.0.2.2/24\n"
				   "[vip web]\ninterface = lan\naddress = 192.0.2.100\nport = 80\n"
				   "mode = proxy\n[server web/a]\naddress = 192.0.2.11\n";
	struct gt_config_messages m;
	struct gt_config *c = parse(text, &m);

	(void)state;
	assert_int_equal(gt_config_unsupported(c, &m), -EINVAL);
	assert_true(told(&m, 8, false, "mode = proxy: proxy is not in this version"));
	assert_int_equal(m.n_errors, 1);
	gt_config_messages_free(&m);
	gt_config_free(c);
}

static void unsupported_plain_dr_nothing_told(void **state)
{
	struct gt_config_messages m;
	struct gt_config *c = parse(LAN "vlan = 7\n" PACS "persistence = source\ncheck = none\n"
					"on_down = silent\n" SERVER,
				    &m);

	(void)state;
	assert_int_equal(gt_config_unsupported(c, &m), 0);
	assert_int_equal(m.n, 0);
	gt_config_messages_free(&m);
	gt_config_free(c);
}

/* An archive would see gantry's address for every modality's. */
static void parse_snat_with_a_dicom_check_warned(void **state)
{
	static const char own[] = "check = mine\n" SERVER "[check mine]\ntype = dicom\n";
	const char *const checks[] = {"check = dicom\n" SERVER, own};
	char text[1024];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct gt_config_messages m;
		struct gt_config *c;
		bool snat = i < 2;

		snprintf(text, sizeof(text), LAN PACS "mode = %s\n%s", snat ? "snat" : "nat",
			 checks[i % 2]);
		c = parse(text, &m);
		assert_int_equal(m.n, snat);
		assert_int_equal(told(&m, 8, true, "DicomCheckModalityHost"), snat);
		gt_config_messages_free(&m);
		gt_config_free(c);
	}
}

static void parse_nat_servers_that_differ_accepted(void **state)
{
	struct gt_config_messages m;
	struct gt_config *c =
		parse(LAN PACS
		      "mode = nat\n" SERVER
		      "[vip web]\ninterface = lan\naddress = 192.0.2.100\nport = 80\nmode = nat\n"
		      "[server web/a]\naddress = 192.0.2.11\n[server web/b]\naddress = 192.0.2.11\n"
		      "port = 8080\n"
		      "[vip log]\ninterface = lan\naddress = 192.0.2.100\nport = 104\n"
		      "protocol = udp\nmode = nat\n[server log/a]\naddress = 192.0.2.11\n"
		      "[vip dr]\ninterface = lan\naddress = 192.0.2.101\nport = 104\n"
		      "[server dr/a]\naddress = 192.0.2.11\n",
		      &m);

	(void)state;
	assert_int_equal(m.n, 0);
	assert_int_equal(gt_config_unsupported(c, &m), 0);
	gt_config_messages_free(&m);
	gt_config_free(c);
}

static void parse_windows_file_with_bom_accepted(void **state)
{
	char text[1024] = "\xef\xbb\xbf", *to = text + 3;
	const char base[] = BASE;

	(void)state;
	for (const char *s = base; *s != '\0'; s++) {
		if (*s == '\n')
			*to++ = '\r';
		*to++ = *s;
	}
	gt_config_free(parse_quietly(text));
}

#define GROUPED "persistence = source\npersistence_group = g\n"

/* A group's VIPs may differ, and their user is told once of each difference. */
static void parse_groups_that_differ_warned(void **state)
{
	static const char text[] = LAN PACS GROUPED /* 4 to 9 */
		"[server pacs/a]\naddress = 192.0.2.11\n[server pacs/b]\naddress = 192.0.2.12\n" /* 13 */
		"[vip web]\ninterface = lan\naddress = 192.0.2.100\nport = 80\n" GROUPED
		"scheduler = rendezvous\n"			     /* 20 */
		"[server web/b]\naddress = 192.0.2.12\nweight = 7\n" /* 23 */
		"[server web/c]\naddress = 192.0.2.13\n"	     /* 25 */
		"[vip other]\ninterface = lan\naddress = 192.0.2.101\nport = 80\n"
		"persistence = source\npersistence_group = h\n"
		"[server other/z]\naddress = 192.0.2.14\n";
	static const struct {
		unsigned line;
		const char *part;
	} wanted[] = {
		{9, "[vip pacs] has no server 'c' as [vip web] has"},
		{19, "[vip web] has no server 'a' as [vip pacs] has"},
		{19, "scheduler = rendezvous and policy = balance, but [vip pacs] has maglev"},
		{23, "weight = 7: [server pacs/b] of the same persistence_group has 100"},
	};
	struct gt_config_messages m;
	struct gt_config *c = parse(text, &m);

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!told(&m, wanted[i].line, true, wanted[i].part)) {
			dump(&m);
			fail_msg("line %u '%s' not told", wanted[i].line, wanted[i].part);
		}
	assert_int_equal(m.n, 4);
	gt_config_messages_free(&m);
	gt_config_free(c);
}

static void parse_comments_and_indentation_accepted(void **state)
{
	struct gt_config *c = parse_quietly("; one\n# two\n\n  [interface lan]   # three\n"
					    "\tdevice=net_null0,x=a;b\t; four\n"
					    "   address = 192.0.2.2/24\t# five\n"
					    "[gantry]\n  eal = --a=b#c\n" PACS SERVER);

	(void)state;
	assert_string_equal(c->eal, "--a=b#c");
	assert_string_equal(c->interfaces[0].device, "net_null0,x=a;b");
	gt_config_free(c);
}

static void parse_longest_line_accepted(void **state)
{
	/* 199 bytes without the blanks and the comment, which do not count. */
	char text[1024];
	struct gt_config *c;

	(void)state;
	snprintf(text, sizeof(text), "%s[gantry]\n    eal = %.*s   # %s\n", BASE, 193,
		 A50 A50 A50 A50, A50 A50 A50);
	c = parse_quietly(text);
	assert_int_equal(strlen(c->eal), 193);
	gt_config_free(c);
}

static void parse_longest_names_accepted(void **state)
{
	char text[2048], name[GT_NAME_MAX + 1];
	struct gt_config *c;

	(void)state;
	/* inih by itself keeps 49 bytes of a section's name. */
	memset(name, 'n', GT_NAME_MAX);
	name[GT_NAME_MAX] = '\0';
	snprintf(text, sizeof(text),
		 LAN "[vip %s]\ninterface = lan\naddress = 192.0.2.100\nport = any\n"
		     "[server %s/%s]\naddress = 192.0.2.11\n",
		 name, name, name);
	c = parse_quietly(text);
	assert_string_equal(c->vips[0].name, name);
	assert_string_equal(c->vips[0].servers[0].name, name);
	gt_config_free(c);
}

static void parse_same_port_of_other_protocol_accepted(void **state)
{
	(void)state;
	gt_config_free(parse_quietly(
		BASE "[vip u]\ninterface = lan\naddress = 192.0.2.100\nport = 104\nprotocol = udp\n"
		     "[server u/a]\naddress = 192.0.2.11\n"
		     "[vip n]\ninterface = lan\naddress = 192.0.2.100\nport = 105-110\n"
		     "[server n/a]\naddress = 192.0.2.11\n"));
}

static void parse_tunnel_across_families_accepted(void **state)
{
	static const char text[] =
		LAN "mtu = 1332\n"
		    "gateway = 192.0.2.1\n"
		    "[vip a]\ninterface = lan\naddress = 192.0.2.100\nport = 104\nmode = tunnel\n"
		    "[server a/a]\naddress = 2001:db8::11\n"
		    "[vip b]\ninterface = lan\naddress = 2001:db8::100\nport = 104\nmode = tunnel\n"
		    "encapsulation = gue\n[server b/a]\naddress = 198.51.100.1\n"
		    "[server b/b]\naddress = 2001:db8::11\n";
	struct gt_config *c = parse_quietly(text);

	(void)state;
	assert_int_equal(c->vips[0].mode, GT_MODE_TUNNEL);
	assert_int_equal(c->vips[0].encapsulation, GT_ENCAP_IPIP);
	assert_false(gt_addr_is_v4(&c->vips[0].servers[0].address));
	gt_config_free(c);
}

static void parse_dr_server_with_the_vips_port_accepted(void **state)
{
	(void)state;
	gt_config_free(parse_quietly(BASE "port = 104\n"));
}

static void parse_check_section_named_as_its_type_is_used(void **state)
{
	struct gt_config *c = parse_quietly(LAN PACS "check = dicom\n" SERVER
						     "[check dicom]\ntype = dicom\nfall = 9\n");

	(void)state;
	assert_int_equal(c->vips[0].checked->fall, 9);
	gt_config_free(c);
}

/* What nobody asked for must not turn servers down that no TCP client connects to. */
static void parse_default_check_where_tcp_cannot_connect_is_none(void **state)
{
	static const char *const texts[] = {
		LAN PACS "protocol = udp\n" SERVER,
		LAN PACS "protocol = udp\ncheck = none\n" SERVER,
		LAN "[vip pacs]\ninterface = lan\naddress = 192.0.2.100\nport = any\n" SERVER,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct gt_config *c = parse_quietly(texts[i]);

		assert_null(c->vips[0].checked);
		gt_config_free(c);
	}
}

static void parse_keys_without_effect_warned(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *part;
	} cases[] = {
		{LAN PACS "encapsulation = gre\n" SERVER, 8, "no effect with mode = dr"},
		{LAN PACS "snat_address = 192.0.2.7\n" SERVER, 8, "no effect with mode = dr"},
		{BASE "weight = 0\n", 4, "none of its servers takes new connections"},
		{LAN PACS "protocol = udp\ncheck = tcp\n" SERVER, 9, "connects by TCP"},
		{LAN, 1, "there is no [vip NAME]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gt_config_messages m;
		struct gt_config *c = parse(cases[i].text, &m);

		if (!told(&m, cases[i].line, true, cases[i].part) || m.n != 1) {
			dump(&m);
			fail_msg("line %u '%s' not warned", cases[i].line, cases[i].part);
		}
		gt_config_messages_free(&m);
		gt_config_free(c);
	}
}

/* Sanitizers slow the code down, not the algorithm. */
#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* A growing text, freed by the test. */
struct text {
	char *s;
	size_t n, room;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
	va_list args;

	if (t->room - t->n < 512) {
		t->room = 2 * t->room + 65536;
		t->s = realloc(t->s, t->room);
		assert_non_null(t->s);
	}
	va_start(args, fmt);
	t->n += (size_t)vsnprintf(t->s + t->n, t->room - t->n, fmt, args);
	va_end(args);
}

static void put_vips(struct text *t, unsigned vips, unsigned servers)
{
	put(t, "[interface lan]\ndevice = net_null0\naddress = 10.0.0.2/8\n");
	for (unsigned i = 0; i < vips; i++) {
		put(t, "[vip v%u]\ninterface = lan\naddress = 10.1.%u.%u\nport = 104, 11112\n", i,
		    i / 250, i % 250 + 1);
		for (unsigned j = 0; j < servers; j++)
			put(t, "[server v%u/s%u]\naddress = 10.2.%u.%u\nweight = %u\n", i, j,
			    (i + j) / 250 % 250, (i + j) % 250 + 1, j + 1);
	}
}

static void parse_10000_vips_takes_under_a_second(void **state)
{
	struct text t = {0};
	struct gt_config_messages m;
	struct timespec a, b;
	struct gt_config *c;

	(void)state;
	put_vips(&t, 10000, 5);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	assert_int_equal(gt_config_parse("t.ini", t.s, t.n, &c, &m), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);

	print_message("10,000 VIPs, 50,000 servers, %zu bytes: %.0f ms\n", t.n, 1e3 * s);
	if (SANITIZED)
		s /= 10;
	assert_true(s < 1.0);
	assert_int_equal(c->n_vips, 10000);
	assert_int_equal(c->vips[9999].n_servers, 5);
	gt_config_messages_free(&m);
	gt_config_free(c);
	free(t.s);
}

static void expect_one_error(struct text *t, const char *part)
{
	struct gt_config_messages m;
	struct gt_config *c;

	assert_int_equal(gt_config_parse("t.ini", t->s, t->n, &c, &m), -EINVAL);
	bool found = false;

	for (size_t i = 0; i < m.n; i++)
		found |= !m.list[i].warning && strstr(m.list[i].text, part) != NULL;
	if (m.n_errors != 1 || !found) {
		dump(&m);
		fail_msg("'%s' not told alone", part);
	}
	gt_config_messages_free(&m);
	free(t->s);
}

static void parse_too_many_sections_refused(void **state)
{
	struct text interfaces = {0}, vips = {0}, servers = {0};

	(void)state;
	for (unsigned i = 0; i <= GT_INTERFACES_MAX; i++)
		put(&interfaces, "[interface i%u]\ndevice = net_null%u\naddress = 10.%u.0.1/16\n",
		    i, i, i);
	expect_one_error(&interfaces, "[interface NAME]: one too many, there may be 16");
	put_vips(&vips, GT_CONFIG_VIPS_MAX, 1);
	put(&vips, "[vip more]\nport = 1\n");
	expect_one_error(&vips, "[vip NAME]: one too many, there may be 16383");
	put_vips(&servers, 1, 0);
	for (unsigned i = 0; i <= GT_CONFIG_SERVERS_MAX; i++)
		put(&servers, "[server v0/s%u]\naddress = 10.%u.%u.%u\n", i, i / 65536 + 3,
		    i / 256 % 256, i % 256);
	expect_one_error(&servers, "[server VIP/NAME]: one too many, there may be 65535");
}

static void parse_too_many_services_refused(void **state)
{
	struct text t = {0};

	(void)state;
	put(&t, LAN);
	for (unsigned i = 0; i < 257; i++)
		put(&t,
		    "[vip v%u]\ninterface = lan\naddress = 10.0.%u.1\nport = 1000-1255\n"
		    "[server v%u/a]\naddress = 192.0.2.11\n",
		    i, i % 256, i);
	/* 256 VIPs of 256 ports are one service too many, before the 257th clashes with the first.
	 */
	struct gt_config_messages m;
	struct gt_config *c;

	assert_int_equal(gt_config_parse("t.ini", t.s, t.n, &c, &m), -EINVAL);
	assert_true(told(&m, 4 + 6 * 255 + 3, false, "more than 65535 ports"));
	gt_config_messages_free(&m);
	free(t.s);
}

static void parse_file_of_mistakes_is_bounded(void **state)
{
	struct text t = {0};
	struct gt_config_messages m;
	struct gt_config *c;

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		put(&t, "no line of a configuration\n");
	assert_int_equal(gt_config_parse("t.ini", t.s, t.n, &c, &m), -EINVAL);
	assert_int_equal(m.n, GT_CONFIG_MESSAGES_MAX);
	assert_non_null(strstr(m.list[m.n - 1].text, "more errors"));
	gt_config_messages_free(&m);
	free(t.s);
}

static void load_absent_file_told(void **state)
{
	struct gt_config_messages m;
	struct gt_config *c;

	(void)state;
	assert_int_equal(gt_config_load("/nonexistent/gantry.ini", &c, &m), -ENOENT);
	assert_null(c);
	assert_int_equal(m.n, 1);
	assert_non_null(strstr(m.list[0].text, "No such file"));
	gt_config_messages_free(&m);
}

static void load_directory_told(void **state)
{
	struct gt_config_messages m;
	struct gt_config *c;

	(void)state;
	assert_int_equal(gt_config_load("/", &c, &m), -EISDIR);
	assert_int_equal(m.n, 1);
	gt_config_messages_free(&m);
}

static void append_page(void *ctx, const char *text, size_t len)
{
	put(ctx, "%.*s", (int)len, text);
}

static void reference_example_is_valid(void **state)
{
	struct text page = {0};
	const struct gt_config_writer w = {append_page, &page};
	struct gt_config *c;

	(void)state;
	/* The introduction is one piece of a few kB. */
	put(&page, "%s", "");
	gt_config_reference(&w);
	char *from = strstr(page.s, "```ini\n[");

	assert_non_null(from);
	from += strlen("```ini\n");
	*strstr(from, "```") = '\0';
	c = parse_quietly(from);
	assert_int_equal(c->vips[0].n_servers, 2);
	gt_config_free(c);
	free(page.s);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(parse_many_mistakes_all_told_in_order),
		cmocka_unit_test(parse_smallest_file_gets_defaults),
		cmocka_unit_test(parse_check_defaults_are_those_of_the_contract),
		cmocka_unit_test(parse_whole_contract_fills_gantry_and_interfaces),
		cmocka_unit_test(parse_whole_contract_fills_vips_and_servers),
		cmocka_unit_test(parse_whole_contract_fills_checks),
		cmocka_unit_test(unsupported_proxy_is_told),
		cmocka_unit_test(unsupported_plain_dr_nothing_told),
		cmocka_unit_test(parse_snat_with_a_dicom_check_warned),
		cmocka_unit_test(parse_nat_servers_that_differ_accepted),
		cmocka_unit_test(parse_windows_file_with_bom_accepted),
		cmocka_unit_test(parse_groups_that_differ_warned),
		cmocka_unit_test(parse_comments_and_indentation_accepted),
		cmocka_unit_test(parse_longest_line_accepted),
		cmocka_unit_test(parse_longest_names_accepted),
		cmocka_unit_test(parse_same_port_of_other_protocol_accepted),
		cmocka_unit_test(parse_tunnel_across_families_accepted),
		cmocka_unit_test(parse_dr_server_with_the_vips_port_accepted),
		cmocka_unit_test(parse_check_section_named_as_its_type_is_used),
		cmocka_unit_test(parse_default_check_where_tcp_cannot_connect_is_none),
		cmocka_unit_test(parse_keys_without_effect_warned),
		cmocka_unit_test(parse_10000_vips_takes_under_a_second),
		cmocka_unit_test(parse_too_many_sections_refused),
		cmocka_unit_test(parse_too_many_services_refused),
		cmocka_unit_test(parse_file_of_mistakes_is_bounded),
		cmocka_unit_test(load_absent_file_told),
		cmocka_unit_test(load_directory_told),
		cmocka_unit_test(reference_example_is_valid),
	};
#define N_MISTAKES (sizeof(mistakes) / sizeof(mistakes[0]))
#define N_OTHERS   (sizeof(others) / sizeof(others[0]))
	static struct CMUnitTest tests[N_MISTAKES + N_OTHERS];
	static struct mistake states[N_MISTAKES];

	for (size_t i = 0; i < N_MISTAKES; i++) {
		states[i] = mistakes[i];
		tests[i] = (struct CMUnitTest){.name = mistakes[i].name,
					       .test_func = parse_mistake_told_once_in_its_line,
					       .initial_state = &states[i]};
	}
	memcpy(&tests[N_MISTAKES], others, sizeof(others));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
